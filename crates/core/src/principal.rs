//! Who is calling, as proven by a key.

use crate::id::{KeyId, TeamId};

/// The rank of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Manages the gateway; calls no models.
    Admin,
    /// Calls models on behalf of a team.
    App,
}

impl Level {
    /// The word used in tokens, rows and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Admin => "admin",
            Level::App => "app",
        }
    }

    /// The inverse of [`Level::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "admin" => Some(Level::Admin),
            "app" => Some(Level::App),
            _ => None,
        }
    }

    /// Whether a key of this level may call models.
    pub fn may_call_models(self) -> bool {
        matches!(self, Level::App)
    }
}

/// A caller whose key has been verified. There is no default and no anonymous principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub key: KeyId,
    pub level: Level,
    /// The team the key belongs to; admin keys of the platform have none.
    pub team: Option<TeamId>,
}
