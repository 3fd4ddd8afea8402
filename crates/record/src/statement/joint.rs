//! Bodies of a joint case (docs/protocol.md §6.8): what its lead plans for one agency, and what that agency reports.
//!
//! A joint case lives in the pairwise threads alone: each agency gets a plan of its own tasks, and learns of others only
//! whom the lead names to it.

use super::life::maybe;
use crate::cbor::Fault;
use crate::form::when::is_date;
use crate::id::{Digest, Pid};
use crate::identity::check_text;
use crate::{cbor_array, codes};
use serde::{Deserialize, Serialize};

/// Tasks of one plan at most.
pub const MAX_TASKS: usize = 32;
/// Characters of a task at most.
const MAX_WHAT: usize = 1000;
/// The greatest number of a task.
const MAX_TASK_NO: u64 = 999;
/// Agencies that one plan discloses at most.
const MAX_DISCLOSED: usize = 32;

cbor_array! {
    /// A task of the agency that the plan is sent to.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct PlannedTask {
        /// Its number, 1 to 999. It keeps it through all versions, and no other task gets it.
        pub n: u64,
        /// What is to be done, at most 1,000 characters.
        pub what: String,
        /// RFC 3339 date by which it is needed.
        #[serde(default)]
        pub needed_by: Option<String>,
    }
}

cbor_array! {
    /// Body of `joint_plan`: what the lead of a joint case plans for the agency that it is sent to. A later version
    /// replaces the earlier one whole.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct JointPlan {
        /// The joint case: 32 random bytes, made by its lead, the same in each of its threads.
        pub joint: Digest,
        /// 1, then one more each time, in each thread by itself.
        pub version: u64,
        /// How the joint case is called, at most 160 characters.
        pub title: String,
        /// The tasks of this recipient, ascending by number.
        #[serde(default)]
        pub tasks: Vec<PlannedTask>,
        /// Other agencies of the joint case that the lead names to this recipient, ascending.
        #[serde(default)]
        pub disclosed: Vec<Pid>,
        /// In words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl JointPlan {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        if self.version == 0 {
            return Err(Fault::here("the first version is 1").within("version"));
        }
        check_text("title", &self.title, 1, 160)?;
        if self.tasks.len() > MAX_TASKS || self.tasks.windows(2).any(|w| w[0].n >= w[1].n) {
            let what = format!("must be at most {MAX_TASKS} tasks, each number once, ascending");
            return Err(Fault::here(what).within("tasks"));
        }
        for (i, task) in self.tasks.iter().enumerate() {
            if !(1..=MAX_TASK_NO).contains(&task.n) {
                return Err(Fault::here("a task has a number from 1 to 999").within(&format!("tasks.{i}.n")));
            }
            check_text(&format!("tasks.{i}.what"), &task.what, 1, MAX_WHAT)?;
            if task.needed_by.as_ref().is_some_and(|day| !is_date(day)) {
                let path = format!("tasks.{i}.needed_by");
                return Err(Fault::here("must be a date such as 2027-01-31").within(&path));
            }
        }
        if self.disclosed.len() > MAX_DISCLOSED || self.disclosed.windows(2).any(|w| w[0] >= w[1]) {
            let what = format!("must name at most {MAX_DISCLOSED} agencies, each once, ascending");
            return Err(Fault::here(what).within("disclosed"));
        }
        maybe("note", &self.note, 4000)
    }
}

codes! {
    /// How far a task of a joint case is.
    pub enum TaskState {
        /// The agency takes it.
        0 "taken" => Taken,
        /// It is at work.
        1 "in_progress" => InProgress,
        /// It is done.
        2 "done" => Done,
        /// The agency does not take it.
        3 "declined" => Declined,
    }
}

cbor_array! {
    /// Body of `joint_task`: how far a task is, by the agency that it is for. The newest report on a task counts.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct JointTask {
        /// The joint case.
        pub joint: Digest,
        /// The task's number in the plan.
        pub n: u64,
        /// How far it is.
        pub state: TaskState,
        /// In words.
        #[serde(default)]
        pub note: Option<String>,
    }
}

impl JointTask {
    /// The rules of form.
    pub fn check(&self) -> Result<(), Fault> {
        maybe("note", &self.note, 4000)
    }
}
