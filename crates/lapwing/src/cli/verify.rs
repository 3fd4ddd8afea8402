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

/// What became of one item of evidence.
struct Item {
    name: String,
    /// None where its content is not in the folder.
    same: Option<bool>,
}

fn compare(out: Out, bundle: &Bundle, dir: &Path) -> Result<Vec<Item>, Problem> {
    let mut items = Vec::new();
    for blob in &bundle.evidence {
        let plain = !blob.name.contains(['/', '\\', '\0']) && !matches!(blob.name.as_str(), "" | "." | "..");
        let path = dir.join(&blob.name);
        let same = match plain && path.is_file() {
            false => None,
            true => {
                let found = hash_file(out, &path)?;
                Some(found.sha256 == blob.sha256_plain.0 && found.blake3 == blob.b3_plain.0)
            }
        };
        items.push(Item { name: blob.name.clone(), same });
    }
    Ok(items)
}

impl Verify {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        let bytes = folder::read(&self.bundle, MAX_BUNDLE as u64).map_err(fail::file)?;
        let bundle = Bundle::decode(&bytes);
        let report = bundle.as_ref().map_err(Clone::clone).and_then(Bundle::verify).map_err(|e| {
            wrong(format!("{} does NOT hold: {e}", self.bundle.display()))
                .hint("It was changed, cut short, or is no bundle. Ask for it again.")
        })?;
        let bundle = bundle.map_err(|e| wrong(e.to_string()))?;
        let items = match &self.evidence {
            Some(dir) => compare(ctx.out, &bundle, dir)?,
            None => bundle.evidence.iter().map(|b| Item { name: b.name.clone(), same: None }).collect(),
        };
        let changed: Vec<&Item> = items.iter().filter(|i| i.same == Some(false)).collect();
        if !changed.is_empty() {
            let fault =
                |i: &&Item| FieldFault { path: i.name.clone(), what: "is not the content that was signed".into() };
            let what = format!("the statements hold, but {} item(s) of evidence do NOT", changed.len());
            return Err(wrong(what).faults(changed.iter().map(fault).collect()));
        }
        let listed: Vec<_> = items.iter().map(|i| json!({ "name": i.name, "same": i.same })).collect();
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
        let state = match item.same {
            Some(true) => "the content that was signed",
            _ => "named; its content was not compared",
        };
        out.line(format!("evidence {}: {state}", super::out::one_line(&item.name)));
    }
    out.line("every signature, chain and receipt in it holds");
}
