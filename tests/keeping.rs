//! What an administrator and a data-protection officer rely on: backups that restore as a point in time and never fork,
//! erasure that leaves no byte, an audit trail that cannot be edited unseen.
//!
//! How often: `LAPWING_BACKUPS` and `LAPWING_RESTORES` (default 5 each).

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::types::{
    AuditRow, ContactRow, Draft, EvidenceView, MemberDetail, Page, ReferralDetail, ReferralRow, Said,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Running, Stops, Town, files, json as run, problem, until};

fn rounds(variable: &str) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

fn contact(slot: &str) -> Value {
    json!({
        "slot": slot, "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    })
}

/// Two founders that exchange referrals.
struct World {
    town: Town,
    boot: Vec<String>,
    polder: Running,
}

impl World {
    fn new() -> (World, Running) {
        let town = Town::founded(&["harbour", "polder"]);
        let polder = town.start("polder", &[]);
        let boot = town.address("polder");
        let harbour = town.start("harbour", &boot);
        let world = World { town, boot, polder };
        world.until_sealable();
        let client = world.town.client("harbour", Op::ContactPublish).unwrap();
        let _: Value = client.call(Op::ContactPublish, &[], &[], &contact("intake")).unwrap();
        (world, harbour)
    }

    fn until_sealable(&self) {
        until("harbour knows polder's key and is connected", 60, || {
            let detail: MemberDetail =
                self.town.client("harbour", Op::Member)?.read(Op::Member, &["polder"], &[]).ok()?;
            (detail.sealable && self.town.status("harbour")?.connected > 0).then_some(())
        });
    }

    /// A referral from harbour to polder, acknowledged by the API; none where the node is not ready for it.
    fn refer(&self, evidence: Option<&[u8]>) -> Option<String> {
        let client = self.town.client("harbour", Op::Drafts)?;
        let draft: Draft = client.call(Op::Drafts, &[], &[], &json!({})).ok()?;
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["evidence"] = Value::Null;
        if let Some(bytes) = evidence {
            let sum: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            let query = [("name", "dump.txt".to_owned()), ("media_type", "text/plain".into()), ("sha256", sum)];
            let len = bytes.len() as u64;
            let item: EvidenceView = client.upload(Op::EvidencePut, &[&draft.thread], &query, bytes, len).ok()?;
            form["evidence"] = json!([{
                "name": item.name, "media_type": item.media_type, "size": item.size, "blake3": base32(&item.blake3),
                "sha256": base32(&item.sha256), "method": "seized", "original": true,
            }]);
        }
        let submit = json!({ "to": "polder", "form": form });
        let said: Said = client.call(Op::Submit, &[&draft.thread], &[], &submit).ok()?;
        Some(said.thread)
    }

    fn case(&self, at: &str, thread: &str) -> Option<ReferralDetail> {
        self.town.client(at, Op::Referral)?.read(Op::Referral, &[thread], &[]).ok()
    }

    fn threads(&self, at: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut query = vec![("limit", "500".to_owned())];
        loop {
            let client = self.town.client(at, Op::Referrals).unwrap();
            let page: Page<ReferralRow> = client.read(Op::Referrals, &[], &query).unwrap();
            all.extend(page.items.into_iter().map(|r| r.thread));
            match page.next {
                Some(next) => query = vec![("limit", "500".into()), ("cursor", next)],
                None => return all,
            }
        }
    }

    fn backup(&self, to: &str) -> Vec<String> {
        let out = self.town.text(to);
        let made = self.town.of("harbour", &["backup", "make", "--out", &out]);
        made.as_array().unwrap().iter().map(|b| b["file"].as_str().unwrap().to_owned()).collect()
    }

    fn restore(&self, data: &str, backups: &[String]) -> Value {
        let (data, key) = (self.town.text(data), self.town.text("harbour-keys/backup.key"));
        let mut args = vec!["--data", data.as_str(), "restore", "--key", key.as_str()];
        args.extend(backups.iter().map(String::as_str));
        run(&args)
    }

    fn key(&self) -> String {
        self.town.text("harbour-keys/backup.key")
    }

    /// Both sides hold the same statements of every case that harbour knows, and nobody's log is contested.
    fn assert_unbroken(&self, threads: &BTreeSet<String>) {
        for thread in threads {
            let ids = |at: &str| -> Option<Vec<String>> {
                let mut ids: Vec<String> = self.case(at, thread)?.timeline.into_iter().map(|s| s.id).collect();
                ids.sort();
                Some(ids)
            };
            until(&format!("the case {thread} is the same at both"), 60, || {
                ids("harbour").filter(|h| Some(h) == ids("polder").as_ref()).map(|_| ())
            });
        }
        for at in ["harbour", "polder"] {
            for of in ["harbour", "polder"] {
                assert_eq!(self.town.standing(at, of).as_deref(), Some("participant"), "{of} at {at}");
            }
            let contested = self.town.status(at).unwrap().todo.iter().any(|t| t.code.contains("contested"));
            assert!(!contested, "{at} sees a contested log");
        }
    }
}

fn base32(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    lapwing_record::id::base32(&bytes)
}

#[test]
fn backups_made_under_load_open_and_restore_as_a_point_in_time() {
    let (mut world, mut harbour) = World::new();
    let (stop, acknowledged) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    let mut copies = Vec::new();
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        scope.spawn(|| {
            let mut n = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let bytes = format!("evidence {n} ").repeat(2000);
                if let Some(thread) = world.refer(n.is_multiple_of(3).then_some(bytes.as_bytes())) {
                    acknowledged.lock().unwrap().insert(thread);
                }
                // a steady load, not the most there can be: what is restored a hundred times should stay small
                std::thread::sleep(Duration::from_millis(25));
            }
        });
        for round in 0..rounds("LAPWING_BACKUPS") {
            std::thread::sleep(Duration::from_millis(200));
            let before = acknowledged.lock().unwrap().len() as u64;
            let backups = world.backup(&format!("backups-{round}"));
            let after = acknowledged.lock().unwrap().len() as u64;
            let mut verify = vec!["backup", "verify", "--key"];
            let key = world.key();
            verify.push(&key);
            verify.extend(backups.iter().map(String::as_str));
            let verified = run(&verify);
            let restores = &verified.as_array().unwrap().last().unwrap()["restores"];
            let cases = restores["cases"].as_u64().unwrap();
            // one may be durable and not yet acknowledged
            assert!((before..=after + 1).contains(&cases), "{cases} cases, {before} to {after} acknowledged");
            let data = format!("restored-{round}");
            let restored = world.restore(&data, &backups);
            assert_eq!((&restored["cases"], &restored["keyring"]), (&json!(cases), &json!(true)));
            copies.push((data, cases, acknowledged.lock().unwrap().clone()));
        }
    });
    // each reads on its own and knows that it is a copy; the others are stopped, for a twin must never meet them
    harbour.kill();
    world.polder.kill();
    for (data, cases, known) in copies {
        let mut alone = world.town.start(&data, &[]);
        let status = world.town.status(&data).unwrap();
        assert!(status.signing.contains("restored"), "{}", status.signing);
        let here = world.threads(&data);
        assert_eq!(here.len() as u64, cases);
        for thread in here.intersection(&known) {
            let case = world.case(&data, thread).unwrap();
            assert!(case.form.is_some(), "the content of {thread} opens");
        }
        alone.kill();
    }
    let all = acknowledged.into_inner().unwrap();
    assert!(all.len() > rounds("LAPWING_BACKUPS"), "only {} referrals were made meanwhile", all.len());
    println!("{} referrals under {} backups", all.len(), rounds("LAPWING_BACKUPS"));
}

#[test]
fn a_stale_backup_restored_never_forks_a_log_and_breaks_no_case() {
    let (world, mut harbour) = World::new();
    for round in 0..rounds("LAPWING_RESTORES") {
        let first = until("a referral", 30, || world.refer(None));
        let backups = world.backup(&format!("stale-{round}"));
        // said after the backup: entries, statements in old and new cases
        let client = world.town.client("harbour", Op::ContactPublish).unwrap();
        let _: Value = client.call(Op::ContactPublish, &[], &[], &contact(&format!("later-{round}"))).unwrap();
        let second = until("another", 30, || world.refer(None));
        until("polder has both", 60, || world.case("polder", &first).and(world.case("polder", &second)).map(|_| ()));
        until("everything is receipted", 60, || {
            world.town.status("harbour").filter(|s| s.outbox == 0 && s.connected > 0).map(|_| ())
        });
        let slot = format!("later-{round}");
        until("polder has the entry", 60, || has_slot(&world, "polder", &slot));
        harbour.kill();
        let lost = world.town.path(&format!("lost-{round}"));
        std::fs::rename(world.town.path("harbour"), lost).unwrap();
        // on the same machine, and on another, where no high-water file tells
        if round % 2 == 1 {
            std::fs::remove_file(world.town.path("harbour.highwater")).unwrap();
        }
        world.restore("harbour", &backups);
        harbour = world.town.start("harbour", &world.boot);
        until("its own head is back", 90, || world.town.status("harbour").filter(|s| s.signing == "ok").map(|_| ()));
        until("its own entry is back", 30, || has_slot(&world, "harbour", &slot));
        world.until_sealable();
        // it goes on where it had been
        let third = until("a third", 60, || world.refer(None));
        until("polder has it", 60, || world.case("polder", &third).map(|_| ()));
        world.assert_unbroken(&BTreeSet::from([first, second, third]));
        let mark = world.town.path("harbour").join("restored");
        until("it is a copy no longer", 60, || (!mark.exists()).then_some(()));
    }
    let threads = world.threads("harbour");
    assert_eq!(threads.len(), 3 * rounds("LAPWING_RESTORES"));
    world.assert_unbroken(&threads);
    drop(world.polder);
}

fn has_slot(world: &World, at: &str, slot: &str) -> Option<()> {
    let query = [("name", "harbour".to_owned()), ("limit", "500".into())];
    let page: Page<ContactRow> = world.town.client(at, Op::Contacts)?.read(Op::Contacts, &[], &query).ok()?;
    page.items.iter().any(|c| c.contact.slot == slot).then_some(())
}

/// Whether any of `needles` stands in a file.
fn holds(path: &Path, needles: &[Vec<u8>]) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    needles.iter().any(|needle| bytes.windows(needle.len()).any(|w| w == needle))
}

fn case_key(data: &Path, thread: &str) -> Option<Vec<u8>> {
    use lapwing_node::keys::{KeyKind, read_key};
    let at_rest = read_key(&data.join("keys/at-rest.key"), KeyKind::AtRest, None).unwrap();
    let master = blake3::derive_key("lapwing/1 keyring", &*at_rest);
    let disk = std::sync::Arc::new(lapwing_store::disk::os::OsDisk);
    let keyring = lapwing_store::keyring::Keyring::open(disk, &data.join("keyring"), master).unwrap();
    let thread: lapwing_record::id::ThreadId = thread.parse().unwrap();
    Some(keyring.get(&lapwing_node::vault::Vault::case_name(&thread))?.as_bytes().to_vec())
}

#[test]
fn erasing_a_case_of_50_mb_leaves_no_byte_of_it_and_every_receipt_holds() {
    let (world, mut harbour) = World::new();
    let town = &world.town;
    // a line that is found wherever a piece of the plaintext lies, 50 MB of it
    let marker = b"ERASE-ME-7c1f9ab2 paid to the account of the courier\n".to_vec();
    let evidence = marker.repeat(50_000_000 / marker.len());
    let thread = until("the referral", 60, || world.refer(Some(&evidence)));
    let other = until("another", 60, || world.refer(Some(b"stays")));
    until("both are receipted", 60, || town.status("harbour").filter(|s| s.outbox == 0).map(|_| ()));
    until("polder has it", 60, || world.case("polder", &thread).map(|_| ()));
    let old = world.backup("old");

    // a legal hold wins
    town.of("harbour", &["case", "hold", &thread]);
    let data = town.text("harbour");
    let (exit, refused) = problem(&["--data", &data, "case", "erase", &thread, "--yes"]);
    assert_eq!((exit, refused.code.as_str()), (2, "conflict"));
    assert!(refused.detail.contains("legal hold"), "{}", refused.detail);
    town.of("harbour", &["case", "hold", &thread, "--end"]);

    harbour.kill();
    let key = case_key(&town.path("harbour"), &thread).unwrap();
    let bundle = |at: &str, name: &str| town.of(at, &["case", "export", &thread, "-o", &town.text(name)]);
    harbour = town.start("harbour", &world.boot);
    bundle("harbour", "before.bundle");
    town.of("harbour", &["case", "erase", &thread, "--yes"]);
    let erased = world.case("harbour", &thread).unwrap();
    assert!(erased.row.erased.is_some() && erased.form.is_none());
    assert!(erased.timeline.iter().all(|s| s.delivery == "stored" && s.stored.is_some()), "receipts stay");
    let (_, gone) = problem(&["--data", &data, "case", "export", &thread, "-o", &town.text("after.bundle")]);
    assert_eq!(gone.code.as_str(), "content_gone");

    // while it runs and after it has stopped: data folder, log, files beside it
    let subject = lapwing_record::form::sample().subject_line.unwrap().into_bytes();
    let needles = [marker.clone(), key.clone(), subject];
    let looked = |what: &str| {
        let beside = ["harbour.log", "harbour.highwater", "harbour.erasures"].map(|f| town.path(f));
        let mut all = files(&town.path("harbour"));
        all.extend(beside.into_iter().filter(|p| p.exists()));
        let found: Vec<_> = all.iter().filter(|p| holds(p, &needles)).collect();
        assert!(found.is_empty(), "{what}: plaintext or key in {found:?}");
        let large: Vec<_> = all.iter().filter(|p| p.metadata().unwrap().len() > 40_000_000).collect();
        assert!(large.is_empty(), "{what}: sealed evidence is still there: {large:?}");
    };
    looked("running");
    harbour.kill();
    looked("stopped");
    assert_eq!(case_key(&town.path("harbour"), &thread), None);
    harbour = town.start("harbour", &world.boot);
    assert!(world.case("harbour", &thread).unwrap().row.erased.is_some());
    assert!(world.case("harbour", &other).unwrap().form.is_some(), "the other case stays");

    // what was exported before, and what the other side has, verify as ever
    run(&["verify", &town.text("before.bundle")]);
    bundle("polder", "polder.bundle");
    run(&["verify", &town.text("polder.bundle")]);

    // an old backup restored erases it again: in the same place by the list beside it, elsewhere by the list given
    harbour.kill();
    std::fs::rename(town.path("harbour"), town.path("lost")).unwrap();
    let again = world.restore("harbour", &old);
    assert!(again["erased_again"].as_u64().unwrap() >= 1, "{again}");
    let harbour = town.start("harbour", &world.boot);
    until("erased again", 30, || world.case("harbour", &thread).filter(|c| c.row.erased.is_some()).map(|_| ()));
    assert!(world.case("harbour", &thread).unwrap().form.is_none());
    until("its own head is back", 90, || town.status("harbour").filter(|s| s.signing == "ok").map(|_| ()));
    assert!(world.case("harbour", &thread).unwrap().form.is_none(), "nor does the other side bring it back");
    until("the evidence of the old copy is removed", 30, || {
        let blobs = files(&town.path("harbour/blobs"));
        blobs.iter().all(|p| p.metadata().unwrap().len() < 40_000_000).then_some(())
    });
    let list = town.text("harbour.erasures");
    let (elsewhere, key) = (town.text("elsewhere"), world.key());
    let mut args = vec!["--data", &elsewhere, "restore", "--key", &key, "--erasures", &list];
    args.extend(old.iter().map(String::as_str));
    assert!(run(&args)["erased_again"].as_u64().unwrap() >= 1);
    assert_eq!(case_key(&town.path("elsewhere"), &thread), None);

    // who did it stands in the trail
    let rows = audit(town, "harbour");
    let of = |act: &str, outcome: &str| rows.iter().any(|r| r.act == act && r.outcome == outcome && r.on == thread);
    assert!(of("erase again", "done"), "{rows:?}");
    drop(harbour);
}

fn audit(town: &Town, at: &str) -> Vec<AuditRow> {
    let list = town.of(at, &["audit", "list"]);
    serde_json::from_value(list["items"].clone()).unwrap()
}

#[test]
fn a_backup_that_is_flipped_cut_expired_or_another_nodes_is_refused_and_changes_nothing() {
    let (world, _harbour) = World::new();
    let town = &world.town;
    until("a referral", 30, || world.refer(Some(b"evidence")));
    let backups = world.backup("good");
    let [data, keyring] = [&backups[0], &backups[1]];
    let target = town.text("target");
    let key = world.key();
    let refused = |files: &[&str], says: &str| {
        let mut args = vec!["--data", target.as_str(), "restore", "--key", key.as_str()];
        args.extend(files);
        let (_, problem) = problem(&args);
        assert!(problem.detail.contains(says), "{}", problem.detail);
        assert!(problem.hint.is_some());
        assert!(!Path::new(&target).exists() && !town.path("target.restoring").exists());
    };
    let bytes = std::fs::read(data).unwrap();
    let bent = town.text("bent");
    for at in [3, 60, 700, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(&bent, flipped).unwrap();
        refused(&[&bent, keyring], "");
        let (_, named) = problem(&["backup", "verify", &bent]);
        assert!(!named.detail.is_empty());
    }
    for end in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&bent, &bytes[..end]).unwrap();
        refused(&[&bent, keyring], "");
    }
    refused(&[keyring], "none of the data");
    refused(&[data, data, keyring], "two of one kind");
    refused(&[data], "keyring");
    // made before the data: its keys may lack some
    let newer = world.backup("newer");
    refused(&[&newer[0], keyring], "older");
    // the other founder's
    let theirs = town.text("theirs");
    let made = town.of("polder", &["backup", "make", "--out", &theirs]);
    let of = |part: usize| made[part]["file"].as_str().unwrap().to_owned();
    refused(&[data, &of(1)], "different nodes");
    refused(&[&of(0), &of(1)], "another backup key");
    // a place that is taken, and one whose leavings are another participant's
    let polder_key = town.text("polder-keys/backup.key");
    let taken = town.text("polder");
    let (_, at) = problem(&["--data", &taken, "restore", "--key", &key, data, keyring]);
    assert_eq!(at.code.as_str(), "conflict");
    std::fs::copy(town.path("polder.highwater"), town.path("target.highwater")).unwrap();
    refused(&[data, keyring], "another participant");
    std::fs::remove_file(town.path("target.highwater")).unwrap();
    let args = ["--data", &target, "restore", "--key", &polder_key, &of(0), &of(1)];
    assert_eq!(run(&args)["short_name"], "polder");
}

#[test]
fn every_change_and_every_refusal_stands_in_a_trail_that_shows_any_edit() {
    let (world, harbour) = World::new();
    let town = &world.town;
    let thread = until("a referral", 30, || world.refer(Some(b"evidence of something")));
    until("polder has it", 30, || world.case("polder", &thread).map(|_| ()));
    town.of("harbour", &["token", "new", "desk", "--role", "analyst", "-o", &town.text("desk.token")]);
    let data = town.text("harbour");
    let desk = town.text("desk.token");
    let (_, forbidden) = problem(&["--data", &data, "--token-file", &desk, "case", "hold", &thread]);
    assert_eq!(forbidden.code.as_str(), "forbidden");
    std::fs::write(town.path("wrong.token"), "lw-wrong").unwrap();
    problem(&["--data", &data, "--token-file", &town.text("wrong.token"), "status"]);
    town.of("harbour", &["case", "export", &thread, "-o", &town.text("x.bundle")]);
    town.of("harbour", &["case", "hold", &thread]);

    let rows = until("what is noted without waiting is there", 30, || {
        let rows = audit(town, "harbour");
        rows.iter().any(|r| r.outcome == "unauthenticated").then_some(rows)
    });
    let find = |who: &str, act: &str, outcome: &str| {
        rows.iter().find(|r| r.who == who && r.act == act && r.outcome == outcome)
    };
    for (who, act, outcome) in [
        ("local-officer", "Submit", "done"),
        ("local-officer", "EvidencePut", "done"),
        ("local-officer", "ContactPublish", "done"),
        ("local-officer", "Export", "done"),
        ("local-officer", "CaseHold", "done"),
        ("local-admin", "TokenNew", "done"),
        ("desk", "CaseHold", "forbidden"),
        ("", "Status", "unauthenticated"),
        ("node", "sign contact", "done"),
    ] {
        assert!(find(who, act, outcome).is_some(), "{who} {act} {outcome}: {rows:#?}");
    }
    assert!(find("local-officer", "CaseHold", "done").unwrap().on.contains(&thread));
    let at_polder = audit(town, "polder");
    assert!(at_polder.iter().any(|r| r.role == "peer" && r.act == "say submit" && r.on == thread), "{at_polder:?}");
    // no content
    let text = serde_json::to_string(&rows).unwrap();
    assert!(
        !text.contains("evidence of something")
            && !text.contains(&lapwing_record::form::sample().subject_line.unwrap())
    );

    // whole; each edit is named
    town.of("harbour", &["audit", "verify"]);
    let lines: Vec<String> = rows.iter().map(|r| serde_json::to_string(r).unwrap()).collect();
    let copy = town.text("trail.jsonl");
    let verify = |lines: &[String]| {
        std::fs::write(&copy, lines.join("\n")).unwrap();
    };
    verify(&lines);
    run(&["audit", "verify", &copy]);
    let mut edited = lines.clone();
    edited[3] = edited[3].replace("\"outcome\":\"done\"", "\"outcome\":\"forbidden\"");
    verify(&edited);
    assert!(problem(&["audit", "verify", &copy]).1.detail.contains("row 4") || edited[3] == lines[3]);
    let mut without = lines.clone();
    without.remove(5);
    verify(&without);
    assert!(problem(&["audit", "verify", &copy]).1.detail.contains("row 7 stands where row 6 is due"));
    // cut off at the end: only a head that was signed or noted tells
    verify(&lines[..lines.len() - 2]);
    run(&["audit", "verify", &copy]);
    let head = rows.last().unwrap().hash.clone();
    assert!(problem(&["audit", "verify", &copy, "--head", &head]).1.detail.contains("hash of none"));
    // and the head that harbour signed in a checkpoint, as polder holds it, is in the trail
    let log: Page<lapwing_api::types::LogRow> =
        town.client("polder", Op::Log).unwrap().read(Op::Log, &["harbour"], &[("limit", "500".into())]).unwrap();
    let signed = log.items.into_iter().filter_map(|l| l.audit).next_back();
    if let Some(signed) = signed {
        verify(&lines);
        run(&["audit", "verify", &copy, "--head", &signed]);
    }
    // it outlasts the process
    drop(harbour);
    let _harbour = town.start("harbour", &world.boot);
    town.of("harbour", &["audit", "verify"]);
    assert!(audit(town, "harbour").len() >= rows.len());
}

#[test]
fn a_flood_of_refused_requests_does_not_fill_the_disk() {
    let (world, _harbour) = World::new();
    let address = std::fs::read_to_string(world.town.path("harbour/run/api.address")).unwrap();
    let client = lapwing_api::client::Client::new(address.trim(), "lw-wrong");
    let before = audit(&world.town, "harbour").len();
    for _ in 0..600 {
        assert!(client.read::<Value>(Op::Status, &[], &[]).is_err());
    }
    let rows = audit(&world.town, "harbour");
    assert!(rows.len() - before < 400, "{} rows for 600 refusals", rows.len() - before);
    let mut sum = 0;
    for row in rows.iter().filter(|r| r.act == "refusals not listed singly") {
        sum += row.on.parse::<usize>().unwrap();
    }
    println!("{} rows, {sum} counted", rows.len() - before);
}
