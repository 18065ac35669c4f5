//! A usage record as bytes: a version, then postcard's form of serde's mirror of types that know no serde.
//!
//! The mirrors are checked against the real types by the compiler, so a new field or variant cannot be
//! forgotten here. The form has no names: what came after the first version stands in [`More`], behind what
//! the first had, and is only ever added to, with a new version, since a journal may have been written by
//! the program before this one.

use std::{borrow::Cow, sync::Arc};

use nexus_core::{
    call::Operation,
    fault::Class,
    id::{AttemptId, KeyId, ProviderId, RequestId, TeamId},
    label::Labels,
    policy::Policy,
    price::Tier,
    resource::Family,
    usage::{
        Cost, Doubt, Outcome, Passed, PassedOver, Pricing, Quantity, Repeat, Source, Trace, Usage,
        UsageRecord,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(test)]
mod tests;

/// The first byte of every payload. No byte of a text, so that text is never taken for a record.
const VERSION: u8 = 0xa5;
/// Of records that end before [`Traced`].
const FOURTH_VERSION: u8 = 0xa4;
/// Of records that end before [`Told`].
const THIRD_VERSION: u8 = 0xa3;
/// Of records that end before [`Spent`].
const SECOND_VERSION: u8 = 0xa2;
/// Of records that end before [`More`].
const FIRST_VERSION: u8 = 0xa1;

/// Whether a payload may begin with this byte.
pub(super) fn is_version(byte: u8) -> bool {
    matches!(byte, VERSION | FOURTH_VERSION | THIRD_VERSION | SECOND_VERSION | FIRST_VERSION)
}

pub(super) fn write(record: &UsageRecord, buffer: &mut Vec<u8>) -> postcard::Result<()> {
    buffer.push(VERSION);
    let buffer = postcard::to_io(&Written(record), buffer)?;
    let buffer = postcard::to_io(&More::of(record), buffer)?;
    let buffer = postcard::to_io(&Spent::of(record), buffer)?;
    let buffer = postcard::to_io(&Told::of(record), buffer)?;
    let buffer = postcard::to_io(&Traced::of(record), buffer)?;
    postcard::to_io(&Passing::of(record), buffer).map(|_| ())
}

pub(super) fn read(payload: &[u8]) -> postcard::Result<UsageRecord> {
    let (version, bytes) = payload.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    let (Read(mut record), bytes) = postcard::take_from_bytes(bytes)?;
    if !is_version(*version) {
        return Err(postcard::Error::DeserializeBadEncoding);
    }
    let mut bytes = bytes;
    if *version >= SECOND_VERSION {
        let (more, rest) = postcard::take_from_bytes::<More>(bytes)?;
        more.add_to(&mut record)?;
        bytes = rest;
    }
    if *version >= THIRD_VERSION {
        let (spent, rest) = postcard::take_from_bytes::<Spent>(bytes)?;
        record.cost = spent.cost()?;
        bytes = rest;
    }
    if *version >= FOURTH_VERSION {
        let (told, rest) = postcard::take_from_bytes::<Told>(bytes)?;
        told.add_to(&mut record);
        bytes = rest;
    }
    if *version >= VERSION {
        let (traced, rest) = postcard::take_from_bytes::<Traced>(bytes)?;
        record.trace = traced.trace()?;
        let (passing, rest) = postcard::take_from_bytes::<Passing>(rest)?;
        record.passed_over = passing.read();
        bytes = rest;
    }
    if bytes.is_empty() { Ok(record) } else { Err(postcard::Error::DeserializeBadEncoding) }
}

/// What the first version did not have.
#[derive(Serialize, Deserialize)]
struct More {
    /// Codes and counts of the quantities beyond the first.
    counts: Vec<(u8, u64)>,
    #[serde(with = "doubt_or_none")]
    doubt: Option<Doubt>,
}

impl More {
    fn of(record: &UsageRecord) -> Self {
        let counts = record.usage.counts().map(|(quantity, count)| (quantity.code(), count));
        let counts = counts.filter(|(code, _)| usize::from(*code) >= first_quantities::COUNT).collect();
        Self { counts, doubt: record.doubt }
    }

    fn add_to(self, record: &mut UsageRecord) -> postcard::Result<()> {
        for (code, count) in self.counts {
            let quantity = Quantity::of_code(code).ok_or(postcard::Error::DeserializeBadEncoding)?;
            record.usage = record.usage.with(quantity, count);
        }
        record.doubt = self.doubt;
        Ok(())
    }
}

/// What the second version did not have. Words by their place among all there are.
#[derive(Serialize, Deserialize)]
struct Spent {
    nano_usd: u64,
    pricing: u8,
    #[serde(with = "shared_or_none")]
    rule: Option<Arc<str>>,
    tier: u8,
}

impl Spent {
    fn of(record: &UsageRecord) -> Self {
        let Cost { nano_usd, pricing, rule, tier, multiplier_ppm: _ } = &record.cost;
        Self {
            nano_usd: *nano_usd,
            pricing: place(&Pricing::ALL, *pricing),
            rule: rule.clone(),
            tier: place(&Tier::ALL, *tier),
        }
    }

    fn cost(self) -> postcard::Result<Cost> {
        let pricing = Pricing::ALL.get(usize::from(self.pricing)).copied();
        let tier = Tier::ALL.get(usize::from(self.tier)).copied();
        Ok(Cost {
            nano_usd: self.nano_usd,
            pricing: pricing.ok_or(postcard::Error::DeserializeBadEncoding)?,
            rule: self.rule,
            tier: tier.ok_or(postcard::Error::DeserializeBadEncoding)?,
            multiplier_ppm: None,
        })
    }
}

/// What the third version did not have.
#[derive(Serialize, Deserialize)]
struct Told {
    #[serde(with = "shared_or_none")]
    region: Option<Arc<str>>,
    multiplier_ppm: Option<u64>,
    user: Option<Box<str>>,
    tags: Vec<Box<str>>,
}

impl Told {
    fn of(record: &UsageRecord) -> Self {
        let Labels { user, tags } = record.labels.clone();
        let multiplier_ppm = record.cost.multiplier_ppm;
        Self { region: record.region.clone(), multiplier_ppm, user, tags }
    }

    fn add_to(self, record: &mut UsageRecord) {
        let Self { region, multiplier_ppm, user, tags } = self;
        record.region = region;
        record.cost.multiplier_ppm = multiplier_ppm;
        record.labels = Labels { user, tags };
    }
}

/// What the fourth version did not have.
#[derive(Serialize, Deserialize)]
struct Traced {
    policy: Option<u8>,
    #[serde(with = "shared_or_none")]
    route: Option<Arc<str>>,
    before_us: u64,
    request_bytes: u64,
    answer_bytes: u64,
}

impl Traced {
    fn of(record: &UsageRecord) -> Self {
        let Trace { policy, route, before_us, request_bytes, answer_bytes } = record.trace.clone();
        let policy = policy.map(|policy| place(&Policy::ALL, policy));
        Self { policy, route, before_us, request_bytes, answer_bytes }
    }

    fn trace(self) -> postcard::Result<Trace> {
        let Self { policy, route, before_us, request_bytes, answer_bytes } = self;
        let read = |place: u8| {
            let policy = Policy::ALL.get(usize::from(place)).copied();
            policy.ok_or(postcard::Error::DeserializeBadEncoding)
        };
        let policy = policy.map(read).transpose()?;
        Ok(Trace { policy, route, before_us, request_bytes, answer_bytes })
    }
}

/// The same: whom its choice passed over.
#[derive(Serialize, Deserialize)]
struct Passing {
    first: Vec<PassedMirror>,
    more: u32,
}

#[derive(Serialize, Deserialize)]
struct PassedMirror {
    #[serde(with = "shared")]
    provider: Arc<str>,
    #[serde(with = "shared")]
    model: Arc<str>,
    #[serde(with = "shared_or_none")]
    region: Option<Arc<str>>,
    why: Cow<'static, str>,
}

impl Passing {
    fn of(record: &UsageRecord) -> Self {
        let PassedOver { first, more } = &record.passed_over;
        let mirror = |passed: &Passed| {
            let Passed { provider, model, region, why } = passed.clone();
            PassedMirror { provider, model, region, why }
        };
        Self { first: first.iter().map(mirror).collect(), more: *more }
    }

    fn read(self) -> PassedOver {
        let passed = |PassedMirror { provider, model, region, why }| Passed { provider, model, region, why };
        PassedOver { first: self.first.into_iter().map(passed).collect(), more: self.more }
    }
}

fn place<T: PartialEq>(all: &[T], one: T) -> u8 {
    all.iter().position(|other| *other == one).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

struct Written<'a>(&'a UsageRecord);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RecordMirror::serialize(self.0, serializer)
    }
}

struct Read(UsageRecord);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RecordMirror::deserialize(deserializer).map(Read)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UsageRecord")]
struct RecordMirror {
    #[serde(with = "number")]
    attempt: AttemptId,
    #[serde(with = "number")]
    request: RequestId,
    attempt_number: u32,
    #[serde(with = "number")]
    key: KeyId,
    #[serde(with = "number_or_none")]
    team: Option<TeamId>,
    #[serde(with = "OperationMirror")]
    operation: Operation,
    #[serde(with = "shared")]
    alias: Arc<str>,
    #[serde(with = "number")]
    provider: ProviderId,
    #[serde(with = "shared")]
    provider_name: Arc<str>,
    #[serde(with = "shared")]
    real_model: Arc<str>,
    #[serde(skip)]
    region: Option<Arc<str>>,
    is_stream: bool,
    #[serde(with = "OutcomeMirror")]
    outcome: Outcome,
    status: u16,
    #[serde(with = "first_quantities")]
    usage: Usage,
    #[serde(with = "SourceMirror")]
    source: Source,
    #[serde(skip)]
    doubt: Option<Doubt>,
    #[serde(skip)]
    cost: Cost,
    raw_usage: Option<Box<str>>,
    provider_request_id: Option<Box<str>>,
    started_at_ms: i64,
    first_token_us: Option<u64>,
    duration_us: u64,
    #[serde(skip)]
    labels: Labels,
    #[serde(skip)]
    trace: Trace,
    #[serde(skip)]
    passed_over: PassedOver,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Operation")]
enum OperationMirror {
    ChatCompletions,
    Embeddings,
    Messages,
    Responses,
    Completions,
    Moderations,
    ImageGenerations,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
    Resources(#[serde(with = "FamilyMirror")] Family),
    GenerateContent,
    Rerank,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Family")]
enum FamilyMirror {
    Files,
    Uploads,
    Batches,
    FineTuning,
    Evals,
    VectorStores,
    Assistants,
    Threads,
    Conversations,
    Completions,
    Responses,
    Videos,
    Containers,
    Skills,
    Chatkit,
    Voices,
    Provenance,
    Organization,
    Realtime,
    Relay,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Source")]
enum SourceMirror {
    Provider,
    Estimated,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome")]
enum OutcomeMirror {
    Answered,
    Failed(#[serde(with = "ClassMirror")] Class),
    Abandoned,
    Outrun,
    Repeated(#[serde(with = "RepeatMirror")] Repeat),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Repeat")]
enum RepeatMirror {
    Cached,
    Coalesced,
    Replayed,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Class")]
enum ClassMirror {
    BadRequest,
    ContextLength,
    ContentFilter,
    TooLarge,
    Credential,
    Billing,
    ModelNotFound,
    RateLimited,
    Overloaded,
    Internal,
    Connect,
    Forbidden,
    Timeout,
    Reset,
    Truncated,
    Framing,
    BadAnswer,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Doubt")]
enum DoubtMirror {
    Nonsense,
    PartBeyondWhole,
    TotalDiffers,
    Missing,
}

mod doubt_or_none {
    use nexus_core::usage::Doubt;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::DoubtMirror;

    #[derive(Serialize, Deserialize)]
    struct Stored(#[serde(with = "DoubtMirror")] Doubt);

    pub(super) fn serialize<S: Serializer>(doubt: &Option<Doubt>, serializer: S) -> Result<S::Ok, S::Error> {
        doubt.map(Stored).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Doubt>, D::Error> {
        Ok(Option::<Stored>::deserialize(deserializer)?.map(|Stored(doubt)| doubt))
    }
}

/// The quantities of the first version, one count each.
mod first_quantities {
    use nexus_core::usage::{Quantity, Usage};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) const COUNT: usize = 7;

    fn all() -> impl Iterator<Item = Quantity> {
        Quantity::ALL.into_iter().take(COUNT)
    }

    pub(super) fn serialize<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
        let mut counts = [0; COUNT];
        for (slot, quantity) in counts.iter_mut().zip(all()) {
            *slot = usage.of(quantity);
        }
        counts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usage, D::Error> {
        let counts = <[u64; COUNT]>::deserialize(deserializer)?;
        Ok(all().zip(counts).fold(Usage::default(), |usage, (quantity, count)| usage.with(quantity, count)))
    }
}

/// Ids as their 128 bits.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<T: Copy + Into<Uuid>, S: Serializer>(
        id: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (*id).into().as_u128().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: From<Uuid>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        u128::deserialize(deserializer).map(|bits| Uuid::from_u128(bits).into())
    }
}

mod number_or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<T: Copy + Into<Uuid>, S: Serializer>(
        id: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.map(|id| id.into().as_u128()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: From<Uuid>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<u128>::deserialize(deserializer).map(|bits| bits.map(|bits| Uuid::from_u128(bits).into()))
    }
}

mod shared_or_none {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        text: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}

mod shared {
    use std::{borrow::Cow, sync::Arc};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        Cow::<str>::deserialize(deserializer).map(Arc::from)
    }
}
