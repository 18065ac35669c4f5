//! Teams: the tenants everything belongs to.

mod throttle;

use nexus_core::{
    flow::Bounds,
    id::{TeamId, Uuid},
};
use nexus_store::repo::{
    BoundsChange, Changed, Removed,
    team::{self, Team},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::throttle::ThrottleBody;
use super::{
    answer::{Created, Gone, Recorded, Shown},
    body::{Json, present},
    call::{Call, found},
    change::Change,
    check::{Check, NameText},
    problem::{Kind, Problem},
    providers::check_limits,
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
    scope::ScopeBody,
    words::ShieldWord,
};

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamBody {
    pub id: Uuid,
    #[schema(value_type = NameText)]
    pub name: String,
    /// Whether its keys are accepted.
    pub is_active: bool,
    /// What all of its keys may reach at most.
    pub scope: ScopeBody,
    pub shield: ShieldWord,
    /// Requests a minute of all its keys together.
    pub rate_limit: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// How long what its requests and their answers say is kept, in seconds; null: not at all.
    pub content_ttl_seconds: Option<u32>,
    /// What its keys are held to of which something looks wrong; null: nothing is done.
    pub throttle: Option<ThrottleBody>,
    /// Whether its keys may ask providers for what stands at paths of their own, under `/providers/{name}/`.
    pub raw_relay: bool,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl TeamBody {
    pub fn new(team: &Team) -> Self {
        Self {
            id: team.id.0,
            name: team.name.clone(),
            is_active: team.is_active,
            scope: ScopeBody::from(&team.scope),
            shield: team.shield.into(),
            rate_limit: team.bounds.requests,
            token_limit: team.bounds.tokens,
            max_concurrent: team.bounds.concurrent,
            content_ttl_seconds: team.content_ttl_seconds,
            throttle: team.throttle.as_ref().map(ThrottleBody::new),
            raw_relay: team.raw_relay,
            version: team.version,
            created_at: team.created_at_ms.div_euclid(1000),
            updated_at: team.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A team to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    #[schema(value_type = NameText)]
    name: String,
    #[serde(default = "yes")]
    #[schema(default = true)]
    is_active: bool,
    #[serde(default)]
    scope: ScopeBody,
    #[serde(default = "flag")]
    #[schema(default = "flag")]
    shield: ShieldWord,
    /// Requests a minute of all its keys together.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    token_limit: Option<u32>,
    /// Requests at once.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    max_concurrent: Option<u32>,
    /// How long what its requests and their answers say is kept, in seconds; null: not at all.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_536_000)]
    content_ttl_seconds: Option<u32>,
    /// What its keys are held to of which something looks wrong; null: nothing is done.
    #[serde(default)]
    throttle: Option<ThrottleBody>,
    /// Whether its keys may ask providers for what stands at paths of their own, under `/providers/{name}/`.
    #[serde(default)]
    raw_relay: bool,
}

fn yes() -> bool {
    true
}

fn flag() -> ShieldWord {
    ShieldWord::Flag
}

/// What is to be another in a team; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = NameText, required = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ScopeBody, required = false)]
    scope: Option<ScopeBody>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ShieldWord, required = false)]
    shield: Option<ShieldWord>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    rate_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    token_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    max_concurrent: Option<Option<u32>>,
    /// `null` keeps nothing from now on and erases what is kept.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 60, maximum = 31_536_000)]
    content_ttl_seconds: Option<Option<u32>>,
    /// `null` does nothing from now on; what keys are held to already stays until its time is over or it is lifted.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ThrottleBody>, required = false)]
    throttle: Option<Option<ThrottleBody>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    raw_relay: Option<bool>,
}

/// Content is kept for a minute at least and a year at most.
pub fn check_ttl(check: &mut Check, at: &str, seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        check.within(at, seconds.into(), 60, 31_536_000);
    }
}

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<TeamBody>, Problem> {
    let (own, page) = (call.caller.reach.team(), call.query.page());
    let teams = call.read(move |conn| team::page(conn, own, &page)).await?;
    let key = |team: &Team| (team.created_at_ms, team.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, teams, key, TeamBody::new))
}

pub async fn show(call: Call) -> Result<Shown<TeamBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    let team = found(call.read(move |conn| team::show(conn, id, own)).await?)?;
    Ok(shown(&team))
}

fn shown(team: &Team) -> Shown<TeamBody> {
    Shown { body: TeamBody::new(team), version: team.version }
}

pub async fn create(call: Call<(), Json<NewTeam>>) -> Result<Recorded<Created<TeamBody>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check.name("/name", &wish.name);
    let scope = check.scope("/scope", &wish.scope);
    check_limits(&mut check, "", [wish.rate_limit, wish.token_limit, wish.max_concurrent]);
    check_ttl(&mut check, "/content_ttl_seconds", wish.content_ttl_seconds);
    let throttle = wish.throttle.as_ref().map(|wish| wish.checked(&mut check, "/throttle"));
    check.finish()?;
    let now_ms = call.now_ms();
    let team = Team {
        id: call.fresh_id(),
        name: wish.name.clone(),
        is_active: wish.is_active,
        scope,
        shield: wish.shield.into(),
        bounds: Bounds {
            requests: wish.rate_limit,
            tokens: wish.token_limit,
            concurrent: wish.max_concurrent,
        },
        content_ttl_seconds: wish.content_ttl_seconds,
        throttle,
        raw_relay: wish.raw_relay,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    call.change("team.create", move |conn| {
        team::create(conn, &team)?;
        let location = format!("{PREFIX}/teams/{}", team.id);
        let answer = Created { body: TeamBody::new(&team), version: team.version, location };
        Ok(Change::of("team", team.id, Some(team.id), answer).to(&TeamBody::new(&team)))
    })
    .await
}

pub async fn update(call: Call<(), Json<TeamPatch>>) -> Result<Recorded<Shown<TeamBody>>, Problem> {
    let (id, version): (TeamId, _) = (call.id("id")?, call.expected_version()?);
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check.name("/name", name);
    }
    let change = team::Change {
        name: patch.name.clone(),
        is_active: patch.is_active,
        scope: patch.scope.as_ref().map(|scope| check.scope("/scope", scope)),
        shield: patch.shield.map(Into::into),
        bounds: BoundsChange {
            requests: patch.rate_limit,
            tokens: patch.token_limit,
            concurrent: patch.max_concurrent,
        },
        content_ttl_seconds: patch.content_ttl_seconds,
        throttle: patch
            .throttle
            .as_ref()
            .map(|wish| wish.as_ref().map(|wish| wish.checked(&mut check, "/throttle"))),
        raw_relay: patch.raw_relay,
    };
    let limits = [patch.rate_limit, patch.token_limit, patch.max_concurrent].map(Option::flatten);
    check_limits(&mut check, "", limits);
    check_ttl(&mut check, "/content_ttl_seconds", patch.content_ttl_seconds.flatten());
    check.finish()?;
    let now_ms = call.now_ms();
    call.change("team.update", move |conn| {
        let before = found(team::show(conn, id, None)?)?;
        match team::update(conn, id, &change, version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(team) => {
                let change = Change::of("team", id, Some(id), shown(&team));
                Ok(change.from(&TeamBody::new(&before)).to(&TeamBody::new(&team)))
            }
        }
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: TeamId = call.id("id")?;
    call.change("team.delete", move |conn| {
        let before = found(team::show(conn, id, None)?)?;
        if team::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("team", id, Some(id), Gone).from(&TeamBody::new(&before)))
    })
    .await
}
