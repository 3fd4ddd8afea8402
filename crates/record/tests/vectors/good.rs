//! Vectors that every reader must take, and what it must find in them.

use crate::good_cases::{self, stmt};
use crate::{World, detached, entry_at, hex};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::{CharterFile, Params, Veto};
use lapwing_record::directory::*;
use lapwing_record::entry::{Draft, Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, HashOf, Pid, base32};
use lapwing_record::identity::*;
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::*;
use lapwing_record::seal::{Suite, kem_kid, public_key};
use lapwing_record::sign::{Context, Detached, SecretKey, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::TestAgency;
use serde_json::{Value as Json, json};

/// Every use of a signature.
pub const CONTEXTS: [Context; 10] = [
    Context::Entry,
    Context::Charter,
    Context::Apply,
    Context::Approve,
    Context::Msg,
    Context::Receipt,
    Context::Nack,
    Context::Ack,
    Context::Deposit,
    Context::Ticket,
];

/// The files, by name.
pub fn files(w: &World) -> Vec<(&'static str, Json)> {
    vec![
        ids(w),
        signatures(w),
        entries(w),
        idlogs(w),
        charters(w),
        approvals(w),
        applications(w),
        good_cases::statements(w),
        good_cases::receipts(w),
        good_cases::sealed(w),
        good_cases::blobs(),
        good_cases::locks(),
        good_cases::forms(),
        good_cases::messages(w),
    ]
}

pub fn file(name: &'static str, about: &str, vectors: Vec<Json>) -> (&'static str, Json) {
    (name, json!({ "about": about, "vectors": vectors }))
}

fn ids(w: &World) -> (&'static str, Json) {
    let header = w.harbor.first_entry(&w.network).header().clone();
    let rows = [
        ("participant", HashOf::Inception, encode(&w.harbor.inception)),
        ("network", HashOf::Charter, encode(&w.charter)),
        ("entry", HashOf::Entry, encode(&header)),
        ("body", HashOf::Body, b"body".to_vec()),
        ("key", HashOf::Key, w.harbor.feed.public().bytes().to_vec()),
        ("message", HashOf::Msg, encode(&stmt(w, Kind::Submit))),
        ("heads", HashOf::Heads, vec![0; 32]),
        ("state", HashOf::State, Vec::new()),
        ("proposal", HashOf::Proposal, b"approval".to_vec()),
    ];
    let row = |(name, of, bytes): (&str, HashOf, Vec<u8>)| {
        let id = of.hash(&bytes);
        json!({ "name": name, "context": of.context(), "bytes": hex(&bytes), "id": base32(&id), "words": words(&id) })
    };
    file("ids.json", "Every kind of hash, as base32 and as twelve words.", rows.into_iter().map(row).collect())
}

fn signatures(w: &World) -> (&'static str, Json) {
    let of = |context: Context| {
        let (key, payload) = (&w.harbor.feed, context.word().as_bytes().to_vec());
        json!({
            "name": format!("a signature for the use {}", context.word()),
            "network": hex(w.network.0), "context": context.word(), "seed": hex(key.seed()),
            "public": hex(key.public().bytes()), "kid": key.public().kid().to_string(), "payload": hex(&payload),
            "sign1": hex(encode(&Sign1::sign(key, &w.network, context, payload.clone()))),
            "detached": detached(key, &w.network, context, &payload),
        })
    };
    let about = "COSE_Sign1 and detached signatures. Ed25519 is deterministic: signing again gives the same bytes.";
    file("signatures.json", about, CONTEXTS.into_iter().map(of).collect())
}

// -- entries --------------------------------------------------------------------------------------------------------

/// Points of contact and other records, as a directory holds them.
pub fn contact() -> Contact {
    Contact {
        slot: "intake".into(),
        role: Role::CaseIntake,
        name: "Case intake".into(),
        areas: vec![LawArea::ConsumerProtection],
        channels: vec![Channel::Email, Channel::Sms],
        languages: vec!["en".into(), "pt-BR".into()],
        hours: vec![Hours { days: vec![1, 2, 3, 4, 5], from_min: 540, to_min: 1020 }],
        time_zone: "Europe/London".into(),
        ways: vec![Way { kind: "email".into(), value: "intake@harbor.example".into() }],
        deputy: Some("general".into()),
        reconfirm_by: 1_800_000_000_000,
        withdrawn: false,
    }
}

/// A profile.
pub fn profile() -> Profile {
    let measures = vec![Measure::Warning, Measure::Fine];
    Profile {
        display_name: "Harbour Authority · Hafenbehörde · 항만청".into(),
        competence: vec![Competence { area: LawArea::ConsumerProtection, channel: Channel::Email, measures }],
        languages: vec!["en".into(), "ko".into()],
        hours: vec![Hours { days: vec![1, 7], from_min: 0, to_min: 1440 }],
        time_zone: "Europe/London".into(),
        website: Some("https://harbor.example".into()),
    }
}

/// An approval by officers.
pub fn approved(w: &World, approval: &Approval, officers: &[&SecretKey]) -> Vec<Detached> {
    let mut all: Vec<Detached> = officers.iter().map(|o| approval.sign(o, &w.network)).collect();
    all.sort();
    all
}

/// A stance of harbor's officers.
pub fn stance(w: &World, what: What, target: Target, n: u64) -> Stance {
    let approval = Approval::of_stance(w.harbor.pid(), 0, n, what.act().unwrap(), target);
    Stance { what, target, n: Some(n), approvals: Some(approved(w, &approval, &[&w.harbor.officers[0]])) }
}

/// An amendment by harbor.
pub fn motion(w: &World) -> Motion {
    let mut motion = Motion {
        params: Params { window_ms: 2000, veto: Veto::Standing, ..w.charter.params.clone() },
        base: w.charter.params.digest(),
        expires: 1_800_000_000_000,
        statement: "Two seconds are better than one.".into(),
        n: 4,
        approvals: Vec::new(),
    };
    motion.approvals = approved(w, &motion.approval(w.harbor.pid(), 0), &[&w.harbor.officers[1]]);
    motion
}

/// Two entries of harbor at one place, lower id first.
pub fn fork(w: &World) -> [Sign1; 2] {
    let at = |target: Pid| {
        let body = Stances { items: vec![Stance::by_node(What::Noted, Target::Participant(target))] };
        w.harbor.entry(&w.network, None, EntryType::Stances, &body)
    };
    let mut two = [at(Pid([1; 32])), at(Pid([2; 32]))];
    two.sort_by_key(Entry::id);
    two.map(|e| e.signatures()[0].clone())
}

fn entries(w: &World) -> (&'static str, Json) {
    let h = &w.harbor;
    let applicant = Target::Participant(w.hangang.pid());
    let stances = Stances {
        items: vec![
            Stance::by_node(What::Noted, applicant),
            Stance::by_node(What::Clear, applicant),
            stance(w, What::Object, applicant, 1),
            stance(w, What::Withdraw, applicant, 2),
            stance(w, What::Consent, applicant, 3),
            Stance::by_node(What::Seat, applicant),
            Stance::by_node(What::Clear, Target::Motion(EntryId([9; 32]))),
        ],
    };
    let kem = public_key(Suite::X25519, &[7; 32]);
    let kem = KemKey { kid: kem_kid(&kem), suite: 2, key: kem.into(), not_before: 1, not_after: 2 };
    let wing = public_key(Suite::XWing, &[7; 32]);
    let wing = KemKey { kid: kem_kid(&wing), suite: 1, key: wing.into(), not_before: 1, not_after: 2 };
    let binding = NodeBinding {
        peer: Bytes([&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[5; 32]].concat()),
        addrs: vec!["/ip4/192.0.2.7/tcp/7420".into()],
        not_after: 3,
        revoked: false,
    };
    let [a, b] = fork(w);
    let checkpoint = Checkpoint {
        frontier: Digest([1; 32]),
        state: Digest([2; 32]),
        entries: 7,
        agencies: 2,
        schema: 1,
        audit: None,
    };
    let reason = ObjectionReason { target: applicant, salt: [4; 16], text: "Its address is a letter box.".into() };
    let withdrawn = Contact { withdrawn: true, ways: vec![], deputy: None, ..contact() };
    let bodies: Vec<(EntryType, Vec<u8>)> = vec![
        (EntryType::Profile, encode(&profile())),
        (EntryType::Contact, encode(&contact())),
        (EntryType::Contact, encode(&withdrawn)),
        (EntryType::NodeBinding, encode(&binding)),
        (EntryType::KemKey, encode(&kem)),
        (EntryType::KemKey, encode(&wing)),
        (EntryType::Introduce, encode(&w.hangang.application(&w.network))),
        (EntryType::Stances, encode(&stances)),
        (EntryType::Excuse, encode(&Excuse { target: applicant, silent: vec![Pid([1; 32]), Pid([2; 32])] })),
        (EntryType::Motion, encode(&motion(w))),
        (EntryType::Checkpoint, encode(&checkpoint)),
        (EntryType::Checkpoint, encode(&Checkpoint { audit: Some(Digest([3; 32])), ..checkpoint.clone() })),
        (EntryType::ForkProof, encode(&ForkProof { a, b })),
        (EntryType::AgencyContact, encode(&contact())),
        (EntryType::ObjectionReason, encode(&reason)),
        (EntryType::LegalProfile, encode(&lapwing_record::legal::sample())),
        (EntryType::Arrangement, encode(&lapwing_record::register::sample_arrangement())),
        (EntryType::Outcome, encode(&lapwing_record::register::sample_outcome())),
        (EntryType::AgencyOutcome, encode(&lapwing_record::register::sample_outcome())),
    ];
    let signers = json!([hex(h.feed.public().bytes())]);
    let row = |name: String, entry: &Entry, signers: &Json, threshold: u64| {
        json!({
            "name": name, "network": hex(w.network.0), "author": hex(encode(&h.inception.first)),
            "signers": signers, "threshold": threshold, "id": entry.id().to_string(), "bytes": hex(entry.encode()),
        })
    };
    let mut rows = Vec::new();
    let mut after: Option<(LogKind, u64, EntryId)> = None;
    for (clock, (kind, body)) in bodies.into_iter().enumerate() {
        // log 2 is a chain of its own
        let last = after.filter(|(log, ..)| *log == kind.log()).map(|(_, seq, id)| (seq, id));
        let entry = entry_at(w, h.pid(), &[&h.feed], (0, last, clock as u64), kind, body);
        after = Some((kind.log(), entry.header().seq, entry.id()));
        rows.push(row(format!("{clock}: {}", kind.code()), &entry, &signers, 1));
        if kind == EntryType::AgencyContact {
            rows.push(row("the same without its body".into(), &entry.without_body(), &signers, 1));
        }
    }
    let refs = Draft {
        pid: h.pid(),
        epoch: 0,
        after: Some((9, EntryId([9; 32]))),
        clock: u64::MAX,
        kind: EntryType::Profile,
        refs: (0..16).map(|n| EntryId([n; 32])).collect(),
    };
    let body = encode(&profile());
    let header = refs.header(&body);
    let many = Entry::new(vec![header.sign(&h.feed, &w.network)], Some(body)).unwrap();
    rows.push(row("sixteen references and the largest clock".into(), &many, &signers, 1));
    let later = lapwing_record::entry::Header {
        kind: 40,
        crit: true,
        body_len: 3,
        body_hash: lapwing_record::entry::body_hash(b"new"),
        refs: vec![],
        ..header
    };
    let later = Entry::new(vec![later.sign(&h.feed, &w.network)], Some(b"new".to_vec())).unwrap();
    rows.push(row("a type of a later version, its body not even CBOR".into(), &later, &signers, 1));
    file("entries.json", "An entry of every type of logs 1 and 2. Log 0 is in idlogs.json.", rows)
}

// -- log 0 ----------------------------------------------------------------------------------------------------------

/// What a log 0 tells, for a vector.
pub fn identity(log: &IdLog) -> Json {
    let kids = |keys: Vec<String>| json!(keys);
    json!({
        "epochs": log.epochs.iter().map(|e| hex(encode(&e.keys))).collect::<Vec<_>>(),
        "roots": kids(log.roots.iter().map(|k| k.kid().to_string()).collect()), "threshold": log.threshold,
        "next": kids(log.next.iter().map(ToString::to_string).collect()), "next_threshold": log.next_threshold,
        "head": { "seq": log.head.0, "id": log.head.1.to_string() },
        "left": log.left.map(|id| id.to_string()), "trouble": serde_json::to_value(log.trouble).unwrap(),
    })
}

/// A grant to harbor's successors: another feed key, the same officers.
pub fn grant(a: &TestAgency, epoch: u64, feed: u8, anchor: Option<u64>) -> KeyGrant {
    let keys = EpochKeys {
        feed: TestAgency::key(feed).public(),
        policy: vec![PolicyRule { act: Act::Object, m: 1 }, PolicyRule { act: Act::Consent, m: 2 }],
        ..a.inception.first.clone()
    };
    let anchors = anchor.map(|seq| Anchor { log: LogKind::Pub, seq, id: EntryId([3; 32]) });
    KeyGrant { epoch, keys, anchors: anchors.into_iter().collect(), reason: GrantReason::Routine }
}

/// Logs of identities, and who they make.
pub fn idlogs(w: &World) -> (&'static str, Json) {
    let h = &w.harbor;
    let next = |signers: &[&SecretKey], after: &Entry, kind, body: Vec<u8>| {
        let place = Some((after.header().seq, after.id()));
        entry_at(w, after.header().pid, signers, (0, place, 5), kind, body)
    };
    let granted = |signer: &SecretKey, after: &Entry, epoch, feed| {
        next(&[signer], after, EntryType::KeyGrant, encode(&grant(h, epoch, feed, Some(3))))
    };
    let left = |signer: &SecretKey, after: &Entry| {
        let leave = Leave { heads: vec![], note: Some("Good-bye.".into()) };
        next(&[signer], after, EntryType::Leave, encode(&leave))
    };
    let first = h.first_entry(&w.network);
    let one = granted(&h.root, &first, 1, 50);
    let two = granted(&h.root, &first, 1, 51);
    let turn = h.rotate_entry(&w.network, &one, &h.rotation(60));
    let early = h.rotate_entry(&w.network, &first, &h.rotation(60));
    let other = h.rotate_entry(&w.network, &first, &h.rotation(61));
    let after_turn = granted(&h.next, &turn, 2, 52);
    let stale = granted(&h.root, &turn, 2, 53);
    let forged = next(&[&h.root], &first, EntryType::RootRotate, encode(&h.rotation(60)));
    let skipped = granted(&h.root, &first, 2, 54);
    let gone = left(&h.root, &one);
    let gone_here = left(&h.root, &first);

    // a root set of three, two of which sign
    let keys = [1, 2, 3].map(TestAgency::key);
    let inception = Inception {
        short_name: "polders".into(),
        roots: keys.iter().map(SecretKey::public).collect(),
        threshold: 2,
        ..h.inception.clone()
    };
    let (pid, body) = (inception.pid(), encode(&inception));
    let trio = entry_at(w, pid, &[&keys[0], &keys[2]], (0, None, 0), EntryType::Inception, body);
    let pair = next(&[&keys[1], &keys[2]], &trio, EntryType::KeyGrant, encode(&grant(h, 1, 55, None)));
    let alone = next(&[&keys[1]], &trio, EntryType::KeyGrant, encode(&grant(h, 1, 56, None)));

    // who stole the root key after its rotation signs the inception once more, with a lower id
    let again = (1..)
        .map(|clock| entry_at(w, h.pid(), &[&h.root], (0, None, clock), EntryType::Inception, encode(&h.inception)))
        .find(|e| e.id() < first.id())
        .unwrap();

    let fold = |entries: &[&Entry]| {
        identity(&IdLog::fold(entries[0].header().pid, entries.iter().copied(), &w.network).unwrap())
    };
    let row = |name: &str, entries: &[&Entry], expect: Json| {
        json!({
            "name": name, "network": hex(w.network.0), "pid": entries[0].header().pid.to_string(),
            "entries": entries.iter().map(|e| hex(e.encode())).collect::<Vec<_>>(), "expect": expect,
        })
    };
    let plain = |name: &str, entries: &[&Entry]| row(name, entries, fold(entries));
    let mut unleft = fold(&[&first, &one, &two]);
    unleft["left"] = json!(gone.id().to_string());
    let rows = vec![
        plain("an inception alone", &[&first]),
        plain("a grant opens an epoch", &[&first, &one]),
        plain("a rotation, and a grant by the new roots", &[&first, &one, &turn, &after_turn]),
        plain("what the old roots sign after the rotation is passed over", &[&first, &one, &turn, &stale, &after_turn]),
        plain("two grants at one place leave the log contested", &[&first, &one, &two]),
        plain("a rotation beats a grant at its place", &[&first, &one, &early]),
        plain("two rotations at one place: disputed for good", &[&first, &early, &other]),
        plain("a rotation that the current roots sign is none", &[&first, &forged]),
        plain("a grant that skips an epoch is passed over", &[&first, &skipped]),
        plain("a leave", &[&first, &one, &gone]),
        plain("a leave counts beside a rotation at its place", &[&first, &gone_here, &early]),
        plain("two of three roots sign", &[&trio, &pair]),
        plain("one of three roots is not enough", &[&trio, &alone]),
        row(
            "a second inception entry, signed by the old root key, does not reset the log",
            &[&first, &one, &turn, &after_turn, &again],
            fold(&[&first, &one, &turn, &after_turn]),
        ),
        row(
            "what follows the inception follows it, whichever copy it names",
            &[&again, &one, &turn, &after_turn],
            fold(&[&first, &one, &turn, &after_turn]),
        ),
        row("a leave counts though its branch hangs on a contested place", &[&first, &one, &two, &gone], unleft),
    ];
    file("idlogs.json", "Sets of log-0 entries, in any order, and the identity that follows.", rows)
}

// -- charter, approvals, applications -------------------------------------------------------------------------------

/// The charter file of the federation.
pub fn charter_file(w: &World) -> CharterFile {
    CharterFile::join(w.charter.clone(), vec![w.harbor.found(&w.charter), w.polder.found(&w.charter)]).unwrap()
}

fn charters(w: &World) -> (&'static str, Json) {
    let part = |a: &TestAgency| hex(encode(&a.found(&w.charter)));
    let row = json!({
        "name": "two founders", "charter": hex(encode(&w.charter)), "network_id": w.network.to_string(),
        "words": words(&w.network.0), "bytes": hex(encode(&charter_file(w))),
        "founders": charter_file(w).first_entries.iter().map(|e| e.header().pid.to_string()).collect::<Vec<_>>(),
        "parts": [part(&w.harbor), part(&w.polder)], "params_digest": w.charter.params.digest().to_string(),
    });
    file("charters.json", "A charter, what each founder signs of it, and the file.", vec![row])
}

fn approvals(w: &World) -> (&'static str, Json) {
    let h = &w.harbor;
    let keys = encode(&h.inception.first);
    let strict = EpochKeys { policy: vec![PolicyRule { act: Act::Object, m: 2 }], ..h.inception.first.clone() };
    let target = Target::Participant(w.hangang.pid());
    let row = |name: &str, keys: &[u8], approval: &Approval, officers: &[&SecretKey]| {
        let signatures = approved(w, approval, officers);
        json!({
            "name": name, "network": hex(w.network.0), "keys": hex(keys), "bytes": hex(approval.bytes()),
            "digest": approval.digest().to_string(), "signatures": hex(encode(&signatures)),
        })
    };
    let stance = |n, act, target| Approval::of_stance(h.pid(), 0, n, act, target);
    let [one, two] = [&h.officers[0], &h.officers[1]];
    let said = stmt(w, Kind::Acknowledge).approval().unwrap();
    let rows = vec![
        row("an objection", &keys, &stance(1, Act::Object, target), &[one]),
        row("a consent to a motion", &keys, &stance(2, Act::Consent, Target::Motion(EntryId([9; 32]))), &[two]),
        row("a withdrawal by both officers", &keys, &stance(3, Act::Withdraw, target), &[one, two]),
        row("an objection where two must sign", &encode(&strict), &stance(1, Act::Object, target), &[one, two]),
        row("a motion", &keys, &motion(w).approval(h.pid(), 0), &[two]),
        row("an acknowledgement of a referral", &keys, &said, &[one]),
    ];
    file("approvals.json", "What officers sign.", rows)
}

fn applications(w: &World) -> (&'static str, Json) {
    let row = |name: &str, a: &TestAgency| {
        let application = a.application(&w.network);
        json!({
            "name": name, "network": hex(w.network.0), "bytes": hex(encode(&application)), "pid": a.pid().to_string(),
        })
    };
    let rows = vec![row("an agency", &w.hangang), row("a private-sector representative", &w.company())];
    file("applications.json", "Log 0, endorsement and statement of an applicant.", rows)
}
