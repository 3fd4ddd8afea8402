//! Vectors of referrals, evidence and messages that every reader must take.

use crate::good::{approved, file};
use crate::{World, hex};
use lapwing_record::cbor::{Bytes, Value, encode};
use lapwing_record::charter::Params;
use lapwing_record::directory::*;
use lapwing_record::entry::{EntryType, LogKind};
use lapwing_record::form::harm::Harm;
use lapwing_record::form::{
    Basis, CollectionMethod, EvidenceItem, Factor, Form, HarmFactor, HarmFacts, Loss, ReferralKind, check, sample,
    sample_batch, whole,
};
use lapwing_record::id::{Digest, EntryId, MsgId, NetworkId, Pid, ThreadId, base32};
use lapwing_record::identity::*;
use lapwing_record::seal::{Suite, kem_kid, public_key, seal};
use lapwing_record::sign::{Context, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::TestRng;
use lapwing_record::wire::{
    Ack, ApplyAnswer, ApplyRequest, AskHeads, Batch, BlobAnswer, CaseAnswer, CaseRequest, GivenBack, HeadRow, Hello,
    Plane, ReachAnswer, ReachRequest, Reached, Root, SyncAnswer, SyncRequest, ThreadHeads, Want,
};
use lapwing_record::{blob, locked};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// What became of complaints, two of them merged with these.
pub fn complaint_results(merged: [&str; 2]) -> Vec<ComplaintResult> {
    let result = |complaint, outcome, merged_with: Option<&str>| ComplaintResult {
        complaint,
        outcome,
        merged_with: merged_with.map(str::to_owned),
        note: merged_with.map(|_| "The same sender.".into()),
    };
    vec![
        result(0, ComplaintOutcome::ActionTaken, None),
        result(1, ComplaintOutcome::MergedWith, Some(merged[0])),
        result(2, ComplaintOutcome::MergedWith, Some(merged[1])),
        result(999, ComplaintOutcome::NotCompetent, None),
    ]
}

/// The body of a statement of this kind.
pub fn body(kind: Kind) -> Vec<u8> {
    let text = |text: &str| Text { text: text.into() };
    match kind {
        Kind::Submit => encode(&sample()),
        Kind::Acknowledge => encode(&Acknowledge {
            own_reference: "PD/7".into(),
            decision_by: Some(1_800_000_000_000),
            urgency_accepted: None,
            assurance: Assurance::AssuredSubjectTo,
            note: Some("Open Government Act".into()),
        }),
        Kind::NeedInfo => encode(&text("Which of the two addresses?")),
        Kind::Supplement => encode(&Supplement {
            text: "The first.".into(),
            form: Some(Form { volume: Some(300_000), ..Form::default() }),
            unknown: vec![],
        }),
        Kind::Decide => encode(&Decide {
            items: vec![
                ItemDecision::refuse(0, Ground::InsufficientInformation),
                ItemDecision { until: Some(9), ..ItemDecision::new(1, Decision::Defer) },
                ItemDecision { suggested: Some(Pid([9; 32])), ..ItemDecision::refuse(2, Ground::OutsideCompetence) },
                ItemDecision {
                    duplicate_of: Some("HB-2026-001".into()),
                    ..ItemDecision::refuse(3, Ground::DuplicateOf)
                },
                ItemDecision {
                    retry_after: Some(1_800_000_000_000),
                    ..ItemDecision::refuse(4, Ground::ResourcesUnavailable)
                },
                ItemDecision { note: Some("the first half".into()), ..ItemDecision::new(7, Decision::AcceptInPart) },
            ],
        }),
        Kind::Withdraw => encode(&Ending { note: None }),
        Kind::Close => encode(&Ending { note: Some("Thank you.".into()) }),
        Kind::BlobGrant => encode(&BlobGrant { keys: vec![GrantedKey { b3_cipher: Digest([3; 32]), key: [4; 32] }] }),
        Kind::BlobRequest => encode(&BlobRequest { blobs: vec![Digest([3; 32])] }),
        Kind::Progress => encode(&Progress { text: "The provider answered.".into(), expected: Some(9) }),
        Kind::Extend => {
            encode(&Extend { what: Extended::Deliver, until: 1_800_000_000_000, reason: "A court is asked.".into() })
        }
        Kind::DelayReasons => encode(&text("Two people are ill.")),
        Kind::ResultInterim | Kind::ResultFinal => encode(&Outcomes {
            items: vec![0, 2],
            measure: "Order to the provider".into(),
            outcome: Outcome::Identified,
            text: "The address is rented by a company.".into(),
            limits: Limits {
                tlp: Some(Tlp::Red),
                handling_codes: vec!["H1".into()],
                words: (kind == Kind::ResultFinal).then(|| "Not to be shown to the provider.".into()),
            },
            complaints: (kind == Kind::ResultFinal).then(|| complaint_results(["C/9", "D/3"])),
            unknown: vec![],
        }),
        Kind::TransferProposed => {
            encode(&TransferProposed { to: Pid([9; 32]), items: vec![1], why: "The host is in its country.".into() })
        }
        Kind::TransferConsent => {
            encode(&TransferConsent { proposal: MsgId([6; 32]), granted: true, conditions: Some("H1 stands.".into()) })
        }
        Kind::Transferred => encode(&Transferred {
            proposal: MsgId([5; 32]),
            thread: ThreadId([9; 32]),
            to: Pid([9; 32]),
            receipt: Bytes(vec![1, 2, 3]),
        }),
        Kind::JointPlan => encode(&JointPlan {
            joint: Digest([4; 32]),
            version: 2,
            title: "Prize mails".into(),
            tasks: vec![
                PlannedTask { n: 1, what: "Ask the host.".into(), needed_by: Some("2027-03-31".into()) },
                PlannedTask { n: 3, what: "Freeze the account.".into(), needed_by: None },
            ],
            disclosed: vec![Pid([8; 32]), Pid([9; 32])],
            note: None,
        }),
        Kind::JointTask => encode(&JointTask {
            joint: Digest([4; 32]),
            n: 3,
            state: TaskState::Declined,
            note: Some("No power to.".into()),
        }),
        Kind::Reminder => encode(&Reminder { text: None }),
        Kind::Recall => encode(&Recall { reason: RecallReason::CourtOrder, note: None }),
        Kind::RecallAnswer => encode(&RecallAnswer {
            recall: MsgId([6; 32]),
            attested: Attested::RetainedUnder,
            law: Some("Archives Act".into()),
            note: None,
        }),
        Kind::Feedback => encode(&Feedback { text: "It led to a fine.".into() }),
        Kind::Reopen => encode(&Reopen { items: vec![0], reason: "He goes on.".into() }),
        Kind::Dispute => {
            encode(&Dispute { about: Disputed::Decision, item: Some(1), text: "We are competent.".into() })
        }
        Kind::CompelledDisclosureNotice => encode(&CompelledDisclosure {
            law: "Freedom of Information Act".into(),
            to_whom: "A newspaper".into(),
            what: "The subject line.".into(),
            at: None,
        }),
        Kind::Assess => encode(&Assessment {
            harm: vec![HarmFactor::of_band(Factor::Victims, 2, Basis::CountedComplaints)],
            note: Some("Our own complaints.".into()),
        }),
        Kind::Seen => encode(&Seen { upto: MsgId([6; 32]) }),
        Kind::ConsentRequest => encode(&ConsentRequest {
            scope: Scope { judicial_use: true, ..Scope::default() },
            reason: "A hearing.".into(),
        }),
        Kind::Consent => encode(&ConsentGiven {
            request: Some(MsgId([6; 32])),
            granted: true,
            scope: Scope {
                onward: vec![Pid([9; 32])],
                domestic: true,
                dissemination: Some("The provider's lawyer".into()),
                judicial_use: true,
            },
            until: Some(1_800_000_000_000),
            conditions: Some("Names struck out.".into()),
        }),
    }
}

/// A statement of harbor's to polder or, of the target's kinds, the other way.
pub fn stmt(w: &World, kind: Kind) -> Stmt {
    let (from, to) = if kind.signer() != Signer::Target { (&w.harbor, &w.polder) } else { (&w.polder, &w.harbor) };
    let first = matches!(kind, Kind::Submit | Kind::Acknowledge);
    let blob = BlobRef {
        name: "mail.eml".into(),
        media: "message/rfc822".into(),
        size: 12_345,
        b3_plain: Digest([1; 32]),
        sha256_plain: Digest([2; 32]),
        b3_cipher: Digest([3; 32]),
        salt: Digest([4; 32]),
    };
    Stmt {
        version: 1,
        network_id: w.network,
        thread: ThreadId([8; 32]),
        msg_no: if first { 0 } else { 3 },
        prev_own: (!first).then_some(MsgId([5; 32])),
        seen_peer: (kind != Kind::Submit).then_some(MsgId([6; 32])),
        from: from.pid(),
        epoch: 0,
        to: to.pid(),
        clock: 1_790_000_000_000,
        expires: 1_792_592_000_000,
        kind,
        handling: Tlp::AmberStrict,
        body: Bytes(body(kind)),
        blobs: if kind == Kind::Submit { vec![blob] } else { vec![] },
    }
}

/// The signed statement, and the keys to read it with.
pub fn signed(w: &World, stmt: &Stmt) -> (SignedStmt, EpochKeys) {
    let by = if stmt.from == w.harbor.pid() { &w.harbor } else { &w.polder };
    let approvals = stmt.approval().map(|a| approved(w, &a, &[&by.officers[0]]));
    (SignedStmt::sign(stmt, &by.feed, approvals), by.inception.first.clone())
}

pub fn statements(w: &World) -> (&'static str, Json) {
    let row = |kind: &Kind| {
        let stmt = stmt(w, *kind);
        let (signed, keys) = signed(w, &stmt);
        let open = signed.open(&keys, &w.network).unwrap();
        json!({
            "name": kind.code(), "network": hex(w.network.0), "keys": hex(encode(&keys)),
            "bytes": hex(encode(&signed)), "msg_id": open.id().to_string(), "hash": signed_hash(&encode(&signed)).to_string(),
        })
    };
    let about = "A signed statement of every kind. `hash` is what the receipt names.";
    file("statements.json", about, Kind::ALL.iter().map(row).collect())
}

pub fn receipts(w: &World) -> (&'static str, Json) {
    let (signed, _) = signed(w, &stmt(w, Kind::Submit));
    let (signed, polder) = (encode(&signed), &w.polder);
    let receipt = Receipt {
        msg_id: stmt(w, Kind::Submit).id(),
        hash: signed_hash(&signed),
        received: 1_790_000_000_500,
        status: ReceiptStatus::Stored,
        by: polder.pid(),
        epoch: 0,
    };
    let nack = |current| Nack { sealed: Digest([7; 32]), current, by: polder.pid(), epoch: 0 };
    let nack = |current| Sign1::sign(&polder.feed, &w.network, Context::Nack, encode(&nack(current)));
    let ack = Ack { by: polder.pid(), entry: EntryId([6; 32]) };
    let ack = Sign1::sign(&polder.feed, &w.network, Context::Ack, encode(&ack));
    let kid = kem_kid(&public_key(Suite::XWing, &[7; 32]));
    let row = |name: &str, context: Context, rule: &str, sign1: &Sign1, of: Json| {
        json!({
            "name": name, "network": hex(w.network.0), "context": context.word(), "payload": rule, "of": of,
            "keys": hex(encode(&polder.inception.first)), "bytes": hex(encode(sign1)),
        })
    };
    let rows = vec![
        row("a receipt", Context::Receipt, "receipt", &receipt.sign(&polder.feed, &w.network), hex(&signed)),
        row("a nack that names the key in force", Context::Nack, "nack", &nack(Some(kid)), Json::Null),
        row("a nack without a key", Context::Nack, "nack", &nack(None), Json::Null),
        row("an ack of an objection", Context::Ack, "ack", &ack, Json::Null),
    ];
    file("receipts.json", "What receiving nodes sign. A receipt is `of` the signed statement.", rows)
}

pub fn sealed(w: &World) -> (&'static str, Json) {
    let (signed, _) = signed(w, &stmt(w, Kind::Submit));
    let plains = [("nothing", Vec::new()), ("a signed statement", encode(&signed)), ("just over 1 KiB", vec![7; 1021])];
    let mut rows = Vec::new();
    for suite in Suite::ALL {
        let public = public_key(*suite, &[9; 32]);
        for (n, (name, plain)) in plains.iter().enumerate() {
            let sealed = seal(*suite, w.polder.pid(), &public, plain, &mut TestRng::new(n as u64)).unwrap();
            rows.push(json!({
                "name": format!("{suite}: {name}"), "suite": suite.code(), "seed": hex([9; 32]),
                "public": hex(&public), "kid": kem_kid(&public).to_string(), "plain": hex(plain),
                "rng": n, "bytes": hex(encode(&sealed)),
            }));
        }
    }
    let about = "Sealed messages. `seed` is the input of DeriveKeyPair; `rng` is the number of the test generator: \
                 BLAKE3 derive-key output of \"lapwing test rng\" over its eight bytes, little-endian.";
    file("sealed.json", about, rows)
}

// -- evidence and disk ----------------------------------------------------------------------------------------------

pub fn blobs() -> (&'static str, Json) {
    let row = |len: usize| {
        let plain: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let sha: [u8; 32] = Sha256::digest(&plain).into();
        let key = blob::blob_key(&[1; 32], &[2; 32], &sha);
        let segments = blob::Segments::new(&key);
        let count = blob::segments(len as u64);
        let mut cipher = Vec::new();
        for n in 0..count {
            let (from, to) = (n as usize * blob::SEGMENT_BYTES, ((n as usize + 1) * blob::SEGMENT_BYTES).min(len));
            let mut segment = plain[from..to].to_vec();
            segments.seal(n as u32, n + 1 == count, &mut segment);
            cipher.extend(segment);
        }
        assert_eq!(cipher.len() as u64, blob::sealed_len(len as u64));
        json!({
            "name": format!("{len} bytes"), "case_key": hex([1; 32]), "salt": hex([2; 32]), "len": len,
            "b3_plain": base32(blake3::hash(&plain).as_bytes()), "sha256_plain": base32(&sha), "key": hex(*key),
            "b3_cipher": base32(blake3::hash(&cipher).as_bytes()), "first_bytes": hex(&cipher[..cipher.len().min(64)]),
            "sealed_len": cipher.len(),
        })
    };
    let about = "Evidence under its key. The plaintext's byte number i is i mod 251.";
    file("blobs.json", about, [0, 1, 1000, 65_535, 65_536, 65_537, 200_000].into_iter().map(row).collect())
}

pub fn locks() -> (&'static str, Json) {
    let row = |name: &str, plain: &[u8], place: &[u8]| {
        json!({
            "name": name, "key": hex([1; 32]), "place": hex(place), "plain": hex(plain),
            "bytes": hex(locked::lock(&[1; 32], [2; 24], place, plain)),
        })
    };
    let rows = vec![row("nothing, nowhere", b"", b""), row("a secret at its place", b"secret", b"here")];
    file("locked.json", "Bytes under a case key, as they lie on disk: XChaCha20-Poly1305, the nonce in front.", rows)
}

pub fn forms() -> (&'static str, Json) {
    let row = |name: &str, form: &Form| {
        let harm = Harm::of(form, &Params::default().harm_weights);
        json!({
            "name": name, "bytes": hex(encode(form)), "json": serde_json::to_value(form).unwrap(),
            "complete": check::check(form).is_empty(), "harm": { "low": harm.low, "high": harm.high },
        })
    };
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let later = Form { unknown: vec![(8, Value::Bool(true)), (999, nested(14))], ..sample() };
    let mut full = sample();
    full.campaign_ref = Some("C-1".into());
    full.stage = Some(lapwing_record::form::CaseStage::Litigation);
    full.confidentiality_requested = Some(true);
    full.onward = Some(lapwing_record::form::Onward::Ask);
    full.period = Some(lapwing_record::form::Period { from: "2026-09-01".into(), to: None });
    full.volume = Some(u64::MAX);
    let (blake3, sha256, method) = (Digest([1; 32]), Digest([2; 32]), CollectionMethod::Spamtrap);
    full.evidence = Some(vec![EvidenceItem::new("mail.eml", "message/rfc822", 12_345, blake3, sha256, method)]);
    let unknown = Form { harm: Some(vec![HarmFactor::unknown(Factor::Victims)]), ..sample() };
    let given = Form { kind: Some(ReferralKind::SpontaneousInformation), harm: None, assistance: None, ..sample() };
    let mut sampled = whole();
    for factor in sampled.harm.iter_mut().flatten() {
        factor.basis = Basis::SampledExtrapolated;
    }
    let facts = |change: &dyn Fn(&mut HarmFacts)| {
        let mut form = whole();
        change(form.harm.as_mut().unwrap()[1].facts.as_mut().unwrap());
        form
    };
    let no_median = facts(&|f| {
        (f.median_loss, f.victims_country, f.income_table) = (None, None, None);
    });
    let no_total = facts(&|f| f.total_loss = None);
    let no_income = facts(&|f| f.victims_country = Some("ZZ".into()));
    let edge = facts(&|f| {
        // 25 % of a month's income in Kenya, to the cent, and one less below
        f.total_loss = None;
        f.median_loss = Some(Loss { amount: 3_786, currency: "USD".into(), usd_cents: None, rate_date: None });
    });
    let below = facts(&|f| {
        f.total_loss = None;
        f.median_loss = Some(Loss { amount: 3_785, currency: "USD".into(), usd_cents: None, rate_date: None });
    });
    let mut grown = whole();
    for party in grown.parties.iter_mut().flatten() {
        party.unknown = vec![(77, nested(9))];
    }
    let late = Form { retention_until: Some("2026-10-31T23:59:59+00:00".into()), ..whole() };
    let in_time = Form { retention_until: Some("2026-11-01T23:59:59-01:00".into()), ..whole() };
    let rows = vec![
        row("an empty form", &Form::default()),
        row("a minimum referral", &sample()),
        row("more fields", &full),
        row("fields of a later version, nested as deep as may be", &later),
        row("every field", &whole()),
        row("a batch of complaints", &sample_batch()),
        row("every factor extrapolated from a sample", &sampled),
        row("a total loss alone", &no_median),
        row("a median loss alone", &no_total),
        row("a median loss in a country without a figure", &no_income),
        row("a quarter of a month's income, to the cent", &edge),
        row("a cent less than a quarter of a month's income", &below),
        row("a factor that is not known", &unknown),
        row("what is given needs neither harm nor assistance", &given),
        row("fields of a later version inside a record that has grown", &grown),
        row("kept until a moment before it was made", &late),
        row("kept until a moment of the day on which it was made", &in_time),
    ];
    file("forms.json", "The pro forma, its fields as JSON, and its harm score under the default weights.", rows)
}

// -- messages -------------------------------------------------------------------------------------------------------

/// A hello of harbor's.
pub fn hello(w: &World) -> Hello {
    let h = &w.harbor;
    let first = h.first_entry(&w.network);
    let binding = NodeBinding { peer: Bytes(vec![5; 38]), addrs: vec![], not_after: 3, revoked: false };
    let binding = h.entry(&w.network, None, EntryType::NodeBinding, &binding);
    let (network_id, pid) = (w.network, h.pid());
    Hello { network_id, pid, schema_max: 1, clock: 7, id_log: vec![first], binding: Some(binding) }
}

pub fn messages(w: &World) -> (&'static str, Json) {
    let h = &w.harbor;
    let first = h.first_entry(&w.network);
    let public = public_key(Suite::X25519, &[9; 32]);
    let sealed = seal(Suite::X25519, w.polder.pid(), &public, b"hello", &mut TestRng::new(0)).unwrap();
    let sealed = Bytes(encode(&sealed));
    let want = Want { pid: h.pid(), log: LogKind::Pub, epoch: 1, from: 24 };
    let head = HeadRow { pid: h.pid(), log: LogKind::Id, epoch: 0, next: 1, id: Digest([1; 32]), contested: false };
    let root = |plane| Root { plane, root: Digest([2; 32]) };
    let (thread, piece) = (ThreadId([8; 32]), Digest([3; 32]));
    let ack = Sign1::sign(&h.feed, &w.network, Context::Ack, encode(&Ack { by: h.pid(), entry: first.id() }));
    let heads = ThreadHeads { thread, own: 2, theirs: 1 };
    let given = |receipt: Option<&Sign1>| {
        vec![GivenBack { sealed: sealed.clone(), receipt: receipt.map(|r| Bytes(encode(r))) }]
    };
    let nid: NetworkId = w.network;
    let text = |s: &str| s.to_owned();
    let reached = |outcome| (text("/ip4/192.0.2.7/tcp/7420"), outcome);
    let rows: Vec<(&str, &str, Vec<u8>)> = vec![
        ("hello", "hello", encode(&hello(w))),
        ("hello", "hello without a binding", encode(&Hello { network_id: nid, binding: None, ..hello(w) })),
        ("sync-request", "root", encode(&SyncRequest::Root(root(Plane::Pub)))),
        ("sync-request", "heads", encode(&SyncRequest::Heads(AskHeads { plane: Plane::Agy, buckets: vec![0, 255] }))),
        ("sync-request", "want", encode(&SyncRequest::Want(vec![want]))),
        ("sync-request", "push", encode(&SyncRequest::Push(vec![first.clone()]))),
        ("sync-answer", "equal", encode(&SyncAnswer::Equal(true))),
        ("sync-answer", "buckets", encode(&SyncAnswer::Buckets(vec![[1; 8]; 256]))),
        ("sync-answer", "heads", encode(&SyncAnswer::Heads(vec![head]))),
        ("sync-answer", "batch", encode(&SyncAnswer::Batch(Batch { entries: vec![first], more: true }))),
        ("sync-answer", "acks", encode(&SyncAnswer::Acks(vec![ack.clone()]))),
        ("sync-answer", "refused", encode(&SyncAnswer::Refused(text("not for you")))),
        ("apply-request", "submit", encode(&ApplyRequest::Submit(w.hangang.application(&nid)))),
        ("apply-request", "status", encode(&ApplyRequest::Status(w.hangang.pid()))),
        ("apply-answer", "state", encode(&ApplyAnswer::State(text("submitted")))),
        ("apply-answer", "refused", encode(&ApplyAnswer::Refused(text("full")))),
        ("case-request", "sealed", encode(&CaseRequest::Sealed(sealed.clone()))),
        ("case-request", "level", encode(&CaseRequest::Level(vec![heads]))),
        ("case-answer", "returned", encode(&CaseAnswer::Returned((given(None), false)))),
        ("case-answer", "returned with a receipt", encode(&CaseAnswer::Returned((given(Some(&ack)), true)))),
        ("case-answer", "refused", encode(&CaseAnswer::Refused(text("later")))),
        ("delivered", "refused", encode(&Delivered::Refused((Refusal::Gap, text("message 1 is next"))))),
        ("blob-request-message", "hashes", encode(&lapwing_record::wire::BlobRequest::Pieces((thread, piece, 0)))),
        ("blob-request-message", "piece", encode(&lapwing_record::wire::BlobRequest::Piece((thread, piece, 70_000)))),
        ("blob-answer", "hashes", encode(&BlobAnswer::Pieces((1 << 32, vec![[1; 32], [2; 32]])))),
        ("blob-answer", "piece", encode(&BlobAnswer::Piece(Bytes(vec![0; 300])))),
        ("blob-answer", "refused", encode(&BlobAnswer::Refused(text("no such item of evidence")))),
        ("reach-request", "dial back", encode(&ReachRequest::DialBack(true))),
        ("reach-answer", "tried", encode(&ReachAnswer::Tried(vec![reached(Reached::Ok), reached(Reached::NotTried)]))),
        ("reach-answer", "refused", encode(&ReachAnswer::Refused(text("not so soon again")))),
    ];
    let row = |(rule, name, bytes): (&str, &str, Vec<u8>)| json!({ "name": format!("{rule}: {name}"), "rule": rule, "bytes": hex(bytes) });
    file(
        "messages.json",
        "What nodes say to each other, by the name of its CDDL rule.",
        rows.into_iter().map(row).collect(),
    )
}
