//! Wrong on purpose: nodes at the seams between the engine and the world, and rules inside it. Each must be caught.

use lapwing_engine::mutation::Mutation;
use std::fmt;

macro_rules! mutants {
    (
        seams { $($(#[doc = $doc:literal])* $seam:ident $name:literal $caught:literal),* $(,)? }
        rules { $($(#[doc = $rule_doc:literal])* $rule:ident $rule_name:literal $rule_caught:literal),* $(,)? }
    ) => {
        /// What every honest node of a run does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $($(#[doc = $doc])* $seam,)* $($(#[doc = $rule_doc])* $rule,)* }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$seam,)* $(Mutant::$rule,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Mutant::$seam => $name,)* $(Mutant::$rule => $rule_name,)* }
            }

            /// What it does, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Mutant::$seam => concat!($($doc),*),)* $(Mutant::$rule => concat!($($rule_doc),*),)* }
            }

            /// The invariants that catch it: the beginnings of their names.
            pub fn caught_by(self, invariant: &str) -> bool {
                let names = match self { $(Mutant::$seam => $caught,)* $(Mutant::$rule => $rule_caught,)* };
                names.split(' ').any(|number| invariant.starts_with(&format!("invariant_{number}_")))
            }

            /// The rule of the engine that is broken; none at the seams.
            pub const fn rule(self) -> Option<Mutation> {
                match self { $(Mutant::$seam => None,)* $(Mutant::$rule => Some(Mutation::$rule),)* }
            }
        }
    };
}

mutants! {
    seams {
        /// An objection is signed for before it is durable.
        AckBeforeSync "ack-before-sync" "22",
        /// A receipt is given before the statement is durable.
        ReceiptBeforeSync "receipt-before-sync" "22",
        /// A statement that was refused at first is taken for a duplicate when it comes again, and receipted.
        ReceiptForFailedCopy "receipt-for-failed-copy" "22",
        /// Whoever is connected gets agency-only entries: the topic is private, its readers are not looked at.
        GateByTopic "gate-by-topic" "19",
        /// A restored copy signs at once, as if it were current.
        OldCopySigns "old-copy-signs" "09",
        /// An entry is signed and spread before its header is reserved durably, and a start asks nobody for its own entries.
        SignBeforeSync "sign-before-sync" "09",
        /// A start applies the journal's facts but for the last.
        ReplayDropsLast "replay-drops-last" "29",
    }
    rules {
        /// Seats pass on no electorship.
        SeatsPassNothing "seats-pass-nothing" "04 07",
        /// Anybody's objection counts, private-sector participants' too.
        AnybodyObjects "anybody-objects" "05",
        /// The last written stance rules, not the highest number.
        LastWrittenRules "last-written-rules" "04 12",
        /// Against private-sector participants only electors' objections count.
        OnlyElectorsBarPrivate "only-electors-bar-private" "04",
        /// Objections of ring fellows are ignored.
        FellowsIgnored "fellows-ignored" "04",
        /// A clear ends an objection.
        ClearEndsObjection "clear-ends-objection" "04",
        /// The objection of an elector that was excused is ignored.
        ExcusedObjectionIgnored "excused-objection-ignored" "04",
        /// A fork of its author's log ends an objection.
        ForkEndsObjection "fork-ends-objection" "04",
        /// Seats pass on electorship wherever they stand, also after the first word.
        FirstWordIgnored "first-word-ignored" "01 02 07 27",
        /// Officers' approvals are not looked at.
        ApprovalsUnchecked "approvals-unchecked" "04 07 12",
        /// Whatever two entries a fork proof shows, it counts.
        AnyProofCounts "any-proof-counts" "09 10",
        /// Of two branches the one that came first is kept.
        FirstBranchKept "first-branch-kept" "01 03 10",
        /// Statements go out to somebody who is suspended, too.
        DeliversToSuspended "delivers-to-suspended" "25",
        /// A node that nobody's checkpoint confirms acts for its agency.
        UnconfirmedActs "unconfirmed-acts" "28",
        /// A statement is heard wherever it stands in its thread.
        GapsTaken "gaps-taken" "24",
        /// A statement heard before is heard again.
        HeardTwice "heard-twice" "22 24",
    }
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
