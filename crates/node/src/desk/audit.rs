//! The audit trail, read.

use super::time::{moment, rfc3339};
use super::{Answer, Desk, filter, internal, json, paging, parsed};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{AuditRow, Page};
use lapwing_record::audit::Row;

/// Rows looked at for one page at most: a filter that finds little must not hold a thread for long.
const LOOK: usize = 20_000;
/// Rows read at a time.
const CHUNK: usize = 1_000;

impl Desk {
    pub(super) fn audit(&self, call: &Call) -> Answer {
        let view = self.view();
        let limit = paging::limit(call)?;
        let time = |key: &str| {
            let bad = || {
                Problem::new(Code::Malformed, format!("`{key}` is no time"))
                    .hint("Give RFC 3339: 2026-05-01T00:00:00Z.")
            };
            filter(call, key).map(|text| moment(text).ok_or_else(bad)).transpose()
        };
        let (since, until) = (time("since")?, time("until")?);
        let wanted = |key: &str, value: &str| filter(call, key).is_none_or(|f| f == value);
        let takes = |row: &Row| {
            wanted("who", &row.who)
                && wanted("act", &row.act)
                && wanted("outcome", &row.outcome)
                && since.is_none_or(|t| row.at >= t)
                && until.is_none_or(|t| row.at < t)
        };
        let cursor: Option<u64> = parsed(call, "cursor")?;
        let mut last = cursor.or(parsed(call, "after")?).unwrap_or(0);
        let (mut items, mut looked) = (Vec::new(), 0);
        let more = loop {
            let rows = self.office.book.audit(last, CHUNK).map_err(|e| internal("reading the audit trail", e))?;
            let end = rows.len() < CHUNK;
            let mut full = false;
            for row in rows {
                if items.len() == limit || looked == LOOK {
                    full = true;
                    break;
                }
                (last, looked) = (row.n, looked + 1);
                items.extend(takes(&row).then(|| shown(&row)));
            }
            if full || end {
                break full;
            }
        };
        json(&Page { items, next: more.then(|| last.to_string()), as_of: view.state.as_of })
    }
}

fn shown(row: &Row) -> AuditRow {
    AuditRow {
        n: row.n,
        at: rfc3339(row.at),
        who: row.who.clone(),
        role: row.role.clone(),
        act: row.act.clone(),
        on: row.on.clone(),
        outcome: row.outcome.clone(),
        request: row.request.clone(),
        prev: row.prev.to_string(),
        hash: row.hash().to_string(),
    }
}
