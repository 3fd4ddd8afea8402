//! Bytes under a key, for what lies on disk: XChaCha20-Poly1305 with the nonce in front.
//!
//! The part of a case record that may become unreadable (protocol §6, "Journal, erasure, replay") lies under the case
//! key in this form. The nonce is 24 bytes drawn at random by the caller.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Bytes of the nonce.
pub const NONCE_BYTES: usize = 24;

/// The bytes do not open: another key, another place, or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("locked bytes do not open with this key at this place")]
pub struct UnlockError;

/// Locks `plain`; `place` is bound to it and must be given again to open it.
pub fn lock(key: &[u8; 32], nonce: [u8; NONCE_BYTES], place: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place });
    let sealed = sealed.expect("shorter than the cipher's limit of 256 GiB");
    [&nonce[..], &sealed[..]].concat()
}

/// Opens what [`lock`] made.
pub fn unlock(key: &[u8; 32], place: &[u8], locked: &[u8]) -> Result<Vec<u8>, UnlockError> {
    let (nonce, sealed) = locked.split_first_chunk::<NONCE_BYTES>().ok_or(UnlockError)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).map_err(|_| UnlockError)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_same_key_and_place_open() {
        let locked = lock(&[1; 32], [2; 24], b"here", b"secret");
        assert_eq!(unlock(&[1; 32], b"here", &locked).unwrap(), b"secret");
        assert!(unlock(&[2; 32], b"here", &locked).is_err());
        assert!(unlock(&[1; 32], b"there", &locked).is_err());
        for i in 0..locked.len() {
            let mut bent = locked.clone();
            bent[i] ^= 1;
            assert!(unlock(&[1; 32], b"here", &bent).is_err());
        }
        assert!(unlock(&[1; 32], b"here", &locked[..10]).is_err());
    }
}
