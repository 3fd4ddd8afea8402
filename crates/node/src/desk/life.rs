//! What follows from everything that was said in a case, as the API shows it.

use super::Desk;
use super::names::named;
use super::referrals::{harm, harm_table};
use super::release::shows;
use super::time::rfc3339;
use crate::forms::Version;
use lapwing_api::types::{
    AssessmentView, ComplaintView, ConsentView, DueView, FormVersion, HarmView, Life, TransferView,
};
use lapwing_engine::case::{Case, Detail, Fate, Told};
use lapwing_engine::deadlines::{Due, due};
use lapwing_engine::inbox::{self, Waiting};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::form::Form;
use lapwing_record::id::{MsgId, ThreadId};
use lapwing_record::statement::{Assessment, Body, ComplaintOutcome, ComplaintResult, Kind};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

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
            complaints: self.complaints(state, case, versions, consents, exit),
            read_by_requester: id(world.read_upto(true)),
            read_by_target: id(world.read_upto(false)),
        }
    }

    /// The latest outcome of each complaint of a batch; its words where they may be shown.
    fn complaints(
        &self,
        state: &State,
        case: &Case,
        versions: &[Version<'_>],
        consents: &[lapwing_engine::case::Consent],
        exit: Exit,
    ) -> Vec<ComplaintView> {
        let outcomes = case.world().complaint_outcomes();
        if outcomes.is_empty() {
            return Vec::new();
        }
        let batch = crate::forms::current(versions).and_then(|form| form.complaints).unwrap_or_default();
        // one result speaks of many complaints: it is read once
        let mut results: BTreeMap<MsgId, Vec<ComplaintResult>> = BTreeMap::new();
        let view = |(n, (outcome, id)): (u64, (ComplaintOutcome, MsgId))| {
            let told = case.find(&id)?;
            let read = || self.complaint_results(told).unwrap_or_default();
            let shown = shows(state.me, case, told, consents, exit).is_ok();
            let said = results.entry(id).or_insert_with(|| if shown { read() } else { Vec::new() });
            let words = said.iter().find(|c| c.complaint == n);
            Some(ComplaintView {
                complaint: n,
                reference: usize::try_from(n).ok().and_then(|n| batch.get(n)).map(|c| c.reference.clone()),
                outcome: outcome.to_string(),
                merged_with: words.and_then(|w| w.merged_with.clone()),
                note: words.and_then(|w| w.note.clone()),
                statement: id.to_string(),
                said: rfc3339(told.open.clock),
            })
        };
        outcomes.into_iter().filter_map(view).collect()
    }

    fn complaint_results(&self, told: &Told) -> Option<Vec<ComplaintResult>> {
        let stmt = self.content(told).ok()?;
        match Body::decode(stmt.kind, &stmt.body).ok()? {
            Body::ResultInterim(body) | Body::ResultFinal(body) => body.complaints,
            _ => None,
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

/// Cases with their scores in the order of an inbox.
pub(super) fn inbox_order(cases: Vec<(Arc<Case>, u64)>, now: u64) -> Vec<Arc<Case>> {
    let waiting = |(case, score): &(Arc<Case>, u64)| Waiting {
        thread: case.thread,
        requester: case.requester,
        score: *score,
        stored: case.asked.first().map_or(now, |t| t.at),
    };
    let ordered = inbox::order(cases.iter().map(waiting).collect(), now);
    let mut cases: BTreeMap<ThreadId, Arc<Case>> = cases.into_iter().map(|(case, _)| (case.thread, case)).collect();
    ordered.iter().filter_map(|w| cases.remove(&w.thread)).collect()
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
