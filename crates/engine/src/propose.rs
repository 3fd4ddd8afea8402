//! Officers decide, nodes only clerk: proposals, approvals, and the entries that carry them (protocol §3).

use crate::engine::Engine;
use crate::fact::{Approved, Concluded, Fact, Proposal};
use crate::membership::{Act as Ruled, Standing};
use crate::step::{Answer, Ask, Effect, Event, Refused, Step};
use lapwing_record::cbor::encode;
use lapwing_record::entry::EntryType;
use lapwing_record::id::{Digest, EntryId};
use lapwing_record::identity::{Act, check_text};
use lapwing_record::membership::{Motion, ObjectionReason, Stance, Stances, Target, What};
use lapwing_record::sign::Detached;

/// Proposals that may wait at a time.
pub const MAX_PROPOSALS: usize = 100;

fn what(act: Act) -> What {
    match act {
        Act::Object => What::Object,
        Act::Withdraw => What::Withdraw,
        _ => What::Consent,
    }
}

impl Engine {
    pub(crate) fn propose(&mut self, ask: Ask, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        self.may_sign()?;
        self.may_vote()?;
        if self.state.proposals.size() >= MAX_PROPOSALS {
            return Err(Refused::Conflict("too many proposals wait; approve or drop some".into()));
        }
        let me = self.state.me;
        let author = self.state.federation.author(&me).expect("hosted");
        let epoch = author.id.epoch();
        let waiting = self.state.proposals.values().filter(|o| o.proposal.epoch == epoch).map(|o| o.proposal.n);
        let n = waiting.chain([author.last_number(epoch)]).max().unwrap_or(0) + 1;
        let proposal = match ask {
            Ask::Stance { act, target, reason, salt } => {
                self.check_stance(act, target, reason.as_deref())?;
                Proposal { at: now, epoch, n, act, target: Some(target), motion: None, reason, salt }
            }
            Ask::Motion { params, expires, statement } => {
                let base = self.state.federation.params();
                params.check().map_err(|e| Refused::Invalid(e.to_string()))?;
                if params.veto != base.veto {
                    return Err(Refused::Invalid("`veto` is fixed by the charter for good".into()));
                }
                if params == base {
                    return Err(Refused::Invalid("it would change nothing".into()));
                }
                if expires <= now {
                    return Err(Refused::Invalid("it would have expired already".into()));
                }
                check_text("statement", &statement, 1, 8000).map_err(|e| Refused::Invalid(e.to_string()))?;
                let motion = Motion { params, base: base.digest(), expires, statement, n, approvals: Vec::new() };
                Proposal {
                    at: now,
                    epoch,
                    n,
                    act: Act::Motion,
                    target: None,
                    motion: Some(motion),
                    reason: None,
                    salt: [0; 16],
                }
            }
        };
        let id = proposal.approval(me).digest();
        self.commit(Fact::Proposed(proposal), step);
        step.effects.push(Effect::Event(Event::Proposal(id)));
        Ok(Answer::Proposal(id))
    }

    fn may_vote(&self) -> Result<(), Refused> {
        let standing = self.state.my_standing();
        let agency = self.state.my_id().inception.class == lapwing_record::identity::Class::Agency;
        if !agency {
            return Err(Refused::Standing(
                "only agencies object, consent and amend (the Plan: \"as long as no Agency … objects\")".into(),
            ));
        }
        if !matches!(standing, Some(Standing::Participant | Standing::Suspended)) {
            return Err(Refused::Standing("this agency does not take part in full (yet)".into()));
        }
        if self.state.confirmed() { Ok(()) } else { Err(Refused::Unconfirmed) }
    }

    fn check_stance(&self, act: Act, target: Target, reason: Option<&str>) -> Result<(), Refused> {
        if !matches!(act, Act::Consent | Act::Object | Act::Withdraw) {
            return Err(Refused::Invalid(format!("`{act}` is not a stance")));
        }
        if reason.is_some() && act != Act::Object {
            return Err(Refused::Invalid("only an objection has a reason".into()));
        }
        check_text("reason", reason.unwrap_or(""), 0, 8000).map_err(|e| Refused::Invalid(e.to_string()))?;
        if target == Target::Participant(self.state.me) {
            return Err(Refused::Invalid("an agency has no say about itself".into()));
        }
        if let Target::Participant(pid) = target
            && self.state.federation.founders().contains(&pid)
        {
            return Err(Refused::Invalid("founders are not \"additional\": nobody has a say about them".into()));
        }
        let ruling = self.state.federation.roster().ruling(self.state.me, target).map(|r| r.act);
        match (act, ruling) {
            (Act::Object, Some(Ruled::Object)) => Err(Refused::Conflict("this agency objects already".into())),
            (Act::Consent, Some(Ruled::Consent)) => Err(Refused::Conflict("this agency has consented already".into())),
            (Act::Withdraw, r) if r != Some(Ruled::Object) => {
                Err(Refused::Conflict("there is no objection of this agency to withdraw".into()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn approve(&mut self, id: Digest, by: Detached, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        self.may_sign()?;
        // whoever may not vote now does not by what was proposed when it might
        self.may_vote()?;
        let open = self.state.proposals.get(&id).cloned();
        let open = open.ok_or_else(|| Refused::Unknown("no such proposal waits".into()))?;
        let network = *self.state.federation.network();
        let keys = self.state.my_id().current().clone();
        let act = open.proposal.approval(self.state.me);
        if open.proposal.epoch != self.state.my_id().epoch() {
            self.conclude(id, None, now, step);
            return Err(Refused::Conflict("the officers have changed since it was proposed; propose it anew".into()));
        }
        let mut approvals = open.approvals.clone();
        if approvals.contains(&by) {
            return Ok(Answer::Approved(None));
        }
        approvals.push(by);
        let have = act.approved_by(&approvals, &keys, &network).map_err(|e| Refused::Approval(e.to_string()))?;
        self.commit(Fact::Approved(Approved { at: now, proposal: id, by }), step);
        step.effects.push(Effect::Event(Event::Proposal(id)));
        if have.len() < keys.needed(open.proposal.act) {
            return Ok(Answer::Approved(None));
        }
        approvals.sort();
        let entry = self.enact(&open.proposal, approvals, now, step);
        self.conclude(id, Some(entry), now, step);
        Ok(Answer::Approved(Some(entry)))
    }

    /// Takes back a proposal that not enough officers have approved. Its counter is free again.
    pub(crate) fn drop_proposal(&mut self, id: Digest, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        if self.state.proposals.get(&id).is_none() {
            return Err(Refused::Unknown("no such proposal waits".into()));
        }
        self.conclude(id, None, now, step);
        step.effects.push(Effect::Event(Event::Proposal(id)));
        Ok(Answer::Done)
    }

    fn conclude(&mut self, proposal: Digest, entry: Option<EntryId>, now: u64, step: &mut Step) {
        self.commit(Fact::Concluded(Concluded { at: now, proposal, entry }), step);
    }

    /// Writes what enough officers approved.
    fn enact(&mut self, p: &Proposal, approvals: Vec<Detached>, now: u64, step: &mut Step) -> EntryId {
        if let Some(motion) = &p.motion {
            let body = encode(&Motion { approvals, ..motion.clone() });
            return self.reserve(EntryType::Motion, body, Vec::new(), now, step);
        }
        let target = p.target.expect("a proposal is a motion or has a target");
        let stance = Stance { what: what(p.act), target, n: Some(p.n), approvals: Some(approvals) };
        let body = encode(&Stances { items: vec![stance] });
        let entry = self.reserve(EntryType::Stances, body, Vec::new(), now, step);
        if let Some(text) = &p.reason {
            // the reason goes where agencies only can read it; log 1 never refers to log 2
            let reason = ObjectionReason { target, salt: p.salt, text: text.clone() };
            let _ = self.reserve(EntryType::ObjectionReason, encode(&reason), vec![entry], now, step);
        }
        entry
    }
}
