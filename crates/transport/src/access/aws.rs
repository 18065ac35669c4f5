//! Requests signed as AWS wants them, and keys of Bedrock's own shown as they are.
//!
//! Signing is not filled: for an access key the fault says so.

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;

use super::{Access, Showing, Shown, unusable};

/// Signs a request to `service`, or shows an API key as a bearer.
#[expect(clippy::unused_async, reason = "short-lived keys have to be asked for")]
pub(super) async fn show<'a>(
    _access: &Access,
    _showing: &Showing<'a>,
    credential: &'a Credential,
    _service: &'static str,
) -> Result<Shown<'a>, Fault> {
    if credential.secret.expose().trim_start().starts_with('{') {
        return Err(unusable("an access key of AWS cannot be used as a credential"));
    }
    Ok(Shown::bearer(credential))
}
