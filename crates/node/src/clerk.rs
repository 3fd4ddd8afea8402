//! What a node says in cases by itself, as its agency's clerk: keys of evidence that are due, a transfer that has
//! arrived, a recall where the other side is suspended (docs/protocol.md §4.7, §6.1).
//!
//! ```text
//! case changed, standing changed, start ─▶ what is due by the state alone? ─▶ Command::Say ─▶ durable, delivered
//! ```
//!
//! Nothing is remembered beside the journal: what a crash prevented is found due again at the next look.

use crate::office::Office;
use crate::vault::random;
use lapwing_api::problem::{Code, Problem};
use lapwing_engine::case::{Case, Stage};
use lapwing_engine::membership::Standing;
use lapwing_engine::state::State;
use lapwing_engine::step::{Command, Event, Input, Lock, Saying};
use lapwing_record::audit::{Attempt, DONE};
use lapwing_record::cbor::encode;
use lapwing_record::charter::DAY_MS;
use lapwing_record::id::{Digest, HashOf, MsgId, NetworkId, Pid, ThreadId};
use lapwing_record::statement::{BlobGrant, GrantedKey, Kind, Recall, RecallReason, Transferred};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Days until delivery is given up, unless the caller says otherwise.
pub const GIVE_UP_DAYS: u64 = 30;
/// Between two looks at what could not be said.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a suspension has to last before what was sent is recalled: an objection and its end may come in one exchange.
const SUSPENDED_FOR: Duration = Duration::from_secs(10);

/// The key of a case with a nonce for one statement.
pub fn case_lock(office: &Office, thread: &ThreadId) -> Result<Lock, Problem> {
    let key = office.vault.case_key(thread).map_err(crate::desk::vault_problem)?;
    let nonce = random().map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
    Ok(Lock { key, nonce })
}

/// A plain statement in a case.
pub fn saying(office: &Office, case: &Case, kind: Kind, body: Vec<u8>) -> Result<Saying, Problem> {
    Ok(Saying {
        thread: case.thread,
        to: case.peer(&office.me),
        kind,
        handling: case.handling(),
        body,
        blobs: Vec::new(),
        approvals: None,
        ttl_ms: GIVE_UP_DAYS * DAY_MS,
        lock: case_lock(office, &case.thread)?,
    })
}

/// A grant of the keys of our own evidence.
pub fn grant(office: &Office, blobs: &[Digest]) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let key = |b: &Digest| Some(GrantedKey { b3_cipher: *b, key: *office.vault.blob_key(b)? });
    let keys: Option<Vec<GrantedKey>> = blobs.iter().map(key).collect();
    let keys =
        keys.ok_or_else(|| Problem::new(Code::ContentGone, "a key of the evidence is no longer on this node"))?;
    Ok(Zeroizing::new(encode(&BlobGrant { keys })))
}

/// The case with the new agency that carrying out a proposal opens: always the same one.
pub fn thread_of(network: &NetworkId, thread: &ThreadId, proposal: &MsgId) -> ThreadId {
    ThreadId(HashOf::Proposal.hash(&encode(&(*network, *thread, *proposal))))
}

/// Runs until the node stops.
pub async fn run(office: Arc<Office>) {
    let mut last = office.events().latest().n;
    let mut open: BTreeSet<ThreadId> = office.view().state.cases.keys().copied().collect();
    let mut suspended = Suspended::default();
    loop {
        let mut left = BTreeSet::new();
        for thread in std::mem::take(&mut open) {
            match tend(&office, &thread, &mut suspended).await {
                Ok(Tended::Done) => {}
                Ok(Tended::Later) => drop(left.insert(thread)),
                Err(problem) => {
                    tracing::debug!(case = %thread.short(), %problem, "not said yet");
                    left.insert(thread);
                }
            }
        }
        open = left;
        let wait = async {
            match open.is_empty() {
                true => std::future::pending().await,
                false => tokio::time::sleep(AGAIN).await,
            }
        };
        tokio::select! {
            () = office.stopped() => return,
            () = wait => {}
            event = office.events().after(last) => {
                let Some((n, event)) = event else { return };
                last = n;
                let view = office.view();
                match event {
                    Event::Case(thread) => drop(open.insert(thread)),
                    Event::Standing(pid) => {
                        let of = view.state.cases.values().filter(|c| c.peer(&office.me) == pid);
                        open.extend(of.map(|c| c.thread));
                    }
                    _ => {}
                }
                open.extend(origins(&view.state, &open));
            }
        }
    }
}

/// The cases that these were passed on from: what happens in the new one is told in the old.
fn origins(state: &State, changed: &BTreeSet<ThreadId>) -> Vec<ThreadId> {
    let network = state.federation.network();
    let ours = |thread: &ThreadId| state.case(thread).is_some_and(|c| c.requester == state.me);
    if !changed.iter().any(ours) {
        return Vec::new();
    }
    let leads = |case: &&Arc<Case>| {
        proposals(case, state).iter().any(|p| changed.contains(&thread_of(network, &case.thread, p)))
    };
    state.cases.values().filter(leads).map(|c| c.thread).collect()
}

/// Our own proposals in a case that were not carried out yet.
fn proposals(case: &Case, state: &State) -> Vec<MsgId> {
    if case.target != state.me {
        return Vec::new();
    }
    let world = case.world();
    let open = case.answered.iter().filter(|t| t.open.kind == Kind::TransferProposed && t.refused.is_none());
    open.map(|t| t.open.id).filter(|id| !world.is_transferred(id)).collect()
}

/// Since when participants are seen to be suspended.
type Suspended = BTreeMap<Pid, Instant>;

/// How a look at a case ended.
enum Tended {
    /// Nothing more is due.
    Done,
    /// Something is due later.
    Later,
}

/// Says what is due in a case.
async fn tend(office: &Office, thread: &ThreadId, suspended: &mut Suspended) -> Result<Tended, Problem> {
    let view = office.view();
    let Some(case) = view.state.case(thread).filter(|c| c.erased.is_none()) else { return Ok(Tended::Done) };
    if let Some(body) = recall_due(&view.state, case) {
        let since = *suspended.entry(case.target).or_insert_with(Instant::now);
        if since.elapsed() < SUSPENDED_FOR {
            return Ok(Tended::Later);
        }
        say(office, case, Kind::Recall, body).await?;
        return Ok(Tended::Done);
    }
    if view.state.federation.standing(&case.target) != Some(Standing::Suspended) {
        suspended.remove(&case.target);
    }
    grant_due(office, thread).await?;
    for proposal in proposals(case, &view.state) {
        let new = thread_of(&office.network, thread, &proposal);
        let receipt = view
            .state
            .case(&new)
            .filter(|c| c.requester == office.me)
            .and_then(|c| c.asked.first()?.delivery.as_ref()?.receipt.clone().filter(|r| !r.is_empty()));
        if let (Some(receipt), Some(to)) = (receipt, case.world().proposal(&proposal).map(|p| p.to)) {
            let body = encode(&Transferred { proposal, thread: new, to, receipt });
            say(office, case, Kind::Transferred, body).await?;
        }
    }
    Ok(Tended::Done)
}

/// Hands over the keys of our own evidence that are due, once.
pub async fn grant_due(office: &Office, thread: &ThreadId) -> Result<(), Problem> {
    let _one_at_a_time = office.granting.lock().await;
    // looked at after the wait: another may have handed them over
    let view = office.view();
    let Some(case) = view.state.case(thread).filter(|c| c.erased.is_none()) else { return Ok(()) };
    let due = case.world().grants_due(case.requester == office.me);
    if due.is_empty() {
        return Ok(());
    }
    let body = grant(office, &due)?;
    say(office, case, Kind::BlobGrant, body.to_vec()).await
}

/// The recall that a suspension of the other side calls for: of whatever its node has (docs/protocol.md §4.7).
fn recall_due(state: &State, case: &Case) -> Option<Vec<u8>> {
    let has_it = case.asked.first()?.delivery.as_ref()?.receipt.is_some();
    let due = case.requester == state.me
        && has_it
        && state.federation.standing(&case.target) == Some(Standing::Suspended)
        && !matches!(case.stage(), Stage::Recalled | Stage::Withdrawn);
    due.then(|| encode(&Recall { reason: RecallReason::Suspended, note: None }))
}

async fn say(office: &Office, case: &Case, kind: Kind, body: Vec<u8>) -> Result<(), Problem> {
    let saying = saying(office, case, kind, body)?;
    let by = Attempt {
        who: "node".into(),
        role: "node".into(),
        act: format!("say {}", kind.code()),
        on: case.thread.to_string(),
        outcome: DONE.into(),
        request: None,
    };
    let command = Box::new(Command::Say(Box::new(saying)));
    let asked = office.ask(move |reply| Input::Local { command, by: Some(Box::new(by)), reply }).await?;
    tracing::info!(case = %case.thread.short(), %kind, "said by the node");
    asked.map(drop).map_err(crate::office::problem)
}
