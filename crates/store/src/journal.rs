//! The journal: what happened, in order, durable before anyone is told. The index is derived from it.
//!
//! ```text
//! journal/0000000000000001.seg   ┌────────┬───────┬───────┬─────┐
//!                                │ header │ batch │ batch │ ... │   a batch = one append = one write + one sync
//! journal/0000000000000002.seg   └────────┴───────┴───────┴─────┘
//! journal/mark                   how far appends were acknowledged; written after each, synced rarely
//!
//! batch = ┌─────────────┬────────┬────────┬─────────┬──────────┐
//!         │ header 64 B │ record │ record │ padding │ chain 32 │   multiple of 64 bytes
//!         └─────────────┴────────┴────────┴─────────┴──────────┘
//! ```
//!
//! # Promises
//!
//! 1. **An append that returned `Ok` is durable** and comes back byte for byte, in order, whole. One that returned an
//!    error is *unknown*: it is there whole after the next open, or not at all. Once a later append has returned, a
//!    failed one is gone for good.
//! 2. **A torn last batch is cut at open**; anything else that is damaged is named (file, offset, what) and refused. No
//!    record is ever skipped.
//! 3. **Any damage to what was acknowledged is named, not cut**, in the last batch too, but for one case that nothing on
//!    disk can tell from a power cut in the middle of an append: the last batch lies beyond the *durable* mark (so it was
//!    acknowledged just before a power cut, at most since the last [`Journal::settle`] or the operating system's
//!    write-back, usually 30 s) *and* the file has been cut within it, or at least one whole 512-byte sector of it reads
//!    as zeros. Flipped bits are never taken for tearing.
//! 4. **The at-rest key never seals two things under one nonce**, also when an old copy of the folder is restored and
//!    written on: every segment has its own key from a random salt, every batch its own random nonce.
//!
//! # How a torn batch is told from a damaged one
//!
//! A batch is written by one write after everything before it has been synced, into bytes that the file did not have
//! before. After a power cut each sector of it holds either what was written or zeros, or lies beyond the end of the
//! file. Sealed records and hashes hold no sector of zeros (a journal without an at-rest key runs the same cipher under
//! a public key, for this reason and to have one format), and batches start and end at multiples of 64 bytes, so every
//! sector has at least 64 bytes of a batch that it touches. Hence: bytes missing at the end, or an all-zero sector, mean
//! tearing; a batch that is all there but does not verify means damage; and a batch followed by anything was
//! acknowledged, since the next one is written only then. The mark adds what the segments alone cannot tell: that whole
//! batches, or whole segments, are missing at the end.
//!
//! A file system that shows stale blocks after a power cut (ext4 with `data=writeback`) breaks the first assumption; it
//! then gets a named refusal, not silence, and an operator may decide ([`Options::salvage`]).
//!
//! Why one file and no preallocation: preallocated zeros would cost a second sync for the metadata at each growth and
//! win nothing, since the length tells us how far a write got.

mod format;
mod mark;
mod read;
mod rescue;
mod scan;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use zeroize::Zeroizing;

use crate::atomic_file;
use crate::disk::{Access, Disk, DiskError, DiskFile, create_dir_durably};
use format::{
    ALIGN, FRAME_HEADER, FrameHeader, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, TAG, TRAILER,
};
use mark::{Mark, MarkFile};

pub use format::Position;
pub use mark::NAME as MARK_NAME;
pub use read::{JournalReader, ReadError, Replay, Snapshot, SnapshotFile};
pub use rescue::{Rescued, rescue};
pub use scan::{Damage, DamageKind};

/// The largest payload of one record, in bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// The largest batch on disk, in bytes, headers and seals included.
pub const MAX_BATCH: usize = 64 << 20;
/// The default of [`Options::segment_bytes`].
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// How a journal is opened.
#[derive(Clone)]
pub struct Options {
    /// Seals all payloads (XChaCha20-Poly1305 under keys derived from this one). `None`: payloads are readable by whoever
    /// has the disk.
    pub at_rest_key: Option<[u8; 32]>,
    /// A segment that has reached this many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// The format of what the records hold, as the caller numbers it, from 1. It stands in every segment: a journal with
    /// a later one is refused before anything is written, and one with an earlier one goes on in a new segment, so that
    /// earlier programs refuse it from then on instead of misreading it.
    pub format: u16,
    /// Stands in every batch. A journal that holds a higher one is refused: a successor has taken over.
    pub writer_epoch: u64,
    /// An operator's decision, never a default: cut a last batch that lies beyond the mark even where it looks damaged
    /// rather than torn, and make a new mark where it is missing or unreadable.
    pub salvage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { at_rest_key: None, segment_bytes: SEGMENT_BYTES, format: 1, writer_epoch: 0, salvage: false }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("at_rest_key", &self.at_rest_key.map(|_| "redacted"))
            .field("segment_bytes", &self.segment_bytes)
            .field("format", &self.format)
            .field("writer_epoch", &self.writer_epoch)
            .field("salvage", &self.salvage)
            .finish()
    }
}

/// What was found at open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Records in the journal.
    pub records: u64,
    /// Segments in the journal.
    pub segments: u64,
    /// The highest writer epoch in the journal before this open.
    pub epoch: u64,
    /// The bytes of a last batch that were cut, where there were any.
    pub cut: Option<Cut>,
    /// The last segment was not known to be synced and was copied to a fresh file.
    pub copied: bool,
    /// The mark, or one of its two halves, was unreadable and has been written anew.
    pub mark_repaired: bool,
}

/// Bytes that were never acknowledged and were cut at open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment's file.
    pub file: PathBuf,
    /// Where the cut begins.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// Why they were not taken: a torn write, or damage under [`Options::salvage`].
    pub what: DamageKind,
}

/// A journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something that was acknowledged is damaged or missing. Nothing was changed.
    #[error("the journal is damaged")]
    Damaged(#[from] Damage),
    /// The segment is sealed under another at-rest key, or under one where none was given, or the reverse.
    #[error("{} was written under another at-rest key", file.display())]
    WrongKey {
        /// The segment's file.
        file: PathBuf,
    },
    /// The segment was written by a later version of this program.
    #[error("{} has format {found}; this program knows formats up to {known}", file.display())]
    Version {
        /// The segment's file.
        file: PathBuf,
        /// Its format.
        found: u16,
        /// The latest that this program knows.
        known: u16,
    },
    /// A successor has written to this journal.
    #[error("writer epoch {ours} is over: {} was written in epoch {found}", file.display())]
    Fenced {
        /// The segment's file.
        file: PathBuf,
        /// The epoch that it holds.
        found: u64,
        /// The epoch of this writer.
        ours: u64,
    },
    /// The operating system gave no randomness.
    #[error("no randomness for a new segment")]
    Random(#[source] getrandom::Error),
}

/// An append is not acknowledged: its outcome is unknown (see the module's promise 1). The journal stays usable; the next
/// append first restores a known state.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk is full. Appends succeed again when there is room.
    #[error("the disk is full")]
    Full(#[source] DiskError),
    /// The disk failed.
    #[error(transparent)]
    Disk(DiskError),
    /// Nothing was written: a payload or the batch is too large.
    #[error("{bytes} bytes in a batch of {records} records: at most {MAX_PAYLOAD} a record and {MAX_BATCH} a batch")]
    TooLarge {
        /// Payload bytes.
        bytes: usize,
        /// Records.
        records: usize,
    },
    /// Nothing was written: the operating system gave no randomness.
    #[error("no randomness for a batch")]
    Random(#[source] getrandom::Error),
}

impl From<DiskError> for AppendError {
    fn from(error: DiskError) -> Self {
        if error.is_full() { Self::Full(error) } else { Self::Disk(error) }
    }
}

/// A segment as readers see it.
#[derive(Debug)]
struct Segment {
    header: SegmentHeader,
    keys: format::Keys,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Where the acknowledged bytes end.
    end: AtomicU64,
}

/// What writer and readers share.
#[derive(Debug, Default)]
struct Shared {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Without gaps, from segment 1 on.
    segments: Vec<Arc<Segment>>,
    count: u64,
    last: Option<Position>,
    chain: [u8; 32],
}

impl Shared {
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the last append left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing behind the acknowledged bytes.
    Sound,
    /// A write failed for want of room: some bytes may lie behind the end.
    Overfull,
    /// A write or sync failed: nothing is known about the bytes behind the end, and a later sync of this file would
    /// prove nothing. The segment is left and a new one begun.
    Lost,
}

/// A batch ready to be written.
struct Sealed {
    frame: Vec<u8>,
    positions: Vec<Position>,
    /// The chain after it.
    chain: [u8; 32],
}

/// The one writer of a journal.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    secret: Zeroizing<[u8; 32]>,
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    tail: Tail,
    end: u64,
    chain: [u8; 32],
    count: u64,
    mark: MarkFile,
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.seg"))
}

fn segment_numbers(names: &[String]) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(".seg").filter(|n| n.len() == 16)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

impl Journal {
    /// Opens (or creates) the journal in `dir`, whose parent must exist. Verifies every byte, cuts a torn last batch,
    /// and copies a last segment that is not known to be synced to a fresh file before it is used.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        create_dir_durably(&*disk, dir)?;
        let names = disk.list(dir)?;
        for name in names.iter().filter(|name| name.ends_with(".tmp")) {
            disk.remove(&dir.join(name))?;
        }
        let numbers = segment_numbers(&names);
        let secret = Zeroizing::new(options.at_rest_key.unwrap_or_default());
        let (known, mark_repaired) = mark::load(&*disk, dir, !numbers.is_empty(), options.salvage)?;
        if numbers.is_empty() {
            known.check_against(dir, None)?;
            // The mark comes first, so that segments without one are known to have lost it.
            let mark = MarkFile::replace(&*disk, dir, Mark::default())?;
            let header = SegmentHeader::first(options.writer_epoch, options.format);
            let segment = create_segment(&*disk, dir, header, &secret, options.at_rest_key.is_some())?;
            let chain = segment.keys.seed(&segment.header);
            let journal = Self::assemble(disk, dir, options, secret, vec![segment], scan::Ended::fresh(chain), mark);
            let opened = Opened { records: 0, segments: 1, epoch: 0, cut: None, copied: false, mark_repaired };
            return Ok((journal, opened));
        }

        let scan = scan::Scan { disk: &*disk, dir, secret: &secret, options: &options, known: &known };
        let (mut segments, ended) = scan.run(&numbers)?;
        let mut copied = false;
        let last = segments.len() - 1;
        let acknowledged = known.segment == segments[last].header.number && known.end == ended.end;
        if ended.cut.is_some() || !acknowledged {
            segments[last] = copy_tail(&*disk, &segments[last], ended.end)?;
            copied = true;
        } else {
            // A truncation after a full disk may be the one thing that is not durable yet.
            segments[last].file.sync_data()?;
            disk.sync_dir(dir)?;
        }
        let now = Mark::at(&segments[last], ended.end, ended.count, ended.chain);
        let mark = if copied || mark_repaired || !acknowledged {
            MarkFile::replace(&*disk, dir, Mark { turn: known.turn + 1, ..now })?
        } else {
            MarkFile::open(&*disk, dir, known.turn)?
        };
        if let Some(cut) = &ended.cut {
            tracing::warn!(file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes, what = %cut.what,
                "cut a batch that was never acknowledged");
        }
        let opened = Opened {
            records: ended.count,
            segments: segments.len() as u64,
            epoch: ended.epoch,
            cut: ended.cut.clone(),
            copied,
            mark_repaired,
        };
        Ok((Self::assemble(disk, dir, options, secret, segments, ended, mark), opened))
    }

    fn assemble(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        secret: Zeroizing<[u8; 32]>,
        segments: Vec<Segment>,
        ended: scan::Ended,
        mark: MarkFile,
    ) -> Self {
        let segments: Vec<Arc<Segment>> = segments.into_iter().map(Arc::new).collect();
        let segment = segments.last().expect("a journal has at least one segment").clone();
        let state = State { segments, count: ended.count, last: ended.last, chain: ended.chain };
        Self {
            disk,
            dir: dir.to_owned(),
            options,
            secret,
            shared: Arc::new(Shared { state: RwLock::new(state) }),
            segment,
            tail: Tail::Sound,
            end: if ended.end == 0 { SEGMENT_HEADER } else { ended.end },
            chain: ended.chain,
            count: ended.count,
            mark,
        }
    }

    /// Appends the payloads as one batch and returns where each one lies. Durable, all of them, on return. An empty
    /// batch writes nothing.
    pub fn append<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> Result<Vec<Position>, AppendError> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        let body = self.body_len(payloads)?;
        self.restore()?;
        let earlier = self.segment.header.version < self.options.format;
        if earlier && self.end == SEGMENT_HEADER {
            self.roll(self.segment.header.number)?;
        } else if earlier || self.end >= self.options.segment_bytes.max(SEGMENT_HEADER + 1) {
            self.roll(self.segment.header.number + 1)?;
        }
        let Sealed { frame, positions, chain } = self.seal(payloads, body)?;
        if let Err(error) = self.segment.file.write_at(&frame, self.end) {
            self.tail = if error.is_full() { Tail::Overfull } else { Tail::Lost };
            return Err(error.into());
        }
        if let Err(error) = self.segment.file.sync_data() {
            self.tail = Tail::Lost;
            return Err(error.into());
        }
        self.end += frame.len() as u64;
        self.chain = chain;
        self.count += positions.len() as u64;
        self.shared.write(|state| {
            self.segment.end.store(self.end, Ordering::Release);
            state.chain = self.chain;
            state.count = self.count;
            state.last = positions.last().copied();
        });
        self.write_mark();
        Ok(positions)
    }

    fn body_len<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<usize, AppendError> {
        let bytes: usize = payloads.iter().map(|payload| payload.as_ref().len()).sum();
        let records = payloads.len();
        let body = bytes + records * (RECORD_HEADER + TAG);
        let whole = (FRAME_HEADER + body + TRAILER).next_multiple_of(ALIGN);
        if whole > MAX_BATCH || payloads.iter().any(|payload| payload.as_ref().len() > MAX_PAYLOAD) {
            return Err(AppendError::TooLarge { bytes, records });
        }
        Ok(whole - FRAME_HEADER - TRAILER)
    }

    fn seal<P: AsRef<[u8]>>(&self, payloads: &[P], body: usize) -> Result<Sealed, AppendError> {
        let mut nonce = [0; format::NONCE];
        getrandom::fill(&mut nonce).map_err(AppendError::Random)?;
        let header = FrameHeader {
            epoch: self.options.writer_epoch,
            first: self.count,
            records: payloads.len() as u32,
            body: body as u32,
            nonce,
        };
        let keys = &self.segment.keys;
        let mut frame = Vec::with_capacity(FRAME_HEADER + body + TRAILER);
        frame.extend_from_slice(&header.encode(keys));
        let cipher = XChaCha20Poly1305::new(&(*keys.record).into());
        let mut positions = Vec::with_capacity(payloads.len());
        for (index, payload) in payloads.iter().enumerate() {
            let payload = payload.as_ref();
            let position = Position::new(self.segment.header.number, self.end + frame.len() as u64);
            let record =
                RecordHeader { len: payload.len() as u32, index: index as u32, back: frame.len() as u32 }.encode();
            frame.extend_from_slice(&record);
            let start = frame.len();
            frame.extend_from_slice(payload);
            let tag = cipher
                .encrypt_inout_detached(
                    &header.nonce_of(index as u32).into(),
                    &format::associated(position, &record),
                    (&mut frame[start..]).into(),
                )
                .expect("a payload of at most 16 MiB is far below the cipher's limit");
            frame.extend_from_slice(&tag);
            positions.push(position);
        }
        frame.resize(FRAME_HEADER + body, 0);
        let chain = keys.link(&self.chain, &frame);
        frame.extend_from_slice(&chain);
        Ok(Sealed { frame, positions, chain })
    }

    /// Brings the tail back to a known state after a failed append.
    fn restore(&mut self) -> Result<(), AppendError> {
        if self.tail == Tail::Overfull {
            // The cut is synced before anything is written behind it: a batch mixed from two writes would look damaged.
            let file = &self.segment.file;
            match file.truncate(self.end).and_then(|()| file.sync_data()) {
                Ok(()) => self.tail = Tail::Sound,
                Err(error) => {
                    self.tail = Tail::Lost;
                    return Err(error.into());
                }
            }
        }
        if self.tail == Tail::Lost {
            // Gives room back. That it fails changes nothing: the next segment's header says where this one ends.
            let _ = self.segment.file.truncate(self.end);
            let empty = self.end == SEGMENT_HEADER;
            self.roll(self.segment.header.number + u64::from(!empty))?;
            self.tail = Tail::Sound;
        }
        Ok(())
    }

    /// Begins segment `number`: the next one, or the present one anew when it holds nothing.
    fn roll(&mut self, number: u64) -> Result<(), AppendError> {
        let old = &self.segment.header;
        let mut header = if number == old.number {
            old.clone()
        } else {
            SegmentHeader {
                number,
                first: self.count,
                previous_end: self.end,
                previous_chain: self.chain,
                ..SegmentHeader::first(0, self.options.format)
            }
        };
        header.epoch = self.options.writer_epoch;
        header.version = self.options.format;
        let sealed = self.options.at_rest_key.is_some();
        let segment =
            create_segment(&*self.disk, &self.dir, header, &self.secret, sealed).map_err(|error| match error {
                CreateError::Disk(error) => AppendError::from(error),
                CreateError::Random(error) => AppendError::Random(error),
            })?;
        self.chain = segment.keys.seed(&segment.header);
        self.end = SEGMENT_HEADER;
        self.segment = Arc::new(segment);
        self.shared.write(|state| {
            state.segments.truncate(number as usize - 1);
            state.segments.push(self.segment.clone());
            state.chain = self.chain;
        });
        self.write_mark();
        if let Err(error) = self.mark.sync() {
            tracing::warn!(%error, "the journal's mark lags behind");
        }
        Ok(())
    }

    /// The mark is a lower bound: that it lags is safe, so a failure here fails no append.
    fn write_mark(&mut self) {
        let mark = Mark::at(&self.segment, self.end, self.count, self.chain);
        if let Err(error) = self.mark.write(mark) {
            tracing::warn!(%error, "the journal's mark lags behind");
        }
    }

    /// Makes the mark durable: from here on even a cut file is told from a torn write. Costs one sync; for idle moments.
    pub fn settle(&mut self) -> Result<(), DiskError> {
        self.write_mark();
        self.mark.sync()
    }

    /// Settles and ends. A journal that is merely dropped is as good, but for the case in promise 3.
    pub fn close(mut self) -> Result<(), DiskError> {
        self.settle()
    }

    /// A handle for reading what is acknowledged, now and later.
    pub fn reader(&self) -> JournalReader {
        JournalReader::new(self.shared.clone())
    }

    /// How many records are in the journal.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the last record lies.
    pub fn last(&self) -> Option<Position> {
        self.shared.read(|state| state.last)
    }

    /// The hash chain over everything so far. Two journals with the same chain hold the same bytes.
    pub fn chain(&self) -> [u8; 32] {
        self.chain
    }
}

enum CreateError {
    Disk(DiskError),
    Random(getrandom::Error),
}

impl From<CreateError> for OpenError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Disk(error) => Self::Disk(error),
            CreateError::Random(error) => Self::Random(error),
        }
    }
}

/// Writes a segment that holds only its header, durably, under a fresh salt.
fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    mut header: SegmentHeader,
    secret: &[u8; 32],
    sealed: bool,
) -> Result<Segment, CreateError> {
    getrandom::fill(&mut header.salt).map_err(CreateError::Random)?;
    header.sealed = sealed;
    let keys = format::Keys::derive(secret, &header);
    header.key_check = keys.check;
    let path = segment_path(dir, header.number);
    atomic_file::replace(disk, &path, &header.encode()).map_err(CreateError::Disk)?;
    let file = disk.open(&path, Access::ReadWrite).map_err(CreateError::Disk)?;
    Ok(Segment { header, keys, path, file, end: AtomicU64::new(SEGMENT_HEADER) })
}

/// Replaces a segment by a fresh, synced file with its first `end` bytes.
fn copy_tail(disk: &dyn Disk, segment: &Segment, end: u64) -> Result<Segment, DiskError> {
    atomic_file::replace_with(disk, &segment.path, |fresh| {
        let mut buf = vec![0; 1 << 20];
        let mut at = 0;
        while at < end {
            let n = (end - at).min(buf.len() as u64);
            let piece = &mut buf[..n as usize];
            segment.file.read_exact_at(piece, at)?;
            fresh.write_at(piece, at)?;
            at += n;
        }
        Ok(())
    })?;
    Ok(Segment {
        header: segment.header.clone(),
        keys: segment.keys.clone(),
        path: segment.path.clone(),
        file: disk.open(&segment.path, Access::ReadWrite)?,
        end: AtomicU64::new(end),
    })
}

#[cfg(test)]
mod tests;
