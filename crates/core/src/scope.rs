//! How far a right reaches: which models, which providers, from which addresses.
//!
//! A scope only ever narrows. What a caller may do is what every scope above it allows: its team's, its
//! key's and, for a session key, its own.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use thiserror::Error;

/// Bytes in the longest pattern.
pub const PATTERN_BYTES_MAX: usize = 200;

/// Entries in the longest list of a scope.
pub const ENTRIES_MAX: usize = 256;

/// A pattern over names: `*` stands for any run of characters, none included; all else for itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadPattern {
    #[error("is empty; write a name, or `*` for every name")]
    Empty,
    #[error("is longer than {PATTERN_BYTES_MAX} bytes; shorten it")]
    Long,
    #[error("has a control character; leave it away")]
    Control,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        match text {
            "" => Err(BadPattern::Empty),
            _ if text.len() > PATTERN_BYTES_MAX => Err(BadPattern::Long),
            _ if text.chars().any(char::is_control) => Err(BadPattern::Control),
            _ => Ok(Self(text.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is one the pattern stands for. Takes at most the product of both lengths.
    pub fn matches(&self, name: &str) -> bool {
        fits(self.0.as_bytes(), name.as_bytes())
    }

    /// Whether every name the other pattern stands for is one of this one's. A `*` in the other is a
    /// character no literal of ours equals, so only a `*` of ours can take it.
    pub fn includes(&self, other: &Pattern) -> bool {
        fits(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Greedy matching that returns to the last star: linear for one star, quadratic at worst.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at = at.saturating_add(1);
            }
            Some(own) if own == byte => {
                at = at.saturating_add(1);
                seen = seen.saturating_add(1);
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                let taken = taken.saturating_add(1);
                star = Some((star_at, taken));
                (at, seen) = (star_at.saturating_add(1), taken);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// What a key, a team or a session may reach. `None` sets no bound; an empty list allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Over the model names applications ask for.
    pub models: Option<Vec<Pattern>>,
    /// Over the names of configured providers.
    pub providers: Option<Vec<Pattern>>,
    /// Over the caller's address.
    pub addresses: Option<Vec<IpNet>>,
}

/// The part of a scope that is wider than its maker's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{field}` allows `{entry}`, which its maker may not; narrow it")]
pub struct Excess {
    pub field: &'static str,
    /// The entry that is too wide, `*` where the list is missing.
    pub entry: String,
}

impl Scope {
    /// Whether this scope sets no bound at all.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    pub fn may_call(&self, model: &str) -> bool {
        allows(&self.models, |pattern| pattern.matches(model))
    }

    pub fn may_use(&self, provider: &str) -> bool {
        allows(&self.providers, |pattern| pattern.matches(provider))
    }

    /// An IPv4 address in IPv6's clothes counts as the IPv4 address.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        allows(&self.addresses, |net| net.contains(&address))
    }

    /// Refuses a scope that allows anything `maker` does not. Each entry must lie within one entry of the
    /// maker's list, so a union of two narrower ones is not recognised: it refuses too much, never too
    /// little.
    pub fn within(&self, maker: &Scope) -> Result<(), Excess> {
        covered("models", &self.models, &maker.models, Pattern::includes, |p| p.as_str().to_owned())?;
        covered("providers", &self.providers, &maker.providers, Pattern::includes, |p| {
            p.as_str().to_owned()
        })?;
        covered(
            "addresses",
            &self.addresses,
            &maker.addresses,
            |own, net| own.contains(net),
            IpNet::to_string,
        )
    }
}

fn allows<T>(list: &Option<Vec<T>>, is_named: impl FnMut(&T) -> bool) -> bool {
    list.as_ref().is_none_or(|list| list.iter().any(is_named))
}

fn covered<T>(
    field: &'static str,
    wish: &Option<Vec<T>>,
    maker: &Option<Vec<T>>,
    includes: impl Fn(&T, &T) -> bool,
    text: impl Fn(&T) -> String,
) -> Result<(), Excess> {
    let Some(maker) = maker else { return Ok(()) };
    let Some(wish) = wish else { return Err(Excess { field, entry: "*".to_owned() }) };
    match wish.iter().find(|entry| !maker.iter().any(|own| includes(own, entry))) {
        Some(entry) => Err(Excess { field, entry: text(entry) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn scope(models: &[&str], addresses: &[&str]) -> Scope {
        Scope {
            models: Some(models.iter().map(|text| pattern(text)).collect()),
            providers: None,
            addresses: Some(addresses.iter().map(|net| net.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn a_star_stands_for_any_run_and_all_else_for_itself() {
        for (text, name, is_match) in [
            ("gpt-4", "gpt-4", true),
            ("gpt-4", "gpt-4o", false),
            ("gpt-4*", "gpt-4", true),
            ("gpt-*", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini-2", false),
            ("g*4*i", "gpt-4o-mini", true),
            ("*", "", true),
            ("*", "千问", true),
            ("千*", "千问", true),
            ("a*a", "a", false),
            ("GPT-4", "gpt-4", false),
            ("gpt.4", "gpt-4", false),
            ("**", "x", true),
        ] {
            assert_eq!(pattern(text).matches(name), is_match, "{text} {name}");
        }
        for (text, bad) in [
            ("", BadPattern::Empty),
            ("a\nb", BadPattern::Control),
            (&"x".repeat(PATTERN_BYTES_MAX + 1), BadPattern::Long),
        ] {
            assert_eq!(Pattern::parse(text), Err(bad));
        }
    }

    #[test]
    fn a_right_is_within_its_makers_or_names_what_is_too_wide() {
        let maker = scope(&["gpt-*", "claude-3"], &["10.0.0.0/8", "::1/128"]);
        let excess = |field, entry: &str| Err(Excess { field, entry: entry.to_owned() });
        for (wish, expected) in [
            (scope(&["gpt-4", "gpt-4*"], &["10.1.0.0/16"]), Ok(())),
            (maker.clone(), Ok(())),
            (scope(&[], &[]), Ok(())),
            (scope(&["claude-*"], &["10.1.0.0/16"]), excess("models", "claude-*")),
            (scope(&["*"], &["10.1.0.0/16"]), excess("models", "*")),
            (scope(&["gpt-4"], &["0.0.0.0/0"]), excess("addresses", "0.0.0.0/0")),
            (Scope::default(), excess("models", "*")),
        ] {
            assert_eq!(wish.within(&maker), expected, "{wish:?}");
        }
        assert_eq!(maker.within(&Scope::default()), Ok(()));
    }

    #[test]
    fn an_address_is_judged_in_its_plain_form() {
        let scope = scope(&["*"], &["192.0.2.0/24"]);
        for (address, is_welcome) in
            [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("192.0.3.7", false), ("::1", false)]
        {
            assert_eq!(scope.may_come_from(address.parse().unwrap()), is_welcome, "{address}");
        }
    }

    fn some_pattern() -> impl Strategy<Value = Pattern> {
        "[ab*]{1,6}".prop_map(|text| pattern(&text))
    }

    proptest! {
        #[test]
        fn what_a_narrower_pattern_matches_the_wider_one_matches(
            wide in some_pattern(), narrow in some_pattern(), name in "[ab]{0,8}",
        ) {
            if wide.includes(&narrow) && narrow.matches(&name) {
                prop_assert!(wide.matches(&name));
            }
        }

        #[test]
        fn a_minted_scope_never_reaches_beyond_its_makers(
            maker in prop::option::of(prop::collection::vec(some_pattern(), 0..4)),
            wish in prop::option::of(prop::collection::vec(some_pattern(), 0..4)),
            name in "[ab]{0,6}",
        ) {
            let maker = Scope { models: maker, ..Scope::default() };
            let wish = Scope { models: wish, ..Scope::default() };
            if wish.within(&maker).is_ok() && wish.may_call(&name) {
                prop_assert!(maker.may_call(&name));
            }
        }
    }
}
