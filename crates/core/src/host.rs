//! By which names the gateway may be called.
//!
//! A page in a browser can let a name of its own lead to this machine, and then speak to what listens here as if
//! it were its own server. What it cannot do is own an address, or a name that is given to nobody.

use std::net::{IpAddr, Ipv6Addr};

/// Names given to nobody (RFC 6761, RFC 2606), and all below them.
const GIVEN_TO_NOBODY: [&str; 7] =
    ["localhost", "test", "example", "invalid", "example.com", "example.net", "example.org"];

/// The names that are taken. Addresses are, always: whoever calls by address was led here by nobody's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    #[default]
    Any,
    /// Names nobody out there can own: such as `localhost`, and those without a dot.
    OwnedByNobody,
    /// These, and `localhost`.
    Named(Vec<HostName>),
}

/// A name, or all names below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// Lower case, without a dot at its end.
    name: Box<str>,
    is_above: bool,
}

impl Hosts {
    /// Reads names such as `ai.example.com`, `*.example.com`, or `*` for every one.
    ///
    /// # Errors
    /// The place of the first text that is none.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, usize> {
        if texts.iter().any(|text| text.as_ref() == "*") {
            return Ok(Self::Any);
        }
        let names = texts.iter().enumerate().map(|(at, text)| HostName::parse(text.as_ref()).ok_or(at));
        names.collect::<Result<_, _>>().map(Self::Named)
    }

    /// Whether a request may name this host: a name or an address, with a port or without.
    pub fn admits(&self, authority: &str) -> bool {
        if *self == Self::Any {
            return true;
        }
        let Some(host) = without_port(authority) else { return false };
        if is_address(host) {
            return true;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Any => true,
            Self::OwnedByNobody => {
                !host.contains('.') || GIVEN_TO_NOBODY.iter().any(|name| is_or_below(host, name))
            }
            Self::Named(names) => {
                is_or_below(host, "localhost") || names.iter().any(|name| name.is_that_of(host))
            }
        }
    }
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        let (name, is_above) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        name.split('.').all(is_label).then(|| Self { name: name.to_ascii_lowercase().into(), is_above })
    }

    fn is_that_of(&self, host: &str) -> bool {
        if self.is_above {
            host.len() > self.name.len() && is_or_below(host, &self.name)
        } else {
            host.eq_ignore_ascii_case(&self.name)
        }
    }
}

/// Whether a host is `name` or below it, whatever the case.
fn is_or_below(host: &str, name: &str) -> bool {
    let Some(at) = host.len().checked_sub(name.len()) else { return false };
    host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name))
        && (at == 0 || host.get(..at).is_some_and(|before| before.ends_with('.')))
}

/// The host of `host:port`; `None` where there is none or it is more than that.
fn without_port(authority: &str) -> Option<&str> {
    if authority.starts_with('[') {
        let end = authority.find(']')?;
        let rest = authority.get(end.saturating_add(1)..)?;
        return is_port(rest).then(|| authority.get(..=end)).flatten();
    }
    let (host, port) = match authority.find(':') {
        Some(at) => authority.split_at_checked(at)?,
        None => (authority, ""),
    };
    (is_port(port) && !host.is_empty() && !host.contains(['@', '/', ' '])).then_some(host)
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_address(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_somebody_else_can_own_is_taken_only_where_it_is_named() {
        let named = Hosts::parse(&["ai.corp.io", "*.apps.corp.io"]).unwrap();
        // the host, whether any machine's own names admit it, whether the named ones do
        let cases = [
            ("localhost", true, true),
            ("LOCALHOST:8080", true, true),
            ("api.localhost", true, true),
            ("127.0.0.1:8080", true, true),
            ("203.0.113.7", true, true),
            ("[::1]:8080", true, true),
            ("[::1]", true, true),
            ("nexus", true, false),
            ("nexus.test", true, false),
            ("gateway.example.com", true, false),
            ("ai.corp.io", false, true),
            ("AI.Corp.io:443", false, true),
            ("ai.corp.io.", false, true),
            ("x.ai.corp.io", false, false),
            ("one.apps.corp.io", false, true),
            ("apps.corp.io", false, false),
            ("evilapps.corp.io", false, false),
            ("evil.com", false, false),
            ("evil.com:8080", false, false),
            ("127.0.0.1.evil.com", false, false),
            ("localhost.evil.com", false, false),
            ("evillocalhost.com", false, false),
            ("localhost@evil.com", false, false),
            ("[::1", false, false),
            ("[::1]x", false, false),
            ("[evil.com]", false, false),
            ("localhost:80:80", false, false),
            ("", false, false),
            (":8080", false, false),
        ];
        for (host, by_nobody, by_name) in cases {
            assert!(Hosts::Any.admits(host), "{host}");
            assert_eq!(Hosts::OwnedByNobody.admits(host), by_nobody, "{host}");
            assert_eq!(named.admits(host), by_name, "{host}");
        }
    }

    #[test]
    fn what_is_no_name_is_told_by_its_place() {
        for (texts, expected) in [
            (&["a.b", "*"][..], Ok(true)),
            (&["a.b", "*.c"], Ok(false)),
            (&[], Ok(false)),
            (&["a.b", "http://c"], Err(1)),
            (&[""], Err(0)),
            (&["a..b"], Err(0)),
            (&["*.*"], Err(0)),
            (&["a:80"], Err(0)),
        ] {
            assert_eq!(Hosts::parse(texts).map(|hosts| hosts == Hosts::Any), expected, "{texts:?}");
        }
    }
}
