//! Versions below which the network can be stopped from outside. The advisory database knows none of the faults of 2026
//! in these crates (quality §1), so the floor is kept here.
#![allow(clippy::unwrap_used)]

/// Crate and lowest version: GHSA-gc42-3jg7-rxr2, GHSA-xqmp-fxgv-xvq5, GHSA-g3g5-x568-qvqx, GHSA-vrx6-jcp8-vm7m.
const FLOORS: [(&str, [u64; 3]); 3] = [("libp2p", [0, 57, 1]), ("libp2p-gossipsub", [0, 50, 1]), ("yamux", [0, 14, 1])];

fn locked(lock: &str, name: &str) -> Vec<[u64; 3]> {
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while lines.by_ref().any(|line| line == format!("name = \"{name}\"")) {
        let version = lines.next().and_then(|line| line.strip_prefix("version = \"")).unwrap();
        let parts: Vec<u64> = version.trim_end_matches('"').split('.').map(|part| part.parse().unwrap()).collect();
        found.push(parts.try_into().unwrap());
    }
    found
}

#[test]
fn no_locked_version_is_below_its_floor() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    for (name, floor) in FLOORS {
        let versions = locked(&lock, name);
        assert!(!versions.is_empty(), "{name} is not in the lock file");
        assert!(versions.iter().all(|version| *version >= floor), "{name}: {versions:?}, floor {floor:?}");
    }
}
