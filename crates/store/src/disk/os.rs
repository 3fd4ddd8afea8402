//! The machine's file system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{Access, Disk, DiskError, DiskFile, LockGuard, Op};

/// The machine's file system. Folders are created with mode 0700, files with 0600.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

#[derive(Debug)]
struct OsFile {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
struct OsLock {
    /// `flock` ends with the last descriptor.
    _file: File,
}

impl LockGuard for OsLock {}

fn named<T>(op: Op, path: &Path, result: io::Result<T>) -> Result<T, DiskError> {
    result.map_err(|source| DiskError::new(op, path, source))
}

impl Disk for OsDisk {
    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => named(Op::CreateDir, path, other),
        }
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match access {
            Access::Read => &mut options,
            Access::ReadWrite => options.write(true),
            Access::CreateNew => options.write(true).create_new(true),
        };
        let file = named(Op::Open, path, options.open(path))?;
        Ok(Box::new(OsFile { file, path: path.to_owned() }))
    }

    fn exists(&self, path: &Path) -> Result<bool, DiskError> {
        named(Op::List, path, path.try_exists())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        named(Op::Rename, to, fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        named(Op::Remove, path, fs::remove_file(path))
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        named(Op::Remove, path, fs::remove_dir(path))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let mut names = Vec::new();
        for entry in named(Op::List, dir, fs::read_dir(dir))? {
            if let Ok(name) = named(Op::List, dir, entry)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        named(Op::SyncDir, dir, File::open(dir).and_then(|dir| dir.sync_all()))
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn LockGuard>>, DiskError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = named(Op::Lock, path, file)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(OsLock { _file: file }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(DiskError::new(Op::Lock, path, errno.into())),
        }
    }
}

impl DiskFile for OsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.file.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::new(Op::Read, &self.path, error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        named(Op::Write, &self.path, self.file.write_all_at(bytes, offset))
    }

    fn len(&self) -> Result<u64, DiskError> {
        named(Op::Read, &self.path, self.file.metadata()).map(|meta| meta.len())
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        named(Op::Truncate, &self.path, self.file.set_len(len))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        named(Op::Sync, &self.path, self.file.sync_data())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_keep_what_was_written_and_errors_name_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk;
        let sub = dir.path().join("sub");
        disk.create_dir(&sub).unwrap();
        disk.create_dir(&sub).unwrap();
        let path = sub.join("a");
        let file = disk.open(&path, Access::CreateNew).unwrap();
        file.write_at(b"hello", 3).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(&sub).unwrap();
        let mut buf = [9; 10];
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
        assert_eq!(&buf[..8], b"\0\0\0hello");
        assert!(file.read_exact_at(&mut buf, 0).is_err());
        disk.rename(&path, &sub.join("b")).unwrap();
        assert_eq!(disk.list(&sub).unwrap(), ["b"]);
        let error = disk.open(&path, Access::Read).unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().contains(path.to_str().unwrap()));
        disk.remove(&sub.join("b")).unwrap();
        disk.remove_dir(&sub).unwrap();
        assert!(!disk.exists(&sub).unwrap());
    }

    #[test]
    fn a_lock_is_exclusive_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = OsDisk.try_lock(&path).unwrap().unwrap();
        assert!(OsDisk.try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(OsDisk.try_lock(&path).unwrap().is_some());
    }
}
