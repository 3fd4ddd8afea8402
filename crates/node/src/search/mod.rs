//! Search over this agency's own cases: an index that follows the commits.
//!
//! ```text
//! driver ─ commit ─▶ note: which cases changed ─▶ worker: reads them, one batch, one commit of the index ─▶ found
//!                    (with the view, as one act)     ▲
//! question ──────────▶ up to date? ── no: hurry ─────┘── within 10 s, else `search_not_ready`
//! ```
//!
//! **An answer never lacks what was acknowledged before the question.** Where the index cannot be brought that far, the
//! question is refused: "not seen" is only ever said by an index that is whole.
//!
//! The index is derived ([`lapwing_search`]): it remembers how far in the journal it is. Where that cannot be believed (it
//! is missing, damaged, under another key, of another form, or the weights of harm changed) it is made anew from the cases.
//! The worker sleeps until it is told; after half a minute without work it lets go of what an idle node does not need.

pub mod document;
pub mod saved;
pub mod things;

use crate::cores::on_all_cores;
use crate::office::{Office, View};
use lapwing_api::problem::{Code, Problem};
use lapwing_engine::case::Case;
use lapwing_engine::fact::Fact;
use lapwing_engine::state::State;
use lapwing_record::id::ThreadId;
use lapwing_search::index::{Batch, Document, Index, IndexError};
use lapwing_store::journal::Position;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long changes are gathered before they go in, when nobody asks.
const GATHER: Duration = Duration::from_secs(2);
/// Cases that are read and put in at a time.
const CHUNK: usize = 256;
/// Changed cases that are not waited for any longer.
const MANY: usize = 1000;
/// How long a question waits until the index has what it must have.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long without work the writer, its heap and opened blocks are let go.
const IDLE: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The case that a fact changes.
pub fn touches(fact: &Fact) -> Option<ThreadId> {
    match fact {
        Fact::Said(s) | Fact::Recovered(s) => Some(s.open.thread),
        Fact::Heard(h) => Some(h.open.thread),
        Fact::Tried(t) => Some(t.thread),
        Fact::Receipt(r) | Fact::GaveReceipt(r) => Some(r.thread),
        Fact::Erased(e) => Some(e.thread),
        Fact::Held(h) => Some(h.thread),
        _ => None,
    }
}

/// What facts changed, and how far in the journal they go.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    threads: BTreeSet<ThreadId>,
    upto: Option<Position>,
}

impl Touched {
    /// Takes a fact in.
    pub fn add(&mut self, fact: &Fact, position: Position) {
        self.threads.extend(touches(fact));
        self.upto = Some(position);
    }
}

/// What a replay finds behind a place in the journal.
#[derive(Debug)]
pub struct Since {
    place: Option<Position>,
    met: bool,
    touched: Touched,
}

impl Since {
    /// Behind this place; nothing counts as behind no place.
    pub fn new(place: Option<Position>) -> Self {
        Since { place, met: false, touched: Touched::default() }
    }

    /// Takes the next fact of the journal in.
    pub fn add(&mut self, fact: &Fact, position: Position) {
        if self.met {
            self.touched.add(fact, position);
        } else {
            self.touched.upto = Some(position);
            self.met = self.place == Some(position);
        }
    }

    /// What was found; none where the journal has no record at that place. Second: how far the journal goes.
    fn found(self) -> (Option<Touched>, Option<Position>) {
        let upto = self.touched.upto;
        (self.met.then_some(self.touched), upto)
    }
}

/// How the index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// While it is made anew: cases done, of how many.
    pub making: Option<(usize, usize)>,
    /// Why the last attempt to bring it up to date failed.
    pub trouble: Option<String>,
    /// Cases that wait to go in.
    pub waiting: usize,
}

#[derive(Default)]
struct Queue {
    touched: Touched,
    /// Counts what was noted, and how much of that is in.
    noted: u64,
    done: u64,
    /// How much of it, where it was erased, is in no file any more.
    cleaned: u64,
    since: Option<Instant>,
    hurry: bool,
    /// The index is to be made anew.
    anew: bool,
    condition: Condition,
    stop: bool,
}

/// The search index of a node, and what waits for it.
pub struct Search {
    index: Index,
    queue: Mutex<Queue>,
    told: Condvar,
    moved: Condvar,
}

/// What the index is as of: a place in the journal, and the weights of harm that went in.
fn mark(upto: Option<Position>, state: &State) -> Vec<u8> {
    let mut weights = blake3::Hasher::new();
    for weight in &state.federation.params().harm_weights {
        weights.update(&weight.to_le_bytes());
    }
    let upto = upto.map(|p| p.to_bytes()).unwrap_or_default();
    [&upto[..], weights.finalize().as_bytes()].concat()
}

impl Search {
    /// Opens the index in `folder` under the key that follows from the node's at-rest key.
    pub fn open(folder: &Path, at_rest: &[u8; 32]) -> Result<Self, IndexError> {
        let key = blake3::derive_key("lapwing/1 search index", at_rest);
        let (index, why) = Index::open(folder, &key, &[document::FORM])?;
        if let Some(why) = why {
            tracing::warn!(%why, "the search index is made anew");
        }
        Ok(Search { index, queue: Mutex::default(), told: Condvar::new(), moved: Condvar::new() })
    }

    /// How far in the journal the index says it is; none: it is to be made anew.
    pub fn position(&self) -> Option<Position> {
        let mark = self.index.mark()?;
        Some(Position::from_bytes(*mark.first_chunk::<16>()?))
    }

    /// At start, once the state is there: what changed since the index was last written. `since` holds what came after
    /// [`Search::position`]; where the journal has no record there, the index is of another journal.
    pub fn begin(&self, state: &State, since: Since) {
        let (touched, upto) = since.found();
        let of_now = self.index.mark().is_some_and(|m| m.get(16..) == mark(None, state).get(16..));
        let mut queue = self.queue();
        queue.anew = !of_now || touched.is_none();
        queue.touched = touched.unwrap_or_default();
        queue.touched.upto = upto;
        // nothing is current before the worker has looked: erasures that a crash interrupted are finished then
        queue.noted = 1;
        queue.hurry = true;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a commit changed, and publishes the view in the same act: no question sees one without the other.
    pub(crate) fn note(&self, touched: Touched, publish: impl FnOnce()) {
        let mut queue = self.queue();
        publish();
        if touched.upto.is_some() {
            queue.touched.upto = touched.upto;
        }
        if !touched.threads.is_empty() {
            queue.touched.threads.extend(touched.threads);
            queue.noted += 1;
            queue.since.get_or_insert_with(Instant::now);
            self.told.notify_all();
        }
    }

    /// How the index is.
    pub fn condition(&self) -> Condition {
        let queue = self.queue();
        Condition { waiting: queue.touched.threads.len(), ..queue.condition.clone() }
    }

    /// Waits until the index has everything that was acknowledged before; the view that it then reflects exactly.
    pub fn current(&self, office: &Office) -> Result<(&Index, Arc<View>), Problem> {
        let begun = Instant::now();
        let mut queue = self.queue();
        let wanted = queue.noted;
        loop {
            if self.index.trouble().is_some() && !queue.anew {
                (queue.anew, queue.noted) = (true, queue.noted + 1);
            }
            if queue.condition.making.is_none() && !queue.anew && queue.done >= wanted {
                let view = office.view();
                // an amendment changed the weights: what was computed with the old ones must not be shown
                if self.index.mark().is_some_and(|m| m.get(16..) == mark(None, &view.state).get(16..)) {
                    return Ok((&self.index, view));
                }
                (queue.anew, queue.noted) = (true, queue.noted + 1);
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if left.is_zero() || queue.stop || queue.condition.making.is_some_and(|(done, all)| all - done > MANY * 20)
            {
                return Err(not_ready(&queue.condition));
            }
            queue.hurry = true;
            self.told.notify_all();
            queue = self.moved.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits, within reason, until what was erased is in no file any more; whether it is.
    pub fn cleaned(&self) -> bool {
        let (begun, mut queue) = (Instant::now(), self.queue());
        let wanted = queue.noted;
        while queue.cleaned < wanted {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if left.is_zero() || queue.stop {
                return false;
            }
            queue.hurry = true;
            self.told.notify_all();
            queue = self.moved.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether some file of the index still holds something of a case.
    #[cfg(test)]
    pub(crate) fn holds(&self, thread: &ThreadId) -> bool {
        !self.index.held(&[thread.0]).expect("the index is whole").is_empty()
    }

    /// Lets go of opened blocks, as when the node is idle.
    #[cfg(test)]
    pub(crate) fn forget_opened(&self) {
        self.rest();
    }

    fn stop(&self) {
        self.queue().stop = true;
        self.told.notify_all();
        self.moved.notify_all();
    }

    /// Brings in what waits until the node stops. Blocks.
    fn work(&self, office: &Office) {
        let (mut idle_at, mut first) = (Some(Instant::now() + IDLE), true);
        loop {
            let mut queue = self.queue();
            loop {
                if queue.stop {
                    drop(queue);
                    self.rest();
                    return;
                }
                let waits = queue.noted > queue.done;
                let gathered = queue.since.map(|s| s.elapsed());
                let due = queue.hurry
                    || queue.anew
                    || queue.touched.threads.len() >= MANY
                    || gathered.is_none_or(|g| g >= GATHER);
                if waits && due {
                    break;
                }
                let until = if waits {
                    Some(GATHER.saturating_sub(gathered.unwrap_or_default()))
                } else {
                    idle_at.map(|at| at.saturating_duration_since(Instant::now()))
                };
                match until {
                    Some(Duration::ZERO) if !waits => {
                        idle_at = None;
                        drop(queue);
                        self.rest();
                        queue = self.queue();
                    }
                    Some(until) => {
                        queue = self.told.wait_timeout(queue, until).unwrap_or_else(PoisonError::into_inner).0;
                    }
                    None => queue = self.told.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            }
            let (noted, anew) = (queue.noted, std::mem::take(&mut queue.anew));
            let touched = queue.touched.clone();
            (queue.touched.threads, queue.since, queue.hurry) = (BTreeSet::new(), None, false);
            // the view that has what was noted
            let view = office.view();
            if anew {
                queue.condition.making = Some((0, view.state.cases.size()));
            }
            drop(queue);

            let outcome = self.bring(office, &view, &touched, anew);
            idle_at = Some(Instant::now() + IDLE);
            let mut queue = self.queue();
            queue.condition.making = None;
            if outcome.is_ok() {
                (queue.done, queue.condition.trouble) = (noted, None);
                self.moved.notify_all();
            }
            drop(queue);
            let outcome = outcome.and_then(|()| self.clean(&view, &touched, first));
            let mut queue = self.queue();
            match outcome {
                Ok(()) => (first, queue.cleaned) = (false, noted),
                Err(why) => {
                    tracing::warn!(%why, "the search index could not be brought up to date");
                    queue.condition.trouble = Some(why);
                    queue.anew |= anew || self.index.trouble().is_some();
                    queue.touched.threads.extend(touched.threads);
                    queue.noted += 1;
                    self.moved.notify_all();
                    let begun = Instant::now();
                    while !queue.stop && begun.elapsed() < AGAIN {
                        let left = AGAIN.saturating_sub(begun.elapsed());
                        queue = self.told.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            }
            self.moved.notify_all();
        }
    }

    fn rest(&self) {
        if let Err(error) = self.index.settle() {
            tracing::warn!(%error, "the search index could not be settled");
        }
    }

    /// Puts in what changed and takes out what was erased: from then on questions have it.
    fn bring(&self, office: &Office, view: &View, touched: &Touched, anew: bool) -> Result<(), String> {
        let mark = mark(touched.upto, &view.state);
        if anew {
            return self.make_anew(office, view, &mark);
        }
        let cases = touched.threads.iter().filter_map(|t| view.state.case(t));
        let (erased, living): (Vec<&Case>, Vec<&Case>) = cases.partition(|c| c.erased.is_some());
        let mut remove: Vec<[u8; 32]> = erased.iter().map(|c| c.thread.0).collect();
        let mut chunks = living.chunks(CHUNK).peekable();
        while !remove.is_empty() || chunks.peek().is_some() {
            let put = documents(office, &view.state, chunks.next().unwrap_or_default())?;
            let batch = Batch { put, remove: std::mem::take(&mut remove) };
            // one commit for all of it
            let done = if chunks.peek().is_some() { self.index.add(batch) } else { self.index.apply(batch, &mark) };
            done.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Writes anew whatever file still holds something of an erased case. `all`: of those that were erased at any time, for
    /// a crash may have come in between.
    fn clean(&self, view: &View, touched: &Touched, all: bool) -> Result<(), String> {
        let fault = |e: IndexError| e.to_string();
        let erased: Vec<[u8; 32]> = match all {
            true => view.state.cases.values().filter(|c| c.erased.is_some()).map(|c| c.thread.0).collect(),
            false => {
                let cases = touched.threads.iter().filter_map(|t| view.state.case(t));
                cases.filter(|c| c.erased.is_some()).map(|c| c.thread.0).collect()
            }
        };
        let held = self.index.held(&erased).map_err(fault)?;
        if !held.is_empty() {
            self.index.erase(&held, &self.index.mark().unwrap_or_default()).map_err(fault)?;
        }
        Ok(())
    }

    fn make_anew(&self, office: &Office, view: &View, mark: &[u8]) -> Result<(), String> {
        let fault = |e: IndexError| e.to_string();
        let begun = Instant::now();
        self.index.clear().map_err(fault)?;
        let living: Vec<&Case> = view.state.cases.values().filter(|c| c.erased.is_none()).map(|c| &**c).collect();
        let mut done = 0;
        for chunk in living.chunks(CHUNK) {
            let put = documents(office, &view.state, chunk)?;
            // found, and marked, only when all are in
            self.index.add_new(put).map_err(fault)?;
            done += chunk.len();
            let mut queue = self.queue();
            queue.condition.making = Some((done, living.len()));
            if queue.stop {
                return Err("the node is stopping".into());
            }
        }
        self.index.apply(Batch::default(), mark).map_err(fault)?;
        if !living.is_empty() {
            let took = begun.elapsed().as_millis();
            tracing::info!(cases = living.len(), took_ms = took as u64, "the search index was made anew");
        }
        Ok(())
    }
}

fn documents(office: &Office, state: &State, cases: &[&Case]) -> Result<Vec<Document>, String> {
    on_all_cores(cases, |case| document::document(office, state, case)).into_iter().collect()
}

fn not_ready(condition: &Condition) -> Problem {
    let what = match (condition.making, &condition.trouble) {
        (Some((done, all)), _) => format!("the search index is being made anew: {done} of {all} cases"),
        (None, Some(why)) => format!("the search index is not up to date: {why}"),
        (None, None) => "the search index is not up to date yet".to_owned(),
    };
    Problem::new(Code::SearchNotReady, what)
}

/// Ends the worker, also where nobody waits for it any more.
struct Ends<'a>(&'a Search);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Keeps the search index up to date until the node's end.
pub async fn run(office: Arc<Office>) {
    let worker = office.clone();
    let work = tokio::task::spawn_blocking(move || worker.search.work(&worker));
    let ends = Ends(&office.search);
    office.ended().await;
    drop(ends);
    if work.await.is_err() {
        tracing::error!("the search index's worker failed");
    }
}
