//! Counts tokens where a provider did not say, away from the threads that serve requests.

use std::{
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use bytes::Bytes;
use nexus_core::usage::{Source, Usage, UsageRecord};
use nexus_wire::{embedding::EmbeddingRequest, place::members};

use crate::{
    booking::{self, Account},
    port::Ledger,
};

/// Jobs waiting at most; beyond it tokens are guessed from lengths on the spot.
const QUEUE_MAX: usize = 1024;

/// Bytes of text a token stands for, roughly, where counting is out of the question.
const BYTES_A_TOKEN: u64 = 4;

/// By what a prompt is counted.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// The body of a chat request.
    Chat(Bytes),
    /// The body of an embedding request.
    Embeddings(Bytes),
    /// The body of a request whose words go through.
    Passed(Bytes),
    /// Some of these texts.
    Texts(Arc<[String]>, Range<usize>),
}

impl Prompt {
    fn tokens(&self) -> u64 {
        match self {
            Self::Chat(body) => {
                nexus_tokens::count_chat_request(std::str::from_utf8(body).unwrap_or_default())
            }
            Self::Embeddings(body) => {
                let request = EmbeddingRequest::read(body).ok();
                match request.and_then(|request| request.texts(body)) {
                    Some(texts) => texts.iter().map(|text| nexus_tokens::count_text(text)).sum(),
                    // token ids, with a comma between each two
                    None => body.iter().filter(|byte| **byte == b',').count() as u64,
                }
            }
            Self::Passed(body) => {
                let body = std::str::from_utf8(body).unwrap_or_default();
                // of completions, and of what is put in an order
                let is_read = |name: &str| matches!(name, "prompt" | "query" | "documents");
                let read = members(body).into_iter().filter(|member| is_read(&member.name));
                read.map(|member| nexus_tokens::count_text(member.value.trim_matches('"'))).sum()
            }
            Self::Texts(texts, range) => {
                let texts = texts.get(range.clone()).unwrap_or_default();
                texts.iter().map(|text| nexus_tokens::count_text(text)).sum()
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Chat(body) | Self::Embeddings(body) | Self::Passed(body) => body.len(),
            Self::Texts(texts, range) => {
                texts.get(range.clone()).unwrap_or_default().iter().map(String::len).sum()
            }
        }
    }
}

/// A closed record that lacks its counts.
pub struct Job {
    pub record: UsageRecord,
    pub account: Account,
    pub prompt: Prompt,
    pub text: String,
}

/// A thread that counts and books. Dropping it waits until every submitted job is booked.
pub struct Estimator {
    ledger: Arc<dyn Ledger>,
    jobs: Option<SyncSender<Box<Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Estimator {
    /// Starts the thread.
    pub fn start(ledger: Arc<dyn Ledger>) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let booked_in = Arc::clone(&ledger);
        let thread = std::thread::Builder::new()
            .name("nexus-estimate".into())
            .spawn(move || work(&queue, &*booked_in))?;
        Ok(Self { ledger, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands over a record to be counted and booked. Never waits.
    pub fn submit(&self, job: Job) {
        let refused = match self.jobs.as_ref().map(|jobs| jobs.try_send(Box::new(job))) {
            Some(Err(TrySendError::Full(job) | TrySendError::Disconnected(job))) => job,
            _ => return,
        };
        let usage = guess(&refused.prompt, &refused.text);
        book(&*self.ledger, refused.record, &refused.account, usage);
    }
}

impl Drop for Estimator {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the counting thread died");
        }
    }
}

fn work(queue: &Receiver<Box<Job>>, ledger: &dyn Ledger) {
    while let Ok(job) = queue.recv() {
        let usage = tally(&job.prompt, &job.text);
        book(ledger, job.record, &job.account, usage);
    }
}

fn book(ledger: &dyn Ledger, mut record: UsageRecord, account: &Account, usage: Usage) {
    (record.usage, record.source) = (usage, Source::Estimated);
    // the client is gone: there is nobody to be told
    let _told = booking::book(ledger, account, record);
}

/// Counts a request and the text of its answer on a thread that may take its time.
pub async fn count(prompt: Prompt, text: String) -> Usage {
    let (counted, answer) = (prompt.clone(), text.clone());
    match tokio::task::spawn_blocking(move || tally(&counted, &answer)).await {
        Ok(usage) => usage,
        Err(_) => guess(&prompt, &text),
    }
}

fn tally(prompt: &Prompt, text: &str) -> Usage {
    Usage::text(prompt.tokens(), nexus_tokens::count_text(text))
}

fn guess(prompt: &Prompt, text: &str) -> Usage {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_A_TOKEN);
    Usage::text(tokens(prompt.bytes()), tokens(text.len()))
}
