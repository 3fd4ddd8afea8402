//! `lapwing proposal`, `lapwing amend`, `lapwing motion`: what waits for officers, and the rules themselves.

use super::Ctx;
use super::approve::{self, OfficerKeys};
use super::fail::Done;
use super::node::{items, typed};
use super::out::short;
use super::vote;
use super::when;
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::types::{MotionView, ProposalView, Propose};
use lapwing_record::id::Pid;
use serde_json::{Value, json};
use std::time::Duration;

/// What waits for officers' approvals.
#[derive(Debug, Subcommand)]
pub enum Proposal {
    /// Lists what waits.
    #[command(after_help = "Examples:\n  lapwing proposal list")]
    List,
    /// Shows one proposal: the exact statement, in words made here, and who has approved.
    #[command(after_help = "Examples:\n  lapwing proposal show 4k3mzx7q")]
    Show {
        /// The proposal's id.
        id: String,
    },
    /// Approves one with an officer's key, after rebuilding and showing it.
    #[command(after_help = "Examples:\n  lapwing proposal approve 4k3mzx7q --officer-key officer-2.key")]
    Approve {
        /// The proposal's id.
        id: String,
        #[command(flatten)]
        keys: OfficerKeys,
    },
    /// Drops one that waits: nothing is said, and its number is free again.
    #[command(after_help = "Examples:\n  lapwing proposal drop 4k3mzx7q")]
    Drop {
        /// The proposal's id.
        id: String,
    },
}

impl Proposal {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        match self {
            Proposal::List => {
                let list = node.list(Op::Proposals, &[], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&list);
                    return Ok(());
                }
                let name = |target: &str| {
                    let known = target.parse::<Pid>().ok().and_then(|_| vote::name_of(&node, target));
                    known.unwrap_or_else(|| target.to_owned())
                };
                let row = |p: ProposalView| {
                    let approved = format!("{}/{}", p.approved_by.len(), p.needed);
                    let by: Vec<String> = p.approved_by.iter().map(|k| short(k)).collect();
                    let target = p.target.map_or_else(|| "the Params".into(), |t| name(&t));
                    vec![short(&p.id), p.act, target, format!("{} of epoch {}", p.n, p.epoch), approved, by.join(", ")]
                };
                let rows = items(&list)?.into_iter().map(row).collect();
                let header = ["id", "act", "target", "number", "approved", "by"];
                ctx.out.table(&header, rows, "nothing waits for officers");
            }
            Proposal::Show { id } => {
                let value: Value = node.read(Op::Proposal, &[&id], &Vec::new())?;
                if ctx.out.json {
                    ctx.out.value(&value);
                    return Ok(());
                }
                let view: ProposalView = typed(&value)?;
                let rebuilt = approve::rebuild(&view)?;
                ctx.out.line(rebuilt.words(|pid| vote::name_of(&node, pid)));
                let by: Vec<String> = view.approved_by.iter().map(|k| short(k)).collect();
                ctx.out.line(format!("approved    {} of {} {}", by.len(), view.needed, by.join(", ")));
            }
            Proposal::Approve { id, keys } => {
                let view: ProposalView = node.read(Op::Proposal, &[&id], &Vec::new())?;
                let officers = vote::officers(&node, &keys)?;
                let outcome = vote::approve(ctx, &node, view, &officers, keys.yes)?;
                let value = json!({ "proposal": outcome.proposal.id, "approval": outcome.approved });
                ctx.out.answer(&value, || outcome.tell(ctx.out));
            }
            Proposal::Drop { id } => {
                let value: Value = node.call(Op::DropProposal, &[&id], &json!({}))?;
                ctx.out.answer(&value, || ctx.out.line("dropped: nothing was said"));
            }
        }
        Ok(())
    }
}

/// Proposes an amendment of the Params: only what is given changes. Adopted under the no-objection rule.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing amend --window 21d --statement 'more time over the holidays' --officer-key officer-1.key
  lapwing amend --harm-weights 30,20,15,15,10,10 --expires 60d --statement 'as agreed' --officer-key officer-1.key")]
pub struct Amend {
    /// W: the window for objections.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    window: Option<Duration>,
    /// G: the grace beyond it.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    grace: Option<Duration>,
    /// Six weights that sum up to 100.
    #[arg(long, value_name = "N,N,N,N,N,N", value_delimiter = ',')]
    harm_weights: Option<Vec<u64>>,
    /// How long the motion may take.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::duration)]
    expires: Duration,
    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    statement: String,
    #[command(flatten)]
    keys: OfficerKeys,
}

impl Amend {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let propose = Propose::Amend {
            window_ms: self.window.map(when::ms),
            grace_ms: self.grace.map(when::ms),
            harm_weights: self.harm_weights.clone(),
            expires_in_ms: when::ms(self.expires),
            statement: self.statement.clone(),
        };
        let officers = vote::officers(&node, &self.keys)?;
        let proposal: ProposalView = node.call(Op::Propose, &[], &propose)?;
        let rebuilt = approve::rebuild(&proposal)?;
        let asked_for = rebuilt.motion.as_ref().is_some_and(|m| {
            m.statement == self.statement
                && self.window.is_none_or(|w| m.params.window_ms == when::ms(w))
                && self.grace.is_none_or(|g| m.params.grace_ms == when::ms(g))
                && self.harm_weights.as_ref().is_none_or(|w| m.params.harm_weights == *w)
        });
        if !asked_for {
            return Err(super::fail::wrong(
                "the node proposes another amendment than was asked for; nothing was signed",
            ));
        }
        let outcome = vote::approve(ctx, &node, proposal, &officers, self.keys.yes)?;
        let value = json!({ "proposal": outcome.proposal.id, "approval": outcome.approved });
        ctx.out.answer(&value, || outcome.tell(ctx.out));
        Ok(())
    }
}

/// Amendments and what became of them. (`lapwing vote … motion:ID` speaks on one.)
#[derive(Debug, Subcommand)]
pub enum Motion {
    /// Lists them.
    #[command(after_help = "Examples:\n  lapwing motion list")]
    List,
}

impl Motion {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = ctx.node()?.list(Op::Motions, &[], &Vec::new())?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |m: MotionView| {
            let p = &m.params;
            let params = format!("window {}, grace {}", when::show(p.window_ms), when::show(p.grace_ms));
            let seated = format!("{}/{}", m.seated, m.needed);
            vec![m.id, m.by.short_name, m.state, seated, ctx.out.time(&m.expires), params, m.statement]
        };
        let rows = items(&list)?.into_iter().map(row).collect();
        let header = ["id", "by", "state", "seated", "expires", "params", "statement"];
        ctx.out.table(&header, rows, "no motions");
        Ok(())
    }
}
