//! Root keys rotate to the committed set and to no other; officers come and go by root keys in force alone.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::Code;
use lapwing_api::types::MemberDetail;
use support::{Town, json, problem, until};

#[test]
fn a_rotation_takes_power_from_stolen_root_keys() {
    let town = Town::founded(&["harbour", "polder"]);
    let _harbour = town.start("harbour", &[]);
    let _polder = town.start("polder", &town.address("harbour"));
    until("both are connected and may sign", 60, || {
        let ready = |name| town.status(name).filter(|s| s.connected > 0 && s.signing == "ok");
        ready("harbour").and(ready("polder")).map(drop)
    });
    let data = town.text("harbour");
    let key = |name: &str| town.text(&format!("harbour-keys/{name}.key"));
    let rotate = |next: &str, out: &str| {
        let out = town.text(out);
        let args = ["--data", &data, "key", "rotate-roots", "--next-root-key", next, "--keys-out", &out, "--yes"];
        args.iter().map(|a| (*a).to_owned()).chain(["--insecure-no-passphrase".to_owned()]).collect::<Vec<_>>()
    };
    // a thief of the root key in force cannot rotate
    let stolen = rotate(&key("root-1"), "thief");
    let (code, refused) = problem(&stolen.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((code, refused.code), (2, Code::Invalid), "{refused:?}");

    let owner = rotate(&key("next-root-1"), "rotated");
    json(&owner.iter().map(String::as_str).collect::<Vec<_>>());
    // from here on the old root key opens no epoch, the new one does
    let anna = town.text("anna.key");
    json(&["--data", &data, "key", "new-officer", &anna, "--insecure-no-passphrase"]);
    let add = |root: &str| {
        ["--data", &data, "officer", "add", &anna, "--yes", "--root-key", root].map(str::to_owned).to_vec()
    };
    let (_, refused) = problem(&add(&key("root-1")).iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.code, Code::Invalid, "{refused:?}");
    json(&add(&key("next-root-1")).iter().map(String::as_str).collect::<Vec<_>>());
    until("the other founder knows the new epoch", 60, || {
        let detail: MemberDetail = town.client("polder", Op::Member)?.read(Op::Member, &["harbour"], &[]).ok()?;
        (detail.epoch == 1 && detail.trouble.is_none()).then_some(())
    });
    // and what the node publishes in the new epoch is taken
    let file = town.path("contact.toml");
    std::fs::write(&file, support::run(&["contact", "template"]).stdout).unwrap();
    json(&["--data", &data, "contact", "publish", &file.display().to_string()]);
    until("its contact at the other founder", 60, || {
        let detail: MemberDetail = town.client("polder", Op::Member)?.read(Op::Member, &["harbour"], &[]).ok()?;
        (!detail.contacts.is_empty()).then_some(())
    });
}

#[test]
fn a_node_whose_officers_have_changed_since_it_bound_its_key_is_known_by_one_that_never_met_it() {
    let town = Town::founded(&["harbour", "polder"]);
    let _harbour = town.start("harbour", &[]);
    until("harbour has published its node", 60, || town.status("harbour").filter(|s| !s.published.is_empty()));
    let data = town.text("harbour");
    let anna = town.text("anna.key");
    json(&["--data", &data, "key", "new-officer", &anna, "--insecure-no-passphrase"]);
    let root = town.text("harbour-keys/root-1.key");
    json(&["--data", &data, "officer", "add", &anna, "--yes", "--root-key", &root]);
    // the binding stands in the epoch before, which polder has never seen
    let _polder = town.start("polder", &town.address("harbour"));
    until("polder knows whose node it is, and the new epoch", 30, || {
        let detail: MemberDetail = town.client("polder", Op::Member)?.read(Op::Member, &["harbour"], &[]).ok()?;
        (detail.epoch == 1 && detail.sealable).then_some(())
    });
}

#[test]
fn a_leave_that_nobody_heard_of_is_learned_from_the_one_who_left() {
    let town = Town::founded(&["harbour", "polder"]);
    let mut harbour = town.start("harbour", &[]);
    let _polder = town.start("polder", &town.address("harbour"));
    until("each knows the other's node and keys", 60, || {
        let known = |at, of| town.client(at, Op::Member)?.read::<MemberDetail>(Op::Member, &[of], &[]).ok();
        let sealable = |at, of| known(at, of).filter(|detail| detail.sealable);
        sealable("harbour", "polder").and(sealable("polder", "harbour")).map(drop)
    });
    harbour.kill();
    town.of("polder", &["leave", "--root-key", &town.text("polder-keys/root-1.key"), "--yes"]);
    assert_eq!(town.standing("polder", "polder").as_deref(), Some("left"));
    let _harbour = town.start("harbour", &town.address("polder"));
    until("harbour has heard of it", 60, || (town.standing("harbour", "polder")? == "left").then_some(()));
}
