//! What comes in from the network, and what follows from who is connected: hello, classes, dialling, exchanges
//! (protocol §5).
//!
//! ```text
//! net events ─▶ greet (hello both ways) ─▶ whose node? (a binding in its log) ─▶ class (its standing, and ours)
//!                                                                                 │
//!          gates, budgets in net  ◀── classify ──────────────────────────────────┘
//! ```
//!
//! The class is computed anew whenever the roster or the directory changes; a peer that loses its class is cut off at
//! once, before anything else is written to it.

use crate::links::{Link, Links, Proof, SCHEMA, class_between, lock};
use crate::office::{Office, View, now_ms};
use crate::{applicant, post, sync, transfer};
use lapwing_engine::author::Placed;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::Input;
use lapwing_net::message::{Class, Command, Event, Plane as NetPlane, Protocol, Token, Verdict};
use lapwing_net::peer::Peer;
use lapwing_record::cbor::encode;
use lapwing_record::directory::NodeBinding;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::Pid;
use lapwing_record::idlog::IdLog;
use lapwing_record::wire::{Hello, MAX_HELLO, Plane, SyncAnswer, read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument;

/// Milliseconds between dials of a node that does not answer: from here, doubling.
const DIAL_MIN_MS: u64 = 1_000;
/// At most.
const DIAL_MAX_MS: u64 = 60_000;
/// Milliseconds between dials of the bootstrap addresses while nobody is connected.
const BOOTSTRAP_EVERY_MS: u64 = 2_000;
/// How long a delivery waits for a connection that is opened for it.
const REACH: Duration = Duration::from_secs(3);
/// Milliseconds between hellos while one side has not proven itself.
const GREET_EVERY_MS: u64 = 1_000;
/// Milliseconds between exchanges with one peer when nothing happens.
const SYNC_EVERY_MS: u64 = 60_000;
/// How long the connections get to close when the node stops.
const GOODBYE: Duration = Duration::from_secs(3);
/// Nobody has asked for the next exchange while this one is under way.
const NOT_ASKED_FOR: u64 = u64::MAX;
/// Milliseconds that clocks may differ before automatic signing pauses (protocol §4.3).
const CLOCK_TOLERANCE_MS: i64 = 10 * 60 * 1000;

/// When the next exchange is due, given what was planned at the end of one and what was asked for during it. Something
/// that was said in the middle of an exchange may be too late for it: it must not wait for the next minute.
fn sooner(planned: u64, asked_for: u64) -> u64 {
    planned.min(asked_for)
}

impl Links {
    // -- the event loop ---------------------------------------------------------------------------------------------

    /// Runs until the node stops. A crash of the network part starts it anew; API and outbox stay up.
    pub async fn run(self: Arc<Self>, mut events: mpsc::Receiver<Event>) {
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        let mut changes = self.office.changes();
        let mut seen = 0;
        loop {
            tokio::select! {
                biased;
                () = self.office.stopped() => break,
                event = events.recv() => match event {
                    Some(Event::Crashed { why }) => {
                        tracing::error!(%why, "the network part failed; it is started again");
                        match self.restart().await {
                            Some(again) => events = again,
                            None => break,
                        }
                    }
                    Some(event) => self.clone().take(event).await,
                    None => break,
                },
                changed = changes.changed() => {
                    if changed.is_err() { break }
                    // who is who changes with the federation's logs, not with cases; time passes at the tick
                    let entries = self.office.view().state.federation.entries();
                    if entries != std::mem::replace(&mut seen, entries) {
                        self.reclassify().await;
                    }
                }
                _ = tick.tick() => {
                    self.reclassify().await;
                    self.dial_due().await;
                    self.clone().greet_due();
                    self.sync_due();
                    self.watch_clock().await;
                }
            }
        }
        self.send(Command::Shutdown).await;
        // connections are closed with a word to the other end, not cut
        let closed =
            async { while !matches!(events.recv().await, None | Some(Event::Stopped | Event::Crashed { .. })) {} };
        let _ = tokio::time::timeout(GOODBYE, closed).await;
    }

    async fn restart(&self) -> Option<mpsc::Receiver<Event>> {
        lock(&self.links).clear();
        lock(&self.requests).clear();
        lock(&self.listening).clear();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match lapwing_net::handle::start(self.config.clone()) {
                Ok((handle, events)) => {
                    *lock(&self.handle) = handle;
                    return Some(events);
                }
                Err(error) => tracing::error!(%error, "the network part does not start"),
            }
        }
    }

    async fn take(self: Arc<Self>, event: Event) {
        match event {
            Event::Listening { addr } => {
                tracing::info!(%addr, "listening");
                let mut listening = lock(&self.listening);
                if !listening.contains(&addr) {
                    listening.push(addr);
                }
            }
            Event::ListenFailed { addr, why } => tracing::error!(%addr, %why, "cannot listen"),
            Event::Up { peer, addr, .. } => {
                {
                    let mut links = lock(&self.links);
                    let link = links.entry(peer).or_default();
                    link.connected = true;
                    link.next_greet = now_ms() + GREET_EVERY_MS;
                    link.announced = false;
                    link.next_sync = 0;
                    link.dials = 0;
                    link.trouble = None;
                    link.seen_at = Some(addr.clone());
                    link.addrs = vec![addr];
                }
                tokio::spawn(self.clone().greet(peer));
                self.reclassify().await;
            }
            Event::Down { peer } => self.down(peer).await,
            Event::DialFailed { peer, addrs, why } => {
                tracing::debug!(?addrs, %why, "dial failed");
                if let Some(peer) = peer {
                    lock(&self.links).entry(peer).or_default().trouble = Some(why.to_string());
                    self.moved.send_modify(|n| *n += 1);
                }
            }
            Event::Gossip { plane, source, bytes, token } => {
                let span = tracing::info_span!("conn", peer = %source, plane = plane.name());
                tokio::spawn(self.clone().hear_gossip(plane, source, bytes, token).instrument(span));
            }
            Event::Request { peer, class, protocol, bytes, token } => {
                let span = tracing::info_span!("conn", %peer, protocol = protocol.name());
                tokio::spawn(self.clone().serve(peer, class, protocol, bytes, token).instrument(span));
            }
            Event::Response { id, result } => {
                if let Some(sender) = lock(&self.requests).remove(&id) {
                    let _ = sender.send(result.map_err(|e| e.to_string()));
                }
            }
            Event::Observed { peer, program, .. } => {
                if let Some(link) = lock(&self.links).get_mut(&peer) {
                    link.program = Some(program);
                }
            }
            Event::Stopped | Event::Crashed { .. } => {}
        }
    }

    async fn down(&self, peer: Peer) {
        let pid = {
            let mut links = lock(&self.links);
            let Some(link) = links.get_mut(&peer) else { return };
            link.connected = false;
            link.next_dial = now_ms() + 200;
            link.clock_offset = None;
            let pid = link.pid;
            // of strangers nothing is remembered: their names cost them nothing
            if pid.is_none() {
                links.remove(&peer);
            }
            pid
        };
        if let Some(pid) = pid
            && self.node_of(&pid).is_none()
        {
            self.office.tell(Input::PeerDown(pid)).await;
        }
    }

    async fn hear_gossip(self: Arc<Self>, plane: NetPlane, source: Peer, bytes: Vec<u8>, token: Token) {
        let verdict = match Entry::decode(&bytes) {
            Err(_) => Verdict::Reject,
            Ok(entry) => {
                let fits = matches!(
                    (Plane::of(entry.header().log), plane),
                    (Plane::Pub, NetPlane::Pub) | (Plane::Agy, NetPlane::Agy)
                );
                if !fits {
                    Verdict::Reject
                } else if entry.header().clock > now_ms() + CLOCK_TOLERANCE_MS as u64 {
                    // a clock ahead delays gossip only: sync stores it all the same
                    Verdict::Ignore
                } else {
                    self.judge(source, entry).await
                }
            }
        };
        self.send(Command::Verdict { token, verdict }).await;
    }

    /// Places a gossiped entry. What the fold makes of it is never a reason to reject: nodes may lag.
    async fn judge(self: &Arc<Self>, source: Peer, entry: Entry) -> Verdict {
        let kind = entry.header().entry_type().map_or("unknown", |t| t.code());
        let span = tracing::info_span!("entry", id = %entry.id(), kind);
        let placed = sync::submit(&self.office, vec![entry], true).instrument(span.clone()).await;
        span.in_scope(|| match placed.as_deref() {
            Ok(placed) => tracing::debug!(?placed, "heard by gossip"),
            Err(why) => tracing::debug!(%why, "heard by gossip, and not placed"),
        });
        match placed.as_deref() {
            Ok([Placed::New | Placed::Forks { .. }]) => Verdict::Accept,
            Ok([Placed::Gap { .. } | Placed::UnknownEpoch | Placed::UnknownAuthor]) => {
                if let Some(link) = lock(&self.links).get_mut(&source) {
                    link.next_sync = 0;
                }
                self.sync_due();
                Verdict::Ignore
            }
            Ok([Placed::Invalid(_)]) => Verdict::Reject,
            _ => Verdict::Ignore,
        }
    }

    async fn serve(self: Arc<Self>, peer: Peer, class: Class, protocol: Protocol, bytes: Vec<u8>, token: Token) {
        let owner = self.owner(&peer);
        let answer = match protocol {
            Protocol::Hello => self.answer_hello(peer, &bytes).await,
            Protocol::Apply => {
                let asker = self.speaks_for(&peer);
                Some(encode(&applicant::serve(&self.office, asker, &bytes).await))
            }
            Protocol::Sync => {
                let answer = sync::serve(&self.office, class == Class::Agency, owner, &bytes).await;
                if matches!(answer, SyncAnswer::Buckets(_)) {
                    // it has something else than we: perhaps something that we lack
                    self.look_again(&peer);
                }
                Some(encode(&answer))
            }
            Protocol::Case => post::serve(&self.office, owner, &bytes).await,
            Protocol::Blob => Some(transfer::serve(&self.office, owner, bytes).await),
            Protocol::Reach => Some(encode(&self.dial_back(peer, owner, &bytes).await)),
        };
        match answer {
            Some(bytes) => self.send(Command::Respond { token, bytes }).await,
            None => self.send(Command::Refuse { token }).await,
        }
    }

    // -- hello ------------------------------------------------------------------------------------------------------

    fn my_hello(&self) -> Hello {
        let view = self.office.view();
        let author = view.state.federation.author(&self.office.me).expect("the node hosts its own participant");
        let listing = view.state.federation.listing(&self.office.me);
        let binding = listing.and_then(|l| l.nodes.get(&self.me.to_bytes())).map(|n| n.entry);
        let binding = binding.and_then(|id| {
            let line = author.listed(LogKind::Pub).find(|l| l.id == id)?;
            let epoch = author.public.iter().find(|(_, c)| c.holds(line.seq, id)).map(|(e, _)| *e)?;
            let found = tokio::task::block_in_place(|| {
                self.office.book.entries(&self.office.me, LogKind::Pub, epoch, line.seq, 1)
            });
            found.ok()?.0.into_iter().find(|e| e.id() == id)
        });
        Hello {
            network_id: self.office.network,
            pid: self.office.me,
            schema_max: SCHEMA,
            clock: now_ms(),
            id_log: author.id_chain(),
            binding,
        }
    }

    async fn greet(self: Arc<Self>, peer: Peer) {
        let hello = encode(&self.my_hello());
        match self.request(peer, Protocol::Hello, hello).await {
            Ok(bytes) => self.met(peer, &bytes).await,
            Err(why) => self.trouble(peer, format!("hello: {why}")),
        }
    }

    /// Greets anew where one side has not proven itself to the other yet: a node that has just started binds its key
    /// moments after its first hello.
    fn greet_due(self: Arc<Self>) {
        let now = now_ms();
        let mut due = Vec::new();
        for (peer, link) in lock(&self.links).iter_mut().filter(|(_, l)| l.connected) {
            let unproven = link.pid.is_none() || link.class == Class::Stranger || link.trouble.is_some();
            if unproven && link.next_greet <= now {
                link.next_greet = now + GREET_EVERY_MS;
                due.push(*peer);
            }
        }
        for peer in due {
            tokio::spawn(self.clone().greet(peer));
        }
    }

    async fn answer_hello(self: &Arc<Self>, peer: Peer, bytes: &[u8]) -> Option<Vec<u8>> {
        self.met(peer, bytes).await;
        Some(encode(&self.my_hello()))
    }

    fn trouble(&self, peer: Peer, why: String) {
        if let Some(link) = lock(&self.links).get_mut(&peer) {
            link.trouble = Some(why);
        }
    }

    async fn met(self: &Arc<Self>, peer: Peer, bytes: &[u8]) {
        let hello = match read::<Hello>(bytes, MAX_HELLO) {
            Ok(hello) => hello,
            Err(e) => return self.trouble(peer, format!("hello: {e}")),
        };
        if hello.network_id != self.office.network {
            self.trouble(peer, "it belongs to another federation".into());
            return self.send(Command::Disconnect { peer }).await;
        }
        // before anything is locked: others come and go meanwhile
        let proof = tokio::task::block_in_place(|| self.look_at(&self.office.view(), &peer, &hello));
        if let Some(link) = lock(&self.links).get_mut(&peer) {
            link.clock_offset = Some(hello.clock as i64 - self.office.steady_ms() as i64);
            link.hello = Some(hello);
            link.proof = proof;
        }
        self.reclassify().await;
    }

    /// Whom a stranger's node speaks for, by what it brought along: its own log 0 and the entry that binds its key. Enough
    /// to be told of one's own application, and of nobody else's.
    fn speaks_for(&self, peer: &Peer) -> Option<Pid> {
        let hello = lock(&self.links).get(peer)?.hello.clone()?;
        binding_of(peer, &hello)?;
        let id = IdLog::fold(hello.pid, &hello.id_log, &self.office.network).ok()?;
        self.binds(&id, peer, &hello).map(|_| hello.pid)
    }

    /// Until when the entry in a hello binds this peer's key, by the keys of `id`. It may be of an earlier epoch (officers
    /// come and go, and a binding holds for a year) as long as that one's feed key is still in force: one that was
    /// replaced may be a thief's, and where its power ended only the log tells.
    fn binds(&self, id: &IdLog, peer: &Peer, hello: &Hello) -> Option<u64> {
        let (entry, binding) = binding_of(peer, hello)?;
        let keys = id.keys(entry.header().epoch)?;
        let signed = entry.clone().open(&[keys.feed], 1, &self.office.network).is_ok();
        (signed && keys.feed == id.current().feed).then_some(binding.not_after)
    }

    /// What a hello proves by the log 0 that is held here and the one that it brings: bound so recently, perhaps in a new
    /// epoch, that its entries have not come by gossip or sync yet. None where nobody of that name is known.
    fn look_at(&self, view: &View, peer: &Peer, hello: &Hello) -> Option<Proof> {
        let author = view.state.federation.author(&hello.pid)?;
        let known = author.id_entries().count();
        let until = self.binds(&author.id, peer, hello).or_else(|| {
            binding_of(peer, hello)?;
            let entries = author.id_entries().chain(&hello.id_log);
            self.binds(&IdLog::fold(hello.pid, entries, &self.office.network).ok()?, peer, hello)
        });
        Some(Proof { known, until })
    }

    /// Whose node it is: the participant that its hello names, if that one's log binds this peer.
    fn proven(&self, view: &View, peer: &Peer, link: &mut Link) -> Option<Pid> {
        let hello = link.hello.as_ref()?;
        let (federation, now) = (&view.state.federation, now_ms());
        let author = federation.author(&hello.pid)?;
        let node = federation.listing(&hello.pid).and_then(|l| l.nodes.get(&peer.to_bytes()));
        if node.is_some_and(|n| n.record.not_after > now) {
            return Some(hello.pid);
        }
        let stale = link.proof.as_ref().is_none_or(|p| p.known != author.id_entries().count());
        if stale {
            link.proof = self.look_at(view, peer, hello);
        }
        link.proof.as_ref().and_then(|p| p.until).filter(|until| *until > now).map(|_| hello.pid)
    }

    /// Computes whose each node is and its class anew, tells the network part what changed, and looks at once for what
    /// the new class lets through.
    async fn reclassify(self: &Arc<Self>) {
        let view = self.office.view();
        let mut told = Vec::new();
        let mut up = Vec::new();
        {
            let mut links = lock(&self.links);
            for (pid, peer, addrs) in bound_nodes(&view, &self.office.me) {
                let link = links.entry(peer).or_default();
                if !link.connected {
                    link.pid = Some(pid);
                    link.addrs = addrs;
                }
            }
            for (peer, link) in links.iter_mut() {
                if link.hello.is_some() {
                    link.pid = self.proven(&view, peer, link);
                }
                let class = link.pid.map_or(Class::Stranger, |pid| class_between(&view, &self.office.me, &pid));
                if class != link.class {
                    link.class = class;
                    link.next_sync = 0;
                    told.push((*peer, class));
                }
                // its key is bound in its log, and the channel has proven that it holds it
                if let Some(pid) = link.pid.filter(|_| link.connected && !link.announced) {
                    link.announced = true;
                    up.push(pid);
                }
            }
        }
        for (peer, class) in told {
            tracing::info!(peer = %peer, ?class, "class of a node");
            self.send(Command::Classify { peer, class }).await;
        }
        for pid in up {
            self.moved.send_modify(|n| *n += 1);
            self.office.tell(Input::PeerUp(pid)).await;
        }
        self.sync_due();
    }

    // -- dialling ---------------------------------------------------------------------------------------------------

    /// A connected node of a participant. If none is connected, those that it has bound are dialled at once, and waited
    /// for a moment.
    pub async fn reach(&self, pid: &Pid) -> Option<Peer> {
        let mut moved = self.moved.subscribe();
        if let Some(peer) = self.node_of(pid) {
            return Some(peer);
        }
        let view = self.office.view();
        let theirs =
            bound_nodes(&view, &self.office.me).into_iter().filter(|(of, _, addrs)| of == pid && !addrs.is_empty());
        let theirs: Vec<_> = theirs.collect();
        if theirs.is_empty() || class_between(&view, &self.office.me, pid) == Class::Stranger {
            return None;
        }
        for (_, peer, addrs) in &theirs {
            if let Some(link) = lock(&self.links).get_mut(peer) {
                link.trouble = None;
            }
            self.send(Command::Dial { addrs: addrs.clone(), peer: Some(*peer) }).await;
        }
        let connected = async {
            loop {
                moved.changed().await.ok()?;
                if let Some(peer) = self.node_of(pid) {
                    return Some(peer);
                }
                let links = lock(&self.links);
                if theirs.iter().all(|(_, peer, _)| links.get(peer).is_some_and(|l| l.trouble.is_some())) {
                    return None;
                }
            }
        };
        tokio::time::timeout(REACH, connected).await.ok().flatten()
    }

    async fn dial_due(&self) {
        let now = now_ms();
        let mut due = Vec::new();
        {
            let mut links = lock(&self.links);
            let view = self.office.view();
            // whoever has left answers those that have not heard of it, and calls nobody
            let left = view.state.my_standing() == Some(Standing::Left);
            for (pid, peer, addrs) in bound_nodes(&view, &self.office.me).into_iter().filter(|_| !left) {
                let link = links.entry(peer).or_default();
                let wanted = class_between(&view, &self.office.me, &pid) != Class::Stranger;
                if wanted && !link.connected && link.next_dial <= now && !addrs.is_empty() {
                    link.dials += 1;
                    link.next_dial = now + (DIAL_MIN_MS << link.dials.min(6)).min(DIAL_MAX_MS);
                    due.push((addrs, Some(peer)));
                }
            }
            // bootstrap addresses while nobody of the federation is connected
            let nobody = !left && !links.values().any(|l| l.connected && l.pid.is_some());
            if nobody && self.next_bootstrap.load(Ordering::Relaxed) <= now {
                self.next_bootstrap.store(now + BOOTSTRAP_EVERY_MS, Ordering::Relaxed);
                due.extend(self.office.settings.node.bootstrap.iter().map(|addr| (vec![addr.clone()], None)));
            }
        }
        for (addrs, peer) in due {
            self.send(Command::Dial { addrs, peer }).await;
        }
    }

    // -- sync -------------------------------------------------------------------------------------------------------

    /// Starts exchanges that are due: after a change of class, on a gap, and each minute with one random node.
    fn sync_due(self: &Arc<Self>) {
        let now = now_ms();
        let mut begin = Vec::new();
        {
            let mut links = lock(&self.links);
            for (peer, link) in links.iter_mut().filter(|(_, l)| l.connected && l.pid.is_some()) {
                if link.next_sync > now {
                    continue;
                }
                if link.syncing {
                    link.sync_again = true;
                    continue;
                }
                link.syncing = true;
                // whoever wants the next one soon says so meanwhile
                link.next_sync = NOT_ASKED_FOR;
                begin.push((*peer, link.pid.expect("filtered")));
            }
        }
        for (peer, pid) in begin {
            let span = tracing::info_span!("conn", %peer, protocol = "sync");
            tokio::spawn(self.clone().exchange(peer, pid).instrument(span));
        }
    }

    async fn exchange(self: Arc<Self>, peer: Peer, pid: Pid) {
        let mut outcome = sync::pull(&self.office, &self, peer, Plane::Pub).await;
        let view = self.office.view();
        let log2 = class_between(&view, &self.office.me, &pid) == Class::Agency;
        if log2 && outcome.is_ok() {
            let agency = sync::pull(&self.office, &self, peer, Plane::Agy).await;
            outcome = outcome.and_then(|own| agency.map(|more| [own, more].concat()));
        }
        let now = now_ms();
        let lacking = {
            let mut links = lock(&self.links);
            let Some(link) = links.get_mut(&peer) else { return };
            link.syncing = false;
            let agencies = agencies(&self.office);
            // one exchange a minute for the node, not for each peer
            let spread = SYNC_EVERY_MS * agencies.max(1);
            let planned = if std::mem::take(&mut link.sync_again) {
                now + 1
            } else {
                now + spread * 4 / 5 + now % (spread * 2 / 5)
            };
            link.next_sync = sooner(planned, link.next_sync);
            match outcome {
                Ok(lacking) => {
                    link.level_at = Some(now);
                    link.trouble = None;
                    Some(lacking)
                }
                Err(error) => {
                    // a stranger's request is refused until the other side knows us: ask again soon
                    link.next_sync = sooner(now + 500, link.next_sync);
                    link.trouble = Some(error.to_string());
                    None
                }
            }
        };
        if let Some(lacking) = lacking {
            let level = lacking.is_empty();
            self.office.tell(Input::HeadAnswer { from: pid, lacking, log2 }).await;
            post::level_threads(&self.office, &self, peer, pid).await;
            if !level || self.office.view().must_level(&pid) {
                // while this is open nothing is signed or said: not a matter for the next minute
                self.look_again(&peer);
            }
        }
    }

    // -- clock ------------------------------------------------------------------------------------------------------

    async fn watch_clock(&self) {
        let jumped = now_ms() as i64 - self.office.steady_ms() as i64;
        let offsets = self.clock_offsets();
        let doubt = (offsets.len() >= 3).then(|| offsets[offsets.len() / 2]).filter(|m| m.abs() > CLOCK_TOLERANCE_MS);
        let doubt = doubt
            .map(|m| format!("this machine's clock differs by {} minutes from the median of its peers", m / 60_000));
        // with too few peers to say which clock is right, a jump alone is reason enough
        let jump = (offsets.len() < 3 && jumped.abs() > CLOCK_TOLERANCE_MS)
            .then(|| format!("this machine's clock has jumped by {} minutes since the start", jumped / 60_000));
        let doubt = doubt.or(jump);
        if doubt != self.office.view().clock_doubt {
            self.office.tell(Input::ClockDoubt(doubt)).await;
        }
    }
}

/// The entry in a hello that binds this peer to the participant that it names, by its form alone: what costs no signature.
fn binding_of<'a>(peer: &Peer, hello: &'a Hello) -> Option<(&'a Entry, NodeBinding)> {
    let entry = hello.binding.as_ref()?;
    let header = entry.header();
    let binding = NodeBinding::decode(entry.body()?).ok()?;
    let placed = header.pid == hello.pid && header.entry_type() == Some(EntryType::NodeBinding);
    let in_force = binding.peer.0 == peer.to_bytes() && !binding.revoked && binding.not_after > now_ms();
    (placed && in_force).then_some((entry, binding))
}

/// Agencies in full standing.
fn agencies(office: &Office) -> u64 {
    office.view().state.federation.full_agencies().len() as u64
}

/// Every other participant's bound nodes: whose, which, where.
fn bound_nodes(view: &View, me: &Pid) -> Vec<(Pid, Peer, Vec<String>)> {
    let federation = &view.state.federation;
    let mut out = Vec::new();
    for pid in federation.pids().filter(|p| p != me) {
        let Some(listing) = federation.listing(&pid) else { continue };
        for node in listing.nodes.values().filter(|n| n.record.not_after > now_ms()) {
            if let Ok(peer) = Peer::of_bytes(&node.record.peer) {
                out.push((pid, peer, node.record.addrs.clone()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_is_asked_for_during_another_is_not_put_off_by_its_end() {
        assert_eq!(sooner(60_000, NOT_ASKED_FOR), 60_000);
        assert_eq!(sooner(60_000, 1_500), 1_500);
        assert_eq!(sooner(500, 1_500), 500);
    }
}
