//! What a session token says it may reach.
//!
//! Texts as they stand in the token: whoever acts on them parses them, and takes one that does not parse for
//! a refusal.

use serde::{Deserialize, Serialize};

/// The bounds a session key bears in itself. An absent one sets no bound; an empty list allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Patterns over model names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Patterns over the names of providers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers: Option<Vec<String>>,
    /// Networks the caller's address may lie in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Requests in the key's whole life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u64>,
    /// What its requests may cost in the key's whole life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_nano_usd: Option<u64>,
}
