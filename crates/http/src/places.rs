//! Places for connections. Where all are taken, the newcomer gets that of the connection that came first among those that
//! have shown no valid token: whoever opens thousands and says nothing pushes out his own, and nobody who works.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The place of one connection. Free again when dropped.
pub(crate) struct Place {
    seat: Arc<Seat>,
    places: Arc<Places>,
}

/// What is known of the connection there; requests carry it along.
#[derive(Default)]
pub(crate) struct Seat {
    /// Whether its last request had a valid token.
    known: AtomicBool,
    leave: Notify,
}

impl Seat {
    /// Says whether the request under way has a valid token.
    pub(crate) fn know(&self, known: bool) {
        self.known.store(known, Ordering::Relaxed);
    }
}

/// All of them.
pub(crate) struct Places {
    most: usize,
    /// In the order in which they came.
    taken: Mutex<VecDeque<Arc<Seat>>>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Places { most, taken: Mutex::default() })
    }

    /// A place, if need be somebody else's; none where all are held by those who showed a token.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.lock();
        if taken.len() >= self.most {
            let first = taken.iter().position(|seat| !seat.known.load(Ordering::Relaxed))?;
            if let Some(seat) = taken.remove(first) {
                seat.leave.notify_one();
            }
        }
        let seat = Arc::new(Seat::default());
        taken.push_back(seat.clone());
        Some(Place { seat, places: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Seat>>> {
        // seats come and go whole, so a panic elsewhere left the list whole
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn seat(&self) -> Arc<Seat> {
        self.seat.clone()
    }

    /// Completes when somebody else gets this place.
    pub(crate) async fn lost(&self) {
        self.seat.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_shows_a_token_stays_and_of_the_others_the_first_goes() {
        let places = Places::new(3);
        let [a, b, c] = [(); 3].map(|()| places.take().unwrap());
        a.seat().know(true);
        let d = places.take().unwrap();
        let is_lost = |place: &Place| !places.lock().iter().any(|s| Arc::ptr_eq(s, &place.seat));
        assert!(!is_lost(&a) && is_lost(&b) && !is_lost(&c) && !is_lost(&d));
        drop(b);
        assert_eq!(places.lock().len(), 3, "whoever lost his place does not take another's along");
        c.seat().know(true);
        d.seat().know(true);
        assert!(places.take().is_none());
        a.seat().know(false);
        assert!(places.take().is_some() && is_lost(&a));
    }
}
