//! From samples to the parts of a draft: conduct, persons and infrastructure, manifest (docs/protocol.md §6.2: D, E, I).
//!
//! Everything here is a proposal that an officer reads and strikes from. Codes are the tokens of the pro forma as
//! strings, because this crate knows no other.

use crate::address::Address;
use crate::analysis::{Analysis, DomainRole};
use crate::campaign::{Campaign, group};
use crate::links::{FoundUrl, Host, UrlSource};
use crate::received::is_large_provider;
use crate::scan::{Scan, Skipped};
use crate::warning::Warning;
use crate::worker::Item;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Identifiers of one party, the bound of the pro forma.
pub const MAX_IDENTIFIERS: usize = 500;
/// Bytes of all values of one party: two parties and a manifest have to fit into a form of 128 KiB.
const MAX_VALUE_BYTES: usize = 32 * 1024;
/// Samples named with an identifier or a group.
const MAX_SAMPLES: usize = 20;

/// The parts of a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftParts {
    /// `email`, if there was any message.
    pub channel: Option<String>,
    /// First and last day of the messages, RFC 3339 dates.
    pub period: Option<DraftPeriod>,
    /// Messages analysed.
    pub messages: u64,
    /// Messages that could not be analysed.
    pub failed: u64,
    /// Languages of the messages, BCP 47, most frequent first.
    pub languages: Vec<String>,
    /// Persons and infrastructure.
    pub parties: Vec<DraftParty>,
    /// The evidence manifest.
    pub manifest: Vec<ManifestItem>,
    /// Campaigns, largest first.
    pub groups: Vec<DraftGroup>,
    /// What was odd: code → samples.
    pub warnings: BTreeMap<String, Vec<String>>,
    /// What the scan passed over.
    pub skipped: Vec<Skipped>,
}

/// From when to when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPeriod {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// A person or a piece of infrastructure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftParty {
    /// Role token of the pro forma.
    pub role: String,
    /// Display names used.
    pub names: Vec<String>,
    /// Sorted by kind and value.
    pub identifiers: Vec<DraftIdentifier>,
    /// Identifiers beyond the bound, the least seen ones.
    pub left_out: u64,
}

/// A typed identifier and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftIdentifier {
    /// Kind token of the pro forma.
    pub kind: String,
    /// Normalised value.
    pub value: String,
    /// In how many messages.
    pub seen: u64,
    /// Samples that show it, at most 20.
    pub samples: Vec<String>,
}

/// An item of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestItem {
    /// Name; never a path.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3, hex.
    pub blake3: String,
    /// SHA-256, hex.
    pub sha256: String,
    /// What it is.
    pub description: Option<String>,
}

/// Messages of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftGroup {
    /// Subject of its first message.
    pub subject: String,
    /// How many messages.
    pub messages: u64,
    /// Domains that they link to.
    pub domains: Vec<String>,
    /// Samples, at most 20.
    pub samples: Vec<String>,
}

/// Collects one party's identifiers.
#[derive(Default)]
struct Collector {
    names: BTreeSet<String>,
    found: BTreeMap<(&'static str, String), (u64, BTreeSet<String>)>,
}

impl Collector {
    /// `in_message` keeps a message from counting twice.
    fn message(&mut self, sample: &str, identifiers: BTreeSet<(&'static str, String)>) {
        for key in identifiers {
            let (seen, samples) = self.found.entry(key).or_default();
            *seen += 1;
            if samples.len() < MAX_SAMPLES {
                samples.insert(sample.to_owned());
            }
        }
    }

    fn party(self, role: &str) -> Option<DraftParty> {
        let mut all: Vec<DraftIdentifier> = self
            .found
            .into_iter()
            .map(|((kind, value), (seen, samples))| DraftIdentifier {
                kind: kind.to_owned(),
                value,
                seen,
                samples: samples.into_iter().collect(),
            })
            .collect();
        // Where not all fit, what many messages share says more than what one shows.
        all.sort_by(|a, b| (b.seen, rank(&a.kind), &a.value).cmp(&(a.seen, rank(&b.kind), &b.value)));
        let before = all.len();
        let mut bytes = 0;
        all.retain(|id| {
            let fits = bytes + id.value.len() <= MAX_VALUE_BYTES;
            bytes += if fits { id.value.len() } else { 0 };
            fits
        });
        all.truncate(MAX_IDENTIFIERS);
        let left_out = (before - all.len()) as u64;
        all.sort_by(|a, b| (&a.kind, &a.value).cmp(&(&b.kind, &b.value)));
        let names: Vec<String> = self.names.into_iter().take(20).collect();
        let empty = names.is_empty() && all.is_empty();
        (!empty).then(|| DraftParty { role: role.to_owned(), names, identifiers: all, left_out })
    }
}

/// Which kinds go first where not all fit: a Message-ID leads nowhere without the provider's log.
fn rank(kind: &str) -> u8 {
    match kind {
        "ip" | "domain" | "email" | "phone" | "wallet" => 0,
        "dkim_domain" | "sha256" => 1,
        "url" => 2,
        _ => 3,
    }
}

/// Sums up a scan and the analyses of its messages.
pub fn draft(scan: &Scan, items: &[Item]) -> DraftParts {
    let analysed: Vec<(String, &Analysis)> =
        items.iter().filter_map(|i| Some((sample(i), i.analysis.as_ref()?))).collect();
    let (mut sender, mut host) = (Collector::default(), Collector::default());
    for (sample, analysis) in &analysed {
        let strangers = analysis.from.iter().filter(|a| !names_recipient(&a.email, &analysis.recipients));
        let names = strangers.filter_map(|a| a.name.as_deref());
        sender.names.extend(names.map(|n| without_recipients(n, &analysis.recipients)));
        sender.message(sample, senders(analysis));
        host.message(sample, hosts(analysis));
    }
    // What the suspect points at itself is not repeated as a mere host.
    host.found.retain(|key, _| !sender.found.contains_key(key));
    let mut languages: BTreeMap<&str, u64> = BTreeMap::new();
    for language in analysed.iter().filter_map(|(_, a)| a.language.as_deref()) {
        *languages.entry(language).or_default() += 1;
    }
    let mut languages: Vec<_> = languages.into_iter().collect();
    languages.sort_by_key(|(language, n)| (u64::MAX - n, *language));
    DraftParts {
        channel: (!items.is_empty()).then(|| "email".to_owned()),
        period: period(&analysed),
        messages: analysed.len() as u64,
        failed: (items.len() - analysed.len()) as u64,
        languages: languages.into_iter().map(|(language, _)| language.to_owned()).collect(),
        parties: [sender.party("suspected_sender"), host.party("host")].into_iter().flatten().collect(),
        manifest: manifest(scan, items),
        groups: groups(&analysed),
        warnings: warnings(scan, items),
        skipped: scan.skipped.clone(),
    }
}

fn sample(item: &Item) -> String {
    match item.index {
        Some(index) => format!("{}#{}", item.name, index + 1),
        None => item.name.clone(),
    }
}

/// Whether an address is, or contains, a recipient's: senders put the victim's address into bounce addresses
/// (`bounce+victim=home.example@spam.example`) and forge it as From.
fn names_recipient(email: &str, recipients: &BTreeSet<String>) -> bool {
    let email = email.to_lowercase();
    recipients.iter().any(|r| email.contains(r.as_str()) || email.contains(&r.replace('@', "=")))
}

/// A subject or a name without the addresses of victims, who are often addressed by them.
fn without_recipients(text: &str, recipients: &BTreeSet<String>) -> String {
    let mut text = text.to_owned();
    for recipient in recipients {
        // ASCII lower case keeps every index.
        while let Some(at) = text.to_ascii_lowercase().find(&recipient.to_ascii_lowercase()) {
            text.replace_range(at..at + recipient.len(), "[recipient]");
        }
    }
    text
}

fn senders(found: &Analysis) -> BTreeSet<(&'static str, String)> {
    let mut ids = BTreeSet::new();
    ids.extend(found.sending_ip.iter().map(|s| ("ip", s.ip.to_string())));
    let own: BTreeSet<&str> = found.recipients.iter().filter_map(|r| Some(r.rsplit_once('@')?.1)).collect();
    let mut address = |address: &Address| {
        if !names_recipient(&address.email, &found.recipients) {
            ids.insert(("email", address.email.clone()));
        }
        // The victims' own domain, forged or as a bounce, is not the suspect's; nor is `gmail.com` a customer's.
        let theirs = address.domain.iter().filter(|d| !own.contains(d.ascii.as_str()) && !is_large_provider(d));
        ids.extend(theirs.map(|d| ("domain", d.ascii.clone())));
    };
    found.from.iter().chain(&found.sender).chain(&found.reply_to).chain(&found.return_path).for_each(&mut address);
    let written = found.body_emails.iter().filter(|e| !names_recipient(e, &found.recipients));
    ids.extend(written.map(|e| ("email", e.clone())));
    let signers = found.domains.iter().filter(|d| d.roles.contains(&DomainRole::Dkim) && !is_large_provider(&d.domain));
    ids.extend(signers.map(|d| ("dkim_domain", d.domain.ascii.clone())));
    ids.extend(found.message_id.iter().map(|id| ("message_id", id.clone())));
    ids.extend(found.phones.iter().map(|p| ("phone", p.clone())));
    ids.extend(found.wallets.iter().map(|w| ("wallet", w.clone())));
    ids.extend(found.attachments.iter().map(|a| ("sha256", a.sha256.clone())));
    for url in found.urls.iter().filter(|u| !only_embedded(u)) {
        point(url, &mut ids);
    }
    ids
}

/// What the message only loads or does not show: often the imitated brand's own pictures, so not the suspect's, but
/// whoever hosts them has logs.
fn hosts(found: &Analysis) -> BTreeSet<(&'static str, String)> {
    let mut ids = BTreeSet::new();
    for url in found.urls.iter().filter(|u| only_embedded(u)) {
        point(url, &mut ids);
    }
    ids
}

fn only_embedded(url: &FoundUrl) -> bool {
    url.sources.iter().all(|s| matches!(s, UrlSource::Embedded | UrlSource::Attribute | UrlSource::Hidden))
}

fn point(url: &FoundUrl, ids: &mut BTreeSet<(&'static str, String)>) {
    match &url.host {
        Host::Domain(domain) => ids.insert(("domain", domain.ascii.clone())),
        Host::Ip(ip) => ids.insert(("ip", ip.to_string())),
        Host::Other(_) => false,
    };
    let mut value = url.url.as_str();
    if url.names_recipient {
        // A victim's address does not travel in the form; the sample keeps the URL whole.
        let end = value.find(['?', '#']).unwrap_or(value.len());
        value = &value[..end];
        if value.contains('@') || value.to_ascii_lowercase().contains("%40") {
            return;
        }
    }
    ids.insert(("url", value.to_owned()));
}

fn period(analysed: &[(String, &Analysis)]) -> Option<DraftPeriod> {
    // The receiver's clock before the sender's.
    let days: BTreeSet<&str> = analysed
        .iter()
        .filter_map(|(_, a)| a.received_at.as_deref().or(a.date.as_deref()))
        .filter_map(|time| time.get(..10))
        .collect();
    Some(DraftPeriod { from: (*days.first()?).to_owned(), to: (*days.last()?).to_owned() })
}

fn manifest(scan: &Scan, items: &[Item]) -> Vec<ManifestItem> {
    let mut messages: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        messages.entry(&item.name).or_default().push(item);
    }
    let describe = |name: &str| match messages.get(name).map(Vec::as_slice) {
        Some([Item { index: None, analysis: Some(found), .. }]) => {
            found.subject.as_deref().map(|s| without_recipients(s, &found.recipients))
        }
        Some([Item { index: None, .. }]) | None => None,
        Some(several) => Some(format!("Mailbox of {} messages", several.len())),
    };
    scan.files
        .iter()
        .map(|file| ManifestItem {
            name: file.name.clone(),
            media_type: file.media_type.to_owned(),
            size: file.size,
            blake3: file.blake3.clone(),
            sha256: file.sha256.clone(),
            description: describe(&file.name),
        })
        .collect()
}

fn groups(analysed: &[(String, &Analysis)]) -> Vec<DraftGroup> {
    let groups = group(analysed.iter().map(|(_, a)| *a));
    let first = |g: &Campaign| g.members.first().map(|i| analysed[*i].1);
    let draft = |g: Campaign| DraftGroup {
        subject: first(&g).map_or_else(String::new, |a| without_recipients(&g.subject, &a.recipients)),
        messages: g.members.len() as u64,
        domains: g.domains.into_iter().take(50).collect(),
        samples: g.members.iter().take(MAX_SAMPLES).map(|i| analysed[*i].0.clone()).collect(),
    };
    groups.into_iter().map(draft).collect()
}

fn warnings(scan: &Scan, items: &[Item]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |warning: Warning, sample: String| {
        let samples = all.entry(warning.code().to_owned()).or_default();
        if samples.len() < MAX_SAMPLES && samples.last() != Some(&sample) {
            samples.push(sample);
        }
    };
    for file in &scan.files {
        file.warnings.iter().for_each(|w| add(*w, file.name.clone()));
    }
    for item in items {
        item.all_warnings().into_iter().for_each(|w| add(w, sample(item)));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::analyse;
    use crate::limits::Limits;
    use crate::worker::Cost;

    fn item(name: &str, raw: &str) -> Item {
        let analysis = analyse(raw.replace('\n', "\r\n").as_bytes(), &Limits::default());
        Item {
            name: name.into(),
            index: None,
            analysis: Some(analysis),
            cost: Cost::default(),
            warnings: BTreeSet::new(),
        }
    }

    const SPAM: &str = "Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; Tue, 2 Jan 2024 10:00:00 +0100\n\
        Return-Path: <bounce+victim=home.example@spam.example>\nFrom: Bank for victim@home.example <office@spam.example>\nReply-To: x@reply.example, y@gmail.com\n\
        To: victim@home.example\nSubject: Victim@home.example, your account is locked\nMessage-ID: <1@spam.example>\nContent-Type: text/html\n\n\
        <a href='https://login.example/?u=victim@home.example'>log in</a><img src='https://brand.example/logo.png'>\n\
        Call +49 30 901820 or write to victim@home.example or agent@spam.example\n";

    fn values<'a>(party: &'a DraftParty, kind: &str) -> Vec<&'a str> {
        party.identifiers.iter().filter(|i| i.kind == kind).map(|i| i.value.as_str()).collect()
    }

    #[test]
    fn identifiers_are_typed_and_counted_and_the_victim_is_none_of_them() {
        let forged = SPAM.replace("office@spam.example", "victim@home.example").replace("2 Jan", "9 Jan");
        let parts = draft(&Scan::default(), &[item("a.eml", SPAM), item("b.eml", &forged)]);
        let suspect = &parts.parties[0];
        assert_eq!(suspect.role, "suspected_sender");
        assert_eq!(values(suspect, "ip"), ["192.0.2.7"]);
        assert_eq!(
            values(suspect, "email"),
            ["agent@spam.example", "office@spam.example", "x@reply.example", "y@gmail.com"]
        );
        assert_eq!(values(suspect, "domain"), ["login.example", "reply.example", "spam.example"]);
        assert_eq!(values(suspect, "url"), ["https://login.example/"]);
        assert_eq!(values(suspect, "phone"), ["+4930901820"]);
        let ip = suspect.identifiers.iter().find(|i| i.kind == "ip").unwrap();
        assert_eq!((ip.seen, ip.samples.as_slice()), (2, ["a.eml".to_owned(), "b.eml".to_owned()].as_slice()));
        assert_eq!(parts.parties[1].role, "host");
        assert_eq!(values(&parts.parties[1], "url"), ["https://brand.example/logo.png"]);
        assert_eq!(parts.period, Some(DraftPeriod { from: "2024-01-02".into(), to: "2024-01-09".into() }));
        assert_eq!((parts.messages, parts.groups.len(), parts.groups[0].messages), (2, 1, 2));
        assert_eq!(parts.groups[0].subject, "[recipient], your account is locked");
        assert!(!serde_json::to_string(&parts).unwrap().to_lowercase().contains("victim"));
    }

    #[test]
    fn an_item_that_failed_is_counted_and_named() {
        let failed = Item {
            name: "x.mbox".into(),
            index: Some(2),
            analysis: None,
            cost: Cost::default(),
            warnings: BTreeSet::from([Warning::WorkerTimeout]),
        };
        let parts = draft(&Scan::default(), &[failed]);
        assert_eq!((parts.messages, parts.failed, parts.parties.len()), (0, 1, 0));
        assert_eq!(parts.warnings["worker_timeout"], ["x.mbox#3"]);
    }

    #[test]
    fn a_party_stays_within_the_form_and_keeps_what_is_seen_most() {
        let mut collector = Collector::default();
        for i in 0..1_000 {
            collector.message(
                &format!("{i}.eml"),
                BTreeSet::from([("url", format!("https://u{i}.example/")), ("ip", "192.0.2.7".into())]),
            );
        }
        let party = collector.party("suspected_sender").unwrap();
        assert_eq!((party.identifiers.len(), party.left_out), (MAX_IDENTIFIERS, 501));
        assert_eq!((party.identifiers[0].kind.as_str(), party.identifiers[0].seen), ("ip", 1_000));
        assert_eq!(party.identifiers[0].samples.len(), MAX_SAMPLES);

        let mut collector = Collector::default();
        for i in 0..100 {
            let long = format!("https://u.example/{i}/{}", "x".repeat(2_000));
            collector.message("a.eml", BTreeSet::from([("url", long), ("ip", format!("192.0.2.{i}"))]));
        }
        let party = collector.party("suspected_sender").unwrap();
        assert!(party.identifiers.iter().map(|i| i.value.len()).sum::<usize>() <= MAX_VALUE_BYTES);
        assert_eq!(values(&party, "ip").len(), 100, "short and telling ones go first");
    }
}
