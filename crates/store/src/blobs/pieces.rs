//! Pieces of 1 MiB and their place in the BLAKE3 tree.
//!
//! BLAKE3 is a binary tree over chunks of 1 KiB in which every left subtree is the largest power of two that leaves
//! something to its right. A piece of 1024 chunks is therefore always a whole subtree (the last one whatever is left),
//! and its chaining value is enough to verify it alone. The values of all pieces merge to the blob's hash by the same
//! rule, so a list of them is checked before it is believed (protocol §6, "verified, resumable ranges").

use std::io::{self, Read};

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::Root;

/// The unit of transfer, in bytes.
pub const PIECE_LEN: u64 = 1 << 20;

/// How many pieces a blob of `len` bytes has; an empty one has one, empty.
pub const fn piece_count(len: u64) -> u64 {
    let count = len.div_ceil(PIECE_LEN);
    if count == 0 { 1 } else { count }
}

/// The length of a piece in bytes, 0 behind the last one.
pub fn piece_len(len: u64, piece: u64) -> usize {
    let left = piece.checked_mul(PIECE_LEN).map_or(0, |start| len.saturating_sub(start));
    left.min(PIECE_LEN) as usize
}

/// Piece hashes that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PiecesError {
    /// A blob of this length has another number of pieces.
    #[error("{found} piece hashes, {expected} pieces")]
    Count {
        /// Hashes given.
        found: u64,
        /// Pieces of the blob.
        expected: u64,
    },
    /// They do not merge to the blob's hash.
    #[error("the piece hashes do not merge to the blob's hash")]
    Root,
}

/// The hashes of a blob's pieces, known to merge to its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    root: Root,
    len: u64,
    cvs: Vec<[u8; 32]>,
}

impl Pieces {
    /// Checks that `cvs` are as many as a blob of `len` bytes has pieces, and merge to `root`.
    ///
    /// The length itself is bound by the hashes only once the last piece has been verified.
    pub fn new(root: Root, len: u64, cvs: Vec<[u8; 32]>) -> Result<Self, PiecesError> {
        let (found, expected) = (cvs.len() as u64, piece_count(len));
        if found != expected {
            return Err(PiecesError::Count { found, expected });
        }
        if merge(&cvs) == root { Ok(Self { root, len, cvs }) } else { Err(PiecesError::Root) }
    }

    /// The blob's hash.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The blob's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the blob has no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many pieces it has.
    pub fn count(&self) -> u64 {
        self.cvs.len() as u64
    }

    /// The chaining values, or, where there is one piece, the root itself.
    pub fn cvs(&self) -> &[[u8; 32]] {
        &self.cvs
    }

    /// Whether `bytes` are this piece.
    pub fn verify(&self, piece: u64, bytes: &[u8]) -> bool {
        let Some(cv) = usize::try_from(piece).ok().and_then(|piece| self.cvs.get(piece)) else {
            return false;
        };
        bytes.len() == piece_len(self.len, piece) && *cv == self.hash(piece, bytes)
    }

    fn hash(&self, piece: u64, bytes: &[u8]) -> [u8; 32] {
        if self.cvs.len() == 1 {
            return *blake3::hash(bytes).as_bytes();
        }
        let mut hasher = Hasher::new();
        hasher.set_input_offset(piece * PIECE_LEN);
        hasher.update(bytes);
        hasher.finalize_non_root()
    }
}

/// The root of a tree whose leaves are whole pieces (the last one may be shorter). One leaf is the root itself.
fn merge(cvs: &[[u8; 32]]) -> Root {
    // Pairing neighbours layer by layer, an odd one moving up, is BLAKE3's rule for leaves of one power of two.
    let mut layer = cvs.to_vec();
    while layer.len() > 2 {
        layer = layer
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => merge_subtrees_non_root(left, right, Mode::Hash),
                odd => odd[0],
            })
            .collect();
    }
    match layer.as_slice() {
        [left, right] => *merge_subtrees_root(left, right, Mode::Hash).as_bytes(),
        one => one.first().copied().unwrap_or_default(),
    }
}

/// Computes a blob's hash and its piece hashes in one pass.
#[derive(Clone, Debug)]
pub struct PieceHasher {
    cvs: Vec<[u8; 32]>,
    piece: Hasher,
    in_piece: u64,
}

impl Default for PieceHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl PieceHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self { cvs: Vec::new(), piece: Hasher::new(), in_piece: 0 }
    }

    /// Bytes hashed so far.
    pub fn len(&self) -> u64 {
        self.cvs.len() as u64 * PIECE_LEN + self.in_piece
    }

    /// Whether nothing was hashed yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hashes more bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // A full piece is closed only when more follows: a blob of exactly one piece is hashed as a root.
            if self.in_piece == PIECE_LEN {
                self.cvs.push(self.piece.finalize_non_root());
                self.piece = Hasher::new();
                self.piece.set_input_offset(self.cvs.len() as u64 * PIECE_LEN);
                self.in_piece = 0;
            }
            let n = bytes.len().min((PIECE_LEN - self.in_piece) as usize);
            self.piece.update(&bytes[..n]);
            self.in_piece += n as u64;
            bytes = &bytes[n..];
        }
    }

    /// The hashes of everything.
    pub fn finish(mut self) -> Pieces {
        let len = self.len();
        if self.cvs.is_empty() {
            let root = *self.piece.finalize().as_bytes();
            return Pieces { root, len, cvs: vec![root] };
        }
        self.cvs.push(self.piece.finalize_non_root());
        Pieces { root: merge(&self.cvs), len, cvs: self.cvs }
    }
}

/// The hash and the piece hashes of what a reader gives, with flat memory.
pub fn piece_cvs(mut reader: impl Read) -> io::Result<Pieces> {
    let mut hasher = PieceHasher::new();
    let mut buf = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buf[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn piece_hashes_merge_to_the_hash_at_every_kind_of_length() {
        let mib = PIECE_LEN as usize;
        for len in
            [0, 1, 1024, mib - 1, mib, mib + 1, 2 * mib, 3 * mib, 3 * mib + 5, 4 * mib, 5 * mib + 1024, 7 * mib + 1]
        {
            let bytes: Vec<u8> = (0..len).map(|i| (i / 1021 + i) as u8).collect();
            let pieces = piece_cvs(&bytes[..]).unwrap();
            assert_eq!(pieces.root(), blake3::hash(&bytes).as_bytes(), "{len}");
            assert_eq!(pieces.count(), piece_count(len as u64));
            assert_eq!(Pieces::new(*pieces.root(), len as u64, pieces.cvs().to_vec()).unwrap(), pieces);
            let mut at = 0;
            for piece in 0..pieces.count() {
                let n = piece_len(len as u64, piece);
                assert!(pieces.verify(piece, &bytes[at..at + n]));
                if n > 0 {
                    let mut other = bytes[at..at + n].to_vec();
                    other[n / 2] ^= 1;
                    assert!(!pieces.verify(piece, &other));
                    assert!(!pieces.verify(piece, &bytes[at..at + n - 1]));
                }
                at += n;
            }
            assert!(!pieces.verify(pieces.count(), b""));
        }
    }

    #[test]
    fn hashes_that_do_not_fit_are_refused() {
        let bytes = vec![3; 3 * PIECE_LEN as usize];
        let pieces = piece_cvs(&bytes[..]).unwrap();
        let len = pieces.len();
        let mut cvs = pieces.cvs().to_vec();
        cvs[1][0] ^= 1;
        assert_eq!(Pieces::new(*pieces.root(), len, cvs.clone()), Err(PiecesError::Root));
        cvs.pop();
        assert!(matches!(Pieces::new(*pieces.root(), len, cvs), Err(PiecesError::Count { found: 2, expected: 3 })));
    }
}
