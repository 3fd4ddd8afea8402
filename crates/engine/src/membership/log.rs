//! What one author's log says.
//!
//! Everything that others need of it: its seats in order, and for each target how many seats came before its first
//! word (the only order that protocol §4.4 uses), whether the node cleared it, and which approved stance rules.

use super::{Item, Rank, Rules, Segment, Target, Word};
use crate::mutation::Mutation;
use lapwing_record::id::Pid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What officers decide. In order of care: at equal [`Rank`] the more careful word rules (protocol §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Agrees.
    Consent,
    /// Says neither.
    Withdraw,
    /// Objects.
    Object,
}

/// The approved stance of an author on a target that rules: the highest of all that it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ruling {
    /// Its rank.
    pub rank: Rank,
    /// What it says.
    pub act: Act,
}

/// An author's words on one target.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// How many of the author's seats came before the first of them.
    pub(super) seats_before: usize,
    pub(super) noted: bool,
    /// The node's `clear`, or a disavowed consent: said for good.
    pub(super) clear: bool,
    pub(super) ruling: Option<Ruling>,
    /// Cleared or consented at some time: what comes after is late under the entry rule.
    agreed_once: bool,
    pub(super) excused: BTreeSet<Pid>,
}

impl Words {
    fn act(&self) -> Option<Act> {
        self.ruling.map(|r| r.act)
    }

    /// An objection ends only by a later withdrawal or consent; a clear once signed stays, but never ends one.
    pub(super) fn agrees(&self) -> bool {
        self.act() == Some(Act::Consent) || self.clear && self.act() != Some(Act::Object)
    }

    pub(super) fn objects(&self) -> bool {
        self.act() == Some(Act::Object)
    }

    /// What a verdict on the target reads; excuses only grow.
    fn counted(&self) -> (bool, bool, usize) {
        (self.agrees(), self.objects(), self.excused.len())
    }
}

/// What an item changed, as far as others can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Left,
    Seated(Target),
    Spoke(Target),
}

/// One author's log, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// Whom and what it seated, each once, in order.
    pub(super) seats: Vec<Target>,
    seat_at: BTreeMap<Target, usize>,
    pub(super) words: BTreeMap<Target, Words>,
    pub(super) left: bool,
}

impl Log {
    pub(super) fn read(segments: &[Segment], rules: Rules) -> Log {
        let mut log = Log::default();
        for segment in segments {
            match segment {
                Segment::Chain(items) => items.iter().for_each(|item| {
                    log.say(item, rules);
                }),
                Segment::Set(items) => log.say_set(items, rules),
            }
        }
        log
    }

    /// Seats first, so that the set can only add electors; then objections, so that only a clearance from before the fork can
    /// make one late. Whoever holds nothing but the feed key can fork and clear, and ends no officers' objection by it.
    fn say_set(&mut self, items: &[Item], rules: Rules) {
        let turn = |item: &Item| match item {
            Item::Said { word: Word::Seat, .. } => 0,
            Item::Said { word: Word::Object { .. }, .. } => 1,
            Item::Said { .. } | Item::Leave => 2,
        };
        for now in 0..3 {
            for item in items.iter().filter(|item| turn(item) == now) {
                self.say(item, rules);
            }
        }
        if !items.is_empty() && rules.breaks(Mutation::ForkEndsObjection) {
            let objects = |words: &&mut Words| words.act() == Some(Act::Object);
            self.words.values_mut().filter(objects).for_each(|words| words.ruling = None);
        }
    }

    /// Reads one more item at the end of the log.
    pub(super) fn say(&mut self, item: &Item, rules: Rules) -> Effect {
        match item {
            Item::Leave if self.left => Effect::Nothing,
            Item::Leave => {
                self.left = true;
                Effect::Left
            }
            Item::Said { target, word: Word::Seat } => {
                if self.seat_at.contains_key(target) {
                    return Effect::Nothing;
                }
                self.seat_at.insert(*target, self.seats.len());
                self.seats.push(*target);
                Effect::Seated(*target)
            }
            Item::Said { target, word } => {
                let seats_before = self.seats.len();
                let words = self.words.entry(*target).or_insert_with(|| Words { seats_before, ..Words::default() });
                let counted = words.counted();
                hear(words, *target, word, rules);
                if words.counted() == counted { Effect::Nothing } else { Effect::Spoke(*target) }
            }
        }
    }

    pub(super) fn seat_at(&self, target: Target) -> Option<usize> {
        self.seat_at.get(&target).copied()
    }

    pub(super) fn ruling(&self, target: Target) -> Option<Ruling> {
        self.words.get(&target)?.ruling
    }

    /// How many of its seats pass on electorship for `target`: those before its first word, or all.
    pub(super) fn seats_passed(&self, target: Target, rules: Rules) -> usize {
        if rules.breaks(Mutation::SeatsPassNothing) {
            return 0;
        }
        if rules.breaks(Mutation::FirstWordIgnored) {
            return self.seats.len();
        }
        let silent = if rules.breaks(Mutation::SilentPassNothing) { 0 } else { self.seats.len() };
        self.words.get(&target).map_or(silent, |words| words.seats_before)
    }
}

fn hear(words: &mut Words, target: Target, word: &Word, rules: Rules) {
    let (act, rank, disavowed) = match word {
        Word::Noted => {
            words.noted = true;
            return;
        }
        Word::Clear => return clear(words, rules),
        Word::Excuse(whom) => return words.excused.extend(whom),
        Word::Seat => return,
        Word::Consent { rank, disavowed } => (Act::Consent, *rank, *disavowed),
        Word::Withdraw { rank, disavowed } => (Act::Withdraw, *rank, *disavowed),
        Word::Object { rank, disavowed } => (Act::Object, *rank, *disavowed),
    };
    match act {
        _ if disavowed && !rules.breaks(Mutation::DisavowedCount) => {
            if act == Act::Consent {
                clear(words, rules);
            }
            return;
        }
        Act::Object if words.agreed_once && rules.entry(target) => return,
        Act::Consent => words.agreed_once = true,
        Act::Withdraw | Act::Object => {}
    }
    let said = Ruling { rank, act };
    if words.ruling.is_none_or(|old| said > old) || rules.breaks(Mutation::LastWrittenRules) {
        words.ruling = Some(said);
    }
}

fn clear(words: &mut Words, rules: Rules) {
    words.clear = true;
    words.agreed_once = true;
    if rules.breaks(Mutation::ClearEndsObjection) && words.act() == Some(Act::Object) {
        words.ruling = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Veto;
    use super::*;

    const STANDING: Rules = Rules { veto: Veto::Standing, broken: None };
    const ENTRY: Rules = Rules { veto: Veto::Entry, broken: None };
    const X: Target = Target::Participant(Pid([7; 32]));
    const Y: Target = Target::Participant(Pid([8; 32]));

    fn said(target: Target, word: Word) -> Item {
        Item::Said { target, word }
    }
    fn rank(n: u64) -> Rank {
        Rank { epoch: 0, n }
    }
    fn object(n: u64) -> Item {
        said(X, Word::Object { rank: rank(n), disavowed: false })
    }
    fn consent(n: u64) -> Item {
        said(X, Word::Consent { rank: rank(n), disavowed: false })
    }
    fn withdraw(n: u64) -> Item {
        said(X, Word::Withdraw { rank: rank(n), disavowed: false })
    }
    fn chain(items: &[Item], rules: Rules) -> Words {
        Log::read(&[Segment::Chain(items.to_vec())], rules).words.remove(&X).unwrap_or_default()
    }

    #[test]
    fn at_equal_rank_the_more_careful_word_rules_in_any_order() {
        for items in [[object(1), withdraw(1), consent(1)], [consent(1), object(1), withdraw(1)]] {
            assert!(chain(&items, STANDING).objects());
        }
        assert_eq!(chain(&[consent(3), withdraw(3)], STANDING).act(), Some(Act::Withdraw));
    }

    #[test]
    fn a_clear_never_ends_an_objection_and_counts_again_after_it() {
        let words = chain(&[object(1), said(X, Word::Clear)], STANDING);
        assert!(words.objects() && !words.agrees());
        let words = chain(&[said(X, Word::Clear), object(1), withdraw(2)], STANDING);
        assert!(!words.objects() && words.agrees());
    }

    #[test]
    fn seats_before_the_first_word_are_counted_and_seats_are_no_words() {
        let log = Log::read(
            &[Segment::Chain(vec![
                said(Y, Word::Seat),
                said(X, Word::Seat),
                said(Y, Word::Seat),
                said(X, Word::Noted),
                said(Target::Participant(Pid([9; 32])), Word::Seat),
            ])],
            STANDING,
        );
        assert_eq!((log.seats.len(), log.seats_passed(X, STANDING), log.seats_passed(Y, STANDING)), (3, 2, 3));
    }

    #[test]
    fn in_a_set_seats_come_before_words() {
        let log = Log::read(&[Segment::Set(vec![said(X, Word::Noted), said(Y, Word::Seat)])], STANDING);
        assert_eq!(log.seats_passed(X, STANDING), 1);
    }

    #[test]
    fn under_the_entry_rule_an_objection_after_ones_own_clearance_bars_nothing() {
        for first in [said(X, Word::Clear), consent(1)] {
            let words = chain(&[first.clone(), object(2)], ENTRY);
            assert!(!words.objects() && words.agrees());
            assert!(chain(&[first, object(2)], STANDING).objects());
        }
        assert!(chain(&[object(2), said(X, Word::Clear)], ENTRY).objects());
    }

    #[test]
    fn a_fork_and_a_clear_by_the_feed_key_end_no_objection_of_officers_also_under_the_entry_rule() {
        let clear = || said(X, Word::Clear);
        let set = |items: &[Item]| Segment::Set(items.to_vec());
        let read = |segments: &[Segment]| Log::read(segments, ENTRY).words[&X].objects();
        assert!(read(&[set(&[object(2), clear()])]), "on two branches: nobody knows which came first");
        assert!(read(&[Segment::Chain(vec![object(2)]), set(&[clear()])]), "it stood before the fork");
        assert!(
            !read(&[Segment::Chain(vec![clear()]), set(&[object(2)])]),
            "what was cleared before the fork stays so"
        );
        assert!(!read(&[set(&[object(2), clear(), consent(3)])]), "its officers end it");
    }

    #[test]
    fn under_the_entry_rule_the_order_inside_a_set_does_not_show() {
        let items = [consent(3), object(5), withdraw(4), said(X, Word::Noted), object(1)];
        let read = |items: &[Item]| {
            let words = &Log::read(&[Segment::Chain(vec![object(2)]), Segment::Set(items.to_vec())], ENTRY).words[&X];
            (words.counted(), words.ruling)
        };
        let mut turned = items.clone();
        for at in 0..items.len() {
            turned.rotate_left(1);
            turned.swap(0, at);
            assert_eq!(read(&turned), read(&items));
        }
    }

    #[test]
    fn a_disavowed_consent_is_a_clear_and_a_disavowed_objection_is_only_a_word() {
        let words = chain(&[said(X, Word::Consent { rank: rank(9), disavowed: true })], STANDING);
        assert!(words.agrees() && words.ruling.is_none());
        let words = chain(&[said(X, Word::Object { rank: rank(9), disavowed: true })], STANDING);
        assert!(!words.objects() && words.ruling.is_none());
    }

    #[test]
    fn a_log_goes_on_after_a_contested_stretch() {
        let segments = [Segment::Set(vec![object(2), said(X, Word::Clear)]), Segment::Chain(vec![consent(3)])];
        assert!(Log::read(&segments, ENTRY).words[&X].agrees());
        let segments = [Segment::Set(vec![object(2)]), Segment::Chain(vec![withdraw(3), object(4)])];
        assert!(Log::read(&segments, ENTRY).words[&X].objects());
    }
}
