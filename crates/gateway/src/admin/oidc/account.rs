//! Which user somebody is whom the identity provider vouches for.
//!
//! The provider's name for them decides; an e-mail leads to a user only once, and only where the provider has
//! verified it. Whoever is there keeps the role they have; only somebody new is given one, by the mapping.

use nexus_config::settings::{self, RoleMapping};
use nexus_core::{id::UserId, role::ActorId};
use nexus_keystore::oidc::Identity;
use nexus_store::{
    AnyConnection,
    repo::{
        Changed, revision, team,
        user::{self, User},
    },
};

use super::Stopped;
use crate::admin::{
    change::{self, Change, Halt},
    check::{Check, NAME_CHARS_MAX},
    problem::{Kind, Problem},
    trail::Who,
    users::{UserBody, check_email},
    visit::Visit,
};

/// The user, found or made.
pub async fn of<Q>(visit: &Visit<Q>, settings: &settings::Oidc, identity: Identity) -> Result<User, Stopped> {
    let own = user::Identity { issuer: settings.issuer.clone(), subject: identity.subject.clone() };
    let email = verified_email(&identity);
    let claimed = email.clone().unwrap_or_else(|| identity.subject.clone());
    let refused = |why: &str| Stopped::Refused { claimed: claimed.clone(), why: why.to_owned() };
    let (wanted, address) = (own.clone(), email.clone());
    let found = visit.admin().store.read(move |conn| {
        let known = user::find_by_identity(conn, &wanted)?;
        Ok(match (known, address) {
            (None, Some(address)) => user::find_by_email(conn, &address)?,
            (known, _) => known,
        })
    });
    let found = found.await.map_err(Problem::from)?;
    match found {
        Some(user) if !user.is_active => Err(refused("the user is switched off")),
        Some(user) if user.identity.as_ref() == Some(&own) => Ok(user),
        Some(user) if user.identity.is_some() => {
            Err(refused("the user of this e-mail is somebody else at an identity provider"))
        }
        Some(user) => Ok(link(visit, user, own).await?),
        None => {
            let email = email.ok_or_else(|| refused("the identity provider has verified no e-mail"))?;
            let mapping = mapping(&settings.role_mapping, &identity.groups);
            let mapping = mapping.ok_or_else(|| refused("no entry of the `role_mapping` fits"))?;
            let name = display_name(identity.name.as_deref(), &email);
            Ok(join(visit, own, email, name, mapping.clone()).await?)
        }
    }
}

/// An e-mail that leads to a user, in lower case.
fn verified_email(identity: &Identity) -> Option<String> {
    let email = identity.email.as_ref().filter(|_| identity.is_email_verified)?;
    let mut check = Check::default();
    check_email(&mut check, "", email);
    check.finish().is_ok().then(|| email.to_lowercase())
}

/// The first entry that fits.
fn mapping<'a>(mappings: &'a [RoleMapping], groups: &[String]) -> Option<&'a RoleMapping> {
    mappings.iter().find(|mapping| mapping.group == "*" || groups.contains(&mapping.group))
}

/// A name as users have them; the e-mail where the provider says none.
fn display_name(name: Option<&str>, email: &str) -> String {
    let plain = name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX);
    let plain = plain.collect::<String>().trim().to_owned();
    if plain.is_empty() { email.chars().take(NAME_CHARS_MAX).collect() } else { plain }
}

/// From now on the user is known by the provider's name.
async fn link<Q>(visit: &Visit<Q>, user: User, own: user::Identity) -> Result<User, Problem> {
    let (id, now_ms) = (user.id, visit.now_ms());
    let change = user::Change { identity: Some(Some(own)), ..user::Change::default() };
    change::alone(visit.worker(), who(visit, &user), "user.link", now_ms, move |conn| {
        revision::open(conn)?;
        match user::update(conn, id, None, &change, user.version, now_ms)? {
            Changed::Now(linked) => {
                let told = Change::of("user", id, linked.team, linked.clone());
                Ok(told.from(&UserBody::new(&user)).to(&UserBody::new(&linked)))
            }
            Changed::Stale | Changed::Unknown => Err(Kind::Stale.into()),
        }
    })
    .await
}

async fn join<Q>(
    visit: &Visit<Q>,
    own: user::Identity,
    email: String,
    name: String,
    mapping: RoleMapping,
) -> Result<User, Problem> {
    let now_ms = visit.now_ms();
    let user = User {
        id: visit.fresh_id(),
        email,
        name,
        password: None,
        identity: Some(own),
        role: mapping.role,
        team: None,
        is_active: true,
        last_login_at_ms: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    change::alone(visit.worker(), who(visit, &user), "user.create", now_ms, move |conn| {
        revision::open(conn)?;
        let team = mapping.team.as_deref().map(|name| named_team(conn, name)).transpose()?;
        let user = User { team, ..user };
        user::create(conn, &user)?;
        Ok(Change::of("user", user.id, user.team, user.clone()).to(&UserBody::new(&user)))
    })
    .await
}

fn named_team(conn: &mut AnyConnection, name: &str) -> Result<nexus_core::id::TeamId, Halt> {
    let team = team::find_by_name(conn, name)?;
    let why = format!("the `role_mapping` names the team `{name}`, which is not there");
    team.map(|team| team.id).ok_or_else(|| Problem::new(Kind::Conflict, why).into())
}

/// People make themselves known.
fn who<Q>(visit: &Visit<Q>, user: &User) -> Who {
    Who { id: ActorId::User(UserId(user.id.0)), team: user.team, address: visit.address, request: visit.id }
}

#[cfg(test)]
mod tests {
    use nexus_core::role::Role;

    use super::*;

    fn identity(email: Option<&str>, is_email_verified: bool) -> Identity {
        let email = email.map(str::to_owned);
        Identity { subject: "s".to_owned(), email, is_email_verified, name: None, groups: Vec::new() }
    }

    #[test]
    fn an_email_leads_to_somebody_only_where_it_is_verified() {
        for (email, is_verified, expected) in [
            (Some("Ann@Example.com"), true, Some("ann@example.com")),
            (Some("ann@example.com"), false, None),
            (Some("ann"), true, None),
            (None, true, None),
        ] {
            assert_eq!(verified_email(&identity(email, is_verified)).as_deref(), expected, "{email:?}");
        }
    }

    #[test]
    fn the_first_entry_that_fits_counts() {
        let entry = |group: &str, role| RoleMapping { group: group.to_owned(), role, team: None };
        let mappings =
            [entry("admins", Role::PlatformAdmin), entry("staff", Role::Auditor), entry("*", Role::Viewer)];
        for (groups, some, all) in [
            (&["staff", "admins"][..], Some(Role::PlatformAdmin), Role::PlatformAdmin),
            (&["staff"], Some(Role::Auditor), Role::Auditor),
            (&["Staff"], None, Role::Viewer),
            (&[], None, Role::Viewer),
        ] {
            let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
            let role = |mappings| mapping(mappings, &groups).map(|mapping| mapping.role);
            assert_eq!((role(&mappings[..2]), role(&mappings)), (some, Some(all)), "{groups:?}");
        }
    }

    #[test]
    fn a_name_is_made_fit_to_be_one() {
        for (name, expected) in [
            (Some("Ann"), "Ann".to_owned()),
            (Some(" A\nnn "), "Ann".to_owned()),
            (Some("\u{7}"), "a@b".to_owned()),
            (None, "a@b".to_owned()),
            (Some("千".repeat(101).as_str()), "千".repeat(100)),
        ] {
            assert_eq!(display_name(name, "a@b"), expected, "{name:?}");
        }
    }
}
