//! What an agency keeps to itself about a case: notes that are never sent, who works on it, who is away.

use super::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Writes a note.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteNew {
    /// The text. It stays on this node.
    pub text: String,
}

/// A note.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoteView {
    /// Number within the case, from 0.
    pub n: u64,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub at: Time,
    /// The name of the token that wrote it.
    pub by: String,
    /// `note`, or `sent_ahead`: why a less harmful case was sent ahead of a more harmful one.
    pub kind: String,
    /// The text; null where it cannot be read any more.
    pub text: Option<String>,
}

/// Says who works on a case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The name of an officer's token; null: nobody.
    #[serde(deserialize_with = "Option::deserialize")]
    pub to: Option<String>,
}

/// Says that somebody is away, or is back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceNew {
    /// The name of a token; the caller's own where it is left out.
    #[serde(default)]
    pub who: Option<String>,
    /// From when on; null or left out: from now.
    #[serde(default)]
    pub from: Option<Time>,
    /// Until when; null: back, the absence ends.
    #[serde(deserialize_with = "Option::deserialize")]
    pub until: Option<Time>,
    /// Who acts meanwhile: the name of an officer's token.
    #[serde(default)]
    pub delegate: Option<String>,
}

/// An absence.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AbsenceView {
    /// Who.
    pub who: String,
    /// From when on.
    #[schemars(extend("format" = "date-time"))]
    pub from: Time,
    /// Until when.
    #[schemars(extend("format" = "date-time"))]
    pub until: Time,
    /// Who stands in.
    pub delegate: String,
    /// Whether it is now.
    pub now: bool,
    /// Who acts now: the delegate, or its own delegate where that one is away too.
    pub acting: String,
}
