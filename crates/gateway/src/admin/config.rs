//! Configuration as a whole: out as a file without secrets, in as a difference that is shown or carried out.

mod entry;
mod export;
mod plan;

use nexus_store::StoreError;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use self::entry::ConfigBody;
pub use self::{
    entry::{Offer, OfferedQuota, Offers},
    export::export,
    plan::{Differences, Fate, Planner},
};
use super::{
    answer::{Kinds, Recorded, Text, Told},
    body::Json,
    call::Call,
    change::{Change, Halt},
    credentials::Hands,
    problem::Problem,
    query::Filter,
};
/// As what the configuration is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Yaml,
    Json,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExportFilter {
    /// YAML where it is left away.
    #[param(inline, nullable = false)]
    format: Option<Format>,
}

pub struct ConfigText;

const YAML: &str = "application/yaml";
const JSON: &str = "application/json";

impl Kinds for ConfigText {
    const MEDIA_TYPES: &'static [&'static str] = &[YAML, JSON];
}

pub async fn show(call: Call<Filter<ExportFilter>>) -> Result<Text<ConfigText>, Problem> {
    let now_ms = call.now_ms();
    let exported = call.read(move |conn| export(conn, now_ms)).await?;
    Ok(match call.query.0.format.unwrap_or_default() {
        Format::Yaml => Text::new(YAML, exported.to_yaml()),
        Format::Json => Text::new(JSON, exported.to_json()),
    })
}

/// What carrying it out would change. Nothing is changed, nothing is written into the trail.
pub async fn diff(call: Call<(), Json<ConfigBody>>) -> Result<Told<Differences>, Problem> {
    let (hands, now_ms) = (Hands::of(&call), call.now_ms());
    let Json(body) = call.body;
    let offers = body.offers()?;
    let admin = std::sync::Arc::clone(&hands.admin);
    let planned = admin.store.read(move |conn| {
        let fresh_id = || hands.fresh_id();
        let planner = Planner { sealer: hands.sealer(), fresh_id: &fresh_id, now_ms };
        match planner.plan(conn, offers) {
            Ok(plan) => Ok(Ok(plan.differences)),
            Err(Halt::Problem(problem)) => Ok(Err(problem)),
            Err(Halt::Store(error)) => Err::<_, StoreError>(error),
        }
    });
    Ok(Told(planned.await.map_err(Problem::from)??))
}

/// Carries it out; doing so twice changes nothing the second time.
pub async fn apply(mut call: Call<(), Json<ConfigBody>>) -> Result<Recorded<Told<Differences>>, Problem> {
    let (hands, now_ms) = (Hands::of(&call), call.now_ms());
    let offers = std::mem::take(&mut call.body.0).offers()?;
    call.change("config.apply", move |conn| {
        let fresh_id = || hands.fresh_id();
        let planner = Planner { sealer: hands.sealer(), fresh_id: &fresh_id, now_ms };
        let plan = planner.plan(conn, offers)?;
        let after = plan.carry_out(conn, now_ms)?;
        let answer = Told(plan.differences);
        Ok(Change::of("config", "providers", None, answer).from(&plan.before).to(&after))
    })
    .await
}
