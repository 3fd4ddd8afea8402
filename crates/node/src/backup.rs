//! Backups: a running node's data as encrypted archives that anyone can check and only the backup key's holder opens.
//!
//! ```text
//! part data      config, charter, identity, keys, tokens, journal (as of one moment), evidence     kept as long as wanted
//! part keyring   case keys, evidence keys, encryption keys                                         kept apart, and expires
//! ```
//!
//! The keyring goes apart because erasure is complete only when the last copy of a destroyed key has expired (protocol
//! §6): its part names the day, and is refused after it. Both are sealed to a key that is not on the node, so a thief of
//! a backup, or of the node, opens neither.

use crate::checked;
use crate::erasure;
use crate::folder::{self, FileError, Folder};
use crate::keys::{self, KeyFileError};
use crate::office::{Office, now_ms};
use lapwing_record::cbor::{self, Bytes, decode, encode};
use lapwing_record::charter::DAY_MS;
use lapwing_record::id::{Kid, NetworkId, Pid};
use lapwing_record::seal::{self, SealError, Sealed, Suite};
use lapwing_record::{cbor_array, codes};
use lapwing_store::archive::{self, ArchiveError, Item, Pack, Source};
use lapwing_store::blobs::BlobError;
use lapwing_store::disk::DiskError;
use lapwing_store::journal::MARK_NAME;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The version of a backup's header that this program writes and reads.
const VERSION: u64 = 1;
/// Bytes of a recipient file at most.
const MAX_RECIPIENT: u64 = 4096;

codes! {
    /// Which part of a node a backup holds.
    pub enum Part {
        /// Everything but the keyring.
        0 "data" => Data,
        /// The keyring.
        1 "keyring" => Keyring,
    }
}

cbor_array! {
    /// To whom backups are sealed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Recipient {
        /// Format version, 1.
        pub version: u64,
        /// How it is sealed to.
        pub suite: Suite,
        /// The public key.
        pub key: Bytes,
    }
}

cbor_array! {
    /// What a backup says of itself to anyone.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Header {
        /// Format version, 1.
        pub version: u64,
        /// Which part.
        pub part: Part,
        /// The federation.
        pub network: NetworkId,
        /// Whose node.
        pub pid: Pid,
        /// Its short name.
        pub short_name: String,
        /// Milliseconds UTC.
        pub made: u64,
        /// The format of the journal's facts.
        pub format: u64,
        /// The version of the program that made it.
        pub program: String,
        /// Records of the journal in it.
        pub records: u64,
        /// Milliseconds UTC from which it is refused: of the keyring.
        pub expires: Option<u64>,
        /// The key that opens the archive, sealed to the recipient.
        pub sealed: Bytes,
    }
}

/// Why there is no backup, or it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nobody is named to seal it to.
    #[error("no backup key is set up: {} is missing", .0.display())]
    NoRecipient(PathBuf),
    /// The recipient file does not read.
    #[error("{} names no backup key: {why}", path.display())]
    Recipient {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Evidence.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// Randomness.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Sealing the archive's key.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The header does not read.
    #[error("this is no backup of a node: {0}")]
    Header(String),
    /// A later program made it.
    #[error("this backup has format {found}; this program knows formats up to {known}")]
    Newer {
        /// Its format.
        found: u64,
        /// The latest that is known.
        known: u64,
    },
    /// It is sealed to another key.
    #[error("this backup is sealed to another backup key")]
    OtherKey,
}

impl Recipient {
    /// Of a backup key.
    pub fn of(seed: &[u8; 32]) -> Self {
        Recipient { version: 1, suite: Suite::XWing, key: Bytes(seal::public_key(Suite::XWing, seed)) }
    }

    /// Names it.
    pub fn kid(&self) -> Kid {
        seal::kem_kid(&self.key)
    }

    /// The file of it.
    pub fn file(&self) -> Vec<u8> {
        checked::seal(encode(self))
    }

    /// Reads a recipient file.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let bytes = match folder::read(path, MAX_RECIPIENT) {
            Err(e) if e.is_missing() => return Err(BackupError::NoRecipient(path.to_owned())),
            read => read?,
        };
        let wrong = |why: String| BackupError::Recipient { path: path.to_owned(), why };
        // files of earlier programs carry no hash
        let content = checked::open(&bytes, MAX_RECIPIENT as usize).unwrap_or(Ok(bytes)).map_err(wrong)?;
        let recipient: Recipient =
            decode(&content, MAX_RECIPIENT as usize).map_err(|e: cbor::DecodeError| wrong(e.to_string()))?;
        if recipient.version != 1 {
            return Err(wrong(format!("it has format version {}; this program reads 1", recipient.version)));
        }
        Ok(recipient)
    }
}

impl Header {
    /// Reads the header of an archive.
    pub fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        // the version stands first, so that a later one is told from damage
        let header: Header = decode(bytes, archive::MAX_HEADER).map_err(|e| BackupError::Header(e.to_string()))?;
        let known = u64::from(lapwing_engine::fact::FORMAT);
        match (header.version > VERSION, header.format > known) {
            (true, _) => Err(BackupError::Newer { found: header.version, known: VERSION }),
            (_, true) => Err(BackupError::Newer { found: header.format, known }),
            _ => Ok(header),
        }
    }

    /// The key of the archive, opened with the backup key.
    pub fn open_key(&self, seed: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, BackupError> {
        let sealed = Sealed::decode(&self.sealed).map_err(|e| BackupError::Header(e.to_string()))?;
        if sealed.kid != Recipient::of(seed).kid() {
            return Err(BackupError::OtherKey);
        }
        let plain = Zeroizing::new(seal::open(&sealed, seed)?);
        let key = <[u8; 32]>::try_from(&plain[..]).map_err(|_| BackupError::Header("its key is none".into()))?;
        Ok(Zeroizing::new(key))
    }

    /// What a file says of itself; neither its content nor that it is whole is looked at.
    pub fn peek(path: &Path) -> Result<Self, BackupError> {
        let file =
            std::fs::File::open(path).map_err(|source| FileError { doing: "open", path: path.to_owned(), source })?;
        Header::read(&archive::header(io::BufReader::new(file))?)
    }

    /// Checks a file without any key: whole, unchanged, and of a format that this program knows.
    pub fn check(path: &Path) -> Result<Self, BackupError> {
        let open = |path: &Path| {
            std::fs::File::open(path)
                .map_err(|source| FileError { doing: "open", path: path.to_owned(), source })
                .map(io::BufReader::new)
        };
        let read = Header::read(&archive::header(open(path)?)?);
        // a format that is not known is the better answer where both are wrong
        if let Err(newer @ BackupError::Newer { .. }) = read {
            return Err(newer);
        }
        archive::check(open(path)?)?;
        read
    }
}

/// A backup on its way out.
pub struct Making {
    /// A name for the file.
    pub name: String,
    pack: Pack,
    /// Where the time of a whole backup of the data is noted.
    last: Option<PathBuf>,
    made: u64,
}

impl Making {
    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.pack.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.pack.is_empty()
    }
}

impl Read for Making {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.pack.read(buf)?;
        if self.pack.is_done()
            && let Some(path) = self.last.take()
        {
            let text = crate::office::rfc3339(self.made);
            if let Err(error) = folder::replace(&path, text.as_bytes()) {
                tracing::warn!(%error, "the time of the backup could not be noted");
            }
        }
        Ok(n)
    }
}

/// A file of the data folder, if it is there.
fn small(name: &str, path: &Path) -> Result<Option<Item>, BackupError> {
    match folder::read(path, 16 << 20) {
        Err(e) if e.is_missing() => Ok(None),
        read => Ok(Some(Item::bytes(name, read?))),
    }
}

/// Everything but the keyring, as of now, and how many records of the journal that are.
fn data(office: &Office, folder: &Folder) -> Result<(Vec<Item>, u64), BackupError> {
    // first the journal: what it names is on the disk already, and what comes later is not missed
    let snapshot = office.book.journal.snapshot();
    let mut items = Vec::new();
    let singles = [
        ("config.toml", folder.config()),
        ("charter.lapwing", folder.charter()),
        ("identity.cbor", folder.identity()),
        ("keys/feed.key", folder.feed_key()),
        ("keys/node.key", folder.node_key()),
        ("keys/at-rest.key", folder.at_rest_key()),
        ("keys/backup.recipient", folder.backup_recipient()),
        ("run/tokens.json", folder.tokens()),
    ];
    for (name, path) in singles {
        items.extend(small(name, &path)?);
    }
    items.push(Item::bytes("erasures", erasure::write_list(&office.vault.erasures())));
    items.push(Item::bytes(format!("journal/{MARK_NAME}"), snapshot.mark));
    items.extend(snapshot.files.into_iter().map(|file| Item {
        name: format!("journal/{}", file.name),
        len: file.len,
        source: Source::File(file.path),
    }));
    for draft in crate::desk::drafts_of(&folder.uploads()).into_iter().chain(crate::desk::forms_of(&folder.uploads())) {
        let name = draft.file_name().unwrap_or_default().to_string_lossy().into_owned();
        items.extend(small(&format!("uploads/{name}"), &draft)?);
    }
    for saved in crate::search::saved::files(&folder.searches()) {
        let name = saved.file_name().unwrap_or_default().to_string_lossy().into_owned();
        items.extend(small(&format!("searches/{name}"), &saved)?);
    }
    let blobs = office.blobs.snapshot()?;
    items.extend(blobs.into_iter().map(|b| Item { name: format!("blobs/{}", b.name), ..b }));
    Ok((items, snapshot.records))
}

/// Begins a backup of a running node.
pub fn make(office: &Office, folder: &Folder, part: Part) -> Result<Making, BackupError> {
    let recipient = Recipient::read(&folder.backup_recipient())?;
    let view = office.view();
    let short_name = view.state.my_id().inception.short_name.clone();
    let made = now_ms();
    let key = Zeroizing::new(keys::random::<32>()?);
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let sealed = seal::seal(recipient.suite, office.me, &recipient.key, &key[..], &mut rng)?;
    let (items, records, expires) = match part {
        Part::Data => {
            let (items, records) = data(office, folder)?;
            (items, records, None)
        }
        Part::Keyring => {
            let items = office.vault.snapshot()?.into_iter();
            let items = items.map(|i| Item { name: format!("keyring/{}", i.name), ..i }).collect();
            (items, 0, Some(made + office.settings.backup.keyring_days * DAY_MS))
        }
    };
    let header = Header {
        version: VERSION,
        part,
        network: office.network,
        pid: office.me,
        short_name,
        made,
        format: lapwing_engine::fact::FORMAT.into(),
        program: env!("CARGO_PKG_VERSION").into(),
        records,
        expires,
        sealed: Bytes(encode(&sealed)),
    };
    let time = crate::office::rfc3339(made).replace([':', '.'], "").replace('-', "");
    let name = format!("{}-{time}.{}.lapwing-backup", header.short_name, part.code());
    let pack = Pack::new(&encode(&header), key, items)?;
    let last = (part == Part::Data).then(|| folder.backup_last());
    Ok(Making { name, pack, last, made })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_key_of_a_backup_opens_with_the_backup_key_alone() {
        let recipient = Recipient::of(&[3; 32]);
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let sealed = seal::seal(recipient.suite, Pid([1; 32]), &recipient.key, &[9; 32], &mut rng).unwrap();
        let header = Header {
            version: 1,
            part: Part::Data,
            network: NetworkId([2; 32]),
            pid: Pid([1; 32]),
            short_name: "x".into(),
            made: 1,
            format: 1,
            program: "0".into(),
            records: 0,
            expires: None,
            sealed: Bytes(encode(&sealed)),
        };
        let read = Header::read(&encode(&header)).unwrap();
        assert_eq!(*read.open_key(&[3; 32]).unwrap(), [9; 32]);
        assert!(matches!(read.open_key(&[4; 32]), Err(BackupError::OtherKey)));
        let later = Header { format: 1000, ..header };
        assert!(matches!(Header::read(&encode(&later)), Err(BackupError::Newer { found: 1000, .. })));
    }
}
