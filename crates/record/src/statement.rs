//! What one participant says to another about a case, and the receipt for it (protocol §6, referral.md §2).
//!
//! ```text
//! Stmt   = [v, network_id, thread, msg_no, prev_own|null, seen_peer|null, from, epoch, to, clock, expires, kind,
//!           handling, body, blobs]
//! Signed = [Sign1(Stmt), approvals|null]         msg_id = BLAKE3("lapwing/1 msg", Stmt bytes)
//! ```
//!
//! Sign, then seal: the recipient stands inside the signature, the sender only inside the ciphertext. Each side numbers
//! and links its own messages and names the other's newest that it has seen: two cross-linked chains, a tamper-evident
//! file of the case. None of it ever enters a log that anyone else holds.

use crate::cbor::{self, Bytes, DecodeError, Fault, encode};
use crate::id::{Digest, HashOf, Kid, MsgId, NetworkId, Pid, ThreadId};
use crate::identity::{Act, EpochKeys, check_text};
use crate::membership::{Approval, ApprovalError};
use crate::seal::MAX_PLAIN;
use crate::sign::{Context, Detached, SecretKey, Sign1, SignatureError};
use crate::{cbor_array, cbor_tagged, codes};

mod answer;
mod body;
mod joint;
mod life;

pub use answer::*;
pub use body::Body;
pub use joint::*;
pub use life::*;

/// Evidence items of one statement at most.
pub const MAX_BLOBS: usize = 256;
/// Assistance items of one referral at most.
pub const MAX_ITEMS: u64 = 64;

codes! {
    /// An event of a referral's life that crosses the wire.
    pub enum Kind {
        /// The requester submits the pro forma.
        0 "submit" => Submit,
        /// The target's person has seen it.
        1 "acknowledge" => Acknowledge,
        /// The target asks; the clock stops.
        2 "need_info" => NeedInfo,
        /// The requester answers or adds.
        3 "supplement" => Supplement,
        /// The target decides on assistance items.
        4 "decide" => Decide,
        /// The requester takes the referral back.
        5 "withdraw" => Withdraw,
        /// The requester closes the case.
        6 "close" => Close,
        /// Keys of one's own evidence are handed over.
        7 "blob_grant" => BlobGrant,
        /// The other side's evidence is asked for.
        8 "blob_request" => BlobRequest,
        /// The target tells how far it is.
        9 "progress" => Progress,
        /// The target expects to decide or deliver later.
        10 "extend" => Extend,
        /// The target says why it takes long.
        11 "delay_reasons" => DelayReasons,
        /// The target delivers, and more will come.
        12 "result_interim" => ResultInterim,
        /// The target delivers the last on these items.
        13 "result_final" => ResultFinal,
        /// The target would pass items on to another agency.
        14 "transfer_proposed" => TransferProposed,
        /// The requester answers that.
        15 "transfer_consent" => TransferConsent,
        /// The target has passed them on.
        16 "transferred" => Transferred,
        /// The requester reminds.
        17 "reminder" => Reminder,
        /// The requester wants back what it sent.
        18 "recall" => Recall,
        /// The target says what became of it.
        19 "recall_answer" => RecallAnswer,
        /// The requester says what the results were good for.
        20 "feedback" => Feedback,
        /// The requester opens a case again.
        21 "reopen" => Reopen,
        /// Somebody disagrees.
        22 "dispute" => Dispute,
        /// A law forced content out at the target.
        23 "compelled_disclosure_notice" => CompelledDisclosureNotice,
        /// A side's own assessment of the harm.
        24 "assess" => Assess,
        /// A person has read the other side's statements.
        25 "seen" => Seen,
        /// A release beyond the markings is asked for.
        26 "consent_request" => ConsentRequest,
        /// The originator answers, or volunteers.
        27 "consent" => Consent,
        /// The lead of a joint case plans for the other side.
        28 "joint_plan" => JointPlan,
        /// The other side of a plan says how far a task is.
        29 "joint_task" => JointTask,
    }
}

/// Which side of a case says a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The one who opened the thread.
    Requester,
    /// Its counterpart.
    Target,
    /// Both.
    Either,
}

impl Signer {
    /// Whether the requester, or else the target, is meant.
    pub const fn fits(self, requester: bool) -> bool {
        match self {
            Signer::Requester => requester,
            Signer::Target => !requester,
            Signer::Either => true,
        }
    }
}

impl Kind {
    /// Who says this.
    pub const fn signer(self) -> Signer {
        match self {
            Kind::Submit
            | Kind::Supplement
            | Kind::Withdraw
            | Kind::Close
            | Kind::TransferConsent
            | Kind::Reminder
            | Kind::Recall
            | Kind::Feedback
            | Kind::Reopen => Signer::Requester,
            Kind::Acknowledge
            | Kind::NeedInfo
            | Kind::Decide
            | Kind::Progress
            | Kind::Extend
            | Kind::DelayReasons
            | Kind::ResultInterim
            | Kind::ResultFinal
            | Kind::TransferProposed
            | Kind::Transferred
            | Kind::RecallAnswer
            | Kind::CompelledDisclosureNotice => Signer::Target,
            Kind::BlobGrant
            | Kind::BlobRequest
            | Kind::Dispute
            | Kind::Assess
            | Kind::Seen
            | Kind::ConsentRequest
            | Kind::Consent
            | Kind::JointPlan
            | Kind::JointTask => Signer::Either,
        }
    }

    /// The officers' act that it needs an approval for.
    pub const fn act(self) -> Option<Act> {
        match self {
            Kind::Acknowledge => Some(Act::Acknowledge),
            Kind::Decide => Some(Act::Decide),
            _ => None,
        }
    }
}

codes! {
    /// Traffic Light Protocol 2.0.
    pub enum Tlp {
        /// No limit.
        0 "clear" => Clear,
        /// The community.
        1 "green" => Green,
        /// The organisation and its clients, on a need-to-know basis.
        2 "amber" => Amber,
        /// The organisation only.
        3 "amber+strict" => AmberStrict,
        /// The named recipients only.
        4 "red" => Red,
    }
}

cbor_array! {
    /// A piece of evidence, as the signed statement names it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct BlobRef {
        /// Its name in the manifest. Text from outside: never a path.
        pub name: String,
        /// Its media type.
        pub media: String,
        /// Plaintext bytes.
        pub size: u64,
        /// BLAKE3 of the plaintext.
        pub b3_plain: Digest,
        /// SHA-256 of the plaintext.
        pub sha256_plain: Digest,
        /// BLAKE3 of the ciphertext: its name on the network.
        pub b3_cipher: Digest,
        /// Salt of its key.
        pub salt: Digest,
    }
}

cbor_array! {
    /// A statement.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Stmt {
        /// Format version, 1.
        pub version: u64,
        /// The federation.
        pub network_id: NetworkId,
        /// The case.
        pub thread: ThreadId,
        /// Number among the sender's own messages of the thread, from 0.
        pub msg_no: u64,
        /// The sender's message before.
        pub prev_own: Option<MsgId>,
        /// The newest of the other side's messages that the sender has.
        pub seen_peer: Option<MsgId>,
        /// The sender.
        pub from: Pid,
        /// The sender's epoch.
        pub epoch: u64,
        /// The recipient.
        pub to: Pid,
        /// The sender's milliseconds UTC.
        pub clock: u64,
        /// Milliseconds UTC after which delivery is given up, aloud.
        pub expires: u64,
        /// What it is.
        pub kind: Kind,
        /// How it may be handled.
        pub handling: Tlp,
        /// The content, by kind.
        pub body: Bytes,
        /// Evidence.
        pub blobs: Vec<BlobRef>,
    }
}

/// Never the content: logs print this.
impl std::fmt::Debug for Stmt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stmt({} {} #{})", self.thread.short(), self.kind, self.msg_no)
    }
}

impl Stmt {
    /// The statement's id.
    pub fn id(&self) -> MsgId {
        MsgId(HashOf::Msg.hash(&encode(self)))
    }

    /// What an officer signs for it.
    pub fn approval(&self) -> Option<Approval> {
        let act = self.kind.act()?;
        let body_hash = Some(crate::entry::body_hash(&self.body));
        let target = Bytes(self.thread.0.to_vec());
        Some(Approval { pid: self.from, epoch: self.epoch, n: self.msg_no, act, target, body_hash })
    }
}

cbor_array! {
    /// A signed statement, as it lies inside a sealed message.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SignedStmt {
        /// By the sender's feed key.
        pub sign1: Sign1,
        /// By its officers, where the kind asks for it.
        pub approvals: Option<Vec<Detached>>,
    }
}

/// Why a statement is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StmtError {
    /// The bytes do not decode.
    #[error("statement: {0}")]
    Decode(#[from] DecodeError),
    /// A rule of form is broken.
    #[error("statement: {0}")]
    Form(#[from] Fault),
    /// The sender's signature does not hold.
    #[error("statement: {0}")]
    Signature(#[from] SignatureError),
    /// Officers' approvals are missing or do not hold.
    #[error("statement: {0}")]
    Approval(#[from] ApprovalError),
    /// Meant for another network.
    #[error("statement of another federation")]
    OtherNetwork,
}

impl SignedStmt {
    /// Signs a statement.
    pub fn sign(stmt: &Stmt, key: &SecretKey, approvals: Option<Vec<Detached>>) -> Self {
        SignedStmt { sign1: Sign1::sign(key, &stmt.network_id, Context::Msg, encode(stmt)), approvals }
    }

    /// Reads bytes. Nothing is verified yet: look at [`SignedStmt::claimed`] to learn whose keys to verify with.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        cbor::decode(bytes, MAX_PLAIN)
    }

    /// What it claims to say, before verification.
    pub fn claimed(&self) -> Result<Stmt, StmtError> {
        let stmt: Stmt = cbor::decode(&self.sign1.payload, MAX_PLAIN)?;
        if stmt.version != 1 {
            return Err(Fault::here("this program reads version 1").within("version").into());
        }
        if stmt.blobs.len() > MAX_BLOBS {
            return Err(Fault::here("more than 256 items").within("blobs").into());
        }
        if (stmt.msg_no == 0) != stmt.prev_own.is_none() {
            return Err(Fault::here("the first message, and only it, has no predecessor").within("prev_own").into());
        }
        for blob in &stmt.blobs {
            check_text("blobs.name", &blob.name, 1, 255)?;
            check_text("blobs.media", &blob.media, 1, 127)?;
        }
        Ok(stmt)
    }

    /// The statement, if the sender's feed key and (where needed) its officers signed it for this network.
    pub fn open(&self, keys: &EpochKeys, network: &NetworkId) -> Result<VerifiedStmt, StmtError> {
        let stmt = self.claimed()?;
        if stmt.network_id != *network {
            return Err(StmtError::OtherNetwork);
        }
        self.sign1.open(&keys.feed, network, Context::Msg)?;
        match (stmt.approval(), &self.approvals) {
            (Some(approval), Some(signatures)) => approval.check(signatures, keys, network)?,
            (Some(approval), None) => {
                return Err(ApprovalError::TooFew { have: 0, need: keys.needed(approval.act) }.into());
            }
            (None, Some(_)) => return Err(Fault::here("this kind carries none").within("approvals").into()),
            (None, None) => {}
        }
        Ok(VerifiedStmt { id: stmt.id(), stmt, signed: encode(self) })
    }
}

/// A statement whose signatures held.
#[derive(Clone, Debug)]
pub struct VerifiedStmt {
    id: MsgId,
    stmt: Stmt,
    signed: Vec<u8>,
}

impl VerifiedStmt {
    /// Its id.
    pub fn id(&self) -> MsgId {
        self.id
    }
    /// What it says.
    pub fn stmt(&self) -> &Stmt {
        &self.stmt
    }
    /// The bytes of the [`SignedStmt`].
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }
}

codes! {
    /// What the receiving node did with a statement.
    pub enum ReceiptStatus {
        /// It is on the node's disk.
        0 "stored" => Stored,
    }
}

cbor_array! {
    /// What the receiving node signs once a statement is durable (Plan, "Assist in cross-national investigations").
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Receipt {
        /// The statement.
        pub msg_id: MsgId,
        /// Hash of the signed bytes that were stored.
        pub hash: Digest,
        /// Milliseconds UTC on the receiver's clock.
        pub received: u64,
        /// What was done.
        pub status: ReceiptStatus,
        /// The receiver.
        pub by: Pid,
        /// The receiver's epoch.
        pub epoch: u64,
    }
}

/// The hash of a signed statement that its receipt names.
pub fn signed_hash(signed: &[u8]) -> Digest {
    crate::entry::body_hash(signed)
}

impl Receipt {
    /// Signs with the receiver's feed key.
    pub fn sign(&self, key: &SecretKey, network: &NetworkId) -> Sign1 {
        Sign1::sign(key, network, Context::Receipt, encode(self))
    }

    /// Reads what a receipt claims.
    pub fn claimed(sign1: &Sign1) -> Result<Receipt, DecodeError> {
        cbor::decode(&sign1.payload, 1024)
    }

    /// Reads and verifies a receipt.
    pub fn open(sign1: &Sign1, keys: &EpochKeys, network: &NetworkId) -> Result<Receipt, StmtError> {
        Ok(cbor::decode(sign1.open(&keys.feed, network, Context::Receipt)?, 1024)?)
    }
}

cbor_array! {
    /// "I cannot open this": the receiver lost or retired the key. The sender takes the new key from the log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Nack {
        /// Hash of the sealed bytes.
        pub sealed: Digest,
        /// The receiver's key in force.
        pub current: Option<Kid>,
        /// The receiver.
        pub by: Pid,
        /// The receiver's epoch.
        pub epoch: u64,
    }
}

codes! {
    /// Why a message was not taken, in answer to its delivery.
    pub enum Refusal {
        /// The receiver cannot store now; try later.
        0 "try_later" => TryLater,
        /// The sender is not in full standing here (yet).
        1 "sender_standing" => SenderStanding,
        /// Not meant for this node.
        2 "not_mine" => NotMine,
        /// Its signatures do not hold.
        3 "invalid" => Invalid,
        /// An earlier message of the thread is missing here.
        4 "gap" => Gap,
        /// Not allowed at this point of the case's life, or not by this signer: what earlier programs say for 7 to 12.
        5 "not_now" => NotNow,
        /// The case was erased at the receiver.
        6 "erased" => Erased,
        /// This side of the case does not say that.
        7 "not_your_turn" => NotYourTurn,
        /// Not at this point of the case's life.
        8 "wrong_state" => WrongState,
        /// A ground that does not hold here.
        9 "wrong_ground" => WrongGround,
        /// It names something that is not in the case.
        10 "wrong_reference" => WrongReference,
        /// Confidentiality was asked for and is not assured.
        11 "not_assured" => NotAssured,
        /// The originator has not consented.
        12 "consent_needed" => ConsentNeeded,
        /// The last one of its kind is too recent.
        13 "too_soon" => TooSoon,
    }
}

impl Refusal {
    /// Whether the same bytes may be taken later.
    pub const fn may_pass_later(self) -> bool {
        matches!(self, Refusal::TryLater | Refusal::SenderStanding | Refusal::Gap)
    }
}

cbor_tagged! {
    /// The answer to a delivered message.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Delivered {
        /// Durable at the receiver.
        0 => Receipt(Sign1),
        /// Cannot be opened there.
        1 => Nack(Sign1),
        /// Not taken: the code, and words for people.
        2 => Refused((Refusal, String)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testkit::TestAgency;

    const NET: NetworkId = NetworkId([1; 32]);

    fn stmt(from: &TestAgency, kind: Kind) -> Stmt {
        Stmt {
            version: 1,
            network_id: NET,
            thread: ThreadId([2; 32]),
            msg_no: 0,
            prev_own: None,
            seen_peer: None,
            from: from.pid(),
            epoch: 0,
            to: Pid([3; 32]),
            clock: 1,
            expires: 2,
            kind,
            handling: Tlp::AmberStrict,
            body: Bytes(vec![1]),
            blobs: vec![],
        }
    }

    #[test]
    fn a_statement_counts_when_its_sender_signed_it_for_this_network() {
        let a = TestAgency::named("harbor");
        let signed = SignedStmt::sign(&stmt(&a, Kind::Submit), &a.feed, None);
        let back = SignedStmt::decode(&encode(&signed)).unwrap();
        let verified = back.open(&a.inception.first, &NET).unwrap();
        assert_eq!(verified.id(), stmt(&a, Kind::Submit).id());
        assert_eq!(back.open(&a.inception.first, &NetworkId([9; 32])).unwrap_err(), StmtError::OtherNetwork);
        let b = TestAgency::named("polder");
        assert!(matches!(back.open(&b.inception.first, &NET), Err(StmtError::Signature(_))));
    }

    #[test]
    fn an_acknowledgement_without_an_officer_is_refused() {
        let a = TestAgency::named("harbor");
        let s = stmt(&a, Kind::Acknowledge);
        let bare = SignedStmt::sign(&s, &a.feed, None);
        assert!(matches!(bare.open(&a.inception.first, &NET), Err(StmtError::Approval(_))));
        let approval = s.approval().unwrap().sign(&a.officers[1], &NET);
        SignedStmt::sign(&s, &a.feed, Some(vec![approval])).open(&a.inception.first, &NET).unwrap();
        let other = Stmt { body: Bytes(vec![2]), ..s };
        let moved = SignedStmt::sign(&other, &a.feed, Some(vec![approval]));
        assert!(moved.open(&a.inception.first, &NET).is_err(), "approved another body");
    }

    #[test]
    fn a_decision_needs_what_makes_it_understood() {
        let item = ItemDecision::new(0, Decision::Accept);
        let check = |items| Decide { items }.check();
        check(vec![item.clone()]).unwrap();
        assert!(check(vec![]).is_err());
        assert!(check(vec![item.clone(), item.clone()]).is_err());
        assert!(check(vec![ItemDecision { decision: Decision::Refuse, ..item.clone() }]).is_err());
        assert!(check(vec![ItemDecision { ground: Some(Ground::DuplicateOf), ..item.clone() }]).is_err());
        assert!(check(vec![ItemDecision { decision: Decision::Defer, ..item.clone() }]).is_err());
        assert!(check(vec![ItemDecision { decision: Decision::AcceptInPart, ..item }]).is_err());
    }

    #[test]
    fn a_ground_says_what_it_needs_and_nothing_of_another() {
        let check = |item: ItemDecision| Decide { items: vec![item] }.check().map_err(|f| f.to_string());
        let path = |item| check(item).unwrap_err().split(':').next().unwrap().to_owned();
        let refuse = |ground| ItemDecision::refuse(0, ground);
        assert_eq!(path(refuse(Ground::DuplicateOf)), "items.0.duplicate_of");
        assert_eq!(path(refuse(Ground::ResourcesUnavailable)), "items.0.retry_after");
        check(ItemDecision { duplicate_of: Some("HB-1".into()), ..refuse(Ground::DuplicateOf) }).unwrap();
        check(ItemDecision { retry_after: Some(7), ..refuse(Ground::ResourcesUnavailable) }).unwrap();
        check(refuse(Ground::OutsideCompetence)).unwrap();
        let elsewhere = |ground| ItemDecision { suggested: Some(Pid([1; 32])), ..refuse(ground) };
        check(elsewhere(Ground::OutsideCompetence)).unwrap();
        assert_eq!(path(elsewhere(Ground::Disproportionate)), "items.0.suggested");
        check(refuse(Ground::ReasonsWithheld)).unwrap();
    }

    #[test]
    fn a_decision_and_a_supplement_that_say_nothing_new_keep_their_old_bytes() {
        let item = ItemDecision::refuse(0, Ground::OutsideCompetence);
        assert_eq!(encode(&item), [0x85, 0, 3, 0, 0xf6, 0xf6]);
        assert_eq!(
            encode(&Supplement { text: "a".into(), form: None, unknown: vec![] }),
            encode(&Text { text: "a".into() })
        );
    }
}
