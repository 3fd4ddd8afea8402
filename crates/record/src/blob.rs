//! Evidence under its own key (protocol §6): AES-256-GCM in 64 KiB segments.
//!
//! ```text
//! key      = BLAKE3-KDF("lapwing/1 blob key", case key ‖ salt ‖ SHA-256 of the plaintext)
//! nonce    = 7 zero bytes ‖ segment number, 4 bytes big-endian ‖ 1 for the last segment, else 0
//! segment  = 65,536 bytes of plaintext (the last: 0 to 65,536) ‖ 16 bytes of tag
//! ```
//!
//! The key is unique to the blob, so counter nonces never repeat; the marked last segment and the counter make
//! truncation and reordering visible (the STREAM construction). BLAKE3 over the ciphertext names the blob on the
//! network; BLAKE3 and SHA-256 of the plaintext stand in the signed statement.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

/// Plaintext bytes of a segment.
pub const SEGMENT_BYTES: usize = 64 * 1024;
/// Bytes that sealing adds to each segment.
pub const TAG_BYTES: usize = 16;

/// A blob's key. It travels to the target in a `blob_grant`.
pub type BlobKey = Zeroizing<[u8; 32]>;

/// The key of the blob with this plaintext in this case.
pub fn blob_key(case_key: &[u8; 32], salt: &[u8; 32], sha256_plain: &[u8; 32]) -> BlobKey {
    let material = Zeroizing::new([&case_key[..], &salt[..], &sha256_plain[..]].concat());
    Zeroizing::new(blake3::derive_key("lapwing/1 blob key", &material))
}

/// Segments of a plaintext of `len` bytes: at least one.
pub fn segments(len: u64) -> u64 {
    len.div_ceil(SEGMENT_BYTES as u64).max(1)
}

/// Ciphertext bytes of a plaintext of `len` bytes.
pub fn sealed_len(len: u64) -> u64 {
    len + segments(len) * TAG_BYTES as u64
}

/// A segment does not open: wrong key, wrong place, or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {0} of the evidence does not open: wrong key, or its bytes were changed")]
pub struct SegmentError(pub u32);

/// Seals or opens the segments of one blob.
pub struct Segments {
    cipher: Aes256Gcm,
}

impl Segments {
    /// With the blob's key.
    pub fn new(key: &BlobKey) -> Self {
        let key: &[u8; 32] = key;
        Segments { cipher: Aes256Gcm::new(key.into()) }
    }

    fn nonce(index: u32, last: bool) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = [0u8; 12];
        nonce[7..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = u8::from(last);
        nonce.into()
    }

    /// Seals in place: `buffer` grows by [`TAG_BYTES`].
    pub fn seal(&self, index: u32, last: bool, buffer: &mut Vec<u8>) {
        self.cipher
            .encrypt_in_place(&Self::nonce(index, last), b"", buffer)
            .expect("a segment is far below the cipher's limit");
    }

    /// Opens in place: `buffer` shrinks by [`TAG_BYTES`].
    pub fn open(&self, index: u32, last: bool, buffer: &mut Vec<u8>) -> Result<(), SegmentError> {
        self.cipher.decrypt_in_place(&Self::nonce(index, last), b"", buffer).map_err(|_| SegmentError(index))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn segments_open_only_in_their_place_and_the_last_is_marked() {
        let key = blob_key(&[1; 32], &[2; 32], &[3; 32]);
        let segments = Segments::new(&key);
        let mut sealed = b"hello".to_vec();
        segments.seal(1, false, &mut sealed);
        for (index, last, fits) in [(1, false, true), (0, false, false), (1, true, false)] {
            let mut copy = sealed.clone();
            assert_eq!(segments.open(index, last, &mut copy).is_ok(), fits);
        }
        let other = Segments::new(&blob_key(&[1; 32], &[2; 32], &[4; 32]));
        assert_eq!(other.open(1, false, &mut sealed), Err(SegmentError(1)));
    }

    #[test]
    fn lengths_count_every_tag() {
        for (len, sealed) in [(0, 16), (1, 17), (65_536, 65_552), (65_537, 65_569)] {
            assert_eq!(sealed_len(len), sealed);
        }
    }
}
