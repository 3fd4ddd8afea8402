//! The connections of a node: what is known of each peer, requests and their answers, gossip out.
//!
//! What comes in, and what follows from who is connected, is the switchboard's.

use crate::office::{Office, View, now_ms};
use crate::reach::Reaching;
use lapwing_engine::between::Between;
use lapwing_net::config::{NetConfig, StartError};
use lapwing_net::handle::Handle;
use lapwing_net::message::{Class, Command, Event, GOSSIP_MAX, Plane as NetPlane, Protocol};
use lapwing_net::peer::Peer;
use lapwing_record::entry::Entry;
use lapwing_record::id::Pid;
use lapwing_record::wire::{Hello, Plane};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Milliseconds after gossip at which some peers are asked whether they differ.
const FOLLOW_UP_MS: u64 = 1_000;
/// How many of them.
const FOLLOW_UP_PEERS: usize = 8;
/// Requests of ours that a peer has at a time: it refuses more than 32 (`net::config::Limits::requests_per_peer`).
const AT_A_TIME: usize = 24;

/// The highest schema that this program reads.
pub(crate) const SCHEMA: u64 = 1;

/// What is known of one node.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Whose it is, once proven.
    pub pid: Option<Pid>,
    /// The class last told to the network part.
    pub class: Class,
    /// Whether it is connected.
    pub connected: bool,
    /// Addresses it was reached at.
    pub addrs: Vec<String>,
    /// Milliseconds UTC when all planes were last found level.
    pub level_at: Option<u64>,
    /// Why the last attempt failed.
    pub trouble: Option<String>,
    pub(crate) hello: Option<Hello>,
    /// What its hello proves beyond what our directory knows.
    pub(crate) proof: Option<Proof>,
    pub(crate) dials: u32,
    pub(crate) next_dial: u64,
    pub(crate) announced: bool,
    pub(crate) next_greet: u64,
    pub(crate) next_sync: u64,
    pub(crate) syncing: bool,
    pub(crate) sync_again: bool,
    pub(crate) clock_offset: Option<i64>,
    /// The other end of its connection, as we see it.
    pub(crate) seen_at: Option<String>,
    /// Its program and version, as it says.
    pub(crate) program: Option<String>,
    /// Since when it may ask to be dialled again, in milliseconds UTC.
    pub(crate) next_reach: u64,
}

/// What became of a look at a hello. Signatures are checked once for each hello and log, not whenever classes are
/// computed: a hello may carry a hundred of them, and anybody may send one.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// Entries of the participant's log 0 that were held then.
    pub(crate) known: usize,
    /// Until when the binding in the hello is in force, in milliseconds UTC; none if it proves nothing.
    pub(crate) until: Option<u64>,
}

/// What this node knows of its own application.
#[derive(Clone, Debug, Default)]
pub struct Applying {
    /// Agencies that have it.
    pub submitted: BTreeSet<Pid>,
    /// How it stands, as an agency last told: `submitted`, or a standing.
    pub told: Option<String>,
    /// Why the last attempt failed.
    pub trouble: Option<String>,
}

/// What a request to a peer comes to.
type Answered = Result<Vec<u8>, String>;

/// The connections of one node.
pub struct Links {
    pub(crate) office: Arc<Office>,
    pub(crate) config: NetConfig,
    pub(crate) me: Peer,
    pub(crate) handle: Mutex<Handle>,
    pub(crate) links: Mutex<BTreeMap<Peer, Link>>,
    pub(crate) requests: Mutex<BTreeMap<u64, oneshot::Sender<Answered>>>,
    /// Requests that may be under way, by peer.
    places: Mutex<BTreeMap<Peer, Arc<Semaphore>>>,
    next_request: AtomicU64,
    pub(crate) next_bootstrap: AtomicU64,
    pub(crate) listening: Mutex<Vec<String>>,
    pub(crate) reach: Reaching,
    /// How this node's own application goes.
    pub application: Mutex<Applying>,
    /// Counts peers that came up, and dials that failed.
    pub(crate) moved: watch::Sender<u64>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The class of the link between us and a participant, by what the fold says (annex §7.1).
pub fn class_between(view: &View, me: &Pid, pid: &Pid) -> Class {
    match view.state.federation.between(me, pid) {
        Between::Nothing => Class::Stranger,
        Between::Participants => Class::Participant,
        Between::Agencies => Class::Agency,
    }
}

impl Links {
    /// Starts the network part.
    pub fn start(office: Arc<Office>, config: NetConfig) -> Result<(Arc<Self>, mpsc::Receiver<Event>), StartError> {
        let (handle, events) = lapwing_net::handle::start(config.clone())?;
        let links = Links {
            me: handle.peer(),
            office,
            config,
            handle: Mutex::new(handle),
            links: Mutex::default(),
            requests: Mutex::default(),
            places: Mutex::default(),
            next_request: AtomicU64::new(1),
            next_bootstrap: AtomicU64::new(0),
            listening: Mutex::default(),
            reach: Reaching::default(),
            application: Mutex::default(),
            moved: watch::channel(0).0,
        };
        Ok((Arc::new(links), events))
    }

    /// This node's peer id.
    pub fn me(&self) -> Peer {
        self.me
    }

    /// Where this node listens.
    pub fn listening(&self) -> Vec<String> {
        lock(&self.listening).clone()
    }

    /// What is known of every node.
    pub fn all(&self) -> Vec<(Peer, Link)> {
        lock(&self.links).iter().map(|(p, l)| (*p, l.clone())).collect()
    }

    /// A connected node of a participant.
    pub fn node_of(&self, pid: &Pid) -> Option<Peer> {
        lock(&self.links).iter().find(|(_, l)| l.connected && l.pid == Some(*pid)).map(|(p, _)| *p)
    }

    /// Whose node it is.
    pub fn owner(&self, peer: &Peer) -> Option<Pid> {
        lock(&self.links).get(peer).and_then(|l| l.pid)
    }

    /// Connected nodes, with their owners.
    pub fn connected(&self) -> Vec<(Peer, Pid)> {
        let links = lock(&self.links);
        links.iter().filter(|(_, l)| l.connected).filter_map(|(p, l)| Some((*p, l.pid?))).collect()
    }

    /// Milliseconds that each connected member's clock is ahead of ours, ascending.
    pub(crate) fn clock_offsets(&self) -> Vec<i64> {
        let links = lock(&self.links);
        let members = links.values().filter(|l| l.connected && l.class != Class::Stranger);
        let mut offsets: Vec<i64> = members.filter_map(|l| l.clock_offset).collect();
        offsets.sort_unstable();
        offsets
    }

    /// What the network part has counted.
    pub(crate) fn stats(&self) -> lapwing_net::stats::Stats {
        self.handle().stats()
    }

    fn handle(&self) -> Handle {
        lock(&self.handle).clone()
    }

    pub(crate) async fn send(&self, command: Command) {
        // a stopped network part is started anew by the event loop; what was to be sent is found again by sync
        let _ = self.handle().send(command).await;
    }

    /// Asks a peer and waits for its answer.
    pub async fn request(&self, peer: Peer, protocol: Protocol, bytes: Vec<u8>) -> Answered {
        // what a peer would refuse waits here instead; a hello or an application comes first and alone
        let places = match protocol {
            Protocol::Hello | Protocol::Apply => None,
            _ => Some(lock(&self.places).entry(peer).or_insert_with(|| Arc::new(Semaphore::new(AT_A_TIME))).clone()),
        };
        let _place = match &places {
            Some(places) => Some(places.acquire().await.map_err(|_| "the node is stopping")?),
            None => None,
        };
        let id = self.next_request.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&self.requests).insert(id, sender);
        self.office.metrics.peer_requests.inc();
        self.send(Command::Request { id, peer, protocol, bytes }).await;
        let answer = answer.await;
        lock(&self.requests).remove(&id);
        answer.unwrap_or_else(|_| Err("the network part stopped".into()))
    }

    /// Gossips an entry.
    pub async fn gossip(&self, entry: &Entry) {
        let bytes = entry.encode();
        if bytes.len() > GOSSIP_MAX {
            // too long for gossip: peers find it by sync, at once instead of within a minute
            self.nudge();
            return;
        }
        let plane = match Plane::of(entry.header().log) {
            Plane::Pub => NetPlane::Pub,
            Plane::Agy => NetPlane::Agy,
        };
        self.send(Command::Publish { plane, bytes }).await;
        self.follow_up();
    }

    /// Gossip is a hint and may be lost: a moment later some peers are asked whether we differ, and then ask us.
    fn follow_up(&self) {
        let soon = now_ms() + FOLLOW_UP_MS;
        let mut links = lock(&self.links);
        for link in links.values_mut().filter(|l| l.connected && l.pid.is_some()).take(FOLLOW_UP_PEERS) {
            link.next_sync = link.next_sync.min(soon);
        }
    }

    /// An exchange with this peer is due soon.
    pub(crate) fn look_again(&self, peer: &Peer) {
        if let Some(link) = lock(&self.links).get_mut(peer) {
            link.next_sync = link.next_sync.min(now_ms() + FOLLOW_UP_MS);
        }
    }

    fn nudge(&self) {
        let now = now_ms();
        lock(&self.links).values_mut().for_each(|l| l.next_sync = l.next_sync.min(now));
    }
}
