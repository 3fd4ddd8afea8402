//! The incremental fold: one item at a time.
//!
//! What an item can change is little, because a first word freezes whom its author passes on:
//! - `noted` and repetitions change nobody's standing;
//! - `clear`, `consent`, `object`, `withdraw`, `excuse` change the verdict on their target, nobody's electors;
//! - `seat` adds electors, of those alone on whom its author has not spoken yet;
//! - `leave` changes the author's standing, nobody's electors.
//!
//! A changed verdict matters further down only when somebody enters or leaves full standing; then those whose elector
//! it is are judged again, seniors first. The order of seniority (the rings) is found anew only when a new elector
//! stands after whom it elects, or when a log was replaced and somebody's electors changed.

use super::bits::Bits;
use super::fold::Fold;
use super::log::{Effect, Log};
use super::{Class, Item, Rules, Segment, Standing, Target, Veto};
use lapwing_record::id::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Somebody's standing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Whose.
    pub pid: Pid,
    /// `None`: just introduced.
    pub before: Option<Standing>,
    /// What it is now.
    pub now: Standing,
}

/// A [`Fold`] kept up to date; read it as one.
#[derive(Clone, Debug)]
pub struct Roster {
    fold: Fold,
    verdicts: u64,
}

impl Deref for Roster {
    type Target = Fold;
    fn deref(&self) -> &Fold {
        &self.fold
    }
}

impl Roster {
    /// Nobody yet.
    pub fn new(veto: Veto) -> Roster {
        Roster { fold: Fold::empty(Rules::of(veto)), verdicts: 0 }
    }

    /// Many logs at once, at the cost of one [`Fold::new`].
    pub fn load(
        founders: BTreeSet<Pid>,
        classes: BTreeMap<Pid, Class>,
        veto: Veto,
        logs: &BTreeMap<Pid, Vec<Segment>>,
    ) -> Roster {
        Roster { fold: Fold::new(founders, classes, veto, logs), verdicts: 0 }
    }

    /// How many members have been judged one by one since the roster was made: a measure of work, for metrics.
    pub fn verdicts(&self) -> u64 {
        self.verdicts
    }

    /// A founder, as the charter names it; an applicant introduced under the same pid becomes one.
    pub fn add_founder(&mut self, pid: Pid) -> Vec<Change> {
        let before = self.fold.standings();
        match self.fold.index.get(&pid).copied() {
            Some(m) if self.fold.members[m].founder => return Vec::new(),
            Some(m) => {
                let member = &mut self.fold.members[m];
                (member.class, member.founder, member.electors) = (Class::Agency, true, Bits::default());
            }
            None => {
                self.fold.enrol(pid, Class::Agency, true);
            }
        }
        self.fold.rebuild();
        self.changes_since(&before)
    }

    /// An introduced applicant. Introduced again, or a founder: nothing changes, the class least of all.
    pub fn add_participant(&mut self, pid: Pid, class: Class) -> Vec<Change> {
        if self.fold.index.contains_key(&pid) {
            return Vec::new();
        }
        let m = self.fold.enrol(pid, class, false);
        let target = Target::Participant(pid);
        self.fold.members[m].seats = self.fold.known_seats(m);
        self.fold.count_all(m);
        for author in 0..m {
            self.fold.count(author, target);
        }
        let mut backward = self.grow(m, None);
        let mut touched = BTreeSet::from([m]);
        if class == Class::Agency {
            self.fold.members[m].ring = self.fold.rings.len();
            self.fold.rings.push(vec![m]);
            for (junior, grew_backward) in self.resolve_early_seats(m) {
                touched.insert(junior);
                backward |= grew_backward;
            }
        }
        if backward { self.judge_all(Some(m)) } else { self.settle(touched, Some(m)) }
    }

    /// One more item at the end of `author`'s log, plainly following what is there.
    pub fn append(&mut self, author: Pid, item: Item) -> Vec<Change> {
        let rules = self.fold.rules;
        let Some(a) = self.fold.index.get(&author).copied() else {
            self.fold.strangers.entry(author).or_default().say(&item, rules);
            return Vec::new();
        };
        match self.fold.members[a].log.say(&item, rules) {
            Effect::Nothing => Vec::new(),
            Effect::Left => self.settle(BTreeSet::from([a]), None),
            Effect::Seated(target) => self.seated(a, target),
            Effect::Spoke(target) => {
                self.fold.count(a, target);
                self.settle(self.fold.member(target).into_iter().collect(), None)
            }
        }
    }

    /// `author`'s log as it is now read: contested, healed, or in another order than before.
    pub fn replace(&mut self, author: Pid, log: Vec<Segment>) -> Vec<Change> {
        let log = Log::read(&log, self.fold.rules);
        let Some(a) = self.fold.index.get(&author).copied() else {
            self.fold.strangers.insert(author, log);
            return Vec::new();
        };
        let juniors = self.fold.members[a].juniors.clone();
        let passed_on = |fold: &Fold| -> Vec<Bits> {
            juniors.iter().map(|j| fold.passes_on(a, fold.members[j].target()).collect()).collect()
        };
        let passed_before = passed_on(&self.fold);
        let old = std::mem::replace(&mut self.fold.members[a].log, log);
        self.fold.members[a].seats = self.fold.known_seats(a);
        let mut touched = BTreeSet::from([a]);
        let spoken: BTreeSet<Target> = old.words.keys().chain(self.fold.members[a].log.words.keys()).copied().collect();
        for target in spoken {
            let counted = |log: &Log| log.words.get(&target).map(|w| (w.agrees(), w.objects(), w.excused.clone()));
            if counted(&old) != counted(&self.fold.members[a].log) {
                self.fold.count(a, target);
                touched.extend(self.fold.member(target));
            }
        }
        let passed_now = passed_on(&self.fold);
        let pairs = juniors.iter().zip(passed_before.iter().zip(&passed_now));
        let reelect: Vec<usize> = pairs.filter(|(_, (before, now))| before != now).map(|(j, _)| j).collect();
        if reelect.is_empty() {
            return self.settle(touched, None);
        }
        for j in reelect {
            self.fold.members[j].electors = self.fold.elect(self.fold.members[j].target());
        }
        self.fold.link_juniors();
        self.judge_all(None)
    }

    /// `a` has seated `target`: a new elector for those whose elector `a` is and on whom it has not spoken.
    fn seated(&mut self, a: usize, target: Target) -> Vec<Change> {
        let Some(seated) = self.fold.member(target).filter(|m| self.fold.members[*m].class == Class::Agency) else {
            return Vec::new();
        };
        let author = &mut self.fold.members[a];
        author.seats.push((author.log.seats.len() - 1, seated));
        let without = self.fold.members[a].juniors.minus(&self.fold.members[seated].juniors);
        let (mut touched, mut backward) = (BTreeSet::new(), false);
        for junior in without.iter().filter(|j| *j != seated) {
            if !self.fold.members[a].log.words.contains_key(&self.fold.members[junior].target()) {
                backward |= self.grow(junior, Some(seated));
                touched.insert(junior);
            }
        }
        if backward { self.judge_all(None) } else { self.settle(touched, None) }
    }

    /// Makes `first` (none: the founders) and whoever follows from it an elector of `m`. True if one of them does not
    /// stand before `m` in the order of rings.
    fn grow(&mut self, m: usize, first: Option<usize>) -> bool {
        let target = self.fold.members[m].target();
        let mut electors = std::mem::take(&mut self.fold.members[m].electors);
        let added = match first {
            Some(first) => self.fold.add_elector(first, target, &mut electors),
            None => {
                electors = self.fold.elect(target);
                electors.iter().collect()
            }
        };
        self.fold.members[m].electors = electors;
        let mut backward = false;
        for elector in added {
            self.fold.members[elector].juniors.insert(m);
            let (senior, junior) = (&self.fold.members[elector], &self.fold.members[m]);
            backward |= first.is_some() && !senior.founder && junior.is_joined_agency() && senior.ring > junior.ring;
        }
        backward
    }

    /// `m`, just enrolled, may have been seated before it was introduced. Answers whose electors grew by that, and
    /// whether against the order of rings.
    fn resolve_early_seats(&mut self, m: usize) -> Vec<(usize, bool)> {
        let target = self.fold.members[m].target();
        let mut seaters = Vec::new();
        for author in 0..self.fold.members.len() {
            if let Some(at) = self.fold.members[author].log.seat_at(target).filter(|_| author != m) {
                let seats = &mut self.fold.members[author].seats;
                let place = seats.partition_point(|(before, _)| *before < at);
                seats.insert(place, (at, m));
                seaters.push((author, at));
            }
        }
        let mut grown = Vec::new();
        for (author, at) in seaters {
            let juniors: Vec<usize> = self.fold.members[author].juniors.iter().collect();
            for junior in juniors.into_iter().filter(|j| *j != m) {
                let member = &self.fold.members[junior];
                let passed = self.fold.members[author].log.seats_passed(member.target(), self.fold.rules);
                if at < passed && !member.electors.contains(m) {
                    grown.push((junior, self.grow(junior, Some(m))));
                }
            }
        }
        grown
    }

    fn judge_all(&mut self, fresh: Option<usize>) -> Vec<Change> {
        let mut before = self.fold.standings();
        if let Some(m) = fresh {
            before.remove(&self.fold.members[m].pid);
        }
        self.fold.judge_all();
        self.verdicts += self.fold.members.len() as u64;
        self.changes_since(&before)
    }

    fn changes_since(&self, before: &BTreeMap<Pid, Standing>) -> Vec<Change> {
        let now = self.fold.standings().into_iter();
        let changes = now.map(|(pid, now)| Change { pid, before: before.get(&pid).copied(), now });
        changes.filter(|change| change.before != Some(change.now)).collect()
    }

    /// Judges those `touched`, and then whoever depends on a changed answer, seniors first.
    fn settle(&mut self, touched: BTreeSet<usize>, fresh: Option<usize>) -> Vec<Change> {
        let mut work = Work::default();
        if let Some(m) = fresh {
            work.before.insert(m, None);
        }
        for m in touched {
            let member = &self.fold.members[m];
            if member.log.left {
                // fellows of its ring may have been barred by it
                work.rings.extend(member.is_joined_agency().then_some(member.ring));
                self.set(m, Standing::Left, &mut work);
            } else if member.founder {
                self.set(m, Standing::Participant, &mut work);
            } else {
                work.plan(&self.fold, m);
            }
        }
        while let Some(ring) = work.rings.pop_first() {
            let judged = self.fold.judge_ring(&self.fold.rings[ring]);
            self.verdicts += judged.len() as u64;
            for (m, standing) in judged {
                self.set(m, standing, &mut work);
            }
        }
        for m in std::mem::take(&mut work.others) {
            self.verdicts += 1;
            let now = self.fold.judge_other(m);
            let was = std::mem::replace(&mut self.fold.members[m].standing, now);
            work.before.entry(m).or_insert(Some(was));
        }
        let changes = work.before.into_iter().map(|(m, before)| {
            let member = &self.fold.members[m];
            Change { pid: member.pid, before, now: member.standing }
        });
        let mut changes: Vec<Change> = changes.filter(|change| change.before != Some(change.now)).collect();
        changes.sort_by_key(|change| change.pid);
        changes
    }

    fn set(&mut self, m: usize, standing: Standing, work: &mut Work) {
        let member = &mut self.fold.members[m];
        let was = std::mem::replace(&mut member.standing, standing);
        work.before.entry(m).or_insert(Some(was));
        let full = standing == Standing::Participant && member.class == Class::Agency;
        if full == self.fold.full.contains(m) {
            return;
        }
        self.fold.full.set(m, full);
        let ring = self.fold.members[m].ring;
        for junior in self.fold.members[m].juniors.iter() {
            let fellow = self.fold.members[junior].is_joined_agency() && self.fold.members[junior].ring == ring;
            // a ring is judged whole, from outside: what it finds of one member asks no fellow again
            if !fellow || self.fold.members[m].founder {
                work.plan(&self.fold, junior);
            }
        }
        // against private-sector participants the objection of any agency counts
        for (other, member) in self.fold.members.iter().enumerate() {
            if member.class != Class::Agency && member.tally.object.contains(m) {
                work.plan(&self.fold, other);
            }
        }
    }
}

/// What is still to be judged, and what was before.
#[derive(Default)]
struct Work {
    rings: BTreeSet<usize>,
    others: BTreeSet<usize>,
    before: BTreeMap<usize, Option<Standing>>,
}

impl Work {
    fn plan(&mut self, fold: &Fold, m: usize) {
        let member = &fold.members[m];
        if member.founder || member.log.left {
            return;
        }
        if member.class == Class::Agency {
            self.rings.insert(member.ring);
        } else {
            self.others.insert(m);
        }
    }
}
