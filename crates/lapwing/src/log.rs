//! Where log lines go: standard error, which a service manager keeps, or a file that is put aside when it has grown.
//!
//! Own code in place of a crate: the kept ones that rotate by size bring a calendar and a compressor along.

mod bounded;

use bounded::Bounded;
use lapwing_node::config::{LogFormat, LogSettings};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// Begins to log, as the settings say. Fails where the log's file cannot be opened.
pub fn begin(settings: &LogSettings) -> io::Result<()> {
    let level = settings.level.as_str();
    let quiet = "libp2p=warn,yamux=warn,sled=warn,multistream_select=warn";
    let filter = tracing_subscriber::EnvFilter::new(format!("{level},{quiet}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    // a second subscriber in one process would be a fault of tests only: the first one stays
    let _ = match &settings.file {
        Some(path) => {
            let builder =
                builder.with_ansi(false).with_writer(Rotating::open(path, settings.max_bytes, settings.keep)?);
            match settings.format {
                LogFormat::Json => builder.json().map_event_format(|inner| Bounded::new(inner, true)).try_init(),
                LogFormat::Text => builder.map_event_format(|inner| Bounded::new(inner, false)).try_init(),
            }
        }
        None => {
            let builder = builder.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
            match settings.format {
                LogFormat::Json => builder.json().map_event_format(|inner| Bounded::new(inner, true)).try_init(),
                LogFormat::Text => builder.map_event_format(|inner| Bounded::new(inner, false)).try_init(),
            }
        }
    };
    Ok(())
}

/// A log file of bounded size: `node.log`, and what was put aside as `node.log.1` (the newest) to `node.log.N`.
#[derive(Clone, Debug)]
pub struct Rotating(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    file: File,
    len: u64,
}

impl Rotating {
    /// Opens or makes the file; lines are added at its end. Readable by its owner only.
    pub fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let (file, len) = open(path)?;
        Ok(Rotating(Arc::new(Mutex::new(Open { path: path.to_owned(), max_bytes, keep, file, len }))))
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

impl Open {
    /// Puts the file aside, if the line would make it too long. A line is never cut in two.
    fn make_room(&mut self, line: u64) -> io::Result<()> {
        if self.len == 0 || self.len + line <= self.max_bytes {
            return Ok(());
        }
        let aside = |n: u32| PathBuf::from(format!("{}.{n}", self.path.display()));
        for n in (1..self.keep).rev() {
            // one that is missing leaves a gap, which the next one fills
            let _ = std::fs::rename(aside(n), aside(n + 1));
        }
        match self.keep {
            0 => std::fs::remove_file(&self.path)?,
            _ => std::fs::rename(&self.path, aside(1))?,
        }
        (self.file, self.len) = open(&self.path)?;
        Ok(())
    }
}

/// One line: tracing hands each over whole.
impl Write for &Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // a folder that became read-only must not silence the log: the old file goes on growing
        let _ = open.make_room(line.len() as u64);
        open.file.write_all(line)?;
        open.len += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

impl<'a> MakeWriter<'a> for Rotating {
    type Writer = &'a Rotating;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn written(keep: u32, lines: usize) -> (tempfile::TempDir, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let log = Rotating::open(&dir.path().join("node.log"), 100, keep).unwrap();
        for n in 0..lines {
            (&log).write_all(format!("line {n:03} {}\n", "x".repeat(20)).as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let mut names: Vec<String> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let texts = names.iter().map(|n| read(n)).collect();
        assert!(names.iter().all(|n| read(n).len() <= 100), "{names:?}");
        (dir, texts)
    }

    #[test]
    fn a_full_log_is_put_aside_the_newest_are_kept_and_no_line_is_cut() {
        let (_dir, texts) = written(3, 20);
        assert_eq!(texts.len(), 4);
        let first = |text: &String| text[5..8].parse::<usize>().unwrap();
        // three lines fit: 18 and 19 are in the file itself, then backwards
        assert_eq!(texts.iter().map(first).collect::<Vec<_>>(), [18, 15, 12, 9]);
        assert!(texts.iter().all(|t| t.lines().all(|l| l.len() == 29)));
    }

    #[test]
    fn with_none_kept_only_the_newest_lines_stay() {
        let (_dir, texts) = written(0, 7);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("line 006"));
    }

    #[test]
    fn a_log_goes_on_where_it_ended_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        for n in 0..2 {
            (&Rotating::open(&path, 1000, 1).unwrap()).write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let long = "y".repeat(2000);
        (&Rotating::open(&path, 1000, 1).unwrap()).write_all(long.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), long, "a line longer than the bound stays whole");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_said_at_start() {
        assert!(Rotating::open(Path::new("/nowhere/at/all/node.log"), 1000, 1).is_err());
    }
}
