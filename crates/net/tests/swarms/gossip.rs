use std::time::Duration;

use lapwing_net::message::{Class, Command, Event, Plane, Protocol};
use tokio::time::{sleep, timeout};

use crate::foreign::Foreigner;
use crate::node::{PATIENCE, TestNode, chain};

#[tokio::test(flavor = "multi_thread")]
async fn the_public_plane_reaches_all_and_the_agencies_plane_agencies_only() {
    let [a, b] = chain::<2>(20, Class::Agency).await;
    let p = TestNode::start(22).await;
    for agency in [&a, &b] {
        agency.classify(&p, Class::Participant).await;
        // It may call them what it likes.
        p.classify(agency, Class::Agency).await;
        p.join(agency).await;
    }
    a.reaches(&b, Plane::Agy, "for agencies").await;
    a.reaches(&b, Plane::Pub, "for all").await;
    a.reaches(&p, Plane::Pub, "for everyone").await;
    p.reaches(&a, Plane::Pub, "from a participant").await;
    p.publish(Plane::Agy, "smuggled").await;
    sleep(Duration::from_secs(2)).await;
    assert!(p.heard(Plane::Agy).is_empty());
    assert!(!a.heard(Plane::Agy).iter().any(|text| text == "smuggled"));
    assert_eq!(a.net.stats().gossip_agy.peers, 1);
    assert_eq!(a.net.stats().gossip_pub.peers, 2);
    assert!(a.net.stats().gossip_agy.published.messages > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_program_gets_not_a_byte_of_the_agencies_plane_however_it_asks() {
    let [a, b] = chain::<2>(25, Class::Agency).await;
    let mut spy = Foreigner::start(27);
    a.tell(Command::Classify { peer: spy.peer, class: Class::Participant }).await;
    spy.dial(&a).await;
    let watched = async {
        for n in 0..20 {
            a.publish(Plane::Agy, &format!("secret {n}")).await;
            a.publish(Plane::Pub, &format!("public {n}")).await;
            spy.watch(Duration::from_millis(150)).await;
        }
    };
    timeout(PATIENCE, watched).await.unwrap();
    a.reaches(&b, Plane::Agy, "meanwhile agencies").await;
    assert!(!spy.heard_pub.is_empty(), "the public plane is open to it");
    assert!(spy.heard_agy.is_empty());
    assert!(spy.agy_refused, "its request for the plane was refused");
    assert_eq!(spy.agy_subscribers, 0, "it does not even learn who subscribes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demotion_stops_the_agencies_plane_at_once_and_leaves_the_public_one() {
    let [a, b] = chain::<2>(30, Class::Agency).await;
    a.reaches(&b, Plane::Agy, "before").await;
    b.reaches(&a, Plane::Agy, "before too").await;
    let (mark_a, mark_b) = (a.mark(), b.mark());
    a.classify(&b, Class::Participant).await;
    for n in 0..50 {
        a.publish(Plane::Agy, &format!("after {n}")).await;
    }
    a.down(mark_a, &b).await;
    b.down(mark_b, &a).await;
    assert_eq!(a.net.stats().gossip_agy.peers, 0);
    // It comes back, still thinking of itself as an agency.
    b.join(&a).await;
    a.reaches(&b, Plane::Pub, "still public").await;
    for n in 50..60 {
        a.publish(Plane::Agy, &format!("after {n}")).await;
    }
    b.publish(Plane::Agy, "from the demoted").await;
    assert!(a.ask(&b, Protocol::Sync, 4, 1).await.is_ok(), "a participant still");
    sleep(Duration::from_secs(1)).await;
    assert!(!b.heard(Plane::Agy).iter().any(|text| text.starts_with("after")));
    assert!(!a.heard(Plane::Agy).iter().any(|text| text == "from the demoted"));
    // And back again.
    let mark = b.mark();
    a.classify(&b, Class::Agency).await;
    a.reaches(&b, Plane::Agy, "reinstated").await;
    b.reaches(&a, Plane::Agy, "reinstated too").await;
    assert!(!b.since(mark).iter().any(|event| matches!(event, Event::Down { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_promote_each_other_together_or_apart_gossip_on_the_same_connection() {
    for (seed, apart) in [(40, 0), (42, 30), (44, 2500)] {
        let (a, b) = (TestNode::start(seed).await, TestNode::start(seed + 1).await);
        a.join(&b).await;
        a.classify(&b, Class::Agency).await;
        sleep(Duration::from_millis(apart)).await;
        b.classify(&a, Class::Agency).await;
        for plane in Plane::ALL {
            a.reaches(&b, plane, "there").await;
            b.reaches(&a, plane, "back").await;
        }
        for node in [&a, &b] {
            let moves = |e: &Event| matches!(e, Event::Up { .. } | Event::Down { .. });
            assert_eq!(node.since(0).iter().filter(|e| moves(e)).count(), 1, "apart {apart} ms");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_accepts_goes_from_one_to_the_next() {
    let nodes = chain::<6>(50, Class::Agency).await;
    nodes[0].reaches(&nodes[5], Plane::Agy, "down the line").await;
    nodes[5].reaches(&nodes[0], Plane::Pub, "and up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_scored_down_hears_nothing_and_is_still_connected() {
    let [a, b] = chain::<2>(58, Class::Agency).await;
    a.reaches(&b, Plane::Agy, "before").await;
    a.tell(Command::Score { peer: b.peer, score: -300 }).await;
    sleep(Duration::from_millis(1500)).await;
    a.publish(Plane::Agy, "not for the forger").await;
    b.publish(Plane::Agy, "from the forger").await;
    assert!(a.ask(&b, Protocol::Sync, 4, 1).await.is_ok());
    sleep(Duration::from_secs(1)).await;
    assert!(!b.heard(Plane::Agy).iter().any(|text| text == "not for the forger"));
    assert!(!a.heard(Plane::Agy).iter().any(|text| text == "from the forger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_subscriptions_keeps_nobody_from_the_plane() {
    let [a, b] = chain::<2>(180, Class::Agency).await;
    let mut rogue = Foreigner::start(183);
    a.tell(Command::Classify { peer: rogue.peer, class: Class::Participant }).await;
    rogue.dial(&a).await;
    for round in 0..5 {
        rogue.flood_subscriptions(1_000);
        rogue.watch(Duration::from_millis(300)).await;
        a.reaches(&b, Plane::Pub, &format!("to you in round {round}")).await;
        b.reaches(&a, Plane::Pub, &format!("and back in round {round}")).await;
        a.reaches(&b, Plane::Agy, &format!("among agencies in round {round}")).await;
    }
    // what it subscribed to was kept by nobody: no message of another topic is ever asked for or passed on
    assert!(a.net.stats().gossip_pub.peers <= 2);
}
