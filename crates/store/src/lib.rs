//! The disk: journal, index, keyring, blobs.
//!
//! **What.** Everything of a node that outlives the process, as bytes:
//!
//! | module | holds | lost when | on damage |
//! |---|---|---|---|
//! | [`journal`] | what happened, in order: the truth | never | named and refused |
//! | [`index`] | a picture derived from the journal, on sled | at any doubt | emptied, replayed |
//! | [`keyring`] | secrets that must be destroyable | when destroyed | named and refused |
//! | [`blobs`] | large ciphertext by its hash | when removed | named, fetched again |
//! | [`atomic_file`] | small files replaced whole, such as the high-water file | never | the caller's check |
//! | [`archive`] | files as one encrypted stream, for backups | | named and refused |
//! | [`lock`] | one process per data folder | with the process | |
//!
//! **Why separate.** It is the only crate that opens files for writing and the only one that knows sled. All but the index
//! is written against the [`disk::Disk`] trait and tested on [`disk::forgetful::ForgetfulDisk`], which is cut at every
//! sync, fails at every operation, fills up, and has its bits flipped (quality §3).
//!
//! **What it must never know.** What the bytes mean: it does not depend on `lapwing-record`. It is synchronous; callers
//! choose the thread. It reads no clock.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use lapwing_store::disk::forgetful::ForgetfulDisk;
//! use lapwing_store::journal::{Journal, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = ForgetfulDisk::new(); // in production: lapwing_store::disk::os::OsDisk
//! let options = Options { at_rest_key: Some([7; 32]), ..Options::default() };
//! let (mut journal, _) = Journal::open(Arc::new(disk.clone()), Path::new("/journal"), options.clone())?;
//! let positions = journal.append(&[b"said", b"done"])?; // durable when it returns
//!
//! disk.crash();
//! let (journal, opened) = Journal::open(Arc::new(disk), Path::new("/journal"), options)?;
//! assert_eq!(opened.records, 2);
//! assert_eq!(journal.reader().read(positions[1])?, b"done");
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod archive;
pub mod atomic_file;
pub mod blobs;
pub mod disk;
pub mod index;
pub mod journal;
pub mod keyring;
pub mod lock;
