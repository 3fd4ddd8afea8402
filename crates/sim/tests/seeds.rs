//! A quick look at every commit: thirty seeds hold, each mutant is caught, and a seed gives the same run twice.

#![allow(clippy::unwrap_used)]

use lapwing_sim::counts::Counts;
use lapwing_sim::mutant::Mutant;
use lapwing_sim::run::run;
use lapwing_sim::trace::{Header, from_json_lines, to_json_lines};

#[test]
fn thirty_seeds_hold_and_are_not_empty() {
    let work = |part: u64| {
        let mut counts = Counts::default();
        // and three that have what comes once in a hundred runs
        for seed in (0..30).chain([36, 39, 55]).filter(|seed| seed % 3 == part) {
            let outcome = run(seed, None);
            assert_eq!(outcome.failure, None, "seed {seed}: cargo run -p lapwing-sim -- run --from {seed} --seeds 1");
            counts.add(&outcome.counts);
        }
        counts
    };
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..3).map(|part| scope.spawn(move || work(part))).collect();
        parts.into_iter().for_each(|p| counts.add(&p.join().unwrap()));
    });
    for (name, n) in counts.rows() {
        assert!(n > 0, "no {name} in thirty runs: they show nothing of it");
    }
}

/// At the seams; rules take more seeds, and `lapwing-sim mutants` has them all.
#[test]
fn each_mutant_at_the_seams_is_caught_by_the_invariant_that_is_meant_to() {
    for mutant in Mutant::ALL.iter().filter(|m| m.rule().is_none()) {
        let meant = |seed| run(seed, Some(*mutant)).failure.filter(|(by, _)| mutant.caught_by(by));
        assert!((0..40).any(|seed| meant(seed).is_some()), "{mutant} lives");
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time_and_a_saved_one_reads_back() {
    let (one, two) = (run(7, None), run(7, None));
    assert!(one.trace == two.trace && one.counts == two.counts);
    let header = Header { seed: 7, commit: "unknown".into(), mutant: None, failure: "none".into() };
    let saved = to_json_lines(&header, &one.trace);
    assert_eq!(from_json_lines(&saved).unwrap(), (header, one.trace));
    for (bad, line) in
        [("", "empty"), ("{}\n", "line 1"), ("{\"seed\":1,\"commit\":\"x\",\"failure\":\"y\"}\n[]\n", "line 2")]
    {
        assert!(from_json_lines(bad).unwrap_err().contains(line));
    }
}
