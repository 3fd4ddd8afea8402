//! One node: its keys, its real engine, its journal, and what a disk would hold beside it.

use crate::message::Req;
use crate::words::Words;
use lapwing_engine::author::Chain;
use lapwing_engine::between::Between;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::Fact;
use lapwing_engine::federation::{Federation, Plane};
use lapwing_engine::membership::Standing;
use lapwing_engine::state::State;
use lapwing_engine::step::{Effect, Input, ReplyTo};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::{Digest, EntryId, HashOf, MsgId, Pid, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::Application;
use lapwing_record::sign::SecretKey;
use lapwing_record::testkit::TestAgency;
use lapwing_record::wire::HeadRow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes of one fact at most: a statement with its overhead.
const MAX_FACT: usize = 2 << 20;

/// What becomes of a participant in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does what its engine says.
    Honest,
    /// It writes two entries at one place and shows each to half of the others.
    Forker,
    /// It keeps to itself what others wrote.
    Withholder,
    /// Its clock is ten years off, forwards or back.
    ClockLiar,
    /// It excuses everybody of everything at once.
    EarlyExcuser,
    /// It shows proofs of forks that are none.
    FalseProver,
    /// Its feed key is stolen, and somebody writes with it.
    Robbed,
    /// Its feed key and its officers' keys are stolen; its root grants new ones later.
    Burgled,
    /// It seats everybody before it says a word of them, so that they elect each other.
    FalseSeater,
    /// It sends everybody a lot: what is old, out of place, of strangers, and applications of made-up agencies.
    Flooder,
    /// Its clock runs fifty times as fast.
    ClockRacer,
    /// A private-sector participant that asks everybody for everything.
    Greedy,
}

/// Who waits for the engine's reply.
#[derive(Clone, Debug)]
pub enum Waiter {
    /// Nobody.
    Nobody,
    /// Entries of these authors came from this node, in this exchange if it was one.
    Placed(usize, Vec<Pid>, Option<Req>),
    /// An objection was pushed by this node.
    Pushed(usize, EntryId),
    /// A statement came from this node in this request.
    Heard(usize, Req, MsgId),
    /// An application came.
    Applied(Pid),
    /// An officer wants to vote on this.
    Vote(String),
    /// A person wanted something else done: what, for the trace.
    Person(String),
}

/// A pull from a peer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// With whom.
    pub peer: usize,
    /// Of which plane.
    pub plane: Plane,
    /// Rounds so far.
    pub rounds: u32,
    /// Heads of our own logs that the peer has and that were not here, in the planes done.
    pub lacking: Vec<HeadRow>,
    /// The same for the plane at hand.
    pub lacking_here: Vec<HeadRow>,
}

/// A copy of the journal's end, and what a crash would leave of it.
pub struct Pending {
    /// Decided, being synced.
    pub facts: Vec<Fact>,
    /// To be done once they are durable.
    pub effects: Vec<Effect>,
    /// The high-water file that is written beside the journal.
    pub highwater: Option<Vec<(LogKind, u64, EntryId)>>,
}

/// What the journal's durable facts add up to, for serving and for judging.
#[derive(Clone, Default)]
pub struct Book {
    /// Entries kept, in the order in which they are served.
    pub entries: BTreeMap<(Pid, LogKind, u64, u64, EntryId), Entry>,
    /// Statements under their case keys.
    pub statements: BTreeMap<MsgId, (ThreadId, Bytes)>,
    /// Statements of others that are durable here.
    pub heard: BTreeSet<MsgId>,
    /// Ids of the entries kept.
    pub ids: BTreeSet<EntryId>,
    /// Who said what of whom.
    pub words: Words,
}

impl Book {
    /// Takes a durable fact. `federation` knows the authors.
    pub fn note(&mut self, fact: &Fact, federation: &Federation) {
        match fact {
            Fact::Entry(kept) => {
                let (h, id) = (kept.entry.header(), kept.entry.id());
                self.ids.insert(id);
                self.entries.insert((h.pid, h.log, h.epoch, h.seq, id), kept.entry.clone());
                if let Some(keys) = federation.author(&h.pid).and_then(|a| a.id.keys(h.epoch)) {
                    self.words.take(&kept.entry, keys, federation.network());
                }
            }
            Fact::Said(s) | Fact::Recovered(s) => {
                self.statements.insert(s.open.id, (s.open.thread, s.locked.clone()));
            }
            Fact::Heard(h) => {
                self.heard.insert(h.open.id);
                self.statements.insert(h.open.id, (h.open.thread, h.locked.clone()));
            }
            Fact::Declined(d) => {
                self.statements.insert(d.open.id, (d.open.thread, d.locked.clone()));
            }
            _ => {}
        }
    }
}

/// A node.
pub struct Node {
    /// Its keys of the first epoch.
    pub agency: TestAgency,
    /// When it first asks to be introduced, in virtual time.
    pub applies_from: u64,
    /// What it asks with.
    pub application: Option<Box<Application>>,
    /// Its participant.
    pub pid: Pid,
    /// What it is up to.
    pub role: Role,
    /// The real engine.
    pub engine: Engine,
    /// What is published: the state at the last commit.
    pub view: State,
    /// The journal: facts as bytes, all of them synced.
    pub journal: Vec<Vec<u8>>,
    /// The journal's length after each commit: where an older copy may end.
    pub commits: Vec<usize>,
    /// What the journal adds up to beside the state.
    pub book: Book,
    /// The high-water file.
    pub highwater: Vec<(LogKind, u64, EntryId)>,
    /// That this is an older copy whose head and cases are not all back.
    pub marked: bool,
    /// Whether it runs.
    pub up: bool,
    /// Starts so far: what belongs to an earlier life is dropped.
    pub life: u32,
    /// Handed in by the driver itself: taken first.
    pub own: VecDeque<Input>,
    /// Waits for the driver.
    pub orders: VecDeque<Input>,
    /// Being synced.
    pub pending: Option<Pending>,
    /// Who waits for which reply.
    pub waiting: BTreeMap<ReplyTo, Waiter>,
    /// Pulls under way.
    pub exchanges: BTreeMap<Req, Exchange>,
    /// Statements under way.
    pub tries: BTreeMap<Req, (ThreadId, MsgId)>,
    /// Whether it will look at what waits at once.
    pub turning: bool,
    /// Whether it loses power in the middle of its next sync.
    pub doomed: bool,
    /// Milliseconds that its clock is ahead of virtual time.
    pub offset: i64,
    /// Milliseconds that its clock has jumped since the start.
    pub jumped: i64,
    /// Times in a row that it found something open when it looked at its peers.
    pub open_ticks: u32,
    /// Exchanges that it has begun with one peer after the other.
    pub turn: usize,
    /// Virtual time of its next wake-up; others are out of date.
    pub wake: u64,
    /// Entries that it signed for, and statements that it receipted, in this and earlier lives.
    pub promised: (BTreeSet<EntryId>, BTreeSet<MsgId>),
    /// Statements that it refused at first.
    pub refused: BTreeSet<MsgId>,
    /// The state that a replay of the journal must give, where it can be said.
    pub last_durable: Option<Digest>,
    /// What a replay gave instead, for the judge.
    pub replayed: Option<Digest>,
    /// Where everyone stood when it last looked.
    pub stood: BTreeMap<Pid, Standing>,
    /// When an applicant was first seen in full standing, or itself.
    pub counted: u64,
    /// What it did that no node may do, as soon as it is known.
    pub wrong: Vec<(&'static str, String)>,
}

/// The engine of a node at its very beginning.
pub fn fresh_engine(charter: &CharterFile, agency: &TestAgency, seed: u64) -> Engine {
    let network = charter.charter.network_id();
    let first = agency.first_entry(&network);
    let id = IdLog::fold(agency.pid(), [&first], &network).expect("a made-up agency's first entry is valid");
    Engine::new(charter, id, vec![first], Config { auto_clear: true, seed }).judged_outside()
}

/// A fact as the journal holds it.
pub fn write_fact(fact: &Fact) -> Vec<u8> {
    encode(fact)
}

/// A fact of the journal.
pub fn read_fact(bytes: &[u8]) -> Fact {
    decode(bytes, MAX_FACT).expect("the journal holds what `write_fact` wrote")
}

/// Names a state as far as a replay must give it again (protocol §7, invariant 29).
pub fn state_name(state: &State) -> Digest {
    let mut bytes = Vec::new();
    let f = &state.federation;
    bytes.extend(encode(&(state.digest, f.state_digest(), f.heads_root(Plane::Pub), f.heads_root(Plane::Agy))));
    bytes.extend(encode(&(state.as_of, f.entries(), state.reached.len() as u64)));
    for reserved in state.reserved.iter() {
        bytes.extend(encode(&reserved.header.id()));
    }
    for (thread, case) in state.cases.iter() {
        bytes.extend(encode(&(*thread, case.stage().as_str().to_owned())));
        for told in case.asked.iter().chain(&case.answered) {
            let refused = told.refused.as_ref().map(|(why, _)| why.code().to_owned());
            let delivery = told.delivery.as_ref();
            let delivered = delivery.map(|d| (d.tries, d.next, d.failed));
            bytes.extend(encode(&(told.open.id, told.receipt.clone(), refused)));
            bytes.extend(encode(&(delivered, delivery.and_then(|d| d.receipt.clone()))));
        }
    }
    for (id, thread) in state.outbox.iter() {
        bytes.extend(encode(&(*id, *thread, state.unsent.get(id).cloned())));
    }
    for (id, pending) in state.proposals.iter() {
        bytes.extend(encode(&(*id, pending.approvals.clone())));
    }
    for (id, noticed) in state.notices.iter() {
        bytes.extend(encode(&(*id, noticed.told.clone(), noticed.failures.clone())));
    }
    for (id, by) in state.acks.iter() {
        bytes.extend(encode(&(*id, by.iter().copied().collect::<Vec<Pid>>())));
    }
    for pid in state.inbox.keys() {
        bytes.extend(encode(pid));
    }
    for (target, window) in state.noted.iter() {
        bytes.extend(encode(&(*target, window.noted, window.window_ms, window.grace_ms)));
    }
    Digest(HashOf::State.hash(&bytes))
}

impl Node {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.agency.inception.short_name
    }

    /// Its participant.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the promises of the protocol hold for it: it is no adversary, and nobody has its keys.
    pub fn honest(&self) -> bool {
        matches!(self.role, Role::Honest | Role::ClockLiar | Role::ClockRacer)
    }

    /// Its key for signing in an epoch.
    pub fn feed(&self, epoch: u64) -> SecretKey {
        if epoch == 0 { self.agency.feed.clone() } else { self.later_key("feed", epoch) }
    }

    /// An officer's key in an epoch.
    pub fn officer(&self, epoch: u64) -> SecretKey {
        if epoch == 0 { self.agency.officers[0].clone() } else { self.later_key("officer", epoch) }
    }

    fn later_key(&self, what: &str, epoch: u64) -> SecretKey {
        let name = format!("{} {what} {epoch}", self.name());
        SecretKey::from_seed(blake3::derive_key("lapwing-sim 1 later key", name.as_bytes()))
    }

    /// The epoch that it signs in, by its own view.
    pub fn epoch(&self) -> u64 {
        self.view.my_id().epoch()
    }

    /// What runs between it and another participant, as it judges.
    pub fn between(&self, other: &Pid) -> Between {
        self.view.federation.between(&self.pid, other)
    }

    /// Whether the journal is behind the high-water file, as the node judges it at start.
    pub fn is_older_copy(&self) -> bool {
        let state = self.engine.state();
        let author = state.federation.author(&state.me).expect("the node hosts its own participant");
        let here = |(log, seq, id): &(LogKind, u64, EntryId)| {
            let held = author.log(*log).values().flat_map(Chain::lines).any(|l| l.seq == *seq && l.id == *id);
            held || state.reserved.iter().any(|r| r.header.id() == *id)
        };
        !self.highwater.iter().all(here)
    }

    /// The key of one of its cases.
    pub fn case_key(&self, thread: &ThreadId) -> [u8; 32] {
        blake3::derive_key("lapwing-sim 1 case key", &[self.pid().0, thread.0].concat())
    }
}
