//! Joint cases: what their lead planned for each agency, as far as it is this node's to see (docs/protocol.md §6.8).

use super::{Name, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A joint case in the list. It stands in the pairwise cases alone; this is computed from those of this node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JointRow {
    /// The joint case.
    pub id: String,
    /// How it is called in the newest plan that can be read here; null where none can.
    pub title: Option<String>,
    /// Who leads it.
    pub lead: Name,
    /// Our own part: `lead` or `member`.
    pub part: String,
    /// The other agencies that are known here: for the lead all that it planned for, for a member those that the lead
    /// disclosed to it.
    pub agencies: Vec<Name>,
    /// The tasks that are known here, by how far they are.
    pub tasks: TaskCounts,
    /// The cases that it stands in.
    pub threads: Vec<String>,
    /// When one of these cases last changed here.
    #[schemars(extend("format" = "date-time"))]
    pub changed: Time,
}

/// Tasks by how far they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskCounts {
    /// Planned; its agency has not said anything about it yet.
    pub planned: usize,
    /// Its agency takes it.
    pub taken: usize,
    /// At work.
    pub in_progress: usize,
    /// Done.
    pub done: usize,
    /// Its agency does not take it.
    pub declined: usize,
}

/// A joint case: for its lead every agency's tasks, for a member its own and what was disclosed to it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JointDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: JointRow,
    /// What stands in each of its cases here.
    pub parts: Vec<JointPart>,
    /// The journal position that this reflects.
    pub as_of: u64,
}

/// What stands of a joint case in one case: the plan in force and the reports on it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JointPart {
    /// The case.
    pub thread: String,
    /// Its other side: for the lead the agency whose tasks these are, for a member the lead.
    pub with: Name,
    /// Where the case is.
    pub stage: String,
    /// The version of the plan in force.
    pub version: u64,
    /// The statement that it stands in.
    pub statement: String,
    /// When it was said, by the lead's clock.
    #[schemars(extend("format" = "date-time"))]
    pub said: Time,
    /// The tasks, by number.
    pub tasks: Vec<TaskView>,
    /// The number of the next task that is added.
    pub next_task: u64,
    /// Other agencies that the plan names to its recipient.
    pub disclosed: Vec<Name>,
    /// The plan's note.
    pub note: Option<String>,
    /// The rule that keeps the plan's content from the caller; null where nothing does.
    pub withheld: Option<String>,
}

/// A task.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    /// Its number.
    pub n: u64,
    /// What is to be done; null where the content cannot be read.
    pub what: Option<String>,
    /// The day by which it is needed.
    pub needed_by: Option<String>,
    /// `planned`, `taken`, `in_progress`, `done` or `declined`.
    pub state: String,
    /// Whether that day has passed, and it is neither done nor declined.
    pub overdue: bool,
    /// What its agency said with the newest report.
    pub note: Option<String>,
    /// When it said so, by its clock.
    #[schemars(extend("format" = "date-time"))]
    pub reported: Option<Time>,
}
