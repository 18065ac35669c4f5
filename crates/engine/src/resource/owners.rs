//! Who has made what at which provider: the port behind which that is kept.

use futures_core::future::BoxFuture;
use nexus_core::{
    id::TeamId,
    refusal::Refusal,
    resource::{Home, Owned},
};

/// It cannot be looked up or noted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnersAway;

impl From<OwnersAway> for Refusal {
    fn from(OwnersAway: OwnersAway) -> Self {
        Refusal::OwnersAway
    }
}

pub type Told<'a, T> = BoxFuture<'a, Result<T, OwnersAway>>;

/// Who has made what. A thing is known by its kind, its id and where it lives.
pub trait Owners: Send + Sync + 'static {
    /// Whatever is known of these kinds and ids, of every team and wherever it lives.
    fn find<'a>(&'a self, named: &'a [(&'a str, &'a str)]) -> Told<'a, Vec<Owned>>;

    /// Makes things somebody's, for good when this returns. What is somebody's already stays theirs.
    fn keep(&self, owned: Vec<Owned>) -> Told<'_, ()>;

    /// The same, known here at once and for good in a moment. Never waits: what cannot be taken is dropped.
    fn keep_soon(&self, owned: Owned);

    /// A thing is gone.
    fn forget<'a>(&'a self, kind: &'a str, id: &'a str, home: Home) -> Told<'a, ()>;

    /// Where a team has things of a kind, and how many: in the same order each time.
    fn homes<'a>(&'a self, kind: &'a str, team: Option<TeamId>) -> Told<'a, Vec<(Home, u64)>>;
}
