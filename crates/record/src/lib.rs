//! What can be said in a Lapwing federation: encoding, keys, envelope, entries, statements, receipts, sealing.
//!
//! Separate because everything above must be able to trust it, and because a court's verifier needs nothing else. It
//! must never know a clock, a disk, a network or the operating system's randomness: callers pass the time and random
//! bytes. It holds the *form* of what is said; what follows from it is the engine's.
//!
//! ```
//! use lapwing_record::testkit::TestAgency;
//! use lapwing_record::id::NetworkId;
//! use lapwing_record::idlog::IdLog;
//!
//! let network = NetworkId([7; 32]);
//! let harbor = TestAgency::named("harbor");
//! let first = harbor.first_entry(&network);
//! let log = IdLog::fold(harbor.pid(), [&first], &network)?;
//! assert_eq!(log.inception.short_name, "harbor");
//! # Ok::<(), lapwing_record::idlog::IdLogError>(())
//! ```

pub mod audit;
pub mod blob;
pub mod bundle;
pub mod cbor;
pub mod charter;
pub mod directory;
pub mod entry;
pub mod form;
pub mod id;
pub mod identity;
pub mod idlog;
pub mod invite;
pub mod legal;
pub mod locked;
pub mod membership;
pub mod register;
pub mod seal;
pub mod sign;
pub mod statement;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod wire;

#[cfg(feature = "schema")]
#[doc(hidden)]
pub use schemars;
