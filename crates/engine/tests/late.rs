//! What comes late, twice, or while something else is under way changes nothing of what follows from the whole.

#![allow(clippy::unwrap_used)]

use lapwing_engine::author::Placed;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::membership::Standing;
use lapwing_engine::step::{Answer, Command, Effect, Input, Step};
use lapwing_record::cbor::{Cbor, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::directory::Profile;
use lapwing_record::entry::{Draft, Entry, EntryType};
use lapwing_record::id::{EntryId, NetworkId};
use lapwing_record::identity::{GrantReason, KeyGrant, Leave};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{Stance, Stances, Target, What};
use lapwing_record::testkit::{TestAgency, charter_of};

const NOW: u64 = 1_000_000;

/// The node of polder, and the keys of harbor and of an applicant.
struct World {
    network: NetworkId,
    harbor: TestAgency,
    polder: TestAgency,
    engine: Engine,
}

impl World {
    fn new() -> World {
        let (harbor, polder) = (TestAgency::named("harbor"), TestAgency::named("polder"));
        let charter = charter_of(&[&harbor, &polder]);
        let parts = vec![harbor.found(&charter), polder.found(&charter)];
        let charter = CharterFile::join(charter, parts).unwrap();
        let network = charter.charter.network_id();
        let first = polder.first_entry(&network);
        let id = IdLog::fold(polder.pid(), [&first], &network).unwrap();
        let mut engine = Engine::new(&charter, id, vec![first], Config { auto_clear: false, seed: 1 });
        let step = engine.resume(NOW, Vec::new(), false, &[]);
        let mut world = World { network, harbor, polder, engine };
        world.sign(step);
        world
    }

    fn take(&mut self, entry: &Entry) -> Placed {
        let input = Input::Entries { entries: vec![entry.clone()], gossiped: false, reply: Some(1) };
        let step = self.engine.handle(input, NOW);
        let mut placed = step.effects.into_iter().find_map(|e| match e {
            Effect::Reply(1, Ok(Answer::Placed(placed))) => Some(placed),
            _ => None,
        });
        placed.as_mut().unwrap().remove(0)
    }

    fn command(&mut self, command: Command) -> Step {
        self.engine.handle(Input::Local { command: Box::new(command), by: None, reply: 2 }, NOW)
    }

    /// Signs what a step hands out, and what follows.
    fn sign(&mut self, step: Step) -> usize {
        let mut signed = 0;
        let mut steps = vec![step];
        while let Some(step) = steps.pop() {
            for effect in step.effects {
                if let Effect::Sign(header, body) = effect {
                    signed += 1;
                    assert!(signed < 50, "it is signed over and over");
                    let entry = Entry::new(vec![header.sign(&self.polder.feed, &self.network)], Some(body.0)).unwrap();
                    steps.push(self.engine.handle(Input::Signed(entry), NOW));
                }
            }
        }
        signed
    }

    fn entry<B: Cbor>(
        &self,
        by: &TestAgency,
        after: Option<&Entry>,
        refs: Vec<EntryId>,
        kind: EntryType,
        body: &B,
    ) -> Entry {
        let after = after.map(|e| (e.header().seq, e.id()));
        let draft = Draft { pid: by.pid(), epoch: 0, after, clock: NOW, kind, refs };
        let body = encode(body);
        Entry::new(vec![draft.header(&body).sign(&by.feed, &self.network)], Some(body)).unwrap()
    }
}

fn profile(name: &str) -> Profile {
    Profile {
        display_name: name.into(),
        competence: vec![],
        languages: vec![],
        hours: vec![],
        time_zone: "Europe/London".into(),
        website: None,
    }
}

fn grant(of: &TestAgency) -> KeyGrant {
    KeyGrant { epoch: 1, keys: of.inception.first.clone(), anchors: vec![], reason: GrantReason::Routine }
}

#[test]
fn words_that_waited_for_an_entry_of_another_kind_count_in_the_digest_when_it_comes() {
    let mut w = World::new();
    let savanna = TestAgency::named("savanna");
    let introduction = w.entry(&w.harbor, None, vec![], EntryType::Introduce, &savanna.application(&w.network));
    let target = Target::Participant(savanna.pid());
    let about = w.entry(&w.harbor, Some(&introduction), vec![], EntryType::Profile, &profile("Harbor"));
    let act = lapwing_record::identity::Act::Object;
    let approval = lapwing_record::membership::Approval::of_stance(w.harbor.pid(), 0, 1, act, target);
    let by = w.harbor.officers[..1].iter().map(|o| approval.sign(o, &w.network)).collect();
    let objects = Stances { items: vec![Stance { what: What::Object, target, n: Some(1), approvals: Some(by) }] };
    // what it refers to is another's entry, which comes last
    let own = w.entry(&savanna, None, vec![], EntryType::Profile, &profile("Savanna"));
    let words = w.entry(&w.harbor, Some(&about), vec![own.id()], EntryType::Stances, &objects);
    for entry in [&introduction, &about, &words] {
        assert_eq!(w.take(entry), Placed::New);
    }
    let state = |w: &World| (w.engine.state().digest, w.engine.state().federation.state_digest());
    let before = state(&w);
    assert_eq!(w.engine.state().federation.standing(&savanna.pid()), Some(Standing::Candidate));
    assert_eq!(w.take(&own), Placed::New);
    assert_eq!(w.engine.state().federation.standing(&savanna.pid()), Some(Standing::Objected));
    let after = state(&w);
    assert!(before.0 == before.1 && after.0 == after.1 && before != after);
}

#[test]
fn a_leave_that_a_second_introduction_brings_counts_at_once() {
    let mut w = World::new();
    let savanna = TestAgency::named("savanna");
    let first = savanna.application(&w.network);
    let leave = savanna.id_entry(&w.network, &first.id_log[0], EntryType::Leave, &Leave { heads: vec![], note: None });
    let mut second = first.clone();
    second.id_log.push(leave.clone());
    let one = w.entry(&w.harbor, None, vec![], EntryType::Introduce, &first);
    let two = w.entry(&w.harbor, Some(&one), vec![], EntryType::Introduce, &second);
    assert_eq!(w.take(&one), Placed::New);
    assert_eq!(w.take(&two), Placed::New);
    // by whatever road it comes, and however often
    assert_eq!(w.take(&leave), Placed::Duplicate);
    assert_eq!(w.engine.state().federation.standing(&savanna.pid()), Some(Standing::Left));
}

#[test]
fn an_own_entry_that_does_not_verify_is_not_signed_over_and_over() {
    let mut w = World::new();
    let body = encode(&profile("Polder"));
    let step = w.command(Command::Write { kind: EntryType::Profile, body });
    let feed = std::mem::replace(&mut w.polder.feed, TestAgency::key(9));
    assert_eq!(w.sign(step), 1);
    assert_eq!(w.engine.state().reserved.len(), 1, "it stays reserved: the next start signs it");
    w.polder.feed = feed;
    let step = w.engine.handle(Input::Wake, NOW);
    assert_eq!(w.sign(step), 0);
}

#[test]
fn what_is_written_after_a_new_epoch_stands_in_it_while_something_of_the_one_before_is_being_signed() {
    let mut w = World::new();
    let write = |name: &str| Command::Write { kind: EntryType::Profile, body: encode(&profile(name)) };
    let pending = w.command(write("Polder"));
    let first = w.polder.first_entry(&w.network);
    let opens = w.polder.id_entry(&w.network, &first, EntryType::KeyGrant, &grant(&w.polder));
    let step = w.command(Command::IdEntry(Box::new(opens)));
    assert!(step.effects.iter().any(|e| matches!(e, Effect::Reply(2, Ok(_)))), "{:?}", step.effects);
    let next = w.command(write("Polder, again"));
    for step in [pending, step, next] {
        w.sign(step);
    }
    let state = w.engine.state();
    assert!(state.reserved.is_empty(), "{} headers are never placed", state.reserved.len());
    let listed = state.federation.listing(&w.polder.pid()).and_then(|l| l.profile.as_ref()).unwrap();
    assert_eq!(listed.record.display_name, "Polder, again");
}
