//! What an agency keeps to itself about a case: notes that are never sent, who works on it, who stands in for whom.
//!
//! None of it is a statement, none of it travels, and none of it changes where a case stands. Notes lie in the journal under
//! the case key like everything that is said, so that an erasure takes them too.

use crate::engine::Engine;
use crate::fact::{self, Fact};
use crate::step::{Answer, Effect, Event, Refused, Step};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::id::{HashOf, MsgId, ThreadId};
use lapwing_record::identity::check_text;
use lapwing_record::{cbor_tagged, codes};
use std::collections::BTreeMap;

/// Notes of a case at most.
pub const MAX_NOTES: usize = 10_000;
/// Absences kept at most.
pub const MAX_ABSENCES: usize = 1_000;

codes! {
    /// What a note is for.
    pub enum NoteKind {
        /// Whatever people want to remember.
        0 "note" => Note,
        /// Why a less harmful case was sent ahead of a more harmful one (Plan A.5).
        1 "sent_ahead" => SentAhead,
    }
}

cbor_tagged! {
    /// Something internal to a case.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Matter {
        /// A note: its number from 0, what it is for, and its text under the case key.
        0 => Note((u64, NoteKind, Bytes)),
        /// Who works on it; null: nobody.
        1 => Assigned(Option<String>),
    }
}

/// A note, its text left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Milliseconds UTC here.
    pub at: u64,
    /// The name of the token that wrote it.
    pub by: String,
    /// What it is for.
    pub kind: NoteKind,
}

/// What is internal to one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Internal {
    /// Its notes, oldest first.
    pub notes: Vec<Note>,
    /// Who works on it: the name of a token.
    pub assigned: Option<String>,
}

/// Somebody is away, and somebody else acts meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Milliseconds UTC of its begin.
    pub from: u64,
    /// Milliseconds UTC of its end.
    pub until: u64,
    /// Who acts meanwhile: the name of a token.
    pub delegate: String,
}

/// Names a note: what its text is locked for, and what the index finds it by.
pub fn note_id(thread: &ThreadId, n: u64) -> MsgId {
    MsgId(HashOf::Body.hash(&encode(&("internal note".to_owned(), *thread, n))))
}

/// Who acts for `name` at `now`: whoever it delegated to while it is away, and so on; itself where nobody else does.
pub fn acting<'a>(absences: &'a BTreeMap<String, Absence>, name: &'a str, now: u64) -> &'a str {
    let mut at = name;
    // as many steps as there are absences: two who stand in for each other while both are away do not go round for ever
    for _ in 0..absences.len() {
        match absences.get(at).filter(|a| a.from <= now && now < a.until) {
            Some(away) => at = &away.delegate,
            None => return at,
        }
    }
    if absences.get(at).is_some_and(|a| a.from <= now && now < a.until) { name } else { at }
}

impl Engine {
    pub(crate) fn keep_internal(
        &mut self,
        thread: ThreadId,
        by: String,
        matter: Matter,
        now: u64,
        step: &mut Step,
    ) -> Result<Answer, Refused> {
        let case = self.state.case(&thread).ok_or_else(|| Refused::Unknown("there is no such case here".into()))?;
        if case.erased.is_some() {
            return Err(Refused::Conflict("the content of this case is erased here".into()));
        }
        let internal = self.state.internal(&thread);
        match &matter {
            // somebody else's note came in between: it is asked for anew under the next number
            Matter::Note((n, ..)) if *n != internal.notes.len() as u64 => {
                return Err(Refused::Conflict("another note was written at the same moment; write it again".into()));
            }
            Matter::Note((n, ..)) if *n >= MAX_NOTES as u64 => {
                return Err(Refused::Conflict(format!("a case has at most {MAX_NOTES} notes")));
            }
            Matter::Assigned(to) if *to == internal.assigned => return Ok(Answer::Done),
            _ => {}
        }
        self.commit(Fact::Internal(fact::Internal { at: now, thread, by, matter }), step);
        step.effects.push(Effect::Event(Event::Case(thread)));
        Ok(Answer::Done)
    }

    pub(crate) fn keep_absence(
        &mut self,
        who: String,
        absence: Option<Absence>,
        now: u64,
        step: &mut Step,
    ) -> Result<Answer, Refused> {
        check_text("who", &who, 1, 64).map_err(|e| Refused::Invalid(e.to_string()))?;
        if let Some(absence) = &absence {
            if absence.from >= absence.until {
                return Err(Refused::Invalid("an absence ends after it begins".into()));
            }
            if absence.delegate == who {
                return Err(Refused::Invalid("nobody stands in for itself".into()));
            }
            let known = self.state.absences.get(&who).is_some();
            if !known && self.state.absences.size() >= MAX_ABSENCES {
                return Err(Refused::Conflict(format!("there are {MAX_ABSENCES} absences already; end some")));
            }
        }
        let ends = absence.map(|a| (a.from, a.until, a.delegate));
        self.commit(Fact::Absence(fact::Absence { at: now, who, away: ends }), step);
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn away(from: u64, until: u64, delegate: &str) -> Absence {
        Absence { from, until, delegate: delegate.into() }
    }

    #[test]
    fn whoever_is_away_is_stood_in_for_as_far_as_the_chain_goes_and_never_round_in_circles() {
        let mut absences = BTreeMap::from([("anna".to_owned(), away(10, 20, "ben"))]);
        assert_eq!(acting(&absences, "anna", 9), "anna");
        assert_eq!(acting(&absences, "anna", 10), "ben");
        assert_eq!(acting(&absences, "anna", 20), "anna");
        absences.insert("ben".into(), away(0, 15, "cleo"));
        assert_eq!((acting(&absences, "anna", 12), acting(&absences, "anna", 16)), ("cleo", "ben"));
        absences.insert("cleo".into(), away(0, 15, "anna"));
        assert_eq!(acting(&absences, "anna", 12), "anna", "everybody is away: it stays where it was");
    }

    #[test]
    fn a_note_has_a_name_of_its_own() {
        let (one, other) = (ThreadId([1; 32]), ThreadId([2; 32]));
        assert_ne!(note_id(&one, 0), note_id(&one, 1));
        assert_ne!(note_id(&one, 0), note_id(&other, 0));
    }
}
