//! Roles, and things that are not the caller's business: driven by the document that a node serves, on real nodes.
//!
//! - Each operation for each role, without a token and with a wrong one: allowed exactly as `x-roles` says.
//! - What exists elsewhere, and what exists nowhere, get the same answer.
//! - An administrator is shown nothing of a case; a private-sector member nothing that is for agencies.

#![allow(clippy::unwrap_used)]

#[path = "wrong_input/http.rs"]
mod http;
mod support;
#[path = "wrong_input/world.rs"]
mod world;

use http::{Answer, Request, ask};
use lapwing_api::ops::{Op, Role};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Running, json, until};
use world::{World, contact, sha256};

/// Exists nowhere.
const NOBODY: &str = "qrstuvwx2345abcdefgh2345ijklmnop2345yzyzyzyz2345abca";
/// Neither, and stands beside the id that is asked for.
const BESIDE: &str = "mnmnmnmn5432hgfedcba5432ponmlkji5432zyzyzyzy5432abca";
/// In the pro forma, the name and the content of evidence, and a statement of a case of harbour and polder.
const CASE: &str = "marker-of-the-case";
/// In a point of contact for agencies only.
const AGENCY: &str = "marker-for-agencies";
/// In the reason of an objection.
const REASON: &str = "marker-of-the-reason";

struct Scene {
    world: World,
    document: Value,
    /// Secrets by node and role.
    tokens: BTreeMap<(&'static str, Role), String>,
    /// Harbour's case with the marker, and its evidence.
    thread: String,
    blob: String,
    /// The entry of the contact for agencies.
    agency_entry: String,
    /// The entry of polder's objection.
    objection: String,
    /// What harbour does not know, by the parameter that could name it.
    foreign: BTreeMap<&'static str, Vec<String>>,
    _others: Vec<Running>,
}

fn verb(world: &World, at: &str, args: &[&str]) -> Value {
    let data = world.town.text(at);
    json(&[&["--data", data.as_str()], args].concat())
}

/// Lets somebody apply at `to` alone; its id.
fn apply(world: &World, name: &str, category: &str, to: &str, others: &mut Vec<Running>) -> String {
    world.town.init(name, category, Some("charter.lapwing"));
    others.push(world.town.start(name, &world.town.address(to)));
    until("the application is there", 60, || {
        let list: Value = world.town.client(to, Op::Applications)?.read(Op::Applications, &[], &[]).ok()?;
        let row = list["items"].as_array()?.iter().find(|a| a["short_name"] == name)?.clone();
        Some(row["pid"].as_str()?.to_owned())
    })
}

fn introduce(world: &World, at: &str, pid: &str) {
    let client = world.town.client(at, Op::Introduce).unwrap();
    let _: Value = client.call(Op::Introduce, &[pid], &[], &json!({})).unwrap();
}

/// Submits a referral whose form, evidence and narrative hold a marker; thread and evidence.
fn refer(world: &World, from: &str, to: &str, marker: &str) -> (String, String) {
    let client = |op| world.town.client(from, op).unwrap();
    let _: Value = client(Op::ContactPublish).call(Op::ContactPublish, &[], &[], &contact()).unwrap();
    let draft: Value = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
    let draft = draft["thread"].as_str().unwrap();
    let content = format!("Subject: {marker}\r\n\r\n{marker}\r\n").into_bytes();
    let query =
        [("name", format!("{marker}.eml")), ("media_type", "message/rfc822".to_owned()), ("sha256", sha256(&content))];
    let upload = client(Op::EvidencePut);
    let item = upload.upload(Op::EvidencePut, &[draft], &query, &content[..], content.len() as u64).unwrap();
    let mut form = world::form(&item);
    form["subject_line"] = json!(marker);
    form["narrative"] = json!(format!("What happened: {marker}."));
    let submit = json!({ "to": to, "form": form });
    let said: Value =
        until("the referral is taken", 60, || client(Op::Submit).call(Op::Submit, &[draft], &[], &submit).ok());
    (said["thread"].as_str().unwrap().to_owned(), item.blob)
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let mut others = Vec::new();
        let (thread, blob) = refer(&world, "harbour", "polder", CASE);
        until("the case is at polder", 60, || {
            let at = world.town.client("polder", Op::Referral)?;
            at.read::<Value>(Op::Referral, &[&thread], &[]).ok()
        });
        let ask_back = json!({ "kind": "need_info", "text": format!("Is {CASE} all?") });
        let _: Value = world.town.client("polder", Op::Say).unwrap().call(Op::Say, &[&thread], &[], &ask_back).unwrap();
        let savanna = world.savanna.clone();
        until("savanna can be sealed to, and is an agency of full standing where it is", 60, || {
            let of: Value = world.town.client("polder", Op::Member)?.read(Op::Member, &[&savanna], &[]).ok()?;
            (of["sealable"] == true && world.town.standing("savanna", &savanna)? == "participant").then_some(())
        });
        let (foreign_thread, foreign_blob) = refer(&world, "polder", &savanna, "marker-of-others");

        let foreign_joint = "d".repeat(51) + "a";
        let plan = json!({ "joint": foreign_joint, "version": 1, "title": "marker-of-others" });
        let plan = json!({ "kind": "joint_plan", "body": plan });
        let _: Value =
            world.town.client("polder", Op::Say).unwrap().call(Op::Say, &[&foreign_thread], &[], &plan).unwrap();

        let mut for_agencies = contact();
        (for_agencies["slot"], for_agencies["name"]) = (json!("quiet"), json!(AGENCY));
        for_agencies["agency_only"] = json!(true);
        let publish = world.town.client("harbour", Op::ContactPublish).unwrap();
        let written: Value = publish.call(Op::ContactPublish, &[], &[], &for_agencies).unwrap();
        let agency_entry = written["entry"].as_str().unwrap().to_owned();

        let mailco = apply(&world, "mailco", "internet_service_provider", "harbour", &mut others);
        introduce(&world, "harbour", &mailco);
        let barred = apply(&world, "barred", "internet_service_provider", "polder", &mut others);
        introduce(&world, "polder", &barred);
        let officer = world.town.officer("polder");
        let args = ["vote", "object", "barred", "--reason", REASON, "--officer-key", &officer, "--yes"];
        verb(&world, "polder", &args);
        until("mailco takes part and knows that barred does not", 90, || {
            let objected = |at| world.town.standing(at, &barred).filter(|s| s == "objected");
            let member = world.town.standing("mailco", &mailco).filter(|s| s == "participant");
            objected("mailco").and(objected("harbour")).and(member)
        });
        until("the reason is at harbour", 60, || {
            let of: Value = world.town.client("harbour", Op::Member)?.read(Op::Member, &[&barred], &[]).ok()?;
            of.to_string().contains(REASON).then_some(())
        });
        let of: Value = world.town.client("polder", Op::Member).unwrap().read(Op::Member, &[&barred], &[]).unwrap();
        let objection = of["objections"][0]["entry"].as_str().unwrap().to_owned();
        let latecomer = apply(&world, "latecomer", "consumer_protection", "polder", &mut others);
        let propose = json!({ "act": "amend", "window_ms": 8000, "expires_in_ms": 86_400_000, "statement": "because" });
        let at_polder: Value =
            world.town.client("polder", Op::Propose).unwrap().call(Op::Propose, &[], &[], &propose).unwrap();
        let proposal = at_polder["id"].as_str().unwrap().to_owned();

        let mut tokens: BTreeMap<(&'static str, Role), String> = BTreeMap::new();
        for role in Role::ALL {
            tokens.insert(("harbour", role), world.tokens[role.as_str()].clone());
            let wanted = json!({ "name": format!("test-{role}"), "role": role });
            let made: Value =
                world.town.client("mailco", Op::TokenNew).unwrap().call(Op::TokenNew, &[], &[], &wanted).unwrap();
            tokens.insert(("mailco", role), made["secret"].as_str().unwrap().to_owned());
        }
        let wanted = json!({ "name": "polders-own", "role": "analyst" });
        let _: Value =
            world.town.client("polder", Op::TokenNew).unwrap().call(Op::TokenNew, &[], &[], &wanted).unwrap();
        let foreign = BTreeMap::from([
            ("thread", vec![foreign_thread]),
            ("joint", vec![foreign_joint]),
            ("blob", vec![foreign_blob]),
            ("name", vec![latecomer]),
            ("id", vec![proposal]),
            ("entry", vec![objection.clone(), agency_entry.clone()]),
        ]);
        let document = ask(&world.api("harbour"), &plain("GET", "/openapi.json"));
        let document = serde_json::from_slice(&document.body).unwrap();
        Scene { world, document, tokens, thread, blob, agency_entry, objection, foreign, _others: others }
    }

    fn bearer(&self, at: &'static str, role: Role) -> String {
        format!("Bearer {}", self.tokens[&(at, role)])
    }

    /// Every operation of the served document: path, method, what it says.
    fn operations(&self) -> Vec<(String, String, Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let of = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().unwrap().clone();
            methods.into_iter().map(|(method, op)| (path.clone(), method.to_uppercase(), op)).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    fn send(
        &self,
        at: &str,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut headers: Vec<(&str, String)> = more.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        headers.extend(bearer.map(|b| ("authorization", b.to_owned())));
        ask(&self.world.api(at), &Request { method, path, headers, body })
    }
}

fn plain<'a>(method: &'a str, path: &'a str) -> Request<'a> {
    Request { method, path, headers: Vec::new(), body: b"" }
}

fn parameters<'a>(op: &'a Value, place: &'a str) -> impl Iterator<Item = &'a str> {
    let all = op["parameters"].as_array().unwrap().iter();
    all.filter(move |p| p["in"] == place).map(|p| p["name"].as_str().unwrap())
}

/// The path with every parameter filled in.
fn fill(path: &str, value: impl Fn(&str) -> String) -> String {
    let part = |p: &str| p.strip_prefix('{').and_then(|p| p.strip_suffix('}')).map_or_else(|| p.to_owned(), &value);
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What two answers to two ids must have in common: all but the ids themselves and what names the request.
fn print(answer: &Answer, id: &str) -> (u16, String, String) {
    let head: Vec<String> = answer
        .head
        .lines()
        .filter(|l| !l.starts_with("x-request-id:") && !l.starts_with("date:"))
        .map(|l| l.replace(id, "ID"))
        .collect();
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (answer.status, head.join("\n"), body.to_string().replace(id, "ID"))
}

/// A body that gets as far as the id.
fn body_for(op: &Value) -> Value {
    match op["operationId"].as_str().unwrap() {
        "Approve" => json!({ "kid": NOBODY, "signature": "ab".repeat(64) }),
        "DraftSave" => json!({ "form": {} }),
        "CaseAssign" => json!({ "to": null }),
        "NoteWrite" => json!({ "text": "x" }),
        "Submit" => json!({ "to": "polder", "form": {} }),
        "Prepare" | "Say" => {
            json!({ "kind": "acknowledge", "body": { "own_reference": "P-1", "assurance": "not_requested" } })
        }
        "PassOn" => json!({ "proposal": NOBODY, "poc_ref": "intake" }),
        _ => json!({}),
    }
}

/// Each operation for each role: only those that the document names get past the door. What gets past is stopped by
/// something else that is wrong, so that nothing changes.
fn roles(scene: &Scene) -> (usize, Vec<String>) {
    let (mut asked, mut faults) = (0, Vec::new());
    for (path, method, op) in scene.operations() {
        let name = op["operationId"].as_str().unwrap();
        let allowed: BTreeSet<&str> = op["x-roles"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
        let open = op["security"].as_array().is_some_and(|s| s.is_empty());
        let mut url = fill(&path, |_| NOBODY.to_owned());
        if op["responses"]["200"]["content"].get("text/event-stream").is_some() {
            url += "?after=never";
        }
        let mut expect = |who: &str, bearer: Option<&str>, refused: Option<(u16, &str)>| {
            let answer = scene.send("harbour", &method, &url, bearer, &[("content-type", "text/plain")], b"");
            asked += 1;
            let code = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()["code"].to_string();
            let right = match refused {
                Some((status, wanted)) => answer.status == status && code.contains(wanted),
                None => !matches!(answer.status, 401 | 403),
            };
            if !right {
                faults.push(format!("{name} as {who}: {} {code}, expected {refused:?}", answer.status));
            }
        };
        let stranger = (!open).then_some((401, "unauthenticated"));
        expect("nobody", None, stranger);
        expect("a wrong token", Some("Bearer lw-wrong"), stranger);
        for role in Role::ALL {
            let refused = (!allowed.contains(role.as_str())).then_some((403, "forbidden"));
            expect(role.as_str(), Some(&scene.bearer("harbour", role)), refused);
        }
    }
    (asked, faults)
}

/// What exists, but not for the caller, against what exists nowhere.
fn strangers(scene: &Scene, at: &'static str, foreign: &BTreeMap<&'static str, Vec<String>>) -> (usize, Vec<String>) {
    let (mut pairs, mut faults) = (0, Vec::new());
    let mut compare = |name: &str, role: Role, allowed: bool, of: &dyn Fn(&str) -> Answer, id: &str| {
        // whole, and by its beginning
        for (id, nobody) in [(id, NOBODY), (&id[..8], &NOBODY[..8])] {
            let (there, nowhere) = (of(id), of(nobody));
            pairs += 1;
            let (a, b) = (print(&there, id), print(&nowhere, nobody));
            if a != b {
                faults.push(format!("{name} at {at} as {role} tells what exists:\n  {a:?}\n  {b:?}"));
            }
            let wanted = if allowed { 404 } else { 403 };
            if a.0 != wanted {
                faults.push(format!("{name} at {at} as {role} answers {a:?} for {id}, not {wanted}"));
            }
        }
    };
    for (path, method, op) in scene.operations() {
        let name = op["operationId"].as_str().unwrap();
        let get = method == "GET";
        let body = if get { Vec::new() } else { serde_json::to_vec(&body_for(&op)).unwrap() };
        let media = if get { vec![] } else { vec![("content-type", "application/json")] };
        let upload = format!("?name=a&media_type=text%2Fplain&sha256={}", sha256(b"x"));
        let query = if name == "EvidencePut" { upload.as_str() } else { "" };
        for role in Role::ALL {
            let bearer = scene.bearer(at, role);
            let allowed = op["x-roles"].as_array().unwrap().iter().any(|r| r == role.as_str());
            for (parameter, ids) in foreign {
                // tokens have names of their own; they are looked at below
                let about = parameters(&op, "path").any(|p| p == *parameter) && name != "TokenRevoke";
                for id in ids.iter().filter(|_| about) {
                    let of = |value: &str| {
                        let path = fill(&path, |p| match p {
                            p if p == *parameter => value.to_owned(),
                            // a case of its own, so that the evidence is what is unknown
                            "thread" if at == "harbour" => scene.thread.clone(),
                            _ => BESIDE.to_owned(),
                        });
                        scene.send(at, &method, &format!("{path}{query}"), Some(&bearer), &media, &body)
                    };
                    compare(name, role, allowed, &of, id);
                }
            }
            // filters that name somebody
            for (filter, id) in [("with", "name"), ("name", "name")] {
                let about = parameters(&op, "query").any(|p| p == filter) && get;
                for id in foreign.get(id).into_iter().flatten().filter(|_| about) {
                    let of = |value: &str| {
                        scene.send(at, &method, &format!("{path}?{filter}={value}"), Some(&bearer), &[], b"")
                    };
                    compare(&format!("{name} by {filter}"), role, allowed, &of, id);
                }
            }
            // and bodies that do
            let target = |value: &str| json!({ "act": "consent", "target": value });
            for id in foreign.get("name").into_iter().flatten().filter(|_| name == "Propose") {
                let of = |value: &str| {
                    let body = serde_json::to_vec(&target(value)).unwrap();
                    scene.send(at, &method, &path, Some(&bearer), &media, &body)
                };
                compare(name, role, allowed, &of, id);
            }
        }
    }
    (pairs, faults)
}

/// Everything that a role is shown by every operation that reads, with whatever there is in its paths; and by the
/// stream of events since the node's start.
fn shown(scene: &Scene, at: &'static str, role: Role) -> Vec<(String, Vec<u8>)> {
    let bearer = scene.bearer(at, role);
    let members = scene.send(at, "GET", "/members?limit=500", Some(&bearer), &[], b"");
    let members: Value = serde_json::from_slice(&members.body).unwrap();
    let pids = members["items"].as_array().unwrap().iter().map(|m| m["pid"].as_str().unwrap().to_owned());
    let known: BTreeMap<&str, Vec<String>> = BTreeMap::from([
        ("name", pids.collect()),
        ("thread", vec![scene.thread.clone(), scene.foreign["thread"][0].clone()]),
        ("joint", vec![scene.foreign["joint"][0].clone()]),
        ("blob", vec![scene.blob.clone(), scene.foreign["blob"][0].clone()]),
        ("id", vec![scene.world.proposal.clone(), scene.foreign["id"][0].clone()]),
        ("entry", vec![scene.objection.clone(), scene.agency_entry.clone()]),
    ]);
    let mut all = Vec::new();
    for (path, method, op) in scene.operations() {
        let stream = op["responses"]["200"]["content"].get("text/event-stream").is_some();
        if stream {
            all.push((path, events(scene, at, &bearer)));
            continue;
        }
        let names: Vec<&str> = parameters(&op, "path").collect();
        let longest = names.iter().map(|n| known[n].len()).max().unwrap_or(1);
        for i in 0..longest {
            let path = fill(&path, |p| known[p][i.min(known[p].len() - 1)].clone());
            let mut queries = vec![String::new()];
            if parameters(&op, "query").any(|p| p == "log") {
                queries = ["id", "pub", "agy"].map(|log| format!("?log={log}")).to_vec();
            }
            for query in queries {
                let url = format!("{path}{query}");
                // what changes things is stopped by its media type, behind the door
                for accept in ["application/json", "application/x-ndjson"] {
                    let headers = [("accept", accept), ("content-type", "text/plain")];
                    let answer = scene.send(at, &method, &url, Some(&bearer), &headers, b"");
                    let mut bytes = answer.head.into_bytes();
                    bytes.extend(answer.body);
                    all.push((format!("{method} {url}"), bytes));
                }
            }
        }
    }
    all
}

/// What a stream says within a second or two, from the node's start on.
fn events(scene: &Scene, at: &str, bearer: &str) -> Vec<u8> {
    let address = scene.world.api(at);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let after = "after=000000000000-0";
    let head = format!("GET /api/v1/events?{after} HTTP/1.1\r\nhost: {address}\r\nauthorization: {bearer}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut all, mut buffer, begun) = (Vec::new(), [0; 65536], Instant::now());
    while begun.elapsed() < Duration::from_secs(2) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => all.extend(&buffer[..n]),
            Err(_) if String::from_utf8_lossy(&all).contains("event: ") => break,
            Err(_) => {}
        }
    }
    all
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|w| w == what.as_bytes())
}

#[test]
fn every_role_gets_what_the_document_says_and_nobody_learns_what_is_not_his_to_know() {
    let scene = Scene::new();
    let latecomer = &scene.foreign["name"][0];
    let at_harbour = scene.world.town.client("harbour", Op::Applications).unwrap();
    let list: Value = at_harbour.read(Op::Applications, &[], &[]).unwrap();
    assert!(!list.to_string().contains(latecomer), "the application at polder alone is at harbour too");

    let (asked, mut faults) = roles(&scene);
    let (pairs, told) = strangers(&scene, "harbour", &scene.foreign);
    faults.extend(told);
    // to the private-sector member, a case of agencies, its evidence and what is said among agencies do not exist either
    let of_agencies = BTreeMap::from([
        ("thread", vec![scene.thread.clone(), scene.foreign["thread"][0].clone()]),
        ("blob", vec![scene.blob.clone()]),
        ("entry", vec![scene.objection.clone(), scene.agency_entry.clone()]),
        ("id", vec![scene.world.proposal.clone()]),
        ("name", vec![latecomer.clone()]),
    ]);
    let (more, told) = strangers(&scene, "mailco", &of_agencies);
    faults.extend(told);
    // the name of another node's token
    let admin = scene.bearer("harbour", Role::Admin);
    let revoke = |name: &str| {
        let path = format!("/tokens/{name}/revoke");
        let media = [("content-type", "application/json")];
        print(&scene.send("harbour", "POST", &path, Some(&admin), &media, b"{}"), name)
    };
    assert_eq!(revoke("polders-own"), revoke("nobodys-own"));

    // the markers are where they belong, or what follows would show nothing
    let seen = |at, role, marker: &str| shown(&scene, at, role).iter().any(|(_, bytes)| holds(bytes, marker));
    for role in [Role::Officer, Role::Analyst, Role::Auditor] {
        assert!(seen("harbour", role, CASE), "{role} sees the case");
    }
    assert!(seen("harbour", Role::Officer, AGENCY) && seen("harbour", Role::Officer, REASON));
    for (url, bytes) in shown(&scene, "harbour", Role::Admin) {
        let path_has = |id: &str| url.contains(id);
        for secret in [CASE, scene.thread.as_str(), scene.blob.as_str()] {
            if holds(&bytes, secret) {
                let where_ = if path_has(secret) { " (it was in the path)" } else { "" };
                faults.push(format!("{url} shows an administrator `{secret}`{where_}"));
            }
        }
    }
    for role in Role::ALL {
        for (url, bytes) in shown(&scene, "mailco", role) {
            for secret in [AGENCY, REASON, CASE] {
                if holds(&bytes, secret) {
                    faults.push(format!("{url} shows a private-sector member's {role} `{secret}`"));
                }
            }
        }
    }
    // nor do they lie in its folder
    for file in support::files(&scene.world.town.path("mailco")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for secret in [AGENCY, REASON, CASE] {
            assert!(!holds(&bytes, secret), "{} has {secret}", file.display());
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("{asked} requests by role, {} pairs of ids", pairs + more);
    assert!(asked > 200 && pairs + more > 200, "the sweep has become a glance: {asked}, {pairs}, {more}");
}
