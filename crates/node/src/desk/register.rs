//! What agencies publish about their law and their work together: legal profiles, arrangements, outcomes.

use super::contacts::{fault, refuse, sees_agency_contacts};
use super::names::{self, named};
use super::paging::page;
use super::{Answer, Desk, body, filter, parsed};
use crate::office::now_ms;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{ArrangementIn, ArrangementRow, OutcomeIn, OutcomeRow};
use lapwing_engine::register::{Registered, Standing, arrangements};
use lapwing_engine::state::State;
use lapwing_record::cbor::encode;
use lapwing_record::directory::{Channel, LawArea};
use lapwing_record::entry::EntryType;
use lapwing_record::form::{LAP_BEST_EFFORTS, when};
use lapwing_record::id::Pid;
use lapwing_record::identity::Class;
use lapwing_record::legal::LegalProfile;
use lapwing_record::register::{Action, Arrangement, Outcome};

/// Names of participants as ids, ascending; a fault for each that is not one.
fn pids(state: &State, path: &str, names: &[String], faults: &mut Vec<FieldFault>) -> Vec<Pid> {
    let mut pids = Vec::new();
    for (i, name) in names.iter().enumerate() {
        match names::participant(state, name) {
            Ok(pid) => pids.push(pid),
            Err(problem) => faults.push(FieldFault { path: format!("{path}.{i}"), what: problem.detail }),
        }
    }
    pids.sort();
    pids.dedup();
    pids
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

impl Desk {
    /// Only agencies publish what these are about.
    fn of_an_agency(&self) -> Result<(), Problem> {
        match self.view().state.my_id().inception.class {
            Class::Agency => Ok(()),
            _ => Err(Problem::new(Code::Standing, "only agencies publish this")),
        }
    }

    pub(super) async fn publish_legal(&self, call: Call) -> Answer {
        let profile = body::<LegalProfile>(&call)?.in_order();
        refuse(profile.check().err().map(fault).into_iter().collect(), "the legal profile")?;
        self.of_an_agency()?;
        self.write(EntryType::LegalProfile, encode(&profile)).await
    }

    pub(super) async fn publish_arrangement(&self, call: Call) -> Answer {
        let wanted: ArrangementIn = body(&call)?;
        let view = self.view();
        let mut faults = Vec::new();
        let arrangement = Arrangement {
            parties: pids(&view.state, "parties", &wanted.parties, &mut faults),
            code: wanted.code,
            title: wanted.title,
            kind: wanted.kind,
            others: wanted.others,
            areas: sorted(wanted.areas),
            signed_on: wanted.signed_on,
            valid_until: wanted.valid_until,
            url: wanted.url,
            ended: wanted.ended,
        };
        faults.extend(arrangement.check().err().map(fault));
        if faults.is_empty() && !arrangement.parties.contains(&view.state.me) {
            let what = "must name this participant: only its parties publish an arrangement".to_owned();
            faults.push(FieldFault { path: "parties".into(), what });
        }
        refuse(faults, "the arrangement")?;
        self.of_an_agency()?;
        self.write(EntryType::Arrangement, encode(&arrangement)).await
    }

    pub(super) async fn publish_outcome(&self, call: Call) -> Answer {
        let wanted: OutcomeIn = body(&call)?;
        let view = self.view();
        let mut faults = Vec::new();
        let outcome = Outcome {
            with: pids(&view.state, "with", &wanted.with, &mut faults),
            slot: wanted.slot,
            title: wanted.title,
            on: wanted.on,
            action: wanted.action,
            area: wanted.area,
            channel: wanted.channel,
            conduct: sorted(wanted.conduct),
            sanction: wanted.sanction,
            redress: wanted.redress,
            redressed: wanted.redressed,
            countries: sorted(wanted.countries),
            summary: wanted.summary,
            url: wanted.url,
            withdrawn: wanted.withdrawn,
        };
        faults.extend(outcome.check().err().map(fault));
        refuse(faults, "the outcome")?;
        self.of_an_agency()?;
        let kind = if wanted.agency_only { EntryType::AgencyOutcome } else { EntryType::Outcome };
        self.write(kind, encode(&outcome)).await
    }

    pub(super) fn arrangements(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let code = filter(call, "code");
        let with = filter(call, "with").map(|name| names::participant(state, name)).transpose()?;
        let standing = filter(call, "standing").map(standing_named).transpose()?;
        let chosen = arrangements(&state.federation, now_ms()).into_iter().filter(|r| {
            code.is_none_or(|c| c == r.arrangement.record.code)
                && with.is_none_or(|w| r.arrangement.record.parties.contains(&w))
                && standing.is_none_or(|s| s == r.standing)
        });
        let key = |r: &Registered| format!("{} {}", r.arrangement.record.code, r.arrangement.entry);
        page(call, &view, chosen.map(|r| (key(&r), r)).collect(), |r| Ok(row(state, &r)))
    }

    pub(super) fn outcomes(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let wanted = WantedOutcome {
            of: filter(call, "name").map(|name| names::participant(state, name)).transpose()?,
            area: parsed(call, "area")?,
            channel: parsed(call, "channel")?,
            action: parsed(call, "action")?,
            country: names::country(call)?,
            since: filter(call, "since").map(day).transpose()?,
        };
        let agency_too = sees_agency_contacts(state);
        let mut found: Vec<(String, OutcomeRow)> = Vec::new();
        for (pid, _) in names::everyone(state) {
            let Some(listing) = state.federation.listing(&pid) else { continue };
            let public = listing.outcomes.values().map(|o| (o, false));
            let agency = listing.agency_outcomes.values().map(|o| (o, true)).filter(|_| agency_too);
            for (listed, agency_only) in public.chain(agency).filter(|(o, _)| wanted.takes(&pid, &o.record)) {
                let row = OutcomeRow {
                    of: named(state, &pid),
                    outcome: (*listed.record).clone(),
                    agency_only,
                    entry: listed.entry.to_string(),
                    published: super::members::published(listed),
                };
                // newest action first
                let newest: String =
                    listed.record.on.bytes().map(|b| char::from(b'0' + b'9'.saturating_sub(b))).collect();
                found.push((format!("{newest} {}", row.entry), row));
            }
        }
        page(call, &view, found, Ok)
    }
}

struct WantedOutcome<'a> {
    of: Option<Pid>,
    area: Option<LawArea>,
    channel: Option<Channel>,
    action: Option<Action>,
    country: Option<String>,
    since: Option<&'a str>,
}

impl WantedOutcome<'_> {
    fn takes(&self, pid: &Pid, outcome: &Outcome) -> bool {
        self.of.is_none_or(|of| of == *pid)
            && self.area.is_none_or(|a| a == outcome.area)
            && self.channel.is_none_or(|c| c == outcome.channel)
            && self.action.is_none_or(|a| a == outcome.action)
            && self.country.as_ref().is_none_or(|c| outcome.countries.contains(c))
            && self.since.is_none_or(|since| outcome.on.as_str() >= since)
    }
}

/// A day of a filter.
fn day(text: &str) -> Result<&str, Problem> {
    if text.len() == 10 && when::is_date(text) {
        return Ok(text);
    }
    Err(Problem::new(Code::Malformed, format!("`since`: `{text}` is not a day (YYYY-MM-DD)")))
}

fn standing_named(text: &str) -> Result<Standing, Problem> {
    Standing::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = Standing::ALL.iter().map(|s| s.as_str()).collect();
        Problem::new(Code::Malformed, format!("`standing` is one of: {}", all.join(", ")))
    })
}

fn row(state: &State, registered: &Registered) -> ArrangementRow {
    let arrangement = &*registered.arrangement.record;
    let short = |pids: &std::collections::BTreeSet<Pid>| pids.iter().map(|p| named(state, p).short_name).collect();
    ArrangementRow {
        code: arrangement.code.clone(),
        title: arrangement.title.clone(),
        kind: arrangement.kind,
        standing: registered.standing.as_str().into(),
        parties: arrangement.parties.iter().map(|p| named(state, p)).collect(),
        others: arrangement.others.clone(),
        published_by: short(&registered.published_by),
        missing: short(&registered.missing),
        areas: arrangement.areas.clone(),
        signed_on: arrangement.signed_on.clone(),
        valid_until: arrangement.valid_until.clone(),
        url: arrangement.url.clone(),
    }
}

/// What is wrong with the arrangements that a pro forma names: each stands between the two, or is the Plan itself.
pub(super) fn arrangement_faults(state: &State, to: &Pid, named: &[String], now: u64) -> Vec<FieldFault> {
    if named.iter().all(|code| code == LAP_BEST_EFFORTS) {
        return Vec::new();
    }
    let shared = lapwing_engine::register::agreed_with(&state.federation, &state.me, now);
    let stands =
        |code: &String| code == LAP_BEST_EFFORTS || shared.get(code).is_some_and(|parties| parties.contains(to));
    let faulty = named.iter().enumerate().filter(|(_, code)| !stands(code));
    let what = |code: &String| format!("no arrangement `{code}` stands between the two (`lapwing arrangement list`)");
    faulty.map(|(i, code)| FieldFault { path: format!("arrangement.{i}"), what: what(code) }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::register::sample_arrangement;

    fn arrangement(world: &World, parties: &[&str]) -> Arrangement {
        let mut parties: Vec<Pid> = parties.iter().map(|p| world.pid(p)).collect();
        parties.sort();
        Arrangement { parties, others: vec![], ..sample_arrangement() }
    }

    fn standings(world: &World, now: u64) -> Vec<&'static str> {
        arrangements(&world.state().federation, now).iter().map(|r| r.standing.as_str()).collect()
    }

    #[test]
    fn an_arrangement_stands_once_every_party_has_published_the_same_and_until_one_ends_it() {
        let mut world = World::of(&["harbor", "polder", "savanna"]);
        let agreed = arrangement(&world, &["harbor", "polder"]);
        let code = agreed.code.clone();
        let faults = |world: &World, to: &str| {
            arrangement_faults(world.state(), &world.pid(to), std::slice::from_ref(&code), 5).len()
        };
        world.write("polder", EntryType::Arrangement, &agreed);
        assert_eq!((standings(&world, 5), faults(&world, "polder")), (vec!["claimed"], 1));
        let other = Arrangement { title: "Something else".into(), ..agreed.clone() };
        world.write("harbor", EntryType::Arrangement, &other);
        assert_eq!(standings(&world, 5), ["claimed", "claimed"], "each published other terms");
        world.write("harbor", EntryType::Arrangement, &agreed);
        assert_eq!((standings(&world, 5), faults(&world, "polder"), faults(&world, "savanna")), (vec!["agreed"], 0, 1));
        assert_eq!(standings(&world, u64::MAX / 2), ["expired"]);
        world.write("polder", EntryType::Arrangement, &Arrangement { ended: true, ..agreed });
        assert_eq!((standings(&world, 5), faults(&world, "polder")), (vec!["ended"], 1));
        let plan = [LAP_BEST_EFFORTS.to_owned()];
        assert!(arrangement_faults(world.state(), &world.pid("savanna"), &plan, 5).is_empty());
    }
}
