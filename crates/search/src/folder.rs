//! Sealed files as tantivy's directory: a block is opened when it is asked for, and kept in a cache of fixed size.
//!
//! Files are not synced one by one: the index is derived, and what a power cut takes is found missing and made anew.
//! [`Folder::settle`] syncs what was written since. A file that tantivy is done with loses its salt before it is removed
//! ([`Folder::sweep`]): its blocks open no more, wherever the disk still keeps them.

use crate::seal::{self, BLOCK, Opener, SALT, Sealer};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{fmt, mem};
use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};
use zeroize::Zeroizing;

/// Blocks that the cache holds: 16 MiB of content.
const CACHED: usize = 2048;
/// Blocks of one read that go through the cache: what reads more reads a file from end to end, once.
const CACHED_AT_ONCE: u64 = 128;
/// The ending of files that are to be made unreadable and removed.
const GONE: &str = "gone";

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An opened block: of which file, its number, its content.
type Block = (u64, u64, Arc<[u8]>);

/// Opened blocks. Each has one place only: no order to keep, and the size is bounded by construction.
struct Cache {
    places: Vec<Mutex<Option<Block>>>,
}

impl Cache {
    fn new() -> Self {
        Cache { places: (0..CACHED).map(|_| Mutex::new(None)).collect() }
    }

    fn place(&self, file: u64, number: u64) -> MutexGuard<'_, Option<Block>> {
        // neighbours in a file never share a place
        let at = file.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20).wrapping_add(number);
        hold(&self.places[at as usize % CACHED])
    }

    fn get(&self, file: u64, number: u64) -> Option<Arc<[u8]>> {
        let place = self.place(file, number);
        place.as_ref().filter(|(f, n, _)| (*f, *n) == (file, number)).map(|(_, _, block)| block.clone())
    }

    fn put(&self, file: u64, number: u64, block: Arc<[u8]>) {
        *self.place(file, number) = Some((file, number, block));
    }

    fn clear(&self) {
        self.places.iter().for_each(|place| *hold(place) = None);
    }
}

struct Inner {
    root: PathBuf,
    key: Zeroizing<[u8; 32]>,
    cache: Cache,
    /// Names files in the cache, and temporary ones.
    next: AtomicU64,
    locks: Mutex<BTreeSet<PathBuf>>,
    unlocked: Condvar,
    unsynced: Mutex<BTreeSet<PathBuf>>,
    /// Operations on the disk that still work: tests cut the power in between.
    #[cfg(test)]
    fuse: std::sync::atomic::AtomicI64,
}

/// A folder of sealed files. Clones are the same folder.
#[derive(Clone)]
pub struct Folder(Arc<Inner>);

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Folder").field(&self.0.root).finish()
    }
}

impl Folder {
    /// Opens (or creates) the folder, whose parent must exist, and finishes removals that were interrupted.
    pub fn open(root: &Path, key: Zeroizing<[u8; 32]>) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let folder = Folder(Arc::new(Inner {
            root: root.to_owned(),
            key,
            cache: Cache::new(),
            next: AtomicU64::new(0),
            locks: Mutex::default(),
            unlocked: Condvar::new(),
            unsynced: Mutex::default(),
            #[cfg(test)]
            fuse: std::sync::atomic::AtomicI64::new(i64::MAX),
        }));
        folder.sweep()?;
        Ok(folder)
    }

    fn path(&self, name: &Path) -> PathBuf {
        self.0.root.join(name)
    }

    /// Every effect on the disk passes here.
    fn may(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.0.fuse.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(io::Error::other("the power is cut"));
        }
        Ok(())
    }

    /// From now on so many operations on the disk work, and none after them.
    #[cfg(test)]
    pub fn cut_after(&self, operations: i64) {
        self.0.fuse.store(operations, Ordering::SeqCst);
    }

    /// Makes files that are done with unreadable, and removes them; leftovers of interrupted writes too.
    pub fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0.root)? {
            let path = entry?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some(GONE) => self.destroy(&path)?,
                Some("tmp") => {
                    self.may()?;
                    fs::remove_file(&path)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The names of all files.
    pub fn names(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.0.root)?.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect()
    }

    /// Makes a file that no list names unreadable, and removes it.
    pub fn drop_stray(&self, name: &Path) -> io::Result<()> {
        self.destroy(&self.path(name))
    }

    /// Overwrites the salt, durably, and removes the file.
    fn destroy(&self, path: &Path) -> io::Result<()> {
        self.may()?;
        let file = OpenOptions::new().write(true).open(path)?;
        // no longer than it was: a stray file that is shorter is merely removed
        let end = SALT.end.min(file.metadata()?.len());
        file.write_all_at(&vec![0; end.saturating_sub(SALT.start) as usize], SALT.start)?;
        file.sync_data()?;
        self.may()?;
        fs::remove_file(path)
    }

    /// Removes everything, unreadable first.
    pub fn clear(&self) -> io::Result<()> {
        self.0.cache.clear();
        hold(&self.0.unsynced).clear();
        for entry in fs::read_dir(&self.0.root)? {
            self.destroy(&entry?.path())?;
        }
        Ok(())
    }

    /// Syncs what was written since the last time, and lets go of opened blocks.
    pub fn settle(&self) -> io::Result<()> {
        self.0.cache.clear();
        let written = mem::take(&mut *hold(&self.0.unsynced));
        if written.is_empty() {
            return Ok(());
        }
        for path in &written {
            match File::open(path) {
                Ok(file) => file.sync_data()?,
                // done with by now
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        File::open(&self.0.root)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.may()?;
        hold(&self.0.unsynced).insert(path.to_owned());
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn unlock(&self, path: &Path) {
        hold(&self.0.locks).remove(path);
        self.0.unlocked.notify_all();
    }
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A file as it is read.
struct Reading {
    folder: Folder,
    id: u64,
    opener: Opener,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("len", &self.opener.len()).finish_non_exhaustive()
    }
}

impl Reading {
    fn block(&self, number: u64, keep: bool) -> io::Result<Arc<[u8]>> {
        if let Some(block) = self.folder.0.cache.get(self.id, number) {
            return Ok(block);
        }
        let block: Arc<[u8]> = self.opener.block(number)?.into();
        if keep {
            self.folder.0.cache.put(self.id, number, block.clone());
        }
        Ok(block)
    }
}

impl HasLen for Reading {
    fn len(&self) -> usize {
        self.opener.len() as usize
    }
}

impl FileHandle for Reading {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a read beyond the end of a file"));
        }
        if range.is_empty() {
            return Ok(OwnedBytes::empty());
        }
        let (first, last) = ((range.start / BLOCK) as u64, ((range.end - 1) / BLOCK) as u64);
        if first == last {
            let begin = first as usize * BLOCK;
            return Ok(OwnedBytes::new(self.block(first, true)?).slice(range.start - begin..range.end - begin));
        }
        let keep = last - first < CACHED_AT_ONCE;
        let mut bytes = Vec::with_capacity(range.len());
        for number in first..=last {
            let block = self.block(number, keep)?;
            let begin = number as usize * BLOCK;
            let (from, to) = (range.start.max(begin) - begin, range.end.min(begin + block.len()) - begin);
            bytes.extend_from_slice(&block[from..to]);
        }
        Ok(OwnedBytes::new(bytes))
    }
}

/// A file as it is written.
struct Writing {
    folder: Folder,
    sealer: Sealer<BufWriter<File>>,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealer.flush()
    }
}

impl TerminatingWrite for Writing {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.folder.may()?;
        self.sealer.finish()?.flush()
    }
}

/// Gives a lock back.
struct Guard(Folder, PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.unlock(&self.1);
    }
}

impl Directory for Folder {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let fault = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        };
        let file = File::open(self.path(path)).map_err(fault)?;
        let opener = Opener::new(&self.0.key, &name(path), file).map_err(fault)?;
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Reading { folder: self.clone(), id, opener }))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        let fault = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        };
        self.may().map_err(fault)?;
        let mut gone = self.path(path).into_os_string();
        gone.push(".");
        gone.push(GONE);
        fs::rename(self.path(path), gone).map_err(fault)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.path(path).try_exists().map_err(|e| OpenReadError::wrap_io_error(e, path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let fault = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        };
        let file = self.create(&self.path(path)).map_err(fault)?;
        let sealer = Sealer::new(&self.0.key, &name(path), BufWriter::with_capacity(1 << 16, file)).map_err(fault)?;
        Ok(BufWriter::with_capacity(BLOCK, Box::new(Writing { folder: self.clone(), sealer })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let fault = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        };
        let file = File::open(self.path(path)).map_err(fault)?;
        seal::open(&self.0.key, &name(path), file).map_err(fault)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let sealed = seal::seal(&self.0.key, &name(path), data)?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path(Path::new(&format!("{}.{number}.tmp", name(path))));
        self.create(&temporary)?.write_all(&sealed)?;
        self.may()?;
        hold(&self.0.unsynced).remove(&temporary);
        hold(&self.0.unsynced).insert(self.path(path));
        fs::rename(&temporary, self.path(path))
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        let mut locks = hold(&self.0.locks);
        while locks.contains(&lock.filepath) {
            if !lock.is_blocking {
                return Err(LockError::LockBusy);
            }
            locks = self.0.unlocked.wait(locks).unwrap_or_else(PoisonError::into_inner);
        }
        locks.insert(lock.filepath.clone());
        Ok(DirectoryLock::from(Box::new(Guard(self.clone(), lock.filepath.clone()))))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        // one process, one reader, which is told
        Ok(WatchHandle::empty())
    }
}
