//! What all workers share: the current world, the keys' verifiers, the ledger, limits and meters.

use std::{convert::Infallible, rc::Rc, sync::Arc};

use nexus_core::{allowance::Allowances, brute::Failures, flow::Short, retry_budget::RetryBudget};
use nexus_keystore::{
    opaque::OpaqueDigests, request_signature::Nonces, signing_secret::SigningSecrets, token::Tokens,
};
use nexus_telemetry::meters::Meters;
use nexus_wire::surface::Annex;
use tokio::sync::mpsc::Sender;

use crate::{
    estimate::Estimator,
    hold::Quotas,
    port::{Clock, Contents, Deadlines, Dice, Ledger, Trail, Transport},
    relay::orphan::Orphanage,
    repeat::Repeats,
    resource::owners::Owners,
    sharing::Sharing,
    shelf::Shelf,
    stage::authenticate::Known,
    world::Worlds,
};

/// Bounds on one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest request body taken, in bytes.
    pub request_body_bytes: usize,
    /// The largest upload that is passed on piece by piece, in bytes.
    pub upload_bytes: u64,
    /// The largest whole answer taken from a provider, in bytes.
    pub answer_body_bytes: usize,
    /// How long a client may take to send its body, in milliseconds.
    pub request_body_ms: u64,
    /// Attempts for one request, over all its targets.
    pub attempts: u32,
    /// Silence on a stream after which a comment is sent to keep it open, in milliseconds.
    pub heartbeat_ms: u64,
    /// Whether what nobody here has made may be asked for at the default provider.
    pub serves_unowned: bool,
    /// How long what the gateway keeps itself is kept, in milliseconds; 0: nothing is.
    pub kept_ms: i64,
    pub deadlines: Deadlines,
}

/// What keys are proven with.
pub struct Keys {
    pub tokens: Tokens,
    pub digests: OpaqueDigests,
    pub signing: SigningSecrets,
}

/// Shared by all workers of the process.
pub struct Shared {
    pub worlds: Worlds,
    pub keys: Keys,
    pub allowances: Allowances,
    pub quotas: Arc<Quotas>,
    /// Where more is asked for of what nodes share.
    pub sharing: Arc<Sharing>,
    /// How many tries beyond the first there may be.
    pub retries: RetryBudget,
    /// Answers that more than one request may be given.
    pub repeats: Arc<Repeats>,
    /// Bad keys that were shown lately.
    pub failures: Failures,
    /// Signatures that were used.
    pub nonces: Nonces,
    pub trail: Arc<dyn Trail>,
    pub contents: Arc<dyn Contents>,
    /// Who has made what at providers.
    pub owners: Arc<dyn Owners>,
    /// What the gateway keeps itself.
    pub shelf: Arc<dyn Shelf>,
    pub ledger: Arc<dyn Ledger>,
    pub estimator: Estimator,
    pub clock: Arc<dyn Clock>,
    pub meters: Arc<Meters>,
    pub limits: Limits,
    /// The annexes of OpenAI's API that are served.
    pub annexes: Box<[Annex]>,
}

impl Shared {
    /// Takes what there may be too little of because other nodes have it: as long as they are asked and answer in
    /// time, it is tried again. `take` is told how late it is, in microseconds.
    pub async fn taken<T>(
        &self,
        mut take: impl FnMut(u64) -> Result<T, (usize, Short)>,
    ) -> Result<T, (usize, Short)> {
        let mut taken = take(self.clock.monotonic_us());
        let deadline = Sharing::deadline();
        while let Err((_, Short { is_asked: true, .. })) = taken
            && self.sharing.wait_for(self.quotas.next_round(), deadline).await
        {
            taken = take(self.clock.monotonic_us());
        }
        taken
    }
}

/// A worker's engine: what is shared, and what must stay on its thread.
pub struct Engine<T: Transport> {
    pub shared: Arc<Shared>,
    pub transport: T,
    pub dice: Box<dyn Dice>,
    pub known: Known,
    /// Where answers go whose clients have left; whoever makes the engine runs the other end.
    pub orphans: Rc<Orphanage<T::Body>>,
    /// Dropped with the last task of the worker: whoever waits for the other end knows that all is settled.
    pub alive: Option<Sender<Infallible>>,
}
