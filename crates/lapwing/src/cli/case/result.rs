//! How far the target is, and what it delivers.

use super::evidence::upload;
use super::say;
use crate::cli::fail::{Done, wrong};
use crate::cli::{Ctx, hex, when};
use clap::Args;
use lapwing_api::types::Saying;
use lapwing_record::form::CollectionMethod;
use lapwing_record::statement::{self, ComplaintResult, Extended, Limits, Outcome, Outcomes, Tlp};
use std::path::PathBuf;

/// How far it is.
#[derive(Debug, Args)]
pub struct Progress {
    /// The case.
    thread: String,
    /// What was done, what comes next.
    text: String,
    /// When a result is expected: a date, or a duration from now.
    #[arg(long, value_name = "DATE", value_parser = when::point)]
    expected: Option<u64>,
}

impl Progress {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = statement::Progress { text: self.text, expected: self.expected };
        say(ctx, &self.thread, &Saying::Progress { body }, "told")
    }
}

/// A later date.
#[derive(Debug, Args)]
pub struct Extend {
    /// The case.
    thread: String,
    /// What comes later: decide or deliver.
    #[arg(long)]
    what: Extended,
    /// When it is expected: a date, or a duration from now.
    #[arg(long, value_name = "DATE", value_parser = when::point)]
    until: u64,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Extend {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let body = statement::Extend { what: self.what, until: self.until, reason: self.reason };
        say(ctx, &self.thread, &Saying::Extend { body }, "extended")
    }
}

/// A result.
#[derive(Debug, Args)]
pub struct Deliver {
    /// The case.
    thread: String,
    /// Assistance items that it is on, accepted before.
    #[arg(long, value_name = "N", required_unless_present = "complaint")]
    item: Vec<u64>,
    /// What became of a complaint of the batch, by its place from 0: action_taken, merged_with:REFERENCE, no_action,
    /// not_competent or pending.
    #[arg(long, value_name = "N=OUTCOME", value_parser = complaint)]
    complaint: Vec<ComplaintResult>,
    /// Words on it.
    #[arg(long, value_name = "N=TEXT", value_parser = complaint_note, requires = "complaint")]
    complaint_note: Vec<(u64, String)>,
    /// The measure taken.
    #[arg(long, value_name = "TEXT")]
    measure: String,
    /// What came of it.
    #[arg(long)]
    outcome: Outcome,
    /// In words.
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// The last result on these items.
    #[arg(long = "final")]
    last: bool,
    /// How it may be handled: clear, green, amber, amber+strict or red; as the case where it is left out.
    #[arg(long)]
    tlp: Option<Tlp>,
    /// H0, H1, H2, or H3: and a condition.
    #[arg(long, value_name = "CODE")]
    handling_code: Vec<String>,
    /// Limits of its use, in words.
    #[arg(long, value_name = "TEXT")]
    limits: Option<String>,
    /// A file of evidence that goes with it.
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
}

/// A number and what stands behind the `=`.
fn numbered(text: &str) -> Result<(u64, &str), String> {
    let parts = text.split_once('=').and_then(|(n, rest)| Some((n.parse().ok()?, rest)));
    parts.filter(|(_, rest)| !rest.is_empty()).ok_or_else(|| format!("`{text}` is not N=…, such as 0=action_taken"))
}

fn complaint(text: &str) -> Result<ComplaintResult, String> {
    let (complaint, outcome) = numbered(text)?;
    let (outcome, merged_with) = match outcome.split_once(':') {
        Some((outcome, with)) => (outcome, Some(with.to_owned())),
        None => (outcome, None),
    };
    Ok(ComplaintResult { complaint, outcome: outcome.parse()?, merged_with, note: None })
}

fn complaint_note(text: &str) -> Result<(u64, String), String> {
    numbered(text).map(|(n, note)| (n, note.to_owned()))
}

impl Deliver {
    pub(super) fn run(self, ctx: &Ctx) -> Done {
        let (mut items, mut handling_codes) = (self.item, self.handling_code);
        items.sort_unstable();
        items.dedup();
        handling_codes.sort();
        let node = ctx.node()?;
        let mut evidence = Vec::new();
        for file in &self.evidence {
            // how it was come by stands in the words: results have no manifest of their own
            let item = upload(ctx, &node, &self.thread, file, CollectionMethod::Other)?;
            evidence.push(hex::encode(&item.sha256.0));
        }
        let limits = Limits { tlp: self.tlp, handling_codes, words: self.limits };
        let mut complaints = self.complaint;
        complaints.sort_by_key(|c| c.complaint);
        for (n, note) in self.complaint_note {
            let of = complaints.iter_mut().find(|c| c.complaint == n);
            of.ok_or_else(|| wrong(format!("`--complaint-note {n}=…`: give the complaint's outcome too")))?.note =
                Some(note);
        }
        let body = Outcomes {
            items,
            measure: self.measure,
            outcome: self.outcome,
            text: self.text,
            limits,
            complaints: Some(complaints).filter(|c| !c.is_empty()),
            unknown: Vec::new(),
        };
        let saying = match self.last {
            true => Saying::ResultFinal { body, evidence },
            false => Saying::ResultInterim { body, evidence },
        };
        say(ctx, &self.thread, &saying, "delivered")
    }
}
