//! The pro forma of a draft, saved and resumed; templates; a second officer's approval.
//!
//! ```text
//! THREAD.draft   the list of its evidence (drafts.rs)      both under the key of the case,
//! THREAD.form    its pro forma, target, approvals          both gone once it is submitted
//! ```
//!
//! An approval is for the draft exactly as it stands: target, pro forma and evidence. Whatever changes ends it.

use super::drafts::{disk_full, thread_of, vault_problem};
use super::names::{self, named};
use super::paging::page;
use super::referrals::harm;
use super::time::rfc3339;
use super::{Answer, Desk, body, internal, json, name_of_caller, path, status_json};
use crate::folder;
use crate::office::now_ms;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{self, Draft, DraftDetail, DraftNew, DraftRow, DraftSave};
use lapwing_engine::state::State;
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::cbor_array;
use lapwing_record::form::Form;
use lapwing_record::id::{Digest, HashOf, MsgId, Pid, ThreadId};
use lapwing_record::identity::is_short_name;
use lapwing_record::statement::BlobRef;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// Bytes of a saved pro forma at most.
const MAX_FILE: usize = 256 * 1024;
/// What it is locked for: no statement has this id.
const PLACE: MsgId = MsgId([1; 32]);
const SUFFIX: &str = "form";
/// Approvals kept of a draft.
const MAX_APPROVALS: usize = 16;

cbor_array! {
    /// An officer approved a draft.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Approved {
        /// The name of the token.
        pub by: String,
        /// Milliseconds UTC.
        pub at: u64,
        /// Of what: [`digest`].
        pub digest: Digest,
    }
}

cbor_array! {
    /// What was saved of a draft beside its evidence.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Saved {
        /// The target.
        pub to: Option<Pid>,
        /// The pro forma.
        pub form: Bytes,
        /// The template's name, where it is one.
        pub template: Option<String>,
        /// Milliseconds UTC of the last change.
        pub at: u64,
        /// The name of the token that saved it.
        pub by: String,
        /// Who approved it, and what.
        pub approvals: Vec<Approved>,
    }
}

/// Names a draft as it stands. The second approver's name in it is the approval's own trace.
pub(super) fn digest(to: Option<&Pid>, form: &Form, items: &[BlobRef]) -> Digest {
    let mut form = form.clone();
    if let Some(declarations) = form.declarations.as_mut() {
        declarations.second_approver = None;
    }
    let mut content: Vec<Digest> = items.iter().map(|i| i.sha256_plain).collect();
    content.sort();
    Digest(HashOf::Body.hash(&encode(&(to.copied(), Bytes(encode(&form)), content))))
}

/// The files of saved pro formas.
pub(crate) fn forms_of(uploads: &Path) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(uploads) else { return Vec::new() };
    files.flatten().map(|f| f.path()).filter(|p| thread_of(p, SUFFIX).is_some()).collect()
}

/// A draft that waits to be sent, more harmful than the one that is about to be.
pub(super) struct Waiting {
    thread: ThreadId,
    subject: Option<String>,
    score: u64,
    class: String,
}

impl Desk {
    fn form_file(&self, thread: &ThreadId) -> PathBuf {
        self.uploads.join(format!("{thread}.{SUFFIX}"))
    }

    /// What was saved of a draft.
    pub(super) fn saved_form(&self, thread: &ThreadId) -> Result<Option<Saved>, Problem> {
        let failed = |e: &dyn std::fmt::Display| internal("reading a draft", e);
        let locked = match folder::read(&self.form_file(thread), MAX_FILE as u64) {
            Ok(locked) => locked,
            Err(e) if e.is_missing() => return Ok(None),
            Err(e) => return Err(failed(&e)),
        };
        let plain = self.office.vault.unlock(thread, &PLACE, &locked).map_err(vault_problem)?;
        decode(&plain, MAX_FILE).map(Some).map_err(|e| failed(&e))
    }

    fn write_form(&self, thread: &ThreadId, saved: &Saved) -> Result<(), Problem> {
        let locked = self.office.vault.lock(thread, &PLACE, &encode(saved)).map_err(vault_problem)?;
        let written = folder::replace(&self.form_file(thread), &locked);
        written.map_err(|e| if e.is_full() { disk_full() } else { internal("saving a draft", e) })
    }

    /// Removes what was saved of a draft that ends.
    pub(super) fn end_form(&self, thread: &ThreadId) {
        if let Err(error) = std::fs::remove_file(self.form_file(thread))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "what was saved of a draft could not be removed");
        }
    }

    /// Whether a draft is a template, which is kept until it is dropped.
    pub(super) fn is_template(&self, thread: &ThreadId) -> bool {
        self.saved_form(thread).ok().flatten().is_some_and(|s| s.template.is_some())
    }

    /// Opens a draft, empty or with what another holds.
    pub(super) fn new_draft(&self, call: &Call) -> Answer {
        let wanted: DraftNew = body(call)?;
        let view = self.view();
        let to = wanted.to.as_deref().map(|to| names::participant(&view.state, to)).transpose()?;
        let source = wanted.from.as_deref().map(|from| self.source(&view.state, from)).transpose()?;
        let thread = self.open_draft()?;
        let filled = self.fill(call, &thread, to, source);
        if let Err(problem) = filled {
            self.drop_draft_of(&thread);
            return Err(problem);
        }
        status_json(201, &Draft { thread: thread.to_string() })
    }

    fn fill(
        &self,
        call: &Call,
        thread: &ThreadId,
        to: Option<Pid>,
        source: Option<(Form, Vec<BlobRef>)>,
    ) -> Result<(), Problem> {
        if to.is_none() && source.is_none() {
            return Ok(());
        }
        let (form, items) = source.unwrap_or_default();
        for item in items {
            let copy = self.copy_item(thread, &item)?;
            self.add_to_draft(thread, copy)?;
        }
        let by = name_of_caller(call).to_owned();
        let saved = Saved { to, form: Bytes(encode(&form)), template: None, at: now_ms(), by, approvals: Vec::new() };
        self.write_form(thread, &saved)
    }

    /// The pro forma and evidence of a draft, a template or an own case.
    fn source(&self, state: &State, text: &str) -> Result<(Form, Vec<BlobRef>), Problem> {
        if let Ok(thread) = self.named_draft(text) {
            let saved = self.saved_form(&thread)?;
            let form = saved.map_or(Ok(Form::default()), |s| Form::decode(&s.form));
            return Ok((form.map_err(|e| internal("reading a draft", e))?, self.draft_evidence(&thread)?));
        }
        let thread = names::thread(state, text)?;
        let case = state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        if case.requester != state.me {
            return Err(Problem::new(Code::Conflict, "only an own referral is copied for another target")
                .hint("To pass on what another agency asked, propose a transfer."));
        }
        let mut form = self.form(case)?;
        // several referrals of one campaign share its reference; each is made on its own day
        form.campaign_ref.get_or_insert_with(|| form.requester_ref.clone().unwrap_or_else(|| thread.short()));
        form.created_at = None;
        form.supersedes = None;
        form.transferred_from = None;
        let own = case.asked.first().map(|told| self.content(told)).transpose()?;
        Ok((form, own.map(|stmt| stmt.blobs).unwrap_or_default()))
    }

    /// A draft by its thread, or a template by its name.
    fn named_draft(&self, text: &str) -> Result<ThreadId, Problem> {
        self.draft(text).or_else(|none| {
            let mut all = self.threads_of_drafts().into_iter();
            let named = |t: &ThreadId| {
                let saved = self.saved_form(t).ok().flatten();
                saved.is_some_and(|s| s.template.as_deref() == Some(text))
            };
            all.find(named).ok_or(none)
        })
    }

    pub(super) fn save_draft(&self, call: &Call) -> Answer {
        let wanted: DraftSave = body(call)?;
        let thread = self.draft(path(call, "thread"))?;
        let view = self.view();
        if view.state.case(&thread).is_some() {
            return Err(Problem::new(Code::Conflict, "it has been submitted: what is said now is a supplement"));
        }
        let mut faults = Vec::new();
        let to = match wanted.to.as_deref().map(|to| names::participant(&view.state, to)) {
            Some(Err(problem)) => {
                faults.push(FieldFault { path: "to".into(), what: problem.detail });
                None
            }
            other => other.transpose()?,
        };
        if let Some(name) = &wanted.template {
            if !is_short_name(name) {
                let what = "must be 2 to 32 characters of a-z, 0-9 and -".to_owned();
                faults.push(FieldFault { path: "template".into(), what });
            }
            if self.named_draft(name).is_ok_and(|other| other != thread) {
                faults.push(FieldFault { path: "template".into(), what: "there is a template of that name".into() });
            }
        }
        let form = Bytes(encode(&wanted.form));
        if form.len() > lapwing_record::form::MAX_FORM {
            faults.push(FieldFault { path: "form".into(), what: "is longer than a pro forma may be".into() });
        }
        super::contacts::refuse(faults, "the draft")?;
        let _one_at_a_time = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        let approvals = self.saved_form(&thread)?.map(|s| s.approvals).unwrap_or_default();
        let by = name_of_caller(call).to_owned();
        self.write_form(&thread, &Saved { to, form, template: wanted.template, at: now_ms(), by, approvals })?;
        json(&self.draft_row(&view.state, &thread)?.0)
    }

    pub(super) fn list_drafts(&self, call: &Call) -> Answer {
        let view = self.view();
        let template = super::flag(call, "template")?;
        let threads = self.threads_of_drafts().into_iter().filter(|t| view.state.case(t).is_none());
        let kept = threads.filter(|t| template.is_none_or(|wanted| wanted == self.is_template(t)));
        page(call, &view, kept.map(|t| (t.to_string(), t)).collect(), |thread| {
            self.draft_row(&view.state, &thread).map(|(row, _)| row)
        })
    }

    pub(super) fn show_draft(&self, call: &Call) -> Answer {
        let view = self.view();
        let thread = self.named_draft(path(call, "thread"))?;
        let (row, form) = self.draft_row(&view.state, &thread)?;
        let items = self.draft_evidence(&thread)?.iter().map(super::evidence::here).collect();
        json(&DraftDetail { row, form, items, as_of: view.state.as_of })
    }

    pub(super) fn drop_draft(&self, call: &Call) -> Answer {
        let thread = self.named_draft(path(call, "thread"))?;
        if self.view().state.case(&thread).is_some() {
            return Err(Problem::new(Code::Conflict, "it has been submitted: it can be withdrawn, not dropped"));
        }
        self.drop_draft_of(&thread);
        super::done()
    }

    pub(super) fn approve_draft(&self, call: &Call) -> Answer {
        let thread = self.draft(path(call, "thread"))?;
        let _one_at_a_time = self.drafting.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing =
            || Problem::new(Code::Conflict, "no pro forma is saved in this draft: there is nothing to approve");
        let mut saved = self.saved_form(&thread)?.ok_or_else(nothing)?;
        let form = Form::decode(&saved.form).map_err(|e| internal("reading a draft", e))?;
        let digest = digest(saved.to.as_ref(), &form, &self.draft_evidence(&thread)?);
        let by = name_of_caller(call).to_owned();
        saved.approvals.retain(|a| a.by != by && a.digest == digest);
        if saved.approvals.len() >= MAX_APPROVALS {
            return Err(Problem::new(Code::Conflict, format!("{MAX_APPROVALS} officers have approved it already")));
        }
        saved.approvals.push(Approved { by, at: now_ms(), digest });
        self.write_form(&thread, &saved)?;
        json(&self.draft_row(&self.view().state, &thread)?.0)
    }

    fn draft_row(&self, state: &State, thread: &ThreadId) -> Result<(DraftRow, Option<Form>), Problem> {
        let items = self.draft_evidence(thread)?;
        let saved = self.saved_form(thread)?;
        let form = saved.as_ref().map(|s| Form::decode(&s.form).map_err(|e| internal("reading a draft", e)));
        let form = form.transpose()?;
        let now = form.as_ref().map(|form| digest(saved.as_ref().and_then(|s| s.to.as_ref()), form, &items));
        let approval = |a: &Approved| types::DraftApproval {
            by: a.by.clone(),
            at: rfc3339(a.at),
            stands: now.as_ref() == Some(&a.digest),
        };
        let row = DraftRow {
            thread: thread.to_string(),
            template: saved.as_ref().and_then(|s| s.template.clone()),
            to: saved.as_ref().and_then(|s| s.to).map(|to| named(state, &to)),
            subject: form.as_ref().and_then(|f| f.subject_line.clone()),
            harm: form.as_ref().map(|form| harm(state, form)),
            evidence: items.len(),
            saved: saved.as_ref().map(|s| rfc3339(s.at)),
            by: saved.as_ref().map(|s| s.by.clone()),
            approvals: saved.iter().flat_map(|s| &s.approvals).map(approval).collect(),
        };
        Ok((row, form))
    }

    /// Who else approved a submission exactly as it is; none where the agency asks for nobody.
    ///
    /// # Errors
    /// `approval` where the agency's policy asks for a second officer and there is none. What was to be submitted is
    /// saved in the draft then, for that officer to read.
    pub(super) fn second_approver(
        &self,
        by: &str,
        thread: &ThreadId,
        to: &Pid,
        form: &Form,
        items: &[BlobRef],
    ) -> Result<Option<String>, Problem> {
        if !self.office.settings.policy.two_person_submit {
            return Ok(None);
        }
        let wanted = digest(Some(to), form, items);
        let saved = self.saved_form(thread)?;
        let other = saved.iter().flat_map(|s| &s.approvals).find(|a| a.digest == wanted && a.by != by);
        if let Some(other) = other {
            return Ok(Some(other.by.clone()));
        }
        let approvals = saved.map(|s| s.approvals).unwrap_or_default();
        let form = Bytes(encode(form));
        self.write_form(
            thread,
            &Saved { to: Some(*to), form, template: None, at: now_ms(), by: by.into(), approvals },
        )?;
        Err(Problem::new(
            Code::Approval,
            "this agency has a second officer approve what is submitted, exactly as it is",
        )
        .hint(format!("Another officer: `lapwing draft approve {}`; then submit it again.", thread.short())))
    }

    /// Drafts that wait to be sent and are more harmful than this one, the most harmful first (Plan A.5).
    pub(super) fn more_harmful(&self, state: &State, sending: &ThreadId, form: &Form) -> Vec<Waiting> {
        let this = harm(state, form).low;
        let waiting = |thread: ThreadId| {
            let saved = self.saved_form(&thread).ok().flatten().filter(|s| s.template.is_none())?;
            let form = Form::decode(&saved.form).ok()?;
            let harm = harm(state, &form);
            let subject = form.subject_line;
            (harm.low > this).then_some(Waiting { thread, subject, score: harm.low, class: harm.class })
        };
        let saved = forms_of(&self.uploads);
        let saved = saved.iter().filter_map(|path| thread_of(path, SUFFIX));
        let others = saved.filter(|t| t != sending && state.case(t).is_none());
        let mut found: Vec<Waiting> = others.filter_map(waiting).collect();
        found.sort_by_key(|w| std::cmp::Reverse(w.score));
        found
    }
}

/// The warning of a sender who sends the less harmful first.
pub(super) fn less_harmful_first(waiting: &[Waiting]) -> Problem {
    let fault = |w: &Waiting| FieldFault {
        path: format!("drafts.{}", w.thread.short()),
        what: format!("{} ({}): {}", w.score, w.class, w.subject.as_deref().unwrap_or("without a subject")),
    };
    Problem::new(Code::LessHarmfulFirst, format!("{} more harmful draft(s) wait to be sent", waiting.len()))
        .faults(waiting.iter().take(20).map(fault).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_record::form::sample;

    #[test]
    fn an_approval_is_for_target_form_and_evidence_and_not_for_its_own_trace() {
        let (to, other) = (Pid([1; 32]), Pid([2; 32]));
        let item = |n: u8| BlobRef {
            name: "a".into(),
            media: "text/plain".into(),
            size: 1,
            b3_plain: Digest([n; 32]),
            sha256_plain: Digest([n; 32]),
            b3_cipher: Digest([n; 32]),
            salt: Digest([0; 32]),
        };
        let form = sample();
        let of = digest(Some(&to), &form, &[item(1), item(2)]);
        assert_eq!(of, digest(Some(&to), &form, &[item(2), item(1)]));
        assert_ne!(of, digest(Some(&other), &form, &[item(1), item(2)]));
        assert_ne!(of, digest(Some(&to), &form, &[item(1)]));
        let mut changed = form.clone();
        changed.narrative = Some("Another story.".into());
        assert_ne!(of, digest(Some(&to), &changed, &[item(1), item(2)]));
        let mut signed = form;
        signed.declarations.as_mut().unwrap().second_approver = Some("anna".into());
        assert_eq!(of, digest(Some(&to), &signed, &[item(1), item(2)]));
    }
}
