//! What waits for the caller's answer.

use std::collections::{BTreeMap, HashMap};

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use libp2p::request_response::{InboundRequestId, ResponseChannel};

use crate::message::{Plane, Protocol, Token};

/// A request of a peer.
pub(crate) struct Asked {
    pub peer: PeerId,
    pub protocol: Protocol,
    pub channel: ResponseChannel<Vec<u8>>,
    request: InboundRequestId,
}

/// A message that was gossiped to us.
pub(crate) struct Heard {
    pub plane: Plane,
    pub id: MessageId,
    pub source: PeerId,
}

/// Both, by token. Each kind has its bound, kept by the caller of `ask` and by `hear` itself.
#[derive(Default)]
pub(crate) struct Tokens {
    next: u64,
    asked: HashMap<u64, Asked>,
    by_request: HashMap<(Protocol, InboundRequestId), u64>,
    heard: BTreeMap<u64, Heard>,
}

impl Tokens {
    fn mint(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Keeps a request.
    pub(crate) fn ask(
        &mut self,
        peer: PeerId,
        protocol: Protocol,
        request: InboundRequestId,
        channel: ResponseChannel<Vec<u8>>,
    ) -> Token {
        let token = self.mint();
        self.by_request.insert((protocol, request), token);
        self.asked.insert(token, Asked { peer, protocol, channel, request });
        Token(token)
    }

    /// Takes a request out to answer it, or to drop it, which refuses it.
    pub(crate) fn answer(&mut self, token: Token) -> Option<Asked> {
        let asked = self.asked.remove(&token.0)?;
        self.by_request.remove(&(asked.protocol, asked.request));
        Some(asked)
    }

    /// Forgets a request that ended by itself.
    pub(crate) fn ended(&mut self, protocol: Protocol, request: InboundRequestId) {
        if let Some(token) = self.by_request.remove(&(protocol, request)) {
            self.asked.remove(&token);
        }
    }

    /// Refuses all requests of a peer.
    pub(crate) fn refuse_all(&mut self, peer: &PeerId) {
        self.asked.retain(|_, asked| asked.peer != *peer);
        let asked = &self.asked;
        self.by_request.retain(|_, token| asked.contains_key(token));
    }

    /// How many requests wait, of this peer and of all.
    pub(crate) fn waiting(&self, peer: &PeerId) -> (usize, usize) {
        (self.asked.values().filter(|asked| asked.peer == *peer).count(), self.asked.len())
    }

    /// Keeps a message. If `max` are kept already, gives back the oldest, to be ignored.
    pub(crate) fn hear(&mut self, heard: Heard, max: usize) -> (Token, Option<Heard>) {
        let oldest = if self.heard.len() >= max.max(1) { self.heard.pop_first().map(|(_, heard)| heard) } else { None };
        let token = self.mint();
        self.heard.insert(token, heard);
        (Token(token), oldest)
    }

    /// Takes a message out to judge it.
    pub(crate) fn judge(&mut self, token: Token) -> Option<Heard> {
        self.heard.remove(&token.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_the_oldest_message_gives_way_and_its_token_is_spent() {
        let mut tokens = Tokens::default();
        let heard = |n: u8| Heard { plane: Plane::Pub, id: MessageId::new(&[n]), source: PeerId::random() };
        let (first, none) = tokens.hear(heard(1), 2);
        assert!(none.is_none());
        let (second, none) = tokens.hear(heard(2), 2);
        assert!(none.is_none());
        let (_, oldest) = tokens.hear(heard(3), 2);
        assert_eq!(oldest.map(|heard| heard.id), Some(MessageId::new(&[1])));
        assert!(tokens.judge(first).is_none());
        assert!(tokens.judge(second).is_some());
        assert!(tokens.judge(second).is_none());
    }
}
