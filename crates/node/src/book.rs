//! Where things stand in the journal: the index over it, derived and replaceable.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `entry` | pid ‖ log ‖ epoch ‖ seq ‖ id | journal position |
//! | `message` | id of a statement, or of a note | journal position |
//! | `audit` | number of the row | journal position |

use lapwing_engine::fact::Fact;
use lapwing_engine::internal::{Matter, note_id};
use lapwing_record::audit::Row;
use lapwing_record::cbor::{self, Bytes, encode};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::id::{EntryId, MsgId, Pid};
use lapwing_store::index::{Batch, Index, IndexError, Order};
use lapwing_store::journal::{JournalReader, MAX_PAYLOAD, Position, ReadError};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

/// Records noted at a time when the index is made anew.
const REBUILD_BATCH: u64 = 4096;

/// Why a record cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// A journal record is not of this program's form.
    #[error("journal record {0} is not understood: {1}")]
    Fact(Position, cbor::DecodeError),
}

/// The read side of the journal.
pub struct Book {
    /// The journal.
    pub journal: JournalReader,
    /// The index.
    pub index: Index,
    /// Where statements and notes lie, read from the journal itself while the index cannot tell.
    pub places: Mutex<Places>,
}

/// Where statements and notes lie, as far as the journal was read.
#[derive(Default)]
pub struct Places {
    upto: Option<Position>,
    of: HashMap<MsgId, Position>,
}

/// The statement or note that a fact holds.
fn message_of(fact: &Fact) -> Option<MsgId> {
    match fact {
        Fact::Said(s) | Fact::Recovered(s) => Some(s.open.id),
        Fact::Heard(h) => Some(h.open.id),
        Fact::Internal(i) => match &i.matter {
            Matter::Note((n, ..)) => Some(note_id(&i.thread, *n)),
            Matter::Assigned(_) => None,
        },
        _ => None,
    }
}

/// A fact's bytes in the journal.
pub fn write_fact(fact: &Fact) -> Vec<u8> {
    encode(fact)
}

/// A fact from its bytes.
pub fn read_fact(position: Position, bytes: &[u8]) -> Result<Fact, BookError> {
    // nested one level deeper than what travels: an entry inside a fact
    cbor::decode(bytes, MAX_PAYLOAD).map_err(|e| BookError::Fact(position, e))
}

fn entry_key(pid: &Pid, log: LogKind, epoch: u64, seq: u64, id: Option<&EntryId>) -> Vec<u8> {
    let mut key = pid.0.to_vec();
    key.push(log.number() as u8);
    key.extend(epoch.to_be_bytes());
    key.extend(seq.to_be_bytes());
    key.extend(id.map(|id| id.0).into_iter().flatten());
    key
}

/// Notes where a fact lies.
pub fn note(fact: &Fact, position: Position, batch: &mut Batch) {
    match fact {
        Fact::Entry(kept) => {
            let h = kept.entry.header();
            let key = entry_key(&h.pid, h.log, h.epoch, h.seq, Some(&kept.entry.id()));
            batch.put("entry", &key, &position.to_bytes());
        }
        Fact::Said(_) | Fact::Recovered(_) | Fact::Heard(_) | Fact::Internal(_) => {
            if let Some(id) = message_of(fact) {
                batch.put("message", &id.0, &position.to_bytes());
            }
        }
        Fact::Audited(row) => batch.put("audit", &row.n.to_be_bytes(), &position.to_bytes()),
        Fact::Declined(d) => batch.put("message", &d.open.id.0, &position.to_bytes()),
        _ => {}
    }
}

impl Book {
    fn fact_at(&self, value: &[u8]) -> Result<Option<Fact>, BookError> {
        let Ok(bytes) = value.try_into() else { return Ok(None) };
        let position = Position::from_bytes(bytes);
        read_fact(position, &self.journal.read(position)?).map(Some)
    }

    /// Makes the index anew from the journal.
    pub fn rebuild(&self) -> Result<(), BookError> {
        self.index.rebuild(|index| {
            let (mut batch, mut noted, mut last) = (Batch::new(), 0_u64, None);
            for record in self.journal.replay(None) {
                let (position, bytes) = record?;
                note(&read_fact(position, &bytes)?, position, &mut batch);
                (noted, last) = (noted + 1, Some(position));
                if noted.is_multiple_of(REBUILD_BATCH) {
                    index.apply(std::mem::take(&mut batch), position)?;
                }
            }
            Ok::<(), BookError>(last.map_or(Ok(()), |last| index.apply(batch, last))?)
        })?;
        // it can tell again
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Places::default();
        Ok(())
    }

    /// Entries of one epoch of a log, by place, from `from` on: at most `max` bytes of them, and whether there are more.
    pub fn entries(
        &self,
        pid: &Pid,
        log: LogKind,
        epoch: u64,
        from: u64,
        max: usize,
    ) -> Result<(Vec<Entry>, bool), BookError> {
        let low = entry_key(pid, log, epoch, from, None);
        let high = entry_key(pid, log, epoch, u64::MAX, Some(&EntryId([0xff; 32])));
        let (mut out, mut bytes, mut after) = (Vec::new(), 0, None);
        loop {
            let start = after.as_deref().map_or(Bound::Included(&low[..]), Bound::Excluded);
            let page = self.index.range("entry", start, Bound::Included(&high[..]), Order::Ascending, 256)?;
            let last = page.entries.last().map(|(key, _)| key.clone());
            for (_, value) in &page.entries {
                if let Some(Fact::Entry(kept)) = self.fact_at(value)? {
                    bytes += kept.entry.encode().len();
                    if bytes > max && !out.is_empty() {
                        return Ok((out, true));
                    }
                    out.push(kept.entry);
                }
            }
            match last {
                Some(last) if page.entries.len() == 256 => after = Some(last),
                _ => return Ok((out, false)),
            }
        }
    }

    /// Rows of the audit trail after row `after`, oldest first, `limit` at most.
    pub fn audit(&self, after: u64, limit: usize) -> Result<Vec<Row>, BookError> {
        let low = after.saturating_add(1).to_be_bytes();
        let page = self.index.range("audit", Bound::Included(&low[..]), Bound::Unbounded, Order::Ascending, limit)?;
        let mut rows = Vec::with_capacity(page.entries.len());
        for (_, value) in &page.entries {
            if let Some(Fact::Audited(row)) = self.fact_at(value)? {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Where a statement or note lies, by the journal alone: a full disk may take the index for a while, and reads go on.
    fn place(&self, id: &MsgId) -> Result<Option<Position>, BookError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.of.contains_key(id) {
            for record in self.journal.replay(places.upto) {
                let (position, bytes) = record?;
                if let Some(id) = message_of(&read_fact(position, &bytes)?) {
                    places.of.insert(id, position);
                }
                places.upto = Some(position);
            }
        }
        Ok(places.of.get(id).copied())
    }

    /// The locked content of a statement or note.
    pub fn locked(&self, id: &MsgId) -> Result<Option<Bytes>, BookError> {
        let value = match self.index.get("message", &id.0) {
            Ok(Some(value)) => value,
            // whoever asks knows the id from the state, so it is in the journal
            Ok(None) | Err(IndexError::Broken(_)) => match self.place(id)? {
                Some(position) => position.to_bytes().to_vec(),
                None => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        };
        Ok(match self.fact_at(&value)? {
            Some(Fact::Said(s) | Fact::Recovered(s)) => Some(s.locked),
            Some(Fact::Heard(h)) => Some(h.locked),
            Some(Fact::Internal(i)) => match i.matter {
                Matter::Note((_, _, locked)) => Some(locked),
                Matter::Assigned(_) => None,
            },
            _ => None,
        })
    }
}
