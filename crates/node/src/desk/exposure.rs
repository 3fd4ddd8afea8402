//! What a participant has already received from here: asked for when it is suspended (protocol §4.7).

use super::names::{self, named};
use super::time::rfc3339;
use super::{Answer, Desk, json, path};
use lapwing_api::service::Call;
use lapwing_api::types::{Exposed, Exposure};
use lapwing_engine::state::State;
use lapwing_record::entry::LogKind;
use lapwing_record::id::Pid;
use lapwing_record::identity::Class;
use lapwing_record::statement::Kind;

impl Desk {
    pub(super) fn exposure(&self, call: &Call) -> Answer {
        let view = self.view();
        let pid = names::participant(&view.state, path(call, "name"))?;
        json(&exposure(&view.state, &pid, view.state.as_of))
    }
}

fn exposure(state: &State, pid: &Pid, as_of: u64) -> Exposure {
    let federation = &state.federation;
    let own = federation.author(&state.me).expect("the node hosts its own participant");
    let agency = federation.inception(pid).is_some_and(|i| i.class == Class::Agency);
    let cases = state.cases.values().filter(|c| c.peer(&state.me) == *pid).map(|case| {
        let sent = case.side(&state.me);
        let stored = |t: &&lapwing_engine::case::Told| t.delivery.as_ref().is_some_and(|d| d.receipt.is_some());
        Exposed {
            thread: case.thread.to_string(),
            tlp: case.handling().code().into(),
            stored: sent.iter().filter(stored).count(),
            withheld: sent.iter().filter(|t| !stored(t)).count(),
            evidence: sent.iter().filter(stored).map(|t| t.open.blobs.len()).sum(),
            keys_granted: sent.iter().filter(stored).any(|t| t.open.kind == Kind::BlobGrant),
            changed: rfc3339(case.changed),
        }
    });
    Exposure {
        of: named(state, pid),
        standing: federation.standing(pid).map(|s| s.to_string()),
        cases: cases.collect(),
        agency_entries: if agency { own.listed(LogKind::Agy).count() } else { 0 },
        as_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::testworld::World;

    #[test]
    fn one_who_received_nothing_is_told_so() {
        let world = World::of(&["harbor", "polder"]);
        let told = exposure(world.state(), &world.pid("polder"), 7);
        assert!(told.cases.is_empty());
        assert_eq!((told.agency_entries, told.as_of), (0, 7));
    }
}
