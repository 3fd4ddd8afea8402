//! What a node costs that has nothing to do: memory, processor, and how long its start takes.

use super::{Bench, Found, progress};
use crate::federation::{Federation, at_rest};
use crate::measure::{Goal, Row, Samples};
use crate::nodes::{Links, Process, form};
use anyhow::Context;
use lapwing_engine::case::Open;
use lapwing_engine::fact::{Fact, Receipted, Said};
use lapwing_engine::step::locked_form;
use lapwing_node::folder::Folder;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::DAY_MS;
use lapwing_record::id::{HashOf, ThreadId};
use lapwing_record::locked::lock;
use lapwing_record::statement::{Kind, Receipt, ReceiptStatus, SignedStmt, Stmt, Tlp, signed_hash};
use lapwing_store::disk::os::OsDisk;
use lapwing_store::keyring::Keyring;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Referrals that are made up at a time.
const CHUNK: usize = 1000;
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
        refer(&federation, &folder, count)?;
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
fn resident(pid: u32) -> anyhow::Result<f64> {
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

/// Makes up referrals from member 0 to member 1 that have their receipts: the journal and the keyring as a node would
/// have left them.
fn refer(federation: &Federation, folder: &Folder, count: usize) -> anyhow::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let (a, b) = (&federation.members[0], &federation.members[1]);
    let master = blake3::derive_key("lapwing/1 keyring", &at_rest(a));
    let mut keyring = Keyring::open(Arc::new(OsDisk), &folder.keyring(), master)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let body = encode(&form(None));
    let mut facts = Vec::with_capacity(2 * count);
    for chunk in (0..count).collect::<Vec<_>>().chunks(CHUNK) {
        let keys: Vec<(Vec<u8>, [u8; 32])> = chunk
            .iter()
            .map(|i| {
                ([b"case/", &thread(*i).0[..]].concat(), HashOf::Msg.hash(&[b"key", &i.to_le_bytes()[..]].concat()))
            })
            .collect();
        for (i, (_, key)) in chunk.iter().zip(&keys) {
            let stmt = Stmt {
                version: 1,
                network_id: federation.network(),
                thread: thread(*i),
                msg_no: 0,
                prev_own: None,
                seen_peer: None,
                from: a.pid(),
                epoch: 0,
                to: b.pid(),
                clock: now,
                expires: now + 30 * DAY_MS,
                kind: Kind::Submit,
                handling: Tlp::AmberStrict,
                body: Bytes(body.clone()),
                blobs: vec![],
            };
            let open = Open::of(&stmt)?;
            let (id, at) = (open.id, now);
            let nonce: [u8; 24] = id.0[..24].try_into().context("24 of 32")?;
            let locked = Bytes(lock(key, nonce, &id.0, &locked_form(&stmt, &None)));
            let hash = signed_hash(&encode(&SignedStmt::sign(&stmt, &a.feed, None)));
            let receipt =
                Receipt { msg_id: id, hash, received: now, status: ReceiptStatus::Stored, by: b.pid(), epoch: 0 };
            let receipt = Bytes(encode(&receipt.sign(&b.feed, &federation.network())));
            facts.push(Fact::Said(Said { at, open, locked }));
            facts.push(Fact::Receipt(Receipted { at, thread: thread(*i), id, receipt }));
        }
        let secrets: Vec<(&[u8], &[u8])> = keys.iter().map(|(name, key)| (&name[..], &key[..])).collect();
        keyring.put_all(&secrets)?;
    }
    federation.write_journal(0, folder, &facts)
}

fn thread(i: usize) -> ThreadId {
    ThreadId(HashOf::Msg.hash(&[b"thread", &i.to_le_bytes()[..]].concat()))
}
