//! A promise as other nodes are told of it, from before it is asked until it is kept or broken.
//!
//! Dropped before either, it is told to nobody: whether the request was charged is not known then, and until its time
//! is over others are told that it is under way.

use std::sync::Arc;

use nexus_core::{
    id::RequestId,
    lease::promise::{PromiseAnswer, PromiseAsk, Step},
    refusal::Refusal,
};

use crate::{repeat::Promise, shared::Shared, sharing::Sharing};

/// How much longer than a request may take others are told that it is under way, in milliseconds.
const GRACE_MS: u64 = 60_000;

/// A promise this node keeps.
pub struct Promised {
    sharing: Arc<Sharing>,
    thing: String,
    ask: PromiseAsk,
}

impl Promised {
    /// Makes it where one is asked for, unless another node has; where nobody can say, what this node knows counts.
    pub async fn make(
        shared: &Shared,
        promise: Option<&Promise>,
        request: RequestId,
    ) -> Result<Option<Self>, Refusal> {
        let Some(Promise { place, body }) = promise else { return Ok(None) };
        let most_ms = shared.limits.deadlines.whole_ms.saturating_add(GRACE_MS);
        let step = Step::Begin { most_ms: i64::try_from(most_ms).unwrap_or(i64::MAX) };
        let (thing, body) = (format!("promise/{}", hex(place.as_bytes())), hex(body.as_bytes()).into());
        let ask = PromiseAsk { request: request.0.as_u128(), body, step };
        let promised = Self { sharing: Arc::clone(&shared.sharing), thing, ask };
        match promised.sharing.promise(promised.thing.clone(), promised.ask.clone()).await {
            Some(PromiseAnswer::Yours) => Ok(Some(promised)),
            Some(PromiseAnswer::UnderWay) => Err(Refusal::AnswerUnderWay),
            Some(PromiseAnswer::Given) => Err(Refusal::AnswerNotKept),
            Some(PromiseAnswer::OtherBody) => Err(Refusal::OtherBody),
            None => {
                shared.meters.promise_unheard();
                Ok(Some(promised))
            }
        }
    }

    /// The answer was given to its end.
    pub fn keep(self) {
        self.end(Step::Kept);
    }

    /// There was none, or not to its end.
    pub fn break_off(self) {
        self.end(Step::Broken);
    }

    fn end(self, step: Step) {
        self.sharing.tell_promise(self.thing, PromiseAsk { step, ..self.ask });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
