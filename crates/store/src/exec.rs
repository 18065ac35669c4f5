//! The one door from async code to the database.
//!
//! The connection is taken inside the blocking task and given back before it ends, so an async worker
//! never waits for the pool, and no connection is ever held across an await.

mod pulse;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use self::pulse::Pulse;
use crate::{
    connection::{Access, AnyConnection, Opening, Place},
    error::StoreError,
    repo::job,
};

/// How many async calls may wait for or use a connection at once; one more is refused at once.
const CALLS_MAX: usize = 64;
/// How many connections read at once.
const READERS: u32 = 4;
/// How many write at once, where more than one can.
const WRITERS: u32 = 4;
/// How long a call waits for a connection before it says that the database is not available.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an async call waits while the database answers nobody.
const SILENCE: Duration = Duration::from_secs(5);

type Pool = r2d2::Pool<Opening>;

/// The database. Cloning is cheap and shares the pools.
#[derive(Clone)]
pub struct Store {
    readers: Pool,
    writers: Pool,
    place: Place,
    calls: Arc<Semaphore>,
    /// How long a call waits for a connection.
    patience: Duration,
    pulse: Arc<Pulse>,
    /// Nobody may come in before it is true.
    is_open: Arc<AtomicBool>,
    /// The job whose changes these are, and the token of its lease.
    fence: Option<(&'static str, i64)>,
}

impl Store {
    /// Opens the database a URL names. A SQLite file is made where it is missing and tried at once;
    /// PostgreSQL is connected to when it is first needed.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_within(url, PATIENCE)
    }

    /// The same, but a SQLite file has to be there.
    pub fn open_present(url: &str) -> Result<Self, StoreError> {
        match Place::parse(url)? {
            Place::Sqlite(path) if !path.is_file() => {
                Err(StoreError::BadUrl("names a file that is not there"))
            }
            _ => Self::open(url),
        }
    }

    pub(crate) fn open_within(url: &str, patience: Duration) -> Result<Self, StoreError> {
        let place = Place::parse(url)?;
        place.prepare()?;
        let pool = |access, size| {
            r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(0))
                .test_on_check_out(matches!(place, Place::Postgres(_)))
                // the caller is told the last error together with the time-out
                .error_handler(Box::new(r2d2::NopErrorHandler))
                .build_unchecked(Opening { place: place.clone(), access })
        };
        let calls = Arc::new(Semaphore::new(CALLS_MAX));
        let is_file = matches!(place, Place::Sqlite(_));
        let writers = pool(Access::Write, if is_file { 1 } else { WRITERS });
        let readers = pool(Access::Read, READERS);
        let (pulse, is_open) = (Arc::new(Pulse::new()), Arc::new(AtomicBool::new(true)));
        let store = Self { readers, writers, place, calls, patience, pulse, is_open, fence: None };
        if is_file {
            store.write_blocking(|_| Ok(()))?;
        }
        Ok(store)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs queries that see one state of the database. Changing anything in here is an error.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.elsewhere(move |store| store.read_blocking(work)).await
    }

    /// Runs changes that stand all together, or, where `work` fails, not at all. Nobody else changes anything
    /// meanwhile, on whatever node: what was looked at stays true.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.elsewhere(move |store| store.write_blocking(work)).await
    }

    /// [`Store::read`] for threads that may wait.
    pub fn read_blocking<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact(&self.readers, Access::Read, work)
    }

    /// [`Store::write`] for threads that may wait.
    pub fn write_blocking<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fence = self.fence;
        self.transact(&self.writers, Access::Write, |conn| match fence {
            Some((job, token)) if !job::holds(conn, job, token)? => Err(StoreError::Fenced(job)),
            _ => work(conn),
        })
    }

    /// The same database for a job: every change asks first whether the job's lease still holds, and is an error
    /// where another node has taken over.
    pub fn fenced(&self, job: &'static str, token: i64) -> Self {
        Self { fence: Some((job, token)), ..self.clone() }
    }

    /// Runs additions, for threads that may wait. As [`Store::write_blocking`], but beside other additions where the
    /// database can: for what is right whatever else is added at the same time.
    pub fn append_blocking<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transact(&self.writers, Access::Append, work)
    }

    /// The same database for those who are to wait until it is as they need it: each of their calls finds it
    /// unavailable until the door is opened.
    pub fn behind_door(&self) -> (Self, Door) {
        let is_open = Arc::new(AtomicBool::new(false));
        (Self { is_open: Arc::clone(&is_open), ..self.clone() }, Door(is_open))
    }

    fn transact<T>(
        &self,
        pool: &Pool,
        access: Access,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_shut() {
            return Err(StoreError::Unavailable("it was away when this node started".to_owned()));
        }
        let done = transact(pool.get_timeout(self.patience)?, access, work);
        if !matches!(done, Err(StoreError::Unavailable(_))) {
            self.pulse.beat();
        }
        done
    }

    /// For how long the database has answered nobody.
    pub fn quiet(&self) -> Duration {
        self.pulse.quiet()
    }

    /// Whether calls wait behind a door for the database.
    pub fn is_shut(&self) -> bool {
        !self.is_open.load(Ordering::Acquire)
    }

    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let call = Arc::clone(&self.calls)
            .try_acquire_owned()
            .map_err(|_| StoreError::Unavailable(format!("{CALLS_MAX} calls are waiting for it already")))?;
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _call = call;
            work(&store)
        });
        let silence = self.pulse.silence(SILENCE);
        tokio::select! {
            done = task => done.unwrap_or(Err(StoreError::Lost)),
            // the task goes on; a server that stands still may yet do what it was told
            () = silence => Err(StoreError::Unavailable(format!("it has answered nobody for {SILENCE:?}"))),
        }
    }
}

/// Lets those in who wait behind it. It is never shut again.
#[derive(Debug)]
pub struct Door(Arc<AtomicBool>);

impl Door {
    pub fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A transaction that is neither committed nor rolled back (a panic, a failed commit) leaves the
/// connection broken in the pool's eyes; the pool closes it, which rolls back.
fn transact<T>(
    mut conn: r2d2::PooledConnection<Opening>,
    access: Access,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    conn.begin(access)?;
    match work(&mut conn) {
        Ok(value) => {
            conn.commit()?;
            Ok(value)
        }
        Err(error) => {
            if let Err(second) = conn.roll_back() {
                tracing::warn!(error = %second, "a roll-back failed; the connection is closed instead");
            }
            Err(error)
        }
    }
}

#[cfg(test)]
impl Store {
    /// The same pools, given up on soon.
    pub(crate) fn impatient(&self) -> Self {
        Self { patience: Duration::from_millis(50), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::repo::{setting, team};

    #[tokio::test]
    async fn an_exhausted_pool_says_unavailable_while_the_async_thread_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (release, held) = mpsc::channel::<()>();
        let (taken, is_taken) = mpsc::channel();
        let holder = store.clone();
        let thread = std::thread::spawn(move || {
            holder.write_blocking(|_| {
                taken.send(()).unwrap();
                held.recv().map_err(|_| StoreError::Lost)
            })
        });
        is_taken.recv().unwrap();
        // this runtime has one thread: the ticks can only come while the write is waiting elsewhere
        let mut ticks = 0;
        let impatient = store.impatient();
        let write = impatient.write(team::list);
        tokio::pin!(write);
        let refused = loop {
            tokio::select! {
                biased;
                answer = &mut write => break answer,
                () = tokio::task::yield_now() => ticks += 1,
            }
        };
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(ticks > 0);
        assert!(store.read(team::list).await.is_ok(), "readers do not wait for the writer");
        release.send(()).unwrap();
        thread.join().unwrap().unwrap();
        assert!(store.write(team::list).await.is_ok());
    }

    #[test]
    fn behind_a_door_the_database_is_unavailable_until_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (waiting, door) = store.behind_door();
        let later = waiting.clone();
        for _ in 0..2 {
            assert!(matches!(later.read_blocking(team::list), Err(StoreError::Unavailable(_))));
            assert!(matches!(later.write_blocking(team::list), Err(StoreError::Unavailable(_))));
            assert!(store.write_blocking(team::list).is_ok());
        }
        door.open();
        assert!(later.write_blocking(team::list).is_ok());
    }

    #[tokio::test]
    async fn more_calls_than_allowed_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let all = store.calls.clone().acquire_many_owned(CALLS_MAX as u32).await.unwrap();
        assert!(matches!(store.read(team::list).await, Err(StoreError::Unavailable(_))));
        drop(all);
        assert!(store.read(team::list).await.is_ok());
    }

    #[tokio::test]
    async fn a_failed_or_panicking_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = crate::sample::team(1, "one");
        let half = team.clone();
        let failed: Result<(), _> = store
            .write(move |conn| {
                team::create(conn, &half)?;
                Err(StoreError::Lost)
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Lost)));
        let half = team.clone();
        let panicked: Result<(), _> = store
            .write(move |conn| {
                team::create(conn, &half)?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(panicked, Err(StoreError::Lost)));
        assert!(store.read(team::list).await.unwrap().is_empty());
        store.write(move |conn| team::create(conn, &team)).await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let refused = store.read(|conn| team::create(conn, &crate::sample::team(1, "one"))).await;
        assert!(matches!(refused, Err(StoreError::Query(_))), "{refused:?}");
    }

    #[test]
    fn two_stores_on_one_file_see_each_others_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (server, tool) = (Store::scratch(folder.path()), Store::scratch(folder.path()));
        std::thread::scope(|scope| {
            for (store, from) in [(&server, 0), (&tool, 100)] {
                scope.spawn(move || {
                    for at in from..from + 20 {
                        let team = crate::sample::team(at, &format!("team {at}"));
                        store.write_blocking(|conn| team::create(conn, &team)).unwrap();
                    }
                });
            }
        });
        for store in [&server, &tool] {
            assert_eq!(store.read_blocking(team::list).unwrap().len(), 40);
        }
    }

    #[test]
    fn what_a_change_has_looked_at_stays_so_until_it_is_done_whoever_else_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        let stores = [Store::scratch(folder.path()), Store::scratch(folder.path())];
        let count = |conn: &mut AnyConnection| {
            let so_far = setting::find(conn, "count")?.map_or(0, |text| text.parse::<u32>().unwrap());
            setting::put(conn, "count", &(so_far + 1).to_string())?;
            Ok(so_far + 1)
        };
        std::thread::scope(|scope| {
            for store in stores.iter().chain(&stores) {
                scope.spawn(move || {
                    for _ in 0..25 {
                        store.write_blocking(count).unwrap();
                    }
                });
            }
        });
        assert_eq!(stores[0].write_blocking(count).unwrap(), 101);
    }

    #[test]
    fn what_is_no_database_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("nexus.db"),
            "not a database, but long enough to be read as one".repeat(40),
        )
        .unwrap();
        let url = format!("sqlite://{}/nexus.db", folder.path().display());
        assert!(matches!(
            Store::open_within(&url, Duration::from_millis(50)),
            Err(StoreError::Unavailable(_))
        ));
    }
}
