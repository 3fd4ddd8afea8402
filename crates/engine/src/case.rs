//! A referral as a signed file of two parties; its state is computed, never stored (referral.md §2).
//!
//! ```text
//! requester:  submit ── supplement ── withdraw | close           each side numbers and links its own,
//!                \\         /                                     and names the other's newest it has seen
//! target:       acknowledge ── need_info ── decide
//! ```
//!
//! A case has an open part, which alone decides its state ([`Open`]: ids, kinds, decisions, deadlines), and a part under
//! the case key that may become unreadable at any time. Whether a statement was allowed is judged by what *its sender*
//! had seen, so both sides judge alike whatever crossed on the way; concurrent events both stay, and
//! withdraw > close > decide.

use lapwing_record::cbor::{Bytes, decode};
use lapwing_record::cbor_array;
use lapwing_record::id::{Digest, MsgId, Pid, ThreadId};
use lapwing_record::membership::ApprovalError;
use lapwing_record::seal::MAX_PLAIN;
use lapwing_record::statement::{Decide, Decision, Ground, Kind, MAX_ITEMS, Refusal, Stmt, Tlp};
use std::collections::BTreeMap;

cbor_array! {
    /// A piece of evidence in the open part: what transfers need to know.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OpenBlob {
        /// Its name on the network.
        pub b3_cipher: Digest,
        /// Ciphertext bytes.
        pub sealed_len: u64,
    }
}

cbor_array! {
    /// A decided item in the open part.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OpenDecision {
        /// The item.
        pub item: u64,
        /// The decision.
        pub decision: Decision,
        /// Whether the ground is `insufficient_information`, which needs a question first.
        pub for_want_of_information: bool,
    }
}

cbor_array! {
    /// What of a statement decides the case's state.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Open {
        /// The case.
        pub thread: ThreadId,
        /// The statement.
        pub id: MsgId,
        /// Number among its sender's.
        pub msg_no: u64,
        /// Its sender's before.
        pub prev_own: Option<MsgId>,
        /// The newest of the other side's that its sender had.
        pub seen_peer: Option<MsgId>,
        /// The sender.
        pub from: Pid,
        /// The recipient.
        pub to: Pid,
        /// What it is.
        pub kind: Kind,
        /// The sender's milliseconds UTC.
        pub clock: u64,
        /// Milliseconds UTC after which delivery is given up.
        pub expires: u64,
        /// How it may be handled.
        pub handling: Tlp,
        /// Of a submit: assistance items asked for.
        pub items: u64,
        /// Of a decide: the decisions.
        pub decisions: Vec<OpenDecision>,
        /// Evidence named.
        pub blobs: Vec<OpenBlob>,
    }
}

/// Why the content of a statement does not fit its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The body does not decode or breaks a rule of form.
    #[error("{kind}: {why}")]
    Body {
        /// The kind's token.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Approvals.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
}

impl Open {
    /// The open part of a statement.
    pub fn of(stmt: &Stmt) -> Result<Open, OpenError> {
        use lapwing_record::statement::{Acknowledge, BlobGrant, BlobRequest, Ending, Text};
        let fault = |why: String| OpenError::Body { kind: stmt.kind.code(), why };
        let (mut items, mut decisions) = (0, Vec::new());
        macro_rules! form {
            ($t:ty) => {
                decode::<$t>(&stmt.body, MAX_PLAIN).map_err(|e| fault(e.to_string()))?
            };
        }
        match stmt.kind {
            Kind::Submit => {
                let form = lapwing_record::form::Form::decode(&stmt.body).map_err(|e| fault(e.to_string()))?;
                items = form.assistance.as_ref().map_or(0, |a| a.len() as u64);
                if items > MAX_ITEMS {
                    return Err(fault(format!("more than {MAX_ITEMS} assistance items")));
                }
            }
            Kind::Decide => {
                let decide = form!(Decide);
                decide.check().map_err(|e| fault(e.to_string()))?;
                let open = |d: &lapwing_record::statement::ItemDecision| OpenDecision {
                    item: d.item,
                    decision: d.decision,
                    for_want_of_information: d.ground == Some(Ground::InsufficientInformation),
                };
                decisions = decide.items.iter().map(open).collect();
            }
            Kind::Acknowledge => drop(form!(Acknowledge)),
            Kind::NeedInfo | Kind::Supplement => drop(form!(Text)),
            Kind::Withdraw | Kind::Close => drop(form!(Ending)),
            Kind::BlobGrant => drop(form!(BlobGrant)),
            Kind::BlobRequest => drop(form!(BlobRequest)),
        }
        let blob = |b: &lapwing_record::statement::BlobRef| OpenBlob {
            b3_cipher: b.b3_cipher,
            sealed_len: lapwing_record::blob::sealed_len(b.size),
        };
        Ok(Open {
            thread: stmt.thread,
            id: stmt.id(),
            msg_no: stmt.msg_no,
            prev_own: stmt.prev_own,
            seen_peer: stmt.seen_peer,
            from: stmt.from,
            to: stmt.to,
            kind: stmt.kind,
            clock: stmt.clock,
            expires: stmt.expires,
            handling: stmt.handling,
            items,
            decisions,
            blobs: stmt.blobs.iter().map(blob).collect(),
        })
    }
}

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
    /// Closed by the requester.
    Closed,
    /// Withdrawn by the requester.
    Withdrawn,
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
            Stage::Closed => "closed",
            Stage::Withdrawn => "withdrawn",
        }
    }

    /// Every stage.
    pub const ALL: [Stage; 7] = [
        Stage::Submitted,
        Stage::Acknowledged,
        Stage::InfoNeeded,
        Stage::PartlyDecided,
        Stage::Decided,
        Stage::Closed,
        Stage::Withdrawn,
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
        all.sort_by_key(|t| (t.at, t.open.kind.by_requester(), t.open.msg_no));
        all
    }

    /// How many assistance items were asked for.
    pub fn items(&self) -> u64 {
        self.asked.first().map_or(0, |t| t.open.items)
    }

    /// The latest decision on each item.
    pub fn decisions(&self) -> BTreeMap<u64, Decision> {
        let decided = self.answered.iter().flat_map(|t| &t.open.decisions);
        decided.map(|d| (d.item, d.decision)).collect()
    }

    /// Where the case is.
    pub fn stage(&self) -> Stage {
        let asked = |kind| self.asked.iter().any(|t| t.open.kind == kind);
        if asked(Kind::Withdraw) {
            return Stage::Withdrawn;
        }
        if asked(Kind::Close) {
            return Stage::Closed;
        }
        let decided = self.decisions().values().filter(|d| **d != Decision::Defer).count() as u64;
        if decided == self.items() && decided > 0 {
            Stage::Decided
        } else if self.waits_for_answer() {
            Stage::InfoNeeded
        } else if decided > 0 {
            Stage::PartlyDecided
        } else if self.answered.iter().any(|t| t.open.kind == Kind::Acknowledge) {
            Stage::Acknowledged
        } else {
            Stage::Submitted
        }
    }

    /// Whether the newest question has no supplement that was written after it was seen.
    fn waits_for_answer(&self) -> bool {
        let Some(question) = self.answered.iter().rev().find(|t| t.open.kind == Kind::NeedInfo) else { return false };
        let seen = |t: &Told| self.number(&self.answered, t.open.seen_peer).is_some_and(|n| n >= question.open.msg_no);
        !self.asked.iter().any(|t| t.open.kind == Kind::Supplement && seen(t))
    }

    fn number(&self, side: &[Told], id: Option<MsgId>) -> Option<u64> {
        let id = id?;
        side.iter().find(|t| t.open.id == id).map(|t| t.open.msg_no)
    }

    /// Whether `open` may follow, judged by what its sender had seen (both sides judge alike).
    pub fn allows(&self, open: &Open) -> Result<(), (Refusal, String)> {
        let refuse = |why: &str| Err((Refusal::NotNow, why.to_owned()));
        let by_requester = open.from == self.requester;
        if open.kind.by_requester() != by_requester || open.to != self.peer(&open.from) {
            return refuse("this side of the case does not say that");
        }
        let (own, other) = if by_requester { (&self.asked, &self.answered) } else { (&self.answered, &self.asked) };
        if open.msg_no != own.len() as u64 || open.prev_own != own.last().map(|t| t.open.id) {
            return Err((Refusal::Gap, format!("its sender's message {} is next here", own.len())));
        }
        let seen = match open.seen_peer {
            None => 0,
            Some(id) => match other.iter().position(|t| t.open.id == id) {
                Some(at) => at + 1,
                None => return Err((Refusal::Gap, "it names a message of ours that is not here".into())),
            },
        };
        // how many assistance items there must be depends on the form's kind: its check says so
        if open.kind == Kind::Submit && open.msg_no != 0 {
            return refuse("a referral is submitted once");
        }
        if open.kind != Kind::Submit && self.asked.is_empty() {
            return Err((Refusal::Gap, "the referral itself is missing here".into()));
        }
        if !by_requester && seen == 0 {
            return refuse("an answer names what it answers");
        }
        // the sender's world: all of its own, and what it had seen of the other's
        let known = own.iter().chain(&other[..seen]);
        let ended = known.clone().find(|t| matches!(t.open.kind, Kind::Withdraw | Kind::Close));
        let keys = matches!(open.kind, Kind::BlobGrant | Kind::BlobRequest);
        if let Some(end) = ended
            && !keys
            && !(end.open.kind == Kind::Close && open.kind == Kind::Withdraw)
        {
            return refuse("the case has ended");
        }
        match open.kind {
            Kind::Acknowledge if own.iter().any(|t| t.open.kind == Kind::Acknowledge) => {
                refuse("it is acknowledged already")
            }
            Kind::Decide => {
                if let Some(bad) = open.decisions.iter().find(|d| d.item >= self.items()) {
                    return refuse(&format!("the referral has no assistance item {}", bad.item));
                }
                let asked = own.iter().any(|t| t.open.kind == Kind::NeedInfo);
                if !asked && open.decisions.iter().any(|d| d.for_want_of_information) {
                    return refuse("`insufficient_information` comes only after `need_info`");
                }
                Ok(())
            }
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const ME: Pid = Pid([1; 32]);
    const THEM: Pid = Pid([2; 32]);

    fn open(case: &Case, kind: Kind, seen: usize) -> Open {
        let (from, to) = if kind.by_requester() { (ME, THEM) } else { (THEM, ME) };
        let (own, other) =
            if kind.by_requester() { (&case.asked, &case.answered) } else { (&case.answered, &case.asked) };
        let mut id = [0; 32];
        id[0] = u8::from(kind.by_requester());
        id[1] = own.len() as u8;
        id[2] = kind.number() as u8;
        Open {
            thread: ThreadId([3; 32]),
            id: MsgId(id),
            msg_no: own.len() as u64,
            prev_own: own.last().map(|t| t.open.id),
            seen_peer: seen.checked_sub(1).map(|i| other[i].open.id),
            from,
            to,
            kind,
            clock: 0,
            expires: 0,
            handling: Tlp::Amber,
            items: if kind == Kind::Submit { 2 } else { 0 },
            decisions: vec![],
            blobs: vec![],
        }
    }

    fn tell(case: &mut Case, open: Open) {
        let told = Told { at: 0, delivery: None, receipt: None, open: open.clone() };
        case.side_mut(&open.from).push(told);
    }

    fn begun() -> Case {
        let empty = Case {
            thread: ThreadId([3; 32]),
            requester: ME,
            target: THEM,
            asked: vec![],
            answered: vec![],
            changed: 0,
            erased: None,
            held: false,
        };
        let mut case = empty.clone();
        let submit = open(&empty, Kind::Submit, 0);
        case.allows(&submit).unwrap();
        tell(&mut case, submit);
        case
    }

    #[test]
    fn a_referral_that_asks_for_nothing_is_answered_but_never_decided() {
        let mut case = begun();
        case.asked[0].open.items = 0;
        let bare = Case { asked: vec![], ..case.clone() };
        bare.allows(&Open { items: 0, ..open(&bare, Kind::Submit, 0) }).unwrap();
        assert!(bare.allows(&Open { items: 0, msg_no: 1, ..open(&bare, Kind::Submit, 0) }).is_err());
        assert_eq!(case.stage(), Stage::Submitted);
        let item = OpenDecision { item: 0, decision: Decision::Accept, for_want_of_information: false };
        let decide = Open { decisions: vec![item], ..open(&case, Kind::Decide, 1) };
        assert!(case.allows(&decide).unwrap_err().1.contains("no assistance item 0"));
        say(&mut case, Kind::Acknowledge).unwrap();
        assert_eq!(case.stage(), Stage::Acknowledged);
        say(&mut case, Kind::Close).unwrap();
        assert_eq!(case.stage(), Stage::Closed);
    }

    fn say(case: &mut Case, kind: Kind) -> Result<(), (Refusal, String)> {
        let seen = if kind.by_requester() { case.answered.len() } else { case.asked.len() };
        let next = open(case, kind, seen);
        case.allows(&next)?;
        tell(case, next);
        Ok(())
    }

    fn decide(case: &Case, items: &[(u64, Decision, bool)]) -> Open {
        let decision = |(item, decision, want): &(u64, Decision, bool)| OpenDecision {
            item: *item,
            decision: *decision,
            for_want_of_information: *want,
        };
        Open { decisions: items.iter().map(decision).collect(), ..open(case, Kind::Decide, case.asked.len()) }
    }

    #[test]
    fn a_case_goes_from_submit_to_decide() {
        let mut case = begun();
        assert_eq!(case.stage(), Stage::Submitted);
        say(&mut case, Kind::Acknowledge).unwrap();
        assert_eq!(case.stage(), Stage::Acknowledged);
        say(&mut case, Kind::NeedInfo).unwrap();
        assert_eq!(case.stage(), Stage::InfoNeeded);
        say(&mut case, Kind::Supplement).unwrap();
        assert_eq!(case.stage(), Stage::Acknowledged);
        let some = decide(&case, &[(0, Decision::Accept, false)]);
        case.allows(&some).unwrap();
        tell(&mut case, some);
        assert_eq!(case.stage(), Stage::PartlyDecided);
        let rest = decide(&case, &[(1, Decision::Refuse, true)]);
        case.allows(&rest).unwrap();
        tell(&mut case, rest);
        assert_eq!(case.stage(), Stage::Decided);
        say(&mut case, Kind::Close).unwrap();
        assert!(say(&mut case, Kind::NeedInfo).is_err(), "it has ended");
    }

    #[test]
    fn each_side_says_only_what_is_its_own_to_say() {
        let mut case = begun();
        for kind in [Kind::Acknowledge, Kind::Decide, Kind::NeedInfo] {
            let forged = Open { from: ME, to: THEM, ..open(&case, kind, 1) };
            assert!(case.allows(&forged).is_err(), "{kind} by the requester");
        }
        let forged = Open { from: THEM, to: ME, ..open(&case, Kind::Withdraw, 0) };
        assert!(case.allows(&forged).is_err(), "withdrawal by the target");
        assert!(say(&mut case, Kind::Submit).is_err(), "submitted twice");
    }

    #[test]
    fn want_of_information_is_a_ground_only_after_asking() {
        let mut case = begun();
        assert!(case.allows(&decide(&case, &[(0, Decision::Refuse, true)])).is_err());
        assert!(case.allows(&decide(&case, &[(2, Decision::Accept, false)])).is_err(), "no such item");
        say(&mut case, Kind::NeedInfo).unwrap();
        case.allows(&decide(&case, &[(0, Decision::Refuse, true)])).unwrap();
    }

    #[test]
    fn a_gap_is_told_apart_from_what_is_not_allowed() {
        let case = begun();
        let ahead = Open { msg_no: 3, prev_own: Some(MsgId([9; 32])), ..open(&case, Kind::Supplement, 0) };
        assert_eq!(case.allows(&ahead).unwrap_err().0, Refusal::Gap);
        let unseen = Open { seen_peer: Some(MsgId([9; 32])), ..open(&case, Kind::Supplement, 0) };
        assert_eq!(case.allows(&unseen).unwrap_err().0, Refusal::Gap);
    }

    proptest! {
        /// Both sides reach the same stage from the same statements, in whatever order those arrive.
        #[test]
        fn both_sides_compute_the_same_stage(steps in prop::collection::vec((0u8..7, any::<bool>()), 0..12), late in any::<prop::sample::Index>()) {
            // one world in which statements cross: each side sees the other's only sometimes
            let mut case = begun();
            let mut seen = [0usize, 1usize]; // requester has seen of the target, target of the requester
            for (kind, sync) in steps {
                let kind = [Kind::Acknowledge, Kind::NeedInfo, Kind::Supplement, Kind::Withdraw, Kind::Close, Kind::Decide, Kind::BlobGrant][kind as usize];
                if sync {
                    seen = [case.answered.len(), case.asked.len()];
                }
                let mut next = open(&case, kind, seen[usize::from(!kind.by_requester())]);
                if kind == Kind::Decide {
                    next.decisions = vec![OpenDecision { item: 1, decision: Decision::Accept, for_want_of_information: false }];
                }
                if case.allows(&next).is_ok() {
                    tell(&mut case, next);
                }
            }
            // the same statements taken in another order: one side's first, or interleaved at a random point
            let mut other = Case { asked: vec![], answered: vec![], ..case.clone() };
            let mut left = [case.asked.clone(), case.answered.clone()];
            let mut turn = late.index(2);
            while left.iter().any(|l| !l.is_empty()) {
                let side = if left[turn].is_empty() { 1 - turn } else { turn };
                let next = left[side][0].open.clone();
                match other.allows(&next) {
                    Ok(()) => { tell(&mut other, next); left[side].remove(0); }
                    Err((Refusal::Gap, _)) => { turn = 1 - side; prop_assert!(!left[turn].is_empty(), "stuck"); continue; }
                    Err((_, why)) => prop_assert!(false, "allowed there, refused here: {}", why),
                }
                turn = 1 - turn;
            }
            prop_assert_eq!(other.stage(), case.stage());
        }
    }
}
