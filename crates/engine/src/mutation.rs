//! Rules broken on purpose: the machines that judge the rules must notice each (docs/simulation.md, "Mutants").
//!
//! The switch exists with the feature `mutants` alone, which only the simulator and tests ask for. Without it every
//! question here is answered `false` when the program is built.

/// One rule broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Seats pass on no electorship.
    SeatsPassNothing,
    /// Anybody's objection counts.
    AnybodyObjects,
    /// The last written stance rules, not the highest (epoch, n).
    LastWrittenRules,
    /// Against private-sector participants only electors' objections count.
    OnlyElectorsBarPrivate,
    /// Objections of ring fellows are ignored.
    FellowsIgnored,
    /// An elector without a word on X passes on nobody.
    SilentPassNothing,
    /// Disavowed approvals count.
    DisavowedCount,
    /// A clear ends an objection.
    ClearEndsObjection,
    /// The objection of an elector that was excused is ignored.
    ExcusedObjectionIgnored,
    /// A fork of its author's log ends an objection.
    ForkEndsObjection,
    /// Seats pass on electorship wherever they stand, also after the first word.
    FirstWordIgnored,
    /// Officers' approvals are not looked at.
    ApprovalsUnchecked,
    /// Whatever two entries a fork proof shows, it counts.
    AnyProofCounts,
    /// Of two branches the one that came first is kept.
    FirstBranchKept,
    /// Statements go out to somebody who is suspended, too.
    DeliversToSuspended,
    /// A node that nobody's checkpoint confirms acts for its agency.
    UnconfirmedActs,
    /// A statement is heard wherever it stands in its thread.
    GapsTaken,
    /// A statement heard before is heard again.
    HeardTwice,
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutation;
    use std::cell::Cell;

    std::thread_local! {
        static BROKEN: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Breaks a rule for everything that this thread does from here on; none mends it.
    pub fn break_rule(mutation: Option<Mutation>) {
        BROKEN.set(mutation);
    }

    pub(crate) fn current() -> Option<Mutation> {
        BROKEN.get()
    }
}

#[cfg(not(feature = "mutants"))]
mod switch {
    pub(crate) const fn current() -> Option<super::Mutation> {
        None
    }
}

#[cfg(feature = "mutants")]
pub use switch::break_rule;
pub(crate) use switch::current;

/// Whether this rule is broken here.
pub(crate) fn broken(mutation: Mutation) -> bool {
    current() == Some(mutation)
}
