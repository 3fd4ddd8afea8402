//! The invariants of docs/protocol.md §7 as far as one engine can judge them by itself, each a function that is named
//! after its number.
//!
//! Debug builds look after every step ([`crate::engine::Engine::handle`]) and end at the first that does not hold; release
//! builds contain none of it. The simulator calls them itself, in any build. They speak of what *this* node holds and
//! does: whatever others forge, fork or steal leaves all of them true.
//!
//! Second opinions read the lines of the logs, the statements of the cases and the bytes of entries, not what was
//! computed from them; where that is not possible a function says that it is a check of consistency.
//!
//! | # | here | elsewhere, and why |
//! |---|---|---|
//! | 1 | state: the digest kept is that of the entries held | equal *sets*: two nodes, so the simulator; `federation.rs` |
//! | 2 | state: everyone's standing folded anew from the lines | the executable model: `membership_model` |
//! | 3 | | all nodes at once: the simulator |
//! | 4 | state: of founders, and of agencies against others than agencies | of joined electors: through 2; `membership_model` |
//! | 5 | step and state | `membership_model`, the simulator |
//! | 6 | | that an evaluation ends is seen by its ending: every run; `membership_model` |
//! | 7 | state: a word or excuses for each live founder | joined electors: through 2; the simulator |
//! | 8 | step: without an entry nothing changes anyone's standing | clocks that lie: the simulator |
//! | 9 | step: what is handed out to be signed | after crashes and restores: the simulator |
//! | 10 | state: every fork held is proven | that it reaches everyone: the simulator |
//! | 11 | state and step | the simulator |
//! | 12 | step and state | the simulator's thief; `federation.rs` |
//! | 13 | step: counters | networks, logs and uses are bytes: tests of `record` |
//! | 14 | | bytes: tests of `record`; that a fact reads back is 29 |
//! | 15, 16 | | bytes: tests of `record` |
//! | 17 | | a history of amendments is no state and no step: `federation.rs` |
//! | 18 | step and state | entries in flight: the simulator |
//! | 19 | step: what is agency-only is so by its log | to whom it is written: the node's gates, the simulator |
//! | 20 | state | of connections and disks: the node |
//! | 21 | | who refuses whom is seen by both together only: the simulator |
//! | 22 | step | durable before spoken is the driver's: the simulator |
//! | 23 | step and state | |
//! | 24 | step and state | |
//! | 25 | step: what is handed out to be sealed | the sealing itself: the node |
//! | 26 | | evidence is no part of the engine: tests of `record` and the node |
//! | 27 | step: what is reserved can be placed, and is being signed | admission within W + G: the simulator |
//! | 28 | step | |
//! | 29 | step | journals of a whole life: the simulator; `federation.rs`, `life.rs` |
//! | 30 | step | `author.rs`; forgers of log 0: tests of `record` |

pub mod state;
pub mod step;
#[cfg(test)]
mod tests;

use crate::author::Chain;
use crate::engine::Engine;
use crate::federation::Federation;
use crate::line::Line;
use crate::state::State;
use crate::step::Step;

/// An invariant's name, and what is wrong.
pub type Broken = (&'static str, String);

/// A step with what was before it and what is after it.
pub struct Look<'a> {
    /// The state before.
    pub before: &'a State,
    /// The engine after.
    pub after: &'a Engine,
    /// What the step commits and does.
    pub step: &'a Step,
    /// Milliseconds UTC that it was handed in at.
    pub now: u64,
}

macro_rules! judges {
    ($module:ident: $look:ty: $name:ident: $($judge:ident),* $(,)?) => {
        const $name: &[(&str, fn($look) -> Result<(), String>)] = &[$((stringify!($judge), $module::$judge)),*];
    };
}

judges!(state: &State: OF_STATE:
    invariant_01_the_digest_is_of_the_entries_held,
    invariant_02_incremental_is_batch,
    invariant_04_an_objection_held_bars,
    invariant_05_nobody_but_agencies_elects,
    invariant_07_no_admission_without_every_founder,
    invariant_10_forks_are_proven,
    invariant_11_copies_of_log_0_are_bounded,
    invariant_12_logs_end_in_entries_of_the_keys_in_force,
    invariant_18_whoever_is_held_was_introduced,
    invariant_20_buffers_are_bounded,
    invariant_23_what_is_delivered_has_a_receipt,
    invariant_24_threads_are_gap_free,
);

judges!(step: &Look<'_>: OF_STEP:
    invariant_05_words_of_others_than_agencies_change_nothing,
    invariant_08_without_an_entry_no_standing_changes,
    invariant_09_what_is_signed_is_reserved_once,
    invariant_11_contested_storage_grows_to_its_bound,
    invariant_12_officers_words_are_approved,
    invariant_13_counters_are_used_once,
    invariant_17_what_an_amendment_changed_judges_nothing_before_it,
    invariant_18_nothing_of_a_stranger_is_kept,
    invariant_19_what_is_for_agencies_stands_in_log_2,
    invariant_22_a_promise_has_its_fact,
    invariant_22_a_statement_counts_once,
    invariant_23_receipts_verify,
    invariant_24_what_is_said_goes_on,
    invariant_25_nothing_goes_to_whom_it_may_not,
    invariant_27_what_is_reserved_is_signed_and_goes_on,
    invariant_28_an_unconfirmed_node_signs_nothing_that_counts,
    invariant_29_facts_read_back,
    invariant_30_nothing_resets_a_log_0,
);

/// Judges a state. The cost is that of reading all of it.
///
/// # Errors
/// The first invariant that does not hold.
pub fn of_state(state: &State) -> Result<(), Broken> {
    OF_STATE.iter().try_for_each(|(name, judge)| judge(state).map_err(|why| (*name, why)))
}

/// Judges a step. The cost is that of what it did.
///
/// # Errors
/// The first invariant that does not hold.
pub fn of_step(look: &Look<'_>) -> Result<(), Broken> {
    OF_STEP.iter().try_for_each(|(name, judge)| judge(look).map_err(|why| (*name, why)))
}

/// Judges a step by applying its facts again to the state before. The cost is that of the step and of naming both
/// states.
///
/// # Errors
/// Invariant 29.
pub fn of_replay(look: &Look<'_>) -> Result<(), Broken> {
    step::invariant_29_replay_is_live_state(look).map_err(|why| ("invariant_29_replay_is_live_state", why))
}

/// How much there is to read in a state: what [`of_state`] costs is in proportion.
pub fn size(state: &State) -> u64 {
    let rows = state.cases.size() * 4 + state.outbox.size() + state.notices.size() + state.inbox.size();
    state.federation.entries() + rows as u64
}

/// How often the whole state is looked at: when as many things have happened as there are in it.
#[cfg(debug_assertions)]
#[derive(Debug, Default)]
pub(crate) struct Watch {
    happened: u64,
}

#[cfg(debug_assertions)]
impl Watch {
    /// Whether it is time to read everything.
    fn is_due(&mut self, look: &Look<'_>) -> bool {
        self.happened += 1 + look.step.facts.len() as u64;
        let due = self.happened >= EVERY * size(look.after.state());
        self.happened = if due { 0 } else { self.happened };
        due
    }

    /// Ends a debug build at the first invariant that does not hold.
    pub(crate) fn over(&mut self, look: &Look<'_>) {
        let mut judged = of_step(look);
        if self.is_due(look) {
            judged = judged.and_then(|()| of_replay(look)).and_then(|()| of_state(look.after.state()));
        }
        if let Err((name, why)) = judged {
            panic!("{name} does not hold at {}: {why}", look.after.state().me.short());
        }
    }
}

/// So many things happen to each that there is before all of them are read again.
#[cfg(debug_assertions)]
const EVERY: u64 = 4;

// -- what both read -------------------------------------------------------------------------------------------------

/// Whether all that a line refers to is here, so that it is read.
fn is_ready(federation: &Federation, line: &Line) -> bool {
    line.refs.iter().all(|id| federation.holds(id))
}

/// A line of a chain by its place and id.
fn line_of<'a>(chain: &'a Chain, seq: u64, id: &lapwing_record::id::EntryId) -> Option<&'a Line> {
    let on_stem = seq.checked_sub(chain.first_seq()).and_then(|at| chain.stem.get(usize::try_from(at).ok()?));
    on_stem.filter(|l| l.id == *id).or_else(|| chain.fork.as_ref()?.lines.get(id))
}
