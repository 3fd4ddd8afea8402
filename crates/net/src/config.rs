//! What the caller sets before the start.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr;
use thiserror::Error;

/// How the network part is set up.
#[derive(Clone)]
pub struct NetConfig {
    /// The seed of the node's Ed25519 key (RFC 8032). It is the machine's name, and nothing else is signed with it.
    pub node_key: [u8; 32],
    /// The network's short name in all protocol names: 1 to 64 letters, digits, `-` or `_`. Nodes of different
    /// networks do not understand each other.
    pub network: String,
    /// The program and its version, as members are told.
    pub program: String,
    /// Where to listen: multiaddr, or `ip:port`; port 0 takes a free one. Empty: dial only.
    pub listen: Vec<String>,
    /// How much of everything.
    pub limits: Limits,
}

impl NetConfig {
    /// A configuration with the default limits.
    #[must_use]
    pub fn new(node_key: [u8; 32], network: impl Into<String>) -> Self {
        NetConfig {
            node_key,
            network: network.into(),
            program: "lapwing".into(),
            listen: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("network", &self.network)
            .field("listen", &self.listen)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds (annex §7.1, §15). What each does when reached stands with it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound connections of strangers. When full, the oldest that had its [`stranger_grace`](Self::stranger_grace)
    /// makes room; if none had, the new one is refused.
    pub strangers: usize,
    /// For how long a stranger's connection is safe from being replaced.
    pub stranger_grace: Duration,
    /// After which a stranger's inbound connection is closed, whatever it does.
    pub stranger_lifetime: Duration,
    /// New inbound connections of strangers per minute and address (IPv6: /64); loopback is free. More are refused.
    pub stranger_rate: u32,
    /// Inbound connections of members. More are refused.
    pub members: usize,
    /// Outbound connections. More dials fail.
    pub outbound: usize,
    /// Connections that have been accepted but not proven who they are. When full, the oldest of the busiest address
    /// makes room, so that a flood of silent connections throws out itself.
    pub handshakes: usize,
    /// How long a connection may take to prove who it is.
    pub handshake_timeout: Duration,
    /// Requests of one peer that wait for the caller. More are refused.
    pub requests_per_peer: usize,
    /// Requests of all peers that wait for the caller. More are refused.
    pub requests_in: usize,
    /// Requests of ours that wait for a peer. More fail with
    /// [`RequestError::Busy`](crate::message::RequestError::Busy).
    pub requests_out: usize,
    /// Gossiped messages that wait for a verdict. When full, the oldest is ignored.
    pub verdicts: usize,
    /// Events between the network part and the caller. When full, nothing is read from the network.
    pub events: usize,
    /// Commands between the caller and the network part. When full, sending waits.
    pub commands: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            strangers: 16,
            stranger_grace: Duration::from_secs(5),
            stranger_lifetime: Duration::from_secs(30),
            stranger_rate: 2,
            members: 512,
            outbound: 256,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            requests_per_peer: 32,
            requests_in: 256,
            requests_out: 256,
            verdicts: 4096,
            events: 64,
            commands: 256,
        }
    }
}

/// Why the network part did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no tokio runtime here.
    #[error("the network part needs a tokio runtime to run on")]
    NoRuntime,
    /// The network's name does not fit into protocol names.
    #[error("network name {0:?}: 1 to 64 letters, digits, '-' or '_' are needed")]
    Network(String),
    /// An address cannot be read.
    #[error("address to listen on: {0}")]
    Address(#[from] AddressError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Which.
        addr: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The library refused what we set.
    #[error("setting up {what}: {why}")]
    Setup {
        /// What was being set up.
        what: &'static str,
        /// What it said.
        why: String,
    },
}

/// An address that is neither a multiaddr nor `ip:port`.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{0:?} is neither a multiaddr nor ip:port")]
pub struct AddressError(pub String);

/// Reads a multiaddr, or `ip:port` as people write it.
pub(crate) fn read_address(text: &str) -> Result<Multiaddr, AddressError> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Multiaddr::from(socket.ip()).with(multiaddr::Protocol::Tcp(socket.port())));
    }
    // An empty multiaddr parses, and names nothing.
    text.parse()
        .ok()
        .filter(|addr: &Multiaddr| !addr.is_empty())
        .ok_or_else(|| AddressError(text.chars().take(200).collect()))
}

pub(crate) fn check_network(name: &str) -> Result<(), StartError> {
    let fits =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(()) } else { Err(StartError::Network(name.chars().take(80).collect())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_as_people_and_as_machines_write_them() {
        assert_eq!(read_address("127.0.0.1:0").unwrap().to_string(), "/ip4/127.0.0.1/tcp/0");
        assert_eq!(read_address("[::1]:7").unwrap().to_string(), "/ip6/::1/tcp/7");
        assert_eq!(read_address("/dns4/n.example/tcp/9").unwrap().to_string(), "/dns4/n.example/tcp/9");
        assert!(read_address("n.example").is_err() && read_address("").is_err());
    }

    #[test]
    fn a_network_name_that_could_bend_a_protocol_name_is_refused() {
        assert!(check_network("a1b2c3d4").is_ok());
        for bad in ["", "a/b", "ä", &"x".repeat(65)] {
            assert!(check_network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_node_key_does_not_show_in_the_debug_form() {
        assert!(!format!("{:?}", NetConfig::new([213; 32], "n")).contains("213"));
    }
}
