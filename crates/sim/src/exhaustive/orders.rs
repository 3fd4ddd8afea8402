//! Every order in which a node can come to hold some entries, without trying them one by one.
//!
//! A node takes an entry or does not: what comes too early is not kept, and anti-entropy hands it in again. So whatever
//! arrives, in whatever order and however often, a node only ever goes from one *set of entries kept* to a larger one.
//! [`explore`] goes through all sets that can be kept, and from each hands in every entry of the scenario:
//!
//! 1. an entry that is taken leads to the state of the larger set, **the same from whichever side it is reached**;
//! 2. an entry that is not taken, or held already, changes nothing at all;
//! 3. what a set would take, it still takes after taking anything else.
//!
//! By 1 and 2 and induction over the number of entries kept, the state is a function of the set kept alone: any sequence
//! of arrivals, early ones and duplicates included, is a path through these steps. By 3 the set kept in the end, once what
//! came too early was handed in again, is a function of the set that arrived: of two different ends each could take what
//! the other has. So all n! orders of each of the 2ⁿ subsets are covered. "The same state" is
//! [`Federation::canonical`]: every field that later steps read, so that equal states stay equal.

use lapwing_engine::author::Placed;
use lapwing_engine::federation::Federation;
use lapwing_record::entry::{Entry, LogKind};
use std::collections::{BTreeMap, HashMap};

/// A set of a scenario's entries, by number.
pub type Set = u32;

/// What is tried: the federation as it is, or one made wrong by a test.
pub trait Held: Clone {
    /// Hands in an entry; true if it was taken.
    fn hand_in(&mut self, entry: &Entry) -> bool;
    /// Whether the entry is held, by whatever road it came.
    fn has(&self, entry: &Entry) -> bool;
    /// All that is held, in a form that does not come from the order.
    fn canonical(&self) -> String;
}

impl Held for Federation {
    fn hand_in(&mut self, entry: &Entry) -> bool {
        matches!(self.place(entry).0, Placed::New | Placed::Forks { .. })
    }
    fn has(&self, entry: &Entry) -> bool {
        let (header, id) = (entry.header(), entry.id());
        self.author(&header.pid).is_some_and(|author| match header.log {
            // an application brings some along
            LogKind::Id => author.id_entries().any(|e| e.id() == id),
            log => author.log(log).get(&header.epoch).is_some_and(|chain| chain.holds(header.seq, id)),
        })
    }
    fn canonical(&self) -> String {
        Federation::canonical(self)
    }
}

/// Two orders that should lead to the same, and what they lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differ {
    /// What is wrong with them.
    pub what: &'static str,
    /// The entries in one order.
    pub one: Vec<usize>,
    /// In the other.
    pub other: Vec<usize>,
    /// The lines in which the states differ: `-` after the one, `+` after the other.
    pub lines: Vec<String>,
}

/// One set that can be kept.
#[derive(Clone)]
pub struct Reached<N> {
    /// The state.
    pub node: N,
    /// Its canonical form.
    pub text: String,
    /// An order that leads here.
    pub order: Vec<usize>,
    /// What each entry that would be taken leads to.
    pub takes: BTreeMap<usize, Set>,
}

impl<N: Held> Reached<N> {
    /// How another state, reached by `order`, differs from this one; nothing if it does not.
    pub fn unlike(&self, other: &N, what: &'static str, order: &[usize]) -> Option<Differ> {
        let text = other.canonical();
        (text != self.text).then(|| differ(what, &self.order, order, &self.text, &text))
    }
}

/// All sets that can be kept.
#[derive(Clone)]
pub struct Explored<N> {
    /// By set.
    pub reached: BTreeMap<Set, Reached<N>>,
    /// How many pairs of states were compared.
    pub compared: u64,
}

fn kept<N: Held>(node: &N, entries: &[Entry]) -> Set {
    entries.iter().enumerate().filter(|(_, e)| node.has(e)).fold(0, |set, (i, _)| set | 1 << i)
}

fn differ(what: &'static str, one: &[usize], other: &[usize], left: &str, right: &str) -> Differ {
    let lines = |mine: &str, sign: char, theirs: &str| -> Vec<String> {
        mine.lines().filter(|l| !theirs.lines().any(|t| t == *l)).map(|l| format!("{sign} {l}")).collect()
    };
    let lines = [lines(left, '-', right), lines(right, '+', left)].concat();
    Differ { what, one: one.to_vec(), other: other.to_vec(), lines }
}

/// Goes through all sets that a node which begins as `root` can keep of `entries` (at most 20).
///
/// # Errors
/// The first two orders that differ.
pub fn explore<N: Held>(root: &N, entries: &[Entry]) -> Result<Explored<N>, Box<Differ>> {
    let mut explored = Explored { reached: BTreeMap::new(), compared: 0 };
    let begin = Reached { node: root.clone(), text: root.canonical(), order: Vec::new(), takes: BTreeMap::new() };
    // smaller sets first: all ways into a set are tried before the ways out of it
    let mut open: BTreeMap<(u32, Set), Reached<N>> = BTreeMap::from([((0, kept(root, entries)), begin)]);
    while let Some(((_, set), mut here)) = open.pop_first() {
        for (i, entry) in entries.iter().enumerate() {
            let mut node = here.node.clone();
            let taken = node.hand_in(entry);
            let order = [&here.order[..], &[i]].concat();
            let text = node.canonical();
            explored.compared += 1;
            if !taken {
                if text != here.text {
                    let what = "an entry that was not taken changed something";
                    return Err(Box::new(differ(what, &here.order, &order, &here.text, &text)));
                }
                continue;
            }
            let after = kept(&node, entries);
            if after & set != set || after & (1 << i) == 0 || after == set {
                return Err(Box::new(differ("taking an entry lost one", &here.order, &order, &here.text, &text)));
            }
            here.takes.insert(i, after);
            let there = open.entry((after.count_ones(), after)).or_insert_with(|| Reached {
                node,
                text: text.clone(),
                order: order.clone(),
                takes: BTreeMap::new(),
            });
            if there.text != text {
                let what = "the same entries in another order give another state";
                return Err(Box::new(differ(what, &there.order, &order, &there.text, &text)));
            }
        }
        explored.reached.insert(set, here);
    }
    explored.still_takes()?;
    Ok(explored)
}

impl<N: Held> Explored<N> {
    /// What a set would take, it still takes, or has, after taking anything else.
    fn still_takes(&self) -> Result<(), Box<Differ>> {
        for here in self.reached.values() {
            for (i, after) in &here.takes {
                let there = &self.reached[after];
                for j in here.takes.keys().filter(|j| *j != i) {
                    if after & (1 << j) == 0 && !there.takes.contains_key(j) {
                        let (one, other) =
                            ([&here.order[..], &[*j, *i]].concat(), [&here.order[..], &[*i, *j]].concat());
                        let what = "an entry is not taken any more after another";
                        return Err(Box::new(differ(what, &one, &other, "", "")));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is kept of a set that arrived, once nothing more is taken; the lowest or the highest numbers first.
    pub fn kept_of(&self, arrived: Set, lowest: bool) -> Set {
        let mut set = *self.reached.first_key_value().expect("it has a beginning").0;
        while let Some(here) = self.reached.get(&set) {
            let mut more = here.takes.iter().filter(|(i, _)| arrived & (1 << **i) != 0);
            let next = if lowest { more.next() } else { more.next_back() };
            let Some((_, after)) = next else { return set };
            set = *after;
        }
        set
    }

    /// Every subset of the entries has one end; answers how many there are.
    ///
    /// # Errors
    /// The subset that has two.
    pub fn subsets(&self, entries: usize) -> Result<u64, Box<Differ>> {
        for arrived in 0..1u32 << entries {
            let (one, other) = (self.kept_of(arrived, true), self.kept_of(arrived, false));
            if one != other {
                let (one, other) = (&self.reached[&one], &self.reached[&other]);
                let what = "the same arrivals end in different sets";
                return Err(Box::new(differ(what, &one.order, &other.order, &one.text, &other.text)));
            }
        }
        Ok(1 << entries)
    }
}

/// Every order literally, as a check of the argument: n! orders, each prefix compared with what [`explore`] says. What
/// came too early is handed in again after each arrival. Answers how many orders there were.
///
/// # Errors
/// The first order that leads elsewhere.
pub fn literally<N: Held>(root: &N, entries: &[Entry], explored: &Explored<N>) -> Result<u64, Box<Differ>> {
    let known: HashMap<Set, (&str, &[usize])> =
        explored.reached.iter().map(|(set, r)| (*set, (r.text.as_str(), r.order.as_slice()))).collect();
    let mut orders = 0;
    let mut path = vec![(root.clone(), Vec::<usize>::new(), 0 as Set)];
    while let Some((node, order, arrived)) = path.pop() {
        if order.len() == entries.len() {
            orders += 1;
        }
        for i in (0..entries.len()).filter(|i| arrived & (1 << i) == 0) {
            let (mut node, order, arrived) = (node.clone(), [&order[..], &[i]].concat(), arrived | 1 << i);
            while order.iter().any(|early| node.hand_in(&entries[*early])) {}
            let (set, text) = (kept(&node, entries), node.canonical());
            match known.get(&set) {
                Some((expected, _)) if *expected == text && set == explored.kept_of(arrived, true) => {}
                Some((expected, other)) => {
                    let what = "an order tried literally leads elsewhere";
                    return Err(Box::new(differ(what, other, &order, expected, &text)));
                }
                None => {
                    let what = "an order tried literally leads to a set that was not reached";
                    return Err(Box::new(differ(what, &[], &order, "", &text)));
                }
            }
            path.push((node, order, arrived));
        }
    }
    Ok(orders)
}
