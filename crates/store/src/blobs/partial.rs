//! A download that can be interrupted at any time and fetches at most one piece twice.
//!
//! ```text
//! <hex>.have   length, piece hashes, one byte for each piece that is durable
//! <hex>.part   the pieces at their places
//! ```
//!
//! A piece is verified, written, synced, and only then noted. The note itself is not synced: a lost one is found again at
//! the next start by hashing the piece, so a piece costs one sync. A note that is there is believed until
//! [`Partial::finish`], which hashes the pieces of earlier runs once more.

use crate::atomic_file;
use crate::disk::{Access, DiskError, DiskFile, create_fresh, remove_if_there};

use super::pieces::{PIECE_LEN, Pieces, piece_count, piece_len};
use super::{BlobError, BlobStore, MAX_LEN, Root};

const MAGIC: &[u8; 8] = b"LAPWPART";
/// Magic, length, check over both and the piece hashes.
const HEAD: usize = 8 + 8 + 32;
const NOTED: u8 = 0xa5;

/// How much this run knows of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    /// Noted by an earlier run.
    Noted,
    /// Verified and synced by this run.
    Verified,
}

/// A download under way.
#[derive(Debug)]
pub struct Partial {
    store: BlobStore,
    pieces: Pieces,
    data: Box<dyn DiskFile>,
    notes: Box<dyn DiskFile>,
    states: Vec<State>,
}

fn description(pieces: &Pieces) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &pieces.len().to_le_bytes()].concat();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes).update(pieces.cvs().as_flattened());
    bytes.extend_from_slice(hasher.finalize().as_bytes());
    bytes.extend_from_slice(pieces.cvs().as_flattened());
    bytes.resize(bytes.len() + pieces.cvs().len(), 0);
    bytes
}

/// The piece hashes and the notes of a description; `None` when it does not verify.
fn read_description(root: &Root, bytes: &[u8]) -> Option<(Pieces, Vec<State>)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let len = u64::from_le_bytes(head[8..16].try_into().ok()?);
    if head[..8] != *MAGIC || len > MAX_LEN {
        return None;
    }
    let count = usize::try_from(piece_count(len)).ok()?;
    let (cvs, notes) = rest.split_at_checked(count * 32)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&head[..16]).update(cvs);
    if hasher.finalize() != <[u8; 32]>::try_from(&head[16..]).ok()? || notes.len() != count {
        return None;
    }
    let pieces = Pieces::new(*root, len, cvs.as_chunks::<32>().0.to_vec()).ok()?;
    let states = notes.iter().map(|note| if *note == NOTED { State::Noted } else { State::Missing }).collect();
    Some((pieces, states))
}

impl Partial {
    pub(super) fn begin(store: BlobStore, pieces: Pieces) -> Result<Self, BlobError> {
        match Self::resume(store.clone(), pieces.root())? {
            Some(partial) if partial.pieces == pieces => return Ok(partial),
            _ => {}
        }
        // The data first, and durable with the notes by one sync: notes are never there without what they note.
        let notes_path = store.path(pieces.root(), ".have");
        remove_if_there(&*store.disk, &notes_path)?;
        let data = create_fresh(&*store.disk, &store.path(pieces.root(), ".part"))?;
        atomic_file::replace(&*store.disk, &notes_path, &description(&pieces))?;
        let notes = store.disk.open(&notes_path, Access::ReadWrite)?;
        let states = vec![State::Missing; pieces.cvs().len()];
        Ok(Self { store, pieces, data, notes, states })
    }

    pub(super) fn resume(store: BlobStore, root: &Root) -> Result<Option<Self>, BlobError> {
        let notes_path = store.path(root, ".have");
        let described = atomic_file::read(&*store.disk, &notes_path)?;
        let Some((pieces, states)) = described.and_then(|bytes| read_description(root, &bytes)) else {
            return Ok(None);
        };
        let data = match store.disk.open(&store.path(root, ".part"), Access::ReadWrite) {
            Ok(data) => data,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let notes = store.disk.open(&notes_path, Access::ReadWrite)?;
        let mut partial = Self { store, pieces, data, notes, states };
        partial.look_for_lost_notes()?;
        Ok(Some(partial))
    }

    /// Takes the pieces that are there but not noted. They are written again: that they read back does not mean that
    /// they were synced, and after a failed sync another one would not tell.
    fn look_for_lost_notes(&mut self) -> Result<(), BlobError> {
        let held = self.data.len()?;
        for piece in 0..self.pieces.count() {
            let len = piece_len(self.pieces.len(), piece);
            if self.state(piece) != State::Missing || piece * PIECE_LEN + len as u64 > held {
                continue;
            }
            let mut bytes = vec![0; len];
            self.data.read_exact_at(&mut bytes, piece * PIECE_LEN)?;
            if self.pieces.verify(piece, &bytes) {
                self.keep(piece, &bytes)?;
            }
        }
        Ok(())
    }

    fn state(&self, piece: u64) -> State {
        self.states[piece as usize]
    }

    /// The length and the piece hashes.
    pub fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// The first piece from `from` on that is still to be fetched.
    pub fn next_missing(&self, from: u64) -> Option<u64> {
        (from..self.pieces.count()).find(|piece| self.state(*piece) == State::Missing)
    }

    /// How many pieces are still to be fetched.
    pub fn missing(&self) -> u64 {
        self.states.iter().filter(|state| **state == State::Missing).count() as u64
    }

    /// Verifies a piece and keeps it, durably on return. A piece that is there already is verified and not written.
    pub fn write_piece(&mut self, piece: u64, bytes: &[u8]) -> Result<(), BlobError> {
        if piece >= self.pieces.count() {
            return Err(BlobError::NoSuchPiece(piece));
        }
        if !self.pieces.verify(piece, bytes) {
            return Err(BlobError::WrongPiece(piece));
        }
        if self.state(piece) == State::Missing { self.keep(piece, bytes) } else { Ok(()) }
    }

    fn keep(&mut self, piece: u64, bytes: &[u8]) -> Result<(), BlobError> {
        self.data.write_at(bytes, piece * PIECE_LEN)?;
        self.data.sync_data()?;
        self.states[piece as usize] = State::Verified;
        if let Err(error) = self.note(piece, NOTED) {
            tracing::warn!(%error, "a piece's note could not be written; it costs a look at the next start");
        }
        Ok(())
    }

    fn note(&self, piece: u64, note: u8) -> Result<(), DiskError> {
        let notes = (HEAD + self.pieces.cvs().len() * 32) as u64;
        self.notes.write_at(&[note], notes + piece)
    }

    /// Verifies what earlier runs noted, and gives the blob its name. Durable on return. After [`BlobError::Damaged`] the
    /// piece that it names is missing again: fetch it and finish again. After any other error, finish or begin again.
    pub fn finish(&mut self) -> Result<(Root, u64), BlobError> {
        for piece in 0..self.pieces.count() {
            if self.state(piece) == State::Noted {
                self.verify_noted(piece)?;
            }
        }
        match self.missing() {
            0 => {}
            missing => return Err(BlobError::Incomplete(missing)),
        }
        let (root, len) = (*self.pieces.root(), self.pieces.len());
        let disk = &*self.store.disk;
        self.data.truncate(len)?;
        self.data.sync_data()?;
        self.store.save_pieces(&self.pieces)?;
        let part = self.store.path(&root, ".part");
        if disk.exists(&part)? {
            disk.rename(&part, &self.store.path(&root, ""))?;
        }
        disk.sync_dir(&self.store.dir)?;
        // Only now: a power cut that kept this removal and not the rename would leave pieces that nothing describes.
        remove_if_there(disk, &self.store.path(&root, ".have"))?;
        Ok((root, len))
    }

    fn verify_noted(&mut self, piece: u64) -> Result<(), BlobError> {
        let mut bytes = vec![0; piece_len(self.pieces.len(), piece)];
        let got = self.data.read_at(&mut bytes, piece * PIECE_LEN)?;
        if got == bytes.len() && self.pieces.verify(piece, &bytes) {
            self.states[piece as usize] = State::Verified;
            return Ok(());
        }
        self.states[piece as usize] = State::Missing;
        if let Err(error) = self.note(piece, 0) {
            tracing::warn!(%error, "a damaged piece's note could not be taken back; finish finds it again");
        }
        Err(BlobError::Damaged { file: self.data.path().to_owned(), piece })
    }
}
