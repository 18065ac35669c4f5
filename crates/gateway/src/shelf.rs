//! The shelf in the database: everything on it is sealed under a key of its team, made when the team first puts
//! something there.
//!
//! A key is opened for each call and forgotten after it: of one that is destroyed nothing stays in memory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use nexus_core::{
    id::{TeamId, Uuid},
    resource::{Home, Owned},
};
use nexus_engine::{
    identity,
    port::Clock,
    resource::owners::{OwnersAway, Told},
    shelf::{
        Owner, Part, Shelf, Thing,
        port::{Piece, Pieces},
    },
};
use nexus_keystore::{content::ContentKey, root::CryptoFailed, vault::Vault};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        Removed,
        content::{self, Key, Purpose},
        provider::SealedText,
        shelf,
    },
};

use crate::{
    contents::{key_place, open},
    dice::WorkerDice,
};

/// The number a thing itself is sealed under, before those of its pieces.
const ITSELF: i64 = -1;

/// Things in the database.
#[derive(Clone)]
pub struct StoredShelf {
    store: Store,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
}

/// Why nothing can be put there or taken from there now.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
    #[error("the team's key for the shelf does not open")]
    Shut,
}

impl From<Lost> for OwnersAway {
    fn from(lost: Lost) -> Self {
        tracing::warn!(error = %lost, "what the gateway keeps itself cannot be reached");
        OwnersAway
    }
}

impl StoredShelf {
    pub fn new(store: Store, vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { store, vault, clock }
    }

    /// The same for a job, while the token of its lease holds.
    pub fn fenced(&self, job: &'static str, token: i64) -> Self {
        Self { store: self.store.fenced(job, token), ..self.clone() }
    }

    /// The ids of what is open of a kind, the oldest first.
    pub async fn open(&self, kind: &'static str, limit: i64) -> Result<Vec<String>, StoreError> {
        self.store.read(move |conn| shelf::open(conn, kind, limit)).await
    }

    /// The team's key, made where it has none.
    async fn key(&self, team: Option<TeamId>) -> Result<(Key, ContentKey), Lost> {
        let team = team.unwrap_or(TeamId(Uuid::nil()));
        let read = move |conn: &mut AnyConnection| content::key_of(conn, team, Purpose::Shelf);
        let key = match self.store.read(read).await? {
            Some(key) => key,
            None => self.make_key(team).await?,
        };
        let opened = open(&self.vault, &key).map_err(|_| Lost::Shut)?;
        Ok((key, opened))
    }

    async fn make_key(&self, team: TeamId) -> Result<Key, Lost> {
        let (made, now_ms) = (ContentKey::make()?, self.clock.unix_ms());
        let id = identity::mint(&*self.clock, &WorkerDice::new());
        let mut key = Key { id, team, purpose: Purpose::Shelf, sealed: SealedText(String::new()) };
        key.sealed = SealedText(self.vault.seal(&made, key_place(&key))?.into_text());
        let given = self.store.write(move |conn| match content::key_of(conn, team, Purpose::Shelf)? {
            // another node was faster
            Some(theirs) => Ok(theirs),
            None => content::give_key(conn, &key, now_ms).map(|()| key),
        });
        Ok(given.await?)
    }

    async fn place(&self, owner: Owner, thing: Thing) -> Result<(), Lost> {
        let (key, sealing) = self.key(owner.team).await?;
        let owned = Owned {
            kind: thing.kind.into(),
            id: thing.id.as_str().into(),
            home: Home::HERE,
            team: owner.team,
            key: owner.key,
            made_at_ms: thing.made_at_ms,
        };
        let row = sealed(&thing, key.id, &sealing, thing.text.len() as u64)?;
        Ok(self.store.write(move |conn| shelf::put(conn, row, &owned)).await?)
    }

    async fn found(&self, kind: &'static str, id: &str) -> Result<Option<(shelf::Thing, ContentKey)>, Lost> {
        let (id, now_ms) = (id.to_owned(), self.clock.unix_ms());
        let found = self.store.read(move |conn| shelf::find(conn, kind, &id, now_ms)).await?;
        let Some((row, key)) = found else { return Ok(None) };
        Ok(Some((row, open(&self.vault, &key).map_err(|_| Lost::Shut)?)))
    }

    /// Puts the thing in the place of the row that is there, where it may be changed.
    async fn put_anew(&self, thing: Thing, only_open: Only) -> Result<bool, Lost> {
        let Some((before, sealing)) = self.found(thing.kind, &thing.id).await? else { return Ok(false) };
        let row = sealed(&thing, before.key, &sealing, before.bytes)?;
        let (kind, now_ms) = (thing.kind, self.clock.unix_ms());
        let changed = self.store.write(move |conn| match shelf::find(conn, kind, &row.id, now_ms)? {
            Some((there, _)) if there.is_open || only_open == Only::There => {
                let row = shelf::Thing { bytes: there.bytes, ..row };
                Ok(shelf::change(conn, &row)? == Removed::Now)
            }
            _ => Ok(false),
        });
        Ok(changed.await?)
    }

    async fn listed(&self, kind: &'static str, team: Option<TeamId>, part: Part) -> Result<Vec<Thing>, Lost> {
        let Part { after, is_newest_first, limit, key } = part;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (part, now_ms) = (shelf::Part { after, is_newest_first, limit, key }, self.clock.unix_ms());
        let rows = self.store.read(move |conn| shelf::list(conn, (kind, team), &part, now_ms)).await?;
        let mut things = Vec::with_capacity(rows.len());
        for (row, key) in rows {
            things.push(opened(kind, row, &open(&self.vault, &key).map_err(|_| Lost::Shut)?)?);
        }
        Ok(things)
    }

    async fn added(&self, kind: &'static str, id: &str, pieces: Vec<Piece>) -> Result<usize, Lost> {
        let Some((thing, sealing)) = self.found(kind, id).await? else { return Ok(0) };
        let mut rows = Vec::with_capacity(pieces.len());
        for (number, said) in pieces {
            rows.push((number, said.len() as u64, sealing.seal_piece(&thing.id, number, &said)?));
        }
        let added = self.store.write(move |conn| {
            let (mut added, mut bytes) = (0, 0_u64);
            for (number, length, row) in rows {
                if shelf::add_piece(conn, &thing.id, number, row)? {
                    (added, bytes) = (added + 1, bytes.saturating_add(length));
                }
            }
            shelf::grow(conn, &thing.id, bytes)?;
            Ok(added)
        });
        Ok(added.await?)
    }

    async fn taken(&self, kind: &'static str, id: &str, from: i64, limit: usize) -> Result<Pieces, Lost> {
        let Some((thing, sealing)) = self.found(kind, id).await? else { return Ok(Vec::new()) };
        let (id, limit) = (thing.id.clone(), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.store.read(move |conn| shelf::pieces(conn, &id, from, limit)).await?;
        let opened = |(number, row): (i64, Vec<u8>)| {
            let said = sealing.open_piece(&thing.id, number, row).map_err(|_| Lost::Shut)?;
            Ok((number, Bytes::copy_from_slice(&said)))
        };
        rows.into_iter().map(opened).collect()
    }
}

/// Which rows may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    There,
    Open,
}

fn sealed(thing: &Thing, key: Uuid, sealing: &ContentKey, bytes: u64) -> Result<shelf::Thing, Lost> {
    Ok(shelf::Thing {
        id: thing.id.clone(),
        kind: thing.kind.to_owned(),
        key,
        made_at_ms: thing.made_at_ms,
        expires_at_ms: thing.expires_at_ms,
        bytes,
        is_open: thing.is_open,
        sealed: sealing.seal_piece(&thing.id, ITSELF, &thing.text)?,
    })
}

fn opened(kind: &'static str, row: shelf::Thing, key: &ContentKey) -> Result<Thing, Lost> {
    let text = key.open_piece(&row.id, ITSELF, row.sealed).map_err(|_| Lost::Shut)?;
    Ok(Thing {
        kind,
        text: Bytes::copy_from_slice(&text),
        id: row.id,
        made_at_ms: row.made_at_ms,
        expires_at_ms: row.expires_at_ms,
        is_open: row.is_open,
    })
}

impl Shelf for StoredShelf {
    fn put(&self, owner: Owner, thing: Thing) -> Told<'_, ()> {
        async move { Ok(self.place(owner, thing).await?) }.boxed()
    }

    fn find<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, Option<Thing>> {
        async move {
            let Some((row, key)) = self.found(kind, id).await? else { return Ok(None) };
            Ok(Some(opened(kind, row, &key)?))
        }
        .boxed()
    }

    fn change(&self, thing: Thing) -> Told<'_, bool> {
        async move { Ok(self.put_anew(thing, Only::There).await?) }.boxed()
    }

    fn settle(&self, thing: Thing) -> Told<'_, bool> {
        async move { Ok(self.put_anew(thing, Only::Open).await?) }.boxed()
    }

    fn delete<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, bool> {
        let id = id.to_owned();
        async move {
            let gone = self.store.write(move |conn| shelf::delete(conn, kind, &id)).await;
            Ok(gone.map_err(Lost::from)? == Removed::Now)
        }
        .boxed()
    }

    fn list(&self, kind: &'static str, team: Option<TeamId>, part: Part) -> Told<'_, Vec<Thing>> {
        async move { Ok(self.listed(kind, team, part).await?) }.boxed()
    }

    fn add<'a>(&'a self, kind: &'static str, id: &'a str, pieces: Pieces) -> Told<'a, usize> {
        async move { Ok(self.added(kind, id, pieces).await?) }.boxed()
    }

    fn pieces<'a>(&'a self, kind: &'static str, id: &'a str, from: i64, limit: usize) -> Told<'a, Pieces> {
        async move { Ok(self.taken(kind, id, from, limit).await?) }.boxed()
    }

    fn numbers<'a>(&'a self, kind: &'static str, id: &'a str) -> Told<'a, Vec<i64>> {
        let (id, now_ms) = (id.to_owned(), self.clock.unix_ms());
        async move {
            let numbers = self.store.read(move |conn| match shelf::find(conn, kind, &id, now_ms)? {
                Some(_) => shelf::numbers(conn, &id),
                None => Ok(Vec::new()),
            });
            Ok(numbers.await.map_err(Lost::from)?)
        }
        .boxed()
    }

    fn clear<'a>(&'a self, _: &'static str, id: &'a str) -> Told<'a, ()> {
        let id = id.to_owned();
        async move { Ok(self.store.write(move |conn| shelf::clear(conn, &id)).await.map_err(Lost::from)?) }
            .boxed()
    }
}
