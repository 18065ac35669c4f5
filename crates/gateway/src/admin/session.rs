//! Sessions at the console: signing in with a password, who is signed in, signing out.
//!
//! A session is worth what its user is worth at that moment. An unknown e-mail, a wrong password and a user who
//! is switched off cost the same and are answered alike.

pub mod answer;
pub mod cookie;
mod door;

use std::net::IpAddr;

use actix_web::{HttpRequest, http::Method};
use nexus_core::{
    id::{RequestId, TeamId},
    role::{Actor, ActorId},
};
use nexus_engine::world::World;
use nexus_keystore::browser_session;
use nexus_store::repo::{
    audit::{self, Entry, Outcome, Target},
    user::{self, User},
    user_session::{self, UserSession},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::door::SignIn;
use self::{
    answer::{Entered, Left},
    cookie::Purpose,
};
use super::{
    answer::{Recorded, Told},
    body::Json,
    call::{Call, found},
    change::{self, Change},
    problem::{Kind, Problem},
    trail::Who,
    users::{EmailText, Password, PasswordText, UserBody},
    visit::Visit,
};
use crate::worker::Worker;

/// Milliseconds a session lives at most.
const LIFE_MS: i64 = 12 * 3_600_000;
/// Milliseconds a session lives unused. It is noted at most once a minute that one is in use.
const IDLE_MS: i64 = 3_600_000;

/// The header that proves that a change was asked for by the console itself.
const CSRF_TOKEN: &str = "x-csrf-token";

/// Characters of what was claimed to be an e-mail address that are looked at and written into the trail.
const CLAIMED_CHARS: usize = 254;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    #[schema(value_type = EmailText)]
    email: String,
    #[schema(value_type = PasswordText)]
    password: Password,
}

/// Somebody who is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    pub user: UserBody,
    /// To be sent as `x-csrf-token` with everything that is not a GET.
    pub csrf_token: String,
    /// Unix seconds; an hour without a request ends the session earlier.
    pub expires_at: i64,
}

/// `POST /admin/v1/session`
pub async fn sign_in(visit: Visit<(), Json<Credentials>>) -> Result<Entered<SessionBody>, Problem> {
    cookie::check_origin(&visit.request)?;
    let Json(shown) = &visit.body;
    let email: String = shown.email.to_lowercase().chars().take(CLAIMED_CHARS).collect();
    let door = &visit.admin().sign_in;
    let tries = door.tries(visit.worker(), visit.address, Some(&email));
    tries.check()?;
    let wanted = email.clone();
    let user = visit.admin().store.read(move |conn| user::find_by_email(conn, &wanted)).await?;
    let user = user.filter(|user| user.is_active);
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let is_right = door.verify(&tries, hash, &shown.password).await?;
    match user {
        Some(user) if is_right => enter(&visit, user, Proof::Password).await,
        _ => {
            tries.failed();
            let why = "the e-mail or the password is wrong";
            note_failure(visit.worker(), visit.address, visit.id, email, why.to_owned()).await?;
            Err(Problem::new(Kind::WrongCredentials, why))
        }
    }
}

/// What somebody has proven who they are with.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Password,
    Oidc,
}

/// What the trail tells of a sign-in.
#[derive(Serialize)]
struct Trace {
    proof: Proof,
}

/// Begins a session of its own for somebody who has proven who they are. One that the browser has is ended.
pub async fn enter<Q, B>(
    visit: &Visit<Q, B>,
    proven: User,
    proof: Proof,
) -> Result<Entered<SessionBody>, Problem> {
    let (token, digest) = browser_session::mint().map_err(|_| Kind::Internal)?;
    let csrf_token = csrf_token(token.expose());
    let now_ms = visit.now_ms();
    let session = UserSession {
        digest,
        user: proven.id,
        csrf_digest: browser_session::digest(&csrf_token),
        created_at_ms: now_ms,
        expires_at_ms: now_ms.saturating_add(LIFE_MS),
        last_seen_at_ms: now_ms,
        revoked_at_ms: None,
        address: visit.address.map(|address| address.to_string()),
        user_agent: visit.user_agent(),
    };
    let who =
        Who { id: ActorId::User(proven.id), team: proven.team, address: visit.address, request: visit.id };
    let earlier = cookie::read(&visit.request, Purpose::Session).map(browser_session::digest);
    let expires_at = session.expires_at_ms.div_euclid(1000);
    let user = change::alone(visit.worker(), who, "session.sign_in", now_ms, move |conn| {
        // what was proven must still hold: the password may be another by now
        let user = user::show(conn, proven.id, None)?;
        let user = user.filter(|user| user.is_active && user.password == proven.password);
        let user = user.ok_or(Kind::WrongCredentials)?;
        if let Some(earlier) = earlier {
            user_session::revoke(conn, &earlier, now_ms)?;
        }
        user_session::create(conn, &session)?;
        user::note_login(conn, user.id, now_ms)?;
        let user = User { last_login_at_ms: Some(now_ms), ..user };
        Ok(Change::of("user", user.id, user.team, user).to(&Trace { proof }))
    });
    let body = SessionBody { user: UserBody::new(&user.await?), csrf_token, expires_at };
    let lasts_s = LIFE_MS.div_euclid(1000);
    let cookies = vec![cookie::set(&visit.request, Purpose::Session, token.expose(), lasts_s)];
    Ok(Entered { body, cookies })
}

/// The token against forged requests follows from the one in the cookie, so that a console that was loaded
/// anew can be told it again; the other way leads nowhere.
fn csrf_token(token: &str) -> String {
    browser_session::digest(&format!("csrf\n{token}"))
}

/// Writes into the trail that somebody did not get in.
pub async fn note_failure(
    worker: &Worker,
    address: Option<IpAddr>,
    request: RequestId,
    claimed: String,
    why: String,
) -> Result<(), Problem> {
    let now_ms = worker.engine.shared.clock.unix_ms();
    let entry = Entry {
        actor: None,
        actor_name: claimed,
        team: None,
        action: "session.sign_in",
        target: Some(Target { kind: "user", id: None }),
        before: None,
        after: None,
        address: address.map(|address| address.to_string()),
        request_id: Some(request.to_string()),
        outcome: Outcome::Denied,
        detail: Some(why),
    };
    worker.admin.store.write(move |conn| audit::append(conn, &entry, now_ms)).await?;
    Ok(())
}

/// `GET /admin/v1/session`
pub async fn show(call: Call) -> Result<Told<SessionBody>, Problem> {
    let token = found(own_token(&call))?.to_owned();
    let (digest, now_ms) = (browser_session::digest(&token), call.now_ms());
    let (session, user) = found(call.read(move |conn| user_session::find(conn, &digest, now_ms)).await?)?;
    Ok(Told(SessionBody {
        user: UserBody::new(&user),
        csrf_token: csrf_token(&token),
        expires_at: session.expires_at_ms.div_euclid(1000),
    }))
}

/// `DELETE /admin/v1/session`
pub async fn sign_out(call: Call) -> Result<Recorded<Left>, Problem> {
    let digest = browser_session::digest(found(own_token(&call))?);
    let cookies = vec![cookie::forget(&call.request, Purpose::Session)];
    let (actor, now_ms) = (call.caller.actor, call.now_ms());
    call.change("session.sign_out", move |conn| {
        user_session::revoke(conn, &digest, now_ms)?;
        let user = match actor.id {
            ActorId::User(user) => user.to_string(),
            _ => String::new(),
        };
        Ok(Change::of("user", user, actor.team, Left { cookies }))
    })
    .await
}

/// The token of the session the call was let in by; none where a key let it in.
fn own_token(call: &Call) -> Option<&str> {
    matches!(call.caller.actor.id, ActorId::User(_))
        .then(|| cookie::read(&call.request, Purpose::Session))
        .flatten()
}

/// Who is signed in, by the cookie; none where no session is good. What changes something must show that the
/// console itself asks for it.
pub async fn recognise(
    request: &HttpRequest,
    worker: &Worker,
    world: &World,
) -> Result<Option<Actor>, Problem> {
    let Some(token) = cookie::read(request, Purpose::Session) else { return Ok(None) };
    let now_ms = worker.engine.shared.clock.unix_ms();
    let digest = browser_session::digest(token);
    let session = worker.admin.store.read(move |conn| user_session::find(conn, &digest, now_ms)).await?;
    let is_welcome =
        |team: Option<TeamId>| team.is_none_or(|team| !world.snapshot.disabled_teams.contains(&team));
    let Some((session, user)) =
        session.filter(|(session, user)| !is_idle(session, now_ms) && is_welcome(user.team))
    else {
        return Ok(None);
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        check_intent(request, &session)?;
    }
    if session.wants_touch(now_ms) {
        let touched =
            worker.admin.store.write(move |conn| user_session::touch(conn, &session.digest, now_ms));
        if let Err(error) = touched.await {
            tracing::warn!(%error, "it was not noted that a session is in use");
        }
    }
    Ok(Some(Actor { id: ActorId::User(user.id), role: user.role, team: user.team }))
}

fn is_idle(session: &UserSession, now_ms: i64) -> bool {
    now_ms.saturating_sub(session.last_seen_at_ms) >= IDLE_MS
}

fn check_intent(request: &HttpRequest, session: &UserSession) -> Result<(), Problem> {
    cookie::check_origin(request)?;
    let shown = request.headers().get(CSRF_TOKEN).and_then(|shown| shown.to_str().ok());
    if shown.is_some_and(|shown| browser_session::digest(shown) == session.csrf_digest) {
        return Ok(());
    }
    let why = format!("send the session's `csrf_token` as `{CSRF_TOKEN}`");
    Err(Problem::new(Kind::Forbidden, why))
}

#[cfg(test)]
mod tests {
    use nexus_core::id::{UserId, Uuid};

    use super::*;

    #[test]
    fn a_session_that_is_not_used_for_an_hour_is_over() {
        let session = UserSession {
            digest: String::new(),
            user: UserId(Uuid::nil()),
            csrf_digest: String::new(),
            created_at_ms: 0,
            expires_at_ms: LIFE_MS,
            last_seen_at_ms: 1000,
            revoked_at_ms: None,
            address: None,
            user_agent: None,
        };
        for (now_ms, is_over) in [(0, false), (1000, false), (IDLE_MS + 999, false), (IDLE_MS + 1000, true)] {
            assert_eq!(is_idle(&session, now_ms), is_over, "{now_ms}");
        }
    }

    #[test]
    fn the_token_against_forgery_is_the_same_each_time_and_not_what_is_stored() {
        let token = "t".repeat(43);
        assert_eq!(csrf_token(&token), csrf_token(&token));
        assert_ne!(csrf_token(&token), browser_session::digest(&token), "what is stored gives nothing away");
    }
}
