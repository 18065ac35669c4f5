//! Quotas: who may use how much of what in which time, and how much of it the ledger says is used.

use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl,
    Queryable, RunQueryDsl,
    dsl::{delete as delete_from, insert_into, update as change_in},
};
use nexus_core::{
    id::{TeamId, Uuid},
    quota::{Measure, Mode, Quota, Subject, WhenAlone, Window, Zone},
    scope::Pattern,
};

use crate::{
    connection::AnyConnection,
    error::StoreError,
    repo::{Changed, Page, Removed, changed},
    row::{Reading, page_of},
    schema::quotas,
};

/// A quota as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredQuota {
    pub quota: Quota,
    /// Whose use it bounds, where that is one team's.
    pub team: Option<TeamId>,
    /// Whether the team set it itself.
    pub is_own: bool,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub version: i64,
}

impl StoredQuota {
    /// Whether it is the one of this name: a name is a quota's own within its team, and among those that are no
    /// team's.
    pub fn is_named(&self, team: Option<TeamId>, name: &str) -> bool {
        self.team == team && &*self.quota.name == name
    }
}

/// What is to be different about a quota; what is `None` stays. What it is for and what it counts do not
/// change: that would be another quota.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub limit: Option<u64>,
    pub mode: Option<Mode>,
    pub when_alone: Option<WhenAlone>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = quotas, treat_none_as_default_value = false)]
pub(crate) struct QuotaRow {
    id: String,
    name: String,
    subject_kind: String,
    subject_value: Option<String>,
    measure: String,
    window_kind: String,
    utc_offset_minutes: i64,
    rolling_ms: Option<i64>,
    limit_amount: i64,
    mode: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
    team_id: Option<String>,
    is_own: bool,
    time_zone: Option<String>,
    when_alone: String,
}

#[derive(AsChangeset)]
#[diesel(table_name = quotas)]
struct QuotaChange<'a> {
    name: Option<&'a str>,
    limit_amount: Option<i64>,
    mode: Option<&'static str>,
    when_alone: Option<&'static str>,
    updated_at: i64,
}

impl QuotaRow {
    pub(crate) fn read(self) -> Result<StoredQuota, StoreError> {
        let row = Reading { table: "quotas", id: &self.id };
        let value =
            || self.subject_value.as_deref().ok_or_else(|| row.problem("subject_value", "is missing"));
        let pattern = || Pattern::parse(value()?).map_err(|_| row.problem("subject_value", "is no pattern"));
        let subject = match self.subject_kind.as_str() {
            "platform" => Subject::Platform,
            "team" => Subject::Team(row.id("subject_value", value()?)?),
            "key" => Subject::Key(row.id("subject_value", value()?)?),
            "provider" => Subject::Provider(row.id("subject_value", value()?)?),
            "model" => Subject::Model(pattern()?),
            "user" => Subject::User(pattern()?),
            "tag" => Subject::Tag(pattern()?),
            _ => return Err(row.problem("subject_kind", "is no word this program knows")),
        };
        let zone = match &self.time_zone {
            Some(name) => Zone::named(name)
                .ok_or_else(|| row.problem("time_zone", "is no time zone this program knows"))?,
            None => Zone::fixed(
                i32::try_from(self.utc_offset_minutes)
                    .map_err(|_| row.problem("utc_offset_minutes", "is out of range"))?,
            ),
        };
        let window = row.word("window_kind", &self.window_kind, |word| {
            Window::from_word(word, zone.clone(), self.rolling_ms)
        })?;
        let team = self.team_id.as_deref().map(|team| row.id("team_id", team)).transpose()?;
        let quota = Quota {
            id: row.id("id", &self.id)?,
            measure: row.word("measure", &self.measure, Measure::from_word)?,
            mode: row.word("mode", &self.mode, Mode::from_word)?,
            when_alone: row.word("when_alone", &self.when_alone, WhenAlone::from_word)?,
            limit: u64::try_from(self.limit_amount)
                .map_err(|_| row.problem("limit_amount", "is negative"))?,
            name: self.name.into(),
            subject,
            window,
        };
        let (created_at_ms, updated_at_ms) = (self.created_at, self.updated_at);
        let (is_own, version) = (self.is_own, self.version);
        Ok(StoredQuota { quota, team, is_own, created_at_ms, updated_at_ms, version })
    }
}

/// The words of a subject in rows.
fn subject(subject: &Subject) -> (&'static str, Option<String>) {
    match subject {
        Subject::Platform => ("platform", None),
        Subject::Team(id) => ("team", Some(id.to_string())),
        Subject::Key(id) => ("key", Some(id.to_string())),
        Subject::Provider(id) => ("provider", Some(id.to_string())),
        Subject::Model(pattern) => ("model", Some(pattern.as_str().to_owned())),
        Subject::User(pattern) => ("user", Some(pattern.as_str().to_owned())),
        Subject::Tag(pattern) => ("tag", Some(pattern.as_str().to_owned())),
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Stores a new quota; [`StoreError::Conflict`] where its team, or what is no team's, has one of this name.
pub fn create(conn: &mut AnyConnection, stored: &StoredQuota) -> Result<(), StoreError> {
    let quota = &stored.quota;
    let (subject_kind, subject_value) = subject(&quota.subject);
    let zone = quota.window.zone();
    let row = QuotaRow {
        id: quota.id.to_string(),
        name: quota.name.to_string(),
        subject_kind: subject_kind.to_owned(),
        subject_value,
        measure: quota.measure.as_str().to_owned(),
        window_kind: quota.window.as_str().to_owned(),
        utc_offset_minutes: zone.map_or(0, Zone::offset_minutes).into(),
        rolling_ms: quota.window.rolling_ms(),
        limit_amount: whole(quota.limit),
        mode: quota.mode.as_str().to_owned(),
        created_at: stored.created_at_ms,
        updated_at: stored.updated_at_ms,
        version: stored.version,
        team_id: stored.team.map(|team| team.to_string()),
        is_own: stored.is_own,
        time_zone: zone.and_then(Zone::name).map(str::to_owned),
        when_alone: quota.when_alone.as_str().to_owned(),
    };
    insert_into(quotas::table).values(row).execute(conn)?;
    Ok(())
}

/// Every quota. One that cannot be read is an error: a bound is never lost to a damaged row.
pub fn list(conn: &mut AnyConnection) -> Result<Vec<StoredQuota>, StoreError> {
    let rows: Vec<QuotaRow> = quotas::table.order((quotas::created_at, quotas::id)).load(conn)?;
    rows.into_iter().map(QuotaRow::read).collect()
}

/// The quotas of a page, of this team where one is named, oldest first; damaged rows are logged and left out.
pub fn page(
    conn: &mut AnyConnection,
    own: Option<TeamId>,
    page: &Page,
) -> Result<Vec<StoredQuota>, StoreError> {
    use quotas::dsl as row;
    let load = |page: &Page| {
        let mut query = row::quotas.into_boxed().order((row::created_at, row::id)).limit(page.limit.into());
        if let Some(own) = own {
            query = query.filter(row::team_id.eq(own.to_string()));
        }
        if let Some((at, id)) = &page.after {
            query = query.filter(row::created_at.gt(*at).or(row::created_at.eq(*at).and(row::id.gt(id))));
        }
        Ok(query.load(conn)?)
    };
    page_of(page, load, |row: &QuotaRow| (row.created_at, row.id.clone()), QuotaRow::read)
}

/// The quota of this id, of this team where one is named.
pub fn show(
    conn: &mut AnyConnection,
    id: Uuid,
    own: Option<TeamId>,
) -> Result<Option<StoredQuota>, StoreError> {
    let row: Option<QuotaRow> = quotas::table.find(id.to_string()).first(conn).optional()?;
    let stored = row.map(QuotaRow::read).transpose()?;
    Ok(stored.filter(|stored| own.is_none() || stored.team == own))
}

/// What the platform set for a team as a whole, and not for one of its keys.
pub fn set_for(conn: &mut AnyConnection, team: TeamId) -> Result<Vec<StoredQuota>, StoreError> {
    use quotas::dsl as row;
    let of_team = row::quotas.filter(row::team_id.eq(team.to_string())).filter(row::is_own.eq(false));
    let rows: Vec<QuotaRow> = of_team.filter(row::subject_kind.eq("team")).load(conn)?;
    rows.into_iter().map(QuotaRow::read).collect()
}

/// Changes a quota; [`StoreError::Conflict`] where the new name is taken.
pub fn update(
    conn: &mut AnyConnection,
    id: Uuid,
    change: &Change,
    expected_version: i64,
    now_ms: i64,
) -> Result<Changed<StoredQuota>, StoreError> {
    let change = QuotaChange {
        name: change.name.as_deref(),
        limit_amount: change.limit.map(whole),
        mode: change.mode.map(Mode::as_str),
        when_alone: change.when_alone.map(WhenAlone::as_str),
        updated_at: now_ms,
    };
    let row = quotas::table.find(id.to_string()).filter(quotas::version.eq(expected_version));
    let rows = change_in(row).set((change, quotas::version.eq(quotas::version + 1))).execute(conn)?;
    Ok(changed(rows, show(conn, id, None)?))
}

/// Deletes a quota.
pub fn delete(conn: &mut AnyConnection, id: Uuid) -> Result<Removed, StoreError> {
    Ok(Removed::of(delete_from(quotas::table.find(id.to_string())).execute(conn)?))
}

#[cfg(test)]
mod tests {
    use nexus_core::id::{KeyId, ProviderId, TeamId};

    use super::*;
    use crate::{exec::Store, sample};

    fn quota(number: u64, subject: Subject, window: Window) -> StoredQuota {
        let quota = Quota {
            id: sample::uuid(number),
            name: format!("q{number}").into(),
            subject,
            measure: Measure::CostNanoUsd,
            window,
            limit: 7,
            mode: Mode::Hard,
            when_alone: WhenAlone::Node,
        };
        StoredQuota { quota, team: None, is_own: false, created_at_ms: 1, updated_at_ms: 1, version: 1 }
    }

    #[test]
    fn a_quota_is_shown_as_it_was_stored_whatever_it_is_for_and_changed_by_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let id = sample::uuid(77);
        let west = || Zone::fixed(-330);
        let berlin = || Zone::named("Europe/Berlin").unwrap();
        let stored = [
            quota(1, Subject::Platform, Window::Total),
            quota(2, Subject::Team(TeamId(id)), Window::Month { zone: west() }),
            quota(3, Subject::Key(KeyId(id)), Window::Rolling { ms: 9 }),
            quota(4, Subject::Provider(ProviderId(id)), Window::Week { zone: berlin() }),
            quota(5, Subject::Model(Pattern::parse("gpt-*").unwrap()), Window::Minute),
            quota(6, Subject::User(Pattern::parse("*").unwrap()), Window::Day { zone: berlin() }),
            quota(7, Subject::Tag(Pattern::parse("team:*").unwrap()), Window::Hour { zone: west() }),
        ];
        store.write_blocking(|conn| stored.iter().try_for_each(|quota| create(conn, quota))).unwrap();
        assert_eq!(store.read_blocking(list).unwrap(), stored);
        let when_alone = Some(WhenAlone::Allow);
        let change = Change { limit: Some(9), mode: Some(Mode::Shadow), when_alone, name: None };
        let update = |version| {
            store.write_blocking(|conn| update(conn, stored[0].quota.id, &change, version, 5)).unwrap()
        };
        let quota =
            Quota { limit: 9, mode: Mode::Shadow, when_alone: WhenAlone::Allow, ..stored[0].quota.clone() };
        assert_eq!(
            update(1),
            Changed::Now(StoredQuota { quota, updated_at_ms: 5, version: 2, ..stored[0].clone() })
        );
        assert_eq!(update(1), Changed::Stale);
        assert_eq!(store.write_blocking(|conn| delete(conn, stored[0].quota.id)).unwrap(), Removed::Now);
        let page = |after| store.read_blocking(|conn| page(conn, None, &Page { after, limit: 2 })).unwrap();
        assert_eq!(page(Some((1, stored[4].quota.id.to_string()))), &stored[5..]);
    }

    #[test]
    fn a_team_sees_what_bounds_it_and_only_the_platforms_word_for_the_whole_of_it_is_its_ceiling() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let [red, blue] = [1, 2].map(|number| TeamId(sample::uuid(number)));
        let key = Subject::Key(KeyId(sample::uuid(9)));
        let of = |number, subject, team, is_own| StoredQuota {
            team,
            is_own,
            ..quota(number, subject, Window::Minute)
        };
        let stored = [
            of(11, Subject::Team(red), Some(red), false),
            of(12, Subject::Team(red), Some(red), true),
            of(13, key, Some(red), false),
            of(14, Subject::Team(blue), Some(blue), false),
            of(15, Subject::Platform, None, false),
        ];
        store.write_blocking(|conn| stored.iter().try_for_each(|quota| create(conn, quota))).unwrap();
        let all = Page { after: None, limit: 9 };
        let page = |own| store.read_blocking(|conn| page(conn, own, &all)).unwrap();
        assert_eq!(
            (page(Some(red)), page(Some(blue)), page(None)),
            (stored[..3].into(), stored[3..4].into(), stored.to_vec())
        );
        let show = |own| store.read_blocking(|conn| show(conn, stored[0].quota.id, own)).unwrap().is_some();
        assert_eq!([None, Some(red), Some(blue)].map(show), [true, true, false]);
        assert_eq!(store.read_blocking(|conn| set_for(conn, red)).unwrap(), stored[..1]);
    }

    #[test]
    fn a_name_is_taken_within_its_team_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let [red, blue] = [1, 2].map(|number| Some(TeamId(sample::uuid(number))));
        let mut number = 20;
        for (team, is_free) in
            [(red, true), (blue, true), (None, true), (red, false), (blue, false), (None, false)]
        {
            number += 1;
            let mut stored = StoredQuota { team, ..quota(number, Subject::Platform, Window::Minute) };
            stored.quota.name = "daily".into();
            let made = store.write_blocking(|conn| create(conn, &stored));
            assert_eq!(made.is_ok(), is_free, "{team:?}");
            assert!(is_free || matches!(made, Err(StoreError::Conflict(_))));
        }
    }
}
