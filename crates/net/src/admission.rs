//! Who may hold a connection: the first behaviour, so that what it denies nobody else has counted.
//!
//! Members and strangers do not compete: a stranger can fill the strangers' few places and no others. Silent and slow
//! handshakes are kept out of both by the [vestibule](crate::vestibule).

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use thiserror::Error;

use crate::config::Limits;
use crate::message::Class;
use crate::roster::Roster;
use crate::stats::Counters;

/// Connections with one peer: one each way, and one that is closing.
const PER_PEER: usize = 4;
/// Addresses whose strangers are counted at a time.
const ADDRESSES: usize = 4096;
const MINUTE: Duration = Duration::from_secs(60);

/// Why a connection was not admitted.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Denied {
    #[error("no place for another stranger")]
    Strangers,
    #[error("too many strangers from one address in a minute")]
    Rate,
    #[error("no place for another member")]
    Members,
    #[error("no place for another outbound connection")]
    Outbound,
    #[error("enough connections with this peer")]
    Peer,
}

struct Entry {
    peer: PeerId,
    inbound: bool,
    since: Instant,
    leaving: bool,
}

/// Counts connections by the class of their peer, as it is now, not as it was when they came.
pub(crate) struct Admission {
    limits: Limits,
    roster: Roster,
    counters: Arc<Counters>,
    entries: HashMap<ConnectionId, Entry>,
    rate: Rate,
    closing: VecDeque<(PeerId, ConnectionId)>,
}

impl Admission {
    pub(crate) fn new(limits: Limits, roster: Roster, counters: Arc<Counters>) -> Self {
        Admission { limits, roster, counters, entries: HashMap::new(), rate: Rate::default(), closing: VecDeque::new() }
    }

    fn per_peer(&self, peer: &PeerId) -> Result<(), Denied> {
        let held = self.entries.values().filter(|entry| entry.peer == *peer).count();
        if held < PER_PEER { Ok(()) } else { Err(Denied::Peer) }
    }

    fn inbound(&mut self, peer: &PeerId, remote: &Multiaddr, now: Instant) -> Result<(), Denied> {
        self.per_peer(peer)?;
        if self.roster.class(peer) > Class::Stranger {
            let members = |entry: &&Entry| entry.inbound && self.roster.class(&entry.peer) > Class::Stranger;
            let held = self.entries.values().filter(members).count();
            return if held < self.limits.members { Ok(()) } else { Err(Denied::Members) };
        }
        let strangers =
            |entry: &Entry| entry.inbound && !entry.leaving && self.roster.class(&entry.peer) == Class::Stranger;
        let held = self.entries.values().filter(|entry| strangers(entry)).count();
        let leaves = if held < self.limits.strangers {
            None
        } else {
            let oldest = self.entries.iter().filter(|(_, entry)| strangers(entry)).min_by_key(|(_, entry)| entry.since);
            let grace = self.limits.stranger_grace;
            match oldest {
                Some((id, entry)) if now.duration_since(entry.since) >= grace => Some(*id),
                _ => return Err(Denied::Strangers),
            }
        };
        if let Some(ip) = ip_of(remote)
            && !self.rate.take(ip, self.limits.stranger_rate, now)
        {
            return Err(Denied::Rate);
        }
        if let Some(entry) = leaves.and_then(|id| self.entries.get_mut(&id).map(|entry| (id, entry))) {
            let (id, entry) = entry;
            entry.leaving = true;
            self.closing.push_back((entry.peer, id));
        }
        Ok(())
    }

    fn outbound(&self, peer: &PeerId) -> Result<(), Denied> {
        self.per_peer(peer)?;
        let held = self.entries.values().filter(|entry| !entry.inbound).count();
        if held < self.limits.outbound { Ok(()) } else { Err(Denied::Outbound) }
    }

    fn answer(&self, admitted: Result<(), Denied>) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        admitted.map(|()| dummy::ConnectionHandler).map_err(|denied| {
            self.counters.denied.fetch_add(1, Relaxed);
            ConnectionDenied::new(denied)
        })
    }
}

impl NetworkBehaviour for Admission {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let admitted = self.inbound(&peer, remote, Instant::now());
        self.answer(admitted)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.answer(self.outbound(&peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                let entry =
                    Entry { peer: peer_id, inbound: endpoint.is_listener(), since: Instant::now(), leaving: false };
                self.entries.insert(connection_id, entry);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.entries.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.closing.pop_front() {
            Some((peer_id, id)) => {
                Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) })
            }
            None => Poll::Pending,
        }
    }
}

/// The address to count by: IPv4 as it is, IPv6 by its /64, which is one customer.
pub(crate) fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    addr.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(ip),
            None if ip.is_loopback() => IpAddr::V6(ip),
            None => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        }),
        _ => None,
    })
}

/// Strangers by address in the current minute of that address.
#[derive(Default)]
struct Rate(HashMap<IpAddr, (Instant, u32)>);

impl Rate {
    fn take(&mut self, ip: IpAddr, limit: u32, now: Instant) -> bool {
        if ip.is_loopback() {
            return true;
        }
        if self.0.len() >= ADDRESSES {
            self.0.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
        }
        // Full of the last minute: so many addresses are an attack, and new ones wait.
        if self.0.len() >= ADDRESSES && !self.0.contains_key(&ip) {
            return false;
        }
        let (since, count) = self.0.entry(ip).or_insert((now, 0));
        if now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        ip_of(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn strangers_of_one_address_are_counted_by_the_minute_and_loopback_is_free() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let there = ip("/ip4/192.0.2.1/tcp/1");
        assert_eq!([(); 3].map(|()| rate.take(there, 2, now)), [true, true, false]);
        assert!(rate.take(ip("/ip4/192.0.2.2/tcp/1"), 2, now));
        assert!(rate.take(there, 2, now + MINUTE));
        assert!(
            (0..9).all(|_| rate.take(ip("/ip4/127.0.0.1/tcp/1"), 2, now) && rate.take(ip("/ip6/::1/tcp/1"), 2, now))
        );
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        assert_eq!(ip("/ip6/2001:db8::1/tcp/1"), ip("/ip6/2001:db8::ffff:2/tcp/1"));
        assert_ne!(ip("/ip6/2001:db8::1/tcp/1"), ip("/ip6/2001:db8:0:1::1/tcp/1"));
        assert_eq!(ip("/ip6/::ffff:192.0.2.1/tcp/1"), ip("/ip4/192.0.2.1/tcp/1"));
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        for n in 0..ADDRESSES as u32 + 10 {
            rate.take(IpAddr::V4((0x0a00_0000 + n).into()), 2, now);
        }
        assert_eq!(rate.0.len(), ADDRESSES);
        assert!(rate.take(ip("/ip4/192.0.2.1/tcp/1"), 2, now + MINUTE));
    }

    fn admission(limits: Limits) -> (Admission, Roster) {
        let roster = Roster::default();
        (Admission::new(limits, roster.clone(), Arc::default()), roster)
    }

    fn come(admission: &mut Admission, n: usize, peer: PeerId, since: Instant) {
        let entry = Entry { peer, inbound: true, since, leaving: false };
        admission.entries.insert(ConnectionId::new_unchecked(n), entry);
    }

    #[test]
    fn strangers_fill_their_own_places_only_and_the_oldest_makes_room_after_its_grace() {
        let (mut admission, roster) = admission(Limits { strangers: 2, ..Limits::default() });
        let (start, here) = (Instant::now(), "/ip4/127.0.0.1/tcp/1".parse().unwrap());
        come(&mut admission, 1, PeerId::random(), start);
        come(&mut admission, 2, PeerId::random(), start + Duration::from_secs(1));
        assert_eq!(admission.inbound(&PeerId::random(), &here, start), Err(Denied::Strangers));
        let member = PeerId::random();
        roster.set(&member, Class::Participant);
        assert_eq!(admission.inbound(&member, &here, start), Ok(()));
        assert!(admission.closing.is_empty());
        assert_eq!(admission.inbound(&PeerId::random(), &here, start + Duration::from_secs(5)), Ok(()));
        assert_eq!(admission.closing.front().map(|(_, id)| *id), Some(ConnectionId::new_unchecked(1)));
    }

    #[test]
    fn members_and_the_connections_of_one_peer_are_bounded_too() {
        let (mut admission, roster) = admission(Limits { members: 5, ..Limits::default() });
        let (now, here) = (Instant::now(), "/ip4/192.0.2.1/tcp/1".parse().unwrap());
        let (one, other) = (PeerId::random(), PeerId::random());
        roster.set(&one, Class::Agency);
        roster.set(&other, Class::Agency);
        for n in 0..PER_PEER {
            assert_eq!(admission.inbound(&one, &here, now), Ok(()));
            come(&mut admission, n, one, now);
        }
        assert_eq!(admission.inbound(&one, &here, now), Err(Denied::Peer));
        assert_eq!(admission.inbound(&other, &here, now), Ok(()));
        come(&mut admission, 9, other, now);
        assert_eq!(admission.inbound(&other, &here, now), Err(Denied::Members));
    }
}
