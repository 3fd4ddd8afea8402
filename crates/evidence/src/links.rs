//! URLs as evidence: found, normalised, counted, never fetched.

use crate::domain::Domain;
use crate::text;
use linkify::{LinkFinder, LinkKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use url::Url;

/// Bytes of one URL kept.
pub const MAX_URL: usize = 2_048;
/// Bytes of all URLs kept of one message, so that the answer of a worker stays under its bound.
const URL_BUDGET: usize = 256 * 1024;

/// Hosts that stand in almost every HTML mail because of the tools that wrote it: names of namespaces and document
/// types, which nobody contacts, and the web fonts of one large provider. They say nothing about the sender.
const NOT_EVIDENCE: &[&str] = &[
    "w3.org",
    "www.w3.org",
    "schemas.microsoft.com",
    "schemas.openxmlformats.org",
    "ns.adobe.com",
    "purl.org",
    "schema.org",
    "xmlns.com",
    "fonts.googleapis.com",
    "fonts.gstatic.com",
];

/// Where a URL stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UrlSource {
    /// A link to click.
    Link,
    /// Where a form sends what the victim types.
    Form,
    /// Opened without a click.
    Refresh,
    /// Written in the text.
    Text,
    /// In a script.
    Script,
    /// Not shown: in a comment (conditional comments are read by some mail programs), a title, a hidden element.
    Hidden,
    /// In an attribute that no reader follows, such as a tooltip or what an editor left behind.
    Attribute,
    /// The List-Unsubscribe header.
    Unsubscribe,
    /// An image or another resource that the message loads.
    Embedded,
    /// Named in a complaint around the message.
    Reported,
}

/// What a URL points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// A domain name.
    Domain(Domain),
    /// An address.
    Ip(IpAddr),
    /// A name that cannot be registered (a single label, for example).
    Other(String),
}

/// A URL of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundUrl {
    /// Normalised (WHATWG URL): host in punycode, everything ASCII. At most [`MAX_URL`] bytes.
    pub url: String,
    /// Whether `url` was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// What it points at.
    pub host: Host,
    /// Where it stood.
    pub sources: BTreeSet<UrlSource>,
    /// How many times.
    pub count: u32,
    /// It carries the address of a recipient: personal data of a victim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_recipient: bool,
}

/// Everything that points somewhere, collected over a message.
#[derive(Debug, Default)]
pub(crate) struct Links {
    urls: BTreeMap<String, FoundUrl>,
    bytes: usize,
    /// URLs seen, duplicates and those not kept included.
    pub total: u64,
    /// Some URL was not kept.
    pub left_out: bool,
    pub emails: BTreeSet<String>,
    pub phones: BTreeSet<String>,
    /// Accounts on a service, as `telegram:name`.
    pub handles: BTreeSet<String>,
    max: usize,
}

impl Links {
    pub fn new(max: usize) -> Links {
        Links { max, ..Links::default() }
    }

    /// URLs and addresses written in a text.
    pub fn text(&mut self, text: &str, source: UrlSource) {
        let mut finder = LinkFinder::new();
        finder.url_must_have_scheme(false);
        for link in finder.links(text) {
            match link.kind() {
                LinkKind::Email => self.email(link.as_str()),
                _ => self.written(link.as_str(), source),
            }
        }
    }

    /// Addresses in a name, where anything else is no link.
    pub fn addresses(&mut self, text: &str) {
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Email]);
        finder.links(text).for_each(|link| self.email(link.as_str()));
    }

    /// A URL as written. Without a scheme only what can hardly be anything else: `readme.md` and `U.S.A.` are no URLs.
    fn written(&mut self, raw: &str, source: UrlSource) {
        if raw.contains("://") {
            return self.add(raw, None, source);
        }
        if source == UrlSource::Hidden {
            // Hidden text is mostly other people's, put there to pass filters; names in it point nowhere.
            return;
        }
        let host = raw.split(['/', '?', '#', ':']).next().unwrap_or_default();
        let www = host.get(..4).is_some_and(|w| w.eq_ignore_ascii_case("www."));
        let known = || psl::suffix(host.to_ascii_lowercase().as_bytes()).is_some_and(|s| s.is_known());
        if www || (raw.len() > host.len() && known()) {
            self.add(&format!("http://{raw}"), None, source);
        }
    }

    /// An address of a `mailto:` link or in a text.
    pub fn email(&mut self, raw: &str) {
        if self.emails.len() < 100
            && let Some(email) = crate::address::normalise(raw)
        {
            self.emails.insert(email);
        }
    }

    /// The target of an attribute: absolute, relative to `base`, `mailto:` or `tel:`.
    pub fn add(&mut self, raw: &str, base: Option<&Url>, source: UrlSource) {
        let raw = raw.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let lower = raw.get(..11).unwrap_or(raw).to_ascii_lowercase();
        if lower.starts_with("data:") || lower.starts_with("cid:") || raw.is_empty() || raw.starts_with('#') {
            return;
        }
        let parsed = if lower.starts_with("www.") {
            Url::parse(&format!("http://{raw}"))
        } else if raw.starts_with("//") && base.is_none() {
            Url::parse(&format!("https:{raw}"))
        } else {
            match (Url::parse(raw), base) {
                (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => base.join(raw),
                (parsed, _) => parsed,
            }
        };
        let Ok(url) = parsed else { return };
        match url.scheme() {
            "http" | "https" | "ftp" => self.insert(unwrap(url), source),
            "mailto" => url.path().split(',').for_each(|to| self.email(&percent_decoded(to))),
            "tel" | "sms" | "callto" => self.phones.extend(text::tel(&percent_decoded(url.path()))),
            "javascript" => self.text(url.path(), UrlSource::Script),
            _ => {}
        }
    }

    fn insert(&mut self, url: Url, source: UrlSource) {
        let host = match url.host() {
            Some(url::Host::Domain(name)) => match Domain::parse(name) {
                Some(domain) => Host::Domain(domain),
                None => Host::Other(text::clean(name, 255).0),
            },
            Some(url::Host::Ipv4(ip)) => Host::Ip(ip.into()),
            Some(url::Host::Ipv6(ip)) => Host::Ip(ip.into()),
            None => return,
        };
        if matches!(&host, Host::Domain(d) if NOT_EVIDENCE.contains(&d.ascii.as_str())) {
            return;
        }
        self.total += 1;
        if let Host::Domain(domain) = &host
            && self.handles.len() < 100
        {
            match account(&domain.ascii, &url) {
                Some(Account::Handle(handle)) => drop(self.handles.insert(handle)),
                Some(Account::Phone(phone)) => drop(self.phones.insert(phone)),
                None => {}
            }
        }
        let mut text = String::from(url);
        let cut = text.len() > MAX_URL;
        // The serialisation is ASCII, so every index is a boundary; `find` keeps that from being an assumption.
        let end = (0..=MAX_URL.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or_default();
        text.truncate(end);
        if let Some(known) = self.urls.get_mut(&text) {
            known.count = known.count.saturating_add(1);
            known.sources.insert(source);
        } else if self.urls.len() < self.max && self.bytes + text.len() <= URL_BUDGET {
            self.bytes += text.len();
            let sources = BTreeSet::from([source]);
            self.urls
                .insert(text.clone(), FoundUrl { url: text, cut, host, sources, count: 1, names_recipient: false });
        } else {
            self.left_out = true;
        }
    }

    /// The URLs, sorted; those that carry one of `recipients` are marked.
    pub fn finish(self, recipients: &BTreeSet<String>) -> Vec<FoundUrl> {
        let mark = |mut found: FoundUrl| {
            let plain = percent_decoded(&found.url).to_lowercase();
            found.names_recipient = recipients.iter().any(|r| plain.contains(r.as_str()));
            found
        };
        self.urls.into_values().map(mark).collect()
    }
}

/// The receiver's own mail system rewrites links (Microsoft Safe Links) and pictures (Google's image proxy): what the
/// sender wrote is inside.
fn unwrap(url: Url) -> Url {
    if url.host_str().is_some_and(|h| h.ends_with(".googleusercontent.com"))
        && let Some(Ok(inner)) = url.fragment().filter(|f| f.starts_with("http")).map(Url::parse)
    {
        return inner;
    }
    let rewritten = url.host_str().is_some_and(|h| h.ends_with(".safelinks.protection.outlook.com"));
    let inner = || url.query_pairs().find(|(k, _)| k == "url").and_then(|(_, v)| Url::parse(&v).ok());
    match rewritten.then(inner).flatten() {
        Some(inner) if matches!(inner.scheme(), "http" | "https" | "ftp") => inner,
        _ => url,
    }
}

enum Account {
    Handle(String),
    Phone(String),
}

/// The account that a link of a messaging service leads to: where victims are told to go on.
fn account(host: &str, url: &Url) -> Option<Account> {
    let first = url.path_segments()?.next().filter(|s| !s.is_empty())?;
    let digits = |text: &str| text::tel(&format!("+{}", text.trim_start_matches('+'))).map(Account::Phone);
    match host {
        "t.me" | "telegram.me" => {
            let name = first.len() >= 4 && first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let reserved = ["joinchat", "share", "addstickers", "proxy"].contains(&first);
            (name && !reserved).then(|| Account::Handle(format!("telegram:{}", first.to_ascii_lowercase())))
        }
        "wa.me" => digits(first),
        "api.whatsapp.com" => digits(&url.query_pairs().find(|(k, _)| k == "phone")?.1),
        _ => None,
    }
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = [ahead.next().unwrap_or(b' '), ahead.next().unwrap_or(b' ')];
        match (b == b'%').then(|| data_encoding::HEXLOWER_PERMISSIVE.decode(&pair).ok()).flatten().as_deref() {
            Some(&[value]) => {
                out.push(value);
                bytes = ahead;
            }
            _ => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn urls(links: Links) -> Vec<String> {
        links.finish(&BTreeSet::new()).into_iter().map(|f| f.url).collect()
    }

    #[test]
    fn links_in_text_are_found_normalised_and_counted() {
        let mut links = Links::new(10);
        links.text(
            "See HTTPS://Shop.Example/a, https://shop.example/a and www.other.example or evil.com/x.",
            UrlSource::Text,
        );
        links.text("Not readme.md nor e.g. this.that; write to Boss@Mail.Example", UrlSource::Text);
        assert_eq!(links.total, 4);
        assert_eq!(links.emails, BTreeSet::from(["Boss@mail.example".to_owned()]));
        let found = links.finish(&BTreeSet::new());
        assert_eq!(
            found.iter().map(|f| (f.url.as_str(), f.count)).collect::<Vec<_>>(),
            [("http://evil.com/x", 1), ("http://www.other.example/", 1), ("https://shop.example/a", 2),]
        );
    }

    #[test]
    fn an_address_in_a_url_is_typed_as_one_however_it_is_written() {
        let mut links = Links::new(10);
        links.add("http://0xc0000207/login", None, UrlSource::Link);
        links.add("http://[2001:db8::7]/", None, UrlSource::Link);
        links.add("http://xn--pypal-4ve.example/", None, UrlSource::Link);
        let found = links.finish(&BTreeSet::new());
        assert!(found.iter().any(|f| f.host == Host::Ip("192.0.2.7".parse().unwrap())), "{found:?}");
        assert!(found.iter().any(|f| f.host == Host::Ip("2001:db8::7".parse().unwrap())));
        assert!(found.iter().any(|f| matches!(&f.host, Host::Domain(d) if d.homograph)));
    }

    #[test]
    fn relative_targets_need_a_base_and_other_schemes_are_no_urls() {
        let mut links = Links::new(10);
        let base = Url::parse("https://base.example/dir/").unwrap();
        links.add("../x?a=b", Some(&base), UrlSource::Link);
        for raw in ["../x", "#top", "cid:1", "data:text/html,hi", "about:blank", "http://", "", "https://exa mple/"] {
            links.add(raw, None, UrlSource::Link);
        }
        links.add("mailto:a%40x@mail.example?subject=hi", None, UrlSource::Link);
        links.add("tel:+49-30-901820", None, UrlSource::Link);
        links.add("javascript:location='https://js.example/'", None, UrlSource::Link);
        assert_eq!(links.phones, BTreeSet::from(["+4930901820".to_owned()]));
        assert_eq!(urls(links), ["https://base.example/x?a=b", "https://js.example/"]);
    }

    #[test]
    fn names_of_namespaces_are_left_out_and_safe_links_are_opened() {
        let mut links = Links::new(10);
        links.add("http://www.w3.org/1999/xhtml", None, UrlSource::Link);
        links.add(
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fbad.example%2Fp&data=1",
            None,
            UrlSource::Link,
        );
        links.add("https://ci3.googleusercontent.com/proxy/x=s0#https://bad.example/i.png", None, UrlSource::Embedded);
        assert_eq!(urls(links), ["https://bad.example/i.png", "https://bad.example/p"]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_seen_is_counted() {
        let mut links = Links::new(3);
        for i in 0..10 {
            links.add(&format!("https://h{i}.example/"), None, UrlSource::Link);
        }
        assert!(links.left_out);
        assert_eq!(links.total, 10);
        assert_eq!(urls(links).len(), 3);

        let mut links = Links::new(1_000);
        for i in 0..1_000 {
            links.add(&format!("https://h.example/{i}{}", "a".repeat(5_000)), None, UrlSource::Link);
        }
        let found = links.finish(&BTreeSet::new());
        assert!(found.iter().all(|f| f.cut && f.url.len() == MAX_URL));
        assert!(found.iter().map(|f| f.url.len()).sum::<usize>() <= URL_BUDGET);
    }

    #[test]
    fn accounts_on_messaging_services_are_told_apart_from_their_pages() {
        let mut links = Links::new(10);
        for raw in [
            "https://t.me/Prize_Office?start=1",
            "https://t.me/joinchat/abc",
            "https://wa.me/442079460958",
            "https://api.whatsapp.com/send?phone=%2B4930901820&text=hi",
            "https://wa.me/message/XYZ",
        ] {
            links.add(raw, None, UrlSource::Link);
        }
        assert_eq!(links.handles, BTreeSet::from(["telegram:prize_office".to_owned()]));
        assert_eq!(links.phones, BTreeSet::from(["+442079460958".to_owned(), "+4930901820".to_owned()]));
    }

    #[test]
    fn a_url_that_names_the_recipient_is_marked() {
        let mut links = Links::new(10);
        links.add("https://bad.example/?e=victim%40Home.example", None, UrlSource::Link);
        assert!(links.finish(&BTreeSet::from(["victim@home.example".to_owned()]))[0].names_recipient);
    }
}
