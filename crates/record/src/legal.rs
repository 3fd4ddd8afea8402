//! What an agency's law covers, and how a pro forma stands to it (plan row 22: opt-in or opt-out, must it be commercial,
//! powers differ).
//!
//! ```text
//! pro forma + the target's legal profile ─▶ which law covers what of the conduct, what none covers,
//!                                            which facts the target will ask for
//! ```
//!
//! A comparison forbids nothing: it tells the requester before it sends what the target would write back weeks later.

use crate::cbor::{self, DecodeError, Fault};
use crate::directory::{Channel, LawArea, Measure};
use crate::form::{
    AssistanceKind, CollectionMethod, Conduct, ConsentRegime, Factor, Form, Formality, IdentifierKind, PartyRole, YesNo,
};
use crate::identity::check_text;
use crate::{cbor_array, codes};
use serde::{Deserialize, Serialize};

/// Laws of a profile at most.
pub const MAX_LAWS: usize = 32;

codes! {
    /// A fact that an authority needs before it can act under a law: more than the minimum of the pro forma.
    pub enum FactNeeded {
        /// A whole message as it was received, with its headers.
        0 "message_sample" => MessageSample,
        /// An address of the sender's infrastructure with the time it was used.
        1 "ip_with_time" => IpWithTime,
        /// Who the suspected sender is: a name, or a company's number.
        2 "sender_identity" => SenderIdentity,
        /// Whom it advertised for.
        3 "advertiser" => Advertiser,
        /// Where the money went.
        4 "payment_recipient" => PaymentRecipient,
        /// When it took place.
        5 "period" => Period,
        /// How many messages.
        6 "volume" => Volume,
        /// How many persons were harmed.
        7 "victims" => Victims,
        /// What they lost.
        8 "loss" => Loss,
        /// A complaint of somebody who received it.
        9 "complaint" => Complaint,
        /// Which consent was missing, and under which regime.
        10 "consent_regime" => ConsentRegimeFact,
        /// Whether it was commercial.
        11 "commercial" => CommercialFact,
        /// The law breached where the requester is.
        12 "law_breached" => LawBreached,
        /// The article that empowers the requester.
        13 "authority_article" => AuthorityArticle,
        /// In which form evidence has to be to stand before a court.
        14 "evidence_format" => EvidenceFormat,
        /// Proceedings elsewhere, or that there are none.
        15 "proceedings" => Proceedings,
    }
}

impl FactNeeded {
    /// The field of the pro forma that tells it.
    pub const fn field(self) -> &'static str {
        match self {
            FactNeeded::MessageSample | FactNeeded::Complaint => "evidence",
            FactNeeded::IpWithTime
            | FactNeeded::SenderIdentity
            | FactNeeded::Advertiser
            | FactNeeded::PaymentRecipient => "parties",
            FactNeeded::Period => "period",
            FactNeeded::Volume => "volume",
            FactNeeded::Victims | FactNeeded::Loss => "harm",
            FactNeeded::ConsentRegimeFact => "consent_regime_breached",
            FactNeeded::CommercialFact => "commercial",
            FactNeeded::LawBreached => "law_breached",
            FactNeeded::AuthorityArticle => "legal_authority.article",
            FactNeeded::EvidenceFormat => "assistance",
            FactNeeded::Proceedings => "proceedings_elsewhere",
        }
    }

    /// Whether a pro forma tells it.
    pub fn told_by(self, form: &Form) -> bool {
        let parties = || form.parties.iter().flatten();
        let party = |role| parties().any(|p| p.role == role && !(p.names.is_empty() && p.identifiers.is_empty()));
        let items = || form.evidence.iter().flatten();
        let factor = |f| form.harm.iter().flatten().any(|h| h.factor == f && (h.band.is_some() || h.facts.is_some()));
        match self {
            FactNeeded::MessageSample => items().any(|i| i.media_type == "message/rfc822" && i.original),
            FactNeeded::Complaint => items().any(|i| i.method == CollectionMethod::UserComplaint),
            FactNeeded::IpWithTime => {
                parties().flat_map(|p| &p.identifiers).any(|i| i.kind == IdentifierKind::Ip && i.time.is_some())
            }
            FactNeeded::SenderIdentity => parties().any(|p| {
                p.role == PartyRole::SuspectedSender
                    && (!p.names.is_empty() || p.identifiers.iter().any(|i| i.kind == IdentifierKind::CompanyNo))
            }),
            FactNeeded::Advertiser => party(PartyRole::Advertiser),
            FactNeeded::PaymentRecipient => party(PartyRole::PaymentRecipient),
            FactNeeded::Period => form.period.is_some(),
            FactNeeded::Volume => form.volume.is_some(),
            FactNeeded::Victims => factor(Factor::Victims),
            FactNeeded::Loss => factor(Factor::Financial),
            FactNeeded::ConsentRegimeFact => form.consent_regime_breached.is_some(),
            FactNeeded::CommercialFact => matches!(form.commercial, Some(YesNo::Yes | YesNo::No)),
            FactNeeded::LawBreached => form.law_breached.is_some(),
            FactNeeded::AuthorityArticle => form.legal_authority.as_ref().is_some_and(|l| l.article.is_some()),
            FactNeeded::EvidenceFormat => form
                .assistance
                .iter()
                .flatten()
                .any(|a| a.formality == Some(Formality::Admissible) && a.format.is_some()),
            FactNeeded::Proceedings => form.proceedings_elsewhere.is_some(),
        }
    }
}

cbor_array! {
    /// One law, and what can be done under it.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Law {
        /// Its name.
        pub name: String,
        /// The article.
        #[serde(default)]
        pub article: Option<String>,
        /// Where it can be read.
        #[serde(default)]
        pub url: Option<String>,
        /// Its area.
        pub area: LawArea,
        /// Channels that it covers.
        pub channels: Vec<Channel>,
        /// Conduct that it covers; empty = any on these channels.
        #[serde(default)]
        pub conduct: Vec<Conduct>,
        /// Its rule of consent.
        pub consent_regime: ConsentRegime,
        /// Whether it covers commercial messages only.
        #[serde(default)]
        pub commercial_only: bool,
        /// What can be done under it.
        pub powers: Vec<Measure>,
        /// In which forms evidence stands before its courts: certified copy, witness statement, …
        #[serde(default)]
        pub evidence_formats: Vec<String>,
        /// What the authority needs to know before it can act.
        #[serde(default)]
        pub facts_needed: Vec<FactNeeded>,
    }
}

cbor_array! {
    /// What a participant's law covers. A newer one supersedes it. Without any law in it: there is none yet (plan row 8).
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct LegalProfile {
        /// Its laws.
        #[serde(default)]
        pub laws: Vec<Law>,
        /// What does not fit the fields: drafts before parliament, agreements on sharing, …
        #[serde(default)]
        pub note: Option<String>,
        /// RFC 3339 day of which it tells.
        pub as_of: String,
    }
}

fn ascending<T: PartialOrd>(path: &str, items: &[T], max: usize) -> Result<(), Fault> {
    let in_order = items.windows(2).all(|w| w[0] < w[1]);
    if items.len() > max || !in_order {
        return Err(Fault::here("each code once, in the order of the list of codes").within(path));
    }
    Ok(())
}

impl LegalProfile {
    /// Reads a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let profile: LegalProfile = cbor::decode(bytes, 16 * 1024)?;
        profile.check()?;
        Ok(profile)
    }

    /// The same with every list of codes in its order.
    pub fn in_order(mut self) -> Self {
        for law in &mut self.laws {
            law.channels.sort();
            law.channels.dedup();
            law.conduct.sort();
            law.conduct.dedup();
            law.powers.sort();
            law.powers.dedup();
            law.facts_needed.sort();
            law.facts_needed.dedup();
        }
        self
    }

    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.laws.len() > MAX_LAWS {
            return Err(Fault::here(format!("at most {MAX_LAWS}")).within("laws"));
        }
        check_text("note", self.note.as_deref().unwrap_or_default(), 0, 2000)?;
        if self.as_of.len() != 10 || !crate::form::when::is_date(&self.as_of) {
            return Err(Fault::here("must be a day: YYYY-MM-DD").within("as_of"));
        }
        for (i, law) in self.laws.iter().enumerate() {
            law.check().map_err(|f| f.within(&format!("laws.{i}")))?;
        }
        Ok(())
    }
}

impl Law {
    fn check(&self) -> Result<(), Fault> {
        check_text("name", &self.name, 1, 200)?;
        check_text("article", self.article.as_deref().unwrap_or("x"), 1, 100)?;
        check_text("url", self.url.as_deref().unwrap_or("x"), 1, 300)?;
        if self.channels.is_empty() {
            return Err(Fault::here("at least one").within("channels"));
        }
        ascending("channels", &self.channels, Channel::ALL.len())?;
        ascending("conduct", &self.conduct, Conduct::ALL.len())?;
        ascending("powers", &self.powers, Measure::ALL.len())?;
        ascending("facts_needed", &self.facts_needed, FactNeeded::ALL.len())?;
        if self.evidence_formats.len() > 16 {
            return Err(Fault::here("at most 16").within("evidence_formats"));
        }
        self.evidence_formats.iter().try_for_each(|f| check_text("evidence_formats", f, 1, 100))
    }

    /// How it is called: name and article.
    pub fn title(&self) -> String {
        match &self.article {
            Some(article) => format!("{}, {article}", self.name),
            None => self.name.clone(),
        }
    }

    /// Why it does not cover a pro forma at all; none where it may.
    fn bars(&self, form: &Form) -> Option<Bar> {
        if form.channel.is_some_and(|c| !self.channels.contains(&c)) {
            return Some(Bar::Channel);
        }
        if self.commercial_only && form.commercial == Some(YesNo::No) {
            return Some(Bar::NotCommercial);
        }
        let opposed = matches!(
            (self.consent_regime, form.consent_regime_breached),
            (ConsentRegime::OptOut, Some(ConsentRegime::OptIn))
        );
        let only_consent = form.conduct.iter().flatten().all(|c| matches!(c, Conduct::NoConsent));
        // where the only wrong is that nobody asked first, a law that asks for a way out does not know it
        (opposed && only_consent && form.conduct.as_ref().is_some_and(|c| !c.is_empty())).then_some(Bar::OptOut)
    }

    fn covers(&self, conduct: Conduct) -> bool {
        self.conduct.is_empty() || self.conduct.contains(&conduct)
    }
}

/// Why a law does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// Not on this channel.
    Channel,
    /// It covers commercial messages only.
    NotCommercial,
    /// It lets one send until told to stop.
    OptOut,
}

impl Bar {
    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Bar::Channel => "channel_not_covered",
            Bar::NotCommercial => "commercial_only",
            Bar::OptOut => "opt_out_regime",
        }
    }
}

/// The measures by which an assistance item could be given; empty where any authority can.
pub fn measures(kind: AssistanceKind) -> &'static [Measure] {
    match kind {
        AssistanceKind::ObtainEvidence | AssistanceKind::Identify => {
            &[Measure::ProductionOrder, Measure::SearchAndSeizure]
        }
        AssistanceKind::RecoverAssets => &[Measure::AssetRecovery],
        AssistanceKind::PreventFurtherMisconduct => {
            &[Measure::Warning, Measure::Injunction, Measure::Takedown, Measure::Fine]
        }
        AssistanceKind::WarnOrInjunct => &[Measure::Warning, Measure::Injunction],
        AssistanceKind::Takedown => &[Measure::Takedown],
        AssistanceKind::Inspect => &[Measure::SearchAndSeizure],
        _ => &[],
    }
}

/// One part of the conduct, and the laws that cover it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The conduct.
    pub conduct: Conduct,
    /// Places of the laws in the profile.
    pub laws: Vec<usize>,
}

/// An assistance item that the target's laws give no power for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powerless {
    /// The item, from 0.
    pub item: usize,
    /// What is asked for.
    pub kind: AssistanceKind,
}

/// How a pro forma stands to a legal profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Conduct that laws cover.
    pub covered: Vec<Covered>,
    /// Conduct that no law covers.
    pub not_covered: Vec<Conduct>,
    /// Laws that may apply, by channel, consent and whether it was commercial: places in the profile.
    pub applicable: Vec<usize>,
    /// Laws that do not apply, and why: places in the profile.
    pub barred: Vec<(usize, Bar)>,
    /// Assistance that no applicable law gives a power for.
    pub powerless: Vec<Powerless>,
    /// Facts that applicable laws need and the pro forma does not tell.
    pub will_ask: Vec<FactNeeded>,
}

impl Comparison {
    /// The laws that apply: places in the profile, ascending. The first is what `similar_target_law` can name. As long as
    /// no conduct is stated, all that may.
    pub fn laws(&self) -> Vec<usize> {
        if self.covered.is_empty() && self.not_covered.is_empty() {
            return self.applicable.clone();
        }
        let mut laws: Vec<usize> = self.covered.iter().flat_map(|c| c.laws.clone()).collect();
        laws.sort_unstable();
        laws.dedup();
        laws
    }
}

/// Compares a pro forma with what the target's law covers.
pub fn compare(form: &Form, profile: &LegalProfile) -> Comparison {
    let mut found = Comparison::default();
    let mut apply = Vec::new();
    for (at, law) in profile.laws.iter().enumerate() {
        match law.bars(form) {
            Some(bar) => found.barred.push((at, bar)),
            None => apply.push((at, law)),
        }
    }
    found.applicable = apply.iter().map(|(at, _)| *at).collect();
    for conduct in form.conduct.iter().flatten() {
        let laws: Vec<usize> = apply.iter().filter(|(_, l)| l.covers(*conduct)).map(|(at, _)| *at).collect();
        if laws.is_empty() {
            found.not_covered.push(*conduct);
        } else {
            found.covered.push(Covered { conduct: *conduct, laws });
        }
    }
    let used = found.laws();
    let used: Vec<&Law> = apply.iter().filter(|(at, _)| used.contains(at)).map(|(_, law)| *law).collect();
    for (item, asked) in form.assistance.iter().flatten().enumerate() {
        let needs = measures(asked.kind);
        if !needs.is_empty() && !used.iter().any(|law| needs.iter().any(|m| law.powers.contains(m))) {
            found.powerless.push(Powerless { item, kind: asked.kind });
        }
    }
    let mut facts: Vec<FactNeeded> = used.iter().flat_map(|law| law.facts_needed.iter().copied()).collect();
    facts.sort();
    facts.dedup();
    found.will_ask = facts.into_iter().filter(|fact| !fact.told_by(form)).collect();
    found
}

/// A profile of invented laws, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample() -> LegalProfile {
    let law = |name: &str, area, channels, conduct, consent_regime| Law {
        name: name.into(),
        article: Some("12".into()),
        url: Some("https://law.example/12".into()),
        area,
        channels,
        conduct,
        consent_regime,
        commercial_only: false,
        powers: vec![Measure::Warning, Measure::Fine, Measure::ProductionOrder],
        evidence_formats: vec!["Certified copy".into()],
        facts_needed: vec![FactNeeded::MessageSample, FactNeeded::Period],
    };
    LegalProfile {
        laws: vec![
            Law {
                commercial_only: true,
                ..law(
                    "Telecommunications Act",
                    LawArea::Telecommunications,
                    vec![Channel::Email, Channel::Sms],
                    vec![],
                    ConsentRegime::OptIn,
                )
            },
            law(
                "Consumer Code",
                LawArea::ConsumerProtection,
                vec![Channel::Email, Channel::Web],
                vec![Conduct::DeceptiveOffer, Conduct::AdvanceFee],
                ConsentRegime::NotApplicable,
            ),
        ],
        note: Some("Whether calls by machines are covered is before the courts.".into()),
        as_of: "2026-11-01".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cbor::encode;
    use crate::form::{self, Assistance, EvidenceItem, Period};
    use crate::id::Digest;

    fn form() -> Form {
        Form { channel: Some(Channel::Email), commercial: Some(YesNo::Yes), ..form::sample() }
    }

    #[test]
    fn a_profile_survives_its_bytes_and_faults_have_their_path() {
        assert_eq!(LegalProfile::decode(&encode(&sample())).unwrap(), sample());
        let none = LegalProfile { laws: vec![], note: None, as_of: "2026-11-01".into() };
        assert_eq!(LegalProfile::decode(&encode(&none)).unwrap(), none, "no law yet");
        let path = |change: fn(&mut LegalProfile)| {
            let mut profile = sample();
            change(&mut profile);
            profile.check().unwrap_err().path
        };
        assert_eq!(path(|p| p.as_of = "2026-13-01".into()), "as_of");
        assert_eq!(path(|p| p.laws[1].name.clear()), "laws.1.name");
        assert_eq!(path(|p| p.laws[0].channels.clear()), "laws.0.channels");
        assert_eq!(path(|p| p.laws[0].channels.reverse()), "laws.0.channels");
        assert_eq!(path(|p| p.laws = vec![p.laws[0].clone(); 33]), "laws");
        let mut disordered = sample();
        disordered.laws[0].channels.reverse();
        assert_eq!(disordered.in_order(), sample());
    }

    #[test]
    fn what_is_covered_by_which_law_and_what_by_none() {
        let found = compare(&form(), &sample());
        assert_eq!(found.covered[0], Covered { conduct: Conduct::DeceptiveOffer, laws: vec![0, 1] });
        assert!(found.not_covered.is_empty() && found.barred.is_empty());
        let unsolicited = Form { commercial: Some(YesNo::No), conduct: Some(vec![Conduct::NoConsent]), ..form() };
        let found = compare(&unsolicited, &sample());
        assert_eq!(found.barred, [(0, Bar::NotCommercial)]);
        assert_eq!(found.not_covered, [Conduct::NoConsent]);
        let early = Form { conduct: None, ..form() };
        assert_eq!(compare(&early, &sample()).laws(), [0, 1], "no conduct is stated yet");
        let call = Form { channel: Some(Channel::Robocall), ..form() };
        let found = compare(&call, &sample());
        assert_eq!(found.barred, [(0, Bar::Channel), (1, Bar::Channel)]);
        assert_eq!(found.not_covered.len(), 2);
        assert!(found.laws().is_empty() && found.will_ask.is_empty(), "a law that does not apply asks for nothing");
    }

    #[test]
    fn a_law_of_opting_out_does_not_know_the_wrong_of_not_asking_first() {
        let mut profile = sample();
        profile.laws.truncate(1);
        profile.laws[0].consent_regime = ConsentRegime::OptOut;
        let form =
            |conduct| Form { conduct: Some(conduct), consent_regime_breached: Some(ConsentRegime::OptIn), ..form() };
        assert_eq!(compare(&form(vec![Conduct::NoConsent]), &profile).barred, [(0, Bar::OptOut)]);
        assert!(compare(&form(vec![Conduct::NoConsent, Conduct::FalseHeader]), &profile).barred.is_empty());
    }

    #[test]
    fn the_target_asks_only_for_what_its_law_needs_and_the_form_does_not_tell() {
        let bare = form();
        assert_eq!(compare(&bare, &sample()).will_ask, [FactNeeded::MessageSample, FactNeeded::Period]);
        let (b3, sha) = (Digest([1; 32]), Digest([2; 32]));
        let mail = EvidenceItem::new("a.eml", "message/rfc822", 5, b3, sha, CollectionMethod::Spamtrap);
        let told =
            Form { evidence: Some(vec![mail]), period: Some(Period { from: "2026-10-01".into(), to: None }), ..bare };
        assert!(compare(&told, &sample()).will_ask.is_empty());
    }

    #[test]
    fn assistance_that_needs_a_power_which_no_law_gives_is_named() {
        let asked = |kind| Assistance::new(kind, "x");
        let form = Form {
            assistance: Some(vec![
                asked(AssistanceKind::Identify),
                asked(AssistanceKind::RecoverAssets),
                asked(AssistanceKind::AdviceOnLaw),
            ]),
            ..form()
        };
        let found = compare(&form, &sample());
        assert_eq!(found.powerless, [Powerless { item: 1, kind: AssistanceKind::RecoverAssets }]);
    }

    #[test]
    fn every_fact_is_told_by_the_whole_form_or_names_the_field_that_would() {
        let whole = form::whole();
        let silent: Vec<FactNeeded> = FactNeeded::ALL.iter().copied().filter(|f| !f.told_by(&whole)).collect();
        assert_eq!(silent, [FactNeeded::Advertiser, FactNeeded::PaymentRecipient], "not in that form");
        assert!(FactNeeded::ALL.iter().all(|f| !f.told_by(&Form::default())));
    }
}
