//! Random worlds with the model's ingredients: honest nodes with partial knowledge, liars, forkers, sleepers, leavers,
//! motions, disavowed approvals, excuses. Every agency keeps a roster of what it has seen, item by item.

use crate::world::{Branches, Rng, World, class, pid, said, segments, target};
use lapwing_engine::membership::{Class, Item, Rank, Roster, Standing, Target, Veto, Word};
use lapwing_record::id::{EntryId, Pid};
use std::collections::{BTreeMap, BTreeSet};

/// One agency's knowledge: how long each branch was when it last looked, and what it made of it.
pub struct Node {
    pub roster: Roster,
    seen: BTreeMap<Pid, Vec<usize>>,
}

impl Node {
    fn look(&mut self, author: Pid, branches: &Branches) {
        let lengths: Vec<usize> = branches.iter().map(Vec::len).collect();
        let before = self.seen.insert(author, lengths).unwrap_or_default();
        match (&branches[..], &before[..]) {
            ([branch], [] | [_]) => {
                for item in &branch[before.first().copied().unwrap_or(0)..] {
                    self.roster.append(author, item.clone());
                }
            }
            _ => {
                self.roster.replace(author, segments(branches));
            }
        }
    }

    /// What it has seen of `world`.
    pub fn view(&self, world: &World) -> World {
        let logs = self.seen.iter().map(|(author, lengths)| {
            let branches = world.logs[author].iter().zip(lengths);
            (*author, branches.map(|(branch, n)| branch[..*n].to_vec()).collect())
        });
        World { logs: logs.collect(), ..world.clone() }
    }
}

pub struct Sim {
    pub world: World,
    pub nodes: BTreeMap<Pid, Node>,
    pub rng: Rng,
    applicants: Vec<Pid>,
    liars: Vec<Pid>,
    sleepers: Vec<Pid>,
    motions: Vec<EntryId>,
    n: u64,
    /// Nobody objects or withdraws.
    pub agreeable: bool,
    pub steps: usize,
}

impl Sim {
    pub fn new(seed: u64, with_liars: bool) -> Sim {
        let mut rng = Rng(seed);
        let founders: Vec<Pid> = "vwxyz".chars().take(1 + rng.below(5)).map(pid).collect();
        let applicants: Vec<Pid> = "abcdepqo".chars().map(pid).collect();
        let every: Vec<Pid> = founders.iter().chain(&applicants).copied().collect();
        let lying = [0, 0, 1, 2][rng.below(4)];
        let liars = rng.sample(&every, if with_liars { lying } else { 0 });
        let sleeping = [0, 0, 1][rng.below(3)];
        let sleepers = rng.sample(&every, sleeping);
        let mut nodes = BTreeMap::new();
        for agency in every.iter().filter(|p| class(p.0[0] as char) == Class::Agency) {
            let mut roster = Roster::new(Veto::Standing);
            for founder in &founders {
                roster.add_founder(*founder);
            }
            nodes.insert(*agency, Node { roster, seen: BTreeMap::new() });
        }
        let world = World {
            founders: founders.iter().copied().collect(),
            classes: BTreeMap::new(),
            logs: founders.iter().map(|f| (*f, vec![Vec::new()])).collect(),
        };
        let steps = 20 + rng.below(101);
        Sim { world, nodes, rng, applicants, liars, sleepers, motions: Vec::new(), n: 0, agreeable: false, steps }
    }

    pub fn run(mut self) -> Sim {
        for _ in 0..self.steps {
            self.step();
        }
        self
    }

    fn add(&mut self, who: Pid, item: Item) {
        let quarrel = matches!(&item, Item::Said { word: Word::Object { .. } | Word::Withdraw { .. }, .. });
        if self.agreeable && quarrel {
            return;
        }
        let branches = self.world.logs.entry(who).or_insert_with(|| vec![Vec::new()]);
        let mut at = 0;
        if self.liars.contains(&who) {
            if self.rng.chance(7) && branches.len() < 3 {
                let stem = self.rng.below(branches[0].len() + 1);
                branches.push(branches[0][..stem].to_vec());
            }
            at = self.rng.below(branches.len());
        }
        branches[at].push(item);
        if let Some(node) = self.nodes.get_mut(&who) {
            node.look(who, branches);
        }
    }

    pub fn step(&mut self) {
        let chance = self.rng.below(1000);
        let who = self.rng.pick(&self.world.everyone());
        if let Some(node) = self.nodes.get_mut(&who) {
            for (author, branches) in &self.world.logs {
                if self.rng.chance(50) {
                    node.look(*author, branches);
                }
            }
        }
        if self.sleepers.contains(&who) && self.rng.chance(95) {
            return;
        }
        match chance {
            0..100 => self.introduce(),
            100..120 if self.motions.len() < 8 => {
                self.motions.push(EntryId([b'f' + self.motions.len() as u8; 32]));
            }
            120..127 => self.add(who, Item::Leave),
            _ if self.liars.contains(&who) => self.lie(who),
            _ if self.nodes.contains_key(&who) => self.act(who),
            _ => {}
        }
    }

    fn introduce(&mut self) {
        let pid = self.rng.pick(&self.applicants);
        let class = class(pid.0[0] as char);
        if self.world.classes.insert(pid, class).is_none() {
            for node in self.nodes.values_mut() {
                node.roster.add_participant(pid, class);
            }
        }
    }

    fn todo(&self, who: Pid) -> Vec<Target> {
        let others = self.world.classes.keys().filter(|p| **p != who).map(|p| Target::Participant(*p));
        others.chain(self.motions.iter().map(|m| Target::Motion(*m))).collect()
    }

    /// A node's own duties, in this order: note all, clear, seat. Then its people.
    fn act(&mut self, who: Pid) {
        let todo = self.todo(who);
        let roster = self.nodes[&who].roster.clone();
        let duties = roster.duties(who, &self.motions.iter().copied().collect());
        let excused: BTreeSet<Target> = self.said(who, |word| matches!(word, Word::Excuse(_)));
        let cleared: BTreeSet<Target> = self.said(who, |word| matches!(word, Word::Clear));
        for target in &duties.note {
            self.add(who, said(*target, Word::Noted));
        }
        for target in &todo {
            // a node may also clear what its people have agreed to
            let may_clear = !cleared.contains(target) && !roster.objections().contains(&(who, *target));
            if may_clear && self.rng.chance(40) {
                self.add(who, said(*target, Word::Clear));
            }
            if duties.seat.contains(target) {
                self.add(who, said(*target, Word::Seat));
            }
            if cleared.contains(target) && !excused.contains(target) && !self.sleepers.is_empty() {
                self.add(who, said(*target, Word::Excuse(self.sleepers.clone())));
            }
        }
        if self.rng.chance(25) && !todo.is_empty() {
            let target = self.rng.pick(&todo);
            let rank = self.next_rank(0);
            let disavowed = false;
            let word = match self.rng.below(4) {
                0 | 1 => Word::Consent { rank, disavowed },
                2 => Word::Object { rank, disavowed },
                _ => Word::Withdraw { rank, disavowed },
            };
            self.add(who, said(target, word));
        }
    }

    fn said(&self, who: Pid, is: impl Fn(&Word) -> bool) -> BTreeSet<Target> {
        let items = self.world.logs.get(&who).and_then(|branches| branches.first()).into_iter().flatten();
        let targets = items.filter_map(|item| match item {
            Item::Said { target, word } if is(word) => Some(*target),
            _ => None,
        });
        targets.collect()
    }

    fn next_rank(&mut self, epoch: u64) -> Rank {
        self.n += [0, 1, 1][self.rng.below(3)];
        Rank { epoch, n: self.n }
    }

    fn lie(&mut self, who: Pid) {
        let mut about: Vec<Target> = self.todo(who);
        about.extend(self.applicants.iter().chain(&self.world.founders).map(|p| Target::Participant(*p)));
        let about = self.rng.pick(&about);
        let epoch = [0, 0, 1][self.rng.below(3)];
        let (rank, disavowed) = (self.next_rank(epoch), self.rng.chance(10));
        let word = match self.rng.below(9) {
            0 => Word::Noted,
            1 => Word::Clear,
            2..=4 => Word::Seat,
            5 => Word::Consent { rank, disavowed },
            6 => Word::Object { rank, disavowed },
            7 => Word::Withdraw { rank, disavowed },
            _ => {
                let every: Vec<Pid> = self.world.founders.iter().chain(&self.applicants).copied().collect();
                Word::Excuse(self.rng.sample(&every, 3))
            }
        };
        self.add(who, said(about, word));
    }

    pub fn standing(&self) -> BTreeMap<Pid, Standing> {
        self.world.fold(Veto::Standing).standings()
    }
}

#[test]
fn letters_name_participants_and_motions_apart() {
    assert_eq!(target('f'), Target::Motion(EntryId([b'f'; 32])));
    assert_eq!(target('e'), Target::Participant(pid('e')));
}
