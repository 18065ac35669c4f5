//! Whom connections lead to, and the names awc's pool knows them by.
//!
//! Two providers share a peer, and so its connections, only if scheme, host, port and [`Reach`] are all equal:
//! a connection opened with leave to enter the private network is never lent to a provider without it.

use std::{cell::RefCell, collections::HashMap, fmt, rc::Rc, sync::Arc};

use actix_http::{Uri, header::HeaderValue};
use nexus_core::{
    catalogue::Provider,
    fault::{Class, Fault},
};

use crate::egress::Reach;

/// Ready-made URIs kept a peer; some vendors put the model into the path, so this is bounded.
const URIS_MAX: usize = 64;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    is_tls: bool,
    host: Arc<str>,
    port: u16,
    reach: Reach,
}

/// A URI that was made before, and what it was made of.
struct Known {
    base_path: Arc<str>,
    path: Box<str>,
    uri: Uri,
}

/// Whom connections lead to.
pub(crate) struct Peer {
    pub(crate) is_tls: bool,
    /// A name or an IP literal; IPv6 without brackets.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) reach: Reach,
    /// The `host` header.
    pub(crate) host_header: HeaderValue,
    /// What awc's pool takes for the authority.
    pool_name: String,
    uris: RefCell<Vec<Known>>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({}:{})", self.host, self.port)
    }
}

impl Peer {
    /// The URI awc is given. The true host stands in the `host` header and in the peer only.
    pub(crate) fn uri(&self, base_path: &Arc<str>, path: &str) -> Result<Uri, Fault> {
        let is_same = |known: &&Known| known.base_path == *base_path && *known.path == *path;
        if let Some(known) = self.uris.borrow().iter().find(is_same) {
            return Ok(known.uri.clone());
        }
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.pool_name.as_str())
            .path_and_query(format!("{base_path}{path}"))
            .build()
            .map_err(|_| Fault::new(Class::BadRequest, "the request path is no valid URI path"))?;
        let mut uris = self.uris.borrow_mut();
        if uris.len() < URIS_MAX {
            uris.push(Known { base_path: Arc::clone(base_path), path: path.into(), uri: uri.clone() });
        }
        Ok(uri)
    }
}

/// Every peer seen so far. One a worker thread.
#[derive(Default)]
pub(crate) struct Peers(RefCell<HashMap<Key, Rc<Peer>>>);

impl Peers {
    /// The peer of a provider.
    pub(crate) fn of(&self, provider: &Provider) -> Result<Rc<Peer>, Fault> {
        let endpoint = &provider.endpoint;
        let reach = if provider.allow_private_network { Reach::Private } else { Reach::Public };
        let key =
            Key { is_tls: endpoint.is_tls, host: Arc::clone(&endpoint.host), port: endpoint.port, reach };
        if let Some(peer) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(peer));
        }
        let host_header = HeaderValue::from_str(&endpoint.authority())
            .map_err(|_| Fault::new(Class::Connect, "the endpoint's host is no valid host name"))?;
        let mut peers = self.0.borrow_mut();
        let peer = Rc::new(Peer {
            is_tls: endpoint.is_tls,
            host: Arc::clone(&endpoint.host),
            port: endpoint.port,
            reach,
            host_header,
            pool_name: format!("peer-{}", peers.len()),
            uris: RefCell::default(),
        });
        peers.insert(key, Rc::clone(&peer));
        Ok(peer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nexus_core::{
        endpoint::Endpoint,
        id::{ProviderId, Uuid},
    };

    use super::*;

    pub(crate) fn provider(endpoint: &str, allow_private_network: bool) -> Provider {
        Provider {
            id: ProviderId(Uuid::from_u128(1)),
            name: "one".into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse(endpoint).unwrap(),
            allow_private_network,
            weight: 1,
            rate_limit: None,
        }
    }

    #[test]
    fn connections_are_shared_by_scheme_host_port_and_reach_only() {
        let peers = Peers::default();
        let name = |endpoint, private| peers.of(&provider(endpoint, private)).unwrap().pool_name.clone();
        let first = name("https://one.example/v1", false);
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
            assert_eq!(name(endpoint, private) == first, is_shared, "{endpoint} {private}");
        }
    }

    #[test]
    fn a_path_yields_exactly_itself_or_a_refusal() {
        let peers = Peers::default();
        let provider = provider("https://one.example/v1", false);
        let peer = peers.of(&provider).unwrap();
        for (path, expected) in [
            ("/chat/completions", Some("/v1/chat/completions")),
            ("/chat/completions", Some("/v1/chat/completions")),
            ("/deployments/a%2Fb/chat?api-version=1", Some("/v1/deployments/a%2Fb/chat?api-version=1")),
            ("/a b", None),
            ("/a\r\nhost: other", None),
            ("/a\0", None),
        ] {
            let uri = peer.uri(&provider.endpoint.base_path, path);
            let seen = uri.as_ref().ok().and_then(|uri| uri.path_and_query()).map(|whole| whole.as_str());
            assert_eq!(seen, expected, "{path:?}");
            assert_eq!(uri.is_err(), expected.is_none());
        }
        for at in 0..2 * URIS_MAX {
            peer.uri(&provider.endpoint.base_path, &format!("/{at}")).unwrap();
        }
        assert_eq!(peer.uris.borrow().len(), URIS_MAX);
    }
}
