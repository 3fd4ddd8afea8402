//! Small files that are replaced whole: after a crash there is the old content or the new one, never a mixture.
//!
//! Used for the keyring's wrapping key, for a partial blob's description and by the daemon for its high-water file.

use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk, DiskError, DiskFile, Op, create_fresh, parent, remove_if_there};

/// The largest file that [`read`] returns, in bytes.
pub const MAX_LEN: u64 = 64 << 20;

/// The name under which the next content of `path` is written.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The content of a small file, `None` when it does not exist. A file above [`MAX_LEN`] is refused.
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    if len > MAX_LEN {
        return Err(DiskError::new(Op::Read, path, std::io::ErrorKind::FileTooLarge.into()));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Replaces a small file: temporary name, sync, rename, sync of the folder. Durable on return.
///
/// After an error the old or the new content is there; the error says nothing about which.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    replace_with(disk, path, |file| file.write_at(bytes, 0))
}

/// As [`replace`], with the content written by `fill`.
pub fn replace_with(
    disk: &dyn Disk,
    path: &Path,
    fill: impl FnOnce(&dyn DiskFile) -> Result<(), DiskError>,
) -> Result<(), DiskError> {
    let temporary = temporary(path);
    let file = create_fresh(disk, &temporary)?;
    let written = fill(&*file).and_then(|()| file.sync_data()).and_then(|()| disk.rename(&temporary, path));
    if let Err(error) = written {
        // A full disk should not stay full of our attempts. The first error is the one to tell.
        let _ = remove_if_there(disk, &temporary);
        return Err(error);
    }
    disk.sync_dir(parent(path))
}

/// Overwrites a file's bytes, syncs, and removes its name. Durable on return; a missing file is fine.
///
/// On a copying file system or a disk that remaps blocks, the old bytes may remain: so what is shredded is itself
/// sealed under a key that is kept elsewhere.
pub fn shred(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    let file = match disk.open(path, Access::ReadWrite) {
        Ok(file) => file,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    let zeros = [0; 4096];
    let mut at = 0;
    while at < len {
        let n = (len - at).min(zeros.len() as u64);
        file.write_at(&zeros[..n as usize], at)?;
        at += n;
    }
    file.sync_data()?;
    disk.remove(path)?;
    disk.sync_dir(parent(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::forgetful::ForgetfulDisk;

    #[test]
    fn a_cut_at_any_sync_leaves_the_old_or_the_new_content() {
        let path = Path::new("/mark");
        for seed in 0..20 {
            for nth in 0.. {
                let disk = ForgetfulDisk::new();
                replace(&disk, path, b"old").unwrap();
                disk.power_off_at_sync(nth);
                let outcome = replace(&disk, path, b"new");
                if seed == 0 {
                    disk.crash()
                } else {
                    disk.crash_torn(seed);
                }
                let found = read(&disk, path).unwrap().unwrap();
                assert!(found == b"new" || (found == b"old" && outcome.is_err()), "{found:?}");
                if outcome.is_ok() {
                    break;
                }
            }
        }
    }

    #[test]
    fn every_failing_operation_is_named_and_leaves_no_mixture() {
        let path = Path::new("/mark");
        for nth in 0.. {
            let disk = ForgetfulDisk::new();
            replace(&disk, path, b"old").unwrap();
            disk.fail_nth(None, nth);
            let outcome = replace(&disk, path, b"new");
            disk.heal();
            let found = read(&disk, path).unwrap().unwrap();
            match outcome {
                Err(error) => assert!(error.to_string().contains("/") && (found == b"old" || found == b"new")),
                Ok(()) => {
                    assert_eq!(found, b"new");
                    break;
                }
            }
        }
    }

    #[test]
    fn shredding_leaves_no_byte_behind() {
        let disk = ForgetfulDisk::new();
        disk.keep_remnants();
        replace(&disk, Path::new("/key"), b"secret").unwrap();
        shred(&disk, Path::new("/key")).unwrap();
        shred(&disk, Path::new("/key")).unwrap();
        assert_eq!(disk.files().len(), 0);
        assert!(disk.remnants().iter().all(|bytes| !bytes.windows(6).any(|window| window == b"secret")));
    }
}
