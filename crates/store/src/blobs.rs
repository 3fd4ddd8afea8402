//! Large ciphertext as content-addressed files: `blobs/<hex of the BLAKE3 hash>`.
//!
//! A blob is written to a temporary name while it is hashed, synced, renamed, and the folder synced: what has a final
//! name is whole and durable. Blobs above one piece keep their piece hashes beside them (`<hex>.cvs`), so that serving a
//! piece needs no second look at the whole. Memory stays flat: nothing here holds more than one piece.
//!
//! Reading a piece verifies it; [`BlobReader::read_at`] does not, its callers open authenticated segments
//! (protocol §6, "Evidence").
//!
//! A download is a [`Partial`]; see there.

mod partial;
mod pieces;

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{Item, Source};
use crate::atomic_file;
use crate::disk::{Access, Disk, DiskError, DiskFile, create_dir_durably, create_fresh, remove_if_there};

pub use partial::Partial;
pub use pieces::{PIECE_LEN, PieceHasher, Pieces, PiecesError, piece_count, piece_cvs, piece_len};

/// A blob's name: the BLAKE3 hash of its bytes.
pub type Root = [u8; 32];

/// The longest blob, in bytes: 64 GiB, so that the list of piece hashes stays at 2 MiB.
pub const MAX_LEN: u64 = 64 << 30;

/// A blob cannot be written, read or found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The disk failed. See [`DiskError::is_full`].
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no such blob.
    #[error("there is no blob {}", hex(root))]
    Missing {
        /// The blob asked for.
        root: Root,
    },
    /// The bytes on disk are not the ones that were written.
    #[error("{} is damaged at piece {piece}", file.display())]
    Damaged {
        /// The blob's file.
        file: PathBuf,
        /// The first piece that does not verify.
        piece: u64,
    },
    /// The bytes handed in do not have the expected hash; nothing was kept.
    #[error("piece {0} does not have its hash")]
    WrongPiece(u64),
    /// The piece hashes do not belong to this root and length.
    #[error("the piece hashes do not fit the blob")]
    Pieces(#[from] PiecesError),
    /// There is no piece of this number.
    #[error("there is no piece {0}")]
    NoSuchPiece(u64),
    /// The blob is longer than [`MAX_LEN`].
    #[error("a blob has at most {MAX_LEN} bytes")]
    TooLong,
    /// Not all pieces are there yet.
    #[error("{0} pieces are missing")]
    Incomplete(u64),
    /// The operating system gave no randomness for a temporary name.
    #[error("no randomness for a temporary name")]
    Random(#[source] getrandom::Error),
}

/// What a blob is called that was set aside.
const ASIDE: &str = ".damaged";

/// The blobs of one folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobStore {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn root_of(name: &str) -> Option<Root> {
    let lower = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if lower { blake3::Hash::from_hex(name).ok().map(Into::into) } else { None }
}

impl BlobStore {
    /// Opens (or creates) the store in `dir`, whose parent must exist, and removes what unfinished writers and
    /// finished downloads left. Unfinished downloads stay. One store at a time works on a folder.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, BlobError> {
        create_dir_durably(&*disk, dir)?;
        let names = disk.list(dir)?;
        let has = |name: &str| names.binary_search_by(|found| found.as_str().cmp(name)).is_ok();
        for name in &names {
            let unfinished = name.starts_with("new-") || name.ends_with(".tmp");
            // A download that was finished, or one that never got its description.
            let left_over = match name.rsplit_once('.') {
                Some((blob, "have")) => has(blob),
                Some((blob, "part")) => has(blob) || !has(&format!("{blob}.have")),
                _ => false,
            };
            if unfinished || left_over {
                disk.remove(&dir.join(name))?;
            }
        }
        // A final name that an earlier process could not sync is seen by readers: make it durable now.
        disk.sync_dir(dir)?;
        Ok(Self { disk, dir: dir.to_owned() })
    }

    fn path(&self, root: &Root, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", hex(root)))
    }

    /// Begins a new blob.
    pub fn create(&self) -> Result<BlobWriter, BlobError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(BlobError::Random)?;
        let temporary = self.dir.join(format!("new-{}", hex(&random)));
        let file = self.disk.open(&temporary, Access::CreateNew)?;
        Ok(BlobWriter {
            store: self.clone(),
            temporary,
            file: Some(file),
            buf: Vec::with_capacity(WRITE_BUF),
            written: 0,
            hasher: PieceHasher::new(),
        })
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, root: &Root) -> Result<BlobReader, BlobError> {
        match self.disk.open(&self.path(root, ""), Access::Read) {
            Ok(file) => Ok(BlobReader { len: file.len()?, file, root: *root, store: self.clone(), pieces: None }),
            Err(error) if error.is_missing() => Err(BlobError::Missing { root: *root }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the blob is there, whole.
    pub fn contains(&self, root: &Root) -> Result<bool, BlobError> {
        Ok(self.disk.exists(&self.path(root, ""))?)
    }

    /// Removes a blob and an unfinished download of it; a missing one is fine. Durable on return.
    pub fn remove(&self, root: &Root) -> Result<(), BlobError> {
        for suffix in ["", ".cvs", ".have", ".part", ASIDE] {
            remove_if_there(&*self.disk, &self.path(root, suffix))?;
        }
        self.disk.sync_dir(&self.dir)?;
        Ok(())
    }

    /// Moves a blob that does not verify out of the way, under another name, so that it can be fetched again. Durable on
    /// return; a missing one is fine. [`BlobStore::remove`] removes what was set aside too.
    pub fn set_aside(&self, root: &Root) -> Result<(), BlobError> {
        match self.disk.rename(&self.path(root, ""), &self.path(root, ASIDE)) {
            Err(error) if error.is_missing() => return Ok(()),
            renamed => renamed?,
        }
        remove_if_there(&*self.disk, &self.path(root, ".cvs"))?;
        self.disk.sync_dir(&self.dir)?;
        Ok(())
    }

    /// The file of a blob.
    pub fn file(&self, root: &Root) -> PathBuf {
        self.path(root, "")
    }

    /// The names of all blobs that are there, whole, in order.
    pub fn list(&self) -> Result<Vec<Root>, BlobError> {
        Ok(self.disk.list(&self.dir)?.iter().filter_map(|name| root_of(name)).collect())
    }

    /// All blobs that are there, whole, as items of a backup: each under its name.
    pub fn snapshot(&self) -> Result<Vec<Item>, BlobError> {
        let item = |root: Root| -> Result<Item, BlobError> {
            let path = self.path(&root, "");
            let len = self.disk.open(&path, Access::Read)?.len()?;
            Ok(Item { name: hex(&root), len, source: Source::File(path) })
        };
        self.list()?.into_iter().map(item).collect()
    }

    /// The names of all unfinished downloads, in order.
    pub fn list_partial(&self) -> Result<Vec<Root>, BlobError> {
        let names = self.disk.list(&self.dir)?;
        Ok(names.iter().filter_map(|name| root_of(name.strip_suffix(".have")?)).collect())
    }

    /// Begins or continues a download of `len` bytes whose pieces have the hashes `cvs`. Refused when these do not merge
    /// to `root`.
    pub fn partial(&self, root: Root, len: u64, cvs: Vec<[u8; 32]>) -> Result<Partial, BlobError> {
        if len > MAX_LEN {
            return Err(BlobError::TooLong);
        }
        Partial::begin(self.clone(), Pieces::new(root, len, cvs)?)
    }

    /// Continues a download from what is on disk. `None`: there is none, or its description is damaged (then
    /// [`BlobStore::partial`] begins it anew).
    pub fn resume(&self, root: &Root) -> Result<Option<Partial>, BlobError> {
        Partial::resume(self.clone(), root)
    }

    /// The length and the piece hashes of a blob: the ones kept beside it, computed anew where these do not fit. For the
    /// sending side.
    pub fn pieces(&self, root: &Root) -> Result<Pieces, BlobError> {
        let mut reader = self.open_blob(root)?;
        reader.pieces()?;
        reader.pieces.ok_or(BlobError::Missing { root: *root })
    }

    /// Keeps the piece hashes beside the blob, not synced: they follow from it, they are checked against its name when
    /// they are read, and what a power cut leaves of them is computed anew.
    fn save_pieces(&self, pieces: &Pieces) -> Result<(), DiskError> {
        if pieces.cvs().len() < 2 {
            return Ok(());
        }
        let file = create_fresh(&*self.disk, &self.path(pieces.root(), ".cvs"))?;
        file.write_at(&pieces.cvs().concat(), 0)
    }
}

const WRITE_BUF: usize = 256 << 10;

/// Writes one blob. Dropped before [`BlobWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    store: BlobStore,
    temporary: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    buf: Vec<u8>,
    written: u64,
    hasher: PieceHasher,
}

impl BlobWriter {
    /// Appends bytes.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        if self.hasher.len() + bytes.len() as u64 > MAX_LEN {
            return Err(BlobError::TooLong);
        }
        self.hasher.update(bytes);
        while !bytes.is_empty() {
            let n = bytes.len().min(WRITE_BUF - self.buf.len());
            self.buf.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.buf.len() == WRITE_BUF {
                self.drain()?;
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), DiskError> {
        if let Some(file) = &self.file {
            file.write_at(&self.buf, self.written)?;
        }
        self.written += self.buf.len() as u64;
        self.buf.clear();
        Ok(())
    }

    /// Makes the blob durable under its name and returns name and length. A blob that is already there is replaced by
    /// the same bytes.
    pub fn finish(mut self) -> Result<(Root, u64), BlobError> {
        self.drain()?;
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        let pieces = std::mem::take(&mut self.hasher).finish();
        self.store.save_pieces(&pieces)?;
        let disk = self.store.disk.clone();
        disk.rename(&self.temporary, &self.store.path(pieces.root(), ""))?;
        self.file = None;
        disk.sync_dir(&self.store.dir)?;
        Ok((*pieces.root(), pieces.len()))
    }
}

impl io::Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BlobWriter::write(self, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Else the next open of the store removes it.
            let _ = remove_if_there(&*self.store.disk, &self.temporary);
        }
    }
}

/// Reads one blob.
#[derive(Debug)]
pub struct BlobReader {
    store: BlobStore,
    file: Box<dyn DiskFile>,
    root: Root,
    len: u64,
    pieces: Option<Pieces>,
}

impl BlobReader {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buf` from `offset`, not verified; fewer bytes only at the end.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, BlobError> {
        Ok(self.file.read_at(buf, offset)?)
    }

    /// One piece, verified against the blob's name.
    pub fn read_piece(&mut self, piece: u64) -> Result<Vec<u8>, BlobError> {
        let (file, len) = (self.file.path().to_owned(), self.len);
        let pieces = self.pieces()?;
        if piece >= pieces.count() {
            return Err(BlobError::NoSuchPiece(piece));
        }
        let pieces = pieces.clone();
        let mut bytes = vec![0; piece_len(len, piece)];
        self.file.read_exact_at(&mut bytes, piece * PIECE_LEN)?;
        if pieces.verify(piece, &bytes) { Ok(bytes) } else { Err(BlobError::Damaged { file, piece }) }
    }

    /// Verifies the whole blob, piece by piece.
    pub fn verify(&mut self) -> Result<(), BlobError> {
        for piece in 0..self.pieces()?.count() {
            self.read_piece(piece)?;
        }
        Ok(())
    }

    /// The piece hashes.
    pub fn pieces(&mut self) -> Result<&Pieces, BlobError> {
        let pieces = match self.pieces.take() {
            Some(pieces) => pieces,
            None => match self.saved_pieces()? {
                Some(pieces) => pieces,
                None => self.compute_pieces()?,
            },
        };
        Ok(self.pieces.insert(pieces))
    }

    fn saved_pieces(&self) -> Result<Option<Pieces>, BlobError> {
        let Some(bytes) = atomic_file::read(&*self.store.disk, &self.store.path(&self.root, ".cvs"))? else {
            return Ok(None);
        };
        let (cvs, rest) = bytes.as_chunks::<32>();
        Ok(Pieces::new(self.root, self.len, cvs.to_vec()).ok().filter(|_| rest.is_empty()))
    }

    fn compute_pieces(&self) -> Result<Pieces, BlobError> {
        let pieces = piece_cvs(Sequential { file: &*self.file, at: 0 })
            .map_err(|error| DiskError::new(crate::disk::Op::Read, self.file.path(), error))?;
        if *pieces.root() != self.root {
            // Without the piece hashes there is no telling which piece it is.
            return Err(BlobError::Damaged { file: self.file.path().to_owned(), piece: 0 });
        }
        if let Err(error) = self.store.save_pieces(&pieces) {
            tracing::warn!(%error, "a blob's piece hashes could not be kept");
        }
        Ok(pieces)
    }
}

struct Sequential<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
