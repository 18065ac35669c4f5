//! Sends what is in the outbox: signed, at most so long, again after a while where it fails, and in the end not at all.
//!
//! A receiver may get a message twice, with the same id; it never gets one that is not in the outbox.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use nexus_engine::port::{Clock, Dice};
use nexus_keystore::webhook::WebhookSecrets;
use nexus_store::{
    Store, StoreError,
    repo::webhook::{self, Delivery, Tried, Webhook},
};
use nexus_transport::{Errand, Fetcher, Reach};
use url::Url;

/// Messages under way at once.
const AT_ONCE: u32 = 16;
/// From the first lookup to the answer's last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// As long nobody else tries what is being tried, in milliseconds.
const LEASE_MS: i64 = 60_000;
/// Bytes of an answer that are read; a longer one is as good.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long after a failed try there is another, in milliseconds; each is up to a fifth longer or shorter.
const PAUSES_MS: [i64; 9] =
    [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000];
/// How long a secret that was replaced signs too, in milliseconds.
const OVERLAP_MS: i64 = 86_400_000;
/// Characters of the longest error that is kept.
const ERROR_CHARS_MAX: usize = 300;

/// Sends.
pub(super) struct Sending {
    store: Store,
    clock: Arc<dyn Clock>,
    secrets: Arc<WebhookSecrets>,
    fetcher: Fetcher,
}

impl Sending {
    pub(super) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        secrets: Arc<WebhookSecrets>,
        fetcher: Fetcher,
    ) -> Self {
        Self { store, clock, secrets, fetcher }
    }

    /// Sends what is due.
    pub(super) async fn round(&self, dice: &impl Dice) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        // a look costs less than a transaction that would write
        if !self.store.read(move |conn| webhook::is_any_due(conn, now_ms)).await? {
            return Ok(());
        }
        let due = self.store.write(move |conn| webhook::take_due(conn, AT_ONCE, LEASE_MS, now_ms)).await?;
        let tries = due.iter().map(|(delivery, hook)| async move {
            (delivery.id, delivery.attempts, self.send(delivery, hook).await)
        });
        let now_ms = self.clock.unix_ms();
        let mut ended = Vec::new();
        for (id, attempts, sent) in join_all(tries).await {
            let how = match sent {
                Ok(status) => Tried::Delivered { status },
                Err((status, error)) => {
                    tracing::warn!(delivery = %id, attempts, status, error, "a webhook did not take a message");
                    let pause_ms = pause_ms(attempts, |bound| dice.roll(bound));
                    let next_at_ms = pause_ms.map(|pause_ms| now_ms.saturating_add(pause_ms));
                    Tried::Failed { status, error, next_at_ms }
                }
            };
            ended.push((id, how));
        }
        self.store
            .write(move |conn| ended.iter().try_for_each(|(id, how)| webhook::tried(conn, *id, how, now_ms)))
            .await
    }

    /// The status of an answer that says it was taken, or why it was not.
    async fn send(&self, delivery: &Delivery, hook: &Webhook) -> Result<u16, (Option<u16>, String)> {
        let url = Url::parse(&hook.url).map_err(|error| (None, error.to_string()))?;
        let now_ms = self.clock.unix_ms();
        let (id, at_s) = (delivery.id.to_string(), now_ms.div_euclid(1000));
        let signatures = self.signatures(hook, &id, at_s, &delivery.payload, now_ms);
        let at = at_s.to_string();
        let headers = [
            ("webhook-id", id.as_str()),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", &signatures),
        ];
        let errand = Errand {
            url: &url,
            headers: &headers,
            reach: if hook.allow_private_network { Reach::Private } else { Reach::Public },
            limit_bytes: ANSWER_BYTES_MAX,
            timeout: PATIENCE,
        };
        let body = Bytes::from(delivery.payload.clone());
        match self.fetcher.post(errand, "application/json", body).await {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(answer.status),
            Ok(answer) => Err((Some(answer.status), format!("the answer had the status {}", answer.status))),
            Err(fault) => Err((
                None,
                format!("{}: {}", fault.class.as_str(), fault.message)
                    .chars()
                    .take(ERROR_CHARS_MAX)
                    .collect(),
            )),
        }
    }

    /// One signature, or two while a secret that was replaced is still good.
    fn signatures(&self, hook: &Webhook, id: &str, at_s: i64, body: &str, now_ms: i64) -> String {
        let sign = |generation| self.secrets.sign(hook.id, generation, id, at_s, body);
        let now = sign(hook.generation);
        match hook.rotated_at_ms {
            Some(at_ms) if now_ms.saturating_sub(at_ms) < OVERLAP_MS => {
                format!("{now} {}", sign(hook.generation.saturating_sub(1)))
            }
            _ => now,
        }
    }
}

/// How long to wait after so many tries; `None`: that was the last.
fn pause_ms(attempts: u32, roll: impl Fn(u64) -> u64) -> Option<i64> {
    let pause_ms = PAUSES_MS.get(usize::try_from(attempts).ok()?)?;
    let fifth = pause_ms / 5;
    let shift = roll(u64::try_from(fifth * 2).unwrap_or_default());
    Some(pause_ms - fifth + i64::try_from(shift).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_scatter_and_end() {
        for (attempts, least, most) in [(0, 4_000, 6_000), (1, 24_000, 36_000), (8, 23_040_000, 34_560_000)] {
            assert_eq!(pause_ms(attempts, |_| 0), Some(least));
            assert_eq!(pause_ms(attempts, |bound| bound), Some(most));
        }
        assert_eq!(pause_ms(9, |_| 0), None);
    }
}
