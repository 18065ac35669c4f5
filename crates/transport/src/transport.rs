//! The way out of requests: a connection that waits or a new one, and one replay below failover.
//!
//! A request is sent again only if its connection had served before and not a byte of an answer came.

use std::{future::poll_fn, rc::Rc, sync::Arc, task::Poll};

use nexus_core::fault::Fault;
use nexus_engine::port::{Inbound, Outbound, Transport};
use tokio::time::Instant;

use crate::{
    body::AnswerBody, connection::Connection, connector::Connector, deadline::Limits, exchange::Exchange,
    network::System, peer::Peers, request::Request, tls::Tls,
};

/// The way out over HTTP/1.1. Its connections, peers and futures stay on the thread it was made on.
pub struct HttpTransport {
    connector: Connector,
    peers: Peers,
}

impl HttpTransport {
    /// A way out for the current worker thread. Call it inside that thread's runtime.
    pub fn new(tls: &Tls) -> Self {
        Self { connector: Connector::new(Rc::new(System), Arc::clone(&tls.0)), peers: Peers::default() }
    }
}

impl Transport for HttpTransport {
    type Body = AnswerBody;

    /// Asks, and asks again if the first request was lost on a connection that had gone stale in the pool.
    ///
    /// A provider closes idle connections, and its close can cross our request on the wire. What tells that from
    /// a provider that died over the request is only this: the connection had served before, and not one byte of
    /// an answer came. A chat is not idempotent, so a provider that did die may work twice for one answer; failover
    /// would do no better, since [`Class::Reset`](nexus_core::fault::Class::Reset) may be retried anywhere.
    async fn send(&self, request: Outbound<'_>) -> Result<Inbound<AnswerBody>, Fault> {
        let mut now = Instant::now();
        let limits = Limits::of(request.deadlines);
        let whole_at = now + limits.whole;
        let peer = self.peers.of(request.provider)?;
        let mut lent = poll_fn(|cx| Poll::Ready(peer.lend(now, cx))).await;
        loop {
            let written = Request::new(peer.space.lend(), &peer.fixed_lines, &request)?;
            let connection = match lent.take() {
                Some(connection) => connection,
                None => {
                    let by = whole_at.min(Instant::now() + limits.connect);
                    let socket = self.connector.open(&peer.place, by).await?;
                    now = Instant::now();
                    Connection::new(socket, now)
                }
            };
            let mut exchange = Exchange::new(Rc::clone(&peer), connection, written, limits, now, whole_at);
            match poll_fn(|cx| exchange.poll_head(cx)).await {
                Ok(begun) => return exchange.answer(begun),
                // a fresh connection has not served, so this happens once at most
                Err(broken) if broken.is_stale => {}
                Err(broken) => return Err(broken.into()),
            }
        }
    }
}
