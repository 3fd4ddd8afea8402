//! The face over a real loopback socket, with a node that only records what it is asked.

#![allow(clippy::unwrap_used)]

use lapwing_api::ops::{Access, Body, Method, OPS, Op, Role};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, Caller, EventId, Later, Notice, Reply, Service};
use lapwing_http::{Limits, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A call as the node saw it: operation, parameters, body.
type Seen = (Op, Vec<(String, String)>, serde_json::Value);
/// What is wrong with a request: the code, method, path, headers and body.
type Wrong<'a> = (Code, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);

/// A node of one token per role: the token is the role's name.
struct Fake {
    dir: tempfile::TempDir,
    seen: Mutex<Vec<Seen>>,
    uploaded: Mutex<Vec<Vec<u8>>>,
    told: Mutex<Vec<(Op, u16, Option<Code>)>>,
    pausing: std::sync::atomic::AtomicBool,
    release: tokio::sync::Notify,
}

impl Service for Fake {
    fn authenticate(&self, secret: &str) -> Option<Caller> {
        secret.parse().ok().map(|role| Caller { name: "t".into(), role })
    }
    fn upload_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
    fn answered(&self, op: Op, status: u16, code: Option<Code>, _: Duration) {
        self.told.lock().unwrap().push((op, status, code));
    }
    fn call<'a>(&'a self, call: Call) -> Later<'a, Result<Reply, Problem>> {
        Box::pin(async move {
            let params: Vec<(String, String)> = call.params.into_iter().collect();
            let asked = |wish: &str| params.iter().any(|(_, v)| v == wish);
            assert!(!asked("panic"), "a handler panics");
            if asked("slow") {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            if asked("pause") {
                self.pausing.store(true, std::sync::atomic::Ordering::SeqCst);
                self.release.notified().await;
            }
            if let Some(path) = &call.upload {
                self.uploaded.lock().unwrap().push(std::fs::read(path).unwrap());
            }
            self.seen.lock().unwrap().push((call.op, params.clone(), call.body));
            match call.op.row().body {
                Body::Download => Ok(Reply::Bytes {
                    name: "../a b.eml".into(),
                    media_type: "application/octet-stream".into(),
                    len: if asked("short") { 2_000_000 } else { 1_000_000 },
                    content: Box::new(std::io::repeat(7).take(1_000_000)),
                }),
                Body::List if asked("pages") => {
                    let from: u64 = params.iter().find(|(k, _)| k == "cursor").map_or(0, |(_, c)| c.parse().unwrap());
                    let items: Vec<u64> = (from..7.min(from + 3)).collect();
                    let next = (from + 3 < 7).then(|| (from + 3).to_string());
                    Ok(Reply::Json(200, serde_json::json!({ "items": items, "next": next, "as_of": 9 })))
                }
                _ => Ok(Reply::Json(200, serde_json::json!({ "op": call.op.row().name }))),
            }
        })
    }
    fn latest_event(&self) -> EventId {
        EventId { run: 0xa, n: 2 }
    }
    fn next_event<'a>(&'a self, last: EventId, role: Role) -> Later<'a, Option<Notice>> {
        Box::pin(async move {
            if last.n >= 4 {
                std::future::pending::<()>().await;
            }
            Some(Notice {
                id: EventId { n: last.n + 1, ..last },
                name: "standing".into(),
                data: serde_json::json!({ "role": role }),
            })
        })
    }
}

struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    stop: Mutex<Option<tokio::sync::oneshot::Sender<()>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn run(limits: Limits) -> Running {
    let fake = Arc::new(Fake {
        dir: tempfile::tempdir().unwrap(),
        seen: Mutex::default(),
        uploaded: Mutex::default(),
        told: Mutex::default(),
        pausing: Default::default(),
        release: Default::default(),
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let service = fake.clone();
    let thread = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let listener = lapwing_http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            serve(listener, service, limits, async { drop(stopped.await) }).await.unwrap();
        });
    });
    Running { address: told.recv().unwrap(), fake, stop: Mutex::new(Some(stop)), thread: Some(thread) }
}

fn quick() -> Limits {
    Limits {
        head_time: Duration::from_millis(300),
        request_time: Duration::from_millis(500),
        stall_time: Duration::from_millis(400),
        keep_alive: Duration::from_millis(100),
        stop_time: Duration::from_millis(300),
        json_bytes: 10_000,
        upload_bytes: 100_000,
        ..Limits::default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.lock().unwrap().take());
        let _ = self.thread.take().unwrap().join();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn problem(&self) -> Problem {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends bytes as they are and reads to the end of the connection.
    fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let end = all
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&all)));
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: all[end + 4..].to_vec() }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(k, _)| *k == "host") {
            text += &format!("host: {}\r\n", self.address);
        }
        for (key, value) in headers {
            text += &format!("{key}: {value}\r\n");
        }
        if !body.is_empty() && !headers.iter().any(|(k, _)| *k == "content-length" || *k == "transfer-encoding") {
            text += &format!("content-length: {}\r\n", body.len());
        }
        self.raw(&[text.as_bytes(), b"\r\n", body].concat())
    }

    fn code(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Code {
        let answer = self.ask(method, path, headers, body);
        let problem = answer.problem();
        assert_eq!(problem.status, answer.status);
        problem.code
    }
}

const OFFICER: (&str, &str) = ("authorization", "Bearer officer");
const ADMIN: (&str, &str) = ("authorization", "Bearer admin");
const JSON: (&str, &str) = ("content-type", "application/json");

fn fill(path: &str) -> String {
    let part = |p: &str| if p.starts_with('{') { "a%20b".to_owned() } else { p.to_owned() };
    format!("/api/v1{}", path.split('/').map(part).collect::<Vec<_>>().join("/"))
}

#[test]
fn every_row_is_reached_by_its_method_by_those_roles_that_may_and_by_no_other() {
    let node = run(quick());
    for row in OPS.iter().filter(|r| !matches!(r.body, Body::Events | Body::Reference)) {
        let method = match row.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let body: &[u8] = if row.method == Method::Get { b"" } else { b"{\"x\":1}" };
        for role in Role::ALL {
            let bearer = format!("Bearer {role}");
            let answer = node.ask(method, &fill(row.path), &[("authorization", &bearer), JSON], body);
            if !row.access.allows(role) {
                assert_eq!(answer.problem().code, Code::Forbidden, "{} as {role}", row.name);
                continue;
            }
            assert_eq!(answer.status, 200, "{} as {role}: {}", row.name, answer.head);
            let (op, params, json) = node.fake.seen.lock().unwrap().pop().unwrap();
            assert_eq!(op, row.op);
            assert_eq!(params.len(), row.path.matches('{').count());
            assert!(params.iter().all(|(_, v)| v == "a b"), "{params:?}");
            if row.method == Method::Post {
                assert_eq!(json, serde_json::json!({ "x": 1 }), "{}", row.name);
            }
        }
        let bare = node.ask(method, &fill(row.path), &[JSON], body);
        if row.access == Access::Open {
            assert_eq!(bare.status, 200);
        } else {
            assert_eq!(bare.problem().code, Code::Unauthenticated, "{}", row.name);
        }
        assert!(node.fake.seen.lock().unwrap().len() <= 1);
        node.fake.seen.lock().unwrap().clear();
    }
}

#[test]
fn what_is_wrong_with_a_request_has_its_code() {
    let node = run(quick());
    let path = "/api/v1/shutdown";
    let huge = vec![b' '; 20_000];
    let cases: &[Wrong<'_>] = &[
        (Code::BadHost, "GET", "/api/v1/livez", &[("host", "evil.example")], b""),
        (Code::BadHost, "GET", "/nothing", &[("host", "evil.example")], b""),
        (Code::BadHost, "POST", path, &[ADMIN, JSON, ("origin", "http://evil.example")], b"{}"),
        (Code::BadHost, "GET", "/api/v1/status", &[OFFICER, ("sec-fetch-site", "cross-site")], b""),
        (Code::Unauthenticated, "POST", path, &[JSON], b"{}"),
        (Code::Unauthenticated, "POST", path, &[JSON, ("authorization", "Bearer wrong")], b"{}"),
        (Code::Unauthenticated, "POST", path, &[JSON, ("authorization", "Basic admin")], b"{}"),
        (Code::Unauthenticated, "GET", "/api/v1/status", &[("cookie", "token=admin")], b""),
        (Code::Forbidden, "POST", path, &[OFFICER, JSON], b"{}"),
        (Code::BadMediaType, "POST", path, &[ADMIN], b"{}"),
        (Code::BadMediaType, "POST", path, &[ADMIN, ("content-type", "text/plain")], b"{}"),
        (Code::TooLarge, "POST", path, &[ADMIN, JSON], &huge),
        (Code::TooLarge, "POST", path, &[ADMIN, JSON, ("content-length", "9999999999")], b""),
        (Code::Malformed, "POST", path, &[ADMIN, JSON], b"{\"x\":"),
        (Code::Malformed, "POST", path, &[ADMIN, JSON], b"\xff"),
        (Code::Malformed, "GET", "/api/v1/members?class=a&class=b", &[ADMIN], b""),
        (Code::Malformed, "GET", "/api/v1/members?contry=NL", &[ADMIN], b""),
        (Code::Malformed, "GET", "/api/v1/members/a?name=b", &[ADMIN], b""),
        (Code::Malformed, "GET", "/api/v1/members/%ff", &[ADMIN], b""),
        (Code::Malformed, "GET", "/api/v1/events?after=x", &[ADMIN], b""),
        (Code::NoRoute, "GET", "/api/v1/nothing", &[ADMIN], b""),
        (Code::NoRoute, "GET", "/", &[], b""),
        (Code::NoRoute, "GET", "/api/v1/members/a/b", &[ADMIN], b""),
        (Code::BadMethod, "DELETE", "/api/v1/status", &[ADMIN], b""),
        (Code::BadMethod, "POST", "/api/v1/status", &[ADMIN, JSON], b"{}"),
        (Code::Internal, "GET", "/api/v1/members?class=panic", &[ADMIN], b""),
        (Code::Timeout, "GET", "/api/v1/members?class=slow", &[ADMIN], b""),
    ];
    for (code, method, path, headers, body) in cases {
        assert_eq!(node.code(method, path, headers, body), *code, "{method} {path} {headers:?}");
    }
    let calls = node.fake.seen.lock().unwrap().len();
    assert_eq!(calls, 0, "nothing of this reached the node");
    assert_eq!(node.ask("GET", "/api/v1/status", &[ADMIN], b"").status, 200, "and it still serves");
}

#[test]
fn every_answer_keeps_browsers_from_using_it() {
    let node = run(quick());
    for path in ["/api/v1/livez", "/api/v1/status", "/nothing", "/api/v1/members?class=panic"] {
        let answer = node.ask("GET", path, &[], b"");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'"));
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id.len(), 16);
        if answer.status >= 400 {
            assert_eq!(answer.problem().request_id.as_deref(), Some(id));
        }
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let answer = node.ask("GET", "/api/v1/status", &[], b"");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    let head = node.ask("HEAD", "/api/v1/status", &[ADMIN], b"");
    assert_eq!(head.status, 405);
}

#[test]
fn a_request_keeps_the_name_that_its_caller_gave_it_where_that_may_stand_in_a_log() {
    let node = run(quick());
    let named = |ids: &[&str]| {
        let headers: Vec<_> = ids.iter().map(|id| ("x-request-id", *id)).collect();
        let answer = node.ask("GET", "/api/v1/nothing", &headers, b"");
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(answer.problem().request_id.as_deref(), Some(&*id));
        id
    };
    for good in ["a", "case-7.retry_2", &"x".repeat(64)] {
        assert_eq!(named(&[good]), good);
    }
    for bad in [&[""][..], &["a b"], &["a\"b"], &[&"x".repeat(65)], &["ü"], &["a", "b"]] {
        let id = named(bad);
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{bad:?} became {id}");
    }
}

#[test]
fn the_description_is_served_as_a_document_and_as_a_page_that_may_do_nothing() {
    let node = run(quick());
    let answer = node.ask("GET", "/api/v1/openapi.json", &[], b"");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(String::from_utf8(answer.body).unwrap(), lapwing_api::openapi::text());
    let page = node.ask("GET", "/api/v1/docs", &[], b"");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert!(String::from_utf8(page.body).unwrap().contains("/referrals/{thread}/submit"));
    for path in ["/api/v1/openapi.json", "/api/v1/docs"] {
        assert_eq!(node.code("GET", path, &[("host", "evil.example")], b""), Code::BadHost);
        assert_eq!(node.code("GET", path, &[("origin", "http://evil.example")], b""), Code::BadHost);
        assert_eq!(node.code("POST", path, &[JSON], b"{}"), Code::BadMethod);
    }
    assert!(node.fake.seen.lock().unwrap().is_empty());
}

#[test]
fn a_list_comes_as_json_or_as_one_item_a_line_with_the_way_on_in_headers() {
    let node = run(quick());
    let path = "/api/v1/members?class=pages&limit=3";
    let plain = node.ask("GET", path, &[OFFICER], b"");
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let lines = node.ask("GET", path, &[OFFICER, ("accept", "application/x-ndjson")], b"");
    assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/x-ndjson")));
    assert_eq!(lines.body, b"0\n1\n2\n");
    for answer in [plain, lines] {
        assert_eq!(answer.header("link"), Some("</api/v1/members?class=pages&limit=3&cursor=3>; rel=\"next\""));
        assert_eq!((answer.header("lapwing-next"), answer.header("lapwing-as-of")), (Some("3"), Some("9")));
    }
    let last = node.ask("GET", &format!("{path}&cursor=6"), &[OFFICER, ("accept", "application/x-ndjson")], b"");
    assert_eq!(last.body, b"6\n");
    assert!(last.header("link").is_none() && last.header("lapwing-next").is_none());
    let refused = node.ask("GET", path, &[("accept", "application/x-ndjson")], b"");
    assert_eq!(refused.problem().code, Code::Unauthenticated, "a problem is JSON whatever is asked for");
}

#[test]
fn uploads_arrive_whole_and_leave_no_file_behind() {
    let node = run(quick());
    let path = "/api/v1/referrals/t/evidence?name=a";
    let content: Vec<u8> = (0..90_000u32).map(|n| n as u8).collect();
    let answer = node.ask("PUT", path, &[OFFICER], &content);
    assert_eq!(answer.status, 200);
    assert_eq!(node.fake.uploaded.lock().unwrap().pop().unwrap(), content);
    assert_eq!(node.code("PUT", path, &[OFFICER], &vec![0; 100_001]), Code::TooLarge);
    let chunked = [&b"30000\r\n"[..], &vec![0; 0x30000], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(node.code("PUT", path, &[OFFICER, ("transfer-encoding", "chunked")], &chunked), Code::TooLarge);
    assert_eq!(node.code("PUT", &format!("{path}&media_type=panic"), &[OFFICER], &content), Code::Internal);
    // a client that stops in the middle
    assert_eq!(node.code("PUT", path, &[OFFICER, ("content-length", "50")], b"x"), Code::Timeout);
    drop(node.connect());
    assert_eq!(std::fs::read_dir(node.fake.dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn an_upload_is_for_this_user_only_while_it_lasts() {
    use std::os::unix::fs::PermissionsExt;
    let node = run(Limits { stall_time: Duration::from_secs(5), ..quick() });
    let mut stream = node.connect();
    let head = format!(
        "PUT /api/v1/referrals/t/evidence HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer officer\r\ncontent-length: 9\r\n\r\nhalf",
        node.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let file = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_dir(node.fake.dir.path()).unwrap().next()
    });
    let file = file.expect("the upload has begun").unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop(stream);
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !file.path().exists()
    });
    assert!(gone, "an upload that breaks off is removed");
}

#[test]
fn downloads_stream_as_attachments_and_a_short_one_is_noticed() {
    let node = run(quick());
    let path = "/api/v1/referrals/t/evidence/b";
    let answer = node.ask("GET", path, &[OFFICER], b"");
    assert_eq!(answer.body, vec![7; 1_000_000]);
    assert_eq!(answer.header("content-length"), Some("1000000"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"a_b.eml\""));
    let cut = node.ask("GET", "/api/v1/referrals/t/evidence/short", &[OFFICER], b"");
    assert_eq!(cut.header("content-length"), Some("2000000"));
    assert!(cut.body.len() < 2_000_000);
}

#[test]
fn events_are_numbered_resumed_and_kept_alive() {
    let node = run(quick());
    let read = |headers: &[(&str, &str)], query: &str, until: &str| {
        let mut stream = node.connect();
        let mut text = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer officer\r\n",
            node.address
        );
        headers.iter().for_each(|(k, v)| text += &format!("{k}: {v}\r\n"));
        stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let mut all = String::new();
        let mut buffer = [0; 4096];
        while !all.contains(until) {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "ended: {all}");
            all += std::str::from_utf8(&buffer[..n]).unwrap();
        }
        all
    };
    let all = read(&[], "", "-4\nevent");
    assert!(all.contains("content-type: text/event-stream") && all.contains(": connected"));
    assert!(all.contains("id: 00000000000a-3\nevent: standing\ndata: {\"role\":\"officer\"}\n\n"), "{all}");
    assert!(all.contains(": connected\nid: 00000000000a-2\n\n"), "one can resume before anything happened: {all}");
    assert!(!all.contains("-2\nevent"), "without an id it begins now");
    assert!(read(&[], "?after=00000000000a-0", "-4\nevent").contains("-1\nevent"));
    let resumed = read(&[("last-event-id", "00000000000a-1")], "?after=00000000000a-3", "-4\nevent");
    assert!(resumed.contains("-2\nevent") && !resumed.contains("-1\nevent"), "the header wins: {resumed}");
    assert!(read(&[], "?after=00000000000a-4", ": alive").contains(": alive\n\n"));
}

#[test]
fn slow_and_silent_clients_are_let_go() {
    let node = run(quick());
    let mut silent = node.connect();
    silent.write_all(b"GET /api/v1/livez HTTP/1.1\r\nhost:").unwrap();
    let mut all = Vec::new();
    let began = std::time::Instant::now();
    let _ = silent.read_to_end(&mut all);
    assert!(began.elapsed() < Duration::from_secs(5), "the connection was closed");
    // a body that never comes
    let code = node.code("POST", "/api/v1/shutdown", &[ADMIN, JSON, ("content-length", "9")], b"{");
    assert_eq!(code, Code::Timeout);
}

#[test]
fn answers_that_nobody_reads_are_not_kept_for_their_clients() {
    let node = run(Limits { stall_time: Duration::from_secs(20), ..quick() });
    let mut stream = node.connect();
    let asked = format!("GET /api/v1/openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", node.address);
    stream.write_all(asked.repeat(40).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let answered = node.fake.told.lock().unwrap().len();
    assert!(answered <= 2, "{answered} answers of hundreds of KiB wait for a client that reads none");
    let mut all = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let _ = stream.read_to_end(&mut all);
    assert_eq!(all.windows(15).filter(|w| w == b"HTTP/1.1 200 OK").count(), 40, "and all come when it does");
}

#[test]
fn too_many_connections_are_told_so_and_places_come_free_again() {
    let node = run(Limits { connections: 2, ..quick() });
    let watch = format!(
        "GET /api/v1/events?after=00000000000a-4 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer admin\r\n\r\n",
        node.address
    );
    let held = [(); 2].map(|()| {
        let mut stream = node.connect();
        stream.write_all(watch.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 20]).unwrap();
        stream
    });
    assert_eq!(node.code("GET", "/api/v1/livez", &[], b""), Code::TooManyRequests);
    drop(held);
    let free = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        node.ask("GET", "/api/v1/livez", &[], b"").status == 200
    });
    assert!(free);
}

#[test]
fn connections_without_a_token_make_room_for_the_next_and_those_at_work_stay() {
    let node = run(Limits { connections: 3, head_time: Duration::from_secs(20), ..quick() });
    let mut works = node.connect();
    let pause = format!(
        "GET /api/v1/members?class=pause HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer officer\r\n\r\n",
        node.address
    );
    works.write_all(pause.as_bytes()).unwrap();
    while !node.fake.pausing.load(std::sync::atomic::Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut silent: Vec<TcpStream> = (0..10).map(|_| node.connect()).collect();
    for _ in 0..5 {
        assert_eq!(node.ask("GET", "/api/v1/status", &[OFFICER], b"").status, 200);
    }
    assert_eq!(silent[0].read(&mut [0]).unwrap_or(0), 0, "the first of the silent ones was let go");
    node.fake.release.notify_one();
    let mut head = [0; 12];
    works.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200", "and who works is answered");
}

#[test]
fn it_stops_though_a_watcher_stays() {
    let mut node = run(quick());
    let mut stream = node.connect();
    let head = format!(
        "GET /api/v1/events?after=00000000000a-4 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer admin\r\n\r\n",
        node.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 20]).unwrap();
    drop(node.stop.lock().unwrap().take());
    let began = std::time::Instant::now();
    node.thread.take().unwrap().join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    node.thread = Some(std::thread::spawn(|| {}));
}

#[test]
fn probes_and_scrapers_are_answered_at_the_root_too_behind_the_same_guard() {
    let node = run(quick());
    for path in ["/livez", "/readyz", "/api/v1/livez", "/api/v1/readyz"] {
        assert_eq!(node.ask("GET", path, &[], b"").status, 200, "{path}");
        assert_eq!(node.code("GET", path, &[("host", "evil.example")], b""), Code::BadHost);
        assert_eq!(node.code("GET", path, &[("origin", "http://evil.example")], b""), Code::BadHost);
        assert_eq!(node.code("POST", path, &[], b""), Code::BadMethod);
    }
    assert_eq!(node.code("GET", "/metrics", &[], b""), Code::Unauthenticated);
    for role in Role::ALL {
        let token = format!("Bearer {role}");
        assert_eq!(node.ask("GET", "/metrics", &[("authorization", &token)], b"").status, 200);
    }
    assert_eq!(node.code("GET", "/status", &[("authorization", "Bearer admin")], b""), Code::NoRoute);
}

#[test]
fn every_answer_is_told_of_with_its_operation_status_and_code() {
    let node = run(quick());
    node.ask("GET", "/livez", &[], b"");
    node.code("GET", "/api/v1/status", &[], b"");
    let told = node.fake.told.lock().unwrap().clone();
    assert_eq!(told, [(Op::Live, 200, None), (Op::Status, 401, Some(Code::Unauthenticated))]);
}

#[test]
fn while_it_stops_what_is_under_way_ends_new_requests_are_refused_and_probes_answered() {
    let mut node = run(Limits { stop_time: Duration::from_secs(20), ..quick() });
    let address = node.address;
    let begun = std::thread::scope(|scope| {
        let slow =
            scope.spawn(|| node.ask("GET", "/api/v1/members/pause", &[("authorization", "Bearer officer")], b""));
        let asked = std::time::Instant::now();
        while !node.fake.pausing.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(asked.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        node.fake.told.lock().unwrap().clear();
        drop(node.stop.lock().unwrap().take());
        let refused = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let answer = node.ask("GET", "/api/v1/status", &[("authorization", "Bearer admin")], b"");
            answer.status == 503 && answer.problem().code == Code::Stopping
        });
        assert!(refused);
        assert_eq!(node.ask("GET", "/readyz", &[], b"").status, 200, "the node itself says whether it is ready");
        let released = std::time::Instant::now();
        node.fake.release.notify_one();
        assert_eq!(slow.join().unwrap().status, 200, "what was under way has its answer");
        released
    });
    node.thread.take().unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "it ends with the last answer and not with its time");
    assert!(TcpStream::connect(address).is_err());
    node.thread = Some(std::thread::spawn(|| {}));
}

#[test]
fn the_client_of_the_contract_understands_the_face() {
    let node = run(quick());
    let client = lapwing_api::client::Client::new(&node.address.to_string(), "officer");
    let answer: serde_json::Value = client.read(Op::Log, &["ü b/c"], &[("log", "1 2".into())]).unwrap();
    assert_eq!(answer, serde_json::json!({ "op": "Log" }));
    let (_, params, _) = node.fake.seen.lock().unwrap().pop().unwrap();
    assert_eq!(params, [("log".to_owned(), "1 2".to_owned()), ("name".to_owned(), "ü b/c".to_owned())]);
    let refused = client.call::<serde_json::Value>(Op::Shutdown, &[], &[], &()).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert!(refused.request_id.is_some());
    let pages = client.pages::<u64>(Op::Members, &[], &[("class", "pages".into())]);
    let pages: Vec<_> = pages.collect::<Result<_, _>>().unwrap();
    let items: Vec<Vec<u64>> = pages.iter().map(|p| p.items.clone()).collect();
    assert_eq!(items, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert!(pages.iter().all(|p| p.as_of == 9) && pages[2].next.is_none());
    let mut slow = client.pages::<u64>(Op::Members, &[], &[("class", "slow".into())]);
    assert_eq!(slow.next().unwrap().unwrap_err().code, Code::Timeout);
    assert!(slow.next().is_none(), "a list that failed is over");
    let sent: serde_json::Value = client.upload(Op::EvidencePut, &["t"], &[], &b"bytes"[..], 5).unwrap();
    assert_eq!(sent, serde_json::json!({ "op": "EvidencePut" }));
    assert_eq!(node.fake.uploaded.lock().unwrap()[0], b"bytes");
    let (mut content, len) = client.download(Op::Export, &["t"], &[]).unwrap();
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, len), (1_000_000, Some(1_000_000)));
}
