//! What agencies publish about their work together: arrangements between them, and outcomes of cases (plan rows 25, 27).

use crate::cbor::{self, DecodeError, Fault, encode};
use crate::directory::{Channel, LawArea};
use crate::form::{Conduct, LAP_BEST_EFFORTS, when};
use crate::id::{Digest, Pid};
use crate::identity::{check_text, is_country, is_short_name};
use crate::{cbor_array, codes};
use serde::{Deserialize, Serialize};

/// Parties of an arrangement at most.
pub const MAX_PARTIES: usize = 64;

codes! {
    /// What binds the parties of an arrangement.
    pub enum ArrangementKind {
        /// A memorandum of understanding between two.
        0 "memorandum" => Memorandum,
        /// One among several.
        1 "multilateral_memorandum" => Multilateral,
        /// A treaty or an agreement that binds in law.
        2 "treaty" => Treaty,
        /// An informal understanding.
        3 "informal" => Informal,
    }
}

cbor_array! {
    /// An arrangement, as one of its parties publishes it. It stands once every party that takes part here has published
    /// the same bytes: what one alone says binds nobody else.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Arrangement {
        /// What a pro forma names it by: `[a-z0-9-]{2,32}`.
        pub code: String,
        /// Its title.
        pub title: String,
        /// What binds the parties.
        pub kind: ArrangementKind,
        /// The participants that are party to it, ascending.
        pub parties: Vec<Pid>,
        /// Parties that take no part in the federation, by name.
        #[serde(default)]
        pub others: Vec<String>,
        /// Areas of law that it is about, ascending.
        #[serde(default)]
        pub areas: Vec<LawArea>,
        /// RFC 3339 day on which it was signed.
        pub signed_on: String,
        /// RFC 3339 day on which it ends.
        #[serde(default)]
        pub valid_until: Option<String>,
        /// Where it can be read.
        #[serde(default)]
        pub url: Option<String>,
        /// Ended: it counts no longer, whoever of the parties says so.
        #[serde(default)]
        pub ended: bool,
    }
}

impl Arrangement {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let arrangement: Arrangement = cbor::decode(bytes, 16 * 1024)?;
        arrangement.check()?;
        Ok(arrangement)
    }

    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        let at = |path: &str, what: &str| Err(Fault::here(what.to_owned()).within(path));
        if !is_short_name(&self.code) {
            return at("code", "must be 2 to 32 characters of a-z, 0-9 and -");
        }
        if self.code == LAP_BEST_EFFORTS.replace('_', "-") {
            return at("code", "is the Plan itself, which everyone has");
        }
        check_text("title", &self.title, 1, 200)?;
        if !(1..=MAX_PARTIES).contains(&self.parties.len()) || self.parties.windows(2).any(|w| w[0] >= w[1]) {
            return at("parties", "one or more, each once, ascending");
        }
        if self.others.len() > MAX_PARTIES || self.parties.len() + self.others.len() < 2 {
            return at("others", "an arrangement has two parties or more");
        }
        self.others.iter().try_for_each(|o| check_text("others", o, 1, 200))?;
        if self.areas.windows(2).any(|w| w[0] >= w[1]) {
            return at("areas", "each once, in the order of the list of codes");
        }
        day("signed_on", &self.signed_on)?;
        if let Some(until) = &self.valid_until {
            day("valid_until", until)?;
            if when::is_before(until, &self.signed_on) {
                return at("valid_until", "lies before the day on which it was signed");
            }
        }
        check_text("url", self.url.as_deref().unwrap_or("x"), 1, 300)
    }

    /// Names what the parties agreed to: the same for all that published the same.
    pub fn terms(&self) -> Digest {
        Digest(crate::id::HashOf::Body.hash(&encode(&Arrangement { ended: false, ..self.clone() })))
    }
}

codes! {
    /// What was done in the end.
    pub enum Action {
        /// A formal warning.
        0 "warning" => Warning,
        /// An injunction or order.
        1 "injunction" => Injunction,
        /// A fine or administrative penalty.
        2 "fine" => Fine,
        /// A civil judgment.
        3 "civil_judgment" => CivilJudgment,
        /// A criminal conviction.
        4 "conviction" => Conviction,
        /// A settlement or undertaking.
        5 "settlement" => Settlement,
        /// Blocking or taking down.
        6 "takedown" => Takedown,
        /// Proceedings were begun.
        7 "proceedings_opened" => ProceedingsOpened,
        /// It was closed without a measure.
        8 "closed_without_measure" => Closed,
    }
}

cbor_array! {
    /// A sum of money.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Money {
        /// In minor units of the currency.
        pub amount: u64,
        /// ISO 4217.
        pub currency: String,
    }
}

cbor_array! {
    /// What became of a case: action, sanction, redress (Plan: "outcomes"). Public, or for agencies only, by the log that
    /// it stands in. Nothing in it names a person.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Outcome {
        /// Its author's name for it: `[a-z0-9-]{2,32}`. A newer one of the same name supersedes it.
        pub slot: String,
        /// What it was about, in a line.
        pub title: String,
        /// RFC 3339 day of the action.
        pub on: String,
        /// What was done.
        pub action: Action,
        /// Under which area of law.
        pub area: LawArea,
        /// The channel of the conduct.
        pub channel: Channel,
        /// The conduct, ascending.
        pub conduct: Vec<Conduct>,
        /// What has to be paid as a sanction.
        #[serde(default)]
        pub sanction: Option<Money>,
        /// What victims get back.
        #[serde(default)]
        pub redress: Option<Money>,
        /// How many get something back.
        #[serde(default)]
        pub redressed: Option<u64>,
        /// Agencies that helped, ascending.
        #[serde(default)]
        pub with: Vec<Pid>,
        /// Countries that it touched, ascending.
        #[serde(default)]
        pub countries: Vec<String>,
        /// In words.
        #[serde(default)]
        pub summary: Option<String>,
        /// The decision or press release.
        #[serde(default)]
        pub url: Option<String>,
        /// Withdrawn: overturned, or published by mistake.
        #[serde(default)]
        pub withdrawn: bool,
    }
}

impl Outcome {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let outcome: Outcome = cbor::decode(bytes, 16 * 1024)?;
        outcome.check()?;
        Ok(outcome)
    }

    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        let at = |path: &str, what: &str| Err(Fault::here(what.to_owned()).within(path));
        if !is_short_name(&self.slot) {
            return at("slot", "must be 2 to 32 characters of a-z, 0-9 and -");
        }
        check_text("title", &self.title, 1, 200)?;
        day("on", &self.on)?;
        if self.conduct.windows(2).any(|w| w[0] >= w[1]) {
            return at("conduct", "each once, in the order of the list of codes");
        }
        for (path, money) in [("sanction", &self.sanction), ("redress", &self.redress)] {
            let currency = money
                .as_ref()
                .is_none_or(|m| m.currency.len() == 3 && m.currency.bytes().all(|b| b.is_ascii_uppercase()));
            if !currency {
                return at(&format!("{path}.currency"), "must be three letters (ISO 4217)");
            }
        }
        if self.with.len() > MAX_PARTIES || self.with.windows(2).any(|w| w[0] >= w[1]) {
            return at("with", "each once, ascending, at most 64");
        }
        let countries = self.countries.iter().all(|c| is_country(c)) && self.countries.windows(2).all(|w| w[0] < w[1]);
        if !countries || self.countries.len() > 64 {
            return at("countries", "ISO 3166-1 alpha-2, each once, ascending, at most 64");
        }
        check_text("summary", self.summary.as_deref().unwrap_or_default(), 0, 4000)?;
        check_text("url", self.url.as_deref().unwrap_or("x"), 1, 300)
    }
}

fn day(path: &str, text: &str) -> Result<(), Fault> {
    if text.len() == 10 && when::is_date(text) {
        return Ok(());
    }
    Err(Fault::here("must be a day: YYYY-MM-DD").within(path))
}

/// An arrangement between invented agencies, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample_arrangement() -> Arrangement {
    Arrangement {
        code: "harbor-polder-2025".into(),
        title: "Memorandum on unsolicited messages".into(),
        kind: ArrangementKind::Memorandum,
        parties: vec![Pid([1; 32]), Pid([2; 32])],
        others: vec!["Coast Guard of Elsewhere".into()],
        areas: vec![LawArea::ConsumerProtection, LawArea::Telecommunications],
        signed_on: "2025-04-20".into(),
        valid_until: Some("2030-04-19".into()),
        url: Some("https://harbor.example/mou".into()),
        ended: false,
    }
}

/// An outcome of an invented case, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample_outcome() -> Outcome {
    Outcome {
        slot: "prize-2026".into(),
        title: "Sender of prize mails fined".into(),
        on: "2026-10-02".into(),
        action: Action::Fine,
        area: LawArea::ConsumerProtection,
        channel: Channel::Email,
        conduct: vec![Conduct::NoConsent, Conduct::AdvanceFee],
        sanction: Some(Money { amount: 2_500_000, currency: "EUR".into() }),
        redress: Some(Money { amount: 900_000, currency: "USD".into() }),
        redressed: Some(140),
        with: vec![Pid([2; 32])],
        countries: vec!["KE".into(), "NL".into()],
        summary: Some("Found with the help of a provider abroad.".into()),
        url: Some("https://harbor.example/decisions/17".into()),
        withdrawn: false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_survive_their_bytes_and_an_end_changes_no_terms() {
        let arrangement = sample_arrangement();
        assert_eq!(Arrangement::decode(&encode(&arrangement)).unwrap(), arrangement);
        assert_eq!(Outcome::decode(&encode(&sample_outcome())).unwrap(), sample_outcome());
        assert_eq!(Arrangement { ended: true, ..arrangement.clone() }.terms(), arrangement.terms());
        assert_ne!(Arrangement { title: "x".into(), ..arrangement.clone() }.terms(), arrangement.terms());
    }

    #[test]
    fn faults_have_their_path() {
        let arrangement = |change: fn(&mut Arrangement)| {
            let mut a = sample_arrangement();
            change(&mut a);
            a.check().unwrap_err().path
        };
        assert_eq!(arrangement(|a| a.code = "Lap".into()), "code");
        assert_eq!(arrangement(|a| a.code = "lap-best-efforts".into()), "code");
        assert_eq!(arrangement(|a| a.parties.reverse()), "parties");
        assert_eq!(
            arrangement(|a| {
                a.parties.truncate(1);
                a.others.clear();
            }),
            "others"
        );
        assert_eq!(arrangement(|a| a.valid_until = Some("2025-04-19".into())), "valid_until");
        assert_eq!(arrangement(|a| a.signed_on = "2025-04".into()), "signed_on");
        let outcome = |change: fn(&mut Outcome)| {
            let mut o = sample_outcome();
            change(&mut o);
            o.check().unwrap_err().path
        };
        assert_eq!(outcome(|o| o.slot = "x".into()), "slot");
        assert_eq!(outcome(|o| o.sanction.as_mut().unwrap().currency = "eur".into()), "sanction.currency");
        assert_eq!(outcome(|o| o.countries.reverse()), "countries");
        assert_eq!(outcome(|o| o.conduct.reverse()), "conduct");
        assert_eq!(outcome(|o| o.title = "a\u{202e}b".into()), "title");
    }
}
