//! Telling people: durable, retried, and a condition for what the node clears by itself (defaults, "Notify").

use crate::engine::Engine;
use crate::step::{Effect, Step};

/// Milliseconds between attempts to tell people.
const NOTIFY_RETRY_MS: u64 = 60_000;

impl Engine {
    pub(crate) fn notices(&mut self, now: u64, step: &mut Step) {
        self.window_notices(now, step);
        self.overdue_notices(now, step);
        let already: Vec<_> =
            step.effects.iter().filter_map(|e| if let Effect::Notify(n) = e { Some(n.id()) } else { None }).collect();
        let due: Vec<_> = self
            .state
            .notices
            .iter()
            .filter(|(id, t)| t.told.is_none() && !already.contains(id) && self.notify_due(t, now))
            .map(|(_, t)| t.notice.clone())
            .collect();
        for notice in due {
            self.notified_at.insert(notice.id(), now);
            step.effects.push(Effect::Notify(Box::new(notice)));
        }
        for id in already {
            self.notified_at.insert(id, now);
        }
    }

    fn notify_due(&self, told: &crate::state::Noticed, now: u64) -> bool {
        self.notified_at.get(&told.notice.id()).is_none_or(|at| now >= at + NOTIFY_RETRY_MS)
    }

    pub(crate) fn next_notice(&self, now: u64) -> Option<u64> {
        let open = self.state.notices.values().filter(|t| t.told.is_none());
        let next = open.map(|t| self.notified_at.get(&t.notice.id()).map_or(now + 1, |at| at + NOTIFY_RETRY_MS));
        next.filter(|at| *at > now).min()
    }
}
