//! What XARF v4 requires of a report: the core schema, and what each type requires beyond it. Formats of single fields
//! are held where somebody acts on them; descriptions and lists of free words are not.

use crate::domain::Domain;
use data_encoding::BASE64;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Items of evidence of one report.
pub const MAX_EVIDENCE: usize = 50;
/// Bytes of one item of evidence, decoded.
pub const MAX_EVIDENCE_BYTES: u64 = 5 << 20;

/// A rule that a report breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, as `evidence.0.payload`.
    pub field: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Category, type, and the fields that the type requires beyond the core.
const TYPES: &[(&str, &str, &[&str])] = &[
    ("messaging", "spam", &["protocol"]),
    ("messaging", "bulk_messaging", &["protocol", "recipient_count"]),
    ("connection", "login_attack", &["protocol", "first_seen"]),
    ("connection", "port_scan", &["protocol", "first_seen"]),
    ("connection", "ddos", &["protocol", "first_seen"]),
    ("connection", "infected_host", &["protocol", "bot_type", "first_seen"]),
    ("connection", "reconnaissance", &["protocol", "probed_resources", "first_seen"]),
    ("connection", "scraping", &["protocol", "first_seen", "total_requests"]),
    ("connection", "sql_injection", &["protocol", "first_seen"]),
    ("connection", "vulnerability_scan", &["scan_type", "protocol", "first_seen"]),
    ("content", "phishing", &["url"]),
    ("content", "malware", &["url"]),
    ("content", "fraud", &["url", "fraud_type"]),
    ("content", "csam", &["url", "classification", "detection_method"]),
    ("content", "csem", &["url", "exploitation_type", "detection_method"]),
    ("content", "exposed_data", &["url", "data_types", "exposure_method"]),
    ("content", "brand_infringement", &["url", "infringement_type", "legitimate_site"]),
    ("content", "suspicious_registration", &["url", "registration_date", "suspicious_indicators"]),
    ("content", "remote_compromise", &["url", "compromise_type"]),
    ("copyright", "copyright", &["infringing_url"]),
    ("copyright", "cyberlocker", &["infringing_url", "hosting_service"]),
    ("copyright", "link_site", &["infringing_url", "site_name"]),
    ("copyright", "p2p", &["p2p_protocol", "swarm_info"]),
    ("copyright", "ugc_platform", &["infringing_url", "platform_name"]),
    ("copyright", "usenet", &["newsgroup", "message_info"]),
    ("infrastructure", "botnet", &["compromise_evidence"]),
    ("infrastructure", "compromised_server", &["compromise_method"]),
    ("reputation", "blocklist", &["threat_type"]),
    ("reputation", "threat_intelligence", &["threat_type"]),
    ("vulnerability", "cve", &["service", "service_port", "cve_id"]),
    ("vulnerability", "misconfiguration", &["service"]),
    ("vulnerability", "open_service", &["service"]),
];

/// Types that require the source's port where the source is an address.
const WITH_PORT: &[&str] = &["login_attack", "port_scan", "ddos"];
const PROTOCOLS: &[&str] =
    &["smtp", "sms", "whatsapp", "telegram", "signal", "chat", "social_media", "push_notification", "other"];
const SPAM_SOURCES: &[&str] =
    &["spamtrap", "user_complaint", "automated_filter", "honeypot", "content_analysis", "reputation_feed"];
/// URLs wherever a type has them.
pub(super) const URLS: &[&str] = &[
    "url",
    "infringing_url",
    "submission_url",
    "original_url",
    "legitimate_site",
    "cloned_site",
    "screenshot_url",
    "target_url",
];

/// The rules that `report` breaks, at most 50; none where it is valid.
pub fn check(report: &Value) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    match report {
        Value::Object(fields) => whole(fields, &mut faults),
        _ => faults.add("", "not an object"),
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, what: &'static str) {
        if self.0.len() < 50 {
            self.0.push(Fault { field: field.into(), what });
        }
    }

    fn unless(&mut self, holds: bool, field: impl Into<String>, what: &'static str) {
        if !holds {
            self.add(field, what);
        }
    }
}

fn whole(fields: &Map<String, Value>, faults: &mut Faults) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    for name in ["xarf_version", "report_id", "timestamp", "source_identifier", "category", "type"] {
        match fields.get(name) {
            None => faults.add(name, "missing"),
            Some(Value::String(value)) => faults.unless(!value.is_empty(), name, "empty"),
            Some(_) => faults.add(name, "not a text"),
        }
    }
    if let Some(version) = text("xarf_version") {
        let numbers: Vec<&str> = version.split('.').collect();
        let numeric = numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        faults.unless(numbers.len() == 3 && numbers[0] == "4" && numeric, "xarf_version", "not 4.x.y");
    }
    if let Some(id) = text("report_id") {
        faults.unless(is_uuid(id), "report_id", "not a UUID");
    }
    if let Some(time) = text("timestamp") {
        faults.unless(super::read::time(time).is_some(), "timestamp", "not a time of ISO 8601");
    }
    for name in ["reporter", "sender"] {
        contact(fields.get(name), name, faults);
    }
    if let Some(port) = fields.get("source_port") {
        faults.unless(is_port(port), "source_port", "not a port");
    }
    if let Some(confidence) = fields.get("confidence") {
        let fits = confidence.as_f64().is_some_and(|c| (0.0..=1.0).contains(&c));
        faults.unless(fits, "confidence", "not a number from 0 to 1");
    }
    for (name, max) in [("description", 1_000), ("subject", 500), ("sender_name", 200), ("message_id", 200)] {
        if let Some(value) = fields.get(name) {
            let fits = value.as_str().is_some_and(|v| v.chars().count() <= max);
            faults.unless(fits, name, "not a text, or too long");
        }
    }
    if let Some(tags) = fields.get("tags") {
        let list = tags.as_array().map(Vec::as_slice).unwrap_or_default();
        faults.unless(tags.is_array() && list.len() <= 20, "tags", "not a list of at most 20");
        let good = list.iter().all(|t| t.as_str().is_some_and(is_tag));
        faults.unless(good, "tags", "not of the form namespace:predicate");
    }
    evidence(fields.get("evidence"), faults);
    kind(fields, faults);
}

/// What the type requires.
fn kind(fields: &Map<String, Value>, faults: &mut Faults) {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (Some(category), Some(of)) = (text("category"), text("type")) else { return };
    let Some((_, _, required)) = TYPES.iter().find(|(c, t, _)| *c == category && *t == of) else {
        return faults.add("type", "no type of this category");
    };
    for name in *required {
        faults.unless(fields.contains_key(*name), *name, "missing");
    }
    // One name has two meanings: the site imitated, and whether a site is its owner's.
    let urls = URLS.iter().filter(|n| **n != "legitimate_site" || of == "brand_infringement");
    for name in urls {
        if let Some(value) = fields.get(*name) {
            let fits = value.as_str().is_some_and(|v| url::Url::parse(v).is_ok());
            faults.unless(fits, *name, "not a URL");
        }
    }
    for name in ["smtp_from", "smtp_to"] {
        if let Some(value) = fields.get(name) {
            faults.unless(value.as_str().is_some_and(is_email), name, "not an e-mail address");
        }
    }
    if category == "messaging" {
        let protocol = text("protocol");
        if let Some(value) = fields.get("protocol") {
            let bulk = of == "bulk_messaging" && matches!(protocol, Some("signal" | "chat"));
            let known = protocol.is_some_and(|p| PROTOCOLS.contains(&p)) && !bulk;
            faults.unless(known || value.is_null(), "protocol", "not one of its list");
        }
        if protocol == Some("smtp") {
            for name in ["smtp_from", "source_port"] {
                faults.unless(fields.contains_key(name), name, "missing, as the protocol is smtp");
            }
        }
        if of == "spam"
            && let Some(source) = fields.get("evidence_source")
        {
            let known = source.as_str().is_some_and(|s| SPAM_SOURCES.contains(&s));
            faults.unless(known, "evidence_source", "not one of its list");
        }
        if let Some(language) = fields.get("language") {
            faults.unless(language.as_str().is_some_and(is_language), "language", "not a code as en or en-US");
        }
        if let Some(count) = fields.get("recipient_count") {
            let least = if of == "spam" { 1 } else { 100 };
            faults.unless(count.as_u64().is_some_and(|n| n >= least), "recipient_count", "not a number, or too few");
        }
    }
    let address = text("source_identifier").is_some_and(|s| s.parse::<IpAddr>().is_ok());
    if category == "connection" && WITH_PORT.contains(&of) && address {
        faults.unless(fields.contains_key("source_port"), "source_port", "missing, as the source is an address");
    }
}

fn contact(value: Option<&Value>, name: &str, faults: &mut Faults) {
    let Some(value) = value else { return faults.add(name, "missing") };
    let Some(fields) = value.as_object() else { return faults.add(name, "not an object") };
    for field in ["org", "contact", "domain"] {
        let Some(value) = fields.get(field) else {
            faults.add(format!("{name}.{field}"), "missing");
            continue;
        };
        let fits = value.as_str().is_some_and(|v| match field {
            "org" => (1..=200).contains(&v.chars().count()),
            "contact" => is_email(v),
            _ => Domain::parse(v).is_some(),
        });
        faults.unless(fits, format!("{name}.{field}"), "not what it should be");
    }
    let known = fields.keys().all(|k| ["org", "contact", "domain"].contains(&k.as_str()));
    faults.unless(known, name, "more fields than org, contact and domain");
}

fn evidence(value: Option<&Value>, faults: &mut Faults) {
    let Some(value) = value else { return };
    let Some(items) = value.as_array() else { return faults.add("evidence", "not a list") };
    faults.unless(items.len() <= MAX_EVIDENCE, "evidence", "more than 50 items");
    for (i, item) in items.iter().enumerate().take(MAX_EVIDENCE) {
        let at = |field: &str| format!("evidence.{i}.{field}");
        let Some(fields) = item.as_object() else {
            faults.add(format!("evidence.{i}"), "not an object");
            continue;
        };
        faults.unless(fields.get("content_type").is_some_and(Value::is_string), at("content_type"), "missing");
        match fields.get("payload").map(Value::as_str) {
            None => faults.add(at("payload"), "missing"),
            Some(None) => faults.add(at("payload"), "not a text"),
            Some(Some(payload)) => {
                faults.unless(decoded(payload).is_some(), at("payload"), "not base64");
                let fits = (payload.len() as u64) / 4 * 3 <= MAX_EVIDENCE_BYTES + 3;
                faults.unless(fits, at("payload"), "more than 5 MiB");
            }
        }
        if let Some(hash) = fields.get("hash") {
            faults.unless(hash.as_str().is_some_and(is_hash), at("hash"), "not algorithm:hex");
        }
        if let Some(size) = fields.get("size") {
            let fits = size.as_u64().is_some_and(|s| s <= MAX_EVIDENCE_BYTES);
            faults.unless(fits, at("size"), "not a number of bytes up to 5 MiB");
        }
        if let Some(description) = fields.get("description") {
            let fits = description.as_str().is_some_and(|d| d.chars().count() <= 500);
            faults.unless(fits, at("description"), "not a text, or too long");
        }
        let known = ["content_type", "payload", "description", "hash", "size"];
        faults.unless(fields.keys().all(|k| known.contains(&k.as_str())), format!("evidence.{i}"), "unknown fields");
    }
}

/// The bytes of a payload; line breaks inside are passed over.
pub(crate) fn decoded(payload: &str) -> Option<Vec<u8>> {
    match BASE64.decode(payload.as_bytes()) {
        Ok(bytes) => Some(bytes),
        Err(_) if payload.contains(char::is_whitespace) => {
            let plain: Vec<u8> = payload.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
            BASE64.decode(&plain).ok()
        }
        Err(_) => None,
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_port(value: &Value) -> bool {
    value.as_u64().is_some_and(|p| (1..=65_535).contains(&p))
}

pub(super) fn is_email(text: &str) -> bool {
    crate::address::normalise(text).is_some_and(|e| e.len() == text.len())
        && text.rsplit_once('@').is_some_and(|(_, d)| Domain::parse(d).is_some() && d.is_ascii())
}

pub(super) fn is_tag(text: &str) -> bool {
    let word = |w: &str| {
        let mut bytes = w.bytes();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        bytes.next().is_some_and(plain) && bytes.all(|b| plain(b) || b"_+-".contains(&b))
    };
    text.split_once(':').is_some_and(|(a, b)| word(a) && word(b))
}

pub(super) fn is_language(text: &str) -> bool {
    let lower = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_lowercase());
    match text.split_once('-') {
        None => lower(text),
        Some((language, country)) => {
            lower(language) && country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase())
        }
    }
}

fn is_hash(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        ["md5", "sha1", "sha256", "sha512"].contains(&algorithm)
            && !hex.is_empty()
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "xarf_version": "4.2.0",
            "report_id": "02eb480f-8172-431a-9276-c28ba90f694a",
            "timestamp": "2025-01-11T10:59:45Z",
            "reporter": { "org": "Trap", "contact": "reports@trap.example", "domain": "trap.example" },
            "sender": { "org": "Trap", "contact": "reports@trap.example", "domain": "trap.example" },
            "source_identifier": "192.0.2.7",
            "source_port": 4711,
            "category": "messaging",
            "type": "spam",
            "protocol": "smtp",
            "smtp_from": "a@spam.example",
            "evidence_source": "spamtrap",
            "evidence": [{ "content_type": "message/rfc822", "payload": "RnJvbTogYQ==", "hash": "sha256:00ff" }],
            "tags": ["campaign:a-1", "tlp:amber+strict"],
            "confidence": 0.9,
            "anything_else": "is allowed",
        })
    }

    /// The fields at fault once `field` holds `value`, or is gone.
    fn faults(field: &str, value: Option<Value>) -> Vec<String> {
        let mut report = good();
        match value {
            Some(value) => report[field] = value,
            None => drop(report.as_object_mut().unwrap().remove(field)),
        }
        check(&report).into_iter().map(|f| f.field).collect()
    }

    #[test]
    fn a_report_that_keeps_the_rules_has_no_fault() {
        assert_eq!(check(&good()), []);
    }

    #[test]
    fn every_required_field_is_missed() {
        for field in [
            "xarf_version",
            "report_id",
            "timestamp",
            "reporter",
            "sender",
            "source_identifier",
            "category",
            "type",
            "protocol",
            "smtp_from",
            "source_port",
        ] {
            assert_eq!(faults(field, None), [field], "{field}");
        }
        assert_eq!(faults("protocol", Some(json!("sms"))), [""; 0], "smtp_from and source_port go with smtp only");
    }

    #[test]
    fn what_has_the_wrong_form_is_named() {
        for (field, value) in [
            ("xarf_version", json!("3.0.0")),
            ("xarf_version", json!(4)),
            ("report_id", json!("1")),
            ("timestamp", json!("yesterday")),
            ("timestamp", json!(["2025-01-11T10:59:45Z"])),
            ("reporter", json!("Trap")),
            ("source_port", json!(0)),
            ("source_port", json!("25")),
            ("source_port", json!(70_000)),
            ("type", json!("phishing")),
            ("protocol", json!("pigeon")),
            ("smtp_from", json!("nobody")),
            ("evidence_source", json!("rumour")),
            ("evidence", json!({})),
            ("tags", json!(["Campaign"])),
            ("confidence", json!(2)),
            ("subject", json!("x".repeat(501))),
        ] {
            assert_eq!(faults(field, Some(value.clone())), [field], "{field} = {value}");
        }
        let contact = json!({ "org": "", "contact": "x", "domain": "y z", "phone": "1" });
        assert_eq!(faults("sender", Some(contact)), ["sender.org", "sender.contact", "sender.domain", "sender"]);
        let items = json!([{}, 7, { "content_type": 1, "payload": "***", "hash": "x", "size": -1, "more": 1 }]);
        let expected = [
            "evidence.0.content_type",
            "evidence.0.payload",
            "evidence.1",
            "evidence.2.content_type",
            "evidence.2.payload",
            "evidence.2.hash",
            "evidence.2.size",
            "evidence.2",
        ];
        assert_eq!(faults("evidence", Some(items)), expected);
        let mut compromised = good();
        for (field, value) in [
            ("category", json!("content")),
            ("type", json!("remote_compromise")),
            ("url", json!("https://a.example/")),
            ("compromise_type", json!("webshell")),
            ("legitimate_site", json!(true)),
        ] {
            compromised[field] = value;
        }
        assert_eq!(check(&compromised), []);
        assert_eq!(check(&json!([]))[0].what, "not an object");
    }
}
