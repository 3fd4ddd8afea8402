//! Disagreement, and content that a law forced out.

use super::say;
use crate::cli::fail::Done;
use crate::cli::{Ctx, when};
use clap::Args;
use lapwing_api::types::Saying;
use lapwing_record::statement::{self, CompelledDisclosure, Disputed};

/// A dispute.
#[derive(Debug, Args)]
pub struct Dispute {
    /// The case.
    thread: String,
    /// About what: urgency, decision, harm or other.
    #[arg(long)]
    about: Disputed,
    /// The assistance item, of a decision.
    #[arg(long, value_name = "N")]
    item: Option<u64>,
    /// Why.
    text: String,
}

impl Dispute {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = statement::Dispute { about: self.about, item: self.item, text: self.text };
        say(ctx, &self.thread, &Saying::Dispute { body }, "disputed")
    }
}

/// A disclosure that a law compelled.
#[derive(Debug, Args)]
pub struct Disclosed {
    /// The case.
    thread: String,
    /// The law or order.
    #[arg(long, value_name = "LAW")]
    law: String,
    /// To whom, in words.
    #[arg(long, value_name = "TEXT")]
    to: String,
    /// What was, or will be, disclosed.
    #[arg(long, value_name = "TEXT")]
    what: String,
    /// When.
    #[arg(long, value_name = "DATE", value_parser = when::point)]
    at: Option<u64>,
}

impl Disclosed {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = CompelledDisclosure { law: self.law, to_whom: self.to, what: self.what, at: self.at };
        say(ctx, &self.thread, &Saying::CompelledDisclosureNotice { body }, "told")
    }
}
