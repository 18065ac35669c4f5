//! A blocking client on a plain socket: sends bytes, reads to the end of an answer or of the connection.
//!
//! It trusts nothing but blank lines and the lengths it is told; it waits without a limit, the test runner has one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// Without chunk framing.
    pub(crate) body: String,
    /// The same as bytes, where they are no text.
    pub(crate) bytes: Vec<u8>,
    /// The data of each write the server framed as one chunk.
    pub(crate) chunks: Vec<String>,
    /// The answer is as long as its head or its last chunk says.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The data of each event, `[DONE]` included.
    pub(crate) fn data(&self) -> Vec<&str> {
        self.body
            .lines()
            .filter_map(|line| line.trim_start_matches('\u{feff}').strip_prefix("data: "))
            .collect()
    }

    /// Each event but `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.data().into_iter().filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|why| panic!("{why}: {data}"))).collect()
    }

    /// The text of one choice, streamed or whole.
    pub(crate) fn text(&self, choice: usize) -> String {
        if !self.body.contains("data: ") {
            return self.json()["choices"][choice]["message"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        let of_choice = |event: &Value| {
            let part = event["choices"].as_array()?.first()?.clone();
            (part["index"] == choice)
                .then(|| part["delta"]["content"].as_str().unwrap_or_default().to_owned())
        };
        self.events().iter().filter_map(of_choice).collect()
    }
}

pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) fn post(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer sk-of-a-test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request for `model` with one user message and further members.
pub(crate) fn ask(model: &str, text: &str, more: &str) -> String {
    let text = Value::from(text);
    post(&format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":{text}}}]{more}}}"#))
}

/// Sends `request` on a connection of its own.
pub(crate) fn exchange(addr: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(addr);
    stream.write_all(request.as_bytes()).unwrap();
    read(&mut stream)
}

/// Reads one answer, leaving what follows it.
pub(crate) fn read(stream: &mut TcpStream) -> Answer {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match bytes(stream, 1).as_slice() {
            [byte] => head.push(char::from(*byte)),
            _ => break,
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut answer =
        Answer { status, head, body: String::new(), bytes: Vec::new(), chunks: Vec::new(), whole: false };
    if let Some(length) = answer.header("content-length") {
        let length = length.parse().unwrap();
        answer.body = String::from_utf8(bytes(stream, length)).unwrap();
        answer.whole = answer.body.len() == length;
    } else if answer.header("transfer-encoding") == Some("chunked") {
        read_chunks(stream, &mut answer);
    }
    answer
}

fn read_chunks(stream: &mut TcpStream, answer: &mut Answer) {
    loop {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            match bytes(stream, 1).as_slice() {
                [byte] => size.push(char::from(*byte)),
                _ => return,
            }
        }
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let data = bytes(stream, size);
        let end = bytes(stream, 2);
        if size == 0 {
            answer.whole = end == b"\r\n";
            return;
        }
        let text = String::from_utf8_lossy(&data).into_owned();
        answer.bytes.extend(data);
        answer.body.push_str(&text);
        answer.chunks.push(text);
    }
}

/// Up to `count` bytes, fewer where the connection ends.
pub(crate) fn bytes(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut read = Vec::new();
    // a reset ends the answer like an orderly close: what came before is the answer
    let _ = stream.take(count as u64).read_to_end(&mut read);
    read
}
