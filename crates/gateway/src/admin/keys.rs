//! Keys of the levels `admin` and `app`. Session keys lie under [`super::session_keys`].
//!
//! A secret is answered once, when it is made; nothing here can show it again.

mod minting;
mod object;
mod rights;

use std::sync::Arc;

use nexus_core::{
    flow::Bounds,
    id::{KeyId, TeamId},
    principal::Level,
    snapshot::Signing,
};
use nexus_store::{
    AnyConnection, StoreError,
    repo::{
        BoundsChange, Changed,
        key::{self, Key, Rotated, State},
        team,
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

pub use self::{
    minting::last_four,
    object::{FormWord, KeyBody},
    rights::check_within,
};
use self::{
    minting::{Mint, Minted, Recipe},
    object::{KeyPatch, MintedKey, NewKey, Rotation, SigningSecret},
    rights::Wish,
};
use super::{
    answer::{Created, Gone, Recorded, Shown, Told},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    gate::Caller,
    problem::{Kind, Problem},
    providers::check_limits,
    query::{Listing, Walk},
    route::PREFIX,
    trail,
    words::{LevelWord, StateWord},
};

/// Why a key has no limits.
const UNLIMITED: &str =
    "and the other limits are for application keys; a session key takes from its parent's";

/// Seconds in the longest time an old key is good beside the new one.
const OVERLAP_S_MAX: i64 = 30 * 86_400;

/// Seconds in the shortest and in the longest life of a key.
const LIFETIME_S: (i64, i64) = (60, 3653 * 86_400);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct KeyFilter {
    /// Keys of this team only.
    #[param(nullable = false)]
    team_id: Option<Uuid>,
    #[param(nullable = false, inline)]
    level: Option<LevelWord>,
    /// Session keys made from this key only.
    #[param(nullable = false)]
    parent_id: Option<Uuid>,
    #[param(nullable = false, inline)]
    state: Option<StateWord>,
}

/// Oldest first.
pub async fn list(call: Call<Walk<KeyFilter>>) -> Result<Listing<KeyBody>, Problem> {
    let KeyFilter { team_id, level, parent_id, state } = call.query.filter;
    let filter = key::Filter {
        team: team_id.map(TeamId),
        level: level.map(Into::into),
        parent: parent_id.map(KeyId),
        state: state.map(Into::into),
    };
    page(&call, filter).await
}

/// The page of a list of keys. Of another team there is nothing to see.
pub async fn page<T>(call: &Call<Walk<T>>, filter: key::Filter) -> Result<Listing<KeyBody>, Problem> {
    let (own, now_ms) = (call.caller.reach.team(), call.now_ms());
    let rows = if filter.team.is_some() && !call.caller.reach.covers(filter.team) {
        Vec::new()
    } else {
        let (filter, page) = (key::Filter { team: own.or(filter.team), ..filter }, call.query.page());
        call.read(move |conn| key::page(conn, &filter, &page, now_ms)).await?
    };
    let place = |(key, _): &(Key, State)| (key.created_at_ms, key.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, place, |(key, state)| {
        KeyBody::new(key, *state, now_ms)
    }))
}

pub async fn show(call: Call) -> Result<Shown<KeyBody>, Problem> {
    let (id, own, now_ms) = (call.id("id")?, call.caller.reach.team(), call.now_ms());
    let key = call.read(move |conn| read(conn, id, own, now_ms)).await?;
    let (key, body) = found(key)?;
    Ok(Shown { body, version: key.version })
}

/// The key of this id, with how it is shown.
pub fn read(
    conn: &mut AnyConnection,
    id: KeyId,
    own: Option<TeamId>,
    now_ms: i64,
) -> Result<Option<(Key, KeyBody)>, StoreError> {
    let Some(key) = key::show(conn, id, own)? else { return Ok(None) };
    let body = body_of(conn, &key, now_ms)?;
    Ok(Some((key, body)))
}

fn body_of(conn: &mut AnyConnection, key: &Key, now_ms: i64) -> Result<KeyBody, StoreError> {
    Ok(KeyBody::new(key, key::state(conn, key, now_ms)?, now_ms))
}

pub async fn create(call: Call<(), Json<NewKey>>) -> Result<Recorded<Created<MintedKey>>, Problem> {
    let (now_ms, id, caller) = (call.now_ms(), call.fresh_id(), call.caller.clone());
    let recipe = recipe(&call, now_ms)?;
    let mint = mint(&call);
    call.change("key.create", move |conn| {
        let recipe = recipe.granted(&caller)?;
        if let Some(team) = recipe.team {
            let team = team::show(conn, team, None)?;
            let team = team.ok_or_else(|| Problem::at("/team_id", "there is no such team"))?;
            rights::check_within("/scope", &recipe.scope, &team.scope)?;
        }
        let recipe = Recipe { created_by: trail::known_by(conn, caller.actor.id)?, ..recipe };
        let minted = mint.strike(id, recipe, now_ms)?;
        key::create(conn, &minted.row)?;
        answered(conn, minted, now_ms)
    })
    .await
}

/// What the request asks for.
fn recipe(call: &Call<(), Json<NewKey>>, now_ms: i64) -> Result<Recipe, Problem> {
    let Json(wish) = &call.body;
    let level = Level::from(wish.level);
    let team = wish.team_id.map(TeamId).or(call.caller.reach.team());
    let mut check = Check::default();
    check.label("/name", &wish.name);
    if level == Level::App && team.is_none() {
        check.flaw("/team_id", "is missing; an application key belongs to a team");
    }
    let limits = [wish.rate_limit, wish.token_limit, wish.max_concurrent];
    check_limits(&mut check, "", limits);
    if level == Level::Admin && limits.iter().any(Option::is_some) {
        check.flaw("/rate_limit", UNLIMITED);
    }
    if level != Level::Admin && wish.role.is_some() {
        check.flaw("/role", "is for admin keys; leave it away");
    }
    let scope = check.scope("/scope", &wish.scope);
    let lifetime_s = lifetime(&mut check, wish, now_ms.div_euclid(1000));
    check.finish()?;
    Ok(Recipe {
        level,
        team,
        name: wish.name.clone(),
        role: wish.role.map(Into::into),
        scope,
        form: wish.form,
        signing: wish.signing.into(),
        bounds: Bounds {
            requests: wish.rate_limit,
            tokens: wish.token_limit,
            concurrent: wish.max_concurrent,
        },
        lifetime_s,
        created_by: String::new(),
    })
}

fn lifetime(check: &mut Check, wish: &NewKey, now_s: i64) -> Option<i64> {
    let (least, most) = LIFETIME_S;
    match (wish.expires_in_seconds, wish.expires_at) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            check.flaw("/expires_at", "is one too many beside `expires_in_seconds`; leave one away");
            None
        }
        (Some(lifetime_s), None) => {
            check.within("/expires_in_seconds", lifetime_s, least, most);
            Some(lifetime_s)
        }
        (None, Some(at_s)) => {
            check.within("/expires_at", at_s, now_s.saturating_add(least), now_s.saturating_add(most));
            Some(at_s.saturating_sub(now_s))
        }
    }
}

fn mint<Q, B>(call: &Call<Q, B>) -> Mint {
    Mint { shared: Arc::clone(&call.worker().engine.shared), admin: Arc::clone(&call.worker().admin) }
}

fn answered(
    conn: &mut AnyConnection,
    minted: Minted,
    now_ms: i64,
) -> Result<Change<Created<MintedKey>>, Halt> {
    let Minted { row, secret, signing_secret } = minted;
    let body = body_of(conn, &row, now_ms)?;
    let change_body = body.clone();
    let answer = Created {
        body: MintedKey::new(body, &secret, signing_secret.as_ref()),
        version: row.version,
        location: format!("{PREFIX}/keys/{}", row.id),
    };
    Ok(Change::of("key", row.id, row.team, answer).to(&change_body))
}

pub async fn update(call: Call<(), Json<KeyPatch>>) -> Result<Recorded<Shown<KeyBody>>, Problem> {
    let (id, version, now_ms) = (call.id("id")?, call.expected_version()?, call.now_ms());
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check.label("/name", name);
    }
    let mut change = changed(&mut check, patch);
    check.finish()?;
    let caller = call.caller.clone();
    call.change("key.update", move |conn| {
        let own = caller.reach.team();
        let (key, before) = found(read(conn, id, own, now_ms)?)?;
        if key.level != Level::Admin && change.role.flatten().is_some() {
            return Err(Problem::at("/role", "is for admin keys; leave it away").into());
        }
        if key.level != Level::App && change.bounds != BoundsChange::default() {
            return Err(Problem::at("/rate_limit", UNLIMITED).into());
        }
        let role = change.role.unwrap_or(key.role);
        let wish = Wish { level: key.level, team: key.team, role: key.role, scope: key.scope.clone() };
        wish.check_holder(&caller)?;
        let wish = Wish { role, ..wish };
        wish.check_holder(&caller)?;
        if let Some(scope) = change.scope.take() {
            let scope = Wish { scope, ..wish }.granted(&caller)?;
            if let Some(team) = key.team.map(|team| team::show(conn, team, None)).transpose()?.flatten() {
                rights::check_within("/scope", &scope, &team.scope)?;
            }
            change.scope = Some(scope);
        }
        match key::update(conn, id, own, &change, version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(key) => {
                let body = body_of(conn, &key, now_ms)?;
                let change =
                    Change::of("key", id, key.team, Shown { body: body.clone(), version: key.version });
                Ok(change.from(&before).to(&body))
            }
        }
    })
    .await
}

/// What a patch asks for.
fn changed(check: &mut Check, patch: &KeyPatch) -> key::Change {
    let limits = [patch.rate_limit, patch.token_limit, patch.max_concurrent].map(Option::flatten);
    check_limits(check, "", limits);
    key::Change {
        name: patch.name.clone(),
        role: patch.role.map(|role| role.map(Into::into)),
        scope: patch.scope.as_ref().map(|scope| check.scope("/scope", scope)),
        signing: patch.signing.map(Into::into),
        is_disabled: patch.is_disabled,
        bounds: BoundsChange {
            requests: patch.rate_limit,
            tokens: patch.token_limit,
            concurrent: patch.max_concurrent,
        },
    }
}

pub async fn rotate(call: Call<(), Json<Rotation>>) -> Result<Recorded<Created<MintedKey>>, Problem> {
    let (id, fresh, now_ms): (KeyId, KeyId, _) = (call.id("id")?, call.fresh_id(), call.now_ms());
    let Json(Rotation { overlap_seconds }) = call.body;
    let mut check = Check::default();
    check.within("/overlap_seconds", overlap_seconds, 0, OVERLAP_S_MAX);
    check.finish()?;
    let (caller, mint) = (call.caller.clone(), mint(&call));
    call.change("key.rotate", move |conn| {
        let own = caller.reach.team();
        let (key, before) = found(read(conn, id, own, now_ms)?)?;
        if key.level == Level::Session || before.state != StateWord::Active {
            let why = "only an active key that is no session key can be replaced; make a new one";
            return Err(Problem::new(Kind::Conflict, why).into());
        }
        let recipe = Recipe { created_by: trail::known_by(conn, caller.actor.id)?, ..again(&key, &caller)? };
        let minted = mint.strike(fresh, recipe, now_ms)?;
        let retires_at_ms = now_ms.saturating_add(overlap_seconds.saturating_mul(1000));
        match key::rotate(conn, id, own, &minted.row, retires_at_ms, now_ms)? {
            Rotated::Now(_) => Ok(answered(conn, minted, now_ms)?.from(&before)),
            Rotated::Before => Err(Problem::new(Kind::Conflict, "the key was replaced before").into()),
            Rotated::Unknown => Err(Kind::NotFound.into()),
        }
    })
    .await
}

/// What makes a key like this one, as far as the caller may: it lives as long as the other was to live.
fn again(key: &Key, caller: &Caller) -> Result<Recipe, Problem> {
    let recipe = Recipe {
        level: key.level,
        team: key.team,
        name: key.name.clone(),
        role: key.role,
        scope: key.scope.clone(),
        form: key.form.into(),
        signing: key.signing,
        bounds: key.bounds,
        lifetime_s: key
            .expires_at_ms
            .map(|at_ms| at_ms.saturating_sub(key.created_at_ms).div_euclid(1000).max(1)),
        created_by: String::new(),
    };
    recipe.granted(caller)
}

/// Refuses the key from now on; it stays known.
pub async fn revoke(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: KeyId = call.id("id")?;
    let (caller, now_ms) = (call.caller.clone(), call.now_ms());
    call.change("key.revoke", move |conn| {
        let own = caller.reach.team();
        let (key, before) = found(read(conn, id, own, now_ms)?)?;
        Wish { level: key.level, team: key.team, role: key.role, scope: key.scope }.check_holder(&caller)?;
        key::revoke(conn, id, own, now_ms)?;
        let (_, after) = found(read(conn, id, own, now_ms)?)?;
        Ok(Change::of("key", id, key.team, Gone).from(&before).to(&after))
    })
    .await
}

pub async fn renew_signing_secret(call: Call) -> Result<Recorded<Told<SigningSecret>>, Problem> {
    let id: KeyId = call.id("id")?;
    let (caller, now_ms, mint) = (call.caller.clone(), call.now_ms(), mint(&call));
    call.change("key.renew_signing_secret", move |conn| {
        let own = caller.reach.team();
        let (key, before) = found(read(conn, id, own, now_ms)?)?;
        Wish { level: key.level, team: key.team, role: key.role, scope: key.scope }.check_holder(&caller)?;
        if key.signing == Signing::Off {
            let why = "requests of this key are not signed; change its `signing` first";
            return Err(Problem::new(Kind::Conflict, why).into());
        }
        let Changed::Now(key) = key::bump_signing_generation(conn, id, own, key.version, now_ms)? else {
            return Err(Kind::Stale.into());
        };
        let after = body_of(conn, &key, now_ms)?;
        let secret = mint.admin.secrets.signing.secret(id.0, key.signing_generation);
        let answer = Told(SigningSecret { signing_secret: secret.expose().to_owned() });
        Ok(Change::of("key", id, key.team, answer).from(&before).to(&after))
    })
    .await
}
