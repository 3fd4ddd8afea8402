//! What goes into the engine and what comes out: the two types that carry the house (architecture).

use crate::fact::{Fact, Notice};
use crate::internal::{Absence, Matter};
use lapwing_record::audit::Attempt;
use lapwing_record::cbor::Bytes;
use lapwing_record::entry::{Entry, EntryType, Header};
use lapwing_record::id::{Digest, EntryId, MsgId, Pid, ThreadId};
use lapwing_record::identity::Act;
use lapwing_record::membership::{Application, Target};
use lapwing_record::sign::{Detached, Sign1};
use lapwing_record::statement::{BlobRef, Delivered, Kind, Refusal, Stmt, Tlp, VerifiedStmt};
use lapwing_record::wire::HeadRow;

/// Names a waiting caller; the driver keeps the other end.
pub type ReplyTo = u64;

/// How a statement of the other side came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Its sender delivers it.
    Delivered,
    /// Its sender gives it back, in its order, when cases are compared after a restore: with the receipt that this node once
    /// gave for it, if it gave one.
    Back(Option<Bytes>),
}

/// Something that happened, or that somebody wants.
#[derive(Debug)]
pub enum Input {
    /// Entries from anywhere: gossip, sync, push, a file. Answered with an [`Answer::Placed`].
    Entries {
        /// The entries, as they came.
        entries: Vec<Entry>,
        /// Whether gossip brought them, which carries them on by itself.
        gossiped: bool,
        /// Who waits.
        reply: Option<ReplyTo>,
    },
    /// Our own entry, signed as it was reserved.
    Signed(Entry),
    /// A stranger applies.
    Apply {
        /// What it submits.
        application: Box<Application>,
        /// Who waits.
        reply: ReplyTo,
    },
    /// What a person or the node itself wants.
    Local {
        /// The command.
        command: Box<Command>,
        /// Who wants it, for the audit trail: the row is committed with what the command changes.
        by: Option<Box<Attempt>>,
        /// Who waits.
        reply: ReplyTo,
    },
    /// A sealed message was opened and its signatures held.
    Heard {
        /// The statement.
        stmt: Box<VerifiedStmt>,
        /// Its signed bytes under the case key.
        locked: Bytes,
        /// What is wrong with its content, where only the content of what was said before can tell.
        unfit: Option<String>,
        /// How it came.
        came: Came,
        /// Who waits.
        reply: ReplyTo,
    },
    /// A receipt that we signed, to be kept.
    GaveReceipt {
        /// The case.
        thread: ThreadId,
        /// The statement.
        id: MsgId,
        /// The receipt's bytes.
        receipt: Bytes,
    },
    /// An attempt to deliver came to an end.
    Tried {
        /// The case.
        thread: ThreadId,
        /// The statement.
        id: MsgId,
        /// The answer, or why there is none.
        outcome: Result<Delivered, String>,
    },
    /// A participant's node is connected.
    PeerUp(Pid),
    /// A participant's node is gone.
    PeerDown(Pid),
    /// A peer told how far it has our own logs: the claim counts only with the entries, which sync brings.
    HeadAnswer {
        /// Who answered.
        from: Pid,
        /// Heads of our own logs that it has and that are not here; none where everything that it has of us is.
        lacking: Vec<HeadRow>,
        /// Whether log 2 was compared, too.
        log2: bool,
    },
    /// After a restore: the other side has returned what we lacked of our cases with it.
    ThreadsLevel(Pid),
    /// A statement of our own that the other side returned.
    Returned {
        /// The statement.
        stmt: Box<VerifiedStmt>,
        /// Its signed bytes under the case key.
        locked: Bytes,
    },
    /// People were told, or could not be.
    Notified {
        /// The notice.
        notice: Digest,
        /// By what.
        by: String,
        /// Why not.
        failed: Option<String>,
    },
    /// An agency signed for an entry.
    Acked {
        /// The entry.
        entry: EntryId,
        /// Who.
        by: Pid,
        /// The signature, verified by the one who hands it in.
        ack: Box<Sign1>,
    },
    /// A piece of evidence is complete.
    BlobHere {
        /// The case.
        thread: ThreadId,
        /// The blob.
        b3_cipher: Digest,
    },
    /// Whether this machine's clock can be trusted for automatic signing.
    ClockDoubt(Option<String>),
    /// Something was done or refused that leaves no other trace in the journal.
    Audit {
        /// What.
        attempt: Box<Attempt>,
        /// Who waits until the row is durable.
        reply: Option<ReplyTo>,
    },
    /// Time passes.
    Wake,
}

/// What a person, or the node on its own behalf, wants done.
#[derive(Debug, Clone)]
pub enum Command {
    /// Write an entry of log 1 or 2 that needs no approval.
    Write {
        /// Its type.
        kind: EntryType,
        /// Its body.
        body: Vec<u8>,
    },
    /// Introduce an applicant from the inbox.
    Introduce(Pid),
    /// Ask the officers.
    Propose(Ask),
    /// An officer approves.
    Approve {
        /// The proposal.
        proposal: Digest,
        /// The signature.
        by: Detached,
    },
    /// Drop a proposal that waits.
    DropProposal(Digest),
    /// Take an entry of our own log 0, signed with the root keys elsewhere.
    IdEntry(Box<Entry>),
    /// Say something in a case.
    Say(Box<Saying>),
    /// An administrator asserts that our own logs are complete here.
    AssertCurrent,
    /// Erase the content of a case here. The case key is to be destroyed once this is durable.
    Erase(ThreadId),
    /// A legal hold on a case begins or ends.
    Hold {
        /// The case.
        thread: ThreadId,
        /// Whether it stands from now on.
        stands: bool,
    },
    /// Keep something internal to a case.
    Internal {
        /// The case.
        thread: ThreadId,
        /// The name of the token that asks.
        by: String,
        /// What.
        matter: Matter,
    },
    /// Somebody is away, or is back (none).
    Absence {
        /// The name of the token.
        who: String,
        /// When, and who acts meanwhile.
        absence: Option<Absence>,
    },
}

/// What officers are asked to approve.
#[derive(Debug, Clone)]
pub enum Ask {
    /// A word on a participant or motion.
    Stance {
        /// Consent, object or withdraw.
        act: Act,
        /// On whom.
        target: Target,
        /// The reason of an objection.
        reason: Option<String>,
        /// Random bytes for its entry.
        salt: [u8; 16],
    },
    /// An amendment.
    Motion {
        /// The Params as they shall be.
        params: lapwing_record::charter::Params,
        /// Milliseconds UTC.
        expires: u64,
        /// Why.
        statement: String,
    },
}

/// A statement to be made in a case.
#[derive(Clone)]
pub struct Saying {
    /// The case; a new one for a submit.
    pub thread: ThreadId,
    /// The recipient.
    pub to: Pid,
    /// What it is.
    pub kind: Kind,
    /// How it may be handled.
    pub handling: Tlp,
    /// Its content.
    pub body: Vec<u8>,
    /// Evidence.
    pub blobs: Vec<BlobRef>,
    /// Officers' approvals, where the kind asks for them.
    pub approvals: Option<Vec<Detached>>,
    /// Milliseconds until delivery is given up.
    pub ttl_ms: u64,
    /// The case key, and a nonce drawn at random.
    pub lock: Lock,
}

impl std::fmt::Debug for Saying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Saying({} {})", self.thread.short(), self.kind)
    }
}

/// The key of a case, handed in with the command that needs it. The engine keeps none.
#[derive(Clone)]
pub struct Lock {
    /// The case key.
    pub key: zeroize::Zeroizing<[u8; 32]>,
    /// A nonce drawn at random.
    pub nonce: [u8; 24],
}

/// What follows from an input.
#[must_use = "facts are to be committed before the effects are performed"]
#[derive(Debug, Default)]
pub struct Step {
    /// To be made durable before anything else happens.
    pub facts: Vec<Fact>,
    /// To be done once the facts are durable.
    pub effects: Vec<Effect>,
}

/// Something to be done, after the commit.
#[derive(Debug)]
pub enum Effect {
    /// Tell a waiting caller.
    Reply(ReplyTo, Result<Answer, Refused>),
    /// Sign an own entry and hand it in as [`Input::Signed`].
    Sign(Box<Header>, Bytes),
    /// Tell the other nodes of a new entry.
    Spread(Box<Entry>),
    /// Push an own objection to every agency and ask each to sign for it.
    Push(Box<Entry>),
    /// Try to deliver a statement.
    Deliver {
        /// The case.
        thread: ThreadId,
        /// The statement.
        id: MsgId,
        /// To whom.
        to: Pid,
    },
    /// Sign a receipt, answer with it, and hand it in as [`Input::GaveReceipt`].
    GiveReceipt {
        /// The case.
        thread: ThreadId,
        /// The statement.
        id: MsgId,
        /// Hash of the signed bytes.
        hash: Digest,
        /// Milliseconds UTC.
        received: u64,
        /// Our epoch then.
        epoch: u64,
        /// Who waits.
        reply: ReplyTo,
    },
    /// Tell people.
    Notify(Box<Notice>),
    /// Tell those who watch the API's events.
    Event(Event),
}

/// An answer to a caller.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Done; nothing more to tell.
    Done,
    /// An own entry is durable and will be signed.
    Entry(EntryId),
    /// What became of each entry handed in.
    Placed(Vec<crate::author::Placed>),
    /// An application is in the inbox (again).
    Applied(Pid),
    /// A proposal waits for approvals.
    Proposal(Digest),
    /// An approval was taken; the entry, once enough have approved.
    Approved(Option<EntryId>),
    /// A statement is durable and will be delivered.
    Said(MsgId),
    /// A stored receipt for a duplicate.
    Receipt(Bytes),
    /// A message was not taken.
    Refused(Refusal, String),
}

/// Why a command was not carried out. Codes are stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not while the node does not know its own logs' heads.
    #[error("this node may not sign yet: {0}")]
    HeadUnchecked(String),
    /// Not before the node's state is confirmed by other agencies.
    #[error("this node's state is not confirmed by enough agencies yet; it signs only its own records until then")]
    Unconfirmed,
    /// Nobody of that name or id.
    #[error("{0}")]
    Unknown(String),
    /// The command does not fit the state of things.
    #[error("{0}")]
    Conflict(String),
    /// The command is malformed.
    #[error("{0}")]
    Invalid(String),
    /// Approvals do not hold.
    #[error("{0}")]
    Approval(String),
    /// Somebody's standing forbids it.
    #[error("{0}")]
    Standing(String),
    /// The case's rules forbid it: the code that the other side would give for it.
    #[error("{1}")]
    Case(Refusal, String),
}

impl Refused {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Refused::HeadUnchecked(_) => "head_unchecked",
            Refused::Unconfirmed => "unconfirmed",
            Refused::Unknown(_) => "unknown",
            Refused::Conflict(_) => "conflict",
            Refused::Invalid(_) => "invalid",
            Refused::Approval(_) => "approval",
            Refused::Standing(_) => "standing",
            Refused::Case(refusal, _) => refusal.code(),
        }
    }
}

/// Something that watchers of the API are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody's standing changed.
    Standing(Pid),
    /// A record of the directory changed.
    Directory(Pid),
    /// A case changed.
    Case(ThreadId),
    /// An application came in.
    Application(Pid),
    /// A proposal changed.
    Proposal(Digest),
    /// A log became contested.
    Contested(Pid),
}

/// The statement and approvals as they are locked by the sender.
pub fn locked_form(stmt: &Stmt, approvals: &Option<Vec<Detached>>) -> Vec<u8> {
    lapwing_record::cbor::encode(&(Bytes(lapwing_record::cbor::encode(stmt)), approvals.clone()))
}

/// Reads what [`locked_form`] wrote.
pub fn read_locked_form(bytes: &[u8]) -> Result<(Stmt, Option<Vec<Detached>>), lapwing_record::cbor::DecodeError> {
    let limit = lapwing_record::seal::MAX_PLAIN + 4096;
    let (stmt, approvals): (Bytes, Option<Vec<Detached>>) = lapwing_record::cbor::decode(bytes, limit)?;
    Ok((lapwing_record::cbor::decode(&stmt, limit)?, approvals))
}
