//! Passing items of a case on to another agency.

use super::{detail, of_kind, participant, say, statement};
use crate::cli::Ctx;
use crate::cli::fail::{Done, wrong};
use crate::cli::node::typed;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::types::{PassOn, Said, Saying};
use lapwing_record::statement::{Kind, TransferConsent, TransferProposed};
use serde_json::Value;

/// Passes items on to another agency: proposed, agreed where the markings ask for it, then carried out.
#[derive(Debug, Subcommand)]
pub enum Transfer {
    /// Proposes that another agency acts on items.
    #[command(
        after_help = "Examples:\n  lapwing case transfer propose 4k3mzx7q --to harbour --item 0 --why 'The host is there.'"
    )]
    Propose {
        /// The case.
        thread: String,
        /// NAME of the other agency.
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Assistance items that go there.
        #[arg(long, value_name = "N", required = true)]
        item: Vec<u64>,
        /// Why there.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
    /// Answers a proposal: yes, or with --no, no.
    #[command(after_help = "Examples:
  lapwing case transfer consent 4k3mzx7q
  lapwing case transfer consent 4k3mzx7q --no --conditions 'We ask there ourselves.'")]
    Consent {
        /// The case.
        thread: String,
        /// The proposal; the newest where it is left out.
        #[arg(long, value_name = "ID")]
        proposal: Option<String>,
        /// Says no.
        #[arg(long)]
        no: bool,
        /// Conditions of a yes, reasons of a no.
        #[arg(long, value_name = "TEXT")]
        conditions: Option<String>,
    },
    /// Carries a proposal out: opens the case there, with the evidence that is here. Running it again sends nothing twice.
    #[command(after_help = "Examples:\n  lapwing case transfer send 4k3mzx7q --contact intake")]
    Send {
        /// The case.
        thread: String,
        /// The proposal; the newest where it is left out.
        #[arg(long, value_name = "ID")]
        proposal: Option<String>,
        /// Slot of this agency's point of contact for the new case.
        #[arg(long, value_name = "SLOT")]
        contact: String,
        /// This agency's own reference; the requester's where it is left out.
        #[arg(long, value_name = "REF")]
        reference: Option<String>,
    },
}

impl Transfer {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let proposal = |thread: &str, given: Option<&str>| {
            let of = |s: &lapwing_api::types::StatementView| of_kind(s, Kind::TransferProposed);
            statement(&detail(&ctx.node()?, thread)?, given, of, "proposal")
        };
        match self {
            Transfer::Propose { thread, to, item, why } => {
                let mut items = item;
                items.sort_unstable();
                items.dedup();
                let body = TransferProposed { to: participant(ctx, &to)?, items, why };
                say(ctx, &thread, &Saying::TransferProposed { body }, "proposed")
            }
            Transfer::Consent { thread, proposal: given, no, conditions } => {
                let proposal = proposal(&thread, given.as_deref())?.parse().map_err(|e| wrong(format!("{e}")))?;
                let body = TransferConsent { proposal, granted: !no, conditions };
                say(ctx, &thread, &Saying::TransferConsent { body }, if no { "declined" } else { "agreed" })
            }
            Transfer::Send { thread, proposal: given, contact, reference } => {
                let proposal = proposal(&thread, given.as_deref())?;
                let body = PassOn { proposal, poc_ref: contact, requester_ref: reference };
                let value: Value = ctx.node()?.call(Op::PassOn, &[&thread], &body)?;
                ctx.out.answer(&value, || {
                    let new = typed::<Said>(&value).map(|s| s.thread).unwrap_or_default();
                    ctx.out.line(format!("passed on as case {new}; the requester is told once the other node has it"));
                });
                Ok(())
            }
        }
    }
}
