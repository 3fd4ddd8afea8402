//! Sealing to one recipient (protocol §6, RFC 9180).
//!
//! ```text
//! Sealed = [v, suite, to, kid, enc, ct]          ct = HPKE.Seal(aad = [v, suite, to, kid], pad(plain))
//! suite 1: X-Wing (X25519 + ML-KEM-768), HKDF-SHA256, ChaCha20-Poly1305
//! suite 2: X25519,                       HKDF-SHA256, ChaCha20-Poly1305
//! ```
//!
//! What is recorded on the network today must stay secret for decades, so suite 1 is the default. Padding to 1, 4, 16,
//! 64 or 256 KiB hides the length. The `hpke` crate is not audited: it stays behind [`seal`] and [`open`], and the suite
//! number in the message lets another take its place.

use crate::cbor::{self, Bytes, DecodeError, encode};
use crate::id::{Kid, Pid};
use crate::{cbor_array, codes};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::rand_core::CryptoRng;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

codes! {
    /// How a message is sealed.
    pub enum Suite {
        /// X-Wing.
        1 "x_wing" => XWing,
        /// X25519.
        2 "x25519" => X25519,
    }
}

/// The sizes that messages are padded to, in bytes.
pub const PADDED: [usize; 5] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
/// Bytes of a message at most, before padding.
pub const MAX_PLAIN: usize = PADDED[4] - 4;
/// Bytes of a sealed message at most.
pub const MAX_SEALED: usize = PADDED[4] + 4096;
const INFO: &[u8] = b"lapwing/1 seal";

cbor_array! {
    /// A sealed message. Whoever carries it sees the recipient and a size class, not the sender.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sealed {
        /// Format version, 1.
        pub version: u64,
        /// The suite.
        pub suite: Suite,
        /// The recipient.
        pub to: Pid,
        /// The recipient's key.
        pub kid: Kid,
        /// The encapsulated key.
        pub enc: Bytes,
        /// The ciphertext.
        pub ct: Bytes,
    }
}

impl Sealed {
    /// Reads bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let sealed: Sealed = cbor::decode(bytes, MAX_SEALED)?;
        if sealed.version != 1 {
            return Err(cbor::Fault::here("this program reads version 1").within("version").into());
        }
        Ok(sealed)
    }
}

/// Why a message cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The recipient's key is not one of its suite.
    #[error("the recipient's encryption key is malformed")]
    Key,
    /// Longer than the largest padding.
    #[error("{0} bytes are too many for one message: {MAX_PLAIN} at most")]
    TooLong(usize),
    /// It does not open with this key.
    #[error("the sealed message does not open with this key")]
    Open,
    /// It opens, but its padding is not ours.
    #[error("the sealed message is padded wrongly")]
    Padding,
}

/// A key pair from a 32-byte seed that the caller draws at random; the public key's bytes.
pub fn public_key(suite: Suite, seed: &[u8; 32]) -> Vec<u8> {
    match suite {
        Suite::XWing => XWing::derive_keypair(seed).1.to_bytes().to_vec(),
        Suite::X25519 => X25519HkdfSha256::derive_keypair(seed).1.to_bytes().to_vec(),
    }
}

/// The name of a public key.
pub fn kem_kid(public: &[u8]) -> Kid {
    Kid(crate::id::HashOf::Key.hash(public))
}

fn pad(plain: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let size = PADDED.into_iter().find(|size| plain.len() + 4 <= *size).ok_or(SealError::TooLong(plain.len()))?;
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend_from_slice(&(plain.len() as u32).to_be_bytes());
    out.extend_from_slice(plain);
    out.resize(size, 0);
    Ok(out)
}

fn unpad(padded: &[u8]) -> Result<Vec<u8>, SealError> {
    let (len, rest) = padded.split_first_chunk::<4>().ok_or(SealError::Padding)?;
    let len = u32::from_be_bytes(*len) as usize;
    if !PADDED.contains(&padded.len()) || len > rest.len() || rest[len..].iter().any(|b| *b != 0) {
        return Err(SealError::Padding);
    }
    Ok(rest[..len].to_vec())
}

fn aad(suite: Suite, to: Pid, kid: Kid) -> Vec<u8> {
    encode(&(1u64, suite, to, kid))
}

/// Seals `plain` to the key `public` of `to`.
pub fn seal(suite: Suite, to: Pid, public: &[u8], plain: &[u8], rng: &mut impl CryptoRng) -> Result<Sealed, SealError> {
    let kid = kem_kid(public);
    let padded = pad(plain)?;
    let aad = aad(suite, to, kid);
    let (enc, ct) = match suite {
        Suite::XWing => seal_with::<XWing>(public, &padded, &aad, rng)?,
        Suite::X25519 => seal_with::<X25519HkdfSha256>(public, &padded, &aad, rng)?,
    };
    Ok(Sealed { version: 1, suite, to, kid, enc: Bytes(enc), ct: Bytes(ct) })
}

fn seal_with<K: Kem>(
    public: &[u8],
    plain: &[u8],
    aad: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let key = K::PublicKey::from_bytes(public).map_err(|_| SealError::Key)?;
    let (enc, ct) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeS::Base, &key, INFO, plain, aad, rng)
            .map_err(|_| SealError::Key)?;
    Ok((enc.to_bytes().to_vec(), ct))
}

/// Opens a message with the key pair of `seed`.
pub fn open(sealed: &Sealed, seed: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    let aad = aad(sealed.suite, sealed.to, sealed.kid);
    let padded = match sealed.suite {
        Suite::XWing => open_with::<XWing>(seed, &sealed.enc, &sealed.ct, &aad)?,
        Suite::X25519 => open_with::<X25519HkdfSha256>(seed, &sealed.enc, &sealed.ct, &aad)?,
    };
    unpad(&Zeroizing::new(padded))
}

fn open_with<K: Kem>(seed: &[u8; 32], enc: &[u8], ct: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
    let (secret, _) = K::derive_keypair(seed);
    let enc = K::EncappedKey::from_bytes(enc).map_err(|_| SealError::Open)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeR::Base, &secret, &enc, INFO, ct, aad)
        .map_err(|_| SealError::Open)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit::TestRng;

    #[test]
    fn only_the_named_recipient_and_key_open() {
        for suite in Suite::ALL {
            let public = public_key(*suite, &[1; 32]);
            let sealed = seal(*suite, Pid([5; 32]), &public, b"secret", &mut TestRng::new(1)).unwrap();
            let back = Sealed::decode(&encode(&sealed)).unwrap();
            assert_eq!(open(&back, &[1; 32]).unwrap(), b"secret");
            assert_eq!(open(&back, &[2; 32]), Err(SealError::Open));
            let redirected = Sealed { to: Pid([6; 32]), ..back.clone() };
            assert_eq!(open(&redirected, &[1; 32]), Err(SealError::Open), "the recipient is bound");
            let mut bent = back.clone();
            bent.ct.0[10] ^= 1;
            assert_eq!(open(&bent, &[1; 32]), Err(SealError::Open));
        }
    }

    #[test]
    fn lengths_are_hidden_in_five_sizes() {
        let public = public_key(Suite::X25519, &[1; 32]);
        let len = |n: usize| {
            let sealed = seal(Suite::X25519, Pid([5; 32]), &public, &vec![7; n], &mut TestRng::new(1));
            sealed.map(|s| s.ct.len())
        };
        assert_eq!(len(0).unwrap(), len(1020).unwrap());
        assert_ne!(len(1020).unwrap(), len(1021).unwrap());
        assert_eq!(len(MAX_PLAIN + 1), Err(SealError::TooLong(MAX_PLAIN + 1)));
    }

    #[test]
    fn the_two_suites_have_the_sizes_of_their_standards() {
        assert_eq!(public_key(Suite::XWing, &[1; 32]).len(), 1216);
        assert_eq!(public_key(Suite::X25519, &[1; 32]).len(), 32);
    }
}
