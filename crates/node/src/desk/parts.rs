//! What other parts of the node tell the desk, and how the real ones do.

use super::names::{id_only, name_of};
use super::time::rfc3339;
use crate::links::{Links, SCHEMA};
use crate::measure::Connections;
use crate::office::View;
use crate::transfer;
use lapwing_api::problem::Problem;
use lapwing_api::service::Later;
use lapwing_api::types::{ApplicationState, Peer, Reach};
use lapwing_engine::membership::Standing;
use lapwing_net::message::Class;
use lapwing_record::id::{Digest, Pid, ThreadId};
use std::sync::{Arc, PoisonError};

/// What the desk wants to know of connections.
pub trait PeersView: Send + Sync {
    /// Nodes, connected ones and known ones.
    fn peers(&self, view: &View) -> Vec<Peer>;
    /// This node's peer id.
    fn peer_id(&self) -> String;
    /// Where it listens.
    fn listening(&self) -> Vec<String>;
    /// What the watch over the node's health looks at.
    fn connections(&self, _: &View) -> Connections {
        Connections::default()
    }
    /// Asks a connected member's node (`by`: this one's) to dial this one back.
    fn reach(self: Arc<Self>, by: Option<Pid>) -> Later<'static, Result<Reach, Problem>>;
    /// How this node's own application stands.
    fn application(&self, view: &View) -> ApplicationState;
}

/// How far a transfer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of ciphertext that are durable here.
    pub have: u64,
    /// Bytes that came over the network, refetches included.
    pub fetched: u64,
    /// Why it stands still.
    pub trouble: Option<String>,
    /// Whether it is under way.
    pub running: bool,
}

/// What the desk wants of transfers.
pub trait Transfers: Send + Sync {
    /// Starts or resumes a transfer; one that runs, or is done, goes on.
    fn start(self: Arc<Self>, thread: ThreadId, blob: Digest) -> Result<(), Problem>;
    /// How far it is; none if there was none since the start.
    fn progress(&self, blob: &Digest) -> Option<Progress>;
}

impl Transfers for transfer::Transfers {
    fn start(self: Arc<Self>, thread: ThreadId, blob: Digest) -> Result<(), Problem> {
        transfer::Transfers::start(&self, thread, blob)
    }

    fn progress(&self, blob: &Digest) -> Option<Progress> {
        let progress = transfer::Transfers::progress(self, blob)?;
        let transfer::Progress { have, fetched, trouble, running } = progress;
        Some(Progress { have, fetched, trouble, running })
    }
}

impl PeersView for Links {
    fn peers(&self, view: &View) -> Vec<Peer> {
        let row = |(peer, link): (lapwing_net::peer::Peer, crate::links::Link)| Peer {
            peer_id: peer.to_string(),
            participant: link.pid.map(|pid| name_of(&view.state, &pid).unwrap_or_else(|| id_only(&pid))),
            connected: link.connected,
            class: format!("{:?}", link.class).to_lowercase(),
            addrs: link.addrs,
            program: link.program,
            clock_offset_ms: link.clock_offset,
            level_at: link.level_at.map(rfc3339),
            trouble: link.trouble,
        };
        self.all().into_iter().map(row).collect()
    }

    fn peer_id(&self) -> String {
        self.me().to_string()
    }

    fn listening(&self) -> Vec<String> {
        Links::listening(self)
    }

    fn connections(&self, view: &View) -> Connections {
        let offsets = self.clock_offsets();
        let all = self.all();
        let connected = |class: Class| all.iter().filter(|(_, l)| l.connected && l.class == class).count();
        let members = all.iter().filter(|(_, l)| l.connected && l.class != Class::Stranger);
        let newer = members.filter_map(|(_, link)| {
            let who = name_of(&view.state, &link.pid?)?.short_name;
            newer(link.program.as_deref(), link.hello.as_ref().map(|h| h.schema_max)).map(|what| (who, what))
        });
        Connections {
            connected: vec![
                ("stranger", connected(Class::Stranger)),
                ("participant", connected(Class::Participant)),
                ("agency", connected(Class::Agency)),
            ],
            clock_offset: offsets.get(offsets.len() / 2).copied(),
            newer: newer.collect(),
            peer: self.me().to_bytes(),
            wire: Some(self.stats()),
            reach: self.last_reach(),
        }
    }

    fn reach(self: Arc<Self>, by: Option<Pid>) -> Later<'static, Result<Reach, Problem>> {
        Box::pin(async move { self.ask_reach(by).await })
    }

    fn application(&self, view: &View) -> ApplicationState {
        let told = self.application.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = |pid| name_of(&view.state, pid).map_or_else(|| pid.to_string(), |n| n.short_name);
        let submitted_to = told.submitted.iter().map(name).collect();
        let (state, next) = standing_in_words(view, told.told.as_deref(), !told.submitted.is_empty());
        let next = match told.trouble {
            Some(trouble) if told.submitted.is_empty() => format!("{next} The last attempt failed: {trouble}"),
            _ => next.to_owned(),
        };
        ApplicationState { state, submitted_to, next }
    }
}

/// What a peer runs, if it is newer than this program or reads a newer schema.
fn newer(program: Option<&str>, schema: Option<u64>) -> Option<String> {
    let version = |text: &str| -> Option<Vec<u64>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let mine = version(env!("CARGO_PKG_VERSION"));
    let theirs = program.and_then(|p| p.strip_prefix("lapwing/")).and_then(version);
    if theirs.is_some() && theirs > mine {
        return program.map(str::to_owned);
    }
    schema.filter(|s| *s > SCHEMA).map(|s| format!("a program that reads schema {s}"))
}

const STANDINGS: [Standing; 5] =
    [Standing::Participant, Standing::Suspended, Standing::Objected, Standing::Candidate, Standing::Left];

/// The state of an application and what comes next.
fn standing_in_words(view: &View, told: Option<&str>, submitted: bool) -> (String, &'static str) {
    let state = match view.state.my_standing() {
        _ if view.state.federation.founders().contains(&view.state.me) => "founder",
        Some(standing) => standing.as_str(),
        // before its own fold knows: what an agency last said
        None => match told {
            Some(told) if STANDINGS.iter().any(|s| s.as_str() == told) => told,
            _ if submitted => "submitted",
            _ => "not_applied",
        },
    };
    let next = match state {
        "founder" | "participant" => "Nothing: this participant takes part in full.",
        "candidate" => "The agencies' windows run; each consents, objects, or lets its window pass.",
        "objected" => "An agency objects. Talk to it; it can withdraw.",
        "suspended" => "An agency objects. Until it withdraws, referrals rest.",
        "left" => "This participant has left for good; taking part again needs a new application.",
        "submitted" => "An agency looks at the application and introduces it.",
        _ => "The node submits the application as soon as it reaches an agency.",
    };
    (state.to_owned(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_greater_version_or_schema_is_newer() {
        let of = |program: &str| newer(Some(program), Some(SCHEMA));
        assert_eq!(of("lapwing/99.0.0"), Some("lapwing/99.0.0".into()));
        assert_eq!(of("lapwing/0.0.1"), None);
        assert_eq!(of(concat!("lapwing/", env!("CARGO_PKG_VERSION"))), None);
        for unknown in ["lapwing", "lapwing/x", "other/99.0.0", ""] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert!(newer(None, Some(SCHEMA + 1)).is_some() && newer(None, None).is_none());
    }
}
