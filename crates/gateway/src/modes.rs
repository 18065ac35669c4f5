//! What the node does without just now, each by a word: declared here, counted, and told to whoever asks how it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nexus_engine::shared::Shared;
use nexus_store::Store;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(250);
/// A database that has answered nobody for so long is away; it is asked four times a second.
const QUIET: Duration = Duration::from_secs(3);

/// Something a node can do without for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requests are served from the last world, usage waits in the journal, changes are refused with 503.
    DatabaseAway,
    /// The node started without its database, and serves what was kept of the world on its disk.
    KeptWorld,
    /// What nodes share is out of reach: the node lives on what it leased, then does as `node.when_alone` says.
    SharingAway,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::DatabaseAway, Mode::KeptWorld, Mode::SharingAway];

    /// The word in metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::DatabaseAway => "database_away",
            Mode::KeptWorld => "kept_world",
            Mode::SharingAway => "sharing_away",
        }
    }
}

/// The modes the node is in.
pub struct Modes {
    shared: Arc<Shared>,
    store: Store,
    /// In the order of [`Mode::ALL`].
    are_on: [AtomicBool; 3],
}

impl Modes {
    pub fn new(shared: Arc<Shared>, store: Store) -> Self {
        Self { shared, store, are_on: Default::default() }
    }

    fn holds(&self, mode: Mode) -> bool {
        match mode {
            Mode::DatabaseAway => self.store.is_shut() || self.store.quiet() > QUIET,
            Mode::KeptWorld => self.store.is_shut(),
            Mode::SharingAway => self.shared.quotas.is_alone(),
        }
    }

    /// As of now.
    pub fn current(&self) -> Vec<&'static str> {
        Mode::ALL.into_iter().filter(|mode| self.holds(*mode)).map(Mode::as_str).collect()
    }

    /// Counts and logs what changes, until it is dropped.
    pub async fn watch(&self) {
        loop {
            self.look();
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn look(&self) {
        for (mode, is_on) in Mode::ALL.into_iter().zip(&self.are_on) {
            let (now, word) = (self.holds(mode), mode.as_str());
            let before = is_on.swap(now, Ordering::Relaxed);
            self.shared.meters.degraded(word, now, now && !before);
            match (before, now) {
                (false, true) => tracing::warn!(mode = word, "the node does without something"),
                (true, false) => tracing::info!(mode = word, "the node has everything of this again"),
                _ => {}
            }
        }
    }
}
