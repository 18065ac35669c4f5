//! Alerts: what somebody is to be told, until somebody has looked at it.
//!
//! An alert and what is to be sent of it stand in one transaction, so that none is forgotten and none is sent that
//! is not listed. The table is bounded: beyond [`ROWS_MAX`] an old row makes room.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable,
    RunQueryDsl,
    dsl::{count_star, delete, exists, insert_into, select, update},
};
use nexus_core::id::{TeamId, Uuid};
use serde_json::{Value, json};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Changed, Page, anomaly::State, webhook},
    row::{Reading, page_of},
    schema::alerts,
};

/// How many rows are kept.
pub const ROWS_MAX: i64 = 10_000;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub id: Uuid,
    /// A word such as `quota.threshold`.
    pub kind: String,
    /// Whom it is about; `None`: the platform.
    pub team: Option<TeamId>,
    /// In a sentence.
    pub summary: String,
    /// What was seen, as JSON.
    pub evidence: String,
    /// The same for what need not be told twice.
    pub fingerprint: String,
}

/// An alert as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub id: Uuid,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub kind: String,
    pub team: Option<TeamId>,
    pub summary: String,
    /// JSON.
    pub evidence: String,
    pub acknowledged_at_ms: Option<i64>,
    /// What people know the one by who acknowledged it.
    pub acknowledged_by: Option<String>,
    pub version: i64,
}

/// Which alerts are wanted; all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub team: Option<TeamId>,
    pub kind: Option<String>,
    pub state: Option<State>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = alerts, treat_none_as_default_value = false)]
struct AlertRow {
    id: String,
    at: i64,
    kind: String,
    team_id: Option<String>,
    summary: String,
    evidence: String,
    fingerprint: String,
    acknowledged_at: Option<i64>,
    acknowledged_by: Option<String>,
    version: i64,
}

impl AlertRow {
    fn read(self) -> Result<Alert, StoreError> {
        let row = Reading { table: "alerts", id: &self.id };
        Ok(Alert {
            id: row.id("id", &self.id)?,
            at_ms: self.at,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            kind: self.kind,
            summary: self.summary,
            evidence: self.evidence,
            acknowledged_at_ms: self.acknowledged_at,
            acknowledged_by: self.acknowledged_by,
            version: self.version,
        })
    }
}

/// Stores an alert and puts it into the outbox of every webhook that wants it. False where it was told before.
pub fn raise(conn: &mut AnyConnection, news: &News, now_ms: i64) -> Result<bool, StoreError> {
    let same = alerts::table.filter(alerts::fingerprint.eq(&news.fingerprint));
    if select(exists(same)).get_result(conn)? {
        return Ok(false);
    }
    make_room(conn)?;
    let row = AlertRow {
        id: news.id.to_string(),
        at: now_ms,
        kind: news.kind.clone(),
        team_id: news.team.map(|team| team.to_string()),
        summary: news.summary.clone(),
        evidence: news.evidence.clone(),
        fingerprint: news.fingerprint.clone(),
        acknowledged_at: None,
        acknowledged_by: None,
        version: 1,
    };
    insert_into(alerts::table).values(row).execute(conn)?;
    let payload = payload(news, now_ms);
    for hook in webhook::wanting(conn, &news.kind, news.team)? {
        // the same for the same alert and webhook, so that receivers can tell a repetition
        let id = Uuid::from_u128(news.id.as_u128() ^ hook.as_u128().rotate_left(64));
        webhook::enqueue(conn, id, hook, &news.kind, &payload, now_ms)?;
    }
    Ok(true)
}

/// The body that is sent.
fn payload(news: &News, now_ms: i64) -> String {
    let evidence: Value = serde_json::from_str(&news.evidence).unwrap_or_default();
    json!({
        "type": news.kind,
        "timestamp": now_ms.div_euclid(1000),
        "data": {
            "alert_id": news.id.to_string(),
            "team_id": news.team.map(|team| team.to_string()),
            "summary": news.summary,
            "evidence": evidence,
        },
    })
    .to_string()
}

/// Drops a row where the table is full: the oldest that somebody has looked at, else the oldest.
fn make_room(conn: &mut AnyConnection) -> Result<(), StoreError> {
    let rows: i64 = alerts::table.select(count_star()).first(conn)?;
    if rows < ROWS_MAX {
        return Ok(());
    }
    let oldest = alerts::table.order((alerts::at, alerts::id)).select(alerts::id);
    let acknowledged: Option<String> =
        oldest.filter(alerts::acknowledged_at.is_not_null()).first(conn).optional()?;
    let id = match acknowledged {
        Some(id) => id,
        None => oldest.first(conn)?,
    };
    delete(alerts::table.find(id)).execute(conn)?;
    Ok(())
}

/// The alerts of a page, newest first; damaged rows are logged and left out.
pub fn list(conn: &mut AnyConnection, filter: &Filter, page: &Page) -> Result<Vec<Alert>, StoreError> {
    use alerts::dsl as row;
    let load = |page: &Page| {
        let mut query = row::alerts.into_boxed().order((row::at.desc(), row::id.desc()));
        query = query.limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::at.lt(*at).or(row::at.eq(*at).and(row::id.lt(id))));
        }
        if let Some(team) = filter.team {
            query = query.filter(row::team_id.eq(team.to_string()));
        }
        if let Some(kind) = &filter.kind {
            query = query.filter(row::kind.eq(kind));
        }
        query = match filter.state {
            Some(State::Open) => query.filter(row::acknowledged_at.is_null()),
            Some(State::Acknowledged) => query.filter(row::acknowledged_at.is_not_null()),
            None => query,
        };
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &AlertRow| (row.at, row.id.clone()), AlertRow::read)
}

/// The alert of this id; with a team only where it is that team's.
pub fn find(conn: &mut AnyConnection, id: Uuid, team: Option<TeamId>) -> Result<Option<Alert>, StoreError> {
    let row: Option<AlertRow> = alerts::table.find(id.to_string()).first(conn).optional()?;
    let found = row.map(AlertRow::read).transpose()?;
    Ok(found.filter(|found| team.is_none() || found.team == team))
}

/// Notes that somebody has looked at it. Once acknowledged it is [`Changed::Stale`] for everyone who saw it open.
pub fn acknowledge(
    conn: &mut AnyConnection,
    before: &Alert,
    by: &str,
    now_ms: i64,
) -> Result<Changed<Alert>, StoreError> {
    let change = (
        alerts::acknowledged_at.eq(now_ms),
        alerts::acknowledged_by.eq(by),
        alerts::version.eq(alerts::version + 1),
    );
    let row = alerts::table.find(before.id.to_string()).filter(alerts::version.eq(before.version));
    let rows = update(row).set(change).execute(conn)?;
    let now = find(conn, before.id, None)?;
    Ok(super::changed(rows, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::Store,
        repo::webhook::{Delivery, Webhook},
        sample,
    };

    fn news(number: u64, team: Option<TeamId>, kind: &str) -> News {
        News {
            id: sample::uuid(number),
            kind: kind.to_owned(),
            team,
            summary: "it is full".to_owned(),
            evidence: r#"{"used":7}"#.to_owned(),
            fingerprint: format!("f{number}"),
        }
    }

    #[test]
    fn an_alert_is_told_once_and_to_every_webhook_that_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (red, blue) = (sample::team(70, "red"), sample::team(71, "blue"));
        let hook = |number, team, kinds: &[&str]| Webhook {
            team,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..webhook::sample(number)
        };
        let hooks = [
            hook(1, None, &[]),
            hook(2, Some(red.id), &["quota.threshold", "anomaly"]),
            hook(3, Some(blue.id), &[]),
            hook(4, None, &["provider.down"]),
            Webhook { is_active: false, ..hook(5, None, &[]) },
        ];
        let raised = store
            .write_blocking(|conn| {
                crate::repo::team::create(conn, &red)?;
                crate::repo::team::create(conn, &blue)?;
                hooks.iter().try_for_each(|hook| webhook::create(conn, hook))?;
                let first = news(20, Some(red.id), "quota.threshold");
                let again = News { id: sample::uuid(21), ..first.clone() };
                Ok([raise(conn, &first, 5_000)?, raise(conn, &again, 6_000)?])
            })
            .unwrap();
        assert_eq!(raised, [true, false]);
        let sent: Vec<Vec<Delivery>> = hooks
            .iter()
            .map(|hook| {
                let page = Page { after: None, limit: 9 };
                store.read_blocking(|conn| webhook::deliveries(conn, hook.id, &page)).unwrap()
            })
            .collect();
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
        let said: serde_json::Value = serde_json::from_str(&sent[0][0].payload).unwrap();
        assert_eq!((said["type"].as_str(), said["timestamp"].as_i64()), (Some("quota.threshold"), Some(5)));
        assert_eq!(said["data"]["evidence"]["used"], 7);
        assert_ne!(sent[0][0].id, sent[1][0].id);
    }

    #[test]
    fn alerts_are_listed_by_what_is_asked_for_and_acknowledged_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let team = Some(TeamId(sample::uuid(70)));
        store
            .write_blocking(|conn| {
                raise(conn, &news(1, None, "a"), 1)?;
                raise(conn, &news(2, team, "a"), 2)?;
                raise(conn, &news(3, team, "b"), 3)
            })
            .unwrap();
        let ids = |filter: Filter| {
            let page = Page { after: None, limit: 9 };
            let found = store.read_blocking(|conn| list(conn, &filter, &page)).unwrap();
            found.into_iter().map(|alert| alert.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(ids(Filter::default()), [3, 2, 1]);
        assert_eq!(ids(Filter { team, kind: Some("a".into()), state: Some(State::Open) }), [2]);
        let id = sample::uuid(2);
        assert_eq!(store.read_blocking(|conn| find(conn, id, Some(TeamId(sample::uuid(9))))).unwrap(), None);
        let open = store.read_blocking(|conn| find(conn, id, team)).unwrap().unwrap();
        let acknowledge = || store.write_blocking(|conn| acknowledge(conn, &open, "ann", 9)).unwrap();
        let Changed::Now(after) = acknowledge() else { panic!("it was open") };
        assert_eq!((after.acknowledged_by.as_deref(), after.version), (Some("ann"), 2));
        assert_eq!(acknowledge(), Changed::Stale);
        assert_eq!(ids(Filter { state: Some(State::Acknowledged), ..Filter::default() }), [2]);
    }
}
