//! Evidence in, and out again: sealed piece by piece under a key of its own, memory flat.
//!
//! ```text
//! upload (plaintext, this user only) ─▶ hash + seal ─▶ blobs/<BLAKE3 of the ciphertext> ─▶ draft's list
//!       └── overwritten and removed, whatever happens
//! ```

use super::drafts::{disk_full, vault_problem};
use super::names;
use super::release::{consents, not_released, reader, shows};
use super::{Answer, Desk, filter, hex, internal, json, path, status_json};
use crate::vault::random;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::{Call, Reply};
use lapwing_api::types::{Done, EvidenceView};
use lapwing_engine::case::{Case, Told};
use lapwing_engine::state::State;
use lapwing_record::blob::{SEGMENT_BYTES, Segments, TAG_BYTES, blob_key, sealed_len, segments};
use lapwing_record::id::{Digest, ThreadId};
use lapwing_record::identity::check_text;
use lapwing_record::statement::BlobRef;
use lapwing_store::blobs::{BlobError, BlobReader};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

// -- in ---------------------------------------------------------------------------------------------------------------

/// What an upload says of itself, before a byte is read.
pub(super) struct Announced {
    name: String,
    media: String,
    sha256: [u8; 32],
}

impl Announced {
    fn read(call: &Call) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let mut text = |key: &str, max: usize| {
            let value = filter(call, key).unwrap_or_default().to_owned();
            faults.extend(check_text(key, &value, 1, max).err().map(super::contacts::fault));
            value
        };
        let (name, media) = (text("name", 255), text("media_type", 127));
        let sha256 = filter(call, "sha256").and_then(hex::decode).and_then(|b| b.try_into().ok());
        if sha256.is_none() {
            faults.push(FieldFault {
                path: "sha256".into(),
                what: "must be 64 hexadecimal digits: the content's SHA-256".into(),
            });
        }
        super::contacts::refuse(faults, "the item of evidence")?;
        Ok(Announced { name, media, sha256: sha256.expect("a fault was listed otherwise") })
    }
}

/// A plaintext file on its way in: overwritten and removed when dropped.
struct Plaintext(PathBuf);

impl Drop for Plaintext {
    fn drop(&mut self) {
        // what the disk keeps of it beneath its own surface is beyond reach; what is in files is not
        if let Err(error) = shred(&self.0) {
            tracing::error!(%error, "an uploaded file could not be overwritten");
        }
    }
}

fn shred(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; SEGMENT_BYTES];
    while left > 0 {
        let n = left.min(zeros.len() as u64);
        file.write_all(&zeros[..n as usize])?;
        left -= n;
    }
    file.sync_data()?;
    std::fs::remove_file(path)
}

/// Fills `buffer` as far as the reader goes.
fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    reader.by_ref().take(SEGMENT_BYTES as u64).read_to_end(buffer).map(drop)
}

impl Desk {
    pub(super) fn put_evidence(&self, call: &Call) -> Answer {
        let upload = call.upload.clone().ok_or_else(|| Problem::new(Code::Malformed, "there is no upload"))?;
        let plaintext = Plaintext(upload);
        let (thread, announced) = self.announced(call)?;
        let file = File::open(&plaintext.0).map_err(|e| internal("reading an upload", e))?;
        let size = file.metadata().map_err(|e| internal("reading an upload", e))?.len();
        let item = self.seal(&thread, announced, file, size)?;
        let view = here(&item);
        // the plaintext is overwritten beside what is noted: both wait for the disk
        std::thread::scope(|scope| {
            scope.spawn(move || drop(plaintext));
            self.add_to_draft(&thread, item)
        })?;
        self.office.metrics.evidence_sealed.inc_by(view.size);
        status_json(201, &view)
    }

    /// The draft or case that an upload is for, and what it says of itself.
    pub(super) fn announced(&self, call: &Call) -> Result<(ThreadId, Announced), Problem> {
        Ok((self.draft_or_case(path(call, "thread"))?, Announced::read(call)?))
    }

    /// Copies an item of another draft or case into a draft: opened and sealed anew, under that draft's key.
    pub(super) fn copy_item(&self, thread: &ThreadId, item: &BlobRef) -> Result<BlobRef, Problem> {
        let announced = Announced { name: item.name.clone(), media: item.media.clone(), sha256: item.sha256_plain.0 };
        let gone = || Problem::new(Code::ContentGone, format!("the item {} is no longer on this node", item.name));
        let key = self.office.vault.blob_key(&item.b3_cipher).ok_or_else(gone)?;
        let content = match self.office.blobs.open_blob(&item.b3_cipher.0) {
            Err(BlobError::Missing { .. }) => return Err(gone()),
            other => other.map_err(blob_problem)?,
        };
        self.seal(thread, announced, Opening::new(content, Segments::new(&key), item.size), item.size)
    }

    fn seal(
        &self,
        thread: &ThreadId,
        announced: Announced,
        mut file: impl Read,
        size: u64,
    ) -> Result<BlobRef, Problem> {
        let max = self.view().state.federation.params().blob_max_bytes;
        if size > max {
            return Err(Problem::new(
                Code::TooLarge,
                format!("an item of evidence has at most {max} bytes in this federation"),
            ));
        }
        let case_key = self.office.vault.case_key(thread).map_err(vault_problem)?;
        let salt: [u8; 32] = random().map_err(|e| internal("sealing evidence", e))?;
        let key = blob_key(&case_key, &salt, &announced.sha256);
        let sealer = Segments::new(&key);
        let mut blob = self.office.blobs.create().map_err(blob_problem)?;
        let (mut sha256, mut b3) = (Sha256::new(), blake3::Hasher::new());
        let mut buffer = Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES);
        let count = segments(size);
        for index in 0..count {
            fill(&mut file, &mut buffer).map_err(|e| internal("reading an upload", e))?;
            sha256.update(&buffer);
            b3.update(&buffer);
            let number = u32::try_from(index).map_err(|_| internal("sealing evidence", "too many segments"))?;
            sealer.seal(number, index + 1 == count, &mut buffer);
            blob.write(&buffer).map_err(blob_problem)?;
        }
        if <[u8; 32]>::from(sha256.finalize()) != announced.sha256 {
            let what = "is not the SHA-256 of what was uploaded".to_owned();
            return Err(Problem::new(Code::Invalid, "the content is not the one announced")
                .hint("Upload it again; if it happens twice, the file changed after it was hashed.")
                .faults(vec![FieldFault { path: "sha256".into(), what }]));
        }
        let (b3_cipher, _) = blob.finish().map_err(blob_problem)?;
        let b3_cipher = Digest(b3_cipher);
        self.office.vault.keep_blob_key(&b3_cipher, &key).map_err(vault_problem)?;
        Ok(BlobRef {
            name: announced.name,
            media: announced.media,
            size,
            b3_plain: Digest(*b3.finalize().as_bytes()),
            sha256_plain: Digest(announced.sha256),
            b3_cipher,
            salt: Digest(salt),
        })
    }
}

fn blob_problem(error: BlobError) -> Problem {
    match &error {
        BlobError::Disk(e) if e.is_full() => disk_full(),
        BlobError::TooLong => Problem::new(Code::TooLarge, error.to_string()),
        _ => internal("keeping evidence", error),
    }
}

// -- views ------------------------------------------------------------------------------------------------------------

/// An item of evidence that is here.
pub(super) fn here(item: &BlobRef) -> EvidenceView {
    view_of(item, "here", sealed_len(item.size), 0, None)
}

fn view_of(item: &BlobRef, state: &str, have: u64, fetched: u64, trouble: Option<String>) -> EvidenceView {
    EvidenceView {
        name: item.name.clone(),
        media_type: item.media.clone(),
        size: item.size,
        sha256: hex::encode(&item.sha256_plain.0),
        blake3: hex::encode(&item.b3_plain.0),
        blob: item.b3_cipher.to_string(),
        state: state.into(),
        have,
        of: sealed_len(item.size),
        fetched,
        trouble,
    }
}

impl Desk {
    /// The evidence that a case names, and where each item is.
    pub(super) fn evidence_of(&self, state: &State, case: &Case, items: &[BlobRef]) -> Vec<EvidenceView> {
        let own = |blob: &Digest| case.blobs().any(|(by, b)| *by == state.me && b.b3_cipher == *blob);
        let view = |item: &BlobRef| {
            let of = sealed_len(item.size);
            let progress = self.transfers.progress(&item.b3_cipher).unwrap_or_default();
            // what was here and is damaged or gone is fetched again
            if !progress.running && (own(&item.b3_cipher) || state.blobs.get(&item.b3_cipher).is_some()) {
                return view_of(item, "here", of, progress.fetched, None);
            }
            let phase = match () {
                () if progress.running || progress.have > 0 || progress.trouble.is_some() || progress.fetched > 0 => {
                    "fetching"
                }
                () if self.office.vault.blob_key(&item.b3_cipher).is_some() => "granted",
                () => "announced",
            };
            view_of(item, phase, progress.have, progress.fetched, progress.trouble)
        };
        items.iter().map(view).collect()
    }

    fn item(&self, call: &Call) -> Result<(ThreadId, Digest), Problem> {
        let view = self.view();
        let thread = names::thread(&view.state, path(call, "thread"))?;
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let mut blobs: Vec<Digest> = case.blobs().map(|(_, b)| b.b3_cipher).collect();
        blobs.sort();
        blobs.dedup();
        Ok((thread, names::by_prefix(blobs.into_iter(), path(call, "blob"), "item of evidence in this case")?))
    }

    pub(super) fn fetch_evidence(&self, call: &Call) -> Answer {
        let (thread, blob) = self.item(call)?;
        if self.view().state.case(&thread).is_some_and(|case| case.erased.is_some()) {
            return Err(Problem::new(Code::ContentGone, "the content of this case is erased here"));
        }
        Arc::clone(&self.transfers).start(thread, blob)?;
        json(&Done { ok: true })
    }

    // -- out ----------------------------------------------------------------------------------------------------------

    pub(super) fn get_evidence(&self, call: &Call) -> Answer {
        let (thread, blob) = self.item(call)?;
        let view = self.view();
        let case = view.state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let (exit, consents) = (reader(call), consents(case, view.state.me));
        let names = |told: &&Told| told.open.blobs.iter().any(|b| b.b3_cipher == blob);
        for told in case.asked.iter().chain(&case.answered).filter(names) {
            shows(view.state.me, case, told, &consents, exit).map_err(|rules| not_released(exit, &rules))?;
        }
        let items = self.named_evidence(case)?;
        let item = items.into_iter().find(|i| i.b3_cipher == blob);
        let item = item.ok_or_else(|| super::not_found("there is no such item of evidence in this case"))?;
        Ok(Reply::Bytes {
            name: item.name.clone(),
            // whatever it claims to be, a browser must not run it
            media_type: "application/octet-stream".into(),
            len: item.size,
            content: Box::new(self.open_item(&view.state, case, &item)?),
        })
    }

    /// The content of an item that is here. Its markings are looked at elsewhere.
    pub(super) fn open_item(&self, state: &State, case: &Case, item: &BlobRef) -> Result<Opening, Problem> {
        let blob = item.b3_cipher;
        let not_here =
            |hint: &str| Problem::new(Code::EvidenceNotHere, "the item of evidence is not here yet").hint(hint);
        let own = case.blobs().any(|(by, b)| *by == state.me && b.b3_cipher == blob);
        if !own && state.blobs.get(&blob).is_none() {
            return Err(not_here("`lapwing case evidence fetch` starts or resumes its transfer."));
        }
        let key = self.office.vault.blob_key(&blob);
        let key = key.ok_or_else(|| not_here("Its key has not been granted; the requester grants it."))?;
        let content = match self.office.blobs.open_blob(&blob.0) {
            Ok(content) => content,
            Err(BlobError::Missing { .. }) if own => {
                return Err(Problem::new(Code::ContentGone, "this item of evidence is no longer on this node")
                    .hint("`lapwing case evidence fetch` asks the other side for it, which may have it."));
            }
            Err(BlobError::Missing { .. }) => return Err(not_here("`lapwing case evidence fetch` fetches it again.")),
            Err(error) => return Err(blob_problem(error)),
        };
        if content.len() != sealed_len(item.size) {
            let what =
                format!("{} is damaged: it has another length than its statement says", content.path().display());
            tracing::error!("{what}");
            return Err(Problem::new(Code::EvidenceNotHere, what)
                .hint("`lapwing case evidence fetch` fetches it again from the other side."));
        }
        Ok(Opening::new(content, Segments::new(&key), item.size))
    }
}

/// Opens a sealed blob segment by segment while it is read. A segment that does not open is an error, never data.
pub(super) struct Opening {
    blob: BlobReader,
    opener: Segments,
    next: u64,
    count: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Opening {
    fn new(blob: BlobReader, opener: Segments, size: u64) -> Self {
        Opening { blob, opener, next: 0, count: segments(size), buffer: Vec::new(), at: 0 }
    }

    fn advance(&mut self) -> io::Result<()> {
        const SEALED: usize = SEGMENT_BYTES + TAG_BYTES;
        self.buffer.resize(SEALED, 0);
        let n = self.blob.read_at(&mut self.buffer, self.next * SEALED as u64).map_err(io::Error::other)?;
        self.buffer.truncate(n);
        let index = u32::try_from(self.next).map_err(io::Error::other)?;
        if let Err(error) = self.opener.open(index, self.next + 1 == self.count, &mut self.buffer) {
            let what = format!("{} is damaged at segment {index}: {error}", self.blob.path().display());
            tracing::error!("{what}; `lapwing case evidence fetch` fetches it again");
            return Err(io::Error::other(what));
        }
        (self.next, self.at) = (self.next + 1, 0);
        Ok(())
    }
}

impl Read for Opening {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            if self.next == self.count {
                return Ok(0);
            }
            self.advance()?;
        }
        let n = out.len().min(self.buffer.len() - self.at);
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
