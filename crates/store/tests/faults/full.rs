//! A disk that fills up and is freed again, over and over, under the same work.

use super::workload::{OnError, Seen, Step, Told, judge, run, scripts};
use super::{asked, chance, on_threads};
use lapwing_store::disk::forgetful::ForgetfulDisk;

#[test]
fn a_disk_that_fills_up_and_is_freed_loses_nothing_and_the_store_goes_on() {
    let (rounds, seed) = (asked("LAPWING_FULL_ROUNDS", 40), asked("LAPWING_SEED", 1));
    // each round is one life of a disk: filled and freed several times, and cut at the end
    let shown = on_threads(rounds, |round| {
        let disk = ForgetfulDisk::new();
        let script = &scripts()[round as usize % scripts().len()];
        let (mut told, mut refused, mut fills) = (Told::default(), 0, 0);
        for (n, steps) in script.chunks(9).enumerate() {
            let fills_up = n % 2 == 1;
            if fills_up {
                disk.fill_after(chance(seed, round << 8 | n as u64, 9_000));
                fills += 1;
            }
            // by hand what a process does once more when it had no room; each chunk is the life of one process
            let before = told.errors.len();
            run(&disk, steps, &mut told, OnError::GoOn);
            if !fills_up && told.errors.len() > before {
                return Err(format!("round {round}: refused with room: {}", told.errors[before]));
            }
            refused += told.errors.len() - before;
            if let Some(other) =
                told.errors[before..].iter().find(|e| !e.contains("disk is full") && !e.contains("no storage space"))
            {
                return Err(format!("round {round}: another error than a full disk: {other}"));
            }
            disk.free_room();
            // reads answered all the while: what was acknowledged is there, in this very process's files
            judge(&disk.snapshot(), &told).map_err(|why| format!("round {round}, chunk {n}: {why}"))?;
        }
        let again = [Step::Commit(vec![b"once more".to_vec()], None)];
        let before = told.errors.len();
        run(&disk, &again, &mut told, OnError::End);
        if told.errors.len() > before {
            return Err(format!("round {round}: it does not go on: {}", told.errors[before]));
        }
        disk.crash_torn(seed ^ round);
        let seen = judge(&disk, &told).map_err(|why| format!("round {round}, after a power cut: {why}"))?;
        Ok((seen, refused as u64, fills))
    });
    let (mut seen, mut refused, mut fills) = (Seen::default(), 0, 0);
    for outcome in shown {
        let (more, r, f) = outcome.unwrap_or_else(|why| panic!("{why}"));
        seen.add(&more);
        (refused, fills) = (refused + r, fills + f);
    }
    println!(
        "{rounds} disks filled and freed {fills} times: {refused} writes refused, {} acknowledged facts, 0 lost",
        seen.acknowledged
    );
    assert!(refused > rounds && fills >= rounds);
}
