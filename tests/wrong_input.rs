//! Wrong input at each verb: a clear error with a code and what to do, nothing changed. (Routes: `contract.rs`.)

#![allow(clippy::unwrap_used)]

mod support;
#[path = "wrong_input/verbs.rs"]
mod verbs;
#[path = "wrong_input/world.rs"]
mod world;

use world::World;

#[test]
fn every_verb_refuses_wrong_input_with_a_code_and_what_to_do_and_writes_nothing() {
    let mut world = World::new();
    let counts = verbs::sweep(&mut world);
    println!("{} wrong calls of {} verbs: {counts:?}", counts.values().sum::<usize>(), counts.len());
    verbs::every_fault_at_once(&world);
    verbs::a_proposal_is_dropped_once(&world);
}
