//! A client of the API over loopback HTTP, for the command line and for tests. Blocking.
//!
//! A failure is a [`Problem`], whoever found it: the node's own as it came; [`Code::Unreachable`] where no node answered;
//! [`Code::Timeout`] where one was asked and fell silent, so that what was asked may be done.

use crate::openapi::{AS_OF, BASE, LINES, NEXT};
use crate::ops::{Method, Op};
use crate::problem::{Code, Problem};
use crate::service::EventId;
use crate::types::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::marker::PhantomData;
use std::time::Duration;

/// How long a call with JSON may take; the node itself gives up sooner.
const CALL_TIME: Duration = Duration::from_secs(600);
/// How long a transfer may stand still. Streams of events say every 15 s that they are alive.
const IDLE_TIME: Duration = Duration::from_secs(120);
/// JSON answers of at most this many bytes.
const MAX_JSON: u64 = 64 * 1024 * 1024;

/// A client of one node.
#[derive(Clone)]
pub struct Client {
    base: String,
    secret: String,
    /// For JSON: bounded as a whole.
    agent: ureq::Agent,
    /// For transfers and events: as long as it takes, but never still.
    stream: ureq::Agent,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Client {
    /// A client of the node at `address` (`127.0.0.1:7421`) with a token's secret.
    pub fn new(address: &str, secret: &str) -> Self {
        let config = || {
            let builder = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
            builder.timeout_connect(Some(Duration::from_secs(5)))
        };
        let whole = config().timeout_global(Some(CALL_TIME)).build();
        let stream = config().timeout_per_read(Some(IDLE_TIME)).timeout_per_write(Some(IDLE_TIME)).build();
        Client {
            base: format!("http://{address}{BASE}"),
            secret: secret.trim().to_owned(),
            agent: whole.into(),
            stream: stream.into(),
        }
    }

    /// Calls an operation that answers with JSON. `path` fills the row's `{parameters}` in order.
    pub fn call<T: DeserializeOwned>(
        &self,
        op: Op,
        path: &[&str],
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let json = serde_json::to_vec(body).map_err(|e| Problem::new(Code::Malformed, e.to_string()))?;
        let sent = match op.row().method {
            Method::Get => self.get(&self.agent, op, path, query),
            Method::Post => self
                .agent
                .post(self.url(op, path, query))
                .header("authorization", &self.bearer())
                .content_type("application/json")
                .send(&json[..])
                .map_err(failed),
            Method::Put => return Err(Problem::new(Code::Malformed, "use `upload` for this operation")),
        };
        read_json(sent?)
    }

    /// Reads: an operation without a body.
    pub fn read<T: DeserializeOwned>(&self, op: Op, path: &[&str], query: &[(&str, String)]) -> Result<T, Problem> {
        read_json(self.get(&self.agent, op, path, query)?)
    }

    /// A list, page by page, to its end or to its first failure. Items travel as JSON Lines.
    pub fn pages<T: DeserializeOwned>(&self, op: Op, path: &[&str], query: &[(&str, String)]) -> Pages<'_, T> {
        let path = path.iter().map(|p| (*p).to_owned()).collect();
        let query: Vec<(String, String)> = query.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        Pages { client: self, op, path, query, over: false, items: PhantomData }
    }

    fn page<T: DeserializeOwned>(&self, op: Op, path: &[&str], query: &[(&str, String)]) -> Result<Page<T>, Problem> {
        let request = self.agent.get(self.url(op, path, query)).header("authorization", &self.bearer());
        let answer = request.header("accept", LINES).call().map_err(failed)?;
        if answer.status().as_u16() >= 400 {
            return Err(problem(answer));
        }
        let header = |name: &str| answer.headers().get(name).and_then(|v| Some(v.to_str().ok()?.to_owned()));
        let (next, as_of) = (header(NEXT), header(AS_OF).and_then(|a| a.parse().ok()).unwrap_or_default());
        let bytes = body(answer)?;
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let items = lines.map(|line| serde_json::from_slice(line).map_err(not_understood)).collect::<Result<_, _>>()?;
        Ok(Page { items, next, as_of })
    }

    /// Uploads bytes.
    pub fn upload<T: DeserializeOwned>(
        &self,
        op: Op,
        path: &[&str],
        query: &[(&str, String)],
        content: impl Read,
        len: u64,
    ) -> Result<T, Problem> {
        let mut content = content.take(len);
        // after the last byte the node hashes and seals what came, in silence
        let sent = self
            .stream
            .put(self.url(op, path, query))
            .header("authorization", &self.bearer())
            .header("content-length", &len.to_string())
            .content_type("application/octet-stream")
            .config()
            .timeout_per_read(None)
            .build()
            .send(ureq::SendBody::from_reader(&mut content))
            .map_err(failed);
        read_json(sent?)
    }

    /// Downloads bytes; gives them as a reader, with their length where it is known.
    pub fn download(
        &self,
        op: Op,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<(Box<dyn Read + Send>, Option<u64>), Problem> {
        let answer = self.get(&self.stream, op, path, query)?;
        if answer.status().as_u16() >= 400 {
            return Err(problem(answer));
        }
        let len = answer.headers().get("content-length").and_then(|l| l.to_str().ok()?.parse().ok());
        Ok((Box::new(answer.into_body().into_reader()), len))
    }

    /// Watches events from `after` on: a reader of the raw stream.
    pub fn events(&self, after: Option<EventId>) -> Result<Box<dyn Read + Send>, Problem> {
        let query: Vec<(&str, String)> = after.map(|a| ("after", a.to_string())).into_iter().collect();
        self.download(Op::Events, &[], &query).map(|(reader, _)| reader)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.secret)
    }

    fn get(
        &self,
        agent: &ureq::Agent,
        op: Op,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<ureq::http::Response<ureq::Body>, Problem> {
        let request = agent.get(self.url(op, path, query)).header("authorization", &self.bearer());
        request.call().map_err(failed)
    }

    fn url(&self, op: Op, path: &[&str], query: &[(&str, String)]) -> String {
        let mut url = self.base.clone();
        let mut values = path.iter();
        for part in op.row().path.split('/').skip(1) {
            url.push('/');
            match part.starts_with('{') {
                true => url.push_str(&escape(values.next().copied().unwrap_or_default())),
                false => url.push_str(part),
            }
        }
        for (i, (key, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(&format!("{}={}", escape(key), escape(value)));
        }
        url
    }
}

/// The pages of a list.
pub struct Pages<'a, T> {
    client: &'a Client,
    op: Op,
    path: Vec<String>,
    query: Vec<(String, String)>,
    over: bool,
    items: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for Pages<'_, T> {
    type Item = Result<Page<T>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let query: Vec<(&str, String)> = self.query.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let page = self.client.page(self.op, &path, &query);
        match page.as_ref().ok().and_then(|p| p.next.clone()) {
            Some(cursor) => {
                self.query.retain(|(key, _)| key != "cursor");
                self.query.push(("cursor".into(), cursor));
            }
            None => self.over = true,
        }
        Some(page)
    }
}

/// A call that was not answered.
fn failed(error: ureq::Error) -> Problem {
    use ureq::Timeout::{Connect, Resolve};
    match error {
        ureq::Error::Timeout(when) if !matches!(when, Connect | Resolve) => {
            Problem::new(Code::Timeout, format!("the node did not answer in time ({when})"))
        }
        other => Problem::new(Code::Unreachable, format!("the node does not answer: {other}")),
    }
}

fn not_understood(error: serde_json::Error) -> Problem {
    Problem::new(Code::Internal, format!("the answer is not understood: {error}"))
        .hint("Is what answers there a node of this version? `lapwing --version` and `lapwing status` tell them.")
}

/// The whole body of an answer that is small by nature.
fn body(answer: ureq::http::Response<ureq::Body>) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = answer.into_body().into_reader().take(MAX_JSON).read_to_end(&mut bytes);
    read.map_err(|e| Problem::new(Code::Unreachable, format!("the answer was cut short: {e}")))?;
    Ok(bytes)
}

fn read_json<T: DeserializeOwned>(answer: ureq::http::Response<ureq::Body>) -> Result<T, Problem> {
    if answer.status().as_u16() >= 400 {
        return Err(problem(answer));
    }
    serde_json::from_slice(&body(answer)?).map_err(not_understood)
}

fn problem(answer: ureq::http::Response<ureq::Body>) -> Problem {
    let status = answer.status().as_u16();
    let mut bytes = Vec::new();
    let _ = answer.into_body().into_reader().take(1 << 20).read_to_end(&mut bytes);
    serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Problem::new(Code::Internal, format!("the node answered with status {status}")))
}

/// Percent-encodes a path segment or query value (RFC 3986: unreserved characters stay).
fn escape(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_filled_in_and_escaped() {
        let client = Client::new("127.0.0.1:1", "x");
        let url = client.url(Op::Explain, &["a/b c"], &[("q", "ü&1".into())]);
        assert_eq!(url, "http://127.0.0.1:1/api/v1/members/a%2Fb%20c/explain?q=%C3%BC%261");
    }

    #[test]
    fn an_answer_of_another_server_is_a_clear_problem_and_silence_is_told_from_absence() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            for answer in [
                "HTTP/1.1 502 Bad\r\ncontent-length: 2\r\n\r\nhi",
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
                "",
            ] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                stream.write_all(answer.as_bytes()).unwrap();
                if answer.is_empty() {
                    std::thread::sleep(Duration::from_millis(500));
                }
            }
        });
        let mut client = Client::new(&address, "x");
        client.agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(250)))
            .max_idle_connections(0)
            .build()
            .into();
        let ask = || client.read::<serde_json::Value>(Op::Status, &[], &[]).unwrap_err();
        let bad = ask();
        assert_eq!(bad.code, Code::Internal);
        assert!(bad.detail.contains("502"), "{}", bad.detail);
        assert_eq!(ask().code, Code::Internal, "no JSON");
        assert_eq!(ask().code, Code::Timeout);
        server.join().unwrap();
    }

    #[test]
    fn a_node_that_is_not_there_is_a_clear_problem() {
        let client = Client::new("127.0.0.1:1", "x");
        let problem = client.read::<serde_json::Value>(Op::Status, &[], &[]).map(|_| ());
        assert_eq!(problem.map_err(|p| p.code), Err(Code::Unreachable));
    }
}
