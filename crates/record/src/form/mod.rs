//! The pro forma: what one agency asks of another (referral.md §1). Reconstructed from neighbouring instruments; never
//! call it the official form.
//!
//! A form is an array of `[field_no, value]`, strictly ascending, unknown fields kept, so that a later version's form
//! survives an older node bit-exact. The JSON and TOML names are the struct's.

pub mod check;
mod codes;

pub use codes::*;

use crate::cbor::{self, DecodeError};
use crate::directory::Channel;
use crate::id::Digest;
use crate::statement::Tlp;
use crate::{cbor_array, cbor_form};
use serde::{Deserialize, Serialize};

/// The version of the form that this code writes.
pub const FORM_VERSION: u64 = 1;
/// Bytes of a form at most.
pub const MAX_FORM: usize = 128 * 1024;

cbor_array! {
    /// The law that the requester acts under.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct LegalAuthority {
        /// The law.
        pub law: String,
        /// The article.
        #[serde(default)]
        pub article: Option<String>,
        /// Where it can be read.
        #[serde(default)]
        pub url: Option<String>,
    }
}

cbor_array! {
    /// When the conduct took place.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Period {
        /// RFC 3339 date or time.
        pub from: String,
        /// RFC 3339 date or time; null while it goes on.
        #[serde(default)]
        pub to: Option<String>,
    }
}

cbor_array! {
    /// A typed identifier.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Identifier {
        /// What it is.
        pub kind: IdentifierKind,
        /// Its value, normalised.
        pub value: String,
    }
}

cbor_array! {
    /// A person or a piece of infrastructure.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Party {
        /// Its part in the conduct.
        pub role: PartyRole,
        /// Names.
        #[serde(default)]
        pub names: Vec<String>,
        /// Identifiers.
        #[serde(default)]
        pub identifiers: Vec<Identifier>,
        /// Country, ISO 3166-1 alpha-2, and what is there.
        #[serde(default)]
        pub country: Option<String>,
        /// How reliable the source is.
        #[serde(default)]
        pub source_reliability: Option<Reliability>,
        /// How accurate the information is, 1 (certain) to 4 (cannot be judged).
        #[serde(default)]
        pub information_accuracy: Option<u64>,
    }
}

cbor_array! {
    /// One factor of the harm statement (referral.md §3).
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct HarmFactor {
        /// The factor.
        pub factor: Factor,
        /// The band, 0 up to the factor's top; null where unknown.
        #[serde(default)]
        pub band: Option<u64>,
        /// What the band rests on.
        pub basis: Basis,
    }
}

cbor_array! {
    /// One thing asked for; each is decided on its own.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Assistance {
        /// What.
        pub kind: AssistanceKind,
        /// In words.
        pub description: String,
        /// Questions to be answered.
        #[serde(default)]
        pub questions: Vec<String>,
        /// RFC 3339 date.
        #[serde(default)]
        pub needed_by: Option<String>,
    }
}

cbor_array! {
    /// Urgency; it never raises harm.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Urgency {
        /// How urgent.
        pub level: UrgencyLevel,
        /// What runs out.
        #[serde(default)]
        pub perishability: Option<Perishability>,
        /// Reasons.
        #[serde(default)]
        pub reasons: Option<String>,
    }
}

cbor_array! {
    /// An item of the evidence manifest. The content travels apart.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct EvidenceItem {
        /// Its name; text from outside, never a path.
        pub name: String,
        /// Media type.
        pub media_type: String,
        /// Bytes.
        pub size: u64,
        /// BLAKE3 of the content.
        pub blake3: Digest,
        /// SHA-256 of the content.
        pub sha256: Digest,
        /// What it is.
        #[serde(default)]
        pub description: Option<String>,
        /// How it was come by.
        pub method: CollectionMethod,
        /// Whether it is the original.
        pub original: bool,
    }
}

cbor_array! {
    /// What the requester declares.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Declarations {
        /// What is stated is accurate to the best of its knowledge.
        pub accuracy: bool,
        /// It has the authority to ask.
        pub authority: bool,
        /// It keeps what comes back confidential.
        pub confidentiality: bool,
    }
}

cbor_form! {
    /// The pro forma, version 1. Every field may be absent; what must be there is [`check::check`]'s to say.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(default, deny_unknown_fields)]
    pub struct Form {
        // A header
        /// Version of the form.
        1 => pub pro_forma_version: u64,
        /// What kind of referral.
        2 => pub kind: ReferralKind,
        /// At most 160 characters.
        3 => pub subject_line: String,
        /// The requester's own reference.
        4 => pub requester_ref: String,
        /// Several referrals of one campaign.
        5 => pub campaign_ref: String,
        /// Language of the form, BCP 47.
        6 => pub language: String,
        /// RFC 3339.
        7 => pub created_at: String,
        // B requesting authority
        /// Slot of a live point-of-contact record of the requester.
        20 => pub poc_ref: String,
        /// Who works on it.
        21 => pub case_officer: String,
        /// The law that the requester acts under.
        22 => pub legal_authority: LegalAuthority,
        /// Codes of arrangements.
        23 => pub arrangement: Vec<String>,
        /// How far the requester's case is.
        24 => pub stage: CaseStage,
        /// What kind of proceedings.
        25 => pub matter: Matter,
        // C handling
        /// TLP 2.0.
        40 => pub tlp: Tlp,
        /// Permissible Actions Protocol.
        41 => pub pap: Pap,
        /// H0 to H3.
        42 => pub handling_codes: Vec<String>,
        /// Whether confidentiality is requested.
        43 => pub confidentiality_requested: bool,
        /// What it may be used for.
        44 => pub permitted_purpose: String,
        /// Whether it may be passed on.
        45 => pub onward: Onward,
        /// RFC 3339 date.
        46 => pub retention_until: String,
        /// Whether personal data is inside.
        47 => pub personal_data: bool,
        /// Whether the subject may be told.
        48 => pub subject_may_be_told: bool,
        // D conduct
        /// The channel.
        60 => pub channel: Channel,
        /// What was done.
        61 => pub conduct: Vec<Conduct>,
        /// Whether it was commercial.
        62 => pub commercial: YesNo,
        /// Which consent regime it breached.
        63 => pub consent_regime_breached: ConsentRegime,
        /// When.
        64 => pub period: Period,
        /// How many messages.
        65 => pub volume: u64,
        /// Languages of the messages.
        66 => pub message_languages: Vec<String>,
        /// At most 4,000 characters.
        67 => pub narrative: String,
        /// The law breached.
        68 => pub law_breached: String,
        // E persons and infrastructure
        /// Repeatable.
        80 => pub parties: Vec<Party>,
        // F harm
        /// The six factors.
        100 => pub harm: Vec<HarmFactor>,
        // G assistance
        /// Repeatable; each decided on its own.
        120 => pub assistance: Vec<Assistance>,
        // H urgency
        /// Urgency.
        140 => pub urgency: Urgency,
        // I evidence
        /// The manifest.
        160 => pub evidence: Vec<EvidenceItem>,
        // J deconfliction
        /// Other agencies contacted; may be none or withheld.
        180 => pub other_agencies_contacted: String,
        /// Whom not to contact.
        181 => pub do_not_contact: Vec<String>,
        // K declarations
        /// Declarations.
        200 => pub declarations: Declarations,
    }
}

impl Form {
    /// Reads a form's bytes. What must be filled in is not checked here: see [`check::check`].
    pub fn decode(bytes: &[u8]) -> Result<Form, DecodeError> {
        cbor::decode(bytes, MAX_FORM)
    }
}

/// A filled-in form of invented parties, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample() -> Form {
    let known = |factor, band| HarmFactor { factor, band: Some(band), basis: Basis::CountedComplaints };
    Form {
        pro_forma_version: Some(FORM_VERSION),
        kind: Some(ReferralKind::RequestEnforcement),
        subject_line: Some("Advance-fee mails from hosting.example".into()),
        requester_ref: Some("HB-2026-001".into()),
        language: Some("en".into()),
        created_at: Some("2026-11-01".into()),
        poc_ref: Some("intake".into()),
        legal_authority: Some(LegalAuthority { law: "Spam Act".into(), article: Some("12".into()), url: None }),
        tlp: Some(Tlp::AmberStrict),
        retention_until: Some("2028-01-31".into()),
        channel: Some(Channel::Email),
        conduct: Some(vec![Conduct::DeceptiveOffer, Conduct::AdvanceFee]),
        narrative: Some("Forty complaints within a week; the replies lead to one collector.".into()),
        parties: Some(vec![Party {
            role: PartyRole::SuspectedSender,
            names: vec![],
            identifiers: vec![Identifier { kind: IdentifierKind::Ip, value: "192.0.2.7".into() }],
            country: Some("NL".into()),
            source_reliability: Some(Reliability::B),
            information_accuracy: Some(2),
        }]),
        harm: Some(vec![known(Factor::Victims, 2), known(Factor::Gravity, 3)]),
        assistance: Some(vec![Assistance {
            kind: AssistanceKind::Identify,
            description: "Who rents 192.0.2.7?".into(),
            questions: vec![],
            needed_by: Some("2026-12-31".into()),
        }]),
        declarations: Some(Declarations { accuracy: true, authority: true, confidentiality: true }),
        ..Form::default()
    }
}
