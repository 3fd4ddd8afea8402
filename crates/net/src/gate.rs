//! A behaviour that exists only for some peers.
//!
//! gossipsub cannot restrict who reads a topic: whoever subscribes is served. So each plane is a behaviour of its own,
//! and each stands behind a [`Gate`], which lets it see only the connections that the [driver](crate::driver) seats.
//!
//! ```text
//!            driver: open(connection), shut(peer)
//!                      │
//!   swarm ──all──▶  Gate<B> ──seated only──▶ B            (the behaviour, in the swarm's task)
//!                      │ GateIn::Open(handler)
//!   stream ─────▶ GateHandler ──once open──▶ B's handler  (one per connection, in the connection's task)
//! ```
//!
//! On the first connection of a peer whose class permits it the gate starts open. On every other it starts closed: it
//! offers no protocol and asks for none. `open` makes the inner handler and hands it over, so a promotion needs no new
//! connection. `shut` is for good: the door, a flag shared by both
//! halves, falls at once, the inner handler is dropped before it is polled again, and no write begins after it. A peer
//! that comes back in needs a new connection, because gossipsub tells its subscriptions only once per connection.
//!
//! Traps of gossipsub 0.50 that shape this:
//! - it panics on the close of a connection that it never saw, so events go in for seated connections only;
//! - it announces subscriptions only when `other_established` is 0, and keeps them for as long as any connection is
//!   left. With two connections to a peer of which one is dead, or is given up by the other side, the announcement is
//!   lost. So at most one connection of a peer is seated, the counts are rewritten to say so, and a change of seat is
//!   a close and a fresh start;
//! - a handler that once hears "protocol not supported" is dead for the life of the connection. Two peers never
//!   promote each other at the same instant, so the gate keeps that answer to itself and knocks again: after a pause
//!   that grows, and at once when the other side comes in, which shows that it has opened.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use either::Either;
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::swarm::behaviour::{AddressChange, ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedOutbound,
    OutboundUpgradeSend, SendWrapper, StreamUpgradeError,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::time::{Instant, Sleep};

use crate::message::Class;
use crate::roster::Roster;
use crate::screen::{Inbound, denied, inbound_for_inner, offered};
use crate::strict::{Declined, Strict};

/// The first pause before knocking again, and the longest. The growth is fourfold.
const KNOCK_FIRST: Duration = Duration::from_millis(200);
const KNOCK_LAST: Duration = Duration::from_secs(30);
/// Streams that may wait to knock again on one connection. The behaviours behind gates want one or two.
const KNOCKS: usize = 4;

/// Open until it falls, and it falls once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door(Arc<AtomicBool>);

impl Door {
    fn fall(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn fallen(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection that the inner behaviour knows.
struct Seat {
    connection: ConnectionId,
    door: Door,
}

/// Behaviour `B`, for seated connections only.
pub(crate) struct Gate<B: NetworkBehaviour> {
    inner: B,
    roster: Roster,
    permits: fn(Class) -> bool,
    connections: HashMap<ConnectionId, (PeerId, ConnectedPoint)>,
    seats: HashMap<PeerId, Seat>,
    queue: VecDeque<(PeerId, ConnectionId, GateIn<THandler<B>>)>,
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(crate) fn new(inner: B, roster: Roster, permits: fn(Class) -> bool) -> Self {
        Gate { inner, roster, permits, connections: HashMap::new(), seats: HashMap::new(), queue: VecDeque::new() }
    }

    /// The behaviour inside.
    pub(crate) fn inner(&mut self) -> &mut B {
        &mut self.inner
    }

    /// How many peers are inside.
    pub(crate) fn seated(&self) -> usize {
        self.seats.len()
    }

    /// Lets a peer in by this connection, and by no other. Nothing happens if its class does not permit it, if it is in
    /// by this connection already, or if the connection is gone. One that was shut before must not be named again.
    pub(crate) fn open(&mut self, connection: ConnectionId) {
        let Some((peer, endpoint)) = self.connections.get(&connection).cloned() else { return };
        if self.is_seated(&peer, connection) || !(self.permits)(self.roster.class(&peer)) {
            return;
        }
        self.shut(&peer);
        let handler = match &endpoint {
            ConnectedPoint::Dialer { address, role_override, port_use } => {
                self.inner.handle_established_outbound_connection(connection, peer, address, *role_override, *port_use)
            }
            ConnectedPoint::Listener { local_addr, send_back_addr } => {
                self.inner.handle_established_inbound_connection(connection, peer, local_addr, send_back_addr)
            }
        };
        let handler = match handler {
            Ok(handler) => handler,
            Err(denied) => {
                tracing::debug!(%peer, %denied, "the behaviour behind the gate refused a connection");
                return;
            }
        };
        self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: connection,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
        let door = Door::default();
        self.queue.push_back((peer, connection, GateIn::Open(Box::new(handler), door.clone())));
        self.seats.insert(peer, Seat { connection, door });
    }

    /// Puts a peer out, at once and for good as far as its connection goes.
    pub(crate) fn shut(&mut self, peer: &PeerId) {
        let Some(seat) = self.seats.remove(peer) else { return };
        seat.door.fall();
        let Some((_, endpoint)) = self.connections.get(&seat.connection) else { return };
        self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: *peer,
            connection_id: seat.connection,
            endpoint,
            cause: None,
            remaining_established: 0,
        }));
        // Wakes the connection's task, which then sees the fallen door.
        self.queue.push_back((*peer, seat.connection, GateIn::Shut));
    }

    /// Whether a new connection of this peer starts open. No later behaviour denies it, so the inner one will hear of it.
    fn starts_open(&self, peer: &PeerId) -> bool {
        !self.seats.contains_key(peer) && (self.permits)(self.roster.class(peer))
    }

    fn take_seat(&mut self, peer: PeerId, connection: ConnectionId, inner: THandler<B>) -> GateHandler<THandler<B>> {
        let door = Door::default();
        self.seats.insert(peer, Seat { connection, door: door.clone() });
        GateHandler { state: State::Open(Box::new(inner), door), waiting: Vec::new() }
    }

    fn is_seated(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.seats.get(peer).is_some_and(|seat| seat.connection == connection)
    }
}

impl<B> NetworkBehaviour for Gate<B>
where
    B: NetworkBehaviour,
    <THandler<B> as ConnectionHandler>::OutboundProtocol: Clone,
{
    type ConnectionHandler = GateHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.starts_open(&peer) {
            return Ok(GateHandler::closed());
        }
        let inner = self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(self.take_seat(peer, connection, inner))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.starts_open(&peer) {
            return Ok(GateHandler::closed());
        }
        let inner = self.inner.handle_established_outbound_connection(connection, peer, addr, role, port_use)?;
        Ok(self.take_seat(peer, connection, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                self.connections.insert(new.connection_id, (new.peer_id, new.endpoint.clone()));
                if self.is_seated(&new.peer_id, new.connection_id) {
                    let alone = ConnectionEstablished { other_established: 0, ..new };
                    self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(alone));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if self.is_seated(&closed.peer_id, closed.connection_id) {
                    self.seats.remove(&closed.peer_id);
                    let alone = ConnectionClosed { remaining_established: 0, ..closed };
                    self.inner.on_swarm_event(FromSwarm::ConnectionClosed(alone));
                }
                self.connections.remove(&closed.connection_id);
            }
            FromSwarm::AddressChange(change @ AddressChange { peer_id, connection_id, new, .. }) => {
                self.connections.insert(connection_id, (peer_id, new.clone()));
                if self.is_seated(&peer_id, connection_id) {
                    self.inner.on_swarm_event(FromSwarm::AddressChange(change));
                }
            }
            // They name connections that the inner behaviour never saw.
            FromSwarm::DialFailure(_) | FromSwarm::ListenFailure(_) => {}
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        if self.is_seated(&peer, connection) {
            self.inner.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some((peer_id, connection, event)) = self.queue.pop_front() {
                let handler = NotifyHandler::One(connection);
                return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
            }
            match self.inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event }) => {
                    let seat = self.seats.get(&peer_id).map(|seat| seat.connection);
                    let target = match handler {
                        NotifyHandler::Any => seat,
                        NotifyHandler::One(connection) => seat.filter(|seat| *seat == connection),
                    };
                    if let Some(connection) = target {
                        let (handler, event) = (NotifyHandler::One(connection), GateIn::Inner(event));
                        return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
                    }
                }
                Poll::Ready(other) => return Poll::Ready(other.map_in(GateIn::Inner)),
            }
        }
    }
}

/// What the gate says to its half on a connection.
pub(crate) enum GateIn<H: ConnectionHandler> {
    Open(Box<H>, Door),
    Shut,
    Inner(H::FromBehaviour),
}

impl<H: ConnectionHandler> fmt::Debug for GateIn<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GateIn::Open(..) => f.write_str("Open"),
            GateIn::Shut => f.write_str("Shut"),
            GateIn::Inner(event) => event.fmt(f),
        }
    }
}

/// A stream that the inner handler asked for, with what is needed to ask once more.
pub(crate) struct Knock<P, I> {
    protocol: P,
    info: I,
    timeout: Duration,
    tries: u32,
}

impl<P: Clone + Send + 'static, I> Knock<P, I> {
    fn request(self) -> SubstreamProtocol<Strict<P>, Self>
    where
        P: OutboundUpgradeSend,
    {
        let timeout = self.timeout;
        SubstreamProtocol::new(Strict(self.protocol.clone()), self).with_timeout(timeout)
    }
}

type KnockOf<H> = Knock<<H as ConnectionHandler>::OutboundProtocol, <H as ConnectionHandler>::OutboundOpenInfo>;

enum State<H> {
    Closed,
    Open(Box<H>, Door),
    Shut,
}

/// The gate's half on one connection.
pub(crate) struct GateHandler<H: ConnectionHandler> {
    state: State<H>,
    waiting: Vec<(Pin<Box<Sleep>>, KnockOf<H>)>,
}

impl<H: ConnectionHandler> GateHandler<H> {
    fn closed() -> Self {
        GateHandler { state: State::Closed, waiting: Vec::new() }
    }

    /// The inner handler, while the door stands. Drops it, with its streams, when the door has fallen.
    fn inner(&mut self) -> Option<&mut H> {
        if matches!(&self.state, State::Open(_, door) if door.fallen()) {
            self.state = State::Shut;
            self.waiting.clear();
        }
        match &mut self.state {
            State::Open(inner, _) => Some(inner),
            State::Closed | State::Shut => None,
        }
    }
}

impl<H> ConnectionHandler for GateHandler<H>
where
    H: ConnectionHandler,
    H::OutboundProtocol: Clone,
{
    type FromBehaviour = GateIn<H>;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Either<SendWrapper<H::InboundProtocol>, DeniedUpgrade>;
    type OutboundProtocol = Strict<H::OutboundProtocol>;
    type InboundOpenInfo = Either<H::InboundOpenInfo, ()>;
    type OutboundOpenInfo = KnockOf<H>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        match &self.state {
            State::Open(inner, door) if !door.fallen() => offered(inner.listen_protocol()),
            _ => denied(),
        }
    }

    fn connection_keep_alive(&self) -> bool {
        matches!(&self.state, State::Open(inner, _) if inner.connection_keep_alive())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        let Some(inner) = self.inner() else { return Poll::Pending };
        if let Poll::Ready(event) = inner.poll(cx) {
            return Poll::Ready(match event {
                ConnectionHandlerEvent::OutboundSubstreamRequest { protocol } => {
                    let timeout = *protocol.timeout();
                    let (protocol, info) = protocol.into_upgrade();
                    let protocol = Knock { protocol, info, timeout, tries: 0 }.request();
                    ConnectionHandlerEvent::OutboundSubstreamRequest { protocol }
                }
                other => other
                    .map_protocol(Strict)
                    .map_outbound_open_info(|_| unreachable!("only a request carries this, and it is above")),
            });
        }
        let due = self.waiting.iter_mut().position(|(sleep, _)| sleep.as_mut().poll(cx).is_ready());
        match due {
            Some(at) => {
                let (_, knock) = self.waiting.swap_remove(at);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol: knock.request() })
            }
            None => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        match self.inner() {
            Some(inner) => inner.poll_close(cx),
            None => Poll::Ready(None),
        }
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            GateIn::Open(inner, door) => {
                if matches!(self.state, State::Closed) {
                    self.state = State::Open(inner, door);
                }
            }
            GateIn::Shut => {
                self.state = State::Shut;
                self.waiting.clear();
            }
            GateIn::Inner(event) => {
                if let Some(inner) = self.inner() {
                    inner.on_behaviour_event(event);
                }
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        let Some(event) = inbound_for_inner::<H, _, _>(event) else { return };
        if self.inner().is_none() {
            return;
        }
        let event = match event {
            Inbound::Mine(event) => {
                // The other side is open: no need to wait.
                let now = Instant::now();
                for (sleep, _) in &mut self.waiting {
                    sleep.as_mut().reset(now);
                }
                event
            }
            Inbound::Other(ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error })) => {
                let error = match error {
                    StreamUpgradeError::Apply(Either::Left(error)) => StreamUpgradeError::Apply(error),
                    StreamUpgradeError::Apply(Either::Right(Declined)) => StreamUpgradeError::NegotiationFailed,
                    StreamUpgradeError::NegotiationFailed => StreamUpgradeError::NegotiationFailed,
                    StreamUpgradeError::Timeout => StreamUpgradeError::Timeout,
                    StreamUpgradeError::Io(error) => StreamUpgradeError::Io(error),
                };
                if matches!(error, StreamUpgradeError::NegotiationFailed) && self.waiting.len() < KNOCKS {
                    let pause = KNOCK_FIRST.saturating_mul(4u32.saturating_pow(info.tries)).min(KNOCK_LAST);
                    let knock = Knock { tries: info.tries.saturating_add(1), ..info };
                    self.waiting.push((Box::pin(tokio::time::sleep(pause)), knock));
                    return;
                }
                ConnectionEvent::DialUpgradeError(DialUpgradeError { info: info.info, error })
            }
            Inbound::Other(ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info })) => {
                ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info: info.info })
            }
            Inbound::Other(ConnectionEvent::AddressChange(change)) => ConnectionEvent::AddressChange(change),
            Inbound::Other(ConnectionEvent::LocalProtocolsChange(change)) => {
                ConnectionEvent::LocalProtocolsChange(change)
            }
            Inbound::Other(ConnectionEvent::RemoteProtocolsChange(change)) => {
                ConnectionEvent::RemoteProtocolsChange(change)
            }
            // Inbound ones are `Mine`; the enum may grow, and what is new then passes by.
            Inbound::Other(_) => return,
        };
        if let Some(inner) = self.inner() {
            inner.on_connection_event(event);
        }
    }
}
