//! Adversaries: nodes that run the real engine and lie beside it, and a thief with somebody's feed key.

use crate::message::Message;
use crate::node::{Node, Role, Waiter};
use crate::people::Act;
use crate::world::{Event, World};
use lapwing_engine::federation::Plane;
use lapwing_engine::step::{Command, Input};
use lapwing_record::cbor::{Bytes, Cbor, encode};
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, EntryId, MsgId, NetworkId, Pid};
use lapwing_record::identity::{Act as Approved, Anchor, EpochKeys, GrantReason, KeyGrant, Officer};
use lapwing_record::membership::{Approval, Checkpoint, Excuse, ForkProof, Stance, Stances, Target, What};
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{Kind, Progress, SignedStmt, Stmt, Supplement, Tlp};
use lapwing_record::testkit::TestAgency;
use lapwing_record::wire::Want;

impl World {
    /// Somebody begins to lie.
    pub(crate) fn attack(&mut self, n: usize) {
        let role = self.nodes[n].role;
        if role == Role::Honest || self.nodes[n].view.tip(LogKind::Pub).is_none() {
            return;
        }
        // its own engine is about to write: one entry at a time
        if !self.nodes[n].view.reserved.is_empty() && !self.quiet {
            return self.after(700, Event::Person(n, Act::Attack));
        }
        self.counts.attacks += 1;
        self.note(n, None, format!("attacks: {role:?}"));
        match role {
            Role::Forker => self.fork(n),
            Role::ClockLiar => {
                let ten_years = 10 * 365 * 24 * 3_600_000_i64;
                let by = if self.dice.chance(50) { ten_years } else { -ten_years };
                self.clock_runs_off(n, by);
            }
            Role::EarlyExcuser => self.excuse_everybody(n),
            Role::FalseProver => self.prove_falsely(n),
            Role::Robbed => self.lead_to_theft(n),
            Role::Burgled => self.burgle(n),
            Role::FalseSeater => self.seat_everybody(n),
            Role::Greedy => self.object_without_a_say(n),
            Role::ClockRacer | Role::Flooder | Role::Withholder | Role::Honest => {}
        }
    }

    /// What an adversary does over and over.
    pub(crate) fn rogue_tick(&mut self, n: usize, since: u64) {
        if self.quiet {
            return;
        }
        match self.nodes[n].role {
            Role::Greedy => self.ask_for_everything(n),
            Role::Flooder => self.flood(n),
            Role::ClockRacer => self.clock_runs_off(n, since as i64 * 49),
            _ => {}
        }
    }

    fn clock_runs_off(&mut self, n: usize, by: i64) {
        self.nodes[n].offset = self.nodes[n].offset.saturating_add(by);
        self.nodes[n].jumped = self.nodes[n].jumped.saturating_add(by);
        self.tell(n, Input::Wake);
    }

    fn ask_for_everything(&mut self, n: usize) {
        for peer in self.peers(n) {
            let req = self.number();
            self.send(n, peer, Message::Ask(req, Plane::Agy, Digest([0; 32])));
            let pid = self.nodes[peer].pid();
            let want = Want { pid, log: LogKind::Agy, epoch: 0, from: 0 };
            self.send(n, peer, Message::Want(req, vec![want]));
        }
    }

    fn flood(&mut self, n: usize) {
        let old: Vec<Entry> = self.nodes[n].book.entries.values().cloned().collect();
        let far = Some((self.dice.between(50, 5_000), EntryId(self.dice.bytes())));
        let stance = || Stances { items: vec![Stance::by_node(What::Clear, Target::Participant(Pid([7; 32])))] };
        for to in self.peers(n) {
            for _ in 0..6 {
                let made_up = TestAgency::named(&format!("made-up-{}", self.number()));
                let application = Box::new(made_up.application(&self.network));
                self.send(n, to, Message::Apply(application));
                let strange = made_up.entry(&self.network, None, EntryType::Stances, &stance());
                self.send(n, to, Message::Gossip(Box::new(strange)));
            }
            for _ in 0..20 {
                if let Some(entry) = self.dice.pick(&old) {
                    self.send(n, to, Message::Gossip(Box::new(entry.clone())));
                    self.send(n, to, Message::Push(Box::new(entry)));
                }
            }
            let beyond = self.nodes[n].agency.entry(&self.network, far, EntryType::Stances, &stance());
            self.send(n, to, Message::Gossip(Box::new(beyond)));
            let req = self.number();
            let root = Digest(self.dice.bytes());
            self.send(n, to, Message::Ask(req, Plane::Pub, root));
            self.say_out_of_place(n, to);
        }
    }

    /// A statement in each case with a peer, two places further than the last one.
    fn say_out_of_place(&mut self, n: usize, to: usize) {
        let (node, peer) = (&self.nodes[n], self.nodes[to].pid());
        let cases = node.view.cases.values().filter(|c| c.peer(&node.pid) == peer);
        let said: Vec<Stmt> = cases
            .map(|case| {
                let (kind, body) = if case.requester == peer {
                    (Kind::Progress, encode(&Progress { text: "Later.".into(), expected: None }))
                } else {
                    (Kind::Supplement, encode(&Supplement { text: "Later.".into(), form: None, unknown: vec![] }))
                };
                Stmt {
                    version: 1,
                    network_id: self.network,
                    thread: case.thread,
                    msg_no: case.side(&node.pid).len() as u64 + 2,
                    prev_own: Some(MsgId([7; 32])),
                    seen_peer: case.side(&peer).last().map(|t| t.open.id),
                    from: node.pid,
                    epoch: node.epoch(),
                    to: peer,
                    clock: self.clock(n),
                    expires: u64::MAX >> 1,
                    kind,
                    handling: Tlp::Amber,
                    body: Bytes(body),
                    blobs: Vec::new(),
                }
            })
            .collect();
        for stmt in said {
            let signed = SignedStmt::sign(&stmt, &self.nodes[n].feed(stmt.epoch), None);
            let req = self.number();
            self.send(n, to, Message::Case(req, encode(&signed)));
        }
    }

    /// The next entry of a log, signed with its feed key, without asking its engine.
    fn signed_entry<B: Cbor>(&self, n: usize, kind: EntryType, body: &B) -> Entry {
        let node = &self.nodes[n];
        let epoch = node.epoch();
        node.agency.signed(&self.network, &node.feed(epoch), epoch, node.view.tip(kind.log()), kind, encode(body))
    }

    /// Puts an entry into the adversary's own log, and tells everybody.
    fn slip_in<B: Cbor>(&mut self, n: usize, kind: EntryType, body: &B) {
        let entry = self.signed_entry(n, kind, body);
        self.tell(n, Input::Entries { entries: vec![entry.clone()], gossiped: false, reply: None });
        self.gossip(n, &entry);
    }

    fn fork(&mut self, n: usize) {
        let subjects: Vec<Pid> = self.strangers_to(n).collect();
        let twins = match self.dice.pick(&subjects) {
            // object to half of them, clear for the other half
            Some(of) if self.dice.chance(50) => {
                let objects = Stances { items: vec![self.approved(n, What::Object, of, 10)] };
                let clears = Stances { items: vec![Stance::by_node(What::Clear, Target::Participant(of))] };
                [objects, clears].map(|stances| self.signed_entry(n, EntryType::Stances, &stances))
            }
            _ => [1, 2].map(|salt| {
                let checkpoint = Checkpoint {
                    frontier: Digest([salt; 32]),
                    state: Digest([salt; 32]),
                    entries: 1,
                    agencies: 1,
                    schema: 1,
                    audit: None,
                };
                self.signed_entry(n, EntryType::Checkpoint, &checkpoint)
            }),
        };
        for to in self.peers(n) {
            let twin = twins[self.dice.below(2) as usize].clone();
            self.send(n, to, Message::Gossip(Box::new(twin)));
        }
        let entries = twins.to_vec();
        self.tell(n, Input::Entries { entries, gossiped: false, reply: None });
    }

    /// Everybody else but the founders, introduced or not.
    fn strangers_to(&self, n: usize) -> impl Iterator<Item = Pid> + '_ {
        let me = self.nodes[n].pid();
        self.nodes[self.founders..].iter().map(Node::pid).filter(move |pid| *pid != me)
    }

    /// What the officers of a node say, with their approval.
    fn approved(&self, n: usize, what: What, of: Pid, number: u64) -> Stance {
        let (node, target) = (&self.nodes[n], Target::Participant(of));
        let act = what.act().expect("a word of officers");
        let approval = Approval::of_stance(node.pid(), node.epoch(), number, act, target);
        let by = approval.sign(&node.officer(node.epoch()), &self.network);
        Stance { what, target, n: Some(number), approvals: Some(vec![by]) }
    }

    /// A private-sector participant objects to everybody: it has no say.
    fn object_without_a_say(&mut self, n: usize) {
        let items = self.strangers_to(n).map(|of| self.approved(n, What::Object, of, 1)).collect();
        self.slip_in(n, EntryType::Stances, &Stances { items });
    }

    /// Everybody is seated before a word is said of them: they become electors of each other.
    fn seat_everybody(&mut self, n: usize) {
        let items = self.strangers_to(n).map(|of| Stance::by_node(What::Seat, Target::Participant(of))).collect();
        self.slip_in(n, EntryType::Stances, &Stances { items });
        // later those who elect each other fall out
        for other in (self.founders..self.nodes.len()).filter(|o| *o != n) {
            let subjects: Vec<Pid> = self.strangers_to(other).collect();
            if let Some(of) = self.dice.pick(&subjects).filter(|_| self.nodes[other].agency.is_agency()) {
                let later = self.dice.between(90_000, 150_000);
                self.after(later, Event::Person(other, Act::Vote(Target::Participant(of), Approved::Object, 3)));
            }
        }
    }

    /// A thief with the feed key and the officers' keys contradicts what they said; later the root takes the logs back to
    /// where they stood.
    fn burgle(&mut self, n: usize) {
        let node = &self.nodes[n];
        let ends = node.engine.high_water().unwrap_or_default();
        let ends: Vec<Anchor> = ends.into_iter().map(|(log, seq, id)| Anchor { log, seq, id }).collect();
        let subjects: Vec<Pid> = self.strangers_to(n).collect();
        let mut items = Vec::new();
        for of in subjects {
            let what = if self.dice.chance(50) { What::Object } else { What::Consent };
            items.push(self.approved(n, what, of, 10_000));
        }
        let entry = self.signed_entry(n, EntryType::Stances, &Stances { items });
        self.note(n, None, "(a thief writes with the keys of node and officers)");
        for to in (0..self.nodes.len()).filter(|to| *to != n) {
            self.send(n, to, Message::Gossip(Box::new(entry.clone())));
        }
        let later = self.dice.between(5_000, 30_000);
        self.after(later, Event::Person(n, Act::Recover(ends)));
    }

    /// The root grants new keys, and stands by the logs as they were before the thief.
    pub(crate) fn recover_keys(&mut self, n: usize, anchors: Vec<Anchor>) {
        let node = &self.nodes[n];
        let chain = node.view.federation.author(&node.pid()).map(|a| a.id_chain()).unwrap_or_default();
        let Some(last) = chain.last() else { return };
        let epoch = node.epoch() + 1;
        let keys = EpochKeys {
            feed: node.feed(epoch).public(),
            officers: vec![Officer { key: node.officer(epoch).public(), not_after: u64::MAX >> 1 }],
            policy: Vec::new(),
        };
        let grant = KeyGrant { epoch, keys, anchors, reason: GrantReason::Compromise };
        let entry = node.agency.id_entry(&self.network, last, EntryType::KeyGrant, &grant);
        self.counts.recoveries += 1;
        self.command(n, Waiter::Person("is granted new keys".into()), Command::IdEntry(Box::new(entry)));
    }

    fn excuse_everybody(&mut self, n: usize) {
        let me = self.nodes[n].pid();
        let mut silent: Vec<Pid> = self.nodes[n].view.federation.pids().filter(|p| *p != me).collect();
        silent.sort();
        let founders = self.nodes[n].view.federation.founders().clone();
        let target = silent.iter().find(|p| !founders.contains(p)).copied();
        if let Some(target) = target {
            self.slip_in(n, EntryType::Excuse, &Excuse { target: Target::Participant(target), silent });
        }
    }

    fn prove_falsely(&mut self, n: usize) {
        let me = self.nodes[n].pid();
        let others: Vec<Pid> = self.nodes[n].view.federation.pids().filter(|p| *p != me).collect();
        let Some(victim) = self.dice.pick(&others) else { return };
        let of = |pid: Pid, book: &crate::node::Book| -> Vec<Sign1> {
            let entries = book.entries.values().filter(|e| e.header().pid == pid && e.header().log == LogKind::Pub);
            entries.map(|e| e.signatures()[0].clone()).collect()
        };
        let theirs = of(victim, &self.nodes[n].book);
        let mine = of(me, &self.nodes[n].book);
        let Some(real) = theirs.first().cloned() else { return };
        let proof = match self.dice.below(4) {
            // the same entry twice
            0 => ForkProof { a: real.clone(), b: real },
            // two authors at one place
            1 => ForkProof { a: real, b: mine.first().cloned().unwrap_or_else(|| theirs[0].clone()) },
            // two places of one author
            2 => ForkProof { a: real, b: theirs.last().cloned().unwrap_or_else(|| theirs[0].clone()) },
            // what the victim signed for another network
            _ => {
                let Some(at) = self.index.get(&victim) else { return };
                let agency = &self.nodes[*at].agency;
                let foreign = NetworkId([9; 32]);
                let stances = Stances { items: vec![Stance::by_node(What::Noted, Target::Participant(me))] };
                let twin = agency.entry(&foreign, None, EntryType::Stances, &stances);
                ForkProof { a: real, b: twin.signatures()[0].clone() }
            }
        };
        let sorted = |s: &Sign1| lapwing_record::id::HashOf::Entry.hash(&s.payload);
        let proof = if sorted(&proof.a) <= sorted(&proof.b) { proof } else { ForkProof { a: proof.b, b: proof.a } };
        self.slip_in(n, EntryType::ForkProof, &proof);
    }

    /// Its officers consent, then change their minds; the thief comes after that.
    fn lead_to_theft(&mut self, n: usize) {
        let known: Vec<Pid> =
            self.strangers_to(n).filter(|p| self.nodes[n].view.federation.author(p).is_some()).collect();
        if let Some(of) = self.dice.pick(&known) {
            self.after(0, Event::Person(n, Act::Vote(Target::Participant(of), Approved::Consent, 0)));
            self.after(6_000, Event::Person(n, Act::Vote(Target::Participant(of), Approved::Object, 0)));
        }
        self.after(12_000, Event::Person(n, Act::Steal));
    }

    /// A thief with the feed key: says an officer's old word again, clears and seats everybody.
    pub(crate) fn steal(&mut self, n: usize) {
        let me = self.nodes[n].pid();
        let federation = &self.nodes[n].view.federation;
        let targets: Vec<Pid> = federation.pids().filter(|p| *p != me && !federation.founders().contains(p)).collect();
        let mut items: Vec<Stance> = Vec::new();
        for entry in self.nodes[n].book.entries.values().filter(|e| e.header().pid == me) {
            if entry.header().entry_type() == Some(EntryType::Stances)
                && let Some(Ok(stances)) = entry.body().map(Stances::decode)
            {
                items.extend(stances.items.into_iter().filter(|s| s.what.act().is_some() && s.what != What::Object));
            }
        }
        // and words with approvals that were made for another word
        let borrowed = items.first().cloned();
        for target in targets.iter().map(|p| Target::Participant(*p)) {
            items.extend([What::Clear, What::Seat].map(|what| Stance::by_node(what, target)));
            if let Some(old) = &borrowed {
                let n = old.n.map(|n| n + 50);
                items.push(Stance { what: What::Withdraw, target, n, approvals: old.approvals.clone() });
                items.push(Stance { what: What::Object, target, n, approvals: old.approvals.clone() });
            }
        }
        items.truncate(60);
        if items.is_empty() {
            return;
        }
        let entry = self.signed_entry(n, EntryType::Stances, &Stances { items });
        let bytes = encode(&entry).len();
        self.note(n, None, format!("(a thief writes {bytes} bytes with its feed key)"));
        // the thief stands anywhere: the one robbed learns of it from the others
        for to in (0..self.nodes.len()).filter(|to| *to != n) {
            self.send(n, to, Message::Gossip(Box::new(entry.clone())));
        }
    }
}
