//! A small federation in memory, seen from its first founder, for the tests of this module.

#![allow(clippy::unwrap_used)]

use lapwing_engine::author::Placed;
use lapwing_engine::engine::{Config, Engine};
use lapwing_engine::state::State;
use lapwing_engine::step::{Answer, Effect, Input};
use lapwing_record::cbor::Cbor;
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::{Entry, EntryType, LogKind};
use lapwing_record::id::{EntryId, NetworkId, Pid};
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{Approval, Stance, Stances, Target, What};
use lapwing_record::testkit::{TestAgency, charter_of};

/// The world.
pub(crate) struct World {
    agencies: Vec<(String, TestAgency)>,
    network: NetworkId,
    engine: Engine,
}

impl World {
    /// A federation of these founders.
    pub(crate) fn of(founders: &[&str]) -> Self {
        Self::with(founders, &[])
    }

    /// And of agencies that the first founder introduced, with their countries.
    pub(crate) fn with(founders: &[&str], introduced: &[(&str, &str)]) -> Self {
        let mut agencies: Vec<(String, TestAgency)> =
            founders.iter().map(|n| ((*n).to_owned(), TestAgency::named(n))).collect();
        let charter = charter_of(&agencies.iter().map(|(_, a)| a).collect::<Vec<_>>());
        let network = charter.network_id();
        let parts = agencies.iter().map(|(_, a)| a.found(&charter)).collect();
        let file = CharterFile::join(charter, parts).unwrap();
        let first = agencies[0].1.first_entry(&network);
        let own = IdLog::fold(agencies[0].1.pid(), [&first], &network).unwrap();
        let engine = Engine::new(&file, own, vec![first], Config { auto_clear: false, seed: 1 });
        for (name, country) in introduced {
            let mut agency = TestAgency::named(name);
            agency.inception.country = (*country).to_owned();
            agencies.push((format!("{name}/{country}"), agency));
        }
        let mut world = World { agencies, network, engine };
        for at in founders.len()..world.agencies.len() {
            let application = world.agencies[at].1.application(&network);
            world.write(founders[0], EntryType::Introduce, &application);
        }
        world
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn state(&self) -> &State {
        self.engine.state()
    }

    fn agency(&self, name: &str) -> &TestAgency {
        let named = |(n, _): &&(String, TestAgency)| n.split('/').next() == Some(name);
        &self.agencies.iter().find(named).unwrap().1
    }

    pub(crate) fn pid(&self, name: &str) -> Pid {
        self.agency(name).pid()
    }

    /// Writes the next entry of somebody's log.
    pub(crate) fn write<B: Cbor>(&mut self, name: &str, kind: EntryType, body: &B) -> EntryId {
        let agency = self.agency(name).clone();
        let log: LogKind = kind.log();
        let after = self.state().federation.author(&agency.pid()).unwrap().newest(log).tip();
        let entry = agency.entry(&self.network, after, kind, body);
        self.take(entry)
    }

    /// Hands the engine something.
    pub(crate) fn handle(&mut self, input: Input) {
        let _ = self.engine.handle(input, 0);
    }

    /// Writes another entry at the place of somebody's last one.
    pub(crate) fn fork<B: Cbor>(&mut self, name: &str, kind: EntryType, body: &B) {
        let agency = self.agency(name).clone();
        let chain = &self.state().federation.author(&agency.pid()).unwrap().newest(kind.log()).stem;
        let before = chain.len().checked_sub(2).and_then(|at| chain.get(at)).map(|line| (line.seq, line.id));
        let entry = agency.entry(&self.network, before, kind, body);
        self.handle(Input::Entries { entries: vec![entry], gossiped: false, reply: None });
    }

    fn take(&mut self, entry: Entry) -> EntryId {
        let id = entry.id();
        let step = self.engine.handle(Input::Entries { entries: vec![entry], gossiped: false, reply: Some(1) }, 0);
        let placed = step.effects.iter().find_map(|e| match e {
            Effect::Reply(1, Ok(Answer::Placed(placed))) => Some(placed[0].clone()),
            _ => None,
        });
        assert_eq!(placed, Some(Placed::New));
        id
    }

    /// A node's word on somebody.
    pub(crate) fn node_says(&mut self, name: &str, what: What, of: &str) -> EntryId {
        let target = Target::Participant(self.pid(of));
        self.write(name, EntryType::Stances, &Stances { items: vec![Stance::by_node(what, target)] })
    }

    /// Officers' word on somebody.
    pub(crate) fn officers_say(&mut self, name: &str, what: What, of: &str, n: u64) -> EntryId {
        let target = Target::Participant(self.pid(of));
        let agency = self.agency(name);
        let approval = Approval::of_stance(agency.pid(), 0, n, what.act().unwrap(), target);
        let signed = approval.sign(&agency.officers[0], &self.network);
        let stance = Stance { what, target, n: Some(n), approvals: Some(vec![signed]) };
        self.write(name, EntryType::Stances, &Stances { items: vec![stance] })
    }
}
