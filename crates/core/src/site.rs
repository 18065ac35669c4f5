//! Where at a vendor a request goes, beyond the endpoint: a region, and what else the vendor's kind takes.
//!
//! No secret belongs here: options are shown, exported and logged.

use std::collections::BTreeMap;

/// What a provider is configured with that its vendor alone gives a meaning, such as `api_version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<Box<str>, Box<str>>);

impl Options {
    /// No option at all.
    pub const NONE: &Options = &Options(BTreeMap::new());

    /// The value of one.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// Every one with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(named: I) -> Self {
        Self(named.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The part of a vendor that one request goes to.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The target's region, where it has one; before the provider's option `region`.
    pub region: Option<&'a str>,
    pub options: &'a Options,
    /// The path of the endpoint, by which some vendors offer more or less.
    pub base_path: &'a str,
}

impl<'a> Site<'a> {
    /// The endpoint alone.
    pub const PLAIN: Site<'static> = Site { region: None, options: Options::NONE, base_path: "" };

    /// The region: the target's own, else the provider's.
    pub fn region(self) -> Option<&'a str> {
        self.region.or_else(|| self.options.option("region"))
    }
}

/// What keys of vendors begin with, in the public documentation of each, as of November 2026.
const KEY_BEGINNINGS: &[&str] =
    &["sk-", "sk_", "AKIA", "ASIA", "AIza", "ya29.", "eyJ", "gsk_", "hf_", "ghp_", "github_pat_", "xai-"];

/// How long a run of letters and digits may be that is no key.
const RUN_MAX: usize = 31;

/// Whether a value may be a secret that was put into the wrong place.
pub fn looks_secret(value: &str) -> bool {
    let is_run = |run: &str| {
        run.len() > RUN_MAX
            && run.bytes().any(|byte| byte.is_ascii_digit())
            && run.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    KEY_BEGINNINGS.iter().any(|beginning| value.starts_with(beginning))
        || value.split(|c: char| !c.is_ascii_alphanumeric()).any(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_region_goes_before_the_providers() {
        let options: Options = [("region", "eu-west-1"), ("api_version", "v1")].into_iter().collect();
        let site = Site { region: None, options: &options, base_path: "" };
        assert_eq!(site.region(), Some("eu-west-1"));
        assert_eq!(Site { region: Some("us-east-1"), ..site }.region(), Some("us-east-1"));
        assert_eq!(Site::PLAIN.region(), None);
        assert_eq!(options.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["api_version", "region"]);
    }

    #[test]
    fn what_looks_like_a_key_is_told_from_names() {
        for (value, is_secret) in [
            ("sk-proj-1", true),
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("AIzaSyA", true),
            ("eyJhbGciOi", true),
            ("0123456789abcdef0123456789abcdef", true),
            ("a/0123456789abcdef0123456789abcdef/b", true),
            ("us-east-1", false),
            ("2024-10-21", false),
            ("my-project-123456", false),
            ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude", false),
            ("1f6c4c7e-8d4f-4f3e-9a52-0d9d4c0b7f11", false),
            ("", false),
        ] {
            assert_eq!(looks_secret(value), is_secret, "{value}");
        }
    }
}
