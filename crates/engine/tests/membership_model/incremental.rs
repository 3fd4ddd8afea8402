//! The incremental fold equals the batch fold (protocol §7, invariants 1 and 2).

use crate::sim::Sim;
use crate::world::{Rng, World, last_objection, on_four_threads, pid, said, segments, target};
use lapwing_engine::membership::{Change, Class, Fold, Item, Reason, Roster, Standing, Veto, Word};
use lapwing_record::id::Pid;
use std::collections::BTreeMap;

/// Everything that can be asked of a fold.
fn assert_same(roster: &Roster, fold: &Fold, world: &World, context: &str) {
    assert_eq!(roster.standings(), fold.standings(), "{context}");
    assert_eq!(roster.agencies(), fold.agencies(), "{context}");
    assert_eq!(roster.adopted(), fold.adopted(), "{context}");
    assert_eq!(roster.objections(), fold.objections(), "{context}");
    assert_eq!(roster.rulings(), fold.rulings(), "{context}");
    for target in world.targets() {
        assert_eq!(roster.explain(target), fold.explain(target), "{context}");
    }
    for pid in world.everyone() {
        assert_eq!(roster.duties(pid, &fold.motions()), fold.duties(pid, &fold.motions()), "{context}");
    }
}

/// A roster, the world that it has been told, and the standings that its changes add up to.
struct Told {
    roster: Roster,
    world: World,
    standings: BTreeMap<Pid, Standing>,
}

impl Told {
    fn apply(&mut self, changes: Vec<Change>, context: &str) {
        for change in changes {
            let was = self.standings.insert(change.pid, change.now);
            assert_eq!(was, change.before, "{context}: {change:?}");
            assert_ne!(was, Some(change.now), "{context}: {change:?}");
        }
        assert_eq!(self.standings, self.roster.standings(), "{context}");
    }

    /// Tells one more thing of `whole`: a founder, an introduction, an item, a contested stretch, or another order.
    fn tell(&mut self, whole: &World, rng: &mut Rng, context: &str) {
        let founders: Vec<Pid> = whole.founders.difference(&self.world.founders).copied().collect();
        let applicants: Vec<Pid> =
            whole.classes.keys().filter(|p| !self.world.classes.contains_key(p)).copied().collect();
        if !founders.is_empty() && (self.world.founders.is_empty() || rng.chance(20)) {
            let pid = rng.pick(&founders);
            self.world.founders.insert(pid);
            let changes = self.roster.add_founder(pid);
            return self.apply(changes, context);
        }
        if !applicants.is_empty() && rng.chance(8) {
            let pid = rng.pick(&applicants);
            self.world.classes.insert(pid, whole.classes[&pid]);
            let changes = self.roster.add_participant(pid, whole.classes[&pid]);
            return self.apply(changes, context);
        }
        let authors: Vec<Pid> = whole.logs.keys().copied().collect();
        let author = rng.pick(&authors);
        let (full, empty) = (&whole.logs[&author], vec![Vec::new()]);
        let told = self.world.logs.get(&author).unwrap_or(&empty).clone();
        let changes = if rng.chance(3) {
            // in another order, or with something gone: what a healed fork may do
            let mut other = told[0].clone();
            rng.shuffle(&mut other);
            other.truncate(other.len() - rng.below(other.len() / 3 + 1));
            self.world.logs.insert(author, vec![other.clone()]);
            self.roster.replace(author, segments(&[other]))
        } else if full.len() == 1 && told.len() == 1 && full[0].starts_with(&told[0]) && full[0].len() > told[0].len() {
            let item = full[0][told[0].len()].clone();
            self.world.logs.entry(author).or_insert(empty)[0].push(item.clone());
            self.roster.append(author, item)
        } else {
            let cut: Vec<_> = full.iter().map(|b| b[..b.len() - rng.below(b.len() / 2 + 1)].to_vec()).collect();
            self.world.logs.insert(author, cut.clone());
            self.roster.replace(author, segments(&cut))
        };
        self.apply(changes, context);
    }
}

#[test]
fn a_roster_after_any_changes_is_the_fold_of_the_same_logs() {
    on_four_threads(2000, |seed| {
        let mut rng = Rng(seed + 7_000_000);
        let whole = Sim::new(seed + 7_000_000, true).run().world;
        let veto = if rng.chance(50) { Veto::Standing } else { Veto::Entry };
        let (world, standings) = (World::default(), BTreeMap::new());
        let mut told = Told { roster: Roster::new(veto), world, standings };
        for step in 0..120 {
            let context = format!("world {seed}, step {step}");
            told.tell(&whole, &mut rng, &context);
            if rng.chance(12) {
                assert_eq!(told.roster.standings(), told.world.fold(veto).standings(), "{context}");
            }
        }
        assert_same(&told.roster, &told.world.fold(veto), &told.world, &format!("world {seed}"));
        for (author, branches) in &whole.logs {
            told.roster.replace(*author, segments(branches));
        }
        whole.founders.iter().for_each(|pid| drop(told.roster.add_founder(*pid)));
        whole.classes.iter().for_each(|(pid, class)| drop(told.roster.add_participant(*pid, *class)));
        assert_same(&told.roster, &whole.fold(veto), &whole, &format!("world {seed}, whole"));
    });
}

#[test]
fn what_each_node_keeps_item_by_item_is_the_fold_of_what_it_has_seen() {
    on_four_threads(1000, |seed| {
        let sim = Sim::new(seed + 9_000_000, true).run();
        for (pid, node) in &sim.nodes {
            let seen = node.view(&sim.world);
            assert_same(&node.roster, &seen.fold(Veto::Standing), &seen, &format!("world {seed}, node {pid:?}"));
        }
    });
}

#[test]
fn a_loaded_roster_goes_on_as_one_that_grew() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let world = Sim::new(seed + 11_000_000, true).run().world;
        let mut roster = Roster::load(world.founders.clone(), world.classes.clone(), Veto::Standing, &world.segments());
        let plain: Vec<Pid> = world.logs.iter().filter(|(_, b)| b.len() == 1).map(|(pid, _)| *pid).collect();
        let mut more = world.clone();
        for _ in 0..10 {
            let (author, from) = (rng.pick(&plain), rng.pick(&plain));
            let Some(item) = world.logs[&from][0].first().cloned() else { continue };
            more = more.with_item(author, &item);
            roster.append(author, item);
        }
        assert_same(&roster, &more.fold(Veto::Standing), &more, &format!("world {seed}"));
    }
}

#[test]
fn when_an_objecting_fellow_leaves_its_ring_is_judged_again() {
    // a and c are seated by the founder before its first word on either: they elect each other
    let mut roster = Roster::new(Veto::Standing);
    let (founder, a, c) = (pid('v'), pid('a'), pid('c'));
    roster.add_founder(founder);
    for agency in [a, c] {
        roster.add_participant(agency, Class::Agency);
    }
    for (letter, word) in [('a', Word::Seat), ('c', Word::Seat), ('a', Word::Clear), ('c', Word::Clear)] {
        roster.append(founder, said(target(letter), word));
    }
    roster.append(a, said(target('c'), last_objection()));
    assert_eq!(roster.standing(c), Some(Standing::Suspended));
    assert_eq!(roster.explain(target('c')).reason, Reason::RingFellowObjects);
    let changes = roster.append(a, Item::Leave);
    assert_eq!(changes.iter().map(|change| (change.pid, change.now)).collect::<BTreeMap<_, _>>(), {
        BTreeMap::from([(a, Standing::Left), (c, Standing::Participant)])
    });
}
