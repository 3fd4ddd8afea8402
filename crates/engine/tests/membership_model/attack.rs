//! Attacks on random worlds (protocol §4.7): what is promised must hold whoever lies.

use crate::sim::Sim;
use crate::world::{Rng, World, last_objection, on_four_threads, said};
use lapwing_engine::membership::{Class, Fold, Standing, Target, Veto, Word};
use lapwing_record::id::Pid;
use std::collections::BTreeMap;
use std::sync::Mutex;

pub type Tally = BTreeMap<&'static str, u64>;

/// Tries everything on `world`, judged by `judge`; answers which promises did not hold.
pub fn attack(world: &World, rng: &mut Rng, judge: &dyn Fn(&World) -> Fold, tally: &mut Tally) -> Vec<String> {
    let fold = judge(world);
    let mut broken = Vec::new();
    for standing in fold.standings().values() {
        *tally.entry(standing.as_str()).or_default() += 1;
    }
    *tally.entry("adopted").or_default() += fold.adopted().len() as u64;
    for author in fold.agencies() {
        for (subject, class) in &world.classes {
            if *subject != author && fold.standing(*subject) != Some(Standing::Left) {
                *tally.entry("objections tried").or_default() += 1;
                broken.extend(objection_fails(world, &fold, author, (*subject, *class), judge));
            }
        }
    }
    for subject in world.classes.keys() {
        if matches!(fold.standing(*subject), Some(Standing::Suspended | Standing::Objected)) {
            *tally.entry("lifts tried").or_default() += 1;
            broken.extend(node_lifts_objection(world, &fold, *subject, rng, judge));
        }
    }
    for (author, class) in &world.classes {
        if *class != Class::Agency {
            *tally.entry("private voices tried").or_default() += 1;
            broken.extend(private_voice_counts(world, &fold, *author, rng, judge));
        }
    }
    let mut turned = world.clone();
    turned.logs.values_mut().for_each(|branches| rng.shuffle(branches));
    let turned = judge(&turned);
    if turned.standings() != fold.standings() || turned.adopted() != fold.adopted() {
        broken.push("the order of branches mattered".into());
    }
    broken
}

/// An elector's objection always bars, and a junior's never does.
fn objection_fails(
    world: &World,
    fold: &Fold,
    author: Pid,
    (subject, class): (Pid, Class),
    judge: &dyn Fn(&World) -> Fold,
) -> Option<String> {
    let target = Target::Participant(subject);
    let now = judge(&world.with_item(author, &said(target, last_objection()))).standing(subject);
    if class != Class::Agency || fold.electors(target).contains(&author) {
        return (now == Some(Standing::Participant)).then(|| format!("the veto of {author:?} on {subject:?} was lost"));
    }
    (now != fold.standing(subject)).then(|| format!("{author:?}, a junior, barred {subject:?}"))
}

/// One more statement signed by a node never lifts an objection.
fn node_lifts_objection(
    world: &World,
    fold: &Fold,
    subject: Pid,
    rng: &mut Rng,
    judge: &dyn Fn(&World) -> Fold,
) -> Option<String> {
    let target = Target::Participant(subject);
    let who = rng.pick(&world.everyone());
    let excuse = Word::Excuse(world.founders.iter().copied().collect());
    let word = rng.pick(&[Word::Clear, Word::Noted, Word::Seat, excuse]);
    let after = judge(&world.with_item(who, &said(target, word.clone())));
    let anybody = world.classes[&subject] != Class::Agency;
    let electors = fold.electors(target);
    let held = |a: &Pid| fold.objections().contains(&(*a, target)) && (anybody || electors.contains(a));
    let lifted = after.standing(subject) == Some(Standing::Participant) && after.agencies().iter().any(held);
    lifted.then(|| format!("{who:?} lifted the objection to {subject:?} by {word:?}"))
}

/// What private-sector participants and observers say changes nobody's standing.
fn private_voice_counts(
    world: &World,
    fold: &Fold,
    author: Pid,
    rng: &mut Rng,
    judge: &dyn Fn(&World) -> Fold,
) -> Option<String> {
    let introduced: Vec<Pid> = world.classes.keys().copied().collect();
    let subject = rng.pick(&introduced);
    let words = [last_objection(), Word::Seat, Word::Clear];
    let counted = words.into_iter().filter(|_| subject != author).find(|word| {
        let item = said(Target::Participant(subject), word.clone());
        judge(&world.with_item(author, &item)).standings() != fold.standings()
    });
    counted.map(|word| format!("{author:?} is no agency, but its {word:?} on {subject:?} counted"))
}

#[test]
fn no_attack_succeeds_on_five_thousand_random_worlds() {
    let total = Mutex::new(Tally::new());
    on_four_threads(5000, |seed| {
        let mut sim = Sim::new(seed, true).run();
        let mut tally = Tally::from([("worlds", 1), ("forked worlds", u64::from(sim.world.is_forked()))]);
        let broken = attack(&sim.world, &mut sim.rng, &|w: &World| w.fold(Veto::Standing), &mut tally);
        assert!(broken.is_empty(), "world {seed}: {broken:?}");
        let mut total = total.lock().expect("no thread panicked before");
        tally.into_iter().for_each(|(what, n)| *total.entry(what).or_default() += n);
    });
    let total = total.into_inner().expect("no thread panicked");
    println!("attacked: {total:?}");
    let kinds = ["participant", "candidate", "suspended", "objected", "left", "forked worlds", "adopted"];
    for kind in kinds.into_iter().chain(["objections tried", "lifts tried", "private voices tried"]) {
        assert!(total.get(kind).is_some_and(|n| *n > 0), "no {kind} among the worlds: {total:?}");
    }
}

#[test]
fn every_answer_is_explained_by_a_reason_that_fits_it() {
    use lapwing_engine::membership::{Counts, Reason};
    let met = Mutex::new(BTreeMap::<&str, u64>::new());
    on_four_threads(1000, |seed| {
        let world = Sim::new(seed + 1_000_000, true).run().world;
        for veto in [Veto::Standing, Veto::Entry] {
            let fold = world.fold(veto);
            for target in world.targets() {
                let why = fold.explain(target);
                let listed: std::collections::BTreeSet<Pid> = why.electors.iter().map(|e| e.pid).collect();
                assert_eq!(listed, fold.electors(target), "world {seed}");
                let count = |code| why.electors.iter().filter(|e| e.counts.as_str() == code).count();
                let fits: &[Standing] = match why.reason {
                    Reason::Founder | Reason::Complete => &[Standing::Participant],
                    Reason::Left => &[Standing::Left],
                    Reason::ElectorObjects | Reason::AgencyObjects => &[Standing::Suspended, Standing::Objected],
                    Reason::RingFellowObjects => &[Standing::Suspended],
                    Reason::WordsMissing | Reason::NobodyAgreed => &[Standing::Candidate],
                    Reason::NotIntroduced => &[],
                };
                if let Some(standing) = why.standing {
                    assert!(fits.contains(&standing), "world {seed}: {why:?}");
                }
                assert_eq!(why.standing.is_none(), fits.is_empty() || why.motion.is_some(), "{why:?}");
                match why.reason {
                    Reason::ElectorObjects | Reason::RingFellowObjects => assert!(count("objects") > 0, "{why:?}"),
                    Reason::AgencyObjects => assert!(!why.other_objectors.is_empty(), "{why:?}"),
                    Reason::WordsMissing => assert!(count("missing") > 0, "{why:?}"),
                    Reason::Complete => assert_eq!(count("missing") + count("objects"), 0, "{why:?}"),
                    _ => {}
                }
                if let Some(motion) = &why.motion {
                    let Target::Motion(id) = target else { panic!("a motion") };
                    assert_eq!((motion.complete, motion.adopted), (fold.complete(id), fold.passed(id)));
                }
                let silent = why.electors.iter().filter(|e| e.counts == Counts::Missing).map(|e| e.pid);
                assert_eq!(fold.silent_electors(target), silent.collect());
                let mut met = met.lock().expect("no thread panicked before");
                *met.entry(why.reason.as_str()).or_default() += 1;
                why.electors.iter().for_each(|e| *met.entry(e.counts.as_str()).or_default() += 1);
                why.electors.iter().for_each(|e| *met.entry(e.word.as_str()).or_default() += 1);
            }
        }
    });
    let met = met.into_inner().expect("no thread panicked");
    println!("explained: {met:?}");
    let reasons = ["founder", "left", "complete", "elector_objects", "ring_fellow_objects", "agency_objects"];
    let more = ["words_missing", "nobody_agreed", "agrees", "objects", "excused", "missing", "not_live", "ring_fellow"];
    let words = ["nothing", "noted", "clear", "consent", "object", "withdraw"];
    for code in reasons.iter().chain(&more).chain(&words) {
        assert!(met.contains_key(code), "{code} was never met: {met:?}");
    }
}
