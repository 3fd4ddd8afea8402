//! Each invariant fails where a state or a step is made wrong by hand: none of them is always true.

#![allow(clippy::unwrap_used)]

use super::state::*;
use super::step::*;
use super::*;
use crate::author::{Author, Fork, MAX_FORKED, Placed};
use crate::case::{Case, Delivery, Open, Told};
use crate::engine::Config;
use crate::fact::{self, Fact};
use crate::head::HeadCheck;
use crate::membership::{Class, Item, Roster, Standing, Veto, Word};
use crate::propose::MAX_PROPOSALS;
use crate::state::{Inbox, Pending};
use crate::step::{Answer, Effect, Input};
use crate::window::Window;
use lapwing_record::cbor::{Bytes, Cbor, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::directory::KemKey;
use lapwing_record::entry::{Draft, Entry, EntryType, Header, LogKind};
use lapwing_record::id::{Digest, EntryId, MsgId, NetworkId, Pid, ThreadId};
use lapwing_record::identity::{Act, Category};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{Approval, Stance, Stances, Target, What};
use lapwing_record::statement::{Kind, Stmt, Tlp};
use lapwing_record::testkit::{TestAgency, charter_of};
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: u64 = 1_000_000;
const THREAD: ThreadId = ThreadId([5; 32]);

/// The node of polder; harbor founded with it and has introduced savanna, an agency, and courier, which is none.
struct Scene {
    network: NetworkId,
    charter: CharterFile,
    harbor: TestAgency,
    polder: TestAgency,
    savanna: TestAgency,
    courier: TestAgency,
    engine: Engine,
    /// The last entry of harbor's log 1.
    last: Entry,
}

fn engine(charter: &CharterFile, of: &TestAgency) -> Engine {
    let network = charter.charter.network_id();
    let first = of.first_entry(&network);
    let id = IdLog::fold(of.pid(), [&first], &network).unwrap();
    Engine::new(charter, id, vec![first], Config { auto_clear: false, seed: 1 })
}

impl Scene {
    fn new() -> Scene {
        let [harbor, polder, savanna] = ["harbor", "polder", "savanna"].map(TestAgency::named);
        let courier = TestAgency::of_class("courier", Category::Courier);
        let charter = charter_of(&[&harbor, &polder]);
        let charter = CharterFile::join(charter.clone(), [&harbor, &polder].map(|a| a.found(&charter)).into()).unwrap();
        let network = charter.charter.network_id();
        let mut engine = engine(&charter, &polder);
        let first = harbor.entry(&network, None, EntryType::Introduce, &savanna.application(&network));
        let place = Some((0, first.id()));
        let last = harbor.entry(&network, place, EntryType::Introduce, &courier.application(&network));
        for entry in [first, last.clone()] {
            engine.state.apply(&kept(entry));
        }
        assert_eq!(of_state(&engine.state), Ok(()));
        Scene { network, charter, harbor, polder, savanna, courier, engine, last }
    }

    fn state(&mut self) -> &mut State {
        &mut self.engine.state
    }

    /// The next entry of harbor's log 1.
    fn next<B: Cbor>(&mut self, kind: EntryType, body: &B) -> Entry {
        let place = Some((self.last.header().seq, self.last.id()));
        self.last = self.harbor.entry(&self.network, place, kind, body);
        self.last.clone()
    }

    fn take(&mut self, entry: Entry) -> Fact {
        let fact = kept(entry);
        assert_eq!(self.engine.state.apply(&fact).0, Some(Placed::New));
        fact
    }

    /// Both founders clear `of`, in the roster alone.
    fn admit(&mut self, of: Pid) {
        let word = Item::Said { target: Target::Participant(of), word: Word::Clear };
        for by in [self.harbor.pid(), self.polder.pid()] {
            self.state().federation.roster_mut().append(by, word.clone());
        }
        let state = self.state();
        (state.digest, _) = (state.federation.state_digest(), state.reach());
    }

    fn objection(&self, approved: bool) -> Stances {
        let target = Target::Participant(self.savanna.pid());
        let approval = Approval::of_stance(self.harbor.pid(), 0, 1, Act::Object, target);
        let by = if approved { &self.harbor.officers[0] } else { &self.polder.officers[0] };
        let approvals = Some(vec![approval.sign(by, &self.network)]);
        Stances { items: vec![Stance { what: What::Object, target, n: Some(1), approvals }] }
    }

    /// What one of the case's sides says.
    fn stmt(&self, from: &TestAgency, to: &TestAgency, msg_no: u64) -> Open {
        Open::bare(&Stmt {
            version: 1,
            network_id: self.network,
            thread: THREAD,
            msg_no,
            prev_own: None,
            seen_peer: None,
            from: from.pid(),
            epoch: 0,
            to: to.pid(),
            clock: NOW,
            expires: NOW + 1000,
            kind: Kind::Submit,
            handling: Tlp::Amber,
            body: Bytes::default(),
            blobs: vec![],
        })
    }

    /// Puts a case with one statement into the state.
    fn case(&mut self, told: Told) {
        let mut case = Case::new(&told.open);
        case.asked.push(told);
        self.state().cases.insert_mut(THREAD, Arc::new(case));
    }

    /// A statement of our own that waits to be delivered to harbor.
    fn waits(&mut self) -> Open {
        let open = self.stmt(&self.polder, &self.harbor, 0);
        let said = fact::Said { at: NOW, open: open.clone(), locked: Bytes(vec![1]) };
        self.state().apply(&Fact::Said(said));
        open
    }

    fn header(&self, log: LogKind, seq: u64, kind: EntryType) -> Header {
        let after = seq.checked_sub(1).map(|s| (s, EntryId([7; 32])));
        let draft = Draft { pid: self.polder.pid(), epoch: 0, after, clock: NOW, kind, refs: vec![] };
        Header { log, ..draft.header(&[1]) }
    }

    fn reserve(&mut self, header: Header) -> Fact {
        let fact = Fact::Reserved(fact::Reserved { header, body: Bytes(vec![1]) });
        self.state().apply(&fact);
        fact
    }

    /// Judges a step from `before` to what the engine is now.
    fn judge(&self, judge: fn(&Look<'_>) -> Result<(), String>, before: &State, step: Step) -> Result<(), String> {
        judge(&Look { before, after: &self.engine, step: &step, now: NOW })
    }
}

fn kept(entry: Entry) -> Fact {
    Fact::Entry(fact::Kept { at: NOW, entry })
}

fn facts<const N: usize>(facts: [Fact; N]) -> Step {
    Step { facts: facts.into(), effects: vec![] }
}

fn effects<const N: usize>(effects: [Effect; N]) -> Step {
    Step { facts: vec![], effects: effects.into() }
}

fn answer(answer: Answer) -> Step {
    effects([Effect::Reply(1, Ok(answer))])
}

#[test]
fn a_digest_that_was_not_made_anew_is_told() {
    let mut s = Scene::new();
    s.state().digest = Digest([9; 32]);
    assert!(invariant_01_the_digest_is_of_the_entries_held(s.state()).is_err());
}

#[test]
fn words_in_the_roster_that_no_line_holds_are_told_and_admit_nobody_unseen() {
    let mut s = Scene::new();
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert_eq!(s.state().federation.standing(&savanna), Some(Standing::Participant));
    assert!(invariant_02_incremental_is_batch(s.state()).is_err());
    assert!(invariant_07_no_admission_without_every_founder(s.state()).is_err());
    assert_eq!(invariant_01_the_digest_is_of_the_entries_held(s.state()), Ok(()));
}

#[test]
fn an_objection_that_does_not_bar_is_told() {
    let mut s = Scene::new();
    let objects = s.objection(true);
    let entry = s.next(EntryType::Stances, &objects);
    s.take(entry);
    assert_eq!(invariant_04_an_objection_held_bars(s.state()), Ok(()));
    let harbor = s.harbor.pid();
    s.state().federation.roster_mut().replace(harbor, vec![]);
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert!(invariant_04_an_objection_held_bars(s.state()).is_err());
}

#[test]
fn a_private_sector_elector_is_told() {
    let mut s = Scene::new();
    let (harbor, polder, courier) = (s.harbor.pid(), s.polder.pid(), s.courier.pid());
    let mut roster = Roster::new(Veto::Standing);
    roster.add_founder(harbor);
    roster.add_founder(polder);
    roster.add_participant(courier, Class::Agency);
    *s.state().federation.roster_mut() = roster;
    assert_eq!(invariant_05_nobody_but_agencies_elects(s.state()), Ok(()));
    s.admit(courier);
    assert!(invariant_05_nobody_but_agencies_elects(s.state()).is_err());
}

#[test]
fn a_fork_without_proof_is_told() {
    let mut s = Scene::new();
    let (harbor, header) = (s.harbor.pid(), s.last.signatures()[0].clone());
    let fork = Fork { seq: 1, proof: (header.clone(), header), lines: Default::default() };
    s.state().federation.author_mut(&harbor).public.get_mut(&0).unwrap().fork = Some(Arc::new(fork));
    assert!(invariant_10_forks_are_proven(s.state()).is_err());
}

#[test]
fn copies_of_log_0_beyond_the_bound_are_told() {
    let mut s = Scene::new();
    let body = encode(&s.harbor.inception);
    for clock in 1..=5 {
        let pid = s.harbor.pid();
        let draft = Draft { pid, epoch: 0, after: None, clock, kind: EntryType::Inception, refs: vec![] };
        let copy = Entry::new(vec![draft.header(&body).sign(&s.harbor.root, &s.network)], Some(body.clone())).unwrap();
        assert_eq!(invariant_11_copies_of_log_0_are_bounded(s.state()), Ok(()));
        s.state().federation.author_mut(&pid).hoard(copy);
    }
    assert!(invariant_11_copies_of_log_0_are_bounded(s.state()).is_err());
}

#[test]
fn a_log_that_ends_in_what_another_key_signed_is_told() {
    let mut s = Scene::new();
    assert_eq!(invariant_12_logs_end_in_entries_of_the_keys_in_force(s.state()), Ok(()));
    let harbor = s.harbor.pid();
    s.state().federation.author_mut(&harbor).id.epochs[0].keys.feed = TestAgency::key(9).public();
    assert!(invariant_12_logs_end_in_entries_of_the_keys_in_force(s.state()).is_err());
}

#[test]
fn logs_that_nobody_introduced_and_members_in_the_inbox_are_told() {
    let mut s = Scene::new();
    let application = Arc::new(s.savanna.application(&s.network));
    let savanna = s.savanna.pid();
    s.state().inbox.insert_mut(savanna, Inbox { at: NOW, application });
    assert!(invariant_18_whoever_is_held_was_introduced(s.state()).is_err());

    let mut s = Scene::new();
    let stranger = TestAgency::named("tundra");
    let first = stranger.first_entry(&s.network);
    let id = IdLog::fold(stranger.pid(), [&first], &s.network).unwrap();
    s.state().federation.smuggle(Author::new(id, [first]));
    assert!(invariant_18_whoever_is_held_was_introduced(s.state()).is_err());
}

#[test]
fn buffers_beyond_their_bounds_are_told() {
    let wrong: [fn(&mut Scene); 4] = [
        |s| {
            let target = Some(Target::Participant(s.savanna.pid()));
            let (act, motion, reason) = (Act::Consent, None, None);
            let proposal = fact::Proposal { at: NOW, epoch: 0, n: 1, act, target, motion, reason, salt: [0; 16] };
            let pending = Pending { proposal: Arc::new(proposal), approvals: vec![] };
            (0..=MAX_PROPOSALS as u8).for_each(|n| s.state().proposals.insert_mut(Digest([n; 32]), pending.clone()));
        },
        |s| s.state().acks.insert_mut(EntryId([1; 32]), Default::default()),
        |s| s.state().outbox.insert_mut(MsgId([1; 32]), THREAD),
        |s| s.state().unsent.insert_mut(MsgId([1; 32]), Bytes::default()),
    ];
    for make in wrong {
        let mut s = Scene::new();
        make(&mut s);
        assert!(invariant_20_buffers_are_bounded(s.state()).is_err());
    }
}

#[test]
fn a_statement_that_waits_no_more_without_a_receipt_is_told() {
    let mut s = Scene::new();
    let open = s.waits();
    assert_eq!(invariant_23_what_is_delivered_has_a_receipt(s.state()), Ok(()));
    s.state().outbox.remove_mut(&open.id);
    assert!(invariant_23_what_is_delivered_has_a_receipt(s.state()).is_err());
}

#[test]
fn a_thread_with_a_gap_or_anothers_words_is_told() {
    let mut s = Scene::new();
    let gap = Told::heard(s.stmt(&s.harbor, &s.polder, 1), NOW);
    s.case(gap);
    assert!(invariant_24_threads_are_gap_free(s.state()).is_err());

    let mut s = Scene::new();
    let (theirs, ours) = (s.stmt(&s.harbor, &s.polder, 0), s.stmt(&s.savanna, &s.polder, 0));
    s.case(Told::heard(theirs, NOW));
    assert_eq!(invariant_24_threads_are_gap_free(s.state()), Ok(()));
    let mut case = s.state().case(&THREAD).unwrap().clone();
    case.answered.push(Told::heard(ours, NOW));
    s.state().cases.insert_mut(THREAD, Arc::new(case));
    assert!(invariant_24_threads_are_gap_free(s.state()).is_err());
}

#[test]
fn private_words_that_change_a_standing_are_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let noted = Stances { items: vec![Stance::by_node(What::Noted, Target::Participant(s.savanna.pid()))] };
    let fact = s.take(s.courier.entry(&s.network, None, EntryType::Stances, &noted));
    let judge = invariant_05_words_of_others_than_agencies_change_nothing;
    assert_eq!(s.judge(judge, &before, facts([fact.clone()])), Ok(()));
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert!(s.judge(judge, &before, facts([fact])).is_err());
}

#[test]
fn a_standing_that_changes_without_an_entry_is_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    assert_eq!(s.judge(invariant_08_without_an_entry_no_standing_changes, &before, Step::default()), Ok(()));
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert!(s.judge(invariant_08_without_an_entry_no_standing_changes, &before, Step::default()).is_err());
}

#[test]
fn a_window_that_changes_or_is_cut_short_is_told_and_words_on_a_motion_that_move_a_standing() {
    let judge = invariant_17_what_an_amendment_changed_judges_nothing_before_it;
    let mut s = Scene::new();
    let target = Target::Participant(s.savanna.pid());
    let before = s.state().clone();
    assert_eq!(s.judge(judge, &before, Step::default()), Ok(()));
    let window = |noted, window_ms| Window { noted, window_ms, grace_ms: 5 };
    let clears = |s: &Scene| {
        let body = encode(&Stances { items: vec![Stance::by_node(What::Clear, target)] });
        let header = s.header(LogKind::Pub, 1, EntryType::Stances);
        facts([Fact::Reserved(fact::Reserved { header, body: Bytes(body) })])
    };
    assert!(s.judge(judge, &before, clears(&s)).is_err(), "it was never noted");
    for (noted, length, holds) in [(NOW - 10, 10, true), (NOW - 10, 11, false)] {
        s.state().noted = Arc::new(BTreeMap::from([(target, window(noted, length))]));
        assert_eq!(s.judge(judge, &before, clears(&s)).is_ok(), holds);
    }
    let running = s.state().clone();
    s.state().noted = Arc::new(BTreeMap::from([(target, window(NOW - 10, 3))]));
    assert!(s.judge(judge, &running, Step::default()).is_err(), "it was longer when it began");
    s.state().noted = running.noted.clone();

    let seat = Stances { items: vec![Stance::by_node(What::Seat, Target::Motion(EntryId([5; 32])))] };
    let entry = s.next(EntryType::Stances, &seat);
    let (before, fact) = (s.state().clone(), s.take(entry));
    assert_eq!(s.judge(judge, &before, facts([fact.clone()])), Ok(()));
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert!(s.judge(judge, &before, facts([fact])).is_err());
}

#[test]
fn signing_what_is_not_reserved_or_twice_or_too_early_is_told() {
    let judge = invariant_09_what_is_signed_is_reserved_once;
    let mut s = Scene::new();
    let before = s.state().clone();
    let header = s.header(LogKind::Pub, 0, EntryType::Profile);
    let sign = || Effect::Sign(Box::new(header.clone()), Bytes(vec![1]));
    assert!(s.judge(judge, &before, effects([sign()])).is_err(), "not reserved");
    let fact = s.reserve(header.clone());
    assert_eq!(s.judge(judge, &before, Step { facts: vec![fact.clone()], effects: vec![sign()] }), Ok(()));
    assert!(s.judge(judge, &before, effects([sign(), sign()])).is_err(), "twice");
    s.engine.head = HeadCheck::Waiting { since: NOW, must_reach: vec![], restored: true, answers: Default::default() };
    assert!(s.judge(judge, &before, effects([sign()])).is_err(), "too early");
    let other = s.reserve(s.header(LogKind::Pub, 0, EntryType::Contact));
    assert!(s.judge(judge, &before, facts([other])).is_err(), "one place for two");
}

#[test]
fn a_contested_log_that_grows_beyond_its_bound_is_told() {
    let mut s = Scene::new();
    let (harbor, proof) = (s.harbor.pid(), s.last.signatures()[0].clone());
    let line = s.state().federation.author(&harbor).unwrap().newest(LogKind::Pub).stem.last().unwrap().clone();
    let grow = |s: &mut Scene, many: usize| {
        let id = |n: usize| EntryId(lapwing_record::id::HashOf::Entry.hash(&n.to_le_bytes()));
        let lines = (0..many).map(|n| (id(n), line.clone())).collect();
        let fork = Fork { seq: 2, proof: (proof.clone(), proof.clone()), lines };
        s.state().federation.author_mut(&harbor).public.get_mut(&0).unwrap().fork = Some(Arc::new(fork));
        s.state().clone()
    };
    let before = grow(&mut s, MAX_FORKED);
    let judge = invariant_11_contested_storage_grows_to_its_bound;
    let step = || facts([kept(s.last.clone())]);
    assert_eq!(s.judge(judge, &before, step()), Ok(()));
    let step = step();
    grow(&mut s, MAX_FORKED + 1);
    assert!(s.judge(judge, &before, step).is_err());
}

#[test]
fn officers_words_that_no_officer_approved_are_told_where_they_count() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let objects = s.objection(false);
    let entry = s.next(EntryType::Stances, &objects);
    let fact = s.take(entry);
    let judge = invariant_12_officers_words_are_approved;
    assert_eq!(s.judge(judge, &before, facts([fact.clone()])), Ok(()));
    let (harbor, target) = (s.harbor.pid(), Target::Participant(s.savanna.pid()));
    let chain = s.state().federation.author_mut(&harbor).public.get_mut(&0).unwrap();
    let mut line = chain.stem.last().unwrap().clone();
    let rank = crate::membership::Rank { epoch: 0, n: 1 };
    let word = Word::Object { rank, disavowed: false };
    line.says = crate::line::Says::Items(Arc::new([Item::Said { target, word }]));
    let last = chain.stem.len() - 1;
    chain.stem.set_mut(last, line);
    assert!(s.judge(judge, &before, facts([fact])).is_err());
}

#[test]
fn a_counter_that_officers_were_asked_about_before_is_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let proposed = |n: u64, of: &Scene, act| {
        let target = Some(Target::Participant(of.savanna.pid()));
        Fact::Proposed(fact::Proposal { at: NOW, epoch: 0, n, act, target, motion: None, reason: None, salt: [0; 16] })
    };
    let (consent, object) = (proposed(1, &s, Act::Consent), proposed(1, &s, Act::Object));
    s.state().apply(&consent);
    let judge = invariant_13_counters_are_used_once;
    assert_eq!(s.judge(judge, &before, facts([consent])), Ok(()));
    s.state().apply(&object);
    assert!(s.judge(judge, &before, facts([object])).is_err());
    let none = proposed(0, &s, Act::Consent);
    assert!(s.judge(judge, &before, facts([none])).is_err());
}

#[test]
fn an_entry_of_a_stranger_that_is_kept_is_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let stranger = TestAgency::named("tundra").first_entry(&s.network);
    assert!(s.judge(invariant_18_nothing_of_a_stranger_is_kept, &before, facts([kept(stranger)])).is_err());
}

#[test]
fn what_is_for_agencies_is_told_where_others_would_read_it() {
    let judge = invariant_19_what_is_for_agencies_stands_in_log_2;
    let mut s = Scene::new();
    let before = s.state().clone();
    let reason = s.reserve(s.header(LogKind::Agy, 0, EntryType::ObjectionReason));
    let right = facts([reason.clone()]);
    assert_eq!(s.judge(judge, &before, right), Ok(()));
    let open = s.reserve(s.header(LogKind::Pub, 0, EntryType::ObjectionReason));
    assert!(s.judge(judge, &before, facts([open])).is_err(), "in log 1");
    let Fact::Reserved(reason) = reason else { panic!() };
    let names = Header { refs: vec![reason.header.id()], ..s.header(LogKind::Pub, 1, EntryType::Profile) };
    let names = s.reserve(names);
    assert!(s.judge(judge, &before, facts([names])).is_err(), "named in log 1");
    assert!(s.judge(judge, &before, effects([Effect::Push(Box::new(s.last.clone()))])).is_err(), "another's");
}

#[test]
fn promises_without_their_fact_are_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let receipt = Effect::GiveReceipt {
        thread: THREAD,
        id: MsgId([1; 32]),
        hash: Digest([1; 32]),
        received: 1,
        epoch: 0,
        reply: 1,
    };
    let wrong = [
        effects([receipt]),
        answer(Answer::Placed(vec![Placed::New])),
        answer(Answer::Receipt(Bytes(vec![1]))),
        answer(Answer::Entry(EntryId([1; 32]))),
        answer(Answer::Approved(Some(EntryId([1; 32])))),
        answer(Answer::Applied(TestAgency::named("tundra").pid())),
        answer(Answer::Proposal(Digest([1; 32]))),
        answer(Answer::Said(MsgId([1; 32]))),
    ];
    for step in wrong {
        let what = format!("{:?}", step.effects);
        assert!(s.judge(invariant_22_a_promise_has_its_fact, &before, step).is_err(), "{what}");
    }
}

#[test]
fn a_statement_that_is_heard_again_or_of_which_nobody_is_told_is_told() {
    let mut s = Scene::new();
    let open = s.stmt(&s.harbor, &s.polder, 0);
    let heard = fact::Heard { at: NOW, open: open.clone(), hash: Digest([1; 32]), epoch: 0, locked: Bytes::default() };
    let empty = s.state().clone();
    s.case(Told::heard(open, NOW));
    let judge = invariant_22_a_statement_counts_once;
    let again = s.state().clone();
    assert!(s.judge(judge, &again, facts([Fact::Heard(heard.clone())])).unwrap_err().contains("again"));
    assert!(s.judge(judge, &empty, facts([Fact::Heard(heard)])).unwrap_err().contains("nobody"));
}

#[test]
fn a_receipt_that_is_none_is_told() {
    let mut s = Scene::new();
    let open = s.waits();
    let before = s.state().clone();
    let none = fact::Receipted { at: NOW, thread: THREAD, id: open.id, receipt: Bytes(vec![1]) };
    for fact in [Fact::Receipt(none.clone()), Fact::GaveReceipt(none)] {
        assert!(s.judge(invariant_23_receipts_verify, &before, facts([fact])).is_err());
    }
}

#[test]
fn words_that_do_not_go_on_are_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let (first, late) = (s.stmt(&s.harbor, &s.polder, 0), s.stmt(&s.harbor, &s.polder, 3));
    let heard = |open: Open| {
        Fact::Heard(fact::Heard { at: NOW, open, hash: Digest([1; 32]), epoch: 0, locked: Bytes::default() })
    };
    let judge = invariant_24_what_is_said_goes_on;
    let first = heard(first);
    s.state().apply(&first);
    assert_eq!(s.judge(judge, &before, facts([first])), Ok(()));
    let late = heard(late);
    s.state().apply(&late);
    assert!(s.judge(judge, &before, facts([late])).is_err());
}

#[test]
fn what_goes_to_whom_it_may_not_is_told() {
    let judge = invariant_25_nothing_goes_to_whom_it_may_not;
    let mut s = Scene::new();
    let key = vec![3; 32];
    let kid = lapwing_record::seal::kem_kid(&key);
    let kem = KemKey { suite: 2, kid, key: Bytes(key), not_before: 0, not_after: NOW + 10 };
    let entry = s.next(EntryType::KemKey, &kem);
    s.take(entry);
    let open = s.waits();
    let (harbor, before) = (s.harbor.pid(), s.state().clone());
    let deliver = |to: Pid| effects([Effect::Deliver { thread: THREAD, id: open.id, to }]);
    let at = |s: &Scene, now: u64| judge(&Look { before: &before, after: &s.engine, step: &deliver(harbor), now });
    assert_eq!(at(&s, NOW), Ok(()));
    assert!(at(&s, NOW + 10).unwrap_err().contains("key"), "expired");
    // one that came back after a restore goes out past its time, once
    assert!(!at(&s, NOW + 1000).unwrap_err().contains("waits"));
    let why = "nobody there".into();
    s.state().apply(&Fact::Tried(fact::Tried { at: NOW, thread: THREAD, id: open.id, why, next: Some(NOW + 1000) }));
    assert!(at(&s, NOW + 1000).unwrap_err().contains("waits"), "given up");
    assert!(s.judge(judge, &before, deliver(s.savanna.pid())).unwrap_err().contains("not said"), "foreign");
    s.state().federation.roster_mut().append(harbor, Item::Leave);
    assert!(at(&s, NOW).unwrap_err().contains("Left"), "left");
}

#[test]
fn a_reservation_that_continues_nothing_or_that_nobody_signs_is_told() {
    let judge = invariant_27_what_is_reserved_is_signed_and_goes_on;
    let mut s = Scene::new();
    let before = s.state().clone();
    let first = s.reserve(s.header(LogKind::Pub, 0, EntryType::Profile));
    assert!(s.judge(judge, &before, facts([first])).unwrap_err().contains("nobody signs"));
    let apart = s.reserve(s.header(LogKind::Pub, 1, EntryType::Profile));
    assert!(s.judge(judge, &before, facts([apart])).unwrap_err().contains("does not continue"));
}

#[test]
fn an_unconfirmed_node_that_signs_what_counts_is_told() {
    let judge = invariant_28_an_unconfirmed_node_signs_nothing_that_counts;
    let mut s = Scene::new();
    let before = s.state().clone();
    let founder = s.reserve(s.header(LogKind::Pub, 0, EntryType::Stances));
    assert_eq!(s.judge(judge, &before, facts([founder.clone()])), Ok(()));
    s.engine = engine(&s.charter, &s.savanna);
    let profile = s.reserve(s.header(LogKind::Pub, 0, EntryType::Profile));
    assert_eq!(s.judge(judge, &before, facts([profile])), Ok(()));
    assert!(s.judge(judge, &before, facts([founder])).is_err());
}

#[test]
fn a_fact_that_does_not_read_back_and_a_state_that_no_fact_made_are_told() {
    let mut s = Scene::new();
    let before = s.state().clone();
    let open = s.stmt(&s.polder, &s.harbor, 0);
    let said = |bytes: usize| Fact::Said(fact::Said { at: NOW, open: open.clone(), locked: Bytes(vec![0; bytes]) });
    assert_eq!(s.judge(invariant_29_facts_read_back, &before, facts([said(9)])), Ok(()));
    assert!(s.judge(invariant_29_facts_read_back, &before, facts([said(5 << 20)])).is_err());

    s.state().apply(&said(9));
    assert_eq!(s.judge(invariant_29_replay_is_live_state, &before, facts([said(9)])), Ok(()));
    assert!(s.judge(invariant_29_replay_is_live_state, &before, Step::default()).unwrap_err().contains("rows"));
    let mut case = s.state().case(&THREAD).unwrap().clone();
    case.asked[0].delivery = Some(Delivery { tries: 9, next: None, receipt: None, why: None, failed: false });
    s.state().cases.insert_mut(THREAD, Arc::new(case));
    assert!(s.judge(invariant_29_replay_is_live_state, &before, facts([said(9)])).unwrap_err().contains("case"));
    let savanna = s.savanna.pid();
    s.admit(savanna);
    assert!(s.judge(invariant_29_replay_is_live_state, &before, facts([said(9)])).unwrap_err().contains("roster"));
}

#[test]
fn a_log_0_that_a_copy_resets_and_a_leave_that_is_taken_back_are_told() {
    let judge = invariant_30_nothing_resets_a_log_0;
    let mut s = Scene::new();
    let harbor = s.harbor.pid();
    let copy = || kept(TestAgency::named("harbor").first_entry(&s.network));
    let (copy, before) = (copy(), s.engine.state.clone());
    assert_eq!(s.judge(judge, &before, facts([copy.clone()])), Ok(()));
    s.state().federation.author_mut(&harbor).id.roots.clear();
    assert!(s.judge(judge, &before, facts([copy])).is_err());

    let mut s = Scene::new();
    s.state().federation.author_mut(&harbor).id.left = Some(EntryId([1; 32]));
    let before = s.state().clone();
    let rotation = kept(s.harbor.rotate_entry(&s.network, &s.harbor.first_entry(&s.network), &s.harbor.rotation(9)));
    s.state().federation.author_mut(&harbor).id.left = None;
    assert!(s.judge(judge, &before, facts([rotation])).is_err());
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "invariant_01_the_digest_is_of_the_entries_held does not hold")]
fn a_debug_build_ends_at_the_first_that_does_not_hold() {
    let mut s = Scene::new();
    s.state().digest = Digest([9; 32]);
    for _ in 0..=EVERY * size(&s.engine.state) {
        let _ = s.engine.handle(Input::Wake, NOW);
    }
}

#[test]
fn every_invariant_has_a_test_in_which_it_fails() {
    let source = include_str!("tests.rs");
    let names = OF_STATE.iter().map(|(name, _)| *name).chain(OF_STEP.iter().map(|(name, _)| *name));
    for name in names {
        assert!(source.contains(name), "{name} has none");
    }
}
