//! Runs a batch: a few lines at a time, each through the whole pipeline as its caller's own request.
//!
//! A line that was answered is never asked again, on whatever node and after whatever stop; one that was under way when
//! the process died is. Where limits have no room a line waits: a batch is what can wait.

use std::{cell::Cell, collections::HashSet, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use nexus_core::{call::Operation, principal::Principal, refusal::Refusal};
use nexus_wire::{
    batch::{Answer, Batch, Kept, Line, Lines, Status},
    file::File,
};

use super::{
    Owner, Shelf, Thing,
    batches::{self, KIND},
    files,
};
use crate::{
    denial::Denial,
    pipeline,
    port::{Clock, Transport},
    reply::{Reply, ReplyBody},
    shared::Engine,
};

/// Lines of one batch under way at once.
const LINES: usize = 4;
/// Answers that are copied at once when a batch is over.
const AT_ONCE: usize = 16;
/// Between two looks at whether it is to end, and two words on how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// The longest wait before a line is tried again, in milliseconds, and the first where nothing says how long.
const WAIT_MAX_MS: u64 = 30_000;
const WAIT_MS: u64 = 500;
/// How often a line is tried whose provider fails.
const TRIES: u32 = 5;

const EXPIRED: Answer = Answer::Unasked {
    code: "batch_expired",
    message: "the request was not made before the completion window ended",
};

/// Why lines are not asked any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cancelled,
    Expired,
    /// Somebody else goes on, or this node does later.
    Left,
}

/// A batch under way.
struct Run<'a, T: Transport> {
    engine: &'a Rc<Engine<T>>,
    shelf: &'a Arc<dyn Shelf>,
    id: &'a str,
    operation: Operation,
    endpoint: String,
    caller: Principal,
    expires_at_ms: i64,
    may_go_on: &'a dyn Fn() -> bool,
    stop: Cell<Option<Stop>>,
}

/// Runs a batch to its end, or until it may not go on. What cannot be kept now is left for another time.
pub async fn run<T: Transport>(
    engine: &Rc<Engine<T>>,
    shelf: &Arc<dyn Shelf>,
    id: &str,
    may_go_on: &dyn Fn() -> bool,
) -> Result<(), Refusal> {
    let Some((thing, mut kept)) = batches::find(&**shelf, id).await? else { return Ok(()) };
    let Some(caller) = batches::caller(&kept).filter(|_| thing.is_open) else { return Ok(()) };
    let clock = &*engine.shared.clock;
    let operation = match kept.batch.endpoint.as_str() {
        "/v1/embeddings" => Operation::Embeddings,
        "/v1/responses" => Operation::Responses,
        _ => Operation::ChatCompletions,
    };
    if kept.batch.in_progress_at.is_none() {
        kept.batch.in_progress_at = Some(now_s(clock));
    }
    kept.batch.status = Status::InProgress;
    let run = Run {
        engine,
        shelf,
        id,
        operation,
        endpoint: kept.batch.endpoint.clone(),
        caller,
        expires_at_ms: kept.batch.ends_ms(),
        may_go_on,
        stop: Cell::new(None),
    };
    let done: HashSet<i64> = shelf.numbers(KIND, id).await?.into_iter().collect();
    run.lines(&thing, &mut kept, &done).await?;
    match run.stop.get() {
        Some(Stop::Left) => Ok(()),
        Some(Stop::Cancelled) => run.finish(&thing, kept, Status::Cancelled).await,
        Some(Stop::Expired) => run.finish(&thing, kept, Status::Expired).await,
        None => run.finish(&thing, kept, Status::Completed).await,
    }
}

fn now_s(clock: &dyn Clock) -> i64 {
    clock.unix_ms().div_euclid(1000)
}

impl<T: Transport> Run<'_, T> {
    /// Asks every line that is not answered yet.
    async fn lines(&self, thing: &Thing, kept: &mut Kept, done: &HashSet<i64>) -> Result<(), Refusal> {
        let (mut lines, mut number) = (Lines::default(), 0_i64);
        let mut under_way = FuturesUnordered::new();
        let mut pieces = files::content(Arc::clone(self.shelf), &kept.batch.input_file_id);
        let mut tick = tokio::time::interval(LOOK);
        let mut waiting: Vec<(i64, Vec<u8>)> = Vec::new();
        let mut is_read = false;
        loop {
            while !is_read && waiting.is_empty() {
                let mut found = Vec::new();
                match pieces.next().await {
                    Some(piece) => lines.take(&piece?, |line| found.push(line.to_vec())).unwrap_or(()),
                    None => {
                        is_read = true;
                        std::mem::take(&mut lines).finish(|line| found.push(line.to_vec()));
                    }
                }
                for line in found {
                    if !done.contains(&number) {
                        waiting.push((number, line));
                    }
                    number += 1;
                }
                waiting.reverse();
            }
            while under_way.len() < LINES
                && !matches!(self.stop.get(), Some(Stop::Left | Stop::Cancelled))
                && let Some((number, line)) = waiting.pop()
            {
                under_way.push(self.line(number, line));
            }
            if under_way.is_empty()
                && (self.stop.get().is_some_and(|stop| stop != Stop::Expired)
                    || (is_read && waiting.is_empty()))
            {
                return Ok(());
            }
            tokio::select! {
                answered = under_way.next(), if !under_way.is_empty() => {
                    if let Some(answered) = answered {
                        count(&mut kept.batch, answered?);
                    }
                }
                _ = tick.tick() => self.look(thing, kept).await?,
            }
        }
    }

    /// Looks whether it is to end, and says how far it is.
    async fn look(&self, thing: &Thing, kept: &Kept) -> Result<(), Refusal> {
        if !(self.may_go_on)() {
            self.stop.set(Some(Stop::Left));
            return Ok(());
        }
        if self.stop.get().is_none() {
            if batches::is_cancelled(&**self.shelf, self.id).await? {
                self.stop.set(Some(Stop::Cancelled));
            } else if self.engine.shared.clock.unix_ms() >= self.expires_at_ms {
                self.stop.set(Some(Stop::Expired));
            }
        }
        let now = batches::thing(kept, self.id, (thing.made_at_ms, thing.expires_at_ms), true);
        // one that is over, or gone, is nobody's to run
        if !self.shelf.settle(now).await? {
            self.stop.set(Some(Stop::Left));
        }
        Ok(())
    }

    /// Asks a line and keeps how it was answered; says whether that is an error, `None` where it was not asked.
    async fn line(&self, number: i64, text: Vec<u8>) -> Result<Option<bool>, Refusal> {
        // what was looked through before is a line still
        let Ok(line) = Line::read(&text, &self.endpoint) else { return Ok(None) };
        let answer = match self.stop.get() {
            Some(Stop::Expired) => EXPIRED,
            _ => match self.answer(line.body.into()).await {
                Some(answer) => answer,
                None if self.stop.get() == Some(Stop::Expired) => EXPIRED,
                None => return Ok(None),
            },
        };
        let id = format!("batch_req_{}_{number}", self.id.trim_start_matches("batch_"));
        let mark = if answer.is_error() { ERROR } else { OUTPUT };
        let told = [mark, answer.written(&id, &line.custom_id).as_bytes()].concat();
        self.shelf.add(KIND, self.id, vec![(number, told.into())]).await?;
        Ok(Some(answer.is_error()))
    }

    /// Asks until there is an answer that stays; `None` where it is to stop before.
    async fn answer(&self, body: Bytes) -> Option<Answer> {
        let mut tries = 0;
        loop {
            let asked = pipeline::serve_for(self.engine, self.operation, self.caller.clone(), body.clone());
            let denial = match Box::pin(asked).await {
                Ok(reply) => return Some(told(reply)),
                Err(denial) => denial,
            };
            tries += 1;
            match wait_ms(&denial, tries) {
                Some(wait_ms) => self.pause(wait_ms).await?,
                None => return Some(refused(&denial)),
            }
        }
    }

    /// Waits; `None` where it is to stop meanwhile.
    async fn pause(&self, wait_ms: u64) -> Option<()> {
        let until_us = self.engine.shared.clock.monotonic_us().saturating_add(wait_ms.saturating_mul(1000));
        loop {
            if self.stop.get().is_some() {
                return None;
            }
            let left_us = until_us.saturating_sub(self.engine.shared.clock.monotonic_us());
            if left_us == 0 {
                return Some(());
            }
            tokio::time::sleep(Duration::from_micros(left_us).min(LOOK)).await;
        }
    }

    /// Puts the answers into their files, and ends the batch.
    async fn finish(&self, thing: &Thing, mut kept: Kept, status: Status) -> Result<(), Refusal> {
        let clock = &*self.engine.shared.clock;
        kept.batch.finalizing_at = Some(now_s(clock));
        let times = (thing.made_at_ms, thing.expires_at_ms);
        let mut files = [OUTPUT, ERROR].map(|mark| Outcome::new(self.id, mark, times));
        for outcome in &files {
            outcome.begin(&**self.shelf, self.owner()).await?;
        }
        let mut from = 0;
        loop {
            let page = self.shelf.pieces(KIND, self.id, from, AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            from = last + 1;
            for outcome in &mut files {
                outcome.take(&**self.shelf, &page).await?;
            }
        }
        let [output, errors] = files;
        kept.batch.request_counts.completed = output.lines;
        kept.batch.request_counts.failed = errors.lines;
        kept.batch.output_file_id = output.end(&**self.shelf).await?;
        kept.batch.error_file_id = errors.end(&**self.shelf).await?;
        kept.batch.end(status, now_s(clock));
        self.shelf.settle(batches::thing(&kept, self.id, times, false)).await?;
        self.shelf.clear(KIND, self.id).await?;
        Ok(())
    }

    fn owner(&self) -> Owner {
        Owner { team: self.caller.team, key: self.caller.key }
    }
}

fn count(batch: &mut Batch, is_error: Option<bool>) {
    match is_error {
        Some(true) => batch.request_counts.failed += 1,
        Some(false) => batch.request_counts.completed += 1,
        None => {}
    }
}

/// What stands before an answer in its piece.
const OUTPUT: &[u8] = b"o";
const ERROR: &[u8] = b"e";

/// A file of answers that is being written.
struct Outcome {
    mark: &'static [u8],
    file: File,
    times: (i64, i64),
    lines: u64,
}

impl Outcome {
    fn new(batch: &str, mark: &'static [u8], times: (i64, i64)) -> Self {
        let seed = batch.trim_start_matches("batch_");
        let (suffix, what) = if mark == OUTPUT { ("o", "output") } else { ("e", "error") };
        let seconds = (times.0.div_euclid(1000), times.1.div_euclid(1000));
        let name = format!("{batch}_{what}.jsonl");
        let file = File::new(&format!("file-{seed}{suffix}"), &name, "batch_output", seconds);
        Self { mark, file, times, lines: 0 }
    }

    /// Makes the file, if it was not before a stop.
    async fn begin(&self, shelf: &dyn Shelf, owner: Owner) -> Result<(), Refusal> {
        if shelf.find(files::KIND, &self.file.id).await?.is_none() {
            shelf.put(owner, files::thing(&self.file, self.times, true)).await?;
        }
        Ok(())
    }

    /// Takes what of a page belongs here.
    async fn take(&mut self, shelf: &dyn Shelf, page: &[(i64, Bytes)]) -> Result<(), Refusal> {
        let own: Vec<(i64, Bytes)> = page
            .iter()
            .filter(|(_, piece)| piece.starts_with(self.mark))
            .map(|(number, piece)| (*number, piece.slice(self.mark.len()..)))
            .collect();
        self.lines += own.len() as u64;
        let bytes = own.iter().map(|(_, piece)| piece.len() as u64).sum::<u64>();
        self.file.bytes = self.file.bytes.saturating_add(bytes);
        if !own.is_empty() {
            shelf.add(files::KIND, &self.file.id, own).await?;
        }
        Ok(())
    }

    /// The file's id; one without lines goes.
    async fn end(self, shelf: &dyn Shelf) -> Result<Option<String>, Refusal> {
        if self.lines == 0 {
            shelf.delete(files::KIND, &self.file.id).await?;
            return Ok(None);
        }
        shelf.change(files::thing(&self.file, self.times, false)).await?;
        Ok(Some(self.file.id))
    }
}

/// An answer that came. A line is never streamed, so it is whole.
fn told<B>(reply: Reply<B>) -> Answer {
    let words = reply.decision.as_ref().map(|decision| decision.words);
    let body = match (reply.body, reply.telling, words) {
        (ReplyBody::Whole(body), Some(telling), Some(words)) => telling.whole(body, words),
        (ReplyBody::Whole(body), _, _) => Some(body),
        _ => None,
    };
    match body {
        Some(body) => Answer::Told {
            status: 200,
            request: reply.request.to_string(),
            body: String::from_utf8_lossy(&body).into_owned(),
        },
        None => Answer::Unasked { code: "server_error", message: "the answer could not be read" },
    }
}

fn refused(denial: &Denial) -> Answer {
    Answer::Told {
        status: denial.error.status(),
        request: denial.request.to_string(),
        body: String::from_utf8_lossy(&denial.error.to_json()).into_owned(),
    }
}

/// How long a line waits before it is tried again; `None` where that would not help.
fn wait_ms(denial: &Denial, tries: u32) -> Option<u64> {
    if let Some(wait_ms) = denial.retry_after_ms {
        return Some(wait_ms.clamp(WAIT_MS, WAIT_MAX_MS));
    }
    let status = denial.error.status();
    let may_help = !denial.is_final && (status == 429 || status >= 500) && tries < TRIES;
    may_help.then(|| (WAIT_MS << tries.min(6)).min(WAIT_MAX_MS))
}
