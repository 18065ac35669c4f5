//! The console's cookies, and where its requests may come from.
//!
//! Browsers reach the gateway by `https`; only where the `Host` is a loopback name plain `http` is taken, with
//! cookies of other names and without `Secure`, so that one kind never passes for the other. A proxy in front
//! must hand on the `Host` the browser knows.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header};

use crate::admin::problem::{Kind, Problem};

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Who is signed in. Sent by pages of ours only.
    Session,
    /// A sign-in on its way through the identity provider, which sends the browser back: that much a cookie of
    /// another site's making must survive.
    OnItsWay,
}

/// How a browser reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Https,
    /// Plain `http`, on this machine.
    Loopback,
}

impl Channel {
    fn of(request: &HttpRequest) -> Self {
        if is_loopback(host(request)) { Channel::Loopback } else { Channel::Https }
    }

    fn scheme(self) -> &'static str {
        match self {
            Channel::Https => "https",
            Channel::Loopback => "http",
        }
    }
}

/// The `Host` as it came; empty where there is none.
fn host(request: &HttpRequest) -> &str {
    request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Whether a `Host` names this very machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where the browser knows the gateway, such as `https://gateway.example.com`.
pub fn own_origin(request: &HttpRequest) -> String {
    format!("{}://{}", Channel::of(request).scheme(), host(request))
}

/// Refuses what a page of another origin asks for. Programs that are no browsers send no `Origin`.
pub fn check_origin(request: &HttpRequest) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let is_own = origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&own_origin(request)));
    if is_own {
        Ok(())
    } else {
        Err(Problem::new(Kind::Forbidden, "the page that asks is of another origin"))
    }
}

fn name(purpose: Purpose, channel: Channel) -> &'static str {
    match (purpose, channel) {
        (Purpose::Session, Channel::Https) => "__Host-nexus",
        (Purpose::Session, Channel::Loopback) => "nexus-dev",
        (Purpose::OnItsWay, Channel::Https) => "__Host-nexus-oidc",
        (Purpose::OnItsWay, Channel::Loopback) => "nexus-dev-oidc",
    }
}

/// The cookie's value; of a repeated one the first counts.
pub fn read(request: &HttpRequest, purpose: Purpose) -> Option<&str> {
    let name = name(purpose, Channel::of(request));
    let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
}

/// A `Set-Cookie` line. The value is of letters, digits and the marks of base64url and tokens.
pub fn set(request: &HttpRequest, purpose: Purpose, value: &str, lasts_s: i64) -> String {
    let channel = Channel::of(request);
    let same_site = match purpose {
        Purpose::Session => "Strict",
        Purpose::OnItsWay => "Lax",
    };
    let secure = match channel {
        Channel::Https => "; Secure",
        Channel::Loopback => "",
    };
    let name = name(purpose, channel);
    format!("{name}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite={same_site}{secure}")
}

/// A `Set-Cookie` line that takes the cookie away.
pub fn forget(request: &HttpRequest, purpose: Purpose) -> String {
    set(request, purpose, "", 0)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> HttpRequest {
        let request = TestRequest::default();
        headers.iter().fold(request, |request, header| request.append_header(*header)).to_http_request()
    }

    #[test]
    fn a_host_is_this_machine_only_where_it_says_so() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("example.com", false),
            ("192.168.0.1", false),
            ("[::2]", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn a_page_asks_only_where_it_came_from() {
        for (host, origin, is_own) in [
            ("gw.example.com", "https://gw.example.com", true),
            ("gw.example.com:8443", "https://GW.example.com:8443", true),
            ("localhost:8080", "http://localhost:8080", true),
            ("gw.example.com", "http://gw.example.com", false),
            ("gw.example.com", "https://gw.example.com:8443", false),
            ("gw.example.com", "https://gw.example.com.evil.example", false),
            ("gw.example.com", "https://evil.example", false),
            ("localhost:8080", "http://localhost:8081", false),
            ("gw.example.com", "null", false),
            ("gw.example.com", "", false),
        ] {
            let checked = check_origin(&request(&[("host", host), ("origin", origin)]));
            assert_eq!(checked.is_ok(), is_own, "{host} {origin}");
        }
        assert!(check_origin(&request(&[("host", "gw.example.com")])).is_ok(), "no browser");
    }

    #[test]
    fn a_cookie_is_read_under_the_name_of_its_channel_only() {
        for (host, cookies, expected) in [
            ("gw.example.com", &["__Host-nexus=a"][..], Some("a")),
            ("gw.example.com", &["x=1; __Host-nexus=a; y=2"], Some("a")),
            ("gw.example.com", &["x=1", "__Host-nexus=a"], Some("a")),
            ("gw.example.com", &["__Host-nexus=a; __Host-nexus=b"], Some("a")),
            ("gw.example.com", &["nexus-dev=a"], None),
            ("gw.example.com", &["__host-nexus=a"], None),
            ("gw.example.com", &["__Host-nexus="], None),
            ("gw.example.com", &["__Host-nexus"], None),
            ("localhost", &["nexus-dev=a"], Some("a")),
            ("localhost", &["__Host-nexus=a"], None),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend(cookies.iter().map(|cookie| ("cookie", *cookie)));
            assert_eq!(read(&request(&headers), Purpose::Session), expected, "{host} {cookies:?}");
        }
    }

    #[test]
    fn a_cookie_is_set_with_everything_that_keeps_it_in() {
        let remote = request(&[("host", "gw.example.com")]);
        assert_eq!(
            set(&remote, Purpose::Session, "t", 60),
            "__Host-nexus=t; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            set(&remote, Purpose::OnItsWay, "t", 60),
            "__Host-nexus-oidc=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        let local = request(&[("host", "127.0.0.1:8080")]);
        assert_eq!(
            forget(&local, Purpose::Session),
            "nexus-dev=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        );
    }
}
