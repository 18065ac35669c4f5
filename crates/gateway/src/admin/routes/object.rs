//! Model routes as requests and answers write them.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use nexus_config::raw::WEIGHT_MAX;
use nexus_core::id::Uuid;
use nexus_store::repo::route::{PPM, StoredRoute};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AnyOfBuilder, Type},
    },
};

use super::{capabilities::CapabilitiesBody, fit::FitBody};
use crate::admin::{
    body::{object, present, present_object},
    providers::{TidyText, yes},
};

/// The largest multiplier, in millionths; the configuration file knows the same.
const PPM_MAX: i64 = 1000 * PPM;

/// The most regions a route has.
pub const REGIONS_MAX: usize = 64;

/// The schema of a model's name.
#[derive(ToSchema)]
#[schema(
    as = ModelName, min_length = 1, max_length = 512,
    pattern = r"^([!-~]([ -~]{0,510}[!-~])?|[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]{0,126}[^\s\x00-\x1f\x7f-\x9f])?)$"
)]
#[expect(dead_code, reason = "a schema and never a value")]
pub struct ModelText(String);

/// The schema of shares by region.
pub struct RegionShares;

impl PartialSchema for RegionShares {
    fn schema() -> RefOr<Schema> {
        let share = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0_usize))
            .maximum(usize::try_from(WEIGHT_MAX).ok());
        let shares = ObjectBuilder::new()
            .schema_type(Type::Object)
            .max_properties(Some(REGIONS_MAX))
            .additional_properties(Some(Schema::from(share)));
        match TidyText::schema() {
            RefOr::T(name) => shares.property_names(Some(name)).into(),
            RefOr::Ref(_) => shares.into(),
        }
    }
}

impl ToSchema for RegionShares {
    fn name() -> Cow<'static, str> {
        "RegionShares".into()
    }
}

/// A multiplier in millionths; text or a number in requests, text in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier(pub i64);

/// The provider's own price.
pub fn one() -> Multiplier {
    Multiplier(PPM)
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.div_euclid(PPM), self.0.rem_euclid(PPM));
        let text = format!("{whole}.{part:06}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Multiplier {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Multiplier {
    /// From 0 to 1000, with at most six decimals.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || whole.len() > 4 || part.len() > 6 {
            return None;
        }
        let ppm = format!("{whole}{part:0<6}").parse().ok()?;
        (ppm <= PPM_MAX).then_some(Self(ppm))
    }
}

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Decimal)
    }
}

struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = Multiplier;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1000 with at most six decimals, such as \"1.25\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Multiplier, E> {
        Multiplier::parse(text)
            .ok_or_else(|| E::custom(format!("is not {}", &self as &dyn serde::de::Expected)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Multiplier, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Multiplier, E> {
        self.visit_str(&number.to_string())
    }
}

impl PartialSchema for Multiplier {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^([0-9]{1,3}(\.[0-9]{1,6})?|1000(\.0{1,6})?)$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0.0))
            .maximum(Some(1000.0))
            .multiple_of(Some(0.000_001));
        AnyOfBuilder::new()
            .item(text)
            .item(number)
            .description(Some("What the provider's price is multiplied by; answers have it as text."))
            .into()
    }
}

impl ToSchema for Multiplier {
    fn name() -> Cow<'static, str> {
        "CostMultiplier".into()
    }
}

/// An alias and one model that stands behind it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ModelRoute)]
pub struct RouteBody {
    pub id: Uuid,
    /// The name applications use; `*` takes every name no other alias takes.
    #[schema(value_type = ModelText)]
    pub alias: String,
    pub provider_id: Uuid,
    /// The provider's name of the model; `*` hands on the name that was asked for.
    #[schema(value_type = ModelText)]
    pub real_name: String,
    /// None: the provider's.
    pub weight: Option<u32>,
    /// Models of a lower tier go before those of a higher, as long as one of them can.
    pub tier: u32,
    pub fit: FitBody,
    pub capabilities: CapabilitiesBody,
    pub cost_multiplier: Multiplier,
    /// Requests a minute to this model at this provider.
    pub rate_limit: Option<u32>,
    /// Tokens a minute, of prompts and answers together.
    pub token_limit: Option<u32>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// The provider's regions, each with its share.
    #[schema(value_type = RegionShares)]
    pub region_weights: BTreeMap<String, u32>,
    pub is_active: bool,
    /// The `ETag` without its quotes.
    pub version: i64,
    /// Unix seconds, as `updated_at`.
    pub created_at: i64,
    pub updated_at: i64,
}

impl From<&StoredRoute> for RouteBody {
    fn from(route: &StoredRoute) -> Self {
        Self {
            id: route.id.0,
            alias: route.alias.clone(),
            provider_id: route.provider.0,
            real_name: route.real_model.clone(),
            weight: route.weight,
            tier: route.tier,
            fit: FitBody::from(&route.fit),
            capabilities: CapabilitiesBody::from(&route.capabilities),
            cost_multiplier: Multiplier(route.cost_multiplier_ppm),
            rate_limit: route.rate_limit,
            token_limit: route.token_limit,
            max_concurrent: route.max_concurrent,
            region_weights: route.region_weights.clone(),
            is_active: route.is_active,
            version: route.version,
            created_at: route.created_at_ms.div_euclid(1000),
            updated_at: route.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A model route to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoute {
    #[schema(value_type = ModelText)]
    pub alias: String,
    pub provider_id: Uuid,
    /// The alias, where it is left away.
    #[serde(default)]
    #[schema(value_type = Option<ModelText>, nullable = false)]
    pub real_name: Option<String>,
    /// Takes the place of the provider's.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub weight: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000, default = 0)]
    pub tier: u32,
    #[serde(default, deserialize_with = "object")]
    #[schema(required = false, value_type = FitBody)]
    pub fit: FitBody,
    #[serde(default, deserialize_with = "object")]
    #[schema(required = false, value_type = CapabilitiesBody)]
    pub capabilities: CapabilitiesBody,
    #[serde(default = "one")]
    #[schema(required = false)]
    pub cost_multiplier: Multiplier,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<u32>,
    #[serde(default)]
    #[schema(value_type = RegionShares, required = false)]
    pub region_weights: BTreeMap<String, u32>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_active: bool,
}

/// What is to be another in a model route; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutePatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ModelText, required = false)]
    pub alias: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Uuid, required = false)]
    pub provider_id: Option<Uuid>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ModelText, required = false)]
    pub real_name: Option<String>,
    /// `null`: the provider's from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 0, maximum = 1_000_000)]
    pub weight: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, minimum = 0, maximum = 1000)]
    pub tier: Option<u32>,
    #[serde(default, deserialize_with = "present_object")]
    #[schema(value_type = FitBody, required = false)]
    pub fit: Option<FitBody>,
    /// All of them.
    #[serde(default, deserialize_with = "present_object")]
    #[schema(value_type = CapabilitiesBody, required = false)]
    pub capabilities: Option<CapabilitiesBody>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Multiplier, required = false)]
    pub cost_multiplier: Option<Multiplier>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub rate_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub token_limit: Option<Option<u32>>,
    /// `null` takes the limit away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 1_000_000_000)]
    pub max_concurrent: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = RegionShares, required = false)]
    pub region_weights: Option<BTreeMap<String, u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    pub is_active: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiplier_is_read_exactly_and_shown_as_short_as_can_be() {
        for (json, expected) in [
            ("1", Some((1_000_000, "1"))),
            ("0", Some((0, "0"))),
            ("1.25", Some((1_250_000, "1.25"))),
            ("0.1", Some((100_000, "0.1"))),
            ("0.000001", Some((1, "0.000001"))),
            ("\"1.50\"", Some((1_500_000, "1.5"))),
            ("\"10\"", Some((10_000_000, "10"))),
            ("1000", Some((1_000_000_000, "1000"))),
            ("1000.000001", None),
            ("0.0000001", None),
            ("-1", None),
            ("\"1e3\"", None),
            ("\"\"", None),
            ("\".5\"", None),
            ("null", None),
            ("true", None),
        ] {
            let read = serde_json::from_str::<Multiplier>(json).ok();
            assert_eq!(read.map(|read| read.0), expected.map(|(ppm, _)| ppm), "{json}");
            if let (Some(read), Some((_, shown))) = (read, expected) {
                assert_eq!(read.to_string(), shown);
            }
        }
    }
}
