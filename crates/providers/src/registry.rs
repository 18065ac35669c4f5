//! Every dialect by the name configuration knows it by.

mod option;

pub use self::option::{Form, Known};
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
    /// A template of an endpoint; empty where a provider of this kind must give its `endpoint`.
    pub base_url: &'static str,
    /// The environment variables its key is usually kept in, the usual one first.
    pub key_variables: &'static [&'static str],
    /// Runs on the operator's own machines: needs `allow_private_network`, and often no key.
    pub is_local: bool,
    /// What it takes under `options` that others do not.
    pub options: &'static [Known],
}

/// How often a provider is asked for its list of models, to see how it is.
pub const HEALTH_CHECK: &str = "health_check_s";

/// How long a stream is read on after its client has left, in seconds.
pub const READ_ON_S: &str = "read_on_s";

/// How much of it, in KiB.
pub const READ_ON_KIB: &str = "read_on_kib";

/// What every kind takes under `options`.
pub const COMMON: &[Known] = &[
    Known::optional(
        HEALTH_CHECK,
        Form::OneOf(&["5", "10", "15", "30", "60", "120", "300", "600"]),
        "seconds between two looks at the vendor's list of models, which cost nothing, to see how it is; off where it is left away",
    ),
    Known::optional(
        READ_ON_S,
        Form::OneOf(&["1", "5", "10", "15", "30", "60", "120", "300", "600"]),
        "seconds a stream is read on after its client has left, to hear what the provider says of its usage; where it is left away the provider is left at once, and what came is counted here",
    ),
    Known::optional(
        READ_ON_KIB,
        Form::OneOf(&["16", "64", "256", "1024", "4096", "16384"]),
        "KiB of a stream that are read on beside `read_on_s`; 1024 where it is left away",
    ),
];

impl Kind {
    /// What it takes under `options`, what every kind takes included.
    pub fn all_options(&self) -> impl Iterator<Item = &'static Known> {
        self.options.iter().chain(COMMON)
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&'static Known> {
        self.all_options().find(|known| known.name == name)
    }
}

/// The dialects that are not rows of the compatible table.
pub(crate) const NATIVE: &[(Kind, &dyn Dialect)] = &[
    (Anthropic::KIND, &Anthropic),
    (Azure::KIND, &Azure),
    (Bedrock::KIND, &Bedrock),
    (Cohere::KIND, &Cohere),
    (Ollama::KIND, &Ollama),
    (Gemini::KIND, &Gemini),
    (Vertex::KIND, &Vertex),
];

/// The dialect of this kind, if there is one.
pub fn dialect(kind: &str) -> Option<&'static dyn Dialect> {
    let native = NATIVE.iter().find(|(known, _)| known.id == kind).map(|(_, dialect)| *dialect);
    native.or_else(|| vendors().iter().find(|vendor| vendor.id == kind).map(|vendor| vendor as &dyn Dialect))
}

/// The kind of this id.
pub fn kind(id: &str) -> Option<Kind> {
    kinds().find(|kind| kind.id == id)
}

/// Every kind there is a dialect for, in the order they are shown.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let compatible = vendors().iter().map(|vendor| Kind {
        id: vendor.id,
        name: vendor.name,
        base_url: vendor.base_url,
        key_variables: vendor.key_variables,
        is_local: vendor.is_local,
        options: &[],
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

    use nexus_core::endpoint::Template;

    use super::*;

    #[test]
    fn every_kind_has_a_dialect_of_its_id_and_an_endpoint_that_can_be_used() {
        let mut ids = HashSet::new();
        for kind in kinds() {
            assert!(ids.insert(kind.id), "{} twice", kind.id);
            assert_eq!(dialect(kind.id).map(|dialect| dialect.id()), Some(kind.id));
            assert_eq!(kind.id == "custom", kind.base_url.is_empty(), "{}", kind.id);
            if kind.base_url.is_empty() {
                continue;
            }
            let template = Template::parse(kind.base_url).unwrap();
            assert_eq!(template.to_string(), kind.base_url);
            assert!(template.places().all(|(place, _)| kind.option(place).is_some()), "{}", kind.id);
        }
    }

    #[test]
    fn every_option_has_a_name_of_its_own_and_says_what_it_is() {
        for kind in kinds() {
            let mut names = HashSet::new();
            for Known { name, meaning, .. } in kind.all_options() {
                assert!(names.insert(name), "{} has {name} twice", kind.id);
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
                assert!(!meaning.is_empty() && !meaning.ends_with('.'), "{name}");
            }
        }
    }
}
