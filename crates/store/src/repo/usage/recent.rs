//! The last calls of one key.

use std::collections::HashMap;

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use nexus_core::{
    id::KeyId,
    usage::{Pricing, Usage},
};

use super::{
    correct::{self, Corrected},
    fact::usage,
    rows::first_id,
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{usage_attempts, usage_contexts},
};

/// An attempt as its caller may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub request: String,
    /// Place among the request's attempts, from 1.
    pub number: i64,
    pub alias: String,
    pub operation: String,
    pub status: i64,
    pub outcome: String,
    pub usage: Usage,
    /// `None`: nobody knows.
    pub cost_nano_usd: Option<i64>,
    pub started_at_ms: i64,
    pub first_token_us: Option<i64>,
    pub duration_us: i64,
}

type Words = (String, String, String, String, String, String);
type Numbers = (i64, i64, i64, i64, Option<i64>, i64);

/// The key's attempts since a moment, newest first. Looks at everybody's since then: it should not be long ago.
pub fn recent(
    conn: &mut AnyConnection,
    key: KeyId,
    since_ms: i64,
    limit: i64,
) -> Result<Vec<Call>, StoreError> {
    use usage_attempts::dsl as a;
    use usage_contexts::dsl as c;
    let rows: Vec<(String, Words, Numbers)> = a::usage_attempts
        .inner_join(usage_contexts::table)
        .filter(c::key_id.eq(key.to_string()))
        .filter(a::attempt_id.ge(first_id(since_ms)))
        .order(a::attempt_id.desc())
        .limit(limit)
        .select((
            a::attempt_id,
            (a::request_id, c::model_alias, c::operation, a::outcome, a::quantities, a::pricing),
            (
                a::attempt_number,
                a::status,
                a::cost_nano_usd,
                a::started_at,
                a::first_token_us,
                a::duration_us,
            ),
        ))
        .load(conn)?;
    let corrected = match (rows.last(), rows.first()) {
        (Some((oldest, ..)), Some((newest, ..))) => correct::between(conn, oldest, newest)?,
        _ => HashMap::new(),
    };
    let call = |(id, words, numbers): (String, Words, Numbers)| {
        let (request, alias, operation, outcome, quantities, pricing) = words;
        let (number, status, cost, started_at_ms, first_token_us, duration_us) = numbers;
        let booked = Corrected::of_row(&(cost, pricing, None));
        let now = corrected.get(&id).unwrap_or(&booked);
        Call {
            request,
            number,
            alias,
            operation,
            status,
            outcome,
            usage: usage(&quantities),
            cost_nano_usd: (now.pricing != Pricing::Unknown).then_some(now.cost_nano_usd),
            started_at_ms,
            first_token_us,
            duration_us,
        }
    };
    Ok(rows.into_iter().map(call).collect())
}
