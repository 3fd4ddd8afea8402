//! What is signed, and what lies in files that people hand on: records, forms, invitations, bundles.
//!
//! Where a target reads several types, its first byte says which.

use crate::seeds::{self, world};
use lapwing_record::audit;
use lapwing_record::bundle::Bundle;
use lapwing_record::cbor::{Cbor, DecodeError, decode, encode};
use lapwing_record::charter::{Charter, CharterFile};
use lapwing_record::directory::{Contact, KemKey, NodeBinding, Profile};
use lapwing_record::entry::{Entry, Header, MAX_HEADER};
use lapwing_record::form::Form;
use lapwing_record::form::check::{check, may_follow};
use lapwing_record::form::harm::{Harm, could_be, factors};
use lapwing_record::id::NetworkId;
use lapwing_record::identity::{Inception, KeyGrant, Leave, RootRotate};
use lapwing_record::idlog::{IdLog, check_application};
use lapwing_record::invite::Invitation;
use lapwing_record::legal::LegalProfile;
use lapwing_record::membership::{
    Application, Approval, Checkpoint, Endorsement, Excuse, ForkProof, Motion, ObjectionReason, Stances,
};
use lapwing_record::register::{Arrangement, Outcome};
use lapwing_record::seal;
use lapwing_record::sign::{Detached, Sign1};
use lapwing_record::statement::{Body, Delivered, Kind, Nack, Receipt, SignedStmt, Stmt};

/// Reads `bytes` as `T`: what is taken encodes to the very same bytes, and what is refused says why.
pub fn exact<T: Cbor>(bytes: &[u8], limit: usize) -> Option<T> {
    same(decode::<T>(bytes, limit), bytes)
}

/// The same of a reader that checks more than the shape.
pub fn same<T: Cbor>(read: Result<T, DecodeError>, bytes: &[u8]) -> Option<T> {
    match read {
        Ok(record) => {
            assert_eq!(encode(&record), bytes, "what was taken has other bytes");
            Some(record)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// Splits off the first byte.
pub fn chosen(bytes: &[u8]) -> (u8, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest))
}

/// A whole entry: exact, the same id without its body, and as valid after a round trip as before.
pub fn envelope(bytes: &[u8]) {
    let _ = read_envelope(bytes);
    let (which, rest) = chosen(bytes);
    match which % 4 {
        0 => drop(exact::<Header>(rest, MAX_HEADER)),
        1 => drop(exact::<Detached>(rest, 4096)),
        2 => drop(exact::<Vec<Entry>>(rest, 1 << 20)),
        _ => {
            if let Some(sign1) = exact::<Sign1>(rest, 4096) {
                for keys in world().keys() {
                    let _ = Receipt::open(&sign1, &keys, &world().network);
                }
                drop(Receipt::claimed(&sign1));
            }
        }
    }
}

/// An entry, whether anybody signed it or not.
pub fn read_envelope(bytes: &[u8]) -> Option<Entry> {
    let entry = Entry::decode(bytes).map_err(|e| e.to_string()).ok()?;
    assert_eq!(entry.encode(), bytes);
    assert_eq!(entry.id(), entry.header().id());
    let bare = Entry::decode(&entry.without_body().encode()).expect("an entry may lack its body");
    assert_eq!((bare.id(), bare.body()), (entry.id(), None));
    let keys = world().public_keys();
    for key in &keys {
        if entry.verify(std::slice::from_ref(key), 1, &world().network).is_ok() {
            let again = Entry::decode(&entry.encode()).expect("it was read before");
            again.verify(std::slice::from_ref(key), 1, &world().network).expect("it held before");
            let elsewhere = entry.verify(std::slice::from_ref(key), 1, &NetworkId([0xee; 32]));
            assert!(elsewhere.is_err(), "what is signed for one network holds in another");
        }
    }
    let _ = IdLog::fold(entry.header().pid, [&entry], &world().network);
    Some(entry)
}

/// Bodies of entries, and everything else that is signed inside something.
pub fn body(bytes: &[u8]) {
    let (which, rest) = chosen(bytes);
    const KIB: usize = 1024;
    match which % 22 {
        0 => drop(same(Inception::decode(rest), rest)),
        1 => drop(exact::<RootRotate>(rest, 16 * KIB).map(|r| r.check(&r.next))),
        2 => drop(exact::<KeyGrant>(rest, 16 * KIB).map(|g| g.check())),
        3 => drop(exact::<Leave>(rest, 16 * KIB)),
        4 => drop(same(Profile::decode(rest), rest)),
        5 => drop(same(Contact::decode(rest), rest)),
        6 => drop(same(NodeBinding::decode(rest), rest)),
        7 => drop(exact::<KemKey>(rest, 16 * KIB)),
        8 => {
            if let Some(application) = same(Application::decode(rest), rest) {
                let _ = check_application(&application, &world().network);
            }
        }
        9 => drop(same(Stances::decode(rest), rest)),
        10 => drop(exact::<Excuse>(rest, 16 * KIB)),
        11 => drop(exact::<Motion>(rest, 64 * KIB).map(|m| m.params.check())),
        12 => drop(exact::<Checkpoint>(rest, 16 * KIB)),
        13 => drop(exact::<ForkProof>(rest, 4 * KIB)),
        14 => drop(same(LegalProfile::decode(rest), rest)),
        15 => drop(same(Arrangement::decode(rest), rest).map(|a| a.terms())),
        16 => drop(same(Outcome::decode(rest), rest)),
        17 => drop(exact::<ObjectionReason>(rest, 16 * KIB)),
        18 => drop(exact::<Approval>(rest, 4 * KIB)),
        19 => drop(exact::<Endorsement>(rest, 4 * KIB)),
        20 => drop(exact::<Charter>(rest, 1 << 20).map(|c| (c.network_id(), c.check()))),
        _ => drop(exact::<audit::Row>(rest, 16 * KIB).map(|r| r.hash())),
    }
}

/// Statements: as signed, their bodies by kind, receipts and nacks.
pub fn statement(bytes: &[u8]) {
    let _ = read_statement(bytes);
    let (which, rest) = chosen(bytes);
    match which {
        0xff => drop(exact::<Stmt>(rest, seal::MAX_PLAIN).map(|s| (s.id(), s.approval()))),
        0xfe => drop(exact::<Delivered>(rest, 64 * 1024)),
        0xfd => drop(exact::<Nack>(rest, 4096)),
        0xfc => drop(exact::<Receipt>(rest, 4096)),
        which => {
            let kind = Kind::ALL[usize::from(which) % Kind::ALL.len()];
            if let Ok(body) = Body::decode(kind, rest) {
                assert_eq!((body.encode().as_slice(), body.kind()), (rest, kind));
                let _ = body.check();
                serde_json::to_value(&body).expect("what people are shown is JSON");
            }
        }
    }
}

/// A signed statement; whether one of the known participants signed it.
pub fn read_statement(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedStmt::decode(bytes) else { return false };
    assert_eq!(encode(&signed), bytes);
    let _ = signed.claimed();
    let mut held = false;
    for keys in world().keys() {
        if let Ok(verified) = signed.open(&keys, &world().network) {
            assert_eq!(verified.signed_bytes(), bytes);
            let again = SignedStmt::decode(verified.signed_bytes()).expect("it was read before");
            assert_eq!(again.open(&keys, &world().network).map(|v| v.id()), Ok(verified.id()));
            assert!(signed.open(&keys, &NetworkId([0xee; 32])).is_err());
            held = true;
        }
    }
    held
}

/// The pro forma: as it travels, and as programs write it (JSON).
pub fn form(bytes: &[u8]) {
    let from_wire = same(Form::decode(bytes), bytes);
    let from_json: Option<Form> = serde_json::from_slice(bytes).ok();
    for form in from_wire.iter().chain(&from_json) {
        let faults = check(form);
        let _ = (may_follow(form), could_be(&factors(form, &[30, 25, 15, 15, 10, 5])));
        let harm = Harm::of(form, &[30, 25, 15, 15, 10, 5]);
        assert!(harm.low <= harm.high && harm.high <= 100, "harm is 0 to 100");
        let wire = encode(form);
        if faults.is_empty() {
            // what is complete by every rule can be sent, and is read as the same
            if let Err(error) = Form::decode(&wire) {
                assert!(matches!(error, DecodeError::TooLong { .. }), "complete, and cannot be read: {error}");
            }
        }
        let json = serde_json::to_vec(form).expect("a form is JSON");
        let again: Form = serde_json::from_slice(&json).expect("what was written reads");
        assert_eq!(serde_json::to_vec(&again).expect("a form is JSON"), json);
    }
}

/// An invitation, and the charter's file in it.
pub fn invitation(bytes: &[u8]) {
    read_invitation(bytes);
}

/// Whether it is one.
pub fn read_invitation(bytes: &[u8]) -> bool {
    if let Ok(file) = CharterFile::open(bytes) {
        assert_eq!(encode(&file), bytes);
    }
    let Ok((invitation, charter)) = Invitation::open(bytes) else { return false };
    assert_eq!(encode(&invitation), bytes);
    assert_eq!(encode(&charter), invitation.charter.0);
    let shown = invitation.members.iter().flat_map(|m| [&m.short_name, &m.legal_name]).chain(&invitation.addrs);
    assert!(shown.flat_map(|t| t.chars()).all(|c| !c.is_control()), "a terminal would obey it");
    true
}

/// The export of a case, verified as `lapwing verify` does.
pub fn bundle(bytes: &[u8]) {
    read_bundle(bytes);
}

/// Whether it holds.
pub fn read_bundle(bytes: &[u8]) -> bool {
    let Ok(bundle) = Bundle::decode(bytes) else { return false };
    assert_eq!(encode(&bundle), bytes);
    match bundle.verify() {
        Ok(_) => {
            // the two parties signed nothing but what stands in the one whole case that there is
            let whole = Bundle::decode(&seeds::whole_bundle()).expect("made here");
            let known: Vec<_> = whole.asked.iter().chain(&whole.answered).map(|s| &s.signed).collect();
            let said = bundle.asked.iter().chain(&bundle.answered);
            assert!(said.map(|s| &s.signed).all(|s| known.contains(&s)), "a statement that nobody signed holds");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
