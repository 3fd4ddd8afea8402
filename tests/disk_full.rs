//! A small file system that is filled and freed under load: nothing acknowledged is lost, reads answer, writes get
//! `disk_full`, and the node goes on by itself. Needs a file system of a few MiB of its own, which `.ci/run` mounts (that
//! takes root): `LAPWING_SMALL_DISK=DIR cargo test -p lapwing --test disk_full -- --ignored`.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{Draft, MemberDetail, Page, ReferralDetail, ReferralRow, Said, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::{Stops, Town, until};

fn contact() -> Value {
    json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    })
}

fn refer(town: &Town, from: &str, to: &str) -> Result<String, Problem> {
    let client = town.client(from, Op::Drafts).unwrap();
    let draft: Draft = client.call(Op::Drafts, &[], &[], &json!({}))?;
    let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
    form["evidence"] = Value::Null;
    let said: Said = client.call(Op::Submit, &[&draft.thread], &[], &json!({ "to": to, "form": form }))?;
    Ok(said.thread)
}

fn threads(town: &Town, at: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut query = vec![("limit", "500".to_owned())];
    loop {
        let page: Page<ReferralRow> = town.client(at, Op::Referrals).unwrap().read(Op::Referrals, &[], &query).unwrap();
        all.extend(page.items.into_iter().map(|r| r.thread));
        match page.next {
            Some(next) => query = vec![("limit", "500".into()), ("cursor", next)],
            None => return all,
        }
    }
}

/// Takes all the room there is.
fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [1 << 16, 1 << 12, 1 << 9, 1] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
    path
}

#[test]
#[ignore = "needs a small file system of its own: LAPWING_SMALL_DISK"]
fn a_full_disk_refuses_writes_answers_reads_loses_nothing_and_goes_on_by_itself() {
    let disk = PathBuf::from(std::env::var_os("LAPWING_SMALL_DISK").expect("LAPWING_SMALL_DISK names the file system"));
    let town = Town::founded(&["harbour", "polder"]);
    // the data of one of them lies on the small disk; its high-water file stays beside the link
    let place = disk.join("polder");
    let _ = std::fs::remove_dir_all(&place);
    let _ = std::fs::remove_file(disk.join("ballast"));
    support::copy(&town.path("polder"), &place);
    std::fs::remove_dir_all(town.path("polder")).unwrap();
    std::os::unix::fs::symlink(&place, town.path("polder")).unwrap();
    let small = town.start("polder", &[]);
    let boot = town.address("polder");
    let _harbour = town.start("harbour", &boot);
    for (from, to) in [("harbour", "polder"), ("polder", "harbour")] {
        until("each can be sealed to", 60, || {
            let detail: MemberDetail = town.client(from, Op::Member)?.read(Op::Member, &[to], &[]).ok()?;
            (detail.sealable && town.status(from)?.connected > 0).then_some(())
        });
        let client = town.client(from, Op::ContactPublish).unwrap();
        let _: Value = client.call(Op::ContactPublish, &[], &[], &contact()).unwrap();
    }
    let (stop, acknowledged, refused) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()), AtomicU64::new(0));
    let so_far = || acknowledged.lock().unwrap().clone();
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        for (from, to) in [("polder", "harbour"), ("polder", "harbour"), ("harbour", "polder")] {
            let (town, stop, acknowledged, refused) = (&town, &stop, &acknowledged, &refused);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match refer(town, from, to) {
                        Ok(thread) => drop(acknowledged.lock().unwrap().insert(thread)),
                        Err(problem) => {
                            assert_eq!((problem.code, problem.status), (Code::DiskFull, 507), "{problem:?}");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for round in 0..3 {
            std::thread::sleep(Duration::from_secs(1));
            let before = refused.load(Ordering::Relaxed);
            let ballast = fill(&disk);
            until("writes are refused", 60, || (refused.load(Ordering::Relaxed) > before + 20).then_some(()));
            let status: Status = town.client("polder", Op::Status).unwrap().read(Op::Status, &[], &[]).unwrap();
            assert!(status.todo.iter().any(|t| t.code.contains("disk")), "{:?}", status.todo);
            let known = threads(&town, "polder");
            let some = known.iter().next().expect("reads answer");
            let case: ReferralDetail =
                town.client("polder", Op::Referral).unwrap().read(Op::Referral, &[some], &[]).unwrap();
            assert!(case.form.is_some(), "contents too");
            std::thread::sleep(Duration::from_secs(1));
            std::fs::remove_file(ballast).unwrap();
            let (done, count) = (so_far().len(), refused.load(Ordering::Relaxed));
            until("it goes on by itself", 60, || (so_far().len() > done + 5).then_some(()));
            println!("round {round}: {} refused, {} acknowledged so far", count - before, so_far().len());
        }
    });
    let acknowledged = so_far();
    until("what was acknowledged at either side is at both", 120, || {
        let both = [threads(&town, "harbour"), threads(&town, "polder")];
        both.iter().all(|b| acknowledged.is_subset(b)).then_some(())
    });
    until("every statement is receipted", 60, || {
        (town.status("harbour")?.outbox + town.status("polder")?.outbox == 0).then_some(())
    });
    for thread in &acknowledged {
        let case: ReferralDetail =
            town.client("polder", Op::Referral).unwrap().read(Op::Referral, &[thread], &[]).unwrap();
        assert!(case.form.is_some(), "{thread}");
    }
    // once more from the disk: what is there is whole
    drop(small);
    let _small = town.start("polder", &boot);
    assert!(acknowledged.is_subset(&threads(&town, "polder")));
}
