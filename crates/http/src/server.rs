//! Connections: accepted up to a limit, watched for slow clients, ended in order when the node stops.

use crate::places::{Place, Places};
use crate::{Face, routes, stall::Stalling};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lapwing_api::problem::{Code, Problem};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections that are being told that there are too many; beyond them no answer is given.
const TURNED_AWAY: usize = 64;
/// How long one of those may take to read it.
const TURN_AWAY_TIME: Duration = Duration::from_secs(1);
/// Bytes of a request's head at most.
const HEAD_BYTES: usize = 32 * 1024;

pub(crate) async fn run(listener: TcpListener, face: Arc<Face>, stop: impl Future<Output = ()>) {
    let router = routes::router(face.clone());
    let places = Places::new(face.limits.connections);
    let refusals = Arc::new(Semaphore::new(TURNED_AWAY));
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let begin = async |stream: TcpStream, connections: &mut JoinSet<()>| match places.take_soon().await {
        Some(place) => {
            drop(connections.spawn(converse(stream, router.clone(), face.clone(), stopping.subscribe(), place)));
        }
        None => {
            if let Ok(place) = refusals.clone().try_acquire_owned() {
                connections.spawn(turn_away(stream, place));
            }
        }
    };
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            stream = accept(&listener) => begin(stream, &mut connections).await,
        }
    }
    // what is under way may end; whoever comes now is told that the node stops, and probes see it
    face.stopping.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + face.limits.stop_time;
    loop {
        tokio::select! {
            biased;
            () = face.idle() => break,
            () = tokio::time::sleep_until(deadline) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            stream = accept(&listener) => begin(stream, &mut connections).await,
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // what does not end in time is cut: the node must stop
    let _ = tokio::time::timeout_at(deadline, all_ended).await;
    connections.shutdown().await;
}

/// The next connection. One that cannot be accepted is logged, and the next one tried.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    router: Router,
    face: Arc<Face>,
    mut stopping: watch::Receiver<bool>,
    place: Place,
) {
    // answers are small and waited for
    let _ = stream.set_nodelay(true);
    let io = Stalling::new(TokioIo::new(stream), face.limits.stall_time, place.seat());
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(face.limits.head_time).max_buf_size(HEAD_BYTES * 2);
    let router = router.layer(Extension(place.seat()));
    let mut connection = pin!(builder.serve_connection(io, TowerToHyperService::new(router)));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = place.lost() => return tracing::debug!("a connection to the API without a token made room for another"),
        () = async { drop(stopping.wait_for(|s| *s).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API broke off");
    }
}

async fn turn_away(mut stream: TcpStream, _place: OwnedSemaphorePermit) {
    let id = routes::request_id();
    let mut problem =
        Problem::new(Code::TooManyRequests, "all places for connections are taken").hint("Try again shortly.");
    problem.request_id = Some(id.as_str().into());
    let body = serde_json::to_string(&problem).expect("a problem is plain JSON");
    let text = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nx-request-id: {id}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let tell = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // closing with the request unread would reset the connection and lose the answer
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(TURN_AWAY_TIME, tell).await;
}
