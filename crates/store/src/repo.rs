//! One file a kind of row: its record, and what can be done with it.
//!
//! Every function takes the connection of a [`crate::Store::read`] or [`crate::Store::write`], so several
//! of them make one transaction. Ids and the time are arguments: nothing in here rolls dice or reads a
//! clock.

pub mod key;
pub mod provider;
pub mod route;
pub mod setting;
pub mod team;
pub mod usage;

/// What applying a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Created,
    Updated,
    /// The row said all this already; nothing was written.
    Unchanged,
}
