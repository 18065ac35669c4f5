//! The headers of a request to a provider: a fixed list, the credential, and what the dialect adds.
//!
//! Nothing the application sent gets here but through a dialect. A value that is not one line of printable
//! ASCII is refused, and the refusal does not repeat it.

use actix_http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::Outbound;
use nexus_providers::dialect::AuthScheme;

const SOFTWARE: &str = concat!("nexus/", env!("CARGO_PKG_VERSION"));

/// Fills in the headers of a request.
pub(crate) fn write(
    headers: &mut HeaderMap,
    host: &HeaderValue,
    request: &Outbound<'_>,
) -> Result<(), Fault> {
    headers.insert(HOST, host.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(SOFTWARE));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let (Some(name), Some(value)) = (name, one_line(value)) else {
            return Err(Fault::new(
                Class::BadRequest,
                "a value meant for a request header is not one line of printable ASCII; leave other characters away",
            ));
        };
        headers.insert(name, value);
    }
    show_credential(headers, request)
}

fn show_credential(headers: &mut HeaderMap, request: &Outbound<'_>) -> Result<(), Fault> {
    let Some(credential) = request.credential else { return Ok(()) };
    let secret = credential.0.expose();
    let (name, value) = match request.auth {
        AuthScheme::Open => return Ok(()),
        AuthScheme::Bearer => (AUTHORIZATION, one_line(&format!("Bearer {secret}"))),
        AuthScheme::Header(name) => (HeaderName::from_static(name), one_line(secret)),
    };
    let mut value = value.ok_or_else(|| {
        Fault::new(
            Class::Credential,
            "the provider's credential is not one line of printable ASCII; enter the `api_key` again",
        )
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// A value no reader can take for more than one header.
fn one_line(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use nexus_engine::{port::Deadlines, world::Credential};
    use nexus_keystore::secret::Secret;

    use super::*;
    use crate::peer::tests::provider;

    fn written(
        auth: AuthScheme,
        secret: &str,
        extra: &[(&'static str, String)],
    ) -> Result<Vec<String>, Fault> {
        let provider = provider("https://one.example/v1", false);
        let credential = Credential(Arc::new(Secret::new(secret.to_owned())));
        let request = Outbound {
            provider: &provider,
            path: "/chat",
            headers: extra,
            auth,
            credential: Some(&credential),
            body: Bytes::new(),
            deadlines: Deadlines { connect_ms: 1, first_byte_ms: 1, between_chunks_ms: 1, whole_ms: 1 },
        };
        let mut headers = HeaderMap::new();
        write(&mut headers, &HeaderValue::from_static("one.example"), &request)?;
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        Ok(lines)
    }

    #[test]
    fn the_headers_are_the_fixed_ones_the_credential_and_the_dialects() {
        let fixed = ["accept-encoding: identity", "content-type: application/json", "host: one.example"];
        let software = format!("user-agent: {SOFTWARE}");
        for (auth, extra, expected) in [
            (AuthScheme::Bearer, None, "authorization: Bearer sk-1"),
            (AuthScheme::Header("x-api-key"), None, "x-api-key: sk-1"),
            (AuthScheme::Open, Some(("accept", "text/event-stream".to_owned())), "accept: text/event-stream"),
        ] {
            let seen = written(auth, "sk-1", extra.as_slice()).unwrap();
            let mut lines: Vec<_> = fixed.iter().map(|line| (*line).to_owned()).collect();
            lines.extend([software.clone(), expected.to_owned()]);
            lines.sort();
            assert_eq!(seen, lines);
        }
    }

    #[test]
    fn a_value_with_control_characters_is_refused_and_not_repeated() {
        for bad in ["s\r\necret", "s\necret", "s\0ecret", "s\u{7f}ecret", "sécret"] {
            for auth in [AuthScheme::Bearer, AuthScheme::Header("x-api-key")] {
                let fault = written(auth, bad, &[]).unwrap_err();
                assert_eq!(fault.class, Class::Credential);
                assert!(!fault.message.contains("ecret"), "{}", fault.message);
            }
            let fault = written(AuthScheme::Bearer, "sk-1", &[("x-tag", bad.to_owned())]).unwrap_err();
            assert_eq!(fault.class, Class::BadRequest);
            assert!(!fault.message.contains("ecret"), "{}", fault.message);
        }
    }
}
