//! Searching own cases, with real nodes: what lies on the disk, what a kill, a flipped byte and an erasure leave.
//!
//! How many kills: `LAPWING_KILLS` (default 5).

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::Code;
use lapwing_api::types::{Draft, Health, MemberDetail, Page, ReferralRow, Said, Seen};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use support::{Running, Town, files, until};

struct World {
    town: Town,
    boot: Vec<String>,
    _polder: Running,
}

impl World {
    fn new() -> (World, Running) {
        let town = Town::founded(&["harbour", "polder"]);
        let polder = town.start("polder", &[]);
        let boot = town.address("polder");
        let harbour = town.start("harbour", &boot);
        until("harbour knows polder's key", 60, || {
            let detail: MemberDetail = town.client("harbour", Op::Member)?.read(Op::Member, &["polder"], &[]).ok()?;
            (detail.sealable && town.status("harbour")?.connected > 0).then_some(())
        });
        let contact = json!({
            "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
            "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
            "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
        });
        let client = town.client("harbour", Op::ContactPublish).unwrap();
        let _: Value = client.call(Op::ContactPublish, &[], &[], &contact).unwrap();
        (World { town, boot, _polder: polder }, harbour)
    }

    fn refer(&self, word: &str) -> Option<String> {
        let client = self.town.client("harbour", Op::Drafts)?;
        let draft: Draft = client.call(Op::Drafts, &[], &[], &json!({})).ok()?;
        let mut form = serde_json::to_value(lapwing_record::form::sample()).unwrap();
        form["subject_line"] = json!(format!("Of {word}subject"));
        form["narrative"] = json!(format!("Mails about {word}narrative, forty within a week."));
        form["parties"][0]["names"] = json!([format!("{word}name Office")]);
        form["parties"][0]["identifiers"] = json!([{ "kind": "domain", "value": format!("{word}host.example") }]);
        let submit = json!({ "to": "polder", "form": form });
        let said: Said = client.call(Op::Submit, &[&draft.thread], &[], &submit).ok()?;
        Some(said.thread)
    }

    /// The threads that a search finds; none where it was refused as not ready.
    fn find(&self, at: &str, filter: (&str, &str)) -> Option<Vec<String>> {
        let client = self.town.client(at, Op::Search).unwrap();
        match client.read::<Page<ReferralRow>>(Op::Search, &[], &[(filter.0, filter.1.to_owned())]) {
            Ok(page) => Some(page.items.into_iter().map(|r| r.thread).collect()),
            Err(problem) => {
                assert_eq!(problem.code, Code::SearchNotReady, "{problem:?}");
                None
            }
        }
    }

    fn finds(&self, at: &str, filter: (&str, &str)) -> Vec<String> {
        until("the search answers", 60, || self.find(at, filter))
    }

    fn folder(&self) -> PathBuf {
        self.town.path("harbour")
    }

    fn restart(&self) -> Running {
        self.town.start("harbour", &self.boot)
    }
}

/// Files below a folder that hold a text, whatever its case.
fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default().to_ascii_lowercase();
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    };
    files(dir).into_iter().filter(holds).collect()
}

#[test]
fn nothing_that_is_searched_for_lies_on_the_disk_in_the_clear_running_or_stopped() {
    let (world, mut harbour) = World::new();
    let thread = world.refer("marker").unwrap();
    for filter in [("text", "markernarrative"), ("text", "markername"), ("domain", "markerhost.example")] {
        assert_eq!(world.finds("harbour", filter), [thread.as_str()], "{filter:?}");
    }
    world.town.of("harbour", &["search", "save", "markersearch", "--domain", "markerhost.example"]);
    world.town.of("harbour", &["search", "run", "markersearch"]);
    let clear = || {
        for at in ["harbour", "polder"] {
            assert_eq!(holding(&world.town.path(at), "marker"), [] as [PathBuf; 0]);
        }
    };
    assert!(files(&world.folder().join("search")).len() > 3, "there is an index to look at");
    clear();
    world.town.of("harbour", &["stop"]);
    harbour.wait(std::time::Duration::from_secs(30)).unwrap();
    clear();
    let _harbour = world.restart();
    assert_eq!(world.finds("harbour", ("domain", "markerhost.example")), [thread.as_str()]);
    let seen = world.town.of("harbour", &["seen", "x.markerhost.example", "never.example"]);
    let seen: Seen = serde_json::from_value(seen).unwrap();
    assert_eq!(seen.items.iter().map(|a| a.seen).collect::<Vec<_>>(), [true, false]);
    assert_eq!(seen.items[0].cases[0].identifiers[0].relation, "above");
    let saved = world.town.of("harbour", &["search", "saved"]);
    assert_eq!((&saved["items"][0]["name"], &saved["items"][0]["found"]), (&json!("markersearch"), &json!(1)));
}

#[test]
fn a_node_that_is_killed_finds_everything_that_it_acknowledged() {
    let (world, mut harbour) = World::new();
    let kills = std::env::var("LAPWING_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let mut known = Vec::new();
    for round in 0..kills {
        for n in 0..=round {
            known.push((
                format!("round{round}x{n}"),
                until("a referral", 60, || world.refer(&format!("round{round}x{n}"))),
            ));
            // some are found, and so in the index, some are not yet
            if n % 3 == 1 {
                world.find("harbour", ("text", "round0x0narrative"));
            }
        }
        harbour.kill();
        harbour = world.restart();
        for (word, thread) in &known {
            assert_eq!(world.finds("harbour", ("text", &format!("{word}narrative"))), [thread.as_str()]);
            assert_eq!(world.finds("harbour", ("domain", &format!("{word}host.example"))), [thread.as_str()]);
        }
        until("the referrals can be sent", 60, || (world.town.status("harbour")?.connected > 0).then_some(()));
    }
}

#[test]
fn an_index_that_was_changed_lost_or_taken_from_elsewhere_is_made_anew_and_says_so_in_the_log_alone() {
    let (world, mut harbour) = World::new();
    let threads: Vec<String> = ["first", "second"].map(|word| world.refer(word).unwrap()).into();
    assert_eq!(world.finds("harbour", ("text", "firstnarrative")), [threads[0].as_str()]);
    let search = world.folder().join("search");
    type Harm<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let flip = |ending: &'static str| {
        let search = search.clone();
        move || {
            for path in files(&search).into_iter().filter(|p| p.to_string_lossy().ends_with(ending)) {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                std::fs::write(path, bytes).unwrap();
            }
        }
    };
    let harms: Vec<Harm<'_>> = vec![
        ("a flipped byte in the list of segments", Box::new(flip("meta.json"))),
        ("flipped bytes in every dictionary", Box::new(flip(".term"))),
        ("flipped bytes in every list of cases", Box::new(flip(".idx"))),
        ("the folder is gone", Box::new(|| std::fs::remove_dir_all(&search).unwrap())),
        (
            "it is another node's",
            Box::new(|| {
                std::fs::remove_dir_all(&search).unwrap();
                support::copy(&world.town.path("polder").join("search"), &search);
            }),
        ),
    ];
    for (what, harm) in harms {
        world.town.of("harbour", &["stop"]);
        harbour.wait(std::time::Duration::from_secs(30)).unwrap();
        harm();
        harbour = world.restart();
        for (word, thread) in ["first", "second"].iter().zip(&threads) {
            assert_eq!(world.finds("harbour", ("text", &format!("{word}subject"))), [thread.as_str()], "{what}");
        }
        let health: Health = world.town.client("harbour", Op::Health).unwrap().read(Op::Health, &[], &[]).unwrap();
        assert!(!health.items.iter().any(|i| i.code.starts_with("search_")), "{what}: {health:?}");
    }
}

#[test]
fn an_erased_case_is_in_no_file_of_the_index_and_stays_out_after_a_kill() {
    let (world, mut harbour) = World::new();
    let erased = world.refer("erased").unwrap();
    let kept = world.refer("kept").unwrap();
    assert_eq!(world.finds("harbour", ("text", "erasednarrative")), [erased.as_str()]);
    let dictionaries = || -> Vec<PathBuf> {
        let all = files(&world.folder().join("search"));
        all.into_iter().filter(|p| p.extension().is_some_and(|e| e == "term")).collect()
    };
    let before = dictionaries();
    world.town.of("harbour", &["case", "erase", &erased, "--yes"]);
    assert!(dictionaries().iter().all(|now| !before.contains(now)), "written anew when the erasure is answered");
    harbour.kill();
    let _harbour = world.restart();
    assert_eq!(world.finds("harbour", ("text", "erasednarrative")), [] as [&str; 0]);
    assert_eq!(world.finds("harbour", ("domain", "erasedhost.example")), [] as [&str; 0]);
    assert_eq!(world.finds("harbour", ("text", "keptnarrative")), [kept.as_str()]);
}
