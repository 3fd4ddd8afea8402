//! What the receiver says that it verified: Authentication-Results (RFC 8601), Received-SPF (RFC 7208 §9.1) and the
//! domains of DKIM signatures. Claims, taken over as claims: nothing is looked up here.

use crate::domain::Domain;
use crate::text::clean;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One verdict of the receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Verdict {
    /// `pass`, `fail`, `softfail`, `none`, …, in lower case as stated.
    pub result: String,
    /// The domain (or address) that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Why, where it was verified here and did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The verdicts of the receiving side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthResults {
    /// Who states it, where the header says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_by: Option<String>,
    /// SPF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<Verdict>,
    /// DKIM, one for each signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<Verdict>,
    /// DMARC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<Verdict>,
    /// ARC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<Verdict>,
    /// Only found sealed in an ARC-Authentication-Results header.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_arc: bool,
}

/// One parsed Authentication-Results header.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stated {
    pub by: Option<String>,
    pub results: AuthResults,
    /// The address that the receiver says it was handed the message by.
    pub client_ip: Option<IpAddr>,
}

/// Splits comments (in parentheses, nested) from the rest. Both come back, comments joined by spaces.
fn without_comments(text: &str) -> (String, String) {
    let (mut plain, mut comments, mut depth) = (String::new(), String::new(), 0u32);
    for c in text.chars().take(16_384) {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                comments.push(' ');
                plain.push(' ');
            }
            _ if depth > 0 => comments.push(c),
            _ => plain.push(c),
        }
    }
    (plain, comments)
}

/// The address after `key` (`sender IP is 192.0.2.1`, `client-ip=192.0.2.1;`).
fn ip_after(text: &str, key: &str) -> Option<IpAddr> {
    // ASCII lower case keeps every index.
    let at = text.to_ascii_lowercase().find(key)? + key.len();
    let word: String =
        text[at..].trim_start().chars().take_while(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':')).collect();
    word.trim_end_matches(['.', ':']).parse().ok()
}

/// Reads an Authentication-Results or ARC-Authentication-Results value.
pub(crate) fn authentication_results(raw: &str) -> Stated {
    let (plain, comments) = without_comments(raw);
    let client_ip = ["sender ip is", "does not designate", "designates", "discourages use of"];
    let client_ip = client_ip.into_iter().find_map(|key| ip_after(&comments, key));
    let mut stated = Stated { client_ip, ..Stated::default() };
    for (i, part) in plain.split(';').take(200).enumerate() {
        let mut words = part.split_whitespace();
        let Some(first) = words.next() else { continue };
        let Some((method, result)) = first.split_once('=') else {
            if i == 0 {
                stated.by = Some(clean(first, 255).0);
            }
            continue;
        };
        if method == "i" {
            // The instance of an ARC set stands before the name of who states it.
            continue;
        }
        let properties: Vec<(String, &str)> =
            words.filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_ascii_lowercase(), v)).collect();
        let about = |keys: &[&str]| {
            let value = keys.iter().find_map(|key| properties.iter().find(|(k, _)| k == key).map(|(_, v)| *v))?;
            Some(clean(value.trim_matches(['"', '<', '>']).trim_start_matches('@'), 320).0)
                .filter(|v| !v.is_empty() && v != "none")
        };
        let verdict =
            |keys: &[&str]| Verdict { result: clean(result, 20).0.to_ascii_lowercase(), about: about(keys), why: None };
        let ip = properties.iter().find(|(k, _)| k == "policy.iprev" || k == "smtp.remote-ip");
        stated.client_ip = stated.client_ip.or_else(|| ip.and_then(|(_, v)| v.parse().ok()));
        let results = &mut stated.results;
        match method.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "spf" => {
                results.spf.get_or_insert(verdict(&["smtp.mailfrom", "smtp.mail", "smtp.helo"]));
            }
            "dkim" if results.dkim.len() < 20 => results.dkim.push(verdict(&["header.d", "header.i"])),
            "dmarc" => {
                results.dmarc.get_or_insert(verdict(&["header.from"]));
            }
            "arc" => {
                results.arc.get_or_insert(verdict(&["header.d"]));
            }
            _ => {}
        }
    }
    stated
}

/// Reads a Received-SPF value: the verdict and the client's address.
pub(crate) fn received_spf(raw: &str) -> (Option<Verdict>, Option<IpAddr>) {
    let (plain, comments) = without_comments(raw);
    let ip = ip_after(&plain, "client-ip=")
        .or_else(|| ip_after(&comments, "designates"))
        .or_else(|| ip_after(&comments, "does not designate"))
        .or_else(|| ip_after(&comments, "discourages use of"));
    let result = plain.split_whitespace().next().map(|w| w.trim_end_matches(';').to_ascii_lowercase());
    let words: Vec<&str> = comments.split_whitespace().take(100).collect();
    // "domain of transitioning x.example discourages use of …"
    let about = words.windows(3).find(|w| w[0] == "domain" && w[1] == "of").map(|w| w[2]);
    let about = match about {
        Some("transitioning") => words.windows(4).find(|w| w[2] == "transitioning").map(|w| w[3]),
        about => about,
    };
    let verdict = result
        .filter(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphabetic()))
        .map(|result| Verdict { result: clean(&result, 20).0, about: about.map(|a| clean(a, 320).0), why: None });
    (verdict, ip)
}

/// The signing domain (`d=`) of a DKIM-Signature.
pub(crate) fn dkim_domain(raw: &str) -> Option<String> {
    let value = raw.split(';').take(50).find_map(|tag| tag.trim().strip_prefix("d")?.trim_start().strip_prefix('='))?;
    let value: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    Domain::parse(&value).map(|d| d.ascii)
}

/// The verdicts of the topmost header, completed from further headers of the same author (several filters of one
/// receiver write one header each), then from Received-SPF.
pub(crate) fn combine(stated: Vec<Stated>, spf: Option<Verdict>, from_arc: bool) -> AuthResults {
    let mut headers = stated.into_iter();
    let mut all = AuthResults::default();
    if let Some(top) = headers.next() {
        all = top.results;
        for next in headers.filter(|h| h.by.is_some() && h.by == top.by) {
            all.spf = all.spf.or(next.results.spf);
            all.dmarc = all.dmarc.or(next.results.dmarc);
            all.arc = all.arc.or(next.results.arc);
            if all.dkim.is_empty() {
                all.dkim = next.results.dkim;
            }
        }
        all.stated_by = top.by;
        all.from_arc = from_arc;
    }
    all.spf = all.spf.or(spf);
    let mut seen = BTreeSet::new();
    all.dkim.retain(|v| seen.insert(v.clone()));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn verdict(result: &str, about: &str) -> Verdict {
        Verdict { result: result.into(), about: Some(about.into()), why: None }
    }

    #[test]
    fn a_header_without_an_author_is_read_with_the_ip_in_its_comment() {
        let stated = authentication_results(
            "spf=softfail (sender IP is 192.0.2.9)\r\n smtp.mailfrom=bounce.example; dkim=none (message not\r\n signed)\
             header.d=none;dmarc=fail action=none header.from=Brand.example;compauth=fail reason=001",
        );
        assert_eq!(stated.client_ip, Some("192.0.2.9".parse().unwrap()));
        assert_eq!(stated.by, None);
        assert_eq!(stated.results.spf, Some(verdict("softfail", "bounce.example")));
        assert_eq!(stated.results.dkim, [Verdict { result: "none".into(), about: None, why: None }]);
        assert_eq!(stated.results.dmarc, Some(verdict("fail", "Brand.example")));
    }

    #[test]
    fn a_standard_header_names_its_author_and_every_signature() {
        let stated = authentication_results(
            "mx.receiver.example; dkim=pass header.i=@a.example header.s=s1 header.b=x; dkim=fail (bad (nested) body) \
             header.d=b.example; spf=pass (ok) smtp.mailfrom=\"x@a.example\"; arc=pass (i=1); dmarc=pass header.from=a.example",
        );
        assert_eq!(stated.by.as_deref(), Some("mx.receiver.example"));
        assert_eq!(stated.results.dkim, [verdict("pass", "a.example"), verdict("fail", "b.example")]);
        assert_eq!(stated.results.spf, Some(verdict("pass", "x@a.example")));
        assert_eq!(stated.results.arc.unwrap().result, "pass");
    }

    #[test]
    fn received_spf_gives_the_client_and_the_domain() {
        let (v, ip) = received_spf(
            "Pass (r.example: domain of a.example\r\n designates 2001:db8::5 as permitted sender) receiver=r.example;\r\n client-ip=2001:db8::5; helo=x;",
        );
        assert_eq!((v, ip), (Some(verdict("pass", "a.example")), Some("2001:db8::5".parse().unwrap())));
        let (v, ip) = received_spf(
            "SoftFail (r.example: domain of transitioning a.example discourages use of 192.0.2.4 as permitted sender)",
        );
        assert_eq!((v, ip), (Some(verdict("softfail", "a.example")), Some("192.0.2.4".parse().unwrap())));
        assert_eq!(received_spf(""), (None, None));
    }

    #[test]
    fn only_headers_of_the_same_author_complete_the_topmost() {
        let read = |raw: &str| authentication_results(raw);
        let all = combine(
            vec![
                read("mx.a.example; dkim=pass header.d=s.example"),
                read("mx.a.example; spf=fail smtp.mailfrom=s.example"),
                read("evil.example; dmarc=pass header.from=s.example"),
            ],
            None,
            false,
        );
        assert_eq!(all.spf.unwrap().result, "fail");
        assert_eq!(all.dmarc, None);
    }

    #[test]
    fn the_signing_domain_is_read_through_folding() {
        assert_eq!(dkim_domain("v=1; a=rsa-sha256;\r\n\td = Mail.Ex\r\n ample; s=x").as_deref(), Some("mail.example"));
        assert_eq!(dkim_domain("v=1; d="), None);
    }
}
