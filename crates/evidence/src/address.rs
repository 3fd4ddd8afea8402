//! E-mail addresses of header and envelope.

use crate::domain::Domain;
use crate::text::clean;
use mail_parser::{Addr, HeaderValue};
use serde::{Deserialize, Serialize};

/// A mailbox as a header names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The display name, made fit to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, its domain in lower case.
    pub email: String,
    /// Its domain, where that is one that can be registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
}

impl Address {
    /// Reads a bare address such as a Return-Path's. `None` for the empty path `<>`.
    pub fn bare(raw: &str) -> Option<Address> {
        let email = normalise(raw)?;
        let domain = email.rsplit_once('@').and_then(|(_, d)| Domain::parse(d));
        Some(Address { name: None, email, domain })
    }
}

/// An address without brackets and hidden characters, its domain in lower case. The local part keeps its case: only its
/// owner may say whether case matters there (RFC 5321 §2.4).
pub(crate) fn normalise(raw: &str) -> Option<String> {
    let raw = raw.trim().trim_start_matches('<').trim_end_matches('>');
    let (email, _) = clean(raw, 320);
    let (local, domain) = email.rsplit_once('@')?;
    let plain = !local.is_empty() && !domain.is_empty() && !email.contains([' ', '<', '>', '"', '\\', ',', ';']);
    plain.then(|| format!("{local}@{}", domain.trim_end_matches('.').to_lowercase()))
}

/// The mailboxes of a header, at most `max`. Unquoted commas in display names (`Support team, _ <a@b.example>`) break
/// one mailbox into several: pieces without an address belong to the name that follows.
pub(crate) fn of_header(value: &HeaderValue<'_>, max: usize) -> Vec<Address> {
    let list: Vec<&Addr<'_>> = match value {
        HeaderValue::Address(address) => address.iter().take(10 * max).collect(),
        HeaderValue::Text(text) => return Address::bare(text).into_iter().collect(),
        HeaderValue::TextList(texts) => return texts.iter().take(max).filter_map(|t| Address::bare(t)).collect(),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for addr in list {
        names.extend(addr.name().map(str::trim).filter(|n| !n.is_empty()));
        if let Some(mut address) = addr.address().and_then(Address::bare) {
            names.dedup();
            address.name = Some(clean(&names.join(", "), 300).0).filter(|n| !n.is_empty());
            found.push(address);
            names.clear();
            if found.len() == max {
                break;
            }
        }
    }
    found
}

/// An address in a header that is no address list (`Shop,(<a@b.example>)`, `Shop <a@b,example>`): as stated, since how
/// it is broken also tells who wrote it.
pub(crate) fn broken(raw: &str) -> Option<Address> {
    let mut finder = linkify::LinkFinder::new();
    finder.kinds(&[linkify::LinkKind::Email]);
    if let Some(address) = finder.links(raw).find_map(|link| Address::bare(link.as_str())) {
        return Some(address);
    }
    let (_, rest) = raw.rsplit_once('<')?;
    let (email, _) = clean(rest.split('>').next()?, 320);
    let (local, domain) = email.rsplit_once('@')?;
    let stated = !local.is_empty() && !domain.is_empty() && !email.contains(char::is_whitespace);
    stated.then(|| Address { name: None, email: format!("{local}@{}", domain.to_lowercase()), domain: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(header: &str) -> Vec<(Option<String>, String)> {
        let raw = format!("From: {header}\r\n\r\n");
        let message = mail_parser::MessageParser::default().parse(raw.as_bytes()).unwrap();
        let value = message.header("From").unwrap();
        of_header(value, 10).into_iter().map(|a| (a.name, a.email)).collect()
    }

    #[test]
    fn commas_in_a_name_do_not_part_it_from_its_address() {
        assert_eq!(
            from("Support team , _<a@Spam.Example>"),
            [(Some("Support team, _".into()), "a@spam.example".into())]
        );
        assert_eq!(from("\"Boss\", \"Boss\" <b@x.example>"), [(Some("Boss".into()), "b@x.example".into())]);
        assert_eq!(from("a@x.example, B <b@x.example>").len(), 2);
    }

    #[test]
    fn an_address_in_a_broken_header_is_taken_as_stated() {
        let email = |raw: &str| broken(raw).map(|a| (a.email, a.domain.is_some()));
        assert_eq!(email("Shop,(<A@spam.Example>)"), Some(("A@spam.example".into(), true)));
        assert_eq!(email("Shop <a@spam,example>"), Some(("a@spam,example".into(), false)));
        assert_eq!(email("=?UTF-8?B?RGVCYW5r?= <>"), None);
        assert_eq!(email("nobody"), None);
    }

    #[test]
    fn a_bare_address_has_a_domain_where_it_can_be_registered() {
        assert_eq!(Address::bare("<Root@Host-1.>").unwrap().email, "Root@host-1");
        assert_eq!(Address::bare("root@host-1").unwrap().domain, None);
        assert_eq!(Address::bare("x@a.example").unwrap().domain.unwrap().ascii, "a.example");
        for none in ["", "<>", "nobody", "@x.example", "a@", "a b@x.example"] {
            assert_eq!(Address::bare(none), None, "{none:?}");
        }
    }
}
