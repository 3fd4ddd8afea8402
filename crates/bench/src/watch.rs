//! A node's event stream, read by a thread that notes when each event came.

use anyhow::{Context, bail};
use lapwing_api::client::Client;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take before a job gives up.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Seen {
    /// By what the event is about: a case's thread, or `directory NAME`.
    at: HashMap<String, Vec<Instant>>,
    ended: bool,
}

/// The events of one node since the watch began.
#[derive(Clone)]
pub struct Watch {
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Watch {
    /// Begins to watch. What happens after the return is not missed.
    pub fn begin(client: &Client) -> anyhow::Result<Self> {
        let stream = client.events(None).context("no events")?;
        let mut lines = BufReader::new(stream).lines();
        lines.next().context("the event stream ended at once")??;
        let watch = Watch { seen: Arc::default() };
        let noted = watch.clone();
        std::thread::spawn(move || {
            let mut name = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    noted.note(&name, data);
                }
            }
            noted.lock().ended = true;
            noted.seen.1.notify_all();
        });
        Ok(watch)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, name: &str, data: &str) {
        let now = Instant::now();
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let about = match name {
            "case" => data["thread"].as_str().unwrap_or_default().to_owned(),
            "directory" => directory(data["of"]["short_name"].as_str().unwrap_or_default()),
            _ => return,
        };
        self.lock().at.entry(about).or_default().push(now);
        self.seen.1.notify_all();
    }

    /// How many events there were about something.
    pub fn count(&self, about: &str) -> usize {
        self.lock().at.get(about).map_or(0, Vec::len)
    }

    /// Waits for the `nth` event (from 1) about something; when it came.
    pub fn nth(&self, about: &str, nth: usize) -> anyhow::Result<Instant> {
        let begun = Instant::now();
        let mut seen = self.lock();
        loop {
            if let Some(at) = seen.at.get(about).and_then(|at| at.get(nth - 1)) {
                return Ok(*at);
            }
            let left = PATIENCE.checked_sub(begun.elapsed()).context("an event did not come in time")?;
            if seen.ended {
                bail!("the event stream ended");
            }
            seen = self.seen.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The name under which events of a participant's directory records are noted.
pub fn directory(short_name: &str) -> String {
    format!("directory {short_name}")
}
