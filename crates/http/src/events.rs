//! Server-sent events (WHATWG HTML, "Server-sent events").

use crate::Face;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response};
use futures::stream;
use lapwing_api::ops::Role;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Call, EventId, Notice};
use std::convert::Infallible;
use std::sync::Arc;

/// A stream of events: from `Last-Event-ID` or `after` on, else from now on.
pub(crate) fn stream(face: Arc<Face>, headers: &HeaderMap, call: &Call) -> Result<Response<Body>, Problem> {
    let resumed = headers.get("last-event-id").map(|v| v.to_str().unwrap_or_default());
    let after = match resumed.or(call.params.get("after").map(String::as_str)) {
        Some(text) => text.parse().map_err(|_| {
            Problem::new(Code::Malformed, "`after` (or `Last-Event-ID`) is not the id of an event")
                .hint("Give the `id` of the last event that was seen as it came, or none to begin now.")
        })?,
        None => face.service.latest_event(),
    };
    let role = call.caller.as_ref().map_or(Role::Analyst, |c| c.role);
    let mut response = Response::new(body(face, after, role));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn body(face: Arc<Face>, after: EventId, role: Role) -> Body {
    // said at once, so that a watcher knows from when on it misses nothing, and can resume before anything happened
    let begin = (face, after, Some(Bytes::from(format!(": connected\nid: {after}\n\n"))));
    Body::from_stream(stream::unfold(begin, move |(face, last, greeting)| async move {
        if let Some(greeting) = greeting {
            return Some((Ok::<_, Infallible>(greeting), (face, last, None)));
        }
        let next = tokio::time::timeout(face.limits.keep_alive, face.service.next_event(last, role)).await;
        match next {
            Ok(Some(notice)) => Some((Ok(text(&notice)), (face, notice.id, None))),
            Ok(None) => None,
            Err(_) => Some((Ok(Bytes::from_static(b": alive\n\n")), (face, last, None))),
        }
    }))
}

fn text(notice: &Notice) -> Bytes {
    // JSON text has no line breaks, and a name is one of ours
    let name: String = notice.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Bytes::from(format!("id: {}\nevent: {name}\ndata: {}\n\n", notice.id, notice.data))
}
