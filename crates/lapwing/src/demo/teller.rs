//! Tells the story as it happens, with times; or keeps it for one JSON object at the end.

use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The teller.
pub struct Teller {
    begun: Instant,
    quiet: bool,
    steps: Mutex<Vec<Value>>,
}

impl Teller {
    /// Begins. A quiet one prints nothing on the way.
    pub fn new(quiet: bool) -> Self {
        Teller { begun: Instant::now(), quiet, steps: Mutex::default() }
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        (self.begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    fn keep(&self, what: &str, ok: bool) {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(json!({ "t": self.seconds(), "what": what, "ok": ok }));
    }

    /// A new scene.
    pub fn scene(&self, title: &str, note: &str) {
        if !self.quiet {
            println!("\n{title}\n  {note}");
        }
    }

    /// A step held.
    pub fn held(&self, what: &str) {
        self.keep(what, true);
        if !self.quiet {
            println!("  {:>7.2} s  ok  {what}", self.seconds());
        }
    }

    /// A step failed.
    pub fn failed(&self, what: &str) {
        self.keep(what, false);
        if !self.quiet {
            println!("  {:>7.2} s  NOT  {what}", self.seconds());
        }
    }

    /// Every step so far.
    pub fn steps(&self) -> Vec<Value> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
