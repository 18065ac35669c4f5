//! What is wrong with the configuration, in words that hold nothing of what was written.
//!
//! A message is built from fixed words, paths and variable names; never put a value into one.

use std::{error::Error, fmt};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, such as `providers[0].name`, an environment variable, a flag, or the file.
    pub path: String,
    /// The line in the file, from 1, where the value stands in the file.
    pub line: Option<u64>,
    /// What is wrong, to be read after the path: `is empty`.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(path: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, message: message.into(), remedy: remedy.into() }
    }

    pub(crate) fn at(mut self, line: Option<u64>) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.path)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, " {}; {}", self.message, self.remedy)
    }
}

/// Everything that is wrong, at least one thing, one a line when shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// A key somebody wrote, if it looks like a name; a key that may be a misplaced secret is `?`.
pub(crate) fn shown(key: &str) -> &str {
    let is_name = key.len() <= 32
        && key.chars().all(|char| char.is_ascii_alphanumeric() || char == '_' || char == '-')
        && key.chars().filter(char::is_ascii_digit).count() <= 2;
    if is_name { key } else { "?" }
}

/// The path of a key under a path; the root's path is empty.
pub(crate) fn under(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
