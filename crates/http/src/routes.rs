//! Routes, one per row of the table of operations, and the road that every request takes.

use crate::places::Seat;
use crate::{Face, answer, events, list, reference, request};
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::CONNECTION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method as HttpMethod, Response};
use axum::middleware::{self, Next};
use axum::routing::{MethodFilter, on};
use futures::FutureExt;
use lapwing_api::ops::{Access, Body as Carries, Method, OPS, Op, Row};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::{Attempt, Call, Caller, Reply};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tracing::Instrument;

pub(crate) fn router(face: Arc<Face>) -> Router {
    let mut router = Router::new();
    for row in OPS {
        let filter = match row.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
        };
        let handler = move |State(face): State<Arc<Face>>, request: Request| async move {
            let (parts, body) = request.into_parts();
            let mut body = body.into_data_stream();
            let request = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            let (path, mut caller) = (parts.uri.path().to_owned(), None);
            let (begun, _under_way) = (Instant::now(), face.begin());
            let (response, code) = match handle(face.clone(), row, parts, &mut body, &request, &mut caller).await {
                Ok(response) => (response, None),
                Err(problem) => {
                    let (op, caller) = (Some(row.op), caller.as_ref());
                    face.service.refused(&Attempt { op, caller, path: &path, request: &request, problem: &problem });
                    request::drain(&mut body).await;
                    (answer::problem(&problem), Some(problem.code))
                }
            };
            face.service.answered(row.op, response.status().as_u16(), code, begun.elapsed());
            response
        };
        router = router.route(&format!("/api/v1{}", row.path), on(filter, handler));
        if row.op.at_root() {
            router = router.route(row.path, on(filter, handler));
        }
    }
    router
        .method_not_allowed_fallback(|| async {
            answer::problem(&Problem::new(Code::BadMethod, "this path does not take that method"))
        })
        .fallback(|| async {
            let problem = Problem::new(Code::NoRoute, "the API has no such path");
            answer::problem(&problem.hint("Every path begins with /api/v1; the API's reference lists them."))
        })
        .layer(middleware::from_fn_with_state(face.clone(), around))
        .with_state(face)
}

/// Around every request: its id, the guard of the port, and what a panic becomes.
async fn around(State(face): State<Arc<Face>>, mut request: Request, next: Next) -> Response<Body> {
    let id = request::own_id(request.headers()).map_or_else(request_id, str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("http", request_id = %id, method = %request.method());
    let answered = async {
        let seat = request.extensions().get::<Arc<Seat>>();
        if let Some(seat) = seat {
            seat.know(false);
        }
        if let Err(problem) = face.guard.check(request.uri(), request.headers()) {
            let path = request.uri().path();
            face.service.refused(&Attempt { op: None, caller: None, path, request: &id, problem: &problem });
            // whatever else comes over this connection was not meant for us either
            let mut response = answer::problem(&problem);
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answered.unwrap_or_else(|_| answer::problem(&internal()))
    };
    let mut response = answered.instrument(span.clone()).await;
    answer::finish(&mut response, &id);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    response
}

/// The id of a request, on its way to the handler.
#[derive(Clone)]
struct RequestId(String);

pub(crate) fn request_id() -> String {
    let mut random = [0; 8];
    // a name for log lines only: without randomness requests share one
    let _ = getrandom::fill(&mut random);
    format!("{:016x}", u64::from_be_bytes(random))
}

fn internal() -> Problem {
    Problem::new(Code::Internal, "the node failed at this request; its log says why")
        .hint("Look for the request id in the node's log.")
}

async fn handle(
    face: Arc<Face>,
    row: &'static Row,
    mut parts: Parts,
    body: &mut BodyDataStream,
    request: &str,
    who: &mut Option<Caller>,
) -> Result<Response<Body>, Problem> {
    if parts.method == HttpMethod::HEAD {
        return Err(Problem::new(Code::BadMethod, "this path does not take that method"));
    }
    if face.stopping.load(Ordering::Relaxed) && !matches!(row.op, Op::Live | Op::Ready | Op::Health | Op::Metrics) {
        return Err(Problem::new(Code::Stopping, "the node is stopping"));
    }
    let caller = recognise(&face, row, &parts.headers).await?;
    if let Some(seat) = parts.extensions.get::<Arc<Seat>>().filter(|_| caller.is_some()) {
        seat.know(true);
    }
    who.clone_from(&caller);
    allow(row, caller.as_ref())?;
    let mut params = BTreeMap::new();
    let path = <RawPathParams as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
    let path = path.map_err(|_| Problem::new(Code::Malformed, "the path is not percent-encoded UTF-8"))?;
    params.extend(path.iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    request::query(parts.uri.query().unwrap_or_default(), row, &mut params)?;
    let mut call =
        Call { op: row.op, caller, params, body: serde_json::Value::Null, request: request.to_owned(), upload: None };
    match (row.body, row.method) {
        (Carries::Events, _) => events::stream(face, &parts.headers, &call),
        (Carries::Upload, _) => {
            face.service.before_upload(&call)?;
            let upload = request::upload(&face, &parts.headers, body).await?;
            call.upload = Some(upload.path().to_owned());
            perform(face, call, Some(upload)).await.map(answer::reply)
        }
        (Carries::Reference, _) => Ok(reference::answer(row.op)),
        (Carries::List, _) => {
            let wanted = list::Wanted::of(&parts.headers, &parts.uri);
            let page = timed(&face, row, perform(face.clone(), call, None)).await?;
            Ok(wanted.answer(page))
        }
        (Carries::Download, _) | (_, Method::Get) => {
            timed(&face, row, perform(face.clone(), call, None)).await.map(answer::reply)
        }
        (Carries::Json, _) => {
            let whole = async {
                call.body = request::json(&face, &parts.headers, body).await?;
                perform(face.clone(), call, None).await
            };
            timed(&face, row, whole).await.map(answer::reply)
        }
    }
}

/// The token's holder. A missing token and a wrong one get the same answer in the same time; many of them wait for it.
async fn recognise(face: &Face, row: &Row, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    if row.access == Access::Open {
        return Ok(None);
    }
    let caller = face.service.authenticate(request::bearer(headers));
    if caller.is_none() {
        face.guesses.another().await;
        return Err(Problem::new(Code::Unauthenticated, "no valid token was given")
            .hint("Send `authorization: Bearer TOKEN`; `lapwing token new` makes one."));
    }
    Ok(caller)
}

/// Whether the holder's role may.
fn allow(row: &Row, caller: Option<&Caller>) -> Result<(), Problem> {
    match caller.filter(|caller| !row.access.allows(caller.role)) {
        Some(caller) => {
            let detail = format!("a token with the role {} may not do that ({})", caller.role, row.name);
            Err(Problem::new(Code::Forbidden, detail).hint("`lapwing whoami` lists what a token may do."))
        }
        None => Ok(()),
    }
}

async fn timed(face: &Face, row: &Row, work: impl Future<Output = Result<Reply, Problem>>) -> Result<Reply, Problem> {
    tokio::time::timeout(face.limits.request_time, work).await.unwrap_or_else(|_| {
        tracing::warn!(op = row.name, "a request took too long");
        Err(Problem::new(Code::Timeout, "the request took too long; what was asked may still be done"))
    })
}

/// Carries out a call in a task of its own: a client that goes away does not leave it half done, and a panic in it
/// becomes an answer.
async fn perform(face: Arc<Face>, call: Call, upload: Option<request::Upload>) -> Result<Reply, Problem> {
    let task = tokio::spawn(
        async move {
            let reply = face.service.call(call).await;
            drop(upload);
            reply
        }
        .in_current_span(),
    );
    match task.await {
        Ok(reply) => reply,
        Err(_) => Err(internal()),
    }
}
