//! `nexus user`: makes people who sign in at the console, the first of them too, beside a running server or
//! without one.
//!
//! Whoever holds the database may make anybody; the trail says that it was the command line.

use std::io::{BufRead as _, Read as _, stdin};

use nexus_config::load::Flags;
use nexus_core::{id::UserId, role::Role};
use nexus_engine::{identity, port::Clock as _};
use nexus_keystore::{
    password::{self, MAX_CHARS},
    secret::Secret,
};
use nexus_store::{
    Store,
    repo::{
        audit::{self, Entry, Target},
        team,
        user::{self, PasswordHash},
    },
};

use crate::{
    admin::check::Check,
    admin::users::{UserBody, check_email},
    boot,
    cli::{Output, Place, User, UserCreate, UserRole},
    clock::SystemClock,
    deed,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: User, place: &Place) -> Result<(), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = boot::store(&settings)?;
    match command {
        User::Create(wish) => create(&store, &wish),
    }
}

fn create(store: &Store, wish: &UserCreate) -> Result<(), StartError> {
    let name = wish.name.as_ref().unwrap_or(&wish.email);
    let mut check = Check::default();
    check_email(&mut check, "`--email`", &wish.email);
    check.name("`--name`", name);
    check.finish().map_err(|problem| StartError::BadUser(problem.said()))?;
    let password = if wish.password_stdin { Some(read_password()?) } else { None };
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let now_ms = clock.unix_ms();
    let role = role(wish.role);
    let user = user::User {
        id: UserId(identity::mint(&clock, &dice)),
        email: wish.email.to_lowercase(),
        name: name.clone(),
        password,
        identity: None,
        role,
        team: None,
        is_active: true,
        last_login_at_ms: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    let team = match &wish.team {
        Some(name) => {
            let team = store.read_blocking(|conn| team::find_by_name(conn, name))?;
            let missing = || StartError::BadUser(format!("there is no team `{name}`"));
            Some(team.ok_or_else(missing)?.id)
        }
        None => None,
    };
    if !role.may_be_held(team) {
        let why = "`platform_admin` takes no `--team`, and `team_admin` needs one";
        return Err(StartError::BadUser(why.to_owned()));
    }
    let user = user::User { team, ..user };
    let body = serde_json::to_string(&UserBody::new(&user)).unwrap_or_default();
    store.write_blocking(|conn| {
        user::create(conn, &user)?;
        let target = Target { kind: "user", id: Some(user.id.to_string()) };
        let (after, target) = (Some(body.clone()), Some(target));
        let entry = Entry { team, target, after, ..deed::of_console("user.create") };
        audit::append(conn, &entry, now_ms)
    })?;
    match wish.output.unwrap_or_else(terminal::usual_output) {
        Output::Json => say(&body),
        Output::Text => {
            say(&format!("id     {}", user.id));
            say(&format!("email  {}", user.email));
            say(&format!("role   {}", role.as_str()));
        }
    }
    Ok(())
}

fn role(word: UserRole) -> Role {
    match word {
        UserRole::Viewer => Role::Viewer,
        UserRole::Auditor => Role::Auditor,
        UserRole::TeamAdmin => Role::TeamAdmin,
        UserRole::PlatformAdmin => Role::PlatformAdmin,
    }
}

/// The first line, hashed. No more is read than a password can have.
fn read_password() -> Result<PasswordHash, StartError> {
    let most = u64::try_from(MAX_CHARS.saturating_mul(4).saturating_add(2)).unwrap_or(u64::MAX);
    let mut line = String::new();
    stdin().lock().take(most).read_line(&mut line).map_err(StartError::NoPassword)?;
    let password = Secret::new(line.trim_end_matches(['\r', '\n']).to_owned());
    let hash = password::hash(&password).map_err(|why| StartError::BadUser(why.to_string()))?;
    Ok(PasswordHash(hash))
}
