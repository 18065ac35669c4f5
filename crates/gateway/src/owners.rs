//! Who has made what at providers, in the database; what was looked up lately stays at hand.
//!
//! Only what is somebody's is remembered: what is nobody's here may have been made on another node just now. What was
//! deleted on another node is still found here for a while, and the provider says that it is gone.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use futures_util::FutureExt as _;
use nexus_core::{
    id::TeamId,
    resource::{Home, Owned},
};
use nexus_engine::resource::owners::{Owners, OwnersAway, Told};
use nexus_store::{Store, StoreError, repo::resource};

/// How many things are remembered; beyond that all are forgotten and looked up anew.
const REMEMBERED_MAX: usize = 20_000;

/// What may wait to be written.
const QUEUE: usize = 8_192;
/// How much of it one transaction takes.
const BATCH: usize = 256;

/// The database, and what is remembered of it.
pub struct StoredOwners {
    store: Store,
    queue: SyncSender<Owned>,
    /// By id; there are few kinds and places of each.
    remembered: Mutex<HashMap<Box<str>, Vec<Owned>>>,
}

impl StoredOwners {
    /// With whoever writes what is not waited for.
    pub fn start(store: Store) -> std::io::Result<(Self, OwnersWriter)> {
        let (queue, far) = sync_channel(QUEUE);
        let written = store.clone();
        let thread =
            std::thread::Builder::new().name("owners".to_owned()).spawn(move || write(&written, &far))?;
        Ok((Self { store, queue, remembered: Mutex::default() }, OwnersWriter(Some(thread))))
    }

    fn remember(&self, all: &[Owned]) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len().saturating_add(all.len()) > REMEMBERED_MAX {
            remembered.clear();
        }
        for owned in all {
            let of_id = remembered.entry(owned.id.clone()).or_default();
            if !of_id.contains(owned) {
                of_id.push(owned.clone());
            }
        }
    }

    /// What is remembered of the ids, and the ids of which nothing of that kind is.
    fn recall(&self, named: &[(&str, &str)]) -> (Vec<Owned>, Vec<String>) {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (kind, id) in named {
            let of_id = remembered.get(*id).map(Vec::as_slice).unwrap_or_default();
            match of_id.iter().any(|owned| *owned.kind == **kind) {
                true => found.extend(of_id.iter().cloned()),
                false => missing.push((*id).to_owned()),
            }
        }
        (found, missing)
    }
}

/// The far end. Dropped once the near one is, it waits until all is written.
pub struct OwnersWriter(Option<JoinHandle<()>>);

impl Drop for OwnersWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // a panic in there was logged
            let _ended = thread.join();
        }
    }
}

/// Writes what comes, as much at once as is there; what the database does not take is told and dropped.
fn write(store: &Store, queue: &Receiver<Owned>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(BATCH - 1));
        if let Err(error) = store.write_blocking(|conn| resource::keep(conn, &batch)) {
            tracing::warn!(%error, lost = batch.len(), "whose answers are that providers keep was not noted");
        }
    }
}

fn away(error: StoreError) -> OwnersAway {
    tracing::warn!(%error, "who has made what at providers cannot be looked up or noted");
    OwnersAway
}

impl Owners for StoredOwners {
    fn find<'a>(&'a self, named: &'a [(&'a str, &'a str)]) -> Told<'a, Vec<Owned>> {
        async move {
            let (mut found, missing) = self.recall(named);
            if !missing.is_empty() {
                let read = self.store.read(move |conn| resource::find(conn, &missing)).await.map_err(away)?;
                self.remember(&read);
                found.extend(read);
            }
            Ok(found)
        }
        .boxed()
    }

    fn keep(&self, owned: Vec<Owned>) -> Told<'_, ()> {
        async move {
            let (known, _) = {
                let names: Vec<_> = owned.iter().map(|owned| (&*owned.kind, &*owned.id)).collect();
                self.recall(&names)
            };
            let is_known = |own: &Owned| {
                let same = |known: &&Owned| known.kind == own.kind && known.id == own.id;
                known.iter().filter(same).any(|known| known.home.provider == own.home.provider)
            };
            let new: Vec<Owned> = owned.into_iter().filter(|own| !is_known(own)).collect();
            if new.is_empty() {
                return Ok(());
            }
            self.store.write(move |conn| resource::keep(conn, &new)).await.map_err(away)
        }
        .boxed()
    }

    fn keep_soon(&self, owned: Owned) {
        self.remember(std::slice::from_ref(&owned));
        if self.queue.try_send(owned).is_err() {
            tracing::warn!(lost = 1, "whose answers are that providers keep was not noted");
        }
    }

    fn forget<'a>(&'a self, kind: &'a str, id: &'a str, home: Home) -> Told<'a, ()> {
        async move {
            let (owned_kind, owned_id) = (kind.to_owned(), id.to_owned());
            let gone = move |conn: &mut _| resource::forget(conn, &owned_kind, &owned_id, home);
            self.store.write(gone).await.map_err(away)?;
            let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(of_id) = remembered.get_mut(id) {
                of_id.retain(|owned| *owned.kind != *kind || owned.home.provider != home.provider);
            }
            Ok(())
        }
        .boxed()
    }

    fn homes<'a>(&'a self, kind: &'a str, team: Option<TeamId>) -> Told<'a, Vec<(Home, u64)>> {
        let kind = kind.to_owned();
        async move { self.store.read(move |conn| resource::homes(conn, &kind, team)).await.map_err(away) }
            .boxed()
    }
}
