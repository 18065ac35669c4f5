//! A request to a provider as it goes over the wire: a fixed list of headers, the credential, and what the
//! dialect adds.
//!
//! Nothing the application sent gets here but through a dialect. A value that is not one line of printable
//! ASCII is refused, and the refusal does not repeat it.

mod tail;

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use nexus_core::fault::{Class, Fault};
use nexus_engine::port::{Outbound, Rest};
use tokio::io::AsyncWrite;

use self::tail::{Part, Tail};
use crate::access::Shown;

/// What `user-agent` says.
pub(crate) const SOFTWARE: &str = concat!("nexus/", env!("CARGO_PKG_VERSION"));
/// The type of nearly every body.
const JSON: &str = nexus_engine::port::JSON;
/// What a dialect must not name: these are decided here.
const OURS: [&str; 7] = [
    "host",
    "content-type",
    "user-agent",
    "accept-encoding",
    "content-length",
    "transfer-encoding",
    "connection",
];
/// A body up to this size, in bytes, is copied behind the head so that both leave in one write.
const SMALL_BODY: usize = 16 * 1024;

/// A request, and how much of it is sent.
pub(crate) struct Request {
    /// The head, and a small body with it; later what stands before a part of the body.
    head: Vec<u8>,
    /// A large body, or the part of it that is on its way.
    body: Bytes,
    sent: usize,
    /// What is still to come of the body.
    tail: Option<Tail>,
    /// Why the body broke off.
    cut: Option<Fault>,
}

impl Request {
    /// Puts a request together in an empty `buffer`; `rest` is what is still to come of its body.
    pub(crate) fn new(
        mut buffer: Vec<u8>,
        fixed: &Fixed,
        outbound: &Outbound<'_>,
        rest: Option<Rest>,
        shown: &Shown<'_>,
    ) -> Result<Self, Fault> {
        let endpoint = &outbound.provider.endpoint;
        let is_small = outbound.body.len() <= SMALL_BODY;
        buffer.reserve(1024 + if is_small { outbound.body.len() } else { 0 });
        buffer.extend_from_slice(outbound.method.as_bytes());
        buffer.push(b' ');
        for part in [&endpoint.base_path, outbound.path] {
            if !part.bytes().all(may_stand_in_path) {
                return Err(Fault::new(Class::BadRequest, "the request path is no valid URI path"));
            }
            buffer.extend_from_slice(part.as_bytes());
        }
        match outbound.content_type {
            JSON => buffer.extend_from_slice(&fixed.json),
            other => {
                buffer.extend_from_slice(&fixed.bare);
                put_content_type(&mut buffer, other)?;
            }
        }
        for (name, value) in outbound.headers {
            if !is_one_line(value) || !is_name(name) || OURS.contains(name) {
                return Err(Fault::new(
                    Class::BadRequest,
                    "a value meant for a request header is not one line of printable ASCII; leave other characters away",
                ));
            }
            put_line(&mut buffer, name, &["", value]);
        }
        put_shown(&mut buffer, shown)?;
        put_framing(&mut buffer, outbound, rest.as_ref());
        let tail = rest.map(|rest| Tail::new(rest, !outbound.body.is_empty()));
        let body = if is_small {
            buffer.extend_from_slice(&outbound.body);
            Bytes::new()
        } else {
            outbound.body.clone()
        };
        Ok(Self { head: buffer, body, sent: 0, tail, cut: None })
    }

    /// Writes once: how much of it the socket took.
    pub(crate) fn poll_write<Io: AsyncWrite + Unpin>(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.is_all_taken() {
            ready!(self.poll_part(cx))?;
            if self.is_sent() {
                return Poll::Ready(Ok(1));
            }
        }
        let head = self.head.get(self.sent..).unwrap_or_default();
        let body = self.body.get(self.sent.saturating_sub(self.head.len())..).unwrap_or_default();
        let io = Pin::new(io);
        let written = match (head, body) {
            (head, []) => io.poll_write(cx, head),
            ([], body) => io.poll_write(cx, body),
            (head, body) => io.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)]),
        };
        if let Poll::Ready(Ok(len)) = written {
            self.sent += len;
        }
        written
    }

    /// Puts the next part of the body in the place of what was taken; an error is a body that broke off.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tail) = &mut self.tail else { return Poll::Ready(Ok(())) };
        match ready!(tail.poll_part(cx)) {
            Ok(Part { head, data }) => {
                (self.head, self.body, self.sent) = (head, data, 0);
                Poll::Ready(Ok(()))
            }
            Err(fault) => {
                self.cut = Some(fault);
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
        }
    }

    /// Whether some of the body comes while the request is on its way.
    pub(crate) fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// Why the body broke off, where it did.
    pub(crate) fn take_cut(&mut self) -> Option<Fault> {
        self.cut.take()
    }

    fn is_all_taken(&self) -> bool {
        self.sent >= self.head.len() + self.body.len()
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.is_all_taken() && self.tail.as_ref().is_none_or(Tail::has_ended)
    }

    /// The buffer it was put together in. Nothing of the request is left to send.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        self.body = Bytes::new();
        std::mem::take(&mut self.head)
    }
}

/// What stands in every request to a peer behind its path.
pub(crate) struct Fixed {
    /// With `content-type: application/json`.
    json: Box<[u8]>,
    bare: Box<[u8]>,
}

impl Fixed {
    pub(crate) fn of(host: &str) -> Result<Self, Fault> {
        Ok(Self { json: fixed_lines(host, JSON)?, bare: fixed_lines(host, "")? })
    }
}

fn fixed_lines(host: &str, content_type: &str) -> Result<Box<[u8]>, Fault> {
    if !is_one_line(host) {
        return Err(Fault::new(Class::Connect, "the endpoint's host is no valid host name"));
    }
    let mut lines = b" HTTP/1.1\r\n".to_vec();
    put_line(&mut lines, "host", &[host]);
    put_content_type(&mut lines, content_type)?;
    put_line(&mut lines, "user-agent", &[SOFTWARE]);
    put_line(&mut lines, "accept-encoding", &["identity"]);
    Ok(lines.into())
}

/// None is put where the type is empty.
fn put_content_type(buffer: &mut Vec<u8>, content_type: &str) -> Result<(), Fault> {
    if !is_one_line(content_type) {
        return Err(Fault::new(Class::BadRequest, "the content type is not one line of printable ASCII"));
    }
    if !content_type.is_empty() {
        put_line(buffer, "content-type", &[content_type]);
    }
    Ok(())
}

/// How the body is framed, up to its first byte. A vector takes whatever is written to it.
fn put_framing(buffer: &mut Vec<u8>, outbound: &Outbound<'_>, rest: Option<&Rest>) {
    let begun = outbound.body.len();
    let _ = match rest.map(|rest| rest.len) {
        None if begun == 0 && outbound.content_type.is_empty() && outbound.method != "POST" => {
            write!(buffer, "\r\n")
        }
        None => write!(buffer, "content-length: {begun}\r\n\r\n"),
        Some(Some(len)) => write!(buffer, "content-length: {}\r\n\r\n", (begun as u64).saturating_add(len)),
        Some(None) if begun == 0 => write!(buffer, "transfer-encoding: chunked\r\n\r\n"),
        Some(None) => write!(buffer, "transfer-encoding: chunked\r\n\r\n{begun:x}\r\n"),
    };
}

fn put_shown(buffer: &mut Vec<u8>, shown: &Shown<'_>) -> Result<(), Fault> {
    for (name, opening, value) in shown.lines() {
        if !is_one_line(value) {
            return Err(Fault::new(
                Class::Credential,
                "the provider's credential is not one line of printable ASCII; enter the `api_key` again",
            ));
        }
        put_line(buffer, name, &[opening, value]);
    }
    Ok(())
}

fn put_line(buffer: &mut Vec<u8>, name: &str, value: &[&str]) {
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b": ");
    for part in value {
        buffer.extend_from_slice(part.as_bytes());
    }
    buffer.extend_from_slice(b"\r\n");
}

/// Whether no reader can take a value for more than one header.
pub(crate) fn is_one_line(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Everything a path or a query may consist of, and a little more: RFC 3986, section 3.3.
fn may_stand_in_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'<' | b'>' | b'"' | b'`' | b'\\' | b'^')
}

#[cfg(test)]
mod tests {
    use nexus_core::site::Site;
    use nexus_engine::port::Deadlines;
    use nexus_providers::dialect::AuthScheme;

    use super::*;
    use crate::{access::tests::shown, peer::tests::provider};

    struct Case<'a> {
        path: &'a str,
        auth: AuthScheme,
        secret: &'a str,
        extra: &'a [(&'static str, String)],
        body: Bytes,
    }

    const PLAIN: Case<'_> =
        Case { path: "/chat", auth: AuthScheme::Open, secret: "sk-1", extra: &[], body: Bytes::new() };

    fn put(case: &Case<'_>) -> Result<Request, Fault> {
        let provider = provider("https://one.example/v1", false);
        let outbound = Outbound {
            provider: &provider,
            site: Site::PLAIN,
            path: case.path,
            headers: case.extra,
            auth: case.auth,
            credential: None,
            method: "POST",
            content_type: JSON,
            body: case.body.clone(),
            rest: None,
            deadlines: Deadlines { connect_ms: 1, first_byte_ms: 1, between_chunks_ms: 1, whole_ms: 1 },
        };
        let fixed = Fixed::of("one.example").unwrap();
        shown(case.auth, case.secret, |shown| Request::new(Vec::new(), &fixed, &outbound, None, shown))
    }

    fn text(request: &Request) -> &str {
        std::str::from_utf8(&request.head).unwrap()
    }

    #[test]
    fn the_head_is_the_fixed_lines_the_credential_and_the_dialects() {
        for (auth, extra, expected) in [
            (AuthScheme::Bearer, None, "authorization: Bearer sk-1\r\n"),
            (AuthScheme::Header("x-api-key"), None, "x-api-key: sk-1\r\n"),
            (
                AuthScheme::Open,
                Some(("accept", "text/event-stream".to_owned())),
                "accept: text/event-stream\r\n",
            ),
        ] {
            let request =
                put(&Case { auth, extra: extra.as_slice(), body: Bytes::from_static(b"{}"), ..PLAIN });
            let expected = format!(
                "POST /v1/chat HTTP/1.1\r\nhost: one.example\r\ncontent-type: application/json\r\n\
                 user-agent: {SOFTWARE}\r\naccept-encoding: identity\r\n{expected}content-length: 2\r\n\r\n{{}}"
            );
            assert_eq!(text(&request.unwrap()), expected);
        }
    }

    #[test]
    fn a_value_with_control_characters_is_refused_and_not_repeated() {
        for bad in ["s\r\necret", "s\necret", "s\recret", "s\0ecret", "s\u{7f}ecret", "sécret"] {
            for auth in [AuthScheme::Bearer, AuthScheme::Header("x-api-key")] {
                let fault = put(&Case { auth, secret: bad, ..PLAIN }).err().unwrap();
                assert_eq!(fault.class, Class::Credential);
                assert!(!fault.message.contains("ecret"), "{}", fault.message);
            }
            let fault = put(&Case { extra: &[("x-tag", bad.to_owned())], ..PLAIN }).err().unwrap();
            assert_eq!(fault.class, Class::BadRequest);
            assert!(!fault.message.contains("ecret"), "{}", fault.message);
        }
    }

    #[test]
    fn a_header_the_transport_decides_is_nobody_elses() {
        for (name, is_taken) in [
            ("x-tag", true),
            ("accept", true),
            ("content-length", false),
            ("host", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(put(&Case { extra: &[(name, "1".to_owned())], ..PLAIN }).is_ok(), is_taken, "{name}");
        }
    }

    #[test]
    fn a_path_yields_exactly_itself_or_a_refusal() {
        for (path, is_taken) in [
            ("/chat/completions", true),
            ("/deployments/a%2Fb/chat?api-version=1", true),
            ("/models/a:generate?alt=sse&x=(1)", true),
            ("/a b", false),
            ("/a#b", false),
            ("/a\r\nhost: other", false),
            ("/a\0", false),
            ("/ä", false),
        ] {
            let request = put(&Case { path, ..PLAIN });
            assert_eq!(request.is_ok(), is_taken, "{path:?}");
            if let Ok(request) = request {
                assert!(text(&request).starts_with(&format!("POST /v1{path} HTTP/1.1\r\n")));
            }
        }
    }

    #[test]
    fn only_a_large_body_stays_where_it_is() {
        for (len, is_apart) in [(1, false), (SMALL_BODY, false), (SMALL_BODY + 1, true)] {
            let body = Bytes::from(vec![b'x'; len]);
            let request = put(&Case { body: body.clone(), ..PLAIN }).unwrap();
            assert_eq!(request.body.len(), if is_apart { len } else { 0 });
            assert_eq!(request.body.as_ptr() == body.as_ptr(), is_apart);
            assert!(text(&request).contains(&format!("content-length: {len}\r\n")));
        }
    }

    /// A socket that takes so many bytes at once, and what it was given in each write.
    struct Taker {
        at_once: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Taker {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            let mut taken = Vec::new();
            for slice in slices {
                let room = this.at_once - taken.len();
                taken.extend_from_slice(&slice[..slice.len().min(room)]);
            }
            this.writes.push(taken);
            Poll::Ready(Ok(this.writes.last().unwrap().len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn head_and_body_leave_in_one_write_or_in_as_many_as_the_socket_wants() {
        for len in [0, 2, SMALL_BODY, SMALL_BODY + 1, 1 << 20] {
            for at_once in [usize::MAX, 1 << 16, 1000] {
                let body = Bytes::from(vec![b'x'; len]);
                let mut request = put(&Case { body: body.clone(), ..PLAIN }).unwrap();
                let whole = [request.head.as_slice(), &request.body].concat();
                let mut taker = Taker { at_once, writes: Vec::new() };
                while !request.is_sent() {
                    let written =
                        request.poll_write(&mut taker, &mut Context::from_waker(std::task::Waker::noop()));
                    assert!(matches!(written, Poll::Ready(Ok(1..))));
                }
                assert_eq!(taker.writes.len(), whole.len().div_ceil(at_once), "{len} {at_once}");
                assert!(taker.writes.concat() == whole);
            }
        }
    }
}
