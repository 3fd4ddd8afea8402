//! What the HTTP face asks of the node: one call, whatever the operation.

use crate::ops::{Op, Role};
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// Its role.
    pub role: Role,
}

/// One call of an operation, authenticated and allowed for its role.
#[derive(Debug)]
pub struct Call {
    /// The operation.
    pub op: Op,
    /// Who calls; none where the operation is open.
    pub caller: Option<Caller>,
    /// Path and query parameters. Path parameters win.
    pub params: BTreeMap<String, String>,
    /// The JSON body; null where there is none.
    pub body: serde_json::Value,
    /// Of an upload: the file in which the HTTP face has put the bytes. The node removes it.
    pub upload: Option<PathBuf>,
}

/// What a call answers.
pub enum Reply {
    /// JSON.
    Json(u16, serde_json::Value),
    /// Text of a media type that no browser runs.
    Text {
        /// Media type.
        media_type: &'static str,
        /// The content.
        text: String,
    },
    /// Bytes, read to the end piece by piece.
    Bytes {
        /// A name for the file.
        name: String,
        /// Media type: always one that no browser runs.
        media_type: String,
        /// Bytes in all.
        len: u64,
        /// The content.
        content: Box<dyn std::io::Read + Send>,
    },
}

/// A future of this crate's traits.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One event for watchers: a name and JSON.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its number, for resuming.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its content.
    pub data: serde_json::Value,
}

/// The node, as the HTTP face sees it.
pub trait Service: Send + Sync + 'static {
    /// Who holds this secret; none if nobody does. Takes the same time for every wrong secret.
    fn authenticate(&self, secret: &str) -> Option<Caller>;
    /// Where uploads are put: a folder on the data disk whose files no one else reads.
    fn upload_dir(&self) -> PathBuf;
    /// Whether an upload would be taken at all: asked before its bytes are read, which may be many.
    fn before_upload(&self, _: &Call) -> Result<(), Problem> {
        Ok(())
    }
    /// Told of each answer: which operation, status, the problem's code, and how long until the answer began.
    fn answered(&self, _: Op, _status: u16, _: Option<Code>, _took: Duration) {}
    /// Carries out a call.
    fn call<'a>(&'a self, call: Call) -> Later<'a, Result<Reply, Problem>>;
    /// The number of the newest event: where those begin who resume nothing.
    fn latest_event(&self) -> u64;
    /// The next event after `last`, waiting for it. None when the node stops.
    fn next_event<'a>(&'a self, last: u64, role: Role) -> Later<'a, Option<Notice>>;
}
