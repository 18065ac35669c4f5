//! Stage 4, select: the order in which the route's targets are to be tried.

use nexus_core::{failover::Plan, refusal::Refusal, select};

use crate::{port::Dice, stage::resolve::Routed, world::World};

/// A plan over the targets this world can speak to and the caller may use, by weight. A model of which the
/// caller may use no provider does not exist for it.
pub fn select(routed: &Routed, world: &World, dice: &dyn Dice, attempts: u32) -> Result<Plan, Refusal> {
    let mut targets = select::order(&routed.route, |bound| dice.roll(bound));
    targets.retain(|target| world.backend(target).is_some());
    let rights = world.snapshot.rights(&routed.caller);
    if rights.is_bound_to_providers() && !targets.is_empty() {
        targets.retain(|target| rights.may_use(&target.provider.name));
        if targets.is_empty() {
            return Err(Refusal::UnknownModel { model: routed.asked.call.alias.clone() });
        }
    }
    Ok(Plan::new(targets, attempts))
}
