//! What a form must say, every fault at once, by field path (referral.md §1 "Minimum viable referral").
//!
//! The same check runs where a form is written and where it arrives.

use super::{Basis, EvidenceItem, FORM_VERSION, Factor, Form, HarmFactor, IdentifierKind};
use crate::cbor::{Fault, encode};
use crate::directory::is_language;
use crate::identity::{check_text, is_country, is_short_name};

/// Every fault of a form; empty = it can be submitted.
pub fn check(form: &Form) -> Vec<Fault> {
    let mut c = Check { faults: Vec::new() };
    c.header(form);
    c.authority_and_handling(form);
    c.conduct(form);
    c.parties(form);
    c.harm(form);
    c.assistance(form);
    c.evidence(form);
    c.declarations(form);
    if encode(form).len() > super::MAX_FORM {
        c.fault("form", format!("is longer than {} bytes as encoded", super::MAX_FORM));
    }
    c.faults
}

struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn fault(&mut self, path: &str, what: impl Into<String>) {
        self.faults.push(Fault::here(what).within(path));
    }

    fn required<T>(&mut self, path: &str, value: &Option<T>) {
        if value.is_none() {
            self.fault(path, "is required");
        }
    }

    fn text(&mut self, path: &str, value: &Option<String>, required: bool, max: usize) {
        match value {
            None if required => self.fault(path, "is required"),
            None => {}
            Some(text) => self.faults.extend(check_text(path, text, 1, max).err()),
        }
    }

    fn texts(&mut self, path: &str, values: &[String], max_items: usize, max: usize) {
        if values.len() > max_items {
            self.fault(path, format!("has {} items, at most {max_items}", values.len()));
        }
        for (i, text) in values.iter().enumerate() {
            self.faults.extend(check_text(&format!("{path}.{i}"), text, 1, max).err());
        }
    }

    fn date(&mut self, path: &str, value: Option<&String>, required: bool) {
        match value {
            None if required => self.fault(path, "is required: a date such as 2027-01-31"),
            Some(text) if !is_date(text) => self.fault(path, format!("{text:?} is not a date such as 2027-01-31")),
            _ => {}
        }
    }

    fn header(&mut self, form: &Form) {
        match form.pro_forma_version {
            Some(FORM_VERSION) => {}
            Some(other) => self.fault("pro_forma_version", format!("is {other}; this node reads {FORM_VERSION}")),
            None => self.fault("pro_forma_version", "is required"),
        }
        self.required("kind", &form.kind);
        self.text("subject_line", &form.subject_line, true, 160);
        self.text("requester_ref", &form.requester_ref, true, 100);
        self.text("campaign_ref", &form.campaign_ref, false, 100);
        match &form.language {
            None => self.fault("language", "is required: a tag such as en or pt-BR"),
            Some(tag) if !is_language(tag) => self.fault("language", format!("{tag:?} is not a language tag (BCP 47)")),
            _ => {}
        }
        self.date("created_at", form.created_at.as_ref(), true);
    }

    fn authority_and_handling(&mut self, form: &Form) {
        match &form.poc_ref {
            None => self.fault("poc_ref", "is required: the slot of one of your points of contact"),
            Some(slot) if !is_short_name(slot) => self.fault("poc_ref", "must be 2 to 32 characters of a-z, 0-9 and -"),
            _ => {}
        }
        self.text("case_officer", &form.case_officer, false, 100);
        match &form.legal_authority {
            None => self.fault("legal_authority", "is required: the law that you act under"),
            Some(a) => {
                self.text("legal_authority.law", &Some(a.law.clone()), true, 300);
                self.text("legal_authority.article", &a.article, false, 100);
                self.text("legal_authority.url", &a.url, false, 500);
            }
        }
        self.texts("arrangement", form.arrangement.as_deref().unwrap_or_default(), 16, 60);
        self.required("tlp", &form.tlp);
        self.date("retention_until", form.retention_until.as_ref(), true);
        let codes = form.handling_codes.as_deref().unwrap_or_default();
        self.texts("handling_codes", codes, 4, 300);
        for (i, code) in codes.iter().enumerate() {
            if !["H0", "H1", "H2", "H3"].iter().any(|h| code == h || code.starts_with(&format!("{h}:"))) {
                self.fault(&format!("handling_codes.{i}"), format!("{code:?} is not H0, H1, H2 or H3:text"));
            }
        }
        self.text("permitted_purpose", &form.permitted_purpose, false, 500);
    }

    fn conduct(&mut self, form: &Form) {
        self.required("channel", &form.channel);
        match &form.conduct {
            None => self.fault("conduct", "is required: at least one code"),
            Some(list) if list.is_empty() || list.len() > 17 => self.fault("conduct", "must have 1 to 17 codes"),
            Some(list) if list.windows(2).any(|w| w[0] >= w[1]) => {
                self.fault("conduct", "must name each code once, in the order of the list");
            }
            _ => {}
        }
        if let Some(period) = &form.period {
            self.date("period.from", Some(&period.from), true);
            self.date("period.to", period.to.as_ref(), false);
        }
        for (i, tag) in form.message_languages.as_deref().unwrap_or_default().iter().enumerate() {
            if !is_language(tag) {
                self.fault(&format!("message_languages.{i}"), format!("{tag:?} is not a language tag (BCP 47)"));
            }
        }
        self.text("narrative", &form.narrative, true, 4000);
        self.text("law_breached", &form.law_breached, false, 500);
    }

    fn parties(&mut self, form: &Form) {
        let parties = form.parties.as_deref().unwrap_or_default();
        if parties.len() > 200 {
            self.fault("parties", format!("has {} items, at most 200", parties.len()));
        }
        for (i, party) in parties.iter().enumerate() {
            let at = |field: &str| format!("parties.{i}.{field}");
            self.texts(&at("names"), &party.names, 20, 300);
            if party.names.is_empty() && party.identifiers.is_empty() {
                self.fault(&format!("parties.{i}"), "needs a name or an identifier");
            }
            if party.identifiers.len() > 500 {
                self.fault(&at("identifiers"), "has more than 500 items");
            }
            for (j, id) in party.identifiers.iter().enumerate() {
                if let Err(why) = check_identifier(id.kind, &id.value) {
                    self.fault(&format!("parties.{i}.identifiers.{j}"), why);
                }
            }
            if party.country.as_ref().is_some_and(|c| !is_country(c)) {
                self.fault(&at("country"), "must be two capital letters (ISO 3166-1)");
            }
            if party.information_accuracy.is_some_and(|a| !(1..=4).contains(&a)) {
                self.fault(&at("information_accuracy"), "must be 1 to 4");
            }
        }
    }

    fn harm(&mut self, form: &Form) {
        let needed = form.kind.is_some_and(|k| k.is_request());
        let Some(harm) = &form.harm else {
            if needed {
                self.fault("harm", "is required for a request: state the factors, `unknown` where you do not know");
            }
            return;
        };
        if harm.is_empty() && needed {
            self.fault("harm", "is required for a request: at least one factor");
        }
        if harm.windows(2).any(|w| w[0].factor >= w[1].factor) {
            self.fault("harm", "must name each factor once, in the order of the list");
        }
        for (i, HarmFactor { factor, band, basis }) in harm.iter().enumerate() {
            match (band, basis) {
                (Some(_), Basis::Unknown) => {
                    self.fault(&format!("harm.{i}.band"), "cannot be stated on basis `unknown`")
                }
                (None, b) if *b != Basis::Unknown => {
                    self.fault(&format!("harm.{i}.band"), "is required unless the basis is `unknown`");
                }
                (Some(band), _) if *band > factor.top() => {
                    self.fault(
                        &format!("harm.{i}.band"),
                        format!("is {band}; {factor} goes from 0 to {}", factor.top()),
                    );
                }
                _ => {}
            }
        }
    }

    fn assistance(&mut self, form: &Form) {
        let items = form.assistance.as_deref().unwrap_or_default();
        if items.is_empty() {
            self.fault("assistance", "is required: at least one item");
        }
        if items.len() as u64 > crate::statement::MAX_ITEMS {
            self.fault("assistance", format!("has {} items, at most {}", items.len(), crate::statement::MAX_ITEMS));
        }
        for (i, item) in items.iter().enumerate() {
            self.faults.extend(check_text(&format!("assistance.{i}.description"), &item.description, 1, 2000).err());
            self.texts(&format!("assistance.{i}.questions"), &item.questions, 50, 500);
            self.date(&format!("assistance.{i}.needed_by"), item.needed_by.as_ref(), false);
        }
        if let Some(urgency) = &form.urgency {
            self.text("urgency.reasons", &urgency.reasons, false, 1000);
            if urgency.level == super::UrgencyLevel::TimeCritical && urgency.reasons.is_none() {
                self.fault("urgency.reasons", "is required where the level is time_critical");
            }
        }
    }

    fn evidence(&mut self, form: &Form) {
        let items = form.evidence.as_deref().unwrap_or_default();
        if items.len() > crate::statement::MAX_BLOBS {
            self.fault("evidence", format!("has {} items, at most {}", items.len(), crate::statement::MAX_BLOBS));
        }
        for (i, EvidenceItem { name, media_type, description, .. }) in items.iter().enumerate() {
            self.faults.extend(check_text(&format!("evidence.{i}.name"), name, 1, 255).err());
            self.faults.extend(check_text(&format!("evidence.{i}.media_type"), media_type, 1, 127).err());
            self.text(&format!("evidence.{i}.description"), description, false, 1000);
        }
    }

    fn declarations(&mut self, form: &Form) {
        match &form.declarations {
            None => self.fault("declarations", "are required"),
            Some(d) => {
                for (path, said) in [
                    ("declarations.accuracy", d.accuracy),
                    ("declarations.authority", d.authority),
                    ("declarations.confidentiality", d.confidentiality),
                ] {
                    if !said {
                        self.fault(path, "must be declared (true)");
                    }
                }
            }
        }
    }
}

/// Whether `text` is a date of RFC 3339 that exists, or such a date with a time and an offset.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    let dashes = bytes[4] == b'-' && bytes[7] == b'-';
    dashes && (1..=12).contains(&month) && (1..=days).contains(&day) && (bytes.len() == 10 || is_time(&bytes[10..]))
}

/// `Thh:mm:ss`, a fraction or none, and `Z` or `±hh:mm`.
fn is_time(bytes: &[u8]) -> bool {
    let two = |at: usize, max: u8| {
        let digits = bytes.get(at..at + 2).filter(|d| d.iter().all(u8::is_ascii_digit));
        digits.is_some_and(|d| (d[0] - b'0') * 10 + (d[1] - b'0') <= max)
    };
    let mark = |at: usize, b: u8| bytes.get(at) == Some(&b);
    if !(mark(0, b'T') && two(1, 23) && mark(3, b':') && two(4, 59) && mark(6, b':') && two(7, 60)) {
        return false;
    }
    let mut at = 9;
    if mark(at, b'.') {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        at += 1 + digits;
    }
    let offset = (mark(at, b'+') || mark(at, b'-')) && two(at + 1, 23) && mark(at + 3, b':') && two(at + 4, 59);
    (mark(at, b'Z') && bytes.len() == at + 1) || (offset && bytes.len() == at + 6)
}

/// Whether an identifier has the form of its kind.
pub fn check_identifier(kind: IdentifierKind, value: &str) -> Result<(), String> {
    if value.is_empty() || value.len() > 2048 || value.chars().any(crate::identity::is_hidden) {
        return Err("must have 1 to 2,048 visible characters".into());
    }
    let ok = match kind {
        IdentifierKind::Ip => value.parse::<std::net::IpAddr>().is_ok(),
        IdentifierKind::Domain | IdentifierKind::DkimDomain => is_domain(value),
        IdentifierKind::Email => {
            value.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        }
        IdentifierKind::Url => value.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !scheme.is_empty()
        }),
        IdentifierKind::Asn => {
            let digits = value.strip_prefix("AS").unwrap_or(value);
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u32>().is_ok()
        }
        IdentifierKind::Phone => {
            value.starts_with('+') && (8..=16).contains(&value.len()) && value[1..].bytes().all(|b| b.is_ascii_digit())
        }
        IdentifierKind::Sha256 => value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()),
        _ => true,
    };
    if ok { Ok(()) } else { Err(format!("{:?} is not a {kind}", value.chars().take(80).collect::<String>())) }
}

fn is_domain(value: &str) -> bool {
    value.len() <= 253
        && value.contains('.')
        && value.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        })
}

/// The harm score, 0 to 100, and its class (referral.md §3): integer arithmetic, anyone can recompute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Harm {
    /// With every unknown factor at its lowest. Ranking uses this one.
    pub low: u64,
    /// With every unknown factor at its highest.
    pub high: u64,
}

impl Harm {
    /// The score of a form under the charter's weights.
    pub fn of(form: &Form, weights: &[u64]) -> Harm {
        let mut harm = Harm { low: 0, high: 0 };
        for (factor, weight) in Factor::ALL.iter().zip(weights) {
            let stated = form.harm.iter().flatten().find(|h| h.factor == *factor);
            let (low, high) = match stated {
                None | Some(HarmFactor { band: None, .. }) => (0, factor.top()),
                Some(HarmFactor { band: Some(band), basis, .. }) => {
                    let band = band.saturating_sub(u64::from(*basis == Basis::SampledExtrapolated)).min(factor.top());
                    (band, band)
                }
            };
            harm.low += weight * low / factor.top();
            harm.high += weight * high / factor.top();
        }
        harm
    }

    /// The class of a score.
    pub const fn class(score: u64) -> &'static str {
        match score {
            70.. => "critical",
            45..=69 => "serious",
            25..=44 => "substantial",
            _ => "limited",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::form::sample;

    #[test]
    fn a_minimum_referral_has_no_fault_and_survives_its_bytes() {
        let form = sample();
        assert_eq!(check(&form), vec![]);
        assert_eq!(Form::decode(&encode(&form)).unwrap(), form);
    }

    #[test]
    fn an_empty_form_lists_everything_at_once_by_path() {
        let paths: Vec<String> = check(&Form::default()).into_iter().map(|f| f.path).collect();
        for path in [
            "kind",
            "subject_line",
            "poc_ref",
            "legal_authority",
            "tlp",
            "retention_until",
            "channel",
            "conduct",
            "narrative",
            "assistance",
            "declarations",
        ] {
            assert!(paths.iter().any(|p| p == path), "{path} missing in {paths:?}");
        }
    }

    #[test]
    fn wrong_values_are_named_where_they_stand() {
        let mut form = sample();
        form.subject_line = Some("x".repeat(161));
        form.retention_until = Some("2027-02-30".into());
        form.harm.as_mut().unwrap()[0].band = Some(9);
        form.parties.as_mut().unwrap()[0].identifiers[0].value = "not an ip".into();
        let paths: Vec<String> = check(&form).into_iter().map(|f| f.path).collect();
        assert_eq!(paths, ["subject_line", "retention_until", "parties.0.identifiers.0", "harm.0.band"]);
    }

    #[test]
    fn unknown_fields_of_a_later_version_survive() {
        use crate::cbor::Value;
        let mut form = sample();
        form.unknown = vec![(999, Value::Text("later".into()))];
        let bytes = encode(&form);
        assert_eq!(encode(&Form::decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn harm_is_an_interval_where_something_is_unknown() {
        let form = sample();
        let harm = Harm::of(&form, &[25, 25, 15, 15, 10, 10]);
        assert!(harm.low < harm.high);
        let mut known = form.clone();
        known.harm = Some(
            Factor::ALL
                .iter()
                .map(|f| HarmFactor { factor: *f, band: Some(f.top()), basis: Basis::PaymentRecords })
                .collect(),
        );
        assert_eq!(Harm::of(&known, &[25, 25, 15, 15, 10, 10]), Harm { low: 100, high: 100 });
        assert_eq!(["critical", "serious", "substantial", "limited"], [70, 45, 25, 24].map(Harm::class));
    }

    #[test]
    fn dates_must_exist() {
        for good in ["2024-02-29", "2026-12-31T10:00:00Z", "2026-12-31T10:00:00+02:00"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["2023-02-29", "2026-13-01", "2026-1-1", "tomorrow", "2026-12-31 10:00", "2026-12-31T10"] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
