//! Places for connections. Where all are taken, the newcomer gets that of the connection that came first among those that
//! are waited for and have shown no valid token: whoever opens thousands and says nothing pushes out his own, and nobody who
//! works. A connection that nobody has looked at yet may hold a request already; it is not pushed out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many milliseconds a newcomer waits for those that were not looked at yet.
const LOOKS: usize = 500;

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
    /// Whether it was read from and there was nothing, or written to and nobody read.
    waited_for: AtomicBool,
    leave: Notify,
}

impl Seat {
    /// Says whether the request under way has a valid token.
    pub(crate) fn know(&self, known: bool) {
        self.known.store(known, Ordering::Relaxed);
        // whoever has asked for something was looked at
        self.wait();
    }

    /// Says that its client has to do something now.
    pub(crate) fn wait(&self) {
        self.waited_for.store(true, Ordering::Relaxed);
    }
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Those who showed a token hold all of them.
    Held,
    /// Some were not looked at yet: soon there is one, or they showed a token.
    Fresh,
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

    /// A place, if need be somebody else's.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Place, Full> {
        let mut taken = self.lock();
        if taken.len() >= self.most {
            let stranger = |seat: &&Arc<Seat>| !seat.known.load(Ordering::Relaxed);
            let first = taken.iter().position(|seat| stranger(&seat) && seat.waited_for.load(Ordering::Relaxed));
            match first.and_then(|first| taken.remove(first)) {
                Some(seat) => seat.leave.notify_one(),
                None if taken.iter().any(|seat| stranger(&seat)) => return Err(Full::Fresh),
                None => return Err(Full::Held),
            }
        }
        let seat = Arc::new(Seat::default());
        taken.push_back(seat.clone());
        Ok(Place { seat, places: self.clone() })
    }

    /// The same; waits for those that were not looked at yet, but not for long.
    pub(crate) async fn take_soon(self: &Arc<Self>) -> Option<Place> {
        for _ in 0..LOOKS {
            match self.take() {
                Ok(place) => return Some(place),
                Err(Full::Held) => return None,
                Err(Full::Fresh) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        None
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
    fn who_shows_a_token_stays_and_of_those_who_are_waited_for_the_first_goes() {
        let places = Places::new(3);
        let [a, b, c] = [(); 3].map(|()| places.take().unwrap());
        assert_eq!(places.take().err(), Some(Full::Fresh), "nobody has looked what they said");
        [&a, &b, &c].iter().for_each(|place| place.seat().wait());
        a.seat().know(true);
        let d = places.take().unwrap();
        let is_lost = |place: &Place| !places.lock().iter().any(|s| Arc::ptr_eq(s, &place.seat));
        assert!(!is_lost(&a) && is_lost(&b) && !is_lost(&c) && !is_lost(&d));
        drop(b);
        assert_eq!(places.lock().len(), 3, "whoever lost his place does not take another's along");
        c.seat().know(true);
        d.seat().know(true);
        assert_eq!(places.take().err(), Some(Full::Held));
        a.seat().know(false);
        assert!(places.take().is_ok() && is_lost(&a));
    }
}
