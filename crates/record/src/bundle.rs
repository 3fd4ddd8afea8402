//! A whole case as one file that anyone checks offline, without a node (referral.md §4, "Export").
//!
//! ```text
//! Bundle = [v, charter file, [log 0 of the requester, log 0 of the target], asked, answered, evidence]
//! asked  = the requester's statements in order, each as it was signed, with the receipt of the other side's node
//! ```
//!
//! What verification shows: who the two parties are (each log 0 from its inception, whose hash is the party's id), that
//! each statement was signed with the keys of its epoch and approved by officers where its kind asks for it, that it
//! stands where it says in its sender's chain and in the other's, and that a receipt is over exactly these bytes.
//!
//! What it cannot show: that a party that is no founder took part (that stands in other participants' logs; compare its
//! id), and that nothing was said after the last statement of the file that either side has confirmed to have seen.

use crate::cbor::{self, Bytes, DecodeError};
use crate::cbor_array;
use crate::charter::{CharterError, CharterFile};
use crate::entry::Entry;
use crate::id::{Kid, MsgId, NetworkId, Pid, ThreadId};
use crate::idlog::{IdLog, IdLogError};
use crate::sign::Sign1;
use crate::statement::{BlobRef, Kind, Receipt, SignedStmt, Stmt, StmtError, signed_hash};

/// The version that this code writes.
pub const VERSION: u64 = 1;
/// Bytes of a bundle at most.
pub const MAX_BUNDLE: usize = 64 * 1024 * 1024;

cbor_array! {
    /// A statement as it was signed, and its receipt.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sent {
        /// The bytes of a [`SignedStmt`].
        pub signed: Bytes,
        /// The bytes of the receipt's [`Sign1`]; null while there is none.
        pub receipt: Option<Bytes>,
    }
}

cbor_array! {
    /// A case.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Bundle {
        /// Format version, 1.
        pub version: u64,
        /// The bytes of the federation's charter file.
        pub charter: Bytes,
        /// Log 0 of the requester, and of the target.
        pub id_logs: Vec<Vec<Entry>>,
        /// The requester's statements in order.
        pub asked: Vec<Sent>,
        /// The target's statements in order.
        pub answered: Vec<Sent>,
        /// The evidence that the statements name, in their order: what content is compared with.
        pub evidence: Vec<BlobRef>,
    }
}

/// One of the two sides.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Party {
    /// Its id.
    pub pid: Pid,
    /// Its short name.
    pub short_name: String,
    /// Its full name.
    pub legal_name: String,
    /// Its country.
    pub country: String,
    /// Whether the charter names it as a founder.
    pub founder: bool,
}

/// One statement that held.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The statement.
    pub id: MsgId,
    /// Who said it.
    pub from: Pid,
    /// Number among its sender's.
    pub msg_no: u64,
    /// What it is.
    pub kind: Kind,
    /// The sender's milliseconds UTC.
    pub said: u64,
    /// Officers that approved it, by key.
    pub approved_by: Vec<Kid>,
    /// Milliseconds UTC of the other side's receipt; null without one.
    pub received: Option<u64>,
}

/// What a bundle that holds says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The federation.
    pub network: NetworkId,
    /// Its name.
    pub federation: String,
    /// The case.
    pub thread: ThreadId,
    /// Who opened it.
    pub requester: Party,
    /// Who was asked.
    pub target: Party,
    /// Who said what when: no statement stands before one that its sender had seen.
    pub statements: Vec<Line>,
}

/// Which statement of a bundle is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The requester's, or the target's.
    pub asked: bool,
    /// From 0.
    pub number: usize,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "statement {} of the {}", self.number, if self.asked { "requester" } else { "target" })
    }
}

/// Why a bundle does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes are no bundle.
    #[error("bundle: {0}")]
    Decode(#[from] DecodeError),
    /// Of another version.
    #[error("bundle of version {0}; this program reads version {VERSION}")]
    Version(u64),
    /// The charter.
    #[error("bundle: {0}")]
    Charter(#[from] CharterError),
    /// Not the logs of two parties.
    #[error("bundle: {0}")]
    Parties(String),
    /// A log 0.
    #[error("bundle: {0}")]
    IdLog(#[from] IdLogError),
    /// It has no referral.
    #[error("bundle: the referral itself is missing")]
    Empty,
    /// A statement's bytes, form or signatures.
    #[error("{0}: {1}")]
    Statement(At, StmtError),
    /// A statement does not stand where it says.
    #[error("{0}: {1}")]
    Place(At, &'static str),
    /// A receipt.
    #[error("the receipt of {0}: {1}")]
    Receipt(At, String),
    /// The manifest is not that of the statements.
    #[error("bundle: the list of evidence is not the one that the statements name")]
    Evidence,
}

impl BundleError {
    /// The stable token of what does not hold: `encoding`, `version`, `charter`, `parties`, `identity`, `referral_missing`,
    /// `statement_form`, `signature`, `approval`, `federation`, `place`, `receipt` or `evidence`.
    pub const fn code(&self) -> &'static str {
        match self {
            BundleError::Decode(_) => "encoding",
            BundleError::Version(_) => "version",
            BundleError::Charter(_) => "charter",
            BundleError::Parties(_) => "parties",
            BundleError::IdLog(_) => "identity",
            BundleError::Empty => "referral_missing",
            BundleError::Statement(_, StmtError::Decode(_) | StmtError::Form(_)) => "statement_form",
            BundleError::Statement(_, StmtError::Signature(_)) => "signature",
            BundleError::Statement(_, StmtError::Approval(_)) => "approval",
            BundleError::Statement(_, StmtError::OtherNetwork) => "federation",
            BundleError::Place(..) => "place",
            BundleError::Receipt(..) => "receipt",
            BundleError::Evidence => "evidence",
        }
    }

    /// Where in the bundle: `asked.3`, `answered.0.receipt`; or the part as a whole.
    pub fn path(&self) -> String {
        let statement = |at: &At| format!("{}.{}", if at.asked { "asked" } else { "answered" }, at.number);
        match self {
            BundleError::Decode(_) | BundleError::Version(_) => "bundle".into(),
            BundleError::Charter(_) => "charter".into(),
            BundleError::Parties(_) | BundleError::IdLog(_) => "id_logs".into(),
            BundleError::Empty => "asked".into(),
            BundleError::Statement(at, _) | BundleError::Place(at, _) => statement(at),
            BundleError::Receipt(at, _) => format!("{}.receipt", statement(at)),
            BundleError::Evidence => "evidence".into(),
        }
    }
}

struct Side {
    asked: bool,
    stmts: Vec<(Stmt, MsgId)>,
    lines: Vec<Line>,
}

impl Bundle {
    /// Reads bytes. Nothing is verified yet.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let bundle: Bundle = cbor::decode(bytes, MAX_BUNDLE)?;
        if bundle.version != VERSION {
            return Err(BundleError::Version(bundle.version));
        }
        Ok(bundle)
    }

    /// Checks everything that can be checked offline; the first thing that does not hold is named.
    pub fn verify(&self) -> Result<Report, BundleError> {
        let file = CharterFile::open(&self.charter)?;
        let network = file.charter.network_id();
        let [requester, target] = self.parties(&network)?;
        let asked = Side::read(true, &requester, &target, &self.asked, &network)?;
        let answered = Side::read(false, &target, &requester, &self.answered, &network)?;
        let thread = asked.stmts.first().ok_or(BundleError::Empty)?.0.thread;
        asked.check(&answered, &thread)?;
        answered.check(&asked, &thread)?;
        let named = asked.stmts.iter().chain(&answered.stmts).flat_map(|(s, _)| &s.blobs);
        if !named.eq(&self.evidence) {
            return Err(BundleError::Evidence);
        }
        let founders: Vec<Pid> = file.first_entries.iter().map(|e| e.header().pid).collect();
        let party = |log: &IdLog| Party {
            pid: log.pid,
            short_name: log.inception.short_name.clone(),
            legal_name: log.inception.legal_name.clone(),
            country: log.inception.country.clone(),
            founder: founders.contains(&log.pid),
        };
        Ok(Report {
            network,
            federation: file.charter.name.clone(),
            thread,
            requester: party(&requester),
            target: party(&target),
            statements: in_order(&asked, &answered),
        })
    }

    fn parties(&self, network: &NetworkId) -> Result<[IdLog; 2], BundleError> {
        let fault = |what: &str| BundleError::Parties(what.into());
        let [requester, target] = &self.id_logs[..] else { return Err(fault("it needs the logs of two parties")) };
        let fold = |entries: &Vec<Entry>| -> Result<IdLog, BundleError> {
            let pid = entries.first().map(|e| e.header().pid).ok_or_else(|| fault("a party's log is empty"))?;
            let log = IdLog::fold(pid, entries, network)?;
            if entries.len() as u64 != log.head.0 + 1 {
                return Err(fault("a party's log holds entries that are not valid where they stand"));
            }
            Ok(log)
        };
        let logs = [fold(requester)?, fold(target)?];
        if logs[0].pid == logs[1].pid { Err(fault("both parties are the same")) } else { Ok(logs) }
    }
}

impl Side {
    /// Opens one side's statements: signatures, approvals, receipts.
    fn read(asked: bool, me: &IdLog, other: &IdLog, sent: &[Sent], network: &NetworkId) -> Result<Self, BundleError> {
        let mut side = Side { asked, stmts: Vec::new(), lines: Vec::new() };
        for (number, sent) in sent.iter().enumerate() {
            let at = At { asked, number };
            let fault = |e: StmtError| BundleError::Statement(at, e);
            let signed = SignedStmt::decode(&sent.signed).map_err(|e| fault(e.into()))?;
            let claimed = signed.claimed().map_err(fault)?;
            if claimed.from != me.pid || claimed.to != other.pid {
                return Err(BundleError::Place(at, "is between other parties"));
            }
            let keys =
                me.keys(claimed.epoch).ok_or(BundleError::Place(at, "names an epoch that its sender does not have"))?;
            let verified = signed.open(keys, network).map_err(fault)?;
            let received = sent.receipt.as_ref().map(|r| receipt(at, r, &verified.id(), &sent.signed, other, network));
            side.lines.push(Line {
                id: verified.id(),
                from: claimed.from,
                msg_no: claimed.msg_no,
                kind: claimed.kind,
                said: claimed.clock,
                approved_by: signed.approvals.iter().flatten().map(|a| a.kid).collect(),
                received: received.transpose()?,
            });
            side.stmts.push((claimed, verified.id()));
        }
        Ok(side)
    }

    /// Checks numbers and links, own and across.
    fn check(&self, other: &Side, thread: &ThreadId) -> Result<(), BundleError> {
        let (mut before, mut seen) = (None, 0);
        for (number, (stmt, id)) in self.stmts.iter().enumerate() {
            let place = |what| Err(BundleError::Place(At { asked: self.asked, number }, what));
            if stmt.thread != *thread {
                return place("belongs to another case");
            }
            if stmt.msg_no != number as u64 || stmt.prev_own != before {
                return place("does not follow the one before: something was removed, added or reordered");
            }
            if (stmt.kind == Kind::Submit) != (self.asked && number == 0) || !stmt.kind.signer().fits(self.asked) {
                return place("is of a kind that this side does not say there");
            }
            let now = match stmt.seen_peer {
                None => 0,
                Some(id) => match other.stmts.iter().position(|(_, other)| *other == id) {
                    Some(at) => at + 1,
                    None => return place("names a statement of the other side that is missing"),
                },
            };
            if now < seen || (!self.asked && now == 0) {
                return place("has seen less of the other side than what stands before it");
            }
            (before, seen) = (Some(*id), now);
        }
        Ok(())
    }

    /// How many statements of the other side the next one had seen.
    fn seen(&self, at: usize, other: &Side) -> usize {
        let seen = self.stmts[at].0.seen_peer;
        seen.and_then(|id| other.stmts.iter().position(|(_, o)| *o == id)).map_or(0, |at| at + 1)
    }
}

fn receipt(
    at: At,
    bytes: &[u8],
    id: &MsgId,
    signed: &[u8],
    other: &IdLog,
    network: &NetworkId,
) -> Result<u64, BundleError> {
    let fault = |what: String| BundleError::Receipt(at, what);
    let sign1: Sign1 = cbor::decode(bytes, 4096).map_err(|e| fault(e.to_string()))?;
    let claimed = Receipt::claimed(&sign1).map_err(|e| fault(e.to_string()))?;
    let keys = other.keys(claimed.epoch).ok_or_else(|| fault("is of an epoch that its signer does not have".into()))?;
    let receipt = Receipt::open(&sign1, keys, network).map_err(|e| fault(e.to_string()))?;
    if receipt.by != other.pid || receipt.msg_id != *id {
        return Err(fault("is for something else".into()));
    }
    if receipt.hash != signed_hash(signed) {
        return Err(fault("is over other bytes than these".into()));
    }
    Ok(receipt.received)
}

/// Both sides' statements in one order: none before what it had seen, else by their senders' clocks.
fn in_order(asked: &Side, answered: &Side) -> Vec<Line> {
    let (mut a, mut b) = (0, 0);
    let mut lines = Vec::new();
    while a < asked.lines.len() || b < answered.lines.len() {
        let may_a = a < asked.lines.len() && asked.seen(a, answered) <= b;
        let may_b = b < answered.lines.len() && answered.seen(b, asked) <= a;
        let first_a = match (may_a, may_b) {
            (true, true) => asked.lines[a].said <= answered.lines[b].said,
            (false, false) => a < asked.lines.len(), // cannot be: ids are hashes, so links have no rings
            (may, _) => may,
        };
        if first_a {
            lines.push(asked.lines[a].clone());
            a += 1;
        } else {
            lines.push(answered.lines[b].clone());
            b += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cbor::encode;
    use crate::form::sample;
    use crate::id::Digest;
    use crate::statement::{Acknowledge, Assurance, ReceiptStatus, Text, Tlp};
    use crate::testkit::{TestAgency, charter_of};

    struct World {
        charter: CharterFile,
        network: NetworkId,
        harbor: TestAgency,
        polder: TestAgency,
    }

    impl World {
        fn new() -> Self {
            let (harbor, polder) = (TestAgency::named("harbor"), TestAgency::named("polder"));
            let charter = charter_of(&[&harbor]);
            let network = charter.network_id();
            let charter = CharterFile::join(charter.clone(), vec![harbor.found(&charter)]).unwrap();
            World { charter, network, harbor, polder }
        }

        fn stmt(&self, asked: bool, before: &[Stmt], seen: Option<&Stmt>, kind: Kind, body: Vec<u8>) -> Stmt {
            let (from, to) = if asked { (&self.harbor, &self.polder) } else { (&self.polder, &self.harbor) };
            Stmt {
                version: 1,
                network_id: self.network,
                thread: ThreadId([7; 32]),
                msg_no: before.len() as u64,
                prev_own: before.last().map(Stmt::id),
                seen_peer: seen.map(Stmt::id),
                from: from.pid(),
                epoch: 0,
                to: to.pid(),
                clock: 10,
                expires: 1000,
                kind,
                handling: Tlp::Amber,
                body: Bytes(body),
                blobs: vec![],
            }
        }

        fn sent(&self, asked: bool, stmt: &Stmt) -> Sent {
            let (from, to) = if asked { (&self.harbor, &self.polder) } else { (&self.polder, &self.harbor) };
            let approvals = stmt.approval().map(|a| vec![a.sign(&from.officers[0], &self.network)]);
            let signed = encode(&SignedStmt::sign(stmt, &from.feed, approvals));
            let receipt = Receipt {
                msg_id: stmt.id(),
                hash: signed_hash(&signed),
                received: stmt.clock + 5,
                status: ReceiptStatus::Stored,
                by: to.pid(),
                epoch: 0,
            };
            let receipt = Bytes(encode(&receipt.sign(&to.feed, &self.network)));
            Sent { signed: Bytes(signed), receipt: Some(receipt) }
        }

        /// submit, supplement (unseen by the other) | acknowledge, need_info | supplement that has seen both
        fn bundle(&self) -> Bundle {
            let blob = BlobRef {
                name: "1.eml".into(),
                media: "message/rfc822".into(),
                size: 1,
                b3_plain: Digest([1; 32]),
                sha256_plain: Digest([2; 32]),
                b3_cipher: Digest([3; 32]),
                salt: Digest([4; 32]),
            };
            let text = |t: &str| encode(&Text { text: t.into() });
            let ack = Acknowledge {
                own_reference: "P-1".into(),
                decision_by: None,
                urgency_accepted: None,
                assurance: Assurance::Assured,
                note: None,
            };
            let submit =
                Stmt { blobs: vec![blob.clone()], ..self.stmt(true, &[], None, Kind::Submit, encode(&sample())) };
            let more = self.stmt(true, std::slice::from_ref(&submit), None, Kind::Supplement, text("more"));
            let ack = self.stmt(false, &[], Some(&submit), Kind::Acknowledge, encode(&ack));
            let asks = self.stmt(false, std::slice::from_ref(&ack), Some(&submit), Kind::NeedInfo, text("who?"));
            let tells = self.stmt(true, &[submit.clone(), more.clone()], Some(&asks), Kind::Supplement, text("they"));
            Bundle {
                version: VERSION,
                charter: Bytes(encode(&self.charter)),
                id_logs: vec![
                    vec![self.harbor.first_entry(&self.network)],
                    vec![self.polder.first_entry(&self.network)],
                ],
                asked: [submit, more, tells].iter().map(|s| self.sent(true, s)).collect(),
                answered: [ack, asks].iter().map(|s| self.sent(false, s)).collect(),
                evidence: vec![blob],
            }
        }
    }

    #[test]
    fn a_whole_case_holds_and_says_who_said_what_when() {
        let world = World::new();
        let bytes = encode(&world.bundle());
        let report = Bundle::decode(&bytes).unwrap().verify().unwrap();
        assert_eq!((report.requester.short_name.as_str(), report.requester.founder), ("harbor", true));
        assert_eq!((report.target.short_name.as_str(), report.target.founder), ("polder", false));
        let kinds: Vec<Kind> = report.statements.iter().map(|l| l.kind).collect();
        use Kind::*;
        assert_eq!(kinds, [Submit, Supplement, Acknowledge, NeedInfo, Supplement]);
        assert!(report.statements.iter().all(|l| l.received == Some(15)));
        assert_eq!(report.statements[2].approved_by, [world.polder.officers[0].public().kid()]);
        assert_eq!(report.federation, "Test federation");
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let world = World::new();
        let bytes = encode(&world.bundle());
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << (at % 8);
            let verified = Bundle::decode(&bent).and_then(|b| b.verify());
            assert!(verified.is_err(), "byte {at} of {}", bytes.len());
        }
    }

    #[test]
    fn a_removed_or_reordered_statement_is_refused_with_its_place() {
        let world = World::new();
        let bundle = world.bundle();
        let verify = |change: &dyn Fn(&mut Bundle)| {
            let mut bundle = bundle.clone();
            change(&mut bundle);
            bundle.verify()
        };
        let at = |asked, number| At { asked, number };
        let place = |r: Result<Report, BundleError>| match r {
            Err(BundleError::Place(at, _)) => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(place(verify(&|b| drop(b.asked.remove(0)))), at(true, 0));
        assert_eq!(place(verify(&|b| drop(b.asked.remove(1)))), at(true, 1));
        assert_eq!(place(verify(&|b| b.asked.swap(1, 2))), at(true, 1));
        assert_eq!(place(verify(&|b| drop(b.answered.remove(0)))), at(false, 0));
        assert_eq!(
            place(verify(&|b| drop(b.answered.pop()))),
            at(true, 2),
            "the last one, which the other side had seen"
        );
        assert_eq!(verify(&|b| b.asked.clear()), Err(BundleError::Empty));
        assert!(matches!(verify(&|b| b.answered[0] = b.asked[0].clone()), Err(BundleError::Place(..))));
    }

    #[test]
    fn receipts_count_only_for_their_bytes_and_by_the_other_side() {
        let world = World::new();
        let bundle = world.bundle();
        let receipt = |bundle: &Bundle| match bundle.verify() {
            Err(BundleError::Receipt(at, _)) => at,
            other => panic!("{other:?}"),
        };
        let mut moved = bundle.clone();
        moved.asked[0].receipt = bundle.asked[1].receipt.clone();
        assert_eq!(receipt(&moved), At { asked: true, number: 0 });
        let mut own = bundle.clone();
        let forged = Receipt {
            msg_id: bundle.verify().unwrap().statements[0].id,
            hash: signed_hash(&bundle.asked[0].signed),
            received: 1,
            status: ReceiptStatus::Stored,
            by: world.harbor.pid(),
            epoch: 0,
        };
        own.asked[0].receipt = Some(Bytes(encode(&forged.sign(&world.harbor.feed, &world.network))));
        assert_eq!(receipt(&own), At { asked: true, number: 0 });
        let mut other_officer = bundle.clone();
        let mut signed = SignedStmt::decode(&bundle.answered[0].signed).unwrap();
        let approval = signed.claimed().unwrap().approval().unwrap();
        signed.approvals = Some(vec![approval.sign(&world.polder.officers[1], &world.network)]);
        other_officer.answered[0].signed = Bytes(encode(&signed));
        assert_eq!(receipt(&other_officer), At { asked: false, number: 0 }, "the same statement, other signed bytes");
        let mut none = bundle.clone();
        none.asked[0].receipt = None;
        assert_eq!(none.verify().unwrap().statements[0].received, None, "not delivered yet is no fault");
    }

    #[test]
    fn parties_charter_and_manifest_must_be_those_of_the_statements() {
        let world = World::new();
        let bundle = world.bundle();
        let mut swapped = bundle.clone();
        swapped.id_logs.swap(0, 1);
        assert!(matches!(swapped.verify(), Err(BundleError::Place(..))));
        let mut same = bundle.clone();
        same.id_logs[1] = same.id_logs[0].clone();
        assert!(matches!(same.verify(), Err(BundleError::Parties(_))));
        let mut short = bundle.clone();
        short.evidence.clear();
        assert_eq!(short.verify(), Err(BundleError::Evidence));
        let other = TestAgency::named("elsewhere");
        let charter = charter_of(&[&other]);
        let mut foreign = bundle.clone();
        let file = CharterFile::join(charter.clone(), vec![other.found(&charter)]).unwrap();
        foreign.charter = Bytes(encode(&file));
        assert!(foreign.verify().is_err(), "signed for another federation");
        assert_eq!(Bundle::decode(&encode(&Bundle { version: 2, ..bundle })), Err(BundleError::Version(2)));
    }
}
