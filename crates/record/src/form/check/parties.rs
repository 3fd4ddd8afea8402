//! E: persons and infrastructure.

use super::Check;
use crate::form::{Form, Identifier, IdentifierKind, Party};
use crate::identity::is_country;

impl Check {
    pub(super) fn parties(&mut self, form: &Form) {
        let parties = form.parties.as_deref().unwrap_or_default();
        self.at_most("parties", parties, 200);
        for (i, party) in parties.iter().enumerate() {
            self.party(&format!("parties.{i}"), party, form);
        }
    }

    fn party(&mut self, path: &str, party: &Party, form: &Form) {
        let at = |field: &str| format!("{path}.{field}");
        self.texts(&at("names"), &party.names, 20, 300);
        if party.names.is_empty() && party.identifiers.is_empty() {
            self.fault(path, "needs a name or an identifier");
        }
        self.at_most(&at("identifiers"), &party.identifiers, 500);
        for (j, id) in party.identifiers.iter().enumerate() {
            self.identifier(&at(&format!("identifiers.{j}")), id);
        }
        if party.country.as_ref().is_some_and(|c| !is_country(c)) {
            self.fault(&at("country"), "must be two capital letters (ISO 3166-1)");
        }
        if party.information_accuracy.is_some_and(|a| !(1..=4).contains(&a)) {
            self.fault(&at("information_accuracy"), "must be 1 to 4");
        }
        let locations = party.locations.as_deref().unwrap_or_default();
        self.at_most(&at("locations"), locations, 20);
        self.ascending(&at("locations"), locations);
        for (j, _) in locations.iter().enumerate().filter(|(_, l)| !is_country(&l.country)) {
            self.fault(&at(&format!("locations.{j}.country")), "must be two capital letters (ISO 3166-1)");
        }
        if let (Some(own), Some(whole)) = (party.tlp, form.tlp)
            && own <= whole
        {
            self.fault(&at("tlp"), format!("{own} is not stricter than the form's {whole}"));
        }
    }

    pub(super) fn identifier(&mut self, path: &str, id: &Identifier) {
        if let Err(why) = check_identifier(id.kind, &id.value) {
            self.fault(path, why);
        }
        let port = id.port.is_none_or(|port| id.kind == IdentifierKind::Ip && (1..=65_535).contains(&port));
        if !port {
            self.fault(&format!("{path}.port"), "is 1 to 65535, of an ip");
        }
        self.date(&format!("{path}.time"), id.time.as_ref(), false);
    }
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
