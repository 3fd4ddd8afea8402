//! The pro forma: what one agency asks of another (docs/protocol.md §6.2). Reconstructed from neighbouring instruments; never
//! call it the official form.
//!
//! A form is an array of `[field_no, value]`, strictly ascending, unknown fields kept, so that a later version's form
//! survives an older node bit-exact. The JSON and TOML names are the struct's. Whom a referral goes to stands in the
//! statement around it: one target each, several of one campaign share a `campaign_ref`.

pub mod check;
mod codes;
mod complaints;
pub mod harm;
pub mod income;
mod parts;
pub mod when;

pub use codes::*;
pub use complaints::*;
pub use parts::*;

use crate::cbor::{self, Cbor, DecodeError};
use crate::cbor_form;
use crate::directory::Channel;
use crate::id::ThreadId;
use crate::statement::Tlp;
use serde::{Deserialize, Serialize};

/// The version of the form that this code writes.
pub const FORM_VERSION: u64 = 1;
/// The arrangement that every participant has: the Plan itself.
pub const LAP_BEST_EFFORTS: &str = "lap_best_efforts";
/// Bytes of a form at most.
pub const MAX_FORM: usize = 128 * 1024;

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
        /// References of related cases, each once; either side's.
        #[serde(skip_serializing_if = "Option::is_none")]
        9 => pub related: Vec<String>,
        /// The referral that this one replaces.
        #[serde(skip_serializing_if = "Option::is_none")]
        10 => pub supersedes: ThreadId,
        /// Where the referral comes from, if it was passed on to the agency that is asked now.
        #[serde(skip_serializing_if = "Option::is_none")]
        11 => pub transferred_from: Origin,
        // B requesting authority
        /// Slot of a live point-of-contact record of the requester.
        20 => pub poc_ref: String,
        /// Who works on it.
        21 => pub case_officer: String,
        /// The law that the requester acts under.
        22 => pub legal_authority: LegalAuthority,
        /// Codes of arrangements, ascending: memoranda, or [`LAP_BEST_EFFORTS`].
        23 => pub arrangement: Vec<String>,
        /// How far the requester's case is.
        24 => pub stage: CaseStage,
        /// What kind of proceedings.
        25 => pub matter: Matter,
        /// Whether it is a preliminary inquiry only: may we, and would you?
        #[serde(skip_serializing_if = "Option::is_none")]
        26 => pub preliminary_inquiry: bool,
        // C handling
        /// TLP 2.0.
        40 => pub tlp: Tlp,
        /// Permissible Actions Protocol.
        41 => pub pap: Pap,
        /// `H0` crime prevention only, `H1` no judicial use without permission, `H2` no dissemination without permission,
        /// `H3:` and a condition in words; ascending.
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
        /// Whether it may be used before a court.
        #[serde(skip_serializing_if = "Option::is_none")]
        49 => pub judicial_use: JudicialUse,
        /// Whether the requester is to be told when a court or an information law forces disclosure.
        #[serde(skip_serializing_if = "Option::is_none")]
        50 => pub notify_on_compelled_disclosure: bool,
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
        /// What the volume rests on.
        #[serde(skip_serializing_if = "Option::is_none")]
        69 => pub volume_basis: Basis,
        /// The target's law that is substantially similar.
        #[serde(skip_serializing_if = "Option::is_none")]
        70 => pub similar_target_law: String,
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
        /// Other agencies contacted: `none`, `withheld` or `listed`.
        180 => pub other_agencies_contacted: String,
        /// Whom not to contact.
        181 => pub do_not_contact: Vec<String>,
        /// Their names, where field 180 is `listed`.
        #[serde(skip_serializing_if = "Option::is_none")]
        182 => pub agencies_contacted: Vec<String>,
        /// Proceedings elsewhere: court or authority, reference, state.
        #[serde(skip_serializing_if = "Option::is_none")]
        183 => pub proceedings_elsewhere: Vec<String>,
        // K declarations
        /// Declarations.
        200 => pub declarations: Declarations,
        // L complaints of a batch
        /// Of a complaint_batch: one by one, in an order that stays; outcomes name each by its place.
        #[serde(skip_serializing_if = "Option::is_none")]
        220 => pub complaints: Vec<Complaint>,
    }
}

impl Form {
    /// Reads a form's bytes. What must be filled in is not checked here: see [`check::check`].
    pub fn decode(bytes: &[u8]) -> Result<Form, DecodeError> {
        cbor::decode(bytes, MAX_FORM)
    }

    /// This form with what a supplement says laid over it: items of evidence are added, whatever else is stated
    /// replaces what was there (docs/protocol.md §6.1).
    pub fn supplemented(&self, change: &Form) -> Form {
        let fields = |form: &Form| cbor::by_number(form.to_value()).unwrap_or_default();
        let mut merged: std::collections::BTreeMap<u64, cbor::Value> = fields(self).into_iter().collect();
        merged.extend(fields(change).into_iter().filter(|(no, _)| *no != EVIDENCE_FIELD));
        let mut form = Form::from_value(cbor::numbered(merged.into_iter().collect())).unwrap_or_else(|_| self.clone());
        if let Some(more) = &change.evidence {
            form.evidence.get_or_insert_default().extend(more.iter().cloned());
        }
        form
    }
}

/// The manifest's field.
const EVIDENCE_FIELD: u64 = 160;

/// A filled-in form of invented parties, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample() -> Form {
    let known = |factor, band| HarmFactor::of_band(factor, band, Basis::CountedComplaints);
    let mut sender = Party::new(PartyRole::SuspectedSender);
    sender.identifiers = vec![Identifier::new(IdentifierKind::Ip, "192.0.2.7")];
    sender.country = Some("NL".into());
    sender.source_reliability = Some(Reliability::B);
    sender.information_accuracy = Some(2);
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
        parties: Some(vec![sender]),
        harm: Some(vec![known(Factor::Victims, 2), known(Factor::Gravity, 3)]),
        assistance: Some(vec![Assistance {
            needed_by: Some("2026-12-31".into()),
            ..Assistance::new(AssistanceKind::Identify, "Who rents 192.0.2.7?")
        }]),
        declarations: Some(Declarations {
            accuracy: true,
            authority: true,
            confidentiality: true,
            ..Declarations::default()
        }),
        ..Form::default()
    }
}

/// A batch of two complaints of invented parties, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn sample_batch() -> Form {
    let complaint = |reference: &str, sender: Identifier| Complaint {
        reference: reference.into(),
        received: "2026-10-21".into(),
        channel: Channel::Sms,
        sender,
        conduct: vec![Conduct::NoConsent, Conduct::AdvanceFee],
        country: "KE".into(),
        loss: None,
        evidence: None,
        unknown: Vec::new(),
    };
    let loss = Loss { amount: 90_000, currency: "USD".into(), usd_cents: None, rate_date: None };
    Form {
        kind: Some(ReferralKind::ComplaintBatch),
        harm: None,
        assistance: None,
        complaints: Some(vec![
            Complaint { loss: Some(loss), ..complaint("C-1", Identifier::new(IdentifierKind::Phone, "+254700000001")) },
            complaint("C-2", Identifier::new(IdentifierKind::SenderId, "PRIZES")),
        ]),
        ..sample()
    }
}

/// A form of invented parties with every field filled in, for tests and examples.
#[cfg(any(test, feature = "testkit"))]
pub fn whole() -> Form {
    use crate::id::{Digest, MsgId, Pid};
    let day = |text: &str| Some(text.to_owned());
    let texts = |list: &[&str]| Some(list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    let mut sender = Party::new(PartyRole::SuspectedSender);
    sender.names = vec!["Parcel Prize Office".into()];
    sender.identifiers = vec![
        Identifier {
            port: Some(25),
            time: day("2026-10-20T08:15:30Z"),
            ..Identifier::new(IdentifierKind::Ip, "192.0.2.7")
        },
        Identifier::new(IdentifierKind::Domain, "prize.example"),
    ];
    sender.country = Some("NL".into());
    sender.source_reliability = Some(Reliability::B);
    sender.information_accuracy = Some(2);
    let located = |role, country: &str| Location { role, country: country.into() };
    sender.locations = Some(vec![located(LocationRole::Origin, "NL"), located(LocationRole::Payment, "BR")]);
    sender.confidence = Some(Confidence::Medium);
    sender.tlp = Some(Tlp::Red);
    let harm = |factor, facts| HarmFactor::of_facts(factor, facts, Basis::CountedComplaints);
    let none = HarmFacts::default;
    let total =
        Loss { amount: 12_600_000, currency: "EUR".into(), usd_cents: Some(13_600_000), rate_date: day("2026-10-30") };
    let median = Loss { amount: 90_000, currency: "USD".into(), usd_cents: None, rate_date: None };
    let financial = HarmFacts {
        total_loss: Some(total),
        median_loss: Some(median),
        victims_country: Some("KE".into()),
        income_table: Some(income::TABLE),
        ..none()
    };
    let step = |at: &str, what, by: &str, note: Option<&str>| CustodyStep {
        at: at.into(),
        what,
        by: by.into(),
        note: note.map(str::to_owned),
    };
    let item = |n: u8, name: &str| {
        let (blake3, sha256) = (Digest([n; 32]), Digest([n + 100; 32]));
        EvidenceItem::new(name, "message/rfc822", 12_345, blake3, sha256, CollectionMethod::UserComplaint)
    };
    let first = EvidenceItem {
        description: Some("The first mail".into()),
        id: Some("E1".into()),
        collected_at: day("2026-10-21"),
        collected_by: Some(Collector::Complainant),
        personal_data: Some(true),
        custody: Some(vec![
            step("2026-10-21", CustodyAct::Received, "Intake desk", None),
            step("2026-10-22T09:00:00Z", CustodyAct::Redacted, "Intake desk", Some("The victim's address")),
        ]),
        held_back: Some(true),
        ..item(1, "mail.eml")
    };
    let redacted = EvidenceItem {
        original: false,
        id: Some("E2".into()),
        collected_at: day("2026-10-22"),
        collected_by: Some(Collector::Requester),
        personal_data: Some(false),
        redaction_of: Some(first.sha256),
        ..item(2, "mail-redacted.eml")
    };
    Form {
        campaign_ref: Some("C-1".into()),
        related: texts(&["HB-2025-117"]),
        supersedes: Some(ThreadId([7; 32])),
        transferred_from: Some(Origin {
            requester: Pid([8; 32]),
            thread: ThreadId([9; 32]),
            submit: MsgId([10; 32]),
            proposal: MsgId([11; 32]),
            consent: Some(MsgId([12; 32])),
        }),
        case_officer: Some("A. Officer".into()),
        arrangement: texts(&[LAP_BEST_EFFORTS, "mou-2005-3"]),
        stage: Some(CaseStage::OpenInvestigation),
        matter: Some(Matter::Administrative),
        preliminary_inquiry: Some(false),
        pap: Some(Pap::Amber),
        handling_codes: texts(&["H1", "H3:not to be shown to hosting.example"]),
        confidentiality_requested: Some(true),
        permitted_purpose: Some("Enforcement of the law on unsolicited messages".into()),
        onward: Some(Onward::Ask),
        personal_data: Some(true),
        subject_may_be_told: Some(false),
        judicial_use: Some(JudicialUse::Ask),
        notify_on_compelled_disclosure: Some(true),
        commercial: Some(YesNo::Yes),
        consent_regime_breached: Some(ConsentRegime::OptIn),
        period: Some(Period { from: "2026-09-01".into(), to: day("2026-10-20") }),
        volume: Some(250_000),
        volume_basis: Some(Basis::ProviderData),
        message_languages: texts(&["sw", "en"]),
        law_breached: Some("Spam Act, section 16".into()),
        similar_target_law: Some("Telecommunications Act, article 11.7".into()),
        parties: Some(vec![sender]),
        harm: Some(vec![
            HarmFactor {
                evidence: Some(vec![0, 1]),
                ..harm(Factor::Victims, HarmFacts { persons: Some(140), ..none() })
            },
            harm(Factor::Financial, financial),
            harm(
                Factor::NonFinancial,
                HarmFacts { injuries: Some(vec![Injury::DataTaken, Injury::DistressOrExtortion]), ..none() },
            ),
            harm(Factor::Gravity, HarmFacts { gravest: Some(Gravity::Fraud), ..none() }),
            harm(
                Factor::Vulnerability,
                HarmFacts { groups: Some(vec![Vulnerable::Elderly, Vulnerable::LowIncome]), ..none() },
            ),
            harm(Factor::Exposure, HarmFacts { state: Some(Continuing::Ongoing), ..none() }),
        ]),
        assistance: Some(vec![Assistance {
            questions: vec!["Since when?".into()],
            needed_by: day("2026-12-31"),
            formality: Some(Formality::Admissible),
            format: Some("Certified copy".into()),
            ..Assistance::new(AssistanceKind::Identify, "Who rents 192.0.2.7?")
        }]),
        urgency: Some(Urgency {
            level: UrgencyLevel::TimeCritical,
            perishability: Some(Perishability::LogExpiry),
            reasons: Some("The provider keeps its logs for three months.".into()),
            date: day("2027-01-20"),
            unknown: Vec::new(),
        }),
        evidence: Some(vec![first, redacted]),
        other_agencies_contacted: Some("listed".into()),
        agencies_contacted: texts(&["Consumer Office"]),
        do_not_contact: texts(&["hosting.example"]),
        proceedings_elsewhere: texts(&["District Court, 26/117, pending"]),
        declarations: Some(Declarations {
            accuracy: true,
            authority: true,
            confidentiality: true,
            second_approver: Some("B. Officer".into()),
            unknown: Vec::new(),
        }),
        ..sample()
    }
}
