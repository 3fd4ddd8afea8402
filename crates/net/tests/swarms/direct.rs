use std::time::Duration;

use lapwing_net::config::{Limits, NetConfig};
use lapwing_net::handle::start;
use lapwing_net::message::{Class, Command, Event, Protocol, RequestError};
use tokio::time::{sleep, timeout};

use crate::foreign::Foreigner;
use crate::node::{NETWORK, PATIENCE, REFUSE, TestNode, chain};

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_carries_its_largest_messages_and_refuses_longer_ones() {
    let [a, b] = chain::<2>(1, Class::Participant).await;
    for protocol in Protocol::ALL {
        let (request, response) = (protocol.request_max(), protocol.response_max());
        let answer = a.ask(&b, protocol, request, response as u32).await.unwrap();
        assert_eq!(answer.len(), response, "{protocol:?}");
        let fault = a.ask(&b, protocol, request + 1, 1).await.unwrap_err();
        assert_eq!(fault, RequestError::TooLong { len: request as u64 + 1, max: request }, "{protocol:?}");
        let fault = a.ask(&b, protocol, 4, response as u32 + 1).await.unwrap_err();
        assert_eq!(fault, RequestError::Unanswered, "{protocol:?}: a response too long is not sent");
        assert_eq!(a.ask(&b, protocol, 4, 0).await.unwrap(), b"", "{protocol:?}: the connection survives");
        let (ours, theirs) = (a.net.stats().of(protocol), b.net.stats().of(protocol));
        assert_eq!(ours.requests_out, theirs.requests_in);
        assert_eq!(ours.responses_in, theirs.responses_out);
    }
    assert_eq!(a.ask(&b, Protocol::Case, 4, REFUSE).await, Err(RequestError::Unanswered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_announces_too_much_is_refused_and_the_connection_survives() {
    let a = TestNode::start(3).await;
    let mut liar = Foreigner::start(4);
    a.tell(Command::Classify { peer: liar.peer, class: Class::Participant }).await;
    liar.dial(&a).await;
    assert!(liar.sync(&a, &[0xff, 0xff, 0xff, 0xff, 1, 2, 3]).await.is_err());
    assert!(liar.sync(&a, &[0x00, 0x18, 0x00, 0x01]).await.is_err(), "one byte over 1.5 MiB");
    assert!(liar.sync(&a, &[0, 0, 0, 9, 1]).await.is_err(), "cut short");
    assert_eq!(a.net.stats().of(Protocol::Sync).too_long, 2);
    let answer = liar.sync(&a, &[0, 0, 0, 4, 0, 0, 0, 2]).await.unwrap();
    assert_eq!(answer, [0, 0, 0, 2, 9, 9]);
    assert_eq!(liar.closed, 0);
    let asked = a.since(0).into_iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert_eq!(asked, 1, "the caller saw the good one only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_say_hello_and_apply_and_is_refused_the_rest() {
    let (a, b) = (TestNode::start(5).await, TestNode::start(6).await);
    // To `a`, `b` is a participant; to `b`, `a` is a stranger.
    a.classify(&b, Class::Participant).await;
    a.join(&b).await;
    for protocol in Protocol::ALL {
        let answer = a.ask(&b, protocol, 4, 3).await;
        match protocol {
            Protocol::Hello | Protocol::Apply => assert_eq!(answer, Ok(vec![9; 3]), "{protocol:?}"),
            _ => assert_eq!(answer, Err(RequestError::Refused), "{protocol:?}"),
        }
        // But `b` may ask the stranger what it likes.
        assert_eq!(b.ask(&a, protocol, 4, 3).await, Ok(vec![9; 3]), "{protocol:?}");
    }
    // A promotion needs no new connection.
    b.classify(&a, Class::Participant).await;
    // Commands are taken in order: when this one is done, so is the one before.
    assert!(b.ask(&a, Protocol::Hello, 4, 1).await.is_ok());
    assert_eq!(a.ask(&b, Protocol::Sync, 4, 3).await, Ok(vec![9; 3]));
    assert!(!a.since(0).iter().any(|event| matches!(event, Event::Down { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_asks_without_end_is_refused_in_the_end() {
    let (a, b) = (TestNode::start(7).await, TestNode::start(8).await);
    a.join(&b).await;
    let mut answered = 0;
    for _ in 0..20 {
        answered += usize::from(a.ask(&b, Protocol::Hello, 4, 1).await.is_ok());
    }
    assert_eq!(answered, 16);
    assert_eq!(b.net.stats().of(Protocol::Hello).refused, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_nobody_or_without_an_answer_ends_with_its_reason() {
    let (a, b) = (TestNode::start(9).await, TestNode::start(10).await);
    assert_eq!(a.ask(&b, Protocol::Sync, 4, 1).await, Err(RequestError::NotConnected));
    // A caller that never answers.
    let silent = NetConfig { listen: vec!["127.0.0.1:0".into()], ..NetConfig::new([11; 32], NETWORK) };
    let (silent, mut events) = start(silent).unwrap();
    let Some(Event::Listening { addr }) = events.recv().await else { panic!("it does not listen") };
    let mark = a.mark();
    a.tell(Command::Dial { addrs: vec![addr], peer: None }).await;
    a.wait(mark, |event| matches!(event, Event::Up { peer, dialled: true, .. } if *peer == silent.peer())).await;
    a.tell(Command::Request { id: 1, peer: silent.peer(), protocol: Protocol::Hello, bytes: vec![1] }).await;
    let end = a.wait(mark, |event| matches!(event, Event::Response { id: 1, .. })).await;
    // Both ends have the same clock for it, and whichever is first ends it.
    let Event::Response { result: Err(fault), .. } = end else { panic!("{end:?}") };
    let late = matches!(fault, RequestError::Timeout | RequestError::Unanswered | RequestError::Broken(_));
    assert!(late, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_caller_is_slow_nothing_is_lost() {
    let limits = Limits { events: 1, requests_per_peer: 64, ..Limits::default() };
    let a = TestNode::start(12).await;
    let config = NetConfig { listen: vec!["127.0.0.1:0".into()], limits, ..NetConfig::new([13; 32], NETWORK) };
    let (slow, mut events) = start(config).unwrap();
    let Some(Event::Listening { addr }) = events.recv().await else { panic!("it does not listen") };
    slow.send(Command::Classify { peer: a.peer, class: Class::Participant }).await.unwrap();
    let mark = a.mark();
    a.tell(Command::Dial { addrs: vec![addr], peer: Some(slow.peer()) }).await;
    a.wait(mark, |event| matches!(event, Event::Up { .. })).await;
    const REQUESTS: u64 = 60;
    for id in 0..REQUESTS {
        // Over four protocols, since one has 16 streams.
        let protocol = Protocol::ALL[1 + (id % 4) as usize];
        a.tell(Command::Request { id, peer: slow.peer(), protocol, bytes: vec![id as u8; 4000] }).await;
    }
    sleep(Duration::from_secs(1)).await;
    let served = async {
        let mut served = 0;
        while served < REQUESTS {
            if let Some(Event::Request { token, .. }) = events.recv().await {
                slow.send(Command::Respond { token, bytes: vec![1] }).await.unwrap();
                served += 1;
            }
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    for of in 0..REQUESTS {
        let end = a.wait(mark, |event| matches!(event, Event::Response { id, .. } if *id == of)).await;
        assert_eq!(end, Event::Response { id: of, result: Ok(vec![1]) });
    }
}
