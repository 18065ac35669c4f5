//! Prices as requests and answers write them.

use std::borrow::Cow;

use nexus_core::{
    catalogue::Target,
    id::Uuid,
    price::{Price, RATE_MAX, Rate, Rates},
    usage::{Pricing, Quantity},
};
use nexus_engine::pricing::Priced;
use nexus_store::repo::price::StoredPrice;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::admin::{
    check::NameText,
    routes::{ModelText, Multiplier},
    words::{PriceKindWord, PricingWord, TierWord},
};

/// A quantity by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityWord(pub Quantity);

impl Serialize for QuantityWord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for QuantityWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = Cow::<str>::deserialize(from)?;
        Quantity::of_word(&word).map(Self).ok_or_else(|| D::Error::custom("is no quantity that is counted"))
    }
}

impl PartialSchema for QuantityWord {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Quantity::ALL.map(Quantity::as_str)))
            .description(Some("What is counted; the quantities never overlap."))
            .into()
    }
}

impl ToSchema for QuantityWord {
    fn name() -> Cow<'static, str> {
        "Quantity".into()
    }
}

/// What a million units of a quantity cost.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rate)]
pub struct RateBody {
    quantity: QuantityWord,
    /// The tier of service it is for; `standard` holds for tiers without a rate of their own.
    #[serde(default = "standard")]
    #[schema(default = "standard")]
    tier: TierWord,
    /// The rate holds for requests that send at least so many tokens, those from the cache among them.
    #[serde(default)]
    #[schema(default = 0, maximum = 4_294_967_295_u64)]
    from_tokens: u32,
    #[serde(deserialize_with = "rate")]
    #[schema(minimum = 0, maximum = 100_000_000_000_000_000_u64)]
    nano_usd_per_million: u64,
}

fn standard() -> TierWord {
    TierWord::Standard
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let rate = u64::deserialize(from)?;
    if rate <= RATE_MAX { Ok(rate) } else { Err(D::Error::custom("is higher than any rate can be")) }
}

pub fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    rate(from)
}

impl From<&RateBody> for Rate {
    fn from(body: &RateBody) -> Self {
        Self {
            quantity: body.quantity.0,
            tier: body.tier.into(),
            from_tokens: body.from_tokens.into(),
            nano_usd_per_million: body.nano_usd_per_million,
        }
    }
}

impl From<&Rate> for RateBody {
    fn from(rate: &Rate) -> Self {
        Self {
            quantity: QuantityWord(rate.quantity),
            tier: rate.tier.into(),
            from_tokens: u32::try_from(rate.from_tokens).unwrap_or(u32::MAX),
            nano_usd_per_million: rate.nano_usd_per_million,
        }
    }
}

/// A price of a model from a moment on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Price)]
pub struct PriceBody {
    id: Uuid,
    /// The provider's name of the model.
    #[schema(value_type = ModelText)]
    real_name: String,
    /// None: wherever the model is had.
    provider_id: Option<Uuid>,
    /// The vendor's region it is for; none: all of them.
    region: Option<String>,
    kind: PriceKindWord,
    rates: Vec<RateBody>,
    /// For each request, whatever it used.
    per_request_nano_usd: u64,
    is_free: bool,
    /// What was negotiated; none: 1.
    multiplier: Option<Multiplier>,
    /// Usage from this moment on costs this; Unix seconds.
    valid_from: i64,
    /// When it became known; what was booked before was booked without it. Unix seconds.
    created_at: i64,
}

impl PriceBody {
    pub fn new(price: &StoredPrice) -> Self {
        let ppm = price.multiplier_ppm.map(|ppm| i64::try_from(ppm).unwrap_or(i64::MAX));
        Self {
            id: price.id,
            real_name: price.real_model.clone(),
            provider_id: price.provider.map(|provider| provider.0),
            region: price.region.clone(),
            kind: price.kind.into(),
            rates: price.rates.iter().map(Into::into).collect(),
            per_request_nano_usd: price.per_request_nano_usd,
            is_free: price.is_free,
            multiplier: ppm.map(Multiplier),
            valid_from: price.valid_from_ms.div_euclid(1000),
            created_at: price.created_at_ms.div_euclid(1000),
        }
    }
}

/// A price to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// `*` is every model.
    #[schema(value_type = ModelText)]
    pub real_name: String,
    #[serde(default)]
    pub provider_id: Option<Uuid>,
    /// The vendor's region it is for; none: all of them.
    #[serde(default)]
    #[schema(value_type = Option<NameText>)]
    pub region: Option<String>,
    #[serde(default = "absolute")]
    #[schema(default = "absolute")]
    pub kind: PriceKindWord,
    #[serde(default)]
    #[schema(max_items = 128)]
    pub rates: Vec<RateBody>,
    #[serde(default, deserialize_with = "amount")]
    #[schema(default = 0, minimum = 0, maximum = 100_000_000_000_000_000_u64)]
    pub per_request_nano_usd: u64,
    /// Must be said of a price without rates: nothing is never free by accident.
    #[serde(default)]
    #[schema(default = false)]
    pub is_free: bool,
    #[serde(default)]
    pub multiplier: Option<Multiplier>,
    /// Unix seconds; none: now. Nothing that is booked changes.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    pub valid_from: Option<i64>,
}

pub fn absolute() -> PriceKindWord {
    PriceKindWord::Absolute
}

/// What the targets of an alias cost now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = EffectivePrices)]
pub struct EffectiveBody {
    pub alias: String,
    pub targets: Vec<TargetPrice>,
}

/// What a target costs now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetPrice {
    provider_id: Uuid,
    provider: String,
    region: Option<String>,
    real_name: String,
    pricing: PricingWord,
    /// The price that says so: one that was set here, or the shipped catalogue's.
    rule: Option<String>,
    rates: Vec<RateBody>,
    per_request_nano_usd: u64,
    /// By what all of this is multiplied: the route's multiplier, the price's own and those of relative prices.
    multipliers: Vec<Multiplier>,
}

/// A target as it is priced.
pub fn target(target: &Target, model: &str, priced: &Priced) -> TargetPrice {
    let (pricing, rates): (_, Option<&Rates>) = match &priced.price {
        Price::Known(rates) if priced.is_ceiling => (Pricing::Ceiling, Some(rates)),
        Price::Known(rates) => (Pricing::Known, Some(rates)),
        Price::Free => (Pricing::Free, None),
        Price::Unknown => (Pricing::Unknown, None),
    };
    TargetPrice {
        provider_id: target.provider.id.0,
        provider: target.provider.name.to_string(),
        region: target.region.as_deref().map(str::to_owned),
        real_name: model.to_owned(),
        pricing: pricing.into(),
        rule: rates.map(|rates| rates.rule.to_string()),
        rates: rates.into_iter().flat_map(Rates::iter).map(Into::into).collect(),
        per_request_nano_usd: rates.map_or(0, |rates| rates.per_request),
        multipliers: priced
            .multipliers()
            .map(|ppm| Multiplier(i64::try_from(ppm).unwrap_or(i64::MAX)))
            .collect(),
    }
}
