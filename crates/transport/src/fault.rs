//! What broke on the way out, and how it reaches the engine as a [`Fault`].
//!
//! Its words come from this crate, from the operating system or from the TLS library: never from a header, a
//! credential or a resolver's answer.

use std::{borrow::Cow, fmt};

use nexus_core::fault::{Class, Fault};

/// A failure of a connection or of what came over it.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) class: Class,
    message: Cow<'static, str>,
    /// The connection had served before and died before a byte of this answer came: most likely the
    /// provider closed it as idle while the request was on its way.
    pub(crate) is_stale: bool,
}

impl Broken {
    pub(crate) fn new(class: Class, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, message: message.into(), is_stale: false }
    }

    /// The answer's framing cannot be believed.
    pub(crate) fn framing(message: &'static str) -> Self {
        Self::new(Class::Framing, message)
    }

    /// The connection ended before an answer began.
    pub(crate) fn reset(is_stale: bool) -> Self {
        Self { is_stale, ..Self::new(Class::Reset, "the connection ended before an answer began") }
    }

    /// The connection ended inside the answer.
    pub(crate) fn truncated() -> Self {
        Self::new(Class::Truncated, "the connection ended before the answer was complete")
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Fault::new(broken.class, broken.message)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Broken {}
