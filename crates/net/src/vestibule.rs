//! Where connections wait that have not yet proven who they are.
//!
//! Ten thousand connections that say nothing must not keep an honest peer out (quality §3). The swarm can only refuse
//! the newest once its bound on pending connections is reached, which is the wrong one. Here the newest always enters,
//! and when the room is full the oldest connection of the address that holds the most places is thrown out. An honest
//! handshake is over in milliseconds, long before its turn would come.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use libp2p::core::Multiaddr;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use tokio::sync::oneshot;

use crate::admission::ip_of;
use crate::stats::Counters;

/// A transport whose inbound handshakes are bounded in number.
pub(crate) struct Vestibule<T> {
    inner: Boxed<T>,
    max: usize,
    /// Oldest first. A closed sender is a handshake that is over.
    waiting: Vec<(Option<IpAddr>, oneshot::Sender<()>)>,
    counters: Arc<Counters>,
}

impl<T> Vestibule<T> {
    pub(crate) fn new(inner: Boxed<T>, max: usize, counters: Arc<Counters>) -> Self {
        Vestibule { inner, max: max.max(1), waiting: Vec::new(), counters }
    }

    /// A place for one more. The receiver hears when it is lost.
    fn enter(&mut self, ip: Option<IpAddr>) -> oneshot::Receiver<()> {
        if self.waiting.len() >= self.max {
            self.waiting.retain(|(_, place)| !place.is_closed());
        }
        if self.waiting.len() >= self.max
            && let Some(at) = self.busiest_oldest()
        {
            let (_, place) = self.waiting.remove(at);
            self.counters.evicted.fetch_add(1, Relaxed);
            // If it is over by now, so much the better.
            let _ = place.send(());
        }
        let (place, lost) = oneshot::channel();
        self.waiting.push((ip, place));
        lost
    }

    fn busiest_oldest(&self) -> Option<usize> {
        let mut held: HashMap<Option<IpAddr>, (usize, usize)> = HashMap::new();
        for (at, (ip, _)) in self.waiting.iter().enumerate() {
            held.entry(*ip).or_insert((0, at)).0 += 1;
        }
        held.into_values().max_by_key(|(count, at)| (*count, std::cmp::Reverse(*at))).map(|(_, at)| at)
    }
}

impl<T: 'static> Transport for Vestibule<T> {
    type Output = T;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<T>>;
    type Dial = <Boxed<T> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(addr, opts)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = futures::ready!(Pin::new(&mut self.inner).poll(cx));
        let from = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => ip_of(send_back_addr),
            _ => None,
        };
        Poll::Ready(event.map_upgrade(|upgrade| {
            let lost = self.enter(from);
            let waits: Self::ListenerUpgrade = Box::pin(async move {
                tokio::select! {
                    biased;
                    done = upgrade => done,
                    Ok(()) = lost => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "made room")),
                }
            });
            waits
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use libp2p::core::transport::dummy::DummyTransport;

    use super::*;

    #[test]
    fn the_address_that_holds_the_most_places_loses_its_oldest() {
        let inner = DummyTransport::<()>::new().boxed();
        let mut room = Vestibule::new(inner, 3, Arc::default());
        let (few, many) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        let mut honest = room.enter(few);
        let (mut first, mut second) = (room.enter(many), room.enter(many));
        let mut third = room.enter(many);
        assert!(first.try_recv().is_ok());
        assert!(second.try_recv().is_err() && third.try_recv().is_err() && honest.try_recv().is_err());
        drop(second);
        let mut fourth = room.enter(many);
        assert!(third.try_recv().is_err() && fourth.try_recv().is_err(), "a finished one made room");
        assert_eq!(room.counters.snapshot().evicted, 1);
    }
}
