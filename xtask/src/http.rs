//! The least HTTP client that can ask an instance whether it is ready and make something there: loopback only.
//! Every wait is bounded, so a silent peer is an error and never a hang.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `GET path` with an optional bearer key; gives the status and the body as it came.
pub(crate) fn ask(port: u16, path: &str, key: Option<&str>) -> Result<(u16, String)> {
    exchange(port, "GET", path, key, "")
}

/// Sends `POST path` with JSON.
pub(crate) fn post(port: u16, path: &str, key: &str, body: &str) -> Result<(u16, String)> {
    exchange(port, "POST", path, Some(key), body)
}

fn exchange(port: u16, method: &str, path: &str, key: Option<&str>, body: &str) -> Result<(u16, String)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let bearer = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{bearer}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read_answer(&String::from_utf8_lossy(&answer))
}

fn read_answer(text: &str) -> Result<(u16, String)> {
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).context("the answer has no status")?;
    Ok((status.parse().context("the answer's status is no number")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let cases = [
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\nready", Some((200, "ready"))),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some((503, ""))),
            ("HTTP/1.1 200 OK\r\na: b", None),
            ("nonsense\r\n\r\n", None),
        ];
        for (text, expected) in cases {
            let read = read_answer(text).ok();
            assert_eq!(read.as_ref().map(|(status, body)| (*status, body.as_str())), expected, "{text}");
        }
    }
}
