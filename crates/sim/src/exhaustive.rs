//! Small scope, all orders (docs/simulation.md): few participants, few entries, and everything that a node can make of
//! them. Nothing here is random.
//!
//! ```text
//! table: dangers × scripts ──▶ cast: signed entries ──▶ orders: every set that can be kept, from every side
//!                                                         │ each
//!                                                         ▼
//!                                   opinion: the invariants, read a second time from the entries
//! ```

pub mod cast;
pub mod opinion;
pub mod orders;
pub mod script;
pub mod table;

use cast::{Cast, Play};
use lapwing_engine::federation::Federation;
use lapwing_engine::membership::{Class, Fold, Segment};
use lapwing_engine::mutation::Mutation;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::idlog::IdLog;
use lapwing_record::testkit::remember_verified;
use opinion::{Broken, Judged, Opinion};
use orders::{Differ, Explored, Held, Reached, explore, literally};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use table::{FAMILIES, Family, Scripts, combinations};

/// Entries of one scenario at most.
pub const MOST_EVENTS: usize = 10;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Scenarios of at most so many entries.
    pub events: usize,
    /// Of those with at most so many, every order is tried literally, too.
    pub literal: usize,
    /// Of each danger, one scenario in so many.
    pub every: usize,
    /// Threads.
    pub threads: usize,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Scenarios.
    pub scenarios: u64,
    /// Subsets of their entries.
    pub subsets: u64,
    /// Sets that a node can keep of them, each judged.
    pub sets: u64,
    /// Orders of all their entries, by the argument of [`orders`].
    pub orders: u128,
    /// Orders tried one by one.
    pub literal: u64,
    /// Pairs of states compared.
    pub compared: u64,
}

impl Tried {
    /// Counts both.
    pub fn add(&mut self, other: &Tried) {
        self.scenarios += other.scenarios;
        self.subsets += other.subsets;
        self.sets += other.sets;
        self.orders += other.orders;
        self.literal += other.literal;
        self.compared += other.compared;
    }

    /// For people: a number and what of.
    pub fn rows(&self) -> [(&'static str, u128); 6] {
        [
            ("scenarios", self.scenarios.into()),
            ("subsets of entries", self.subsets.into()),
            ("sets kept and judged", self.sets.into()),
            ("orders covered", self.orders),
            ("orders tried one by one", self.literal.into()),
            ("states compared", self.compared.into()),
        ]
    }
}

/// A scenario in which something is wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The danger that it belongs to.
    pub danger: &'static str,
    /// What is wrong.
    pub check: String,
    /// How.
    pub why: String,
    /// The entries, numbered.
    pub entries: Vec<String>,
    /// The orders, by number: two that differ, or one that leads to what is wrong.
    pub orders: Vec<Vec<usize>>,
    /// In which lines the states differ.
    pub lines: Vec<String>,
}

impl Failure {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n  {}: {}\n", self.danger, self.check, self.why);
        self.entries.iter().enumerate().for_each(|(i, e)| out += &format!("  {i:>2}  {e}\n"));
        self.orders.iter().for_each(|order| out += &format!("  order {order:?}\n"));
        self.lines.iter().for_each(|line| out += &format!("  {line}\n"));
        out
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({"danger": self.danger, "check": self.check, "why": self.why, "entries": self.entries,
               "orders": self.orders, "lines": self.lines})
    }
}

/// What came of each danger.
#[derive(Clone, Debug)]
pub struct Row {
    /// The danger.
    pub danger: &'static str,
    /// How much was tried.
    pub tried: Tried,
    /// The first scenario that failed.
    pub failure: Option<Failure>,
}

/// Tries every danger. `progress` hears of each scenario done: how many of how many.
///
/// # Errors
/// The table cannot be read.
pub fn run(scope: Scope, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Vec<Row>, String> {
    let mut jobs: Vec<(usize, Scripts)> = Vec::new();
    for (at, family) in FAMILIES.iter().enumerate() {
        let all = combinations(family, scope.events.min(MOST_EVENTS))?;
        jobs.extend(all.into_iter().step_by(scope.every.max(1)).map(|scripts| (at, scripts)));
    }
    let casts = FAMILIES.iter().map(|f| Cast::new(f.founders, f.applicants, f.veto)).collect::<Result<Vec<_>, _>>()?;
    let failed: Vec<AtomicBool> = FAMILIES.iter().map(|_| AtomicBool::new(false)).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        remember_verified();
        let mut found: Vec<(usize, Result<Tried, Box<Failure>>)> = Vec::new();
        while let Some((family, scripts)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !failed[*family].load(Ordering::Relaxed)
                && let Some(play) = casts[*family].play(scripts)
            {
                let tried = Scenario { family: &FAMILIES[*family], cast: &casts[*family], play: &play }.judge(&scope);
                failed[*family].fetch_or(tried.is_err(), Ordering::Relaxed);
                found.push((*family, tried));
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
        }
        found
    };
    let found: Vec<_> = std::thread::scope(|scope_of| {
        let threads: Vec<_> = (0..scope.threads.max(1)).map(|_| scope_of.spawn(work)).collect();
        threads.into_iter().map(|t| t.join()).collect()
    });
    let mut rows: Vec<Row> =
        FAMILIES.iter().map(|f| Row { danger: f.danger, tried: Tried::default(), failure: None }).collect();
    for found in found {
        for (family, tried) in found.map_err(|_| "a scenario panicked".to_owned())? {
            match tried {
                Ok(tried) => rows[family].tried.add(&tried),
                Err(failure) => rows[family].failure = Some(*failure),
            }
        }
    }
    Ok(rows)
}

/// One combination of scripts.
pub struct Scenario<'a> {
    /// The danger.
    pub family: &'a Family,
    /// Who there is.
    pub cast: &'a Cast,
    /// What they wrote.
    pub play: &'a Play,
}

impl Scenario<'_> {
    /// All orders, and every set judged.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judge(&self, scope: &Scope) -> Result<Tried, Box<Failure>> {
        let (root, entries) = (&self.cast.founding, &self.play.entries);
        let differ = |differ: Box<Differ>| Box::new(self.differ(*differ));
        let explored = explore(root, entries).map_err(differ)?;
        for (set, reached) in &explored.reached {
            self.judge_set(*set, reached).map_err(|broken| Box::new(self.broken(broken, &reached.order)))?;
        }
        self.own_nodes_agree(&explored)?;
        let subsets = explored.subsets(entries.len()).map_err(differ)?;
        let literal =
            if entries.len() <= scope.literal { literally(root, entries, &explored).map_err(differ)? } else { 0 };
        Ok(Tried {
            scenarios: 1,
            subsets,
            sets: explored.reached.len() as u64,
            orders: (1..=entries.len() as u128).product(),
            literal,
            compared: explored.compared,
        })
    }

    /// The node of an applicant, which holds its own logs before anybody introduced it, comes to the same as the others.
    fn own_nodes_agree(&self, explored: &Explored<Federation>) -> Result<(), Box<Failure>> {
        let entries = &self.play.entries;
        let all = &explored.reached[&explored.kept_of((1 << entries.len()) - 1, true)];
        let joined = self.cast.agencies.values().filter(|a| !all.node.founders().contains(&a.pid()));
        for agency in joined.filter(|a| all.node.standing(&a.pid()).is_some()) {
            let first = agency.first_entry(&self.cast.network);
            let Ok(id) = IdLog::fold(agency.pid(), [&first], &self.cast.network) else { continue };
            for backward in [false, true] {
                let (mut own, mut order) = (self.cast.founding.clone(), Vec::new());
                own.host(id.clone(), vec![first.clone()]);
                let turn = |i: usize| if backward { entries.len() - 1 - i } else { i };
                while let Some(i) = (0..entries.len()).map(turn).find(|i| own.hand_in(&entries[*i])) {
                    order.push(i);
                }
                if let Some(differ) = all.unlike(&own, "an applicant's own node differs", &order) {
                    return Err(Box::new(self.differ(differ)));
                }
            }
        }
        Ok(())
    }

    /// Every set judged, with a fold that follows one rule wrongly: what the second opinion says.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judge_mutant(&self, explored: &Explored<Federation>, mutation: Mutation) -> Result<(), Box<Failure>> {
        for (set, reached) in &explored.reached {
            let fold = batch(&reached.node, Some(mutation));
            self.second_opinion(*set, &fold).map_err(|broken| Box::new(self.broken(broken, &reached.order)))?;
        }
        Ok(())
    }

    fn kept(&self, set: orders::Set) -> Vec<&Entry> {
        self.play.entries.iter().enumerate().filter(|(i, _)| set & (1 << i) != 0).map(|(_, e)| e).collect()
    }

    fn judge_set(&self, set: orders::Set, reached: &Reached<Federation>) -> Result<(), Broken> {
        let federation = &reached.node;
        let whole = batch(federation, None);
        if whole.canonical() != federation.roster().canonical() {
            return Err(("invariant_02_incremental_is_batch", "a fold of everything at once differs".into()));
        }
        // judging is bounded: each entry judges everybody a few times at most
        let members = federation.roster().standings().len() as u64;
        if federation.roster().verdicts() > (set.count_ones() as u64 + 1) * (members + 1) * (members + 1) {
            let why = format!("{} verdicts on {members} participants", federation.roster().verdicts());
            return Err(("invariant_06_evaluation_ends", why));
        }
        self.private_stances_change_nothing(set, federation)?;
        self.second_opinion(set, federation.roster())
    }

    fn second_opinion(&self, set: orders::Set, fold: &Fold) -> Result<(), Broken> {
        // the second opinion reads one epoch
        let grants = |e: &Entry| e.header().entry_type() == Some(EntryType::KeyGrant);
        if self.play.entries.iter().any(grants) || self.play.words.iter().any(|w| w.starts_with("intro-grant")) {
            return Ok(());
        }
        let opinion = Opinion::of(self.cast, &self.kept(set));
        let motions: Vec<EntryId> = self.play.motions.values().copied().collect();
        Judged { opinion: &opinion, fold, motions: &motions }.judge()
    }

    /// 5: the same without what private-sector participants and observers say; forks that they show are shown.
    fn private_stances_change_nothing(&self, set: orders::Set, federation: &Federation) -> Result<(), Broken> {
        let agency = |e: &Entry| federation.is_agency(&e.header().pid);
        let says = |e: &Entry| e.header().log != LogKind::Id && e.header().entry_type() != Some(EntryType::ForkProof);
        let all = self.kept(set);
        let without: Vec<&Entry> = all.iter().copied().filter(|e| agency(e) || !says(e)).collect();
        if without.len() == all.len() {
            return Ok(());
        }
        let mut again = self.cast.founding.clone();
        while without.iter().any(|e| again.hand_in(e)) {}
        if again.state_digest() == federation.state_digest() {
            return Ok(());
        }
        Err(("invariant_05_private_stances_change_nothing", "without them standings differ".into()))
    }

    fn entries(&self) -> Vec<String> {
        let (entries, words) = (&self.play.entries, &self.play.words);
        entries.iter().zip(words).map(|(e, w)| format!("{}: {w}", self.cast.letter(&e.header().pid))).collect()
    }

    fn broken(&self, (check, why): Broken, order: &[usize]) -> Failure {
        let orders = vec![order.to_vec()];
        Failure {
            danger: self.family.danger,
            check: check.into(),
            why,
            entries: self.entries(),
            orders,
            lines: Vec::new(),
        }
    }

    /// A failure of the orders.
    pub fn differ(&self, differ: Differ) -> Failure {
        let names: Vec<String> = self.cast.agencies.iter().map(|(l, a)| format!("{l} {}", short(&a.pid()))).collect();
        Failure {
            danger: self.family.danger,
            check: "invariant_01_equal_sets_equal_states".into(),
            why: format!("{} ({})", differ.what, names.join(", ")),
            entries: self.entries(),
            orders: vec![differ.one, differ.other],
            lines: differ.lines,
        }
    }
}

fn short(pid: &Pid) -> String {
    pid.0[..6].iter().map(|b| format!("{b:02x}")).collect()
}

/// All that is held, folded at once, with one rule broken or none.
pub fn batch(federation: &Federation, broken: Option<Mutation>) -> Fold {
    let ready = |line: &lapwing_engine::line::Line| line.refs.iter().all(|r| federation.holds(r));
    let segments = |pid: Pid| -> Option<(Pid, Vec<Segment>)> { Some((pid, federation.author(&pid)?.segments(&ready))) };
    let logs: BTreeMap<Pid, Vec<Segment>> = federation.pids().filter_map(segments).collect();
    let founders: BTreeSet<Pid> = federation.founders().clone();
    let joined = federation.pids().filter(|pid| !founders.contains(pid));
    let classes: BTreeMap<Pid, Class> =
        joined.filter_map(|pid| Some((pid, federation.inception(&pid)?.class))).collect();
    let veto = federation.charter().params.veto;
    match broken {
        None => Fold::new(founders, classes, veto, &logs),
        Some(broken) => Fold::with_mutation(founders, classes, veto, &logs, broken),
    }
}
