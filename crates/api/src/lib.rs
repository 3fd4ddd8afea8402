//! The contract of the node's local API: operations, types, problem codes, paging, and a client.
//!
//! Separate so that the node, its HTTP face and every client mean the same thing. It must never know the engine, a
//! database or a server.

pub mod client;
pub mod contract;
pub mod harm;
pub mod openapi;
pub mod ops;
pub mod problem;
pub mod search;
pub mod service;
pub mod types;
