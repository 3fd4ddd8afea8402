//! What a complaint says around the message that it is about: ARF (RFC 5965, RFC 6692) and XARF v4.

use crate::text::clean;
use mail_parser::{HeaderName, MessageParser};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Lists of a report: domains, URLs, faults.
const MAX_LIST: usize = 50;

/// In which format a complaint came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    /// Abuse Reporting Format, RFC 5965.
    Arf,
    /// eXtended Abuse Reporting Format, version 4 (xarf.org).
    Xarf,
}

/// The complaint around a message. All of it is the reporter's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The format.
    pub format: ReportFormat,
    /// `abuse`, `fraud`, … of ARF; `category/type` of XARF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The reporter's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<String>,
    /// The program that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// What it is about, as stated: an address, a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The address that the message came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// When it came, RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The envelope sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<String>,
    /// Domains reported.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub domains: BTreeSet<String>,
    /// URLs reported.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub urls: BTreeSet<String>,
    /// Autonomous systems reported, as `AS64500`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asns: BTreeSet<String>,
    /// SHA-256 of files reported, hex.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hashes: BTreeSet<String>,
    /// How many messages it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
    /// Samples that it carries.
    #[serde(default)]
    pub samples: u32,
    /// Rules of its format that it breaks, as `field: what`, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What an ARF part says that belongs into the reading of its message.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub recipients: Vec<String>,
    pub authentication: Vec<String>,
}

impl Report {
    pub(crate) fn new(format: ReportFormat) -> Report {
        Report {
            format,
            kind: None,
            id: None,
            reporter: None,
            user_agent: None,
            source: None,
            source_ip: None,
            source_port: None,
            at: None,
            mail_from: None,
            domains: BTreeSet::new(),
            urls: BTreeSet::new(),
            asns: BTreeSet::new(),
            hashes: BTreeSet::new(),
            incidents: None,
            samples: 0,
            faults: Vec::new(),
        }
    }

    pub(crate) fn fault(&mut self, field: &str, what: &str) {
        if self.faults.len() < MAX_LIST {
            self.faults.push(format!("{}: {what}", clean(field, 80).0));
        }
    }

    pub(crate) fn keep(set: &mut BTreeSet<String>, value: &str, max: usize) {
        let (value, _) = clean(value, max);
        if set.len() < MAX_LIST && !value.is_empty() {
            set.insert(value);
        }
    }
}

/// Reads the machine-readable part of a complaint in the Abuse Reporting Format: header fields, one to a line.
pub(crate) fn feedback(part: &[u8]) -> (Report, Around) {
    let mut report = Report::new(ReportFormat::Arf);
    let mut around = Around::default();
    let fields = [part.trim_ascii(), b"\r\n\r\n"].concat();
    let parsed = MessageParser::default().parse(&fields);
    let mut version = false;
    for header in parsed.iter().flat_map(|m| m.headers()).take(500) {
        let range = header.offset_start() as usize..header.offset_end() as usize;
        let raw = String::from_utf8_lossy(fields.get(range).unwrap_or_default());
        let value = clean(raw.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), 1_000).0;
        let bare = value.trim_matches(['<', '>', '[', ']', '"']).to_owned();
        let said = |max: usize| Some(clean(&value, max).0).filter(|v| !v.is_empty());
        let name = header.name().to_ascii_lowercase();
        match name.as_str() {
            "feedback-type" => report.kind = said(40).map(|k| k.to_ascii_lowercase()),
            "user-agent" => report.user_agent = said(200),
            "version" => version = true,
            "source-ip" => match bare.trim_start_matches("IPv6:").parse::<IpAddr>() {
                Ok(ip) => report.source_ip = Some(ip.to_canonical()),
                Err(_) => report.fault("Source-IP", "no address"),
            },
            "source-port" => match bare.parse::<u16>() {
                Ok(port) if port > 0 => report.source_port = Some(port),
                _ => report.fault("Source-Port", "no port"),
            },
            "original-mail-from" => report.mail_from = crate::address::normalise(&bare),
            "original-rcpt-to" => around.recipients.extend(crate::address::normalise(&bare)),
            "arrival-date" | "received-date" => {
                let date = match header.name {
                    HeaderName::Date => header.value.as_datetime().cloned(),
                    _ => mail_parser::DateTime::parse_rfc822(&value),
                };
                report.at = date.as_ref().and_then(crate::reading::utc);
                if report.at.is_none() {
                    report.fault("Arrival-Date", "no date");
                }
            }
            "reporting-mta" => {
                report.reporter = said(255).map(|v| v.rsplit(';').next().unwrap_or_default().trim().to_owned());
            }
            "reported-domain" => Report::keep(&mut report.domains, &bare, 255),
            "reported-uri" => Report::keep(&mut report.urls, &bare, 2_000),
            "incidents" => report.incidents = bare.parse().ok(),
            "authentication-results" if around.authentication.len() < 20 => around.authentication.push(value),
            _ => {}
        }
    }
    // RFC 5965 §3.1: these three, once each.
    for (there, field) in
        [(report.kind.is_some(), "Feedback-Type"), (report.user_agent.is_some(), "User-Agent"), (version, "Version")]
    {
        if !there {
            report.fault(field, "missing");
        }
    }
    (report, around)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_fields_of_a_feedback_report_are_read_and_what_is_missing_is_named() {
        let (report, around) = feedback(
            b"Feedback-Type: Abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\nOriginal-Mail-From: <a@Spam.Example>\r\n\
            Original-Rcpt-To: <me@home.example>\r\nArrival-Date: Thu, 8 Mar 2024 14:00:00 -0500\r\n\
            Source-IP: 192.0.2.7\r\nSource-Port: 4711\r\nReporting-MTA: dns; mail.provider.example\r\n\
            Reported-Domain: spam.example\r\nReported-URI: https://spam.example/x\r\nIncidents: 17\r\n\
            Authentication-Results: mail.provider.example;\r\n spf=fail smtp.mailfrom=a@spam.example\r\n\r\n",
        );
        assert_eq!(report.kind.as_deref(), Some("abuse"));
        assert_eq!((report.source_ip, report.source_port), (Some("192.0.2.7".parse().unwrap()), Some(4711)));
        assert_eq!(report.at.as_deref(), Some("2024-03-08T19:00:00Z"));
        assert_eq!(report.mail_from.as_deref(), Some("a@spam.example"));
        assert_eq!(report.reporter.as_deref(), Some("mail.provider.example"));
        assert!(report.domains.contains("spam.example") && report.urls.contains("https://spam.example/x"));
        assert_eq!((report.incidents, report.faults.len()), (Some(17), 0));
        assert_eq!(around.recipients, ["me@home.example"]);
        assert!(around.authentication[0].contains("spf=fail"));

        let (bad, _) = feedback(b"Feedback-Type: abuse\nSource-IP: here\nSource-Port: 70000\nArrival-Date: soon\n");
        for field in ["Source-IP", "Source-Port", "Arrival-Date", "User-Agent", "Version"] {
            assert!(bad.faults.iter().any(|f| f.starts_with(field)), "{field} in {:?}", bad.faults);
        }
        assert_eq!(feedback(b"").0.faults.len(), 3);
    }
}
