//! The floors of ARCHITECTURE.md, held: arrows point down only, and the rules stay pure.

#![allow(clippy::unwrap_used)]

use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// What each crate may depend on, of our own.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lapwing-record", &[]),
    ("lapwing-engine", &["lapwing-record"]),
    ("lapwing-api", &["lapwing-record"]),
    ("lapwing-store", &[]),
    ("lapwing-net", &[]),
    ("lapwing-search", &[]),
    ("lapwing-paper", &[]),
    ("lapwing-evidence", &["lapwing-record"]),
    ("lapwing-http", &["lapwing-api"]),
    (
        "lapwing-node",
        &[
            "lapwing-record",
            "lapwing-engine",
            "lapwing-api",
            "lapwing-store",
            "lapwing-net",
            "lapwing-http",
            "lapwing-evidence",
            "lapwing-search",
            "lapwing-paper",
        ],
    ),
    (
        "lapwing",
        &["lapwing-record", "lapwing-engine", "lapwing-api", "lapwing-store", "lapwing-evidence", "lapwing-node"],
    ),
    // development only: it measures the others, and nothing may depend on it
    ("lapwing-bench", &["lapwing-record", "lapwing-engine", "lapwing-api", "lapwing-store", "lapwing-node"]),
    // development only: many engines on one virtual clock
    ("lapwing-sim", &["lapwing-record", "lapwing-engine"]),
];

/// Who alone may know a library, beside the benchmarks.
const ALONE: &[(&str, &str)] = &[
    ("sled", "lapwing-store"),
    ("libp2p", "lapwing-net"),
    ("axum", "lapwing-http"),
    ("mail-parser", "lapwing-evidence"),
    ("tantivy", "lapwing-search"),
    ("krilla", "lapwing-paper"),
    ("parley", "lapwing-paper"),
    ("mail-auth", "lapwing-evidence"),
    ("cfb", "lapwing-evidence"),
    ("clap", "lapwing"),
    ("clap_complete", "lapwing"),
    ("clap_mangen", "lapwing"),
    ("prometheus-client", "lapwing-node"),
];

/// What must not occur anywhere below the rules: runtimes, disks, clocks, randomness of the operating system.
const IMPURE: &[&str] = &[
    "tokio",
    "libp2p",
    "sled",
    "axum",
    "getrandom",
    "rand",
    "rand_chacha",
    "async-std",
    "jiff",
    "chrono",
    "time",
    "mio",
];

struct Graph {
    own: BTreeSet<String>,
    direct: BTreeMap<String, BTreeSet<String>>,
    closure: BTreeMap<String, BTreeSet<String>>,
}

fn graph() -> Graph {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata =
        MetadataCommand::new().manifest_path(manifest).other_options(vec!["--offline".into()]).exec().unwrap();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let resolve = metadata.resolve.as_ref().unwrap();
    let normal: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|n| {
            let deps = n.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
            (&n.id, deps.map(|d| &d.pkg).collect())
        })
        .collect();
    let mut graph = Graph { own: BTreeSet::new(), direct: BTreeMap::new(), closure: BTreeMap::new() };
    for member in &metadata.workspace_members {
        let name = names[member].to_owned();
        graph.direct.insert(name.clone(), normal[member].iter().map(|d| names[d].to_owned()).collect());
        let (mut seen, mut todo) = (BTreeSet::new(), vec![member]);
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(normal[id].iter().copied());
            }
        }
        graph.closure.insert(name.clone(), seen.into_iter().map(|id| names[id].to_owned()).collect());
        graph.own.insert(name);
    }
    graph
}

#[test]
fn arrows_between_our_crates_point_down_only() {
    let graph = graph();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(graph.own.iter().map(String::as_str).collect::<BTreeSet<_>>(), known, "a crate without a floor");
    for (name, allowed) in ALLOWED {
        let found: Vec<&String> = graph.direct[*name].iter().filter(|d| graph.own.contains(*d)).collect();
        for dep in found {
            assert!(allowed.contains(&dep.as_str()), "{name} must not depend on {dep}");
        }
    }
}

#[test]
fn each_heavy_library_is_known_to_one_crate() {
    let graph = graph();
    for (library, owner) in ALONE {
        for (name, deps) in &graph.direct {
            let may = name == owner || name == "lapwing-bench" || (*library == "clap" && name == "lapwing-sim");
            assert!(may || !deps.contains(*library), "{name} knows {library}, which is {owner}'s");
        }
        assert!(graph.direct[*owner].contains(*library), "{owner} does not use {library}: the row is out of date");
    }
}

#[test]
fn the_rules_know_no_runtime_disk_clock_or_randomness() {
    let graph = graph();
    for name in ["lapwing-record", "lapwing-engine"] {
        for impure in IMPURE {
            assert!(!graph.closure[name].contains(*impure), "{name} reaches {impure}");
        }
    }
}
