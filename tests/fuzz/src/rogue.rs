//! Founders that sign whatever comes to their minds: bodies, places, clocks, references and types out of the fuzzer, under
//! keys that are in force. It is the way to everything behind a signature.
//!
//! ```text
//! bytes = (how, type, length: 2 bytes, body)…      how: 1 which founder · 2 an unknown type · 4 refers to the entry before
//!                                                       8 beside the newest entry, not after it · 16 a clock far ahead
//! ```

use crate::seeds::world;
use lapwing_engine::author::Placed;
use lapwing_engine::case::Case;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::fact::Fact;
use lapwing_engine::federation::Federation;
use lapwing_engine::step::{Answer, Came, Effect, Input};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::entry::{Draft, Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, MsgId, ThreadId};
use lapwing_record::idlog::IdLog;
use lapwing_record::statement::{Kind, SignedStmt, Stmt, Tlp};
use lapwing_record::testkit::TestAgency;

/// Entries of one input at most: each costs a signature.
const MOST: usize = 24;
const NOW: u64 = 1_000_000;

/// The entries that the bytes stand for.
pub fn entries(mut bytes: &[u8]) -> Vec<Entry> {
    let world = world();
    let authors: [&TestAgency; 2] = [&world.polder, &world.hangang];
    let mut tips: [[Option<(u64, EntryId)>; 3]; 2] = Default::default();
    let mut stands: [[Option<(u64, EntryId)>; 3]; 2] = Default::default();
    for (who, author) in authors.iter().enumerate() {
        let first = author.first_entry(&world.three_network);
        tips[who][0] = Some((0, first.id()));
    }
    let mut made: Vec<Entry> = Vec::new();
    while let [how, kind, high, low, rest @ ..] = bytes
        && made.len() < MOST
    {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (body, after) = rest.split_at(len);
        bytes = after;
        let who = usize::from(how & 1);
        let kind_known = EntryType::ALL[usize::from(*kind) % EntryType::ALL.len()];
        let log = match kind_known.log() {
            LogKind::Id => 0,
            LogKind::Pub => 1,
            LogKind::Agy => 2,
        };
        let place = if how & 8 == 0 { tips[who][log] } else { stands[who][log] };
        let refs = made.last().filter(|_| how & 4 != 0).map(Entry::id).into_iter().collect();
        let clock = if how & 16 == 0 { NOW } else { u64::MAX };
        let draft = Draft { pid: authors[who].pid(), epoch: 0, after: place, clock, kind: kind_known, refs };
        let mut header = draft.header(body);
        if how & 2 != 0 {
            header.kind = u64::from(*kind);
        }
        let key = match (log, kind_known) {
            (0, EntryType::RootRotate) => &authors[who].next,
            (0, _) => &authors[who].root,
            _ => &authors[who].feed,
        };
        let Ok(entry) = Entry::new(vec![header.sign(key, &world.three_network)], Some(body.to_vec())) else { continue };
        stands[who][log] = place;
        tips[who][log] = Some((header.seq, entry.id()));
        made.push(entry);
    }
    made
}

/// The node of harbor.
fn engine() -> Engine {
    let world = world();
    let first = world.harbor.first_entry(&world.three_network);
    let id = IdLog::fold(world.harbor.pid(), [&first], &world.three_network).expect("a first entry");
    Engine::new(&world.three, id, vec![first], Config { auto_clear: true, seed: 1 })
}

/// A federation that got these entries in this order; each again until nothing is new, as sync would bring them.
fn folded<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> Federation {
    let mut federation = Federation::found(&world().three);
    loop {
        let placed = entries.clone().map(|e| federation.place(e).0);
        if placed.filter(|p| matches!(p, Placed::New | Placed::Forks { .. })).count() == 0 {
            return federation;
        }
    }
}

/// Hands them to an engine and to federations. The journal alone gives the same state; so does any order of arrival.
pub fn rogue(bytes: &[u8]) {
    placed(bytes);
}

/// The same; how many entries were kept.
pub fn placed(bytes: &[u8]) -> usize {
    let entries = entries(bytes);
    let mut live = engine();
    let mut journal: Vec<Fact> = Vec::new();
    let mut take = |step: lapwing_engine::step::Step| journal.extend(step.facts);
    take(live.resume(NOW, Vec::new(), false, &[]));
    for entry in &entries {
        take(live.handle(Input::Entries { entries: vec![entry.clone()], gossiped: true, reply: None }, NOW + 5));
    }
    take(live.handle(Input::Wake, NOW + 3_000));
    let mut replayed = engine();
    journal.iter().for_each(|fact| replayed.replay(fact));
    let (a, b) = (&live.state().federation, &replayed.state().federation);
    assert_eq!(a.state_digest(), b.state_digest(), "replay gives another state");
    assert_eq!(a.entries(), b.entries(), "replay keeps other entries");

    let (first, last) = (folded(entries.iter()), folded(entries.iter().rev()));
    assert_eq!(first.state_digest(), last.state_digest(), "the order of arrival changed the state");
    entries.iter().filter(|e| first.holds(&e.id())).count()
}

/// Statements that an agency in good standing signs and sends: any kind, body and place in the case, said again or not.
///
/// ```text
/// bytes = (how, kind, length: 2 bytes, body)…      how: 1 leaves one out before · 2 without officers · 4 said twice
///                                                       8 has seen something that was never said · 16 in another case
/// ```
///
/// Each is either receipted or refused, with a code; the journal alone gives the same cases.
pub fn said(bytes: &[u8]) {
    receipted(bytes);
}

/// The same; how many were receipted.
pub fn receipted(mut bytes: &[u8]) -> usize {
    let world = world();
    let (from, to) = (&world.polder, &world.harbor);
    let mut live = engine();
    let mut journal: Vec<Fact> = live.resume(NOW, Vec::new(), false, &[]).facts;
    let mut own: [Vec<MsgId>; 2] = Default::default();
    let (mut receipts, mut count) = (0, 0);
    while let [how, kind, high, low, rest @ ..] = bytes
        && count < MOST
    {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (body, after) = rest.split_at(len);
        (bytes, count) = (after, count + 1);
        let case = usize::from(how >> 4 & 1);
        let left_out = u64::from(how & 1);
        let mut stmt = Stmt {
            version: 1,
            network_id: world.three_network,
            thread: ThreadId([case as u8 + 1; 32]),
            msg_no: own[case].len() as u64 + left_out,
            prev_own: own[case].last().copied(),
            seen_peer: (how & 8 != 0).then_some(MsgId([9; 32])),
            from: from.pid(),
            epoch: 0,
            to: to.pid(),
            clock: NOW,
            expires: NOW + 86_400_000,
            kind: Kind::ALL[usize::from(*kind) % Kind::ALL.len()],
            handling: Tlp::Amber,
            body: Bytes(body.to_vec()),
            blobs: Vec::new(),
        };
        if stmt.msg_no > 0 && stmt.prev_own.is_none() {
            stmt.prev_own = Some(MsgId([8; 32]));
        }
        let approvals = stmt.approval().filter(|_| how & 2 == 0);
        let approvals = approvals.map(|a| vec![a.sign(&from.officers[0], &world.three_network)]);
        let signed = SignedStmt::sign(&stmt, &from.feed, approvals);
        // what does not open never reaches the engine
        let Ok(verified) = signed.open(&from.inception.first, &world.three_network) else { continue };
        own[case].push(stmt.id());
        for _ in 0..=(how >> 2 & 1) {
            let locked = Bytes(encode(&signed));
            let step = live.handle(
                Input::Heard { stmt: Box::new(verified.clone()), locked, unfit: None, came: Came::Delivered, reply: 1 },
                NOW + count as u64,
            );
            let mut answers = step.effects.iter().filter_map(|effect| match effect {
                Effect::GiveReceipt { reply: 1, .. } | Effect::Reply(1, Ok(Answer::Receipt(_))) => Some(true),
                Effect::Reply(1, _) => Some(false),
                _ => None,
            });
            let (answer, more) = (answers.next(), answers.next());
            assert!(answer.is_some() && more.is_none(), "one answer to each: {:?}", step.effects);
            receipts += usize::from(answer == Some(true));
            journal.extend(step.facts);
        }
    }
    journal.extend(live.handle(Input::Wake, NOW + 90_000_000).facts);
    let mut replayed = engine();
    journal.iter().for_each(|fact| replayed.replay(fact));
    let cases = |engine: &Engine| {
        let one = |case: &Case| {
            let refused: Vec<_> = case.asked.iter().map(|told| (told.open.id, told.refused.clone())).collect();
            (format!("{:?}", case.stage()), refused)
        };
        engine.state().cases.iter().map(|(thread, case)| (*thread, one(case))).collect::<Vec<_>>()
    };
    assert_eq!(cases(&live), cases(&replayed), "replay gives other cases");
    receipts
}
