//! `lapwing vote`: what officers say about who takes part and about motions, in one go.

use super::Ctx;
use super::approve::{self, OfficerKeys, Rebuilt};
use super::ask;
use super::fail::{Done, wrong};
use super::node::Node;
use super::out::Out;
use super::wait;
use super::when;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{ApprovalOut, IdentityView, MemberDetail, ObjectionState, ProposalView, Propose};
use lapwing_node::folder;
use lapwing_node::founding::Identity;
use lapwing_record::charter::{CharterFile, MAX_CHARTER_FILE};
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::sign::SecretKey;
use serde_json::{Value, json};
use std::time::Duration;

/// Consent, object, withdraw an objection: with an officer's key.
///
/// NAME is a participant or applicant, or motion:ID. The exact statement is rebuilt here, shown in words, signed with the
/// officer's key and handed to the node; a node that asks to sign something else is refused.
#[derive(Debug, Subcommand)]
pub enum Vote {
    /// Consents to a participant or motion; with everyone's consent it is admitted at once.
    #[command(after_help = "Examples:\n  lapwing vote consent hangang --officer-key officer-1.key")]
    Consent(Stance),
    /// Objects: nobody takes part against the objection of an agency. No reason is owed; a given one only agencies read.
    #[command(after_help = "Examples:
  lapwing vote object nimbus --officer-key officer-1.key --reason 'sends what it should fight'
  lapwing vote object motion:4k3… --officer-key officer-1.key --wait 60s")]
    Object {
        #[command(flatten)]
        stance: Stance,
        /// Why; for agencies only.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// How long to wait until enough agencies have signed for holding it.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds)]
        wait: Duration,
    },
    /// Withdraws an objection.
    #[command(after_help = "Examples:\n  lapwing vote withdraw nimbus --officer-key officer-1.key")]
    Withdraw(Stance),
}

/// Whom it is about, and who says it.
#[derive(Debug, Args)]
pub struct Stance {
    /// NAME of a participant or applicant, or motion:ID.
    #[arg(value_name = "NAME")]
    target: String,
    #[command(flatten)]
    keys: OfficerKeys,
}

/// A wait: seconds, or a duration.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => when::duration(text),
    }
}

/// Who the data folder says we are, if it is on this machine.
pub fn own(node: &Node) -> Option<(Pid, Option<NetworkId>)> {
    let identity = Identity::read(&node.folder.identity()).ok()?;
    let bytes = folder::read(&node.folder.charter(), MAX_CHARTER_FILE as u64).ok();
    let charter = bytes.and_then(|b| CharterFile::open(&b).ok());
    Some((identity.pid(), charter.map(|c| c.charter.network_id())))
}

/// A participant's names, as the node knows it. Only the id, shown beside, is what gets signed.
pub fn name_of(node: &Node, pid: &str) -> Option<String> {
    let member: MemberDetail = node.read(Op::Member, &[pid], &Vec::new()).ok()?;
    let name = member.member.name;
    Some(format!("{} ({}, {}, {})", name.short_name, name.legal_name, name.class, name.country))
}

/// What became of an approval, and of the objection, where it is one.
pub struct Outcome {
    /// The proposal.
    pub proposal: ProposalView,
    /// What the node answered.
    pub approved: ApprovalOut,
}

impl Outcome {
    /// For people.
    pub fn tell(&self, out: Out) {
        match &self.approved.entry {
            Some(entry) => out.line(format!("said: entry {entry}")),
            None => out.line(format!(
                "{} of {} approvals; another officer runs: lapwing proposal approve {} --officer-key FILE",
                self.approved.have, self.approved.needed, self.proposal.id
            )),
        }
    }
}

/// Opens officers' keys: before anything is proposed, so that a wrong key or passphrase leaves nothing behind.
pub fn officers(node: &Node, keys: &OfficerKeys) -> Result<Vec<SecretKey>, Problem> {
    let view: IdentityView = node.read(Op::Identity, &[], &Vec::new())?;
    let known: Vec<String> = view.officers.into_iter().map(|o| o.kid).collect();
    keys.officer_key.iter().map(|path| approve::officer(&keys.unlock, path, &known)).collect()
}

/// Rebuilds, shows, asks, signs with each key, and hands the approvals in.
pub fn approve(
    ctx: &Ctx,
    node: &Node,
    proposal: ProposalView,
    officers: &[SecretKey],
    yes: bool,
) -> Result<Outcome, Problem> {
    let rebuilt: Rebuilt = approve::rebuild(&proposal)?;
    rebuilt.is_ours(own(node))?;
    let statement = rebuilt.words(|pid| name_of(node, pid));
    ctx.out.note(format!("This is what you sign:\n\n{statement}\n"));
    ask::go_on(yes, "Sign it?").map_err(|p| match p.code {
        Code::Conflict => {
            p.hint("The proposal waits at the node; any officer may approve it: `lapwing proposal list`.")
        }
        _ => p,
    })?;
    let mut approved = None;
    for officer in officers {
        let answer: ApprovalOut = node.call(Op::Approve, &[&proposal.id], &rebuilt.sign(officer))?;
        let done = answer.entry.is_some();
        approved = Some(answer);
        if done {
            break;
        }
    }
    let approved = approved.ok_or_else(|| wrong("no officer's key was given"))?;
    Ok(Outcome { proposal, approved })
}

impl Vote {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let (propose, act, stance, wait) = match self {
            Vote::Consent(s) => (Propose::Consent { target: s.target.clone() }, "consent", s, None),
            Vote::Withdraw(s) => (Propose::Withdraw { target: s.target.clone() }, "withdraw", s, None),
            Vote::Object { stance: s, reason, wait } => {
                (Propose::Object { target: s.target.clone(), reason }, "object", s, Some(wait))
            }
        };
        let officers = officers(&node, &stance.keys)?;
        let proposal: ProposalView = node.call(Op::Propose, &[], &propose)?;
        if proposal.act != act {
            return Err(wrong(format!("the node proposed `{}` where `{act}` was asked for", proposal.act)));
        }
        check_target(&proposal, &stance.target)?;
        let outcome = approve(ctx, &node, proposal, &officers, stance.keys.yes)?;
        let mut value = json!({ "proposal": outcome.proposal.id, "approval": outcome.approved });
        if !ctx.out.json {
            outcome.tell(ctx.out);
        }
        if let (Some(limit), Some(entry)) = (wait, &outcome.approved.entry) {
            value["objection"] = secured(ctx, &node, entry, limit)?;
        }
        if ctx.out.json {
            ctx.out.value(&value);
        }
        Ok(())
    }
}

/// An id on the command line is what it is: the node may not make another of it. (A name is the node's to resolve; its
/// id is shown before anything is signed.)
fn check_target(proposal: &ProposalView, asked: &str) -> Done {
    let given = asked.strip_prefix("motion:").unwrap_or(asked);
    let resolved = proposal.target.as_deref().unwrap_or_default();
    let resolved = resolved.strip_prefix("motion:").unwrap_or(resolved);
    match given.parse::<Pid>() {
        Ok(_) if given != resolved => Err(wrong(format!("the node took `{asked}` for `{resolved}`"))),
        _ => Ok(()),
    }
}

/// Waits until enough agencies have signed for holding an objection.
fn secured(ctx: &Ctx, node: &Node, entry: &str, limit: Duration) -> Result<Value, Problem> {
    wait::until_interrupted("stopped waiting; the objection stands and goes on spreading");
    // right after the answer the entry is durable, but perhaps not signed yet: then nobody can be asked for it
    let read = || match node.read::<ObjectionState>(Op::Objection, &[entry], &Vec::new()) {
        Err(p) if p.code == Code::NotFound => Ok(None),
        other => other.map(Some),
    };
    let mut last = None;
    wait::poll(limit, || {
        last = read()?;
        Ok(last.as_ref().is_some_and(|state| state.veto_secured).then_some(()))
    })?;
    let Some(state) = last else {
        ctx.out.note("not secured yet: the entry waits to be signed");
        return Ok(Value::Null);
    };
    if !ctx.out.json {
        let have =
            format!("{} of {} agencies hold it, {} are needed", state.held_by.len(), state.agencies, state.needed);
        ctx.out.line(match state.veto_secured {
            true => format!("secured: {have}"),
            false => format!("not secured yet: {have}; it stands and goes on spreading"),
        });
    }
    Ok(serde_json::to_value(&state).expect("plain data is JSON"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_id_cannot_be_turned_into_another_by_the_node() {
        let asked = Pid([1; 32]).to_string();
        let view = |target: &Pid| -> ProposalView {
            serde_json::from_value(json!({
                "id": "", "act": "consent", "pid": "", "network_id": "", "epoch": 0, "n": 1, "target": target.to_string(),
                "motion": null, "bytes": "", "words": "", "approved_by": [], "needed": 1, "officers": [],
            }))
            .unwrap()
        };
        check_target(&view(&Pid([1; 32])), &asked).unwrap();
        assert!(check_target(&view(&Pid([2; 32])), &asked).is_err());
        check_target(&view(&Pid([2; 32])), "harbor").unwrap();
    }

    #[test]
    fn a_wait_is_seconds_or_a_duration() {
        assert_eq!(seconds("60"), Ok(Duration::from_secs(60)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        assert!(seconds("soon").is_err());
    }
}
