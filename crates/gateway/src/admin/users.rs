//! Users: people who sign in at the console.
//!
//! Nobody makes, changes or deletes somebody they could not appoint, the platform keeps an administrator, and
//! whoever gets another password or is switched off is signed out everywhere.

mod object;

use nexus_core::{
    id::{TeamId, UserId},
    role::{Actor, Role},
};
use nexus_store::{
    AnyConnection,
    repo::{
        Changed, Page, Removed, team,
        user::{self, PasswordHash, User},
        user_session,
    },
};

pub use self::object::{EmailText, Password, PasswordText, UserBody, check_email};
use self::object::{NewUser, UserPatch, check_password};
use super::{
    answer::{Created, Gone, Recorded, Shown},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    check::Check,
    problem::{Kind, Problem},
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
};

/// Oldest first.
pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<UserBody>, Problem> {
    let (own, page) = (call.caller.reach.team(), call.query.page());
    let users = call.read(move |conn| user::page(conn, own, &page)).await?;
    let key = |user: &User| (user.created_at_ms, user.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, users, key, UserBody::new))
}

pub async fn show(call: Call) -> Result<Shown<UserBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    let user = found(call.read(move |conn| user::show(conn, id, own)).await?)?;
    Ok(shown(&user))
}

fn shown(user: &User) -> Shown<UserBody> {
    Shown { body: UserBody::new(user), version: user.version }
}

pub async fn create(call: Call<(), Json<NewUser>>) -> Result<Recorded<Created<UserBody>>, Problem> {
    let Json(wish) = &call.body;
    let mut check = Check::default();
    check_email(&mut check, "/email", &wish.email);
    check.name("/name", &wish.name);
    check_password(&mut check, wish.password.as_ref());
    check.finish()?;
    let (actor, now_ms) = (call.caller.actor, call.now_ms());
    let user = User {
        id: call.fresh_id(),
        email: wish.email.to_lowercase(),
        name: wish.name.clone(),
        password: hashed(&call, wish.password.as_ref()).await?,
        identity: None,
        role: wish.role.into(),
        team: wish.team_id.map(TeamId).or(call.caller.reach.team()),
        is_active: true,
        last_login_at_ms: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    call.change("user.create", move |conn| {
        check_appointment(conn, &actor, user.role, user.team)?;
        user::create(conn, &user)?;
        let location = format!("{PREFIX}/users/{}", user.id);
        let answer = Created { body: UserBody::new(&user), version: user.version, location };
        Ok(Change::of("user", user.id, user.team, answer).to(&UserBody::new(&user)))
    })
    .await
}

async fn hashed<Q, B>(
    call: &Call<Q, B>,
    password: Option<&Password>,
) -> Result<Option<PasswordHash>, Problem> {
    match password {
        Some(password) => Ok(Some(call.admin().sign_in.hash(password).await?)),
        None => Ok(None),
    }
}

/// Refuses what the actor may not make of anybody, and a team that is not there.
fn check_appointment(
    conn: &mut AnyConnection,
    actor: &Actor,
    role: Role,
    team: Option<TeamId>,
) -> Result<(), Halt> {
    actor.may_appoint(role, team).map_err(|beyond| Problem::new(Kind::Forbidden, beyond.to_string()))?;
    let Some(team) = team else { return Ok(()) };
    let known = team::show(conn, team, None)?;
    known.map(drop).ok_or_else(|| Problem::at("/team_id", "there is no such team").into())
}

pub async fn update(call: Call<(), Json<UserPatch>>) -> Result<Recorded<Shown<UserBody>>, Problem> {
    let (id, version): (UserId, _) = (call.id("id")?, call.expected_version()?);
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check.name("/name", name);
    }
    check_password(&mut check, patch.password.as_ref().and_then(Option::as_ref));
    check.finish()?;
    let password = match &patch.password {
        Some(password) => Some(hashed(&call, password.as_ref()).await?),
        None => None,
    };
    let change = user::Change {
        name: patch.name.clone(),
        password,
        role: patch.role.map(Into::into),
        team: patch.team_id.map(|team| team.map(TeamId)),
        is_active: patch.is_active,
        ..user::Change::default()
    };
    let (actor, own, now_ms) = (call.caller.actor, call.caller.reach.team(), call.now_ms());
    call.change("user.update", move |conn| {
        let before = within_rank(conn, id, own, &actor)?;
        let (role, team) = (change.role.unwrap_or(before.role), change.team.unwrap_or(before.team));
        check_appointment(conn, &actor, role, team)?;
        let user = match user::update(conn, id, own, &change, version, now_ms)? {
            Changed::Unknown => return Err(Kind::NotFound.into()),
            Changed::Stale => return Err(Kind::Stale.into()),
            Changed::Now(user) => user,
        };
        if is_in_charge(&before) && !is_in_charge(&user) {
            check_others_in_charge(conn, id)?;
        }
        if change.password.is_some() || !user.is_active {
            user_session::revoke_all(conn, id, None, now_ms)?;
        }
        let change = Change::of("user", id, user.team, shown(&user));
        Ok(change.from(&UserBody::new(&before)).to(&UserBody::new(&user)))
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let id: UserId = call.id("id")?;
    let (actor, own) = (call.caller.actor, call.caller.reach.team());
    call.change("user.delete", move |conn| {
        let before = within_rank(conn, id, own, &actor)?;
        if is_in_charge(&before) {
            check_others_in_charge(conn, id)?;
        }
        if user::delete(conn, id, own)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("user", id, before.team, Gone).from(&UserBody::new(&before)))
    })
    .await
}

/// Somebody the actor may change: nobody of a higher rank.
fn within_rank(
    conn: &mut AnyConnection,
    id: UserId,
    own: Option<TeamId>,
    actor: &Actor,
) -> Result<User, Halt> {
    let user = found(user::show(conn, id, own)?)?;
    if user.role > actor.role {
        let why = "the user's role is higher than your own; ask somebody whose is not lower";
        return Err(Problem::new(Kind::Forbidden, why).into());
    }
    Ok(user)
}

/// Refuses what left nobody in charge, where something was done to this user.
pub fn check_still_in_charge(conn: &mut AnyConnection, id: UserId) -> Result<(), Halt> {
    match user::show(conn, id, None)? {
        Some(user) if is_in_charge(&user) => Ok(()),
        _ => check_others_in_charge(conn, id),
    }
}

fn is_in_charge(user: &User) -> bool {
    user.is_active && user.role == Role::PlatformAdmin && user.team.is_none()
}

/// Refuses to go on without `id` where nobody else is in charge. Such people are among the first that were
/// made, so the walk is short.
fn check_others_in_charge(conn: &mut AnyConnection, id: UserId) -> Result<(), Halt> {
    let mut page = Page { after: None, limit: 100 };
    loop {
        let users = user::page(conn, None, &page)?;
        if users.iter().any(|user| user.id != id && is_in_charge(user)) {
            return Ok(());
        }
        let Some(last) = users.last() else {
            let why = "this is the last active `platform_admin`; appoint another one first";
            return Err(Problem::new(Kind::Conflict, why).into());
        };
        page.after = Some((last.created_at_ms, last.id.to_string()));
    }
}
