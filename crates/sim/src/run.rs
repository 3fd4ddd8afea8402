//! One run: a founding, a busy time in which everything goes wrong, a quiet time in which all must agree again.

use crate::counts::Counts;
use crate::dice::Dice;
use crate::invariants;
use crate::mutant::Mutant;
use crate::node::Role;
use crate::people::Act;
use crate::trace::Row;
use crate::world::{BEGIN, Event, Fault, GRACE_MS, WINDOW_MS, World};
use lapwing_engine::mutation::break_rule;
use lapwing_engine::step::Input;

/// Milliseconds in which things go wrong.
const BUSY_MS: u64 = 180_000;
/// Milliseconds of peace at the end: windows, grace and retries run out, everything is exchanged.
const QUIET_MS: u64 = WINDOW_MS + GRACE_MS + 120_000;

/// Peace goes on until for so many milliseconds nobody has taken an entry that it had not,
const SETTLED_MS: u64 = 30_000;
/// and for so many milliseconds more at most: what is written over and over is not waited for.
const LATE_MS: u64 = 300_000;

/// Milliseconds of peace after which administrators look at what still waits, and look again.
const ASSERTED_MS: u64 = 20_000;

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What did not hold: the invariant's name, and where.
    pub failure: Option<(&'static str, String)>,
    /// Counters.
    pub counts: Counts,
    /// What happened, step by step.
    pub trace: Vec<Row>,
}

/// Runs a seed to its end, or to the first invariant that does not hold.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Outcome {
    lapwing_record::testkit::remember_verified();
    break_rule(mutant.and_then(Mutant::rule));
    let mut world = World::new(seed, mutant);
    let failure = play(&mut world).err();
    break_rule(None);
    Outcome { seed, failure, counts: world.counts, trace: world.trace }
}

/// The world of a seed at the end of its busy time, whatever became of it: with the journals that its nodes wrote, for
/// tests of what they are written to.
pub fn busy_world(seed: u64) -> World {
    let mut world = World::new(seed, None);
    for n in 0..world.nodes.len() {
        world.start(n, None);
    }
    plan(&mut world);
    while world.step(BEGIN + BUSY_MS) {}
    world
}

fn play(world: &mut World) -> Result<(), (&'static str, String)> {
    cast(world);
    for n in 0..world.nodes.len() {
        world.start(n, None);
    }
    plan(world);
    plan_amendments(world);
    go(world, BEGIN + BUSY_MS)?;
    calm(world);
    let mut end = BEGIN + BUSY_MS + QUIET_MS;
    let latest = end + LATE_MS;
    go(world, end)?;
    while world.news + SETTLED_MS > end && end < latest {
        end += SETTLED_MS;
        go(world, end)?;
    }
    world.changed = (0..world.nodes.len()).collect();
    let adopted = world.nodes.iter().map(|n| n.view.federation.amendments().0.len() as u64).max();
    world.counts.amendments += adopted.unwrap_or(0);
    invariants::at_the_end(world)
}

fn go(world: &mut World, until: u64) -> Result<(), (&'static str, String)> {
    while world.step(until) {
        invariants::after_each(world)?;
        world.remember();
    }
    Ok(())
}

/// Who is no friend: in half of the runs nobody.
fn cast(world: &mut World) {
    if world.dice.chance(50) {
        return;
    }
    let parts = [
        Role::Forker,
        Role::Withholder,
        Role::ClockLiar,
        Role::ClockRacer,
        Role::EarlyExcuser,
        Role::FalseProver,
        Role::Robbed,
        Role::Burgled,
        Role::FalseSeater,
        Role::Flooder,
    ];
    let many = 1 + world.dice.below(world.nodes.len() as u64 / 4 + 1);
    for _ in 0..many {
        let n = world.dice.below(world.nodes.len() as u64) as usize;
        let agency = world.nodes[n].agency.is_agency();
        let role = if agency { world.dice.pick(&parts) } else { Some(Role::Greedy) };
        let role = role.unwrap_or(Role::Honest);
        // whoever seats others before it says a word of them must come before they do, and have a say
        let early = role == Role::FalseSeater;
        let n = if early { n % world.founders } else { n };
        world.nodes[n].role = role;
        let at = if early { world.dice.between(4_000, 20_000) } else { world.dice.between(20_000, BUSY_MS - 40_000) };
        world.after(at, Event::Person(n, Act::Attack));
    }
}

/// What people do, and what breaks.
fn plan(world: &mut World) {
    let all = world.nodes.len();
    for n in 0..all {
        for _ in 0..world.dice.below(3) {
            let at = world.dice.between(10_000, BUSY_MS);
            world.after(at, Event::Person(n, Act::Refer));
        }
    }
    for _ in 0..world.dice.between(1, 2 + all as u64 / 2) {
        let n = world.dice.below(all as u64) as usize;
        let at = world.dice.between(3_000, BUSY_MS - 5_000);
        let fault = if world.dice.chance(50) { Fault::Crash(n) } else { Fault::CrashUnsynced(n) };
        world.after(at, Event::Breaks(fault));
    }
    if world.dice.chance(60) {
        for _ in 0..world.dice.between(1, 2) {
            let at = world.dice.between(5_000, BUSY_MS - 30_000);
            let how = world.dice.below(2);
            world.after(at, Event::Breaks(Fault::Part(how)));
            let heals = world.dice.between(5_000, 60_000);
            world.after(at + heals, Event::Breaks(Fault::Heal));
        }
    }
    for _ in 0..world.dice.below(3) {
        let (a, b) = (world.dice.below(all as u64) as usize, world.dice.below(all as u64) as usize);
        if a != b {
            let at = world.dice.between(5_000, BUSY_MS);
            world.after(at, Event::Breaks(Fault::HalfOpen(a, b)));
        }
    }
    for _ in 0..world.dice.below(3) {
        let n = world.dice.below(all as u64) as usize;
        let by = world.dice.between(0, 40 * 60_000) as i64 - 20 * 60_000;
        let at = world.dice.between(5_000, BUSY_MS);
        world.after(at, Event::Breaks(Fault::Clock(n, by)));
    }
    if world.dice.chance(25) {
        let n = world.dice.below(all as u64) as usize;
        let at = world.dice.between(BUSY_MS / 2, BUSY_MS);
        world.after(at, Event::Person(n, Act::Leave));
    }
}

/// In one of seven federations officers would have other Params. From dice of their own: the others are not touched by it.
fn plan_amendments(world: &mut World) {
    let mut dice = Dice::new(!world.seed);
    if !dice.chance(15) {
        return;
    }
    for _ in 0..dice.between(1, 3) {
        let n = dice.below(world.founders as u64) as usize;
        world.after(dice.between(10_000, BUSY_MS - 40_000), Event::Person(n, Act::Move));
    }
}

/// Nothing breaks any more: everyone runs, every link works, every clock is right again.
fn calm(world: &mut World) {
    world.quiet = true;
    (world.net.loss, world.net.double, world.net.delay) = (0, 0, 200);
    world.breaks(Fault::Heal);
    for n in 0..world.nodes.len() {
        // whoever sets a clock right starts the node anew
        let off = world.nodes[n].offset.abs() > 2_000 || world.nodes[n].engine.clock_doubt().is_some();
        if world.nodes[n].role == Role::Honest && off {
            world.crash(n);
            world.nodes[n].offset = 0;
        }
        world.start(n, None);
    }
    for n in 0..world.nodes.len() {
        for times in 1..=4 {
            world.after(times * ASSERTED_MS, Event::Person(n, Act::Assert));
        }
        for peer in world.peers(n) {
            // connections are made anew: what waits goes out at once
            let pid = world.nodes[peer].pid();
            world.tell(n, Input::PeerUp(pid));
        }
    }
}
