//! All that a federation holds, in one form.

use super::Federation;
use crate::author::{Author, Chain};
use lapwing_record::id::{EntryId, Pid};
use std::fmt::Write;

impl Federation {
    /// Two federations that write the same answer every question alike, now and after any further entries: every field
    /// is in it, in an order that does not come from arrival. Two are left out: which of several proofs of one fork is
    /// kept (each proves it), and how many verdicts it took. Log 0 stands by its ids, because what is read of it is
    /// always read from all of them. For tests of the order of arrival (docs/simulation.md).
    #[doc(hidden)]
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        for (pid, member) in &self.members {
            let _ = writeln!(out, "author {} shared {}", short(&pid.0), member.shared);
            chains(&mut out, &member.author);
            let _ = writeln!(out, "  listing {:?}", member.listing);
        }
        let held: Vec<String> = self.held.iter().map(|id| short(&id.0)).collect();
        let vouched: Vec<String> = self.vouched.iter().map(|pid| short(&pid.0)).collect();
        let _ = writeln!(out, "held {held:?}\nvouched {vouched:?} founders {}", self.founders.len());
        let seated: Vec<String> = self.seated.iter().map(|pid| short(&pid.0)).collect();
        let _ = writeln!(out, "seated {seated:?}");
        for ((pid, epoch), proofs) in &self.proofs {
            let of: Vec<_> = proofs.keys().map(|(a, b)| (short(&a.0), short(&b.0))).collect();
            let _ = writeln!(out, "proofs of {} in epoch {epoch}: {of:?}", short(&pid.0));
        }
        let by = |pids: &mut dyn Iterator<Item = &Pid>| pids.map(|pid| short(&pid.0)).collect::<Vec<_>>();
        for (pid, introducers) in &*self.introducers {
            let _ = writeln!(out, "introduced {} by {:?}", short(&pid.0), by(&mut introducers.iter()));
        }
        for (id, waiting) in &*self.waiting {
            let _ = writeln!(out, "waiting for {}: {:?}", short(&id.0), by(&mut waiting.iter()));
        }
        for (id, (pid, motion)) in &self.motions {
            let _ = writeln!(out, "motion {} of {} {}", short(&id.0), short(&pid.0), short(&motion.body_hash().0));
        }
        let roots = [super::Plane::Pub, super::Plane::Agy].map(|plane| self.heads_root(plane));
        let digest = self.state_digest();
        let _ = writeln!(out, "heads {roots:?} state {digest:?} entries {}", self.entries);
        out + &self.roster.canonical()
    }
}

fn chains(out: &mut String, author: &Author) {
    let ids = |ids: &mut dyn Iterator<Item = EntryId>| ids.map(|id| short(&id.0)).collect::<Vec<_>>();
    let log0 = ids(&mut author.id_entries().map(lapwing_record::entry::Entry::id));
    let _ = writeln!(out, "  log 0 {log0:?} left {:?} trouble {:?}", author.id.left, author.id.trouble);
    for (log, chains) in [(1, &author.public), (2, &author.agency)] {
        for (epoch, chain) in chains {
            let Chain { base, stem, fork, .. } = chain;
            let stem = ids(&mut stem.iter().map(|line| line.id));
            let fork = fork.as_ref().map(|fork| (fork.seq, ids(&mut fork.lines.keys().copied())));
            let _ = writeln!(out, "  log {log} epoch {epoch} after {base:?}: {stem:?} fork {fork:?}");
        }
    }
}

fn short(id: &[u8; 32]) -> String {
    id[..6].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
