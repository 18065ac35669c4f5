//! Who is calling, as proven by a key.

use std::sync::Arc;

use crate::{
    id::{KeyId, TeamId},
    scope::Scope,
};

/// The rank of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Manages the gateway; calls no models.
    Admin,
    /// Calls models on behalf of a team.
    App,
    /// Calls models for a short time, within the rights of the application key it was made from.
    Session,
}

impl Level {
    /// Every level.
    pub const ALL: [Level; 3] = [Level::Admin, Level::App, Level::Session];

    /// The word used in tokens, rows and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Admin => "admin",
            Level::App => "app",
            Level::Session => "session",
        }
    }

    /// The inverse of [`Level::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Level::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// Whether a key of this level may call models.
    pub fn may_call_models(self) -> bool {
        matches!(self, Level::App | Level::Session)
    }
}

/// A caller whose key has been verified. There is no default and no anonymous principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub key: KeyId,
    pub level: Level,
    /// The team the key belongs to; admin keys of the platform have none.
    pub team: Option<TeamId>,
    /// The application key a session key was made from; it falls with it.
    pub parent: Option<KeyId>,
    /// What the key itself says it may reach: a session key bears its own scope, the others' stand in the
    /// snapshot.
    pub scope: Option<Arc<Scope>>,
    /// Whether the key, or a session key's parent, must be known to the snapshot: something bounds it.
    pub is_bound: bool,
    /// How many requests a session key is good for.
    pub allowance: Option<Allowance>,
    /// How much a session key may cost.
    pub budget: Option<Budget>,
}

/// An amount, to be spent before a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub nano_usd: u64,
    /// When the key ends, Unix seconds.
    pub until_s: u64,
}

/// A number of requests, to be made before a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub requests: u64,
    /// When the key ends, Unix seconds.
    pub until_s: u64,
}
