//! The HTTP face of the node's API. The only crate that knows axum.
//!
//! ```text
//! connection ─▶ host, origin ─▶ route ─▶ token ─▶ role ─▶ body ─▶ Service::call ─▶ JSON | bytes | events
//!  (guard)        bad_host     no_route  unauth.  forbidden  too_large, malformed …
//! ```
//!
//! Separate because everything about HTTP stands here and nothing about agencies: routes, methods and roles come from
//! [`lapwing_api::ops::OPS`], what they do from [`Service`]. It must never know the engine, a key or the journal.
//!
//! The port is for programs of this machine. A page in a browser on the same machine can reach it too, so the `Host` and
//! `Origin` of a request are judged before anything else (DNS rebinding, CSRF), and a token is never taken from a cookie.

mod answer;
mod events;
mod guard;
mod guesses;
mod list;
mod places;
mod reference;
mod request;
mod routes;
mod server;
mod stall;

use lapwing_api::service::Service;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// What the face allows. Every limit has a default that fits a node on one machine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Further values of `Host` that are taken: `api.example` (any port) or `api.example:8443`, as a proxy in front
    /// passes them on. Loopback names and addresses with the listener's port are always taken.
    pub hosts: Vec<String>,
    /// Bytes of a JSON body at most.
    pub json_bytes: usize,
    /// Bytes of an upload at most.
    pub upload_bytes: u64,
    /// Connections at a time. One more takes the place of the oldest that has shown no valid token; where there is none it
    /// is answered with `too_many_requests` and closed.
    pub connections: usize,
    /// How long a client may take for the head of a request, or stay idle between two.
    pub head_time: Duration,
    /// How long a request may take, its body included; uploads, downloads and events are exempt.
    pub request_time: Duration,
    /// How long a client may neither send what it announced nor read what it asked for.
    pub stall_time: Duration,
    /// How often a silent stream of events says that it is alive.
    pub keep_alive: Duration,
    /// How long open requests get to end when the node stops.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hosts: Vec::new(),
            json_bytes: 1 << 20,
            upload_bytes: 64 << 30,
            connections: 256,
            head_time: Duration::from_secs(10),
            request_time: Duration::from_secs(60),
            stall_time: Duration::from_secs(60),
            keep_alive: Duration::from_secs(15),
            stop_time: Duration::from_secs(5),
        }
    }
}

/// What every request needs.
struct Face {
    service: Arc<dyn Service>,
    limits: Limits,
    guard: guard::Guard,
    guesses: guesses::Guesses,
    /// Whether the node is stopping: then only probes are answered.
    stopping: AtomicBool,
    /// Requests whose answers have not begun.
    under_way: watch::Sender<usize>,
}

/// A request under way, until it is dropped.
struct UnderWay<'a>(&'a Face);

impl Face {
    fn begin(&self) -> UnderWay<'_> {
        self.under_way.send_modify(|n| *n += 1);
        UnderWay(self)
    }

    /// Completes when no request waits for its answer.
    async fn idle(&self) {
        // the sender lives as long as the face
        let _ = self.under_way.subscribe().wait_for(|n| *n == 0).await;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|n| *n -= 1);
    }
}

/// Bytes of answers that the system may keep for a client that does not read: left to itself it takes some MiB for each.
const SEND_BUFFER: u32 = 256 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on `address`, for [`serve`]. Needs a runtime of tokio.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // connections have it from their listener
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the API on `listener` until `stop` completes; open requests then get [`Limits::stop_time`] to end, while new
/// ones are refused and probes answered.
///
/// Fails only where the listener cannot tell its own address. A connection that cannot be accepted is logged, and the
/// next one is tried.
pub async fn serve(
    listener: TcpListener,
    service: Arc<dyn Service>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let guard = guard::Guard::new(listener.local_addr()?.port(), &limits.hosts);
    let (stopping, under_way) = (AtomicBool::new(false), watch::channel(0).0);
    let guesses = guesses::Guesses::default();
    let face = Arc::new(Face { service, limits, guard, guesses, stopping, under_way });
    server::run(listener, face, stop).await;
    Ok(())
}
