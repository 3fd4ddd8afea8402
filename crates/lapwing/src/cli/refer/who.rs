//! `lapwing refer who`: the agencies that can act on a draft.

use super::ReferralToml;
use crate::cli::Ctx;
use crate::cli::fail::Done;
use crate::cli::node::typed;
use crate::cli::out::Out;
use crate::cli::profile::read_toml;
use lapwing_api::ops::Op;
use lapwing_api::types::{CandidateView, Candidates, WhoCanAct};
use serde_json::Value;
use std::path::Path;

/// Asks and shows.
pub fn who(ctx: &Ctx, file: &Path) -> Done {
    let draft: ReferralToml = read_toml(file)?;
    let value: Value = ctx.node()?.call(Op::WhoCanAct, &[], &WhoCanAct { form: draft.form })?;
    if ctx.out.json {
        ctx.out.value(&value);
        return Ok(());
    }
    let found: Candidates = typed(&value)?;
    let (can, cannot): (Vec<_>, Vec<_>) = found.items.into_iter().partition(|c| c.can_act);
    if can.is_empty() {
        ctx.out.line("no agency here has both a link to the case and a law or competence for it");
    }
    can.iter().for_each(|c| show(ctx.out, c));
    if !cannot.is_empty() {
        ctx.out.line("\nwhat speaks against the others:");
        cannot.iter().for_each(|c| show(ctx.out, c));
    }
    Ok(())
}

fn show(out: Out, candidate: &CandidateView) {
    out.line(format!("{} ({}) {}", candidate.agency.short_name, candidate.agency.country, candidate.agency.legal_name));
    candidate.reasons.iter().for_each(|r| out.hanging("  + ", &r.words));
    candidate.gaps.iter().for_each(|g| out.hanging("  - ", &g.words));
    let asked = candidate.law.iter().flat_map(|l| &l.will_ask).map(|f| f.fact.clone()).collect::<Vec<_>>();
    if !asked.is_empty() {
        out.hanging("  ? ", &format!("it will ask for: {}", asked.join(", ")));
    }
}
