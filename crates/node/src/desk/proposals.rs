//! What officers are asked to approve, and their approvals. The node clerks; officers decide.

use super::names::{self, name_of};
use super::{Answer, Desk, body, hex, internal, json, not_found, path, status_json, whole};
use crate::office::now_ms;
use crate::vault::random;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{ApprovalIn, ApprovalOut, ProposalView, Propose};
use lapwing_engine::state::{Pending, State};
use lapwing_engine::step::{Answer as Done, Ask, Command};
use lapwing_record::cbor::encode;
use lapwing_record::id::{Digest, Pid};
use lapwing_record::identity::{Act, words};
use lapwing_record::membership::{Motion, Target};
use lapwing_record::sign::Detached;

impl Desk {
    pub(super) fn proposals(&self, _: &Call) -> Answer {
        let view = self.view();
        let rows = view.state.proposals.iter().map(|(id, p)| proposal(&view.state, id, p)).collect();
        whole(rows, &view)
    }

    pub(super) fn proposal(&self, call: &Call) -> Answer {
        let view = self.view();
        let id = names::by_prefix(view.state.proposals.keys().copied(), path(call, "id"), "proposal")?;
        let pending = view.state.proposals.get(&id).ok_or_else(|| not_found("no such proposal waits"))?;
        json(&proposal(&view.state, &id, pending))
    }

    pub(super) async fn propose(&self, call: Call) -> Answer {
        let wanted: Propose = body(&call)?;
        let ask = self.ask_of(wanted)?;
        let Done::Proposal(id) = self.office.command(Command::Propose(ask)).await? else {
            return Err(internal("proposing", "another answer than a proposal"));
        };
        let view = self.view();
        let pending = view.state.proposals.get(&id).ok_or_else(|| not_found("the proposal is done with already"))?;
        tracing::info!(proposal = %id.short(), act = %pending.proposal.act, "proposed");
        status_json(201, &proposal(&view.state, &id, pending))
    }

    fn ask_of(&self, wanted: Propose) -> Result<Ask, Problem> {
        let view = self.view();
        let stance = |act, target: &str, reason| -> Result<Ask, Problem> {
            let salt = random::<16>().map_err(|e| internal("proposing", e))?;
            Ok(Ask::Stance { act, target: names::target(&view.state, target)?, reason, salt })
        };
        match wanted {
            Propose::Consent { target } => stance(Act::Consent, &target, None),
            Propose::Object { target, reason } => stance(Act::Object, &target, reason),
            Propose::Withdraw { target } => stance(Act::Withdraw, &target, None),
            Propose::Amend { window_ms, grace_ms, harm_weights, expires_in_ms, statement } => {
                let mut params = view.state.federation.params();
                params.window_ms = window_ms.unwrap_or(params.window_ms);
                params.grace_ms = grace_ms.unwrap_or(params.grace_ms);
                params.harm_weights = harm_weights.unwrap_or(params.harm_weights);
                Ok(Ask::Motion { params, expires: now_ms().saturating_add(expires_in_ms), statement })
            }
        }
    }

    pub(super) async fn drop_proposal(&self, call: Call) -> Answer {
        let id = names::by_prefix(self.view().state.proposals.keys().copied(), path(&call, "id"), "proposal")?;
        self.office.command(Command::DropProposal(id)).await?;
        tracing::info!(proposal = %id.short(), by = super::name_of_caller(&call), "dropped");
        super::done()
    }

    pub(super) async fn approve(&self, call: Call) -> Answer {
        let by = signature(&body(&call)?)?;
        let view = self.view();
        let id = names::by_prefix(view.state.proposals.keys().copied(), path(&call, "id"), "proposal")?;
        let act = view.state.proposals.get(&id).map_or(Act::Consent, |p| p.proposal.act);
        let needed = view.state.my_id().current().needed(act);
        let Done::Approved(entry) = self.office.command(Command::Approve { proposal: id, by }).await? else {
            return Err(internal("approving", "another answer than an approval"));
        };
        let have = match entry {
            Some(_) => needed,
            None => self.view().state.proposals.get(&id).map_or(0, |p| p.approvals.len()),
        };
        tracing::info!(proposal = %id.short(), officer = %by.kid.short(), have, needed, "approved");
        json(&ApprovalOut { have, needed, entry: entry.map(|e| e.to_string()) })
    }
}

/// An officer's signature as it comes in.
pub(super) fn signature(given: &ApprovalIn) -> Result<Detached, Problem> {
    let bad = |what: &str| Problem::new(Code::Approval, format!("the approval's {what}"));
    let kid = given.kid.parse().map_err(|_| bad("`kid` is not the id of a key"))?;
    let bytes = hex::decode(&given.signature).and_then(|b| b.try_into().ok());
    Ok(Detached { kid, signature: bytes.ok_or_else(|| bad("`signature` is not 64 bytes in hex"))? })
}

fn proposal(state: &State, id: &Digest, pending: &Pending) -> ProposalView {
    let p = &pending.proposal;
    let keys = state.my_id().keys(p.epoch).unwrap_or_else(|| state.my_id().current());
    ProposalView {
        id: id.to_string(),
        act: p.act.to_string(),
        pid: state.me.to_string(),
        network_id: state.federation.network().to_string(),
        epoch: p.epoch,
        n: p.n,
        target: p.target.map(|t| match t {
            Target::Participant(pid) => pid.to_string(),
            Target::Motion(id) => format!("motion:{id}"),
        }),
        motion: p.motion.as_ref().map(|m| hex::encode(&encode(m))),
        bytes: hex::encode(&p.approval(state.me).bytes()),
        words: in_words(state, p),
        approved_by: pending.approvals.iter().map(|a| a.kid.to_string()).collect(),
        needed: keys.needed(p.act),
        officers: keys.officers.iter().map(|o| o.key.kid().to_string()).collect(),
    }
}

/// What an officer agrees to, named so that two people can compare it by telephone.
fn in_words(state: &State, p: &lapwing_engine::fact::Proposal) -> String {
    let me = described(state, &state.me);
    let what = match (p.act, p.target, &p.motion) {
        (_, _, Some(motion)) => amendment(state, motion),
        (Act::Consent, Some(t), _) => format!("consents to {}", whom(state, t)),
        (Act::Object, Some(t), _) => format!("objects to {}", whom(state, t)),
        (Act::Withdraw, Some(t), _) => format!("withdraws its objection to {}", whom(state, t)),
        (act, _, _) => act.to_string(),
    };
    let reason = if p.reason.is_some() { " Its reason goes to agencies only." } else { "" };
    format!("{me} {what}.{reason} This is act {} of epoch {} and counts once.", p.n, p.epoch)
}

fn whom(state: &State, target: Target) -> String {
    match target {
        Target::Participant(pid) => {
            format!("the participation of {}, whose twelve words are \"{}\"", described(state, &pid), words(&pid.0))
        }
        Target::Motion(id) => {
            let motion = state.federation.motions().find(|(m, _, _)| *m == id);
            let by = motion.map_or_else(String::new, |(_, by, _)| format!(" of {}", described(state, &by)));
            format!("the amendment{by}, whose twelve words are \"{}\"", words(&id.0))
        }
    }
}

fn amendment(state: &State, motion: &Motion) -> String {
    let changes = super::motions::changes(&state.federation.params(), &motion.params);
    format!("moves to amend the Params: {} (until {})", changes.join(", "), super::time::rfc3339(motion.expires))
}

fn described(state: &State, pid: &Pid) -> String {
    match name_of(state, pid) {
        Some(n) => format!("{} ({}, {}, {})", n.legal_name, n.short_name, n.country, n.class),
        None => pid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;

    #[test]
    fn what_officers_approve_names_the_target_with_its_words_and_its_exact_bytes() {
        let world = World::with(&["harbor"], &[("northbank", "NL")]);
        let target = Target::Participant(world.pid("northbank"));
        let p = lapwing_engine::fact::Proposal {
            at: 0,
            epoch: 0,
            n: 4,
            act: Act::Object,
            target: Some(target),
            motion: None,
            reason: Some("secret reason".into()),
            salt: [0; 16],
        };
        let id = p.approval(world.state().me).digest();
        let pending = Pending { proposal: std::sync::Arc::new(p), approvals: vec![] };
        let view = proposal(world.state(), &id, &pending);
        assert!(
            view.words.contains("northbank") && view.words.contains(&words(&world.pid("northbank").0)),
            "{}",
            view.words
        );
        assert!(!view.words.contains("secret reason"));
        let bytes = hex::decode(&view.bytes).unwrap();
        assert_eq!(
            Digest(lapwing_record::id::HashOf::Proposal.hash(&bytes)),
            id,
            "the id is the digest of what is signed"
        );
        assert_eq!((view.officers.len(), view.needed), (2, 1));
    }

    #[test]
    fn a_signature_that_is_none_is_told_apart() {
        let given = |kid: &str, signature: &str| ApprovalIn { kid: kid.into(), signature: signature.into() };
        let kid = lapwing_record::id::Kid([1; 32]);
        assert_eq!(signature(&given(&kid.to_string(), &"ab".repeat(64))).unwrap().kid, kid);
        for bad in [given("x", &"ab".repeat(64)), given(&kid.to_string(), "ab"), given(&kid.to_string(), "")] {
            assert_eq!(signature(&bad).unwrap_err().code, Code::Approval);
        }
    }
}
