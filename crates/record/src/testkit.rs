//! Made-up agencies with fixed keys, for tests of this crate and of those above it. Never in a release build's path.

use crate::cbor::{Cbor, encode};
use crate::charter::{Charter, FounderSignature, Params};
use crate::entry::{Draft, Entry, EntryType};
use crate::id::{Digest, EntryId, HashOf, NetworkId, Pid};
use crate::identity::{Category, Class, EpochKeys, Inception, Officer, RootRotate};
use crate::membership::{Application, Endorsement};
use crate::sign::{Context, SecretKey, Sign1};
use std::cell::RefCell;
use std::collections::HashSet;

/// An agency (or other participant) with all its keys.
#[derive(Clone, Debug)]
pub struct TestAgency {
    /// Its root key.
    pub root: SecretKey,
    /// The root key that it has committed to.
    pub next: SecretKey,
    /// Its feed key.
    pub feed: SecretKey,
    /// Its officers' keys.
    pub officers: Vec<SecretKey>,
    /// Its inception.
    pub inception: Inception,
}

/// The text that test agencies endorse.
pub fn plan_text_hash() -> Digest {
    Digest(HashOf::Body.hash(b"the plan"))
}

impl TestAgency {
    /// A key by number.
    pub fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32])
    }

    /// An agency whose keys follow from its name.
    pub fn named(name: &str) -> Self {
        Self::of_class(name, Category::ConsumerProtection)
    }

    /// A participant of any category.
    pub fn of_class(name: &str, category: Category) -> Self {
        let key = |what: &str| {
            SecretKey::from_seed(blake3::derive_key("lapwing test key", format!("{name} {what}").as_bytes()))
        };
        let (root, next, feed) = (key("root"), key("next"), key("feed"));
        let officers = vec![key("officer 1"), key("officer 2")];
        let inception = Inception {
            class: category.class(),
            category,
            legal_name: format!("Authority of {name}"),
            short_name: name.into(),
            country: "GB".into(),
            authority_basis: "Act".into(),
            roots: vec![root.public()],
            threshold: 1,
            next: vec![next.public().kid()],
            next_threshold: 1,
            first: EpochKeys {
                feed: feed.public(),
                officers: officers.iter().map(|o| Officer { key: o.public(), not_after: u64::MAX >> 1 }).collect(),
                policy: Vec::new(),
            },
            plan_text_hash: plan_text_hash(),
            predecessor: None,
        };
        TestAgency { root, next, feed, officers, inception }
    }

    /// Whether it may object.
    pub fn is_agency(&self) -> bool {
        self.inception.class == Class::Agency
    }

    /// Its id.
    pub fn pid(&self) -> Pid {
        self.inception.pid()
    }

    /// Its log 0, entry 0.
    pub fn first_entry(&self, network: &NetworkId) -> Entry {
        let body = encode(&self.inception);
        let draft =
            Draft { pid: self.pid(), epoch: 0, after: None, clock: 0, kind: EntryType::Inception, refs: Vec::new() };
        let sign1 = draft.header(&body).sign(&self.root, network);
        Entry::new(vec![sign1], Some(body)).expect("well-formed")
    }

    /// The next entry of its log 0, by its root.
    pub fn id_entry<B: Cbor>(&self, network: &NetworkId, after: &Entry, kind: EntryType, body: &B) -> Entry {
        self.signed(network, &self.root, 0, Some((after.header().seq, after.id())), kind, encode(body))
    }

    /// A rotation to its committed key, committing to key `n`.
    pub fn rotation(&self, n: u8) -> RootRotate {
        RootRotate { revealed: vec![self.next.public()], next: vec![Self::key(n).public().kid()], next_threshold: 1 }
    }

    /// The entry of a rotation, by the committed key.
    pub fn rotate_entry(&self, network: &NetworkId, after: &Entry, body: &RootRotate) -> Entry {
        let place = Some((after.header().seq, after.id()));
        self.signed(network, &self.next, 0, place, EntryType::RootRotate, encode(body))
    }

    /// An entry of log 1 or 2 in epoch 0.
    pub fn entry<B: Cbor>(
        &self,
        network: &NetworkId,
        after: Option<(u64, EntryId)>,
        kind: EntryType,
        body: &B,
    ) -> Entry {
        self.signed(network, &self.feed, 0, after, kind, encode(body))
    }

    /// An entry signed by any key.
    pub fn signed(
        &self,
        network: &NetworkId,
        key: &SecretKey,
        epoch: u64,
        after: Option<(u64, EntryId)>,
        kind: EntryType,
        body: Vec<u8>,
    ) -> Entry {
        let draft = Draft { pid: self.pid(), epoch, after, clock: 1, kind, refs: Vec::new() };
        let sign1 = draft.header(&body).sign(key, network);
        Entry::new(vec![sign1], Some(body)).expect("well-formed")
    }

    /// What it submits to be introduced.
    pub fn application(&self, network: &NetworkId) -> Application {
        let endorsement = Endorsement {
            pid: self.pid(),
            network_id: *network,
            plan_text_hash: self.inception.plan_text_hash,
            class: self.inception.class,
            category: self.inception.category,
        };
        Application {
            id_log: vec![self.first_entry(network)],
            endorsement: vec![Sign1::sign(&self.root, network, Context::Apply, encode(&endorsement))],
            statement: format!("{} would like to take part", self.inception.short_name),
        }
    }

    /// Its part of a charter file.
    pub fn found(&self, charter: &Charter) -> FounderSignature {
        FounderSignature {
            signatures: vec![charter.sign(&self.root)],
            first_entry: self.first_entry(&charter.network_id()),
        }
    }
}

/// A charter of these founders, with W = 1,000 ms and G = 500 ms.
pub fn charter_of(founders: &[&TestAgency]) -> Charter {
    let mut founders: Vec<&&TestAgency> = founders.iter().collect();
    founders.sort_by_key(|f| f.pid());
    Charter {
        version: 1,
        name: "Test federation".into(),
        plan_text_hash: plan_text_hash(),
        created: 0,
        params: Params { window_ms: 1000, grace_ms: 500, ..Params::default() },
        founders: founders.iter().map(|f| encode(&f.inception).into()).collect(),
    }
}

/// Randomness that repeats: BLAKE3 in counter mode from a number.
pub struct TestRng {
    reader: blake3::OutputReader,
}

impl TestRng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        TestRng {
            reader: blake3::Hasher::new_derive_key("lapwing test rng").update(&seed.to_le_bytes()).finalize_xof(),
        }
    }
}

impl rand_core::TryRng for TestRng {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut b = [0; 4];
        self.reader.fill(&mut b);
        Ok(u32::from_le_bytes(b))
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut b = [0; 8];
        self.reader.fill(&mut b);
        Ok(u64::from_le_bytes(b))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.reader.fill(out);
        Ok(())
    }
}
impl rand_core::TryCryptoRng for TestRng {}

// -- simulations ----------------------------------------------------------------------------------------------------

/// Signatures that one thread remembers at most.
const REMEMBERED: usize = 1 << 16;

std::thread_local! {
    static VERIFIED: RefCell<Option<HashSet<[u8; 32]>>> = const { RefCell::new(None) };
}

/// Lets this thread verify each signature once and remember that it was valid: many simulated nodes read the same entry.
pub fn remember_verified() {
    VERIFIED.with_borrow_mut(|known| {
        known.get_or_insert_default();
    });
}

/// Verifies, unless this thread remembers that exactly these bytes were valid.
pub(crate) fn once_verified<E>(of: &[&[u8]], verify: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if VERIFIED.with_borrow(Option::is_none) {
        return verify();
    }
    let mut hasher = blake3::Hasher::new();
    // key and signature are of fixed length: what follows is the message
    of.iter().for_each(|part| {
        hasher.update(part);
    });
    let name = *hasher.finalize().as_bytes();
    if VERIFIED.with_borrow(|known| known.as_ref().is_some_and(|k| k.contains(&name))) {
        return Ok(());
    }
    verify()?;
    VERIFIED.with_borrow_mut(|known| {
        if let Some(known) = known {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(name);
        }
    });
    Ok(())
}
