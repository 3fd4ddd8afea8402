//! An objection goes straight to every agency, and each is asked to sign that it holds it (protocol §4.7): `veto_secured`
//! when n − ⌊2n/3⌋ agencies have, for these meet every quorum.

use crate::links::{Links, class_between};
use crate::office::Office;
use futures::future::join_all;
use lapwing_engine::step::Input;
use lapwing_net::message::{Class, Protocol};
use lapwing_record::cbor::{decode, encode};
use lapwing_record::entry::Entry;
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::sign::{Context, Sign1};
use lapwing_record::wire::{Ack, MAX_SYNC_ANSWER, SyncAnswer, SyncRequest, read};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Attempts to reach the agencies that have not signed; those that connect later get it by sync.
const ROUNDS: usize = 60;

/// Agencies that must hold an objection, the objector among them, so that it meets every quorum of n.
pub const fn needed(n: usize) -> usize {
    n - 2 * n / 3
}

/// Pushes an own objection until every agency has signed for it, or for some minutes.
pub async fn push(office: Arc<Office>, links: Arc<Links>, entry: Entry) {
    let id = entry.id();
    let request = encode(&SyncRequest::Push(vec![entry]));
    for round in 0..ROUNDS {
        let view = office.view();
        let agencies: BTreeSet<Pid> =
            view.state.federation.full_agencies().into_iter().filter(|p| *p != office.me).collect();
        let have = view.state.acks.get(&id).cloned().unwrap_or_default();
        if agencies.iter().all(|a| have.contains(a)) {
            return;
        }
        let open = links.connected().into_iter().filter(|(_, pid)| agencies.contains(pid) && !have.contains(pid));
        let open = open.filter(|(_, pid)| class_between(&view, &office.me, pid) != Class::Stranger);
        // all at once: behind a link that only looks alive nobody else may wait
        let (office, links, request) = (&office, &links, &request);
        join_all(open.map(|(peer, _)| async move {
            let answer = links.request(peer, Protocol::Sync, request.clone()).await;
            take_acks(office, &id, answer).await;
        }))
        .await;
        tokio::select! {
            () = office.stopped() => return,
            () = tokio::time::sleep(Duration::from_secs(1 + round as u64 / 10)) => {}
        }
    }
}

async fn take_acks(office: &Office, id: &EntryId, answer: Result<Vec<u8>, String>) {
    let Ok(Ok(SyncAnswer::Acks(acks))) = answer.map(|b| read::<SyncAnswer>(&b, MAX_SYNC_ANSWER)) else { return };
    for sign1 in acks {
        if let Some(by) = verified(office, id, &sign1) {
            office.tell(Input::Acked { entry: *id, by, ack: Box::new(sign1) }).await;
        }
    }
}

fn verified(office: &Office, id: &EntryId, sign1: &Sign1) -> Option<Pid> {
    let ack: Ack = decode(&sign1.payload, 1024).ok()?;
    let view = office.view();
    let author = view.state.federation.author(&ack.by)?;
    sign1.open(&author.id.current().feed, &office.network, Context::Ack).ok()?;
    (ack.entry == *id).then_some(ack.by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_engine::membership::quorum;

    #[test]
    fn so_many_holders_meet_every_quorum() {
        for n in 1..200 {
            assert!(needed(n) + quorum(n) > n, "{n}");
            assert!(needed(n) - 1 + quorum(n) <= n, "{n}: one fewer would not do");
        }
    }
}
