//! What nodes do with each other's messages: gossip, anti-entropy, applications, statements and their receipts. Who is
//! served what is judged from the published state, as the node does it.

use crate::message::{Message, Req};
use crate::node::{Exchange, Role, Waiter};
use crate::world::{Event, World};
use lapwing_engine::author::Placed;
use lapwing_engine::between::Between;
use lapwing_engine::case::Told;
use lapwing_engine::fact::Fact;
use lapwing_engine::federation::{BUCKETS, Federation, Plane};
use lapwing_engine::step::{Answer, Came, Input, read_locked_form};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, MsgId, Pid, ThreadId};
use lapwing_record::locked;
use lapwing_record::sign::{Context, Sign1};
use lapwing_record::statement::{Delivered, Receipt, Refusal, SignedStmt, VerifiedStmt, signed_hash};
use lapwing_record::wire::{Ack, HeadRow, ThreadHeads, Want};

/// Milliseconds between two exchanges that a node begins by itself.
const TICK_MS: u64 = 8_000;
/// Milliseconds to the first look again at what is open; twice as long each time.
const OPEN_TICK_MS: u64 = 750;
/// Milliseconds after which an answer is not waited for any more.
const TIMEOUT_MS: u64 = 10_000;
/// Rounds of one exchange at most.
const MAX_ROUNDS: u32 = 32;
/// Milliseconds that a clock may differ from the median of its peers before automatic signing pauses.
const CLOCK_TOLERANCE_MS: i64 = 10 * 60 * 1000;

fn rows_of(federation: &Federation, plane: Plane) -> Vec<HeadRow> {
    (0..BUCKETS).flat_map(|b| federation.head_rows(plane, b)).collect()
}

impl World {
    /// A node looks at its clock, its keys and its peers.
    pub(crate) fn tick(&mut self, n: usize) {
        self.watch_clock(n);
        self.housekeeping(n);
        let peers = self.peers(n);
        let open = !matches!(self.nodes[n].engine.head(), lapwing_engine::head::HeadCheck::Done)
            || self.nodes[n].engine.leveled().is_some();
        let apart = !class_known(self, n);
        if open {
            peers.iter().for_each(|p| self.exchange(n, *p));
        } else if !peers.is_empty() {
            // in turn: where one alone has something, chance could pass it over until the end
            let node = &mut self.nodes[n];
            node.turn = node.turn.wrapping_add(1);
            let peer = peers[node.turn % peers.len()];
            self.exchange(n, peer);
        }
        if apart && self.now >= self.nodes[n].applies_from {
            self.apply(n, &peers);
        }
        let since = if open { OPEN_TICK_MS } else { TICK_MS };
        self.rogue_tick(n, since);
        let life = self.nodes[n].life;
        let node = &mut self.nodes[n];
        node.open_ticks = if open { node.open_ticks.saturating_add(1) } else { 0 };
        let eager = OPEN_TICK_MS << node.open_ticks.min(4);
        let next = if open { eager.min(TICK_MS) } else { self.dice.between(TICK_MS * 4 / 5, TICK_MS * 6 / 5) };
        self.after(next, Event::Tick(n, life));
    }

    fn watch_clock(&mut self, n: usize) {
        let mine = self.clock(n) as i64;
        let mut offsets: Vec<i64> =
            self.peers(n).into_iter().map(|p| mine.saturating_sub(self.clock(p) as i64)).collect();
        offsets.sort_unstable();
        let median = (offsets.len() >= 3).then(|| offsets[offsets.len() / 2]);
        let off = median.unwrap_or(self.nodes[n].jumped);
        let doubt = (off.abs() > CLOCK_TOLERANCE_MS).then(|| format!("the clock is off by {off} ms"));
        if doubt.as_deref().is_some() != self.nodes[n].engine.clock_doubt().is_some() {
            self.tell(n, Input::ClockDoubt(doubt));
        }
    }

    // -- anti-entropy -----------------------------------------------------------------------------------------------

    /// Begins to pull from a peer, unless it does already.
    pub(crate) fn exchange(&mut self, n: usize, peer: usize) {
        if self.nodes[n].exchanges.values().any(|e| e.peer == peer) {
            return;
        }
        let req = self.number();
        let begun = Exchange { peer, plane: Plane::Pub, rounds: 0, lacking: Vec::new(), lacking_here: Vec::new() };
        self.nodes[n].exchanges.insert(req, begun);
        self.ask(n, req);
    }

    fn ask(&mut self, n: usize, req: Req) {
        let Some(req) = self.next_question(n, req) else { return };
        let exchange = self.nodes[n].exchanges.get_mut(&req).expect("it was just numbered");
        exchange.rounds += 1;
        let (peer, plane) = (exchange.peer, exchange.plane);
        let root = self.nodes[n].view.federation.heads_root(plane);
        self.send(n, peer, Message::Ask(req, plane, root));
        self.time_out(n, req);
    }

    /// Each question of an exchange has a number of its own, as on the wire a stream: an answer that comes twice, or late,
    /// is none to another question.
    fn next_question(&mut self, n: usize, req: Req) -> Option<Req> {
        let exchange = self.nodes[n].exchanges.remove(&req)?;
        let next = self.number();
        self.nodes[n].exchanges.insert(next, exchange);
        Some(next)
    }

    fn time_out(&mut self, n: usize, req: Req) {
        let life = self.nodes[n].life;
        self.after(TIMEOUT_MS, Event::TimedOut(n, life, req));
    }

    pub(crate) fn timed_out(&mut self, n: usize, req: Req) {
        // of an exchange that went on the last question alone counts; ending it early costs the next one only
        self.nodes[n].exchanges.remove(&req);
        if let Some((thread, id)) = self.nodes[n].tries.remove(&req) {
            self.tell(n, Input::Tried { thread, id, outcome: Err("no answer".into()) });
        }
    }

    fn take_heads(&mut self, n: usize, req: Req, rows: Option<Vec<HeadRow>>) {
        let node = &mut self.nodes[n];
        let me = node.pid();
        let Some(exchange) = node.exchanges.get_mut(&req) else { return };
        let Some(rows) = rows else {
            exchange.lacking_here.clear();
            return self.plane_done(n, req);
        };
        let federation = &node.view.federation;
        let mut wants: Vec<(LogKind, Want)> =
            rows.iter().filter_map(|row| federation.lacking(row).map(|want| (row.log, want))).collect();
        let own = rows.iter().filter(|row| row.pid == me && federation.lacking(row).is_some());
        exchange.lacking_here = own.cloned().collect();
        wants.sort_by_key(|(log, w)| (*log, w.pid, w.epoch));
        if wants.is_empty() {
            return self.plane_done(n, req);
        }
        let peer = exchange.peer;
        let Some(req) = self.next_question(n, req) else { return };
        self.send(n, peer, Message::Want(req, wants.into_iter().map(|(_, w)| w).collect()));
        self.time_out(n, req);
    }

    fn plane_done(&mut self, n: usize, req: Req) {
        let Some(exchange) = self.nodes[n].exchanges.get(&req).cloned() else { return };
        let peer = exchange.peer;
        let pid = self.nodes[peer].pid();
        let lacking = [exchange.lacking.clone(), exchange.lacking_here.clone()].concat();
        if exchange.plane == Plane::Pub && self.nodes[n].between(&pid) == Between::Agencies {
            let next = Exchange { plane: Plane::Agy, rounds: 0, lacking, lacking_here: Vec::new(), ..exchange };
            self.nodes[n].exchanges.insert(req, next);
            return self.ask(n, req);
        }
        self.nodes[n].exchanges.remove(&req);
        self.tell(n, Input::HeadAnswer { from: pid, lacking, log2: exchange.plane == Plane::Agy });
        if self.nodes[n].engine.leveled().is_some_and(|l| !l.contains(&pid)) {
            let mine = self.nodes[n].view.cases.values().filter(|c| c.peer(&self.nodes[n].pid()) == pid);
            let me = self.nodes[n].pid();
            let heads = mine.map(|c| ThreadHeads {
                thread: c.thread,
                own: c.side(&me).len() as u64,
                theirs: c.side(&pid).len() as u64,
            });
            let heads = heads.collect();
            self.send(n, peer, Message::Level(req, heads));
        }
    }

    /// What became of entries that were handed in.
    pub(crate) fn placed(&mut self, n: usize, from: usize, authors: &[Pid], placed: &[Placed], req: Option<Req>) {
        for (author, placed) in authors.iter().zip(placed) {
            if matches!(placed, Placed::Forks { .. }) {
                self.counts.forks_shown += 1;
            }
            let honest_author = self.index.get(author).is_some_and(|a| self.nodes[*a].honest());
            if let Placed::Invalid(why) = placed
                && honest_author
                && self.nodes[from].honest()
                && self.nodes[n].honest()
            {
                self.nodes[n].wrong.push(("21", format!("refuses an entry of a correct author: {why}")));
            }
        }
        let Some(req) = req else {
            if placed.iter().any(|p| matches!(p, Placed::Gap { .. } | Placed::UnknownAuthor | Placed::UnknownEpoch)) {
                self.exchange(n, from);
            }
            return;
        };
        let fresh = placed.iter().any(|p| matches!(p, Placed::New | Placed::Forks { .. }));
        let Some(exchange) = self.nodes[n].exchanges.get(&req) else { return };
        if fresh && exchange.rounds < MAX_ROUNDS { self.ask(n, req) } else { self.plane_done(n, req) }
    }

    fn serve(&mut self, n: usize, from: usize, message: Message) {
        let pid = self.nodes[from].pid();
        let class = self.nodes[n].between(&pid);
        let closed = |plane: Plane| class == Between::Nothing || (plane == Plane::Agy && class != Between::Agencies);
        let view = &self.nodes[n].view;
        let answer = match message {
            Message::Ask(req, plane, _) if closed(plane) => Message::NotForYou(req),
            Message::Ask(req, plane, root) if root == view.federation.heads_root(plane) => Message::Heads(req, None),
            Message::Ask(req, plane, _) => Message::Heads(req, Some(self.shown_rows(n, plane))),
            Message::Want(req, wants) if wants.iter().any(|w| closed(Plane::of(w.log))) => Message::NotForYou(req),
            Message::Want(req, wants) => Message::Batch(req, self.collect(n, &wants)),
            _ => return,
        };
        if matches!(answer, Message::NotForYou(_)) {
            self.counts.refused += 1;
        }
        self.send(n, from, answer);
    }

    fn shown_rows(&self, n: usize, plane: Plane) -> Vec<HeadRow> {
        let mut rows = rows_of(&self.nodes[n].view.federation, plane);
        if self.nodes[n].role == Role::Withholder {
            let me = self.nodes[n].pid();
            rows.retain(|row| row.pid == me);
        }
        rows
    }

    fn collect(&self, n: usize, wants: &[Want]) -> Vec<Entry> {
        let node = &self.nodes[n];
        let mut out = Vec::new();
        for want in wants {
            if want.log == LogKind::Id {
                let Some(author) = node.view.federation.author(&want.pid) else { continue };
                let mut all: Vec<Entry> =
                    author.id_entries().filter(|e| e.header().seq >= want.from).cloned().collect();
                all.sort_by_key(|e| (e.header().seq, e.id()));
                out.extend(all);
            } else {
                let first = (want.pid, want.log, want.epoch, want.from, EntryId([0; 32]));
                let last = (want.pid, want.log, want.epoch, u64::MAX, EntryId([0xff; 32]));
                out.extend(node.book.entries.range(first..=last).map(|(_, e)| e.clone()));
            }
        }
        out
    }

    // -- arrival ----------------------------------------------------------------------------------------------------

    pub(crate) fn arrives(&mut self, from: usize, n: usize, message: Message) {
        let pid = self.nodes[from].pid();
        let class = self.nodes[n].between(&pid);
        match message {
            Message::Gossip(entry) => {
                if class != Between::Nothing {
                    self.take_entries(n, from, vec![*entry], true, None);
                }
            }
            Message::Push(entry) => {
                if class != Between::Nothing {
                    let id = entry.id();
                    let make = |reply| Input::Entries { entries: vec![*entry], gossiped: false, reply: Some(reply) };
                    self.order(n, Waiter::Pushed(from, id), make);
                }
            }
            Message::Ack(entry, ack) => self.take_ack(n, entry, *ack),
            Message::Ask(..) | Message::Want(..) => self.serve(n, from, message),
            Message::Heads(req, rows) => self.take_heads(n, req, rows),
            Message::Batch(req, entries) => {
                if self.nodes[n].exchanges.contains_key(&req) {
                    self.take_entries(n, from, entries, false, Some(req));
                }
            }
            Message::NotForYou(req) => drop(self.nodes[n].exchanges.remove(&req)),
            Message::Apply(application) => {
                let make = |reply| Input::Apply { application, reply };
                self.order(n, Waiter::Applied(pid), make);
            }
            Message::Case(req, signed) => self.take_statement(n, from, req, &signed),
            Message::Delivered(req, answer) => {
                if let Some((thread, id)) = self.nodes[n].tries.remove(&req) {
                    self.tell(n, Input::Tried { thread, id, outcome: Ok(*answer) });
                }
            }
            Message::Level(req, heads) => self.give_back(n, from, req, &heads),
            Message::Returned(_, signed, more) => self.take_back(n, from, signed, more),
        }
    }

    fn take_entries(&mut self, n: usize, from: usize, entries: Vec<Entry>, gossiped: bool, req: Option<Req>) {
        let authors = entries.iter().map(|e| e.header().pid).collect();
        let make = |reply| Input::Entries { entries, gossiped, reply: Some(reply) };
        self.order(n, Waiter::Placed(from, authors, req), make);
    }

    fn take_ack(&mut self, n: usize, entry: EntryId, sign1: Sign1) {
        let Ok(ack) = decode::<Ack>(&sign1.payload, 1024) else { return };
        let Some(author) = self.nodes[n].view.federation.author(&ack.by) else { return };
        let valid = sign1.open(&author.id.current().feed, &self.network, Context::Ack).is_ok();
        if valid && ack.entry == entry {
            self.counts.acks += 1;
            self.tell(n, Input::Acked { entry, by: ack.by, ack: Box::new(sign1) });
        }
    }

    // -- statements -------------------------------------------------------------------------------------------------

    /// A statement as it was signed, wherever it came from.
    pub(crate) fn signed(&self, n: usize, thread: &ThreadId, id: &MsgId) -> Option<SignedStmt> {
        let node = &self.nodes[n];
        let locked = match node.view.unsent.get(id) {
            Some(locked) if !locked.0.is_empty() => locked.clone(),
            _ => node.book.statements.get(id)?.1.clone(),
        };
        let plain = locked::unlock(&node.case_key(thread), &id.0, &locked).ok()?;
        self.as_signed(n, &plain)
    }

    /// An own statement as it is signed; one that came back after a restore is kept so.
    fn as_signed(&self, n: usize, plain: &[u8]) -> Option<SignedStmt> {
        if let Ok(signed) = SignedStmt::decode(plain) {
            return Some(signed);
        }
        let (stmt, approvals) = read_locked_form(plain).ok()?;
        Some(SignedStmt::sign(&stmt, &self.nodes[n].feed(stmt.epoch), approvals))
    }

    pub(crate) fn deliver(&mut self, n: usize, thread: ThreadId, id: MsgId, to: Pid) {
        let to = self.index[&to];
        let Some(signed) = self.signed(n, &thread, &id) else {
            self.nodes[n].wrong.push(("22", format!("a statement of its own is gone: {}", id.short())));
            return;
        };
        if !self.connected(n, to) {
            let outcome = Err("the recipient's node is not connected".into());
            return self.tell(n, Input::Tried { thread, id, outcome });
        }
        let (pid, now) = (self.nodes[to].pid(), self.clock(n));
        if let Some(why) = self.nodes[n].view.held(&thread, &id, &pid, now) {
            return self.tell(n, Input::Tried { thread, id, outcome: Err(why) });
        }
        let req = self.number();
        self.nodes[n].tries.insert(req, (thread, id));
        self.send(n, to, Message::Case(req, encode(&signed)));
        self.time_out(n, req);
    }

    fn open(&self, n: usize, bytes: &[u8]) -> Result<VerifiedStmt, (Refusal, String)> {
        let invalid = |why: String| (Refusal::Invalid, why);
        let signed = SignedStmt::decode(bytes).map_err(|e| invalid(e.to_string()))?;
        let claimed = signed.claimed().map_err(|e| invalid(e.to_string()))?;
        let author = self.nodes[n].view.federation.author(&claimed.from);
        let author = author.ok_or((Refusal::SenderStanding, "the sender is not known here".to_owned()))?;
        let keys = author.id.keys(claimed.epoch);
        let keys = keys.ok_or((Refusal::SenderStanding, "the sender's epoch is not known here yet".to_owned()))?;
        signed.open(keys, &self.network).map_err(|e| invalid(e.to_string()))
    }

    fn lock(&mut self, n: usize, verified: &VerifiedStmt) -> Bytes {
        let nonce = self.dice.bytes();
        let key = self.nodes[n].case_key(&verified.stmt().thread);
        Bytes(locked::lock(&key, nonce, &verified.id().0, verified.signed_bytes()))
    }

    fn take_statement(&mut self, n: usize, from: usize, req: Req, bytes: &[u8]) {
        let verified = match self.open(n, bytes) {
            Ok(verified) => verified,
            Err(refused) => {
                self.counts.refused += 1;
                return self.send(n, from, Message::Delivered(req, Box::new(Delivered::Refused(refused))));
            }
        };
        let id = verified.id();
        if let Some(receipt) = self.takes_failed_for_duplicate(n, id, verified.signed_bytes()) {
            return self.answer_statement(n, from, req, id, Answer::Receipt(receipt));
        }
        if !self.quiet && self.dice.chance(4) {
            self.counts.refused += 1;
            self.nodes[n].refused.insert(id);
            let later = (Refusal::TryLater, "the receiver cannot store now".to_owned());
            return self.send(n, from, Message::Delivered(req, Box::new(Delivered::Refused(later))));
        }
        let locked = self.lock(n, &verified);
        let make = |reply| Input::Heard { stmt: Box::new(verified), locked, unfit: None, came: Came::Delivered, reply };
        self.order(n, Waiter::Heard(from, req, id), make);
    }

    pub(crate) fn answer_statement(&mut self, n: usize, to: usize, req: Req, id: MsgId, answer: Answer) {
        let delivered = match answer {
            Answer::Receipt(bytes) => {
                let Ok(sign1) = decode::<Sign1>(&bytes, 4096) else { return };
                self.nodes[n].promised.1.insert(id);
                self.changed.insert(n);
                Delivered::Receipt(sign1)
            }
            Answer::Refused(why, words) => {
                self.counts.refused += 1;
                if World::refused_later(why) {
                    self.nodes[n].refused.insert(id);
                }
                Delivered::Refused((why, words))
            }
            _ => return,
        };
        self.send(n, to, Message::Delivered(req, Box::new(delivered)));
    }

    fn give_back(&mut self, n: usize, from: usize, req: Req, heads: &[ThreadHeads]) {
        let peer = self.nodes[from].pid();
        let Ok((lacking, more)) = self.nodes[n].view.to_give_back(&peer, heads, self.clock(n)) else { return };
        if lacking.iter().any(|(_, t)| t.waits()) {
            self.sealed.push((n, from));
        }
        let signed = |(thread, t): &(ThreadId, &Told)| {
            self.signed(n, thread, &t.open.id).map(|s| (encode(&s), t.receipted().cloned()))
        };
        let out = lacking.iter().filter_map(signed).collect();
        self.send(n, from, Message::Returned(req, out, more));
    }

    fn take_back(&mut self, n: usize, from: usize, signed: Vec<(Vec<u8>, Option<Bytes>)>, more: bool) {
        let me = self.nodes[n].pid();
        for (bytes, receipt) in &signed {
            let Ok(verified) = self.open(n, bytes) else { continue };
            let (own, id) = (verified.stmt().from == me, verified.id());
            let locked = self.lock(n, &verified);
            let stmt = Box::new(verified);
            if own {
                self.tell(n, Input::Returned { stmt, locked });
            } else {
                self.order(n, Waiter::Person(format!("keeps what came back: {}", id.short())), |reply| Input::Heard {
                    stmt,
                    locked,
                    unfit: None,
                    came: Came::Back(receipt.clone()),
                    reply,
                });
            }
        }
        let peer = self.nodes[from].pid();
        if !more {
            self.tell(n, Input::ThreadsLevel(peer));
        }
    }

    /// A durable fact, as the judge of deliveries sees it.
    pub(crate) fn look_at(&mut self, n: usize, fact: &Fact) {
        let me = self.nodes[n].pid();
        match fact {
            Fact::Receipt(r) => {
                self.counts.receipts += 1;
                if let Err(why) = self.check_receipt(n, r.thread, r.id, &r.receipt) {
                    self.nodes[n].wrong.push(("23", why));
                }
            }
            Fact::Said(_) => self.counts.statements += 1,
            Fact::Entry(k) => {
                let header = k.entry.header();
                let federation = &self.nodes[n].engine.state().federation;
                if header.pid != me && federation.author(&header.pid).is_none() {
                    self.nodes[n].wrong.push(("18", format!("keeps an entry of a stranger: {}", header.pid.short())));
                }
                if header.pid == me && self.nodes[n].honest() && header.entry_type() == Some(EntryType::Excuse) {
                    self.counts.excuses += 1;
                }
            }
            _ => {}
        }
    }

    fn check_receipt(&self, n: usize, thread: ThreadId, id: MsgId, bytes: &Bytes) -> Result<(), String> {
        let state = self.nodes[n].engine.state();
        let case = state.case(&thread).ok_or("a receipt of no case")?;
        let peer = case.peer(&self.nodes[n].pid());
        let sign1: Sign1 = decode(bytes, 4096).map_err(|e| e.to_string())?;
        let epoch = Receipt::claimed(&sign1).map_err(|e| e.to_string())?.epoch;
        let author = state.federation.author(&peer).ok_or("a receipt of nobody")?;
        let keys = author.id.keys(epoch).ok_or("a receipt of an epoch that is not known")?;
        let receipt = Receipt::open(&sign1, keys, &self.network).map_err(|e| e.to_string())?;
        let locked = state.unsent.get(&id).cloned().or_else(|| Some(self.nodes[n].book.statements.get(&id)?.1.clone()));
        let plain = locked.and_then(|l| locked::unlock(&self.nodes[n].case_key(&thread), &id.0, &l).ok());
        let signed = plain.and_then(|plain| self.as_signed(n, &plain)).ok_or("what it is for is not here")?;
        let signed = encode(&signed);
        if receipt.msg_id != id || receipt.by != peer || receipt.hash != signed_hash(&signed) {
            return Err("the receipt is for something else".into());
        }
        Ok(())
    }
}

/// Whether the node knows that it takes part.
fn class_known(world: &World, n: usize) -> bool {
    use lapwing_engine::membership::Standing;
    matches!(world.nodes[n].view.my_standing(), Some(Standing::Participant | Standing::Suspended | Standing::Left))
}
