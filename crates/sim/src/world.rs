//! The world of one run: nodes, the network between them, one virtual clock, one seed.
//!
//! Whatever happens is an [`Event`] in one queue ordered by (time, sequence); the same seed gives the same run.

use crate::counts::Counts;
use crate::dice::Dice;
use crate::message::{Message, Req};
use crate::mutant::Mutant;
use crate::node::{Book, Node, Role, Waiter, fresh_engine};
use crate::people::Act;
use crate::trace::Row;
use lapwing_engine::step::{Input, ReplyTo};
use lapwing_record::charter::{Charter, CharterFile, Params};
use lapwing_record::id::{Digest, NetworkId, Pid};
use lapwing_record::testkit::{TestAgency, charter_of};
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds UTC at which every run begins: Friday, 2026-11-20, 12:00.
pub const BEGIN: u64 = 1_795_176_000_000;
/// W of these federations, in milliseconds.
pub const WINDOW_MS: u64 = 40_000;
/// G of these federations, in milliseconds.
pub const GRACE_MS: u64 = 20_000;

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// A message arrives: from, to, their lives when it was sent.
    Arrives(usize, usize, (u32, u32), Box<Message>),
    /// A node's journal is synced.
    Synced(usize, u32),
    /// A node takes what waits for it.
    Turn(usize, u32),
    /// A node wakes by itself.
    Wake(usize, u32),
    /// A node looks for an exchange that is due.
    Tick(usize, u32),
    /// An answer has not come.
    TimedOut(usize, u32, Req),
    /// Somebody does something.
    Person(usize, Act),
    /// Something breaks.
    Breaks(Fault),
}

/// What breaks, or heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A node loses power.
    Crash(usize),
    /// It loses power in the middle of its next sync.
    CrashUnsynced(usize),
    /// It starts again.
    Start(usize),
    /// It starts from an older copy of its journal; whether the high-water file is still there.
    Restore(usize, bool),
    /// Its clock jumps by so many milliseconds.
    Clock(usize, i64),
    /// The network falls apart; the number decides how.
    Part(u64),
    /// One direction of a link carries nothing, and nobody is told.
    HalfOpen(usize, usize),
    /// All links work again.
    Heal,
}

/// The network.
#[derive(Default)]
pub struct Net {
    /// The side of each node; nodes of different sides do not reach each other.
    pub side: Vec<u64>,
    /// Directions that carry nothing.
    pub dead: BTreeSet<(usize, usize)>,
    /// Messages lost, in a hundred.
    pub loss: u64,
    /// Messages doubled, in a hundred.
    pub double: u64,
    /// Milliseconds under way at most.
    pub delay: u64,
}

/// The world.
pub struct World {
    /// The seed.
    pub seed: u64,
    /// Chance.
    pub dice: Dice,
    /// Milliseconds UTC.
    pub now: u64,
    /// The founding document.
    pub charter: CharterFile,
    /// Its id.
    pub network: NetworkId,
    /// The nodes: founders first.
    pub nodes: Vec<Node>,
    /// How many founded.
    pub founders: usize,
    /// Which node is whose.
    pub index: BTreeMap<Pid, usize>,
    /// The network.
    pub net: Net,
    /// What goes wrong in every honest node, on purpose.
    pub mutant: Option<Mutant>,
    /// Whether nothing breaks any more.
    pub quiet: bool,
    /// Counters.
    pub counts: Counts,
    /// What happened.
    pub trace: Vec<Row>,
    /// Nodes whose durable state changed with the last event.
    pub changed: BTreeSet<usize>,
    /// The state that each set of heads gave.
    pub states: BTreeMap<Digest, Digest>,
    /// Agency-only entries on their way: from, to, in words; looked at after each event.
    pub agency_writes: Vec<(usize, usize, String)>,
    /// Statements on their way: from, to.
    pub sealed: Vec<(usize, usize)>,
    /// When somebody last took an entry that it had not.
    pub news: u64,
    pub(crate) queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    next_number: u64,
}

/// Invented names, none of a real body.
const NAMES: [&str; 12] =
    ["harbor", "polder", "han", "savanna", "amazon", "fjord", "mesa", "delta", "tundra", "lagoon", "steppe", "courier"];

impl World {
    /// The world of a seed at its beginning.
    pub fn new(seed: u64, mutant: Option<Mutant>) -> World {
        let mut dice = Dice::new(seed);
        // most bugs show among few, and few are quick
        let (least, most) = dice.pick(&[(3, 5), (3, 5), (3, 5), (6, 8), (9, NAMES.len() as u64)]).unwrap_or((3, 5));
        let total = dice.between(least, most) as usize;
        let founders = dice.between(2, (total as u64 - 1).min(6)) as usize;
        let private = total == NAMES.len() || dice.chance(60);
        let agencies: Vec<TestAgency> = (0..total)
            .map(|i| match i {
                _ if i + 1 == total && private => {
                    TestAgency::of_class(NAMES[NAMES.len() - 1], lapwing_record::identity::Category::Courier)
                }
                _ => TestAgency::named(NAMES[i]),
            })
            .collect();
        let founding: Vec<&TestAgency> = agencies[..founders].iter().collect();
        let charter = Charter {
            params: Params { window_ms: WINDOW_MS, grace_ms: GRACE_MS, ..Params::default() },
            ..charter_of(&founding)
        };
        let network = charter.network_id();
        let parts = founding.iter().map(|f| f.found(&charter)).collect();
        let charter = CharterFile::join(charter, parts).expect("made-up founders sign a valid charter");
        let mut world = World {
            seed,
            now: BEGIN,
            network,
            founders,
            index: agencies.iter().enumerate().map(|(i, a)| (a.pid(), i)).collect(),
            net: Net {
                side: vec![0; total],
                dead: BTreeSet::new(),
                loss: dice.below(16),
                double: dice.below(11),
                delay: dice.between(20, 1500),
            },
            nodes: Vec::new(),
            charter,
            mutant,
            dice,
            quiet: false,
            counts: Counts::default(),
            trace: Vec::new(),
            changed: BTreeSet::new(),
            states: BTreeMap::new(),
            agency_writes: Vec::new(),
            sealed: Vec::new(),
            news: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            next_number: 1,
        };
        for (n_th, agency) in agencies.into_iter().enumerate() {
            let engine = fresh_engine(&world.charter, &agency, seed);
            let offset = world.dice.below(4_000) as i64 - 2_000;
            // some come when others have been admitted already
            let applies_from = BEGIN + if world.dice.chance(50) { 0 } else { world.dice.between(25_000, 90_000) };
            world.nodes.push(Node {
                pid: agency.pid(),
                agency,
                applies_from,
                application: None,
                role: Role::Honest,
                view: engine.state().clone(),
                engine,
                journal: Vec::new(),
                commits: Vec::new(),
                book: Book::default(),
                highwater: Vec::new(),
                marked: false,
                up: false,
                life: 0,
                own: Default::default(),
                orders: Default::default(),
                pending: None,
                waiting: BTreeMap::new(),
                exchanges: BTreeMap::new(),
                tries: BTreeMap::new(),
                turning: false,
                doomed: false,
                offset,
                jumped: 0,
                open_ticks: 0,
                turn: n_th,
                wake: 0,
                promised: Default::default(),
                refused: BTreeSet::new(),
                last_durable: None,
                replayed: None,
                stood: BTreeMap::new(),
                counted: 0,
                wrong: Vec::new(),
            });
        }
        world
    }

    /// Lets something happen in so many milliseconds.
    pub fn after(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + ms, self.sequence), event);
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Writes a step down.
    pub fn note(&mut self, who: usize, whom: Option<usize>, what: impl Into<String>) {
        let name = |i: usize| self.nodes[i].name().to_owned();
        let row = Row { at: self.now - BEGIN, who: name(who), whom: whom.map(name), what: what.into() };
        self.trace.push(row);
    }

    /// The clock of a node.
    pub fn clock(&self, n: usize) -> u64 {
        self.now.saturating_add_signed(self.nodes[n].offset)
    }

    /// Whether two nodes are connected.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        a != b && self.nodes[a].up && self.nodes[b].up && self.net.side[a] == self.net.side[b]
    }

    /// Who a node is connected to.
    pub fn peers(&self, n: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|p| self.connected(n, *p)).collect()
    }

    /// Hands a node something to take, with whoever waits for the reply.
    pub fn order(&mut self, n: usize, waiter: Waiter, make: impl FnOnce(ReplyTo) -> Input) {
        let reply = self.number();
        let node = &mut self.nodes[n];
        node.waiting.insert(reply, waiter);
        node.orders.push_back(make(reply));
        self.turn_soon(n);
    }

    /// Hands a node something that nobody waits for.
    pub fn tell(&mut self, n: usize, input: Input) {
        self.nodes[n].orders.push_back(input);
        self.turn_soon(n);
    }

    /// Lets a node look at what waits, unless it will, or is syncing.
    pub(crate) fn turn_soon(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if node.pending.is_none() && !std::mem::replace(&mut node.turning, true) {
            let life = node.life;
            self.after(0, Event::Turn(n, life));
        }
    }

    /// Sends a message.
    pub fn send(&mut self, from: usize, to: usize, message: Message) {
        for entry in message.entries() {
            if entry.header().log == lapwing_record::entry::LogKind::Agy {
                self.agency_writes.push((from, to, crate::message::entry(entry)));
            }
        }
        if matches!(message, Message::Case(..)) {
            self.sealed.push((from, to));
        }
        self.counts.messages += 1;
        if !self.connected(from, to) || self.net.dead.contains(&(from, to)) || self.dice.chance(self.net.loss) {
            self.counts.lost += 1;
            self.note(from, Some(to), format!("(lost) {}", message.words()));
            return;
        }
        self.note(from, Some(to), message.words());
        let lives = (self.nodes[from].life, self.nodes[to].life);
        let copies = if self.dice.chance(self.net.double) { 2 } else { 1 };
        self.counts.doubled += copies - 1;
        for _ in 0..copies {
            let delay = self.dice.between(5, self.net.delay);
            self.after(delay, Event::Arrives(from, to, lives, Box::new(message.clone())));
        }
    }

    /// Takes the next event; false when there is none before `until`.
    pub fn step(&mut self, until: u64) -> bool {
        let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= until) else { return false };
        let ((at, _), event) = entry.remove_entry();
        self.now = at;
        self.changed.clear();
        self.agency_writes.clear();
        self.sealed.clear();
        self.counts.events += 1;
        match event {
            // a connection that broke meanwhile takes with it what was under way
            Event::Arrives(from, to, lives, message)
                if self.connected(from, to) && (self.nodes[from].life, self.nodes[to].life) == lives =>
            {
                self.arrives(from, to, *message);
            }
            Event::Synced(n, life) if self.lives(n, life) => self.synced(n),
            Event::Turn(n, life) if self.lives(n, life) => self.turn(n),
            Event::Wake(n, life) if self.lives(n, life) && self.nodes[n].wake == at => {
                self.tell(n, Input::Wake);
            }
            Event::Tick(n, life) if self.lives(n, life) => self.tick(n),
            Event::TimedOut(n, life, req) if self.lives(n, life) => self.timed_out(n, req),
            Event::Person(n, act) => self.person(n, act),
            Event::Breaks(fault) => self.breaks(fault),
            _ => {}
        }
        true
    }

    fn lives(&self, n: usize, life: u32) -> bool {
        self.nodes[n].up && self.nodes[n].life == life
    }
}
