//! Counters that prove that runs were not empty.

use serde_json::{Map, Value};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often what happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        impl Counts {
            /// Adds those of another run.
            pub fn add(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
            }

            /// Names and numbers.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counts! {
    /// Things that happened: messages that arrived, commits, acts of people, faults.
    events,
    /// Facts made durable.
    facts,
    /// Messages sent.
    messages,
    /// Messages that the network lost.
    lost,
    /// Messages that the network delivered twice.
    doubled,
    /// Applicants that a node saw in full standing for the first time.
    admissions,
    /// Consents of officers.
    consents,
    /// Objections of officers.
    objections,
    /// Objections withdrawn.
    withdrawals,
    /// Amendments that officers moved.
    motions,
    /// Amendments in force at the end.
    amendments,
    /// Participants that left.
    departures,
    /// Excuses of silent agencies signed by honest nodes.
    excuses,
    /// Logs that a node saw become contested.
    forks_shown,
    /// Attacks begun.
    attacks,
    /// Stolen keys replaced by the root.
    recoveries,
    /// Starts from an older copy.
    restores,
    /// Older copies that an administrator asserted to be current.
    assertions,
    /// Crashes.
    crashes,
    /// Crashes between deciding and syncing.
    crashes_unsynced,
    /// Partitions, and links that went half open.
    partitions,
    /// Clocks that jumped.
    clock_jumps,
    /// Statements of cases made.
    statements,
    /// Receipts that came home.
    receipts,
    /// Signatures for objections that came home.
    acks,
    /// Statements and commands refused, and agency-only requests turned away.
    refused,
}

impl Counts {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        Value::Object(self.rows().into_iter().map(|(name, n)| (name.to_owned(), n.into())).collect::<Map<_, _>>())
    }
}
