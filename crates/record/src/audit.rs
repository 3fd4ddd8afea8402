//! The audit trail: who did what here, when, and what was refused, as a chain of hashes.
//!
//! ```text
//! row 1 ──▶ row 2 ──▶ row 3 …        row.prev = hash of the row before; the first row's is zeros
//!                       └── head ──▶ the node's signed checkpoints name it (protocol §5)
//! ```
//!
//! A row that is changed, left out or put in breaks the chain at that place; one that is cut off at the end is missed by
//! the newest checkpoint that names a later head. Rows name acts, participants and cases by their ids and never hold any
//! content. The trail is this node's own: nothing of it travels but the head.

use crate::cbor::encode;
use crate::cbor_array;
use crate::id::{Digest, HashOf};

/// Bytes of each text of a row at most.
pub const MAX_TEXT: usize = 256;

/// Something that was done or tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// A token's name, a participant's id, or `node` for what the node does by itself.
    pub who: String,
    /// The token's role, `peer`, `node`, or empty where nobody was recognised.
    pub role: String,
    /// The operation, or what was handed in.
    pub act: String,
    /// What it was done to: names and ids.
    pub on: String,
    /// `done`, or the stable code of the refusal.
    pub outcome: String,
    /// The id of the request, where there was one.
    pub request: Option<String>,
}

/// The outcome of what was done.
pub const DONE: &str = "done";

cbor_array! {
    /// A row of the trail.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Row {
        /// From 1, without gaps.
        pub n: u64,
        /// Milliseconds UTC here.
        pub at: u64,
        /// Hash of the row before.
        pub prev: Digest,
        /// See [`Attempt::who`].
        pub who: String,
        /// See [`Attempt::role`].
        pub role: String,
        /// See [`Attempt::act`].
        pub act: String,
        /// See [`Attempt::on`].
        pub on: String,
        /// See [`Attempt::outcome`].
        pub outcome: String,
        /// See [`Attempt::request`].
        pub request: Option<String>,
    }
}

impl Row {
    /// The row's hash: the next row's `prev`.
    pub fn hash(&self) -> Digest {
        Digest(HashOf::Audit.hash(&encode(self)))
    }
}

/// How far a trail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Rows so far.
    pub rows: u64,
    /// Hash of the last row; zeros where there is none.
    pub head: Digest,
}

impl Default for Trail {
    fn default() -> Self {
        Trail { rows: 0, head: Digest([0; 32]) }
    }
}

/// The first row that does not fit the ones before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// A row is missing, or stands twice or elsewhere.
    #[error("row {found} stands where row {wanted} is due")]
    Number {
        /// Its number.
        found: u64,
        /// The number that is due.
        wanted: u64,
    },
    /// The row before is not the one that this row was written after.
    #[error("row {0} does not follow from the row before it: one of the two was changed")]
    Chain(u64),
}

impl Trail {
    /// The next row of this trail.
    pub fn row(&self, at: u64, attempt: Attempt) -> Row {
        let short = |text: String| text.chars().filter(|c| !c.is_control()).take(MAX_TEXT / 4).collect();
        Row {
            n: self.rows + 1,
            at,
            prev: self.head,
            who: short(attempt.who),
            role: short(attempt.role),
            act: short(attempt.act),
            on: attempt.on.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect(),
            outcome: short(attempt.outcome),
            request: attempt.request.map(short),
        }
    }

    /// Takes a row as it was written: no judgement.
    pub fn push(&mut self, row: &Row) {
        *self = Trail { rows: row.n, head: row.hash() };
    }

    /// Takes a row if it follows.
    pub fn check(&mut self, row: &Row) -> Result<(), Break> {
        if row.n != self.rows + 1 {
            return Err(Break::Number { found: row.n, wanted: self.rows + 1 });
        }
        if row.prev != self.head {
            return Err(Break::Chain(row.n));
        }
        self.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rows(n: usize) -> Vec<Row> {
        let mut trail = Trail::default();
        let attempt = |i: usize| Attempt {
            who: format!("desk-{i}"),
            role: "officer".into(),
            act: "Say".into(),
            on: "case".into(),
            outcome: DONE.into(),
            request: None,
        };
        let write = |i| {
            let row = trail.row(1000 + i as u64, attempt(i));
            trail.push(&row);
            row
        };
        (0..n).map(write).collect()
    }

    fn first_break(rows: &[Row]) -> Option<Break> {
        let mut trail = Trail::default();
        rows.iter().find_map(|row| trail.check(row).err())
    }

    #[test]
    fn any_row_changed_left_out_put_in_or_moved_is_found_at_its_place() {
        let good = rows(9);
        assert_eq!(first_break(&good), None);
        for i in 0..8 {
            let mut changed = good.clone();
            changed[i].outcome = "forbidden".into();
            assert_eq!(first_break(&changed), Some(Break::Chain(i as u64 + 2)));
            let mut cut = good.clone();
            cut.remove(i);
            assert_eq!(first_break(&cut), Some(Break::Number { found: i as u64 + 2, wanted: i as u64 + 1 }));
            let mut swapped = good.clone();
            swapped.swap(i, i + 1);
            assert!(first_break(&swapped).is_some());
            let mut twice = good.clone();
            twice.insert(i, good[i].clone());
            assert_eq!(first_break(&twice), Some(Break::Number { found: i as u64 + 1, wanted: i as u64 + 2 }));
        }
    }

    #[test]
    fn texts_are_bounded_and_hold_no_control_characters() {
        let attempt = Attempt {
            who: "x\u{1b}[31m".repeat(500),
            role: String::new(),
            act: "a\n".into(),
            on: "y".repeat(5000),
            outcome: DONE.into(),
            request: Some("r\r".into()),
        };
        let row = Trail::default().row(1, attempt);
        assert!(row.who.len() <= MAX_TEXT && row.on.len() == MAX_TEXT);
        assert!(![&row.who, &row.act, row.request.as_ref().unwrap()].iter().any(|t| t.contains(char::is_control)));
    }
}
