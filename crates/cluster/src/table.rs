//! Texts in the database, where there is nothing faster: for installations without Redis.

use std::{future::Future, time::Duration};

use nexus_store::{Store, StoreError, repo::shared_text};
use tokio::time::timeout;

use crate::keeper::{Keeper, KeeperError, Memory, Outcome, Swap, Swapped};

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_millis(500);
/// Under which name the memory stands; no other is called so.
const MEMORY: &str = "memory";

/// A table of the database. It does not forget, unless the database does.
pub struct TableKeeper(Store);

impl TableKeeper {
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, KeeperError> {
    match timeout(ANSWER, work).await {
        Ok(done) => done.map_err(|error| KeeperError::Failed(error.to_string())),
        Err(_) => Err(KeeperError::Slow),
    }
}

impl Keeper for TableKeeper {
    async fn memory(&mut self, fresh: &str) -> Result<Memory, KeeperError> {
        let fresh = fresh.to_owned();
        bounded(self.0.write(move |conn| {
            let there = shared_text::swap(conn, MEMORY, None, fresh.as_bytes(), i64::MAX)?;
            let text = match there {
                Ok(()) => fresh,
                Err(there) => String::from_utf8(there.unwrap_or_default()).unwrap_or_default(),
            };
            let now_ms = shared_text::clock_ms(conn)?;
            shared_text::purge(conn, now_ms)?;
            Ok(Memory { text, now_ms })
        }))
        .await
    }

    async fn swap(&mut self, memory: &str, swaps: &[Swap]) -> Result<Outcome, KeeperError> {
        let (memory, swaps) = (memory.to_owned(), swaps.to_vec());
        let swapped = bounded(self.0.write(move |conn| {
            if shared_text::find(conn, MEMORY)?.as_deref() != Some(memory.as_bytes()) {
                return Ok(None);
            }
            let now_ms = shared_text::clock_ms(conn)?;
            let mut swapped = Vec::new();
            for Swap { name, expected, text, keep_ms } in &swaps {
                let until_ms = now_ms.saturating_add(*keep_ms);
                let there = shared_text::swap(conn, name, expected.as_deref(), text.as_bytes(), until_ms)?;
                swapped.push(there.map_or_else(Swapped::Differs, |()| Swapped::Done));
            }
            Ok(Some(Outcome { now_ms, swapped }))
        }))
        .await?;
        swapped.ok_or(KeeperError::Forgot)
    }
}
