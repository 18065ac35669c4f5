//! What stands between strangers and passwords: few hashes at a time, and few failures.
//!
//! A hash takes 19 MiB and some 20 ms of a core, so two are made at once, on threads that serve nobody. Failures
//! count for the address they come from, and for an e-mail only there: who fails with somebody's e-mail elsewhere
//! does not lock that person out.

use std::{collections::hash_map::RandomState, net::IpAddr, sync::Arc, time::Duration};

use nexus_core::brute::{FailureKey, Failures};
use nexus_keystore::{password, secret::Secret};
use nexus_store::repo::user::PasswordHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    admin::{
        oidc::Oidc,
        problem::{Kind, Problem},
        users::Password,
    },
    worker::Worker,
};

/// Hashes that are made at once.
const HASHES: usize = 2;

/// How long somebody waits for a place among them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Failed sign-ins with one e-mail at one address that go through at once, and a minute from then on.
const FAILURES: u32 = 10;

/// The same for an address whatever the e-mail: many people may share it.
const ADDRESS_FAILURES: u32 = 30;

/// Everything about signing in that the workers share.
pub struct SignIn {
    of_address: Failures,
    of_pair: Failures,
    hashing: Arc<Semaphore>,
    pub oidc: Option<Oidc>,
}

impl SignIn {
    pub fn new(oidc: Option<Oidc>) -> Self {
        let failures = |many| Failures::new(many, many, RandomState::new());
        Self {
            of_address: failures(ADDRESS_FAILURES),
            of_pair: failures(FAILURES),
            hashing: Arc::new(Semaphore::new(HASHES)),
            oidc,
        }
    }

    /// What a sign-in is counted under. E-mails that begin alike are told apart by their digests.
    pub fn tries<'a>(
        &'a self,
        worker: &'a Worker,
        address: Option<IpAddr>,
        email: Option<&str>,
    ) -> Tries<'a> {
        let digests = &worker.engine.shared.keys.digests;
        // of an address that nobody knows, all are one
        let of_pair = |email| FailureKey::prefix(&digests.digest(&format!("sign-in\n{address:?}\n{email}")));
        let counted = [
            address.map(|address| (&self.of_address, FailureKey::address(address))),
            email.map(|email| (&self.of_pair, of_pair(email))),
        ];
        Tries { worker, counted }
    }

    /// A new password's hash.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, Problem> {
        let hash = self.elsewhere(password, password::hash).await?;
        hash.map(PasswordHash).map_err(|why| Problem::at("/password", why.to_string()))
    }

    /// Whether it is the password of the hash, where there is one; it takes as long where there is none. Those
    /// who waited are counted once more, so that many at once gain nothing.
    pub async fn verify(
        &self,
        tries: &Tries<'_>,
        hash: Option<PasswordHash>,
        password: &Password,
    ) -> Result<bool, Problem> {
        let permit = self.permit().await?;
        tries.check()?;
        let verify =
            move |password: &Secret| password::verify(hash.as_ref().map(|hash| hash.0.as_str()), password);
        run(permit, password, verify).await
    }

    async fn elsewhere<T: Send + 'static>(
        &self,
        password: &Password,
        work: impl FnOnce(&Secret) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        run(self.permit().await?, password, work).await
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.hashing).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            Problem::new(Kind::Unavailable, "too many passwords are being looked at; try again in a moment")
        })
    }
}

/// The place is given back when the work is over, also where nobody waits for it any more.
async fn run<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    password: &Password,
    work: impl FnOnce(&Secret) -> T + Send + 'static,
) -> Result<T, Problem> {
    let password = password.clone();
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(password.secret())
    });
    task.await.map_err(|_| Kind::Internal.into())
}

/// One sign-in, and whom its failure counts for.
pub struct Tries<'a> {
    worker: &'a Worker,
    counted: [Option<(&'a Failures, FailureKey)>; 2],
}

impl Tries<'_> {
    pub fn check(&self) -> Result<(), Problem> {
        let now_ms = self.now_ms();
        let counted = self.counted.iter().flatten();
        let waits = counted.filter_map(|(failures, key)| failures.may_try(*key, now_ms).err());
        let Some(wait_ms) = waits.map(|wait| wait.0).max() else { return Ok(()) };
        let retry_after_s = Some(wait_ms.div_ceil(1000));
        let why = "wait as long as `retry-after` says, then try again";
        Err(Problem { retry_after_s, ..Problem::new(Kind::TooManyTries, why) })
    }

    pub fn failed(&self) {
        let now_ms = self.now_ms();
        self.counted.iter().flatten().for_each(|(failures, key)| failures.failed(*key, now_ms));
    }

    fn now_ms(&self) -> u64 {
        self.worker.engine.shared.clock.monotonic_us() / 1000
    }
}
