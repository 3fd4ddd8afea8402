//! Who takes part: a pure function from the logs held to everyone's standing (protocol §4).
//!
//! ```text
//!   logs (log 1 of each author, and `leave` from log 0)
//!     │  log.rs      what one author's log says: seats in order, one ruling per target
//!     ▼
//!   electors of X   founders, and whom an elector had seated before its own first word on X
//!     │  judge.rs    rings of electors, most senior first; one verdict per ring
//!     ▼
//!   standing        participant · suspended · objected · candidate · left
//! ```
//!
//! Two ways lead to the same answer. [`Fold`] reads everything at once and is as plain as the rule; [`Roster`] keeps
//! a fold up to date, one item at a time, and re-judges only what the item can change. After any sequence of changes
//! a roster equals the fold of the same logs (protocol §7, invariant 2), and both equal the executable model, whose
//! five thousand worlds are among the tests. The one exception: under the entry rule the model reads a contested
//! stretch in the order of its branches, against invariant 1; here such a stretch has no order.
//!
//! Nothing here reads a clock, draws a random number or verifies a signature: callers hand in only what officers and
//! nodes validly said, in log order, with disavowed approvals marked. How entries are found again is theirs too: an
//! [`Explanation`] names author, target and word.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use lapwing_engine::membership::{Class, Item, Roster, Standing, Target, Veto, Word};
//! use lapwing_record::id::Pid;
//!
//! let (founder, newcomer) = (Pid([1; 32]), Pid([2; 32]));
//! let mut roster = Roster::new(Veto::Standing);
//! roster.add_founder(founder);
//! roster.add_participant(newcomer, Class::Agency);
//! assert_eq!(roster.standing(newcomer), Some(Standing::Candidate));
//! roster.append(founder, Item::Said { target: Target::Participant(newcomer), word: Word::Clear });
//! assert_eq!(roster.standing(newcomer), Some(Standing::Participant));
//! ```

mod bits;
mod canon;
mod duties;
mod explain;
mod fold;
mod judge;
mod log;
mod roster;
mod says;

pub use duties::Duties;
pub use explain::{Counts, Decisive, Elector, Explanation, MotionCount, Objector, Reason, Why};
pub use fold::Fold;
pub use lapwing_record::charter::Veto;
pub use lapwing_record::identity::Class;
pub use lapwing_record::membership::Target;
pub use log::{Act, Ruling};
pub use roster::{Change, Roster};
pub use says::{Item, Rank, Segment, Word};

use crate::mutation::{self, Mutation};
use serde::{Deserialize, Serialize};

/// Where somebody stands (protocol §4.5). The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Full standing: every live elector agrees or is excused, and none objects.
    Participant,
    /// Complete, but an objection counts.
    Suspended,
    /// Not complete, and an objection counts.
    Objected,
    /// Words are missing.
    Candidate,
    /// Left, for good.
    Left,
}

impl Standing {
    /// The stable code, the same in logs, metrics, interfaces and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Participant => "participant",
            Standing::Suspended => "suspended",
            Standing::Objected => "objected",
            Standing::Candidate => "candidate",
            Standing::Left => "left",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// More than two thirds of `n`: ⌊2n/3⌋+1 (protocol §4.5, §4.6).
pub const fn quorum(n: usize) -> usize {
    2 * n / 3 + 1
}

/// The rules that a fold follows.
#[derive(Clone, Copy, Debug)]
struct Rules {
    veto: Veto,
    broken: Option<Mutation>,
}

impl Rules {
    fn of(veto: Veto) -> Rules {
        Rules { veto, broken: mutation::current() }
    }

    /// Whether an objection to `target` after one's own clearance is late (protocol §4.1, §4.6).
    fn entry(self, target: Target) -> bool {
        self.veto == Veto::Entry || matches!(target, Target::Motion(_))
    }

    fn breaks(self, mutation: Mutation) -> bool {
        self.broken == Some(mutation)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_quorum_is_more_than_two_thirds() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 9, 10].map(quorum), [1, 2, 3, 3, 4, 5, 5, 7, 7]);
    }

    #[test]
    fn codes_of_standing_are_the_same_in_text_and_in_json() {
        for s in [Standing::Participant, Standing::Suspended, Standing::Objected, Standing::Candidate, Standing::Left] {
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{s}\""));
        }
    }
}
