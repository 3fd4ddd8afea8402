//! Counts what is allocated, so that an input that asks for far more memory than it has bytes is a finding: libFuzzer sees
//! single allocations only under a sanitizer, and the process as a whole too late.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that any input may cost.
const FREE: usize = 16 << 20;
/// Bytes more for each byte of it.
const PER_BYTE: usize = 256;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is handed to the system's allocator as it came; the counters touch no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

/// Judges an input, and what it cost.
pub fn bounded(judge: fn(&[u8]), bytes: &[u8]) {
    // libfuzzer's own hook would abort on panics that the analysis is made to survive; what gets out of `judge` still ends
    // the program
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    judge(bytes);
    let cost = PEAK.load(Relaxed).saturating_sub(before);
    assert!(cost <= FREE + PER_BYTE * bytes.len(), "{} bytes cost {cost} bytes of memory", bytes.len());
}
