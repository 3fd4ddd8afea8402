//! The watch over a node: measures, tells what is wrong and since when, and says in the log when that changes.

use crate::desk::PeersView;
use crate::folder::Folder;
use crate::health;
use crate::measure::{self, Backup, Connections, Measured};
use crate::office::{Office, View, now_ms, rfc3339};
use lapwing_api::types::{HealthItem, Severity};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the node looks at itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks between two trial writes to the data folder; after one that failed each look has its own.
const PROBE_EVERY: u64 = 6;
/// How long after the first member is connected, and after a failure, another node is asked to dial back.
const REACH_SOON: Duration = Duration::from_secs(60);
/// And how often else.
const REACH_EVERY: Duration = Duration::from_secs(3600);

/// What the last trial write came to.
#[derive(Clone, Debug, Default)]
struct Probe {
    took: Option<Duration>,
    full: Option<String>,
    unwritable: Option<String>,
}

/// The watch over one node.
pub struct Watch {
    office: Arc<Office>,
    peers: Arc<dyn PeersView>,
    folder: Folder,
    probe: Mutex<Probe>,
    /// Since when each item is there, by code and whom it is about.
    since: Mutex<BTreeMap<(String, Option<String>), u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// A watch over the node of this folder.
    pub fn new(office: Arc<Office>, peers: Arc<dyn PeersView>, folder: Folder) -> Arc<Self> {
        Arc::new(Watch { office, peers, folder, probe: Mutex::default(), since: Mutex::default() })
    }

    /// Every item as of now, the worst first. Reads the disk: for a thread that may block.
    pub fn items(&self) -> Vec<HealthItem> {
        let view = self.office.view();
        self.dated(health::items(&view, &self.measure(&view)))
    }

    /// Counters and measurements as text for Prometheus. Reads the disk: for a thread that may block.
    pub fn metrics(&self) -> String {
        let view = self.office.view();
        let measured = self.measure(&view);
        let items = self.dated(health::items(&view, &measured));
        self.office.metrics.text(&measured, &items, &view.state)
    }

    /// Notes since when each item is there.
    fn dated(&self, mut items: Vec<HealthItem>) -> Vec<HealthItem> {
        let now = now_ms();
        let mut since = lock(&self.since);
        let key = |i: &HealthItem| (i.code.clone(), i.about.clone());
        let mut still = BTreeMap::new();
        for item in &mut items {
            let at = since.get(&key(item)).copied().unwrap_or(now);
            still.insert(key(item), at);
            item.since.get_or_insert_with(|| rfc3339(at));
        }
        *since = still;
        items
    }

    fn measure(&self, view: &View) -> Measured {
        let settings = &self.office.settings;
        let Connections { connected, clock_offset, newer, peer, wire, reach } = self.peers.connections(view);
        let (journal_bytes, journal_segments) = measure::journal(&self.folder.journal());
        let (queue_depth, queue_bound) = self.office.queue();
        let state = &view.state;
        let said = |(id, thread): (_, _)| state.case(thread).and_then(|c| c.find(id)).map(|t| t.at);
        let probe = lock(&self.probe).clone();
        Measured {
            now: now_ms(),
            started: self.office.started,
            stopping: self.office.is_stopping(),
            disk: measure::disk(self.folder.root()),
            disk_low_bytes: settings.limits.disk_low_bytes,
            unwritable: probe.unwritable,
            full: probe.full,
            probe_took: probe.took,
            index_broken: self.office.book.index.trouble(),
            search: self.office.search.condition(),
            journal_bytes,
            journal_segments,
            queue_depth,
            queue_bound,
            outbox_oldest: state.outbox.iter().filter_map(said).min(),
            connected,
            clock_offset,
            newer,
            peer,
            wire,
            reach,
            notify_set: settings.notify.command.is_some(),
            backup: Backup::read(&self.folder),
            remind_days: settings.backup.remind_days,
            process: measure::process(),
        }
    }

    fn disk_failed(&self) -> bool {
        let probe = lock(&self.probe);
        probe.full.is_some() || probe.unwritable.is_some()
    }

    /// Tries whether the data folder can be written.
    fn try_disk(&self) {
        let probe = match measure::probe(&self.folder.run()) {
            Ok(took) => Probe { took: Some(took), ..Probe::default() },
            Err(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                Probe { full: Some(e.to_string()), ..Probe::default() }
            }
            Err(e) => Probe { unwritable: Some(e.to_string()), ..Probe::default() },
        };
        *lock(&self.probe) = probe;
    }

    /// Looks every few seconds until the node stops.
    pub async fn run(self: Arc<Self>) {
        let mut known: BTreeMap<(String, Option<String>), Severity> = BTreeMap::new();
        let mut next_reach = tokio::time::Instant::now() + REACH_SOON;
        for look in 0u64.. {
            let watch = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                if look % PROBE_EVERY == 0 || watch.disk_failed() {
                    watch.try_disk();
                }
                watch.items()
            });
            if let Ok(items) = looked.await {
                known = tell(&items, &known);
            }
            if next_reach <= tokio::time::Instant::now() {
                // nobody asked for it, so that a failure is a health item and no more
                let ok = self.peers.clone().reach(None).await.is_ok_and(|r| r.ok);
                next_reach = tokio::time::Instant::now() + if ok { REACH_EVERY } else { REACH_SOON };
            }
            tokio::select! {
                () = self.office.stopped() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// Says in the log what has come and gone.
fn tell(
    items: &[HealthItem],
    known: &BTreeMap<(String, Option<String>), Severity>,
) -> BTreeMap<(String, Option<String>), Severity> {
    let now: BTreeMap<_, _> = items.iter().map(|i| ((i.code.clone(), i.about.clone()), i.severity)).collect();
    for item in items.iter().filter(|i| !known.contains_key(&(i.code.clone(), i.about.clone()))) {
        let (code, what) = (&item.code, &item.what);
        match item.severity {
            Severity::Info => tracing::info!(%code, %what, "health"),
            Severity::Warn | Severity::Down => tracing::warn!(%code, %what, fix = %item.fix, "health"),
        }
    }
    for ((code, about), _) in known.iter().filter(|(key, _)| !now.contains_key(key)) {
        tracing::info!(%code, about = about.as_deref().unwrap_or_default(), "health: no longer");
    }
    now
}
