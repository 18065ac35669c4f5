//! One client's connection: requests in, replies out, in order, until one side has enough.
//!
//! The oracle's line is written before the last byte of a reply; a client that leaves first is counted and has its line too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Shared;
use super::oracle::Served;
use super::reply::{Ending, Reply};
use crate::http::{Progress, Request, take_request};

const READ_BYTES: usize = 16 * 1024;
const MAX_AHEAD_BYTES: usize = 1024 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
    shared: Arc<Shared>,
}

/// The client is gone, or its socket failed.
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream, input: BytesMut::with_capacity(READ_BYTES), output: Vec::new(), shared }
    }

    /// Serves until the client leaves, a reply ends the connection, or a request cannot be read.
    pub(crate) async fn serve(mut self) {
        while let Ok(next) = self.request().await {
            let (reply, close) = match next {
                Ok(request) => (self.shared.reply_to(&request), request.head.close),
                Err(why) => (Arc::new(Reply::bad_request(why)), true),
            };
            let kept = self.play(&reply).await;
            if kept.is_err() || reply.ending != Ending::Keep || close {
                break;
            }
        }
    }

    async fn request(&mut self) -> Result<Result<Request, &'static str>, Gone> {
        let mut told_to_continue = false;
        loop {
            match take_request(&mut self.input, self.shared.keep_headers()) {
                Err(why) => return Ok(Err(why)),
                Ok(Progress::Whole(request)) => return Ok(Ok(request)),
                Ok(Progress::BodyMissing { expects_continue: true }) if !told_to_continue => {
                    told_to_continue = true;
                    self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                Ok(Progress::BodyMissing { .. } | Progress::HeadMissing) => {}
            }
            self.input.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(Gone);
            }
        }
    }

    async fn play(&mut self, reply: &Reply) -> Result<(), Gone> {
        let id = self.shared.next_id();
        let mut sent_tokens = 0;
        let played = self.writes(reply, &id, &mut sent_tokens).await;
        let hung = played.is_ok() && reply.ending == Ending::Hang;
        if hung {
            self.client_gone().await;
        }
        if played.is_err() || hung {
            // nobody waits for this answer: the line that fails to be written is missed by its absence
            let _ = self.record(reply, &id, sent_tokens, false);
            self.shared.count(|counts| counts.cancelled += 1);
            return Err(Gone);
        }
        match reply.ending {
            Ending::Rst => self.stream.set_zero_linger()?,
            Ending::Fin => self.stream.shutdown().await?,
            Ending::Keep | Ending::Hang => {}
        }
        Ok(())
    }

    async fn writes(&mut self, reply: &Reply, id: &str, sent_tokens: &mut u64) -> Result<(), Gone> {
        self.pause(reply.first_ms).await?;
        let last = reply.writes.len().saturating_sub(1);
        for (index, write) in reply.writes.iter().enumerate() {
            if index > 0 {
                self.pause(reply.between_ms).await?;
            }
            self.output.clear();
            self.output.extend_from_slice(&write.bytes);
            for at in &write.ids {
                if let Some(place) = self.output.get_mut(*at..at + id.len()) {
                    place.copy_from_slice(id.as_bytes());
                }
            }
            if index == last && reply.ending != Ending::Hang {
                let finished = reply.completion.as_ref().is_some_and(|completion| completion.finished);
                self.record(reply, id, write.tokens, finished)?;
                self.shared.count(|counts| counts.finished += u64::from(finished));
            }
            self.stream.write_all(&self.output).await?;
            *sent_tokens = write.tokens;
        }
        Ok(())
    }

    fn record(&self, reply: &Reply, id: &str, tokens: u64, finished: bool) -> io::Result<()> {
        let Some(completion) = reply.completion.as_ref().filter(|_| !self.shared.oracle.is_off()) else {
            return Ok(());
        };
        self.shared.oracle.record(Served {
            id: format!("{}{id}", completion.surface.id_prefix()),
            model: completion.model.clone(),
            stream: completion.stream,
            prompt_tokens: completion.prompt_tokens,
            completion_tokens: tokens,
            finished,
            at_ms: super::unix_ms(),
        })
    }

    async fn pause(&mut self, ms: u64) -> Result<(), Gone> {
        if ms == 0 {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
            () = self.client_gone() => Err(Gone),
        }
    }

    /// Ends when the client has closed its side; keeps what it sends meanwhile, up to a limit.
    async fn client_gone(&mut self) {
        while self.input.len() < MAX_AHEAD_BYTES {
            self.input.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }
}
