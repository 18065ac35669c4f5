//! Who may do what in the administration: roles, permissions, and how far each reaches.
//!
//! One table decides; a handler never asks for a role, only for a permission.

use thiserror::Error;

use crate::id::{KeyId, TeamId, UserId};

/// What somebody is in the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sees totals and configuration, changes nothing.
    Viewer,
    /// A viewer who also sees the audit log and who the users are.
    Auditor,
    /// Manages one team: its keys, its users, its quotas.
    TeamAdmin,
    /// Manages everything.
    PlatformAdmin,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Auditor, Role::TeamAdmin, Role::PlatformAdmin];

    /// The word in rows, requests and claims.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Auditor => "auditor",
            Role::TeamAdmin => "team_admin",
            Role::PlatformAdmin => "platform_admin",
        }
    }

    /// The inverse of [`Role::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether the role can be held for the platform (`None`) or for a team.
    pub fn may_be_held(self, team: Option<TeamId>) -> bool {
        match self {
            Role::PlatformAdmin => team.is_none(),
            Role::TeamAdmin => team.is_some(),
            Role::Auditor | Role::Viewer => true,
        }
    }
}

/// One thing that can be allowed in the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    TeamsRead,
    TeamsWrite,
    UsersRead,
    UsersWrite,
    KeysRead,
    KeysWrite,
    ProvidersRead,
    ProvidersWrite,
    RoutesRead,
    RoutesWrite,
    SettingsRead,
    SettingsWrite,
    QuotasRead,
    QuotasWrite,
    AuditRead,
    AnomaliesRead,
    AnomaliesWrite,
    HealthRead,
    ContentRead,
    ContentWrite,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Permission; 20] = [
        Permission::TeamsRead,
        Permission::TeamsWrite,
        Permission::UsersRead,
        Permission::UsersWrite,
        Permission::KeysRead,
        Permission::KeysWrite,
        Permission::ProvidersRead,
        Permission::ProvidersWrite,
        Permission::RoutesRead,
        Permission::RoutesWrite,
        Permission::SettingsRead,
        Permission::SettingsWrite,
        Permission::QuotasRead,
        Permission::QuotasWrite,
        Permission::AuditRead,
        Permission::AnomaliesRead,
        Permission::AnomaliesWrite,
        Permission::HealthRead,
        Permission::ContentRead,
        Permission::ContentWrite,
    ];

    /// The lowest role that has it, and whether holding that role for one team is enough. A permission
    /// over things that belong to no team is never enough for one.
    #[rustfmt::skip]
    const fn row(self) -> (Role, Holding) {
        match self {
            Self::TeamsRead      => (Role::Viewer,        Holding::Team),
            Self::TeamsWrite     => (Role::PlatformAdmin, Holding::Platform),
            Self::UsersRead      => (Role::Auditor,       Holding::Team),
            Self::UsersWrite     => (Role::TeamAdmin,     Holding::Team),
            Self::KeysRead       => (Role::Viewer,        Holding::Team),
            Self::KeysWrite      => (Role::TeamAdmin,     Holding::Team),
            Self::ProvidersRead  => (Role::Viewer,        Holding::Platform),
            Self::ProvidersWrite => (Role::PlatformAdmin, Holding::Platform),
            Self::RoutesRead     => (Role::Viewer,        Holding::Team),
            Self::RoutesWrite    => (Role::PlatformAdmin, Holding::Platform),
            Self::SettingsRead   => (Role::Viewer,        Holding::Platform),
            Self::SettingsWrite  => (Role::PlatformAdmin, Holding::Platform),
            Self::QuotasRead     => (Role::Viewer,        Holding::Team),
            Self::QuotasWrite    => (Role::TeamAdmin,     Holding::Team),
            Self::AuditRead      => (Role::Auditor,       Holding::Team),
            Self::AnomaliesRead  => (Role::Viewer,        Holding::Team),
            Self::AnomaliesWrite => (Role::TeamAdmin,     Holding::Team),
            Self::HealthRead     => (Role::Viewer,        Holding::Platform),
            Self::ContentRead    => (Role::TeamAdmin,     Holding::Team),
            Self::ContentWrite   => (Role::TeamAdmin,     Holding::Team),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    Platform,
    Team,
}

/// Whose things a permission covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Platform,
    /// This team's only; everything else does not exist for the actor.
    Team(TeamId),
}

impl Reach {
    /// Whether a thing of this team is covered. A thing of no team is the platform's.
    pub fn covers(self, team: Option<TeamId>) -> bool {
        match self {
            Reach::Platform => true,
            Reach::Team(own) => team == Some(own),
        }
    }

    /// The team everything must belong to; `None` for the platform.
    pub fn team(self) -> Option<TeamId> {
        match self {
            Reach::Platform => None,
            Reach::Team(team) => Some(team),
        }
    }
}

/// Who acts, as the audit log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorId {
    Key(KeyId),
    User(UserId),
    /// The command line, run by whoever holds the database.
    Console,
    /// The gateway itself.
    System,
}

/// Somebody who administers, as proven by an admin key or a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    pub id: ActorId,
    pub role: Role,
    /// The team the role is held for; `None`: for the platform.
    pub team: Option<TeamId>,
}

/// Why an actor may not give a right away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Beyond {
    #[error("the role is higher than your own; choose one that is not")]
    Role,
    #[error("the role does not go with this team; `platform_admin` takes none and `team_admin` needs one")]
    Holding,
    #[error("the team is not yours; leave `team_id` away or name your own")]
    Team,
}

impl Actor {
    /// How far the permission reaches for this actor; `None` where it has not got it.
    pub fn may(&self, permission: Permission) -> Option<Reach> {
        let (lowest, holding) = permission.row();
        let is_ranked = self.role >= lowest && self.role.may_be_held(self.team);
        match self.team {
            None if is_ranked => Some(Reach::Platform),
            Some(team) if is_ranked && holding == Holding::Team => Some(Reach::Team(team)),
            _ => None,
        }
    }

    /// Whether the actor may make somebody else be `role` for `team`: never more than it is itself.
    pub fn may_appoint(&self, role: Role, team: Option<TeamId>) -> Result<(), Beyond> {
        if !role.may_be_held(team) {
            return Err(Beyond::Holding);
        }
        if self.team.is_some() && team != self.team {
            return Err(Beyond::Team);
        }
        if role > self.role { Err(Beyond::Role) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uuid;

    const RED: TeamId = TeamId(Uuid::from_u128(1));
    const BLUE: TeamId = TeamId(Uuid::from_u128(2));

    fn actors() -> Vec<Actor> {
        let holdings = [None, Some(RED), Some(BLUE)];
        Role::ALL
            .into_iter()
            .flat_map(|role| holdings.map(|team| Actor { id: ActorId::Console, role, team }))
            .filter(|actor| actor.role.may_be_held(actor.team))
            .collect()
    }

    #[test]
    fn a_permission_reaches_as_far_as_the_role_is_held() {
        for actor in actors() {
            for permission in Permission::ALL {
                match actor.may(permission) {
                    Some(Reach::Platform) => assert_eq!(actor.team, None, "{actor:?} {permission:?}"),
                    Some(Reach::Team(team)) => assert_eq!(actor.team, Some(team), "{actor:?} {permission:?}"),
                    None => assert_ne!(actor.role, Role::PlatformAdmin, "{permission:?}"),
                }
            }
        }
    }

    #[test]
    fn only_admins_change_things_and_viewers_see_no_audit() {
        for actor in actors() {
            let changes = [
                Permission::KeysWrite,
                Permission::UsersWrite,
                Permission::AnomaliesWrite,
                Permission::QuotasWrite,
                Permission::ContentRead,
                Permission::ContentWrite,
            ];
            for permission in changes {
                assert_eq!(actor.may(permission).is_some(), actor.role >= Role::TeamAdmin, "{actor:?}");
            }
            for permission in [Permission::ProvidersWrite, Permission::SettingsWrite, Permission::TeamsWrite]
            {
                assert_eq!(actor.may(permission).is_some(), actor.role == Role::PlatformAdmin, "{actor:?}");
            }
            assert_eq!(actor.may(Permission::AuditRead).is_some(), actor.role >= Role::Auditor);
        }
    }

    #[test]
    fn nobody_makes_anybody_more_than_they_are() {
        for maker in actors() {
            for wish in actors() {
                if maker.may_appoint(wish.role, wish.team).is_err() {
                    continue;
                }
                for permission in Permission::ALL {
                    let (own, given) = (maker.may(permission), wish.may(permission));
                    let is_within = match (own, given) {
                        (_, None) | (Some(Reach::Platform), _) => true,
                        (Some(own), Some(given)) => own == given,
                        (None, Some(_)) => false,
                    };
                    assert!(is_within, "{maker:?} made {wish:?} with {permission:?}");
                }
            }
        }
    }

    #[test]
    fn a_right_that_is_refused_says_why() {
        let red = Actor { id: ActorId::Console, role: Role::TeamAdmin, team: Some(RED) };
        for (role, team, expected) in [
            (Role::TeamAdmin, Some(RED), Ok(())),
            (Role::Viewer, Some(RED), Ok(())),
            (Role::TeamAdmin, Some(BLUE), Err(Beyond::Team)),
            (Role::Viewer, None, Err(Beyond::Team)),
            (Role::PlatformAdmin, None, Err(Beyond::Team)),
            (Role::PlatformAdmin, Some(RED), Err(Beyond::Holding)),
        ] {
            assert_eq!(red.may_appoint(role, team), expected, "{role:?} {team:?}");
        }
        let auditor = Actor { id: ActorId::Console, role: Role::Auditor, team: Some(RED) };
        assert_eq!(auditor.may_appoint(Role::TeamAdmin, Some(RED)), Err(Beyond::Role));
    }
}
