//! The way out of requests: a connection that waits or a new one, and one replay below failover.
//!
//! A request is sent again only if its connection had served before and not a byte of an answer came, or if all
//! that came is that a token which was good before is so no longer.

use std::{future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll};

use nexus_core::fault::{Class, Fault};
use nexus_engine::port::{Clock, Inbound, Outbound, Rest, Transport};
use tokio::time::{Instant, timeout_at};

use crate::{
    access::{Access, Hosts, Showing, Shown},
    body::AnswerBody,
    connection::Connection,
    connector::Connector,
    deadline::Limits,
    egress::Reach,
    exchange::{Ended, Exchange},
    network::System,
    peer::Peers,
    request::Request,
    tls::Tls,
};

/// The way out over HTTP/1.1. Its connections, peers and futures stay on the thread it was made on.
pub struct HttpTransport {
    access: Access,
    connector: Connector,
    peers: Peers,
}

impl HttpTransport {
    /// A way out for the current worker thread. Call it inside that thread's runtime.
    pub fn new(tls: &Tls, clock: Arc<dyn Clock>) -> Self {
        Self {
            access: Access::new(tls, clock),
            connector: Connector::new(Rc::new(System), Arc::clone(&tls.0)),
            peers: Peers::default(),
        }
    }

    /// Lets providers use the host's own identity at clouds, as far as the operator allows it.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts) -> Self {
        Self { access: self.access.with_hosts(hosts), ..self }
    }

    /// How requests are shown; errands to providers go the same way.
    pub fn access(&self) -> &Access {
        &self.access
    }

    async fn show<'a>(&self, request: &'a Outbound<'a>, by: Instant) -> Result<Shown<'a>, Fault> {
        let showing = Showing {
            scheme: request.auth,
            credential: request.credential,
            site: request.site,
            endpoint: &request.provider.endpoint,
            reach: Reach::of(request.provider),
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: &request.body,
        };
        let late = |_| Fault::new(Class::Timeout, "no access token was had for the credential in time");
        timeout_at(by, pin!(self.access.show(&showing))).await.map_err(late)?
    }

    /// Asks, and asks again if the first request was lost on a connection that had gone stale in the pool.
    ///
    /// A provider closes idle connections, and its close can cross our request on the wire. What tells that from
    /// a provider that died over the request is only this: the connection had served before, and not one byte of
    /// an answer came. A chat is not idempotent, so a provider that did die may work twice for one answer; failover
    /// would do no better, since [`Class::Reset`] may be retried anywhere.
    async fn ask(
        &self,
        request: &Outbound<'_>,
        mut rest: Option<Rest>,
        shown: &Shown<'_>,
        limits: Limits,
        whole_at: Instant,
    ) -> Result<Inbound<AnswerBody>, Fault> {
        let mut now = Instant::now();
        let peer = self.peers.of(request.provider)?;
        // what cannot be sent again goes over no connection that may have gone stale
        let mut lent = match &rest {
            Some(_) => None,
            None => poll_fn(|cx| Poll::Ready(peer.lend(now, cx))).await,
        };
        loop {
            let written = Request::new(peer.space.lend(), &peer.fixed, request, rest.take(), shown)?;
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
                Err(Ended::Broken(broken)) if broken.is_stale => {}
                Err(Ended::Broken(broken)) => return Err(broken.into()),
                Err(Ended::Cut(fault)) => return Err(fault),
            }
        }
    }
}

impl Transport for HttpTransport {
    type Body = AnswerBody;

    /// Asks, and asks once more if the token that was shown turns out to be good no longer and the body is still there.
    async fn send(&self, mut request: Outbound<'_>) -> Result<Inbound<AnswerBody>, Fault> {
        let limits = Limits::of(request.deadlines);
        let whole_at = Instant::now() + limits.whole;
        let rest = request.rest.take();
        let shown = self.show(&request, whole_at).await?;
        let is_repeatable = rest.is_none();
        let answer = self.ask(&request, rest, &shown, limits, whole_at).await?;
        if !shown.is_outlived(answer.status) || !is_repeatable {
            return Ok(answer);
        }
        let shown = self.show(&request, whole_at).await?;
        let answer = self.ask(&request, None, &shown, limits, whole_at).await?;
        shown.is_outlived(answer.status);
        Ok(answer)
    }
}
