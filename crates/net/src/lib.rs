//! The network: libp2p behind plain messages. The only crate that knows libp2p.
