//! What requests and answers say, on its way into the database, for teams that want it kept.
//!
//! Requests never wait for it: the queue is bounded in entries and in bytes, and what does not fit is counted and
//! dropped, as is what the database does not take. Nothing of it is written anywhere unsealed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use nexus_core::id::TeamId;
use nexus_engine::{
    identity,
    port::{Clock, Content, Contents},
};
use nexus_keystore::{
    content::ContentKey,
    root::CryptoFailed,
    secret::Secret,
    vault::{CannotOpen, Place, Vault},
};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        content::{self, Key, Purpose},
        provider::SealedText,
    },
};
use nexus_telemetry::meters::Meters;
use serde::{Deserialize, Serialize};

use crate::{dice::WorkerDice, start::StartError};

/// Entries that may wait.
const QUEUE: usize = 4_096;
/// Bytes that may wait.
const QUEUE_BYTES: usize = 64 << 20;
/// Entries of one transaction.
const BATCH: usize = 64;

/// What is sealed: both as text, whatever bytes came.
#[derive(Serialize, Deserialize)]
pub struct Said {
    pub prompt: String,
    pub answer: String,
}

/// Where a team's content key stands in the database.
pub fn key_place(key: &Key) -> Place {
    Place { table: "content_keys", column: "key_sealed", row: key.id, team: Some(key.team.0), generation: 0 }
}

/// The near end: what the engine gives content to.
pub struct ContentQueue {
    queue: SyncSender<Content>,
    waiting_bytes: Arc<AtomicUsize>,
    meters: Arc<Meters>,
}

impl Contents for ContentQueue {
    fn keep(&self, content: Content) {
        let bytes = content.prompt.len().saturating_add(content.answer.len());
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting.saturating_add(bytes) > QUEUE_BYTES || self.queue.try_send(content).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.meters.content_dropped(1);
        }
    }
}

/// The far end: the thread that seals and writes. It ends, with everything written, when the last near end is gone.
pub struct ContentWriter(Option<JoinHandle<()>>);

impl Drop for ContentWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _panicked = thread.join();
        }
    }
}

/// Both ends.
pub fn start(
    store: &Store,
    vault: &Arc<Vault>,
    clock: Arc<dyn Clock>,
    meters: &Arc<Meters>,
) -> Result<(ContentQueue, ContentWriter), StartError> {
    let (queue, contents) = sync_channel(QUEUE);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let (counted, meters) = (Arc::clone(meters), Arc::clone(meters));
    let near = ContentQueue { queue, waiting_bytes: Arc::clone(&waiting_bytes), meters: counted };
    let desk = Desk { store: store.clone(), vault: Arc::clone(vault), clock };
    let thread = std::thread::Builder::new()
        .name("nexus-contents".into())
        .spawn(move || desk.work(&contents, &waiting_bytes, &meters))
        .map_err(StartError::Thread)?;
    Ok((near, ContentWriter(Some(thread))))
}

/// Why content is not kept.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
    #[error("the team's content key does not open")]
    Shut,
    #[error("it is no text")]
    Unwritable,
}

struct Desk {
    store: Store,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn work(&self, contents: &Receiver<Content>, waiting_bytes: &AtomicUsize, meters: &Meters) {
        while let Ok(first) = contents.recv() {
            let batch: Vec<Content> = std::iter::once(first).chain(contents.try_iter().take(BATCH)).collect();
            let bytes = batch.iter().map(|one| one.prompt.len().saturating_add(one.answer.len()));
            let bytes = bytes.fold(0, usize::saturating_add);
            for (team, of_team) in by_team(&batch) {
                if let Err(error) = self.keep(team, &of_team) {
                    meters.content_dropped(of_team.len() as u64);
                    tracing::warn!(%team, %error, entries = of_team.len(), "content is not kept");
                }
            }
            drop(batch);
            waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Keeps what a team's requests said, if the team still wants it.
    fn keep(&self, team: TeamId, contents: &[&Content]) -> Result<(), Lost> {
        let Some(key) = self.key(team)? else { return Ok(()) };
        // opened each time: of a key that is destroyed nothing stays in memory
        let sealing = open(&self.vault, &key).map_err(|_| Lost::Shut)?;
        let sealed = contents.iter().map(|one| seal(&sealing, &key, one)).collect::<Result<Vec<_>, _>>()?;
        self.store.write_blocking(|conn| {
            // the team may have turned it off, and its key be destroyed, since it was read
            if content::key_of(conn, team, Purpose::Content)?.is_some_and(|now| now.id == key.id) {
                sealed.into_iter().try_for_each(|one| content::keep(conn, one))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The team's key, made where it has none; `None` where it keeps nothing.
    fn key(&self, team: TeamId) -> Result<Option<Key>, Lost> {
        let read = |conn: &mut AnyConnection| {
            Ok((content::ttl_seconds(conn, team)?, content::key_of(conn, team, Purpose::Content)?))
        };
        match self.store.read_blocking(read)? {
            (None, _) => return Ok(None),
            (Some(_), Some(key)) => return Ok(Some(key)),
            (Some(_), None) => {}
        }
        let (made, now_ms) = (ContentKey::make()?, self.clock.unix_ms());
        let id = identity::mint(&*self.clock, &WorkerDice::new());
        let mut key = Key { id, team, purpose: Purpose::Content, sealed: SealedText(String::new()) };
        key.sealed = SealedText(self.vault.seal(&made, key_place(&key))?.into_text());
        Ok(self.store.write_blocking(|conn| match read(conn)? {
            (None, _) => Ok(None),
            // another node was faster
            (Some(_), Some(theirs)) => Ok(Some(theirs)),
            (Some(_), None) => content::give_key(conn, &key, now_ms).map(|()| Some(key)),
        })?)
    }
}

/// A team's key, ready to seal and open.
pub fn open(vault: &Vault, key: &Key) -> Result<ContentKey, CannotOpen> {
    let text: Secret = vault.open(&key.sealed.0, key_place(key)).map_err(|_| CannotOpen)?;
    ContentKey::of(&text)
}

fn by_team(batch: &[Content]) -> HashMap<TeamId, Vec<&Content>> {
    let mut teams: HashMap<TeamId, Vec<&Content>> = HashMap::new();
    for one in batch {
        teams.entry(one.team).or_default().push(one);
    }
    teams
}

fn seal(sealing: &ContentKey, key: &Key, said: &Content) -> Result<content::Content, Lost> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let both = Said { prompt: text(&said.prompt), answer: text(&said.answer) };
    let both = serde_json::to_vec(&both).map_err(|_| Lost::Unwritable)?;
    Ok(content::Content {
        request: said.request,
        key: key.id,
        at_ms: said.at_ms,
        bytes: said.prompt.len().saturating_add(said.answer.len()) as u64,
        is_cut: said.is_cut,
        sealed: sealing.seal(said.request.0, &both)?,
    })
}

/// What was said, of content that was found; `None` where it does not open.
pub fn opened(vault: &Vault, found: content::Found) -> Option<Said> {
    let key = open(vault, &found.key).ok()?;
    let both = key.open(found.content.request.0, found.content.sealed).ok()?;
    serde_json::from_slice(&both).ok()
}
