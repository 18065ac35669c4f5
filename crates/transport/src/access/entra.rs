//! Tokens of Microsoft Entra, made from the secret of an application.
//!
//! What is a key and no application goes into the header of the vendor's name. Applications are not filled: the
//! fault says so.

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;

use super::{Access, Showing, Shown, unusable};

/// Shows a key in the header, or an application's token for `scope` as a bearer.
#[expect(clippy::unused_async, reason = "a token has to be asked for")]
pub(super) async fn show<'a>(
    _access: &Access,
    _showing: &Showing<'a>,
    credential: &'a Credential,
    header: &'static str,
    _scope: &'static str,
) -> Result<Shown<'a>, Fault> {
    if credential.secret.expose().trim_start().starts_with('{') {
        return Err(unusable("an application of Microsoft Entra cannot be used as a credential"));
    }
    Ok(Shown::key(header, credential))
}
