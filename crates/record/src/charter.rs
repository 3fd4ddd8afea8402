//! The founding document of a federation and the Params that it runs by (protocol §2).

use crate::cbor::{self, Bytes, DecodeError, Fault, encode};
use crate::entry::Entry;
use crate::id::{Digest, HashOf, NetworkId, Pid};
use crate::identity::{Class, Inception, check_text};
use crate::sign::{Context, Detached, SecretKey, SignatureError};
use crate::{cbor_array, codes};

/// Founders at most.
pub const MAX_FOUNDERS: usize = 64;
/// Bytes of a charter file at most.
pub const MAX_CHARTER_FILE: usize = 4 * 1024 * 1024;

codes! {
    /// How long an objection may be made (protocol §4.1). Fixed by the charter for good.
    pub enum Veto {
        /// Whenever it is made and as long as it stands.
        0 "standing" => Standing,
        /// Only before the objector has cleared or consented.
        1 "entry" => Entry,
    }
}

cbor_array! {
    /// The numbers that the Plan leaves open. All but `veto` change by amendment.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Params {
        /// W: milliseconds that a node waits for its people's objection after it noted a candidate.
        pub window_ms: u64,
        /// G: milliseconds beyond W after which a silent node may be excused.
        pub grace_ms: u64,
        /// Whether an objection counts at any time.
        pub veto: Veto,
        /// Weights of the harm factors, in the order of the pro forma, summing up to 100.
        pub harm_weights: Vec<u64>,
        /// Milliseconds of retention that a referral may ask for at most.
        pub retention_max_ms: u64,
        /// Bytes of evidence that one item may have at most.
        pub blob_max_bytes: u64,
        /// The schema of entries and forms in force.
        pub schema: u64,
    }
}

/// One day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Default for Params {
    fn default() -> Self {
        Params {
            window_ms: 14 * DAY_MS,
            grace_ms: 7 * DAY_MS,
            veto: Veto::Standing,
            harm_weights: vec![25, 25, 15, 15, 10, 10],
            retention_max_ms: 3650 * DAY_MS,
            blob_max_bytes: 64 << 30,
            schema: 1,
        }
    }
}

impl Params {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.window_ms == 0 || self.window_ms > 365 * DAY_MS || self.grace_ms > 365 * DAY_MS {
            return Err(Fault::here("must be between 1 millisecond and 365 days").within("window_ms"));
        }
        if self.harm_weights.len() != 6
            || self.harm_weights.iter().try_fold(0u64, |a, w| a.checked_add(*w)) != Some(100)
        {
            return Err(Fault::here("must be six weights that sum up to 100").within("harm_weights"));
        }
        Ok(())
    }

    /// Names the Params, so that an amendment says what it changes.
    pub fn digest(&self) -> Digest {
        Digest(HashOf::Body.hash(&encode(self)))
    }
}

cbor_array! {
    /// What the founders sign.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Charter {
        /// Format version, 1.
        pub version: u64,
        /// The federation's name.
        pub name: String,
        /// The text that participants endorse.
        pub plan_text_hash: Digest,
        /// Milliseconds UTC.
        pub created: u64,
        /// The numbers at the start.
        pub params: Params,
        /// The founders' inception bodies: agencies only, in ascending order of pid.
        pub founders: Vec<Bytes>,
    }
}

/// Why a charter is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// The bytes do not decode.
    #[error("charter: {0}")]
    Decode(#[from] DecodeError),
    /// A rule of form is broken.
    #[error("charter: {0}")]
    Form(#[from] Fault),
    /// A founder's signature is missing.
    #[error("charter: {name} has not signed ({signed} of {threshold} root keys)")]
    Unsigned {
        /// The founder's short name.
        name: String,
        /// Its root keys that signed.
        signed: usize,
        /// Its root keys that must sign.
        threshold: usize,
    },
    /// A signature does not hold, or is by no founder.
    #[error("charter: a signature by {0} does not hold: {1}")]
    Signature(String, #[source] SignatureError),
    /// A founder's first entry is missing or not its own.
    #[error("charter: the first log entry of {0} is missing or not the one that it founds with")]
    FirstEntry(String),
}

impl Charter {
    /// The federation's id.
    pub fn network_id(&self) -> NetworkId {
        NetworkId(HashOf::Charter.hash(&encode(self)))
    }

    /// The founders' inceptions, by pid.
    pub fn founders(&self) -> Result<Vec<(Pid, Inception)>, DecodeError> {
        let read = |b: &Bytes| Inception::decode(b).map(|i| (i.pid(), i));
        self.founders.iter().map(read).collect()
    }

    /// Every rule of form.
    pub fn check(&self) -> Result<(), CharterError> {
        let fault = |path: &str, what: &str| Err(CharterError::Form(Fault::here(what).within(path)));
        if self.version != 1 {
            return fault("version", "this program reads version 1");
        }
        check_text("name", &self.name, 1, 200)?;
        self.params.check().map_err(|f| f.within("params"))?;
        if self.founders.is_empty() || self.founders.len() > MAX_FOUNDERS {
            return fault("founders", "must be 1 to 64");
        }
        let founders = self.founders()?;
        if founders.windows(2).any(|w| w[0].0 >= w[1].0) {
            return fault("founders", "must be different, in ascending order of their ids");
        }
        let mut names: Vec<&str> = founders.iter().map(|(_, i)| i.short_name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|w| w[0] == w[1]) {
            return fault("founders", "two founders have the same short name");
        }
        for (_, founder) in &founders {
            if founder.class != Class::Agency {
                return fault("founders", "only agencies found a federation");
            }
            if founder.plan_text_hash != self.plan_text_hash {
                return fault("founders", "a founder endorses another text of the Plan");
            }
        }
        Ok(())
    }

    /// Signs the charter with one root key.
    pub fn sign(&self, root: &SecretKey) -> Detached {
        Detached::sign(root, &self.network_id(), Context::Charter, &encode(self))
    }
}

cbor_array! {
    /// A charter as it is kept and handed on (`.lapwing`): with its signatures and every founder's first log entry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CharterFile {
        /// The charter.
        pub charter: Charter,
        /// Root keys' signatures over it, in ascending order of key.
        pub signatures: Vec<Detached>,
        /// Each founder's log 0, entry 0, in the order of the founders.
        pub first_entries: Vec<Entry>,
    }
}

cbor_array! {
    /// What one founder hands to the others: its signatures over the charter and its first log entry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FounderSignature {
        /// Signatures by its root keys.
        pub signatures: Vec<Detached>,
        /// Its log 0, entry 0.
        pub first_entry: Entry,
    }
}

impl CharterFile {
    /// Reads and verifies a file: form, every founder's signatures, every first entry.
    pub fn open(bytes: &[u8]) -> Result<Self, CharterError> {
        let file: CharterFile = cbor::decode(bytes, MAX_CHARTER_FILE)?;
        file.verify()?;
        Ok(file)
    }

    /// Puts together what the founders signed.
    pub fn join(charter: Charter, parts: Vec<FounderSignature>) -> Result<Self, CharterError> {
        let mut signatures: Vec<Detached> = parts.iter().flat_map(|p| p.signatures.clone()).collect();
        signatures.sort();
        signatures.dedup();
        let mut first_entries: Vec<Entry> = parts.into_iter().map(|p| p.first_entry).collect();
        first_entries.sort_by_key(|e| e.header().pid);
        first_entries.dedup();
        let file = CharterFile { charter, signatures, first_entries };
        file.verify()?;
        Ok(file)
    }

    fn verify(&self) -> Result<(), CharterError> {
        self.charter.check()?;
        let network = self.charter.network_id();
        let payload = encode(&self.charter);
        let founders = self.charter.founders()?;
        let form = |what: &str| Err(CharterError::Form(Fault::here(what)));
        if self.signatures.windows(2).any(|w| w[0].kid >= w[1].kid) {
            return form("its signatures are not in ascending order, one a key");
        }
        if self.first_entries.windows(2).any(|w| w[0].header().pid >= w[1].header().pid) {
            return form("its first entries are not in the order of the founders");
        }
        let mut counted = 0;
        for (pid, founder) in &founders {
            let of_founder = |k: &&crate::sign::PublicKey| self.signatures.iter().any(|s| s.kid == k.kid());
            let mut signed = 0;
            for root in founder.roots.iter().filter(of_founder) {
                let by_root = self.signatures.iter().filter(|s| s.kid == root.kid());
                for signature in by_root {
                    signature
                        .verify(root, &network, Context::Charter, &payload)
                        .map_err(|e| CharterError::Signature(founder.short_name.clone(), e))?;
                    counted += 1;
                }
                signed += 1;
            }
            let threshold = founder.threshold as usize;
            if signed < threshold {
                return Err(CharterError::Unsigned { name: founder.short_name.clone(), signed, threshold });
            }
            let missing = || CharterError::FirstEntry(founder.short_name.clone());
            let first = self.first_entries.iter().find(|e| e.header().pid == *pid).ok_or_else(missing)?;
            if !check_first_entry(first, *pid, founder, &network) {
                return Err(missing());
            }
        }
        if counted != self.signatures.len() || self.first_entries.len() != founders.len() {
            return Err(CharterError::Form(Fault::here("holds signatures or entries of others than its founders")));
        }
        Ok(())
    }
}

/// Whether `first` is the inception entry of `inception`, signed by its roots.
pub fn check_first_entry(first: &Entry, pid: Pid, inception: &Inception, network: &NetworkId) -> bool {
    let header = first.header();
    let fits = header.pid == pid
        && header.seq == 0
        && header.epoch == 0
        && header.entry_type() == Some(crate::entry::EntryType::Inception)
        && first.body() == Some(&encode(inception)[..]);
    fits && first.clone().open(&inception.roots, inception.threshold as usize, network).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit::{TestAgency, charter_of};

    fn parts(charter: &Charter, agencies: &[&TestAgency]) -> Vec<FounderSignature> {
        agencies.iter().map(|a| a.found(charter)).collect()
    }

    #[test]
    fn a_charter_file_holds_what_every_founder_signed() {
        let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
        let charter = charter_of(&[&a, &b]);
        let file = CharterFile::join(charter.clone(), parts(&charter, &[&b, &a])).unwrap();
        assert_eq!(CharterFile::open(&encode(&file)).unwrap(), file);
        let alone = CharterFile::join(charter.clone(), parts(&charter, &[&a]));
        assert!(matches!(alone, Err(CharterError::Unsigned { .. })));
    }

    #[test]
    fn a_signature_over_another_charter_does_not_count() {
        let (a, b) = (TestAgency::named("harbor"), TestAgency::named("polder"));
        let charter = charter_of(&[&a, &b]);
        let other = Charter { created: 1, ..charter.clone() };
        let mixed = vec![a.found(&charter), b.found(&other)];
        assert!(matches!(CharterFile::join(charter, mixed), Err(CharterError::Signature(..))));
    }
}
