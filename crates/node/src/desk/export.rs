//! A whole case as one file that is checked offline.

use super::{Answer, Desk, internal, names, path};
use crate::folder;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, Reply};
use lapwing_engine::case::Told;
use lapwing_engine::release::Exit;
use lapwing_engine::state::State;
use lapwing_record::bundle::{Bundle, Sent};
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::MAX_CHARTER_FILE;
use lapwing_record::entry::Entry;
use lapwing_record::id::Pid;
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
        let bytes = encode(&bundle);
        tracing::info!(case = %thread.short(), by = super::name_of_caller(call), "a case was exported");
        Ok(Reply::Bytes {
            name: format!("referral-{}.lapwing", thread.short()),
            media_type: "application/octet-stream".into(),
            len: bytes.len() as u64,
            content: Box::new(Cursor::new(bytes)),
        })
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
