//! What the journal holds: facts, with the time that they used (protocol §6, "Journal, erasure, replay").
//!
//! The journal is truth. Replaying its facts through [`crate::state::State::apply`] gives the live state, and needs no
//! private key, no randomness and no clock. Content of cases is inside only as locked bytes.

use crate::case::Open;
use lapwing_record::audit::Row;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::entry::{Entry, Header};
use lapwing_record::id::{Digest, EntryId, MsgId, Pid, ThreadId};
use lapwing_record::membership::{Application, Approval, Motion, Target};
use lapwing_record::sign::{Detached, Sign1};
use lapwing_record::statement::Refusal;
use lapwing_record::{cbor_array, cbor_tagged, codes};

/// The format of these facts, as it stands in the journal: 1 had those up to 16, 2 those up to 19, 3 has 20, 21, 32 and 33, the
/// kinds of statements from 9 on and what of them decides, 4 has joint_plan, joint_task and outcomes
/// of complaints. An earlier program refuses a journal with a later one instead
/// of misreading it.
pub const FORMAT: u16 = 4;

cbor_array! {
    /// An entry is kept, whoever wrote it.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Kept {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The entry.
        pub entry: Entry,
    }
}

cbor_array! {
    /// A header of our own that will be signed: durable first, never withdrawn (protocol §3, "Never fork yourself").
    #[derive(Clone, Debug, PartialEq)]
    pub struct Reserved {
        /// The header, exactly as it will be signed.
        pub header: Header,
        /// Its body.
        pub body: Bytes,
    }
}

cbor_array! {
    /// An application came in.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Applied {
        /// Milliseconds UTC here.
        pub at: u64,
        /// What was submitted.
        pub application: Application,
    }
}

cbor_array! {
    /// Something that officers are asked to approve.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Proposal {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The epoch whose officers are asked.
        pub epoch: u64,
        /// The counter that it uses up.
        pub n: u64,
        /// The act.
        pub act: lapwing_record::identity::Act,
        /// Of whom or what; none for a motion.
        pub target: Option<Target>,
        /// The motion proposed, approvals left out.
        pub motion: Option<Motion>,
        /// The reason of an objection, for agencies only.
        pub reason: Option<String>,
        /// Salt of the reason's entry.
        pub salt: [u8; 16],
    }
}

impl Proposal {
    /// What officers of `me` sign for it.
    pub fn approval(&self, me: Pid) -> Approval {
        match (&self.motion, self.target) {
            (Some(motion), _) => motion.approval(me, self.epoch),
            (None, Some(target)) => Approval::of_stance(me, self.epoch, self.n, self.act, target),
            (None, None) => unreachable!("a proposal is a motion or has a target: the engine makes no other"),
        }
    }
}

cbor_array! {
    /// An officer approved a proposal.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Approved {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The proposal: the digest of what officers sign.
        pub proposal: Digest,
        /// The signature.
        pub by: Detached,
    }
}

cbor_array! {
    /// A proposal is done with: written, or dropped because something overtook it.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Concluded {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The proposal.
        pub proposal: Digest,
        /// The entry written; none if dropped.
        pub entry: Option<EntryId>,
    }
}

cbor_array! {
    /// A statement of our own, durable before it is signed and sealed.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Said {
        /// Milliseconds UTC here.
        pub at: u64,
        /// What decides.
        pub open: Open,
        /// The statement's bytes and its approvals, under the case key.
        pub locked: Bytes,
    }
}

cbor_array! {
    /// A statement of the other side, durable before its receipt is given.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Heard {
        /// Milliseconds UTC here: the receipt's time.
        pub at: u64,
        /// What decides.
        pub open: Open,
        /// Hash of the signed bytes, as the receipt names it.
        pub hash: Digest,
        /// Our epoch when it came: the receipt's.
        pub epoch: u64,
        /// The signed statement's bytes, under the case key.
        pub locked: Bytes,
    }
}

cbor_array! {
    /// A statement of the other side that may not be said there. It keeps its place in its sender's chain, so that what
    /// comes after it goes on, and decides nothing.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Declined {
        /// Milliseconds UTC here.
        pub at: u64,
        /// What is known of it.
        pub open: Open,
        /// Why.
        pub refusal: Refusal,
        /// The same in words.
        pub words: String,
        /// The signed statement's bytes, under the case key.
        pub locked: Bytes,
    }
}

cbor_array! {
    /// A statement of our own that the other side refused for good.
    #[derive(Clone, Debug, PartialEq)]
    pub struct DeclinedThere {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// The statement.
        pub id: MsgId,
        /// Why.
        pub refusal: Refusal,
        /// The same in words.
        pub words: String,
    }
}

cbor_array! {
    /// An attempt to deliver failed, or delivery is held or given up.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Tried {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// The statement.
        pub id: MsgId,
        /// Why.
        pub why: String,
        /// Milliseconds UTC of the next attempt; none = given up.
        pub next: Option<u64>,
    }
}

cbor_array! {
    /// A receipt came home, or went out.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Receipted {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// The statement.
        pub id: MsgId,
        /// The receipt's bytes.
        pub receipt: Bytes,
    }
}

codes! {
    /// What people are told of (defaults: Notify).
    pub enum NoticeKind {
        /// An applicant was introduced; one's own window runs.
        0 "applicant_introduced" => Introduced,
        /// One's own window ends within 72 hours.
        1 "window_ends_72h" => WindowEnds72,
        /// One's own window ends within 24 hours.
        2 "window_ends_24h" => WindowEnds24,
        /// An agency objects.
        3 "objection" => Objection,
        /// A referral was stored here.
        4 "referral_stored" => ReferralStored,
        /// A delivery keeps failing, or was given up.
        5 "delivery_failing" => DeliveryFailing,
        /// A log became contested.
        6 "log_contested" => LogContested,
        /// An amendment was moved.
        7 "amendment_moved" => AmendmentMoved,
        /// Something in a case is overdue by the published targets.
        8 "item_overdue" => ItemOverdue,
        /// A referral was recalled: what became of its content is to be said.
        9 "referral_recalled" => ReferralRecalled,
    }
}

cbor_array! {
    /// Something that people must be told.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Notice {
        /// Milliseconds UTC here.
        pub at: u64,
        /// What.
        pub kind: NoticeKind,
        /// The participant it is about, or the counterpart.
        pub about: Option<Pid>,
        /// The motion or case it is about.
        pub subject: Option<Digest>,
        /// What tells it from others of its kind and subject, where the same may happen again: of objections the entry, of
        /// what is overdue a hash of the item and its date.
        pub entry: Option<EntryId>,
        /// Milliseconds UTC by which people may act; of windows, their end.
        pub until: Option<u64>,
    }
}

impl Notice {
    /// Names a notice: the same event gives one notice only.
    pub fn id(&self) -> Digest {
        let what = (self.kind, self.about, self.subject, self.entry);
        Digest(lapwing_record::id::HashOf::Body.hash(&encode(&what)))
    }
}

cbor_array! {
    /// Telling people worked, or did not.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Notified {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The notice.
        pub notice: Digest,
        /// Who was told: the command's first word, or `status`.
        pub by: String,
        /// Why it failed.
        pub failed: Option<String>,
    }
}

cbor_array! {
    /// An agency signed that it holds our objection (protocol §4.7).
    #[derive(Clone, Debug, PartialEq)]
    pub struct Acked {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The entry.
        pub entry: EntryId,
        /// Who holds it.
        pub by: Pid,
        /// Its signature.
        pub ack: Sign1,
    }
}

cbor_array! {
    /// A piece of evidence is here, whole.
    #[derive(Clone, Debug, PartialEq)]
    pub struct BlobHere {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// The blob.
        pub b3_cipher: Digest,
    }
}

cbor_array! {
    /// This node learned that it may sign, after a start (protocol §3, "Never fork yourself").
    #[derive(Clone, Debug, PartialEq)]
    pub struct HeadChecked {
        /// Milliseconds UTC here.
        pub at: u64,
        /// Peers that answered about our heads.
        pub answers: u64,
        /// Whether an administrator asserted it instead.
        pub asserted: bool,
    }
}

cbor_array! {
    /// The content of a case is erased here: its key is destroyed, what is left are ids, hashes and receipts.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Erased {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
    }
}

cbor_array! {
    /// A legal hold on a case begins or ends: while it stands the case is not erased.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Held {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// Whether it stands from now on.
        pub stands: bool,
    }
}

cbor_array! {
    /// Something that this agency keeps to itself about a case.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Internal {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The case.
        pub thread: ThreadId,
        /// The name of the token that wrote it.
        pub by: String,
        /// What.
        pub matter: crate::internal::Matter,
    }
}

cbor_array! {
    /// Somebody of this agency is away, or is back.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Absence {
        /// Milliseconds UTC here.
        pub at: u64,
        /// The name of a token.
        pub who: String,
        /// From and until, milliseconds UTC, and the name of who acts meanwhile; null: back.
        pub away: Option<(u64, u64, String)>,
    }
}

cbor_tagged! {
    /// One line of the journal. A number once given keeps its meaning; what is added raises [`FORMAT`].
    #[derive(Clone, Debug, PartialEq)]
    pub enum Fact {
        /// An entry is kept.
        0 => Entry(Kept),
        /// A header of our own will be signed.
        1 => Reserved(Reserved),
        /// An application came in.
        2 => Applied(Applied),
        /// Officers are asked.
        3 => Proposed(Proposal),
        /// An officer approved.
        4 => Approved(Approved),
        /// A proposal is done with.
        5 => Concluded(Concluded),
        /// We say something in a case.
        6 => Said(Said),
        /// Delivery goes on later, or is given up.
        7 => Tried(Tried),
        /// A receipt came home.
        8 => Receipt(Receipted),
        /// The other side said something in a case.
        9 => Heard(Heard),
        /// We gave a receipt.
        10 => GaveReceipt(Receipted),
        /// People must be told.
        11 => Notice(Notice),
        /// Telling people.
        12 => Notified(Notified),
        /// An agency holds our objection.
        13 => Acked(Acked),
        /// Evidence is here.
        14 => BlobHere(BlobHere),
        /// We may sign again.
        15 => HeadChecked(HeadChecked),
        /// A row of the audit trail.
        17 => Audited(Row),
        /// A case was erased here.
        18 => Erased(Erased),
        /// A legal hold.
        19 => Held(Held),
        /// A note, or who works on a case.
        32 => Internal(Internal),
        /// Who is away.
        33 => Absence(Absence),
        /// What the other side said may not be said there.
        20 => Declined(Declined),
        /// What we said was refused for good.
        21 => DeclinedThere(DeclinedThere),
        /// A statement of our own came back from the other side after a restore.
        16 => Recovered(Said),
    }
}

impl Fact {
    /// Whether [`crate::engine::Engine::high_water`] may be another after it.
    pub fn moves_high_water(&self, me: &Pid) -> bool {
        match self {
            Fact::Entry(kept) => kept.entry.header().pid == *me,
            Fact::HeadChecked(_) => true,
            _ => false,
        }
    }
}
