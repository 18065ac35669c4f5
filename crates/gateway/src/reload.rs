//! Keeps the world current: a thread that asks the database whether anything has changed, at once where it is told
//! so and now and then in any case, and puts a new world in place when it has. While the database is away, the last
//! world stands.

mod ear;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nexus_core::{
    id::{CredentialId, ProviderId},
    limit::RateLimit,
    quota::Quota,
};
use nexus_engine::{
    credentials::{Credential, Credentials, Member},
    shared::Shared,
    world::World,
};
use nexus_keystore::vault::{CannotOpen, Place};
use nexus_store::{
    AnyConnection, Shipper, Store, StoreError,
    repo::{
        audit::{self, Entry, Outcome, Target},
        reprice::Followed,
        usage,
    },
    world::{self, StoredCredential, StoredWorld},
};

use self::ear::Ear;
use crate::{
    deed,
    rotation::ring::{Ring, Root},
    settle::Later,
    start::StartError,
};

/// How long usage on its way into the database is waited for.
const FLUSH: Duration = Duration::from_secs(5);
/// Longer than any session key lives.
const SESSION_MS_MAX: i64 = 86_400_000 + 3_600_000;

/// Builds worlds from the database.
pub struct Loader {
    store: Store,
    ring: Arc<Ring>,
    shared: Arc<Shared>,
    shipper: Arc<Shipper>,
    opened: Opened,
    /// How far corrections of past usage were followed; `None` before there is a quota to follow them.
    followed: Option<Followed>,
    /// The texts that do not open and were told of.
    shut: HashSet<(CredentialId, String)>,
}

/// Credentials by row and generation, which together are one secret for ever.
type Opened = HashMap<(CredentialId, i64), Member>;

impl Loader {
    pub fn new(store: Store, ring: Arc<Ring>, shared: Arc<Shared>, shipper: Arc<Shipper>) -> Self {
        let (opened, shut) = (Opened::default(), HashSet::default());
        Self { store, ring, shared, shipper, opened, followed: None, shut }
    }

    /// Reads the database and puts the world it describes in force. Returns its revision.
    pub fn load(&mut self) -> Result<i64, StoreError> {
        let current = self.shared.worlds.current();
        let now_ms = self.shared.clock.unix_ms();
        let load = |conn: &mut AnyConnection| world::load(conn, Some(&current.snapshot), now_ms);
        let (root, stored) = self.ring.follow(&self.store, load)?;
        let revision = stored.revision;
        self.seed(&stored.snapshot.quotas, now_ms)?;
        self.put_in_force(root, stored, now_ms);
        Ok(revision)
    }

    /// Puts the world in force that was kept on disk. How much of its quotas is used is asked when the database comes.
    pub fn load_kept(&mut self, kept: &Store) -> Result<i64, StoreError> {
        let now_ms = self.shared.clock.unix_ms();
        let (root, stored) = self.ring.follow(kept, |conn| world::load(conn, None, now_ms))?;
        let revision = stored.revision;
        self.put_in_force(root, stored, now_ms);
        Ok(revision)
    }

    /// The database is there for the first time, though the node serves already.
    fn catch_up(&mut self, later: &Later) -> Result<i64, StartError> {
        later.catch_up(&self.shared.keys.digests)?;
        self.recall_sessions()?;
        Ok(self.load()?)
    }

    /// Tells the budgets of session keys what the ledger says they have spent; none is older than a day.
    pub fn recall_sessions(&self) -> Result<(), StoreError> {
        self.flush();
        let since_ms = self.shared.clock.unix_ms().saturating_sub(SESSION_MS_MAX);
        let charged = self.store.read_blocking(|conn| usage::charged_to_sessions(conn, since_ms))?;
        self.shared.quotas.seed_sessions(charged);
        Ok(())
    }

    fn flush(&self) {
        if !self.shipper.flush(Instant::now() + FLUSH).is_complete {
            tracing::warn!("not all usage is in the database yet; quotas may begin with too little used");
        }
    }

    /// Tells quotas that are new to this process what the ledger says is used of them, what is still on its
    /// way into the ledger included.
    fn seed(&mut self, quotas: &[Quota], now_ms: i64) -> Result<(), StoreError> {
        let is_first = self.followed.is_none();
        let is_fresh = |quota: &&Quota| is_first || !self.shared.quotas.knows(quota);
        let fresh: Vec<&Quota> = quotas.iter().filter(is_fresh).collect();
        if fresh.is_empty() && !is_first {
            return Ok(());
        }
        // what was counted while the database was away is in what it says, too
        let counted = self.shared.quotas.counted(&fresh, now_ms);
        self.flush();
        // corrections are in what is read, and are to be told to the others: both are of one moment
        let used = self.follow(now_ms, |conn| usage::used(conn, &fresh, now_ms))?;
        self.shared.quotas.seed(&fresh, used, counted, now_ms);
        Ok(())
    }

    /// Tells quotas what calls of before cost more, or less, by now. Reads something else of the same moment.
    fn follow<T>(
        &mut self,
        now_ms: i64,
        read: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut followed = self.followed.clone();
        let (corrections, value) = self.store.read_blocking(|conn| {
            let corrections = match &mut followed {
                Some(followed) => followed.next(conn)?,
                none => {
                    *none = Some(Followed::so_far(conn)?);
                    Vec::new()
                }
            };
            Ok((corrections, read(conn)?))
        })?;
        self.followed = followed;
        if !corrections.is_empty() {
            let quotas = Arc::clone(&self.shared.worlds.current().snapshot.quotas);
            self.shared.quotas.correct(&quotas, &corrections, now_ms);
        }
        Ok(value)
    }

    fn put_in_force(&mut self, root: Root, stored: StoredWorld, now_ms: i64) {
        let sharing = &self.shared.sharing;
        if sharing.rates.are_on() {
            stored.snapshot.share_limits(&sharing.rates);
        }
        let pools = self.open(root, stored.credentials, now_ms);
        let providers: Vec<_> = pools.keys().copied().collect();
        let (world, unspoken) = World::assemble(stored.snapshot, pools, &self.shared.meters);
        for provider in providers {
            world.count_out(provider, &self.shared.meters, self.shared.clock.monotonic_us());
        }
        for provider in unspoken {
            tracing::error!(provider, "a provider is of a kind that is not spoken here; it gets no requests");
        }
        self.shared.worlds.replace(world);
        tracing::info!(revision = stored.revision, "a new world is in force");
    }

    /// The credentials of each provider. One that does not open is left out; after the root was moved
    /// elsewhere, one that opened before stands. How one fares is known as long as its secret is the same.
    fn open(
        &mut self,
        root: Root,
        credentials: Vec<StoredCredential>,
        now_ms: i64,
    ) -> HashMap<ProviderId, Credentials> {
        let mut pools: HashMap<_, Vec<_>> = HashMap::new();
        let (mut opened, mut shut) = (Opened::default(), HashSet::new());
        for stored in credentials {
            let StoredCredential { id, generation, ref sealed, .. } = stored;
            let known = self.opened.remove(&(id, generation));
            let secret = match self.ring.vault().open(&sealed.0, credential_place(id, generation)) {
                Ok(secret) => Arc::new(secret),
                Err(error) => match known.as_ref().filter(|_| root == Root::Moved) {
                    Some(known) => Arc::clone(&known.credential.secret),
                    None => {
                        if !self.shut.contains(&(id, sealed.0.clone())) {
                            self.complain(&stored, error, now_ms);
                        }
                        shut.insert((id, stored.sealed.0));
                        continue;
                    }
                },
            };
            let member = member(&stored, Credential { id, generation, secret }, known);
            opened.insert((id, generation), member.clone());
            pools.entry(stored.provider).or_default().push(member);
        }
        (self.opened, self.shut) = (opened, shut);
        pools.into_iter().map(|(provider, pool)| (provider, Credentials::new(pool))).collect()
    }

    fn complain(&self, stored: &StoredCredential, error: CannotOpen, now_ms: i64) {
        let StoredCredential { id, provider, .. } = stored;
        tracing::error!(%provider, credential = %id, %error, "a provider's credential does not open");
        let entry = Entry {
            target: Some(Target { kind: "credential", id: Some(id.to_string()) }),
            outcome: Outcome::Failed,
            detail: Some(format!("of provider {provider}")),
            ..deed::of_system("vault.cannot_open")
        };
        if let Err(error) = self.store.write_blocking(|conn| audit::append(conn, &entry, now_ms)) {
            tracing::error!(%error, credential = %id, "that it does not open is not in the audit trail");
        }
    }
}

/// A member of a pool that goes on with what is known of it.
fn member(stored: &StoredCredential, credential: Credential, known: Option<Member>) -> Member {
    let (trust, earlier) = known.map(|known| (known.trust, known.rate_limit)).unwrap_or_default();
    let rate_limit = stored.rate_limit.map(|rate| {
        let fresh = RateLimit::new(rate);
        let earlier = earlier.filter(|earlier| earlier.per_minute() == fresh.per_minute());
        earlier.unwrap_or_else(|| Arc::new(fresh))
    });
    Member { credential, share: stored.weight, rate_limit, trust }
}

/// Where a provider's key stands in the database.
pub fn credential_place(id: CredentialId, generation: i64) -> Place {
    Place { table: "provider_credentials", column: "api_key_sealed", row: id.0, team: None, generation }
}

/// Between two rounds of what is swept and shown.
const ROUND: Duration = Duration::from_millis(250);

/// Which revision is in force, and which newer one could not be put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub revision: i64,
    pub refused: Option<i64>,
}

enum Word {
    Look,
    Stop,
}

/// Has the thread look at once.
#[derive(Clone)]
pub struct Waker(SyncSender<Word>);

impl Waker {
    /// Something was changed here.
    pub fn look(&self) {
        // one word that waits is as good as two
        let _waits_already = self.0.try_send(Word::Look);
    }
}

/// What a waker says.
pub struct Woken(Receiver<Word>);

/// A waker, and what it wakes.
pub fn waker() -> (Waker, Woken) {
    let (sender, receiver) = sync_channel(1);
    (Waker(sender), Woken(receiver))
}

/// The thread. Dropping it stops it.
pub struct Reloading {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Reloading {
    /// Starts looking for changes after `revision`, every `period` at least; `each_round` is told again and again
    /// how it stands. `later` is what the database is to be told first where it was away.
    pub fn start(
        loader: Loader,
        (revision, later): (i64, Option<Later>),
        period: Duration,
        (waker, woken): (Waker, Woken),
        each_round: impl Fn(Standing) + Send + 'static,
    ) -> std::io::Result<Self> {
        let ear = Ear::new(loader.store.clone());
        let standing = Standing { revision, refused: None };
        let looking = Looking { loader, standing, later, is_away: false, is_unfit: false };
        let thread = std::thread::Builder::new()
            .name("nexus-reload".into())
            .spawn(move || run(looking, ear, period, &woken, &each_round))?;
        Ok(Self { waker, thread: Some(thread) })
    }
}

fn run(mut looking: Looking, mut ear: Ear, period: Duration, woken: &Woken, each_round: &dyn Fn(Standing)) {
    let now = Instant::now();
    let (mut look_at, mut round_at, mut rested_at) = (now + period, now + ROUND, now);
    loop {
        let pause = ear.pause(look_at.min(round_at));
        let is_woken = match woken.0.recv_timeout(pause) {
            Ok(Word::Look) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Ok(Word::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        };
        // what is known to be new waits only as long as the last look took, so that many changes are few looks
        if ear.has_news() || is_woken {
            look_at = look_at.min(rested_at);
        }
        let now = Instant::now();
        if now >= look_at {
            looking.look();
            let took = now.elapsed();
            (look_at, rested_at) = (now + period, Instant::now() + took);
        } else if now < round_at {
            continue;
        }
        looking.sweep();
        each_round(looking.standing);
        round_at = now + ROUND;
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        let _gone = self.waker.0.send(Word::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Looking {
    loader: Loader,
    standing: Standing,
    is_away: bool,
    later: Option<Later>,
    /// Whether it was told that the database does not do.
    is_unfit: bool,
}

impl Looking {
    /// What nobody released in time is free again. It is said, for it is a mistake.
    fn sweep(&self) {
        let shared = &self.loader.shared;
        let quotas = Arc::clone(&shared.worlds.current().snapshot.quotas);
        let late = shared.quotas.sweep(&quotas, shared.clock.unix_ms());
        if late > 0 {
            tracing::error!(late, "something was held of quotas for longer than any request lives");
        }
    }

    fn look(&mut self) {
        if let Some(later) = &self.later {
            match self.loader.catch_up(later) {
                Ok(revision) => {
                    self.later = None;
                    self.stand(revision);
                }
                Err(error) if error.is_away() => self.miss(&error),
                Err(error) => self.reject(&error),
            }
            return;
        }
        let revision = match self.loader.store.read_blocking(world::revision) {
            Ok(revision) => revision,
            Err(error) => return self.miss(&error),
        };
        let loaded = if revision == self.standing.revision {
            let now_ms = self.loader.shared.clock.unix_ms();
            self.loader.follow(now_ms, |_| Ok(revision))
        } else {
            self.loader.load()
        };
        match loaded {
            Ok(revision) => self.stand(revision),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Lost)) => self.miss(&error),
            Err(error) => self.refuse(revision, &error),
        }
    }

    fn stand(&mut self, revision: i64) {
        self.standing = Standing { revision, refused: None };
        if std::mem::take(&mut self.is_away) {
            tracing::info!("the database is back");
        }
    }

    /// A database that came later is not fit to be served from: said once.
    fn reject(&mut self, error: &StartError) {
        if !std::mem::replace(&mut self.is_unfit, true) {
            let cause = std::error::Error::source(error);
            tracing::error!(%error, ?cause, "the database does not do; the world kept on disk stands");
        }
    }

    /// Said once, not four times a second.
    fn miss(&mut self, error: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::error!(%error, "the database is away; requests are served from the last known world");
        }
    }

    /// The same: said once of each revision.
    fn refuse(&mut self, revision: i64, error: &StoreError) {
        if self.standing.refused.replace(revision) != Some(revision) {
            let (in_force, cause) = (self.standing.revision, std::error::Error::source(error));
            tracing::error!(revision, in_force, %error, ?cause, "a revision cannot be put in force; the last good one stands");
        }
    }
}
