//! Analysis in a child process that may die without harm.
//!
//! ```text
//!   parent                                   child (`lapwing`, hidden subcommand, empty environment)
//!   spawn, own process group        ──────►  limits on itself: address space, CPU, processes, no file, no socket
//!   {task, lengths, limits}\n        ──────►
//!   records at hand, bytes          ──────►  analyse
//!   at most 1 MiB, at most 2 s      ◄──────  JSON, exit
//! ```
//! Whatever becomes of the child, the parent gets an answer in bounded time: an analysis, or a warning that says why
//! there is none. One child for each message: a message can spoil only its own analysis.

use crate::analyse::{Input, analyse_as};
use crate::analysis::Analysis;
use crate::keys::{self, Keys};
use crate::limits::Limits;
use crate::redact::{self, Place};
use crate::scan::{FileKind, Scan, ScannedFile};
use crate::warning::Warning;
use crate::{hashes, scan};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit, waitid,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::num::NonZero;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

/// The hidden verb by which this program is a worker: it ends up in [`serve`].
pub const VERB: &str = "evidence-worker";
/// Bytes of a worker's answer at most.
pub const MAX_ANSWER: u64 = 1 << 20;
/// Bytes of all answers kept of one scan; what comes after is counted and named, not kept.
pub const MAX_ANSWERS: u64 = 256 << 20;
const MAX_REQUEST_LINE: u64 = 64 * 1024;
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
    /// What it cost.
    #[serde(default)]
    pub cost: Cost,
    /// What went wrong around the analysis; what was odd inside stands in the analysis.
    pub warnings: BTreeSet<Warning>,
}

/// What the analysis of one message took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// From the start of the worker to its answer or its end, milliseconds.
    pub ms: u64,
    /// The most memory that the worker held at once, bytes; unknown where it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

impl Item {
    /// How the message is named among others: its file, and which message of a mailbox, from 1.
    pub fn label(&self) -> String {
        match self.index {
            Some(index) => format!("{}#{}", self.name, index + 1),
            None => self.name.clone(),
        }
    }

    /// The warnings around and inside the analysis.
    pub fn all_warnings(&self) -> BTreeSet<Warning> {
        let inside = self.analysis.iter().flat_map(|a| a.warnings.iter().copied());
        self.warnings.iter().copied().chain(inside).collect()
    }
}

/// What a worker is to do with the bytes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Analyse(Input),
    /// Where do these texts stand, decoded?
    Find(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    task: Task,
    /// Bytes of records, which come first.
    keys: u64,
    /// Bytes of the sample.
    length: u64,
    limits: Limits,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Answer<T> {
    found: T,
    peak_bytes: Option<u64>,
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
    // Opened now, read at the end: afterwards nothing can be opened.
    let status = std::fs::File::open("/proc/self/status").ok();
    confine(&Limits::CEILING)?;
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    (&mut input).take(MAX_REQUEST_LINE).read_until(b'\n', &mut line).map_err(ServeError::Read)?;
    let request: Request = serde_json::from_slice(&line).map_err(ServeError::Request)?;
    let limits = request.limits.capped();
    confine(&limits)?;
    let records = take(&mut input, request.keys.min(keys::MAX_BYTES as u64 * 4))?;
    let bytes = take(&mut input, request.length.min(limits.max_bytes))?;
    match request.task {
        Task::Analyse(kind) => {
            // The parent has read the records before: what it sends reads.
            let keys = Keys::read(&String::from_utf8_lossy(&records)).unwrap_or_default();
            answer(analyse_as(kind, &bytes, &limits, &keys), status, &mut output)
        }
        Task::Find(texts) => answer(redact::places(&bytes, &texts, &limits), status, &mut output),
    }
}

/// All at once: growing by doubling would need three times the memory, and a refusal here ends the process with the words
/// that the parent knows.
fn take(input: &mut impl Read, length: u64) -> Result<Vec<u8>, ServeError> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
    input.take(length).read_to_end(&mut bytes).map_err(ServeError::Read)?;
    Ok(bytes)
}

fn answer<T: Serialize>(found: T, status: Option<std::fs::File>, output: &mut impl Write) -> Result<(), ServeError> {
    let peak_bytes = status.and_then(|file| peak(&io::read_to_string(file).ok()?));
    let answer = serde_json::to_vec(&Answer { found, peak_bytes }).map_err(ServeError::Encode)?;
    output.write_all(&answer).and_then(|()| output.flush()).map_err(ServeError::Write)
}

/// The high water mark of memory, as the system states it.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// Sets hard limits on this process; they can only be lowered afterwards.
fn confine(limits: &Limits) -> Result<(), ServeError> {
    // Whole seconds are all that the system counts, and the parent's clock is the finer bound.
    let cpu_seconds = limits.wall_ms.div_ceil(1_000) + 1;
    for (what, resource, value) in [
        ("address space", Resource::As, limits.memory_bytes),
        ("CPU time", Resource::Cpu, cpu_seconds),
        ("core files", Resource::Core, 0),
        // What is open stays open; nothing more: no file, no socket, so no network.
        ("open files", Resource::Nofile, 0),
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

/// What a worker found, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known of the message.
    pub analysis: Analysis,
    /// The most memory that the worker held at once, bytes.
    pub peak_bytes: Option<u64>,
    /// Bytes of its answer.
    pub answer_bytes: u64,
}

/// Analyses one message in a worker: an analysis or why there is none. Nothing is verified.
pub fn analyse_bytes(worker: &WorkerCommand, bytes: &[u8], limits: &Limits) -> Result<Analysis, Warning> {
    analyse_input(worker, Input::Message, bytes, limits, &Keys::default()).map(|found| found.analysis)
}

/// Analyses one sample in a worker; signatures are verified where `keys` holds any.
pub fn analyse_input(
    worker: &WorkerCommand,
    input: Input,
    bytes: &[u8],
    limits: &Limits,
    keys: &Keys,
) -> Result<Found, Warning> {
    let (answer, answer_bytes) = ask(worker, Task::Analyse(input), bytes, limits, keys)?;
    Ok(Found { analysis: answer.found, peak_bytes: answer.peak_bytes, answer_bytes })
}

/// Where `texts` stand in a message once it is decoded, whatever their case; in a worker, since it is parsed for that.
pub fn find_texts(
    worker: &WorkerCommand,
    bytes: &[u8],
    texts: &[String],
    limits: &Limits,
) -> Result<Vec<Place>, Warning> {
    ask::<Vec<Place>>(worker, Task::Find(texts.to_vec()), bytes, limits, &Keys::default()).map(|(a, _)| a.found)
}

fn ask<T: DeserializeOwned + Default>(
    worker: &WorkerCommand,
    task: Task,
    bytes: &[u8],
    limits: &Limits,
    keys: &Keys,
) -> Result<(Answer<T>, u64), Warning> {
    let limits = limits.capped();
    let deadline = Instant::now() + Duration::from_millis(limits.wall_ms);
    let kept = bytes.len().min(usize::try_from(limits.max_bytes).unwrap_or(usize::MAX));
    let records = keys.lines();
    let request = Request { task, keys: records.len() as u64, length: kept as u64, limits };
    let mut message = serde_json::to_vec(&request).unwrap_or_default();
    message.push(b'\n');
    message.extend_from_slice(records.as_bytes());
    message.extend_from_slice(&bytes[..kept]);
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
    let outcome = running.converse(message, deadline);
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
    fn converse(&mut self, message: Vec<u8>, deadline: Instant) -> Result<Said, Late> {
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
fn judge<T: DeserializeOwned + Default>(said: Said, status: Option<ExitStatus>) -> Result<(Answer<T>, u64), Warning> {
    const CPU_LIMIT: i32 = 24; // SIGXCPU
    if said.answer.len() as u64 > MAX_ANSWER {
        return Err(Warning::WorkerBadAnswer);
    }
    match status {
        Some(status) if status.success() => serde_json::from_slice(&said.answer)
            .map(|answer| (answer, said.answer.len() as u64))
            .map_err(|_| Warning::WorkerBadAnswer),
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
    let whole = Range { path, offset: 0, length: u64::MAX, input: Input::Message, sha256: None };
    let (mut item, _) = analyse_range(worker, &whole, limits, &Keys::default());
    if changed {
        item.warnings.insert(Warning::NameSanitised);
    }
    Item { name, ..item }
}

/// Analyses every message that a scan found, several at a time, in the order of the scan. Files that are no mail give
/// no item. Signatures are verified where `keys` holds any. `progress` is told how many of how many are done, from any
/// thread.
pub fn analyse_scan(
    worker: &WorkerCommand,
    scan: &Scan,
    limits: &Limits,
    keys: &Keys,
    progress: impl Fn(usize, usize) + Sync,
) -> Vec<Item> {
    let jobs = jobs(scan);
    let (next, done, kept) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let items: Mutex<Vec<Option<Item>>> = Mutex::new(vec![None; jobs.len()]);
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get).min(MAX_WORKERS).min(jobs.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((i, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
                {
                    let (item, bytes) = analyse_range(worker, &job.range, limits, keys);
                    let mut item = Item { name: job.file.name.clone(), index: job.index, ..item };
                    if kept.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_ANSWERS {
                        item.analysis = None;
                        item.warnings.insert(Warning::TooMuchFound);
                    }
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

/// A sample inside a file.
struct Range<'a> {
    path: &'a Path,
    offset: u64,
    length: u64,
    input: Input,
    /// Of the whole file, where the sample is all of it.
    sha256: Option<&'a str>,
}

struct Job<'a> {
    file: &'a ScannedFile,
    index: Option<u32>,
    range: Range<'a>,
}

fn jobs(scan: &Scan) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for file in &scan.files {
        let whole = |input| Job {
            file,
            index: None,
            range: Range { path: &file.path, offset: 0, length: u64::MAX, input, sha256: Some(&file.sha256) },
        };
        match &file.kind {
            FileKind::Eml | FileKind::Headers => jobs.push(whole(Input::Message)),
            FileKind::Xarf => jobs.push(whole(Input::Xarf)),
            FileKind::Outlook => jobs.push(whole(Input::Outlook)),
            FileKind::Mbox { messages } => jobs.extend(messages.iter().enumerate().map(|(i, m)| Job {
                file,
                index: u32::try_from(i).ok(),
                range: Range { offset: m.offset, length: m.length, sha256: None, ..whole(Input::Message).range },
            })),
            FileKind::Other => {}
        }
    }
    jobs
}

/// The item, still without a name, and how many bytes the answer had.
fn analyse_range(worker: &WorkerCommand, range: &Range<'_>, limits: &Limits, keys: &Keys) -> (Item, u64) {
    let mut item =
        Item { name: String::new(), index: None, analysis: None, cost: Cost::default(), warnings: BTreeSet::new() };
    let Ok((bytes, whole)) = read_range(range, limits) else {
        item.warnings.insert(Warning::Unreadable);
        return (item, 0);
    };
    if !whole {
        item.warnings.insert(Warning::TooLarge);
    } else if range.sha256.is_some_and(|expected| hashes::of(&bytes).0 != expected) {
        item.warnings.insert(Warning::ChangedSinceScan);
    }
    let start = Instant::now();
    let outcome = analyse_input(worker, range.input, &bytes, limits, keys);
    item.cost.ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(found) => {
            item.cost.peak_bytes = found.peak_bytes;
            item.analysis = Some(found.analysis);
            (item, found.answer_bytes)
        }
        Err(why) => {
            item.warnings.insert(why);
            (item, 0)
        }
    }
}

/// The bytes, and whether they are all.
fn read_range(range: &Range<'_>, limits: &Limits) -> io::Result<(Vec<u8>, bool)> {
    let mut file = scan::open_regular(range.path)?;
    file.seek(SeekFrom::Start(range.offset))?;
    let max = range.length.min(limits.capped().max_bytes);
    let mut bytes = Vec::new();
    (&mut file).take(max).read_to_end(&mut bytes)?;
    let whole = max == range.length || file.read(&mut [0])? == 0;
    Ok((bytes, whole))
}
