//! Participants: who they are, where they stand, how they are reached.

use super::contacts::{self, rows};
use super::names::{self, Looks, name, named};
use super::paging::page;
use super::time::rfc3339;
use super::{Answer, Desk, filter, json, parsed, path};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{Member, MemberDetail, ObjectionView};
use lapwing_engine::membership::{Target, Word};
use lapwing_engine::state::State;
use lapwing_record::id::Pid;
use lapwing_record::identity::{Class, words};

impl Desk {
    pub(super) fn members(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let class: Option<Class> = parsed(call, "class")?;
        let country = names::country(call)?;
        let standing = filter(call, "standing").map(standing_named).transpose()?;
        let chosen = names::everyone(state).into_iter().filter(|(pid, i)| {
            class.is_none_or(|c| c == i.class)
                && country.as_ref().is_none_or(|c| *c == i.country)
                && standing.is_none_or(|s| s == standing_of(state, pid))
        });
        let keys = chosen.map(|(pid, i)| (format!("{} {pid}", i.short_name), pid)).collect();
        let looks = Looks::of(state);
        page(call, &view, keys, |pid| Ok(member(state, &looks, &pid)))
    }

    pub(super) fn member(&self, call: &Call) -> Answer {
        let view = self.view();
        let pid = names::participant(&view.state, path(call, "name"))?;
        json(&detail(&view.state, &pid, crate::office::now_ms()))
    }
}

/// A filter of standings. `unknown` is this participant before anyone introduced it.
fn standing_named(text: &str) -> Result<&'static str, Problem> {
    let known = ["participant", "suspended", "objected", "candidate", "left", "unknown"];
    known
        .into_iter()
        .find(|s| *s == text)
        .ok_or_else(|| Problem::new(Code::Malformed, format!("`standing` is one of: {}", known.join(", "))))
}

fn standing_of(state: &State, pid: &Pid) -> &'static str {
    // this participant itself, before anyone introduced it
    state.federation.standing(pid).map_or("unknown", lapwing_engine::membership::Standing::as_str)
}

fn member(state: &State, looks: &Looks, pid: &Pid) -> Member {
    let federation = &state.federation;
    let inception = federation.inception(pid).expect("listed from those that are here");
    Member {
        name: name(pid, inception),
        category: inception.category.to_string(),
        standing: standing_of(state, pid).into(),
        founder: federation.founders().contains(pid),
        contested: federation.author(pid).is_some_and(|a| a.contested()),
        confusable_with: looks.like(pid, &inception.short_name),
        introduced_by: federation.introducers(pid).iter().map(|p| named(state, p).short_name).collect(),
    }
}

fn detail(state: &State, pid: &Pid, now: u64) -> MemberDetail {
    let federation = &state.federation;
    let author = federation.author(pid).expect("found by name");
    let listing = federation.listing(pid).expect("found by name");
    let mut nodes: Vec<String> = Vec::new();
    for peer in listing.nodes.keys() {
        nodes.push(lapwing_net::peer::Peer::of_bytes(peer).map_or_else(|e| e.to_string(), |p| p.to_string()));
    }
    MemberDetail {
        member: member(state, &Looks::of(state), pid),
        words: words(&pid.0),
        authority_basis: author.id.inception.authority_basis.clone(),
        epoch: author.id.epoch(),
        profile: listing.profile.as_ref().map(|p| (*p.record).clone()),
        legal: listing.legal.as_ref().map(|l| (*l.record).clone()),
        contacts: rows(state, pid, contacts::sees_agency_contacts(state), now),
        nodes,
        sealable: listing.kem_key(now).is_some(),
        objections: objections(state, Target::Participant(*pid)),
        trouble: trouble(author),
    }
}

fn trouble(author: &lapwing_engine::author::Author) -> Option<String> {
    use lapwing_record::idlog::IdTrouble;
    match author.id.trouble {
        Some(IdTrouble::Contested { seq }) => {
            Some(format!("log 0 is contested at place {seq}: two different entries, both signed"))
        }
        Some(IdTrouble::Disputed { seq }) => {
            Some(format!("log 0 is disputed at place {seq}: who owns the identity cannot be told"))
        }
        None if author.contested() => {
            Some("a log is contested: two different entries at one place, both signed".into())
        }
        None if author.needs_upgrade() => {
            Some("it says things that this version does not know; update this node".into())
        }
        None => None,
    }
}

/// Objections that stand against a target, with the reasons that are here. Reasons travel among agencies only: whoever
/// is none has no reason to show.
pub(super) fn objections(state: &State, target: Target) -> Vec<ObjectionView> {
    let federation = &state.federation;
    let against = federation.roster().objections().into_iter().filter(|(_, t)| *t == target);
    against.map(|(by, _)| objection(state, &by, target)).collect()
}

/// One objection.
pub(super) fn objection(state: &State, by: &Pid, target: Target) -> ObjectionView {
    let federation = &state.federation;
    let reason = federation.listing(by).and_then(|l| l.reasons.get(&target));
    let objects = |word: &Word| matches!(word, Word::Object { .. });
    ObjectionView {
        by: named(state, by),
        target: target_name(state, target),
        reason: reason.map(|r| r.record.text.clone()),
        entry: federation.entry_saying(by, target, &objects).map(|id| id.to_string()),
    }
}

/// A target as callers write it.
pub(super) fn target_name(state: &State, target: Target) -> String {
    match target {
        Target::Participant(pid) => named(state, &pid).short_name,
        Target::Motion(id) => format!("motion:{id}"),
    }
}

/// When a record was published.
pub(super) fn published<T>(listed: &lapwing_engine::listing::Listed<T>) -> String {
    rfc3339(listed.clock)
}
