//! Keys and signatures: COSE_Sign1 over Ed25519 with nothing left to choose (protocol §1, RFC 9052, RFC 8032).
//!
//! ```text
//! Sign1         = [protected: bstr {1: -8, 4: kid}, unprotected: {}, payload: bstr, signature: bstr 64]
//! Sig_structure = ["Signature1", protected, external_aad, payload]
//! external_aad  = ["lapwing", 1, network_id, context]
//! ```
//!
//! The protected header is one fixed byte string per key and is compared bytewise; the unprotected header is empty.
//! The network and the use are inside the signature, so nothing signed for one is valid in another.

use crate::cbor::{Bytes, Cbor, Fault, Value, array_of, encode};
use crate::id::{HashOf, Kid, NetworkId};

/// What a signature is for. Part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A log entry's header.
    Entry,
    /// A charter.
    Charter,
    /// An applicant's endorsement.
    Apply,
    /// An officer's approval.
    Approve,
    /// A referral statement.
    Msg,
    /// A node's receipt.
    Receipt,
    /// "I cannot open this; my key is now …".
    Nack,
    /// "I hold this entry" (objection push).
    Ack,
    /// A mailbox's deposit receipt.
    Deposit,
    /// An applicant's ticket.
    Ticket,
}

impl Context {
    /// The word inside the signature.
    pub const fn word(self) -> &'static str {
        match self {
            Context::Entry => "entry",
            Context::Charter => "charter",
            Context::Apply => "apply",
            Context::Approve => "approve",
            Context::Msg => "msg",
            Context::Receipt => "receipt",
            Context::Nack => "nack",
            Context::Ack => "ack",
            Context::Deposit => "deposit",
            Context::Ticket => "ticket",
        }
    }
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The 32 bytes are no key, or one of the few that sign everything.
    #[error("not a usable Ed25519 key")]
    WeakKey,
    /// The envelope names another key.
    #[error("signed by another key than expected")]
    OtherKey,
    /// The signature does not hold over these bytes for this network and use.
    #[error("signature does not verify for this network and use")]
    Invalid,
}

/// A verifying key that is known to be usable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes, refusing what is no point, the weak points, and any encoding of a point but the one of RFC 8032.
    pub fn new(bytes: [u8; 32]) -> Result<Self, SignatureError> {
        // y must be below 2^255 − 19, or a stricter reader would refuse what this one takes
        if bytes[0] >= 0xed && bytes[1..31].iter().all(|b| *b == 0xff) && bytes[31] & 0x7f == 0x7f {
            return Err(SignatureError::WeakKey);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| SignatureError::WeakKey)?;
        if key.is_weak() { Err(SignatureError::WeakKey) } else { Ok(PublicKey(bytes)) }
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's name.
    pub fn kid(&self) -> Kid {
        Kid(HashOf::Key.hash(&self.0))
    }

    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        #[cfg(feature = "testkit")]
        return crate::testkit::once_verified(&[&self.0, &signature[..], message], || self.check(message, signature));
        #[cfg(not(feature = "testkit"))]
        self.check(message, signature)
    }

    fn check(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError::WeakKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        // the one predicate everywhere: batch verification accepts what this refuses
        key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.kid().short())
    }
}

impl Cbor for PublicKey {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        PublicKey::new(<[u8; 32]>::from_value(value)?).map_err(|e| Fault::here(e.to_string()))
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&crate::id::base32(&self.0))
    }
}

/// A signing key. Wiped when dropped, never printed. The verifying key is worked out once, not for every signature.
#[derive(Clone)]
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// From a 32-byte seed, which the caller draws at random.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        SecretKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The seed, to be written where it is kept.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The matching verifying key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer;
        self.0.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public().kid().short())
    }
}

/// The protected header of every signature by the key `kid`: `{1: -8, 4: kid}`.
fn protected(kid: &Kid) -> Vec<u8> {
    let mut out = vec![0xa2, 0x01, 0x27, 0x04, 0x58, 0x20];
    out.extend_from_slice(&kid.0);
    out
}

fn to_be_signed(network: &NetworkId, context: Context, kid: &Kid, payload: &[u8]) -> Vec<u8> {
    let aad = encode(&("lapwing".to_owned(), 1u64, *network, context.word().to_owned()));
    encode(&("Signature1".to_owned(), Bytes(protected(kid)), Bytes(aad), Bytes::from(payload)))
}

/// A signature kept apart from the bytes that it signs: approvals, and parts of a threshold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detached {
    /// Who signed.
    pub kid: Kid,
    /// Ed25519, 64 bytes.
    pub signature: [u8; 64],
}

impl std::fmt::Debug for Detached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detached(by {})", self.kid.short())
    }
}

impl Detached {
    /// Signs `payload`.
    pub fn sign(key: &SecretKey, network: &NetworkId, context: Context, payload: &[u8]) -> Self {
        let kid = key.public().kid();
        Detached { kid, signature: key.sign(&to_be_signed(network, context, &kid, payload)) }
    }

    /// Whether `key` signed `payload` for this network and use.
    pub fn verify(
        &self,
        key: &PublicKey,
        network: &NetworkId,
        context: Context,
        payload: &[u8],
    ) -> Result<(), SignatureError> {
        if key.kid() != self.kid {
            return Err(SignatureError::OtherKey);
        }
        key.verify(&to_be_signed(network, context, &self.kid, payload), &self.signature)
    }
}

impl Cbor for Detached {
    fn to_value(&self) -> Value {
        (self.kid, self.signature).to_value()
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        let (kid, signature) = Cbor::from_value(value)?;
        Ok(Detached { kid, signature })
    }
}

/// Signed bytes, as they travel: COSE_Sign1, untagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign1 {
    /// The bytes that were signed.
    pub payload: Bytes,
    /// By whom, and the signature.
    pub by: Detached,
}

impl Sign1 {
    /// Signs `payload`.
    pub fn sign(key: &SecretKey, network: &NetworkId, context: Context, payload: Vec<u8>) -> Self {
        Sign1 { by: Detached::sign(key, network, context, &payload), payload: Bytes(payload) }
    }

    /// The payload, if `key` signed it for this network and use.
    pub fn open(&self, key: &PublicKey, network: &NetworkId, context: Context) -> Result<&[u8], SignatureError> {
        self.by.verify(key, network, context, &self.payload)?;
        Ok(&self.payload)
    }
}

impl Cbor for Sign1 {
    fn to_value(&self) -> Value {
        Value::Array(vec![
            Value::Bytes(protected(&self.by.kid)),
            Value::Map(Vec::new()),
            self.payload.to_value(),
            self.by.signature.to_value(),
        ])
    }
    fn from_value(value: Value) -> Result<Self, Fault> {
        let items = array_of(value, 4)?;
        let [header, unprotected, payload, signature]: [Value; 4] = items.try_into().expect("length checked");
        let header = Bytes::from_value(header).map_err(|f| f.within("protected"))?;
        let kid = header.0.get(6..).and_then(|k| <[u8; 32]>::try_from(k).ok()).map(Kid);
        let kid = kid
            .filter(|kid| protected(kid) == header.0)
            .ok_or_else(|| Fault::here("expected exactly {1: -8, 4: kid}").within("protected"))?;
        if unprotected != Value::Map(Vec::new()) {
            return Err(Fault::here("expected the empty map").within("unprotected"));
        }
        let payload = Bytes::from_value(payload).map_err(|f| f.within("payload"))?;
        let signature = Cbor::from_value(signature).map_err(|f: Fault| f.within("signature"))?;
        Ok(Sign1 { payload, by: Detached { kid, signature } })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cbor::decode;

    const NET: NetworkId = NetworkId([1; 32]);

    #[test]
    fn a_signature_holds_for_its_network_use_key_and_bytes_only() {
        let (key, other) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let sign1 = Sign1::sign(&key, &NET, Context::Entry, b"hello".to_vec());
        assert_eq!(sign1.open(&key.public(), &NET, Context::Entry), Ok(&b"hello"[..]));
        assert_eq!(sign1.open(&key.public(), &NetworkId([2; 32]), Context::Entry), Err(SignatureError::Invalid));
        assert_eq!(sign1.open(&key.public(), &NET, Context::Msg), Err(SignatureError::Invalid));
        assert_eq!(sign1.open(&other.public(), &NET, Context::Entry), Err(SignatureError::OtherKey));
        let bent = Sign1 { payload: Bytes(b"hellO".to_vec()), ..sign1 };
        assert_eq!(bent.open(&key.public(), &NET, Context::Entry), Err(SignatureError::Invalid));
    }

    #[test]
    fn any_flipped_byte_of_an_envelope_is_refused_or_breaks_the_signature() {
        let key = SecretKey::from_seed([1; 32]);
        let bytes = encode(&Sign1::sign(&key, &NET, Context::Entry, b"hello".to_vec()));
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[i] ^= 1 << bit;
                if let Ok(sign1) = decode::<Sign1>(&bent, 1024) {
                    assert!(sign1.open(&key.public(), &NET, Context::Entry).is_err(), "byte {i} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn weak_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::new(identity), Err(SignatureError::WeakKey));
        assert_eq!(PublicKey::new([0; 32]), Err(SignatureError::WeakKey));
    }
}
