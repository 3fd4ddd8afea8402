//! docs/install.md, typed as it stands: from two clean hosts to the first receipt, with the time it took.
//!
//! `LAPWING_BIN` names the program to run it with, such as the one of an unpacked package; else it is the built one.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{LAPWING, fill_in, free_port};

const GUIDE: &str = include_str!("../docs/install.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// From the first `init` to the receipt, at most: what the guide is for.
const LIMIT: Duration = Duration::from_secs(600);
const AGENCIES: [&str; 2] = ["Harbour", "Savanna"];

/// A block of the page: at whom, and what is typed.
struct Block {
    at: Vec<String>,
    script: String,
}

/// The blocks marked `sh`. Every one says where it is typed.
fn blocks() -> Vec<Block> {
    let parts = GUIDE.split("\n```sh\n").skip(1);
    let read = |part: &str| {
        let (script, _) = part.split_once("\n```").unwrap();
        let first = script.lines().next().unwrap();
        let place = first.strip_prefix("# ").unwrap_or_else(|| panic!("`{first}` does not say where it is typed"));
        let at: Vec<String> = match place.strip_prefix("from Harbour to ") {
            Some(_) => vec!["Harbour".into()],
            None => place.trim_end_matches(", root").split(" and ").map(str::to_owned).collect(),
        };
        assert!(at.iter().all(|a| AGENCIES.contains(&a.as_str())), "`{first}`: nobody's host");
        Block { at, script: script.to_owned() }
    };
    parts.map(read).collect()
}

/// A host of the guide, as folders and ports of this machine.
struct Host {
    root: PathBuf,
    p2p: u16,
    api: u16,
}

impl Host {
    fn new(root: PathBuf) -> Host {
        for dir in ["var/lib/lapwing", "etc/lapwing", "var/backups/lapwing"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        Host { root, p2p: free_port(), api: free_port() }
    }
}

struct Trial {
    dir: tempfile::TempDir,
    hosts: Vec<Host>,
    /// What is typed first in each shell of the node's user.
    first: Vec<String>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        for host in &self.hosts {
            let Ok(pid) = std::fs::read_to_string(host.root.join("var/lib/lapwing/node.pid")) else { continue };
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

impl Trial {
    fn new() -> Trial {
        let dir = tempfile::tempdir().unwrap();
        let hosts = AGENCIES.iter().map(|name| Host::new(dir.path().join(name))).collect();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let program = std::env::var("LAPWING_BIN").unwrap_or_else(|_| LAPWING.into());
        let program = std::fs::canonicalize(&program).unwrap_or_else(|e| panic!("LAPWING_BIN: {program}: {e}"));
        println!("the program: {}", program.display());
        std::os::unix::fs::symlink(program, bin.join("lapwing")).unwrap();
        // this very test program stands for the reader's editor
        let me = std::env::current_exe().unwrap();
        let editor =
            format!("#!/bin/sh\nGUIDE_FILL_IN=\"$1\" exec '{}' --exact fill_in_from_outside --ignored\n", me.display());
        std::fs::write(bin.join("editor"), editor).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join("editor"), mode).unwrap();
        std::fs::create_dir(dir.path().join("heard")).unwrap();
        Trial { dir, hosts, first: vec![String::new(); AGENCIES.len()] }
    }

    /// Puts this machine's folders, addresses and ports where the page says a host's.
    fn on(&self, host: &Host, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, other) in AGENCIES.iter().zip(&self.hosts) {
            let dns = format!("/dns4/lapwing.{}.example/tcp/7420", name.to_lowercase());
            text = text.replace(&dns, &format!("/ip4/127.0.0.1/tcp/{}", other.p2p));
        }
        for path in ["/var/lib/lapwing", "/etc/lapwing", "/var/backups/lapwing"] {
            text = text.replace(path, &format!("{}{path}", host.root.display()));
        }
        text.replace("0.0.0.0:7420", &format!("127.0.0.1:{}", host.p2p)).replace("7421", &host.api.to_string())
    }

    fn shell(&self, at: usize, script: &str) -> Output {
        let host = &self.hosts[at];
        let units = host.root.join("units");
        std::fs::create_dir_all(&units).unwrap();
        for unit in ["lapwing.service", "lapwing-backup.service", "lapwing-backup.timer"] {
            let text = std::fs::read_to_string(Path::new(ROOT).join("deploy/systemd").join(unit)).unwrap();
            std::fs::write(units.join(unit), self.on(host, &text)).unwrap();
        }
        let dir = self.dir.path();
        let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
        let helpers = Path::new(ROOT).join("tests/guide/lapwing.sh");
        let whole = format!(". '{}'\n{}\n{script}\n", helpers.display(), self.first[at]);
        let mut command = Command::new("bash");
        command.args(["-c", &whole]).current_dir(host.root.join("var/lib/lapwing")).stdin(Stdio::null());
        command
            .env("PATH", path)
            .env("UNITS", units)
            .env("HELD", dir.join("heard"))
            .env("FILL_IN", dir.join("bin/editor"));
        for (name, host) in AGENCIES.iter().zip(&self.hosts) {
            command.env(name.to_uppercase(), &host.root);
        }
        command.env_remove("LAPWING_DATA").env_remove("CREDENTIALS_DIRECTORY").output().unwrap()
    }

    /// Types a block at a host; what it printed.
    fn type_at(&self, name: &str, script: &str) -> String {
        let at = AGENCIES.iter().position(|a| *a == name).unwrap();
        let script = self.on(&self.hosts[at], script);
        let output = self.shell(at, &script);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = std::fs::read_to_string(self.hosts[at].root.join("var/lib/lapwing/node.log")).unwrap_or_default();
        assert!(
            output.status.success(),
            "at {name}:\n{script}\n--- said:\n{out}\n--- errors:\n{err}\n--- node:\n{log}"
        );
        out.into_owned()
    }
}

#[test]
fn the_guide_leads_from_a_package_to_the_first_receipt_within_ten_minutes() {
    let mut trial = Trial::new();
    let mut typed = BTreeSet::new();
    let mut receipt = None;
    let begun = Instant::now();
    for block in blocks() {
        for name in &block.at {
            let at = AGENCIES.iter().position(|a| a == name).unwrap();
            if block.script.contains("export LAPWING_DATA") {
                trial.first[at] = trial.on(&trial.hosts[at], &block.script);
            }
            let out = trial.type_at(name, &block.script);
            if block.script.contains("lapwing invite") {
                std::fs::write(trial.dir.path().join("heard/words"), &out).unwrap();
            }
            if block.script.contains("refer submit") {
                receipt = Some(begun.elapsed());
            }
            typed.insert(name.clone());
        }
    }
    let receipt = receipt.expect("the guide submits a referral");
    assert_eq!(typed.len(), AGENCIES.len());

    // the sender holds the receipt, and the other side the referral
    let list = trial.type_at("Savanna", "lapwing refer list --json");
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let thread = list["items"][0]["thread"].as_str().unwrap();
    let case = trial.type_at("Savanna", &format!("lapwing refer show {thread} --json"));
    let case: serde_json::Value = serde_json::from_str(&case).unwrap();
    assert_eq!(case["timeline"][0]["delivery"], "stored", "{case}");
    assert!(case["timeline"][0]["stored"].is_string(), "{case}");
    trial.type_at("Harbour", &format!("lapwing refer show {thread}"));
    println!(
        "from two clean hosts to the first receipt: {:.1} s; the whole page: {:.1} s",
        receipt.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    assert!(receipt < LIMIT, "it took {receipt:?}");
}

/// Nothing starts before there is a node, and the unit says so.
#[test]
fn the_unit_starts_nothing_before_there_is_a_data_folder() {
    let trial = Trial::new();
    trial.type_at("Harbour", "systemctl enable --now lapwing.service lapwing-backup.timer");
    assert!(!trial.hosts[0].root.join("var/lib/lapwing/node.pid").exists());
}

#[test]
fn every_block_of_the_guide_is_executed_or_only_shown() {
    let marked: BTreeSet<&str> = GUIDE.split("```").skip(1).step_by(2).map(|b| b.lines().next().unwrap()).collect();
    assert_eq!(marked, BTreeSet::from(["sh", "console"]));
    for shown in GUIDE.split("```console\n").skip(1) {
        let shown = shown.split("```").next().unwrap();
        assert!(shown.lines().all(|l| l.starts_with("$ ") || l.starts_with("  ")), "{shown}");
    }
}

#[test]
#[ignore = "run by the guide as its editor"]
fn fill_in_from_outside() {
    if let Ok(path) = std::env::var("GUIDE_FILL_IN") {
        fill_in(Path::new(&path));
    }
}
