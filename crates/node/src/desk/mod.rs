//! The operations of the API: what each asks of the state, and what it hands to the driver.
//!
//! ```text
//! Call ─▶ desk ─▶ reads: the published view, the read side      (never behind a write)
//!              └▶ changes: a Command to the driver ─▶ durable ─▶ answer
//! ```
//!
//! One file a noun. A handler takes words from outside, makes them into ids (`names`), and answers with the contract's
//! types. Everything that reads a disk runs on a thread that may block. Content of cases is opened here only, for callers
//! who may see it, and never logged.

mod applications;
mod audit;
mod backup;
mod charter;
mod contacts;
mod cursor;
mod drafted;
mod drafts;
mod erasure;
mod events;
mod evidence;
mod explain;
mod export;
mod exposure;
mod hex;
mod identity;
mod internal;
mod joint;
mod life;
mod log;
mod members;
mod motions;
mod names;
mod notices;
mod open_now;
mod operate;
mod paging;
mod parts;
mod pass_on;
mod proposals;
mod referrals;
mod register;
mod release;
mod saved;
mod say;
mod search;
mod seen;
mod spoken;
mod status;
mod submit;
mod time;
mod tokens;
mod who;

pub(crate) use drafted::forms_of;
pub(crate) use drafts::{drafts_of, vault_problem};
pub(crate) use names::named;
pub use parts::{PeersView, Progress, Transfers};

use crate::office::{Office, View};
use crate::tokens::Tokens;
use crate::watch::Watch;
use lapwing_api::ops::{OPS, Op, Role};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Attempt, Call, Caller, EventId, Later, Notice, Reply, Service};
use lapwing_api::types::{Done, Page, WhoAmI};
use lapwing_record::id::ThreadId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The API of one node. Cloning is cheap.
#[derive(Clone)]
pub struct Desk {
    office: Arc<Office>,
    tokens: Arc<Tokens>,
    peers: Arc<dyn PeersView>,
    transfers: Arc<dyn Transfers>,
    uploads: PathBuf,
    watch: Arc<Watch>,
    /// How grave each case is here, as of its last change.
    scores: Arc<Mutex<Scores>>,
    /// Drafts are changed one at a time.
    drafting: Arc<Mutex<()>>,
    /// Submissions of one draft are made one at a time, so that a repeated one finds the first.
    submitting: Arc<[tokio::sync::Mutex<()>; SUBMITTING]>,
}

/// The weights that scores were made with; per case, when it last changed and its score.
type Scores = (Vec<u64>, HashMap<ThreadId, (u64, u64)>);

/// Submissions that may be under way at a time; two drafts share a place by chance.
const SUBMITTING: usize = 256;

type Answer = Result<Reply, Problem>;

impl Desk {
    /// The desk of a node. Removes what interrupted uploads left in `uploads`.
    pub fn new(
        office: Arc<Office>,
        tokens: Arc<Tokens>,
        peers: Arc<dyn PeersView>,
        transfers: Arc<dyn Transfers>,
        uploads: PathBuf,
        watch: Arc<Watch>,
    ) -> Self {
        drafts::clear_uploads(&uploads);
        let submitting = Arc::new(std::array::from_fn(|_| tokio::sync::Mutex::default()));
        Desk {
            office,
            tokens,
            peers,
            transfers,
            uploads,
            watch,
            scores: Arc::default(),
            drafting: Arc::default(),
            submitting,
        }
    }

    fn view(&self) -> Arc<View> {
        self.office.view()
    }

    /// Runs a handler on a thread that may block.
    async fn blocking(&self, call: Call, handler: fn(&Desk, &Call) -> Answer) -> Answer {
        let desk = self.clone();
        // what is logged there names the request too
        let span = tracing::Span::current();
        let work = tokio::task::spawn_blocking(move || span.in_scope(|| handler(&desk, &call)));
        work.await.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "a handler failed; the node's log says why")))
    }

    async fn answer(&self, call: Call) -> Answer {
        if matches!(
            call.op,
            Op::Shutdown
                | Op::AssertCurrent
                | Op::TokenRevoke
                | Op::Introduce
                | Op::DropProposal
                | Op::EvidenceFetch
                | Op::DraftApprove
                | Op::DraftDrop
                | Op::CaseErase
                | Op::Reach
                | Op::NotifyTest
                | Op::SearchRun
                | Op::SearchDrop
        ) {
            nothing(&call)?;
        }
        match call.op {
            Op::Live => done(),
            Op::Ready => self.blocking(call, Desk::ready).await,
            Op::Health => self.blocking(call, Desk::health).await,
            Op::Metrics => self.blocking(call, Desk::metrics).await,
            Op::Reach => self.reach(&call).await,
            Op::NotifyTest => self.test_notify().await,
            Op::Status => self.blocking(call, Desk::status).await,
            Op::WhoAmI => who_am_i(&call),
            Op::Tokens => self.blocking(call, Desk::list_tokens).await,
            Op::TokenNew => self.blocking(call, Desk::make_token).await,
            Op::TokenRevoke => self.blocking(call, Desk::revoke_token).await,
            Op::Peers => {
                let view = self.view();
                whole(self.peers.peers(&view), &view)
            }
            Op::Shutdown => {
                tracing::info!(by = %name_of_caller(&call), "asked to stop");
                crate::audit::note_now(&self.office).await?;
                self.office.stop();
                done()
            }
            Op::AssertCurrent => {
                tracing::warn!(by = %name_of_caller(&call), "asserted that this node holds its own latest entries");
                self.office.command(lapwing_engine::step::Command::AssertCurrent).await?;
                done()
            }
            Op::Members => self.blocking(call, Desk::members).await,
            Op::Member => self.blocking(call, Desk::member).await,
            Op::Explain => self.blocking(call, Desk::explain).await,
            Op::Exposure => self.blocking(call, Desk::exposure).await,
            Op::Charter => self.blocking(call, Desk::charter).await,
            Op::Log => self.blocking(call, Desk::log).await,
            Op::Contacts => self.blocking(call, Desk::contacts).await,
            Op::ContactPublish => self.publish_contact(call).await,
            Op::ProfilePublish => self.publish_profile(call).await,
            Op::LegalPublish => self.publish_legal(call).await,
            Op::Arrangements => self.blocking(call, Desk::arrangements).await,
            Op::ArrangementPublish => self.publish_arrangement(call).await,
            Op::Outcomes => self.blocking(call, Desk::outcomes).await,
            Op::OutcomePublish => self.publish_outcome(call).await,
            Op::Application => json(&self.peers.application(&self.view())),
            Op::Applications => self.blocking(call, Desk::applications).await,
            Op::Introduce => self.introduce(call).await,
            Op::Proposals => self.blocking(call, Desk::proposals).await,
            Op::Propose => self.propose(call).await,
            Op::Proposal => self.blocking(call, Desk::proposal).await,
            Op::Approve => self.approve(call).await,
            Op::DropProposal => self.drop_proposal(call).await,
            Op::Motions => self.blocking(call, Desk::motions).await,
            Op::Objection => self.blocking(call, Desk::objection).await,
            Op::IdEntry => self.take_id_entry(call).await,
            Op::Identity => self.blocking(call, Desk::identity).await,
            Op::Notices => self.blocking(call, Desk::notices).await,
            Op::ReferralCheck => self.blocking(call, Desk::check_referral).await,
            Op::WhoCanAct => self.blocking(call, Desk::who_can_act).await,
            Op::Drafts => self.blocking(call, Desk::new_draft).await,
            Op::DraftList => self.blocking(call, Desk::list_drafts).await,
            Op::DraftShow => self.blocking(call, Desk::show_draft).await,
            Op::DraftSave => self.blocking(call, Desk::save_draft).await,
            Op::DraftApprove => self.blocking(call, Desk::approve_draft).await,
            Op::DraftDrop => self.blocking(call, Desk::drop_draft).await,
            Op::EvidencePut => self.blocking(call, Desk::put_evidence).await,
            Op::Submit => self.submit(call).await,
            Op::Referrals => self.blocking(call, Desk::referrals).await,
            Op::Referral => self.blocking(call, Desk::referral).await,
            Op::Prepare => self.blocking(call, Desk::prepare).await,
            Op::Say => self.say(call).await,
            Op::PassOn => self.pass_on(call).await,
            Op::EvidenceFetch => self.fetch_evidence(&call),
            Op::EvidenceGet => self.blocking(call, Desk::get_evidence).await,
            Op::Export => self.blocking(call, Desk::export).await,
            Op::ExportPdf => self.blocking(call, Desk::export_pdf).await,
            Op::ExportCsv => self.blocking(call, Desk::export_csv).await,
            Op::ExportXarf => self.blocking(call, Desk::export_xarf).await,
            Op::Notes => self.blocking(call, Desk::notes).await,
            Op::NoteWrite => self.write_note(call).await,
            Op::CaseAssign => self.assign(call).await,
            Op::Absences => self.blocking(call, Desk::absences).await,
            Op::AbsenceSet => self.set_absence(call).await,
            Op::Search => self.blocking(call, Desk::search).await,
            Op::SearchFacets => self.blocking(call, Desk::search_facets).await,
            Op::Seen => self.blocking(call, Desk::seen).await,
            Op::SavedSearches => self.blocking(call, Desk::saved_searches).await,
            Op::SearchSave => self.blocking(call, Desk::save_search).await,
            Op::SearchRun => self.blocking(call, Desk::run_search).await,
            Op::SearchDrop => self.blocking(call, Desk::drop_search).await,
            Op::Joints => self.blocking(call, Desk::joints).await,
            Op::Joint => self.blocking(call, Desk::joint).await,
            Op::CaseErase => self.erase_case(call).await,
            Op::CaseHold => self.hold_case(call).await,
            Op::Erasures => self.blocking(call, Desk::erasures).await,
            Op::Audit => self.blocking(call, Desk::audit).await,
            Op::Backup => self.blocking(call, Desk::backup).await,
            Op::Events | Op::OpenApi | Op::Docs => {
                Err(Problem::new(Code::Internal, "the HTTP face answers this by itself"))
            }
        }
    }
}

impl Service for Desk {
    fn authenticate(&self, secret: &str) -> Option<Caller> {
        self.tokens.authenticate(secret)
    }

    fn upload_dir(&self) -> PathBuf {
        self.uploads.clone()
    }

    fn before_upload(&self, call: &Call) -> Result<(), Problem> {
        self.announced(call).map(drop)
    }

    fn answered(&self, op: Op, status: u16, code: Option<Code>, took: Duration) {
        self.office.metrics.answered(op.row().name, status, code, took);
    }

    fn call<'a>(&'a self, call: Call) -> Later<'a, Answer> {
        Box::pin(crate::audit::noted(&self.office, call, async |call| self.answer(call).await))
    }

    fn refused(&self, attempt: &Attempt<'_>) {
        // one that got as far as an operation is counted with its answer
        if attempt.op.is_none() {
            self.office.metrics.turned_away(attempt.problem.code);
        }
        crate::audit::note_refused_request(&self.office, attempt);
    }

    fn latest_event(&self) -> EventId {
        self.office.events().latest()
    }

    fn next_event<'a>(&'a self, last: EventId, role: Role) -> Later<'a, Option<Notice>> {
        Box::pin(self.watch(last, role))
    }
}

fn who_am_i(call: &Call) -> Answer {
    let caller = call.caller.as_ref().ok_or_else(|| Problem::new(Code::Unauthenticated, "no valid token was given"))?;
    let can = OPS.iter().filter(|row| row.access.allows(caller.role)).map(|row| row.name.to_owned());
    json(&WhoAmI { name: caller.name.clone(), role: caller.role.to_string(), can: can.collect() })
}

fn name_of_caller(call: &Call) -> &str {
    call.caller.as_ref().map_or("", |c| &c.name)
}

/// How a participant is called, or its id.
pub(crate) fn short_name(state: &lapwing_engine::state::State, pid: &lapwing_record::id::Pid) -> String {
    named(state, pid).short_name
}

// -- answers and parameters -------------------------------------------------------------------------------------------

fn json(value: &impl Serialize) -> Answer {
    status_json(200, value)
}

fn status_json(status: u16, value: &impl Serialize) -> Answer {
    let value = serde_json::to_value(value)
        .map_err(|e| Problem::new(Code::Internal, format!("the answer cannot be written as JSON: {e}")))?;
    Ok(Reply::Json(status, value))
}

fn done() -> Answer {
    json(&Done { ok: true })
}

/// A list that is short by nature, as one page.
fn whole<T: Serialize>(items: Vec<T>, view: &View) -> Answer {
    json(&Page { items, next: None, as_of: view.state.as_of })
}

/// The JSON body as what the operation takes. A field that would not be read is refused, at any depth: it would be lost
/// without a word.
fn body<T: DeserializeOwned + Serialize>(call: &Call) -> Result<T, Problem> {
    let bad =
        |what: String| Problem::new(Code::Malformed, format!("the body does not fit {}: {what}", call.op.row().name));
    let read = T::deserialize(&call.body).map_err(|e| bad(e.to_string()))?;
    let taken = serde_json::to_value(&read).map_err(|e| internal("reading a body", e))?;
    match unread(&call.body, &taken) {
        Some(what) => Err(bad(what)),
        None => Ok(read),
    }
}

/// What of `given` was not read into `taken`: the first field that is unknown, or that is a list where fields belong.
fn unread(given: &Value, taken: &Value) -> Option<String> {
    match stray(given, taken)? {
        (path, true) => Some(format!("unknown field `{path}`")),
        (path, false) if path.is_empty() => Some("it must be an object".into()),
        (path, false) => Some(format!("`{path}` must be an object")),
    }
}

/// The path of the first stray value, and whether it is an unknown field.
fn stray(given: &Value, taken: &Value) -> Option<(String, bool)> {
    let below = |key: &str, (rest, unknown): (String, bool)| {
        (if rest.is_empty() { key.to_owned() } else { format!("{key}.{rest}") }, unknown)
    };
    match (given, taken) {
        (Value::Object(given), Value::Object(taken)) => given.iter().find_map(|(key, value)| match taken.get(key) {
            Some(read) => stray(value, read).map(|rest| below(key, rest)),
            // a field that is left out where it is empty
            None if value.is_null() => None,
            None => Some((key.chars().filter(|c| !c.is_control()).take(64).collect(), true)),
        }),
        (Value::Array(given), Value::Array(taken)) => {
            let mut pairs = given.iter().zip(taken).enumerate();
            pairs.find_map(|(i, (given, taken))| stray(given, taken).map(|rest| below(&i.to_string(), rest)))
        }
        // fields by their order alone: a list of the right length would read as one, and mean something else one day
        (Value::Array(_), Value::Object(_)) => Some((String::new(), false)),
        _ => None,
    }
}

/// An operation that takes nothing: no body, or an empty object.
fn nothing(call: &Call) -> Result<(), Problem> {
    match &call.body {
        Value::Null => Ok(()),
        Value::Object(map) if map.is_empty() => Ok(()),
        _ => Err(Problem::new(Code::Malformed, format!("{} takes no content", call.op.row().name))
            .hint("Send `{}` or no body.")),
    }
}

/// A parameter of the path: always there.
fn path<'a>(call: &'a Call, name: &str) -> &'a str {
    call.params.get(name).map_or("", String::as_str)
}

/// A filter: absent, or with a value.
fn filter<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.params.get(name).map(String::as_str).filter(|v| !v.is_empty())
}

/// A filter that is read.
fn parsed<T: std::str::FromStr>(call: &Call, name: &str) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    filter(call, name)
        .map(|text| text.parse().map_err(|e| Problem::new(Code::Malformed, format!("`{name}`: {e}"))))
        .transpose()
}

/// A filter that is true or false.
fn flag(call: &Call, name: &str) -> Result<Option<bool>, Problem> {
    parsed(call, name)
}

fn not_found(what: impl Into<String>) -> Problem {
    Problem::new(Code::NotFound, what)
}

fn internal(what: &str, error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, what, "an operation failed");
    Problem::new(Code::Internal, format!("{what} failed; the node's log says why"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_that_nobody_reads_is_found_at_any_depth() {
        let taken = json!({ "a": 1, "b": [{ "c": null }, { "c": 2 }] });
        let of = |given: Value| unread(&given, &taken);
        assert_eq!(of(json!({ "a": 5, "b": [{}, { "c": 7 }], "gone": null })), None);
        assert_eq!(of(json!({ "x": 1 })), Some("unknown field `x`".into()));
        assert_eq!(of(json!({ "b": [{}, { "d": 1 }] })), Some("unknown field `b.1.d`".into()));
        assert_eq!(of(json!({ "b": [{}, [2]] })), Some("`b.1` must be an object".into()));
    }
}

#[cfg(test)]
mod testnodes;
#[cfg(test)]
pub(crate) mod testworld;
