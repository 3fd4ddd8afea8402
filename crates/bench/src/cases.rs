//! Made-up cases on disk: journal and keyring as a node would have left them.

use crate::federation::{Federation, at_rest};
use anyhow::Context;
use lapwing_engine::case::Open;
use lapwing_engine::fact::{Fact, Receipted, Said};
use lapwing_engine::step::locked_form;
use lapwing_node::cores::on_all_cores;
use lapwing_node::folder::Folder;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::DAY_MS;
use lapwing_record::form::Form;
use lapwing_record::id::{HashOf, MsgId, ThreadId};
use lapwing_record::locked::lock;
use lapwing_record::statement::{Ending, Kind, Receipt, ReceiptStatus, SignedStmt, Stmt, Tlp, signed_hash};
use lapwing_store::disk::os::OsDisk;
use lapwing_store::keyring::Keyring;
use std::sync::Arc;

/// Cases that are made up at a time.
const CHUNK: usize = 5000;

/// A case as it is made up.
pub struct Made {
    /// The pro forma.
    pub form: Form,
    /// Milliseconds UTC of everything in it.
    pub at: u64,
    /// How the requester ended it.
    pub ended: Option<Kind>,
}

/// The thread of a made-up case.
pub fn thread(i: usize) -> ThreadId {
    ThreadId(HashOf::Msg.hash(&[b"thread", &i.to_le_bytes()[..]].concat()))
}

fn key(i: usize) -> [u8; 32] {
    HashOf::Msg.hash(&[b"key", &i.to_le_bytes()[..]].concat())
}

/// Writes cases from member 0 to member 1 that have their receipts.
pub fn refer(
    federation: &Federation,
    folder: &Folder,
    count: usize,
    make: impl Fn(usize) -> Made + Sync,
) -> anyhow::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let master = blake3::derive_key("lapwing/1 keyring", &at_rest(&federation.members[0]));
    let mut keyring = Keyring::open(Arc::new(OsDisk), &folder.keyring(), master)?;
    for chunk in (0..count).collect::<Vec<_>>().chunks(CHUNK) {
        let names: Vec<Vec<u8>> = chunk.iter().map(|i| [b"case/", &thread(*i).0[..]].concat()).collect();
        let keys: Vec<[u8; 32]> = chunk.iter().map(|i| key(*i)).collect();
        let secrets: Vec<(&[u8], &[u8])> = names.iter().zip(&keys).map(|(n, k)| (&n[..], &k[..])).collect();
        keyring.put_all(&secrets)?;
        let facts = on_all_cores(chunk, |i| case(federation, *i, &make(*i)));
        let facts: Vec<Fact> = facts.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
        federation.write_journal(0, folder, &facts)?;
    }
    Ok(())
}

fn case(federation: &Federation, i: usize, made: &Made) -> anyhow::Result<Vec<Fact>> {
    let submit = (Kind::Submit, encode(&made.form));
    let ending = made.ended.map(|kind| (kind, encode(&Ending { note: None })));
    let (mut facts, mut before) = (Vec::new(), None);
    for (n, (kind, body)) in std::iter::once(submit).chain(ending).enumerate() {
        let (said, id) = statement(federation, i, n as u64, before, kind, body, made.at)?;
        facts.extend(said);
        before = Some(id);
    }
    Ok(facts)
}

fn statement(
    federation: &Federation,
    i: usize,
    msg_no: u64,
    prev_own: Option<MsgId>,
    kind: Kind,
    body: Vec<u8>,
    at: u64,
) -> anyhow::Result<([Fact; 2], MsgId)> {
    let (a, b) = (&federation.members[0], &federation.members[1]);
    let stmt = Stmt {
        version: 1,
        network_id: federation.network(),
        thread: thread(i),
        msg_no,
        prev_own,
        seen_peer: None,
        from: a.pid(),
        epoch: 0,
        to: b.pid(),
        clock: at,
        expires: at + 30 * DAY_MS,
        kind,
        handling: Tlp::AmberStrict,
        body: Bytes(body),
        blobs: vec![],
    };
    let open = Open::of(&stmt)?;
    let id = open.id;
    let nonce: [u8; 24] = id.0[..24].try_into().context("24 of 32")?;
    let locked = Bytes(lock(&key(i), nonce, &id.0, &locked_form(&stmt, &None)));
    let hash = signed_hash(&encode(&SignedStmt::sign(&stmt, &a.feed, None)));
    let receipt = Receipt { msg_id: id, hash, received: at, status: ReceiptStatus::Stored, by: b.pid(), epoch: 0 };
    let receipt = Bytes(encode(&receipt.sign(&b.feed, &federation.network())));
    let said = Fact::Said(Said { at, open, locked });
    Ok(([said, Fact::Receipt(Receipted { at, thread: thread(i), id, receipt })], id))
}
