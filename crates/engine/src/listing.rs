//! One participant's directory records as they stand: the newest of each kind and slot (Plan A.1, A.2).

use crate::author::Author;
use crate::line::{Line, Says};
use lapwing_record::directory::{Contact, KemKey, NodeBinding, Profile};
use lapwing_record::entry::LogKind;
use lapwing_record::id::{EntryId, Kid};
use lapwing_record::legal::LegalProfile;
use lapwing_record::membership::{Checkpoint, ObjectionReason, Target};
use lapwing_record::register::{Arrangement, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record and the entry that it stands in.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The entry.
    pub entry: EntryId,
    /// The author's milliseconds UTC.
    pub clock: u64,
    /// The record.
    pub record: Arc<T>,
}

/// What a participant has published and not superseded.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// How it describes itself.
    pub profile: Option<Listed<Profile>>,
    /// Points of contact by slot, withdrawn ones left out.
    pub contacts: BTreeMap<String, Listed<Contact>>,
    /// Points of contact for agencies only, by slot.
    pub agency_contacts: BTreeMap<String, Listed<Contact>>,
    /// Nodes by peer id.
    pub nodes: BTreeMap<Vec<u8>, Listed<NodeBinding>>,
    /// Encryption keys.
    pub kem_keys: BTreeMap<Kid, Listed<KemKey>>,
    /// Its newest checkpoint.
    pub checkpoint: Option<Listed<Checkpoint>>,
    /// What its law covers.
    pub legal: Option<Listed<LegalProfile>>,
    /// Arrangements that it published, by code.
    pub arrangements: BTreeMap<String, Listed<Arrangement>>,
    /// What became of its cases, by slot; withdrawn ones left out.
    pub outcomes: BTreeMap<String, Listed<Outcome>>,
    /// The same for agencies only.
    pub agency_outcomes: BTreeMap<String, Listed<Outcome>>,
    /// Its newest reason against each target.
    pub reasons: BTreeMap<Target, Listed<ObjectionReason>>,
}

impl Listing {
    /// Everything that `author` has published.
    pub fn of(author: &Author, ready: &dyn Fn(&Line) -> bool) -> Self {
        let mut listing = Listing::default();
        for log in [LogKind::Pub, LogKind::Agy] {
            author.listed(log).filter(|l| ready(l)).for_each(|line| listing.read(log, line));
        }
        listing
    }

    /// Takes the next line of a log.
    pub fn read(&mut self, log: LogKind, line: &Line) {
        fn listed<T>(line: &Line, record: &Arc<T>) -> Listed<T> {
            Listed { entry: line.id, clock: line.clock, record: record.clone() }
        }
        match &line.says {
            Says::Profile(p) => self.profile = Some(listed(line, p)),
            Says::Contact(c) => {
                let slots = if log == LogKind::Agy { &mut self.agency_contacts } else { &mut self.contacts };
                if c.withdrawn {
                    slots.remove(&c.slot);
                } else {
                    slots.insert(c.slot.clone(), listed(line, c));
                }
            }
            Says::Binding(b) => {
                if b.revoked {
                    self.nodes.remove(&b.peer.0);
                } else {
                    self.nodes.insert(b.peer.0.clone(), listed(line, b));
                }
            }
            Says::Kem(k) => {
                self.kem_keys.insert(k.kid, listed(line, k));
            }
            Says::Checkpoint(c) => self.checkpoint = Some(listed(line, c)),
            Says::Legal(l) => self.legal = Some(listed(line, l)),
            Says::Arrangement(a) => {
                self.arrangements.insert(a.code.clone(), listed(line, a));
            }
            Says::Outcome(o) => {
                let slots = if log == LogKind::Agy { &mut self.agency_outcomes } else { &mut self.outcomes };
                if o.withdrawn {
                    slots.remove(&o.slot);
                } else {
                    slots.insert(o.slot.clone(), listed(line, o));
                }
            }
            Says::Reason(r) => {
                self.reasons.insert(r.target, listed(line, r));
            }
            _ => {}
        }
    }

    /// The key to seal to at `now`: the newest that is in force.
    pub fn kem_key(&self, now: u64) -> Option<&KemKey> {
        let in_force = self.kem_keys.values().filter(|k| k.record.not_before <= now && now < k.record.not_after);
        in_force.max_by_key(|k| (k.record.not_before, k.record.kid)).map(|k| &*k.record)
    }
}
