//! `lapwing case erase|hold`, `lapwing erasure`: how long the content of cases stays.

use super::Ctx;
use super::ask;
use super::fail::Done;
use super::node::items;
use clap::Subcommand;
use lapwing_api::ops::Op;
use lapwing_api::types::{ErasedCase, HoldRequest};
use serde_json::{Value, json};

/// What was erased here.
#[derive(Debug, Subcommand)]
pub enum Erasure {
    /// Lists erased cases, the latest first.
    #[command(after_help = "Examples:\n  lapwing erasure list")]
    List,
}

impl Erasure {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let list = ctx.node()?.list(Op::Erasures, &[], &Vec::new())?;
        if ctx.out.json {
            ctx.out.value(&list);
            return Ok(());
        }
        let row = |e: ErasedCase| vec![e.thread, ctx.out.time(&e.at)];
        let rows = items(&list)?.into_iter().map(row).collect();
        ctx.out.table(&["case", "erased"], rows, "nothing was erased here");
        Ok(())
    }
}

/// Erases the content of a case.
pub fn erase(ctx: &Ctx, thread: &str, yes: bool) -> Done {
    let node = ctx.node()?;
    ask::sure(yes, &format!("Erase the content of case {thread} on this node, for good?"))?;
    let value: Value = node.call(Op::CaseErase, &[thread], &json!({}))?;
    ctx.out.answer(&value, || {
        ctx.out.line("erased here: its key is destroyed, its evidence removed; ids, hashes and receipts stay");
        ctx.out
            .note("Backups of the keyring may still hold the key until they expire: see docs/operations.md, Erasure.");
    });
    Ok(())
}

/// Begins or ends a legal hold.
pub fn hold(ctx: &Ctx, thread: &str, end: bool) -> Done {
    let value: Value = ctx.node()?.call(Op::CaseHold, &[thread], &HoldRequest { stands: !end })?;
    let what = if end { "the legal hold has ended" } else { "a legal hold stands: the case is not erased" };
    ctx.out.answer(&value, || ctx.out.line(what));
    Ok(())
}
