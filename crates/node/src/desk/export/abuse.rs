//! A report of one message of a case for the abuse desk of a host or provider: XARF, made by `lapwing-evidence`.
//!
//! The pro forma and every statement that names the message have to be free to go outside the federation. The message is read in a process that may die; it goes
//! along only if it is a redacted copy or holds no personal data.

use super::{Desk, makes_the_form};
use crate::desk::{Answer, filter, hex, internal, names, path};
use lapwing_api::problem::{Code, FieldFault, Problem};
use lapwing_api::service::Call;
use lapwing_engine::case::{Case, Told};
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_evidence::analyse::Input;
use lapwing_evidence::analysis::Analysis;
use lapwing_evidence::keys::Keys;
use lapwing_evidence::limits::Limits;
use lapwing_evidence::worker::{VERB, WorkerCommand, analyse_input};
use lapwing_evidence::xarf::rules::MAX_EVIDENCE_BYTES;
use lapwing_evidence::xarf::{Author, Enclosure, Occasion, report};
use lapwing_record::directory::Role;
use lapwing_record::form::{EvidenceItem, Form};
use lapwing_record::id::Digest;
use lapwing_record::statement::BlobRef;
use std::io::Read;

impl Desk {
    /// The report.
    pub(in crate::desk) fn export_xarf(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let thread = names::thread(state, path(call, "thread"))?;
        let case = state.case(&thread).ok_or_else(|| crate::desk::not_found("there is no such case here"))?;
        self.release_what(case, Exit::Outside, makes_the_form)?;
        let form = self.form(case)?;
        let item = self.sample(state, case, &form, filter(call, "item"))?;
        if let Some(item) = &item {
            let names_it = |told: &Told| told.open.blobs.iter().any(|b| b.b3_cipher == item.b3_cipher);
            self.release_what(case, Exit::Outside, names_it)?;
        }
        let bytes = item.as_ref().map(|item| self.bytes_of(state, case, item)).transpose()?;
        let found = match (&item, &bytes) {
            (Some(item), Some(bytes)) => analysis(item, bytes)?,
            _ => Analysis::default(),
        };
        let author = author(state, case, &form);
        let stated = item.as_ref().and_then(|item| stated(&form, item));
        let encloses = stated.is_some_and(|s| s.redaction_of.is_some() || s.personal_data == Some(false));
        let enclosure = item.iter().zip(bytes).filter(|(i, _)| encloses && i.size <= MAX_EVIDENCE_BYTES);
        let occasion = Occasion {
            report_id: report_id(&thread.0, item.as_ref().map(|i| &i.sha256_plain)),
            reporter: author.clone(),
            sender: author,
            enclosures: enclosure
                .map(|(item, content)| Enclosure {
                    content_type: item.media.clone(),
                    description: stated.and_then(|s| s.description.clone()),
                    content,
                })
                .collect(),
        };
        let report = report(&form, &found, &occasion).map_err(|missing| {
            let fault = |f: lapwing_evidence::xarf::rules::Fault| FieldFault { path: f.field, what: f.what.into() };
            Problem::new(Code::Invalid, "the case does not hold what a report needs")
                .hint("Name a message with `item`, state the suspect and the period, publish a point of contact with an e-mail address.")
                .faults(missing.faults.into_iter().map(fault).collect())
        })?;
        let text = serde_json::to_vec_pretty(&report).map_err(|e| internal("writing a report", e))?;
        Ok(self.file(call, &thread, "xarf.json", "application/json", text))
    }

    /// The message that the report is about: the one that is named, else the first that is here, redacted copies before
    /// originals; none where there is none.
    fn sample(&self, state: &State, case: &Case, form: &Form, name: Option<&str>) -> Result<Option<BlobRef>, Problem> {
        let mut items = self.named_evidence(case)?;
        if let Some(name) = name {
            if let Some(item) = items.iter().find(|i| i.name == name) {
                return Ok(Some(item.clone()));
            }
            let blob = names::by_prefix(items.iter().map(|i| i.b3_cipher), name, "item of evidence in this case")?;
            return Ok(items.into_iter().find(|i| i.b3_cipher == blob));
        }
        let here = self.evidence_of(state, case, &items);
        let here: Vec<&str> = here.iter().filter(|e| e.state == "here").map(|e| e.blob.as_str()).collect();
        items.retain(|i| i.media == "message/rfc822" && here.contains(&i.b3_cipher.to_string().as_str()));
        items.sort_by_key(|i| stated(form, i).is_none_or(|s| s.redaction_of.is_none()));
        Ok(items.into_iter().next())
    }

    fn bytes_of(&self, state: &State, case: &Case, item: &BlobRef) -> Result<Vec<u8>, Problem> {
        let max = Limits::default().max_bytes;
        if item.size > max {
            let what = format!("has more than {max} bytes: too many to be read as a message");
            return Err(invalid_item(&what));
        }
        let mut bytes = Vec::new();
        let content = self.open_item(state, case, item)?;
        content.take(max).read_to_end(&mut bytes).map_err(|e| internal("reading evidence", e))?;
        Ok(bytes)
    }
}

fn invalid_item(what: &str) -> Problem {
    Problem::new(Code::Invalid, "no report can be made of this item")
        .faults(vec![FieldFault { path: "item".into(), what: what.into() }])
}

fn analysis(item: &BlobRef, bytes: &[u8]) -> Result<Analysis, Problem> {
    let worker = WorkerCommand::current_exe([VERB]).map_err(|e| internal("starting a reader of mail", e))?;
    let found = analyse_input(&worker, Input::Message, bytes, &Limits::default(), &Keys::default());
    found.map(|found| found.analysis).map_err(|warning| {
        tracing::warn!(blob = %item.b3_cipher.short(), ?warning, "a message could not be read for a report");
        invalid_item("could not be read as a message")
    })
}

/// What the manifest says of an item.
fn stated<'a>(form: &'a Form, item: &BlobRef) -> Option<&'a EvidenceItem> {
    form.evidence.iter().flatten().find(|i| i.sha256 == item.sha256_plain)
}

/// This agency, and where its people answer: the point of contact of the case, else its case intake. Only what it
/// published for everybody.
fn author(state: &State, case: &Case, form: &Form) -> Author {
    let listing = state.federation.listing(&state.me);
    let contacts = || listing.iter().flat_map(|l| l.contacts.values()).map(|c| &*c.record).filter(|c| !c.withdrawn);
    let of_case = form.poc_ref.as_deref().filter(|_| case.requester == state.me);
    let named = of_case.and_then(|slot| contacts().find(|c| c.slot == slot));
    let contact = named.or_else(|| contacts().find(|c| c.role == Role::CaseIntake));
    let mail = contact.and_then(|c| c.ways.iter().find(|w| w.kind == "email")).map(|w| w.value.clone());
    let mail = mail.unwrap_or_default();
    let domain = mail.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
    Author { org: names::named(state, &state.me).legal_name.chars().take(200).collect(), contact: mail, domain }
}

/// The same report of the same message has the same id: a UUID of version 8.
fn report_id(thread: &[u8; 32], sample: Option<&Digest>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lapwing v1 id of a XARF report");
    hasher.update(thread).update(sample.map_or(&[], |d| &d.0[..]));
    let hash = hasher.finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let digits = hex::encode(&id);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
