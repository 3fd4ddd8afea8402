//! What the other side may not say: each has its own code, keeps its place, and the case goes on. And what a node tells
//! its people of by the clock.

#![allow(clippy::unwrap_used)]

use lapwing_engine::case::Stage;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::{Fact, NoticeKind};
use lapwing_engine::step::{Answer, Came, Command, Effect, Input, Lock, Refused, Saying, Step};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::{CharterFile, DAY_MS};
use lapwing_record::directory::KemKey;
use lapwing_record::entry::EntryType;
use lapwing_record::form::sample;
use lapwing_record::id::{Digest, MsgId, NetworkId, Pid, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::seal::{Suite, kem_kid, public_key};
use lapwing_record::statement::*;
use lapwing_record::testkit::{TestAgency, charter_of};

/// Friday, 2026-11-20, 12:00 UTC.
const NOW: u64 = 1_795_176_000_000;

/// The node of polder, and the keys of harbor, which says to it whatever it likes.
struct World {
    network: NetworkId,
    charter: CharterFile,
    harbor: TestAgency,
    polder: TestAgency,
    engine: Engine,
    journal: Vec<Fact>,
    now: u64,
    own: Vec<MsgId>,
}

fn made(charter: &CharterFile, polder: &TestAgency) -> Engine {
    let network = charter.charter.network_id();
    let first = polder.first_entry(&network);
    let id = IdLog::fold(polder.pid(), [&first], &network).unwrap();
    Engine::new(charter, id, vec![first], Config { auto_clear: true, seed: 1 })
}

impl World {
    fn new() -> World {
        let (harbor, polder) = (TestAgency::named("harbor"), TestAgency::named("polder"));
        let charter = charter_of(&[&harbor, &polder]);
        let parts = vec![harbor.found(&charter), polder.found(&charter)];
        let charter = CharterFile::join(charter, parts).unwrap();
        let engine = made(&charter, &polder);
        let network = charter.charter.network_id();
        let mut world = World { network, charter, harbor, polder, engine, journal: vec![], now: NOW, own: vec![] };
        let step = world.engine.resume(NOW, Vec::new(), false, &[]);
        world.keep(step);
        world
    }

    /// Keeps facts; signs receipts; whatever else a node would do is left undone.
    fn keep(&mut self, step: Step) -> Vec<Effect> {
        self.journal.extend(step.facts);
        step.effects
    }

    fn stmt(&self, kind: Kind, body: Vec<u8>) -> Stmt {
        let case = self.engine.state().case(&ThreadId([5; 32]));
        Stmt {
            version: 1,
            network_id: self.network,
            thread: ThreadId([5; 32]),
            msg_no: self.own.len() as u64,
            prev_own: self.own.last().copied(),
            seen_peer: case.and_then(|c| c.answered.last()).map(|t| t.open.id),
            from: self.harbor.pid(),
            epoch: 0,
            to: self.polder.pid(),
            clock: self.now,
            expires: self.now + DAY_MS,
            kind,
            handling: Tlp::Amber,
            body: Bytes(body),
            blobs: vec![],
        }
    }

    /// Hands in what harbor signed; the refusal, if it is one.
    fn hear(&mut self, stmt: &Stmt, unfit: Option<&str>) -> Option<Refusal> {
        let approvals = stmt.approval().map(|a| vec![a.sign(&self.harbor.officers[0], &self.network)]);
        let signed = SignedStmt::sign(stmt, &self.harbor.feed, approvals);
        let verified = signed.open(&self.harbor.inception.first, &self.network).unwrap();
        let input = Input::Heard {
            came: Came::Delivered,
            stmt: Box::new(verified),
            locked: Bytes(encode(&signed)),
            unfit: unfit.map(str::to_owned),
            reply: 7,
        };
        let step = self.engine.handle(input, self.now);
        let effects = self.keep(step);
        let refusal = effects.iter().find_map(|e| match e {
            Effect::Reply(7, Ok(Answer::Refused(refusal, _))) => Some(*refusal),
            _ => None,
        });
        let receipt = effects.iter().any(|e| matches!(e, Effect::GiveReceipt { reply: 7, .. }));
        assert!(receipt != refusal.is_some(), "one of the two: {effects:?}");
        refusal
    }

    fn says(&mut self, kind: Kind, body: Vec<u8>) -> Option<Refusal> {
        let stmt = self.stmt(kind, body);
        let refusal = self.hear(&stmt, None);
        self.own.push(stmt.id());
        refusal
    }

    fn stage(&self) -> Stage {
        self.engine.state().case(&ThreadId([5; 32])).unwrap().stage()
    }

    /// The journal replayed gives the live state (invariant 29).
    fn assert_replayed(&self) {
        let mut again = made(&self.charter, &self.polder);
        self.journal.iter().for_each(|fact| again.replay(fact));
        let (live, replayed) = (self.engine.state(), again.state());
        assert_eq!(live.as_of, replayed.as_of);
        for (thread, case) in live.cases.iter() {
            let other = replayed.case(thread).unwrap();
            assert_eq!((case.stage(), case.asked.len()), (other.stage(), other.asked.len()));
            let refused =
                |c: &lapwing_engine::case::Case| c.asked.iter().map(|t| t.refused.clone()).collect::<Vec<_>>();
            assert_eq!(refused(case), refused(other));
        }
    }
}

/// The node of polder asks; harbor answers whatever it likes. A third agency takes what is passed on.
struct Asking {
    world: World,
    third: TestAgency,
    thread: ThreadId,
    answers: Vec<MsgId>,
}

impl Asking {
    fn new() -> Asking {
        let (harbor, polder, third) =
            (TestAgency::named("harbor"), TestAgency::named("polder"), TestAgency::named("savanna"));
        let charter = charter_of(&[&harbor, &polder, &third]);
        let parts = [&harbor, &polder, &third].map(|a| a.found(&charter)).into();
        let charter = CharterFile::join(charter, parts).unwrap();
        let engine = made(&charter, &polder);
        let network = charter.charter.network_id();
        let mut world = World { network, charter, harbor, polder, engine, journal: vec![], now: NOW, own: vec![] };
        let step = world.engine.resume(NOW, Vec::new(), false, &[]);
        world.keep(step);
        let mut asking = Asking { world, third, thread: ThreadId([5; 32]), answers: vec![] };
        asking.says(Kind::Submit, encode(&sample())).unwrap();
        asking
    }

    /// Polder says something.
    fn says(&mut self, kind: Kind, body: Vec<u8>) -> Result<MsgId, Refused> {
        let w = &mut self.world;
        let saying = Saying {
            thread: self.thread,
            to: w.harbor.pid(),
            kind,
            handling: Tlp::Amber,
            body,
            blobs: vec![],
            approvals: None,
            ttl_ms: DAY_MS,
            lock: Lock { key: [1; 32].into(), nonce: [2; 24] },
        };
        let command = Box::new(Command::Say(Box::new(saying)));
        let step = w.engine.handle(Input::Local { command, by: None, reply: 3 }, w.now);
        let effects = w.keep(step);
        let answer =
            effects.into_iter().find_map(|e| if let Effect::Reply(3, answer) = e { Some(answer) } else { None });
        match answer.unwrap()? {
            Answer::Said(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    /// Harbor answers; the refusal, if it is one.
    fn hears(&mut self, kind: Kind, body: Vec<u8>) -> Option<Refusal> {
        let w = &mut self.world;
        let asked = w.engine.state().case(&self.thread).unwrap().asked.last().map(|t| t.open.id);
        let stmt = Stmt {
            msg_no: self.answers.len() as u64,
            prev_own: self.answers.last().copied(),
            seen_peer: asked,
            ..w.stmt(kind, body)
        };
        let refusal = w.hear(&stmt, None);
        self.answers.push(stmt.id());
        refusal
    }
}

#[test]
fn a_transfer_is_taken_with_the_consent_and_the_new_agencys_own_receipt_only() {
    let mut a = Asking::new();
    let third = a.third.pid();
    let propose = |to| encode(&TransferProposed { to, items: vec![0], why: "There.".into() });
    let network = a.world.network;
    let receipt = |by: &TestAgency, of: Pid| {
        let receipt = Receipt {
            msg_id: MsgId([8; 32]),
            hash: Digest([8; 32]),
            received: NOW,
            status: ReceiptStatus::Stored,
            by: of,
            epoch: 0,
        };
        Bytes(encode(&receipt.sign(&by.feed, &network)))
    };
    let (genuine, of_another, forged) =
        (receipt(&a.third, third), receipt(&a.third, a.world.harbor.pid()), receipt(&a.world.harbor, third));
    assert_eq!(a.hears(Kind::TransferProposed, propose(a.world.polder.pid())), Some(Refusal::WrongReference));
    assert_eq!(a.hears(Kind::TransferProposed, propose(third)), None);
    let proposal = *a.answers.last().unwrap();
    let done = |receipt: &Bytes, to| {
        encode(&Transferred { proposal, thread: ThreadId([6; 32]), to, receipt: receipt.clone() })
    };
    assert_eq!(a.hears(Kind::Transferred, done(&genuine, third)), Some(Refusal::ConsentNeeded));
    a.says(Kind::TransferConsent, encode(&TransferConsent { proposal, granted: true, conditions: None })).unwrap();
    assert_eq!(a.hears(Kind::Transferred, done(&genuine, a.world.harbor.pid())), Some(Refusal::WrongReference));
    for false_one in [&forged, &of_another, &Bytes(vec![1, 2, 3])] {
        assert_eq!(a.hears(Kind::Transferred, done(false_one, third)), Some(Refusal::Invalid));
    }
    assert_eq!(a.hears(Kind::Transferred, done(&genuine, third)), None);
    assert_eq!(a.world.stage(), Stage::Transferred);
    a.world.assert_replayed();
}

#[test]
fn a_ground_that_does_not_hold_is_refused_here_and_there_and_what_was_refused_there_blocks_nothing() {
    let mut a = Asking::new();
    let refuse = |ground| encode(&Decide { items: vec![ItemDecision::refuse(0, ground)] });
    assert_eq!(a.hears(Kind::Decide, refuse(Ground::InsufficientInformation)), Some(Refusal::WrongGround));
    assert_eq!(a.hears(Kind::Decide, refuse(Ground::DuplicateOf)), Some(Refusal::Invalid), "of what?");
    assert_eq!(a.hears(Kind::NeedInfo, text("who?")), None);
    assert_eq!(a.hears(Kind::Decide, refuse(Ground::InsufficientInformation)), None);
    assert_eq!(a.world.stage(), Stage::Decided);

    let coded = |refused: Refused| refused.code();
    assert_eq!(a.says(Kind::Acknowledge, vec![]).map_err(coded), Err("invalid"));
    assert_eq!(a.says(Kind::NeedInfo, text("who?")).map_err(coded), Err("not_your_turn"));
    assert_eq!(a.says(Kind::Feedback, text("thanks")).map_err(coded), Err("wrong_state"));
    // the other side refuses one of ours for good: it decides nothing, and nothing waits behind it
    let close = a.says(Kind::Close, encode(&Ending { note: None })).unwrap();
    assert_eq!(a.world.stage(), Stage::Closed);
    let refused = Delivered::Refused((Refusal::WrongState, "not so".into()));
    let tried = Input::Tried { thread: a.thread, id: close, outcome: Ok(refused) };
    let step = a.world.engine.handle(tried, NOW);
    a.world.keep(step);
    assert_eq!(a.world.stage(), Stage::Decided);
    let state = a.world.engine.state();
    assert!(state.outbox.get(&close).is_none() && state.unsent.get(&close).is_none());
    assert!(state.case(&a.thread).unwrap().find(&close).unwrap().refused.is_some());
    a.says(Kind::Reopen, encode(&Reopen { items: vec![0], reason: "Again.".into() })).unwrap();
    assert_eq!(a.world.stage(), Stage::InfoNeeded);
    a.world.assert_replayed();
}

fn text(words: &str) -> Vec<u8> {
    encode(&Text { text: words.into() })
}

#[test]
fn each_thing_that_may_not_be_said_has_its_code_and_what_comes_after_it_is_taken() {
    let mut w = World::new();
    assert_eq!(w.says(Kind::Submit, encode(&sample())), None);
    let third = Pid([9; 32]);
    let wrong: Vec<(Kind, Vec<u8>, Refusal)> = vec![
        (Kind::NeedInfo, text("who?"), Refusal::NotYourTurn),
        (Kind::Progress, encode(&Progress { text: "x".into(), expected: None }), Refusal::NotYourTurn),
        (
            Kind::Decide,
            encode(&Decide { items: vec![ItemDecision::refuse(0, Ground::ReasonsWithheld)] }),
            Refusal::NotYourTurn,
        ),
        (Kind::Submit, encode(&sample()), Refusal::WrongState),
        (Kind::Feedback, text("thanks"), Refusal::WrongState),
        (Kind::Reopen, encode(&Reopen { items: vec![], reason: "x".into() }), Refusal::WrongState),
        (Kind::Seen, encode(&Seen { upto: MsgId([1; 32]) }), Refusal::WrongReference),
        (
            Kind::BlobGrant,
            encode(&BlobGrant { keys: vec![GrantedKey { b3_cipher: Digest([1; 32]), key: [2; 32] }] }),
            Refusal::WrongReference,
        ),
        (
            Kind::TransferConsent,
            encode(&TransferConsent { proposal: MsgId([1; 32]), granted: true, conditions: None }),
            Refusal::WrongReference,
        ),
        (
            Kind::Transferred,
            encode(&Transferred {
                proposal: MsgId([1; 32]),
                thread: ThreadId([1; 32]),
                to: third,
                receipt: Bytes(vec![1]),
            }),
            Refusal::NotYourTurn,
        ),
        (Kind::Recall, encode(&Recall { reason: RecallReason::Other, note: None }), Refusal::Invalid),
        (Kind::Supplement, vec![0xff], Refusal::Invalid),
    ];
    for (kind, body, code) in wrong {
        let before = w.stage();
        // a second submit is another message of the same case: its place is its sender's own loss
        let place = w.own.len();
        assert_eq!(w.says(kind, body), Some(code), "{kind}");
        if kind == Kind::Submit {
            w.own.truncate(place);
        }
        assert_eq!(w.stage(), before, "{kind} decides nothing");
        assert_eq!(w.says(Kind::Supplement, text("and on")), None, "after {kind}");
    }
    let last = w.stmt(Kind::Supplement, text("faulty form"));
    assert_eq!(w.hear(&last, Some("the form would have faults")), Some(Refusal::Invalid));
    assert_eq!(w.hear(&last, None), Some(Refusal::Invalid), "the same statement has the same answer");
    w.own.push(last.id());
    assert_eq!(w.says(Kind::Reminder, encode(&Reminder { text: None })), None);
    assert_eq!(w.says(Kind::Reminder, encode(&Reminder { text: None })), Some(Refusal::TooSoon));
    w.now += DAY_MS;
    assert_eq!(w.says(Kind::Reminder, encode(&Reminder { text: None })), None);
    // what leaves a gap leaves no trace
    let ahead = Stmt { msg_no: 99, ..w.stmt(Kind::Close, encode(&Ending { note: None })) };
    assert_eq!(w.hear(&ahead, None), Some(Refusal::Gap));
    assert_eq!(w.says(Kind::Recall, encode(&Recall { reason: RecallReason::CourtOrder, note: None })), None);
    assert_eq!(w.stage(), Stage::Recalled);
    let told = |kind| w.engine.state().notices.values().filter(|n| n.notice.kind == kind).count();
    assert_eq!(told(NoticeKind::ReferralRecalled), 1);
    w.assert_replayed();
}

#[test]
fn people_are_told_of_what_is_overdue_once_for_each_item_and_date() {
    let mut w = World::new();
    w.says(Kind::Submit, encode(&sample()));
    let mut told = |days: u64| {
        w.now = NOW + days * DAY_MS;
        let step = w.engine.handle(Input::Wake, w.now);
        w.keep(step);
        let notices = w.engine.state().notices.values();
        notices.filter(|n| n.notice.kind == NoticeKind::ItemOverdue).count()
    };
    assert_eq!(told(6), 0);
    assert_eq!(told(8), 1, "nobody acknowledged it within five working days");
    assert_eq!(told(9), 1, "once");
    assert_eq!(told(15), 2, "nor decided within fourteen days");
    assert_eq!(told(300), 2);
    let wake = w.engine.wake_at(w.now).unwrap();
    assert!(wake > w.now, "it looks again by itself");
    w.assert_replayed();
}

#[test]
fn an_older_copy_refuses_nothing_for_good_before_cases_are_compared_and_what_comes_back_goes_out_again() {
    let mut w = World::new();
    (w.engine, w.journal) = (made(&w.charter, &w.polder), Vec::new());
    let step = w.engine.resume(NOW, Vec::new(), true, &[]);
    w.keep(step);
    // an answer to what polder asked, and what it has forgotten with the disk that is no more
    let thread = ThreadId([5; 32]);
    let submit = Stmt { from: w.polder.pid(), to: w.harbor.pid(), ..w.stmt(Kind::Submit, encode(&sample())) };
    let answer = Stmt { seen_peer: Some(submit.id()), ..w.stmt(Kind::NeedInfo, text("who?")) };
    assert_eq!(w.hear(&answer, None), Some(Refusal::TryLater));

    // harbor gives back what polder said, and its own answer
    let signed = SignedStmt::sign(&submit, &w.polder.feed, None);
    let verified = signed.open(&w.polder.inception.first, &w.network).unwrap();
    let returned = Input::Returned { stmt: Box::new(verified), locked: Bytes(vec![1]) };
    let step = w.engine.handle(returned, NOW);
    w.keep(step);
    let step = w.engine.handle(Input::ThreadsLevel(w.harbor.pid()), NOW);
    w.keep(step);
    assert_eq!(w.hear(&answer, None), None);
    assert_eq!(w.stage(), Stage::InfoNeeded);
    // whether harbor took it then is for harbor to say again
    assert!(w.engine.state().outbox.get(&submit.id()).is_some());
    assert!(w.engine.state().case(&thread).unwrap().find(&submit.id()).unwrap().refused.is_none());
    w.assert_replayed();
}

#[test]
fn the_cases_of_an_older_copy_are_compared_with_everyone_and_not_only_where_it_knows_of_one() {
    let mut w = World::new();
    w.engine = made(&w.charter, &w.polder);
    let step = w.engine.resume(NOW, Vec::new(), true, &[]);
    w.keep(step);
    assert!(w.engine.state().cases.values().next().is_none(), "it knows of no case");
    assert!(!w.engine.state().compared_with_all(w.engine.leveled()), "one may have begun since");
    let step = w.engine.handle(Input::ThreadsLevel(w.harbor.pid()), NOW);
    w.keep(step);
    assert!(w.engine.state().compared_with_all(w.engine.leveled()));
}

#[test]
fn nothing_new_is_sealed_to_a_contested_log_not_even_as_part_of_what_comes_back_to_it() {
    let mut a = Asking::new();
    let (w, thread) = (&mut a.world, a.thread);
    let key = public_key(Suite::X25519, &[1; 32]);
    let kem = |not_after| KemKey {
        kid: kem_kid(&key),
        suite: Suite::X25519.number(),
        key: Bytes(key.clone()),
        not_before: 0,
        not_after,
    };
    let publishes = |w: &mut World, until| {
        let entries = vec![w.harbor.entry(&w.network, None, EntryType::KemKey, &kem(until))];
        let step = w.engine.handle(Input::Entries { entries, gossiped: false, reply: None }, w.now);
        w.keep(step);
    };
    let submit = w.engine.state().case(&thread).unwrap().asked[0].open.id;
    let held = |w: &World| w.engine.state().held(&thread, &submit, &w.harbor.pid(), w.now);
    let back = |w: &World| {
        let all = w.engine.state().to_give_back(&w.harbor.pid(), &[], w.now);
        all.map(|(all, more)| (all.iter().map(|(_, t)| t.open.kind).collect::<Vec<_>>(), more))
    };
    assert!(held(w).unwrap().contains("no encryption key"));
    publishes(w, NOW * 2);
    assert_eq!((held(w), back(w)), (None, Ok((vec![Kind::Submit], false))));

    // what waits does not go out any more, and what harbor never had is not given back to it either
    let mut forked = made(&w.charter, &w.polder);
    w.journal.iter().for_each(|fact| forked.replay(fact));
    std::mem::swap(&mut w.engine, &mut forked);
    publishes(w, NOW * 3);
    assert!(held(w).unwrap().contains("contested"));
    assert_eq!(back(w), Ok((vec![], false)));

    // unless something of its own follows on it: then it waits, for it takes no statement behind a gap
    std::mem::swap(&mut w.engine, &mut forked);
    assert_eq!(a.hears(Kind::NeedInfo, text("who?")), None);
    let w = &mut a.world;
    assert_eq!(back(w), Ok((vec![Kind::Submit, Kind::NeedInfo], false)));
    publishes(w, NOW * 3);
    assert!(back(w).unwrap_err().contains("contested"));
}

#[test]
fn what_was_receipted_is_taken_again_after_a_restore_whatever_became_of_its_sender_since() {
    let mut w = World::new();
    let submit = w.stmt(Kind::Submit, encode(&sample()));
    let signed = SignedStmt::sign(&submit, &w.harbor.feed, None);
    let (keys, network) = (w.harbor.inception.first.clone(), w.network);
    let verified = || Box::new(signed.open(&keys, &network).unwrap());
    let (me, received) = (w.polder.pid(), NOW - 5_000);
    let hash = signed_hash(verified().signed_bytes());
    let receipt = |by: &TestAgency| {
        encode(
            &Receipt { msg_id: submit.id(), hash, received, status: ReceiptStatus::Stored, by: me, epoch: 0 }
                .sign(&by.feed, &w.network),
        )
    };
    let (right, forged) = (receipt(&w.polder), receipt(&w.harbor));

    // the copy knows nothing of it, and harbor's log is contested meanwhile
    w.engine = made(&w.charter, &w.polder);
    w.journal.clear();
    let step = w.engine.resume(NOW, Vec::new(), true, &[]);
    w.keep(step);
    for clock in [1, 2] {
        let draft =
            KemKey { kid: kem_kid(&[clock; 32]), suite: 1, key: Bytes(vec![clock; 32]), not_before: 0, not_after: NOW };
        let entries = vec![w.harbor.entry(&w.network, None, EntryType::KemKey, &draft)];
        let step = w.engine.handle(Input::Entries { entries, gossiped: false, reply: None }, NOW);
        w.keep(step);
    }
    let mut comes = |receipt: Option<Vec<u8>>| {
        let came = Came::Back(receipt.map(Bytes));
        let input = Input::Heard { stmt: verified(), locked: Bytes(vec![1]), unfit: None, came, reply: 9 };
        let step = w.engine.handle(input, NOW);
        w.journal.extend(step.facts);
        step.effects
            .into_iter()
            .find_map(|e| if let Effect::Reply(9, answer) = e { Some(answer.unwrap()) } else { None })
    };
    for no_proof in [None, Some(vec![]), Some(forged)] {
        assert!(
            matches!(comes(no_proof), Some(Answer::Refused(Refusal::SenderStanding, _))),
            "nothing new of it is taken"
        );
    }
    assert!(matches!(comes(Some(right.clone())), Some(Answer::Receipt(same)) if same.0 == right));
    assert!(matches!(comes(None), Some(Answer::Receipt(same)) if same.0 == right), "a duplicate gets the stored bytes");
    let case = w.engine.state().case(&submit.thread).unwrap();
    assert_eq!((case.asked.len(), case.asked[0].at), (1, received), "it was received when it was received");
    w.assert_replayed();
}

#[test]
fn what_a_contested_side_had_refused_holds_nothing_back_of_what_it_receipted_after_it() {
    let mut a = Asking::new();
    let submit = a.world.engine.state().case(&a.thread).unwrap().asked[0].open.id;
    let refused = a.says(Kind::Supplement, text("one")).unwrap();
    let last = a.says(Kind::Supplement, text("two")).unwrap();
    let (w, thread) = (&mut a.world, a.thread);
    let by = w.harbor.pid();
    let receipt =
        |msg_id| Receipt { msg_id, hash: Digest([1; 32]), received: NOW, status: ReceiptStatus::Stored, by, epoch: 0 };
    let outcomes = [submit, refused, last].map(|id| match id == refused {
        true => (id, Delivered::Refused((Refusal::WrongState, "no".into()))),
        false => (id, Delivered::Receipt(receipt(id).sign(&w.harbor.feed, &w.network))),
    });
    for (id, outcome) in outcomes {
        let step = w.engine.handle(Input::Tried { thread, id, outcome: Ok(outcome) }, w.now);
        w.keep(step);
    }
    // harbor's log is contested, and it asks with an older copy: it had all three
    for clock in [1, 2] {
        let key = Bytes(vec![clock; 32]);
        let kem = KemKey { kid: kem_kid(&key), suite: 1, key, not_before: 0, not_after: NOW * 2 };
        let entries = vec![w.harbor.entry(&w.network, None, EntryType::KemKey, &kem)];
        let step = w.engine.handle(Input::Entries { entries, gossiped: false, reply: None }, w.now);
        w.keep(step);
    }
    let (back, more) = w.engine.state().to_give_back(&by, &[], w.now).unwrap();
    assert_eq!(back.iter().map(|(_, t)| t.open.id).collect::<Vec<_>>(), [submit, refused, last]);
    assert!(!more);
}
