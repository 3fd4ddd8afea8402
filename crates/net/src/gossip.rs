//! How gossipsub is set (annex §7.3). One instance per plane, with a protocol name and a single topic of its own.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity,
    MessageId, PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
    score_parameter_decay,
};

use crate::config::StartError;
use crate::message::{GOSSIP_MAX, Plane};

/// gossipsub, bound to one topic: a peer cannot make us keep any other.
pub(crate) type Gossip = Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// What the library puts around a message: topic and protobuf tags.
const OVERHEAD: usize = 1024;

/// The one topic of a plane.
pub(crate) fn topic(network: &str, plane: Plane) -> IdentTopic {
    IdentTopic::new(format!("{network}/{}", plane.name()))
}

/// The gossip of one plane.
pub(crate) fn gossip(network: &str, plane: Plane) -> Result<Gossip, StartError> {
    let setup = |why: String| StartError::Setup { what: "gossip", why };
    let config = ConfigBuilder::default()
        .protocol_id_prefix(format!("/lapwing/{network}/g-{}", plane.name()))
        // Entries carry their own signatures; a transport signature would only name the machine that speaks first.
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        // All bytes, not the entry id: a copy with a broken signature must not take the good one's place in the cache.
        .message_id_fn(|message| MessageId::new(&blake3::hash(&message.data).as_bytes()[..20]))
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        .gossip_lazy(6)
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_initial_delay(Duration::from_millis(500))
        .history_length(12)
        .history_gossip(6)
        .duplicate_cache_time(Duration::from_secs(600))
        .max_transmit_size(GOSSIP_MAX + OVERHEAD)
        // A queue per peer; beyond it gossip is dropped, and replication finds what is missing.
        .connection_handler_queue_len(1024)
        .flood_publish(true)
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let topic = topic(network, plane);
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: 4,
    };
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .map_err(|error| setup(error.to_string()))?;
    gossip.with_peer_score(scores(&topic), thresholds()).map_err(setup)?;
    gossip.subscribe(&topic).map_err(|error| setup(error.to_string()))?;
    Ok(gossip)
}

/// What counts against a peer: invalid messages (P4), broken promises (P7), and what the caller says (P5). Not how much
/// it delivers (P1–P3): with a few messages an hour that measures chance. Not its address (P6): agencies share those of
/// their government.
fn scores(topic: &IdentTopic) -> PeerScoreParams {
    let plane = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -100.0,
        invalid_message_deliveries_decay: score_parameter_decay(Duration::from_secs(3600)),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), plane)]),
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -50.0,
        publish_threshold: -100.0,
        graylist_threshold: -200.0,
        ..PeerScoreThresholds::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_settings_are_accepted_and_each_plane_has_its_own_topic() {
        for plane in Plane::ALL {
            let gossip = gossip("a1b2c3d4", plane).unwrap();
            assert_eq!(gossip.topics().count(), 1);
        }
        assert_ne!(topic("n", Plane::Pub).hash(), topic("n", Plane::Agy).hash());
    }
}
