//! Joint cases as this node sees them: computed from its own pairwise cases, nothing of them is kept anywhere else.
//!
//! Their key is the id together with the lead: who learnt an id from its lead and claims it elsewhere makes another one.

use super::names::{by_prefix, id_only, name_of, participant};
use super::paging::page;
use super::release::{consents, reader, shows};
use super::time::rfc3339;
use super::{Answer, Desk, filter, json, path};
use crate::office::now_ms;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{JointDetail, JointPart, JointRow, Name, TaskCounts, TaskView};
use lapwing_engine::case::{Case, Joint};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::form::when;
use lapwing_record::id::{Digest, MsgId, Pid};
use lapwing_record::statement::{Body, JointPlan, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What stands of a joint case in one case.
type Part = (Arc<Case>, Joint);

/// Every joint case here by id and lead.
fn gathered(state: &State) -> BTreeMap<(Digest, Pid), Vec<Part>> {
    let mut all: BTreeMap<(Digest, Pid), Vec<Part>> = BTreeMap::new();
    for case in state.cases.values() {
        for (id, joint) in case.world().joints() {
            let lead = if joint.requester_leads { case.requester } else { case.target };
            all.entry((id, lead)).or_default().push((case.clone(), joint));
        }
    }
    all
}

fn name(state: &State, pid: &Pid) -> Name {
    name_of(state, pid).unwrap_or_else(|| id_only(pid))
}

const fn code(state: Option<TaskState>) -> &'static str {
    match state {
        Some(state) => state.code(),
        None => "planned",
    }
}

fn count(parts: &[Part]) -> TaskCounts {
    let mut counts = TaskCounts::default();
    for task in parts.iter().flat_map(|(_, joint)| joint.tasks.values()) {
        *match task.map(|(state, _)| state) {
            None => &mut counts.planned,
            Some(TaskState::Taken) => &mut counts.taken,
            Some(TaskState::InProgress) => &mut counts.in_progress,
            Some(TaskState::Done) => &mut counts.done,
            Some(TaskState::Declined) => &mut counts.declined,
        } += 1;
    }
    counts
}

/// Whether a day has passed.
fn passed(day: &str, now: u64) -> bool {
    when::span(day).and_then(|(_, last)| u64::try_from(last).ok()).is_some_and(|last| last < now / 1000)
}

impl Desk {
    pub(super) fn joints(&self, call: &Call) -> Answer {
        let view = self.view();
        let exit = reader(call);
        let all = gathered(&view.state);
        // the last change first
        let key = |of: &(Digest, Pid), parts: &[Part]| format!("{:020} {} {}", u64::MAX - changed(parts), of.0, of.1);
        let keys: Vec<_> = all.into_iter().map(|(of, parts)| (key(&of, &parts), (of, parts))).collect();
        page(call, &view, keys, |((id, lead), parts)| {
            let plans = self.plans(&view.state, &parts, exit);
            Ok(row(&view.state, id, lead, &parts, &plans))
        })
    }

    pub(super) fn joint(&self, call: &Call) -> Answer {
        let view = self.view();
        let (state, exit, now) = (&view.state, reader(call), now_ms());
        let all = gathered(state);
        let ids: BTreeSet<Digest> = all.keys().map(|(id, _)| *id).collect();
        let id = by_prefix(ids.into_iter(), path(call, "joint"), "joint case")?;
        let by = filter(call, "lead").map(|name| participant(state, name)).transpose()?;
        let mut found = all.into_iter().filter(|((of, lead), _)| *of == id && by.is_none_or(|by| by == *lead));
        let (Some(((_, lead), parts)), other) = (found.next(), found.next()) else {
            return Err(super::not_found("that participant leads no joint case of this id here"));
        };
        if let Some(((_, second), _)) = other {
            let leads = format!("{}, {}", name(state, &lead).short_name, name(state, &second).short_name);
            return Err(Problem::new(Code::Ambiguous, format!("more than one participant claims to lead it: {leads}"))
                .hint("Say which with the query `lead`, or `--lead NAME`."));
        }
        let plans = self.plans(state, &parts, exit);
        let views = parts.iter().zip(&plans).map(|(part, plan)| self.joint_part(state, part, plan, exit, now));
        let views = views.collect();
        json(&JointDetail { row: row(state, id, lead, &parts, &plans), parts: views, as_of: state.as_of })
    }

    /// What a statement of a joint case says, where it can be read here and may be shown.
    fn jointly_said(&self, state: &State, case: &Case, id: &MsgId, exit: Exit) -> Option<Result<Body, String>> {
        let told = case.find(id)?;
        if let Err(rules) = shows(state.me, case, told, &consents(case, state.me), exit) {
            return Some(Err(rules.first()?.to_string()));
        }
        let stmt = self.content(told).ok()?;
        Body::decode(stmt.kind, &stmt.body).ok().map(Ok)
    }

    /// The plan in force of each part.
    fn plans(&self, state: &State, parts: &[Part], exit: Exit) -> Vec<Option<Result<JointPlan, String>>> {
        let plan = |(case, joint): &Part| match self.jointly_said(state, case, &joint.plan, exit)? {
            Ok(Body::JointPlan(plan)) => Some(Ok(*plan)),
            Ok(_) => None,
            Err(rule) => Some(Err(rule)),
        };
        parts.iter().map(plan).collect()
    }

    fn joint_part(
        &self,
        state: &State,
        (case, joint): &Part,
        plan: &Option<Result<JointPlan, String>>,
        exit: Exit,
        now: u64,
    ) -> JointPart {
        let (plan, withheld) = match plan {
            Some(Ok(plan)) => (Some(plan), None),
            Some(Err(rule)) => (None, Some(rule.clone())),
            None => (None, None),
        };
        let task = |(n, reported): (&u64, &Option<(TaskState, MsgId)>)| {
            let planned = plan.and_then(|p| p.tasks.iter().find(|t| t.n == *n));
            let report = reported.and_then(|(_, id)| self.jointly_said(state, case, &id, exit));
            let note = match report {
                Some(Ok(Body::JointTask(report))) => report.note,
                _ => None,
            };
            let done = reported.map(|(state, _)| state);
            let over = matches!(done, Some(TaskState::Done | TaskState::Declined));
            let needed_by = planned.and_then(|t| t.needed_by.clone());
            TaskView {
                n: *n,
                what: planned.map(|t| t.what.clone()),
                state: code(done).into(),
                overdue: !over && needed_by.as_deref().is_some_and(|day| passed(day, now)),
                needed_by,
                note,
                reported: reported.and_then(|(_, id)| case.find(&id)).map(|told| rfc3339(told.open.clock)),
            }
        };
        JointPart {
            thread: case.thread.to_string(),
            with: name(state, &case.peer(&state.me)),
            stage: case.stage().as_str().into(),
            version: joint.version,
            statement: joint.plan.to_string(),
            said: rfc3339(case.find(&joint.plan).map_or(0, |told| told.open.clock)),
            tasks: joint.tasks.iter().map(task).collect(),
            next_task: joint.next_task,
            disclosed: plan.iter().flat_map(|p| &p.disclosed).map(|pid| name(state, pid)).collect(),
            note: plan.and_then(|p| p.note.clone()),
            withheld,
        }
    }
}

fn changed(parts: &[Part]) -> u64 {
    parts.iter().map(|(case, _)| case.changed).max().unwrap_or(0)
}

fn row(state: &State, id: Digest, lead: Pid, parts: &[Part], plans: &[Option<Result<JointPlan, String>>]) -> JointRow {
    let leads = lead == state.me;
    let readable = parts.iter().zip(plans).filter_map(|((case, joint), plan)| {
        let plan = plan.as_ref()?.as_ref().ok()?;
        Some((case.find(&joint.plan).map_or(0, |told| told.at), plan))
    });
    let agencies: BTreeSet<Pid> = match leads {
        true => parts.iter().map(|(case, _)| case.peer(&state.me)).collect(),
        false => plans.iter().flatten().flatten().flat_map(|plan| plan.disclosed.iter().copied()).collect(),
    };
    JointRow {
        id: id.to_string(),
        title: readable.max_by_key(|(at, _)| *at).map(|(_, plan)| plan.title.clone()),
        lead: name(state, &lead),
        part: if leads { "lead" } else { "member" }.into(),
        agencies: agencies.iter().map(|pid| name(state, pid)).collect(),
        tasks: count(parts),
        threads: parts.iter().map(|(case, _)| case.thread.to_string()).collect(),
        changed: rfc3339(changed(parts)),
    }
}
