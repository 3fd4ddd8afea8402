//! What this agency keeps to itself: notes, who works on a case, who is away.

use super::contacts::{fault, refuse};
use super::drafts::vault_problem;
use super::names;
use super::paging::page;
use super::release::{consents, not_released, reader, shows};
use super::time::{moment, rfc3339};
use super::{Answer, Desk, body, internal, json, name_of_caller, path, whole};
use crate::office::now_ms;
use lapwing_api::ops::Role;
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{AbsenceNew, AbsenceView, Assign, Done, NoteNew, NoteView};
use lapwing_engine::internal::{Absence, Internal, Matter, NoteKind, acting, note_id};
use lapwing_engine::state::State;
use lapwing_engine::step::Command;
use lapwing_record::id::ThreadId;
use lapwing_record::identity::check_text;

/// Characters of a note at most.
const MAX_NOTE: usize = 8 * 1024;

impl Desk {
    pub(super) async fn write_note(&self, call: Call) -> Answer {
        let wanted: NoteNew = body(&call)?;
        refuse(check_text("text", &wanted.text, 1, MAX_NOTE).err().map(fault).into_iter().collect(), "the note")?;
        let thread = names::thread(&self.view().state, path(&call, "thread"))?;
        self.keep_note(thread, name_of_caller(&call), NoteKind::Note, &wanted.text).await?;
        json(&Done { ok: true })
    }

    /// Keeps a note of a case, durably.
    pub(super) async fn keep_note(
        &self,
        thread: ThreadId,
        by: &str,
        kind: NoteKind,
        text: &str,
    ) -> Result<(), Problem> {
        // a case that is here has its key: none is made for one whose content is gone
        self.office.vault.case_key(&thread).map_err(vault_problem)?;
        let mut tries = 0;
        loop {
            let n = self.view().state.internal(&thread).notes.len() as u64;
            let id = note_id(&thread, n);
            let locked = tokio::task::block_in_place(|| self.office.vault.lock(&thread, &id, text.as_bytes()));
            let matter = Matter::Note((n, kind, locked.map_err(vault_problem)?));
            match self.office.command(Command::Internal { thread, by: by.to_owned(), matter }).await {
                // another note came first and took the number
                Err(problem) if problem.code == Code::Conflict && tries < 8 => tries += 1,
                done => return done.map(drop),
            }
        }
    }

    pub(super) fn notes(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let thread = names::thread(state, path(call, "thread"))?;
        let case = state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let exit = reader(call);
        // a note may speak of anything that was said
        let consents = consents(case, state.me);
        let shown = |told| shows(state.me, case, told, &consents, exit).map_err(|rules| not_released(exit, &rules));
        case.asked.iter().chain(&case.answered).try_for_each(shown)?;
        let notes = state.internal(&thread).notes.into_iter().enumerate();
        page(call, &view, notes.map(|(n, note)| (format!("{n:010}"), (n as u64, note))).collect(), |(n, note)| {
            Ok(NoteView {
                n,
                at: rfc3339(note.at),
                by: note.by,
                kind: note.kind.to_string(),
                text: self.note_text(&thread, n)?,
            })
        })
    }

    /// The text of a note; none where it cannot be read any more.
    pub(super) fn note_text(&self, thread: &ThreadId, n: u64) -> Result<Option<String>, Problem> {
        let id = note_id(thread, n);
        let locked = self.office.book.locked(&id).map_err(|e| internal("reading a note", e))?;
        let plain = locked.and_then(|locked| self.office.vault.unlock(thread, &id, &locked).ok());
        Ok(plain.and_then(|plain| String::from_utf8(plain.to_vec()).ok()))
    }

    pub(super) async fn assign(&self, call: Call) -> Answer {
        let wanted: Assign = body(&call)?;
        let thread = names::thread(&self.view().state, path(&call, "thread"))?;
        if let Some(to) = &wanted.to {
            refuse(self.officer_fault("to", to).into_iter().collect(), "the assignment")?;
        }
        let by = name_of_caller(&call).to_owned();
        self.office.command(Command::Internal { thread, by, matter: Matter::Assigned(wanted.to) }).await?;
        json(&Done { ok: true })
    }

    /// Whether there is an officer's token of that name.
    fn officer_fault(&self, path: &str, name: &str) -> Option<FieldFault> {
        let officer = Role::Officer.as_str();
        let known = self.tokens.list().iter().any(|t| t.name == name && t.role == officer);
        let what = format!("there is no officer's token `{name}` (`lapwing token list`)");
        (!known).then(|| FieldFault { path: path.into(), what })
    }

    pub(super) async fn set_absence(&self, call: Call) -> Answer {
        let wanted: AbsenceNew = body(&call)?;
        let who = wanted.who.unwrap_or_else(|| name_of_caller(&call).to_owned());
        let mut faults: Vec<FieldFault> = self.officer_fault("who", &who).into_iter().collect();
        let mut time = |path: &str, text: Option<&String>| {
            let at = text.map(|text| moment(text));
            if at == Some(None) {
                faults.push(FieldFault { path: path.into(), what: "must be a time (RFC 3339)".into() });
            }
            at.flatten()
        };
        let (from, until) = (time("from", wanted.from.as_ref()), time("until", wanted.until.as_ref()));
        let absence = match (&wanted.until, &wanted.delegate) {
            (None, None) => None,
            (None, Some(_)) => {
                faults.push(FieldFault { path: "until".into(), what: "says until when the delegate acts".into() });
                None
            }
            (Some(_), None) => {
                faults.push(FieldFault { path: "delegate".into(), what: "says who acts meanwhile".into() });
                None
            }
            (Some(_), Some(delegate)) => {
                faults.extend(self.officer_fault("delegate", delegate));
                let (from, until) = (from.unwrap_or_else(now_ms), until.unwrap_or_default());
                if until <= from {
                    faults.push(FieldFault { path: "until".into(), what: "must be after `from`".into() });
                }
                if *delegate == who {
                    faults.push(FieldFault { path: "delegate".into(), what: "must be somebody else".into() });
                }
                Some(Absence { from, until, delegate: delegate.clone() })
            }
        };
        refuse(faults, "the absence")?;
        self.office.command(Command::Absence { who, absence }).await?;
        json(&Done { ok: true })
    }

    pub(super) fn absences(&self, _: &Call) -> Answer {
        let view = self.view();
        let (away, now) = (view.state.away(), now_ms());
        let rows = away.iter().filter(|(_, a)| now < a.until).map(|(who, a)| AbsenceView {
            who: who.clone(),
            from: rfc3339(a.from),
            until: rfc3339(a.until),
            delegate: a.delegate.clone(),
            now: a.from <= now,
            acting: acting(&away, who, now).to_owned(),
        });
        whole(rows.collect(), &view)
    }
}

/// Who works on a case, and who acts for that one now.
pub(super) fn assigned(state: &State, kept: &Internal, now: u64) -> (Option<String>, Option<String>) {
    let Some(name) = kept.assigned.clone() else { return (None, None) };
    let acts = acting(&state.away(), &name, now).to_owned();
    (Some(name), Some(acts))
}

/// A filter by who works on a case: its own name, or `none`.
pub(super) fn is_assigned(state: &State, thread: &ThreadId, wanted: &str, now: u64) -> bool {
    match assigned(state, &state.internal(thread), now) {
        (None, _) => wanted == "none",
        (Some(name), acts) => name == wanted || acts.as_deref() == Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testworld::World;
    use super::*;

    #[test]
    fn a_case_without_anybody_is_found_by_none() {
        let world = World::of(&["harbor"]);
        let thread = ThreadId([1; 32]);
        assert!(is_assigned(world.state(), &thread, "none", 5));
        assert!(!is_assigned(world.state(), &thread, "anna", 5));
    }
}
