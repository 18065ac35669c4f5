//! What only one node at a time does: whoever has a job's lease does it, until the lease ends or is given back.
//!
//! A token rises with every new holder. What a job changes it changes in a transaction that asks whether the token
//! still holds, so a node that slept through its own end changes nothing.

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, RunQueryDsl, update};

use crate::{connection::AnyConnection, error::StoreError, schema::job_leases, upsert};

/// Takes or renews a job's lease, or says that another node has it. The token is the same as long as one node keeps
/// it.
pub fn take(
    conn: &mut AnyConnection,
    job: &str,
    node: &str,
    lease_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let now_ms = upsert::clock_ms(conn)?;
    let until_ms = now_ms.saturating_add(lease_ms);
    if upsert::new_job_lease(conn, job, node, until_ms)? > 0 {
        return Ok(Some(1));
    }
    let row = job_leases::table.filter(job_leases::job.eq(job));
    let own = row.filter(job_leases::node_id.eq(node).and(job_leases::until.gt(now_ms)));
    if update(own).set(job_leases::until.eq(until_ms)).execute(conn)? == 0 {
        let over = row.filter(job_leases::until.le(now_ms));
        let values = (
            job_leases::node_id.eq(node),
            job_leases::token.eq(job_leases::token + 1),
            job_leases::until.eq(until_ms),
        );
        if update(over).set(values).execute(conn)? == 0 {
            return Ok(None);
        }
    }
    let own = row.filter(job_leases::node_id.eq(node)).select(job_leases::token);
    Ok(own.first(conn).optional()?)
}

/// Whether a token still holds; asked in the transaction that changes something.
pub fn holds(conn: &mut AnyConnection, job: &str, token: i64) -> Result<bool, StoreError> {
    let now_ms = upsert::clock_ms(conn)?;
    let row = job_leases::table.find(job).select((job_leases::token, job_leases::until));
    let row: Option<(i64, i64)> = row.first(conn).optional()?;
    Ok(row.is_some_and(|(there, until_ms)| there == token && now_ms < until_ms))
}

/// Gives back what a node has, so that others need not wait for its end. Tokens go on from where they are.
pub fn give_back(conn: &mut AnyConnection, node: &str) -> Result<(), StoreError> {
    let own = job_leases::table.filter(job_leases::node_id.eq(node));
    update(own).set(job_leases::until.eq(0)).execute(conn)?;
    Ok(())
}

/// Who has which job, by its name.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<(String, String)>, StoreError> {
    let now_ms = upsert::clock_ms(conn)?;
    let rows = job_leases::table.filter(job_leases::until.gt(now_ms)).order(job_leases::job);
    Ok(rows.select((job_leases::job, job_leases::node_id)).load(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Store;

    #[test]
    fn one_node_at_a_time_has_a_job_and_its_token_is_of_no_use_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let take =
            |node: &str, lease_ms| store.write_blocking(|conn| take(conn, "upkeep", node, lease_ms)).unwrap();
        let holds = |token| store.read_blocking(|conn| holds(conn, "upkeep", token)).unwrap();
        assert_eq!(take("a", 60_000), Some(1));
        assert_eq!(take("b", 60_000), None);
        assert_eq!(take("a", 60_000), Some(1), "it is renewed");
        assert!(holds(1));
        assert_eq!(store.read_blocking(list).unwrap(), [("upkeep".to_owned(), "a".to_owned())]);
        store.write_blocking(|conn| give_back(conn, "a")).unwrap();
        assert!(!holds(1));
        assert_eq!(take("b", 0), Some(2));
        assert!(!holds(1) && !holds(2), "a lease that is over holds nothing");
        assert_eq!(take("a", 60_000), Some(3));
        assert!(holds(3));
        let change = |token| store.fenced("upkeep", token).write_blocking(|conn| give_back(conn, "a"));
        assert!(matches!(change(2), Err(StoreError::Fenced("upkeep"))));
        assert!(holds(3), "whoever slept through the end of a lease changes nothing");
        change(3).unwrap();
    }
}
