//! What providers say they billed, a row for each day and model, as it was imported last.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl, RunQueryDsl,
    dsl::{delete, insert_into},
};
use nexus_core::id::ProviderId;

use crate::{connection::AnyConnection, error::StoreError, schema::provider_bills};

/// Amounts in nano-USD by day (from the Unix epoch) and model.
pub type Bill = BTreeMap<(i64, String), i64>;

#[derive(Insertable)]
#[diesel(table_name = provider_bills)]
struct BillRow<'a> {
    provider_id: String,
    day: i64,
    real_model_name: &'a str,
    amount_nano_usd: i64,
    imported_at: i64,
}

/// Puts a bill in the place of what there was of its days.
pub fn import(
    conn: &mut AnyConnection,
    provider: ProviderId,
    bill: &Bill,
    now_ms: i64,
) -> Result<(), StoreError> {
    use provider_bills::dsl as row;
    let provider_id = provider.to_string();
    let days: BTreeSet<i64> = bill.keys().map(|(day, _)| *day).collect();
    for day in days {
        let of_day = row::provider_bills.filter(row::provider_id.eq(&provider_id).and(row::day.eq(day)));
        delete(of_day).execute(conn)?;
    }
    for ((day, real_model_name), amount_nano_usd) in bill {
        let (day, amount_nano_usd) = (*day, *amount_nano_usd);
        let provider_id = provider_id.clone();
        let row = BillRow { provider_id, day, real_model_name, amount_nano_usd, imported_at: now_ms };
        insert_into(provider_bills::table).values(&row).execute(conn)?;
    }
    Ok(())
}

/// What was billed for the days from one on and before another.
pub fn billed(
    conn: &mut AnyConnection,
    provider: ProviderId,
    first_day: i64,
    end_day: i64,
) -> Result<Bill, StoreError> {
    use provider_bills::dsl as row;
    let rows: Vec<(i64, String, i64)> = row::provider_bills
        .filter(row::provider_id.eq(provider.to_string()))
        .filter(row::day.ge(first_day).and(row::day.lt(end_day)))
        .select((row::day, row::real_model_name, row::amount_nano_usd))
        .load(conn)?;
    Ok(rows.into_iter().map(|(day, model, amount)| ((day, model), amount)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, repo::provider, sample};

    #[test]
    fn a_bill_takes_the_place_of_what_there_was_of_its_days() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let stored = sample::provider(7, "one");
        let id = stored.id;
        let bill = |rows: &[(i64, &str, i64)]| -> Bill {
            rows.iter().map(|(day, model, amount)| ((*day, (*model).to_owned()), *amount)).collect()
        };
        let (first, second) = (bill(&[(1, "a", 5), (1, "b", -2), (2, "a", 7)]), bill(&[(1, "c", 9)]));
        store
            .write_blocking(|conn| {
                provider::create(conn, &stored)?;
                import(conn, id, &first, 1)?;
                import(conn, id, &second, 2)
            })
            .unwrap();
        let billed = |from, until| store.read_blocking(|conn| billed(conn, id, from, until)).unwrap();
        assert_eq!(billed(0, 9), bill(&[(1, "c", 9), (2, "a", 7)]));
        assert_eq!(billed(2, 3), bill(&[(2, "a", 7)]));
    }
}
