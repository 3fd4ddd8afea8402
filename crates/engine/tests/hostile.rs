//! What reaches the engine under valid signatures or twice, and must change nothing: clocks, types of later versions, copies.

#![allow(clippy::unwrap_used)]

use lapwing_engine::author::Placed;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::Fact;
use lapwing_engine::federation::Federation;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::{Answer, Came, Effect, Input, Step};
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::directory::KemKey;
use lapwing_record::entry::{Draft, Entry, EntryType};
use lapwing_record::form::sample;
use lapwing_record::id::{EntryId, MsgId, NetworkId, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{Stance, Stances, Target, What};
use lapwing_record::seal::{Suite, kem_kid, public_key};
use lapwing_record::sign::{Context, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::{TestAgency, charter_of};

const NOW: u64 = 1_795_176_000_000;

struct World {
    network: NetworkId,
    charter: CharterFile,
    harbor: TestAgency,
    polder: TestAgency,
}

impl World {
    fn new() -> World {
        let (harbor, polder) = (TestAgency::named("harbor"), TestAgency::named("polder"));
        let charter = charter_of(&[&harbor, &polder]);
        let network = charter.network_id();
        let parts = vec![harbor.found(&charter), polder.found(&charter)];
        World { network, charter: CharterFile::join(charter, parts).unwrap(), harbor, polder }
    }

    /// The node of polder, and its journal so far.
    fn polder_node(&self) -> (Engine, Vec<Fact>) {
        let first = self.polder.first_entry(&self.network);
        let id = IdLog::fold(self.polder.pid(), [&first], &self.network).unwrap();
        let mut engine = Engine::new(&self.charter, id, vec![first], Config { auto_clear: true, seed: 1 });
        let step = engine.resume(NOW, Vec::new(), false, &[]);
        (engine, step.facts)
    }

    fn statement(&self, before: &[MsgId]) -> Stmt {
        let kind = if before.is_empty() { Kind::Submit } else { Kind::Supplement };
        let body = if before.is_empty() { encode(&sample()) } else { encode(&Text { text: "more".into() }) };
        Stmt {
            version: 1,
            network_id: self.network,
            thread: ThreadId([5; 32]),
            msg_no: before.len() as u64,
            prev_own: before.last().copied(),
            seen_peer: None,
            from: self.harbor.pid(),
            epoch: 0,
            to: self.polder.pid(),
            clock: NOW,
            expires: NOW + 86_400_000,
            kind,
            handling: Tlp::Amber,
            body: Bytes(body),
            blobs: vec![],
        }
    }

    /// Hands in the same bytes of harbor's each time.
    fn hear(&self, engine: &mut Engine, stmt: &Stmt) -> Step {
        let signed = SignedStmt::sign(stmt, &self.harbor.feed, None);
        let verified = signed.open(&self.harbor.inception.first, &self.network).unwrap();
        let locked = Bytes(encode(&signed));
        engine.handle(
            Input::Heard { stmt: Box::new(verified), locked, unfit: None, came: Came::Delivered, reply: 7 },
            NOW,
        )
    }

    /// Does what a node does with the wish for a receipt: signs, and hands it in. Its bytes.
    fn receipt(&self, engine: &mut Engine, step: &Step) -> Option<Bytes> {
        let Some(Effect::GiveReceipt { thread, id, hash, received, epoch, .. }) =
            step.effects.iter().find(|e| matches!(e, Effect::GiveReceipt { .. }))
        else {
            return None;
        };
        let receipt = Receipt {
            msg_id: *id,
            hash: *hash,
            received: *received,
            status: ReceiptStatus::Stored,
            by: self.polder.pid(),
            epoch: *epoch,
        };
        let bytes = Bytes(encode(&Sign1::sign(&self.polder.feed, &self.network, Context::Receipt, encode(&receipt))));
        let kept = engine.handle(Input::GaveReceipt { thread: *thread, id: *id, receipt: bytes.clone() }, NOW);
        assert!(kept.facts.len() <= 1);
        Some(bytes)
    }
}

fn refusal(step: &Step) -> Option<Refusal> {
    step.effects.iter().find_map(|e| match e {
        Effect::Reply(7, Ok(Answer::Refused(refusal, _))) => Some(*refusal),
        _ => None,
    })
}

#[test]
fn a_statement_whose_receipt_was_lost_gets_the_very_same_one_and_changes_nothing() {
    let world = World::new();
    let (mut engine, _) = world.polder_node();
    let stmt = world.statement(&[]);
    let first = world.hear(&mut engine, &stmt);
    assert_eq!(first.facts.iter().filter(|f| matches!(f, Fact::Heard(_))).count(), 1);
    // a crash before the receipt itself was kept: the same one is signed again
    let before = world.hear(&mut engine, &stmt);
    assert!(before.facts.iter().all(|f| !matches!(f, Fact::Heard(_) | Fact::Notice(_))), "{:?}", before.facts);
    let receipt = world.receipt(&mut engine, &first).unwrap();
    assert_eq!(world.receipt(&mut engine, &before), Some(receipt.clone()));
    for _ in 0..3 {
        let again = world.hear(&mut engine, &stmt);
        let answer = again.effects.iter().find_map(|e| match e {
            Effect::Reply(7, Ok(Answer::Receipt(bytes))) => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(answer, Some(receipt.clone()));
        assert!(again.facts.is_empty(), "{:?}", again.facts);
    }
    assert_eq!(engine.state().case(&stmt.thread).unwrap().asked.len(), 1);
}

#[test]
fn a_copy_that_failed_first_is_taken_when_it_comes_again_and_then_once() {
    let world = World::new();
    let (mut engine, _) = world.polder_node();
    let first = world.statement(&[]);
    let second = world.statement(&[first.id()]);
    let early = world.hear(&mut engine, &second);
    assert_eq!(refusal(&early), Some(Refusal::Gap), "what comes before it is missing");
    assert!(early.facts.iter().all(|f| !matches!(f, Fact::Heard(_) | Fact::GaveReceipt(_))));
    assert!(world.hear(&mut engine, &first).facts.iter().any(|f| matches!(f, Fact::Heard(_))));
    let taken = world.hear(&mut engine, &second);
    assert_eq!(refusal(&taken), None);
    assert_eq!(taken.facts.iter().filter(|f| matches!(f, Fact::Heard(_))).count(), 1);
    assert!(world.receipt(&mut engine, &taken).is_some(), "what failed once is no duplicate");
    assert!(world.hear(&mut engine, &second).facts.is_empty());
    assert_eq!(engine.state().case(&first.thread).unwrap().asked.len(), 2);
}

#[test]
fn an_entry_of_a_type_that_nobody_knows_yet_is_kept_and_handed_on_as_it_came() {
    let world = World::new();
    let (mut engine, mut journal) = world.polder_node();
    let mut after = None;
    for (kind, crit) in [(40_u64, false), (1024, false), (63, true)] {
        let body = vec![0xff; 100];
        let draft =
            Draft { pid: world.harbor.pid(), epoch: 0, after, clock: 1, kind: EntryType::Profile, refs: Vec::new() };
        let mut header = draft.header(&body);
        (header.kind, header.crit) = (kind, crit);
        let entry = Entry::new(vec![header.sign(&world.harbor.feed, &world.network)], Some(body)).unwrap();
        after = Some((header.seq, entry.id()));
        let input = Input::Entries { entries: vec![entry.clone()], gossiped: true, reply: None };
        journal.extend(engine.handle(input, NOW).facts);
        assert!(engine.state().federation.holds(&entry.id()), "type {kind}");
        let kept = journal.iter().rev().find_map(|f| match f {
            Fact::Entry(kept) => Some(decode::<Fact>(&encode(&Fact::Entry(kept.clone())), 1 << 20).unwrap()),
            _ => None,
        });
        let Some(Fact::Entry(kept)) = kept else { panic!("type {kind} is not in the journal") };
        assert_eq!(kept.entry.encode(), entry.encode(), "type {kind}");
        let author = engine.state().federation.author(&world.harbor.pid()).unwrap();
        assert_eq!(author.needs_upgrade(), crit, "type {kind}");
    }
}

/// A federation in which a third is admitted, its founders' clocks showing what they are told to.
fn admitted(clocks: [u64; 4]) -> Federation {
    let world = World::new();
    let savanna = TestAgency::named("savanna");
    let mut federation = Federation::found(&world.charter);
    let mut tips: [Option<(u64, EntryId)>; 2] = [None, None];
    let mut say = |who: usize, clock: u64, kind: EntryType, body: Vec<u8>| {
        let author = [&world.harbor, &world.polder][who];
        let draft = Draft { pid: author.pid(), epoch: 0, after: tips[who], clock, kind, refs: Vec::new() };
        let header = draft.header(&body);
        let entry = Entry::new(vec![header.sign(&author.feed, &world.network)], Some(body)).unwrap();
        tips[who] = Some((header.seq, entry.id()));
        assert_eq!(federation.place(&entry).0, Placed::New);
    };
    let target = Target::Participant(savanna.pid());
    let words = |what| encode(&Stances { items: vec![Stance::by_node(what, target)] });
    say(0, clocks[0], EntryType::Introduce, encode(&savanna.application(&world.network)));
    for (who, clock) in [(0, clocks[1]), (1, clocks[2])] {
        say(who, clock, EntryType::Stances, words(What::Noted));
        say(who, clocks[3], EntryType::Stances, words(What::Clear));
    }
    assert_eq!(federation.standing(&savanna.pid()), Some(Standing::Participant));
    federation
}

#[test]
fn the_same_words_under_any_clocks_give_the_same_standings() {
    let day = 86_400_000;
    let usual = admitted([NOW, NOW + 1, NOW + 2, NOW + 3]).state_digest();
    for clocks in [[0; 4], [u64::MAX; 4], [NOW, NOW - 400 * day, NOW + 400 * day, 0], [u64::MAX, 0, NOW, 1]] {
        assert_eq!(admitted(clocks).state_digest(), usual, "{clocks:?}");
    }
}

#[test]
fn nothing_is_sealed_to_a_key_before_its_time_or_after_it() {
    let world = World::new();
    let mut federation = Federation::found(&world.charter);
    let mut after = None;
    for (seed, not_before, not_after) in [(1, 100, 200), (2, 150, 300)] {
        let key = public_key(Suite::X25519, &[seed; 32]);
        let kid = kem_kid(&key);
        let record = KemKey { kid, suite: Suite::X25519.number(), key: Bytes(key), not_before, not_after };
        let entry = world.harbor.entry(&world.network, after, EntryType::KemKey, &record);
        after = Some((entry.header().seq, entry.id()));
        assert_eq!(federation.place(&entry).0, Placed::New);
    }
    let listing = federation.listing(&world.harbor.pid()).unwrap();
    let begins = |now| listing.kem_key(now).map(|k| k.not_before);
    let found = [99, 100, 149, 150, 199, 200, 299, 300, u64::MAX].map(begins);
    assert_eq!(
        found,
        [None, Some(100), Some(100), Some(150), Some(150), Some(150), Some(150), None, None],
        "the newest that is in force, and none beyond its time"
    );
}
