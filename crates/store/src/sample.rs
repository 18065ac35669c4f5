//! Small whole records for tests, told apart by a number.

use nexus_core::{
    call::Operation,
    capabilities::Capabilities,
    endpoint::Template,
    id::{AttemptId, CredentialId, KeyId, ProviderId, RequestId, RouteId, TeamId, UserId, Uuid},
    label::Labels,
    need::Fit,
    principal::Level,
    role::Role,
    scope::{Pattern, Scope},
    site::Options,
    snapshot::ShieldMode,
    usage::{Cost, Outcome, PassedOver, Pricing, Quantity, Source, Trace, Usage, UsageRecord},
};

use crate::repo::{
    credential::{Credential, SealedSecret},
    key::Key,
    provider::{SealedText, StoredProvider},
    route::{PPM, StoredRoute},
    team::Team,
    usage::UsageTotals,
    user::User,
};

pub(crate) fn uuid(number: u64) -> Uuid {
    Uuid::from_u128(number.into())
}

pub(crate) fn team(number: u64, name: &str) -> Team {
    Team {
        id: TeamId(uuid(number)),
        name: name.to_owned(),
        is_active: true,
        scope: Scope::default(),
        shield: ShieldMode::default(),
        bounds: Default::default(),
        content_ttl_seconds: None,
        throttle: None,
        raw_relay: false,
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

/// A scope of one model pattern.
pub(crate) fn scope(models: &str) -> Scope {
    Scope { models: Some(vec![Pattern::parse(models).unwrap()]), ..Scope::default() }
}

pub(crate) fn key(number: u64) -> Key {
    Key {
        name: "laptop".to_owned(),
        token_last_four: "wxyz".to_owned(),
        expires_at_ms: Some(1000),
        ..Key::plain(KeyId(uuid(number)), Level::App, 1)
    }
}

pub(crate) fn user(number: u64) -> User {
    User {
        id: UserId(uuid(number)),
        email: format!("{number}@one.example"),
        name: "Ada".to_owned(),
        password: None,
        identity: None,
        role: Role::Viewer,
        team: None,
        is_active: true,
        last_login_at_ms: None,
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

pub(crate) fn provider(number: u64, name: &str) -> StoredProvider {
    StoredProvider {
        id: ProviderId(uuid(number)),
        name: name.to_owned(),
        kind: "openai".to_owned(),
        endpoint: Template::parse("https://one.example/v1").unwrap(),
        options: Options::default(),
        weight: 100,
        rate_limit: Some(60),
        token_limit: None,
        max_concurrent: None,
        allow_private_network: false,
        is_active: true,
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

pub(crate) fn credential(number: u64, provider: ProviderId) -> Credential {
    Credential {
        id: CredentialId(uuid(number)),
        provider,
        name: number.to_string(),
        secret: secret(&format!("v2.data-1.{number}"), 0),
        weight: 100,
        rate_limit: None,
        is_active: true,
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

pub(crate) fn secret(sealed: &str, generation: i64) -> SealedSecret {
    SealedSecret {
        sealed: SealedText(sealed.to_owned()),
        generation,
        last_four: "wxyz".to_owned(),
        fingerprint: "f00d".to_owned(),
    }
}

pub(crate) fn route(number: u64, alias: &str, provider: ProviderId) -> StoredRoute {
    StoredRoute {
        id: RouteId(uuid(number)),
        alias: alias.to_owned(),
        provider,
        real_model: "gpt-4".to_owned(),
        cost_multiplier_ppm: PPM,
        rate_limit: None,
        token_limit: None,
        max_concurrent: None,
        region_weights: [].into(),
        is_active: true,
        weight: None,
        tier: 0,
        fit: Fit::default(),
        capabilities: Capabilities::default(),
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

pub(crate) fn record(number: u64) -> UsageRecord {
    UsageRecord {
        attempt: AttemptId(uuid(number)),
        request: RequestId(uuid(number + 1_000_000)),
        attempt_number: 1,
        key: KeyId(uuid(5)),
        team: Some(TeamId(uuid(6))),
        operation: Operation::ChatCompletions,
        alias: "nexus-gpt4".into(),
        provider: ProviderId(uuid(7)),
        provider_name: "azure".into(),
        real_model: "gpt-4".into(),
        region: None,
        is_stream: true,
        outcome: Outcome::Answered,
        status: 200,
        usage: usage(&[number]),
        source: Source::Provider,
        doubt: None,
        cost: Cost { nano_usd: number, pricing: Pricing::Known, ..Cost::default() },
        raw_usage: Some(format!("{{\"total_tokens\":{number}}}").into()),
        provider_request_id: Some("req_1".into()),
        started_at_ms: 1_700_000_000_000 + number as i64,
        first_token_us: Some(250),
        duration_us: 9_000 + number,
        labels: Labels::default(),
        trace: Trace::default(),
        passed_over: PassedOver::default(),
    }
}

/// What [`record`]s of these numbers add up to in the ledger.
pub(crate) fn totals(numbers: &[u64]) -> UsageTotals {
    UsageTotals {
        attempts: numbers.len() as u64,
        usage: usage(numbers),
        charged_nano_usd: numbers.iter().sum(),
        ..UsageTotals::default()
    }
}

/// What [`record`]s of these numbers used together.
pub(crate) fn usage(numbers: &[u64]) -> Usage {
    let sum = numbers.iter().sum();
    let count = numbers.len() as u64;
    Usage::default()
        .with(Quantity::Input, sum)
        .with(Quantity::CacheRead, count)
        .with(Quantity::Output, 2 * sum)
        .with(Quantity::Reasoning, 3 * count)
}
