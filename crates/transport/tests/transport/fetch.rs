//! Errands: what they bring, and that they are as guarded and as honest as requests.

use std::time::Duration;

use bytes::Bytes;
use nexus_transport::{Errand, Fetched, Fetcher, Reach, Tls};
use url::Url;

use crate::upstream::{Step, Upstream, answer, send};

const LIMIT: usize = 1000;

/// What comes of an errand, in words: `200 application/json body`, or the class of its fault.
fn words(fetched: Result<Fetched, nexus_core::fault::Fault>) -> String {
    match fetched {
        Ok(Fetched { status, content_type, body }) => {
            format!("{status} {} {}", content_type.unwrap_or_default(), String::from_utf8_lossy(&body))
        }
        Err(fault) => {
            assert!(!fault.message.contains("secret"), "{}", fault.message);
            fault.class.as_str().to_owned()
        }
    }
}

fn errand<'a>(url: &'a Url, timeout: Duration) -> Errand<'a> {
    Errand {
        url,
        headers: &[("authorization", "Bearer secret")],
        reach: Reach::Private,
        limit_bytes: LIMIT,
        timeout,
    }
}

const PATIENT: Duration = Duration::from_secs(60);

async fn fetch(step: Step, timeout: Duration) -> (String, Upstream) {
    let upstream = Upstream::play(vec![vec![Step::Request, step]]).await;
    let url = Url::parse(&format!("http://{}/keys?api-version=1#part", upstream.address)).unwrap();
    let fetcher = Fetcher::new(&Tls::new(None).unwrap());
    (words(fetcher.get(errand(&url, timeout)).await), upstream)
}

#[actix_rt::test]
async fn an_errand_brings_the_answer_as_it_came_or_a_fault() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";
    let sized = |len| answer(&"x".repeat(len));
    let chunk = "x".repeat(LIMIT);
    let too_long =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n{chunk}\r\n1\r\nx\r\n");
    for (step, expected) in [
        (answer("{}"), "200 application/json {}"),
        (send(format!("{CHUNKED}0\r\n\r\n")), "200  {}"),
        (send("HTTP/1.1 200 OK\r\n\r\n{}"), "200  {}"),
        (send("HTTP/1.1 204 No\r\n\r\n"), "204  "),
        (send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), "200  {}"),
        (
            send("HTTP/1.1 404 No\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno"),
            "404 text/plain no",
        ),
        (send("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"), "302  "),
        (sized(LIMIT), &format!("200 application/json {chunk}")),
        (sized(LIMIT + 1), "bad_answer"),
        (send(too_long), "bad_answer"),
        (Step::Flood("HTTP/1.1 200 OK\r\n\r\n".repeat(100).into_bytes()), "bad_answer"),
        (send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}"), "truncated"),
        (send(CHUNKED), "truncated"),
        (send("HTTP/1.1 200 OK\r\ncontent-le"), "truncated"),
        (send(""), "reset"),
        (send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"), "framing"),
        (send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nzz"), "bad_answer"),
    ] {
        let (heard, upstream) = fetch(step.clone(), PATIENT).await;
        assert_eq!(heard, expected, "{step:?}");
        assert_eq!(upstream.connections(), 1, "nothing is followed or tried again");
    }
}

#[actix_rt::test]
async fn an_errand_asks_for_what_it_was_told_and_shows_who_asks() {
    let (_, upstream) = fetch(answer("{}"), PATIENT).await;
    let request = upstream.seen.borrow().requests[0].clone();
    assert!(request.starts_with("GET /keys?api-version=1 HTTP/1.1\r\n"), "{request}");
    for line in [
        format!("host: {}", upstream.address),
        "authorization: Bearer secret".to_owned(),
        "accept-encoding: identity".to_owned(),
        format!("user-agent: nexus/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.lines().any(|seen| seen.eq_ignore_ascii_case(&line)), "{line}: {request}");
    }

    let upstream = Upstream::play(vec![vec![Step::Request, answer("{}")]]).await;
    let url = Url::parse(&format!("http://{}/token", upstream.address)).unwrap();
    let fetcher = Fetcher::new(&Tls::new(None).unwrap());
    let form = Bytes::from_static(b"grant_type=x");
    let posted = fetcher.post(errand(&url, PATIENT), "application/x-www-form-urlencoded", form).await;
    assert_eq!(words(posted), "200 application/json {}");
    let request = upstream.seen.borrow().requests[0].clone();
    assert!(request.starts_with("POST /token HTTP/1.1\r\n") && request.ends_with("\r\n\r\ngrant_type=x"));
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
}

#[actix_rt::test]
async fn an_errand_that_takes_too_long_is_given_up_and_its_connection_closed() {
    for sent in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"] {
        let upstream = Upstream::play(vec![vec![Step::Request, send(sent), Step::Gone]]).await;
        let url = Url::parse(&format!("http://{}/keys", upstream.address)).unwrap();
        let fetcher = Fetcher::new(&Tls::new(None).unwrap());
        assert_eq!(words(fetcher.get(errand(&url, Duration::from_millis(60))).await), "timeout");
        upstream.ended(1).await;
    }
}

#[actix_rt::test]
async fn an_errand_goes_nowhere_a_request_may_not_go() {
    let upstream = Upstream::play(vec![]).await;
    let port = upstream.address.port();
    let fetcher = Fetcher::new(&Tls::new(None).unwrap());
    for (url, reach, expected) in [
        (format!("http://127.0.0.1:{port}/"), Reach::Public, "forbidden_address"),
        (format!("http://localhost:{port}/"), Reach::Public, "forbidden_address"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), Reach::Public, "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), Reach::Private, "forbidden_address"),
        (format!("http://user:pass@127.0.0.1:{port}/"), Reach::Private, "connect"),
        ("ftp://127.0.0.1/".to_owned(), Reach::Private, "connect"),
    ] {
        let url = Url::parse(&url).unwrap();
        let fetched = fetcher.get(Errand { reach, ..errand(&url, PATIENT) }).await;
        assert_eq!(words(fetched), expected, "{url}");
    }
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    for bad in ["secret\r\nhost: other", "secret\0", "sécret"] {
        let headers = [("authorization", bad)];
        let fetched = fetcher.get(Errand { headers: &headers, ..errand(&url, PATIENT) }).await;
        assert_eq!(words(fetched), "bad_request");
    }
    assert_eq!(upstream.connections(), 0);
}
