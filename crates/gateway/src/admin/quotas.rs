//! Quotas: who may use how much of what in which time, how full they are, and who holds what of them.

mod object;
pub mod rights;

use nexus_core::{
    id::Uuid,
    quota::{Quota, Subject, Window, Zone},
    role::Reach,
    scope::Pattern,
};
use nexus_store::repo::{
    Changed, Removed,
    quota::{self, StoredQuota},
};

pub use self::object::{NewQuota, QuotaBody, SubjectWord, WindowWord, hard, limit, node};
use self::{
    object::{CounterBody, HolderBody, HoldersBody, QuotaPatch},
    rights::Set,
};
use super::{
    answer::{Created, Gone, Recorded, Shown, Told},
    body::Json,
    call::{Call, found},
    change::Change,
    check::Check,
    problem::{Kind, Problem},
    query::{Listing, Unfiltered, Walk},
    route::PREFIX,
};

/// Holders shown at most, the oldest first.
const HOLDERS_MAX: usize = 1_000;

pub async fn list(call: Call<Walk<Unfiltered>>) -> Result<Listing<QuotaBody>, Problem> {
    let (own, page) = (call.caller.reach.team(), call.query.page());
    let rows = call.read(move |conn| quota::page(conn, own, &page)).await?;
    let key = |row: &StoredQuota| (row.created_at_ms, row.quota.id.to_string());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, QuotaBody::new))
}

pub async fn show(call: Call) -> Result<Shown<QuotaBody>, Problem> {
    let (id, own) = (call.id("id")?, call.caller.reach.team());
    Ok(shown(&found(call.read(move |conn| quota::show(conn, id, own)).await?)?))
}

fn shown(stored: &StoredQuota) -> Shown<QuotaBody> {
    Shown { body: QuotaBody::new(stored), version: stored.version }
}

/// Whom a quota is for; what cannot be read of it is told at the end.
fn subject(check: &mut Check, at: &str, kind: SubjectWord, value: Option<&str>) -> Subject {
    let pointer = format!("{at}/subject_value");
    let id = |check: &mut Check| {
        value.and_then(|value| value.parse::<Uuid>().ok()).unwrap_or_else(|| {
            check.flaw(&pointer, "is no id; say which one the quota is for");
            Uuid::nil()
        })
    };
    let mut pattern = |of: &str, such_as: &str| {
        let pattern = value.and_then(|value| Pattern::parse(value).ok());
        if pattern.is_none() {
            check.flaw(&pointer, format!("is no pattern of {of}; write one such as `{such_as}`"));
        }
        pattern
    };
    match kind {
        SubjectWord::Platform => {
            if value.is_some() {
                check.flaw(&pointer, "must be absent for the whole platform");
            }
            Subject::Platform
        }
        SubjectWord::Team => Subject::Team(id(check).into()),
        SubjectWord::Key => Subject::Key(id(check).into()),
        SubjectWord::Provider => Subject::Provider(id(check).into()),
        SubjectWord::Model => pattern("aliases", "gpt-*").map_or(Subject::Platform, Subject::Model),
        SubjectWord::User => pattern("users", "*").map_or(Subject::Platform, Subject::User),
        SubjectWord::Tag => pattern("tags", "project:*").map_or(Subject::Platform, Subject::Tag),
    }
}

fn zone(check: &mut Check, at: &str, wish: &NewQuota) -> Zone {
    let pointer = format!("{at}/time_zone");
    check.within(&format!("{at}/utc_offset_minutes"), wish.utc_offset_minutes.into(), -720, 840);
    let Some(name) = &wish.time_zone else { return Zone::fixed(wish.utc_offset_minutes) };
    if matches!(wish.window, WindowWord::Minute | WindowWord::Rolling | WindowWord::Total) {
        check.flaw(&pointer, "must be absent for a window that goes by no calendar");
    }
    if wish.utc_offset_minutes != 0 {
        check.flaw(&pointer, "stands beside `utc_offset_minutes`; say one of the two");
    }
    Zone::named(name).unwrap_or_else(|| {
        check.flaw(&pointer, "is no time zone; write one such as `Europe/Berlin`");
        Zone::fixed(0)
    })
}

fn window(check: &mut Check, at: &str, wish: &NewQuota) -> Window {
    let zone = zone(check, at, wish);
    let pointer = format!("{at}/rolling_seconds");
    if (wish.window == WindowWord::Rolling) != wish.rolling_seconds.is_some() {
        check.flaw(&pointer, "must be there for a rolling window and for no other");
    }
    if let Some(seconds) = wish.rolling_seconds {
        check.within(&pointer, seconds.into(), 60, 31_622_400);
    }
    match wish.window {
        WindowWord::Minute => Window::Minute,
        WindowWord::Hour => Window::Hour { zone },
        WindowWord::Day => Window::Day { zone },
        WindowWord::Week => Window::Week { zone },
        WindowWord::Month => Window::Month { zone },
        WindowWord::Rolling => {
            Window::Rolling { ms: i64::from(wish.rolling_seconds.unwrap_or_default()).saturating_mul(1000) }
        }
        WindowWord::Total => Window::Total,
    }
}

/// The quota that is wished for.
pub fn checked(wish: &NewQuota, id: Uuid) -> Result<Quota, Problem> {
    let mut check = Check::default();
    let quota = checked_at(&mut check, "", wish, id);
    check.finish()?;
    Ok(quota)
}

/// The quota that is wished for at a place; what is not right with it is told, and then it is none.
pub fn checked_at(check: &mut Check, at: &str, wish: &NewQuota, id: Uuid) -> Quota {
    check.name(&format!("{at}/name"), &wish.name);
    let subject = subject(check, at, wish.subject, wish.subject_value.as_deref());
    let window = window(check, at, wish);
    Quota {
        id,
        name: wish.name.as_str().into(),
        subject,
        measure: wish.measure.into(),
        window,
        limit: wish.limit,
        mode: wish.mode.into(),
        when_alone: wish.when_alone.into(),
    }
}

pub async fn create(call: Call<(), Json<NewQuota>>) -> Result<Recorded<Created<QuotaBody>>, Problem> {
    let Json(wish) = &call.body;
    let quota = checked(wish, call.fresh_id())?;
    let now_ms = call.now_ms();
    let reach = call.caller.reach;
    call.change("quota.create", move |conn| {
        let Set { team, is_own } = rights::may_set(conn, reach, &quota)?;
        let stored =
            StoredQuota { quota, team, is_own, created_at_ms: now_ms, updated_at_ms: now_ms, version: 1 };
        quota::create(conn, &stored)?;
        let body = QuotaBody::new(&stored);
        let location = format!("{PREFIX}/quotas/{}", stored.quota.id);
        let answer = Created { body: body.clone(), version: stored.version, location };
        Ok(Change::of("quota", stored.quota.id, team, answer).to(&body))
    })
    .await
}

pub async fn update(call: Call<(), Json<QuotaPatch>>) -> Result<Recorded<Shown<QuotaBody>>, Problem> {
    let (id, version): (Uuid, _) = (call.id("id")?, call.expected_version()?);
    let Json(patch) = &call.body;
    let mut check = Check::default();
    if let Some(name) = &patch.name {
        check.name("/name", name);
    }
    check.finish()?;
    let (mode, when_alone) = (patch.mode.map(Into::into), patch.when_alone.map(Into::into));
    let change = quota::Change { name: patch.name.clone(), limit: patch.limit, mode, when_alone };
    let (reach, now_ms) = (call.caller.reach, call.now_ms());
    call.change("quota.update", move |conn| {
        let before = found(quota::show(conn, id, reach.team())?)?;
        rights::may_change(reach, &before)?;
        if let (Reach::Team(own), Some(limit)) = (reach, change.limit) {
            rights::within_ceiling(conn, own, &Quota { limit, ..before.quota.clone() })?;
        }
        match quota::update(conn, id, &change, version, now_ms)? {
            Changed::Unknown => Err(Kind::NotFound.into()),
            Changed::Stale => Err(Kind::Stale.into()),
            Changed::Now(after) => {
                let change = Change::of("quota", id, after.team, shown(&after));
                Ok(change.from(&QuotaBody::new(&before)).to(&QuotaBody::new(&after)))
            }
        }
    })
    .await
}

pub async fn delete(call: Call) -> Result<Recorded<Gone>, Problem> {
    let (id, reach): (Uuid, _) = (call.id("id")?, call.caller.reach);
    call.change("quota.delete", move |conn| {
        let before = found(quota::show(conn, id, reach.team())?)?;
        rights::may_change(reach, &before)?;
        if quota::delete(conn, id)? == Removed::Unknown {
            return Err(Kind::NotFound.into());
        }
        Ok(Change::of("quota", id, before.team, Gone).from(&QuotaBody::new(&before)))
    })
    .await
}

/// Who holds what of a quota right now, and how full it is on this node.
pub async fn holders(call: Call) -> Result<Told<HoldersBody>, Problem> {
    let (id, own): (Uuid, _) = (call.id("id")?, call.caller.reach.team());
    let stored = found(call.read(move |conn| quota::show(conn, id, own)).await?)?;
    let quotas = &call.worker().engine.shared.quotas;
    let counters =
        if stored.quota.is_by_name() { quotas.counters(&stored.quota, call.now_ms()) } else { Vec::new() };
    let level = quotas.level(&stored.quota, call.now_ms());
    let holders = quotas.holders(&stored.quota);
    Ok(Told(HoldersBody {
        limit: stored.quota.limit,
        used: level.used,
        reserved: level.reserved,
        counters: counters.iter().take(HOLDERS_MAX).map(CounterBody::new).collect(),
        holders: holders.iter().take(HOLDERS_MAX).map(HolderBody::new).collect(),
    }))
}
