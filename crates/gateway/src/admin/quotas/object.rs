//! Quotas as requests and answers write them.

use nexus_core::{
    id::Uuid,
    quota::{Quota, Subject, Window, Zone},
};
use nexus_engine::hold::{Counter, Holder};
use nexus_store::repo::quota::StoredQuota;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

use crate::admin::{
    body::present,
    check::NameText,
    words::{MeasureWord, ModeWord, WhenAloneWord},
};

/// What a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuotaSubject)]
pub enum SubjectWord {
    Platform,
    Team,
    Key,
    Provider,
    Model,
    User,
    Tag,
}

impl SubjectWord {
    /// The word, and whom or what it names.
    pub fn of(subject: &Subject) -> (Self, Option<String>) {
        match subject {
            Subject::Platform => (Self::Platform, None),
            Subject::Team(id) => (Self::Team, Some(id.to_string())),
            Subject::Key(id) => (Self::Key, Some(id.to_string())),
            Subject::Provider(id) => (Self::Provider, Some(id.to_string())),
            Subject::Model(pattern) => (Self::Model, Some(pattern.as_str().to_owned())),
            Subject::User(pattern) => (Self::User, Some(pattern.as_str().to_owned())),
            Subject::Tag(pattern) => (Self::Tag, Some(pattern.as_str().to_owned())),
        }
    }
}

/// The time a quota is for: aligned with the calendar, rolling, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuotaWindow)]
pub enum WindowWord {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Rolling,
    Total,
}

impl WindowWord {
    pub fn of(window: &Window) -> Self {
        match window {
            Window::Minute => Self::Minute,
            Window::Hour { .. } => Self::Hour,
            Window::Day { .. } => Self::Day,
            Window::Week { .. } => Self::Week,
            Window::Month { .. } => Self::Month,
            Window::Rolling { .. } => Self::Rolling,
            Window::Total => Self::Total,
        }
    }
}

/// A quota.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaBody {
    id: Uuid,
    #[schema(value_type = NameText)]
    name: String,
    subject: SubjectWord,
    /// The team, key or provider, or a pattern of aliases, users or tags; none for the platform.
    subject_value: Option<String>,
    measure: MeasureWord,
    window: WindowWord,
    /// Where the calendar's days begin, in minutes east of UTC.
    utc_offset_minutes: i32,
    /// The place whose calendar it goes by, as IANA names it.
    time_zone: Option<String>,
    rolling_seconds: Option<u32>,
    limit: u64,
    mode: ModeWord,
    when_alone: WhenAloneWord,
    /// The team whose use it bounds, where that is one team's.
    team_id: Option<Uuid>,
    /// Whether that team set it itself.
    is_own: bool,
    /// The `ETag` without its quotes.
    version: i64,
    /// Unix seconds, as `updated_at`.
    created_at: i64,
    updated_at: i64,
}

impl QuotaBody {
    pub fn new(stored: &StoredQuota) -> Self {
        let Quota { id, name, subject, measure, window, limit, mode, when_alone } = &stored.quota;
        let (subject, subject_value) = SubjectWord::of(subject);
        let zone = window.zone();
        let rolling_seconds = window.rolling_ms().and_then(|ms| u32::try_from(ms.div_euclid(1000)).ok());
        Self {
            id: *id,
            name: name.to_string(),
            subject,
            subject_value,
            measure: (*measure).into(),
            window: WindowWord::of(window),
            utc_offset_minutes: zone.map_or(0, Zone::offset_minutes),
            time_zone: zone.and_then(Zone::name).map(str::to_owned),
            rolling_seconds,
            limit: *limit,
            mode: (*mode).into(),
            when_alone: (*when_alone).into(),
            team_id: stored.team.map(|team| team.0),
            is_own: stored.is_own,
            version: stored.version,
            created_at: stored.created_at_ms.div_euclid(1000),
            updated_at: stored.updated_at_ms.div_euclid(1000),
        }
    }
}

/// A quota to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuota {
    #[schema(value_type = NameText)]
    pub name: String,
    pub subject: SubjectWord,
    #[serde(default)]
    pub subject_value: Option<String>,
    pub measure: MeasureWord,
    pub window: WindowWord,
    #[serde(default)]
    #[schema(default = 0, minimum = -720, maximum = 840)]
    pub utc_offset_minutes: i32,
    /// In place of an offset: the place whose calendar it goes by, as IANA names it, its changes of the clocks
    /// included.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub time_zone: Option<String>,
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub rolling_seconds: Option<u32>,
    #[serde(deserialize_with = "limit")]
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    pub limit: u64,
    #[serde(default = "hard")]
    #[schema(default = "hard")]
    pub mode: ModeWord,
    #[serde(default = "node")]
    #[schema(default = "node")]
    pub when_alone: WhenAloneWord,
}

pub fn node() -> WhenAloneWord {
    WhenAloneWord::Node
}

pub fn hard() -> ModeWord {
    ModeWord::Hard
}

/// A limit a row can hold.
pub fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let limit = u64::deserialize(from)?;
    i64::try_from(limit).map(|_| limit).map_err(|_| D::Error::custom("is higher than any limit can be"))
}

fn limit_present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    limit(from).map(Some)
}

/// What is to be another in a quota; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = NameText, required = false)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "limit_present")]
    #[schema(value_type = u64, required = false, minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    pub limit: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ModeWord, required = false)]
    pub mode: Option<ModeWord>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = WhenAloneWord, required = false)]
    pub when_alone: Option<WhenAloneWord>,
}

/// How full a quota is on this node, and who holds what of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaHolders)]
pub struct HoldersBody {
    pub limit: u64,
    /// In the present window; of a quota for users or tags, by the one that used most.
    pub used: u64,
    /// Held for calls under way.
    pub reserved: u64,
    /// Of a quota for users or tags, what each of them has used: the fullest first, at most 1000.
    pub counters: Vec<CounterBody>,
    /// The oldest first, at most 1000.
    pub holders: Vec<HolderBody>,
}

/// A user or a tag, and what it has used.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaCounter)]
pub struct CounterBody {
    /// None: all there was no room for beside the others.
    name: Option<String>,
    /// Whose user or tag it is.
    team_id: Option<Uuid>,
    used: u64,
    reserved: u64,
}

impl CounterBody {
    pub fn new(counter: &Counter) -> Self {
        Self {
            name: counter.name.as_deref().map(str::to_owned),
            team_id: counter.team.map(|team| team.0),
            used: counter.level.used,
            reserved: counter.level.reserved,
        }
    }
}

/// A call under way and what it holds.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaHolder)]
pub struct HolderBody {
    request_id: Uuid,
    key_id: Uuid,
    amount: u64,
    /// Unix seconds, as `until`.
    since: i64,
    /// When it is released at the latest.
    until: i64,
}

impl HolderBody {
    pub fn new(holder: &Holder) -> Self {
        let Holder { reservation, amount } = holder;
        Self {
            request_id: reservation.request.0,
            key_id: reservation.key.0,
            amount: *amount,
            since: reservation.since_ms.div_euclid(1000),
            until: reservation.until_ms.div_euclid(1000),
        }
    }
}
