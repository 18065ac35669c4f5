//! Issues session keys to applications, for `POST /v1/session-keys`.

use std::sync::Arc;

use nexus_core::{
    flow::Bounds,
    id::KeyId,
    principal::{Level, Principal},
    role::ActorId,
    scope::Scope,
    snapshot::Signing,
};
use nexus_engine::shared::Shared;
use nexus_keystore::{
    secret::Secret,
    token::{self, CannotMint, Grant, Rights, SESSION_LIFETIME_S},
};
use nexus_store::{
    AnyConnection,
    repo::{
        key::{self, Form, Key, State},
        team,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{
        change::{self, Change, Halt},
        check::Check,
        keys::{self, KeyBody},
        problem::{Kind, Problem},
        scope::ScopeBody,
        settings,
        trail::{self, Who},
    },
    worker::Worker,
};

/// Seconds a session key lives where the request does not say.
const LIFETIME_USUAL_S: i64 = 3600;

/// The most requests a session key can be good for; without a number it is good for any.
const REQUESTS_MAX: i64 = 1_000_000_000;

/// The largest budget of a session key: a million dollars. Text and numbers keep it whole everywhere.
const BUDGET_MAX: i64 = 1_000_000_000_000_000;

/// How long a session key takes one of its parent's places at least, in milliseconds, however soon it ends.
const PLACE_LEAST_MS: i64 = 3_600_000;

/// A session key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSessionKey {
    #[serde(default)]
    expires_in_seconds: Option<i64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    models: Option<Vec<String>>,
    #[serde(default)]
    providers: Option<Vec<String>>,
    #[serde(default)]
    addresses: Option<Vec<String>>,
    /// In the key's whole life.
    #[serde(default)]
    max_requests: Option<u64>,
    /// What its requests may cost in the key's whole life; the budgets it falls under with its parent hold
    /// besides.
    #[serde(default)]
    budget_nano_usd: Option<u64>,
}

/// A session key, with its secret, which is shown this once.
#[derive(Serialize)]
pub struct SessionKey {
    object: &'static str,
    id: String,
    key: String,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds; never after the end of the key it was made from.
    expires_at: i64,
    parent_id: String,
    name: String,
    #[serde(flatten)]
    scope: ScopeBody,
    max_requests: Option<u64>,
    budget_nano_usd: Option<u64>,
}

/// What a session key is to be.
struct Wish {
    name: String,
    scope: Scope,
    lifetime_s: i64,
    max_requests: Option<u64>,
    budget_nano_usd: Option<u64>,
}

impl NewSessionKey {
    fn checked(self) -> Result<Wish, Problem> {
        let mut check = Check::default();
        let name = self.name.unwrap_or_default();
        check.label("/name", &name);
        let lifetime_s = self.expires_in_seconds.unwrap_or(LIFETIME_USUAL_S);
        let bound = |seconds: &u64| i64::try_from(*seconds).unwrap_or(i64::MAX);
        let (least, most) = (bound(SESSION_LIFETIME_S.start()), bound(SESSION_LIFETIME_S.end()));
        check.within("/expires_in_seconds", lifetime_s, least, most);
        if let Some(requests) = self.max_requests {
            check.within("/max_requests", i64::try_from(requests).unwrap_or(i64::MAX), 1, REQUESTS_MAX);
        }
        if let Some(budget) = self.budget_nano_usd {
            check.within("/budget_nano_usd", i64::try_from(budget).unwrap_or(i64::MAX), 1, BUDGET_MAX);
        }
        let lists = ScopeBody { models: self.models, providers: self.providers, addresses: self.addresses };
        let scope = check.scope("", &lists);
        check.finish()?;
        let (max_requests, budget_nano_usd) = (self.max_requests, self.budget_nano_usd);
        Ok(Wish { name, scope, lifetime_s, max_requests, budget_nano_usd })
    }
}

/// Makes a session key for an application that has proven its own.
pub async fn issue(
    worker: &Worker,
    parent: Principal,
    who: Who,
    asked: NewSessionKey,
) -> Result<SessionKey, Problem> {
    if parent.level != Level::App {
        return Err(Problem::new(Kind::Forbidden, "session keys are made with an application key"));
    }
    let wish = asked.checked()?;
    let (shared, now_ms) = (Arc::clone(&worker.engine.shared), worker.engine.shared.clock.unix_ms());
    let id = KeyId(nexus_engine::identity::mint(&*shared.clock, &*worker.engine.dice));
    change::alone(worker, who, "session_key.create", now_ms, move |conn| {
        let budget_nano_usd = wish.budget_nano_usd;
        let (row, secret) = strike(conn, &shared, id, &parent, wish, now_ms)?;
        key::create(conn, &row)?;
        let body = KeyBody::new(&row, State::Active, now_ms);
        let key = SessionKey { budget_nano_usd, ..shown(&row, &secret, &body) };
        Ok(Change::of("session_key", id, row.team, key).to(&body))
    })
    .await
}

/// The row and the token, if the parent still stands and lives long enough.
fn strike(
    conn: &mut AnyConnection,
    shared: &Shared,
    id: KeyId,
    parent: &Principal,
    wish: Wish,
    now_ms: i64,
) -> Result<(Key, Secret), Halt> {
    let maker = key::show(conn, parent.key, parent.team)?.ok_or(Kind::NotSignedIn)?;
    if key::state(conn, &maker, now_ms)? != State::Active {
        return Err(Kind::NotSignedIn.into());
    }
    make_room(conn, parent.key, now_ms)?;
    let team = parent.team.map(|team| team::show(conn, team, None)).transpose()?.flatten();
    for bound in [Some(&maker.scope), team.as_ref().map(|team| &team.scope)].into_iter().flatten() {
        keys::check_within("", &wish.scope, bound)?;
    }
    let now_s = now_ms.div_euclid(1000);
    let end_s =
        maker.expires_at_ms.into_iter().chain(maker.retires_at_ms).min().map(|ms| ms.div_euclid(1000));
    let left_s = end_s.map_or(i64::MAX, |end_s| end_s.saturating_sub(now_s));
    let lifetime_s = u64::try_from(wish.lifetime_s.min(left_s)).unwrap_or_default();
    let lists = ScopeBody::from(&wish.scope);
    let grant = Grant {
        key: id.0,
        level: token::Level::Session,
        team: parent.team.map(|team| team.0),
        parent: Some(parent.key.0),
        rights: Some(Rights {
            models: lists.models,
            providers: lists.providers,
            addresses: lists.addresses,
            max_requests: wish.max_requests,
            budget_nano_usd: wish.budget_nano_usd,
        }),
        is_bound: maker.is_bound,
        lifetime_s,
    };
    let secret = shared.keys.tokens.mint(&grant, u64::try_from(now_s).unwrap_or_default()).map_err(cannot)?;
    let expires_at_s = now_s.saturating_add(i64::try_from(lifetime_s).unwrap_or(i64::MAX));
    let row = Key {
        id,
        team: parent.team,
        level: Level::Session,
        is_bound: false,
        name: wish.name,
        token_last_four: keys::last_four(&secret),
        role: None,
        bounds: Bounds::default(),
        scope: wish.scope,
        parent: Some(parent.key),
        form: Form::Jwt,
        signing: Signing::Off,
        signing_generation: 0,
        is_disabled: false,
        retires_at_ms: None,
        replaced_by: None,
        max_requests: wish.max_requests,
        last_used_at_ms: None,
        created_by: trail::known_by(conn, ActorId::Key(parent.key))?,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        expires_at_ms: Some(expires_at_s.saturating_mul(1000)),
        revoked_at_ms: None,
        version: 1,
    };
    Ok((row, secret))
}

/// Refuses one more where the key has as many as it may.
fn make_room(conn: &mut AnyConnection, parent: KeyId, now_ms: i64) -> Result<(), Halt> {
    let most = settings::session_keys_per_key(conn)?;
    if key::places_taken(conn, parent, PLACE_LEAST_MS, now_ms)? < most {
        return Ok(());
    }
    let why = format!(
        "this key has {most} session keys, as many as it may; each counts until it ends and for an hour at least: \
         use one for longer, have some revoked, or let whoever runs the gateway raise `{}`",
        settings::SESSION_KEYS.name
    );
    Err(Problem::new(Kind::TooManyKeys, why).into())
}

fn cannot(error: CannotMint) -> Problem {
    match error {
        CannotMint::Lifetime => {
            Problem::new(Kind::Conflict, "the key ends too soon to make a session key from it")
        }
        CannotMint::Long => Problem::at("", error.to_string()),
        CannotMint::Descent | CannotMint::Unsigned => {
            tracing::error!(%error, "a session key could not be made");
            Kind::Internal.into()
        }
    }
}

fn shown(row: &Key, secret: &Secret, body: &KeyBody) -> SessionKey {
    SessionKey {
        object: "session_key",
        id: row.id.to_string(),
        key: secret.expose().to_owned(),
        created_at: body.created_at,
        expires_at: body.expires_at.unwrap_or_default(),
        parent_id: row.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        name: row.name.clone(),
        scope: body.scope.clone(),
        max_requests: row.max_requests,
        budget_nano_usd: None,
    }
}
