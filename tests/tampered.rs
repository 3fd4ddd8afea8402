//! An exported case as a third party gets it: it holds with the program alone, in an empty folder and without a network;
//! and more than a hundred ways of changing what it says are refused, each with the reason that names what is wrong.

#![allow(clippy::unwrap_used)]

mod support;

use lapwing_api::ops::Op;
use lapwing_api::problem::Problem;
use lapwing_api::types::{Draft, EvidenceView};
use lapwing_record::bundle::{Bundle, Sent};
use lapwing_record::cbor::{Bytes, Value, decode, encode};
use lapwing_record::charter::CharterFile;
use lapwing_record::entry::{Entry, EntryType};
use lapwing_record::form::{Form, sample};
use lapwing_record::id::{Digest, MsgId, NetworkId, ThreadId};
use lapwing_record::identity::{EpochKeys, GrantReason, KeyGrant, Officer};
use lapwing_record::sign::{SecretKey, Sign1};
use lapwing_record::statement::*;
use lapwing_record::testkit::{TestAgency, charter_of};
use serde_json::json;
use sha2::Digest as _;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{LAPWING, Town, until};

const MAIL: &[u8] = b"From: prize@hosting.example\r\nSubject: You won\r\n\r\nSend a fee.\r\n";
const LIST: &[u8] = b"one\r\ntwo\r\n";

// -- the program alone ------------------------------------------------------------------------------------------------

/// Runs `lapwing verify` in a folder that is its whole world: no home, no environment; and no network where the machine
/// lets a process have none.
fn verify(dir: &Path, args: &[&str], network: bool) -> Result<serde_json::Value, Problem> {
    let mut command = match network {
        true => Command::new(LAPWING),
        false => {
            let mut command = Command::new("unshare");
            command.args(["-n", LAPWING]);
            command
        }
    };
    command.args(["verify", "case.bundle", "--json"]).args(args).env_clear().env("PATH", "/usr/bin:/bin");
    let output = command.current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let what = || format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => Ok(serde_json::from_str(&text).unwrap()),
        Some(2) => Err(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {}", what()))),
        other => panic!("{other:?}: {}", what()),
    }
}

/// Whether this machine lets a process have no network.
fn may_cut_the_network() -> bool {
    Command::new("unshare").args(["-n", "true"]).output().is_ok_and(|o| o.status.success())
}

/// A way of tampering: what was done, the token that the refusal must bear, where, and the bytes.
struct Tampered {
    what: String,
    code: &'static str,
    at: String,
    bytes: Vec<u8>,
}

/// Tampers with a bundle.
struct Hand {
    whole: Bundle,
    all: Vec<Tampered>,
}

impl Hand {
    fn new(whole: Bundle) -> Self {
        Hand { whole, all: Vec::new() }
    }

    fn bytes(&mut self, what: &str, code: &'static str, at: &str, bytes: Vec<u8>) {
        self.all.push(Tampered { what: what.into(), code, at: at.into(), bytes });
    }

    fn with(&mut self, what: &str, code: &'static str, at: &str, change: impl FnOnce(&mut Bundle)) {
        let mut bundle = self.whole.clone();
        change(&mut bundle);
        assert_ne!(bundle, self.whole, "{what} changes nothing");
        self.bytes(what, code, at, encode(&bundle));
    }

    /// Each refused, for its reason.
    fn refused(&self) -> usize {
        let mut wrong = Vec::new();
        for case in &self.all {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("case.bundle"), &case.bytes).unwrap();
            let problem = match verify(dir.path(), &[], true) {
                Err(problem) => problem,
                Ok(_) => {
                    wrong.push(format!("{}: let through", case.what));
                    continue;
                }
            };
            let [fault] = &problem.faults[..] else { panic!("{}: {problem:?}", case.what) };
            // where it shows first may depend on what else was said
            let fits = case.at.is_empty() || fault.path == case.at;
            if !fault.what.starts_with(&format!("{}:", case.code)) || !fits || !problem.detail.contains("does NOT hold")
            {
                wrong.push(format!("{}: {} {}, not {} {}", case.what, fault.path, fault.what, case.at, case.code));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        self.all.len()
    }
}

/// Changes what a statement says and leaves its signatures.
fn said(sent: &mut Sent, change: impl FnOnce(&mut Stmt)) {
    let mut signed = SignedStmt::decode(&sent.signed).unwrap();
    let mut stmt: Stmt = decode(&signed.sign1.payload, 1 << 24).unwrap();
    change(&mut stmt);
    signed.sign1.payload = Bytes(encode(&stmt));
    sent.signed = Bytes(encode(&signed));
}

fn signed(sent: &mut Sent, change: impl FnOnce(&mut SignedStmt)) {
    let mut signed = SignedStmt::decode(&sent.signed).unwrap();
    change(&mut signed);
    sent.signed = Bytes(encode(&signed));
}

/// Changes what a receipt says and leaves its signature.
fn receipt(sent: &mut Sent, change: impl FnOnce(&mut Receipt)) {
    let mut sign1: Sign1 = decode(sent.receipt.as_ref().unwrap(), 4096).unwrap();
    let mut receipt: Receipt = decode(&sign1.payload, 4096).unwrap();
    change(&mut receipt);
    sign1.payload = Bytes(encode(&receipt));
    sent.receipt = Some(Bytes(encode(&sign1)));
}

fn stmt(sent: &Sent) -> Stmt {
    SignedStmt::decode(&sent.signed).unwrap().claimed().unwrap()
}

/// Everything that somebody without any key can do to a file.
fn without_keys(hand: &mut Hand, other: &Bundle) {
    let whole = hand.whole.clone();
    let (bytes, count) = (encode(&whole), whole.asked.len());
    let last = count - 1;

    // the file itself
    hand.bytes("an empty file", "encoding", "bundle", vec![]);
    hand.bytes("a byte behind the end", "encoding", "bundle", [&bytes[..], &[0]].concat());
    hand.bytes("a second bundle behind the first", "encoding", "bundle", [&bytes[..], &bytes[..]].concat());
    for (n, part) in [("a half", 2), ("a third", 3), ("a tenth", 10)] {
        hand.bytes(&format!("{n} of the file"), "encoding", "bundle", bytes[..bytes.len() / part].to_vec());
    }
    hand.bytes("the last byte cut off", "encoding", "bundle", bytes[..bytes.len() - 1].to_vec());
    // [6 elements] with its length in a longer form, and as one of open length
    assert_eq!(bytes[0], 0x86);
    hand.bytes("a longer form of the same length", "encoding", "bundle", [&[0x98, 6], &bytes[1..]].concat());
    hand.bytes("open length", "encoding", "bundle", [&[0x9f], &bytes[1..], &[0xff]].concat());
    assert_eq!(bytes[1], 1);
    hand.bytes("the version in a longer form", "encoding", "bundle", [&[0x86, 0x18, 1], &bytes[2..]].concat());
    hand.bytes("a tag around it", "encoding", "bundle", [&[0xc1], &bytes[..]].concat());
    hand.bytes("JSON", "encoding", "bundle", b"{\"ok\":true}".to_vec());
    let longer = Value::Array(match decode::<Raw>(&bytes, 1 << 26).unwrap().0 {
        Value::Array(items) => items.into_iter().chain([Value::Null]).collect(),
        _ => panic!(),
    });
    hand.bytes("one more element", "encoding", "bundle", encode(&Raw(longer)));
    for version in [0, 2, 255] {
        hand.with(&format!("version {version}"), "version", "bundle", |b| b.version = version);
    }

    // the charter and the parties
    hand.with("another federation's charter", "identity", "id_logs", |b| b.charter = elsewhere());
    hand.with("no charter", "charter", "charter", |b| b.charter = Bytes(vec![]));
    let charter = |change: &dyn Fn(&mut CharterFile)| {
        let mut file: CharterFile = decode(&whole.charter, 1 << 24).unwrap();
        change(&mut file);
        Bytes(encode(&file))
    };
    hand.with("the charter renamed", "charter", "charter", |b| {
        b.charter = charter(&|f| f.charter.name = "Other".into())
    });
    hand.with("the rules of the charter changed", "charter", "charter", |b| {
        b.charter = charter(&|f| f.charter.params.window_ms += 1);
    });
    hand.with("a founder's first entry exchanged", "charter", "charter", |b| {
        b.charter = charter(&|f| f.first_entries.swap(0, 1));
    });
    hand.with("a founder's first entry left out", "charter", "charter", |b| {
        b.charter = charter(&|f| drop(f.first_entries.pop()));
    });
    hand.with("the parties exchanged", "place", "asked.0", |b| b.id_logs.swap(0, 1));
    hand.with("one party twice", "parties", "id_logs", |b| b.id_logs[1] = b.id_logs[0].clone());
    hand.with("one party only", "parties", "id_logs", |b| drop(b.id_logs.pop()));
    hand.with("a third party", "parties", "id_logs", |b| b.id_logs.push(b.id_logs[0].clone()));
    hand.with("a party without a log", "parties", "id_logs", |b| b.id_logs[1].clear());
    hand.with("an entry twice in a party's log", "parties", "id_logs", |b| {
        let again = b.id_logs[0][0].clone();
        b.id_logs[0].push(again);
    });
    hand.with("the other party's entry in a party's log", "parties", "id_logs", |b| {
        let theirs = b.id_logs[1][0].clone();
        b.id_logs[0].push(theirs);
    });
    let network = stmt(&whole.asked[0]).network_id;
    hand.with("another agency's keys for the requester", "place", "asked.0", |b| {
        b.id_logs[0] = vec![TestAgency::named("harbour").first_entry(&network)];
    });
    hand.with("another agency's keys for the target", "place", "asked.0", |b| {
        b.id_logs[1] = vec![TestAgency::named("polder").first_entry(&network)];
    });

    // which statements there are, and where
    hand.with("no referral", "referral_missing", "asked", |b| b.asked.clear());
    hand.with("the referral removed", "place", "asked.0", |b| drop(b.asked.remove(0)));
    for number in 1..last {
        let at = format!("asked.{number}");
        hand.with(&format!("statement {number} removed"), "place", &at, |b| drop(b.asked.remove(number)));
        hand.with(&format!("statement {number} said twice"), "place", &format!("asked.{}", number + 1), |b| {
            b.asked.insert(number, b.asked[number].clone());
        });
        hand.with(&format!("statement {number} after the next"), "place", &at, |b| b.asked.swap(number, number + 1));
    }
    hand.with("every statement backwards", "place", "asked.0", |b| b.asked.reverse());
    hand.with("all answers removed", "place", "", |b| b.answered.clear());
    hand.with("the first answer removed", "place", "", |b| drop(b.answered.remove(0)));
    hand.with("the answers in another order", "place", "", |b| b.answered.swap(0, 1));
    hand.with("an answer of the target's among the requester's", "place", &format!("asked.{count}"), |b| {
        let moved = b.answered.pop().unwrap();
        b.asked.push(moved);
    });
    hand.with(
        "a statement of the requester's among the answers",
        "place",
        &format!("answered.{}", whole.answered.len()),
        |b| {
            let moved = b.asked.pop().unwrap();
            b.answered.push(moved);
        },
    );
    hand.with("the two sides exchanged", "place", "asked.0", |b| std::mem::swap(&mut b.asked, &mut b.answered));
    hand.with("another case's referral", "place", "asked.1", |b| b.asked[0] = other.asked[0].clone());
    hand.with("another case's referral behind the last", "place", &format!("asked.{count}"), |b| {
        b.asked.push(other.asked[0].clone());
    });
    hand.with("another case's statements, these answers", "place", "", |b| b.asked = other.asked.clone());

    // what they say, under the signatures that stand
    type Change = (&'static str, fn(&mut Stmt));
    let changes: [Change; 14] = [
        ("the body", |s| s.body = Bytes(encode(&Form { subject_line: Some("Other".into()), ..sample() }))),
        ("no body", |s| s.body = Bytes(vec![])),
        ("the marking made weaker", |s| s.handling = Tlp::Clear),
        ("the marking made stricter", |s| s.handling = Tlp::Red),
        ("the time said earlier", |s| s.clock -= 1),
        ("the time said later", |s| s.clock += 86_400_000),
        ("another time of giving up", |s| s.expires += 1),
        ("another case", |s| s.thread = ThreadId([1; 32])),
        ("another kind", |s| s.kind = Kind::Withdraw),
        ("an item of evidence struck out", |s| drop(s.blobs.pop())),
        ("an item of evidence renamed", |s| s.blobs[0].name = "other.eml".into()),
        ("another hash of an item of evidence", |s| s.blobs[0].sha256_plain = Digest([7; 32])),
        ("another size of an item of evidence", |s| s.blobs[0].size += 1),
        ("an answer that it had seen", |s| s.seen_peer = Some(MsgId([9; 32]))),
    ];
    for (what, change) in changes {
        hand.with(&format!("the referral with {what}"), "signature", "asked.0", |b| said(&mut b.asked[0], change));
    }
    hand.with("the referral of a later version", "statement_form", "asked.0", |b| {
        said(&mut b.asked[0], |s| s.version = 2)
    });
    hand.with("the referral with a predecessor", "statement_form", "asked.0", |b| {
        said(&mut b.asked[0], |s| s.prev_own = Some(MsgId([3; 32])));
    });
    hand.with("a referral of another federation", "federation", "asked.0", |b| {
        said(&mut b.asked[0], |s| s.network_id = NetworkId([5; 32]));
    });
    hand.with("an epoch that nobody has", "place", "asked.0", |b| said(&mut b.asked[0], |s| s.epoch = 9));
    hand.with("another sender", "place", "asked.0", |b| {
        said(&mut b.asked[0], |s| std::mem::swap(&mut s.from, &mut s.to))
    });
    hand.with("a number twice", "signature", "asked.2", |b| said(&mut b.asked[2], |s| s.msg_no = 1));
    hand.with("another predecessor", "signature", "asked.2", |b| {
        said(&mut b.asked[2], |s| s.prev_own = Some(MsgId([3; 32])))
    });
    hand.with("another answer in the acknowledgement", "signature", "answered.0", |b| {
        said(&mut b.answered[0], |s| s.body = Bytes(encode(&acknowledgement("P-2"))));
    });
    hand.with("a signature of nothing", "signature", "asked.0", |b| {
        signed(&mut b.asked[0], |s| s.sign1.by.signature = [0; 64])
    });
    hand.with("a signature of another statement", "signature", "asked.1", |b| {
        let foreign = SignedStmt::decode(&b.asked[0].signed).unwrap().sign1.by.signature;
        signed(&mut b.asked[1], |s| s.sign1.by.signature = foreign);
    });
    hand.with("a stranger's signature", "signature", "asked.1", |b| {
        let stmt = stmt(&b.asked[1]);
        b.asked[1].signed = Bytes(encode(&SignedStmt::sign(&stmt, &TestAgency::key(1), None)));
    });
    hand.with("a statement that is no statement", "statement_form", "asked.1", |b| {
        b.asked[1].signed = Bytes(vec![0x80])
    });
    hand.with("a statement with a byte behind it", "statement_form", "asked.1", |b| b.asked[1].signed.0.push(0));

    // officers
    hand.with("no approval of the acknowledgement", "approval", "answered.0", |b| {
        signed(&mut b.answered[0], |s| s.approvals = None);
    });
    hand.with("an empty list of approvals", "approval", "answered.0", |b| {
        signed(&mut b.answered[0], |s| s.approvals = Some(vec![]));
    });
    hand.with("a stranger's approval", "approval", "answered.0", |b| {
        let approval = stmt(&b.answered[0]).approval().unwrap();
        signed(&mut b.answered[0], |s| s.approvals = Some(vec![approval.sign(&TestAgency::key(1), &network)]));
    });
    hand.with("the approval of another act", "approval", "answered.1", |b| {
        let foreign = SignedStmt::decode(&b.answered[0].signed).unwrap().approvals;
        signed(&mut b.answered[1], |s| s.approvals = foreign);
    });
    hand.with("an approval of what needs none", "statement_form", "asked.1", |b| {
        let foreign = SignedStmt::decode(&b.answered[0].signed).unwrap().approvals;
        signed(&mut b.asked[1], |s| s.approvals = foreign);
    });

    // receipts
    hand.with("receipts exchanged", "receipt", "asked.0.receipt", |b| {
        let first = b.asked[0].receipt.take();
        b.asked[0].receipt = b.asked[1].receipt.take();
        b.asked[1].receipt = first;
    });
    hand.with("a receipt of the other side's", "receipt", "asked.0.receipt", |b| {
        b.asked[0].receipt = b.answered[0].receipt.clone();
    });
    hand.with("another case's receipt", "receipt", "asked.0.receipt", |b| {
        b.asked[0].receipt = other.asked[0].receipt.clone()
    });
    hand.with("a receipt that is none", "receipt", "asked.0.receipt", |b| b.asked[0].receipt = Some(Bytes(vec![0xf6])));
    hand.with("a receipt cut short", "receipt", "asked.0.receipt", |b| {
        b.asked[0].receipt.as_mut().unwrap().0.truncate(40)
    });
    type Bend = (&'static str, fn(&mut Receipt));
    let bends: [Bend; 5] = [
        ("of an earlier time", |r| r.received -= 1),
        ("over another hash", |r| r.hash = Digest([1; 32])),
        ("of another statement", |r| r.msg_id = MsgId([1; 32])),
        ("by somebody else", |r| r.by.0[0] ^= 1),
        ("of another epoch", |r| r.epoch = 7),
    ];
    for (what, bend) in bends {
        hand.with(&format!("a receipt {what}"), "receipt", "asked.0.receipt", |b| receipt(&mut b.asked[0], bend));
    }
    hand.with("a stranger's receipt", "receipt", "answered.0.receipt", |b| {
        let sign1: Sign1 = decode(b.answered[0].receipt.as_ref().unwrap(), 4096).unwrap();
        let claimed = Receipt::claimed(&sign1).unwrap();
        b.answered[0].receipt = Some(Bytes(encode(&claimed.sign(&TestAgency::key(1), &network))));
    });

    // the list of evidence
    hand.with("an item struck from the list", "evidence", "evidence", |b| drop(b.evidence.pop()));
    hand.with("an item twice in the list", "evidence", "evidence", |b| b.evidence.push(b.evidence[0].clone()));
    hand.with("the list in another order", "evidence", "evidence", |b| b.evidence.swap(0, 1));
    hand.with("another name in the list", "evidence", "evidence", |b| b.evidence[0].name = "x".into());
    hand.with("another hash in the list", "evidence", "evidence", |b| b.evidence[0].b3_plain = Digest([1; 32]));
    hand.with("another size in the list", "evidence", "evidence", |b| b.evidence[0].size = 0);
}

struct Raw(Value);

impl lapwing_record::cbor::Cbor for Raw {
    fn to_value(&self) -> Value {
        self.0.clone()
    }
    fn from_value(value: Value) -> Result<Self, lapwing_record::cbor::Fault> {
        Ok(Raw(value))
    }
}

/// The charter of another federation.
fn elsewhere() -> Bytes {
    let founder = TestAgency::named("elsewhere");
    let charter = charter_of(&[&founder]);
    Bytes(encode(&CharterFile::join(charter.clone(), vec![founder.found(&charter)]).unwrap()))
}

fn acknowledgement(reference: &str) -> Acknowledge {
    Acknowledge {
        own_reference: reference.into(),
        decision_by: None,
        urgency_accepted: None,
        assurance: Assurance::Assured,
        note: None,
    }
}

// -- what its own parties could try -----------------------------------------------------------------------------------

/// A case between two agencies whose keys are at hand, the requester in its second epoch.
struct Agencies {
    network: NetworkId,
    harbour: TestAgency,
    polder: TestAgency,
    second: SecretKey,
    grant: Entry,
}

impl Agencies {
    fn new() -> (Self, Bundle) {
        let (harbour, polder) = (TestAgency::named("harbour"), TestAgency::named("polder"));
        let charter = charter_of(&[&harbour, &polder]);
        let network = charter.network_id();
        let mut founders = [&harbour, &polder];
        founders.sort_by_key(|f| f.pid());
        let parts = founders.iter().map(|f| f.found(&charter)).collect();
        let file = CharterFile::join(charter.clone(), parts).unwrap();
        let second = TestAgency::key(42);
        let keys = EpochKeys {
            feed: second.public(),
            officers: harbour.officers.iter().map(|o| Officer { key: o.public(), not_after: u64::MAX >> 1 }).collect(),
            policy: Vec::new(),
        };
        let grant = KeyGrant { epoch: 1, keys, anchors: vec![], reason: GrantReason::Routine };
        let grant = harbour.id_entry(&network, &harbour.first_entry(&network), EntryType::KeyGrant, &grant);
        let agencies = Agencies { network, harbour, polder, second, grant };
        let text = |t: &str| encode(&Text { text: t.into() });
        let supplement = |t: &str| encode(&Supplement { text: t.into(), form: None, unknown: vec![] });
        let submit = agencies.stmt(true, &[], None, Kind::Submit, encode(&sample()));
        let ack = agencies.stmt(false, &[], Some(&submit), Kind::Acknowledge, encode(&acknowledgement("P-1")));
        let asks = agencies.stmt(false, std::slice::from_ref(&ack), Some(&submit), Kind::NeedInfo, text("who?"));
        let asked = vec![submit.clone()];
        let more = agencies.stmt(true, &asked, Some(&asks), Kind::Supplement, supplement("they"));
        let last =
            agencies.stmt(true, &[submit.clone(), more.clone()], Some(&asks), Kind::Supplement, supplement("all"));
        let bundle = Bundle {
            version: 1,
            charter: Bytes(encode(&file)),
            id_logs: vec![
                vec![agencies.harbour.first_entry(&network), agencies.grant.clone()],
                vec![agencies.polder.first_entry(&network)],
            ],
            asked: [submit, more, last].iter().map(|s| agencies.sent(true, s)).collect(),
            answered: [ack, asks].iter().map(|s| agencies.sent(false, s)).collect(),
            evidence: vec![],
        };
        (agencies, bundle)
    }

    fn stmt(&self, asked: bool, before: &[Stmt], seen: Option<&Stmt>, kind: Kind, body: Vec<u8>) -> Stmt {
        let (from, to) = if asked { (&self.harbour, &self.polder) } else { (&self.polder, &self.harbour) };
        Stmt {
            version: 1,
            network_id: self.network,
            thread: ThreadId([7; 32]),
            msg_no: before.len() as u64,
            prev_own: before.last().map(Stmt::id),
            seen_peer: seen.map(Stmt::id),
            from: from.pid(),
            epoch: u64::from(asked),
            to: to.pid(),
            clock: 10,
            expires: 1000,
            kind,
            handling: Tlp::Amber,
            body: Bytes(body),
            blobs: vec![],
        }
    }

    fn key(&self, asked: bool) -> &SecretKey {
        if asked { &self.second } else { &self.polder.feed }
    }

    /// A statement with the signatures of its own side, and the receipt of the other.
    fn sent(&self, asked: bool, stmt: &Stmt) -> Sent {
        let officer = if asked { &self.harbour } else { &self.polder };
        let approvals = stmt.approval().map(|a| vec![a.sign(&officer.officers[0], &self.network)]);
        let signed = encode(&SignedStmt::sign(stmt, self.key(asked), approvals));
        let receipt = self.receipt(asked, stmt.id(), &signed).sign(self.key(!asked), &self.network);
        Sent { signed: Bytes(signed), receipt: Some(Bytes(encode(&receipt))) }
    }

    fn receipt(&self, asked: bool, id: MsgId, signed: &[u8]) -> Receipt {
        let by = if asked { &self.polder } else { &self.harbour };
        Receipt {
            msg_id: id,
            hash: signed_hash(signed),
            received: 15,
            status: ReceiptStatus::Stored,
            by: by.pid(),
            epoch: u64::from(!asked),
        }
    }
}

#[test]
fn what_a_party_signs_anew_does_not_fit_what_the_other_signed() {
    let (agencies, bundle) = Agencies::new();
    assert!(bundle.verify().is_ok(), "{:?}", bundle.verify());
    let mut hand = Hand::new(bundle.clone());
    let resigned = |sent: &Sent, change: &dyn Fn(&mut Stmt)| {
        let mut stmt = stmt(sent);
        change(&mut stmt);
        agencies.sent(true, &stmt)
    };
    let keep = |sent: &Sent, new: Sent| Sent { receipt: sent.receipt.clone(), ..new };
    // a party rewrites what it said: the other side's receipts and links are over what was said
    hand.with("a body signed anew", "receipt", "asked.2.receipt", |b| {
        b.asked[2] = keep(
            &b.asked[2],
            resigned(&b.asked[2], &|s| {
                s.body = Bytes(encode(&Supplement { text: "no".into(), form: None, unknown: vec![] }))
            }),
        );
    });
    hand.with("a marking signed anew", "receipt", "asked.2.receipt", |b| {
        b.asked[2] = keep(&b.asked[2], resigned(&b.asked[2], &|s| s.handling = Tlp::Clear));
    });
    hand.with("the referral signed anew, with a receipt made up for it", "place", "asked.1", |b| {
        b.asked[0] = resigned(&b.asked[0], &|s| s.clock += 1);
    });
    hand.with("a number twice, both signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.msg_no = 1)
    });
    hand.with("a number left out, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.msg_no = 3)
    });
    hand.with("a second history, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.prev_own = Some(MsgId([1; 32])));
    });
    hand.with("less seen than before, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.seen_peer = None)
    });
    hand.with("seen what was never said, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.seen_peer = Some(MsgId([1; 32])));
    });
    hand.with("another case, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.thread = ThreadId([8; 32]))
    });
    hand.with("a second referral, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| (s.kind, s.body) = (Kind::Submit, Bytes(encode(&sample()))));
    });
    hand.with("what only the other side says, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.kind = Kind::Progress);
    });
    hand.with("to somebody else, signed", "place", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.to = TestAgency::named("savanna").pid());
    });
    hand.with("another federation, signed", "federation", "asked.2", |b| {
        b.asked[2] = resigned(&b.asked[2], &|s| s.network_id = NetworkId([5; 32]));
    });
    hand.with("the acknowledgement approved by the other agency's officer", "approval", "answered.0", |b| {
        let approval = stmt(&b.answered[0]).approval().unwrap().sign(&agencies.harbour.officers[0], &agencies.network);
        signed(&mut b.answered[0], |s| s.approvals = Some(vec![approval]));
    });
    hand.with("the acknowledgement approved by another officer", "receipt", "answered.0.receipt", |b| {
        let approval = stmt(&b.answered[0]).approval().unwrap().sign(&agencies.polder.officers[1], &agencies.network);
        signed(&mut b.answered[0], |s| s.approvals = Some(vec![approval]));
    });
    hand.with("a receipt signed by its own sender", "receipt", "asked.2.receipt", |b| {
        let receipt = agencies.receipt(true, stmt(&b.asked[2]).id(), &b.asked[2].signed);
        b.asked[2].receipt = Some(Bytes(encode(&receipt.sign(&agencies.second, &agencies.network))));
    });
    hand.with("a true receipt over other bytes", "receipt", "asked.2.receipt", |b| {
        let receipt = agencies.receipt(true, stmt(&b.asked[2]).id(), b"other bytes");
        b.asked[2].receipt = Some(Bytes(encode(&receipt.sign(&agencies.polder.feed, &agencies.network))));
    });
    hand.with("a statement in the place of its receipt", "receipt", "asked.2.receipt", |b| {
        let sign1 = SignedStmt::decode(&b.answered[0].signed).unwrap().sign1;
        b.asked[2].receipt = Some(Bytes(encode(&sign1)));
    });
    // its keys
    hand.with("the requester's log without its second epoch", "place", "asked.0", |b| drop(b.id_logs[0].pop()));
    hand.with("the requester's log without its beginning", "identity", "id_logs", |b| drop(b.id_logs[0].remove(0)));
    hand.with("the requester's log backwards and longer", "parties", "id_logs", |b| {
        let first = b.id_logs[0][0].clone();
        b.id_logs[0].push(first);
    });
    hand.with("a fork in the requester's log", "parties", "id_logs", |b| {
        let keys = EpochKeys { feed: TestAgency::key(43).public(), officers: vec![], policy: Vec::new() };
        let grant = KeyGrant { epoch: 1, keys, anchors: vec![], reason: GrantReason::Routine };
        let first = agencies.harbour.first_entry(&agencies.network);
        b.id_logs[0].push(agencies.harbour.id_entry(&agencies.network, &first, EntryType::KeyGrant, &grant));
    });
    hand.with("a second epoch that a stranger granted", "parties", "id_logs", |b| {
        let stranger = TestAgency { root: TestAgency::key(9), ..agencies.harbour.clone() };
        let keys = EpochKeys { feed: TestAgency::key(43).public(), officers: vec![], policy: Vec::new() };
        let grant = KeyGrant { epoch: 1, keys, anchors: vec![], reason: GrantReason::Routine };
        let first = agencies.harbour.first_entry(&agencies.network);
        b.id_logs[0][1] = stranger.id_entry(&agencies.network, &first, EntryType::KeyGrant, &grant);
    });
    hand.with("the first epoch's key under a statement of the second", "signature", "asked.1", |b| {
        let stmt = stmt(&b.asked[1]);
        b.asked[1].signed = Bytes(encode(&SignedStmt::sign(&stmt, &agencies.harbour.feed, None)));
    });
    assert!(hand.refused() >= 24);
}

// -- the real file ----------------------------------------------------------------------------------------------------

/// A referral with two items of evidence from harbour to polder, supplemented, acknowledged and asked about.
fn case(town: &Town) -> String {
    let client = |op| town.client("harbour", op).unwrap();
    let draft: Draft = client(Op::Drafts).call(Op::Drafts, &[], &[], &json!({})).unwrap();
    let t = draft.thread.as_str();
    let mut manifest = Vec::new();
    for (name, content) in [("mail.eml", MAIL), ("list.txt", LIST)] {
        let sha: [u8; 32] = sha2::Sha256::digest(content).into();
        let hex: String = sha.iter().map(|b| format!("{b:02x}")).collect();
        let query = [("name", name.to_owned()), ("media_type", "text/plain".into()), ("sha256", hex)];
        let _: EvidenceView =
            client(Op::EvidencePut).upload(Op::EvidencePut, &[t], &query, content, content.len() as u64).unwrap();
        manifest.push(json!({
            "name": name, "media_type": "text/plain", "size": content.len(), "sha256": Digest(sha).to_string(),
            "blake3": Digest(*blake3::hash(content).as_bytes()).to_string(), "method": "user_complaint", "original": true,
        }));
    }
    let mut form = serde_json::to_value(sample()).unwrap();
    form["evidence"] = json!(manifest);
    let submit = json!({ "to": "polder", "form": form });
    until("it is submitted", 60, || client(Op::Submit).call::<serde_json::Value>(Op::Submit, &[t], &[], &submit).ok());
    // the node grants the keys by itself: as many as there are, both hold them and nothing waits
    let said = |name: &str| {
        let detail: serde_json::Value = town.client(name, Op::Referral)?.read(Op::Referral, &[t], &[]).ok()?;
        let all = detail["timeline"].as_array()?.clone();
        let ids: std::collections::BTreeSet<String> = all.iter().map(|s| s["id"].to_string()).collect();
        all.iter().all(|s| s["delivery"] != "queued").then_some(ids)
    };
    let both = |at_least: usize| {
        until("both sides hold the same", 60, || {
            said("harbour").filter(|ids| ids.len() >= at_least && said("polder").as_ref() == Some(ids))
        })
    };
    both(1);
    let officer = town.officer("polder");
    let acknowledge =
        ["case", "acknowledge", t, "--reference", "P-1", "--assurance", "assured", "--officer-key", &officer, "--yes"];
    town.of("polder", &acknowledge);
    both(2);
    let decide = ["case", "decide", t, "--item", "0=accept", "--officer-key", &officer, "--yes"];
    town.of("polder", &decide);
    both(3);
    for (n, text) in ["They are three.", "The host is known.", "It goes on."].iter().enumerate() {
        town.of("harbour", &["case", "answer", t, text]);
        both(4 + n);
    }
    town.of("polder", &["case", "ask", t, "Since when?"]);
    both(7);
    // a grant may still be on its way
    std::thread::sleep(std::time::Duration::from_millis(500));
    both(7);
    draft.thread
}

#[test]
fn a_case_holds_with_the_program_alone_and_a_hundred_forgeries_of_it_do_not() {
    let town = Town::founded(&["harbour", "polder"]);
    let harbour = town.start("harbour", &[]);
    let polder = town.start("polder", &town.address("harbour"));
    let contact = json!({
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{ "kind": "email", "value": "x@harbour.example" }],
        "deputy": null, "reconfirm_by": 4_102_444_800_000_u64, "withdrawn": false,
    });
    let publish = town.client("harbour", Op::ContactPublish).unwrap();
    let _: serde_json::Value = publish.call(Op::ContactPublish, &[], &[], &contact).unwrap();
    let threads = [case(&town), case(&town)];
    let bundles = threads.clone().map(|thread| {
        let to = town.text(&format!("{thread}.bundle"));
        town.of("harbour", &["case", "export", &thread, "-o", &to]);
        std::fs::read(to).unwrap()
    });
    // nothing is left running, and the folder holds nothing but the file
    drop((harbour, polder));
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("case.bundle"), &bundles[0]).unwrap();
    let network = !may_cut_the_network();
    let report = verify(dir.path(), &[], network).unwrap();
    assert_eq!(report["report"]["thread"], threads[0].as_str());
    let kinds: Vec<&str> =
        report["report"]["statements"].as_array().unwrap().iter().filter_map(|s| s["kind"].as_str()).collect();
    assert!(
        ["submit", "blob_grant", "acknowledge", "decide", "supplement", "need_info"].iter().all(|k| kinds.contains(k)),
        "{kinds:?}"
    );
    assert!(report["report"]["statements"].as_array().unwrap().iter().all(|s| s["received"].is_u64()), "{report}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "it writes nothing");

    // evidence beside it
    let lay = |files: &[(&str, &[u8])]| {
        let _ = std::fs::remove_dir_all(at("evidence"));
        std::fs::create_dir(at("evidence")).unwrap();
        files.iter().for_each(|(name, content)| std::fs::write(at("evidence").join(name), content).unwrap());
        verify(dir.path(), &["--evidence", "evidence"], network)
    };
    let whole = lay(&[("mail.eml", MAIL), ("list.txt", LIST), ("notes.txt", b"our own")]).unwrap();
    assert!(whole["evidence"].as_array().unwrap().iter().all(|e| e["same"] == true), "{whole}");
    let longer = [MAIL, b"\n"].concat();
    let mut flipped = MAIL.to_vec();
    flipped[20] ^= 1;
    /// What it is, the files beside the bundle, and what is said of them.
    type Beside<'a> = (&'a str, &'a [(&'a str, &'a [u8])], &'a str);
    let forged: [Beside<'_>; 8] = [
        ("exchanged", &[("mail.eml", LIST), ("list.txt", MAIL)], "evidence_changed"),
        ("another content", &[("mail.eml", b"x"), ("list.txt", LIST)], "evidence_changed"),
        ("cut short", &[("mail.eml", &MAIL[..30]), ("list.txt", LIST)], "evidence_changed"),
        ("empty", &[("mail.eml", b""), ("list.txt", LIST)], "evidence_changed"),
        ("a byte more", &[("mail.eml", &longer), ("list.txt", LIST)], "evidence_changed"),
        ("a bit turned", &[("mail.eml", &flipped), ("list.txt", LIST)], "evidence_changed"),
        ("renamed", &[("other.eml", MAIL), ("list.txt", LIST)], "evidence_renamed"),
        ("renamed by case", &[("Mail.eml", MAIL), ("list.txt", LIST)], "evidence_renamed"),
    ];
    for (what, files, code) in &forged {
        let problem = lay(files).expect_err(what);
        assert!(problem.faults[0].what.starts_with(code), "{what}: {problem:?}");
        assert_eq!(problem.faults[0].path, "mail.eml", "{what}");
    }

    // the bundle itself
    let decoded = bundles.map(|bytes| Bundle::decode(&bytes).unwrap());
    let mut hand = Hand::new(decoded[0].clone());
    without_keys(&mut hand, &decoded[1]);
    let refused = hand.refused() + forged.len();
    assert!(refused >= 100, "only {refused} ways of tampering");
}
