//! A stream that waits for the other side's "yes" to its protocol before it counts as open.
//!
//! Elsewhere we begin to speak at once ([`NEGOTIATION`](crate::transport::NEGOTIATION)): a request that is refused
//! learns so from its answer. What stands behind a gate cannot: gossipsub would take a refused stream for a broken one
//! and give the connection up after a few. The library speaks early only of the *last* protocol that it may offer, so a
//! name that nobody knows stands behind the real ones; to have come to that one is to have been refused.

use std::iter;
use std::pin::Pin;

use either::Either;
use futures::{Future, FutureExt, TryFutureExt};
use libp2p::Stream;
use libp2p::swarm::handler::{OutboundUpgradeSend, UpgradeInfoSend};

/// A name that no node offers.
const NOBODY: &str = "/lapwing/nobody";

/// The protocols of `P`, each waited for.
#[derive(Clone)]
pub(crate) struct Strict<P>(pub(crate) P);

/// None of the protocols was agreed to.
#[derive(Debug)]
pub(crate) struct Declined;

#[derive(Clone)]
pub(crate) enum Offer<I> {
    Of(I),
    Nobody,
}

impl<I: AsRef<str>> AsRef<str> for Offer<I> {
    fn as_ref(&self) -> &str {
        match self {
            Offer::Of(name) => name.as_ref(),
            Offer::Nobody => NOBODY,
        }
    }
}

impl<P: UpgradeInfoSend> UpgradeInfoSend for Strict<P> {
    type Info = Offer<P::Info>;
    type InfoIter = iter::Chain<iter::Map<P::InfoIter, fn(P::Info) -> Offer<P::Info>>, iter::Once<Offer<P::Info>>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info().map(Offer::Of as fn(_) -> _).chain(iter::once(Offer::Nobody))
    }
}

impl<P: OutboundUpgradeSend> OutboundUpgradeSend for Strict<P> {
    type Output = P::Output;
    type Error = Either<P::Error, Declined>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Output, Self::Error>> + Send>>;

    fn upgrade_outbound(self, socket: Stream, info: Self::Info) -> Self::Future {
        match info {
            Offer::Of(info) => self.0.upgrade_outbound(socket, info).map_err(Either::Left).boxed(),
            Offer::Nobody => futures::future::ready(Err(Either::Right(Declined))).boxed(),
        }
    }
}
