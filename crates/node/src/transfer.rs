//! Evidence over the network: pieces of 1 MiB, each verified when it arrives and durable before it counts (protocol §6).
//!
//! A transfer resumes after any crash with what is on disk; a kill costs the piece in flight at most.

use crate::links::Links;
use crate::office::Office;
use lapwing_api::problem::{Code, Problem};
use lapwing_engine::step::Input;
use lapwing_net::message::Protocol;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::id::{Digest, Pid, ThreadId};
use lapwing_record::wire::{BlobAnswer, BlobRequest, CVS_PER_ANSWER, MAX_BLOB_ANSWER, MAX_BLOB_REQUEST, read};
use lapwing_store::blobs::{BlobError, Partial, piece_count};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How far a transfer is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Bytes of ciphertext that are durable here.
    pub have: u64,
    /// Bytes that came over the network, refetches included.
    pub fetched: u64,
    /// Why it stands still.
    pub trouble: Option<String>,
    /// Whether it is under way.
    pub running: bool,
}

/// The transfers of one node.
pub struct Transfers {
    office: Arc<Office>,
    links: Arc<Links>,
    progress: Mutex<BTreeMap<Digest, Progress>>,
}

impl Transfers {
    /// None yet.
    pub fn new(office: Arc<Office>, links: Arc<Links>) -> Arc<Self> {
        Arc::new(Transfers { office, links, progress: Mutex::default() })
    }

    fn with<T>(&self, blob: &Digest, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut all = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(*blob).or_default())
    }

    /// How far a transfer is, if there was one since the start.
    pub fn progress(&self, blob: &Digest) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).get(blob).cloned()
    }

    /// Starts a transfer, or lets one that runs go on. What is here already is looked through, and fetched again where it
    /// is damaged.
    pub fn start(self: &Arc<Self>, thread: ThreadId, blob: Digest) -> Result<(), Problem> {
        let view = self.office.view();
        let case = view.state.case(&thread).ok_or_else(|| Problem::new(Code::NotFound, "no such case"))?;
        let known = case.blobs().find(|(_, b)| b.b3_cipher == blob).map(|(_, b)| b.sealed_len);
        let len = known.ok_or_else(|| Problem::new(Code::NotFound, "no such item of evidence in this case"))?;
        // one's own too: where it is damaged here, the other side may have it
        let from = case.peer(&self.office.me);
        if !self.with(&blob, |p| std::mem::replace(&mut p.running, true)) {
            tokio::spawn(self.clone().run(thread, blob, from, len));
        }
        Ok(())
    }

    /// Goes on with what a former process left unfinished.
    pub fn resume(self: &Arc<Self>) {
        let (Ok(partial), Ok(here)) = (self.office.blobs.list_partial(), self.office.blobs.list()) else { return };
        let view = self.office.view();
        // what was here and is no more: lost with a disk, or set aside because it was damaged
        for case in view.state.cases.values().filter(|c| c.erased.is_none()) {
            for (by, blob) in case.blobs() {
                let had = *by == self.office.me || view.state.blobs.get(&blob.b3_cipher).is_some();
                if had && here.binary_search(&blob.b3_cipher.0).is_err() {
                    tracing::warn!(case = %case.thread.short(), blob = %blob.b3_cipher.short(), "evidence is fetched again");
                    let _ = self.start(case.thread, blob.b3_cipher);
                }
            }
        }
        for root in partial.into_iter().map(Digest) {
            let thread = view.state.cases.values().find(|c| c.blobs().any(|(_, b)| b.b3_cipher == root));
            if let Some(case) = thread {
                // an error here is a case that is gone: nothing to go on with
                let _ = self.start(case.thread, root);
            }
        }
    }

    async fn run(self: Arc<Self>, thread: ThreadId, blob: Digest, from: Pid, len: u64) {
        let mut wait = 1;
        loop {
            let outcome = tokio::select! {
                () = self.office.stopped() => break,
                outcome = self.attempt(thread, blob, from, len) => outcome,
            };
            match outcome {
                Ok(()) => {
                    self.with(&blob, |p| p.trouble = None);
                    self.office.tell(Input::BlobHere { thread, b3_cipher: blob }).await;
                    break;
                }
                Err(why) => {
                    self.with(&blob, |p| p.trouble = Some(why));
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                    wait = (wait * 2).min(30);
                }
            }
        }
        self.with(&blob, |p| p.running = false);
    }

    async fn ask(&self, peer: &Pid, request: &BlobRequest) -> Result<BlobAnswer, String> {
        let node = self.links.node_of(peer).ok_or("the other side's node is not connected")?;
        let bytes = self.links.request(node, Protocol::Blob, encode(request)).await?;
        match read(&bytes, MAX_BLOB_ANSWER).map_err(|e| e.to_string())? {
            BlobAnswer::Refused(why) => Err(why),
            answer => Ok(answer),
        }
    }

    async fn attempt(&self, thread: ThreadId, blob: Digest, from: Pid, len: u64) -> Result<(), String> {
        let blobs = &self.office.blobs;
        if blobs.contains(&blob.0).map_err(|e| e.to_string())? {
            let sound = tokio::task::block_in_place(|| blobs.open_blob(&blob.0).and_then(|mut b| b.verify()));
            match sound {
                Ok(()) => return Ok(()),
                Err(error @ BlobError::Damaged { .. }) => {
                    tracing::error!(%error, "evidence is set aside and fetched again");
                    blobs.set_aside(&blob.0).map_err(|e| e.to_string())?;
                }
                Err(BlobError::Disk(error)) if error.source.kind() == std::io::ErrorKind::UnexpectedEof => {
                    tracing::error!(%error, "evidence is cut short: it is set aside and fetched again");
                    blobs.set_aside(&blob.0).map_err(|e| e.to_string())?;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut partial = match tokio::task::block_in_place(|| blobs.resume(&blob.0)).map_err(|e| e.to_string())? {
            Some(partial) => partial,
            None => {
                let cvs = self.piece_hashes(thread, blob, &from, len).await?;
                tokio::task::block_in_place(|| blobs.partial(blob.0, len, cvs)).map_err(|e| e.to_string())?
            }
        };
        let mut next = 0;
        loop {
            self.note(&blob, &partial, len);
            let mut come = self.fetch(thread, blob, &from, partial.next_missing(next)).await?;
            while let Some((piece, bytes)) = come {
                self.with(&blob, |p| p.fetched += bytes.len() as u64);
                self.office.metrics.blob_fetched.inc_by(bytes.len() as u64);
                // while a piece is made durable, the next one is on its way
                let coming = self.fetch(thread, blob, &from, partial.next_missing(piece + 1));
                let keeping = async { tokio::task::block_in_place(|| partial.write_piece(piece, &bytes)) };
                let (coming, kept) = futures::join!(coming, keeping);
                kept.map_err(|e| e.to_string())?;
                self.note(&blob, &partial, len);
                come = coming?;
            }
            match tokio::task::block_in_place(|| partial.finish()) {
                Ok(_) => return Ok(()),
                // what an earlier run noted does not verify: that piece is fetched again
                Err(BlobError::Damaged { piece, .. }) => next = piece,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Asks for a piece; none for none.
    async fn fetch(
        &self,
        thread: ThreadId,
        blob: Digest,
        from: &Pid,
        piece: Option<u64>,
    ) -> Result<Option<(u64, Bytes)>, String> {
        let Some(piece) = piece else { return Ok(None) };
        match self.ask(from, &BlobRequest::Piece((thread, blob, piece))).await? {
            BlobAnswer::Piece(bytes) => Ok(Some((piece, bytes))),
            _ => Err("something else than a piece".into()),
        }
    }

    fn note(&self, blob: &Digest, partial: &Partial, len: u64) {
        let missing = partial.missing() * lapwing_store::blobs::PIECE_LEN;
        self.with(blob, |p| p.have = len.saturating_sub(missing));
    }

    async fn piece_hashes(
        &self,
        thread: ThreadId,
        blob: Digest,
        from: &Pid,
        len: u64,
    ) -> Result<Vec<[u8; 32]>, String> {
        let count = piece_count(len);
        let mut cvs = Vec::new();
        while (cvs.len() as u64) < count {
            let first = cvs.len() as u64;
            match self.ask(from, &BlobRequest::Pieces((thread, blob, first))).await? {
                BlobAnswer::Pieces((theirs, some)) if theirs == len && !some.is_empty() => cvs.extend(some),
                _ => return Err("the other side's evidence has another length than its statement says".into()),
            }
        }
        cvs.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(cvs)
    }
}

/// Answers a blob request of the node of `from`: only of a case with it, only of what was named there.
pub async fn serve(office: &Arc<Office>, from: Option<Pid>, bytes: Vec<u8>) -> Vec<u8> {
    let office = office.clone();
    let work = tokio::task::spawn_blocking(move || answer(&office, from, &bytes));
    let answer = work.await.unwrap_or_else(|_| BlobAnswer::Refused("failed".into()));
    encode(&answer)
}

fn answer(office: &Office, from: Option<Pid>, bytes: &[u8]) -> BlobAnswer {
    // not here and not for you are told alike
    let none = || BlobAnswer::Refused("no such item of evidence".into());
    let Ok(request) = read::<BlobRequest>(bytes, MAX_BLOB_REQUEST) else { return none() };
    let (BlobRequest::Pieces((thread, blob, at)) | BlobRequest::Piece((thread, blob, at))) = &request;
    let view = office.view();
    let Some(case) = view.state.case(thread) else { return none() };
    let named = case.blobs().any(|(by, b)| *by == office.me && b.b3_cipher == *blob);
    // of what is held back not even the sealed bytes go out
    let named = named && case.world().granted(case.requester == office.me).contains(blob);
    // its own it gets back, where it has lost it
    let named = named || case.blobs().any(|(by, b)| Some(*by) == from && b.b3_cipher == *blob);
    if from != Some(case.peer(&office.me)) || !named || !view.state.federation.is_participant(&case.peer(&office.me)) {
        return none();
    }
    let read = || -> Result<BlobAnswer, BlobError> {
        match &request {
            BlobRequest::Pieces(_) => {
                let pieces = office.blobs.pieces(&blob.0)?;
                let some = pieces.cvs().iter().skip(usize::try_from(*at).unwrap_or(usize::MAX)).take(CVS_PER_ANSWER);
                Ok(BlobAnswer::Pieces((pieces.len(), some.copied().collect())))
            }
            BlobRequest::Piece(_) => {
                let piece = office.blobs.open_blob(&blob.0)?.read_piece(*at)?;
                office.metrics.blob_served.inc_by(piece.len() as u64);
                Ok(BlobAnswer::Piece(Bytes(piece)))
            }
        }
    };
    read().unwrap_or_else(|error| {
        tracing::warn!(%error, "a piece of evidence cannot be read");
        none()
    })
}
