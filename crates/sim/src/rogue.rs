//! Adversaries: nodes that run the real engine and lie beside it, and a thief with somebody's feed key.

use crate::message::Message;
use crate::node::Role;
use crate::world::World;
use lapwing_engine::federation::Plane;
use lapwing_engine::step::Input;
use lapwing_record::cbor::{Cbor, encode};
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{Digest, NetworkId, Pid};
use lapwing_record::membership::{Checkpoint, Excuse, ForkProof, Stance, Stances, Target, What};
use lapwing_record::sign::Sign1;
use lapwing_record::wire::Want;

impl World {
    /// Somebody begins to lie.
    pub(crate) fn attack(&mut self, n: usize) {
        let role = self.nodes[n].role;
        if role == Role::Honest || self.nodes[n].view.tip(LogKind::Pub).is_none() {
            return;
        }
        self.counts.attacks += 1;
        self.note(n, None, format!("attacks: {role:?}"));
        match role {
            Role::Forker => self.fork(n),
            Role::ClockLiar => {
                let ten_years = 10 * 365 * 24 * 3_600_000_i64;
                self.nodes[n].offset = if self.dice.chance(50) { ten_years } else { -ten_years };
                self.nodes[n].jumped = self.nodes[n].offset;
                self.tell(n, Input::Wake);
            }
            Role::EarlyExcuser => self.excuse_everybody(n),
            Role::FalseProver => self.prove_falsely(n),
            Role::Robbed => self.steal(n),
            Role::Greedy | Role::Withholder | Role::Honest => {}
        }
    }

    /// What an adversary does over and over.
    pub(crate) fn rogue_tick(&mut self, n: usize) {
        if self.nodes[n].role != Role::Greedy || self.quiet {
            return;
        }
        for peer in self.peers(n) {
            let req = self.number();
            self.send(n, peer, Message::Ask(req, Plane::Agy, Digest([0; 32])));
            let pid = self.nodes[peer].pid();
            let want = Want { pid, log: LogKind::Agy, epoch: 0, from: 0 };
            self.send(n, peer, Message::Want(req, vec![want]));
        }
    }

    /// The next entry of a log, signed with its feed key, without asking its engine.
    fn signed_entry<B: Cbor>(&self, n: usize, kind: EntryType, body: &B) -> Entry {
        let node = &self.nodes[n];
        node.agency.entry(&self.network, node.view.tip(kind.log()), kind, body)
    }

    /// Puts an entry into the adversary's own log, and tells everybody.
    fn slip_in<B: Cbor>(&mut self, n: usize, kind: EntryType, body: &B) {
        if !self.nodes[n].view.reserved.is_empty() {
            return;
        }
        let entry = self.signed_entry(n, kind, body);
        self.tell(n, Input::Entries { entries: vec![entry.clone()], gossiped: false, reply: None });
        self.gossip(n, &entry);
    }

    fn fork(&mut self, n: usize) {
        let checkpoint = |salt: u8| Checkpoint {
            frontier: Digest([salt; 32]),
            state: Digest([salt; 32]),
            entries: 1,
            agencies: 1,
            schema: 1,
            audit: None,
        };
        let twins = [1, 2].map(|salt| self.signed_entry(n, EntryType::Checkpoint, &checkpoint(salt)));
        for to in self.peers(n) {
            let twin = twins[self.dice.below(2) as usize].clone();
            self.send(n, to, Message::Gossip(Box::new(twin)));
        }
        let entries = twins.to_vec();
        self.tell(n, Input::Entries { entries, gossiped: false, reply: None });
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

    /// A thief with the feed key: says an officer's old word again, clears and seats everybody.
    fn steal(&mut self, n: usize) {
        let me = self.nodes[n].pid();
        let federation = &self.nodes[n].view.federation;
        let targets: Vec<Pid> = federation.pids().filter(|p| *p != me && !federation.founders().contains(p)).collect();
        let mut items: Vec<Stance> = Vec::new();
        for entry in self.nodes[n].book.entries.values().filter(|e| e.header().pid == me) {
            if entry.header().entry_type() == Some(EntryType::Stances)
                && let Some(Ok(stances)) = entry.body().map(Stances::decode)
            {
                items.extend(stances.items.into_iter().filter(|s| s.what == What::Consent));
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
