//! Bugs and foreign hosts, met by a real listener: what clients, the log and the worker see of them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    task::Poll,
};

use actix_web::{App, HttpServer, web};
use futures_core::Stream;

use super::*;
use crate::{bug::tests::Told, respond::events::Events};

const SECRETS: [&str; 4] = [
    "sk-provider-canary-in-a-panic-19f4",
    "sk-nexus-application-canary-in-a-panic-77aa",
    "postgres://nexus:canary-in-a-panic-3c5e@db/nexus",
    "the canary prompt in a panic 0be2",
];

fn words() -> String {
    SECRETS.join(" and ")
}

/// Panics with everything secret in its words, after it has waited once.
async fn stumble() -> HttpResponse {
    actix_web::rt::task::yield_now().await;
    panic!("cannot serve {}", words());
}

/// Says one thing and then panics.
struct Stumbling(bool);

impl Stream for Stumbling {
    type Item = web::Bytes;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<web::Bytes>> {
        assert!(!std::mem::replace(&mut self.0, true), "{}", words());
        Poll::Ready(Some(web::Bytes::from_static(b"data: {\"a\":1}\n\n")))
    }
}

fn tell(dialect: Dialect, trouble: Trouble) -> HttpResponse {
    HttpResponse::build(match trouble {
        Trouble::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Trouble::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    })
    .body(format!("{dialect:?} {trouble:?}"))
}

/// A listener with bugs, and one worker.
struct Listener {
    address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Listener {
    fn start() -> Self {
        let (ready, started) = mpsc::channel();
        let serve = move || {
            let server = HttpServer::new(|| {
                let (origins, tell) = (Origins::default(), Box::new(tell));
                let entrance = Entrance::speaking(Hosts::OwnedByNobody, origins, tell, Arc::default());
                App::new()
                    .wrap_fn(move |request, inner| entrance.pass(request, inner))
                    .route("/v1/well", web::get().to(|| async { "well" }))
                    .route("/v1/bug", web::get().to(stumble))
                    .route("/admin/v1/bug", web::get().to(stumble))
                    .route(
                        "/v1/stream",
                        web::get().to(|| async {
                            HttpResponse::Ok().body(Events::new(Stumbling(false), None, None))
                        }),
                    )
            });
            let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            ready.send((address, server.handle())).unwrap();
            actix_web::rt::System::new().block_on(server).unwrap();
        };
        let thread = Some(std::thread::spawn(serve));
        let (address, handle) = started.recv().unwrap();
        Self { address, handle, thread }
    }

    /// The whole answer, as it came.
    fn ask(&self, path: &str, host: &str) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        let _ended = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn a_bug_with_every_secret_in_its_words_ends_in_an_answer_and_tells_none_of_them() {
    let told = Told::begin();
    let listener = Listener::start();
    let mut all = String::new();
    for _ in 0..3 {
        for (path, status, end) in [
            ("/v1/bug", "500", "Applications Bug"),
            ("/admin/v1/bug", "500", "Administration Bug"),
            // the stream was begun: it ends as one, after an error that says so
            ("/v1/stream", "200", "\r\n0\r\n\r\n"),
            ("/v1/well", "200", "well"),
        ] {
            let answer = listener.ask(path, "localhost");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            assert!(answer.ends_with(end), "{path}: {answer}");
            all.push_str(&answer);
        }
    }
    drop(listener);
    assert_eq!(all.matches(r#"data: {"error":{"message":"the gateway failed inside"#).count(), 3, "{all}");
    let lines = told.lines();
    drop(told);
    assert_eq!(lines.lines().count(), 9, "{lines}");
    for secret in SECRETS {
        assert!(!lines.contains(secret) && !all.contains(secret), "{secret}");
    }
}

#[test]
fn a_request_for_somebody_elses_host_reaches_no_handler() {
    let listener = Listener::start();
    for (path, host, expected) in [
        ("/v1/well", "localhost", "well"),
        ("/v1/well", "127.0.0.1:8080", "well"),
        ("/v1/well", "evil.com", "Applications Misdirected"),
        ("/admin/v1/bug", "evil.com:8080", "Administration Misdirected"),
        ("http://evil.com/v1/well", "localhost", "Applications Misdirected"),
    ] {
        let answer = listener.ask(path, host);
        assert!(answer.ends_with(expected), "{path} {host}: {answer}");
        assert_eq!(
            answer.starts_with("HTTP/1.1 421"),
            host.contains("evil") || path.contains("evil"),
            "{answer}"
        );
    }
}
