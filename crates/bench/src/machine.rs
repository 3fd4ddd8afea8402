//! What was measured on: load, cores, file system. A ratio without them says little.

use serde::Serialize;
use std::path::Path;

/// The machine, before and after a job.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The file system that the files lie on.
    pub file_system: String,
    /// The load averages before.
    pub load_before: String,
    /// The load averages after.
    pub load_after: String,
}

impl Machine {
    /// As it is now.
    pub fn now(dir: &Path) -> Self {
        let load = load();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            file_system: file_system(dir),
            load_after: load.clone(),
            load_before: load,
        }
    }

    /// Notes the load at the end.
    pub fn end(&mut self) {
        self.load_after = load();
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The type of the file system that holds `dir`: of the mount points above it, the longest counts.
fn file_system(dir: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let rows = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = rows.filter(|(at, _)| dir.starts_with(at));
    above.max_by_key(|(at, _)| at.len()).map_or("unknown", |(_, kind)| kind).to_owned()
}
