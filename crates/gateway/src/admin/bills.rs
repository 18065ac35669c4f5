//! What providers say they billed, beside what the ledger says they did.

mod table;

use std::collections::BTreeMap;

use nexus_core::id::{ProviderId, Uuid};
use nexus_store::repo::{
    audit::day_name,
    bill::{self, Bill},
    provider,
    usage::{By, Only, Step, Wanted, report},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::{Recorded, Told},
    body::Json,
    call::{Call, found},
    change::{Change, Halt},
    problem::Problem,
    query::Filter,
    usage::{DAY_S, MAX_S, UsageRow, held},
};

const DAY_MS: i64 = DAY_S * 1000;

/// A provider's bill.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BillImport {
    provider_id: Uuid,
    /// With a head that names `date` (`yyyy-mm-dd`, UTC), `model` and `amount_usd`; other columns are passed over. Rows of one day and model are added up.
    #[schema(min_length = 1, max_length = 4_000_000)]
    csv: String,
}

/// What was taken in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BillImported {
    provider_id: Uuid,
    days: u64,
    /// Days and models.
    rows: u64,
    nano_usd: i64,
}

/// Takes a bill in; it takes the place of what was taken in for its days before.
pub async fn import(call: Call<(), Json<BillImport>>) -> Result<Recorded<Told<BillImported>>, Problem> {
    let Json(BillImport { provider_id, csv }) = &call.body;
    let bill = table::read(csv).map_err(|flaw| Problem::at("/csv", flaw))?;
    let (provider_id, now_ms) = (*provider_id, call.now_ms());
    call.change("provider_bill.import", move |conn| {
        let provider = ProviderId(provider_id);
        if provider::show(conn, provider)?.is_none() {
            return Err(Halt::from(Problem::at("/provider_id", "there is no such provider")));
        }
        bill::import(conn, provider, &bill, now_ms)?;
        let days: std::collections::BTreeSet<i64> = bill.keys().map(|(day, _)| *day).collect();
        let imported = BillImported {
            provider_id,
            days: u64::try_from(days.len()).unwrap_or(u64::MAX),
            rows: u64::try_from(bill.len()).unwrap_or(u64::MAX),
            nano_usd: bill.values().fold(0, |sum, amount| sum.saturating_add(*amount)),
        };
        Ok(Change::of("provider", provider_id, None, Told(imported.clone())).to(&imported))
    })
    .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReconciliationFilter {
    provider_id: Uuid,
    /// Unix seconds, cut to the day (UTC).
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    from: i64,
    /// Unix seconds, not included, cut to the day; at most 400 days later.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    until: i64,
}

/// Where a bill and the ledger differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reconciliation {
    provider_id: Uuid,
    /// As the ledger says, of days that were billed.
    booked_nano_usd: i64,
    billed_nano_usd: i64,
    /// Billed and not booked; less than nothing where more was booked.
    difference_nano_usd: i64,
    /// The oldest day first.
    rows: Vec<ReconciliationRow>,
}

/// A day and a model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationRow {
    /// `yyyy-mm-dd`, UTC.
    day: String,
    /// The provider's name of it.
    model: String,
    attempts: u64,
    /// Attempts whose cost nobody knows.
    unpriced: u64,
    /// What teams and the platform bear.
    booked_nano_usd: i64,
    /// None: nothing was taken in for this day and model.
    billed_nano_usd: Option<i64>,
    difference_nano_usd: i64,
}

pub async fn reconciliation(
    call: Call<Filter<ReconciliationFilter>>,
) -> Result<Told<Reconciliation>, Problem> {
    let Filter(ReconciliationFilter { provider_id, from, until }) = &call.query;
    held(*from, *until, MAX_S)?;
    let (provider, provider_id) = (ProviderId(*provider_id), *provider_id);
    let (first, end) = (from.div_euclid(DAY_S), until.div_euclid(DAY_S));
    let wanted = Wanted {
        by: vec![By::Model],
        from_ms: first.saturating_mul(DAY_MS),
        until_ms: end.saturating_mul(DAY_MS),
        step: Step::Day,
        only: Only { provider_id: Some(provider), ..Only::default() },
    };
    let told = call.read(move |conn| {
        let known = provider::show(conn, provider)?;
        Ok((known, report(conn, &wanted)?, bill::billed(conn, provider, first, end)?))
    });
    let (known, booked, billed) = told.await?;
    found(known)?;
    let booked = booked.into_iter().map(|((at_ms, of), sums)| {
        let row = UsageRow::new(at_ms, of, &sums);
        ((at_ms.div_euclid(DAY_MS), row.of.clone().unwrap_or_default()), row)
    });
    Ok(Told(reconcile(provider_id, booked.collect(), billed)))
}

fn reconcile(
    provider_id: Uuid,
    mut booked: BTreeMap<(i64, String), UsageRow>,
    billed: Bill,
) -> Reconciliation {
    let billed_days: std::collections::BTreeSet<i64> = billed.keys().map(|(day, _)| *day).collect();
    let mut all = Reconciliation {
        provider_id,
        booked_nano_usd: 0,
        billed_nano_usd: 0,
        difference_nano_usd: 0,
        rows: Vec::new(),
    };
    let mut keys: Vec<(i64, String)> = booked.keys().chain(billed.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let row = booked.remove(&key);
        let cost = row.as_ref().map_or(0, |row| row.charged_nano_usd.saturating_add(row.absorbed_nano_usd));
        let (cost, bill) = (i64::try_from(cost).unwrap_or(i64::MAX), billed.get(&key).copied());
        let difference = bill.unwrap_or(0).saturating_sub(cost);
        if billed_days.contains(&key.0) {
            all.booked_nano_usd = all.booked_nano_usd.saturating_add(cost);
            all.billed_nano_usd = all.billed_nano_usd.saturating_add(bill.unwrap_or(0));
            all.difference_nano_usd = all.difference_nano_usd.saturating_add(difference);
        }
        all.rows.push(ReconciliationRow {
            day: day_name(key.0.saturating_mul(DAY_MS)),
            model: key.1,
            attempts: row.as_ref().map_or(0, |row| row.attempts),
            unpriced: row.as_ref().map_or(0, |row| row.unpriced),
            booked_nano_usd: cost,
            billed_nano_usd: bill,
            difference_nano_usd: difference,
        });
    }
    all
}
