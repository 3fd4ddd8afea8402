//! The form of a file: blocks that open only with the index key, only in this file, only at their place.
//!
//! ```text
//! magic 8 ‖ salt 32 ‖ block 0 ‖ block 1 ‖ … ‖ last block        block = 8,192 bytes of content (the last: 0 to 8,192) ‖ tag 16
//! key   = BLAKE3-keyed(index key, length of the name ‖ name ‖ salt)     one key a file: a name used again has another
//! nonce = number of the block, 8 bytes ‖ 0 0 0 ‖ 1 for the last, else 0
//! ```
//!
//! A changed byte, a block from elsewhere and a file cut at a block's end all fail to open. The salt is drawn at random and
//! stands nowhere else: once it is overwritten, what the disk keeps of the blocks opens no more, for whoever has the key.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use zeroize::Zeroizing;

/// Bytes of content in a block.
pub const BLOCK: usize = 8192;
const TAG: usize = 16;
const SEALED: usize = BLOCK + TAG;
const MAGIC: &[u8; 8] = b"LAPWSRC1";
/// Where the salt lies.
pub const SALT: std::ops::Range<u64> = 8..40;
const HEADER: usize = 40;

/// Why a file does not open.
pub fn damaged(name: &str, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {what}"))
}

fn cipher(index_key: &[u8; 32], name: &str, salt: &[u8; 32]) -> Aes256Gcm {
    let mut hasher = blake3::Hasher::new_keyed(index_key);
    hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(salt);
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    Aes256Gcm::new((&*key).into())
}

fn nonce(number: u64, last: bool) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    bytes.into()
}

/// Writes a file block by block.
pub struct Sealer<W: Write> {
    cipher: Aes256Gcm,
    out: W,
    number: u64,
    block: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Begins a file of this name.
    pub fn new(index_key: &[u8; 32], name: &str, mut out: W) -> io::Result<Self> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|e| io::Error::other(format!("no randomness: {e}")))?;
        out.write_all(&[&MAGIC[..], &salt].concat())?;
        Ok(Sealer { cipher: cipher(index_key, name, &salt), out, number: 0, block: Vec::with_capacity(SEALED) })
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        self.cipher
            .encrypt_in_place(&nonce(self.number, last), b"", &mut self.block)
            .map_err(|_| io::Error::other("a block could not be sealed"))?;
        self.out.write_all(&self.block)?;
        self.block.clear();
        self.number += 1;
        Ok(())
    }

    /// Ends the file: what is behind it is written out.
    pub fn finish(&mut self) -> io::Result<&mut W> {
        self.put(true)?;
        self.out.flush()?;
        Ok(&mut self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            // only now is it known not to be the last
            self.put(false)?;
        }
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Whole blocks only leave it; the rest with [`Sealer::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file block by block, in any order.
pub struct Opener {
    name: String,
    cipher: Aes256Gcm,
    file: File,
    blocks: u64,
    len: u64,
}

impl Opener {
    /// The file of this name. Its content is verified as it is read.
    pub fn new(index_key: &[u8; 32], name: &str, file: File) -> io::Result<Self> {
        let all = file.metadata()?.len();
        let mut header = [0; HEADER];
        if all < (HEADER + TAG) as u64 {
            return Err(damaged(name, "it is cut off"));
        }
        file.read_exact_at(&mut header, 0)?;
        let (magic, salt) = header.split_at(8);
        if magic != MAGIC {
            return Err(damaged(name, "it is of another form"));
        }
        let salt = salt.try_into().expect("the header has 40 bytes");
        let sealed = all - HEADER as u64;
        let blocks = sealed.div_ceil(SEALED as u64);
        if sealed - (blocks - 1) * (SEALED as u64) < TAG as u64 {
            return Err(damaged(name, "its last block is cut off"));
        }
        let len = sealed - blocks * TAG as u64;
        Ok(Opener { name: name.to_owned(), cipher: cipher(index_key, name, salt), file, blocks, len })
    }

    /// Bytes of content.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// One block's content, verified.
    pub fn block(&self, number: u64) -> io::Result<Vec<u8>> {
        let begin = number * BLOCK as u64;
        if number >= self.blocks {
            return Err(damaged(&self.name, "there is no such block"));
        }
        let plain = (self.len - begin).min(BLOCK as u64) as usize;
        let mut bytes = vec![0; plain + TAG];
        self.file.read_exact_at(&mut bytes, HEADER as u64 + number * SEALED as u64)?;
        self.cipher
            .decrypt_in_place(&nonce(number, number + 1 == self.blocks), b"", &mut bytes)
            .map_err(|_| damaged(&self.name, &format!("block {number} does not open")))?;
        Ok(bytes)
    }
}

/// A whole small file, sealed.
pub fn seal(index_key: &[u8; 32], name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut sealer = Sealer::new(index_key, name, Vec::new())?;
    sealer.write_all(content)?;
    Ok(std::mem::take(sealer.finish()?))
}

/// A whole small file, opened.
pub fn open(index_key: &[u8; 32], name: &str, file: File) -> io::Result<Vec<u8>> {
    let opener = Opener::new(index_key, name, file)?;
    let mut content = Vec::new();
    for number in 0..opener.blocks {
        content.extend(opener.block(number)?);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: [u8; 32] = [5; 32];

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn content_of_any_length_comes_back() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7] {
            let sealed = seal(&KEY, "a", &content(len)).unwrap();
            let opener = Opener::new(&KEY, "a", file(&sealed)).unwrap();
            assert_eq!((opener.len(), open(&KEY, "a", file(&sealed)).unwrap()), (len as u64, content(len)), "{len}");
        }
    }

    #[test]
    fn another_key_another_name_and_every_flipped_byte_are_refused() {
        let sealed = seal(&KEY, "a", &content(100)).unwrap();
        assert!(open(&[6; 32], "a", file(&sealed)).is_err());
        assert!(open(&KEY, "b", file(&sealed)).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(open(&KEY, "a", file(&bent)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_that_is_cut_or_whose_blocks_change_places_is_refused() {
        let sealed = seal(&KEY, "a", &content(3 * BLOCK)).unwrap();
        for len in [0, 7, HEADER, HEADER + TAG, HEADER + SEALED, HEADER + 2 * SEALED, sealed.len() - 1] {
            assert!(open(&KEY, "a", file(&sealed[..len])).is_err(), "cut to {len}");
        }
        let mut swapped = sealed.clone();
        let (a, b) = (HEADER, HEADER + SEALED);
        swapped[a..b].copy_from_slice(&sealed[b..b + SEALED]);
        swapped[b..b + SEALED].copy_from_slice(&sealed[a..b]);
        assert!(open(&KEY, "a", file(&swapped)).is_err());
    }

    #[test]
    fn the_same_content_never_looks_the_same() {
        assert_ne!(
            seal(&KEY, "a", &content(100)).unwrap()[HEADER..],
            seal(&KEY, "a", &content(100)).unwrap()[HEADER..]
        );
    }
}
