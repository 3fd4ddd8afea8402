//! Recalls, and what became of what was recalled.

use super::{detail, of_kind, say, statement};
use crate::cli::Ctx;
use crate::cli::fail::{Done, wrong};
use clap::Args;
use lapwing_api::types::{Saying, StatementView};
use lapwing_record::statement::{self, Attested, Kind, RecallReason};

/// A recall.
#[derive(Debug, Args)]
pub struct Recall {
    /// The case.
    thread: String,
    /// Why.
    #[arg(long)]
    reason: RecallReason,
    /// In words; owed for `other`.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Recall {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = statement::Recall { reason: self.reason, note: self.note };
        say(ctx, &self.thread, &Saying::Recall { body }, "recalled")
    }
}

/// An attestation.
#[derive(Debug, Args)]
pub struct RecallAnswer {
    /// The case.
    thread: String,
    /// The content was destroyed here. (`lapwing case erase` destroys it; this says so.)
    #[arg(long, required_unless_present = "retained_under")]
    destroyed: bool,
    /// The law that keeps the content.
    #[arg(long, value_name = "LAW", conflicts_with = "destroyed")]
    retained_under: Option<String>,
    /// In words.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The recall; the newest where it is left out.
    #[arg(long, value_name = "ID")]
    recall: Option<String>,
}

impl RecallAnswer {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let detail = detail(&ctx.node()?, &self.thread)?;
        let of = |s: &StatementView| of_kind(s, Kind::Recall);
        let recall = statement(&detail, self.recall.as_deref(), of, "recall")?;
        let body = statement::RecallAnswer {
            recall: recall.parse().map_err(|e| wrong(format!("{e}")))?,
            attested: if self.retained_under.is_some() { Attested::RetainedUnder } else { Attested::Destroyed },
            law: self.retained_under,
            note: self.note,
        };
        say(ctx, &self.thread, &Saying::RecallAnswer { body }, "attested")
    }
}
