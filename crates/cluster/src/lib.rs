//! What several nodes share: limits that each leases a part of.
//!
//! Leases are decided here, by [`nexus_core::lease`], and only kept elsewhere: a [`keeper`] holds texts under names
//! and changes one where it is still what it was. Nothing on a request's way waits for it but a call that needs
//! more than its node has.

pub mod keeper;
pub mod redis;
pub mod round;
pub mod sharing;
pub mod spent;
pub mod table;

#[cfg(test)]
mod tests;
