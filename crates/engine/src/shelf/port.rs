//! The port behind which things are kept, sealed.

use bytes::Bytes;
use nexus_core::id::{KeyId, TeamId};

use crate::resource::owners::Told;

/// Whose a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `None`: of the keys without a team, together.
    pub team: Option<TeamId>,
    /// The key that made it.
    pub key: KeyId,
}

/// Something on the shelf. It has no `Debug`: nothing of what it says may come into a log.
#[derive(Clone)]
pub struct Thing {
    pub kind: &'static str,
    /// The client's name of it.
    pub id: String,
    /// What it says.
    pub text: Bytes,
    /// Unix milliseconds, as is the next.
    pub made_at_ms: i64,
    pub expires_at_ms: i64,
    /// Whether something is still to be done for it.
    pub is_open: bool,
}

impl Thing {
    /// What it says, as text; empty where it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What stands before it.
    pub after: Option<String>,
    pub is_newest_first: bool,
    pub limit: usize,
    /// Only what this key made.
    pub key: Option<KeyId>,
}

/// A piece of a thing, with its number.
pub type Piece = (i64, Bytes);
pub type Pieces = Vec<Piece>;

/// Where things are kept. Everything is there for good, and on every node, when a call returns.
pub trait Shelf: Send + Sync + 'static {
    /// Puts a thing there as somebody's.
    fn put(&self, owner: Owner, thing: Thing) -> Told<'_, ()>;

    /// A thing that is there.
    fn find<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, Option<Thing>>;

    /// Puts another text in the place of a thing's; says whether it is there.
    fn change(&self, thing: Thing) -> Told<'_, bool>;

    /// The same of one that is open still; says whether it was.
    fn settle(&self, thing: Thing) -> Told<'_, bool>;

    /// Takes a thing away, with its pieces; says whether it was there.
    fn delete<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, bool>;

    /// A part of a team's things of a kind, by their ids, which rise with time.
    fn list(&self, kind: &'static str, team: Option<TeamId>, part: Part) -> Told<'_, Vec<Thing>>;

    /// Adds pieces to a thing; those whose numbers are there already stay as they are. Says how many were added.
    fn add<'a>(&'a self, kind: &'static str, id: &'a str, pieces: Pieces) -> Told<'a, usize>;

    /// At most so many pieces of a thing, from a number on.
    fn pieces<'a>(&'a self, kind: &'static str, id: &'a str, from: i64, limit: usize) -> Told<'a, Pieces>;

    /// The numbers of all its pieces.
    fn numbers<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, Vec<i64>>;

    /// Takes all its pieces away.
    fn clear<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, ()>;
}
