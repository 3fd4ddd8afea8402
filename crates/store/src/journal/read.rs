//! Reading the journal beside its writer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};

use super::format::{
    FRAME_HEADER, FrameHeader, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, TAG, TRAILER, associated, field,
};
use super::mark::Mark;
use super::scan::{Damage, DamageKind, Window};
use super::{MAX_PAYLOAD, Position, Segment, Shared};
use crate::disk::DiskError;

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The record does not verify, or there is none at this position.
    #[error("the journal is damaged")]
    Damaged(#[from] Damage),
    /// The position lies behind what was acknowledged, or in no segment.
    #[error("the journal has no record at {0}")]
    NoSuch(Position),
}

/// Reads what is acknowledged. Cheap to clone; never waits for an append.
#[derive(Clone, Debug)]
pub struct JournalReader {
    shared: Arc<Shared>,
}

/// What a copy of the journal consists of: of each file its first bytes, and a mark of its own as
/// [`super::MARK_NAME`]. Acknowledged bytes never change, so the copy may take its time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The segments, in order.
    pub files: Vec<SnapshotFile>,
    /// The content of the mark.
    pub mark: Vec<u8>,
    /// Records in it.
    pub records: u64,
}

/// A file of a [`Snapshot`].
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    /// Its name in the journal's folder.
    pub name: String,
    /// Where it lies now.
    pub path: PathBuf,
    /// How many of its bytes belong to the snapshot.
    pub len: u64,
}

/// A batch whose records are being read.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) header: FrameHeader,
    pub(super) start: u64,
}

impl JournalReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How many records are acknowledged.
    pub fn count(&self) -> u64 {
        self.shared.read(|state| state.count)
    }

    /// Where the last acknowledged record lies.
    pub fn last(&self) -> Option<Position> {
        self.shared.read(|state| state.last)
    }

    /// The payload of the record at `position`, verified.
    pub fn read(&self, position: Position) -> Result<Vec<u8>, ReadError> {
        let segment = self.segment(position.segment()).ok_or(ReadError::NoSuch(position))?;
        let (batch, record) = find(&segment, position)?;
        open_record(&segment, &batch, position, record)
    }

    /// The records after `after` (all of them for `None`), in order, up to what is acknowledged at each step.
    ///
    /// The iterator ends after an error: what follows a damaged record is not delivered.
    pub fn replay(&self, after: Option<Position>) -> Replay {
        let mut replay = Replay {
            reader: self.clone(),
            segment: None,
            number: 1,
            offset: SEGMENT_HEADER,
            batch: None,
            window: Window::default(),
            failed: None,
        };
        if let Some(position) = after
            && let Err(error) = replay.seek(position)
        {
            replay.failed = Some(error);
        }
        replay
    }

    /// The journal's files as they are now, for a copy that is made while the writer goes on.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.read(|state| {
            let file = |segment: &Arc<Segment>| SnapshotFile {
                name: segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                path: segment.path.clone(),
                len: segment.end.load(Ordering::Acquire),
            };
            let last = state.segments.last().expect("a journal has at least one segment");
            let mark = Mark::at(last, last.end.load(Ordering::Acquire), state.count, state.chain);
            Snapshot { files: state.segments.iter().map(file).collect(), mark: mark.file(), records: state.count }
        })
    }

    fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.shared.read(|state| state.segments.get(index).cloned())
    }
}

fn damaged(segment: &Segment, offset: u64, what: DamageKind) -> ReadError {
    Damage { file: segment.path.clone(), offset, what }.into()
}

/// The batch and the header of the record at `position`.
fn find(segment: &Segment, position: Position) -> Result<(Batch, RecordHeader), ReadError> {
    let (offset, end) = (position.offset(), segment.end.load(Ordering::Acquire));
    let lowest = SEGMENT_HEADER + FRAME_HEADER as u64;
    if offset < lowest || offset.checked_add((RECORD_HEADER + TAG) as u64).is_none_or(|least| least > end) {
        return Err(ReadError::NoSuch(position));
    }
    let mut bytes = [0; RECORD_HEADER];
    segment.file.read_exact_at(&mut bytes, offset)?;
    let record = RecordHeader::decode(&bytes);
    let bad = || damaged(segment, offset, DamageKind::Record);
    let start = offset.checked_sub(u64::from(record.back)).filter(|start| *start >= SEGMENT_HEADER).ok_or_else(bad)?;
    // its header alone: a window is for those who read on
    let mut header = [0; FRAME_HEADER];
    segment.file.read_exact_at(&mut header, start)?;
    let header = FrameHeader::decode(&header, &segment.keys).filter(|header| start + header.frame_len() <= end);
    let batch = header.map(|header| Batch { header, start }).ok_or_else(bad)?;
    let records_end = start + batch.header.frame_len() - TRAILER as u64;
    if offset + record.record_len() > records_end || record.index >= batch.header.records {
        return Err(bad());
    }
    Ok((batch, record))
}

fn read_batch(segment: &Segment, start: u64, window: &mut Window, end: u64) -> Result<Option<Batch>, DiskError> {
    let Some(bytes) = window.get(&*segment.file, start, FRAME_HEADER, end)? else {
        return Ok(None);
    };
    let header = FrameHeader::decode(&field(bytes, 0), &segment.keys);
    Ok(header.filter(|header| start + header.frame_len() <= end).map(|header| Batch { header, start }))
}

pub(super) fn open_record(
    segment: &Segment,
    batch: &Batch,
    at: Position,
    record: RecordHeader,
) -> Result<Vec<u8>, ReadError> {
    let bad = || damaged(segment, at.offset(), DamageKind::Record);
    if record.len as usize > MAX_PAYLOAD {
        return Err(bad());
    }
    let mut bytes = vec![0; record.len as usize + TAG];
    segment.file.read_exact_at(&mut bytes, at.offset() + RECORD_HEADER as u64)?;
    unseal(segment, batch, at, record, bytes).ok_or_else(bad)
}

/// The payload from its sealed bytes.
fn unseal(segment: &Segment, batch: &Batch, at: Position, record: RecordHeader, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let split = bytes.len().checked_sub(TAG)?;
    let (payload, tag) = bytes.split_at_mut(split);
    let tag: [u8; TAG] = field(tag, 0);
    let cipher = XChaCha20Poly1305::new(&(*segment.keys.record).into());
    cipher
        .decrypt_inout_detached(
            &batch.header.nonce_of(record.index).into(),
            &associated(at, &record.encode()),
            payload.into(),
            &tag.into(),
        )
        .ok()?;
    bytes.truncate(split);
    Some(bytes)
}

/// See [`JournalReader::replay`].
#[derive(Debug)]
pub struct Replay {
    reader: JournalReader,
    segment: Option<Arc<Segment>>,
    number: u64,
    /// The next record of `batch`, or the next batch.
    offset: u64,
    /// The batch and the index of its next record.
    batch: Option<(Batch, u32)>,
    window: Window,
    failed: Option<ReadError>,
}

impl Replay {
    fn seek(&mut self, after: Position) -> Result<(), ReadError> {
        let segment = self.reader.segment(after.segment()).ok_or(ReadError::NoSuch(after))?;
        let (batch, record) = find(&segment, after)?;
        // Only a record that opens is one: any bytes look like a record's header.
        open_record(&segment, &batch, after, record)?;
        self.number = after.segment();
        self.offset = after.offset() + record.record_len();
        self.batch = Some((batch, record.index + 1));
        Ok(())
    }

    fn step(&mut self) -> Result<Option<(Position, Vec<u8>)>, ReadError> {
        loop {
            let Some(segment) = self.segment.clone().or_else(|| self.reader.segment(self.number)) else {
                return Ok(None);
            };
            // Asked before `end`, so that a segment that has a successor is known to have its final end.
            let successor = self.reader.segment(self.number + 1);
            let end = segment.end.load(Ordering::Acquire);
            match self.batch.take() {
                Some((batch, index)) if index < batch.header.records => {
                    let found = self.record(&segment, &batch, index, end)?;
                    self.batch = Some((batch, index + 1));
                    self.segment = Some(segment);
                    return Ok(Some(found));
                }
                Some((batch, _)) => self.offset = batch.start + batch.header.frame_len(),
                None if self.offset < end => {
                    let batch = read_batch(&segment, self.offset, &mut self.window, end)?
                        .ok_or_else(|| damaged(&segment, self.offset, DamageKind::Batch))?;
                    self.offset += FRAME_HEADER as u64;
                    self.batch = Some((batch, 0));
                }
                None if successor.is_some() => {
                    self.number += 1;
                    self.offset = SEGMENT_HEADER;
                    self.segment = None;
                    self.window = Window::default();
                    continue;
                }
                None => {
                    // An empty segment may be begun anew by the writer: do not hold on to it.
                    self.segment = None;
                    return Ok(None);
                }
            }
            self.segment = Some(segment);
        }
    }

    fn record(
        &mut self,
        segment: &Segment,
        batch: &Batch,
        index: u32,
        end: u64,
    ) -> Result<(Position, Vec<u8>), ReadError> {
        let at = Position::new(segment.header.number, self.offset);
        let batch_end = batch.start + batch.header.frame_len() - TRAILER as u64;
        let bad = || damaged(segment, at.offset(), DamageKind::Record);
        let file = &*segment.file;
        let header = self.window.get(file, self.offset, RECORD_HEADER, end)?.ok_or_else(bad)?;
        let record = RecordHeader::decode(&field(header, 0));
        if record.len as usize > MAX_PAYLOAD || record.index != index || at.offset() + record.record_len() > batch_end {
            return Err(bad());
        }
        let body = self.offset + RECORD_HEADER as u64;
        let sealed = self.window.get(file, body, record.len as usize + TAG, end)?.ok_or_else(bad)?.to_vec();
        let payload = unseal(segment, batch, at, record, sealed).ok_or_else(bad)?;
        self.offset += record.record_len();
        Ok((at, payload))
    }
}

impl Iterator for Replay {
    type Item = Result<(Position, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.number = u64::MAX;
            self.segment = None;
            return Some(Err(error));
        }
        match self.step() {
            Ok(found) => found.map(Ok),
            Err(error) => {
                self.number = u64::MAX;
                self.segment = None;
                self.batch = None;
                Some(Err(error))
            }
        }
    }
}
