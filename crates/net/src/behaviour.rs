//! All behaviours of a node, in the order in which the swarm asks them.

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::PublicKey;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, identify, ping};

use crate::admission::Admission;
use crate::config::{Limits, StartError};
use crate::frame::Frames;
use crate::gate::Gate;
use crate::gossip::{Gossip, gossip};
use crate::message::{Class, Plane, Protocol};
use crate::roster::Roster;
use crate::screen::Screen;
use crate::stats::Counters;

/// One request and response protocol.
pub(crate) type Direct = request_response::Behaviour<Frames>;

/// Streams of one protocol on one connection, ours and theirs together. More are refused.
const STREAMS: usize = 64;

/// Admission first: what a later one denies, the earlier ones have counted already, and several never forget it. None
/// after it denies anything.
#[derive(NetworkBehaviour)]
pub(crate) struct Node {
    pub admission: Admission,
    pub hello: Screen<Direct>,
    pub apply: Screen<Direct>,
    pub sync: Screen<Direct>,
    pub case: Screen<Direct>,
    pub blob: Screen<Direct>,
    pub reach: Screen<Direct>,
    pub identify: Gate<identify::Behaviour>,
    pub ping: Gate<ping::Behaviour>,
    pub gossip_pub: Gate<Gossip>,
    pub gossip_agy: Gate<Gossip>,
}

impl Node {
    pub(crate) fn new(
        key: PublicKey,
        network: &str,
        agent: &str,
        limits: &Limits,
        roster: &Roster,
        counters: &Arc<Counters>,
    ) -> Result<Self, StartError> {
        let direct = |protocol: Protocol| -> Result<Screen<Direct>, StartError> {
            let name = StreamProtocol::try_from_owned(format!("/lapwing/{network}/{}/1", protocol.name()))
                .map_err(|error| StartError::Setup { what: "a protocol name", why: error.to_string() })?;
            let config = request_response::Config::default()
                .with_request_timeout(protocol.timeout())
                .with_max_concurrent_streams(STREAMS);
            let frames = Frames::new(protocol, counters.clone());
            let inner = Direct::with_codec(frames, [(name, ProtocolSupport::Full)], config);
            Ok(Screen::new(inner, protocol, roster.clone()))
        };
        // Members know our addresses from our NodeBinding; only how they see us is news.
        let identify = identify::Config::new(format!("/lapwing/{network}"), key)
            .with_agent_version(agent.to_owned())
            .with_hide_listen_addrs(true)
            .with_push_listen_addr_updates(false)
            .with_cache_size(0);
        // The library forgives the first failure: a member that is silently gone is down after a minute at most.
        let ping = ping::Config::new().with_interval(Duration::from_secs(15)).with_timeout(Duration::from_secs(20));
        Ok(Node {
            admission: Admission::new(limits.clone(), roster.clone(), counters.clone()),
            hello: direct(Protocol::Hello)?,
            apply: direct(Protocol::Apply)?,
            sync: direct(Protocol::Sync)?,
            case: direct(Protocol::Case)?,
            blob: direct(Protocol::Blob)?,
            reach: direct(Protocol::Reach)?,
            identify: Gate::new(identify::Behaviour::new(identify), roster.clone(), |class| class > Class::Stranger),
            ping: Gate::new(ping::Behaviour::new(ping), roster.clone(), |class| class > Class::Stranger),
            gossip_pub: Gate::new(gossip(network, Plane::Pub)?, roster.clone(), |class| class.permits(Plane::Pub)),
            gossip_agy: Gate::new(gossip(network, Plane::Agy)?, roster.clone(), |class| class.permits(Plane::Agy)),
        })
    }

    pub(crate) fn direct(&mut self, protocol: Protocol) -> &mut Direct {
        match protocol {
            Protocol::Hello => &mut self.hello.inner,
            Protocol::Apply => &mut self.apply.inner,
            Protocol::Sync => &mut self.sync.inner,
            Protocol::Case => &mut self.case.inner,
            Protocol::Blob => &mut self.blob.inner,
            Protocol::Reach => &mut self.reach.inner,
        }
    }

    pub(crate) fn gossip(&mut self, plane: Plane) -> &mut Gate<Gossip> {
        match plane {
            Plane::Pub => &mut self.gossip_pub,
            Plane::Agy => &mut self.gossip_agy,
        }
    }
}
