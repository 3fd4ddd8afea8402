//! Referrals on the wire: sealed and direct, one message a request, the receipt in the answer (protocol §6).
//!
//! ```text
//! out: outbox ─▶ unlock ─▶ sign (always the same bytes) ─▶ seal to the key in the log ─▶ case/1 ─▶ receipt
//! in:  case/1 ─▶ open ─▶ verify ─▶ lock under the case key ─▶ driver: durable ─▶ receipt
//! ```

use crate::links::Links;
use crate::office::{Office, now_ms};
use crate::vault::VaultError;
use lapwing_engine::step::{Answer, Came, Input, read_locked_form};
use lapwing_net::message::Protocol;
use lapwing_net::peer::Peer;
use lapwing_record::cbor::{Bytes, decode, encode};
use lapwing_record::id::{MsgId, Pid, ThreadId};
use lapwing_record::seal::{MAX_PLAIN, Sealed};
use lapwing_record::sign::Sign1;
use lapwing_record::statement::{BlobGrant, Delivered, Kind, Refusal, SignedStmt, VerifiedStmt};
use lapwing_record::wire::{CaseAnswer, CaseRequest, GivenBack, MAX_CASE, ThreadHeads, read};
use std::sync::Arc;

/// Why a statement cannot be made ready or read.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// Keys or content.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Records.
    #[error(transparent)]
    Book(#[from] crate::book::BookError),
    /// There is no such statement.
    #[error("the statement is not on this node")]
    Missing,
    /// What is on disk does not decode.
    #[error("the statement does not decode: {0}")]
    Decode(#[from] lapwing_record::cbor::DecodeError),
    /// The recipient has no key in force.
    #[error("the recipient has published no encryption key that is in force")]
    NoKey,
    /// The recipient may not have it now.
    #[error("{0}")]
    Held(String),
}

/// A statement of our own, signed: always the same bytes.
pub fn own_signed(office: &Office, thread: &ThreadId, id: &MsgId) -> Result<SignedStmt, PostError> {
    let view = office.view();
    let locked = match view.state.unsent.get(id) {
        Some(locked) => locked.clone(),
        None => office.book.locked(id)?.ok_or(PostError::Missing)?,
    };
    let plain = office.vault.unlock(thread, id, &locked)?;
    // a statement that came back after a restore is kept as it was signed
    if let Ok(signed) = SignedStmt::decode(&plain) {
        return Ok(signed);
    }
    let (stmt, approvals) = read_locked_form(&plain)?;
    let keys = view.state.my_id().keys(stmt.epoch).ok_or(PostError::Missing)?;
    Ok(office.vault.sign_statement(&stmt, approvals, &keys.feed)?)
}

/// A statement of the other side, as it was signed.
pub fn their_signed(office: &Office, thread: &ThreadId, id: &MsgId) -> Result<SignedStmt, PostError> {
    let locked = office.book.locked(id)?.ok_or(PostError::Missing)?;
    Ok(SignedStmt::decode(&office.vault.unlock(thread, id, &locked)?)?)
}

fn sealed_for(office: &Office, to: &Pid, signed: &SignedStmt) -> Result<Sealed, PostError> {
    let view = office.view();
    let listing = view.state.federation.listing(to);
    let kem = listing.and_then(|l| l.kem_key(now_ms())).cloned().ok_or(PostError::NoKey)?;
    Ok(office.vault.seal(*to, &kem, signed)?)
}

/// An own statement, sealed for who may have it at this moment.
pub fn seal_own(office: &Office, thread: &ThreadId, id: &MsgId, to: &Pid) -> Result<Sealed, PostError> {
    if let Some(why) = office.view().state.held(thread, id, to, now_ms()) {
        return Err(PostError::Held(why));
    }
    sealed_for(office, to, &own_signed(office, thread, id)?)
}

// -- out ------------------------------------------------------------------------------------------------------------

/// Tries to deliver a statement and tells the driver what became of it.
pub async fn deliver(office: Arc<Office>, links: Arc<Links>, thread: ThreadId, id: MsgId, to: Pid) {
    let outcome = try_deliver(&office, &links, &thread, &id, &to).await;
    if let Err(why) = &outcome {
        tracing::debug!(case = %thread.short(), %why, "not delivered");
    }
    office.tell(Input::Tried { thread, id, outcome }).await;
}

async fn try_deliver(
    office: &Office,
    links: &Links,
    thread: &ThreadId,
    id: &MsgId,
    to: &Pid,
) -> Result<Delivered, String> {
    let peer = links.reach(to).await.ok_or("the recipient's node is not connected")?;
    let sealed = tokio::task::block_in_place(|| seal_own(office, thread, id, to)).map_err(|e| e.to_string())?;
    let request = CaseRequest::Sealed(Bytes(encode(&sealed)));
    office.metrics.delivery_attempts.inc();
    let answer = links.request(peer, Protocol::Case, encode(&request)).await?;
    decode(&answer, 64 * 1024).map_err(|e| format!("the answer is none: {e}"))
}

// -- in -------------------------------------------------------------------------------------------------------------

/// Answers a case request. None: the stream is closed without an answer.
pub async fn serve(office: &Office, from: Option<Pid>, bytes: &[u8]) -> Option<Vec<u8>> {
    let peer = from?;
    match read::<CaseRequest>(bytes, MAX_CASE) {
        Ok(CaseRequest::Sealed(sealed)) => {
            let answer = receive(office, &sealed, Came::Delivered).await;
            if let Delivered::Refused((why, _)) = &answer
                && !why.may_pass_later()
            {
                crate::audit::note_refused_peer(office, from, "statement", String::new(), why.code()).await;
            }
            Some(encode(&answer))
        }
        Ok(CaseRequest::Level(heads)) => {
            Some(encode(&tokio::task::block_in_place(|| give_back(office, &peer, &heads))))
        }
        Err(e) => Some(encode(&Delivered::Refused((Refusal::Invalid, e.to_string())))),
    }
}

async fn receive(office: &Office, bytes: &[u8], came: Came) -> Delivered {
    let refused = |why, text: String| Delivered::Refused((why, text));
    let verified = match tokio::task::block_in_place(|| open(office, bytes)) {
        Ok(verified) => verified,
        Err(answer) => return *answer,
    };
    let (thread, id) = (verified.stmt().thread, verified.id());
    let locked = tokio::task::block_in_place(|| {
        keep_granted(office, &verified)?;
        office.vault.lock(&thread, &id, verified.signed_bytes())
    });
    let locked = match locked {
        Ok(locked) => locked,
        Err(_) if office.vault.is_erased(&thread) => return erased(office, &thread, &id),
        Err(error) => {
            tracing::error!(%error, "a statement cannot be kept");
            return refused(Refusal::TryLater, "the receiver cannot store now".into());
        }
    };
    let unfit = tokio::task::block_in_place(|| crate::forms::unfit(office, verified.stmt()));
    match office.ask(move |reply| Input::Heard { stmt: Box::new(verified), locked, unfit, came, reply }).await {
        Ok(Ok(Answer::Receipt(receipt))) => match decode::<Sign1>(&receipt, 4096) {
            Ok(sign1) => Delivered::Receipt(sign1),
            Err(error) => refused(Refusal::TryLater, error.to_string()),
        },
        Ok(Ok(Answer::Refused(why, text))) => refused(why, text),
        Ok(other) => refused(Refusal::TryLater, format!("unexpected: {other:?}")),
        Err(problem) => refused(Refusal::TryLater, problem.detail),
    }
}

/// A statement of a case that was erased here: what was receipted stays receipted, nothing more is taken.
fn erased(office: &Office, thread: &ThreadId, id: &MsgId) -> Delivered {
    let view = office.view();
    let receipt = view.state.case(thread).and_then(|c| c.find(id)).and_then(|t| t.receipt.clone());
    match receipt.map(|r| decode::<Sign1>(&r, 4096)) {
        Some(Ok(sign1)) => Delivered::Receipt(sign1),
        _ => Delivered::Refused((Refusal::Erased, "the case was erased here".into())),
    }
}

/// Opens a sealed message and checks its signatures; else the answer to give.
fn open(office: &Office, bytes: &[u8]) -> Result<VerifiedStmt, Box<Delivered>> {
    let refuse = |why, text: String| Box::new(Delivered::Refused((why, text)));
    let sealed = Sealed::decode(bytes).map_err(|e| refuse(Refusal::Invalid, e.to_string()))?;
    if sealed.to != office.me {
        return Err(refuse(Refusal::NotMine, "it is sealed to another participant".into()));
    }
    let view = office.view();
    let Some(plain) = office.vault.open(&sealed) else {
        let listing = view.state.federation.listing(&office.me);
        let current = listing.and_then(|l| l.kem_key(now_ms())).map(|k| k.kid);
        let epoch = view.state.my_id().epoch();
        return Err(Box::new(Delivered::Nack(office.vault.sign_nack(bytes, current, epoch))));
    };
    let plain = plain.map_err(|e| refuse(Refusal::Invalid, e.to_string()))?;
    let signed = SignedStmt::decode(&plain).map_err(|e| refuse(Refusal::Invalid, e.to_string()))?;
    let claimed = signed.claimed().map_err(|e| refuse(Refusal::Invalid, e.to_string()))?;
    let author = view.state.federation.author(&claimed.from);
    let author = author.ok_or_else(|| refuse(Refusal::SenderStanding, "the sender is not known here".into()))?;
    let keys = author.id.keys(claimed.epoch);
    let keys =
        keys.ok_or_else(|| refuse(Refusal::SenderStanding, "the sender's epoch is not known here yet".into()))?;
    signed.open(keys, &office.network).map_err(|e| refuse(Refusal::Invalid, e.to_string()))
}

/// Puts granted keys of evidence into the keyring before the statement is acknowledged.
fn keep_granted(office: &Office, verified: &VerifiedStmt) -> Result<(), VaultError> {
    if verified.stmt().kind != Kind::BlobGrant {
        return Ok(());
    }
    let Ok(grant) = decode::<BlobGrant>(&verified.stmt().body, MAX_PLAIN) else { return Ok(()) };
    grant.keys.iter().try_for_each(|k| office.vault.keep_blob_key(&k.b3_cipher, &k.key))
}

// -- after a restore ------------------------------------------------------------------------------------------------

/// What a peer that was restored lacks of our cases with it: its own statements, and ours.
fn give_back(office: &Office, peer: &Pid, heads: &[ThreadHeads]) -> CaseAnswer {
    let view = office.view();
    let (lacking, held) = match view.state.to_give_back(peer, heads, now_ms()) {
        Ok(lacking) => lacking,
        Err(why) => return CaseAnswer::Refused(why),
    };
    let (mut out, mut bytes) = (Vec::new(), 0);
    for (thread, told) in lacking {
        let id = &told.open.id;
        let signed =
            if told.open.from == *peer { their_signed(office, &thread, id) } else { own_signed(office, &thread, id) };
        match signed.and_then(|s| sealed_for(office, peer, &s)) {
            Ok(sealed) => {
                let back = GivenBack { sealed: Bytes(encode(&sealed)), receipt: told.receipted().cloned() };
                bytes += back.sealed.len() + back.receipt.as_ref().map_or(0, |r| r.len());
                if bytes > 56 * 1024 && !out.is_empty() {
                    return CaseAnswer::Returned((out, true));
                }
                out.push(back);
            }
            Err(error) => return CaseAnswer::Refused(error.to_string()),
        }
    }
    CaseAnswer::Returned((out, held))
}

/// After a restore: asks a peer for what we lack of our cases with it, before anything is said to it.
pub async fn level_threads(office: &Office, links: &Links, peer: Peer, pid: Pid) {
    if !office.view().must_level(&pid) {
        return;
    }
    let (mut before, mut in_vain) = (Vec::new(), 0);
    loop {
        let view = office.view();
        let mine = view.state.cases.values().filter(|c| c.peer(&office.me) == pid);
        let heads: Vec<ThreadHeads> = mine
            .map(|c| ThreadHeads {
                thread: c.thread,
                own: c.side(&office.me).len() as u64,
                theirs: c.side(&pid).len() as u64,
            })
            .collect();
        // what was taken shows in the published view a moment later
        in_vain = if heads == before { in_vain + 1 } else { 0 };
        if in_vain > 3 {
            tracing::warn!(
                "the other side has more and gives nothing that can be taken; asked again at the next exchange"
            );
            return;
        }
        let answer = links.request(peer, Protocol::Case, encode(&CaseRequest::Level(heads.clone()))).await;
        before = heads;
        let answer = answer.and_then(|b| decode::<CaseAnswer>(&b, 512 * 1024).map_err(|e| e.to_string()));
        match answer {
            Ok(CaseAnswer::Returned((given, more))) => {
                for back in &given {
                    if let Err(why) = take_back(office, back).await {
                        tracing::warn!(%why, "a statement that came back could not be taken; tried again at the next exchange");
                        return;
                    }
                }
                if !more {
                    office.tell(Input::ThreadsLevel(pid)).await;
                    return;
                }
            }
            Ok(CaseAnswer::Refused(why)) | Err(why) => {
                tracing::warn!(%why, "cases could not be compared after the restore; tried again at the next exchange");
                return;
            }
        }
    }
}

/// Takes one of the statements that came back; an error where it may be taken later.
async fn take_back(office: &Office, back: &GivenBack) -> Result<(), String> {
    let later = |delivered| match delivered {
        Delivered::Refused((why, text)) if Refusal::may_pass_later(why) => Err(format!("{why}: {text}")),
        _ => Ok(()),
    };
    let verified = match tokio::task::block_in_place(|| open(office, &back.sealed)) {
        Ok(verified) => verified,
        Err(answer) => return later(*answer),
    };
    let (thread, id) = (verified.stmt().thread, verified.id());
    if verified.stmt().from != office.me {
        // theirs: it comes in by the same door as ever, with its receipt
        return later(receive(office, &back.sealed, Came::Back(back.receipt.clone())).await);
    }
    match tokio::task::block_in_place(|| office.vault.lock(&thread, &id, verified.signed_bytes())) {
        Ok(locked) => office.tell(Input::Returned { stmt: Box::new(verified), locked }).await,
        Err(_) if office.vault.is_erased(&thread) => {}
        Err(error) => return Err(error.to_string()),
    }
    Ok(())
}
