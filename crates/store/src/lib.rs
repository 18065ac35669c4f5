//! Everything that outlives the process: rows, repositories, migrations, the usage journal and its shipper.
//!
//! A caller of this crate never holds a database connection: work goes in through [`Store::read`] and
//! [`Store::write`], which take one inside a blocking task. No plaintext secret ever comes here;
//! credentials are text sealed elsewhere.

pub mod archive;
pub mod connection;
pub mod copying;
pub mod csv;
pub mod error;
pub mod exec;
pub mod journal;
pub mod kept;
pub mod migrate;
pub mod news;
pub mod proofs;
pub mod repo;
pub mod world;
pub mod writer;

mod row;
mod schema;
mod upsert;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod scratch;

pub use connection::AnyConnection;
pub use error::StoreError;
pub use exec::{Door, Store};
pub use journal::{Journal, JournalError};
pub use news::Listener;
pub use writer::{Shipper, Watcher};
