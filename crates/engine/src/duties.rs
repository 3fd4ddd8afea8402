//! What a node does by itself, as its agency's clerk: noted, clear, seat, excuse, checkpoint (protocol §4.3).
//!
//! A node notes everything new before it seats anything; it clears when its own window has run, its people were told
//! and did not object; it seats what its own fold shows in full standing. Silence of people is a signed "no objection";
//! silence of a *node* is no evidence. One entry at a time: the next duty is looked at when the last is signed.

use crate::engine::Engine;
use crate::fact::NoticeKind;
use crate::federation::Plane;
use crate::line::{self, Says};
use crate::membership::{Act, Item, Standing, Target, Word};
use crate::mutation::{Mutation, broken};
use crate::step::Step;
use crate::window::Window;
use lapwing_record::cbor::encode;
use lapwing_record::charter::DAY_MS;
use lapwing_record::entry::{EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, Pid};
use lapwing_record::membership::{Checkpoint, Excuse, ForkProof, MAX_STANCES, Stance, Stances, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One hour in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;

impl Engine {
    /// Whether the node acts for its agency now.
    fn on_duty(&self) -> bool {
        self.may_sign().is_ok()
            && self.clock_doubt.is_none()
            && !self.state.reserved.iter().any(|r| r.header.log == LogKind::Pub)
            && self.state.my_id().inception.class == lapwing_record::identity::Class::Agency
            && matches!(self.state.my_standing(), Some(Standing::Participant | Standing::Suspended))
            && (self.state.confirmed() || broken(Mutation::UnconfirmedActs))
    }

    pub(crate) fn duties(&mut self, now: u64, step: &mut Step) {
        if !self.on_duty() {
            return;
        }
        let motions = self.open_motions(now);
        let duties = self.state.federation.roster().duties(self.state.me, &motions);
        let stances = |what, targets: Vec<Target>| -> Vec<Stance> {
            targets.into_iter().take(MAX_STANCES).map(|t| Stance::by_node(what, t)).collect()
        };
        let noted = self.noted();
        let clear: Vec<Target> = duties.clear.into_iter().filter(|t| self.may_clear(*t, &noted, now)).collect();
        let seat: Vec<Target> = duties.seat.into_iter().filter(|t| self.may_seat(*t)).collect();
        let items = if !duties.note.is_empty() {
            stances(What::Noted, duties.note)
        } else if !clear.is_empty() {
            stances(What::Clear, clear)
        } else {
            stances(What::Seat, seat)
        };
        if !items.is_empty() {
            self.reserve(EntryType::Stances, encode(&Stances { items }), Vec::new(), now, step);
            return;
        }
        if let Some(excuse) = self.due_excuse(&noted, now) {
            self.reserve(EntryType::Excuse, encode(&excuse), Vec::new(), now, step);
            return;
        }
        if let Some(proof) = self.due_proof() {
            self.reserve(EntryType::ForkProof, encode(&proof), Vec::new(), now, step);
            return;
        }
        if let Some(checkpoint) = self.due_checkpoint(now) {
            self.reserve(EntryType::Checkpoint, encode(&checkpoint), Vec::new(), now, step);
        }
    }

    /// When this node noted what it noted. What an earlier life noted by a clock that was ahead counts from the start.
    fn noted(&self) -> Arc<BTreeMap<Target, Window>> {
        let mut noted = self.state.noted.clone();
        // asked after every input: nothing is copied where no clock was wrong
        if !self.noted_ahead.is_empty() {
            let ahead = Arc::make_mut(&mut noted).iter_mut().filter(|(t, _)| self.noted_ahead.contains(t));
            ahead.for_each(|(_, window)| window.noted = self.started);
        }
        noted
    }

    fn may_clear(&self, target: Target, noted: &BTreeMap<Target, Window>, now: u64) -> bool {
        let Some(window) = noted.get(&target) else { return false };
        let lapsed = now > window.lapses();
        let objects =
            self.state.federation.roster().ruling(self.state.me, target).is_some_and(|r| r.act == Act::Object);
        self.config.auto_clear
            && !lapsed
            && !objects
            && now >= window.end(self.started)
            && self.people_were_told(target)
    }

    /// Whether the people know of the target: a node whose notices fail does not clear.
    fn people_were_told(&self, target: Target) -> bool {
        let told = |kind, pid: Option<Pid>, subject| {
            let matches = |t: &&crate::state::Noticed| {
                t.notice.kind == kind && (pid.is_none() || t.notice.about == pid) && t.notice.subject == subject
            };
            self.state.notices.values().find(matches).is_none_or(|t| t.told.is_some())
        };
        match target {
            Target::Participant(pid) => told(NoticeKind::Introduced, Some(pid), None),
            Target::Motion(id) => told(NoticeKind::AmendmentMoved, None, Some(Digest(id.0))),
        }
    }

    /// Amendments that this node still speaks on: of the Params in force, not expired on its own clock.
    fn open_motions(&self, now: u64) -> BTreeSet<EntryId> {
        let federation = &self.state.federation;
        let (adopted, params) = federation.amendments();
        let base = params.digest();
        let open = federation.motions().filter(|(id, _, m)| m.base == base && m.expires > now && !adopted.contains(id));
        open.map(|(id, _, _)| id).collect()
    }

    /// One amendment per set of Params: who has seated one does not seat another of the same base.
    fn may_seat(&self, target: Target) -> bool {
        let Target::Motion(id) = target else { return true };
        let federation = &self.state.federation;
        let Some(base) = federation.motions().find(|(m, _, _)| *m == id).map(|(_, _, m)| m.base) else { return false };
        let mine = federation.author(&self.state.me).expect("hosted");
        let seated: BTreeSet<EntryId> = mine
            .listed(LogKind::Pub)
            .flat_map(line::Line::items)
            .filter_map(|i| match i {
                Item::Said { target: Target::Motion(m), word: Word::Seat } => Some(*m),
                _ => None,
            })
            .collect();
        !federation.motions().any(|(m, _, motion)| m != id && motion.base == base && seated.contains(&m))
    }

    /// An excuse for agencies that have been silent beyond W + G on something that this node has cleared.
    fn due_excuse(&self, noted: &BTreeMap<Target, Window>, now: u64) -> Option<Excuse> {
        let roster = self.state.federation.roster();
        let due = noted.iter().filter(|(_, window)| now >= window.grace_end());
        for (target, _) in due {
            if let Target::Participant(pid) = target
                && !matches!(roster.standing(*pid), Some(Standing::Candidate | Standing::Objected))
            {
                continue;
            }
            let electors = roster.electors(*target);
            let mine = roster.decisive(self.state.me, *target);
            let cleared =
                matches!(mine, crate::membership::Decisive::Clear | crate::membership::Decisive::Consent { .. });
            if electors.len() < 4 || !cleared || !electors.contains(&self.state.me) {
                continue;
            }
            let already: BTreeSet<Pid> = roster.excused_by(self.state.me, *target).into_iter().collect();
            let silent: BTreeSet<Pid> = roster.silent_electors(*target);
            if silent.iter().any(|p| !already.contains(p) && *p != self.state.me) {
                let silent = silent.into_iter().filter(|p| *p != self.state.me).collect();
                return Some(Excuse { target: *target, silent });
            }
        }
        None
    }

    /// A fork that nobody has shown in a log yet.
    fn due_proof(&self) -> Option<ForkProof> {
        let federation = &self.state.federation;
        for pid in federation.pids() {
            let author = federation.author(&pid)?;
            for log in [LogKind::Pub, LogKind::Agy] {
                let forks = author.log(log).values().filter_map(|c| c.fork.as_ref());
                for fork in forks {
                    let shown = |p: &ForkProof| p.a == fork.proof.0 && p.b == fork.proof.1;
                    let mine = federation.author(&self.state.me)?.listed(LogKind::Pub);
                    let mut mine =
                        mine.filter_map(|l| if let Says::ForkProof(p) = &l.says { Some(&**p) } else { None });
                    if !mine.any(shown) {
                        return Some(ForkProof { a: fork.proof.0.clone(), b: fork.proof.1.clone() });
                    }
                }
            }
        }
        None
    }

    /// A checkpoint when the roster has changed, and daily.
    fn due_checkpoint(&self, now: u64) -> Option<Checkpoint> {
        let federation = &self.state.federation;
        if !federation.is_full_agency(&self.state.me) {
            return None;
        }
        let state = self.state.digest;
        let last = federation.listing(&self.state.me).and_then(|l| l.checkpoint.as_ref());
        let due = last.is_none_or(|c| c.record.state != state || now >= c.clock + DAY_MS);
        due.then(|| Checkpoint {
            frontier: federation.heads_root(Plane::Pub),
            state,
            entries: federation.entries(),
            agencies: federation.full_agencies().len() as u64,
            schema: 1,
            audit: Some(self.state.trail.head).filter(|_| self.state.trail.rows > 0),
        })
    }

    /// When the next window ends, or grace runs out.
    pub(crate) fn next_duty(&self, now: u64) -> Option<u64> {
        if !self.on_duty() {
            return None;
        }
        let roster = self.state.federation.roster();
        let open = |t: &Target| match t {
            Target::Participant(pid) => {
                matches!(roster.standing(*pid), Some(Standing::Candidate | Standing::Objected | Standing::Suspended))
                    || self.state.federation.inception(pid).is_some_and(|_| !self.has_cleared(*t))
            }
            Target::Motion(_) => true,
        };
        let noted = self.noted();
        let ends = noted.iter().filter(|(t, _)| open(t)).flat_map(|(_, window)| {
            let end = window.end(self.started);
            [end, window.grace_end(), end.saturating_sub(72 * HOUR_MS), end.saturating_sub(24 * HOUR_MS)]
        });
        ends.filter(|at| *at > now).min()
    }

    fn has_cleared(&self, target: Target) -> bool {
        use crate::membership::Decisive;
        !matches!(self.state.federation.roster().decisive(self.state.me, target), Decisive::Nothing | Decisive::Noted)
    }

    /// Warnings that an own window is about to end.
    pub(crate) fn window_notices(&mut self, now: u64, step: &mut Step) {
        if !self.on_duty() || !self.config.auto_clear {
            return;
        }
        let noted = self.noted();
        for (&target, window) in noted.iter() {
            let end = window.end(self.started);
            if now >= end || self.has_cleared(target) {
                continue;
            }
            let (about, subject) = match target {
                Target::Participant(pid) => (Some(pid), None),
                Target::Motion(id) => (None, Some(Digest(id.0))),
            };
            for (hours, kind) in [(72, NoticeKind::WindowEnds72), (24, NoticeKind::WindowEnds24)] {
                if window.window_ms > hours * HOUR_MS && now + hours * HOUR_MS >= end {
                    self.notice(kind, about, subject, Some(end), now, step);
                }
            }
        }
    }
}
