//! Takes running reprices further: a bounded number of small transactions at a time, so that usage is shipped in
//! between.

use std::collections::HashMap;

use nexus_core::{
    id::{ProviderId, Uuid},
    price::PriceBook,
    usage::Cost,
};
use nexus_engine::pricing::{Place, Priced};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        provider,
        reprice::{self, Reprice, State, Used},
        usage::Contexts,
    },
    world::price_book,
};

/// What rows are priced with.
struct Pricer {
    book: PriceBook,
    /// What vendors' words providers speak: what is shipped goes by that.
    kinds: HashMap<ProviderId, String>,
}

impl Pricer {
    fn load(conn: &mut AnyConnection) -> Result<Self, StoreError> {
        let kinds = provider::list(conn)?.into_iter().map(|provider| (provider.id, provider.kind)).collect();
        Ok(Self { book: price_book(conn)?, kinds })
    }

    /// `None` where the provider is gone: nobody knows what the shipped price was for.
    fn cost(&self, used: &Used, known_at_ms: i64) -> Option<Cost> {
        let place = Place {
            kind: self.kinds.get(&used.provider)?,
            provider: used.provider,
            region: used.region.as_deref(),
            model: &used.real_model,
            multiplier_ppm: used.multiplier_ppm,
        };
        let priced = Priced::at(&self.book, place, used.started_at_ms, known_at_ms);
        Some(priced.cost(&used.usage, used.source, used.tier))
    }
}

/// Takes a job at most so many steps further and says how it stands; the oldest that is running, where none is
/// named.
pub fn advance(
    store: &Store,
    id: Option<Uuid>,
    now_ms: i64,
    steps: usize,
) -> Result<Option<Reprice>, StoreError> {
    let job = store.read_blocking(|conn| match id {
        Some(id) => reprice::show(conn, id),
        None => reprice::running(conn),
    })?;
    let Some(mut job) = job else { return Ok(None) };
    let pricer = store.read_blocking(Pricer::load)?;
    let mut contexts = Contexts::default();
    for _ in 0..steps {
        if job.state != State::Running {
            break;
        }
        let cost = |used: &Used| pricer.cost(used, job.known_at_ms);
        let stepped =
            store.write_blocking(|conn| reprice::step(conn, job.id, now_ms, &mut contexts, &cost))?;
        match stepped {
            Some(stepped) => job = stepped,
            None => return Ok(None),
        }
    }
    Ok(Some(job))
}
