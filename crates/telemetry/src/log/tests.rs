//! Lines as they come out, captured behind the queue.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tracing::{Span, debug_span, error, info, info_span, trace, warn};

use super::{members::MEMBERS_MAX_BYTES, members::VALUE_MAX_BYTES, *};
use crate::exporter::Exporter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PLAIN: Options<'static> = Options { level: "info", format: Format::Json, stages: Stages::Hidden };

fn lines(options: Options<'_>, style: Style, work: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let (subscriber, guard) = subscriber(options, style, captured.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    drop(guard);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn objects(options: Options<'_>, work: impl FnOnce()) -> Vec<Value> {
    lines(options, Style::Json, work).iter().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Values that try to leave their line, their quotes or their terminal.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "plain",
        "",
        "two\nlines\r\nand\rmore",
        "{\"level\":\"ERROR\"}\n{\"level\":\"INFO\",\"message\":\"forged\"}",
        "\",\"level\":\"forged",
        "back\\slash\\\"quote",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
        "\u{9b}31m eight bits \u{85} next \u{7f}",
        "\u{0}\u{1}\u{2}nul",
        "\u{2028}separators\u{2029}\u{202e}turned\u{2066}",
        "你好 😀 é",
    ]
    .map(str::to_owned)
    .into();
    values.push("x".repeat(100_000));
    values.push("\n".repeat(100_000));
    values.push("😀".repeat(30_000));
    values.push(String::from_utf8_lossy(&(0_u8..=255).collect::<Vec<_>>()).into_owned());
    values
}

#[test]
fn a_hostile_value_stays_in_its_line_its_quotes_and_its_size() {
    for value in hostile() {
        for style in [Style::Json, Style::Text, Style::Coloured] {
            let written = lines(PLAIN, style, || info!(value, debug = ?value, "{value}"));
            let [line] = &written[..] else { panic!("{} lines of {value:.40?}", written.len()) };
            assert!(line.len() < 4 * VALUE_MAX_BYTES, "{} bytes of {value:.40?}", line.len());
            let text = line.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
            assert!(!text.contains(char::is_control), "{text}");
            if style == Style::Json {
                let line: Value = serde_json::from_str(line).expect(line);
                assert_eq!(line["level"], "INFO");
                check_kept(line["value"].as_str().unwrap(), &value);
                check_kept(line["message"].as_str().unwrap(), &value);
            }
        }
    }
}

/// What was not too long is there unharmed, what was too long is there from its beginning.
fn check_kept(shown: &str, value: &str) {
    match shown.strip_suffix('…') {
        Some(start) => assert!(value.starts_with(start) && start.len() > VALUE_MAX_BYTES / 7, "{shown}"),
        None => assert_eq!(shown, value),
    }
}

#[test]
fn every_kind_of_value_has_its_json_form() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);
    let error: &(dyn std::error::Error + 'static) = &Outer(io::Error::other("inner"));
    let [line] = &objects(PLAIN, || {
        warn!(
            target: "somewhere",
            count = 3_u64,
            below = -4_i64,
            wide = i128::MAX,
            ratio = 0.5,
            nan = f64::NAN,
            yes = true,
            level = "mine",
            error,
            shown = %"as is",
            "over"
        );
    })[..] else {
        panic!("not one line")
    };
    for (key, expected) in [
        ("target", Value::from("somewhere")),
        ("level", "WARN".into()),
        ("message", "over".into()),
        ("count", 3.into()),
        ("below", (-4).into()),
        ("wide", i128::MAX.to_string().into()),
        ("ratio", 0.5.into()),
        ("nan", "NaN".into()),
        ("yes", true.into()),
        ("_level", "mine".into()),
        ("error", "outer: inner".into()),
        ("shown", "as is".into()),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn the_spans_around_an_event_are_shown_from_the_outermost() {
    let [line] = &objects(PLAIN, || {
        let request = info_span!("request", request_id = "r-1", alias = tracing::field::Empty);
        let _request = request.enter();
        Span::current().record("alias", "a\nb");
        let _attempt = info_span!("attempt", number = 2).entered();
        info!("sent");
    })[..] else {
        panic!("not one line")
    };
    let expected = serde_json::json!([
        { "name": "request", "request_id": "r-1", "alias": "a\nb" },
        { "name": "attempt", "number": 2 },
    ]);
    assert_eq!(line["spans"], expected);
}

#[test]
fn too_many_members_are_left_out_and_the_line_says_so() {
    let value = "v".repeat(2 * VALUE_MAX_BYTES);
    let value = value.as_str();
    let [line] = &lines(PLAIN, Style::Json, || {
        let span = info_span!("filled", again = tracing::field::Empty);
        for _ in 0..100 {
            span.record("again", value);
        }
        let _filled = span.entered();
        info!(a = value, b = value, c = value, d = value, e = value, f = value, g = value, h = value, "m");
    })[..] else {
        panic!("not one line")
    };
    assert!(line.len() < 3 * MEMBERS_MAX_BYTES, "{} bytes", line.len());
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["cut"], &line["spans"][0]["cut"]), (&true.into(), &true.into()));
    assert!(line["a"].is_string() && line.get("h").is_none(), "{line}");
}

#[test]
fn the_level_says_what_is_logged_and_debug_shows_the_stages() {
    let work = || {
        trace!("t");
        let span = debug_span!(target: "nexus_engine::stage", "resolve", alias = "x");
        span.in_scope(|| info!("i"));
        drop(span);
        error!(target: "other", "e");
    };
    for (level, stages, expected) in [
        ("info", Stages::Hidden, &["i", "e"][..]),
        ("error", Stages::Hidden, &["e"]),
        ("off", Stages::Hidden, &[]),
        ("error,other=off", Stages::Hidden, &[]),
        ("error", Stages::Shown, &["i", "close", "e"]),
    ] {
        let written = objects(Options { level, stages, ..PLAIN }, work);
        let messages: Vec<_> = written.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, expected, "{level} {stages:?}");
        if let Some(close) = written.iter().find(|line| line["message"] == "close") {
            assert_eq!(
                (&close["spans"][0]["name"], &close["spans"][0]["alias"]),
                (&"resolve".into(), &"x".into())
            );
            assert!(close["time.busy"].is_string(), "{close}");
        }
    }
}

#[test]
fn a_level_that_is_none_is_refused() {
    for level in ["", " ", "info=[", "nexus=loudest"] {
        let made = subscriber(Options { level, ..PLAIN }, Style::Json, io::sink());
        assert!(matches!(made, Err(LogError::Level)), "{level:?}");
    }
}

#[test]
fn text_is_for_people_and_coloured_only_where_asked() {
    let work = || {
        let _span = info_span!("request", id = 7).entered();
        warn!(target: "t", n = 1, s = "two words", "hello");
    };
    for (style, expected) in [
        (Style::Text, "  WARN t: hello n=1 s=\"two words\" [request id=7]"),
        (Style::Coloured, " \u{1b}[33m WARN\u{1b}[0m t: hello n=1 s=\"two words\" [request id=7]"),
    ] {
        let written = lines(PLAIN, style, work);
        assert_eq!(written[0].split_once('Z').unwrap().1, expected);
    }
}

/// Says it has begun to write, and then waits to be let go.
struct Stuck {
    begun: std::sync::mpsc::Sender<()>,
    go: std::sync::mpsc::Receiver<()>,
}

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        let _nobody_asks = self.begun.send(());
        let _let_go = self.go.recv();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_output_holds_nobody_up_and_every_lost_line_is_counted() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (let_go, go) = std::sync::mpsc::channel();
    let (subscriber, guard) = subscriber(PLAIN, Style::Json, Stuck { begun, go }).unwrap();
    let dropped = guard.dropped();
    tracing::subscriber::with_default(subscriber, || {
        info!("taken by the writer");
        has_begun.recv().unwrap();
        for _ in 0..QUEUE_LINES + 10 {
            info!("queued or dropped");
        }
    });
    assert_eq!(dropped.count(), 10);
    let exporter = Exporter::start().unwrap();
    exporter.watch(dropped.clone());
    assert!(exporter.render().contains("nexus_log_lines_dropped_total 10\n"));
    drop(let_go);
    drop(guard);
    assert_eq!(dropped.count(), 1 + QUEUE_LINES as u64 + 10);
}

#[test]
fn a_value_that_cannot_be_shown_is_no_reason_to_lose_the_line() {
    struct Mute;
    impl fmt::Debug for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let written = objects(PLAIN, || info!(mute = ?Mute, "still here"));
    assert_eq!((&written[0]["mute"], &written[0]["message"]), (&"…".into(), &"still here".into()));
}
