//! Rules broken on purpose: each must be noticed, else the tests above prove little.

use crate::attack::{Tally, attack};
use crate::cases::cases;
use crate::known::{fails, known_attacks};
use crate::sim::Sim;
use crate::world::World;
use lapwing_engine::membership::Veto;
use lapwing_engine::mutation::Mutation;

const MUTATIONS: [Mutation; 8] = [
    Mutation::SeatsPassNothing,
    Mutation::AnybodyObjects,
    Mutation::LastWrittenRules,
    Mutation::OnlyElectorsBarPrivate,
    Mutation::FellowsIgnored,
    Mutation::SilentPassNothing,
    Mutation::DisavowedCount,
    Mutation::ClearEndsObjection,
];

fn worlds_until_attacked(broken: Mutation, worlds: u64) -> Option<usize> {
    let judge = |w: &World| w.broken_fold(Veto::Standing, broken);
    let succeeds = |seed: &u64| {
        let mut sim = Sim::new(*seed, true).run();
        !attack(&sim.world, &mut sim.rng, &judge, &mut Tally::new()).is_empty()
    };
    (0..worlds).find(succeeds).map(|seed| seed as usize + 1)
}

fn worlds_until_it_differs_from_the_model(broken: Mutation) -> Option<usize> {
    let differs = cases().position(|case| {
        let fold = case.world.broken_fold(Veto::Standing, broken);
        fold.standings() != case.standing
            || fold.adopted() != case.adopted
            || case.world.broken_fold(Veto::Entry, broken).standings() != case.standing_entry
    });
    differs.map(|at| at + 1)
}

#[test]
fn every_rule_broken_on_purpose_is_noticed() {
    let rows: Vec<_> = std::thread::scope(|scope| {
        let rows = MUTATIONS.map(|broken| {
            scope.spawn(move || {
                let judge = |w: &World| w.broken_fold(Veto::Standing, broken);
                let known: Vec<&str> = known_attacks()
                    .into_iter()
                    .filter(|(_, world, admitted)| !fails(world, *admitted, &judge))
                    .map(|(name, ..)| name)
                    .collect();
                // where a known attack works already, random worlds are only a curiosity
                let attacked = worlds_until_attacked(broken, if known.is_empty() { 2000 } else { 200 });
                (broken, attacked, worlds_until_it_differs_from_the_model(broken), known)
            })
        });
        rows.into_iter().map(|row| row.join().expect("no panic")).collect()
    });
    println!("{:<24} {:>16} {:>16}  known attacks that work", "broken", "worlds attacked", "model's worlds");
    for (broken, attacked, model, known) in &rows {
        let number = |n: &Option<usize>| n.map_or("-".into(), |n| n.to_string());
        println!("{:<24} {:>16} {:>16}  {}", format!("{broken:?}"), number(attacked), number(model), known.join(", "));
    }
    for (broken, attacked, model, known) in &rows {
        assert!(model.is_some(), "{broken:?} agrees with the model");
        assert!(attacked.is_some() || !known.is_empty(), "no attack notices {broken:?}");
    }
}
