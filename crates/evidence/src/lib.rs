//! Mail and format parsers, bounded and suspicious. The only crate that knows them.
//!
//! Turns a folder of samples into the parts of a draft referral (referral.md §4): [`scan::scan`] lists and hashes,
//! [`worker::analyse_scan`] has every message analysed in a child process of its own, [`draft::draft`] sums up.
//!
//! ```text
//!   scan ──► files ──► worker ═══╗ child, confined: analyse(bytes) ──► Analysis
//!     │                  ◄═══════╝ JSON, or a warning
//!     └─────────────► draft ──► manifest, parties, period, groups
//! ```
//!
//! Why separate: parsers of hostile input live behind one wall, and nothing else may pull them in. What it must never
//! know: the network (no URL of the evidence is ever fetched, no name looked up), the node, its keys. Of the pro forma it
//! knows the codes and the form of an identifier. Every value that comes out was written by an opponent: cleaned and
//! bounded, shown as text only. What is found, what it costs and what each warning means: docs/evidence.md.
//!
//! ```
//! use lapwing_evidence::{analyse::analyse, limits::Limits};
//!
//! let mail = b"Received: from bad.example (bad.example [192.0.2.7]) by mx.home.example; 2 Jan 2024 10:00:00 +0000\r\n\
//!     From: Bank <office@spam.example>\r\n\r\nLog in at https://login.example/now\r\n";
//! let found = analyse(mail, &Limits::default());
//! assert_eq!(found.sending_ip.map(|s| s.ip.to_string()).as_deref(), Some("192.0.2.7"));
//! assert_eq!(found.from[0].email, "office@spam.example");
//! assert_eq!(found.urls[0].url, "https://login.example/now");
//! ```

pub mod address;
pub mod analyse;
pub mod analysis;
pub mod auth;
pub mod campaign;
pub mod domain;
pub mod draft;
pub mod fingerprint;
mod hashes;
mod html;
pub mod identify;
pub mod keys;
pub mod limits;
pub mod links;
pub mod lookalike;
mod outlook;
mod reading;
pub mod received;
pub mod redact;
pub mod report;
pub mod scan;
pub mod text;
pub mod verify;
pub mod warning;
pub mod worker;
pub mod xarf;
