//! The core's words as requests and answers spell them.

use nexus_core::{
    capabilities::Thinking,
    health::breaker,
    modality::Modality,
    need::Ability,
    policy::{Cause, Policy},
    price::{Kind as PriceKind, Tier},
    principal::Level,
    quota::{Measure, Mode, WhenAlone},
    role::Role,
    snapshot::{ShieldMode, Signing},
    usage::Pricing,
};
use nexus_store::repo::key::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $word:ident as $schema:ident for $core:ident { $($variant:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $schema)]
        pub enum $word { $($variant),+ }

        impl From<$core> for $word {
            fn from(core: $core) -> Self {
                match core { $($core::$variant => Self::$variant),+ }
            }
        }

        impl From<$word> for $core {
            fn from(word: $word) -> Self {
                match word { $($word::$variant => Self::$variant),+ }
            }
        }
    )+};
}

words! {
    /// The rank of a key: `admin` manages, `app` calls models, `session` calls them for a short time.
    LevelWord as Level for Level { Admin, App, Session }
    /// What somebody is in the administration.
    RoleWord as Role for Role { Viewer, Auditor, TeamAdmin, PlatformAdmin }
    /// What happens to a request whose structure looks like an attack.
    ShieldWord as Shield for ShieldMode { Off, Flag, Block }
    /// Whether a key's requests must, may or need not be signed.
    SigningWord as Signing for Signing { Off, Optional, Required }
    /// Whether a key is accepted, and if not, why. A key falls with its team, and a session key with its parent.
    StateWord as KeyState for State { Revoked, Expired, Retired, Disabled, Active }
    /// What a quota counts: requests, tokens, requests under way, or nano-USD.
    MeasureWord as Measure for Measure { Requests, Tokens, Concurrent, CostNanoUsd }
    /// What happens at a quota's limit: calls are refused, somebody is told, it is only counted, or calls are refused
    /// and streams ended.
    ModeWord as QuotaMode for Mode { Hard, Soft, Shadow, Cut }
    /// What becomes of a call while a node has too little of a shared quota and nobody can be asked for more: what the
    /// node is told to do, it is refused, or it is served.
    WhenAloneWord as QuotaWhenAlone for WhenAlone { Node, Refuse, Allow }
    /// The tier of service.
    TierWord as ServiceTier for Tier { Standard, Batch, Flex, Priority }
    /// Whether a cost is known.
    PricingWord as Pricing for Pricing { Unknown, Known, Partial, Free, Ceiling }
    /// How a price relates to others: it is the price, it only multiplies the one that would hold without it, or it is
    /// what usage is booked at where nobody has said a price.
    PriceKindWord as PriceKind for PriceKind { Absolute, Relative, Ceiling }
    /// How one of an alias's models is chosen: in turns by weight, the faster of two, the one with the fewest
    /// requests under way, the one that costs least, or the first that can.
    PolicyWord as RoutingPolicy for Policy { Weighted, LeastLatency, LeastBusy, Cheapest, Priority }
    /// Why another alias is asked instead.
    CauseWord as FallbackCause for Cause { ContextWindow, ContentPolicy, Failure, Budget }
    /// Something a model can do beside text.
    AbilityWord as Ability for Ability { Tools, Vision, Audio, JsonSchema }
    /// A form of what a model takes in or gives out.
    ModalityWord as Modality for Modality { Text, Image, Audio, Video, File }
    /// How a model is told how much to think: not at all, by a number of tokens, or by a word.
    ThinkingWord as Thinking for Thinking { None, Budget, Effort }
}

/// A circuit breaker: requests pass, none does, or one may see whether the provider is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Breaker)]
pub enum BreakerWord {
    Closed,
    Open,
    HalfOpen,
}

impl From<breaker::State> for BreakerWord {
    fn from(state: breaker::State) -> Self {
        match state {
            breaker::State::Closed => Self::Closed,
            breaker::State::Open { .. } => Self::Open,
            breaker::State::HalfOpen { .. } => Self::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_cores_own() {
        let spelled = |word: serde_json::Value| word.as_str().unwrap().to_owned();
        for level in Level::ALL {
            assert_eq!(spelled(serde_json::json!(LevelWord::from(level))), level.as_str());
        }
        for role in Role::ALL {
            assert_eq!(spelled(serde_json::json!(RoleWord::from(role))), role.as_str());
        }
        for state in State::ALL {
            assert_eq!(spelled(serde_json::json!(StateWord::from(state))), state.as_str());
        }
        for policy in Policy::ALL {
            assert_eq!(spelled(serde_json::json!(PolicyWord::from(policy))), policy.as_str());
        }
        for cause in Cause::ALL {
            assert_eq!(spelled(serde_json::json!(CauseWord::from(cause))), cause.as_str());
        }
        for ability in Ability::ALL {
            assert_eq!(spelled(serde_json::json!(AbilityWord::from(ability))), ability.as_str());
        }
        for modality in Modality::ALL {
            assert_eq!(spelled(serde_json::json!(ModalityWord::from(modality))), modality.as_str());
        }
        for thinking in Thinking::ALL {
            assert_eq!(spelled(serde_json::json!(ThinkingWord::from(thinking))), thinking.as_str());
        }
        for mode in [ShieldMode::Off, ShieldMode::Flag, ShieldMode::Block] {
            assert_eq!(spelled(serde_json::json!(ShieldWord::from(mode))), mode.as_str());
        }
        for measure in Measure::ALL {
            assert_eq!(spelled(serde_json::json!(MeasureWord::from(measure))), measure.as_str());
        }
        for mode in Mode::ALL {
            assert_eq!(spelled(serde_json::json!(ModeWord::from(mode))), mode.as_str());
        }
        for when in WhenAlone::ALL {
            assert_eq!(spelled(serde_json::json!(WhenAloneWord::from(when))), when.as_str());
        }
        for tier in Tier::ALL {
            assert_eq!(spelled(serde_json::json!(TierWord::from(tier))), tier.as_str());
        }
        for pricing in Pricing::ALL {
            assert_eq!(spelled(serde_json::json!(PricingWord::from(pricing))), pricing.as_str());
        }
        for mode in [Signing::Off, Signing::Optional, Signing::Required] {
            assert_eq!(spelled(serde_json::json!(SigningWord::from(mode))), mode.as_str());
        }
    }
}
