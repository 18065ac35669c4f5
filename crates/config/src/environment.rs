//! The environment as a value: what the process was given, or what a test says.
//!
//! It holds secrets and therefore has no `Debug`. The root secrets are read here, beside the layers, so
//! that they never pass through a value that a library might print.

use std::collections::BTreeMap;

use crate::{plain::Plain, problem::Problem};

/// A root secret must have this many bytes.
pub const ROOT_SECRET_MIN_BYTES: usize = 32;
const SECRET_KEY: &str = "NEXUS_SECRET_KEY";
const DB_ENCRYPTION_KEY: &str = "DB_ENCRYPTION_KEY";

/// Environment variables, by name.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// The root secrets.
pub struct Roots {
    /// `NEXUS_SECRET_KEY`: the keys that sign tokens are derived from it.
    pub secret_key: Option<Plain>,
    /// `DB_ENCRYPTION_KEY`: it wraps the keys that seal credentials.
    pub db_encryption_key: Option<Plain>,
}

/// What it means that a root secret is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A problem.
    Refused,
    /// `--debug`: the caller makes a throw-away one and says so.
    Allowed,
}

/// Why a text with `${VARIABLE}` in it could not be resolved: message and remedy.
pub(crate) type Unresolved = (String, String);

impl Environment {
    /// The process's own. Variables that are no UTF-8 are left out.
    pub fn from_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable's text without white space around it. An empty variable is one that is not set.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// Every variable that is set, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().filter_map(|name| Some((name.as_str(), self.text(name)?)))
    }

    /// The root secrets. One that is too short is a problem in every case.
    pub fn roots(&self, absence: Absence) -> Result<Roots, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut root = |name: &str| match (self.text(name), absence) {
            (None, Absence::Allowed) => None,
            (text, _) => root(text, name).map_err(|problem| problems.push(problem)).ok(),
        };
        let roots = Roots { secret_key: root(SECRET_KEY), db_encryption_key: root(DB_ENCRYPTION_KEY) };
        if problems.is_empty() { Ok(roots) } else { Err(problems) }
    }

    /// The root secret in a variable the operator names.
    pub fn root(&self, name: &str) -> Result<Plain, Problem> {
        if !is_variable(name) {
            let message = "is not the name of a variable, in capital letters, digits and `_`";
            return Err(Problem::new("?", message, "give the variable's name, never the secret itself"));
        }
        root(self.text(name), name)
    }

    /// The text with every `${VARIABLE}` in it replaced, once; what comes out is not looked at again.
    pub(crate) fn resolve(&self, text: &str) -> Result<String, Unresolved> {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let named = after.split_once('}').filter(|(name, _)| is_variable(name));
            let Some((name, after)) = named else {
                let message = "has a `${` that no variable's name and `}` follow".to_owned();
                return Err((message, "write `${VARIABLE}`, in capital letters, digits and `_`".to_owned()));
            };
            let Some(value) = self.text(name) else {
                return Err((
                    format!("refers to `${{{name}}}`, which is not set"),
                    format!("set the variable `{name}`"),
                ));
            };
            resolved.push_str(before);
            resolved.push_str(value);
            rest = after;
        }
        resolved.push_str(rest);
        if resolved.chars().any(char::is_control) {
            let message = "becomes more than one line with its variables".to_owned();
            return Err((message, "take line breaks and control characters out of the variable".to_owned()));
        }
        Ok(resolved)
    }
}

/// A root secret that is long enough.
fn root(text: Option<&str>, name: &str) -> Result<Plain, Problem> {
    let short = || format!("is shorter than {ROOT_SECRET_MIN_BYTES} bytes");
    let message = match text {
        Some(text) if text.len() >= ROOT_SECRET_MIN_BYTES => return Ok(Plain::new(text.to_owned())),
        text => text.map_or_else(|| "is not set".to_owned(), |_| short()),
    };
    Err(Problem::new(name, message, "make one with `openssl rand -base64 32` and keep it safe"))
}

/// Whether this is a variable's name. Only names in capitals are, because names are shown in problems
/// and a secret that stands in the place of one must not be.
pub(crate) fn is_variable(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|char: char| char.is_ascii_uppercase() || char == '_')
        && name.chars().all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn root_secrets_are_there_and_long_enough_or_the_variable_is_named() {
        for (secret_key, encryption_key, absence, expected) in [
            (Some(LONG), Some(LONG), Absence::Refused, Ok((true, true))),
            (None, None, Absence::Allowed, Ok((false, false))),
            (Some(LONG), Some("  "), Absence::Allowed, Ok((true, false))),
            (None, Some(LONG), Absence::Refused, Err(vec![(SECRET_KEY, "is not set")])),
            (
                Some(&LONG[1..]),
                Some(LONG),
                Absence::Allowed,
                Err(vec![(SECRET_KEY, "is shorter than 32 bytes")]),
            ),
            (
                Some(""),
                Some("short"),
                Absence::Refused,
                Err(vec![(SECRET_KEY, "is not set"), (DB_ENCRYPTION_KEY, "is shorter than 32 bytes")]),
            ),
        ] {
            let pairs = [(SECRET_KEY, secret_key), (DB_ENCRYPTION_KEY, encryption_key)];
            let environment =
                Environment::from_pairs(pairs.into_iter().filter_map(|(name, text)| Some((name, text?))));
            match (environment.roots(absence), expected) {
                (Ok(roots), Ok(there)) => {
                    assert_eq!((roots.secret_key.is_some(), roots.db_encryption_key.is_some()), there);
                }
                (Err(problems), Err(expected)) => {
                    let seen: Vec<_> =
                        problems.iter().map(|p| (p.path.as_str(), p.message.as_str())).collect();
                    assert_eq!(seen, expected);
                    assert!(
                        problems.iter().all(|problem| problem.remedy.contains("openssl rand -base64 32"))
                    );
                }
                (got, expected) => panic!("{} where {expected:?} was expected", got.is_ok()),
            }
        }
    }

    #[test]
    fn references_are_resolved_once_and_never_shown_by_value() {
        let environment = Environment::from_pairs([
            ("KEY", " sk-1\n"),
            ("HOST", "h"),
            ("LOOP", "${KEY}"),
            ("LINES", "a\nb"),
            ("EMPTY", ""),
        ]);
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("${KEY}", Ok("sk-1")),
            ("https://${HOST}.example/${HOST}", Ok("https://h.example/h")),
            ("${LOOP}", Ok("${KEY}")),
            ("$KEY {x} $", Ok("$KEY {x} $")),
            ("${NONE}", Err("refers to `${NONE}`, which is not set")),
            ("${EMPTY}", Err("refers to `${EMPTY}`, which is not set")),
            ("${KEY", Err("has a `${` that no variable's name and `}` follow")),
            ("${sk-secret}", Err("has a `${` that no variable's name and `}` follow")),
            ("${}", Err("has a `${` that no variable's name and `}` follow")),
            ("${LINES}", Err("becomes more than one line with its variables")),
        ] {
            let resolved = environment.resolve(text).map_err(|(message, _)| message);
            assert_eq!(resolved, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
