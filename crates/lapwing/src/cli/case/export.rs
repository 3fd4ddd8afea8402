//! A case as a file: bundle, pages, table, report.

use crate::cli::fail::Done;
use crate::cli::out::size;
use crate::cli::transfer::{bar, save};
use crate::cli::{Ctx, hex};
use clap::{Args, ValueEnum};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use serde_json::json;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "Examples:
  lapwing case export 4k3mzx7q -o case-7.bundle
  lapwing case export 4k3mzx7q --format pdf --purpose court -o case-7.pdf
  lapwing case export 4k3mzx7q --format csv --table timeline -o timeline.csv
  lapwing case export 4k3mzx7q --format xarf --item mail.eml -o report.json";

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Everything, signed: `lapwing verify` checks it
    Bundle,
    /// Pages for people, the markings on each
    Pdf,
    /// One table: --table
    Csv,
    /// A report of one message for an abuse desk: --item
    Xarf,
}

/// What it is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// This agency's own use
    Own,
    /// Use before a court
    Court,
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Persons and infrastructure, one row an identifier
    Parties,
    /// What was said, with ids, receipts and hashes
    Timeline,
    /// The evidence manifest
    Evidence,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The case.
    thread: String,
    /// Where to write it; a file that is there is not replaced.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// What kind of file.
    #[arg(long, value_enum, default_value_t = Format::Bundle)]
    format: Format,
    /// What it is made for: a marking may allow one and not the other. Not of a report.
    #[arg(long, value_enum)]
    purpose: Option<Purpose>,
    /// Of csv: which table; parties if not said.
    #[arg(long, value_enum)]
    table: Option<Table>,
    /// Of xarf: which message of the evidence, by name or blob; the first that is here if not said.
    #[arg(long, value_name = "ITEM")]
    item: Option<String>,
}

/// The stable token of a choice.
fn token<T: ValueEnum>(choice: T) -> Option<String> {
    choice.to_possible_value().map(|v| v.get_name().to_owned())
}

impl Export {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let query = self.query()?;
        crate::cli::fail::free(&self.out)?;
        let op = match self.format {
            Format::Bundle => Op::Export,
            Format::Pdf => Op::ExportPdf,
            Format::Csv => Op::ExportCsv,
            Format::Xarf => Op::ExportXarf,
        };
        let (content, len) = ctx.node()?.download(op, &[&self.thread], &query)?;
        let bar = bar(ctx.out, "exporting", len.unwrap_or(0));
        let complete = |found: &crate::cli::transfer::Hashes| match len {
            Some(len) if len != found.len => {
                Err(Problem::new(Code::Unreachable, "the file was cut short; nothing was written"))
            }
            _ => Ok(()),
        };
        let out = &self.out;
        let found = save(out, bar.wrap_read(content), complete)?;
        bar.finish_and_clear();
        let value = json!({
            "file": out, "format": token(self.format), "bytes": found.len,
            "blake3": hex::encode(&found.blake3), "sha256": hex::encode(&found.sha256),
        });
        ctx.out.answer(&value, || {
            let check = match self.format {
                Format::Bundle => format!("; check it anywhere: lapwing verify {}", out.display()),
                _ => String::new(),
            };
            ctx.out.line(format!("{} ({}){check}", out.display(), size(found.len)));
        });
        Ok(())
    }

    /// What the node is asked; an option of another format is refused.
    fn query(&self) -> Result<Vec<(&'static str, String)>, Problem> {
        let options = [
            ("purpose", self.purpose.and_then(token), self.format != Format::Xarf),
            ("table", self.table.and_then(token), self.format == Format::Csv),
            ("item", self.item.clone(), self.format == Format::Xarf),
        ];
        let mut query = Vec::new();
        for (name, value, fits) in options {
            match value {
                Some(_) if !fits => {
                    let format = token(self.format).unwrap_or_default();
                    return Err(Problem::new(Code::Malformed, format!("--{name} says nothing with --format {format}")));
                }
                Some(value) => query.push((name, value)),
                None => {}
            }
        }
        Ok(query)
    }
}
