//! Who bears what: what teams, or the values of a tag, used themselves, and their share of what is nobody's.

use nexus_core::split::split;
use nexus_store::repo::usage::{By, Only, Step, Wanted, report};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{DAY_S, MAX_S, UsageRow, held};
use crate::admin::{answer::Told, call::Call, problem::Problem, query::Filter};

/// How shared costs are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedSplit {
    /// By what each used itself.
    Proportional,
    /// The same for each.
    Even,
    /// Not at all.
    None,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AllocationFilter {
    /// Unix seconds, cut to the day (UTC).
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    from: i64,
    /// Unix seconds, not included, cut to the day; at most 400 days later.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    until: i64,
    /// How what is nobody's is split; none: by what each used itself.
    #[param(inline, nullable = false)]
    shared: Option<SharedSplit>,
    /// Allocate to the values of tags `KEY:VALUE` of this key; none: to teams. A call should bear one of them: with two it counts twice.
    #[param(nullable = false, max_length = 64)]
    tag_key: Option<String>,
}

/// Who bears what.
#[derive(Debug, Serialize, ToSchema)]
pub struct Allocation {
    /// Unix seconds, as `until`.
    from: i64,
    until: i64,
    /// What was used by nobody in particular, and what failed attempts cost.
    shared_nano_usd: u64,
    /// All of it together.
    total_nano_usd: u64,
    rows: Vec<AllocationRow>,
}

/// What one bears.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllocationRow {
    /// The team's id, or the tag's value.
    of: String,
    requests: u64,
    /// What it used itself.
    direct_nano_usd: u64,
    /// Its part of what is shared.
    shared_nano_usd: u64,
    nano_usd: u64,
}

/// What is shared is nobody's in particular, so this is the platform's.
pub async fn allocation(call: Call<Filter<AllocationFilter>>) -> Result<Told<Allocation>, Problem> {
    let Filter(AllocationFilter { from, until, shared, tag_key }) = &call.query;
    held(*from, *until, MAX_S)?;
    let day = |at_s: i64| at_s.saturating_sub(at_s.rem_euclid(DAY_S));
    let (from, until) = (day(*from), day(*until));
    let wanted = |by| Wanted {
        by: vec![by],
        from_ms: from.saturating_mul(1000),
        until_ms: until.saturating_mul(1000),
        step: Step::Total,
        only: Only::default(),
    };
    let (of_all, of_labels) = (wanted(By::Team), tag_key.as_ref().map(|_| wanted(By::Tag)));
    let read = call.read(move |conn| {
        let labelled = of_labels.map(|wanted| report(conn, &wanted)).transpose()?;
        Ok((report(conn, &of_all)?, labelled))
    });
    let (all, labelled) = read.await?;
    let rows = |report: nexus_store::repo::usage::Report| {
        report.into_iter().map(|((at_ms, of), sums)| UsageRow::new(at_ms, of, &sums)).collect::<Vec<_>>()
    };
    let all = rows(all);
    let total = all.iter().fold(0_u64, |sum, row| {
        sum.saturating_add(row.charged_nano_usd).saturating_add(row.absorbed_nano_usd)
    });
    let direct: Vec<UsageRow> = match (labelled, tag_key) {
        (Some(labelled), Some(key)) => {
            let value = |row: UsageRow| {
                let of = row.of.as_ref()?.strip_prefix(key.as_str())?.strip_prefix(':')?.to_owned();
                Some(UsageRow { of: Some(of), ..row })
            };
            rows(labelled).into_iter().filter_map(value).collect()
        }
        _ => all.into_iter().filter(|row| row.of.is_some()).collect(),
    };
    let allocated = allocate(direct, total, shared.unwrap_or(SharedSplit::Proportional));
    Ok(Told(Allocation { from, until, ..allocated }))
}

fn allocate(direct: Vec<UsageRow>, total: u64, how: SharedSplit) -> Allocation {
    let own: Vec<u64> = direct.iter().map(|row| row.charged_nano_usd).collect();
    let shared = total.saturating_sub(own.iter().fold(0, |sum, own| sum.saturating_add(*own)));
    let parts = match how {
        SharedSplit::Proportional => split(shared, &own),
        SharedSplit::Even => split(shared, &vec![1; own.len()]),
        SharedSplit::None => vec![0; own.len()],
    };
    let row = |(row, part): (UsageRow, u64)| AllocationRow {
        of: row.of.unwrap_or_default(),
        requests: row.requests,
        direct_nano_usd: row.charged_nano_usd,
        shared_nano_usd: part,
        nano_usd: row.charged_nano_usd.saturating_add(part),
    };
    Allocation {
        from: 0,
        until: 0,
        shared_nano_usd: shared,
        total_nano_usd: total,
        rows: direct.into_iter().zip(parts).map(row).collect(),
    }
}
