//! What agencies publish about their law and their work together, and who can act on a pro forma.

use super::{Name, Time};
use lapwing_record::directory::{Channel, LawArea};
use lapwing_record::form::{Conduct, Form};
use lapwing_record::register::{Action, ArrangementKind, Money, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stable code, and what it means here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// The code.
    pub code: String,
    /// In words.
    pub words: String,
}

/// Conduct that laws of the target cover.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CoveredView {
    /// The conduct.
    pub conduct: Conduct,
    /// The laws.
    pub laws: Vec<String>,
}

/// A law that does not apply.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BarredView {
    /// The law.
    pub law: String,
    /// `channel_not_covered`, `commercial_only` or `opt_out_regime`.
    pub why: String,
}

/// Assistance that no law of the target gives a power for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PowerlessView {
    /// The assistance item, from 0.
    pub item: usize,
    /// What is asked for.
    pub kind: String,
}

/// A fact that the target will ask for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WillAsk {
    /// The fact.
    pub fact: String,
    /// The field of the pro forma that would tell it.
    pub field: String,
}

/// How a pro forma stands to the target's law.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LegalView {
    /// The day of which the target tells.
    pub told: String,
    /// The laws that apply; the first fits `similar_target_law`.
    pub laws: Vec<String>,
    /// Conduct that laws cover.
    pub covered: Vec<CoveredView>,
    /// Conduct that no law covers.
    pub not_covered: Vec<Conduct>,
    /// Laws that do not apply, and why.
    pub not_applicable: Vec<BarredView>,
    /// Assistance that no applicable law gives a power for.
    pub without_power: Vec<PowerlessView>,
    /// Facts that the target will ask for.
    pub will_ask: Vec<WillAsk>,
    /// Forms in which evidence stands before its courts.
    pub evidence_formats: Vec<String>,
    /// What the target says beside it.
    pub note: Option<String>,
}

/// Asks who can act.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoCanAct {
    /// The pro forma as far as it is: channel, conduct, parties with locations, assistance, language.
    pub form: Form,
}

/// An agency, and how it fits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CandidateView {
    /// The agency.
    pub agency: Name,
    /// Whether it can be asked and has something to act on.
    pub can_act: bool,
    /// What speaks for it.
    pub reasons: Vec<Because>,
    /// What speaks against it.
    pub gaps: Vec<Because>,
    /// How the pro forma stands to its law; null where it published nothing.
    pub law: Option<LegalView>,
}

/// The agencies that can act on a pro forma, the one that fits best first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Candidates {
    /// Every agency in full standing but this one.
    pub items: Vec<CandidateView>,
    /// Journal position.
    pub as_of: u64,
}

/// Publishes an arrangement.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrangementIn {
    /// What a pro forma names it by: 2 to 32 characters of a-z, 0-9 and -.
    pub code: String,
    /// Its title.
    pub title: String,
    /// What binds the parties.
    pub kind: ArrangementKind,
    /// NAMES of the participants that are party to it, this one too.
    pub parties: Vec<String>,
    /// Parties that take no part in the federation.
    #[serde(default)]
    pub others: Vec<String>,
    /// Areas of law that it is about.
    #[serde(default)]
    pub areas: Vec<LawArea>,
    /// Day on which it was signed.
    pub signed_on: String,
    /// Day on which it ends.
    #[serde(default)]
    pub valid_until: Option<String>,
    /// Where it can be read.
    #[serde(default)]
    pub url: Option<String>,
    /// Ended: it counts no longer.
    #[serde(default)]
    pub ended: bool,
}

/// An arrangement of the register.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArrangementRow {
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: String,
    /// What binds the parties.
    pub kind: ArrangementKind,
    /// `agreed`, `claimed`, `ended` or `expired`.
    pub standing: String,
    /// The participants that are party to it.
    pub parties: Vec<Name>,
    /// Parties that take no part in the federation.
    pub others: Vec<String>,
    /// Parties that have published it.
    pub published_by: Vec<String>,
    /// Parties that take part here and have not.
    pub missing: Vec<String>,
    /// Areas of law.
    pub areas: Vec<LawArea>,
    /// Day on which it was signed.
    pub signed_on: String,
    /// Day on which it ends.
    pub valid_until: Option<String>,
    /// Where it can be read.
    pub url: Option<String>,
}

/// Publishes an outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeIn {
    /// Its name here: a newer one of the same name supersedes it.
    pub slot: String,
    /// What it was about, in a line. No persons.
    pub title: String,
    /// Day of the action.
    pub on: String,
    /// What was done.
    pub action: Action,
    /// Under which area of law.
    pub area: LawArea,
    /// The channel of the conduct.
    pub channel: Channel,
    /// The conduct.
    #[serde(default)]
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
    /// NAMES of agencies that helped.
    #[serde(default)]
    pub with: Vec<String>,
    /// Countries that it touched.
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
    /// For agencies only: goes to log 2 and is never sent to anyone else.
    #[serde(default)]
    pub agency_only: bool,
}

/// An outcome in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRow {
    /// Whose.
    pub of: Name,
    /// The record.
    pub outcome: Outcome,
    /// For agencies only.
    pub agency_only: bool,
    /// The entry that it stands in.
    pub entry: String,
    /// When it was published.
    #[schemars(extend("format" = "date-time"))]
    pub published: Time,
}
