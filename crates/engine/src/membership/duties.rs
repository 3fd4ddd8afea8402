//! What a node has yet to say (protocol §4.3): the queries that its duties start from.
//!
//! Only what is open, never when: windows, clocks, pauses and lapsed candidacies are the node's own to judge.

use super::fold::Fold;
use super::log::{Act, Words};
use super::{Class, Target};
use lapwing_record::id::{EntryId, Pid};
use std::collections::BTreeSet;

/// What is open for one agency. A node notes everything before it clears, and clears before it seats.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Duties {
    /// Not noted.
    pub note: Vec<Target>,
    /// Noted, and neither agreed to nor objected to: to be cleared when the window has run.
    pub clear: Vec<Target>,
    /// Agencies in full standing and motions that are complete, not seated.
    pub seat: Vec<Target>,
}

impl Fold {
    /// What is open for `me` about everyone introduced and about `motions`, those that have not expired. Nothing for
    /// those who are not agencies here, or have left.
    pub fn duties(&self, me: Pid, motions: &BTreeSet<EntryId>) -> Duties {
        let Some(member) = self.index.get(&me).map(|m| &self.members[*m]) else { return Duties::default() };
        if member.class != Class::Agency || member.log.left {
            return Duties::default();
        }
        let others = self.index.iter().filter(|(pid, m)| **pid != me && !self.members[**m].founder);
        let others = others.filter(|(_, m)| !self.members[**m].log.left).map(|(pid, _)| Target::Participant(*pid));
        let targets: Vec<Target> = others.chain(motions.iter().map(|m| Target::Motion(*m))).collect();
        let words = |target: &Target| member.log.words.get(target);
        let open = |holds: &dyn Fn(&Target) -> bool| targets.iter().copied().filter(|t| holds(t)).collect();
        Duties {
            note: open(&|t| !words(t).is_some_and(|w| w.noted)),
            clear: open(&|t| words(t).is_some_and(may_clear)),
            seat: open(&|t| member.log.seat_at(*t).is_none() && self.may_seat(*t)),
        }
    }

    /// The live electors of `target` whose word is owed, by pid: whom an excuse may name once they have been silent
    /// for too long.
    pub fn silent_electors(&self, target: Target) -> BTreeSet<Pid> {
        self.pids(&self.asked(target).verdict.missing)
    }

    /// Whether `target` is one to seat: an agency in full standing, or a complete motion.
    fn may_seat(&self, target: Target) -> bool {
        match target {
            Target::Motion(motion) => self.complete(motion),
            Target::Participant(_) => self.member(target).is_some_and(|m| self.full.contains(m)),
        }
    }
}

fn may_clear(words: &Words) -> bool {
    words.noted && !words.agrees() && words.ruling.is_none_or(|r| r.act != Act::Object)
}

#[cfg(test)]
mod tests {
    use super::super::{Item, Rank, Roster, Veto, Word};
    use super::*;

    const ME: Pid = Pid([1; 32]);
    const SECOND: Pid = Pid([2; 32]);
    const NEW: Pid = Pid([3; 32]);
    const BANK: Pid = Pid([4; 32]);
    const MOTION: EntryId = EntryId([9; 32]);

    fn say(roster: &mut Roster, author: Pid, target: Target, word: Word) {
        roster.append(author, Item::Said { target, word });
    }
    fn roster() -> Roster {
        let mut roster = Roster::new(Veto::Standing);
        for founder in [ME, SECOND] {
            roster.add_founder(founder);
        }
        roster.add_participant(NEW, Class::Agency);
        roster.add_participant(BANK, Class::Private);
        roster
    }

    #[test]
    fn duties_go_from_noting_through_clearing_to_seating() {
        let mut roster = roster();
        let (new, bank, motion) = (Target::Participant(NEW), Target::Participant(BANK), Target::Motion(MOTION));
        let motions = BTreeSet::from([MOTION]);
        let all = vec![new, bank, motion];
        let none = Vec::new;
        assert_eq!(roster.duties(ME, &motions), Duties { note: all.clone(), clear: none(), seat: none() });
        all.iter().for_each(|target| say(&mut roster, ME, *target, Word::Noted));
        assert_eq!(roster.duties(ME, &motions), Duties { note: none(), clear: all.clone(), seat: none() });
        all.iter().for_each(|target| say(&mut roster, ME, *target, Word::Clear));
        assert_eq!(roster.duties(ME, &motions), Duties::default());
        all.iter().for_each(|target| say(&mut roster, SECOND, *target, Word::Clear));
        // private-sector participants are not seated: their seats would pass on nothing
        assert_eq!(roster.duties(ME, &motions), Duties { note: none(), clear: none(), seat: vec![new, motion] });
        [new, motion].into_iter().for_each(|target| say(&mut roster, ME, target, Word::Seat));
        assert_eq!(roster.duties(ME, &motions), Duties::default());
    }

    #[test]
    fn what_our_people_object_to_is_not_ours_to_clear_until_they_withdraw() {
        let mut roster = roster();
        let new = Target::Participant(NEW);
        let rank = |n| Rank { epoch: 0, n };
        say(&mut roster, ME, new, Word::Noted);
        say(&mut roster, ME, new, Word::Object { rank: rank(1), disavowed: false });
        assert_eq!(roster.duties(ME, &BTreeSet::new()).clear, []);
        say(&mut roster, ME, new, Word::Withdraw { rank: rank(2), disavowed: false });
        assert_eq!(roster.duties(ME, &BTreeSet::new()).clear, [new]);
    }

    #[test]
    fn private_participants_and_those_who_left_have_no_duties() {
        let mut roster = roster();
        assert_eq!(roster.duties(BANK, &BTreeSet::new()), Duties::default());
        roster.append(SECOND, Item::Leave);
        assert_eq!(roster.duties(SECOND, &BTreeSet::new()), Duties::default());
        roster.append(NEW, Item::Leave);
        assert_eq!(roster.duties(ME, &BTreeSet::new()).note, [Target::Participant(BANK)]);
    }

    #[test]
    fn silent_electors_are_those_whose_word_is_owed() {
        let mut roster = roster();
        say(&mut roster, ME, Target::Participant(NEW), Word::Clear);
        assert_eq!(roster.silent_electors(Target::Participant(NEW)), BTreeSet::from([SECOND]));
    }
}
