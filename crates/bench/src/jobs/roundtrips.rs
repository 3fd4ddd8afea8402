//! How often a referral crosses the network: the time that a delay adds, in units of that delay.

use super::{Bench, Found, progress};
use crate::federation::Federation;
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, Pair, Process, form, until};
use crate::proxy::Proxy;
use anyhow::Context;
use std::path::Path;
use std::time::Duration;

/// How long a byte is on its way, each way.
const DELAY: Duration = Duration::from_millis(50);

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let federation = Federation::found(dir, 2)?;
    let proxy = Proxy::begin()?;
    // B is known to the world by the proxy's address; A dials only
    let at_proxy = Links { external: vec![proxy.multiaddr()], ..Links::default() };
    let b = Process::start(&bench.binary, &federation.settle(1, "")?, &at_proxy)?;
    let address = b.address()?;
    let port = address.rsplit('/').next().and_then(|p| p.parse().ok()).context("an address without a port")?;
    proxy.lead_to(([127, 0, 0, 1], port).into());
    let silent = Links { bootstrap: vec![proxy.multiaddr()], silent: true, ..Links::default() };
    let a = Process::start(&bench.binary, &federation.settle(0, "")?, &silent)?;
    let pair = Pair::ready(a, b, "agency-1")?;

    let n = bench.samples(5, 30);
    let (mut near, mut far) = (Samples::default(), Samples::default());
    for i in 0..n {
        proxy.delay(Duration::ZERO);
        settle();
        near.add_time(pair.refer(&form(None))?);
        proxy.delay(DELAY);
        settle();
        far.add_time(pair.refer(&form(None))?);
        progress("roundtrips", "warm", i + 1, n);
    }
    let warm = added(&far, near.quantile(0.5), 0.0);

    let (mut near, mut far) = (Samples::default(), Samples::default());
    let n = bench.samples(2, 30);
    for i in 0..n {
        near.add_time(cold(&pair, &proxy, Duration::ZERO)?);
        far.add_time(cold(&pair, &proxy, DELAY)?);
        progress("roundtrips", "cold", i + 1, n);
    }
    // the proxy answers a SYN at once: the handshake of TCP is added by hand
    let cold = added(&far, near.quantile(0.5), 1.0);
    Ok(Found {
        rows: vec![
            Row::of("warm: connected", "RTT", &warm, None, Goal::Value(1.1)),
            Row::of("cold: not connected", "RTT", &cold, None, Goal::Value(3.0)),
            Row::of("cold, without delay", "ms", &near, None, Goal::Value(1000.0)),
        ],
        notes: vec!["RTT = (time with 50 ms each way − median time without) / 100 ms; cold: one more for TCP".into()],
    })
}

/// Lets what a former step has set off come to rest.
fn settle() {
    std::thread::sleep(4 * DELAY);
}

/// Round trips that the delay added to each sample.
fn added(far: &Samples, near: f64, more: f64) -> Samples {
    let rtt = 2.0 * DELAY.as_secs_f64() * 1e3;
    // a tenth of a round trip is what sleeping and waking up costs
    far.map(|ms| ((ms - near) / rtt * 10.0).round() / 10.0 + more)
}

/// A referral while no connection is open, though one may be opened at any time.
fn cold(pair: &Pair, proxy: &Proxy, delay: Duration) -> anyhow::Result<Duration> {
    proxy.gate(false);
    until("the nodes part", Duration::from_millis(5), || Ok((pair.a.status()?.connected == 0).then_some(())))?;
    proxy.delay(delay);
    proxy.gate(true);
    let took = pair.refer(&form(None))?;
    proxy.delay(Duration::ZERO);
    // the link is level and at rest before it is cut again
    std::thread::sleep(Duration::from_millis(1500));
    Ok(took)
}
