//! The administrator's day: probes, health, metrics, reach, doctor, notices, logs, a stop in order. Real processes.

#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use lapwing_api::ops::{OPS, Op};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{Health, NotifyTested, Reach, Severity, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LAPWING, Running, Town, files, until};

/// Asks a node's port in plain HTTP: status, head, body.
fn http(town: &Town, name: &str, path: &str, headers: &str) -> Option<(u16, String, String)> {
    let address = std::fs::read_to_string(town.path(name).join("run/api.address")).ok()?;
    let mut stream = TcpStream::connect(address.trim()).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", address.trim());
    stream.write_all(ask.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, head.to_owned(), body.to_owned()))
}

fn metrics(town: &Town, name: &str) -> String {
    let token = std::fs::read_to_string(town.path(name).join("run/admin.token")).unwrap();
    let bearer = format!("authorization: Bearer {}\r\n", token.trim());
    let (status, head, body) = http(town, name, "/metrics", &bearer).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    body
}

fn health(town: &Town, name: &str) -> Option<Health> {
    town.client(name, Op::Health)?.read(Op::Health, &[], &[]).ok()
}

fn has(health: &Health, code: &str) -> bool {
    health.items.iter().any(|i| i.code == code)
}

fn ready(town: &Town, name: &str) -> bool {
    http(town, name, "/readyz", "").is_some_and(|(status, ..)| status == 200)
}

/// Two founders that know each other.
fn pair() -> (Town, Running, Running) {
    let town = Town::founded(&["harbour", "polder"]);
    std::fs::write(town.path("polder/config.toml"), "[log]\nformat = \"json\"\nlevel = \"debug\"\n").unwrap();
    let harbour = town.start("harbour", &[]);
    let polder = town.start("polder", &town.address("harbour"));
    for name in ["harbour", "polder"] {
        until("both are connected and ready", 60, || {
            let status: Status = town.status(name)?;
            (status.connected > 0 && ready(&town, name)).then_some(())
        });
    }
    (town, harbour, polder)
}

/// Runs a verb; exit code and JSON.
fn ran(args: &[&str]) -> (i32, Value) {
    let output = Command::new(LAPWING).args(args).arg("--json").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{args:?}: {e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), value)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|c| c["check"] == name).unwrap_or_else(|| panic!("no check {name}: {report}"))
}

fn signal(node: &Running, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(node.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_pair_of_nodes_is_probed_measured_reached_and_examined() {
    let (town, _harbour, mut polder) = pair();
    let data = town.text("harbour");

    // probes need no token, at the root and below /api/v1
    for path in ["/livez", "/readyz", "/api/v1/livez", "/api/v1/readyz"] {
        assert_eq!(http(&town, "harbour", path, "").unwrap().0, 200, "{path}");
        assert_eq!(http(&town, "harbour", path, "origin: http://evil.example\r\n").unwrap().0, 403, "{path}");
    }
    assert_eq!(http(&town, "harbour", "/metrics", "").unwrap().0, 401);

    // what alerts speak of is really measured
    let text = metrics(&town, "harbour");
    let rules = include_str!("../deploy/prometheus/lapwing.rules.yml");
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let named: BTreeSet<&str> =
        rules.split(word).filter(|w| w.starts_with("lapwing_") || w.starts_with("process_")).collect();
    assert!(named.len() > 8, "{named:?}");
    for name in &named {
        assert!(
            text.lines().any(|l| l.starts_with(&format!("{name}{{")) || l.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
    // and every code that they speak of is one
    let codes: BTreeSet<&str> = lapwing_node::health::SORTS.iter().map(|s| s.code).collect();
    for line in rules.lines().filter(|l| l.contains("code=")) {
        for list in line.split("lapwing_health_item{code").skip(1) {
            for code in list.split('"').nth(1).unwrap().split('|') {
                assert!(codes.contains(code), "{code}");
            }
        }
    }
    // nothing is named in it
    for secret in ["harbour", "polder", &town.status("harbour").unwrap().me.pid] {
        assert!(!text.contains(secret), "{secret} in the metrics");
    }
    lint(&text);
    // and the handbook lists it all
    let handbook = include_str!("../docs/operations.md");
    for line in text.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(handbook.contains(&format!("`{name}")), "{name} does not stand in docs/operations.md");
    }

    // who connects proves what it runs, and dials back
    let peer = until("polder says what it runs", 60, || {
        let peer = town.of("harbour", &["peers"])["items"][0].take();
        (peer["program"] == concat!("lapwing/", env!("CARGO_PKG_VERSION"))).then_some(peer)
    });
    assert!(peer["clock_offset_ms"].as_i64().unwrap().abs() < 60_000);
    let client = town.client("harbour", Op::Reach).unwrap();
    until("polder knows the binding", 60, || {
        let answer: Result<Reach, Problem> = client.call(Op::Reach, &[], &[("by", "polder".into())], &json!({}));
        match answer {
            Ok(reach) => {
                assert!(reach.ok && reach.by.short_name == "polder", "{reach:?}");
                assert_eq!(reach.addresses[0].outcome, "ok");
                Some(())
            }
            Err(problem) => {
                assert!(matches!(problem.code, Code::Unreachable | Code::TooManyRequests), "{problem:?}");
                std::thread::sleep(Duration::from_secs(2));
                None
            }
        }
    });
    let again: Result<Reach, Problem> = client.call(Op::Reach, &[], &[], &json!({}));
    let problem = again.unwrap_err();
    assert!(problem.detail.contains("ten seconds"), "not so soon again: {problem:?}");

    // health by verb and by doctor
    let (code, found) = ran(&["--data", &data, "health"]);
    assert_eq!((code, found["ready"].as_bool()), (0, Some(true)), "{found}");
    let found: Health = serde_json::from_value(found).unwrap();
    assert!(has(&found, "notify_unset") && has(&found, "backup_never") && !has(&found, "no_peers"), "{found:?}");
    assert!(found.items.iter().all(|i| i.since.is_some()));
    let (code, report) = ran(&["--data", &data, "doctor"]);
    assert_eq!((code, report["ok"].as_bool()), (0, Some(true)), "{report}");
    for name in
        ["config", "permissions", "charter", "process", "disk", "clock", "api", "health", "peers", "clock of peers"]
    {
        assert_eq!(check(&report, name)["state"], "ok", "{report}");
    }
    assert_eq!(check(&report, "keys")["state"], "warn", "they lie in clear here");
    assert_eq!(check(&report, "notify")["state"], "skipped");

    // what the token may do
    let (code, may) = ran(&["--data", &data, "whoami", "--can", "submit"]);
    assert_eq!((code, may["may"].as_bool()), (0, Some(true)));
    let admin = town.text("harbour/run/admin.token");
    let (code, may) = ran(&["--data", &data, "--token-file", &admin, "whoami", "--can", "Submit"]);
    assert_eq!((code, may["may"].as_bool()), (2, Some(false)));
    let (_, all) = ran(&["--data", &data, "--token-file", &admin, "whoami", "--can"]);
    let ops: Vec<&str> = all.as_array().unwrap().iter().map(|o| o["op"].as_str().unwrap()).collect();
    assert!(ops.contains(&"Reach") && !ops.contains(&"Submit") && ops.len() < OPS.len());

    // what polder heard is logged by whom it came from and which entry it was
    let _: Value = town
        .client("harbour", Op::ContactPublish)
        .unwrap()
        .call(Op::ContactPublish, &[], &[], &contact("intake"))
        .unwrap();
    until("a line of the log names peer and entry", 60, || {
        let text = std::fs::read_to_string(town.path("polder.log")).unwrap();
        let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let of_entry = |l: &Value| {
            l["span"]["name"] == "entry" && l["span"]["id"].is_string() && l["spans"][0]["peer"].is_string()
        };
        assert!(!text.contains("SECRET-NAME"));
        lines.into_iter().any(|l| of_entry(&l)).then_some(())
    });

    // alone, it is still ready, and says what is missing within the time that the item promises
    polder.kill();
    let gone = Instant::now();
    let item = until("the missing peer is told of", 65, || {
        health(&town, "harbour")?.items.into_iter().find(|i| i.code == "no_peers")
    });
    assert!(gone.elapsed() < Duration::from_secs(item.visible_within_s), "{:?}", gone.elapsed());
    assert!(ready(&town, "harbour"));
    let status = town.status("harbour").unwrap();
    assert_eq!(status.todo.iter().filter(|t| t.code == "no_peers").count(), 1, "{:?}", status.todo);
    let problem: Problem = client.call::<Reach>(Op::Reach, &[], &[], &json!({})).unwrap_err();
    assert_eq!(problem.code, Code::Unreachable);

    // a data folder that can no longer be written is seen before anybody is harmed by it
    let run = town.path("harbour/run");
    let kept = town.path("harbour/run-kept");
    std::fs::rename(&run, &kept).unwrap();
    std::fs::write(&run, "in the way").unwrap();
    let address = std::fs::read_to_string(kept.join("api.address")).unwrap();
    until("the trial write fails", 60, || {
        let mut stream = TcpStream::connect(address.trim()).ok()?;
        stream
            .write_all(format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        (text.starts_with("HTTP/1.1 503") && text.contains("journal_unwritable")).then_some(())
    });
    std::fs::remove_file(&run).unwrap();
    std::fs::rename(&kept, &run).unwrap();
    until("it is ready again", 60, || ready(&town, "harbour").then_some(()));
}

/// Prometheus' own linter, where it is installed; the check of the project installs it.
fn lint(text: &str) {
    let spawned =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("promtool is not installed: the metrics were not linted");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn doctor_is_useful_without_a_node_and_says_what_it_left_out() {
    let town = Town::founded(&["harbour"]);
    let data = town.text("harbour");
    let (code, report) = ran(&["--data", &data, "doctor"]);
    assert_eq!(code, 4, "{report}");
    for name in ["config", "permissions", "charter", "process", "disk", "clock", "backup"] {
        assert_eq!(check(&report, name)["state"], "ok", "{report}");
    }
    assert_eq!(check(&report, "api")["state"], "fail");
    assert!(check(&report, "api")["cause"].as_str().unwrap().contains("does not run"));
    for name in ["peers", "reach", "notify"] {
        assert_eq!(check(&report, name)["state"], "skipped", "{report}");
        assert!(check(&report, name)["what"].as_str().unwrap().contains("does not answer"));
    }

    // an old backup, keys that others read, a charter that was changed, a configuration with two faults
    std::fs::write(town.path("harbour.backup-last"), "2020-01-01T00:00:00Z\n").unwrap();
    let key = town.path("harbour/keys/feed.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(town.path("harbour/charter.lapwing"), "torn").unwrap();
    std::fs::write(town.path("harbour/config.toml"), "[log]\nlevel = \"loud\"\nfil = 1\n").unwrap();
    let (code, report) = ran(&["--data", &data, "doctor"]);
    assert_eq!((code, report["ok"].as_bool()), (3, Some(false)), "{report}");
    assert_eq!(check(&report, "backup")["state"], "warn");
    assert!(check(&report, "permissions")["what"].as_str().unwrap().contains("keys/feed.key (644)"));
    assert!(check(&report, "permissions")["fix"].as_str().unwrap().contains("chmod"));
    assert_eq!(check(&report, "charter")["state"], "fail");
    let causes = check(&report, "config")["cause"].as_str().unwrap();
    assert!(causes.contains("log.level") && causes.contains("log.fil"), "{causes}");

    let (code, report) = ran(&["--data", &town.text("nowhere"), "doctor"]);
    assert_eq!((code, check(&report, "folder")["state"].as_str()), (3, Some("fail")));
    // for people: a table, and below it what to do
    let output = support::run(&["--data", &data, "doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAIL") && text.contains("do:  chmod"), "{text}");
}

#[test]
fn people_get_a_test_notice_that_says_that_it_is_one() {
    let town = Town::founded(&["harbour"]);
    let got = town.path("got.json");
    let script = town.path("tell");
    std::fs::write(&script, format!("#!/bin/sh\ncat > {}\necho 'mail is down' >&2\nexit 3\n", got.display())).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = town.path("harbour/config.toml");
    std::fs::write(&config, format!("[notify]\ncommand = [\"{}\"]\n", script.display())).unwrap();
    let _node = town.start("harbour", &[]);
    let client = town.client("harbour", Op::NotifyTest).unwrap();
    let tested: NotifyTested = client.call(Op::NotifyTest, &[], &[], &json!({})).unwrap();
    assert_eq!((tested.ok, tested.exit_code, tested.stderr.as_deref()), (false, Some(3), Some("mail is down")));
    let notice: Value = serde_json::from_slice(&std::fs::read(got).unwrap()).unwrap();
    assert_eq!((notice["test"].as_bool(), notice["kind"].as_str()), (Some(true), Some("test")));
    let (code, report) = ran(&["--data", &town.text("harbour"), "doctor"]);
    assert_eq!(code, 4, "{report}");
    assert!(check(&report, "notify")["cause"].as_str().unwrap().contains("mail is down"));
    let (_, report) = ran(&["--data", &town.text("harbour"), "doctor", "--no-notify"]);
    assert_eq!(check(&report, "notify")["state"], "skipped");
    assert!(!health(&town, "harbour").unwrap().items.iter().any(|i| i.severity == Severity::Down));
}

/// A point of contact in a slot of its own: an entry in the journal.
fn contact(slot: &str) -> Value {
    json!({
        "slot": slot, "role": "case_intake", "name": "SECRET-NAME", "areas": [], "channels": [], "languages": ["en"],
        "hours": [{ "days": [1, 2], "from_min": 540, "to_min": 1020 }], "time_zone": "Europe/London",
        "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    })
}

#[test]
fn a_node_stops_in_order_under_load_loses_nothing_and_starts_clean() {
    let town = Town::founded(&["harbour"]);
    let config = town.path("harbour/config.toml");
    let log_to_a_file = "format = \"json\"\nlevel = \"debug\"\nfile = \"node.log\"\nmax_bytes = 8192\nkeep = 500\n";
    std::fs::write(&config, format!("[log]\n{log_to_a_file}")).unwrap();
    let mut node = town.start("harbour", &[]);
    until("it is ready", 60, || ready(&town, "harbour").then_some(()));
    // many at a time, each with an answer that counts
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (client, acknowledged, over) =
                (town.client("harbour", Op::ContactPublish).unwrap(), acknowledged.clone(), over.clone());
            std::thread::spawn(move || {
                for n in 0.. {
                    let slot = format!("w{worker}-{n}");
                    let done = client.call::<Value>(Op::ContactPublish, &[], &[], &contact(&slot));
                    match done {
                        Ok(_) => acknowledged.lock().unwrap().push(slot),
                        Err(_) if over.load(Ordering::SeqCst) => return,
                        Err(problem) => assert!(
                            matches!(problem.code, Code::Stopping | Code::Unreachable | Code::Invalid | Code::Conflict),
                            "{problem:?}"
                        ),
                    }
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            })
        })
        .collect();
    until("there is load", 60, || (acknowledged.lock().unwrap().len() > 40).then_some(()));
    let begun = Instant::now();
    signal(&node, rustix::process::Signal::TERM);
    let status = node.wait(Duration::from_secs(30)).expect("it ends");
    over.store(true, Ordering::SeqCst);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0), "{}", log(&town));
    workers.into_iter().for_each(|w| w.join().unwrap());
    let first_run = log(&town);
    assert!(first_run.contains("the node has stopped"), "{first_run}");
    assert!(town.path("harbour/index/clean").exists(), "the index was closed");

    // rotated, one object a line, with the fields of its spans and no content
    let parts = files(&town.path("harbour")).into_iter().filter(|f| f.display().to_string().contains("node.log"));
    let parts: Vec<_> = parts.collect();
    assert!(parts.len() > 1, "{parts:?}");
    assert!(parts.iter().all(|p| p.metadata().unwrap().len() <= 8192), "{parts:?}");
    let mut in_requests = 0;
    for line in first_run.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string());
        in_requests += usize::from(line["span"]["request_id"].is_string());
    }
    assert!(in_requests > 40, "requests are named in {in_requests} lines");
    assert!(!first_run.contains("SECRET-NAME"));

    let _again = town.start("harbour", &[]);
    until("it is ready again", 60, || ready(&town, "harbour").then_some(()));
    let all = log(&town);
    for fault in ["unfinished write", "the index is rebuilt", "older copy"] {
        assert!(!all.contains(fault), "{fault}");
    }
    let list = town.of("harbour", &["contact", "list"]);
    let there: BTreeSet<&str> =
        list["items"].as_array().unwrap().iter().map(|c| c["contact"]["slot"].as_str().unwrap()).collect();
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&String> = acknowledged.iter().filter(|slot| !there.contains(slot.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are gone: {lost:?}", lost.len(), acknowledged.len());
}

/// The node's whole log, the oldest part first.
fn log(town: &Town) -> String {
    let number = |p: &std::path::Path| p.extension().and_then(|x| x.to_str()?.parse::<u32>().ok()).unwrap_or(0);
    let mut parts: Vec<_> =
        files(&town.path("harbour")).into_iter().filter(|f| f.display().to_string().contains("node.log")).collect();
    parts.sort_by_key(|p| std::cmp::Reverse(number(p)));
    parts.iter().map(|p| std::fs::read_to_string(p).unwrap()).collect()
}

#[test]
fn while_a_node_stops_it_is_not_ready_and_a_second_signal_ends_it_at_once() {
    let town = Town::founded(&["harbour"]);
    let script = format!("echo $$ > {}; exec sleep 25", town.text("pid"));
    let command = format!("[notify]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n");
    std::fs::write(town.path("harbour/config.toml"), command).unwrap();
    let mut node = town.start("harbour", &[]);
    until("it is ready", 60, || ready(&town, "harbour").then_some(()));
    // a request under way holds the stop up
    let client = town.client("harbour", Op::NotifyTest).unwrap();
    let slow = std::thread::spawn(move || client.call::<Value>(Op::NotifyTest, &[], &[], &json!({})));
    let command = until("the command runs", 30, || {
        std::fs::read_to_string(town.path("pid")).ok()?.trim().parse().ok().and_then(rustix::process::Pid::from_raw)
    });
    signal(&node, rustix::process::Signal::INT);
    until("it is not ready and says why", 4, || {
        let (status, _, body) = http(&town, "harbour", "/readyz", "")?;
        (status == 503 && body.contains("stopping")).then_some(())
    });
    let refused: Result<Value, Problem> = town.client("harbour", Op::Health).unwrap().read(Op::Status, &[], &[]);
    assert_eq!(refused.unwrap_err().code, Code::Stopping);
    signal(&node, rustix::process::Signal::INT);
    assert_eq!(node.wait(Duration::from_secs(3)).expect("it ends at once").code(), Some(130));
    assert!(slow.join().unwrap().is_err());
    // an end at once leaves what it began to itself
    rustix::process::kill_process(command, rustix::process::Signal::KILL).unwrap();
}
