//! Tells people what they are to know: watches quotas and providers, and sends what is in the outbox.
//!
//! It runs beside the requests and never on their way. What it finds is in the database before it is sent, so that a
//! node that dies forgets nothing; where the database is away, it looks again.

mod send;
mod usage;
mod watch;

use std::{sync::Arc, time::Duration};

use nexus_engine::{identity, shared::Shared};
use nexus_keystore::webhook::WebhookSecrets;
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        baseline::{self, Kept},
        webhook,
    },
};
use nexus_transport::{Fetcher, Tls};

pub use self::usage::Findings;
use self::{send::Sending, watch::Watching};
use crate::dice::WorkerDice;

/// Between two rounds.
const PERIOD: Duration = Duration::from_millis(500);
/// Rounds between two in which old deliveries are forgotten.
const FORGET_ROUNDS: u32 = 7_200;
/// Rounds between two looks at what was learnt.
const KEEP_ROUNDS: u32 = 60;
/// How long a delivery is remembered, in milliseconds.
const KEPT_MS: i64 = 7 * 86_400_000;

/// Watches and sends.
pub struct Alerting {
    store: Store,
    shared: Arc<Shared>,
    watching: Watching,
    findings: Findings,
    /// What is usual and waits to be kept.
    unkept: Vec<Kept>,
    sending: Sending,
    rounds: u32,
    has_failed: bool,
}

impl Alerting {
    pub fn new(
        store: Store,
        shared: Arc<Shared>,
        secrets: Arc<WebhookSecrets>,
        findings: Findings,
        tls: &Tls,
    ) -> Self {
        let sending = Sending::new(store.clone(), Arc::clone(&shared.clock), secrets, Fetcher::new(tls));
        let watching = Watching::default();
        let unkept = Vec::new();
        Self { store, shared, watching, findings, unkept, sending, rounds: 0, has_failed: false }
    }

    /// Goes on until it is dropped. Runs inside an actix runtime.
    pub async fn run(mut self) {
        let dice = WorkerDice::new();
        loop {
            tokio::time::sleep(PERIOD).await;
            match self.round(&dice).await {
                Ok(()) => self.has_failed = false,
                // said once, not twice a second
                Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                    tracing::error!(%error, "alerts wait for the database");
                }
                Err(_) => {}
            }
        }
    }

    /// What was found in the usage becomes anomalies; where the database is away, that is lost.
    async fn write_findings(&self, dice: &WorkerDice, now_ms: i64) -> Result<(), StoreError> {
        if self.findings.is_empty() {
            return Ok(());
        }
        let clock = &*self.shared.clock;
        let found: Vec<_> =
            self.findings.take().into_iter().map(|finding| (identity::mint(clock, dice), finding)).collect();
        self.store
            .write(move |conn| {
                found.iter().try_for_each(|(id, finding)| usage::write(conn, *id, finding, now_ms))
            })
            .await
    }

    /// Keeps what was learnt of what is usual, a bounded part at a time.
    async fn keep_usual(&mut self) -> Result<(), StoreError> {
        if self.unkept.is_empty() && self.rounds.is_multiple_of(KEEP_ROUNDS) {
            self.unkept = self.findings.learnt(false);
        }
        let rest = self.unkept.split_off(self.unkept.len().min(usage::KEPT_AT_ONCE));
        let some = std::mem::replace(&mut self.unkept, rest);
        if some.is_empty() {
            return Ok(());
        }
        self.store.write(move |conn| baseline::keep(conn, &some)).await
    }

    async fn round(&mut self, dice: &WorkerDice) -> Result<(), StoreError> {
        let now_ms = self.shared.clock.unix_ms();
        self.watching.look(&self.store, &self.shared, dice).await?;
        self.write_findings(dice, now_ms).await?;
        self.keep_usual().await?;
        self.sending.round(dice).await?;
        if self.rounds.is_multiple_of(FORGET_ROUNDS) {
            let before_ms = now_ms.saturating_sub(KEPT_MS);
            let forget = move |conn: &mut AnyConnection| {
                webhook::forget(conn, before_ms)?;
                usage::forget(conn, now_ms)
            };
            self.store.write(forget).await?;
        }
        self.rounds = self.rounds.wrapping_add(1);
        Ok(())
    }
}
