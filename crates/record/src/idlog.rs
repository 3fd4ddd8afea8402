//! Log 0 read from its beginning: the keys of every epoch (protocol §3).
//!
//! A pure function of the *set* of log-0 entries. The inception is one place, however often it was signed: what stands at
//! the next one follows it, whichever copy it names, held or not. At each
//! position after it there should be one valid entry. Where there are more, a rotation by the pre-committed set beats anything else; two such rotations mean that the
//! identity is disputed for good (apply anew); two entries of any other kind leave the log contested at that place and
//! what stands after it is not read. A valid leave counts on whatever branch it stands.

use crate::cbor::{self, DecodeError, Fault};
use crate::entry::{Entry, EntryType, LogKind};
use crate::id::{EntryId, Kid, NetworkId, Pid};
use crate::identity::{EpochKeys, Inception, KeyGrant, Leave, RootRotate};
use crate::membership::{Application, ApplicationError, Endorsement};
use crate::sign::{Context, PublicKey};
use std::collections::{BTreeMap, BTreeSet};

/// One epoch of a participant's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its keys and policy.
    pub keys: EpochKeys,
    /// The grant that opened it; null for the first, which the inception opens.
    pub grant: Option<KeyGrant>,
}

/// What is wrong with a log 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdTrouble {
    /// Two valid entries at one place.
    Contested {
        /// The place.
        seq: u64,
    },
    /// Two rotations by the pre-committed set: who owns the identity cannot be told.
    Disputed {
        /// The place.
        seq: u64,
    },
}

/// Who a participant is, as far as its log 0 tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdLog {
    /// The participant.
    pub pid: Pid,
    /// Its inception.
    pub inception: Inception,
    /// Its epochs; the index is the epoch's number.
    pub epochs: Vec<Epoch>,
    /// The root keys in force.
    pub roots: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u64,
    /// Hashes of the next root set's keys.
    pub next: Vec<Kid>,
    /// How many of those must sign.
    pub next_threshold: u64,
    /// The last entry read.
    pub head: (u64, EntryId),
    /// The entry by which it left.
    pub left: Option<EntryId>,
    /// A fork in log 0.
    pub trouble: Option<IdTrouble>,
    /// Every entry that is valid where it stands, on whatever branch: what nodes keep and exchange.
    pub valid: BTreeSet<EntryId>,
}

/// Why a log 0 cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdLogError {
    /// No inception entry of that participant.
    #[error("log 0 of {} does not begin with its inception", .0.short())]
    NoInception(Pid),
    /// Its body does not decode.
    #[error("the inception does not decode: {0}")]
    Inception(#[from] DecodeError),
    /// Its signatures do not hold.
    #[error("the inception is not signed by its own root keys: {0}")]
    Unsigned(String),
}

enum Next {
    Rotate(RootRotate),
    Grant(KeyGrant),
    Leave,
}

/// What judges the next entry of one branch.
#[derive(Clone)]
struct Branch {
    roots: Vec<PublicKey>,
    threshold: u64,
    next: Vec<Kid>,
    next_threshold: u64,
    epochs: u64,
}

impl Branch {
    fn of(inception: &Inception) -> Self {
        Branch {
            roots: inception.roots.clone(),
            threshold: inception.threshold,
            next: inception.next.clone(),
            next_threshold: inception.next_threshold,
            epochs: 1,
        }
    }

    fn after(&self, next: &Next) -> Self {
        match next {
            Next::Rotate(r) => Branch {
                roots: r.revealed.clone(),
                threshold: self.next_threshold,
                next: r.next.clone(),
                next_threshold: r.next_threshold,
                epochs: self.epochs,
            },
            Next::Grant(_) => Branch { epochs: self.epochs + 1, ..self.clone() },
            Next::Leave => self.clone(),
        }
    }

    /// What `entry` does, if it is a valid continuation of this branch.
    fn valid_next(&self, entry: &Entry, network: &NetworkId) -> Option<Next> {
        let body = entry.body()?;
        let kind = entry.header().entry_type()?;
        let (next, keys, threshold) = match kind {
            EntryType::RootRotate => {
                let rotate: RootRotate = cbor::decode(body, kind.limit()).ok()?;
                rotate.check(&self.next).ok()?;
                let keys = rotate.revealed.clone();
                (Next::Rotate(rotate), keys, self.next_threshold)
            }
            EntryType::KeyGrant => {
                let grant: KeyGrant = cbor::decode(body, kind.limit()).ok()?;
                grant.check().ok()?;
                if grant.epoch != self.epochs {
                    return None;
                }
                (Next::Grant(grant), self.roots.clone(), self.threshold)
            }
            EntryType::Leave => {
                cbor::decode::<Leave>(body, kind.limit()).ok()?;
                (Next::Leave, self.roots.clone(), self.threshold)
            }
            _ => return None,
        };
        entry.clone().open(&keys, threshold as usize, network).ok().map(|_| next)
    }
}

impl IdLog {
    /// Reads the log-0 entries of `pid`. Entries that are not valid where they stand are passed over.
    pub fn fold<'a>(
        pid: Pid,
        entries: impl IntoIterator<Item = &'a Entry>,
        network: &NetworkId,
    ) -> Result<IdLog, IdLogError> {
        let mut by_seq: BTreeMap<u64, BTreeMap<EntryId, &Entry>> = BTreeMap::new();
        for entry in entries {
            let header = entry.header();
            if header.pid == pid && header.log == LogKind::Id && header.epoch == 0 {
                by_seq.entry(header.seq).or_default().insert(entry.id(), entry);
            }
        }
        let firsts = by_seq.remove(&0).unwrap_or_default();
        let (begun, refused): (Vec<_>, Vec<_>) =
            firsts.into_iter().map(|(id, e)| Self::begin(pid, e, network).map(|i| (id, i))).partition(Result::is_ok);
        let begun: BTreeMap<EntryId, Inception> = begun.into_iter().flatten().collect();
        let Some((first, inception)) = begun.first_key_value().map(|(id, i)| (*id, i.clone())) else {
            return Err(refused.into_iter().find_map(Result::err).unwrap_or(IdLogError::NoInception(pid)));
        };
        // However often the inception was signed: its body is fixed by the pid, so all copies are one place. Were one
        // chosen, whoever stole a root set that was rotated out could undo the rotation with a copy of lower id.
        let mut tips: BTreeMap<EntryId, Branch> = begun.keys().map(|id| (*id, Branch::of(&inception))).collect();
        let mut log = IdLog {
            pid,
            epochs: vec![Epoch { keys: inception.first.clone(), grant: None }],
            roots: inception.roots.clone(),
            threshold: inception.threshold,
            next: inception.next.clone(),
            next_threshold: inception.next_threshold,
            head: (0, first),
            left: None,
            trouble: None,
            valid: begun.keys().copied().collect(),
            inception,
        };
        // every branch, for a leave counts on any; and among them the one that is read
        let mut main: BTreeSet<EntryId> = tips.keys().copied().collect();
        let mut last = 0;
        for (seq, here) in &by_seq {
            if *seq != last + 1 {
                break;
            }
            last = *seq;
            let mut grown = BTreeMap::new();
            let mut candidates = Vec::new();
            for (id, entry) in here {
                let prev = entry.header().prev;
                // after the inception, whichever copy is named: its words are the same
                let before = if *seq == 1 { tips.values().next() } else { prev.and_then(|p| tips.get(&p)) };
                let Some(before) = before else { continue };
                let Some(next) = before.valid_next(entry, network) else { continue };
                if matches!(next, Next::Leave) {
                    log.left = log.left.or(Some(*id));
                }
                log.valid.insert(*id);
                grown.insert(*id, before.after(&next));
                if *seq == 1 || prev.is_some_and(|p| main.contains(&p)) {
                    candidates.push((*id, next));
                }
            }
            main = log.step(*seq, candidates).into_iter().collect();
            tips = grown;
        }
        Ok(log)
    }

    /// Reads one copy of the inception.
    fn begin(pid: Pid, first: &Entry, network: &NetworkId) -> Result<Inception, IdLogError> {
        let no_inception = || IdLogError::NoInception(pid);
        let inception = Inception::decode(first.body().ok_or_else(no_inception)?)?;
        if inception.pid() != pid || first.header().entry_type() != Some(EntryType::Inception) {
            return Err(no_inception());
        }
        let signed = first.clone().open(&inception.roots, inception.threshold as usize, network);
        signed.map_err(|e| IdLogError::Unsigned(e.to_string()))?;
        Ok(inception)
    }

    /// Takes the valid entries at the next place; the one that was read, if the log goes on.
    fn step(&mut self, seq: u64, valid: Vec<(EntryId, Next)>) -> Option<EntryId> {
        let rotations = valid.iter().filter(|(_, n)| matches!(n, Next::Rotate(_))).count();
        let chosen = match (rotations, valid.len()) {
            (0, 0) => return None,
            (0, 1) | (1, _) => {
                valid.into_iter().find(|(_, n)| rotations == 0 || matches!(n, Next::Rotate(_))).expect("counted")
            }
            (0, _) => {
                self.trouble = Some(IdTrouble::Contested { seq });
                return None;
            }
            _ => {
                self.trouble = Some(IdTrouble::Disputed { seq });
                return None;
            }
        };
        self.head = (seq, chosen.0);
        match chosen.1 {
            Next::Rotate(r) => {
                self.threshold = self.next_threshold;
                self.roots = r.revealed;
                self.next = r.next;
                self.next_threshold = r.next_threshold;
            }
            Next::Grant(grant) => self.epochs.push(Epoch { keys: grant.keys.clone(), grant: Some(grant) }),
            Next::Leave => {}
        }
        Some(chosen.0)
    }

    /// The keys of one epoch.
    pub fn keys(&self, epoch: u64) -> Option<&EpochKeys> {
        self.epochs.get(usize::try_from(epoch).ok()?).map(|e| &e.keys)
    }

    /// The newest epoch's number.
    pub fn epoch(&self) -> u64 {
        self.epochs.len() as u64 - 1
    }

    /// The newest epoch's keys.
    pub fn current(&self) -> &EpochKeys {
        &self.epochs.last().expect("the inception opens the first epoch").keys
    }
}

/// Checks an application against the federation that it is for: its log 0 and its endorsement (protocol §4.2).
pub fn check_application(application: &Application, network: &NetworkId) -> Result<IdLog, ApplicationError> {
    let pid = application.id_log.first().map(|e| e.header().pid);
    let pid = pid.ok_or_else(|| ApplicationError::IdLog("it is empty".into()))?;
    let log = IdLog::fold(pid, &application.id_log, network).map_err(|e| ApplicationError::IdLog(e.to_string()))?;
    let here = |prev: EntryId| application.id_log.iter().any(|e| e.id() == prev);
    let whole = application.id_log.iter().all(|e| e.header().prev.is_none_or(here));
    if !whole || application.id_log.len() as u64 != log.head.0 + 1 {
        return Err(ApplicationError::IdLog("it holds entries that are not valid where they stand".into()));
    }
    let fault = |what: String| ApplicationError::Endorsement(what);
    let expected = Endorsement {
        pid,
        network_id: *network,
        plan_text_hash: log.inception.plan_text_hash,
        class: log.inception.class,
        category: log.inception.category,
    };
    let mut signers = Vec::new();
    for sign1 in &application.endorsement {
        let root = log.roots.iter().find(|k| k.kid() == sign1.by.kid);
        let root = root.ok_or_else(|| fault("signed by a key that is no root key of the applicant".into()))?;
        let payload = sign1.open(root, network, Context::Apply).map_err(|e| fault(e.to_string()))?;
        let said: Endorsement = cbor::decode(payload, 1024)?;
        if said != expected {
            let what = Fault::here("is about another participant, federation, text or class");
            return Err(fault(what.what));
        }
        if signers.contains(&sign1.by.kid) {
            return Err(fault("one root key signed twice".into()));
        }
        signers.push(sign1.by.kid);
    }
    if (signers.len() as u64) < log.threshold {
        return Err(fault(format!("{} of {} root keys signed", signers.len(), log.threshold)));
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::{Anchor, GrantReason};
    use crate::testkit::TestAgency;

    const NET: NetworkId = NetworkId([1; 32]);

    fn grant(a: &TestAgency, epoch: u64, feed: u8) -> KeyGrant {
        let keys = EpochKeys { feed: TestAgency::key(feed).public(), ..a.inception.first.clone() };
        let anchors = vec![Anchor { log: LogKind::Pub, seq: 3, id: EntryId([3; 32]) }];
        KeyGrant { epoch, keys, anchors, reason: GrantReason::Routine }
    }

    #[test]
    fn a_grant_opens_an_epoch_and_a_second_at_its_place_leaves_the_log_contested_in_any_order() {
        let a = TestAgency::named("harbor");
        let first = a.first_entry(&NET);
        let one = a.id_entry(&NET, &first, EntryType::KeyGrant, &grant(&a, 1, 50));
        let two = a.id_entry(&NET, &first, EntryType::KeyGrant, &grant(&a, 1, 51));
        let log = IdLog::fold(a.pid(), [&first, &one], &NET).unwrap();
        assert_eq!((log.epoch(), log.current().feed), (1, TestAgency::key(50).public()));
        for order in [[&first, &one, &two], [&two, &one, &first]] {
            let log = IdLog::fold(a.pid(), order, &NET).unwrap();
            assert_eq!((log.epoch(), log.trouble), (0, Some(IdTrouble::Contested { seq: 1 })));
        }
    }

    #[test]
    fn a_rotation_by_the_committed_keys_beats_what_a_thief_of_the_roots_signs() {
        let a = TestAgency::named("harbor");
        let first = a.first_entry(&NET);
        let stolen = a.id_entry(&NET, &first, EntryType::KeyGrant, &grant(&a, 1, 50));
        let rotate = a.rotation(60);
        let rescue = a.rotate_entry(&NET, &first, &rotate);
        let log = IdLog::fold(a.pid(), [&first, &stolen, &rescue], &NET).unwrap();
        assert_eq!((log.epoch(), log.roots, log.trouble), (0, vec![a.next.public()], None));
        let other = a.rotate_entry(&NET, &first, &a.rotation(61));
        let log = IdLog::fold(a.pid(), [&first, &rescue, &other], &NET).unwrap();
        assert_eq!(log.trouble, Some(IdTrouble::Disputed { seq: 1 }));
        let forged = a.id_entry(&NET, &first, EntryType::RootRotate, &rotate);
        let log = IdLog::fold(a.pid(), [&first, &forged], &NET).unwrap();
        assert_eq!(log.head.0, 0, "the current roots cannot rotate");
    }

    #[test]
    fn an_endorsement_counts_for_its_own_federation_only() {
        let a = TestAgency::named("harbor");
        let application = a.application(&NET);
        assert_eq!(check_application(&application, &NET).unwrap().pid, a.pid());
        assert!(check_application(&application, &NetworkId([2; 32])).is_err());
        let other = TestAgency::named("polder").application(&NET);
        let mixed = Application { endorsement: other.endorsement, ..application };
        assert!(matches!(check_application(&mixed, &NET), Err(ApplicationError::Endorsement(_))));
    }
}
