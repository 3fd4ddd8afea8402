//! One process per data folder.

use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk, DiskError, LockGuard};

/// Holds the data folder until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _guard: Box<dyn LockGuard>,
}

/// The data folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error("{} is held by {}: one node at a time works on a data folder", path.display(), holder(*pid))]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Who holds it, where it has written that down.
        pid: Option<u32>,
    },
    /// The lock's file could not be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DataLock {
    /// Takes the lock at `path` (`run/lock` in the data folder; its folder must exist) and writes this process's id
    /// into it.
    pub fn acquire(disk: &dyn Disk, path: &Path) -> Result<Self, LockError> {
        let Some(guard) = disk.try_lock(path)? else {
            return Err(LockError::Held { path: path.to_owned(), pid: written_pid(disk, path) });
        };
        let file = disk.open(path, Access::ReadWrite)?;
        file.truncate(0)?;
        file.write_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
        Ok(Self { _guard: guard })
    }
}

fn written_pid(disk: &dyn Disk, path: &Path) -> Option<u32> {
    let mut text = [0; 16];
    let n = disk.open(path, Access::Read).ok()?.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..n]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::forgetful::ForgetfulDisk;
    use crate::disk::os::OsDisk;

    fn second_is_refused_with_the_pid(disk: &dyn Disk, path: &Path) {
        let first = DataLock::acquire(disk, path).unwrap();
        let error = DataLock::acquire(disk, path).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
        assert!(error.to_string().contains("lock"));
        drop(first);
        DataLock::acquire(disk, path).unwrap();
    }

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        second_is_refused_with_the_pid(&ForgetfulDisk::new(), Path::new("/lock"));
        let dir = tempfile::tempdir().unwrap();
        second_is_refused_with_the_pid(&OsDisk, &dir.path().join("lock"));
    }
}
