//! One step of shipping: a batch of the journal into the database.
//!
//! The position moves only after the transaction stands.

use std::{io, sync::Arc};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    exec::Store,
    journal::{Journal, Position},
    repo::usage::{self, Contexts},
    upsert,
    writer::Watcher,
};

/// Why a step could not be done; the next one tries the same again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the database does not take usage")]
    Store(#[from] StoreError),
    #[error("the journal cannot be read")]
    Journal(#[from] io::Error),
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) records: u64,
    pub(super) damaged_bytes: u64,
    /// Everything before is in the database.
    pub(super) position: Position,
    /// Whether there was nothing to do.
    pub(super) is_at_end: bool,
    /// Whether more was booked when the step began than it took.
    pub(super) is_behind: bool,
}

pub(super) struct Shipping {
    store: Store,
    journal: Arc<Journal>,
    /// The checkpoint's name in the settings. Each journal has its own, so several can feed one database.
    checkpoint: String,
    contexts: Contexts,
    /// What the journal is read into.
    bytes: Vec<u8>,
    /// `None` until the checkpoint has been read.
    position: Option<Position>,
    watcher: Watcher,
}

impl Shipping {
    pub(super) fn new(store: Store, journal: Arc<Journal>, watcher: Watcher) -> Self {
        let checkpoint = format!("usage_journal/{}", journal.id());
        Self {
            store,
            journal,
            checkpoint,
            contexts: Contexts::default(),
            bytes: Vec::new(),
            position: None,
            watcher,
        }
    }

    /// Ships the next batch.
    pub(super) fn step(&mut self) -> Result<Step, Problem> {
        let from = match self.position {
            Some(position) => position,
            None => self.resume()?,
        };
        let batch = self.journal.read(from, usage::BATCH_MAX, &mut self.bytes)?;
        if !batch.records.is_empty() {
            let name = self.checkpoint.as_str();
            let contexts = &mut self.contexts;
            let shipped = self.store.append_blocking(|conn| {
                usage::insert(conn, &batch.records, contexts)?;
                Ok(upsert::set(conn, name, &written(batch.next))?)
            });
            shipped.inspect_err(|_| self.contexts.forget())?;
            (self.watcher)(&batch.records);
        }
        self.position = Some(batch.next);
        if batch.next.segment != from.segment
            && let Err(error) = self.journal.forget_before(batch.next.segment)
        {
            tracing::warn!(%error, "a journal segment that is shipped cannot be deleted");
        }
        Ok(Step {
            records: u64::try_from(batch.records.len()).unwrap_or(u64::MAX),
            damaged_bytes: batch.damaged_bytes,
            position: batch.next,
            is_at_end: batch.next == from,
            is_behind: batch.is_followed && batch.next != from,
        })
    }

    /// Where to begin: at the checkpoint, else at the journal's begin. A checkpoint in a segment that is
    /// of this opening speaks of other bytes (the folder was emptied) or of this process's own shipping;
    /// to ship all of it again is right either way.
    fn resume(&mut self) -> Result<Position, Problem> {
        let begin = self.journal.begin()?;
        let first = self.journal.first_segment();
        let name = self.checkpoint.as_str();
        let text = self.store.read_blocking(|conn: &mut AnyConnection| Ok(upsert::setting(conn, name)?))?;
        let checkpoint = text.as_deref().and_then(read).filter(|checkpoint| checkpoint.segment < first);
        if checkpoint.is_none() && text.is_some() {
            tracing::warn!(checkpoint = name, "not a place of an earlier run; the whole journal is shipped");
        }
        let position = checkpoint.unwrap_or(begin).max(begin);
        self.journal.forget_before(position.segment)?;
        self.position = Some(position);
        Ok(position)
    }
}

fn written(position: Position) -> String {
    format!("{}:{}", position.segment, position.offset)
}

fn read(text: &str) -> Option<Position> {
    let (segment, offset) = text.split_once(':')?;
    Some(Position { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}
