//! Drafts: a thread to put evidence into, before anything is said to anyone.
//!
//! A draft is one small file beside the uploads: the list of its evidence under the key of the case, so that names and
//! hashes are content like any other. Of a draft without evidence the case key alone is made durable: its file is empty
//! and serves to count. Drafts that nobody touched for 30 days are dropped when the next one is opened.

use super::names::by_prefix;
use super::{Desk, internal};
use crate::folder;
use crate::office::now_ms;
use crate::vault::{Vault, VaultError, random};
use lapwing_api::problem::{Code, Problem};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::id::{MsgId, ThreadId};
use lapwing_record::statement::BlobRef;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

/// Drafts at a time.
const MAX_DRAFTS: usize = 1000;
/// How long an untouched draft is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Bytes of a draft's file at most: 256 items with long names.
const MAX_FILE: usize = 1 << 20;
/// What a draft's list is locked for: no statement has this id.
const PLACE: MsgId = MsgId([0; 32]);
const SUFFIX: &str = "draft";

/// Removes what uploads left that a crash interrupted.
pub(super) fn clear_uploads(dir: &Path) {
    let Ok(files) = std::fs::read_dir(dir) else { return };
    for file in files.flatten() {
        if file.file_name().to_string_lossy().starts_with("upload-")
            && let Err(error) = std::fs::remove_file(file.path())
        {
            tracing::error!(%error, "an interrupted upload could not be removed");
        }
    }
}

/// The files of drafts.
pub(crate) fn drafts_of(uploads: &Path) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(uploads) else { return Vec::new() };
    files.flatten().map(|f| f.path()).filter(|p| thread_of(p, SUFFIX).is_some()).collect()
}

impl Desk {
    /// Opens an empty draft.
    pub(super) fn open_draft(&self) -> Result<ThreadId, Problem> {
        if self.drop_old_drafts() >= MAX_DRAFTS {
            return Err(Problem::new(Code::Conflict, format!("there are {MAX_DRAFTS} drafts already"))
                .hint("Submit some. Drafts that nobody touches for 30 days are dropped by themselves."));
        }
        let thread = ThreadId(random().map_err(|e| internal("opening a draft", e))?);
        self.office.vault.case_key_or_new(&thread).map_err(vault_problem)?;
        folder::place_empty(&self.draft_file(&thread)).map_err(file_problem)?;
        Ok(thread)
    }

    /// The draft that THREAD stands for.
    pub(super) fn draft(&self, text: &str) -> Result<ThreadId, Problem> {
        match text.parse() {
            Ok(whole) if self.draft_file(&whole).exists() || self.is_bare(&whole) => Ok(whole),
            _ => by_prefix(self.threads_of_drafts().into_iter(), text, "draft"),
        }
    }

    /// Whether this is a draft without evidence whose file a power cut took.
    fn is_bare(&self, thread: &ThreadId) -> bool {
        self.view().state.case(thread).is_none() && self.office.vault.case_key(thread).is_ok()
    }

    /// The evidence of a draft.
    pub(super) fn draft_evidence(&self, thread: &ThreadId) -> Result<Vec<BlobRef>, Problem> {
        let failed = |e: &dyn std::fmt::Display| internal("reading a draft", e);
        let locked = match folder::read(&self.draft_file(thread), MAX_FILE as u64) {
            Ok(empty) if empty.is_empty() => return Ok(Vec::new()),
            Ok(locked) => locked,
            Err(e) if e.is_missing() && (self.is_bare(thread) || self.view().state.case(thread).is_some()) => {
                return Ok(Vec::new());
            }
            Err(e) if e.is_missing() => return Err(super::not_found("there is no such draft")),
            Err(e) => return Err(failed(&e)),
        };
        let plain = self.office.vault.unlock(thread, &PLACE, &locked).map_err(vault_problem)?;
        decode(&plain, MAX_FILE).map_err(|e| failed(&e))
    }

    /// Adds an item to a draft; the same content under another name replaces the name.
    pub(super) fn add_to_draft(&self, thread: &ThreadId, item: BlobRef) -> Result<(), Problem> {
        let _one_at_a_time = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut items = self.draft_evidence(thread)?;
        if let Some(at) = items.iter().position(|i| i.sha256_plain == item.sha256_plain) {
            let before = std::mem::replace(&mut items[at], item);
            self.write_draft(thread, &items)?;
            // sealed anew under another salt: the first copy is in nobody's list
            self.remove_blob(&before);
            return Ok(());
        }
        if items.len() >= lapwing_record::statement::MAX_BLOBS {
            self.remove_blob(&item);
            return Err(Problem::new(Code::Conflict, "a referral has at most 256 items of evidence"));
        }
        items.push(item);
        self.write_draft(thread, &items)
    }

    /// The draft or case that an upload is for.
    pub(super) fn draft_or_case(&self, text: &str) -> Result<ThreadId, Problem> {
        self.draft(text).or_else(|none| super::names::thread(&self.view().state, text).map_err(|_| none))
    }

    /// What was uploaded into a case and is named by a statement now is no draft any more.
    pub(super) fn used(&self, thread: &ThreadId, named: &[BlobRef]) -> Result<(), Problem> {
        if named.is_empty() {
            return Ok(());
        }
        let _one_at_a_time = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = self.draft_evidence(thread)?;
        left.retain(|item| !named.iter().any(|n| n.b3_cipher == item.b3_cipher));
        if left.is_empty() {
            self.end_draft(thread);
            return Ok(());
        }
        self.write_draft(thread, &left)
    }

    /// Ends a draft that was submitted.
    pub(super) fn end_draft(&self, thread: &ThreadId) {
        if let Err(error) = std::fs::remove_file(self.draft_file(thread)) {
            tracing::warn!(%error, "a submitted draft could not be removed");
        }
        self.end_form(thread);
    }

    fn write_draft(&self, thread: &ThreadId, items: &[BlobRef]) -> Result<(), Problem> {
        let locked = self.office.vault.lock(thread, &PLACE, &encode(&items.to_vec())).map_err(vault_problem)?;
        folder::replace(&self.draft_file(thread), &locked).map_err(file_problem)
    }

    fn draft_file(&self, thread: &ThreadId) -> PathBuf {
        self.uploads.join(format!("{thread}.{SUFFIX}"))
    }

    pub(super) fn threads_of_drafts(&self) -> Vec<ThreadId> {
        drafts_of(&self.uploads).iter().filter_map(|path| thread_of(path, SUFFIX)).collect()
    }

    /// Drops drafts that nobody has touched for long; how many there are left.
    fn drop_old_drafts(&self) -> usize {
        let Ok(files) = std::fs::read_dir(&self.uploads) else { return 0 };
        let (mut left, mut dropped) = (0, Vec::new());
        for file in files.flatten() {
            let Some(thread) = thread_of(&file.path(), SUFFIX) else { continue };
            if self.is_template(&thread) {
                left += 1;
                continue;
            }
            let age = file.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_none_or(|age| age < KEPT) {
                left += 1;
                continue;
            }
            if self.view().state.case(&thread).is_some() {
                // the case keeps its key; what was uploaded into it and never named goes
                for item in self.draft_evidence(&thread).unwrap_or_default() {
                    if self.remove_blob(&item) {
                        dropped.push((Bytes(Vault::blob_name(&item.b3_cipher)), now_ms()));
                    }
                }
                self.end_draft(&thread);
                continue;
            }
            dropped.extend(self.forget_draft(&thread));
        }
        self.destroy_keys(&dropped);
        left
    }

    /// Drops a draft with its evidence and its keys.
    pub(super) fn drop_draft_of(&self, thread: &ThreadId) {
        let dropped = self.forget_draft(thread);
        self.destroy_keys(&dropped);
    }

    /// Removes a draft's files; the names of the keys that nothing needs any more.
    fn forget_draft(&self, thread: &ThreadId) -> Vec<(Bytes, u64)> {
        let mut dropped = Vec::new();
        // one that cannot be read any more names no evidence to remove
        for item in self.draft_evidence(thread).unwrap_or_default() {
            if self.remove_blob(&item) {
                dropped.push((Bytes(Vault::blob_name(&item.b3_cipher)), now_ms()));
            }
        }
        self.end_draft(thread);
        dropped.push((Bytes(Vault::case_name(thread)), now_ms()));
        dropped
    }

    fn destroy_keys(&self, dropped: &[(Bytes, u64)]) {
        if !dropped.is_empty()
            && let Err(error) = self.office.vault.destroy(dropped)
        {
            tracing::warn!(%error, "keys of drafts that were dropped could not be destroyed");
        }
    }

    /// Removes a sealed item unless a case names it; whether it is gone.
    fn remove_blob(&self, item: &BlobRef) -> bool {
        let view = self.view();
        if view.state.cases.values().any(|c| c.blobs().any(|(_, b)| b.b3_cipher == item.b3_cipher)) {
            return false;
        }
        let removed = self.office.blobs.remove(&item.b3_cipher.0);
        if let Err(error) = &removed {
            tracing::warn!(%error, "an item of evidence could not be removed");
        }
        removed.is_ok()
    }
}

/// The thread that a file of this kind is of.
pub(super) fn thread_of(path: &Path, suffix: &str) -> Option<ThreadId> {
    path.extension().filter(|e| *e == suffix)?;
    path.file_stem()?.to_str()?.parse().ok()
}

/// Keys that are gone mean content that is gone.
pub(crate) fn vault_problem(error: VaultError) -> Problem {
    match error {
        VaultError::NoCaseKey(_) | VaultError::Content(_) => Problem::new(Code::ContentGone, error.to_string())
            .hint("The content was erased on this node, or came with a copy that lacks its key."),
        full if full.is_full() => disk_full(),
        other => internal("using a key", other),
    }
}

fn file_problem(error: folder::FileError) -> Problem {
    if error.is_full() { disk_full() } else { internal("writing a draft", error) }
}

/// No room.
pub(super) fn disk_full() -> Problem {
    Problem::new(Code::DiskFull, "the node's disk is full; nothing was changed")
        .hint("Free some room on the data disk.")
}
