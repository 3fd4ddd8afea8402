//! Two nodes that are equal find out: the same cost, however much they hold.
//!
//! Asked of the nodes' own code in this process: when an exchange is due is not the API's to say.

use super::catchup::MEMBERS;
use super::{Bench, Found, progress};
use crate::federation::{Federation, kept};
use crate::measure::{Goal, Row, Samples};
use crate::nodes::PATIENCE;
use crate::proxy::Proxy;
use anyhow::{Context, ensure};
use lapwing_node::config::Settings;
use lapwing_node::folder::Folder;
use lapwing_node::node::{Node, StartOptions};
use lapwing_node::sync::pull;
use lapwing_record::wire::Plane;
use std::path::Path;
use std::time::{Duration, Instant};

/// Milliseconds that a byte is on its way, each way, where round trips are counted.
const DELAY_MS: u64 = 20;

struct Found1 {
    time: Samples,
    trips: Samples,
    bytes: Samples,
}

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sizes: &[usize] = if bench.quick { &[1_000, 10_000] } else { &[1_000, 100_000] };
    let n = bench.samples(10, 100);
    let mut found = Vec::new();
    for size in sizes {
        let one = runtime.block_on(equal(&dir.join(size.to_string()), *size, n))?;
        progress("nothing", &format!("{size} entries"), n, n);
        found.push((*size, one));
    }
    let mut rows = Vec::new();
    for (size, one) in &found {
        // what the small one costs is the measure of the large one
        let first = (*size != sizes[0]).then(|| &found[0].1.time);
        let goal = first.map_or(Goal::Value(5.0), |_| Goal::Ratio(1.25));
        rows.push(Row::of(format!("{size} entries"), "ms", &one.time, first, goal));
        rows.push(Row::of(format!("{size} entries, round trips"), "RTT", &one.trips, None, Goal::Value(1.1)));
        rows.push(Row::of(format!("{size} entries, on the wire"), "bytes", &one.bytes, None, Goal::Value(1024.0)));
    }
    let notes = vec![format!("no plain pipeline here: the larger size stands against {} entries", sizes[0])];
    Ok(Found { rows, notes })
}

async fn start(folder: Folder, bootstrap: &[String]) -> anyhow::Result<Node> {
    let mut settings = Settings::default();
    settings.node.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.node.bootstrap = bootstrap.to_vec();
    settings.api.listen = ([127, 0, 0, 1], 0).into();
    Ok(Node::start(folder, settings, None, StartOptions::default()).await?)
}

async fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = so() {
            return Ok(value);
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn equal(dir: &Path, size: usize, n: usize) -> anyhow::Result<Found1> {
    let federation = Federation::found(dir, MEMBERS)?;
    let facts = kept(&federation.entries(2, size));
    let folders = [federation.settle(0, "")?, federation.settle(1, "")?];
    for (member, folder) in folders.iter().enumerate() {
        federation.write_journal(member, folder, &facts)?;
    }
    drop(facts);
    let [server, client] = folders;
    let proxy = Proxy::begin()?;
    let server = start(server, &[]).await?;
    let address = until("an address", || server.links.listening().first().cloned()).await?;
    let port = address.rsplit('/').next().and_then(|p| p.parse().ok()).context("an address without a port")?;
    proxy.lead_to(([127, 0, 0, 1], port).into());
    let client = start(client, &[proxy.multiaddr()]).await?;
    let heads = |node: &Node| node.office.view().state.federation.heads_root(Plane::Pub);
    let own = |node: &Node| node.office.view().state.federation.entries() >= (size + MEMBERS + 6) as u64;
    until("both are equal", || (own(&server) && heads(&server) == heads(&client)).then_some(())).await?;
    // what the start has set off comes to rest
    tokio::time::sleep(Duration::from_secs(3)).await;
    let peer = client.links.connected().first().context("they are not connected")?.0;

    let mut found = Found1 { time: Samples::default(), trips: Samples::default(), bytes: Samples::default() };
    for delay in [0, DELAY_MS] {
        proxy.delay(Duration::from_millis(delay));
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..n {
            let (bytes, begun) = (proxy.bytes(), Instant::now());
            let lacking = pull(&client.office, &client.links, peer, Plane::Pub).await?;
            let took = begun.elapsed();
            ensure!(lacking.is_empty(), "they are not equal");
            // the stream's end is on the wire a moment later
            tokio::time::sleep(Duration::from_millis(5 + 2 * delay)).await;
            if delay == 0 {
                found.time.add_time(took);
                found.bytes.add((proxy.bytes() - bytes) as f64);
            } else {
                let own = found.time.quantile(0.5);
                found.trips.add((took.as_secs_f64() * 1e3 - own) / (2 * delay) as f64);
            }
        }
    }
    for node in [client, server] {
        node.office.stop();
        node.wait().await?;
    }
    Ok(found)
}
