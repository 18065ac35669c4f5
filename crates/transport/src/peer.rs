//! Whom connections lead to, and those of its connections that wait.
//!
//! Two providers share a peer, and so its connections, only if scheme, host, port and [`Reach`] are all equal:
//! a connection opened with leave to enter the private network is never lent to a provider without it.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    task::Context,
};

use nexus_core::{catalogue::Provider, endpoint::Endpoint, fault::Fault};
use tokio::time::{Instant, sleep};

use crate::{
    connection::Connection,
    egress::Reach,
    pool::{IDLE, Pool},
    request::Fixed,
    space::Space,
};

/// Where connections lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) is_tls: bool,
    /// A name or an IP literal; IPv6 without brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) reach: Reach,
}

impl Place {
    pub(crate) fn of(endpoint: &Endpoint, reach: Reach) -> Self {
        Self { is_tls: endpoint.is_tls, host: Arc::clone(&endpoint.host), port: endpoint.port, reach }
    }
}

/// Whom connections lead to.
pub(crate) struct Peer {
    pub(crate) place: Place,
    pub(crate) fixed: Fixed,
    pub(crate) space: Rc<Space>,
    waiting: Pool<Box<Connection>>,
    /// Whether a task sees to it that connections do not wait too long.
    is_watched: Cell<bool>,
}

impl Peer {
    /// A connection that waits, if one lives.
    pub(crate) fn lend(&self, now: Instant, cx: &mut Context<'_>) -> Option<Box<Connection>> {
        self.waiting.take(now, |connection| connection.is_silent(cx))
    }

    /// Keeps a connection whose answer ended for the next request.
    pub(crate) fn keep(self: &Rc<Self>, mut connection: Box<Connection>, now: Instant) {
        connection.has_served = true;
        let opened_at = connection.opened_at;
        self.waiting.put(connection, opened_at, now);
        if !self.is_watched.replace(true) {
            self.watch();
        }
    }

    /// Closes what waits too long, also where no request ever comes again.
    fn watch(self: &Rc<Self>) {
        let peer = Rc::downgrade(self);
        actix_rt::spawn(async move {
            loop {
                sleep(IDLE).await;
                let Some(peer) = peer.upgrade() else { return };
                peer.waiting.shed(Instant::now());
                if peer.waiting.is_empty() {
                    peer.is_watched.set(false);
                    return;
                }
            }
        });
    }
}

/// Every peer with something to do. One a worker thread.
#[derive(Default)]
pub(crate) struct Peers {
    known: RefCell<HashMap<Place, Rc<Peer>>>,
    space: Rc<Space>,
}

impl Peers {
    /// The peer of a provider.
    pub(crate) fn of(&self, provider: &Provider) -> Result<Rc<Peer>, Fault> {
        let place = Place::of(&provider.endpoint, Reach::of(provider));
        let mut known = self.known.borrow_mut();
        if let Some(peer) = known.get(&place) {
            return Ok(Rc::clone(peer));
        }
        // providers come and go; a peer nobody speaks to and nobody waits for is forgotten
        known.retain(|_, peer| Rc::strong_count(peer) > 1 || !peer.waiting.is_empty());
        let peer = Rc::new(Peer {
            place: place.clone(),
            fixed: Fixed::of(&provider.endpoint.authority())?,
            space: Rc::clone(&self.space),
            waiting: Pool::default(),
            is_watched: Cell::default(),
        });
        known.insert(place, Rc::clone(&peer));
        Ok(peer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nexus_core::id::{ProviderId, Uuid};

    use super::*;

    pub(crate) fn provider(endpoint: &str, allow_private_network: bool) -> Provider {
        Provider {
            id: ProviderId(Uuid::from_u128(1)),
            name: "one".into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse(endpoint).unwrap(),
            options: Default::default(),
            allow_private_network,
            weight: 1,
            limits: Default::default(),
        }
    }

    #[test]
    fn connections_are_shared_by_scheme_host_port_and_reach_only() {
        let peers = Peers::default();
        let of = |endpoint, private| peers.of(&provider(endpoint, private)).unwrap();
        let first = of("https://one.example/v1", false);
        for (endpoint, private, is_shared) in [
            ("https://one.example/v1", false, true),
            ("https://one.example/other", false, true),
            ("https://one.example:443", false, true),
            ("https://one.example/v1", true, false),
            ("http://one.example/v1", false, false),
            ("http://one.example:443/v1", false, false),
            ("https://one.example:8443/v1", false, false),
            ("https://two.example/v1", false, false),
        ] {
            assert_eq!(Rc::ptr_eq(&of(endpoint, private), &first), is_shared, "{endpoint} {private}");
        }
    }

    #[test]
    fn a_peer_nobody_uses_is_forgotten() {
        let peers = Peers::default();
        let used = peers.of(&provider("https://used.example", false)).unwrap();
        for at in 0..10 {
            peers.of(&provider(&format!("https://{at}.example"), false)).unwrap();
        }
        assert_eq!(peers.known.borrow().len(), 2);
        assert!(Rc::ptr_eq(&peers.of(&provider("https://used.example", false)).unwrap(), &used));
    }
}
