//! Pages of a list: `limit` at most, `cursor` where the last one ended.

use super::{Answer, cursor, json, parsed};
use crate::office::View;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::Page;
use serde::Serialize;

/// Items of a page unless the caller says otherwise.
const DEFAULT: usize = 100;
/// Items of a page at most.
const MAX: usize = 500;

/// Items that a page may have.
pub(super) fn limit(call: &Call) -> Result<usize, Problem> {
    let limit = parsed::<usize>(call, "limit")?.unwrap_or(DEFAULT);
    if (1..=MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::new(Code::Malformed, format!("`limit` must be 1 to {MAX}")))
}

/// Answers with the page that a call asks for. `keys` names every item that passes the filters by what it is sorted by;
/// `item` makes only those of the page. A cursor holds the last key, so that what is added or removed meanwhile neither
/// doubles nor hides anything else.
pub(super) fn page<K: AsRef<str>, T, R: Serialize>(
    call: &Call,
    view: &View,
    mut keys: Vec<(K, T)>,
    mut item: impl FnMut(T) -> Result<R, Problem>,
) -> Answer {
    let limit = limit(call)?;
    let bad =
        || Problem::new(Code::Malformed, "`cursor` is not one that this list gave").hint("Begin without a cursor.");
    let after = match call.params.get("cursor") {
        Some(cursor) => Some(cursor::key(cursor).ok_or_else(bad)?),
        None => None,
    };
    keys.retain(|(key, _)| after.as_deref().is_none_or(|a| key.as_ref() > a));
    keys.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|(key, _)| cursor::of_key(key.as_ref()));
    let items = keys.into_iter().map(|(_, what)| item(what)).collect::<Result<Vec<R>, Problem>>()?;
    json(&Page { items, next, as_of: view.state.as_of })
}
