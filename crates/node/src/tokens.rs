//! API tokens: who may call, in which role. Only hashes of their secrets are kept.
//!
//! Named tokens live in `run/tokens.json` and outlast the process. Three local ones are made afresh at each start for the
//! command line on the same machine: `run/api.token` (officer), `run/admin.token` (admin) and `run/auditor.token` (auditor). No role alone casts a
//! vote, and a token never stands in for an officer's approval.

use crate::folder::{self, FileError, Folder};
use crate::keys::{KeyFileError, now_ms, random};
use lapwing_api::ops::Role;
use lapwing_api::service::Caller;
use lapwing_api::types::Token;
use lapwing_record::id::{Digest, HashOf, base32};
use lapwing_record::identity::is_short_name;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Mutex;
use zeroize::Zeroizing;

/// Named tokens at most.
pub const MAX_TOKENS: usize = 256;
/// Bytes of the file at most.
const MAX_FILE: u64 = 1 << 20;
/// Names of the local tokens; no other may have them.
const LOCAL: [(&str, Role); 3] =
    [("local-officer", Role::Officer), ("local-admin", Role::Admin), ("local-auditor", Role::Auditor)];

/// A token as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    role: Role,
    /// Milliseconds UTC.
    made: u64,
    hash: Digest,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// A hash of them, in hexadecimal: a name or a role that a fault of the disk has changed is not believed.
    check: String,
    tokens: Vec<Kept>,
}

fn check(tokens: &[Kept]) -> String {
    let json = serde_json::to_vec(tokens).expect("names, numbers and hashes are JSON");
    blake3::hash(&json).to_hex().to_string()
}

/// The tokens of a file; earlier programs wrote the list alone.
fn parse(bytes: &[u8]) -> Result<Vec<Kept>, String> {
    if let Ok(list) = serde_json::from_slice::<Vec<Kept>>(bytes) {
        return Ok(list);
    }
    let file: File = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    match file.check == check(&file.tokens) {
        true => Ok(file.tokens),
        false => Err("its hash does not fit".into()),
    }
}

/// Why a token cannot be made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its name has another form.
    #[error("a token's name must be 2 to 32 characters of a-z, 0-9 and -, not `{0}`")]
    Name(String),
    /// There is one of that name.
    #[error("there is a token `{0}` already")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no token `{0}`")]
    Unknown(String),
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already; revoke some")]
    TooMany,
    /// The file of tokens does not read.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] KeyFileError),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The tokens of a node.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    named: Mutex<Vec<Kept>>,
    local: Vec<Kept>,
}

/// A secret's hash. The secret is 256 random bits, so a fast hash is enough.
fn hash(secret: &str) -> Digest {
    Digest(HashOf::Key.hash(secret.as_bytes()))
}

/// Compares without an early end.
fn same(a: &Digest, b: &Digest) -> bool {
    a.0.iter().zip(b.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn fresh_secret() -> Result<Zeroizing<String>, KeyFileError> {
    Ok(Zeroizing::new(format!("lw-{}", base32(&random::<32>()?))))
}

impl Tokens {
    /// Reads the named tokens of a data folder; none where there is no file yet.
    pub fn load(folder: &Folder) -> Result<Self, TokenError> {
        let path = folder.tokens();
        let named: Vec<Kept> = match folder::read(&path, MAX_FILE) {
            Err(e) if e.is_missing() => Vec::new(),
            read => parse(&read?).map_err(|why| TokenError::Damaged { path: path.clone(), why })?,
        };
        Ok(Tokens { path, named: Mutex::new(named), local: Vec::new() })
    }

    /// Makes the local tokens and writes their secrets into `run/`. Called at start.
    pub fn write_local(&mut self, folder: &Folder) -> Result<(), TokenError> {
        self.local.clear();
        for ((name, role), path) in
            LOCAL.into_iter().zip([folder.api_token(), folder.admin_token(), folder.auditor_token()])
        {
            let secret = fresh_secret()?;
            folder::replace(&path, format!("{}\n", *secret).as_bytes())?;
            self.local.push(Kept { name: name.into(), role, made: now_ms(), hash: hash(&secret) });
        }
        Ok(())
    }

    /// Who holds `secret`. Every token is compared, whatever was found before: the time tells nothing.
    pub fn authenticate(&self, secret: &str) -> Option<Caller> {
        let given = hash(secret);
        let named = self.lock();
        let mut found = None;
        for kept in named.iter().chain(&self.local) {
            if same(&given, &kept.hash) {
                found = Some(Caller { name: kept.name.clone(), role: kept.role });
            }
        }
        found
    }

    /// Makes a token and returns its secret, which is kept nowhere.
    pub fn make(&self, name: &str, role: Role) -> Result<Zeroizing<String>, TokenError> {
        if !is_short_name(name) {
            return Err(TokenError::Name(name.chars().take(64).collect()));
        }
        let mut named = self.lock();
        if named.iter().any(|t| t.name == name) || LOCAL.iter().any(|(n, _)| *n == name) {
            return Err(TokenError::Exists(name.into()));
        }
        if named.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let secret = fresh_secret()?;
        let mut next = named.clone();
        next.push(Kept { name: name.into(), role, made: now_ms(), hash: hash(&secret) });
        self.save(&next)?;
        *named = next;
        Ok(secret)
    }

    /// Revokes a token: from now on its secret opens nothing.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let mut named = self.lock();
        let next: Vec<Kept> = named.iter().filter(|t| t.name != name).cloned().collect();
        if next.len() == named.len() {
            return Err(TokenError::Unknown(name.chars().take(64).collect()));
        }
        self.save(&next)?;
        *named = next;
        Ok(())
    }

    /// The tokens, local ones included, without secrets.
    pub fn list(&self) -> Vec<Token> {
        let time = |ms: u64| {
            let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)).unwrap_or_default();
            format!("{at:.3}")
        };
        let view = |t: &Kept| Token { name: t.name.clone(), role: t.role.to_string(), made: time(t.made) };
        self.lock().iter().chain(&self.local).map(view).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        // the list is replaced whole, so a panic elsewhere left it whole
        self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn save(&self, named: &[Kept]) -> Result<(), TokenError> {
        let file = File { check: check(named), tokens: named.to_vec() };
        let json = serde_json::to_vec_pretty(&file).expect("names, numbers and hashes are JSON");
        Ok(folder::replace(&self.path, &json)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn data() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("data"));
        folder.create().unwrap();
        (dir, folder)
    }

    #[test]
    fn a_token_opens_until_it_is_revoked_and_outlasts_the_process() {
        let (_dir, folder) = data();
        let tokens = Tokens::load(&folder).unwrap();
        let secret = tokens.make("desk", Role::Analyst).unwrap();
        let desk = Some(Caller { name: "desk".into(), role: Role::Analyst });
        assert_eq!(tokens.authenticate(&secret), desk);
        assert_eq!(tokens.authenticate("lw-wrong"), None);
        let again = Tokens::load(&folder).unwrap();
        assert_eq!(again.authenticate(&secret), desk);
        again.revoke("desk").unwrap();
        assert_eq!(again.authenticate(&secret), None);
        assert_eq!(Tokens::load(&folder).unwrap().authenticate(&secret), None);
        assert!(matches!(again.revoke("desk"), Err(TokenError::Unknown(_))));
    }

    #[test]
    fn secrets_stand_in_no_file_but_the_local_ones() {
        let (_dir, folder) = data();
        let mut tokens = Tokens::load(&folder).unwrap();
        let secret = tokens.make("desk", Role::Officer).unwrap();
        tokens.write_local(&folder).unwrap();
        assert!(!std::fs::read_to_string(folder.tokens()).unwrap().contains(&*secret));
        let local = |path| tokens.authenticate(std::fs::read_to_string(path).unwrap().trim()).unwrap().role;
        assert_eq!((local(folder.api_token()), local(folder.admin_token())), (Role::Officer, Role::Admin));
        let old = std::fs::read_to_string(folder.admin_token()).unwrap();
        tokens.write_local(&folder).unwrap();
        assert_eq!(tokens.authenticate(old.trim()), None);
        assert_eq!(tokens.list().len(), 4);
    }

    #[test]
    fn names_are_checked_and_taken_once() {
        let (_dir, folder) = data();
        let tokens = Tokens::load(&folder).unwrap();
        tokens.make("desk", Role::Analyst).unwrap();
        assert!(matches!(tokens.make("desk", Role::Admin), Err(TokenError::Exists(_))));
        assert!(matches!(tokens.make("local-admin", Role::Admin), Err(TokenError::Exists(_))));
        assert!(matches!(tokens.make("Desk!", Role::Admin), Err(TokenError::Name(_))));
        std::fs::write(folder.tokens(), "{").unwrap();
        assert!(matches!(Tokens::load(&folder), Err(TokenError::Damaged { .. })));
        // what an earlier program wrote is the list alone
        let kept = vec![Kept { name: "desk".into(), role: Role::Analyst, made: 1, hash: hash("lw-x") }];
        std::fs::write(folder.tokens(), serde_json::to_vec_pretty(&kept).unwrap()).unwrap();
        let tokens = Tokens::load(&folder).unwrap();
        assert_eq!(tokens.authenticate("lw-x").unwrap().name, "desk");
        // a changed name is not believed, where a hash tells
        tokens.save(&kept).unwrap();
        let text = std::fs::read_to_string(folder.tokens()).unwrap();
        assert_eq!(Tokens::load(&folder).unwrap().list().len(), 1);
        std::fs::write(folder.tokens(), text.replace("desk", "dest")).unwrap();
        assert!(matches!(Tokens::load(&folder), Err(TokenError::Damaged { .. })));
    }
}
