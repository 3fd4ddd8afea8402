//! `lapwing evidence redact`: a copy without what must not be passed on.

use crate::cli::Ctx;
use crate::cli::evidence::worker_command;
use crate::cli::fail::{self, Done, conflict, wrong};
use crate::cli::hex;
use clap::Args;
use lapwing_api::problem::{Code, Problem};
use lapwing_evidence::limits::Limits;
use lapwing_evidence::redact::{Copy, Place, redact};
use lapwing_evidence::worker::find_texts;
use lapwing_node::folder;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// What to take out of what.
#[derive(Debug, Args)]
pub struct Redact {
    /// The sample; it stays as it is.
    file: PathBuf,
    /// A string to take out, whatever the case of its letters; may be given several times.
    #[arg(long, value_name = "TEXT", required_unless_present = "address")]
    remove: Vec<String>,
    /// An e-mail address to take out: as it stands, percent-encoded, and with = for @ as bounce addresses have it.
    #[arg(long, value_name = "EMAIL")]
    address: Vec<String>,
    /// The copy to write; nothing is overwritten.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Redact {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        fail::free(&self.out)?;
        let mut texts = self.remove;
        for address in &self.address {
            if address.split_once('@').is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) {
                return Err(wrong(format!("{address} is no e-mail address")).hint("For anything else: --remove TEXT."));
            }
            texts.extend([address.clone(), address.replace('@', "%40"), address.replace('@', "=")]);
        }
        let limits = Limits::default();
        let original = folder::read(&self.file, limits.max_bytes).map_err(fail::file)?;
        if original.contains(&0) {
            return Err(wrong(format!("{} is no text: nothing was written", self.file.display()))
                .hint("Only mail, reports and other text are redacted; hold anything else back."));
        }
        let copy = redact(&original, &texts).map_err(|e| wrong(e.to_string()))?;
        let left = find_texts(&worker_command()?, &copy.bytes, &texts, &limits).map_err(|w| {
            wrong(format!("{} could not be searched ({w}): nothing was written", self.file.display()))
                .hint("What cannot be read whole cannot be redacted safely: hold it back, or extract the text by hand.")
        })?;
        if !left.is_empty() {
            return Err(still_there(&texts, &left));
        }
        if copy.counts.iter().all(|n| *n == 0) {
            return Err(wrong("none of these strings is in the file: nothing was written"));
        }
        folder::write_new(&self.out, &copy.bytes).map_err(fail::file)?;
        let (before, after) = (sha256(&original), sha256(&copy.bytes));
        let removed = removed(&texts, &copy);
        let value = json!({
            "file": self.out, "size": copy.bytes.len(), "sha256": after, "redaction_of": before, "removed": removed,
        });
        ctx.out.answer(&value, || {
            let times: u64 = copy.counts.iter().sum();
            ctx.out.line(format!("written: {} ({} bytes, {times} places)", self.out.display(), copy.bytes.len()));
            ctx.out.pairs(&[("original sha256", before.clone()), ("redacted sha256", after.clone())]);
            ctx.out.line(
                "in the manifest: the copy with original = false and redaction_of = the original's sha256; the original \
                 with held_back = true",
            );
        });
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(&<[u8; 32]>::from(Sha256::digest(bytes)))
}

/// How often each string was taken out; the strings themselves stay with the caller, who knows them.
fn removed(texts: &[String], copy: &Copy) -> Vec<serde_json::Value> {
    texts.iter().zip(&copy.counts).map(|(text, times)| json!({ "bytes": text.len(), "times": times })).collect()
}

/// A string stands there as well where it is encoded: a copy would still tell it.
fn still_there(texts: &[String], left: &[Place]) -> Problem {
    let places: Vec<String> = left
        .iter()
        .take(10)
        .map(|p| {
            let text = texts.get(p.text).map_or("?", String::as_str);
            match p.encoding.as_str() {
                "not_searched" => format!("anything in part {} and beyond, which is more than is searched", p.part),
                "header" => format!("`{text}` in an encoded header of part {}", p.part),
                "none" => format!("`{text}` in part {}, split over lines or escaped", p.part),
                encoding => format!("`{text}` in part {}, which is {encoding}", p.part),
            }
        })
        .collect();
    let what = format!("once decoded, the copy would still hold {}: nothing was written", places.join("; "));
    Problem { code: Code::Conflict, ..conflict(what) }
        .hint("Encoded parts are not re-encoded. Hold the item back, or send the extracted text instead.")
}
