//! The test vectors in `tests/vectors`: made here from fixed keys, compared with the committed files, and read there by
//! another implementation (`tests/vectors/read.py`). `UPDATE_VECTORS=1 cargo test -p lapwing-record --test vectors`
//! writes them anew: a difference is a change of the protocol.
#![allow(clippy::unwrap_used)]

#[path = "vectors/bad.rs"]
mod bad;
#[path = "vectors/bad_signatures.rs"]
mod bad_signatures;
#[path = "vectors/bad_words.rs"]
mod bad_words;
#[path = "vectors/good.rs"]
mod good;
#[path = "vectors/good_cases.rs"]
mod good_cases;

use lapwing_record::cbor::{Cbor, decode, encode};
use lapwing_record::charter::{Charter, CharterFile};
use lapwing_record::directory::{Contact, KemKey, NodeBinding, Profile};
use lapwing_record::entry::{Draft, Entry, EntryType, Header, MAX_HEADER};
use lapwing_record::form::Form;
use lapwing_record::id::{EntryId, NetworkId, Pid};
use lapwing_record::identity::{Category, EpochKeys, Inception, KeyGrant};
use lapwing_record::idlog::{IdLog, check_application};
use lapwing_record::legal::LegalProfile;
use lapwing_record::membership::{Application, Approval, Stances};
use lapwing_record::register::{Arrangement, Outcome};
use lapwing_record::seal::{Sealed, open};
use lapwing_record::sign::{Context, Detached, PublicKey, SecretKey, Sign1};
use lapwing_record::statement::{Body, Kind, Receipt, SignedStmt};
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_record::wire::{self, BlobAnswer, Hello, ReachAnswer, ReachRequest, SyncRequest};
use lapwing_record::{blob, form, locked};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Vectors whose answer here is not yet the one that `docs/protocol.md` asks for. Whoever mends one takes it out: the
/// tests fail until then.
const NOT_YET: &[&str] = &[];

/// The federation that all vectors are of.
pub struct World {
    pub harbor: TestAgency,
    pub polder: TestAgency,
    pub hangang: TestAgency,
    pub charter: Charter,
    pub network: NetworkId,
}

impl World {
    fn new() -> World {
        let named = TestAgency::named;
        let (harbor, polder, hangang) = (named("harbor"), named("polder"), named("hangang"));
        let charter = charter_of(&[&harbor, &polder]);
        let network = charter.network_id();
        World { harbor, polder, hangang, charter, network }
    }

    /// A company that is no agency.
    pub fn company(&self) -> TestAgency {
        TestAgency::of_class("parcels", Category::Courier)
    }
}

pub fn hex(bytes: impl AsRef<[u8]>) -> Json {
    json!(data_encoding::HEXLOWER.encode(bytes.as_ref()))
}

fn unhex(value: &Json) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Json) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

/// Signs a header with several keys, in ascending order of their kids.
pub fn signed_by(header: &Header, keys: &[&SecretKey], network: &NetworkId) -> Vec<Sign1> {
    let mut all: Vec<Sign1> = keys.iter().map(|k| header.sign(k, network)).collect();
    all.sort_by_key(|s| s.by.kid);
    all
}

/// An entry with everything said.
pub fn entry_at(
    world: &World,
    pid: Pid,
    keys: &[&SecretKey],
    at: (u64, Option<(u64, EntryId)>, u64),
    kind: EntryType,
    body: Vec<u8>,
) -> Entry {
    let (epoch, after, clock) = at;
    let header = Draft { pid, epoch, after, clock, kind, refs: Vec::new() }.header(&body);
    Entry::new(signed_by(&header, keys, &world.network), Some(body)).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

fn compare(name: &str, made: &str) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{name} is not what this code makes; if that is meant, run with UPDATE_VECTORS=1");
}

fn text(vectors: &Json) -> String {
    serde_json::to_string_pretty(vectors).unwrap() + "\n"
}

fn vectors(file: &Json) -> impl Iterator<Item = (&str, &Json)> {
    file["vectors"].as_array().unwrap().iter().map(|v| (v["name"].as_str().unwrap(), v))
}

#[test]
fn the_committed_vectors_are_what_this_code_makes() {
    let world = World::new();
    for (name, file) in good::files(&world) {
        compare(name, &text(&file));
    }
    compare("refused.json", &text(&bad::file(&world)));
    let words: Vec<&str> = bip39::Language::English.word_list().to_vec();
    compare("bip39-english.txt", &(words.join("\n") + "\n"));
}

#[test]
fn every_bad_vector_is_refused() {
    let file = bad::file(&World::new());
    for (name, vector) in vectors(&file) {
        let refused = read(vector).is_err();
        let expected = !NOT_YET.contains(&name);
        assert_eq!(refused, expected, "{name}: {:?} (see NOT_YET)", read(vector));
    }
}

#[test]
fn every_log_0_gives_the_identity_that_its_vector_names_in_any_order() {
    let (_, file) = good::idlogs(&World::new());
    for (name, vector) in vectors(&file) {
        let network = NetworkId(array(&vector["network"]));
        let pid = vector["pid"].as_str().unwrap().parse().unwrap();
        let entries = vector["entries"].as_array().unwrap().iter().map(|e| Entry::decode(&unhex(e)).unwrap());
        let mut entries: Vec<Entry> = entries.collect();
        for _ in 0..entries.len() {
            entries.rotate_left(1);
            let log = IdLog::fold(pid, &entries, &network).unwrap();
            let same = good::identity(&log) == vector["expect"];
            assert_eq!(same, !NOT_YET.contains(&name), "{name}: {} (see NOT_YET)", good::identity(&log));
        }
    }
}

#[test]
fn the_published_vector_of_suite_2_opens() {
    use hpke::{Deserializable, Kem, OpModeR, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256};
    let published = std::fs::read_to_string(folder().join("published.json")).unwrap();
    let published: Json = serde_json::from_str(&published).unwrap();
    let v = &published["rfc9180_a2"];
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&unhex(&v["skRm"])).unwrap();
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&unhex(&v["enc"])).unwrap();
    let (info, ct, aad) = (unhex(&v["info"]), unhex(&v["ct"]), unhex(&v["aad"]));
    let mode = OpModeR::Base;
    type Suite2 = X25519HkdfSha256;
    let plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite2>(&mode, &secret, &enc, &info, &ct, &aad);
    assert_eq!(plain.unwrap(), unhex(&v["pt"]));
}

/// Reads a vector as its `how` says, with everything that this crate checks.
fn read(v: &Json) -> Result<(), String> {
    fn text(e: impl std::fmt::Display) -> String {
        e.to_string()
    }
    fn as_type<T: Cbor>(bytes: &[u8], limit: usize) -> Result<(), String> {
        decode::<T>(bytes, limit).map(drop).map_err(text)
    }
    fn body(kind: Kind, bytes: &[u8]) -> Result<(), String> {
        Body::decode(kind, bytes).map_err(text)?.check().map_err(text)
    }
    let network = || NetworkId(array(&v["network"]));
    let keys = || decode::<EpochKeys>(&unhex(&v["keys"]), 1 << 16).unwrap();
    let bytes = unhex(&v["bytes"]);
    match v["how"].as_str().unwrap() {
        "sync-request" => as_type::<SyncRequest>(&bytes, wire::MAX_SYNC_REQUEST),
        "blob-answer" => as_type::<BlobAnswer>(&bytes, wire::MAX_BLOB_ANSWER),
        "hello" => as_type::<Hello>(&bytes, wire::MAX_HELLO),
        "reach-request" => as_type::<ReachRequest>(&bytes, wire::MAX_REACH),
        "reach-answer" => as_type::<ReachAnswer>(&bytes, wire::MAX_REACH),
        "header" => as_type::<Header>(&bytes, MAX_HEADER),
        "sign1-form" => as_type::<Sign1>(&bytes, 4096),
        "public-key" => PublicKey::new(bytes.try_into().unwrap()).map(drop).map_err(text),
        "id" => v["text"].as_str().unwrap().parse::<Pid>().map(drop).map_err(text),
        "form" => Form::decode(&bytes).map(drop).map_err(text),
        "form-complete" => {
            let form = Form::decode(&bytes).map_err(text)?;
            form::check::check(&form).first().map_or(Ok(()), |fault| Err(fault.to_string()))
        }
        "inception" => Inception::decode(&bytes).map(drop).map_err(text),
        "key-grant" => decode::<KeyGrant>(&bytes, 1 << 14).map_err(text)?.check().map_err(text),
        "stances" => Stances::decode(&bytes).map(drop).map_err(text),
        "contact" => Contact::decode(&bytes).map(drop).map_err(text),
        "profile" => Profile::decode(&bytes).map(drop).map_err(text),
        "legal-profile" => LegalProfile::decode(&bytes).map(drop).map_err(text),
        "arrangement" => Arrangement::decode(&bytes).map(drop).map_err(text),
        "outcome-record" => Outcome::decode(&bytes).map(drop).map_err(text),
        "node-binding" => NodeBinding::decode(&bytes).map(drop).map_err(text),
        "decide" => body(Kind::Decide, &bytes),
        "recall-answer" => body(Kind::RecallAnswer, &bytes),
        "recall" => body(Kind::Recall, &bytes),
        "consent" => body(Kind::Consent, &bytes),
        "outcomes" => body(Kind::ResultFinal, &bytes),
        "dispute" => body(Kind::Dispute, &bytes),
        "supplement" => body(Kind::Supplement, &bytes),
        "kem-key" => {
            let kem = decode::<KemKey>(&bytes, 1 << 14).map_err(text)?;
            let fits = kem.kid == lapwing_record::seal::kem_kid(&kem.key);
            if fits { Ok(()) } else { Err("the key is not the one that its id names".into()) }
        }
        "sign1" => {
            let key = PublicKey::new(array(&v["public"])).map_err(text)?;
            let sign1 = decode::<Sign1>(&bytes, 4096).map_err(text)?;
            let context = good::CONTEXTS.iter().find(|c| c.word() == v["context"]).unwrap();
            sign1.open(&key, &network(), *context).map(drop).map_err(text)
        }
        "entry" => {
            let keys = v["signers"].as_array().unwrap().iter().map(|k| PublicKey::new(array(k)).unwrap());
            let threshold = v["threshold"].as_u64().unwrap() as usize;
            let entry = Entry::decode(&bytes).map_err(text)?;
            entry.open(&keys.collect::<Vec<_>>(), threshold, &network()).map(drop).map_err(text)
        }
        "charter-file" => CharterFile::open(&bytes).map(drop).map_err(text),
        "approval" => {
            let approval = decode::<Approval>(&bytes, 4096).map_err(text)?;
            let signatures = decode::<Vec<Detached>>(&unhex(&v["signatures"]), 1 << 14).map_err(text)?;
            approval.check(&signatures, &keys(), &network()).map_err(text)
        }
        "application" => {
            let application = Application::decode(&bytes).map_err(text)?;
            check_application(&application, &network()).map(drop).map_err(text)
        }
        "signed-stmt" => SignedStmt::decode(&bytes).map_err(text)?.open(&keys(), &network()).map(drop).map_err(text),
        "receipt" => {
            let sign1 = decode::<Sign1>(&bytes, 4096).map_err(text)?;
            Receipt::open(&sign1, &keys(), &network()).map(drop).map_err(text)
        }
        "sealed" => {
            let sealed = Sealed::decode(&bytes).map_err(text)?;
            open(&sealed, &array(&v["seed"])).map(drop).map_err(text)
        }
        "segment" => {
            let segments = blob::Segments::new(&zeroize::Zeroizing::new(array(&v["key"])));
            let (index, last) = (v["index"].as_u64().unwrap() as u32, v["last"].as_bool().unwrap());
            segments.open(index, last, &mut bytes.clone()).map_err(text)
        }
        "locked" => locked::unlock(&array(&v["key"]), &unhex(&v["place"]), &bytes).map(drop).map_err(text),
        "fork-proof" => {
            let proof = decode::<lapwing_record::membership::ForkProof>(&bytes, 4096).map_err(text)?;
            let [a, b] = [proof.a, proof.b].map(|s| Entry::new(vec![s], None));
            let (a, b) = (a.map_err(text)?, b.map_err(text)?);
            let place = |e: &Entry| (e.header().pid, e.header().log, e.header().epoch, e.header().seq);
            if place(&a) != place(&b) || a.id() >= b.id() {
                return Err("no proof: not two different entries of one author at one place".into());
            }
            [a, b].into_iter().try_for_each(|e| e.open(&[keys().feed], 1, &network()).map(drop)).map_err(text)
        }
        other => panic!("no way to read {other}"),
    }
}

/// A detached signature's bytes, for a vector.
pub fn detached(key: &SecretKey, network: &NetworkId, context: Context, payload: &[u8]) -> Json {
    hex(encode(&Detached::sign(key, network, context, payload)))
}
