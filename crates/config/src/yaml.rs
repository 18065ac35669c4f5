//! YAML as a tree that remembers its lines, read within a budget.
//!
//! The parser's own error texts quote the source, so none of them is passed on: an error here is fixed
//! words and a line.

use std::fmt;

use figment::value::{Empty, Value};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Error, Options, Spanned};

use crate::problem::Problem;

/// The largest file, in bytes.
pub(crate) const FILE_MAX_BYTES: usize = 1 << 20;

/// Something written, and the line it begins on.
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) written: Written,
}

pub(crate) enum Written {
    /// Nothing, as in `key:`.
    Nothing,
    Scalar(Value),
    List(Vec<Node>),
    /// In the order of the file; the key's own line.
    Map(Vec<(String, u64, Node)>),
}

/// Reads one document. `name` is what the problem calls it.
pub(crate) fn parse(text: &str, name: &str) -> Result<Node, Problem> {
    if text.len() > FILE_MAX_BYTES {
        return Err(too_large(name));
    }
    parse_as(text).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let (message, remedy) = explain(error.without_snippet());
        Problem::new(name, message, remedy).at(line)
    })
}

pub(crate) fn too_large(name: &str) -> Problem {
    Problem::new(name, "is larger than 1 MiB", "keep settings here and provider lists in the database")
}

fn parse_as<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options())
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 32,
            max_documents: 2,
            max_anchors: 100,
            max_aliases: 1_000,
            max_total_scalar_bytes: FILE_MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

fn explain(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::AliasError { error, .. } => explain(error),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            "is too deep, too long, or repeats itself too often",
            "write it flat, with fewer anchors and aliases",
        ),
        Error::DuplicateMappingKey { .. } => ("has a key twice in one place", "leave one of the two"),
        Error::MultipleDocuments { .. } => ("holds more than one document", "leave one, without `---` lines"),
        Error::UnknownAnchor { .. } => ("refers to an anchor that is not there", "write the value out"),
        _ => ("is not valid YAML", "look for a missing quote, colon or indent at this line or above"),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Written>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), written: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_none<E>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Written, E> {
        Ok(Written::Scalar(value.into()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Written, E> {
        Ok(Written::Scalar(Value::from(Empty::Unit)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push((key.value, key.referenced.line(), value));
        }
        Ok(Written::Map(map))
    }
}
