//! What the HTTP face asks of the node: one call, whatever the operation.

use crate::ops::{Op, Role};
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
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
    /// The request's id, as it stands in the answer and the log.
    pub request: String,
    /// Of an upload: the file in which the HTTP face has put the bytes. The node removes it.
    pub upload: Option<PathBuf>,
}

/// A request that was refused.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The operation; none where the path is none.
    pub op: Option<Op>,
    /// Who called, where the token was recognised.
    pub caller: Option<&'a Caller>,
    /// The path as it was asked for, without its query.
    pub path: &'a str,
    /// The request's id.
    pub request: &'a str,
    /// Why.
    pub problem: &'a Problem,
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

/// Names an event: the run of the node that it happened in, and its number there.
///
/// A node keeps events in memory only. The run is drawn at random at each start, so that a number is never used again for
/// something else: who resumes with the id of an earlier run is told that it may have missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The run: 48 bits.
    pub run: u64,
    /// The number, from 1. 0 is before the first.
    pub n: u64,
}

impl EventId {
    /// What the text of an id looks like.
    pub const PATTERN: &'static str = "^[0-9a-f]{12}-[0-9]{1,19}$";
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}-{}", self.run, self.n)
    }
}

impl FromStr for EventId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |t: &str, hex: bool| t.bytes().all(|b| b.is_ascii_digit() || (hex && (b'a'..=b'f').contains(&b)));
        let parts = text
            .split_once('-')
            .filter(|(run, n)| run.len() == 12 && digits(run, true) && (1..=19).contains(&n.len()) && digits(n, false));
        let read =
            |(run, n): (&str, &str)| Some(EventId { run: u64::from_str_radix(run, 16).ok()?, n: n.parse().ok()? });
        parts.and_then(read).ok_or_else(|| "it is not the id of an event".to_owned())
    }
}

/// One event for watchers: a name and JSON.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its id, for resuming.
    pub id: EventId,
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
    /// Takes note of a request that was refused, by whomever: for the audit trail.
    fn refused(&self, _: &Attempt<'_>) {}
    /// Told of each answer: which operation, status, the problem's code, and how long until the answer began.
    fn answered(&self, _: Op, _status: u16, _: Option<Code>, _took: Duration) {}
    /// Carries out a call.
    fn call<'a>(&'a self, call: Call) -> Later<'a, Result<Reply, Problem>>;
    /// The newest event: where those begin who resume nothing.
    fn latest_event(&self) -> EventId;
    /// The next event after `last`, waiting for it. A watcher that may have missed something is told so with an event
    /// called `gap`. None when the node stops.
    fn next_event<'a>(&'a self, last: EventId, role: Role) -> Later<'a, Option<Notice>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_event_survives_its_text_and_nothing_else_is_one() {
        let id = EventId { run: 0xab12, n: 7 };
        assert_eq!(id.to_string(), "00000000ab12-7");
        assert_eq!(id.to_string().parse(), Ok(id));
        let most = EventId { run: (1 << 48) - 1, n: 9_999_999_999_999_999_999 };
        assert_eq!(most.to_string().parse(), Ok(most));
        for bad in ["", "7", "-", "00000000ab12-", "00000000AB12-7", "00000000ab12-+7", "0ab12-7", "00000000ab12-7-7"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
