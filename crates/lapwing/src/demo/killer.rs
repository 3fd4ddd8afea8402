//! Kills nodes at random, by seed, as a power cut would: no warning, no chance to clean up.

use super::stage::Stage;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The killer.
pub struct Killer {
    stage: Stage,
    seed: u64,
    wanted: usize,
    killed: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A number that follows from a seed and a place in the sequence.
fn chance(seed: u64, n: usize, what: &str) -> u64 {
    let hash = blake3::derive_key("lapwing demo chance", format!("{seed} {n} {what}").as_bytes());
    u64::from_le_bytes(hash[..8].try_into().expect("8 of 32"))
}

impl Killer {
    /// A killer that will kill so many times; none is idle.
    pub fn new(stage: Stage, seed: u64, kills: Option<usize>) -> Self {
        Killer {
            stage,
            seed,
            wanted: kills.unwrap_or(0),
            killed: Arc::default(),
            stop: Arc::default(),
            thread: Mutex::new(None),
        }
    }

    /// Whether it kills at all.
    pub fn works(&self) -> bool {
        self.wanted > 0
    }

    /// How many it has killed.
    pub fn killed(&self) -> usize {
        self.killed.load(Ordering::Relaxed)
    }

    /// Whether it has killed as often as it was asked to.
    pub fn done(&self) -> bool {
        self.killed() >= self.wanted
    }

    /// Begins.
    pub fn begin(&self) {
        if !self.works() {
            return;
        }
        let (stage, seed, wanted) = (self.stage.clone(), self.seed, self.wanted);
        let (killed, stop) = (self.killed.clone(), self.stop.clone());
        let work = move || {
            for n in 0..wanted {
                std::thread::sleep(Duration::from_millis(200 + chance(seed, n, "wait") % 1300));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let names = stage.names();
                let victim = names[chance(seed, n, "who") as usize % names.len()];
                let pause = Duration::from_millis(chance(seed, n, "pause") % 400);
                match stage.kill(victim, pause) {
                    Ok(()) => drop(killed.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => eprintln!("the killer failed on {victim}: {error:#}"),
                }
            }
        };
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::spawn(work));
    }

    /// Ends, and waits for it.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // a panic in it is a fault of the demo, seen as kills that are missing
            let _ = thread.join();
        }
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.end();
    }
}
