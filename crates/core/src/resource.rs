//! What lives at a provider and belongs to who made it: files, batches, vector stores and their like.

use crate::id::{CredentialId, KeyId, ProviderId, TeamId, Uuid};

/// The parts of OpenAI's API that keep something, as calls of them are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Files,
    Uploads,
    Batches,
    FineTuning,
    Evals,
    VectorStores,
    Assistants,
    Threads,
    Conversations,
    /// Chats that were kept.
    Completions,
    /// Responses that were kept.
    Responses,
    Videos,
    Containers,
    Skills,
    Chatkit,
    Voices,
    Provenance,
    /// OpenAI's own organisations and projects.
    Organization,
    /// Realtime sessions that go past the gateway.
    Realtime,
    /// What stands at a provider's own paths.
    Relay,
}

impl Family {
    pub const ALL: [Self; 20] = [
        Self::Files,
        Self::Uploads,
        Self::Batches,
        Self::FineTuning,
        Self::Evals,
        Self::VectorStores,
        Self::Assistants,
        Self::Threads,
        Self::Conversations,
        Self::Completions,
        Self::Responses,
        Self::Videos,
        Self::Containers,
        Self::Skills,
        Self::Chatkit,
        Self::Voices,
        Self::Provenance,
        Self::Organization,
        Self::Realtime,
        Self::Relay,
    ];

    /// The name in ledger rows, and the model a call of it counts as for keys that are bound to models.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Uploads => "uploads",
            Self::Batches => "batches",
            Self::FineTuning => "fine_tuning",
            Self::Evals => "evals",
            Self::VectorStores => "vector_stores",
            Self::Assistants => "assistants",
            Self::Threads => "threads",
            Self::Conversations => "conversations",
            Self::Completions => "stored_completions",
            Self::Responses => "stored_responses",
            Self::Videos => "videos",
            Self::Containers => "containers",
            Self::Skills => "skills",
            Self::Chatkit => "chatkit",
            Self::Voices => "voices",
            Self::Provenance => "content_provenance_checks",
            Self::Organization => "organization",
            Self::Realtime => "realtime",
            Self::Relay => "relay",
        }
    }

    /// The inverse of [`Family::as_str`].
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == word)
    }
}

/// Where a resource lives: whoever asks for it again asks there, with the same credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    pub provider: ProviderId,
    /// `None` where the provider has none.
    pub credential: Option<CredentialId>,
}

impl Home {
    /// The home of what no provider keeps: it lies on the gateway's own shelf.
    pub const HERE: Self = Self { provider: ProviderId(Uuid::nil()), credential: None };
}

/// A resource and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// A word for what it is, such as `file`.
    pub kind: Box<str>,
    /// The provider's name of it, which is the client's too.
    pub id: Box<str>,
    pub home: Home,
    /// `None`: of the keys that belong to no team, together.
    pub team: Option<TeamId>,
    /// The key that made it.
    pub key: KeyId,
    /// Unix milliseconds.
    pub made_at_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_known_by_its_word() {
        for family in Family::ALL {
            assert_eq!(Family::of_word(family.as_str()), Some(family));
        }
        assert_eq!(Family::of_word("chats"), None);
    }
}
