//! People: officers who consent, object, withdraw, leave or sleep; analysts who refer and answer.

use crate::message::Message;
use crate::node::{Node, Waiter};
use crate::world::{Event, WINDOW_MS, World};
use lapwing_engine::fact::{Notice, NoticeKind};
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::{Standing, Target};
use lapwing_engine::step::{Ask, Command, Input, Lock, Saying};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::{DAY_MS, Params};
use lapwing_record::directory::KemKey;
use lapwing_record::entry::{EntryType, LogKind};
use lapwing_record::form::sample;
use lapwing_record::id::{Digest, EntryId, Pid, ThreadId};
use lapwing_record::identity::{Act as Approved, Anchor, Leave};
use lapwing_record::statement::{
    Acknowledge, Assurance, Decide, Ending, Ground, ItemDecision, Kind, Progress, Reminder, Supplement, Text, Tlp,
};

/// What a person does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Introduces an applicant.
    Introduce(Pid),
    /// Makes up its mind about an applicant.
    Judge(Pid),
    /// Votes; so many attempts are left.
    Vote(Target, Approved, u8),
    /// Moves an amendment.
    Move,
    /// Takes the agency out of the federation.
    Leave,
    /// Refers a case to somebody.
    Refer,
    /// Answers in a case of others; the step.
    Answer(ThreadId, u8),
    /// Goes on in a case of its own; the step.
    Pursue(ThreadId, u8),
    /// An administrator asserts that an older copy is current, where nobody can ever give back what was signed since.
    Assert,
    /// The root takes stolen keys out of use; it stands by these ends of the logs.
    Recover(Vec<Anchor>),
    /// A thief writes with the node's feed key.
    Steal,
    /// An adversary begins.
    Attack,
}

/// What is voted on, for the trace.
fn in_short(target: Target) -> String {
    match target {
        Target::Participant(pid) => pid.short(),
        Target::Motion(id) => format!("motion {}", id.short()),
    }
}

impl World {
    /// What every node writes for itself: a key to be written to.
    pub(crate) fn housekeeping(&mut self, n: usize) {
        let pid = self.nodes[n].pid();
        let keys = self.nodes[n].view.federation.listing(&pid).map_or(0, |l| l.kem_keys.len());
        if keys > 0 || !self.nodes[n].view.reserved.is_empty() {
            return;
        }
        let bytes: [u8; 32] = self.dice.bytes();
        let key = Bytes(bytes.to_vec());
        let kid = lapwing_record::seal::kem_kid(&key);
        let body = encode(&KemKey { kid, suite: 2, key, not_before: 0, not_after: u64::MAX >> 1 });
        self.command(n, Waiter::Person("publishes a key".into()), Command::Write { kind: EntryType::KemKey, body });
    }

    pub(crate) fn command(&mut self, n: usize, waiter: Waiter, command: Command) {
        self.order(n, waiter, |reply| Input::Local { command: Box::new(command), by: None, reply });
    }

    /// An applicant asks to be introduced.
    pub(crate) fn apply(&mut self, n: usize, peers: &[usize]) {
        let able: Vec<usize> = peers.iter().copied().filter(|p| *p < self.founders).collect();
        if let Some(to) = self.dice.pick(&able)
            && n >= self.founders
        {
            let node = &mut self.nodes[n];
            let application =
                node.application.get_or_insert_with(|| Box::new(node.agency.application(&self.network))).clone();
            self.send(n, to, Message::Apply(application));
        }
    }

    pub(crate) fn tell_people_of_applicant(&mut self, n: usize, pid: Pid) {
        if self.nodes[n].view.federation.standing(&pid).is_none() {
            let soon = self.dice.between(500, 15_000);
            self.after(soon, Event::Person(n, Act::Introduce(pid)));
        }
    }

    pub(crate) fn tell_people(&mut self, n: usize, notice: &Notice) {
        match (notice.kind, notice.about, notice.subject) {
            (NoticeKind::Introduced, Some(pid), _) if self.nodes[n].agency.is_agency() => {
                let later = self.dice.between(500, WINDOW_MS);
                self.after(later, Event::Person(n, Act::Judge(pid)));
            }
            (NoticeKind::AmendmentMoved, _, Some(motion)) if self.nodes[n].agency.is_agency() => {
                self.weigh(n, EntryId(motion.0));
            }
            (NoticeKind::ReferralStored, _, Some(thread)) => {
                let later = self.dice.between(500, 20_000);
                self.after(later, Event::Person(n, Act::Answer(ThreadId(thread.0), 0)));
            }
            _ => {}
        }
    }

    pub(crate) fn person(&mut self, n: usize, act: Act) {
        if !self.nodes[n].up {
            if !self.quiet {
                self.after(4_000, Event::Person(n, act));
            }
            return;
        }
        match act {
            Act::Introduce(pid) => {
                if self.nodes[n].view.inbox.get(&pid).is_some() {
                    self.command(n, Waiter::Person("introduces".into()), Command::Introduce(pid));
                }
            }
            Act::Judge(pid) => self.judge(n, pid),
            Act::Vote(_, Approved::Object, _) if self.quiet => {}
            Act::Vote(target, act, tries) => self.vote(n, target, act, tries),
            Act::Move => self.move_amendment(n),
            Act::Leave => self.leave(n),
            Act::Assert => self.assert_current(n),
            Act::Refer => self.refer(n),
            Act::Answer(thread, step) => self.answer(n, thread, step),
            Act::Pursue(thread, step) => self.pursue(n, thread, step),
            Act::Recover(anchors) => self.recover_keys(n, anchors),
            Act::Steal => self.steal(n),
            Act::Attack => self.attack(n),
        }
    }

    fn judge(&mut self, n: usize, pid: Pid) {
        match self.dice.below(100) {
            0..40 => {
                self.vote(n, Target::Participant(pid), Approved::Consent, 3);
                self.changes_mind(n, pid, 15, Approved::Object);
            }
            40..52 if !self.quiet => {
                self.vote(n, Target::Participant(pid), Approved::Object, 3);
                self.changes_mind(n, pid, 60, Approved::Withdraw);
            }
            // asleep for long: perhaps the others have excused it meanwhile
            52..60 if !self.quiet => {
                let later = self.dice.between(20_000, 90_000);
                let act = if self.dice.chance(50) { Approved::Object } else { Approved::Consent };
                self.after(later, Event::Person(n, Act::Vote(Target::Participant(pid), act, 3)));
            }
            // asleep: the window speaks
            _ => {}
        }
    }

    fn changes_mind(&mut self, n: usize, pid: Pid, percent: u64, to: Approved) {
        if self.dice.chance(percent) && !self.quiet {
            let later = self.dice.between(10_000, 60_000);
            self.after(later, Event::Person(n, Act::Vote(Target::Participant(pid), to, 3)));
        }
    }

    fn vote(&mut self, n: usize, target: Target, act: Approved, tries: u8) {
        let roster = self.nodes[n].view.federation.roster();
        let ruling = roster.ruling(self.nodes[n].pid(), target).map(|r| r.act);
        let done = match act {
            Approved::Object => ruling == Some(lapwing_engine::membership::Act::Object),
            Approved::Consent => ruling == Some(lapwing_engine::membership::Act::Consent),
            _ => ruling != Some(lapwing_engine::membership::Act::Object),
        };
        if done && act != Approved::Withdraw {
            return;
        }
        if !done {
            let reason = (act == Approved::Object).then(|| format!("reason of {}", self.nodes[n].name()));
            let salt = self.dice.bytes();
            let ask = Ask::Stance { act, target, reason, salt };
            let of = in_short(target);
            self.note(n, None, format!("an officer wants to {act} {of}"));
            self.command(n, Waiter::Vote(of), Command::Propose(ask));
        }
        // looked at again: a crash, or a node that may not sign yet, loses nothing but time
        if tries > 0 {
            let later = self.dice.between(5_000, 12_000);
            self.after(later, Event::Person(n, Act::Vote(target, act, tries - 1)));
        }
    }

    /// Officers sign a proposal.
    pub(crate) fn approve(&mut self, n: usize, of: &str, id: Digest) {
        let node = &self.nodes[n];
        let Some(open) = node.engine.state().proposals.get(&id) else { return };
        match open.proposal.act {
            Approved::Consent => self.counts.consents += 1,
            Approved::Object => self.counts.objections += 1,
            Approved::Motion => self.counts.motions += 1,
            _ => self.counts.withdrawals += 1,
        }
        let by = open.proposal.approval(node.pid()).sign(&node.officer(node.epoch()), &self.network);
        let what = format!("officers sign: {} of {of}", open.proposal.act);
        self.command(n, Waiter::Person(what), Command::Approve { proposal: id, by });
    }

    /// Officers would have another window from now on.
    fn move_amendment(&mut self, n: usize) {
        let params = self.nodes[n].view.federation.params();
        let window_ms = self.dice.between(WINDOW_MS / 2, WINDOW_MS * 3 / 2);
        let expires = self.clock(n) + self.dice.between(WINDOW_MS, WINDOW_MS * 4);
        let statement = format!("{window_ms} ms are enough");
        let ask = Ask::Motion { params: Params { window_ms, ..params }, expires, statement };
        self.command(n, Waiter::Vote("the window".into()), Command::Propose(ask));
    }

    /// An officer makes up its mind about a motion of others.
    fn weigh(&mut self, n: usize, motion: EntryId) {
        let act = match self.dice.below(100) {
            0..35 => Approved::Consent,
            35..55 if !self.quiet => Approved::Object,
            _ => return,
        };
        let later = self.dice.between(500, WINDOW_MS);
        self.after(later, Event::Person(n, Act::Vote(Target::Motion(motion), act, 2)));
    }

    fn assert_current(&mut self, n: usize) {
        let HeadCheck::Waiting { must_reach, .. } = self.nodes[n].engine.head() else { return };
        let others = || self.nodes.iter().filter(|o| o.pid() != self.nodes[n].pid());
        let gone = must_reach.iter().any(|(.., id)| !others().any(|o| o.book.ids.contains(id)));
        let federation = &self.nodes[n].view.federation;
        let alone = !others().any(|o| federation.is_participant(&o.pid()));
        // what somebody keeps to itself would be contradicted: nobody can know that, and the documentation says so
        if (gone || alone) && others().all(|o| self.withheld(n, o).next().is_none()) {
            self.counts.assertions += 1;
            self.command(n, Waiter::Person("asserts that it is current".into()), Command::AssertCurrent);
        }
    }

    /// What another node has of a node's own log 1 and 2, and it has not.
    pub(crate) fn withheld<'a>(&'a self, n: usize, by: &'a Node) -> impl Iterator<Item = EntryId> + 'a {
        let node = &self.nodes[n];
        let own = by.book.entries.range((node.pid, LogKind::Id, 0, 0, EntryId([0; 32]))..);
        let own =
            own.take_while(move |((pid, ..), _)| *pid == node.pid).filter(|((_, log, ..), _)| *log != LogKind::Id);
        own.map(|((.., id), _)| *id).filter(move |id| !node.book.ids.contains(id))
    }

    fn leave(&mut self, n: usize) {
        let node = &self.nodes[n];
        if node.view.my_standing() != Some(Standing::Participant) || node.view.my_id().left.is_some() {
            return;
        }
        let chain = node.view.federation.author(&node.pid()).map(|a| a.id_chain()).unwrap_or_default();
        let Some(last) = chain.last() else { return };
        let body = Leave { heads: Vec::new(), note: None };
        let entry = node.agency.id_entry(&self.network, last, EntryType::Leave, &body);
        self.counts.departures += 1;
        self.command(n, Waiter::Person("leaves".into()), Command::IdEntry(Box::new(entry)));
    }

    // -- cases ------------------------------------------------------------------------------------------------------

    fn refer(&mut self, n: usize) {
        let view = &self.nodes[n].view;
        let me = self.nodes[n].pid();
        let able: Vec<Pid> = view.federation.full_agencies().into_iter().filter(|p| *p != me).collect();
        let Some(to) = self.dice.pick(&able) else { return };
        let thread = ThreadId(self.dice.bytes());
        self.say(n, thread, to, Kind::Submit, encode(&sample()));
        let later = self.dice.between(15_000, 40_000);
        self.after(later, Event::Person(n, Act::Pursue(thread, 0)));
    }

    fn answer(&mut self, n: usize, thread: ThreadId, step: u8) {
        let Some(case) = self.nodes[n].view.case(&thread) else { return };
        let to = case.requester;
        let (kind, body) = match (step, self.dice.below(3)) {
            (0, _) => (
                Kind::Acknowledge,
                encode(&Acknowledge {
                    own_reference: "R-1".into(),
                    decision_by: None,
                    urgency_accepted: None,
                    assurance: Assurance::NotRequested,
                    note: None,
                }),
            ),
            (1, 0) => (Kind::NeedInfo, encode(&Text { text: "Who?".into() })),
            (1, _) => (Kind::Progress, encode(&Progress { text: "Under way.".into(), expected: None })),
            _ => {
                let items = vec![ItemDecision::refuse(0, Ground::ReasonsWithheld)];
                (Kind::Decide, encode(&Decide { items }))
            }
        };
        self.say(n, thread, to, kind, body);
        if step < 2 {
            let later = self.dice.between(2_000, 20_000);
            self.after(later, Event::Person(n, Act::Answer(thread, step + 1)));
        }
    }

    fn pursue(&mut self, n: usize, thread: ThreadId, step: u8) {
        let Some(case) = self.nodes[n].view.case(&thread) else { return };
        let to = case.target;
        let (kind, body) = match self.dice.below(4) {
            0 => (Kind::Supplement, encode(&Supplement { text: "And this.".into(), form: None, unknown: vec![] })),
            1 => (Kind::Reminder, encode(&Reminder { text: None })),
            2 if step > 0 => (Kind::Close, encode(&Ending { note: None })),
            3 if step > 0 => (Kind::Withdraw, encode(&Ending { note: None })),
            _ => (Kind::Supplement, encode(&Supplement { text: "More.".into(), form: None, unknown: vec![] })),
        };
        self.say(n, thread, to, kind, body);
        if step < 2 {
            let later = self.dice.between(5_000, 30_000);
            self.after(later, Event::Person(n, Act::Pursue(thread, step + 1)));
        }
    }

    fn say(&mut self, n: usize, thread: ThreadId, to: Pid, kind: Kind, body: Vec<u8>) {
        let now = self.clock(n);
        let lock = Lock { key: self.nodes[n].case_key(&thread).into(), nonce: self.dice.bytes() };
        let mut saying = Saying {
            thread,
            to,
            kind,
            handling: Tlp::Amber,
            body,
            blobs: Vec::new(),
            approvals: None,
            ttl_ms: 30 * DAY_MS,
            lock,
        };
        let node = &self.nodes[n];
        let drafted = node.engine.draft_statement(&thread, to, kind, now, &saying);
        let approval = drafted.ok().and_then(|stmt| stmt.approval());
        saying.approvals = approval.map(|a| vec![a.sign(&node.officer(node.epoch()), &self.network)]);
        self.command(n, Waiter::Person(format!("says {kind} in {}", thread.short())), Command::Say(Box::new(saying)));
    }
}
