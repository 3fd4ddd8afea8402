//! A request and response protocol that strangers may not use towards us, though we may use it towards them.
//!
//! A node that knows nobody yet must be able to ask a bootstrap peer, a stranger still, for the records by which it
//! will know it. So the protocol is there on every connection, but we offer it only to members: each time a stream
//! comes in, its peer's badge is looked at. A stranger's request is thus refused before a byte of it is read.

use std::task::{Context, Poll};

use either::Either;
use futures::future;
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, FullyNegotiatedInbound, ListenUpgradeError,
    OutboundUpgradeSend, SendWrapper,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use crate::message::Protocol;
use crate::roster::{Badge, Roster};

/// Behaviour `B`, taking streams only of peers whose class may ask by `protocol`.
pub(crate) struct Screen<B> {
    pub(crate) inner: B,
    protocol: Protocol,
    roster: Roster,
}

impl<B: NetworkBehaviour> Screen<B> {
    pub(crate) fn new(inner: B, protocol: Protocol, roster: Roster) -> Self {
        Screen { inner, protocol, roster }
    }

    fn handler(&self, inner: THandler<B>, peer: &PeerId) -> ScreenHandler<THandler<B>> {
        ScreenHandler { inner, protocol: self.protocol, badge: self.roster.badge(peer) }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Screen<B> {
    type ConnectionHandler = ScreenHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(self.handler(inner, &peer))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self.inner.handle_established_outbound_connection(id, peer, addr, role, port_use)?;
        Ok(self.handler(inner, &peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

/// The handler of one connection. All but `listen_protocol` is the inner one's.
pub(crate) struct ScreenHandler<H> {
    inner: H,
    protocol: Protocol,
    badge: Badge,
}

impl<H: ConnectionHandler> ConnectionHandler for ScreenHandler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Either<SendWrapper<H::InboundProtocol>, DeniedUpgrade>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = Either<H::InboundOpenInfo, ()>;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        if self.badge.class().may_ask(self.protocol) { offered(self.inner.listen_protocol()) } else { denied() }
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        self.inner.poll(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.inner.on_behaviour_event(event);
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
        if let Some(event) = inbound_for_inner::<H, _, _>(event) {
            match event {
                Inbound::Mine(event) => self.inner.on_connection_event(event),
                Inbound::Other(event) => self.inner.on_connection_event(match event {
                    ConnectionEvent::FullyNegotiatedOutbound(e) => ConnectionEvent::FullyNegotiatedOutbound(e),
                    ConnectionEvent::DialUpgradeError(e) => ConnectionEvent::DialUpgradeError(e),
                    ConnectionEvent::AddressChange(e) => ConnectionEvent::AddressChange(e),
                    ConnectionEvent::LocalProtocolsChange(e) => ConnectionEvent::LocalProtocolsChange(e),
                    ConnectionEvent::RemoteProtocolsChange(e) => ConnectionEvent::RemoteProtocolsChange(e),
                    // Inbound ones are `Mine`; the enum may grow, and what is new then passes by.
                    _ => return,
                }),
            }
        }
    }
}

/// `protocol` as one side of a choice whose other side is a closed door.
pub(crate) fn offered<P, I>(
    protocol: SubstreamProtocol<P, I>,
) -> SubstreamProtocol<Either<SendWrapper<P>, DeniedUpgrade>, Either<I, ()>> {
    protocol.map_upgrade(|p| Either::Left(SendWrapper(p))).map_info(Either::Left)
}

/// The closed door: no protocol at all.
pub(crate) fn denied<P, I>() -> SubstreamProtocol<Either<SendWrapper<P>, DeniedUpgrade>, Either<I, ()>> {
    SubstreamProtocol::new(Either::Right(DeniedUpgrade), Either::Right(()))
}

type Offer<H> = Either<SendWrapper<<H as ConnectionHandler>::InboundProtocol>, DeniedUpgrade>;
type OfferInfo<H> = Either<<H as ConnectionHandler>::InboundOpenInfo, ()>;

/// An event, sorted into what concerns streams that came in and the rest.
pub(crate) enum Inbound<'a, H: ConnectionHandler, OP: OutboundUpgradeSend, OOI> {
    Mine(ConnectionEvent<'a, H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>),
    Other(ConnectionEvent<'a, Offer<H>, OP, OfferInfo<H>, OOI>),
}

/// Takes the choice of [`offered`] and [`denied`] off an event again; nothing if it belongs to the closed door.
pub(crate) fn inbound_for_inner<H: ConnectionHandler, OP: OutboundUpgradeSend, OOI>(
    event: ConnectionEvent<'_, Offer<H>, OP, OfferInfo<H>, OOI>,
) -> Option<Inbound<'_, H, OP, OOI>> {
    match event {
        ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => match (protocol, info) {
            (future::Either::Left(protocol), Either::Left(info)) => {
                Some(Inbound::Mine(ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })))
            }
            _ => None,
        },
        ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }) => match (error, info) {
            (Either::Left(error), Either::Left(info)) => {
                Some(Inbound::Mine(ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })))
            }
            _ => None,
        },
        other => Some(Inbound::Other(other)),
    }
}
