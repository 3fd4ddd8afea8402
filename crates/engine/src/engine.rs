//! The engine: what follows from what was said, told or asked (architecture, "The two types that carry the house").
//!
//! ```text
//!            ┌──────────────── handle(input, now) ────────────────┐
//!  Input ──▶ │ decide: is it valid, due, allowed?                 │ ──▶ Step { facts, effects }
//!            │   └─▶ apply(fact): the only thing that changes state│
//!            └─────────────────────────────────────────────────────┘
//!  replay:     apply(fact) for every fact of the journal = the live state
//! ```
//!
//! Sans-IO: no clock but the `now` handed in, no key, no disk, no network. The driver commits a step's facts and only
//! then performs its effects: *persist, then speak*. Whatever a crash leaves half done is found again by
//! [`Engine::resume`]: reserved headers to be signed, statements to be delivered, people to be told.

use crate::author::Placed;
use crate::delivery::answer_heard;
use crate::fact::{self, Fact, Notice, NoticeKind};
use crate::federation::{Changes, Federation};
use crate::head::{HEAD_WAIT_MS, HeadAnswer, HeadCheck};
use crate::membership::{Item, Standing, Target, Word};
use crate::state::{APPLICATION_CHANGE_MS, APPLICATION_TTL_MS, Inbox, MAX_APPLICATIONS, State};
use crate::step::{Answer, Command, Effect, Event, Input, Refused, ReplyTo, Step};
use lapwing_record::audit::{self, Attempt};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::{Draft, Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, MsgId, Pid, ThreadId};
use lapwing_record::idlog::{IdLog, check_application};
use lapwing_record::membership::Application;
use std::collections::{BTreeMap, BTreeSet};

/// The audit row of an own entry: signed by the node, whoever approved it.
fn own_signature(entry: &Entry) -> Attempt {
    let kind = entry.header().entry_type().map_or("unknown", EntryType::code);
    Attempt {
        who: "node".into(),
        role: "node".into(),
        act: format!("sign {kind}"),
        on: entry.id().to_string(),
        outcome: audit::DONE.into(),
        request: None,
    }
}

/// The audit row of a case that came back with a copy of the journal although it had been erased.
fn erased_before(thread: &ThreadId) -> Attempt {
    Attempt {
        who: "node".into(),
        role: "node".into(),
        act: "erase again".into(),
        on: thread.to_string(),
        outcome: audit::DONE.into(),
        request: None,
    }
}

/// What the engine is told once, at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the node clears by itself when a window has run (defaults: `[policy] auto_clear`).
    pub auto_clear: bool,
    /// A number drawn at random, for the spread of retries.
    pub seed: u64,
}

/// The engine of one node.
pub struct Engine {
    pub(crate) state: State,
    pub(crate) config: Config,
    pub(crate) head: HeadCheck,
    pub(crate) started: u64,
    pub(crate) clock_doubt: Option<String>,
    pub(crate) connected: BTreeSet<Pid>,
    pub(crate) in_flight: BTreeSet<MsgId>,
    /// Peers that have just come back: what waits for them goes out at once.
    pub(crate) returned: BTreeSet<Pid>,
    pub(crate) notified_at: BTreeMap<Digest, u64>,
    /// When it was last looked for what is overdue.
    pub(crate) looked_for_overdue: Option<u64>,
    /// Own headers that were handed out to be signed.
    signing: BTreeSet<EntryId>,
    /// Callers that get their answer when the entry that they caused is signed and placed: what they read next shows it.
    awaiting: BTreeMap<EntryId, (ReplyTo, Answer)>,
    /// What was noted before the start at a time that had not come then.
    pub(crate) noted_ahead: BTreeSet<Target>,
    /// After a restore: peers whose cases with us were compared.
    pub(crate) level_with: Option<BTreeSet<Pid>>,
    #[cfg(debug_assertions)]
    watch: Option<crate::invariants::Watch>,
}

impl Engine {
    /// An engine at the founding, hosting one participant. Then replay the journal through [`Engine::replay`].
    pub fn new(charter: &CharterFile, own_id: IdLog, own_entries: Vec<Entry>, config: Config) -> Self {
        let mut federation = Federation::found(charter);
        let me = own_id.pid;
        federation.host(own_id, own_entries);
        let mut state = State::new(me, federation);
        state.reach();
        Engine {
            state,
            config,
            head: HeadCheck::Done,
            started: 0,
            clock_doubt: None,
            connected: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            returned: BTreeSet::new(),
            notified_at: BTreeMap::new(),
            looked_for_overdue: None,
            signing: BTreeSet::new(),
            awaiting: BTreeMap::new(),
            noted_ahead: BTreeSet::new(),
            level_with: None,
            #[cfg(debug_assertions)]
            watch: Some(Default::default()),
        }
    }

    /// Applies a fact of the journal.
    pub fn replay(&mut self, fact: &Fact) {
        let _ = self.state.apply(fact);
    }

    /// Takes the state of another engine, made anew from the journal: what was decided since was never durable.
    pub fn put_back(&mut self, journaled: Engine) {
        self.state = journaled.state;
        self.in_flight.clear();
        self.signing.clear();
        self.awaiting.clear();
    }

    /// The state, to be published after a commit.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether this node may sign.
    pub fn head(&self) -> &HeadCheck {
        &self.head
    }

    /// Why automatic signing pauses because of the clock.
    pub fn clock_doubt(&self) -> Option<&str> {
        self.clock_doubt.as_deref()
    }

    /// After replay: what a crash left half done. `must_reach` and `restored` come from the high-water file, `erased`
    /// from the keyring: a copy of the journal from before an erasure does not bring the case back.
    pub fn resume(
        &mut self,
        now: u64,
        must_reach: Vec<(LogKind, u64, EntryId)>,
        restored: bool,
        erased: &[ThreadId],
    ) -> Step {
        self.watched(now, |engine| engine.begin(now, must_reach, restored, erased))
    }

    fn begin(
        &mut self,
        now: u64,
        must_reach: Vec<(LogKind, u64, EntryId)>,
        restored: bool,
        erased: &[ThreadId],
    ) -> Step {
        self.started = now;
        self.noted_ahead = self.state.noted.iter().filter(|(_, w)| w.noted > now).map(|(target, _)| *target).collect();
        let mut step = Step::default();
        for thread in erased {
            if self.state.case(thread).is_some_and(|c| c.erased.is_none()) {
                self.commit(Fact::Erased(fact::Erased { at: now, thread: *thread }), &mut step);
                self.audit(erased_before(thread), now, &mut step);
            }
        }
        let wrote_before = self.state.tip(LogKind::Pub).is_some();
        if wrote_before || restored {
            self.head = HeadCheck::Waiting { since: now, must_reach, restored, answers: BTreeMap::new() };
        }
        if restored {
            self.level_with = Some(BTreeSet::new());
        }
        self.after(now, &mut step);
        step
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: u64) -> Step {
        self.watched(now, |engine| engine.decide(input, now))
    }

    /// Leaves it to the caller to judge each step: the simulator does, in any build, and reports instead of ending.
    pub fn judged_outside(self) -> Self {
        #[cfg(debug_assertions)]
        let this = Engine { watch: None, ..self };
        #[cfg(not(debug_assertions))]
        let this = self;
        this
    }

    /// In debug builds each step is looked at with the invariants of docs/protocol.md §7.
    #[cfg(debug_assertions)]
    fn watched(&mut self, now: u64, take: impl FnOnce(&mut Self) -> Step) -> Step {
        let Some(mut watch) = self.watch.take() else { return take(self) };
        let before = self.state.clone();
        let step = take(self);
        watch.over(&crate::invariants::Look { before: &before, after: self, step: &step, now });
        self.watch = Some(watch);
        step
    }

    #[cfg(not(debug_assertions))]
    fn watched(&mut self, _: u64, take: impl FnOnce(&mut Self) -> Step) -> Step {
        take(self)
    }

    fn decide(&mut self, input: Input, now: u64) -> Step {
        let mut step = Step::default();
        match input {
            Input::Entries { entries, gossiped, reply } => {
                // of many at once the last is enough: who lacks the others finds a gap, and asks
                let quiet = if entries.len() > SPREAD_AT_ONCE { entries.len() - 1 } else { 0 };
                let numbered = entries.into_iter().enumerate();
                let placed =
                    numbered.map(|(i, e)| self.take_entry(e, !gossiped && i >= quiet, now, &mut step)).collect();
                if let Some(reply) = reply {
                    step.effects.push(Effect::Reply(reply, Ok(Answer::Placed(placed))));
                }
            }
            Input::Signed(entry) => self.take_own(entry, now, &mut step),
            Input::Apply { application, reply } => {
                let answer = self.take_application(*application, now, &mut step);
                step.effects.push(Effect::Reply(reply, answer));
            }
            Input::Local { command, by, reply } => {
                let answer = self.command(*command, now, &mut step);
                if let Some(by) = by.filter(|_| answer.is_ok()) {
                    self.audit(*by, now, &mut step);
                }
                self.answer(reply, answer, &mut step);
            }
            Input::Heard { stmt, locked, unfit, came, reply } => {
                let outcome = self.heard(&stmt, locked, unfit, came, now, &mut step);
                answer_heard(outcome, reply, &mut step);
            }
            Input::Returned { stmt, locked } => self.recover(&stmt, locked, now, &mut step),
            Input::GaveReceipt { thread, id, receipt } => {
                self.commit(Fact::GaveReceipt(fact::Receipted { at: now, thread, id, receipt }), &mut step);
            }
            Input::Tried { thread, id, outcome } => self.tried(thread, id, outcome, now, &mut step),
            Input::PeerUp(pid) => {
                self.connected.insert(pid);
                self.returned.insert(pid);
            }
            Input::PeerDown(pid) => drop(self.connected.remove(&pid)),
            Input::HeadAnswer { from, lacking, log2 } => {
                if let HeadCheck::Waiting { answers, .. } = &mut self.head {
                    answers.insert(from, HeadAnswer { lacking, log2 });
                }
            }
            Input::ThreadsLevel(pid) => {
                if let Some(level) = &mut self.level_with {
                    level.insert(pid);
                }
            }
            Input::Notified { notice, by, failed } => {
                self.commit(Fact::Notified(fact::Notified { at: now, notice, by, failed }), &mut step);
            }
            Input::Acked { entry, by, ack } => {
                if self.state.acks.get(&entry).is_none_or(|a| !a.contains(&by)) {
                    self.commit(Fact::Acked(fact::Acked { at: now, entry, by, ack: *ack }), &mut step);
                }
            }
            Input::BlobHere { thread, b3_cipher } => {
                if self.state.blobs.get(&b3_cipher).is_none() {
                    self.commit(Fact::BlobHere(fact::BlobHere { at: now, thread, b3_cipher }), &mut step);
                    step.effects.push(Effect::Event(Event::Case(thread)));
                }
            }
            Input::ClockDoubt(why) => self.clock_doubt = why,
            Input::Audit { attempt, reply } => {
                self.audit(*attempt, now, &mut step);
                step.effects.extend(reply.map(|reply| Effect::Reply(reply, Ok(Answer::Done))));
            }
            Input::Wake => {}
        }
        self.after(now, &mut step);
        step
    }

    /// Applies a fact and puts it into the step: the engine's only way to change its state.
    pub(crate) fn commit(&mut self, fact: Fact, step: &mut Step) -> Changes {
        let (_, changes) = self.state.apply(&fact);
        step.facts.push(fact);
        changes
    }

    /// What is due after any input.
    fn after(&mut self, now: u64, step: &mut Step) {
        self.check_head(now, step);
        if self.may_sign().is_ok() {
            self.sign_reserved(step);
        }
        self.duties(now, step);
        self.deliveries(now, step);
        self.notices(now, step);
    }

    // -- entries ----------------------------------------------------------------------------------------------------

    fn take_entry(&mut self, entry: Entry, spread: bool, now: u64, step: &mut Step) -> Placed {
        // place first: only what is kept becomes a fact (and applying is the same act at replay)
        let before = self.state.as_of;
        let fact = Fact::Entry(fact::Kept { at: now, entry });
        let (placed, changes) = self.state.apply(&fact);
        let placed = placed.expect("an entry fact is placed");
        if !matches!(placed, Placed::New | Placed::Forks { .. }) {
            self.state.as_of = before;
            return placed;
        }
        let Fact::Entry(kept) = &fact else { unreachable!("made above") };
        let entry = kept.entry.clone();
        step.facts.push(fact);
        self.tell_changes(&entry, &changes, now, step);
        if spread {
            step.effects.push(Effect::Spread(Box::new(entry)));
        }
        placed
    }

    fn answer(&mut self, reply: ReplyTo, answer: Result<Answer, Refused>, step: &mut Step) {
        let reserved = |id: &EntryId| self.state.reserved.iter().any(|r| r.header.id() == *id);
        match answer {
            Ok(answer @ (Answer::Entry(id) | Answer::Approved(Some(id)))) if reserved(&id) => {
                self.awaiting.insert(id, (reply, answer));
            }
            other => step.effects.push(Effect::Reply(reply, other)),
        }
    }

    fn take_own(&mut self, entry: Entry, now: u64, step: &mut Step) {
        let objects = matches!(entry.header().entry_type(), Some(EntryType::Stances));
        let placed = self.take_entry(entry.clone(), true, now, step);
        if matches!(placed, Placed::New | Placed::Forks { .. } | Placed::Duplicate) {
            // what does not fit would not fit at once again: the next start hands it out
            self.signing.remove(&entry.id());
        }
        if placed == Placed::New {
            self.audit(own_signature(&entry), now, step);
        }
        if let Some((reply, answer)) = self.awaiting.remove(&entry.id()) {
            step.effects.push(Effect::Reply(reply, Ok(answer)));
        }
        if placed == Placed::New && objects && self.holds_objection(&entry.id()) {
            step.effects.push(Effect::Push(Box::new(entry)));
        }
    }

    /// Writes a row of the audit trail.
    pub(crate) fn audit(&mut self, attempt: Attempt, now: u64, step: &mut Step) {
        let row = self.state.trail.row(now, attempt);
        self.commit(Fact::Audited(row), step);
    }

    /// Whether our own entry holds an objection.
    fn holds_objection(&self, id: &EntryId) -> bool {
        let author = self.state.federation.author(&self.state.me).expect("hosted");
        let line = author.newest(LogKind::Pub).stem.last().filter(|l| l.id == *id);
        line.is_some_and(|l| l.items().iter().any(|i| matches!(i, Item::Said { word: Word::Object { .. }, .. })))
    }

    fn tell_changes(&mut self, entry: &Entry, changes: &Changes, now: u64, step: &mut Step) {
        let pid = entry.header().pid;
        for change in &changes.standings {
            step.effects.push(Effect::Event(Event::Standing(change.pid)));
        }
        if matches!(
            entry.header().entry_type(),
            Some(
                EntryType::Profile
                    | EntryType::Contact
                    | EntryType::NodeBinding
                    | EntryType::KemKey
                    | EntryType::AgencyContact
                    | EntryType::LegalProfile
                    | EntryType::Arrangement
                    | EntryType::Outcome
                    | EntryType::AgencyOutcome
            )
        ) {
            step.effects.push(Effect::Event(Event::Directory(pid)));
        }
        let (me, me_counts) = (self.state.me, self.state.my_standing().is_some());
        for newcomer in changes.introduced.iter().filter(|p| me_counts && **p != me) {
            let until = Some(now + self.state.federation.params().window_ms);
            self.notice(NoticeKind::Introduced, Some(*newcomer), None, until, now, step);
        }
        for (by, target, entry) in changes.objections.iter().filter(|(by, ..)| *by != me) {
            let subject = match target {
                Target::Participant(p) => Digest(p.0),
                Target::Motion(m) => Digest(m.0),
            };
            let notice = Notice {
                at: now,
                kind: NoticeKind::Objection,
                about: Some(*by),
                subject: Some(subject),
                entry: Some(*entry),
                until: None,
            };
            self.raise(notice, step);
        }
        if entry.header().entry_type() == Some(EntryType::Motion) && pid != self.state.me {
            self.notice(NoticeKind::AmendmentMoved, Some(pid), Some(Digest(entry.id().0)), None, now, step);
        }
        if changes.forked {
            step.effects.push(Effect::Event(Event::Contested(pid)));
            self.notice(NoticeKind::LogContested, Some(pid), None, None, now, step);
        }
    }

    pub(crate) fn notice(
        &mut self,
        kind: NoticeKind,
        about: Option<Pid>,
        subject: Option<Digest>,
        until: Option<u64>,
        now: u64,
        step: &mut Step,
    ) {
        self.raise(Notice { at: now, kind, about, subject, entry: None, until }, step);
    }

    /// Raises a notice, once.
    pub(crate) fn raise(&mut self, notice: Notice, step: &mut Step) {
        if self.state.notices.get(&notice.id()).is_none() {
            self.commit(Fact::Notice(notice.clone()), step);
            step.effects.push(Effect::Notify(Box::new(notice)));
        }
    }

    fn take_application(&mut self, application: Application, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        // what no introduction may carry must not wait for one: an own log would end at an entry that nobody can read
        application.check_sizes().map_err(|e| Refused::Invalid(format!("application: {e}")))?;
        let network = *self.state.federation.network();
        let id = check_application(&application, &network).map_err(|e| Refused::Invalid(e.to_string()))?;
        if id.inception.plan_text_hash != self.state.federation.charter().plan_text_hash {
            return Err(Refused::Invalid("it endorses another text than this federation's".into()));
        }
        if !self.state.federation.is_full_agency(&self.state.me) {
            return Err(Refused::Standing("only an agency in full standing takes applications".into()));
        }
        let known = self.state.federation.standing(&id.pid).is_some();
        let held = self.state.inbox.get(&id.pid);
        let same = held.is_some_and(|i| *i.application == application);
        if !known && !same {
            // a statement is signed by nobody, and whoever changes it without end must not fill the journal
            if held.is_some_and(|i| now < i.at.saturating_add(APPLICATION_CHANGE_MS)) {
                return Err(Refused::Conflict("it was changed within the last hour; submit the new one later".into()));
            }
            let lapsed = |i: &Inbox| i.at + APPLICATION_TTL_MS < now;
            if self.state.inbox.size() >= MAX_APPLICATIONS && !self.state.inbox.values().any(lapsed) {
                return Err(Refused::Conflict("the inbox for applications is full; apply to another agency".into()));
            }
            self.commit(Fact::Applied(fact::Applied { at: now, application }), step);
            step.effects.push(Effect::Event(Event::Application(id.pid)));
        }
        Ok(Answer::Applied(id.pid))
    }

    // -- own entries ------------------------------------------------------------------------------------------------

    /// Whether this node may sign entries and statements.
    pub(crate) fn may_sign(&self) -> Result<(), Refused> {
        self.head_known()?;
        if self.state.federation.author(&self.state.me).is_some_and(|a| a.contested()) {
            return Err(Refused::Conflict(
                "this participant's own log is contested; choose one branch with `lapwing heal`".into(),
            ));
        }
        Ok(())
    }

    /// Reserves an entry of our own: durable first, signed after the commit.
    pub(crate) fn reserve(
        &mut self,
        kind: EntryType,
        body: Vec<u8>,
        refs: Vec<EntryId>,
        now: u64,
        step: &mut Step,
    ) -> EntryId {
        let log = kind.log();
        let author = self.state.federation.author(&self.state.me).expect("hosted");
        let last_clock = author.newest(log).stem.last().map_or(0, |l| l.clock);
        let draft = Draft {
            pid: self.state.me,
            epoch: author.id.epoch(),
            after: self.state.tip(log),
            clock: now.max(last_clock),
            kind,
            refs,
        };
        let header = draft.header(&body);
        let id = header.id();
        self.commit(Fact::Reserved(fact::Reserved { header, body: Bytes(body) }), step);
        self.sign_reserved(step);
        id
    }

    /// Hands out what is reserved and not being signed: after a start, once it may sign, and after a full disk.
    fn sign_reserved(&mut self, step: &mut Step) {
        for r in self.state.reserved.iter() {
            if self.signing.insert(r.header.id()) {
                step.effects.push(Effect::Sign(Box::new(r.header.clone()), r.body.clone()));
            }
        }
    }

    /// Whether an own header was handed out to be signed and has not come back.
    pub(crate) fn is_signing(&self, id: &EntryId) -> bool {
        self.signing.contains(id)
    }

    // -- commands ---------------------------------------------------------------------------------------------------

    fn command(&mut self, command: Command, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        match command {
            Command::Write { kind, body } => self.write(kind, body, now, step),
            Command::Introduce(pid) => self.introduce(pid, now, step),
            Command::Propose(ask) => self.propose(ask, now, step),
            Command::Approve { proposal, by } => self.approve(proposal, by, now, step),
            Command::DropProposal(id) => self.drop_proposal(id, now, step),
            Command::IdEntry(entry) => self.id_entry(*entry, now, step),
            Command::Say(saying) => self.say(*saying, now, step),
            Command::Erase(thread) => self.erase(thread, now, step),
            Command::Internal { thread, by, matter } => self.keep_internal(thread, by, matter, now, step),
            Command::Absence { who, absence } => self.keep_absence(who, absence, now, step),
            Command::Hold { thread, stands } => self.hold(thread, stands, now, step),
            Command::AssertCurrent => {
                if let HeadCheck::Waiting { answers, .. } = &self.head {
                    let fact = fact::HeadChecked { at: now, answers: answers.len() as u64, asserted: true };
                    self.head = HeadCheck::Done;
                    self.level_with = None;
                    self.commit(Fact::HeadChecked(fact), step);
                }
                Ok(Answer::Done)
            }
        }
    }

    fn write(&mut self, kind: EntryType, body: Vec<u8>, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        let own = [
            EntryType::Profile,
            EntryType::Contact,
            EntryType::NodeBinding,
            EntryType::KemKey,
            EntryType::AgencyContact,
            EntryType::LegalProfile,
            EntryType::Arrangement,
            EntryType::Outcome,
            EntryType::AgencyOutcome,
        ];
        if !own.contains(&kind) {
            return Err(Refused::Invalid(format!("a {} entry is not written this way", kind.code())));
        }
        self.may_sign()?;
        if body.len() > kind.limit() {
            return Err(Refused::Invalid(format!("a {} record has at most {} bytes", kind.code(), kind.limit())));
        }
        if self.state.my_standing() == Some(Standing::Left) {
            return Err(Refused::Standing("this participant has left".into()));
        }
        Ok(Answer::Entry(self.reserve(kind, body, Vec::new(), now, step)))
    }

    fn introduce(&mut self, pid: Pid, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        self.may_sign()?;
        if !self.state.confirmed() {
            return Err(Refused::Unconfirmed);
        }
        if !self.state.federation.is_full_agency(&self.state.me) {
            return Err(Refused::Standing("only an agency in full standing introduces an applicant".into()));
        }
        if self.state.federation.standing(&pid).is_some() {
            return Err(Refused::Conflict("it is introduced already".into()));
        }
        let inbox = self.state.inbox.get(&pid).cloned();
        let inbox = inbox.ok_or_else(|| Refused::Unknown("no such application in the inbox".into()))?;
        // one that an earlier program took
        inbox.application.check_sizes().map_err(|e| Refused::Invalid(format!("application: {e}")))?;
        let body = encode(&*inbox.application);
        Ok(Answer::Entry(self.reserve(EntryType::Introduce, body, Vec::new(), now, step)))
    }

    fn id_entry(&mut self, entry: Entry, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        if entry.header().pid != self.state.me || entry.header().log != LogKind::Id {
            return Err(Refused::Invalid("not an entry of this participant's log 0".into()));
        }
        self.head_known()?;
        let id = entry.id();
        match self.take_entry(entry, true, now, step) {
            Placed::New | Placed::Duplicate => Ok(Answer::Entry(id)),
            Placed::Invalid(why) => Err(Refused::Invalid(why)),
            Placed::Gap { .. } => {
                Err(Refused::Conflict("log 0 has gone on since this entry was prepared; prepare it anew".into()))
            }
            other => Err(Refused::Conflict(format!("log 0 does not take it: {other:?}"))),
        }
    }

    /// Milliseconds UTC of the next thing that is due by itself; the driver wakes the engine then.
    pub fn wake_at(&self, now: u64) -> Option<u64> {
        let head = match &self.head {
            HeadCheck::Waiting { since, .. } => Some((since + HEAD_WAIT_MS).max(now + 250)),
            HeadCheck::Done => None,
        };
        let due = [self.next_duty(now), self.next_delivery(now), self.next_notice(now), self.next_overdue(now)];
        due.into_iter().chain([head]).flatten().min()
    }

    /// Whether what is said to `peer` in cases may go on after a restore.
    pub(crate) fn level_with(&self, peer: &Pid) -> bool {
        self.level_with.as_ref().is_none_or(|l| l.contains(peer))
    }

    /// After a restore: the participants whose cases with us were compared; none if there was no restore.
    pub fn leveled(&self) -> Option<&BTreeSet<Pid>> {
        self.level_with.as_ref()
    }
}

/// Entries of one exchange that are gossiped on, each for itself.
const SPREAD_AT_ONCE: usize = 16;
