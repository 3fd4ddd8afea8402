//! Wrong input at each verb and route: a clear error with a code and what to do, nothing changed.

#![allow(clippy::unwrap_used)]

#[path = "wrong_input/http.rs"]
mod http;
#[path = "wrong_input/routes.rs"]
mod routes;
mod support;
#[path = "wrong_input/verbs.rs"]
mod verbs;
#[path = "wrong_input/world.rs"]
mod world;

use world::World;

#[test]
fn every_operation_refuses_wrong_input_with_a_problem_and_changes_nothing() {
    let world = World::new();
    let counts = routes::sweep(&world);
    println!("{} wrong requests at {} operations: {counts:?}", counts.values().sum::<usize>(), counts.len());
}

#[test]
fn every_verb_refuses_wrong_input_with_a_code_and_what_to_do_and_writes_nothing() {
    let mut world = World::new();
    let counts = verbs::sweep(&mut world);
    println!("{} wrong calls of {} verbs: {counts:?}", counts.values().sum::<usize>(), counts.len());
    verbs::every_fault_at_once(&world);
    verbs::a_proposal_is_dropped_once(&world);
}
