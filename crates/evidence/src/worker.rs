//! Analysis in a child process that may die without harm.
//!
//! ```text
//!   parent                                   child (`lapwing`, hidden subcommand, empty environment)
//!   spawn, own process group        ──────►  limits on itself: address space, CPU, files, processes
//!   {"length":…,"limits":…}\n bytes ──────►  analyse
//!   at most 1 MiB, at most 2 s      ◄──────  JSON, exit
//! ```
//! Whatever becomes of the child, the parent gets an answer in bounded time: an analysis, or a warning that says why
//! there is none. One child for each message: a message can spoil only its own analysis.

use crate::analyse::analyse;
use crate::analysis::Analysis;
use crate::limits::Limits;
use crate::scan::{FileKind, Scan, ScannedFile};
use crate::warning::Warning;
use crate::{hashes, scan};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit, waitid,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::num::NonZero;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

/// Bytes of a worker's answer at most.
pub const MAX_ANSWER: u64 = 1 << 20;
const MAX_REQUEST_LINE: u64 = 4_096;
/// Workers at the same time.
const MAX_WORKERS: usize = 8;

/// How a worker is started: a program that ends up in [`serve`].
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    program: PathBuf,
    args: Vec<OsString>,
}

impl WorkerCommand {
    /// A worker that is `program args…`.
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> WorkerCommand {
        WorkerCommand { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// A worker that is this very program with other arguments.
    ///
    /// # Errors
    /// If the system does not say which program this is.
    pub fn current_exe(args: impl IntoIterator<Item = impl Into<OsString>>) -> io::Result<WorkerCommand> {
        Ok(WorkerCommand::new(std::env::current_exe()?, args))
    }
}

/// One message of a folder, analysed or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The name of its file in the manifest.
    pub name: String,
    /// Which message of a mailbox, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What is known of it.
    pub analysis: Option<Analysis>,
    /// What went wrong around the analysis; what was odd inside stands in the analysis.
    pub warnings: BTreeSet<Warning>,
}

impl Item {
    /// The warnings around and inside the analysis.
    pub fn all_warnings(&self) -> BTreeSet<Warning> {
        let inside = self.analysis.iter().flat_map(|a| a.warnings.iter().copied());
        self.warnings.iter().copied().chain(inside).collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    length: u64,
    limits: Limits,
}

/// Why a worker gave up. Its parent only sees that it ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A limit could not be set: nothing is parsed without limits.
    #[error("setting the worker's limit on {what}")]
    Confine {
        /// Which limit.
        what: &'static str,
        /// The cause.
        #[source]
        source: rustix::io::Errno,
    },
    /// The request could not be read.
    #[error("reading the request")]
    Read(#[source] io::Error),
    /// The request is not one.
    #[error("the request is malformed")]
    Request(#[source] serde_json::Error),
    /// The answer could not be put into JSON.
    #[error("encoding the answer")]
    Encode(#[source] serde_json::Error),
    /// The answer could not be written.
    #[error("writing the answer")]
    Write(#[source] io::Error),
}

/// The worker: call it first thing in `main` of the process that [`WorkerCommand`] starts, before any thread. It
/// confines **this whole process**, analyses the one message on `input` and writes the answer to `output`.
///
/// # Errors
/// [`ServeError`]; the caller exits with a failure and says nothing more.
pub fn serve(input: impl Read, mut output: impl Write) -> Result<(), ServeError> {
    // A panic is reported as a warning of the message; its text may quote the message and belongs in no log.
    std::panic::set_hook(Box::new(|_| {}));
    confine(&Limits::CEILING)?;
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    (&mut input).take(MAX_REQUEST_LINE).read_until(b'\n', &mut line).map_err(ServeError::Read)?;
    let request: Request = serde_json::from_slice(&line).map_err(ServeError::Request)?;
    let limits = request.limits.capped();
    confine(&limits)?;
    let length = request.length.min(limits.max_bytes);
    // All at once: growing by doubling would need three times the memory, and a refusal here ends the process with the
    // words that the parent knows.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
    input.take(length).read_to_end(&mut bytes).map_err(ServeError::Read)?;
    let answer = serde_json::to_vec(&analyse(&bytes, &limits)).map_err(ServeError::Encode)?;
    output.write_all(&answer).and_then(|()| output.flush()).map_err(ServeError::Write)
}

/// Sets hard limits on this process; they can only be lowered afterwards.
fn confine(limits: &Limits) -> Result<(), ServeError> {
    // Whole seconds are all that the system counts, and the parent's clock is the finer bound.
    let cpu_seconds = limits.wall_ms.div_ceil(1_000) + 1;
    for (what, resource, value) in [
        ("address space", Resource::As, limits.memory_bytes),
        ("CPU time", Resource::Cpu, cpu_seconds),
        ("core files", Resource::Core, 0),
        ("open files", Resource::Nofile, 16),
        ("file size", Resource::Fsize, 0),
        ("processes", Resource::Nproc, 0),
    ] {
        // Where the system already grants less, less it stays.
        let value = getrlimit(resource).maximum.map_or(value, |granted| granted.min(value));
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, limit).map_err(|source| ServeError::Confine { what, source })?;
    }
    Ok(())
}

/// Analyses one message in a worker: an analysis or why there is none.
pub fn analyse_bytes(worker: &WorkerCommand, bytes: &[u8], limits: &Limits) -> Result<Analysis, Warning> {
    let limits = limits.capped();
    let deadline = Instant::now() + Duration::from_millis(limits.wall_ms);
    let child = Command::new(&worker.program)
        .args(&worker.args)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| Warning::WorkerUnavailable)?;
    let mut running = Running { child };
    let outcome = running.converse(bytes, &limits, deadline);
    let status = running.end(if outcome.is_ok() { deadline } else { Instant::now() });
    match outcome {
        Err(Late) => Err(Warning::WorkerTimeout),
        Ok(said) => judge(said, status),
    }
}

/// The time is up.
struct Late;

struct Said {
    answer: Vec<u8>,
    complaint: Vec<u8>,
}

struct Running {
    child: Child,
}

impl Running {
    /// Hands the message over and takes the answer. Three pipes move at once, each on a thread of its own: a child that
    /// stops reading or floods one of them cannot hold up the others. The threads end when the child's group is gone.
    fn converse(&mut self, bytes: &[u8], limits: &Limits, deadline: Instant) -> Result<Said, Late> {
        let kept = bytes.len().min(usize::try_from(limits.max_bytes).unwrap_or(usize::MAX));
        let request = Request { length: kept as u64, limits: *limits };
        let mut message = serde_json::to_vec(&request).unwrap_or_default();
        message.push(b'\n');
        message.extend_from_slice(&bytes[..kept]);
        if let Some(mut stdin) = self.child.stdin.take() {
            // A child that is gone breaks the pipe; that it is gone shows in its status.
            std::thread::spawn(move || drop(stdin.write_all(&message)));
        }
        let answer = read_apart(self.child.stdout.take(), MAX_ANSWER + 1);
        let complaint = read_apart(self.child.stderr.take(), 4_096);
        let left = || deadline.saturating_duration_since(Instant::now());
        Ok(Said {
            answer: answer.recv_timeout(left()).map_err(|_| Late)?,
            complaint: complaint.recv_timeout(left()).map_err(|_| Late)?,
        })
    }

    /// Ends the child and whatever it started, and says how the child ended. One that has answered may leave by itself
    /// until the deadline.
    fn end(&mut self, deadline: Instant) -> Option<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)?;
        // Seen but not yet waited for: until then its number, and its group's, cannot go to anyone else.
        let leaving = || {
            matches!(
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG),
                Ok(None)
            )
        };
        while leaving() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        // The status of a child that has already left stays what it was.
        let _ = kill_process_group(pid, Signal::KILL);
        self.child.wait().ok()
    }
}

fn read_apart(pipe: Option<impl Read + Send + 'static>, max: u64) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error is kept: it may be the reason.
            let _ = pipe.take(max).read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

/// What the end of a worker means.
fn judge(said: Said, status: Option<ExitStatus>) -> Result<Analysis, Warning> {
    const CPU_LIMIT: i32 = 24; // SIGXCPU
    if said.answer.len() as u64 > MAX_ANSWER {
        return Err(Warning::WorkerBadAnswer);
    }
    match status {
        Some(status) if status.success() => serde_json::from_slice(&said.answer).map_err(|_| Warning::WorkerBadAnswer),
        // The words of the Rust runtime when the allocator gives nothing.
        _ if said.complaint.windows(17).any(|w| w == b"memory allocation") => Err(Warning::WorkerOutOfMemory),
        Some(status) if status.signal() == Some(CPU_LIMIT) => Err(Warning::WorkerTimeout),
        _ => Err(Warning::WorkerCrashed),
    }
}

/// Analyses one file as one message. Never an error: whatever happens is a warning of the item.
pub fn analyse_file(worker: &WorkerCommand, path: &Path, limits: &Limits) -> Item {
    let raw = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    let (name, changed) = crate::text::file_name(&raw);
    let mut item = analyse_range(worker, path, 0, u64::MAX, None, limits);
    if changed {
        item.warnings.insert(Warning::NameSanitised);
    }
    Item { name, ..item }
}

/// Analyses every message that a scan found, several at a time, in the order of the scan. Files that are no mail give
/// no item. `progress` is told how many of how many are done, from any thread.
pub fn analyse_scan(
    worker: &WorkerCommand,
    scan: &Scan,
    limits: &Limits,
    progress: impl Fn(usize, usize) + Sync,
) -> Vec<Item> {
    struct Job<'a> {
        file: &'a ScannedFile,
        index: Option<u32>,
        offset: u64,
        length: u64,
    }
    let mut jobs = Vec::new();
    for file in &scan.files {
        match &file.kind {
            FileKind::Eml => jobs.push(Job { file, index: None, offset: 0, length: u64::MAX }),
            FileKind::Mbox { messages } => jobs.extend(messages.iter().enumerate().map(|(i, m)| Job {
                file,
                index: u32::try_from(i).ok(),
                offset: m.offset,
                length: m.length,
            })),
            FileKind::Other => {}
        }
    }
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let items: Mutex<Vec<Option<Item>>> = Mutex::new(vec![None; jobs.len()]);
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get).min(MAX_WORKERS).min(jobs.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((i, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
                {
                    let expected = job.index.is_none().then_some(job.file.sha256.as_str());
                    let item = analyse_range(worker, &job.file.path, job.offset, job.length, expected, limits);
                    let item = Item { name: job.file.name.clone(), index: job.index, ..item };
                    if let Ok(mut items) = items.lock() {
                        items[i] = Some(item);
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
                }
            });
        }
    });
    let items = items.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    items.into_iter().flatten().collect()
}

fn analyse_range(
    worker: &WorkerCommand,
    path: &Path,
    offset: u64,
    length: u64,
    expected_sha256: Option<&str>,
    limits: &Limits,
) -> Item {
    let mut warnings = BTreeSet::new();
    let mut analysis = None;
    match read_range(path, offset, length, limits) {
        Err(_) => {
            warnings.insert(Warning::Unreadable);
        }
        Ok((bytes, whole)) => {
            if !whole {
                warnings.insert(Warning::TooLarge);
            } else if expected_sha256.is_some_and(|expected| hashes::of(&bytes).0 != expected) {
                warnings.insert(Warning::ChangedSinceScan);
            }
            match analyse_bytes(worker, &bytes, limits) {
                Ok(found) => analysis = Some(found),
                Err(why) => {
                    warnings.insert(why);
                }
            }
        }
    }
    Item { name: String::new(), index: None, analysis, warnings }
}

/// The bytes, and whether they are all.
fn read_range(path: &Path, offset: u64, length: u64, limits: &Limits) -> io::Result<(Vec<u8>, bool)> {
    let mut file = scan::open_regular(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let max = length.min(limits.capped().max_bytes);
    let mut bytes = Vec::new();
    (&mut file).take(max).read_to_end(&mut bytes)?;
    let whole = max == length || file.read(&mut [0])? == 0;
    Ok((bytes, whole))
}
