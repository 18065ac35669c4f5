//! Part of stage 2: what becomes of a request whose structure looks like an attack. Its team decides.

use nexus_core::{principal::Principal, refusal::Refusal, snapshot::ShieldMode};

use crate::{
    arrival::Head,
    port::{Denied, Noted},
    shared::Shared,
    world::World,
};

/// Notes an attack, and refuses the request where the team wants that.
pub fn judge(head: &Head<'_>, caller: &Principal, world: &World, shared: &Shared) -> Result<(), Refusal> {
    let Some(suspicion) = &head.suspicion else { return Ok(()) };
    let mode = world.snapshot.shield(caller.team);
    if mode == ShieldMode::Off {
        return Ok(());
    }
    shared.trail.note(Noted::Attacked {
        kind: suspicion.kind,
        position: suspicion.position,
        evidence: suspicion.evidence.clone(),
        by: Denied {
            reason: mode.as_str(),
            key: Some(caller.key),
            team: caller.team,
            address: head.line.address,
        },
    });
    match mode {
        ShieldMode::Block => Err(Refusal::Hostile { position: suspicion.position }),
        ShieldMode::Flag | ShieldMode::Off => Ok(()),
    }
}
