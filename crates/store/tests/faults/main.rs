//! What a disk can do to a node, and what must hold all the same (docs/faults.md): power cuts, operations that fail, a
//! disk that fills up. On a disk in memory, with what nodes really write: journals of simulated federations, keys,
//! evidence, the high-water file.
//!
//! `LAPWING_CRASH_STATES` (500; 10,000 in the long run), `LAPWING_FAULT_STRIDE` (20; 1 tries every operation) and
//! `LAPWING_FULL_ROUNDS` (40; 800) make it longer, `LAPWING_SEED` another.

#![allow(clippy::unwrap_used)]

mod failing;
mod full;
mod power;
mod workload;

/// A number from the environment.
fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Numbers that look random and come again with the seed.
fn chance(seed: u64, n: u64, below: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(n.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below.max(1)
}

/// Does a list of jobs on a few threads; what they gave, in order.
fn on_threads<T: Send>(jobs: u64, job: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = std::sync::atomic::AtomicU64::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if n >= jobs {
                return done;
            }
            done.push((n, job(n)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = all.into_iter().flat_map(|t| t.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        let mut done: Vec<(u64, T)> = done.collect();
        done.sort_by_key(|(n, _)| *n);
        done.into_iter().map(|(_, t)| t).collect()
    })
}
