//! All that a fold holds, in one form.
//!
//! Members are numbered in the order in which they became known, and rings in one of the orders that seniority allows:
//! of two folds of the same logs neither need be the same number. Everything else must be. So this writes every field by
//! participant, and of the rings who belongs together and whether seniors come first.

use super::bits::Bits;
use super::fold::Fold;
use lapwing_record::id::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

impl Fold {
    /// Two folds that write the same answer every question alike, now and after any further items: every field is in
    /// it, by participant. For tests of the order of arrival (docs/simulation.md).
    #[doc(hidden)]
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        let names = |bits: &Bits| -> BTreeSet<String> { bits.iter().map(|m| name(self.members[m].pid)).collect() };
        for (pid, m) in &self.index {
            let member = &self.members[*m];
            let seats: Vec<_> = member.seats.iter().map(|(at, m)| (at, name(self.members[*m].pid))).collect();
            let _ = writeln!(
                out,
                "member {} is {} {:?} founder {} {:?}\n  electors {:?} juniors {:?} seats {seats:?}\n  agree {:?} object {:?} excusers {:?}\n  {:?}",
                name(*pid),
                name(member.pid),
                member.class,
                member.founder,
                member.standing,
                names(&member.electors),
                names(&member.juniors),
                names(&member.tally.agree),
                names(&member.tally.object),
                names(&member.tally.excusers),
                member.log,
            );
        }
        // a stranger that said nothing is none
        let silent = format!("{:?}", super::log::Log::default());
        let strangers: BTreeMap<String, String> =
            self.strangers.iter().map(|(pid, log)| (name(*pid), format!("{log:?}"))).collect();
        for (pid, log) in strangers.iter().filter(|(_, log)| **log != silent) {
            let _ = writeln!(out, "stranger {pid} {log}");
        }
        let mut rings: Vec<BTreeSet<String>> =
            self.rings.iter().map(|ring| ring.iter().map(|m| name(self.members[*m].pid)).collect()).collect();
        rings.sort();
        let _ = writeln!(out, "rings {rings:?} in order {} full {:?}", self.seniors_first(), names(&self.full));
        out
    }

    /// Whether every ring stands after those that elect its members, and every member knows its own.
    fn seniors_first(&self) -> bool {
        let joined = |m: &usize| self.members[*m].is_joined_agency();
        self.rings.iter().enumerate().all(|(at, ring)| {
            ring.iter().all(|m| {
                self.members[*m].ring == at
                    && self.members[*m].electors.iter().filter(joined).all(|e| self.members[e].ring <= at)
            })
        })
    }
}

fn name(pid: Pid) -> String {
    pid.0[..6].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
