//! `lapwing health`: what is wrong with the node, as the node itself sees it.

use super::Ctx;
use super::node::typed;
use super::out::Out;
use clap::Args;
use lapwing_api::ops::Op;
use lapwing_api::problem::{Audience, Problem};
use lapwing_api::types::{self, HealthItem};
use serde_json::Value;
use std::process::ExitCode;

/// Shows what is wrong with the node, since when, why, and what to do. Exit code 4 while it is not ready.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing health
  lapwing health --json
  lapwing health --live                         for a probe: whether to start it again
  lapwing --data /var/lib/lapwing health || mail -s 'not ready' duty@agency.example </dev/null")]
pub struct Health {
    /// Only ask whether the process answers (`/livez`); needs no token. Exit code 4 where it does not.
    #[arg(long)]
    live: bool,
}

impl Health {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        if self.live {
            let value: Value = ctx.node()?.read_open(Op::Live)?;
            ctx.out.answer(&value, || ctx.out.line("it answers"));
            return Ok(ExitCode::SUCCESS);
        }
        let value: Value = ctx.node()?.read(Op::Health, &[], &Vec::new())?;
        let health: types::Health = typed(&value)?;
        ctx.out.answer(&value, || show(ctx.out, &health));
        Ok(match health.ready {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(Audience::Unavailable.exit_code()),
        })
    }
}

fn show(out: Out, health: &types::Health) {
    out.line(if health.ready { "ready: it can take a referral and answer reads" } else { "NOT ready" });
    let row = |i: &HealthItem| {
        let what = match i.depends_on.first() {
            Some(cause) => format!("{} (follows from {cause})", i.what),
            None => i.what.clone(),
        };
        vec![i.code.clone(), i.severity.as_str().into(), out.maybe_time(&i.since), what]
    };
    out.table(&["code", "severity", "since", "what"], health.items.iter().map(row).collect(), "nothing is wrong");
    // what follows from something else is mended with it
    for item in health.items.iter().filter(|i| i.depends_on.is_empty()) {
        out.line("");
        out.hanging("  * ", &format!("{} [{}]", item.what, item.code));
        out.hanging("    why: ", &item.cause);
        out.hanging("    do:  ", &item.fix);
    }
}
