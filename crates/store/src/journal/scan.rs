//! Verifying a journal at open, and telling a torn last batch from a damaged one (see the parent module).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::{
    ALIGN, FRAME_HEADER, FrameHeader, HeaderError, Keys, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
    TRAILER, field,
};
use super::mark::Mark;
use super::{Cut, OpenError, Options, Position, Segment, segment_path};
use crate::disk::{Access, Disk, DiskError, DiskFile};

const SECTOR: u64 = 512;
const WINDOW: usize = 256 << 10;

/// Something in the journal is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, offset {offset}: {what}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: DamageKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The segment's file is missing.
    SegmentMissing,
    /// The segment's header does not verify.
    SegmentHeader,
    /// The segment does not continue the one before it.
    Order,
    /// A batch does not verify.
    Batch,
    /// A batch is not all there.
    Incomplete,
    /// A batch verifies but was written in an earlier epoch than the one before it.
    Epoch,
    /// A record does not verify, or the position is none of a record.
    Record,
    /// The journal ends before what was acknowledged.
    Missing {
        /// The offset that was acknowledged.
        acknowledged: u64,
    },
    /// The journal's content is another than the one that was acknowledged.
    Other,
    /// Neither half of the mark can be read.
    Mark,
    /// There are segments but no mark.
    MarkMissing,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentMissing => f.write_str("the segment is missing"),
            Self::SegmentHeader => f.write_str("the segment's header is damaged"),
            Self::Order => f.write_str("the segment does not continue the one before it"),
            Self::Batch => f.write_str("a batch is damaged"),
            Self::Incomplete => f.write_str("a batch is not complete"),
            Self::Epoch => f.write_str("a batch of an earlier writer follows a later one"),
            Self::Record => f.write_str("a record is damaged, or there is none here"),
            Self::Missing { acknowledged } => {
                write!(f, "the journal ends here, but was acknowledged up to offset {acknowledged}")
            }
            Self::Other => f.write_str("the content is another than the one that was acknowledged"),
            Self::Mark => f.write_str("both halves of the mark are damaged"),
            Self::MarkMissing => f.write_str("the mark is missing beside existing segments"),
        }
    }
}

/// The state at the end of a verified journal.
#[derive(Debug)]
pub struct Ended {
    /// Where the last segment ends.
    pub end: u64,
    /// The chain there.
    pub chain: [u8; 32],
    /// Records in all.
    pub count: u64,
    /// The last record.
    pub last: Option<Position>,
    /// The highest writer epoch.
    pub epoch: u64,
    /// What was not taken of the last segment.
    pub cut: Option<Cut>,
}

impl Ended {
    /// The end of a journal that was just created.
    pub fn fresh(chain: [u8; 32]) -> Self {
        Self { end: SEGMENT_HEADER, chain, count: 0, last: None, epoch: 0, cut: None }
    }
}

/// A buffer over a stretch of a file, for reading forward in small pieces.
#[derive(Debug, Default)]
pub struct Window {
    start: u64,
    buf: Vec<u8>,
}

impl Window {
    /// `len` bytes at `offset`, `None` when the file ends (or `limit` lies) before their end.
    pub fn get(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        len: usize,
        limit: u64,
    ) -> Result<Option<&[u8]>, DiskError> {
        if offset.checked_add(len as u64).is_none_or(|end| end > limit) {
            return Ok(None);
        }
        let held = offset.checked_sub(self.start).is_some_and(|skip| skip + len as u64 <= self.buf.len() as u64);
        if !held {
            let wanted = (limit - offset).min(WINDOW.max(len) as u64) as usize;
            self.buf.resize(wanted, 0);
            self.start = offset;
            let got = file.read_at(&mut self.buf, offset)?;
            self.buf.truncate(got);
        }
        let skip = (offset - self.start) as usize;
        Ok(self.buf.get(skip..skip + len))
    }
}

/// Why a walk over a segment's batches stopped before its limit.
enum Stop {
    /// The batch's header does not verify, or is not all there.
    Header,
    /// The header verifies, the batch ends behind the limit.
    Short,
    /// The batch is all there and does not verify.
    Body { len: u64 },
    /// The batch verifies and contradicts what came before.
    Contradicts(DamageKind),
}

/// One verification of a journal.
pub struct Scan<'a> {
    pub disk: &'a dyn Disk,
    pub dir: &'a Path,
    pub secret: &'a [u8; 32],
    pub options: &'a Options,
    pub known: &'a Mark,
}

impl Scan<'_> {
    /// Verifies all segments and returns them with the state at their end.
    pub fn run(&self, numbers: &[u64]) -> Result<(Vec<Segment>, Ended), OpenError> {
        let mut segments = Vec::with_capacity(numbers.len());
        for (expected, number) in (1..).zip(numbers.iter().copied()) {
            if number != expected {
                return Err(self.damage(expected, 0, DamageKind::SegmentMissing));
            }
            segments.push(self.open_segment(number)?);
        }
        let mut ended = Ended { end: 0, chain: [0; 32], count: 0, last: None, epoch: 0, cut: None };
        for index in 0..segments.len() {
            let next = segments.get(index + 1).map(|next: &Segment| next.header.previous_end);
            self.walk_segment(&segments[index], next, &mut ended)?;
            segments[index].end.store(ended.end, Ordering::Release);
        }
        let last = segments.len() as u64;
        self.known.check_against(self.dir, Some((last, ended.end)))?;
        Ok((segments, ended))
    }

    fn damage(&self, segment: u64, offset: u64, what: DamageKind) -> OpenError {
        Damage { file: segment_path(self.dir, segment), offset, what }.into()
    }

    fn open_segment(&self, number: u64) -> Result<Segment, OpenError> {
        let path = segment_path(self.dir, number);
        let file = self.disk.open(&path, Access::ReadWrite)?;
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let got = file.read_at(&mut bytes, 0)?;
        let header = match SegmentHeader::decode(&bytes, self.options.format) {
            Ok(header) if got == bytes.len() => header,
            Err(HeaderError::Version(found)) => {
                return Err(OpenError::Version { file: path, found, known: self.options.format });
            }
            _ => return Err(self.damage(number, 0, DamageKind::SegmentHeader)),
        };
        if header.number != number {
            return Err(self.damage(number, 0, DamageKind::Order));
        }
        let keys = Keys::derive(self.secret, &header);
        if header.sealed != self.options.at_rest_key.is_some() || keys.check != header.key_check {
            return Err(OpenError::WrongKey { file: path });
        }
        Ok(Segment { header, keys, path, file, end: AtomicU64::new(SEGMENT_HEADER) })
    }

    /// Verifies one segment. `next` is where the following segment says that this one ends.
    fn walk_segment(&self, segment: &Segment, next: Option<u64>, ended: &mut Ended) -> Result<(), OpenError> {
        let header = &segment.header;
        let number = header.number;
        if header.previous_end != ended.end || header.previous_chain != ended.chain || header.first != ended.count {
            return Err(self.damage(number, 0, DamageKind::Order));
        }
        self.fence(segment, header.epoch, ended)?;
        ended.end = SEGMENT_HEADER;
        ended.chain = segment.keys.seed(header);
        let len = segment.file.len()?;
        let limit = next.unwrap_or(len);
        let mut window = Window::default();
        while ended.end < limit {
            let at = ended.end;
            match self.take_batch(segment, limit, &mut window, ended)? {
                None => {}
                Some(stop) if next.is_none() => return self.cut(segment, at, len, stop, ended),
                Some(Stop::Contradicts(what)) => return Err(self.damage(number, at, what)),
                Some(Stop::Short) => return Err(self.damage(number, at, DamageKind::Incomplete)),
                Some(Stop::Header | Stop::Body { .. }) => return Err(self.damage(number, at, DamageKind::Batch)),
            }
        }
        if ended.end == limit || next.is_none() {
            Ok(())
        } else {
            Err(self.damage(number, ended.end, DamageKind::Order))
        }
    }

    fn fence(&self, segment: &Segment, epoch: u64, ended: &mut Ended) -> Result<(), OpenError> {
        let ours = self.options.writer_epoch;
        if epoch > ours {
            return Err(OpenError::Fenced { file: segment.path.clone(), found: epoch, ours });
        }
        ended.epoch = ended.epoch.max(epoch);
        Ok(())
    }

    /// Verifies the batch at `ended.end` and moves behind it.
    fn take_batch(
        &self,
        segment: &Segment,
        limit: u64,
        window: &mut Window,
        ended: &mut Ended,
    ) -> Result<Option<Stop>, OpenError> {
        let (file, keys, at) = (&*segment.file, &segment.keys, ended.end);
        let Some(bytes) = window.get(file, at, FRAME_HEADER, limit)? else {
            return Ok(Some(Stop::Header));
        };
        let bytes: [u8; FRAME_HEADER] = field(bytes, 0);
        let Some(header) = FrameHeader::decode(&bytes, keys) else {
            return Ok(Some(Stop::Header));
        };
        let len = header.frame_len();
        if len > limit - at {
            return Ok(Some(Stop::Short));
        }
        let (start, end) = (at + FRAME_HEADER as u64, at + len - TRAILER as u64);
        let mut hasher = keys.linker(&ended.chain);
        hasher.update(&bytes);
        let mut offset = start;
        while offset < end {
            let n = (end - offset).min(64 << 10) as usize;
            let Some(piece) = window.get(file, offset, n, limit)? else {
                return Ok(Some(Stop::Short));
            };
            hasher.update(piece);
            offset += n as u64;
        }
        let chain = *hasher.finalize().as_bytes();
        if window.get(file, end, TRAILER, limit)? != Some(&chain[..]) {
            return Ok(Some(Stop::Body { len }));
        }
        if header.first != ended.count || header.records == 0 {
            return Ok(Some(Stop::Contradicts(DamageKind::Order)));
        }
        if header.epoch < ended.epoch {
            return Ok(Some(Stop::Contradicts(DamageKind::Epoch)));
        }
        let number = segment.header.number;
        if number == self.known.segment && self.known.end > at {
            let told = self.known.end == at + len && self.known.chain != chain;
            if self.known.end < at + len || told {
                return Ok(Some(Stop::Contradicts(DamageKind::Other)));
            }
        }
        self.fence(segment, header.epoch, ended)?;
        let Some(last) = last_record(file, &header, start, end)? else {
            return Ok(Some(Stop::Contradicts(DamageKind::Record)));
        };
        ended.last = Some(Position::new(number, last));
        ended.end = at + len;
        ended.chain = chain;
        ended.count += u64::from(header.records);
        Ok(None)
    }

    /// Judges what lies behind the last batch that verifies, in the last segment: cut it when it was never
    /// acknowledged, else refuse.
    fn cut(&self, segment: &Segment, at: u64, len: u64, stop: Stop, ended: &mut Ended) -> Result<(), OpenError> {
        let file = &*segment.file;
        let number = segment.header.number;
        let what = match stop {
            Stop::Contradicts(what) => return Err(self.damage(number, at, what)),
            Stop::Short => DamageKind::Incomplete,
            Stop::Header if len - at < FRAME_HEADER as u64 => DamageKind::Incomplete,
            Stop::Header
                if !any_batch_after(file, &segment.keys, at, len)? && any_sector_of_zeros(file, at, at + 64)? =>
            {
                DamageKind::Incomplete
            }
            Stop::Body { len: batch } if at + batch == len && any_sector_of_zeros(file, at, len)? => {
                DamageKind::Incomplete
            }
            Stop::Header | Stop::Body { .. } => DamageKind::Batch,
        };
        let beyond_the_mark = (number, at) >= (self.known.segment, self.known.end);
        if !beyond_the_mark || (what == DamageKind::Batch && !self.options.salvage) {
            return Err(self.damage(number, at, what));
        }
        ended.cut = Some(Cut { file: segment.path.clone(), offset: at, bytes: len - at, what });
        Ok(())
    }
}

/// Where the last record of a verified batch lies; `None` when its records do not fill the batch as its header says.
fn last_record(file: &dyn DiskFile, header: &FrameHeader, start: u64, end: u64) -> Result<Option<u64>, DiskError> {
    let mut window = Window::default();
    let mut at = start;
    let mut last = start;
    for _ in 0..header.records {
        let Some(bytes) = window.get(file, at, RECORD_HEADER, end)? else {
            return Ok(None);
        };
        last = at;
        at += RecordHeader::decode(&field(bytes, 0)).record_len();
    }
    Ok((at <= end && end - at < ALIGN as u64).then_some(last))
}

/// Whether a batch's header verifies anywhere behind `at`: then what lies at `at` was acknowledged.
fn any_batch_after(file: &dyn DiskFile, keys: &Keys, at: u64, len: u64) -> Result<bool, DiskError> {
    let mut window = Window::default();
    let mut offset = at + ALIGN as u64;
    while let Some(bytes) = window.get(file, offset, FRAME_HEADER, len)? {
        if FrameHeader::decode(&field(bytes, 0), keys).is_some() {
            return Ok(true);
        }
        offset += ALIGN as u64;
    }
    Ok(false)
}

/// Whether the part of `from..to` in any one sector is all zeros.
fn any_sector_of_zeros(file: &dyn DiskFile, from: u64, to: u64) -> Result<bool, DiskError> {
    let mut window = Window::default();
    let mut at = from;
    while at < to {
        let stop = to.min((at / SECTOR + 1) * SECTOR);
        match window.get(file, at, (stop - at) as usize, to)? {
            Some(bytes) if bytes.iter().any(|byte| *byte != 0) => at = stop,
            _ => return Ok(true),
        }
    }
    Ok(false)
}
