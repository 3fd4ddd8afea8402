//! What a node does to its disk, what it was told, and whether that is still so.

use lapwing_store::atomic_file;
use lapwing_store::blobs::{BlobStore, Pieces, piece_cvs, piece_len};
use lapwing_store::disk::Disk;
use lapwing_store::disk::forgetful::ForgetfulDisk;
use lapwing_store::journal::{Journal, Options, Position};
use lapwing_store::keyring::{Erasure, Keyring};
use lapwing_store::lock::DataLock;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An error with its causes, as it is logged.
pub fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// One thing that a node does to its disk.
#[derive(Clone, Debug)]
pub enum Step {
    /// What an engine decided in one go, and its own heads where they changed.
    Commit(Vec<Vec<u8>>, Option<Vec<u8>>),
    /// Keys of cases and evidence.
    Keep(Vec<u64>),
    /// A case is erased: its key, and the list beside the folder.
    Destroy(u64),
    /// A piece of evidence is sealed.
    Seal(u64),
    /// A piece of evidence is fetched, piece by piece.
    Fetch(u64),
    /// Sealed evidence is removed.
    Remove(u64),
    /// An idle moment.
    Settle,
    /// The process ends, in order or not, and another begins.
    Again,
}

/// Scripts made of what simulated nodes wrote, batch by batch.
pub fn scripts() -> &'static [Vec<Step>] {
    static SCRIPTS: OnceLock<Vec<Vec<Step>>> = OnceLock::new();
    SCRIPTS.get_or_init(|| {
        let worlds = super::on_threads(3, lapwing_sim::run::busy_world);
        let busiest = |w: &'_ lapwing_sim::world::World| {
            let node = w.nodes.iter().max_by_key(|n| n.commits.len()).expect("a world has nodes");
            script(&node.journal, &node.commits)
        };
        worlds.iter().map(busiest).collect()
    })
}

/// Batches of one script: as many as make a run of some hundred operations.
const BATCHES: usize = 48;

fn script(journal: &[Vec<u8>], commits: &[usize]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut from = 0;
    let batches = commits.iter().filter(|upto| **upto <= journal.len()).take(BATCHES);
    for (n, upto) in batches.copied().enumerate() {
        let batch = journal[from..upto].to_vec();
        from = upto;
        let id = n as u64;
        let highwater = n.is_multiple_of(3).then(|| [b"heads of ".as_slice(), &id.to_le_bytes()].concat());
        steps.push(Step::Commit(batch, highwater));
        match n % 12 {
            1 | 6 => steps.push(Step::Keep(vec![id, id + 1000])),
            2 => steps.push(Step::Seal(id)),
            3 if n % 24 == 3 => steps.push(Step::Fetch(id)),
            5 => steps.push(Step::Settle),
            7 => steps.push(Step::Destroy(id - 1)),
            8 => steps.push(Step::Again),
            9 => steps.push(Step::Remove(id - 7)),
            _ => {}
        }
    }
    assert!(steps.len() > BATCHES && from >= BATCHES, "{} steps, {from} facts: too few to show anything", steps.len());
    steps
}

type Evidence = Arc<(Vec<u8>, Pieces)>;

/// The bytes of evidence number `n`, and their hashes.
fn evidence(n: u64) -> Evidence {
    static ALL: Mutex<BTreeMap<u64, Evidence>> = Mutex::new(BTreeMap::new());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let made = all.entry(n).or_insert_with(|| {
        // what is fetched has more than one piece
        let len = if n % 24 == 3 { (1 << 20) + 300 + n as usize } else { 600 + 97 * (n as usize % 100) };
        let bytes: Vec<u8> = (0..len as u64).map(|i| (i ^ (i >> 7) ^ n.wrapping_mul(0x9e37) >> 3) as u8).collect();
        let pieces = piece_cvs(&bytes[..]).unwrap();
        Arc::new((bytes, pieces))
    });
    made.clone()
}

fn root_of(n: u64) -> [u8; 32] {
    *evidence(n).1.root()
}

fn name(n: u64) -> Vec<u8> {
    format!("case/{n}").into_bytes()
}

fn secret(n: u64) -> Vec<u8> {
    format!("the key of case {n}, 32 bytes long").into_bytes()
}

/// What is there only to be seen: how much a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub acknowledged: u64,
    pub unknown_there: u64,
    pub unknown_gone: u64,
    pub torn_tails: u64,
    pub tails_copied: u64,
    pub marks_repaired: u64,
    pub segments: u64,
    pub opened: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.acknowledged += other.acknowledged;
        self.unknown_there += other.unknown_there;
        self.unknown_gone += other.unknown_gone;
        self.torn_tails += other.torn_tails;
        self.tails_copied += other.tails_copied;
        self.marks_repaired += other.marks_repaired;
        self.segments += other.segments;
        self.opened += other.opened;
    }
}

/// What a node was told: what it may rely on, and what it must find out.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Facts that were acknowledged, in order.
    pub facts: Vec<Vec<u8>>,
    /// Where they lie.
    pub places: Vec<Position>,
    /// Batches that failed since: at most one of them may be there, whole.
    pub failed: Vec<Vec<Vec<u8>>>,
    /// Keys that were acknowledged, and ones that may be there.
    pub keys: BTreeSet<u64>,
    pub maybe_keys: BTreeSet<u64>,
    /// Keys that are gone, and ones that may be.
    pub destroyed: BTreeSet<u64>,
    pub maybe_destroyed: BTreeSet<u64>,
    /// Evidence that is there, may be there, is gone, may be gone.
    pub blobs: BTreeSet<u64>,
    pub maybe_blobs: BTreeSet<u64>,
    /// Pieces of downloads that were acknowledged.
    pub pieces: BTreeMap<u64, u64>,
    /// What the high-water file may say; the first was acknowledged.
    pub marks: Vec<Vec<u8>>,
    marked: bool,
    /// Steps that were taken.
    pub steps: usize,
    /// Errors, in words.
    pub errors: Vec<String>,
}

impl Told {
    /// A process that starts reads what is there: a batch of unknown outcome that it finds counts from then on.
    fn finds(&mut self, store: &Store) -> Result<(), Any> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let found: Result<Vec<_>, _> = store.journal.reader().replay(None).collect();
        let (places, rest): (Vec<_>, Vec<_>) = found?.into_iter().skip(self.facts.len()).unzip();
        // anything else is found by the judge
        if self.failed.contains(&rest) {
            self.facts.extend(rest);
            self.places.extend(places);
        }
        self.failed.clear();
        Ok(())
    }
}

/// An open store.
pub struct Store {
    disk: ForgetfulDisk,
    pub journal: Journal,
    pub keyring: Keyring,
    pub blobs: BlobStore,
    _lock: DataLock,
}

type Any = Box<dyn Error>;

fn options() -> Options {
    Options { at_rest_key: Some([7; 32]), segment_bytes: 12 << 10, format: 3, ..Options::default() }
}

impl Store {
    /// Opens everything, as a node does at its start.
    pub fn open(disk: &ForgetfulDisk, seen: &mut Seen) -> Result<Store, Any> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        for dir in ["/data", "/data/run"] {
            lapwing_store::disk::create_dir_durably(disk, Path::new(dir))?;
        }
        let lock = DataLock::acquire(disk, Path::new("/data/run/lock"))?;
        let (journal, opened) = Journal::open(shared.clone(), Path::new("/data/journal"), options())?;
        seen.torn_tails += u64::from(opened.cut.is_some());
        seen.tails_copied += u64::from(opened.copied);
        seen.marks_repaired += u64::from(opened.mark_repaired);
        seen.segments += opened.segments;
        seen.opened += 1;
        let keyring = Keyring::open(shared.clone(), Path::new("/data/keyring"), [5; 32])?;
        let blobs = BlobStore::open(shared, Path::new("/data/blobs"))?;
        Ok(Store { disk: disk.clone(), journal, keyring, blobs, _lock: lock })
    }

    fn take(&mut self, step: &Step, told: &mut Told) -> Result<(), Any> {
        match step {
            Step::Commit(batch, highwater) => {
                // beside each other in the node: here one after the other, in both orders
                let before = told.steps.is_multiple_of(2);
                let marked = if before { self.mark(highwater.as_deref(), told) } else { Ok(()) };
                let appended = self.journal.append(batch);
                match appended {
                    Ok(places) => {
                        told.facts.extend(batch.iter().cloned());
                        told.places.extend(places);
                        told.failed.clear();
                    }
                    Err(error) => {
                        told.failed.push(batch.clone());
                        return Err(error.into());
                    }
                }
                marked?;
                if !before {
                    self.mark(highwater.as_deref(), told)?;
                }
            }
            Step::Keep(all) => {
                let all: Vec<u64> = all.iter().copied().filter(|n| !told.destroyed.contains(n)).collect();
                let secrets: Vec<(Vec<u8>, Vec<u8>)> = all.iter().map(|n| (name(*n), secret(*n))).collect();
                let secrets: Vec<(&[u8], &[u8])> = secrets.iter().map(|(n, s)| (&n[..], &s[..])).collect();
                told.maybe_keys.extend(&all);
                self.keyring.put_all(&secrets)?;
                told.keys.extend(&all);
            }
            Step::Destroy(n) => {
                told.maybe_destroyed.insert(*n);
                self.keyring.destroy(&name(*n), 9)?;
                told.destroyed.insert(*n);
            }
            Step::Seal(n) => {
                told.maybe_blobs.insert(*n);
                let mut writer = self.blobs.create()?;
                writer.write(&evidence(*n).0)?;
                writer.finish()?;
                told.blobs.insert(*n);
            }
            Step::Fetch(n) => {
                let made = evidence(*n);
                let (bytes, pieces) = (&made.0, &made.1);
                if self.blobs.contains(pieces.root())? {
                    told.blobs.insert(*n);
                    return Ok(());
                }
                told.maybe_blobs.insert(*n);
                let mut partial = self.blobs.partial(*pieces.root(), pieces.len(), pieces.cvs().to_vec())?;
                while let Some(piece) = partial.next_missing(0) {
                    let start = (piece << 20) as usize;
                    partial.write_piece(piece, &bytes[start..start + piece_len(pieces.len(), piece)])?;
                    *told.pieces.entry(*n).or_default() += 1;
                }
                partial.finish()?;
                told.blobs.insert(*n);
            }
            Step::Remove(n) => {
                told.blobs.remove(n);
                told.maybe_blobs.insert(*n);
                self.blobs.remove(&root_of(*n))?;
                told.maybe_blobs.remove(n);
            }
            Step::Settle => self.journal.settle()?,
            Step::Again => {}
        }
        Ok(())
    }

    fn mark(&self, bytes: Option<&[u8]>, told: &mut Told) -> Result<(), Any> {
        let Some(bytes) = bytes else { return Ok(()) };
        told.marks.push(bytes.to_vec());
        atomic_file::replace(&self.disk, Path::new("/data.highwater"), bytes)?;
        told.marks = vec![bytes.to_vec()];
        told.marked = true;
        Ok(())
    }
}

/// What is done when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The process ends, as the node does.
    End,
    /// It goes on with the next step, as after a full disk.
    GoOn,
}

/// Carries out a script from step `from` on; `told` knows what it was told before. Opening again is a part of it.
pub fn run(disk: &ForgetfulDisk, steps: &[Step], told: &mut Told, on_error: OnError) {
    let mut seen = Seen::default();
    let mut store: Option<Store> = None;
    for step in steps {
        if matches!(step, Step::Again) {
            store = None;
        }
        let outcome = match &mut store {
            Some(open) => open.take(step, told),
            none => Store::open(disk, &mut seen).and_then(|s| {
                told.finds(&s)?;
                none.insert(s).take(step, told)
            }),
        };
        told.steps += 1;
        if let Err(error) = outcome {
            told.errors.push(words(&*error));
            if on_error == OnError::End {
                return;
            }
        }
    }
}

/// Opens what a fault has left and holds it against what was told; then goes on from there, and opens once more.
pub fn judge(disk: &ForgetfulDisk, told: &Told) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut store = Store::open(disk, &mut seen).map_err(|e| format!("unopenable: {}", words(&*e)))?;
    let found = holds(&store, told)?;
    let whole = found.len() as u64;
    seen.acknowledged = told.facts.len() as u64;
    match found.len() > told.facts.len() {
        true => seen.unknown_there += 1,
        false => seen.unknown_gone += u64::from(!told.failed.is_empty()),
    }
    // and it goes on
    let text = |e: &dyn Error| format!("does not go on: {}", words(e));
    let after = [b"after the fault".to_vec(), b"a second".to_vec()];
    store.journal.append(&after).map_err(|e| text(&e))?;
    store.keyring.put(b"after", b"the fault").map_err(|e| text(&e))?;
    store.keyring.apply_erasures(&[Erasure { name: b"gone".to_vec(), time_ms: 1 }]).map_err(|e| text(&e))?;
    let mut told = told.clone();
    let afterwards = 1_000_000;
    store.take(&Step::Seal(afterwards), &mut told).map_err(|e| text(&*e))?;
    for n in told.pieces.keys().copied().collect::<Vec<_>>() {
        store.take(&Step::Fetch(n), &mut told).map_err(|e| text(&*e))?;
    }
    drop(store);
    disk.crash();
    let store = Store::open(disk, &mut seen).map_err(|e| format!("unopenable later: {}", words(&*e)))?;
    told.facts = found;
    told.facts.extend(after);
    told.failed.clear();
    if holds(&store, &told)?.len() as u64 != whole + 2 {
        return Err("doubled: what was written after the fault is there with more".into());
    }
    match store.keyring.get(b"after") {
        Some(found) if found.as_bytes() == b"the fault" => Ok(seen),
        _ => Err("lost: a key that was kept after the fault".into()),
    }
}

fn holds(store: &Store, told: &Told) -> Result<Vec<Vec<u8>>, String> {
    let reader = store.journal.reader();
    let found: Result<Vec<_>, _> = reader.replay(None).collect();
    let found = found.map_err(|e| format!("unreadable: {}", words(&e)))?;
    if let Some(at) = told.places.iter().zip(&told.facts).position(|(at, fact)| {
        // the tail may have been copied, never moved
        reader.read(*at).ok().as_ref() != Some(fact)
    }) {
        return Err(format!("lost: fact {at} of {} is not where it was acknowledged", told.facts.len()));
    }
    let found: Vec<Vec<u8>> = found.into_iter().map(|(_, bytes)| bytes).collect();
    if !found.starts_with(&told.facts) {
        return Err(format!("lost: of {} acknowledged facts {} are there", told.facts.len(), found.len()));
    }
    let rest = &found[told.facts.len()..];
    if !rest.is_empty() && !told.failed.iter().any(|batch| batch == rest) {
        return Err(format!("doubled: {} facts more than were written", rest.len()));
    }
    for n in told.maybe_keys.union(&told.keys) {
        let held = store.keyring.get(&name(*n));
        if held.as_ref().is_some_and(|held| held.as_bytes() != secret(*n)) {
            return Err(format!("wrong: key {n} is another"));
        }
        if held.is_some() && told.destroyed.contains(n) {
            return Err(format!("undone: key {n} was destroyed"));
        }
        if held.is_none() && told.keys.contains(n) && !told.maybe_destroyed.contains(n) {
            return Err(format!("lost: key {n}"));
        }
    }
    let gone = store.keyring.erasures().filter(|e| told.destroyed.iter().any(|n| name(*n) == e.name)).count();
    if gone != told.destroyed.len() {
        return Err(format!("lost: {gone} of {} erasures are noted", told.destroyed.len()));
    }
    let expected: BTreeMap<[u8; 32], u64> = told.maybe_blobs.union(&told.blobs).map(|n| (root_of(*n), *n)).collect();
    let listed = store.blobs.list().map_err(|e| words(&e))?;
    for root in &listed {
        let n = expected.get(root).ok_or("undone: evidence that was removed is there")?;
        let mut blob = store.blobs.open_blob(root).map_err(|e| words(&e))?;
        let count = blob.pieces().map_err(|e| format!("unreadable: {}", words(&e)))?.count();
        let mut bytes = Vec::new();
        for piece in 0..count {
            bytes.extend(blob.read_piece(piece).map_err(|e| format!("unreadable: {}", words(&e)))?);
        }
        if bytes != evidence(*n).0 {
            return Err(format!("wrong: evidence {n} is another"));
        }
    }
    for n in &told.blobs {
        if !listed.contains(&root_of(*n)) {
            return Err(format!("lost: evidence {n}"));
        }
    }
    for (n, durable) in &told.pieces {
        let pieces = &evidence(*n).1;
        if listed.contains(pieces.root()) || told.blobs.contains(n) {
            continue;
        }
        let partial = store.blobs.resume(pieces.root()).map_err(|e| words(&e))?;
        let missing = partial.map_or(pieces.count(), |p| p.missing());
        if missing + durable > pieces.count() {
            return Err(format!("lost: a piece of evidence {n}"));
        }
    }
    let marked = atomic_file::read(&store.disk, Path::new("/data.highwater")).map_err(|e| words(&e))?;
    match marked {
        None if told.marked => Err("lost: the high-water file".into()),
        Some(bytes) if !told.marks.contains(&bytes) => Err("wrong: the high-water file says something else".into()),
        _ => Ok(found),
    }
}
