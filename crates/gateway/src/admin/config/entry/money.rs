//! What models cost and who may use how much, as the configuration file says it: providers and teams by their names.

use std::collections::HashSet;

use nexus_config::settings;
use serde::{Deserialize, Serialize, de::IntoDeserializer};
use utoipa::ToSchema;

use crate::admin::{
    check::{Check, NameText},
    prices::PriceEntry,
    problem::Problem,
    quotas::{NewQuota, SubjectWord, WindowWord, hard, limit, node},
    words::{MeasureWord, ModeWord, WhenAloneWord},
};

/// A quota, with its team or its provider by name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfiguredQuota)]
pub struct QuotaEntry {
    #[schema(value_type = NameText)]
    pub name: String,
    pub subject: SubjectWord,
    /// The name of a team or a provider, the id of a key, or a pattern; none for the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub subject_value: Option<String>,
    pub measure: MeasureWord,
    pub window: WindowWord,
    #[serde(default, skip_serializing_if = "is_utc")]
    #[schema(default = 0, minimum = -720, maximum = 840)]
    pub utc_offset_minutes: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_622_400)]
    pub rolling_seconds: Option<u32>,
    #[serde(deserialize_with = "limit")]
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    pub limit: u64,
    #[serde(default = "hard")]
    #[schema(default = "hard")]
    pub mode: ModeWord,
    #[serde(default = "node", skip_serializing_if = "is_as_the_node")]
    #[schema(default = "node")]
    pub when_alone: WhenAloneWord,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_as_the_node(word: &WhenAloneWord) -> bool {
    *word == WhenAloneWord::Node
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_utc(minutes: &i32) -> bool {
    *minutes == 0
}

impl QuotaEntry {
    /// The same for the team or provider of this id, where it is for one.
    pub fn wish(self, id: Option<String>) -> NewQuota {
        NewQuota {
            name: self.name,
            subject: self.subject,
            subject_value: id.or(self.subject_value),
            measure: self.measure,
            window: self.window,
            utc_offset_minutes: self.utc_offset_minutes,
            time_zone: self.time_zone,
            rolling_seconds: self.rolling_seconds,
            limit: self.limit,
            mode: self.mode,
            when_alone: self.when_alone,
        }
    }

    fn of_file(file: settings::Quota) -> Option<Self> {
        let subject = word(&file.subject)?;
        let window = word(&file.window)?;
        Some(Self {
            name: file.name,
            subject,
            subject_value: file.subject_value,
            measure: file.measure.into(),
            window,
            utc_offset_minutes: file.utc_offset_minutes,
            time_zone: file.time_zone,
            rolling_seconds: file.rolling_seconds,
            limit: file.limit,
            mode: file.mode.into(),
            when_alone: file.when_alone.into(),
        })
    }
}

/// A word as it is written in requests.
fn word<'de, W: Deserialize<'de>>(text: &'de str) -> Option<W> {
    let text: serde::de::value::StrDeserializer<'de, serde::de::value::Error> = text.into_deserializer();
    W::deserialize(text).ok()
}

/// A price as it is to be.
pub struct OfferedPrice {
    /// Where its members stand, for what is told of them.
    pub place: String,
    pub entry: PriceEntry,
}

/// A quota as it is to be.
pub struct OfferedQuota {
    /// Where its members stand, for what is told of them.
    pub place: String,
    pub entry: QuotaEntry,
}

impl From<settings::Price> for OfferedPrice {
    fn from(file: settings::Price) -> Self {
        Self { place: format!("price of {}: ", file.real_name), entry: PriceEntry::of_file(file) }
    }
}

impl OfferedQuota {
    /// From a configuration file, which was checked.
    pub fn of_file(file: settings::Quota) -> Result<Self, Problem> {
        let place = format!("quota {}: ", file.name);
        let pointer = format!("{place}/subject");
        let entry = QuotaEntry::of_file(file);
        let entry = entry.ok_or_else(|| Problem::at(&pointer, "is no word this program knows"))?;
        Ok(Self { place, entry })
    }
}

/// The prices as they are to be; what stands there twice is told.
pub fn offered_prices(entries: Vec<PriceEntry>, check: &mut Check) -> Vec<OfferedPrice> {
    let mut known = HashSet::new();
    let mut offered = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let place = format!("/prices/{at}");
        if !known.insert(entry.scope()) {
            check.flaw(&format!("{place}/real_name"), "stands there twice for the same; write one price");
        }
        offered.push(OfferedPrice { place, entry });
    }
    offered
}

/// The quotas as they are to be.
pub fn offered_quotas(entries: Vec<QuotaEntry>) -> Vec<OfferedQuota> {
    let placed = |(at, entry)| OfferedQuota { place: format!("/quotas/{at}"), entry };
    entries.into_iter().enumerate().map(placed).collect()
}
