//! What broke on the way out, and how it reaches the engine as a [`Fault`].
//!
//! A [`Broken`] travels through awc inside an `io::Error`. Its words come from this crate, from the operating
//! system or from the TLS library: never from a header, a credential or a resolver's answer.

use std::{fmt, io};

use actix_http::error::{ParseError, PayloadError};
use awc::error::{ConnectError, SendRequestError};
use nexus_core::fault::{Class, Fault};

/// A failure seen by the connector or by the framing.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) class: Class,
    message: String,
    /// The connection had served before and died before a byte of this answer came: most likely the
    /// provider closed it as idle while the request was on its way.
    pub(crate) is_stale: bool,
}

impl Broken {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
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

    /// Of the same kind as far as awc can see.
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match self.class {
            Class::Truncated => io::ErrorKind::UnexpectedEof,
            Class::Reset => io::ErrorKind::ConnectionReset,
            Class::Timeout => io::ErrorKind::TimedOut,
            Class::Forbidden => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }

    fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Broken {}

/// A deadline that passed.
pub(crate) fn timed_out(message: String) -> Fault {
    Fault::new(Class::Timeout, message)
}

/// Whether the same request may be sent once more, on a fresh connection.
pub(crate) fn is_stale(error: &SendRequestError) -> bool {
    io_within(error).and_then(Broken::within).is_some_and(|broken| broken.is_stale)
}

/// Why no head of an answer came.
pub(crate) fn of_send(error: &SendRequestError) -> Fault {
    match (io_within(error), error) {
        (Some(error), _) => of_io(error, Class::Reset),
        (None, SendRequestError::Response(error)) => {
            Fault::new(Class::Framing, format!("the answer's head is not readable: {error}"))
        }
        (None, SendRequestError::Connect(error)) => Fault::new(Class::Connect, error.to_string()),
        (None, error) => Fault::new(Class::Reset, error.to_string()),
    }
}

/// Why the answer's body ended early.
pub(crate) fn of_payload(error: &PayloadError) -> Fault {
    match error {
        PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => of_io(error, Class::Truncated),
        error => Fault::new(Class::Truncated, error.to_string()),
    }
}

fn of_io(error: &io::Error, otherwise: Class) -> Fault {
    match Broken::within(error) {
        Some(broken) => Fault::new(broken.class, broken.message.clone()),
        None => Fault::new(otherwise, error.to_string()),
    }
}

fn io_within(error: &SendRequestError) -> Option<&io::Error> {
    match error {
        SendRequestError::Send(error)
        | SendRequestError::Response(ParseError::Io(error))
        | SendRequestError::Connect(ConnectError::Io(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_comes_out_of_awc_with_its_class() {
        for class in [Class::Truncated, Class::Reset, Class::Timeout, Class::Forbidden, Class::Framing] {
            let error = || Broken::new(class, "why").into_io();
            for carried in [
                SendRequestError::Send(error()),
                SendRequestError::Response(ParseError::Io(error())),
                SendRequestError::Connect(ConnectError::Io(error())),
            ] {
                let fault = of_send(&carried);
                assert_eq!((fault.class, fault.message.as_str()), (class, "why"));
            }
            assert_eq!(of_payload(&PayloadError::Io(error())).class, class);
        }
    }

    #[test]
    fn what_awc_itself_finds_is_classed_too() {
        for (error, class) in [
            (SendRequestError::Response(ParseError::Header), Class::Framing),
            (SendRequestError::Connect(ConnectError::NoRecords), Class::Connect),
            (SendRequestError::Timeout, Class::Reset),
        ] {
            assert_eq!(of_send(&error).class, class);
        }
        assert_eq!(of_payload(&PayloadError::Overflow).class, Class::Truncated);
        assert!(is_stale(&SendRequestError::Response(ParseError::Io(Broken::reset(true).into_io()))));
        assert!(!is_stale(&SendRequestError::Response(ParseError::Io(Broken::reset(false).into_io()))));
        assert!(!is_stale(&SendRequestError::Timeout));
    }
}
