use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use lapwing_net::config::Limits;
use lapwing_net::message::{Class, Command, DialError, Event, Plane, Protocol};
use lapwing_net::probe::{Probed, probe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::node::{TestNode, chain};

fn socket(addr: &str) -> SocketAddr {
    let parts: Vec<&str> = addr.split('/').collect();
    format!("{}:{}", parts[2], parts[4]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_dial_each_other_at_once_end_with_one_link_and_gossip() {
    for round in 0..4 {
        let (a, b) = (TestNode::start(60 + 2 * round).await, TestNode::start(61 + 2 * round).await);
        a.classify(&b, Class::Agency).await;
        b.classify(&a, Class::Agency).await;
        tokio::join!(a.dial(&b), b.dial(&a));
        a.up(0, &b).await;
        b.up(0, &a).await;
        // Again and again does nothing.
        for _ in 0..5 {
            a.dial(&b).await;
        }
        if round == 0 {
            // Past the farewell of the second connection.
            sleep(Duration::from_secs(5)).await;
        }
        for plane in Plane::ALL {
            a.reaches(&b, plane, "there").await;
            b.reaches(&a, plane, "back").await;
        }
        assert!(a.ask(&b, Protocol::Sync, 4, 1).await.is_ok());
        assert!(b.ask(&a, Protocol::Sync, 4, 1).await.is_ok());
        for node in [&a, &b] {
            let moves: Vec<_> = node.since(0).into_iter().filter(|e| !matches!(e, Event::Gossip { .. })).collect();
            let count = |f: fn(&Event) -> bool| moves.iter().filter(|e| f(e)).count();
            assert_eq!(count(|e| matches!(e, Event::Up { .. })), 1, "{moves:?}");
            assert_eq!(count(|e| matches!(e, Event::Down { .. })), 0, "{moves:?}");
            assert_eq!(count(|e| matches!(e, Event::DialFailed { .. })), 0, "{moves:?}");
            assert_eq!(node.net.stats().connected, 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_fill_their_places_do_not_keep_a_member_out() {
    let (a, member) = (TestNode::start(70).await, TestNode::start(71).await);
    a.classify(&member, Class::Agency).await;
    member.classify(&a, Class::Agency).await;
    let mut strangers = Vec::new();
    for n in 0..40 {
        let stranger = TestNode::start(100 + n).await;
        stranger.dial(&a).await;
        strangers.push(stranger);
    }
    // And 400 that never say who they are.
    let silent: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(socket(&a.addr)).unwrap()).collect();
    let start = Instant::now();
    member.join(&a).await;
    // A few milliseconds, on a machine with nothing else to do.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    a.reaches(&member, Plane::Agy, "through the crowd").await;
    let stats = a.net.stats();
    assert!(stats.connected <= 17, "{stats:?}");
    assert!(stats.denied >= 24 - 1, "{stats:?}");
    assert!(stats.evicted >= 400 - 256, "{stats:?}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_stranger_gets_a_place_when_silent_ones_had_theirs() {
    let limits = Limits { strangers: 2, stranger_grace: Duration::from_secs(1), ..Limits::default() };
    let a = TestNode::with(75, "127.0.0.1:0", limits).await;
    let (first, second, honest) = (TestNode::start(76).await, TestNode::start(77).await, TestNode::start(78).await);
    first.join(&a).await;
    second.join(&a).await;
    sleep(Duration::from_millis(1100)).await;
    let mark = first.mark();
    honest.join(&a).await;
    assert!(honest.ask(&a, Protocol::Hello, 4, 1).await.is_ok());
    first.down(mark, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_time_is_over_and_a_members_is_not() {
    let limits = Limits { stranger_lifetime: Duration::from_secs(2), ..Limits::default() };
    let a = TestNode::with(80, "127.0.0.1:0", limits).await;
    let (stranger, member) = (TestNode::start(81).await, TestNode::start(82).await);
    stranger.join(&a).await;
    member.join(&a).await;
    a.classify(&member, Class::Participant).await;
    stranger.down(0, &a).await;
    sleep(Duration::from_secs(2)).await;
    assert!(!member.since(0).iter().any(|event| matches!(event, Event::Down { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stops_and_comes_back_is_down_and_up_again() {
    let [a, b] = chain::<2>(85, Class::Agency).await;
    a.reaches(&b, Plane::Agy, "before").await;
    for round in 0..2 {
        let mark = a.mark();
        b.tell(Command::Shutdown).await;
        b.wait(0, |event| matches!(event, Event::Stopped)).await;
        a.down(mark, &b).await;
        let again = TestNode::with(86, &b.addr, Limits::default()).await;
        assert_eq!(again.peer, b.peer);
        again.classify(&a, Class::Agency).await;
        let mark = a.mark();
        a.dial(&again).await;
        a.up(mark, &again).await;
        a.reaches(&again, Plane::Agy, "after").await;
        again.reaches(&a, Plane::Agy, "after too").await;
        again.tell(Command::Shutdown).await;
        again.wait(0, |event| matches!(event, Event::Stopped)).await;
        a.down(mark, &again).await;
        if round == 0 {
            // The first `b` has ended; its handle says so.
            assert!(b.net.send(Command::Shutdown).await.is_err());
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_old_connection_only_looks_alive_is_heard_on_its_new_one() {
    let (a, b) = (TestNode::start(94).await, TestNode::start(95).await);
    a.classify(&b, Class::Agency).await;
    b.classify(&a, Class::Agency).await;
    let (wire, frozen) = Wire::to(socket(&a.addr)).await;
    b.tell(Command::Dial { addrs: vec![wire.to_string()], peer: Some(a.peer) }).await;
    a.up(0, &b).await;
    a.reaches(&b, Plane::Agy, "before").await;
    // The power fails: `a` hears nothing of it.
    frozen.send(true).unwrap();
    b.tell(Command::Shutdown).await;
    b.wait(0, |event| matches!(event, Event::Stopped)).await;
    let again = TestNode::start(95).await;
    again.classify(&a, Class::Agency).await;
    again.dial(&a).await;
    again.up(0, &a).await;
    a.reaches(&again, Plane::Agy, "after").await;
    again.reaches(&a, Plane::Agy, "after too").await;
    assert!(!a.since(0).iter().any(|event| matches!(event, Event::Down { .. })), "to a it was never gone");
}

/// A wire that can freeze: then it carries nothing more, and nobody is told.
struct Wire;

impl Wire {
    async fn to(target: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (freeze, frozen) = watch::channel(false);
        tokio::spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            let far = tokio::net::TcpStream::connect(target).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::join!(carry(near_in, far_out, frozen.clone()), carry(far_in, near_out, frozen));
        });
        (addr, freeze)
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut bytes = vec![0; 4096];
    loop {
        tokio::select! {
            biased;
            // The only change there is, or the end of the test.
            _ = frozen.changed() => break,
            read = from.read(&mut bytes) => match read {
                Ok(n) if n > 0 => to.write_all(&bytes[..n]).await.unwrap(),
                _ => return,
            },
        }
    }
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_learn_how_they_are_seen_and_strangers_do_not() {
    let (a, b) = (TestNode::start(97).await, TestNode::start(98).await);
    a.join(&b).await;
    sleep(Duration::from_secs(1)).await;
    let observed = |event: &Event| matches!(event, Event::Observed { .. });
    assert!(!a.since(0).iter().any(observed) && !b.since(0).iter().any(observed));
    a.classify(&b, Class::Participant).await;
    b.classify(&a, Class::Participant).await;
    let Event::Observed { addr, .. } = b.wait(0, observed).await else { panic!("it was looked for") };
    assert_eq!(addr, b.addr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_proves_the_key_at_an_address_and_leaves_no_trace_at_the_node() {
    let (a, b) = (TestNode::start(95).await, TestNode::start(96).await);
    let here = Some(std::net::IpAddr::from([127, 0, 0, 1]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent_at, other_at) = (silent.local_addr().unwrap().to_string(), other.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        use std::io::Write;
        if let Ok((mut stream, _)) = other.accept() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mark = a.mark();
    assert_eq!(probe(&a.addr, a.peer, here).await, Probed::Ok);
    assert_eq!(probe(&a.addr, b.peer, here).await, Probed::OtherKey);
    assert_eq!(probe(&free, a.peer, here).await, Probed::Refused);
    assert_eq!(probe(&silent_at, a.peer, here).await, Probed::Timeout);
    assert_eq!(probe(&other_at, a.peer, here).await, Probed::NoHandshake);
    assert_eq!(probe(&a.addr, a.peer, None).await, Probed::NotTried);
    assert!(!a.since(mark).iter().any(|event| matches!(event, Event::Up { .. })), "no peer came up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_that_fails_says_why() {
    let (a, b, c) = (TestNode::start(90).await, TestNode::start(91).await, TestNode::start(92).await);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let dial = async |addrs: Vec<String>, peer| {
        let mark = a.mark();
        a.tell(Command::Dial { addrs, peer }).await;
        match a.wait(mark, |event| matches!(event, Event::DialFailed { .. })).await {
            Event::DialFailed { why, .. } => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(dial(vec![free], Some(b.peer)).await, DialError::Unreachable(_)));
    assert_eq!(dial(vec![c.addr.clone()], Some(b.peer)).await, DialError::WrongPeer(c.peer));
    assert_eq!(dial(vec!["nowhere".into()], Some(b.peer)).await, DialError::NoAddress);
    assert_eq!(dial(vec![a.addr.clone()], None).await, DialError::Ourselves);
    let mark = a.mark();
    a.tell(Command::Disconnect { peer: b.peer }).await;
    a.dial(&b).await;
    a.up(mark, &b).await;
    // the one who dials is done with the handshake first: cut off at once, the other would never have seen a connection
    b.up(0, &a).await;
    a.tell(Command::Disconnect { peer: b.peer }).await;
    a.down(mark, &b).await;
    b.down(0, &a).await;
}
