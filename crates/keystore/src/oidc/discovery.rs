//! What an identity provider says of itself at `/.well-known/openid-configuration` (Discovery 1.0).
//!
//! The issuer must be the configured one, byte for byte, or another provider could speak for it; and every
//! address is `https`, except that a provider on the loopback may be plain `http`.

use serde::Deserialize;
use thiserror::Error;

const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// How the token endpoint wants the client's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header. What holds where a provider says nothing.
    Basic,
    /// `client_secret_post`: among the form's fields.
    Post,
}

/// The addresses a sign-in needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub client_auth: ClientAuth,
}

/// Why an identity provider cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    #[error("the `issuer` is not an `https` address without user, query and fragment")]
    Issuer,
    #[error("the answer is not an OpenID configuration")]
    Form,
    #[error("the provider names another `issuer` than the one that is configured")]
    OtherIssuer,
    #[error("the provider's `{0}` is not an `https` address")]
    Address(&'static str),
    #[error("the provider takes neither `client_secret_basic` nor `client_secret_post`")]
    ClientAuth,
}

impl Discovery {
    /// Reads the document that was fetched for `issuer`.
    pub fn parse(issuer: &str, json: &[u8]) -> Result<Self, Unusable> {
        let home = issuer_channel(issuer)?;
        let document: Document = serde_json::from_slice(json).map_err(|_| Unusable::Form)?;
        if document.issuer != issuer {
            return Err(Unusable::OtherIssuer);
        }
        let address = |name, address: String| match (Channel::of(&address), home) {
            (Some(Channel::Https), _) | (Some(Channel::Loopback), Channel::Loopback) => Ok(address),
            _ => Err(Unusable::Address(name)),
        };
        let is_taken = |method: &str| {
            let methods = document.token_endpoint_auth_methods_supported.as_ref();
            methods.is_some_and(|methods| methods.iter().any(|taken| taken == method))
        };
        let client_auth = match document.token_endpoint_auth_methods_supported {
            None => ClientAuth::Basic,
            Some(_) if is_taken("client_secret_basic") => ClientAuth::Basic,
            Some(_) if is_taken("client_secret_post") => ClientAuth::Post,
            Some(_) => return Err(Unusable::ClientAuth),
        };
        Ok(Self {
            authorization_endpoint: address("authorization_endpoint", document.authorization_endpoint)?,
            token_endpoint: address("token_endpoint", document.token_endpoint)?,
            jwks_uri: address("jwks_uri", document.jwks_uri)?,
            client_auth,
        })
    }
}

/// Where an issuer's document lies.
pub fn discovery_url(issuer: &str) -> Result<String, Unusable> {
    issuer_channel(issuer)?;
    Ok(format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer)))
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Https,
    /// Plain `http`, on this machine.
    Loopback,
}

impl Channel {
    /// None for an address that is reached neither way, has a user in it, or could be read in two ways.
    fn of(url: &str) -> Option<Self> {
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>#".contains(&byte));
        let (scheme, rest) = url.split_once("://").filter(|_| is_plain)?;
        let authority = rest.split(['/', '?']).next().filter(|authority| !authority.contains('@'))?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, ""),
        };
        let is_sound = !host.is_empty()
            && host.starts_with('[') == host.ends_with(']')
            && port.bytes().all(|byte| byte.is_ascii_digit());
        match scheme {
            "https" if is_sound => Some(Channel::Https),
            "http" if is_sound && LOOPBACK_HOSTS.contains(&host) => Some(Channel::Loopback),
            _ => None,
        }
    }
}

fn issuer_channel(issuer: &str) -> Result<Channel, Unusable> {
    Channel::of(issuer).filter(|_| !issuer.contains('?')).ok_or(Unusable::Issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com/realms/a";

    fn document(issuer: &str, host: &str, more: &str) -> String {
        format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{host}/auth?x=1","token_endpoint":"{host}/token",
            "jwks_uri":"{host}/keys","response_types_supported":["code"]{more}}}"#
        )
    }

    fn check(issuer: &str, json: &str, expected: Result<ClientAuth, Unusable>) {
        let parsed = Discovery::parse(issuer, json.as_bytes()).map(|discovery| discovery.client_auth);
        assert_eq!(parsed, expected, "{issuer} {json}");
    }

    #[test]
    fn the_addresses_are_those_of_the_document() {
        let json = document(ISSUER, "https://other.example.com:8443", "");
        let expected = Discovery {
            authorization_endpoint: "https://other.example.com:8443/auth?x=1".to_owned(),
            token_endpoint: "https://other.example.com:8443/token".to_owned(),
            jwks_uri: "https://other.example.com:8443/keys".to_owned(),
            client_auth: ClientAuth::Basic,
        };
        assert_eq!(Discovery::parse(ISSUER, json.as_bytes()), Ok(expected));
    }

    #[test]
    fn the_issuer_is_the_same_byte_for_byte() {
        for other in [
            "https://id.example.com/realms/a/",
            "https://id.example.com/realms/b",
            "https://id.example.com/realms/A",
            "https://ID.example.com/realms/a",
            "https://id.example.com:443/realms/a",
            "http://id.example.com/realms/a",
            "",
        ] {
            check(ISSUER, &document(other, "https://x", ""), Err(Unusable::OtherIssuer));
        }
    }

    #[test]
    fn only_https_is_used_but_on_the_loopback() {
        let at = |issuer: &str, host: &str| {
            check(issuer, &document(issuer, host, ""), Err(Unusable::Address("authorization_endpoint")));
        };
        for host in ["http://id.example.com", "http://127.0.0.1", "ftp://x", "//x", "https://", "https://u@x"]
        {
            at(ISSUER, host);
        }
        for issuer in ["http://127.0.0.1:9", "http://localhost", "http://[::1]:9/realm", "http://[::1]"] {
            check(issuer, &document(issuer, issuer, ""), Ok(ClientAuth::Basic));
            check(issuer, &document(issuer, "https://x", ""), Ok(ClientAuth::Basic));
            at(issuer, "http://id.example.com");
            at(issuer, "http://127.0.0.1:80@id.example.com");
        }
        for name in ["token_endpoint", "jwks_uri"] {
            let json = document(ISSUER, "https://x", "")
                .replace(&format!(r#""{name}":"https"#), &format!(r#""{name}":"http"#));
            check(ISSUER, &json, Err(Unusable::Address(name)));
        }
    }

    #[test]
    fn an_issuer_that_could_be_read_in_two_ways_is_refused() {
        for issuer in [
            "",
            "id.example.com",
            "https:/id.example.com",
            "HTTPS://id.example.com",
            "http://id.example.com",
            "http://127.0.0.2",
            "http://localhost.example.com",
            "http://localhost:80.example.com",
            "http://localhost\\.example.com",
            "http://localhost@example.com",
            "https://user:pass@example.com",
            "https://example.com#x",
            "https://example.com?x",
            "https://example.com/a b",
            "https://example.com/\n",
            "https://ex\u{e4}mple.com",
            "https://:443",
            "https://[::1",
        ] {
            check(issuer, &document(issuer, "https://x", ""), Err(Unusable::Issuer));
            assert_eq!(discovery_url(issuer), Err(Unusable::Issuer), "{issuer}");
        }
        for (issuer, expected) in [
            ("https://id.example.com", "https://id.example.com/.well-known/openid-configuration"),
            ("https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"),
            (ISSUER, "https://id.example.com/realms/a/.well-known/openid-configuration"),
        ] {
            assert_eq!(discovery_url(issuer).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn the_secret_goes_where_the_provider_takes_it() {
        for (methods, expected) in [
            (r#"["client_secret_post","client_secret_basic"]"#, Ok(ClientAuth::Basic)),
            (r#"["client_secret_post","private_key_jwt"]"#, Ok(ClientAuth::Post)),
            (r#"["private_key_jwt"]"#, Err(Unusable::ClientAuth)),
            ("[]", Err(Unusable::ClientAuth)),
            ("null", Ok(ClientAuth::Basic)),
            (r#""client_secret_basic""#, Err(Unusable::Form)),
        ] {
            let more = format!(r#","token_endpoint_auth_methods_supported":{methods}"#);
            check(ISSUER, &document(ISSUER, "https://x", &more), expected);
        }
    }

    #[test]
    fn another_document_is_refused() {
        let whole = document(ISSUER, "https://x", "");
        for json in ["", "{}", "[]", "<html>", &whole[1..], &whole.replace("jwks_uri", "jwks")] {
            check(ISSUER, json, Err(Unusable::Form));
        }
        check(ISSUER, &document(ISSUER, "https://x", r#","issuer":"https://y""#), Err(Unusable::Form));
    }
}
