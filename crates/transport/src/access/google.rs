//! Google's access tokens, made from the key of a service account.
//!
//! Not filled: whatever credential there is, the fault says so.

use nexus_core::fault::Fault;
use nexus_engine::world::Credential;

use super::{Access, Showing, Shown, unusable};

/// Shows an access token for `scope`.
#[expect(clippy::unused_async, reason = "a token has to be asked for")]
pub(super) async fn show<'a>(
    _access: &Access,
    _showing: &Showing<'a>,
    _credential: &'a Credential,
    _scope: &'static str,
) -> Result<Shown<'a>, Fault> {
    Err(unusable("a service account of Google's cannot be used as a credential"))
}
