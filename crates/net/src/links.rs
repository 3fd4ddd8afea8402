//! Which connections there are with each peer, and which one of them counts.
//!
//! Two nodes that dial each other at the same time get two connections, and must keep the same one without asking.
//! A peer that lost its power dials again while its old connection still looks alive to us, and must not be judged by
//! that one. [`prefer`] decides both.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

/// Two connections that came within this time were dialled at the same time. A dial takes less.
const TOGETHER: Duration = Duration::from_secs(10);
/// How long a connection that lost is kept, so that requests on it can end.
const FAREWELL: Duration = Duration::from_secs(3);

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub id: ConnectionId,
    /// Whether we dialled.
    pub dialled: bool,
    pub since: Instant,
    /// The other end, without the peer's name.
    pub addr: Multiaddr,
    /// Requests that a stranger made on it.
    pub asked: u32,
    state: LinkState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    /// The one that counts.
    Seated,
    /// Lost against another; to be closed at this time.
    Retired(Instant),
    /// Told to close. It may take its time, if the other end no longer listens.
    Closing,
}

impl Link {
    pub(crate) fn new(id: ConnectionId, dialled: bool, addr: Multiaddr, since: Instant) -> Self {
        Link { id, dialled, since, addr, asked: 0, state: LinkState::Seated }
    }
}

/// What a new connection means for its peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The peer is up, with this connection.
    Up,
    /// The new connection takes the seat.
    Replaces,
    /// The peer keeps the seat it has, and the new connection goes.
    Superfluous,
}

/// What the end of a connection means for its peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The peer is down. The connections named are left over and must be closed.
    Down(Vec<ConnectionId>),
    /// Nothing: it had lost its seat, or was told to close.
    Nothing,
}

/// All connections by peer.
#[derive(Default)]
pub(crate) struct Links(HashMap<PeerId, Vec<Link>>);

impl Links {
    /// Notes a new connection, and gives the seat to the better one.
    pub(crate) fn arrive(&mut self, us: &PeerId, peer: PeerId, new: Link, now: Instant) -> Arrival {
        let links = self.0.entry(peer).or_default();
        let arrival = match links.iter_mut().find(|link| link.state == LinkState::Seated) {
            None => Arrival::Up,
            Some(old) if prefer(us, &peer, old, &new) => {
                old.state = LinkState::Retired(now + FAREWELL);
                Arrival::Replaces
            }
            Some(_) => Arrival::Superfluous,
        };
        let state = match arrival {
            Arrival::Superfluous => LinkState::Retired(now + FAREWELL),
            Arrival::Up | Arrival::Replaces => LinkState::Seated,
        };
        links.push(Link { state, ..new });
        arrival
    }

    /// Notes the end of a connection.
    pub(crate) fn depart(&mut self, peer: &PeerId, id: ConnectionId) -> Departure {
        let Some(links) = self.0.get_mut(peer) else { return Departure::Nothing };
        let Some(at) = links.iter().position(|link| link.id == id) else { return Departure::Nothing };
        let was_seated = links.remove(at).state == LinkState::Seated;
        if links.is_empty() {
            self.0.remove(peer);
        }
        if was_seated { Departure::Down(self.close(peer)) } else { Departure::Nothing }
    }

    /// Marks all of a peer's connections as closing and names those that were not.
    pub(crate) fn close(&mut self, peer: &PeerId) -> Vec<ConnectionId> {
        let open = self.0.get_mut(peer).into_iter().flatten().filter(|link| link.state != LinkState::Closing);
        open.map(|link| {
            link.state = LinkState::Closing;
            link.id
        })
        .collect()
    }

    /// The connection that counts.
    pub(crate) fn seat(&self, peer: &PeerId) -> Option<&Link> {
        self.0.get(peer)?.iter().find(|link| link.state == LinkState::Seated)
    }

    pub(crate) fn seat_mut(&mut self, peer: &PeerId) -> Option<&mut Link> {
        self.0.get_mut(peer)?.iter_mut().find(|link| link.state == LinkState::Seated)
    }

    /// Whether any connection is left, even a closing one.
    pub(crate) fn any(&self, peer: &PeerId) -> bool {
        self.0.contains_key(peer)
    }

    /// The peers that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = (&PeerId, &Link)> {
        self.0.iter().filter_map(|(peer, links)| {
            links.iter().find(|link| link.state == LinkState::Seated).map(|link| (peer, link))
        })
    }

    /// The retired connections whose time is over, now marked as closing.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<ConnectionId> {
        let mut over = Vec::new();
        for link in self.0.values_mut().flatten() {
            if matches!(link.state, LinkState::Retired(at) if at <= now) {
                link.state = LinkState::Closing;
                over.push(link.id);
            }
        }
        over
    }
}

/// Whether the new connection is the better one. Both ends come to the same answer.
///
/// - The same direction again: whoever dials knows its own connections, so the old one is dead at that end.
/// - Long after the old one: likewise.
/// - Each end dialled, at the same time: the one that the smaller peer id dialled.
fn prefer(us: &PeerId, peer: &PeerId, old: &Link, new: &Link) -> bool {
    if old.dialled == new.dialled || new.since.duration_since(old.since) > TOGETHER {
        return true;
    }
    new.dialled == (us < peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        if a < b { (a, b) } else { (b, a) }
    }

    fn link(n: usize, dialled: bool, since: Instant) -> Link {
        Link::new(ConnectionId::new_unchecked(n), dialled, Multiaddr::empty(), since)
    }

    #[test]
    fn both_ends_of_a_simultaneous_dial_keep_the_same_connection_in_whatever_order_they_see_them() {
        let ((small, large), now) = (pair(), Instant::now());
        // Connection 1 is dialled by the small one, connection 2 by the large one.
        for order in [[1, 2], [2, 1]] {
            for (us, them, ours) in [(small, large, 1), (large, small, 2)] {
                let mut links = Links::default();
                for n in order {
                    links.arrive(&us, them, link(n, n == ours, now), now);
                }
                assert_eq!(links.seat(&them).map(|l| l.id), Some(ConnectionId::new_unchecked(1)));
            }
        }
    }

    #[test]
    fn a_peer_that_comes_back_is_not_judged_by_its_dead_connection() {
        let ((us, them), now) = (pair(), Instant::now());
        let mut links = Links::default();
        assert_eq!(links.arrive(&us, them, link(1, true, now), now), Arrival::Up);
        let later = now + TOGETHER + Duration::from_secs(1);
        assert_eq!(links.arrive(&us, them, link(2, false, later), later), Arrival::Replaces);
        assert_eq!(links.arrive(&us, them, link(3, false, later), later), Arrival::Replaces);
        assert_eq!(links.expire(later + FAREWELL).len(), 2);
        assert_eq!(links.depart(&them, ConnectionId::new_unchecked(1)), Departure::Nothing);
        assert_eq!(links.seat(&them).map(|l| l.id), Some(ConnectionId::new_unchecked(3)));
    }

    #[test]
    fn a_peer_is_down_once_and_what_is_left_over_is_closed() {
        let ((us, them), now) = (pair(), Instant::now());
        let mut links = Links::default();
        links.arrive(&us, them, link(1, true, now), now);
        assert_eq!(links.arrive(&us, them, link(2, false, now), now), Arrival::Superfluous);
        let left = vec![ConnectionId::new_unchecked(2)];
        assert_eq!(links.depart(&them, ConnectionId::new_unchecked(1)), Departure::Down(left));
        assert!(links.seat(&them).is_none() && links.any(&them));
        assert_eq!(links.depart(&them, ConnectionId::new_unchecked(2)), Departure::Nothing);
        assert!(!links.any(&them));
    }

    #[test]
    fn a_connection_that_hangs_while_closing_does_not_stand_in_the_way_of_a_new_one() {
        let ((us, them), now) = (pair(), Instant::now());
        let mut links = Links::default();
        links.arrive(&us, them, link(1, true, now), now);
        assert_eq!(links.close(&them).len(), 1);
        assert!(links.close(&them).is_empty() && links.seat(&them).is_none());
        assert_eq!(links.arrive(&us, them, link(2, true, now), now), Arrival::Up);
        assert_eq!(links.depart(&them, ConnectionId::new_unchecked(1)), Departure::Nothing);
        assert_eq!(links.up().count(), 1);
    }
}
