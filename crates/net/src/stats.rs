//! Counters, for metrics and tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::message::{Plane, Protocol};

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many messages.
    pub messages: u64,
    /// How many bytes in them.
    pub bytes: u64,
}

/// Counts of one plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneStats {
    /// Ours, handed to at least one peer.
    pub published: Tally,
    /// Ours, for which no peer was there or had room.
    pub unheard: u64,
    /// From others, first copies.
    pub received: Tally,
    /// Verdicts by kind.
    pub accepted: u64,
    /// Verdicts by kind, and messages that got none in time.
    pub ignored: u64,
    /// Verdicts by kind.
    pub rejected: u64,
    /// Peers with whom gossip of this plane is open now.
    pub peers: u64,
}

/// Counts of one protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtocolStats {
    /// Requests written.
    pub requests_out: Tally,
    /// Requests read.
    pub requests_in: Tally,
    /// Responses written.
    pub responses_out: Tally,
    /// Responses read.
    pub responses_in: Tally,
    /// Frames whose announced length broke the limit.
    pub too_long: u64,
    /// Requests refused before the caller saw them: class or budget.
    pub refused: u64,
}

/// A snapshot of all counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The public plane.
    pub gossip_pub: PlaneStats,
    /// The agencies' plane.
    pub gossip_agy: PlaneStats,
    /// By [`Protocol::ALL`]; see [`Stats::of`].
    pub protocols: [ProtocolStats; 6],
    /// Connections refused by the budgets of [`Limits`](crate::config::Limits).
    pub denied: u64,
    /// Handshakes thrown out to make room.
    pub evicted: u64,
    /// Peers connected now.
    pub connected: u64,
}

impl Stats {
    /// The counts of one protocol.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> ProtocolStats {
        self.protocols[protocol.index()]
    }
}

#[derive(Debug, Default)]
pub(crate) struct TallyCounter {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl TallyCounter {
    pub(crate) fn add(&self, bytes: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    fn get(&self) -> Tally {
        Tally { messages: self.messages.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct PlaneCounters {
    pub published: TallyCounter,
    pub unheard: AtomicU64,
    pub received: TallyCounter,
    pub accepted: AtomicU64,
    pub ignored: AtomicU64,
    pub rejected: AtomicU64,
    pub peers: AtomicU64,
}

impl PlaneCounters {
    fn get(&self) -> PlaneStats {
        PlaneStats {
            published: self.published.get(),
            unheard: self.unheard.load(Relaxed),
            received: self.received.get(),
            accepted: self.accepted.load(Relaxed),
            ignored: self.ignored.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            peers: self.peers.load(Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct ProtocolCounters {
    pub requests_out: TallyCounter,
    pub requests_in: TallyCounter,
    pub responses_out: TallyCounter,
    pub responses_in: TallyCounter,
    pub too_long: AtomicU64,
    pub refused: AtomicU64,
}

impl ProtocolCounters {
    fn get(&self) -> ProtocolStats {
        ProtocolStats {
            requests_out: self.requests_out.get(),
            requests_in: self.requests_in.get(),
            responses_out: self.responses_out.get(),
            responses_in: self.responses_in.get(),
            too_long: self.too_long.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    planes: [PlaneCounters; 2],
    protocols: [ProtocolCounters; 6],
    pub denied: AtomicU64,
    pub evicted: AtomicU64,
    pub connected: AtomicU64,
}

impl Counters {
    pub(crate) fn plane(&self, plane: Plane) -> &PlaneCounters {
        &self.planes[plane as usize]
    }

    pub(crate) fn protocol(&self, protocol: Protocol) -> &ProtocolCounters {
        &self.protocols[protocol.index()]
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            gossip_pub: self.plane(Plane::Pub).get(),
            gossip_agy: self.plane(Plane::Agy).get(),
            protocols: std::array::from_fn(|i| self.protocols[i].get()),
            denied: self.denied.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            connected: self.connected.load(Relaxed),
        }
    }
}
