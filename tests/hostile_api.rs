//! The local API under people who mean harm: guesses, foreign pages, clients that never finish, requests that hide others.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::{Access, Body, Method, OPS, Op};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::{Running, Stops, Town, until};

/// Times are measured here: one test after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// A node, and what belongs to its doors.
struct Harbour {
    _alone: MutexGuard<'static, ()>,
    town: Town,
    api: String,
    officer: String,
    admin: String,
    _node: Running,
}

impl Harbour {
    fn new() -> Harbour {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let town = Town::founded(&["harbour", "polder"]);
        let node = town.start("harbour", &[]);
        let read = |file: &str| std::fs::read_to_string(town.path("harbour").join("run").join(file)).unwrap();
        let text = |file: &str| read(file).trim().to_owned();
        let (api, officer, admin) = (text("api.address"), text("api.token"), text("admin.token"));
        Harbour { _alone: alone, town, api, officer, admin, _node: node }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.api).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes as they are and reads to the end of the connection.
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // a server that refuses early may close before it has everything
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all
    }

    /// One request; status, head in lower case, body.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            text += &format!("host: {}\r\n", self.api);
        }
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        let all = String::from_utf8_lossy(&self.raw(format!("{text}\r\n{body}").as_bytes())).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {all:?}"));
        (status(&all), head.to_lowercase(), body.to_owned())
    }

    fn code(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let (status, _, body) = self.ask(method, path, headers, body);
        let problem: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        problem["code"].as_str().map_or_else(|| format!("{status}"), str::to_owned)
    }

    /// How long an honest client waits for its answer.
    fn honest(&self) -> Duration {
        let begun = Instant::now();
        let bearer = format!("Bearer {}", self.officer);
        let (status, _, body) = self.ask("GET", "/api/v1/status", &[("authorization", &bearer)], "");
        assert_eq!(status, 200, "an honest client is refused: {body}");
        begun.elapsed()
    }

    fn metric(&self, beginning: &str) -> u64 {
        let bearer = format!("Bearer {}", self.officer);
        let (_, _, text) = self.ask("GET", "/metrics", &[("authorization", &bearer)], "");
        let line = text.lines().find_map(|l| l.strip_prefix(beginning)?.trim().parse().ok());
        line.unwrap_or_else(|| panic!("no {beginning} in {text}"))
    }

    fn audit(&self) -> Vec<Value> {
        let client = self.town.client("harbour", Op::Audit).unwrap();
        client.pages(Op::Audit, &[], &[]).flat_map(|page| page.unwrap().items).collect()
    }

    fn token_names(&self) -> String {
        let bearer = format!("Bearer {}", self.admin);
        let body: Value =
            serde_json::from_str(&self.ask("GET", "/api/v1/tokens", &[("authorization", &bearer)], "").2).unwrap();
        body["items"].to_string()
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

/// Every operation: method and path, with something in the place of parameters.
fn routes() -> impl Iterator<Item = (&'static str, String, &'static lapwing_api::ops::Row)> {
    OPS.iter().map(|row| {
        let method = match row.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let part = |p: &str| if p.starts_with('{') { "abcdefgh".to_owned() } else { p.to_owned() };
        (method, format!("/api/v1{}", row.path.split('/').map(part).collect::<Vec<_>>().join("/")), row)
    })
}

#[test]
fn a_guessed_token_is_refused_counted_noted_and_slowed_and_the_right_one_is_not() {
    let node = Harbour::new();
    let guess = |n: usize| {
        let letters = b"abcdefghijklmnopqrstuvwxyz234567";
        let text: String = (0..52).map(|i| char::from(letters[(n * 7 + i * 11 + i * n) % 32])).collect();
        format!("lw-{text}")
    };
    // nobody's, one letter beside somebody's, of another form, none: one answer
    let beside = {
        let (most, last) = node.officer.split_at(node.officer.len() - 2);
        format!("{most}{}{}", if last.starts_with('a') { 'b' } else { 'a' }, &last[1..])
    };
    let plain = |bearer: Option<&str>| {
        let value = bearer.map(|b| format!("Bearer {b}"));
        let headers: Vec<(&str, &str)> = value.iter().map(|v| ("authorization", v.as_str())).collect();
        let (status, head, body) = node.ask("GET", "/api/v1/status", &headers, "");
        let mut body: Value = serde_json::from_str(&body).unwrap();
        body.as_object_mut().unwrap().remove("request_id");
        let own =
            |l: &&str| !l.starts_with("x-request-id") && !l.starts_with("date") && !l.starts_with("content-length");
        (status, head.lines().filter(own).map(str::to_owned).collect::<Vec<_>>(), body)
    };
    let none = plain(None);
    assert_eq!((none.0, none.2["code"].as_str()), (401, Some("unauthenticated")));
    for wrong in [guess(1).as_str(), &beside, "x", &"lw-".repeat(3000)] {
        assert_eq!(plain(Some(wrong)), none, "{} tells something", &wrong[..wrong.len().min(8)]);
    }
    // nor does the time: each is hashed, and every hash compared to its end
    let time = |bearer: &str| {
        let mut all: Vec<Duration> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                plain(Some(bearer));
                begun.elapsed()
            })
            .collect();
        all.sort();
        all[10]
    };
    let (far, near) = (time(&guess(2)), time(&beside));
    assert!(far.abs_diff(near) < Duration::from_millis(20), "{far:?} and {near:?}");

    // a flood of guesses is slowed, and an honest client is not
    let (stop, tried) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    let slowest = std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        for thread in 0..8 {
            let (node, stop, tried, guess) = (&node, &stop, &tried, &guess);
            scope.spawn(move || {
                let mut n = thread * 10_000;
                while !stop.load(Ordering::Relaxed) {
                    let bearer = format!("Bearer {}", guess(n));
                    assert_eq!(
                        node.code("GET", "/api/v1/status", &[("authorization", &bearer)], ""),
                        "unauthenticated"
                    );
                    n += 1;
                    tried.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        let before = tried.load(Ordering::Relaxed);
        let slowest = (0..20).map(|_| node.honest()).max().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        let rate = (tried.load(Ordering::Relaxed) - before) / 2;
        assert!(rate < 100, "{rate} guesses a second are answered");
        slowest
    });
    assert!(slowest < Duration::from_secs(1), "an honest client waits {slowest:?} while others guess");
    let tried = tried.load(Ordering::Relaxed) as u64;
    assert!(node.metric("lapwing_refusals_total{code=\"unauthenticated\"} ") >= tried);
    let rows = until("the guesses are noted", 10, || {
        let rows = node.audit();
        rows.iter().any(|row| row["outcome"] == "unauthenticated").then_some(rows)
    });
    let row = rows.iter().find(|row| row["outcome"] == "unauthenticated").unwrap();
    assert_eq!((row["act"].as_str(), row["who"].as_str()), (Some("Status"), Some("")), "{row}");

    // what was guessed stands nowhere, and what is right only where it belongs
    let log = std::fs::read(node.town.path("harbour.log")).unwrap();
    let holds = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|w| w == what.as_bytes());
    for secret in [guess(0), guess(10_000), beside, node.officer.clone(), node.admin.clone()] {
        assert!(!holds(&log, &secret[3..]), "a token stands in the log");
        assert!(!rows.iter().any(|row| row.to_string().contains(&secret[3..])), "a token stands in the audit trail");
        for file in support::files(&node.town.path("harbour")) {
            let local = file.parent().unwrap().ends_with("run") && file.extension().is_some_and(|e| e == "token");
            let bytes = std::fs::read(&file).unwrap_or_default();
            assert!(local || !holds(&bytes, &secret[3..]), "a token stands in {}", file.display());
        }
    }
}

#[test]
fn every_route_refuses_hosts_that_are_not_the_nodes_own_and_pages_of_other_origins() {
    let node = Harbour::new();
    let port = node.api.rsplit_once(':').unwrap().1;
    let before = node.token_names();
    let mut asked = 0;
    for (method, path, row) in routes() {
        let token = if matches!(row.access, Access::Admin) { &node.admin } else { &node.officer };
        let bearer = format!("Bearer {token}");
        let auth = ("authorization", bearer.as_str());
        let media = ("content-type", "application/json");
        // a name that somebody else points here (DNS rebinding)
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("127.0.0.1.evil.example:{port}"),
            format!("169.254.169.254:{port}"),
            format!("127.0.0.1:{port}@evil.example"),
            "127.0.0.1:1".into(),
            String::new(),
        ] {
            let code = node.code(method, &path, &[auth, media, ("host", &host)], "{}");
            assert!(code == "bad_host" || code == "400", "{} at host {host:?}: {code}", row.name);
            asked += 1;
        }
        // a page of somebody else's, as browsers say it (CSRF)
        let own = format!("http://{}", node.api);
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1"),
            ("origin", "file://"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let (status, head, body) = node.ask(method, &path, &[auth, media, header], "{}");
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, problem["code"].as_str()), (403, Some("bad_host")), "{} with {header:?}", row.name);
            assert!(!head.contains("access-control-"), "{} gives leave: {head}", row.name);
            asked += 1;
        }
        // what a page may send without asking first; from a page of ours it is no JSON, and without a token nothing
        if row.body == Body::Json && row.method != Method::Get {
            for plain in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
                let headers = [auth, ("content-type", plain), ("origin", own.as_str())];
                assert_eq!(node.code(method, &path, &headers, "{}"), "bad_media_type", "{} as {plain}", row.name);
                asked += 1;
            }
        }
        if row.access != Access::Open && row.body != Body::Events {
            let cookie = format!("token={token}; authorization=Bearer {token}");
            let code = node.code(method, &path, &[("cookie", &cookie), media], "{}");
            assert_eq!(code, "unauthenticated", "{} takes a cookie", row.name);
            let with_token = format!("{path}?access_token={token}");
            assert_eq!(node.code(method, &with_token, &[media], "{}"), "unauthenticated", "{}", row.name);
        }
        // the question before a request of another origin gets no leave
        let preflight = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", method),
            ("sec-fetch-site", "cross-site"),
        ];
        let (status, head, _) = node.ask("OPTIONS", &path, &preflight, "");
        assert!(status >= 400 && !head.contains("access-control-"), "{}: {head}", row.name);
        assert!(!head.contains("set-cookie"), "{}: {head}", row.name);
    }
    assert!(asked > OPS.len() * 12, "{asked}");
    assert_eq!(node.token_names(), before, "something was changed");
    assert!(node.metric("lapwing_refusals_total{code=\"bad_host\"} ") > 0, "what is refused at the door is counted");
    assert!(node.audit().iter().any(|row| row["outcome"] == "bad_host"), "and noted");
}

#[test]
fn two_thousand_clients_that_never_finish_leave_an_honest_one_its_place() {
    let node = Harbour::new();
    node.honest();
    // the document is made once, when it is first asked for
    assert_eq!(node.ask("GET", "/api/v1/openapi.json", &[], "").0, 200);
    let host = &node.api;
    let begin: [(&str, String); 5] = [
        ("silent", String::new()),
        ("half a head", format!("GET /api/v1/status HTTP/1.1\r\nhost: {host}\r\nx-slow: ")),
        (
            "a body that does not come",
            format!(
                "POST /api/v1/drafts HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            ),
        ),
        ("answers that nobody reads", format!("GET /api/v1/openapi.json HTTP/1.1\r\nhost: {host}\r\n\r\n").repeat(20)),
        (
            "one wrong token after the other",
            format!("GET /api/v1/status HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer lw-x\r\n\r\n").repeat(50),
        ),
    ];
    let mut held = Vec::new();
    for (what, bytes) in &begin {
        for _ in 0..400 {
            let mut stream = node.connect();
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.write_all(bytes.as_bytes());
            held.push(stream);
        }
        let waited = (0..5).map(|_| node.honest()).max().unwrap();
        assert!(waited < Duration::from_secs(1), "after 400 times {what} an honest client waits {waited:?}");
    }
    // and while some hundreds more come each second
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        for (_, bytes) in &begin[..4] {
            let (node, stop) = (&node, &stop);
            scope.spawn(move || {
                let mut own = std::collections::VecDeque::new();
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(mut stream) = TcpStream::connect(&node.api) {
                        let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
                        let _ = stream.write_all(bytes.as_bytes());
                        own.push_back(stream);
                    }
                    if own.len() > 300 {
                        own.pop_front();
                    }
                    std::thread::sleep(Duration::from_millis(4));
                }
            });
        }
        let waited = (0..40).map(|_| node.honest()).max().unwrap();
        assert!(waited < Duration::from_secs(1), "in the flood an honest client waits {waited:?}");
    });
    drop(held);
    assert!(node.honest() < Duration::from_secs(1));
}

#[test]
fn no_shape_of_a_request_hides_another_one_in_it() {
    let node = Harbour::new();
    let host = &node.api;
    let hidden = |name: &str| {
        let body = json!({ "name": name, "role": "admin" }).to_string();
        format!(
            "POST /api/v1/tokens HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            node.admin,
            body.len()
        )
    };
    let head = |first: &str, more: &str| format!("{first}\r\nhost: {host}\r\n{more}\r\n");
    let inside = |name: &str| {
        let hidden = hidden(name);
        format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len())
    };
    let len = |name: &str| hidden(name).len();
    let post = "POST /api/v1/drafts HTTP/1.1";
    let get = "GET /api/v1/livez HTTP/1.1";
    // name, the bytes, whether the hidden request stands in what one of two readers would call a body
    let shapes: Vec<(&str, String)> = vec![
        ("cl-te", head(post, "content-length: 4\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n" + &hidden("cl-te")),
        ("te-cl", head(post, "transfer-encoding: chunked\r\ncontent-length: 4\r\n") + &inside("te-cl")),
        (
            "te-te",
            head(post, "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")
                + "0\r\n\r\n"
                + &hidden("te-te"),
        ),
        ("te-x", head(post, "transfer-encoding: xchunked\r\n") + "0\r\n\r\n" + &hidden("te-x")),
        ("te-tab", head(post, "transfer-encoding:\tchunked, identity\r\n") + "0\r\n\r\n" + &hidden("te-tab")),
        (
            "two-cl",
            head(post, &format!("content-length: 0\r\ncontent-length: {}\r\n", len("two-cl"))) + &hidden("two-cl"),
        ),
        ("cl-list", head(post, &format!("content-length: 0, {}\r\n", len("cl-list"))) + &hidden("cl-list")),
        ("cl-plus", head(post, "content-length: +0\r\n") + &hidden("cl-plus")),
        ("cl-minus", head(post, "content-length: -1\r\n") + &hidden("cl-minus")),
        ("cl-hex", head(post, "content-length: 0x0\r\n") + &hidden("cl-hex")),
        ("cl-space", head(post, "content-length : 0\r\n") + &hidden("cl-space")),
        ("fold", head(post, "x-a: b\r\n content-length: 0\r\n") + &hidden("fold")),
        ("chunk-ext", head(post, "transfer-encoding: chunked\r\n") + "1;\n\r\nx\r\n0\r\n\r\n" + &hidden("chunk-ext")),
        ("chunk-neg", head(post, "transfer-encoding: chunked\r\n") + "-1\r\n" + &hidden("chunk-neg")),
        ("chunk-huge", head(post, "transfer-encoding: chunked\r\n") + "10000000000000000\r\n" + &hidden("chunk-huge")),
        ("no-colon", head(post, "content-length 0\r\n") + &hidden("no-colon")),
        ("nul", head(post, "x-a: \0\r\n") + &hidden("nul")),
        ("two-hosts", head(get, "host: evil.example\r\n") + &hidden("two-hosts")),
        ("absolute", head("GET http://evil.example/api/v1/livez HTTP/1.1", "") + &hidden("absolute")),
        ("version", head("GET /api/v1/livez HTTP/1.9", "") + &hidden("version")),
        ("connect", head("CONNECT evil.example:443 HTTP/1.1", "") + &hidden("connect")),
        ("long-head", head(get, &format!("x-long: {}\r\n", "x".repeat(300_000))) + &hidden("long-head")),
        ("many-heads", head(get, &"x-a: b\r\n".repeat(500)) + &hidden("many-heads")),
        ("long-target", head(&format!("GET /{} HTTP/1.1", "a".repeat(300_000)), "") + &hidden("long-target")),
        (
            "upgrade",
            head(get, "connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")
                + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ),
    ];
    for (name, bytes) in &shapes {
        let answer = String::from_utf8_lossy(&node.raw(bytes.as_bytes())).into_owned();
        if *name == "upgrade" {
            assert!(!answer.contains(" 101 "), "{answer}");
        } else {
            let refused = answer.is_empty() || (400..=505).contains(&status(&answer));
            assert!(refused, "{name}: {answer}");
            assert!(!answer.contains(" 201 "), "{name} was taken: {answer}");
        }
        assert!(!node.token_names().contains(&format!("\"{name}\"")), "{name} went through");
        assert!(node.honest() < Duration::from_secs(1), "{name} left the node busy");
    }
    // a bare line feed ends a line nowhere else than here: what it ends is one request, and the next is the next
    let bare = format!("GET /api/v1/livez HTTP/1.1\nhost: {host}\nconnection: close\n\n");
    assert!(matches!(status(&String::from_utf8_lossy(&node.raw(bare.as_bytes()))), 200 | 400));
    let star = node.ask("OPTIONS", "*", &[], "");
    assert!(matches!(star.0, 400..=405), "{star:?}");
    // two requests in one segment are two, answered in order
    let last = head(get, "connection: close\r\n");
    let both = String::from_utf8(node.raw((hidden("pipelined") + &last).as_bytes())).unwrap();
    assert!(node.token_names().contains("\"pipelined\""), "or the shapes above would show nothing: {both}");
    assert_eq!(both.matches("HTTP/1.1 20").count(), 2, "{both}");
}

#[test]
fn nothing_that_is_asked_for_writes_a_line_into_the_log_or_the_trail() {
    let node = Harbour::new();
    let bearer = format!("Bearer {}", node.admin);
    let auth = ("authorization", bearer.as_str());
    let forged = "2026-01-01T00:00:00.000000Z ERROR forged";
    let escaped = "%0d%0a2026-01-01T00:00:00.000000Z%20%20ERROR%20forged%1b%5b2J";
    let mut asked = 0;
    for (method, path, _) in routes().filter(|(_, _, row)| row.body != Body::Events) {
        let path = path.replace("abcdefgh", escaped);
        for target in [path.clone(), format!("{path}?name={escaped}"), format!("{path}/{escaped}")] {
            node.ask(method, &target, &[auth, ("x-request-id", escaped)], "{}");
            node.ask(method, &target, &[("authorization", &format!("Bearer {escaped}"))], "{}");
            asked += 2;
        }
    }
    for name in [forged, "a\nb", "\u{1b}[2J", "\u{202e}x"] {
        let body = json!({ "name": name, "role": "analyst" }).to_string();
        assert!(node.code("POST", "/api/v1/tokens", &[auth, ("content-type", "application/json")], &body) != "201");
    }
    // raw, as no client would send them
    for raw in ["GET /\u{1b}[2J HTTP/1.1\r\nhost: x\r\n\r\n", "GET / HTTP/1.1\r\nhost: \u{1b}[2J\r\n\r\n"] {
        node.raw(raw.as_bytes());
    }
    assert!(asked > 300, "{asked}");
    let rows = until("the refusals are noted", 10, || Some(node.audit()).filter(|rows| rows.len() > 50));
    for row in &rows {
        let texts = row.as_object().unwrap().values().filter_map(Value::as_str);
        assert!(texts.flat_map(str::chars).all(|c| !c.is_control()), "{row}");
    }
    let log = std::fs::read_to_string(node.town.path("harbour.log")).unwrap();
    assert!(!log.contains('\u{1b}') && !log.contains('\r'), "{log:?}");
    for line in log.lines() {
        assert!(!line.starts_with("2026-01-01T") && !line.trim_start().starts_with("ERROR forged"), "{line}");
    }
}
