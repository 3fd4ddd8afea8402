//! `lapwing repair`: looks through a data folder byte by byte, and mends what can be mended without a backup.

use super::Ctx;
use super::ask;
use super::fail::{self, wrong};
use clap::Args;
use lapwing_api::problem::{Audience, Code, Problem};
use lapwing_node::config::Settings;
use lapwing_node::folder::Folder;
use lapwing_node::keys::{KeyFileError, Passphrase};
use lapwing_node::repair::{self, Remedy, RepairError, Report};
use lapwing_store::journal::OpenError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Looks for damage in a stopped node's data folder; with --yes mends it, as far as that goes without a backup.
///
/// Every byte of journal, keyring, evidence and small files is read and verified. With --yes damaged files are set aside,
/// never removed; what verifies is kept; the node then waits for its own latest entries, compares its cases with the other
/// sides and fetches damaged evidence again, all by itself when it runs. What only a backup has is named, and nothing is
/// changed then.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing repair                      look only
  lapwing --data /var/lib/lapwing/data repair --json
  lapwing repair --yes                mend, then `lapwing run`

Exit codes: 0 nothing is damaged, or all of it was mended; 3 something is damaged.")]
pub struct Repair {
    /// Mend what was found.
    #[arg(long)]
    yes: bool,
    /// File whose first line is the passphrase of the node's keys; else the configured one, or it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Repair {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Result<ExitCode, Problem> {
        let folder = ctx.folder();
        if !folder.keys().is_dir() {
            return Err(Problem::new(Code::Config, format!("{} is no data folder", folder.root().display()))
                .hint("`--data DIR` tells which node is meant; `lapwing init` makes a data folder."));
        }
        let configured = || Settings::load(&folder).ok().and_then(|settings| settings.keys.passphrase_file);
        let file = self.passphrase_file.clone().or_else(configured);
        let passphrase = Passphrase::find(file.as_deref()).map_err(fail::passphrase)?;
        ctx.out.note("reading and verifying every byte …");
        let report = match self.attempt(&folder, passphrase.as_ref()) {
            Err(RepairError::Key(KeyFileError::PassphraseNeeded(_))) if ask::somebody() => {
                let asked = rpassword::prompt_password("Passphrase of the node's keys: ");
                let asked = asked.map_err(|e| wrong(e.to_string()))?;
                let passphrase = Passphrase::new(asked).map_err(fail::passphrase)?;
                self.attempt(&folder, Some(&passphrase))
            }
            other => other,
        };
        let report = report.map_err(refused)?;
        ctx.out.answer(&report, || tell(ctx, &report));
        match report.findings.is_empty() || report.repaired {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::from(Audience::Config.exit_code())),
        }
    }

    fn attempt(&self, folder: &Folder, passphrase: Option<&Passphrase>) -> Result<Report, RepairError> {
        if self.yes { repair::repair(folder, passphrase) } else { repair::look(folder, passphrase) }
    }
}

fn tell(ctx: &Ctx, report: &Report) {
    let counted = format!("{} records and {} items of evidence verify", report.records, report.evidence);
    if report.findings.is_empty() {
        return ctx.out.line(format!("nothing is damaged: {counted}"));
    }
    let row = |f: &repair::Finding| {
        let then = match f.remedy {
            Remedy::Peers => "other nodes give it back",
            Remedy::Anew => "is made anew",
            Remedy::Backup => "restore it from a backup",
        };
        vec![f.file.display().to_string(), f.what.clone(), then.to_owned()]
    };
    ctx.out.table(&["file", "what is wrong", "what becomes of it"], report.findings.iter().map(row).collect(), "");
    if report.lost + report.aside > 0 {
        ctx.out.line(format!(
            "the journal: {} records are kept, {} are lost, {} behind them do not fit without those",
            report.records, report.lost, report.aside
        ));
    }
    for path in &report.moved {
        ctx.out.line(format!("set aside: {}", path.display()));
    }
    match report.repaired {
        true => {
            ctx.out.line("`lapwing run` starts the node; it signs nothing until its own latest entries are back");
            ctx.out.line("what nobody else had is gone: look at legal holds, notes, assignments and votes under way");
        }
        false => ctx.out.line("nothing was changed; `lapwing repair --yes` mends it, docs/operations.md says how"),
    }
}

fn refused(error: RepairError) -> Problem {
    let text = error.to_string();
    match error {
        RepairError::Lock(_) => fail::conflict(text).hint("`lapwing stop` stops the node that uses the folder."),
        RepairError::File(e) => fail::file(e),
        RepairError::Key(e) => fail::key(e),
        RepairError::Journal(OpenError::Version { .. }) => Problem::new(Code::Config, text)
            .hint("A later version of lapwing has written to this folder: use that version, or a later one."),
        RepairError::OnlyBackup { .. } => Problem::new(Code::Config, text)
            .hint("Nothing was changed. Restore the node from its backups: `lapwing restore`."),
        _ => Problem::new(Code::Internal, text),
    }
}
