//! Who has said what of whom, read from entries without the fold: a second opinion to judge the fold by.

use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::identity::{Act, EpochKeys};
use lapwing_record::membership::{Approval, Excuse, Stances, Target, What};
use std::collections::{BTreeMap, BTreeSet};

/// What one author has said of one participant.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its node cleared.
    pub cleared: bool,
    /// Its officers' word of the highest number: at the same number object > withdraw > consent.
    pub ruling: Option<(u64, Act)>,
    /// Whom its node excused from speaking.
    pub excused: BTreeSet<Pid>,
}

impl Said {
    /// Whether its officers' last word is an objection.
    pub fn objects(&self) -> bool {
        self.ruling.is_some_and(|(_, act)| act == Act::Object)
    }

    /// Whether it agrees.
    pub fn agrees(&self) -> bool {
        !self.objects() && (self.cleared || self.ruling.is_some_and(|(_, act)| act == Act::Consent))
    }
}

/// Where something stands in its author's log: entry, item.
type Place = (u64, usize);

/// All words held by one node.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// By author and subject.
    pub said: BTreeMap<(Pid, Pid), Said>,
    /// Whom an author seated, where first.
    seats: BTreeMap<Pid, BTreeMap<Pid, Place>>,
    /// Where an author's first word of a subject stands.
    first: BTreeMap<(Pid, Pid), Place>,
}

fn weight(act: Act) -> u8 {
    match act {
        Act::Object => 2,
        Act::Withdraw => 1,
        _ => 0,
    }
}

impl Words {
    /// Takes an entry that a node keeps, written in the epoch of these keys.
    pub fn take(&mut self, entry: &Entry, by: &EpochKeys, network: &NetworkId) {
        let header = entry.header();
        if header.log != LogKind::Pub {
            return;
        }
        let Some(body) = entry.body() else { return };
        match header.entry_type() {
            Some(EntryType::Stances) => {
                let Ok(stances) = Stances::decode(body) else { return };
                for (at, stance) in stances.items.into_iter().enumerate() {
                    let Target::Participant(of) = stance.target else { continue };
                    let place = (header.seq, at);
                    if stance.what == What::Seat {
                        let seat = self.seats.entry(header.pid).or_default().entry(of).or_insert(place);
                        *seat = place.min(*seat);
                        continue;
                    }
                    let approved = |n, act, signatures| {
                        let approval = Approval::of_stance(header.pid, header.epoch, n, act, stance.target);
                        approval.check(signatures, by, network).is_ok()
                    };
                    let ruling = match (stance.what.act(), stance.n, &stance.approvals) {
                        (Some(act), Some(n), Some(signatures)) if approved(n, act, signatures) => Some((n, act)),
                        // what officers did not approve is not said
                        (Some(_), ..) => continue,
                        (None, ..) => None,
                    };
                    let said = self.said.entry((header.pid, of)).or_default();
                    said.cleared |= stance.what == What::Clear;
                    let better = |(n, act): &(u64, Act)| {
                        said.ruling.is_none_or(|(m, old)| (*n, weight(*act)) > (m, weight(old)))
                    };
                    said.ruling = ruling.filter(better).or(said.ruling);
                    self.speaks(header.pid, of, place);
                }
            }
            Some(EntryType::Excuse) => {
                let Ok(excuse) = lapwing_record::cbor::decode::<Excuse>(body, EntryType::Excuse.limit()) else {
                    return;
                };
                if let Target::Participant(of) = excuse.target {
                    self.said.entry((header.pid, of)).or_default().excused.extend(excuse.silent);
                    self.speaks(header.pid, of, (header.seq, 0));
                }
            }
            _ => {}
        }
    }

    fn speaks(&mut self, by: Pid, of: Pid, place: Place) {
        let first = self.first.entry((by, of)).or_insert(place);
        *first = place.min(*first);
    }

    /// Who has a say on `of`: the founders, and whom one of them had seated before its own first word on it, and so on.
    /// Of an author whose log is `unclear` (contested, or in a later epoch) nothing is read here: fewer than there are.
    pub fn electors(&self, of: Pid, founders: &BTreeSet<Pid>, unclear: &dyn Fn(&Pid) -> bool) -> BTreeSet<Pid> {
        let mut electors: BTreeSet<Pid> = founders.iter().copied().filter(|f| *f != of).collect();
        let mut open: Vec<Pid> = electors.iter().copied().collect();
        while let Some(by) = open.pop() {
            let first = self.first.get(&(by, of)).copied();
            let seats = self.seats.get(&by).filter(|_| !unclear(&by));
            for (seated, at) in seats.into_iter().flatten() {
                if *seated != of && first.is_none_or(|first| *at < first) && electors.insert(*seated) {
                    open.push(*seated);
                }
            }
        }
        electors
    }

    /// What `by` said of `of`.
    pub fn of(&self, by: Pid, of: Pid) -> Said {
        self.said.get(&(by, of)).cloned().unwrap_or_default()
    }
}
