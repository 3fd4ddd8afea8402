//! The bytes of segments, batches and records. All numbers little-endian but for [`Position`].

use std::fmt;

use zeroize::Zeroizing;

/// Length of a segment's header in bytes.
pub const SEGMENT_HEADER: u64 = 192;
/// Batches start and end at multiples of this, so that no batch header spans two sectors.
pub const ALIGN: usize = 64;
/// Length of a batch's header in bytes.
pub const FRAME_HEADER: usize = 64;
/// Length of the chain value that ends a batch, in bytes: its commit mark.
pub const TRAILER: usize = 32;
/// Length of a record's header in bytes.
pub const RECORD_HEADER: usize = 12;
/// Length of a record's seal in bytes.
pub const TAG: usize = 16;
/// Length of a batch's random nonce; a record's index makes it 24.
pub const NONCE: usize = 20;

const SEGMENT_MAGIC: &[u8; 8] = b"LAPWJRNL";
const FRAME_MAGIC: &[u8; 4] = b"LWB1";

/// Where a record lies in the journal. Ordered as the records are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    segment: u64,
    offset: u64,
}

impl Position {
    pub(crate) const fn new(segment: u64, offset: u64) -> Self {
        Self { segment, offset }
    }

    /// The number of the segment, from 1.
    pub const fn segment(self) -> u64 {
        self.segment
    }

    /// The offset of the record in its segment's file, in bytes.
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// Sixteen bytes that order as positions do (big-endian), for keys and values of the index.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.segment.to_be_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    /// The reverse of [`Position::to_bytes`]. Any bytes make a position; whether it leads anywhere shows at the read.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { segment: u64::from_be_bytes(field(&bytes, 0)), offset: u64::from_be_bytes(field(&bytes, 8)) }
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// `N` bytes of `bytes` at `at`; callers pass slices that have them.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

/// The keys of one segment.
#[derive(Clone)]
pub struct Keys {
    /// Seals records.
    pub record: Zeroizing<[u8; 32]>,
    /// Keys the batch checks and the chain.
    frame: Zeroizing<[u8; 32]>,
    /// Tells another at-rest key from damage.
    pub check: [u8; 16],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

impl Keys {
    /// The keys of a segment from the at-rest key (all zeros where there is none) and the segment's salt and number.
    pub fn derive(secret: &[u8; 32], header: &SegmentHeader) -> Self {
        let mut material = Zeroizing::new([0; 72]);
        material[..32].copy_from_slice(secret);
        material[32..64].copy_from_slice(&header.salt);
        material[64..].copy_from_slice(&header.number.to_le_bytes());
        Self {
            record: Zeroizing::new(blake3::derive_key("lapwing/1 journal record key", &*material)),
            frame: Zeroizing::new(blake3::derive_key("lapwing/1 journal frame key", &*material)),
            check: field(&blake3::derive_key("lapwing/1 journal key check", &*material), 0),
        }
    }

    /// The chain at the start of a segment: it covers the header, and through it the segment before.
    pub fn seed(&self, header: &SegmentHeader) -> [u8; 32] {
        *blake3::keyed_hash(&self.frame, &header.encode()).as_bytes()
    }

    /// The chain after a batch, given all of its bytes but the chain.
    pub fn link(&self, before: &[u8; 32], frame: &[u8]) -> [u8; 32] {
        let mut hasher = self.linker(before);
        hasher.update(frame);
        *hasher.finalize().as_bytes()
    }

    /// As [`Keys::link`], for bytes that come in pieces.
    pub fn linker(&self, before: &[u8; 32]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.frame);
        hasher.update(before);
        hasher
    }

    fn frame_check(&self, bytes: &[u8]) -> [u8; 16] {
        field(blake3::keyed_hash(&self.frame, bytes).as_bytes(), 0)
    }
}

/// The first bytes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The format of what its records hold: [`super::Options::format`] of the writer that began it.
    pub version: u16,
    /// From 1, without gaps.
    pub number: u64,
    /// Records before this segment.
    pub first: u64,
    /// Where the segment before ends; what lies behind was never acknowledged. 0 for the first segment.
    pub previous_end: u64,
    /// The epoch of the writer that began this segment.
    pub epoch: u64,
    /// Random, for this segment's keys.
    pub salt: [u8; 32],
    /// The chain at the end of the segment before; zeros for the first segment.
    pub previous_chain: [u8; 32],
    /// See [`Keys::check`].
    pub key_check: [u8; 16],
    /// Whether an at-rest key is in use.
    pub sealed: bool,
}

/// Why a segment's header is not taken.
#[derive(Debug)]
pub enum HeaderError {
    /// It does not verify.
    Damaged,
    /// It is of a later version than the reader's.
    Version(u16),
}

impl SegmentHeader {
    /// The header of a journal's first segment, without salt and key check.
    pub fn first(epoch: u64, version: u16) -> Self {
        Self {
            version,
            number: 1,
            first: 0,
            previous_end: 0,
            epoch,
            salt: [0; 32],
            previous_chain: [0; 32],
            key_check: [0; 16],
            sealed: false,
        }
    }

    pub fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10..12].copy_from_slice(&u16::from(self.sealed).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.salt);
        bytes[80..112].copy_from_slice(&self.previous_chain);
        bytes[112..128].copy_from_slice(&self.key_check);
        // Without a key: damage must be told from another key.
        let check = blake3::hash(&bytes[..160]);
        bytes[160..].copy_from_slice(check.as_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; SEGMENT_HEADER as usize], known: u16) -> Result<Self, HeaderError> {
        if blake3::hash(&bytes[..160]) != field(bytes, 160) || bytes[..8] != *SEGMENT_MAGIC {
            return Err(HeaderError::Damaged);
        }
        let version = u16::from_le_bytes(field(bytes, 8));
        if version > known {
            return Err(HeaderError::Version(version));
        }
        let header = Self {
            version,
            number: u64::from_le_bytes(field(bytes, 16)),
            first: u64::from_le_bytes(field(bytes, 24)),
            previous_end: u64::from_le_bytes(field(bytes, 32)),
            epoch: u64::from_le_bytes(field(bytes, 40)),
            salt: field(bytes, 48),
            previous_chain: field(bytes, 80),
            key_check: field(bytes, 112),
            sealed: bytes[10] & 1 == 1,
        };
        // One encoding only: what this version leaves zero must be zero.
        if version > 0 && header.encode() == *bytes { Ok(header) } else { Err(HeaderError::Damaged) }
    }
}

/// The first bytes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The writer's epoch.
    pub epoch: u64,
    /// Records in the journal before this batch.
    pub first: u64,
    /// Records in this batch.
    pub records: u32,
    /// Bytes between this header and the chain, padding included.
    pub body: u32,
    /// Random.
    pub nonce: [u8; NONCE],
}

impl FrameHeader {
    pub fn encode(&self, keys: &Keys) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[..4].copy_from_slice(FRAME_MAGIC);
        bytes[4..12].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.first.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.records.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body.to_le_bytes());
        bytes[28..48].copy_from_slice(&self.nonce);
        let check = keys.frame_check(&bytes[..48]);
        bytes[48..].copy_from_slice(&check);
        bytes
    }

    /// `None` when it does not verify.
    pub fn decode(bytes: &[u8; FRAME_HEADER], keys: &Keys) -> Option<Self> {
        if bytes[..4] != *FRAME_MAGIC || keys.frame_check(&bytes[..48]) != field::<16>(bytes, 48) {
            return None;
        }
        Some(Self {
            epoch: u64::from_le_bytes(field(bytes, 4)),
            first: u64::from_le_bytes(field(bytes, 12)),
            records: u32::from_le_bytes(field(bytes, 20)),
            body: u32::from_le_bytes(field(bytes, 24)),
            nonce: field(bytes, 28),
        })
    }

    /// Length of the whole batch in bytes.
    pub fn frame_len(&self) -> u64 {
        FRAME_HEADER as u64 + u64::from(self.body) + TRAILER as u64
    }

    /// The nonce of one of its records.
    pub fn nonce_of(&self, index: u32) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..NONCE].copy_from_slice(&self.nonce);
        nonce[NONCE..].copy_from_slice(&index.to_le_bytes());
        nonce
    }
}

/// The first bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bytes of the payload.
    pub len: u32,
    /// Its place in the batch, from 0.
    pub index: u32,
    /// Bytes from the batch's start to this record.
    pub back: u32,
}

impl RecordHeader {
    pub fn encode(self) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&self.len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8..].copy_from_slice(&self.back.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; RECORD_HEADER]) -> Self {
        Self {
            len: u32::from_le_bytes(field(bytes, 0)),
            index: u32::from_le_bytes(field(bytes, 4)),
            back: u32::from_le_bytes(field(bytes, 8)),
        }
    }

    /// Length of the whole record in bytes.
    pub fn record_len(self) -> u64 {
        (RECORD_HEADER + TAG) as u64 + u64::from(self.len)
    }
}

/// What a record's seal covers besides its payload: where it lies and its header.
pub fn associated(position: Position, record: &[u8; RECORD_HEADER]) -> [u8; 16 + RECORD_HEADER] {
    let mut bytes = [0; 16 + RECORD_HEADER];
    bytes[..16].copy_from_slice(&position.to_bytes());
    bytes[16..].copy_from_slice(record);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn positions_order_as_their_bytes() {
        let positions = [Position::new(1, 300), Position::new(1, 65_536), Position::new(2, 192), Position::new(256, 0)];
        for pair in positions.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_bytes() < pair[1].to_bytes());
            assert_eq!(Position::from_bytes(pair[0].to_bytes()), pair[0]);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let mut header = SegmentHeader::first(7, 3);
        header.salt = [3; 32];
        let keys = Keys::derive(&[1; 32], &header);
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes, 3).unwrap(), header);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped, 3).is_err(), "bit {bit}");
        }
        let frame = FrameHeader { epoch: 1, first: 2, records: 3, body: 4, nonce: [5; NONCE] };
        let bytes = frame.encode(&keys);
        assert_eq!(FrameHeader::decode(&bytes, &keys).unwrap(), frame);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(&flipped, &keys).is_none(), "bit {bit}");
        }
    }
}
