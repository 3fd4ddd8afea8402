//! Amendments and objections: what became of them, and how well they are known.

use super::names::{self, named};
use super::time::rfc3339;
use super::{Answer, Desk, json, path, whole};
use crate::office::now_ms;
use lapwing_api::service::Call;
use lapwing_api::types::{MotionView, ObjectionState};
use lapwing_engine::membership::{Item, Reason, Target, Word, quorum};
use lapwing_engine::state::State;
use lapwing_record::charter::Params;
use lapwing_record::entry::LogKind;
use lapwing_record::id::{EntryId, Pid};
use lapwing_record::membership::Motion;

impl Desk {
    pub(super) fn motions(&self, _: &Call) -> Answer {
        let view = self.view();
        let now = now_ms();
        let mut rows: Vec<(u64, MotionView)> = view
            .state
            .federation
            .motions()
            .map(|(id, by, m)| (m.expires, motion(&view.state, id, &by, m, now)))
            .collect();
        rows.sort_by_key(|(expires, _)| std::cmp::Reverse(*expires));
        whole(rows.into_iter().map(|(_, row)| row).collect(), &view)
    }

    pub(super) fn objection(&self, call: &Call) -> Answer {
        let view = self.view();
        let id =
            names::by_prefix(own_objections(&view.state).into_iter(), path(call, "entry"), "objection of this agency")?;
        json(&objection(&view.state, id))
    }
}

fn motion(state: &State, id: EntryId, by: &Pid, motion: &Motion, now: u64) -> MotionView {
    let federation = &state.federation;
    let why = federation.roster().explain(Target::Motion(id));
    let (in_force, params) = federation.amendments();
    let became = if in_force.contains(&id) {
        "adopted"
    } else if motion.base != params.digest() {
        "overtaken"
    } else if matches!(why.reason, Reason::ElectorObjects) {
        "objected"
    } else if motion.expires <= now {
        "expired"
    } else {
        "open"
    };
    let count = why.motion.as_ref();
    MotionView {
        id: id.to_string(),
        by: named(state, by),
        statement: motion.statement.clone(),
        expires: rfc3339(motion.expires),
        state: became.into(),
        seated: count.map_or(0, |c| c.seated_by.len()),
        needed: count.map_or(0, |c| c.needed),
        params: motion.params.clone(),
    }
}

/// What differs between two sets of Params.
pub(super) fn changes(from: &Params, to: &Params) -> Vec<String> {
    let mut changes = Vec::new();
    let mut number = |name: &str, from: u64, to: u64| {
        if from != to {
            changes.push(format!("{name} from {from} to {to}"));
        }
    };
    number("window_ms", from.window_ms, to.window_ms);
    number("grace_ms", from.grace_ms, to.grace_ms);
    number("retention_max_ms", from.retention_max_ms, to.retention_max_ms);
    number("blob_max_bytes", from.blob_max_bytes, to.blob_max_bytes);
    number("schema", from.schema, to.schema);
    if from.harm_weights != to.harm_weights {
        changes.push(format!("harm_weights from {:?} to {:?}", from.harm_weights, to.harm_weights));
    }
    changes
}

/// Own entries that hold an objection.
fn own_objections(state: &State) -> Vec<EntryId> {
    let Some(author) = state.federation.author(&state.me) else { return Vec::new() };
    let objects = |i: &Item| matches!(i, Item::Said { word: Word::Object { .. }, .. });
    author.listed(LogKind::Pub).filter(|l| l.items().iter().any(objects)).map(|l| l.id).collect()
}

fn objection(state: &State, entry: EntryId) -> ObjectionState {
    let agencies = state.federation.full_agencies();
    let acked = state.acks.get(&entry).cloned().unwrap_or_default();
    let holders: Vec<&Pid> = agencies.iter().filter(|p| **p == state.me || acked.contains(*p)).collect();
    // so many that every quorum of agencies has one of them (protocol §4.7)
    let needed = agencies.len() + 1 - quorum(agencies.len()).min(agencies.len());
    ObjectionState {
        entry: entry.to_string(),
        held_by: holders.iter().filter(|p| ***p != state.me).map(|p| named(state, p).short_name).collect(),
        agencies: agencies.len(),
        needed,
        veto_secured: holders.len() >= needed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_is_secured_when_every_quorum_meets_it() {
        for n in 1..=30usize {
            let needed = n + 1 - quorum(n).min(n);
            assert!(quorum(n).min(n) + needed > n, "{n}: a quorum and the holders overlap");
            assert!(quorum(n).min(n) + needed - 1 <= n, "{n}: and one less would not do");
        }
    }

    #[test]
    fn changes_name_what_differs() {
        let base = Params::default();
        assert!(changes(&base, &base).is_empty());
        let other = Params { window_ms: 5, harm_weights: vec![100, 0, 0, 0, 0, 0], ..base.clone() };
        assert_eq!(changes(&base, &other).len(), 2);
    }
}
