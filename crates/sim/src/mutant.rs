//! Nodes that are wrong on purpose, at the seams between the engine and the world: each must be caught.

use std::fmt;

macro_rules! mutants {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $caught:literal),* $(,)?) => {
        /// What every honest node of a run does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $($(#[doc = $doc])* $variant,)* }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$variant),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Mutant::$variant => $name),* }
            }

            /// What it does, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Mutant::$variant => concat!($($doc),*)),* }
            }

            /// The invariant that catches it: the beginning of its name.
            pub const fn caught_by(self) -> &'static str {
                match self { $(Mutant::$variant => $caught),* }
            }
        }
    };
}

mutants! {
    /// An objection is signed for before it is durable.
    AckBeforeSync "ack-before-sync" "invariant_22",
    /// A receipt is given before the statement is durable.
    ReceiptBeforeSync "receipt-before-sync" "invariant_22",
    /// A statement that was refused at first is taken for a duplicate when it comes again, and receipted.
    ReceiptForFailedCopy "receipt-for-failed-copy" "invariant_22",
    /// Whoever is connected gets agency-only entries: the topic is private, its readers are not looked at.
    GateByTopic "gate-by-topic" "invariant_19",
    /// A restored copy signs at once, as if it were current.
    OldCopySigns "old-copy-signs" "invariant_09",
    /// An entry is signed and spread before its header is reserved durably, and a start asks nobody for its own entries.
    SignBeforeSync "sign-before-sync" "invariant_09",
    /// A start applies the journal's facts but for the last.
    ReplayDropsLast "replay-drops-last" "invariant_29",
}

impl Mutant {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Mutant> {
        Mutant::ALL.iter().copied().find(|m| m.name() == name)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
