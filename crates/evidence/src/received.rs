//! The way that a message came, and who handed it to the receiving side.
//!
//! ```text
//!   Received: from inside.receiver by store.receiver        added by the receiver   trusted
//!   Received: from bad.example (192.0.2.7) by mx.receiver   added by the receiver   its `from` is the sending ip
//!   Received: from somewhere (198.51.100.1) by bad.example  came with the message   a claim, may be invented
//! ```
//! Each server writes its line above the others. Read from the top, the lines of the receiving side come first; the
//! address that the last of them was handed the message by is the only one that the sender could not invent. What the
//! same server says in Authentication-Results or Received-SPF must name the same address.

use crate::domain::{Domain, is_public};
use crate::text::clean;
use mail_parser::{Host, Received};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Hops kept.
pub const MAX_HOPS: usize = 100;

/// One Received line, topmost (most recent) first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// What the client called itself, or its name in the DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_host: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ip: Option<IpAddr>,
    /// The client's port, where the line has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_port: Option<u16>,
    /// The server that wrote the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_host: Option<String>,
    /// When, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// What decided on the sending ip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpSource {
    /// The Received chain.
    Received,
    /// The receiver's Authentication-Results.
    AuthenticationResults,
    /// The receiver's Received-SPF.
    ReceivedSpf,
    /// Another header of the receiver (`X-Sender-IP`).
    ReceiverHeader,
    /// The complaint around the message.
    Report,
}

/// How far the sending ip can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Rests on lines that may have come with the message.
    Low,
    /// One statement of the receiving side.
    Medium,
    /// The chain and the receiver's own statement agree.
    High,
}

/// The address that handed the message to the receiving side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingIp {
    /// The address.
    pub ip: IpAddr,
    /// The name in the Received line, where that line decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port, where the line has it: behind an address of many, only port and time tell whose it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// When, RFC 3339 UTC: the clock of the server that wrote the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What decided.
    pub source: IpSource,
    /// Statements that say the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreeing: Vec<IpSource>,
    /// How far to rely on it.
    pub confidence: Confidence,
}

/// A statement of the receiving side about the client, and the place of its header (0 = topmost).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    pub ip: IpAddr,
    pub source: IpSource,
    pub at: usize,
}

/// A hop and the place of its header.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlacedHop {
    pub hop: Hop,
    pub at: usize,
}

/// The outcome of the walk.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Walk {
    pub sending_ip: Option<SendingIp>,
    /// The receiving side contradicts itself.
    pub disputed: bool,
    /// Public addresses that the lines below name, nearest first. Claims only.
    pub claimed: Vec<IpAddr>,
}

/// Names under which large providers' servers speak to each other.
const PROVIDERS: &[&[&str]] = &[
    &["outlook.com", "office365.com", "hotmail.com", "microsoft.com", "exchangelabs.com", "live.com"],
    &["google.com", "gmail.com", "googlemail.com", "1e100.net"],
    &["yahoo.com", "yahoodns.net", "aol.com", "oath.cloud"],
    &["icloud.com", "apple.com", "me.com", "mac.com"],
    &["gmx.net", "gmx.com", "web.de", "kundenserver.de", "mail.com"],
    &["protonmail.ch", "proton.me", "protonmail.com"],
];

/// Whether a domain is a large provider's own, shared by millions of customers: it tells nothing about one of them.
pub(crate) fn is_large_provider(domain: &Domain) -> bool {
    PROVIDERS.iter().any(|family| family.contains(&domain.owner()))
}

/// Servers through which a provider's customers send to the world: the line that names them is a stranger's, even
/// when the receiver is a customer of the same provider.
fn is_outbound(host: &str) -> bool {
    host.ends_with(".outbound.protection.outlook.com")
        || (host.starts_with("mail-") && host.ends_with(".google.com"))
        || host.ends_with(".consmr.mail.yahoo.com")
}

fn provider(host: &str) -> Option<String> {
    // The end of a name says whose it is; characters that no host name has (left by whoever redacted a sample) do not
    // hide it.
    let plain = host.rsplit(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next().unwrap_or_default();
    let owner = Domain::parse(plain)?.owner().to_owned();
    let family = PROVIDERS.iter().find(|family| family.contains(&owner.as_str()));
    Some(family.map_or(owner, |family| family[0].to_owned()))
}

/// Reads a Received value as the mail library parsed it; `raw` fills in what it did not find.
pub(crate) fn hop(received: &Received<'_>, raw: &str, date: Option<String>) -> Hop {
    let name = |host: &Host<'_>| match host {
        Host::Name(name) => clean(name.trim_matches(['[', ']', '(', ')']), 255).0,
        Host::IpAddr(ip) => ip.to_canonical().to_string(),
    };
    let literal = match received.from() {
        Some(Host::IpAddr(ip)) => Some(*ip),
        _ => None,
    };
    let from_ip = received.from_ip().or(literal).or_else(|| ip_in_from_clause(raw)).map(|ip| ip.to_canonical());
    Hop {
        // "(Postfix, from userid 0)" names no host.
        from_host: received.from().map(name).filter(|n| !n.is_empty() && n != "userid"),
        from_ip,
        from_port: from_ip.and_then(|ip| port_in_from_clause(raw, ip)),
        by_host: received.by().map(name).filter(|n| !n.is_empty()),
        date,
    }
}

fn ip_in_from_clause(raw: &str) -> Option<IpAddr> {
    let clause = raw.trim_start().strip_prefix("from")?;
    let mut words = clause.split(|c: char| c.is_whitespace() || "()[];,=".contains(c)).take(60);
    words.by_ref().take_while(|w| *w != "by").find_map(|w| w.trim_start_matches("IPv6:").parse().ok())
}

/// The client's port, as servers write it: `[192.0.2.7]:4711`, `(192.0.2.7:4711)`, `(port=4711 helo=x)`.
fn port_in_from_clause(raw: &str, ip: IpAddr) -> Option<u16> {
    let clause = raw.split(" by ").next()?;
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().ok().filter(|port| *port > 0)
    };
    let ip = ip.to_string();
    let beside = clause.match_indices(&ip).find_map(|(at, _)| {
        let rest = clause[at + ip.len()..].trim_start_matches(']');
        // without brackets, digits behind an IPv6 address are part of another one
        let bracketed = rest.len() < clause.len() - at - ip.len() || ip.contains('.');
        rest.strip_prefix(':').filter(|_| bracketed).and_then(number)
    });
    beside.or_else(|| number(clause.split("port=").nth(1)?))
}

/// Walks the chain from the top. See the module's drawing.
pub(crate) fn walk(hops: &[PlacedHop], statements: &[Statement]) -> Walk {
    let receiver = hops.iter().find_map(|h| h.hop.by_host.as_deref().and_then(provider));
    let inside = |host: Option<&String>| {
        host.is_some_and(|h| !is_outbound(&h.to_ascii_lowercase()) && receiver.is_some() && provider(h) == receiver)
    };
    let strangers = |h: &&PlacedHop| h.hop.from_ip.is_some_and(is_public);
    for (i, PlacedHop { hop, at }) in hops.iter().enumerate() {
        let Some(ip) = hop.from_ip.filter(|ip| is_public(*ip)) else { continue };
        // Headers between this line and the next one may be the receiver's (some write below their line) or the
        // sender's. Agreement there costs nothing; contradiction counts only above the line.
        let next = hops.get(i + 1).map_or(usize::MAX, |h| h.at);
        let agreeing: Vec<IpSource> =
            statements.iter().filter(|s| s.ip == ip && s.at < next).map(|s| s.source).collect();
        if agreeing.is_empty() && inside(hop.from_host.as_ref()) && inside(hop.by_host.as_ref()) {
            continue;
        }
        let above = statements.iter().find(|s| s.at < *at && s.ip != ip && is_public(s.ip));
        let deeper = above.and_then(|s| hops[i + 1..].iter().position(|h| h.hop.from_ip == Some(s.ip)));
        // Several machines of the receiver under names that do not show it: its own statement knows better.
        let decided = if agreeing.is_empty() { deeper.map_or(i, |d| i + 1 + d) } else { i };
        let decider = &hops[decided].hop;
        // Below the line the statement may be the sender's own invention, so it does not decide; but it is said.
        let contradicted = agreeing.is_empty() && statements.iter().any(|s| s.ip != ip && is_public(s.ip));
        let confidence = match (decided == i, agreeing.is_empty()) {
            (true, false) => Confidence::High,
            (true, true) if contradicted || hop.by_host.as_deref().is_none_or(|by| provider(by) != receiver) => {
                Confidence::Low
            }
            _ => Confidence::Medium,
        };
        let mut agreeing = if decided == i { agreeing } else { above.map(|s| s.source).into_iter().collect() };
        agreeing.sort_unstable();
        agreeing.dedup();
        return Walk {
            sending_ip: decider.from_ip.map(|ip| SendingIp {
                ip,
                host: decider.from_host.clone(),
                port: decider.from_port,
                time: decider.date.clone(),
                source: IpSource::Received,
                agreeing,
                confidence,
            }),
            disputed: contradicted,
            claimed: hops[decided + 1..].iter().filter(strangers).filter_map(|h| h.hop.from_ip).collect(),
        };
    }
    let stated = statements.iter().filter(|s| is_public(s.ip)).min_by_key(|s| (s.source, s.at));
    let sending_ip = stated.map(|s| SendingIp {
        ip: s.ip,
        host: None,
        port: None,
        time: None,
        source: s.source,
        agreeing: Vec::new(),
        confidence: Confidence::Low,
    });
    Walk { sending_ip, ..Walk::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Lines as (from host, from ip, by host), every second header, so that statements fit between them.
    fn chain(lines: &[(&str, &str, &str)]) -> Vec<PlacedHop> {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        let hop = |(i, (from, ip, by)): (usize, &(&str, &str, &str))| PlacedHop {
            hop: Hop { from_host: some(from), from_ip: ip.parse().ok(), by_host: some(by), ..Hop::default() },
            at: 2 * i,
        };
        lines.iter().enumerate().map(hop).collect()
    }

    fn stated(ip: &str, at: usize) -> Statement {
        Statement { ip: ip.parse().unwrap(), source: IpSource::AuthenticationResults, at }
    }

    fn outcome(walk: &Walk) -> (String, Confidence) {
        walk.sending_ip.as_ref().map(|s| (s.ip.to_string(), s.confidence)).unwrap()
    }

    #[test]
    fn the_first_stranger_below_the_receivers_own_lines_is_the_sender() {
        let hops = chain(&[
            ("a.prod.outlook.com", "::1", "b.prod.outlook.com"),
            ("c.prod.outlook.com", "2001:db8::9", "a.outlook.office365.com"),
            ("bad.example", "192.0.2.7", "c.mail.protection.outlook.com"),
            ("desktop", "198.51.100.1", "bad.example"),
        ]);
        let found = walk(&hops, &[stated("192.0.2.7", 3)]);
        assert_eq!(outcome(&found), ("192.0.2.7".into(), Confidence::High));
        assert_eq!(found.claimed, ["198.51.100.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(outcome(&walk(&hops, &[])).1, Confidence::Medium);
    }

    #[test]
    fn a_stranger_who_calls_itself_the_receiver_is_seen_through_by_the_receivers_statement() {
        let hops = chain(&[
            ("mx.receiver.example", "192.0.2.66", "in.receiver.example"),
            ("victim.example", "198.51.100.1", "mx.receiver.example"),
        ]);
        assert_eq!(outcome(&walk(&hops, &[stated("192.0.2.66", 1)])), ("192.0.2.66".into(), Confidence::High));
    }

    #[test]
    fn a_customer_of_the_receivers_own_provider_is_a_stranger() {
        let hops = chain(&[
            ("x.outbound.protection.outlook.com", "192.0.2.40", "y.mail.protection.outlook.com"),
            ("z.prod.outlook.com", "2001:db8::1", "x.prod.outlook.com"),
        ]);
        assert_eq!(outcome(&walk(&hops, &[])).0, "192.0.2.40");
    }

    #[test]
    fn a_name_damaged_by_redaction_still_shows_whose_it_is() {
        let hops = chain(&[
            ("SJ2XX@XX0.NAMP223.PROD.OUTLOOK.COM", "2001:db8::9", "LV3.NAMP223.PROD.OUTLOOK.COM"),
            ("bad.example", "192.0.2.7", "SJ2XX@XX0.NAMP223.PROD.OUTLOOK.COM"),
        ]);
        assert_eq!(outcome(&walk(&hops, &[stated("192.0.2.7", 1)])), ("192.0.2.7".into(), Confidence::High));
    }

    #[test]
    fn private_hops_inside_the_receiver_are_passed_over() {
        let hops = chain(&[
            ("store", "172.16.0.9", "mail.receiver.example"),
            ("localhost", "127.0.0.1", "mail.receiver.example"),
            ("bad.example", "192.0.2.7", "mail.receiver.example"),
        ]);
        assert_eq!(outcome(&walk(&hops, &[])), ("192.0.2.7".into(), Confidence::Medium));
    }

    #[test]
    fn a_statement_that_came_with_the_message_cannot_shift_the_blame() {
        let hops = chain(&[
            ("bad.example", "192.0.2.7", "mx.receiver.example"),
            ("innocent.example", "198.51.100.1", "mx.receiver.example"),
        ]);
        let found = walk(&hops, &[stated("198.51.100.1", 3)]);
        assert_eq!(outcome(&found), ("192.0.2.7".into(), Confidence::Low));
        assert!(found.disputed);
    }

    #[test]
    fn a_contradiction_above_the_line_is_reported_and_a_matching_deeper_line_believed() {
        let hops = chain(&[
            ("gateway.filter.example", "192.0.2.200", "store.receiver.example"),
            ("bad.example", "192.0.2.7", "mx.filter.example"),
        ]);
        let mut hops = hops;
        hops.iter_mut().for_each(|h| h.at += 1);
        let found = walk(&hops, &[stated("192.0.2.7", 0)]);
        assert!(found.disputed);
        assert_eq!(outcome(&found), ("192.0.2.7".into(), Confidence::Medium));
    }

    #[test]
    fn without_a_chain_the_receivers_statement_is_all_there_is() {
        let found = walk(&[], &[stated("192.0.2.7", 0)]);
        assert_eq!(outcome(&found), ("192.0.2.7".into(), Confidence::Low));
        assert_eq!(walk(&[], &[stated("10.0.0.1", 0)]).sending_ip, None);
    }

    #[test]
    fn addresses_are_read_in_the_forms_that_servers_write() {
        for (raw, ip) in [
            (
                "from x.example (x.example [192.0.2.7]) by mx.example with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000",
                "192.0.2.7",
            ),
            (
                "from unknown (HELO x.example) (192.0.2.7) by mx.example with SMTP; 1 Jan 2024 00:00:00 -0000",
                "192.0.2.7",
            ),
            (
                "from [192.0.2.7] (helo=x) by mx.example with esmtp (Exim 4.9) id 1-2-3; Mon, 01 Jan 2024 00:00:00 +0000",
                "192.0.2.7",
            ),
            (
                "from x.example (x.example [IPv6:2001:db8::7]) by mx.example id 1; Mon, 1 Jan 2024 00:00:00 +0000",
                "2001:db8::7",
            ),
            (
                "from x.example ([192.0.2.7]:4711 helo=x) by mx.example id 1; Mon, 1 Jan 2024 00:00:00 +0000",
                "192.0.2.7",
            ),
            (
                "from [192.0.2.7] (port=4711 helo=x) by mx.example with esmtps (Exim 4.9) id 1; Mon, 1 Jan 2024 00:00:00 +0000",
                "192.0.2.7",
            ),
            (
                "from x.example (LHLO x) (192.0.2.7) by mx.example with LMTP; Mon, 1 Jan 2024 00:00:00 +0000",
                "192.0.2.7",
            ),
        ] {
            let message = format!("Received: {raw}\r\n\r\n");
            let parsed = mail_parser::MessageParser::default().parse(message.as_bytes()).unwrap();
            let hop = hop(parsed.received().unwrap(), raw, None);
            assert_eq!(hop.from_port, raw.contains("4711").then_some(4711), "{raw}");
            assert_eq!(hop.from_ip, Some(ip.parse().unwrap()), "{raw}");
            assert_eq!(hop.by_host.as_deref(), Some("mx.example"), "{raw}");
        }
    }
}
