//! Attacks that brought earlier rules down; each must fail.

use crate::world::{World, class, pid, said, target};
use lapwing_engine::membership::{Fold, Item, Rank, Standing, Veto, Word};
use std::collections::BTreeMap;

type Logs = BTreeMap<char, Vec<Vec<Item>>>;

fn noted(letter: char) -> Item {
    said(target(letter), Word::Noted)
}
fn clear(letter: char) -> Item {
    said(target(letter), Word::Clear)
}
fn seat(letter: char) -> Item {
    said(target(letter), Word::Seat)
}
fn object(letter: char, n: u64) -> Item {
    said(target(letter), Word::Object { rank: Rank { epoch: 0, n }, disavowed: false })
}
fn consent(letter: char, n: u64, disavowed: bool) -> Item {
    said(target(letter), Word::Consent { rank: Rank { epoch: 0, n }, disavowed })
}

/// Founders v and w have admitted h; x is next.
fn base() -> Logs {
    let log = vec![noted('a'), clear('a'), seat('a'), noted('c'), clear('c')];
    Logs::from([('v', vec![log.clone()]), ('w', vec![log])])
}

fn world(founders: &str, logs: &Logs) -> World {
    World {
        founders: founders.chars().map(pid).collect(),
        classes: "abc".chars().map(|c| (pid(c), class(c))).collect(),
        logs: logs.iter().map(|(author, branches)| (pid(*author), branches.clone())).collect(),
    }
}

/// The name of each attack, its world, and whether `c` is to be let in.
pub fn known_attacks() -> Vec<(&'static str, World, bool)> {
    let both = "vw";
    let mut objected = base();
    objected.insert('a', vec![vec![noted('c'), object('c', 1)]]);
    let mut forged = objected.clone();
    forged.insert('v', vec![base()[&'v'][0].clone(), vec![seat('c'), noted('a')]]);
    let mut future = base();
    future.get_mut(&'v').expect("v is there")[0].insert(0, seat('c'));
    future.insert('a', vec![vec![noted('c'), object('c', 1)]]);
    future.insert('c', vec![vec![seat('a'), noted('a')]]);
    let mut gone = base();
    for branches in gone.values_mut() {
        branches[0].truncate(3);
        branches[0].push(Item::Leave);
    }
    gone.insert('a', vec![vec![object('c', 1)]]);
    let mut forked_clear = gone.clone();
    let v = &gone[&'v'][0];
    forked_clear.insert('v', vec![v.clone(), v[..3].iter().cloned().chain([clear('c')]).collect()]);
    let mut agreed = gone.clone();
    agreed.insert('a', vec![vec![consent('c', 1, false)]]);
    let mut disavowed = base();
    disavowed.insert('a', vec![vec![object('c', 5), consent('c', 9, true)]]);
    let founder = vec![noted('a'), clear('a'), seat('a'), noted('c'), consent('c', 1, false)];
    let lone = Logs::from([('v', vec![founder]), ('a', vec![vec![object('c', 1)]])]);
    vec![
        ("an elector objects", world(both, &objected), false),
        ("a fork forges a ring", world(both, &forged), false),
        ("a future pid is seated before", world(both, &future), false),
        ("all founders left and a member objects", world(both, &gone), false),
        ("a departed key forks a clear", world(both, &forked_clear), false),
        ("all founders left and a member consents", world(both, &agreed), true),
        ("a disavowed consent over an objection", world(both, &disavowed), false),
        ("a sole founder admits over a junior", world("v", &lone), false),
    ]
}

/// Whether the attack of that name fails, as `judge` sees it.
pub fn fails(world: &World, admitted: bool, judge: &dyn Fn(&World) -> Fold) -> bool {
    let standing = judge(world).standing(pid('c'));
    match admitted {
        true => standing == Some(Standing::Participant),
        false => matches!(standing, Some(Standing::Suspended | Standing::Objected)),
    }
}

fn assert_fails(name: &str) {
    let (_, world, admitted) = known_attacks().into_iter().find(|(n, ..)| *n == name).expect("an attack of that name");
    assert!(fails(&world, admitted, &|w: &World| w.fold(Veto::Standing)), "{name}");
}

#[test]
fn an_electors_objection_bars() {
    assert_fails("an elector objects");
}
#[test]
fn a_fork_that_forges_a_ring_does_not_lift_an_objection() {
    assert_fails("a fork forges a ring");
}
#[test]
fn seating_a_future_pid_does_not_lift_an_objection() {
    assert_fails("a future pid is seated before");
}
#[test]
fn when_all_founders_have_left_a_member_still_bars() {
    assert_fails("all founders left and a member objects");
}
#[test]
fn a_departed_key_that_forks_a_clear_does_not_lift_an_objection() {
    assert_fails("a departed key forks a clear");
}
#[test]
fn when_all_founders_have_left_a_member_still_admits() {
    assert_fails("all founders left and a member consents");
}
#[test]
fn a_disavowed_consent_does_not_lift_an_objection() {
    assert_fails("a disavowed consent over an objection");
}
#[test]
fn a_sole_founder_does_not_admit_over_a_junior() {
    assert_fails("a sole founder admits over a junior");
}
