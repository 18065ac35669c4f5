//! Streams over real sockets: the alias, the usage chunk, comments, faults, and clients that leave.

use nexus_core::usage::Quantity;
use nexus_store::{Store, repo::usage};

use crate::node::{Site, ask_stream, mocked, until};

fn totals(site: &Site) -> usage::UsageTotals {
    let url = format!("sqlite://{}/nexus-data/nexus.db", site.path().display());
    Store::open(&url).unwrap().read_blocking(usage::totals).unwrap()
}

#[test]
fn a_stream_bears_the_alias_and_shows_usage_only_to_who_asked() {
    let (mock, site) = mocked(&[]);
    let (_, key) = site.key("app");
    let node = site.start();
    for wants_usage in [false, true] {
        let ask = if wants_usage {
            ask_stream("gpt")
                .replace("\"stream\":true", r#""stream":true,"stream_options":{"include_usage":true}"#)
        } else {
            ask_stream("gpt")
        };
        let answer = node.chat(&key, &ask);
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let events = answer.events();
        assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
        let chunks: Vec<serde_json::Value> =
            events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        assert!(chunks.len() > 2 && chunks.iter().all(|chunk| chunk["model"] == "gpt"));
        let with_usage = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
        assert_eq!(with_usage, usize::from(wants_usage));
        let empty = chunks.iter().filter(|chunk| chunk["choices"] == serde_json::json!([])).count();
        assert_eq!(empty, usize::from(wants_usage));
    }
    let served = mock.oracle();
    node.stop();
    let expected: u64 = served.iter().map(|served| served.prompt_tokens + served.completion_tokens).sum();
    let booked = totals(&site);
    assert_eq!(booked.attempts, 2);
    assert_eq!(booked.usage.tokens(), expected, "{:?}", booked.usage);
}

#[test]
fn odd_but_honest_streams_reach_the_client_whole() {
    let scripts = [
        ("comments", "mock-gpt+events=6+comment=every:2"),
        ("crlf", "mock-gpt+events=6+crlf"),
        ("bom", "mock-gpt+events=6+bom"),
        ("no-done", "mock-gpt+events=6+done=absent"),
        ("no-usage", "mock-gpt+events=6+usage=absent"),
        ("bad-usage", "mock-gpt+events=6+usage=negative"),
        ("huge-usage", "mock-gpt+events=6+usage=huge"),
        ("running-usage", "mock-gpt+events=6+usage=cumulative"),
        ("burst", "mock-gpt+events=6+burst=3"),
        ("json", "mock-gpt+json_for_stream"),
    ];
    let (_mock, site) = mocked(&scripts);
    let (_, key) = site.key("app");
    let node = site.start();
    for (alias, _) in scripts {
        let answer = node.chat(&key, &ask_stream(alias));
        assert_eq!((answer.status, answer.is_complete), (200, true), "{alias}: {}", answer.text());
        if alias == "json" {
            assert_eq!(answer.json()["model"], alias);
        } else {
            let text = answer.text().replace("\r\n", "\n");
            assert!(text.trim_end().ends_with("data: [DONE]"), "{alias}: {text}");
        }
    }
    node.stop();
    let booked = totals(&site);
    assert_eq!(booked.attempts, scripts.len() as u64);
    assert!(booked.usage.tokens() < 10_000, "{:?}", booked.usage);
}

#[test]
fn a_stream_that_breaks_ends_with_an_error_and_without_done() {
    // apart in time: what breaks in the very first piece is no stream yet, and may still fail over
    let scripts = [
        ("cut", "mock-gpt+events=9+delay_ms=between:20+fault=cut_after_events:3"),
        ("reset", "mock-gpt+events=9+delay_ms=between:20+fault=cut_after_events:3,with:rst"),
        ("error", "mock-gpt+events=9+delay_ms=between:20+fault=error_event:3"),
    ];
    let (_mock, site) = mocked(&scripts);
    let (_, key) = site.key("app");
    let node = site.start();
    for (alias, _) in scripts {
        let answer = node.chat(&key, &ask_stream(alias));
        let events = answer.events();
        let last = events.last().unwrap_or_else(|| panic!("{alias}: {}", answer.text()));
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert!(last["error"]["message"].is_string(), "{alias}: {}", answer.text());
        assert!(!answer.text().contains("[DONE]"), "{alias}");
    }
    node.stop();
    let booked = totals(&site);
    assert_eq!(booked.attempts, 3);
    assert!(booked.usage.of(Quantity::Output) > 0 && booked.usage.of(Quantity::Input) > 0);
}

#[test]
fn a_client_that_leaves_cancels_the_provider_and_is_billed() {
    let (mock, site) = mocked(&[("endless", "mock-gpt+events=50+fault=hang_after:5")]);
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    for reads_some in [true, false] {
        let before = mock.counts().cancelled;
        let mut client = node.client();
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        client.send("POST", "/v1/chat/completions", &headers, ask_stream("endless").as_bytes()).unwrap();
        if reads_some {
            client.head().unwrap();
            client.chunk().unwrap();
        } else {
            until("the provider is asked", || (mock.counts().requests > before).then_some(()));
        }
        drop(client);
        until("the provider sees the client gone", || (mock.counts().cancelled > before).then_some(()));
    }
    until("the request is counted as abandoned", || {
        node.metrics()
            .contains(r#"nexus_requests_total{provider="mock",model="endless",status="499"} 2"#)
            .then_some(())
    });
    node.stop();
    let booked = totals(&site);
    assert_eq!(booked.attempts, 2);
    assert!(
        booked.usage.of(Quantity::Input) > 0 && booked.usage.of(Quantity::Output) > 0,
        "{:?}",
        booked.usage
    );
}

#[test]
fn a_stream_whose_client_left_is_read_on_to_its_usage_where_its_provider_is_set_up_so() {
    let (mock, site) = mocked(&[("long", "mock-gpt+events=40+delay_ms=between:20")]);
    let yaml = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    let set_up = yaml.replacen("    models:", "    options: { read_on_s: \"30\" }\n    models:", 1);
    assert_ne!(set_up, yaml);
    std::fs::write(site.file("nexus.yaml"), set_up).unwrap();
    let (_, key) = site.key("app");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut client = node.client();
    client.send("POST", "/v1/chat/completions", &headers, ask_stream("long").as_bytes()).unwrap();
    client.head().unwrap();
    client.chunk().unwrap();
    drop(client);
    let tokens = until("the provider has said what was used", || {
        mock.oracle().first().map(|served| served.prompt_tokens + served.completion_tokens)
    });
    let booked = until("it is booked", || Some(totals(&site)).filter(|booked| booked.attempts == 1));
    assert_eq!((booked.usage.tokens(), mock.counts().cancelled), (tokens, 0), "{:?}", booked.usage);
    assert!(
        node.metrics().contains(r#"nexus_requests_total{provider="mock",model="long",status="499"} 1"#),
        "{}",
        node.metrics()
    );
}

#[test]
fn a_silent_stream_is_kept_open_with_comments() {
    let (_mock, site) = mocked(&[("slow", "mock-gpt+events=2+delay_ms=first:10,between:400")]);
    let yaml = std::fs::read_to_string(site.file("nexus.yaml")).unwrap();
    std::fs::write(
        site.file("nexus.yaml"),
        yaml.replace("first_byte_ms: 1500", "first_byte_ms: 1500, heartbeat_ms: 50"),
    )
    .unwrap();
    let (_, key) = site.key("app");
    let node = site.start();
    let answer = node.chat(&key, &ask_stream("slow"));
    assert!(answer.text().contains(": ping\n\n"), "{}", answer.text());
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
}
