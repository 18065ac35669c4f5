//! `nexus team`: the tenants everything belongs to.

use nexus_core::{flow::Bounds, id::TeamId, scope::Scope, snapshot::ShieldMode};
use nexus_engine::{identity, port::Clock as _};
use nexus_store::{
    Store,
    repo::{
        Changed,
        team::{self, Team},
    },
};
use serde_json::json;

use super::change::{self, Deed};
use crate::{
    admin::{
        check::Check,
        problem::{Kind, Problem},
        teams::{TeamBody, check_ttl},
    },
    cli::{self, Output, Place, TeamContent, TeamCreate},
    clock::SystemClock,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: cli::Team, place: &Place) -> Result<(), StartError> {
    let store = change::store(place)?;
    match command {
        cli::Team::List { output } => {
            let output = output.unwrap_or_else(terminal::usual_output);
            for team in store.read_blocking(team::list)? {
                print(&team, output);
            }
            Ok(())
        }
        cli::Team::Create(wish) => create(&store, &wish),
        cli::Team::Content(wish) => content(&store, &wish),
    }
}

fn print(team: &Team, output: Output) {
    match output {
        Output::Json => say(&json!(TeamBody::new(team)).to_string()),
        Output::Text => {
            let state = if team.is_active { "active" } else { "inactive" };
            say(&format!("{}  {state:<8}  {}", team.id, team.name));
        }
    }
}

fn create(store: &Store, wish: &TeamCreate) -> Result<(), StartError> {
    let mut check = Check::default();
    check.name("--name", &wish.name);
    check.finish()?;
    let clock = SystemClock::new();
    let now_ms = clock.unix_ms();
    let team = Team {
        id: TeamId(identity::mint(&clock, &WorkerDice::new())),
        name: wish.name.clone(),
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
    };
    change::change(store, now_ms, |conn| {
        team::create(conn, &team)?;
        let deed = Deed::of("team.create", "team", team.id).to(&TeamBody::new(&team));
        Ok(((), Some(deed.of_team(team.id))))
    })?;
    print(&team, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}

/// How long what the team's requests say is kept.
fn content(store: &Store, wish: &TeamContent) -> Result<(), StartError> {
    let mut check = Check::default();
    check_ttl(&mut check, "--ttl-seconds", wish.ttl_seconds);
    check.finish()?;
    let now_ms = SystemClock::new().unix_ms();
    let change = team::Change { content_ttl_seconds: Some(wish.ttl_seconds), ..team::Change::default() };
    let team = change::change(store, now_ms, |conn| {
        let unknown = || Problem::new(Kind::NotFound, format!("there is no team `{}`", wish.name));
        let before = team::find_by_name(conn, &wish.name)?.ok_or_else(unknown)?;
        match team::update(conn, before.id, &change, before.version, now_ms)? {
            Changed::Now(after) => {
                let deed = Deed::of("team.update", "team", after.id).of_team(after.id);
                let deed = deed.from(&TeamBody::new(&before)).to(&TeamBody::new(&after));
                Ok((after, Some(deed)))
            }
            Changed::Stale | Changed::Unknown => Err(Kind::Stale.into()),
        }
    })?;
    print(&team, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}
