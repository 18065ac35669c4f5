//! Who is connected: how many connections an address may have, and how long it may leave unread what it was sent.
//!
//! Counts live as long as the connections they count, so the memory is bounded by those. A client that reads
//! nothing is cut by the operating system, not by a timer of ours: no request pays for it.

use std::{
    any::Any,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, Shutdown},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use nexus_core::proxy::TrustedProxies;
use nexus_telemetry::meters::Meters;
use socket2::SockRef;

use crate::worker::Drain;

/// The word in the metrics.
const CROWDED: &str = "too_many_connections";

const ANSWER: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Bounds on what clients may hold open.
#[derive(Clone)]
pub struct Bounds {
    pub per_address: usize,
    pub unread: Duration,
    /// These speak for many, and are not bound.
    pub proxies: TrustedProxies,
}

/// The open connections of a listener. Shared by its workers.
pub struct Connections {
    bounds: Bounds,
    open: Mutex<HashMap<IpAddr, usize>>,
    meters: Arc<Meters>,
    drain: Arc<Drain>,
}

/// One connection's place; given back when the connection is gone.
struct Place {
    connections: Arc<Connections>,
    customer: IpAddr,
}

/// The mark of a connection there is no place for: whatever it has sent already is not served.
pub struct TurnedAway;

impl Connections {
    pub fn new(bounds: Bounds, meters: Arc<Meters>, drain: Arc<Drain>) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default(), meters, drain })
    }

    /// A client has connected. `marks` live as long as the connection.
    pub fn opened(self: &Arc<Self>, socket: &dyn Any, marks: &mut Extensions) {
        let Some(socket) = socket.downcast_ref::<TcpStream>() else { return };
        marks.insert(self.drain.enter());
        let options = SockRef::from(socket);
        cut_unread(&options, self.bounds.unread);
        let Ok(peer) = socket.peer_addr() else { return };
        let address = peer.ip().to_canonical();
        if self.bounds.proxies.vouch(address) {
            return;
        }
        if let Some(place) = self.take(customer(address)) {
            marks.insert(place);
        } else {
            marks.insert(TurnedAway);
            self.meters.refused(CROWDED);
            let _unheard = socket.try_write(ANSWER);
            let _gone_already = options.shutdown(Shutdown::Both);
        }
    }

    fn take(self: &Arc<Self>, customer: IpAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(customer).or_default();
        if *count >= self.bounds.per_address {
            return None;
        }
        *count += 1;
        Some(Place { connections: Arc::clone(self), customer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.customer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.customer);
            }
        }
    }
}

/// What one customer has: of IPv4 an address, of IPv6 the /64.
fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Lets the kernel cut the connection when nothing of what was sent is taken for so long.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn cut_unread(options: &SockRef<'_>, after: Duration) {
    if let Err(error) = options.set_tcp_user_timeout(Some(after)) {
        tracing::debug!(%error, "a connection cannot be bounded in time");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn cut_unread(_: &SockRef<'_>, _: Duration) {}

#[cfg(test)]
mod tests {
    use nexus_telemetry::exporter::Exporter;

    use super::*;

    fn connections(per_address: usize) -> Arc<Connections> {
        let meters = Arc::clone(Exporter::start().unwrap().meters());
        let bounds =
            Bounds { per_address, unread: Duration::from_secs(60), proxies: TrustedProxies::default() };
        Connections::new(bounds, meters, Arc::default())
    }

    fn of(text: &str) -> IpAddr {
        customer(text.parse::<IpAddr>().unwrap().to_canonical())
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let connections = connections(2);
        let one = connections.take(of("192.0.2.1")).unwrap();
        let _two = connections.take(of("::ffff:192.0.2.1")).unwrap();
        assert!(connections.take(of("192.0.2.1")).is_none());
        assert!(connections.take(of("192.0.2.2")).is_some());
        drop(one);
        let _three = connections.take(of("192.0.2.1")).unwrap();
        assert!(connections.take(of("192.0.2.1")).is_none());
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one_address() {
        let connections = connections(1);
        let _one = connections.take(of("2001:db8:1:2::1")).unwrap();
        assert!(connections.take(of("2001:db8:1:2:ffff::9")).is_none());
        assert!(connections.take(of("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_who_is_gone() {
        let connections = connections(3);
        for number in 0..10_000_u32 {
            let _place = connections.take(std::net::Ipv4Addr::from_bits(number).into()).unwrap();
        }
        assert!(connections.open.lock().unwrap().is_empty());
    }
}
