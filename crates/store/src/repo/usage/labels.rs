//! Sums by what applications said of their calls, by the day.
//!
//! Applications say what they like, so of a team and a day only [`LABELS_MAX`] labels of a kind are kept apart:
//! usage under any other counts under [`OTHERS`]. The attempts' own rows keep what was said. A node goes by the
//! labels it found when it came to the day and those of its own: several together keep at most so many each.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::{ExpressionMethods, Insertable, QueryDsl, RunQueryDsl};
use nexus_core::{id::TeamId, label::Labels};

use super::{
    fact::Fact,
    hour::{DAY_HOURS, HOUR_MS, Sums},
    storable,
};
use crate::{connection::AnyConnection, error::StoreError, schema::usage_label_days, upsert};

/// Labels of a kind, a team and a day that are kept apart.
pub const LABELS_MAX: usize = 1_000;
/// Under what the rest counts; nobody can say it.
pub const OTHERS: &str = "";
/// Teams and days whose labels are remembered; one more begins anew.
const REMEMBERED_MAX: usize = 500;

/// What a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    User,
    Tag,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Tag => "tag",
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = usage_label_days, treat_none_as_default_value = false)]
pub(crate) struct LabelRow<'a> {
    pub(crate) day: i64,
    pub(crate) team_id: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) label: &'a str,
    pub(crate) measure: &'a str,
    pub(crate) amount: i64,
}

/// Day, team and kind.
type Group = (i64, String, Kind);

/// The labels that are in the database, of the groups that were looked at.
#[derive(Default)]
pub(super) struct Known(HashMap<Group, HashSet<String>>);

impl Known {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// What the label counts under.
    fn place<'a>(
        &mut self,
        conn: &mut AnyConnection,
        group: &Group,
        label: &'a str,
    ) -> Result<&'a str, StoreError> {
        use usage_label_days::dsl as row;
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(group) {
            self.0.clear();
        }
        if !self.0.contains_key(group) {
            let (day, team, kind) = group;
            let labels: Vec<String> = row::usage_label_days
                .filter(row::day.eq(day))
                .filter(row::team_id.eq(team))
                .filter(row::kind.eq(kind.as_str()))
                .select(row::label)
                .distinct()
                .load(conn)?;
            self.0.insert(group.clone(), labels.into_iter().collect());
        }
        let known = self.0.entry(group.clone()).or_default();
        if known.contains(label) {
            return Ok(label);
        }
        if known.len() >= LABELS_MAX {
            return Ok(OTHERS);
        }
        known.insert(label.to_owned());
        Ok(label)
    }
}

/// What a batch adds, in the order in which it is added: two that add to the same rows do not block each other.
#[derive(Default)]
pub(super) struct LabelDays(BTreeMap<(Group, String), Sums>);

impl LabelDays {
    pub(super) fn add(&mut self, fact: &Fact, team: Option<TeamId>, labels: &Labels) {
        self.each(fact.started_at_ms, team, labels, |sums| sums.add(fact));
    }

    /// Adds a correction of an attempt that began then.
    pub(super) fn merge(&mut self, started_at_ms: i64, team: Option<TeamId>, labels: &Labels, change: &Sums) {
        self.each(started_at_ms, team, labels, |sums| sums.merge(change));
    }

    fn each(&mut self, started_at_ms: i64, team: Option<TeamId>, labels: &Labels, add: impl Fn(&mut Sums)) {
        let day = started_at_ms.div_euclid(HOUR_MS.saturating_mul(DAY_HOURS));
        let users = labels.user.iter().map(|user| (Kind::User, user));
        for (kind, label) in users.chain(labels.tags.iter().map(|tag| (Kind::Tag, tag))) {
            let team = team.map(|team| team.to_string()).unwrap_or_default();
            let label = storable(label).into_owned();
            add(self.0.entry(((day, team, kind), label)).or_default());
        }
    }

    pub(super) fn write(self, conn: &mut AnyConnection, known: &mut Known) -> Result<(), StoreError> {
        for ((group, label), sums) in &self.0 {
            let label = known.place(conn, group, label)?;
            let (day, team, kind) = group;
            for (measure, amount) in sums.plain() {
                let row = LabelRow {
                    day: *day,
                    team_id: team,
                    kind: kind.as_str(),
                    label,
                    measure: &measure,
                    amount,
                };
                upsert::add_to_label_day(conn, &row)?;
            }
        }
        Ok(())
    }
}
