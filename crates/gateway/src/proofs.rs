//! The memory of used signatures, in files beside the journal.

use std::path::Path;

use nexus_keystore::request_signature::{Keeper, MAX_AGE_S, Mark, NONCES, Nonces, Unkept};
use nexus_store::proofs::ProofLog;

use crate::start::StartError;

/// The memory, with what earlier processes used. `now_s` is in Unix seconds.
pub fn nonces(data_dir: &Path, now_s: i64) -> Result<Nonces, StartError> {
    let path = data_dir.join("signatures");
    let opened = ProofLog::open(&path, MAX_AGE_S, now_s);
    let (log, used) = opened.map_err(|source| StartError::Unreadable { path, source })?;
    Ok(Nonces::new(NONCES, now_s).kept(used, Files(log)))
}

struct Files(ProofLog);

impl Keeper for Files {
    fn keep(&self, mark: &Mark, created_s: i64, now_s: i64) -> Result<(), Unkept> {
        self.0.keep(mark, created_s, now_s).map_err(|error| {
            tracing::error!(%error, "a used signature cannot be written down; its request is refused");
            Unkept
        })
    }
}
