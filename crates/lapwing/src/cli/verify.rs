//! `lapwing verify`: an exported case, checked anywhere, without a node and without a network.

use super::Ctx;
use super::fail::{self, wrong};
use super::out::{Out, short};
use super::transfer::hash_file;
use clap::Args;
use lapwing_api::problem::{FieldFault, Problem};
use lapwing_node::folder;
use lapwing_record::bundle::{Bundle, MAX_BUNDLE, Report};
use lapwing_record::identity::words;
use lapwing_record::statement::BlobRef;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks an exported case offline: who said what, that officers approved it, and that the other node received it.
///
/// What it cannot show: that a party that is no founder took part in the federation (compare its id with somebody who
/// knows it), and that nothing was said after the last statement in the file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing verify case-7.bundle
  lapwing verify case-7.bundle --evidence ./case-7/evidence --json")]
pub struct Verify {
    /// The bundle, from `lapwing case export`.
    bundle: PathBuf,
    /// Compare the items in this folder with what was signed.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

/// What became of an item of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Its content is not in the folder.
    Absent,
    /// The content that was signed.
    Same,
    /// Another content.
    Changed,
    /// The content that was signed, under another name than the signed one.
    Renamed(String),
}

/// One item.
struct Item {
    name: String,
    state: State,
}

impl Item {
    /// Why it does not hold.
    fn fault(&self) -> Option<FieldFault> {
        let what = match &self.state {
            State::Absent | State::Same => return None,
            State::Changed => "evidence_changed: is not the content that was signed".into(),
            State::Renamed(name) => format!("evidence_renamed: stands in the folder as `{name}`"),
        };
        Some(FieldFault { path: self.name.clone(), what })
    }
}

fn compare(out: Out, bundle: &Bundle, dir: &Path) -> Result<Vec<Item>, Problem> {
    let mut items = Vec::new();
    for blob in &bundle.evidence {
        let plain = !blob.name.contains(['/', '\\', '\0']) && !matches!(blob.name.as_str(), "" | "." | "..");
        let path = dir.join(&blob.name);
        let state = match plain && path.is_file() {
            false => renamed(out, bundle, blob, dir)?.map_or(State::Absent, State::Renamed),
            true if is_content(out, blob, &path)? => State::Same,
            true => State::Changed,
        };
        items.push(Item { name: blob.name.clone(), state });
    }
    Ok(items)
}

fn is_content(out: Out, blob: &BlobRef, path: &Path) -> Result<bool, Problem> {
    let found = hash_file(out, path)?;
    Ok(found.sha256 == blob.sha256_plain.0 && found.blake3 == blob.b3_plain.0)
}

/// The file of a name that the bundle does not have, and of the very content of an item that is missing.
fn renamed(out: Out, bundle: &Bundle, blob: &BlobRef, dir: &Path) -> Result<Option<String>, Problem> {
    for entry in std::fs::read_dir(dir).map_err(|e| fail::io("read", dir, e))? {
        let entry = entry.map_err(|e| fail::io("read", dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let like = entry.metadata().is_ok_and(|m| m.is_file() && m.len() == blob.size);
        if like && bundle.evidence.iter().all(|b| b.name != name) && is_content(out, blob, &entry.path())? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl Verify {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        let bytes = folder::read(&self.bundle, MAX_BUNDLE as u64).map_err(fail::file)?;
        let bundle = Bundle::decode(&bytes);
        let report = bundle.as_ref().map_err(Clone::clone).and_then(Bundle::verify).map_err(|e| {
            wrong(format!("{} does NOT hold: {e}", self.bundle.display()))
                .hint("It was changed, cut short, or is no bundle. Ask for it again.")
                .faults(vec![FieldFault { path: e.path(), what: format!("{}: {e}", e.code()) }])
        })?;
        let bundle = bundle.map_err(|e| wrong(e.to_string()))?;
        let items = match &self.evidence {
            Some(dir) => compare(ctx.out, &bundle, dir)?,
            None => bundle.evidence.iter().map(|b| Item { name: b.name.clone(), state: State::Absent }).collect(),
        };
        let faults: Vec<FieldFault> = items.iter().filter_map(Item::fault).collect();
        if !faults.is_empty() {
            let what = format!("the statements hold, but {} item(s) of evidence do NOT", faults.len());
            return Err(wrong(what).faults(faults));
        }
        let listed: Vec<_> =
            items.iter().map(|i| json!({ "name": i.name, "same": (i.state == State::Same).then_some(true) })).collect();
        let value = json!({ "ok": true, "report": report, "evidence": listed });
        ctx.out.answer(&value, || show(ctx.out, &report, &items));
        Ok(ExitCode::SUCCESS)
    }
}

fn show(out: Out, report: &Report, items: &[Item]) {
    let party = |p: &lapwing_record::bundle::Party| {
        let founder = if p.founder { "a founder" } else { "no founder: compare its id" };
        format!("{} ({}, {}), {founder}, {}", p.short_name, p.legal_name, p.country, p.pid)
    };
    out.pairs(&[
        ("federation", format!("{} ({})", report.federation, report.network)),
        ("words", words(&report.network.0)),
        ("case", report.thread.to_string()),
        ("requester", party(&report.requester)),
        ("target", party(&report.target)),
    ]);
    let name = |pid: &lapwing_record::id::Pid| match *pid == report.requester.pid {
        true => report.requester.short_name.clone(),
        false => report.target.short_name.clone(),
    };
    let row = |l: &lapwing_record::bundle::Line| {
        let by: Vec<String> = l.approved_by.iter().map(|k| k.short()).collect();
        let received = l.received.map_or_else(|| "no receipt".into(), |ms| out.time_ms(ms));
        vec![name(&l.from), l.kind.to_string(), out.time_ms(l.said), received, by.join(", "), short(&l.id.to_string())]
    };
    let rows = report.statements.iter().map(row).collect();
    out.table(&["from", "says", "by its clock", "received there", "approved by", "id"], rows, "no statements");
    for item in items {
        let state = match item.state {
            State::Same => "the content that was signed",
            _ => "named; its content was not compared",
        };
        out.line(format!("evidence {}: {state}", super::out::one_line(&item.name)));
    }
    out.line("every signature, chain and receipt in it holds");
}
