//! How the node is, and what people should look at: of cases only counts, for every role sees this.

use super::names::{named, skeleton};
use super::time::rfc3339;
use super::{Answer, Desk, json, operate};
use crate::office::{View, now_ms};
use lapwing_api::service::Call;
use lapwing_api::types::{HealthItem, Severity, Status, Todo};
use lapwing_engine::case::Stage;
use lapwing_engine::federation::Plane;
use lapwing_engine::head::HeadCheck;
use lapwing_engine::membership::{Decisive, Standing, Target};
use lapwing_engine::state::State;
use lapwing_record::id::Pid;
use lapwing_record::identity::Class;

/// Lines of one kind at most: the lists have the rest.
const MAX_LINES: usize = 20;

impl Desk {
    pub(super) fn status(&self, _: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let federation = &state.federation;
        let now = now_ms();
        let peers = self.peers.peers(&view);
        let agency = federation.is_full_agency(&state.me);
        json(&Status {
            as_of: state.as_of,
            version: env!("CARGO_PKG_VERSION").into(),
            time: rfc3339(now),
            started: rfc3339(self.office.started),
            network: federation.charter().name.clone(),
            network_id: federation.network().to_string(),
            me: named(state, &state.me),
            standing: state.my_standing().map(|s| s.to_string()),
            confirmed: state.confirmed(),
            signing: signing(&view).unwrap_or("ok").into(),
            clock_doubt: view.clock_doubt.clone(),
            peer_id: self.peers.peer_id(),
            listening: self.peers.listening(),
            published: published(&view),
            connected: peers.iter().filter(|p| p.connected).count(),
            participants: federation.pids().filter(|p| federation.is_participant(p)).count(),
            entries: federation.entries(),
            heads: federation.heads_root(Plane::Pub).to_string(),
            heads_agency: agency.then(|| federation.heads_root(Plane::Agy).to_string()),
            state: federation.state_digest().to_string(),
            outbox: state.outbox.size(),
            cases: state.cases.size(),
            todo: todo(&view, self.watch.items(), self.office.started, now),
            counters: self.office.metrics.brief(),
        })
    }
}

/// The addresses of this participant's nodes, as others know them.
fn published(view: &View) -> Vec<String> {
    let listing = view.state.federation.listing(&view.state.me);
    listing.into_iter().flat_map(|l| l.nodes.values()).flat_map(|b| b.record.addrs.iter().cloned()).collect()
}

fn signing(view: &View) -> Option<&'static str> {
    match &view.head {
        HeadCheck::Done => None,
        HeadCheck::Waiting { restored: true, .. } => Some(
            "not yet: this is a restored or older copy, and its own latest entries have not come back from the others",
        ),
        HeadCheck::Waiting { .. } => Some("not yet: it has just started and asks its peers for its own latest entries"),
    }
}

fn line(code: &str, what: impl Into<String>, fix: impl Into<String>) -> Todo {
    Todo { code: code.into(), what: what.into(), fix: fix.into() }
}

/// What people should look at, most urgent first: what is wrong with the node, then what waits for its people. Where no
/// `[notify]` command is set, these lines are the notices.
fn todo(view: &View, health: Vec<HealthItem>, started: u64, now: u64) -> Vec<Todo> {
    let state = &view.state;
    let mut todo: Vec<Todo> = health.into_iter().filter(|i| i.severity != Severity::Info).map(operate::line).collect();
    windows(state, started, now, &mut todo);
    objections(state, &mut todo);
    proposals(state, &mut todo);
    applications(state, &mut todo);
    cases(state, now, &mut todo);
    own_contacts(state, now, &mut todo);
    todo
}

/// Windows of this agency that run: its officers may object until they end.
fn windows(state: &State, started: u64, now: u64, todo: &mut Vec<Todo>) {
    if state.my_id().inception.class != Class::Agency {
        return;
    }
    let mut open: Vec<(u64, Target)> = Vec::new();
    for (&target, window) in state.noted.iter() {
        let silent =
            matches!(state.federation.roster().decisive(state.me, target), Decisive::Nothing | Decisive::Noted);
        if silent && still_asked(state, target, now) {
            open.push((window.end(started), target));
        }
    }
    open.sort();
    for (end, target) in open.into_iter().take(MAX_LINES) {
        let (what, name) = match target {
            Target::Participant(pid) => {
                let n = named(state, &pid);
                let alike = alike(state, &pid, &n.short_name);
                (
                    format!("{} ({}, {}, {}) asks to take part{alike}", n.legal_name, n.short_name, n.country, n.class),
                    n.short_name,
                )
            }
            Target::Motion(id) => {
                (format!("an amendment of the Params ({}) was moved", id.short()), format!("motion:{id}"))
            }
        };
        let when = if end <= now {
            "the window has run".to_owned()
        } else {
            format!("the window runs until {}", rfc3339(end))
        };
        let fix = format!(
            "Officers may object or consent: `lapwing vote object {name}`, `lapwing vote consent {name}`. Silence clears it."
        );
        todo.push(line("window_runs", format!("{what}; {when}"), fix));
    }
}

fn still_asked(state: &State, target: Target, now: u64) -> bool {
    let federation = &state.federation;
    match target {
        Target::Participant(pid) => federation.standing(&pid).is_some_and(|s| s != Standing::Left),
        Target::Motion(id) => {
            let (in_force, params) = federation.amendments();
            let base = params.digest();
            let open =
                federation.motions().any(|(m, _, motion)| m == id && motion.base == base && motion.expires > now);
            open && !in_force.contains(&id)
        }
    }
}

fn alike(state: &State, pid: &Pid, short_name: &str) -> String {
    let look = skeleton(short_name);
    let others = super::names::everyone(state).into_iter().filter(|(p, i)| p != pid && skeleton(&i.short_name) == look);
    let names: Vec<&str> = others.map(|(_, i)| i.short_name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(" — its name could be taken for {}", names.join(", ")) }
}

fn objections(state: &State, todo: &mut Vec<Todo>) {
    let federation = &state.federation;
    let bars = |t: &Target| match t {
        Target::Participant(pid) => matches!(federation.standing(pid), Some(Standing::Objected | Standing::Suspended)),
        Target::Motion(_) => false,
    };
    let standing = federation.roster().objections().into_iter().filter(|(by, t)| *by != state.me && bars(t));
    for (by, target) in standing.take(MAX_LINES) {
        let (by, whom) = (named(state, &by).short_name, super::members::target_name(state, target));
        todo.push(line(
            "objection",
            format!("{by} objects to {whom}"),
            format!("`lapwing member explain {whom}` says what follows; agencies read its reason there."),
        ));
    }
}

fn proposals(state: &State, todo: &mut Vec<Todo>) {
    for (id, pending) in state.proposals.iter().take(MAX_LINES) {
        let (act, have) = (pending.proposal.act, pending.approvals.len());
        let needed = state.my_id().current().needed(act);
        let what = format!("the proposal {} ({act}) has {have} of {needed} approvals", id.short());
        todo.push(line(
            "proposal_waits",
            what,
            format!("An officer approves it: `lapwing proposal approve {} --officer-key FILE`.", id.short()),
        ));
    }
}

fn applications(state: &State, todo: &mut Vec<Todo>) {
    for (pid, inbox) in state.inbox.iter().take(MAX_LINES) {
        let Some(i) = super::applications::inception(&inbox.application) else { continue };
        let what = format!("{} ({}, {}) applies; it is known to this node only", i.legal_name, i.short_name, i.country);
        todo.push(line(
            "application_waits",
            what,
            format!(
                "Introduce it, if it is who it says: its twelve words are \"{}\".",
                lapwing_record::identity::words(&pid.0)
            ),
        ));
    }
}

/// Of cases only counts.
fn cases(state: &State, now: u64, todo: &mut Vec<Todo>) {
    let me = &state.me;
    // said to be destroyed, or kept under a law: until then the other side waits
    let unanswered = |c: &&std::sync::Arc<lapwing_engine::case::Case>| {
        c.target == *me && c.erased.is_none() && c.world().recall_unanswered()
    };
    let recalled = state.cases.values().filter(unanswered).count();
    if recalled > 0 {
        let what = format!("{recalled} referral(s) were recalled, and it is not said what became of their content");
        todo.push(line(
            "recall_waits",
            what,
            "`lapwing case recall-answer THREAD --destroyed`, or `--retained-under LAW`.",
        ));
    }
    let late = state.cases.values().filter(|c| super::life::is_overdue(state, c, now)).count();
    if late > 0 {
        let what = format!("in {late} case(s) something is overdue by the published targets");
        todo.push(line("item_overdue", what, "`lapwing refer list --overdue` shows them."));
    }
    let waits = |c: &&std::sync::Arc<lapwing_engine::case::Case>| c.target == *me && c.stage() == Stage::Submitted;
    let waiting = state.cases.values().filter(waits).count();
    if waiting > 0 {
        let what = format!("{waiting} referral(s) were stored here and are not acknowledged");
        todo.push(line("referral_waits", what, "`lapwing refer list --role target --stage submitted` shows them."));
    }
    let asked = state.cases.values().filter(|c| c.requester == *me && c.stage() == Stage::InfoNeeded).count();
    if asked > 0 {
        let what = format!("{asked} referral(s) of this participant wait for an answer to a question");
        todo.push(line("info_needed", what, "`lapwing refer list --role requester --stage info_needed` shows them."));
    }
}

fn own_contacts(state: &State, now: u64, todo: &mut Vec<Todo>) {
    let Some(listing) = state.federation.listing(&state.me) else { return };
    let contacts = listing.contacts.values().chain(listing.agency_contacts.values());
    for listed in contacts.filter(|c| c.record.reconfirm_by < now).take(MAX_LINES) {
        let what = format!("the point of contact `{}` should have been confirmed anew", listed.record.slot);
        todo.push(line("contact_stale", what, "Publish it again, with a later `reconfirm_by`, or withdraw it."));
    }
    if listing.contacts.is_empty() && state.my_standing() == Some(Standing::Participant) {
        todo.push(line(
            "contact_missing",
            "this participant has published no point of contact",
            "`lapwing contact publish FILE`.",
        ));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;
    use lapwing_record::membership::What;

    fn codes(world: &World, now: u64) -> Vec<String> {
        let view = View::of(world.engine(), None);
        todo(&view, Vec::new(), 0, now).into_iter().map(|t| t.code).collect()
    }

    #[test]
    fn a_window_that_runs_is_shown_until_this_agency_has_spoken() {
        let mut world = World::with(&["harbor", "polder"], &[("northbank", "NL")]);
        world.node_says("harbor", What::Noted, "northbank");
        let view = View::of(world.engine(), None);
        let lines = todo(&view, Vec::new(), 0, 500);
        let line = lines.iter().find(|t| t.code == "window_runs").unwrap();
        assert!(line.what.contains("northbank") && line.what.contains("1970-01-01T00:00:01.000Z"), "{}", line.what);
        assert!(line.fix.contains("lapwing vote object northbank"));
        world.node_says("harbor", What::Clear, "northbank");
        assert!(!codes(&world, 500).contains(&"window_runs".to_owned()));
    }

    #[test]
    fn an_objection_of_another_agency_and_a_missing_contact_are_shown() {
        let mut world = World::with(&["harbor", "polder"], &[("northbank", "NL")]);
        assert_eq!(codes(&world, 0), ["contact_missing"]);
        world.officers_say("polder", What::Object, "northbank", 1);
        assert_eq!(codes(&world, 0), ["objection", "contact_missing"]);
    }

    #[test]
    fn what_is_wrong_with_the_node_comes_first_what_follows_says_from_what_and_hints_are_left_out() {
        let world = World::of(&["harbor", "polder"]);
        let mut view = View::of(world.engine(), Some("no space".into()));
        view.head = HeadCheck::Waiting {
            since: 0,
            must_reach: Vec::new(),
            restored: false,
            answers: std::collections::BTreeMap::new(),
        };
        let health = crate::health::items(&view, &crate::measure::Measured::default());
        assert!(health.iter().any(|i| i.code == "notify_unset"));
        let lines = todo(&view, health, 0, 0);
        let codes: Vec<&str> = lines.iter().map(|t| t.code.as_str()).collect();
        assert_eq!(codes, ["disk_full", "no_peers", "head_unchecked", "contact_missing"]);
        assert_eq!(lines[2].fix, "Follows from `no_peers`: mend that first.");
    }
}
