//! Stage 5, adapt: the request in the words of the target's vendor.

use nexus_core::{catalogue::Target, refusal::Refusal};
use nexus_providers::dialect::{Ask, Encoded};

use crate::{stage::resolve::Routed, world::Backend};

/// Says the request in the vendor's words; what cannot be said is refused by name.
pub fn adapt(routed: &Routed, target: &Target, backend: &Backend) -> Result<Encoded, Refusal> {
    let asked = &routed.asked;
    let ask = Ask {
        call: &asked.call,
        body: &asked.body,
        request: &asked.request,
        real_model: target.model_for(&routed.to.name),
        site: target.site(),
    };
    backend
        .dialect
        .encode(ask)
        .map_err(|unsayable| Refusal::Unsayable { param: unsayable.param, message: unsayable.message })
}
