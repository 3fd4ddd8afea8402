//! Many engines, one virtual clock, one seed: what a federation does when everything goes wrong (docs/simulation.md).
//!
//! ```text
//! seed ──▶ dice ──▶ world: nodes (real engine, journal, driver) ◀──▶ network (delay, loss, partitions)
//!                     │  people, adversaries, crashes, restores, clocks
//!                     ▼
//!                  invariants, after each event and at the end ──▶ outcome: counters, or the trace of a failure
//! ```
//!
//! The engine is the real one, untouched. The driver around it keeps the node's order — decide, sync, publish, speak —
//! with a crash possible between any two.

pub mod counts;
pub mod dice;
mod driver;
mod exchange;
pub mod exhaustive;
pub mod invariants;
pub mod message;
pub mod mutant;
pub mod node;
pub mod people;
mod rogue;
pub mod run;
pub mod trace;
pub mod words;
pub mod world;
