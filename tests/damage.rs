//! What a disk does to a data folder while nobody looks: flipped bits, cut files. All of it is named, none of it is ever
//! handed out as right, and what other nodes hold comes back from them (docs/faults.md, docs/operations.md).
//!
//! `LAPWING_FLIPS` (50; 1,000 in the long run), `LAPWING_CUTS` (10; 200), `LAPWING_SEED`.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::types::{Draft, EvidenceView, LogRow, MemberDetail, Page, ReferralDetail, ReferralRow, Said, Written};
use lapwing_engine::fact::FORMAT;
use lapwing_node::folder::Folder;
use lapwing_node::keys::{KeyKind, read_key};
use lapwing_node::repair;
use lapwing_store::blobs::BlobStore;
use lapwing_store::disk::os::OsDisk;
use lapwing_store::index::{Index, Order};
use lapwing_store::journal::{Journal, Options};
use lapwing_store::keyring::Keyring;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Running, Town, files, json as run, until};

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Numbers that look random and come again with the seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

struct World {
    town: Town,
}

fn base32(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    lapwing_record::id::base32(&bytes)
}

fn noise(n: usize, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| ((i + ((n as u64) << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

impl World {
    /// Two founders that can refer to each other.
    fn new() -> (World, Running, Running) {
        let world = World { town: Town::founded(&["harbour", "polder"]) };
        let polder = world.town.start("polder", &[]);
        let harbour = world.town.start("harbour", &world.town.address("polder"));
        world.until_ready();
        for at in ["harbour", "polder"] {
            world.publish(at, "intake");
        }
        (world, harbour, polder)
    }

    /// Publishes a point of contact; the entry's id.
    fn publish(&self, at: &str, slot: &str) -> String {
        let contact = json!({
            "slot": slot, "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
            "hours": [], "time_zone": "Europe/London", "deputy": null, "withdrawn": false,
            "ways": [{ "kind": "email", "value": "x@harbour.example" }], "reconfirm_by": 4_102_444_800_000_u64,
        });
        let client = self.town.client(at, Op::ContactPublish).unwrap();
        let written: Written = client.call(Op::ContactPublish, &[], &[], &contact).unwrap();
        written.entry
    }

    /// The entries of somebody's logs as a node has them.
    fn log(&self, at: &str, of: &str) -> Option<BTreeSet<String>> {
        let query = [("limit", "500".to_owned())];
        let page: Page<LogRow> = self.town.client(at, Op::Log)?.read(Op::Log, &[of], &query).ok()?;
        Some(page.items.into_iter().map(|r| r.id).collect())
    }

    fn until_ready(&self) {
        for (at, other) in [("harbour", "polder"), ("polder", "harbour")] {
            until(&format!("{at} may speak and knows {other}'s key"), 120, || {
                let detail: MemberDetail = self.town.client(at, Op::Member)?.read(Op::Member, &[other], &[]).ok()?;
                let status = self.town.status(at)?;
                (detail.sealable && status.connected > 0 && status.signing == "ok").then_some(())
            });
        }
    }

    fn refer(&self, from: &str, to: &str, evidence: Option<&[u8]>) -> Option<String> {
        let client = self.town.client(from, Op::Drafts)?;
        let draft: Draft = client.call(Op::Drafts, &[], &[], &json!({})).ok()?;
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["evidence"] = Value::Null;
        if let Some(bytes) = evidence {
            let sum: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            let query = [("name", "dump.bin".to_owned()), ("media_type", "text/plain".into()), ("sha256", sum)];
            let item: EvidenceView =
                client.upload(Op::EvidencePut, &[&draft.thread], &query, bytes, bytes.len() as u64).ok()?;
            form["evidence"] = json!([{
                "name": item.name, "media_type": item.media_type, "size": item.size, "blake3": base32(&item.blake3),
                "sha256": base32(&item.sha256), "method": "seized", "original": true,
            }]);
        }
        let submit = json!({ "to": to, "form": form });
        let said: Said = client.call(Op::Submit, &[&draft.thread], &[], &submit).ok()?;
        Some(said.thread)
    }

    fn case(&self, at: &str, thread: &str) -> Option<ReferralDetail> {
        self.town.client(at, Op::Referral)?.read(Op::Referral, &[thread], &[]).ok()
    }

    fn threads(&self, at: &str) -> BTreeSet<String> {
        let query = [("limit", "500".to_owned())];
        let page: Page<ReferralRow> =
            self.town.client(at, Op::Referrals).unwrap().read(Op::Referrals, &[], &query).unwrap();
        page.items.into_iter().map(|r| r.thread).collect()
    }

    /// The first item of evidence of a case, asked for until it is there; its id.
    fn fetched(&self, at: &str, thread: &str) -> String {
        until("the evidence is there", 60, || {
            let item = self.case(at, thread)?.evidence.first()?.clone();
            if item.state == "here" {
                return Some(item.blob);
            }
            let fetch = self.town.client(at, Op::EvidenceFetch)?;
            let _: Option<Value> = fetch.call(Op::EvidenceFetch, &[thread, &item.blob], &[], &json!({})).ok();
            None
        })
    }

    /// The bytes of an item, or why there are none.
    fn evidence(&self, at: &str, thread: &str, blob: &str) -> Result<Vec<u8>, String> {
        let client = self.town.client(at, Op::EvidenceGet).unwrap();
        let (mut content, _) = client.download(Op::EvidenceGet, &[thread, blob], &[]).map_err(|p| p.to_string())?;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    fn settled(&self) {
        until("every statement is receipted", 60, || {
            (self.town.status("harbour")?.outbox + self.town.status("polder")?.outbox == 0).then_some(())
        });
    }

    fn stop(&self, name: &str, mut node: Running) {
        self.town.of(name, &["stop"]);
        assert!(node.wait(std::time::Duration::from_secs(20)).is_some(), "{name} stops");
    }

    /// Both sides hold the same statements of every case, all readable, and nobody's log is contested.
    fn assert_unbroken(&self, threads: &BTreeSet<String>) {
        for thread in threads {
            let ids = |at: &str| -> Option<BTreeSet<String>> {
                let case = self.case(at, thread)?;
                case.form.as_ref()?;
                Some(case.timeline.into_iter().map(|s| s.id).collect())
            };
            until(&format!("the case {thread} is the same at both"), 60, || {
                ids("harbour").filter(|h| Some(h) == ids("polder").as_ref()).map(|_| ())
            });
        }
        for at in ["harbour", "polder"] {
            for of in ["harbour", "polder"] {
                assert_eq!(self.town.standing(at, of).as_deref(), Some("participant"), "{of} at {at}");
            }
            assert_eq!(&self.threads(at), threads, "at {at}");
        }
    }
}

// -- every byte --------------------------------------------------------------------------------------------------------

/// Everything that a folder holds, as its readers hand it out. What is derived may be gone, never wrong.
#[derive(Debug, Default, PartialEq)]
struct Held {
    parts: BTreeMap<String, [u8; 32]>,
    index: Option<[u8; 32]>,
}

fn held(data: &Path) -> Result<Held, String> {
    let folder = Folder::new(data);
    let disk = Arc::new(OsDisk);
    let text = |e: &dyn std::error::Error| e.to_string();
    let mut held = Held::default();
    let mut part = |name: String, bytes: &[u8]| {
        held.parts.insert(name, *blake3::hash(bytes).as_bytes());
    };
    let at_rest = read_key(&folder.at_rest_key(), KeyKind::AtRest, None).map_err(|e| text(&e))?;
    for (name, path, kind) in [("feed", folder.feed_key(), KeyKind::Feed), ("node", folder.node_key(), KeyKind::Node)] {
        part(name.into(), &*read_key(&path, kind, None).map_err(|e| text(&e))?);
    }
    part("at rest".into(), &*at_rest);
    let options = Options { at_rest_key: Some(*at_rest), format: FORMAT, ..Options::default() };
    let (journal, _) = Journal::open(disk.clone(), &folder.journal(), options).map_err(|e| text(&e))?;
    let mut hasher = blake3::Hasher::new();
    for record in journal.reader().replay(None) {
        let (at, bytes) = record.map_err(|e| text(&e))?;
        hasher.update(&at.to_bytes()).update(&bytes);
    }
    part("journal".into(), hasher.finalize().as_bytes());
    let master = blake3::derive_key("lapwing/1 keyring", &*at_rest);
    let keyring = Keyring::open(disk.clone(), &folder.keyring(), master).map_err(|e| text(&e))?;
    for name in keyring.names() {
        part(format!("key {name:?}"), keyring.get(name).unwrap().as_bytes());
    }
    part("erasures".into(), format!("{:?}", keyring.erasures().collect::<Vec<_>>()).as_bytes());
    let blobs = BlobStore::open(disk, &folder.blobs()).map_err(|e| text(&e))?;
    for root in blobs.list().map_err(|e| text(&e))? {
        let mut blob = blobs.open_blob(&root).map_err(|e| text(&e))?;
        let count = blob.pieces().map_err(|e| text(&e))?.count();
        let mut bytes = Vec::new();
        for piece in 0..count {
            bytes.extend(blob.read_piece(piece).map_err(|e| text(&e))?);
        }
        part(format!("evidence {root:?}"), &bytes);
    }
    // small files are read by `repair::look` as the node reads them: what it does not name must be as it was
    for path in [
        folder.charter(),
        folder.identity(),
        folder.tokens(),
        folder.highwater(),
        folder.erasures(),
        folder.backup_recipient(),
    ] {
        part(path.file_name().unwrap().to_string_lossy().into_owned(), &std::fs::read(&path).unwrap_or_default());
    }
    for path in files(&folder.searches()) {
        part(path.file_name().unwrap().to_string_lossy().into_owned(), &std::fs::read(&path).unwrap());
    }
    let index = Index::open(&folder.index(), 1 << 20).map_err(|e| text(&e))?;
    if index.position().is_some() {
        let mut hasher = blake3::Hasher::new();
        for tree in ["entry", "message", "audit"] {
            let page = index.range(tree, Bound::Unbounded, Bound::Unbounded, Order::Ascending, 10_000);
            for (key, value) in page.map_err(|e| text(&e))?.entries {
                hasher.update(&key).update(&value);
            }
        }
        held.index = Some(*hasher.finalize().as_bytes());
    }
    Ok(held)
}

/// Files that may say something else without being found out, and why that is no fault.
fn remade(path: &Path) -> bool {
    // written anew by each start, before anybody reads them
    ["lock", "api.token", "admin.token", "auditor.token", "api.address"].iter().any(|name| path.ends_with(name))
        // text that people write: what it says is theirs
        || path.ends_with("config.toml")
}

/// Looks through a folder. A process that another test starts at this moment holds a copy of every lock until its program
/// runs.
fn look(data: &Path) -> Result<repair::Report, repair::RepairError> {
    for _ in 0..100 {
        match repair::look(&Folder::new(data), None) {
            Err(repair::RepairError::Lock(_)) => std::thread::sleep(std::time::Duration::from_millis(50)),
            looked => return looked,
        }
    }
    panic!("the lock of {} stays held", data.display())
}

#[derive(Debug, Default)]
struct Counts {
    named: u64,
    derived: u64,
    by: BTreeMap<String, u64>,
}

fn relative_to(original: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(original).unwrap();
    relative.strip_prefix("data").unwrap_or(relative).display().to_string()
}

fn sort_of(relative: &str) -> String {
    let (folder, _) = relative.split_once('/').unwrap_or(("", relative));
    if folder.is_empty() || folder == "keys" || folder == "run" { relative.to_owned() } else { folder.to_owned() }
}

#[test]
fn every_flipped_bit_and_every_cut_file_is_named_or_changes_nothing_that_is_handed_out() {
    let (flips, cuts, seed) = (asked("LAPWING_FLIPS", 50), asked("LAPWING_CUTS", 10), asked("LAPWING_SEED", 1));
    let (world, harbour, polder) = World::new();
    let town = &world.town;
    let mut threads = Vec::new();
    for n in 0..10 {
        let bytes = noise(n, if n == 3 { 1_300_000 } else { 900 * n + 10 });
        let (from, to) = if n % 3 == 2 { ("polder", "harbour") } else { ("harbour", "polder") };
        let evidence = (n % 2 == 1).then_some(&bytes[..]);
        threads.push((from, until("a referral", 30, || world.refer(from, to, evidence)), evidence.is_some()));
    }
    world.settled();
    for (from, thread, evidence) in &threads {
        if *evidence && *from == "polder" {
            world.fetched("harbour", thread);
        }
    }
    town.of("harbour", &["token", "new", "desk", "--role", "analyst", "-o", &town.text("desk.token")]);
    town.of("harbour", &["search", "save", "prizes", "prize"]);
    town.of("harbour", &["case", "erase", &threads[0].1, "--yes"]);
    until("what is said is searchable", 30, || {
        let found = town.client("harbour", Op::Search)?.read::<Page<ReferralRow>>(
            Op::Search,
            &[],
            &[("stage", "submitted".into())],
        );
        found.ok().map(drop)
    });
    world.stop("harbour", harbour);
    drop(polder);

    // the folder and what lies beside it
    let original = town.path("original");
    support::copy(&town.path("harbour"), &original.join("data"));
    for beside in ["highwater", "erasures"] {
        std::fs::copy(town.path(&format!("harbour.{beside}")), original.join(format!("data.{beside}"))).unwrap();
    }
    let whole = held(&original.join("data")).unwrap();
    assert!(whole.parts.len() > 30 && whole.index.is_some(), "{} parts", whole.parts.len());
    assert_eq!(look(&original.join("data")).unwrap().findings, []);
    // by sort, so that what has many files does not take most of the damage
    let mut all: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut every = files(&original);
    every.sort();
    for path in every.into_iter().filter(|p| p.metadata().unwrap().len() > 0 && !remade(p)) {
        all.entry(sort_of(&relative_to(&original, &path))).or_default().push(path);
    }
    let all: Vec<(String, Vec<PathBuf>)> = all.into_iter().collect();
    let (mut dice, mut counts) = (Dice(seed), Counts::default());
    for n in 0..flips + cuts {
        let (sort, some) = &all[dice.roll(all.len() as u64) as usize];
        let path = &some[dice.roll(some.len() as u64) as usize];
        let relative = path.strip_prefix(&original).unwrap();
        let relative_text = relative_to(&original, path);
        let copy = tempfile::tempdir_in(town.path("")).unwrap();
        support::copy(&original, copy.path());
        let bent = copy.path().join(relative);
        let mut bytes = std::fs::read(&bent).unwrap();
        let at = dice.roll(bytes.len() as u64) as usize;
        let what = match n < flips {
            true => {
                let bit = dice.roll(8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} of {relative_text}")
            }
            false => {
                bytes.truncate(at);
                format!("{relative_text} cut at {at}")
            }
        };
        std::fs::write(&bent, &bytes).unwrap();
        *counts.by.entry(sort.clone()).or_default() += 1;
        let data = copy.path().join("data");
        let looked = catch_unwind(AssertUnwindSafe(|| look(&data)));
        let looked = looked.unwrap_or_else(|_| panic!("{what}: a panic"));
        let findings = match looked {
            Ok(report) => report.findings,
            // an error names its file too
            Err(error) => {
                let mut text = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    text.push_str(&error.to_string());
                    cause = error.source();
                }
                assert!(text.contains(bent.file_name().unwrap().to_str().unwrap()), "{what}: {text}");
                counts.named += 1;
                continue;
            }
        };
        // what the readers hand out is right, or an error
        let read = catch_unwind(AssertUnwindSafe(|| held(&data))).unwrap_or_else(|_| panic!("{what}: a panic"));
        if findings.is_empty() {
            let read = read.unwrap_or_else(|why| panic!("{what}: nothing is named, and yet: {why}"));
            assert_eq!(read.parts, whole.parts, "{what}: SILENT");
            assert!(read.index.is_none() || read.index == whole.index, "{what}: a wrong index is believed");
            counts.derived += 1;
        } else {
            assert!(findings.iter().any(|f| f.file == bent), "{what}: {findings:?}");
            if let Ok(read) = read {
                assert!(
                    read.parts.iter().all(|(name, hash)| {
                        !name.starts_with("evidence") && name != "journal" || whole.parts.get(name) == Some(hash)
                    }),
                    "{what}: named, and handed out all the same"
                );
            }
            counts.named += 1;
        }
    }
    println!(
        "{flips} flipped bits and {cuts} cut files: {} named, {} in what is derived and changed nothing; 0 silent, 0 panics",
        counts.named, counts.derived
    );
    println!("  in {:?}", counts.by);
    assert!(counts.named * 2 > flips + cuts, "too few of them hit what counts");
}

// -- what others hold comes back ---------------------------------------------------------------------------------------

fn flip(path: &Path, at: usize, many: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at..at + many].iter_mut().for_each(|byte| *byte ^= 0x10);
    std::fs::write(path, bytes).unwrap();
}

/// A run that must fail at its start; what it says.
fn refused_start(town: &Town, name: &str) -> String {
    let data = town.text(name);
    let output = support::run(&[
        "--data",
        &data,
        "run",
        "--insecure-no-passphrase",
        "--listen",
        "127.0.0.1:0",
        "--api-listen",
        "127.0.0.1:0",
    ]);
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Looks, then mends; the report.
fn repaired(town: &Town, name: &str, file: &str) -> Value {
    let data = town.text(name);
    let looked = support::run(&["--data", &data, "repair", "--json"]);
    let text = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert_eq!(looked.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&looked.stderr));
    let report: Value = serde_json::from_str(&text).unwrap();
    let named = report["findings"].as_array().unwrap().iter().any(|f| f["file"].as_str().unwrap().contains(file));
    assert!(named && report["repaired"] == false, "{report}");
    let report = run(&["--data", &data, "repair", "--yes"]);
    assert_eq!(report["repaired"], true);
    assert_eq!(run(&["--data", &data, "repair"])["findings"], json!([]), "nothing is left to mend");
    report
}

#[test]
fn a_damaged_journal_is_repaired_and_what_it_lost_comes_back_from_the_other_nodes() {
    // where, in parts of a hundred, and how many bytes of it
    for (victim, place, many) in [("harbour", 40, 1), ("polder", 40, 9_000), ("harbour", 75, 9_000), ("polder", 20, 1)]
    {
        let (world, harbour, polder) = World::new();
        let town = &world.town;
        let (mut threads, mut entries) = (BTreeSet::new(), BTreeSet::new());
        for n in 0..24 {
            let (from, to) = if n % 2 == 0 { ("harbour", "polder") } else { ("polder", "harbour") };
            threads.insert(until("a referral", 30, || world.refer(from, to, None)));
            entries.insert((from, world.publish(from, &format!("slot-{n}"))));
        }
        world.settled();
        let (node, other) = if victim == "harbour" { (harbour, polder) } else { (polder, harbour) };
        world.stop(victim, node);
        let segment = town.path(victim).join("journal/0000000000000001.seg");
        let at = segment.metadata().unwrap().len() as usize * place / 100;
        flip(&segment, at, many);

        let said = refused_start(town, victim);
        assert!(said.contains("0000000000000001.seg") && said.contains("lapwing repair"), "{said}");
        let report = repaired(town, victim, "0000000000000001.seg");
        let lost = report["lost"].as_u64().unwrap();
        assert!(lost > many as u64 / 2_000 && report["records"].as_u64().unwrap() > 20, "{report}");
        assert!(town.path(victim).join("restored").exists());

        let boot = town.address(if victim == "harbour" { "polder" } else { "harbour" });
        let mut node = town.start(victim, &boot);
        world.until_ready();
        threads.insert(until("it goes on", 60, || world.refer("harbour", "polder", None)));
        threads.insert(until("it goes on", 60, || world.refer("polder", "harbour", None)));
        world.settled();
        world.assert_unbroken(&threads);
        until("every entry is back, at both", 60, || {
            for of in ["harbour", "polder"] {
                let (ours, theirs) = (world.log("harbour", of)?, world.log("polder", of)?);
                let all = entries.iter().filter(|(by, _)| *by == of).all(|(_, id)| ours.contains(id));
                (all && ours == theirs).then_some(())?;
            }
            Some(())
        });
        until("it is a copy no longer", 60, || (!town.path(victim).join("restored").exists()).then_some(()));
        println!(
            "{victim}, damaged at {place} %: {lost} records lost, {} set aside, all cases whole again",
            report["aside"]
        );
        // and once more from the disk
        node.kill();
        let _node = town.start(victim, &boot);
        world.until_ready();
        world.assert_unbroken(&threads);
        drop(other);
    }
}

#[test]
fn damaged_evidence_is_named_and_fetched_again_from_the_other_side_whosever_it_is() {
    let (world, harbour, mut polder) = World::new();
    let town = &world.town;
    let content = noise(7, 1_200_000);
    let thread = until("a referral", 30, || world.refer("harbour", "polder", Some(&content)));
    world.settled();
    let blob = world.fetched("polder", &thread);
    let mut harbour = harbour;
    for at in ["polder", "harbour"] {
        let folder = town.path(at).join("blobs");
        let sealed = files(&folder).into_iter().max_by_key(|p| p.metadata().unwrap().len()).unwrap();
        let name = sealed.file_name().unwrap().to_str().unwrap().to_owned();
        // while it runs: no byte of it is handed out as right
        flip(&sealed, 700_000, 1);
        let read = world.evidence(at, &thread, &blob);
        assert!(read.is_err(), "{} bytes at {at}", read.unwrap().len());
        let log = std::fs::read_to_string(town.path(&format!("{at}.log"))).unwrap();
        assert!(log.contains(&name), "{at} names the file");
        let fetch = town.client(at, Op::EvidenceFetch).unwrap();
        let _: Value = fetch.call(Op::EvidenceFetch, &[&thread, &blob], &[], &json!({})).unwrap();
        until("it is fetched again", 60, || {
            world.evidence(at, &thread, &blob).ok().filter(|b| *b == content).map(drop)
        });
        // while it does not run: repair sets it aside, and the node fetches it by itself
        let node = if at == "polder" { &mut polder } else { &mut harbour };
        node.kill();
        flip(&sealed, 5, 1);
        let report = repaired(town, at, &name);
        assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report}");
        *node = town.start(at, &town.address(if at == "polder" { "harbour" } else { "polder" }));
        until("it is fetched by itself", 60, || {
            world.evidence(at, &thread, &blob).ok().filter(|b| *b == content).map(drop)
        });
        // a file that is simply gone
        node.kill();
        std::fs::remove_file(&sealed).unwrap();
        *node = town.start(at, &town.address(if at == "polder" { "harbour" } else { "polder" }));
        until("it is fetched by itself", 60, || {
            world.evidence(at, &thread, &blob).ok().filter(|b| *b == content).map(drop)
        });
        // a cut one
        let bytes = std::fs::read(&sealed).unwrap();
        std::fs::write(&sealed, &bytes[..bytes.len() / 2]).unwrap();
        let refused = world.evidence(at, &thread, &blob).unwrap_err();
        assert!(refused.contains(&name), "{refused}");
        let _: Value = town
            .client(at, Op::EvidenceFetch)
            .unwrap()
            .call(Op::EvidenceFetch, &[&thread, &blob], &[], &json!({}))
            .unwrap();
        until("it is fetched again", 60, || {
            world.evidence(at, &thread, &blob).ok().filter(|b| *b == content).map(drop)
        });
    }
}

#[test]
fn a_damaged_high_water_file_stops_the_node_until_it_is_set_aside_and_then_the_others_tell_its_head() {
    let (world, harbour, _polder) = World::new();
    let town = &world.town;
    let thread = until("a referral", 30, || world.refer("harbour", "polder", None));
    world.settled();
    world.stop("harbour", harbour);
    let path = town.path("harbour.highwater");
    for at in 0..path.metadata().unwrap().len() as usize {
        flip(&path, at, 1);
        let looked = look(&town.path("harbour")).unwrap();
        assert!(looked.findings.iter().any(|f| f.file == path), "byte {at}: {:?}", looked.findings);
        flip(&path, at, 1);
    }
    flip(&path, 20, 1);
    assert!(refused_start(town, "harbour").contains("harbour.highwater"));
    repaired(town, "harbour", "harbour.highwater");
    let _harbour = town.start("harbour", &town.address("polder"));
    world.until_ready();
    let second = until("it goes on", 60, || world.refer("harbour", "polder", None));
    world.settled();
    world.assert_unbroken(&BTreeSet::from([thread, second]));
}
