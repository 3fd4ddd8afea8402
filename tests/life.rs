//! The life of a referral, whole: every event between two nodes, and a third for the transfer, by the command line and by
//! the API; each wrong signer, wrong state and wrong ground has its own code.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{ApprovalIn, Draft, EvidenceView, Prepared, ReferralDetail, Said};
use lapwing_record::id::{Digest, base32};
use lapwing_record::statement::{Kind, Signer};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::BTreeSet;
use std::io::Read;
use support::{Running, Town, until};

const PLAIN: &[u8] = b"From: prize@hosting.example\r\nSubject: You won\r\n\r\nSend a fee.\r\n";
const SEALED: &[u8] = b"the list of victims";

struct Scene {
    town: Town,
    _nodes: Vec<Running>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

impl Scene {
    fn new() -> Self {
        let town = Town::founded(&["harbour", "polder", "savanna"]);
        let mut nodes = vec![town.start("harbour", &[])];
        let boot = town.address("harbour");
        nodes.push(town.start("polder", &boot));
        nodes.push(town.start("savanna", &[boot, town.address("polder")].concat()));
        let scene = Scene { town, _nodes: nodes };
        for (at, of) in [("harbour", "polder"), ("polder", "harbour"), ("polder", "savanna"), ("savanna", "polder")] {
            scene.sealable(at, of);
        }
        for name in ["harbour", "polder"] {
            scene.contact(name);
        }
        scene
    }

    fn sealable(&self, at: &str, of: &str) {
        until(&format!("{at} can seal to {of}"), 60, || {
            let detail: Value = self.town.client(at, Op::Member)?.read(Op::Member, &[of], &[]).ok()?;
            (detail["sealable"] == true).then_some(())
        });
    }

    fn contact(&self, name: &str) {
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [],
            "languages": ["en"], "hours": [], "time_zone": "Europe/London",
            "ways": [{ "kind": "email", "value": "x@harbour.example" }], "deputy": null,
            "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
        });
        self.call(name, Op::ContactPublish, &[], &contact).unwrap();
    }

    fn call(&self, name: &str, op: Op, path: &[&str], body: &Value) -> Result<Value, Problem> {
        self.town.client(name, op).unwrap().call(op, path, &[], body)
    }

    fn detail(&self, name: &str, thread: &str) -> ReferralDetail {
        self.town.client(name, Op::Referral).unwrap().read(Op::Referral, &[thread], &[]).unwrap()
    }

    /// Waits until both sides hold the same statements, and agree on what follows.
    fn level(&self, thread: &str) -> ReferralDetail {
        until("both sides hold the same", 30, || {
            let (a, b) = (self.detail("harbour", thread), self.find("polder", thread)?);
            let ids = |d: &ReferralDetail| d.timeline.iter().map(|s| s.id.clone()).collect::<BTreeSet<_>>();
            let settled = |d: &ReferralDetail| d.timeline.iter().all(|s| s.delivery != "queued");
            if ids(&a) != ids(&b) || !settled(&a) || !settled(&b) {
                return None;
            }
            assert_eq!(a.row.stage, b.row.stage);
            assert_eq!(a.life.items, b.life.items);
            assert_eq!(serde_json::to_value(&a.form).unwrap(), serde_json::to_value(&b.form).unwrap());
            Some(a)
        })
    }

    fn find(&self, name: &str, thread: &str) -> Option<ReferralDetail> {
        self.town.client(name, Op::Referral)?.read(Op::Referral, &[thread], &[]).ok()
    }

    fn upload(&self, name: &str, thread: &str, file: &str, content: &[u8]) -> EvidenceView {
        let query = [("name", file.to_owned()), ("media_type", "text/plain".into()), ("sha256", sha256(content))];
        let client = self.town.client(name, Op::EvidencePut).unwrap();
        client.upload(Op::EvidencePut, &[thread], &query, content, content.len() as u64).unwrap()
    }

    /// Submits a referral with three items of assistance, an open and a held-back item of evidence.
    fn submitted(&self, change: impl Fn(&mut Value)) -> String {
        let draft: Draft = serde_json::from_value(self.call("harbour", Op::Drafts, &[], &json!({})).unwrap()).unwrap();
        self.upload("harbour", &draft.thread, "mail.eml", PLAIN);
        self.upload("harbour", &draft.thread, "victims.txt", SEALED);
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["evidence"] = json!([manifest("mail.eml", PLAIN, false), manifest("victims.txt", SEALED, true)]);
        let kinds = ["identify", "obtain_evidence", "takedown"];
        form["assistance"] =
            kinds.iter().map(|kind| json!({ "kind": kind, "description": "Please." })).collect::<Vec<_>>().into();
        form["confidentiality_requested"] = json!(true);
        form["onward"] = json!("ask");
        form["kind"] = json!("request_information");
        change(&mut form);
        let body = json!({ "to": "polder", "form": form });
        self.call("harbour", Op::Submit, &[&draft.thread], &body).unwrap();
        draft.thread
    }

    fn say(&self, name: &str, thread: &str, said: &Value) -> Result<String, Code> {
        let said = self.call(name, Op::Say, &[thread], said).map_err(|p| p.code)?;
        Ok(serde_json::from_value::<Said>(said).unwrap().id)
    }

    /// Says something, and waits until the other side has it.
    fn told(&self, name: &str, thread: &str, said: &Value) -> String {
        let id = self.call(name, Op::Say, &[thread], said).unwrap_or_else(|p| panic!("{said}: {p:?}"));
        self.level(thread);
        id["id"].as_str().unwrap().to_owned()
    }

    fn refused(&self, name: &str, thread: &str, said: &Value, code: Code) {
        assert_eq!(self.say(name, thread, said), Err(code), "{name}: {said}");
    }

    /// What officers approve: prepared, signed, said.
    fn approved(&self, name: &str, thread: &str, said: &Value) -> Result<(), Code> {
        let prepared = self.call(name, Op::Prepare, &[thread], said).map_err(|p| p.code)?;
        let prepared: Prepared = serde_json::from_value(prepared).unwrap();
        let key = lapwing_node::keys::read_key(
            std::path::Path::new(&self.town.officer(name)),
            lapwing_node::keys::KeyKind::Officer,
            None,
        );
        let key = lapwing_record::sign::SecretKey::from_seed(*key.unwrap());
        let bytes: Vec<u8> = (0..prepared.bytes.len() / 2)
            .map(|i| u8::from_str_radix(&prepared.bytes[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let network = prepared.network_id.parse().unwrap();
        let signed =
            lapwing_record::sign::Detached::sign(&key, &network, lapwing_record::sign::Context::Approve, &bytes);
        let approval = ApprovalIn { kid: signed.kid.to_string(), signature: hex(&signed.signature) };
        let mut said = said.clone();
        said["approvals"] = json!([approval]);
        self.say(name, thread, &said)?;
        self.level(thread);
        Ok(())
    }

    /// Runs `lapwing case …` on a node.
    fn case(&self, name: &str, args: &[&str]) -> Value {
        self.town.of(name, &[&["case"], args].concat())
    }

    /// Runs a verb that must be refused.
    fn no(&self, name: &str, args: &[&str], code: Code) {
        let data = self.town.text(name);
        let (_, problem) = support::problem(&[&["--data", data.as_str(), "case"], args].concat());
        assert_eq!(problem.code, code, "{args:?}: {}", problem.detail);
    }

    fn evidence(&self, name: &str, thread: &str, file: &str) -> Option<EvidenceView> {
        self.detail(name, thread).evidence.into_iter().find(|e| e.name == file)
    }

    /// Fetches an item once its key is here; its content.
    fn fetched(&self, name: &str, thread: &str, file: &str) -> Vec<u8> {
        let item = until(&format!("{name} has the key of {file}"), 30, || {
            self.evidence(name, thread, file).filter(|e| e.state != "announced")
        });
        self.call(name, Op::EvidenceFetch, &[thread, &item.blob], &json!({})).unwrap();
        until("it has come", 30, || self.evidence(name, thread, file).filter(|e| e.state == "here"));
        let client = self.town.client(name, Op::EvidenceGet).unwrap();
        let (mut content, _) = client.download(Op::EvidenceGet, &[thread, &item.blob], &[]).unwrap();
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

fn manifest(name: &str, content: &[u8], held_back: bool) -> Value {
    let sha: [u8; 32] = sha2::Sha256::digest(content).into();
    let mut item = json!({
        "name": name, "media_type": "text/plain", "size": content.len(),
        "blake3": base32(blake3::hash(content).as_bytes()), "sha256": base32(&sha),
        "method": "user_complaint", "original": true,
    });
    if held_back {
        item["held_back"] = json!(true);
    }
    item
}

/// A body of every kind, right in form; `id` stands for whatever it names.
fn of_kind(kind: Kind, id: &str, third: &str) -> Value {
    let body = |body: Value| json!({ "kind": kind.code(), "body": body });
    let text = || json!({ "kind": kind.code(), "text": "Words." });
    let blob = base32(&Digest([7; 32]).0);
    match kind {
        Kind::Submit => Value::Null,
        Kind::Acknowledge => body(json!({ "own_reference": "P-1", "assurance": "assured" })),
        Kind::NeedInfo | Kind::Supplement | Kind::DelayReasons | Kind::Feedback | Kind::Reminder => text(),
        Kind::Decide => body(json!({ "items": [{ "item": 0, "decision": "accept" }] })),
        Kind::Withdraw | Kind::Close => json!({ "kind": kind.code() }),
        Kind::BlobGrant | Kind::BlobRequest => json!({ "kind": kind.code(), "blobs": [blob] }),
        Kind::Progress => body(json!({ "text": "Words." })),
        Kind::Extend => body(json!({ "what": "deliver", "until": 1_900_000_000_000_u64, "reason": "Words." })),
        Kind::ResultInterim | Kind::ResultFinal => {
            body(json!({ "items": [0], "measure": "Order", "outcome": "identified", "text": "Words." }))
        }
        Kind::TransferProposed => body(json!({ "to": third, "items": [2], "why": "Words." })),
        Kind::TransferConsent => body(json!({ "proposal": id, "granted": true })),
        Kind::Transferred => Value::Null,
        Kind::Recall => body(json!({ "reason": "sent_in_error" })),
        Kind::RecallAnswer => body(json!({ "recall": id, "attested": "destroyed" })),
        Kind::Reopen => body(json!({ "items": [], "reason": "Words." })),
        Kind::Dispute => body(json!({ "about": "urgency", "text": "Words." })),
        Kind::CompelledDisclosureNotice => body(json!({ "law": "Act", "to_whom": "A paper", "what": "The subject." })),
        Kind::Assess => body(json!({ "harm": [{ "factor": "victims", "band": 3, "basis": "provider_data" }] })),
        Kind::Seen => json!({ "kind": kind.code(), "upto": id }),
        Kind::ConsentRequest => body(json!({ "scope": { "judicial_use": true }, "reason": "Words." })),
        Kind::Consent => body(json!({ "granted": true, "scope": { "domestic": true } })),
        Kind::JointPlan => body(json!({
            "joint": base32(&[4; 32]), "version": 1, "title": "Prizes", "tasks": [{ "n": 1, "what": "Ask the host." }],
        })),
        Kind::JointTask => body(json!({ "joint": base32(&[4; 32]), "n": 1, "state": "taken" })),
    }
}

/// By the command line: every event, and the refusals that people meet.
fn by_hand(scene: &Scene) {
    let thread = scene.submitted(|_| {});
    let t = thread.as_str();
    scene.level(t);
    let (key, file) = (scene.town.officer("polder"), scene.town.text("more.txt"));
    std::fs::write(&file, "a thirteenth complaint").unwrap();
    let change = scene.town.text("change.toml");
    std::fs::write(&change, "volume = 300000\nlaw_breached = \"Spam Act, section 16\"\n").unwrap();

    // asked, answered, acknowledged
    scene.case("polder", &["ask", t, "Which address?"]);
    assert_eq!(scene.level(t).row.stage, "info_needed");
    scene.case("harbour", &["answer", t, "The first.", "--form", &change, "--evidence", &file]);
    let now = scene.level(t);
    let form = now.form.unwrap();
    assert_eq!((now.row.stage.as_str(), form.volume, form.evidence.unwrap().len()), ("submitted", Some(300_000), 3));
    assert_eq!(now.life.form_history.len(), 2);
    assert_eq!(scene.fetched("polder", t, "more.txt"), b"a thirteenth complaint");
    scene.no("harbour", &["evidence", "release", t, "victims.txt"], Code::NotAssured);
    let signed = ["--officer-key", key.as_str(), "--yes"];
    scene.case(
        "polder",
        &[
            &["acknowledge", t, "--reference", "P-1", "--assurance", "assured_subject_to", "--note", "FOI Act"],
            &signed[..],
        ]
        .concat(),
    );
    assert_eq!(scene.level(t).row.stage, "acknowledged");

    // harm, side by side; a dispute about it
    scene.case("polder", &["assess", t, "--factor", "victims=1:provider_data", "--factor", "gravity=1:provider_data"]);
    scene.case("harbour", &["dispute", t, "--about", "harm", "There are more."]);
    let both = scene.level(t).life.assessments;
    assert_eq!(both.iter().map(|a| a.by.as_str()).collect::<Vec<_>>(), ["requester", "target"]);
    assert_ne!(both[0].harm, both[1].harm);

    // decided: held-back evidence goes out by itself
    assert_eq!(scene.evidence("polder", t, "victims.txt").unwrap().state, "announced");
    scene.no(
        "polder",
        &[&["decide", t, "--item", "1=refuse:insufficient_information", "--item", "7=accept"], &signed[..]].concat(),
        Code::WrongReference,
    );
    let decide = [
        "decide",
        t,
        "--item",
        "0=accept",
        "--item",
        "1=refuse:outside_competence",
        "--suggest",
        "1=savanna",
        "--item",
        "2=defer:2030-01-31",
    ];
    scene.case("polder", &[&decide[..], &signed[..]].concat());
    assert_eq!(scene.level(t).row.stage, "partly_decided");
    assert_eq!(scene.fetched("polder", t, "victims.txt"), SEALED);

    // on the way
    scene.case("polder", &["progress", t, "The provider answered.", "--expected", "2030-01-31"]);
    scene.case("polder", &["extend", t, "--what", "deliver", "--until", "2030-06-30", "--reason", "A court is asked."]);
    scene.case("polder", &["delay", t, "Two people are ill."]);
    let due = scene.level(t).life.due;
    let deliver = due.iter().find(|d| d.what == "deliver").unwrap();
    assert!(deliver.by.starts_with("2030-06-") && deliver.target < deliver.by && !deliver.overdue, "{deliver:?}");
    scene.case("harbour", &["remind", t, "The logs expire."]);
    scene.no("harbour", &["remind", t], Code::TooSoon);

    // a joint case of the two
    scene.level(t);
    let joint = ["joint", "plan", t, "--joint", "new", "--title", "Prizes", "--task", "Ask the host."];
    let joint = scene.town.of("harbour", &joint)["joint"].as_str().unwrap().to_owned();
    scene.level(t);
    scene.town.of("polder", &["joint", "task", t, "--joint", &joint[..8], "--n", "1", "--state", "taken"]);
    scene.level(t);

    // passed on to a third agency
    scene.level(t);
    scene.case("polder", &["transfer", "propose", t, "--to", "savanna", "--item", "2", "--why", "The host is there."]);
    scene.level(t);
    scene.no("polder", &["transfer", "send", t, "--contact", "intake"], Code::ConsentNeeded);
    scene.case("harbour", &["transfer", "consent", t, "--conditions", "H1 stands."]);
    scene.level(t);
    let new = scene.case("polder", &["transfer", "send", t, "--contact", "intake", "--reference", "P-1/2"]);
    let new = new["thread"].as_str().unwrap().to_owned();
    let again = scene.case("polder", &["transfer", "send", t, "--contact", "intake"]);
    assert_eq!(again["thread"].as_str(), Some(new.as_str()), "nothing is sent twice");
    let there = until("the third agency has it", 30, || scene.find("savanna", &new));
    let origin = there.form.clone().unwrap().transferred_from.unwrap();
    assert_eq!((origin.thread.to_string(), origin.consent.is_some()), (thread.clone(), true));
    let custody = there.form.unwrap().evidence.unwrap()[0].custody.clone().unwrap();
    assert_eq!(custody.last().unwrap().what.code(), "transferred");
    assert_eq!(scene.fetched("savanna", &new, "victims.txt"), SEALED);
    let told = until("the requester is told", 30, || {
        let transfers = scene.detail("harbour", t).life.transfers;
        transfers.into_iter().find(|t| t.state == "transferred")
    });
    assert_eq!(told.thread.as_deref(), Some(new.as_str()));

    // results, with evidence the other way, released further on consent
    let result = [
        "result",
        t,
        "--item",
        "0",
        "--measure",
        "Order to the provider",
        "--outcome",
        "identified",
        "--text",
        "A company.",
    ];
    let answer = scene.town.text("answer.txt");
    std::fs::write(&answer, "the provider's answer").unwrap();
    scene.case("polder", &[&result[..], &["--evidence", &answer, "--tlp", "red", "--handling-code", "H1"]].concat());
    scene.level(t);
    assert_eq!(scene.fetched("harbour", t, "answer.txt"), b"the provider's answer");
    scene.no(
        "polder",
        &["result", t, "--item", "1", "--measure", "x", "--outcome", "none", "--text", "x"],
        Code::WrongState,
    );
    scene.case("polder", &[&result[..], &["--final"]].concat());
    assert_eq!(scene.level(t).row.stage, "answered");
    scene.case("harbour", &["consent", "ask", t, "--judicial-use", "--reason", "A hearing."]);
    scene.level(t);
    scene.case("polder", &["consent", "give", t, "--judicial-use", "--until", "2031-01-01"]);
    scene.case("harbour", &["consent", "give", t, "--unasked", "--onward", "savanna"]);
    scene.level(t);
    scene.case("harbour", &["consent", "refuse", t, "--unasked"]);
    let consents = scene.level(t).life.consents;
    let by: Vec<(&str, bool)> = consents.iter().map(|c| (c.by.as_str(), c.judicial_use)).collect();
    assert_eq!(by, [("requester", false), ("target", true)], "the transfer's, and the one that stands");
    scene.case("harbour", &["feedback", t, "It led to a fine."]);
    scene.case("harbour", &["seen", t]);
    assert!(scene.level(t).life.read_by_requester.is_some());
    scene.case("polder", &["disclosed", t, "--law", "FOI Act", "--to", "A paper", "--what", "The subject."]);

    // opened again, closed, taken back, recalled
    scene.case("harbour", &["reopen", t, "--item", "1", "--reason", "New evidence."]);
    assert_eq!(scene.level(t).row.stage, "partly_decided");
    scene.case("harbour", &["close", t]);
    assert_eq!(scene.level(t).row.stage, "closed");
    scene.no("polder", &["progress", t, "late"], Code::WrongState);
    scene.case("harbour", &["reopen", t, "--reason", "Too early."]);
    assert_eq!(scene.level(t).row.stage, "partly_decided");
    scene.case("harbour", &["withdraw", t, "--note", "settled"]);
    assert_eq!(scene.level(t).row.stage, "withdrawn");
    scene.case("harbour", &["recall", t, "--reason", "court_order"]);
    assert_eq!(scene.level(t).row.stage, "recalled");
    let waits = |code: &str| scene.town.status("polder").unwrap().todo.iter().any(|t| t.code == code);
    assert!(waits("recall_waits") && !waits("item_overdue"));
    scene.case("polder", &["recall-answer", t, "--retained-under", "Archives Act"]);
    scene.no("polder", &["recall-answer", t, "--destroyed"], Code::WrongState);
    assert!(!waits("recall_waits"));
    let all = scene.level(t);
    let said: BTreeSet<&str> = all.timeline.iter().map(|s| s.kind.as_str()).collect();
    let missing: Vec<&str> =
        Kind::ALL.iter().map(|k| k.code()).filter(|k| !said.contains(k) && *k != "blob_request").collect();
    assert!(missing.is_empty(), "not said by hand: {missing:?}");
    assert!(all.timeline.iter().all(|s| s.delivery == "stored" || s.delivery == "received"), "nothing was refused");
    // the file holds, as a third party checks it
    let bundle = scene.town.text("case.bundle");
    scene.case("polder", &["export", t, "-o", &bundle]);
    let report = support::json(&["verify", &bundle]);
    assert_eq!(report["report"]["statements"].as_array().map(Vec::len), Some(all.timeline.len()), "{report}");
}

/// By the API: every event again; every wrong signer, state and ground.
fn by_program(scene: &Scene) {
    let third = scene.town.client("harbour", Op::Member).unwrap();
    let third: Value = third.read(Op::Member, &["savanna"], &[]).unwrap();
    let third = third["pid"].as_str().unwrap().to_owned();
    let thread = scene.submitted(|_| {});
    let t = thread.as_str();
    scene.level(t);
    let submit = scene.detail("harbour", t).timeline[0].id.clone();
    let nothing = base32(&[9; 32]);
    let of = |kind: Kind, id: &str| of_kind(kind, id, &third);
    let body = |kind: Kind, body: Value| json!({ "kind": kind.code(), "body": body });
    let said: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|k| !matches!(k, Kind::Submit | Kind::Transferred)).collect();

    // who says what is fixed
    for kind in &said {
        let wrong = match kind.signer() {
            Signer::Requester => "polder",
            Signer::Target => "harbour",
            Signer::Either => continue,
        };
        scene.refused(wrong, t, &of(*kind, &submit), Code::NotYourTurn);
    }
    // what names something names what is there
    for (name, kind) in [
        ("polder", Kind::RecallAnswer),
        ("harbour", Kind::TransferConsent),
        ("harbour", Kind::Seen),
        ("harbour", Kind::BlobRequest),
        ("polder", Kind::BlobGrant),
    ] {
        scene.refused(name, t, &of(kind, &nothing), Code::WrongReference);
    }
    let unasked = json!({ "request": nothing, "granted": true, "scope": { "domestic": true } });
    scene.refused("harbour", t, &body(Kind::Consent, unasked), Code::WrongReference);
    let itself = json!({ "to": third, "items": [9], "why": "x" });
    scene.refused("polder", t, &body(Kind::TransferProposed, itself), Code::WrongReference);
    let of_nothing = json!({ "about": "decision", "item": 0, "text": "x" });
    scene.refused("polder", t, &body(Kind::Dispute, of_nothing), Code::WrongReference);
    // not before what it rests on
    for (name, kind) in [("polder", Kind::ResultFinal), ("harbour", Kind::Feedback), ("harbour", Kind::Reopen)] {
        scene.refused(name, t, &of(kind, &submit), Code::WrongState);
    }
    // grounds
    let refuse = |ground: &str, more: Value| {
        let mut item = json!({ "item": 0, "decision": "refuse", "ground": ground });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body(Kind::Decide, json!({ "items": [item] }))
    };
    let prepare = |said: &Value| scene.call("polder", Op::Prepare, &[t], said).map(|_| ()).map_err(|p| p.code);
    assert_eq!(prepare(&refuse("insufficient_information", json!({}))), Err(Code::WrongGround));
    assert_eq!(prepare(&refuse("participant_suspended", json!({}))), Err(Code::WrongGround));
    assert_eq!(prepare(&refuse("duplicate_of", json!({}))), Err(Code::Invalid));
    assert_eq!(prepare(&refuse("resources_unavailable", json!({}))), Err(Code::Invalid));
    assert_eq!(prepare(&refuse("reasons_withheld", json!({ "suggested": third }))), Err(Code::Invalid));
    for (ground, more) in [
        ("reasons_withheld", json!({})),
        ("duplicate_of", json!({ "duplicate_of": "HB-1" })),
        ("resources_unavailable", json!({ "retry_after": 1_900_000_000_000_u64 })),
        ("outside_competence", json!({ "suggested": third })),
    ] {
        assert_eq!(prepare(&refuse(ground, more)), Ok(()), "{ground}");
    }

    // the same life again
    scene.told("polder", t, &of(Kind::NeedInfo, ""));
    assert_eq!(prepare(&refuse("insufficient_information", json!({}))), Ok(()), "after asking");
    scene.upload("harbour", t, "late.txt", b"late");
    let bad = json!({ "kind": "supplement", "text": "x", "form": { "retention_until": "soon" } });
    scene.refused("harbour", t, &bad, Code::Invalid);
    let late = json!({ "kind": "supplement", "text": "Late.", "form": {
        "evidence": [manifest("late.txt", b"late", false)], "subject_line": "Prize mails, again",
    } });
    scene.told("harbour", t, &late);
    assert_eq!(scene.level(t).row.subject.as_deref(), Some("Prize mails, again"));
    scene.approved("polder", t, &of(Kind::Acknowledge, "")).unwrap();
    assert_eq!(scene.approved("polder", t, &of(Kind::Acknowledge, "")), Err(Code::WrongState));
    let blob = scene.evidence("polder", t, "victims.txt").unwrap().blob;
    scene.told("polder", t, &json!({ "kind": "blob_request", "blobs": [blob] }));
    assert_eq!(scene.evidence("polder", t, "victims.txt").unwrap().state, "announced", "a person releases it");
    scene.told("harbour", t, &json!({ "kind": "blob_grant", "blobs": [blob] }));
    assert_eq!(scene.fetched("polder", t, "victims.txt"), SEALED);
    scene.approved("polder", t, &of(Kind::Decide, "")).unwrap();
    for kind in [Kind::Progress, Kind::Extend, Kind::DelayReasons, Kind::ResultInterim] {
        scene.told("polder", t, &of(kind, ""));
    }
    scene.refused("polder", t, &of(Kind::JointTask, ""), Code::WrongReference);
    for (name, kind) in [
        ("harbour", Kind::JointPlan),
        ("polder", Kind::JointTask),
        ("harbour", Kind::Reminder),
        ("harbour", Kind::Dispute),
        ("polder", Kind::Assess),
        ("harbour", Kind::Assess),
        ("polder", Kind::CompelledDisclosureNotice),
        ("polder", Kind::Consent),
    ] {
        scene.told(name, t, &of(kind, ""));
    }
    scene.refused("harbour", t, &of(Kind::Reminder, ""), Code::TooSoon);
    scene.refused("harbour", t, &of(Kind::JointPlan, ""), Code::WrongState);
    scene.refused("polder", t, &of(Kind::JointPlan, ""), Code::NotYourTurn);
    scene.refused("harbour", t, &of(Kind::JointTask, ""), Code::NotYourTurn);
    let asked = scene.told("polder", t, &of(Kind::ConsentRequest, ""));
    let answer = json!({ "request": asked, "granted": false, "conditions": "No." });
    scene.told("harbour", t, &body(Kind::Consent, answer));
    scene.told("polder", t, &of(Kind::Seen, &submit));

    let proposal = scene.told("polder", t, &of(Kind::TransferProposed, ""));
    let send = json!({ "proposal": proposal, "poc_ref": "intake" });
    let pass_on = |name: &str| scene.call(name, Op::PassOn, &[t], &send).map_err(|p| p.code);
    assert_eq!(pass_on("polder"), Err(Code::ConsentNeeded));
    scene.told("harbour", t, &of(Kind::TransferConsent, &proposal));
    scene.refused("harbour", t, &of(Kind::TransferConsent, &proposal), Code::WrongState);
    assert_eq!(pass_on("harbour"), Err(Code::NotYourTurn));
    pass_on("polder").unwrap();
    until("the requester is told", 30, || {
        let said = scene.detail("harbour", t).timeline;
        said.iter().any(|s| s.kind == "transferred").then_some(())
    });
    scene.level(t);
    scene.told("polder", t, &of(Kind::ResultFinal, ""));
    scene.told("harbour", t, &of(Kind::Feedback, ""));
    scene.told("harbour", t, &of(Kind::Close, ""));
    for kind in said.iter().filter(|k| k.signer() == Signer::Target && k.act().is_none()) {
        let free = matches!(kind, Kind::CompelledDisclosureNotice | Kind::RecallAnswer);
        if !free {
            scene.refused("polder", t, &of(*kind, &submit), Code::WrongState);
        }
    }
    assert_eq!(prepare(&of(Kind::Decide, "")), Err(Code::WrongState));
    scene.told("harbour", t, &of(Kind::Reopen, ""));
    scene.told("harbour", t, &of(Kind::Withdraw, ""));
    scene.refused("harbour", t, &of(Kind::Withdraw, ""), Code::WrongState);
    let recall = scene.told("harbour", t, &of(Kind::Recall, ""));
    scene.refused("harbour", t, &of(Kind::Recall, ""), Code::WrongState);
    scene.refused("harbour", t, &of(Kind::Reopen, ""), Code::WrongState);
    scene.told("polder", t, &of(Kind::RecallAnswer, &recall));
    let all = scene.level(t);
    assert_eq!(all.row.stage, "recalled");
    let kinds: BTreeSet<&str> = all.timeline.iter().map(|s| s.kind.as_str()).collect();
    let missing: Vec<&str> = Kind::ALL.iter().map(|k| k.code()).filter(|k| !kinds.contains(k)).collect();
    assert!(missing.is_empty(), "not said by program: {missing:?}");

    // a target orders what waits for it by harm; nothing is overdue yet
    let small = scene
        .submitted(|form| form["harm"] = json!([{ "factor": "victims", "band": 0, "basis": "counted_complaints" }]));
    let great = scene.submitted(|form| {
        form["harm"] = json!([
            { "factor": "victims", "band": 5, "basis": "counted_complaints" },
            { "factor": "financial", "band": 5, "basis": "counted_complaints" },
        ]);
    });
    for thread in [&small, &great] {
        scene.level(thread);
    }
    let list = |query: &[(&str, String)]| -> Vec<String> {
        let client = scene.town.client("polder", Op::Referrals).unwrap();
        let page: Value = client.read(Op::Referrals, &[], query).unwrap();
        page["items"].as_array().unwrap().iter().map(|r| r["thread"].as_str().unwrap().to_owned()).collect()
    };
    let by_harm = list(&[("order", "harm".into()), ("stage", "submitted".into()), ("role", "target".into())]);
    assert_eq!(by_harm, [great, small]);
    assert!(list(&[("overdue", "true".into())]).is_empty());
}

/// An agency of another country that takes part after the founders.
fn join(town: &Town, name: &str, boot: &[String]) -> Running {
    town.init(name, "telecommunications_authority", Some("charter.lapwing"));
    let node = town.start(name, boot);
    let client = |op| town.client("harbour", op).unwrap();
    let pid = until("the application is there", 60, || {
        let list: Value = client(Op::Applications).read(Op::Applications, &[], &[]).ok()?;
        Some(list["items"].as_array()?.first()?["pid"].as_str()?.to_owned())
    });
    let _: Value = client(Op::Introduce).call(Op::Introduce, &[&pid], &[], &json!({})).unwrap();
    until("it takes part", 60, || {
        let all = ["harbour", "polder", name].map(|at| town.standing(at, &pid));
        all.iter().all(|s| s.as_deref() == Some("participant")).then_some(())
    });
    node
}

#[test]
fn a_transfer_is_told_after_a_crash_and_a_suspension_recalls_what_was_sent() {
    let town = Town::founded(&["harbour", "polder"]);
    let harbour = town.start("harbour", &[]);
    let boot = town.address("harbour");
    let mut nodes = vec![harbour, town.start("polder", &boot)];
    let mut savanna = join(&town, "savanna", &boot);
    let mut scene = Scene { town, _nodes: Vec::new() };
    for (at, of) in [("harbour", "polder"), ("polder", "harbour"), ("polder", "savanna"), ("savanna", "polder")] {
        scene.sealable(at, of);
    }
    for name in ["harbour", "polder"] {
        scene.contact(name);
    }
    let thread = scene.submitted(|_| {});
    let t = thread.as_str();
    scene.level(t);
    scene.case("polder", &["transfer", "propose", t, "--to", "savanna", "--item", "1", "--why", "The host is there."]);
    scene.level(t);
    scene.case("harbour", &["transfer", "consent", t]);
    scene.level(t);
    // passed on while the new agency is away, and the node dies before it comes back
    savanna.kill();
    let new =
        scene.case("polder", &["transfer", "send", t, "--contact", "intake"])["thread"].as_str().unwrap().to_owned();
    nodes.remove(1).kill();
    savanna = scene.town.start("savanna", &boot);
    nodes.push(scene.town.start("polder", &boot));
    let told = until("the requester is told", 60, || {
        let said = scene.detail("harbour", t).timeline;
        said.into_iter().find(|s| s.kind == "transferred")
    });
    assert_eq!(told.body["thread"].as_str(), Some(new.as_str()));
    assert_eq!(scene.level(t).life.items["1"], "transferred");

    // an agency that has a case of ours is suspended: what it has is recalled, and it answers
    let key = scene.town.officer("harbour");
    scene.town.of("harbour", &["vote", "object", "savanna", "--officer-key", &key, "--yes"]);
    let recalled =
        until("the recall has come", 60, || scene.find("savanna", &new).filter(|case| case.row.stage == "recalled"));
    let recall = recalled.timeline.iter().find(|s| s.kind == "recall").unwrap();
    assert_eq!((recall.body["reason"].as_str(), recall.from.as_str()), (Some("suspended"), "polder"));
    scene.case("savanna", &["recall-answer", &new, "--destroyed"]);
    until("its answer is taken", 60, || {
        let case = scene.find("polder", &new)?;
        case.timeline.iter().find(|s| s.kind == "recall_answer" && s.delivery == "received").map(drop)
    });
    scene.refused("savanna", &new, &of_kind(Kind::Seen, &recall.id, ""), Code::Standing);
    // the requester's own case with the one that is not suspended goes on
    assert_eq!(scene.detail("harbour", t).row.stage, "partly_decided");
    scene._nodes = nodes;
    drop(savanna);
}

#[test]
fn a_referral_lives_its_whole_life_by_hand_and_by_program() {
    let scene = Scene::new();
    by_hand(&scene);
    by_program(&scene);
}
