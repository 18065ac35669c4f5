//! What models cost and who may use how much, as the configuration file says it.

use std::collections::HashMap;

use nexus_core::{
    id::ProviderId,
    quota::{Quota, Subject, Zone},
};
use nexus_store::repo::{price::StoredPrice, quota::StoredQuota};
use serde::Serialize;

use super::{Names, quoted};
use crate::admin::{
    config::entry::QuotaEntry,
    prices::PriceEntry,
    quotas::{SubjectWord, WindowWord},
};

/// The names of providers.
pub(super) type Providers = HashMap<ProviderId, String>;

/// The prices that are in force.
pub(super) fn prices(
    in_force: &[StoredPrice],
    providers: &Providers,
    left_out: &mut Vec<String>,
) -> Vec<PriceEntry> {
    let mut prices = Vec::new();
    for price in in_force {
        if price.provider.is_some_and(|provider| !providers.contains_key(&provider)) {
            let model = quoted(&price.real_model);
            left_out.push(format!("price of {model}: its provider stands in no file"));
            continue;
        }
        prices.push(PriceEntry::new(price, providers));
    }
    prices
}

/// The quotas that the platform set, but those of keys.
pub(super) fn quotas(
    stored: Vec<StoredQuota>,
    (names, providers): (&Names, &Providers),
    left_out: &mut Vec<String>,
) -> Vec<QuotaEntry> {
    let mut quotas = Vec::new();
    for StoredQuota { quota, is_own, .. } in stored {
        match entry(&quota, names, providers) {
            _ if is_own => left_out.push(format!("quota {}: its team set it itself", quoted(&quota.name))),
            Some(entry) => quotas.push(entry),
            None => left_out.push(format!("quota {}: what it is for stands in no file", quoted(&quota.name))),
        }
    }
    quotas
}

fn entry(quota: &Quota, names: &Names, providers: &Providers) -> Option<QuotaEntry> {
    let (subject, subject_value) = match &quota.subject {
        Subject::Platform => (SubjectWord::Platform, None),
        Subject::Team(id) => (SubjectWord::Team, Some(names.get(id)?.clone())),
        Subject::Provider(id) => (SubjectWord::Provider, Some(providers.get(id)?.clone())),
        Subject::Model(pattern) => (SubjectWord::Model, Some(pattern.as_str().to_owned())),
        Subject::User(pattern) => (SubjectWord::User, Some(pattern.as_str().to_owned())),
        Subject::Tag(pattern) => (SubjectWord::Tag, Some(pattern.as_str().to_owned())),
        Subject::Key(_) => return None,
    };
    let zone = quota.window.zone();
    Some(QuotaEntry {
        name: quota.name.to_string(),
        subject,
        subject_value,
        measure: quota.measure.into(),
        window: WindowWord::of(&quota.window),
        utc_offset_minutes: zone.map_or(0, Zone::offset_minutes),
        time_zone: zone.and_then(Zone::name).map(str::to_owned),
        rolling_seconds: quota.window.rolling_ms().and_then(|ms| u32::try_from(ms.div_euclid(1000)).ok()),
        limit: quota.limit,
        mode: quota.mode.into(),
        when_alone: quota.when_alone.into(),
    })
}

/// An entry of a list, each as one line of JSON, which YAML reads too.
pub(super) fn write<T: Serialize>(out: &mut String, name: &str, entries: &[T]) {
    if !entries.is_empty() {
        out.push_str(&format!("{name}:\n"));
    }
    for entry in entries {
        let line = serde_json::to_string(entry).unwrap_or_default();
        out.push_str("  - ");
        for c in line.chars() {
            // what YAML takes for the end of a line, or for nothing
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
        }
        out.push('\n');
    }
}
