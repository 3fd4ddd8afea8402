//! What officers, applicants, parties to a case and records must not say.

use crate::bad::{Bad, raw};
use crate::good::{self, approved, contact, profile};
use crate::good_cases::{body, hello, signed, stmt};
use crate::{World, hex};
use lapwing_record::blob;
use lapwing_record::cbor::{Bytes, Value, encode};
use lapwing_record::directory::{Contact, Hours, KemKey, NodeBinding, Profile, Way};
use lapwing_record::entry::{EntryType, body_hash};
use lapwing_record::form::{Basis, Factor, Form, HarmFactor, ReferralKind, sample, sample_batch, whole};
use lapwing_record::id::{EntryId, Kid, NetworkId, Pid};
use lapwing_record::identity::*;
use lapwing_record::locked;
use lapwing_record::membership::*;
use lapwing_record::seal::{Sealed, Suite, kem_kid, public_key, seal};
use lapwing_record::sign::{Context, Detached, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::{TestAgency, TestRng};
use serde_json::json;

// -- membership -----------------------------------------------------------------------------------------------------

pub fn words_of_officers(bad: &mut Bad<'_>) {
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

pub fn applications(bad: &mut Bad<'_>) {
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

pub fn referrals(bad: &mut Bad<'_>) {
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
    let item = ItemDecision::new(0, Decision::Accept);
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
        ("a duplicate of nothing", vec![ItemDecision::refuse(0, Ground::DuplicateOf)], "of which referral?"),
        ("no resources for ever", vec![ItemDecision::refuse(0, Ground::ResourcesUnavailable)], "until when?"),
        (
            "an agency suggested on another ground",
            vec![ItemDecision { suggested: Some(w.polder.pid()), ..ItemDecision::refuse(0, Ground::Sovereignty) }],
            "it belongs to outside_competence",
        ),
    ];
    for (name, items, reason) in rows {
        bad.plain(&format!("decide: {name}"), "decide", encode(&Decide { items }), reason);
    }
    let id = lapwing_record::id::MsgId([6; 32]);
    let answer = |attested, law: Option<&str>| {
        encode(&RecallAnswer { recall: id, attested, law: law.map(str::to_owned), note: None })
    };
    let consent = |granted, scope: &Scope| {
        encode(&ConsentGiven { request: None, granted, scope: scope.clone(), until: None, conditions: None })
    };
    let some = Scope { judicial_use: true, ..Scope::default() };
    let result = |items: &[u64]| {
        encode(&Outcomes {
            items: items.to_vec(),
            measure: "x".into(),
            outcome: Outcome::None,
            text: "x".into(),
            limits: Limits::default(),
            complaints: None,
            unknown: vec![],
        })
    };
    let complaints = |all: &[(u64, Option<&str>)]| {
        let one = |(complaint, merged): &(u64, Option<&str>)| ComplaintResult {
            complaint: *complaint,
            outcome: ComplaintOutcome::Pending,
            merged_with: merged.map(str::to_owned),
            note: None,
        };
        encode(&Outcomes {
            items: vec![],
            measure: "x".into(),
            outcome: Outcome::None,
            text: "x".into(),
            limits: Limits::default(),
            complaints: Some(all.iter().map(one).collect()),
            unknown: vec![],
        })
    };
    let fixed = lapwing_record::form::Form { pro_forma_version: Some(1), ..Default::default() };
    let dispute = |about, item| encode(&Dispute { about, item, text: "x".into() });
    for (name, rule, bytes, reason) in [
        ("recall_answer: kept under no law", "recall-answer", answer(Attested::RetainedUnder, None), "which law?"),
        (
            "recall_answer: destroyed under a law",
            "recall-answer",
            answer(Attested::Destroyed, Some("x")),
            "of what use?",
        ),
        ("recall: no reason", "recall", encode(&Recall { reason: RecallReason::Other, note: None }), "why then?"),
        ("consent: a yes to nothing", "consent", consent(true, &Scope::default()), "to what?"),
        ("consent: a no that releases", "consent", consent(false, &some), "yes or no?"),
        ("result: on nothing", "outcomes", result(&[]), "on which items?"),
        ("result: a complaint twice", "outcomes", complaints(&[(3, None), (3, None)]), "each once"),
        ("result: a complaint that no batch can have", "outcomes", complaints(&[(1000, None)]), "0 to 999"),
        ("result: merged where nothing is", "outcomes", complaints(&[(3, Some("C/9"))]), "merged, or not?"),
        ("result: an item twice", "outcomes", result(&[1, 1]), "each once"),
        ("result: an item beyond 63", "outcomes", result(&[64]), "there is none"),
        ("dispute: a decision on nothing", "dispute", dispute(Disputed::Decision, None), "which item?"),
        ("dispute: an item of the urgency", "dispute", dispute(Disputed::Urgency, Some(0)), "urgency has no items"),
        (
            "supplement: another version",
            "supplement",
            encode(&Supplement { text: "x".into(), form: Some(fixed), unknown: vec![] }),
            "it stays as it was submitted",
        ),
    ] {
        bad.plain(name, rule, bytes, reason);
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

pub fn sealing(bad: &mut Bad<'_>) {
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

pub fn records(bad: &mut Bad<'_>) {
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
    let legal = |change: fn(&mut lapwing_record::legal::LegalProfile)| {
        let mut profile = lapwing_record::legal::sample();
        change(&mut profile);
        encode(&profile)
    };
    let undated = legal(|p| p.as_of = "2026-13-01".into());
    bad.plain("legal profile: of no day", "legal-profile", undated, "must be a day");
    let disordered = legal(|p| p.laws[0].channels.reverse());
    bad.plain("legal profile: channels out of order", "legal-profile", disordered, "channels ascend");
    let mut alone = lapwing_record::register::sample_arrangement();
    (alone.others, alone.parties) = (vec![], vec![Pid([1; 32])]);
    bad.plain("arrangement: of one party", "arrangement", encode(&alone), "two parties or more");
    let mut foreign = lapwing_record::register::sample_outcome();
    foreign.countries = vec!["XY1".into()];
    bad.plain("outcome: in no country", "outcome-record", encode(&foreign), "countries are ISO 3166-1");
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

pub fn forms(bad: &mut Bad<'_>) {
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
    let harm = |band, basis| Some(vec![HarmFactor { band, basis, ..HarmFactor::unknown(Factor::Vulnerability) }]);
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
    grown(bad);
    whole_forms(bad);
}

/// Records that have grown, in another encoding than their one.
fn grown(bad: &mut Bad<'_>) {
    let pair = |no: u64, value: Value| Value::Array(vec![Value::Integer(no.into()), value]);
    let (text, number) = (|t: &str| Value::Text(t.into()), |n: u64| Value::Integer(n.into()));
    let first = |more: Value| pair(140, Value::Array(vec![number(0), Value::Null, Value::Null, more]));
    let rows: Vec<(&str, Value, &str)> = vec![
        ("an empty array more", first(Value::Array(vec![])), "it is left out"),
        ("null for more", first(Value::Null), "it is left out"),
        ("a later field that is null", first(Value::Array(vec![pair(1, Value::Null)])), "what is absent is left out"),
        (
            "later fields out of order",
            first(Value::Array(vec![pair(9, number(1)), pair(1, text("2027-01-31"))])),
            "strictly ascending",
        ),
        (
            "a later field twice",
            first(Value::Array(vec![pair(1, text("2027-01-31")), pair(1, text("2027-01-31"))])),
            "strictly ascending",
        ),
        ("a later field of another type", first(Value::Array(vec![pair(1, number(1))])), "a date is text"),
        ("an unknown later field with a map", first(Value::Array(vec![pair(9, Value::Map(vec![]))])), "no maps"),
        (
            "a field behind the later ones",
            pair(140, Value::Array(vec![number(0), Value::Null, Value::Null, Value::Array(vec![]), Value::Null])),
            "three or four",
        ),
        (
            "facts out of order",
            pair(
                100,
                Value::Array(vec![Value::Array(vec![
                    number(0),
                    Value::Null,
                    number(0),
                    Value::Array(vec![pair(1, Value::Array(vec![pair(9, number(1)), pair(1, number(140))]))]),
                ])]),
            ),
            "strictly ascending",
        ),
    ];
    for (name, field, reason) in rows {
        bad.plain(&format!("form: {name}"), "form", raw(vec![field]), reason);
    }
}

/// Whole forms with one thing wrong.
fn whole_forms(bad: &mut Bad<'_>) {
    type Change = fn(&mut Form);
    let texts = |list: &[&str]| Some(list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    let mut row = |name: &str, reason: &str, form: Form| {
        bad.plain(&format!("pro forma: {name}"), "form-complete", encode(&form), reason);
    };
    for (name, codes) in [
        ("H3 without a condition", &["H3"][..]),
        ("H3 with an empty condition", &["H3: "]),
        ("a condition on H1", &["H1:text"]),
        ("handling codes in another order", &["H1", "H0"]),
        ("two conditions", &["H3:a", "H3:b"]),
    ] {
        row(name, "H0, H1, H2, H3: and a condition; ascending", Form { handling_codes: texts(codes), ..whole() });
    }
    let changes: &[(&str, &str, Change)] = &[
        ("a related case twice", "each once", |f| f.related = Some(vec!["a".into(), "a".into()])),
        ("an arrangement of two words", "a code", |f| f.arrangement = Some(vec!["two words".into()])),
        ("arrangements in another order", "ascending", |f| f.arrangement.as_mut().unwrap().reverse()),
        ("a language twice", "each once", |f| f.message_languages = Some(vec!["en".into(), "en".into()])),
        ("kept until before it was made", "dates in order", |f| f.retention_until = Some("2026-10-31".into())),
        ("a period that ends before it begins", "dates in order", |f| {
            f.period.as_mut().unwrap().from = "2026-10-21".into()
        }),
        ("made before the conduct began", "dates in order", |f| {
            f.period = Some(lapwing_record::form::Period { from: "2026-11-02".into(), to: None });
        }),
        ("a basis without a volume", "of what?", |f| f.volume = None),
        ("a party marked as the form is", "only stricter", |f| f.parties.as_mut().unwrap()[0].tlp = f.tlp),
        ("locations in another order", "ascending", |f| {
            f.parties.as_mut().unwrap()[0].locations.as_mut().unwrap().reverse();
        }),
        ("a port of a domain", "ports are of addresses", |f| {
            f.parties.as_mut().unwrap()[0].identifiers[1].port = Some(25);
        }),
        ("a port above 65535", "sixteen bits", |f| f.parties.as_mut().unwrap()[0].identifiers[0].port = Some(65_536)),
        ("a band beside its facts", "one of the two", |f| f.harm.as_mut().unwrap()[0].band = Some(3)),
        ("neither a band nor facts", "one of the two", |f| f.harm.as_mut().unwrap()[0].facts = None),
        ("facts on no basis", "unknown is unknown", |f| f.harm.as_mut().unwrap()[0].basis = Basis::Unknown),
        ("facts of another factor", "each has its own", |f| {
            f.harm.as_mut().unwrap()[0].facts.as_mut().unwrap().gravest = Some(lapwing_record::form::Gravity::Fraud);
        }),
        ("facts that say nothing", "persons are missing", |f| {
            f.harm.as_mut().unwrap()[0].facts = Some(lapwing_record::form::HarmFacts::default());
        }),
        ("an item that the manifest has not", "it has two", |f| f.harm.as_mut().unwrap()[0].evidence = Some(vec![2])),
        ("items in another order", "ascending", |f| f.harm.as_mut().unwrap()[0].evidence = Some(vec![1, 0])),
        ("a median loss of nowhere", "in which country?", |f| {
            f.harm.as_mut().unwrap()[1].facts.as_mut().unwrap().victims_country = None;
        }),
        ("another table of incomes", "this is table 1", |f| {
            f.harm.as_mut().unwrap()[1].facts.as_mut().unwrap().income_table = Some(2);
        }),
        ("euros without a rate", "what are they worth?", |f| {
            let facts = f.harm.as_mut().unwrap()[1].facts.as_mut().unwrap();
            facts.total_loss.as_mut().unwrap().usd_cents = None;
        }),
        ("dollars with a rate", "they are dollars", |f| {
            let facts = f.harm.as_mut().unwrap()[1].facts.as_mut().unwrap();
            facts.median_loss.as_mut().unwrap().usd_cents = Some(1);
        }),
        ("a currency of four letters", "ISO 4217", |f| {
            let facts = f.harm.as_mut().unwrap()[1].facts.as_mut().unwrap();
            facts.total_loss.as_mut().unwrap().currency = "EURO".into();
        }),
        ("admissible in no form", "in which form?", |f| f.assistance.as_mut().unwrap()[0].format = None),
        ("needed before it was asked for", "dates in order", |f| {
            f.assistance.as_mut().unwrap()[0].needed_by = Some("2026-10-31".into());
        }),
        ("logs that expire on no day", "when?", |f| f.urgency.as_mut().unwrap().date = None),
        ("a redacted copy of what is not there", "of which item?", |f| {
            f.evidence.as_mut().unwrap()[1].redaction_of = Some(lapwing_record::id::Digest([9; 32]));
        }),
        ("a redacted copy of itself", "of another item", |f| {
            let own = f.evidence.as_ref().unwrap()[1].sha256;
            f.evidence.as_mut().unwrap()[1].redaction_of = Some(own);
        }),
        ("a redacted original", "one or the other", |f| f.evidence.as_mut().unwrap()[1].original = true),
        ("custody that goes back in time", "oldest first", |f| {
            f.evidence.as_mut().unwrap()[0].custody.as_mut().unwrap().reverse();
        }),
        ("two items of one mark", "each once", |f| f.evidence.as_mut().unwrap()[1].id = Some("E1".into())),
        ("agencies listed without a list", "which?", |f| f.agencies_contacted = None),
        ("a list of no agencies", "none, withheld or listed", |f| f.other_agencies_contacted = Some("none".into())),
        ("agencies in other words", "none, withheld or listed", |f| f.other_agencies_contacted = Some("some".into())),
    ];
    for (name, reason, change) in changes {
        let mut form = whole();
        change(&mut form);
        row(name, reason, form);
    }
    let of_batch: [(&str, &str, Change); 6] = [
        ("complaints outside a batch", "of another kind", |f| f.kind = Some(ReferralKind::CoordinationAlert)),
        ("a complaint twice", "each once", |f| f.complaints.as_mut().unwrap()[1].reference = "C-1".into()),
        ("a complaint of tomorrow", "after the form", |f| {
            f.complaints.as_mut().unwrap()[1].received = "2026-11-02".into();
        }),
        ("a complaint about nobody", "no phone", |f| {
            f.complaints.as_mut().unwrap()[0].sender.value = "0800".into();
        }),
        ("a complaint about everything at once", "ascending", |f| {
            f.complaints.as_mut().unwrap()[0].conduct.reverse();
        }),
        ("a complaint with evidence of nowhere", "the manifest has none", |f| {
            f.complaints.as_mut().unwrap()[0].evidence = Some(0);
        }),
    ];
    for (name, reason, change) in of_batch {
        let mut form = sample_batch();
        change(&mut form);
        row(name, reason, form);
    }
}
