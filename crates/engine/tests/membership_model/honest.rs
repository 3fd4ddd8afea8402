//! In honest worlds (protocol §7, invariant 27).

use crate::sim::Sim;
use crate::world::on_four_threads;
use lapwing_engine::membership::Standing;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn in_honest_worlds_nobody_falls_back_without_an_objection_or_a_withdrawal() {
    let admitted = AtomicUsize::new(0);
    on_four_threads(500, |seed| {
        let mut sim = Sim::new(seed, false);
        sim.agreeable = true;
        let mut before = sim.standing();
        for step in 0..sim.steps {
            sim.step();
            let now = sim.standing();
            for (pid, standing) in &now {
                let was = before.get(pid).copied();
                let fell = was == Some(Standing::Participant) && *standing == Standing::Candidate;
                assert!(!fell, "world {seed}, step {step}: {pid:?} fell back");
                admitted.fetch_add(
                    usize::from(was == Some(Standing::Candidate) && *standing == Standing::Participant),
                    Ordering::Relaxed,
                );
            }
            before = now;
        }
    });
    println!("admitted in honest worlds: {admitted:?}");
    assert!(admitted.into_inner() > 100);
}
