//! What may be sealed to another participant at this moment (protocol §4.7, invariant 25): asked when a delivery is due, and
//! again where its bytes are made, for a connection can take seconds, and a suspension comes in between.

use crate::case::Told;
use crate::federation::Federation;
use crate::membership::Standing;
use crate::mutation::{Mutation, broken};
use crate::state::State;
use lapwing_record::id::{MsgId, Pid, ThreadId};
use lapwing_record::statement::Kind;
use lapwing_record::wire::ThreadHeads;

/// Statements by case, in the order in which they can be taken; and whether there are more.
pub type ToGiveBack<'a> = (Vec<(ThreadId, &'a Told)>, bool);

impl State {
    /// Why an own statement is held back from `to` for now; none if it may be sealed. A recall goes out also to one that is
    /// suspended (protocol §4.7).
    pub fn held(&self, thread: &ThreadId, id: &MsgId, to: &Pid, now: u64) -> Option<String> {
        let kind = self.case(thread).and_then(|c| c.find(id)).map(|t| t.open.kind);
        held(&self.federation, to, kind, now)
    }

    /// What `peer` lacks of its cases with us, in the order in which it can take it, and whether there is more that is held:
    /// after a restore it asks for that before it says anything (annex §7.4). What still waits for it is no less held than where
    /// it is delivered, and with it all that comes after that in the case.
    ///
    /// # Errors
    /// Why not now, in words: there is nothing but what is held, and what the peer had already comes after it.
    pub fn to_give_back(&self, peer: &Pid, heads: &[ThreadHeads], now: u64) -> Result<ToGiveBack<'_>, String> {
        let (mut out, mut more) = (Vec::new(), None);
        for case in self.cases.values().filter(|c| c.peer(&self.me) == *peer && c.erased.is_none()) {
            let has = heads.iter().find(|h| h.thread == case.thread);
            let (own, theirs) = has.map_or((0, 0), |h| (h.own, h.theirs));
            let lacks = |t: &&Told| t.open.msg_no >= if t.open.from == *peer { own } else { theirs };
            let mut waits = None;
            for told in case.in_order().into_iter().filter(lacks) {
                if waits.is_none() && told.waits() {
                    waits = held(&self.federation, peer, Some(told.open.kind), now);
                }
                match &waits {
                    None => out.push((case.thread, told)),
                    Some(_) if told.waits() => {}
                    Some(why) => more = Some(why.clone()),
                }
            }
        }
        match more {
            Some(why) if out.is_empty() => Err(why),
            more => Ok((out, more.is_some())),
        }
    }
}

fn held(federation: &Federation, to: &Pid, kind: Option<Kind>, now: u64) -> Option<String> {
    let standing = federation.standing(to);
    let suspended = standing == Some(Standing::Suspended);
    let recalls = suspended && (kind == Some(Kind::Recall) || broken(Mutation::DeliversToSuspended));
    if standing != Some(Standing::Participant) && !recalls {
        let standing = standing.map_or("unknown", Standing::as_str);
        return Some(format!("held: the recipient does not take part in full ({standing})"));
    }
    if federation.author(to).is_some_and(|a| a.contested()) {
        return Some("held: the recipient's log is contested".into());
    }
    if federation.listing(to).and_then(|l| l.kem_key(now)).is_none() {
        return Some("held: the recipient has published no encryption key that is in force".into());
    }
    None
}
