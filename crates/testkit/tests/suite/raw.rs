//! The raw server plays its bytes, exactly, and ends each connection as told.
//!
//! The project's corpus of upstream faults is played through it where that lies beside the work tree.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nexus_testkit::{After, Exchange, RawServer};
use serde_json::Value;

use crate::client::{bytes, connect};

const REQUEST: &[u8] = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

/// Plays one exchange and checks every byte and the end of the connection.
fn check(name: &str, played: &[u8], after: After) {
    let server = RawServer::start(vec![Exchange { bytes: played.to_vec().into(), after }]).unwrap();
    let mut stream = connect(server.addr());
    let request = if after == After::Early { &REQUEST[..REQUEST.len() - 2] } else { REQUEST };
    stream.write_all(request).unwrap();
    let mut seen = bytes(&mut stream, played.len());
    match after {
        After::Fin | After::Early => assert_eq!(stream.read_to_end(&mut seen).unwrap(), 0, "{name}"),
        After::Rst => assert!(stream.read_to_end(&mut seen).is_err(), "{name}"),
        After::Hold | After::Keep => assert!(is_silent(&mut stream), "{name}"),
    }
    assert!(seen == played, "{name}: other bytes");
    if after == After::Keep {
        stream.write_all(REQUEST).unwrap();
        assert!(bytes(&mut stream, played.len()) == played, "{name}: the last exchange repeats");
    }
    assert_eq!(
        (server.requests(), server.connections()),
        (1 + usize::from(after == After::Keep), 1),
        "{name}"
    );
}

/// Open, with nothing to read now.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    read.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn every_way_to_end_a_connection_is_played() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for name in ["fin", "rst", "hold", "keep", "early"] {
        check(name, bytes, After::named(name).unwrap());
    }
    for name in ["fin", "rst", "early"] {
        check(name, b"", After::named(name).unwrap());
    }
    assert_eq!(After::named("other"), None);
    assert!(RawServer::start(Vec::new()).is_err());
}

#[test]
fn exchanges_are_taken_in_turn_on_one_connection_and_on_the_next() {
    let exchange = |bytes: &'static str, after| Exchange { bytes: bytes.into(), after };
    let played =
        vec![exchange("one", After::Keep), exchange("two", After::Fin), exchange("three", After::Keep)];
    let server = RawServer::start(played).unwrap();
    let mut stream = connect(server.addr());
    stream.write_all(&[REQUEST, REQUEST].concat()).unwrap();
    assert_eq!(bytes(&mut stream, 6), b"onetwo");
    let mut stream = connect(server.addr());
    stream.write_all(REQUEST).unwrap();
    assert_eq!(bytes(&mut stream, 5), b"three");
    assert_eq!((server.requests(), server.connections()), (3, 2));
}

#[test]
fn the_corpus_of_upstream_faults_is_played_to_the_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/own/upstream_faults.json");
    let Ok(corpus) = std::fs::read_to_string(path) else {
        println!("upstream_faults: absent, 0 cases ran");
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&corpus).unwrap();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let played = STANDARD.decode(case["response_b64"].as_str().unwrap()).unwrap();
        check(name, &played, After::named(case["after"].as_str().unwrap()).unwrap());
    }
    println!("upstream_faults: {} cases ran", cases.len());
}
