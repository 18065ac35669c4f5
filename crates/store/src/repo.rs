//! One file a kind of row: its record, and what can be done with it.
//!
//! Every function takes the connection of a [`crate::Store::read`] or [`crate::Store::write`], so several
//! of them make one transaction. Ids and the time are arguments: nothing in here rolls dice or reads a
//! clock.

pub mod alert;
pub mod anomaly;
pub mod audit;
pub mod baseline;
pub mod bill;
pub mod content;
pub mod credential;
pub mod data_key;
pub mod idempotency;
pub mod job;
pub mod key;
pub mod key_address;
pub mod node;
pub mod price;
pub mod provider;
pub mod quota;
pub mod reprice;
pub mod resource;
pub mod revision;
pub mod route;
pub mod rule;
pub mod setting;
pub mod shared_text;
pub mod shelf;
pub mod team;
pub mod usage;
pub mod user;
pub mod user_session;
pub mod webhook;

/// What applying a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Created,
    Updated,
    /// The row said all this already; nothing was written.
    Unchanged,
}

/// A part of a list whose rows are ordered by the time they were made and, at the same time, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Time and id of the last row of the page before; `None` for the first page.
    pub after: Option<(i64, String)>,
    pub limit: u32,
}

/// What changing a row did, where the caller says which version of it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed<T> {
    /// The row as it is now.
    Now(T),
    /// Somebody else changed the row since; nothing was written.
    Stale,
    /// There is no such row, or none the caller may see.
    Unknown,
}

/// `rows`: how many a statement changed that asked for the version; `now`: the row as it is after it.
fn changed<T>(rows: usize, now: Option<T>) -> Changed<T> {
    match now {
        None => Changed::Unknown,
        Some(_) if rows == 0 => Changed::Stale,
        Some(now) => Changed::Now(now),
    }
}

/// What is to be different about how much may pass; what is `None` stays, `Some(None)` takes a bound away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundsChange {
    pub requests: Option<Option<u32>>,
    pub tokens: Option<Option<u32>>,
    pub concurrent: Option<Option<u32>>,
}

/// A number as wide as its column.
fn wide(number: Option<u32>) -> Option<i64> {
    number.map(i64::from)
}

/// What deleting a row did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    Now,
    /// There is no such row, or none the caller may see.
    Unknown,
}

impl Removed {
    fn of(rows: usize) -> Self {
        if rows == 0 { Removed::Unknown } else { Removed::Now }
    }
}
