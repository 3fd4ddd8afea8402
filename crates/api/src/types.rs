//! What the operations take and answer. Times are RFC 3339 in UTC with milliseconds, ids base32, codes stable tokens.

mod drafts;
mod internal;
mod joint;
mod life;
mod register;

pub use drafts::*;
pub use internal::*;
pub use joint::*;
pub use life::*;
pub use register::*;

pub use crate::harm::{HarmRow, HarmTable, HarmView, IncomeView};
pub use crate::search::{
    FacetCount, Filters, SavedNews, SavedRun, SavedSearch, SearchFacets, SearchSave, Seen, SeenAnswer, SeenAsk,
    SeenCase, SeenIdentifier, SeenRequest,
};
use lapwing_record::directory::{Contact, Profile};
use lapwing_record::form::Form;
use lapwing_record::legal::LegalProfile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An RFC 3339 time in UTC.
pub type Time = String;

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; null at the end.
    pub next: Option<String>,
    /// Journal position that the answer reflects.
    pub as_of: u64,
}

/// A row of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub n: u64,
    /// When.
    pub at: Time,
    /// A token's name, a participant's id, or `node` for what the node does by itself.
    pub who: String,
    /// The token's role, `peer` or `node`.
    pub role: String,
    /// The operation, or what was handed in.
    pub act: String,
    /// What it was done to: names and ids.
    pub on: String,
    /// `done`, or the code of the refusal.
    pub outcome: String,
    /// The request's id, where there was one.
    pub request: Option<String>,
    /// Hash of the row before; zeros before the first.
    pub prev: String,
    /// This row's hash (docs/protocol.md, "Audit trail").
    pub hash: String,
}

/// An erased case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedCase {
    /// The case.
    pub thread: String,
    /// When its content was erased here.
    pub at: Time,
}

/// Begins or ends a legal hold.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HoldRequest {
    /// Whether it stands from now on.
    pub stands: bool,
}

/// How the node is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Journal position.
    pub as_of: u64,
    /// The program's version.
    pub version: String,
    /// Now, on this machine.
    #[schemars(extend("format" = "date-time"))]
    pub time: Time,
    /// Start of the process.
    #[schemars(extend("format" = "date-time"))]
    pub started: Time,
    /// The federation's name.
    pub network: String,
    /// The federation's id.
    pub network_id: String,
    /// This participant.
    pub me: Name,
    /// Its standing; null before it is introduced.
    pub standing: Option<String>,
    /// Whether other agencies confirm the state here.
    pub confirmed: bool,
    /// Whether the node may sign: `ok`, or why not.
    pub signing: String,
    /// Why automatic signing pauses because of the clock.
    pub clock_doubt: Option<String>,
    /// This node's peer id.
    pub peer_id: String,
    /// Where it listens.
    pub listening: Vec<String>,
    /// The addresses that it has published for others.
    pub published: Vec<String>,
    /// Connected nodes.
    pub connected: usize,
    /// Participants in full standing.
    pub participants: usize,
    /// Entries held of everyone's logs 0 and 1.
    pub entries: u64,
    /// One hash over heads of logs 0 and 1.
    pub heads: String,
    /// One hash over heads of log 2; null outside the agencies.
    pub heads_agency: Option<String>,
    /// One hash over everyone's standing.
    pub state: String,
    /// Statements without a receipt.
    pub outbox: usize,
    /// Cases.
    pub cases: usize,
    /// What people should look at, most urgent first.
    pub todo: Vec<Todo>,
    /// Counters, for tests and operators.
    pub counters: BTreeMap<String, u64>,
}

/// Something to do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Todo {
    /// A stable code.
    pub code: String,
    /// What it is.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// How bad a health item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The node cannot take a referral, or not answer reads: it is not ready.
    Down,
    /// Somebody should look at it.
    Warn,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The stable token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Down => "down",
            Severity::Warn => "warn",
            Severity::Info => "info",
        }
    }
}

/// Something about the node's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthItem {
    /// A stable code.
    pub code: String,
    /// Whom it is about, where there can be several of a code.
    pub about: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// What usually brings it about.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// Codes of items that explain this one: mend those first.
    pub depends_on: Vec<String>,
    /// Seconds until such a fault shows up here after it began.
    pub visible_within_s: u64,
    /// Since when, as far as this process has seen.
    pub since: Option<Time>,
}

/// The node's health.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Whether it can take and store a referral and answer reads.
    pub ready: bool,
    /// Now, on this machine.
    pub time: Time,
    /// The program's version.
    pub version: String,
    /// Every item, the worst first; those that others explain stand behind them.
    pub items: Vec<HealthItem>,
}

/// Whether the node can take and store a referral and answer reads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// Whether it can.
    pub ready: bool,
    /// What keeps it from that.
    pub items: Vec<Todo>,
}

/// Whether others reach this node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// Whether one published address leads here.
    pub ok: bool,
    /// Whose node tried.
    pub by: Name,
    /// When.
    pub at: Time,
    /// Each published address.
    pub addresses: Vec<ReachedAddress>,
}

/// How an attempt at one address ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReachedAddress {
    /// The address.
    pub addr: String,
    /// `ok`, `refused`, `timeout`, `unreachable`, `other_key`, `no_handshake`, `not_tried`.
    pub outcome: String,
}

/// How the test of the notify command went.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotifyTested {
    /// Whether the command ended with success.
    pub ok: bool,
    /// The program.
    pub program: String,
    /// Its exit code; null where it was ended by a signal, or never started.
    pub exit_code: Option<i32>,
    /// Why it counts as failed.
    pub failure: Option<String>,
    /// The first line of its standard error.
    pub stderr: Option<String>,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// How a participant is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Name {
    /// The id.
    pub pid: String,
    /// The name on the command line.
    pub short_name: String,
    /// The full name.
    pub legal_name: String,
    /// Country.
    pub country: String,
    /// `agency`, `private` or `observer`.
    pub class: String,
}

/// The caller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmI {
    /// The token's name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Operations that it may use.
    pub can: Vec<String>,
}

/// A token without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    pub made: Time,
}

/// Asks for a token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenNew {
    /// `[a-z0-9-]{2,32}`.
    pub name: String,
    /// analyst, officer, admin or auditor.
    pub role: String,
}

/// A new token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// The secret: shown this once.
    pub secret: String,
}

/// A node, known or connected.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// libp2p peer id.
    pub peer_id: String,
    /// Whose it is, once it has proved it.
    pub participant: Option<Name>,
    /// Whether it is connected.
    pub connected: bool,
    /// `stranger`, `participant` or `agency`.
    pub class: String,
    /// Where it is reached.
    pub addrs: Vec<String>,
    /// Its program and version, as it says; members only.
    #[serde(default)]
    pub program: Option<String>,
    /// Milliseconds that its clock is ahead of this machine's.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// When its heads were last found equal to ours.
    #[schemars(extend("format" = "date-time"))]
    pub level_at: Option<Time>,
    /// Why the last attempt failed.
    pub trouble: Option<String>,
}

/// A participant in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Who.
    #[serde(flatten)]
    pub name: Name,
    /// The category.
    pub category: String,
    /// participant, suspended, objected, candidate or left.
    pub standing: String,
    /// Whether it founded the federation.
    pub founder: bool,
    /// Whether one of its logs is contested.
    pub contested: bool,
    /// Whether its short name could be taken for another's.
    pub confusable_with: Vec<String>,
    /// Who introduced it.
    pub introduced_by: Vec<String>,
}

/// One participant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MemberDetail {
    /// As in the list.
    #[serde(flatten)]
    pub member: Member,
    /// Twelve words to read to each other on the telephone.
    pub words: String,
    /// The law that it acts under.
    pub authority_basis: String,
    /// Epoch of its keys.
    pub epoch: u64,
    /// How it describes itself.
    pub profile: Option<Profile>,
    /// What its law covers; null where it has not said.
    pub legal: Option<LegalProfile>,
    /// Points of contact.
    pub contacts: Vec<ContactRow>,
    /// Its nodes' peer ids.
    pub nodes: Vec<String>,
    /// Whether referrals can be sealed to it now.
    pub sealable: bool,
    /// Objections against it, with their reasons where this node holds them: agencies do.
    pub objections: Vec<ObjectionView>,
    /// What is wrong with its logs.
    pub trouble: Option<String>,
}

/// An objection with its reason.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObjectionView {
    /// Who objects.
    pub by: Name,
    /// Against whom, or which motion.
    pub target: String,
    /// Why; only agencies hold it.
    pub reason: Option<String>,
    /// The entry.
    pub entry: Option<String>,
}

/// A point of contact in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ContactRow {
    /// Whose.
    pub of: Name,
    /// The record.
    pub contact: Contact,
    /// For agencies only.
    pub agency_only: bool,
    /// Whether it is open now.
    pub open_now: bool,
    /// Whether it should have been confirmed anew by now.
    pub stale: bool,
    /// The entry that it stands in.
    pub entry: String,
    /// When it was published.
    #[schemars(extend("format" = "date-time"))]
    pub published: Time,
}

/// Publishes a point of contact: the record's fields, and who may read it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ContactIn {
    /// The record.
    #[serde(flatten)]
    pub contact: Contact,
    /// For agencies only: goes to log 2 and is never sent to anyone else.
    #[serde(default)]
    pub agency_only: bool,
}

/// An own entry that was written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The entry.
    pub entry: String,
}

/// An application in the inbox.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApplicationRow {
    /// Who.
    #[serde(flatten)]
    pub name: Name,
    /// The category.
    pub category: String,
    /// Twelve words.
    pub words: String,
    /// What it says about itself.
    pub statement: String,
    /// When it came.
    #[schemars(extend("format" = "date-time"))]
    pub at: Time,
    /// Participants with a name that could be taken for this one.
    pub confusable_with: Vec<String>,
}

/// The state of this node's own application.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApplicationState {
    /// `founder`, `not_applied`, `submitted`, `candidate`, `objected`, `suspended`, `participant`, `left`.
    pub state: String,
    /// To whom it was submitted.
    pub submitted_to: Vec<String>,
    /// What comes next.
    pub next: String,
}

/// Asks officers for something.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Propose {
    /// Consent to a participant or motion.
    Consent {
        /// NAME of a participant, or `motion:ID`.
        target: String,
    },
    /// Object.
    Object {
        /// NAME or `motion:ID`.
        target: String,
        /// Why, for agencies only.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Withdraw an objection.
    Withdraw {
        /// NAME or `motion:ID`.
        target: String,
    },
    /// Amend the Params: only what is given changes.
    Amend {
        /// W in milliseconds.
        #[serde(default)]
        window_ms: Option<u64>,
        /// G in milliseconds.
        #[serde(default)]
        grace_ms: Option<u64>,
        /// Six weights that sum up to 100.
        #[serde(default)]
        harm_weights: Option<Vec<u64>>,
        /// Milliseconds until it expires.
        expires_in_ms: u64,
        /// Why.
        statement: String,
    },
}

/// A proposal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProposalView {
    /// The digest of what officers sign.
    pub id: String,
    /// The act.
    pub act: String,
    /// This participant.
    pub pid: String,
    /// The federation.
    pub network_id: String,
    /// The epoch.
    pub epoch: u64,
    /// The counter.
    pub n: u64,
    /// The target's id: a pid, or `motion:ID`; null for an amendment.
    pub target: Option<String>,
    /// The motion without approvals, hex; null unless an amendment.
    pub motion: Option<String>,
    /// The exact bytes to sign, hex.
    pub bytes: String,
    /// In plain words.
    pub words: String,
    /// Officers that have approved, by key id.
    pub approved_by: Vec<String>,
    /// How many must.
    pub needed: usize,
    /// The officers that may, by key id.
    pub officers: Vec<String>,
}

/// An officer's signature.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalIn {
    /// The officer's key id.
    pub kid: String,
    /// 64 bytes, hex.
    pub signature: String,
}

/// What became of an approval.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalOut {
    /// Officers that have approved.
    pub have: usize,
    /// How many must.
    pub needed: usize,
    /// The entry, once it is written.
    pub entry: Option<String>,
}

/// An amendment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MotionView {
    /// Its id.
    pub id: String,
    /// Who moved it.
    pub by: Name,
    /// Why.
    pub statement: String,
    /// When it expires.
    #[schemars(extend("format" = "date-time"))]
    pub expires: Time,
    /// `open`, `adopted`, `overtaken`, `expired`, `objected`.
    pub state: String,
    /// How many electors have seated it.
    pub seated: usize,
    /// How many must.
    pub needed: usize,
    /// The Params as they shall be.
    pub params: lapwing_record::charter::Params,
}

/// How well an objection is known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObjectionState {
    /// The entry.
    pub entry: String,
    /// Agencies that have signed for holding it.
    pub held_by: Vec<String>,
    /// Agencies in full standing, this one included.
    pub agencies: usize,
    /// How many must hold it so that it meets every quorum.
    pub needed: usize,
    /// Whether enough do.
    pub veto_secured: bool,
}

/// The charter and the Params in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CharterView {
    /// The federation's name.
    pub name: String,
    /// Its id.
    pub network_id: String,
    /// Twelve words.
    pub words: String,
    /// When it was founded.
    #[schemars(extend("format" = "date-time"))]
    pub created: Time,
    /// Hash of the text endorsed.
    pub plan_text_hash: String,
    /// Who founded it.
    pub founders: Vec<Name>,
    /// The Params in force.
    pub params: lapwing_record::charter::Params,
    /// Amendments in force, in order.
    pub amendments: Vec<String>,
}

/// An entry of a log, for people.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogRow {
    /// `id`, `pub` or `agy`.
    pub log: String,
    /// The epoch.
    pub epoch: u64,
    /// The place.
    pub seq: u64,
    /// The entry.
    pub id: String,
    /// The author's clock.
    #[schemars(extend("format" = "date-time"))]
    pub clock: Time,
    /// The type's token.
    pub kind: String,
    /// What it says, in short.
    pub says: String,
    /// Of a checkpoint: the head of its author's audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
}

/// This participant's identity, as root-key tools need it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IdentityView {
    /// Who.
    #[serde(flatten)]
    pub name: Name,
    /// The federation.
    pub network_id: String,
    /// Twelve words.
    pub words: String,
    /// Root keys in force, by key id.
    pub roots: Vec<String>,
    /// How many must sign.
    pub threshold: u64,
    /// The newest epoch.
    pub epoch: u64,
    /// The feed key, hex.
    pub feed: String,
    /// Officers: public key hex and not_after.
    pub officers: Vec<OfficerView>,
    /// Approvals needed per act.
    pub policy: BTreeMap<String, u64>,
    /// The last entry of log 0.
    pub id_head: LogHead,
    /// The last entries of logs 1 and 2, where there are any.
    pub heads: Vec<LogHead>,
    /// What is wrong with its logs.
    pub trouble: Option<String>,
}

/// An officer's key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OfficerView {
    /// Key id.
    pub kid: String,
    /// Public key, hex.
    pub key: String,
    /// Until when it is meant to be used.
    #[schemars(extend("format" = "date-time"))]
    pub not_after: Time,
}

/// The end of a log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogHead {
    /// `id`, `pub` or `agy`.
    pub log: String,
    /// The place.
    pub seq: u64,
    /// The entry.
    pub id: String,
}

/// Bytes of an entry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryIn {
    /// The entry, hex.
    pub entry: String,
}

/// A notice to people.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticeView {
    /// Its id.
    pub id: String,
    /// What.
    pub kind: String,
    /// In words.
    pub words: String,
    /// When it arose.
    #[schemars(extend("format" = "date-time"))]
    pub at: Time,
    /// Until when people may act.
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<Time>,
    /// When people were told.
    #[schemars(extend("format" = "date-time"))]
    pub told_at: Option<Time>,
    /// By what.
    pub told_by: Option<String>,
    /// Failed attempts.
    pub failures: u64,
    /// Why the last one failed.
    pub failure: Option<String>,
}

/// What a check of a pro forma found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Whether it can be submitted.
    pub ok: bool,
    /// Every fault.
    pub faults: Vec<crate::problem::FieldFault>,
    /// The harm score and class.
    pub harm: HarmView,
    /// What it is made of.
    pub harm_table: HarmTable,
    /// Fields of the full form that are still empty: no faults, they may follow as a supplement.
    pub may_follow: Vec<String>,
    /// How it stands to the target's law; null without a target, or where the target published nothing.
    pub legal: Option<LegalView>,
}

/// Opens a draft.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// The thread.
    pub thread: String,
}

/// An item of evidence in a draft or case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceView {
    /// Its name in the manifest.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// BLAKE3, hex.
    pub blake3: String,
    /// Its name on the network: BLAKE3 of the ciphertext, base32. The `{blob}` of the paths.
    pub blob: String,
    /// `here`, `granted`, `announced`, `fetching`.
    pub state: String,
    /// Bytes of ciphertext that are here.
    pub have: u64,
    /// Bytes of ciphertext in all.
    pub of: u64,
    /// Bytes fetched over the network so far, refetches included.
    pub fetched: u64,
    /// Why the transfer stands still.
    pub trouble: Option<String>,
}

/// Submits a referral.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// NAME of the target; left out: as saved in the draft.
    #[serde(default)]
    pub to: Option<String>,
    /// The pro forma; left out: as saved in the draft.
    #[serde(default)]
    pub form: Option<Form>,
    /// Why this one goes ahead of a more harmful draft. Kept as an internal note.
    #[serde(default)]
    pub ahead_because: Option<String>,
    /// Days until delivery is given up; 30 by default.
    #[serde(default)]
    pub give_up_days: Option<u64>,
}

/// A statement that is durable here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The case.
    pub thread: String,
    /// The statement.
    pub id: String,
}

/// Says something in a case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Saying {
    /// The target's person has it.
    Acknowledge {
        /// The content.
        body: lapwing_record::statement::Acknowledge,
        /// Officers' signatures over what `prepare` answered.
        #[serde(default)]
        approvals: Vec<ApprovalIn>,
    },
    /// The target asks.
    NeedInfo {
        /// The questions.
        text: String,
    },
    /// The requester answers or adds. Evidence of the form's `evidence` is uploaded into the case before.
    Supplement {
        /// The text.
        text: String,
        /// Fields of the pro forma that change; items of evidence are added.
        #[serde(default)]
        form: Option<Box<Form>>,
    },
    /// The target decides.
    Decide {
        /// The content.
        body: lapwing_record::statement::Decide,
        /// Officers' signatures over what `prepare` answered.
        #[serde(default)]
        approvals: Vec<ApprovalIn>,
    },
    /// The requester takes it back.
    Withdraw {
        /// Why; not owed.
        #[serde(default)]
        note: Option<String>,
    },
    /// The requester closes it.
    Close {
        /// A last word.
        #[serde(default)]
        note: Option<String>,
    },
    /// Keys of one's own evidence are handed over: held-back items too, where confidentiality allows it.
    BlobGrant {
        /// The items, by their `blob`.
        blobs: Vec<lapwing_record::id::Digest>,
    },
    /// Keys of the other side's evidence are asked for.
    BlobRequest {
        /// The items, by their `blob`.
        blobs: Vec<lapwing_record::id::Digest>,
    },
    /// The target tells how far it is.
    Progress {
        /// The content.
        body: lapwing_record::statement::Progress,
    },
    /// The target expects to decide or deliver later.
    Extend {
        /// The content.
        body: lapwing_record::statement::Extend,
    },
    /// The target says why it takes long.
    DelayReasons {
        /// The reasons.
        text: String,
    },
    /// The target delivers, and more will come.
    ResultInterim {
        /// The content.
        body: lapwing_record::statement::Outcomes,
        /// Evidence that was uploaded into the case: SHA-256 of each item, hex.
        #[serde(default)]
        evidence: Vec<String>,
    },
    /// The target delivers the last on these items.
    ResultFinal {
        /// The content.
        body: lapwing_record::statement::Outcomes,
        /// Evidence that was uploaded into the case: SHA-256 of each item, hex.
        #[serde(default)]
        evidence: Vec<String>,
    },
    /// The target would pass items on to another agency.
    TransferProposed {
        /// The content.
        body: lapwing_record::statement::TransferProposed,
    },
    /// The requester answers that.
    TransferConsent {
        /// The content.
        body: lapwing_record::statement::TransferConsent,
    },
    /// The requester reminds, at most once a day.
    Reminder {
        /// What is waited for.
        #[serde(default)]
        text: Option<String>,
    },
    /// The requester wants back what it sent.
    Recall {
        /// The content.
        body: lapwing_record::statement::Recall,
    },
    /// The target says what became of it.
    RecallAnswer {
        /// The content.
        body: lapwing_record::statement::RecallAnswer,
    },
    /// The requester says what the results were good for.
    Feedback {
        /// The text.
        text: String,
    },
    /// The requester opens the case, or items of it, again.
    Reopen {
        /// The content.
        body: lapwing_record::statement::Reopen,
    },
    /// Either side disagrees.
    Dispute {
        /// The content.
        body: lapwing_record::statement::Dispute,
    },
    /// A law forced content out at the target.
    CompelledDisclosureNotice {
        /// The content.
        body: lapwing_record::statement::CompelledDisclosure,
    },
    /// Either side's own assessment of the harm.
    Assess {
        /// The content.
        body: lapwing_record::statement::Assessment,
    },
    /// A person of this side has read the other's statements. Never said by a program on its own.
    Seen {
        /// The newest that was read.
        upto: lapwing_record::id::MsgId,
    },
    /// Either side asks for a release beyond the markings.
    ConsentRequest {
        /// The content.
        body: lapwing_record::statement::ConsentRequest,
    },
    /// The originator answers, or volunteers.
    Consent {
        /// The content.
        body: lapwing_record::statement::ConsentGiven,
    },
    /// The lead of a joint case plans for the other side.
    JointPlan {
        /// The content.
        body: lapwing_record::statement::JointPlan,
    },
    /// The other side of a plan says how far a task is.
    JointTask {
        /// The content.
        body: lapwing_record::statement::JointTask,
    },
}

/// What an officer approves for a statement.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    /// This participant.
    pub pid: String,
    /// The federation.
    pub network_id: String,
    /// The epoch.
    pub epoch: u64,
    /// The counter: the statement's number.
    pub n: u64,
    /// `acknowledge` or `decide`.
    pub act: String,
    /// The case.
    pub thread: String,
    /// The encoded body, hex.
    pub body: String,
    /// The exact bytes to sign, hex.
    pub bytes: String,
    /// In plain words.
    pub words: String,
    /// How many officers must approve.
    pub needed: usize,
}

/// A referral in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReferralRow {
    /// When its content was erased here.
    pub erased: Option<Time>,
    /// Whether a legal hold stands.
    pub held: bool,
    /// The thread.
    pub thread: String,
    /// `requester` or `target`.
    pub role: String,
    /// The other side.
    pub with: Name,
    /// Where it is.
    pub stage: String,
    /// The subject line; null where the content cannot be read.
    pub subject: Option<String>,
    /// TLP.
    pub tlp: String,
    /// Harm; null where the content cannot be read.
    pub harm: Option<HarmView>,
    /// When it was submitted, by the requester's clock.
    #[schemars(extend("format" = "date-time"))]
    pub submitted: Time,
    /// The last change here.
    #[schemars(extend("format" = "date-time"))]
    pub changed: Time,
    /// Statements that wait for delivery, and why.
    pub stuck: Option<Stuck>,
    /// Whether something in it is overdue by the published targets.
    pub overdue: bool,
    /// Who works on it here: the name of a token.
    #[serde(default)]
    pub assigned: Option<String>,
    /// Who acts now: that one, or who stands in for it.
    #[serde(default)]
    pub acting: Option<String>,
    /// Internal notes; they are never sent.
    #[serde(default)]
    pub notes: usize,
    /// The rule by which its marking keeps the content from the caller's role.
    #[serde(default)]
    pub withheld: Option<String>,
}

/// Why something waits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stuck {
    /// Statements without a receipt.
    pub waiting: usize,
    /// Why the oldest waits.
    pub why: String,
    /// When it is tried next; null when given up.
    #[schemars(extend("format" = "date-time"))]
    pub next: Option<Time>,
    /// Whether it was given up.
    pub failed: bool,
}

/// One statement of a case.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatementView {
    /// The statement.
    pub id: String,
    /// Who said it: a short name.
    pub from: String,
    /// Number among the sender's own.
    pub msg_no: u64,
    /// What it is.
    pub kind: String,
    /// The sender's clock.
    #[schemars(extend("format" = "date-time"))]
    pub said: Time,
    /// When it became durable here.
    #[schemars(extend("format" = "date-time"))]
    pub at: Time,
    /// Ours: `queued`, `stored`, `failed`, or `refused` for good; theirs: `received`, or `refused` by us.
    pub delivery: String,
    /// Attempts so far.
    pub tries: u64,
    /// Why it waits.
    pub why: Option<String>,
    /// When it is tried next.
    #[schemars(extend("format" = "date-time"))]
    pub next: Option<Time>,
    /// When the other node made it durable, by its clock.
    #[schemars(extend("format" = "date-time"))]
    pub stored: Option<Time>,
    /// The content, by kind; null where it cannot be read or is withheld.
    pub body: serde_json::Value,
    /// The rule by which its marking keeps the content from the caller's role.
    #[serde(default)]
    pub withheld: Option<String>,
}

/// One referral.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReferralDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: ReferralRow,
    /// The pro forma as it stands now, supplements laid over it; null where the content cannot be read.
    pub form: Option<Form>,
    /// What follows from everything that was said.
    pub life: Life,
    /// What the harm score is made of; null where the content cannot be read.
    pub harm_table: Option<HarmTable>,
    /// What was said, in the order in which it became durable here.
    pub timeline: Vec<StatementView>,
    /// Parties of the pro forma that their own marking keeps from the caller's role.
    #[serde(default)]
    pub withheld_parties: usize,
    /// Latest decision per item.
    pub decisions: BTreeMap<String, String>,
    /// Evidence.
    pub evidence: Vec<EvidenceView>,
    /// Journal position.
    pub as_of: u64,
}

/// Done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// True.
    pub ok: bool,
}

/// Why a participant stands where it stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// Of whom.
    pub of: Name,
    /// participant, suspended, objected, candidate or left; null before it is introduced.
    pub standing: Option<String>,
    /// The reason's code.
    pub reason: String,
    /// In a sentence.
    pub words: String,
    /// Live electors that are asked for a word.
    pub asked: usize,
    /// So many of them, agreeing, may excuse the silent.
    pub excuse_needs: usize,
    /// Every elector, by pid.
    pub electors: Vec<ElectorView>,
    /// Agencies that object though they are no electors (of private-sector participants and observers only).
    pub other_objectors: Vec<ObjectionView>,
}

/// One elector and what it says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ElectorView {
    /// Who.
    #[serde(flatten)]
    pub name: Name,
    /// Why it is one: `founder` or `seated`.
    pub why: String,
    /// The elector that seated it.
    pub seated_by: Option<String>,
    /// Where it stands itself.
    pub standing: String,
    /// The code of its word.
    pub word: String,
    /// The code of what follows from it.
    pub counts: String,
    /// Who excused it.
    pub excused_by: Vec<String>,
    /// The entry in which it said its word.
    pub entry: Option<String>,
    /// The entry by which it was seated.
    pub seated_in: Option<String>,
    /// In a sentence.
    pub words: String,
}

/// Asks for a check of a pro forma.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// NAME of the target, if it is chosen already.
    #[serde(default)]
    pub to: Option<String>,
    /// The pro forma.
    pub form: Form,
}

/// What a participant has already received from this node (protocol §4.7): a report, not an erasure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Who.
    pub of: Name,
    /// Where it stands.
    pub standing: Option<String>,
    /// Cases with it.
    pub cases: Vec<Exposed>,
    /// Entries of this participant's log 2 that it may hold: what agencies alone read.
    pub agency_entries: usize,
    /// Journal position.
    pub as_of: u64,
}

/// One case that a participant knows from this node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exposed {
    /// The case.
    pub thread: String,
    /// The strictest marking in it.
    pub tlp: String,
    /// Statements that its node has on disk, by its receipts.
    pub stored: usize,
    /// Statements that wait and do not go out while it is suspended.
    pub withheld: usize,
    /// Items of evidence named in what it has.
    pub evidence: usize,
    /// Whether it has keys of evidence.
    pub keys_granted: bool,
    /// The last change here.
    #[schemars(extend("format" = "date-time"))]
    pub changed: Time,
}
