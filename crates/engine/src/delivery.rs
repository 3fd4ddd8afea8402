//! Statements out and in: the durable outbox, receipts, and what is refused (protocol §6, "Delivery").
//!
//! ```text
//! say ──commit──▶ queued ──▶ sent ──▶ stored (receipt)         hear ──commit──▶ receipt
//!                   ▲          │
//!                   └── tried ◀┘   5 s doubling to 6 h ±20 %, at once when the peer returns, never silently expired
//! ```

use crate::case::{Case, Detail, Open};
use crate::engine::Engine;
use crate::fact::{Declined, DeclinedThere, Fact, Heard, NoticeKind, Receipted, Said, Tried};
use crate::membership::Standing;
use crate::mutation::{Mutation, broken};
use crate::state::State;
use crate::step::{Answer, Came, Effect, Event, Refused, ReplyTo, Saying, Step, locked_form};
use lapwing_record::audit::{self, Attempt};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::id::{Digest, MsgId, Pid, ThreadId};
use lapwing_record::identity::Class;
use lapwing_record::locked;
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{
    Decide, Decision, Delivered, Ground, Kind, Nack, Receipt, Refusal, Stmt, Transferred, VerifiedStmt, signed_hash,
};
use std::collections::BTreeSet;

/// Milliseconds before the first retry.
pub const RETRY_MIN_MS: u64 = 5_000;
/// Milliseconds between retries at most.
pub const RETRY_MAX_MS: u64 = 6 * 60 * 60 * 1000;
/// Failed attempts after which people are told.
const FAILING_AFTER: u64 = 4;

impl Engine {
    // -- out --------------------------------------------------------------------------------------------------------

    pub(crate) fn say(&mut self, saying: Saying, now: u64, step: &mut Step) -> Result<Answer, Refused> {
        self.may_sign()?;
        let me = self.state.me;
        if !self.state.federation.is_participant(&me) && !self.says_suspended(&saying) {
            return Err(Refused::Standing("only participants in full standing exchange referrals".into()));
        }
        if !self.level_with(&saying.to) {
            return Err(Refused::HeadUnchecked(
                "cases with this participant have not been compared since the restore".into(),
            ));
        }
        let case = self.state.case(&saying.thread);
        match (saying.kind, case) {
            (Kind::Submit, Some(_)) => return Err(Refused::Conflict("this case is submitted already".into())),
            (Kind::Submit, None) => self.may_address(&saying)?,
            (_, None) => return Err(Refused::Unknown("no such case".into())),
            (_, Some(case)) if case.erased.is_some() => {
                return Err(Refused::Conflict("the content of this case is erased here; nothing is said in it".into()));
            }
            (_, Some(case)) if case.peer(&me) != saying.to => {
                return Err(Refused::Invalid("the case is with another participant".into()));
            }
            _ => {}
        }
        let stmt = self.draft_statement(&saying.thread, saying.to, saying.kind, now, &saying)?;
        let open = Open::of(&stmt).map_err(|e| Refused::Invalid(e.to_string()))?;
        let case = self.state.case(&saying.thread).cloned().unwrap_or_else(|| Case::new(&open));
        self.state.may_say(&case, &stmt, &open)?;
        if let Some(approval) = stmt.approval() {
            let keys = self.state.my_id().current();
            let signatures = saying.approvals.as_deref().unwrap_or_default();
            approval
                .check(signatures, keys, self.state.federation.network())
                .map_err(|e| Refused::Approval(e.to_string()))?;
        } else if saying.approvals.is_some() {
            return Err(Refused::Invalid(format!("`{}` needs no approval", saying.kind)));
        }
        if encode(&stmt).len() > lapwing_record::seal::MAX_PLAIN - 4096 {
            return Err(Refused::Invalid(
                "the statement is too long for one message; put the bulk into evidence".into(),
            ));
        }
        let id = open.id;
        let plain = zeroize::Zeroizing::new(locked_form(&stmt, &saying.approvals));
        let locked = locked::lock(&saying.lock.key, saying.lock.nonce, &id.0, &plain);
        self.commit(Fact::Said(Said { at: now, open, locked: Bytes(locked) }), step);
        step.effects.push(Effect::Event(Event::Case(saying.thread)));
        Ok(Answer::Said(id))
    }

    /// What a participant that is suspended still says: that it takes back, refuses, or what became of what was recalled.
    fn says_suspended(&self, saying: &Saying) -> bool {
        let refuses = || {
            let decide = lapwing_record::cbor::decode::<Decide>(&saying.body, saying.body.len());
            decide.is_ok_and(|d| d.items.iter().all(|item| item.decision == Decision::Refuse))
        };
        self.state.my_standing() == Some(Standing::Suspended)
            && match saying.kind {
                Kind::Withdraw | Kind::RecallAnswer => true,
                Kind::Decide => refuses(),
                _ => false,
            }
    }

    /// Whether a referral of this kind may be addressed to its target.
    fn may_address(&self, saying: &Saying) -> Result<(), Refused> {
        let federation = &self.state.federation;
        if saying.to == self.state.me {
            return Err(Refused::Invalid("a referral goes to another participant".into()));
        }
        let Some(inception) = federation.inception(&saying.to) else {
            return Err(Refused::Unknown("no such participant".into()));
        };
        if !federation.is_participant(&saying.to) {
            let standing = federation.standing(&saying.to).map_or("unknown", Standing::as_str);
            return Err(Refused::Standing(format!("{} does not take part in full ({standing})", inception.short_name)));
        }
        let form = lapwing_record::form::Form::decode(&saying.body).map_err(|e| Refused::Invalid(e.to_string()))?;
        use lapwing_record::form::ReferralKind;
        let mine = self.state.my_id().inception.class;
        let private_request = form.kind == Some(ReferralKind::PrivateAssistanceRequest);
        if mine == Class::Private && form.kind != Some(ReferralKind::SpontaneousInformation) {
            return Err(Refused::Standing("a private-sector participant sends spontaneous_information only".into()));
        }
        if inception.class == Class::Private && !private_request {
            return Err(Refused::Invalid("a private-sector participant takes private_assistance_request only".into()));
        }
        if inception.class == Class::Observer {
            return Err(Refused::Invalid("observers take no referrals".into()));
        }
        Ok(())
    }

    /// The statement that would be made now: officers approve exactly this one.
    pub fn draft_statement(
        &self,
        thread: &ThreadId,
        to: Pid,
        kind: Kind,
        now: u64,
        saying: &Saying,
    ) -> Result<Stmt, Refused> {
        let me = self.state.me;
        let case = self.state.case(thread);
        let last = |pid: &Pid| case.and_then(|c| c.side(pid).last()).map(|t| t.open.id);
        let none_theirs = case.is_none_or(|c| c.requester == me && c.answered.is_empty());
        Ok(Stmt {
            version: 1,
            network_id: *self.state.federation.network(),
            thread: *thread,
            msg_no: case.map_or(0, |c| c.side(&me).len() as u64),
            prev_own: last(&me),
            seen_peer: if none_theirs { None } else { last(&to) },
            from: me,
            epoch: self.state.my_id().epoch(),
            to,
            clock: now,
            expires: now.saturating_add(saying.ttl_ms),
            kind,
            handling: saying.handling,
            body: Bytes(saying.body.clone()),
            blobs: saying.blobs.clone(),
        })
    }

    /// Starts what is due. Of each case only the oldest undelivered statement goes out: the other side takes them in order.
    pub(crate) fn deliveries(&mut self, now: u64, step: &mut Step) {
        let mut begun: BTreeSet<ThreadId> = BTreeSet::new();
        let mut expired = Vec::new();
        let mut due = Vec::new();
        for (id, thread) in self.state.outbox.iter() {
            let Some(case) = self.state.case(thread) else { continue };
            let me = self.state.me;
            let first = case.side(&me).iter().find(|t| t.waits());
            let Some(told) = first.filter(|t| t.open.id == *id) else { continue };
            let delivery = told.delivery.as_ref().expect("own statements have a delivery");
            if delivery.failed || self.in_flight.contains(id) {
                continue;
            }
            // one that came back after a restore was delivered in its time
            if now >= told.open.expires && delivery.tries > 0 {
                expired.push((*thread, *id));
            } else if (delivery.next.is_some_and(|at| at <= now) || self.returned.contains(&case.peer(&me)))
                && begun.insert(*thread)
            {
                due.push((*thread, *id, case.peer(&me)));
            }
        }
        self.returned.clear();
        for (thread, id) in expired {
            self.give_up(thread, id, "expired: it could not be delivered in time".into(), now, step);
        }
        for (thread, id, to) in due {
            match self.state.held(&thread, &id, &to, now) {
                Some(why) => self.later(thread, id, why, now, step),
                None => {
                    self.in_flight.insert(id);
                    step.effects.push(Effect::Deliver { thread, id, to });
                }
            }
        }
    }

    pub(crate) fn tried(
        &mut self,
        thread: ThreadId,
        id: MsgId,
        outcome: Result<Delivered, String>,
        now: u64,
        step: &mut Step,
    ) {
        self.in_flight.remove(&id);
        if self.state.outbox.get(&id).is_none() {
            return;
        }
        match outcome {
            Ok(Delivered::Receipt(sign1)) => match self.check_receipt(thread, id, &sign1) {
                Ok(()) => {
                    let receipt = Bytes(encode(&sign1));
                    self.commit(Fact::Receipt(Receipted { at: now, thread, id, receipt }), step);
                    step.effects.push(Effect::Event(Event::Case(thread)));
                }
                Err(why) => self.later(thread, id, why, now, step),
            },
            Ok(Delivered::Nack(sign1)) => {
                let why = self.check_nack(thread, &sign1).unwrap_or_else(|why| why);
                self.later(thread, id, why, now, step);
            }
            Ok(Delivered::Refused((refusal, text))) if refusal.may_pass_later() => {
                self.later(thread, id, format!("{refusal}: {text}"), now, step);
            }
            Ok(Delivered::Refused((refusal, text))) if self.goes_on_without(thread, id, refusal) => {
                self.declined_there(thread, id, refusal, text, now, step);
            }
            Ok(Delivered::Refused((refusal, text))) => {
                self.give_up(thread, id, format!("{refusal}: {text}"), now, step)
            }
            Err(why) => self.later(thread, id, why, now, step),
        }
    }

    /// Whether the case goes on without a statement that was refused for good: its place in our chain is kept there.
    fn goes_on_without(&self, thread: ThreadId, id: MsgId, refusal: Refusal) -> bool {
        let kind = self.state.case(&thread).and_then(|c| c.find(&id)).map(|t| t.open.kind);
        kind.is_some_and(|k| k != Kind::Submit) && !matches!(refusal, Refusal::NotMine | Refusal::Erased)
    }

    fn declined_there(
        &mut self,
        thread: ThreadId,
        id: MsgId,
        refusal: Refusal,
        words: String,
        now: u64,
        step: &mut Step,
    ) {
        let words = words.chars().take(2_000).collect();
        self.commit(Fact::DeclinedThere(DeclinedThere { at: now, thread, id, refusal, words }), step);
        step.effects.push(Effect::Event(Event::Case(thread)));
        let peer = self.state.case(&thread).map(|c| c.peer(&self.state.me));
        self.notice(NoticeKind::DeliveryFailing, peer, Some(Digest(id.0)), None, now, step);
    }

    fn check_receipt(&self, thread: ThreadId, id: MsgId, sign1: &Sign1) -> Result<(), String> {
        let peer = self.state.case(&thread).map(|c| c.peer(&self.state.me)).ok_or("no such case")?;
        let author = self.state.federation.author(&peer).ok_or("its author is not known")?;
        let claimed = Receipt::claimed(sign1).map_err(|e| format!("receipt: {e}"))?;
        let keys = author.id.keys(claimed.epoch).ok_or("receipt of an epoch that is not known here")?;
        let receipt =
            Receipt::open(sign1, keys, self.state.federation.network()).map_err(|e| format!("receipt: {e}"))?;
        if receipt.msg_id != id || receipt.by != peer {
            return Err("the receipt is for something else".into());
        }
        Ok(())
    }

    fn check_nack(&self, thread: ThreadId, sign1: &Sign1) -> Result<String, String> {
        let peer = self.state.case(&thread).map(|c| c.peer(&self.state.me)).ok_or("no such case")?;
        let author = self.state.federation.author(&peer).ok_or("its author is not known")?;
        let nack: Nack = lapwing_record::cbor::decode(&sign1.payload, 1024).map_err(|e| format!("nack: {e}"))?;
        let keys = author.id.keys(nack.epoch).ok_or("nack of an epoch that is not known here")?;
        let network = self.state.federation.network();
        sign1.open(&keys.feed, network, lapwing_record::sign::Context::Nack).map_err(|e| format!("nack: {e}"))?;
        Ok("the recipient could not open it: it is sealed again to the key in its log".into())
    }

    fn later(&mut self, thread: ThreadId, id: MsgId, why: String, now: u64, step: &mut Step) {
        let tries =
            self.state.case(&thread).and_then(|c| c.find(&id)).and_then(|t| t.delivery.as_ref()).map_or(0, |d| d.tries);
        let next = now + backoff(tries, self.config.seed ^ u64::from_le_bytes(id.0[..8].try_into().expect("8 of 32")));
        self.commit(Fact::Tried(Tried { at: now, thread, id, why, next: Some(next) }), step);
        step.effects.push(Effect::Event(Event::Case(thread)));
        if tries + 1 == FAILING_AFTER {
            let peer = self.state.case(&thread).map(|c| c.peer(&self.state.me));
            self.notice(NoticeKind::DeliveryFailing, peer, Some(Digest(thread.0)), None, now, step);
        }
    }

    fn give_up(&mut self, thread: ThreadId, id: MsgId, why: String, now: u64, step: &mut Step) {
        self.commit(Fact::Tried(Tried { at: now, thread, id, why, next: None }), step);
        step.effects.push(Effect::Event(Event::Case(thread)));
        let peer = self.state.case(&thread).map(|c| c.peer(&self.state.me));
        self.notice(NoticeKind::DeliveryFailing, peer, Some(Digest(id.0)), None, now, step);
    }

    pub(crate) fn next_delivery(&self, now: u64) -> Option<u64> {
        let next =
            self.state.outbox.iter().filter(|(id, _)| !self.in_flight.contains(*id)).filter_map(|(id, thread)| {
                let delivery = self.state.case(thread)?.find(id)?.delivery.as_ref()?;
                if delivery.failed { None } else { delivery.next }
            });
        next.filter(|at| *at > now).min()
    }

    // -- in ---------------------------------------------------------------------------------------------------------

    /// Makes a statement durable; a duplicate gives the stored receipt, anything else its refusal.
    pub(crate) fn heard(
        &mut self,
        verified: &VerifiedStmt,
        locked: Bytes,
        unfit: Option<String>,
        came: Came,
        now: u64,
        step: &mut Step,
    ) -> Result<Heard, Unheard> {
        let stmt = verified.stmt();
        let refuse = |refusal, why: &str| Err(Err((refusal, why.to_owned())));
        if stmt.to != self.state.me {
            return refuse(Refusal::NotMine, "it is addressed to another participant");
        }
        let hash = signed_hash(verified.signed_bytes());
        let existing = self.state.case(&stmt.thread).and_then(|c| c.find(&verified.id())).cloned();
        if let Some(told) = existing.filter(|_| !broken(Mutation::HeardTwice)) {
            if let Some(refused) = told.refused {
                return Err(Err(refused));
            }
            return match told.receipt {
                Some(receipt) => Err(Ok(receipt)),
                // durable, but the receipt itself was not kept before a crash: the same one is signed again
                None => Ok(Heard { at: told.at, open: told.open, hash, epoch: self.state.my_id().epoch(), locked }),
            };
        }
        if self.state.case(&stmt.thread).is_some_and(|c| c.erased.is_some()) {
            return refuse(Refusal::Erased, "the case was erased here");
        }
        if self.state.my_standing() == Some(Standing::Left) {
            return refuse(Refusal::TryLater, "this participant has left: it takes nothing any more");
        }
        let standing = self.takes_from(stmt);
        if came == Came::Delivered {
            // an older copy would judge by what it has forgotten, and its refusals are for good
            if !self.level_with(&stmt.from) {
                return refuse(Refusal::TryLater, "cases with this participant are being compared after a restore");
            }
            standing.clone().map_err(Err)?;
        }
        let gave = if let Came::Back(Some(receipt)) = came { self.gave(receipt, verified, hash) } else { None };
        let open = if gave.is_some() { self.following(stmt) } else { self.fitting(stmt, unfit) };
        let open = match open {
            Ok(open) => open,
            Err((refusal, why)) => {
                self.decline(stmt, refusal, &why, locked, now, step);
                return Err(Err((refusal, why)));
            }
        };
        if gave.is_none() {
            // of what comes back this is judged last, so that what was declined then keeps its place
            standing.map_err(Err)?;
        }
        let at = gave.as_ref().map_or(now, |(receipt, _)| receipt.received);
        let heard = Heard { at, open, hash, epoch: self.state.my_id().epoch(), locked };
        self.commit(Fact::Heard(heard.clone()), step);
        if let Some((_, receipt)) = &gave {
            let (thread, id) = (stmt.thread, verified.id());
            self.commit(Fact::GaveReceipt(Receipted { at: now, thread, id, receipt: receipt.clone() }), step);
        }
        self.audit(by_peer(stmt), now, step);
        step.effects.push(Effect::Event(Event::Case(stmt.thread)));
        if stmt.kind == Kind::Submit {
            self.notice(NoticeKind::ReferralStored, Some(stmt.from), Some(Digest(stmt.thread.0)), None, now, step);
        }
        if stmt.kind == Kind::Recall {
            self.notice(NoticeKind::ReferralRecalled, Some(stmt.from), Some(Digest(stmt.thread.0)), None, now, step);
        }
        gave.map_or(Ok(heard), |(_, receipt)| Err(Ok(receipt)))
    }

    /// Whether anything new is taken from a sender.
    fn takes_from(&self, stmt: &Stmt) -> Result<(), (Refusal, String)> {
        let federation = &self.state.federation;
        // what was recalled because of a suspension is answered while it lasts
        let answers = stmt.kind == Kind::RecallAnswer && federation.standing(&stmt.from) == Some(Standing::Suspended);
        let no = if !federation.is_participant(&stmt.from) && !answers {
            "the sender does not take part in full here"
        } else if federation.author(&stmt.from).is_some_and(|a| a.contested()) {
            "the sender's log is contested here"
        } else {
            return Ok(());
        };
        Err((Refusal::SenderStanding, no.to_owned()))
    }

    /// The receipt that this node gave for a statement, if these bytes are that. What was receipted is taken again after a
    /// restore, whatever became of its sender since: a receipt implies durable.
    fn gave(&self, bytes: Bytes, verified: &VerifiedStmt, hash: Digest) -> Option<(Receipt, Bytes)> {
        let sign1: Sign1 = lapwing_record::cbor::decode(&bytes, 4096).ok()?;
        let keys = self.state.my_id().keys(Receipt::claimed(&sign1).ok()?.epoch)?;
        let receipt = Receipt::open(&sign1, keys, self.state.federation.network()).ok()?;
        let is_it = receipt.by == self.state.me && receipt.msg_id == verified.id() && receipt.hash == hash;
        is_it.then_some((receipt, bytes))
    }

    /// The open part of what was taken once, if it follows on what is here.
    fn following(&self, stmt: &Stmt) -> Result<Open, (Refusal, String)> {
        let open = Open::of(stmt).map_err(|e| (Refusal::Invalid, e.to_string()))?;
        let case = match self.state.case(&stmt.thread) {
            Some(case) => case.clone(),
            None if stmt.kind == Kind::Submit => Case::new(&open),
            None => return Err((Refusal::Gap, "the referral itself is missing here".to_owned())),
        };
        case.place(&open)?;
        Ok(open)
    }

    /// The open part of what the other side says, if it may be said.
    fn fitting(&self, stmt: &Stmt, unfit: Option<String>) -> Result<Open, (Refusal, String)> {
        let invalid = |why: String| (Refusal::Invalid, why);
        let open = Open::of(stmt).map_err(|e| invalid(e.to_string()))?;
        if let Some(why) = unfit {
            return Err(invalid(why));
        }
        if stmt.kind == Kind::Submit {
            let form = lapwing_record::form::Form::decode(&stmt.body).map_err(|e| invalid(e.to_string()))?;
            let faults = lapwing_record::form::check::check(&form);
            if !faults.is_empty() {
                return Err(invalid(faults_in_words(&faults)));
            }
        }
        let case = self.state.case(&stmt.thread).cloned().unwrap_or_else(|| Case::new(&open));
        let any_place = broken(Mutation::GapsTaken) || broken(Mutation::HeardTwice);
        case.allows(&open).or_else(|e| if any_place { Ok(()) } else { Err(e) })?;
        if let Some(Detail::Transferred(t)) = &open.detail {
            self.state.may_pass_on(&case, &t.proposal)?;
            self.check_passed_on(stmt, &t.to)?;
        }
        Ok(open)
    }

    /// Whether the receipt that comes with a transfer is the new agency's.
    fn check_passed_on(&self, stmt: &Stmt, to: &Pid) -> Result<(), (Refusal, String)> {
        let invalid = |why: String| (Refusal::Invalid, why);
        let author = self.state.federation.author(to);
        let author = author.ok_or((Refusal::TryLater, "the new agency is not known here yet".to_owned()))?;
        let body: Transferred =
            lapwing_record::cbor::decode(&stmt.body, stmt.body.len()).map_err(|e| invalid(e.to_string()))?;
        let sign1: Sign1 = lapwing_record::cbor::decode(&body.receipt, 4096).map_err(|e| invalid(e.to_string()))?;
        let claimed = Receipt::claimed(&sign1).map_err(|e| invalid(e.to_string()))?;
        let keys = author.id.keys(claimed.epoch);
        let keys = keys.ok_or((Refusal::TryLater, "the new agency's epoch is not known here yet".to_owned()))?;
        let receipt = Receipt::open(&sign1, keys, self.state.federation.network());
        match receipt {
            Ok(receipt) if receipt.by == *to => Ok(()),
            Ok(_) => Err(invalid("the receipt is of another agency".into())),
            Err(error) => Err(invalid(format!("the new agency's receipt: {error}"))),
        }
    }

    /// Keeps the place of a statement that may not be said, so that what its sender says next goes on. One that does
    /// not continue the chain, or could pass later, leaves no trace.
    fn decline(&mut self, stmt: &Stmt, refusal: Refusal, why: &str, locked: Bytes, now: u64, step: &mut Step) {
        let Some(case) = self.state.case(&stmt.thread) else { return };
        let open = Open::of(stmt).unwrap_or_else(|_| Open::bare(stmt));
        let between = open.to == case.peer(&open.from) && (open.from == case.requester || open.from == case.target);
        if refusal.may_pass_later() || stmt.kind == Kind::Submit || !between || case.place(&open).is_err() {
            return;
        }
        let words = why.chars().take(2_000).collect();
        self.commit(Fact::Declined(Declined { at: now, open, refusal, words, locked }), step);
        step.effects.push(Effect::Event(Event::Case(stmt.thread)));
    }

    /// A statement of our own that the other side kept for us: it is ours again. It goes out once more, and the other side
    /// says again what it said then: its receipt, or that it refused. In which order both sides spoke is not ours to guess.
    pub(crate) fn recover(&mut self, verified: &VerifiedStmt, locked: Bytes, now: u64, step: &mut Step) {
        let stmt = verified.stmt();
        let known = self.state.case(&stmt.thread).is_some_and(|c| c.find(&verified.id()).is_some());
        let erased = self.state.case(&stmt.thread).is_some_and(|c| c.erased.is_some());
        if stmt.from != self.state.me || known || erased {
            return;
        }
        let Ok(open) = Open::of(stmt) else { return };
        let case = self.state.case(&stmt.thread).cloned().unwrap_or_else(|| Case::new(&open));
        let next = case.side(&stmt.from).len() as u64;
        if open.msg_no == next && open.prev_own == case.side(&stmt.from).last().map(|t| t.open.id) {
            self.commit(Fact::Said(Said { at: now, open, locked }), step);
            step.effects.push(Effect::Event(Event::Case(stmt.thread)));
        }
    }
}

/// A statement that is not heard now: the receipt that it had before, or why it is refused.
pub(crate) type Unheard = Result<Bytes, (Refusal, String)>;

/// What follows from a statement for who sent it.
pub(crate) fn answer_heard(outcome: Result<Heard, Unheard>, reply: ReplyTo, step: &mut Step) {
    match outcome {
        Ok(Heard { at, open, hash, epoch, .. }) => {
            step.effects.push(Effect::GiveReceipt {
                thread: open.thread,
                id: open.id,
                hash,
                received: at,
                epoch,
                reply,
            });
        }
        Err(Ok(receipt)) => step.effects.push(Effect::Reply(reply, Ok(Answer::Receipt(receipt)))),
        Err(Err((refusal, why))) => step.effects.push(Effect::Reply(reply, Ok(Answer::Refused(refusal, why)))),
    }
}

impl State {
    /// Whether a statement of our own may be made: the case's rules, and what the roster adds to them.
    pub fn may_say(&self, case: &Case, stmt: &Stmt, open: &Open) -> Result<(), Refused> {
        let of_case = |(refusal, why)| match refusal {
            Refusal::Gap => Refused::Conflict(why),
            refusal => Refused::Case(refusal, why),
        };
        case.allows(open).map_err(of_case)?;
        match &open.detail {
            Some(Detail::Proposal(proposal)) if !self.federation.is_full_agency(&proposal.to) => {
                return Err(Refused::Standing("a referral is passed on to an agency that takes part in full".into()));
            }
            Some(Detail::Transferred(t)) => self.may_pass_on(case, &t.proposal).map_err(of_case)?,
            _ => {}
        }
        if stmt.kind == Kind::Decide
            && self.federation.standing(&case.requester) != Some(Standing::Suspended)
            && lapwing_record::cbor::decode::<Decide>(&stmt.body, stmt.body.len())
                .is_ok_and(|d| d.items.iter().any(|i| i.ground == Some(Ground::ParticipantSuspended)))
        {
            let why = "`participant_suspended` is a ground only while the requester is suspended";
            return Err(Refused::Case(Refusal::WrongGround, why.into()));
        }
        Ok(())
    }
}

/// The audit row of a statement that the other side made here.
fn by_peer(stmt: &Stmt) -> Attempt {
    Attempt {
        who: stmt.from.to_string(),
        role: "peer".into(),
        act: format!("say {}", stmt.kind.code()),
        on: stmt.thread.to_string(),
        outcome: audit::DONE.into(),
        request: None,
    }
}

/// What is wrong with a pro forma, for the one who sent it: the first twenty faults, so that the answer stays short.
fn faults_in_words(faults: &[lapwing_record::cbor::Fault]) -> String {
    let mut words: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
    words.extend((faults.len() > 20).then(|| format!("and {} more", faults.len() - 20)));
    let words: String = words.join("; ").chars().take(2_000).collect();
    format!("the pro forma has {} fault(s): {words}", faults.len())
}

/// Milliseconds until the next attempt: 5 s doubling to 6 h, spread by ±20 %.
pub fn backoff(tries: u64, seed: u64) -> u64 {
    let base = RETRY_MIN_MS.saturating_mul(1 << tries.min(20)).min(RETRY_MAX_MS);
    let spread = lapwing_record::id::HashOf::Msg.hash(&[seed.to_le_bytes(), tries.to_le_bytes()].concat());
    let share = u64::from(u16::from_le_bytes([spread[0], spread[1]])); // 0..65535 stands for -20 % .. +20 %
    base * 4 / 5 + base * 2 / 5 * share / 65_535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_form_is_told_to_its_sender_in_a_short_answer() {
        let faults = lapwing_record::form::check::check(&lapwing_record::form::Form::default());
        let words = faults_in_words(&faults);
        assert!(faults.len() < 20 && faults.iter().all(|f| words.contains(&f.to_string())), "{words}");
        let many: Vec<_> = (0..500).map(|i| lapwing_record::cbor::Fault::here("x".repeat(i))).collect();
        assert!(faults_in_words(&many).len() < 2_100);
    }

    #[test]
    fn retries_double_from_five_seconds_to_six_hours_within_a_fifth() {
        for tries in 0..40 {
            let base = RETRY_MIN_MS.saturating_mul(1 << tries.min(20)).min(RETRY_MAX_MS);
            for seed in 0..50 {
                let wait = backoff(tries, seed);
                assert!(wait >= base * 4 / 5 && wait <= base * 6 / 5, "{tries} {seed} {wait}");
            }
        }
        assert_ne!(backoff(3, 1), backoff(3, 2));
    }
}
