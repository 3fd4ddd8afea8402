//! `lapwing backup`, `lapwing restore`: copies of a node, made while it runs.

use super::ask::{self, Unlock};
use super::fail::{self, Done, wrong};
use super::out::size;
use super::transfer::{Hashes, bar, save};
use super::{Ctx, key};
use clap::{Args, Subcommand};
use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::Status;
use lapwing_node::backup::{BackupError, Header, Part, Recipient};
use lapwing_node::folder;
use lapwing_node::keys::{self, KeyFileError, KeyKind, Passphrase};
use lapwing_node::office::rfc3339;
use lapwing_node::restore::{self, RestoreError, Restored, Wanted};
use lapwing_record::id::Pid;
use lapwing_record::sign::SecretKey;
use lapwing_store::archive::ArchiveError;
use serde_json::json;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Backups of the running node: one file of the data, one of the keyring, which is kept apart and expires.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Makes a backup key and sets it up for the node. `lapwing init` has made one already.
    #[command(after_help = "Examples:\n  lapwing backup key -o /media/usb/backup.key

Backups made before stay sealed to the key before: keep it as long as them.")]
    Key(NewKey),
    /// Makes a backup of the running node: two new files in a folder.
    #[command(after_help = "Examples:
  lapwing backup make --out /var/backups/lapwing
  lapwing backup make --out /var/backups/lapwing --part data
  lapwing backup make --out /mnt/short-lived --part keyring     where it is deleted when it expires
  lapwing backup make --out /var/backups/lapwing --prune-expired --keep 14      as the packaged timer does

What is removed: files of this node alone, as they say of themselves, in that folder, after the new ones were checked.")]
    Make(Make),
    /// Checks backups: whole and unchanged; with the backup key, that they restore.
    #[command(after_help = "Examples:
  lapwing backup verify /var/backups/lapwing/harbor-20260501T020000000Z.data.lapwing-backup
  lapwing backup verify harbor-*.lapwing-backup --key /media/usb/backup.key")]
    Verify(Verify),
}

/// Where a new backup key goes.
#[derive(Debug, Args)]
pub struct NewKey {
    /// Where to write it; never overwritten. It belongs offline, away from the backups.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// File whose first line is the new key's passphrase; else it is asked for, twice.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave the key in clear. For trials only.
    #[arg(long)]
    insecure_no_passphrase: bool,
    #[arg(long, hide = true)]
    trial_kdf: bool,
}

/// What is made.
#[derive(Debug, Args)]
pub struct Make {
    /// The folder that the files go to.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Only this part: data or keyring.
    #[arg(long, value_name = "PART")]
    part: Option<Part>,
    /// Then remove this node's backups of the keyring that have expired: erasure is complete without them only.
    #[arg(long)]
    prune_expired: bool,
    /// Then remove this node's backups of the data but the newest N.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
}

/// What is checked.
#[derive(Debug, Args)]
pub struct Verify {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The backup key: then everything is opened and checked as a restore would.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    secrets: Secrets,
}

/// Passphrases.
#[derive(Debug, Args)]
pub struct Secrets {
    #[command(flatten)]
    unlock: Unlock,
    /// File whose first line is the passphrase of the node's keys; else it is asked for where they need one.
    #[arg(long, value_name = "FILE")]
    node_passphrase_file: Option<PathBuf>,
}

/// Restores a node from its backups into a new data folder.
///
/// A restored node signs nothing until its own latest entries have come back from other nodes, and says nothing in a
/// case before it was compared with the other side: so it never contradicts what it said after the backup.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing --data /var/lib/lapwing/data restore harbor-*.lapwing-backup --key /media/usb/backup.key
  lapwing --data ./data restore data.lapwing-backup keyring.lapwing-backup --key backup.key --erasures old.erasures

The newest erasure list is `<data>.erasures`, beside the data folder of the node that is replaced. On the same machine
it is found there; on another give it with --erasures, or what was erased since the backup comes back.")]
pub struct Restore {
    /// The backups: one of the data and one of the keyring.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The backup key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// An erasure list that is newer than the backup.
    #[arg(long, value_name = "FILE")]
    erasures: Vec<PathBuf>,
    /// Do without the keyring: no content of any case can be read any more.
    #[arg(long)]
    without_keyring: bool,
    #[command(flatten)]
    secrets: Secrets,
}

impl Backup {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        match self {
            Backup::Key(v) => v.run(ctx),
            Backup::Make(v) => v.run(ctx),
            Backup::Verify(v) => v.run(ctx),
        }
    }
}

impl NewKey {
    fn run(self, ctx: &Ctx) -> Done {
        let folder = ctx.folder();
        if !folder.keys().is_dir() {
            return Err(Problem::new(Code::Config, format!("{} is no data folder", folder.root().display()))
                .hint("`--data DIR` tells which node is meant; `lapwing init` makes a data folder."));
        }
        fail::free(&self.out)?;
        let passphrase = ask::new_passphrase(self.passphrase_file.as_deref(), self.insecure_no_passphrase)?;
        let seed = SecretKey::from_seed(keys::random().map_err(fail::key)?);
        let cost = key::cost(self.trial_kdf);
        keys::write_key(&self.out, KeyKind::Backup, seed.seed(), passphrase.as_ref(), cost).map_err(fail::key)?;
        let recipient = Recipient::of(seed.seed());
        folder::replace(&folder.backup_recipient(), &recipient.file()).map_err(fail::file)?;
        ctx.out.answer(&json!({ "file": self.out, "kid": recipient.kid() }), || {
            ctx.out.line(format!("backups are sealed to {} from now on", self.out.display()));
            ctx.out.line("keep it offline and away from the backups: without it they open for nobody");
        });
        Ok(())
    }
}

impl Make {
    fn run(self, ctx: &Ctx) -> Done {
        let node = ctx.node()?;
        let status: Status = node.read(Op::Status, &[], &Vec::new())?;
        // the keyring last: the keys of every case that the data names are in it
        let parts = match self.part {
            Some(part) => vec![part],
            None => vec![Part::Data, Part::Keyring],
        };
        let mut made = Vec::new();
        for part in parts {
            let time: String = rfc3339(lapwing_node::office::now_ms()).replace(['-', ':', '.'], "");
            let path = self.out.join(format!("{}-{time}.{part}.lapwing-backup", status.me.short_name));
            let (content, len) = node.download(Op::Backup, &[], &vec![("part", part.code().into())])?;
            folder::create_dir(&self.out).map_err(fail::file)?;
            let bar = bar(ctx.out, &format!("backup of the {part}"), len.unwrap_or(0));
            let complete = |found: &Hashes| match len {
                Some(len) if len != found.len => {
                    Err(Problem::new(Code::Unreachable, "the backup was cut short; nothing was written")
                        .hint("Try again; the node's log says what went wrong."))
                }
                _ => Ok(()),
            };
            let found = save(&path, bar.wrap_read(content), complete)?;
            bar.finish_and_clear();
            let header = check(&path)?;
            made.push((path, found.len, header));
        }
        let mut removed = Vec::new();
        // a clock that jumped ahead would take what has not expired for expired
        if let Some(doubt) = status.clock_doubt.filter(|_| self.prune_expired) {
            return Err(Problem::new(
                Code::Conflict,
                format!("the backup is made; nothing expired is removed: {doubt}"),
            )
            .hint("Set this machine's clock (`timedatectl`); the next run removes it."));
        }
        if self.prune_expired || self.keep.is_some() {
            let me = made.first().map(|(_, _, header)| header.pid);
            let found = of_node(&self.out, me)?;
            for path in superfluous(found, lapwing_node::office::now_ms(), self.prune_expired, self.keep) {
                std::fs::remove_file(&path).map_err(|e| fail::io("remove", &path, e))?;
                removed.push(path);
            }
        }
        let mut shown = made.iter().map(|(path, len, header)| described(path, Some(*len), header)).collect::<Vec<_>>();
        if !removed.is_empty() {
            shown.push(json!({ "removed": removed }));
        }
        ctx.out.answer(&shown, || {
            for (path, len, header) in &made {
                let until = header.expires.map(|at| format!(", expires {}", ctx.out.time_ms(at))).unwrap_or_default();
                ctx.out.line(format!("{} ({}{until})", path.display(), size(*len)));
            }
            for path in &removed {
                ctx.out.line(format!("removed {}", path.display()));
            }
        });
        Ok(())
    }
}

/// The backups of one node in a folder, as they say of themselves. What does not read as a backup is left alone.
fn of_node(dir: &Path, pid: Option<Pid>) -> Result<Vec<(PathBuf, Header)>, Problem> {
    let entries = std::fs::read_dir(dir).map_err(|e| fail::io("list", dir, e))?;
    let named = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "lapwing-backup"));
    let read = named.filter_map(|path| Header::peek(&path).ok().map(|header| (path, header)));
    Ok(read.filter(|(_, header)| Some(header.pid) == pid).collect())
}

/// Those that may go: expired ones of the keyring, and all of the data but the newest.
fn superfluous(mut all: Vec<(PathBuf, Header)>, now: u64, expired: bool, keep: Option<u16>) -> Vec<PathBuf> {
    all.sort_by_key(|(_, header)| std::cmp::Reverse(header.made));
    let mut data = 0;
    all.retain(|(_, header)| match header.part {
        Part::Keyring => expired && header.expires.is_some_and(|at| at <= now),
        Part::Data => {
            data += 1;
            keep.is_some_and(|keep| data > usize::from(keep))
        }
    });
    all.into_iter().map(|(path, _)| path).collect()
}

fn described(path: &Path, len: Option<u64>, h: &Header) -> serde_json::Value {
    json!({
        "file": path, "bytes": len, "part": h.part, "short_name": h.short_name, "pid": h.pid, "network_id": h.network,
        "made": rfc3339(h.made), "records": h.records, "program": h.program, "format": h.format,
        "expires": h.expires.map(rfc3339),
    })
}

fn check(path: &Path) -> Result<Header, Problem> {
    Header::check(path).map_err(|e| backup(path, e))
}

fn backup(path: &Path, error: BackupError) -> Problem {
    let text = format!("{}: {error}", path.display());
    match error {
        BackupError::File(e) => fail::file(e),
        BackupError::Archive(ArchiveError::Io(e)) => fail::io("read", path, e),
        BackupError::Newer { .. } | BackupError::Archive(ArchiveError::Version(_)) => {
            wrong(text).hint("Use the version of lapwing that made it, or a later one.")
        }
        BackupError::OtherKey => {
            wrong(text).hint("`lapwing key show FILE` shows a key; older backups need the key before.")
        }
        _ => wrong(text).hint("Take another backup; this file is not what was written."),
    }
}

impl Secrets {
    fn backup_key(&self, file: &Path) -> Result<Zeroizing<[u8; 32]>, Problem> {
        let key = self.unlock.open(file, KeyKind::Backup)?;
        Ok(Zeroizing::new(*key.seed()))
    }

    fn node(&self) -> Result<Option<Passphrase>, Problem> {
        self.node_passphrase_file.as_deref().map(Passphrase::from_file).transpose().map_err(fail::passphrase)
    }
}

/// Restores; asks for the node's passphrase where it turns out to be needed.
fn attempt(ctx: &Ctx, target: &folder::Folder, mut wanted: Wanted<'_>) -> Result<Restored, Problem> {
    ctx.out.note("checking and unpacking …");
    match restore::restore(target, &wanted) {
        Err(RestoreError::Key(KeyFileError::PassphraseNeeded(_))) if ask::somebody() => {
            let asked =
                rpassword::prompt_password("Passphrase of the node's keys: ").map_err(|e| wrong(e.to_string()))?;
            let passphrase = Passphrase::new(asked).map_err(fail::passphrase)?;
            wanted.passphrase = Some(passphrase);
            restore::restore(target, &wanted).map_err(refused)
        }
        other => other.map_err(refused),
    }
}

fn refused(error: RestoreError) -> Problem {
    let text = error.to_string();
    match error {
        RestoreError::Backup { path, source } => backup(&path, source),
        RestoreError::File(e) => fail::file(e),
        RestoreError::Key(KeyFileError::PassphraseNeeded(_)) => {
            wrong("the node's keys in the backup are under a passphrase").hint("Give `--node-passphrase-file FILE`.")
        }
        RestoreError::Key(e) => fail::key(e),
        RestoreError::Parts(_) | RestoreError::OtherNode(..) => {
            wrong(text).hint("`lapwing backup verify FILE` says what each file is.")
        }
        RestoreError::NoKeyring => wrong(text).hint(
            "Give the keyring's backup too. If there is none, `--without-keyring` restores what can be: identity, \
             directory, receipts; the other sides still hold what was said.",
        ),
        RestoreError::KeyringOlder => wrong(text).hint("Take the newest backup of the keyring."),
        RestoreError::Expired(_) => wrong(text).hint(
            "Take a newer one; if there is none, `--without-keyring` restores what can be. Delete the expired one.",
        ),
        RestoreError::Taken(_) => {
            fail::conflict(text).hint("Nothing is overwritten: choose another `--data`, or move it away.")
        }
        RestoreError::OfAnother(_) => {
            fail::conflict(text).hint("Choose another `--data`: one node's leavings are not another's.")
        }
        RestoreError::Journal(lapwing_store::journal::OpenError::Version { .. }) => {
            wrong(text).hint("Use the version of lapwing that made it, or a later one.")
        }
        RestoreError::Beside(_) => wrong(text).hint("Mend or move away the file that is named."),
        _ => wrong(text).hint("Take another backup; this one was damaged before it was made, or is not whole."),
    }
}

impl Verify {
    fn run(self, ctx: &Ctx) -> Done {
        let mut headers = Vec::new();
        for path in &self.files {
            headers.push((path, check(path)?));
        }
        let now = lapwing_node::office::now_ms();
        let mut shown: Vec<_> = headers.iter().map(|(path, h)| described(path, None, h)).collect();
        let mut restores = None;
        if let Some(file) = &self.key {
            let scratch = tempfile::Builder::new().prefix("lapwing-verify-").tempdir();
            let scratch = scratch.map_err(|e| fail::io("make a folder in", &std::env::temp_dir(), e))?;
            let passphrase = self.secrets.node()?;
            let target = folder::Folder::new(scratch.path().join("verified"));
            let without = !headers.iter().any(|(_, h)| h.part == Part::Keyring);
            let wanted = Wanted {
                files: &self.files,
                key: self.secrets.backup_key(file)?,
                erasures: &[],
                without_keyring: without,
                passphrase,
            };
            let restored = attempt(ctx, &target, wanted)?;
            shown.push(json!({ "restores": restored }));
            restores = Some(restored);
        }
        ctx.out.answer(&shown, || {
            let row = |(path, h): &(&PathBuf, Header)| {
                let until = match h.expires {
                    Some(at) if at <= now => format!("EXPIRED {}", ctx.out.time_ms(at)),
                    Some(at) => ctx.out.time_ms(at),
                    None => "never".into(),
                };
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                vec![name, h.short_name.clone(), h.part.to_string(), ctx.out.time_ms(h.made), until, h.program.clone()]
            };
            let header = ["file", "node of", "part", "as of", "expires", "made by"];
            ctx.out.table(&header, headers.iter().map(row).collect(), "");
            match &restores {
                Some(r) => ctx.out.line(format!(
                    "opened and checked: {} records, {} cases, {} items of evidence",
                    r.records, r.cases, r.evidence
                )),
                None => ctx.out.line("whole and unchanged; with `--key` it is opened and checked too"),
            }
        });
        Ok(())
    }
}

impl Restore {
    /// Carries it out.
    pub fn run(self, ctx: &Ctx) -> Done {
        let target = ctx.folder();
        let passphrase = self.secrets.node()?;
        let listed = target.erasures().exists() || !self.erasures.is_empty();
        let wanted = Wanted {
            files: &self.files,
            key: self.secrets.backup_key(&self.key)?,
            erasures: &self.erasures,
            without_keyring: self.without_keyring,
            passphrase,
        };
        let restored = attempt(ctx, &target, wanted)?;
        ctx.out.answer(&restored, || {
            let out = ctx.out;
            out.line(format!("{} is restored as of {}", restored.short_name, out.time(&restored.made)));
            out.line(format!(
                "  {} records, {} cases, {} items of evidence; {} erased again",
                restored.records, restored.cases, restored.evidence, restored.erased_again
            ));
            if !listed {
                out.line("  no newer erasure list was found or given: what was erased since the backup is back");
            }
            if !restored.keyring {
                out.line("  without its keyring: no content of any case can be read");
            }
            out.line(format!("next: lapwing --data {} run", target.root().display()));
            out.line("  It signs nothing until its own latest entries have come back; `lapwing status` tells.");
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::cbor::Bytes;
    use lapwing_record::id::NetworkId;

    fn header(part: Part, made: u64, expires: Option<u64>) -> (PathBuf, Header) {
        let header = Header {
            version: 1,
            part,
            network: NetworkId([2; 32]),
            pid: Pid([1; 32]),
            short_name: "x".into(),
            made,
            format: 1,
            program: "0".into(),
            records: 0,
            expires,
            sealed: Bytes(Vec::new()),
        };
        (format!("{part}-{made}").into(), header)
    }

    #[test]
    fn only_expired_keyrings_and_data_beyond_the_newest_are_superfluous() {
        let all = || {
            vec![
                header(Part::Data, 1, None),
                header(Part::Data, 3, None),
                header(Part::Data, 2, None),
                header(Part::Keyring, 1, Some(10)),
                header(Part::Keyring, 3, Some(11)),
            ]
        };
        let names = |now, expired, keep| -> Vec<String> {
            superfluous(all(), now, expired, keep).iter().map(|p| p.display().to_string()).collect()
        };
        assert_eq!(names(10, true, None), ["keyring-1"]);
        assert_eq!(names(9, true, None), [""; 0]);
        assert_eq!(names(99, false, Some(2)), ["data-1"]);
        assert_eq!(names(99, true, Some(1)), ["keyring-3", "data-2", "data-1", "keyring-1"]);
        assert_eq!(names(99, false, None), [""; 0]);
    }
}
