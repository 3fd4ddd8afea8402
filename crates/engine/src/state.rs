//! The state that follows from the journal, changed by facts alone.
//!
//! `apply` is the same act live and at replay: the only thing that changes a [`State`]. Maps are persistent, so that a
//! state is published by cloning it.

use crate::author::Placed;
use crate::between::Between;
use crate::case::{Case, Delivery, Told};
use crate::fact::{self, Fact, Notice};
use crate::federation::{Changes, Federation};
use crate::internal::{Absence, Internal, Matter, Note};
use crate::line::Line;
use crate::membership::{Item, Standing, Target, Word};
use crate::window::Window;
use lapwing_record::audit::Trail;
use lapwing_record::cbor::Bytes;
use lapwing_record::charter::DAY_MS;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, MsgId, Pid, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::Application;
use lapwing_record::statement::Refusal;
use rpds::RedBlackTreeMapSync;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Applications kept in the inbox at most (annex §7.5).
pub const MAX_APPLICATIONS: usize = 1000;
/// Milliseconds that an application waits in the inbox; then the next one may take its place.
pub const APPLICATION_TTL_MS: u64 = 30 * DAY_MS;
/// State digests remembered, to be confirmed by.
pub(crate) const MAX_REACHED: usize = 4096;

/// Milliseconds after which an applicant may replace its application by another one (docs/protocol.md §4.2).
pub const APPLICATION_CHANGE_MS: u64 = 60 * 60 * 1000;

/// An application in the inbox.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// Milliseconds UTC.
    pub at: u64,
    /// What was submitted.
    pub application: Arc<Application>,
}

/// A proposal and who has approved it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The proposal.
    pub proposal: Arc<fact::Proposal>,
    /// Approvals so far.
    pub approvals: Vec<lapwing_record::sign::Detached>,
}

/// A notice and whether people were told.
#[derive(Clone, Debug)]
pub struct Noticed {
    /// The notice.
    pub notice: Notice,
    /// When and by what people were told.
    pub told: Option<(u64, String)>,
    /// Attempts that failed: how many, and why the last did.
    pub failures: (u64, Option<String>),
}

/// The state that follows from the journal. Cloning is cheap.
#[derive(Clone)]
pub struct State {
    /// This node's participant.
    pub me: Pid,
    /// Everyone's logs.
    pub federation: Federation,
    /// Cases by thread.
    pub cases: RedBlackTreeMapSync<ThreadId, Arc<Case>>,
    /// Own statements without a receipt, and their case.
    pub outbox: RedBlackTreeMapSync<MsgId, ThreadId>,
    /// Own statements' locked content while it must still be delivered.
    pub unsent: RedBlackTreeMapSync<MsgId, Bytes>,
    /// Applications.
    pub inbox: RedBlackTreeMapSync<Pid, Inbox>,
    /// Proposals that wait for officers.
    pub proposals: RedBlackTreeMapSync<Digest, Pending>,
    /// What people must be, or were, told.
    pub notices: RedBlackTreeMapSync<Digest, Noticed>,
    /// Own headers that are reserved and not signed yet, in order.
    pub reserved: Arc<Vec<fact::Reserved>>,
    /// Who has signed for our objections.
    pub acks: RedBlackTreeMapSync<EntryId, BTreeSet<Pid>>,
    /// What this agency keeps to itself, by case.
    pub internals: RedBlackTreeMapSync<ThreadId, Arc<Internal>>,
    /// Who is away, by the name of the token.
    pub absences: RedBlackTreeMapSync<String, Absence>,
    /// Evidence that is here.
    pub blobs: RedBlackTreeMapSync<Digest, ThreadId>,
    /// States that this node has passed through, and after how many facts it last did.
    pub reached: Arc<BTreeMap<Digest, u64>>,
    /// Names the state of the roster now: [`Federation::state_digest`].
    pub digest: Digest,
    /// The windows that began when this node noted each target, by its own log.
    pub noted: Arc<BTreeMap<Target, Window>>,
    /// How far the audit trail goes.
    pub trail: Trail,
    /// Facts applied, rows of the audit trail left out.
    pub as_of: u64,
}

impl State {
    pub(crate) fn new(me: Pid, federation: Federation) -> Self {
        State {
            me,
            federation,
            cases: RedBlackTreeMapSync::new_sync(),
            outbox: RedBlackTreeMapSync::new_sync(),
            unsent: RedBlackTreeMapSync::new_sync(),
            inbox: RedBlackTreeMapSync::new_sync(),
            proposals: RedBlackTreeMapSync::new_sync(),
            notices: RedBlackTreeMapSync::new_sync(),
            reserved: Arc::default(),
            acks: RedBlackTreeMapSync::new_sync(),
            internals: RedBlackTreeMapSync::new_sync(),
            absences: RedBlackTreeMapSync::new_sync(),
            blobs: RedBlackTreeMapSync::new_sync(),
            reached: Arc::default(),
            digest: Digest([0; 32]),
            noted: Arc::default(),
            trail: Trail::default(),
            as_of: 0,
        }
    }

    /// This node's own log 0.
    pub fn my_id(&self) -> &IdLog {
        &self.federation.author(&self.me).expect("the node hosts its own participant").id
    }

    /// Where this node's participant stands; none before it is introduced.
    pub fn my_standing(&self) -> Option<Standing> {
        self.federation.standing(&self.me)
    }

    /// Whether other agencies' checkpoints confirm the state here, so that what is signed may count (protocol §5).
    pub fn confirmed(&self) -> bool {
        if self.federation.founders().contains(&self.me) {
            return true;
        }
        if !self.federation.is_participant(&self.me) {
            return false;
        }
        // Itself not counted: with one other agency, that one's word is what there is to go by. Nor those admitted
        // since that have not spoken yet: they wait for the same, and would wait for each other for good.
        let founders = self.federation.founders();
        let checkpoint = |pid: &Pid| self.federation.listing(pid).and_then(|l| l.checkpoint.as_ref());
        let speaks = |pid: &Pid| *pid != self.me && (founders.contains(pid) || checkpoint(pid).is_some());
        let others: Vec<Pid> = self.federation.full_agencies().into_iter().filter(speaks).collect();
        let named = |pid: &&Pid| checkpoint(pid).is_some_and(|c| self.reached.contains_key(&c.record.state));
        let quorate = |of: &[Pid]| {
            !of.is_empty() && of.iter().filter(named).count() >= crate::membership::quorum(of.len()).min(of.len())
        };
        // Founders alone are enough: they wait for nobody, so theirs are never old. Of the others several can wait for
        // each other's, each having named what the rest came past.
        let seniors: Vec<Pid> = others.iter().copied().filter(|p| founders.contains(p)).collect();
        quorate(&others) || quorate(&seniors)
    }

    /// Whether an older copy's cases are compared with everyone that takes part: also with those of whom it knows no
    /// case, since one may have begun after it was made. `leveled` are those compared with; none where nothing is open.
    pub fn compared_with_all(&self, leveled: Option<&BTreeSet<Pid>>) -> bool {
        let takes_part = |p: &Pid| *p != self.me && self.federation.between(&self.me, p) != Between::Nothing;
        leveled.is_none_or(|done| self.federation.pids().filter(takes_part).all(|p| done.contains(&p)))
    }

    /// The tip of our own log, reserved headers included.
    pub fn tip(&self, log: LogKind) -> Option<(u64, EntryId)> {
        let author = self.federation.author(&self.me).expect("the node hosts its own participant");
        // what is still reserved in the epoch before stands there, whatever its owner anchored
        let newest = |r: &&fact::Reserved| r.header.log == log && r.header.epoch == author.id.epoch();
        let reserved = self.reserved.iter().rev().find(newest);
        reserved.map(|r| (r.header.seq, r.header.id())).or_else(|| author.newest(log).tip())
    }

    /// A case.
    pub fn case(&self, thread: &ThreadId) -> Option<&Case> {
        self.cases.get(thread).map(|c| &**c)
    }

    /// Whether a proposal to pass a case on may be carried out: by the markings, and where those permit competent
    /// agencies of the target's own country alone, by where the new one is.
    pub fn may_pass_on(&self, case: &Case, proposal: &MsgId) -> Result<(), (Refusal, String)> {
        let world = case.world();
        world.may_transfer(proposal)?;
        let agreed = world.transfer_answer(proposal).is_some_and(|(_, answer)| answer.granted);
        let country = |pid: &Pid| self.federation.inception(pid).map(|i| &i.country);
        let at_home = world.proposal(proposal).is_some_and(|p| country(&p.to) == country(&case.target));
        if agreed || at_home {
            return Ok(());
        }
        Err((Refusal::ConsentNeeded, "without consent it goes to agencies of the target's own country only".into()))
    }

    /// Changes the state by one fact: the only thing that does, live and at replay.
    pub fn apply(&mut self, fact: &Fact) -> (Option<Placed>, Changes) {
        // a row that was written about a refusal changed nothing that anyone reads as state
        self.as_of += u64::from(!matches!(fact, Fact::Audited(_)));
        let mut out = (None, Changes::default());
        match fact {
            Fact::Entry(kept) => out = self.keep(&kept.entry, kept.at),
            Fact::Reserved(r) => Arc::make_mut(&mut self.reserved).push(r.clone()),
            Fact::Applied(a) => {
                if let Some(pid) = a.application.id_log.first().map(|e| e.header().pid) {
                    let lapsed = |(_, i): &(&Pid, &Inbox)| i.at + APPLICATION_TTL_MS < a.at;
                    if let Some(oldest) = self.inbox.iter().filter(lapsed).map(|(p, _)| *p).next() {
                        self.inbox.remove_mut(&oldest);
                    }
                    self.inbox.insert_mut(pid, Inbox { at: a.at, application: Arc::new(a.application.clone()) });
                }
            }
            Fact::Proposed(p) => {
                let id = p.approval(self.me).digest();
                self.proposals.insert_mut(id, Pending { proposal: Arc::new(p.clone()), approvals: Vec::new() });
            }
            Fact::Approved(a) => {
                if let Some(mut open) = self.proposals.get(&a.proposal).cloned() {
                    open.approvals.push(a.by);
                    self.proposals.insert_mut(a.proposal, open);
                }
            }
            Fact::Concluded(c) => drop(self.proposals.remove_mut(&c.proposal)),
            Fact::Said(s) => self.tell_own(s, None),
            Fact::Recovered(s) => self.tell_own(s, Some(Bytes::default())),
            Fact::Tried(t) => self.with_delivery(t.at, t.thread, &t.id, |d| {
                d.tries += 1;
                d.next = t.next;
                d.why = Some(t.why.clone());
                d.failed = t.next.is_none();
            }),
            Fact::Receipt(r) => {
                self.outbox.remove_mut(&r.id);
                self.unsent.remove_mut(&r.id);
                self.with_delivery(r.at, r.thread, &r.id, |d| {
                    d.next = None;
                    d.why = None;
                    d.failed = false;
                    d.receipt = Some(r.receipt.clone());
                });
            }
            Fact::Heard(h) => {
                self.tell(Told::heard(h.open.clone(), h.at));
            }
            Fact::Declined(d) => {
                let refused = Some((d.refusal, d.words.clone()));
                self.tell(Told { refused, ..Told::heard(d.open.clone(), d.at) });
            }
            Fact::DeclinedThere(d) => {
                self.outbox.remove_mut(&d.id);
                self.unsent.remove_mut(&d.id);
                self.with_told(d.at, d.thread, &d.id, |t| {
                    t.refused = Some((d.refusal, d.words.clone()));
                    if let Some(delivery) = &mut t.delivery {
                        delivery.next = None;
                        delivery.failed = true;
                        delivery.why = Some(format!("{}: {}", d.refusal, d.words));
                    }
                });
            }
            Fact::GaveReceipt(r) => self.with_told(r.at, r.thread, &r.id, |t| t.receipt = Some(r.receipt.clone())),
            Fact::Notice(n) => {
                let told = Noticed { notice: n.clone(), told: None, failures: (0, None) };
                self.notices.insert_mut(n.id(), told);
            }
            Fact::Notified(n) => {
                if let Some(mut told) = self.notices.get(&n.notice).cloned() {
                    match &n.failed {
                        None => told.told = Some((n.at, n.by.clone())),
                        Some(why) => told.failures = (told.failures.0 + 1, Some(why.clone())),
                    }
                    self.notices.insert_mut(n.notice, told);
                }
            }
            Fact::Acked(a) => {
                let mut by = self.acks.get(&a.entry).cloned().unwrap_or_default();
                by.insert(a.by);
                self.acks.insert_mut(a.entry, by);
            }
            Fact::BlobHere(b) => self.blobs.insert_mut(b.b3_cipher, b.thread),
            Fact::HeadChecked(_) => {}
            Fact::Audited(row) => self.trail.push(row),
            Fact::Erased(e) => self.erase(e),
            Fact::Internal(i) => self.keep_internal(i),
            Fact::Absence(a) => match &a.away {
                Some((from, until, delegate)) => {
                    let absence = Absence { from: *from, until: *until, delegate: delegate.clone() };
                    self.absences.insert_mut(a.who.clone(), absence);
                }
                None => drop(self.absences.remove_mut(&a.who)),
            },
            Fact::Held(h) => {
                if let Some(case) = self.cases.get(&h.thread) {
                    let case = Case { held: h.stands, changed: h.at, ..(**case).clone() };
                    self.cases.insert_mut(h.thread, Arc::new(case));
                }
            }
        }
        out
    }

    fn keep_internal(&mut self, kept: &fact::Internal) {
        let mut internal = self.internal(&kept.thread);
        match &kept.matter {
            Matter::Note((_, kind, _)) => internal.notes.push(Note { at: kept.at, by: kept.by.clone(), kind: *kind }),
            Matter::Assigned(to) => internal.assigned.clone_from(to),
        }
        self.internals.insert_mut(kept.thread, Arc::new(internal));
    }

    /// What this agency keeps to itself about a case.
    pub fn internal(&self, thread: &ThreadId) -> Internal {
        self.internals.get(thread).map(|i| (**i).clone()).unwrap_or_default()
    }

    /// Who is away, by name.
    pub fn away(&self) -> BTreeMap<String, Absence> {
        self.absences.iter().map(|(who, absence)| (who.clone(), absence.clone())).collect()
    }

    /// What waits for delivery is given up: its content cannot be read any more.
    fn erase(&mut self, erased: &fact::Erased) {
        let Some(case) = self.cases.get(&erased.thread) else { return };
        let mut case = (**case).clone();
        (case.erased, case.changed) = (Some(erased.at), erased.at);
        for told in case.asked.iter_mut().chain(case.answered.iter_mut()) {
            if let Some(delivery) = told.delivery.as_mut().filter(|d| d.receipt.is_none()) {
                (delivery.next, delivery.failed) = (None, true);
                delivery.why = Some("the case was erased before it could be delivered".into());
                self.outbox.remove_mut(&told.open.id);
                self.unsent.remove_mut(&told.open.id);
            }
        }
        self.cases.insert_mut(erased.thread, Arc::new(case));
    }

    fn keep(&mut self, entry: &Entry, at: u64) -> (Option<Placed>, Changes) {
        let (placed, changes) = self.federation.place(entry);
        if matches!(placed, Placed::New | Placed::Forks { .. }) {
            if entry.header().pid == self.me {
                let id = entry.id();
                Arc::make_mut(&mut self.reserved).retain(|r| r.header.id() != id);
                self.note_own(&id, at);
            }
            for pid in &changes.introduced {
                self.inbox.remove_mut(pid);
            }
            let header = entry.header();
            let kind = header.entry_type();
            let of_roster =
                [EntryType::Stances, EntryType::Excuse, EntryType::Introduce, EntryType::Motion, EntryType::ForkProof];
            if header.log == LogKind::Id
                || changes.forked
                || changes.reread
                || kind.is_some_and(|k| of_roster.contains(&k))
            {
                self.reach();
            }
        }
        (Some(placed), changes)
    }

    /// Keeps [`State::noted`] in step with the own log: its new line, or all of it where that was not simply the next.
    /// An entry's own time never goes back, so it may lie ahead where a clock was put right: it counts from `at` then.
    fn note_own(&mut self, id: &EntryId, at: u64) {
        let author = self.federation.author(&self.me).expect("hosted");
        let newest = author.newest(LogKind::Pub).stem.last().filter(|l| l.id == *id);
        let lines: Vec<&Line> = newest.map_or_else(|| author.listed(LogKind::Pub).collect(), |l| vec![l]);
        let params = self.federation.params();
        let noted = Arc::make_mut(&mut self.noted);
        let before = if newest.is_none() { std::mem::take(noted) } else { BTreeMap::new() };
        for line in lines {
            for item in line.items() {
                if let Item::Said { target, word: Word::Noted } = item {
                    let window = Window::new(line.clock.min(at), &params);
                    let window = before.get(target).map_or(window, |b| Window { noted: window.noted, ..*b });
                    noted.entry(*target).or_insert(window);
                }
            }
        }
    }

    pub(crate) fn reach(&mut self) {
        let digest = self.federation.state_digest();
        self.digest = digest;
        let reached = Arc::make_mut(&mut self.reached);
        if reached.len() >= MAX_REACHED {
            let mut since: Vec<u64> = reached.values().copied().collect();
            since.sort_unstable();
            let half = since[since.len() / 2];
            reached.retain(|_, at| *at >= half);
        }
        reached.insert(digest, self.as_of);
    }

    fn tell(&mut self, told: Told) {
        let thread = told.open.thread;
        let mut case = self.cases.get(&thread).map_or_else(|| Case::new(&told.open), |c| (**c).clone());
        case.changed = told.at;
        case.side_mut(&told.open.from).push(told);
        self.cases.insert_mut(thread, Arc::new(case));
    }

    fn tell_own(&mut self, said: &fact::Said, receipt: Option<Bytes>) {
        if receipt.is_none() {
            self.outbox.insert_mut(said.open.id, said.open.thread);
            self.unsent.insert_mut(said.open.id, said.locked.clone());
        }
        let next = receipt.is_none().then_some(said.at);
        let delivery = Some(Delivery { tries: 0, next, receipt, why: None, failed: false });
        self.tell(Told { delivery, ..Told::heard(said.open.clone(), said.at) });
    }

    fn with_told(&mut self, at: u64, thread: ThreadId, id: &MsgId, change: impl FnOnce(&mut Told)) {
        let Some(case) = self.cases.get(&thread) else { return };
        let mut case = (**case).clone();
        case.changed = at;
        let told = case.asked.iter_mut().chain(case.answered.iter_mut()).find(|t| t.open.id == *id);
        if let Some(told) = told {
            change(told);
        }
        self.cases.insert_mut(thread, Arc::new(case));
    }

    fn with_delivery(&mut self, at: u64, thread: ThreadId, id: &MsgId, change: impl FnOnce(&mut Delivery)) {
        self.with_told(at, thread, id, |t| {
            if let Some(delivery) = &mut t.delivery {
                change(delivery);
            }
        });
    }
}
