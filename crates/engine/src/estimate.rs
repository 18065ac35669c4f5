//! Counts tokens where a provider did not say, away from the threads that serve requests.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use bytes::Bytes;
use nexus_core::usage::{Source, Usage, UsageRecord};

use crate::{
    booking::{self, Account},
    port::Ledger,
};

/// Jobs waiting at most; beyond it tokens are guessed from lengths on the spot.
const QUEUE_MAX: usize = 1024;

/// Bytes of text a token stands for, roughly, where counting is out of the question.
const BYTES_A_TOKEN: u64 = 4;

/// A closed record that lacks its counts.
pub struct Job {
    pub record: UsageRecord,
    pub account: Account,
    pub request_body: Bytes,
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
        let usage = guess(&refused.request_body, &refused.text);
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
        let usage = tally(&job.request_body, &job.text);
        book(ledger, job.record, &job.account, usage);
    }
}

fn book(ledger: &dyn Ledger, mut record: UsageRecord, account: &Account, usage: Usage) {
    (record.usage, record.source) = (usage, Source::Estimated);
    booking::book(ledger, account, record);
}

/// Counts a request and the text of its answer on a thread that may take its time.
pub async fn count(request_body: Bytes, text: String) -> Usage {
    let (body, answer) = (request_body.clone(), text.clone());
    match tokio::task::spawn_blocking(move || tally(&body, &answer)).await {
        Ok(usage) => usage,
        Err(_) => guess(&request_body, &text),
    }
}

fn tally(request_body: &[u8], text: &str) -> Usage {
    let body = std::str::from_utf8(request_body).unwrap_or_default();
    Usage::text(nexus_tokens::count_chat_request(body), nexus_tokens::count_text(text))
}

fn guess(request_body: &[u8], text: &str) -> Usage {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_A_TOKEN);
    Usage::text(tokens(request_body.len()), tokens(text.len()))
}
