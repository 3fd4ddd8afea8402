//! What the node counts, for Prometheus and for `lapwing status`: the only place that knows the metrics library.
//!
//! The driver counts from its steps, the HTTP face tells of each request, and what is a state rather than an event is
//! measured when somebody asks. Base units only: seconds and bytes. No label names a case, a person or a participant:
//! labels are operations, codes, classes and results, all from closed lists.

use crate::measure::Measured;
use lapwing_api::problem::Code;
use lapwing_api::types::HealthItem;
use lapwing_engine::author::Placed;
use lapwing_engine::fact::Fact;
use lapwing_engine::membership::Standing;
use lapwing_engine::state::State;
use lapwing_engine::step::{Answer, Effect, Input, Step};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Seconds = Gauge<f64, AtomicU64>;
type Counted<const N: usize> = Family<Labels<N>, Counter>;
type Sized<const N: usize> = Family<Labels<N>, Gauge>;

/// Upper bounds in seconds of what takes a disk or a handler.
const SHORT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Upper bounds in seconds of what waits for another agency's node.
const LONG: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0];
/// Upper bounds of how many inputs one commit takes.
const MANY: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];

#[derive(Clone)]
struct Short;

impl MetricConstructor<Histogram> for Short {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SHORT)
    }
}

/// Everything that is counted and measured.
pub struct Metrics {
    registry: Registry,
    /// Requests made to peers.
    pub peer_requests: Counter,
    /// Attempts to deliver that reached a connected node.
    pub delivery_attempts: Counter,
    /// Rounds of anti-entropy that this node began.
    pub sync_rounds: Counter,
    /// Entries that came by anti-entropy.
    pub sync_entries: Counter,
    /// Bytes of evidence sealed here.
    pub evidence_sealed: Counter,
    /// Bytes of evidence fetched from peers.
    pub blob_fetched: Counter,
    /// Bytes of evidence served to peers.
    pub blob_served: Counter,
    commits: Counter,
    facts: Counter,
    commit_seconds: Histogram,
    batch: Histogram,
    inputs: Counted<2>,
    placed: Counted<1>,
    refusals: Counted<1>,
    http: Counted<2>,
    http_seconds: Family<Labels<1>, Histogram, Short>,
    deliveries: Counted<1>,
    delivery_seconds: Histogram,
    notices: Counted<1>,
    measured: Gauges,
}

/// What is measured when somebody asks.
struct Gauges {
    uptime: Seconds,
    ready: Gauge,
    health: Sized<1>,
    queue_depth: Gauge,
    queue_bound: Gauge,
    peers: Sized<1>,
    members: Sized<1>,
    entries: Gauge,
    cases: Gauge,
    outbox: Gauge,
    outbox_age: Seconds,
    journal_bytes: Gauge,
    journal_segments: Gauge,
    disk_free: Gauge,
    disk_size: Gauge,
    probe_seconds: Seconds,
    clock_offset: Seconds,
    backup_age: Seconds,
    p2p_bytes: Counted<2>,
    p2p_messages: Counted<2>,
    gossip: Counted<2>,
    resident: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
}

/// Registers a metric under its name.
fn named<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn whole(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

impl Gauges {
    fn new(r: &mut Registry) -> Self {
        Gauges {
            uptime: named(r, "lapwing_uptime_seconds", "Seconds since the start of the process", Seconds::default()),
            ready: named(r, "lapwing_ready", "Whether the node can take a referral and answer reads", Gauge::default()),
            health: named(r, "lapwing_health_item", "Whether a health item is there, by code", Sized::default()),
            queue_depth: named(r, "lapwing_queue_depth", "Inputs that wait for the driver", Gauge::default()),
            queue_bound: named(r, "lapwing_queue_bound", "Inputs that may wait for the driver", Gauge::default()),
            peers: named(r, "lapwing_peers_connected", "Connected nodes by class", Sized::default()),
            members: named(r, "lapwing_members", "Participants and applicants by standing", Sized::default()),
            entries: named(r, "lapwing_entries", "Entries held of logs 0 and 1", Gauge::default()),
            cases: named(r, "lapwing_cases", "Cases held", Gauge::default()),
            outbox: named(r, "lapwing_outbox_statements", "Own statements without a receipt", Gauge::default()),
            outbox_age: named(r, "lapwing_outbox_oldest_age_seconds", "Age of the oldest of them", Seconds::default()),
            journal_bytes: named(r, "lapwing_journal_bytes", "Bytes of the journal's segments", Gauge::default()),
            journal_segments: named(r, "lapwing_journal_segments", "Segments of the journal", Gauge::default()),
            disk_free: named(r, "lapwing_disk_free_bytes", "Free bytes of the data disk", Gauge::default()),
            disk_size: named(r, "lapwing_disk_size_bytes", "Size of the data disk", Gauge::default()),
            probe_seconds: named(
                r,
                "lapwing_disk_probe_duration_seconds",
                "How long the last trial write to the data folder took until it was durable",
                Seconds::default(),
            ),
            clock_offset: named(
                r,
                "lapwing_clock_offset_seconds",
                "By how much the median of the connected members' clocks is ahead of this machine's",
                Seconds::default(),
            ),
            backup_age: named(
                r,
                "lapwing_backup_age_seconds",
                "Age of the newest backup; not a number where there is none",
                Seconds::default(),
            ),
            p2p_bytes: named(r, "lapwing_p2p_bytes", "Bytes exchanged with peers, by protocol", Counted::default()),
            p2p_messages: named(
                r,
                "lapwing_p2p_messages",
                "Messages exchanged with peers, by protocol",
                Counted::default(),
            ),
            gossip: named(r, "lapwing_gossip_messages", "Gossiped messages by plane and verdict", Counted::default()),
            resident: named(r, "process_resident_memory_bytes", "Resident memory", Gauge::default()),
            open_fds: named(r, "process_open_fds", "Open file descriptors", Gauge::default()),
            max_fds: named(r, "process_max_fds", "File descriptors that may be open", Gauge::default()),
            threads: named(r, "process_threads", "Threads of the process", Gauge::default()),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let build: Sized<1> = named(r, "lapwing_build_info", "The program; always 1", Sized::default());
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        let metrics = Metrics {
            peer_requests: named(r, "lapwing_peer_requests", "Requests made to peers", Counter::default()),
            delivery_attempts: named(
                r,
                "lapwing_delivery_attempts",
                "Statements sent to a connected recipient",
                Counter::default(),
            ),
            sync_rounds: named(r, "lapwing_sync_rounds", "Rounds of anti-entropy begun here", Counter::default()),
            sync_entries: named(r, "lapwing_sync_entries", "Entries that came by anti-entropy", Counter::default()),
            evidence_sealed: named(
                r,
                "lapwing_evidence_sealed_bytes",
                "Bytes of evidence sealed here",
                Counter::default(),
            ),
            blob_fetched: named(
                r,
                "lapwing_evidence_fetched_bytes",
                "Bytes of evidence from peers",
                Counter::default(),
            ),
            blob_served: named(
                r,
                "lapwing_evidence_served_bytes",
                "Bytes of evidence served to peers",
                Counter::default(),
            ),
            commits: named(r, "lapwing_commits", "Commits to the journal", Counter::default()),
            facts: named(r, "lapwing_facts", "Facts committed", Counter::default()),
            commit_seconds: named(
                r,
                "lapwing_commit_duration_seconds",
                "How long a commit takes until it is durable",
                Histogram::new(SHORT),
            ),
            batch: named(r, "lapwing_batch_inputs", "Inputs that the driver takes at a time", Histogram::new(MANY)),
            inputs: named(
                r,
                "lapwing_inputs",
                "Inputs of the driver by kind, and how each was answered",
                Counted::default(),
            ),
            placed: named(
                r,
                "lapwing_entries_placed",
                "Entries from others and own ones, by what became of them",
                Counted::default(),
            ),
            refusals: named(r, "lapwing_refusals", "Refusals of the API by code", Counted::default()),
            http: named(
                r,
                "lapwing_http_requests",
                "Requests to the API by operation and class of status",
                Counted::default(),
            ),
            http_seconds: named(
                r,
                "lapwing_http_request_duration_seconds",
                "How long a request to the API takes until its answer begins",
                Family::new_with_constructor(Short),
            ),
            deliveries: named(r, "lapwing_deliveries", "Attempts to deliver by result", Counted::default()),
            delivery_seconds: named(
                r,
                "lapwing_delivery_duration_seconds",
                "From saying a statement to holding its receipt",
                Histogram::new(LONG),
            ),
            notices: named(r, "lapwing_notices", "Attempts to tell people by result", Counted::default()),
            measured: Gauges::new(r),
            registry,
        };
        // a counter that begins with its first event hides that event from `rate`
        for code in Code::ALL {
            drop(metrics.refusals.get_or_create(&[("code", code.as_str())]));
        }
        for result in ["stored", "failed", "given_up"] {
            drop(metrics.deliveries.get_or_create(&[("result", result)]));
        }
        for result in ["told", "failed"] {
            drop(metrics.notices.get_or_create(&[("result", result)]));
        }
        metrics
    }
}

/// The name of an input.
pub(crate) fn kind(input: &Input) -> &'static str {
    match input {
        Input::Entries { gossiped: true, .. } => "gossip",
        Input::Entries { .. } => "entries",
        Input::Signed(_) => "signed",
        Input::Apply { .. } => "apply",
        Input::Local { .. } => "command",
        Input::Heard { .. } => "statement",
        Input::GaveReceipt { .. } => "gave_receipt",
        Input::Tried { .. } => "tried",
        Input::PeerUp(_) => "peer_up",
        Input::PeerDown(_) => "peer_down",
        Input::HeadAnswer { .. } => "head_answer",
        Input::ThreadsLevel(_) => "threads_level",
        Input::Returned { .. } => "returned",
        Input::Notified { .. } => "notified",
        Input::Acked { .. } => "acked",
        Input::BlobHere { .. } => "blob_here",
        Input::ClockDoubt(_) => "clock_doubt",
        Input::Audit { .. } => "audit",
        Input::Wake => "wake",
    }
}

fn fate(placed: &Placed) -> &'static str {
    match placed {
        Placed::New => "new",
        Placed::Forks { .. } => "forks",
        Placed::Duplicate => "duplicate",
        Placed::Gap { .. } => "gap",
        Placed::UnknownAuthor => "unknown_author",
        Placed::UnknownEpoch => "unknown_epoch",
        Placed::Full => "full",
        Placed::Invalid(_) => "invalid",
    }
}

fn status_class(status: u16) -> &'static str {
    match status {
        0..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Standings as labels, with applicants that nobody introduced left out.
const STANDINGS: [Standing; 5] =
    [Standing::Participant, Standing::Suspended, Standing::Objected, Standing::Candidate, Standing::Left];

impl Metrics {
    /// Counts what the engine made of one input.
    pub(crate) fn handled(&self, kind: &'static str, step: &Step) {
        let mut verdict = "taken";
        for effect in &step.effects {
            match effect {
                Effect::Reply(_, Err(refused)) => verdict = refused.code(),
                Effect::Reply(_, Ok(Answer::Refused(..))) => verdict = "refused",
                Effect::Reply(_, Ok(Answer::Placed(all))) => {
                    for placed in all {
                        self.placed.get_or_create(&[("verdict", fate(placed))]).inc();
                    }
                }
                _ => {}
            }
        }
        self.inputs.get_or_create(&[("kind", kind), ("verdict", verdict)]).inc();
    }

    /// Counts what one commit made durable.
    pub(crate) fn committed(&self, facts: &[Fact], state: &State, took: Duration) {
        self.commits.inc();
        self.facts.inc_by(facts.len() as u64);
        self.commit_seconds.observe(took.as_secs_f64());
        for fact in facts {
            match fact {
                Fact::Tried(t) => {
                    let result = if t.next.is_none() { "given_up" } else { "failed" };
                    self.deliveries.get_or_create(&[("result", result)]).inc();
                }
                Fact::Receipt(r) => {
                    self.deliveries.get_or_create(&[("result", "stored")]).inc();
                    if let Some(told) = state.case(&r.thread).and_then(|c| c.find(&r.id)) {
                        self.delivery_seconds.observe(r.at.saturating_sub(told.at) as f64 / 1000.0);
                    }
                }
                Fact::Notified(n) => {
                    let result = if n.failed.is_some() { "failed" } else { "told" };
                    self.notices.get_or_create(&[("result", result)]).inc();
                }
                _ => {}
            }
        }
    }

    /// Counts how many inputs the driver took at a time.
    pub(crate) fn batch(&self, inputs: usize) {
        self.batch.observe(inputs as f64);
    }

    /// Counts a request to the API.
    pub(crate) fn answered(&self, op: &'static str, status: u16, code: Option<Code>, took: Duration) {
        self.http.get_or_create(&[("op", op), ("status", status_class(status))]).inc();
        self.http_seconds.get_or_create(&[("op", op)]).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.refusals.get_or_create(&[("code", code.as_str())]).inc();
        }
    }

    /// Counts a request that was refused before it got to an operation.
    pub(crate) fn turned_away(&self, code: Code) {
        self.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// The few that `lapwing status` shows.
    pub fn brief(&self) -> BTreeMap<String, u64> {
        let all = [
            ("commits", &self.commits),
            ("facts", &self.facts),
            ("requests", &self.peer_requests),
            ("deliveries", &self.delivery_attempts),
            ("sync_rounds", &self.sync_rounds),
            ("sync_entries", &self.sync_entries),
            ("evidence_bytes_sealed", &self.evidence_sealed),
            ("blob_bytes_fetched", &self.blob_fetched),
            ("blob_bytes_served", &self.blob_served),
        ];
        let counted = all.into_iter().map(|(name, counter)| (name.to_owned(), counter.get()));
        counted.filter(|(_, n)| *n > 0).collect()
    }

    /// Everything in Prometheus' text format (version 0.0.4).
    pub fn text(&self, m: &Measured, items: &[HealthItem], state: &State) -> String {
        self.measured.set(m, items, state);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all text");
        classic(&text)
    }
}

impl Gauges {
    fn set(&self, m: &Measured, items: &[HealthItem], state: &State) {
        self.uptime.set(m.now.saturating_sub(m.started) as f64 / 1000.0);
        self.ready.set(i64::from(crate::health::ready(items)));
        for sort in crate::health::SORTS {
            let there = items.iter().any(|i| i.code == sort.code);
            self.health.get_or_create(&[("code", sort.code)]).set(i64::from(there));
        }
        self.queue_depth.set(whole(m.queue_depth));
        self.queue_bound.set(whole(m.queue_bound));
        for (class, n) in &m.connected {
            self.peers.get_or_create(&[("class", class)]).set(whole(*n));
        }
        let federation = &state.federation;
        for standing in STANDINGS {
            let n = federation.pids().filter(|p| federation.standing(p) == Some(standing)).count();
            self.members.get_or_create(&[("standing", standing.as_str())]).set(whole(n));
        }
        self.entries.set(whole(federation.entries()));
        self.cases.set(whole(state.cases.size()));
        self.outbox.set(whole(state.outbox.size()));
        self.outbox_age.set(m.outbox_oldest.map_or(0.0, |at| m.now.saturating_sub(at) as f64 / 1000.0));
        self.journal_bytes.set(whole(m.journal_bytes));
        self.journal_segments.set(whole(m.journal_segments));
        self.disk_free.set(m.disk.map_or(-1, |d| whole(d.free)));
        self.disk_size.set(m.disk.map_or(-1, |d| whole(d.size)));
        self.probe_seconds.set(m.probe_took.map_or(f64::NAN, |took| took.as_secs_f64()));
        self.clock_offset.set(m.clock_offset.map_or(f64::NAN, |ms| ms as f64 / 1000.0));
        let backup = m.backup.at().map_or(f64::NAN, |at| m.now.saturating_sub(at) as f64 / 1000.0);
        self.backup_age.set(backup);
        self.wire(m);
        self.resident.set(whole(m.process.resident_bytes));
        self.open_fds.set(whole(m.process.open_fds));
        self.max_fds.set(whole(m.process.max_fds));
        self.threads.set(whole(m.process.threads));
    }

    /// Counted by the network part: its numbers begin anew when it is started anew, as counters may.
    fn wire(&self, m: &Measured) {
        let Some(stats) = &m.wire else { return };
        let set = |family: &Counted<2>, labels: Labels<2>, n: u64| {
            family.get_or_create(&labels).inner().store(n, Ordering::Relaxed);
        };
        for protocol in lapwing_net::message::Protocol::ALL {
            let s = stats.of(protocol);
            for (direction, one, other) in
                [("out", s.requests_out, s.responses_out), ("in", s.requests_in, s.responses_in)]
            {
                let labels = [("protocol", protocol.name()), ("direction", direction)];
                set(&self.p2p_bytes, labels, one.bytes + other.bytes);
                set(&self.p2p_messages, labels, one.messages + other.messages);
            }
        }
        for (plane, s) in [("pub", stats.gossip_pub), ("agy", stats.gossip_agy)] {
            for (direction, tally) in [("out", s.published), ("in", s.received)] {
                let labels =
                    [("protocol", if plane == "pub" { "gossip_pub" } else { "gossip_agy" }), ("direction", direction)];
                set(&self.p2p_bytes, labels, tally.bytes);
                set(&self.p2p_messages, labels, tally.messages);
            }
            let verdicts =
                [("accepted", s.accepted), ("ignored", s.ignored), ("rejected", s.rejected), ("unheard", s.unheard)];
            for (verdict, n) in verdicts {
                set(&self.gossip, [("plane", plane), ("verdict", verdict)], n);
            }
        }
    }
}

/// OpenMetrics names a counter without its suffix in the lines that describe it; the text format 0.0.4, which every
/// Prometheus and its linter read, names it as its samples are named, and has no mark of the end.
fn classic(open: &str) -> String {
    let counters: BTreeSet<&str> =
        open.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(open.len() + 1024);
    for line in open.lines().filter(|l| *l != "# EOF") {
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        let name = described.and_then(|rest| rest.split(' ').next()).filter(|n| counters.contains(n));
        match name {
            Some(name) => {
                let (begin, rest) = line.split_at(7 + name.len());
                out.push_str(begin);
                out.push_str("_total");
                out.push_str(rest);
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_engine::step::Refused;

    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        encode(&mut text, &metrics.registry).unwrap();
        classic(&text)
    }

    #[test]
    fn counters_are_described_by_the_name_of_their_samples() {
        let metrics = Metrics::default();
        metrics.answered("Status", 200, None, Duration::from_millis(3));
        metrics.answered("Submit", 422, Some(Code::Invalid), Duration::from_millis(3));
        let text = text(&metrics);
        assert!(text.contains("# TYPE lapwing_http_requests_total counter\n"), "{text}");
        assert!(text.contains("lapwing_http_requests_total{op=\"Status\",status=\"2xx\"} 1\n"), "{text}");
        assert!(text.contains("lapwing_refusals_total{code=\"invalid\"} 1\n"), "{text}");
        assert!(text.contains("lapwing_http_request_duration_seconds_count{op=\"Submit\"} 1\n"), "{text}");
        assert!(!text.contains("EOF") && !text.contains("_total_total"));
    }

    #[test]
    fn an_input_is_counted_by_its_kind_and_its_answer() {
        let metrics = Metrics::default();
        let step = |effects| Step { facts: Vec::new(), effects };
        metrics.handled("command", &step(vec![Effect::Reply(1, Err(Refused::Unconfirmed))]));
        metrics.handled("command", &step(vec![]));
        let placed = vec![Placed::New, Placed::Duplicate, Placed::New];
        metrics.handled("entries", &step(vec![Effect::Reply(2, Ok(Answer::Placed(placed)))]));
        let text = text(&metrics);
        for line in [
            "lapwing_inputs_total{kind=\"command\",verdict=\"unconfirmed\"} 1",
            "lapwing_inputs_total{kind=\"command\",verdict=\"taken\"} 1",
            "lapwing_inputs_total{kind=\"entries\",verdict=\"taken\"} 1",
            "lapwing_entries_placed_total{verdict=\"new\"} 2",
            "lapwing_entries_placed_total{verdict=\"duplicate\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn status_shows_only_what_has_happened() {
        let metrics = Metrics::default();
        assert!(metrics.brief().is_empty());
        metrics.sync_rounds.inc();
        assert_eq!(metrics.brief(), BTreeMap::from([("sync_rounds".to_owned(), 1)]));
    }
}
