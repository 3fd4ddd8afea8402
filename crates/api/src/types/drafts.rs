//! Drafts: pro formas that nobody was sent yet, and templates to begin with.

use super::{EvidenceView, HarmView, Name, Time};
use lapwing_record::form::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Opens a draft.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftNew {
    /// What to begin with: another draft, a template, or an own case; its pro forma and its evidence are copied.
    #[serde(default)]
    pub from: Option<String>,
    /// NAME of the target, where it is known already.
    #[serde(default)]
    pub to: Option<String>,
}

/// Saves a draft's pro forma: whatever is filled in so far.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftSave {
    /// NAME of the target, where it is known already.
    #[serde(default)]
    pub to: Option<String>,
    /// The pro forma.
    pub form: Form,
    /// Makes it a template of this name: something to begin with that is never sent itself.
    #[serde(default)]
    pub template: Option<String>,
}

/// An officer who approved a draft as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DraftApproval {
    /// The name of the token.
    pub by: String,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub at: Time,
    /// Whether it is for the draft as it stands now: a change ends an approval.
    pub stands: bool,
}

/// A draft in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DraftRow {
    /// The thread.
    pub thread: String,
    /// The template's name, where it is one.
    pub template: Option<String>,
    /// The target.
    pub to: Option<Name>,
    /// The subject line.
    pub subject: Option<String>,
    /// Harm as far as it is known; null where no pro forma was saved.
    pub harm: Option<HarmView>,
    /// Items of evidence.
    pub evidence: usize,
    /// When its pro forma was last saved; null where none was.
    #[schemars(extend("format" = "date-time"))]
    pub saved: Option<Time>,
    /// By whom.
    pub by: Option<String>,
    /// Who approved it.
    pub approvals: Vec<DraftApproval>,
}

/// A draft.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DraftDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: DraftRow,
    /// The pro forma; null where none was saved.
    pub form: Option<Form>,
    /// Evidence.
    pub items: Vec<EvidenceView>,
    /// Journal position.
    pub as_of: u64,
}
