//! A referral's sample as a report for the machines of hosts and providers. What may leave at all is decided before
//! ([`report`] is only the form).

use super::rules::{self, Fault, MAX_EVIDENCE, MAX_EVIDENCE_BYTES, is_email, is_language, is_tag, is_uuid};
use crate::analysis::Analysis;
use crate::domain::Domain;
use crate::draft::without_recipients;
use crate::hashes;
use crate::identify::without_recipient;
use crate::links::{Host, UrlSource};
use data_encoding::BASE64;
use lapwing_record::directory::Channel;
use lapwing_record::form::{CollectionMethod, Conduct, Form, IdentifierKind, PartyRole};
use serde_json::{Map, Value, json};

/// The version of the format that is written.
pub const VERSION: &str = "4.2.0";
const MAX_LINKS: usize = 50;

/// Who reports: the agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Its name, up to 200 characters.
    pub org: String,
    /// Where a person answers: an e-mail address.
    pub contact: String,
    /// Its domain.
    pub domain: String,
}

/// A sample that goes with the report: its original bytes, or those of a redacted copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    /// Media type.
    pub content_type: String,
    /// What it is.
    pub description: Option<String>,
    /// The bytes, at most [`MAX_EVIDENCE_BYTES`].
    pub content: Vec<u8>,
}

/// What neither the form nor the analysis knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The report's own id: a UUID that the caller drew.
    pub report_id: String,
    /// The agency whose complaint it is.
    pub reporter: Author,
    /// Who transmits it; often the same.
    pub sender: Author,
    /// Samples that go with it, at most 50.
    pub enclosures: Vec<Enclosure>,
}

/// No report can be made: what is missing, or would break the rules of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no XARF report: {}", faults.iter().map(|f| format!("{}: {}", f.field, f.what)).collect::<Vec<_>>().join("; "))]
pub struct Missing {
    /// The fields.
    pub faults: Vec<Fault>,
}

/// A valid XARF v4 report of one message of a referral: `content/phishing` where the form says phishing and the message
/// leads to a page, else `messaging/spam`. Pure; recipients' addresses are not in it, whatever the message holds.
///
/// The format demands the sender's port of mail (`protocol: smtp`). Where nobody noted it, none is made up: the
/// protocol is then `other`, with the tag `protocol:smtp`.
///
/// # Errors
/// [`Missing`]: nothing says where the message came from or when, or what the caller gave breaks the format's rules.
pub fn report(form: &Form, found: &Analysis, occasion: &Occasion) -> Result<Value, Missing> {
    let mut faults = Vec::new();
    let mut fields = Map::new();
    let phishing = form.conduct.iter().flatten().any(|c| *c == Conduct::Phishing);
    let page = target(found).filter(|_| phishing);
    if !is_uuid(&occasion.report_id) {
        faults.push(Fault { field: "report_id".into(), what: "not a UUID" });
    }
    let contact = |a: &Author| json!({ "org": a.org, "contact": a.contact, "domain": a.domain });
    fields.insert("xarf_version".into(), json!(VERSION));
    fields.insert("report_id".into(), json!(occasion.report_id));
    fields.insert("reporter".into(), contact(&occasion.reporter));
    fields.insert("sender".into(), contact(&occasion.sender));
    match moment(form, found) {
        Some(time) => drop(fields.insert("timestamp".into(), json!(time))),
        None => faults.push(Fault { field: "timestamp".into(), what: "neither the message nor the form tells when" }),
    }
    let source = match &page {
        Some((_, host)) => Some(host.clone()),
        None => source(form, found),
    };
    match source {
        Some(source) => drop(fields.insert("source_identifier".into(), json!(source))),
        None => faults.push(Fault { field: "source_identifier".into(), what: "nothing tells where it came from" }),
    }
    let mut tags = vec![format!("tlp:{}", form.tlp.map_or("amber+strict", |tlp| tlp.code()))];
    if let Some(campaign) = form.campaign_ref.as_deref().and_then(tag_word) {
        tags.push(format!("campaign:{campaign}"));
    }
    match page {
        Some((url, _)) => content(url, found, &mut fields),
        None => tags.extend(messaging(form, found, &mut fields)),
    }
    let evidence_source = form.evidence.iter().flatten().next().map(|item| item.method);
    if let Some(source) = evidence_source.and_then(evidence_code) {
        fields.insert("evidence_source".into(), json!(source));
    }
    fields.insert("tags".into(), json!(tags.into_iter().filter(|t| is_tag(t)).collect::<Vec<_>>()));
    if let Some(line) = form.subject_line.as_deref().filter(|l| !l.is_empty()) {
        fields.insert("description".into(), json!(cut(line, 1_000)));
    }
    let evidence = enclosed(&occasion.enclosures, &mut faults);
    if !evidence.is_empty() {
        fields.insert("evidence".into(), json!(evidence));
    }
    let report = Value::Object(fields);
    // What is missing was said in better words above.
    let known: Vec<String> = faults.iter().map(|f| f.field.clone()).collect();
    faults.extend(rules::check(&report).into_iter().filter(|f| !known.contains(&f.field)));
    if faults.is_empty() { Ok(report) } else { Err(Missing { faults }) }
}

/// The page that a reader is led to, and its host.
fn target(found: &Analysis) -> Option<(String, String)> {
    let led = |s: &UrlSource| matches!(s, UrlSource::Link | UrlSource::Form | UrlSource::Refresh | UrlSource::Text);
    let url = found.urls.iter().find(|u| u.sources.iter().any(led) && u.sources.contains(&UrlSource::Form));
    let url = url.or_else(|| found.urls.iter().find(|u| u.sources.iter().any(led)))?;
    let host = match &url.host {
        Host::Domain(domain) => domain.ascii.clone(),
        Host::Ip(ip) => ip.to_string(),
        Host::Other(_) => return None,
    };
    Some((uri(without_recipient(url, &found.recipients)?), host))
}

fn content(url: String, found: &Analysis, fields: &mut Map<String, Value>) {
    fields.insert("category".into(), json!("content"));
    fields.insert("type".into(), json!("phishing"));
    if let Some(domain) = fields.get("source_identifier").and_then(Value::as_str).and_then(Domain::parse) {
        fields.insert("domain".into(), json!(domain.ascii));
    }
    let form = found.urls.iter().find(|u| u.sources.contains(&UrlSource::Form));
    if let Some(form) = form.and_then(|u| without_recipient(u, &found.recipients)) {
        fields.insert("submission_url".into(), json!(uri(form)));
    }
    fields.insert("url".into(), json!(url));
}

/// The fields of a spam report; tags that go with them.
fn messaging(form: &Form, found: &Analysis, fields: &mut Map<String, Value>) -> Vec<String> {
    fields.insert("category".into(), json!("messaging"));
    fields.insert("type".into(), json!("spam"));
    let envelope = found.return_path.iter().chain(&found.from).map(|a| a.email.as_str());
    let envelope = envelope.filter(|e| is_email(e)).find(|e| !crate::identify::names_recipient(e, &found.recipients));
    let port = found.sending_ip.as_ref().and_then(|s| s.port).or_else(|| stated_port(form, found));
    if let Some(port) = port {
        fields.insert("source_port".into(), json!(port));
    }
    if let Some(envelope) = envelope {
        fields.insert("smtp_from".into(), json!(envelope));
    }
    let channel = form.channel.unwrap_or(Channel::Email);
    let protocol = match channel {
        Channel::Email if port.is_some() && envelope.is_some() => "smtp",
        Channel::Sms => "sms",
        Channel::Im => "chat",
        Channel::Social => "social_media",
        Channel::Push => "push_notification",
        _ => "other",
    };
    fields.insert("protocol".into(), json!(protocol));
    let shown = |text: &str, max: usize| cut(&without_recipients(text, &found.recipients), max);
    if let Some(subject) = &found.subject {
        fields.insert("subject".into(), json!(shown(subject, 500)));
    }
    if let Some(name) = found.from.first().and_then(|a| a.name.as_deref()) {
        fields.insert("sender_name".into(), json!(shown(name, 200)));
    }
    let id = found.message_id.as_deref().filter(|id| !crate::identify::names_recipient(id, &found.recipients));
    if let Some(id) = id.map(|id| format!("<{id}>")).filter(|id| id.chars().count() <= 200) {
        fields.insert("message_id".into(), json!(id));
    }
    if let Some(language) = found.language.as_deref().filter(|l| is_language(l)) {
        fields.insert("language".into(), json!(language));
    }
    let led = |s: &UrlSource| !matches!(s, UrlSource::Embedded | UrlSource::Attribute | UrlSource::Hidden);
    let links: Vec<String> = found
        .urls
        .iter()
        .filter(|u| u.sources.iter().any(led))
        .filter_map(|u| without_recipient(u, &found.recipients))
        .map(uri)
        .take(MAX_LINKS)
        .collect();
    if !links.is_empty() {
        fields.insert("spam_indicators".into(), json!({ "suspicious_links": links }));
    }
    let mail = channel == Channel::Email && protocol == "other";
    mail.then(|| "protocol:smtp".to_owned()).into_iter().collect()
}

/// Where it came from: the sending address, else what the form says of the suspect, else the sender's domain.
fn source(form: &Form, found: &Analysis) -> Option<String> {
    let stated = |kind: IdentifierKind| {
        let suspects = form.parties.iter().flatten().filter(|p| p.role == PartyRole::SuspectedSender);
        suspects.flat_map(|p| &p.identifiers).find(|i| i.kind == kind).map(|i| i.value.clone())
    };
    let domain = || found.from.iter().find_map(|a| a.domain.as_ref()).map(|d| d.ascii.clone());
    let ip = found.sending_ip.as_ref().map(|s| s.ip.to_string());
    ip.or_else(|| stated(IdentifierKind::Ip)).or_else(domain).or_else(|| stated(IdentifierKind::Domain))
}

/// The port that the form gives for the sending address.
fn stated_port(form: &Form, found: &Analysis) -> Option<u16> {
    let ip = found.sending_ip.as_ref()?.ip.to_string();
    let all = form.parties.iter().flatten().flat_map(|p| &p.identifiers);
    let mut same = all.filter(|i| i.kind == IdentifierKind::Ip && i.value == ip);
    same.find_map(|i| i.port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// When: the receiver's clock, else the sender's, else the end or the beginning of the form's period.
fn moment(form: &Form, found: &Analysis) -> Option<String> {
    let sent = found.sending_ip.as_ref().and_then(|s| s.time.clone());
    let stated = || {
        let period = form.period.as_ref()?;
        let day = period.to.as_ref().unwrap_or(&period.from);
        if day.len() == 10 { Some(format!("{day}T00:00:00Z")) } else { Some(day.clone()) }
    };
    sent.or_else(|| found.received_at.clone()).or_else(|| found.date.clone()).or_else(stated)
}

fn evidence_code(method: CollectionMethod) -> Option<&'static str> {
    match method {
        CollectionMethod::Spamtrap => Some("spamtrap"),
        CollectionMethod::UserComplaint => Some("user_complaint"),
        CollectionMethod::Honeypot => Some("honeypot"),
        _ => None,
    }
}

fn enclosed(enclosures: &[Enclosure], faults: &mut Vec<Fault>) -> Vec<Value> {
    if enclosures.len() > MAX_EVIDENCE {
        faults.push(Fault { field: "evidence".into(), what: "more than 50 items" });
        return Vec::new();
    }
    let mut items = Vec::new();
    for (i, enclosure) in enclosures.iter().enumerate() {
        if enclosure.content.len() as u64 > MAX_EVIDENCE_BYTES {
            faults.push(Fault { field: format!("evidence.{i}.payload"), what: "more than 5 MiB" });
            continue;
        }
        let mut item = json!({
            "content_type": enclosure.content_type,
            "payload": BASE64.encode(&enclosure.content),
            "hash": format!("sha256:{}", hashes::of(&enclosure.content).0),
            "size": enclosure.content.len(),
        });
        if let Some(description) = &enclosure.description {
            item["description"] = json!(cut(description, 500));
        }
        items.push(item);
    }
    items
}

/// A URL as browsers take it (WHATWG), in the stricter form that the format's schemas demand (RFC 3986): what may not
/// stand where it stands is percent-encoded.
fn uri(url: &str) -> String {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    let (head, rest) = url.split_at(path);
    let mut out = head.to_owned();
    let mut fragment = false;
    for (at, c) in rest.char_indices() {
        let escape = rest.as_bytes().get(at + 1..at + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit));
        let allowed = match c {
            '%' => escape,
            '#' => !std::mem::replace(&mut fragment, true),
            c => c.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=".contains(c),
        };
        match allowed {
            true => out.push(c),
            false => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| out.push_str(&format!("%{b:02X}"))),
        }
    }
    out
}

fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// A reference as a tag may have it.
fn tag_word(text: &str) -> Option<String> {
    let word: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_+-".contains(c) { c } else { '-' })
        .collect();
    let word = word.trim_matches(['-', '_', '+']).to_owned();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::{Input, analyse, analyse_as};
    use crate::keys::Keys;
    use crate::limits::Limits;
    use crate::warning::Warning;
    use lapwing_record::form::{EvidenceItem, Identifier, Party};
    use lapwing_record::id::Digest;
    use lapwing_record::statement::Tlp;

    const MAIL: &str = "Received: from bad.example ([192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0000\r\n\
        Return-Path: <office@spam.example>\r\nFrom: Bank for victim@home.example <office@spam.example>\r\nTo: victim@home.example\r\n\
        Subject: victim@home.example, log in\r\nMessage-ID: <1@spam.example>\r\n\r\n\
        https://login.example/?u=victim@home.example https://login.example/victim@home.example\r\n";

    fn occasion() -> Occasion {
        let author = Author {
            org: "Harbour Agency".into(),
            contact: "desk@harbour.example".into(),
            domain: "harbour.example".into(),
        };
        Occasion {
            report_id: "02eb480f-8172-431a-9276-c28ba90f694a".into(),
            reporter: author.clone(),
            sender: author,
            enclosures: Vec::new(),
        }
    }

    fn form() -> Form {
        let digest = Digest([7; 32]);
        let item = EvidenceItem::new("a.eml", "message/rfc822", 1, digest, digest, CollectionMethod::Spamtrap);
        Form {
            subject_line: Some("Advance-fee mails".into()),
            tlp: Some(Tlp::AmberStrict),
            campaign_ref: Some("C 1/26".into()),
            evidence: Some(vec![item]),
            ..Form::default()
        }
    }

    fn found() -> Analysis {
        analyse(MAIL.as_bytes(), &Limits::default())
    }

    #[test]
    fn a_report_keeps_the_rules_and_names_no_victim() {
        let mut form = form();
        let report = report(&form, &found(), &occasion()).unwrap();
        assert_eq!(rules::check(&report), []);
        assert_eq!((report["category"].as_str(), report["type"].as_str()), (Some("messaging"), Some("spam")));
        assert_eq!(report["source_identifier"], "192.0.2.7");
        assert_eq!(report["timestamp"], "2024-01-02T10:00:00Z");
        assert_eq!(report["smtp_from"], "office@spam.example");
        assert_eq!(
            (report["protocol"].as_str(), report.get("source_port")),
            (Some("other"), None),
            "no port is made up"
        );
        assert_eq!(report["tags"], json!(["tlp:amber+strict", "campaign:c-1-26", "protocol:smtp"]));
        assert_eq!(report["evidence_source"], "spamtrap");
        assert_eq!(report["spam_indicators"]["suspicious_links"], json!(["https://login.example/"]));
        assert!(!report.to_string().to_lowercase().contains("victim"), "{report}");

        let mut sender = Party::new(PartyRole::SuspectedSender);
        sender.identifiers = vec![Identifier { port: Some(4711), ..Identifier::new(IdentifierKind::Ip, "192.0.2.7") }];
        form.parties = Some(vec![sender]);
        let report = super::report(&form, &found(), &occasion()).unwrap();
        assert_eq!((report["protocol"].as_str(), report["source_port"].as_u64()), (Some("smtp"), Some(4711)));
    }

    #[test]
    fn what_is_written_is_read_again_as_the_same_evidence() {
        let enclosure = Enclosure {
            content_type: "message/rfc822".into(),
            description: Some("the first mail".into()),
            content: MAIL.as_bytes().to_vec(),
        };
        let occasion = Occasion { enclosures: vec![enclosure], ..occasion() };
        let written = serde_json::to_vec(&report(&form(), &found(), &occasion).unwrap()).unwrap();
        let read = analyse_as(Input::Xarf, &written, &Limits::default(), &Keys::default());
        assert!(!read.warnings.contains(&Warning::ReportInvalid), "{:?}", read.report);
        assert!(!read.warnings.contains(&Warning::SampleHashMismatch));
        let direct = found();
        assert_eq!(read.sending_ip.as_ref().map(|s| s.ip), direct.sending_ip.as_ref().map(|s| s.ip));
        assert_eq!(
            (&read.from, &read.return_path, &read.subject),
            (&direct.from, &direct.return_path, &direct.subject)
        );
        assert_eq!(read.attachments[0].sha256, hashes::of(MAIL.as_bytes()).0);
        let around = read.report.unwrap();
        assert_eq!((around.kind.as_deref(), around.samples), (Some("messaging/spam"), 1));
        assert_eq!(around.id.as_deref(), Some(occasion.report_id.as_str()));
    }

    #[test]
    fn phishing_is_reported_to_whoever_hosts_the_page() {
        let mail = MAIL.replace("https://login.example/?u=victim@home.example", "https://login.example/now");
        let found = analyse(mail.as_bytes(), &Limits::default());
        let form = Form { conduct: Some(vec![Conduct::Phishing]), ..form() };
        let report = report(&form, &found, &occasion()).unwrap();
        assert_eq!((report["category"].as_str(), report["type"].as_str()), (Some("content"), Some("phishing")));
        assert_eq!(
            (report["url"].as_str(), report["domain"].as_str()),
            (Some("https://login.example/now"), Some("login.example"))
        );
        assert_eq!(report["source_identifier"], "login.example");
    }

    #[test]
    fn urls_are_written_in_the_strict_form() {
        for (given, written) in [
            ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
            ("https://[2001:db8::7]/x", "https://[2001:db8::7]/x"),
            ("https://a.example/?h=%EMAIL%&i=%2f", "https://a.example/?h=%25EMAIL%25&i=%2f"),
            ("https://a.example/b.html#[name]", "https://a.example/b.html#%5Bname%5D"),
            ("http://a.example/?a=#one#&b=#two#", "http://a.example/?a=#one%23&b=%23two%23"),
            ("http://a.example", "http://a.example"),
            ("http://a.example/{x}|\"<é>", "http://a.example/%7Bx%7D%7C%22%3C%C3%A9%3E"),
        ] {
            assert_eq!(uri(given), written);
        }
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_made_up() {
        let nobody = Author { org: String::new(), contact: "x".into(), domain: "y".into() };
        let bad = Occasion { report_id: "1".into(), reporter: nobody, ..occasion() };
        let faults = report(&Form::default(), &Analysis::default(), &bad).unwrap_err().faults;
        let fields: Vec<&str> = faults.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(
            fields,
            ["report_id", "timestamp", "source_identifier", "reporter.org", "reporter.contact", "reporter.domain"]
        );
        let large = Enclosure { content_type: "x/y".into(), description: None, content: vec![0; (5 << 20) + 1] };
        let refused = report(&form(), &found(), &Occasion { enclosures: vec![large], ..occasion() }).unwrap_err();
        assert!(refused.to_string().contains("evidence.0.payload: more than 5 MiB"), "{refused}");
    }
}
