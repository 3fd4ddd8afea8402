//! A peer that is not ours: plain libp2p, with both planes' gossip subscribed, and `sync` with whatever bytes it likes.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use lapwing_net::peer::Peer;
use libp2p::gossipsub::{self, ConfigBuilder, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Codec, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use tokio::time::timeout;

use crate::node::{NETWORK, PATIENCE, TestNode};

#[derive(NetworkBehaviour)]
struct Behaviour {
    sync: request_response::Behaviour<Raw>,
    g_pub: gossipsub::Behaviour,
    g_agy: gossipsub::Behaviour,
}

pub struct Foreigner {
    pub peer: Peer,
    swarm: Swarm<Behaviour>,
    pub heard_pub: Vec<Vec<u8>>,
    pub heard_agy: Vec<Vec<u8>>,
    pub agy_refused: bool,
    pub agy_subscribers: usize,
    pub closed: usize,
}

fn gossip(plane: &str) -> gossipsub::Behaviour {
    let config = ConfigBuilder::default()
        .protocol_id_prefix(format!("/lapwing/{NETWORK}/g-{plane}"))
        .validation_mode(ValidationMode::Anonymous)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .build()
        .unwrap();
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
    gossip.subscribe(&IdentTopic::new(format!("{NETWORK}/{plane}"))).unwrap();
    gossip
}

impl Foreigner {
    pub fn start(seed: u8) -> Self {
        let key = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        let public = key.public().try_into_ed25519().unwrap().to_bytes();
        let name = StreamProtocol::try_from_owned(format!("/lapwing/{NETWORK}/sync/1")).unwrap();
        let swarm = SwarmBuilder::with_existing_identity(key)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| Behaviour {
                sync: request_response::Behaviour::with_codec(
                    Raw,
                    [(name, ProtocolSupport::Full)],
                    request_response::Config::default(),
                ),
                g_pub: gossip("pub"),
                g_agy: gossip("agy"),
            })
            .unwrap()
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        Foreigner {
            peer: Peer::of_public_key(&public).unwrap(),
            swarm,
            heard_pub: vec![],
            heard_agy: vec![],
            agy_refused: false,
            agy_subscribers: 0,
            closed: 0,
        }
    }

    pub async fn dial(&mut self, other: &TestNode) {
        self.swarm.dial(other.addr.parse::<Multiaddr>().unwrap()).unwrap();
        let connected = async {
            loop {
                let event = self.swarm.select_next_some().await;
                if matches!(event, SwarmEvent::ConnectionEstablished { .. }) {
                    return;
                }
            }
        };
        timeout(PATIENCE, connected).await.unwrap();
    }

    /// Subscribes to so many topics more on the public plane, and leaves and joins its one topic over and over.
    pub fn flood_subscriptions(&mut self, topics: usize) {
        let gossip = &mut self.swarm.behaviour_mut().g_pub;
        let own = IdentTopic::new(format!("{NETWORK}/pub"));
        for n in 0..topics {
            gossip.subscribe(&IdentTopic::new(format!("{NETWORK}/flood-{n}-{}", "x".repeat(200)))).unwrap();
            let _ = gossip.unsubscribe(&own);
            gossip.subscribe(&own).unwrap();
        }
    }

    /// Lets time pass, and notes what comes.
    pub async fn watch(&mut self, time: Duration) {
        let forever = async {
            loop {
                let event = self.swarm.select_next_some().await;
                self.note(&event);
            }
        };
        let _ = timeout(time, forever).await;
    }

    fn note(&mut self, event: &SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::GPub(gossipsub::Event::Message { message, .. })) => {
                self.heard_pub.push(message.data.clone());
            }
            SwarmEvent::Behaviour(BehaviourEvent::GAgy(event)) => match event {
                gossipsub::Event::Message { message, .. } => self.heard_agy.push(message.data.clone()),
                gossipsub::Event::GossipsubNotSupported { .. } => self.agy_refused = true,
                gossipsub::Event::Subscribed { .. } => self.agy_subscribers += 1,
                _ => {}
            },
            SwarmEvent::ConnectionClosed { .. } => self.closed += 1,
            _ => {}
        }
    }

    /// Writes these bytes as a request, and reads whatever comes back.
    pub async fn sync(&mut self, other: &TestNode, bytes: &[u8]) -> Result<Vec<u8>, OutboundFailure> {
        let to: PeerId = other.peer.to_string().parse().unwrap();
        self.swarm.behaviour_mut().sync.send_request(&to, bytes.to_vec());
        let answered = async {
            loop {
                let event = self.swarm.select_next_some().await;
                self.note(&event);
                match event {
                    SwarmEvent::Behaviour(BehaviourEvent::Sync(request_response::Event::Message {
                        message: Message::Response { response, .. },
                        ..
                    })) => return Ok(response),
                    SwarmEvent::Behaviour(BehaviourEvent::Sync(request_response::Event::OutboundFailure {
                        error,
                        ..
                    })) => return Err(error),
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, answered).await.unwrap()
    }
}

/// No frame at all: the bytes as they are.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        let bytes = read_all(io).await?;
        if bytes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }
}

async fn read_all<T: futures::AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}
