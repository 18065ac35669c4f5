//! Files that are larger than the gateway may hold: what they cost of its memory, on the way up and down.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::team_key;
use crate::node::{Node, Site, provider};

/// How much of a process's memory is its own, in KiB.
fn own_kib(node: &Node<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

const PIECE: usize = 64 << 10;

/// A provider that takes an upload of any size and gives as much back as its name says, one connection at a time.
fn provider_of_bytes(count: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            thread::spawn(move || serve(&mut socket, count));
        }
    });
    address
}

fn serve(socket: &mut TcpStream, count: usize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_exact(&mut byte).is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut left = length;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let Ok(read @ 1..) = socket.read(&mut piece) else { return };
        left -= read;
    }
    let sent = if head.starts_with("post") {
        let body = format!(r#"{{"id":"file-large","object":"file","bytes":{length}}}"#);
        let begin =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
        socket.write_all(format!("{begin} {}\r\n\r\n{body}", body.len()).as_bytes())
    } else {
        let begin =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
        socket
            .write_all(format!("{begin} {count}\r\n\r\n").as_bytes())
            .and_then(|()| (0..count / PIECE).try_for_each(|_| socket.write_all(&piece)))
    };
    drop(sent);
}

/// The memory a file of so many bytes costs, on the way up and on the way down, in KiB.
fn growth(bytes: usize) -> (u64, u64) {
    let address = provider_of_bytes(bytes);
    let far = provider("far", &format!("http://{address}/v1"), &[("gpt", "gpt")]);
    let site = Site::new(&format!("{far}default_provider: far\n"));
    let key = team_key(&site, "red");
    let node = site.start();
    let bearer = format!("Bearer {key}");
    // what each worker keeps of any upload is there before a larger one is measured
    for _ in 0..6 {
        up(&node, &bearer, WARM);
    }
    let before = own_kib(&node);
    let most = up(&node, &bearer, bytes);
    (most.saturating_sub(before), down(&node, &bearer, bytes))
}

/// Bytes of a file that passes piece by piece already.
const WARM: usize = 8 << 20;

/// Sends a file of so many bytes: the most memory that was seen meanwhile, in KiB.
fn up(node: &Node<'_>, bearer: &str, bytes: usize) -> u64 {
    let begin = "--b7d1\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b7d1\r\n\
                 Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let end = "\r\n--b7d1--\r\n";
    let mut socket = TcpStream::connect(node.site.api).unwrap();
    let length = begin.len() + bytes + end.len();
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: nexus.test\r\nauthorization: {bearer}\r\ncontent-type: {}\r\n\
         content-length: {length}\r\n\r\n{begin}",
        super::FORM
    );
    socket.write_all(head.as_bytes()).unwrap();
    let piece = vec![b'x'; PIECE];
    let mut most = 0;
    for number in 0..bytes / PIECE {
        socket.write_all(&piece).unwrap();
        if number % 16 == 0 {
            most = most.max(own_kib(node));
        }
    }
    socket.write_all(end.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"}") {
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("\"bytes\":{length}")),
        "{answer}"
    );
    most.max(own_kib(node))
}

fn down(node: &Node<'_>, bearer: &str, bytes: usize) -> u64 {
    let before = own_kib(node);
    let mut most = before;
    let mut client = node.client();
    client.send("GET", "/v1/files/file-large/content", &[("authorization", bearer)], b"").unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    let (mut came, mut pieces) = (0, 0);
    loop {
        let piece = client.chunk().unwrap();
        if piece.is_empty() {
            break;
        }
        came += piece.len();
        pieces += 1;
        if pieces % 64 == 0 {
            most = most.max(own_kib(node));
        }
    }
    assert_eq!(came, bytes);
    most - before
}

/// As much as the limit allows, where `NEXUS_TEST_LARGE_FILES` says so.
#[expect(clippy::disallowed_methods, reason = "the test's own size, no setting of the gateway")]
fn size() -> usize {
    if std::env::var_os("NEXUS_TEST_LARGE_FILES").is_some() { 500 << 20 } else { 96 << 20 }
}

#[test]
fn a_file_costs_no_memory_however_large_it_is() {
    let (up, down) = growth(size());
    println!("{} bytes cost {up} KiB of memory up and {down} KiB down", size());
    assert!(up < 16 << 10 && down < 16 << 10, "{up} KiB up, {down} KiB down");
}
