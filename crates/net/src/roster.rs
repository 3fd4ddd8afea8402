//! The class of every peer, shared between the loop that sets it and the connections that obey it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;

use crate::message::Class;

/// One peer's class, held by each of its connections: a change is seen at the next look, on whatever thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Badge(Arc<AtomicU8>);

impl Badge {
    pub(crate) fn class(&self) -> Class {
        Class::of_u8(self.0.load(Ordering::Acquire))
    }

    fn set(&self, class: Class) -> Class {
        Class::of_u8(self.0.swap(class as u8, Ordering::AcqRel))
    }
}

/// Who is what. Peers that are not named are strangers. Its size is that of the directory plus the connected strangers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster(Arc<Mutex<HashMap<PeerId, Badge>>>);

impl Roster {
    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Badge>> {
        // Every change is one insert or remove, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn class(&self, peer: &PeerId) -> Class {
        self.lock().get(peer).map_or(Class::Stranger, Badge::class)
    }

    /// The peer's badge, for a connection to hold.
    pub(crate) fn badge(&self, peer: &PeerId) -> Badge {
        self.lock().entry(*peer).or_default().clone()
    }

    /// Sets a class and gives the one before.
    pub(crate) fn set(&self, peer: &PeerId, class: Class) -> Class {
        self.lock().entry(*peer).or_default().set(class)
    }

    /// Forgets a peer without connections, if there is nothing to remember.
    pub(crate) fn forget_stranger(&self, peer: &PeerId) {
        let mut all = self.lock();
        if all.get(peer).is_some_and(|badge| badge.class() == Class::Stranger) {
            all.remove(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_follows_its_peer_and_only_strangers_are_forgotten() {
        let (roster, peer) = (Roster::default(), PeerId::random());
        let badge = roster.badge(&peer);
        assert_eq!(badge.class(), Class::Stranger);
        assert_eq!(roster.set(&peer, Class::Agency), Class::Stranger);
        assert_eq!(badge.class(), Class::Agency);
        roster.forget_stranger(&peer);
        assert_eq!(roster.class(&peer), Class::Agency);
        roster.set(&peer, Class::Stranger);
        roster.forget_stranger(&peer);
        assert!(roster.lock().is_empty());
    }
}
