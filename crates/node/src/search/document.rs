//! A case as what can be found of it: its words, its things, its labels.
//!
//! Content that cannot be read (its key is gone) is left out: what decides the case's state is found all the same.

use super::things::{reference_of, things_of};
use crate::book::BookError;
use crate::office::Office;
use crate::vault::VaultError;
use lapwing_api::types::HarmView;
use lapwing_engine::case::{Case, Stage, Told};
use lapwing_engine::state::State;
use lapwing_engine::step::read_locked_form;
use lapwing_record::form::{Form, IdentifierKind};
use lapwing_record::id::Pid;
use lapwing_record::statement::{Body, SignedStmt, Stmt, Tlp};
use lapwing_search::index::{Document, Exact, Label};
use serde::{Deserialize, Serialize};

/// The form of documents: another one has the index made anew.
pub const FORM: u8 = 3;

/// Classes of harm, the gravest first, as labels number them.
pub const CLASSES: [&str; 4] = ["critical", "serious", "substantial", "limited"];

/// What comes back with a hit: what a row shows of the content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The subject line.
    pub subject: Option<String>,
    /// Harm under the weights in force.
    pub harm: Option<HarmView>,
}

/// A participant as labels number it.
pub fn counterpart(pid: &Pid) -> u64 {
    u64::from_be_bytes(*pid.0.first_chunk::<8>().expect("an id has 32 bytes"))
}

/// A country as labels number it; none where it is not two letters.
pub fn country(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some(u64::from(a.to_ascii_uppercase()) << 8 | u64::from(b.to_ascii_uppercase()))
        }
        _ => None,
    }
}

/// The country of a label.
pub fn country_of(label: u64) -> String {
    [(label >> 8) as u8, label as u8].iter().map(|b| char::from(*b)).collect()
}

/// The month of a moment as labels number it: months since the year 0.
pub fn month(ms: u64) -> Option<u64> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    Some(u64::try_from(date.year()).ok()? * 12 + u64::try_from(date.month()).ok()? - 1)
}

/// The month of a label, as `2026-11`.
pub fn month_of(label: u64) -> String {
    format!("{:04}-{:02}", label / 12, label % 12 + 1)
}

/// A stage as labels number it.
pub fn stage(stage: Stage) -> u64 {
    Stage::ALL.iter().position(|s| *s == stage).expect("every stage stands in the list") as u64
}

/// The content of a statement; none where its key is gone, or it is damaged for good. An error where it may be read later:
/// then nothing is concluded from its absence.
pub fn content(office: &Office, told: &Told) -> Result<Option<Stmt>, String> {
    let (thread, id) = (&told.open.thread, &told.open.id);
    let locked = match office.book.locked(id) {
        Ok(Some(locked)) => locked,
        // the case names it, so it is in the journal: the list of records is being made anew
        Ok(None) => return Err("a statement is not in the list of records".into()),
        Err(BookError::Index(error)) => return Err(error.to_string()),
        Err(error) => {
            tracing::warn!(case = %thread.short(), %error, "a statement is damaged and cannot be searched");
            return Ok(None);
        }
    };
    let plain = match office.vault.unlock(thread, id, &locked) {
        Ok(plain) => plain,
        Err(VaultError::NoCaseKey(_) | VaultError::Content(_)) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // one of our own is kept unsigned, unless it came back after a restore
    let signed = SignedStmt::decode(&plain).ok().and_then(|signed| signed.claimed().ok());
    Ok(signed.or_else(|| read_locked_form(&plain).ok().map(|(stmt, _)| stmt)))
}

/// The pro forma of a case; none where it cannot be read.
pub fn form(office: &Office, case: &Case) -> Result<Option<Form>, String> {
    let Some(first) = case.asked.first() else { return Ok(None) };
    Ok(content(office, first)?.and_then(|stmt| Form::decode(&stmt.body).ok()))
}

/// Every identifier of a form, with what it is of: the party's role, `complaint` or `evidence`. `take` gets kind, value, role, the
/// time when it was in use, and the port.
pub fn identifiers(form: &Form, mut take: impl FnMut(IdentifierKind, &str, &str, Option<&String>, Option<u64>)) {
    for party in form.parties.iter().flatten() {
        for id in &party.identifiers {
            take(id.kind, &id.value, party.role.code(), id.time.as_ref(), id.port);
        }
    }
    for complaint in form.complaints.iter().flatten() {
        let id = &complaint.sender;
        take(id.kind, &id.value, "complaint", id.time.as_ref(), id.port);
    }
    for item in form.evidence.iter().flatten() {
        let hash: String = item.sha256.0.iter().map(|b| format!("{b:02x}")).collect();
        take(IdentifierKind::Sha256, &hash, "evidence", item.collected_at.as_ref(), None);
    }
}

struct Gathering {
    text: Vec<String>,
    exact: Vec<Exact>,
    labels: Vec<(Label, u64)>,
}

impl Gathering {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push(text.to_owned());
        }
    }

    fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) {
        texts.into_iter().for_each(|t| self.text(t));
    }

    fn label(&mut self, label: Label, value: Option<u64>) {
        self.labels.extend(value.map(|v| (label, v)));
    }

    fn form(&mut self, form: &Form, ours: bool) {
        self.texts(form.subject_line.iter().chain(&form.narrative));
        self.texts(form.requester_ref.iter().chain(&form.campaign_ref).chain(form.related.iter().flatten()));
        self.texts(form.case_officer.iter().chain(&form.permitted_purpose).chain(&form.law_breached));
        self.texts(form.similar_target_law.iter().chain(form.handling_codes.iter().flatten()));
        if let Some(law) = &form.legal_authority {
            self.texts([&law.law].into_iter().chain(&law.article));
        }
        for party in form.parties.iter().flatten() {
            self.texts(&party.names);
            self.label(Label::Country, party.country.as_deref().and_then(country));
            for location in party.locations.iter().flatten() {
                self.label(Label::Country, country(&location.country));
            }
        }
        for item in form.assistance.iter().flatten() {
            self.texts([&item.description].into_iter().chain(&item.questions).chain(&item.format));
        }
        self.texts(form.urgency.iter().flat_map(|u| &u.reasons));
        for item in form.evidence.iter().flatten() {
            self.texts([&item.name].into_iter().chain(&item.description).chain(&item.id));
            self.texts(item.custody.iter().flatten().flat_map(|step| &step.note));
        }
        let lists = [&form.do_not_contact, &form.agencies_contacted, &form.proceedings_elsewhere];
        self.texts(lists.into_iter().flatten().flatten());
        identifiers(form, |kind, value, _, _, _| things_of(kind, value, &mut self.exact));
        for reference in form.requester_ref.iter().chain(&form.campaign_ref) {
            self.exact.push(reference_of(ours, reference));
        }
        for conduct in form.conduct.iter().flatten() {
            self.label(Label::Conduct, Some(conduct.number()));
        }
        self.label(Label::Channel, form.channel.map(|c| c.number()));
    }

    fn statement(&mut self, body: &Body, ours: bool) {
        match body {
            Body::Submit(form) => self.form(form, ours),
            Body::Acknowledge(said) => {
                self.texts([&said.own_reference].into_iter().chain(&said.note));
                self.exact.push(reference_of(ours, &said.own_reference));
            }
            Body::NeedInfo(said) | Body::DelayReasons(said) => self.text(&said.text),
            Body::Supplement(said) => {
                self.text(&said.text);
                said.form.iter().for_each(|form| self.form(form, ours));
            }
            Body::Decide(said) => self.texts(said.items.iter().flat_map(|i| &i.note)),
            Body::Withdraw(said) | Body::Close(said) => self.texts(&said.note),
            Body::Progress(said) => self.text(&said.text),
            Body::Extend(said) => self.text(&said.reason),
            Body::ResultInterim(said) | Body::ResultFinal(said) => {
                self.texts([&said.measure, &said.text].into_iter().chain(&said.limits.words));
                for complaint in said.complaints.iter().flatten() {
                    self.texts(complaint.merged_with.iter().chain(&complaint.note));
                }
            }
            Body::TransferProposed(said) => self.text(&said.why),
            Body::TransferConsent(said) => self.texts(&said.conditions),
            Body::Reminder(said) => self.texts(&said.text),
            Body::Recall(said) => self.texts(&said.note),
            Body::RecallAnswer(said) => self.texts(said.law.iter().chain(&said.note)),
            Body::Feedback(said) => self.text(&said.text),
            Body::Reopen(said) => self.text(&said.reason),
            Body::Dispute(said) => self.text(&said.text),
            Body::CompelledDisclosureNotice(said) => self.texts([&said.law, &said.to_whom, &said.what]),
            Body::Assess(said) => self.texts(&said.note),
            Body::ConsentRequest(said) => self.texts([&said.reason].into_iter().chain(&said.scope.dissemination)),
            Body::Consent(said) => self.texts(said.conditions.iter().chain(&said.scope.dissemination)),
            Body::JointPlan(said) => {
                self.text(&said.title);
                self.texts(said.tasks.iter().map(|t| &t.what).chain(&said.note));
            }
            Body::JointTask(said) => self.texts(&said.note),
            // keys, receipts, and the names of blobs and statements
            Body::BlobGrant(_) | Body::BlobRequest(_) | Body::Transferred(_) | Body::Seen(_) => {}
        }
    }
}

/// What can be found of a case.
pub fn document(office: &Office, state: &State, case: &Case) -> Result<Document, String> {
    let mut all = Gathering { text: Vec::new(), exact: Vec::new(), labels: Vec::new() };
    let (mut shown, mut red, mut current, peer) = (Shown::default(), false, None, case.peer(&state.me));
    for told in case.asked.iter().chain(&case.answered) {
        red |= told.open.handling == Tlp::Red;
        let Some(stmt) = content(office, told)? else { continue };
        let Ok(body) = Body::decode(stmt.kind, &stmt.body) else { continue };
        all.statement(&body, told.open.from == state.me);
        // one that was refused made no version of the pro forma
        let stated = match body {
            Body::Submit(form) => Some(*form),
            Body::Supplement(said) => said.form,
            _ => None,
        };
        if let Some(stated) = stated.filter(|_| told.refused.is_none()) {
            current = Some(current.map_or_else(|| stated.clone(), |before: Form| before.supplemented(&stated)));
        }
    }
    if let Some(form) = current {
        red |= form.parties.iter().flatten().any(|p| p.tlp == Some(Tlp::Red));
        shown.harm = Some(HarmView::of(&form, &state.federation.params().harm_weights));
        shown.subject = form.subject_line;
    }
    all.label(Label::Red, Some(u64::from(red)));
    let submitted = case.asked.first().map_or(0, |t| t.open.clock);
    all.label(Label::Stage, Some(stage(case.stage())));
    all.label(Label::Role, Some(u64::from(case.requester != state.me)));
    all.label(Label::Counterpart, Some(counterpart(&peer)));
    all.label(Label::Country, state.federation.inception(&peer).and_then(|i| country(&i.country)));
    all.label(Label::Month, month(submitted));
    let class = |harm: &HarmView| CLASSES.iter().position(|c| *c == harm.class).map(|c| c as u64);
    all.label(Label::Class, shown.harm.as_ref().and_then(class));
    let stored = serde_json::to_vec(&shown).expect("plain data is JSON");
    let Gathering { text, exact, labels } = all;
    Ok(Document { text, exact, labels, submitted, changed: case.changed, stored, ..Document::new(case.thread.0) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn countries_and_months_come_back_from_their_labels() {
        assert_eq!(country_of(country("nl").unwrap()), "NL");
        assert!(["", "N", "NLD", "1x", "é"].iter().all(|bad| country(bad).is_none()));
        let at = "2026-11-30T23:59:59.999Z".parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        assert_eq!(
            (month_of(month(at).unwrap()), month_of(month(at + 1).unwrap())),
            ("2026-11".into(), "2026-12".into())
        );
        assert_eq!(month(u64::MAX), None);
    }

    #[test]
    fn every_class_of_harm_has_its_label() {
        for score in 0..=100 {
            assert!(CLASSES.contains(&lapwing_record::form::harm::Harm::class(score)));
        }
    }
}
