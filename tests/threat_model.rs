//! docs/threat-model.md names a test for every row, and every test that it names exists.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ACTORS: [&str; 10] = [
    "outsider",
    "applicant",
    "rogue agency",
    "curious private-sector member",
    "thief of a node",
    "thief of a token",
    "thief of a backup",
    "hostile sample",
    "hostile network",
    "insider",
];

const HOSTILITY: [&str; 45] = [
    "forged records",
    "replayed records",
    "reordered records",
    "duplicated records",
    "cross-network records",
    "non-canonical records",
    "admission against an objection in any order",
    "private-sector veto",
    "fork",
    "restored twin",
    "homograph names",
    "bidi names",
    "oversized frames",
    "endless frames",
    "subscription flood",
    "control flood",
    "duplicate after a failed first copy",
    "lost receipt",
    "receiver full",
    "recipient suspended mid-flight",
    "onward sharing against the marking",
    "private member probing ids",
    "path traversal in attachment names",
    "zip bomb",
    "MIME bomb",
    "script in samples",
    "log injection",
    "CSV injection",
    "terminal injection",
    "SSRF",
    "token guessing",
    "route × role × foreign object",
    "DNS rebinding",
    "CSRF",
    "slow clients",
    "request smuggling",
    "edited audit log",
    "cut audit log",
    "flood of refusals",
    "backup flipped",
    "backup older",
    "backup of another node",
    "hostile bytes at any decoder",
    "silent connections",
    "queues without a bound",
];

const FAULTS: [&str; 9] = [
    "acknowledged means durable",
    "kill at any point",
    "power cut",
    "every n-th operation fails",
    "disk full",
    "flipped bit or cut file",
    "partition and heal",
    "clock jumps",
    "stale backup",
];

/// How many invariants docs/protocol.md §7 has.
const INVARIANTS: usize = 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of all tables: what the row is about, and the tests that it names.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let mut rows = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with('|') && !l.starts_with("|--")) {
        // the line above a rule is a header
        if lines.get(i + 1).is_some_and(|next| next.starts_with("|--")) {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let tests = cells.last().unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        rows.push((cells[0].to_owned(), tests));
    }
    rows
}

/// Whether a file has this function and something runs it: an attribute, the macro of properties, the list of a harness
/// of its own, or, of the simulator, the list of what it judges.
fn runs(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let line = text[..at].rfind('\n').unwrap_or_default();
    let before: Vec<&str> = text[..line].lines().rev().take(4).map(str::trim).collect();
    let marked = before.iter().take_while(|l| l.starts_with("#[") || l.starts_with("///") || l.is_empty());
    let marked = marked.filter(|l| l.starts_with("#[test]") || l.starts_with("#[tokio::test")).count() > 0;
    let dense: String = text.split_whitespace().collect();
    let listed = dense.contains(&format!("(\"{name}\",{name}")) || text.contains(&format!("\n    {name},"));
    marked || listed
}

fn fault(name: &str, read: &mut BTreeMap<String, String>) -> Option<String> {
    let (path, test) = match name.split_once("::") {
        Some((path, test)) => (path, Some(test)),
        None => (name, None),
    };
    if !root().join(path).is_file() {
        return Some(format!("{name}: there is no such file"));
    }
    let text = read.entry(path.to_owned()).or_insert_with(|| std::fs::read_to_string(root().join(path)).unwrap());
    let step = |test: &str| text.contains(&format!("step \"{test}\"")) || text.contains(&format!("step {test} "));
    match test {
        Some(test) if path.starts_with(".ci/") => (!step(test)).then(|| format!("{name}: the script has no such step")),
        Some(test) if path.ends_with("/mutant.rs") => {
            (!text.contains(&format!("\"{test}\""))).then(|| format!("{name}: there is no such mutant"))
        }
        Some(test) if !runs(text, test) => Some(format!("{name}: the file has no such test")),
        None if path.ends_with(".rs") || path.ends_with(".md") => Some(format!("{name}: which test of it?")),
        _ => None,
    }
}

#[test]
fn every_row_of_the_threat_model_names_tests_that_exist_and_no_row_is_missing() {
    let rows = rows();
    let mut read = BTreeMap::new();
    let mut faults = Vec::new();
    for (row, tests) in &rows {
        if tests.is_empty() {
            faults.push(format!("{row}: no test"));
        }
        faults.extend(tests.iter().filter_map(|name| fault(name, &mut read)).map(|f| format!("{row}: {f}")));
    }
    let there: BTreeSet<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
    let numbers: Vec<String> = (1..=INVARIANTS).map(|n| n.to_string()).collect();
    let wanted = ACTORS.iter().chain(&HOSTILITY).chain(&FAULTS).copied().chain(numbers.iter().map(String::as_str));
    faults.extend(wanted.filter(|row| !there.contains(row)).map(|row| format!("{row}: no row")));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(there.len(), rows.len(), "a row stands there twice");
}

/// All functions of the project's sources, by name.
fn functions(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("target") && !entry.ends_with("node_modules") {
            functions(&entry, into);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&entry).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            into.extend(names.map(str::to_owned));
        }
    }
}

/// What stands between backticks and reads like the sentence of a test.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |w: &&str| w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    quoted.filter(plain).filter(|w| w.matches('_').count() >= 5)
}

#[test]
fn the_tests_that_the_pages_of_proof_name_exist() {
    let mut known = BTreeSet::new();
    for folder in ["crates", "tests"] {
        functions(&root().join(folder), &mut known);
    }
    let mut named = 0;
    for page in ["simulation", "faults", "fuzzing", "strangers"] {
        let text = std::fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
        let missing: Vec<&str> = sentences(&text).filter(|w| !known.contains(*w)).collect();
        assert_eq!(missing, [""; 0], "docs/{page}.md");
        named += sentences(&text).count();
    }
    assert!(named > 80, "{named}");
    assert_eq!(sentences("`a_test_that_nobody_ever_wrote` and `not this`").count(), 1);
}

#[test]
fn the_invariants_of_the_table_are_those_of_the_protocol() {
    let text = std::fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let section = text.split("## 7. Invariants").nth(1).unwrap().split("\n## ").next().unwrap();
    let known = section.split('·').count();
    assert_eq!(known, INVARIANTS, "docs/protocol.md §7 has another number of invariants");
}

#[test]
fn a_test_that_is_not_there_or_that_nothing_runs_is_noticed() {
    let mut read = BTreeMap::new();
    let mut wrong = |name: &str| fault(name, &mut read).is_some();
    assert!(!wrong("tests/threat_model.rs::a_test_that_is_not_there_or_that_nothing_runs_is_noticed"));
    for right in
        ["tests/fuzz/run", ".ci/run::a disk that fills up", "crates/sim/src/mutant.rs::receipt-for-failed-copy"]
    {
        assert!(!wrong(right), "{right}");
    }
    for bad in [
        "tests/threat_model.rs::rows",
        "tests/threat_model.rs::nothing",
        "tests/nothing.rs::rows",
        "tests/arrows.rs",
        ".ci/run::nothing",
        "crates/sim/src/mutant.rs::nothing",
    ] {
        assert!(wrong(bad), "{bad}");
    }
}
