//! Webhooks, and the outbox of what is to be sent to them.
//!
//! A delivery that is being tried is leased: whoever tries it and dies has it tried again by another. What waits and
//! what is remembered is bounded.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{count_star, delete as delete_from, exists, insert_into, select, update as change_in},
};
use nexus_core::id::{TeamId, Uuid};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Changed, Page, Removed, changed},
    row::{Reading, page_of, readable},
    schema::{webhook_deliveries, webhooks},
};

/// Deliveries that may wait for one webhook; another is given up at once.
pub const WAITING_MAX: i64 = 1_000;

/// A webhook as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: Uuid,
    pub name: String,
    pub url: String,
    /// Whose alerts it is sent; `None`: everybody's.
    pub team: Option<TeamId>,
    /// The kinds of alerts it is sent; none: all.
    pub kinds: Vec<String>,
    pub allow_private_network: bool,
    pub is_active: bool,
    /// Of its secret; it goes up when that is replaced.
    pub generation: u32,
    /// When its secret was replaced last, Unix milliseconds.
    pub rotated_at_ms: Option<i64>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

/// What is to be different about a webhook; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub url: Option<String>,
    pub kinds: Option<Vec<String>>,
    pub allow_private_network: Option<bool>,
    pub is_active: Option<bool>,
}

/// How it stands with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is still to be tried.
    Pending,
    Delivered,
    /// It is given up.
    Failed,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The inverse of [`DeliveryState::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Something that is, or was, to be sent to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The same however often it is tried.
    pub id: Uuid,
    pub webhook: Uuid,
    pub kind: String,
    /// The body, JSON.
    pub payload: String,
    pub state: DeliveryState,
    pub attempts: u32,
    /// Of a pending one: when it is tried next, Unix milliseconds.
    pub next_at_ms: i64,
    /// The status of the last answer.
    pub last_status: Option<u32>,
    /// Why there was none, or why it did not do.
    pub last_error: Option<String>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    Delivered {
        status: u16,
    },
    /// `next_at_ms`: when to try again; `None`: never.
    Failed {
        status: Option<u16>,
        error: String,
        next_at_ms: Option<i64>,
    },
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = webhooks, treat_none_as_default_value = false)]
struct WebhookRow {
    id: String,
    name: String,
    url: String,
    team_id: Option<String>,
    kinds: String,
    allow_private_network: bool,
    is_active: bool,
    generation: i64,
    rotated_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

#[derive(AsChangeset)]
#[diesel(table_name = webhooks)]
struct WebhookChange<'a> {
    name: Option<&'a str>,
    url: Option<&'a str>,
    kinds: Option<String>,
    allow_private_network: Option<bool>,
    is_active: Option<bool>,
    updated_at: i64,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = webhook_deliveries, treat_none_as_default_value = false)]
struct DeliveryRow {
    id: String,
    webhook_id: String,
    kind: String,
    payload: String,
    state: String,
    attempts: i64,
    next_at: i64,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl WebhookRow {
    fn read(self) -> Result<Webhook, StoreError> {
        let row = Reading { table: "webhooks", id: &self.id };
        Ok(Webhook {
            id: row.id("id", &self.id)?,
            team: row.id_or_none("team_id", self.team_id.as_deref())?,
            generation: row.small("generation", self.generation)?,
            kinds: self.kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
            name: self.name,
            url: self.url,
            allow_private_network: self.allow_private_network,
            is_active: self.is_active,
            rotated_at_ms: self.rotated_at,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
            version: self.version,
        })
    }
}

impl DeliveryRow {
    fn read(self) -> Result<Delivery, StoreError> {
        let row = Reading { table: "webhook_deliveries", id: &self.id };
        Ok(Delivery {
            id: row.id("id", &self.id)?,
            webhook: row.id("webhook_id", &self.webhook_id)?,
            state: row.word("state", &self.state, DeliveryState::from_word)?,
            attempts: row.small("attempts", self.attempts)?,
            last_status: row.small_or_none("last_status", self.last_status)?,
            kind: self.kind,
            payload: self.payload,
            next_at_ms: self.next_at,
            last_error: self.last_error,
            created_at_ms: self.created_at,
            updated_at_ms: self.updated_at,
        })
    }
}

/// Stores a new webhook; [`StoreError::Conflict`] where the name is taken.
pub fn create(conn: &mut AnyConnection, webhook: &Webhook) -> Result<(), StoreError> {
    let row = WebhookRow {
        id: webhook.id.to_string(),
        name: webhook.name.clone(),
        url: webhook.url.clone(),
        team_id: webhook.team.map(|team| team.to_string()),
        kinds: webhook.kinds.join(","),
        allow_private_network: webhook.allow_private_network,
        is_active: webhook.is_active,
        generation: webhook.generation.into(),
        rotated_at: webhook.rotated_at_ms,
        created_at: webhook.created_at_ms,
        updated_at: webhook.updated_at_ms,
        version: webhook.version,
    };
    insert_into(webhooks::table).values(row).execute(conn)?;
    Ok(())
}

/// The webhooks of a page, oldest first; damaged rows are logged and left out.
pub fn page(conn: &mut AnyConnection, page: &Page) -> Result<Vec<Webhook>, StoreError> {
    use webhooks::dsl as row;
    let load = |page: &Page| {
        let mut query = row::webhooks.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &WebhookRow| (row.created_at, row.id.clone()), WebhookRow::read)
}

/// The webhook of this id.
pub fn show(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    let row: Option<WebhookRow> = webhooks::table.find(id.to_string()).first(conn).optional()?;
    row.map(WebhookRow::read).transpose()
}

/// Changes a webhook; [`StoreError::Conflict`] where the new name is taken.
pub fn update(
    conn: &mut AnyConnection,
    id: Uuid,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<Webhook>, StoreError> {
    let change = WebhookChange {
        name: change.name.as_deref(),
        url: change.url.as_deref(),
        kinds: change.kinds.as_ref().map(|kinds| kinds.join(",")),
        allow_private_network: change.allow_private_network,
        is_active: change.is_active,
        updated_at: now_ms,
    };
    let row = webhooks::table.find(id.to_string()).filter(webhooks::version.eq(expected_version));
    let rows = change_in(row).set((change, webhooks::version.eq(webhooks::version + 1))).execute(conn)?;
    Ok(changed(rows, show(conn, id)?))
}

/// Gives a webhook its next secret.
pub fn rotate(
    conn: &mut AnyConnection,
    before: &Webhook,
    now_ms: i64,
) -> Result<Changed<Webhook>, StoreError> {
    let row = webhooks::table.find(before.id.to_string()).filter(webhooks::version.eq(before.version));
    let change = (
        webhooks::generation.eq(webhooks::generation + 1),
        webhooks::rotated_at.eq(now_ms),
        webhooks::updated_at.eq(now_ms),
        webhooks::version.eq(webhooks::version + 1),
    );
    let rows = change_in(row).set(change).execute(conn)?;
    Ok(changed(rows, show(conn, before.id)?))
}

/// Deletes a webhook with all that was to be sent to it.
pub fn delete(conn: &mut AnyConnection, id: Uuid) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(webhooks::table.find(id.to_string())).execute(conn)?))
}

/// The active webhooks that are to be sent alerts of this kind and team.
pub(super) fn wanting(
    conn: &mut AnyConnection,
    kind: &str,
    team: Option<TeamId>,
) -> Result<Vec<Uuid>, StoreError> {
    let rows: Vec<WebhookRow> = webhooks::table
        .filter(webhooks::is_active.eq(true))
        .order((webhooks::created_at, webhooks::id))
        .load(conn)?;
    let wanting = readable(rows, WebhookRow::read).into_iter().filter(|hook| {
        (hook.kinds.is_empty() || hook.kinds.iter().any(|wanted| wanted == kind))
            && (hook.team.is_none() || hook.team == team)
    });
    Ok(wanting.map(|hook| hook.id).collect())
}

/// Puts something into a webhook's outbox; where too much waits there, it is given up and says so.
pub fn enqueue(
    conn: &mut AnyConnection,
    id: Uuid,
    webhook: Uuid,
    kind: &str,
    payload: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let waiting: i64 = webhook_deliveries::table
        .filter(webhook_deliveries::webhook_id.eq(webhook.to_string()))
        .filter(webhook_deliveries::state.eq(DeliveryState::Pending.as_str()))
        .select(count_star())
        .first(conn)?;
    let is_full = waiting >= WAITING_MAX;
    let state = if is_full { DeliveryState::Failed } else { DeliveryState::Pending };
    let row = DeliveryRow {
        id: id.to_string(),
        webhook_id: webhook.to_string(),
        kind: kind.to_owned(),
        payload: payload.to_owned(),
        state: state.as_str().to_owned(),
        attempts: 0,
        next_at: now_ms,
        last_status: None,
        last_error: is_full.then(|| "too much waits for this webhook".to_owned()),
        created_at: now_ms,
        updated_at: now_ms,
    };
    insert_into(webhook_deliveries::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether there is anything to be taken.
pub fn is_any_due(conn: &mut AnyConnection, now_ms: i64) -> Result<bool, StoreError> {
    let due = webhook_deliveries::table
        .inner_join(webhooks::table)
        .filter(webhook_deliveries::state.eq(DeliveryState::Pending.as_str()))
        .filter(webhook_deliveries::next_at.le(now_ms))
        .filter(webhooks::is_active.eq(true));
    Ok(select(exists(due)).get_result(conn)?)
}

/// Takes what is due, each with its webhook; nobody else takes it until `lease_ms` are over.
pub fn take_due(
    conn: &mut AnyConnection,
    limit: u32,
    lease_ms: i64,
    now_ms: i64,
) -> Result<Vec<(Delivery, Webhook)>, StoreError> {
    let rows: Vec<(DeliveryRow, WebhookRow)> = webhook_deliveries::table
        .inner_join(webhooks::table)
        .filter(webhook_deliveries::state.eq(DeliveryState::Pending.as_str()))
        .filter(webhook_deliveries::next_at.le(now_ms))
        .filter(webhooks::is_active.eq(true))
        .order((webhook_deliveries::next_at, webhook_deliveries::id))
        .limit(limit.into())
        .load(conn)?;
    let mut taken = Vec::new();
    for (delivery, webhook) in readable(rows, |(delivery, webhook)| Ok((delivery.read()?, webhook.read()?))) {
        let row = webhook_deliveries::table
            .find(delivery.id.to_string())
            .filter(webhook_deliveries::next_at.eq(delivery.next_at_ms));
        let lease = webhook_deliveries::next_at.eq(now_ms.saturating_add(lease_ms));
        if change_in(row).set(lease).execute(conn)? > 0 {
            taken.push((delivery, webhook));
        }
    }
    Ok(taken)
}

/// Notes how a try ended.
pub fn tried(conn: &mut AnyConnection, id: Uuid, tried: &Tried, now_ms: i64) -> Result<(), StoreError> {
    let (state, status, error, next_at_ms) = match tried {
        Tried::Delivered { status } => (DeliveryState::Delivered, Some(*status), None, None),
        Tried::Failed { status, error, next_at_ms } => {
            let state = if next_at_ms.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
            (state, *status, Some(error.as_str()), *next_at_ms)
        }
    };
    let change = (
        webhook_deliveries::state.eq(state.as_str()),
        webhook_deliveries::attempts.eq(webhook_deliveries::attempts + 1),
        webhook_deliveries::last_status.eq(status.map(i64::from)),
        webhook_deliveries::last_error.eq(error),
        webhook_deliveries::next_at.eq(next_at_ms.unwrap_or(now_ms)),
        webhook_deliveries::updated_at.eq(now_ms),
    );
    change_in(webhook_deliveries::table.find(id.to_string())).set(change).execute(conn)?;
    Ok(())
}

/// The delivery of this id.
pub fn delivery(conn: &mut AnyConnection, id: Uuid) -> Result<Option<Delivery>, StoreError> {
    let row: Option<DeliveryRow> = webhook_deliveries::table.find(id.to_string()).first(conn).optional()?;
    row.map(DeliveryRow::read).transpose()
}

/// The deliveries of a page of one webhook's, newest first; damaged rows are logged and left out.
pub fn deliveries(conn: &mut AnyConnection, webhook: Uuid, page: &Page) -> Result<Vec<Delivery>, StoreError> {
    use webhook_deliveries::dsl as row;
    let load = |page: &Page| {
        let mut query = row::webhook_deliveries
            .filter(row::webhook_id.eq(webhook.to_string()))
            .order((row::created_at.desc(), row::id.desc()))
            .limit(page.limit.into())
            .into_boxed();
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.lt(*at).or(row::created_at.eq(*at).and(row::id.lt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &DeliveryRow| (row.created_at, row.id.clone()), DeliveryRow::read)
}

/// Forgets deliveries that ended before this moment, and pending ones of webhooks that are switched off; says how
/// many.
pub fn forget(conn: &mut AnyConnection, before_ms: i64) -> Result<usize, StoreError> {
    let old = webhook_deliveries::table.filter(webhook_deliveries::updated_at.lt(before_ms));
    Ok(delete_from(old).execute(conn)?)
}

/// A webhook for tests.
#[cfg(test)]
pub(crate) fn sample(number: u64) -> Webhook {
    Webhook {
        id: crate::sample::uuid(number),
        name: format!("hook {number}"),
        url: "https://example.com/hook".to_owned(),
        team: None,
        kinds: Vec::new(),
        allow_private_network: false,
        is_active: true,
        generation: 1,
        rotated_at_ms: None,
        created_at_ms: 1,
        updated_at_ms: 1,
        version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::Store, sample as make};

    #[test]
    fn a_webhook_is_shown_as_it_was_stored_changed_by_version_and_given_another_secret() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let hook = Webhook { kinds: vec!["a".into(), "b".into()], ..sample(1) };
        store.write_blocking(|conn| create(conn, &hook)).unwrap();
        store.write_blocking(|conn| create(conn, &sample(2))).unwrap();
        let show = || store.read_blocking(|conn| show(conn, hook.id)).unwrap().unwrap();
        assert_eq!(show(), hook);
        let change = Change { kinds: Some(Vec::new()), is_active: Some(false), ..Change::default() };
        let update =
            |version| store.write_blocking(|conn| update(conn, hook.id, &change, version, 5)).unwrap();
        let after =
            Webhook { kinds: Vec::new(), is_active: false, updated_at_ms: 5, version: 2, ..hook.clone() };
        assert_eq!((update(1), update(1)), (Changed::Now(after.clone()), Changed::Stale));
        let rotate = || store.write_blocking(|conn| rotate(conn, &after, 7)).unwrap();
        let rotated =
            Webhook { generation: 2, rotated_at_ms: Some(7), updated_at_ms: 7, version: 3, ..after.clone() };
        assert_eq!((rotate(), rotate()), (Changed::Now(rotated), Changed::Stale));
        let page = Page { after: Some((1, hook.id.to_string())), limit: 9 };
        assert_eq!(store.read_blocking(|conn| super::page(conn, &page)).unwrap(), [sample(2)]);
        assert_eq!(store.write_blocking(|conn| delete(conn, hook.id)).unwrap(), Removed::Now);
    }

    #[test]
    fn what_is_due_is_taken_by_one_and_again_when_that_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let (hook, off) = (sample(1), Webhook { is_active: false, ..sample(2) });
        store
            .write_blocking(|conn| {
                create(conn, &hook)?;
                create(conn, &off)?;
                enqueue(conn, make::uuid(11), hook.id, "k", "{}", 100)?;
                enqueue(conn, make::uuid(12), off.id, "k", "{}", 100)
            })
            .unwrap();
        let due = |now_ms| {
            let taken = store.write_blocking(|conn| take_due(conn, 9, 50, now_ms)).unwrap();
            taken.iter().map(|(delivery, _)| delivery.id).collect::<Vec<_>>()
        };
        assert_eq!(
            (due(99), due(100), due(149), due(150)),
            (vec![], vec![make::uuid(11)], vec![], vec![make::uuid(11)])
        );
        let tried = |how: &Tried, now_ms| {
            store.write_blocking(|conn| tried(conn, make::uuid(11), how, now_ms)).unwrap()
        };
        tried(&Tried::Failed { status: Some(500), error: "x".into(), next_at_ms: Some(300) }, 160);
        assert_eq!((due(299), due(300)), (vec![], vec![make::uuid(11)]));
        tried(&Tried::Delivered { status: 204 }, 310);
        assert!(due(9_999).is_empty());
        let page = Page { after: None, limit: 9 };
        let shown = store.read_blocking(|conn| deliveries(conn, hook.id, &page)).unwrap();
        assert_eq!(
            (shown[0].state, shown[0].attempts, shown[0].last_status, shown[0].last_error.as_deref()),
            (DeliveryState::Delivered, 2, Some(204), None)
        );
        let forget = |before_ms| store.write_blocking(|conn| forget(conn, before_ms)).unwrap();
        assert_eq!((forget(310), forget(311)), (1, 1), "the other one waits for a webhook that is off");
    }

    #[test]
    fn too_much_that_waits_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let hook = sample(1);
        let last = store.write_blocking(|conn| {
            create(conn, &hook)?;
            for number in 0..=WAITING_MAX.unsigned_abs() {
                let id = Uuid::from_u128(u128::from(number) + 100);
                enqueue(conn, id, hook.id, "k", "{}", i64::try_from(number).unwrap())?;
            }
            deliveries(conn, hook.id, &Page { after: None, limit: 2 })
        });
        let states: Vec<_> = last.unwrap().iter().map(|delivery| delivery.state).collect();
        assert_eq!(states, [DeliveryState::Failed, DeliveryState::Pending]);
    }
}
