//! The world as one request sees it: immutable, taken once.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use crate::{
    anomaly::throttle::Throttle,
    catalogue::Catalogue,
    flow::Limits,
    id::{KeyId, TeamId},
    limit::share::Rates,
    price::PriceBook,
    principal::{Level, Principal},
    quota::Quota,
    role::{Actor, ActorId, Role},
    scope::Scope,
};

/// Whether a key's requests must, may or need not be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// Signatures are not looked at.
    #[default]
    Off,
    /// A request that bears a signature must bear a good one.
    Optional,
    /// Every request bears a good signature.
    Required,
}

impl Signing {
    /// The word in rows and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Signing::Off => "off",
            Signing::Optional => "optional",
            Signing::Required => "required",
        }
    }

    /// The inverse of [`Signing::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Signing::Off, Signing::Optional, Signing::Required].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What happens to a request whose structure looks like an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShieldMode {
    Off,
    /// It is served, counted and shown.
    #[default]
    Flag,
    /// It is refused.
    Block,
}

impl ShieldMode {
    /// The word in rows and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            ShieldMode::Off => "off",
            ShieldMode::Flag => "flag",
            ShieldMode::Block => "block",
        }
    }

    /// The inverse of [`ShieldMode::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [ShieldMode::Off, ShieldMode::Flag, ShieldMode::Block].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What is known of a key beyond what it says itself. Keys about which there is nothing to say have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    pub scope: Scope,
    /// Of an admin key that is less than its level allows; `None`: the level's own.
    pub role: Option<Role>,
    pub signing: Signing,
    /// Which signing secret is current; it goes up when the secret is changed.
    pub signing_generation: u32,
    pub is_disabled: bool,
    /// When a key that was replaced ends, Unix milliseconds; before its own expiry.
    pub retires_at_ms: Option<i64>,
    pub limits: Limits,
}

/// What is known of a team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamPolicy {
    pub scope: Scope,
    pub shield: ShieldMode,
    pub limits: Limits,
    /// Whether what its requests and their answers say is kept.
    pub keeps_content: bool,
    /// Whether its keys may ask providers for what stands at paths of their own.
    pub raw_relay: bool,
}

/// A key in its short form, found by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpaqueKey {
    pub key: KeyId,
    pub level: Level,
    pub team: Option<TeamId>,
    /// Unix milliseconds; `None`: does not expire.
    pub expires_at_ms: Option<i64>,
}

/// Everything that decides a request and can change while the gateway runs.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub catalogue: Catalogue,
    /// The name of the provider that takes what names no model.
    pub default_provider: Option<Arc<str>>,
    /// Keys that were valid once and are not any more.
    pub revoked_keys: HashSet<KeyId>,
    /// Teams whose keys are all refused.
    pub disabled_teams: HashSet<TeamId>,
    /// Teams that have a policy of their own.
    pub teams: HashMap<TeamId, TeamPolicy>,
    /// Keys that have a policy of their own.
    pub keys: HashMap<KeyId, Arc<KeyPolicy>>,
    /// Keys in their short form, by the digest of their secret.
    pub opaque_keys: HashMap<[u8; 32], OpaqueKey>,
    /// Keys that are held to fewer requests for a while.
    pub throttles: HashMap<KeyId, Throttle>,
    pub prices: Arc<PriceBook>,
    pub quotas: Arc<[Quota]>,
}

impl Snapshot {
    /// Whether a key that verified is still welcome in this world.
    pub fn admits(&self, principal: &Principal, now_ms: i64) -> bool {
        self.is_known_as_bound(principal)
            && self.is_key_welcome(principal.key, now_ms)
            && principal.parent.is_none_or(|parent| self.is_key_welcome(parent, now_ms))
            && principal.team.is_none_or(|team| !self.disabled_teams.contains(&team))
    }

    /// A key that says it is bounded is worth nothing in a world that does not know by what: one that is
    /// older than the key.
    fn is_known_as_bound(&self, principal: &Principal) -> bool {
        !principal.is_bound || self.keys.contains_key(&principal.parent.unwrap_or(principal.key))
    }

    fn is_key_welcome(&self, key: KeyId, now_ms: i64) -> bool {
        !self.revoked_keys.contains(&key)
            && self.keys.get(&key).is_none_or(|policy| {
                !policy.is_disabled && policy.retires_at_ms.is_none_or(|retires_at_ms| now_ms < retires_at_ms)
            })
    }

    /// What the caller may reach: everything that all of its scopes allow.
    pub fn rights<'a>(&'a self, principal: &'a Principal) -> Rights<'a> {
        let of_key = |key: KeyId| self.keys.get(&key).map(|policy| &policy.scope);
        Rights([
            principal.team.and_then(|team| self.teams.get(&team)).map(|policy| &policy.scope),
            principal.parent.and_then(of_key),
            of_key(principal.key),
            principal.scope.as_deref(),
        ])
    }

    /// How much may pass of the caller's key and of its team. A session key's requests are its parent's.
    pub fn limits(&self, principal: &Principal) -> [&Limits; 2] {
        let key = self.keys.get(&principal.parent.unwrap_or(principal.key)).map(|policy| &policy.limits);
        let team = principal.team.and_then(|team| self.teams.get(&team)).map(|policy| &policy.limits);
        [key, team].map(|limits| limits.unwrap_or(const { &Limits::OPEN }))
    }

    /// From now on the limits of requests and tokens a minute are shared with other nodes. Those that are shared
    /// already stay as they are.
    pub fn share_limits(&self, rates: &Arc<Rates>) {
        for (key, policy) in &self.keys {
            policy.limits.share_as(rates, || format!("rate/key/{key}"));
        }
        for (team, policy) in &self.teams {
            policy.limits.share_as(rates, || format!("rate/team/{team}"));
        }
        for (key, held) in &self.throttles {
            held.requests.share_as(rates, || format!("rate/throttle/{key}"));
        }
        for target in self.catalogue.all().flat_map(|route| &route.targets) {
            target.limits.share_as(rates, || format!("rate/route/{}", target.route));
            target.provider.limits.share_as(rates, || format!("rate/provider/{}", target.provider.id));
        }
    }

    /// What the caller's key is held to for a while, or the key it is of; the tighter of two.
    pub fn throttle(&self, principal: &Principal, now_ms: i64) -> Option<&Throttle> {
        let keys = [Some(principal.key), principal.parent].into_iter().flatten();
        let held = keys.filter_map(|key| self.throttles.get(&key)).filter(|held| now_ms < held.until_ms);
        held.min_by_key(|held| held.requests.per_minute())
    }

    /// Whether the key's requests must be signed. A session key's are judged as its parent's.
    pub fn signing(&self, principal: &Principal) -> (Signing, u32) {
        let key = principal.parent.unwrap_or(principal.key);
        self.keys.get(&key).map_or((Signing::Off, 0), |policy| (policy.signing, policy.signing_generation))
    }

    /// What happens to a request of this team that looks like an attack.
    pub fn shield(&self, team: Option<TeamId>) -> ShieldMode {
        team.and_then(|team| self.teams.get(&team)).map_or(ShieldMode::default(), |policy| policy.shield)
    }

    /// Whether what this team's requests and their answers say is kept.
    pub fn keeps_content(&self, team: Option<TeamId>) -> bool {
        team.and_then(|team| self.teams.get(&team)).is_some_and(|policy| policy.keeps_content)
    }

    /// Whether this team's keys may ask providers for what stands at paths of their own.
    pub fn may_relay(&self, team: Option<TeamId>) -> bool {
        team.and_then(|team| self.teams.get(&team)).is_some_and(|policy| policy.raw_relay)
    }

    /// Who an admin key is in the administration; `None` for the other levels.
    pub fn actor(&self, principal: &Principal) -> Option<Actor> {
        if principal.level != Level::Admin {
            return None;
        }
        let own = if principal.team.is_some() { Role::TeamAdmin } else { Role::PlatformAdmin };
        let role = self.keys.get(&principal.key).and_then(|policy| policy.role).unwrap_or(own);
        Some(Actor { id: ActorId::Key(principal.key), role: role.min(own), team: principal.team })
    }
}

/// Every scope that bounds a caller.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a>([Option<&'a Scope>; 4]);

impl Rights<'_> {
    pub fn may_call(&self, model: &str) -> bool {
        self.all(|scope| scope.may_call(model))
    }

    pub fn may_use(&self, provider: &str) -> bool {
        self.all(|scope| scope.may_use(provider))
    }

    /// An address that is not known is in no network, so only what is not bound to networks may come from it.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        self.all(|scope| match address {
            Some(address) => scope.may_come_from(address),
            None => scope.addresses.is_none(),
        })
    }

    /// Whether any scope bounds the providers.
    pub fn is_bound_to_providers(&self) -> bool {
        !self.all(|scope| scope.providers.is_none())
    }

    fn all(&self, allows: impl Fn(&Scope) -> bool) -> bool {
        self.0.iter().flatten().all(|scope| allows(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uuid, limit::RateLimit, scope::Pattern};

    const KEY: KeyId = KeyId(Uuid::from_u128(1));
    const PARENT: KeyId = KeyId(Uuid::from_u128(3));
    const TEAM: TeamId = TeamId(Uuid::from_u128(2));

    fn session() -> Principal {
        Principal {
            key: KEY,
            level: Level::Session,
            team: Some(TEAM),
            parent: Some(PARENT),
            scope: None,
            is_bound: false,
            allowance: None,
            budget: None,
        }
    }

    fn models(text: &str) -> Scope {
        Scope { models: Some(vec![Pattern::parse(text).unwrap()]), ..Scope::default() }
    }

    fn policy(key: KeyId, policy: KeyPolicy) -> HashMap<KeyId, Arc<KeyPolicy>> {
        [(key, Arc::new(policy))].into()
    }

    #[test]
    fn a_key_falls_with_itself_its_parent_and_its_team() {
        let disabled = KeyPolicy { is_disabled: true, ..KeyPolicy::default() };
        let retired = KeyPolicy { retires_at_ms: Some(10), ..KeyPolicy::default() };
        let late = KeyPolicy { retires_at_ms: Some(11), ..KeyPolicy::default() };
        for (snapshot, is_welcome) in [
            (Snapshot::default(), true),
            (Snapshot { revoked_keys: [KEY].into(), ..Snapshot::default() }, false),
            (Snapshot { revoked_keys: [PARENT].into(), ..Snapshot::default() }, false),
            (Snapshot { disabled_teams: [TEAM].into(), ..Snapshot::default() }, false),
            (Snapshot { keys: policy(KEY, disabled.clone()), ..Snapshot::default() }, false),
            (Snapshot { keys: policy(PARENT, disabled), ..Snapshot::default() }, false),
            (Snapshot { keys: policy(PARENT, retired), ..Snapshot::default() }, false),
            (Snapshot { keys: policy(PARENT, late), ..Snapshot::default() }, true),
        ] {
            assert_eq!(snapshot.admits(&session(), 10), is_welcome, "{snapshot:?}");
        }
    }

    #[test]
    fn a_bounded_key_is_refused_until_the_world_knows_its_bounds() {
        let bound = Principal { is_bound: true, ..session() };
        for (keys, is_welcome) in [
            (HashMap::new(), false),
            (policy(KEY, KeyPolicy::default()), false),
            (policy(PARENT, KeyPolicy::default()), true),
        ] {
            let snapshot = Snapshot { keys, ..Snapshot::default() };
            assert_eq!(snapshot.admits(&bound, 10), is_welcome, "{snapshot:?}");
        }
        let own = Principal { parent: None, ..bound };
        let known = Snapshot { keys: policy(KEY, KeyPolicy::default()), ..Snapshot::default() };
        assert!(known.admits(&own, 10) && !Snapshot::default().admits(&own, 10));
    }

    #[test]
    fn a_key_is_held_with_its_parent_and_until_its_time_is_over() {
        let held =
            |per_minute, until_ms| Throttle { requests: Arc::new(RateLimit::new(per_minute)), until_ms };
        let throttles = [(KEY, held(9, 20)), (PARENT, held(3, 10))].into();
        let world = Snapshot { throttles, ..Snapshot::default() };
        let at = |now_ms| world.throttle(&session(), now_ms).map(|held| held.requests.per_minute());
        assert_eq!([9, 10, 19, 20].map(at), [Some(3), Some(9), Some(9), None]);
        let other = Principal { key: KeyId(Uuid::from_u128(9)), parent: None, ..session() };
        assert!(world.throttle(&other, 0).is_none());
    }

    #[test]
    fn a_right_is_what_every_scope_allows() {
        let bound = |text: &str| KeyPolicy { scope: models(text), ..KeyPolicy::default() };
        let team = |text: &str| [(TEAM, TeamPolicy { scope: models(text), ..TeamPolicy::default() })].into();
        for (snapshot, own, may) in [
            (Snapshot::default(), None, true),
            (Snapshot::default(), Some("gpt-4o"), true),
            (Snapshot::default(), Some("gpt-3"), false),
            (Snapshot { teams: team("gpt-*"), ..Snapshot::default() }, None, true),
            (Snapshot { teams: team("claude-*"), ..Snapshot::default() }, Some("gpt-4o"), false),
            (Snapshot { keys: policy(PARENT, bound("gpt-3*")), ..Snapshot::default() }, Some("*"), false),
            (Snapshot { keys: policy(KEY, bound("gpt-4*")), ..Snapshot::default() }, Some("*"), true),
        ] {
            let caller = Principal { scope: own.map(|text| Arc::new(models(text))), ..session() };
            assert_eq!(snapshot.rights(&caller).may_call("gpt-4o"), may, "{snapshot:?} {own:?}");
        }
    }

    #[test]
    fn an_admin_key_is_never_more_than_its_level_and_team() {
        let admin = |team| Principal { level: Level::Admin, parent: None, team, ..session() };
        let role = |role| policy(KEY, KeyPolicy { role, ..KeyPolicy::default() });
        for (team, said, expected) in [
            (None, None, Role::PlatformAdmin),
            (None, Some(Role::Auditor), Role::Auditor),
            (Some(TEAM), None, Role::TeamAdmin),
            (Some(TEAM), Some(Role::PlatformAdmin), Role::TeamAdmin),
            (Some(TEAM), Some(Role::Viewer), Role::Viewer),
        ] {
            let snapshot = Snapshot { keys: role(said), ..Snapshot::default() };
            let actor = snapshot.actor(&admin(team)).unwrap();
            assert_eq!((actor.role, actor.team), (expected, team));
        }
        assert_eq!(Snapshot::default().actor(&session()), None);
    }
}
