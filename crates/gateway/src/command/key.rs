//! `nexus key`: makes, lists and revokes keys, beside a running server or without one.
//!
//! A key is printed once, when it is made; what is stored cannot be turned back into it.

use nexus_config::{environment::Absence, load::Flags};
use nexus_core::{
    flow::Bounds,
    id::{KeyId, TeamId, Uuid},
    principal::Level,
    scope::Scope,
    snapshot::ShieldMode,
};
use nexus_engine::{identity, port::Clock as _};
use nexus_keystore::token::{self, Grant, MAX_LIFETIME_S};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        audit::{self, Entry, Target},
        key::{self, Revoked},
        team::{self, Team},
    },
};
use serde_json::json;

use crate::{
    boot,
    cli::{self, Key, KeyCreate, Output, Place},
    clock::SystemClock,
    deed,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

/// The team of application keys that name none.
const DEFAULT_TEAM: &str = "default";

const DAY_S: u64 = 86_400;

pub fn run(command: Key, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = boot::store(&settings)?;
    match command {
        Key::Create(wish) => create(&store, &wish),
        Key::List { output } => list(&store, output.unwrap_or_else(terminal::usual_output)),
        Key::Revoke { id } => revoke(&store, &id),
    }
}

fn create(store: &Store, wish: &KeyCreate) -> Result<(), StartError> {
    let keys = boot::keys(Absence::Refused)?;
    boot::check_root(store, &keys.vault)?;
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let now_ms = clock.unix_ms();
    let id = identity::mint(&clock, &dice);
    let (level, word) = match wish.level {
        cli::Level::Admin => (Level::Admin, token::Level::Admin),
        cli::Level::App => (Level::App, token::Level::App),
    };
    let team_name = wish.team.as_deref().or((level == Level::App).then_some(DEFAULT_TEAM));
    let new_team = TeamId(identity::mint(&clock, &dice));
    let lifetime_s = wish.expires_in_days.map_or(MAX_LIFETIME_S, |days| days.saturating_mul(DAY_S));
    let now_s = u64::try_from(now_ms.div_euclid(1000)).unwrap_or_default();
    let expires_at_s = wish.expires_in_days.map(|_| now_s.saturating_add(lifetime_s));
    let (row, token) = store.write_blocking(|conn| {
        let team = team_name.map(|name| team_of(conn, name, new_team, now_ms)).transpose()?;
        let team_id = team.as_ref().map(|team| team.id.0);
        // what bounds the team bounds the key, and must be known before the key is good
        let is_bound = team.as_ref().is_some_and(|team| !team.scope.is_open());
        let grant =
            Grant { key: id, level: word, team: team_id, parent: None, rights: None, is_bound, lifetime_s };
        let token = match keys.proofs.tokens.mint(&grant, now_s) {
            Ok(token) => token,
            // nothing is written yet
            Err(error) => return Ok(Err(error)),
        };
        let last_four = token.expose().get(token.expose().len().saturating_sub(4)..).unwrap_or_default();
        let row = key::Key {
            team: team.as_ref().map(|team| team.id),
            name: wish.name.clone(),
            token_last_four: last_four.to_owned(),
            is_bound,
            expires_at_ms: expires_at_s.and_then(|at| i64::try_from(at.saturating_mul(1000)).ok()),
            created_by: "cli".to_owned(),
            ..key::Key::plain(KeyId(id), level, now_ms)
        };
        if let Some(team) = team.filter(|team| team.id == new_team) {
            team::create(conn, &team)?;
            record_team(conn, &team, now_ms)?;
        }
        key::create(conn, &row)?;
        let entry = Entry { after: Some(told(&row)), ..about(&row, "key.create") };
        audit::append(conn, &entry, now_ms)?;
        Ok(Ok((row, token)))
    })??;
    show(wish, &row, team_name, expires_at_s, token.expose());
    Ok(())
}

/// The team of this name, or the one to be made where it is missing.
fn team_of(conn: &mut AnyConnection, name: &str, new: TeamId, now_ms: i64) -> Result<Team, StoreError> {
    Ok(team::find_by_name(conn, name)?.unwrap_or_else(|| Team {
        id: new,
        name: name.to_owned(),
        is_active: true,
        scope: Scope::default(),
        shield: ShieldMode::default(),
        bounds: Bounds::default(),
        content_ttl_seconds: None,
        throttle: None,
        raw_relay: false,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    }))
}

fn record_team(conn: &mut AnyConnection, team: &Team, now_ms: i64) -> Result<(), StoreError> {
    let entry = Entry {
        team: Some(team.id),
        target: Some(Target { kind: "team", id: Some(team.id.to_string()) }),
        after: Some(json!({ "name": team.name }).to_string()),
        ..deed::of_console("team.create")
    };
    audit::append(conn, &entry, now_ms)?;
    Ok(())
}

/// An entry of the trail about a key.
fn about(key: &key::Key, action: &'static str) -> Entry {
    let target = Target { kind: "key", id: Some(key.id.to_string()) };
    Entry { team: key.team, target: Some(target), ..deed::of_console(action) }
}

/// The key as the trail tells of it.
fn told(key: &key::Key) -> String {
    json!({
        "level": key.level.as_str(),
        "name": key.name,
        "last_four": key.token_last_four,
        "expires_at": key.expires_at_ms.map(|ms| ms.div_euclid(1000)),
        "revoked_at": key.revoked_at_ms.map(|ms| ms.div_euclid(1000)),
    })
    .to_string()
}

fn show(wish: &KeyCreate, row: &key::Key, team: Option<&str>, expires_at_s: Option<u64>, token: &str) {
    match wish.output.unwrap_or_else(terminal::usual_output) {
        Output::Json => say(&json!({
            "id": row.id.to_string(),
            "key": token,
            "level": row.level.as_str(),
            "team": team,
            "expires_at": expires_at_s,
        })
        .to_string()),
        Output::Text => {
            say(&format!("id     {}", row.id));
            say(&format!("level  {}", row.level.as_str()));
            say(&format!("team   {}", team.unwrap_or("-")));
            say(&format!("key    {token}"));
            say("\nKeep the key now: it is not shown again.");
        }
    }
}

fn list(store: &Store, output: Output) -> Result<(), StartError> {
    let now_ms = SystemClock::new().unix_ms();
    let (keys, teams) = store.read_blocking(|conn| {
        let keys = key::list(conn)?.into_iter();
        let keys = keys.map(|key| key::state(conn, &key, now_ms).map(|state| (key, state)));
        Ok((keys.collect::<Result<Vec<_>, _>>()?, team::list(conn)?))
    })?;
    let team_of = |key: &key::Key| {
        teams.iter().find(|team| Some(team.id) == key.team).map_or("-", |team| team.name.as_str())
    };
    for (key, state) in &keys {
        let state = state.as_str();
        match output {
            Output::Json => say(&json!({
                "id": key.id.to_string(),
                "level": key.level.as_str(),
                "team": key.team.map(|_| team_of(key)),
                "name": key.name,
                "last_four": key.token_last_four,
                "expires_at": key.expires_at_ms.map(|ms| ms.div_euclid(1000)),
                "state": state,
            })
            .to_string()),
            Output::Text => say(&format!(
                "{}  {:<5}  {:<16}  ..{}  {:<7}  {}",
                key.id,
                key.level.as_str(),
                team_of(key),
                key.token_last_four,
                state,
                key.name
            )),
        }
    }
    Ok(())
}

fn revoke(store: &Store, id: &str) -> Result<(), StartError> {
    let key = id.parse::<Uuid>().map(KeyId).map_err(|_| StartError::NoKey(id.to_owned()))?;
    let now_ms = SystemClock::new().unix_ms();
    let revoked = store.write_blocking(|conn| {
        let before = key::show(conn, key, None).ok().flatten();
        let revoked = key::revoke(conn, key, None, now_ms)?;
        if revoked == Revoked::Now {
            audit::append(conn, &revocation(key, before), now_ms)?;
        }
        Ok(revoked)
    })?;
    match revoked {
        Revoked::Now => say(&format!("revoked {id}")),
        Revoked::Before => say(&format!("{id} was revoked before")),
        Revoked::Unknown => return Err(StartError::NoKey(id.to_owned())),
    }
    Ok(())
}

/// A key whose row is damaged is revoked all the same; of it only the id is told.
fn revocation(id: KeyId, before: Option<key::Key>) -> Entry {
    let action = "key.revoke";
    match before {
        Some(before) => Entry { before: Some(told(&before)), ..about(&before, action) },
        None => {
            let target = Some(Target { kind: "key", id: Some(id.to_string()) });
            Entry { target, ..deed::of_console(action) }
        }
    }
}
