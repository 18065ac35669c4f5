//! The parts of OpenAI's API that are not served unless an operator says so.

/// A part that the gateway can pass on, but not keep apart by teams or book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Annex {
    /// OpenAI's own organisations and projects.
    Organization,
    /// Realtime sessions whose sound and pictures go past the gateway.
    Realtime,
}

impl Annex {
    pub const ALL: [Self; 2] = [Self::Organization, Self::Realtime];

    /// The word in settings, and what its calls are booked under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Realtime => "realtime",
        }
    }

    /// Why it is not served by itself, and what to do instead.
    pub fn why_not(self) -> &'static str {
        match self {
            Self::Organization => {
                "organisations and projects are managed by OpenAI only; manage teams, keys, people and quotas under `/admin/v1`"
            }
            Self::Realtime => {
                "realtime sessions are not served; use `/v1/chat/completions` with audio, or `/v1/audio`"
            }
        }
    }

    /// What an operator must know who lets it be served.
    pub fn what_it_means(self) -> &'static str {
        match self {
            Self::Organization => {
                "passed on for admin keys that may change the whole installation; the default provider's credential must be an admin key of OpenAI's"
            }
            Self::Realtime => {
                "what is said in such a session goes past the gateway: it is neither booked nor held to a quota, and the secrets that are given out are the provider's own"
            }
        }
    }
}
