//! Who a participant is, before and beside the running node: inceptions, the identity file, and the log-0 entries that
//! root keys sign elsewhere (protocol §3).
//!
//! Nothing here keeps a secret: keys are handed in and handed back. The identity file holds only what is public.

use crate::checked;
use crate::folder::{self, FileError};
use lapwing_api::types::IdentityView;
use lapwing_record::cbor::{self, Cbor, DecodeError, Fault, encode};
use lapwing_record::cbor_array;
use lapwing_record::charter::{Charter, FounderSignature};
use lapwing_record::entry::{Draft, Entry, EntryError, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, Kid, NetworkId, ParseIdError, Pid};
use lapwing_record::identity::{
    Act, Anchor, Category, EpochKeys, GrantReason, Inception, KeyGrant, Leave, Officer, PolicyRule, RootRotate,
};
use lapwing_record::membership::{Application, Endorsement};
use lapwing_record::sign::{Context, PublicKey, SecretKey, Sign1};
use std::path::Path;

/// Bytes of an identity file at most.
const MAX_IDENTITY: usize = 1 << 20;

/// Officers' keys are meant to be used for two years.
pub const OFFICER_MS: u64 = 2 * 365 * lapwing_record::charter::DAY_MS;

cbor_array! {
    /// `identity.cbor`: who this node speaks for. Nothing in it is secret.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Identity {
        /// Who.
        pub inception: Inception,
        /// Log 0 as far as it was made at the founding: the first entry. Empty for a founder, whose first entry comes
        /// with the charter.
        pub entries: Vec<Entry>,
        /// An applicant's endorsement, by its root keys. Empty for a founder.
        pub endorsement: Vec<Sign1>,
        /// What an applicant says about itself, for people.
        pub statement: String,
        /// Whether it founds a federation.
        pub founder: bool,
    }
}

/// Why an identity or entry cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// An answer has a fault.
    #[error("{0}")]
    Form(#[from] Fault),
    /// The identity file is not as it was written.
    #[error("the identity in {0} is damaged: {1}")]
    Damaged(String, String),
    /// Something does not decode.
    #[error("identity: {0}")]
    Decode(#[from] DecodeError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A root key is not one of this participant's.
    #[error("key {} is not one of the root keys in force", .0.short())]
    NotARoot(Kid),
    /// Too few root keys.
    #[error("{given} root keys are given, but {needed} must sign")]
    TooFewRoots {
        /// Distinct keys given.
        given: usize,
        /// The threshold.
        needed: u64,
    },
    /// The entry cannot be put together.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// What the node says of itself does not read.
    #[error("the node's answer about its identity does not read: {0}")]
    View(String),
    /// The change does not fit what is there.
    #[error("{0}")]
    Change(String),
}

impl From<ParseIdError> for FoundingError {
    fn from(e: ParseIdError) -> Self {
        FoundingError::View(e.to_string())
    }
}

impl Identity {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, FoundingError> {
        let bytes = folder::read(path, MAX_IDENTITY as u64)?;
        let damaged = |why: String| FoundingError::Damaged(path.display().to_string(), why);
        // files of earlier programs carry no hash
        let content = checked::open(&bytes, MAX_IDENTITY).unwrap_or(Ok(bytes)).map_err(damaged)?;
        let identity: Identity = cbor::decode(&content, MAX_IDENTITY).map_err(|e| damaged(e.to_string()))?;
        identity.inception.check()?;
        Ok(identity)
    }

    /// Writes a new file; never overwrites.
    pub fn write_new(&self, path: &Path) -> Result<(), FoundingError> {
        Ok(folder::write_new(path, &checked::seal(encode(self)))?)
    }

    /// Replaces the file.
    pub fn replace(&self, path: &Path) -> Result<(), FoundingError> {
        Ok(folder::replace(path, &checked::seal(encode(self)))?)
    }

    /// The participant's id.
    pub fn pid(&self) -> Pid {
        self.inception.pid()
    }
}

/// What `init` asks.
#[derive(Clone, Debug)]
pub struct Answers {
    /// `[a-z0-9-]{2,32}`.
    pub short_name: String,
    /// The full name.
    pub legal_name: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// The category; the class follows from it.
    pub category: Category,
    /// The law that it acts under.
    pub authority_basis: String,
    /// The text that it endorses.
    pub plan_text_hash: Digest,
    /// The pid that it had before it left.
    pub predecessor: Option<Pid>,
    /// Root keys that must sign.
    pub threshold: u64,
    /// Of the next root set, keys that must sign.
    pub next_threshold: u64,
    /// Approvals needed per act; acts not named need one.
    pub policy: Vec<PolicyRule>,
}

/// The public halves of a participant's keys.
#[derive(Clone, Debug)]
pub struct PublicKeys {
    /// Root keys.
    pub roots: Vec<PublicKey>,
    /// The next root set.
    pub next: Vec<PublicKey>,
    /// The feed key.
    pub feed: PublicKey,
    /// Officers' keys.
    pub officers: Vec<PublicKey>,
}

/// Makes an inception and checks every rule of form. `now` in milliseconds UTC.
pub fn inception(answers: &Answers, keys: &PublicKeys, now: u64) -> Result<Inception, FoundingError> {
    let officer = |key: &PublicKey| Officer { key: *key, not_after: now.saturating_add(OFFICER_MS) };
    let inception = Inception {
        class: answers.category.class(),
        category: answers.category,
        legal_name: answers.legal_name.clone(),
        short_name: answers.short_name.clone(),
        country: answers.country.clone(),
        authority_basis: answers.authority_basis.clone(),
        roots: keys.roots.clone(),
        threshold: answers.threshold,
        next: keys.next.iter().map(PublicKey::kid).collect(),
        next_threshold: answers.next_threshold,
        first: EpochKeys {
            feed: keys.feed,
            officers: keys.officers.iter().map(officer).collect(),
            policy: answers.policy.clone(),
        },
        plan_text_hash: answers.plan_text_hash,
        predecessor: answers.predecessor,
    };
    inception.check()?;
    Ok(inception)
}

/// The hash of a text that participants endorse.
pub fn plan_text_hash(text: &[u8]) -> Digest {
    lapwing_record::entry::body_hash(text)
}

/// Those of `roots` that sign: each in force, distinct, ascending by key, enough of them.
fn signers<'a>(roots: &'a [SecretKey], in_force: &[Kid], threshold: u64) -> Result<Vec<&'a SecretKey>, FoundingError> {
    let mut signers: Vec<(Kid, &SecretKey)> = roots.iter().map(|r| (r.public().kid(), r)).collect();
    signers.sort_by_key(|(kid, _)| *kid);
    signers.dedup_by_key(|(kid, _)| *kid);
    if let Some((kid, _)) = signers.iter().find(|(kid, _)| !in_force.contains(kid)) {
        return Err(FoundingError::NotARoot(*kid));
    }
    if (signers.len() as u64) < threshold {
        return Err(FoundingError::TooFewRoots { given: signers.len(), needed: threshold });
    }
    Ok(signers.into_iter().map(|(_, root)| root).collect())
}

fn own_signers<'a>(inception: &Inception, roots: &'a [SecretKey]) -> Result<Vec<&'a SecretKey>, FoundingError> {
    let kids: Vec<Kid> = inception.roots.iter().map(PublicKey::kid).collect();
    signers(roots, &kids, inception.threshold)
}

fn signed<B: Cbor>(
    draft: Draft,
    body: &B,
    signers: &[&SecretKey],
    network: &NetworkId,
) -> Result<Entry, FoundingError> {
    let body = encode(body);
    let header = draft.header(&body);
    Ok(Entry::new(signers.iter().map(|key| header.sign(key, network)).collect(), Some(body))?)
}

/// Log 0, entry 0. `now` in milliseconds UTC.
pub fn first_entry(
    inception: &Inception,
    roots: &[SecretKey],
    network: &NetworkId,
    now: u64,
) -> Result<Entry, FoundingError> {
    let signers = own_signers(inception, roots)?;
    let draft =
        Draft { pid: inception.pid(), epoch: 0, after: None, clock: now, kind: EntryType::Inception, refs: Vec::new() };
    signed(draft, inception, &signers, network)
}

/// A founder's part of a charter file: its signatures over the charter, and its first entry. The entry's clock is the
/// charter's, so that signing again makes the same entry and never a second one at the same place.
pub fn found(charter: &Charter, inception: &Inception, roots: &[SecretKey]) -> Result<FounderSignature, FoundingError> {
    let pid = inception.pid();
    let founders = charter.founders()?;
    if !founders.iter().any(|(founder, _)| *founder == pid) {
        let names: Vec<String> = founders.into_iter().map(|(_, f)| f.short_name).collect();
        let names = names.join(", ");
        return Err(FoundingError::Change(format!("the charter names other founders: {names}")));
    }
    let mut signatures: Vec<_> = own_signers(inception, roots)?.into_iter().map(|root| charter.sign(root)).collect();
    signatures.sort();
    let first_entry = first_entry(inception, roots, &charter.network_id(), charter.created)?;
    Ok(FounderSignature { signatures, first_entry })
}

/// An applicant's identity: its first entry and its endorsement, signed for one federation (protocol §4.2).
pub fn apply(
    inception: Inception,
    roots: &[SecretKey],
    charter: &Charter,
    statement: String,
    now: u64,
) -> Result<Identity, FoundingError> {
    let network = charter.network_id();
    if inception.plan_text_hash != charter.plan_text_hash {
        return Err(FoundingError::Change("the inception endorses another text than the charter names".into()));
    }
    let endorsement = encode(&Endorsement {
        pid: inception.pid(),
        network_id: network,
        plan_text_hash: inception.plan_text_hash,
        class: inception.class,
        category: inception.category,
    });
    let sign = |root: &SecretKey| Sign1::sign(root, &network, Context::Apply, endorsement.clone());
    let endorsement = own_signers(&inception, roots)?.into_iter().map(sign).collect();
    let entries = vec![first_entry(&inception, roots, &network, now)?];
    let application = Application { id_log: entries, endorsement, statement };
    application.check_sizes()?;
    let Application { id_log: entries, endorsement, statement } = application;
    Ok(Identity { inception, entries, endorsement, statement, founder: false })
}

/// A change of keys: each opens a new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An officer joins.
    AddOfficer(Officer),
    /// An officer leaves, or loses a laptop.
    RemoveOfficer(Kid),
    /// A new feed key.
    NewFeed {
        /// The key.
        feed: PublicKey,
        /// Why.
        reason: GrantReason,
    },
    /// One branch of a forked log is chosen: the last entries that the owner stands by. Logs not named keep the head
    /// that the node holds.
    Heal(Vec<Anchor>),
}

/// What root-key tools need of a node's answer, read and checked.
struct Known {
    pid: Pid,
    network: NetworkId,
    keys: EpochKeys,
    after: (u64, EntryId),
    heads: Vec<Anchor>,
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// Reads a public key from 64 hexadecimal digits.
pub fn public_key(hex: &str) -> Result<PublicKey, FoundingError> {
    let shown = || hex.chars().take(80).collect::<String>();
    let bytes = hex32(hex).ok_or_else(|| FoundingError::View(format!("`{}` is not a public key in hex", shown())))?;
    PublicKey::new(bytes).map_err(|e| FoundingError::View(format!("key {}: {e}", shown())))
}

fn known(view: &IdentityView) -> Result<Known, FoundingError> {
    let bad = |what: String| FoundingError::View(what);
    let mut officers = Vec::new();
    for officer in &view.officers {
        let key = public_key(&officer.key)?;
        let not_after: jiff::Timestamp = officer.not_after.parse().map_err(|e| bad(format!("not_after: {e}")))?;
        officers.push(Officer { key, not_after: u64::try_from(not_after.as_millisecond()).unwrap_or_default() });
    }
    let mut policy = Vec::new();
    for (act, m) in &view.policy {
        policy.push(PolicyRule { act: act.parse::<Act>().map_err(bad)?, m: *m });
    }
    policy.sort_by_key(|rule| rule.act);
    let mut heads = Vec::new();
    for head in &view.heads {
        let log = head.log.parse::<LogKind>().map_err(bad)?;
        heads.push(Anchor { log, seq: head.seq, id: head.id.parse()? });
    }
    heads.sort();
    Ok(Known {
        pid: view.name.pid.parse()?,
        network: view.network_id.parse()?,
        keys: EpochKeys { feed: public_key(&view.feed)?, officers, policy },
        after: (view.id_head.seq, view.id_head.id.parse()?),
        heads,
    })
}

fn view_signers<'a>(view: &IdentityView, roots: &'a [SecretKey]) -> Result<Vec<&'a SecretKey>, FoundingError> {
    let kids: Vec<Kid> = view.roots.iter().map(|k| k.parse()).collect::<Result<_, _>>()?;
    signers(roots, &kids, view.threshold)
}

/// The entry that opens a new epoch, signed by root keys.
pub fn grant(view: &IdentityView, change: &Change, roots: &[SecretKey], now: u64) -> Result<Entry, FoundingError> {
    let signers = view_signers(view, roots)?;
    let Known { pid, network, mut keys, after, mut heads } = known(view)?;
    let reason = match change {
        Change::AddOfficer(officer) => {
            if keys.officer(&officer.key.kid()).is_some() {
                return Err(FoundingError::Change("this key is an officer's already".into()));
            }
            keys.officers.push(officer.clone());
            GrantReason::People
        }
        Change::RemoveOfficer(kid) => {
            let before = keys.officers.len();
            keys.officers.retain(|o| o.key.kid() != *kid);
            if keys.officers.len() == before {
                return Err(FoundingError::Change(format!("no officer has the key {}", kid.short())));
            }
            let left = keys.officers.len() as u64;
            if let Some(rule) = keys.policy.iter().find(|r| r.m > left.max(1)) {
                let what =
                    format!("`{}` asks for {} approvals, but only {left} officers would be left", rule.act, rule.m);
                return Err(FoundingError::Change(what));
            }
            GrantReason::People
        }
        Change::NewFeed { feed, reason } => {
            if keys.feed == *feed {
                return Err(FoundingError::Change("this is the feed key already".into()));
            }
            keys.feed = *feed;
            *reason
        }
        Change::Heal(anchors) => {
            for anchor in anchors {
                heads.retain(|h| h.log != anchor.log);
                heads.push(*anchor);
            }
            heads.sort();
            GrantReason::ForkHeal
        }
    };
    let grant = KeyGrant { epoch: view.epoch + 1, keys, anchors: heads, reason };
    grant.check()?;
    let draft = Draft { pid, epoch: 0, after: Some(after), clock: now, kind: EntryType::KeyGrant, refs: Vec::new() };
    signed(draft, &grant, &signers, &network)
}

/// The entry by which the pre-committed root keys take over, signed by them, and which commits to the set after that. The
/// node refuses keys that were not committed to: a thief of the root keys in force cannot rotate.
pub fn rotate(
    view: &IdentityView,
    revealed: &[SecretKey],
    next: &[PublicKey],
    next_threshold: u64,
    now: u64,
) -> Result<Entry, FoundingError> {
    let Known { pid, network, after, .. } = known(view)?;
    let mut signers: Vec<&SecretKey> = revealed.iter().collect();
    signers.sort_by_key(|key| key.public().kid());
    signers.dedup_by_key(|key| key.public().kid());
    let rotate = RootRotate {
        revealed: signers.iter().map(|key| key.public()).collect(),
        next: next.iter().map(PublicKey::kid).collect(),
        next_threshold,
    };
    let draft = Draft { pid, epoch: 0, after: Some(after), clock: now, kind: EntryType::RootRotate, refs: Vec::new() };
    signed(draft, &rotate, &signers, &network)
}

/// The entry by which a participant leaves: at once, with no reason owed (Plan D).
pub fn leave(view: &IdentityView, roots: &[SecretKey], note: Option<String>, now: u64) -> Result<Entry, FoundingError> {
    let signers = view_signers(view, roots)?;
    let Known { pid, network, after, heads, .. } = known(view)?;
    let draft = Draft { pid, epoch: 0, after: Some(after), clock: now, kind: EntryType::Leave, refs: Vec::new() };
    signed(draft, &Leave { heads, note }, &signers, &network)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_api::types::{LogHead, Name, OfficerView};
    use lapwing_record::charter::{CharterFile, Params};
    use lapwing_record::idlog::{IdLog, check_application};
    use std::collections::BTreeMap;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed([n; 32])
    }

    fn made(n: u8, roots: u8, threshold: u64) -> (Inception, Vec<SecretKey>) {
        let secret: Vec<SecretKey> = (0..roots).map(|i| key(n + i)).collect();
        let keys = PublicKeys {
            roots: secret.iter().map(SecretKey::public).collect(),
            next: vec![key(n + 10).public()],
            feed: key(n + 11).public(),
            officers: vec![key(n + 12).public()],
        };
        let answers = Answers {
            short_name: format!("agency-{n}"),
            legal_name: "Agency".into(),
            country: "GB".into(),
            category: Category::ConsumerProtection,
            authority_basis: "Act".into(),
            plan_text_hash: plan_text_hash(b"plan"),
            predecessor: None,
            threshold,
            next_threshold: 1,
            policy: Vec::new(),
        };
        (inception(&answers, &keys, 5).unwrap(), secret)
    }

    fn charter(founders: &[&Inception]) -> Charter {
        let mut founders = founders.to_vec();
        founders.sort_by_key(|i| i.pid());
        Charter {
            version: 1,
            name: "Test".into(),
            plan_text_hash: plan_text_hash(b"plan"),
            created: 1,
            params: Params::default(),
            founders: founders.into_iter().map(|i| encode(i).into()).collect(),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn view(inception: &Inception, network: &NetworkId, head: &Entry) -> IdentityView {
        IdentityView {
            name: Name {
                pid: inception.pid().to_string(),
                short_name: inception.short_name.clone(),
                legal_name: "Agency".into(),
                country: "GB".into(),
                class: "agency".into(),
            },
            network_id: network.to_string(),
            words: String::new(),
            roots: inception.roots.iter().map(|r| r.kid().to_string()).collect(),
            threshold: inception.threshold,
            epoch: 0,
            feed: hex(inception.first.feed.bytes()),
            officers: vec![OfficerView {
                kid: inception.first.officers[0].key.kid().to_string(),
                key: hex(inception.first.officers[0].key.bytes()),
                not_after: "2030-01-01T00:00:00.000Z".into(),
            }],
            policy: BTreeMap::new(),
            id_head: LogHead { log: "id".into(), seq: head.header().seq, id: head.id().to_string() },
            heads: vec![LogHead { log: "pub".into(), seq: 4, id: EntryId([4; 32]).to_string() }],
            trouble: None,
        }
    }

    #[test]
    fn founders_with_several_root_keys_sign_a_charter_that_opens() {
        let ((a, ra), (b, rb)) = (made(1, 3, 2), made(40, 1, 1));
        let charter = charter(&[&a, &b]);
        let parts = vec![found(&charter, &a, &ra[..2]).unwrap(), found(&charter, &b, &rb).unwrap()];
        assert_eq!(found(&charter, &b, &rb).unwrap(), parts[1], "signing again makes no second entry");
        let file = CharterFile::join(charter.clone(), parts).unwrap();
        CharterFile::open(&encode(&file)).unwrap();
        assert!(matches!(found(&charter, &a, &ra[..1]), Err(FoundingError::TooFewRoots { given: 1, needed: 2 })));
        assert!(matches!(found(&charter, &a, &rb), Err(FoundingError::NotARoot(_))));
        let (stranger, rs) = made(80, 1, 1);
        assert!(matches!(found(&charter, &stranger, &rs), Err(FoundingError::Change(_))));
    }

    #[test]
    fn an_applicants_identity_is_a_valid_application_and_survives_its_file() {
        let ((a, _), (b, rb)) = (made(1, 1, 1), made(40, 2, 2));
        let charter = charter(&[&a]);
        let identity = apply(b, &rb, &charter, "hello".into(), 9).unwrap();
        let application = Application {
            id_log: identity.entries.clone(),
            endorsement: identity.endorsement.clone(),
            statement: identity.statement.clone(),
        };
        assert_eq!(check_application(&application, &charter.network_id()).unwrap().pid, identity.pid());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.cbor");
        identity.write_new(&path).unwrap();
        assert_eq!(Identity::read(&path).unwrap(), identity);
        assert!(identity.write_new(&path).is_err());
    }

    #[test]
    fn a_grant_changes_one_thing_and_keeps_the_rest() {
        let (a, ra) = made(1, 1, 1);
        let network = NetworkId([3; 32]);
        let first = first_entry(&a, &ra, &network, 1).unwrap();
        let view = view(&a, &network, &first);
        let new = Officer { key: key(99).public(), not_after: 7 };
        let added = grant(&view, &Change::AddOfficer(new.clone()), &ra, 2).unwrap();
        let log = IdLog::fold(a.pid(), [&first, &added], &network).unwrap();
        assert_eq!((log.epoch(), log.current().officers.len(), log.current().feed), (1, 2, a.first.feed));
        let grant_read = log.epochs[1].grant.clone().unwrap();
        assert_eq!(grant_read.anchor(LogKind::Pub), Some((4, EntryId([4; 32]))));
        let removed = Change::RemoveOfficer(a.first.officers[0].key.kid());
        let removed = grant(&view, &removed, &ra, 2).unwrap();
        assert!(IdLog::fold(a.pid(), [&first, &removed], &network).unwrap().current().officers.is_empty());
        let other = Anchor { log: LogKind::Pub, seq: 2, id: EntryId([2; 32]) };
        let healed = grant(&view, &Change::Heal(vec![other]), &ra, 2).unwrap();
        let log = IdLog::fold(a.pid(), [&first, &healed], &network).unwrap();
        let healed = log.epochs[1].grant.clone().unwrap();
        assert_eq!((healed.anchors, healed.reason), (vec![other], GrantReason::ForkHeal));
        assert!(grant(&view, &Change::RemoveOfficer(new.key.kid()), &ra, 2).is_err());
        assert!(matches!(grant(&view, &Change::AddOfficer(new), &[key(50)], 2), Err(FoundingError::NotARoot(_))));
    }

    #[test]
    fn leaving_is_signed_by_the_roots() {
        let (a, ra) = made(1, 1, 1);
        let network = NetworkId([3; 32]);
        let first = first_entry(&a, &ra, &network, 1).unwrap();
        let gone = leave(&view(&a, &network, &first), &ra, None, 2).unwrap();
        assert_eq!(IdLog::fold(a.pid(), [&first, &gone], &network).unwrap().left, Some(gone.id()));
    }

    #[test]
    fn a_fault_in_an_answer_is_named_by_its_field() {
        let keys = PublicKeys {
            roots: vec![key(1).public()],
            next: vec![key(2).public()],
            feed: key(3).public(),
            officers: vec![],
        };
        let answers = Answers {
            short_name: "Bad Name".into(),
            legal_name: "x".into(),
            country: "GB".into(),
            category: Category::Other,
            authority_basis: String::new(),
            plan_text_hash: plan_text_hash(b"plan"),
            predecessor: None,
            threshold: 1,
            next_threshold: 1,
            policy: Vec::new(),
        };
        let error = inception(&answers, &keys, 1).unwrap_err();
        assert!(error.to_string().starts_with("short_name: "), "{error}");
    }
}
