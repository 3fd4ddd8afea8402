//! What leaves of a case as a file, each through the one release check (docs/exports.md).
//!
//! ```text
//! bundle: everything, signed; checked offline ── the whole case is free, or nothing leaves
//! pages, tables: for people ──────────────────── the pro forma is free; what else is not is left out, and said so
//! report: for an abuse desk's machine ────────── the pro forma and the message are free to go outside
//! ```

mod abuse;
mod pages;
mod tables;
mod words;

use super::referrals::{post_problem, stored_at};
use super::release::{consents, not_released};
use super::time::rfc3339;
use super::{Answer, Desk, hex, internal, names, path};
use crate::office::now_ms;
use crate::{folder, forms};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, Reply};
use lapwing_api::types::{Name, ReferralDetail};
use lapwing_engine::case::{Detail, Told};
use lapwing_engine::release::{Exit, Marking, Part, check};
use lapwing_engine::state::State;
use lapwing_paper::PaperError;
use lapwing_record::bundle::{Bundle, Sent};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::MAX_CHARTER_FILE;
use lapwing_record::entry::Entry;
use lapwing_record::form::Form;
use lapwing_record::id::{Pid, ThreadId};
use lapwing_record::statement::{Kind, SignedStmt, Tlp, signed_hash};
use std::collections::BTreeMap;
use std::io::Cursor;

impl Desk {
    pub(super) fn export(&self, call: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let thread = names::thread(state, path(call, "thread"))?;
        let case = state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        self.release(case, export_of(call)?)?;
        let charter = self.uploads.parent().map(|data| data.join("charter.lapwing")).unwrap_or_default();
        let charter =
            folder::read(&charter, MAX_CHARTER_FILE as u64).map_err(|e| internal("reading the charter", e))?;
        let bundle = Bundle {
            version: lapwing_record::bundle::VERSION,
            charter: Bytes(charter),
            id_logs: vec![id_log(state, &case.requester)?, id_log(state, &case.target)?],
            asked: case.asked.iter().map(|t| self.sent(t)).collect::<Result<_, _>>()?,
            answered: case.answered.iter().map(|t| self.sent(t)).collect::<Result<_, _>>()?,
            evidence: self.named_evidence(case)?,
        };
        Ok(self.file(call, &thread, "lapwing", "application/octet-stream", encode(&bundle)))
    }

    fn sent(&self, told: &Told) -> Result<Sent, Problem> {
        let receipt = match &told.delivery {
            Some(delivery) => delivery.receipt.clone(),
            None => told.receipt.clone(),
        };
        // after a restore a statement of our own counts as delivered without its receipt
        let receipt = receipt.filter(|r| !r.is_empty());
        Ok(Sent { signed: Bytes(encode(&self.signed(told)?)), receipt })
    }
}

/// A signed statement as a court finds it again in the bundle.
pub(super) struct Proof {
    /// BLAKE3 of its signed bytes, as its receipt names them, in hexadecimal digits.
    signed: String,
    /// Keys of the officers that approved it.
    approved_by: Vec<String>,
    /// When the other node made it durable.
    received: Option<String>,
    /// BLAKE3 of the receipt's bytes, in hexadecimal digits.
    receipt: Option<String>,
}

/// What of a case may leave, and what is left out.
pub(super) struct Leaving {
    /// The case, without what is left out.
    detail: ReferralDetail,
    /// By statement.
    proofs: BTreeMap<String, Proof>,
    /// Who opened it, and who was asked.
    parties: [Name; 2],
    /// Whose node makes the file.
    by: Name,
    /// The federation's name and id.
    federation: (String, String),
    /// The strictest TLP of what is in it.
    tlp: Tlp,
    /// Whether it is made for a court.
    court: bool,
}

impl Desk {
    /// What of the case may leave as pages or tables. Every version of the pro forma must be free, parties of a stricter
    /// marking left aside; each statement stands for itself.
    fn leaving(&self, call: &Call) -> Result<(ThreadId, Leaving), Problem> {
        let exit = export_of(call)?;
        let view = self.view();
        let state = &view.state;
        let thread = names::thread(state, path(call, "thread"))?;
        let case = state.case(&thread).ok_or_else(|| super::not_found("there is no such case here"))?;
        let (consents, now) = (consents(case, state.me), now_ms());
        let free = |parts: &[Part]| check(state.me, parts, &consents, exit, now);
        let versions = forms::versions(&self.office, case).map_err(post_problem)?;
        let current = forms::current(&versions).ok_or_else(|| super::not_found("the referral itself is not here"))?;
        let forms = versions.iter().map(|v| (&v.stated, v.told.open.handling)).chain([(&current, Tlp::Clear)]);
        let parts: Vec<Part> = forms.map(|(form, tlp)| without_parties(case.requester, form, tlp)).collect();
        check(state.me, &parts, &consents, exit, now).map_err(|rules| not_released(exit, &rules))?;

        let mut detail = self.detail(state, case, exit)?;
        let mut proofs = BTreeMap::new();
        let mut tlp = parts.iter().map(|p| p.marking.tlp).fold(Tlp::Clear, Tlp::max);
        tlp = detail.form.iter().flat_map(|f| f.parties.iter().flatten()).filter_map(|p| p.tlp).fold(tlp, Tlp::max);
        for (told, shown) in case.timeline().into_iter().zip(&mut detail.timeline) {
            proofs.insert(shown.id.clone(), self.proof(told)?);
            if shown.withheld.is_none() && !makes_the_form(told) {
                let parts = self.parts(case, told)?;
                match free(&parts) {
                    Ok(()) => tlp = parts.iter().map(|p| p.marking.tlp).fold(tlp, Tlp::max),
                    Err(rules) => {
                        shown.withheld = rules.first().map(ToString::to_string);
                        shown.body = serde_json::Value::Null;
                    }
                }
            }
        }
        let name = |pid: &Pid| names::named(state, pid);
        let federation = &state.federation;
        let leaving = Leaving {
            detail,
            proofs,
            parties: [name(&case.requester), name(&case.target)],
            by: name(&state.me),
            federation: (federation.charter().name.clone(), federation.network().to_string()),
            tlp,
            court: exit == Exit::Court,
        };
        Ok((thread, leaving))
    }

    fn proof(&self, told: &Told) -> Result<Proof, Problem> {
        let Sent { signed, receipt } = self.sent(told)?;
        let approvals = SignedStmt::decode(&signed).map_err(|e| internal("reading a statement", e))?.approvals;
        Ok(Proof {
            approved_by: approvals.iter().flatten().map(|a| a.kid.to_string()).collect(),
            received: receipt.as_ref().and_then(|r| stored_at(r)).map(rfc3339),
            receipt: receipt.map(|r| hex::encode(blake3::hash(&r).as_bytes())),
            signed: hex::encode(&signed_hash(&signed).0),
        })
    }

    /// The case as pages for people.
    pub(super) fn export_pdf(&self, call: &Call) -> Answer {
        let (thread, leaving) = self.leaving(call)?;
        let pdf = lapwing_paper::pdf(&pages::document(&leaving)).map_err(|e| match e {
            PaperError::TooLong => Problem::new(Code::TooLarge, format!("the case is too large for a PDF: {e}"))
                .hint("Export the bundle or the tables."),
            PaperError::Write(_) => internal("writing a PDF", e),
        })?;
        Ok(self.file(call, &thread, "pdf", "application/pdf", pdf))
    }

    /// A table of the case.
    pub(super) fn export_csv(&self, call: &Call) -> Answer {
        let table: tables::Table = super::parsed(call, "table")?.unwrap_or(tables::Table::Parties);
        let (thread, leaving) = self.leaving(call)?;
        Ok(self.file(
            call,
            &thread,
            &format!("{table}.csv"),
            "text/csv",
            tables::csv(&table.rows(&leaving)).into_bytes(),
        ))
    }

    /// A file of a case. That it was made is logged, and what is in it is not.
    fn file(&self, call: &Call, thread: &ThreadId, ending: &str, media_type: &str, bytes: Vec<u8>) -> Reply {
        let (by, format) = (super::name_of_caller(call), call.op.row().name);
        tracing::info!(case = %thread.short(), by, format, "a case was exported");
        Reply::Bytes {
            name: format!("referral-{}.{ending}", thread.short()),
            media_type: media_type.into(),
            len: bytes.len() as u64,
            content: Box::new(Cursor::new(bytes)),
        }
    }
}

/// Whether a statement made a version of the pro forma: those are looked at together.
fn makes_the_form(told: &Told) -> bool {
    told.open.kind == Kind::Submit || matches!(told.open.detail, Some(Detail::Form(_)))
}

/// A pro forma's own marking. Its parties are left out one by one.
fn without_parties(by: Pid, form: &Form, tlp: Tlp) -> Part {
    let form = Form { parties: None, ..form.clone() };
    Part { by, marking: Marking::of_form(&form, tlp) }
}

/// What a file is made for.
fn export_of(call: &Call) -> Result<Exit, Problem> {
    match super::filter(call, "purpose") {
        None | Some("own") => Ok(Exit::File),
        Some("court") => Ok(Exit::Court),
        Some(other) => Err(Problem::new(Code::Malformed, format!("`purpose`: `{other}` is not one of: own, court"))),
    }
}

fn id_log(state: &State, pid: &Pid) -> Result<Vec<Entry>, Problem> {
    let author = state.federation.author(pid);
    let author = author.ok_or_else(|| Problem::new(Code::Conflict, "the other side's log is not here"))?;
    Ok(author.id_chain())
}
