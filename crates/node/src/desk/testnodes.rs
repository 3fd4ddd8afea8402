//! Two whole nodes without a network, and what their desks do: a case from draft to export.

#![allow(clippy::unwrap_used)]

use super::{Desk, PeersView, Progress, Transfers, hex};
use crate::book::{Book, BookError};
use crate::config::Settings;
use crate::driver::{Driver, Outward};
use crate::folder::{self, Folder};
use crate::office::{Office, Parts, View, now_ms};
use crate::post;
use crate::search::saved::SavedSearches;
use crate::search::{Search, Since, Touched};
use crate::tokens::Tokens;
use crate::vault::Vault;
use crate::watch::Watch;
use lapwing_api::ops::{Op, Role};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, Caller, EventId, Later, Reply, Service};
use lapwing_api::types::{ApplicationState, Peer, Reach, ReferralDetail};
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::step::{Command, Input};
use lapwing_record::bundle::Bundle;
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::EntryType;
use lapwing_record::form::{CollectionMethod, EvidenceItem, Form, ReferralKind, sample, whole};
use lapwing_record::id::{Digest, NetworkId, Pid, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::Approval;
use lapwing_record::seal::Suite;
use lapwing_record::statement::{Delivered, Kind};
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_record::wire::CaseRequest;
use lapwing_store::blobs::BlobStore;
use lapwing_store::disk::os::OsDisk;
use lapwing_store::index::Index;
use lapwing_store::journal::{Journal, Options};
use lapwing_store::keyring::Keyring;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;

mod searching;

struct Nobody;

impl PeersView for Nobody {
    fn peers(&self, _: &View) -> Vec<Peer> {
        Vec::new()
    }
    fn peer_id(&self) -> String {
        "none".into()
    }
    fn listening(&self) -> Vec<String> {
        Vec::new()
    }
    fn reach(self: Arc<Self>, _: Option<Pid>) -> Later<'static, Result<Reach, Problem>> {
        Box::pin(async { Err(Problem::new(Code::Unreachable, "nobody is there")) })
    }
    fn application(&self, _: &View) -> ApplicationState {
        ApplicationState { state: "founder".into(), submitted_to: vec![], next: String::new() }
    }
}

/// Copies evidence from the other node's store.
struct Copying {
    office: Arc<Office>,
    other: OnceLock<Arc<Office>>,
}

impl Transfers for Copying {
    fn start(self: Arc<Self>, thread: ThreadId, blob: Digest) -> Result<(), Problem> {
        let mut theirs = self.other.get().unwrap().blobs.open_blob(&blob.0).unwrap();
        let mut writer = self.office.blobs.create().unwrap();
        for piece in 0..theirs.pieces().unwrap().count() {
            writer.write(&theirs.read_piece(piece).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        tokio::spawn(async move { self.office.tell(Input::BlobHere { thread, b3_cipher: blob }).await });
        Ok(())
    }
    fn progress(&self, _: &Digest) -> Option<Progress> {
        None
    }
}

struct TestNode {
    agency: TestAgency,
    office: Arc<Office>,
    desk: Desk,
    folder: Folder,
    _dir: tempfile::TempDir,
}

fn start(agency: &TestAgency, file: &CharterFile) -> (TestNode, Arc<Copying>, mpsc::UnboundedReceiver<Outward>) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path().join("data"));
    folder.create().unwrap();
    folder::create_dir(&folder.uploads()).unwrap();
    std::fs::write(folder.charter(), encode(file)).unwrap();
    let network = file.charter.network_id();
    let disk: Arc<dyn lapwing_store::disk::Disk> = Arc::new(OsDisk);
    let (journal, _) = Journal::open(disk.clone(), &folder.journal(), Options::default()).unwrap();
    let keyring = Keyring::open(disk.clone(), &folder.keyring(), [1; 32]).unwrap();
    let first = agency.first_entry(&network);
    let own = IdLog::fold(agency.pid(), [&first], &network).unwrap();
    let mut engine = Engine::new(file, own, vec![first], Config { auto_clear: true, seed: 1 });
    let resumed = engine.resume(now_ms(), Vec::new(), false, &[]);
    let (office, orders) = Office::new(Parts {
        me: agency.pid(),
        network,
        settings: Settings::default(),
        erasures: folder.erasures(),
        vault: Vault::new(agency.pid(), network, agency.feed.clone(), keyring).unwrap(),
        book: Book {
            journal: journal.reader(),
            index: Index::open(&folder.index(), 1 << 20).unwrap(),
            places: Default::default(),
        },
        blobs: BlobStore::open(disk, &folder.blobs()).unwrap(),
        search: {
            let search = Search::open(&folder.search(), &[2; 32]).unwrap();
            search.begin(engine.state(), Since::new(None));
            search
        },
        searches: SavedSearches::open(&folder.searches(), &[2; 32]).unwrap(),
        view: View::of(&engine, None),
    });
    let (outward, effects) = mpsc::unbounded_channel();
    let driver = Driver {
        engine,
        journal,
        office: office.clone(),
        orders,
        outward,
        highwater: folder.highwater(),
        lagging: false,
        index_behind: None,
        rebuild: Box::new(|| -> Result<Engine, BookError> { unreachable!("no disk is full here") }),
        waiting: Default::default(),
        next_reply: 1,
        own: Default::default(),
    };
    tokio::spawn(async move { drop(driver.run(resumed).await.unwrap()) });
    tokio::spawn(crate::search::run(office.clone()));
    let copying = Arc::new(Copying { office: office.clone(), other: OnceLock::new() });
    let tokens = Arc::new(Tokens::load(&folder).unwrap());
    let watch = Watch::new(office.clone(), Arc::new(Nobody), folder.clone());
    let desk = Desk::new(office.clone(), tokens, Arc::new(Nobody), copying.clone(), folder.uploads(), watch);
    (TestNode { agency: agency.clone(), office, desk, folder, _dir: dir }, copying, effects)
}

/// Carries what one node sends to the other.
async fn carry(from: Arc<Office>, to: Arc<Office>, mut effects: mpsc::UnboundedReceiver<Outward>) {
    while let Some(effect) = effects.recv().await {
        match effect {
            Outward::Spread(entry) => {
                drop(to.ask(move |r| Input::Entries { entries: vec![*entry], gossiped: false, reply: Some(r) }).await)
            }
            Outward::Deliver { thread, id, to: pid } => {
                let sealed = post::seal_own(&from, &thread, &id, &pid).unwrap();
                let request = encode(&CaseRequest::Sealed(Bytes(encode(&sealed))));
                let answer = post::serve(&to, Some(from.me), &request).await.unwrap();
                let delivered: Delivered = decode(&answer, 64 * 1024).unwrap();
                from.tell(Input::Tried { thread, id, outcome: Ok(delivered) }).await;
            }
            Outward::Notify(notice) => {
                from.tell(Input::Notified { notice: notice.id(), by: "status".into(), failed: None }).await;
            }
            Outward::Push(_) => {}
        }
    }
}

async fn pair() -> (TestNode, TestNode, NetworkId) {
    let agencies = [TestAgency::named("harbor"), TestAgency::named("polder")];
    let charter = charter_of(&[&agencies[0], &agencies[1]]);
    let parts = agencies.iter().map(|a| a.found(&charter)).collect();
    let file = CharterFile::join(charter, parts).unwrap();
    let (a, copy_a, out_a) = start(&agencies[0], &file);
    let (b, copy_b, out_b) = start(&agencies[1], &file);
    copy_a.other.set(b.office.clone()).unwrap_or_else(|_| unreachable!());
    copy_b.other.set(a.office.clone()).unwrap_or_else(|_| unreachable!());
    tokio::spawn(carry(a.office.clone(), b.office.clone(), out_a));
    tokio::spawn(carry(b.office.clone(), a.office.clone(), out_b));
    for node in [&a, &b] {
        let office = node.office.clone();
        let key = tokio::task::spawn_blocking(move || office.vault.new_kem_key(Suite::X25519, 0, u64::MAX >> 1));
        let body = encode(&key.await.unwrap().unwrap());
        node.office.command(Command::Write { kind: EntryType::KemKey, body }).await.unwrap();
    }
    let network = file.charter.network_id();
    let ready = |n: &TestNode, of: Pid| {
        n.office.view().state.federation.listing(&of).is_some_and(|l| l.kem_key(now_ms()).is_some())
    };
    until("keys are known", || ready(&a, b.office.me) && ready(&b, a.office.me)).await;
    (a, b, network)
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}

impl TestNode {
    async fn call(&self, op: Op, params: &[(&str, &str)], body: Value) -> Result<Reply, Problem> {
        let caller = Some(Caller { name: "t".into(), role: Role::Officer });
        let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.desk.call(Call { op, caller, params, body, request: "test".into(), upload: None }).await
    }

    async fn json(&self, op: Op, params: &[(&str, &str)], body: Value) -> Value {
        match self.call(op, params, body).await {
            Ok(Reply::Json(_, value)) => value,
            Ok(_) => panic!("bytes"),
            Err(problem) => panic!("{problem:?}"),
        }
    }

    async fn problem(&self, op: Op, params: &[(&str, &str)], body: Value) -> Problem {
        self.call(op, params, body).await.map(|_| ()).unwrap_err()
    }

    async fn bytes(&self, op: Op, params: &[(&str, &str)]) -> Result<Vec<u8>, Problem> {
        match self.call(op, params, Value::Null).await? {
            Reply::Bytes { len, mut content, .. } => {
                let mut all = Vec::new();
                content.read_to_end(&mut all).unwrap();
                assert_eq!(all.len() as u64, len);
                Ok(all)
            }
            Reply::Json(..) | Reply::Text { .. } => panic!("no bytes"),
        }
    }

    async fn detail(&self, thread: &str) -> ReferralDetail {
        serde_json::from_value(self.json(Op::Referral, &[("thread", thread)], Value::Null).await).unwrap()
    }

    async fn upload(&self, thread: &str, name: &str, sha256: &str, content: &[u8]) -> Result<Value, Problem> {
        let path = self.folder.uploads().join(format!("upload-{name}"));
        std::fs::write(&path, content).unwrap();
        let pairs = [("thread", thread), ("name", name), ("media_type", "message/rfc822"), ("sha256", sha256)];
        let params = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let call = Call {
            op: Op::EvidencePut,
            caller: None,
            params,
            body: Value::Null,
            request: "test".into(),
            upload: Some(path.clone()),
        };
        let reply = self.desk.call(call).await;
        assert!(!path.exists(), "the plaintext is gone");
        reply.map(|r| if let Reply::Json(_, value) = r { value } else { panic!("bytes") })
    }

    fn approve(&self, prepared: &Value, network: &NetworkId) -> Value {
        let bytes = hex::decode(prepared["bytes"].as_str().unwrap()).unwrap();
        let approval: Approval = decode(&bytes, 4096).unwrap();
        let signed = approval.sign(&self.agency.officers[0], network);
        json!([{ "kid": signed.kid.to_string(), "signature": hex::encode(&signed.signature) }])
    }

    async fn publish_contact(&self) {
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
            "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbor.example" }],
            "reconfirm_by": u64::MAX >> 12, "withdrawn": false
        });
        self.json(Op::ContactPublish, &[], contact).await;
        let view = || self.office.view();
        until("the contact is published", || {
            !view().state.federation.listing(&self.office.me).unwrap().contacts.is_empty()
        })
        .await;
    }
}

fn sha(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

fn item(name: &str, content: &[u8]) -> EvidenceItem {
    let (size, blake3) = (content.len() as u64, Digest(*blake3::hash(content).as_bytes()));
    EvidenceItem::new(name, "message/rfc822", size, blake3, Digest(sha(content)), CollectionMethod::Spamtrap)
}

fn form(evidence: Vec<EvidenceItem>) -> Value {
    let form = Form { evidence: Some(evidence), retention_until: Some("2030-01-31".into()), ..sample() };
    serde_json::to_value(form).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_from_draft_to_decision_and_its_export_holds() {
    let (harbor, polder, network) = pair().await;
    harbor.publish_contact().await;
    let thread = harbor.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().to_owned();
    let t = [("thread", thread.as_str())];
    let big: Vec<u8> = (0..150_000u32).flat_map(u32::to_le_bytes).collect();
    let put = harbor.upload(&thread, "big.eml", &hex::encode(&sha(&big)), &big).await.unwrap();
    harbor.upload(&thread, "empty.eml", &hex::encode(&sha(b"")), b"").await.unwrap();
    assert_eq!((put["state"].as_str(), put["size"].as_u64()), (Some("here"), Some(600_000)));

    // a draft without evidence outlives the loss of its file, which a power cut may take
    let bare = harbor.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().to_owned();
    std::fs::remove_file(harbor.folder.uploads().join(format!("{bare}.draft"))).unwrap();
    assert!(harbor.desk.draft_evidence(&bare.parse().unwrap()).unwrap().is_empty());
    harbor.upload(&bare, "one.eml", &hex::encode(&sha(b"one")), b"one").await.unwrap();
    assert_eq!(harbor.desk.draft_evidence(&bare.parse().unwrap()).unwrap().len(), 1);

    // every fault at once, and nothing is said
    let wrong = json!({ "to": "polder", "form": form(vec![item("big.eml", &big)]) });
    let problem = harbor.problem(Op::Submit, &t, wrong).await;
    assert_eq!((problem.code, problem.faults[0].path.as_str()), (Code::Invalid, "evidence"));
    assert_eq!(harbor.office.view().state.cases.size(), 0);

    let submit = json!({ "to": "polder", "form": form(vec![item("big.eml", &big), item("empty.eml", b"")]) });
    let said = harbor.json(Op::Submit, &t, submit.clone()).await;
    let again = harbor.json(Op::Submit, &t, submit).await;
    assert_eq!(said, again, "the same submission again is the same referral");
    until("referral and keys are delivered", || harbor.office.view().state.outbox.size() == 0).await;
    let case: ThreadId = thread.parse().unwrap();
    let submit = harbor.office.view().state.case(&case).unwrap().asked[0].open.id;
    assert!(post::seal_own(&harbor.office, &case, &submit, &polder.office.me).is_ok());
    let stranger = post::seal_own(&harbor.office, &case, &submit, &TestAgency::named("amazon").pid());
    assert!(matches!(stranger, Err(post::PostError::Held(_))), "who takes no part gets no bytes, whatever led here");
    assert_eq!(
        harbor.office.view().state.case(&thread.parse().unwrap()).unwrap().asked.len(),
        2,
        "and one grant of keys"
    );

    // the other side reads it, fetches evidence, decides through an officer
    let list = polder
        .json(Op::Referrals, &[("stage", "submitted"), ("role", "target"), ("with", "harbor")], Value::Null)
        .await;
    assert_eq!(list["items"][0]["subject"].as_str(), sample().subject_line.as_deref());
    assert!(
        polder.json(Op::Referrals, &[("role", "requester")], Value::Null).await["items"].as_array().unwrap().is_empty()
    );
    let seen = polder.detail(&thread[..8]).await;
    assert_eq!(seen.evidence.iter().map(|e| e.state.as_str()).collect::<Vec<_>>(), ["granted", "granted"]);
    let text = serde_json::to_string(&seen).unwrap();
    let key = polder.office.vault.blob_key(&seen.evidence[0].blob.parse().unwrap()).unwrap();
    assert!(!text.contains(&hex::encode(&*key)) && !text.contains(&format!("{:?}", &key[..4])), "keys are never shown");
    let blob = |i: usize| [("thread", thread.as_str()), ("blob", seen.evidence[i].blob.as_str())];
    assert_eq!(polder.bytes(Op::EvidenceGet, &blob(0)).await.unwrap_err().code, Code::EvidenceNotHere);
    for i in 0..2 {
        polder.json(Op::EvidenceFetch, &blob(i), Value::Null).await;
    }
    until("evidence is here", || polder.office.view().state.blobs.size() == 2).await;
    assert_eq!(polder.bytes(Op::EvidenceGet, &blob(0)).await.unwrap(), big);
    assert_eq!(polder.bytes(Op::EvidenceGet, &blob(1)).await.unwrap(), b"");
    assert_eq!(harbor.bytes(Op::EvidenceGet, &blob(0)).await.unwrap(), big, "and the own copy opens too");

    let decide = |approvals: Value| {
        let body = json!({ "items": [{ "item": 0, "decision": "accept" }] });
        json!({ "kind": "decide", "body": body, "approvals": approvals })
    };
    let prepared = polder.json(Op::Prepare, &t, decide(json!([]))).await;
    assert_eq!(polder.problem(Op::Say, &t, decide(json!([]))).await.code, Code::Approval);
    let approved = decide(polder.approve(&prepared, &network));
    polder.json(Op::Say, &t, approved.clone()).await;
    let stale = polder.problem(Op::Say, &t, approved).await;
    assert_eq!(stale.code, Code::Approval, "an approval counts once");
    assert!(stale.hint.unwrap().contains("prepare"));
    until("the decision is delivered", || polder.office.view().state.outbox.size() == 0).await;

    let told = harbor.detail(&thread).await;
    assert_eq!((told.row.stage.as_str(), told.decisions["0"].as_str()), ("decided", "accept"));
    assert_eq!(told.form.unwrap().subject_line, sample().subject_line);
    let kinds: Vec<(&str, &str)> = told.timeline.iter().map(|s| (s.kind.as_str(), s.delivery.as_str())).collect();
    assert_eq!(kinds, [("submit", "stored"), ("blob_grant", "stored"), ("decide", "received")]);
    assert!(told.timeline[0].stored.is_some());

    // the file of the case holds on both sides, and says the same
    let (ours, theirs) = (harbor.bytes(Op::Export, &t).await.unwrap(), polder.bytes(Op::Export, &t).await.unwrap());
    let report = Bundle::decode(&ours).unwrap().verify().unwrap();
    assert_eq!(report, Bundle::decode(&theirs).unwrap().verify().unwrap());
    let kinds: Vec<Kind> = report.statements.iter().map(|l| l.kind).collect();
    assert_eq!(kinds, [Kind::Submit, Kind::BlobGrant, Kind::Decide]);
    assert!(report.statements.iter().all(|l| l.received.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_form_that_asks_for_nothing_arrives_as_it_was_and_weighs_the_same_on_both_sides() {
    let (harbor, polder, _) = pair().await;
    harbor.publish_contact().await;
    let thread = harbor.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().to_owned();
    let t = [("thread", thread.as_str())];
    let mut whole =
        Form { kind: Some(ReferralKind::SpontaneousInformation), assistance: None, transferred_from: None, ..whole() };
    whole.retention_until = Some("2030-01-31".into());
    whole.arrangement = Some(vec![lapwing_record::form::LAP_BEST_EFFORTS.into()]);
    // the original is announced and held back, its redacted copy travels
    let redacted = b"redacted";
    let copy = whole.evidence.as_mut().unwrap();
    copy[1] = EvidenceItem {
        size: redacted.len() as u64,
        blake3: Digest(*blake3::hash(redacted).as_bytes()),
        sha256: Digest(sha(redacted)),
        ..copy[1].clone()
    };
    harbor.upload(&thread, "mail-redacted.eml", &hex::encode(&sha(redacted)), redacted).await.unwrap();
    let checked = harbor.json(Op::ReferralCheck, &[], json!({ "to": "polder", "form": whole })).await;
    assert_eq!((&checked["ok"], &checked["may_follow"]), (&json!(true), &json!([])));
    harbor.json(Op::Submit, &t, json!({ "to": "polder", "form": whole })).await;
    until("the form is delivered", || harbor.office.view().state.outbox.size() == 0).await;
    let (ours, theirs) = (harbor.detail(&thread).await, polder.detail(&thread).await);
    assert_eq!(theirs.form.as_ref(), Some(&whole));
    assert_eq!(theirs.evidence.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["mail-redacted.eml"]);
    assert_eq!((&theirs.row.harm, &theirs.harm_table), (&ours.row.harm, &ours.harm_table));
    assert_eq!(serde_json::to_value(&theirs.harm_table).unwrap(), checked["harm_table"]);
    let income = theirs.harm_table.unwrap().income.unwrap();
    assert_eq!((income.country.as_str(), income.year), ("KE", Some(2019)));
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_not_the_one_announced_leaves_nothing() {
    let (harbor, _polder, _) = pair().await;
    let thread = harbor.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().to_owned();
    let problem = harbor.upload(&thread, "a.eml", &hex::encode(&sha(b"other")), b"content").await.unwrap_err();
    assert_eq!((problem.code, problem.faults[0].path.as_str()), (Code::Invalid, "sha256"));
    let problem = harbor.upload(&thread, "a.eml", "beef", b"content").await.unwrap_err();
    assert_eq!(problem.faults[0].path, "sha256");
    let nowhere = ThreadId([1; 32]).to_string();
    let problem = harbor.upload(&nowhere, "a.eml", &hex::encode(&sha(b"x")), b"x").await.unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
    assert!(harbor.office.blobs.list().unwrap().is_empty());
    // the same content twice is one item, sealed once more; the first copy is removed
    let good = hex::encode(&sha(b"content"));
    let first = harbor.upload(&thread, "a.eml", &good, b"content").await.unwrap();
    let second = harbor.upload(&thread, "b.eml", &good, b"content").await.unwrap();
    assert_ne!(first["blob"], second["blob"]);
    assert_eq!(harbor.office.blobs.list().unwrap().len(), 1);
    let items = harbor.desk.draft_evidence(&thread.parse().unwrap()).unwrap();
    assert_eq!(items.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["b.eml"]);
    let on_disk = std::fs::read(harbor.folder.uploads().join(format!("{thread}.draft"))).unwrap();
    assert!(!on_disk.windows(5).any(|w| w == b"b.eml"), "names of evidence are content");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_answer_and_refusals_have_their_codes() {
    let (harbor, polder, _) = pair().await;
    let nothing: &[(&str, &str)] = &[];
    for op in [
        Op::Live,
        Op::Status,
        Op::WhoAmI,
        Op::Tokens,
        Op::Peers,
        Op::Members,
        Op::Charter,
        Op::Contacts,
        Op::Application,
        Op::Applications,
        Op::Proposals,
        Op::Motions,
        Op::Identity,
        Op::Notices,
        Op::Referrals,
    ] {
        assert!(harbor.json(op, nothing, Value::Null).await.is_object(), "{op:?}");
    }
    for op in [Op::Member, Op::Explain, Op::Log] {
        assert!(harbor.json(op, &[("name", "polder")], Value::Null).await.is_object(), "{op:?}");
        assert_eq!(harbor.problem(op, &[("name", "nobody")], Value::Null).await.code, Code::NotFound);
    }
    let log = harbor.json(Op::Log, &[("name", "polder"), ("log", "pub"), ("limit", "1")], Value::Null).await;
    assert!(log["items"][0]["says"].as_str().is_some());
    let page = harbor.json(Op::Members, &[("limit", "1")], Value::Null).await;
    assert_eq!(page["items"][0]["short_name"], "harbor");
    let next = page["next"].as_str().unwrap();
    let page = harbor.json(Op::Members, &[("limit", "1"), ("cursor", next)], Value::Null).await;
    assert_eq!((&page["items"][0]["short_name"], &page["next"]), (&json!("polder"), &Value::Null));
    for (op, params, code) in [
        (Op::Members, &[("limit", "501")][..], Code::Malformed),
        (Op::Members, &[("limit", "0")], Code::Malformed),
        (Op::Members, &[("cursor", "zz")], Code::Malformed),
        (Op::Members, &[("class", "king")], Code::Malformed),
        (Op::Contacts, &[("channel", "pigeon")], Code::Malformed),
        (Op::Contacts, &[("open", "perhaps")], Code::Malformed),
        (Op::Contacts, &[("name", "nobody")], Code::NotFound),
        (Op::Referrals, &[("stage", "lost")], Code::Malformed),
        (Op::Referral, &[("thread", "aaaaaaaaaa")], Code::NotFound),
        (Op::Proposal, &[("id", "aaaaaaaaaa")], Code::NotFound),
        (Op::Objection, &[("entry", "aaaaaaaaaa")], Code::NotFound),
        (Op::TokenRevoke, &[("name", "nobody")], Code::NotFound),
        (Op::Introduce, &[("name", "nobody")], Code::NotFound),
        (Op::EvidenceGet, &[("thread", "aaaaaaaaaa"), ("blob", "x")], Code::NotFound),
        (Op::Export, &[("thread", "aaaaaaaaaa")], Code::NotFound),
    ] {
        assert_eq!(harbor.problem(op, params, Value::Null).await.code, code, "{op:?} {params:?}");
    }
    assert_eq!(harbor.problem(Op::Propose, nothing, json!({ "act": "dance" })).await.code, Code::Malformed);
    let about_founder = json!({ "act": "object", "target": "polder" });
    assert_eq!(harbor.problem(Op::Propose, nothing, about_founder).await.code, Code::Invalid);
    assert_eq!(harbor.problem(Op::IdEntry, nothing, json!({ "entry": "00" })).await.code, Code::Invalid);
    let mut zone = serde_json::to_value(json!({
        "display_name": "H", "competence": [], "languages": ["en"], "hours": [], "time_zone": "Mars/Base", "website": null
    })).unwrap();
    assert_eq!(harbor.problem(Op::ProfilePublish, nothing, zone.clone()).await.faults[0].path, "time_zone");
    zone["time_zone"] = "Europe/London".into();
    harbor.json(Op::ProfilePublish, nothing, zone).await;
    let known = || polder.office.view().state.federation.listing(&harbor.office.me).unwrap().profile.is_some();
    until("the profile has spread", known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amendment_is_proposed_approved_and_written() {
    let (harbor, _polder, network) = pair().await;
    let wanted = json!({ "act": "amend", "window_ms": 5000, "expires_in_ms": 1_000_000, "statement": "longer" });
    let proposal = harbor.json(Op::Propose, &[], wanted).await;
    assert!(proposal["words"].as_str().unwrap().contains("window_ms from 1000 to 5000"), "{proposal}");
    let id = proposal["id"].as_str().unwrap();
    let waits = harbor.json(Op::Status, &[], Value::Null).await;
    assert!(waits["todo"].as_array().unwrap().iter().any(|t| t["code"] == "proposal_waits"));
    let by = harbor.approve(&proposal, &network)[0].clone();
    let bad = json!({ "kid": by["kid"], "signature": "00".repeat(64) });
    assert_eq!(harbor.problem(Op::Approve, &[("id", &id[..8])], bad).await.code, Code::Approval);
    let done = harbor.json(Op::Approve, &[("id", &id[..8])], by).await;
    assert_eq!((done["have"].as_u64(), done["needed"].as_u64()), (Some(1), Some(1)));
    let motion = done["entry"].as_str().unwrap().to_owned();
    until("the motion is known", || harbor.office.view().state.federation.motions().next().is_some()).await;
    let motions = harbor.json(Op::Motions, &[], Value::Null).await;
    assert_eq!(
        (motions["items"][0]["id"].as_str(), motions["items"][0]["state"].as_str()),
        (Some(&*motion), Some("open"))
    );
    assert!(harbor.json(Op::Proposals, &[], Value::Null).await["items"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_resume_are_told_of_gaps_and_an_administrator_sees_no_case() {
    let (harbor, _polder, _) = pair().await;
    harbor.publish_contact().await;
    let latest = harbor.desk.latest_event();
    let at = |n| EventId { n, ..latest };
    let first = harbor.desk.next_event(at(0), Role::Admin).await.unwrap();
    assert_eq!(first.id, at(1));
    // the id of an earlier run, and one that this run has not reached: everything since the start, after a word
    for foreign in [EventId { run: latest.run ^ 1, n: 1 }, at(latest.n + 100_000)] {
        let told = harbor.desk.next_event(foreign, Role::Officer).await.unwrap();
        assert_eq!((told.id, told.name.as_str(), &told.data["why"]), (at(0), "gap", &json!("restart")));
    }
    let mut last = at(0);
    while last < latest {
        let next = harbor.desk.next_event(last, Role::Officer).await.unwrap();
        assert!(next.id > last && next.name != "gap");
        last = next.id;
    }
    // more than is kept: how many are missing is told, and the oldest kept one follows
    let view = harbor.office.view();
    let many = vec![lapwing_engine::step::Event::Directory(harbor.office.me); 5000];
    harbor.office.publish((*view).clone(), many, Touched::default());
    let newest = harbor.desk.latest_event().n;
    let told = harbor.desk.next_event(at(1), Role::Officer).await.unwrap();
    let missed = told.data["missed"].as_u64().unwrap();
    assert_eq!((told.name.as_str(), &told.data["why"], told.id.n), ("gap", &json!("fell_behind"), missed + 1));
    assert!(missed >= newest - 4096 - 1, "{missed} of {newest}");
    let next = harbor.desk.next_event(told.id, Role::Officer).await.unwrap();
    assert_eq!(next.id.n, told.id.n + 1);
    harbor.office.stop();
    let end = harbor.desk.next_event(harbor.desk.latest_event(), Role::Officer).await;
    assert!(end.is_none_or(|e| e.id.n > newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_says_so_to_those_who_still_ask() {
    let (harbor, _polder, _) = pair().await;
    harbor.office.stop();
    harbor.office.end();
    let asked = || harbor.problem(Op::AssertCurrent, &[], json!({}));
    for _ in 0..500 {
        // what was asked before the driver ended is still done
        if let Err(problem) = harbor.call(Op::AssertCurrent, &[], json!({})).await {
            assert_eq!(problem.code, Code::Stopping);
            assert_eq!(asked().await.code, Code::Stopping);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a node that stops goes on and on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_nobody_touched_is_dropped_with_its_keys_and_a_submitted_case_keeps_its_own() {
    let (harbor, _polder, _) = pair().await;
    let old = |thread: &ThreadId| {
        let file = std::fs::File::options().write(true).open(harbor.folder.uploads().join(format!("{thread}.draft")));
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(31 * 24 * 60 * 60);
        file.unwrap().set_modified(long_ago).unwrap();
    };
    let open = async || -> ThreadId {
        harbor.json(Op::Drafts, &[], json!({})).await["thread"].as_str().unwrap().parse().unwrap()
    };
    let (forgotten, submitted) = (open().await, open().await);
    let mut form = sample();
    form.evidence = None;
    harbor.publish_contact().await;
    let submit = json!({ "to": "polder", "form": form });
    harbor.json(Op::Submit, &[("thread", &submitted.to_string())], submit).await;
    // a crash after the submission left its draft
    std::fs::write(harbor.folder.uploads().join(format!("{submitted}.draft")), b"").unwrap();
    [forgotten, submitted].iter().for_each(&old);
    open().await;
    assert!(harbor.office.vault.case_key(&forgotten).is_err() && harbor.office.vault.is_erased(&forgotten));
    assert!(harbor.office.vault.case_key(&submitted).is_ok());
    let drafts = crate::desk::drafts_of(&harbor.folder.uploads());
    assert!(drafts.iter().all(|d| !d.to_string_lossy().contains(&submitted.to_string())));
}
