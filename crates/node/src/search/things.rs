//! Identifiers as things that are found whole: the one form in which each is compared, and what else it is found by.
//!
//! | kind of thing | of | found by |
//! |---|---|---|
//! | `id/KIND` | every identifier | its value, however it was typed |
//! | `host` | domain, dkim_domain, the host of a URL, the domain of an e-mail address | exactly this host |
//! | `under` | the same hosts: each with all its parents | a host and everything below it |
//! | `net` | ip, a URL whose host is one: the networks that it is in, at fixed lengths | a network (CIDR) |
//! | `ref/own`, `ref/other` | the two sides' references | the whole reference, whatever its case |
//!
//! A network of another length is asked for as the networks of the next fixed length inside it.

use lapwing_evidence::domain::Domain;
use lapwing_record::form::IdentifierKind;
use lapwing_search::index::Exact;
use std::net::IpAddr;

/// Lengths at which the networks of an IPv4 address are noted.
const V4: [u8; 7] = [8, 12, 16, 20, 24, 28, 32];
/// Of an IPv6 address: each half byte where providers are given networks, each byte beyond.
const V6: [u8; 21] = [16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80, 88, 96, 104, 112, 120, 128];
/// Networks that one question about a network may stand for.
const MAX_NETS: u32 = 256;
/// Characters of a value at most.
const MAX_VALUE: usize = 2048;

const fn kind_name(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Domain => "id/domain",
        IdentifierKind::Url => "id/url",
        IdentifierKind::Ip => "id/ip",
        IdentifierKind::Asn => "id/asn",
        IdentifierKind::Email => "id/email",
        IdentifierKind::Phone => "id/phone",
        IdentifierKind::MessageId => "id/message_id",
        IdentifierKind::DkimDomain => "id/dkim_domain",
        IdentifierKind::Sha256 => "id/sha256",
        IdentifierKind::Wallet => "id/wallet",
        IdentifierKind::BankAccount => "id/bank_account",
        IdentifierKind::MerchantId => "id/merchant_id",
        IdentifierKind::CompanyNo => "id/company_no",
        IdentifierKind::Handle => "id/handle",
        IdentifierKind::SenderId => "id/sender_id",
    }
}

/// A network: its first address and the length of its prefix in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    first: IpAddr,
    len: u8,
}

fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        // as the upper bits, so that both are cut alike
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

fn cut(bits: u128, len: u8) -> u128 {
    if len == 0 { 0 } else { bits & (u128::MAX << (128 - u32::from(len))) }
}

impl Net {
    /// Reads an address, or a network as `192.0.2.0/24` or `2001:db8::/32`.
    pub fn parse(text: &str) -> Result<Net, String> {
        let none = || format!("{:?} is no address and no network such as 192.0.2.0/24", short(text));
        let (ip, len) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
        let ip: IpAddr = ip.trim_matches(['[', ']']).parse().map_err(|_| none())?;
        let mapped = ip.to_canonical() != ip;
        let ip = ip.to_canonical();
        let all = bits(ip).1;
        let len = match len {
            None => all,
            Some(len) => {
                let len: u8 = len.parse().map_err(|_| none())?;
                let len = if mapped { len.checked_sub(96).ok_or_else(none)? } else { len };
                if len > all {
                    return Err(none());
                }
                len
            }
        };
        if cut(bits(ip).0, len) != bits(ip).0 {
            return Err(format!("{:?} has bits set beyond its length", short(text)));
        }
        Ok(Net { first: ip, len })
    }

    /// Whether it is one address.
    pub fn is_address(&self) -> bool {
        self.len == bits(self.first).1
    }

    /// Whether an address lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (ip, all) = bits(ip.to_canonical());
        all == bits(self.first).1 && cut(ip, self.len) == bits(self.first).0
    }

    /// The things by which everything in it is found.
    fn things(&self) -> Result<Vec<Exact>, String> {
        let (first, all) = bits(self.first);
        let steps: &[u8] = if all == 32 { &V4 } else { &V6 };
        let step = *steps.iter().find(|s| **s >= self.len).expect("the last step is the whole address");
        let more = u32::from(step - self.len);
        if more > MAX_NETS.ilog2() {
            return Err(format!(
                "a network of /{} is too wide: /{} or narrower",
                self.len,
                step as u32 - MAX_NETS.ilog2()
            ));
        }
        let nets = (0..1_u128 << more).map(|n| first | (n << (128 - u32::from(step))));
        Ok(nets.map(|bits| net(all, step, bits)).collect())
    }
}

fn net(all: u8, len: u8, bits: u128) -> Exact {
    Exact::new("net", [&[all, len][..], &cut(bits, len).to_be_bytes()].concat())
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A host in the form in which hosts are compared: lower case, punycode, without a dot at the end.
fn host(text: &str) -> Option<String> {
    Domain::parse(text).map(|d| d.ascii)
}

/// A host and its parents, the nearest first; not the last label alone.
fn parents<'a>(host: &'a str) -> impl Iterator<Item = &'a str> {
    let up = |h: &&'a str| -> Option<&'a str> { Some(h.split_once('.')?.1) };
    std::iter::successors(Some(host), up).filter(|h| h.contains('.'))
}

/// The parts of a URL that decide what it leads to: scheme, host (and port), the rest. Never fetched, never resolved.
fn url_parts(text: &str) -> Option<(String, Option<String>, String)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let Some(rest) = rest.strip_prefix("//") else { return Some((scheme, None, rest.to_owned())) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (name, port) = match place.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => (name, port),
        _ => (place, ""),
    };
    let usual = matches!((scheme.as_str(), port), ("http", "80") | ("https", "443") | ("ftp", "21") | (_, ""));
    let name = address(name).map(|ip| ip.to_string()).or_else(|| host(name)).unwrap_or_else(|| name.to_lowercase());
    let place = if usual { name } else { format!("{name}:{port}") };
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.is_empty() || path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    Some((scheme, Some(place), path))
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The host that an identifier names, if it names one.
fn host_of(kind: IdentifierKind, value: &str) -> Option<String> {
    match kind {
        IdentifierKind::Domain | IdentifierKind::DkimDomain => host(value),
        IdentifierKind::Email => host(value.rsplit_once('@')?.1),
        IdentifierKind::Url => host(bare(&url_parts(value)?.1?)),
        _ => None,
    }
}

/// A host without its port.
fn bare(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => name,
        _ => place,
    }
}

/// The address that an identifier names, if it names one.
fn address_of(kind: IdentifierKind, value: &str) -> Option<IpAddr> {
    match kind {
        IdentifierKind::Ip => address(value),
        IdentifierKind::Url => {
            let place = url_parts(value)?.1?;
            address(&place).or_else(|| address(bare(&place)))
        }
        _ => None,
    }
}

fn without(text: &str, out: &[char]) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !out.contains(c)).collect()
}

/// A value in the one form in which values of its kind are compared; none where it is not of that kind.
pub fn canonical(kind: IdentifierKind, value: &str) -> Option<String> {
    let value = value.trim();
    if value.is_empty() || value.len() > MAX_VALUE {
        return None;
    }
    let found = match kind {
        IdentifierKind::Domain | IdentifierKind::DkimDomain => host(value)?,
        IdentifierKind::Ip => address(value)?.to_string(),
        IdentifierKind::Url => {
            let (scheme, place, path) = url_parts(value)?;
            let plain = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            match place {
                _ if scheme.is_empty() || !plain => return None,
                Some(place) => format!("{scheme}://{place}{path}"),
                None => format!("{scheme}:{path}"),
            }
        }
        IdentifierKind::Email => {
            let (local, domain) =
                value.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty())?;
            format!("{}@{}", local.to_lowercase(), host(domain).unwrap_or_else(|| domain.to_lowercase()))
        }
        IdentifierKind::Asn => {
            let digits = value.strip_prefix("AS").or_else(|| value.strip_prefix("as")).unwrap_or(value);
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())??.to_string()
        }
        IdentifierKind::Phone => {
            let digits = without(value, &['-', '(', ')', '.', '/']);
            let digits = digits.strip_prefix("00").map_or(digits.clone(), |rest| format!("+{rest}"));
            let number = digits.strip_prefix('+')?;
            let plain = (7..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
            plain.then_some(digits)?
        }
        IdentifierKind::Sha256 => {
            (value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit())).then(|| value.to_ascii_lowercase())?
        }
        IdentifierKind::MessageId => value.trim_start_matches('<').trim_end_matches('>').to_owned(),
        // two that differ in case alone are one to a reader, and by chance there are none
        IdentifierKind::Wallet => without(value, &[]).to_lowercase(),
        IdentifierKind::BankAccount => without(value, &['-', '.']).to_uppercase(),
        IdentifierKind::Handle => value.trim_start_matches('@').to_lowercase(),
        IdentifierKind::MerchantId | IdentifierKind::CompanyNo | IdentifierKind::SenderId => reference(value),
    };
    (!found.is_empty()).then_some(found)
}

/// A reference as references are compared: lower case, one space between words.
pub fn reference(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What an identifier of a case is found by.
pub fn things_of(kind: IdentifierKind, value: &str, out: &mut Vec<Exact>) {
    if let Some(value) = canonical(kind, value) {
        out.push(Exact::new(kind_name(kind), value));
    }
    if let Some(host) = host_of(kind, value) {
        out.push(Exact::new("host", &host));
        out.extend(parents(&host).map(|h| Exact::new("under", h)));
    }
    if let Some(ip) = address_of(kind, value) {
        let (bits, all) = bits(ip);
        let steps: &[u8] = if all == 32 { &V4 } else { &V6 };
        out.extend(steps.iter().map(|len| net(all, *len, bits)));
    }
}

/// A reference of a side.
pub fn reference_of(own: bool, text: &str) -> Exact {
    Exact::new(if own { "ref/own" } else { "ref/other" }, reference(text))
}

/// What somebody asks about.
#[derive(Clone, Debug)]
pub struct Asked {
    kind: Option<IdentifierKind>,
    value: String,
}

/// How what was found is related to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// The same.
    Same,
    /// Of the host that was asked about, or below it.
    Below,
    /// A parent of the host that was asked about.
    Above,
    /// In the network that was asked about.
    Inside,
}

impl Relation {
    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Relation::Same => "same",
            Relation::Below => "below",
            Relation::Above => "above",
            Relation::Inside => "inside",
        }
    }
}

impl Asked {
    /// An identifier of a kind, or of any kind that it can be.
    pub fn new(kind: Option<IdentifierKind>, value: &str) -> Result<Asked, String> {
        let asked = Asked { kind, value: value.trim().to_owned() };
        if asked.value.is_empty() || asked.value.len() > MAX_VALUE {
            return Err(format!("must have 1 to {MAX_VALUE} characters"));
        }
        if kind == Some(IdentifierKind::Ip) {
            Net::parse(&asked.value)?.things()?;
        } else if asked.kinds().next().is_none() {
            let kind = kind.map_or("identifier", IdentifierKind::code);
            return Err(format!("{:?} is not a {kind}", short(&asked.value)));
        }
        Ok(asked)
    }

    fn kinds(&self) -> impl Iterator<Item = (IdentifierKind, String)> + '_ {
        let kinds = IdentifierKind::ALL.iter().filter(|k| self.kind.is_none_or(|own| own == **k));
        kinds.filter_map(|k| Some((*k, canonical(*k, &self.value)?)))
    }

    /// The host that is asked about: of a domain itself, not of an address at it.
    fn host(&self) -> Option<String> {
        let of_host = [IdentifierKind::Domain, IdentifierKind::DkimDomain];
        self.kind.is_none_or(|k| of_host.contains(&k)).then(|| host(&self.value)).flatten()
    }

    fn net(&self) -> Option<Net> {
        self.kind.is_none_or(|k| k == IdentifierKind::Ip).then(|| Net::parse(&self.value).ok()).flatten()
    }

    /// What a search for it looks for: one of these. With `above`, parents of a host too.
    pub fn things(&self, above: bool) -> Vec<Exact> {
        let mut things: Vec<Exact> = self.kinds().map(|(kind, value)| Exact::new(kind_name(kind), value)).collect();
        if let Some(host) = self.host() {
            things.push(Exact::new("under", &host));
            if above {
                things.extend(parents(&host).map(|h| Exact::new("host", h)));
            }
        }
        things.extend(self.net().and_then(|net| net.things().ok()).into_iter().flatten());
        things
    }

    /// How an identifier of a case is related to what is asked; none where it is not.
    pub fn relation(&self, kind: IdentifierKind, value: &str) -> Option<Relation> {
        let found = canonical(kind, value);
        if self.kinds().any(|(k, v)| k == kind && Some(&v) == found.as_ref()) {
            return Some(Relation::Same);
        }
        if let (Some(asked), Some(found)) = (self.host(), host_of(kind, value)) {
            if parents(&found).any(|h| h == asked) {
                return Some(Relation::Below);
            }
            if parents(&asked).any(|h| h == found) {
                return Some(Relation::Above);
            }
        }
        let (net, ip) = (self.net()?, address_of(kind, value)?);
        net.contains(ip).then_some(if net.is_address() { Relation::Same } else { Relation::Inside })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use IdentifierKind as K;
    use std::collections::BTreeSet;

    fn of_case(kind: K, value: &str) -> BTreeSet<Exact> {
        let mut out = Vec::new();
        things_of(kind, value, &mut out);
        out.into_iter().collect()
    }

    /// Whether a question finds a case with this identifier, by the index and by comparison: both must say the same.
    fn finds(asked: (Option<K>, &str), kind: K, value: &str) -> bool {
        let asked = Asked::new(asked.0, asked.1).unwrap();
        let by_index = asked.things(true).iter().any(|t| of_case(kind, value).contains(t));
        assert_eq!(by_index, asked.relation(kind, value).is_some(), "{asked:?} {kind} {value}");
        by_index
    }

    #[test]
    fn a_domain_finds_what_is_below_it_and_in_addresses_and_urls_and_its_parents_when_asked() {
        let domain = (Some(K::Domain), "Example.COM.");
        for value in ["example.com", "a.b.example.com"] {
            assert!(finds(domain, K::Domain, value), "{value}");
        }
        assert!(finds(domain, K::Url, "HTTPS://user@Shop.Example.com:8443/x?y#z"));
        assert!(finds(domain, K::Email, "Office@mail.example.com"));
        assert!(finds(domain, K::DkimDomain, "example.com"));
        for value in ["badexample.com", "example.com.evil.test", "com.example"] {
            assert!(!finds(domain, K::Domain, value), "{value}");
        }
        let below = Asked::new(Some(K::Domain), "a.b.example.com").unwrap();
        assert_eq!(below.relation(K::Domain, "example.com"), Some(Relation::Above));
        let found = of_case(K::Domain, "example.com");
        assert!(!below.things(false).iter().any(|t| found.contains(t)));
        assert!(below.things(true).iter().any(|t| found.contains(t)));
        assert!(finds((None, "bücher.example"), K::Domain, "xn--bcher-kva.example"));
    }

    #[test]
    fn addresses_are_found_by_every_network_around_them() {
        for (ip, other) in [("192.0.2.77", "192.0.3.77"), ("2001:db8:12:3400::5", "2001:db9::5")] {
            let all = bits(ip.parse().unwrap()).1;
            for len in (all / 8).max(8)..=all {
                let (bits, _) = bits(ip.parse().unwrap());
                let first = cut(bits, len);
                let first = match all {
                    32 => IpAddr::V4(((first >> 96) as u32).into()),
                    _ => IpAddr::V6(first.into()),
                };
                let net = format!("{first}/{len}");
                assert!(finds((Some(K::Ip), &net), K::Ip, ip), "{net}");
                let contains = Net::parse(&net).unwrap().contains(other.parse().unwrap());
                assert_eq!(finds((Some(K::Ip), &net), K::Ip, other), contains, "{net}");
            }
        }
        assert!(finds((None, "192.0.2.0/24"), K::Url, "http://192.0.2.9:8080/x"));
        assert!(finds((None, "2001:db8::/32"), K::Url, "http://[2001:db8::9]/x"));
        assert!(finds((None, "::ffff:192.0.2.7"), K::Ip, "192.0.2.7"));
        assert!(!finds((None, "192.0.2.7"), K::Ip, "192.0.2.8"));
        for bad in ["192.0.2.1/24", "192.0.2.0/33", "::/1", "2001::/4", "x/8", "192.0.2.0/"] {
            assert!(Asked::new(Some(K::Ip), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn identifiers_are_found_however_they_are_typed() {
        for (kind, kept, typed) in [
            (K::Phone, "+442079460000", "0044 (20) 7946-0000"),
            (K::Asn, "AS64500", "64500"),
            (K::Email, "Office@Prize.Example", "office@prize.example"),
            (K::Sha256, &"ab".repeat(32), &"AB".repeat(32)),
            (K::Url, "http://prize.example", "HTTP://Prize.example:80/#top"),
            (K::BankAccount, "NL91 ABNA 0417 1643 00", "nl91abna0417164300"),
            (K::Wallet, "bc1QXY", "BC1qxy"),
            (K::Handle, "@Prize", "prize"),
            (K::MessageId, "<a.b@x.example>", "a.b@x.example"),
            (K::CompanyNo, "HRB  123", "hrb 123"),
            (K::MerchantId, "M-1", "m-1"),
            (K::SenderId, "PRIZE", "Prize"),
            (K::DkimDomain, "d.example", "D.example"),
        ] {
            assert!(finds((Some(kind), typed), kind, kept), "{kind} {typed}");
            assert!(finds((None, typed), kind, kept), "{kind} {typed}, of whatever kind");
        }
        assert!(!finds((Some(K::Handle), "prize"), K::SenderId, "prize"), "kinds are told apart");
        assert!(Asked::new(Some(K::Phone), "call me").is_err() && Asked::new(None, " ").is_err());
    }

    #[test]
    fn urls_keep_what_decides_where_they_lead() {
        let url = |text| canonical(K::Url, text);
        assert_eq!(url("https://A.example/Path?Q=1#f").unwrap(), "https://a.example/Path?Q=1");
        assert_ne!(url("http://a.example/"), url("https://a.example/"));
        assert_ne!(url("http://a.example:8080/"), url("http://a.example/"));
        assert_eq!(url("mailto:x@a.example").unwrap(), "mailto:x@a.example");
        assert_eq!(url("no url"), None);
    }
}
