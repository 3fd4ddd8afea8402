//! Who may speak to the port at all: the `Host` and `Origin` of a request (DNS rebinding, CSRF).
//!
//! A hostile page can make a browser send requests to `127.0.0.1`, and can point a name of its own there. The browser
//! then says so: its `Host` or its `Origin` is not ours.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Uri};
use lapwing_api::problem::{Code, Problem};
use std::net::IpAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The addresses that a listener answers to.
pub(crate) struct Guard {
    port: u16,
    hosts: Vec<String>,
}

impl Guard {
    pub(crate) fn new(port: u16, hosts: &[String]) -> Self {
        Guard { port, hosts: hosts.iter().map(|h| h.to_ascii_lowercase()).collect() }
    }

    /// Refuses what was not meant for this listener.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = single(headers, &HOST)?.ok_or_else(|| refuse("the request names no host"))?.to_ascii_lowercase();
        if !self.takes(&host) {
            return Err(refuse("the request was made to another host than this node's own address"));
        }
        if uri.authority().is_some_and(|a| !a.as_str().eq_ignore_ascii_case(&host)) {
            return Err(refuse("the request names two different hosts"));
        }
        if let Some(origin) = single(headers, &ORIGIN)? {
            let origin = origin.to_ascii_lowercase();
            let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if from != Some(host.as_str()) {
                return Err(refuse("the request comes from a page of another origin"));
            }
        }
        match single(headers, &FETCH_SITE)? {
            None | Some("none" | "same-origin") => Ok(()),
            Some(_) => Err(refuse("the request comes from a page of another site")),
        }
    }

    fn takes(&self, host: &str) -> bool {
        let (name, port) = split(host);
        let listed = |h: &String| h == host || h == name;
        if self.hosts.iter().any(listed) {
            return true;
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        loopback && port.map_or(Some(80), |p| p.parse().ok()) == Some(self.port)
    }
}

/// The one value of a header: two are as bad as a wrong one.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(|v| v.to_str().map_err(|_| refuse("a header is not text"))).transpose()?;
    if values.next().is_some() {
        return Err(refuse("a header is there twice"));
    }
    Ok(first)
}

/// Name and port of a host, brackets of IPv6 kept.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn refuse(detail: &str) -> Problem {
    Problem::new(Code::BadHost, detail).hint(
        "Use the node's loopback address (`127.0.0.1:PORT`). A name that a proxy passes on must stand in `[api] hosts`.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(pairs: &[(&'static str, &str)]) -> bool {
        let guard = Guard::new(7421, &["api.example".into(), "b.example:8443".into()]);
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        guard.check(&Uri::from_static("/x"), &headers).is_ok()
    }

    #[test]
    fn loopback_names_with_the_own_port_are_taken_and_nothing_else() {
        for good in ["127.0.0.1:7421", "localhost:7421", "LOCALHOST:7421", "[::1]:7421", "127.8.8.8:7421"] {
            assert!(check(&[("host", good)]), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.0.0.1:80",
            "evil.example:7421",
            "localhost.evil.example:7421",
            "10.0.0.1:7421",
            "",
            "::1:7421",
            "0.0.0.0:7421",
        ] {
            assert!(!check(&[("host", bad)]), "{bad}");
        }
        assert!(!check(&[]), "no host");
        assert!(!check(&[("host", "localhost:7421"), ("host", "localhost:7421")]), "two hosts");
    }

    #[test]
    fn listed_hosts_are_taken_as_listed() {
        assert!(check(&[("host", "api.example")]) && check(&[("host", "api.example:1")]));
        assert!(check(&[("host", "b.example:8443")]) && !check(&[("host", "b.example:1")]));
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let host = ("host", "localhost:7421");
        assert!(check(&[host, ("origin", "http://localhost:7421")]));
        for bad in ["http://evil.example", "null", "http://localhost:80", "localhost:7421", "http://127.0.0.1:7421"] {
            assert!(!check(&[host, ("origin", bad)]), "{bad}");
        }
        assert!(check(&[host, ("sec-fetch-site", "same-origin")]) && !check(&[host, ("sec-fetch-site", "cross-site")]));
    }
}
