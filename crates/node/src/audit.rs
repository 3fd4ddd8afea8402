//! Who does what through the API, and what is refused: rows of the audit trail (`lapwing_record::audit`).
//!
//! ```text
//! Call ─▶ [Act: who, role, operation, on what, request] ─▶ desk ─▶ Command ─▶ engine: change + row, one commit
//!                                                           └▶ no command (tokens, uploads, exports): a row of its own,
//!                                                              durable before the answer
//! refused, wherever ─▶ a row with the code; a flood of them is counted, not listed
//! ```

use crate::office::Office;
use lapwing_api::ops::{Access, Body, Method, OPS, Op};
use lapwing_api::problem::Problem;
use lapwing_api::service::{self, Call, Reply};
use lapwing_engine::step::Input;
use lapwing_record::audit::{Attempt, DONE};
use lapwing_record::id::Pid;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

tokio::task_local! {
    /// What the task at work was asked to do.
    static ACT: Arc<Act>;
}

struct Act {
    attempt: Attempt,
    /// Whether a command has taken it along: the engine writes the row with the change.
    taken: AtomicBool,
}

/// Whether an operation is noted when it succeeds: what changes something, and what lets content out.
fn is_noted(op: Op) -> bool {
    let row = op.row();
    let reads = matches!(op, Op::ReferralCheck | Op::WhoCanAct | Op::Prepare | Op::Seen);
    (row.method != Method::Get && !reads)
        || (row.body == Body::Download && matches!(row.access, Access::Cases | Access::Admin))
}

/// What a call is about: its path's parameters, which part of the node or table of a case, and what for.
fn on(call: &Call) -> String {
    let names = call.op.row().path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let names = names.chain(["part", "purpose", "table"]);
    let values: Vec<&str> = names.filter_map(|name| call.params.get(name).map(String::as_str)).collect();
    values.join(" ")
}

/// The row that a command writes, if somebody's call is at work.
pub(crate) fn current() -> Option<Box<Attempt>> {
    ACT.try_with(|act| {
        act.taken.store(true, Ordering::Relaxed);
        Box::new(act.attempt.clone())
    })
    .ok()
}

/// Writes the row of the call at work now, durably: for what cannot be noted afterwards.
pub(crate) async fn note_now(office: &Office) -> Result<(), Problem> {
    match current() {
        Some(attempt) => write(office, attempt).await,
        None => Ok(()),
    }
}

async fn write(office: &Office, attempt: Box<Attempt>) -> Result<(), Problem> {
    let written = office.ask(move |reply| Input::Audit { attempt, reply: Some(reply) }).await?;
    written.map(drop).map_err(crate::office::problem)
}

/// Carries out a call and notes it.
pub(crate) async fn noted(
    office: &Office,
    call: Call,
    work: impl AsyncFnOnce(Call) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    if !is_noted(call.op) {
        return work(call).await;
    }
    let caller = call.caller.as_ref();
    let attempt = Attempt {
        who: caller.map_or(String::new(), |c| c.name.clone()),
        role: caller.map_or(String::new(), |c| c.role.to_string()),
        act: call.op.row().name.into(),
        on: on(&call),
        outcome: DONE.into(),
        request: Some(call.request.clone()),
    };
    let act = Arc::new(Act { attempt, taken: AtomicBool::new(false) });
    let answer = ACT.scope(act.clone(), work(call)).await?;
    if !act.taken.load(Ordering::Relaxed) {
        write(office, Box::new(act.attempt.clone())).await?;
    }
    Ok(answer)
}

/// The row of a request that was refused; none where nothing was tried but a look at what is not there.
fn refused(attempt: &service::Attempt<'_>) -> Option<Attempt> {
    use lapwing_api::problem::Code;
    let row = attempt.op.map(|op| &OPS[op as usize]);
    let changes = attempt.op.is_some_and(is_noted);
    let locked_out =
        matches!(attempt.problem.code, Code::Unauthenticated | Code::Forbidden | Code::BadHost | Code::NotReleased);
    (changes || locked_out).then(|| Attempt {
        who: attempt.caller.map_or(String::new(), |c| c.name.clone()),
        role: attempt.caller.map_or(String::new(), |c| c.role.to_string()),
        act: row.map_or("", |r| r.name).into(),
        on: attempt.path.trim_start_matches("/api/v1").into(),
        outcome: outcome(attempt.problem),
        request: Some(attempt.request.into()),
    })
}

/// The code of a refusal, with the rules that blocked it where markings did.
fn outcome(problem: &Problem) -> String {
    let rule = |fault: &lapwing_api::problem::FieldFault| fault.what.split_once(':').map(|(rule, _)| rule.to_owned());
    match problem.code {
        lapwing_api::problem::Code::NotReleased => {
            let rules: Vec<String> = problem.faults.iter().filter_map(rule).collect();
            format!("{} {}", problem.code.as_str(), rules.join(","))
        }
        code => code.as_str().into(),
    }
}

/// Refusals that are listed singly at once; then so many a second. The rest are counted: a flood must not fill the disk.
const BURST: f64 = 100.0;
const A_SECOND: f64 = 5.0;

/// Bounds what refusals cost.
pub(crate) struct Refusals {
    state: Mutex<(f64, Instant, u64)>,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals { state: Mutex::new((BURST, Instant::now(), 0)) }
    }
}

impl Refusals {
    /// Whether the next one is listed, and how many before it were not.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last, unlisted) = *state;
        let tokens = (tokens + now.saturating_duration_since(last).as_secs_f64() * A_SECOND).min(BURST);
        let listed = tokens >= 1.0;
        *state = if listed { (tokens - 1.0, now, 0) } else { (tokens, now, unlisted + 1) };
        listed.then_some(unlisted)
    }
}

/// Notes a refusal, without waiting until it is durable.
async fn note_refusal(office: &Office, attempt: Attempt) {
    let Some(unlisted) = office.refusals.take(Instant::now()) else { return };
    if unlisted > 0 {
        let attempt = Attempt {
            who: "node".into(),
            role: "node".into(),
            act: "refusals not listed singly".into(),
            on: unlisted.to_string(),
            outcome: "too_many_requests".into(),
            request: None,
        };
        office.tell(Input::Audit { attempt: Box::new(attempt), reply: None }).await;
    }
    office.tell(Input::Audit { attempt: Box::new(attempt), reply: None }).await;
}

/// Notes a request to the API that was refused.
pub(crate) fn note_refused_request(office: &Arc<Office>, attempt: &service::Attempt<'_>) {
    if let Some(attempt) = refused(attempt) {
        let office = office.clone();
        tokio::spawn(async move { note_refusal(&office, attempt).await });
    }
}

/// Notes what a participant handed in that was refused for good.
pub(crate) async fn note_refused_peer(office: &Office, who: Option<Pid>, act: &str, on: String, code: &str) {
    let who = who.map_or_else(|| "unknown".into(), |pid| pid.to_string());
    let attempt = Attempt { who, role: "peer".into(), act: act.into(), on, outcome: code.into(), request: None };
    note_refusal(office, attempt).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_changes_something_or_lets_content_out_is_noted_and_looking_is_not() {
        let noted: Vec<Op> = OPS.iter().map(|r| r.op).filter(|op| is_noted(*op)).collect();
        for op in [
            Op::Submit,
            Op::Say,
            Op::TokenNew,
            Op::EvidencePut,
            Op::Export,
            Op::ExportPdf,
            Op::ExportCsv,
            Op::ExportXarf,
            Op::EvidenceGet,
            Op::CaseErase,
        ] {
            assert!(noted.contains(&op), "{op:?}");
        }
        for op in
            [Op::Status, Op::Referral, Op::ReferralCheck, Op::Prepare, Op::Events, Op::Audit, Op::Search, Op::Seen]
        {
            assert!(!noted.contains(&op), "{op:?}");
        }
    }

    #[test]
    fn a_flood_of_refusals_is_counted_and_not_listed() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        let listed = (0..10_000).filter(|_| refusals.take(begin).is_some()).count();
        assert_eq!(listed, 100);
        assert_eq!(refusals.take(begin + Duration::from_secs(1)), Some(9_900));
        assert_eq!(refusals.take(begin + Duration::from_secs(1)), Some(0));
    }
}
