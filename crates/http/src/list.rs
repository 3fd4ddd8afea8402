//! Lists: a page as JSON, or as JSON Lines where that is asked for. Where the next page is stands in headers either way.

use crate::{answer, request};
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK, VARY};
use axum::http::{HeaderMap, HeaderName, Response, Uri};
use lapwing_api::openapi::{AS_OF, BASE, LINES, NEXT};
use lapwing_api::service::Reply;
use serde_json::Value;

/// What the caller wants of a list.
pub(crate) struct Wanted {
    lines: bool,
    /// Path and query of the request, without its cursor.
    here: String,
}

impl Wanted {
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty());
        let kept: Vec<&str> = pairs.filter(|p| request::key(p).as_deref() != Some("cursor")).collect();
        let more: String = kept.iter().map(|pair| format!("{pair}&")).collect();
        Wanted { lines: wants_lines(headers), here: format!("{}?{more}", uri.path()) }
    }

    /// A page, as it is wanted. What is no page goes out as it is.
    pub(crate) fn answer(&self, reply: Reply) -> Response<Body> {
        let page = match &reply {
            Reply::Json(200, page) => page.clone(),
            _ => return answer::reply(reply),
        };
        let Some(items) = page.get("items").and_then(Value::as_array) else { return answer::reply(reply) };
        let mut response = if self.lines {
            let mut text = Vec::new();
            for item in items {
                serde_json::to_writer(&mut text, item).expect("JSON values have text keys");
                text.push(b'\n');
            }
            let mut response = answer::json(200, text);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(LINES));
            response
        } else {
            answer::reply(reply)
        };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("accept"));
        let mut say = |name: HeaderName, value: String| {
            // a path is ASCII, a cursor hex
            HeaderValue::from_str(&value).ok().and_then(|value| headers.insert(name, value));
        };
        if let Some(next) = page.get("next").and_then(Value::as_str) {
            say(LINK, format!("<{}cursor={next}>; rel=\"next\"", self.here));
            say(HeaderName::from_static(NEXT), next.to_owned());
        }
        if let Some(as_of) = page.get("as_of").and_then(Value::as_u64) {
            say(HeaderName::from_static(AS_OF), as_of.to_string());
        }
        debug_assert!(self.here.starts_with(BASE), "lists live below the API's path");
        response
    }
}

/// Whether JSON Lines are asked for: by name, and not with a weight of 0.
fn wants_lines(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    ranges.into_iter().any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(LINES));
        let refused = parts.any(|p| {
            let weight = p.strip_prefix("q=").or_else(|| p.strip_prefix("Q="));
            weight.is_some_and(|q| q.parse() == Ok(0.0))
        });
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wants(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        wants_lines(&headers)
    }

    #[test]
    fn json_lines_are_given_to_those_who_name_them() {
        for yes in [&["application/x-ndjson"][..], &["text/html, Application/X-NDJSON;q=0.5"], &["*/*", LINES]] {
            assert!(wants(yes), "{yes:?}");
        }
        for no in
            [&[][..], &["*/*"], &["application/json"], &["application/x-ndjson;q=0"], &["application/x-ndjson; q=0.0"]]
        {
            assert!(!wants(no), "{no:?}");
        }
    }

    #[test]
    fn the_next_page_is_the_same_request_with_another_cursor() {
        let uri = Uri::from_static("/api/v1/members?class=agency&%63ursor=00&limit=2");
        let page = serde_json::json!({ "items": [{ "a": 1 }, { "a": "x\ny" }], "next": "ff", "as_of": 7 });
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(LINES));
        let response = Wanted::of(&headers, &uri).answer(Reply::Json(200, page.clone()));
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(header("link").unwrap(), "</api/v1/members?class=agency&limit=2&cursor=ff>; rel=\"next\"");
        assert_eq!((header(NEXT).unwrap(), header(AS_OF).unwrap()), ("ff".into(), "7".into()));
        assert_eq!(header("content-type").unwrap(), LINES);
        let last = serde_json::json!({ "items": [], "next": null, "as_of": 7 });
        let response = Wanted::of(&HeaderMap::new(), &uri).answer(Reply::Json(200, last));
        assert!(response.headers().get(LINK).is_none() && response.headers().get(NEXT).is_none());
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json");
    }
}
