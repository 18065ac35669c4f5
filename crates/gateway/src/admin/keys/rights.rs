//! What a key may be given: never more than its maker has, never more than its team.
//!
//! The maker's bounds are copied into the key, because they are not looked at again; the team's are looked
//! at on every request, so a list the key leaves away is the team's, whatever that is then.

use nexus_core::{
    id::TeamId,
    principal::Level,
    role::Role,
    scope::{Excess, Scope},
};

use crate::admin::{
    gate::Caller,
    problem::{Flaw, Kind, Problem},
};

/// What somebody wants a key to be.
#[derive(Clone, Debug)]
pub struct Wish {
    pub level: Level,
    pub team: Option<TeamId>,
    /// Of admin keys.
    pub role: Option<Role>,
    pub scope: Scope,
}

impl Wish {
    /// The scope the key gets, if its maker may make it.
    pub fn granted(&self, maker: &Caller) -> Result<Scope, Problem> {
        self.check_holder(maker)?;
        let scope = filled(&self.scope, &maker.scope);
        scope.within(&maker.scope).map_err(|excess| beyond("/scope", &excess))?;
        Ok(scope)
    }

    /// Refuses whoever is less than the key would be.
    pub fn check_holder(&self, maker: &Caller) -> Result<(), Problem> {
        if !maker.reach.covers(self.team) {
            return Err(Problem::new(
                Kind::Forbidden,
                "the team is not yours; leave `team_id` away or name your own",
            ));
        }
        if self.level == Level::Admin {
            let role = self.role.unwrap_or(own_role(self.team));
            maker
                .actor
                .may_appoint(role, self.team)
                .map_err(|beyond| Problem::new(Kind::Forbidden, beyond.to_string()))?;
        }
        Ok(())
    }
}

/// The role of an admin key that is given none.
pub fn own_role(team: Option<TeamId>) -> Role {
    if team.is_some() { Role::TeamAdmin } else { Role::PlatformAdmin }
}

/// Refuses a scope with a list that reaches beyond that of `bound`. `place` is the pointer to the scope.
pub fn check_within(place: &str, scope: &Scope, bound: &Scope) -> Result<(), Problem> {
    filled(scope, bound).within(bound).map_err(|excess| beyond(place, &excess))
}

/// The scope with the other's lists where it has none of its own.
fn filled(scope: &Scope, other: &Scope) -> Scope {
    Scope {
        models: scope.models.clone().or_else(|| other.models.clone()),
        providers: scope.providers.clone().or_else(|| other.providers.clone()),
        addresses: scope.addresses.clone().or_else(|| other.addresses.clone()),
    }
}

fn beyond(place: &str, excess: &Excess) -> Problem {
    let flaw = Flaw { pointer: format!("{place}/{}", excess.field), detail: excess.to_string() };
    Problem {
        errors: vec![flaw],
        ..Problem::new(Kind::Forbidden, "the key would reach further than you may")
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        id::{KeyId, RequestId, Uuid},
        role::{Actor, ActorId},
        scope::Pattern,
    };

    use super::*;

    const RED: TeamId = TeamId(Uuid::from_u128(1));
    const BLUE: TeamId = TeamId(Uuid::from_u128(2));

    fn models(text: &str) -> Scope {
        Scope { models: Some(vec![Pattern::parse(text).unwrap()]), ..Scope::default() }
    }

    fn maker(role: Role, team: Option<TeamId>, scope: Scope) -> Caller {
        let actor = Actor { id: ActorId::Key(KeyId(Uuid::nil())), role, team };
        let reach = actor.may(nexus_core::role::Permission::KeysWrite).unwrap();
        Caller { actor, reach, scope, address: None, request: RequestId(Uuid::nil()) }
    }

    #[test]
    fn nobody_makes_a_key_that_is_more_than_they_are() {
        use Level::{Admin, App};
        let platform = || maker(Role::PlatformAdmin, None, Scope::default());
        let red = || maker(Role::TeamAdmin, Some(RED), Scope::default());
        for (maker, level, team, role, is_granted) in [
            (platform(), Admin, None, None, true),
            (platform(), Admin, Some(RED), None, true),
            (platform(), Admin, None, Some(Role::TeamAdmin), false),
            (platform(), App, Some(BLUE), None, true),
            (red(), Admin, Some(RED), None, true),
            (red(), Admin, Some(RED), Some(Role::Viewer), true),
            (red(), Admin, None, None, false),
            (red(), Admin, None, Some(Role::Viewer), false),
            (red(), Admin, Some(BLUE), Some(Role::Viewer), false),
            (red(), Admin, Some(RED), Some(Role::PlatformAdmin), false),
            (red(), App, Some(RED), None, true),
            (red(), App, Some(BLUE), None, false),
        ] {
            let wish = Wish { level, team, role, scope: Scope::default() };
            let granted = wish.granted(&maker);
            assert_eq!(granted.is_ok(), is_granted, "{maker:?} {wish:?}");
            assert!(granted.is_ok() || granted.is_err_and(|problem| problem.kind == Kind::Forbidden));
        }
    }

    #[test]
    fn the_makers_bounds_are_the_keys_bounds() {
        let maker = maker(Role::TeamAdmin, Some(RED), models("gpt-*"));
        for (scope, granted) in [
            (Scope::default(), Some(models("gpt-*"))),
            (models("gpt-4"), Some(models("gpt-4"))),
            (models("*"), None),
            (models("claude"), None),
        ] {
            let wish = Wish { level: Level::App, team: Some(RED), role: None, scope };
            assert_eq!(wish.granted(&maker).ok(), granted, "{wish:?}");
        }
    }

    #[test]
    fn a_list_that_is_left_away_is_the_teams() {
        for (scope, bound, is_within) in [
            (Scope::default(), models("gpt-*"), true),
            (models("gpt-4"), models("gpt-*"), true),
            (models("claude"), models("gpt-*"), false),
            (models("claude"), Scope::default(), true),
        ] {
            assert_eq!(check_within("/scope", &scope, &bound).is_ok(), is_within, "{scope:?} {bound:?}");
        }
    }
}
