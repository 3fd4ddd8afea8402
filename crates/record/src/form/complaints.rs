//! L: the complaints of a batch (docs/protocol.md §6.2). A complaint has a reference of the requester's own and never
//! the complainant's name.

use super::{Conduct, Identifier, Loss};
use crate::cbor_grown;
use crate::directory::Channel;
use serde::{Deserialize, Serialize};

/// Complaints of one batch at most.
pub const MAX_COMPLAINTS: usize = 1000;

cbor_grown! {
    /// One complaint. Its place in the list, from 0, is what outcomes name it by.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(deny_unknown_fields)]
    pub struct Complaint {
        /// The requester's own reference, each once, at most 60 characters. Never a name.
        pub reference: String,
        /// When it was received: RFC 3339 date.
        pub received: String,
        /// By which channel the spam came.
        pub channel: Channel,
        /// Who sent it, as the complaint shows it.
        pub sender: Identifier,
        /// What was complained of, ascending.
        pub conduct: Vec<Conduct>,
        /// The complainant's country, ISO 3166-1 alpha-2.
        pub country: String;
        /// What the complainant lost.
        1 => pub loss: Loss,
        /// The item of the manifest that belongs to it: its place in the list, from 0.
        2 => pub evidence: u64,
    }
}
