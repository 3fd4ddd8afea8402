//! Many referrals at a time, against the plain pipeline one after the other.

use super::{Bench, Found, progress};
use crate::federation::Federation;
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Pair, form};
use crate::plain::Plain;
use lapwing_api::client::Client;
use lapwing_record::cbor::encode;
use std::path::Path;
use std::time::{Duration, Instant};

/// Referrals in flight.
const IN_FLIGHT: usize = 64;

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let pair = bench.pair(&Federation::found(dir, 2)?)?;
    // a connection each, as so many callers have
    let callers = (0..IN_FLIGHT).map(|_| pair.a.caller()).collect::<anyhow::Result<Vec<Client>>>()?;
    let mut plain = Plain::begin(&dir.join("plain"))?;
    let body = encode(&form(None));
    let n = bench.samples(3, 30);
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for i in 0..n {
        ours.add_time(at_once(&pair, &callers)? / IN_FLIGHT as u32);
        let begun = Instant::now();
        for _ in 0..IN_FLIGHT {
            plain.refer(&body, None)?;
        }
        theirs.add_time(begun.elapsed() / IN_FLIGHT as u32);
        progress("throughput", "64 in flight", i + 1, n);
    }
    // five times the rate is a fifth of the time
    Ok(Found {
        rows: vec![Row::of("64 in flight", "ms", &ours, Some(&theirs), Goal::Ratio(0.2))],
        notes: vec![format!("{:.0} referrals a second", 1e3 / ours.quantile(0.5))],
    })
}

/// So many referrals at once: the time until the last receipt.
fn at_once(pair: &Pair, callers: &[Client]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let threads = std::thread::scope(|scope| {
        let all: Vec<_> = callers.iter().map(|c| scope.spawn(|| pair.say(c, &form(None)))).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, anyhow::Result<String>>| {
            t.join().unwrap_or_else(|_| anyhow::bail!("a client's thread panicked"))
        };
        all.into_iter().map(join).collect::<anyhow::Result<Vec<String>>>()
    })?;
    // looked at afterwards, one by one, though they came at their own time
    let receipts = threads.iter().map(|t| pair.receipt_of(t)).collect::<anyhow::Result<Vec<Instant>>>()?;
    Ok(receipts.into_iter().max().unwrap_or(begun).duration_since(begun))
}
