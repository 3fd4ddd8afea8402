//! How the network part is started, spoken to and watched.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use libp2p::core::transport::TransportError;
use libp2p::identity::Keypair;
use libp2p::swarm::{self, Swarm};
use thiserror::Error;
use tokio::runtime;
use tokio::sync::{mpsc, watch};

use crate::behaviour::Node;
use crate::config::{NetConfig, StartError, check_network, read_address};
use crate::driver::{Driver, End, State};
use crate::message::{Command, Event};
use crate::peer::Peer;
use crate::roster::Roster;
use crate::stats::{Counters, Stats};
use crate::transport::{NEGOTIATION, transport};

/// Streams of one connection that may be in negotiation at a time. More wait in the muxer.
const NEGOTIATING: usize = 16;
/// Strangers are timed by the driver and dead members found by ping, so idleness itself ends no connection.
const IDLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Speaks to a running network part. Cheap to clone; when the last one is gone, the network part ends.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
    peer: Peer,
}

/// Why a command was not taken.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The network part has ended.
    #[error("the network part has ended")]
    Stopped,
    /// [`Limits::commands`](crate::config::Limits::commands) are waiting.
    #[error("the network part is busy")]
    Full(Box<Command>),
}

impl Handle {
    /// Our own name on the network.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Gives a command, waiting for room. Commands take effect in the order given.
    ///
    /// # Errors
    /// [`SendError::Stopped`] if the network part has ended.
    pub async fn send(&self, command: Command) -> Result<(), SendError> {
        self.commands.send(command).await.map_err(|_| SendError::Stopped)
    }

    /// Gives a command if there is room.
    ///
    /// # Errors
    /// [`SendError::Full`], with the command, or [`SendError::Stopped`].
    pub fn try_send(&self, command: Command) -> Result<(), SendError> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) => SendError::Full(Box::new(command)),
            mpsc::error::TrySendError::Closed(_) => SendError::Stopped,
        })
    }

    /// All counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.snapshot()
    }
}

/// Starts the network part on the current tokio runtime. It listens when this returns; the addresses come as
/// [`Event::Listening`]. A panic in it ends it with [`Event::Crashed`] and touches nothing else.
///
/// # Errors
/// [`StartError`], with nothing left behind.
pub fn start(config: NetConfig) -> Result<(Handle, mpsc::Receiver<Event>), StartError> {
    let runtime = runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
    check_network(&config.network)?;
    let listen = config.listen.iter().map(|addr| read_address(addr)).collect::<Result<Vec<_>, _>>()?;
    let NetConfig { node_key, network, limits, .. } = config;
    let key = Keypair::ed25519_from_bytes(node_key)
        .map_err(|error| StartError::Setup { what: "the node key", why: error.to_string() })?;
    let us = key.public().to_peer_id();
    let (counters, roster) = (Arc::new(Counters::default()), Roster::default());

    let node = Node::new(key.public(), &network, &config.program, &limits, &roster, &counters)?;
    let (stop, stopped) = watch::channel(());
    let (fell, fallen) = mpsc::channel(1);
    let connections = runtime.clone();
    let executor = move |task: Pin<Box<dyn Future<Output = ()> + Send>>| {
        let (mut stopped, fell) = (stopped.clone(), fell.clone());
        connections.spawn(async move {
            tokio::select! {
                _ = stopped.changed() => {}
                end = AssertUnwindSafe(task).catch_unwind() => if let Err(panic) = end {
                    // One word of it is enough, and the loop may be over already.
                    let _ = fell.try_send(words(panic.as_ref()));
                }
            }
        });
    };
    let settings = swarm::Config::with_executor(executor)
        .with_idle_connection_timeout(IDLE)
        .with_substream_upgrade_protocol_override(NEGOTIATION)
        .with_max_negotiating_inbound_streams(NEGOTIATING);
    let mut swarm = Swarm::new(transport(&key, &limits, &counters)?, node, us, settings);
    for addr in listen {
        swarm.listen_on(addr).map_err(|error| match error {
            TransportError::MultiaddrNotSupported(addr) => StartError::Listen {
                addr: addr.to_string(),
                source: std::io::Error::new(std::io::ErrorKind::Unsupported, "only TCP addresses can be listened on"),
            },
            TransportError::Other(source) => StartError::Listen { addr: config.listen.join(", "), source },
        })?;
    }

    let (commands, to_obey) = mpsc::channel(limits.commands.max(1));
    let (events, told) = mpsc::channel(limits.events.max(1));
    let handle = Handle { commands, counters: counters.clone(), peer: Peer(us) };
    let driver = Driver {
        swarm,
        network,
        limits,
        roster,
        counters,
        commands: to_obey,
        events: events.clone(),
        fallen,
        state: State::default(),
    };
    runtime.spawn(supervise(driver.run(), stop, events));
    Ok((handle, told))
}

/// Runs the loop to its end and says how it ended. Dropping `stop` ends the tasks of connections that hang in closing.
async fn supervise(run: impl Future<Output = End>, stop: watch::Sender<()>, events: mpsc::Sender<Event>) {
    let end = AssertUnwindSafe(run).catch_unwind().await;
    drop(stop);
    let last = match end {
        Ok(End::Stopped) => Event::Stopped,
        Ok(End::Fell(why)) => Event::Crashed { why },
        Err(panic) => Event::Crashed { why: words(panic.as_ref()) },
    };
    if let Event::Crashed { why } = &last {
        tracing::error!(%why, "the network part failed");
    }
    // Without a listener there is nobody to tell.
    let _ = events.send(last).await;
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(listen: &str) -> NetConfig {
        NetConfig { listen: vec![listen.into()], ..NetConfig::new([1; 32], "n") }
    }

    #[test]
    fn without_a_runtime_the_start_fails_with_that_reason() {
        assert!(matches!(start(config("127.0.0.1:0")), Err(StartError::NoRuntime)));
    }

    #[tokio::test]
    async fn what_cannot_be_listened_on_fails_the_start_and_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let Err(StartError::Listen { addr: named, .. }) = start(config(&addr)) else { panic!("it started") };
        assert!(named.contains(&addr));
        assert!(matches!(start(config("/memory/1")), Err(StartError::Listen { .. })));
        assert!(matches!(start(config("nowhere")), Err(StartError::Address(_))));
    }

    #[tokio::test]
    async fn a_panic_in_the_loop_is_an_event_and_nothing_more() {
        let (events, mut told) = mpsc::channel(1);
        let falls = async { panic!("on purpose, {}", 1) };
        tokio::spawn(supervise(falls, watch::channel(()).0, events));
        assert_eq!(told.recv().await, Some(Event::Crashed { why: "on purpose, 1".into() }));
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn when_the_last_handle_is_gone_the_network_part_ends() {
        let (handle, mut events) = start(config("127.0.0.1:0")).unwrap();
        assert!(matches!(events.recv().await, Some(Event::Listening { .. })));
        drop(handle);
        assert_eq!(events.recv().await, Some(Event::Stopped));
        assert_eq!(events.recv().await, None);
    }
}
