//! Saved searches: named questions, and what they found when they were last run. One sealed file each; not derived, so a
//! backup carries them.
//!
//! A search belongs to the holder of a token, by the token's name, or to the whole agency. What it found is remembered as
//! the case and the moment of its last change, so that "new" and "changed" need no clock.

use crate::folder::{self, FileError};
use lapwing_record::id::ThreadId;
use lapwing_record::locked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Saved searches of a node at most.
pub const MAX_SAVED: usize = 500;
/// Cases that one run looks at, and remembers, at most.
pub const MAX_FOUND: usize = 10_000;
/// Bytes of a file at most.
const MAX_FILE: u64 = 4 << 20;
const SUFFIX: &str = "search";

/// Why a saved search cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file does not open with the node's key, or is damaged.
    #[error("the saved search in {} does not open", .0.display())]
    Damaged(PathBuf),
    /// No randomness.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// There are too many.
    #[error("there are {MAX_SAVED} saved searches already")]
    TooMany,
}

impl SavedError {
    /// The disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        matches!(self, SavedError::File(error) if error.is_full())
    }
}

/// When a search was last run, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Milliseconds UTC.
    pub at: u64,
    /// Each case and the moment of its last change.
    pub found: BTreeMap<String, u64>,
}

/// A saved search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// The token's name whose holder it belongs to; none: the agency's.
    pub owner: Option<String>,
    /// What it asks: filters by name, as in the query of a search.
    pub filters: BTreeMap<String, String>,
    /// Milliseconds UTC when it was saved.
    pub made: u64,
    /// The last run.
    pub last: Option<Run>,
}

impl Saved {
    /// Whether somebody may see, run and drop it.
    pub fn is_for(&self, holder: &str) -> bool {
        self.owner.as_deref().is_none_or(|owner| owner == holder)
    }
}

/// How a case is remembered.
pub fn remembered(thread: &ThreadId) -> String {
    // enough characters to tell the cases of one node apart
    thread.to_string().chars().take(16).collect()
}

/// The saved searches of a node.
pub struct SavedSearches {
    dir: PathBuf,
    key: Zeroizing<[u8; 32]>,
    all: Mutex<BTreeMap<(String, Option<String>), Saved>>,
}

impl SavedSearches {
    /// Reads them all. A file that does not open stands in nobody's way: it is named in the log and left alone.
    pub fn open(dir: &Path, at_rest: &[u8; 32]) -> Result<Self, SavedError> {
        folder::create_dir(dir)?;
        let key = Zeroizing::new(blake3::derive_key("lapwing/1 saved searches", at_rest));
        let searches = SavedSearches { dir: dir.to_owned(), key, all: Mutex::default() };
        for path in files(dir) {
            match searches.read(&path) {
                Ok(saved) => {
                    searches.all().insert((saved.name.clone(), saved.owner.clone()), saved);
                }
                Err(error) => tracing::error!(%error, "a saved search is left out"),
            }
        }
        Ok(searches)
    }

    /// The files that do not open, and why.
    pub fn damaged(dir: &Path, at_rest: &[u8; 32]) -> Vec<(PathBuf, String)> {
        let key = Zeroizing::new(blake3::derive_key("lapwing/1 saved searches", at_rest));
        let searches = SavedSearches { dir: dir.to_owned(), key, all: Mutex::default() };
        files(dir)
            .into_iter()
            .filter_map(|path| Some((path.clone(), searches.read(&path).err()?.to_string())))
            .collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, Option<String>), Saved>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's name tells nothing: names of searches are content.
    fn path(&self, name: &str, owner: Option<&str>) -> PathBuf {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher.update(&[u8::from(owner.is_some())]).update(owner.unwrap_or_default().as_bytes());
        let hash: String = hasher.finalize().as_bytes()[..16].iter().map(|b| format!("{b:02x}")).collect();
        self.dir.join(format!("{hash}.{SUFFIX}"))
    }

    fn read(&self, path: &Path) -> Result<Saved, SavedError> {
        let bytes = folder::read(path, MAX_FILE)?;
        let place = path.file_name().unwrap_or_default().as_encoded_bytes();
        let plain = locked::unlock(&self.key, place, &bytes).ok();
        let saved = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        saved.ok_or_else(|| SavedError::Damaged(path.to_owned()))
    }

    /// Those that somebody may see, by name; their own come before the agency's of the same name.
    pub fn list(&self, holder: &str) -> Vec<Saved> {
        let mut list: Vec<Saved> = self.all().values().filter(|s| s.is_for(holder)).cloned().collect();
        list.sort_by(|a, b| (&a.name, a.owner.is_none()).cmp(&(&b.name, b.owner.is_none())));
        list
    }

    /// The search that a name stands for: one's own, else the agency's.
    pub fn find(&self, name: &str, holder: &str) -> Option<Saved> {
        let all = self.all();
        let own = all.get(&(name.to_owned(), Some(holder.to_owned())));
        own.or_else(|| all.get(&(name.to_owned(), None))).cloned()
    }

    /// Whether there is one of exactly this name and owner.
    pub fn exists(&self, name: &str, owner: Option<&str>) -> bool {
        self.all().contains_key(&(name.to_owned(), owner.map(str::to_owned)))
    }

    /// Keeps a search, durable on return. One of the same name and owner is replaced.
    pub fn keep(&self, saved: Saved) -> Result<(), SavedError> {
        let mut all = self.all();
        let key = (saved.name.clone(), saved.owner.clone());
        if !all.contains_key(&key) && all.len() >= MAX_SAVED {
            return Err(SavedError::TooMany);
        }
        let path = self.path(&saved.name, saved.owner.as_deref());
        let plain = Zeroizing::new(serde_json::to_vec(&saved).expect("plain data is JSON"));
        let place = path.file_name().unwrap_or_default().as_encoded_bytes();
        folder::replace(&path, &locked::lock(&self.key, crate::vault::random()?, place, &plain))?;
        all.insert(key, saved);
        Ok(())
    }

    /// Drops a search; gone on return.
    pub fn drop(&self, saved: &Saved) -> Result<(), SavedError> {
        let mut all = self.all();
        folder::remove(&self.path(&saved.name, saved.owner.as_deref()))?;
        all.remove(&(saved.name.clone(), saved.owner.clone()));
        Ok(())
    }

    /// What was erased is not remembered as found either.
    pub fn forget(&self, threads: &[ThreadId]) -> Result<(), SavedError> {
        let gone: Vec<String> = threads.iter().map(remembered).collect();
        let knows = |s: &Saved| s.last.as_ref().is_some_and(|r| gone.iter().any(|g| r.found.contains_key(g)));
        let with: Vec<Saved> = self.all().values().filter(|s| knows(s)).cloned().collect();
        for mut saved in with {
            if let Some(run) = &mut saved.last {
                run.found.retain(|thread, _| !gone.contains(thread));
            }
            self.keep(saved)?;
        }
        Ok(())
    }
}

/// The files of saved searches in a folder, for a backup too.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == SUFFIX)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn saved(name: &str, owner: Option<&str>) -> Saved {
        let filters = [("domain".to_owned(), "prize.example".to_owned())].into();
        Saved { name: name.into(), owner: owner.map(str::to_owned), filters, made: 7, last: None }
    }

    #[test]
    fn searches_come_back_sealed_and_each_sees_their_own_and_the_agencys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("searches");
        let searches = SavedSearches::open(&path, &[1; 32]).unwrap();
        for (name, owner) in [("daily", None), ("daily", Some("ann")), ("hers", Some("ann")), ("his", Some("bob"))] {
            searches.keep(saved(name, owner)).unwrap();
        }
        let again = SavedSearches::open(&path, &[1; 32]).unwrap();
        let names = |holder| again.list(holder).into_iter().map(|s| (s.name, s.owner)).collect::<Vec<_>>();
        let own = |name: &str| (name.to_owned(), Some("ann".to_owned()));
        assert_eq!(names("ann"), [own("daily"), ("daily".into(), None), own("hers")]);
        assert_eq!(again.find("daily", "ann").unwrap().owner.as_deref(), Some("ann"));
        assert_eq!(again.find("daily", "bob").unwrap().owner, None);
        assert_eq!(again.find("hers", "bob"), None);
        for file in files(&path) {
            let bytes = std::fs::read(&file).unwrap();
            for word in [&b"prize"[..], b"daily", b"ann"] {
                assert!(!bytes.windows(word.len()).any(|w| w == word));
            }
        }
        again.drop(&saved("daily", Some("ann"))).unwrap();
        assert_eq!(SavedSearches::open(&path, &[1; 32]).unwrap().list("ann").len(), 2);
        assert!(SavedSearches::open(&path, &[2; 32]).unwrap().list("ann").is_empty(), "another key opens none");
        assert_eq!(files(&path).len(), 3, "and takes none away");
    }

    #[test]
    fn an_erased_case_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let searches = SavedSearches::open(dir.path(), &[1; 32]).unwrap();
        let (a, b) = (ThreadId([1; 32]), ThreadId([2; 32]));
        let found = [(remembered(&a), 1), (remembered(&b), 2)].into();
        searches.keep(Saved { last: Some(Run { at: 1, found }), ..saved("x", None) }).unwrap();
        searches.forget(&[a]).unwrap();
        let left = SavedSearches::open(dir.path(), &[1; 32]).unwrap().find("x", "y").unwrap().last.unwrap();
        assert_eq!(left.found.into_keys().collect::<Vec<_>>(), [remembered(&b)]);
    }
}
