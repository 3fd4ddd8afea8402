//! A file system in memory that forgets what was not synced. For tests and simulators.
//!
//! What it models, and why so harshly:
//! - [`ForgetfulDisk::crash`]: a power cut after which only synced bytes and only synced names exist.
//! - [`ForgetfulDisk::crash_torn`]: a power cut in the middle of things. An unsynced write survives whole, not at all, up
//!   to some sector, or in any set of its 512-byte sectors (a lost one reads as what was there before, zeros where the
//!   file was shorter); an unsynced cut survives or not; and of each folder's unsynced name changes a prefix survives, or
//!   any set.
//! - A failed sync drops the bytes that it should have made durable: they still read back until the power cut, but no
//!   later sync brings them back, as on Linux.
//! - A failed write leaves its first half behind.
//! - [`ForgetfulDisk::ignore`] makes it a disk that lies about its syncs: for tests that ask whether a test would notice.
//!
//! A process that is merely killed loses nothing: drop the objects and open again.
//!
//! ```
//! use std::path::Path;
//! use lapwing_store::disk::{Access, Disk, forgetful::ForgetfulDisk};
//!
//! let disk = ForgetfulDisk::new();
//! let file = disk.open(Path::new("/a"), Access::CreateNew).unwrap();
//! file.write_at(b"kept", 0).unwrap();
//! file.sync_data().unwrap();
//! disk.crash();
//! assert!(!disk.exists(Path::new("/a")).unwrap(), "the name was never synced");
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, DiskError, DiskFile, LockGuard, Op, parent};

const SECTOR: usize = 512;

/// A file system in memory that forgets what was not synced. Clones are the same disk; see [`ForgetfulDisk::snapshot`].
#[derive(Clone, Debug, Default)]
pub struct ForgetfulDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    renames: Vec<NameChange>,
    next_id: u64,
    /// Handles opened before the last crash are dead.
    life: u64,
    off: bool,
    off_at_sync: Option<u64>,
    off_at: Option<u64>,
    syncs: u64,
    ignored: Vec<(Op, String)>,
    last: Option<(Op, PathBuf)>,
    operations: u64,
    faults: Vec<Fault>,
    faulted: bool,
    capacity: Option<u64>,
    locks: BTreeSet<PathBuf>,
    graveyard: Option<Vec<Arc<Mutex<Inode>>>>,
}

#[derive(Clone, Debug)]
enum Node {
    Dir,
    File(Arc<Mutex<Inode>>),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    id: u64,
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut { len: usize },
}

/// What a power cut took and left, of what was not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Torn {
    /// Changes of names that are gone: files made, renamed or removed.
    pub names_lost: u64,
    /// Changes of names that are there although nothing had made them durable.
    pub names_kept: u64,
    /// Writes of which nothing is left.
    pub writes_lost: u64,
    /// Writes of which a part is left.
    pub writes_torn: u64,
    /// Writes that are there whole.
    pub writes_kept: u64,
}

/// One atomic change of names within one folder.
#[derive(Clone, Debug)]
struct NameChange {
    dir: PathBuf,
    edits: Vec<(PathBuf, Option<Node>)>,
}

#[derive(Clone, Debug)]
struct Fault {
    op: Option<Op>,
    after: u64,
    lasting: bool,
}

#[derive(Debug)]
struct ForgetfulFile {
    state: Arc<Mutex<State>>,
    inode: Arc<Mutex<Inode>>,
    path: PathBuf,
    life: u64,
    writable: bool,
}

#[derive(Debug)]
struct ForgetfulLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl LockGuard for ForgetfulLock {}

impl Drop for ForgetfulLock {
    fn drop(&mut self) {
        grab(&self.state).locks.remove(&self.path);
    }
}

/// A panicking test leaves the model usable for its destructors.
fn grab<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64: enough to choose which sectors survive.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.roll() & 1 == 1
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = at + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(piece);
}

impl Inode {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Write { at, bytes: piece } => put(bytes, *at, piece),
            Change::Cut { len } => bytes.resize(*len, 0),
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.now, &change);
        self.pending.push(change);
    }

    fn settle(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            Self::apply(&mut self.durable, &change);
        }
    }

    fn settle_torn(&mut self, dice: &mut Dice, torn: &mut Torn) {
        for change in std::mem::take(&mut self.pending) {
            let Change::Write { at, bytes } = &change else {
                if dice.coin() {
                    Self::apply(&mut self.durable, &change);
                }
                continue;
            };
            let end = at + bytes.len();
            // The length may have become durable without the bytes below it.
            if dice.coin() && self.durable.len() < end {
                let grown = self.durable.len() + dice.below(end - self.durable.len() + 1);
                self.durable.resize(grown, 0);
            }
            let sectors = end.div_ceil(SECTOR) - at / SECTOR;
            let upto = dice.below(sectors + 1);
            let survives: &mut dyn FnMut(&mut Dice, usize) -> bool = match dice.below(6) {
                0 => &mut |_, _| true,
                1 => &mut |_, _| false,
                2 | 3 => &mut |_, n| n < upto,
                _ => &mut |dice, _| dice.coin(),
            };
            let (mut start, mut n, mut kept) = (*at, 0, 0);
            while start < end {
                let stop = end.min((start / SECTOR + 1) * SECTOR);
                if survives(dice, n) {
                    put(&mut self.durable, start, &bytes[start - at..stop - at]);
                    kept += 1;
                }
                (start, n) = (stop, n + 1);
            }
            match kept {
                0 => torn.writes_lost += 1,
                all if all == n => torn.writes_kept += 1,
                _ => torn.writes_torn += 1,
            }
        }
    }
}

impl State {
    fn tick(&mut self, op: Op, path: &Path) -> Result<(), DiskError> {
        let fail = |text: &str| Err(DiskError::new(op, path, io::Error::other(text.to_owned())));
        if self.off {
            return fail("the power is off");
        }
        if self.off_at == Some(self.operations) {
            self.off = true;
            self.last = Some((op, path.to_owned()));
            return fail("the power is off");
        }
        self.operations += 1;
        if matches!(op, Op::Sync | Op::SyncDir) {
            if self.off_at_sync == Some(self.syncs) {
                self.off = true;
                self.last = Some((op, path.to_owned()));
                return fail("the power is off");
            }
            self.syncs += 1;
        }
        let mut hit = false;
        self.faults.retain_mut(|fault| {
            if fault.op.is_some_and(|wanted| wanted != op) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            hit = true;
            fault.lasting
        });
        self.faulted |= hit;
        if hit { fail("injected fault") } else { Ok(()) }
    }

    fn ignores(&self, op: Op, path: &Path) -> bool {
        self.ignored.iter().any(|(of, part)| *of == op && path.to_string_lossy().contains(part.as_str()))
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(Node::inode).map(|inode| grab(inode).now.len() as u64).sum()
    }

    fn file(&self, path: &Path) -> Option<Arc<Mutex<Inode>>> {
        self.names.get(path).and_then(Node::inode).cloned()
    }

    fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || path == Path::new(".") || matches!(self.names.get(path), Some(Node::Dir))
    }

    fn edit(&mut self, edits: Vec<(PathBuf, Option<Node>)>) {
        for (path, node) in &edits {
            let before = match node {
                Some(node) => self.names.insert(path.clone(), node.clone()),
                None => self.names.remove(path),
            };
            if let (Some(graves), Some(Node::File(inode))) = (&mut self.graveyard, before) {
                graves.push(inode);
            }
        }
        let mut by_dir: BTreeMap<PathBuf, Vec<(PathBuf, Option<Node>)>> = BTreeMap::new();
        for (path, node) in edits {
            by_dir.entry(parent(&path).to_owned()).or_default().push((path, node));
        }
        self.renames.extend(by_dir.into_iter().map(|(dir, edits)| NameChange { dir, edits }));
    }

    fn settle_names(&mut self, mut keep: impl FnMut(&NameChange) -> bool) {
        let (settled, waiting) = std::mem::take(&mut self.renames).into_iter().partition(|change| keep(change));
        self.renames = waiting;
        let settled: Vec<NameChange> = settled;
        for (path, node) in settled.into_iter().flat_map(|change| change.edits) {
            match node {
                Some(node) => self.durable.insert(path, node),
                None => self.durable.remove(&path),
            };
        }
    }

    fn restart(&mut self) {
        self.renames.clear();
        let mut names = self.durable.clone();
        // What lies in a folder whose own name was lost is lost with it.
        let lost = |names: &BTreeMap<PathBuf, Node>, path: &Path| {
            let dir = parent(path);
            dir != Path::new("/") && dir != Path::new(".") && !matches!(names.get(dir), Some(Node::Dir))
        };
        while let Some(path) = names.keys().find(|path| lost(&names, path)).cloned() {
            names.remove(&path);
        }
        for inode in names.values().filter_map(Node::inode) {
            let mut inode = grab(inode);
            inode.pending.clear();
            inode.now = inode.durable.clone();
        }
        self.durable = names.clone();
        self.names = names;
        self.life += 1;
        self.off = false;
        self.off_at_sync = None;
        self.off_at = None;
        self.faults.clear();
        self.locks.clear();
    }
}

impl Node {
    fn inode(&self) -> Option<&Arc<Mutex<Inode>>> {
        match self {
            Node::File(inode) => Some(inode),
            Node::Dir => None,
        }
    }
}

impl ForgetfulDisk {
    /// An empty disk with the root folder `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Power cut and restart: only synced bytes under synced names are left. Open handles, faults and locks end.
    pub fn crash(&self) {
        grab(&self.state).restart();
    }

    /// Power cut and restart in the middle of things: of what was not synced, `seed` chooses what is left. Says what.
    pub fn crash_torn(&self, seed: u64) -> Torn {
        let mut state = grab(&self.state);
        let (mut dice, mut torn) = (Dice(seed), Torn::default());
        // most file systems keep the order of names; nothing that is written down promises it
        let in_order = dice.coin();
        let mut ended: BTreeSet<PathBuf> = BTreeSet::new();
        state.settle_names(|change| {
            let lost = dice.coin() || (in_order && ended.contains(&change.dir));
            if lost {
                ended.insert(change.dir.clone());
                torn.names_lost += 1;
            } else {
                torn.names_kept += 1;
            }
            !lost
        });
        let mut seen = BTreeSet::new();
        let inodes: Vec<_> = state.durable.values().filter_map(Node::inode).cloned().collect();
        for inode in inodes {
            let mut inode = grab(&inode);
            if seen.insert(inode.id) {
                inode.settle_torn(&mut dice, &mut torn);
            }
        }
        state.restart();
        torn
    }

    /// Switches the power off at the `nth` sync from now (0 is the next one), before it takes effect. Everything fails
    /// from there until [`ForgetfulDisk::crash`].
    pub fn power_off_at_sync(&self, nth: u64) {
        let mut state = grab(&self.state);
        state.off_at_sync = Some(state.syncs + nth);
    }

    /// Switches the power off at the `nth` operation of any kind from now (0 is the next one), before it takes effect.
    pub fn power_off_at(&self, nth: u64) {
        let mut state = grab(&self.state);
        state.off_at = Some(state.operations + nth);
    }

    /// What was about to be done, to what, when the power went off.
    pub fn cut_at(&self) -> Option<(Op, PathBuf)> {
        grab(&self.state).last.clone()
    }

    /// A disk that lies: from now on a sync ([`Op::Sync`], or [`Op::SyncDir`]) of a path that contains `part` says that it
    /// is done and makes nothing durable. To ask of a test whether it would notice that such a sync was left out.
    pub fn ignore(&self, op: Op, part: &str) {
        grab(&self.state).ignored.push((op, part.to_owned()));
    }

    /// How many syncs (of files and of folders) were asked for so far.
    pub fn syncs(&self) -> u64 {
        grab(&self.state).syncs
    }

    /// How many operations of any kind were asked for so far.
    pub fn operations(&self) -> u64 {
        grab(&self.state).operations
    }

    /// Lets the `nth` operation from now (0 is the next one) of this kind fail, once. `None` counts every operation.
    pub fn fail_nth(&self, op: Option<Op>, nth: u64) {
        grab(&self.state).faults.push(Fault { op, after: nth, lasting: false });
    }

    /// Lets every operation of this kind fail from the `nth` on.
    pub fn fail_from(&self, op: Option<Op>, nth: u64) {
        grab(&self.state).faults.push(Fault { op, after: nth, lasting: true });
    }

    /// Whether an injected fault has come true so far.
    pub fn faulted(&self) -> bool {
        grab(&self.state).faulted
    }

    /// Forgets all injected faults.
    pub fn heal(&self) {
        grab(&self.state).faults.clear();
    }

    /// Lets the disk be full after `bytes` more.
    pub fn fill_after(&self, bytes: u64) {
        let mut state = grab(&self.state);
        state.capacity = Some(state.used() + bytes);
    }

    /// Gives room again after [`ForgetfulDisk::fill_after`].
    pub fn free_room(&self) {
        grab(&self.state).capacity = None;
    }

    /// Flips the bits of `mask` in one byte of a file, durably. Panics when there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) {
        let state = grab(&self.state);
        let inode = state.file(path).expect("the test names an existing file");
        let mut inode = grab(&inode);
        let at = usize::try_from(offset).expect("the test names an existing byte");
        inode.now[at] ^= mask;
        if let Some(byte) = inode.durable.get_mut(at) {
            *byte ^= mask;
        }
    }

    /// Cuts a file to `len` bytes, durably. Panics when there is no such file.
    pub fn cut(&self, path: &Path, len: u64) {
        let state = grab(&self.state);
        let inode = state.file(path).expect("the test names an existing file");
        let mut inode = grab(&inode);
        let len = usize::try_from(len).expect("the test's file fits into memory");
        inode.now.truncate(len);
        inode.durable.truncate(len);
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = grab(&self.state);
        state.names.iter().filter(|(_, node)| node.inode().is_some()).map(|(path, _)| path.clone()).collect()
    }

    /// The bytes of a file as a reader sees them now.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        grab(&self.state).file(path).map(|inode| grab(&inode).now.clone())
    }

    /// From now on keeps files that lose their name, for [`ForgetfulDisk::remnants`].
    pub fn keep_remnants(&self) {
        grab(&self.state).graveyard.get_or_insert_default();
    }

    /// What an examiner of the bare disk finds of files without a name: their bytes, in memory and durable.
    pub fn remnants(&self) -> Vec<Vec<u8>> {
        let state = grab(&self.state);
        let graves = state.graveyard.iter().flatten().map(|inode| grab(inode));
        graves.flat_map(|inode| [inode.now.clone(), inode.durable.clone()]).collect()
    }

    /// An independent copy of the whole disk as it is now, unsynced state included.
    pub fn snapshot(&self) -> Self {
        let state = grab(&self.state);
        let mut copies: HashMap<u64, Arc<Mutex<Inode>>> = HashMap::new();
        let mut copy = |node: &Node| match node {
            Node::Dir => Node::Dir,
            Node::File(inode) => {
                let inode = grab(inode);
                Node::File(copies.entry(inode.id).or_insert_with(|| Arc::new(Mutex::new(Inode::clone(&inode)))).clone())
            }
        };
        let names = state.names.iter().map(|(path, node)| (path.clone(), copy(node))).collect();
        let durable = state.durable.iter().map(|(path, node)| (path.clone(), copy(node))).collect();
        let renames = state.renames.iter().map(|change| NameChange {
            dir: change.dir.clone(),
            edits: change.edits.iter().map(|(path, node)| (path.clone(), node.as_ref().map(&mut copy))).collect(),
        });
        let renames = renames.collect();
        let copy = State {
            names,
            durable,
            renames,
            next_id: state.next_id,
            capacity: state.capacity,
            ignored: state.ignored.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(copy)) }
    }
}

fn kind<T>(op: Op, path: &Path, kind: io::ErrorKind) -> Result<T, DiskError> {
    Err(DiskError::new(op, path, kind.into()))
}

impl Disk for ForgetfulDisk {
    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::CreateDir, path)?;
        if state.is_dir(path) {
            return Ok(());
        }
        if state.names.contains_key(path) {
            return kind(Op::CreateDir, path, io::ErrorKind::AlreadyExists);
        }
        if !state.is_dir(parent(path)) {
            return kind(Op::CreateDir, path, io::ErrorKind::NotFound);
        }
        state.edit(vec![(path.to_owned(), Some(Node::Dir))]);
        Ok(())
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::Open, path)?;
        let inode = match (state.names.get(path), access) {
            (Some(Node::Dir), _) => return kind(Op::Open, path, io::ErrorKind::IsADirectory),
            (Some(_), Access::CreateNew) => return kind(Op::Open, path, io::ErrorKind::AlreadyExists),
            (Some(Node::File(inode)), _) => inode.clone(),
            (None, Access::CreateNew) if state.is_dir(parent(path)) => {
                state.next_id += 1;
                let inode = Arc::new(Mutex::new(Inode { id: state.next_id, ..Inode::default() }));
                state.edit(vec![(path.to_owned(), Some(Node::File(inode.clone())))]);
                inode
            }
            (None, _) => return kind(Op::Open, path, io::ErrorKind::NotFound),
        };
        Ok(Box::new(ForgetfulFile {
            state: self.state.clone(),
            inode,
            path: path.to_owned(),
            life: state.life,
            writable: access != Access::Read,
        }))
    }

    fn exists(&self, path: &Path) -> Result<bool, DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::List, path)?;
        Ok(state.is_dir(path) || state.names.contains_key(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::Rename, to)?;
        let Some(inode) = state.file(from) else {
            return kind(Op::Rename, to, io::ErrorKind::NotFound);
        };
        if !state.is_dir(parent(to)) {
            return kind(Op::Rename, to, io::ErrorKind::NotFound);
        }
        // The file goes on under its new name: it is no remnant.
        state.names.remove(from);
        state.edit(vec![(from.to_owned(), None), (to.to_owned(), Some(Node::File(inode)))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::Remove, path)?;
        if state.file(path).is_none() {
            return kind(Op::Remove, path, io::ErrorKind::NotFound);
        }
        state.edit(vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::Remove, path)?;
        if !matches!(state.names.get(path), Some(Node::Dir)) {
            return kind(Op::Remove, path, io::ErrorKind::NotFound);
        }
        if state.names.keys().any(|name| name != path && name.starts_with(path)) {
            return kind(Op::Remove, path, io::ErrorKind::DirectoryNotEmpty);
        }
        state.edit(vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let mut state = grab(&self.state);
        state.tick(Op::List, dir)?;
        if !state.is_dir(dir) {
            return kind(Op::List, dir, io::ErrorKind::NotFound);
        }
        let inside = state.names.keys().filter(|path| parent(path) == dir && path.as_path() != dir);
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = grab(&self.state);
        // Unlike a file's bytes after a failed sync, names stay dirty in the file system's journal until it is written.
        state.tick(Op::SyncDir, dir)?;
        if state.ignores(Op::SyncDir, dir) {
            return Ok(());
        }
        state.settle_names(|change| change.dir == dir);
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn LockGuard>>, DiskError> {
        if !self.exists(path)? {
            self.open(path, Access::CreateNew)?;
        }
        let mut state = grab(&self.state);
        state.tick(Op::Lock, path)?;
        if !state.locks.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(ForgetfulLock { state: self.state.clone(), path: path.to_owned() })))
    }
}

impl ForgetfulFile {
    fn enter(&self, op: Op) -> Result<(MutexGuard<'_, State>, MutexGuard<'_, Inode>), DiskError> {
        let mut state = grab(&self.state);
        if state.life != self.life {
            return Err(DiskError::new(op, &self.path, io::Error::other("opened before the power cut")));
        }
        let outcome = state.tick(op, &self.path);
        let mut inode = grab(&self.inode);
        if let Err(error) = outcome {
            if op == Op::Sync && !state.off {
                inode.pending.clear();
            }
            return Err(error);
        }
        Ok((state, inode))
    }

    fn writable(&self, op: Op) -> Result<(), DiskError> {
        if self.writable { Ok(()) } else { kind(op, &self.path, io::ErrorKind::PermissionDenied) }
    }
}

fn index(op: Op, path: &Path, offset: u64) -> Result<usize, DiskError> {
    usize::try_from(offset).or_else(|_| kind(op, path, io::ErrorKind::FileTooLarge))
}

impl DiskFile for ForgetfulFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let (_state, inode) = self.enter(Op::Read)?;
        let from = index(Op::Read, &self.path, offset)?.min(inode.now.len());
        let n = buf.len().min(inode.now.len() - from);
        buf[..n].copy_from_slice(&inode.now[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        self.writable(Op::Write)?;
        let at = index(Op::Write, &self.path, offset)?;
        let (state, mut inode) = match self.enter(Op::Write) {
            Ok(entered) => entered,
            Err(error) => {
                let state = grab(&self.state);
                if !state.off && state.life == self.life {
                    grab(&self.inode).change(Change::Write { at, bytes: bytes[..bytes.len() / 2].to_vec() });
                }
                return Err(error);
            }
        };
        let grows = (at + bytes.len()).saturating_sub(inode.now.len());
        let mut fits = bytes.len();
        if let Some(capacity) = state.capacity.filter(|_| grows > 0) {
            drop(inode);
            let room = usize::try_from(capacity.saturating_sub(state.used())).unwrap_or(usize::MAX);
            inode = grab(&self.inode);
            fits -= grows.saturating_sub(room).min(fits);
        }
        inode.change(Change::Write { at, bytes: bytes[..fits].to_vec() });
        if fits < bytes.len() { kind(Op::Write, &self.path, io::ErrorKind::StorageFull) } else { Ok(()) }
    }

    fn len(&self) -> Result<u64, DiskError> {
        let (_state, inode) = self.enter(Op::Read)?;
        Ok(inode.now.len() as u64)
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.writable(Op::Truncate)?;
        let len = index(Op::Truncate, &self.path, len)?;
        let (_state, mut inode) = self.enter(Op::Truncate)?;
        inode.change(Change::Cut { len });
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        let (state, mut inode) = self.enter(Op::Sync)?;
        if !state.ignores(Op::Sync, &self.path) {
            inode.settle();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(disk: &ForgetfulDisk, path: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
        let file = disk.open(Path::new(path), Access::CreateNew).unwrap();
        file.write_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn only_synced_bytes_under_synced_names_survive() {
        let disk = ForgetfulDisk::new();
        write(&disk, "/name-not-synced", b"x").sync_data().unwrap();
        disk.create_dir(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = write(&disk, "/d/a", b"one");
        file.sync_data().unwrap();
        file.write_at(b"two", 3).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        disk.crash();
        assert_eq!(disk.contents(Path::new("/d/a")).unwrap(), b"one");
        assert_eq!(disk.contents(Path::new("/d/b")), None);
        assert!(file.len().is_err(), "the handle died with the power");
        assert!(disk.exists(Path::new("/name-not-synced")).unwrap(), "synced by the root's sync");
    }

    #[test]
    fn a_failed_sync_loses_the_bytes_for_good() {
        let disk = ForgetfulDisk::new();
        let file = write(&disk, "/a", b"one");
        disk.sync_dir(Path::new("/")).unwrap();
        disk.fail_nth(Some(Op::Sync), 0);
        let error = file.sync_data().unwrap_err();
        assert!(error.to_string().contains("/a"));
        file.sync_data().unwrap();
        assert_eq!(disk.contents(Path::new("/a")).unwrap(), b"one");
        disk.crash();
        assert_eq!(disk.contents(Path::new("/a")).unwrap(), b"");
    }

    #[test]
    fn a_full_disk_writes_what_fits_and_recovers() {
        let disk = ForgetfulDisk::new();
        disk.fill_after(4);
        let file = disk.open(Path::new("/a"), Access::CreateNew).unwrap();
        assert!(file.write_at(b"123456", 0).unwrap_err().is_full());
        assert_eq!(disk.contents(Path::new("/a")).unwrap(), b"1234");
        file.write_at(b"abcd", 0).unwrap();
        disk.free_room();
        file.write_at(b"123456", 0).unwrap();
    }

    #[test]
    fn power_goes_off_at_the_chosen_sync() {
        let disk = ForgetfulDisk::new();
        disk.power_off_at_sync(1);
        let file = write(&disk, "/a", b"one");
        disk.sync_dir(Path::new("/")).unwrap();
        assert!(file.sync_data().is_err());
        assert!(disk.list(Path::new("/")).is_err());
        let copy = disk.snapshot();
        disk.crash();
        assert_eq!(disk.contents(Path::new("/a")).unwrap(), b"");
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let copy = copy.snapshot();
            copy.crash_torn(seed);
            seen.insert(copy.contents(Path::new("/a")).unwrap());
        }
        assert!(seen.contains(&b"one"[..]) && seen.contains(&b""[..]) && seen.len() > 2, "{seen:?}");
    }
}
