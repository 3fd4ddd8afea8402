//! A referral as a signed file of two parties; its state is computed, never stored (docs/protocol.md §6.1).
//!
//! ```text
//! requester:  submit ── supplement ── reminder ── recall | withdraw | close ── reopen     each side numbers and links
//!                \\         /                                                            its own, and names the
//! target:       acknowledge ── need_info ── decide ── progress ── results | transferred   other's newest it has seen
//! ```
//!
//! A case has an open part, which alone decides its state ([`Open`]: ids, kinds, decisions, deadlines), and a part under
//! the case key that may become unreadable at any time. Whether a statement was allowed is judged by what *its sender*
//! had seen, so both sides judge alike whatever crossed on the way; concurrent events both stay, and
//! recall > withdraw > close > decide.
//!
//! A statement that its receiver refuses for good keeps its place in its sender's chain at both ends and decides
//! nothing ([`Told::refused`]): what is said after it goes on.

mod open;
mod rules;
mod world;

pub use open::*;
pub use world::{Fate, Joint, World};

use lapwing_record::cbor::Bytes;
use lapwing_record::id::{MsgId, Pid, ThreadId};
use lapwing_record::statement::{Decision, Refusal, Tlp};
use std::collections::BTreeMap;

/// Where a referral is, the same on both sides once both hold the same statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Submitted; not acknowledged by a person yet.
    Submitted,
    /// A person at the target has it.
    Acknowledged,
    /// The target asked; its clock stands still.
    InfoNeeded,
    /// Some items are decided.
    PartlyDecided,
    /// Every item is decided.
    Decided,
    /// Every item that was accepted has its last result.
    Answered,
    /// Another agency acts on every item.
    Transferred,
    /// Closed by the requester.
    Closed,
    /// Withdrawn by the requester.
    Withdrawn,
    /// Recalled by the requester.
    Recalled,
}

impl Stage {
    /// The stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Submitted => "submitted",
            Stage::Acknowledged => "acknowledged",
            Stage::InfoNeeded => "info_needed",
            Stage::PartlyDecided => "partly_decided",
            Stage::Decided => "decided",
            Stage::Answered => "answered",
            Stage::Transferred => "transferred",
            Stage::Closed => "closed",
            Stage::Withdrawn => "withdrawn",
            Stage::Recalled => "recalled",
        }
    }

    /// Whether nothing more is expected of either side.
    pub const fn is_end(self) -> bool {
        matches!(self, Stage::Closed | Stage::Withdrawn | Stage::Recalled)
    }

    /// Every stage.
    pub const ALL: [Stage; 10] = [
        Stage::Submitted,
        Stage::Acknowledged,
        Stage::InfoNeeded,
        Stage::PartlyDecided,
        Stage::Decided,
        Stage::Answered,
        Stage::Transferred,
        Stage::Closed,
        Stage::Withdrawn,
        Stage::Recalled,
    ];
}

/// The delivery of one of our own statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Attempts so far.
    pub tries: u64,
    /// Milliseconds UTC of the next attempt; none when done or given up.
    pub next: Option<u64>,
    /// The node's receipt, as received: a [`lapwing_record::sign::Sign1`].
    pub receipt: Option<Bytes>,
    /// Why the last attempt failed, or why it is held.
    pub why: Option<String>,
    /// Given up, aloud.
    pub failed: bool,
}

/// One statement of a case, as it is kept.
#[derive(Clone, Debug)]
pub struct Told {
    /// What decides.
    pub open: Open,
    /// Milliseconds UTC when this node made it durable.
    pub at: u64,
    /// Ours: how its delivery goes. Theirs: none.
    pub delivery: Option<Delivery>,
    /// Theirs: the receipt that we gave, as sent.
    pub receipt: Option<Bytes>,
    /// Refused for good by the one whom it was said to: it keeps its place in the chain and decides nothing.
    pub refused: Option<(Refusal, String)>,
}

impl Told {
    /// A statement of the other side, durable here at `at`.
    pub fn heard(open: Open, at: u64) -> Self {
        Told { open, at, delivery: None, receipt: None, refused: None }
    }

    /// Ours, and the other side has neither receipted nor refused it.
    pub fn waits(&self) -> bool {
        self.refused.is_none() && self.delivery.as_ref().is_some_and(|d| d.receipt.is_none())
    }

    /// Ours: the receipt that came home.
    pub fn receipted(&self) -> Option<&Bytes> {
        self.delivery.as_ref().and_then(|d| d.receipt.as_ref()).filter(|r| !r.0.is_empty())
    }
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its thread.
    pub thread: ThreadId,
    /// Who opened it.
    pub requester: Pid,
    /// Who is asked.
    pub target: Pid,
    /// The requester's statements in order.
    pub asked: Vec<Told>,
    /// The target's statements in order.
    pub answered: Vec<Told>,
    /// Milliseconds UTC of the last change here.
    pub changed: u64,
    /// Milliseconds UTC at which its content was erased here.
    pub erased: Option<u64>,
    /// Whether a legal hold stands: it wins over erasure.
    pub held: bool,
}

impl Case {
    /// A case that begins with this statement.
    pub fn new(open: &Open) -> Self {
        Case {
            thread: open.thread,
            requester: open.from,
            target: open.to,
            asked: Vec::new(),
            answered: Vec::new(),
            changed: 0,
            erased: None,
            held: false,
        }
    }

    /// The other side.
    pub fn peer(&self, me: &Pid) -> Pid {
        if self.requester == *me { self.target } else { self.requester }
    }

    /// What was said on both sides, each after all that its sender had seen: the order in which the other side takes it.
    /// Clocks can go back and decide nothing here but between statements that crossed.
    pub fn in_order(&self) -> Vec<&Told> {
        let (mut asked, mut answered) = (&self.asked[..], &self.answered[..]);
        let mut order: Vec<&Told> = Vec::with_capacity(asked.len() + answered.len());
        while let Some(next) = match (asked.first(), answered.first()) {
            (Some(a), Some(b)) => {
                let seen = |t: &Told, rest: &[Told]| !rest.iter().any(|r| Some(r.open.id) == t.open.seen_peer);
                Some(if seen(a, answered) && (a.at <= b.at || !seen(b, asked)) { a } else { b })
            }
            (a, b) => a.or(b),
        } {
            match asked.first() {
                Some(a) if a.open.id == next.open.id => asked = &asked[1..],
                _ => answered = &answered[1..],
            }
            order.push(next);
        }
        order
    }

    /// The statements of one side.
    pub fn side(&self, from: &Pid) -> &Vec<Told> {
        if self.requester == *from { &self.asked } else { &self.answered }
    }

    /// The statements of one side, to change them.
    pub fn side_mut(&mut self, from: &Pid) -> &mut Vec<Told> {
        if self.requester == *from { &mut self.asked } else { &mut self.answered }
    }

    /// A statement by id.
    pub fn find(&self, id: &MsgId) -> Option<&Told> {
        self.asked.iter().chain(&self.answered).find(|t| t.open.id == *id)
    }

    /// Both sides' statements as people read them: by the durable time here.
    pub fn timeline(&self) -> Vec<&Told> {
        let mut all: Vec<&Told> = self.asked.iter().chain(&self.answered).collect();
        all.sort_by_key(|t| (t.at, t.open.from == self.requester, t.open.msg_no));
        all
    }

    /// How many assistance items are asked for.
    pub fn items(&self) -> u64 {
        self.world().items()
    }

    /// The latest decision on each item; what was opened again since is left out.
    pub fn decisions(&self) -> BTreeMap<u64, Decision> {
        self.world().decisions()
    }

    /// Where the case is.
    pub fn stage(&self) -> Stage {
        self.world().stage()
    }

    /// Evidence named anywhere in the case, with who holds it.
    pub fn blobs(&self) -> impl Iterator<Item = (&Pid, &OpenBlob)> {
        self.asked.iter().chain(&self.answered).flat_map(|t| t.open.blobs.iter().map(move |b| (&t.open.from, b)))
    }

    /// The strictest handling of anything said.
    pub fn handling(&self) -> Tlp {
        self.asked.iter().chain(&self.answered).map(|t| t.open.handling).max().unwrap_or(Tlp::AmberStrict)
    }
}

/// A release of content beyond its markings, by the one whose content it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The signed statement that gives it.
    pub id: MsgId,
    /// The request or proposal that it answers; none where it was volunteered.
    pub request: Option<MsgId>,
    /// Milliseconds UTC on the giver's clock.
    pub at: u64,
    /// Participants that the content may be passed on to.
    pub onward: Vec<Pid>,
    /// Whether competent agencies of the receiver's own country may have it.
    pub domestic: bool,
    /// Whether others may have it, as words in the statement say.
    pub dissemination: bool,
    /// Whether it may be used before a court.
    pub judicial_use: bool,
    /// Milliseconds UTC until which it holds.
    pub until: Option<u64>,
    /// Whether conditions stand in the statement.
    pub conditional: bool,
}

#[cfg(test)]
mod tests;
