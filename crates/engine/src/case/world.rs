//! What a set of statements makes of a case: the same for everyone who holds the same ones.
//!
//! ```text
//! requester's chain  s0 ─ s1 ─ s2 ┐
//!                                 ├─▶ World ─▶ stage, the fate of each item, who consented to what
//! target's chain     t0 ─ t1      ┘
//! ```
//!
//! A [`World`] may be less than the whole case: what the sender of a statement had seen when it wrote it.

use super::{Case, Consent, Detail, OpenAnswer, OpenForm, OpenProposal, Stage, Told};
use lapwing_record::id::{Digest, MsgId, Pid};
use lapwing_record::statement::{Assurance, ComplaintOutcome, Decision, Kind, RecallReason, TaskState};
use std::collections::{BTreeMap, BTreeSet};

/// What has become of an assistance item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was decided yet, or it was deferred.
    Open,
    /// It will be done, wholly, in part or under conditions.
    Accepted,
    /// It will not be done.
    Refused,
    /// The last result on it is here.
    Answered,
    /// Another agency acts on it.
    Transferred,
}

/// What a joint case has come to in one thread (docs/protocol.md §6.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// Whether the requester of the thread leads it; else its target.
    pub requester_leads: bool,
    /// The plan in force.
    pub plan: MsgId,
    /// Its version.
    pub version: u64,
    /// Its tasks by number; what was last reported on each, and the statement that says so.
    pub tasks: BTreeMap<u64, Option<(TaskState, MsgId)>>,
    /// The first number that no task ever had.
    pub next_task: u64,
}

/// Statements of both sides, in their chains' order.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub(super) asked: &'a [Told],
    pub(super) answered: &'a [Told],
}

impl<'a> World<'a> {
    /// Of the requester's, or of the target's: those that were not refused.
    pub(crate) fn of(self, requester: bool) -> impl DoubleEndedIterator<Item = &'a Told> + Clone {
        let side = if requester { self.asked } else { self.answered };
        side.iter().filter(|t| t.refused.is_none())
    }

    /// Those of one kind.
    pub(crate) fn said(self, requester: bool, kind: Kind) -> impl DoubleEndedIterator<Item = &'a Told> + Clone {
        self.of(requester).filter(move |t| t.open.kind == kind)
    }

    /// What the form says that decides, supplements laid over it.
    pub fn form(self) -> OpenForm {
        let mut form = OpenForm::default();
        for told in self.of(true) {
            if let Some(Detail::Form(later)) = &told.open.detail {
                form.amend(later);
            }
        }
        form
    }

    /// How many assistance items are asked for.
    pub fn items(self) -> u64 {
        let submitted = self.asked.first().map_or(0, |t| t.open.items);
        self.form().items.unwrap_or(submitted)
    }

    /// How many complaints the batch has.
    pub fn complaints(self) -> u64 {
        self.form().complaints.unwrap_or(0)
    }

    /// The latest outcome of each complaint of the batch that has one, and the statement that says so.
    pub fn complaint_outcomes(self) -> BTreeMap<u64, (ComplaintOutcome, MsgId)> {
        let mut outcomes = BTreeMap::new();
        for told in self.of(false) {
            if let Some(Detail::Result(result)) = &told.open.detail {
                outcomes.extend(result.complaints.iter().map(|(n, outcome)| (*n, (*outcome, told.open.id))));
            }
        }
        outcomes
    }

    /// How many of the requester's statements a statement of the target had seen.
    fn had_seen(self, told: &Told) -> usize {
        told.open.seen_peer.and_then(|id| self.asked.iter().position(|t| t.open.id == id)).map_or(0, |at| at + 1)
    }

    /// Where items were opened again: place in the requester's chain, and which; none for all.
    fn reopened(self) -> Vec<(usize, &'a [u64])> {
        let place = |(at, t): (usize, &'a Told)| match &t.open.detail {
            Some(Detail::Items(items)) if t.open.kind == Kind::Reopen && t.refused.is_none() => Some((at, &items[..])),
            _ => None,
        };
        self.asked.iter().enumerate().filter_map(place).collect()
    }

    /// The latest decision on each item, those left out that were opened again since.
    pub fn decisions(self) -> BTreeMap<u64, Decision> {
        let reopened = self.reopened();
        let mut all = BTreeMap::new();
        for told in self.said(false, Kind::Decide) {
            let seen = self.had_seen(told);
            for d in told.open.decisions.iter().filter(|d| stands(&reopened, d.item, seen)) {
                all.insert(d.item, d.decision);
            }
        }
        all
    }

    /// What has become of each item.
    pub fn fates(self) -> BTreeMap<u64, Fate> {
        let reopened = self.reopened();
        let mut fates: BTreeMap<u64, Fate> = (0..self.items()).map(|item| (item, Fate::Open)).collect();
        for told in self.of(false) {
            let seen = self.had_seen(told);
            let mut set = |item: u64, fate: Fate| {
                if stands(&reopened, item, seen) {
                    fates.insert(item, fate);
                }
            };
            match (&told.open.kind, &told.open.detail) {
                (Kind::Decide, _) => {
                    for d in &told.open.decisions {
                        set(d.item, fate_of(d.decision));
                    }
                }
                (Kind::ResultFinal, Some(Detail::Items(items))) => items.iter().for_each(|i| set(*i, Fate::Answered)),
                (Kind::ResultFinal, Some(Detail::Result(r))) => r.items.iter().for_each(|i| set(*i, Fate::Answered)),
                (Kind::Transferred, Some(Detail::Transferred(t))) => {
                    let proposal = self.proposal(&t.proposal);
                    proposal.iter().flat_map(|p| &p.items).for_each(|i| set(*i, Fate::Transferred));
                }
                _ => {}
            }
        }
        fates
    }

    /// Where the case is: recall > withdraw > close > what was decided.
    pub fn stage(self) -> Stage {
        if self.recalled() {
            return Stage::Recalled;
        }
        if self.said(true, Kind::Withdraw).next().is_some() {
            return Stage::Withdrawn;
        }
        let last = self.of(true).rev().find(|t| matches!(t.open.kind, Kind::Close | Kind::Reopen));
        if last.is_some_and(|t| t.open.kind == Kind::Close) {
            return Stage::Closed;
        }
        let fates = self.fates();
        let any = |fate: Fate| fates.values().any(|f| *f == fate);
        let all = |fate: Fate| !fates.is_empty() && fates.values().all(|f| *f == fate);
        if !fates.is_empty() && !any(Fate::Open) {
            return match () {
                () if all(Fate::Transferred) => Stage::Transferred,
                () if any(Fate::Answered) && !any(Fate::Accepted) => Stage::Answered,
                () => Stage::Decided,
            };
        }
        if self.waits_for_answer() {
            Stage::InfoNeeded
        } else if fates.values().any(|f| *f != Fate::Open) {
            Stage::PartlyDecided
        } else if self.said(false, Kind::Acknowledge).next().is_some() {
            Stage::Acknowledged
        } else {
            Stage::Submitted
        }
    }

    /// Whether a recall stands. One that came with a suspension ends when the requester opens the case again.
    fn recalled(self) -> bool {
        let suspended = |t: &Told| t.open.detail == Some(Detail::Recall(RecallReason::Suspended));
        let last = self.of(true).rev().find(|t| matches!(t.open.kind, Kind::Recall | Kind::Reopen));
        last.is_some_and(|t| t.open.kind == Kind::Recall) || self.said(true, Kind::Recall).any(|t| !suspended(t))
    }

    /// Whether the newest recall stands and is not answered.
    pub fn recall_unanswered(self) -> bool {
        let newest = self.said(true, Kind::Recall).next_back().filter(|_| self.recalled());
        let answers =
            |id: MsgId| self.said(false, Kind::RecallAnswer).any(|t| t.open.detail == Some(Detail::Names(id)));
        newest.is_some_and(|recall| !answers(recall.open.id))
    }

    /// Whether a recall stands that was for a suspension alone.
    pub(super) fn recalled_for_suspension(self) -> bool {
        let recalls = self.said(true, Kind::Recall);
        let mut reasons = recalls.map(|t| t.open.detail == Some(Detail::Recall(RecallReason::Suspended)));
        self.recalled() && reasons.all(|suspended| suspended)
    }

    /// Whether the newest question has no supplement that was written after it was seen.
    pub(crate) fn waits_for_answer(self) -> bool {
        self.said(false, Kind::NeedInfo).next_back().is_some_and(|question| self.answer_to(question).is_none())
    }

    /// The first supplement that was written after a question was seen.
    pub(crate) fn answer_to(self, question: &Told) -> Option<&'a Told> {
        let number = |id: Option<MsgId>| self.answered.iter().find(|t| Some(t.open.id) == id).map(|t| t.open.msg_no);
        let seen = |t: &&Told| number(t.open.seen_peer).is_some_and(|n| n >= question.open.msg_no);
        self.said(true, Kind::Supplement).find(seen)
    }

    /// A proposal to pass items on.
    pub fn proposal(self, id: &MsgId) -> Option<&'a OpenProposal> {
        let told = self.said(false, Kind::TransferProposed).find(|t| t.open.id == *id)?;
        if let Some(Detail::Proposal(proposal)) = &told.open.detail { Some(proposal) } else { None }
    }

    /// What the requester answered to a proposal, and the statement that says so.
    pub fn transfer_answer(self, proposal: &MsgId) -> Option<(&'a MsgId, &'a OpenAnswer)> {
        self.said(true, Kind::TransferConsent).find_map(|t| match &t.open.detail {
            Some(Detail::Answer(answer)) if answer.proposal == *proposal => Some((&t.open.id, answer)),
            _ => None,
        })
    }

    /// Whether a proposal was carried out.
    pub fn is_transferred(self, proposal: &MsgId) -> bool {
        let of = |t: &Told| matches!(&t.open.detail, Some(Detail::Transferred(t)) if t.proposal == *proposal);
        self.said(false, Kind::Transferred).any(of)
    }

    /// Whether the target assures the confidentiality that was asked for.
    pub fn confidentiality_assured(self) -> bool {
        self.said(false, Kind::Acknowledge).any(|t| {
            matches!(&t.open.detail, Some(Detail::Acknowledge(a))
                if matches!(a.assurance, Assurance::Assured | Assurance::AssuredSubjectTo))
        })
    }

    /// Whether any item was accepted, whatever came of it since.
    pub fn accepted_once(self) -> bool {
        let accepted = |t: &Told| t.open.decisions.iter().any(|d| fate_of(d.decision) == Fate::Accepted);
        self.said(false, Kind::Decide).any(accepted)
    }

    /// Evidence of one side whose keys it has handed over. A grant that an earlier program wrote is over all that was
    /// named before it.
    pub fn granted(self, requester: bool) -> BTreeSet<Digest> {
        let (mut named, mut granted) = (BTreeSet::new(), BTreeSet::new());
        for told in self.of(requester) {
            named.extend(told.open.blobs.iter().map(|b| b.b3_cipher));
            match (&told.open.kind, &told.open.detail) {
                (Kind::BlobGrant, Some(Detail::Blobs(blobs))) => granted.extend(blobs),
                (Kind::BlobGrant, _) => granted.extend(&named),
                _ => {}
            }
        }
        granted
    }

    /// Evidence of one side whose keys are to be handed over now: all that was named, but what is held back only once
    /// the target has accepted an item, and assures the confidentiality that was asked for.
    pub fn grants_due(self, requester: bool) -> Vec<Digest> {
        let stage = self.stage();
        if matches!(stage, Stage::Recalled | Stage::Withdrawn) {
            return Vec::new();
        }
        let form = self.form();
        // a case that has ended releases nothing by itself any more
        let released = !stage.is_end()
            && self.accepted_once()
            && (form.confidential != Some(true) || self.confidentiality_assured());
        let held = form.held_back.filter(|_| requester && !released).unwrap_or_default();
        let granted = self.granted(requester);
        let named = self.of(requester).flat_map(|t| t.open.blobs.iter().map(|b| b.b3_cipher));
        let due: BTreeSet<Digest> = named.filter(|b| !granted.contains(b) && !held.contains(b)).collect();
        due.into_iter().collect()
    }

    /// Evidence that one side asked the other for.
    pub fn requested(self, by_requester: bool) -> BTreeSet<Digest> {
        let asked = self.said(by_requester, Kind::BlobRequest).filter_map(|t| match &t.open.detail {
            Some(Detail::Blobs(blobs)) => Some(blobs),
            _ => None,
        });
        asked.flatten().copied().collect()
    }

    /// What one side has released of its own content, in the order in which it said so; what it took back is left out.
    pub fn consents(self, requester: bool) -> Vec<Consent> {
        let mut all: Vec<Consent> = Vec::new();
        for told in self.of(requester) {
            match &told.open.detail {
                Some(Detail::Consent(c)) if c.granted => all.push(Consent {
                    id: told.open.id,
                    request: c.request,
                    at: told.open.clock,
                    onward: c.onward.clone(),
                    domestic: c.domestic,
                    dissemination: c.dissemination,
                    judicial_use: c.judicial_use,
                    until: c.until,
                    conditional: c.conditional,
                }),
                // a no ends what stood under the same heading
                Some(Detail::Consent(c)) => all.retain(|given| given.request != c.request),
                Some(Detail::Answer(answer)) if answer.granted => {
                    if let Some(proposal) = self.proposal(&answer.proposal) {
                        all.push(Consent {
                            id: told.open.id,
                            request: Some(answer.proposal),
                            at: told.open.clock,
                            onward: vec![proposal.to],
                            domestic: false,
                            dissemination: false,
                            judicial_use: false,
                            until: None,
                            conditional: answer.conditional,
                        });
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// The joint cases of this thread. Where both sides planned the same one without having seen it of each other, the
    /// requester leads, and what the target planned decides nothing.
    pub fn joints(self) -> BTreeMap<Digest, Joint> {
        let mut joints: BTreeMap<Digest, Joint> = BTreeMap::new();
        for requester in [true, false] {
            for told in self.said(requester, Kind::JointPlan) {
                let Some(Detail::JointPlan(plan)) = &told.open.detail else { continue };
                let before = joints.get(&plan.joint);
                if before.is_some_and(|j| j.requester_leads != requester) {
                    continue;
                }
                let beyond = plan.tasks.iter().map(|n| n.saturating_add(1)).max().unwrap_or(1);
                let joint = Joint {
                    requester_leads: requester,
                    plan: told.open.id,
                    version: plan.version,
                    tasks: plan.tasks.iter().map(|n| (*n, None)).collect(),
                    next_task: before.map_or(1, |j| j.next_task).max(beyond),
                };
                joints.insert(plan.joint, joint);
            }
        }
        for requester in [true, false] {
            for told in self.said(requester, Kind::JointTask) {
                let Some(Detail::JointTask(report)) = &told.open.detail else { continue };
                let joint = joints.get_mut(&report.joint).filter(|j| j.requester_leads != requester);
                if let Some(state) = joint.and_then(|j| j.tasks.get_mut(&report.n)) {
                    *state = Some((report.state, told.open.id));
                }
            }
        }
        joints
    }

    /// The newest statement of the other side that a person of this side has read.
    pub fn read_upto(self, requester: bool) -> Option<MsgId> {
        self.said(requester, Kind::Seen).next_back().and_then(|t| match &t.open.detail {
            Some(Detail::Names(id)) => Some(*id),
            _ => None,
        })
    }
}

/// Whether what was said of an item by one who had seen so much still stands: nothing that it had not seen opened it again.
fn stands(reopened: &[(usize, &[u64])], item: u64, seen: usize) -> bool {
    !reopened.iter().any(|(at, items)| *at >= seen && items.contains(&item))
}

const fn fate_of(decision: Decision) -> Fate {
    match decision {
        Decision::Accept | Decision::AcceptInPart | Decision::AcceptWithConditions => Fate::Accepted,
        Decision::Refuse => Fate::Refused,
        Decision::Defer => Fate::Open,
    }
}

impl Case {
    /// Everything said.
    pub fn world(&self) -> World<'_> {
        World { asked: &self.asked, answered: &self.answered }
    }

    /// What the originator of content has released beyond its markings: for the release check. A consent that has run
    /// out is still listed with its date; whether conditions were met people judge.
    pub fn consents(&self, originator: &Pid) -> Vec<Consent> {
        self.world().consents(*originator == self.requester)
    }
}
