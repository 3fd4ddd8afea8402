//! One entry to ten nodes.

use super::{Bench, Found, progress};
use crate::federation::{Federation, contact};
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, Process, until};
use crate::plain::{append, connect, read_frame, write_frame};
use crate::watch::{Watch, directory};
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::id::NetworkId;
use lapwing_record::sign::PublicKey;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Nodes that the entry goes to.
const OTHERS: usize = 10;

pub(super) fn run(bench: &Bench, dir: &Path) -> anyhow::Result<Found> {
    let federation = Federation::found(dir, OTHERS + 1)?;
    let first = Process::start(&bench.binary, &federation.settle(0, "")?, &Links::default())?;
    let links = Links { bootstrap: vec![first.address()?], ..Links::default() };
    let mut others = Vec::new();
    for i in 1..=OTHERS {
        others.push(Process::start(&bench.binary, &federation.settle(i, "")?, &links)?);
    }
    let all = || std::iter::once(&first).chain(&others);
    until("everybody is connected", Duration::from_millis(200), || {
        let heads = first.status()?.heads;
        for node in all() {
            let status = node.status()?;
            if status.connected < OTHERS || status.heads != heads || status.signing != "ok" {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    // gossip's meshes grow with its heartbeats
    std::thread::sleep(Duration::from_secs(3));
    let watches = others.iter().map(|o| Watch::begin(&o.client)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut plain = Plain::begin(dir, &federation)?;
    let about = directory("agency-0");
    let n = bench.samples(5, 60);
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for i in 0..n {
        let before: Vec<usize> = watches.iter().map(|w| w.count(&about)).collect();
        let begun = Instant::now();
        first.publish("intake", i)?;
        let mut last = begun;
        for (watch, before) in watches.iter().zip(&before) {
            last = last.max(watch.nth(&about, before + 1)?);
        }
        ours.add_time(last.duration_since(begun));
        theirs.add_time(plain.spread(i)?);
        progress("propagation", "to 10 nodes", i + 1, n);
        // the follow-ups to this one are not part of the next
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Found {
        rows: vec![Row::of("to 10 nodes", "ms", &ours, Some(&theirs), Goal::Ratio(3.0))],
        notes: vec!["eleven processes on one machine".into()],
    })
}

/// The plain pipeline: sign, append, sync, write to ten peers, each of which verifies, appends, syncs and says so.
struct Plain<'a> {
    federation: &'a Federation,
    log: File,
    peers: Vec<TcpStream>,
    after: Option<(u64, lapwing_record::id::EntryId)>,
}

impl<'a> Plain<'a> {
    fn begin(dir: &Path, federation: &'a Federation) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (key, network) = (federation.members[0].feed.public(), federation.network());
        let mut peers = Vec::new();
        for i in 0..OTHERS {
            peers.push(connect(&listener)?);
            let (far, _) = listener.accept()?;
            far.set_nodelay(true)?;
            let log = File::create(dir.join(format!("plain-{i}.log")))?;
            std::thread::spawn(move || {
                if let Err(error) = take(far, log, key, network) {
                    eprintln!("a peer of the plain pipeline failed: {error:#}");
                }
            });
        }
        Ok(Plain { federation, log: File::create(dir.join("plain.log"))?, peers, after: None })
    }

    fn spread(&mut self, version: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let (author, network) = (&self.federation.members[0], self.federation.network());
        let entry = author.entry(&network, self.after, EntryType::Contact, &contact("intake", version));
        self.after = Some((entry.header().seq, entry.id()));
        let bytes = entry.encode();
        append(&mut self.log, &bytes)?;
        for peer in &mut self.peers {
            write_frame(peer, &bytes)?;
        }
        for peer in &mut self.peers {
            read_frame(peer)?;
        }
        Ok(begun.elapsed())
    }
}

fn take(mut stream: TcpStream, mut log: File, key: PublicKey, network: NetworkId) -> anyhow::Result<()> {
    while let Ok(bytes) = read_frame(&mut stream) {
        Entry::decode(&bytes)?.open(&[key], 1, &network)?;
        append(&mut log, &bytes)?;
        write_frame(&mut stream, b"held")?;
    }
    Ok(())
}
