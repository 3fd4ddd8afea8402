//! A fresh node takes what the others hold.

use super::{Bench, Found, progress};
use crate::federation::{Federation, kept};
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, Process, until};
use crate::plain::{connect, read_frame, write_frame};
use crate::proxy::Proxy;
use anyhow::Context;
use lapwing_node::folder::Folder;
use lapwing_record::cbor::decode;
use lapwing_record::directory::Contact;
use lapwing_record::entry::Entry;
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::sign::PublicKey;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Founders: one that serves, one that is fresh, ten that have written.
pub(super) const MEMBERS: usize = 12;
/// Entries, samples: few and many.
const CASES: [(usize, usize, usize); 3] = [(1_000, 3, 30), (10_000, 1, 10), (100_000, 0, 3)];

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let mut rows = Vec::new();
    for (count, quick, many) in CASES {
        let n = if bench.quick && quick == 0 { 0 } else { bench.samples(quick, many) };
        if n == 0 {
            continue;
        }
        let federation = Federation::found(&dir.join(count.to_string()), MEMBERS)?;
        let entries = federation.entries(2, count);
        let served = federation.settle(0, "")?;
        federation.write_journal(0, &served, &kept(&entries))?;
        let proxy = Proxy::begin()?;
        let server = Process::start(&bench.binary, &served, &Links::default())?;
        let address = server.address()?;
        let port = address.rsplit('/').next().and_then(|p| p.parse().ok()).context("an address without a port")?;
        proxy.lead_to(([127, 0, 0, 1], port).into());
        let newcomer = newcomer(bench, &federation)?;
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        let case = format!("{count} entries");
        for i in 0..n {
            ours.add_time(fresh(bench, &newcomer, &proxy, i, count)?);
            theirs.add_time(plain(dir, &federation, &entries)?);
            progress("catchup", &case, i + 1, n);
        }
        rows.push(Row::of(case, "ms", &ours, Some(&theirs), Goal::Ratio(1.5)));
    }
    Ok(Found { rows, notes: vec!["ours: from the TCP connection, handshakes and hello included".into()] })
}

/// The folder of a node that has signed its own first entries and knows of nobody else's. It dials only: its binding stays
/// the same, so that each sample begins with the same entries and none forks the log of another.
fn newcomer(bench: &Bench, federation: &Federation) -> anyhow::Result<Folder> {
    let folder = federation.settle(1, "")?;
    let node = Process::start(&bench.binary, &folder, &Links { silent: true, ..Links::default() })?;
    until("the fresh node's own entries", Duration::from_millis(20), || {
        Ok((node.status()?.entries >= MEMBERS as u64 + 3).then_some(()))
    })?;
    node.stop()?;
    Ok(folder)
}

/// A fresh node, from its first connection until it holds everything.
fn fresh(bench: &Bench, newcomer: &Folder, proxy: &Proxy, i: usize, count: usize) -> anyhow::Result<Duration> {
    proxy.gate(false);
    let folder = Folder::new(newcomer.root().with_file_name(format!("fresh-{i}")));
    copy(newcomer.root(), folder.root())?;
    std::fs::copy(newcomer.highwater(), folder.highwater())?;
    let links = Links { bootstrap: vec![proxy.multiaddr()], silent: true, ..Links::default() };
    let node = Process::start(&bench.binary, &folder, &links)?;
    proxy.gate(true);
    let all = (count + MEMBERS) as u64;
    // asking costs the node time: seldom, where it has long to go
    let every = Duration::from_millis((count as u64 / 1000).clamp(2, 25));
    until("the fresh node has caught up", every, || Ok((node.status()?.entries >= all).then_some(())))?;
    let took = proxy.accepted().context("nobody came through the gate")?.elapsed();
    drop(node);
    std::fs::remove_dir_all(folder.root())?;
    Ok(took)
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?
        } else {
            std::fs::copy(entry.path(), &to).map(|_| ())?
        }
    }
    Ok(())
}

/// The plain pipeline: framed entries over TCP, verified on all cores, appended, synced, folded into a map.
fn plain(dir: &Path, federation: &Federation, entries: &[Entry]) -> anyhow::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let encoded: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
    let begun = Instant::now();
    let stream = connect(&listener)?;
    let (far, _) = listener.accept()?;
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        let mut far = BufWriter::with_capacity(256 << 10, far);
        encoded.iter().try_for_each(|bytes| write_frame(&mut far, bytes))?;
        far.flush()
    });
    let keys: BTreeMap<Pid, PublicKey> = federation.members.iter().map(|m| (m.pid(), m.feed.public())).collect();
    let network = federation.network();
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut log = File::create(dir.join("plain.log"))?;
    let mut map: BTreeMap<(Pid, String), Contact> = BTreeMap::new();
    let mut left = entries.len();
    while left > 0 {
        let take = left.min(4096);
        let frames = (0..take).map(|_| read_frame(&mut stream)).collect::<Result<Vec<_>, _>>()?;
        for (pid, contact) in verified(&frames, &keys, &network)? {
            map.insert((pid, contact.slot.clone()), contact);
        }
        log.write_all(&frames.concat())?;
        left -= take;
    }
    log.sync_data()?;
    let took = begun.elapsed();
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    anyhow::ensure!(!map.is_empty(), "nothing was folded");
    Ok(took)
}

/// Reads and verifies frames on all cores, in their order.
fn verified(
    frames: &[Vec<u8>],
    keys: &BTreeMap<Pid, PublicKey>,
    network: &NetworkId,
) -> anyhow::Result<Vec<(Pid, Contact)>> {
    let one = |bytes: &Vec<u8>| -> anyhow::Result<(Pid, Contact)> {
        let entry = Entry::decode(bytes)?;
        let pid = entry.header().pid;
        let key = keys.get(&pid).context("an unknown author")?;
        let signed = entry.open(&[*key], 1, network)?;
        Ok((pid, decode(signed.body().context("no body")?, 1 << 16)?))
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let work = frames.chunks(frames.len().div_ceil(cores).max(1));
        let threads: Vec<_> =
            work.map(|part| scope.spawn(move || part.iter().map(one).collect::<anyhow::Result<Vec<_>>>())).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, anyhow::Result<Vec<_>>>| {
            t.join().unwrap_or_else(|_| anyhow::bail!("a verifier panicked"))
        };
        threads.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
    })?;
    Ok(parts.concat())
}
