//! The contract, held against real nodes: every operation refuses what is wrong and answers what is right, as the served
//! document says; and every problem code is provoked, here or by a test that is named.

#![allow(clippy::unwrap_used)]

#[path = "contract/calls.rs"]
mod calls;
#[path = "contract/elsewhere.rs"]
mod elsewhere;
#[path = "wrong_input/http.rs"]
mod http;
#[path = "wrong_input/routes.rs"]
mod routes;
mod support;
#[path = "wrong_input/world.rs"]
mod world;

use calls::Scene;
use http::{Request, ask};
use lapwing_api::contract::codes;
use lapwing_api::ops::{Body, OPS, Op};
use lapwing_api::problem::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use world::World;

/// Which codes each operation was seen to answer with.
type Seen = BTreeMap<&'static str, BTreeSet<Code>>;

#[test]
fn every_operation_refuses_what_is_wrong_answers_what_is_right_and_every_code_is_provoked() {
    let world = World::new();
    let mut seen: Seen = BTreeMap::new();
    let wrong = routes::sweep(&world);
    for (name, (_, codes)) in &wrong {
        seen.entry(name).or_default().extend(codes);
    }
    let requests: usize = wrong.values().map(|(n, _)| n).sum();

    let mut scene = Scene::new(world);
    let (mut faults, mut answered) = (Vec::new(), BTreeSet::new());
    let mut try_it = |scene: &mut Scene, op: Op| {
        let answer = calls::call(scene, op);
        match scene.fits(op.row(), &answer) {
            Ok(()) => drop(answered.insert(op.row().name)),
            Err(fault) => faults.push(format!("{}: {fault}", op.row().name)),
        }
    };
    OPS.iter().filter(|r| r.op != Op::Shutdown).for_each(|row| try_it(&mut scene, row.op));
    seen.extend([("(connections)", BTreeSet::from([too_many(&scene)]))]);
    provoke(&mut scene, &mut seen);
    try_it(&mut scene, Op::Shutdown);

    let silent: Vec<&str> = OPS.iter().map(|r| r.name).filter(|n| !answered.contains(n)).collect();
    assert!(faults.is_empty(), "answers are not as the document has them:\n{}", faults.join("\n"));
    assert!(silent.is_empty(), "never answered as it should: {silent:?}");

    // what was answered is what is declared
    for row in OPS {
        let beyond: [Code; 2] = [Code::NoRoute, Code::BadMethod];
        let undeclared: Vec<&str> = seen[row.name]
            .iter()
            .filter(|c| !codes(row).contains(c) && !beyond.contains(c))
            .map(|c| c.as_str())
            .collect();
        assert!(undeclared.is_empty(), "{} answers what its contract does not say: {undeclared:?}", row.name);
    }
    // and every code was seen, or a test that provokes it is named
    let met: BTreeSet<Code> = seen.values().flatten().copied().collect();
    let missing: Vec<&str> =
        Code::ALL.iter().filter(|c| !met.contains(c) && !elsewhere::provokes(**c)).map(|c| c.as_str()).collect();
    assert!(missing.is_empty(), "nothing provokes {missing:?}: do it in tests/contract, or name the test that does");
    println!("{requests} wrong requests, {} operations answered, {} codes met here", answered.len(), met.len());
    for (name, codes) in &seen {
        println!("{name}: {}", codes.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(" "));
    }
}

#[test]
fn a_test_that_is_named_for_a_code_exists_and_speaks_of_it() {
    elsewhere::check();
}

/// More connections than there are places for, all of clients that showed a token: others would make room.
fn too_many(scene: &Scene) -> Code {
    let address = scene.world.api("harbour");
    let token = std::fs::read_to_string(scene.world.town.path("harbour").join("run/api.token")).unwrap();
    let token = token.trim();
    let watch = format!("GET /api/v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    let hold = |_| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(watch.as_bytes()).unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..300).map(hold).collect();
    let code = support::until("the places are taken", 30, || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let asked = format!("GET /api/v1/livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        if !head.starts_with("HTTP/1.1 429") {
            return None;
        }
        let problem: lapwing_api::problem::Problem = serde_json::from_str(body).unwrap();
        let id = problem.request_id.as_deref().unwrap();
        assert!(head.to_lowercase().contains(&format!("x-request-id: {id}")) && head.contains("retry-after"), "{head}");
        Some(problem.code)
    });
    drop(held);
    support::until("places are free again", 30, || scene.world.town.status("harbour"));
    code
}

/// Codes that take a particular state of things.
fn provoke(scene: &mut Scene, seen: &mut Seen) {
    let mut expect = |scene: &Scene, op: Op, code: Code, answer: http::Answer| {
        let problem = answer.problem(op.row().name);
        assert_eq!(problem.code, code, "{}: {}", op.row().name, problem.detail);
        let statuses = &scene.document["paths"][op.row().path];
        assert!(statuses.to_string().contains(code.as_str()), "{} does not say {}", op.row().name, code.as_str());
        seen.entry(op.row().name).or_default().insert(code);
    };
    // an agency that does not take part moves nothing
    let outsider = scene.others.last().unwrap().name.clone();
    let amend =
        serde_json::json!({ "act": "amend", "window_ms": 7000, "expires_in_ms": 86_400_000, "statement": "because" });
    expect(scene, Op::Propose, Code::Standing, scene.post(&outsider, Op::Propose, &[], &amend));
    // one that is suspended cannot confirm its state with others
    let savanna = scene.world.savanna.clone();
    scene.vote("polder", "object", &savanna);
    support::until("savanna is suspended where it is", 60, || {
        scene.world.town.standing("savanna", &savanna).filter(|s| s == "suspended")
    });
    expect(scene, Op::Propose, Code::Unconfirmed, scene.post("savanna", Op::Propose, &[], &amend));
    // evidence whose file is lost
    let digest: lapwing_record::id::Digest = scene.world.blob.parse().unwrap();
    let stem = &world::hex(&digest.0)[2..];
    let files = support::files(&scene.world.town.path("harbour").join("blobs"));
    let lost: Vec<_> = files.iter().filter(|f| f.to_string_lossy().contains(stem)).collect();
    assert!(!lost.is_empty(), "{files:?}");
    lost.into_iter().for_each(|f| std::fs::remove_file(f).unwrap());
    let path = [scene.world.thread.clone(), scene.world.blob.clone()];
    expect(scene, Op::EvidenceGet, Code::ContentGone, scene.get("harbour", Op::EvidenceGet, &path, "", &[]));
    // events over a restart, and a node that no peer tells where its own logs end
    let before = calls::watch(&scene.world.api("harbour"), &scene.token("harbour", Op::Events), None, "\n\n");
    let id = before.split("\nid: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    scene.world.running.clear();
    scene.others.clear();
    scene.world.running.push(scene.world.town.start("harbour", &[]));
    let after = calls::watch(&scene.world.api("harbour"), &scene.token("harbour", Op::Events), Some(&id), "gap");
    assert!(after.contains("event: gap\ndata: {\"missed\":null,\"why\":\"restart\"}"), "{after}");
    let told = after.split("event: gap").next().unwrap().rsplit("\nid: ").next().unwrap().trim();
    assert!(told.ends_with("-0") && told.split('-').next() != id.split('-').next(), "{told} after {id}");
    let contact = world::contact();
    expect(scene, Op::ContactPublish, Code::HeadUnchecked, scene.post("harbour", Op::ContactPublish, &[], &contact));
}

#[test]
fn a_request_is_named_in_its_answer_and_in_the_log_and_lists_come_as_lines() {
    let world = World::new();
    let scene = Scene::new(world);
    let named = [("x-request-id", "contract-7.a".to_owned())];
    let answer = scene.send("harbour", Op::AssertCurrent, &[], "", &named, Some(&serde_json::json!({})));
    assert!(answer.head.contains("x-request-id: contract-7.a"), "{}", answer.head);
    let log = std::fs::read_to_string(scene.world.town.path("harbour.log")).unwrap();
    let line = log.lines().find(|l| l.contains("asserted that this node holds")).expect("the assertion is logged");
    assert!(line.contains("contract-7.a"), "{line}");
    for row in OPS.iter().filter(|r| r.body == Body::List) {
        let path = scene.path(row.op);
        let page = scene.get("harbour", row.op, &path, "", &[]).json();
        let lines = [("accept", "application/x-ndjson".to_owned())];
        let answer = scene.get("harbour", row.op, &path, "", &lines);
        assert!(answer.head.contains("content-type: application/x-ndjson"), "{}: {}", row.name, answer.head);
        assert!(answer.head.contains("lapwing-as-of: "), "{}: {}", row.name, answer.head);
        let text = String::from_utf8(answer.body).unwrap();
        let items: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let whole = page["items"].as_array().unwrap();
        assert_eq!(items.len(), whole.len(), "{}", row.name);
        for (one, other) in items.iter().zip(whole) {
            // times of connections move on between two requests
            let keys = |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(one), keys(other), "{}", row.name);
        }
    }
    every_listed_value_is_taken(&scene);
    // every page of one item, by the link of the page before
    let everyone = scene.get("harbour", Op::Members, &[], "", &[]).json()["items"].as_array().unwrap().len();
    let (mut url, mut found) = ("/members?limit=1".to_owned(), 0);
    loop {
        let headers =
            vec![("authorization", scene.token("harbour", Op::Members)), ("accept", "application/x-ndjson".to_owned())];
        let answer = ask(&scene.world.api("harbour"), &Request { method: "GET", path: &url, headers, body: b"" });
        assert_eq!(answer.status, 200);
        found += answer.body.iter().filter(|b| **b == b'\n').count();
        let Some(link) = answer.header("link") else { break };
        let next = link.strip_prefix("</api/v1").unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        assert!(next.ends_with(&format!("cursor={}", answer.header("lapwing-next").unwrap())));
        url = next;
    }
    assert_eq!(found, everyone);
}

/// Values that the document lists for a filter are the ones that the node knows.
fn every_listed_value_is_taken(scene: &Scene) {
    let stages: Vec<&str> = lapwing_engine::case::Stage::ALL.iter().map(|s| s.as_str()).collect();
    assert_eq!(stages, lapwing_api::contract::STAGES);
    let mut taken = 0;
    for row in OPS.iter().filter(|r| r.body == Body::List) {
        for parameter in scene.document["paths"][row.path]["get"]["parameters"].as_array().unwrap() {
            let schema = match parameter["schema"]["$ref"].as_str() {
                Some(reference) => scene.document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => &parameter["schema"],
            };
            let values = schema["enum"].as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned());
            let flags = ["true", "false"].map(str::to_owned).into_iter().filter(|_| schema["type"] == "boolean");
            for value in values.chain(flags) {
                let query = format!("?{}={value}", parameter["name"].as_str().unwrap());
                let answer = scene.get("harbour", row.op, &scene.path(row.op), &query, &[]);
                assert_eq!(answer.status, 200, "{}{query}", row.path);
                taken += 1;
            }
        }
    }
    assert!(taken > 50, "{taken}");
}
