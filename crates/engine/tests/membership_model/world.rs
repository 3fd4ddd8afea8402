//! A world: who was introduced, and what everyone's log says, branch by branch.

use lapwing_engine::membership::{Class, Fold, Item, Rank, Segment, Target, Veto, Word};
use lapwing_engine::mutation::Mutation;
use lapwing_record::id::{EntryId, Pid};
use std::collections::{BTreeMap, BTreeSet};

/// A participant by the letter that the packed cases use.
pub fn pid(letter: char) -> Pid {
    Pid([letter as u8; 32])
}

/// A target by its letter: `f` to `m` are motions.
pub fn target(letter: char) -> Target {
    match letter {
        'f'..='m' => Target::Motion(EntryId([letter as u8; 32])),
        _ => Target::Participant(pid(letter)),
    }
}

pub fn class(letter: char) -> Class {
    match letter {
        'p' | 'q' => Class::Private,
        'o' => Class::Observer,
        _ => Class::Agency,
    }
}

pub fn said(target: Target, word: Word) -> Item {
    Item::Said { target, word }
}

/// An objection that outranks all others.
pub fn last_objection() -> Word {
    Word::Object { rank: Rank { epoch: 1_000_000, n: 1_000_000 }, disavowed: false }
}

/// One author's log: one branch, or several that share a stem.
pub type Branches = Vec<Vec<Item>>;

/// As the model reads branches: the common stem in order, then all tails as a set.
pub fn segments(branches: &[Vec<Item>]) -> Vec<Segment> {
    let [first, others @ ..] = branches else { return Vec::new() };
    if others.is_empty() {
        return vec![Segment::Chain(first.clone())];
    }
    let shared = |at: &usize| others.iter().all(|b| b.get(*at).is_some() && b.get(*at) == first.get(*at));
    let stem = (0..).take_while(shared).count();
    let tails = branches.iter().flat_map(|b| b[stem..].iter().cloned()).collect();
    vec![Segment::Chain(first[..stem].to_vec()), Segment::Set(tails)]
}

#[derive(Clone, Debug, Default)]
pub struct World {
    pub founders: BTreeSet<Pid>,
    pub classes: BTreeMap<Pid, Class>,
    pub logs: BTreeMap<Pid, Branches>,
}

impl World {
    pub fn segments(&self) -> BTreeMap<Pid, Vec<Segment>> {
        self.logs.iter().map(|(author, branches)| (*author, segments(branches))).collect()
    }

    pub fn fold(&self, veto: Veto) -> Fold {
        Fold::new(self.founders.clone(), self.classes.clone(), veto, &self.segments())
    }

    pub fn broken_fold(&self, veto: Veto, broken: Mutation) -> Fold {
        Fold::with_mutation(self.founders.clone(), self.classes.clone(), veto, &self.segments(), broken)
    }

    /// The same world, with one more item at the end of every branch of `author`.
    pub fn with_item(&self, author: Pid, item: &Item) -> World {
        let mut world = self.clone();
        let branches = world.logs.entry(author).or_insert_with(|| vec![Vec::new()]);
        branches.iter_mut().for_each(|branch| branch.push(item.clone()));
        world
    }

    pub fn everyone(&self) -> Vec<Pid> {
        self.founders.iter().chain(self.classes.keys()).copied().collect()
    }

    pub fn is_forked(&self) -> bool {
        self.logs.values().any(|branches| branches.len() > 1)
    }

    /// Everyone, and every motion that somebody speaks of.
    pub fn targets(&self) -> BTreeSet<Target> {
        let items = self.logs.values().flatten().flatten();
        let spoken = items.filter_map(|item| match item {
            Item::Said { target, .. } => Some(*target),
            Item::Leave => None,
        });
        spoken.chain(self.everyone().into_iter().map(Target::Participant)).collect()
    }
}

/// splitmix64: enough chance for a test, the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
    pub fn sample<T: Clone>(&mut self, of: &[T], n: usize) -> Vec<T> {
        let mut left = of.to_vec();
        (0..n.min(of.len())).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for i in (1..of.len()).rev() {
            of.swap(i, self.below(i + 1));
        }
    }
}

/// Runs `work` on every number below `n`, on four threads.
pub fn on_four_threads(n: u64, work: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for part in 0..4 {
            let work = &work;
            scope.spawn(move || (part..n).step_by(4).for_each(work));
        }
    });
}
