//! Secrets that must be destroyable: case keys, KEM private keys. Outside of journal and index (protocol §6).
//!
//! ```text
//! master key (given)  ──seals──▶  keyring/0000000000000007.wrap   the wrapping key of generation 7, 32 random bytes
//! wrapping key        ──seals──▶  keyring/0000000000000007/       a small journal of secrets and erasures
//! ```
//!
//! A secret is added by one append to the generation's journal. It is destroyed by writing all the others under a fresh
//! wrapping key as the next generation, whose `.wrap` file is the commit, and by overwriting and removing the old `.wrap`
//! file: without that key the old generation's bytes, wherever the disk still keeps them, open no more. The erasure
//! itself (name and time) is a record of the new generation, so secret and erasure change places atomically.
//!
//! What it cannot do: reach copies. Backups of this folder keep a secret until they expire; a restored keyring gets the
//! newest erasure list first ([`Keyring::apply_erasures`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use zeroize::Zeroizing;

use crate::archive::Item;
use crate::atomic_file;
use crate::disk::{Disk, DiskError, create_dir_durably, remove_if_there};
use crate::journal::{AppendError, Journal, OpenError as JournalError, Options, ReadError};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest secret, in bytes.
pub const MAX_SECRET: usize = 4096;

/// How many records are written to a new generation at a time.
const CHUNK: usize = 1000;
const MAGIC: &[u8; 8] = b"LAPWWRAP";
const WRAP_LEN: usize = 8 + 24 + 32 + 16 + 32;
const SECRET: u8 = 1;
const ERASURE: u8 = 2;

/// A secret in memory: overwritten when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// That a secret was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Erasure {
    /// The secret's name.
    pub name: Vec<u8>,
    /// When, as the caller said it, in milliseconds since 1970.
    pub time_ms: u64,
}

/// A keyring could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file does not verify.
    #[error("{} is damaged", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// The master key is another than the one that sealed the file.
    #[error("{} is sealed under another key", file.display())]
    WrongKey {
        /// The file.
        file: PathBuf,
    },
    /// The generation's journal cannot be opened.
    #[error("cannot open the keyring's secrets")]
    Journal(#[from] JournalError),
    /// A record cannot be read.
    #[error("cannot read the keyring's secrets")]
    Read(#[from] ReadError),
}

/// A secret is not acknowledged as stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The name or the secret is too long, or the name empty. Nothing was changed.
    #[error("a name of {name} and a secret of {secret} bytes: at most {MAX_NAME} and {MAX_SECRET}")]
    Size {
        /// The name's length.
        name: usize,
        /// The secret's length.
        secret: usize,
    },
    /// A secret of this name was destroyed; the name is spent. Nothing was changed.
    #[error("a secret of this name was destroyed")]
    Erased,
    /// The append failed; as in the journal, the outcome is unknown until the next one.
    #[error("cannot store the secret")]
    Append(#[from] AppendError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl PutError {
    /// The disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Append(error) => matches!(error, AppendError::Full(_)),
            Self::Disk(error) => error.is_full(),
            _ => false,
        }
    }
}

impl DestroyError {
    /// The disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Append(error) => matches!(error, AppendError::Full(_)),
            Self::Disk(error) => error.is_full(),
            Self::Rewrite(error) => match &**error {
                OpenError::Disk(error) | OpenError::Journal(JournalError::Disk(error)) => error.is_full(),
                _ => false,
            },
            _ => false,
        }
    }
}

/// A destruction is not complete: call again, until it is.
#[derive(Debug, thiserror::Error)]
pub enum DestroyError {
    /// The new generation could not be written. The secret is still there.
    #[error("cannot write the keyring anew")]
    Rewrite(#[source] Box<OpenError>),
    /// The new generation could not be filled. The secret is still there.
    #[error("cannot write the keyring anew")]
    Append(#[from] AppendError),
    /// The disk failed; the secret is gone from this keyring, or not, as [`Keyring::get`] says, and residue may remain on
    /// the disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The operating system gave no randomness. The secret is still there.
    #[error("no randomness for a wrapping key")]
    Random(#[source] getrandom::Error),
    /// A name is empty or too long.
    #[error("a name of {0} bytes: at most {MAX_NAME}")]
    Size(usize),
}

/// The open keyring.
pub struct Keyring {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    master: Zeroizing<[u8; 32]>,
    generation: u64,
    journal: Journal,
    secrets: BTreeMap<Vec<u8>, Secret>,
    erased: BTreeMap<Vec<u8>, u64>,
    /// The next generation's commit failed and may yet be found by a restart; nothing is acknowledged before it is gone.
    unsettled: bool,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("dir", &self.dir)
            .field("generation", &self.generation)
            .field("secrets", &self.secrets.len())
            .field("erased", &self.erased.len())
            .finish_non_exhaustive()
    }
}

fn wrap_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:016}.wrap"))
}

fn journal_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{generation:016}"))
}

fn generation_of(name: &str) -> Option<u64> {
    Some(name).filter(|name| name.len() == 16)?.parse().ok()
}

fn journal_options(wrapping: &[u8; 32]) -> Options {
    Options { at_rest_key: Some(*wrapping), ..Options::default() }
}

impl Keyring {
    /// Opens (or creates) the keyring in `dir`, whose parent must exist, and finishes a destruction that was
    /// interrupted.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, master: [u8; 32]) -> Result<Self, OpenError> {
        let master = Zeroizing::new(master);
        create_dir_durably(&*disk, dir)?;
        let names = disk.list(dir)?;
        let newest = names.iter().filter_map(|name| generation_of(name.strip_suffix(".wrap")?)).max();
        let (generation, journal) = match newest {
            Some(generation) => {
                // An earlier process may have failed between the commit's rename and this sync.
                disk.sync_dir(dir)?;
                let wrapping = read_wrap(&*disk, dir, generation, &master)?;
                let options = journal_options(&wrapping);
                (generation, Journal::open(disk.clone(), &journal_path(dir, generation), options)?.0)
            }
            None => {
                let wrapping = fresh_key().map_err(JournalError::Random)?;
                let journal = begin(&disk, dir, 1, &wrapping)?;
                write_wrap(&*disk, dir, 1, &master, &wrapping)?;
                (1, journal)
            }
        };
        let mut keyring = Self {
            disk,
            dir: dir.to_owned(),
            master,
            generation,
            journal,
            secrets: BTreeMap::new(),
            erased: BTreeMap::new(),
            unsettled: false,
        };
        keyring.load()?;
        keyring.sweep()?;
        Ok(keyring)
    }

    fn load(&mut self) -> Result<(), OpenError> {
        let file = journal_path(&self.dir, self.generation);
        for item in self.journal.reader().replay(None) {
            let record = Zeroizing::new(item?.1);
            match decode(&record) {
                Some((SECRET, name, secret)) => {
                    self.secrets.insert(name.to_vec(), Secret(Zeroizing::new(secret.to_vec())));
                }
                Some((ERASURE, name, time)) if time.len() == 8 => {
                    let time = time.try_into().expect("the arm's guard asks for 8 bytes");
                    self.erased.insert(name.to_vec(), u64::from_le_bytes(time));
                }
                _ => return Err(OpenError::Damaged { file }),
            }
        }
        Ok(())
    }

    /// The secret of this name.
    pub fn get(&self, name: &[u8]) -> Option<Secret> {
        self.secrets.get(name).cloned()
    }

    /// Whether a secret of this name was destroyed.
    pub fn is_erased(&self, name: &[u8]) -> bool {
        self.erased.contains_key(name)
    }

    /// All names that have a secret, in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.keys().map(Vec::as_slice)
    }

    /// Stores a secret; durable on return. One of the same name is replaced for [`Keyring::get`], but its bytes are
    /// destroyed only by the next [`Keyring::destroy`] of anything.
    pub fn put(&mut self, name: &[u8], secret: &[u8]) -> Result<(), PutError> {
        self.put_all(&[(name, secret)])
    }

    /// Stores several secrets with one sync, all or none.
    pub fn put_all(&mut self, secrets: &[(&[u8], &[u8])]) -> Result<(), PutError> {
        for (name, secret) in secrets {
            if name.is_empty() || name.len() > MAX_NAME || secret.len() > MAX_SECRET {
                return Err(PutError::Size { name: name.len(), secret: secret.len() });
            }
            if self.erased.contains_key(*name) {
                return Err(PutError::Erased);
            }
        }
        self.settle()?;
        let records: Vec<_> = secrets.iter().map(|(name, secret)| encode(SECRET, name, secret)).collect();
        self.journal.append(&records)?;
        for (name, secret) in secrets {
            self.secrets.insert(name.to_vec(), Secret(Zeroizing::new(secret.to_vec())));
        }
        Ok(())
    }

    /// Destroys the secret of this name and notes the erasure, whether or not there was such a secret. `Ok(true)` when
    /// there was. On return neither the secret nor the key that sealed it can be read from this folder.
    pub fn destroy(&mut self, name: &[u8], time_ms: u64) -> Result<bool, DestroyError> {
        self.apply_erasures(&[Erasure { name: name.to_vec(), time_ms }]).map(|destroyed| destroyed > 0)
    }

    /// Destroys all secrets that the list names and takes the list over; of two times for a name the earlier stays. The
    /// number of secrets destroyed. For a restored keyring, and for several destructions at once.
    pub fn apply_erasures(&mut self, erasures: &[Erasure]) -> Result<usize, DestroyError> {
        if let Some(erasure) = erasures.iter().find(|erasure| erasure.name.is_empty() || erasure.name.len() > MAX_NAME)
        {
            return Err(DestroyError::Size(erasure.name.len()));
        }
        let mut erased = self.erased.clone();
        for Erasure { name, time_ms } in erasures {
            erased.entry(name.clone()).and_modify(|time| *time = (*time).min(*time_ms)).or_insert(*time_ms);
        }
        let destroyed = self.secrets.keys().filter(|name| erased.contains_key(*name)).count();
        self.settle()?;
        if erased != self.erased {
            self.rewrite(erased)?;
        }
        // Also when there is nothing to destroy: an earlier attempt may have left residue.
        self.sweep()?;
        Ok(destroyed)
    }

    /// The keyring as it is now, sealed as it lies on the disk, for a backup that is kept apart: names in the keyring's
    /// folder. Secrets that are destroyed later are in the copy until it is destroyed too.
    pub fn snapshot(&self) -> Result<Vec<Item>, DiskError> {
        let wrap = wrap_path(&self.dir, self.generation);
        let bytes = atomic_file::read(&*self.disk, &wrap)?
            .ok_or_else(|| DiskError::new(crate::disk::Op::Read, &wrap, std::io::ErrorKind::NotFound.into()))?;
        let folder = format!("{:016}", self.generation);
        let snapshot = self.journal.reader().snapshot();
        let mut items = vec![Item::bytes(format!("{folder}.wrap"), bytes)];
        items.push(Item::bytes(format!("{folder}/{}", crate::journal::MARK_NAME), snapshot.mark));
        for file in snapshot.files {
            // now, not when it is sent: a destruction removes the file
            let mut bytes = vec![0; usize::try_from(file.len).unwrap_or(usize::MAX)];
            self.disk.open(&file.path, crate::disk::Access::Read)?.read_exact_at(&mut bytes, 0)?;
            items.push(Item::bytes(format!("{folder}/{}", file.name), bytes));
        }
        Ok(items)
    }

    /// What was destroyed so far: the erasure list, ordered by name.
    pub fn erasures(&self) -> impl Iterator<Item = Erasure> {
        self.erased.iter().map(|(name, time_ms)| Erasure { name: name.clone(), time_ms: *time_ms })
    }

    /// Writes the next generation without what is erased and goes over to it.
    fn rewrite(&mut self, erased: BTreeMap<Vec<u8>, u64>) -> Result<(), DestroyError> {
        let next = self.generation + 1;
        let wrapping = fresh_key().map_err(DestroyError::Random)?;
        let mut journal =
            begin(&self.disk, &self.dir, next, &wrapping).map_err(|error| DestroyError::Rewrite(Box::new(error)))?;
        let kept = self.secrets.iter().filter(|(name, _)| !erased.contains_key(*name));
        let records: Vec<_> = kept
            .map(|(name, secret)| encode(SECRET, name, secret.as_bytes()))
            .chain(erased.iter().map(|(name, time_ms)| encode(ERASURE, name, &time_ms.to_le_bytes())))
            .collect();
        for chunk in records.chunks(CHUNK) {
            journal.append(chunk)?;
        }
        journal.settle()?;
        self.unsettled = true;
        write_wrap(&*self.disk, &self.dir, next, &self.master, &wrapping)?;
        self.unsettled = false;
        self.generation = next;
        self.journal = journal;
        self.secrets.retain(|name, _| !erased.contains_key(name));
        self.erased = erased;
        Ok(())
    }

    /// After a failed commit, takes the next generation's name back, so that a restart finds the present one.
    fn settle(&mut self) -> Result<(), DiskError> {
        if self.unsettled {
            remove_if_there(&*self.disk, &wrap_path(&self.dir, self.generation + 1))?;
            self.disk.sync_dir(&self.dir)?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// Removes all other generations: first the keys, overwritten, then what they sealed.
    fn sweep(&self) -> Result<(), DiskError> {
        let names = self.disk.list(&self.dir)?;
        let (wraps, rest): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.contains(".wrap"));
        for name in wraps {
            if *name != format!("{:016}.wrap", self.generation) {
                atomic_file::shred(&*self.disk, &self.dir.join(name))?;
            }
        }
        for generation in rest.iter().filter_map(|name| generation_of(name)) {
            if generation != self.generation {
                remove_generation(&*self.disk, &self.dir, generation)?;
            }
        }
        Ok(())
    }
}

fn remove_generation(disk: &dyn Disk, dir: &Path, generation: u64) -> Result<(), DiskError> {
    let folder = journal_path(dir, generation);
    if !disk.exists(&folder)? {
        return Ok(());
    }
    for name in disk.list(&folder)? {
        disk.remove(&folder.join(name))?;
    }
    disk.remove_dir(&folder)?;
    disk.sync_dir(dir)
}

/// An empty journal for a generation; leftovers of an interrupted attempt are removed.
fn begin(disk: &Arc<dyn Disk>, dir: &Path, generation: u64, wrapping: &[u8; 32]) -> Result<Journal, OpenError> {
    remove_generation(&**disk, dir, generation)?;
    Ok(Journal::open(disk.clone(), &journal_path(dir, generation), journal_options(wrapping))?.0)
}

fn fresh_key() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)?;
    Ok(key)
}

/// `magic · nonce 24 · sealed wrapping key 32 + 16 · BLAKE3 over what precedes, 32` (the last tells damage from another
/// master key).
fn write_wrap(
    disk: &dyn Disk,
    dir: &Path,
    generation: u64,
    master: &[u8; 32],
    wrapping: &[u8; 32],
) -> Result<(), DiskError> {
    let path = wrap_path(dir, generation);
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce)
        .map_err(|error| DiskError::new(crate::disk::Op::Write, &path, std::io::Error::other(error)))?;
    let payload = Payload { msg: wrapping, aad: &generation.to_le_bytes() };
    let sealed = XChaCha20Poly1305::new(&(*master).into())
        .encrypt(&nonce.into(), payload)
        .expect("32 bytes are far below the cipher's limit");
    let mut bytes = [&MAGIC[..], &nonce, &sealed].concat();
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    atomic_file::replace(disk, &path, &bytes)
}

fn read_wrap(
    disk: &dyn Disk,
    dir: &Path,
    generation: u64,
    master: &[u8; 32],
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let file = wrap_path(dir, generation);
    let bytes = atomic_file::read(disk, &file)?.unwrap_or_default();
    let whole: Option<&[u8; WRAP_LEN]> = bytes.as_slice().try_into().ok();
    let Some((body, check)) = whole.and_then(|bytes| bytes.split_last_chunk::<32>()) else {
        return Err(OpenError::Damaged { file });
    };
    if blake3::hash(body) != *check || body[..8] != *MAGIC {
        return Err(OpenError::Damaged { file });
    }
    let nonce: [u8; 24] = body[8..32].try_into().expect("a slice of 24 bytes");
    let payload = Payload { msg: &body[32..], aad: &generation.to_le_bytes() };
    let opened = XChaCha20Poly1305::new(&(*master).into()).decrypt(&nonce.into(), payload).map(Zeroizing::new);
    match opened {
        Ok(key) => Ok(Zeroizing::new(key.as_slice().try_into().expect("48 sealed bytes open to 32"))),
        Err(_) => Err(OpenError::WrongKey { file }),
    }
}

/// `kind · length of the name · name · value`
fn encode(kind: u8, name: &[u8], value: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 + name.len() + value.len()));
    bytes.extend_from_slice(&[kind, name.len() as u8]);
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(value);
    bytes
}

fn decode(record: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, len], rest) = record.split_first_chunk::<2>()?;
    let (name, value) = rest.split_at_checked(len.into())?;
    Some((kind, name, value))
}

#[cfg(test)]
mod tests;
