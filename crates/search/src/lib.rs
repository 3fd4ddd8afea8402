//! The search index: which of an agency's own cases hold a word, an identifier, a state.
//!
//! **What.** Documents are put in by id and found by words, exact terms, labels and times. Everything lies encrypted:
//!
//! | module | does |
//! |---|---|
//! | `seal` | the form of a file: blocks under AES-256-GCM, bound to the file and to their place in it |
//! | `folder` | files of that form as tantivy's directory, with a bounded cache of opened blocks |
//! | [`words`] | text as words, in any script; what somebody typed as a question |
//! | [`index`] | the open index: batches in, erasure, closing |
//! | [`question`] | what is asked, and what is found |
//!
//! **Why separate.** It alone knows tantivy, whose own files are plaintext. A powered-off disk must show nothing of a case
//! (docs/protocol.md §6): words lie in blocks under the node's index key, identifiers moreover as keyed hashes.
//!
//! **What it must never know.** What a case is. It is derived data: any doubt (a file that is missing, changed, or under
//! another key) is an error, after which it is emptied and filled anew by its owner, who holds the truth.
//!
//! ```
//! use lapwing_search::index::{Batch, Document, Exact, Index};
//! use lapwing_search::question::{Order, Question};
//! use lapwing_search::words::Ask;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let (index, _) = Index::open(&dir.path().join("search"), &[7; 32], b"1")?;
//! let document = Document {
//!     text: vec!["Forty complaints within a week".into()],
//!     exact: vec![Exact::new("ip", b"192.0.2.7")],
//!     ..Document::new([1; 32])
//! };
//! index.apply(Batch { put: vec![document], remove: vec![] }, b"journal position 1")?;
//!
//! let by_word = Question { text: Some(Ask::parse("complaint* -week")?), ..Question::default() };
//! assert!(index.search(&by_word, Order::Relevance, None, 10)?.hits.is_empty());
//! let by_ip = Question { exact: vec![vec![Exact::new("ip", b"192.0.2.7")]], ..Question::default() };
//! assert_eq!(index.search(&by_ip, Order::NEWEST, None, 10)?.hits[0].id, [1; 32]);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod folder;
pub mod index;
pub mod question;
mod seal;
mod split;
pub mod words;
