//! What a stranger's bytes are put through: one function for each decoder, which panics where something does not hold.
//!
//! Compiled twice: as the library of the fuzz programs in `targets/` (a workspace of its own, see `run`), and as a test of
//! the main workspace, which puts every seed and every past finding through the same functions with nothing but `cargo
//! test`. docs/fuzzing.md has the table.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod files;
#[cfg(not(test))]
pub mod memory;
pub mod messages;
pub mod records;
pub mod rogue;
pub mod samples;
pub mod seeds;

// Parts of crates that are no library, or whose library brings the whole node along.
#[cfg(test)]
use lapwing_node::config;
#[cfg(not(test))]
#[path = "../../../crates/node/src/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "../../../crates/node/src/desk/cursor.rs"]
mod cursor;
#[cfg(not(test))]
#[path = "../../../crates/node/src/folder.rs"]
#[allow(dead_code)]
mod folder;
#[path = "../../../crates/node/src/desk/hex.rs"]
mod hex;
#[path = "../../../crates/net/src/prefix.rs"]
mod prefix;
#[path = "../../../crates/lapwing/src/cli/refer/complaints/table.rs"]
mod table;
#[cfg(test)]
use lapwing_search::words;
#[cfg(not(test))]
#[path = "../../../crates/search/src/words.rs"]
#[allow(dead_code)]
mod words;

/// A decoder under fire.
pub struct Target {
    /// Its name: that of the program in `targets/`, and of the folder of its findings.
    pub name: &'static str,
    /// Puts bytes through it; panics where something does not hold.
    pub judge: fn(&[u8]),
    /// What to begin with: name and bytes.
    pub seeds: fn() -> seeds::Seeds,
}

macro_rules! targets {
    ($($module:ident::$name:ident),+ $(,)?) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(
            Target { name: stringify!($name), judge: $module::$name, seeds: seeds::$name }
        ),+];
    };
}

targets! {
    records::envelope,
    records::body,
    records::statement,
    records::form,
    records::invitation,
    records::bundle,
    messages::hello,
    messages::sync,
    messages::apply,
    messages::case,
    messages::blob,
    messages::frame,
    rogue::rogue,
    rogue::said,
    samples::mail,
    samples::outlook,
    samples::xarf,
    files::archive,
    files::config,
    files::complaints,
    files::cursor,
    files::search,
}

/// A fuzz program: the function under libFuzzer, with a bound on memory. With `SEEDS=FOLDER` it only writes its seeds there.
#[macro_export]
macro_rules! target {
    ($module:ident::$name:ident) => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::seeds::write_where_asked(stringify!($name), $crate::seeds::$name),
            |bytes: &[u8]| $crate::memory::bounded($crate::$module::$name, bytes)
        );
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::panic::catch_unwind;
    use std::path::PathBuf;

    fn here() -> PathBuf {
        PathBuf::from(seeds::TESTS).join("fuzz")
    }

    /// Inputs that once did harm, of one target.
    fn findings(name: &str) -> seeds::Seeds {
        let Ok(files) = std::fs::read_dir(here().join("findings").join(name)) else { return Vec::new() };
        let one = |file: std::io::Result<std::fs::DirEntry>| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        };
        files.map(one).collect()
    }

    /// The same each time: what a seed is bent by.
    fn dice(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize
    }

    #[test]
    fn every_seed_and_every_past_finding_is_survived() {
        let mut harm = Vec::new();
        for target in TARGETS {
            for (name, bytes) in (target.seeds)().into_iter().chain(findings(target.name)) {
                if catch_unwind(|| (target.judge)(&bytes)).is_err() {
                    harm.push(format!("{}: {name}", target.name));
                }
            }
        }
        assert!(harm.is_empty(), "{harm:?}");
    }

    #[test]
    fn every_seed_is_survived_bent_cut_and_joined() {
        let mut harm = Vec::new();
        for target in TARGETS {
            let seeds = (target.seeds)();
            let mut state = 7;
            for (name, bytes) in seeds.iter().filter(|(_, bytes)| !bytes.is_empty()) {
                for n in 0..8 {
                    let mut bent = bytes.clone();
                    match n % 4 {
                        0 => bent.truncate(dice(&mut state) % bytes.len()),
                        1 => bent.extend_from_slice(&seeds[dice(&mut state) % seeds.len()].1),
                        _ => {
                            for _ in 0..=n {
                                let at = dice(&mut state) % bent.len();
                                bent[at] ^= 1 << (dice(&mut state) % 8);
                            }
                        }
                    }
                    if catch_unwind(|| (target.judge)(&bent)).is_err() {
                        harm.push(format!("{}: {name}, bent {n}: {bent:02x?}", target.name));
                    }
                }
            }
        }
        assert!(harm.is_empty(), "{harm:#?}");
    }

    #[test]
    fn every_target_has_seeds_and_a_program_and_nothing_else_has() {
        let names: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
        let programs = std::fs::read_dir(here().join("targets")).unwrap();
        let programs: BTreeSet<String> =
            programs.map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(names, programs);
        let manifest: toml::Table = std::fs::read_to_string(here().join("Cargo.toml")).unwrap().parse().unwrap();
        let bins = manifest["bin"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap());
        assert_eq!(names.iter().map(String::as_str).collect::<BTreeSet<_>>(), bins.collect());
        for target in TARGETS {
            assert!((target.seeds)().len() > 1, "{} has no seeds", target.name);
        }
        for folder in std::fs::read_dir(here().join("findings")).unwrap().map(|f| f.unwrap().file_name()) {
            let known = folder.to_str().is_some_and(|f| names.contains(f) || f == "README.md");
            assert!(known, "findings of no target: {folder:?}");
        }
    }

    #[test]
    fn a_seed_that_should_hold_does() {
        // or the judges could refuse everything and show nothing
        assert!(records::read_envelope(&seeds::envelope()[0].1).is_some());
        assert!(seeds::bundle().iter().any(|(_, b)| records::read_bundle(b)));
        assert!(seeds::invitation().iter().any(|(_, b)| records::read_invitation(b)));
        assert!(seeds::statement().iter().any(|(_, b)| records::read_statement(b)));
        assert!(seeds::rogue().iter().any(|(_, b)| rogue::placed(b) > 3), "no entry of the rogue's is ever placed");
        assert!(seeds::said().iter().any(|(_, b)| rogue::receipted(b) > 3), "nothing that is said is ever receipted");
        assert!(seeds::archive().iter().any(|(_, b)| files::read_archive(b)));
        assert!(seeds::complaints().iter().any(|(_, b)| table::read(b, 3).is_ok()));
    }
}
