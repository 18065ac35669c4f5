//! The load generator: chat completions over kept-alive connections, each answer checked, latency and throughput measured.
//!
//! An answer counts only when it is complete, 200, and, streamed, ends in `[DONE]`; everything else is an error, so a broken gateway cannot look fast.

mod answer;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use self::answer::{AnswerReader, Read};

const READ_BYTES: usize = 64 * 1024;
/// After a failed connection, so that a dead gateway is not hammered.
const RETRY_MS: u64 = 5;

/// What to load, and how much.
#[derive(Clone, Debug)]
pub struct Load {
    /// `host:port`.
    pub authority: String,
    /// The path of the chat completions.
    pub path: String,
    pub key: String,
    pub model: String,
    pub stream: bool,
    /// Bytes of the prompt.
    pub body_bytes: usize,
    pub connections: usize,
    pub length: Length,
    /// Requests a second over all connections; none is as many as can be.
    pub rate: Option<u32>,
    /// Requests of a connection, where each comes from another address of the loopback and shows another key: in
    /// `key` its number then stands for `{n}`.
    pub each: Option<usize>,
}

/// When to stop; a request begun is finished first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Time(Duration),
    Requests(usize),
}

/// What came of it; times in microseconds, from the moment a request was due.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    pub requests: usize,
    /// `data:` events, `[DONE]` included.
    pub chunks: u64,
    pub errors: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub first_byte_p50_us: u64,
    pub seconds: f64,
    pub requests_per_second: f64,
}

#[derive(Debug, Default)]
struct Tally {
    chunks: u64,
    errors: u64,
    whole_us: Vec<u64>,
    first_byte_us: Vec<u64>,
}

/// Runs the load to its end, on the caller's runtime.
pub async fn run(load: Load) -> Report {
    let connections = load.connections.max(1);
    let shared = Arc::new(Shared {
        begun: AtomicUsize::new(0),
        opened: AtomicU32::new(0),
        start: Instant::now(),
        load,
    });
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(connection(Arc::clone(&shared)))).collect();
    let mut all = Tally::default();
    for task in tasks {
        match task.await {
            Ok(mut one) => {
                all.chunks += one.chunks;
                all.errors += one.errors;
                all.whole_us.append(&mut one.whole_us);
                all.first_byte_us.append(&mut one.first_byte_us);
            }
            Err(_) => all.errors += 1,
        }
    }
    let seconds = shared.start.elapsed().as_secs_f64();
    let requests = all.whole_us.len();
    Report {
        requests,
        chunks: all.chunks,
        errors: all.errors,
        p50_us: percentile(&mut all.whole_us, 50),
        p99_us: percentile(&mut all.whole_us, 99),
        first_byte_p50_us: percentile(&mut all.first_byte_us, 50),
        seconds,
        requests_per_second: requests as f64 / seconds,
    }
}

fn percentile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0)
}

impl Load {
    /// The bytes of the one request that a connection of this number sends over and over.
    fn request(&self, number: u32) -> Vec<u8> {
        let key = match self.each {
            Some(_) => self.key.replace("{n}", &format!("{number:012}")),
            None => self.key.clone(),
        };
        let filler = "say something about the weather ".chars().cycle().take(self.body_bytes);
        let body = serde_json::json!({
            "model": self.model,
            "messages": [{"role": "user", "content": filler.collect::<String>()}],
            "stream": self.stream,
        });
        let body = body.to_string();
        format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json\r\nuser-agent: nexus-load\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.authority,
            key,
            body.len(),
        )
        .into_bytes()
    }
}

struct Shared {
    load: Load,
    begun: AtomicUsize,
    opened: AtomicU32,
    start: Instant,
}

impl Shared {
    /// The number of the next request, while there is one to make.
    fn next(&self) -> Option<usize> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let more = match self.load.length {
            Length::Time(time) => self.start.elapsed() < time,
            Length::Requests(requests) => number < requests,
        };
        more.then_some(number)
    }

    /// Opens a connection.
    async fn open(&self) -> io::Result<Open> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let stream = match self.load.each {
            None => TcpStream::connect(&self.load.authority).await?,
            Some(_) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((address(number), 0).into())?;
                let there = self.load.authority.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
                socket.connect(there).await?
            }
        };
        stream.set_nodelay(true)?;
        let left = self.load.each.unwrap_or(usize::MAX);
        Ok(Open { stream, request: self.load.request(number), left })
    }

    /// Waits for the moment the request is due; a late request is timed from when it was due.
    async fn due(&self, number: usize) -> Instant {
        let Some(rate) = self.load.rate.filter(|rate| *rate > 0) else { return Instant::now() };
        let due = self.start + due_after(number, rate);
        if due <= Instant::now() {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        Instant::now()
    }
}

/// A connection, what is sent over it, and how often it still is.
struct Open {
    stream: TcpStream,
    request: Vec<u8>,
    left: usize,
}

/// The address of the loopback that a connection of this number comes from.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 0).to_bits() + number % (1 << 23))
}

/// When request `number` is due, at `rate` a second from the start.
fn due_after(number: usize, rate: u32) -> Duration {
    Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate))
}

async fn connection(shared: Arc<Shared>) -> Tally {
    let mut tally = Tally::default();
    let mut open = None;
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while let Some(number) = shared.next() {
        let due = shared.due(number).await;
        match exchange(&shared, &mut open, &mut buffer, due, &mut tally).await {
            Ok(true) => {}
            Ok(false) => tally.errors += 1,
            Err(_) => {
                tally.errors += 1;
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    }
    tally
}

/// One request and its answer; false where the answer came and is not good.
async fn exchange(
    shared: &Shared,
    open: &mut Option<Open>,
    buffer: &mut BytesMut,
    due: Instant,
    tally: &mut Tally,
) -> io::Result<bool> {
    // as clients do: what was closed while nothing was asked is not written to
    let Open { mut stream, request, left } = match open.take().filter(|open| !is_closed(&open.stream)) {
        Some(open) => open,
        None => shared.open().await?,
    };
    stream.write_all(&request).await?;
    buffer.clear();
    let mut reader = AnswerReader::new(shared.load.stream);
    let mut first_byte_us = None;
    loop {
        buffer.reserve(READ_BYTES);
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        first_byte_us.get_or_insert_with(|| elapsed_us(due));
        match reader.read(buffer) {
            Read::More => {}
            Read::Broken => return Err(io::ErrorKind::InvalidData.into()),
            Read::End(answer) => {
                tally.chunks += answer.events;
                if answer.good {
                    tally.whole_us.push(elapsed_us(due));
                    tally.first_byte_us.extend(first_byte_us);
                }
                if !answer.closes && left > 1 {
                    *open = Some(Open { stream, request, left: left - 1 });
                }
                return Ok(answer.good);
            }
        }
    }
}

/// Whether the other side has closed it, as far as is known.
fn is_closed(stream: &TcpStream) -> bool {
    !matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn elapsed_us(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_has_an_address_of_its_own() {
        for (number, expected) in
            [(0, "127.0.1.0"), (255, "127.0.1.255"), (256, "127.0.2.0"), (1 << 23, "127.0.1.0")]
        {
            assert_eq!(address(number).to_string(), expected, "{number}");
        }
    }

    #[test]
    fn requests_are_due_at_even_intervals() {
        for (number, rate, expected_us) in
            [(0, 200, 0), (1, 200, 5_000), (400, 200, 2_000_000), (1, 1, 1_000_000)]
        {
            assert_eq!(due_after(number, rate).as_micros(), expected_us, "{number} at {rate}");
        }
    }

    #[test]
    fn percentiles_are_taken_from_the_sorted_values() {
        let cases: [(&[u64], usize, u64); 4] =
            [(&[], 50, 0), (&[7], 99, 7), (&[3, 1, 2], 50, 2), (&[4, 1, 3, 2], 99, 4)];
        for (values, percent, expected) in cases {
            assert_eq!(percentile(&mut values.to_vec(), percent), expected, "{values:?}");
        }
    }
}
