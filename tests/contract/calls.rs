//! A call of each operation that works. The match is exhaustive: a new operation does not compile until it has its own.

use crate::http::{Answer, Request, ask};
use crate::support::{Running, until};
use crate::world::{EVIDENCE, World, arrangement, contact, form, hex, legal, outcome, sha256};
use lapwing_api::ops::{Access, Body, Op, Row};
use lapwing_api::types::{EvidenceView, IdentityView};
use lapwing_node::founding::{Change, grant};
use lapwing_node::keys::{KeyKind, read_signing_key};
use lapwing_record::identity::Officer;
use lapwing_record::sign::{Context, Detached, SecretKey};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The world, and what the calls leave for each other.
pub struct Scene {
    pub world: World,
    /// The document as harbour serves it.
    pub document: Value,
    /// Nodes that were started on the way.
    pub others: Vec<Running>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Scene {
    pub fn new(world: World) -> Scene {
        let mut scene = Scene { world, document: Value::Null, others: Vec::new() };
        scene.document = scene.get("harbour", Op::OpenApi, &[], "", &[]).json();
        scene
    }

    /// The local token of a node that may use the operation.
    pub fn token(&self, at: &str, op: Op) -> String {
        let file = match op.row().access {
            Access::Admin => "admin.token",
            Access::Auditor => "auditor.token",
            _ => "api.token",
        };
        let secret = std::fs::read_to_string(self.world.town.path(at).join("run").join(file)).unwrap();
        format!("Bearer {}", secret.trim())
    }

    /// What stands in the path where nothing particular is meant.
    pub fn path(&self, op: Op) -> Vec<String> {
        match op.row().path {
            path if path.contains("{name}") => vec!["polder".into()],
            path if path.contains("{thread}") => vec![self.world.thread.clone()],
            _ => vec![],
        }
    }

    pub fn send(
        &self,
        at: &str,
        op: Op,
        path: &[String],
        query: &str,
        headers: &[(&str, String)],
        body: Option<&Value>,
    ) -> Answer {
        let row = op.row();
        let mut values = path.iter();
        let parts = row.path.split('/').map(|p| if p.starts_with('{') { values.next().unwrap() } else { p });
        let path = format!("{}{query}", parts.collect::<Vec<_>>().join("/"));
        let mut all: Vec<(&str, String)> = headers.to_vec();
        if row.access != Access::Open {
            all.push(("authorization", self.token(at, op)));
        }
        if body.is_some() {
            all.push(("content-type", "application/json".into()));
        }
        let method = format!("{:?}", row.method).to_uppercase();
        let body = body.map(|b| serde_json::to_vec(b).unwrap()).unwrap_or_default();
        let body = if row.body == Body::Upload { EVIDENCE.to_vec() } else { body };
        ask(&self.world.api(at), &Request { method: &method, path: &path, headers: all, body: &body })
    }

    pub fn get(&self, at: &str, op: Op, path: &[String], query: &str, headers: &[(&str, String)]) -> Answer {
        self.send(at, op, path, query, headers, None)
    }

    pub fn post(&self, at: &str, op: Op, path: &[&str], body: &Value) -> Answer {
        let path: Vec<String> = path.iter().map(|p| (*p).to_owned()).collect();
        self.send(at, op, &path, "", &[], Some(body))
    }

    /// What is wrong with an answer that should be a success, by the served document.
    pub fn fits(&self, row: &Row, answer: &Answer) -> Result<(), String> {
        let shown = || String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
        if answer.status >= 400 {
            return Err(format!("{}: {}", answer.status, shown()));
        }
        let method = format!("{:?}", row.method).to_lowercase();
        let declared = &self.document["paths"][row.path][&method]["responses"][answer.status.to_string()];
        let media = answer.header("content-type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default();
        if declared["content"].get(media).is_none() {
            return Err(format!("{} with {media} is not declared", answer.status));
        }
        for (header, of) in declared["headers"].as_object().into_iter().flatten() {
            let optional = of["$ref"].as_str().is_some_and(|r| r.ends_with("/next") || r.ends_with("/link"));
            if !optional && answer.header(header).is_none() {
                return Err(format!("the header {header} is missing"));
            }
        }
        // fields that the document promises are there
        let schema = &declared["content"][media]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let promised = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing: Vec<&str> = match media {
            "application/json" => {
                let said = answer.json();
                promised.filter(|field| said.get(field).is_none()).collect()
            }
            _ => Vec::new(),
        };
        if missing.is_empty() { Ok(()) } else { Err(format!("promised and missing: {missing:?} in {}", shown())) }
    }

    /// An officer's approval of exact bytes.
    fn approval(&self, at: &str, view: &Value) -> Value {
        let key = self.world.town.path(&format!("{at}-keys")).join("officer-1.key");
        let key = read_signing_key(&key, KeyKind::Officer, None).unwrap();
        let bytes = unhex(view["bytes"].as_str().unwrap());
        let network = view["network_id"].as_str().unwrap().parse().unwrap();
        let signed = Detached::sign(&key, &network, Context::Approve, &bytes);
        json!({ "kid": signed.kid.to_string(), "signature": hex(&signed.signature) })
    }

    /// Proposes and approves; the entry.
    pub fn vote(&self, at: &str, act: &str, target: &str) -> String {
        let propose = json!({ "act": act, "target": target });
        let view = self.post(at, Op::Propose, &[], &propose).json();
        let id = view["id"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned();
        let done = self.post(at, Op::Approve, &[&id], &self.approval(at, &view)).json();
        done["entry"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned()
    }

    fn proposed(&self, window_ms: u64) -> Value {
        let amend = json!({
            "act": "amend", "window_ms": window_ms, "expires_in_ms": 86_400_000, "statement": "because",
        });
        self.post("harbour", Op::Propose, &[], &amend).json()
    }

    /// A draft with one item of evidence at harbour.
    fn draft(&self) -> (String, EvidenceView) {
        let draft = self.post("harbour", Op::Drafts, &[], &json!({})).json();
        let thread = draft["thread"].as_str().unwrap().to_owned();
        let item = self.upload(&thread).json();
        (thread, serde_json::from_value(item).unwrap())
    }

    fn upload(&self, thread: &str) -> Answer {
        let query = format!("?name=one.eml&media_type=message%2Frfc822&sha256={}", sha256(EVIDENCE));
        self.send("harbour", Op::EvidencePut, &[thread.to_owned()], &query, &[], None)
    }

    /// Somebody who wants to take part; where it is.
    pub fn outsider(&mut self) -> String {
        let name = format!("outsider-{}", self.others.len());
        self.world.town.init(&name, "consumer_protection", Some("charter.lapwing"));
        let boot = self.world.town.address("harbour");
        self.others.push(self.world.town.start(&name, &boot));
        until("the application is there", 60, || {
            let list = self.get("harbour", Op::Applications, &[], "", &[]).json();
            list["items"].as_array()?.iter().any(|a| a["short_name"] == name.as_str()).then_some(())
        });
        name
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// Reads a stream of events until it has said `end` after its head.
pub fn watch(address: &str, bearer: &str, after: Option<&str>, end: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let resume = after.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: {bearer}\r\n{resume}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut all, mut buffer) = (String::new(), [0; 4096]);
    while !all.split_once("\r\n\r\n").is_some_and(|(_, body)| body.contains(end)) {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the stream ended: {all}");
        all += &String::from_utf8_lossy(&buffer[..n]);
    }
    // the event that was asked for, whole
    while !all.ends_with("\n\n") && !all.ends_with("\r\n") {
        let n = stream.read(&mut buffer).unwrap();
        all += &String::from_utf8_lossy(&buffer[..n]);
    }
    all
}

fn saved(scene: &Scene, name: &str) -> Answer {
    let search = json!({ "name": name, "filters": { "ip": "192.0.2.0/24", "text": "complaints" } });
    scene.post("harbour", Op::SearchSave, &[], &search)
}

/// Calls an operation so that it works.
pub fn call(scene: &mut Scene, op: Op) -> Answer {
    let nothing = json!({});
    let (thread, blob) = (scene.world.thread.clone(), scene.world.blob.clone());
    let case = vec![thread.clone()];
    let get = |scene: &Scene| scene.get("harbour", op, &scene.path(op), "", &[]);
    match op {
        Op::Live
        | Op::Ready
        | Op::Health
        | Op::Metrics
        | Op::Status
        | Op::WhoAmI
        | Op::Tokens
        | Op::Peers
        | Op::Members
        | Op::Member
        | Op::Explain
        | Op::Exposure
        | Op::Charter
        | Op::Log
        | Op::Contacts
        | Op::Application
        | Op::Applications
        | Op::Proposals
        | Op::Motions
        | Op::Identity
        | Op::Notices
        | Op::Referrals
        | Op::Search
        | Op::SearchFacets
        | Op::Erasures
        | Op::Absences
        | Op::Audit
        | Op::Backup
        | Op::OpenApi
        | Op::Docs => get(scene),
        Op::Joints => {
            let plan = json!({ "joint": "a".repeat(52), "version": 1, "title": "Prize mails, together" });
            scene.post("harbour", Op::Say, &[&thread], &json!({ "kind": "joint_plan", "body": plan }));
            get(scene)
        }
        Op::Joint => {
            let task = json!({ "n": 1, "what": "Find the host.", "needed_by": "2026-01-31" });
            let plan =
                json!({ "joint": format!("{}a", "b".repeat(51)), "version": 1, "title": "Prizes", "tasks": [task] });
            scene.post("harbour", Op::Say, &[&thread], &json!({ "kind": "joint_plan", "body": plan }));
            let joint = scene.get("harbour", op, &["b".repeat(8)], "?lead=harbour", &[]);
            assert_eq!(joint.json()["parts"][0]["tasks"][0]["overdue"], true);
            joint
        }
        Op::Reach => scene.post("harbour", op, &[], &nothing),
        Op::NotifyTest => {
            let town = &scene.world.town;
            town.init("teller", "consumer_protection", Some("charter.lapwing"));
            let config = town.path("teller").join("config.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, text.replace("[notify]", "[notify]\ncommand = [\"/bin/cat\"]")).unwrap();
            scene.others.push(town.start("teller", &[]));
            scene.post("teller", op, &[], &nothing)
        }
        Op::Seen => {
            let asks = json!([{ "value": "192.0.2.7" }, { "kind": "domain", "value": "never.example" }]);
            scene.post("harbour", op, &[], &json!({ "identifiers": asks }))
        }
        Op::SavedSearches => {
            saved(scene, "listed");
            get(scene)
        }
        Op::SearchSave => saved(scene, "kept"),
        Op::SearchRun | Op::SearchDrop => {
            saved(scene, "run");
            scene.post("harbour", op, &["run"], &nothing)
        }
        Op::CaseErase => {
            let (draft, item) = scene.draft();
            let submit = json!({ "to": "polder", "form": form(&item) });
            scene.post("harbour", Op::Submit, &[&draft], &submit);
            let erased = scene.post("harbour", op, &[&draft], &nothing);
            let again = scene.get("harbour", Op::Export, &[draft], "", &[]);
            assert_eq!(again.problem("Export").code.as_str(), "content_gone");
            erased
        }
        Op::Notes => {
            let note = json!({ "text": "They wait for the registrar." });
            scene.post("harbour", Op::NoteWrite, &[&thread], &note);
            let notes = scene.get("harbour", op, &[thread], "", &[]);
            assert_eq!(notes.json()["items"][0]["text"], note["text"]);
            notes
        }
        Op::NoteWrite => scene.post("harbour", op, &[&thread], &json!({ "text": "Call them on Monday." })),
        Op::CaseAssign => {
            let assigned = scene.post("harbour", op, &[&thread], &json!({ "to": "local-officer" }));
            let row = scene.get("harbour", Op::Referrals, &[], "?assigned=local-officer", &[]).json();
            assert_eq!(row["items"][0]["thread"], thread.as_str());
            assigned
        }
        Op::AbsenceSet => {
            scene.post("harbour", Op::TokenNew, &[], &json!({ "name": "deputy", "role": "officer" }));
            let away = json!({ "until": "2099-01-01T00:00:00Z", "delegate": "deputy" });
            scene.post("harbour", op, &[], &away)
        }
        Op::CaseHold => {
            let hold = scene.post("harbour", op, &[&thread], &json!({ "stands": true }));
            let refused = scene.post("harbour", Op::CaseErase, &[&thread], &nothing);
            assert_eq!(refused.problem("CaseErase").code.as_str(), "conflict");
            hold
        }
        Op::TokenNew => scene.post("harbour", op, &[], &json!({ "name": "contract", "role": "auditor" })),
        Op::TokenRevoke => {
            scene.post("harbour", Op::TokenNew, &[], &json!({ "name": "short-lived", "role": "analyst" }));
            scene.post("harbour", op, &["short-lived"], &nothing)
        }
        Op::Shutdown => scene.post("harbour", op, &[], &nothing),
        Op::AssertCurrent => scene.post("harbour", op, &[], &nothing),
        Op::ContactPublish => scene.post("harbour", op, &[], &contact()),
        Op::ProfilePublish => {
            let competence = json!([{ "area": "consumer_protection", "channel": "email", "measures": ["fine"] }]);
            let profile = json!({
                "display_name": "Harbour", "competence": competence, "languages": ["en"], "hours": [],
                "time_zone": "UTC", "website": "https://harbour.example",
            });
            scene.post("harbour", op, &[], &profile)
        }
        Op::LegalPublish => scene.post("harbour", op, &[], &legal()),
        Op::ArrangementPublish => scene.post("harbour", op, &[], &arrangement()),
        Op::Arrangements => {
            scene.post("harbour", Op::ArrangementPublish, &[], &arrangement());
            get(scene)
        }
        Op::OutcomePublish => scene.post("harbour", op, &[], &outcome()),
        Op::Outcomes => {
            scene.post("harbour", Op::OutcomePublish, &[], &outcome());
            get(scene)
        }
        Op::Introduce => {
            let name = scene.outsider();
            scene.post("harbour", op, &[&name], &nothing)
        }
        Op::Propose => {
            let amend = json!({
                "act": "amend", "grace_ms": 9000, "expires_in_ms": 86_400_000, "statement": "because",
            });
            scene.post("harbour", op, &[], &amend)
        }
        Op::Proposal => scene.get("harbour", op, std::slice::from_ref(&scene.world.proposal), "", &[]),
        Op::Approve => {
            let view = scene.proposed(3000);
            let approval = scene.approval("harbour", &view);
            scene.post("harbour", op, &[view["id"].as_str().unwrap()], &approval)
        }
        Op::DropProposal => {
            let view = scene.proposed(4000);
            scene.post("harbour", op, &[view["id"].as_str().unwrap()], &nothing)
        }
        Op::Objection => {
            let name = scene.outsider();
            scene.post("harbour", Op::Introduce, &[&name], &nothing);
            let entry = scene.vote("harbour", "object", &name);
            scene.get("harbour", op, &[entry], "", &[])
        }
        Op::IdEntry => {
            let view: IdentityView =
                serde_json::from_value(scene.get("harbour", Op::Identity, &[], "", &[]).json()).unwrap();
            let root = scene.world.town.path("harbour-keys").join("root-1.key");
            let root = read_signing_key(&root, KeyKind::Root, None).unwrap();
            let officer = Officer { key: SecretKey::from_seed([77; 32]).public(), not_after: 4_102_444_800_000 };
            let now = lapwing_node::keys::now_ms();
            let entry = grant(&view, &Change::AddOfficer(officer), &[root], now).unwrap();
            scene.post("harbour", op, &[], &json!({ "entry": hex(&entry.encode()) }))
        }
        Op::ReferralCheck => {
            let (_, item) = scene.draft();
            scene.post("harbour", op, &[], &json!({ "to": "polder", "form": form(&item) }))
        }
        Op::WhoCanAct => {
            let (_, item) = scene.draft();
            scene.post("harbour", op, &[], &json!({ "form": form(&item) }))
        }
        Op::Drafts => scene.post("harbour", op, &[], &nothing),
        Op::DraftList | Op::DraftShow | Op::DraftSave | Op::DraftApprove | Op::DraftDrop => {
            let (draft, item) = scene.draft();
            let mut grave = form(&item);
            grave["harm"] = json!([{ "factor": "victims", "band": 5, "basis": "payment_records" },
                { "factor": "financial", "band": 5, "basis": "payment_records" }]);
            let saved = scene.post("harbour", Op::DraftSave, &[&draft], &json!({ "to": "polder", "form": grave }));
            let (other, item) = scene.draft();
            let submit = json!({ "to": "polder", "form": form(&item) });
            let warned = scene.post("harbour", Op::Submit, &[&other], &submit);
            assert_eq!(warned.problem("Submit").code.as_str(), "less_harmful_first");
            let answer = match op {
                Op::DraftSave => saved,
                Op::DraftList => scene.get("harbour", op, &[], "", &[]),
                Op::DraftShow => scene.get("harbour", op, std::slice::from_ref(&draft), "", &[]),
                _ => scene.post("harbour", op, &[&draft], &nothing),
            };
            if op != Op::DraftDrop {
                // or what is submitted after it would be warned of
                scene.post("harbour", Op::DraftDrop, &[&draft], &nothing);
            }
            answer
        }
        Op::EvidencePut => {
            let draft = scene.post("harbour", Op::Drafts, &[], &nothing).json();
            scene.upload(draft["thread"].as_str().unwrap())
        }
        Op::Submit => {
            let (draft, item) = scene.draft();
            let submit = json!({ "to": "polder", "form": form(&item) });
            let first = scene.post("harbour", op, &[&draft], &submit);
            // an answer that was lost: the same again is the same case
            let again = scene.post("harbour", op, &[&draft], &submit);
            assert_eq!((first.status, again.status), (202, 200));
            assert_eq!(first.json(), again.json());
            scene.fits(op.row(), &again).unwrap();
            first
        }
        Op::Referral | Op::Export | Op::ExportPdf | Op::ExportCsv => scene.get("harbour", op, &case, "", &[]),
        Op::ExportXarf => {
            let report = scene.get("harbour", op, &case, "", &[]);
            assert_eq!(report.json()["xarf_version"], "4.2.0");
            report
        }
        Op::Prepare => {
            let body = json!({ "own_reference": "P-1", "assurance": "not_requested" });
            scene.post("polder", op, &[&thread], &json!({ "kind": "acknowledge", "body": body }))
        }
        Op::Say => {
            let body = json!({ "own_reference": "P-1", "assurance": "not_requested" });
            let said = json!({ "kind": "acknowledge", "body": body });
            let view = scene.post("polder", Op::Prepare, &[&thread], &said).json();
            let mut approved = said;
            approved["approvals"] = json!([scene.approval("polder", &view)]);
            scene.post("polder", op, &[&thread], &approved)
        }
        Op::PassOn => {
            scene.post("polder", Op::ContactPublish, &[], &contact());
            let propose = json!({ "to": scene.world.savanna, "items": [0], "why": "The host is there." });
            let proposed =
                scene.post("polder", Op::Say, &[&thread], &json!({ "kind": "transfer_proposed", "body": propose }));
            let proposal = proposed.json()["id"].as_str().unwrap().to_owned();
            let send = json!({ "proposal": proposal, "poc_ref": "intake" });
            let early = scene.post("polder", op, &[&thread], &send);
            assert_eq!(early.problem("PassOn").code.as_str(), "consent_needed");
            let agree = json!({ "kind": "transfer_consent", "body": { "proposal": proposal, "granted": true } });
            until("harbour can agree", 60, || {
                (scene.post("harbour", Op::Say, &[&thread], &agree).status == 202).then_some(())
            });
            let first = until("polder may pass it on", 60, || {
                Some(scene.post("polder", op, &[&thread], &send)).filter(|answer| answer.status == 202)
            });
            let again = scene.post("polder", op, &[&thread], &send);
            assert_eq!((again.status, again.json()), (200, first.json()));
            scene.fits(op.row(), &again).unwrap();
            first
        }
        Op::EvidenceFetch => scene.post("polder", op, &[&thread, &blob], &nothing),
        Op::EvidenceGet => {
            let path = vec![thread.clone(), blob];
            until("the evidence has come", 60, || {
                let case = scene.get("polder", Op::Referral, &case, "", &[]).json();
                (case["evidence"][0]["state"] == "here").then_some(())
            });
            let answer = scene.get("polder", op, &path, "", &[]);
            assert_eq!(answer.body, EVIDENCE);
            answer
        }
        Op::Events => {
            let text = watch(&scene.world.api("harbour"), &scene.token("harbour", op), None, ": connected");
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Answer { status, head: format!("{}\r\n", head.to_lowercase()), body: body.as_bytes().to_vec() }
        }
    }
}
