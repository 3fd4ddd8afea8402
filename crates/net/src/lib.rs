//! The network: libp2p behind plain messages. The only crate that knows libp2p.
//!
//! It moves bytes between machines, and knows nothing of what they say. Who is a participant or an agency, whether a
//! message is true and passed on, what a request is answered with: all that is told to it. What it holds up itself:
//!
//! - **Two planes of gossip**, of which one is for agencies alone. Each peer is let in by its [`Class`] and put out the
//!   moment it loses it: see `gate`.
//! - **Six request and response protocols**, with bounds in length, time and number: see [`Protocol`]. Strangers may
//!   use two of them.
//! - **A place for members**, whatever strangers do: see `admission` and `vestibule`.
//! - **Bounded queues.** When the caller is slow, nothing is read from the network; no event is lost. Gossip itself may
//!   be lost anywhere: it is a hint, and replication brings what it lost.
//!
//! It must never know a record, a key of an agency, or the disk.
//!
//! # The order of calls
//!
//! [`start`], then [`Command::Classify`] for every known member, then [`Command::Dial`]. On [`Event::Up`] of a stranger:
//! a `hello` [`Command::Request`], and [`Command::Classify`] when it has proven itself. On [`Event::Down`] and
//! [`Event::DialFailed`]: dial again in a while, which is the caller's to decide; nothing here dials by itself.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use lapwing_net::config::NetConfig;
//! use lapwing_net::handle::start;
//! use lapwing_net::message::{Command, Event};
//!
//! let mut config = NetConfig::new([7; 32], "a1b2c3d4");
//! config.listen = vec!["127.0.0.1:0".into()];
//! let (net, mut events) = start(config)?;
//! net.send(Command::Shutdown).await?;
//! while let Some(event) = events.recv().await {
//!     if let Event::Crashed { why } = event {
//!         eprintln!("start it again: {why}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`start`]: handle::start
//! [`Class`]: message::Class
//! [`Protocol`]: message::Protocol
//! [`Command::Classify`]: message::Command::Classify
//! [`Command::Dial`]: message::Command::Dial
//! [`Command::Request`]: message::Command::Request
//! [`Event::Up`]: message::Event::Up
//! [`Event::Down`]: message::Event::Down
//! [`Event::DialFailed`]: message::Event::DialFailed

mod admission;
mod behaviour;
pub mod config;
mod driver;
mod frame;
mod gate;
mod gossip;
pub mod handle;
mod links;
pub mod message;
pub mod peer;
mod prefix;
pub mod probe;
mod roster;
mod screen;
pub mod stats;
mod strict;
mod tokens;
mod transport;
mod vestibule;
