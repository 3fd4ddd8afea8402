//! Why somebody stands where it stands, in words and with the entries that decide it.

use super::members::objection;
use super::names::{self, named};
use super::{Answer, Desk, json, path};
use lapwing_api::service::Call;
use lapwing_api::types::{ElectorView, Explained};
use lapwing_engine::membership::{Counts, Decisive, Elector, Explanation, Rank, Reason, Standing, Target, Why, Word};
use lapwing_engine::state::State;
use lapwing_record::id::{EntryId, Pid};

impl Desk {
    pub(super) fn explain(&self, call: &Call) -> Answer {
        let view = self.view();
        let pid = names::participant(&view.state, path(call, "name"))?;
        json(&explained(&view.state, pid))
    }
}

fn explained(state: &State, pid: Pid) -> Explained {
    let target = Target::Participant(pid);
    let why = state.federation.roster().explain(target);
    let of = named(state, &pid);
    Explained {
        words: summary(&of.short_name, &why),
        of,
        standing: why.standing.map(|s| s.to_string()),
        reason: why.reason.as_str().into(),
        asked: why.asked,
        excuse_needs: why.excuse_needs,
        electors: why.electors.iter().map(|e| elector(state, target, e)).collect(),
        other_objectors: why.other_objectors.iter().map(|o| objection(state, &o.pid, target)).collect(),
    }
}

fn summary(name: &str, why: &Explanation) -> String {
    let count = |wanted: &str| why.electors.iter().filter(|e| e.counts.as_str() == wanted).count();
    let (agrees, missing, objects) = (count("agrees"), count("missing"), count("objects"));
    let standing = why.standing.map_or("unknown", Standing::as_str);
    let because = match why.reason {
        Reason::Founder => "it founded the federation, and nobody judges founders".to_owned(),
        Reason::Left => "it left, for good".to_owned(),
        Reason::NotIntroduced => "no agency has introduced it".to_owned(),
        Reason::Complete if agrees == why.asked => {
            format!("all {agrees} electors that are asked agree, and none objects")
        }
        Reason::Complete => {
            format!("{agrees} of {} electors that are asked agree, the others are excused, and none objects", why.asked)
        }
        Reason::ElectorObjects if objects == 1 => "one of its electors objects".to_owned(),
        Reason::ElectorObjects => format!("{objects} of its electors object"),
        Reason::RingFellowObjects => "an agency that was elected through it objects".to_owned(),
        Reason::AgencyObjects => match why.other_objectors.len() {
            1 => "an agency objects, though it is not its elector".to_owned(),
            n => format!("{n} agencies object, though they are not its electors"),
        },
        Reason::WordsMissing => {
            format!("{missing} of {} electors that are asked have not said their word yet", why.asked)
        }
        Reason::NobodyAgreed => "no elector that counts has agreed".to_owned(),
    };
    format!("{name} is {standing}: {because}.")
}

fn elector(state: &State, target: Target, e: &Elector) -> ElectorView {
    let name = named(state, &e.pid);
    let seater = match e.why {
        Why::Founder => None,
        Why::Seated { by } => Some(by),
    };
    let seats = |word: &Word| matches!(word, Word::Seat);
    let seated_in = seater.and_then(|by| state.federation.entry_saying(&by, Target::Participant(e.pid), &seats));
    let excused_by: Vec<String> = match &e.counts {
        Counts::Excused { by } => by.iter().map(|p| named(state, p).short_name).collect(),
        _ => Vec::new(),
    };
    let seated_by = seater.map(|by| named(state, &by).short_name);
    ElectorView {
        words: sentence(&name.short_name, seated_by.as_deref(), e, &excused_by),
        name,
        why: if seater.is_some() { "seated" } else { "founder" }.into(),
        seated_by,
        standing: e.standing.to_string(),
        word: e.word.as_str().into(),
        counts: e.counts.as_str().into(),
        excused_by,
        entry: entry_of(state, &e.pid, target, &e.word).map(|id| id.to_string()),
        seated_in: seated_in.map(|id| id.to_string()),
    }
}

/// The entry that holds a deciding word: of an approved stance the one with that rank, of a node's word the newest.
fn entry_of(state: &State, author: &Pid, target: Target, word: &Decisive) -> Option<EntryId> {
    let has = |wanted: Rank| move |w: &Word| matches!(w, Word::Consent { rank, .. } | Word::Object { rank, .. } | Word::Withdraw { rank, .. } if *rank == wanted);
    match *word {
        Decisive::Nothing => None,
        Decisive::Noted => state.federation.entry_saying(author, target, &|w| matches!(w, Word::Noted)),
        Decisive::Clear => state
            .federation
            .entry_saying(author, target, &|w| matches!(w, Word::Clear | Word::Consent { disavowed: true, .. })),
        Decisive::Consent { rank } | Decisive::Object { rank } | Decisive::Withdraw { rank } => {
            state.federation.entry_saying(author, target, &has(rank))
        }
    }
}

fn sentence(name: &str, seated_by: Option<&str>, e: &Elector, excused_by: &[String]) -> String {
    let who = match seated_by {
        None => format!("{name}, a founder,"),
        Some(by) => format!("{name}, an elector since {by} seated it,"),
    };
    let said = match e.word {
        Decisive::Nothing => "has said nothing",
        Decisive::Noted => "has seen it; its window runs",
        Decisive::Clear => "let its window run without an objection",
        Decisive::Consent { .. } => "consented through its officers",
        Decisive::Object { .. } => "objects through its officers",
        Decisive::Withdraw { .. } => "withdrew what it had said",
    };
    let follows = match &e.counts {
        Counts::Agrees => "it agrees".to_owned(),
        Counts::Objects => "this bars".to_owned(),
        Counts::Excused { .. } => format!("it is excused for its silence by {}", excused_by.join(", ")),
        Counts::Missing => "its word is owed".to_owned(),
        Counts::NotLive => format!("nothing is asked of it, for it is {} itself", e.standing),
        Counts::RingFellow => "nothing is asked of it, for it was elected through this one".to_owned(),
    };
    format!("{who} {said}: {follows}.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::membership::What;

    #[test]
    fn each_elector_is_explained_with_the_entry_that_decides() {
        let mut world = World::with(&["harbor", "polder", "silla"], &[("northbank", "NL")]);
        let noted = world.node_says("harbor", What::Noted, "northbank");
        let cleared = world.node_says("harbor", What::Clear, "northbank");
        let objected = world.officers_say("polder", What::Object, "northbank", 1);
        let told = explained(world.state(), world.pid("northbank"));
        assert_eq!((told.standing.as_deref(), told.reason.as_str()), (Some("objected"), "elector_objects"));
        assert_eq!(told.words, "northbank is objected: one of its electors objects.");
        assert_eq!(told.electors.len(), 3);
        let of = |name: &str| told.electors.iter().find(|e| e.name.short_name == name).unwrap();
        assert_eq!(of("harbor").entry, Some(cleared.to_string()));
        assert_ne!(cleared, noted);
        assert_eq!(of("silla").words, "silla, a founder, has said nothing: its word is owed.");
        assert_eq!(of("silla").entry, None);
        assert_eq!(of("polder").entry, Some(objected.to_string()));
        assert_eq!(of("harbor").words, "harbor, a founder, let its window run without an objection: it agrees.");
        assert_eq!(of("polder").words, "polder, a founder, objects through its officers: this bars.");
    }

    #[test]
    fn a_founder_is_explained_without_electors() {
        let world = World::of(&["harbor"]);
        let told = explained(world.state(), world.pid("harbor"));
        assert_eq!(told.reason, "founder");
        assert!(told.electors.is_empty());
    }
}
