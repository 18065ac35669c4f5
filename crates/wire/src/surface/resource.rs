//! Operations on what a provider keeps: which kind of thing is meant, by the path alone.
//!
//! The first place in a path names what belongs to somebody; what lies below that belongs to the same one, and the
//! provider knows whether it is there. Only files in a vector store are things of their own.

use super::{Annex, How, Method, Row};

/// The collections: behind `/v1`, with the word for one thing in it and for the part of the API it is booked under.
const COLLECTIONS: &[(&str, &str, &str)] = &[
    ("/files", "file", "files"),
    ("/uploads", "upload", "uploads"),
    ("/batches", "batch", "batches"),
    ("/fine_tuning/jobs", "fine_tuning_job", "fine_tuning"),
    ("/fine_tuning/checkpoints", "checkpoint", "fine_tuning"),
    ("/evals", "eval", "evals"),
    ("/vector_stores", "vector_store", "vector_stores"),
    ("/assistants", "assistant", "assistants"),
    ("/threads", "thread", "threads"),
    ("/conversations", "conversation", "conversations"),
    ("/chat/completions", "completion", "stored_completions"),
    ("/responses", "response", "stored_responses"),
    // one that was fine-tuned
    ("/models", "checkpoint", "fine_tuning"),
    ("/videos/characters", "character", "videos"),
    ("/videos", "video", "videos"),
    ("/containers", "container", "containers"),
    ("/skills", "skill", "skills"),
    ("/chatkit/sessions", "chatkit_session", "chatkit"),
    ("/chatkit/threads", "chatkit_thread", "chatkit"),
    ("/audio/voice_consents", "consent", "voices"),
    ("/audio/voices", "voice", "voices"),
    ("/content_provenance_checks", "content_provenance_check", "content_provenance_checks"),
];

/// Operations below a collection that make a thing and are named for what they do.
const MAKERS: &[(&str, &str)] =
    &[("/videos/edits", "video"), ("/videos/extensions", "video"), ("/videos/{video_id}/remix", "video")];

/// Operations that are answered here on what the gateway keeps itself.
const HERE: &[(Method, &str)] = &[
    (Method::Post, "/responses/input_tokens"),
    (Method::Get, "/responses/{response_id}"),
    (Method::Delete, "/responses/{response_id}"),
    (Method::Get, "/responses/{response_id}/input_items"),
    (Method::Get, "/files"),
    (Method::Post, "/files"),
    (Method::Get, "/files/{file_id}"),
    (Method::Delete, "/files/{file_id}"),
    (Method::Get, "/files/{file_id}/content"),
    (Method::Get, "/batches"),
    (Method::Post, "/batches"),
    (Method::Get, "/batches/{batch_id}"),
    (Method::Post, "/batches/{batch_id}/cancel"),
];

/// Whether an operation is answered here where the gateway keeps itself what is meant.
pub(super) fn is_answered_here(row: &Row) -> bool {
    HERE.iter().any(|(method, path)| row.method == *method && row.path.strip_prefix("/v1") == Some(path))
}

/// What a row of the table does with what providers keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What its calls are booked under.
    pub family: &'static str,
    /// The kinds of what its path names, in the order of the places; `None` for what lies below another.
    pub named: [Option<&'static str>; 4],
    /// What it makes: the answer's `id` names it.
    pub makes: Option<&'static str>,
    /// What it lists, of everybody's.
    pub lists: Option<&'static str>,
    /// What it deletes: the first thing its path names.
    pub deletes: bool,
    /// Whether its answer is the bytes of something, of whatever kind and size.
    pub is_content: bool,
    /// Whether its answer was generated anew and says what that used.
    pub generates: bool,
}

impl Resource {
    /// What the row does; `None` where its path is in no collection.
    pub fn of(row: &Row) -> Option<Self> {
        let path = row.path.strip_prefix("/v1")?;
        if let How::Optional(annex) = row.how {
            return Some(Self::optional(annex, path));
        }
        if path.starts_with("/organization/") {
            return Some(Self::optional(Annex::Organization, path));
        }
        if path.starts_with("/fine_tuning/alpha/") {
            return Some(Self::plain("fine_tuning"));
        }
        let within = |(collection, _, _): &&(&str, _, _)| {
            path.strip_prefix(collection).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let (collection, kind, family) = COLLECTIONS.iter().find(within)?;
        let below = path.get(collection.len()..).unwrap_or_default();
        let made = MAKERS.iter().find(|(maker, _)| *maker == path).map(|(_, kind)| *kind);
        let mut resource = Self { makes: made, ..Self::plain(family) };
        let places = path.split('/').filter(|segment| segment.starts_with('{'));
        for (at, (slot, place)) in resource.named.iter_mut().zip(places).enumerate() {
            *slot = match (at, *kind, place) {
                (0, kind, _) => Some(kind),
                (_, "vector_store", "{file_id}") => Some("file"),
                _ => None,
            };
        }
        if below.is_empty() {
            match row.method {
                Method::Get => resource.lists = Some(kind),
                Method::Post => resource.makes = Some(kind),
                Method::Put | Method::Patch | Method::Delete => {}
            }
        }
        resource.deletes = row.method == Method::Delete && below.split('/').count() == 2;
        resource.is_content = below.ends_with("/content") && *kind != "vector_store";
        resource.generates = path == "/responses/compact";
        Some(resource)
    }

    /// What stands at a provider's own path: of what it is nothing is known.
    pub const RELAY: Self = Self::plain("relay");

    /// No answer says who begins a call; it is nobody's, as what is managed by OpenAI is.
    fn optional(annex: Annex, path: &str) -> Self {
        let mut resource = Self::plain(annex.as_str());
        resource.named[0] = path.contains("{call_id}").then_some("call");
        resource
    }

    const fn plain(family: &'static str) -> Self {
        Self {
            family,
            named: [None; 4],
            makes: None,
            lists: None,
            deletes: false,
            is_content: false,
            generates: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::SURFACE;

    fn of(method: Method, path: &'static str) -> Resource {
        Resource::of(&Row { method, path, how: How::Relayed }).unwrap()
    }

    #[test]
    fn a_path_says_what_is_made_listed_named_and_deleted() {
        let made = of(Method::Post, "/v1/files");
        assert_eq!((made.makes, made.lists, made.named[0]), (Some("file"), None, None));
        assert_eq!(of(Method::Get, "/v1/fine_tuning/jobs").lists, Some("fine_tuning_job"));
        let content = of(Method::Get, "/v1/files/{file_id}/content");
        assert!(content.is_content && content.named[0] == Some("file") && content.lists.is_none());
        let inner = of(Method::Delete, "/v1/vector_stores/{vector_store_id}/files/{file_id}");
        assert_eq!(inner.named, [Some("vector_store"), Some("file"), None, None]);
        assert!(!inner.deletes && of(Method::Delete, "/v1/files/{file_id}").deletes);
        let own = of(Method::Get, "/v1/containers/{container_id}/files/{file_id}");
        assert_eq!(
            own.named,
            [Some("container"), None, None, None],
            "a file of a container is no other file"
        );
        assert_eq!(of(Method::Post, "/v1/videos/{video_id}/remix").makes, Some("video"));
        assert_eq!(of(Method::Get, "/v1/videos/characters/{character_id}").named[0], Some("character"));
        assert!(of(Method::Get, "/v1/threads/{thread_id}/messages").lists.is_none());
    }

    #[test]
    fn every_relayed_place_belongs_to_something() {
        for row in SURFACE.iter().filter(|row| row.how == How::Kept) {
            let resource = Resource::of(row).unwrap_or_else(|| panic!("{}", row.path));
            let has_places = row.path.contains('{');
            assert_eq!(has_places, resource.named[0].is_some(), "{}", row.path);
            assert!(row.path.matches('{').count() <= resource.named.len(), "{}", row.path);
        }
    }
}
