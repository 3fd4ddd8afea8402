//! The driver of each node: take what waits, let the engine decide, sync once, publish, and only then speak. As
//! `lapwing-node` does it, with a crash possible between any two of these.

use crate::message::Message;
use crate::mutant::Mutant;
use crate::node::{Book, Pending, Waiter, fresh_engine, read_fact, state_name, write_fact};
use crate::world::{Event, Fault, World};
use lapwing_engine::between::Between;
use lapwing_engine::fact::Fact;
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::{Answer, Command, Effect, Input, Refused, ReplyTo, Step};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::statement::{Receipt, ReceiptStatus, Refusal};

/// Inputs that one commit takes at most.
const BATCH: usize = 512;

/// Types of entries that only a confirmed node signs.
const COUNTS: [EntryType; 5] =
    [EntryType::Stances, EntryType::Excuse, EntryType::Introduce, EntryType::Motion, EntryType::Checkpoint];

impl World {
    fn is_mutant(&self, n: usize, mutant: Mutant) -> bool {
        self.mutant == Some(mutant) && self.nodes[n].honest()
    }

    /// The node takes what waits, unless it is syncing.
    pub(crate) fn turn(&mut self, n: usize) {
        let now = self.clock(n);
        let node = &mut self.nodes[n];
        node.turning = false;
        if node.pending.is_some() {
            return;
        }
        let mut batch: Vec<Input> = node.own.drain(..).collect();
        while batch.len() < BATCH {
            let Some(order) = node.orders.pop_front() else { break };
            batch.push(order);
        }
        if batch.is_empty() {
            return;
        }
        let mut all = Step::default();
        for input in batch {
            let was_confirmed = node.engine.state().confirmed();
            let before = node.engine.state().clone();
            let step = node.engine.handle(input, now);
            node.look(&before, &step, now);
            let confirmed = was_confirmed || node.engine.state().confirmed();
            let counts =
                |f: &Fact| matches!(f, Fact::Reserved(r) if r.header.entry_type().is_some_and(|t| COUNTS.contains(&t)));
            if !confirmed && step.facts.iter().any(counts) {
                node.wrong.push(("28", "reserved an entry that counts while unconfirmed".into()));
            }
            all.facts.extend(step.facts);
            all.effects.extend(step.effects);
        }
        self.settle(n, all);
    }

    /// Persist, then speak.
    fn settle(&mut self, n: usize, step: Step) {
        let Step { facts, mut effects } = step;
        if self.is_mutant(n, Mutant::AckBeforeSync) || self.is_mutant(n, Mutant::ReceiptBeforeSync) {
            effects = self.speak_too_early(n, effects);
        }
        if self.is_mutant(n, Mutant::SignBeforeSync) {
            self.sign_too_early(n, &effects);
        }
        if facts.is_empty() {
            self.publish(n);
            effects.into_iter().for_each(|e| self.perform(n, e));
            self.go_on(n);
            return;
        }
        let node = &mut self.nodes[n];
        let me = node.pid();
        let own = facts.iter().any(|f| f.moves_high_water(&me));
        let highwater = own.then(|| node.engine.high_water().unwrap_or_default());
        node.pending = Some(Pending { facts, effects, highwater });
        let life = node.life;
        let takes = self.dice.between(1, 40);
        self.after(takes, Event::Synced(n, life));
        if std::mem::take(&mut self.nodes[n].doomed) {
            let earlier = self.dice.below(takes);
            self.after(earlier, Event::Breaks(Fault::Crash(n)));
        }
    }

    /// The facts are on the disk.
    pub(crate) fn synced(&mut self, n: usize) {
        let Some(pending) = self.nodes[n].pending.take() else { return };
        self.append(n, &pending.facts);
        if let Some(highwater) = pending.highwater {
            self.nodes[n].highwater = highwater;
        }
        self.publish(n);
        for effect in pending.effects {
            self.perform(n, effect);
        }
        self.go_on(n);
    }

    /// Puts facts into the journal.
    fn append(&mut self, n: usize, facts: &[Fact]) {
        let node = &mut self.nodes[n];
        for fact in facts {
            node.journal.push(write_fact(fact));
            node.book.note(fact, &node.engine.state().federation);
        }
        node.commits.push(node.journal.len());
        self.counts.facts += facts.len() as u64;
        if facts.iter().any(|f| matches!(f, Fact::Entry(_))) {
            self.news = self.now;
        }
        self.changed.insert(n);
        for fact in facts {
            self.look_at(n, fact);
        }
    }

    fn publish(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.view = node.engine.state().clone();
        if node.marked && *node.engine.head() == HeadCheck::Done {
            node.marked = !node.view.compared_with_all(node.engine.leveled());
        }
        self.count_standings(n);
    }

    /// What waits is taken next; and the clock will wake it.
    fn go_on(&mut self, n: usize) {
        let now = self.clock(n);
        let node = &mut self.nodes[n];
        let life = node.life;
        if !node.own.is_empty() || !node.orders.is_empty() {
            self.turn_soon(n);
            return;
        }
        let wait = node.engine.wake_at(now).map_or(60_000, |at| at.saturating_sub(now).clamp(1, 60_000));
        node.wake = self.now + wait;
        self.after(wait, Event::Wake(n, life));
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        match effect {
            Effect::Reply(to, outcome) => self.reply(n, to, outcome),
            Effect::Sign(header, body) => {
                let sign1 = header.sign(&self.nodes[n].feed(header.epoch), &self.network);
                match Entry::new(vec![sign1], Some(body.0)) {
                    Ok(entry) => self.nodes[n].own.push_back(Input::Signed(entry)),
                    Err(error) => self.nodes[n].wrong.push(("09", format!("a reserved header is none: {error}"))),
                }
            }
            Effect::GiveReceipt { thread, id, hash, received, epoch, reply } => {
                let receipt = Receipt {
                    msg_id: id,
                    hash,
                    received,
                    status: ReceiptStatus::Stored,
                    by: self.nodes[n].pid(),
                    epoch,
                };
                let bytes = Bytes(encode(&receipt.sign(&self.nodes[n].feed(epoch), &self.network)));
                self.nodes[n].own.push_back(Input::GaveReceipt { thread, id, receipt: bytes.clone() });
                self.reply(n, reply, Ok(Answer::Receipt(bytes)));
            }
            Effect::Spread(entry) => self.gossip(n, &entry),
            Effect::Push(entry) => {
                for to in self.peers(n) {
                    let pid = self.nodes[to].pid();
                    if self.nodes[n].between(&pid) == Between::Agencies {
                        self.send(n, to, Message::Push(entry.clone()));
                    }
                }
            }
            Effect::Deliver { thread, id, to } => self.deliver(n, thread, id, to),
            Effect::Notify(notice) => {
                let told = Input::Notified { notice: notice.id(), by: "status".into(), failed: None };
                self.nodes[n].own.push_back(told);
                self.tell_people(n, &notice);
            }
            Effect::Event(_) => {}
        }
    }

    /// Gossip: to everyone that may have it.
    pub(crate) fn gossip(&mut self, n: usize, entry: &Entry) {
        let agency_only = entry.header().log == lapwing_record::entry::LogKind::Agy;
        let open_gate = self.is_mutant(n, Mutant::GateByTopic);
        for to in self.peers(n) {
            let class = self.nodes[n].between(&self.nodes[to].pid());
            let may = if agency_only { class == Between::Agencies } else { class != Between::Nothing };
            if may || (open_gate && class != Between::Nothing) {
                self.send(n, to, Message::Gossip(Box::new(entry.clone())));
            }
        }
    }

    fn reply(&mut self, n: usize, to: ReplyTo, outcome: Result<Answer, Refused>) {
        let Some(waiter) = self.nodes[n].waiting.remove(&to) else { return };
        match (waiter, outcome) {
            (Waiter::Placed(from, authors, req), Ok(Answer::Placed(placed))) => {
                self.placed(n, from, &authors, &placed, req);
            }
            (Waiter::Pushed(from, id), Ok(Answer::Placed(_))) if self.nodes[n].view.federation.holds(&id) => {
                self.sign_for(n, from, id);
            }
            (Waiter::Heard(from, req, id), Ok(answer)) => self.answer_statement(n, from, req, id, answer),
            (Waiter::Applied(pid), Ok(_)) => self.tell_people_of_applicant(n, pid),
            (Waiter::Vote(of), Ok(Answer::Proposal(id))) => self.approve(n, &of, id),
            (Waiter::Person(what), Err(refused)) => {
                self.counts.refused += 1;
                self.note(n, None, format!("{what}: refused: {refused}"));
            }
            (Waiter::Vote(_) | Waiter::Applied(_), Err(refused)) => {
                self.counts.refused += 1;
                self.note(n, None, format!("refused: {refused}"));
            }
            (Waiter::Person(what), Ok(_)) => self.note(n, None, format!("{what}: done")),
            _ => {}
        }
    }

    /// Signs that an objection is held.
    pub(crate) fn sign_for(&mut self, n: usize, from: usize, id: lapwing_record::id::EntryId) {
        use lapwing_record::sign::{Context, Sign1};
        let node = &mut self.nodes[n];
        let ack = encode(&(node.pid(), id));
        let ack = Sign1::sign(&node.feed(node.epoch()), &self.network, Context::Ack, ack);
        node.promised.0.insert(id);
        self.changed.insert(n);
        self.send(n, from, Message::Ack(id, Box::new(ack)));
    }

    // -- mutants ----------------------------------------------------------------------------------------------------

    fn speak_too_early(&mut self, n: usize, effects: Vec<Effect>) -> Vec<Effect> {
        let (acks, receipts) = (self.is_mutant(n, Mutant::AckBeforeSync), self.is_mutant(n, Mutant::ReceiptBeforeSync));
        let mut rest = Vec::new();
        for effect in effects {
            let early = match &effect {
                Effect::GiveReceipt { .. } => receipts,
                Effect::Reply(to, _) => {
                    if acks && let Some(Waiter::Pushed(from, id)) = self.nodes[n].waiting.get(to).cloned() {
                        self.sign_for(n, from, id);
                    }
                    false
                }
                _ => false,
            };
            if early {
                self.perform(n, effect);
            } else {
                rest.push(effect);
            }
        }
        rest
    }

    fn sign_too_early(&mut self, n: usize, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Sign(header, body) = effect
                && let Ok(entry) = Entry::new(
                    vec![header.sign(&self.nodes[n].feed(header.epoch), &self.network)],
                    Some(body.0.clone()),
                )
            {
                self.gossip(n, &entry);
            }
        }
    }

    /// What the mutant of receipts for failed copies answers; none for everyone else.
    pub(crate) fn takes_failed_for_duplicate(
        &mut self,
        n: usize,
        id: lapwing_record::id::MsgId,
        signed: &[u8],
    ) -> Option<Bytes> {
        if !self.is_mutant(n, Mutant::ReceiptForFailedCopy) || !self.nodes[n].refused.contains(&id) {
            return None;
        }
        let receipt = Receipt {
            msg_id: id,
            hash: lapwing_record::statement::signed_hash(signed),
            received: self.clock(n),
            status: ReceiptStatus::Stored,
            by: self.nodes[n].pid(),
            epoch: 0,
        };
        Some(Bytes(encode(&receipt.sign(&self.nodes[n].feed(0), &self.network))))
    }

    // -- faults -----------------------------------------------------------------------------------------------------

    pub(crate) fn breaks(&mut self, fault: Fault) {
        if self.quiet && !matches!(fault, Fault::Start(_) | Fault::Heal) {
            return;
        }
        match fault {
            Fault::Crash(n) => self.crash(n),
            Fault::CrashUnsynced(n) => self.nodes[n].doomed = true,
            Fault::Start(n) => self.start(n, None),
            Fault::Restore(n, kept) => self.start(n, Some(kept)),
            Fault::Clock(n, by) => {
                self.counts.clock_jumps += 1;
                self.nodes[n].offset = self.nodes[n].offset.saturating_add(by);
                self.nodes[n].jumped = self.nodes[n].jumped.saturating_add(by);
                self.note(n, None, format!("the clock jumps by {by} ms"));
                if self.nodes[n].up && self.nodes[n].pending.is_none() {
                    self.tell(n, Input::Wake);
                }
            }
            Fault::Part(how) => {
                self.counts.partitions += 1;
                let before = self.net.side.clone();
                let sides = 2 + how % 2;
                for side in &mut self.net.side {
                    *side = self.dice.below(sides);
                }
                self.trace_net(format!("the network falls apart: {:?}", self.net.side));
                self.tell_links(&before);
            }
            Fault::HalfOpen(a, b) => {
                self.counts.partitions += 1;
                self.net.dead.insert((a, b));
                self.note(a, Some(b), "(this direction is dead from here on)");
            }
            Fault::Heal => {
                let before = std::mem::replace(&mut self.net.side, vec![0; self.nodes.len()]);
                self.net.dead.clear();
                self.trace_net("the network heals".into());
                self.tell_links(&before);
            }
        }
    }

    fn trace_net(&mut self, what: String) {
        let row = crate::trace::Row { at: self.now - crate::world::BEGIN, who: "network".into(), whom: None, what };
        self.trace.push(row);
    }

    /// Nodes learn who came and who went.
    fn tell_links(&mut self, before: &[u64]) {
        for a in 0..self.nodes.len() {
            for b in (0..self.nodes.len()).filter(|b| *b != a) {
                let (was, is) = (before[a] == before[b], self.net.side[a] == self.net.side[b]);
                if was == is || !self.nodes[a].up || !self.nodes[b].up {
                    continue;
                }
                let pid = self.nodes[b].pid();
                self.tell(a, if is { Input::PeerUp(pid) } else { Input::PeerDown(pid) });
                if is {
                    self.exchange(a, b);
                }
            }
        }
    }

    pub(crate) fn crash(&mut self, n: usize) {
        if !self.nodes[n].up {
            return;
        }
        self.counts.crashes += 1;
        let mut what = "loses power".to_owned();
        // the last batch is on the disk whole, or cut off when the journal is opened; the file beside it by itself
        let mut durable = state_name(&self.nodes[n].view);
        if let Some(pending) = self.nodes[n].pending.take() {
            self.counts.crashes_unsynced += 1;
            let (survives, marked) = (self.dice.chance(50), self.dice.chance(50));
            if survives {
                self.append(n, &pending.facts);
                self.nodes[n].view = self.nodes[n].engine.state().clone();
                durable = state_name(&self.nodes[n].view);
            }
            if let Some(highwater) = pending.highwater.filter(|_| marked) {
                self.nodes[n].highwater = highwater;
            }
            what = format!("loses power while syncing {} facts: they survive: {survives}", pending.facts.len());
        }
        self.note(n, None, what);
        for peer in self.peers(n) {
            let pid = self.nodes[n].pid();
            self.tell(peer, Input::PeerDown(pid));
        }
        let node = &mut self.nodes[n];
        node.last_durable = Some(durable);
        node.up = false;
        node.life += 1;
        node.turning = false;
        node.doomed = false;
        node.own.clear();
        node.orders.clear();
        node.waiting.clear();
        node.exchanges.clear();
        node.tries.clear();
        let back = self.dice.between(500, 30_000);
        let restore = !self.quiet && !self.nodes[n].commits.is_empty() && self.dice.chance(25);
        let fault = if restore { Fault::Restore(n, self.dice.chance(60)) } else { Fault::Start(n) };
        self.after(back, Event::Breaks(fault));
    }

    /// Starts a node from its journal; from an older copy of it, with or without the high-water file beside it.
    pub(crate) fn start(&mut self, n: usize, restore: Option<bool>) {
        if self.nodes[n].up {
            return;
        }
        if let Some(kept) = restore {
            self.cut_back(n, kept);
        }
        let drops_last = self.is_mutant(n, Mutant::ReplayDropsLast);
        let seed = self.number();
        let node = &mut self.nodes[n];
        let mut engine = fresh_engine(&self.charter, &node.agency, seed);
        node.book = Book::default();
        let last = node.journal.len() - usize::from(drops_last && !node.journal.is_empty());
        for bytes in &node.journal[..last] {
            let fact = read_fact(bytes);
            engine.replay(&fact);
            node.book.note(&fact, &engine.state().federation);
        }
        node.engine = engine;
        node.replayed = Some(state_name(node.engine.state()));
        // what was promised on a disk that is no more is gone with it
        let (ids, heard) = (node.book.ids.clone(), node.book.heard.clone());
        if restore.is_some() {
            node.promised.0.retain(|id| ids.contains(id));
            node.promised.1.retain(|id| heard.contains(id));
        }
        node.marked |= node.is_older_copy();
        let restored = node.marked;
        let highwater = node.highwater.clone();
        node.up = true;
        node.jumped = 0;
        node.open_ticks = 0;
        self.changed.insert(n);
        let now = self.clock(n);
        self.note(n, None, format!("starts with {last} facts; an older copy: {restored}"));
        let asserts = self.is_mutant(n, Mutant::OldCopySigns) || self.is_mutant(n, Mutant::SignBeforeSync);
        self.nodes[n].view = self.nodes[n].engine.state().clone();
        let mut step = self.nodes[n].engine.resume(now, highwater, restored, &[]);
        if asserts {
            let input = Input::Local { command: Box::new(Command::AssertCurrent), by: None, reply: 0 };
            let more = self.nodes[n].engine.handle(input, now);
            step.facts.extend(more.facts);
            step.effects.extend(more.effects);
        }
        self.settle(n, step);
        let me = self.nodes[n].pid();
        for peer in self.peers(n) {
            let pid = self.nodes[peer].pid();
            self.tell(n, Input::PeerUp(pid));
            self.tell(peer, Input::PeerUp(me));
        }
        let life = self.nodes[n].life;
        let soon = self.dice.between(10, 400);
        self.after(soon, Event::Tick(n, life));
        self.go_on(n);
    }

    /// Cuts the journal back to an earlier commit. A copy without the high-water file beside it is only safe where what
    /// was signed since has reached all but two of the others (docs/simulation.md).
    fn cut_back(&mut self, n: usize, highwater_kept: bool) {
        let me = self.nodes[n].pid();
        let at = self.dice.below(self.nodes[n].commits.len() as u64) as usize;
        let keep = self.nodes[n].commits[at];
        let lost: Vec<_> = self.nodes[n].journal[keep..]
            .iter()
            .filter_map(|b| match read_fact(b) {
                Fact::Reserved(r) => Some(r.header.id()),
                Fact::Entry(k) if k.entry.header().pid == me => Some(k.entry.id()),
                _ => None,
            })
            .collect();
        let known: Vec<usize> = (0..self.nodes.len())
            .filter(|p| *p != n && self.nodes[n].view.federation.is_participant(&self.nodes[*p].pid()))
            .collect();
        // it asks as many as it knew then, three at most: one of any so many must have what was signed since
        let mut then = fresh_engine(&self.charter, &self.nodes[n].agency, 0);
        self.nodes[n].journal[..keep].iter().for_each(|bytes| then.replay(&read_fact(bytes)));
        let federation = &then.state().federation;
        let asked = federation.pids().filter(|p| *p != me && federation.is_participant(p)).count().min(3);
        let spread = lost.iter().all(|id| {
            let without = known.iter().filter(|p| !self.nodes[**p].book.ids.contains(id)).count();
            without < asked.min(known.len())
        });
        // the high-water file names the ends of logs: a copy in which only cases are older is told by the mark alone
        let cases = self.nodes[n].journal[keep..].iter().any(|b| {
            matches!(
                read_fact(b),
                Fact::Said(_) | Fact::Heard(_) | Fact::Recovered(_) | Fact::Declined(_) | Fact::Receipt(_)
            )
        });
        let liars = self.nodes.iter().any(|node| !node.honest());
        let kept = highwater_kept || !spread || liars;
        self.counts.restores += 1;
        let node = &mut self.nodes[n];
        let gone = node.journal.len() - keep;
        node.journal.truncate(keep);
        node.commits.truncate(at + 1);
        node.last_durable = None;
        node.stood.clear();
        if !kept {
            node.highwater.clear();
        }
        node.marked |= !kept || cases;
        self.note(n, None, format!("an older copy without the last {gone} facts; high-water file kept: {kept}"));
    }

    fn count_standings(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if node.counted == node.view.as_of {
            return;
        }
        node.counted = node.view.as_of;
        let now: std::collections::BTreeMap<_, _> =
            node.view.federation.pids().filter_map(|p| Some((p, node.view.federation.standing(&p)?))).collect();
        let was_candidate = |s: Option<&Standing>| s.is_none_or(|s| *s != Standing::Participant);
        let founders = node.view.federation.founders();
        let admitted = now
            .iter()
            .filter(|(p, s)| **s == Standing::Participant && was_candidate(node.stood.get(p)) && !founders.contains(p));
        self.counts.admissions += admitted.count() as u64;
    }

    /// Puts a refusal that may pass later into words for the trace.
    pub(crate) fn refused_later(why: Refusal) -> bool {
        why.may_pass_later()
    }
}
