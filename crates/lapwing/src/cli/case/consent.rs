//! Releases beyond the markings: asked for, given, refused.

use super::{detail, of_kind, participant, say, statement};
use crate::cli::fail::{Done, wrong};
use crate::cli::{Ctx, when};
use clap::{Args, Subcommand};
use lapwing_api::problem::Problem;
use lapwing_api::types::{Saying, StatementView};
use lapwing_record::id::MsgId;
use lapwing_record::statement::{ConsentGiven, ConsentRequest, Kind, Scope};

/// Releases content beyond its markings: the originator's to give.
#[derive(Debug, Subcommand)]
pub enum Consent {
    /// Asks the other side to release its content.
    #[command(
        after_help = "Examples:\n  lapwing case consent ask 4k3mzx7q --judicial-use --reason 'A hearing in May.'"
    )]
    Ask {
        /// The case.
        thread: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// What for.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Releases this agency's own content, asked or unasked.
    #[command(after_help = "Examples:
  lapwing case consent give 4k3mzx7q --onward harbour --until 2027-12-31
  lapwing case consent give 4k3mzx7q --unasked --domestic --conditions 'Names struck out.'")]
    Give {
        /// The case.
        thread: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// Until when it holds.
        #[arg(long, value_name = "DATE", value_parser = when::point)]
        until: Option<u64>,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    /// Says no to a request; with --unasked, ends what was volunteered.
    #[command(after_help = "Examples:\n  lapwing case consent refuse 4k3mzx7q --conditions 'Our court forbids it.'")]
    Refuse {
        /// The case.
        thread: String,
        #[command(flatten)]
        answer: AnswerArgs,
    },
}

/// What is released.
#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// NAME of a participant that may have it.
    #[arg(long, value_name = "NAME")]
    onward: Vec<String>,
    /// Competent agencies of the receiver's own country may have it.
    #[arg(long)]
    domestic: bool,
    /// Who else may have it, or how, in words.
    #[arg(long, value_name = "TEXT")]
    dissemination: Option<String>,
    /// It may be used before a court.
    #[arg(long)]
    judicial_use: bool,
}

impl ScopeArgs {
    fn scope(self, ctx: &Ctx) -> Result<Scope, Problem> {
        let mut onward = self.onward.iter().map(|name| participant(ctx, name)).collect::<Result<Vec<_>, _>>()?;
        onward.sort();
        onward.dedup();
        let (domestic, judicial_use) = (self.domestic, self.judicial_use);
        Ok(Scope { onward, domestic, dissemination: self.dissemination, judicial_use })
    }
}

/// What is answered.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The request; the newest of the other side where it is left out.
    #[arg(long, value_name = "ID", conflicts_with = "unasked")]
    request: Option<String>,
    /// It answers no request.
    #[arg(long)]
    unasked: bool,
    /// Conditions of a yes, reasons of a no.
    #[arg(long, value_name = "TEXT")]
    conditions: Option<String>,
}

impl AnswerArgs {
    fn request(&self, ctx: &Ctx, thread: &str) -> Result<Option<MsgId>, Problem> {
        if self.unasked {
            return Ok(None);
        }
        let detail = detail(&ctx.node()?, thread)?;
        let theirs = |s: &StatementView| of_kind(s, Kind::ConsentRequest) && s.from == detail.row.with.short_name;
        let id = statement(&detail, self.request.as_deref(), theirs, "request for consent")?;
        id.parse().map(Some).map_err(|e| wrong(format!("{e}")))
    }
}

impl Consent {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        match self {
            Consent::Ask { thread, scope, reason } => {
                let body = ConsentRequest { scope: scope.scope(ctx)?, reason };
                say(ctx, &thread, &Saying::ConsentRequest { body }, "asked")
            }
            Consent::Give { thread, scope, until, answer } => {
                let (request, scope) = (answer.request(ctx, &thread)?, scope.scope(ctx)?);
                let body = ConsentGiven { request, granted: true, scope, until, conditions: answer.conditions };
                say(ctx, &thread, &Saying::Consent { body }, "released")
            }
            Consent::Refuse { thread, answer } => {
                let request = answer.request(ctx, &thread)?;
                let (scope, conditions) = (Scope::default(), answer.conditions);
                let body = ConsentGiven { request, granted: false, scope, until: None, conditions };
                say(ctx, &thread, &Saying::Consent { body }, "refused")
            }
        }
    }
}
