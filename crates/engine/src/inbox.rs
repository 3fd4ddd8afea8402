//! The order in which a target works through what is asked of it (docs/protocol.md §6.1): class of harm and age, then the
//! requester's own rank among what it asks, then age. Nobody floods, nobody starves.

use lapwing_record::charter::DAY_MS;
use lapwing_record::form::harm::Harm;
use lapwing_record::id::{Pid, ThreadId};
use std::cmp::Reverse;

/// Milliseconds of age that raise a referral by a point.
pub const WEEK_MS: u64 = 7 * DAY_MS;

/// A referral that waits, by all that its place depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The case.
    pub thread: ThreadId,
    /// Who asks.
    pub requester: Pid,
    /// The harm that its target works by, 0–100: the low end of the score.
    pub score: u64,
    /// Milliseconds UTC when it was stored here.
    pub stored: u64,
}

impl Waiting {
    /// Its class at `now`, 0 the gravest: of its score and a point for each week of age, without a cap.
    fn class(&self, now: u64) -> u8 {
        match Harm::class(self.score.saturating_add(now.saturating_sub(self.stored) / WEEK_MS)) {
            "critical" => 0,
            "serious" => 1,
            "substantial" => 2,
            _ => 3,
        }
    }
}

/// Puts what waits in order. It never depends on the order in which it is given.
pub fn order(mut waiting: Vec<Waiting>, now: u64) -> Vec<Waiting> {
    // the requester's own rank: how many of its own it scores higher
    waiting.sort_by_key(|w| (w.requester, Reverse(w.score), w.stored, w.thread));
    let (mut rank, mut last) = (0u64, None);
    let ranked = waiting.into_iter().map(|w| {
        rank = if last == Some(w.requester) { rank + 1 } else { 0 };
        last = Some(w.requester);
        ((w.class(now), rank, w.stored, w.thread), w)
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(key, _)| *key);
    ranked.into_iter().map(|(_, w)| w).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 200 * WEEK_MS;

    fn of(n: usize, requester: u8, score: u64, weeks: u64) -> Waiting {
        let mut thread = [0; 32];
        thread[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Waiting { thread: ThreadId(thread), requester: Pid([requester; 32]), score, stored: NOW - weeks * WEEK_MS }
    }

    /// Referrals of a few requesters, of few scores and ages, so that ties are common.
    fn any_waiting(most: usize) -> impl Strategy<Value = Vec<Waiting>> {
        let one = (0u8..4, prop_oneof![0u64..=100, Just(44), Just(45), Just(70)], 0u64..6);
        prop::collection::vec(one, 0..most).prop_map(|all| {
            all.into_iter().enumerate().map(|(n, (who, score, weeks))| of(n, who, score, weeks)).collect()
        })
    }

    fn best(waiting: &[Waiting], requester: Pid) -> Option<Waiting> {
        let own = waiting.iter().filter(|w| w.requester == requester);
        own.copied().min_by_key(|w| (Reverse(w.score), w.stored, w.thread))
    }

    /// How many of `requester`'s stand before `before` in its class.
    fn ahead(ordered: &[Waiting], requester: Pid, before: &Waiting) -> usize {
        let first = ordered.iter().take_while(|w| *w != before);
        first.filter(|w| w.requester == requester && w.class(NOW) == before.class(NOW)).count()
    }

    #[test]
    fn a_target_works_by_gravity_and_age_and_nobody_floods_it() {
        let at = |cases: &[(u8, u64, u64)]| -> Vec<u64> {
            let cases = cases.iter().enumerate().map(|(n, (who, score, weeks))| of(n, *who, *score, *weeks)).collect();
            order(cases, NOW).iter().map(|w| w.thread.0[7].into()).collect()
        };
        // one agency sends three of a class, another one of the same class: it comes after the first's best
        assert_eq!(at(&[(1, 30, 0), (1, 29, 0), (1, 28, 0), (2, 26, 0)]), [0, 3, 1, 2]);
        // what is graver comes first, and what waits long becomes graver
        assert_eq!(at(&[(1, 44, 0), (2, 45, 0)]), [1, 0]);
        assert_eq!(at(&[(1, 24, 0), (2, 23, 2)]), [1, 0]);
    }

    proptest! {
        #[test]
        fn whoever_sends_more_gets_no_more_than_one_before_anothers_best_of_the_same_class(
            waiting in any_waiting(40), more in 0usize..60, gap in 0u64..40, weeks in 0u64..6,
        ) {
            let flooder = Pid([0; 32]);
            let mut flooded = waiting.clone();
            // any number of cases that rank behind the flooder's best
            let top = best(&waiting, flooder).map_or(100, |w| w.score);
            flooded.extend((0..more).map(|i| of(1000 + i, 0, top.saturating_sub(gap), weeks)));
            let (before, after) = (order(waiting.clone(), NOW), order(flooded.clone(), NOW));
            for other in 1..4u8 {
                if let Some(best) = best(&waiting, Pid([other; 32])) {
                    prop_assert!(ahead(&after, flooder, &best) <= 1, "{best:?}");
                }
            }
            // and what the others have waiting keeps its order
            let others = |all: &[Waiting]| -> Vec<Waiting> {
                all.iter().filter(|w| w.requester != flooder).copied().collect()
            };
            prop_assert_eq!(others(&before), others(&after));
        }

        #[test]
        fn every_case_stands_in_the_first_class_after_some_time(waiting in any_waiting(40), later in 70u64..1_000_000) {
            // 70 weeks are enough whatever the score; from then on nothing of a lesser class stands before it
            let now = NOW + later * WEEK_MS;
            prop_assert!(waiting.iter().all(|w| w.class(now) == 0));
            for w in &waiting {
                let missing = 70u64.saturating_sub(w.score);
                prop_assert_eq!(w.class(w.stored + missing * WEEK_MS), 0);
                prop_assert!(missing == 0 || w.class(w.stored + missing * WEEK_MS - 1) > 0);
            }
        }

        #[test]
        fn the_order_does_not_depend_on_the_order_of_what_is_given(
            (waiting, shuffled) in any_waiting(40).prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
        ) {
            prop_assert_eq!(order(waiting, NOW), order(shuffled, NOW));
        }

        #[test]
        fn what_does_more_harm_or_waited_longer_comes_first_and_nothing_is_lost(waiting in any_waiting(40)) {
            let ordered = order(waiting.clone(), NOW);
            prop_assert!(ordered.windows(2).all(|w| w[0].class(NOW) <= w[1].class(NOW)));
            let sorted = |mut all: Vec<Waiting>| { all.sort_by_key(|w| w.thread); all };
            prop_assert_eq!(sorted(ordered), sorted(waiting));
        }

        #[test]
        fn no_score_and_no_clock_breaks_it(score: u64, stored: u64, now: u64) {
            let one = Waiting { score, stored, ..of(0, 1, 0, 0) };
            prop_assert_eq!(order(vec![one], now), vec![one]);
        }
    }
}
