//! Why somebody stands where it stands, or a motion is where it is: data for people and programs to print.
//!
//! An explanation is the same on every node that holds the same logs. It names who said what of whom; the entries are
//! found by (author, target, word): of an approved stance the one with that rank, of a node's word its first.

use super::bits::Bits;
use super::fold::{Fold, Tally};
use super::judge::Verdict;
use super::log::Act;
use super::{Class, Rank, Standing, Target, quorum};
use lapwing_record::id::{EntryId, Pid};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Why a target is where it is. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A founder: nobody judges it.
    Founder,
    /// It left.
    Left,
    /// Nobody has introduced it.
    NotIntroduced,
    /// Every live elector agrees or is excused, and none objects.
    Complete,
    /// A live elector objects.
    ElectorObjects,
    /// An agency that was elected through it objects, and stands by itself: a ring can only add vetoes.
    RingFellowObjects,
    /// An agency objects to a private-sector participant or observer, though it is not its elector.
    AgencyObjects,
    /// Live electors have not spoken.
    WordsMissing,
    /// No elector that counts has agreed: none is live, or all are excused.
    NobodyAgreed,
}

impl Reason {
    /// The stable code, the same in logs, metrics, interfaces and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Founder => "founder",
            Reason::Left => "left",
            Reason::NotIntroduced => "not_introduced",
            Reason::Complete => "complete",
            Reason::ElectorObjects => "elector_objects",
            Reason::RingFellowObjects => "ring_fellow_objects",
            Reason::AgencyObjects => "agency_objects",
            Reason::WordsMissing => "words_missing",
            Reason::NobodyAgreed => "nobody_agreed",
        }
    }
}

/// Why somebody is an elector (protocol §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Why {
    /// By the charter.
    Founder,
    /// An elector had seated it before its own first word on the target.
    Seated {
        /// That elector: of several, the nearest to the founders, and of these the lowest pid.
        by: Pid,
    },
}

/// The word of an author on a target that decides what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Decisive {
    /// No word at all, or only an excuse of others.
    Nothing,
    /// Only that it was seen.
    Noted,
    /// Its node cleared; or a consent that was disavowed, which counts as that.
    Clear,
    /// Its officers consented.
    Consent {
        /// Which approval.
        rank: Rank,
    },
    /// Its officers object.
    Object {
        /// Which approval.
        rank: Rank,
    },
    /// Its officers withdrew what they had said, and the node has not cleared.
    Withdraw {
        /// Which approval.
        rank: Rank,
    },
}

impl Decisive {
    /// The stable code, the same in logs, metrics, interfaces and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Decisive::Nothing => "nothing",
            Decisive::Noted => "noted",
            Decisive::Clear => "clear",
            Decisive::Consent { .. } => "consent",
            Decisive::Object { .. } => "object",
            Decisive::Withdraw { .. } => "withdraw",
        }
    }
}

/// How an elector enters the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Counts {
    /// It agrees.
    Agrees,
    /// Its objection bars.
    Objects,
    /// It has been silent for too long.
    Excused {
        /// Who signed for that, all of them agreeing themselves.
        by: Vec<Pid>,
    },
    /// Its word is owed.
    Missing,
    /// Not in full standing, so nothing is asked of it. A founder's agreement outlives its leaving.
    NotLive,
    /// A fellow of the target's ring, elected through it: owes no word.
    RingFellow,
}

impl Counts {
    /// The stable code, the same in logs, metrics, interfaces and documents.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Counts::Agrees => "agrees",
            Counts::Objects => "objects",
            Counts::Excused { .. } => "excused",
            Counts::Missing => "missing",
            Counts::NotLive => "not_live",
            Counts::RingFellow => "ring_fellow",
        }
    }
}

/// One elector of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elector {
    /// Who.
    pub pid: Pid,
    /// Why it is one.
    pub why: Why,
    /// Where it stands itself.
    pub standing: Standing,
    /// Whether it is in full standing.
    pub live: bool,
    /// Its word on the target.
    pub word: Decisive,
    /// What follows from it.
    pub counts: Counts,
}

/// An agency that objects though it is no elector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Objector {
    /// Who.
    pub pid: Pid,
    /// Its objection.
    pub word: Decisive,
}

/// How far a motion has come (protocol §4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MotionCount {
    /// A node may seat it.
    pub complete: bool,
    /// It is adopted.
    pub adopted: bool,
    /// The electors that have seated it.
    pub seated_by: Vec<Pid>,
    /// How many of them adopt it.
    pub needed: usize,
}

/// Why a target is where it is. See the module's head for how entries are attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Of whom or what.
    pub target: Target,
    /// Where a participant stands; `None` for a motion and for one whom nobody has introduced.
    pub standing: Option<Standing>,
    /// Why.
    pub reason: Reason,
    /// Live electors that are asked for a word.
    pub asked: usize,
    /// So many of them, agreeing, may excuse the silent.
    pub excuse_needs: usize,
    /// Every elector, by pid.
    pub electors: Vec<Elector>,
    /// For a private-sector participant or observer: the other agencies that object.
    pub other_objectors: Vec<Objector>,
    /// For a motion.
    pub motion: Option<MotionCount>,
}

/// Who is asked about a target, and what they say.
pub(super) struct Asked<'a> {
    electors: Cow<'a, Bits>,
    tally: Cow<'a, Tally>,
    /// The other members of its ring.
    ring: Bits,
    /// Its electors in full standing outside the ring.
    live: Bits,
    pub(super) verdict: Verdict,
}

impl Fold {
    /// Which word of `author` on `target` decides what it says of it, counted or not.
    pub fn decisive(&self, author: Pid, target: Target) -> Decisive {
        let Some(words) = self.log(author).and_then(|log| log.words.get(&target)) else { return Decisive::Nothing };
        match words.ruling.map(|r| (r.act, r.rank)) {
            Some((Act::Consent, rank)) => Decisive::Consent { rank },
            Some((Act::Object, rank)) => Decisive::Object { rank },
            _ if words.agrees() => Decisive::Clear,
            Some((Act::Withdraw, rank)) => Decisive::Withdraw { rank },
            None if words.noted => Decisive::Noted,
            None => Decisive::Nothing,
        }
    }

    /// Whom `elector` has excused on `target`.
    pub fn excused_by(&self, elector: Pid, target: Target) -> Vec<Pid> {
        let words = self.log(elector).and_then(|log| log.words.get(&target));
        words.map(|words| words.excused.iter().copied().collect()).unwrap_or_default()
    }

    /// Why `target` is where it is.
    pub fn explain(&self, target: Target) -> Explanation {
        let subject = self.member(target);
        let Asked { electors, tally, ring, live, verdict } = self.asked(target);
        let fellows = subject.map_or_else(Bits::default, |m| self.barring_fellows(m, &ring));
        let whole = self.other_objectors(target, &electors);
        let reason = match subject.map(|m| &self.members[m]) {
            Some(member) if member.log.left => Reason::Left,
            Some(member) if member.founder => Reason::Founder,
            None if matches!(target, Target::Participant(_)) => Reason::NotIntroduced,
            _ if !verdict.object.is_empty() => Reason::ElectorObjects,
            _ if !whole.is_empty() => Reason::AgencyObjects,
            _ if !verdict.missing.is_empty() => Reason::WordsMissing,
            _ if !verdict.spoke => Reason::NobodyAgreed,
            _ if !fellows.is_empty() => Reason::RingFellowObjects,
            _ => Reason::Complete,
        };
        let counts = |e: usize| {
            if verdict.object.contains(e) || fellows.contains(e) {
                Counts::Objects
            } else if ring.contains(e) {
                Counts::RingFellow
            } else if verdict.agree.contains(e) {
                Counts::Agrees
            } else if verdict.excused.contains(e) {
                let by = self.excusers(e, target, &tally, &verdict.agree).collect();
                Counts::Excused { by: self.pids(&by).into_iter().collect() }
            } else if verdict.missing.contains(e) {
                Counts::Missing
            } else {
                Counts::NotLive
            }
        };
        let why = self.why(target);
        let listed = why.into_iter().map(|(pid, (e, why))| Elector {
            pid,
            why,
            standing: self.members[e].standing,
            live: self.full.contains(e),
            word: self.decisive(pid, target),
            counts: counts(e),
        });
        Explanation {
            target,
            standing: subject.map(|m| self.members[m].standing),
            reason,
            asked: live.len(),
            excuse_needs: quorum(live.len()),
            electors: listed.collect(),
            other_objectors: whole,
            motion: match target {
                Target::Motion(id) => Some(self.motion_count(id, &electors, verdict.standing())),
                Target::Participant(_) => None,
            },
        }
    }

    /// The verdict on `target` from outside its ring, and what it follows from.
    pub(super) fn asked(&self, target: Target) -> Asked<'_> {
        let electors = self.electors_of(target);
        let tally = self.tally(target);
        let ring = self.ring_of(target);
        let live = electors.and(&self.full).minus(&ring);
        let verdict = self.verdict(target, &tally, &electors, &live);
        Asked { electors, tally, ring, live, verdict }
    }

    fn motion_count(&self, motion: EntryId, electors: &Bits, verdict: Standing) -> MotionCount {
        let seated_by = self.seated_by(Target::Motion(motion), electors);
        MotionCount {
            complete: verdict == Standing::Participant,
            adopted: self.passed(motion),
            seated_by: self.pids(&seated_by).into_iter().collect(),
            needed: quorum(electors.and(&self.full).len()),
        }
    }

    /// The other members of the ring of an agency that joined.
    fn ring_of(&self, target: Target) -> Bits {
        let joined = self.member(target).filter(|m| self.members[*m].is_joined_agency());
        joined.map_or_else(Bits::default, |m| {
            self.rings[self.members[m].ring].iter().copied().filter(|fellow| *fellow != m).collect()
        })
    }

    /// The fellows whose objections suspend `m`, complete from outside its ring.
    fn barring_fellows(&self, m: usize, others: &Bits) -> Bits {
        if others.is_empty() {
            return Bits::default();
        }
        let outside = self.judge_from_outside(&self.rings[self.members[m].ring]);
        let full: Bits = outside.iter().filter(|(_, s)| *s == Standing::Participant).map(|(m, _)| *m).collect();
        if full.contains(m) { self.objecting_fellows(m, &full) } else { Bits::default() }
    }

    fn other_objectors(&self, target: Target, electors: &Bits) -> Vec<Objector> {
        let open_to_all = |m: &usize| {
            let member = &self.members[*m];
            member.class != Class::Agency && !member.log.left
        };
        let Some(m) = self.member(target).filter(open_to_all) else { return Vec::new() };
        let objecting = self.full.and(&self.members[m].tally.object).minus(electors);
        let pids = self.pids(&objecting).into_iter();
        pids.map(|pid| Objector { pid, word: self.decisive(pid, target) }).collect()
    }

    /// Every elector of `target` and why it is one: founders first, then whom they seated, and so on, each circle in
    /// the order of pids, so that the answer does not depend on the order of arrival.
    fn why(&self, target: Target) -> BTreeMap<Pid, (usize, Why)> {
        let mut found = BTreeMap::new();
        let founders = self.index.iter().filter(|(_, m)| self.members[**m].founder);
        let founders = founders.filter(|(pid, _)| Target::Participant(**pid) != target);
        let mut circle: BTreeMap<Pid, (usize, Why)> = founders.map(|(pid, m)| (*pid, (*m, Why::Founder))).collect();
        while !circle.is_empty() {
            found.extend(circle.iter().map(|(pid, why)| (*pid, *why)));
            let mut next = BTreeMap::new();
            for (by, (elector, _)) in circle {
                for m in self.passes_on(elector, target) {
                    let pid = self.members[m].pid;
                    if Target::Participant(pid) != target && !found.contains_key(&pid) {
                        next.entry(pid).or_insert((m, Why::Seated { by }));
                    }
                }
            }
            circle = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Item, Roster, Segment, Veto, Word};
    use super::*;

    const FOUNDER: Pid = Pid([1; 32]);
    const SECOND: Pid = Pid([2; 32]);
    const AGENCY: Pid = Pid([3; 32]);
    const BANK: Pid = Pid([4; 32]);

    fn say(of: Pid, word: Word) -> Item {
        Item::Said { target: Target::Participant(of), word }
    }
    fn rank(n: u64) -> Rank {
        Rank { epoch: 0, n }
    }

    /// Two founders have admitted an agency.
    fn roster(veto: Veto) -> Roster {
        let mut roster = Roster::new(veto);
        for founder in [FOUNDER, SECOND] {
            roster.add_founder(founder);
        }
        roster.add_participant(AGENCY, Class::Agency);
        for word in [Word::Noted, Word::Clear, Word::Seat] {
            for founder in [FOUNDER, SECOND] {
                roster.append(founder, say(AGENCY, word.clone()));
            }
        }
        roster
    }

    #[test]
    fn an_explanation_names_each_elector_its_word_and_what_follows() {
        let mut roster = roster(Veto::Standing);
        roster.add_participant(BANK, Class::Private);
        roster.append(FOUNDER, say(BANK, Word::Clear));
        roster.append(SECOND, say(BANK, Word::Noted));
        roster.append(AGENCY, say(BANK, Word::Object { rank: rank(7), disavowed: false }));
        let json = serde_json::to_value(roster.explain(Target::Participant(BANK))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "target": { "participant": BANK },
                "standing": "objected",
                "reason": "elector_objects",
                "asked": 3,
                "excuse_needs": 3,
                "electors": [
                    { "pid": FOUNDER, "why": { "code": "founder" }, "standing": "participant", "live": true,
                      "word": { "code": "clear" }, "counts": { "code": "agrees" } },
                    { "pid": SECOND, "why": { "code": "founder" }, "standing": "participant", "live": true,
                      "word": { "code": "noted" }, "counts": { "code": "missing" } },
                    { "pid": AGENCY, "why": { "code": "seated", "by": FOUNDER }, "standing": "participant", "live": true,
                      "word": { "code": "object", "rank": { "epoch": 0, "n": 7 } }, "counts": { "code": "objects" } },
                ],
                "other_objectors": [],
                "motion": null,
            })
        );
    }

    #[test]
    fn an_agency_that_came_later_bars_a_private_participant_and_is_named() {
        let mut roster = Roster::new(Veto::Standing);
        roster.add_founder(FOUNDER);
        roster.add_participant(BANK, Class::Private);
        roster.append(FOUNDER, say(BANK, Word::Clear));
        roster.add_participant(AGENCY, Class::Agency);
        roster.append(FOUNDER, say(AGENCY, Word::Clear));
        roster.append(FOUNDER, say(AGENCY, Word::Seat));
        roster.append(AGENCY, say(BANK, Word::Object { rank: rank(1), disavowed: false }));
        let why = roster.explain(Target::Participant(BANK));
        assert_eq!((why.standing, why.reason), (Some(Standing::Suspended), Reason::AgencyObjects));
        assert_eq!(why.other_objectors, [Objector { pid: AGENCY, word: Decisive::Object { rank: rank(1) } }]);
        assert_eq!(why.electors.len(), 1);
    }

    #[test]
    fn the_decisive_word_is_the_one_that_rules() {
        let mut roster = roster(Veto::Entry);
        let of = Target::Participant(BANK);
        let said = |roster: &Roster| roster.decisive(FOUNDER, of).as_str();
        assert_eq!(said(&roster), "nothing");
        roster.append(FOUNDER, say(BANK, Word::Noted));
        assert_eq!(said(&roster), "noted");
        roster.append(FOUNDER, say(BANK, Word::Object { rank: rank(1), disavowed: false }));
        assert_eq!(said(&roster), "object");
        roster.append(FOUNDER, say(BANK, Word::Withdraw { rank: rank(2), disavowed: false }));
        assert_eq!(said(&roster), "withdraw");
        roster.append(FOUNDER, say(BANK, Word::Clear));
        assert_eq!(said(&roster), "clear");
        roster.append(FOUNDER, say(BANK, Word::Consent { rank: rank(3), disavowed: false }));
        assert_eq!(said(&roster), "consent");
        let stem = Segment::Chain(vec![say(BANK, Word::Object { rank: rank(5), disavowed: false })]);
        let tails = Segment::Set(vec![say(BANK, Word::Consent { rank: rank(3), disavowed: false })]);
        roster.replace(FOUNDER, vec![stem, tails]);
        assert_eq!(said(&roster), "object");
    }

    #[test]
    fn an_excused_elector_is_shown_with_those_who_signed() {
        let pid = |n: u8| Pid([n; 32]);
        let mut roster = Roster::new(Veto::Standing);
        for n in 1..=4 {
            roster.add_founder(pid(n));
        }
        roster.add_participant(AGENCY_5, Class::Agency);
        for n in 1..=3 {
            roster.append(pid(n), say(AGENCY_5, Word::Clear));
            roster.append(pid(n), say(AGENCY_5, Word::Excuse(vec![pid(4)])));
        }
        let why = roster.explain(Target::Participant(AGENCY_5));
        assert_eq!(why.reason, Reason::Complete);
        assert_eq!(why.electors[3].counts, Counts::Excused { by: vec![pid(1), pid(2), pid(3)] });
        roster.append(pid(4), say(AGENCY_5, Word::Object { rank: rank(1), disavowed: false }));
        let why = roster.explain(Target::Participant(AGENCY_5));
        assert_eq!((why.standing, why.reason), (Some(Standing::Suspended), Reason::ElectorObjects));
    }

    const AGENCY_5: Pid = Pid([5; 32]);
}
