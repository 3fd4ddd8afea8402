//! Vectors that every reader must refuse, each made from a good one by one change, with the reason.

use crate::good::{charter_file, contact, grant};
use crate::{World, bad_signatures, bad_words, hex, signed_by};
use lapwing_record::cbor::{Bytes, Value, encode};
use lapwing_record::charter::{Charter, CharterFile, Params};
use lapwing_record::entry::{Entry, EntryType, Header, LogKind, body_hash};
use lapwing_record::form::Form;
use lapwing_record::id::{EntryId, NetworkId};
use lapwing_record::identity::*;
use lapwing_record::sign::{Detached, SecretKey, Sign1};
use lapwing_record::testkit::TestAgency;
use lapwing_record::wire::{AskHeads, Plane, SyncRequest};
use serde_json::{Value as Json, json};

/// A collector of vectors with what they share.
pub struct Bad<'a> {
    pub w: &'a World,
    rows: Vec<Json>,
}

impl Bad<'_> {
    /// A vector: how to read it, why it is refused, its bytes, and what else the reader needs.
    pub fn add(&mut self, name: &str, how: &str, bytes: impl AsRef<[u8]>, reason: &str, more: Json) {
        let mut row = json!({ "name": name, "how": how, "reason": reason, "bytes": hex(bytes) });
        row.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.rows.push(row);
    }

    pub fn plain(&mut self, name: &str, how: &str, bytes: impl AsRef<[u8]>, reason: &str) {
        self.add(name, how, bytes, reason, Json::Null);
    }

    fn entry(&mut self, name: &str, bytes: impl AsRef<[u8]>, reason: &str) {
        let more = json!({
            "network": hex(self.w.network.0), "signers": [hex(self.w.harbor.feed.public().bytes())], "threshold": 1,
        });
        self.add(name, "entry", bytes, reason, more);
    }
}

/// A value that no type of ours would make.
struct Raw(Value);

impl lapwing_record::cbor::Cbor for Raw {
    fn to_value(&self) -> Value {
        self.0.clone()
    }
    fn from_value(value: Value) -> Result<Self, lapwing_record::cbor::Fault> {
        Ok(Raw(value))
    }
}

pub fn raw(items: Vec<Value>) -> Vec<u8> {
    encode(&Raw(Value::Array(items)))
}

/// The file.
pub fn file(w: &World) -> Json {
    let mut bad = Bad { w, rows: Vec::new() };
    encodings(&mut bad);
    bad_signatures::envelopes(&mut bad);
    bad_signatures::keys(&mut bad);
    bad_signatures::strict_signatures(&mut bad);
    entries(&mut bad);
    identities(&mut bad);
    charters(&mut bad);
    bad_words::words_of_officers(&mut bad);
    bad_words::applications(&mut bad);
    bad_words::referrals(&mut bad);
    bad_words::sealing(&mut bad);
    bad_words::records(&mut bad);
    bad_words::forms(&mut bad);
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
    bad.plain("reach: an outcome that is none", "reach-answer", [0x82, 0, 0x81, 0x82, 0x60, 7], "outcomes are 0 to 6");
    bad.plain("reach: a request with an address", "reach-request", [0x82, 0, 0x61, 0x61], "it names no address");
    bad.plain("reach: a kind that is none", "reach-request", [0x82, 1, 0xf5], "requests are numbered 0");
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
