//! What a node costs that has nothing to do: memory, processor, and how long its start takes.

use super::{Bench, Found, progress};
use crate::cases::{Made, refer};
use crate::federation::Federation;
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, Process, form};
use anyhow::Context;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clock ticks a second in `/proc/PID/stat` (USER_HZ, the same on every Linux).
const TICKS: f64 = 100.0;

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let many = match (bench.quick, bench.full) {
        (true, _) => 2_000,
        (_, false) => 20_000,
        (_, true) => 100_000,
    };
    let mut rows = Vec::new();
    for (count, rss, ready) in [(0, 20.0, 150.0), (many, 60.0, 1000.0)] {
        let federation = Federation::found(&dir.join(count.to_string()), 2)?;
        let folder = federation.settle(0, "")?;
        let (form, at) = (form(None), SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64);
        refer(&federation, &folder, count, |_| Made { form: form.clone(), at, ended: None })?;
        let case = if count == 0 { "empty".to_owned() } else { format!("{count} referrals") };
        let n = bench.samples(3, 30);
        let mut starts = Samples::default();
        // the first start brings the index up, and is shown by itself
        let first = Process::start(&bench.binary, &folder, &Links::default())?;
        let built = first.ready;
        first.stop()?;
        for i in 0..n {
            let node = Process::start(&bench.binary, &folder, &Links::default())?;
            starts.add_time(node.ready);
            node.stop()?;
            progress("idle", &case, i + 1, n);
        }
        let node = Process::start(&bench.binary, &folder, &Links::default())?;
        std::thread::sleep(Duration::from_secs(if bench.quick { 3 } else { 10 }));
        let (mut memory, mut processor) = (Samples::default(), Samples::default());
        for _ in 0..if bench.quick { 1 } else { 3 } {
            let (before, span) = (ticks(node.id())?, Duration::from_secs(if bench.quick { 4 } else { 10 }));
            std::thread::sleep(span);
            processor.add((ticks(node.id())? - before) / TICKS / span.as_secs_f64() * 100.0);
            memory.add(resident(node.id())?);
        }
        rows.push(Row::of(format!("{case}: resident"), "MB", &memory, None, Goal::Value(rss)));
        rows.push(Row::of(format!("{case}: processor"), "%", &processor, None, Goal::Value(0.1)));
        rows.push(Row::of(format!("{case}: start to ready"), "ms", &starts, None, Goal::Value(ready)));
        let mut once = Samples::default();
        once.add_time(built);
        rows.push(Row::of(format!("{case}: first start, index made"), "ms", &once, None, Goal::Value(5.0 * ready)));
    }
    Ok(Found { rows, notes: vec!["100,000 referrals with --full; the goals stand for that size".into()] })
}

/// Resident memory in MB (10⁶ bytes).
pub(super) fn resident(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Processor time in ticks, of the program and of the system for it.
fn ticks(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // behind the name, which may hold anything
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).context("no times in stat");
    Ok(field(11)? + field(12)?)
}
