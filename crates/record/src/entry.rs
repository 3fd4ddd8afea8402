//! A line of a log: header, signature, body (protocol §2).
//!
//! ```text
//! Header = [v=1, pid, log, epoch, seq, prev|null, clock, type, crit, body_len, body_hash, refs:[id…≤16]]   ≤ 1 KiB
//! Entry  = [[Sign1(Header)…], body|null]                                 id = BLAKE3("lapwing/1 entry", Header bytes)
//! ```
//!
//! The header binds its body by hash, so a superseded body can be pruned and the chain still verifies. Ids hash the
//! header only: signing again changes no id. Log 0 may carry several signatures (one per root key, ascending kid),
//! every other log exactly one, by the feed key of the header's epoch.
//!
//! The road of an entry is a chain of types: bytes → [`Entry`] (well-formed) → [`SignedEntry`] (signature held under
//! the keys of its author) → admitted by the engine (rules held). Nothing makes a [`SignedEntry`] but [`Entry::open`].

use crate::cbor::{self, Bytes, Cbor, DecodeError, Value, encode};
use crate::id::{Digest, EntryId, HashOf, NetworkId, Pid};
use crate::sign::{Context, PublicKey, SecretKey, Sign1, SignatureError};
use crate::{cbor_array, codes};
use std::sync::OnceLock;

/// Bytes of a header at most.
pub const MAX_HEADER: usize = 1024;
/// References of a header at most.
pub const MAX_REFS: usize = 16;
/// Bytes of any body at most; each type has its own, lower limit ([`EntryType::limit`]).
pub const MAX_BODY: usize = 64 * 1024;
/// Signatures of an entry at most: the root keys of one participant.
pub const MAX_SIGNATURES: usize = 5;
/// Bytes of an entry at most.
pub const MAX_ENTRY: usize = MAX_BODY + MAX_SIGNATURES * (MAX_HEADER + 128) + 64;
/// The version this code writes.
pub const VERSION: u64 = 1;

codes! {
    /// One of a participant's logs.
    pub enum LogKind {
        /// Log 0: signed by the root keys; who the participant is.
        0 "id" => Id,
        /// Log 1: signed by the feed key; held by every participant.
        1 "pub" => Pub,
        /// Log 2: signed by the feed key; held by agencies in full standing.
        2 "agy" => Agy,
    }
}

codes! {
    /// What an entry says (annex §3).
    pub enum EntryType {
        /// Log 0, entry 0: who this is.
        1 "inception" => Inception,
        /// The pre-committed next root keys take over.
        2 "root_rotate" => RootRotate,
        /// A new epoch: feed key, officers, policy, anchors.
        3 "key_grant" => KeyGrant,
        /// The participant leaves (Plan D).
        4 "leave" => Leave,
        /// Names, competence, languages, hours.
        16 "profile" => Profile,
        /// A point of contact (Plan A.1).
        17 "contact" => Contact,
        /// A node key and its addresses.
        18 "node_binding" => NodeBinding,
        /// A key to seal to.
        19 "kem_key" => KemKey,
        /// An applicant, made known to all.
        20 "introduce" => Introduce,
        /// What this agency says about participants and motions.
        21 "stances" => Stances,
        /// Agencies that are silent beyond W+G.
        22 "excuse" => Excuse,
        /// An amendment of the Params.
        23 "motion" => Motion,
        /// The state that this node has reached.
        24 "checkpoint" => Checkpoint,
        /// Two entries that contradict each other.
        25 "fork_proof" => ForkProof,
        /// What a participant's law covers.
        26 "legal_profile" => LegalProfile,
        /// An arrangement between agencies.
        27 "arrangement" => Arrangement,
        /// What became of a case, for everyone.
        28 "outcome" => Outcome,
        /// A point of contact for agencies only.
        64 "agency_contact" => AgencyContact,
        /// Why an agency objects; for agencies only.
        65 "objection_reason" => ObjectionReason,
        /// What became of a case, for agencies only.
        66 "agency_outcome" => AgencyOutcome,
    }
}

impl EntryType {
    /// The log that this type belongs to.
    pub const fn log(self) -> LogKind {
        match self.number() {
            0..=15 => LogKind::Id,
            16..=63 => LogKind::Pub,
            _ => LogKind::Agy,
        }
    }

    /// Bytes of the body at most.
    pub const fn limit(self) -> usize {
        match self {
            EntryType::Introduce | EntryType::Motion => MAX_BODY,
            EntryType::Contact | EntryType::AgencyContact | EntryType::ForkProof => 4 * 1024,
            _ => 16 * 1024,
        }
    }

    /// Whether a reader that does not know the type must stop trusting the author's later entries.
    pub const fn critical(self) -> bool {
        matches!(self.log(), LogKind::Id) || matches!(self, EntryType::Stances | EntryType::Excuse | EntryType::Motion)
    }
}

cbor_array! {
    /// What is signed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Header {
        /// Format version, 1.
        pub version: u64,
        /// The author.
        pub pid: Pid,
        /// The author's log.
        pub log: LogKind,
        /// The epoch of the author's keys.
        pub epoch: u64,
        /// Position in the log, from 0; a new epoch goes on where its anchor stands.
        pub seq: u64,
        /// The entry before, in the same log.
        pub prev: Option<EntryId>,
        /// The author's milliseconds since 1970 UTC. For people; the fold never reads it.
        pub clock: u64,
        /// A number of [`EntryType`], or one that this version does not know.
        pub kind: u64,
        /// Whether a reader that does not know the type must say so.
        pub crit: bool,
        /// Bytes of the body.
        pub body_len: u64,
        /// Hash of the body.
        pub body_hash: Digest,
        /// Entries that must be here before this one is folded.
        pub refs: Vec<EntryId>,
    }
}

impl Header {
    /// The entry's id: the hash of the header's one encoding.
    pub fn id(&self) -> EntryId {
        EntryId(HashOf::Entry.hash(&encode(self)))
    }

    /// The type, if this version knows it.
    pub fn entry_type(&self) -> Option<EntryType> {
        EntryType::from_number(self.kind)
    }

    /// Signs the header for `network`.
    pub fn sign(&self, key: &SecretKey, network: &NetworkId) -> Sign1 {
        Sign1::sign(key, network, Context::Entry, encode(self))
    }
}

/// Whether a type's number, known here or not, is one of that log: 0–15 log 0, 16–63 log 1, 64–127 log 2. Were unknown
/// ones taken anywhere, a later version that knows them would refuse what this one keeps. From 128 on (experiments from
/// 1024) a type may stand in log 1 or 2.
pub const fn belongs(kind: u64, log: LogKind) -> bool {
    match log {
        LogKind::Id => kind <= 15,
        LogKind::Pub => (kind >= 16 && kind <= 63) || kind >= 128,
        LogKind::Agy => kind >= 64,
    }
}

/// The hash that a header carries of its body.
pub fn body_hash(body: &[u8]) -> Digest {
    Digest(HashOf::Body.hash(body))
}

/// Why an entry is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes of the entry do not decode.
    #[error("entry: {0}")]
    Decode(#[source] DecodeError),
    /// The bytes of its header do not decode.
    #[error("header of an entry: {0}")]
    Header(#[source] DecodeError),
    /// Not of format version 1.
    #[error("entry of format version {0}; this node reads version {VERSION}")]
    Version(u64),
    /// A rule of the header's form is broken.
    #[error("header of an entry: {0}")]
    Form(&'static str),
    /// The body is not the one that the header names.
    #[error("the body is not the one that the header binds")]
    Body,
    /// A signature does not hold.
    #[error("entry {0:?}: {1}")]
    Signature(EntryId, #[source] SignatureError),
    /// Fewer root keys signed than the threshold asks.
    #[error("entry {id:?}: signed by {signed} of the root keys, {threshold} needed")]
    Threshold {
        /// The entry.
        id: EntryId,
        /// Distinct root keys that signed.
        signed: usize,
        /// Root keys that must sign.
        threshold: usize,
    },
}

/// A well-formed entry whose signatures have not been checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    header: Header,
    id: EntryId,
    signatures: Vec<Sign1>,
    body: Option<Bytes>,
    held: Held,
}

/// The key under which an entry's one signature was found to hold. An entry never changes, so neither does this: what
/// was checked on one core is not checked again on another. It is no part of what the entry is.
#[derive(Clone, Debug, Default)]
struct Held(OnceLock<(NetworkId, PublicKey)>);

impl PartialEq for Held {
    fn eq(&self, _: &Held) -> bool {
        true
    }
}
impl Eq for Held {}

impl Entry {
    /// Puts an entry together from a header's signatures and a body. All signatures must be over the same bytes.
    pub fn new(signatures: Vec<Sign1>, body: Option<Vec<u8>>) -> Result<Self, EntryError> {
        let first = signatures.first().ok_or(EntryError::Form("no signature"))?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(EntryError::Form("more signatures than root keys may be"));
        }
        if signatures.iter().any(|s| s.payload != first.payload) {
            return Err(EntryError::Form("its signatures are over different headers"));
        }
        if signatures.windows(2).any(|w| w[0].by.kid >= w[1].by.kid) {
            return Err(EntryError::Form("its signatures are not in ascending order of key"));
        }
        let header: Header = cbor::decode(&first.payload, MAX_HEADER).map_err(EntryError::Header)?;
        if header.version != VERSION {
            return Err(EntryError::Version(header.version));
        }
        if header.refs.len() > MAX_REFS {
            return Err(EntryError::Form("more than 16 references"));
        }
        if header.refs.windows(2).any(|w| w[0] >= w[1]) {
            return Err(EntryError::Form("references are not in ascending order"));
        }
        if (header.seq == 0) != header.prev.is_none() {
            return Err(EntryError::Form("the first entry of a log, and only it, has no predecessor"));
        }
        if header.log != LogKind::Id && signatures.len() != 1 {
            return Err(EntryError::Form("only log 0 carries several signatures"));
        }
        let limit = header.entry_type().map_or(MAX_BODY, EntryType::limit);
        if header.body_len > limit as u64 {
            return Err(EntryError::Form("the body is longer than its type allows"));
        }
        if !belongs(header.kind, header.log) {
            return Err(EntryError::Form("this type of entry belongs to another log"));
        }
        if let Some(body) = &body
            && (body.len() as u64 != header.body_len || body_hash(body) != header.body_hash)
        {
            return Err(EntryError::Body);
        }
        let id = EntryId(HashOf::Entry.hash(&first.payload));
        Ok(Entry { header, id, signatures, body: body.map(Bytes), held: Held::default() })
    }

    /// Reads an entry's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let (signatures, body): (Vec<Sign1>, Option<Bytes>) =
            cbor::decode(bytes, MAX_ENTRY).map_err(EntryError::Decode)?;
        Entry::new(signatures, body.map(|b| b.0))
    }

    /// The entry's bytes. (The one encoding: [`Entry::decode`] refuses every other.)
    pub fn encode(&self) -> Vec<u8> {
        encode(&(self.signatures.clone(), self.body.clone()))
    }

    /// What was signed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The body's bytes, unless pruned or withheld.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|b| &b.0[..])
    }

    /// The signatures.
    pub fn signatures(&self) -> &[Sign1] {
        &self.signatures
    }

    /// The same entry without its body.
    pub fn without_body(&self) -> Entry {
        Entry { body: None, ..self.clone() }
    }

    /// Checks the signatures: `threshold` distinct keys of `keys`, and no signature by any other.
    pub fn open(self, keys: &[PublicKey], threshold: usize, network: &NetworkId) -> Result<SignedEntry, EntryError> {
        self.verify(keys, threshold, network)?;
        Ok(SignedEntry(self))
    }

    /// The check of [`Entry::open`] alone. An entry with one signature remembers that it held, and under which key.
    pub fn verify(&self, keys: &[PublicKey], threshold: usize, network: &NetworkId) -> Result<(), EntryError> {
        if let (Some(held), [key]) = (self.held.0.get(), keys)
            && threshold <= 1
            && *held == (*network, *key)
        {
            return Ok(());
        }
        for sign1 in &self.signatures {
            let key = keys.iter().find(|k| k.kid() == sign1.by.kid);
            let key = key.ok_or(EntryError::Signature(self.id, SignatureError::OtherKey))?;
            sign1.open(key, network, Context::Entry).map_err(|e| EntryError::Signature(self.id, e))?;
        }
        // the kids are strictly ascending, so each signature is by another key
        let signed = self.signatures.len();
        if signed < threshold.max(1) {
            return Err(EntryError::Threshold { id: self.id, signed, threshold });
        }
        if let [key] = keys {
            // another thread may have found the same
            let _ = self.held.0.set((*network, *key));
        }
        Ok(())
    }
}

impl Cbor for Entry {
    fn to_value(&self) -> Value {
        (self.signatures.clone(), self.body.clone()).to_value()
    }
    fn from_value(value: Value) -> Result<Self, cbor::Fault> {
        let (signatures, body): (Vec<Sign1>, Option<Bytes>) = Cbor::from_value(value)?;
        Entry::new(signatures, body.map(|b| b.0)).map_err(|e| cbor::Fault::here(e.to_string()))
    }
}

/// An entry whose signatures held under the keys that it was opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEntry(Entry);

impl std::ops::Deref for SignedEntry {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.0
    }
}

impl SignedEntry {
    /// Back to the plain entry.
    pub fn into_entry(self) -> Entry {
        self.0
    }
}

/// The header of a new entry over `body`.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The author.
    pub pid: Pid,
    /// The epoch to sign in.
    pub epoch: u64,
    /// The entry that this one follows: its seq and id.
    pub after: Option<(u64, EntryId)>,
    /// The author's clock, milliseconds since 1970 UTC.
    pub clock: u64,
    /// What it says.
    pub kind: EntryType,
    /// What must be here first.
    pub refs: Vec<EntryId>,
}

impl Draft {
    /// The header that binds `body`.
    pub fn header(mut self, body: &[u8]) -> Header {
        self.refs.sort();
        self.refs.dedup();
        Header {
            version: VERSION,
            pid: self.pid,
            log: self.kind.log(),
            epoch: self.epoch,
            seq: self.after.map_or(0, |(seq, _)| seq + 1),
            prev: self.after.map(|(_, id)| id),
            clock: self.clock,
            kind: self.kind.number(),
            crit: self.kind.critical(),
            body_len: body.len() as u64,
            body_hash: body_hash(body),
            refs: self.refs,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NET: NetworkId = NetworkId([1; 32]);

    fn sample(kind: EntryType, body: &[u8]) -> (Entry, SecretKey) {
        let key = SecretKey::from_seed([3; 32]);
        let draft =
            Draft { pid: Pid([2; 32]), epoch: 0, after: Some((4, EntryId([9; 32]))), clock: 5, kind, refs: vec![] };
        let sign1 = draft.header(body).sign(&key, &NET);
        (Entry::new(vec![sign1], Some(body.to_vec())).unwrap(), key)
    }

    #[test]
    fn an_entry_survives_its_bytes_and_keeps_its_id_without_its_body() {
        let (entry, key) = sample(EntryType::Contact, b"body");
        let back = Entry::decode(&entry.encode()).unwrap();
        assert_eq!(back, entry);
        assert_eq!(back.without_body().id(), entry.id());
        assert_eq!(Entry::decode(&entry.without_body().encode()).unwrap().id(), entry.id());
        back.open(&[key.public()], 1, &NET).unwrap();
    }

    #[test]
    fn any_flipped_bit_is_rejected_or_is_the_same_id_with_a_bad_signature() {
        let (entry, key) = sample(EntryType::Contact, b"body");
        let bytes = entry.encode();
        for i in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[i / 8] ^= 1 << (i % 8);
            if let Ok(other) = Entry::decode(&bent) {
                assert!(other.open(&[key.public()], 1, &NET).is_err(), "bit {i}");
            }
        }
    }

    #[test]
    fn an_entry_in_the_wrong_log_or_with_another_body_is_refused() {
        let (entry, key) = sample(EntryType::Contact, b"body");
        let swapped = Entry::new(entry.signatures().to_vec(), Some(b"bodY".to_vec()));
        assert_eq!(swapped, Err(EntryError::Body));
        let misplaced = Header { log: LogKind::Agy, ..entry.header().clone() };
        let misplaced = Entry::new(vec![misplaced.sign(&key, &NET)], None);
        assert!(matches!(misplaced, Err(EntryError::Form(_))));
    }

    #[test]
    fn a_signature_that_held_is_remembered_for_its_key_and_network_alone() {
        let (entry, key) = sample(EntryType::Contact, b"body");
        let copy = entry.clone();
        entry.verify(&[key.public()], 1, &NET).unwrap();
        assert_eq!(entry, copy, "what was checked is no part of what it is");
        let other = SecretKey::from_seed([4; 32]).public();
        assert!(entry.verify(&[other], 1, &NET).is_err());
        assert!(entry.verify(&[key.public()], 1, &NetworkId([2; 32])).is_err());
        assert!(entry.verify(&[key.public()], 2, &NET).is_err());
        entry.clone().open(&[key.public()], 1, &NET).unwrap();
    }

    #[test]
    fn a_threshold_counts_distinct_keys_only() {
        let keys: Vec<SecretKey> = (1..=3).map(|i| SecretKey::from_seed([i; 32])).collect();
        let header = Header {
            log: LogKind::Id,
            kind: EntryType::Leave.number(),
            crit: true,
            ..sample(EntryType::Contact, b"x").0.header().clone()
        };
        let mut two: Vec<Sign1> = keys[..2].iter().map(|k| header.sign(k, &NET)).collect();
        two.sort_by_key(|s| s.by.kid);
        let publics: Vec<PublicKey> = keys.iter().map(SecretKey::public).collect();
        assert!(Entry::new(two.clone(), None).unwrap().open(&publics, 2, &NET).is_ok());
        assert!(matches!(
            Entry::new(two.clone(), None).unwrap().open(&publics, 3, &NET),
            Err(EntryError::Threshold { signed: 2, threshold: 3, .. })
        ));
        let twice = Entry::new(vec![two[0].clone(), two[0].clone()], None);
        assert!(matches!(twice, Err(EntryError::Form(_))), "the same key twice");
        two[1].payload = Bytes(encode(&Header { seq: 6, ..header }));
        assert!(matches!(Entry::new(two, None), Err(EntryError::Form(_))), "different headers");
    }
}
