//! What is said between this crate and its caller: [`Command`]s go in, [`Event`]s come out.
//!
//! Everything here is plain data. No type of the network library appears, so the caller can be tested without it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::peer::Peer;

const KIB: usize = 1024;

/// The largest message that may be published, in bytes (annex §7.3).
pub const GOSSIP_MAX: usize = 20 * KIB;

/// What a peer is to us. It decides which planes, protocols and connection budget the peer gets. The caller derives it
/// (NodeBinding → participant → standing) and says it with [`Command::Classify`].
///
/// It is the class of the *link*: a node that is itself only a participant calls every agency `Participant`, since no
/// agency plane runs between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Unknown: `hello` and `apply` only, from a small separate budget of connections. Everyone, until said otherwise.
    #[default]
    Stranger,
    /// A participant: every protocol, and gossip on the public plane.
    Participant,
    /// An agency: every protocol, and gossip on both planes.
    Agency,
}

impl Class {
    /// Whether gossip of this plane may be exchanged with a peer of this class.
    #[must_use]
    pub fn permits(self, plane: Plane) -> bool {
        match plane {
            Plane::Pub => self >= Class::Participant,
            Plane::Agy => self >= Class::Agency,
        }
    }

    /// Whether a peer of this class may ask by this protocol.
    #[must_use]
    pub fn may_ask(self, protocol: Protocol) -> bool {
        self >= Class::Participant || matches!(protocol, Protocol::Hello | Protocol::Apply)
    }

    pub(crate) fn of_u8(n: u8) -> Self {
        match n {
            2 => Class::Agency,
            1 => Class::Participant,
            _ => Class::Stranger,
        }
    }
}

/// A plane of gossip (protocol §5): what all participants read, and what agencies alone read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plane {
    /// Public to all participants.
    Pub,
    /// Agencies only.
    Agy,
}

impl Plane {
    /// Both planes.
    pub const ALL: [Plane; 2] = [Plane::Pub, Plane::Agy];

    /// The short name, as it stands in protocol names and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plane::Pub => "pub",
            Plane::Agy => "agy",
        }
    }
}

/// A request and response protocol, `/lapwing/<network>/<name>/1`. A message is four bytes of length (big endian) and
/// that many bytes, which this crate does not look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Who are you, and where do you stand.
    Hello,
    /// An applicant's papers, and the state of an application.
    Apply,
    /// Replication.
    Sync,
    /// Referrals and receipts, sealed end to end.
    Case,
    /// Evidence, by the piece.
    Blob,
    /// Please dial me back: does my published address lead to me.
    Reach,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 6] =
        [Protocol::Hello, Protocol::Apply, Protocol::Sync, Protocol::Case, Protocol::Blob, Protocol::Reach];

    /// The short name, as it stands in the protocol's full name and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Hello => "hello",
            Protocol::Apply => "apply",
            Protocol::Sync => "sync",
            Protocol::Case => "case",
            Protocol::Blob => "blob",
            Protocol::Reach => "reach",
        }
    }

    /// The longest request, in bytes.
    #[must_use]
    pub fn request_max(self) -> usize {
        match self {
            Protocol::Hello => 72 * KIB,
            Protocol::Apply => 64 * KIB,
            // A push carries entries.
            Protocol::Sync => 1536 * KIB,
            // One sealed message of at most 256 KiB, with room for its envelope and a batch of small ones.
            Protocol::Case => 400 * KIB,
            Protocol::Blob => 4 * KIB,
            Protocol::Reach => KIB,
        }
    }

    /// The longest response, in bytes.
    #[must_use]
    pub fn response_max(self) -> usize {
        match self {
            Protocol::Hello => 72 * KIB,
            Protocol::Apply => 64 * KIB,
            Protocol::Sync => 1280 * KIB,
            Protocol::Case => 64 * KIB,
            // A piece, or its list of 32-byte hashes, of at most 1 MiB.
            Protocol::Blob => 1024 * KIB + 64 * KIB,
            Protocol::Reach => 4 * KIB,
        }
    }

    /// How long a request may take from its first byte to the last byte of its response.
    #[must_use]
    pub fn timeout(self) -> Duration {
        match self {
            Protocol::Hello => Duration::from_secs(5),
            _ => Duration::from_secs(30),
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Names something that waits for the caller's answer: a gossiped message for its [`Verdict`], a request for its
/// response. Valid for one run of the network part; an answer that comes too late, or twice, is dropped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What becomes of a gossiped message (annex §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Do not pass it on; nobody is to blame.
    Ignore,
    /// Do not pass it on; whoever sent it should have known better. Costs the sender score. Only for what can never
    /// be valid: blaming peers for what follows from a different view splits the mesh.
    Reject,
}

/// What the caller may ask for.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Connect to a peer at any of these addresses (multiaddr, or `ip:port`; at most eight are tried). Nothing happens
    /// if it is connected or being dialled already. Otherwise ends in [`Event::Up`], or in [`Event::DialFailed`].
    /// Without `peer`, whoever answers is taken (a bootstrap address), and each address is a dial of its own.
    Dial {
        /// Where.
        addrs: Vec<String>,
        /// Who must answer there.
        peer: Option<Peer>,
    },
    /// Says what a peer is. May be said before any connection, and should be, for all known members. A promotion
    /// takes effect on the open connection; a demotion closes it, and from the moment this command is taken nothing
    /// more is read from or begun to be written to the peer on what it lost.
    Classify {
        /// Whom.
        peer: Peer,
        /// What it is from now on.
        class: Class,
    },
    /// Sets the peer's score, where 0 is neutral and a fault is negative (annex §7.3: −20 for a batch with a hole,
    /// −200 for a forged proof). It adds to what rejected messages cost.
    Score {
        /// Whom.
        peer: Peer,
        /// The score from now on.
        score: i32,
    },
    /// Gossips a message. A hint, not a promise: it may reach nobody, and the same bytes are not sent twice within
    /// ten minutes.
    Publish {
        /// To whom it may go.
        plane: Plane,
        /// At most [`GOSSIP_MAX`].
        bytes: Vec<u8>,
    },
    /// Answers an [`Event::Gossip`].
    Verdict {
        /// The event's.
        token: Token,
        /// What becomes of the message.
        verdict: Verdict,
    },
    /// Asks a connected peer. Ends in exactly one [`Event::Response`] with the same `id`, unless the network part
    /// stops before. It never dials.
    Request {
        /// The caller's own number for it.
        id: u64,
        /// Whom.
        peer: Peer,
        /// By which protocol.
        protocol: Protocol,
        /// At most [`Protocol::request_max`].
        bytes: Vec<u8>,
    },
    /// Answers an [`Event::Request`].
    Respond {
        /// The event's.
        token: Token,
        /// At most [`Protocol::response_max`]; longer ones are refused in place of being sent.
        bytes: Vec<u8>,
    },
    /// Ends an [`Event::Request`] without an answer: the peer sees [`RequestError::Unanswered`].
    Refuse {
        /// The event's.
        token: Token,
    },
    /// Closes every connection with a peer. Its class stays.
    Disconnect {
        /// Whom.
        peer: Peer,
    },
    /// Closes everything and ends. The last event is [`Event::Stopped`].
    Shutdown,
}

/// What happened.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// We listen on this address (multiaddr, with the true port).
    Listening {
        /// Where.
        addr: String,
    },
    /// We no longer listen on this address.
    ListenFailed {
        /// Where, as far as is known.
        addr: String,
        /// Why.
        why: String,
    },
    /// A peer is connected that was not.
    Up {
        /// Who.
        peer: Peer,
        /// The other end (multiaddr). One to dial again only if `dialled`.
        addr: String,
        /// Whether we dialled it.
        dialled: bool,
    },
    /// A peer is no longer connected. If its connection ended without a word (power, cable), a member is missed after a
    /// minute at most. What was asked of it is answered with [`RequestError`]s of its own.
    Down {
        /// Who.
        peer: Peer,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Whom we wanted, if we knew.
        peer: Option<Peer>,
        /// Where we looked.
        addrs: Vec<String>,
        /// Why.
        why: DialError,
    },
    /// A member says what it is and where it sees us. For the operator's eyes; it is only what the member says.
    Observed {
        /// Who says so.
        peer: Peer,
        /// Where it sees us.
        addr: String,
        /// Its program and version, in its own words: at most 64 printable ASCII characters.
        program: String,
    },
    /// A gossiped message that was not seen within ten minutes. Wants a [`Command::Verdict`]; without one it is not
    /// passed on.
    Gossip {
        /// The plane that it came on.
        plane: Plane,
        /// Who handed it to us: not its author.
        source: Peer,
        /// At most [`GOSSIP_MAX`].
        bytes: Vec<u8>,
        /// For the verdict.
        token: Token,
    },
    /// A peer asks. Wants a [`Command::Respond`] or [`Command::Refuse`] within [`Protocol::timeout`].
    Request {
        /// Who.
        peer: Peer,
        /// Its class at this moment.
        class: Class,
        /// By which protocol.
        protocol: Protocol,
        /// What.
        bytes: Vec<u8>,
        /// For the response.
        token: Token,
    },
    /// How a [`Command::Request`] ended.
    Response {
        /// The caller's number.
        id: u64,
        /// The answer, or why there is none.
        result: Result<Vec<u8>, RequestError>,
    },
    /// The network part ended as asked. No event follows.
    Stopped,
    /// The network part failed. No event follows; the caller may start it again.
    Crashed {
        /// What it said.
        why: String,
    },
}

/// Why a request has no response. Whether the peer acted on it is unknown, but for the first three.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// No connection.
    #[error("the peer is not connected")]
    NotConnected,
    /// More requests are open than [`Limits::requests_out`](crate::config::Limits::requests_out) allows.
    #[error("too many requests are open")]
    Busy,
    /// The peer does not take this protocol from us (we may be a stranger to it), or not now.
    #[error("the peer does not accept this protocol from us")]
    Refused,
    /// The peer read the request and closed without an answer.
    #[error("the peer closed the stream without an answer")]
    Unanswered,
    /// No answer in [`Protocol::timeout`].
    #[error("no answer in time")]
    Timeout,
    /// The connection ended first.
    #[error("the connection closed before an answer")]
    Closed,
    /// The request, or the announced response, is longer than the protocol allows.
    #[error("{len} bytes, where {max} are allowed")]
    TooLong {
        /// How long, in bytes.
        len: u64,
        /// The limit, in bytes.
        max: usize,
    },
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Broken(String),
}

/// Why a dial came to nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DialError {
    /// No address given can be read.
    #[error("no usable address")]
    NoAddress,
    /// Someone else answered.
    #[error("{0} answered there")]
    WrongPeer(Peer),
    /// It is ourselves.
    #[error("that is this node itself")]
    Ourselves,
    /// Our own limits forbid it now.
    #[error("our limits forbid it: {0}")]
    Denied(String),
    /// Nobody answered, or not in our language.
    #[error("no connection: {0}")]
    Unreachable(String),
}

/// Bytes are never logged: only their number shows.
struct Len(usize);

impl fmt::Debug for Len {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Dial { addrs, peer } => f.debug_struct("Dial").field("addrs", addrs).field("peer", peer).finish(),
            Command::Classify { peer, class } => {
                f.debug_struct("Classify").field("peer", peer).field("class", class).finish()
            }
            Command::Score { peer, score } => {
                f.debug_struct("Score").field("peer", peer).field("score", score).finish()
            }
            Command::Publish { plane, bytes } => {
                f.debug_struct("Publish").field("plane", plane).field("bytes", &Len(bytes.len())).finish()
            }
            Command::Verdict { token, verdict } => {
                f.debug_struct("Verdict").field("token", token).field("verdict", verdict).finish()
            }
            Command::Request { id, peer, protocol, bytes } => f
                .debug_struct("Request")
                .field("id", id)
                .field("peer", peer)
                .field("protocol", protocol)
                .field("bytes", &Len(bytes.len()))
                .finish(),
            Command::Respond { token, bytes } => {
                f.debug_struct("Respond").field("token", token).field("bytes", &Len(bytes.len())).finish()
            }
            Command::Refuse { token } => f.debug_struct("Refuse").field("token", token).finish(),
            Command::Disconnect { peer } => f.debug_struct("Disconnect").field("peer", peer).finish(),
            Command::Shutdown => f.write_str("Shutdown"),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listening { addr } => f.debug_struct("Listening").field("addr", addr).finish(),
            Event::ListenFailed { addr, why } => {
                f.debug_struct("ListenFailed").field("addr", addr).field("why", why).finish()
            }
            Event::Up { peer, addr, dialled } => {
                f.debug_struct("Up").field("peer", peer).field("addr", addr).field("dialled", dialled).finish()
            }
            Event::Down { peer } => f.debug_struct("Down").field("peer", peer).finish(),
            Event::DialFailed { peer, addrs, why } => {
                f.debug_struct("DialFailed").field("peer", peer).field("addrs", addrs).field("why", why).finish()
            }
            Event::Observed { peer, addr, program } => {
                f.debug_struct("Observed").field("peer", peer).field("addr", addr).field("program", program).finish()
            }
            Event::Gossip { plane, source, bytes, token } => f
                .debug_struct("Gossip")
                .field("plane", plane)
                .field("source", source)
                .field("bytes", &Len(bytes.len()))
                .field("token", token)
                .finish(),
            Event::Request { peer, class, protocol, bytes, token } => f
                .debug_struct("Request")
                .field("peer", peer)
                .field("class", class)
                .field("protocol", protocol)
                .field("bytes", &Len(bytes.len()))
                .field("token", token)
                .finish(),
            Event::Response { id, result } => f
                .debug_struct("Response")
                .field("id", id)
                .field("result", &result.as_ref().map(|bytes| Len(bytes.len())))
                .finish(),
            Event::Stopped => f.write_str("Stopped"),
            Event::Crashed { why } => f.debug_struct("Crashed").field("why", why).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_opens_what_it_should_and_no_more() {
        assert!(!Class::Stranger.permits(Plane::Pub) && !Class::Stranger.permits(Plane::Agy));
        assert!(Class::Participant.permits(Plane::Pub) && !Class::Participant.permits(Plane::Agy));
        assert!(Class::Agency.permits(Plane::Pub) && Class::Agency.permits(Plane::Agy));
        let asked: Vec<_> = Protocol::ALL.into_iter().filter(|p| Class::Stranger.may_ask(*p)).collect();
        assert_eq!(asked, [Protocol::Hello, Protocol::Apply]);
        assert!(Protocol::ALL.into_iter().all(|p| Class::Participant.may_ask(p)));
    }

    #[test]
    fn a_class_survives_its_byte_and_an_unknown_byte_is_a_stranger() {
        for class in [Class::Stranger, Class::Participant, Class::Agency] {
            assert_eq!(Class::of_u8(class as u8), class);
        }
        assert_eq!(Class::of_u8(200), Class::Stranger);
    }

    #[test]
    fn the_content_of_a_message_does_not_show_in_its_debug_form() {
        let said = format!("{:?}", Command::Publish { plane: Plane::Pub, bytes: vec![213; 3] });
        assert!(said.contains("3 B") && !said.contains("213"), "{said}");
    }
}
