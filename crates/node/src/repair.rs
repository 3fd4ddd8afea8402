//! A data folder that a disk has damaged: what is wrong with it, and what can be made good without a backup.
//!
//! ```text
//! look    every byte of journal, keyring, evidence and small files is read and verified; each fault is named
//! repair  journal   what verifies, before and behind the damage, goes into a new journal; the folder is marked like a
//!                   restored one: it signs nothing until its own head is back, cases are compared, peers give back the rest
//!         evidence  set aside; the node fetches it again from the other side of its case
//!         others    set aside and made anew, or named as what only a backup has
//! ```
//!
//! Nothing is thrown away: what is damaged stays in the folder under another name. Nobody works on the folder meanwhile.

use crate::backup::Recipient;
use crate::book::{self, write_fact};
use crate::cores;
use crate::erasure;
use crate::folder::{self, FileError, Folder};
use crate::founding::Identity;
use crate::keys::{self, KeyFileError, KeyKind, Passphrase};
use crate::node::{own_log, read_charter, read_highwater};
use crate::search::saved::SavedSearches;
use crate::tokens::Tokens;
use lapwing_engine::author::Placed;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::{FORMAT, Fact};
use lapwing_engine::internal::Matter;
use lapwing_engine::state::State;
use lapwing_record::cbor::Bytes;
use lapwing_store::blobs::BlobStore;
use lapwing_store::disk::os::OsDisk;
use lapwing_store::disk::{Disk, DiskError};
use lapwing_store::journal::{self, AppendError, Journal, OpenError, Options, Position};
use lapwing_store::keyring::{self, Keyring};
use lapwing_store::lock::{DataLock, LockError};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Facts that one batch of a new journal holds.
const BATCH: usize = 512;

/// What becomes of something damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// It is set aside; what verifies is kept, and other nodes give back the rest.
    Peers,
    /// It is set aside and made anew.
    Anew,
    /// Only a backup has it.
    Backup,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What becomes of it.
    pub remedy: Remedy,
}

/// What was found, and done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is damaged. Empty: everything is as it was written.
    pub findings: Vec<Finding>,
    /// Records of the journal that verify.
    pub records: u64,
    /// Records that are known to be lost.
    pub lost: u64,
    /// Records behind the damage that do not fit without what is lost: they are in the damaged journal that is set aside,
    /// and come back from other nodes as far as they have them.
    pub aside: u64,
    /// Items of evidence that were looked through.
    pub evidence: u64,
    /// Whether it was repaired, and not only looked at.
    pub repaired: bool,
    /// Where damaged files are now.
    pub moved: Vec<PathBuf>,
}

/// Why a folder cannot be looked at or repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Somebody works on it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The key that the data lie under.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The journal, for another reason than damage.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The new journal cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The keyring, for another reason than damage.
    #[error(transparent)]
    Keyring(#[from] keyring::OpenError),
    /// Evidence, for another reason than damage.
    #[error(transparent)]
    Blobs(#[from] lapwing_store::blobs::BlobError),
    /// What only a backup has is damaged.
    #[error("{} is damaged ({what}), and nothing else here or elsewhere has it", file.display())]
    OnlyBackup {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A folder that is being looked at.
struct Work<'a> {
    folder: &'a Folder,
    disk: Arc<dyn Disk>,
    mend: bool,
    report: Report,
    /// What the new journal is made for: the engine's beginning.
    seed: Option<Engine>,
    options: Options,
    /// The list of erasures as the keyring has it.
    erasures: Option<erasure::List>,
}

/// Reads and verifies everything in a folder that nobody works on. Changes nothing but what every start changes: an
/// unfinished write at the journal's end is cut.
pub fn look(folder: &Folder, passphrase: Option<&Passphrase>) -> Result<Report, RepairError> {
    work(folder, passphrase, false)
}

/// As [`look`], and sets aside what is damaged so that the node starts again. Stops before anything is changed where only
/// a backup helps.
pub fn repair(folder: &Folder, passphrase: Option<&Passphrase>) -> Result<Report, RepairError> {
    let seen = work(folder, passphrase, false)?;
    if let Some(finding) = seen.findings.iter().find(|f| f.remedy == Remedy::Backup) {
        return Err(RepairError::OnlyBackup { file: finding.file.clone(), what: finding.what.clone() });
    }
    match seen.findings.is_empty() {
        true => Ok(seen),
        false => work(folder, passphrase, true),
    }
}

fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn work(folder: &Folder, passphrase: Option<&Passphrase>, mend: bool) -> Result<Report, RepairError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    folder::create_dir(&folder.run())?;
    let _lock = DataLock::acquire(&*disk, &folder.lock())?;
    let mut report = Report { repaired: mend, ..Report::default() };
    let mut only_backup = |file: PathBuf, what: String| {
        report.findings.push(Finding { file, what, remedy: Remedy::Backup });
    };
    let charter = read_charter(folder).map_err(|e| only_backup(folder.charter(), words(&e))).ok();
    let identity = Identity::read(&folder.identity()).map_err(|e| only_backup(folder.identity(), words(&e))).ok();
    let own = charter.as_ref().zip(identity.as_ref()).and_then(|(charter, identity)| {
        own_log(charter, identity).map_err(|e| only_backup(folder.identity(), words(&e))).ok()
    });
    let mut at_rest = None;
    for (path, kind) in [
        (folder.at_rest_key(), KeyKind::AtRest),
        (folder.feed_key(), KeyKind::Feed),
        (folder.node_key(), KeyKind::Node),
    ] {
        // one in clear takes none
        let sealed = keys::read_info(&path).map_or(true, |info| info.encrypted);
        match keys::read_key(&path, kind, passphrase.filter(|_| sealed)) {
            Ok(key) if kind == KeyKind::AtRest => at_rest = Some(key),
            Ok(_) => {}
            // no damage: whoever runs this has the passphrase to give
            Err(error @ (KeyFileError::PassphraseNeeded(_) | KeyFileError::WrongPassphrase(_))) => {
                return Err(error.into());
            }
            Err(error) => only_backup(path, words(&error)),
        }
    }
    let seed = charter
        .as_ref()
        .zip(own)
        .map(|(charter, own)| Engine::new(charter, own.0, own.1, Config { auto_clear: false, seed: 0 }));
    let options = Options { at_rest_key: at_rest.as_deref().copied(), format: FORMAT, ..Options::default() };
    let mut work = Work { folder, disk, mend, report, seed, options, erasures: None };
    if let Some(at_rest) = at_rest {
        work.keyring(&at_rest)?;
        work.journal()?;
        work.searches(&at_rest)?;
    }
    work.evidence()?;
    work.beside()?;
    Ok(work.report)
}

impl Work<'_> {
    fn find(&mut self, file: PathBuf, what: String, remedy: Remedy) {
        self.report.findings.push(Finding { file, what, remedy });
    }

    /// A name that is free, for what is set aside.
    fn aside(&self, path: &Path) -> PathBuf {
        let name = |n: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".damaged-{n}"));
            PathBuf::from(name)
        };
        (1..).map(name).find(|p| !p.exists()).expect("some number is free")
    }

    fn set_aside(&mut self, path: &Path) -> Result<(), RepairError> {
        let aside = self.aside(path);
        self.disk.rename(path, &aside)?;
        self.disk.sync_dir(lapwing_store::disk::parent(path))?;
        self.report.moved.push(aside);
        Ok(())
    }

    /// The folder waits for its own head and compares its cases before it says anything.
    fn mark(&self) -> Result<(), RepairError> {
        let since = format!("repaired {}", crate::office::rfc3339(crate::office::now_ms()));
        Ok(folder::replace(&self.folder.restored(), since.as_bytes())?)
    }

    fn keyring(&mut self, at_rest: &[u8; 32]) -> Result<(), RepairError> {
        let master = blake3::derive_key("lapwing/1 keyring", at_rest);
        match Keyring::open(self.disk.clone(), &self.folder.keyring(), master) {
            Ok(keyring) => {
                self.erasures = Some(keyring.erasures().map(|e| (Bytes(e.name), e.time_ms)).collect());
            }
            Err(keyring::OpenError::Disk(error)) => return Err(error.into()),
            Err(error) => {
                let file = match &error {
                    keyring::OpenError::Damaged { file } | keyring::OpenError::WrongKey { file } => file.clone(),
                    keyring::OpenError::Journal(OpenError::Damaged(damage)) => damage.file.clone(),
                    _ => self.folder.keyring(),
                };
                self.find(file, words(&error), Remedy::Backup);
            }
        }
        Ok(())
    }

    fn journal(&mut self) -> Result<(), RepairError> {
        let (dir, new) = (self.folder.journal(), self.folder.repaired_journal());
        if new.exists() {
            match dir.exists() {
                // an earlier repair ended before its work was whole
                true if self.mend => remove_all(&new)?,
                true => {}
                false => {
                    self.find(new.clone(), "a repair was interrupted: run it again".into(), Remedy::Peers);
                    if self.mend {
                        self.disk.rename(&new, &dir)?;
                        self.disk.sync_dir(self.folder.root())?;
                    }
                    return Ok(());
                }
            }
        }
        let damage = match Journal::open(self.disk.clone(), &dir, self.options.clone()) {
            Ok((journal, _)) => {
                let mut damage = None;
                for record in journal.reader().replay(None) {
                    match record {
                        Ok((position, bytes)) => match book::read_fact(position, &bytes) {
                            Ok(_) => self.report.records += 1,
                            Err(error) => damage = damage.or(Some(words(&error))),
                        },
                        Err(error) => damage = damage.or(Some(words(&error))),
                    }
                }
                damage.map(|what| (dir.clone(), what))
            }
            Err(OpenError::Damaged(damage)) => Some((damage.file.clone(), damage.to_string())),
            Err(error) => return Err(error.into()),
        };
        let Some((file, what)) = damage else { return Ok(()) };
        self.find(file, what, Remedy::Peers);
        let mut engine = match self.seed.take() {
            Some(engine) => engine.state().clone(),
            None => return Ok(()),
        };
        match self.mend {
            true => self.remake(&dir, &new, &mut engine),
            false => {
                let rescued = self.rescue(&dir, &mut engine, |_| Ok(()))?;
                self.count(&rescued);
                Ok(())
            }
        }
    }

    fn count(&mut self, rescued: &Rescued) {
        (self.report.records, self.report.lost, self.report.aside) = (rescued.kept, rescued.lost, rescued.aside);
    }

    /// Hands over the facts that verify and fit, in order.
    fn rescue(
        &self,
        dir: &Path,
        state: &mut State,
        mut keep: impl FnMut(&Fact) -> Result<(), RepairError>,
    ) -> Result<Rescued, RepairError> {
        let mut rescued = Rescued::default();
        let mut due = 0;
        let mut gap = false;
        let found = journal::rescue(&*self.disk, dir, &self.options, |number, bytes| {
            gap |= number != due;
            due = number + 1;
            // a fact of a later program does not get here: its format refuses the journal
            let Ok(fact) = book::read_fact(Position::from_bytes([0; 16]), &bytes) else {
                rescued.lost += 1;
                gap = true;
                return Ok::<(), RepairError>(());
            };
            if let Fact::Entry(kept) = &fact {
                cores::check(&state.federation, &kept.entry);
            }
            // what was said before the damage stands as it did
            let fits = !gap || fits(state, &fact);
            let (placed, _) = if fits { state.apply(&fact) } else { (None, Default::default()) };
            let fits = fits && (!gap || !matches!(&fact, Fact::Entry(_)) || is_kept(placed.as_ref()));
            if fits {
                rescued.kept += 1;
                keep(&fact)
            } else {
                rescued.aside += 1;
                Ok(())
            }
        })?;
        rescued.lost += found.lost;
        Ok(rescued)
    }

    /// Makes a new journal of what can be kept, and puts it in the place of the damaged one.
    fn remake(&mut self, dir: &Path, new: &Path, state: &mut State) -> Result<(), RepairError> {
        let (mut made, _) = Journal::open(self.disk.clone(), new, self.options.clone())?;
        let mut batch = Vec::new();
        let rescued = self.rescue(dir, state, |fact| {
            batch.push(write_fact(fact));
            if batch.len() == BATCH {
                made.append(&batch)?;
                batch.clear();
            }
            Ok(())
        })?;
        made.append(&batch)?;
        made.close()?;
        self.count(&rescued);
        // first the mark: whatever comes next, nothing is signed before the head is back
        self.mark()?;
        for derived in [self.folder.index(), self.folder.search()] {
            if derived.exists() {
                remove_all(&derived)?;
            }
        }
        self.set_aside(dir)?;
        self.disk.rename(new, dir)?;
        self.disk.sync_dir(self.folder.root())?;
        Ok(())
    }

    fn evidence(&mut self) -> Result<(), RepairError> {
        let blobs = BlobStore::open(self.disk.clone(), &self.folder.blobs())?;
        for root in blobs.list()? {
            self.report.evidence += 1;
            if let Err(error) = blobs.open_blob(&root).and_then(|mut blob| blob.verify()) {
                self.find(blobs.file(&root), words(&error), Remedy::Peers);
                if self.mend {
                    blobs.set_aside(&root)?;
                    self.report.moved.push(blobs.file(&root).with_extension("damaged"));
                }
            }
        }
        Ok(())
    }

    fn searches(&mut self, at_rest: &[u8; 32]) -> Result<(), RepairError> {
        for (path, error) in SavedSearches::damaged(&self.folder.searches(), at_rest) {
            self.find(path.clone(), error, Remedy::Anew);
            if self.mend {
                self.set_aside(&path)?;
            }
        }
        Ok(())
    }

    /// What lies in `run/`, in `keys/` for backups, and beside the folder.
    fn beside(&mut self) -> Result<(), RepairError> {
        let recipient = self.folder.backup_recipient();
        if let Some(error) = Recipient::read(&recipient).err().filter(|_| recipient.exists()) {
            self.find(recipient.clone(), words(&error), Remedy::Anew);
            if self.mend {
                self.set_aside(&recipient)?;
            }
        }
        if let Err(error) = Tokens::load(self.folder) {
            self.find(self.folder.tokens(), words(&error), Remedy::Anew);
            if self.mend {
                self.set_aside(&self.folder.tokens())?;
            }
        }
        if let Err(error) = erasure::read_list(&self.folder.erasures()) {
            self.find(self.folder.erasures(), words(&error), Remedy::Anew);
            if self.mend {
                self.set_aside(&self.folder.erasures())?;
                let list = self.erasures.clone().unwrap_or_default();
                folder::replace(&self.folder.erasures(), &erasure::write_list(&list))?;
            }
        }
        if let Err(error) = read_highwater(&self.folder.highwater()) {
            self.find(self.folder.highwater(), words(&error), Remedy::Peers);
            if self.mend {
                self.mark()?;
                self.set_aside(&self.folder.highwater())?;
            }
        }
        Ok(())
    }
}

/// What became of the journal's records.
#[derive(Default)]
struct Rescued {
    kept: u64,
    lost: u64,
    aside: u64,
}

fn is_kept(placed: Option<&Placed>) -> bool {
    matches!(placed, Some(Placed::New | Placed::Forks { .. }))
}

/// Whether a fact stands without what is lost before it. An entry is asked when it is placed.
fn fits(state: &State, fact: &Fact) -> bool {
    let continues = |open: &lapwing_engine::case::Open| match state.case(&open.thread) {
        Some(case) => case.place(open).is_ok(),
        None => open.kind == lapwing_record::statement::Kind::Submit && open.msg_no == 0,
    };
    match fact {
        Fact::Said(s) | Fact::Recovered(s) => continues(&s.open),
        Fact::Heard(h) => continues(&h.open),
        Fact::Declined(d) => continues(&d.open),
        Fact::Internal(i) => match &i.matter {
            // notes are found by their number
            Matter::Note((n, ..)) => state.internal(&i.thread).notes.len() as u64 == *n,
            Matter::Assigned(_) => true,
        },
        _ => true,
    }
}

fn remove_all(path: &Path) -> Result<(), FileError> {
    std::fs::remove_dir_all(path).map_err(|source| FileError { doing: "remove", path: path.to_owned(), source })
}
