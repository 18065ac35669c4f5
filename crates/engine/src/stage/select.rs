//! Stage 4, select: the order in which the route's targets are to be tried.

use nexus_core::{failover::Plan, select};

use crate::{port::Dice, stage::resolve::Routed, world::World};

/// A plan over the targets this world can speak to, by weight.
pub fn select(routed: &Routed, world: &World, dice: &dyn Dice, attempts: u32) -> Plan {
    let mut targets = select::order(&routed.route, |bound| dice.roll(bound));
    targets.retain(|target| world.backend(target).is_some());
    Plan::new(targets, attempts)
}
