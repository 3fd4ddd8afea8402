//! A folder of samples, listed and hashed. File names and contents are hostile by assumption: links are not followed,
//! everything is bounded, and the order does not depend on the disk.

use crate::text;
use crate::warning::Warning;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Folders in folders.
pub const MAX_DEPTH: usize = 8;
/// Files of one scan.
pub const MAX_FILES: usize = 10_000;
/// Messages of one mailbox.
pub const MAX_MESSAGES: usize = 10_000;
/// Messages of one scan.
pub const MAX_MESSAGES_IN_ALL: usize = 50_000;
const MAX_ENTRIES: usize = 100_000;

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Its regular files, sorted by path.
    pub files: Vec<ScannedFile>,
    /// What was passed over, and why.
    pub skipped: Vec<Skipped>,
}

/// One file of a scan.
#[derive(Clone, Debug)]
pub struct ScannedFile {
    /// Where it is; for reading only, never for display.
    pub path: PathBuf,
    /// Its name for display and for the manifest: no path, unique within the scan.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Guessed from its first bytes and its ending.
    pub media_type: &'static str,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// BLAKE3, hex.
    pub blake3: String,
    /// What was odd.
    pub warnings: BTreeSet<Warning>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// One message; also a complaint in the Abuse Reporting Format around one.
    Eml,
    /// Headers pasted into a text file.
    Headers,
    /// A report in XARF v4.
    Xarf,
    /// A message as Outlook saves it.
    Outlook,
    /// A mailbox of several.
    Mbox {
        /// Where its messages are.
        messages: Vec<MessageRange>,
    },
    /// Something else: in the manifest, not analysed.
    Other,
}

/// One message of a mailbox, without its `From ` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRange {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Why something was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A symbolic link.
    Link,
    /// A device, a pipe, a socket.
    Special,
    /// Too many folders in folders.
    TooDeep,
    /// Too many files.
    TooMany,
    /// It could not be read.
    Unreadable,
}

/// Something that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name, made fit to be shown.
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

/// What was named itself cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the samples `{}`", path.display())]
pub struct ScanError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Lists and hashes the regular files under `folder`, or the file of that name.
///
/// # Errors
/// If what is named itself cannot be read. Anything inside a folder that cannot is in [`Scan::skipped`].
pub fn scan(named: &Path) -> Result<Scan, ScanError> {
    scan_all(&[named], |_| ())
}

/// The same of several folders and files; each file once. `progress` is told how many bytes were read.
///
/// # Errors
/// If something that is named itself cannot be read.
pub fn scan_all(named: &[impl AsRef<Path>], mut progress: impl FnMut(u64)) -> Result<Scan, ScanError> {
    let mut out = Scan::default();
    let mut paths = Vec::new();
    let mut entries = 0;
    for path in named.iter().map(AsRef::as_ref) {
        let fail = |source| ScanError { path: path.to_owned(), source };
        // What somebody names is meant, also behind a link; what is only found is not.
        let meant = std::fs::canonicalize(path).map_err(fail)?;
        if std::fs::metadata(&meant).map_err(fail)?.is_dir() {
            list(&meant, &mut entries, &mut paths, &mut out).map_err(fail)?;
        } else {
            open_regular(&meant).map_err(fail)?;
            paths.push(meant);
        }
    }
    paths.sort();
    paths.dedup();
    let mut names = BTreeMap::new();
    let mut messages = 0;
    for path in paths {
        match file(&path, &mut progress) {
            Ok(mut found) => {
                found.name = unique(found.name, &mut names);
                found.cut(MAX_MESSAGES_IN_ALL, &mut messages);
                out.files.push(found);
            }
            Err(_) => out.skip(&path, SkipReason::Unreadable),
        }
    }
    Ok(out)
}

/// The regular files under a folder.
fn list(folder: &Path, entries: &mut usize, paths: &mut Vec<PathBuf>, out: &mut Scan) -> io::Result<()> {
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((path, depth)) = waiting.pop() {
        let listing = match std::fs::read_dir(&path) {
            Ok(listing) => listing,
            Err(e) if depth == 0 => return Err(e),
            Err(_) => {
                out.skip(&path, SkipReason::Unreadable);
                continue;
            }
        };
        for entry in listing {
            *entries += 1;
            let Ok(entry) = entry else {
                out.skip(&path, SkipReason::Unreadable);
                break;
            };
            // The type of the entry itself: a link is a link, wherever it leads.
            match entry.file_type() {
                _ if *entries > MAX_ENTRIES || paths.len() >= MAX_FILES => {
                    out.skip(&entry.path(), SkipReason::TooMany);
                    waiting.clear();
                    break;
                }
                Ok(kind) if kind.is_symlink() => out.skip(&entry.path(), SkipReason::Link),
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => waiting.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_dir() => out.skip(&entry.path(), SkipReason::TooDeep),
                Ok(kind) if kind.is_file() => paths.push(entry.path()),
                Ok(_) => out.skip(&entry.path(), SkipReason::Special),
                Err(_) => out.skip(&entry.path(), SkipReason::Unreadable),
            }
        }
    }
    Ok(())
}

impl ScannedFile {
    /// Messages of all files together are bounded: what is beyond stays in the manifest and is not analysed.
    fn cut(&mut self, max: usize, taken: &mut usize) {
        let own = match &mut self.kind {
            FileKind::Mbox { messages } => {
                let room = max.saturating_sub(*taken);
                if messages.len() > room {
                    messages.truncate(room);
                    self.warnings.insert(Warning::TooManyMessages);
                }
                messages.len()
            }
            FileKind::Other => 0,
            _ => 1,
        };
        *taken += own;
    }
}

impl Scan {
    fn skip(&mut self, path: &Path, reason: SkipReason) {
        if self.skipped.len() < 1_000 {
            self.skipped.push(Skipped { name: display_name(path).0, reason });
        }
    }
}

fn display_name(path: &Path) -> (String, bool) {
    text::file_name(&path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default())
}

/// Files of one name in several folders stay apart: `a.eml`, `a (2).eml`.
fn unique(name: String, taken: &mut BTreeMap<String, u32>) -> String {
    let mut candidate = name.clone();
    while taken.contains_key(&candidate) {
        let n = taken.entry(name.clone()).or_insert(1);
        *n += 1;
        let numbered = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem, format!(" ({n}).{ending}")),
            _ => (name.as_str(), format!(" ({n})")),
        };
        let room = text::MAX_NAME_CHARS.saturating_sub(numbered.1.chars().count());
        candidate = numbered.0.chars().take(room).chain(numbered.1.chars()).collect();
    }
    taken.insert(candidate.clone(), 1);
    candidate
}

/// Opens a regular file and nothing else: no link, and no pipe that would wait for a writer for ever.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

fn file(path: &Path, progress: &mut impl FnMut(u64)) -> io::Result<ScannedFile> {
    let mut head = Vec::new();
    let mut splitter = Splitter::default();
    let mut marked = Mark::default();
    let (size, sha256, blake3) = crate::hashes::stream(open_regular(path)?, |piece| {
        let room = 2_048usize.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(&piece[..room]);
        splitter.feed(piece);
        marked.feed(piece);
        progress(piece.len() as u64);
    })?;
    let (name, changed) = display_name(path);
    let mut warnings = BTreeSet::new();
    if changed {
        warnings.insert(Warning::NameSanitised);
    }
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    let (messages, cut) = splitter.finish();
    let json =
        head.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.trim_ascii_start()).starts_with(b"{");
    let kind = if ending == "msg" && head.starts_with(COMPOUND_FILE) {
        FileKind::Outlook
    } else if json && (marked.seen || ending == "xarf") {
        FileKind::Xarf
    } else if !messages.is_empty() && ending != "eml" {
        FileKind::Mbox { messages }
    } else if ending == "txt" && looks_like_headers(&head) {
        FileKind::Headers
    } else if ending == "eml" || looks_like_headers(&head) {
        FileKind::Eml
    } else {
        FileKind::Other
    };
    if cut && matches!(kind, FileKind::Mbox { .. }) {
        warnings.insert(Warning::TooManyMessages);
    }
    if ending == "msg" && kind == FileKind::Other {
        warnings.insert(Warning::OutlookDamaged);
    }
    let media_type = match kind {
        FileKind::Eml | FileKind::Headers => "message/rfc822",
        FileKind::Mbox { .. } => "application/mbox",
        FileKind::Xarf => "application/json",
        FileKind::Outlook => "application/vnd.ms-outlook",
        FileKind::Other => media_type(&head, &ending),
    };
    Ok(ScannedFile { path: path.to_owned(), name, kind, media_type, size, sha256, blake3, warnings })
}

/// How a compound file begins.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Looks for the key that marks a report in XARF, however the bytes come.
#[derive(Default)]
struct Mark {
    seen: bool,
    tail: Vec<u8>,
}

impl Mark {
    fn feed(&mut self, piece: &[u8]) {
        if self.seen {
            return;
        }
        let mark = crate::xarf::MARK;
        let seam = [&self.tail[..], &piece[..piece.len().min(mark.len())]].concat();
        let within = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark);
        self.seen = within(&seam) || within(piece);
        let kept = [&self.tail[..], &piece[piece.len().saturating_sub(mark.len())..]].concat();
        self.tail = kept[kept.len().saturating_sub(mark.len() - 1)..].to_vec();
    }
}

/// By the first bytes where they are telling, else by the ending. Never decides what is done with a file.
fn media_type(head: &[u8], ending: &str) -> &'static str {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"\x1f\x8b", "application/gzip"),
        (b"Rar!\x1a\x07", "application/vnd.rar"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        (b"MZ", "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF", "application/x-elf"),
    ];
    const ENDINGS: &[(&str, &str)] = &[
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("zip", "application/zip"),
        ("txt", "text/plain"),
        ("log", "text/plain"),
        ("md", "text/plain"),
        ("csv", "text/csv"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("html", "text/html"),
        ("htm", "text/html"),
        ("svg", "image/svg+xml"),
        ("pcap", "application/vnd.tcpdump.pcap"),
        ("msg", "application/vnd.ms-outlook"),
    ];
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return if *kind == "application/x-ole-storage" && ending == "msg" {
            "application/vnd.ms-outlook"
        } else {
            kind
        };
    }
    let by_ending = ENDINGS.iter().find(|(e, _)| *e == ending).map(|(_, kind)| *kind);
    match by_ending {
        Some(kind) => kind,
        None if head.starts_with(b"PK\x03\x04") => "application/zip",
        None => "application/octet-stream",
    }
}

/// Whether a file begins as a message does: with a header that mail has.
fn looks_like_headers(head: &[u8]) -> bool {
    const FIRST: &[&str] = &[
        "received",
        "return-path",
        "delivered-to",
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "authentication-results",
        "arc-seal",
        "dkim-signature",
        "x-original-to",
        "reply-to",
        "received-spf",
    ];
    // What programs paste may begin with a header of their own: then one of the next few must be known.
    let lines = head.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty());
    let own = lines.filter(|l| !l.starts_with(b" ") && !l.starts_with(b"\t")).take(8);
    for line in own {
        let name = line.split(|b| *b == b':').next().filter(|n| n.len() < line.len()).map(<[u8]>::trim_ascii);
        match name {
            Some(name) if FIRST.iter().any(|f| name.eq_ignore_ascii_case(f.as_bytes())) => return true,
            Some(name) if !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') => {}
            _ => return false,
        }
    }
    false
}

/// The messages of a mailbox in memory; none where it is no mailbox.
pub(crate) fn split(mailbox: &[u8]) -> Vec<MessageRange> {
    let mut splitter = Splitter::default();
    splitter.feed(mailbox);
    splitter.finish().0
}

/// Finds the messages of a mailbox in a stream of pieces. A separator is a `From ` line with a time in it, at the
/// beginning or after an empty line, followed by a header: "From here on it was easy." inside a text is none.
#[derive(Default)]
struct Splitter {
    /// The line being read, only its beginning kept.
    line: Vec<u8>,
    line_length: u64,
    at: u64,
    after_blank: bool,
    started: bool,
    /// A `From ` line (where it begins, where it ends) that waits for the line after it.
    candidate: Option<(u64, u64)>,
    /// Where messages begin, and where the one before ends.
    starts: Vec<(u64, u64)>,
    too_many: bool,
}

impl Splitter {
    fn feed(&mut self, piece: &[u8]) {
        // A file that does not begin with a separator is no mailbox: nothing more to look for.
        if self.started && self.starts.is_empty() && self.candidate.is_none() {
            return;
        }
        for part in piece.split_inclusive(|b| *b == b'\n') {
            let room = 300usize.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            self.line_length += part.len() as u64;
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let (begin, end) = (self.at, self.at + self.line_length);
        let line = std::mem::take(&mut self.line);
        if let Some((from, header)) = self.candidate.take()
            && is_header(&line)
        {
            if self.starts.len() < MAX_MESSAGES {
                self.starts.push((from, header));
            } else {
                self.too_many = true;
            }
        }
        if (self.after_blank || !self.started) && is_separator(&line) {
            self.candidate = Some((begin, end));
        }
        self.started = true;
        self.after_blank = line.trim_ascii().is_empty();
        self.at = end;
        self.line_length = 0;
    }

    fn finish(mut self) -> (Vec<MessageRange>, bool) {
        if self.line_length > 0 {
            self.end_line();
        }
        let ends = self.starts.iter().skip(1).map(|(from, _)| *from).chain([self.at]);
        let range = |((_, offset), end): (&(u64, u64), u64)| MessageRange { offset: *offset, length: end - offset };
        (self.starts.iter().zip(ends).map(range).collect(), self.too_many)
    }
}

fn is_separator(line: &[u8]) -> bool {
    let time = |w: &[u8]| w.len() == 5 && w[2] == b':' && [0, 1, 3, 4].iter().all(|i| w[*i].is_ascii_digit());
    line.starts_with(b"From ") && line.len() < 300 && line.windows(5).any(time)
}

fn is_header(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().filter(|n| n.len() < line.len()).unwrap_or_default();
    // ">From " and "From " lines may follow each other in old mailboxes; a header is a word and a colon.
    (1..=80).contains(&name.len()) && name.iter().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn split(text: &str, piece: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        text.as_bytes().chunks(piece).for_each(|p| splitter.feed(p));
        let (ranges, cut) = splitter.finish();
        assert!(!cut);
        ranges.iter().map(|r| text[r.offset as usize..(r.offset + r.length) as usize].to_owned()).collect()
    }

    const MBOX: &str = "From a@b.example Mon Jan  1 10:00:00 2024\nSubject: one\n\ntext\n\nFrom here on it was easy at 10:00.\nNot a header\n\n\
        From c@d.example Tue Jan  2 11:11:11 2024\r\nSubject: two\r\n\r\nFrom x 12:00 in a text without an empty line before\r\n";

    #[test]
    fn a_mailbox_is_split_at_separators_only_however_the_bytes_come() {
        for piece in [1, 7, 4096] {
            let messages = split(MBOX, piece);
            assert_eq!(messages.len(), 2, "pieces of {piece}");
            assert!(messages[0].starts_with("Subject: one") && messages[0].contains("easy"));
            assert!(messages[1].starts_with("Subject: two") && messages[1].contains("before"));
        }
        assert!(split("Subject: x\n\nFrom a Mon Jan 1 10:00:00 2024\nSubject: y\n", 5).is_empty());
        assert!(split("", 1).is_empty());
    }

    #[test]
    fn a_folder_is_listed_in_order_hashed_and_typed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("b.eml"), "Subject: x\n\nhi").unwrap();
        fs::write(dir.path().join("sub/b.eml"), "Subject: y\n\nhi").unwrap();
        fs::write(dir.path().join("box.mbox"), MBOX).unwrap();
        fs::write(dir.path().join("headers.txt"), "Received: from x by y\nFrom: a@b.example\n").unwrap();
        fs::write(dir.path().join("a\u{202e}fdp.pdf"), "%PDF-1.7").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link.eml")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe.eml"), rustix::fs::Mode::RWXU).unwrap();
        let found = scan(dir.path()).unwrap();
        let table: Vec<_> = found.files.iter().map(|f| (f.name.as_str(), f.media_type)).collect();
        assert_eq!(
            table,
            [
                ("afdp.pdf", "application/pdf"),
                ("b.eml", "message/rfc822"),
                ("box.mbox", "application/mbox"),
                ("headers.txt", "message/rfc822"),
                ("b (2).eml", "message/rfc822"),
            ]
        );
        assert!(found.files[0].warnings.contains(&Warning::NameSanitised));
        assert_eq!(found.files[1].sha256, crate::hashes::of(b"Subject: x\n\nhi").0);
        assert_eq!(found.files[1].size, 14);
        let mut reasons: Vec<_> = found.skipped.iter().map(|s| s.reason).collect();
        reasons.sort();
        assert_eq!(reasons, [SkipReason::Link, SkipReason::Special]);
    }

    #[test]
    fn folders_in_folders_end_somewhere() {
        let dir = tempfile::tempdir().unwrap();
        let deep = (0..20).fold(dir.path().to_owned(), |p, _| p.join("d"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("x.eml"), "Subject: x\n").unwrap();
        let found = scan(dir.path()).unwrap();
        assert!(found.files.is_empty());
        assert_eq!(found.skipped[0].reason, SkipReason::TooDeep);
        assert!(scan(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn equal_names_stay_apart_within_their_bound() {
        let mut taken = BTreeMap::new();
        let long = format!("{}.eml", "x".repeat(text::MAX_NAME_CHARS - 4));
        let names: BTreeSet<String> = (0..12).map(|_| unique(long.clone(), &mut taken)).collect();
        assert_eq!(names.len(), 12);
        assert!(names.iter().all(|n| n.chars().count() <= text::MAX_NAME_CHARS && n.ends_with(".eml")));
    }
}
