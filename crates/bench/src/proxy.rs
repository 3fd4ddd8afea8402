//! A TCP proxy on loopback that delays and counts bytes, and whose gate can be shut.

use anyhow::Context;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes in flight of one direction at most: what does not fit waits in the sender's socket.
const IN_FLIGHT: usize = 8 << 20;

struct Shared {
    target: Mutex<Option<SocketAddr>>,
    delay_us: AtomicU64,
    open: AtomicBool,
    bytes: AtomicU64,
    /// When the newest connection came in through the open gate.
    accepted: Mutex<Option<Instant>>,
    streams: Mutex<Vec<TcpStream>>,
}

/// The proxy. It ends with the process.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens; where to, is said later.
    pub fn begin() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the proxy cannot listen")?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::default(),
            delay_us: AtomicU64::new(0),
            open: AtomicBool::new(true),
            bytes: AtomicU64::new(0),
            accepted: Mutex::default(),
            streams: Mutex::default(),
        });
        let proxy = Proxy { addr, shared: shared.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let target = *lock(&shared.target);
                let Some(target) = target.filter(|_| shared.open.load(Ordering::SeqCst)) else { continue };
                *lock(&shared.accepted) = Some(Instant::now());
                // an error here is a connection that breaks off: its ends see it
                let _ = join(&shared, stream, target);
            }
        });
        Ok(proxy)
    }

    /// As a multiaddr.
    pub fn multiaddr(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.addr.port())
    }

    /// Sets where connections lead.
    pub fn lead_to(&self, target: SocketAddr) {
        *lock(&self.shared.target) = Some(target);
    }

    /// Sets how long each byte is on its way, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay_us.store(delay.as_micros() as u64, Ordering::SeqCst);
    }

    /// Opens or shuts the gate; shutting cuts what is connected.
    pub fn gate(&self, open: bool) {
        self.shared.open.store(open, Ordering::SeqCst);
        if open {
            *lock(&self.shared.accepted) = None;
        } else {
            for stream in lock(&self.shared.streams).drain(..) {
                // it may be closed already
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// When the newest connection came in since the gate was opened.
    pub fn accepted(&self) -> Option<Instant> {
        *lock(&self.shared.accepted)
    }

    /// Bytes carried so far, both directions.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }
}

fn join(shared: &Arc<Shared>, a: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    // a far end answers a SYN no sooner than its first byte could travel: one delay stands for the way there,
    // and the first bytes back pay theirs
    let b = TcpStream::connect(target)?;
    for s in [&a, &b] {
        s.set_nodelay(true)?;
        lock(&shared.streams).push(s.try_clone()?);
    }
    let (a2, b2) = (a.try_clone()?, b.try_clone()?);
    carry(shared.clone(), a, b);
    carry(shared.clone(), b2, a2);
    Ok(())
}

#[derive(Default)]
struct Road {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
}

/// Carries one direction: a thread that takes in, and one that gives out when it is time.
fn carry(shared: Arc<Shared>, mut from: TcpStream, mut to: TcpStream) {
    let road = Arc::new((Mutex::new(Road::default()), Condvar::new()));
    let (end, count) = (road.clone(), shared.clone());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = from.read(&mut buffer).unwrap_or(0);
            let mut road = lock(&end.0);
            while road.bytes > IN_FLIGHT && !road.ended {
                road = end.1.wait(road).unwrap_or_else(PoisonError::into_inner);
            }
            if n == 0 || road.ended {
                road.ended = true;
                end.1.notify_all();
                return;
            }
            count.bytes.fetch_add(n as u64, Ordering::SeqCst);
            let delay = Duration::from_micros(count.delay_us.load(Ordering::SeqCst));
            road.pieces.push_back((Instant::now() + delay, buffer[..n].to_vec()));
            road.bytes += n;
            end.1.notify_all();
        }
    });
    std::thread::spawn(move || {
        loop {
            let (at, piece) = {
                let mut queue = lock(&road.0);
                loop {
                    if let Some(next) = queue.pieces.pop_front() {
                        queue.bytes -= next.1.len();
                        road.1.notify_all();
                        break next;
                    }
                    if queue.ended {
                        let _ = to.shutdown(Shutdown::Write);
                        return;
                    }
                    queue = road.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            };
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                lock(&road.0).ended = true;
                road.1.notify_all();
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_counted_and_take_their_time_and_a_shut_gate_cuts() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::begin().unwrap();
        proxy.lead_to(echo.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut byte = [0; 4];
            while stream.read_exact(&mut byte).is_ok() {
                stream.write_all(&byte).unwrap();
            }
        });
        let mut stream = TcpStream::connect(proxy.addr).unwrap();
        let mut back = [0; 4];
        proxy.delay(Duration::from_millis(40));
        let begun = Instant::now();
        stream.write_all(b"ping").unwrap();
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
        assert!(begun.elapsed() >= Duration::from_millis(80));
        assert_eq!(proxy.bytes(), 8);
        proxy.gate(false);
        assert_eq!(stream.read(&mut back).unwrap_or(0), 0);
    }
}
