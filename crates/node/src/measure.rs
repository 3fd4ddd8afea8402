//! What is measured about a node when somebody asks: its disk, process, queue, peers, backups. Plain data; what follows
//! from it is `health`'s.

use crate::folder::Folder;
use lapwing_api::types::Reach;
use lapwing_net::stats::Stats;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What this process may still write.
    pub free: u64,
    /// In all.
    pub size: u64,
}

/// This process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many there may be.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
}

/// The newest backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backup {
    /// There was none.
    #[default]
    Never,
    /// Milliseconds UTC when it was made.
    At(u64),
    /// Something stands where its time should.
    Unreadable(String),
}

impl Backup {
    /// When it was made.
    pub fn at(&self) -> Option<u64> {
        match self {
            Backup::At(at) => Some(*at),
            Backup::Never | Backup::Unreadable(_) => None,
        }
    }

    /// Reads `<data>.backup-last`: an RFC 3339 time.
    pub fn read(folder: &Folder) -> Self {
        let bytes = match crate::folder::read(&folder.backup_last(), 256) {
            Ok(bytes) => bytes,
            Err(e) if e.is_missing() => return Backup::Never,
            Err(e) => return Backup::Unreadable(e.to_string()),
        };
        let time = String::from_utf8_lossy(&bytes).trim().parse::<jiff::Timestamp>();
        match time.map(|t| u64::try_from(t.as_millisecond())) {
            Ok(Ok(at)) => Backup::At(at),
            _ => Backup::Unreadable(format!("{} holds no RFC 3339 time", folder.backup_last().display())),
        }
    }
}

/// What is known of connections.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// Connected nodes by class.
    pub connected: Vec<(&'static str, usize)>,
    /// Milliseconds that the median of the connected members' clocks is ahead of ours.
    pub clock_offset: Option<i64>,
    /// Members that run a newer program: who, and what it says it is.
    pub newer: Vec<(String, String)>,
    /// Our own peer id in bytes.
    pub peer: Vec<u8>,
    /// What the network part has counted.
    pub wire: Option<Stats>,
    /// How the last attempt of another node to reach this one ended.
    pub reach: Option<Reach>,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Milliseconds UTC.
    pub now: u64,
    /// Milliseconds UTC of the start.
    pub started: u64,
    /// Whether the node is stopping.
    pub stopping: bool,
    /// Room on the data disk; none where it cannot be told.
    pub disk: Option<Disk>,
    /// Free bytes below which people are told.
    pub disk_low_bytes: u64,
    /// Why a trial write failed, other than for want of room.
    pub unwritable: Option<String>,
    /// Why a trial write failed for want of room.
    pub full: Option<String>,
    /// How long the last trial write took.
    pub probe_took: Option<Duration>,
    /// Why the index cannot be used.
    pub index_broken: Option<String>,
    /// How the search index is.
    pub search: crate::search::Condition,
    /// Bytes of the journal's segments.
    pub journal_bytes: u64,
    /// How many there are.
    pub journal_segments: u64,
    /// Inputs that wait for the driver.
    pub queue_depth: usize,
    /// How many may.
    pub queue_bound: usize,
    /// Milliseconds UTC of the oldest statement without a receipt.
    pub outbox_oldest: Option<u64>,
    /// Connected nodes by class.
    pub connected: Vec<(&'static str, usize)>,
    /// Milliseconds that the median of the connected members' clocks is ahead of ours.
    pub clock_offset: Option<i64>,
    /// Members that run a newer program: who, and what.
    pub newer: Vec<(String, String)>,
    /// Our own peer id in bytes.
    pub peer: Vec<u8>,
    /// What the network part has counted.
    pub wire: Option<Stats>,
    /// How the last attempt of another node to reach this one ended.
    pub reach: Option<Reach>,
    /// Whether a command tells people of notices.
    pub notify_set: bool,
    /// The newest backup.
    pub backup: Backup,
    /// Days after which an old one is reminded of.
    pub remind_days: u64,
    /// This process.
    pub process: Process,
}

/// Room of the file system that holds `path`.
pub fn disk(path: &Path) -> Option<Disk> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(Disk { free: stat.f_bavail.saturating_mul(stat.f_frsize), size: stat.f_blocks.saturating_mul(stat.f_frsize) })
}

/// Bytes and number of the journal's segments.
pub fn journal(dir: &Path) -> (u64, u64) {
    let segments = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = segments.filter(|e| e.path().extension().is_some_and(|x| x == "seg"));
    segments.filter_map(|e| e.metadata().ok()).fold((0, 0), |(bytes, n), meta| (bytes + meta.len(), n + 1))
}

/// This process, as `/proc` tells it. What it does not tell is zero.
pub fn process() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    Process {
        resident_bytes: field("VmRSS:") * 1024,
        threads: field("Threads:"),
        open_fds: std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count() as u64),
        max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or_default(),
    }
}

/// Bytes of a trial write.
const PROBE_BYTES: usize = 4096;

/// Writes a small file into `dir`, makes it durable and removes it: how long that took.
///
/// What a disk is good for shows only when something is written to it and synced; a node that waits for the first
/// referral to find out tells its people too late.
///
/// # Errors
/// Of the write, the sync or the removal.
pub fn probe(dir: &Path) -> std::io::Result<Duration> {
    let begun = Instant::now();
    let path = dir.join(format!("probe.{}", std::process::id()));
    let written = (|| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&[0x5a; PROBE_BYTES])?;
        file.sync_all()
    })();
    let removed = match std::fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    written.and(removed).map(|()| begun.elapsed())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trial_write_leaves_nothing_and_names_what_stands_in_its_way() {
        let dir = tempfile::tempdir().unwrap();
        assert!(probe(dir.path()).unwrap() > Duration::ZERO);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(probe(&file).unwrap_err().kind(), ErrorKind::NotADirectory);
    }

    #[test]
    fn disk_and_process_are_measured_here() {
        let disk = disk(Path::new("/")).unwrap();
        assert!(disk.size > 0 && disk.free <= disk.size);
        assert_eq!(super::disk(Path::new("/nowhere/at/all")), None);
        let process = process();
        assert!(process.resident_bytes > 1 << 20 && process.threads > 0 && process.open_fds > 2, "{process:?}");
        assert!(process.max_fds >= process.open_fds);
    }

    #[test]
    fn only_segments_count_as_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in [("0000000000000001.seg", 100), ("0000000000000002.seg", 20), ("mark", 64)] {
            std::fs::write(dir.path().join(name), vec![0; len]).unwrap();
        }
        assert_eq!(journal(dir.path()), (120, 2));
        assert_eq!(journal(&dir.path().join("gone")), (0, 0));
    }

    #[test]
    fn the_time_of_the_newest_backup_is_read_or_its_absence_or_its_fault() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("data"));
        assert_eq!(Backup::read(&folder), Backup::Never);
        std::fs::write(folder.backup_last(), "1970-01-01T00:00:01Z\n").unwrap();
        assert_eq!(Backup::read(&folder), Backup::At(1000));
        for bad in ["yesterday", "", "\u{fffd}", "1969-12-31T23:59:59Z"] {
            std::fs::write(folder.backup_last(), bad).unwrap();
            assert!(matches!(Backup::read(&folder), Backup::Unreadable(_)), "{bad}");
        }
    }
}
