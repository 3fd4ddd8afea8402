//! Erasure: the key of a case is destroyed, and stays destroyed (protocol §6).
//!
//! ```text
//! officer erases ─▶ fact `Erased` durable ─▶ case key, evidence keys destroyed in the keyring ─▶ sealed evidence removed
//!                                             └─▶ <data>.erasures: the list, beside the folder, for whatever copy of it
//!                                                 comes back
//! start ─▶ list applied to the keyring ─▶ cases that it names are erased in the state too
//! ```
//!
//! A crash in between is finished at the next start. What is left of a case are ids, hashes, transitions and receipts.

use crate::checked;
use crate::folder::{self, FileError, Folder};
use crate::office::{Office, now_ms};
use crate::vault::{Vault, VaultError};
use lapwing_engine::case::Case;
use lapwing_engine::state::State;
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::id::{Digest, ThreadId};
use lapwing_store::blobs::BlobError;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of an erasure list at most: some hundred thousand erasures.
const MAX_LIST: u64 = 64 << 20;

/// Why an erasure is not complete.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The keyring.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Sealed evidence.
    #[error("sealed evidence could not be removed: {0}")]
    Blobs(#[from] BlobError),
    /// Saved searches that remember the case.
    #[error(transparent)]
    Searches(#[from] crate::search::saved::SavedError),
    /// The list beside the data folder.
    #[error("the erasure list: {0}")]
    File(#[from] FileError),
    /// The list does not read.
    #[error("the erasure list {0} is damaged: {1}")]
    Damaged(String, String),
}

impl ErasureError {
    /// The disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        match self {
            ErasureError::Vault(error) => error.is_full(),
            ErasureError::Blobs(BlobError::Disk(error)) => error.is_full(),
            ErasureError::File(error) => error.is_full(),
            ErasureError::Searches(error) => error.is_full(),
            _ => false,
        }
    }
}

/// A list of erasures: names in the keyring, and when.
pub type List = Vec<(Bytes, u64)>;

/// An erasure list as a file: the list, and a hash that tells a damaged one.
pub fn write_list(list: &List) -> Vec<u8> {
    checked::seal(encode(list))
}

/// Reads what [`write_list`] wrote; an empty list where there is no file.
pub fn read_list(path: &Path) -> Result<List, ErasureError> {
    let bytes = match folder::read(path, MAX_LIST) {
        Err(e) if e.is_missing() => return Ok(List::new()),
        read => read?,
    };
    let damaged = |why: String| ErasureError::Damaged(path.display().to_string(), why);
    let limit = MAX_LIST as usize;
    let opened = checked::open(&bytes, limit).unwrap_or_else(|| Err("it is no list".into()));
    decode(&opened.map_err(damaged)?, limit).map_err(|e| damaged(e.to_string()))
}

/// At start, before anything is read: what was erased anywhere stays erased in this copy of the keyring.
pub fn apply_list(vault: &Vault, folder: &Folder) -> Result<(), ErasureError> {
    let known: BTreeSet<Vec<u8>> = vault.erasures().into_iter().map(|(name, _)| name.0).collect();
    let list: List = read_list(&folder.erasures())?.into_iter().filter(|(name, _)| !known.contains(&name.0)).collect();
    if !list.is_empty() {
        tracing::warn!(
            erasures = list.len(),
            "this copy of the keyring is from before some erasures: they are done again"
        );
        vault.destroy(&list)?;
    }
    Ok(())
}

/// The evidence that cases which are not erased name.
fn in_use(state: &State) -> BTreeSet<Digest> {
    let living = state.cases.values().filter(|c| c.erased.is_none());
    living.flat_map(|c| c.blobs().map(|(_, b)| b.b3_cipher)).collect()
}

/// The names in the keyring of what opens an erased case, and its evidence that no case in use names.
fn belongings(in_use: &BTreeSet<Digest>, case: &Case) -> (List, Vec<Digest>) {
    let at = case.erased.unwrap_or_else(now_ms);
    let blobs: BTreeSet<Digest> = case.blobs().map(|(_, b)| b.b3_cipher).collect();
    let blobs: Vec<Digest> = blobs.difference(in_use).copied().collect();
    let mut names = vec![(Bytes(Vault::case_name(&case.thread)), at)];
    names.extend(blobs.iter().map(|b| (Bytes(Vault::blob_name(b)), at)));
    (names, blobs)
}

/// Destroys what opens the content of cases that are erased in the state. What is done already is fine.
pub fn destroy(office: &Office, threads: &[ThreadId]) -> Result<(), ErasureError> {
    let view = office.view();
    let erased = threads.iter().filter_map(|t| view.state.case(t)).filter(|c| c.erased.is_some());
    let (mut names, mut blobs, in_use) = (List::new(), Vec::new(), in_use(&view.state));
    for case in erased {
        let (of_case, of_evidence) = belongings(&in_use, case);
        names.extend(of_case);
        blobs.extend(of_evidence);
    }
    if names.is_empty() {
        return Ok(());
    }
    office.vault.destroy(&names)?;
    folder::replace(&office.erasures, &write_list(&office.vault.erasures()))?;
    for blob in blobs {
        office.blobs.remove(&blob.0)?;
    }
    Ok(office.searches.forget(threads)?)
}

/// At start: finishes erasures that a crash interrupted.
pub fn finish(office: &Office) -> Result<(), ErasureError> {
    let view = office.view();
    let (mut left, in_use) = (Vec::new(), in_use(&view.state));
    for case in view.state.cases.values().filter(|c| c.erased.is_some()) {
        let mut here = office.vault.case_key(&case.thread).is_ok();
        for blob in belongings(&in_use, case).1 {
            here |= office.blobs.contains(&blob.0)?;
        }
        left.extend(here.then_some(case.thread));
    }
    destroy(office, &left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_comes_back_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.erasures");
        assert_eq!(read_list(&path).unwrap(), List::new());
        let list: List = vec![(Bytes(b"case/x".to_vec()), 7), (Bytes(b"blob/y".to_vec()), 8)];
        let bytes = write_list(&list);
        folder::replace(&path, &bytes).unwrap();
        assert_eq!(read_list(&path).unwrap(), list);
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            folder::replace(&path, &bent).unwrap();
            assert!(matches!(read_list(&path), Err(ErasureError::Damaged(..))), "byte {at}");
        }
    }
}
