//! The batch fold: all logs at once.

use super::bits::Bits;
use super::log::{Log, Ruling};
use super::{Class, Rules, Segment, Standing, Target, Veto, quorum};
use crate::mutation::Mutation;
use lapwing_record::id::{EntryId, Pid};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What members say of one target.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) agree: Bits,
    pub(super) object: Bits,
    pub(super) excusers: Bits,
}

/// A founder or an introduced applicant.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) pid: Pid,
    pub(super) class: Class,
    pub(super) founder: bool,
    pub(super) log: Log,
    /// The agencies among its seats: position in the log's seats, member. Ascending.
    pub(super) seats: Vec<(usize, usize)>,
    /// Its electors; empty for founders, whom nobody elects.
    pub(super) electors: Bits,
    /// Those of whom it is an elector.
    pub(super) juniors: Bits,
    pub(super) tally: Tally,
    /// Which of [`Fold::rings`]; of an agency that joined.
    pub(super) ring: usize,
    pub(super) standing: Standing,
}

impl Member {
    pub(super) fn new(pid: Pid, class: Class, founder: bool, log: Log) -> Member {
        Member {
            pid,
            class,
            founder,
            log,
            seats: Vec::new(),
            electors: Bits::default(),
            juniors: Bits::default(),
            tally: Tally::default(),
            ring: 0,
            standing: Standing::Candidate,
        }
    }

    pub(super) fn target(&self) -> Target {
        Target::Participant(self.pid)
    }

    pub(super) fn is_joined_agency(&self) -> bool {
        self.class == Class::Agency && !self.founder
    }
}

/// Everyone's standing, and what it follows from.
///
/// Pids that nobody has introduced have no standing; what they say is kept, and counts once they are introduced.
#[derive(Clone, Debug)]
pub struct Fold {
    pub(super) rules: Rules,
    pub(super) index: BTreeMap<Pid, usize>,
    pub(super) members: Vec<Member>,
    /// Logs of those who are not (yet) members.
    pub(super) strangers: BTreeMap<Pid, Log>,
    /// Strongly connected components of elector → elected, seniors first.
    pub(super) rings: Vec<Vec<usize>>,
    /// Agencies in full standing.
    pub(super) full: Bits,
}

impl Fold {
    /// Folds `logs`. `classes` has every introduced applicant; founders are agencies whatever it says of them.
    pub fn new(
        founders: BTreeSet<Pid>,
        classes: BTreeMap<Pid, Class>,
        veto: Veto,
        logs: &BTreeMap<Pid, Vec<Segment>>,
    ) -> Fold {
        Fold::build(founders, classes, Rules::of(veto), logs)
    }

    /// As [`Fold::new`], with one rule broken.
    #[doc(hidden)]
    pub fn with_mutation(
        founders: BTreeSet<Pid>,
        classes: BTreeMap<Pid, Class>,
        veto: Veto,
        logs: &BTreeMap<Pid, Vec<Segment>>,
        broken: Mutation,
    ) -> Fold {
        Fold::build(founders, classes, Rules { veto, broken: Some(broken) }, logs)
    }

    fn build(
        founders: BTreeSet<Pid>,
        classes: BTreeMap<Pid, Class>,
        rules: Rules,
        logs: &BTreeMap<Pid, Vec<Segment>>,
    ) -> Fold {
        let mut fold = Fold::empty(rules);
        fold.strangers = logs.iter().map(|(author, log)| (*author, Log::read(log, rules))).collect();
        for pid in founders {
            fold.enrol(pid, Class::Agency, true);
        }
        for (pid, class) in classes {
            if !fold.index.contains_key(&pid) {
                fold.enrol(pid, class, false);
            }
        }
        fold.rebuild();
        fold
    }

    pub(super) fn empty(rules: Rules) -> Fold {
        Fold {
            rules,
            index: BTreeMap::new(),
            members: Vec::new(),
            strangers: BTreeMap::new(),
            rings: Vec::new(),
            full: Bits::default(),
        }
    }

    /// Makes `pid` a member, with what it has said so far.
    pub(super) fn enrol(&mut self, pid: Pid, class: Class, founder: bool) -> usize {
        let log = self.strangers.remove(&pid).unwrap_or_default();
        self.index.insert(pid, self.members.len());
        self.members.push(Member::new(pid, class, founder, log));
        self.members.len() - 1
    }

    /// Everything that follows from members and logs, anew.
    pub(super) fn rebuild(&mut self) {
        for m in 0..self.members.len() {
            self.members[m].tally = Tally::default();
            self.members[m].seats = self.known_seats(m);
        }
        for author in 0..self.members.len() {
            self.count_all(author);
        }
        for m in 0..self.members.len() {
            if !self.members[m].founder {
                self.members[m].electors = self.elect(self.members[m].target());
            }
        }
        self.link_juniors();
        self.judge_all();
    }

    pub(super) fn link_juniors(&mut self) {
        let mut juniors = vec![Bits::default(); self.members.len()];
        for (m, member) in self.members.iter().enumerate() {
            for elector in member.electors.iter() {
                juniors[elector].insert(m);
            }
        }
        for (member, juniors) in self.members.iter_mut().zip(juniors) {
            member.juniors = juniors;
        }
    }

    pub(super) fn member(&self, target: Target) -> Option<usize> {
        match target {
            Target::Participant(pid) => self.index.get(&pid).copied(),
            Target::Motion(_) => None,
        }
    }

    /// The agencies among what `author` seated.
    pub(super) fn known_seats(&self, author: usize) -> Vec<(usize, usize)> {
        let seats = self.members[author].log.seats.iter().enumerate();
        let known = seats.filter_map(|(at, target)| Some((at, self.member(*target)?)));
        known.filter(|(_, m)| self.members[*m].class == Class::Agency).collect()
    }

    /// Enters all that `author` says of members into their tallies.
    pub(super) fn count_all(&mut self, author: usize) {
        let targets: Vec<Target> = self.members[author].log.words.keys().copied().collect();
        for target in targets {
            self.count(author, target);
        }
    }

    /// Enters what `author` says of `target` into its tally, if it is a member.
    pub(super) fn count(&mut self, author: usize, target: Target) {
        let Some(m) = self.member(target) else { return };
        let words = self.members[author].log.words.get(&target);
        let (agrees, objects) = words.map_or((false, false), |w| (w.agrees(), w.objects()));
        let excuses = words.is_some_and(|w| !w.excused.is_empty());
        let tally = &mut self.members[m].tally;
        tally.agree.set(author, agrees);
        tally.object.set(author, objects);
        tally.excusers.set(author, excuses);
    }

    /// What members say of any target: kept for members, gathered for others.
    pub(super) fn tally(&self, target: Target) -> Cow<'_, Tally> {
        if let Some(m) = self.member(target) {
            return Cow::Borrowed(&self.members[m].tally);
        }
        let mut tally = Tally::default();
        for (author, member) in self.members.iter().enumerate() {
            if let Some(words) = member.log.words.get(&target) {
                tally.agree.set(author, words.agrees());
                tally.object.set(author, words.objects());
                tally.excusers.set(author, !words.excused.is_empty());
            }
        }
        Cow::Owned(tally)
    }

    /// The agencies that `elector` makes electors of `target`.
    pub(super) fn passes_on(&self, elector: usize, target: Target) -> impl Iterator<Item = usize> {
        let member = &self.members[elector];
        let passed = member.log.seats_passed(target, self.rules);
        member.seats.iter().take_while(move |(at, _)| *at < passed).map(|(_, m)| *m)
    }

    /// The founders, and every agency that an elector had seated before its own first word on `target`.
    pub(super) fn elect(&self, target: Target) -> Bits {
        let mut electors = Bits::default();
        for founder in (0..self.members.len()).filter(|m| self.members[*m].founder) {
            self.add_elector(founder, target, &mut electors);
        }
        electors
    }

    /// Adds `first` and all to whom it leads; answers whom it added.
    pub(super) fn add_elector(&self, first: usize, target: Target, electors: &mut Bits) -> Vec<usize> {
        let (mut added, mut done) = (Vec::new(), 0);
        if Some(first) != self.member(target) && electors.insert(first) {
            added.push(first);
        }
        while done < added.len() {
            for m in self.passes_on(added[done], target) {
                if self.members[m].target() != target && electors.insert(m) {
                    added.push(m);
                }
            }
            done += 1;
        }
        added
    }

    /// The kept electors of a member, or those of any other target.
    pub(super) fn electors_of(&self, target: Target) -> Cow<'_, Bits> {
        match self.member(target) {
            Some(m) if !self.members[m].founder => Cow::Borrowed(&self.members[m].electors),
            _ => Cow::Owned(self.elect(target)),
        }
    }

    pub(super) fn pids(&self, bits: &Bits) -> BTreeSet<Pid> {
        bits.iter().map(|m| self.members[m].pid).collect()
    }
}

/// Answers.
impl Fold {
    /// Where `pid` stands; `None` if nobody has introduced it.
    pub fn standing(&self, pid: Pid) -> Option<Standing> {
        self.index.get(&pid).map(|m| self.members[*m].standing)
    }

    /// Where everyone stands, founders included.
    pub fn standings(&self) -> BTreeMap<Pid, Standing> {
        self.index.iter().map(|(pid, m)| (*pid, self.members[*m].standing)).collect()
    }

    /// What `pid` is; `None` if nobody has introduced it.
    pub fn class(&self, pid: Pid) -> Option<Class> {
        self.index.get(&pid).map(|m| self.members[*m].class)
    }

    /// Whether `pid` founded the federation.
    pub fn is_founder(&self, pid: Pid) -> bool {
        self.index.get(&pid).is_some_and(|m| self.members[*m].founder)
    }

    /// Agencies in full standing, founders included.
    pub fn agencies(&self) -> BTreeSet<Pid> {
        self.pids(&self.full)
    }

    /// How many agencies are in full standing.
    pub fn agency_count(&self) -> usize {
        self.full.len()
    }

    /// The electors of `target`, live or not (protocol §4.4).
    pub fn electors(&self, target: Target) -> BTreeSet<Pid> {
        self.pids(&self.electors_of(target))
    }

    /// Whether a node may seat `motion`: every live elector agrees or is excused, and none objects (protocol §4.6).
    pub fn complete(&self, motion: EntryId) -> bool {
        let target = Target::Motion(motion);
        let electors = self.elect(target);
        let live = electors.and(&self.full);
        self.verdict(target, &self.tally(target), &electors, &live).standing() == Standing::Participant
    }

    /// Whether `motion` is adopted: seated by a quorum of its electors (protocol §4.6).
    pub fn passed(&self, motion: EntryId) -> bool {
        let electors = self.elect(Target::Motion(motion));
        let live = electors.and(&self.full).len();
        live > 0 && self.seated_by(Target::Motion(motion), &electors).len() >= quorum(live)
    }

    pub(super) fn seated_by(&self, target: Target, electors: &Bits) -> Bits {
        electors.iter().filter(|e| self.members[*e].log.seat_at(target).is_some()).collect()
    }

    /// Every motion on which somebody has said a word.
    pub fn motions(&self) -> BTreeSet<EntryId> {
        let logs = self.members.iter().map(|m| &m.log).chain(self.strangers.values());
        let first = Target::Motion(EntryId([0; 32]));
        let targets = logs.flat_map(|log| log.words.range(first..).map(|(target, _)| *target));
        let motions = targets.filter_map(|target| match target {
            Target::Motion(id) => Some(id),
            Target::Participant(_) => None,
        });
        motions.collect()
    }

    /// The motions that have been adopted.
    pub fn adopted(&self) -> BTreeSet<EntryId> {
        self.motions().into_iter().filter(|m| self.passed(*m)).collect()
    }

    /// Every objection held that is not late, whether it bars or not: author and target.
    pub fn objections(&self) -> BTreeSet<(Pid, Target)> {
        let logs = self.members.iter().map(|m| (m.pid, &m.log));
        let logs = logs.chain(self.strangers.iter().map(|(pid, log)| (*pid, log)));
        let said = logs.flat_map(|(pid, log)| log.words.iter().map(move |(target, words)| (pid, *target, words)));
        said.filter(|(.., words)| words.objects()).map(|(pid, target, _)| (pid, target)).collect()
    }

    /// The approved stance of `author` on `target` that rules, counted or not.
    pub fn ruling(&self, author: Pid, target: Target) -> Option<Ruling> {
        self.log(author)?.ruling(target)
    }

    /// All approved stances that rule, by author and target.
    pub fn rulings(&self) -> BTreeMap<(Pid, Target), Ruling> {
        let logs = self.members.iter().map(|m| (m.pid, &m.log));
        let logs = logs.chain(self.strangers.iter().map(|(pid, log)| (*pid, log)));
        let said = logs.flat_map(|(pid, log)| log.words.iter().map(move |(target, words)| ((pid, *target), words)));
        said.filter_map(|(key, words)| Some((key, words.ruling?))).collect()
    }

    pub(super) fn log(&self, author: Pid) -> Option<&Log> {
        match self.index.get(&author) {
            Some(m) => Some(&self.members[*m].log),
            None => self.strangers.get(&author),
        }
    }
}
