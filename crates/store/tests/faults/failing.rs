//! Operations that fail: each once, and each for good, at every place of the same work.

use super::workload::{OnError, Seen, Told, judge, run, scripts};
use super::{asked, on_threads};
use lapwing_store::disk::Op;
use lapwing_store::disk::forgetful::ForgetfulDisk;
use lapwing_store::journal::{Journal, Options};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const KINDS: [Op; 10] = [
    Op::CreateDir,
    Op::Open,
    Op::Read,
    Op::Write,
    Op::Sync,
    Op::SyncDir,
    Op::Rename,
    Op::Remove,
    Op::List,
    Op::Truncate,
];

/// What one fault showed; none where the script has no such operation any more.
fn fault(op: Op, nth: u64, lasting: bool, on_error: OnError) -> Result<Option<(Seen, usize)>, String> {
    let disk = ForgetfulDisk::new();
    match lasting {
        true => disk.fail_from(Some(op), nth),
        false => disk.fail_nth(Some(op), nth),
    }
    let script = &scripts()[nth as usize % scripts().len()];
    let mut told = Told::default();
    run(&disk, script, &mut told, on_error);
    let place = format!("{op} number {nth}, {}, {on_error:?}", if lasting { "for good" } else { "once" });
    if !disk.faulted() {
        return Ok(None);
    }
    if let Some(unnamed) = told.errors.iter().find(|e| !e.contains("/data") && !e.contains("folder /")) {
        return Err(format!("{place}: an error names no file: {unnamed}"));
    }
    disk.heal();
    let at = |why: String| format!("{place}: {why}");
    // a process goes on without it, or the power goes too
    let after_cut = disk.snapshot();
    let mut seen = judge(&disk, &told).map_err(at)?;
    after_cut.crash_torn(nth);
    seen.add(&judge(&after_cut, &told).map_err(at)?);
    Ok(Some((seen, told.errors.len())))
}

#[test]
fn every_operation_that_fails_is_named_and_nothing_acknowledged_is_lost() {
    let stride = asked("LAPWING_FAULT_STRIDE", 20);
    let mut counts = BTreeMap::<String, (u64, u64, u64)>::new();
    let ways = [(false, OnError::End), (false, OnError::GoOn), (true, OnError::End), (true, OnError::GoOn)];
    let jobs: Vec<(Op, bool, OnError)> =
        KINDS.into_iter().flat_map(|op| ways.map(|(lasting, then)| (op, lasting, then))).collect();
    let done = on_threads(jobs.len() as u64, |n| {
        let (op, lasting, then) = jobs[n as usize];
        // the rare ones more closely
        let rare = [Op::CreateDir, Op::List, Op::Rename, Op::Truncate].contains(&op);
        let stride = if rare { stride.div_ceil(4) } else { stride };
        let (mut faults, mut seen, mut errors, mut broken) = (0_u64, Seen::default(), 0, Vec::new());
        let (mut nth, mut missed) = (n % stride, 0);
        // scripts differ in length: only when none has such an operation is it the end
        while missed < scripts().len() as u64 * 2 && broken.len() < 3 {
            match fault(op, nth, lasting, then) {
                Ok(None) => missed += 1,
                Ok(Some((more, named))) => {
                    (faults, errors, missed) = (faults + 1, errors + named as u64, 0);
                    seen.add(&more);
                }
                Err(why) => broken.push(why),
            }
            nth += if stride.is_multiple_of(scripts().len() as u64) { stride + 1 } else { stride };
        }
        (op, faults, errors, seen, broken)
    });
    let (mut all, mut seen, mut broken) = (0, Seen::default(), Vec::new());
    for (op, faults, errors, more, wrong) in done {
        let row = counts.entry(op.to_string()).or_default();
        (row.0, row.1, row.2) = (row.0 + faults, row.1 + errors, row.2 + more.acknowledged);
        all += faults;
        seen.add(&more);
        broken.extend(wrong);
    }
    assert!(broken.is_empty(), "{broken:#?}");
    println!(
        "{all} faults: {} acknowledged facts looked for, 0 lost, {} stores opened again",
        seen.acknowledged, seen.opened
    );
    for (op, (faults, errors, _)) in &counts {
        println!("  {op}: {faults} faults, {errors} errors told, each with its file");
        assert!(*faults > 0 && *errors > 0, "no {op} failed: nothing is shown");
    }
}

/// What is known as fsyncgate: after a failed sync the pages count as clean, and the next sync says nothing about them.
#[test]
fn after_a_failed_sync_no_later_success_speaks_for_the_same_pages() {
    let options = Options { at_rest_key: Some([7; 32]), ..Options::default() };
    let (mut shown, mut kept) = (0, 0);
    for nth in 0..40 {
        let disk = ForgetfulDisk::new();
        let (mut journal, _) = Journal::open(Arc::new(disk.clone()), Path::new("/journal"), options.clone()).unwrap();
        let mut acknowledged: Vec<Vec<u8>> = Vec::new();
        disk.fail_nth(Some(Op::Sync), nth);
        let mut failed_in = None;
        for n in 0..30_u8 {
            match journal.append(&[vec![n; 700]]) {
                Ok(at) => {
                    acknowledged.push(vec![n; 700]);
                    if let Some(segment) = failed_in.take() {
                        assert!(at[0].segment() > segment, "acknowledged over pages whose sync had failed");
                        shown += 1;
                    }
                }
                Err(_) => failed_in = journal.last().map(|l| l.segment()).or(Some(0)),
            }
        }
        drop(journal);
        disk.crash();
        let (journal, _) = Journal::open(Arc::new(disk), Path::new("/journal"), options.clone()).unwrap();
        let found: Vec<Vec<u8>> = journal.reader().replay(None).map(|r| r.unwrap().1).collect();
        assert_eq!(found, acknowledged, "the sync number {nth} failed");
        kept += found.len();
    }
    println!("{shown} failed syncs followed by a success, {kept} acknowledged records, 0 lost");
    assert!(shown >= 25);
}
