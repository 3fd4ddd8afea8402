//! This participant's keys and log ends: what root-key holders' tools need, and the door for what they sign.

use super::names::named;
use super::time::rfc3339;
use super::{Answer, Desk, body, hex, internal, json};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{EntryIn, IdentityView, LogHead, OfficerView, Written};
use lapwing_engine::step::{Answer as Done, Command};
use lapwing_record::entry::{Entry, LogKind};
use lapwing_record::identity::{Act, words};

impl Desk {
    pub(super) fn identity(&self, _: &Call) -> Answer {
        let view = self.view();
        let state = &view.state;
        let id = state.my_id();
        let keys = id.current();
        let head = |log: LogKind, (seq, id): (u64, lapwing_record::id::EntryId)| LogHead {
            log: log.to_string(),
            seq,
            id: id.to_string(),
        };
        let officer = |o: &lapwing_record::identity::Officer| OfficerView {
            kid: o.key.kid().to_string(),
            key: hex::encode(o.key.bytes()),
            not_after: rfc3339(o.not_after),
        };
        json(&IdentityView {
            name: named(state, &state.me),
            network_id: state.federation.network().to_string(),
            words: words(&state.me.0),
            roots: id.roots.iter().map(|k| k.kid().to_string()).collect(),
            threshold: id.threshold,
            epoch: id.epoch(),
            feed: hex::encode(keys.feed.bytes()),
            officers: keys.officers.iter().map(officer).collect(),
            policy: Act::ALL.iter().map(|act| (act.to_string(), keys.needed(*act) as u64)).collect(),
            id_head: head(LogKind::Id, id.head),
            // what is reserved will be signed: an anchor before it would disavow it
            heads: [LogKind::Pub, LogKind::Agy].into_iter().filter_map(|l| Some(head(l, state.tip(l)?))).collect(),
            trouble: id.trouble.map(|t| format!("{t:?}")),
        })
    }

    pub(super) async fn take_id_entry(&self, call: Call) -> Answer {
        let given: EntryIn = body(&call)?;
        let invalid = |what: String| Problem::new(Code::Invalid, format!("the entry {what}"));
        let bytes = hex::decode(&given.entry).ok_or_else(|| invalid("is not hex".into()))?;
        let entry = Entry::decode(&bytes).map_err(|e| invalid(format!("does not read: {e}")))?;
        match self.office.command(Command::IdEntry(Box::new(entry))).await? {
            Done::Entry(id) => {
                tracing::info!(entry = %id.short(), "an entry of this participant's log 0 was taken");
                json(&Written { entry: id.to_string() })
            }
            other => Err(internal("taking an entry", format!("{other:?}"))),
        }
    }
}
