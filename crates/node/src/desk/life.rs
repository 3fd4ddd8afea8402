//! What follows from everything that was said in a case, as the API shows it.

use super::Desk;
use super::names::named;
use super::referrals::{harm, harm_table};
use super::release::shows;
use super::time::rfc3339;
use crate::forms::Version;
use lapwing_api::types::{AssessmentView, ConsentView, DueView, FormVersion, HarmView, Life, TransferView};
use lapwing_engine::case::{Case, Detail, Fate, Told};
use lapwing_engine::deadlines::{Due, due};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::charter::DAY_MS;
use lapwing_record::form::Form;
use lapwing_record::form::harm::Harm;
use lapwing_record::id::MsgId;
use lapwing_record::statement::{Assessment, Body, Kind};
use std::sync::{Arc, PoisonError};

/// Milliseconds of age that raise a referral by a point in its target's order.
const WEEK_MS: u64 = 7 * DAY_MS;

const fn side(requester: bool) -> &'static str {
    if requester { "requester" } else { "target" }
}

const fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Open => "open",
        Fate::Accepted => "accepted",
        Fate::Refused => "refused",
        Fate::Answered => "answered",
        Fate::Transferred => "transferred",
    }
}

fn due_view(due: &Due, now: u64) -> DueView {
    DueView {
        what: due.owed.to_string(),
        by: rfc3339(due.by),
        target: rfc3339(due.target),
        stopped: due.stopped,
        overdue: due.is_overdue(now),
    }
}

/// Whether anything in a case is overdue.
pub(super) fn is_overdue(state: &State, case: &Case, now: u64) -> bool {
    due(case, &state.me, now).iter().any(|d| d.is_overdue(now))
}

impl Desk {
    /// What follows from everything that was said, for who may see it: `versions` and `exit` say what that is.
    pub(super) fn life(
        &self,
        state: &State,
        case: &Case,
        versions: &[Version<'_>],
        consents: &[lapwing_engine::case::Consent],
        exit: Exit,
        now: u64,
    ) -> Life {
        let world = case.world();
        let id = |id: Option<MsgId>| id.map(|id| id.to_string());
        Life {
            items: world.fates().into_iter().map(|(item, f)| (item.to_string(), fate(f).to_owned())).collect(),
            due: due(case, &state.me, now).iter().map(|d| due_view(d, now)).collect(),
            form_history: versions.iter().map(form_version).collect(),
            assessments: self.assessments(state, case, versions, consents, exit),
            consents: [true, false].into_iter().flat_map(|requester| consents_of(case, requester)).collect(),
            transfers: transfers(state, case),
            read_by_requester: id(world.read_upto(true)),
            read_by_target: id(world.read_upto(false)),
        }
    }

    /// The newest assessment of each side that can be read here.
    fn assessments(
        &self,
        state: &State,
        case: &Case,
        versions: &[Version<'_>],
        consents: &[lapwing_engine::case::Consent],
        exit: Exit,
    ) -> Vec<AssessmentView> {
        let newest = |requester: bool| {
            let said = if requester { &case.asked } else { &case.answered };
            let told = said.iter().rev().find(|t| t.open.kind == Kind::Assess && t.refused.is_none())?;
            shows(state.me, case, told, consents, exit).ok()?;
            self.assessment(told).map(|body| view(state, requester, told, &of_assessment(&body), body.note.clone()))
        };
        let stated = || {
            let form = crate::forms::current(versions)?;
            let told = versions.iter().rev().find(|v| v.stated.harm.is_some()).or(versions.first())?.told;
            Some(view(state, true, told, &form, None))
        };
        newest(true).or_else(stated).into_iter().chain(newest(false)).collect()
    }

    fn assessment(&self, told: &Told) -> Option<Assessment> {
        let stmt = self.content(told).ok()?;
        match Body::decode(stmt.kind, &stmt.body).ok()? {
            Body::Assess(body) => Some(*body),
            _ => None,
        }
    }

    /// The score of [`Desk::harm_here`], remembered until the case changes: a list by harm looks at every case.
    pub(super) fn score(&self, state: &State, case: &Case) -> u64 {
        let weights = state.federation.params().harm_weights;
        let scores = || {
            let mut scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
            if scores.0 != weights {
                *scores = (weights.clone(), Default::default());
            }
            scores
        };
        if let Some((_, score)) = scores().1.get(&case.thread).filter(|(changed, _)| *changed == case.changed) {
            return *score;
        }
        let form = self.form(case).ok();
        let score = self.harm_here(state, case, form.as_ref()).map_or(0, |h| h.low);
        scores().1.insert(case.thread, (case.changed, score));
        score
    }

    /// The harm that a side works by: its own assessment where it made one, else the form's.
    pub(super) fn harm_here(&self, state: &State, case: &Case, form: Option<&Form>) -> Option<HarmView> {
        let own = case.side(&state.me).iter().rev().find(|t| t.open.kind == Kind::Assess && t.refused.is_none());
        let assessed = own.and_then(|told| self.assessment(told)).map(|body| harm(state, &of_assessment(&body)));
        assessed.or_else(|| form.map(|form| harm(state, form)))
    }
}

/// The order in which a target works through what is asked of it: class of score and age (one point a week, no cap), then
/// the requester's own rank among what it asks, then age. Nobody floods, nobody starves (docs/protocol.md §6.1).
pub(super) fn inbox_order(mut cases: Vec<(Arc<Case>, u64)>, now: u64) -> Vec<Arc<Case>> {
    let stored = |case: &Case| case.asked.first().map_or(now, |t| t.at);
    let class = |case: &Case, score: u64| match Harm::class(score + now.saturating_sub(stored(case)) / WEEK_MS) {
        "critical" => 0u8,
        "serious" => 1,
        "substantial" => 2,
        _ => 3,
    };
    // the requester's own rank: how many of its own it scores higher
    cases.sort_by_key(|(case, score)| (case.requester, std::cmp::Reverse(*score), stored(case)));
    let (mut rank, mut last) = (0u64, None);
    let mut keyed = Vec::with_capacity(cases.len());
    for (case, score) in cases {
        rank = if last == Some(case.requester) { rank + 1 } else { 0 };
        last = Some(case.requester);
        keyed.push(((class(&case, score), rank, stored(&case), case.thread), case));
    }
    keyed.sort_by_key(|keyed| keyed.0);
    keyed.into_iter().map(|(_, case)| case).collect()
}

fn of_assessment(body: &Assessment) -> Form {
    Form { harm: Some(body.harm.clone()), ..Form::default() }
}

fn view(state: &State, requester: bool, told: &Told, form: &Form, note: Option<String>) -> AssessmentView {
    AssessmentView {
        by: side(requester).into(),
        statement: told.open.id.to_string(),
        said: rfc3339(told.open.clock),
        harm: harm(state, form),
        table: harm_table(state, form),
        note,
    }
}

fn form_version(version: &Version<'_>) -> FormVersion {
    FormVersion {
        statement: version.told.open.id.to_string(),
        said: rfc3339(version.told.open.clock),
        stated: version.stated.clone(),
    }
}

fn consents_of(case: &Case, requester: bool) -> Vec<ConsentView> {
    let originator = if requester { &case.requester } else { &case.target };
    let view = |c: lapwing_engine::case::Consent| ConsentView {
        by: side(requester).into(),
        statement: c.id.to_string(),
        answers: c.request.map(|id| id.to_string()),
        onward: c.onward.iter().map(ToString::to_string).collect(),
        domestic: c.domestic,
        dissemination: c.dissemination,
        judicial_use: c.judicial_use,
        until: c.until.map(rfc3339),
        conditional: c.conditional,
    };
    case.consents(originator).into_iter().map(view).collect()
}

fn transfers(state: &State, case: &Case) -> Vec<TransferView> {
    let world = case.world();
    let view = |told: &Told| {
        let (id, proposal) = (told.open.id, world.proposal(&told.open.id)?);
        let answer = world.transfer_answer(&id).map(|(_, a)| a.granted);
        let done = case.answered.iter().find_map(|t| match &t.open.detail {
            Some(Detail::Transferred(done)) if done.proposal == id && t.refused.is_none() => Some(done.thread),
            _ => None,
        });
        let words = match (done, answer) {
            (Some(_), _) => "transferred",
            (None, Some(true)) => "agreed",
            (None, Some(false)) => "declined",
            (None, None) => "proposed",
        };
        Some(TransferView {
            proposal: id.to_string(),
            to: named(state, &proposal.to).short_name,
            items: proposal.items.clone(),
            state: words.into(),
            may_go: done.is_none() && answer != Some(false) && state.may_pass_on(case, &id).is_ok(),
            thread: done.map(|t| t.to_string()),
        })
    };
    case.answered.iter().filter_map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_record::id::{Pid, ThreadId};
    use lapwing_record::statement::Tlp;

    fn case(n: u8, requester: u8, at: u64) -> Case {
        let open = lapwing_engine::case::Open {
            thread: ThreadId([n; 32]),
            id: MsgId([n; 32]),
            msg_no: 0,
            prev_own: None,
            seen_peer: None,
            from: Pid([requester; 32]),
            to: Pid([99; 32]),
            kind: Kind::Submit,
            clock: at,
            expires: u64::MAX,
            handling: Tlp::Amber,
            items: 1,
            decisions: vec![],
            blobs: vec![],
            detail: None,
            unknown: vec![],
        };
        let mut case = Case::new(&open);
        case.asked.push(Told::heard(open, at));
        case
    }

    #[test]
    fn a_target_works_by_gravity_and_age_and_nobody_floods_it() {
        let now = 100 * WEEK_MS;
        let order = |cases: Vec<(Case, u64)>| -> Vec<u8> {
            let cases = cases.into_iter().map(|(case, score)| (Arc::new(case), score)).collect();
            inbox_order(cases, now).iter().map(|c| c.thread.0[0]).collect()
        };
        // one agency sends three of a class, another one of the same class: it comes after the first's best
        let flood = vec![(case(1, 1, now), 30), (case(2, 1, now), 29), (case(3, 1, now), 28), (case(4, 2, now), 26)];
        assert_eq!(order(flood), [1, 4, 2, 3]);
        // what is graver comes first, and what waits long becomes graver
        assert_eq!(order(vec![(case(1, 1, now), 44), (case(2, 2, now), 45)]), [2, 1]);
        assert_eq!(order(vec![(case(1, 1, now), 24), (case(2, 2, now - 2 * WEEK_MS), 23)]), [2, 1]);
    }
}
