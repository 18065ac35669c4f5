//! Quotas as requests and answers write them.

use nexus_core::{
    id::Uuid,
    quota::{Quota, Reservation, Subject, Window},
};
use nexus_store::repo::quota::StoredQuota;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

use crate::admin::{
    body::present,
    check::NameText,
    words::{MeasureWord, ModeWord},
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

/// A quota.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaBody {
    id: Uuid,
    #[schema(value_type = NameText)]
    name: String,
    subject: SubjectWord,
    /// The team, key or provider, or a pattern of aliases; none for the platform.
    subject_value: Option<String>,
    measure: MeasureWord,
    window: WindowWord,
    /// Where the calendar's days begin, in minutes east of UTC.
    utc_offset_minutes: i32,
    rolling_seconds: Option<u32>,
    limit: u64,
    mode: ModeWord,
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
        let Quota { id, name, subject, measure, window, limit, mode } = &stored.quota;
        let (subject, subject_value) = match subject {
            Subject::Platform => (SubjectWord::Platform, None),
            Subject::Team(id) => (SubjectWord::Team, Some(id.to_string())),
            Subject::Key(id) => (SubjectWord::Key, Some(id.to_string())),
            Subject::Provider(id) => (SubjectWord::Provider, Some(id.to_string())),
            Subject::Model(pattern) => (SubjectWord::Model, Some(pattern.as_str().to_owned())),
        };
        let (window, utc_offset_minutes, rolling_seconds) = match *window {
            Window::Minute => (WindowWord::Minute, 0, None),
            Window::Hour { offset_minutes } => (WindowWord::Hour, offset_minutes, None),
            Window::Day { offset_minutes } => (WindowWord::Day, offset_minutes, None),
            Window::Week { offset_minutes } => (WindowWord::Week, offset_minutes, None),
            Window::Month { offset_minutes } => (WindowWord::Month, offset_minutes, None),
            Window::Rolling { ms } => (WindowWord::Rolling, 0, u32::try_from(ms.div_euclid(1000)).ok()),
            Window::Total => (WindowWord::Total, 0, None),
        };
        Self {
            id: *id,
            name: name.to_string(),
            subject,
            subject_value,
            measure: (*measure).into(),
            window,
            utc_offset_minutes,
            rolling_seconds,
            limit: *limit,
            mode: (*mode).into(),
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
    #[serde(default)]
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub rolling_seconds: Option<u32>,
    #[serde(deserialize_with = "limit")]
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    pub limit: u64,
    #[serde(default = "hard")]
    #[schema(default = "hard")]
    pub mode: ModeWord,
}

fn hard() -> ModeWord {
    ModeWord::Hard
}

/// A limit a row can hold.
fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
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
}

/// How full a quota is on this node, and who holds what of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaHolders)]
pub struct HoldersBody {
    pub limit: u64,
    /// In the present window.
    pub used: u64,
    /// Held for calls under way.
    pub reserved: u64,
    /// The oldest first, at most 1000.
    pub holders: Vec<HolderBody>,
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
    pub fn new(holder: &Reservation, quota: Uuid) -> Self {
        Self {
            request_id: holder.request.0,
            key_id: holder.key.0,
            amount: holder.of(quota),
            since: holder.since_ms.div_euclid(1000),
            until: holder.until_ms.div_euclid(1000),
        }
    }
}
