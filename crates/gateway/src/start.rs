//! Why the gateway, or one of its commands, does not start. Each says what to do.

use std::path::PathBuf;

use nexus_config::problem::Problems;
use nexus_keystore::root::{CryptoFailed, WeakRoot};
use nexus_store::StoreError;

/// Why it does not start. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] Problems),
    #[error("`{variable}` {weak}")]
    Root { variable: &'static str, weak: WeakRoot },
    #[error("`{variable}` {weak}")]
    NamedRoot { variable: String, weak: WeakRoot },
    #[error(transparent)]
    Move(#[from] crate::rotation::root::CannotMove),
    #[error("the data keys cannot be turned over")]
    Rotation(#[from] crate::rotation::RotationError),
    #[error(transparent)]
    Crypto(#[from] CryptoFailed),
    #[error("the database does not do")]
    Store(#[from] StoreError),
    #[error(transparent)]
    WrongRoot(#[from] nexus_keystore::vault::WrongRoot),
    #[error(transparent)]
    Journal(#[from] nexus_store::JournalError),
    #[error(
        "cannot listen on `{address}`; is something else there already? choose another with `--bind` or `--port`"
    )]
    Listen { address: String, source: std::io::Error },
    #[error("a socket that was handed over (`LISTEN_FDS`) is no TCP socket that listens")]
    Handed(#[source] std::io::Error),
    #[error(
        "a socket was handed over (`LISTEN_FDS`) for `{0}`, where nothing is to listen; give its address with `--bind`"
    )]
    NotWanted(std::net::SocketAddr),
    #[error("the listeners failed")]
    Server(#[source] std::io::Error),
    #[error("signals cannot be caught")]
    Signals(#[source] std::io::Error),
    #[error("the operating system gave no thread")]
    Thread(#[source] std::io::Error),
    #[error("`REDIS_URL` is of no use: {0}; write `redis://host:6379`")]
    Sharing(#[source] nexus_cluster::keeper::KeeperError),
    #[error(transparent)]
    Oidc(#[from] crate::admin::oidc::BadIssuer),
    #[error(transparent)]
    Tls(#[from] nexus_transport::BadRoots),
    #[error(transparent)]
    Log(#[from] nexus_telemetry::log::LogError),
    #[error("the key could not be made: {0}")]
    Mint(#[from] nexus_keystore::token::CannotMint),
    #[error("the audit trail is broken at row {seq}: {what}")]
    Broken { seq: i64, what: nexus_store::repo::audit::Breach },
    #[error("{0} sums of the ledger are not what its rows add up to")]
    Unbalanced(u64),
    #[error("{0} segments of the ledger's archive are missing, or are not what they were")]
    ArchiveDamaged(usize),
    #[error(transparent)]
    Archive(#[from] nexus_store::archive::ArchiveError),
    #[error("line {line} of `{path}` is not an anchor; give the lines `nexus audit anchors` printed")]
    Anchor { path: PathBuf, line: usize },
    #[error("`{path}` cannot be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{path}` cannot be made; it must not be there yet")]
    Unmakeable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Export(#[from] nexus_store::repo::audit::ExportError),
    #[error("the user cannot be made: {0}")]
    BadUser(String),
    #[error("the password cannot be read from standard input")]
    NoPassword(#[source] std::io::Error),
    #[error("the key cannot be read from standard input")]
    NoProviderKey(#[source] std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("`{0}` is not the id of a key; `nexus key list` shows the ids")]
    NoKey(String),
}

impl StartError {
    /// Whether it is only that the database cannot be reached just now.
    pub fn is_away(&self) -> bool {
        use crate::rotation::RotationError;
        let (Self::Store(error) | Self::Rotation(RotationError::Store(error))) = self else { return false };
        matches!(error, StoreError::Unavailable(_))
    }
}
