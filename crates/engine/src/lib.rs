//! What follows from what was said: logs, membership, directory, caseload, duties.
//!
//! Separate because the rules of the Plan must be readable, testable and replayable without a network, a disk or a
//! clock. It must never know any of those, nor a private key: callers pass the time, random bytes and what was verified.
//!
//! ```text
//! engine     handle(input, now) → facts to commit, effects to perform afterwards
//!  ├─ duties, propose, delivery, notify     what is due, asked, sent, told
//!  ├─ state                                 what the journal's facts add up to
//!  ├─ federation                            everyone's logs and what follows from them
//!  │    ├─ author, line                     one participant's logs
//!  │    ├─ membership                       who takes part
//!  │    └─ listing                          how to reach them
//!  ├─ case                                  one referral's life
//!  └─ invariants                            what must hold of every state and step, looked at in debug builds
//! ```

pub mod author;
pub mod between;
pub mod case;
pub mod competence;
pub mod deadlines;
pub mod delivery;
mod duties;
pub mod engine;
pub mod fact;
pub mod federation;
pub mod head;
pub mod inbox;
pub mod internal;
pub mod invariants;
pub mod keeping;
mod lacking;
pub mod line;
pub mod listing;
pub mod membership;
#[doc(hidden)]
pub mod mutation;
mod notify;
mod propose;
pub mod register;
pub mod release;
pub mod sealing;
pub mod state;
pub mod step;
pub mod window;
