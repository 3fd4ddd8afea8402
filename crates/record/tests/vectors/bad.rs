//! Vectors that every reader must refuse, each made from a good one by one change, with the reason.

use crate::good::{self, approved, body, charter_file, contact, grant, hello, profile, signed, stmt};
use crate::{World, hex, signed_by};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use lapwing_record::blob;
use lapwing_record::cbor::{Bytes, Value, encode};
use lapwing_record::charter::{Charter, CharterFile, Params};
use lapwing_record::directory::{Contact, Hours, KemKey, NodeBinding, Profile, Way};
use lapwing_record::entry::{Entry, EntryType, Header, LogKind, body_hash};
use lapwing_record::form::{Basis, Factor, Form, HarmFactor, sample};
use lapwing_record::id::{EntryId, Kid, NetworkId, Pid};
use lapwing_record::identity::*;
use lapwing_record::locked;
use lapwing_record::membership::*;
use lapwing_record::seal::{Sealed, Suite, kem_kid, public_key, seal};
use lapwing_record::sign::{Context, Detached, PublicKey, SecretKey, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::{TestAgency, TestRng};
use lapwing_record::wire::{AskHeads, Plane, SyncRequest};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha512};

/// A collector of vectors with what they share.
struct Bad<'a> {
    w: &'a World,
    rows: Vec<Json>,
}

impl Bad<'_> {
    /// A vector: how to read it, why it is refused, its bytes, and what else the reader needs.
    fn add(&mut self, name: &str, how: &str, bytes: impl AsRef<[u8]>, reason: &str, more: Json) {
        let mut row = json!({ "name": name, "how": how, "reason": reason, "bytes": hex(bytes) });
        row.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.rows.push(row);
    }

    fn plain(&mut self, name: &str, how: &str, bytes: impl AsRef<[u8]>, reason: &str) {
        self.add(name, how, bytes, reason, Json::Null);
    }

    fn entry(&mut self, name: &str, bytes: impl AsRef<[u8]>, reason: &str) {
        let more = json!({
            "network": hex(self.w.network.0), "signers": [hex(self.w.harbor.feed.public().bytes())], "threshold": 1,
        });
        self.add(name, "entry", bytes, reason, more);
    }
}

/// The file.
pub fn file(w: &World) -> Json {
    let mut bad = Bad { w, rows: Vec::new() };
    encodings(&mut bad);
    envelopes(&mut bad);
    keys(&mut bad);
    strict_signatures(&mut bad);
    entries(&mut bad);
    identities(&mut bad);
    charters(&mut bad);
    words_of_officers(&mut bad);
    applications(&mut bad);
    referrals(&mut bad);
    sealing(&mut bad);
    records(&mut bad);
    forms(&mut bad);
    json!({
        "about": "Bytes that every reader must refuse, each with the reason. `how` says as what they are to be read.",
        "vectors": bad.rows,
    })
}

// -- encoding -------------------------------------------------------------------------------------------------------

fn encodings(bad: &mut Bad<'_>) {
    let good = encode(&SyncRequest::Heads(AskHeads { plane: Plane::Pub, buckets: vec![1, 24] }));
    assert_eq!(good, [0x82, 0x01, 0x82, 0x00, 0x82, 0x01, 0x18, 0x18]);
    let rows: [(&str, &[u8], &str); 16] = [
        ("an integer in one byte too many", &[0x82, 1, 0x82, 0, 0x82, 0x18, 1, 0x18, 0x18], "1 is one byte"),
        ("an integer in eight bytes", &[0x82, 1, 0x82, 0, 0x81, 0x1b, 0, 0, 0, 0, 0, 0, 0, 9], "9 is one byte"),
        ("a length in one byte too many", &[0x82, 1, 0x82, 0, 0x98, 2, 1, 0x18, 0x18], "the length 2 is in the head"),
        ("an array without a length", &[0x82, 1, 0x82, 0, 0x9f, 1, 0xff], "indefinite length"),
        ("an outer array without a length", &[0x9f, 1, 0x82, 0, 0x81, 1, 0xff], "indefinite length"),
        ("bytes behind the end", &[0x82, 1, 0x82, 0, 0x81, 1, 0x00], "one byte is left over"),
        ("cut short", &[0x82, 1, 0x82, 0, 0x82, 1], "the second item is missing"),
        ("a float", &[0x82, 1, 0x82, 0, 0x81, 0xf9, 0x3c, 0x00], "1.0 is no integer"),
        ("a tag", &[0x82, 1, 0x82, 0, 0x81, 0xc1, 1], "tags are not used"),
        ("a bignum", &[0x82, 1, 0x82, 0, 0x81, 0xc2, 0x41, 1], "a tag, and 1 is one byte"),
        ("a map", &[0x82, 1, 0x82, 0, 0xa0], "a map where an array stands"),
        ("a negative integer", &[0x82, 1, 0x82, 0, 0x81, 0x20], "-1 is not unsigned"),
        ("undefined", &[0x82, 1, 0x82, 0, 0x81, 0xf7], "undefined is no value here"),
        ("a simple value", &[0x82, 1, 0x82, 0, 0x81, 0xf8, 0x20], "simple values but false, true, null are not used"),
        (
            "an endless length",
            &[0x82, 1, 0x82, 0, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            "no such array",
        ),
        ("a kind that is none", &[0x82, 0x09, 0x82, 0, 0x80], "sync requests are numbered 0 to 3"),
    ];
    for (name, bytes, reason) in rows {
        bad.plain(&format!("encoding: {name}"), "sync-request", bytes, reason);
    }
    bad.plain("encoding: nothing", "sync-request", [], "no item");
    bad.plain("encoding: one field too many", "sync-request", [0x82, 1, 0x83, 0, 0x80, 0], "ask-heads has two fields");
    bad.plain("encoding: a plane that is none", "sync-request", [0x82, 1, 0x82, 2, 0x80], "planes are 0 and 1");
    bad.plain("encoding: byte string in chunks", "blob-answer", [0x82, 1, 0x5f, 0x41, 1, 0xff], "indefinite length");
    bad.plain("encoding: text that is not UTF-8", "blob-answer", [0x82, 2, 0x61, 0xff], "0xff is no UTF-8");
    bad.plain("encoding: text in chunks", "blob-answer", [0x82, 2, 0x7f, 0x61, 0x61, 0xff], "indefinite length");
    let nested = (0..15).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let deep = Form { unknown: vec![(999, nested)], ..Form::default() };
    bad.plain("encoding: nested 17 deep", "form", encode(&deep), "at most 16");
    let mut id = bad.w.harbor.pid().to_string();
    bad.add("id: in capitals", "id", [], "ids are lower-case", json!({ "text": id.to_uppercase() }));
    bad.add("id: one character short", "id", [], "52 characters", json!({ "text": id[..51] }));
    // the last character carries one bit of the id and four that must be zero
    let last = if id.pop() == Some('a') { 'b' } else { 'z' };
    id.push(last);
    bad.add("id: unused bits are set", "id", [], "not the one text of any id", json!({ "text": id }));
}

// -- envelopes and signatures ---------------------------------------------------------------------------------------

fn sign1_value(sign1: &Sign1) -> Vec<Value> {
    match lapwing_record::cbor::Cbor::to_value(sign1) {
        Value::Array(items) => items,
        _ => unreachable!("an array"),
    }
}

struct Raw(Value);

impl lapwing_record::cbor::Cbor for Raw {
    fn to_value(&self) -> Value {
        self.0.clone()
    }
    fn from_value(value: Value) -> Result<Self, lapwing_record::cbor::Fault> {
        Ok(Raw(value))
    }
}

fn raw(items: Vec<Value>) -> Vec<u8> {
    encode(&Raw(Value::Array(items)))
}

fn envelopes(bad: &mut Bad<'_>) {
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

fn keys(bad: &mut Bad<'_>) {
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

fn strict_signatures(bad: &mut Bad<'_>) {
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

// -- entries --------------------------------------------------------------------------------------------------------

fn entries(bad: &mut Bad<'_>) {
    let w = bad.w;
    let (h, network) = (&w.harbor, &w.network);
    let content = encode(&contact());
    let good = h.entry(network, Some((4, EntryId([9; 32]))), EntryType::Contact, &contact());
    let header = good.header().clone();
    let of = |header: &Header, body: Option<&[u8]>| {
        encode(&(vec![header.sign(&h.feed, network)], body.map(|b| Bytes(b.to_vec()))))
    };
    let whole = Some(&content[..]);
    let changed: Vec<(&str, Header, &str)> = vec![
        ("of another version", Header { version: 2, ..header.clone() }, "this is version 1"),
        ("a type of log 1 in log 2", Header { log: LogKind::Agy, ..header.clone() }, "a contact belongs to log 1"),
        ("a type of log 2 in log 1", Header { kind: 64, ..header.clone() }, "an agency contact belongs to log 2"),
        ("no predecessor in the middle", Header { prev: None, ..header.clone() }, "only the first entry has none"),
        ("a predecessor at the beginning", Header { seq: 0, ..header.clone() }, "the first entry has none"),
        ("a body length that is wrong", Header { body_len: header.body_len + 1, ..header.clone() }, "not that long"),
        ("a body longer than its type may", Header { body_len: 4097, ..header.clone() }, "a contact has 4,096 bytes"),
        ("the hash of another body", Header { body_hash: body_hash(b"x"), ..header.clone() }, "not its hash"),
        (
            "references that descend",
            Header { refs: vec![EntryId([2; 32]), EntryId([1; 32])], ..header.clone() },
            "references ascend",
        ),
        ("a reference twice", Header { refs: vec![EntryId([1; 32]); 2], ..header.clone() }, "references ascend"),
        (
            "seventeen references",
            Header { refs: (0..17).map(|n| EntryId([n; 32])).collect(), ..header.clone() },
            "at most sixteen",
        ),
    ];
    for (name, header, reason) in changed {
        bad.entry(&format!("entry: {name}"), of(&header, whole), reason);
    }
    let later = Header { kind: 30, log: LogKind::Agy, body_len: 0, body_hash: body_hash(b""), ..header.clone() };
    let reason = "types 16 to 63 belong to log 1, also those of a later version";
    bad.entry("entry: an unknown type of log 1 in log 2", of(&later, Some(b"")), reason);
    bad.entry("entry: another body", of(&header, Some(b"other")), "not the body that the header binds");
    bad.entry(
        "entry: signed by another key",
        encode(&good_with(&good, &TestAgency::key(3), network)),
        "not the feed key",
    );
    let foreign = encode(&(vec![header.sign(&h.feed, &NetworkId([1; 32]))], whole.map(Bytes::from)));
    bad.entry("entry: signed for another network", foreign, "the network is signed");
    let nothing: (Vec<Sign1>, Option<Bytes>) = (vec![], whole.map(Bytes::from));
    bad.entry("entry: without a signature", encode(&nothing), "at least one");
    let sign1 = header.sign(&h.feed, network);
    let two = (signed_by(&header, &[&h.feed, &h.root], network), whole.map(Bytes::from));
    let signers = [h.feed.public(), h.root.public()].map(|k| hex(k.bytes()));
    let both = json!({ "network": hex(network.0), "signers": signers, "threshold": 1 });
    bad.add("entry: two signatures in log 1", "entry", encode(&two), "only log 0 carries several", both);
    let again = encode(&Header { clock: 77, ..header.clone() });
    let resigned = Sign1 { payload: Bytes(again), ..sign1.clone() };
    bad.entry(
        "entry: a header changed after signing",
        encode(&(vec![resigned], whole.map(Bytes::from))),
        "the clock differs",
    );
    let bytes = good.encode();
    for at in [0, 1, 2, 10, 40, 45, 60, 80, 100, 130, bytes.len() / 2, bytes.len() - 1] {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        bad.entry(&format!("entry: byte {at} bent"), bent, "one bit differs");
    }
    let long = Header { refs: (0..40).map(|n| EntryId([n; 32])).collect(), ..header };
    bad.plain("header: longer than 1 KiB", "header", encode(&long), "at most 1,024 bytes");

    // log 0, several keys
    let keys = [1, 2, 3].map(TestAgency::key);
    let leave = encode(&Leave { heads: vec![], note: None });
    let mut draft = Header {
        log: LogKind::Id,
        kind: EntryType::Leave.number(),
        body_len: leave.len() as u64,
        body_hash: body_hash(&leave),
        ..good.header().clone()
    };
    draft.crit = true;
    let mut all = signed_by(&draft, &[&keys[0], &keys[1], &keys[2]], network);
    let signers: Vec<Json> = keys.iter().map(|k| hex(k.public().bytes())).collect();
    let more = |threshold: u64, signers: &[Json]| json!({ "network": hex(network.0), "signers": signers, "threshold": threshold });
    let mut log0 = |name: &str, signatures: &[Sign1], threshold, known: &[Json], reason: &str| {
        let bytes = encode(&(signatures.to_vec(), Some(Bytes(leave.clone()))));
        bad.add(&format!("log 0: {name}"), "entry", bytes, reason, more(threshold, known));
    };
    log0("one signature where two are needed", &all[..1], 2, &signers, "the threshold is two");
    log0("one key twice", &[all[0].clone(), all[0].clone()], 2, &signers, "a key counts once");
    log0("one signature by a key that is no root", &all, 2, &signers[..2], "every signature must be a root's");
    all.swap(0, 1);
    log0("signatures out of order", &all, 2, &signers, "ascending kids");
    all.swap(0, 1);
    all[1].payload = Bytes(encode(&Header { clock: 78, ..draft }));
    log0("signatures over different headers", &all, 2, &signers, "one payload");
}

fn good_with(entry: &Entry, key: &SecretKey, network: &NetworkId) -> Entry {
    Entry::new(vec![entry.header().sign(key, network)], entry.body().map(<[u8]>::to_vec)).unwrap()
}

// -- identities, charter --------------------------------------------------------------------------------------------

fn identities(bad: &mut Bad<'_>) {
    let good = bad.w.harbor.inception.clone();
    let root = good.roots[0];
    let mut same_key = good.clone();
    same_key.first.officers[0].key = good.first.feed;
    let mut two_rules = good.clone();
    two_rules.first.policy = vec![PolicyRule { act: Act::Object, m: 1 }, PolicyRule { act: Act::Object, m: 2 }];
    let mut too_many = good.clone();
    too_many.first.policy = vec![PolicyRule { act: Act::Object, m: 3 }];
    let mut none = good.clone();
    none.first.policy = vec![PolicyRule { act: Act::Object, m: 0 }];
    let rows: Vec<(&str, Inception, &str)> = vec![
        (
            "a category of another class",
            Inception { category: Category::Courier, ..good.clone() },
            "a courier is private",
        ),
        ("a short name in capitals", Inception { short_name: "Harbor".into(), ..good.clone() }, "a-z, 0-9 and -"),
        ("a country in small letters", Inception { country: "gb".into(), ..good.clone() }, "ISO 3166-1 alpha-2"),
        (
            "a name that changes direction",
            Inception { legal_name: "a\u{202e}b".into(), ..good.clone() },
            "U+202E hides",
        ),
        ("no roots", Inception { roots: vec![], ..good.clone() }, "one to five"),
        ("one root twice", Inception { roots: vec![root; 2], ..good.clone() }, "different keys"),
        ("a threshold above its roots", Inception { threshold: 2, ..good.clone() }, "from 1 to the number of keys"),
        ("a threshold of nothing", Inception { threshold: 0, ..good.clone() }, "from 1 to the number of keys"),
        ("no next roots", Inception { next: vec![], ..good.clone() }, "one to five"),
        ("an officer with the feed key", same_key, "every key differs"),
        ("more approvals than officers", too_many, "two officers"),
        ("no approvals", none, "at least one"),
    ];
    for (name, inception, reason) in rows {
        bad.plain(&format!("inception: {name}"), "inception", encode(&inception), reason);
    }
    bad.plain("epoch: two rules for one act", "inception", encode(&two_rules), "which of them holds?");
    // a weak key by its bytes: the types do not let one be made
    let mut weak = encode(&good);
    let at = weak.windows(32).position(|w| w == root.bytes()).unwrap();
    weak[at..at + 32].fill(0);
    bad.plain("inception: a weak root key", "inception", weak, "y = 0 is of order 4");
    let grant = grant(&bad.w.harbor, 1, 50, None);
    let anchor = |log| Anchor { log, seq: 1, id: EntryId([1; 32]) };
    let two = KeyGrant { anchors: vec![anchor(LogKind::Agy), anchor(LogKind::Pub)], ..grant.clone() };
    bad.plain("grant: anchors out of order", "key-grant", encode(&two), "log 1, then log 2");
    let id = KeyGrant { anchors: vec![anchor(LogKind::Id)], ..grant };
    bad.plain("grant: an anchor in log 0", "key-grant", encode(&id), "logs 1 and 2 have anchors");
}

fn charters(bad: &mut Bad<'_>) {
    let w = bad.w;
    let good = charter_file(w);
    let mut add = |name: &str, file: &CharterFile, reason: &str| {
        bad.plain(&format!("charter file: {name}"), "charter-file", encode(file), reason);
    };
    let mut one = good.clone();
    one.signatures.pop();
    add("one founder has not signed", &one, "every founder signs");
    let mut more = good.clone();
    more.signatures.push(w.hangang.found(&w.charter).signatures[0]);
    more.signatures.sort();
    add("signed by a stranger, too", &more, "founders only");
    let mut turned = good.clone();
    turned.signatures.reverse();
    add("its signatures in another order", &turned, "ascending kids: one file, one encoding");
    let mut twice = good.clone();
    twice.signatures.insert(0, good.signatures[0]);
    add("a signature twice", &twice, "ascending kids: one file, one encoding");
    let mut other = good.clone();
    other.first_entries.reverse();
    add("its first entries in another order", &other, "in the order of the founders");
    let mut missing = good.clone();
    missing.first_entries.pop();
    add("a first entry is missing", &missing, "one of each founder");
    let mut foreign = good.clone();
    foreign.first_entries[0] = w.hangang.first_entry(&w.network);
    add("a first entry of a stranger", &foreign, "one of each founder");
    let mut renamed = good.clone();
    renamed.charter.name = "Another federation".into();
    add("another name than was signed", &renamed, "the charter is signed");
    let elsewhere = TestAgency::named("harbor").first_entry(&NetworkId([1; 32]));
    let mut abroad = good.clone();
    let at = abroad.first_entries.iter().position(|e| e.header().pid == w.harbor.pid()).unwrap();
    abroad.first_entries[at] = elsewhere;
    add("a first entry signed for another network", &abroad, "the network is signed");
    // charters that break a rule of form, properly signed
    let company = w.company();
    let signed = |charter: Charter, founders: &[&TestAgency]| {
        let mut signatures: Vec<Detached> = founders.iter().map(|f| charter.sign(&f.root)).collect();
        signatures.sort();
        let mut first_entries: Vec<Entry> = founders.iter().map(|f| f.first_entry(&charter.network_id())).collect();
        first_entries.sort_by_key(|e| e.header().pid);
        CharterFile { charter, signatures, first_entries }
    };
    let both = [&w.harbor, &w.polder];
    let mut founders = w.charter.founders.clone();
    founders.reverse();
    let unsorted = signed(Charter { founders, ..w.charter.clone() }, &both);
    add("founders out of order", &unsorted, "ascending pids");
    let weights = Params { harm_weights: vec![25, 25, 15, 15, 10, 9], ..w.charter.params.clone() };
    add("weights that sum up to 99", &signed(Charter { params: weights, ..w.charter.clone() }, &both), "100");
    let window = Params { window_ms: 0, ..w.charter.params.clone() };
    add("no window", &signed(Charter { params: window, ..w.charter.clone() }, &both), "at least one millisecond");
    let later = Charter { version: 2, ..w.charter.clone() };
    add("of another version", &signed(later, &both), "this is version 1");
    let private = lapwing_record::testkit::charter_of(&[&w.harbor, &company]);
    add("a founder that is no agency", &signed(private, &[&w.harbor, &company]), "only agencies found");
    let text = Charter { plan_text_hash: body_hash(b"another plan"), ..w.charter.clone() };
    add("founders that endorse another text", &signed(text, &both), "the charter's text");
}

// -- membership -----------------------------------------------------------------------------------------------------

fn words_of_officers(bad: &mut Bad<'_>) {
    let w = bad.w;
    let h = &w.harbor;
    let target = Target::Participant(w.hangang.pid());
    let approval = Approval::of_stance(h.pid(), 0, 1, Act::Object, target);
    let good = approved(w, &approval, &[&h.officers[0]]);
    let mut add =
        |name: &str, approval: &Approval, signatures: &[Detached], keys: &EpochKeys, network: NetworkId, why: &str| {
            let more = json!({
                "network": hex(network.0), "keys": hex(encode(keys)), "signatures": hex(encode(&signatures.to_vec())),
            });
            bad.add(&format!("approval: {name}"), "approval", approval.bytes(), why, more);
        };
    let keys = &h.inception.first;
    let moved: Vec<(&str, Approval)> = vec![
        ("of another epoch", Approval { epoch: 1, ..approval.clone() }),
        ("of another number", Approval { n: 2, ..approval.clone() }),
        ("of another act", Approval { act: Act::Withdraw, ..approval.clone() }),
        ("of another agency", Approval { pid: w.polder.pid(), ..approval.clone() }),
        ("of another target", Approval::of_stance(h.pid(), 0, 1, Act::Object, Target::Participant(Pid([6; 32])))),
        ("of a motion", Approval::of_stance(h.pid(), 0, 1, Act::Object, Target::Motion(EntryId(w.hangang.pid().0)))),
        ("of another body", Approval { body_hash: Some(body_hash(b"x")), ..approval.clone() }),
    ];
    for (name, other) in moved {
        add(name, &other, &good, keys, w.network, "this was not signed");
    }
    add("of another network", &approval, &good, keys, NetworkId([1; 32]), "the network is signed");
    add("none", &approval, &[], keys, w.network, "one is needed");
    add("by one officer twice", &approval, &[good[0], good[0]], keys, w.network, "an officer counts once");
    let by_node = approved(w, &approval, &[&h.feed]);
    add("by the node", &approval, &by_node, keys, w.network, "the feed key is no officer's");
    let strict = EpochKeys { policy: vec![PolicyRule { act: Act::Object, m: 2 }], ..keys.clone() };
    add("by one of two", &approval, &good, &strict, w.network, "the policy asks for two");
    let newer =
        EpochKeys { officers: vec![Officer { key: TestAgency::key(9).public(), not_after: 1 }], ..keys.clone() };
    add("by an officer of another epoch", &approval, &good, &newer, w.network, "judged by that epoch's officers");

    let applicant = Target::Participant(w.hangang.pid());
    let stances = |items: Vec<Stance>| encode(&Stances { items });
    let node = |what| Stance::by_node(what, applicant);
    bad.plain("stances: none", "stances", stances(vec![]), "one to sixty-four");
    bad.plain("stances: sixty-five", "stances", stances(vec![node(What::Noted); 65]), "one to sixty-four");
    bad.plain("stances: an objection by the node", "stances", stances(vec![node(What::Object)]), "officers object");
    let numbered = Stance { n: Some(1), ..node(What::Clear) };
    bad.plain("stances: a clear with a number", "stances", stances(vec![numbered]), "the node counts nothing");
    let approved = Stance { approvals: Some(good), ..node(What::Clear) };
    bad.plain("stances: a clear with approvals", "stances", stances(vec![approved]), "the node clears alone");
    // [[[0, [2, pid], null, null]]]
    let mut odd = stances(vec![node(What::Noted)]);
    assert_eq!(odd[3..6], [0x00, 0x82, 0x00]);
    odd[5] = 2;
    bad.plain("stances: a target of no kind", "stances", odd, "participants are 0, motions 1");

    let [a, b] = good::fork(w);
    let mut proof = |name: &str, a: &Sign1, b: &Sign1, reason: &str| {
        let bytes = encode(&ForkProof { a: a.clone(), b: b.clone() });
        let more = json!({ "network": hex(w.network.0), "keys": hex(encode(keys)) });
        bad.add(&format!("fork proof: {name}"), "fork-proof", bytes, reason, more);
    };
    proof("one entry twice", &a, &a, "the ids must differ");
    proof("the higher id first", &b, &a, "one proof, one encoding");
    let next = h.entry(&w.network, Some((0, EntryId([1; 32]))), EntryType::Contact, &contact());
    proof("entries of two places", &a, &next.signatures()[0], "one place");
    let theirs = w.polder.entry(&w.network, None, EntryType::Contact, &contact());
    proof("entries of two authors", &a, &theirs.signatures()[0], "one author");
    let mut forged = b.clone();
    forged.by.signature[40] ^= 1;
    proof("one is forged", &a, &forged, "both signatures must hold");
}

fn applications(bad: &mut Bad<'_>) {
    let w = bad.w;
    let good = w.hangang.application(&w.network);
    let mut add = |name: &str, application: &Application, network: NetworkId, reason: &str| {
        let more = json!({ "network": hex(network.0) });
        bad.add(&format!("application: {name}"), "application", encode(application), reason, more);
    };
    add("to another network", &good, NetworkId([1; 32]), "the network is signed");
    add("without a log 0", &Application { id_log: vec![], ..good.clone() }, w.network, "who applies?");
    let other = w.company().application(&w.network);
    add(
        "with another's endorsement",
        &Application { endorsement: other.endorsement, ..good.clone() },
        w.network,
        "its own",
    );
    add("without an endorsement", &Application { endorsement: vec![], ..good.clone() }, w.network, "its roots sign");
    let twice = vec![good.endorsement[0].clone(); 2];
    add(
        "endorsed by one key twice",
        &Application { endorsement: twice, ..good.clone() },
        w.network,
        "a key counts once",
    );
    let long = Application { statement: "x".repeat(32 * 1024 + 1), ..good.clone() };
    add("with a statement over 32 KiB", &long, w.network, "at most 32 KiB");
    let first = &good.id_log[0];
    let orphan = w.hangang.signed(
        &w.network,
        &w.hangang.root,
        0,
        Some((0, EntryId([1; 32]))),
        EntryType::Leave,
        encode(&Leave { heads: vec![], note: None }),
    );
    let broken = Application { id_log: vec![first.clone(), orphan], ..good.clone() };
    add("with an entry that does not continue its log 0", &broken, w.network, "every entry is valid where it stands");
    let claim = Endorsement {
        pid: w.hangang.pid(),
        network_id: w.network,
        plan_text_hash: w.hangang.inception.plan_text_hash,
        class: Class::Observer,
        category: Category::ProspectiveAgency,
    };
    let claim = Sign1::sign(&w.hangang.root, &w.network, Context::Apply, encode(&claim));
    add("as another class", &Application { endorsement: vec![claim], ..good }, w.network, "as in the inception");
}

// -- referrals ------------------------------------------------------------------------------------------------------

fn referrals(bad: &mut Bad<'_>) {
    let w = bad.w;
    let submit = stmt(w, Kind::Submit);
    let (_, keys) = signed(w, &submit);
    let mut add = |name: &str, signed: &SignedStmt, keys: &EpochKeys, network: NetworkId, reason: &str| {
        let more = json!({ "network": hex(network.0), "keys": hex(encode(keys)) });
        bad.add(&format!("statement: {name}"), "signed-stmt", encode(signed), reason, more);
    };
    let sign = |s: &Stmt| SignedStmt::sign(s, &w.harbor.feed, None);
    add("of another network", &sign(&submit), &keys, NetworkId([1; 32]), "the network is signed, and stands inside");
    add("by another sender", &sign(&submit), &w.polder.inception.first, w.network, "not its feed key");
    let version = Stmt { version: 2, ..submit.clone() };
    add("of another version", &sign(&version), &keys, w.network, "this is version 1");
    let linked = Stmt { prev_own: Some(lapwing_record::id::MsgId([1; 32])), ..submit.clone() };
    add("a first message with a predecessor", &sign(&linked), &keys, w.network, "the first has none");
    let loose = Stmt { msg_no: 1, ..submit.clone() };
    add("a second message without a predecessor", &sign(&loose), &keys, w.network, "only the first has none");
    let mut hidden = submit.clone();
    hidden.blobs[0].name = "a\u{202e}gpj.exe".into();
    add("a name that changes direction", &sign(&hidden), &keys, w.network, "U+202E hides");
    let many = Stmt { blobs: vec![submit.blobs[0].clone(); 257], ..submit.clone() };
    add("257 items of evidence", &sign(&many), &keys, w.network, "at most 256");
    let mut changed = sign(&submit);
    changed.sign1.payload = Bytes(encode(&Stmt { expires: 1, ..submit.clone() }));
    add("changed after signing", &changed, &keys, w.network, "its end differs");
    let approval = Approval {
        pid: w.harbor.pid(),
        epoch: 0,
        n: 0,
        act: Act::Decide,
        target: Bytes(submit.thread.0.to_vec()),
        body_hash: Some(body_hash(&submit.body)),
    };
    let needless = SignedStmt { approvals: Some(approved(w, &approval, &[&w.harbor.officers[0]])), ..sign(&submit) };
    add("a submit with approvals", &needless, &keys, w.network, "this kind carries none");
    for kind in [Kind::Acknowledge, Kind::Decide] {
        let said = stmt(w, kind);
        let (good, keys) = signed(w, &said);
        let bare = SignedStmt { approvals: None, ..good.clone() };
        add(&format!("{kind} without an officer"), &bare, &keys, w.network, "a person says it");
        let other = Stmt { body: Bytes(body(Kind::Withdraw)), ..said.clone() };
        let moved = SignedStmt::sign(&other, &w.polder.feed, good.approvals.clone());
        add(&format!("{kind} with the approval of another body"), &moved, &keys, w.network, "the body is approved");
        let later = Stmt { msg_no: 9, prev_own: Some(lapwing_record::id::MsgId([1; 32])), ..said };
        let replayed = SignedStmt::sign(&later, &w.polder.feed, good.approvals);
        add(
            &format!("{kind} with the approval of another message"),
            &replayed,
            &keys,
            w.network,
            "the number is approved",
        );
    }
    let item = ItemDecision { item: 0, decision: Decision::Accept, ground: None, until: None, note: None };
    let rows: Vec<(&str, Vec<ItemDecision>, &str)> = vec![
        ("nothing", vec![], "one or more items"),
        ("an item twice", vec![item.clone(), item.clone()], "each once, ascending"),
        ("a refusal without a ground", vec![ItemDecision { decision: Decision::Refuse, ..item.clone() }], "it is owed"),
        (
            "a ground without a refusal",
            vec![ItemDecision { ground: Some(Ground::DuplicateOf), ..item.clone() }],
            "of what?",
        ),
        ("a deferral without a date", vec![ItemDecision { decision: Decision::Defer, ..item.clone() }], "until when?"),
        ("a part that is not named", vec![ItemDecision { decision: Decision::AcceptInPart, ..item }], "which part?"),
    ];
    for (name, items, reason) in rows {
        bad.plain(&format!("decide: {name}"), "decide", encode(&Decide { items }), reason);
    }
    let receipt = Receipt {
        msg_id: submit.id(),
        hash: body_hash(b"signed"),
        received: 5,
        status: ReceiptStatus::Stored,
        by: w.polder.pid(),
        epoch: 0,
    };
    let polder = &w.polder.inception.first;
    let mut add = |name: &str, sign1: &Sign1, keys: &EpochKeys, reason: &str| {
        let more = json!({ "network": hex(w.network.0), "keys": hex(encode(keys)) });
        bad.add(&format!("receipt: {name}"), "receipt", encode(sign1), reason, more);
    };
    let good = receipt.sign(&w.polder.feed, &w.network);
    add("by another node", &good, &keys, "not its feed key");
    add("for another network", &receipt.sign(&w.polder.feed, &NetworkId([1; 32])), polder, "the network is signed");
    let as_ack = Sign1::sign(&w.polder.feed, &w.network, Context::Ack, encode(&receipt));
    add("signed for another use", &as_ack, polder, "an ack is no receipt");
    let mut later = good.clone();
    later.payload = Bytes(encode(&Receipt { received: 6, ..receipt }));
    add("of another time", &later, polder, "the time is signed");
}

fn sealing(bad: &mut Bad<'_>) {
    let w = bad.w;
    for suite in Suite::ALL {
        let public = public_key(*suite, &[9; 32]);
        let good = seal(*suite, w.polder.pid(), &public, b"secret", &mut TestRng::new(1)).unwrap();
        let mut add = |name: &str, sealed: &Sealed, seed: u8, reason: &str| {
            let more = json!({ "seed": hex([seed; 32]) });
            bad.add(&format!("sealed, {suite}: {name}"), "sealed", encode(sealed), reason, more);
        };
        add("to another key", &good, 8, "it does not open");
        add("redirected", &Sealed { to: w.harbor.pid(), ..good.clone() }, 9, "the recipient is bound");
        add("with another key's name", &Sealed { kid: Kid([1; 32]), ..good.clone() }, 9, "the name is bound");
        let mut bent = good.clone();
        bent.ct.0[100] ^= 1;
        add("a byte of the ciphertext bent", &bent, 9, "authenticated");
        let mut bent = good.clone();
        bent.enc.0[3] ^= 1;
        add("a byte of the encapsulated key bent", &bent, 9, "another secret");
        let mut short = good.clone();
        short.enc.0.pop();
        add("an encapsulated key that is too short", &short, 9, "not of its suite's length");
        let mut cut = good.clone();
        cut.ct.0.pop();
        add("cut", &cut, 9, "authenticated");
        let other = if *suite == Suite::XWing { Suite::X25519 } else { Suite::XWing };
        add("as the other suite", &Sealed { suite: other, ..good.clone() }, 9, "another length of key");
    }
    let public = public_key(Suite::X25519, &[9; 32]);
    let good = seal(Suite::X25519, w.polder.pid(), &public, b"secret", &mut TestRng::new(1)).unwrap();
    let later = Sealed { version: 2, ..good };
    let seed = json!({ "seed": hex([9; 32]) });
    bad.add("sealed: of another version", "sealed", encode(&later), "this is version 1, and it is bound", seed.clone());
    // sealed properly, but padded otherwise
    let padded = |plain: Vec<u8>| sealed_raw(w, &public, &plain);
    let mut rest = vec![0; 1024];
    rest[..5].copy_from_slice(&[0, 0, 0, 1, 7]);
    let mut dirty = rest.clone();
    dirty[1023] = 1;
    bad.add("sealed: padding that is not zero", "sealed", padded(dirty), "zeros only", seed.clone());
    let mut beyond = rest.clone();
    beyond[2] = 4;
    bad.add("sealed: a length beyond the padding", "sealed", padded(beyond), "not that long", seed.clone());
    rest.pop();
    bad.add("sealed: a length of no class", "sealed", padded(rest), "1, 4, 16, 64 or 256 KiB", seed.clone());
    bad.add("sealed: nothing inside", "sealed", padded(vec![]), "a length stands first", seed);

    let key = blob::blob_key(&[1; 32], &[2; 32], &[3; 32]);
    let mut segment = b"evidence".to_vec();
    blob::Segments::new(&key).seal(1, false, &mut segment);
    let mut add = |name: &str, key: &[u8; 32], index: u64, last: bool, bytes: &[u8], reason: &str| {
        let more = json!({ "key": hex(key), "index": index, "last": last });
        bad.add(&format!("segment: {name}"), "segment", bytes, reason, more);
    };
    add("at another place", &key, 0, false, &segment, "its number is bound");
    add("taken for the last", &key, 1, true, &segment, "truncation shows");
    add("under another key", &[7; 32], 1, false, &segment, "authenticated");
    add("cut", &key, 1, false, &segment[..segment.len() - 1], "authenticated");
    add("shorter than its tag", &key, 1, false, &segment[..8], "no room for the tag");

    let mut lock = |name: &str, key: [u8; 32], place: &[u8], bytes: &[u8], reason: &str| {
        let more = json!({ "key": hex(key), "place": hex(place) });
        bad.add(&format!("locked: {name}"), "locked", bytes, reason, more);
    };
    let good = locked::lock(&[1; 32], [2; 24], b"here", b"secret");
    lock("under another key", [2; 32], b"here", &good, "authenticated");
    lock("at another place", [1; 32], b"there", &good, "the place is bound");
    let mut bent = good.clone();
    bent[0] ^= 1;
    lock("its nonce bent", [1; 32], b"here", &bent, "another key stream");
    lock("shorter than a nonce", [1; 32], b"here", &good[..20], "24 bytes stand first");
}

/// Seals bytes that are not padded as they should be: an HPKE sender of the same suite.
fn sealed_raw(w: &World, public: &[u8], plain: &[u8]) -> Vec<u8> {
    use hpke::{
        Deserializable, Kem, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256,
    };
    let kid = kem_kid(public);
    let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).unwrap();
    let aad = encode(&(1u64, Suite::X25519, w.polder.pid(), kid));
    let (enc, ct) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &key,
        b"lapwing/1 seal",
        plain,
        &aad,
        &mut TestRng::new(2),
    )
    .unwrap();
    let enc = Bytes(enc.to_bytes().to_vec());
    encode(&Sealed { version: 1, suite: Suite::X25519, to: w.polder.pid(), kid, enc, ct: Bytes(ct) })
}

// -- records of the directory, forms --------------------------------------------------------------------------------

fn records(bad: &mut Bad<'_>) {
    let hours = |days: Vec<u64>, from_min, to_min| vec![Hours { days, from_min, to_min }];
    let contacts: Vec<(&str, Contact, &str)> = vec![
        ("a slot that is no name", Contact { slot: "Intake!".into(), ..contact() }, "a-z, 0-9 and -"),
        ("a language in words", Contact { languages: vec!["english language".into()], ..contact() }, "BCP 47"),
        ("a weekday that is none", Contact { hours: hours(vec![0], 0, 1), ..contact() }, "1 to 7"),
        ("weekdays that descend", Contact { hours: hours(vec![2, 1], 0, 1), ..contact() }, "ascending"),
        ("hours that end as they begin", Contact { hours: hours(vec![1], 9, 9), ..contact() }, "from before to"),
        ("hours beyond the day", Contact { hours: hours(vec![1], 9, 1441), ..contact() }, "1,440 minutes"),
        ("no time zone", Contact { time_zone: String::new(), ..contact() }, "hours need one"),
        ("no way to reach it", Contact { ways: vec![], ..contact() }, "what is it for, then?"),
        ("a name that changes direction", Contact { name: "a\u{202e}b".into(), ..contact() }, "U+202E hides"),
        (
            "nine ways",
            Contact { ways: vec![Way { kind: "email".into(), value: "a@b.example".into() }; 9], ..contact() },
            "at most eight",
        ),
    ];
    for (name, contact, reason) in contacts {
        bad.plain(&format!("contact: {name}"), "contact", encode(&contact), reason);
    }
    let nameless = Profile { display_name: String::new(), ..profile() };
    bad.plain("profile: without a name", "profile", encode(&nameless), "at least one character");
    let binding = |peer: Vec<u8>, addrs| NodeBinding { peer: Bytes(peer), addrs, not_after: 1, revoked: false };
    bad.plain("binding: no peer id", "node-binding", encode(&binding(vec![], vec![])), "1 to 64 bytes");
    let nine = binding(vec![1; 38], vec!["/ip4/192.0.2.1/tcp/1".into(); 9]);
    bad.plain("binding: nine addresses", "node-binding", encode(&nine), "at most eight");
    let kem = KemKey { kid: Kid([1; 32]), suite: 2, key: Bytes(vec![5; 32]), not_before: 1, not_after: 2 };
    bad.plain("encryption key: under another's name", "kem-key", encode(&kem), "the kid is the key's hash");
    let mut torn = encode(&hello(bad.w));
    torn.truncate(100);
    bad.plain("hello: cut", "hello", torn, "cut short");
}

fn forms(bad: &mut Bad<'_>) {
    let pair = |no: u64, value: Value| Value::Array(vec![Value::Integer(no.into()), value]);
    let (text, number) = (|t: &str| Value::Text(t.into()), |n: u64| Value::Integer(n.into()));
    let rows: Vec<(&str, Vec<Value>, &str)> = vec![
        ("fields out of order", vec![pair(3, text("a")), pair(2, number(0))], "strictly ascending"),
        ("a field twice", vec![pair(3, text("a")), pair(3, text("b"))], "strictly ascending"),
        ("a field of another type", vec![pair(3, number(1))], "a subject line is text"),
        ("a code that is none", vec![pair(2, number(99))], "no kind of referral"),
        ("an unknown field with a map", vec![pair(999, Value::Map(vec![]))], "no maps"),
        ("an unknown field with a float", vec![pair(999, Value::Float(1.5))], "no floats"),
        ("an unknown field with a tag", vec![pair(999, Value::Tag(1, Box::new(number(1))))], "no tags"),
        ("a field without a value", vec![Value::Array(vec![number(3)])], "two items"),
        ("a field that is null", vec![pair(3, Value::Null)], "what is absent is left out"),
    ];
    for (name, fields, reason) in rows {
        bad.plain(&format!("form: {name}"), "form", raw(fields), reason);
    }
    let harm = |band, basis| Some(vec![HarmFactor { factor: Factor::Vulnerability, band, basis }]);
    let incomplete: Vec<(&str, Form, &str)> = vec![
        ("empty", Form::default(), "everything is missing"),
        ("without a narrative", Form { narrative: None, ..sample() }, "required"),
        ("a subject line of 161 characters", Form { subject_line: Some("x".repeat(161)), ..sample() }, "at most 160"),
        ("a day that is none", Form { retention_until: Some("2027-02-30".into()), ..sample() }, "February has 28"),
        ("a month with a sign", Form { retention_until: Some("2028-+1-31".into()), ..sample() }, "digits only"),
        ("a time of no digits", Form { created_at: Some("2026-11-01T!!!!!!!!Z".into()), ..sample() }, "RFC 3339"),
        ("a band above its top", Form { harm: harm(Some(4), Basis::CountedComplaints), ..sample() }, "0 to 3"),
        ("a band on no basis", Form { harm: harm(Some(1), Basis::Unknown), ..sample() }, "unknown is unknown"),
        ("without assistance", Form { assistance: Some(vec![]), ..sample() }, "at least one item"),
        ("of another version", Form { pro_forma_version: Some(2), ..sample() }, "this is version 1"),
    ];
    for (name, form, reason) in incomplete {
        bad.plain(&format!("pro forma: {name}"), "form-complete", encode(&form), reason);
    }
}
