//! Identities: UUIDs (version 7, so that they sort by age), one type for each kind of thing.
//!
//! Ids are made at the edges, where there is a clock and entropy; here they are only carried.

use std::{fmt, str::FromStr};

pub use uuid::Uuid;

macro_rules! identities {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

identities! {
    /// A team: the tenant everything belongs to.
    TeamId,
    /// A key of any level; it is the token's `jti`.
    KeyId,
    /// A person who signs in to the console.
    UserId,
    /// A provider as configured: one account at one vendor.
    ProviderId,
    /// One of a provider's credentials.
    CredentialId,
    /// A model route: one alias standing for one real model at one provider.
    RouteId,
    /// A routing rule: what is set for an alias beside its targets.
    RuleId,
    /// One call by an application. Shown as `x-request-id`.
    RequestId,
    /// One try at one provider on behalf of a request; the ledger's idempotency key.
    AttemptId,
}
