//! The three programs, started as the workshop starts them: what they print, pass on and write, and that they end when told.
//!
//! Each child is killed when its test fails; none outlives the test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use nexus_testkit::load::{self, Length, Load};
use serde_json::Value;

use crate::client::{ask, exchange};
use crate::speaks::mock;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended by itself, which is what most tests want
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the programs are what is tested")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Starts `program` and waits for its first line, of which the last word is returned.
fn start(program: &str, flags: &[&str]) -> (Running, String) {
    let mut child = command(program).args(flags).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let running = Running(child);
    (running, line.split_whitespace().last().unwrap().to_owned())
}

#[test]
fn the_mock_prints_its_url_writes_its_files_and_ends_well_on_either_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (port_file, oracle) = (folder.path().join("port"), folder.path().join("oracle"));
    for (round, signal) in ["-TERM", "-INT"].into_iter().enumerate() {
        let flags = [
            "--port-file",
            port_file.to_str().unwrap(),
            "--oracle",
            oracle.to_str().unwrap(),
            "--script",
            "events=5",
        ];
        let (mut mock, url) = start(env!("CARGO_BIN_EXE_nexus-mock"), &flags);
        let addr = url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
        assert!(addr.ends_with(&format!(":{}", std::fs::read_to_string(&port_file).unwrap())));
        let answer = exchange(addr.parse().unwrap(), &ask("m", "hi", ""));
        assert_eq!(answer.json()["usage"]["completion_tokens"], 5);
        assert_eq!(std::fs::read_to_string(&oracle).unwrap().lines().count(), round + 1, "it appends");
        assert!(command("kill").args([signal, &mock.0.id().to_string()]).status().unwrap().success());
        assert!(mock.0.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn the_pass_through_passes_whole_and_streamed_answers_unchanged() {
    let mock = mock();
    let upstream = format!("http://{}", mock.addr());
    let (_running, url) = start(env!("CARGO_BIN_EXE_nexus-passthrough"), &["--upstream", &upstream]);
    let authority = url.strip_prefix("http://").unwrap().to_owned();
    let refused = exchange(authority.parse().unwrap(), &ask("m+echo_key_401", "hi", ""));
    assert_eq!(refused.status, 401);
    assert!(
        refused.body.contains("sk-of-a-test") && refused.header("content-length").is_some(),
        "{refused:?}"
    );
    for (stream, chunks) in [(false, 0), (true, 8)] {
        let load = Load {
            authority: authority.clone(),
            path: "/v1/chat/completions".to_owned(),
            key: "k".to_owned(),
            model: "m+events=5".to_owned(),
            stream,
            body_bytes: 400_000,
            connections: 3,
            length: Length::Requests(9),
            rate: None,
            each: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(load::run(load));
        assert_eq!((report.requests, report.errors, report.chunks), (9, 0, 9 * chunks));
    }
}

#[test]
fn the_load_generator_prints_one_json_object() {
    let mock = mock();
    let flags = [
        "--url",
        &mock.url(),
        "--model",
        "m+events=5",
        "--stream",
        "--seconds",
        "0.05",
        "--connections",
        "2",
    ];
    let output = command(env!("CARGO_BIN_EXE_nexus-load")).args(flags).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests = report["requests"].as_u64().unwrap();
    assert!(requests > 0, "{report}");
    assert_eq!((&report["errors"], report["chunks"].as_u64()), (&Value::from(0), Some(8 * requests)));
    for member in ["p50_us", "p99_us", "first_byte_p50_us"] {
        assert!(report[member].is_u64(), "{member}");
    }
}
