//! A node under test: its events are taken by a task, which passes gossip on and answers requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapwing_net::config::{Limits, NetConfig};
use lapwing_net::handle::{Handle, start};
use lapwing_net::message::{Class, Command, Event, Plane, Protocol, RequestError, Verdict};
use lapwing_net::peer::Peer;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

pub const NETWORK: &str = "a1b2c3d4";
pub const PATIENCE: Duration = Duration::from_secs(15);

pub struct TestNode {
    pub net: Handle,
    pub peer: Peer,
    pub addr: String,
    seen: Arc<(Mutex<Vec<Event>>, Notify)>,
}

impl TestNode {
    pub async fn start(seed: u8) -> Self {
        Self::with(seed, "127.0.0.1:0", Limits::default()).await
    }

    pub async fn with(seed: u8, listen: &str, limits: Limits) -> Self {
        let config = NetConfig { listen: vec![listen.into()], limits, ..NetConfig::new([seed; 32], NETWORK) };
        let (net, mut events) = start(config).unwrap();
        let addr = match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            Event::Listening { addr } => addr,
            other => panic!("{other:?}"),
        };
        let seen = Arc::new((Mutex::new(Vec::new()), Notify::new()));
        tokio::spawn(pump(net.clone(), events, seen.clone()));
        TestNode { peer: net.peer(), net, addr, seen }
    }

    pub async fn tell(&self, command: Command) {
        self.net.send(command).await.unwrap();
    }

    pub async fn classify(&self, other: &TestNode, class: Class) {
        self.tell(Command::Classify { peer: other.peer, class }).await;
    }

    pub async fn dial(&self, other: &TestNode) {
        self.tell(Command::Dial { addrs: vec![other.addr.clone()], peer: Some(other.peer) }).await;
    }

    /// Dials, and waits until both are up.
    pub async fn join(&self, other: &TestNode) {
        let (mine, theirs) = (self.mark(), other.mark());
        self.dial(other).await;
        self.up(mine, other).await;
        other.up(theirs, self).await;
    }

    pub async fn up(&self, mark: usize, other: &TestNode) {
        self.wait(mark, |event| matches!(event, Event::Up { peer, .. } if *peer == other.peer)).await;
    }

    pub async fn down(&self, mark: usize, other: &TestNode) {
        self.wait(mark, |event| matches!(event, Event::Down { peer } if *peer == other.peer)).await;
    }

    pub async fn publish(&self, plane: Plane, text: &str) {
        self.tell(Command::Publish { plane, bytes: text.into() }).await;
    }

    /// Publishes `text` in new guises until the other has heard one of them: a mesh takes a moment to form.
    pub async fn reaches(&self, other: &TestNode, plane: Plane, text: &str) {
        let tried = async {
            for n in 0.. {
                self.publish(plane, &format!("{text} {n}")).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                if other.heard(plane).iter().any(|heard| heard.starts_with(text)) {
                    return;
                }
            }
        };
        timeout(PATIENCE, tried).await.unwrap_or_else(|_| panic!("{text:?} did not arrive"));
    }

    pub fn heard(&self, plane: Plane) -> Vec<String> {
        let said = |event: &Event| match event {
            Event::Gossip { plane: on, bytes, .. } if *on == plane => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        self.seen.0.lock().unwrap().iter().filter_map(said).collect()
    }

    /// Asks for a response of `want` bytes with a request of `len`.
    pub async fn ask(
        &self,
        other: &TestNode,
        protocol: Protocol,
        len: usize,
        want: u32,
    ) -> Result<Vec<u8>, RequestError> {
        let mut bytes = vec![7; len];
        bytes[..4].copy_from_slice(&want.to_be_bytes());
        let (mark, id) = (self.mark(), rand_id());
        self.tell(Command::Request { id, peer: other.peer, protocol, bytes }).await;
        let ended = |event: &Event| matches!(event, Event::Response { id: of, .. } if *of == id);
        match self.wait(mark, ended).await {
            Event::Response { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    pub fn mark(&self) -> usize {
        self.seen.0.lock().unwrap().len()
    }

    pub fn since(&self, mark: usize) -> Vec<Event> {
        self.seen.0.lock().unwrap()[mark..].to_vec()
    }

    /// The first event from `mark` on that fits.
    pub async fn wait(&self, mark: usize, fits: impl Fn(&Event) -> bool) -> Event {
        let found = async {
            loop {
                let news = self.seen.1.notified();
                if let Some(event) = self.since(mark).into_iter().find(&fits) {
                    return event;
                }
                news.await;
            }
        };
        let found = timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("{} waited in vain; it saw {:?}", self.peer, self.since(mark)))
    }
}

fn rand_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `want` of a request that is to be refused.
pub const REFUSE: u32 = u32::MAX;

async fn pump(net: Handle, mut events: mpsc::Receiver<Event>, seen: Arc<(Mutex<Vec<Event>>, Notify)>) {
    while let Some(event) = events.recv().await {
        let answer = match &event {
            Event::Gossip { token, .. } => Some(Command::Verdict { token: *token, verdict: Verdict::Accept }),
            Event::Request { token, bytes, .. } => match u32::from_be_bytes(bytes[..4].try_into().unwrap()) {
                REFUSE => Some(Command::Refuse { token: *token }),
                want => Some(Command::Respond { token: *token, bytes: vec![9; want as usize] }),
            },
            _ => None,
        };
        if let Some(answer) = answer {
            let _ = net.send(answer).await;
        }
        seen.0.lock().unwrap().push(event);
        seen.1.notify_waiters();
    }
}

/// Nodes that know each other as `class` and are connected, each with the one before it.
pub async fn chain<const N: usize>(first_seed: u8, class: Class) -> [TestNode; N] {
    let mut nodes = Vec::new();
    for n in 0..N as u8 {
        nodes.push(TestNode::start(first_seed + n).await);
    }
    for (a, b) in nodes.iter().zip(&nodes[1..]) {
        a.classify(b, class).await;
        b.classify(a, class).await;
        b.join(a).await;
    }
    nodes.try_into().unwrap_or_else(|_| panic!("as many as asked"))
}
