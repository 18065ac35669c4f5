//! Every operation of OpenAI's API, one row each, and how it is answered here.
//!
//! The rows are of the specification of August 2026. The gateway's routes and the page on coverage are made from them,
//! so that none is forgotten and none is served that does not stand here.

mod annex;
mod page;
mod resource;
mod table;

use std::fmt;

pub use self::{annex::Annex, page::coverage_markdown, resource::Resource, table::SURFACE};

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Whether a request of it may have a body.
    pub fn takes_body(self) -> bool {
        matches!(self, Method::Post | Method::Put | Method::Patch)
    }

    /// `None` where it is none of these.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str() == word)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an operation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Routed by the model's name, translated and booked; or answered from what the gateway knows itself.
    Native,
    /// Passed on in its own words to a provider that has it, and booked.
    Relayed,
    /// Passed on in its own words to the provider that keeps what is meant, where that is the caller's.
    Kept,
    /// Of a part that is passed on to the default provider where `also_serve` names it, and not served otherwise.
    Optional(Annex),
}

impl How {
    /// The word in the page on coverage, of an operation that is always answered so.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Native => "native",
            How::Relayed | How::Kept => "relayed",
            How::Optional(_) => "optional",
        }
    }
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub method: Method,
    /// What stands in braces is one segment.
    pub path: &'static str,
    pub how: How,
}

impl Row {
    /// The word in the page on coverage.
    pub fn word(&self) -> &'static str {
        if self.how == How::Kept && resource::is_answered_here(self) { "either" } else { self.how.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_operation_stands_there_twice_and_whatever_may_be_refused_says_what_to_do() {
        let mut seen = HashSet::new();
        for Row { method, path, how } in SURFACE {
            assert!(seen.insert((method, path)), "{method} {path} twice");
            assert!(path.starts_with("/v1/") && !path.ends_with('/'), "{path}");
            if let How::Optional(annex) = how {
                let why = annex.why_not();
                assert!(why.contains(';') && !why.ends_with('.'), "{path}: {why}");
            }
        }
    }

    #[test]
    fn the_page_on_coverage_is_current() {
        assert_eq!(
            include_str!("../../../docs/openai-coverage.md").trim_end(),
            coverage_markdown().trim_end(),
            "write it anew: `cargo xtask docs`"
        );
    }

    /// The specification where it lies beside the checkout.
    #[test]
    fn every_operation_of_the_specification_is_there_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/openai-openapi.yaml");
        let Ok(text) = std::fs::read_to_string(path) else { return println!("openai-openapi.yaml: absent") };
        let rows: HashSet<String> = SURFACE
            .iter()
            .map(|row| format!("{} {}", row.method, plain(row.path.trim_start_matches("/v1"))))
            .collect();
        let said = operations(&text);
        let forgotten: Vec<_> = said.difference(&rows).collect();
        let more: Vec<_> = rows.difference(&said).collect();
        assert!(forgotten.is_empty() && more.is_empty(), "forgotten {forgotten:?}, not there {more:?}");
        println!("openai-openapi.yaml: {} operations", said.len());
    }

    /// A path with its places unnamed; kinds of usage are one row.
    fn plain(path: &str) -> String {
        let kind = path.strip_prefix("/organization/usage/").map(|_| "/organization/usage/{kind}");
        let segments = kind.unwrap_or(path).split('/');
        let plain = segments.map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        plain.collect::<Vec<_>>().join("/")
    }

    /// The operations under `paths`, by how far their lines are indented; the same path with a query is the same.
    fn operations(text: &str) -> HashSet<String> {
        let lines = text.lines().skip_while(|line| *line != "paths:").skip(1);
        let lines = lines.take_while(|line| line.starts_with(' ') || line.is_empty());
        let (mut path, mut found) = (String::new(), HashSet::new());
        for line in lines {
            let name = line.trim().trim_end_matches(':').trim_matches(['"', '\'']);
            match line.len() - line.trim_start().len() {
                2 if name.starts_with('/') => path = plain(name.split('?').next().unwrap_or(name)),
                4 if ["get", "post", "delete", "put", "patch"].contains(&name) => {
                    found.insert(format!("{} {path}", name.to_ascii_uppercase()));
                }
                _ => {}
            }
        }
        found
    }
}
