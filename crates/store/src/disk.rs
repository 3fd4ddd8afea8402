//! The few operations on files that this crate needs, as a trait with two real implementations.
//!
//! [`os::OsDisk`] is the machine's file system. [`forgetful::ForgetfulDisk`] lives in memory and forgets, at a power
//! cut, whatever was not synced: names as well as bytes. Everything above is written against the trait, so that the
//! same code that runs in production is cut at every sync in the tests (quality §3).
//!
//! Rules that callers can rely on:
//! - Bytes are durable after [`DiskFile::sync_data`], names (created, renamed, removed) after [`Disk::sync_dir`].
//! - After a failed sync nothing is known about the bytes that it covered, and a later successful sync of the same file
//!   says nothing about them either (Linux marks such pages clean). They must be written again, best to a fresh file.
//! - Every error names the operation and the path.

pub mod forgetful;
pub mod os;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was being done when a [`DiskError`] arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Creating a folder.
    CreateDir,
    /// Opening or creating a file.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Making a file's bytes durable.
    Sync,
    /// Making a folder's names durable.
    SyncDir,
    /// Renaming.
    Rename,
    /// Removing a file or an empty folder.
    Remove,
    /// Listing a folder, or asking whether a name exists.
    List,
    /// Cutting a file to a length.
    Truncate,
    /// Taking a lock.
    Lock,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::CreateDir => "create folder",
            Op::Open => "open",
            Op::Read => "read",
            Op::Write => "write",
            Op::Sync => "sync",
            Op::SyncDir => "sync folder",
            Op::Rename => "rename to",
            Op::Remove => "remove",
            Op::List => "list",
            Op::Truncate => "truncate",
            Op::Lock => "lock",
        })
    }
}

/// An operation on a file failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}", path.display())]
pub struct DiskError {
    /// What was being done.
    pub op: Op,
    /// To what.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// An error of `op` on `path`.
    pub fn new(op: Op, path: &Path, source: io::Error) -> Self {
        Self { op, path: path.to_owned(), source }
    }

    /// The disk, or this user's share of it, is full. Such an error may go away by itself.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// The file or folder does not exist.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A file that must not exist yet, for reading and writing; readable by the owner only.
    CreateNew,
}

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a folder, readable by the owner only. An existing one is fine; a missing parent is not.
    fn create_dir(&self, path: &Path) -> Result<(), DiskError>;
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError>;
    /// Whether a name exists.
    fn exists(&self, path: &Path) -> Result<bool, DiskError>;
    /// Renames a file, replacing what has the new name. Atomic; durable after the folder's sync.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> Result<(), DiskError>;
    /// The names in a folder, sorted. Names that are not UTF-8 are none of ours and are left out.
    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;
    /// Takes an exclusive lock on a file, which is created when missing. `None`: another holds it. The lock ends when
    /// the guard is dropped or the process ends.
    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn LockGuard>>, DiskError>;
}

/// An open file. All methods take `&self`; writers keep to one writer at a time by themselves.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its name when it was opened.
    fn path(&self) -> &Path;
    /// Fills `buf` from `offset`; fewer bytes only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, DiskError>;
    /// Writes all of `bytes` at `offset`. After an error any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError>;
    /// Its length in bytes.
    fn len(&self) -> Result<u64, DiskError>;
    /// Whether it holds no byte.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }
    /// Cuts it to (or extends it with zeros to) a length.
    fn truncate(&self, len: u64) -> Result<(), DiskError>;
    /// Makes its bytes and its length durable.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// Fills `buf` from `offset`, or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        if self.read_at(buf, offset)? == buf.len() {
            Ok(())
        } else {
            Err(DiskError::new(Op::Read, self.path(), io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

/// Holds a lock until it is dropped.
pub trait LockGuard: fmt::Debug + Send + Sync {}

/// Creates `dir` when it is missing and makes its name durable in its parent: also when it exists, since an earlier
/// attempt may have failed between the two.
pub fn create_dir_durably(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    disk.create_dir(dir)?;
    disk.sync_dir(parent(dir))
}

/// The folder that holds `path`.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Creates a file that shares no byte with one of the same name, which is removed first.
pub fn create_fresh(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
    remove_if_there(disk, path)?;
    disk.open(path, Access::CreateNew)
}

/// Removes a file; a missing one is fine.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match disk.remove(path) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}
