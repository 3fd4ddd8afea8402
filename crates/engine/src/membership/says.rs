//! What authors say about one another, as the fold reads it (protocol §4.3).

use lapwing_record::id::Pid;
use lapwing_record::membership::Target;
use serde::{Deserialize, Serialize};

/// The order of an author's approved stances: the highest rules, on whatever branch it stands (protocol §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank {
    /// The author's key epoch.
    pub epoch: u64,
    /// The approval's count within it.
    pub n: u64,
}

/// One stance. `Noted`, `Clear`, `Seat` and `Excuse` are the node's; the others are the officers', and `disavowed`
/// when they lie beyond the anchor of the next epoch (protocol §3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Seen; the window runs.
    Noted,
    /// The window has run and our people did not object.
    Clear,
    /// Our fold shows it in full standing (a motion: complete). Not a word on its target: it passes on electorship.
    Seat,
    /// Our people agree. Disavowed, it counts as a clear.
    Consent {
        /// Which of the author's approvals.
        rank: Rank,
        /// Beyond the anchor.
        disavowed: bool,
    },
    /// Our people object. Disavowed, it is a word that says nothing.
    Object {
        /// Which of the author's approvals.
        rank: Rank,
        /// Beyond the anchor.
        disavowed: bool,
    },
    /// Our people end their objection or take back their consent. Disavowed, it is a word that says nothing.
    Withdraw {
        /// Which of the author's approvals.
        rank: Rank,
        /// Beyond the anchor.
        disavowed: bool,
    },
    /// These agencies have been silent for too long on the target.
    Excuse(Vec<Pid>),
}

/// One line that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A stance.
    Said {
        /// Of whom or what.
        target: Target,
        /// What.
        word: Word,
    },
    /// The author leaves, for good.
    Leave,
}

/// A stretch of one author's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Entries in log order.
    Chain(Vec<Item>),
    /// A contested stretch, all branches together: a set of statements. Its seats count as before its words, and the
    /// order inside says nothing (protocol §3).
    Set(Vec<Item>),
}
