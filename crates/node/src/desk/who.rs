//! Who can act on a pro forma, and how it stands to a target's law.

use super::names::named;
use super::{Answer, Desk, body, json};
use crate::office::now_ms;
use lapwing_api::service::Call;
use lapwing_api::types::{
    BarredView, Because, CandidateView, Candidates, CoveredView, LegalView, PowerlessView, WhoCanAct, WillAsk,
};
use lapwing_engine::competence::{Candidate, Gap, Reason, who_can_act};
use lapwing_engine::state::State;
use lapwing_record::form::{Form, LocationRole};
use lapwing_record::id::Pid;
use lapwing_record::legal::{Comparison, LegalProfile, compare};

impl Desk {
    pub(super) fn who_can_act(&self, call: &Call) -> Answer {
        let wanted: WhoCanAct = body(call)?;
        let view = self.view();
        let state = &view.state;
        let found = who_can_act(&state.federation, &state.me, &wanted.form, now_ms());
        json(&Candidates { items: found.iter().map(|c| candidate(state, c)).collect(), as_of: state.as_of })
    }
}

/// How a pro forma stands to the law of its target; none where the target published nothing.
pub(super) fn legal_of(state: &State, target: &Pid, form: &Form) -> Option<LegalView> {
    let listed = state.federation.listing(target)?.legal.as_ref()?;
    Some(legal_view(&listed.record, &compare(form, &listed.record)))
}

fn legal_view(profile: &LegalProfile, found: &Comparison) -> LegalView {
    let title = |at: &usize| profile.laws.get(*at).map(|l| l.title()).unwrap_or_default();
    let laws = found.laws();
    let formats = laws.iter().filter_map(|at| profile.laws.get(*at)).flat_map(|l| l.evidence_formats.clone());
    let mut evidence_formats: Vec<String> = formats.collect();
    evidence_formats.sort();
    evidence_formats.dedup();
    LegalView {
        told: profile.as_of.clone(),
        laws: laws.iter().map(title).collect(),
        covered: found
            .covered
            .iter()
            .map(|c| CoveredView { conduct: c.conduct, laws: c.laws.iter().map(title).collect() })
            .collect(),
        not_covered: found.not_covered.clone(),
        not_applicable: found
            .barred
            .iter()
            .map(|(at, bar)| BarredView { law: title(at), why: bar.as_str().into() })
            .collect(),
        without_power: found
            .powerless
            .iter()
            .map(|p| PowerlessView { item: p.item, kind: p.kind.to_string() })
            .collect(),
        will_ask: found.will_ask.iter().map(|f| WillAsk { fact: f.to_string(), field: f.field().into() }).collect(),
        evidence_formats,
        note: profile.note.clone(),
    }
}

fn candidate(state: &State, candidate: &Candidate) -> CandidateView {
    let profile = state.federation.listing(&candidate.pid).and_then(|l| l.legal.as_ref());
    CandidateView {
        agency: named(state, &candidate.pid),
        can_act: candidate.can_act(),
        reasons: candidate.reasons.iter().map(reason).collect(),
        gaps: candidate.gaps.iter().map(gap).collect(),
        law: profile.zip(candidate.law.as_ref()).map(|(p, found)| legal_view(&p.record, found)),
    }
}

fn because(code: impl Into<String>, words: impl Into<String>) -> Because {
    Because { code: code.into(), words: words.into() }
}

fn reason(reason: &Reason) -> Because {
    match reason {
        Reason::Located(role) => {
            let words = match role {
                LocationRole::Origin => "the messages come from its country",
                LocationRole::Transit => "the messages pass through its country",
                LocationRole::Destination => "the messages reach people in its country",
                LocationRole::Hosting => "what they advertise is hosted in its country",
                LocationRole::Payment => "the money goes to its country",
            };
            because(format!("located_{role}"), words)
        }
        Reason::Seat => because("seat", "a party has its seat in its country"),
        Reason::Competent => because("competent", "its profile names the channel"),
        Reason::Law { of: 0, .. } => because("law", "it has a law on the channel; no conduct is stated yet"),
        Reason::Law { covered, of } => because("law", format!("its law covers {covered} of {of} kinds of conduct")),
        Reason::Powers { within, of } => {
            because("powers", format!("it has the powers for {within} of {of} things asked for"))
        }
        Reason::Language => because("language", "it reads the language of the pro forma"),
        Reason::Arrangement(code) => because("arrangement", format!("the arrangement {code} stands between the two")),
    }
}

fn gap(gap: &Gap) -> Because {
    let words = match gap {
        Gap::NoLink => "nothing of the pro forma is in its country",
        Gap::ChannelUnknown => "neither its profile nor its law names the channel",
        Gap::NoLaw => "its law covers none of the conduct",
        Gap::LawUnknown => "it has not published what its law covers",
        Gap::OtherLanguage => "it does not say that it reads the language of the pro forma",
        Gap::NoIntake => "it has no point of contact that takes referrals",
        Gap::Unreachable => "nothing can be sealed to it now",
        Gap::DoNotContact => "the pro forma says that it is not to be contacted",
    };
    because(gap.as_str(), words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::directory::{Channel, Competence, LawArea, Measure, Profile};
    use lapwing_record::entry::EntryType;
    use lapwing_record::form::{Location, Party, PartyRole, sample};
    use lapwing_record::legal;

    fn profile(language: &str) -> Profile {
        let measures = vec![Measure::ProductionOrder];
        Profile {
            display_name: "P".into(),
            competence: vec![Competence { area: LawArea::Telecommunications, channel: Channel::Email, measures }],
            languages: vec![language.into()],
            hours: vec![],
            time_zone: "UTC".into(),
            website: None,
        }
    }

    fn located(country: &str) -> Form {
        let mut sender = Party::new(PartyRole::SuspectedSender);
        sender.locations = Some(vec![Location { role: LocationRole::Hosting, country: country.into() }]);
        Form { parties: Some(vec![sender]), ..sample() }
    }

    fn view(world: &World, form: &Form) -> Vec<CandidateView> {
        let state = world.state();
        who_can_act(&state.federation, &state.me, form, 5).iter().map(|c| candidate(state, c)).collect()
    }

    fn codes(list: &[Because]) -> Vec<&str> {
        list.iter().map(|b| b.code.as_str()).collect()
    }

    #[test]
    fn the_agency_with_a_link_a_law_and_powers_stands_first_with_its_reasons() {
        let mut world = World::of(&["harbor", "polder", "savanna"]);
        let country =
            |world: &World, name: &str| world.state().federation.inception(&world.pid(name)).unwrap().country.clone();
        world.write("polder", EntryType::Profile, &profile("en"));
        world.write("polder", EntryType::LegalProfile, &legal::sample());
        world.write("savanna", EntryType::Profile, &profile("sw"));
        let form = located(&country(&world, "polder"));
        let found = view(&world, &form);
        assert_eq!(found.len(), 2, "everyone but the one who asks");
        let polder = found.iter().find(|c| c.agency.short_name == "polder").unwrap();
        assert_eq!(codes(&polder.reasons), ["located_hosting", "competent", "law", "powers", "language"]);
        assert!(codes(&polder.gaps).contains(&"unreachable") && !polder.can_act, "no key to seal to in this world");
        assert_eq!(polder.law.as_ref().unwrap().laws.len(), 2);
        let savanna = found.iter().find(|c| c.agency.short_name == "savanna").unwrap();
        assert!(codes(&savanna.gaps).contains(&"law_unknown") && codes(&savanna.gaps).contains(&"other_language"));
    }

    #[test]
    fn an_agency_that_said_it_has_no_law_yet_cannot_act() {
        let mut world = World::of(&["harbor", "polder"]);
        let none = LegalProfile { laws: vec![], note: None, as_of: "2026-11-01".into() };
        world.write("polder", EntryType::LegalProfile, &none);
        let found = view(&world, &sample());
        assert!(codes(&found[0].gaps).contains(&"no_law") && !found[0].can_act);
        let excluded = Form { do_not_contact: Some(vec!["polder".into()]), ..sample() };
        assert!(codes(&view(&world, &excluded)[0].gaps).contains(&"do_not_contact"));
    }
}
