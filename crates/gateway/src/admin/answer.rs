//! What the administration answers, and how each kind of answer is described.
//!
//! An answer becomes a [`Reply`] of plain parts before it becomes HTTP, so that one that was given before
//! can be kept and given again.

use std::{
    fmt::Display,
    io,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use nexus_core::id::{RequestId, Uuid};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    openapi::Components,
    problem::{Kind, Problem},
    query::Listing,
    reference,
};
use crate::respond;

const JSON: &str = "application/json";

/// The revision a change made; whether all nodes have it in force; those that have not.
pub const REVISION: HeaderName = HeaderName::from_static("x-nexus-revision");
pub const APPLIED: HeaderName = HeaderName::from_static("x-nexus-applied");
pub const BEHIND: HeaderName = HeaderName::from_static("x-nexus-behind");

/// Pieces of a text that wait for the client at most.
const PIECES_MAX: usize = 2;

/// Pages bear a content security policy.
pub const HTML: &str = "text/html; charset=utf-8";

/// An answer in plain parts. It may hold a key that is shown once, so it cannot be printed.
#[derive(Serialize, Deserialize)]
pub struct Reply {
    pub status: u16,
    /// The version of the thing that is answered.
    pub version: Option<i64>,
    /// The path of what was made.
    pub location: Option<String>,
    /// The body's media type; empty where there is no body.
    pub media_type: String,
    pub body: String,
    /// The revision of the configuration it made.
    #[serde(default)]
    pub revision: Option<i64>,
    /// The nodes that do not have the change in force, where they were waited for.
    #[serde(skip)]
    pub behind: Option<Vec<Uuid>>,
    /// Under which name a browser is to save the body.
    pub file_name: Option<String>,
    /// What comes after the body, piece by piece.
    #[serde(skip)]
    pub rest: Option<Rest>,
    /// Whole `Set-Cookie` lines. They are given once and never kept.
    #[serde(skip)]
    pub cookies: Vec<String>,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            version: None,
            location: None,
            media_type: String::new(),
            body: String::new(),
            revision: None,
            behind: None,
            file_name: None,
            rest: None,
            cookies: Vec::new(),
        }
    }

    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written");
            Problem::from(Kind::Internal)
        })?;
        Ok(Self { media_type: JSON.to_owned(), body, ..Self::empty(status) })
    }

    /// Turns the answer into HTTP.
    pub fn respond(self, request: RequestId) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = begin(status, request);
        for cookie in self.cookies {
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                response.append_header((header::SET_COOKIE, cookie));
            }
        }
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.insert_header((name, value));
            }
        };
        if let Some(version) = self.version {
            set(header::ETAG, format!("\"{version}\""));
        }
        if let Some(location) = self.location {
            set(header::LOCATION, location);
        }
        if let Some(revision) = self.revision {
            set(REVISION, revision.to_string());
        }
        if let Some(behind) = self.behind {
            set(APPLIED, behind.is_empty().to_string());
            if !behind.is_empty() {
                set(BEHIND, behind.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", "));
            }
        }
        if let Some(name) = self.file_name {
            set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
        }
        if self.media_type.is_empty() {
            return response.finish();
        }
        if self.media_type == HTML {
            set(header::CONTENT_SECURITY_POLICY, reference::content_security_policy());
        }
        set(header::CONTENT_TYPE, self.media_type);
        match self.rest {
            Some(rest) => response.body(rest),
            None => response.body(self.body),
        }
    }
}

/// A piece of a text, or the word that there are no more.
enum Piece {
    More(Bytes),
    End,
}

/// Where a text is written piece by piece.
pub struct Pieces(Sender<Piece>);

impl Pieces {
    /// Sends a piece as soon as the client took those before; an error where the client is gone.
    pub async fn send(&self, piece: impl Into<Bytes>) -> io::Result<()> {
        let piece = piece.into();
        // a piece without bytes would end the body
        if piece.is_empty() {
            return Ok(());
        }
        self.0.send(Piece::More(piece)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Pieces as a body: actix asks for more only when the socket took what it had. Pieces that stop without a word
/// that there are no more, for whatever reason, cut the connection: a text that came to its end is whole.
pub struct Rest {
    pieces: Receiver<Piece>,
    is_cut: bool,
}

impl MessageBody for Rest {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.is_cut {
            return Poll::Ready(Some(Err(io::Error::other("the text was cut"))));
        }
        match self.pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::More(piece))) => Poll::Ready(Some(Ok(piece))),
            Poll::Ready(Some(Piece::End)) => Poll::Ready(None),
            Poll::Ready(None) => {
                // what was written before goes out first
                self.is_cut = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// What every answer of the administration begins with.
pub fn begin(status: StatusCode, request: RequestId) -> HttpResponseBuilder {
    let mut response = respond::begin(status, request);
    response
        .insert_header((header::VARY, HeaderValue::from_static("authorization, api-key, x-api-key, cookie")));
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    response
}

/// How an answer is described.
pub struct AnswerDoc {
    pub status: u16,
    pub description: &'static str,
    /// Media types, and the schema where it is JSON.
    pub content: Vec<(&'static str, Option<RefOr<Schema>>)>,
    pub has_etag: bool,
    pub has_location: bool,
    /// Whether it is kept for its `Idempotency-Key`.
    pub is_recorded: bool,
}

/// What a handler can answer.
pub trait Answer {
    /// Whether it is the answer to a change.
    const IS_RECORDED: bool = false;

    fn into_reply(self) -> Result<Reply, Problem>;

    fn describe(components: &mut Components) -> AnswerDoc;
}

fn json_doc<T: ToSchema>(components: &mut Components, status: u16, description: &'static str) -> AnswerDoc {
    AnswerDoc { content: vec![(JSON, Some(components.schema::<T>()))], ..plain_doc(status, description) }
}

impl<T: Serialize + ToSchema> Answer for Listing<T> {
    fn into_reply(self) -> Result<Reply, Problem> {
        Reply::json(200, &self)
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        components.schema::<T>();
        let schema = components.schema_named::<Self>(format!("{}List", T::name()));
        AnswerDoc { content: vec![(JSON, Some(schema))], ..plain_doc(200, "A page of the list") }
    }
}

/// A thing that is shown, with the version that `If-Match` wants.
pub struct Shown<T> {
    pub body: T,
    pub version: i64,
}

impl<T: Serialize + ToSchema> Answer for Shown<T> {
    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(Reply { version: Some(self.version), ..Reply::json(200, &self.body)? })
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        AnswerDoc { has_etag: true, ..json_doc::<T>(components, 200, "It, as it stands now") }
    }
}

/// A thing that was made.
pub struct Created<T> {
    pub body: T,
    pub version: i64,
    /// Its path.
    pub location: String,
}

impl<T: Serialize + ToSchema> Answer for Created<T> {
    fn into_reply(self) -> Result<Reply, Problem> {
        let (version, location) = (Some(self.version), Some(self.location));
        Ok(Reply { version, location, ..Reply::json(201, &self.body)? })
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        let doc = json_doc::<T>(components, 201, "It was made");
        AnswerDoc { has_etag: true, has_location: true, ..doc }
    }
}

/// Something that has no version, such as a verdict.
pub struct Told<T>(pub T);

impl<T: Serialize + ToSchema> Answer for Told<T> {
    fn into_reply(self) -> Result<Reply, Problem> {
        Reply::json(200, &self.0)
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        json_doc::<T>(components, 200, "What was asked for")
    }
}

/// A thing that is no more.
pub struct Gone;

impl Answer for Gone {
    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(Reply::empty(204))
    }

    fn describe(_: &mut Components) -> AnswerDoc {
        AnswerDoc { content: Vec::new(), ..plain_doc(204, "It is no more") }
    }
}

/// The media types of a text.
pub trait Kinds {
    const MEDIA_TYPES: &'static [&'static str];
}

/// A text that is not made of one of our types.
pub struct Text<K> {
    media_type: &'static str,
    body: String,
    file_name: Option<String>,
    rest: Option<Rest>,
    kinds: PhantomData<K>,
}

impl<K: Kinds> Text<K> {
    /// `media_type` is one of the kind's.
    pub fn new(media_type: &'static str, body: String) -> Self {
        Self { media_type, body, file_name: None, rest: None, kinds: PhantomData }
    }

    /// As [`Text::new`], written piece by piece as the client takes them. Where `write` fails, the connection is cut.
    pub fn written<F, E>(media_type: &'static str, write: impl FnOnce(Pieces) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + 'static,
        E: Display,
    {
        let (sender, pieces) = channel(PIECES_MAX);
        let written = write(Pieces(sender.clone()));
        actix_web::rt::spawn(async move {
            match written.await {
                Ok(()) => drop(sender.send(Piece::End).await),
                Err(_) if sender.is_closed() => {}
                Err(error) => tracing::warn!(%error, media_type, "a text was cut"),
            }
        });
        Self { rest: Some(Rest { pieces, is_cut: false }), ..Self::new(media_type, String::new()) }
    }

    /// To be saved under this name.
    pub fn named(self, file_name: String) -> Self {
        Self { file_name: Some(file_name), ..self }
    }
}

impl<K: Kinds> Answer for Text<K> {
    fn into_reply(self) -> Result<Reply, Problem> {
        let Self { media_type, body, file_name, rest, .. } = self;
        Ok(Reply { media_type: media_type.to_owned(), body, file_name, rest, ..Reply::empty(200) })
    }

    fn describe(_: &mut Components) -> AnswerDoc {
        let content = K::MEDIA_TYPES.iter().map(|kind| (*kind, None)).collect();
        AnswerDoc { content, ..plain_doc(200, "The text") }
    }
}

/// An answer without a body and without headers of its own.
pub fn plain_doc(status: u16, description: &'static str) -> AnswerDoc {
    AnswerDoc {
        status,
        description,
        content: Vec::new(),
        has_etag: false,
        has_location: false,
        is_recorded: false,
    }
}

/// The answer to a change that stands, or the one that was given when it was made.
pub struct Recorded<A>(Reply, PhantomData<A>);

impl<A> Recorded<A> {
    pub(super) fn new(reply: Reply) -> Self {
        Self(reply, PhantomData)
    }
}

impl<A: Answer> Answer for Recorded<A> {
    const IS_RECORDED: bool = true;

    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(self.0)
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        AnswerDoc { is_recorded: true, ..A::describe(components) }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    use actix_web::{App, HttpServer, web};

    use super::*;

    struct Plain;

    type End = fn() -> io::Result<()>;

    impl Kinds for Plain {
        const MEDIA_TYPES: &'static [&'static str] = &["text/plain"];
    }

    /// What goes over the wire of a text whose writing ends so.
    fn sent(end: End) -> String {
        let (told, address) = std::sync::mpsc::channel();
        let handler = move || async move {
            let text = Text::<Plain>::written("text/plain", move |pieces| async move {
                pieces.send("one").await?;
                pieces.send("").await?;
                pieces.send("two").await?;
                end()
            });
            text.into_reply().unwrap().respond(RequestId(uuid::Uuid::nil()))
        };
        let server = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().route("/", web::get().to(handler));
                let server =
                    HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                told.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = address.recv().unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        drop(handle.stop(false));
        server.join().unwrap();
        text
    }

    #[test]
    fn a_text_whose_writing_fails_or_stops_dead_is_cut_behind_what_was_written() {
        const LAST_CHUNK: &str = "\r\n0\r\n\r\n";
        let ends: [(End, bool); 3] =
            [(|| Ok(()), true), (|| Err(io::Error::other("away")), false), (|| panic!("dead"), false)];
        for (end, is_whole) in ends {
            let text = sent(end);
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.contains("\r\n\r\n3\r\none\r\n3\r\ntwo"), "{text}");
            assert_eq!(text.ends_with(LAST_CHUNK), is_whole, "{text}");
        }
    }
}
