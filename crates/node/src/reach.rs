//! Whether others reach this node: asking a member to dial back, and dialling back for members (protocol §5.2, "Reach").

use crate::links::{Link, Links, lock};
use crate::office::now_ms;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::{Reach, ReachedAddress};
use lapwing_net::message::{Class, Protocol};
use lapwing_net::peer::Peer;
use lapwing_net::probe::{Probed, ip_of, probe};
use lapwing_record::cbor::encode;
use lapwing_record::id::Pid;
use lapwing_record::wire::{MAX_REACH, ReachAnswer, ReachRequest, Reached, read};
use std::sync::Mutex;

/// Milliseconds between two requests of one peer.
const BETWEEN_MS: u64 = 10_000;
/// Members that are asked until one tries.
const ASKED: usize = 3;
/// Addresses that are tried: a binding has no more.
const ADDRESSES: usize = 8;

/// What is going on about reaching.
#[derive(Default)]
pub(crate) struct Reaching {
    /// One request of others is worked on at a time.
    serving: tokio::sync::Mutex<()>,
    /// How the last attempt of another node to reach this one ended.
    last: Mutex<Option<Reach>>,
}

fn outcome(probed: Probed) -> Reached {
    match probed {
        Probed::Ok => Reached::Ok,
        Probed::Refused => Reached::Refused,
        Probed::Timeout => Reached::Timeout,
        Probed::Unreachable => Reached::Unreachable,
        Probed::OtherKey => Reached::OtherKey,
        Probed::NoHandshake => Reached::NoHandshake,
        Probed::NotTried => Reached::NotTried,
    }
}

impl Links {
    /// How the last attempt of another node to reach this one ended.
    pub(crate) fn last_reach(&self) -> Option<Reach> {
        lock(&self.reach.last).clone()
    }

    /// Asks connected members until one has tried to dial this node back. `by`: this participant's node and no other.
    pub(crate) async fn ask_reach(&self, by: Option<Pid>) -> Result<Reach, Problem> {
        let member = |(peer, link): (Peer, Link)| {
            let pid = link.pid.filter(|_| link.connected && link.class != Class::Stranger)?;
            by.is_none_or(|wanted| wanted == pid).then_some((peer, pid))
        };
        let members: Vec<(Peer, Pid)> = self.all().into_iter().filter_map(member).take(ASKED).collect();
        let mut why = match by {
            Some(_) => "its node is not connected".to_owned(),
            None => "no other member's node is connected".to_owned(),
        };
        let mut code = Code::Unreachable;
        for (peer, pid) in members {
            let request = encode(&ReachRequest::DialBack(true));
            let answer = self.request(peer, Protocol::Reach, request).await;
            let answer = answer.and_then(|bytes| read::<ReachAnswer>(&bytes, MAX_REACH).map_err(|e| e.to_string()));
            let name = crate::desk::named(&self.office.view().state, &pid);
            match answer {
                Ok(ReachAnswer::Tried(tried)) => {
                    let addresses: Vec<ReachedAddress> = tried
                        .into_iter()
                        .take(ADDRESSES)
                        .map(|(addr, how)| ReachedAddress { addr, outcome: how.code().into() })
                        .collect();
                    let ok = addresses.iter().any(|a| a.outcome == Reached::Ok.code());
                    let at = crate::office::rfc3339(now_ms());
                    let reach = Reach { ok, by: name, at, addresses };
                    *lock(&self.reach.last) = Some(reach.clone());
                    return Ok(reach);
                }
                // it answered: it was asked too often, or does not know this node's addresses yet
                Ok(ReachAnswer::Refused(words)) => {
                    (code, why) = (Code::TooManyRequests, format!("{} did not try: {words}", name.short_name));
                }
                Err(words) => why = format!("{} did not try: {words}", name.short_name),
            }
        }
        Err(Problem::new(code, format!("nobody has tried to reach this node: {why}"))
            .hint("Try again in ten seconds; `lapwing peers` shows who is connected."))
    }

    /// Dials a member's node back, at the addresses of its own binding.
    pub(crate) async fn dial_back(&self, peer: Peer, owner: Option<Pid>, bytes: &[u8]) -> ReachAnswer {
        let refused = |why: &str| ReachAnswer::Refused(why.to_owned());
        if let Err(e) = read::<ReachRequest>(bytes, MAX_REACH) {
            return ReachAnswer::Refused(e.to_string());
        }
        let Ok(_alone) = self.reach.serving.try_lock() else { return refused("busy with another") };
        let now = now_ms();
        let view = self.office.view();
        let listing = owner.and_then(|pid| view.state.federation.listing(&pid));
        let bound = listing.and_then(|l| l.nodes.get(&peer.to_bytes())).map(|n| n.record.clone());
        let Some(binding) = bound.filter(|b| b.not_after > now) else {
            return refused("your node binding is not known here");
        };
        let seen = {
            let mut links = lock(&self.links);
            let Some(link) = links.get_mut(&peer) else { return refused("not connected") };
            if link.next_reach > now {
                return refused("not so soon again: once in ten seconds");
            }
            link.next_reach = now + BETWEEN_MS;
            link.seen_at.as_deref().and_then(ip_of)
        };
        let tries = binding
            .addrs
            .iter()
            .take(ADDRESSES)
            .map(|addr| async move { (addr.clone(), outcome(probe(addr, peer, seen).await)) });
        ReachAnswer::Tried(futures::future::join_all(tries).await)
    }
}
