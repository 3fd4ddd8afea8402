//! What comes in: parameters, JSON, uploads. Everything bounded, nothing guessed.

use crate::Face;
use axum::body::{BodyDataStream, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt;
use lapwing_api::ops::{Body, Row};
use lapwing_api::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The bearer token of a request; empty where there is none, so that both take the same road.
pub(crate) fn bearer(headers: &HeaderMap) -> &str {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().and_then(|v| v.to_str().ok()).unwrap_or_default();
    if values.next().is_some() {
        return "";
    }
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// Adds the parameters of a query. A key that is there twice is refused: the two ends could read it differently. So is
/// one that the operation does not have, and a filter without a value: a slip must not find everything.
pub(crate) fn query(text: &str, row: &Row, params: &mut BTreeMap<String, String>) -> Result<(), Problem> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = decode(key).zip(decode(value));
        let (key, value) = decoded.ok_or_else(|| malformed("the query is not percent-encoded UTF-8"))?;
        if !row.query.contains(&key.as_str()) {
            let hint = match row.query {
                [] => format!("{} takes none.", row.name),
                known => format!("{} takes {}.", row.name, known.join(", ")),
            };
            return Err(malformed(format!("the query has the unknown parameter `{}`", shown(&key))).hint(hint));
        }
        if value.is_empty() && row.body == Body::List {
            return Err(malformed(format!("`{key}` has no value")).hint("Leave it out, or give it one."));
        }
        if found.insert(key.clone(), value).is_some() {
            return Err(malformed(format!("the query has `{key}` twice")));
        }
    }
    params.extend(found);
    Ok(())
}

/// The key of one pair of a query.
pub(crate) fn key(pair: &str) -> Option<String> {
    decode(pair.split_once('=').map_or(pair, |(key, _)| key))
}

/// The caller's own name for a request, where it is one that may stand in a log line: 1 to 64 characters of
/// `[A-Za-z0-9._-]`.
pub(crate) fn own_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(crate::answer::REQUEST_ID).iter();
    let id = values.next()?.to_str().ok()?;
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    (values.next().is_none() && plain && (1..=64).contains(&id.len())).then_some(id)
}

/// A word from outside, in an answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Undoes percent-encoding; none where it is not one or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// Reads a JSON body.
pub(crate) async fn json(
    face: &Face,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<serde_json::Value, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Code::BadMediaType, "the body must be JSON")
            .hint("Send it with the header `content-type: application/json`."));
    }
    let limit = face.limits.json_bytes;
    announced(headers, limit as u64)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = next(body, face.limits.stall_time).await? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit as u64));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|e| malformed(format!("the body is not JSON: {e}")))
}

fn announced(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let len = headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    if len.is_some_and(|len| len > limit) { Err(too_large(limit)) } else { Ok(()) }
}

async fn next(stream: &mut BodyDataStream, patience: Duration) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(patience, stream.next()).await {
        Err(_) => Err(Problem::new(Code::Timeout, "the client stopped sending")),
        Ok(Some(Err(error))) => Err(malformed(format!("the body broke off: {error}"))),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(None) => Ok(None),
    }
}

/// Bytes that are read and dropped after a refusal at most.
const DRAIN_BYTES: usize = 8 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Reads on after a refusal: closing with bytes unread would reset the connection, and the client would not learn why.
pub(crate) async fn drain(body: &mut BodyDataStream) {
    let read = async {
        let mut len = 0;
        while let Some(Ok(chunk)) = body.next().await {
            len += chunk.len();
            if len > DRAIN_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

/// An uploaded file: removed when dropped, whatever became of the call.
pub(crate) struct Upload(PathBuf);

impl Upload {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, "an uploaded file could not be removed"),
        }
    }
}

/// Streams a body to a new file that only this user reads.
pub(crate) async fn upload(face: &Face, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Upload, Problem> {
    let limit = face.limits.upload_bytes;
    announced(headers, limit)?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Problem::new(Code::Internal, format!("no randomness: {e}")))?;
    let path = face.service.upload_dir().join(format!("upload-{:032x}", u128::from_be_bytes(random)));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&path).await.map_err(disk)?;
    let upload = Upload(path);
    let mut len = 0u64;
    while let Some(chunk) = next(body, face.limits.stall_time).await? {
        len += chunk.len() as u64;
        if len > limit {
            return Err(too_large(limit));
        }
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    Ok(upload)
}

fn disk(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Problem::new(Code::DiskFull, "the node's disk is full; nothing was changed")
                .hint("Free some room on the data disk.")
        }
        _ => {
            tracing::error!(%error, "an upload could not be written");
            Problem::new(Code::Internal, "the upload could not be written; the node's log says why")
        }
    }
}

fn too_large(limit: u64) -> Problem {
    Problem::new(Code::TooLarge, format!("the body has more than {limit} bytes"))
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Malformed, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_api::ops::Op;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert_eq!(disk(full.into()).code, Code::DiskFull);
        }
        assert_eq!(disk(io::ErrorKind::PermissionDenied.into()).code, Code::Internal);
    }

    #[test]
    fn a_query_is_read_strictly() {
        let row = Op::Log.row();
        let mut params = BTreeMap::from([("name".to_owned(), "path".to_owned())]);
        query("log=%C3%BC+1&after=7&cursor=x%3dy", row, &mut params).unwrap();
        let expected = [("log", "ü 1"), ("after", "7"), ("cursor", "x=y"), ("name", "path")];
        assert_eq!(params, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        for bad in ["log=1&log=2", "log=%", "log=%zz", "log=%ff", "%c3=1", "name=other", "Log=1", "=1", "log=", "log"] {
            assert_eq!(query(bad, row, &mut BTreeMap::new()).unwrap_err().code, Code::Malformed, "{bad}");
        }
    }

    #[test]
    fn only_a_single_bearer_token_is_one() {
        let token = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).to_owned()
        };
        assert_eq!(token(&["Bearer abc"]), "abc");
        assert_eq!(token(&["bearer abc"]), "abc");
        for none in [&["Basic abc"][..], &["abc"], &[], &["Bearer a", "Bearer b"]] {
            assert_eq!(token(none), "");
        }
    }
}
