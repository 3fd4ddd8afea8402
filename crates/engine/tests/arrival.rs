//! The state of a federation is a function of the set of entries held, whatever came first (protocol §2, §7: 1).
//! Each of these orders was found by `lapwing-sim exhaustive` (docs/simulation.md).

#![allow(clippy::unwrap_used)]

use lapwing_engine::federation::Federation;
use lapwing_engine::membership::Standing;
use lapwing_record::cbor::{Cbor, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::{Draft, Entry, EntryType};
use lapwing_record::id::{EntryId, NetworkId, Pid};
use lapwing_record::identity::Leave;
use lapwing_record::idlog::IdLog;
use lapwing_record::membership::{ForkProof, Stance, Stances, Target, What};
use lapwing_record::testkit::{TestAgency, charter_of};

struct World {
    founding: Federation,
    network: NetworkId,
    harbor: TestAgency,
    polder: TestAgency,
    fjord: TestAgency,
    mesa: TestAgency,
}

fn world() -> World {
    let [harbor, polder, fjord, mesa] = ["harbor", "polder", "fjord", "mesa"].map(TestAgency::named);
    let charter = charter_of(&[&harbor, &polder]);
    let parts = [&harbor, &polder].map(|f| f.found(&charter)).to_vec();
    let file = CharterFile::join(charter.clone(), parts).unwrap();
    World { founding: Federation::found(&file), network: charter.network_id(), harbor, polder, fjord, mesa }
}

impl World {
    fn entry<B: Cbor>(
        &self,
        by: &TestAgency,
        after: Option<&Entry>,
        kind: EntryType,
        body: &B,
        refs: &[EntryId],
    ) -> Entry {
        let after = after.map(|e| (e.header().seq, e.id()));
        let draft = Draft { pid: by.pid(), epoch: 0, after, clock: 1, kind, refs: refs.to_vec() };
        let body = encode(body);
        Entry::new(vec![draft.header(&body).sign(&by.feed, &self.network)], Some(body)).unwrap()
    }

    fn introduce(&self, by: &TestAgency, whom: &TestAgency, refs: &[EntryId]) -> Entry {
        self.entry(by, None, EntryType::Introduce, &whom.application(&self.network), refs)
    }

    fn says(&self, by: &TestAgency, after: Option<&Entry>, what: What, of: Pid) -> Entry {
        let body = Stances { items: vec![Stance::by_node(what, Target::Participant(of))] };
        self.entry(by, after, EntryType::Stances, &body, &[])
    }

    fn holding(&self, entries: &[&Entry]) -> Federation {
        let mut federation = self.founding.clone();
        for entry in entries {
            federation.place(entry);
        }
        federation
    }

    fn same(&self, one: &[&Entry], other: &[&Entry]) -> Federation {
        let (one, other) = (self.holding(one), self.holding(other));
        assert_eq!(one.canonical(), other.canonical());
        one
    }
}

#[test]
fn whom_a_founder_seated_before_it_was_introduced_here_may_introduce_others() {
    let w = world();
    let seat = w.says(&w.harbor, None, What::Seat, w.fjord.pid());
    let (first, second) = (w.introduce(&w.polder, &w.fjord, &[]), w.introduce(&w.fjord, &w.mesa, &[]));
    let held = w.same(&[&first, &seat, &second], &[&seat, &first, &second]);
    assert_eq!(held.standing(&w.mesa.pid()), Some(Standing::Candidate));
}

#[test]
fn a_proof_of_a_fork_counts_though_its_author_is_introduced_later() {
    let w = world();
    let forks = [What::Noted, What::Clear].map(|what| w.says(&w.fjord, None, what, w.mesa.pid()));
    let [mut a, mut b] = forks.map(|e| (e.id(), e.signatures()[0].clone()));
    if a.0 > b.0 {
        std::mem::swap(&mut a, &mut b);
    }
    let proof = w.entry(&w.harbor, None, EntryType::ForkProof, &ForkProof { a: a.1, b: b.1 }, &[]);
    let introduced = w.introduce(&w.polder, &w.fjord, &[]);
    let held = w.same(&[&introduced, &proof], &[&proof, &introduced]);
    assert!(held.author(&w.fjord.pid()).unwrap().contested());
}

#[test]
fn a_leave_that_an_application_brings_along_counts_for_one_introduced_before() {
    let w = world();
    let mut application = w.fjord.application(&w.network);
    let leave = Leave { heads: Vec::new(), note: None };
    let leave = w.fjord.id_entry(&w.network, &application.id_log[0], EntryType::Leave, &leave);
    application.id_log.push(leave.clone());
    let plain = w.introduce(&w.harbor, &w.fjord, &[]);
    let longer = w.entry(&w.polder, None, EntryType::Introduce, &application, &[]);
    let waits = w.entry(
        &w.polder,
        Some(&longer),
        EntryType::Stances,
        &Stances { items: vec![Stance::by_node(What::Noted, Target::Participant(w.fjord.pid()))] },
        &[leave.id()],
    );
    let held = w.same(&[&plain, &longer, &waits], &[&longer, &plain, &waits]);
    assert_eq!(held.standing(&w.fjord.pid()), Some(Standing::Left));
    w.same(&[&plain, &leave, &longer, &waits], &[&longer, &waits, &plain]);
}

#[test]
fn an_introduction_that_waits_for_another_entry_waits_also_when_its_author_is_seated() {
    let w = world();
    let missing = w.says(&w.polder, None, What::Noted, w.mesa.pid());
    let first = w.introduce(&w.harbor, &w.fjord, &[]);
    let seat = w.says(&w.harbor, Some(&first), What::Seat, w.fjord.pid());
    let second = w.introduce(&w.fjord, &w.mesa, &[missing.id()]);
    let held = w.same(&[&first, &seat, &second], &[&first, &second, &seat]);
    assert_eq!(held.standing(&w.mesa.pid()), None);
    w.same(&[&first, &seat, &second, &missing], &[&missing, &first, &second, &seat]);
}

#[test]
fn a_node_that_wrote_before_it_was_introduced_counts_as_many_entries_as_the_others() {
    let w = world();
    let first = w.fjord.first_entry(&w.network);
    let early = w.says(&w.fjord, None, What::Noted, w.mesa.pid());
    let introduced = w.introduce(&w.harbor, &w.fjord, &[]);
    let mut own = w.founding.clone();
    own.host(IdLog::fold(w.fjord.pid(), [&first], &w.network).unwrap(), vec![first]);
    let before = own.entries();
    own.place(&early);
    assert_eq!(own.entries(), before, "nobody else holds it yet");
    own.place(&introduced);
    let others = w.holding(&[&introduced, &early]);
    assert_eq!(own.entries(), others.entries());
    assert_eq!(own.canonical(), others.canonical());
}
