//! Whether this node may sign after a start: it asks others how far its own logs went (protocol §3, "Never fork yourself").

use crate::engine::Engine;
use crate::fact::{self, Fact};
use crate::membership::Standing;
use crate::step::{Refused, Step};
use lapwing_record::entry::LogKind;
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::wire::HeadRow;
use std::collections::BTreeMap;

/// Milliseconds that a node waits after its start for peers to answer about its own heads.
pub const HEAD_WAIT_MS: u64 = 5_000;

/// What a peer told of our own logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadAnswer {
    /// The heads that it has and that were not here then.
    pub lacking: Vec<HeadRow>,
    /// Whether log 2 was compared, too.
    pub log2: bool,
}

/// Whether this node may sign, after a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadCheck {
    /// It may.
    Done,
    /// It waits for peers to answer about its own heads.
    Waiting {
        /// Milliseconds UTC of the start.
        since: u64,
        /// What our own logs must reach before anything is signed: known from the high-water file of a restored copy.
        must_reach: Vec<(LogKind, u64, EntryId)>,
        /// Whether this is a restored or stale copy.
        restored: bool,
        /// Peers that answered.
        answers: BTreeMap<Pid, HeadAnswer>,
    },
}

impl Engine {
    /// Whether this node knows where its own logs end.
    pub(crate) fn head_known(&self) -> Result<(), Refused> {
        match &self.head {
            HeadCheck::Done => Ok(()),
            HeadCheck::Waiting { restored: true, .. } => Err(Refused::HeadUnchecked(
                "this is a restored or older copy; its own latest entries have not come back from the others yet"
                    .into(),
            )),
            HeadCheck::Waiting { .. } => {
                Err(Refused::HeadUnchecked("it has just started and asks its peers for its own latest entries".into()))
            }
        }
    }

    /// How far our own logs went, for the file beside the journal: what an older copy has yet to get back stands in it
    /// until it is back. A second crash on the way would forget it otherwise. None while an older copy does not know it: what
    /// came back so far is not all, and would pass for it after such a crash.
    pub fn high_water(&self) -> Option<Vec<(LogKind, u64, EntryId)>> {
        let author = self.state.federation.author(&self.state.me).expect("hosted");
        let known: &[_] = match &self.head {
            HeadCheck::Waiting { must_reach, restored: true, .. } if must_reach.is_empty() => return None,
            HeadCheck::Waiting { must_reach, .. } => must_reach,
            HeadCheck::Done => &[],
        };
        let farthest = |log| {
            let tip = author.newest(log).stem.last().map(|l| (log, l.seq, l.id));
            let known = known.iter().filter(|(of, ..)| *of == log).copied();
            tip.into_iter().chain(known).max_by_key(|(_, seq, _)| *seq)
        };
        Some([LogKind::Pub, LogKind::Agy].into_iter().filter_map(farthest).collect())
    }

    pub(crate) fn check_head(&mut self, now: u64, step: &mut Step) {
        let HeadCheck::Waiting { since, must_reach, restored, answers } = &self.head else { return };
        let author = self.state.federation.author(&self.state.me).expect("hosted");
        let reached = must_reach.iter().all(|(log, seq, id)| {
            let mut lines = author.log(*log).values().flat_map(crate::author::Chain::lines);
            // one that is reserved will be signed as the same bytes: nobody else can have it if it was never sent
            lines.any(|l| l.seq == *seq && l.id == *id) || self.state.reserved.iter().any(|r| r.header.id() == *id)
        });
        // what one of them had may have come from another: whoever answered need not be there to say so again
        let level = answers.values().flat_map(|a| &a.lacking).all(|head| self.state.federation.lacking(head).is_none());
        // whoever has left may have missed what was written since, and log 2 is known to agencies only
        let federation = &self.state.federation;
        let takes_part = |p: &Pid| *p != self.state.me && federation.is_participant(p);
        let agency = |p: &Pid| takes_part(p) && federation.is_full_agency(p);
        let among_agencies = federation.is_agency(&self.state.me) && federation.pids().any(|p| agency(&p));
        let knows = |p: &Pid| if among_agencies { agency(p) } else { takes_part(p) };
        let known = federation.pids().filter(knows).count();
        let counted = answers.iter().filter(|(p, answer)| knows(p) && (answer.log2 || !among_agencies)).count();
        let anybody = answers.keys().any(|p| federation.standing(p) != Some(Standing::Left));
        let enough = if known == 0 { anybody } else { counted >= known.min(3) };
        let waited = now >= since + HEAD_WAIT_MS;
        let alone = answers.is_empty() && self.connected.is_empty();
        let pass = reached
            && level
            && (enough
                // one peer that has our own newest entry is proof; where it is not known which that is, one may lack it
                || (waited && anybody && (!restored || !must_reach.is_empty()))
                || (waited && alone && !restored)
                // nobody is left to ask: where it is known which entry was the newest, having it is enough
                || (known == 0 && (!restored || !must_reach.is_empty())));
        if pass {
            let fact = fact::HeadChecked { at: now, answers: answers.len() as u64, asserted: false };
            self.head = HeadCheck::Done;
            self.commit(Fact::HeadChecked(fact), step);
        }
    }
}
