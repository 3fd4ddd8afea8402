//! A report as evidence: its fields, and the samples that it carries.

use super::rules::{self, MAX_EVIDENCE, URLS};
use crate::analysis::Analysis;
use crate::domain::Domain;
use crate::limits::Limits;
use crate::reading::{Reading, utc};
use crate::report::{Around, Report, ReportFormat};
use crate::text::clean;
use crate::warning::Warning;
use crate::{address, hashes};
use mail_parser::DateTime;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// RFC 3339 in UTC of a time of ISO 8601.
pub(super) fn time(text: &str) -> Option<String> {
    let whole = text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T');
    DateTime::parse_rfc3339(text).filter(|_| whole).as_ref().and_then(utc)
}

/// Analyses a report and the samples inside it. Never fails: what cannot be read is a warning.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Analysis {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else {
        return Analysis { warnings: BTreeSet::from([Warning::ReportUnreadable]), ..Analysis::default() };
    };
    let mut reading = Reading::new(limits, BTreeSet::new());
    let value = Value::Object(fields);
    let faults = rules::check(&value);
    let Value::Object(fields) = value else { return Analysis::default() };
    let (mut report, around) = stated(&fields);
    faults.into_iter().for_each(|f| report.fault(&f.field, f.what));
    let samples = samples(&fields, limits, &mut reading);
    report.samples = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    reading.report(report, around);
    let message = |s: &Sample| matches!(s.media_type.as_str(), "message/rfc822" | "text/email" | "message/global");
    let mut first = true;
    for (i, sample) in samples.iter().enumerate() {
        let parsed = message(sample).then(|| crate::analyse::parse(&sample.bytes, limits, &mut reading)).flatten();
        match parsed {
            Some(parsed) => {
                if std::mem::take(&mut first) {
                    reading.headers(&parsed);
                } else {
                    reading.out.nested_messages += 1;
                }
                reading.parts(&parsed);
            }
            None => match sample.media_type.as_str() {
                "text/html" => reading.html(&String::from_utf8_lossy(&sample.bytes)),
                media if media.starts_with("text/") => reading.text(&String::from_utf8_lossy(&sample.bytes)),
                _ => {}
            },
        }
        let name = format!("evidence.{i}");
        reading.attach(Some(&name), Some(&sample.media_type), &sample.bytes);
    }
    if first {
        reading.warn(Warning::NoMessageInside);
        without_message(&fields, &mut reading);
    }
    reading.finish()
}

/// What the fields say of the message where it is not there itself.
fn without_message(fields: &Map<String, Value>, reading: &mut Reading<'_>) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    reading.out.subject = text("subject").and_then(|t| reading.clean(t, 500));
    let id = text("message_id").map(|id| id.trim_matches(['<', '>', ' ']));
    reading.out.message_id = id.and_then(|t| reading.clean(t, 500));
}

fn stated(fields: &Map<String, Value>) -> (Report, Around) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let kept = |name: &str, max: usize| text(name).map(|t| clean(t, max).0).filter(|t| !t.is_empty());
    let mut report = Report::new(ReportFormat::Xarf);
    let mut around = Around::default();
    let (category, of) = (kept("category", 40), kept("type", 40));
    report.kind = category.map(|c| of.map_or(c.clone(), |t| format!("{c}/{t}")));
    report.id = kept("report_id", 80);
    report.user_agent = kept("user_agent", 200);
    let org = fields.get("reporter").and_then(|r| r.get("org")).and_then(Value::as_str);
    report.reporter = org.map(|o| clean(o, 200).0).filter(|o| !o.is_empty());
    report.source = kept("source_identifier", 320);
    report.source_ip =
        text("source_identifier").and_then(|s| s.trim().parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    report.source_port = fields.get("source_port").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok());
    report.source_port = report.source_port.filter(|p| *p > 0);
    report.at = text("timestamp").and_then(time);
    report.mail_from = text("smtp_from").and_then(address::normalise);
    around.recipients.extend(text("smtp_to").and_then(address::normalise));
    report.incidents = fields.get("recipient_count").and_then(Value::as_u64);
    let source = text("source_identifier").filter(|_| report.source_ip.is_none()).and_then(Domain::parse);
    for domain in source.into_iter().chain(text("domain").and_then(Domain::parse)) {
        Report::keep(&mut report.domains, &domain.ascii, 253);
    }
    // What is imitated or robbed is not the source's.
    let theirs = ["original_url", "legitimate_site", "cloned_site"];
    for url in URLS.iter().filter(|name| !theirs.contains(name)).filter_map(|name| text(name)) {
        Report::keep(&mut report.urls, url, 2_000);
    }
    let links = fields.get("spam_indicators").and_then(|s| s.get("suspicious_links"));
    for list in [links, fields.get("redirect_chain")].into_iter().flatten().filter_map(Value::as_array) {
        list.iter().filter_map(Value::as_str).for_each(|url| Report::keep(&mut report.urls, url, 2_000));
    }
    if let Some(asn) = fields.get("asn").and_then(Value::as_u64).filter(|n| (1..=u64::from(u32::MAX)).contains(n)) {
        report.asns.insert(format!("AS{asn}"));
    }
    let sha256 = fields.get("file_hashes").and_then(|h| h.get("sha256")).and_then(Value::as_str);
    if let Some(hash) = sha256.filter(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit())) {
        report.hashes.insert(hash.to_ascii_lowercase());
    }
    (report, around)
}

struct Sample {
    media_type: String,
    bytes: Vec<u8>,
}

/// The samples that decode, within the limits of a message.
fn samples(fields: &Map<String, Value>, limits: &Limits, reading: &mut Reading<'_>) -> Vec<Sample> {
    let mut left = limits.max_bytes;
    let mut found = Vec::new();
    let items = fields.get("evidence").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.len() > MAX_EVIDENCE {
        reading.warn(Warning::Truncated);
    }
    for item in items.iter().take(MAX_EVIDENCE) {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let payload = text("payload").filter(|p| p.len() as u64 / 4 * 3 <= left);
        let Some(bytes) = payload.and_then(rules::decoded) else {
            reading.warn(Warning::SampleUnreadable);
            continue;
        };
        left = left.saturating_sub(bytes.len() as u64);
        if let Some((_, hex)) = text("hash").and_then(|h| h.split_once(':')).filter(|(a, _)| *a == "sha256")
            && !hex.eq_ignore_ascii_case(&hashes::of(&bytes).0)
        {
            reading.warn(Warning::SampleHashMismatch);
        }
        let media_type = text("content_type").unwrap_or("application/octet-stream");
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        found.push(Sample { media_type, bytes });
    }
    found
}

/// Whether these bytes show themselves as a report.
pub(crate) fn is_report(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{") && bytes.windows(super::MARK.len()).any(|w| w == super::MARK)
}
