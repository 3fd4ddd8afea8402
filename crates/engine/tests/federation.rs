//! Several engines, one virtual clock, no network: what a federation does from its founding on.

#![allow(clippy::unwrap_used)]

use lapwing_engine::author::{Head, Placed};
use lapwing_engine::between::Between;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::Fact;
use lapwing_engine::federation::Plane;
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::{Answer, Ask, Command, Effect, Input, Refused, Step};
use lapwing_record::cbor::{decode, encode};
use lapwing_record::charter::{CharterFile, Params};
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{NetworkId, Pid};
use lapwing_record::identity::{Act, Category, Leave};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{Application, Stance, Stances, Target, What};
use lapwing_record::testkit::{TestAgency, charter_of};
use lapwing_record::wire::HeadRow;
use std::collections::{BTreeMap, VecDeque};

/// A node: its keys, its engine, its journal.
struct Node {
    agency: TestAgency,
    engine: Engine,
    journal: Vec<Fact>,
    answers: BTreeMap<u64, Result<Answer, Refused>>,
    /// Telling its people fails.
    untold: bool,
}

struct World {
    network: NetworkId,
    charter: CharterFile,
    nodes: BTreeMap<String, Node>,
    now: u64,
    next_reply: u64,
}

fn engine(charter: &CharterFile, agency: &TestAgency) -> Engine {
    let network = charter.charter.network_id();
    let first = agency.first_entry(&network);
    let id = IdLog::fold(agency.pid(), [&first], &network).unwrap();
    Engine::new(charter, id, vec![first], Config { auto_clear: true, seed: 1 })
}

impl World {
    fn founded(names: &[&str]) -> World {
        let founders: Vec<TestAgency> = names.iter().map(|n| TestAgency::named(n)).collect();
        let refs: Vec<&TestAgency> = founders.iter().collect();
        let charter = charter_of(&refs);
        let parts = founders.iter().map(|f| f.found(&charter)).collect();
        let file = CharterFile::join(charter.clone(), parts).unwrap();
        let network = charter.network_id();
        let mut world = World { network, charter: file, nodes: BTreeMap::new(), now: 1_000_000, next_reply: 1 };
        for f in founders {
            world.add(f);
        }
        world
    }

    fn add(&mut self, agency: TestAgency) {
        let name = agency.inception.short_name.clone();
        let mut engine = engine(&self.charter, &agency);
        let step = engine.resume(self.now, Vec::new(), false, &[]);
        let mut node = Node { agency, engine, journal: Vec::new(), answers: BTreeMap::new(), untold: false };
        let left = node.take(step, self.network);
        assert!(left.is_empty());
        self.nodes.insert(name, node);
    }

    fn pid(&self, name: &str) -> Pid {
        self.nodes[name].agency.pid()
    }

    fn standing(&self, at: &str, of: &str) -> Option<Standing> {
        self.nodes[at].engine.state().federation.standing(&self.pid(of))
    }

    fn input(&mut self, name: &str, input: Input) {
        let node = self.nodes.get_mut(name).unwrap();
        let step = node.engine.handle(input, self.now);
        node.take(step, self.network);
    }

    fn command(&mut self, name: &str, command: Command) -> Result<Answer, Refused> {
        self.next_reply += 1;
        let reply = self.next_reply;
        self.input(name, Input::Local { command: Box::new(command), by: None, reply });
        self.nodes.get_mut(name).unwrap().answers.remove(&reply).unwrap()
    }

    fn apply(&mut self, at: &str, application: Application) -> Result<Answer, Refused> {
        self.next_reply += 1;
        let reply = self.next_reply;
        self.input(at, Input::Apply { application: Box::new(application), reply });
        self.nodes.get_mut(at).unwrap().answers.remove(&reply).unwrap()
    }

    /// Everyone tells everyone, over and over, until nothing is new; `deaf` nodes neither speak nor hear.
    fn sync(&mut self, deaf: &[&str]) {
        loop {
            let mut news = 0;
            let names: Vec<String> = self.nodes.keys().filter(|n| !deaf.contains(&n.as_str())).cloned().collect();
            for from in &names {
                let entries = self.nodes[from].entries();
                for to in names.iter().filter(|to| *to != from) {
                    let agency = self.nodes[to].agency.is_agency();
                    for entry in entries.iter().filter(|e| agency || e.header().log != LogKind::Agy) {
                        let node = self.nodes.get_mut(to).unwrap();
                        if !node.engine.state().federation.holds(&entry.id()) {
                            let before = node.journal.len();
                            let step = node.engine.handle(
                                Input::Entries { entries: vec![entry.clone()], gossiped: false, reply: None },
                                self.now,
                            );
                            node.take(step, self.network);
                            news += node.journal.len() - before;
                        }
                    }
                }
            }
            if news == 0 {
                return;
            }
        }
    }

    fn pass(&mut self, ms: u64, deaf: &[&str]) {
        self.now += ms;
        for name in self.nodes.keys().cloned().collect::<Vec<_>>() {
            self.input(&name, Input::Wake);
        }
        self.sync(deaf);
    }

    fn introduce(&mut self, by: &str, applicant: TestAgency) -> Pid {
        let pid = applicant.pid();
        let application = Box::new(applicant.application(&self.network));
        if !self.nodes.contains_key(&applicant.inception.short_name) {
            self.add(applicant);
        }
        self.input(by, Input::Apply { application, reply: 0 });
        self.command(by, Command::Introduce(pid)).unwrap();
        self.sync(&[]);
        pid
    }

    fn vote(&mut self, who: &str, act: Act, target: Pid, reason: Option<&str>) -> Result<Answer, Refused> {
        let ask =
            Ask::Stance { act, target: Target::Participant(target), reason: reason.map(str::to_owned), salt: [7; 16] };
        let Answer::Proposal(id) = self.command(who, Command::Propose(ask))? else { panic!("a proposal") };
        self.approve(who, id)
    }

    fn approve(&mut self, who: &str, id: lapwing_record::id::Digest) -> Result<Answer, Refused> {
        let node = &self.nodes[who];
        let open = node.engine.state().proposals.get(&id).unwrap();
        let approval = open.proposal.approval(node.agency.pid());
        let by = approval.sign(&node.agency.officers[0], &self.network);
        self.command(who, Command::Approve { proposal: id, by })
    }

    fn digests(&self) -> Vec<(lapwing_record::id::Digest, lapwing_record::id::Digest)> {
        let digest =
            |n: &Node| (n.engine.state().federation.state_digest(), n.engine.state().federation.heads_root(Plane::Pub));
        self.nodes.values().map(digest).collect()
    }
}

impl Node {
    /// Performs a step as a driver would: the journal first, then signatures, receipts and replies.
    fn take(&mut self, step: Step, network: NetworkId) -> Vec<Effect> {
        let mut left = Vec::new();
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            self.journal.extend(step.facts);
            for effect in step.effects {
                match effect {
                    Effect::Sign(header, body) => {
                        let entry = Entry::new(vec![header.sign(&self.agency.feed, &network)], Some(body.0)).unwrap();
                        let now = header.clock;
                        steps.push_back(self.engine.handle(Input::Signed(entry), now));
                    }
                    Effect::Notify(n) => {
                        let failed = self.untold.then(|| "the command failed".to_owned());
                        let input = Input::Notified { notice: n.id(), by: "test".into(), failed };
                        steps.push_back(self.engine.handle(input, n.at));
                    }
                    Effect::Reply(to, answer) => drop(self.answers.insert(to, answer)),
                    Effect::Spread(_) | Effect::Event(_) => {}
                    other => left.push(other),
                }
            }
        }
        left
    }

    fn entries(&self) -> Vec<Entry> {
        let kept =
            self.journal.iter().filter_map(|f| if let Fact::Entry(k) = f { Some(k.entry.clone()) } else { None });
        kept.collect()
    }
}

#[test]
fn an_agency_is_admitted_by_the_silence_of_a_window_and_all_agree() {
    let mut w = World::founded(&["harbor", "polder", "han"]);
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Candidate));
    w.pass(999, &[]);
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Candidate), "the window has not run");
    w.pass(2, &[]);
    w.pass(1, &[]);
    for at in ["harbor", "polder", "han", "amazon"] {
        assert_eq!(w.standing(at, "amazon"), Some(Standing::Participant), "at {at}");
    }
    let digests = w.digests();
    assert!(digests.iter().all(|d| *d == digests[0]), "all nodes hold equal digests");
    assert!(w.nodes["amazon"].engine.state().confirmed(), "the others' checkpoints name the state that it reached");
    assert_eq!(w.nodes["han"].engine.state().federation.introducers(&pid), vec![w.pid("harbor")]);
}

#[test]
fn agencies_that_are_admitted_together_do_not_wait_for_each_others_checkpoints() {
    let mut w = World::founded(&["harbor", "polder"]);
    let names = ["amazon", "savanna", "han"];
    for name in names {
        let applicant = TestAgency::named(name);
        let application = Box::new(applicant.application(&w.network));
        let pid = applicant.pid();
        w.add(applicant);
        w.input("harbor", Input::Apply { application, reply: 0 });
        w.command("harbor", Command::Introduce(pid)).unwrap();
        w.sync(&names);
    }
    // one entry of each founder clears all of them: no node sees one of them in full standing without the others
    for _ in 0..3 {
        w.pass(1_001, &names);
    }
    w.sync(&[]);
    w.pass(1, &[]);
    for name in names {
        assert_eq!(w.standing("harbor", name), Some(Standing::Participant));
        assert!(w.nodes[name].engine.state().confirmed(), "{name} may speak");
    }
}

#[test]
fn the_checkpoints_of_the_founders_are_enough_for_one_who_came_past_those_of_the_others_in_one_step() {
    let mut w = World::founded(&["harbor", "polder"]);
    let others = ["amazon", "savanna", "han"];
    for name in ["baltic"].iter().chain(&others) {
        w.introduce("harbor", TestAgency::named(name));
        for _ in 0..3 {
            w.pass(1_001, &[]);
        }
        assert_eq!(w.standing("harbor", name), Some(Standing::Participant));
    }
    // the founders go on while the others are away, and sign for what there is then
    let newcomer = TestAgency::named("nile");
    let application = Box::new(newcomer.application(&w.network));
    let pid = newcomer.pid();
    w.input("harbor", Input::Apply { application, reply: 0 });
    w.command("harbor", Command::Introduce(pid)).unwrap();
    let away = ["amazon", "savanna", "han", "baltic"];
    w.sync(&away);
    w.pass(1, &away);

    // one of them comes back with an empty disk, and takes in one step all that was written
    let mut entries: Vec<Entry> = w.nodes["harbor"].entries();
    let founders = [w.pid("harbor"), w.pid("polder")];
    entries.sort_by_key(|e| !founders.contains(&e.header().pid));
    let mut late = engine(&w.charter, &w.nodes["baltic"].agency);
    let _ = late.resume(w.now, Vec::new(), false, &[]);
    let _ = late.handle(Input::Entries { entries, gossiped: false, reply: None }, w.now);
    let state = late.state();
    let digest = state.federation.state_digest();
    assert_eq!(digest, w.nodes["polder"].engine.state().federation.state_digest());
    let named = |name: &str| {
        let listing = state.federation.listing(&w.pid(name)).unwrap();
        listing.checkpoint.as_ref().unwrap().record.state
    };
    assert!(others.iter().all(|name| !state.reached.contains_key(&named(name))), "it came past what they signed for");
    assert_eq!((named("harbor"), named("polder")), (digest, digest));
    assert!(state.confirmed(), "the founders' word is never old, for they wait for nobody");
}

#[test]
fn a_header_that_is_reserved_and_already_marked_is_signed_after_a_crash() {
    let mut w = World::founded(&["harbor", "polder"]);
    w.introduce("harbor", TestAgency::named("amazon"));
    let (peer, network, now) = (w.pid("harbor"), w.network, w.now);
    // the file beside the journal named the signed entry; the journal's last batch, which held it, was cut off
    let node = w.nodes.get_mut("polder").unwrap();
    let signed =
        node.journal.iter().rposition(|f| matches!(f, Fact::Entry(k) if k.entry.header().pid == node.agency.pid()));
    let signed = signed.unwrap();
    let Fact::Entry(kept) = node.journal[signed].clone() else { unreachable!() };
    let (id, seq) = (kept.entry.id(), kept.entry.header().seq);
    node.journal.truncate(signed);
    let mut again = engine(&w.charter, &node.agency);
    node.journal.iter().for_each(|f| again.replay(f));
    assert_eq!(again.state().reserved.iter().map(|r| r.header.id()).collect::<Vec<_>>(), [id], "reserved durably");
    let mut node = Node { engine: again, ..w.nodes.remove("polder").unwrap() };
    let step = node.engine.resume(now, vec![(LogKind::Pub, seq, id)], false, &[]);
    node.take(step, network);
    assert!(!node.engine.state().federation.holds(&id), "nothing is signed before the others have answered");
    let step = node.engine.handle(Input::HeadAnswer { from: peer, lacking: Vec::new(), log2: true }, now + 6_000);
    node.take(step, network);
    assert!(node.engine.state().federation.holds(&id), "the same bytes are signed");
}

#[test]
fn consent_of_all_admits_at_once_and_one_objection_bars() {
    let mut w = World::founded(&["harbor", "polder"]);
    let good = w.introduce("harbor", TestAgency::named("amazon"));
    let bad = w.introduce("polder", TestAgency::of_class("bulkmail", Category::Other));
    for founder in ["harbor", "polder"] {
        w.vote(founder, Act::Consent, good, None).unwrap();
    }
    w.vote("harbor", Act::Object, bad, Some("it sends what we fight")).unwrap();
    w.sync(&[]);
    w.pass(5_000, &[]);
    w.pass(1, &[]);
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Participant));
    for at in ["harbor", "polder", "amazon"] {
        assert!(matches!(w.standing(at, "bulkmail"), Some(Standing::Objected | Standing::Suspended)), "at {at}");
        let listing = w.nodes[at].engine.state().federation.listing(&w.pid("harbor")).unwrap().clone();
        assert_eq!(listing.reasons.values().next().unwrap().record.text, "it sends what we fight", "agencies read why");
    }
    w.vote("harbor", Act::Withdraw, bad, None).unwrap();
    w.sync(&[]);
    w.pass(5_000, &[]);
    w.pass(1, &[]);
    assert_eq!(w.standing("polder", "bulkmail"), Some(Standing::Participant), "a withdrawn objection bars no more");
}

#[test]
fn a_node_whose_people_cannot_be_told_does_not_clear_for_them() {
    let mut w = World::founded(&["harbor", "polder"]);
    w.nodes.get_mut("polder").unwrap().untold = true;
    w.introduce("harbor", TestAgency::named("amazon"));
    for _ in 0..5 {
        w.pass(1_000, &[]);
    }
    assert_eq!(w.standing("harbor", "amazon"), Some(Standing::Candidate), "polder's people know nothing of it");
    w.nodes.get_mut("polder").unwrap().untold = false;
    for _ in 0..3 {
        w.pass(60_000, &[]);
    }
    assert_eq!(w.standing("harbor", "amazon"), Some(Standing::Participant), "told at last, and silent");
}

#[test]
fn a_private_participant_and_a_candidate_have_no_say() {
    let mut w = World::founded(&["harbor", "polder"]);
    w.introduce("harbor", TestAgency::of_class("courier", Category::Courier));
    w.pass(2_000, &[]);
    w.pass(1, &[]);
    assert_eq!(w.standing("harbor", "courier"), Some(Standing::Participant));
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    assert!(matches!(w.vote("courier", Act::Object, pid, None), Err(Refused::Standing(_))));
    // and if its node wrote one all the same, it would change nothing
    let courier = w.nodes["courier"].agency.clone();
    let approval =
        lapwing_record::membership::Approval::of_stance(courier.pid(), 0, 1, Act::Object, Target::Participant(pid));
    let stance = Stance {
        what: What::Object,
        target: Target::Participant(pid),
        n: Some(1),
        approvals: Some(vec![approval.sign(&courier.officers[0], &w.network)]),
    };
    let tip = w.nodes["courier"].engine.state().tip(LogKind::Pub);
    let forged = courier.entry(&w.network, tip, EntryType::Stances, &Stances { items: vec![stance] });
    w.input("harbor", Input::Entries { entries: vec![forged], gossiped: false, reply: None });
    w.sync(&[]);
    w.pass(2_000, &[]);
    w.pass(1, &[]);
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Participant));
}

#[test]
fn a_replayed_approval_a_stolen_feed_keys_clear_and_a_forged_seat_change_nothing() {
    let mut w = World::founded(&["harbor", "polder"]);
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    w.vote("polder", Act::Consent, pid, None).unwrap();
    w.vote("harbor", Act::Consent, pid, None).unwrap();
    w.vote("harbor", Act::Object, pid, None).unwrap();
    w.sync(&[]);
    w.pass(3_000, &[]);
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Suspended));
    // a thief of harbor's feed key: writes the old consent again, a clear, a seat
    let harbor = w.nodes["harbor"].agency.clone();
    let consent = w.nodes["harbor"].entries().into_iter().filter(|e| e.header().pid == harbor.pid()).find_map(|e| {
        let s = Stances::decode(e.body()?).ok()?;
        s.items.into_iter().find(|i| i.what == What::Consent)
    });
    let target = Target::Participant(pid);
    let items = vec![consent.unwrap(), Stance::by_node(What::Clear, target), Stance::by_node(What::Seat, target)];
    let tip = w.nodes["harbor"].engine.state().tip(LogKind::Pub);
    let forged = harbor.entry(&w.network, tip, EntryType::Stances, &Stances { items });
    w.input("polder", Input::Entries { entries: vec![forged], gossiped: false, reply: None });
    w.sync(&[]);
    w.pass(3_000, &[]);
    for at in ["harbor", "polder"] {
        assert_eq!(w.standing(at, "amazon"), Some(Standing::Suspended), "at {at}");
    }
}

#[test]
fn a_silent_founder_is_excused_by_the_others_and_its_objection_counts_when_it_comes() {
    let mut w = World::founded(&["harbor", "polder", "han", "savanna"]);
    let pid = {
        let applicant = TestAgency::named("amazon");
        let application = Box::new(applicant.application(&w.network));
        let pid = applicant.pid();
        w.add(applicant);
        w.input("harbor", Input::Apply { application, reply: 0 });
        w.command("harbor", Command::Introduce(pid)).unwrap();
        w.sync(&["savanna"]);
        pid
    };
    for _ in 0..3 {
        w.pass(400, &["savanna"]);
    }
    assert_eq!(w.standing("harbor", "amazon"), Some(Standing::Candidate), "W has run, but W + G has not");
    for _ in 0..4 {
        w.pass(400, &["savanna"]);
    }
    assert_eq!(w.standing("harbor", "amazon"), Some(Standing::Participant), "three of four excuse the fourth");
    w.sync(&[]);
    w.vote("savanna", Act::Object, pid, None).unwrap();
    w.sync(&[]);
    assert_eq!(w.standing("harbor", "amazon"), Some(Standing::Suspended));
}

#[test]
fn an_amendment_is_adopted_when_nobody_objects() {
    let mut w = World::founded(&["harbor", "polder"]);
    let mut params = w.charter.charter.params.clone();
    params.window_ms = 2_000;
    let ask = Ask::Motion { params: params.clone(), expires: w.now + 100_000, statement: "more time".into() };
    let Ok(Answer::Proposal(id)) = w.command("harbor", Command::Propose(ask)) else { panic!("a proposal") };
    w.approve("harbor", id).unwrap();
    w.sync(&[]);
    for _ in 0..4 {
        w.pass(1_001, &[]);
    }
    for at in ["harbor", "polder"] {
        assert_eq!(w.nodes[at].engine.state().federation.params(), params, "at {at}");
    }
}

#[test]
fn an_amendment_changes_no_window_that_runs() {
    let mut w = World::founded(&["harbor", "polder"]);
    let before = w.introduce("harbor", TestAgency::named("amazon"));
    w.pass(1, &[]);
    let params = Params { window_ms: 100, grace_ms: 100, ..w.charter.charter.params.clone() };
    let ask = Ask::Motion { params: params.clone(), expires: w.now + 100_000, statement: "less time".into() };
    let Ok(Answer::Proposal(id)) = w.command("harbor", Command::Propose(ask)) else { panic!("a proposal") };
    w.approve("harbor", id).unwrap();
    w.sync(&[]);
    let (motion, ..) = w.nodes["polder"].engine.state().federation.motions().next().unwrap();
    for who in ["harbor", "polder"] {
        let ask = Ask::Stance { act: Act::Consent, target: Target::Motion(motion), reason: None, salt: [7; 16] };
        let Ok(Answer::Proposal(id)) = w.command(who, Command::Propose(ask)) else { panic!("a proposal") };
        w.approve(who, id).unwrap();
    }
    w.sync(&[]);
    w.pass(1, &[]);
    assert_eq!(w.nodes["polder"].engine.state().federation.params(), params, "it is in force");

    // people were told of a second: until then they may object, whatever was adopted meanwhile
    w.pass(400, &[]);
    w.pass(400, &[]);
    assert_eq!(w.nodes["polder"].engine.state().federation.standing(&before), Some(Standing::Candidate));
    let later = w.introduce("harbor", TestAgency::named("savanna"));
    w.pass(1, &[]);
    w.pass(101, &[]);
    w.pass(1, &[]);
    assert_eq!(w.standing("polder", "savanna"), Some(Standing::Participant), "what was noted after it runs by it");
    assert_eq!(w.nodes["polder"].engine.state().federation.standing(&before), Some(Standing::Candidate));
    w.pass(200, &[]);
    w.pass(1, &[]);
    for pid in [before, later] {
        assert_eq!(w.nodes["polder"].engine.state().federation.standing(&pid), Some(Standing::Participant));
    }
}

#[test]
fn replaying_a_journal_gives_the_live_state() {
    let mut w = World::founded(&["harbor", "polder"]);
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    w.vote("polder", Act::Object, pid, Some("why not")).unwrap();
    w.pass(3_000, &[]);
    for (name, node) in &w.nodes {
        let mut again = engine(&w.charter, &node.agency);
        for fact in &node.journal {
            let bytes = encode(fact);
            assert_eq!(&decode::<Fact>(&bytes, 1 << 24).unwrap(), fact);
            again.replay(fact);
        }
        let (live, replayed) = (node.engine.state(), again.state());
        assert_eq!(live.federation.state_digest(), replayed.federation.state_digest(), "{name}");
        assert_eq!(live.federation.heads_root(Plane::Agy), replayed.federation.heads_root(Plane::Agy), "{name}");
        assert_eq!(live.as_of, replayed.as_of, "{name}");
        assert_eq!(live.notices.size(), replayed.notices.size(), "{name}");
    }
}

#[test]
fn entries_in_any_order_lead_to_the_same_digest() {
    let mut w = World::founded(&["harbor", "polder", "han"]);
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    w.vote("polder", Act::Consent, pid, None).unwrap();
    w.pass(2_000, &[]);
    w.pass(1, &[]);
    let entries = w.nodes["han"].entries();
    let expected = w.nodes["han"].engine.state().federation.state_digest();
    for seed in 0..20u64 {
        let mut engine = engine(&w.charter, &TestAgency::named("han"));
        let mut order: Vec<&Entry> = entries.iter().collect();
        order.sort_by_key(|e| lapwing_record::id::HashOf::Msg.hash(&[&e.id().0[..], &seed.to_le_bytes()].concat()));
        // an entry that comes too early is not kept; it comes again, as anti-entropy does
        for _ in 0..entries.len() {
            for entry in &order {
                engine.replay(&Fact::Entry(lapwing_engine::fact::Kept { at: 0, entry: (*entry).clone() }));
            }
        }
        assert_eq!(engine.state().federation.state_digest(), expected, "seed {seed}");
    }
}

#[test]
fn an_older_copy_signs_nothing_until_its_own_head_is_back() {
    let mut w = World::founded(&["harbor", "polder"]);
    let stale: Vec<Fact> = w.nodes["harbor"].journal.clone();
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    w.pass(2_000, &[]);
    let tip = w.nodes["harbor"].engine.state().tip(LogKind::Pub).unwrap();
    let own: Vec<Entry> = w.nodes["harbor"].entries();
    let federation = &w.nodes["harbor"].engine.state().federation;
    let head = federation.author(&w.pid("harbor")).unwrap().heads(false).into_iter().find(|h| h.log == LogKind::Pub);
    let Head { log, epoch, next, id, contested } = head.unwrap();
    let theirs = HeadRow { pid: w.pid("harbor"), log, epoch, next, id, contested };
    // the copy starts; the high-water file names what is missing
    let agency = TestAgency::named("harbor");
    let mut copy = engine(&w.charter, &agency);
    stale.iter().for_each(|f| copy.replay(f));
    let step = copy.resume(w.now, vec![(LogKind::Pub, tip.0, tip.1)], true, &[]);
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::Sign(..))));
    w.now += 60_000;
    let step = copy.handle(Input::Wake, w.now);
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::Sign(..))), "waiting alone is not enough for a copy");
    let step = copy.handle(Input::HeadAnswer { from: w.pid("polder"), lacking: vec![theirs], log2: true }, w.now);
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::Sign(..))));
    let step = copy.handle(
        Input::Local {
            by: None,
            command: Box::new(Command::Propose(Ask::Stance {
                act: Act::Object,
                target: Target::Participant(pid),
                reason: None,
                salt: [0; 16],
            })),
            reply: 1,
        },
        w.now,
    );
    assert!(step.effects.iter().any(|e| matches!(e, Effect::Reply(1, Err(Refused::HeadUnchecked(_))))));
    // some of its own entries come back: the peer has said that it has more
    let (rest, some): (Vec<Entry>, Vec<Entry>) = own.into_iter().partition(|e| e.id() == tip.1);
    let step = copy.handle(Input::Entries { entries: some, gossiped: false, reply: None }, w.now);
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::Sign(..))), "this is not all");
    // another crash on the way does not make it forget how far it went
    assert!(copy.high_water().unwrap().contains(&(LogKind::Pub, tip.0, tip.1)));
    assert_ne!(*copy.head(), HeadCheck::Done);
    // the rest comes by any road: whoever said so need not be there to say so again
    let _ = copy.handle(Input::Entries { entries: rest, gossiped: true, reply: None }, w.now);
    assert_eq!(*copy.head(), HeadCheck::Done);
    assert_eq!(copy.state().tip(LogKind::Pub).map(|t| t.1), Some(tip.1));
    let step = copy.handle(Input::Wake, w.now);
    for effect in step.effects {
        if let Effect::Sign(header, _) = effect {
            assert!(header.seq > tip.0, "it goes on after its own head");
        }
    }
    assert!(copy.handle(Input::Entries { entries: vec![], gossiped: false, reply: Some(9) }, w.now).facts.is_empty());
}

#[test]
fn of_what_comes_in_bulk_only_the_last_is_gossiped_on() {
    let mut w = World::founded(&["harbor", "polder"]);
    let author = TestAgency::named("harbor");
    let mut after =
        w.nodes["polder"].engine.state().federation.author(&author.pid()).unwrap().newest(LogKind::Pub).tip();
    let mut spread = |w: &mut World, count: u8| {
        let mut entries = Vec::new();
        for i in 0..count {
            let items = vec![Stance::by_node(What::Noted, Target::Participant(Pid([i; 32])))];
            let entry = author.entry(&w.network, after, EntryType::Stances, &Stances { items });
            after = Some((entry.header().seq, entry.id()));
            entries.push(entry);
        }
        let node = w.nodes.get_mut("polder").unwrap();
        let step = node.engine.handle(Input::Entries { entries, gossiped: false, reply: None }, w.now);
        assert_eq!(step.facts.iter().filter(|f| matches!(f, Fact::Entry(_))).count(), usize::from(count));
        step.effects.iter().filter(|e| matches!(e, Effect::Spread(_))).count()
    };
    assert_eq!(spread(&mut w, 3), 3);
    assert_eq!(spread(&mut w, 100), 1);
}

#[test]
fn an_entry_of_a_stranger_is_kept_nowhere() {
    let mut w = World::founded(&["harbor", "polder"]);
    let stranger = TestAgency::named("stranger");
    let target = Target::Participant(w.pid("harbor"));
    let items = vec![Stance::by_node(What::Noted, target)];
    let entry = stranger.entry(&w.network, None, EntryType::Stances, &Stances { items });
    let before = w.nodes["harbor"].journal.len();
    w.next_reply += 1;
    let reply = w.next_reply;
    w.input("harbor", Input::Entries { entries: vec![entry], gossiped: false, reply: Some(reply) });
    let answer = w.nodes.get_mut("harbor").unwrap().answers.remove(&reply);
    assert!(matches!(answer, Some(Ok(Answer::Placed(p))) if p == [Placed::UnknownAuthor]));
    assert_eq!(w.nodes["harbor"].journal.len(), before);
}

impl World {
    fn leave(&mut self, name: &str) {
        let node = &self.nodes[name];
        let last = node.engine.state().federation.author(&node.agency.pid()).unwrap().id_chain().pop().unwrap();
        let body = Leave { heads: Vec::new(), note: None };
        let entry = node.agency.id_entry(&self.network, &last, EntryType::Leave, &body);
        self.command(name, Command::IdEntry(Box::new(entry))).unwrap();
    }
}

#[test]
fn whoever_has_left_completes_no_vote_that_was_proposed_before() {
    let mut w = World::founded(&["harbor", "polder", "savanna"]);
    let target = Target::Participant(w.introduce("harbor", TestAgency::named("amazon")));
    let ask = Ask::Stance { act: Act::Object, target, reason: None, salt: [0; 16] };
    let Ok(Answer::Proposal(id)) = w.command("polder", Command::Propose(ask)) else { panic!("a proposal") };
    w.leave("polder");
    assert!(matches!(w.approve("polder", id), Err(Refused::Standing(_))));
}

#[test]
fn whoever_has_left_still_tells_those_that_take_part_and_is_told_nothing() {
    let mut w = World::founded(&["harbor", "polder"]);
    let (harbor, polder) = (w.pid("harbor"), w.pid("polder"));
    w.leave("polder");
    let between = |w: &World, at: &str, me, other| w.nodes[at].engine.state().federation.between(me, other);
    // the leave was lost under way: harbor asks as before, and must get an answer, or it never learns of it
    assert_eq!(between(&w, "harbor", &harbor, &polder), Between::Agencies);
    assert_eq!(between(&w, "polder", &polder, &harbor), Between::Participants);
    w.sync(&[]);
    assert_eq!(between(&w, "harbor", &harbor, &polder), Between::Nothing);
}

#[test]
fn the_answer_of_one_who_has_left_does_not_release_an_older_copy() {
    let mut w = World::founded(&["harbor", "polder", "savanna"]);
    w.leave("savanna");
    w.sync(&[]);
    let node = &w.nodes["harbor"];
    let mut copy = engine(&w.charter, &node.agency);
    node.journal.iter().for_each(|f| copy.replay(f));
    let _ = copy.resume(w.now, Vec::new(), true, &[]);
    let _ = copy.handle(Input::HeadAnswer { from: w.pid("savanna"), lacking: Vec::new(), log2: true }, w.now + 600_000);
    assert_ne!(*copy.head(), HeadCheck::Done, "it may have missed what was written since");
    let _ = copy.handle(Input::HeadAnswer { from: w.pid("polder"), lacking: Vec::new(), log2: true }, w.now + 600_000);
    assert_eq!(*copy.head(), HeadCheck::Done);
}

#[test]
fn an_answer_that_knows_nothing_of_log_2_does_not_release_an_older_copy() {
    let mut w = World::founded(&["harbor", "polder", "savanna"]);
    w.sync(&[]);
    let node = &w.nodes["harbor"];
    let mut copy = engine(&w.charter, &node.agency);
    node.journal.iter().for_each(|f| copy.replay(f));
    let _ = copy.resume(w.now, Vec::new(), true, &[]);
    for (name, log2) in [("polder", false), ("savanna", false), ("polder", true)] {
        assert_ne!(*copy.head(), HeadCheck::Done, "a place of log 2 may have been signed since");
        let _ = copy.handle(Input::HeadAnswer { from: w.pid(name), lacking: Vec::new(), log2 }, w.now + 600_000);
    }
    assert_ne!(*copy.head(), HeadCheck::Done, "one of the two agencies has not compared it");
    assert_eq!(copy.high_water(), None, "what came back so far is not known to be all");
    let _ = copy.handle(Input::HeadAnswer { from: w.pid("savanna"), lacking: Vec::new(), log2: true }, w.now + 600_000);
    assert_eq!(*copy.head(), HeadCheck::Done);
    assert!(copy.high_water().unwrap().iter().any(|(log, ..)| *log == LogKind::Pub));
}

#[test]
fn a_window_that_was_noted_by_a_clock_far_ahead_ends_when_the_clock_is_right_again() {
    let mut w = World::founded(&["harbor", "polder"]);
    let right = w.now;
    w.now += 400 * 24 * 60 * 60 * 1000;
    let pid = w.introduce("harbor", TestAgency::named("amazon"));
    w.now = right + 10_000;
    for name in ["harbor", "polder"] {
        let node = w.nodes.remove(name).unwrap();
        let mut again = engine(&w.charter, &node.agency);
        node.journal.iter().for_each(|f| again.replay(f));
        let step = again.resume(w.now, Vec::new(), false, &[]);
        let mut node = Node { engine: again, ..node };
        node.take(step, w.network);
        w.nodes.insert(name.into(), node);
    }
    for (name, other) in [("harbor", "polder"), ("polder", "harbor")] {
        w.input(name, Input::HeadAnswer { from: w.pid(other), lacking: Vec::new(), log2: true });
    }
    assert_eq!(w.nodes["harbor"].engine.state().federation.standing(&pid), Some(Standing::Candidate));
    for _ in 0..4 {
        w.pass(1_000, &[]);
    }
    assert_eq!(w.nodes["harbor"].engine.state().federation.standing(&pid), Some(Standing::Participant));
}

#[test]
fn an_application_that_no_introduction_could_carry_is_refused_when_it_is_submitted() {
    let mut w = World::founded(&["harbor", "polder"]);
    let applicant = TestAgency::named("amazon");
    let mut application = applicant.application(&w.network);
    application.statement = "x".repeat(32 * 1024 + 1);
    let refused = w.apply("harbor", application.clone()).unwrap_err();
    assert!(matches!(&refused, Refused::Invalid(why) if why.contains("statement")), "{refused:?}");
    application.statement.pop();
    // what is taken can be introduced: an agency's log would be stuck at an entry that nobody can read
    w.apply("harbor", application).unwrap();
    let pid = applicant.pid();
    w.add(applicant);
    w.command("harbor", Command::Introduce(pid)).unwrap();
    w.sync(&[]);
    assert_eq!(w.standing("polder", "amazon"), Some(Standing::Candidate));
}

#[test]
fn whoever_changes_its_application_over_and_over_fills_no_journal() {
    let mut w = World::founded(&["harbor", "polder"]);
    let applicant = TestAgency::named("amazon");
    let taken = (0..50).filter(|n| {
        let mut application = applicant.application(&w.network);
        application.statement = format!("take {n}");
        match w.apply("harbor", application) {
            Ok(_) => true,
            Err(Refused::Conflict(_)) => false,
            Err(other) => panic!("{other:?}"),
        }
    });
    assert_eq!(taken.count(), 1);
    // the same again is no change, and after an hour another one is taken
    let mut again = applicant.application(&w.network);
    again.statement = "take 0".into();
    w.apply("harbor", again.clone()).unwrap();
    w.pass(60 * 60 * 1000 + 1, &[]);
    again.statement = "better".into();
    w.apply("harbor", again).unwrap();
}
