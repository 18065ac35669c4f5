//! Starting, draining and stopping.

use std::io::Read as _;

use crate::node::{ask, ask_stream, mocked, until};

#[test]
fn a_drained_node_finishes_its_streams_flushes_its_journal_and_exits_well() {
    let (mock, site) = mocked(&[("slow", "mock-gpt+events=12+delay_ms=between:40")]);
    let (_, key) = site.key("app");
    let mut node = site.start();
    let bearer = format!("Bearer {key}");
    let mut client = node.client();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client.send("POST", "/v1/chat/completions", &headers, ask_stream("slow").as_bytes()).unwrap();
    until("the stream flows", || (mock.counts().requests == 1).then_some(()));
    node.signal("TERM");
    until("the listener is closed", || std::net::TcpStream::connect(site.api).is_err().then_some(()));
    let answer = client.answer().unwrap();
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"), "{}", answer.text());
    let status = node.wait();
    assert!(status.success(), "{status}: {}", site.log());
    let url = format!("sqlite://{}/nexus-data/nexus.db", site.path().display());
    let store = nexus_store::Store::open(&url).unwrap();
    assert_eq!(store.read_blocking(nexus_store::repo::usage::totals).unwrap().attempts, 1);
}

#[test]
fn a_node_that_is_told_to_go_answers_on_and_says_so_until_its_clients_have_gone() {
    let (_mock, mut site) = mocked(&[]);
    site.variables.push(("NEXUS_SERVER__LEAVE_SECONDS", "3600".to_owned()));
    let (_, key) = site.key("app");
    let mut node = site.start();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut clients = [node.client(), node.client()];
    let asked = |client: &mut crate::client::Client| {
        client.send("POST", "/v1/chat/completions", &headers, ask("gpt").as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        (answer.status, answer.header("connection").map(str::to_owned))
    };
    for client in &mut clients {
        assert_eq!(asked(client), (200, None));
    }
    node.signal("TERM");
    until("it says that it is not ready", || {
        (node.request("GET", "/readyz", &[], "").status == 503).then_some(())
    });
    for client in &mut clients {
        assert_eq!(asked(client), (200, Some("close".to_owned())));
    }
    let status = node.wait();
    assert!(status.success(), "{status}: {}", site.log());
}

#[test]
fn a_program_that_does_not_start_leaves_the_old_one_serving() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    std::fs::write(site.file("broken.yaml"), "no_such_setting: 1\n").unwrap();
    let port = site.api.port().to_string();
    let output = site.command(&["serve", "--config", "broken.yaml", "--port", &port]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no_such_setting"), "{said}");
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
}

#[test]
fn a_second_signal_hurries() {
    let (mock, site) = mocked(&[("endless", "mock-gpt+fault=hang_after:2")]);
    let (_, key) = site.key("app");
    let mut node = site.start();
    let bearer = format!("Bearer {key}");
    let mut client = node.client();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client.send("POST", "/v1/chat/completions", &headers, ask_stream("endless").as_bytes()).unwrap();
    client.head().unwrap();
    client.chunk().unwrap();
    assert_eq!(mock.counts().requests, 1);
    node.signal("TERM");
    until("it drains", || site.log().contains("draining").then_some(()));
    assert!(!node.has_ended());
    node.signal("TERM");
    assert!(node.wait().success(), "{}", site.log());
}

#[test]
fn the_monitoring_port_serves_metrics_and_nothing_else() {
    let (_mock, site) = mocked(&[]);
    let node = site.start();
    assert!(node.metrics().contains("nexus_build_info"));
    for (path, status) in [("/", 404), ("/healthz", 404), ("/v1/models", 404), ("/metrics/x", 404)] {
        let mut client = crate::client::Client::connect(site.metrics).unwrap();
        client.send("GET", path, &[], b"").unwrap();
        assert_eq!(client.answer().unwrap().status, status, "{path}");
    }
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        assert_eq!(node.request("GET", path, &[], "").text(), body);
    }
}

#[test]
fn a_port_that_is_taken_is_said_so_with_the_remedy() {
    let (_mock, site) = mocked(&[]);
    let _node = site.start();
    let port = site.api.port().to_string();
    let (_other_mock, other) = mocked(&[]);
    let mut child = other
        .command(&["serve", "--config", "nexus.yaml", "--port", &port])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = until("the second one ends", || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!status.success() && said.contains("`--port`"), "{said}");
}

#[test]
fn debug_shows_the_stages_of_a_request_and_starts_without_secrets() {
    let (_mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start_with(&["--debug"]);
    assert_eq!(node.chat(&key, &ask("gpt")).status, 200);
    for stage in
        ["authenticate", "parse", "resolve", "select", "admit", "adapt", "send", "normalise", "account"]
    {
        until(stage, || site.log().lines().any(|line| line.contains(&format!("\"{stage}\""))).then_some(()));
    }
    node.stop();
    let bare = crate::node::Site::new("  []\n");
    let mut command = bare.command(&["serve", "--debug", "--port", &bare.api.port().to_string()]);
    let mut child = command.env_remove("NEXUS_SECRET_KEY").env_remove("DB_ENCRYPTION_KEY").spawn().unwrap();
    until("it serves without secrets", || std::net::TcpStream::connect(bare.api).ok());
    child.kill().unwrap();
    child.wait().unwrap();
}
