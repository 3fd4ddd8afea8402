//! Verdicts, from the most senior down (protocol §4.4, §4.5).

use super::bits::Bits;
use super::fold::{Fold, Tally};
use super::{Class, Standing, Target, quorum};
use crate::mutation::Mutation;

/// How the live electors of a target have spoken.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) agree: Bits,
    pub(super) excused: Bits,
    pub(super) object: Bits,
    pub(super) missing: Bits,
    /// At least one live elector agrees, or a founder who has left did.
    pub(super) spoke: bool,
}

impl Verdict {
    pub(super) fn standing(&self) -> Standing {
        let complete = self.missing.is_empty() && self.spoke;
        match (self.object.is_empty(), complete) {
            (true, true) => Standing::Participant,
            (true, false) => Standing::Candidate,
            (false, true) => Standing::Suspended,
            (false, false) => Standing::Objected,
        }
    }
}

impl Fold {
    pub(super) fn verdict(&self, target: Target, tally: &Tally, electors: &Bits, live: &Bits) -> Verdict {
        let agree = live.and(&tally.agree);
        let silent = live.minus(&agree);
        let excused: Bits = silent.iter().filter(|e| self.is_excused(*e, target, tally, &agree, live.len())).collect();
        let object =
            if self.rules.breaks(Mutation::AnybodyObjects) { tally.object.clone() } else { live.and(&tally.object) };
        let object = if self.rules.breaks(Mutation::ExcusedObjectionIgnored) { object.minus(&excused) } else { object };
        let missing = silent.minus(&excused).minus(&object);
        let spoke = !agree.is_empty() || electors.and(&tally.agree).iter().any(|e| self.members[e].founder);
        Verdict { agree, excused, object, missing, spoke }
    }

    fn is_excused(&self, silent: usize, target: Target, tally: &Tally, agree: &Bits, live: usize) -> bool {
        tally.excusers.len() >= quorum(live) && self.excusers(silent, target, tally, agree).count() >= quorum(live)
    }

    /// Who among `agree` has excused the elector `silent`.
    pub(super) fn excusers(
        &self,
        silent: usize,
        target: Target,
        tally: &Tally,
        agree: &Bits,
    ) -> impl Iterator<Item = usize> {
        let whom = self.members[silent].pid;
        let authors: Vec<usize> = agree.and(&tally.excusers).iter().collect();
        authors
            .into_iter()
            .filter(move |a| self.members[*a].log.words.get(&target).is_some_and(|words| words.excused.contains(&whom)))
    }

    /// The strongly connected components of elector → elected among the agencies that joined, seniors first: every
    /// elector of a ring's member is a founder, a fellow, or in an earlier ring.
    pub(super) fn find_rings(&self) -> Vec<Vec<usize>> {
        let joined: Bits = (0..self.members.len()).filter(|m| self.members[*m].is_joined_agency()).collect();
        // Kosaraju: the order of finishing downward, then groups upward
        let (mut seen, mut finished) = (Bits::default(), Vec::new());
        for start in joined.iter() {
            walk(start, &mut seen, |m| self.members[m].juniors.and(&joined), |m| finished.push(m));
        }
        let (mut seen, mut rings) = (Bits::default(), Vec::new());
        for start in finished.into_iter().rev() {
            let mut ring = Vec::new();
            walk(start, &mut seen, |m| self.members[m].electors.and(&joined), |m| ring.push(m));
            if !ring.is_empty() {
                rings.push(ring);
            }
        }
        rings
    }

    /// What the members of a ring are owed by those outside it, and by one another. Those who have left are not judged.
    pub(super) fn judge_ring(&self, ring: &[usize]) -> Vec<(usize, Standing)> {
        let outside = self.judge_from_outside(ring);
        let fellows: Bits = outside.iter().filter(|(_, s)| *s == Standing::Participant).map(|(m, _)| *m).collect();
        let judged = outside.iter().map(|(m, s)| {
            let barred = *s == Standing::Participant && !self.objecting_fellows(*m, &fellows).is_empty();
            (*m, if barred { Standing::Suspended } else { *s })
        });
        judged.collect()
    }

    /// Fellows of a ring owe each other no word: only those outside it are asked.
    pub(super) fn judge_from_outside(&self, ring: &[usize]) -> Vec<(usize, Standing)> {
        let fellows: Bits = ring.iter().copied().collect();
        let staying = ring.iter().filter(|m| !self.members[**m].log.left);
        let judged = staying.map(|m| {
            let member = &self.members[*m];
            let live = member.electors.and(&self.full).minus(&fellows);
            (*m, self.verdict(member.target(), &member.tally, &member.electors, &live).standing())
        });
        judged.collect()
    }

    /// The electors of `m` among `fellows` (in full standing, judged from outside the ring) that object to it.
    pub(super) fn objecting_fellows(&self, m: usize, fellows: &Bits) -> Bits {
        if self.rules.breaks(Mutation::FellowsIgnored) {
            return Bits::default();
        }
        let member = &self.members[m];
        let mut objecting = member.electors.and(fellows).and(&member.tally.object);
        objecting.remove(m);
        objecting
    }

    /// A private-sector participant or observer: the objection of any agency in full standing counts.
    pub(super) fn judge_other(&self, m: usize) -> Standing {
        let member = &self.members[m];
        let live = member.electors.and(&self.full);
        let standing = self.verdict(member.target(), &member.tally, &member.electors, &live).standing();
        let barred =
            !self.rules.breaks(Mutation::OnlyElectorsBarPrivate) && !self.full.and(&member.tally.object).is_empty();
        match standing {
            Standing::Participant if barred => Standing::Suspended,
            Standing::Candidate if barred => Standing::Objected,
            other => other,
        }
    }

    /// Judges everybody anew.
    pub(super) fn judge_all(&mut self) {
        self.rings = self.find_rings();
        self.full = Bits::default();
        for m in 0..self.members.len() {
            if self.members[m].log.left {
                self.members[m].standing = Standing::Left;
            } else if self.members[m].founder {
                self.members[m].standing = Standing::Participant;
                self.full.insert(m);
            }
        }
        for at in 0..self.rings.len() {
            for (m, standing) in self.judge_ring(&self.rings[at]) {
                self.members[m].standing = standing;
                self.full.set(m, standing == Standing::Participant);
            }
            for m in &self.rings[at] {
                self.members[*m].ring = at;
            }
        }
        for m in 0..self.members.len() {
            let member = &self.members[m];
            if !member.founder && member.class != Class::Agency && !member.log.left {
                self.members[m].standing = self.judge_other(m);
            }
        }
    }
}

/// Depth first from `start`, emitting each member when all that it leads to are done; never recursing, because a chain
/// of seats may be as long as the federation.
fn walk(start: usize, seen: &mut Bits, next: impl Fn(usize) -> Bits, mut done: impl FnMut(usize)) {
    if !seen.insert(start) {
        return;
    }
    let mut path = vec![(start, next(start))];
    while let Some((m, leads_to)) = path.last() {
        match leads_to.first_outside(seen) {
            Some(further) => {
                seen.insert(further);
                path.push((further, next(further)));
            }
            None => {
                done(*m);
                path.pop();
            }
        }
    }
}
