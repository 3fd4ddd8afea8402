//! Who does what and how to reach them: profiles, points of contact, node and encryption keys (Plan A.1, A.2).

use crate::cbor::{self, Bytes, DecodeError, Fault};
use crate::identity::{check_text, is_country};
use crate::{cbor_array, codes};

codes! {
    /// What a point of contact is for (plan row 9).
    pub enum Role {
        /// Anything.
        0 "general" => General,
        /// Reached at any hour.
        1 "urgent_24x7" => Urgent,
        /// Takes referrals.
        2 "case_intake" => CaseIntake,
        /// Questions of law.
        3 "legal" => Legal,
        /// Questions of technique.
        4 "technical" => Technical,
        /// Training.
        5 "training" => Training,
        /// Conference calls.
        6 "calls" => Calls,
    }
}

codes! {
    /// The road by which spam comes (referral.md D).
    pub enum Channel {
        /// Electronic mail.
        0 "email" => Email,
        /// Text message.
        1 "sms" => Sms,
        /// A call by a person.
        2 "voice_call" => VoiceCall,
        /// A call by a machine.
        3 "robocall" => Robocall,
        /// Instant message.
        4 "im" => Im,
        /// A social network.
        5 "social" => Social,
        /// A push notification.
        6 "push" => Push,
        /// A web page.
        7 "web" => Web,
        /// Another.
        8 "other" => Other,
    }
}

codes! {
    /// An area of law.
    pub enum LawArea {
        /// Consumer protection.
        0 "consumer_protection" => ConsumerProtection,
        /// Data protection and privacy.
        1 "data_protection" => DataProtection,
        /// Telecommunications.
        2 "telecommunications" => Telecommunications,
        /// Criminal law.
        3 "criminal" => Criminal,
        /// Competition and trade.
        4 "trade" => Trade,
        /// Another.
        5 "other" => Other,
    }
}

codes! {
    /// What an agency can do about a case.
    pub enum Measure {
        /// A formal warning.
        0 "warning" => Warning,
        /// An injunction or order.
        1 "injunction" => Injunction,
        /// A fine.
        2 "fine" => Fine,
        /// A civil action.
        3 "civil_action" => CivilAction,
        /// A criminal prosecution.
        4 "prosecution" => Prosecution,
        /// Blocking or taking down.
        5 "takedown" => Takedown,
        /// Search and seizure.
        6 "search_and_seizure" => SearchAndSeizure,
        /// Orders to providers to produce records.
        7 "production_order" => ProductionOrder,
        /// Recovery of assets.
        8 "asset_recovery" => AssetRecovery,
        /// Advice.
        9 "advice" => Advice,
    }
}

cbor_array! {
    /// One thing that a participant is competent for: an area of law, a channel, and what it can do there.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Competence {
        /// The area of law.
        pub area: LawArea,
        /// The channel.
        pub channel: Channel,
        /// What it can do.
        pub measures: Vec<Measure>,
    }
}

cbor_array! {
    /// Hours of one or more weekdays, in the record's time zone.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Hours {
        /// Weekdays, 1 = Monday … 7 = Sunday (ISO 8601), ascending.
        pub days: Vec<u64>,
        /// Minutes after midnight.
        pub from_min: u64,
        /// Minutes after midnight, later than `from_min`, at most 1440.
        pub to_min: u64,
    }
}

cbor_array! {
    /// A participant, as it describes itself (Plan, "Participation").
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Profile {
        /// Its name.
        pub display_name: String,
        /// Competences.
        pub competence: Vec<Competence>,
        /// Languages, BCP 47.
        pub languages: Vec<String>,
        /// When its office is open.
        pub hours: Vec<Hours>,
        /// IANA time zone.
        pub time_zone: String,
        /// Web site.
        pub website: Option<String>,
    }
}

cbor_array! {
    /// A way to reach a point of contact.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Way {
        /// `email`, `phone`, `fax`, `web`, `post` or another token.
        pub kind: String,
        /// The address or number.
        pub value: String,
    }
}

cbor_array! {
    /// A point of contact (Plan A.1). A newer record in the same slot supersedes it.
    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Contact {
        /// The place that it holds: `[a-z0-9-]{2,32}`.
        pub slot: String,
        /// What it is for.
        pub role: Role,
        /// The office or function. Role data only: no more of a person than the work needs.
        pub name: String,
        /// Areas of law it answers for; empty = all of the participant's.
        pub areas: Vec<LawArea>,
        /// Channels it answers for; empty = all.
        pub channels: Vec<Channel>,
        /// Languages, BCP 47.
        pub languages: Vec<String>,
        /// Open hours; empty = not stated. `urgent_24x7` is open at any hour.
        pub hours: Vec<Hours>,
        /// IANA time zone of the hours.
        pub time_zone: String,
        /// How to reach it.
        pub ways: Vec<Way>,
        /// The slot of its deputy.
        pub deputy: Option<String>,
        /// Milliseconds UTC after which the record counts as stale unless confirmed anew.
        pub reconfirm_by: u64,
        /// Withdrawn: the slot is empty from here on.
        pub withdrawn: bool,
    }
}

cbor_array! {
    /// A node that speaks for this participant (protocol §3).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NodeBinding {
        /// Its libp2p PeerId, as bytes.
        pub peer: Bytes,
        /// Where it listens: multiaddrs, at most 8.
        pub addrs: Vec<String>,
        /// Milliseconds UTC.
        pub not_after: u64,
        /// Revoked from here on.
        pub revoked: bool,
    }
}

cbor_array! {
    /// A key to seal referrals to (protocol §6).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KemKey {
        /// Names the key: hash of its bytes.
        pub kid: crate::id::Kid,
        /// 1 = X-Wing, 2 = X25519.
        pub suite: u64,
        /// The public key.
        pub key: Bytes,
        /// Milliseconds UTC.
        pub not_before: u64,
        /// Milliseconds UTC.
        pub not_after: u64,
    }
}

fn list<T>(path: &str, items: &[T], max: usize) -> Result<(), Fault> {
    if items.len() > max {
        return Err(Fault::here(format!("{} items, at most {max}", items.len())).within(path));
    }
    Ok(())
}

fn languages(path: &str, items: &[String]) -> Result<(), Fault> {
    list(path, items, 32)?;
    match items.iter().find(|l| !is_language(l)) {
        Some(bad) => Err(Fault::here(format!("{bad:?} is not a language tag (BCP 47)")).within(path)),
        None => Ok(()),
    }
}

/// Whether `tag` has the form of a BCP 47 language tag.
pub fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    (2..=8).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && tag.len() <= 35
}

fn hours(path: &str, items: &[Hours]) -> Result<(), Fault> {
    list(path, items, 14)?;
    for h in items {
        let days =
            !h.days.is_empty() && h.days.iter().all(|d| (1..=7).contains(d)) && h.days.windows(2).all(|w| w[0] < w[1]);
        if !days || h.from_min >= h.to_min || h.to_min > 1440 {
            return Err(Fault::here("needs weekdays 1 to 7 ascending and from before to, within a day").within(path));
        }
    }
    Ok(())
}

fn zone(path: &str, name: &str) -> Result<(), Fault> {
    let ok =
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    if ok { Ok(()) } else { Err(Fault::here("is not the name of a time zone (IANA)").within(path)) }
}

impl Profile {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let profile: Profile = cbor::decode(bytes, 16 * 1024)?;
        profile.check()?;
        Ok(profile)
    }

    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        check_text("display_name", &self.display_name, 1, 200)?;
        list("competence", &self.competence, 64)?;
        for c in &self.competence {
            list("competence", &c.measures, Measure::ALL.len())?;
        }
        languages("languages", &self.languages)?;
        hours("hours", &self.hours)?;
        zone("time_zone", &self.time_zone)?;
        check_text("website", self.website.as_deref().unwrap_or("x"), 1, 300)
    }
}

impl Contact {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let contact: Contact = cbor::decode(bytes, 4 * 1024)?;
        contact.check()?;
        Ok(contact)
    }

    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        for (path, slot) in [("slot", Some(&self.slot)), ("deputy", self.deputy.as_ref())] {
            if slot.is_some_and(|s| !crate::identity::is_short_name(s)) {
                return Err(Fault::here("must be 2 to 32 characters of a-z, 0-9 and -").within(path));
            }
        }
        check_text("name", &self.name, 1, 200)?;
        list("areas", &self.areas, 16)?;
        list("channels", &self.channels, 16)?;
        languages("languages", &self.languages)?;
        hours("hours", &self.hours)?;
        zone("time_zone", &self.time_zone)?;
        list("ways", &self.ways, 8)?;
        if self.ways.is_empty() && !self.withdrawn {
            return Err(Fault::here("at least one way to reach it is needed").within("ways"));
        }
        for way in &self.ways {
            check_text("ways.kind", &way.kind, 1, 32)?;
            check_text("ways.value", &way.value, 1, 300)?;
        }
        Ok(())
    }
}

impl NodeBinding {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let binding: NodeBinding = cbor::decode(bytes, 16 * 1024)?;
        list("addrs", &binding.addrs, 8)?;
        if binding.peer.len() > 64 || binding.peer.is_empty() {
            return Err(Fault::here("is not a peer id").within("peer").into());
        }
        for addr in &binding.addrs {
            check_text("addrs", addr, 1, 300)?;
        }
        Ok(binding)
    }
}

/// A country for filters, upper-cased.
pub fn country(code: &str) -> Option<String> {
    let code = code.to_ascii_uppercase();
    is_country(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cbor::encode;

    fn contact() -> Contact {
        Contact {
            slot: "intake".into(),
            role: Role::CaseIntake,
            name: "Case intake".into(),
            areas: vec![LawArea::ConsumerProtection],
            channels: vec![Channel::Email],
            languages: vec!["en".into(), "pt-BR".into()],
            hours: vec![Hours { days: vec![1, 2, 3, 4, 5], from_min: 540, to_min: 1020 }],
            time_zone: "Europe/London".into(),
            ways: vec![Way { kind: "email".into(), value: "intake@harbor.example".into() }],
            deputy: None,
            reconfirm_by: 5,
            withdrawn: false,
        }
    }

    #[test]
    fn a_contact_survives_its_bytes() {
        assert_eq!(Contact::decode(&encode(&contact())).unwrap(), contact());
    }

    #[test]
    fn a_contact_that_people_could_not_use_is_refused_by_field() {
        for (path, bad) in [
            ("slot", Contact { slot: "Intake!".into(), ..contact() }),
            ("languages", Contact { languages: vec!["english language".into()], ..contact() }),
            ("hours", Contact { hours: vec![Hours { days: vec![0], from_min: 0, to_min: 1 }], ..contact() }),
            ("hours", Contact { hours: vec![Hours { days: vec![1], from_min: 9, to_min: 9 }], ..contact() }),
            ("time_zone", Contact { time_zone: "".into(), ..contact() }),
            ("ways", Contact { ways: vec![], ..contact() }),
            ("name", Contact { name: "a\u{202e}b".into(), ..contact() }),
        ] {
            assert_eq!(bad.check().unwrap_err().path, path);
        }
    }
}
