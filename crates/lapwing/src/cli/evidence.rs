//! `lapwing evidence`: what samples of spam tell, offline. Each message is read in a child process of its own, which may
//! die without harm.

use super::Ctx;
use super::fail::{Done, wrong};
use super::out::{Out, one_line};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lapwing_api::problem::{Code, Problem};
use lapwing_evidence::draft::{DraftParts, draft};
use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::scan::{Scan, scan};
use lapwing_evidence::worker::{Item, WorkerCommand, analyse_scan, serve};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The hidden verb under which this program is started as a worker. Not known to clap: `main` looks for it first.
pub const WORKER: &str = "evidence-worker";

/// Samples of spam: read offline, nothing in them is ever fetched or run.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Reads a folder of samples: origins, addresses, links, campaigns.
    #[command(
        after_help = "Examples:\n  lapwing evidence analyse ./samples\n  lapwing evidence analyse ./samples --json"
    )]
    Analyse {
        /// The folder: .eml, mailboxes, anything else.
        dir: PathBuf,
    },
}

/// A folder of samples, read.
pub struct Samples {
    /// The files.
    pub scan: Scan,
    /// Each message.
    pub items: Vec<Item>,
    /// The parts of a draft.
    pub parts: DraftParts,
}

/// Reads a folder of samples.
pub fn read(out: Out, dir: &Path) -> Result<Samples, Problem> {
    let files = scan(dir).map_err(|e| {
        let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        wrong(format!("{e}{cause}"))
    })?;
    let worker = WorkerCommand::current_exe([WORKER])
        .map_err(|e| Problem::new(Code::Internal, format!("this program cannot start itself as a worker: {e}")))?;
    let bar = ProgressBar::new(0);
    if out.json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template("reading {bar:24} {pos}/{len} messages, {eta} left").expect("fixed"));
    let items = analyse_scan(&worker, &files, &Limits::default(), &Keys::default(), |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let parts = draft(&files, &items);
    Ok(Samples { scan: files, items, parts })
}

/// The worker's side: reads one message from standard input and answers on standard output.
pub fn worker() -> ExitCode {
    match serve(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

impl Evidence {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let Evidence::Analyse { dir } = self;
        let samples = read(ctx.out, &dir)?;
        if ctx.out.json {
            ctx.out.value(&json!({ "summary": samples.parts, "messages": samples.items }));
            return Ok(());
        }
        show(ctx.out, &samples.parts);
        Ok(())
    }
}

/// What samples tell, for people.
pub fn show(out: Out, parts: &DraftParts) {
    let period = parts.period.as_ref().map(|p| format!("{} to {}", p.from, p.to)).unwrap_or_default();
    out.pairs(&[
        ("files", parts.manifest.len().to_string()),
        ("messages", format!("{} read, {} not readable", parts.messages, parts.failed)),
        ("period", period),
        ("languages", parts.languages.join(", ")),
    ]);
    for party in &parts.parties {
        let names = party.names.iter().map(|n| one_line(n)).collect::<Vec<_>>().join(", ");
        out.line(format!("\n{}{}{names}", party.role, if names.is_empty() { "" } else { ": " }));
        let row = |i: &lapwing_evidence::draft::DraftIdentifier| {
            vec![
                i.kind.clone(),
                i.value.clone(),
                i.seen.to_string(),
                i.samples.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            ]
        };
        out.table(&["kind", "value", "messages", "such as"], party.identifiers.iter().map(row).collect(), "  nothing");
        if party.left_out > 0 {
            out.line(format!("  and {} more, seen least", party.left_out));
        }
    }
    if !parts.groups.is_empty() {
        out.line("\ncampaigns");
        let row = |g: &lapwing_evidence::draft::DraftGroup| {
            vec![g.messages.to_string(), g.subject.clone(), g.domains.join(", ")]
        };
        out.table(&["messages", "first subject", "leads to"], parts.groups.iter().map(row).collect(), "");
    }
    for (code, samples) in &parts.warnings {
        out.line(format!(
            "odd: {code} in {}",
            samples.iter().take(5).map(|s| one_line(s)).collect::<Vec<_>>().join(", ")
        ));
    }
    for skipped in &parts.skipped {
        out.line(format!("passed over: {} ({:?})", one_line(&skipped.name), skipped.reason));
    }
}
