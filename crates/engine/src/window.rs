//! This agency's own windows: how long its people may object before its node speaks for them (protocol §4.1).

use lapwing_record::charter::{DAY_MS, Params};

/// A window that runs, or has run: as long as the Params had it when it began. What an amendment changes judges nothing before
/// it, so a date that people were told stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When this node noted the target, in milliseconds UTC by its own log.
    pub noted: u64,
    /// W then, in milliseconds.
    pub window_ms: u64,
    /// G then, in milliseconds.
    pub grace_ms: u64,
}

impl Window {
    /// A window that begins at `noted`.
    pub fn new(noted: u64, params: &Params) -> Self {
        Window { noted, window_ms: params.window_ms, grace_ms: params.grace_ms }
    }

    /// Milliseconds UTC at which it ends for a node that started at `started`: where it ran out while the node was down, its
    /// people get some time first.
    pub fn end(&self, started: u64) -> u64 {
        let end = self.noted.saturating_add(self.window_ms);
        if end < started { started.saturating_add(self.window_ms.min(DAY_MS)) } else { end }
    }

    /// Milliseconds UTC from which on an agency that is silent may be excused.
    pub fn grace_end(&self) -> u64 {
        self.noted.saturating_add(self.window_ms).saturating_add(self.grace_ms)
    }

    /// Milliseconds UTC after which nothing is cleared by itself.
    pub fn lapses(&self) -> u64 {
        self.grace_end().saturating_add(90 * DAY_MS)
    }
}
