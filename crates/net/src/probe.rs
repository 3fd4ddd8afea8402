//! Whether an address leads to a certain node: a connection of its own, up to the proof of the node's key, and no
//! further.
//!
//! ```text
//! name ─▶ address ─▶ TCP ─▶ multistream "/noise" ─▶ Noise XX: who holds the key at the other end ─▶ closed
//! ```
//!
//! It is made beside the swarm and under a key that is thrown away, so that it can neither be taken for a connection
//! that is there already nor take its place; and it ends before the muxer, so that at the other end no peer comes up and
//! no stranger's place is taken. `ok` proves that a TCP connection *from here* to that address ends at a process that
//! holds the node's key.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libp2p::core::upgrade::{OutboundConnectionUpgrade, UpgradeInfo, Version};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as Part;
use libp2p::noise;
use multistream_select::dialer_select_proto;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::config::read_address;
use crate::peer::Peer;

/// How long one attempt may take, from the name to the proof.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const OF_A_NAME: usize = 4;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The node answered there and proved its key.
    Ok,
    /// Nobody listens there.
    Refused,
    /// Nothing came back in time.
    Timeout,
    /// There is no way there, or no such name.
    Unreachable,
    /// Somebody else's key is there.
    OtherKey,
    /// Somebody answered who does not speak our language.
    NoHandshake,
    /// Not tried: not an address of TCP, or in a network of ours that the asker is not in itself.
    NotTried,
}

/// What sort of network an address is in: an asker from outside must not learn what answers inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Loopback,
    Private,
    Public,
    /// Link-local (where clouds keep their metadata), multicast, unspecified: never tried.
    Never,
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            if ip.is_loopback() {
                Reach::Loopback
            } else if ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || a == 0 || a >= 240 {
                Reach::Never
            } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
                Reach::Private
            } else {
                Reach::Public
            }
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => reach(IpAddr::V4(mapped)),
            None if ip.is_loopback() => Reach::Loopback,
            None if ip.is_multicast() || ip.is_unspecified() || ip.is_unicast_link_local() => Reach::Never,
            None if ip.is_unique_local() => Reach::Private,
            None => Reach::Public,
        },
    }
}

/// Whether an asker whom we see at `asker` may have us try `target`.
fn may_try(target: IpAddr, asker: Option<IpAddr>) -> bool {
    match reach(target) {
        Reach::Public => true,
        Reach::Never => false,
        inside => asker.is_some_and(|ip| reach(ip) == inside),
    }
}

/// The IP address in a multiaddr or `ip:port`, if it names one.
#[must_use]
pub fn ip_of(addr: &str) -> Option<IpAddr> {
    match read_address(addr).ok()?.iter().next()? {
        Part::Ip4(ip) => Some(ip.into()),
        Part::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Tries whether `addr` leads to `expected`. `asker`: where we see the one who wants to know.
pub async fn probe(addr: &str, expected: Peer, asker: Option<IpAddr>) -> Probed {
    let Some((host, port)) = host_of(addr) else { return Probed::NotTried };
    timeout(PROBE_TIMEOUT, attempt(&host, port, expected, asker)).await.unwrap_or(Probed::Timeout)
}

/// Host and port of a TCP address.
fn host_of(addr: &str) -> Option<(String, u16)> {
    let addr = read_address(addr).ok()?;
    let mut parts = addr.iter();
    let host = match parts.next()? {
        Part::Ip4(ip) => ip.to_string(),
        Part::Ip6(ip) => ip.to_string(),
        Part::Dns(name) | Part::Dns4(name) | Part::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    match parts.next()? {
        Part::Tcp(port) => Some((host, port)),
        _ => None,
    }
}

async fn attempt(host: &str, port: u16, expected: Peer, asker: Option<IpAddr>) -> Probed {
    // resolved here and not by the transport: a name must not lead where its address would not be tried
    let Ok(found) = lookup_host((host, port)).await else { return Probed::Unreachable };
    let targets: Vec<SocketAddr> = found.filter(|t| may_try(t.ip(), asker)).take(OF_A_NAME).collect();
    let mut last = Probed::NotTried;
    for target in targets {
        last = match TcpStream::connect(target).await {
            Ok(stream) => shake_hands(stream, expected).await,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Probed::Refused,
            Err(e) if e.kind() == std::io::ErrorKind::TimedOut => Probed::Timeout,
            Err(_) => Probed::Unreachable,
        };
        if last == Probed::Ok {
            break;
        }
    }
    last
}

async fn shake_hands(stream: TcpStream, expected: Peer) -> Probed {
    let key = Keypair::generate_ed25519();
    let Ok(noise) = noise::Config::new(&key) else { return Probed::NoHandshake };
    let names: Vec<_> = noise.protocol_info().collect();
    let selected = dialer_select_proto(stream.compat(), names, Version::V1).await;
    let Ok((name, stream)) = selected else { return Probed::NoHandshake };
    match noise.upgrade_outbound(stream, name).await {
        Ok((peer, _)) if peer == expected.0 => Probed::Ok,
        Ok(_) => Probed::OtherKey,
        Err(_) => Probed::NoHandshake,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_inside_is_tried_for_those_inside_only() {
        let (public, private, here) = (ip("203.0.113.7"), ip("10.1.2.3"), ip("127.0.0.1"));
        assert!(may_try(public, None) && may_try(public, Some(private)));
        assert!(may_try(private, Some(ip("192.168.1.1"))) && may_try(ip("fd00::1"), Some(private)));
        assert!(!may_try(private, Some(public)) && !may_try(private, None) && !may_try(private, Some(here)));
        assert!(may_try(here, Some(ip("::1"))) && !may_try(here, Some(private)));
        for never in ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "::", "ff02::1"] {
            assert!(!may_try(ip(never), Some(ip(never))), "{never}");
        }
        assert!(!may_try(ip("::ffff:127.0.0.1"), Some(public)), "no way round by writing it otherwise");
    }

    #[test]
    fn only_addresses_of_tcp_are_tried() {
        assert_eq!(host_of("/dns4/n.example/tcp/9/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N").unwrap().1, 9);
        assert_eq!(host_of("[::1]:7"), Some(("::1".into(), 7)));
        for bad in ["/ip4/127.0.0.1/udp/1", "/ip4/127.0.0.1", "nowhere", "", "/tcp/1", "/unix/x"] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
        assert_eq!(ip_of("/ip6/::1/tcp/1"), Some(ip("::1")));
        assert_eq!(ip_of("/dns4/n.example/tcp/1"), None);
    }
}
