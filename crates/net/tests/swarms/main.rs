//! Real nodes on loopback, in one process. Every wait is bounded.
#![allow(clippy::unwrap_used)]

mod direct;
mod foreign;
mod gossip;
mod links;
mod node;
