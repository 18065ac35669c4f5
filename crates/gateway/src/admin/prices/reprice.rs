//! Past usage priced again, as a job: first to be looked at, then to be carried out. What is small is done when
//! the answer comes; the rest goes on behind it.

use nexus_core::id::{ProviderId, Uuid};
use nexus_store::repo::reprice::{self, Reprice, State, Wanted};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{
        answer::{Created, Recorded, Told},
        body::Json,
        call::{Call, found},
        change::Change,
        check::Check,
        problem::{Kind, Problem},
        providers::check_model,
        query::{Listing, Unfiltered, Walk},
        route::PREFIX,
        routes::ModelText,
    },
    reprice::advance,
};

/// The latest moment: the year 9999.
const LATEST_S: i64 = 253_402_300_799;
/// Steps that are taken before the answer.
const STEPS: usize = 10;

/// What is to be priced again.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReprice {
    /// Unix seconds.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    from: i64,
    /// Unix seconds, not included.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    until: i64,
    #[serde(default)]
    provider_id: Option<Uuid>,
    /// The provider's name of the model; none: all of them.
    #[serde(default)]
    #[schema(value_type = Option<ModelText>)]
    real_name: Option<String>,
    /// Only tell what would change; `false` corrects it.
    #[serde(default = "yes")]
    #[schema(default = true)]
    is_preview: bool,
}

fn yes() -> bool {
    true
}

/// How a job stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Reprice)]
pub struct RepriceBody {
    id: Uuid,
    is_preview: bool,
    /// `running`, `done` or `stopped`.
    state: &'static str,
    from: i64,
    until: i64,
    provider_id: Option<Uuid>,
    real_name: Option<String>,
    /// Attempts that were looked at.
    looked_at: u64,
    /// Attempts that cost something else now, or whose cost became known or unknown.
    changed: u64,
    /// By what those that became dearer did so, all together.
    raised_nano_usd: u64,
    lowered_nano_usd: u64,
    /// Unix seconds, as `updated_at`.
    created_at: i64,
    updated_at: i64,
}

impl RepriceBody {
    fn new(job: &Reprice) -> Self {
        Self {
            id: job.id,
            is_preview: job.is_preview,
            state: job.state.as_str(),
            from: job.from_ms.div_euclid(1000),
            until: job.until_ms.div_euclid(1000),
            provider_id: job.provider.map(|provider| provider.0),
            real_name: job.real_model.clone(),
            looked_at: job.looked_at,
            changed: job.changed,
            raised_nano_usd: job.raised_nano_usd,
            lowered_nano_usd: job.lowered_nano_usd,
            created_at: job.created_at_ms.div_euclid(1000),
            updated_at: job.updated_at_ms.div_euclid(1000),
        }
    }
}

/// Begins a job.
pub async fn reprice(call: Call<(), Json<NewReprice>>) -> Result<Recorded<Created<RepriceBody>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check.within("/from", wish.from, 0, LATEST_S);
    check.within("/until", wish.until, wish.from, LATEST_S);
    if let Some(name) = &wish.real_name {
        check_model(&mut check, "/real_name", name);
    }
    check.finish()?;
    let (now_ms, id) = (call.now_ms(), call.fresh_id());
    let wanted = Wanted {
        id,
        is_preview: wish.is_preview,
        from_ms: wish.from.saturating_mul(1000),
        until_ms: wish.until.saturating_mul(1000),
        provider: wish.provider_id.map(ProviderId),
        real_model: wish.real_name.clone(),
    };
    let action = if wish.is_preview { "price.reprice.preview" } else { "price.reprice" };
    let begun = call.change(action, move |conn| {
        let body = RepriceBody::new(&reprice::create(conn, &wanted, now_ms)?);
        let location = format!("{PREFIX}/prices/reprices/{id}");
        let answer = Created { body: body.clone(), version: 1, location };
        Ok(Change::of("reprice", id, None, answer).to(&body))
    });
    let begun = begun.await?;
    // what is not done here goes on behind, whatever becomes of this
    let store = call.admin().store.clone();
    let stepped = tokio::task::spawn_blocking(move || advance(&store, Some(id), now_ms, STEPS)).await;
    if let Ok(Err(error)) = stepped {
        tracing::warn!(%error, reprice = %id, "a reprice goes on later");
    }
    Ok(begun)
}

/// The oldest first.
pub async fn reprices(call: Call<Walk<Unfiltered>>) -> Result<Listing<RepriceBody>, Problem> {
    let page = call.query.page();
    let rows = call.read(move |conn| reprice::page(conn, &page)).await?;
    let key = |row: &Reprice| (row.created_at_ms, row.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, RepriceBody::new))
}

pub async fn show_reprice(call: Call) -> Result<Told<RepriceBody>, Problem> {
    let id = call.id("id")?;
    let job = found(call.read(move |conn| reprice::show(conn, id)).await?)?;
    Ok(Told(RepriceBody::new(&job)))
}

/// Stops a job; what it has corrected stands.
pub async fn stop_reprice(call: Call) -> Result<Recorded<Told<RepriceBody>>, Problem> {
    let (id, now_ms): (Uuid, _) = (call.id("id")?, call.now_ms());
    call.change("price.reprice.stop", move |conn| {
        let before = found(reprice::show(conn, id)?)?;
        if before.state != State::Running || !reprice::stop(conn, id, now_ms)? {
            return Err(Problem::new(Kind::Conflict, "it is not running any more").into());
        }
        let after = RepriceBody::new(&found(reprice::show(conn, id)?)?);
        Ok(Change::of("reprice", id, None, Told(after.clone())).from(&RepriceBody::new(&before)).to(&after))
    })
    .await
}
