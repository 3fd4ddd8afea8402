//! What nodes ask each other: hello, sync, apply, case, blob, reach (protocol §5, annex §7.2, §8.2). Unsigned: the channel is
//! authenticated by the peers' node keys, and everything that counts inside carries its own signature.

use crate::cbor::{self, Bytes, DecodeError};
use crate::entry::{Entry, LogKind};
use crate::id::{Digest, EntryId, NetworkId, Pid, ThreadId};
use crate::membership::Application;
use crate::sign::Sign1;
use crate::{cbor_array, cbor_tagged, codes};

/// Bytes of a hello at most.
pub const MAX_HELLO: usize = 72 * 1024;
/// Bytes of a sync request at most.
pub const MAX_SYNC_REQUEST: usize = 1536 * 1024;
/// Bytes of a sync answer at most.
pub const MAX_SYNC_ANSWER: usize = 1280 * 1024;
/// Bytes of entries in one batch.
pub const BATCH_BYTES: usize = 1024 * 1024;
/// Ranges of one want at most.
pub const MAX_WANTS: usize = 64;
/// Bytes of an apply request at most.
pub const MAX_APPLY: usize = 64 * 1024;
/// Bytes of a case request at most.
pub const MAX_CASE: usize = 400 * 1024;
/// Bytes of a blob request at most.
pub const MAX_BLOB_REQUEST: usize = 4 * 1024;
/// Bytes of a blob answer at most: a piece, or hashes of pieces.
pub const MAX_BLOB_ANSWER: usize = 1024 * 1024 + 64 * 1024;
/// Bytes of a reach request or answer at most.
pub const MAX_REACH: usize = 4 * 1024;
/// Hashes of pieces in one answer at most.
pub const CVS_PER_ANSWER: usize = 30_000;

cbor_array! {
    /// Who is at the other end. The answer to a hello is a hello.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Hello {
        /// The federation.
        pub network_id: NetworkId,
        /// The participant that the node speaks for.
        pub pid: Pid,
        /// The highest schema that it reads.
        pub schema_max: u64,
        /// Its milliseconds UTC.
        pub clock: u64,
        /// Its log 0, so that a machine bound minutes ago can prove itself before gossip brings its binding.
        pub id_log: Vec<Entry>,
        /// The entry that binds this node's key.
        pub binding: Option<Entry>,
    }
}

cbor_array! {
    /// A range of one epoch of one log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Want {
        /// The author.
        pub pid: Pid,
        /// The log.
        pub log: LogKind,
        /// The epoch.
        pub epoch: u64,
        /// The first place.
        pub from: u64,
    }
}

cbor_array! {
    /// One row of heads.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HeadRow {
        /// The author.
        pub pid: Pid,
        /// The log.
        pub log: LogKind,
        /// The epoch.
        pub epoch: u64,
        /// Places held.
        pub next: u64,
        /// The last entry, or a hash over a contested log.
        pub id: Digest,
        /// Whether it is contested.
        pub contested: bool,
    }
}

codes! {
    /// One of the two planes of gossip and anti-entropy.
    pub enum Plane {
        /// Logs 0 and 1: every participant.
        0 "pub" => Pub,
        /// Log 2: agencies in full standing.
        1 "agy" => Agy,
    }
}

impl Plane {
    /// The plane that a log travels in.
    pub const fn of(log: LogKind) -> Plane {
        match log {
            LogKind::Agy => Plane::Agy,
            LogKind::Id | LogKind::Pub => Plane::Pub,
        }
    }
}

cbor_array! {
    /// One hash over all heads.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Root {
        /// The plane.
        pub plane: Plane,
        /// The hash.
        pub root: Digest,
    }
}

cbor_array! {
    /// Heads of some buckets.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AskHeads {
        /// The plane.
        pub plane: Plane,
        /// First bytes of pids, ascending.
        pub buckets: Vec<u64>,
    }
}

cbor_tagged! {
    /// A sync request.
    #[derive(Clone, Debug, PartialEq)]
    pub enum SyncRequest {
        /// Is there anything new?
        0 => Root(Root),
        /// What are the heads there?
        1 => Heads(AskHeads),
        /// These entries, please.
        2 => Want(Vec<Want>),
        /// Take these now, and sign for each (objection push).
        3 => Push(Vec<Entry>),
    }
}

cbor_array! {
    /// Entries in ascending order of place within each log.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Batch {
        /// The entries.
        pub entries: Vec<Entry>,
        /// Whether there are more in the ranges asked for.
        pub more: bool,
    }
}

cbor_tagged! {
    /// A sync answer.
    #[derive(Clone, Debug, PartialEq)]
    pub enum SyncAnswer {
        /// Nothing new.
        0 => Equal(bool),
        /// The first eight bytes of each bucket's hash.
        1 => Buckets(Vec<[u8; 8]>),
        /// Heads.
        2 => Heads(Vec<HeadRow>),
        /// Entries.
        3 => Batch(Batch),
        /// Signatures for entries that are durable here.
        4 => Acks(Vec<Sign1>),
        /// Not for this peer, or not now.
        5 => Refused(String),
    }
}

cbor_tagged! {
    /// An apply request: from a stranger.
    #[derive(Clone, Debug, PartialEq)]
    pub enum ApplyRequest {
        /// Please consider this.
        0 => Submit(Application),
        /// How does it stand?
        1 => Status(Pid),
    }
}

cbor_tagged! {
    /// An apply answer. Applicants see nothing but the state of their own application.
    #[derive(Clone, Debug, PartialEq)]
    pub enum ApplyAnswer {
        /// `submitted`, or a standing.
        0 => State(String),
        /// Not taken.
        1 => Refused(String),
    }
}

cbor_array! {
    /// How far one case is on the asking side.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ThreadHeads {
        /// The case.
        pub thread: ThreadId,
        /// The asker's own statements that it holds.
        pub own: u64,
        /// The other side's statements that it holds.
        pub theirs: u64,
    }
}

cbor_array! {
    /// A statement that is given back.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GivenBack {
        /// [`crate::seal::Sealed`], to the asker.
        pub sealed: Bytes,
        /// The receipt that the asker once gave for it: what it then took it takes again, whatever became of the sender
        /// since. Null where it gave none, and for its own statements.
        pub receipt: Option<Bytes>,
    }
}

cbor_tagged! {
    /// A case request.
    #[derive(Clone, Debug, PartialEq)]
    pub enum CaseRequest {
        /// A sealed message: [`crate::seal::Sealed`]. Answered with [`crate::statement::Delivered`].
        0 => Sealed(Bytes),
        /// After a restore: what I have of our cases; return what I lack. Answered with [`CaseAnswer`].
        1 => Level(Vec<ThreadHeads>),
    }
}

cbor_tagged! {
    /// The answer to [`CaseRequest::Level`].
    #[derive(Clone, Debug, PartialEq)]
    pub enum CaseAnswer {
        /// The asker's own statements, and ours that it lacks; and whether there are more.
        0 => Returned((Vec<GivenBack>, bool)),
        /// Not now.
        1 => Refused(String),
    }
}

cbor_tagged! {
    /// A blob request.
    #[derive(Clone, Debug, PartialEq)]
    pub enum BlobRequest {
        /// Hashes of pieces from this one on: (case, blob, first).
        0 => Pieces((ThreadId, Digest, u64)),
        /// One piece: (case, blob, number).
        1 => Piece((ThreadId, Digest, u64)),
    }
}

cbor_tagged! {
    /// A blob answer.
    #[derive(Clone, Debug, PartialEq)]
    pub enum BlobAnswer {
        /// Length of the ciphertext, and hashes of pieces.
        0 => Pieces((u64, Vec<[u8; 32]>)),
        /// A piece.
        1 => Piece(Bytes),
        /// Not here, or not for this peer: the same answer for both.
        2 => Refused(String),
    }
}

cbor_tagged! {
    /// A request of a member to be dialled. It names no address: the answerer takes those of the asker's node binding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ReachRequest {
        /// Try the addresses in my binding of the node that asks. Always true.
        0 => DialBack(bool),
    }
}

codes! {
    /// How an attempt to reach an address ended.
    pub enum Reached {
        /// The asker's node answered there and proved its key.
        0 "ok" => Ok,
        /// Nobody listens there.
        1 "refused" => Refused,
        /// Nothing came back in time.
        2 "timeout" => Timeout,
        /// There is no way there, or no such name.
        3 "unreachable" => Unreachable,
        /// Somebody else's key is there.
        4 "other_key" => OtherKey,
        /// Somebody answered who does not speak our language.
        5 "no_handshake" => NoHandshake,
        /// Not tried: no address of TCP, or in a network of the answerer that the asker is not in itself.
        6 "not_tried" => NotTried,
    }
}

cbor_tagged! {
    /// The answer to a [`ReachRequest`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ReachAnswer {
        /// Each address of the binding, and how it ended.
        0 => Tried(Vec<(String, Reached)>),
        /// Not now, or no such binding is known.
        1 => Refused(String),
    }
}

cbor_array! {
    /// What an agency signs when it holds an entry (context `ack`).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Ack {
        /// Who holds it.
        pub by: Pid,
        /// The entry.
        pub entry: EntryId,
    }
}

/// Reads a message of at most `limit` bytes.
pub fn read<T: cbor::Cbor>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    cbor::decode(bytes, limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::encode;
    use crate::testkit::TestAgency;

    #[test]
    fn messages_survive_their_bytes_and_no_flip_reads_as_the_same() {
        let network = NetworkId([1; 32]);
        let a = TestAgency::named("harbor");
        let hello = Hello {
            network_id: network,
            pid: a.pid(),
            schema_max: 1,
            clock: 7,
            id_log: vec![a.first_entry(&network)],
            binding: None,
        };
        let bytes = encode(&hello);
        assert_eq!(read::<Hello>(&bytes, MAX_HELLO), Ok(hello.clone()));
        for i in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[i] ^= 1;
            assert_ne!(read::<Hello>(&bent, MAX_HELLO), Ok(hello.clone()));
        }
        let want = SyncRequest::Want(vec![Want { pid: a.pid(), log: LogKind::Pub, epoch: 0, from: 3 }]);
        assert_eq!(read::<SyncRequest>(&encode(&want), MAX_SYNC_REQUEST), Ok(want));
        assert!(read::<SyncRequest>(&encode(&(9u64, 1u64)), 100).is_err(), "an unknown kind");
    }
}
