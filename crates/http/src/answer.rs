//! What goes back: JSON, problems, bytes; always with headers that keep a browser from doing anything with it.

use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, Response, StatusCode};
use futures::stream;
use lapwing_api::openapi;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Reply;
use std::io::{self, Read};

/// Names a request in answers and logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(openapi::REQUEST_ID);
/// Bytes of a piece of a download.
const PIECE_BYTES: u64 = 256 * 1024;

/// A problem as `application/problem+json` (RFC 9457). Its body is written by [`finish`], which knows the request's id.
pub(crate) fn problem(problem: &Problem) -> Response<Body> {
    let mut response = json(problem.status, Vec::new());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.code == Code::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lapwing\""));
    }
    response.extensions_mut().insert(problem.clone());
    response
}

pub(crate) fn json(status: u16, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What the node answered.
pub(crate) fn reply(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Json(status, value) => json(status, serde_json::to_vec(&value).expect("JSON values have text keys")),
        Reply::Text { media_type, text } => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            response
        }
        Reply::Bytes { name, media_type, len, content } => {
            let mut response = Response::new(pieces(content, len));
            let headers = response.headers_mut();
            let media = HeaderValue::from_str(&media_type);
            headers.insert(CONTENT_TYPE, media.unwrap_or(HeaderValue::from_static("application/octet-stream")));
            headers.insert(CONTENT_LENGTH, len.into());
            let disposition = format!("attachment; filename=\"{}\"", file_name(&name));
            headers.insert(CONTENT_DISPOSITION, disposition.parse().expect("a file name is reduced to plain ASCII"));
            response
        }
    }
}

/// Streams `content` piece by piece; no thread is held while the client reads slowly. A reader that fails, or ends
/// early, cuts the connection: the client sees fewer bytes than were announced.
fn pieces(content: Box<dyn Read + Send>, len: u64) -> Body {
    // sent after the request's own work is done; what goes wrong then still names it
    let span = tracing::Span::current();
    Body::from_stream(stream::try_unfold((content, len, span), |(mut content, left, span)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            content.by_ref().take(left.min(PIECE_BYTES)).read_to_end(&mut piece).map(|_| (piece, content))
        });
        let (piece, content) = read.await.map_err(io::Error::other)?.inspect_err(|error| {
            span.in_scope(|| tracing::error!(%error, "a download was cut short"));
        })?;
        if piece.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let left = left - piece.len() as u64;
        Ok(Some((Bytes::from(piece), (content, left, span))))
    }))
}

/// A name of a file that is safe everywhere: of what comes from outside, only letters, digits, `.`, `_` and `-` stay.
fn file_name(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().take(100).map(keep).collect();
    let name = name.trim_start_matches(['.', '_']);
    if name.is_empty() { "download".into() } else { name.into() }
}

/// What every answer carries: the request's id, and headers that keep a browser from doing anything with it.
pub(crate) fn finish(response: &mut Response<Body>, request_id: &str) {
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(request_id.into());
        *response.body_mut() = Body::from(serde_json::to_vec(&problem).expect("a problem is plain JSON"));
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'"));
    headers.insert(REQUEST_ID, HeaderValue::from_str(request_id).expect("a request's id is plain ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_become_plain_file_names() {
        for (name, safe) in [
            ("mail-1.eml", "mail-1.eml"),
            ("../../etc/passwd", "etc_passwd"),
            ("a\"; filename=evil.exe", "a___filename_evil.exe"),
            ("über\r\nx: y", "ber__x__y"),
            ("..", "download"),
            ("", "download"),
        ] {
            assert_eq!(file_name(name), safe);
        }
    }
}
