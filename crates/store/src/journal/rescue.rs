//! What still verifies of a journal that does not open, read without changing a byte of it.
//!
//! ```text
//! segment: header ─ batch ─ [damaged] ─ batch ─ …      each batch's header and each record prove themselves by the key
//!                            └── looked for the next header at every multiple of 64 bytes
//! ```
//!
//! The chain tells that something is missing; it is not needed to tell what is genuine. A batch that is not all there is
//! left out whole: whether it was acknowledged cannot be told from a torn write.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::{
    ALIGN, FRAME_HEADER, FrameHeader, HeaderError, Keys, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
    TRAILER, field,
};
use super::read::{Batch, open_record};
use super::scan::{Damage, DamageKind, Window};
use super::{OpenError, Options, Position, ReadError, Segment, mark, segment_numbers, segment_path};
use crate::disk::{Access, Disk, DiskFile};

/// What [`rescue`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Records that verify.
    pub records: u64,
    /// Records that are known to be missing, by the numbers of those around them and by the mark.
    pub lost: u64,
    /// What is damaged, in order.
    pub damage: Vec<Damage>,
}

/// Reads every record that verifies, in order, and hands it to `take` with its number in the journal, from 0: a number
/// that is left out is a record that is lost. Names what does not verify. Changes nothing. A journal
/// under another key or of a later format is refused as at [`super::Journal::open`].
pub fn rescue<E: From<OpenError>>(
    disk: &dyn Disk,
    dir: &Path,
    options: &Options,
    mut take: impl FnMut(u64, Vec<u8>) -> Result<(), E>,
) -> Result<Rescued, E> {
    let mut found = Rescued::default();
    let numbers = segment_numbers(&disk.list(dir).map_err(OpenError::from)?);
    let known = match mark::load(disk, dir, !numbers.is_empty(), false) {
        Ok((known, _)) => known.count,
        Err(OpenError::Damaged(damage)) => {
            found.damage.push(damage);
            0
        }
        Err(error) => return Err(error.into()),
    };
    let last = numbers.last().copied().unwrap_or(0);
    let mut next = 0;
    for number in 1..=last {
        if !numbers.contains(&number) {
            found.name(dir, number, 0, DamageKind::SegmentMissing);
            continue;
        }
        match open_segment(disk, dir, number, options)? {
            Some(segment) => {
                // what lies behind the end that the next segment names was never acknowledged
                let ends = match numbers.contains(&(number + 1)) {
                    true => open_segment(disk, dir, number + 1, options)?.map(|next| next.header.previous_end),
                    false => None,
                };
                if let Some(end) = ends {
                    segment.end.fetch_min(end, Ordering::Relaxed);
                }
                walk(&segment, number == last, &mut next, &mut found, &mut take)?;
            }
            None => found.name(dir, number, 0, DamageKind::SegmentHeader),
        }
    }
    found.lost += known.saturating_sub(next);
    if known > next {
        let end = disk.open(&segment_path(dir, last), Access::Read).and_then(|f| f.len()).unwrap_or(0);
        found.name(dir, last, end, DamageKind::Missing { acknowledged: end });
    }
    Ok(found)
}

impl Rescued {
    fn name(&mut self, dir: &Path, segment: u64, offset: u64, what: DamageKind) {
        self.damage.push(Damage { file: segment_path(dir, segment), offset, what });
    }
}

/// A segment whose header verifies; none where it does not.
fn open_segment(disk: &dyn Disk, dir: &Path, number: u64, options: &Options) -> Result<Option<Segment>, OpenError> {
    let path = segment_path(dir, number);
    let file = disk.open(&path, Access::Read)?;
    let mut bytes = [0; SEGMENT_HEADER as usize];
    let got = file.read_at(&mut bytes, 0)?;
    let header = match SegmentHeader::decode(&bytes, options.format) {
        Ok(header) if got == bytes.len() && header.number == number => header,
        Err(HeaderError::Version(found)) => {
            return Err(OpenError::Version { file: path, found, known: options.format });
        }
        _ => return Ok(None),
    };
    let secret = options.at_rest_key.unwrap_or_default();
    let keys = Keys::derive(&secret, &header);
    if header.sealed != options.at_rest_key.is_some() || keys.check != header.key_check {
        return Err(OpenError::WrongKey { file: path });
    }
    let end = AtomicU64::new(file.len()?);
    Ok(Some(Segment { header, keys, path, file, end }))
}

fn walk<E: From<OpenError>>(
    segment: &Segment,
    last: bool,
    next: &mut u64,
    found: &mut Rescued,
    take: &mut impl FnMut(u64, Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let (file, len) = (&*segment.file, segment.end.load(Ordering::Relaxed));
    let named = |offset, what| Damage { file: segment.path.clone(), offset, what };
    let (mut at, mut window, mut sound) = (SEGMENT_HEADER, Window::default(), true);
    let mut chain = segment.keys.seed(&segment.header);
    while at < len {
        let header = batch(file, &segment.keys, &mut window, at, len)?;
        let Some(header) = header else {
            // once for each stretch; what lies behind the last batch that verifies may be a torn write
            if std::mem::replace(&mut sound, false) && (!last || another(file, &segment.keys, at, len)?) {
                found.damage.push(named(at, DamageKind::Batch));
            }
            at += ALIGN as u64;
            continue;
        };
        if header.first > *next {
            found.lost += header.first - *next;
            if sound {
                found.damage.push(named(at, DamageKind::Order));
            }
        }
        let whole = whole(segment, &mut chain, &header, at, sound)?;
        if !whole {
            found.damage.push(named(at, DamageKind::Batch));
        }
        sound = true;
        let taken = records(segment, &header, at, &mut |number, bytes| {
            found.records += 1;
            take(number, bytes)
        })?;
        found.lost += u64::from(header.records) - taken;
        *next = header.first + u64::from(header.records);
        at += header.frame_len();
    }
    Ok(())
}

/// The header of a batch that lies at `at`, all of it.
fn batch(
    file: &dyn DiskFile,
    keys: &Keys,
    window: &mut Window,
    at: u64,
    len: u64,
) -> Result<Option<FrameHeader>, OpenError> {
    let Some(bytes) = window.get(file, at, FRAME_HEADER, len)? else { return Ok(None) };
    let header = FrameHeader::decode(&field(bytes, 0), keys);
    Ok(header.filter(|header| header.frame_len() <= len - at))
}

/// Whether a whole batch lies anywhere behind `at`.
fn another(file: &dyn DiskFile, keys: &Keys, at: u64, len: u64) -> Result<bool, OpenError> {
    let mut window = Window::default();
    let mut offset = at + ALIGN as u64;
    while offset < len {
        if batch(file, keys, &mut window, offset, len)?.is_some() {
            return Ok(true);
        }
        offset += ALIGN as u64;
    }
    Ok(false)
}

/// Whether a batch's bytes are the ones that its chain value speaks of. Behind damage only the value itself tells the
/// chain before: then the batch's own records decide.
fn whole(
    segment: &Segment,
    chain: &mut [u8; 32],
    header: &FrameHeader,
    at: u64,
    sound: bool,
) -> Result<bool, OpenError> {
    let len = header.frame_len() as usize;
    let mut bytes = vec![0; len];
    segment.file.read_exact_at(&mut bytes, at)?;
    let (body, told) = bytes.split_at(len - TRAILER);
    let told: [u8; TRAILER] = field(told, 0);
    let follows = segment.keys.link(chain, body) == told;
    *chain = told;
    Ok(follows || !sound)
}

/// Hands over the records of a batch that verify; how many.
fn records<E: From<OpenError>>(
    segment: &Segment,
    header: &FrameHeader,
    start: u64,
    take: &mut impl FnMut(u64, Vec<u8>) -> Result<(), E>,
) -> Result<u64, E> {
    let end = start + header.frame_len() - TRAILER as u64;
    let batch = Batch { header: header.clone(), start };
    let (mut at, mut taken) = (start + FRAME_HEADER as u64, 0);
    for index in 0..header.records {
        if at + RECORD_HEADER as u64 > end {
            break;
        }
        let mut bytes = [0; RECORD_HEADER];
        segment.file.read_exact_at(&mut bytes, at).map_err(OpenError::from)?;
        let record = RecordHeader::decode(&bytes);
        if at + record.record_len() > end {
            break;
        }
        let position = Position::new(segment.header.number, at);
        at += record.record_len();
        if record.index != index {
            continue;
        }
        match open_record(segment, &batch, position, record) {
            Ok(payload) => take(header.first + u64::from(index), payload)?,
            Err(ReadError::Disk(error)) => return Err(OpenError::Disk(error).into()),
            Err(_) => continue,
        }
        taken += 1;
    }
    Ok(taken)
}
