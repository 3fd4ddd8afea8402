//! What may be said next, judged by what its sender had seen: both sides judge alike, whatever crossed on the way.

use super::{Case, Detail, Fate, Open, Stage, World};
use lapwing_record::charter::DAY_MS;
use lapwing_record::id::{Digest, MsgId};
use lapwing_record::statement::{Kind, Refusal};

/// A refusal and its words for people.
type Not = (Refusal, String);

fn not<T>(refusal: Refusal, why: impl Into<String>) -> Result<T, Not> {
    Err((refusal, why.into()))
}

impl Case {
    /// Whether `open` may follow.
    pub fn allows(&self, open: &Open) -> Result<(), (Refusal, String)> {
        let by_requester = open.from == self.requester;
        if !open.kind.signer().fits(by_requester) || open.to != self.peer(&open.from) {
            return not(Refusal::NotYourTurn, format!("this side of the case does not say `{}`", open.kind));
        }
        let (own, other) = if by_requester { (&self.asked, &self.answered) } else { (&self.answered, &self.asked) };
        let world = self.place(open)?;
        // how many assistance items there must be depends on the form's kind: its check says so
        if open.kind == Kind::Submit && open.msg_no != 0 {
            return not(Refusal::WrongState, "a referral is submitted once");
        }
        if open.kind != Kind::Submit && self.asked.is_empty() {
            return not(Refusal::Gap, "the referral itself is missing here");
        }
        let seen = if by_requester { world.answered.len() } else { world.asked.len() };
        if !by_requester && seen == 0 {
            return not(Refusal::WrongReference, "an answer names what it answers");
        }
        let before = own.last().and_then(|t| t.open.seen_peer);
        if before.is_some_and(|id| !other[..seen].iter().any(|t| t.open.id == id)) {
            return not(Refusal::WrongReference, "it has seen less than what its sender said before");
        }
        Said { open, by_requester, world, stage: world.stage() }.allowed()
    }

    /// Whether a statement continues its sender's chain and names one of the other side's that is here; then all that its
    /// sender had.
    pub fn place(&self, open: &Open) -> Result<World<'_>, (Refusal, String)> {
        let by_requester = open.from == self.requester;
        let (own, other) = if by_requester { (&self.asked, &self.answered) } else { (&self.answered, &self.asked) };
        if open.msg_no != own.len() as u64 || open.prev_own != own.last().map(|t| t.open.id) {
            return not(Refusal::Gap, format!("its sender's message {} is next here", own.len()));
        }
        let seen = match open.seen_peer {
            None => 0,
            Some(id) => match other.iter().position(|t| t.open.id == id) {
                Some(at) => at + 1,
                None => return not(Refusal::Gap, "it names a message of ours that is not here"),
            },
        };
        let (own, other) = (&own[..], &other[..seen]);
        Ok(if by_requester { World { asked: own, answered: other } } else { World { asked: other, answered: own } })
    }
}

/// A statement in its sender's world.
struct Said<'a> {
    open: &'a Open,
    by_requester: bool,
    world: World<'a>,
    stage: Stage,
}

impl Said<'_> {
    fn allowed(&self) -> Result<(), Not> {
        let world = self.world;
        match self.open.kind {
            Kind::Submit => Ok(()),
            Kind::Acknowledge => {
                self.lives()?;
                self.once(world.said(false, Kind::Acknowledge).next().is_none(), "it is acknowledged already")
            }
            Kind::NeedInfo | Kind::Progress | Kind::Extend | Kind::DelayReasons => self.lives(),
            Kind::Supplement => self.supplement(),
            Kind::Decide => self.decide(),
            Kind::Close => self.lives(),
            Kind::Withdraw => self
                .once(!matches!(self.stage, Stage::Recalled | Stage::Withdrawn), "the referral was taken back already"),
            Kind::Recall => self.once(self.stage != Stage::Recalled, "the referral is recalled already"),
            Kind::RecallAnswer => self.recall_answer(),
            Kind::BlobGrant => self.grant(),
            Kind::BlobRequest => {
                self.not_recalled()?;
                self.of_side(!self.by_requester, "the other side named no such item of evidence")
            }
            Kind::ResultInterim | Kind::ResultFinal => self.result(),
            Kind::TransferProposed => self.propose_transfer(),
            Kind::TransferConsent => self.answer_transfer(),
            Kind::Transferred => self.transferred(),
            Kind::Reminder => self.reminder(),
            Kind::Feedback => {
                self.not_recalled()?;
                let results = |kind| world.said(false, kind).next().is_some();
                let any = results(Kind::ResultInterim) || results(Kind::ResultFinal);
                self.once(any, "there is no result to give feedback on")
            }
            Kind::Reopen => self.reopen(),
            Kind::Dispute => self.dispute(),
            Kind::JointPlan => self.joint_plan(),
            Kind::JointTask => self.joint_task(),
            Kind::Assess => self.not_recalled(),
            Kind::CompelledDisclosureNotice | Kind::ConsentRequest => Ok(()),
            Kind::Seen => self.names_other(|_| true, "it names no statement of the other side that its sender had"),
            Kind::Consent => match &self.open.detail {
                Some(Detail::Consent(c)) if c.request.is_some() => {
                    let request = |kind| kind == Kind::ConsentRequest;
                    self.names_other(request, "it answers no request of the other side that its sender had")
                }
                _ => Ok(()),
            },
        }
    }

    /// The case has not ended in its sender's eyes.
    fn lives(&self) -> Result<(), Not> {
        let ended = matches!(self.stage, Stage::Recalled | Stage::Withdrawn | Stage::Closed);
        self.once(!ended, format!("the case has ended: {}", self.stage.as_str()))
    }

    fn not_recalled(&self) -> Result<(), Not> {
        self.once(self.stage != Stage::Recalled, "the referral is recalled")
    }

    fn once(&self, holds: bool, why: impl Into<String>) -> Result<(), Not> {
        if holds { Ok(()) } else { not(Refusal::WrongState, why) }
    }

    /// Assistance items that a statement names.
    fn items(&self) -> &[u64] {
        match &self.open.detail {
            Some(Detail::Items(items)) => items,
            Some(Detail::Result(r)) => &r.items,
            Some(Detail::Proposal(p)) => &p.items,
            _ => &[],
        }
    }

    fn exist(&self, mut items: impl Iterator<Item = u64>) -> Result<(), Not> {
        let count = self.world.items();
        match items.find(|item| *item >= count) {
            Some(item) => not(Refusal::WrongReference, format!("the referral has no assistance item {item}")),
            None => Ok(()),
        }
    }

    /// The statement of the other side that this one names is there.
    fn names_other(&self, of: impl Fn(Kind) -> bool, why: &str) -> Result<(), Not> {
        let named: Option<MsgId> = match &self.open.detail {
            Some(Detail::Names(id)) => Some(*id),
            Some(Detail::Consent(c)) => c.request,
            _ => None,
        };
        let there = self.world.of(!self.by_requester).any(|t| Some(t.open.id) == named && of(t.open.kind));
        if there { Ok(()) } else { not(Refusal::WrongReference, why) }
    }

    fn supplement(&self) -> Result<(), Not> {
        self.lives()?;
        match &self.open.detail {
            Some(Detail::Form(form)) if form.items.is_some_and(|n| n < self.world.items()) => not(
                Refusal::WrongReference,
                "a supplement takes no assistance item away: each is decided by its number",
            ),
            Some(Detail::Form(form)) if form.complaints.is_some_and(|n| n < self.world.complaints()) => not(
                Refusal::WrongReference,
                "a supplement takes no complaint away: each is answered by its place in the batch",
            ),
            _ => Ok(()),
        }
    }

    fn decide(&self) -> Result<(), Not> {
        self.lives()?;
        let decisions = &self.open.decisions;
        self.exist(decisions.iter().map(|d| d.item))?;
        let fates = self.world.fates();
        if let Some(gone) = decisions.iter().find(|d| fates.get(&d.item) == Some(&Fate::Transferred)) {
            return not(Refusal::WrongState, format!("another agency acts on item {} now", gone.item));
        }
        let asked = self.world.said(false, Kind::NeedInfo).next().is_some();
        if !asked && decisions.iter().any(|d| d.for_want_of_information) {
            return not(Refusal::WrongGround, "`insufficient_information` comes only after `need_info`");
        }
        Ok(())
    }

    fn recall_answer(&self) -> Result<(), Not> {
        self.names_other(|kind| kind == Kind::Recall, "it answers no recall that its sender had")?;
        let same = |t: &super::Told| t.open.detail == self.open.detail;
        self.once(!self.world.said(false, Kind::RecallAnswer).any(same), "that recall is answered already")
    }

    /// The blobs that a statement names are of one side.
    fn of_side(&self, requester: bool, why: &str) -> Result<(), Not> {
        let Some(Detail::Blobs(blobs)) = &self.open.detail else { return Ok(()) };
        let named = |blob: &Digest| self.world.of(requester).any(|t| t.open.blobs.iter().any(|b| b.b3_cipher == *blob));
        if blobs.iter().all(named) { Ok(()) } else { not(Refusal::WrongReference, why) }
    }

    fn grant(&self) -> Result<(), Not> {
        self.not_recalled()?;
        self.of_side(self.by_requester, "one hands over keys of evidence that one has named oneself")?;
        let form = self.world.form();
        let held = form.held_back.unwrap_or_default();
        let sealed = |blobs: &Vec<Digest>| blobs.iter().any(|b| held.contains(b));
        let asks = self.by_requester && form.confidential == Some(true);
        match &self.open.detail {
            Some(Detail::Blobs(blobs)) if asks && sealed(blobs) && !self.world.confidentiality_assured() => not(
                Refusal::NotAssured,
                "held-back evidence goes out once the target assures the confidentiality asked for",
            ),
            _ => Ok(()),
        }
    }

    fn result(&self) -> Result<(), Not> {
        self.lives()?;
        self.exist(self.items().iter().copied())?;
        if let Some(Detail::Result(result)) = &self.open.detail {
            let count = self.world.complaints();
            if let Some((n, _)) = result.complaints.iter().find(|(n, _)| *n >= count) {
                return not(Refusal::WrongReference, format!("the batch has no complaint {n}: it has {count}"));
            }
        }
        let fates = self.world.fates();
        match self.items().iter().find(|item| fates.get(item) != Some(&Fate::Accepted)) {
            Some(item) if fates.get(item) == Some(&Fate::Answered) => {
                not(Refusal::WrongState, format!("the last result on item {item} was given"))
            }
            Some(item) => not(Refusal::WrongState, format!("item {item} is not accepted")),
            None => Ok(()),
        }
    }

    fn propose_transfer(&self) -> Result<(), Not> {
        self.lives()?;
        self.exist(self.items().iter().copied())?;
        if matches!(&self.open.detail, Some(Detail::Proposal(p)) if p.to == self.open.from || p.to == self.open.to) {
            return not(Refusal::WrongReference, "a referral is passed on to a third agency");
        }
        let fates = self.world.fates();
        match self.items().iter().find(|i| matches!(fates.get(i), Some(Fate::Answered | Fate::Transferred))) {
            Some(item) => not(Refusal::WrongState, format!("item {item} is done with here")),
            None => Ok(()),
        }
    }

    fn answer_transfer(&self) -> Result<(), Not> {
        let Some(Detail::Answer(answer)) = &self.open.detail else { return Ok(()) };
        if self.world.proposal(&answer.proposal).is_none() {
            return not(Refusal::WrongReference, "it answers no proposal that its sender had");
        }
        self.lives()?;
        self.once(self.world.transfer_answer(&answer.proposal).is_none(), "that proposal is answered already")
    }

    /// What has happened is told whatever the case's stage is by now.
    fn transferred(&self) -> Result<(), Not> {
        let Some(Detail::Transferred(t)) = &self.open.detail else { return Ok(()) };
        match self.world.proposal(&t.proposal) {
            Some(proposal) if proposal.to == t.to => {}
            _ => return not(Refusal::WrongReference, "it carries out no proposal of its sender"),
        }
        self.once(!self.world.is_transferred(&t.proposal), "that proposal is carried out already")?;
        self.world.may_transfer(&t.proposal)
    }

    fn reminder(&self) -> Result<(), Not> {
        self.lives()?;
        let last = self.world.said(true, Kind::Reminder).next_back();
        match last.filter(|t| self.open.clock < t.open.clock.saturating_add(DAY_MS)) {
            Some(_) => not(Refusal::TooSoon, "a case is reminded of once in a day"),
            None => Ok(()),
        }
    }

    fn reopen(&self) -> Result<(), Not> {
        self.exist(self.items().iter().copied())?;
        let ended = self.stage == Stage::Closed || self.world.recalled_for_suspension();
        let settled = matches!(self.stage, Stage::Decided | Stage::Answered | Stage::Transferred);
        self.once(ended || settled, "only what was closed or decided is opened again")?;
        if !ended && self.items().is_empty() {
            return not(Refusal::WrongReference, "name the assistance items to be looked at again");
        }
        Ok(())
    }

    /// The lead plans, version by version; whoever planned a joint case first in a thread is its lead there.
    fn joint_plan(&self) -> Result<(), Not> {
        self.lives()?;
        let Some(Detail::JointPlan(plan)) = &self.open.detail else { return Ok(()) };
        let joints = self.world.joints();
        let joint = joints.get(&plan.joint);
        if joint.is_some_and(|j| j.requester_leads != self.by_requester) {
            return not(Refusal::NotYourTurn, "the other side leads this joint case: only the lead plans");
        }
        let next = joint.map_or(1, |j| j.version.saturating_add(1));
        self.once(plan.version == next, format!("version {next} of the plan is next here"))?;
        let again = |n: &&u64| joint.is_some_and(|j| !j.tasks.contains_key(n) && **n < j.next_task);
        match plan.tasks.iter().find(again) {
            Some(n) => not(
                Refusal::WrongReference,
                format!(
                    "number {n} was another task's or was passed over: a new task has a number of its own, beyond all before"
                ),
            ),
            None => Ok(()),
        }
    }

    /// The agency that a task is for reports on it.
    fn joint_task(&self) -> Result<(), Not> {
        self.lives()?;
        let Some(Detail::JointTask(task)) = &self.open.detail else { return Ok(()) };
        let joints = self.world.joints();
        let Some(joint) = joints.get(&task.joint) else {
            return not(Refusal::WrongReference, "no plan of this joint case was seen here");
        };
        if joint.requester_leads == self.by_requester {
            return not(Refusal::NotYourTurn, "the lead plans; the agency that a task is for reports on it");
        }
        match joint.tasks.contains_key(&task.n) {
            true => Ok(()),
            false => not(Refusal::WrongReference, format!("the plan gives this agency no task {}", task.n)),
        }
    }

    fn dispute(&self) -> Result<(), Not> {
        self.not_recalled()?;
        let Some(Detail::Dispute(d)) = &self.open.detail else { return Ok(()) };
        match d.item {
            Some(item) if !self.world.decisions().contains_key(&item) => {
                not(Refusal::WrongReference, format!("nothing is decided on item {item}"))
            }
            _ => Ok(()),
        }
    }
}

impl World<'_> {
    /// Whether what a proposal names may be passed on: where the markings ask for it, with the requester's consent.
    pub fn may_transfer(self, proposal: &MsgId) -> Result<(), (Refusal, String)> {
        let agreed = self.transfer_answer(proposal).is_some_and(|(_, answer)| answer.granted);
        let strict = self.asked.iter().any(|t| t.open.handling == lapwing_record::statement::Tlp::Red);
        if !agreed && (strict || self.form().transfer_needs_consent()) {
            return not(
                Refusal::ConsentNeeded,
                "the requester's markings ask for its consent before this is passed on",
            );
        }
        Ok(())
    }
}
