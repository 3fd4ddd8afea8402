//! How bytes get there: TCP, Noise, Yamux. No QUIC: it costs twice the processor time on bulk (protocol §5).

use std::sync::Arc;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, Transport};
use libp2p::core::upgrade;
use libp2p::identity::Keypair;
use libp2p::{PeerId, dns, noise, tcp, yamux};

use crate::config::{Limits, StartError};
use crate::stats::Counters;
use crate::vestibule::Vestibule;

/// How long a dial may take, from the name to the proven peer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of one connection: those of all protocols, gossip, and some that are being negotiated.
const STREAMS: usize = 128;

/// We offer one protocol at a time, and whoever is spoken to knows it or refuses: waiting for its "yes" before the first
/// word would cost one round trip a stream and two a connection. On the wire it is the same.
pub(crate) const NEGOTIATION: upgrade::Version = upgrade::Version::V1Lazy;

pub(crate) fn transport(
    key: &Keypair,
    limits: &Limits,
    counters: &Arc<Counters>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default());
    let named = match dns::tokio::Transport::system(tcp()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            // Better reachable by number than not at all. No built-in name servers: whom a node asks is for its host.
            tracing::warn!(%error, "no name servers are set on this host: only numeric addresses can be dialled");
            tcp().boxed()
        }
    };
    let noise =
        noise::Config::new(key).map_err(|error| StartError::Setup { what: "encryption", why: error.to_string() })?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS);
    let proven = named.upgrade(NEGOTIATION).authenticate(noise).multiplex(yamux).boxed();
    let timed = TransportTimeout::with_outgoing_timeout(proven, DIAL_TIMEOUT);
    let timed = TransportTimeout::with_ingoing_timeout(timed, limits.handshake_timeout);
    Ok(Vestibule::new(timed.boxed(), limits.handshakes, counters.clone()).boxed())
}
