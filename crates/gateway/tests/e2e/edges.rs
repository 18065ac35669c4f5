//! What a connection may do before anybody is known: which names it may call, how slow and how many it may be, and
//! what it may not turn into.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::{
    admin::{Api, platform_key},
    node::{Node, Site, ask_stream, mocked, until},
};

/// Adds to the section `server` of the site's configuration.
fn serve_with(site: &Site, members: &str) {
    let file = site.file("nexus.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("server: {{ {members} }}\n{text}")).unwrap();
}

/// Everything that comes back for these bytes, until the other end closes.
fn told(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // what is refused early is not always read to its end
    let _cut = socket.write_all(bytes);
    let mut all = Vec::new();
    let _reset = socket.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

fn get(address: SocketAddr, path: &str, host: &str, more: &str) -> String {
    told(
        address,
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n").as_bytes(),
    )
}

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1)
        .unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_page_that_makes_its_name_lead_here_reaches_nothing() {
    let (_mock, site) = mocked(&[]);
    let key = platform_key(&site);
    let node = site.start();
    let bearer = format!("authorization: Bearer {key}\r\n");
    for (host, is_ours) in [
        ("localhost", true),
        ("localhost:8080", true),
        ("127.0.0.1", true),
        ("[::1]:8080", true),
        ("nexus.test", true),
        ("evil.com", false),
        ("evil.com:8080", false),
        ("127.0.0.1.evil.com", false),
        ("localhost.evil.com", false),
    ] {
        for (path, expected) in [("/admin/v1/teams", 200), ("/v1/models", 200), ("/healthz", 200), ("/", 404)]
        {
            let answer = get(site.api, path, host, &bearer);
            assert_eq!(status(&answer), if is_ours { expected } else { 421 }, "{path} of {host}: {answer}");
        }
        let metrics = get(site.metrics, "/metrics", host, "");
        assert_eq!(status(&metrics), if is_ours { 200 } else { 421 }, "{host}");
    }
    let refused = |path| body(&get(site.api, path, "evil.com", &bearer));
    assert_eq!(refused("/v1/models")["error"]["code"], "misdirected_request");
    assert!(refused("/v1/models")["error"]["message"].as_str().unwrap().contains("server.allowed_hosts"));
    assert_eq!(refused("/admin/v1/teams")["code"], "misdirected");
    // a host in the request line counts as much as the header
    assert_eq!(status(&get(site.api, "http://evil.com/healthz", "localhost", "")), 421);
    node.stop();
}

#[test]
fn the_names_that_are_allowed_are_taken_and_no_others() {
    let (_mock, site) = mocked(&[]);
    serve_with(&site, "allowed_hosts: [nexus.test, ai.corp.io, '*.apps.corp.io']");
    let _node = site.start_with(&[]);
    for (host, expected) in [
        ("ai.corp.io", 200),
        ("AI.corp.io:443", 200),
        ("one.apps.corp.io", 200),
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("apps.corp.io", 421),
        ("nexus.corp.io", 421),
    ] {
        assert_eq!(status(&get(site.api, "/healthz", host, "")), expected, "{host}");
    }
}

#[test]
fn the_administration_listens_where_it_is_told_and_nowhere_else() {
    let (_mock, site) = mocked(&[]);
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    serve_with(&site, &format!("admin_bind: '{own}'"));
    let key = platform_key(&site);
    let (_, app) = site.key("app");
    let node = site.start();
    let bearer = |key: &str| format!("authorization: Bearer {key}\r\n");
    for (path, key, by_api, by_own) in [
        ("/admin/v1/teams", &key, 404, 200),
        ("/admin/v1/openapi.json", &key, 404, 200),
        ("/admin/v1/session", &key, 404, 404),
        ("/v1/models", &app, 200, 404),
        ("/console/", &app, 404, 200),
        ("/healthz", &app, 200, 200),
        ("/readyz", &app, 200, 200),
    ] {
        let asked = |address| status(&get(address, path, "localhost", &bearer(key)));
        assert_eq!((asked(site.api), asked(own)), (by_api, by_own), "{path}");
    }
    // what is made there is in force here
    let made = told(
        own,
        format!(
            "POST /admin/v1/teams HTTP/1.1\r\nhost: localhost\r\n{}content-type: application/json\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{{\"name\":\"red\"}}",
            bearer(&key)
        )
        .as_bytes(),
    );
    assert_eq!(status(&made), 201, "{made}");
    assert!(site.log().contains("serving the administration"), "{}", site.log());
    node.stop();
}

#[test]
fn a_head_that_is_too_large_or_has_too_many_lines_is_refused() {
    let (_mock, site) = mocked(&[]);
    let _node = site.start();
    let lines = |count: usize| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    assert_eq!(status(&get(site.api, "/healthz", "localhost", &lines(90))), 200);
    assert_eq!(status(&get(site.api, "/healthz", "localhost", &lines(97))), 431);
    let boundary = "b".repeat(1 << 20);
    let multipart = format!("content-type: multipart/form-data; boundary={boundary}\r\n");
    assert_eq!(status(&get(site.api, "/v1/models", "localhost", &multipart)), 431);
}

#[test]
fn no_multipart_body_is_taken_apart_whatever_its_boundary() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    for boundary in ["x", "", "\"", "\"a;b\"", "--", "%00", &"b".repeat(60_000)] {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [("authorization", bearer.as_str()), ("content-type", kind.as_str())];
        let body = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt\r\n")
            .repeat(50);
        let answer = node.request("POST", "/v1/chat/completions", &headers, &body);
        assert_eq!(answer.status, 415, "{boundary:.20}: {}", answer.text());
    }
    assert_eq!(mock.requests().len(), 0);
}

#[test]
fn a_connection_becomes_nothing_else() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    let socket =
        "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let h2c = "upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    for more in [socket, h2c] {
        for path in ["/healthz", "/v1/models", "/v1/realtime", "/admin/v1/teams"] {
            let answer = get(site.api, path, "localhost", more);
            assert_ne!(status(&answer), 101, "{path}: {answer}");
        }
    }
    let preface = told(site.api, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(preface.is_empty() || status(&preface) >= 400, "{preface}");
    assert_eq!(node.request("GET", "/healthz", &[], "").status, 200);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut socket = TcpStream::connect(site.api).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            if number % 2 == 0 {
                socket.write_all(b"GET /v1/models HTTP/1.1\r\nhost: loc").unwrap();
            }
            socket
        })
        .collect();
    assert_eq!(node.request("GET", "/healthz", &[], "").status, 200, "others are served meanwhile");
    for socket in &mut slow {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).unwrap();
        assert!(all.is_empty() || status(&String::from_utf8_lossy(&all)) == 408);
    }
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let (_mock, site) = mocked(&[]);
    serve_with(&site, "connections_per_address: 3");
    let node = site.start();
    // the one that asked whether it is ready is gone
    let held: Vec<TcpStream> = until("three are there", || {
        let held: Vec<TcpStream> = (0..3).map(|_| connected(site.api)).collect();
        held.iter().all(is_served).then_some(held)
    });
    let mut more = connected(site.api);
    let _cut = more.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut answer = Vec::new();
    let _reset = more.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || status(&answer) == 503, "{answer}");
    assert!(held.iter().all(is_served), "who is there stays");
    assert!(node.metrics().contains(r#"code="too_many_connections""#), "{}", node.metrics());
    drop(held);
    until("there is room again", || is_served(&connected(site.api)).then_some(()));
}

fn connected(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

fn is_served(mut socket: &TcpStream) -> bool {
    let mut answer = [0; 12];
    let sent = socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let is_ok = sent.is_ok() && socket.read_exact(&mut answer).is_ok() && answer.ends_with(b"200");
    // the rest of the answer
    let mut rest = Vec::new();
    while is_ok && !rest.ends_with(b"ok\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        rest.extend(byte);
    }
    is_ok
}

/// The status of a counted request.
fn counted(node: &Node<'_>, status: &str) -> bool {
    node.metrics()
        .contains(&format!(r#"nexus_requests_total{{provider="mock",model="long",status="{status}"}} 1"#))
}

#[test]
fn a_client_that_does_not_read_is_cut_and_its_provider_let_go() {
    let (mock, site) = mocked(&[("long", "mock-gpt+events=4000+bytes=24000000")]);
    serve_with(&site, "unread_seconds: 1");
    let yaml = fs::read_to_string(site.file("nexus.yaml")).unwrap();
    fs::write(site.file("nexus.yaml"), yaml.replace("first_byte_ms: 1500", "first_byte_ms: 60000")).unwrap();
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let mut client = node.client();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client.send("POST", "/v1/chat/completions", &headers, ask_stream("long").as_bytes()).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    until("the provider is let go", || (mock.counts().cancelled == 1).then_some(()));
    until("the request is counted as abandoned", || counted(&node, "499").then_some(()));
    assert!(Api::new(&node, &key).get("/teams").status == 403, "others are served");
    drop(client);
    node.stop();
}
