//! Opens connections: resolve, judge every address, dial a judged one, and speak TLS over it.
//!
//! The address dialled is the address judged: the name is not looked up a second time in between.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use nexus_core::fault::Class;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{fault::Broken, network::Network, peer::Place, socket::Socket};

/// What opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    network: Rc<dyn Network>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(crate) fn new(network: Rc<dyn Network>, tls: Arc<ClientConfig>) -> Self {
        Self { network, tls }
    }

    /// A connection, no later than `by`.
    pub(crate) async fn open(&self, place: &Place, by: Instant) -> Result<Socket, Broken> {
        let late =
            |_| Broken::new(Class::Timeout, format!("no connection to `{}` came about in time", place.host));
        let resolved = timeout_at(by, self.network.resolve(&place.host, place.port)).await.map_err(late)?;
        let resolved = resolved.map_err(|_| {
            Broken::new(
                Class::Connect,
                format!("`{}` cannot be resolved; check the endpoint's host", place.host),
            )
        })?;
        let allowed: Vec<_> =
            resolved.iter().filter(|address| place.reach.allows(address.ip())).copied().collect();
        if allowed.is_empty() {
            return Err(Broken::new(Class::Forbidden, forbidden(place, resolved.is_empty())));
        }
        let tcp = self.dial_one(place, &allowed, by).await?;
        if !place.is_tls {
            return Ok(Socket::Plain(tcp));
        }
        let name = ServerName::try_from(place.host.to_string()).map_err(|_| {
            Broken::new(Class::Connect, format!("`{}` is no name a certificate can bear", place.host))
        })?;
        let connecting = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp);
        let tls = timeout_at(by, connecting).await.map_err(late)?.map_err(|error| {
            Broken::new(Class::Connect, format!("the TLS handshake with `{}` failed: {error}", place.host))
        })?;
        Ok(Socket::Tls(Box::new(tls)))
    }

    /// The first of the addresses that answers. Each gets its equal part of the time that is left.
    async fn dial_one(
        &self,
        place: &Place,
        addresses: &[SocketAddr],
        by: Instant,
    ) -> Result<TcpStream, Broken> {
        let mut last = None;
        for (at, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let shares = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = now + by.saturating_duration_since(now) / shares;
            match timeout_at(share, self.network.dial(*address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = Some(error),
                Err(_) => {}
            }
        }
        Err(match last {
            Some(error) => Broken::new(Class::Connect, format!("no connection to `{}`: {error}", place.host)),
            None => {
                Broken::new(Class::Timeout, format!("no connection to `{}` came about in time", place.host))
            }
        })
    }
}

fn forbidden(place: &Place, is_unknown: bool) -> String {
    if is_unknown {
        return format!("`{}` has no address", place.host);
    }
    format!(
        "`{}` leads to an address the gateway must not connect to; a provider inside your own network needs \
         `allow_private_network`",
        place.host
    )
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, io, time::Duration};

    use super::*;
    use nexus_core::endpoint::Endpoint;

    use crate::{egress::Reach, network::Local, tls};

    /// A network that answers each lookup from a script and leads every dial to one listener.
    struct Liar {
        lookups: RefCell<Vec<Vec<&'static str>>>,
        dialled: RefCell<Vec<String>>,
        door: SocketAddr,
        is_deaf: bool,
    }

    impl Network for Liar {
        fn resolve(&self, _: &str, port: u16) -> Local<io::Result<Vec<SocketAddr>>> {
            let addresses = self.lookups.borrow_mut().remove(0);
            let addresses = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
            Box::pin(async move { Ok(addresses) })
        }

        fn dial(&self, address: SocketAddr) -> Local<io::Result<TcpStream>> {
            self.dialled.borrow_mut().push(address.ip().to_string());
            let (door, is_deaf) = (self.door, self.is_deaf);
            Box::pin(async move {
                if is_deaf { std::future::pending().await } else { TcpStream::connect(door).await }
            })
        }
    }

    /// Opens one connection for each scripted lookup: what came of each, and every address that was dialled.
    async fn open(lookups: &[&[&'static str]], private: bool, is_deaf: bool) -> (Vec<String>, Vec<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let liar = Rc::new(Liar {
            lookups: RefCell::new(lookups.iter().map(|answer| answer.to_vec()).collect()),
            dialled: RefCell::default(),
            door: listener.local_addr().unwrap(),
            is_deaf,
        });
        let reach = if private { Reach::Private } else { Reach::Public };
        let place = Place::of(&Endpoint::parse("http://rebind.test/v1").unwrap(), reach);
        let connector = Connector::new(liar.clone(), tls::Tls::new(None).unwrap().0);
        let mut ends = Vec::new();
        for _ in lookups {
            let end = connector.open(&place, Instant::now() + Duration::from_millis(100)).await;
            ends.push(match end {
                Ok(_) => "open".to_owned(),
                Err(broken) => broken.class.as_str().to_owned(),
            });
        }
        let dialled = liar.dialled.borrow().clone();
        (ends, dialled)
    }

    #[actix_rt::test]
    async fn only_judged_addresses_are_dialled_at_every_lookup_anew() {
        const PUBLIC: &str = "93.184.216.34";
        /// Lookups, whether private is allowed, what came of each, and what was dialled.
        type Case =
            (&'static [&'static [&'static str]], bool, &'static [&'static str], &'static [&'static str]);
        let cases: &[Case] = &[
            // the second lookup turns inwards
            (&[&[PUBLIC], &["127.0.0.1"]], false, &["open", "forbidden_address"], &[PUBLIC]),
            // one of two records is private
            (&[&[PUBLIC, "127.0.0.1"]], false, &["open"], &[PUBLIC]),
            (&[&["127.0.0.1", PUBLIC]], false, &["open"], &[PUBLIC]),
            (&[&["10.0.0.1", "::ffff:10.0.0.1"]], false, &["forbidden_address"], &[]),
            (&[&["127.0.0.1"]], true, &["open"], &["127.0.0.1"]),
            (&[&["169.254.169.254", "10.0.0.1"]], true, &["open"], &["10.0.0.1"]),
            (&[&["169.254.169.254", "fd00:ec2::254"]], true, &["forbidden_address"], &[]),
            (&[&[]], true, &["forbidden_address"], &[]),
        ];
        for (lookups, private, ends, dialled) in cases {
            let seen = open(lookups, *private, false).await;
            assert_eq!(
                (seen.0.as_slice(), seen.1.as_slice()),
                (to_owned(ends).as_slice(), to_owned(dialled).as_slice())
            );
        }
    }

    #[actix_rt::test]
    async fn a_deaf_network_ends_in_a_timeout_with_every_address_tried() {
        let (ends, dialled) = open(&[&["93.184.216.34", "1.1.1.1"]], false, true).await;
        assert_eq!((ends, dialled.len()), (to_owned(&["timeout"]), 2));
    }

    fn to_owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}
