//! The daemon: everything that performs effects, around an engine that performs none.
//!
//! ```text
//! node     from data folder to last breath
//!  ├─ driver      the one loop: decide, commit, publish, speak
//!  ├─ office      what the parts share: view, orders, keys, records
//!  ├─ switchboard what comes in: hello, classes, dialling ── sync, post, transfer, applicant, push
//!  │    └─ links  connections, requests and their answers
//!  ├─ vault       keys         ├─ book   where records stand
//!  ├─ upkeep      own records  ├─ tell   people
//!  ├─ cores       checking many at a time
//!  └─ desk        the API's operations
//! ```

pub mod applicant;
pub mod book;
pub mod config;
pub mod cores;
pub mod desk;
pub mod driver;
pub mod folder;
pub mod founding;
pub mod keys;
pub mod links;
pub mod node;
pub mod office;
pub mod post;
pub mod push;
mod switchboard;
pub mod sync;
mod tell;
pub mod tokens;
pub mod transfer;
mod upkeep;
pub mod vault;
