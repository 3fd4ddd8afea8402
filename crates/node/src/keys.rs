//! Key files: a seed of 32 bytes under a passphrase, and what may be known of it without one.
//!
//! ```text
//! file     = [version, kind, public|null, created, [m_kib, t, p, salt]|null, secret, check]
//! secret   = XChaCha20-Poly1305(argon2id(passphrase, salt), place = all before it), nonce in front
//!            — or the seed in clear, where no passphrase is wanted
//! check    = hash of all before it: tells a damaged file from a wrong passphrase
//! ```
//!
//! The kind stands inside, so a root key cannot be handed in where an officer's is asked for. Passphrases come from a
//! prompt, a file or a credential of the service manager; never from the environment itself or an argument.

use crate::folder::{self, FileError};
use argon2::{Algorithm, Argon2, Params, Version};
use lapwing_record::cbor::{self, Bytes, encode};
use lapwing_record::codes;
use lapwing_record::id::HashOf;
use lapwing_record::locked::{NONCE_BYTES, lock, unlock};
use lapwing_record::sign::SecretKey;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a key file at most.
const MAX_FILE: u64 = 4096;
/// Bytes of a passphrase file at most.
const MAX_PASSPHRASE: u64 = 4096;
/// Bounds on what a file may ask of the reader: 1 GiB, 16 passes, 8 lanes.
const MAX_COST: (u64, u64, u64) = (1 << 20, 16, 8);

codes! {
    /// What a key is for.
    pub enum KeyKind {
        /// Signs logs 1 and 2, statements and receipts; on the node.
        0 "feed" => Feed,
        /// Names the machine on the network; on the node.
        1 "node" => Node,
        /// Covers the node's disk.
        2 "at-rest" => AtRest,
        /// Signs log 0; offline.
        3 "root" => Root,
        /// Approves acts; an officer's.
        4 "officer" => Officer,
        /// Opens backups; offline.
        5 "backup" => Backup,
    }
}

/// How much work a guess at the passphrase costs. The numbers stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KdfCost {
    /// 64 MiB, 3 passes.
    #[default]
    Default,
    /// 8 MiB, 1 pass: for tests and trials with throw-away keys.
    Trial,
}

impl KdfCost {
    const fn numbers(self) -> (u64, u64, u64) {
        match self {
            KdfCost::Default => (64 * 1024, 3, 1),
            KdfCost::Trial => (8 * 1024, 1, 1),
        }
    }
}

/// The file's layout.
mod layout {
    use super::KeyKind;
    use lapwing_record::cbor::Bytes;
    use lapwing_record::cbor_array;

    cbor_array! {
        #[derive(Clone)]
        pub struct Kdf {
            pub m_kib: u64,
            pub t: u64,
            pub p: u64,
            pub salt: [u8; 16],
        }
    }

    cbor_array! {
        #[derive(Clone)]
        pub struct Open {
            pub version: u64,
            pub kind: KeyKind,
            pub public: Option<[u8; 32]>,
            pub created: u64,
            pub kdf: Option<Kdf>,
        }
    }

    cbor_array! {
        pub struct KeyFile {
            pub open: Open,
            pub secret: Bytes,
            pub check: [u8; 32],
        }
    }
}

use layout::{Kdf, KeyFile, Open};

fn check_of(open: &Open, secret: &Bytes) -> [u8; 32] {
    HashOf::Body.hash(&encode(&(open.clone(), secret.clone())))
}

/// A passphrase. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing was given.
    #[error("the passphrase is empty")]
    Empty,
    /// Not text.
    #[error("the passphrase in {} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// Its file cannot be read.
    #[error("passphrase: {0}")]
    File(#[from] FileError),
}

impl Passphrase {
    /// From what somebody typed.
    pub fn new(text: impl Into<String>) -> Result<Self, PassphraseError> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() { Err(PassphraseError::Empty) } else { Ok(Passphrase(text)) }
    }

    /// From the first line of a file.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let bytes = Zeroizing::new(folder::read(path, MAX_PASSPHRASE)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText(path.to_owned()))?;
        Passphrase::new(text.lines().next().unwrap_or_default())
    }

    /// From the service manager: `$CREDENTIALS_DIRECTORY/passphrase` (systemd `LoadCredential=`). None where there is
    /// no such credential.
    pub fn from_credential() -> Result<Option<Self>, PassphraseError> {
        let Some(dir) = std::env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
        match Passphrase::from_file(&Path::new(&dir).join("passphrase")) {
            Err(PassphraseError::File(e)) if e.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    /// From `file` if one is named, else from the service manager. None where neither is there.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, PassphraseError> {
        match file {
            Some(path) => Passphrase::from_file(path).map(Some),
            None => Passphrase::from_credential(),
        }
    }
}

/// Why a key file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error("there is no key file {}", .0.display())]
    Missing(PathBuf),
    /// There is one already.
    #[error("{} exists already; key files are never overwritten", .0.display())]
    Exists(PathBuf),
    /// It is encrypted and no passphrase was given.
    #[error("{} is encrypted: its passphrase is needed", .0.display())]
    PassphraseNeeded(PathBuf),
    /// The passphrase does not open it.
    #[error("the passphrase does not open {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// It is a key for something else.
    #[error("{} is a key of kind `{found}`, but one of kind `{wanted}` is needed", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: KeyKind,
        /// What it should be.
        wanted: KeyKind,
    },
    /// Its bytes are not those that were written.
    #[error("{} is damaged or is no key file: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is known of a key without its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// What it is for.
    pub kind: KeyKind,
    /// The public key; none for a key that does not sign.
    pub public: Option<[u8; 32]>,
    /// Milliseconds UTC.
    pub created: u64,
    /// Whether it lies under a passphrase.
    pub encrypted: bool,
}

/// Fills an array from the operating system's randomness.
pub fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| KeyFileError::Random(e.to_string()))?;
    Ok(bytes)
}

/// Milliseconds since 1970 UTC.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a new key file; without a passphrase the seed stands in it in clear. Never overwrites.
pub fn write_key(
    path: &Path,
    kind: KeyKind,
    seed: &[u8; 32],
    passphrase: Option<&Passphrase>,
    cost: KdfCost,
) -> Result<(), KeyFileError> {
    let public =
        (!matches!(kind, KeyKind::AtRest | KeyKind::Backup)).then(|| *SecretKey::from_seed(*seed).public().bytes());
    let (m_kib, t, p) = cost.numbers();
    let kdf = match passphrase {
        Some(_) => Some(Kdf { m_kib, t, p, salt: random()? }),
        None => None,
    };
    let open = Open { version: 1, kind, public, created: now_ms(), kdf };
    let secret = match (passphrase, &open.kdf) {
        (Some(passphrase), Some(kdf)) => {
            let key = derive(path, passphrase, kdf)?;
            lock(&key, random::<NONCE_BYTES>()?, &encode(&open), seed)
        }
        _ => seed.to_vec(),
    };
    let secret = Bytes(secret);
    let file = KeyFile { check: check_of(&open, &secret), open, secret };
    let bytes = Zeroizing::new(encode(&file));
    folder::write_new(path, &bytes).map_err(|e| match e.is_there() {
        true => KeyFileError::Exists(path.to_owned()),
        false => KeyFileError::File(e),
    })
}

/// Reads a key file of the given kind.
pub fn read_key(
    path: &Path,
    kind: KeyKind,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let file = read_file(path)?;
    if file.open.kind != kind {
        return Err(KeyFileError::WrongKind { path: path.to_owned(), found: file.open.kind, wanted: kind });
    }
    let plain = match &file.open.kdf {
        None => Zeroizing::new(file.secret.0),
        Some(kdf) => {
            let passphrase = passphrase.ok_or_else(|| KeyFileError::PassphraseNeeded(path.to_owned()))?;
            let key = derive(path, passphrase, kdf)?;
            let plain = unlock(&key, &encode(&file.open), &file.secret);
            Zeroizing::new(plain.map_err(|_| KeyFileError::WrongPassphrase(path.to_owned()))?)
        }
    };
    let seed = <[u8; 32]>::try_from(&plain[..]).map_err(|_| damaged(path, "the secret is not 32 bytes"))?;
    let seed = Zeroizing::new(seed);
    if file.open.public.is_some_and(|p| p != *SecretKey::from_seed(*seed).public().bytes()) {
        return Err(damaged(path, "the public key in it is another key's"));
    }
    Ok(seed)
}

/// As [`read_key`], for keys that sign.
pub fn read_signing_key(
    path: &Path,
    kind: KeyKind,
    passphrase: Option<&Passphrase>,
) -> Result<SecretKey, KeyFileError> {
    read_key(path, kind, passphrase).map(|seed| SecretKey::from_seed(*seed))
}

/// What a key file says of itself, without a passphrase.
pub fn read_info(path: &Path) -> Result<KeyInfo, KeyFileError> {
    let open = read_file(path)?.open;
    Ok(KeyInfo { kind: open.kind, public: open.public, created: open.created, encrypted: open.kdf.is_some() })
}

fn read_file(path: &Path) -> Result<KeyFile, KeyFileError> {
    let bytes = folder::read(path, MAX_FILE).map_err(|e| match e.is_missing() {
        true => KeyFileError::Missing(path.to_owned()),
        false => KeyFileError::File(e),
    })?;
    let bytes = Zeroizing::new(bytes);
    let file: KeyFile = cbor::decode(&bytes, bytes.len()).map_err(|e| damaged(path, e.to_string()))?;
    if file.check != check_of(&file.open, &file.secret) {
        return Err(damaged(path, "its bytes are not those that were written"));
    }
    if file.open.version != 1 {
        return Err(damaged(path, format!("it has format version {}; this program reads 1", file.open.version)));
    }
    Ok(file)
}

fn damaged(path: &Path, why: impl Into<String>) -> KeyFileError {
    KeyFileError::Damaged { path: path.to_owned(), why: why.into() }
}

fn derive(path: &Path, passphrase: &Passphrase, kdf: &Kdf) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    if kdf.m_kib > MAX_COST.0 || kdf.t > MAX_COST.1 || kdf.p > MAX_COST.2 {
        return Err(damaged(path, "it asks for more work than this program does"));
    }
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let params = Params::new(number(kdf.m_kib), number(kdf.t), number(kdf.p), Some(32));
    let params = params.map_err(|e| damaged(path, e.to_string()))?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.0.as_bytes(), &kdf.salt, &mut *key)
        .map_err(|e| damaged(path, e.to_string()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(passphrase: Option<&Passphrase>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("officer-1.key");
        write_key(&path, KeyKind::Officer, &[7; 32], passphrase, KdfCost::Trial).unwrap();
        (dir, path)
    }

    #[test]
    fn a_key_comes_back_only_with_its_passphrase_and_as_its_kind() {
        let good = Passphrase::new("correct horse").unwrap();
        let (_dir, path) = written(Some(&good));
        assert_eq!(*read_key(&path, KeyKind::Officer, Some(&good)).unwrap(), [7; 32]);
        let read = |kind, passphrase| read_key(&path, kind, passphrase).unwrap_err();
        let bad = Passphrase::new("wrong horse").unwrap();
        assert!(matches!(read(KeyKind::Officer, Some(&bad)), KeyFileError::WrongPassphrase(_)));
        assert!(matches!(read(KeyKind::Officer, None), KeyFileError::PassphraseNeeded(_)));
        let wrong = read(KeyKind::Root, Some(&good));
        assert!(matches!(wrong, KeyFileError::WrongKind { found: KeyKind::Officer, wanted: KeyKind::Root, .. }));
        let nowhere = read_key(&path.with_extension("no"), KeyKind::Officer, None).unwrap_err();
        assert!(matches!(nowhere, KeyFileError::Missing(_)));
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(32).any(|w| w == [7; 32]), "the seed stands in the file");
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let (_dir, path) = written(None);
        let again = write_key(&path, KeyKind::Root, &[8; 32], None, KdfCost::Trial);
        assert!(matches!(again, Err(KeyFileError::Exists(_))));
        assert_eq!(*read_key(&path, KeyKind::Officer, None).unwrap(), [7; 32]);
    }

    #[test]
    fn a_changed_byte_anywhere_is_told_from_a_wrong_passphrase() {
        let good = Passphrase::new("correct horse").unwrap();
        for passphrase in [Some(&good), None] {
            let (_dir, path) = written(passphrase);
            let bytes = std::fs::read(&path).unwrap();
            for i in 0..bytes.len() {
                let mut bent = bytes.clone();
                bent[i] ^= 0x21;
                std::fs::write(&path, &bent).unwrap();
                let error = read_key(&path, KeyKind::Officer, passphrase).unwrap_err();
                assert!(matches!(error, KeyFileError::Damaged { .. }), "byte {i}: {error}");
            }
            for len in [0, 1, bytes.len() - 1] {
                std::fs::write(&path, &bytes[..len]).unwrap();
                let error = read_key(&path, KeyKind::Officer, passphrase).unwrap_err();
                assert!(matches!(error, KeyFileError::Damaged { .. }), "{len} bytes: {error}");
            }
        }
    }

    #[test]
    fn the_public_part_needs_no_passphrase_and_a_clear_file_says_so() {
        let public = Some(*SecretKey::from_seed([7; 32]).public().bytes());
        let (_dir, path) = written(Some(&Passphrase::new("x").unwrap()));
        let info = read_info(&path).unwrap();
        assert_eq!((info.kind, info.public, info.encrypted), (KeyKind::Officer, public, true));
        let (_dir, path) = written(None);
        assert!(!read_info(&path).unwrap().encrypted);
        let at_rest = path.with_extension("rest");
        write_key(&at_rest, KeyKind::AtRest, &[1; 32], None, KdfCost::Trial).unwrap();
        assert_eq!(read_info(&at_rest).unwrap().public, None);
    }

    #[test]
    fn a_passphrase_file_gives_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        std::fs::write(&path, "open sesame\n\n").unwrap();
        assert_eq!(Passphrase::from_file(&path).unwrap().0.as_str(), "open sesame");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(Passphrase::from_file(&path), Err(PassphraseError::Empty)));
        assert!(matches!(Passphrase::find(Some(&dir.path().join("no"))), Err(PassphraseError::File(_))));
        assert_eq!(format!("{:?}", Passphrase::new("secret").unwrap()), "Passphrase(…)");
    }
}
