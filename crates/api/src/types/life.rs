//! The life of a referral beyond its submit: what is due, what each side thinks of the harm, who released what.

use super::Time;
use crate::harm::{HarmTable, HarmView};
use lapwing_record::form::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What follows from everything that was said in a case (docs/protocol.md §6.1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Life {
    /// What has become of each assistance item, by its number: `open`, `accepted`, `refused`, `answered` or
    /// `transferred`.
    pub items: BTreeMap<String, String>,
    /// What the target owes, in the order of a case's life.
    pub due: Vec<DueView>,
    /// Every version of the pro forma, oldest first: the submit, and each supplement that changed it.
    pub form_history: Vec<FormVersion>,
    /// The harm as each side sees it: the newest assessment of either, the requester's own form where it made no other.
    pub assessments: Vec<AssessmentView>,
    /// Releases beyond the markings, by the ones whose content it is.
    pub consents: Vec<ConsentView>,
    /// Proposals to pass the case on.
    pub transfers: Vec<TransferView>,
    /// What became of each complaint of a batch, in the batch's order; those of which nothing was said are left out.
    pub complaints: Vec<ComplaintView>,
    /// The newest statement of the target that a person of the requester has read.
    pub read_by_requester: Option<String>,
    /// The newest statement of the requester that a person of the target has read.
    pub read_by_target: Option<String>,
}

/// Something that the target owes by the published targets. They bind nobody.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DueView {
    /// `acknowledge`, `decide` or `deliver`.
    pub what: String,
    /// By when: the published target, or a later date that was announced.
    #[schemars(extend("format" = "date-time"))]
    pub by: Time,
    /// By the published target alone.
    #[schemars(extend("format" = "date-time"))]
    pub target: Time,
    /// Whether the clock stands still: the requester is asked.
    pub stopped: bool,
    /// Whether it is late.
    pub overdue: bool,
}

/// A version of the pro forma.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FormVersion {
    /// The statement that made it.
    pub statement: String,
    /// When it was said, by the requester's clock.
    #[schemars(extend("format" = "date-time"))]
    pub said: Time,
    /// The fields that it stated.
    pub stated: Form,
}

/// One side's view of the harm.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AssessmentView {
    /// `requester` or `target`.
    pub by: String,
    /// The statement that it stands in.
    pub statement: String,
    /// When it was said, by its signer's clock.
    #[schemars(extend("format" = "date-time"))]
    pub said: Time,
    /// The score.
    pub harm: HarmView,
    /// What it is made of.
    pub table: HarmTable,
    /// What it rests on, in words.
    pub note: Option<String>,
}

/// A release beyond the markings.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConsentView {
    /// Whose content: `requester` or `target`.
    pub by: String,
    /// The statement.
    pub statement: String,
    /// The request or proposal that it answers; null where it was volunteered.
    pub answers: Option<String>,
    /// Ids of participants that may have it.
    pub onward: Vec<String>,
    /// Whether competent agencies of the receiver's own country may have it.
    pub domestic: bool,
    /// Whether others may have it, as the statement says.
    pub dissemination: bool,
    /// Whether it may be used before a court.
    pub judicial_use: bool,
    /// Until when it holds.
    pub until: Option<Time>,
    /// Whether conditions stand in the statement.
    pub conditional: bool,
}

/// A proposal to pass items on to another agency, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TransferView {
    /// The proposal.
    pub proposal: String,
    /// The other agency: a short name or an id.
    pub to: String,
    /// The assistance items.
    pub items: Vec<u64>,
    /// `proposed`, `agreed`, `declined` or `transferred`.
    pub state: String,
    /// Whether it may be carried out now without more consent.
    pub may_go: bool,
    /// The new case, once it is told.
    pub thread: Option<String>,
}

/// The latest outcome of a complaint of a batch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComplaintView {
    /// Its place in the batch, from 0.
    pub complaint: u64,
    /// The requester's own reference of it; null where the batch cannot be read here.
    pub reference: Option<String>,
    /// `action_taken`, `merged_with`, `no_action`, `not_competent` or `pending`.
    pub outcome: String,
    /// The target's reference that it goes on under.
    pub merged_with: Option<String>,
    /// In words.
    pub note: Option<String>,
    /// The statement that says so.
    pub statement: String,
    /// When it was said, by the target's clock.
    #[schemars(extend("format" = "date-time"))]
    pub said: Time,
}

/// Passes items of a case on to the agency that a proposal names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassOn {
    /// The proposal: the id of our own statement.
    pub proposal: String,
    /// Slot of a point of contact of ours that the new agency turns to.
    pub poc_ref: String,
    /// Our own reference; the requester's where it is left out.
    #[serde(default)]
    pub requester_ref: Option<String>,
}
