//! What a PostgreSQL URL says of TLS, read as libpq reads it: what is said last counts.
//!
//! What is said of TLS and is not understood is refused: it might have made the connection safer.

/// How the server is looked at, in the words of `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whoever it is; nobody else can read along.
    Require,
    /// Whoever has a certificate of the given authorities.
    VerifyCa,
    /// The server of that name.
    VerifyFull,
}

/// Why a URL cannot be followed. Nothing of the URL is in it but the names of parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("`sslmode` is disable, require, verify-ca or verify-full")]
    Mode,
    #[error("`{0}` is not understood here; leave it out")]
    Parameter(&'static str),
    #[error("`sslmode={0}` needs `sslrootcert`: the file with the authority's certificate, or `system`")]
    NoRoots(&'static str),
    #[error(
        "`sslrootcert=system` goes with `sslmode=verify-full` only: anybody can have a public certificate"
    )]
    AnyPublic,
    #[error("TLS needs one server's name or address in the URL")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

/// Where a server is, and how it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub mode: Mode,
    /// The name that is looked for in its certificate.
    pub host: String,
    /// The address that is connected to instead of the name's.
    pub at: Option<String>,
    pub port: u16,
    /// A file of certificates, or [`Address::SYSTEM`].
    pub roots: Option<String>,
}

/// What could be said of TLS to libpq, and is not understood here.
const NOT_UNDERSTOOD: [&str; 9] = [
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslcrldir",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "requiressl",
];

const PORT: u16 = 5432;

impl Address {
    /// The word for the public authorities.
    pub const SYSTEM: &str = "system";

    /// Reads a URL; `None`: it does not ask for TLS.
    ///
    /// # Errors
    /// If it asks for something that cannot be done.
    pub fn read(url: &str) -> Result<Option<Self>, Unusable> {
        let (place, parameters) = split(url);
        let said = |name: &str| {
            let mut all = parameters.split('&').filter_map(|one| one.split_once('='));
            all.rfind(|(key, _)| *key == name).map(|(_, value)| decoded(value))
        };
        let mode = match said("sslmode").as_deref() {
            None | Some("disable") => return Ok(None),
            Some("require") if said("sslrootcert").is_some() => Mode::VerifyCa,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(_) => return Err(Unusable::Mode),
        };
        if let Some(name) = NOT_UNDERSTOOD.into_iter().find(|name| said(name).is_some()) {
            return Err(Unusable::Parameter(name));
        }
        let roots = said("sslrootcert").filter(|roots| !roots.is_empty());
        match (mode, roots.as_deref()) {
            (Mode::VerifyCa, None) => return Err(Unusable::NoRoots("verify-ca")),
            (Mode::VerifyFull, None) => return Err(Unusable::NoRoots("verify-full")),
            (Mode::VerifyCa, Some(Self::SYSTEM)) => return Err(Unusable::AnyPublic),
            _ => {}
        }
        let (host, port) = place_of(place);
        let host = said("host").unwrap_or(host);
        let at = said("hostaddr").filter(|at| !at.is_empty());
        let host = Some(host).filter(|host| !host.is_empty()).or_else(|| at.clone()).ok_or(Unusable::Host)?;
        if host.starts_with(['/', '@']) || [&host].into_iter().chain(&at).any(|name| name.contains(',')) {
            return Err(Unusable::Host);
        }
        let port = said("port").unwrap_or(port);
        let port = if port.is_empty() { Some(PORT) } else { port.parse().ok().filter(|port| *port > 0) };
        Ok(Some(Self { mode, host, at, port: port.ok_or(Unusable::Port)?, roots }))
    }
}

/// What stands before the parameters, and these.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // as libpq reads it: what stands before the first `@`, if no `/` comes before that, may hold a `?`
    let credentials = rest.find(['@', '/']).filter(|at| rest.get(*at..=*at) == Some("@"));
    let place = credentials.and_then(|at| rest.get(at.saturating_add(1)..)).unwrap_or(rest);
    place.split_once('?').unwrap_or((place, ""))
}

/// The host and the port before the database's name.
fn place_of(place: &str) -> (String, String) {
    let place = place.split_once('/').map_or(place, |(place, _)| place);
    if let Some((host, port)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (decoded(host), decoded(port.strip_prefix(':').unwrap_or(port)));
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    (decoded(host), decoded(port))
}

/// With `%41` for `A`; what is no such thing stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        bytes.extend(before.bytes());
        match from.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = from.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mode: Mode, host: &str, port: u16, roots: Option<&str>) -> Result<Option<Address>, Unusable> {
        Ok(Some(Address { mode, host: host.to_owned(), at: None, port, roots: roots.map(str::to_owned) }))
    }

    #[test]
    fn a_url_says_whether_and_how_the_server_is_looked_at() {
        use Mode::{Require, VerifyCa, VerifyFull};
        let addressed = Ok(Some(Address {
            mode: Require,
            host: "db".to_owned(),
            at: Some("192.0.2.1".to_owned()),
            port: 5432,
            roots: None,
        }));
        for (url, expected) in [
            ("postgres://u:p@h/d", Ok(None)),
            ("postgres://u:p@h/d?sslmode=disable", Ok(None)),
            ("postgres://u:p?sslmode=x@h/d?sslmode=require", at(Require, "h", 5432, None)),
            ("postgres://h:6000/d?sslmode=require", at(Require, "h", 6000, None)),
            ("postgres://[::1]:6000/d?sslmode=require", at(Require, "::1", 6000, None)),
            ("postgres:///d?host=h&port=7&sslmode=require", at(Require, "h", 7, None)),
            ("postgres://a/d?host=b&sslmode=disable&sslmode=require", at(Require, "b", 5432, None)),
            ("postgres://db/d?hostaddr=192.0.2.1&sslmode=require", addressed),
            ("postgres://h/d?sslmode=require&sslrootcert=ca.pem", at(VerifyCa, "h", 5432, Some("ca.pem"))),
            (
                "postgres://h/d?sslmode=verify-full&sslrootcert=%2Fa%20b",
                at(VerifyFull, "h", 5432, Some("/a b")),
            ),
            (
                "postgres://h/d?sslmode=verify-full&sslrootcert=system",
                at(VerifyFull, "h", 5432, Some("system")),
            ),
        ] {
            assert_eq!(Address::read(url), expected, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_what_to_say_instead() {
        for (url, expected) in [
            ("postgres://h/d?sslmode=prefer", Unusable::Mode),
            ("postgres://h/d?sslmode=", Unusable::Mode),
            ("postgres://h/d?sslmode=verify-ca", Unusable::NoRoots("verify-ca")),
            ("postgres://h/d?sslmode=verify-full&sslrootcert=", Unusable::NoRoots("verify-full")),
            ("postgres://h/d?sslmode=verify-ca&sslrootcert=system", Unusable::AnyPublic),
            ("postgres://h/d?sslmode=require&sslcert=mine.pem", Unusable::Parameter("sslcert")),
            ("postgres:///d?sslmode=require", Unusable::Host),
            ("postgres://%2Frun/d?sslmode=require", Unusable::Host),
            ("postgres://a,b/d?sslmode=require", Unusable::Host),
            ("postgres://h:0/d?sslmode=require", Unusable::Port),
            ("postgres://h:x/d?sslmode=require", Unusable::Port),
        ] {
            assert_eq!(Address::read(url), Err(expected), "{url}");
        }
    }
}
