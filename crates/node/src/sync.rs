//! Anti-entropy: truth comes from here, gossip is a hint (protocol §5, annex §8).
//!
//! ```text
//! root ──▶ equal: done, one round trip
//!      └─▶ buckets ─▶ heads of those that differ ─▶ want ─▶ batches ─▶ driver ─▶ root again
//! ```
//!
//! Pull only: each side asks for what it lacks. What a peer claims of *our own* logs matters most: until everything that
//! it has of us is here, we sign nothing after a start.

use crate::cores::{self, on_all_cores};
use crate::links::Links;
use crate::office::Office;
use lapwing_engine::author::Placed;
use lapwing_engine::federation::{BUCKETS, Federation};
use lapwing_engine::step::{Answer, Input};
use lapwing_net::message::Protocol;
use lapwing_net::peer::Peer;
use lapwing_record::cbor::encode;
use lapwing_record::entry::{Entry, Header, LogKind};
use lapwing_record::id::Pid;
use lapwing_record::wire::{
    AskHeads, BATCH_BYTES, Batch, HeadRow, MAX_SYNC_ANSWER, MAX_SYNC_REQUEST, MAX_WANTS, Plane, Root, SyncAnswer,
    SyncRequest, Want, read,
};

/// Rounds of one exchange at most; the next exchange goes on.
const MAX_ROUNDS: usize = 64;

/// Why an exchange ended early.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The request failed.
    #[error("{0}")]
    Request(String),
    /// The peer does not serve us.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer was not one.
    #[error("the peer's answer does not fit: {0}")]
    Answer(String),
    /// The node stops.
    #[error("the node is stopping")]
    Stopping,
}

async fn ask(links: &Links, peer: Peer, request: &SyncRequest) -> Result<SyncAnswer, SyncError> {
    let bytes = links.request(peer, Protocol::Sync, encode(request)).await.map_err(SyncError::Request)?;
    match read(&bytes, MAX_SYNC_ANSWER).map_err(|e| SyncError::Answer(e.to_string()))? {
        SyncAnswer::Refused(why) => Err(SyncError::Refused(why)),
        answer => Ok(answer),
    }
}

/// Pulls what `peer` has and we lack in one plane. Returns the heads of our own logs that it has and that were not here when
/// it was last asked.
pub async fn pull(office: &Office, links: &Links, peer: Peer, plane: Plane) -> Result<Vec<HeadRow>, SyncError> {
    let mut own = Vec::new();
    for _ in 0..MAX_ROUNDS {
        office.metrics.sync_rounds.inc();
        let root = office.view().state.federation.heads_root(plane);
        let buckets = match ask(links, peer, &SyncRequest::Root(Root { plane, root })).await? {
            SyncAnswer::Equal(_) => return Ok(Vec::new()),
            SyncAnswer::Buckets(theirs) if theirs.len() == BUCKETS => {
                let view = office.view();
                let mine = view.state.federation.bucket_hashes(plane);
                let differ = (0..BUCKETS).filter(|b| mine[*b][..8] != theirs[*b]);
                differ.map(|b| b as u64).collect::<Vec<u64>>()
            }
            other => return Err(SyncError::Answer(format!("{} to a root", name(&other)))),
        };
        let mut wants = Vec::new();
        own.clear();
        for part in buckets.chunks(32) {
            let SyncAnswer::Heads(rows) =
                ask(links, peer, &SyncRequest::Heads(AskHeads { plane, buckets: part.to_vec() })).await?
            else {
                return Err(SyncError::Answer("something else than heads".into()));
            };
            let view = office.view();
            for row in rows {
                if let Some(want) = view.state.federation.lacking(&row) {
                    wants.push((row.log, want));
                    if row.pid == office.me {
                        own.push(row);
                    }
                }
            }
        }
        // log 0 first: without its keys nothing else of an author can be read
        wants.sort_by_key(|(log, w)| (*log, w.pid, w.epoch));
        let wants: Vec<Want> = wants.into_iter().map(|(_, w)| w).collect();
        if wants.is_empty() {
            return Ok(own);
        }
        let mut news = 0;
        for part in wants.chunks(MAX_WANTS) {
            news += fetch(office, links, peer, part.to_vec()).await?;
        }
        if news == 0 {
            return Ok(own);
        }
    }
    Ok(own)
}

async fn fetch(office: &Office, links: &Links, peer: Peer, wants: Vec<Want>) -> Result<usize, SyncError> {
    let mut news = 0;
    let mut next = ask_batch(links, peer, wants.clone()).await?;
    let mut wants = Some(wants);
    loop {
        let Batch { entries, more } = next;
        office.metrics.sync_entries.inc_by(entries.len() as u64);
        wants = wants.filter(|_| more).and_then(|wants| rest(wants, entries.last()?.header()));
        let place = async {
            tokio::task::block_in_place(|| {
                let view = office.view();
                on_all_cores(&entries, |entry| cores::check(&view.state.federation, entry));
            });
            submit(office, entries, false).await
        };
        // the next batch travels while this one is checked and placed
        let placed = match &wants {
            None => place.await?,
            Some(wants) => {
                let (batch, placed) = futures::join!(ask_batch(links, peer, wants.clone()), place);
                let placed = placed?;
                next = batch?;
                news += fresh(&placed);
                continue;
            }
        };
        return Ok(news + fresh(&placed));
    }
}

async fn ask_batch(links: &Links, peer: Peer, wants: Vec<Want>) -> Result<Batch, SyncError> {
    match ask(links, peer, &SyncRequest::Want(wants)).await? {
        SyncAnswer::Batch(batch) => Ok(batch),
        _ => Err(SyncError::Answer("something else than entries".into())),
    }
}

/// What is still wanted after a batch that ends with `last`: from the next entry of that log on. None if the batch is
/// not a part of what was asked for.
fn rest(mut wants: Vec<Want>, last: &Header) -> Option<Vec<Want>> {
    let at = wants.iter().position(|w| w.pid == last.pid && w.log == last.log && w.epoch == last.epoch)?;
    wants.drain(..at);
    if wants[0].from > last.seq {
        return None;
    }
    wants[0].from = last.seq + 1;
    Some(wants)
}

fn fresh(placed: &[Placed]) -> usize {
    placed.iter().filter(|p| matches!(p, Placed::New | Placed::Forks { .. })).count()
}

/// Hands entries to the driver and waits until they are durable. `gossiped`: gossip brought them and carries them on.
pub async fn submit(office: &Office, entries: Vec<Entry>, gossiped: bool) -> Result<Vec<Placed>, SyncError> {
    let places: Vec<(Pid, LogKind, u64)> = entries.iter().map(|e| e.header()).map(|h| (h.pid, h.log, h.seq)).collect();
    match office.ask(move |reply| Input::Entries { entries, gossiped, reply: Some(reply) }).await {
        Ok(Ok(Answer::Placed(placed))) => {
            for ((pid, log, seq), _) in places.iter().zip(&placed).filter(|(_, p)| matches!(p, Placed::Invalid(_))) {
                let place = format!("log {} place {seq}", log.number());
                crate::audit::note_refused_peer(office, Some(*pid), "entry", place, "invalid").await;
            }
            Ok(placed)
        }
        Ok(other) => Err(SyncError::Answer(format!("the driver answered {other:?}"))),
        Err(_) => Err(SyncError::Stopping),
    }
}

fn name(answer: &SyncAnswer) -> &'static str {
    match answer {
        SyncAnswer::Equal(_) => "equal",
        SyncAnswer::Buckets(_) => "buckets",
        SyncAnswer::Heads(_) => "heads",
        SyncAnswer::Batch(_) => "entries",
        SyncAnswer::Acks(_) => "signatures",
        SyncAnswer::Refused(_) => "a refusal",
    }
}

/// Answers a sync request of a peer. `agency`: whether it may see the agency plane.
pub async fn serve(office: &Office, agency: bool, from: Option<Pid>, bytes: &[u8]) -> SyncAnswer {
    let request = match read::<SyncRequest>(bytes, MAX_SYNC_REQUEST) {
        Ok(request) => request,
        Err(e) => return SyncAnswer::Refused(e.to_string()),
    };
    let closed = |plane: Plane| plane == Plane::Agy && !agency;
    let not_for_you = || SyncAnswer::Refused("this plane is for agencies in full standing".into());
    let view = office.view();
    let federation = &view.state.federation;
    match request {
        SyncRequest::Root(r) if closed(r.plane) => not_for_you(),
        SyncRequest::Root(r) => {
            if r.root == federation.heads_root(r.plane) {
                SyncAnswer::Equal(true)
            } else {
                let cut = |h: &[u8; 32]| <[u8; 8]>::try_from(&h[..8]).expect("8 of 32");
                SyncAnswer::Buckets(federation.bucket_hashes(r.plane).iter().map(cut).collect())
            }
        }
        SyncRequest::Heads(a) if closed(a.plane) => not_for_you(),
        SyncRequest::Heads(a) => {
            let buckets = a.buckets.iter().filter_map(|b| usize::try_from(*b).ok()).filter(|b| *b < BUCKETS).take(64);
            let rows = buckets.flat_map(|b| federation.head_rows(a.plane, b));
            SyncAnswer::Heads(rows.take(10_000).collect())
        }
        SyncRequest::Want(wants) => {
            if wants.len() > MAX_WANTS || wants.iter().any(|w| closed(Plane::of(w.log))) {
                return not_for_you();
            }
            match tokio::task::block_in_place(|| collect(office, federation, &wants)) {
                Ok(batch) => SyncAnswer::Batch(batch),
                Err(e) => SyncAnswer::Refused(format!("cannot be read here: {e}")),
            }
        }
        SyncRequest::Push(entries) => {
            let allowed = entries.len() <= 64 && entries.iter().all(|e| !closed(Plane::of(e.header().log)));
            if !allowed || from.is_none() {
                return not_for_you();
            }
            let ids: Vec<_> = entries.iter().map(|e| (e.id(), e.header().pid)).collect();
            if submit(office, entries, false).await.is_err() {
                return SyncAnswer::Refused("not now".into());
            }
            // only what is durable here is signed for
            let view = office.view();
            let held = ids.into_iter().filter(|(id, _)| view.state.federation.holds(id));
            SyncAnswer::Acks(held.map(|(id, _)| office.vault.sign_ack(&id)).collect())
        }
    }
}

fn collect(office: &Office, federation: &Federation, wants: &[Want]) -> Result<Batch, crate::book::BookError> {
    let (mut entries, mut room) = (Vec::new(), BATCH_BYTES);
    // what the view holds in memory of log 0 includes first entries that came with the charter, not by the journal
    for want in wants {
        if want.log == LogKind::Id {
            let Some(author) = federation.author(&want.pid) else { continue };
            let mut all: Vec<Entry> = author.id_entries().cloned().collect();
            all.sort_by_key(|e| (e.header().seq, e.id()));
            let fresh: Vec<Entry> = all.into_iter().filter(|e| e.header().seq >= want.from).collect();
            room = room.saturating_sub(fresh.iter().map(|e| e.encode().len()).sum());
            entries.extend(fresh);
        } else {
            let (found, more) = office.book.entries(&want.pid, want.log, want.epoch, want.from, room)?;
            room = room.saturating_sub(found.iter().map(|e| e.encode().len()).sum());
            entries.extend(found);
            if more {
                return Ok(Batch { entries, more: true });
            }
        }
        if room == 0 {
            return Ok(Batch { entries, more: true });
        }
    }
    Ok(Batch { entries, more: false })
}
