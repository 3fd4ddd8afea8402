//! What two participants' nodes have to do with each other (protocol §5, annex §7.1).

use crate::federation::Federation;
use crate::membership::Standing;
use lapwing_record::id::Pid;

/// What runs between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Between {
    /// Nothing but an introduction.
    Nothing,
    /// Logs 0 and 1, and cases.
    Participants,
    /// Log 2 too.
    Agencies,
}

impl Federation {
    /// What runs between `me` and another, as `me` sees it.
    ///
    /// Whoever has left gets nothing any more, but goes on answering those that take part: the one to whom its leave was
    /// lost under way must be able to learn of it, and only its own logs tell.
    pub fn between(&self, me: &Pid, other: &Pid) -> Between {
        let (mine, theirs) = (self.standing(me), self.standing(other));
        let takes_part = |s| matches!(s, Some(Standing::Participant | Standing::Suspended));
        let agency = |p: &Pid| self.is_full_agency(p) && !self.author(p).is_some_and(|a| a.contested());
        if !takes_part(theirs) || !(takes_part(mine) || mine == Some(Standing::Left)) {
            Between::Nothing
        } else if agency(other) && agency(me) {
            Between::Agencies
        } else {
            Between::Participants
        }
    }
}
