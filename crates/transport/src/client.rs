//! The way out: one awc client a worker thread, and the deadlines of each exchange.
//!
//! Every default of awc's is decided here. awc is given `http` URIs with made-up authorities, so it can
//! neither speak TLS nor find a host by itself: its connections come from [`Connector`] or not at all.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use actix_http::{HttpMessage, Method, Uri};
use awc::{Client, ClientResponse, SendClientRequest};
use nexus_core::fault::Fault;
use nexus_engine::port::{Inbound, Outbound, Transport};

use crate::{
    answer,
    body::{AwcBody, whole_overdue},
    connector::Connector,
    deadline::{Alarm, Due},
    exchange::Exchange,
    fault,
    network::{Network, System},
    peer::{Peer, Peers},
    request,
    tls::Tls,
    upload::Upload,
};

/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection may serve at all, so that a provider's new addresses are found.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// awc's own timer for connecting must never be the one that fires; ours is [`Outbound::deadlines`].
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The way out over awc. Its connections, peers and futures stay on the thread it was made on.
pub struct AwcTransport {
    client: Client,
    peers: Peers,
}

impl AwcTransport {
    /// A way out for the current worker thread. Call it inside that thread's runtime.
    pub fn new(tls: &Tls) -> Self {
        Self::over(Rc::new(System), tls)
    }

    fn over(network: Rc<dyn Network>, tls: &Tls) -> Self {
        let connector = awc::Connector::new()
            .connector(Connector::new(network, Arc::clone(&tls.0)))
            .timeout(NEVER)
            .limit(0)
            .conn_keep_alive(IDLE)
            .conn_lifetime(LIFETIME);
        let client = Client::builder()
            .connector(connector)
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .finish();
        Self { client, peers: Peers::default() }
    }

    /// Asks once.
    fn ask(&self, request: &Outbound<'_>, uri: &Uri, peer: &Peer) -> Result<SendClientRequest, Fault> {
        let mut asking = self.client.request(Method::POST, uri.clone()).no_decompress();
        request::write(asking.headers_mut(), &peer.host_header, request)?;
        Ok(match Upload::new(&request.body) {
            Some(upload) => asking.send_body(upload),
            None => asking.send_body(request.body.clone()),
        })
    }

    /// Asks, and asks again if the first request was lost on a connection that had gone stale in the pool.
    ///
    /// A provider closes idle connections, and its close can cross our request on the wire. What tells that from
    /// a provider that died over the request is only this: the connection had served before, and not one byte of
    /// an answer came. A chat is not idempotent, so a provider that did die may work twice for one answer; failover
    /// would do no better, since [`Class::Reset`](nexus_core::fault::Class::Reset) may be retried anywhere.
    async fn answered(
        &self,
        request: &Outbound<'_>,
        uri: &Uri,
        exchange: &Rc<Exchange>,
    ) -> Result<ClientResponse, Fault> {
        let outcome = match exchange.around(self.ask(request, uri, &exchange.peer)?).await {
            Err(error) if fault::is_stale(&error) => {
                exchange.demand_fresh();
                exchange.around(self.ask(request, uri, &exchange.peer)?).await
            }
            outcome => outcome,
        };
        outcome.map_err(|error| fault::of_send(&error))
    }
}

impl Transport for AwcTransport {
    type Body = AwcBody;

    async fn send(&self, request: Outbound<'_>) -> Result<Inbound<AwcBody>, Fault> {
        let peer = self.peers.of(request.provider)?;
        let uri = peer.uri(&request.provider.endpoint.base_path, request.path)?;
        let deadlines = request.deadlines;
        let [connect, first_byte, between, whole] =
            [deadlines.connect_ms, deadlines.first_byte_ms, deadlines.between_chunks_ms, deadlines.whole_ms]
                .map(|limit_ms| Duration::from_millis(limit_ms).min(NEVER));
        let exchange = Exchange::new(peer, connect);
        let mut alarm = Alarm::new(whole, first_byte);

        let mut answered = pin!(self.answered(&request, &uri, &exchange));
        let mut response = poll_fn(|cx| {
            if let Poll::Ready(outcome) = answered.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            Poll::Ready(Err(fault::timed_out(
                match ready!(alarm.poll(cx, exchange.answer_due(first_byte))) {
                    Due::Part => {
                        format!("no answer began within {} ms of the request", first_byte.as_millis())
                    }
                    Due::Whole => whole_overdue(whole),
                },
            )))
        })
        .await?;
        let body = AwcBody::new(response.take_payload(), alarm, between, whole);
        answer::read(response.status(), response.headers(), body)
    }
}
