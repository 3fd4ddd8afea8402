//! Restore: a data folder out of backups, checked before it takes its place.
//!
//! ```text
//! check the hashes ─▶ unpack beside the target ─▶ journal, keyring and evidence verified ─▶ newest erasures applied
//!      ─▶ marked as restored ─▶ renamed into place
//! ```
//!
//! A folder that came out of a backup signs nothing until its own head is back from the others, and says nothing in a case
//! before that case is compared with the other side (protocol §3, §6): the mark stays until both are done. A failure at
//! any step leaves nothing but a folder that the next attempt removes.

use crate::backup::{BackupError, Header, Part};
use crate::book::{self, BookError};
use crate::erasure::{self, ErasureError, List};
use crate::folder::{self, FileError, Folder};
use crate::keys::{self, KeyFileError, KeyKind, Passphrase};
use crate::node::{HighWater, read_highwater};
use lapwing_engine::fact::{FORMAT, Fact};
use lapwing_record::id::Pid;
use lapwing_store::archive;
use lapwing_store::disk::os::OsDisk;
use lapwing_store::journal::{Journal, Options};
use lapwing_store::keyring::Keyring;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why a backup is not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A backup.
    #[error("{}: {source}", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: BackupError,
    },
    /// There must be one of the data, and at most one of the keyring.
    #[error("give one backup of the data and at most one of the keyring: {0}")]
    Parts(&'static str),
    /// The keyring's part is missing.
    #[error("without a backup of the keyring no content of a case can be read any more")]
    NoKeyring,
    /// The parts are of different nodes.
    #[error("the two backups are of different nodes: {0} and {1}")]
    OtherNode(String, String),
    /// The keyring's part is older than the data's.
    #[error("the backup of the keyring is older than that of the data: keys of newer cases are not in it")]
    KeyringOlder,
    /// The keyring's part has expired.
    #[error("the backup of the keyring has expired on {0}: what was erased since must stay erased")]
    Expired(String),
    /// The target is in use.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// The target belongs to another participant.
    #[error("{} is of another participant's node", .0.display())]
    OfAnother(PathBuf),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The journal.
    #[error("the journal in the backup: {0}")]
    Journal(#[from] lapwing_store::journal::OpenError),
    /// The journal's records.
    #[error("the journal in the backup: {0}")]
    Book(#[from] BookError),
    /// The journal has another number of records than the backup says.
    #[error("the journal in the backup has {found} records; {wanted} are due")]
    Records {
        /// What is there.
        found: u64,
        /// What the header says.
        wanted: u64,
    },
    /// The keyring.
    #[error("the keyring in the backup: {0}")]
    Keyring(#[from] lapwing_store::keyring::OpenError),
    /// The keyring, when erasures are done again.
    #[error("erasures could not be done again: {0}")]
    Destroy(#[from] lapwing_store::keyring::DestroyError),
    /// An erasure list.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    /// Another file beside the folder.
    #[error("{0}")]
    Beside(String),
}

/// What is restored, and how.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The backups.
    pub files: &'a [PathBuf],
    /// The backup key.
    pub key: Zeroizing<[u8; 32]>,
    /// Further erasure lists.
    pub erasures: &'a [PathBuf],
    /// Whether it may do without the keyring.
    pub without_keyring: bool,
    /// The passphrase of the node's keys, where they are under one.
    pub passphrase: Option<Passphrase>,
}

/// What was restored.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Restored {
    /// Whose node.
    pub pid: Pid,
    /// Its short name.
    pub short_name: String,
    /// As of when.
    pub made: String,
    /// Records of the journal.
    pub records: u64,
    /// Cases that it knows.
    pub cases: u64,
    /// Items of evidence.
    pub evidence: u64,
    /// Secrets that the backup still held and that were erased since: destroyed again.
    pub erased_again: u64,
    /// Whether the keyring is there.
    pub keyring: bool,
}

/// The parts, checked without any key.
struct Parts {
    data: (PathBuf, Header),
    keyring: Option<(PathBuf, Header)>,
}

/// Checks the backups and whether they belong together. Reads every byte, opens nothing.
fn parts(files: &[PathBuf], now: u64) -> Result<Parts, RestoreError> {
    let (mut data, mut keyring) = (None, None);
    for path in files {
        let header = Header::check(path).map_err(|source| RestoreError::Backup { path: path.clone(), source })?;
        let place = match header.part {
            Part::Data => &mut data,
            Part::Keyring => &mut keyring,
        };
        if place.replace((path.clone(), header)).is_some() {
            return Err(RestoreError::Parts("there are two of one kind"));
        }
    }
    let data = data.ok_or(RestoreError::Parts("there is none of the data"))?;
    if let Some((_, keys)) = &keyring {
        if (keys.pid, keys.network) != (data.1.pid, data.1.network) {
            return Err(RestoreError::OtherNode(data.1.short_name.clone(), keys.short_name.clone()));
        }
        if let Some(expired) = keys.expires.filter(|at| *at <= now) {
            return Err(RestoreError::Expired(crate::office::rfc3339(expired)));
        }
        if keys.made < data.1.made {
            return Err(RestoreError::KeyringOlder);
        }
    }
    Ok(Parts { data, keyring })
}

/// Refuses a place that is taken, or whose leavings are another participant's.
fn refuse_what_is_there(target: &Folder, pid: &Pid) -> Result<(), RestoreError> {
    if let Ok(identity) = crate::founding::Identity::read(&target.identity())
        && identity.pid() != *pid
    {
        return Err(RestoreError::OfAnother(target.root().to_owned()));
    }
    if std::fs::read_dir(target.root()).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(RestoreError::Taken(target.root().to_owned()));
    }
    match read_highwater(&target.highwater()) {
        Ok(HighWater { pid: Some(other), .. }) if other != *pid => Err(RestoreError::OfAnother(target.highwater())),
        Ok(_) => Ok(()),
        Err(e) => Err(RestoreError::Beside(e.to_string())),
    }
}

/// Writes a file of an archive below `root`, durably, and gives its BLAKE3 hash.
fn place(root: &Path, name: &str, content: &mut dyn Read) -> io::Result<blake3::Hash> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        folder::create_dir(parent).map_err(|e| e.source)?;
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buf = vec![0; 1 << 20];
    loop {
        let n = content.read(&mut buf)?;
        if n == 0 {
            break;
        }
        hasher.update(&buf[..n]);
        io::Write::write_all(&mut file, &buf[..n])?;
    }
    file.sync_all()?;
    Ok(hasher.finalize())
}

/// Unpacks one backup below `root`; what does not belong into its part, and evidence that is not what its name says, is
/// refused.
fn unpack(path: &Path, header: &Header, seed: &[u8; 32], root: &Path) -> Result<BTreeMap<String, u64>, BackupError> {
    let key = header.open_key(seed)?;
    let file = File::open(path).map_err(|source| FileError { doing: "open", path: path.to_owned(), source })?;
    let mut names = BTreeMap::new();
    archive::unpack(BufReader::new(file), &key, |name, len, content| {
        let belongs = match header.part {
            Part::Keyring => name.starts_with("keyring/"),
            Part::Data => !["keyring/", "index/", "search/"].iter().any(|derived| name.starts_with(derived)),
        };
        if !belongs || names.insert(name.to_owned(), len).is_some() {
            return Err(io::Error::other(format!("`{name}` does not belong into it")));
        }
        let hash = place(root, name, content)?;
        match name.strip_prefix("blobs/") {
            Some(blob) if hash.to_hex().as_str() != blob => {
                Err(io::Error::other(format!("evidence {blob} was damaged when the backup was made")))
            }
            _ => Ok(()),
        }
    })?;
    Ok(names)
}

/// What an unpacked folder holds, verified as a point in time.
struct Verified {
    cases: u64,
    erased_again: u64,
}

fn verify(folder: &Folder, header: &Header, wanted: &Wanted<'_>, erasures: &List) -> Result<Verified, RestoreError> {
    let disk: Arc<dyn lapwing_store::disk::Disk> = Arc::new(OsDisk);
    let at_rest = keys::read_key(&folder.at_rest_key(), KeyKind::AtRest, wanted.passphrase.as_ref())?;
    let options = Options { at_rest_key: Some(*at_rest), format: FORMAT, ..Options::default() };
    let (journal, _) = Journal::open(disk.clone(), &folder.journal(), options)?;
    let (mut cases, mut found) = (std::collections::BTreeSet::new(), 0);
    for record in journal.reader().replay(None) {
        let (position, bytes) = record.map_err(BookError::from)?;
        if let Fact::Said(said) | Fact::Recovered(said) = book::read_fact(position, &bytes)? {
            cases.insert(said.open.thread);
        } else if let Fact::Heard(heard) = book::read_fact(position, &bytes)? {
            cases.insert(heard.open.thread);
        }
        found += 1;
    }
    if found != header.records {
        return Err(RestoreError::Records { found, wanted: header.records });
    }
    let master = blake3::derive_key("lapwing/1 keyring", &*at_rest);
    let mut keyring = Keyring::open(disk, &folder.keyring(), master)?;
    let erasures: Vec<_> = erasures
        .iter()
        .map(|(name, at)| lapwing_store::keyring::Erasure { name: name.0.clone(), time_ms: *at })
        .collect();
    let erased_again = keyring.apply_erasures(&erasures)? as u64;
    Ok(Verified { cases: cases.len() as u64, erased_again })
}

/// Restores a node into `target`, which must not exist or be empty.
pub fn restore(target: &Folder, wanted: &Wanted<'_>) -> Result<Restored, RestoreError> {
    let parts = parts(wanted.files, crate::office::now_ms())?;
    let (data_path, header) = &parts.data;
    if parts.keyring.is_none() && !wanted.without_keyring {
        return Err(RestoreError::NoKeyring);
    }
    refuse_what_is_there(target, &header.pid)?;
    let beside = Folder::new(with_suffix(target.root(), ".restoring"));
    if beside.root().exists() {
        remove(beside.root())?;
    }
    folder::create_dir(beside.root())?;
    let made = attempt(&parts, target, &beside, wanted);
    if made.is_err() {
        // keys may lie in it
        let _ = std::fs::remove_dir_all(beside.root());
    }
    let restored = made?;
    tracing::info!(from = %data_path.display(), "restored");
    Ok(restored)
}

fn attempt(parts: &Parts, target: &Folder, beside: &Folder, wanted: &Wanted<'_>) -> Result<Restored, RestoreError> {
    let header = &parts.data.1;
    beside.create()?;
    let mut names = BTreeMap::new();
    for (path, header) in std::iter::once(&parts.data).chain(&parts.keyring) {
        let unpacked = unpack(path, header, &wanted.key, beside.root());
        names.extend(unpacked.map_err(|source| RestoreError::Backup { path: path.clone(), source })?);
    }
    // every list that is known here: of the backup itself, of the place, of whoever restores
    let own = beside.root().join("erasures");
    let mut erasures = erasure::read_list(&own)?;
    for list in std::iter::once(target.erasures()).chain(wanted.erasures.iter().cloned()) {
        erasures.extend(erasure::read_list(&list)?);
    }
    erasures.sort_by(|a, b| a.0.0.cmp(&b.0.0).then(a.1.cmp(&b.1)));
    erasures.dedup_by(|later, earlier| later.0 == earlier.0);
    std::fs::remove_file(&own).map_err(|source| FileError { doing: "remove", path: own, source })?;
    let verified = verify(beside, header, wanted, &erasures)?;
    folder::create_dir(&beside.uploads())?;
    folder::write_new(&beside.restored(), crate::office::rfc3339(header.made).as_bytes())?;
    folder::replace(&target.erasures(), &erasure::write_list(&erasures))?;
    // an empty folder may stand there: made for it by the administrator
    if target.root().exists() {
        let failed = |source| FileError { doing: "take the place of", path: target.root().to_owned(), source };
        std::fs::remove_dir(target.root()).map_err(failed)?;
    }
    let renamed = std::fs::rename(beside.root(), target.root());
    renamed.map_err(|source| FileError { doing: "rename into", path: target.root().to_owned(), source })?;
    folder::sync_parent(target.root()).map_err(|source| FileError {
        doing: "sync",
        path: target.root().to_owned(),
        source,
    })?;
    Ok(Restored {
        pid: header.pid,
        short_name: header.short_name.clone(),
        made: crate::office::rfc3339(header.made),
        records: header.records,
        cases: verified.cases,
        evidence: names.keys().filter(|n| n.starts_with("blobs/")).count() as u64,
        erased_again: verified.erased_again,
        keyring: parts.keyring.is_some(),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), FileError> {
    std::fs::remove_dir_all(path).map_err(|source| FileError { doing: "remove", path: path.to_owned(), source })
}
