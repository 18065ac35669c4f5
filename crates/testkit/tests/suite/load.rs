//! The load generator against the mock: it counts what was served, and calls broken answers errors.
//!
//! A few requests suffice; nothing here asserts a speed.

use nexus_testkit::load::{self, Length, Load, Report};
use nexus_testkit::{Counts, Mock, Options};

fn run(model: &str, stream: bool, requests: usize, rate: Option<u32>) -> (Report, Counts) {
    let mock = Mock::start(Options::default()).unwrap();
    let load = Load {
        authority: mock.addr().to_string(),
        path: "/v1/chat/completions".to_owned(),
        key: "k".to_owned(),
        model: model.to_owned(),
        stream,
        body_bytes: 300,
        connections: 4,
        length: Length::Requests(requests),
        rate,
        each: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    (runtime.block_on(load::run(load)), mock.counts())
}

#[test]
fn what_is_counted_is_what_was_served_over_kept_alive_connections() {
    for (model, stream, chunks) in
        [("m", false, 0), ("m+events=7", true, 10), ("m+events=7+burst=3+crlf", true, 10)]
    {
        let (report, counts) = run(model, stream, 40, None);
        assert_eq!((report.requests, report.errors, report.chunks), (40, 0, 40 * chunks), "{model}");
        assert_eq!((counts.finished, counts.connections), (40, 4), "{model}");
        assert!(
            report.p50_us > 0 && report.p99_us >= report.p50_us && report.first_byte_p50_us <= report.p99_us
        );
    }
}

#[test]
fn every_kind_of_broken_answer_is_an_error() {
    for words in
        ["status:500", "200_error", "html,status:200", "empty", "cut_after_events:2", "error_event:2"]
    {
        for stream in [false, true] {
            let (report, _) = run(&format!("m+fault={words}"), stream, 6, None);
            assert_eq!((report.requests, report.errors), (0, 6), "{words}");
        }
    }
    let (report, _) = run("m+done=absent", true, 6, None);
    assert_eq!((report.requests, report.errors), (0, 6), "a stream without its end is not whole");
}

#[test]
fn a_rate_loses_no_request() {
    let (report, counts) = run("m", false, 11, Some(2000));
    assert_eq!((report.requests, report.errors, counts.finished), (11, 0, 11));
}
