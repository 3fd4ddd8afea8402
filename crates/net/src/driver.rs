//! The loop that owns the swarm: commands in, events out, and the one place that decides who sits where.
//!
//! ```text
//!   Handle ──commands──▶ ┌────────┐ ──outbox──▶ events ──▶ caller
//!                        │ Driver │
//!   connections ◀──────▶ └────────┘   roster: who is what        links: which connection counts
//! ```
//!
//! When the caller does not take its events, the outbox fills, and the loop stops polling the swarm. The connections'
//! tasks then wait, stop reading, and their peers stop writing. Commands are still taken, so a caller whose one loop
//! both sends commands and takes events cannot lock itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::upgrade::NegotiationError;
use libp2p::gossipsub::{self, MessageAcceptance, PublishError};
use libp2p::multiaddr;
use libp2p::request_response::{self, InboundFailure, Message, OutboundFailure, OutboundRequestId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionId, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, ping};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::behaviour::{Node, NodeEvent};
use crate::config::{Limits, read_address};
use crate::frame::FrameError;
use crate::gossip::topic;
use crate::links::{Arrival, Departure, Link, Links};
use crate::message::{Class, Command, DialError, Event, GOSSIP_MAX, Plane, Protocol, RequestError, Token, Verdict};
use crate::peer::Peer;
use crate::roster::Roster;
use crate::stats::Counters;
use crate::tokens::{Heard, Tokens};

/// Events that may wait here before the swarm is no longer polled.
const OUTBOX: usize = 16;
/// Events that may wait here before commands are no longer taken either: each command adds at most a few.
const OUTBOX_FULL: usize = 1024;
/// Addresses of one dial that are tried.
const ADDRESSES: usize = 8;
/// Requests that a stranger may make on one connection.
const STRANGER_REQUESTS: u32 = 16;
/// How long the connections get to close.
const GOODBYE: Duration = Duration::from_secs(1);

struct Dialling {
    peer: Option<PeerId>,
    addrs: Vec<Multiaddr>,
}

/// How the loop ended.
pub(crate) enum End {
    /// As asked.
    Stopped,
    /// A connection's task fell, with these words. Its connection would never be seen to close.
    Fell(String),
}

pub(crate) struct Driver {
    pub swarm: Swarm<Node>,
    pub network: String,
    pub limits: Limits,
    pub roster: Roster,
    pub counters: Arc<Counters>,
    pub commands: mpsc::Receiver<Command>,
    pub events: mpsc::Sender<Event>,
    /// Tells of a connection's task that panicked.
    pub fallen: mpsc::Receiver<String>,
    pub state: State,
}

/// What the loop remembers.
#[derive(Default)]
pub(crate) struct State {
    outbox: VecDeque<Event>,
    links: Links,
    tokens: Tokens,
    dialling: HashMap<ConnectionId, Dialling>,
    requests: HashMap<(Protocol, OutboundRequestId), u64>,
}

impl Driver {
    pub(crate) async fn run(mut self) -> End {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = self.events.clone();
        loop {
            let waiting = self.state.outbox.len();
            tokio::select! {
                Some(why) = self.fallen.recv() => return End::Fell(why),
                command = self.commands.recv(), if waiting < OUTBOX_FULL => match command {
                    None | Some(Command::Shutdown) => break,
                    Some(command) => self.obey(command),
                },
                place = events.reserve(), if waiting > 0 => match (place, self.state.outbox.pop_front()) {
                    (Ok(place), Some(event)) => place.send(event),
                    // Nobody listens any more.
                    _ => break,
                },
                _ = ticks.tick() => self.tick(Instant::now()),
                event = self.swarm.select_next_some(), if waiting < OUTBOX => self.happened(event),
            }
        }
        self.close().await;
        End::Stopped
    }

    /// Says goodbye, for a second at most.
    async fn close(&mut self) {
        let up: Vec<PeerId> = self.state.links.up().map(|(peer, _)| *peer).collect();
        for peer in up {
            self.part(&peer);
        }
        let quiet = async {
            while self.swarm.network_info().connection_counters().num_established() > 0 {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                    self.swarm.close_connection(connection_id);
                }
            }
        };
        if timeout(GOODBYE, quiet).await.is_err() {
            tracing::debug!("not all connections closed in time");
        }
        let told = async {
            while let Some(event) = self.state.outbox.pop_front() {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        };
        if timeout(GOODBYE, told).await.is_err() {
            tracing::debug!("the last events were not taken in time");
        }
    }

    fn tell(&mut self, event: Event) {
        self.state.outbox.push_back(event);
    }

    fn us(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    fn measure(&mut self) {
        for plane in Plane::ALL {
            let seated = self.swarm.behaviour_mut().gossip(plane).seated();
            self.counters.plane(plane).peers.store(seated as u64, Relaxed);
        }
        self.counters.connected.store(self.state.links.up().count() as u64, Relaxed);
    }

    fn tick(&mut self, now: Instant) {
        for id in self.state.links.expire(now) {
            self.swarm.close_connection(id);
        }
        let lifetime = self.limits.stranger_lifetime;
        let over = |(peer, link): &(&PeerId, &Link)| {
            !link.dialled && now.duration_since(link.since) >= lifetime && self.roster.class(peer) == Class::Stranger
        };
        let over: Vec<PeerId> = self.state.links.up().filter(over).map(|(peer, _)| *peer).collect();
        for peer in over {
            tracing::debug!(%peer, "a stranger's time is over");
            self.part(&peer);
        }
        self.measure();
    }

    // Commands

    fn obey(&mut self, command: Command) {
        match command {
            Command::Dial { addrs, peer } => self.dial(addrs, peer),
            Command::Classify { peer, class } => self.classify(peer.0, class),
            Command::Score { peer, score } => {
                for plane in Plane::ALL {
                    self.swarm.behaviour_mut().gossip(plane).inner().set_application_score(&peer.0, f64::from(score));
                }
            }
            Command::Publish { plane, bytes } => self.publish(plane, bytes),
            Command::Verdict { token, verdict } => {
                if let Some(heard) = self.state.tokens.judge(token) {
                    self.judge(heard, verdict);
                }
            }
            Command::Request { id, peer, protocol, bytes } => self.request(id, peer.0, protocol, bytes),
            Command::Respond { token, bytes } => self.respond(token, bytes),
            // Dropping the channel is the refusal.
            Command::Refuse { token } => drop(self.state.tokens.answer(token)),
            Command::Disconnect { peer } => self.part(&peer.0),
            Command::Shutdown => {}
        }
    }

    fn dial(&mut self, addrs: Vec<String>, peer: Option<Peer>) {
        let read: Vec<Multiaddr> = addrs.iter().take(ADDRESSES).filter_map(|addr| read_address(addr).ok()).collect();
        if read.is_empty() {
            return self.tell(Event::DialFailed { peer, addrs, why: DialError::NoAddress });
        }
        match peer {
            Some(peer) => self.dial_one(Some(peer.0), read.into_iter().map(unnamed).collect()),
            None => {
                for addr in read {
                    let named = match addr.iter().last() {
                        Some(multiaddr::Protocol::P2p(peer)) => Some(peer),
                        _ => None,
                    };
                    self.dial_one(named, vec![unnamed(addr)]);
                }
            }
        }
    }

    fn dial_one(&mut self, peer: Option<PeerId>, addrs: Vec<Multiaddr>) {
        let State { links, dialling, .. } = &self.state;
        let under_way = match peer {
            Some(peer) => links.seat(&peer).is_some() || dialling.values().any(|d| d.peer == Some(peer)),
            None => {
                links.up().any(|(_, link)| link.dialled && addrs.contains(&link.addr))
                    || dialling.values().any(|d| d.addrs.iter().any(|addr| addrs.contains(addr)))
            }
        };
        if under_way {
            return;
        }
        if dialling.len() >= self.limits.outbound {
            let why = DialError::Denied("too many dials at a time".into());
            return self.tell_dial_failed(peer, &addrs, why);
        }
        let opts = match peer {
            // Always: what is under way was looked at above, where a connection that hangs in closing is none.
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(addrs.clone())
                // From the listening port, two nodes that dial each other would meet in one TCP connection with two
                // initiators, which Noise cannot settle.
                .allocate_new_port()
                .build(),
            None => match addrs.first() {
                Some(addr) => DialOpts::unknown_peer_id().address(addr.clone()).allocate_new_port().build(),
                None => return,
            },
        };
        let id = opts.connection_id();
        match self.swarm.dial(opts) {
            Ok(()) => {
                self.state.dialling.insert(id, Dialling { peer, addrs });
            }
            Err(error) => self.tell_dial_failed(peer, &addrs, dial_error(error)),
        }
    }

    fn tell_dial_failed(&mut self, peer: Option<PeerId>, addrs: &[Multiaddr], why: DialError) {
        let addrs = addrs.iter().map(Multiaddr::to_string).collect();
        self.tell(Event::DialFailed { peer: peer.map(Peer), addrs, why });
    }

    fn classify(&mut self, peer: PeerId, class: Class) {
        // The badge first: from here on every connection of the peer obeys it.
        let before = self.roster.set(&peer, class);
        if class < before {
            self.part(&peer);
        }
        self.seat(&peer);
        if !self.state.links.any(&peer) {
            self.roster.forget_stranger(&peer);
        }
        self.measure();
    }

    fn publish(&mut self, plane: Plane, bytes: Vec<u8>) {
        let (len, topic) = (bytes.len(), topic(&self.network, plane).hash());
        let counters = self.counters.plane(plane);
        if len > GOSSIP_MAX {
            counters.unheard.fetch_add(1, Relaxed);
            return tracing::warn!(len, "a message too long for gossip was not published");
        }
        match self.swarm.behaviour_mut().gossip(plane).inner().publish(topic, bytes) {
            Ok(_) => counters.published.add(len),
            Err(PublishError::Duplicate) => {}
            Err(error) => {
                counters.unheard.fetch_add(1, Relaxed);
                tracing::debug!(plane = plane.name(), %error, "nobody heard a message");
            }
        }
    }

    fn judge(&mut self, heard: Heard, verdict: Verdict) {
        let counters = self.counters.plane(heard.plane);
        let (counter, acceptance) = match verdict {
            Verdict::Accept => (&counters.accepted, MessageAcceptance::Accept),
            Verdict::Ignore => (&counters.ignored, MessageAcceptance::Ignore),
            Verdict::Reject => (&counters.rejected, MessageAcceptance::Reject),
        };
        counter.fetch_add(1, Relaxed);
        let gossip = self.swarm.behaviour_mut().gossip(heard.plane).inner();
        gossip.report_message_validation_result(&heard.id, &heard.source, acceptance);
    }

    fn request(&mut self, id: u64, peer: PeerId, protocol: Protocol, bytes: Vec<u8>) {
        let (len, max) = (bytes.len(), protocol.request_max());
        let fault = if self.state.links.seat(&peer).is_none() {
            Some(RequestError::NotConnected)
        } else if len > max {
            Some(RequestError::TooLong { len: len as u64, max })
        } else if self.state.requests.len() >= self.limits.requests_out {
            Some(RequestError::Busy)
        } else {
            None
        };
        if let Some(fault) = fault {
            return self.tell(Event::Response { id, result: Err(fault) });
        }
        let request = self.swarm.behaviour_mut().direct(protocol).send_request(&peer, bytes);
        self.state.requests.insert((protocol, request), id);
    }

    fn respond(&mut self, token: Token, bytes: Vec<u8>) {
        let Some(asked) = self.state.tokens.answer(token) else { return };
        let (protocol, len) = (asked.protocol, bytes.len());
        if len > protocol.response_max() {
            return tracing::warn!(protocol = protocol.name(), len, "a response too long was not sent");
        }
        if self.swarm.behaviour_mut().direct(protocol).send_response(asked.channel, bytes).is_err() {
            tracing::debug!(protocol = protocol.name(), "a response came too late");
        }
    }

    // Connections

    /// Opens to a peer what its class permits, by the connection that counts. The gates know what that is.
    fn seat(&mut self, peer: &PeerId) {
        let Some(connection) = self.state.links.seat(peer).map(|link| link.id) else { return };
        let node = self.swarm.behaviour_mut();
        node.identify.open(connection);
        node.ping.open(connection);
        node.gossip_pub.open(connection);
        node.gossip_agy.open(connection);
    }

    /// Shuts every gate to a peer.
    fn unseat(&mut self, peer: &PeerId) {
        let node = self.swarm.behaviour_mut();
        node.gossip_agy.shut(peer);
        node.gossip_pub.shut(peer);
        node.identify.shut(peer);
        node.ping.shut(peer);
    }

    /// Ends the link with a peer from our side: nothing more is begun, and the connections close.
    fn part(&mut self, peer: &PeerId) {
        self.unseat(peer);
        self.state.tokens.refuse_all(peer);
        let was_up = self.state.links.seat(peer).is_some();
        for id in self.state.links.close(peer) {
            self.swarm.close_connection(id);
        }
        if was_up {
            self.tell(Event::Down { peer: Peer(*peer) });
        }
    }

    fn arrived(&mut self, peer: PeerId, id: ConnectionId, dialled: bool, addr: &Multiaddr) {
        self.state.dialling.remove(&id);
        let (us, now) = (self.us(), Instant::now());
        let link = Link::new(id, dialled, unnamed(addr.clone()), now);
        match self.state.links.arrive(&us, peer, link, now) {
            Arrival::Up => {
                match self.roster.class(&peer) {
                    Class::Stranger => tracing::debug!(%peer, %addr, dialled, "a stranger is up"),
                    class => tracing::info!(%peer, %addr, dialled, ?class, "peer up"),
                }
                self.tell(Event::Up { peer: Peer(peer), addr: unnamed(addr.clone()).to_string(), dialled });
                self.seat(&peer);
            }
            Arrival::Replaces => {
                tracing::debug!(%peer, %addr, "a new connection takes the place of the old one");
                self.unseat(&peer);
                self.seat(&peer);
            }
            Arrival::Superfluous => tracing::debug!(%peer, %addr, "a second connection goes"),
        }
        self.measure();
    }

    fn departed(&mut self, peer: PeerId, id: ConnectionId) {
        if let Departure::Down(left) = self.state.links.depart(&peer, id) {
            match self.roster.class(&peer) {
                Class::Stranger => tracing::debug!(%peer, "a stranger is down"),
                _ => tracing::info!(%peer, "peer down"),
            }
            self.state.tokens.refuse_all(&peer);
            for id in left {
                self.swarm.close_connection(id);
            }
            self.tell(Event::Down { peer: Peer(peer) });
        }
        if !self.state.links.any(&peer) {
            self.roster.forget_stranger(&peer);
        }
        self.measure();
    }

    // Events of the swarm

    fn happened(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaved(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.arrived(peer_id, connection_id, endpoint.is_dialer(), endpoint.get_remote_address());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => self.departed(peer_id, connection_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(Dialling { peer, addrs }) = self.state.dialling.remove(&connection_id) {
                    self.tell_dial_failed(peer, &addrs, dial_error(error));
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => self.tell(Event::Listening { addr: address.to_string() }),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.tell(Event::ListenFailed { addr: address.to_string(), why: "the address is gone".into() });
            }
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                let addr = addresses.first().map(Multiaddr::to_string).unwrap_or_default();
                self.tell(Event::ListenFailed { addr, why: error.to_string() });
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a connection was not accepted"),
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                tracing::debug!(%error, from = %send_back_addr, "a connection came to nothing");
            }
            _ => {}
        }
    }

    fn behaved(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Hello(event) => self.exchanged(Protocol::Hello, event),
            NodeEvent::Apply(event) => self.exchanged(Protocol::Apply, event),
            NodeEvent::Sync(event) => self.exchanged(Protocol::Sync, event),
            NodeEvent::Case(event) => self.exchanged(Protocol::Case, event),
            NodeEvent::Blob(event) => self.exchanged(Protocol::Blob, event),
            NodeEvent::Reach(event) => self.exchanged(Protocol::Reach, event),
            NodeEvent::GossipPub(event) => self.gossiped(Plane::Pub, event),
            NodeEvent::GossipAgy(event) => self.gossiped(Plane::Agy, event),
            NodeEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                let program = info.agent_version.chars().filter(char::is_ascii_graphic).take(64).collect();
                self.tell(Event::Observed { peer: Peer(peer_id), addr: info.observed_addr.to_string(), program });
            }
            NodeEvent::Ping(ping::Event { peer, connection, result: Err(failure) }) => {
                let seated = self.state.links.seat(&peer).is_some_and(|link| link.id == connection);
                if seated && !matches!(failure, ping::Failure::Unsupported) {
                    tracing::debug!(%peer, %failure, "a peer no longer answers");
                    self.part(&peer);
                }
            }
            NodeEvent::Identify(_) | NodeEvent::Ping(_) => {}
            NodeEvent::Admission(never) => match never {},
        }
    }

    fn gossiped(&mut self, plane: Plane, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id: id, message } = event else { return };
        let (heard, bytes) = (Heard { plane, id, source }, message.data);
        self.counters.plane(plane).received.add(bytes.len());
        if bytes.len() > GOSSIP_MAX {
            return self.judge(heard, Verdict::Reject);
        }
        // It was on its way here when its sender lost its class.
        if !self.roster.class(&source).permits(plane) {
            return self.judge(heard, Verdict::Ignore);
        }
        let (token, oldest) = self.state.tokens.hear(heard, self.limits.verdicts);
        if let Some(oldest) = oldest {
            self.judge(oldest, Verdict::Ignore);
        }
        self.tell(Event::Gossip { plane, source: Peer(source), bytes, token });
    }

    fn exchanged(&mut self, protocol: Protocol, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    if !self.has_room(&peer, protocol) {
                        // Dropping the channel is the refusal.
                        self.counters.protocol(protocol).refused.fetch_add(1, Relaxed);
                        return;
                    }
                    let class = self.roster.class(&peer);
                    let token = self.state.tokens.ask(peer, protocol, request_id, channel);
                    self.tell(Event::Request { peer: Peer(peer), class, protocol, bytes: request, token });
                }
                Message::Response { request_id, response } => self.ended(protocol, request_id, Ok(response)),
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                self.ended(protocol, request_id, Err(request_error(error)));
            }
            request_response::Event::InboundFailure { peer, request_id, error, .. } => {
                self.state.tokens.ended(protocol, request_id);
                if !matches!(error, InboundFailure::ResponseOmission) {
                    tracing::debug!(%peer, protocol = protocol.name(), %error, "a request was not answered");
                }
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    /// Whether a request may go to the caller: the peer's class, and the bounds on what waits.
    fn has_room(&mut self, peer: &PeerId, protocol: Protocol) -> bool {
        let class = self.roster.class(peer);
        let (of_peer, of_all) = self.state.tokens.waiting(peer);
        if !class.may_ask(protocol) || of_peer >= self.limits.requests_per_peer || of_all >= self.limits.requests_in {
            return false;
        }
        // No seat: it was on its way here when we parted.
        let Some(link) = self.state.links.seat_mut(peer) else { return false };
        if class == Class::Stranger {
            link.asked += 1;
        }
        class > Class::Stranger || link.asked <= STRANGER_REQUESTS
    }

    fn ended(&mut self, protocol: Protocol, request: OutboundRequestId, result: Result<Vec<u8>, RequestError>) {
        if let Some(id) = self.state.requests.remove(&(protocol, request)) {
            self.tell(Event::Response { id, result });
        }
    }
}

/// An address without the peer's name at its end.
fn unnamed(mut addr: Multiaddr) -> Multiaddr {
    if matches!(addr.iter().last(), Some(multiaddr::Protocol::P2p(_))) {
        addr.pop();
    }
    addr
}

fn request_error(error: OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => RequestError::NotConnected,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::ConnectionClosed => RequestError::Closed,
        OutboundFailure::UnsupportedProtocols => RequestError::Refused,
        OutboundFailure::Io(error) => match FrameError::inside(&error) {
            Some(FrameError::TooLong { len, max }) => RequestError::TooLong { len: *len, max: *max },
            Some(FrameError::Silent) => RequestError::Unanswered,
            // the "no" to what we had begun to say
            None if error.get_ref().is_some_and(|e| e.is::<NegotiationError>()) => RequestError::Refused,
            None => RequestError::Broken(error.to_string()),
        },
    }
}

fn dial_error(error: swarm::DialError) -> DialError {
    match error {
        // We gave addresses: if none is left, the swarm took out the ones that we listen on.
        swarm::DialError::LocalPeerId { .. } | swarm::DialError::NoAddresses => DialError::Ourselves,
        swarm::DialError::WrongPeerId { obtained, .. } => DialError::WrongPeer(Peer(obtained)),
        swarm::DialError::Denied { cause } => DialError::Denied(cause.to_string()),
        swarm::DialError::Transport(tried) => {
            let tried: Vec<String> = tried.into_iter().map(|(addr, error)| format!("{addr}: {error}")).collect();
            DialError::Unreachable(tried.join("; "))
        }
        other => DialError::Unreachable(other.to_string()),
    }
}
