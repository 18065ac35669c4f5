//! Where a request comes from, when proxies of ours stand in front.
//!
//! Only the header that is configured is read: a proxy that writes one of them hands the other on as the client
//! wrote it, so whoever reads both can be lied to.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName},
};
use nexus_core::proxy::TrustedProxies;

/// Bytes of the header that are read, from its end; a list that is longer is cut where the client's part is.
const BYTES_MAX: usize = 4096;

/// Which header the proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `X-Forwarded-For`
    InList,
    /// `Forwarded`, RFC 7239
    InPairs,
}

/// How callers' addresses are found out. The same for all workers.
#[derive(Clone, Debug)]
pub struct Forwarding {
    pub trusted: TrustedProxies,
    pub named: Named,
}

impl Forwarding {
    /// The caller's address. `None`: a proxy of ours could not tell, so nobody is let in by address.
    pub fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if self.trusted.is_empty() {
            return Some(peer);
        }
        self.trusted.client(peer, self.chain(request.headers()).into_iter())
    }

    /// The addresses that are named, the first proxy's first.
    fn chain(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.named {
            Named::InList => HeaderName::from_static("x-forwarded-for"),
            Named::InPairs => HeaderName::from_static("forwarded"),
        };
        // what cannot be read names nobody
        let lines = headers.get_all(name).map(|value| value.to_str().unwrap_or("?"));
        let whole = lines.collect::<Vec<_>>().join(",");
        let from = whole.ceil_char_boundary(whole.len().saturating_sub(BYTES_MAX));
        let text = whole.get(from..).unwrap_or_default();
        match (self.named, text.is_empty()) {
            (_, true) => Vec::new(),
            (Named::InList, _) => text.split(',').map(|entry| address(entry.trim())).collect(),
            (Named::InPairs, _) => match unquoted(text, ',') {
                Some(elements) => elements.into_iter().map(forwarded_for).collect(),
                None => vec![None],
            },
        }
    }
}

/// An address, with or without a port; IPv6 in brackets where there is one.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(bare).or_else(with_port)
}

/// The `for` of one element; one that is stated twice is not known.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut stated = unquoted(element, ';')?.into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let (value, None) = (stated.next()?, stated.next()) else { return None };
    address(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// The parts between separators that stand outside quotation marks. `None` where one is left open: a client that
/// leaves one open would take what our proxies write behind it into its own.
fn unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let split = |c: char| {
        let is_plain = !is_quoted && !is_escaped;
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        is_plain && c == separator
    };
    let parts = text.split(split).collect();
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(named: Named, peer: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8"]).unwrap();
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711));
        for header in headers {
            request = request.append_header(*header);
        }
        let address = Forwarding { trusted, named }.address(&request.to_http_request());
        address.map(|address| address.to_string())
    }

    #[test]
    fn a_list_of_addresses_is_believed_of_our_proxies_alone() {
        const NAME: &str = "x-forwarded-for";
        for (peer, headers, expected) in [
            ("203.0.113.9", &[(NAME, "198.51.100.1")][..], Some("203.0.113.9")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("10.0.0.1", &[(NAME, "198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(NAME, "127.0.0.1, 198.51.100.1,10.0.0.2")], Some("198.51.100.1")),
            ("10.0.0.1", &[(NAME, "127.0.0.1"), (NAME, "198.51.100.1")], Some("198.51.100.1")),
            ("10.0.0.1", &[(NAME, "198.51.100.1:5123")], Some("198.51.100.1")),
            ("10.0.0.1", &[(NAME, "[2001:db8::5]:80")], Some("2001:db8::5")),
            ("10.0.0.1", &[(NAME, "[2001:db8::5]")], Some("2001:db8::5")),
            ("10.0.0.1", &[(NAME, "2001:db8::5")], Some("2001:db8::5")),
            ("10.0.0.1", &[(NAME, "198.51.100.1, unknown")], None),
            ("10.0.0.1", &[(NAME, "198.51.100.1,")], None),
            ("10.0.0.1", &[(NAME, "198.51.100.1, \"10.0.0.2\"")], None),
            ("10.0.0.1", &[("x-real-ip", "127.0.0.1"), ("forwarded", "for=127.0.0.1")], Some("10.0.0.1")),
        ] {
            assert_eq!(seen(Named::InList, peer, headers).as_deref(), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn pairs_are_read_as_the_standard_writes_them() {
        const NAME: &str = "forwarded";
        for (value, expected) in [
            ("for=198.51.100.1", Some("198.51.100.1")),
            ("For=\"198.51.100.1:4711\";proto=https;by=10.0.0.1", Some("198.51.100.1")),
            ("for=127.0.0.1, proto=http; for=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("for=198.51.100.1;by=\"a,for=127.0.0.1\", for=10.0.0.2", Some("198.51.100.1")),
            ("for=198.51.100.1;by=\"a\\\",for=127.0.0.1\"", Some("198.51.100.1")),
            ("for=_hidden", None),
            ("for=unknown", None),
            ("proto=https", None),
            ("for=127.0.0.1;for=198.51.100.1", None),
            ("for=198.51.100.1, for=\"127.0.0.1", None),
            ("for=127.0.0.1;x=\", for=198.51.100.1", None),
            ("for=127.0.0.1;x=\"\\\", for=198.51.100.1", None),
            ("for=127.0.0.1;x=\", for=\"[2001:db8::1]\", for=10.0.0.2", None),
        ] {
            let headers = [(NAME, value), ("x-forwarded-for", "127.0.0.1")];
            assert_eq!(seen(Named::InPairs, "10.0.0.1", &headers).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn of_a_list_without_end_the_part_our_proxies_wrote_is_read() {
        let long = format!("{}198.51.100.1, 10.0.0.3", "127.0.0.1,".repeat(10_000));
        let headers = [("x-forwarded-for", long.as_str())];
        assert_eq!(seen(Named::InList, "10.0.0.1", &headers).as_deref(), Some("198.51.100.1"));
    }
}
