//! Envelopes, keys and signatures that every reader must refuse.

use crate::bad::{Bad, raw};
use crate::good::{self};
use crate::{World, hex};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use lapwing_record::cbor::{Bytes, Value, encode};
use lapwing_record::id::{Kid, NetworkId};
use lapwing_record::sign::{Context, Detached, PublicKey, SecretKey, Sign1};
use lapwing_record::testkit::TestAgency;
use serde_json::json;
use sha2::{Digest as _, Sha512};

fn sign1_value(sign1: &Sign1) -> Vec<Value> {
    match lapwing_record::cbor::Cbor::to_value(sign1) {
        Value::Array(items) => items,
        _ => unreachable!("an array"),
    }
}

pub fn envelopes(bad: &mut Bad<'_>) {
    let (key, network) = (bad.w.harbor.feed.clone(), bad.w.network);
    let good = Sign1::sign(&key, &network, Context::Ack, b"payload".to_vec());
    let [protected, _, payload, signature]: [Value; 4] = sign1_value(&good).try_into().unwrap();
    let Value::Bytes(header) = protected.clone() else { unreachable!("bytes") };
    let empty = || Value::Map(vec![]);
    let with = |at: usize, byte: u8| {
        let mut header = header.clone();
        header[at] = byte;
        Value::Bytes(header)
    };
    let alg = (Value::Integer(1.into()), Value::Integer((-8).into()));
    let rows = [
        ("another algorithm", with(2, 0x26), empty(), "-7 is ES256"),
        ("another label for the kid", with(3, 0x05), empty(), "the kid is label 4"),
        (
            "the protected header's integer is longer than needed",
            {
                let mut long = header.clone();
                long.splice(2..3, [0x38, 0x07]);
                Value::Bytes(long)
            },
            empty(),
            "one fixed byte string",
        ),
        ("no protected header", Value::Bytes(vec![]), empty(), "alg and kid are needed"),
        ("something in the unprotected header", protected.clone(), Value::Map(vec![alg]), "it is empty"),
        ("no unprotected header", protected.clone(), Value::Null, "the empty map stands there"),
    ];
    for (name, protected, unprotected, reason) in rows {
        let bytes = raw(vec![protected, unprotected, payload.clone(), signature.clone()]);
        bad.plain(&format!("envelope: {name}"), "sign1-form", bytes, reason);
    }
    let tagged = [&[0xd2][..], &encode(&good)].concat();
    bad.plain("envelope: tagged", "sign1-form", tagged, "COSE_Sign1 is untagged here");
    let three = raw(vec![protected.clone(), empty(), payload.clone()]);
    bad.plain("envelope: without a signature", "sign1-form", three, "four items");
    let detached = raw(vec![protected, empty(), Value::Null, signature]);
    bad.plain("envelope: its payload detached", "sign1-form", detached, "the payload stands inside");

    let mut sign1 = |name: &str, sign1: &Sign1, network: NetworkId, context: &str, by: PublicKey, reason: &str| {
        let more = json!({ "network": hex(network.0), "context": context, "public": hex(by.bytes()) });
        bad.add(&format!("signature: {name}"), "sign1", encode(sign1), reason, more);
    };
    let public = key.public();
    sign1("of another network", &good, NetworkId([1; 32]), "ack", public, "the network is signed");
    for context in good::CONTEXTS.into_iter().filter(|c| *c != Context::Ack) {
        let name = format!("for the use ack, read as {}", context.word());
        sign1(&name, &good, network, context.word(), public, "the use is signed");
    }
    let other = TestAgency::key(1);
    sign1("by another key", &good, network, "ack", other.public(), "the kid names another key");
    let relabelled = Sign1 { by: Detached { kid: other.public().kid(), ..good.by }, ..good.clone() };
    sign1("under another's name", &relabelled, network, "ack", other.public(), "the kid is signed, too");
    let changed = Sign1 { payload: Bytes(b"payloaD".to_vec()), ..good.clone() };
    sign1("over other bytes", &changed, network, "ack", public, "one bit of the payload differs");
    for at in [0, 31, 32, 63] {
        let mut bent = good.clone();
        bent.by.signature[at] ^= 1;
        sign1(&format!("with byte {at} bent"), &bent, network, "ack", public, "one bit of the signature differs");
    }
}

pub fn keys(bad: &mut Bad<'_>) {
    for (n, point) in EIGHT_TORSION.iter().enumerate() {
        let bytes = point.compress().to_bytes();
        bad.plain(&format!("key: of small order, number {n}"), "public-key", bytes, "it verifies almost anything");
    }
    let mut one_more = [0xff; 32];
    (one_more[0], one_more[31]) = (0xee, 0x7f);
    bad.plain("key: the neutral point, not canonical", "public-key", one_more, "small order, and y is not below p");
    let mut no_point = [0; 32];
    no_point[0] = 2;
    bad.plain("key: no point of the curve", "public-key", no_point, "y = 2 has no x");
    let mut high = [0xff; 32];
    (high[0], high[31]) = (0xf0, 0x7f);
    bad.plain("key: y is not canonical, y = p + 3", "public-key", high, "y must be below p: one key, one name");
}

/// A signature made by hand over what `Sign1` signs: R and S as given by the maker from the challenge.
fn by_hand(w: &World, public: [u8; 32], r: [u8; 32], s: impl Fn(Scalar) -> [u8; 32], payload: &[u8]) -> Sign1 {
    let kid = Kid(lapwing_record::id::HashOf::Key.hash(&public));
    let protected = [&[0xa2, 0x01, 0x27, 0x04, 0x58, 0x20][..], &kid.0].concat();
    let aad = encode(&("lapwing".to_owned(), 1u64, w.network, "ack".to_owned()));
    let message = encode(&("Signature1".to_owned(), Bytes(protected), Bytes(aad), Bytes(payload.to_vec())));
    let mut hash = Sha512::new();
    hash.update(r);
    hash.update(public);
    hash.update(&message);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s(challenge));
    Sign1 { payload: Bytes(payload.to_vec()), by: Detached { kid, signature } }
}

/// The secret scalar of a key (RFC 8032 §5.1.5).
fn scalar(key: &SecretKey) -> Scalar {
    let hash: [u8; 64] = Sha512::digest(key.seed()).into();
    let mut low = [0; 32];
    low.copy_from_slice(&hash[..32]);
    Scalar::from_bytes_mod_order(clamp_integer(low))
}

pub fn strict_signatures(bad: &mut Bad<'_>) {
    let w = bad.w;
    let (key, a) = (&w.harbor.feed, scalar(&w.harbor.feed));
    let public = *key.public().bytes();
    let mut add = |name: &str, sign1: &Sign1, public: [u8; 32], reason: &str| {
        let more = json!({ "network": hex(w.network.0), "context": "ack", "public": hex(public) });
        bad.add(&format!("strictness: {name}"), "sign1", encode(sign1), reason, more);
    };
    // the maker itself makes valid signatures
    let nonce = Scalar::from(7u64);
    let big_r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let honest = by_hand(w, public, big_r, |k| (nonce + k * a).to_bytes(), b"strict");
    honest.open(&key.public(), &w.network, Context::Ack).unwrap();

    let mut large = honest.clone();
    // the order of the group, little-endian; S + L verifies wherever S does, if S is not checked
    let order: [u8; 32] = {
        let mut bytes = (-Scalar::ONE).to_bytes();
        bytes[0] += 1;
        bytes
    };
    let mut carry = 0;
    for (s, l) in large.by.signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        (*s, carry) = (sum as u8, sum >> 8);
    }
    add("S is not below the group's order", &large, public, "S + L says the same as S");
    let neutral = EIGHT_TORSION[0].compress().to_bytes();
    let of_neutral = by_hand(w, public, neutral, |k| (k * a).to_bytes(), b"strict");
    add("R is the neutral point", &of_neutral, public, "the equation holds, but R is of small order");
    let torsion = EIGHT_TORSION[1].compress().to_bytes();
    let of_torsion = by_hand(w, public, torsion, |k| (k * a).to_bytes(), b"strict");
    add("R is of order 8", &of_torsion, public, "only the equation times eight holds");
    let mut lax = [0xff; 32];
    (lax[0], lax[31]) = (0xee, 0x7f);
    let of_lax = by_hand(w, public, lax, |k| (k * a).to_bytes(), b"strict");
    add("R is not canonical", &of_lax, public, "p + 1 for 1");
    let shifted = ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[1];
    let of_shifted = by_hand(w, public, shifted.compress().to_bytes(), |k| (nonce + k * a).to_bytes(), b"strict");
    add("R with a part of order 8", &of_shifted, public, "only the equation times eight holds");
    // a key with a part of order 8: signatures by it hold only where the challenge is a multiple of eight
    let mixed: EdwardsPoint = ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[1];
    let mixed = mixed.compress().to_bytes();
    PublicKey::new(mixed).unwrap();
    let of_mixed = (0u8..)
        .map(|n| by_hand(w, mixed, big_r, |k| (nonce + k * a).to_bytes(), &[n]))
        .find(|s| s.open(&PublicKey::new(mixed).unwrap(), &w.network, Context::Ack).is_err())
        .unwrap();
    add("a key with a part of order 8", &of_mixed, mixed, "only the equation times eight holds");
}
