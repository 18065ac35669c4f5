//! Every dialect by the name configuration knows it by.

use crate::{
    compat::{self, Vendor},
    dialect::{
        Dialect, anthropic::Anthropic, azure::Azure, bedrock::Bedrock, cohere::Cohere, gemini::Gemini,
        ollama::Ollama, vertex::Vertex,
    },
};

/// What a person must know to configure a provider of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Empty where a provider of this kind must give its `endpoint`.
    pub base_url: &'static str,
    /// The environment variables its key is usually kept in, the usual one first.
    pub key_variables: &'static [&'static str],
    /// Runs on the operator's own machines: needs `allow_private_network`, and often no key.
    pub is_local: bool,
}

/// The dialects that are not rows of the compatible table.
pub(crate) const NATIVE: &[(Kind, &dyn Dialect)] = &[
    (
        Kind {
            id: Anthropic::ID,
            name: Anthropic::NAME,
            base_url: Anthropic::BASE_URL,
            key_variables: Anthropic::KEY_VARIABLES,
            is_local: false,
        },
        &Anthropic,
    ),
    (
        Kind {
            id: Azure::ID,
            name: Azure::NAME,
            base_url: "",
            key_variables: Azure::KEY_VARIABLES,
            is_local: false,
        },
        &Azure,
    ),
    (
        Kind {
            id: Bedrock::ID,
            name: Bedrock::NAME,
            base_url: Bedrock::BASE_URL,
            key_variables: Bedrock::KEY_VARIABLES,
            is_local: false,
        },
        &Bedrock,
    ),
    (
        Kind {
            id: Cohere::ID,
            name: Cohere::NAME,
            base_url: Cohere::BASE_URL,
            key_variables: Cohere::KEY_VARIABLES,
            is_local: false,
        },
        &Cohere,
    ),
    (
        Kind {
            id: Ollama::ID,
            name: Ollama::NAME,
            base_url: Ollama::BASE_URL,
            key_variables: Ollama::KEY_VARIABLES,
            is_local: true,
        },
        &Ollama,
    ),
    (
        Kind {
            id: Gemini::ID,
            name: Gemini::NAME,
            base_url: Gemini::BASE_URL,
            key_variables: Gemini::KEY_VARIABLES,
            is_local: false,
        },
        &Gemini,
    ),
    (
        Kind {
            id: Vertex::ID,
            name: Vertex::NAME,
            base_url: Vertex::BASE_URL,
            key_variables: Vertex::KEY_VARIABLES,
            is_local: false,
        },
        &Vertex,
    ),
];

/// The dialect of this kind, if there is one.
pub fn dialect(kind: &str) -> Option<&'static dyn Dialect> {
    let native = NATIVE.iter().find(|(known, _)| known.id == kind).map(|(_, dialect)| *dialect);
    native.or_else(|| vendors().iter().find(|vendor| vendor.id == kind).map(|vendor| vendor as &dyn Dialect))
}

/// Every kind there is a dialect for, in the order they are shown.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let compatible = vendors().iter().map(|vendor| Kind {
        id: vendor.id,
        name: vendor.name,
        base_url: vendor.base_url,
        key_variables: vendor.key_variables,
        is_local: vendor.is_local,
    });
    compatible.chain(NATIVE.iter().map(|(kind, _)| *kind))
}

/// The vendors that speak OpenAI, in the order they are shown.
pub fn vendors() -> &'static [Vendor] {
    compat::VENDORS
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use nexus_core::endpoint::Endpoint;

    use super::*;

    #[test]
    fn every_kind_has_a_dialect_of_its_id_and_an_endpoint_that_can_be_used() {
        let mut ids = HashSet::new();
        for kind in kinds() {
            assert!(ids.insert(kind.id), "{} twice", kind.id);
            assert_eq!(dialect(kind.id).map(|dialect| dialect.id()), Some(kind.id));
            let is_everywhere = ["custom", "azure"].contains(&kind.id);
            assert_eq!(is_everywhere, kind.base_url.is_empty(), "{}", kind.id);
            assert!(is_everywhere || Endpoint::parse(kind.base_url).is_ok(), "{}", kind.id);
        }
    }
}
