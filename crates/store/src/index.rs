//! The index: a key-value picture derived from the journal, on sled. It can be thrown away at any time.
//!
//! sled does not make `flush()` durable on Linux and loses records silently when its files are damaged
//! (architecture.md, "Journal is truth, index is derived"). So nothing here is believed for longer than it proves itself:
//!
//! - Every batch carries the journal position that it brings the index to, the number of entries and a sum of hashes
//!   over all entries, in one atomic sled batch. After a kill or a power cut [`Index::open`] walks all entries and
//!   compares.
//! - [`Index::close`] leaves a hash of sled's files. Where it is there, it decides instead of the walk, which takes
//!   seconds for a million entries.
//! - Any doubt (a hash or sum that differs, sled's error, sled's panic) empties the index, and [`Index::position`] says so
//!   by `None`: replay from the start.
//! - After an error while running, every call fails with [`IndexError::Broken`] until [`Index::clear`].
//!
//! ```text
//! match index.position()  ── None ──▶ replay everything      ── Some(p) ──▶ replay what comes after p
//! ```
//!
//! Keys live in named trees, which are prefixes of one sled tree: that makes a batch over several trees atomic.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use crate::journal::Position;

/// A cache that is enough for a small node, in bytes.
pub const CACHE_BYTES: u64 = 16 << 20;
/// The longest name of a tree, in bytes.
pub const MAX_TREE: usize = 64;
/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// The most entries that one page returns.
pub const MAX_PAGE: usize = 10_000;

/// Where the position and the sums lie: no tree has an empty name.
const META: &[u8] = &[0];
const META_LEN: usize = 16 + 16 + 8;
/// How often sled's own thread writes out, in milliseconds. What is lost in between is replayed from the journal. Each
/// time it also tidies up, idle or not: twice a second that took 0.7 % of a processor, and kept the disk awake.
const FLUSH_MS: u64 = 30_000;

/// The index could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is not to be believed any more: [`Index::clear`] it and replay the journal.
    #[error("the index is unusable and must be rebuilt: {0}")]
    Broken(String),
    /// Its folder cannot be created, emptied or used.
    #[error("cannot use the index folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process, or this one, has it open.
    #[error("the index {} is in use", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A tree's name, a key or a value is empty or too long. Nothing was changed.
    #[error("{what} of {bytes} bytes: at most {limit}")]
    Size {
        /// Which of them.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The most.
        limit: usize,
    },
}

/// Changes that take effect together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    fault: Option<(&'static str, usize, usize)>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key. The last change of a key counts.
    pub fn put(&mut self, tree: &str, key: &[u8], value: &[u8]) {
        if value.len() > MAX_VALUE {
            self.fault.get_or_insert(("a value", value.len(), MAX_VALUE));
        }
        self.change(tree, key, Some(value.to_vec()));
    }

    /// Removes a key; a missing one is fine.
    pub fn delete(&mut self, tree: &str, key: &[u8]) {
        self.change(tree, key, None);
    }

    /// Whether it changes nothing but the position.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn change(&mut self, tree: &str, key: &[u8], value: Option<Vec<u8>>) {
        match checked(tree, key) {
            Ok(key) => drop(self.changes.insert(key, value)),
            Err(fault) => drop(self.fault.get_or_insert(fault)),
        }
    }
}

/// The direction of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Entries in order, as of one journal position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys (without the tree's name) and values.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// The position of the index when they were read.
    pub as_of: Option<Position>,
}

/// The open index. Reads and writes may come from any thread; a batch is seen whole or not at all.
#[derive(Debug)]
pub struct Index {
    dir: PathBuf,
    cache_bytes: u64,
    state: RwLock<State>,
}

#[derive(Debug)]
enum State {
    Usable(Usable),
    Broken(String),
}

#[derive(Debug)]
struct Usable {
    db: sled::Db,
    meta: Meta,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meta {
    position: Option<Position>,
    sum: u128,
    entries: u64,
}

impl Meta {
    fn encode(&self, position: Position) -> [u8; META_LEN] {
        let mut bytes = [0; META_LEN];
        bytes[..16].copy_from_slice(&position.to_bytes());
        bytes[16..32].copy_from_slice(&self.sum.to_le_bytes());
        bytes[32..].copy_from_slice(&self.entries.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; META_LEN] = bytes.try_into().ok()?;
        let (position, rest) = bytes.split_first_chunk::<16>()?;
        let (sum, entries) = rest.split_first_chunk::<16>()?;
        let entries = u64::from_le_bytes(entries.try_into().ok()?);
        Some(Self { position: Some(Position::from_bytes(*position)), sum: u128::from_le_bytes(*sum), entries })
    }

    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.sum = self.sum.wrapping_add(entry_hash(key, value));
        self.entries += 1;
    }

    fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.sum = self.sum.wrapping_sub(entry_hash(key, value));
        self.entries = self.entries.wrapping_sub(1);
    }
}

fn entry_hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u32).to_le_bytes()).update(key).update(value);
    let hash = hasher.finalize();
    let (half, _) = hash.as_bytes().split_first_chunk::<16>().expect("a hash has 32 bytes");
    u128::from_le_bytes(*half)
}

fn prefix(tree: &str) -> Result<Vec<u8>, (&'static str, usize, usize)> {
    if tree.is_empty() || tree.len() > MAX_TREE {
        return Err(("a tree's name", tree.len(), MAX_TREE));
    }
    let mut bytes = Vec::with_capacity(1 + tree.len());
    bytes.push(tree.len() as u8);
    bytes.extend_from_slice(tree.as_bytes());
    Ok(bytes)
}

fn checked(tree: &str, key: &[u8]) -> Result<Vec<u8>, (&'static str, usize, usize)> {
    let mut bytes = prefix(tree)?;
    if key.len() > MAX_KEY {
        return Err(("a key", key.len(), MAX_KEY));
    }
    bytes.extend_from_slice(key);
    Ok(bytes)
}

fn size((what, bytes, limit): (&'static str, usize, usize)) -> IndexError {
    IndexError::Size { what, bytes, limit }
}

/// The smallest key above all keys that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

impl Index {
    /// Opens (or creates) the index in `dir`, whose parent must exist. What cannot be proven whole is emptied; the
    /// caller sees it by [`Index::position`]. The data folder's lock must be held: an emptied index is removed.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, IndexError> {
        let folder = |source| IndexError::Folder { path: dir.to_owned(), source };
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(folder(error)),
            _ => {}
        }
        let usable = match open_proven(dir, cache_bytes) {
            Ok(usable) => usable,
            Err(Doubt::InUse) => return Err(IndexError::InUse { path: dir.to_owned() }),
            Err(Doubt::Why(why)) => {
                tracing::warn!(folder = %dir.display(), %why, "the index is rebuilt");
                open_fresh(dir, cache_bytes)?
            }
        };
        Ok(Self { dir: dir.to_owned(), cache_bytes, state: RwLock::new(State::Usable(usable)) })
    }

    /// Ends orderly: writes everything out and leaves the hash that makes the next open quick. An index that is merely
    /// dropped is walked at the next open.
    /// What still asks it afterwards is told that it is closed.
    pub fn close(&self) -> Result<(), IndexError> {
        self.flush()?;
        let dir = &self.dir;
        self.state.write().unwrap_or_else(PoisonError::into_inner).end("closed".to_owned());
        let folder = |source| IndexError::Folder { path: dir.clone(), source };
        // Not synced: where a power cut takes it, or takes what it speaks of, the index is walked or emptied.
        let hash = files_hash(&sled_dir(dir)).map_err(folder)?;
        fs::write(clean_path(dir), hash.as_bytes()).map_err(folder)
    }

    /// Why it can no longer be used, if it cannot.
    pub fn trouble(&self) -> Option<String> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Usable(_) => None,
            State::Broken(why) => Some(why.clone()),
        }
    }

    /// The journal position that the index reflects; `None`: it is empty and everything is to be replayed.
    pub fn position(&self) -> Option<Position> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Usable(usable) => usable.meta.position,
            State::Broken(_) => None,
        }
    }

    /// Applies the changes and moves the position to `upto`, atomically.
    pub fn apply(&self, batch: Batch, upto: Position) -> Result<(), IndexError> {
        if let Some(fault) = batch.fault {
            return Err(size(fault));
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.attempt(|usable| {
            let mut meta = Meta { position: Some(upto), ..usable.meta };
            let mut changes = sled::Batch::default();
            for (key, value) in batch.changes {
                if let Some(old) = usable.db.get(&key)? {
                    meta.subtract(&key, &old);
                }
                match value {
                    Some(value) => {
                        meta.add(&key, &value);
                        changes.insert(key, value);
                    }
                    None => changes.remove(key),
                }
            }
            changes.insert(META, &meta.encode(upto)[..]);
            usable.db.apply_batch(changes)?;
            usable.meta = meta;
            Ok(())
        })
    }

    /// The value of a key.
    pub fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let key = checked(tree, key).map_err(size)?;
        self.look(|usable| Ok(usable.db.get(&key)?.map(|value| value.to_vec())))
    }

    /// Up to `limit` entries (at most [`MAX_PAGE`]) between two keys of a tree. For the next page pass the last key as
    /// an excluded bound.
    pub fn range(
        &self,
        tree: &str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Page, IndexError> {
        let prefix = prefix(tree).map_err(size)?;
        let with_prefix = |key: &[u8]| [&prefix[..], key].concat();
        let from = match from {
            Bound::Unbounded => Bound::Included(prefix.clone()),
            bound => bound.map(with_prefix),
        };
        let to = match to {
            Bound::Unbounded => after_prefix(&prefix),
            bound => bound.map(with_prefix),
        };
        self.page(prefix.len(), from, to, order, limit)
    }

    /// Up to `limit` entries (at most [`MAX_PAGE`]) of a tree whose keys begin with `start`, continuing behind the key
    /// `after` in the direction of `order`.
    pub fn prefixed(
        &self,
        tree: &str,
        start: &[u8],
        after: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Page, IndexError> {
        let cut = prefix(tree).map_err(size)?.len();
        let whole = checked(tree, start).map_err(size)?;
        let (mut from, mut to) = (Bound::Included(whole.clone()), after_prefix(&whole));
        if let Some(after) = after {
            let after = checked(tree, after).map_err(size)?;
            // A cursor from elsewhere may lie outside of the prefix: it then leaves all of it, or nothing.
            match order {
                Order::Ascending if after >= whole => from = Bound::Excluded(after),
                Order::Descending if after < whole || after.starts_with(&whole) => to = Bound::Excluded(after),
                _ => {}
            }
        }
        self.page(cut, from, to, order, limit)
    }

    fn page(
        &self,
        cut: usize,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        order: Order,
        limit: usize,
    ) -> Result<Page, IndexError> {
        let limit = limit.min(MAX_PAGE);
        if is_empty(&from, &to) {
            return Ok(Page { entries: Vec::new(), as_of: self.position() });
        }
        self.look(|usable| {
            let mut range = usable.db.range::<Vec<u8>, _>((from, to));
            let mut entries = Vec::new();
            while entries.len() < limit {
                let next = match order {
                    Order::Ascending => range.next(),
                    Order::Descending => range.next_back(),
                };
                let Some(entry) = next else { break };
                let (key, value) = entry?;
                entries.push((key[cut..].to_vec(), value.to_vec()));
            }
            Ok(Page { entries, as_of: usable.meta.position })
        })
    }

    /// Empties the index, whatever state it is in, by beginning anew in an empty folder.
    pub fn clear(&self) -> Result<(), IndexError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.end("being cleared".to_owned());
        *state = State::Usable(open_fresh(&self.dir, self.cache_bytes)?);
        Ok(())
    }

    /// Whether it is not to be believed any more.
    pub fn is_broken(&self) -> bool {
        matches!(&*self.state.read().unwrap_or_else(PoisonError::into_inner), State::Broken(_))
    }

    /// Empties it and lets `fill` make it anew. Until that is done, readers are told that it is broken: they never see a
    /// part of it.
    pub fn rebuild<E: From<IndexError>>(&self, fill: impl FnOnce(&Index) -> Result<(), E>) -> Result<(), E> {
        self.state.write().unwrap_or_else(PoisonError::into_inner).end("being made anew".to_owned());
        let state = RwLock::new(State::Usable(open_fresh(&self.dir, self.cache_bytes)?));
        let fresh = Index { dir: self.dir.clone(), cache_bytes: self.cache_bytes, state };
        fill(&fresh)?;
        let state = fresh.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    /// Writes out what sled still holds in memory. Not a promise of durability, only less to replay.
    pub fn flush(&self) -> Result<(), IndexError> {
        self.look(|usable| usable.db.flush().map(drop))
    }

    fn look<T>(&self, ask: impl FnOnce(&Usable) -> Result<T, sled::Error>) -> Result<T, IndexError> {
        let why = match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Broken(why) => return Err(IndexError::Broken(why.clone())),
            State::Usable(usable) => match guarded(|| ask(usable)) {
                Ok(found) => return Ok(found),
                Err(why) => why,
            },
        };
        self.state.write().unwrap_or_else(PoisonError::into_inner).end(why.clone());
        Err(IndexError::Broken(why))
    }
}

impl State {
    fn attempt<T>(&mut self, ask: impl FnOnce(&mut Usable) -> Result<T, sled::Error>) -> Result<T, IndexError> {
        let why = match self {
            Self::Broken(why) => return Err(IndexError::Broken(why.clone())),
            Self::Usable(usable) => match guarded(|| ask(usable)) {
                Ok(found) => return Ok(found),
                Err(why) => why,
            },
        };
        self.end(why.clone());
        Err(IndexError::Broken(why))
    }

    /// Lets sled go. Its destructor writes, so it may panic too.
    fn end(&mut self, why: String) {
        let ended = std::mem::replace(self, Self::Broken(why));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
    }
}

fn is_empty(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
    }
}

/// sled panics on some damage; that must end the index, not the process.
fn guarded<T>(ask: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

enum Doubt {
    InUse,
    Why(String),
}

fn open_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db, sled::Error> {
    sled::Config::new()
        .path(sled_dir(dir))
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(Some(FLUSH_MS))
        .open()
}

fn sled_dir(dir: &Path) -> PathBuf {
    dir.join("sled")
}

fn clean_path(dir: &Path) -> PathBuf {
    dir.join("clean")
}

/// A hash over the names and bytes of all files below a folder.
fn files_hash(dir: &Path) -> io::Result<blake3::Hash> {
    let mut paths = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { paths.push(entry.path()) }
        }
    }
    paths.sort();
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        let name = path.strip_prefix(dir).unwrap_or(&path).as_os_str().as_encoded_bytes();
        let file = fs::File::open(&path)?;
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
        hasher.update(&file.metadata()?.len().to_le_bytes()).update_reader(file)?;
    }
    Ok(hasher.finalize())
}

/// Opens what is on disk, proven whole by its hash or by a walk over all entries.
fn open_proven(dir: &Path, cache_bytes: u64) -> Result<Usable, Doubt> {
    let clean = clean_path(dir);
    let said: Option<[u8; 32]> = fs::read(&clean).ok().and_then(|bytes| bytes.try_into().ok());
    match fs::remove_file(&clean) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Doubt::Why(format!("its closing hash cannot be taken away: {error}")));
        }
        _ => {}
    }
    if let Some(said) = said {
        // Differing files are not even shown to sled.
        match files_hash(&sled_dir(dir)) {
            Ok(found) if found == said => {}
            Ok(_) => return Err(Doubt::Why("its files have changed since it was closed".to_owned())),
            Err(error) => return Err(Doubt::Why(format!("its files cannot be read: {error}"))),
        }
    }
    let opened = guarded(|| {
        let db = match open_sled(dir, cache_bytes) {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                return Ok(Err(Doubt::InUse));
            }
            other => other?,
        };
        let meta = match db.get(META)?.as_deref().map(Meta::decode) {
            Some(Some(meta)) => meta,
            Some(None) => return Ok(Err(Doubt::Why("its position cannot be read".to_owned()))),
            None => Meta::default(),
        };
        if said.is_none() {
            let mut found = Meta::default();
            for entry in db.iter() {
                let (key, value) = entry?;
                if key != META {
                    found.add(&key, &value);
                }
            }
            if (found.sum, found.entries) != (meta.sum, meta.entries) {
                let why = format!("it holds {} entries, not the {} that were written", found.entries, meta.entries);
                return Ok(Err(Doubt::Why(why)));
            }
        }
        Ok(Ok(Usable { db, meta }))
    });
    match opened {
        Ok(outcome) => outcome,
        Err(why) => Err(Doubt::Why(why)),
    }
}

fn open_fresh(dir: &Path, cache_bytes: u64) -> Result<Usable, IndexError> {
    let folder = |source| IndexError::Folder { path: dir.to_owned(), source };
    match fs::remove_dir_all(sled_dir(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(folder(error)),
        _ => {}
    }
    let db = guarded(|| open_sled(dir, cache_bytes)).map_err(|why| folder(io::Error::other(why)))?;
    Ok(Usable { db, meta: Meta::default() })
}

#[cfg(test)]
mod tests;
