//! The records inside the pro forma (docs/protocol.md §6.2), and short ways to make them.

use super::codes::*;
use crate::id::{Digest, MsgId, Pid, ThreadId};
use crate::statement::Tlp;
use crate::{cbor_array, cbor_form, cbor_grown};
use serde::{Deserialize, Serialize};

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
    /// Where a referral that was passed on comes from (docs/protocol.md §6.1).
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Origin {
        /// The agency that asked first.
        pub requester: Pid,
        /// Its case with the one that passes it on.
        pub thread: ThreadId,
        /// Its signed submit.
        pub submit: MsgId,
        /// The proposal to pass it on.
        pub proposal: MsgId,
        /// Its signed consent; null where none was needed.
        #[serde(default)]
        pub consent: Option<MsgId>,
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

cbor_grown! {
    /// A typed identifier.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Identifier {
        /// What it is.
        pub kind: IdentifierKind,
        /// Its value, normalised.
        pub value: String;
        /// Of an IP address: the port.
        1 => pub port: u64,
        /// When it was seen in use, RFC 3339: behind an address of many, only this tells whose it was.
        2 => pub time: String,
    }
}

cbor_grown! {
    /// A person or a piece of infrastructure.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        /// Its seat: ISO 3166-1 alpha-2.
        #[serde(default)]
        pub country: Option<String>,
        /// How reliable the source is.
        #[serde(default)]
        pub source_reliability: Option<Reliability>,
        /// How accurate the information is, 1 (certain) to 4 (cannot be judged).
        #[serde(default)]
        pub information_accuracy: Option<u64>;
        /// Where it has which part, ascending by role and country.
        1 => pub locations: Vec<Location>,
        /// How sure the requester is that it belongs here.
        2 => pub confidence: Confidence,
        /// Its own marking, only stricter than the form's.
        3 => pub tlp: Tlp,
    }
}

cbor_grown! {
    /// One factor of the harm statement (docs/protocol.md §6.2): by its band, or by facts that the band follows from.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct HarmFactor {
        /// The factor.
        pub factor: Factor,
        /// The band, 0 up to the factor's top; null where it is unknown or follows from facts.
        #[serde(default)]
        pub band: Option<u64>,
        /// What the band rests on.
        pub basis: Basis;
        /// What the band follows from, where no band is stated.
        1 => pub facts: HarmFacts,
        /// Items of the manifest that show it: places in the list, from 0, ascending.
        2 => pub evidence: Vec<u64>,
    }
}

cbor_grown! {
    /// One thing asked for; each is decided on its own.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        pub needed_by: Option<String>;
        /// Whether the answer has to stand in court.
        1 => pub formality: Formality,
        /// If so, in which form: certified copy, witness statement, …
        2 => pub format: String,
    }
}

cbor_grown! {
    /// Urgency; it never raises harm.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        pub reasons: Option<String>;
        /// When it runs out, RFC 3339.
        1 => pub date: String,
    }
}

cbor_grown! {
    /// An item of the evidence manifest. The content travels apart.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        pub original: bool;
        /// The requester's own mark of the item, each once.
        1 => pub id: String,
        /// RFC 3339.
        2 => pub collected_at: String,
        /// Who collected it.
        3 => pub collected_by: Collector,
        /// Whether personal data is inside.
        4 => pub personal_data: bool,
        /// SHA-256 of the item of this manifest that this is a redacted copy of.
        5 => pub redaction_of: Digest,
        /// Through whose hands it went, oldest first.
        6 => pub custody: Vec<CustodyStep>,
        /// Announced only: its content does not travel with the referral.
        7 => pub held_back: bool,
    }
}

cbor_grown! {
    /// What the requester declares.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Declarations {
        /// What is stated is accurate to the best of its knowledge.
        pub accuracy: bool,
        /// It has the authority to ask.
        pub authority: bool,
        /// It keeps what comes back confidential.
        pub confidentiality: bool;
        /// Who else approved it, where the agency's policy asks for two.
        1 => pub second_approver: String,
    }
}

cbor_array! {
    /// What a party does in a country.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Location {
        /// What is there.
        pub role: LocationRole,
        /// ISO 3166-1 alpha-2.
        pub country: String,
    }
}

cbor_array! {
    /// A step of custody.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct CustodyStep {
        /// RFC 3339.
        pub at: String,
        /// What was done.
        pub what: CustodyAct,
        /// By whom.
        pub by: String,
        /// In words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

cbor_array! {
    /// A sum of money as it was lost, and what it was worth in US dollars. Rates are stated, never looked up.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Loss {
        /// In minor units of the currency.
        pub amount: u64,
        /// ISO 4217.
        pub currency: String,
        /// The same in cents of a US dollar; null where the currency is USD.
        #[serde(default)]
        pub usd_cents: Option<u64>,
        /// RFC 3339 date of the rate; null where the currency is USD.
        #[serde(default)]
        pub rate_date: Option<String>,
    }
}

impl Loss {
    /// In cents of a US dollar; none where the statement does not tell.
    pub fn cents(&self) -> Option<u64> {
        if self.currency == "USD" { Some(self.amount) } else { self.usd_cents }
    }
}

cbor_form! {
    /// What a factor's band follows from; each factor has its own.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(default, deny_unknown_fields)]
    pub struct HarmFacts {
        /// Of victims: persons harmed, not recipients.
        #[serde(skip_serializing_if = "Option::is_none")]
        1 => pub persons: u64,
        /// Of financial: what all of them lost.
        #[serde(skip_serializing_if = "Option::is_none")]
        2 => pub total_loss: Loss,
        /// Of financial: what the victim in the middle lost.
        #[serde(skip_serializing_if = "Option::is_none")]
        3 => pub median_loss: Loss,
        /// Of financial: the country whose income per head the median loss is held against.
        #[serde(skip_serializing_if = "Option::is_none")]
        4 => pub victims_country: String,
        /// Of financial: number of the table of incomes, [`super::income::TABLE`].
        #[serde(skip_serializing_if = "Option::is_none")]
        5 => pub income_table: u64,
        /// Of non_financial: what else was done to them, ascending.
        #[serde(skip_serializing_if = "Option::is_none")]
        6 => pub injuries: Vec<Injury>,
        /// Of gravity: the gravest that was done.
        #[serde(skip_serializing_if = "Option::is_none")]
        7 => pub gravest: Gravity,
        /// Of vulnerability: who is among them, ascending.
        #[serde(skip_serializing_if = "Option::is_none")]
        8 => pub groups: Vec<Vulnerable>,
        /// Of exposure: whether it goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        9 => pub state: Continuing,
    }
}

impl Identifier {
    /// An identifier, nothing else said of it.
    pub fn new(kind: IdentifierKind, value: impl Into<String>) -> Self {
        Identifier { kind, value: value.into(), port: None, time: None, unknown: Vec::new() }
    }
}

impl Party {
    /// A party of whom only the role is known yet.
    pub fn new(role: PartyRole) -> Self {
        Party {
            role,
            names: Vec::new(),
            identifiers: Vec::new(),
            country: None,
            source_reliability: None,
            information_accuracy: None,
            locations: None,
            confidence: None,
            tlp: None,
            unknown: Vec::new(),
        }
    }
}

impl HarmFactor {
    /// A factor that is not known.
    pub fn unknown(factor: Factor) -> Self {
        HarmFactor { factor, band: None, basis: Basis::Unknown, facts: None, evidence: None, unknown: Vec::new() }
    }

    /// A factor by its band.
    pub fn of_band(factor: Factor, band: u64, basis: Basis) -> Self {
        HarmFactor { band: Some(band), basis, ..Self::unknown(factor) }
    }

    /// A factor by facts.
    pub fn of_facts(factor: Factor, facts: HarmFacts, basis: Basis) -> Self {
        HarmFactor { facts: Some(facts), basis, ..Self::unknown(factor) }
    }
}

impl Assistance {
    /// One thing asked for, in words.
    pub fn new(kind: AssistanceKind, description: impl Into<String>) -> Self {
        Assistance {
            kind,
            description: description.into(),
            questions: Vec::new(),
            needed_by: None,
            formality: None,
            format: None,
            unknown: Vec::new(),
        }
    }
}

impl EvidenceItem {
    /// An original item that travels with the referral.
    pub fn new(
        name: impl Into<String>,
        media_type: impl Into<String>,
        size: u64,
        blake3: Digest,
        sha256: Digest,
        method: CollectionMethod,
    ) -> Self {
        EvidenceItem {
            name: name.into(),
            media_type: media_type.into(),
            size,
            blake3,
            sha256,
            description: None,
            method,
            original: true,
            id: None,
            collected_at: None,
            collected_by: None,
            personal_data: None,
            redaction_of: None,
            custody: None,
            held_back: None,
            unknown: Vec::new(),
        }
    }

    /// Whether its content is announced only.
    pub fn is_held_back(&self) -> bool {
        self.held_back == Some(true)
    }
}
