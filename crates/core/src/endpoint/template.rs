//! A base URL with places that a site fills, such as `https://bedrock-runtime.{region}.amazonaws.com`.
//!
//! What is filled in is letters, digits, and `-` and `_` between them, so that no option can change what host the
//! words around it belong to.

use std::fmt;

use super::{BadEndpoint, Endpoint};
use crate::site::{Options, Site};

/// A base URL that may have places. `{name}` is the option of that name, `{region}` the site's region; `{name-}`
/// is the same with a hyphen behind it, and nothing where it is `global` or not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    is_tls: bool,
}

/// The value that stands for no place at all in `{name-}`.
const EVERYWHERE: &str = "global";

/// Why a template does not come to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    #[error("the endpoint needs a `{0}`")]
    Missing(Box<str>),
    #[error(
        "the `{0}` cannot stand in the endpoint; write letters, digits and hyphens, as in the vendor's own URL"
    )]
    Unfit(Box<str>),
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Place { name: &'a str, has_hyphen: bool },
}

impl Template {
    /// Takes a base URL with any number of places.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let text = text.trim();
        let mut sample = String::new();
        for piece in pieces(text) {
            match piece? {
                Piece::Text(text) => sample.push_str(text),
                Piece::Place { .. } => sample.push('x'),
            }
        }
        let endpoint = Endpoint::parse(&sample)?;
        let has_places = sample != text;
        let text = if has_places { text.trim_end_matches('/').into() } else { endpoint.to_string().into() };
        Ok(Self { text, is_tls: endpoint.is_tls })
    }

    /// Whether its connections are TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The names of its places, and whether each must be filled.
    pub fn places(&self) -> impl Iterator<Item = (&str, bool)> {
        pieces(&self.text).filter_map(|piece| match piece {
            Ok(Piece::Place { name, has_hyphen }) => Some((name, !has_hyphen)),
            _ => None,
        })
    }

    /// Whether it leads to the same server as `other` does, each with its options, whatever the region: what is shown
    /// to the one may be shown to the other.
    pub fn is_at_server_of(&self, own: &Options, other: &Template, others: &Options) -> bool {
        let here = |options| Site { region: Some("region"), options, base_path: "" };
        match (self.fill(here(own)), other.fill(here(others))) {
            (Ok(ours), Ok(theirs)) => ours.is_at_server_of(&theirs),
            _ => false,
        }
    }

    /// The endpoint for a site.
    pub fn fill(&self, site: Site<'_>) -> Result<Endpoint, Unfilled> {
        let mut filled = String::with_capacity(self.text.len().saturating_add(16));
        let mut last = "";
        for piece in pieces(&self.text).flatten() {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place { name, has_hyphen } => {
                    last = name;
                    let value = if name == "region" { site.region() } else { site.options.option(name) };
                    let Some(value) = value.or(has_hyphen.then_some(EVERYWHERE)) else {
                        return Err(Unfilled::Missing(name.into()));
                    };
                    if !may_fill(value) {
                        return Err(Unfilled::Unfit(name.into()));
                    }
                    match has_hyphen {
                        true if value == EVERYWHERE => {}
                        true => filled.extend([value, "-"]),
                        false => filled.push_str(value),
                    }
                }
            }
        }
        Endpoint::parse(&filled).map_err(|_| Unfilled::Unfit(last.into()))
    }
}

impl From<Endpoint> for Template {
    fn from(endpoint: Endpoint) -> Self {
        Self { text: endpoint.to_string().into(), is_tls: endpoint.is_tls }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn may_fill(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && value.starts_with(|first: char| first.is_ascii_alphanumeric())
        && value.ends_with(|last: char| last.is_ascii_alphanumeric())
}

fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, BadEndpoint>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(place) = rest.strip_prefix('{') {
            let (name, behind) = place.split_once('}').unwrap_or((place, ""));
            rest = behind;
            return Some(read_place(name));
        }
        let (text, behind) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        rest = behind;
        let is_foreign = text.contains('}') || (text.ends_with('$') && !behind.is_empty());
        Some(if is_foreign { Err(BadEndpoint::Place) } else { Ok(Piece::Text(text)) })
    })
}

fn read_place(written: &str) -> Result<Piece<'_>, BadEndpoint> {
    let (name, has_hyphen) = match written.strip_suffix('-') {
        Some(name) => (name, true),
        None => (written, false),
    };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_name { Ok(Piece::Place { name, has_hyphen }) } else { Err(BadEndpoint::Place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_from_the_region_and_the_options() {
        for (template, region, expected) in [
            (
                "https://runtime.{region}.example.com/",
                Some("eu-west-1"),
                Ok("https://runtime.eu-west-1.example.com"),
            ),
            ("https://runtime.{region}.example.com", None, Ok("https://runtime.home.example.com")),
            ("https://{resource}.example.com/v1", None, Ok("https://acme.example.com/v1")),
            ("https://{region-}ai.example.com", Some("us-1"), Ok("https://us-1-ai.example.com")),
            ("https://{region-}ai.example.com", Some("global"), Ok("https://ai.example.com")),
            ("https://{zone-}ai.example.com", Some("eu"), Ok("https://ai.example.com")),
            ("https://ai.example.com/{region}/x", Some("global"), Ok("https://ai.example.com/global/x")),
            ("https://plain.example.com", Some("eu"), Ok("https://plain.example.com")),
            ("https://{project}.example.com", None, Err(Unfilled::Missing("project".into()))),
            ("https://{region}.example.com", Some("evil.com/"), Err(Unfilled::Unfit("region".into()))),
            ("https://{region}.example.com", Some("u@evil"), Err(Unfilled::Unfit("region".into()))),
            ("https://{region}.example.com", Some(""), Err(Unfilled::Unfit("region".into()))),
            ("https://{region}.example.com", Some("eu."), Err(Unfilled::Unfit("region".into()))),
        ] {
            let options: Options = [("region", "home"), ("resource", "acme")].into_iter().collect();
            let filled =
                Template::parse(template).unwrap().fill(Site { region, options: &options, base_path: "" });
            assert_eq!(filled, expected.map(|text| Endpoint::parse(text).unwrap()), "{template} {region:?}");
        }
    }

    #[test]
    fn a_template_is_kept_as_it_is_and_a_plain_url_in_its_usual_form() {
        for (text, shown, places) in [
            ("https://Example.COM:443/v1/", "https://example.com/v1", &[][..]),
            (
                " http://{resource}.Example.com/{region}/ ",
                "http://{resource}.Example.com/{region}",
                &[("resource", true), ("region", true)],
            ),
            ("https://{region-}ai.example.com", "https://{region-}ai.example.com", &[("region", false)]),
        ] {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.to_string(), shown);
            assert_eq!(template.places().collect::<Vec<_>>(), places);
            assert_eq!(template.is_tls(), shown.starts_with("https"));
            assert_eq!(Template::parse(shown), Ok(template));
        }
    }

    #[test]
    fn another_option_may_be_another_server_and_another_region_is_not() {
        let options = |resource| [("resource", resource)].into_iter().collect::<Options>();
        let (acme, other, none) = (options("acme"), options("other"), Options::default());
        for (ours, own, theirs, others, is_same) in [
            ("https://{resource}.example", &acme, "https://{resource}.example/v1", &acme, true),
            ("https://{resource}.example", &acme, "https://acme.example", &none, true),
            ("https://{resource}.example", &acme, "https://{resource}.example", &other, false),
            ("https://{resource}.example", &acme, "https://{resource}.example", &none, false),
            ("https://{region}.example", &none, "https://{region}.example", &acme, true),
            ("https://one.example", &none, "http://one.example", &none, false),
        ] {
            let (ours, theirs) = (Template::parse(ours).unwrap(), Template::parse(theirs).unwrap());
            assert_eq!(ours.is_at_server_of(own, &theirs, others), is_same, "{ours} {theirs}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_reason() {
        for (text, expected) in [
            ("https://a.example/${HOME}", BadEndpoint::Place),
            ("https://a.example/${home}", BadEndpoint::Place),
            ("https://{A}.example", BadEndpoint::Place),
            ("https://{}.example", BadEndpoint::Place),
            ("https://{-}.example", BadEndpoint::Place),
            ("https://{region.example", BadEndpoint::Place),
            ("https://region}.example", BadEndpoint::Place),
            ("{scheme}://a.example", BadEndpoint::Scheme("x".into())),
            ("https://{user}@a.example", BadEndpoint::Credentials),
            ("https://a.example/?{query}", BadEndpoint::QueryOrFragment),
            ("", BadEndpoint::NotAUrl),
        ] {
            assert_eq!(Template::parse(text), Err(expected), "{text}");
        }
    }
}
