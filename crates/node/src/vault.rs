//! The keys that a node holds, and everything that is done with them. Root and officers' keys are never here.
//!
//! ```text
//! feed key          keys/feed.key           signs entries, statements, receipts
//! case keys         keyring "case/<thread>" lock the content of a case; destroyed to erase it
//! encryption keys   keyring "kem/<kid>"     open what was sealed to us; destroyed after their time
//! ```

use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::directory::KemKey;
use lapwing_record::entry::{Entry, EntryError, Header};
use lapwing_record::id::{Digest, EntryId, HashOf, Kid, MsgId, NetworkId, Pid, ThreadId};
use lapwing_record::locked;
use lapwing_record::seal::{self, SealError, Sealed, Suite};
use lapwing_record::sign::{Context, Detached, PublicKey, SecretKey, Sign1};
use lapwing_record::statement::{Nack, Receipt, SignedStmt, Stmt};
use lapwing_store::archive::Item;
use lapwing_store::disk::DiskError;
use lapwing_store::keyring::{DestroyError, Erasure, Keyring, PutError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// A case key.
pub type CaseKey = Zeroizing<[u8; 32]>;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The keyring could not be written.
    #[error("a key could not be kept: {0}")]
    Keep(#[from] PutError),
    /// A key could not be destroyed (wholly).
    #[error("a key could not be destroyed: {0}")]
    Destroy(#[from] DestroyError),
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
    /// The feed key of an older epoch is gone.
    #[error("the feed key {} of an older epoch is not on this node", .0.short())]
    NoFeed(Kid),
    /// The key of this case is gone.
    #[error("the key of case {} is not on this node (any more)", .0.short())]
    NoCaseKey(ThreadId),
    /// The content does not open with its case's key.
    #[error("the content of statement {0} does not open with its case's key")]
    Content(MsgId),
    /// Sealing failed.
    #[error("{0}")]
    Seal(#[from] SealError),
}

impl VaultError {
    /// The disk is full: it may work later.
    pub fn is_full(&self) -> bool {
        match self {
            VaultError::Keep(error) => error.is_full(),
            VaultError::Destroy(error) => error.is_full(),
            _ => false,
        }
    }
}

/// Fills an array with randomness of the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(VaultError::Random)?;
    Ok(bytes)
}

/// The keys of one node.
pub struct Vault {
    me: Pid,
    network: NetworkId,
    feed: SecretKey,
    keyring: Mutex<Keyring>,
    queue: Mutex<Queue>,
}

/// Secrets that wait to be kept: whoever gets the keyring next keeps those of all, with one sync.
#[derive(Default)]
struct Queue {
    next: u64,
    waiting: Vec<(u64, Vec<u8>, CaseKey)>,
    /// What became of those that another has kept.
    done: BTreeMap<u64, Result<(), PutError>>,
}

impl Vault {
    /// With the feed key and the keyring. The feed key is kept in the keyring too: what was said in an older epoch is
    /// signed with that epoch's key whenever it must be shown again.
    pub fn new(me: Pid, network: NetworkId, feed: SecretKey, keyring: Keyring) -> Result<Self, VaultError> {
        let vault = Vault { me, network, feed, keyring: Mutex::new(keyring), queue: Mutex::default() };
        let kid = vault.feed.public().kid();
        if vault.secret("feed/", &kid.0).is_none() {
            vault.keep("feed/", &kid.0, vault.feed.seed())?;
        }
        Ok(vault)
    }

    /// Whether the key of a case was destroyed here: its name is spent.
    pub fn is_erased(&self, thread: &ThreadId) -> bool {
        self.keyring().is_erased(&Self::case_name(thread))
    }

    /// The feed key's public half.
    pub fn feed(&self) -> PublicKey {
        self.feed.public()
    }

    fn keyring(&self) -> std::sync::MutexGuard<'_, Keyring> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self, kind: &str, id: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let secret = self.keyring().get(&[kind.as_bytes(), id].concat())?;
        Some(Zeroizing::new(secret.as_bytes().try_into().ok()?))
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a secret, durable on return, unless there is one of this name already: a name has one secret for good.
    fn keep(&self, kind: &str, id: &[u8; 32], secret: &[u8; 32]) -> Result<(), VaultError> {
        let ticket = {
            let mut queue = self.queue();
            queue.next += 1;
            let ticket = queue.next;
            queue.waiting.push((ticket, [kind.as_bytes(), id].concat(), Zeroizing::new(*secret)));
            ticket
        };
        let mut keyring = self.keyring();
        // the one who had the keyring before may have kept it
        if let Some(done) = self.queue().done.remove(&ticket) {
            return Ok(done?);
        }
        let mut waiting = std::mem::take(&mut self.queue().waiting);
        let mut names = BTreeSet::new();
        let is_new =
            |name: &Vec<u8>, names: &mut BTreeSet<Vec<u8>>| keyring.get(name).is_none() && names.insert(name.clone());
        let (new, held): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(_, name, _)| is_new(name, &mut names));
        let secrets: Vec<(&[u8], &[u8])> = new.iter().map(|(_, name, secret)| (&name[..], &secret[..])).collect();
        let together = if secrets.is_empty() { Ok(()) } else { keyring.put_all(&secrets) };
        let mut done: BTreeMap<u64, Result<(), PutError>> = BTreeMap::new();
        for (ticket, name, secret) in new {
            // one that cannot be kept must not take the others with it
            let kept = if together.is_ok() { Ok(()) } else { keyring.put(&name, &secret[..]) };
            done.insert(ticket, kept);
        }
        for (ticket, name, _) in held {
            // waiting beside the first of its name, it shares that one's fate
            let kept = if keyring.get(&name).is_some() { Ok(()) } else { Err(PutError::Erased) };
            done.insert(ticket, kept);
        }
        let own = done.remove(&ticket).expect("it was waiting");
        self.queue().done.extend(done);
        drop(keyring);
        Ok(own?)
    }

    // -- cases ------------------------------------------------------------------------------------------------------

    /// The key of a case, if it is here.
    pub fn case_key(&self, thread: &ThreadId) -> Result<CaseKey, VaultError> {
        self.secret("case/", &thread.0).ok_or(VaultError::NoCaseKey(*thread))
    }

    /// The key of a case; a new one, durable on return, if it has none yet.
    pub fn case_key_or_new(&self, thread: &ThreadId) -> Result<CaseKey, VaultError> {
        if let Ok(key) = self.case_key(thread) {
            return Ok(key);
        }
        let key = Zeroizing::new(random::<32>()?);
        self.keep("case/", &thread.0, &key)?;
        // another may have come first: its key is the one
        self.case_key(thread)
    }

    /// Locks bytes under the key of a case.
    pub fn lock(&self, thread: &ThreadId, id: &MsgId, plain: &[u8]) -> Result<Bytes, VaultError> {
        let key = self.case_key_or_new(thread)?;
        Ok(Bytes(locked::lock(&key, random()?, &id.0, plain)))
    }

    /// Opens what was locked under the key of a case.
    pub fn unlock(&self, thread: &ThreadId, id: &MsgId, locked: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key = self.case_key(thread)?;
        let plain = locked::unlock(&key, &id.0, locked).map_err(|_| VaultError::Content(*id))?;
        Ok(Zeroizing::new(plain))
    }

    /// The name of a case's key in the keyring.
    pub fn case_name(thread: &ThreadId) -> Vec<u8> {
        [b"case/".as_slice(), &thread.0].concat()
    }

    /// The name of the key of a piece of evidence.
    pub fn blob_name(b3_cipher: &Digest) -> Vec<u8> {
        [b"blob/".as_slice(), &b3_cipher.0].concat()
    }

    /// Destroys secrets by name, whether or not they are here: their names are spent. On return no file of the keyring
    /// opens to them.
    pub fn destroy(&self, names: &[(Bytes, u64)]) -> Result<(), VaultError> {
        let erasure = |(name, at): &(Bytes, u64)| Erasure { name: name.0.clone(), time_ms: *at };
        let erasures: Vec<Erasure> = names.iter().map(erasure).collect();
        self.keyring().apply_erasures(&erasures)?;
        Ok(())
    }

    /// Everything that was ever destroyed, and when.
    pub fn erasures(&self) -> Vec<(Bytes, u64)> {
        self.keyring().erasures().map(|e| (Bytes(e.name), e.time_ms)).collect()
    }

    /// The keyring for a backup, sealed as it lies on the disk.
    pub fn snapshot(&self) -> Result<Vec<Item>, DiskError> {
        self.keyring().snapshot()
    }

    /// Cases whose key was destroyed.
    pub fn erased_cases(&self) -> Vec<ThreadId> {
        let names = self.keyring().erasures().map(|e| e.name).collect::<Vec<_>>();
        names.iter().filter_map(|n| Some(ThreadId(n.strip_prefix(b"case/")?.try_into().ok()?))).collect()
    }

    /// Encryption keys whose private half is here.
    pub fn kem_keys(&self) -> Vec<Kid> {
        let ring = self.keyring();
        ring.names().filter_map(|n| Some(Kid(n.strip_prefix(b"kem/")?.try_into().ok()?))).collect()
    }

    /// The name of an encryption key in the keyring.
    pub fn kem_name(kid: &Kid) -> Vec<u8> {
        [b"kem/".as_slice(), &kid.0].concat()
    }

    /// Keeps the key of a piece of evidence that the other side granted.
    pub fn keep_blob_key(&self, b3_cipher: &Digest, key: &[u8; 32]) -> Result<(), VaultError> {
        if self.secret("blob/", &b3_cipher.0).is_some() {
            return Ok(());
        }
        self.keep("blob/", &b3_cipher.0, key)
    }

    /// The key of a piece of evidence, if it was granted or is our own.
    pub fn blob_key(&self, b3_cipher: &Digest) -> Option<Zeroizing<[u8; 32]>> {
        self.secret("blob/", &b3_cipher.0)
    }

    // -- sealing ----------------------------------------------------------------------------------------------------

    /// A new encryption key, durable on return: the record to publish.
    pub fn new_kem_key(&self, suite: Suite, not_before: u64, not_after: u64) -> Result<KemKey, VaultError> {
        let seed = Zeroizing::new(random::<32>()?);
        let public = seal::public_key(suite, &seed);
        let kid = seal::kem_kid(&public);
        self.keep("kem/", &kid.0, &seed)?;
        Ok(KemKey { kid, suite: suite.number(), key: Bytes(public), not_before, not_after })
    }

    /// Whether the private half of an encryption key is here.
    pub fn holds_kem(&self, kid: &Kid) -> bool {
        self.secret("kem/", &kid.0).is_some()
    }

    /// Seals a signed statement to a key of the recipient.
    pub fn seal(&self, to: Pid, kem: &KemKey, signed: &SignedStmt) -> Result<Sealed, VaultError> {
        let suite = Suite::from_number(kem.suite).ok_or(SealError::Key)?;
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        Ok(seal::seal(suite, to, &kem.key, &Zeroizing::new(encode(signed)), &mut rng)?)
    }

    /// Opens a sealed message; none if the key that it names is not here.
    pub fn open(&self, sealed: &Sealed) -> Option<Result<Zeroizing<Vec<u8>>, SealError>> {
        let seed = self.secret("kem/", &sealed.kid.0)?;
        Some(seal::open(sealed, &seed).map(Zeroizing::new))
    }

    // -- signing ----------------------------------------------------------------------------------------------------

    /// Signs a header that is durably reserved.
    pub fn sign_entry(&self, header: &Header, body: Vec<u8>) -> Result<Entry, EntryError> {
        Entry::new(vec![header.sign(&self.feed, &self.network)], Some(body))
    }

    /// Signs a statement with the feed key of its epoch. The same statement always gives the same bytes.
    pub fn sign_statement(
        &self,
        stmt: &Stmt,
        approvals: Option<Vec<Detached>>,
        feed: &PublicKey,
    ) -> Result<SignedStmt, VaultError> {
        let seed = self.secret("feed/", &feed.kid().0).ok_or(VaultError::NoFeed(feed.kid()))?;
        Ok(SignedStmt::sign(stmt, &SecretKey::from_seed(*seed), approvals))
    }

    /// Signs a receipt.
    pub fn sign_receipt(&self, receipt: &Receipt) -> Sign1 {
        receipt.sign(&self.feed, &self.network)
    }

    /// Signs "I cannot open this".
    pub fn sign_nack(&self, sealed: &[u8], current: Option<Kid>, epoch: u64) -> Sign1 {
        let nack = Nack { sealed: Digest(HashOf::Body.hash(sealed)), current, by: self.me, epoch };
        Sign1::sign(&self.feed, &self.network, Context::Nack, encode(&nack))
    }

    /// Signs "I hold this entry".
    pub fn sign_ack(&self, entry: &EntryId) -> Sign1 {
        Sign1::sign(&self.feed, &self.network, Context::Ack, encode(&(self.me, *entry)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapwing_store::disk::os::OsDisk;
    use std::sync::Arc;

    #[test]
    fn keys_that_are_asked_for_at_once_are_one_a_case_and_all_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let keyring = Keyring::open(Arc::new(OsDisk), &dir.path().join("keyring"), [1; 32]).unwrap();
            Vault::new(Pid([1; 32]), NetworkId([2; 32]), SecretKey::from_seed([3; 32]), keyring).unwrap()
        };
        let vault = open();
        // eight callers for each of eight cases
        let keys: Vec<(u8, CaseKey)> = std::thread::scope(|scope| {
            let ask = |i: u8| (i % 8, vault.case_key_or_new(&ThreadId([i % 8; 32])).unwrap());
            let all: Vec<_> = (0..64).map(|i| scope.spawn(move || ask(i))).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(vault.queue().done.is_empty() && vault.queue().waiting.is_empty());
        drop(vault);
        let again = open();
        for (case, key) in keys {
            assert_eq!(*again.case_key(&ThreadId([case; 32])).unwrap(), *key);
        }
    }
}
