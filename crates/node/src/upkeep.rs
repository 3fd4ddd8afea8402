//! A node's own records kept fresh: where it is reached, and the key that referrals are sealed to (protocol §3).

use crate::links::Links;
use crate::office::{Office, View, now_ms};
use crate::vault::Vault;
use lapwing_engine::author::Chain;
use lapwing_engine::membership::Standing;
use lapwing_engine::step::Command;
use lapwing_record::cbor::{Bytes, encode};
use lapwing_record::charter::DAY_MS;
use lapwing_record::directory::NodeBinding;
use lapwing_record::entry::EntryType;
use lapwing_record::id::{EntryId, Kid};
use lapwing_record::seal::Suite;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds after which a new encryption key is published.
const KEM_ROTATE_MS: u64 = 30 * DAY_MS;
/// Milliseconds that an encryption key is in force.
const KEM_VALID_MS: u64 = 45 * DAY_MS;
/// Milliseconds that the private half of an encryption key is kept beyond its time: clocks differ.
const KEM_KEPT_MS: u64 = 2 * DAY_MS;
/// Milliseconds that a node binding is meant to hold.
const BINDING_VALID_MS: u64 = 365 * DAY_MS;

/// Runs until the node stops.
pub async fn run(office: Arc<Office>, links: Arc<Links>, restored: PathBuf) {
    // listeners come one by one: a moment's wait saves an entry
    let mut every = Duration::from_millis(300);
    loop {
        tokio::select! {
            () = office.stopped() => return,
            () = tokio::time::sleep(every) => {}
        }
        let settled = binding(&office, &links).await & kem(&office).await;
        tokio::task::block_in_place(|| {
            no_longer_restored(&office, &restored);
            destroy_old_kem_keys(&office);
        });
        every = if settled { Duration::from_secs(10) } else { Duration::from_millis(300) };
    }
}

/// Takes the mark of a restored copy away once its own head is back and its cases are compared with everyone.
fn no_longer_restored(office: &Office, mark: &Path) {
    let view = office.view();
    let compared = || view.state.compared_with_all(view.leveled.as_ref());
    if view.head != lapwing_engine::head::HeadCheck::Done || !mark.exists() || !compared() {
        return;
    }
    match std::fs::remove_file(mark) {
        Ok(()) => tracing::info!("this restored copy is current again"),
        Err(error) => tracing::warn!(%error, "the mark of a restored copy could not be removed"),
    }
}

/// Destroys the private halves of encryption keys whose time is over: what was recorded on the network then cannot be
/// opened with this node any more.
fn destroy_old_kem_keys(office: &Office) {
    let (view, now) = (office.view(), now_ms());
    let Some(listing) = view.state.federation.listing(&office.me).filter(|_| view.clock_doubt.is_none()) else {
        return;
    };
    // by what was published, not by the clock alone: one that jumped must not cost the key in force
    let newest = listing.kem_keys.values().map(|k| k.record.not_before).max().unwrap_or_default();
    let over = |kid: &Kid| {
        let end = listing.kem_keys.get(kid).map(|k| k.record.not_after.saturating_add(KEM_KEPT_MS));
        end.is_some_and(|end| end < newest && end < now)
    };
    let names: Vec<_> =
        office.vault.kem_keys().iter().filter(|k| over(k)).map(|k| (Bytes(Vault::kem_name(k)), now)).collect();
    if names.is_empty() {
        return;
    }
    match office.vault.destroy(&names) {
        Ok(()) => tracing::info!(keys = names.len(), "old encryption keys were destroyed"),
        Err(error) => tracing::error!(%error, "old encryption keys could not be destroyed"),
    }
}

fn active(view: &View) -> bool {
    view.head == lapwing_engine::head::HeadCheck::Done && view.state.my_standing() != Some(Standing::Left)
}

/// Publishes where this node is reached, if that changed. True when nothing is to be done.
async fn binding(office: &Office, links: &Links) -> bool {
    let view = office.view();
    let mut addrs = if office.settings.node.external.is_empty() {
        reachable(&links.listening())
    } else {
        office.settings.node.external.clone()
    };
    addrs.sort();
    addrs.truncate(8);
    let peer = links.me().to_bytes();
    let current = view.state.federation.listing(&office.me).and_then(|l| l.nodes.get(&peer).cloned());
    let fresh = |b: &NodeBinding| b.addrs == addrs && b.not_after > now_ms() + 30 * DAY_MS;
    if current.is_some_and(|b| fresh(&b.record) && by_feed_in_force(&view, &b.entry)) {
        return true;
    }
    if !active(&view) || (addrs.is_empty() && !office.settings.node.listen.is_empty()) {
        return false;
    }
    let record = NodeBinding { peer: peer.into(), addrs, not_after: now_ms() + BINDING_VALID_MS, revoked: false };
    write(office, EntryType::NodeBinding, encode(&record)).await
}

/// Whether an own entry was signed by the feed key that is in force: those who do not hold our log take no other's word
/// for whose node this is.
fn by_feed_in_force(view: &View, entry: &EntryId) -> bool {
    let id = view.state.my_id();
    let author = view.state.federation.author(&view.state.me).expect("the node hosts its own participant");
    let holds = |chain: &Chain| chain.lines().any(|line| line.id == *entry);
    let epoch = author.public.iter().find(|(_, chain)| holds(chain)).map(|(epoch, _)| *epoch);
    epoch.and_then(|e| id.keys(e)).is_some_and(|keys| keys.feed == id.current().feed)
}

/// Addresses that others may try: none that stands for "all of this machine's".
fn reachable(listening: &[String]) -> Vec<String> {
    let wildcard = |a: &&String| a.starts_with("/ip4/0.0.0.0/") || a.starts_with("/ip6/::/");
    let specific: Vec<String> = listening.iter().filter(|a| !wildcard(a)).cloned().collect();
    let loopback = |a: &&String| a.starts_with("/ip4/127.") || a.starts_with("/ip6/::1/");
    if specific.iter().all(|a| loopback(&a)) {
        return specific;
    }
    specific.into_iter().filter(|a| !loopback(&a)).collect()
}

/// Publishes an encryption key, if none is fresh. True when nothing is to be done.
async fn kem(office: &Office) -> bool {
    let (view, now) = (office.view(), now_ms());
    let listing = view.state.federation.listing(&office.me);
    let fresh = listing
        .and_then(|l| l.kem_key(now))
        .is_some_and(|k| now < k.not_before + KEM_ROTATE_MS && office.vault.holds_kem(&k.kid));
    let reserved = view.state.reserved.iter().any(|r| r.header.entry_type() == Some(EntryType::KemKey));
    if fresh || reserved {
        return true;
    }
    if !active(&view) {
        return false;
    }
    // valid from a minute ago: other clocks may be behind
    let made = tokio::task::block_in_place(|| {
        office.vault.new_kem_key(Suite::XWing, now.saturating_sub(60_000), now + KEM_VALID_MS)
    });
    match made {
        Ok(key) => write(office, EntryType::KemKey, encode(&key)).await,
        Err(error) => {
            tracing::error!(%error, "no new encryption key");
            false
        }
    }
}

async fn write(office: &Office, kind: EntryType, body: Vec<u8>) -> bool {
    if let Err(problem) = office.command(Command::Write { kind, body }).await {
        tracing::debug!(kind = kind.code(), %problem, "not written yet");
        return false;
    }
    // looked at once more when it is signed
    tokio::time::sleep(Duration::from_millis(300)).await;
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_leads_somewhere() {
        let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(reachable(&list(&["/ip4/127.0.0.1/tcp/1"])), list(&["/ip4/127.0.0.1/tcp/1"]));
        let mixed = list(&["/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1", "/ip4/0.0.0.0/tcp/1"]);
        assert_eq!(reachable(&mixed), list(&["/ip4/192.0.2.1/tcp/1"]));
    }
}
