//! The one loop: take what waits, let the engine decide, commit once, publish, and only then speak.
//!
//! ```text
//! orders ─▶ engine.handle(input, now)… ─▶ journal.append (one sync) ─▶ publish view ─▶ effects
//!    ▲                                          │ failed                                 │
//!    │                                          ▼                                        │
//!    │                       stop, loudly: what is in memory is not on disk              │
//!    └───────────────────────── signed entries, receipts that were given ◀───────────────┘
//! ```
//!
//! A full disk is told from a broken one: writes are refused with `disk_full` until there is room, and the engine is
//! put back to what the journal holds, for what was decided in memory was never said.

use crate::node::HighWater;
use crate::office::{Office, Order, Outcome, View, now_ms};
use crate::search::Touched;
use crate::{book, metrics};
use lapwing_api::problem::{Code, Problem};
use lapwing_engine::engine::Engine;
use lapwing_engine::fact::Fact;
use lapwing_engine::step::{Answer, Effect, Event, Input, ReplyTo};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::entry::Entry;
use lapwing_record::statement::{Receipt, ReceiptStatus};
use lapwing_store::disk::os::OsDisk;
use lapwing_store::index::Batch;
use lapwing_store::journal::{AppendError, Journal};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long after a failure the index is made anew, and how long between two attempts.
const MEND_EVERY: Duration = Duration::from_secs(2);
/// Inputs that one commit takes at most.
const BATCH: usize = 512;

/// What the driver asks the rest of the node to do, once it is durable.
#[derive(Debug)]
pub enum Outward {
    /// Gossip a new entry.
    Spread(Box<Entry>),
    /// Push an own objection to every agency.
    Push(Box<Entry>),
    /// Try to deliver a statement.
    Deliver {
        /// The case.
        thread: lapwing_record::id::ThreadId,
        /// The statement.
        id: lapwing_record::id::MsgId,
        /// To whom.
        to: lapwing_record::id::Pid,
    },
    /// Tell people.
    Notify(Box<lapwing_engine::fact::Notice>),
}

/// Why the driver ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The journal failed: what was decided is not durable, and nothing more may be said.
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] AppendError),
    /// The high-water file failed.
    #[error("the high-water file cannot be written: {0}")]
    HighWater(#[from] lapwing_store::disk::DiskError),
}

/// The driver of one node.
pub struct Driver {
    /// The rules.
    pub engine: Engine,
    /// The truth.
    pub journal: Journal,
    /// What is shared.
    pub office: Arc<Office>,
    /// What waits.
    pub orders: mpsc::Receiver<Order>,
    /// Where effects go.
    pub outward: mpsc::UnboundedSender<Outward>,
    /// The high-water file beside the data folder.
    pub highwater: PathBuf,
    /// Whether that file could not be written for want of room.
    pub lagging: bool,
    /// When the index was last found unable to follow the journal.
    pub index_behind: Option<Instant>,
    /// Makes the engine anew from the journal, after a full disk.
    pub rebuild: Box<dyn Fn() -> Result<Engine, book::BookError> + Send>,
    /// Callers that wait.
    pub waiting: BTreeMap<ReplyTo, oneshot::Sender<Result<Outcome, Problem>>>,
    /// The next caller's name.
    pub next_reply: ReplyTo,
    /// What the driver handed to itself.
    pub own: VecDeque<Input>,
}

impl Driver {
    /// Runs until the node stops or the journal fails. `first` is what the engine found undone at start.
    pub async fn run(mut self, first: lapwing_engine::step::Step) -> Result<Journal, DriverError> {
        tokio::task::block_in_place(|| self.settle(first))?;
        loop {
            let Some(batch) = self.next_batch().await else { break };
            tokio::task::block_in_place(|| {
                self.take(batch)?;
                self.mend_index();
                Ok::<_, DriverError>(())
            })?;
        }
        Ok(self.journal)
    }

    async fn next_batch(&mut self) -> Option<Vec<Input>> {
        let mut batch: Vec<Input> = self.own.drain(..).collect();
        if batch.is_empty() {
            let now = now_ms();
            // with something to mend it looks again soon
            let most = if self.index_behind.is_some() || self.lagging { 2_000 } else { 60_000 };
            let wake = self.engine.wake_at(now).map_or(most, |at| at.saturating_sub(now).clamp(1, most));
            tokio::select! {
                biased;
                () = self.office.ended() => return None,
                order = self.orders.recv() => { let order = order?; batch.push(self.input(order)); }
                () = tokio::time::sleep(Duration::from_millis(wake)) => batch.push(Input::Wake),
            }
        }
        while batch.len() < BATCH {
            let Ok(order) = self.orders.try_recv() else { break };
            batch.push(self.input(order));
        }
        Some(batch)
    }

    fn input(&mut self, order: Order) -> Input {
        self.next_reply += 1;
        if let Some(reply) = order.reply {
            self.waiting.insert(self.next_reply, reply);
        }
        (order.make)(self.next_reply)
    }

    fn take(&mut self, batch: Vec<Input>) -> Result<(), DriverError> {
        let mut all = lapwing_engine::step::Step::default();
        self.office.metrics.batch(batch.len());
        for input in batch {
            let kind = metrics::kind(&input);
            let step = self.engine.handle(input, now_ms());
            self.office.metrics.handled(kind, &step);
            all.facts.extend(step.facts);
            all.effects.extend(step.effects);
        }
        self.settle(all)
    }

    /// Persist, then speak.
    fn settle(&mut self, step: lapwing_engine::step::Step) -> Result<(), DriverError> {
        let (facts, effects) = (step.facts, step.effects);
        let mut touched = Touched::default();
        if !facts.is_empty() {
            let payloads: Vec<Vec<u8>> = facts.iter().map(book::write_fact).collect();
            let begun = Instant::now();
            let own = self.lagging || facts.iter().any(|f| f.moves_high_water(&self.office.me));
            // beside each other: where one lags after a crash, the header that both speak of is reserved durably
            let highwater = own.then(|| self.highwater());
            let (appended, marked) = std::thread::scope(|scope| {
                let path = &self.highwater;
                let marking = highwater
                    .map(|bytes| scope.spawn(move || lapwing_store::atomic_file::replace(&OsDisk, path, &bytes)));
                let appended = self.journal.append(&payloads);
                (appended, marking.map_or(Ok(()), |m| m.join().expect("writing a file does not panic")))
            });
            match appended {
                Ok(positions) => {
                    self.office.metrics.committed(&facts, self.engine.state(), begun.elapsed());
                    self.note(&facts, &positions);
                    facts.iter().zip(&positions).for_each(|(fact, at)| touched.add(fact, *at));
                    match marked {
                        // it lags until there is room: what it guards is durable in the journal
                        Err(error) if error.is_full() => self.lagging = true,
                        marked => {
                            marked?;
                            self.lagging &= !own;
                        }
                    }
                }
                Err(error) if matches!(error, AppendError::Full(_)) => return self.no_room(error),
                Err(error) => return Err(error.into()),
            }
        }
        let events: Vec<Event> =
            effects.iter().filter_map(|e| if let Effect::Event(e) = e { Some(e.clone()) } else { None }).collect();
        self.publish(None, events, touched);
        for effect in effects {
            self.perform(effect);
        }
        Ok(())
    }

    fn publish(&self, full: Option<String>, events: Vec<Event>, touched: Touched) {
        let view = View::of(&self.engine, full);
        self.office.publish(view, events, touched);
    }

    /// The index follows the journal; where it cannot, it is made anew.
    fn note(&mut self, facts: &[Fact], positions: &[lapwing_store::journal::Position]) {
        let mut batch = Batch::new();
        for (fact, position) in facts.iter().zip(positions) {
            book::note(fact, *position, &mut batch);
        }
        if let Some(last) = positions.last()
            && let Err(error) = self.office.book.index.apply(batch, *last)
        {
            tracing::error!(%error, "the index could not follow the journal");
            self.index_behind.get_or_insert_with(Instant::now);
        }
    }

    /// Makes the index anew from the journal once it could not follow, as soon as there is room again.
    fn mend_index(&mut self) {
        if self.index_behind.is_none() && self.office.book.index.is_broken() {
            // a reader found it so
            self.index_behind = Some(Instant::now());
        }
        if self.index_behind.is_none_or(|at| at.elapsed() < MEND_EVERY) {
            return;
        }
        match self.office.book.rebuild() {
            Ok(()) => {
                tracing::info!("the index was made anew from the journal");
                self.index_behind = None;
            }
            Err(error) => {
                tracing::warn!(%error, "the index cannot be made anew yet");
                self.index_behind = Some(Instant::now());
            }
        }
    }

    /// The disk is full: nothing of this batch was said, so the engine goes back to what the journal holds.
    fn no_room(&mut self, error: AppendError) -> Result<(), DriverError> {
        tracing::error!(%error, "the disk is full; writes are refused until there is room");
        let problem = Problem::new(Code::DiskFull, "the node's disk is full; nothing was changed")
            .hint("Free some room on the data disk; the node goes on by itself.");
        for (_, reply) in std::mem::take(&mut self.waiting) {
            let _ = reply.send(Err(problem.clone()));
        }
        self.own.clear();
        if let Ok(engine) = (self.rebuild)() {
            self.engine.put_back(engine);
        }
        self.publish(Some(error.to_string()), Vec::new(), Touched::default());
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    }

    /// The ends of our own logs, as the high-water file names them.
    fn highwater(&self) -> Vec<u8> {
        HighWater { pid: Some(self.office.me), heads: self.engine.high_water().unwrap_or_default() }.encode()
    }

    fn reply(&mut self, to: ReplyTo, outcome: Outcome) {
        if let Some(reply) = self.waiting.remove(&to) {
            // a caller that no longer waits has gone away: what it asked for stays done
            let _ = reply.send(Ok(outcome));
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(to, outcome) => self.reply(to, outcome),
            Effect::Sign(header, body) => match self.office.vault.sign_entry(&header, body.0) {
                Ok(entry) => self.own.push_back(Input::Signed(entry)),
                Err(error) => tracing::error!(%error, "an own entry could not be signed"),
            },
            Effect::GiveReceipt { thread, id, hash, received, epoch, reply } => {
                let receipt =
                    Receipt { msg_id: id, hash, received, status: ReceiptStatus::Stored, by: self.office.me, epoch };
                let bytes = Bytes(encode(&self.office.vault.sign_receipt(&receipt)));
                self.own.push_back(Input::GaveReceipt { thread, id, receipt: bytes.clone() });
                self.reply(reply, Ok(Answer::Receipt(bytes)));
            }
            Effect::Spread(entry) => self.send_out(Outward::Spread(entry)),
            Effect::Push(entry) => self.send_out(Outward::Push(entry)),
            Effect::Deliver { thread, id, to } => self.send_out(Outward::Deliver { thread, id, to }),
            Effect::Notify(notice) => self.send_out(Outward::Notify(notice)),
            Effect::Event(_) => {}
        }
    }

    fn send_out(&self, outward: Outward) {
        // closed only while the node stops; what is undone is found again at the next start
        let _ = self.outward.send(outward);
    }
}
