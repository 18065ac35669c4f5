//! The world as one request sees it: immutable, taken once.

use std::collections::HashSet;

use crate::{
    catalogue::Catalogue,
    id::{KeyId, TeamId},
    principal::Principal,
};

/// Everything that decides a request and can change while the gateway runs.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub catalogue: Catalogue,
    /// Keys that were valid once and are not any more.
    pub revoked_keys: HashSet<KeyId>,
    /// Teams whose keys are all refused.
    pub disabled_teams: HashSet<TeamId>,
}

impl Snapshot {
    /// Whether a key that verified is still welcome in this world.
    pub fn admits(&self, principal: &Principal) -> bool {
        !self.revoked_keys.contains(&principal.key)
            && principal.team.is_none_or(|team| !self.disabled_teams.contains(&team))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uuid, principal::Level};

    #[test]
    fn a_revoked_key_and_a_key_of_a_disabled_team_are_not_admitted() {
        let key = KeyId(Uuid::from_u128(1));
        let team = TeamId(Uuid::from_u128(2));
        let caller = Principal { key, level: Level::App, team: Some(team) };
        assert!(Snapshot::default().admits(&caller));
        assert!(!Snapshot { revoked_keys: [key].into(), ..Snapshot::default() }.admits(&caller));
        assert!(!Snapshot { disabled_teams: [team].into(), ..Snapshot::default() }.admits(&caller));
    }
}
