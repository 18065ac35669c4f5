//! Name resolution and dialling: what the connector asks of the operating system.
//!
//! A port so that tests can play a resolver that lies; whatever it answers is judged afterwards.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

/// When a silent connection is first probed, and how often after that.
const KEEPALIVE_FIRST: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// A future that stays on its thread.
pub(crate) type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// Names and sockets.
pub(crate) trait Network {
    /// The addresses of a host, in the order they are to be tried. IP literals need no lookup.
    fn resolve(&self, host: &str, port: u16) -> Local<io::Result<Vec<SocketAddr>>>;

    /// A connection to an address that was judged.
    fn dial(&self, address: SocketAddr) -> Local<io::Result<TcpStream>>;
}

/// The operating system's own.
pub(crate) struct System;

impl Network for System {
    fn resolve(&self, host: &str, port: u16) -> Local<io::Result<Vec<SocketAddr>>> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Box::pin(async move { Ok(vec![SocketAddr::new(literal, port)]) });
        }
        let host = host.to_owned();
        Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
    }

    fn dial(&self, address: SocketAddr) -> Local<io::Result<TcpStream>> {
        Box::pin(async move {
            let tcp = TcpStream::connect(address).await?;
            // with Nagle's algorithm on, a request in two writes waits 40 ms for the peer's delayed acknowledgement
            tcp.set_nodelay(true)?;
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_FIRST).with_interval(KEEPALIVE_EVERY);
            SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
            Ok(tcp)
        })
    }
}
