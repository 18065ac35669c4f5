//! Where a provider lives: the checked form of its base URL.

mod template;

use std::{fmt, sync::Arc};

use url::{Host, Url};

pub use self::template::{Template, Unfilled};

/// A provider's base URL, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether the connection is TLS (`https`).
    pub is_tls: bool,
    /// Host name or IP literal as it is resolved; IPv6 without brackets.
    pub host: Arc<str>,
    pub port: u16,
    /// The path every request path is appended to; empty, or begins with `/` and does not end with it.
    pub base_path: Arc<str>,
}

/// Why a base URL is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    #[error("is not a URL; write it like `https://api.example.com/v1`")]
    NotAUrl,
    #[error("has the scheme `{0}`; only `https` and `http` are spoken")]
    Scheme(String),
    #[error("names no host")]
    NoHost,
    #[error("carries a user name or password; put the key into `api_key`")]
    Credentials,
    #[error("carries a query or a fragment; leave everything from `?` or `#` on away")]
    QueryOrFragment,
    #[error("has braces that are no place to be filled; write one like `{{region}}`")]
    Place,
}

impl Endpoint {
    /// Takes a base URL apart.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let url = Url::parse(text.trim()).map_err(|_| BadEndpoint::NotAUrl)?;
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(BadEndpoint::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadEndpoint::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadEndpoint::QueryOrFragment);
        }
        let host: Arc<str> = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.into(),
            Some(Host::Ipv4(address)) => address.to_string().into(),
            Some(Host::Ipv6(address)) => address.to_string().into(),
            _ => return Err(BadEndpoint::NoHost),
        };
        let port = url.port_or_known_default().ok_or(BadEndpoint::NoHost)?;
        Ok(Self { is_tls, host, port, base_path: url.path().trim_end_matches('/').into() })
    }

    /// Whether both lead to one server, whatever the path there.
    pub fn is_at_server_of(&self, other: &Endpoint) -> bool {
        (self.is_tls, &self.host, self.port) == (other.is_tls, &other.host, other.port)
    }

    /// The value of the `Host` header: the port is left out where it is the scheme's own.
    pub fn authority(&self) -> String {
        let default = if self.is_tls { 443 } else { 80 };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart_and_put_together_again() {
        for (text, is_tls, host, port, base_path, shown) in [
            ("https://api.openai.com/v1", true, "api.openai.com", 443, "/v1", "https://api.openai.com/v1"),
            ("https://api.openai.com/v1/", true, "api.openai.com", 443, "/v1", "https://api.openai.com/v1"),
            ("http://127.0.0.1:8081", false, "127.0.0.1", 8081, "", "http://127.0.0.1:8081"),
            ("http://[::1]:9/", false, "::1", 9, "", "http://[::1]:9"),
            (
                "https://Example.COM:8443/a/b",
                true,
                "example.com",
                8443,
                "/a/b",
                "https://example.com:8443/a/b",
            ),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.is_tls, &*endpoint.host, endpoint.port, &*endpoint.base_path),
                (is_tls, host, port, base_path),
                "{text}"
            );
            assert_eq!(endpoint.to_string(), shown);
        }
    }

    #[test]
    fn another_path_is_the_same_server_and_another_scheme_host_or_port_is_not() {
        let ours = Endpoint::parse("https://api.example.com/v1").unwrap();
        for (text, is_same) in [
            ("https://API.example.com:443/v2", true),
            ("http://api.example.com/v1", false),
            ("https://api.example.com:8443/v1", false),
            ("https://api.example.com.evil.example/v1", false),
            ("https://example.com/v1", false),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().is_at_server_of(&ours), is_same, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_base_url_is_refused_with_the_reason() {
        for (text, expected) in [
            ("api.openai.com/v1", BadEndpoint::NotAUrl),
            ("//127.0.0.1/", BadEndpoint::NotAUrl),
            ("gopher://127.0.0.1:6379/_INFO", BadEndpoint::Scheme("gopher".into())),
            ("unix:///var/run/docker.sock", BadEndpoint::Scheme("unix".into())),
            ("data:text/plain,hi", BadEndpoint::Scheme("data".into())),
            ("https://example.com@127.0.0.1/", BadEndpoint::Credentials),
            ("https://example.com/v1?key=1", BadEndpoint::QueryOrFragment),
            ("http://127.0.0.1#@example.com/", BadEndpoint::QueryOrFragment),
        ] {
            assert_eq!(Endpoint::parse(text), Err(expected), "{text}");
        }
    }
}
