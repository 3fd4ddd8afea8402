//! The name of a machine on the network.

use std::fmt;
use std::str::FromStr;

use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};
use thiserror::Error;

/// A machine, named by its node key: the libp2p `PeerId`, which is the node's Ed25519 public key in a small wrapper.
/// What the machine may do is a matter of its [`Class`](crate::message::Class), which the caller says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub(crate) PeerId);

/// Why some text, bytes or key name no peer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PeerError {
    /// The 32 bytes are not a point on the curve.
    #[error("the node key is not an Ed25519 public key")]
    Key,
    /// The text is not the base58 form of a peer id.
    #[error("not a peer id: {0:?}")]
    Text(String),
    /// The bytes are not a peer id.
    #[error("{0} bytes are not a peer id")]
    Bytes(usize),
}

impl Peer {
    /// The peer whose node key has this Ed25519 public key.
    ///
    /// # Errors
    /// [`PeerError::Key`] if the bytes are no such key.
    pub fn of_public_key(key: &[u8; 32]) -> Result<Self, PeerError> {
        let key = ed25519::PublicKey::try_from_bytes(key).map_err(|_| PeerError::Key)?;
        Ok(Peer(PublicKey::from(key).to_peer_id()))
    }

    /// The binary form, as a NodeBinding carries it.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`PeerError::Bytes`] if it is none.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, PeerError> {
        PeerId::from_bytes(bytes).map(Peer).map_err(|_| PeerError::Bytes(bytes.len()))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.0)
    }
}

impl FromStr for Peer {
    type Err = PeerError;

    fn from_str(text: &str) -> Result<Self, PeerError> {
        // A peer id is at most 60 characters; what a stranger wrote is not echoed without bound.
        text.parse().map(Peer).map_err(|_| PeerError::Text(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_peer_reads_back_from_its_text_and_its_bytes() {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let public = key.public().try_into_ed25519().unwrap().to_bytes();
        let peer = Peer::of_public_key(&public).unwrap();
        assert_eq!(peer.0, key.public().to_peer_id());
        assert_eq!(peer.to_string().parse::<Peer>().unwrap(), peer);
        assert_eq!(Peer::of_bytes(&peer.to_bytes()).unwrap(), peer);
    }

    #[test]
    fn what_is_no_peer_is_refused_with_its_reason() {
        assert_eq!("owl".parse::<Peer>(), Err(PeerError::Text("owl".into())));
        assert_eq!(Peer::of_bytes(&[1, 2, 3]), Err(PeerError::Bytes(3)));
    }
}
