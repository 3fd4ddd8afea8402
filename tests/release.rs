//! A marking holds at every exit: the roads are taken from the document that the node serves.
//!
//! A TLP:RED case, seen from the agency that received it: its officers read it; no other role finds anything of it by any
//! operation, and no file leaves, not even for an officer. Each attempt stands in the audit trail with the rule.

#![allow(clippy::unwrap_used)]

#[path = "wrong_input/http.rs"]
mod http;
mod support;
#[path = "wrong_input/world.rs"]
mod world;

use http::{Answer, Request, ask};
use lapwing_api::ops::{Op, Role};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::until;
use world::{World, contact, sha256};

/// In the subject, the narrative, a party, the evidence's name and content, and a statement.
const MARKER: &str = "xmarkerofred";

struct Scene {
    world: World,
    tokens: BTreeMap<Role, String>,
    thread: String,
    blob: String,
}

/// Harbour's referral to polder, of this marking; thread and evidence, fetched at polder.
fn refer(world: &World, change: impl Fn(&mut Value)) -> (String, String) {
    let client = |op| world.town.client("harbour", op).unwrap();
    let _: Value = client(Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact()).unwrap();
    let draft: Value = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
    let draft = draft["thread"].as_str().unwrap();
    let received = "from bad.example ([192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000";
    let content = format!("Received: {received}\r\nSubject: {MARKER}\r\n\r\n{MARKER}\r\n").into_bytes();
    let query =
        [("name", format!("{MARKER}.eml")), ("media_type", "message/rfc822".to_owned()), ("sha256", sha256(&content))];
    let item =
        client(Op::EvidencePut).upload(Op::EvidencePut, &[draft], &query, &content[..], content.len() as u64).unwrap();
    let mut form = world::form(&item);
    form["subject_line"] = json!(MARKER);
    form["narrative"] = json!(format!("What happened: {MARKER}."));
    form["parties"] = json!([{ "role": "suspected_sender", "names": [MARKER],
        "identifiers": [{ "kind": "domain", "value": format!("{MARKER}.example") }] }]);
    change(&mut form);
    let submit = json!({ "to": "polder", "form": form });
    let said: Value =
        until("the referral is taken", 60, || client(Op::Submit).call(Op::Submit, &[draft], &[], &submit).ok());
    let thread = said["thread"].as_str().unwrap().to_owned();
    until("its evidence is at polder", 60, || {
        let _ = world.town.client("polder", Op::EvidenceFetch)?.call::<Value>(
            Op::EvidenceFetch,
            &[&thread, &item.blob],
            &[],
            &json!({}),
        );
        let of: Value = world.town.client("polder", Op::Referral)?.read(Op::Referral, &[&thread], &[]).ok()?;
        (of["evidence"][0]["state"] == "here").then_some(())
    });
    (thread, item.blob)
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let (thread, blob) = refer(&world, |form| form["tlp"] = json!("red"));
        let more = json!({ "kind": "supplement", "text": format!("More of {MARKER}.") });
        let _: Value = world.town.client("harbour", Op::Say).unwrap().call(Op::Say, &[&thread], &[], &more).unwrap();
        until("the supplement is at polder", 60, || {
            let of: Value = world.town.client("polder", Op::Referral)?.read(Op::Referral, &[&thread], &[]).ok()?;
            (of["timeline"].as_array()?.len() == 2).then_some(())
        });
        // a report names whom it is from
        let publish = world.town.client("polder", Op::ContactPublish).unwrap();
        let _: Value = publish.call(Op::ContactPublish, &[], &[], &contact()).unwrap();
        let mut tokens = BTreeMap::new();
        for role in Role::ALL {
            let wanted = json!({ "name": format!("reader-{role}"), "role": role });
            let made: Value =
                world.town.client("polder", Op::TokenNew).unwrap().call(Op::TokenNew, &[], &[], &wanted).unwrap();
            tokens.insert(role, made["secret"].as_str().unwrap().to_owned());
        }
        Scene { world, tokens, thread, blob }
    }

    fn send(&self, role: Role, method: &str, path: &str, body: &Value) -> Answer {
        let mut headers = vec![("authorization", format!("Bearer {}", self.tokens[&role]))];
        let body = if method == "GET" { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        if method != "GET" {
            headers.push(("content-type", "application/json".into()));
        }
        ask(&self.world.api("polder"), &Request { method, path, headers, body: &body })
    }

    fn get(&self, role: Role, path: &str) -> Answer {
        self.send(role, "GET", path, &Value::Null)
    }

    /// Every road on which something could be read: each `GET` of the document, plain and with each free text of its
    /// query asking for the marker; and what only looks although it is a `POST`.
    fn roads(&self) -> Vec<(String, &'static str, String, Value)> {
        let document: Value = serde_json::from_slice(&self.get(Role::Officer, "/openapi.json").body).unwrap();
        let mut roads = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let fill = |part: &str| match part {
                "{thread}" => self.thread.clone(),
                "{blob}" => self.blob.clone(),
                "{name}" => "harbour".to_owned(),
                other => other.to_owned(),
            };
            let url = path.split('/').map(fill).collect::<Vec<_>>().join("/");
            let Some(get) = methods.get("get") else { continue };
            let name = get["operationId"].as_str().unwrap().to_owned();
            if get["responses"]["200"]["content"].get("text/event-stream").is_some() {
                continue;
            }
            roads.push((name.clone(), "GET", url.clone(), Value::Null));
            for parameter in get["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query") {
                let key = parameter["name"].as_str().unwrap();
                for value in [MARKER.to_owned(), format!("{MARKER}.example"), "own".into(), "court".into()] {
                    roads.push((name.clone(), "GET", format!("{url}?{key}={value}"), Value::Null));
                }
            }
        }
        roads
    }
}

fn shows_marker(answer: &Answer) -> bool {
    answer.body.windows(MARKER.len()).any(|w| w == MARKER.as_bytes())
}

#[test]
fn a_red_case_has_no_road_out_but_its_officers_eyes_and_what_was_tried_is_on_the_trail() {
    let scene = Scene::new();
    let (thread, blob) = (&scene.thread, &scene.blob);
    let roads = scene.roads();
    assert!(roads.len() > 60, "{} roads", roads.len());
    for role in [Role::Analyst, Role::Auditor, Role::Admin] {
        for (name, method, path, body) in &roads {
            let answer = scene.send(role, method, path, body);
            assert!(!shows_marker(&answer) || answer.status >= 400, "{name} shows it to {role}: {path}");
            if answer.status >= 400 && !path.contains('?') {
                assert!(!shows_marker(&answer), "{name} refuses {role} with what it withholds: {path}");
            }
        }
    }
    // officers handle it, and still make no file of it
    let detail = scene.get(Role::Officer, &format!("/referrals/{thread}"));
    assert!(detail.status == 200 && shows_marker(&detail));
    assert!(shows_marker(&scene.get(Role::Officer, &format!("/referrals/{thread}/evidence/{blob}"))));
    let files = ["export", "export.pdf", "export.csv", "export.csv?table=timeline", "export.csv?table=evidence"];
    let files = files.iter().flat_map(|file| {
        let with = if file.contains('?') { '&' } else { '?' };
        [(*file).to_owned(), format!("{file}{with}purpose=court")]
    });
    for file in files.chain(["export.xarf".to_owned()]) {
        let plain = format!("/referrals/{thread}/{}", file.split('?').next().unwrap());
        assert!(roads.iter().any(|(_, _, path, _)| *path == plain), "the sweep does not take {plain}");
        let file = file.as_str();
        let refused = scene.get(Role::Officer, &format!("/referrals/{thread}/{file}")).problem(file);
        assert_eq!(refused.code.as_str(), "not_released");
        assert!(refused.faults.iter().any(|f| f.path == "tlp" && f.what.starts_with("tlp_red: ")), "{refused:?}");
    }
    let refused = scene.get(Role::Analyst, &format!("/referrals/{thread}")).problem("an analyst reads it");
    assert_eq!(refused.code.as_str(), "not_released");
    let row = scene.get(Role::Analyst, "/referrals");
    let row: Value = serde_json::from_slice(&row.body).unwrap();
    let row = row["items"].as_array().unwrap().iter().find(|r| r["thread"] == *thread).unwrap().clone();
    assert_eq!((&row["withheld"], &row["subject"], &row["harm"]), (&json!("tlp_red"), &Value::Null, &Value::Null));
    // at the originator's own node an analyst is an analyst too, and its officers do as they like
    let own = scene.world.town.client("harbour", Op::Export).unwrap();
    for op in [Op::Export, Op::ExportPdf, Op::ExportCsv, Op::ExportXarf] {
        assert!(own.download(op, &[thread], &[]).is_ok(), "{op:?}");
    }

    // a flood of refusals is counted and not listed: one that comes a little later is
    let tried = [
        (Role::Officer, "Export", "/export".to_owned()),
        (Role::Officer, "ExportPdf", "/export.pdf".into()),
        (Role::Officer, "ExportCsv", "/export.csv".into()),
        (Role::Officer, "ExportXarf", "/export.xarf".into()),
        (Role::Analyst, "Referral", String::new()),
        (Role::Analyst, "EvidenceGet", format!("/evidence/{blob}")),
    ];
    for (role, act, path) in tried {
        until("the attempt is on the trail", 60, || {
            scene.get(role, &format!("/referrals/{thread}{path}"));
            std::thread::sleep(std::time::Duration::from_millis(300));
            let trail = format!("/audit?who=reader-{role}&act={act}&outcome=not_released%20tlp_red");
            let trail: Value = serde_json::from_slice(&scene.get(Role::Auditor, &trail).body).ok()?;
            (!trail["items"].as_array()?.is_empty()).then_some(())
        });
    }
}

#[test]
fn a_party_of_a_stricter_marking_is_left_out_for_who_may_not_see_it() {
    let world = World::new();
    let (thread, blob) = refer(&world, |form| {
        form["tlp"] = json!("amber+strict");
        form["subject_line"] = json!("plain");
        form["narrative"] = json!("plain");
        form["parties"][0]["tlp"] = json!("red");
    });
    let mut tokens = BTreeMap::new();
    for role in [Role::Officer, Role::Analyst] {
        let wanted = json!({ "name": format!("reader-{role}"), "role": role });
        let made: Value =
            world.town.client("polder", Op::TokenNew).unwrap().call(Op::TokenNew, &[], &[], &wanted).unwrap();
        tokens.insert(role, made["secret"].as_str().unwrap().to_owned());
    }
    let scene = Scene { world, tokens, thread, blob };
    let of = |role| -> Value {
        serde_json::from_slice(&scene.get(role, &format!("/referrals/{}", scene.thread)).body).unwrap()
    };
    let (officer, analyst) = (of(Role::Officer), of(Role::Analyst));
    assert_eq!(officer["form"]["parties"].as_array().unwrap().len(), 1);
    assert_eq!(analyst["form"]["parties"].as_array().unwrap().len(), 0);
    assert_eq!((&officer["withheld_parties"], &analyst["withheld_parties"]), (&json!(0), &json!(1)));
    // a bundle holds the form whole, signed: it can only stay
    let refused = scene.get(Role::Officer, &format!("/referrals/{}/export", scene.thread)).problem("export");
    assert_eq!(refused.code.as_str(), "not_released");
    // pages and tables leave it out, and say so
    let csv = scene.get(Role::Officer, &format!("/referrals/{}/export.csv", scene.thread));
    let text = String::from_utf8(csv.body.clone()).unwrap();
    assert!(csv.status == 200 && !shows_marker(&csv) && text.contains(",withheld,"), "{text}");
    assert!(scene.get(Role::Officer, &format!("/referrals/{}/export.pdf", scene.thread)).body.starts_with(b"%PDF-"));

    // a supplement that names another such party: nobody whom it is kept from sees it there either
    let party = json!([{ "role": "witness", "names": [MARKER], "tlp": "red" }]);
    let more = json!({ "kind": "supplement", "text": "More.", "form": { "parties": party } });
    let said =
        scene.world.town.client("harbour", Op::Say).unwrap().call::<Value>(Op::Say, &[&scene.thread], &[], &more);
    said.unwrap();
    until("the supplement is at polder", 60, || (of(Role::Officer)["timeline"].as_array()?.len() == 2).then_some(()));
    assert!(of(Role::Officer).to_string().contains(MARKER));
    let timeline = of(Role::Analyst)["timeline"].to_string();
    assert!(!timeline.contains(MARKER), "{timeline}");
    for table in ["parties", "timeline", "evidence"] {
        let csv = scene.get(Role::Officer, &format!("/referrals/{}/export.csv?table={table}", scene.thread));
        let text = String::from_utf8(csv.body).unwrap();
        assert!(csv.status == 200 && !text.replace(&format!("{MARKER}.eml"), "").contains(MARKER), "{text}");
    }
    // a later version of the form under a stricter marking: its words stay where that marking keeps them
    let change = json!({ "kind": "supplement", "text": "Renamed.", "form": { "subject_line": MARKER, "tlp": "red", "parties": [] } });
    let say = scene.world.town.client("harbour", Op::Say).unwrap();
    let _: Value = say.call(Op::Say, &[&scene.thread], &[], &change).unwrap();
    let row = |role| -> Value {
        let list: Value = serde_json::from_slice(&scene.get(role, "/referrals").body).unwrap();
        list["items"].as_array().unwrap().iter().find(|r| r["thread"] == *scene.thread).unwrap().clone()
    };
    until("the officer sees the new subject", 30, || (row(Role::Officer)["subject"] == MARKER).then_some(()));
    assert_eq!(row(Role::Analyst)["subject"], "plain");
}

#[test]
fn a_consent_of_the_originator_opens_what_it_names_until_it_ends_or_is_taken_back() {
    let scene = Scene::new();
    let thread = scene.thread.as_str();
    let get = |file: &str| scene.get(Role::Officer, &format!("/referrals/{thread}/{file}"));
    let open = |file: &str| get(file).status == 200;
    let say = |granted: bool, scope: Value, until: Option<u64>| {
        let body = json!({ "request": null, "granted": granted, "scope": scope, "until": until, "conditions": null });
        let said = json!({ "kind": "consent", "body": body });
        let client = scene.world.town.client("harbour", Op::Say).unwrap();
        client.call::<Value>(Op::Say, &[thread], &[], &said).unwrap();
    };
    let nothing = json!({ "onward": [], "domestic": false, "dissemination": null, "judicial_use": false });
    let with = |key: &str, value: Value| {
        let mut scope = nothing.clone();
        scope[key] = value;
        scope
    };
    let files = ["export", "export.pdf", "export.csv", "export.xarf"];
    assert!(files.iter().all(|file| !open(file)));

    // for a moment
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = u64::try_from(now.as_millis()).unwrap() + 6_000;
    say(true, with("dissemination", json!("To our people.")), Some(end));
    until("the file is open", 5, || open("export").then_some(()));
    assert!(open("export.pdf") && !open("export?purpose=court") && !open("export.pdf?purpose=court"));
    until("it has ended", 30, || (!open("export")).then_some(()));
    assert!(files.iter().all(|file| !open(file)));

    // until it is taken back
    say(true, with("dissemination", json!("To our people, and to hosts.")), None);
    until("the files are open again", 30, || files.iter().all(|file| open(file)).then_some(()));
    let csv = get("export.csv");
    assert!(shows_marker(&csv), "{}", String::from_utf8_lossy(&csv.body));
    let report: Value = serde_json::from_slice(&get("export.xarf").body).unwrap();
    assert_eq!(report["xarf_version"], "4.2.0", "{report}");
    assert_eq!(report, serde_json::from_slice::<Value>(&get("export.xarf").body).unwrap(), "the same each time");
    assert_eq!(get("export.pdf").body, get("export.pdf").body);
    say(false, nothing.clone(), None);
    until("they are closed again", 30, || files.iter().all(|file| !open(file)).then_some(()));

    // before a court
    say(true, with("judicial_use", json!(true)), None);
    until("the court's file is open", 30, || open("export.pdf?purpose=court").then_some(()));
    assert!(open("export?purpose=court") && !open("export") && !open("export.xarf"));
}
