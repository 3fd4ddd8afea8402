//! Who has said what of whom, read from entries without the fold: a second opinion to judge the fold by.

use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::identity::{Act, Inception};
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

/// All words held by one node.
#[derive(Clone, Debug, Default)]
pub struct Words(pub BTreeMap<(Pid, Pid), Said>);

fn weight(act: Act) -> u8 {
    match act {
        Act::Object => 2,
        Act::Withdraw => 1,
        _ => 0,
    }
}

impl Words {
    /// Takes an entry that a node keeps, written by the one with this inception.
    pub fn take(&mut self, entry: &Entry, by: &Inception, network: &NetworkId) {
        let header = entry.header();
        if header.log != LogKind::Pub {
            return;
        }
        let Some(body) = entry.body() else { return };
        match header.entry_type() {
            Some(EntryType::Stances) => {
                let Ok(stances) = Stances::decode(body) else { return };
                for stance in stances.items {
                    let Target::Participant(of) = stance.target else { continue };
                    let said = self.0.entry((header.pid, of)).or_default();
                    said.cleared |= stance.what == What::Clear;
                    let (Some(act), Some(n), Some(by_officers)) = (stance.what.act(), stance.n, &stance.approvals)
                    else {
                        continue;
                    };
                    let approval = Approval::of_stance(header.pid, header.epoch, n, act, stance.target);
                    if approval.check(by_officers, &by.first, network).is_ok() {
                        let better = said.ruling.is_none_or(|(m, old)| (n, weight(act)) > (m, weight(old)));
                        said.ruling = if better { Some((n, act)) } else { said.ruling };
                    }
                }
            }
            Some(EntryType::Excuse) => {
                let Ok(excuse) = lapwing_record::cbor::decode::<Excuse>(body, EntryType::Excuse.limit()) else {
                    return;
                };
                if let Target::Participant(of) = excuse.target {
                    self.0.entry((header.pid, of)).or_default().excused.extend(excuse.silent);
                }
            }
            _ => {}
        }
    }

    /// What `by` said of `of`.
    pub fn of(&self, by: Pid, of: Pid) -> Said {
        self.0.get(&(by, of)).cloned().unwrap_or_default()
    }
}
