//! What a team wishes about its keys of which something looks wrong.

use std::borrow::Cow;

use nexus_core::anomaly::throttle::{MINUTES_MAX, REASONS, REQUESTS_MAX, Wish};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::admin::check::Check;

/// The word of an anomaly that tells of one key, in the description.
pub struct ReasonText;

impl PartialSchema for ReasonText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(REASONS))
            .description(Some("The word of an anomaly that tells of one key."))
            .into()
    }
}

impl ToSchema for ReasonText {
    fn name() -> Cow<'static, str> {
        "ThrottleReason".into()
    }
}

/// What keys are held to, for how long and for which reasons.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TeamThrottle)]
pub struct ThrottleBody {
    /// Words of anomalies that tell of one key, such as `usage_rate` and `usage_cost`.
    #[schema(value_type = Vec<ReasonText>, min_items = 1, max_items = 8)]
    reasons: Vec<String>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    requests_per_minute: u32,
    #[schema(minimum = 1, maximum = 10_080)]
    minutes: u32,
}

impl ThrottleBody {
    pub fn new(wish: &Wish) -> Self {
        let Wish { reasons, requests_per_minute, minutes } = wish.clone();
        Self { reasons, requests_per_minute, minutes }
    }

    /// The wish; what is not right with it is told.
    pub fn checked(&self, check: &mut Check, at: &str) -> Wish {
        let known = |reason: &String| REASONS.contains(&reason.as_str());
        if self.reasons.is_empty() || self.reasons.len() > REASONS.len() || !self.reasons.iter().all(known) {
            let known: Vec<_> = REASONS.iter().map(|reason| format!("`{reason}`")).collect();
            check.flaw(&format!("{at}/reasons"), format!("must be one or several of {}", known.join(", ")));
        }
        check.within(
            &format!("{at}/requests_per_minute"),
            self.requests_per_minute.into(),
            1,
            REQUESTS_MAX.into(),
        );
        check.within(&format!("{at}/minutes"), self.minutes.into(), 1, MINUTES_MAX.into());
        let Self { reasons, requests_per_minute, minutes } = self.clone();
        Wish { reasons, requests_per_minute, minutes }
    }
}
