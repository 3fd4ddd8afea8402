//! From samples to the parts of a draft: conduct, persons and infrastructure, manifest (docs/protocol.md §6.2: D, E, I).
//!
//! Everything here is a proposal that an officer reads and strikes from. What the samples do not tell (countries, harm,
//! how reliable a source is) stays empty. Codes are the tokens of the pro forma as strings: what is drafted is shown,
//! and read again by the form itself.

use crate::analysis::Analysis;
use crate::campaign::{Campaign, group};
use crate::identify::{Identified, identify, names_recipient};
use crate::received::Confidence;
use crate::scan::{FileKind, Scan, Skipped};
use crate::warning::Warning;
use crate::worker::Item;
use lapwing_record::form::{IdentifierKind, PartyRole};
use lapwing_record::statement::MAX_BLOBS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Identifiers of one party, the bound of the pro forma.
pub const MAX_IDENTIFIERS: usize = 500;
/// Samples named with an identifier or a group.
const MAX_SAMPLES: usize = 20;
/// Characters of a description, and bytes of all of them.
const DESCRIPTION: (usize, usize) = (200, 16 * 1024);

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
    /// Files that are not in the manifest: of other campaigns, or beyond its bound.
    pub left_out: Vec<String>,
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
    /// Of an address: the port when it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// When it was last seen, RFC 3339 UTC, by the receiver's clock: the newest log is the likeliest to be there still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
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
    /// When it came in, RFC 3339 UTC: the time that the receiving server noted, where the chain can be relied on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_at: Option<String>,
    /// Whether recipients' addresses are inside; unknown for what is no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_data: Option<bool>,
}

/// Messages of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftGroup {
    /// The same for the same messages, whatever their order and names ([`crate::campaign`]).
    pub id: String,
    /// A subject of it.
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
    found: BTreeMap<(IdentifierKind, String), Seen>,
}

#[derive(Default)]
struct Seen {
    messages: u64,
    samples: BTreeSet<String>,
    last: Option<(String, Option<u16>)>,
}

impl Collector {
    fn add(&mut self, sample: &str, id: Identified) {
        let seen = self.found.entry((id.kind, id.value)).or_default();
        seen.messages += 1;
        if seen.samples.len() < MAX_SAMPLES {
            seen.samples.insert(sample.to_owned());
        }
        seen.last = seen.last.take().max(id.time.map(|time| (time, id.port)));
    }

    /// `max_bytes` of values: all parties and a manifest have to fit into a form of 128 KiB.
    fn party(self, role: &str, max_bytes: usize) -> Option<DraftParty> {
        let draft = |((kind, value), seen): ((IdentifierKind, String), Seen)| {
            let (time, port) = seen.last.unzip();
            let samples = seen.samples.into_iter().collect();
            let kind = kind.code().to_owned();
            DraftIdentifier { kind, value, port: port.flatten(), time, seen: seen.messages, samples }
        };
        let mut all: Vec<DraftIdentifier> = self.found.into_iter().map(draft).collect();
        // Where not all fit, what many messages share says more than what one shows.
        all.sort_by(|a, b| (b.seen, rank(&a.kind), &a.value).cmp(&(a.seen, rank(&b.kind), &b.value)));
        let before = all.len();
        let mut bytes = 0;
        all.retain(|id| {
            let own = id.value.len() + id.time.as_ref().map_or(0, |t| t.len() + 8) + 8;
            let fits = bytes + own <= max_bytes;
            bytes += if fits { own } else { 0 };
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
        "ip" | "domain" | "email" | "phone" | "wallet" | "bank_account" | "handle" => 0,
        "dkim_domain" | "sha256" => 1,
        "url" => 2,
        _ => 3,
    }
}

/// Sums up a scan and the analyses of its messages.
pub fn draft(scan: &Scan, items: &[Item]) -> DraftParts {
    let groups = campaigns(items);
    sum(scan, items, groups, &BTreeSet::new())
}

/// The same of one campaign only: other messages, and the files that hold nothing else, are left out and named. Files
/// that are no mail stay. A mailbox that holds any message of the campaign stays whole. None where no campaign has the
/// id.
pub fn draft_of(scan: &Scan, items: &[Item], campaign: &str) -> Option<DraftParts> {
    let groups = campaigns(items);
    let own = groups.iter().find(|g| g.id == campaign)?;
    let names: BTreeSet<&str> = own.members.iter().map(|i| items[*i].name.as_str()).collect();
    let kept: Vec<Item> = own.members.iter().map(|i| items[*i].clone()).collect();
    let left: BTreeSet<String> =
        items.iter().filter(|i| !names.contains(i.name.as_str())).map(|i| i.name.clone()).collect();
    Some(sum(scan, &kept, campaigns(&kept), &left))
}

/// Campaigns of the messages that were analysed; members are indexes into `items`.
pub fn campaigns(items: &[Item]) -> Vec<Campaign> {
    let analysed: Vec<usize> = (0..items.len()).filter(|i| items[*i].analysis.is_some()).collect();
    let mut groups = group(analysed.iter().filter_map(|i| items[*i].analysis.as_ref()));
    for campaign in &mut groups {
        campaign.members = campaign.members.iter().map(|m| analysed[*m]).collect();
    }
    groups
}

fn sum(scan: &Scan, items: &[Item], groups: Vec<Campaign>, left: &BTreeSet<String>) -> DraftParts {
    let analysed: Vec<(String, &Analysis)> =
        items.iter().filter_map(|i| Some((i.label(), i.analysis.as_ref()?))).collect();
    let mut languages: BTreeMap<&str, u64> = BTreeMap::new();
    for language in analysed.iter().filter_map(|(_, a)| a.language.as_deref()) {
        *languages.entry(language).or_default() += 1;
    }
    let mut languages: Vec<_> = languages.into_iter().collect();
    languages.sort_by_key(|(language, n)| (u64::MAX - n, *language));
    let mut manifest: Vec<ManifestItem> =
        manifest(scan, items).into_iter().filter(|item| !left.contains(&item.name)).collect();
    let beyond = manifest.split_off(manifest.len().min(MAX_BLOBS));
    let left_out = left.iter().cloned().chain(beyond.into_iter().map(|item| item.name)).collect();
    DraftParts {
        channel: (!items.is_empty()).then(|| "email".to_owned()),
        period: period(&analysed),
        messages: analysed.len() as u64,
        failed: (items.len() - analysed.len()) as u64,
        languages: languages.into_iter().map(|(language, _)| language.to_owned()).collect(),
        parties: parties(&analysed),
        manifest,
        groups: groups.into_iter().map(|g| drafted(g, items)).collect(),
        left_out,
        warnings: warnings(scan, items),
        skipped: scan.skipped.clone(),
    }
}

fn parties(analysed: &[(String, &Analysis)]) -> Vec<DraftParty> {
    let mut collectors: BTreeMap<PartyRole, Collector> = BTreeMap::new();
    for (sample, found) in analysed {
        let strangers = found.from.iter().filter(|a| !names_recipient(&a.email, &found.recipients));
        let names = strangers.filter_map(|a| a.name.as_deref());
        let names = names.map(|n| without_recipients(n, &found.recipients));
        collectors.entry(PartyRole::SuspectedSender).or_default().names.extend(names);
        for id in identify(found) {
            collectors.entry(id.role).or_default().add(sample, id);
        }
    }
    // What the suspect points at itself, in whatever message, is not repeated as a mere host.
    let own: BTreeSet<_> =
        collectors.get(&PartyRole::SuspectedSender).into_iter().flat_map(|c| c.found.keys().cloned()).collect();
    if let Some(host) = collectors.get_mut(&PartyRole::Host) {
        host.found.retain(|key, _| !own.contains(key));
    }
    let room = |role: PartyRole| if role == PartyRole::SuspectedSender { 32 * 1024 } else { 8 * 1024 };
    collectors.into_iter().filter_map(|(role, c)| c.party(role.code(), room(role))).collect()
}

/// A subject or a name without the addresses of victims, who are often addressed by them.
pub(crate) fn without_recipients(text: &str, recipients: &BTreeSet<String>) -> String {
    let mut text = text.to_owned();
    for recipient in recipients.iter().filter(|r| !r.is_empty()) {
        // ASCII lower case keeps every index.
        while let Some(at) = text.to_ascii_lowercase().find(&recipient.to_ascii_lowercase()) {
            text.replace_range(at..at + recipient.len(), "[recipient]");
        }
    }
    text
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

/// When a message came in, where its chain can be relied on.
fn trusted_time(found: &Analysis) -> Option<String> {
    let sure = found.sending_ip.as_ref().is_some_and(|s| s.confidence >= Confidence::Medium);
    found.received_at.clone().filter(|_| sure)
}

fn manifest(scan: &Scan, items: &[Item]) -> Vec<ManifestItem> {
    let mut messages: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        messages.entry(&item.name).or_default().push(item);
    }
    let mut room = DESCRIPTION.1;
    let mut describe = |text: String| {
        let text: String = text.chars().take(DESCRIPTION.0).collect();
        let fits = text.len() <= room && !text.is_empty();
        room -= if fits { text.len() } else { 0 };
        fits.then_some(text)
    };
    let mut out = Vec::with_capacity(scan.files.len());
    for file in &scan.files {
        let inside = messages.get(file.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<&Analysis> = inside.iter().filter_map(|i| i.analysis.as_ref()).collect();
        let single = found.first().filter(|_| inside.len() == 1 && inside[0].index.is_none());
        let description = match (&file.kind, single) {
            (FileKind::Mbox { messages }, _) => Some(format!("Mailbox of {} messages", messages.len())),
            (_, Some(found)) => found.subject.as_deref().map(|s| without_recipients(s, &found.recipients)),
            _ => None,
        };
        out.push(ManifestItem {
            name: file.name.clone(),
            media_type: file.media_type.to_owned(),
            size: file.size,
            blake3: file.blake3.clone(),
            sha256: file.sha256.clone(),
            description: description.and_then(&mut describe),
            collected_at: single.and_then(|found| trusted_time(found)),
            personal_data: (!found.is_empty()).then(|| found.iter().any(|f| !f.recipients.is_empty())),
        });
    }
    out
}

fn drafted(campaign: Campaign, items: &[Item]) -> DraftGroup {
    let recipients: BTreeSet<String> = campaign
        .members
        .iter()
        .filter_map(|i| items[*i].analysis.as_ref())
        .flat_map(|a| a.recipients.iter().cloned())
        .take(1_000)
        .collect();
    DraftGroup {
        id: campaign.id,
        subject: without_recipients(&campaign.subject, &recipients),
        messages: campaign.members.len() as u64,
        domains: campaign.domains.into_iter().take(50).collect(),
        samples: campaign.members.iter().take(MAX_SAMPLES).map(|i| items[*i].label()).collect(),
    }
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
        item.all_warnings().into_iter().for_each(|w| add(w, item.label()));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::analyse::analyse;
    use crate::limits::Limits;
    use crate::scan::ScannedFile;
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
    fn a_draft_of_one_campaign_names_what_it_leaves_out() {
        let other =
            SPAM.replace("locked", "a winner of the great spring lottery").replace("login.example", "prize.example");
        let items = [item("a.eml", SPAM), item("b.eml", SPAM), item("c.eml", &other)];
        let file = |name: &str, kind| ScannedFile {
            path: name.into(),
            name: name.into(),
            kind,
            media_type: "message/rfc822",
            size: 1,
            sha256: "00".repeat(32),
            blake3: "11".repeat(32),
            warnings: BTreeSet::new(),
        };
        let mut files: Vec<ScannedFile> = ["a.eml", "b.eml", "c.eml"].iter().map(|n| file(n, FileKind::Eml)).collect();
        files.push(file("page.pdf", FileKind::Other));
        let scan = Scan { files, ..Scan::default() };
        let all = draft(&scan, &items);
        assert_eq!((all.groups.len(), all.manifest.len(), all.left_out.len()), (2, 4, 0));
        assert_eq!(all.manifest[0].collected_at.as_deref(), Some("2024-01-02T09:00:00Z"));
        assert_eq!((all.manifest[0].personal_data, all.manifest[3].personal_data), (Some(true), None));
        let one = draft_of(&scan, &items, &all.groups[0].id).unwrap();
        assert_eq!((one.messages, one.left_out.as_slice()), (2, ["c.eml".to_owned()].as_slice()));
        assert_eq!(one.manifest.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["a.eml", "b.eml", "page.pdf"]);
        assert!(values(&one.parties[0], "domain").iter().all(|d| *d != "prize.example"));
        assert_eq!(draft_of(&scan, &items, "c-none"), None);
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
        let id = |kind, value: String, time: Option<String>| Identified {
            role: PartyRole::SuspectedSender,
            kind,
            value,
            port: None,
            time,
        };
        let mut collector = Collector::default();
        for i in 0..1_000 {
            let sample = format!("{i}.eml");
            collector.add(&sample, id(IdentifierKind::Url, format!("https://u{i}.example/"), None));
            let time = format!("2024-01-01T00:{:02}:00Z", i * 7 % 60);
            collector.add(&sample, id(IdentifierKind::Ip, "192.0.2.7".into(), Some(time)));
        }
        let party = collector.party("suspected_sender", 1 << 20).unwrap();
        assert_eq!(party.identifiers[0].time.as_deref(), Some("2024-01-01T00:59:00Z"), "the last time it was seen");
        assert_eq!((party.identifiers.len(), party.left_out), (MAX_IDENTIFIERS, 501));
        assert_eq!((party.identifiers[0].kind.as_str(), party.identifiers[0].seen), ("ip", 1_000));
        assert_eq!(party.identifiers[0].samples.len(), MAX_SAMPLES);

        let mut collector = Collector::default();
        for i in 0..100 {
            let long = format!("https://u.example/{i}/{}", "x".repeat(2_000));
            collector.add("a.eml", id(IdentifierKind::Url, long, None));
            collector.add("a.eml", id(IdentifierKind::Ip, format!("192.0.2.{i}"), None));
        }
        let party = collector.party("suspected_sender", 32 * 1024).unwrap();
        assert!(party.identifiers.iter().map(|i| i.value.len()).sum::<usize>() <= 32 * 1024);
        assert_eq!(values(&party, "ip").len(), 100, "short and telling ones go first");
    }
}
