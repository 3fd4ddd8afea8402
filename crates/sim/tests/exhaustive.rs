//! All orders of few entries, a part of them at every commit; and that what is wrong would be found.

#![allow(clippy::unwrap_used)]

use lapwing_engine::federation::Federation;
use lapwing_engine::mutation::Mutation;
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::id::EntryId;
use lapwing_record::membership::{Stances, What};
use lapwing_record::testkit::remember_verified;
use lapwing_sim::exhaustive::cast::{Cast, Play};
use lapwing_sim::exhaustive::orders::{Held, explore, literally};
use lapwing_sim::exhaustive::script::Script;
use lapwing_sim::exhaustive::table::{FAMILIES, Family, combinations};
use lapwing_sim::exhaustive::{MOST_EVENTS, Scenario, Scope, Tried, run};
use std::collections::{BTreeMap, BTreeSet};

fn family(danger: &str) -> (&'static Family, Cast) {
    let family = FAMILIES.iter().find(|f| f.danger.starts_with(danger)).unwrap();
    (family, Cast::new(family.founders, family.applicants, family.veto).unwrap())
}

fn play(cast: &Cast, scripts: &[(char, &str)]) -> Play {
    let scripts: BTreeMap<char, Script> = scripts.iter().map(|(a, text)| (*a, Script::parse(text).unwrap())).collect();
    cast.play(&scripts).unwrap()
}

#[test]
fn small_scopes_hold_in_all_orders_and_none_is_empty() {
    let rows = run(Scope { events: 8, literal: 4, every: 97, threads: 2 }, &|_, _| ()).unwrap();
    let mut all = Tried::default();
    for row in rows {
        assert!(row.failure.is_none(), "{}", row.failure.unwrap().text());
        assert!(row.tried.scenarios > 0, "nothing is tried of {}", row.danger);
        all.add(&row.tried);
    }
    for (what, n) in all.rows() {
        assert!(n > 0, "no {what}");
    }
}

#[test]
fn every_danger_has_scenarios_whose_authors_all_could_write_them() {
    for family in FAMILIES {
        let cast = Cast::new(family.founders, family.applicants, family.veto).unwrap();
        let all = combinations(family, MOST_EVENTS).unwrap();
        assert!(all.iter().any(|scripts| cast.play(scripts).is_some()), "{}", family.danger);
    }
}

/// Each with a scenario that shows it, and the check that is meant to see it.
#[test]
fn rules_broken_on_purpose_are_found_by_the_second_opinion() {
    remember_verified();
    let ring = "intro X; intro Y; seat X + seat Y + clear X + clear Y";
    let early = "intro X; intro Y; clear X; seat X";
    let late = "intro X; intro Y; clear X + clear Y; seat X";
    let both = ('B', "clear X + clear Y");
    let bank = [('A', "intro P; intro X; clear X + clear P"), ('B', "clear X + clear P"), ('X', "object1 P")];
    type Row<'a> = (Mutation, &'a str, &'a [(char, &'a str)], &'a str);
    let rows: [Row<'_>; 7] = [
        (Mutation::SeatsPassNothing, "a first word", &[('A', early)], "electors_are"),
        (Mutation::SilentPassNothing, "a first word", &[('A', early)], "electors_are"),
        (Mutation::AnybodyObjects, "a first word", &[('A', late), both, ('X', "object1 Y")], "invariant_04_nobody"),
        (Mutation::FellowsIgnored, "a ring", &[('A', ring), both, ('X', "object1 Y")], "invariant_04_an_electors"),
        (Mutation::OnlyElectorsBarPrivate, "a veto by the private", &bank, "invariant_04_an_electors"),
        (
            Mutation::LastWrittenRules,
            "an admission",
            &[('A', "intro X; clear X"), ('B', "object2 X; withdraw1 X")],
            "invariant_12",
        ),
        (Mutation::ClearEndsObjection, "an admission", &[('A', "intro X; object1 X; clear X")], "invariant_12"),
    ];
    for (mutation, danger, scripts, check) in rows {
        let (family, cast) = family(danger);
        let play = play(&cast, scripts);
        let explored = explore(&cast.founding, &play.entries).unwrap();
        let scenario = Scenario { family, cast: &cast, play: &play };
        let failure = scenario.judge_mutant(&explored, mutation).expect_err(&format!("{mutation:?} lives"));
        assert!(failure.check.starts_with(check), "{mutation:?}: {}", failure.text());
        let held = Scope { events: 10, literal: 0, every: 1, threads: 1 };
        assert!(scenario.judge(&held).is_ok(), "{mutation:?}: the right fold fails, too");
    }
}

fn objects(entry: &Entry) -> bool {
    let stances = entry.body().filter(|_| entry.header().entry_type() == Some(EntryType::Stances));
    let stances = stances.and_then(|body| Stances::decode(body).ok());
    stances.is_some_and(|s| s.items.iter().any(|item| item.what == What::Object))
}

/// Remembers the first objection that it saw, and no other.
#[derive(Clone)]
struct FirstObjection(Federation, Option<EntryId>);

impl Held for FirstObjection {
    fn hand_in(&mut self, entry: &Entry) -> bool {
        let taken = self.0.hand_in(entry);
        if taken && objects(entry) {
            self.1.get_or_insert(entry.id());
        }
        taken
    }
    fn has(&self, entry: &Entry) -> bool {
        self.0.has(entry)
    }
    fn canonical(&self) -> String {
        format!("{}barred by {:?}\n", Held::canonical(&self.0), self.1)
    }
}

#[test]
fn a_fold_that_remembers_the_first_objection_alone_is_found_with_two_orders() {
    let (family, cast) = family("an admission");
    let play = play(&cast, &[('A', "intro X"), ('B', "object1 X"), ('C', "object1 X")]);
    let differ = explore(&FirstObjection(cast.founding.clone(), None), &play.entries).err().unwrap();
    assert_eq!((differ.one.len(), differ.other.len(), differ.lines.len()), (2, 2, 2));
    assert_eq!(differ.one.iter().collect::<BTreeSet<_>>(), differ.other.iter().collect());
    let text = Scenario { family, cast: &cast, play: &play }.differ(*differ).text();
    assert!(text.contains("B: object1 X") && text.contains("barred by"), "{text}");
}

/// Takes nothing a second time that once came too early, as if it were never handed in again; and does not say so.
#[derive(Clone)]
struct NeverAgain(Federation, BTreeSet<EntryId>);

impl Held for NeverAgain {
    fn hand_in(&mut self, entry: &Entry) -> bool {
        if self.1.contains(&entry.id()) {
            return false;
        }
        let taken = self.0.hand_in(entry);
        if !taken && !self.0.has(entry) {
            self.1.insert(entry.id());
        }
        taken
    }
    fn has(&self, entry: &Entry) -> bool {
        self.0.has(entry)
    }
    fn canonical(&self) -> String {
        Held::canonical(&self.0)
    }
}

#[test]
fn what_a_canonical_form_leaves_out_is_found_by_trying_every_order_literally() {
    let (_, cast) = family("an admission");
    let play = play(&cast, &[('A', "intro X"), ('B', "noted X; object1 X")]);
    let wrong = NeverAgain(cast.founding.clone(), BTreeSet::new());
    let explored = explore(&wrong, &play.entries).unwrap();
    assert!(literally(&wrong, &play.entries, &explored).is_err());
    let right = explore(&cast.founding, &play.entries).unwrap();
    assert_eq!(literally(&cast.founding, &play.entries, &right).unwrap(), 6);
}

#[test]
fn a_wrong_state_is_shown_with_its_entries_and_an_order() {
    let (family, cast) = family("an admission");
    let play = play(&cast, &[('A', "intro X; clear X"), ('B', "object1 X; clear X"), ('C', "clear X")]);
    let explored = explore(&cast.founding, &play.entries).unwrap();
    let scenario = Scenario { family, cast: &cast, play: &play };
    let failure = scenario.judge_mutant(&explored, Mutation::ClearEndsObjection).unwrap_err();
    assert_eq!(failure.entries[2], "B: object1 X");
    assert!(!failure.orders[0].is_empty() && failure.to_json()["check"].is_string());
}
