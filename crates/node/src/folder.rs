//! The data folder: where everything of a node lies, and small files that are never half written.
//!
//! ```text
//! config.toml  charter.lapwing  identity.cbor
//! journal/  index/  search/  searches/  blobs/  keyring/  uploads/
//! keys/{feed,node,at-rest}.key, keys/backup.recipient      root and officers' keys are elsewhere and never read by the node
//! run/{lock,api.token,admin.token,auditor.token,tokens.json,api.address}
//! <root>.highwater                        beside the folder, so that a restored folder is told from a current one
//! <root>.erasures                         beside the folder, so that a restored folder erases again what was erased
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Something could not be done to a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub struct FileError {
    /// What was being done: a verb.
    pub doing: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

impl FileError {
    fn of(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError { doing, path, source }
    }

    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == ErrorKind::NotFound
    }

    /// Whether the disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }

    /// Whether the file exists already.
    pub fn is_there(&self) -> bool {
        self.source.kind() == ErrorKind::AlreadyExists
    }
}

/// A node's data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, which need not exist yet. A relative path is taken from the working directory now.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Folder { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings: `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The federation's charter: `charter.lapwing`.
    pub fn charter(&self) -> PathBuf {
        self.root.join("charter.lapwing")
    }

    /// Who this participant is: `identity.cbor`.
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity.cbor")
    }

    /// What happened: `journal/`.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// A journal that a repair is making: `journal.repaired/`.
    pub fn repaired_journal(&self) -> PathBuf {
        self.root.join("journal.repaired")
    }

    /// Derived from the journal: `index/`.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// What searches look in, derived from the journal and the keyring, encrypted: `search/`.
    pub fn search(&self) -> PathBuf {
        self.root.join("search")
    }

    /// Saved searches: `searches/`.
    pub fn searches(&self) -> PathBuf {
        self.root.join("searches")
    }

    /// Evidence: `blobs/`.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Keys that can be destroyed: `keyring/`.
    pub fn keyring(&self) -> PathBuf {
        self.root.join("keyring")
    }

    /// Uploads on their way in: `uploads/`.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// The folder of the node's own keys: `keys/`.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Signs logs 1 and 2: `keys/feed.key`.
    pub fn feed_key(&self) -> PathBuf {
        self.keys().join("feed.key")
    }

    /// The machine's name on the network: `keys/node.key`.
    pub fn node_key(&self) -> PathBuf {
        self.keys().join("node.key")
    }

    /// Under which the disk's content lies: `keys/at-rest.key`.
    pub fn at_rest_key(&self) -> PathBuf {
        self.keys().join("at-rest.key")
    }

    /// To whom backups are sealed: `keys/backup.recipient`.
    pub fn backup_recipient(&self) -> PathBuf {
        self.keys().join("backup.recipient")
    }

    /// That this folder came out of a backup, until its own head is back and its cases are compared: `restored`.
    pub fn restored(&self) -> PathBuf {
        self.root.join("restored")
    }

    /// When the newest backup was made, beside the folder: `<root>.backup-last`.
    pub fn backup_last(&self) -> PathBuf {
        self.beside("backup-last")
    }

    /// What exists while a node runs: `run/`.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// One process per folder: `run/lock`.
    pub fn lock(&self) -> PathBuf {
        self.run().join("lock")
    }

    /// The local officer-role token: `run/api.token`.
    pub fn api_token(&self) -> PathBuf {
        self.run().join("api.token")
    }

    /// The local admin-role token: `run/admin.token`.
    pub fn admin_token(&self) -> PathBuf {
        self.run().join("admin.token")
    }

    /// The local auditor-role token: `run/auditor.token`.
    pub fn auditor_token(&self) -> PathBuf {
        self.run().join("auditor.token")
    }

    /// Named tokens, as hashes: `run/tokens.json`.
    pub fn tokens(&self) -> PathBuf {
        self.run().join("tokens.json")
    }

    /// Where the API listens while the node runs: `run/api.address`.
    pub fn api_address(&self) -> PathBuf {
        self.run().join("api.address")
    }

    /// The high-water file, beside the folder: `<root>.highwater`.
    pub fn highwater(&self) -> PathBuf {
        self.beside("highwater")
    }

    /// What was erased, beside the folder, so that a restored copy erases it again: `<root>.erasures`.
    pub fn erasures(&self) -> PathBuf {
        self.beside("erasures")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.root.as_os_str().to_owned();
        name.push(".");
        name.push(suffix);
        PathBuf::from(name)
    }

    /// Makes the folder with `keys/` and `run/`, readable by its owner only. What is there already stays.
    pub fn create(&self) -> Result<(), FileError> {
        for dir in [self.root.clone(), self.keys(), self.run()] {
            create_dir(&dir)?;
        }
        Ok(())
    }
}

/// Makes a folder (mode 0700) and those above it that are missing. One that exists is fine.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::of("make the folder", path))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::of("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(FileError::of("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(FileError::of("read", path)(ErrorKind::FileTooLarge.into()));
    }
    Ok(bytes)
}

/// Writes a new file (mode 0600), whole and durable on return. Refuses to overwrite.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    place(path, bytes, "write", |temporary| {
        // a hard link, unlike a rename, fails where the name is taken
        match std::fs::hard_link(temporary, path) {
            Err(e) if !matches!(e.kind(), ErrorKind::AlreadyExists) && !path.exists() => {
                std::fs::rename(temporary, path) // a file system without hard links
            }
            other => other,
        }
    })
}

/// Replaces a file (mode 0600): after a crash there is the old content or the new one. Durable on return.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    place(path, bytes, "replace", |temporary| std::fs::rename(temporary, path))
}

/// Removes a file, durably. One that is not there is fine.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(FileError::of("remove", path)(e)),
        _ => sync_parent(path).map_err(FileError::of("remove", path)),
    }
}

/// Makes a file of no bytes (mode 0600), not durable: for what a power cut may take.
pub fn place_empty(path: &Path) -> Result<(), FileError> {
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    made.map(drop).map_err(FileError::of("write", path))
}

fn place(
    path: &Path,
    bytes: &[u8],
    doing: &'static str,
    publish: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<(), FileError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = write_synced(&temporary, bytes).and_then(|()| publish(&temporary));
    // gone after a rename; left over after a link or a failure
    let _ = std::fs::remove_file(&temporary);
    written.and_then(|()| sync_parent(path)).map_err(FileError::of(doing, path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the name of a file or folder durable.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_and_folders_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("data"));
        folder.create().unwrap();
        write_new(&folder.config(), b"x").unwrap();
        let mode = |p: &Path| p.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.config()), 0o600);
        for dir in [folder.root(), &folder.keys(), &folder.run()] {
            assert_eq!(mode(dir), 0o700);
        }
    }

    #[test]
    fn a_new_file_never_takes_the_place_of_another_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_new(&path, b"one").unwrap();
        assert!(write_new(&path, b"two").unwrap_err().is_there());
        assert_eq!(read(&path, 10).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"three");
        assert!(read(&path, 4).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_high_water_file_lies_beside_the_folder() {
        let folder = Folder::new("/srv/lapwing/data");
        assert_eq!(folder.highwater(), PathBuf::from("/srv/lapwing/data.highwater"));
        assert!(Folder::new("data").root().is_absolute());
    }
}
