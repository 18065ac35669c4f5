//! Whose word on a caller's address is taken: proxies that are named name it, all others are only who they are.
//!
//! A chain of addresses is read from its end. Each proxy of ours tells truly who spoke to it; what stands further
//! from the end was written by that one, who may be anybody.

use std::net::IpAddr;

use ipnet::IpNet;

/// Proxies a request is followed through; behind more, nobody knows where it came from.
const HOPS_MAX: usize = 16;

/// The networks our own proxies stand in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads networks such as `10.0.0.0/8`, or single addresses.
    ///
    /// # Errors
    /// The place of the first text that is neither.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, usize> {
        let net = |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
        let nets = texts.iter().enumerate().map(|(at, text)| net(text.as_ref()).ok_or(at));
        nets.collect::<Result<_, _>>().map(Self)
    }

    /// Whether nobody's word is taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a request comes from that `peer` hands over, naming this chain: the address furthest from its end
    /// that one of ours still vouches for. `None` stands in the chain for what is no address, and comes back
    /// where that is all that is known.
    pub fn client<I>(&self, peer: IpAddr, named: I) -> Option<IpAddr>
    where
        I: DoubleEndedIterator<Item = Option<IpAddr>>,
    {
        let mut client = peer.to_canonical();
        let mut further = named.rev();
        for _ in 0..HOPS_MAX {
            if !self.vouch(client) {
                return Some(client);
            }
            match further.next() {
                None => return Some(client),
                Some(named) => client = named?.to_canonical(),
            }
        }
        None
    }

    /// Whether this address is one of theirs.
    pub fn vouch(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, named: &[&str]) -> Option<String> {
        let trusted = TrustedProxies::parse(trusted).unwrap();
        let named: Vec<Option<IpAddr>> = named.iter().map(|text| text.parse().ok()).collect();
        trusted.client(peer.parse().unwrap(), named.into_iter()).map(|address| address.to_string())
    }

    #[test]
    fn the_right_most_address_that_is_not_ours_is_the_callers() {
        const OURS: &[&str] = &["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"];
        for (trusted, peer, named, expected) in [
            // nobody is trusted, or the peer is not: what is named is only said
            (&[][..], "10.0.0.1", &["198.51.100.1"][..], Some("10.0.0.1")),
            (OURS, "203.0.113.9", &["198.51.100.1"], Some("203.0.113.9")),
            (OURS, "192.0.2.8", &["198.51.100.1"], Some("192.0.2.8")),
            // a proxy that names nobody speaks for itself
            (OURS, "10.0.0.1", &[], Some("10.0.0.1")),
            (OURS, "10.0.0.1", &["198.51.100.1"], Some("198.51.100.1")),
            (OURS, "192.0.2.7", &["198.51.100.1"], Some("198.51.100.1")),
            // what stands before the caller's own address was written by the caller
            (OURS, "10.0.0.1", &["127.0.0.1", "198.51.100.1"], Some("198.51.100.1")),
            (OURS, "10.0.0.1", &["127.0.0.1", "198.51.100.1", "10.0.0.2"], Some("198.51.100.1")),
            (OURS, "10.0.0.1", &["unknown", "198.51.100.1", "2001:db8:1::5"], Some("198.51.100.1")),
            (OURS, "::ffff:10.0.0.1", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            // all of them are ours
            (OURS, "10.0.0.1", &["10.0.0.3", "10.0.0.2"], Some("10.0.0.3")),
            // what one of ours could not tell stays unknown
            (OURS, "10.0.0.1", &["198.51.100.1", "unknown"], None),
            (OURS, "10.0.0.1", &["10.0.0.2"; 40], None),
        ] {
            assert_eq!(client(trusted, peer, named).as_deref(), expected, "{peer} {named:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_network_is_named_by_its_place() {
        assert_eq!(TrustedProxies::parse(&["10.0.0.0/8", "::1", "10.0.0.0/33"]), Err(2));
        assert_eq!(TrustedProxies::parse(&["load-balancer"]), Err(0));
        assert!(TrustedProxies::parse::<&str>(&[]).unwrap().is_empty());
    }
}
