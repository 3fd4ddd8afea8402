//! Wrong tokens: answered at once as long as they are few, then one after the other. Whoever has a right one never waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens that are answered at once.
const BURST: f64 = 100.0;
/// And so many a second from then on.
const A_SECOND: f64 = 50.0;
/// The longest that one waits for its answer.
const LONGEST: Duration = Duration::from_secs(2);

/// How many may still be answered at once (below zero: wait), as of when.
pub(crate) struct Guesses(Mutex<(f64, Instant)>);

impl Default for Guesses {
    fn default() -> Self {
        Guesses(Mutex::new((BURST, Instant::now())))
    }
}

impl Guesses {
    /// Waits as long as one more must.
    pub(crate) async fn another(&self) {
        tokio::time::sleep(self.take(Instant::now())).await;
    }

    fn take(&self, now: Instant) -> Duration {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, last) = *state;
        let left = (left + now.saturating_duration_since(last).as_secs_f64() * A_SECOND).min(BURST) - 1.0;
        let left = left.max(-LONGEST.as_secs_f64() * A_SECOND);
        *state = (left, now);
        Duration::from_secs_f64((-left).max(0.0) / A_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_answered_at_once_many_wait_and_none_waits_for_ever() {
        let guesses = Guesses::default();
        let begin = Instant::now();
        assert!((0..100).all(|_| guesses.take(begin).is_zero()));
        assert_eq!(guesses.take(begin), Duration::from_millis(20));
        assert!((0..1000).all(|_| guesses.take(begin) <= LONGEST));
        assert_eq!(guesses.take(begin), LONGEST);
        assert!(guesses.take(begin + Duration::from_secs(10)).is_zero());
    }
}
