//! One request over a socket of its own, as right or wrong as it is asked for.

#![allow(dead_code)]

use lapwing_api::problem::Problem;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Request<'a> {
    pub method: &'a str,
    /// Below `/api/v1`, with its query.
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: &'a [u8],
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer as a problem; what a problem must be is asserted here.
    pub fn problem(&self, what: &str) -> Problem {
        let text = String::from_utf8_lossy(&self.body);
        assert!(self.status >= 400, "{what}: taken with {}: {text}", self.status);
        assert!(self.head.contains("content-type: application/problem+json"), "{what}: {}{text}", self.head);
        assert!(self.head.contains("x-request-id: "), "{what}: {}", self.head);
        let problem: Problem = serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{what}: {e}: {text}"));
        assert_eq!(problem.status, self.status, "{what}");
        assert_eq!(problem.code.status(), self.status, "{what}");
        assert!(!problem.detail.trim().is_empty(), "{what}: {text}");
        assert!(problem.hint.as_ref().is_some_and(|h| h.len() > 5), "{what} does not say what to do: {text}");
        problem
    }
}

pub fn ask(address: &str, request: &Request<'_>) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let has = |name: &str| request.headers.iter().any(|(k, _)| *k == name);
    let mut head = format!("{} /api/v1{} HTTP/1.1\r\nconnection: close\r\n", request.method, request.path);
    if !has("host") {
        head += &format!("host: {address}\r\n");
    }
    if !has("content-length") {
        head += &format!("content-length: {}\r\n", request.body.len());
    }
    request.headers.iter().for_each(|(k, v)| head += &format!("{k}: {v}\r\n"));
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // a server that refuses early may close before it has everything
    let _ = stream.write_all(request.body);
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let split = all.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(all[..split + 2].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: all[split + 4..].to_vec() }
}
