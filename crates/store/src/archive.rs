//! An archive: many files as one encrypted stream that shows any change, for backups.
//!
//! ```text
//! archive = magic 8 · version 2 · length of the header 4 · header · nonce 19 · chunk… · BLAKE3 of all before 32
//! chunk   = seal(up to 1 MiB of the content) 16 more            STREAM: nonce · number of the chunk 4 · last? 1,
//! content = (length of the name 2 · name · length 8 · bytes)… · 0 0      every chunk bound to the header
//! ```
//!
//! Whoever has no key can tell from the hash at the end that every byte is there; whoever has it, that nobody made it up.
//! The header is the caller's and readable by anyone. Names are relative paths of plain characters: what is unpacked
//! never leaves its folder.
//!
//! It is read from, not written to ([`Pack`] is a [`Read`] of known length), so that it can be sent while files are read
//! one after the other; memory stays flat.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"LAPWARCH";
/// The layout that this program writes and reads.
pub const VERSION: u16 = 1;
/// Plaintext bytes of a chunk.
const CHUNK: usize = 1 << 20;
const TAG: usize = 16;
const NONCE: usize = 19;
/// Bytes of a header at most.
pub const MAX_HEADER: usize = 64 << 10;
/// Bytes of a name at most.
const MAX_NAME: usize = 255;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be read, or what it holds not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no archive.
    #[error("this is no archive")]
    Magic,
    /// A later program made it.
    #[error("this archive has layout {0}; this program knows layouts up to {VERSION}")]
    Version(u16),
    /// It ends early.
    #[error("the archive is cut short")]
    Cut,
    /// Its hash does not fit.
    #[error("the archive is damaged: its hash does not fit")]
    Damaged,
    /// It does not open with this key, or it was changed and its hash made anew.
    #[error("the archive does not open with this key")]
    Key,
    /// Its content is not one.
    #[error("the archive's content is not one: {0}")]
    Content(&'static str),
}

/// Where the bytes of a file in an archive come from.
#[derive(Debug)]
pub enum Source {
    /// From here.
    Bytes(Vec<u8>),
    /// The first bytes of a file: as many as the item says. A file that has fewer ends the archive with an error.
    File(PathBuf),
}

/// A file in an archive.
#[derive(Debug)]
pub struct Item {
    /// Its name: a relative path with `/`.
    pub name: String,
    /// Its bytes.
    pub len: u64,
    /// Where they come from.
    pub source: Source,
}

impl Item {
    /// Bytes under a name.
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Item { name: name.into(), len: bytes.len() as u64, source: Source::Bytes(bytes) }
    }
}

/// Whether a name may stand in an archive.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    name.len() <= MAX_NAME && name.split('/').all(part)
}

fn nonce(prefix: &[u8; NONCE], number: u32, last: bool) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..NONCE].copy_from_slice(prefix);
    nonce[NONCE..23].copy_from_slice(&number.to_be_bytes());
    nonce[23] = u8::from(last);
    nonce.into()
}

/// Bytes of the archive of `items` under a header of `header` bytes.
fn packed_len(items: &[Item], header: usize) -> u64 {
    let content: u64 = items.iter().map(|i| 2 + i.name.len() as u64 + 8 + i.len).sum::<u64>() + 2;
    let chunks = content.div_ceil(CHUNK as u64);
    (8 + 2 + 4 + header + NONCE) as u64 + content + chunks * TAG as u64 + 32
}

/// An archive that is made while it is read.
pub struct Pack {
    items: std::vec::IntoIter<Item>,
    file: Option<(Box<dyn Read + Send>, u64)>,
    /// Content that waits to be sealed.
    content: Vec<u8>,
    ended: bool,
    /// Sealed bytes that wait to be read, and how many were.
    out: Vec<u8>,
    at: usize,
    key: Zeroizing<[u8; 32]>,
    prefix: [u8; NONCE],
    number: u32,
    bound: [u8; 32],
    hasher: blake3::Hasher,
    done: bool,
    len: u64,
}

impl Pack {
    /// Packs `items` under `key`, which is for this archive alone, with a header that anyone can read.
    pub fn new(header: &[u8], key: Zeroizing<[u8; 32]>, items: Vec<Item>) -> Result<Self, ArchiveError> {
        if header.len() > MAX_HEADER {
            return Err(ArchiveError::Content("the header is too long"));
        }
        if items.iter().any(|item| !is_name(&item.name)) {
            return Err(ArchiveError::Content("a name is none"));
        }
        let mut prefix = [0; NONCE];
        getrandom::fill(&mut prefix).map_err(io::Error::other)?;
        let len = packed_len(&items, header.len());
        let header_len = u32::try_from(header.len()).expect("at most 64 KiB");
        let out = [&MAGIC[..], &VERSION.to_le_bytes(), &header_len.to_le_bytes(), header, &prefix].concat();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&out);
        Ok(Pack {
            items: items.into_iter(),
            file: None,
            content: Vec::with_capacity(CHUNK + TAG),
            ended: false,
            bound: *blake3::hash(&out).as_bytes(),
            out,
            at: 0,
            key,
            prefix,
            number: 0,
            hasher,
            done: false,
            len,
        })
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.done && self.at == self.out.len()
    }

    /// Never: an archive has a beginning and an end.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Gathers content until a chunk is full or there is no more.
    fn gather(&mut self) -> io::Result<()> {
        while self.content.len() < CHUNK && !self.ended {
            if let Some((file, left)) = &mut self.file {
                let room = (CHUNK - self.content.len()) as u64;
                let wanted = room.min(*left);
                let got = file.by_ref().take(wanted).read_to_end(&mut self.content)? as u64;
                if got < wanted {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "a file became shorter while it was packed",
                    ));
                }
                *left -= got;
                if *left == 0 {
                    self.file = None;
                }
                continue;
            }
            match self.items.next() {
                Some(item) => {
                    let name = u16::try_from(item.name.len()).expect("names are checked");
                    self.content.extend_from_slice(&name.to_le_bytes());
                    self.content.extend_from_slice(item.name.as_bytes());
                    self.content.extend_from_slice(&item.len.to_le_bytes());
                    let file: Box<dyn Read + Send> = match item.source {
                        Source::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
                        Source::File(path) => Box::new(File::open(path)?),
                    };
                    self.file = (item.len > 0).then_some((file, item.len));
                }
                None => {
                    self.content.extend_from_slice(&[0, 0]);
                    self.ended = true;
                }
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        self.gather()?;
        // a name may have gone over the edge of the chunk: it begins the next one
        let over = self.content.split_off(self.content.len().min(CHUNK));
        let last = self.ended && over.is_empty();
        let cipher = XChaCha20Poly1305::new(&(*self.key).into());
        cipher
            .encrypt_in_place(&nonce(&self.prefix, self.number, last), &self.bound, &mut self.content)
            .map_err(|_| io::Error::other("a chunk could not be sealed"))?;
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::other("an archive has at most 4 PiB"))?;
        self.out = std::mem::replace(&mut self.content, over);
        self.hasher.update(&self.out);
        if last {
            self.out.extend_from_slice(self.hasher.finalize().as_bytes());
            self.done = true;
        }
        self.at = 0;
        Ok(())
    }
}

impl Read for Pack {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.out.len() {
            if self.done {
                return Ok(0);
            }
            self.seal()?;
        }
        let n = buf.len().min(self.out.len() - self.at);
        buf[..n].copy_from_slice(&self.out[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Fills `buf` as far as the reader goes.
fn fill(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buf.len() {
        match reader.read(&mut buf[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}

fn exact<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], ArchiveError> {
    let mut bytes = [0; N];
    if fill(reader, &mut bytes)? < N { Err(ArchiveError::Cut) } else { Ok(bytes) }
}

/// The beginning of an archive.
struct Front {
    header: Vec<u8>,
    prefix: [u8; NONCE],
    /// All of it, as it stands in the file.
    bytes: Vec<u8>,
}

fn front(reader: &mut impl Read) -> Result<Front, ArchiveError> {
    let magic: [u8; 8] = exact(reader)?;
    if magic != *MAGIC {
        return Err(ArchiveError::Magic);
    }
    let version: [u8; 2] = exact(reader)?;
    if u16::from_le_bytes(version) > VERSION {
        return Err(ArchiveError::Version(u16::from_le_bytes(version)));
    }
    let len: [u8; 4] = exact(reader)?;
    let header_len = u32::from_le_bytes(len) as usize;
    if header_len > MAX_HEADER {
        return Err(ArchiveError::Damaged);
    }
    let mut header = vec![0; header_len];
    if fill(reader, &mut header)? < header_len {
        return Err(ArchiveError::Cut);
    }
    let prefix: [u8; NONCE] = exact(reader)?;
    let bytes = [&magic[..], &version, &len, &header, &prefix].concat();
    Ok(Front { header, prefix, bytes })
}

/// Reads an archive without its key: every byte is there, none has changed by accident. Its header.
pub fn check(mut reader: impl Read) -> Result<Vec<u8>, ArchiveError> {
    let front = front(&mut reader)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&front.bytes);
    // the last 32 bytes are the hash of those before
    let mut tail: Vec<u8> = Vec::new();
    let mut buf = vec![0; CHUNK];
    loop {
        let n = fill(&mut reader, &mut buf)?;
        tail.extend_from_slice(&buf[..n]);
        let settled = tail.len().saturating_sub(32);
        hasher.update(&tail[..settled]);
        tail.drain(..settled);
        if n < buf.len() {
            break;
        }
    }
    if tail.len() < 32 {
        return Err(ArchiveError::Cut);
    }
    if *hasher.finalize().as_bytes() != tail[..] { Err(ArchiveError::Damaged) } else { Ok(front.header) }
}

/// The header of an archive, unverified: to find the key by.
pub fn header(mut reader: impl Read) -> Result<Vec<u8>, ArchiveError> {
    Ok(front(&mut reader)?.header)
}

/// Opens chunk after chunk.
struct Opened<'a, R> {
    reader: &'a mut R,
    cipher: XChaCha20Poly1305,
    prefix: [u8; NONCE],
    bound: [u8; 32],
    hasher: blake3::Hasher,
    number: u32,
    /// Sealed bytes that were read ahead: what may be the hash at the end.
    ahead: Vec<u8>,
    content: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Opened<'_, R> {
    fn advance(&mut self) -> Result<(), ArchiveError> {
        if self.ended {
            return Err(ArchiveError::Content("it ends within a file"));
        }
        // a byte more than a last chunk can have with the hash behind it
        let wanted = CHUNK + TAG + 32 + 1;
        let have = self.ahead.len();
        self.ahead.resize(wanted, 0);
        let n = have + fill(self.reader, &mut self.ahead[have..])?;
        self.ahead.truncate(n);
        let last = n < wanted;
        let sealed = if last { n.checked_sub(32).ok_or(ArchiveError::Cut)? } else { CHUNK + TAG };
        let rest = self.ahead.split_off(sealed);
        self.hasher.update(&self.ahead);
        let nonce = nonce(&self.prefix, self.number, last);
        self.cipher.decrypt_in_place(&nonce, &self.bound, &mut self.ahead).map_err(|_| ArchiveError::Key)?;
        self.content = std::mem::replace(&mut self.ahead, rest);
        self.at = 0;
        self.number = self.number.wrapping_add(1);
        if last {
            if *self.hasher.finalize().as_bytes() != self.ahead[..] {
                return Err(ArchiveError::Damaged);
            }
            self.ended = true;
        }
        Ok(())
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<(), ArchiveError> {
        let mut filled = 0;
        while filled < buf.len() {
            if self.at == self.content.len() {
                self.advance()?;
                continue;
            }
            let n = (buf.len() - filled).min(self.content.len() - self.at);
            buf[filled..filled + n].copy_from_slice(&self.content[self.at..self.at + n]);
            (filled, self.at) = (filled + n, self.at + n);
        }
        Ok(())
    }
}

/// One file of an archive, to be read by whoever unpacks it.
struct Content<'a, 'b, R> {
    opened: &'a mut Opened<'b, R>,
    left: u64,
    failed: Option<ArchiveError>,
}

impl<R: Read> Read for Content<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buf.is_empty() {
            return Ok(0);
        }
        if self.opened.at == self.opened.content.len()
            && let Err(error) = self.opened.advance()
        {
            let text = error.to_string();
            self.failed = Some(error);
            return Err(io::Error::other(text));
        }
        let here = self.opened.content.len() - self.opened.at;
        let n = buf.len().min(here).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buf[..n].copy_from_slice(&self.opened.content[self.opened.at..self.opened.at + n]);
        self.opened.at += n;
        self.left -= n as u64;
        Ok(n)
    }
}

/// Unpacks an archive: each file with its name, its length and its bytes, in order. What `take` leaves unread is
/// skipped. Only when this returns `Ok` was all of it there; until then nothing of it is to be relied on.
pub fn unpack(
    mut reader: impl Read,
    key: &[u8; 32],
    mut take: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), ArchiveError> {
    let front = front(&mut reader)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&front.bytes);
    let mut opened = Opened {
        cipher: XChaCha20Poly1305::new(&(*key).into()),
        prefix: front.prefix,
        bound: *blake3::hash(&front.bytes).as_bytes(),
        hasher,
        number: 0,
        ahead: Vec::new(),
        content: Vec::new(),
        at: 0,
        ended: false,
        reader: &mut reader,
    };
    loop {
        let mut len = [0; 2];
        opened.take(&mut len)?;
        let len = usize::from(u16::from_le_bytes(len));
        if len == 0 {
            break;
        }
        let mut name = vec![0; len];
        opened.take(&mut name)?;
        let name =
            String::from_utf8(name).ok().filter(|n| is_name(n)).ok_or(ArchiveError::Content("a name is none"))?;
        let mut len = [0; 8];
        opened.take(&mut len)?;
        let len = u64::from_le_bytes(len);
        let mut content = Content { opened: &mut opened, left: len, failed: None };
        let taken = take(&name, len, &mut content);
        if let Some(error) = content.failed {
            return Err(error);
        }
        taken?;
        io::copy(&mut content, &mut io::sink()).map_err(|e| content.failed.take().unwrap_or(ArchiveError::Io(e)))?;
    }
    if !opened.ended || opened.at != opened.content.len() {
        return Err(ArchiveError::Content("it goes on behind its end"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    const KEY: [u8; 32] = [7; 32];

    fn pack(items: Vec<Item>) -> Vec<u8> {
        let mut pack = Pack::new(b"of whom", Zeroizing::new(KEY), items).unwrap();
        let mut bytes = Vec::new();
        pack.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, pack.len());
        bytes
    }

    fn open(bytes: &[u8], key: &[u8; 32]) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
        let mut files = BTreeMap::new();
        unpack(bytes, key, |name, len, content| {
            let mut file = Vec::new();
            content.read_to_end(&mut file)?;
            assert_eq!(file.len() as u64, len);
            files.insert(name.to_owned(), file);
            Ok(())
        })?;
        Ok(files)
    }

    fn some(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn every_file_comes_back_whatever_its_length_against_the_chunks() {
        let dir = tempfile::tempdir().unwrap();
        for len in [0, 1, CHUNK - 40, CHUNK - 16, CHUNK - 15, CHUNK - 14, CHUNK - 13, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let path = dir.path().join("file");
            std::fs::write(&path, some(len + 10)).unwrap();
            let file = Item { name: "a/b".into(), len: len as u64, source: Source::File(path) };
            let bytes = pack(vec![file, Item::bytes("c", some(3)), Item::bytes("empty", Vec::new())]);
            assert_eq!(check(&bytes[..]).unwrap(), b"of whom");
            let files = open(&bytes, &KEY).unwrap();
            assert_eq!(files["a/b"], some(len), "{len}");
            assert_eq!((&files["c"], files["empty"].len()), (&some(3), 0));
        }
        assert!(open(&pack(Vec::new()), &KEY).unwrap().is_empty());
    }

    #[test]
    fn a_flipped_bit_or_a_cut_is_found_with_and_without_the_key() {
        let bytes = pack(vec![Item::bytes("journal/1", some(CHUNK + 500)), Item::bytes("x", some(9))]);
        for at in (0..48).chain(CHUNK + 60..CHUNK + 70).chain(bytes.len() - 40..bytes.len()) {
            let mut bent = bytes.clone();
            bent[at] ^= 4;
            assert!(check(&bent[..]).is_err(), "byte {at}");
            assert!(open(&bent, &KEY).is_err(), "byte {at}");
        }
        for end in [0, 5, 40, 100, CHUNK, CHUNK + 20, bytes.len() - 40, bytes.len() - 32, bytes.len() - 1] {
            assert!(check(&bytes[..end]).is_err() && open(&bytes[..end], &KEY).is_err(), "cut at {end}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(check(&longer[..]).is_err() && open(&longer, &KEY).is_err());
        assert!(matches!(open(&bytes, &[8; 32]), Err(ArchiveError::Key)));
    }

    #[test]
    fn what_is_changed_on_purpose_does_not_open_even_with_its_hash_made_anew() {
        let bytes = pack(vec![Item::bytes("x", some(2 * CHUNK))]);
        let whole = bytes.len() - 32;
        let again = |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() - 32);
            let hash = *blake3::hash(&bytes).as_bytes();
            [bytes, hash.to_vec()].concat()
        };
        // another header, a chunk changed, two chunks exchanged, the last chunk left out
        let mut header = bytes.clone();
        header[15] ^= 1;
        let mut chunk = bytes.clone();
        chunk[whole - 5] ^= 1;
        let front = 8 + 2 + 4 + 7 + NONCE;
        let mut moved = bytes.clone();
        moved[front..front + 2 * (CHUNK + TAG)].rotate_left(CHUNK + TAG);
        let shorter = bytes[..front + 2 * (CHUNK + TAG) + 32].to_vec();
        for (what, bent) in [("header", header), ("chunk", chunk), ("moved", moved), ("shorter", shorter)] {
            let bent = again(bent);
            assert!(check(&bent[..]).is_ok(), "{what}: the plain hash cannot tell");
            assert!(matches!(open(&bent, &KEY), Err(ArchiveError::Key)), "{what}");
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_none_and_later_layouts_are_refused() {
        for name in ["../x", "/etc/x", "a//b", "a/./b", "", "a\\b", "x\n", &"y".repeat(256)] {
            assert!(Pack::new(b"", Zeroizing::new(KEY), vec![Item::bytes(name, Vec::new())]).is_err(), "{name}");
        }
        let mut later = pack(Vec::new());
        later[8] = 2;
        assert!(matches!(check(&later[..]), Err(ArchiveError::Version(2))));
        assert!(matches!(check(&b"not one"[..]), Err(ArchiveError::Cut)));
        assert!(matches!(check(&b"something else"[..]), Err(ArchiveError::Magic)));
    }

    #[test]
    fn a_file_that_became_shorter_ends_the_archive_with_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"short").unwrap();
        let item = Item { name: "f".into(), len: 50, source: Source::File(path) };
        let mut pack = Pack::new(b"", Zeroizing::new(KEY), vec![item]).unwrap();
        assert!(pack.read_to_end(&mut Vec::new()).is_err());
    }
}
