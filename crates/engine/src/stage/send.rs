//! Stage 7, send: one exchange with the provider, up to the head of its answer.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use nexus_core::{
    catalogue::Target,
    fault::{Class, Fault, Verbatim},
    health::learned::Learned,
};
use nexus_providers::dialect::{Encoded, Head};

use crate::{
    conceal::conceal,
    credentials::Credential,
    port::{Deadlines, Inbound, Outbound, Transport},
    stage::adapt::Carriage,
    world::Backend,
};

/// How much of an error's body is read, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// Sends, and returns the answer's head with its body still to come; any status but 2xx is a fault.
pub async fn send<T: Transport>(
    transport: &T,
    target: &Target,
    backend: &Backend,
    credential: Option<&Credential>,
    encoded: Encoded,
    Carriage { method, content_type, rest, is_verbatim }: Carriage<'_>,
    deadlines: Deadlines,
) -> Result<Inbound<T::Body>, Fault> {
    let outbound = Outbound {
        provider: &target.provider,
        site: target.site(),
        path: &encoded.path,
        headers: &encoded.headers,
        auth: backend.dialect.auth(),
        credential,
        method,
        content_type,
        body: encoded.body,
        rest,
        deadlines,
    };
    let inbound = transport.send(outbound).await?;
    if (200..300).contains(&inbound.status) {
        return Ok(inbound);
    }
    let reset_us = inbound.learned.as_deref().and_then(Learned::rest_us);
    let reset_ms = reset_us.map(|reset_us| reset_us.div_ceil(1000));
    let head = Head {
        status: inbound.status,
        content_type: inbound.content_type.as_deref(),
        retry_after_ms: inbound.retry_after_ms.or(reset_ms),
        error_type: inbound.error_type.as_deref(),
    };
    let body = beginning(inbound.body).await;
    let mut fault = conceal(backend.dialect.fault(head, &body), credential);
    if is_verbatim && is_of_request(inbound.status) {
        // nothing is said against the provider where what is asked for is not there
        fault.class = Class::BadRequest;
        fault.verbatim = verbatim(inbound.status, inbound.content_type, &body, credential);
    }
    Err(Fault { provider_request_id: inbound.provider_request_id.map(String::into_boxed_str), ..fault })
}

/// Whether a status says that the request is at fault, and not who we are or how much we ask for.
fn is_of_request(status: u16) -> bool {
    matches!(status, 400 | 404..=407 | 409..=428)
}

/// What the client is given as it came; nothing that may have the credential in it, or that is not all there.
fn verbatim(
    status: u16,
    content_type: Option<String>,
    body: &Bytes,
    credential: Option<&Credential>,
) -> Option<Box<Verbatim>> {
    let secret = credential.map(|credential| credential.secret.expose().as_bytes());
    let tells = |secret: &[u8]| !secret.is_empty() && body.windows(secret.len()).any(|part| part == secret);
    let is_whole = body.len() < ERROR_BODY_MAX;
    (is_whole && !secret.is_some_and(tells))
        .then(|| Box::new(Verbatim { status, content_type, body: body.to_vec() }))
}

/// The first bytes of an error's body; where it breaks off, what came has to do.
async fn beginning<B>(mut body: B) -> Bytes
where
    B: futures_core::Stream<Item = Result<Bytes, Fault>> + Unpin,
{
    let mut read = BytesMut::new();
    while let Some(Ok(piece)) = body.next().await {
        let room = ERROR_BODY_MAX.saturating_sub(read.len());
        read.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if read.len() >= ERROR_BODY_MAX {
            break;
        }
    }
    read.freeze()
}
