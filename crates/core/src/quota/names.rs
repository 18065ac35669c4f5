//! Counters of quotas that count users or tags apart: which counter a name has.
//!
//! Names are what applications write, so there is no end of them: a team has at most [`NAMES_MAX`] counters of
//! a quota, and all names beyond share one more. So a limit holds for everybody, and a flood of names is the
//! harm of the team it comes from.

use std::collections::HashMap;

use crate::id::{TeamId, Uuid};

/// Names of one team a quota counts apart at once.
pub const NAMES_MAX: usize = 10_000;

/// What a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    pub quota: Uuid,
    pub team: Option<TeamId>,
    /// `None`: all names for which there was no room.
    pub name: Option<Box<str>>,
}

/// The counters there are. Each is known by an id, as a quota is.
#[derive(Debug, Default)]
pub struct Names {
    ids: HashMap<Counted, Uuid>,
    counted: HashMap<Uuid, Counted>,
    apart: HashMap<(Uuid, Option<TeamId>), usize>,
    last: u64,
}

impl Names {
    /// The counter of a name; it is made where there is none.
    pub fn counter(&mut self, quota: Uuid, team: Option<TeamId>, name: &str) -> Uuid {
        let mut counted = Counted { quota, team, name: Some(name.into()) };
        if let Some(id) = self.ids.get(&counted) {
            return *id;
        }
        let apart = self.apart.entry((quota, team)).or_default();
        if *apart < NAMES_MAX {
            *apart = apart.saturating_add(1);
        } else {
            counted.name = None;
            if let Some(id) = self.ids.get(&counted) {
                return *id;
            }
        }
        self.last = self.last.wrapping_add(1);
        // no id that was ever minted, for those bear the time in front
        let id = Uuid::from_u64_pair(u64::MAX, self.last);
        self.ids.insert(counted.clone(), id);
        self.counted.insert(id, counted);
        id
    }

    pub fn has(&self, counter: Uuid) -> bool {
        self.counted.contains_key(&counter)
    }

    /// What a counter counts.
    pub fn counted(&self, counter: Uuid) -> Option<&Counted> {
        self.counted.get(&counter)
    }

    /// The counters of a quota.
    pub fn of(&self, quota: Uuid) -> impl Iterator<Item = (Uuid, &Counted)> {
        self.counted
            .iter()
            .filter(move |(_, counted)| counted.quota == quota)
            .map(|(id, counted)| (*id, counted))
    }

    /// Forgets counters, so that other names have room.
    pub fn keep(&mut self, mut is_wanted: impl FnMut(Uuid, &Counted) -> bool) {
        self.counted.retain(|id, counted| is_wanted(*id, counted));
        let Self { ids, counted, apart, .. } = self;
        ids.retain(|_, id| counted.contains_key(id));
        apart.clear();
        for one in counted.values().filter(|one| one.name.is_some()) {
            let count = apart.entry((one.quota, one.team)).or_default();
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Uuid = Uuid::from_u128(1);

    fn team(number: u128) -> Option<TeamId> {
        Some(TeamId(Uuid::from_u128(number)))
    }

    #[test]
    fn a_name_has_one_counter_and_another_in_another_team_or_quota() {
        let mut names = Names::default();
        let ann = names.counter(QUOTA, team(1), "ann");
        assert_eq!(names.counter(QUOTA, team(1), "ann"), ann);
        for (quota, team, name) in [
            (QUOTA, team(1), "bob"),
            (QUOTA, team(2), "ann"),
            (QUOTA, None, "ann"),
            (Uuid::nil(), team(1), "ann"),
        ] {
            assert_ne!(names.counter(quota, team, name), ann);
        }
        assert_eq!(names.of(QUOTA).count(), 4);
        names.keep(|id, _| id == ann);
        assert!(names.has(ann));
        assert_eq!(names.of(QUOTA).count(), 1);
    }

    #[test]
    fn names_beyond_the_bound_share_a_counter_until_there_is_room() {
        let mut names = Names::default();
        for at in 0..NAMES_MAX {
            names.counter(QUOTA, team(1), &at.to_string());
        }
        let shared = names.counter(QUOTA, team(1), "one more");
        assert_eq!(names.counter(QUOTA, team(1), "and another"), shared);
        assert_eq!(names.counted(shared).unwrap().name, None);
        let other = names.counter(QUOTA, team(2), "one more");
        assert!(names.counted(other).unwrap().name.is_some(), "another team has room of its own");
        assert_eq!(names.of(QUOTA).count(), NAMES_MAX + 2);
        names.keep(|_, counted| counted.name.as_deref() != Some("7"));
        let own = names.counter(QUOTA, team(1), "one more");
        assert!(names.counted(own).unwrap().name.is_some());
    }
}
