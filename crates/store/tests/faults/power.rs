//! Power cuts, between any two operations and in the middle of any.

use super::workload::{OnError, Seen, Told, judge, run, scripts};
use super::{asked, chance, on_threads};
use lapwing_store::disk::Op;
use lapwing_store::disk::forgetful::{ForgetfulDisk, Torn};
use std::collections::BTreeMap;

/// States that are looked at after one cut: what was not synced is left in so many ways.
const WAYS: u64 = 5;

/// What one cut showed.
struct Shown {
    at: Op,
    seen: Seen,
    torn: Torn,
    states: u64,
    doubly: u64,
    /// What did not hold, first of all.
    broken: Option<String>,
}

/// How many operations a script takes without a fault, and how many of them are syncs.
fn lengths(script: usize) -> (u64, u64) {
    let disk = ForgetfulDisk::new();
    let mut told = Told::default();
    run(&disk, &scripts()[script], &mut told, OnError::End);
    assert_eq!(told.errors, Vec::<String>::new(), "a disk without faults has none");
    (disk.operations(), disk.syncs())
}

/// Where the power goes off.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Before an operation of any kind.
    Operation(u64),
    /// Before a sync, when most is under way.
    Sync(u64),
}

/// Cuts the power somewhere in a script and looks at what may be left.
fn cut(script: usize, at: At, seed: u64, prepare: &(dyn Fn(&ForgetfulDisk) + Sync)) -> Shown {
    let disk = ForgetfulDisk::new();
    prepare(&disk);
    match at {
        At::Operation(nth) => disk.power_off_at(nth),
        At::Sync(nth) => disk.power_off_at_sync(nth),
    }
    let mut told = Told::default();
    run(&disk, &scripts()[script], &mut told, OnError::End);
    let (op, _) = disk.cut_at().expect("the script is longer than that");
    let mut shown = Shown { at: op, seen: Seen::default(), torn: Torn::default(), states: 0, doubly: 0, broken: None };
    for way in 0..WAYS {
        let copy = disk.snapshot();
        let torn = match way {
            0 => {
                copy.crash();
                Torn::default()
            }
            _ => copy.crash_torn(seed.wrapping_mul(31).wrapping_add(way)),
        };
        if way % 2 == 1 {
            // the restart is cut as well
            copy.power_off_at(chance(seed, way, 60));
            let _ = super::workload::Store::open(&copy, &mut Seen::default());
            copy.crash_torn(seed ^ way);
            shown.doubly += 1;
        }
        shown.states += 1;
        let t = &mut shown.torn;
        t.names_lost += torn.names_lost;
        t.names_kept += torn.names_kept;
        t.writes_lost += torn.writes_lost;
        t.writes_torn += torn.writes_torn;
        t.writes_kept += torn.writes_kept;
        match judge(&copy, &told) {
            Ok(seen) => shown.seen.add(&seen),
            Err(why) => {
                shown.broken = Some(format!("script {script}, cut at {at:?} ({op}), seed {seed}: {why}"));
                return shown;
            }
        }
    }
    shown
}

#[test]
fn a_power_cut_anywhere_loses_nothing_acknowledged_doubles_nothing_and_leaves_a_store_that_opens() {
    let (states, seed) = (asked("LAPWING_CRASH_STATES", 500), asked("LAPWING_SEED", 1));
    let lengths: Vec<(u64, u64)> = (0..scripts().len()).map(lengths).collect();
    let (all, syncs) = lengths.iter().fold((0, 0), |(a, s), (more, synced)| (a + more, s + synced));
    let cuts = states.div_ceil(WAYS);
    let shown = on_threads(cuts, |n| {
        // spread over all operations of all scripts: every second cut before a sync
        let of = if n % 2 == 0 { all } else { syncs };
        let step = of.div_ceil(cuts);
        let mut place = (n * of / cuts + chance(seed, n, step)) % of;
        let mut script = 0;
        loop {
            let len = if n % 2 == 0 { lengths[script].0 } else { lengths[script].1 };
            if place < len {
                break;
            }
            (place, script) = (place - len, script + 1);
        }
        let at = if n % 2 == 0 { At::Operation(place) } else { At::Sync(place) };
        cut(script, at, seed.wrapping_add(n << 8), &|_| {})
    });
    let broken: Vec<&String> = shown.iter().filter_map(|s| s.broken.as_ref()).collect();
    assert!(broken.is_empty(), "{} of {cuts} cuts: {broken:#?}", broken.len());
    let (mut seen, mut torn, mut at) = (Seen::default(), Torn::default(), BTreeMap::<String, u64>::new());
    let (mut done, mut doubly) = (0, 0);
    for s in &shown {
        seen.add(&s.seen);
        torn.names_lost += s.torn.names_lost;
        torn.names_kept += s.torn.names_kept;
        torn.writes_lost += s.torn.writes_lost;
        torn.writes_torn += s.torn.writes_torn;
        torn.writes_kept += s.torn.writes_kept;
        *at.entry(s.at.to_string()).or_default() += 1;
        done += s.states;
        doubly += s.doubly;
    }
    println!(
        "{done} crash states of {cuts} cuts in {all} operations, {syncs} of them syncs ({doubly} with the restart cut too)"
    );
    println!("  cut before: {at:?}");
    println!(
        "  {} acknowledged facts looked for, 0 lost, 0 doubled, {} stores opened, 0 unopenable",
        seen.acknowledged, seen.opened
    );
    println!(
        "  unfinished batches: {} there whole, {} gone; {} torn tails cut, {} tails copied, {} marks mended, {} segments",
        seen.unknown_there, seen.unknown_gone, seen.torn_tails, seen.tails_copied, seen.marks_repaired, seen.segments
    );
    println!("  {torn:?}");
    // the run was not empty
    let enough = [
        ("acknowledged facts", seen.acknowledged / done, 20),
        ("torn tails", seen.torn_tails, done / 200),
        ("unfinished batches that are there", seen.unknown_there, done / 500),
        ("unfinished batches that are gone", seen.unknown_gone, done / 100),
        ("names lost", torn.names_lost, done / 10),
        ("names kept", torn.names_kept, done / 10),
        ("writes torn", torn.writes_torn, done / 50),
        ("segments beyond the first", seen.segments - seen.opened, done / 2),
    ];
    for (what, found, least) in enough {
        assert!(found >= least.max(1), "only {found} {what}: the run shows too little");
    }
    for op in [Op::Sync, Op::SyncDir, Op::Write, Op::Rename, Op::Open] {
        assert!(at.contains_key(&op.to_string()), "no cut at {op}: {at:?}");
    }
}

/// The syncs on which something acknowledged hangs. Whichever of them is left out, the test above would notice.
const NEEDED: [(Op, &str); 8] = [
    (Op::Sync, "/journal/"),
    (Op::Sync, "/keyring/"),
    (Op::Sync, "/blobs/"),
    (Op::Sync, "highwater"),
    (Op::SyncDir, "/journal"),
    (Op::SyncDir, "/data/keyring"),
    (Op::SyncDir, "/blobs"),
    (Op::SyncDir, "/"),
];

#[test]
fn a_sync_that_is_left_out_is_noticed_whichever_it_is() {
    let seed = asked("LAPWING_SEED", 1);
    let (length, _) = lengths(0);
    for (op, part) in NEEDED {
        let cuts = 40;
        let shown = on_threads(cuts, |n| {
            let at = length / 4 + n * (length * 3 / 4) / cuts;
            cut(0, At::Operation(at.min(length - 1)), seed.wrapping_add(n << 8), &|disk| disk.ignore(op, part))
        });
        let broken: Vec<String> = shown.into_iter().filter_map(|s| s.broken).collect();
        assert!(!broken.is_empty(), "nothing is noticed when the disk does not {op} {part}");
        println!("without {op} of {part}: {} of {cuts} cuts lose something, e.g. {}", broken.len(), broken[0]);
    }
}
