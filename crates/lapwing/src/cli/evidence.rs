//! `lapwing evidence`: what samples of spam tell, offline. Each message is read in a child process of its own, which may
//! die without harm.

mod csv;
mod redact;
mod show;

pub use self::show::summary;

use super::Ctx;
use super::fail::{self, Done, wrong};
use super::out::Out;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lapwing_api::problem::{Code, Problem};
use lapwing_evidence::campaign::Campaign;
use lapwing_evidence::draft::{DraftParts, campaigns, draft};
use lapwing_evidence::identify::identify;
use lapwing_evidence::keys::{self, Keys};
use lapwing_evidence::limits::Limits;
use lapwing_evidence::lookalike::LookAlikes;
use lapwing_evidence::scan::{Scan, scan_all};
use lapwing_evidence::worker::{Item, WorkerCommand, analyse_scan, serve};
use lapwing_node::folder;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The hidden verb under which this program is started as a worker. Not known to clap: `main` looks for it first.
pub const WORKER: &str = lapwing_evidence::worker::VERB;
/// Bytes of a list of imitated domains.
const MAX_LIST: u64 = 1 << 20;
/// Progress is shown on what takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Samples of spam: read offline, nothing in them is ever fetched or run.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Reads samples: where each message came from, what it points at, what was verified, which campaign it is of.
    #[command(after_help = "Examples:
  lapwing evidence analyse ./samples
  lapwing evidence analyse mail.eml report.json box.mbox --json
  lapwing evidence analyse ./samples --campaigns
  lapwing evidence analyse ./samples --csv > samples.csv
  dig +noall +answer s1._domainkey.spam.example TXT > keys.txt      (where and when that is allowed)
  lapwing evidence analyse ./samples --keys keys.txt --look-alike banks.txt

Exit codes: 0 done, also where single samples are damaged (their row says how); 2 something named cannot be read.
docs/evidence.md tells what is found, the limits, and what each warning means.")]
    Analyse(Analyse),
    /// Makes a copy of a sample without some strings, which become blocks of the same length.
    #[command(after_help = "Examples:
  lapwing evidence redact mail.eml --address victim@home.example -o mail-redacted.eml
  lapwing evidence redact mail.eml --remove 'Jane Doe' --remove 4711 -o mail-redacted.eml

The original stays as it is. Strings in base64, quoted-printable or encoded headers are not re-encoded: where one stands
there as well, nothing is written and the place is named.")]
    Redact(redact::Redact),
}

/// What to read, and how to show it.
#[derive(Debug, Args)]
pub struct Analyse {
    /// Folders and files: .eml, mailboxes, .msg, ARF, XARF, pasted headers; of anything else hash, size and type.
    #[arg(required = true, value_name = "SAMPLE")]
    samples: Vec<PathBuf>,
    /// One row for each message as CSV; no cell is taken for a formula.
    #[arg(long)]
    csv: bool,
    /// The campaigns only.
    #[arg(long, conflicts_with = "csv")]
    campaigns: bool,
    /// Persons and infrastructure too: every identifier with its role.
    #[arg(long, conflicts_with_all = ["csv", "campaigns"])]
    parties: bool,
    /// DNS TXT records at hand, as `dig` prints them: DKIM, ARC and SPF are verified with these and nothing is asked.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Domains that are imitated, one to a line: what looks like one of them is marked.
    #[arg(long, value_name = "FILE")]
    look_alike: Option<PathBuf>,
}

/// Samples, read.
pub struct Samples {
    /// The files.
    pub scan: Scan,
    /// Each message.
    pub items: Vec<Item>,
    /// The campaigns; members are places in `items`.
    pub campaigns: Vec<Campaign>,
    /// The parts of a draft of all of them.
    pub parts: DraftParts,
}

impl Samples {
    /// The campaign of each message.
    fn campaign_of(&self) -> Vec<Option<&str>> {
        let mut of = vec![None; self.items.len()];
        for campaign in &self.campaigns {
            for member in &campaign.members {
                of[*member] = Some(campaign.id.as_str());
            }
        }
        of
    }
}

/// How this program starts itself as a worker.
fn worker_command() -> Result<WorkerCommand, Problem> {
    WorkerCommand::current_exe([WORKER])
        .map_err(|e| Problem::new(Code::Internal, format!("this program cannot start itself as a worker: {e}")))
}

/// A bar that is drawn only once there was something to wait for.
fn patient(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
    bar.set_style(ProgressStyle::with_template(template).expect("fixed"));
    bar
}

/// Shows `bar` where it has waited long enough and somebody looks.
fn show_late(bar: &ProgressBar, out: Out, begun: Instant) {
    if bar.is_hidden() && !out.json && begun.elapsed() > PATIENCE {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
}

/// Reads samples; signatures are verified where `keys` holds any.
pub fn read(out: Out, named: &[impl AsRef<Path>], keys: &Keys, list: &LookAlikes) -> Result<Samples, Problem> {
    let begun = Instant::now();
    let bar = patient("listing {spinner} {bytes} {bytes_per_sec}");
    let files = scan_all(named, |bytes| {
        bar.inc(bytes);
        show_late(&bar, out, begun);
    });
    bar.finish_and_clear();
    let files = files.map_err(|e| {
        let cause = std::error::Error::source(&e).map(|s| format!(": {s}")).unwrap_or_default();
        wrong(format!("{e}{cause}")).hint("Check the path; a relative one is taken from the current folder.")
    })?;
    let worker = worker_command()?;
    let begun = Instant::now();
    let bar = patient("reading {bar:24} {pos}/{len} messages, {eta} left");
    let mut items = analyse_scan(&worker, &files, &Limits::default(), keys, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        show_late(&bar, out, begun);
    });
    bar.finish_and_clear();
    items.iter_mut().filter_map(|i| i.analysis.as_mut()).for_each(|found| list.mark(found));
    let parts = draft(&files, &items);
    Ok(Samples { campaigns: campaigns(&items), scan: files, items, parts })
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
        match self {
            Evidence::Analyse(analyse) => analyse.run(ctx),
            Evidence::Redact(redact) => redact.run(ctx),
        }
    }
}

impl Analyse {
    fn run(self, ctx: &Ctx) -> Done {
        if self.csv && ctx.out.json {
            return Err(wrong("--csv and --json exclude each other").hint("Leave one of them out."));
        }
        let keys = match &self.keys {
            None => Keys::default(),
            Some(path) => {
                let text = text_of(path, keys::MAX_BYTES as u64)?;
                Keys::parse(&text).map_err(|e| {
                    wrong(format!("{}: {e}", path.display())).hint(
                        "One record to a line: NAME TXT \"v=DKIM1; p=…\", as `dig +noall +answer NAME TXT` prints it.",
                    )
                })?
            }
        };
        let list = match &self.look_alike {
            None => LookAlikes::default(),
            Some(path) => {
                let text = text_of(path, MAX_LIST)?;
                LookAlikes::parse(&text).map_err(|e| {
                    wrong(format!("{}: {e}", path.display())).hint("One domain to a line, as bank.example.")
                })?
            }
        };
        let samples = read(ctx.out, &self.samples, &keys, &list)?;
        match () {
            () if ctx.out.json => ctx.out.value(&json_of(&samples)),
            () if self.csv => csv::print(ctx.out, &samples),
            () if self.campaigns => show::campaigns(ctx.out, &samples.parts),
            () => show::whole(ctx.out, &samples, self.parties),
        }
        Ok(())
    }
}

fn text_of(path: &Path, limit: u64) -> Result<String, Problem> {
    let bytes = folder::read(path, limit).map_err(fail::file)?;
    String::from_utf8(bytes).map_err(|_| wrong(format!("{} is no text in UTF-8", path.display())))
}

/// Everything, for programs.
fn json_of(samples: &Samples) -> Value {
    let message = |(item, campaign): (&Item, Option<&str>)| {
        let mut value = serde_json::to_value(item).expect("plain data is JSON");
        value["campaign"] = json!(campaign);
        value["identifiers"] = json!(item.analysis.as_ref().map(identify).unwrap_or_default());
        value
    };
    let messages: Vec<Value> = samples.items.iter().zip(samples.campaign_of()).map(message).collect();
    json!({ "summary": samples.parts, "messages": messages, "totals": show::Totals::of(samples) })
}
