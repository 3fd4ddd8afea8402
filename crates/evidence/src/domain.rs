//! Domain names as evidence: what is registered, what the eye sees, and whether the two are meant to differ.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use unicode_security::{MixedScript, skeleton};

/// A domain name in the form in which it is registered and the form in which it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Domain {
    /// Lower case, punycode (`xn--…`) where needed: the form to compare and to ask registries for.
    pub ascii: String,
    /// As shown to a reader; only where it differs from `ascii`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unicode: Option<String>,
    /// The part that somebody registered (public suffix list: one label below the suffix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registrable: Option<String>,
    /// A label mixes scripts, or reads like an ASCII name although it is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub homograph: bool,
}

impl Domain {
    /// Reads a domain name. `None` if it is none: an address, a single label, forbidden characters, more than 253 octets.
    pub fn parse(text: &str) -> Option<Domain> {
        if text.len() > 1_024 {
            return None;
        }
        let ascii = idna::domain_to_ascii(text.trim().trim_end_matches('.')).ok()?;
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        // A last label of digits is an IPv4 address or nothing (WHATWG URL, "ends in a number").
        let numeric = ascii.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        if ascii.len() > 253 || !ascii.contains('.') || numeric || !ascii.split('.').all(label) {
            return None;
        }
        let (unicode, _) = idna::domain_to_unicode(&ascii);
        let homograph = unicode.split('.').any(imitates);
        let registrable = psl::domain_str(&ascii).map(str::to_owned);
        let unicode = (unicode != ascii).then_some(unicode);
        Some(Domain { ascii, unicode, registrable, homograph })
    }

    /// The registrable part where known, else the whole name.
    pub fn owner(&self) -> &str {
        self.registrable.as_deref().unwrap_or(&self.ascii)
    }
}

/// Mixed scripts (`pаypal` with one Cyrillic letter), or a whole word of foreign letters that look Latin (`аррӏе`).
/// Punctuation that merely has a double in ASCII (`–`, `’`) imitates nothing.
pub(crate) fn imitates(word: &str) -> bool {
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    !word.is_ascii()
        && (!word.is_single_script()
            || (letters().any(|c| !c.is_ascii())
                && skeleton(&letters().collect::<String>()).all(|c| c.is_ascii_alphabetic())))
}

/// Whether an address can be a stranger's on the Internet. Documentation ranges count as strangers: samples use them.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let carrier_nat = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0 || a >= 224 || carrier_nat || benchmark || ip.is_private() || ip.is_loopback() || ip.is_link_local())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    if s[0] == 0x2002 {
        // 6to4 carries an IPv4 address: large providers number their inside this way (2002:a05:… is 10.5.…).
        let [a, b] = s[1].to_be_bytes();
        let [c, d] = s[2].to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let unique_local = s[0] & 0xfe00 == 0xfc00;
    let link_local = s[0] & 0xffc0 == 0xfe80;
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || unique_local || link_local)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_plain_name_is_lower_case_and_knows_its_registrable_part() {
        let d = Domain::parse("WWW.Shop.Example.CO.UK.").unwrap();
        assert_eq!(d.ascii, "www.shop.example.co.uk");
        assert_eq!(d.registrable.as_deref(), Some("example.co.uk"));
        assert_eq!((d.unicode, d.homograph), (None, false));
    }

    #[test]
    fn punycode_is_shown_in_both_forms() {
        let d = Domain::parse("bücher.example").unwrap();
        assert_eq!(d.ascii, "xn--bcher-kva.example");
        assert_eq!(d.unicode.as_deref(), Some("bücher.example"));
        assert!(!d.homograph, "an umlaut is not an imitation");
        assert_eq!(Domain::parse("xn--bcher-kva.example").unwrap(), d);
    }

    #[test]
    fn mixed_scripts_and_whole_script_imitations_are_marked() {
        assert!(Domain::parse("p\u{0430}ypal.example").unwrap().homograph);
        assert!(Domain::parse("\u{0430}\u{0440}\u{0440}\u{04CF}\u{0435}.example").unwrap().homograph);
        assert!(!Domain::parse("почта.example").unwrap().homograph);
        assert!(!Domain::parse("例え.example").unwrap().homograph);
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in ["", "localhost", "192.0.2.1", "a b.example", "a..example", "-", "../etc", "x\0y.example", "1.2.3"]
        {
            assert_eq!(Domain::parse(text), None, "{text:?}");
        }
        assert_eq!(Domain::parse(&"a.".repeat(400)), None);
    }

    #[test]
    fn private_addresses_are_nobody_and_documentation_addresses_are_somebody() {
        for ip in [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "2002:a05:6020::1",
            "0.0.0.0",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["192.0.2.1", "8.8.8.8", "2001:db8::1", "2603:10b6::1", "::ffff:192.0.2.1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
