//! The mark: how far appends were acknowledged. Two slots of one sector each, written in turn and in place after each
//! append, without a sync of its own. It is a lower bound: exact after a kill, lagging after a power cut, and a journal
//! that holds less than its mark says has lost something.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::format::field;
use super::scan::{Damage, DamageKind};
use super::{OpenError, Segment};
use crate::atomic_file;
use crate::disk::{Access, Disk, DiskError, DiskFile};

const MAGIC: &[u8; 8] = b"LAPWMARK";
const SLOT: usize = 512;

/// An acknowledged end of the journal. The default one says: nothing was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Grows by one with each write.
    pub turn: u64,
    /// The number of the segment.
    pub segment: u64,
    /// Where the acknowledged bytes in it end.
    pub end: u64,
    /// Records up to there.
    pub count: u64,
    /// The chain there.
    pub chain: [u8; 32],
}

impl Mark {
    pub fn at(segment: &Segment, end: u64, count: u64, chain: [u8; 32]) -> Self {
        debug_assert!(segment.end.load(Ordering::Relaxed) <= end);
        Self { turn: 0, segment: segment.header.number, end, count, chain }
    }

    fn encode(&self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.turn.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.segment.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.count.to_le_bytes());
        bytes[40..72].copy_from_slice(&self.chain);
        let check = blake3::hash(&bytes[..SLOT - 32]);
        bytes[SLOT - 32..].copy_from_slice(check.as_bytes());
        bytes
    }

    /// A file of this mark, both slots.
    pub fn file(&self) -> Vec<u8> {
        let slot = self.encode();
        [slot, slot].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SLOT || bytes[..8] != *MAGIC || blake3::hash(&bytes[..SLOT - 32]) != field(bytes, SLOT - 32) {
            return None;
        }
        Some(Self {
            turn: u64::from_le_bytes(field(bytes, 8)),
            segment: u64::from_le_bytes(field(bytes, 16)),
            end: u64::from_le_bytes(field(bytes, 24)),
            count: u64::from_le_bytes(field(bytes, 32)),
            chain: field(bytes, 40),
        })
    }

    /// Refuses a journal that ends (at segment and offset, `None` when there is no segment) before the mark.
    pub fn check_against(&self, dir: &Path, ends: Option<(u64, u64)>) -> Result<(), Damage> {
        if ends.unwrap_or((0, 0)) >= (self.segment, self.end) {
            return Ok(());
        }
        let (segment, offset) = ends.filter(|(segment, _)| *segment == self.segment).unwrap_or((self.segment, 0));
        let what = DamageKind::Missing { acknowledged: self.end };
        Err(Damage { file: super::segment_path(dir, segment), offset, what })
    }
}

/// The mark's name in the journal's folder.
pub const NAME: &str = "mark";

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// The mark on disk, and whether it needs to be written anew. A mark that is missing or wholly unreadable beside
/// existing segments is damage, unless an operator has decided otherwise.
pub fn load(disk: &dyn Disk, dir: &Path, segments: bool, salvage: bool) -> Result<(Mark, bool), OpenError> {
    let path = path(dir);
    let Some(bytes) = atomic_file::read(disk, &path)? else {
        if segments && !salvage {
            return Err(Damage { file: path, offset: 0, what: DamageKind::MarkMissing }.into());
        }
        return Ok((Mark::default(), segments));
    };
    let whole = bytes.len() == 2 * SLOT;
    let slots: Vec<Option<Mark>> = bytes.chunks(SLOT).take(2).map(Mark::decode).collect();
    let repaired = !whole || slots.contains(&None);
    if repaired {
        tracing::warn!(file = %path.display(), "the journal's mark is damaged");
    }
    match slots.into_iter().flatten().max_by_key(|mark| mark.turn) {
        Some(mark) => Ok((mark, repaired)),
        None if salvage => Ok((Mark::default(), true)),
        None => Err(Damage { file: path, offset: 0, what: DamageKind::Mark }.into()),
    }
}

/// The open mark.
#[derive(Debug)]
pub struct MarkFile {
    file: Box<dyn DiskFile>,
    turn: u64,
}

impl MarkFile {
    /// Continues an existing mark.
    pub fn open(disk: &dyn Disk, dir: &Path, turn: u64) -> Result<Self, DiskError> {
        Ok(Self { file: disk.open(&path(dir), Access::ReadWrite)?, turn })
    }

    /// Writes both slots anew, durably.
    pub fn replace(disk: &dyn Disk, dir: &Path, mark: Mark) -> Result<Self, DiskError> {
        atomic_file::replace(disk, &path(dir), &mark.file())?;
        Self::open(disk, dir, mark.turn)
    }

    /// Writes the next slot, not synced.
    pub fn write(&mut self, mark: Mark) -> Result<(), DiskError> {
        let turn = self.turn + 1;
        self.file.write_at(&Mark { turn, ..mark }.encode(), turn % 2 * SLOT as u64)?;
        self.turn = turn;
        Ok(())
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data()
    }
}
