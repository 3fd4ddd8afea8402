//! The daemon: everything that performs effects, around an engine that performs none.
//!
//! ```text
//! node     from data folder to last breath
//!  ├─ driver      the one loop: decide, commit, publish, speak
//!  ├─ office      what the parts share: view, orders, keys, records
//!  ├─ switchboard what comes in: hello, classes, dialling ── sync, post, transfer, applicant, push
//!  │    └─ links  connections, requests and their answers
//!  ├─ vault       keys         ├─ book   where records stand
//!  ├─ search      which own cases hold a word, an identifier
//!  ├─ upkeep      own records  ├─ tell   people
//!  ├─ watch       measures (measure), tells what is wrong (health), counts (metrics)
//!  ├─ cores       checking many at a time
//!  ├─ repair      what a disk has damaged, while nobody works on the folder
//!  └─ desk        the API's operations
//! ```

pub mod applicant;
mod audit;
pub mod backup;
pub mod book;
mod checked;
mod clerk;
pub mod config;
pub mod cores;
pub mod desk;
pub mod driver;
pub mod erasure;
pub mod folder;
mod forms;
pub mod founding;
pub mod health;
pub mod keys;
pub mod links;
pub mod measure;
pub mod metrics;
pub mod node;
pub mod office;
pub mod post;
pub mod push;
mod reach;
pub mod repair;
pub mod restore;
pub mod search;
mod switchboard;
pub mod sync;
mod tell;
pub mod tokens;
pub mod transfer;
mod upkeep;
pub mod vault;
pub mod watch;
