//! Usage as a file, a row for each day and everything it is told apart by: plain CSV, or FOCUS, the words of
//! FinOps tools.
//!
//! Days are read one after another as the client takes them, so a year takes no more memory than a day.

use std::{collections::HashMap, io};

use nexus_core::usage::Quantity;
use nexus_store::{
    Store, StoreError, csv,
    repo::{
        audit::day_name,
        team,
        usage::{By, Only, Report, Step, Wanted, report},
    },
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{DAY_S, MAX_S, UsageRow, held};
use crate::admin::{
    answer::{Kinds, Pieces, Text},
    call::Call,
    problem::Problem,
    query::Filter,
};

const DAY_MS: i64 = DAY_S * 1000;
/// What a row is told apart by.
const BY: [By; 7] = [By::Team, By::Key, By::Alias, By::Provider, By::Model, By::Operation, By::Status];

/// What the file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UsageFormat)]
pub enum Format {
    /// RFC 4180, with a head; a cell a spreadsheet would take for a formula has an apostrophe in front.
    Csv,
    /// The columns of FOCUS 1.2, as CSV. Every cost is what was charged; what was absorbed stands in a column of its own.
    Focus,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExportFilter {
    #[param(inline)]
    format: Format,
    /// Unix seconds, cut to the day (UTC).
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    from: i64,
    /// Unix seconds, not included, cut to the day; at most 400 days later.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    until: i64,
}

pub struct UsageFile;

impl Kinds for UsageFile {
    const MEDIA_TYPES: &'static [&'static str] = &["text/csv; charset=utf-8"];
}

/// A team admin takes the own team's usage.
pub async fn export(call: Call<Filter<ExportFilter>>) -> Result<Text<UsageFile>, Problem> {
    let Filter(ExportFilter { format, from, until }) = &call.query;
    held(*from, *until, MAX_S)?;
    let name = match format {
        Format::Csv => "usage.csv",
        Format::Focus => "usage-focus-1.2.csv",
    };
    let days = from.div_euclid(DAY_S)..until.div_euclid(DAY_S);
    let export = Export {
        store: call.admin().store.clone(),
        format: *format,
        only: Only { team: call.caller.reach.team(), ..Only::default() },
    };
    let [media_type] = UsageFile::MEDIA_TYPES else {
        return Err(crate::admin::problem::Kind::Internal.into());
    };
    let text = Text::written(media_type, async move |pieces| export.write(days, &pieces).await);
    Ok(text.named(name.to_owned()))
}

struct Export {
    store: Store,
    format: Format,
    only: Only,
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl Export {
    async fn write(&self, days: std::ops::Range<i64>, to: &Pieces) -> Result<(), ExportError> {
        let mut piece = Vec::new();
        match self.format {
            Format::Csv => csv::row(&mut piece, head().iter().copied())?,
            Format::Focus => csv::row(&mut piece, FOCUS)?,
        }
        let teams = match self.format {
            Format::Csv => Vec::new(),
            Format::Focus => self.store.read(team::list).await?,
        };
        let teams: HashMap<String, String> =
            teams.into_iter().map(|team| (team.id.to_string(), team.name)).collect();
        for day in days {
            let from_ms = day.saturating_mul(DAY_MS);
            let wanted = Wanted {
                by: BY.to_vec(),
                from_ms,
                until_ms: from_ms.saturating_add(DAY_MS),
                step: Step::Day,
                only: self.only.clone(),
            };
            let report = self.store.read(move |conn| report(conn, &wanted)).await?;
            self.rows(report, &teams, &mut piece)?;
            to.send(std::mem::take(&mut piece)).await?;
        }
        Ok(to.send(piece).await?)
    }

    fn rows(&self, report: Report, teams: &HashMap<String, String>, to: &mut Vec<u8>) -> io::Result<()> {
        for ((at_ms, of), sums) in report {
            let of: Vec<String> = of.into_iter().map(Option::unwrap_or_default).collect();
            let row = UsageRow::new(at_ms, Vec::new(), &sums);
            let cells = match self.format {
                Format::Csv => plain(at_ms, &of, &row),
                Format::Focus => focus(at_ms, &of, teams, &row),
            };
            csv::row(to, cells.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

/// What stands before the quantities.
const HEAD: [&str; 14] = [
    "day",
    "team_id",
    "key_id",
    "alias",
    "provider",
    "model",
    "operation",
    "status",
    "requests",
    "attempts",
    "failed",
    "unpriced",
    "charged_nano_usd",
    "absorbed_nano_usd",
];

fn head() -> Vec<&'static str> {
    HEAD.into_iter().chain(Quantity::ALL.map(Quantity::as_str)).collect()
}

fn plain(at_ms: i64, of: &[String], row: &UsageRow) -> Vec<String> {
    let sums =
        [row.requests, row.attempts, row.failed, row.unpriced, row.charged_nano_usd, row.absorbed_nano_usd];
    let quantity = |word: &str| row.quantities.get(word).copied().unwrap_or_default();
    let numbers = sums.into_iter().chain(Quantity::ALL.map(|one| quantity(one.as_str())));
    let begin = [day_name(at_ms)].into_iter().chain(of.iter().cloned());
    begin.chain(numbers.map(|number| number.to_string())).collect()
}

/// The columns of FOCUS 1.2 that apply, and ours, which begin with `x_`.
const FOCUS: [&str; 39] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "x_Alias",
    "x_Status",
    "x_Requests",
    "x_PromptTokens",
    "x_CompletionTokens",
    "x_AbsorbedCost",
    "x_UnpricedAttempts",
];

fn focus(at_ms: i64, of: &[String], teams: &HashMap<String, String>, row: &UsageRow) -> Vec<String> {
    let of = |at: usize| of.get(at).cloned().unwrap_or_default();
    let (team, key, alias, provider, model, operation, status) =
        (of(0), of(1), of(2), of(3), of(4), of(5), of(6));
    let cost = usd(row.charged_nano_usd);
    let tokens = row.prompt_tokens.saturating_add(row.completion_tokens).to_string();
    let (month, next_month) = months(at_ms);
    let moment = |day: String| format!("{day}T00:00:00Z");
    let team_name = teams.get(&team).cloned().unwrap_or_default();
    let sub_account_type = if team.is_empty() { "" } else { "Team" };
    let word = str::to_owned;
    vec![
        cost.clone(),
        word("nexus"),
        word("NexusAI"),
        word("USD"),
        moment(next_month),
        moment(month),
        word("Usage"),
        String::new(),
        format!("{operation} of {model} at {provider}"),
        word("Usage-Based"),
        moment(day_name(at_ms.saturating_add(DAY_MS))),
        moment(day_name(at_ms)),
        tokens.clone(),
        word("Tokens"),
        cost.clone(),
        cost.clone(),
        provider.clone(),
        cost,
        word("Standard"),
        tokens,
        word("Tokens"),
        provider.clone(),
        provider,
        key,
        word("API key"),
        word("AI and Machine Learning"),
        model.clone(),
        word("Generative AI"),
        model,
        team,
        team_name,
        word(sub_account_type),
        alias,
        status,
        row.requests.to_string(),
        row.prompt_tokens.to_string(),
        row.completion_tokens.to_string(),
        usd(row.absorbed_nano_usd),
        row.unpriced.to_string(),
    ]
}

/// A dollar's decimal, exact to the nano-dollar.
pub fn usd(nano_usd: u64) -> String {
    let (whole, part) = (nano_usd / 1_000_000_000, nano_usd % 1_000_000_000);
    let text = format!("{whole}.{part:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The first day of a moment's month and of the one after.
fn months(at_ms: i64) -> (String, String) {
    let day = day_name(at_ms);
    let month = day.get(..7).unwrap_or_default();
    // no month is longer than 31 days, and none shorter than 28
    let day_of_month: i64 = day.get(8..).and_then(|day| day.parse().ok()).unwrap_or(1);
    let beyond = at_ms.saturating_add(DAY_MS.saturating_mul(32_i64.saturating_sub(day_of_month)));
    let next = day_name(beyond);
    (format!("{month}-01"), format!("{}-01", next.get(..7).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (at_ms, month, next) in [
            (1_709_164_800_000, "2024-02-01", "2024-03-01"),
            (1_706_659_200_000, "2024-01-01", "2024-02-01"),
            (1_735_603_200_000, "2024-12-01", "2025-01-01"),
        ] {
            assert_eq!(months(at_ms), (month.to_owned(), next.to_owned()));
        }
    }

    #[test]
    fn a_dollar_is_written_exactly() {
        for (nano_usd, text) in [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (10_000_000_000, "10")]
        {
            assert_eq!(usd(nano_usd), text);
        }
    }

    #[test]
    fn a_row_has_a_cell_for_every_column() {
        let row = UsageRow::new(0, Vec::new(), &[("input".to_owned(), 7)].into());
        let of = vec![String::new(); BY.len()];
        assert_eq!(plain(0, &of, &row).len(), head().len());
        assert_eq!(focus(0, &of, &HashMap::new(), &row).len(), FOCUS.len());
        assert_eq!(focus(0, &of, &HashMap::new(), &row)[12], "7");
    }
}
