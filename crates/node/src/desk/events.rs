//! What happens, for those who watch.

use super::Desk;
use super::names::named;
use lapwing_api::ops::{Access, Role};
use lapwing_api::service::{EventId, Notice};
use lapwing_engine::state::State;
use lapwing_engine::step::Event;
use lapwing_record::id::Pid;

impl Desk {
    /// The next event after `last` that the role may see. A watcher that may have missed something is told so first, with
    /// a `gap`: one that fell behind what is kept, and one that comes with the id of another run, who is then given
    /// everything that is kept of this one.
    pub(super) async fn watch(&self, last: EventId, role: Role) -> Option<Notice> {
        let events = self.office.events();
        let EventId { run, n: newest } = events.latest();
        if last.run != run || last.n > newest {
            return Some(gap(EventId { run, n: 0 }, "restart", None));
        }
        let mut last = last.n;
        loop {
            let (n, event) = tokio::select! {
                biased;
                () = self.office.stopped() => return None,
                event = events.after(last) => event?,
            };
            if n > last + 1 {
                return Some(gap(EventId { run, n: n - 1 }, "fell_behind", Some(n - 1 - last)));
            }
            if sees(role, &event) {
                return Some(notice(&self.view().state, EventId { run, n }, &event));
            }
            last = n;
        }
    }
}

/// Events may be missing before the one after `id`: look at how things stand, by the other operations.
fn gap(id: EventId, why: &str, missed: Option<u64>) -> Notice {
    Notice { id, name: "gap".into(), data: serde_json::json!({ "why": why, "missed": missed }) }
}

fn sees(role: Role, event: &Event) -> bool {
    !matches!(event, Event::Case(_)) || Access::Cases.allows(role)
}

fn notice(state: &State, id: EventId, event: &Event) -> Notice {
    let of = |pid: &Pid| serde_json::json!({ "of": named(state, pid) });
    let (name, data) = match event {
        Event::Standing(pid) => {
            let standing = state.federation.standing(pid).map(|s| s.as_str());
            ("standing", serde_json::json!({ "of": named(state, pid), "standing": standing }))
        }
        Event::Directory(pid) => ("directory", of(pid)),
        Event::Case(thread) => {
            let stage = state.case(thread).map(|c| c.stage().as_str());
            ("case", serde_json::json!({ "thread": thread, "stage": stage }))
        }
        Event::Application(pid) => ("application", serde_json::json!({ "pid": pid })),
        Event::Proposal(digest) => ("proposal", serde_json::json!({ "proposal": digest })),
        Event::Contested(pid) => ("contested", of(pid)),
    };
    Notice { id, name: name.into(), data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_record::id::ThreadId;

    #[test]
    fn an_administrator_is_told_of_no_case() {
        let case = Event::Case(ThreadId([1; 32]));
        assert!(!sees(Role::Admin, &case));
        assert!(sees(Role::Admin, &Event::Standing(Pid([1; 32]))));
        assert!([Role::Analyst, Role::Officer, Role::Auditor].into_iter().all(|r| sees(r, &case)));
    }
}
