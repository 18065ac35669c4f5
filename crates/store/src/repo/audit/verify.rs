//! Walking the chain from its first row to its last.
//!
//! Memory is bounded: the days of the trail and one batch of rows, however long the trail is.

use std::{iter::Peekable, ops::ControlFlow, vec};

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, dsl::min};

use super::{
    Recorded,
    chain::{self, START},
    day::{self, Day},
    purge::RETENTION_DAYS_MIN,
};
use crate::{
    connection::AnyConnection,
    error::StoreError,
    schema::{audit_days, audit_log},
};

/// How many rows are held at once.
const BATCH_ROWS: u16 = 256;

/// What walking the chain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `rows` were checked; `days` counts the purged ones too.
    Whole { rows: u64, days: u64 },
    /// Up to the row before `seq` all is well.
    Broken { seq: i64, what: Breach },
    /// So many rows are whole; whoever was told of them wished to hear no more.
    Unfinished { rows: u64 },
}

/// What is wrong with the first row that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("the row is missing")]
    Missing,
    /// This row or, where the forger made that one's hash anew, the row before it.
    #[error("the row does not fit its hash and the row before it")]
    Changed,
    #[error("the row lies outside every day of the trail")]
    Stray,
    #[error("the day that begins here does not follow on the one before it")]
    DayChanged,
    /// A row of this day was changed and every hash after it made anew.
    #[error("the day that ends here ends in another hash than it was sealed with")]
    Seal,
    #[error("the day that begins here was purged before its time")]
    PurgedTooSoon,
    /// The row, or one before it, was changed and every hash after it made anew.
    #[error("the row has another hash than the exported anchor says")]
    Anchor,
}

/// How far the trail had come and what its last hash was: enough to find out whoever makes the hashes
/// anew, if it is kept where the trail's forger cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub day: String,
    pub last_seq: i64,
    /// Hex.
    pub last_hash: String,
}

/// One anchor a day, oldest first; the last is of the day that is open, as far as it has come.
pub fn anchors(conn: &mut AnyConnection) -> Result<Vec<Anchor>, StoreError> {
    days(conn)?
        .into_iter()
        .map(|day| {
            let (last_seq, last_hash) = match (day.last_seq, &day.last_hash) {
                (Some(seq), Some(hash)) => (seq, hash.clone()),
                _ => day::end(conn, &day)?,
            };
            Ok(Anchor { day: day.day, last_seq, last_hash })
        })
        .collect()
}

/// Walks the whole chain and names the first row that is not as it was written.
///
/// Finds without help: a changed column, a row missing in the middle or at the end of a sealed day, rows
/// that changed places, hashes made anew within a day. Only with `exported` anchors: rows cut off the end
/// of the open day, and a trail whose hashes and days were made anew to the end. Anchors may come in any
/// order; one inside a purged day proves nothing and is passed over.
pub fn verify(conn: &mut AnyConnection, exported: &[Anchor]) -> Result<Verdict, StoreError> {
    verify_telling(conn, exported, &mut |_| ControlFlow::Continue(()))
}

/// [`verify`] that tells, again and again, how many rows were checked so far, and may be stopped then.
pub fn verify_telling(
    conn: &mut AnyConnection,
    exported: &[Anchor],
    tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Verdict, StoreError> {
    match walk(conn, exported, tell) {
        Ok(Walk { rows, days, .. }) => Ok(Verdict::Whole { rows, days }),
        Err(Stop::Broken { seq, what }) => Ok(Verdict::Broken { seq, what }),
        Err(Stop::Enough { rows }) => Ok(Verdict::Unfinished { rows }),
        Err(Stop::Store(error)) => Err(error),
    }
}

/// Hears how many rows were checked, and says whether to go on.
type Telling<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

fn walk<'a>(
    conn: &mut AnyConnection,
    exported: &'a [Anchor],
    tell: &'a mut Telling<'a>,
) -> Result<Walk<'a>, Stop> {
    let days = days(conn)?;
    let oldest: Option<i64> =
        audit_log::table.select(min(audit_log::seq)).first(conn).map_err(StoreError::from)?;
    if let Some(seq) = oldest {
        check(seq >= 1 && !days.is_empty(), seq, Breach::Stray)?;
    }
    let mut walk = Walk::new(exported, tell);
    let mut days = days.iter();
    while let Some(day) = days.next() {
        walk.pass(conn, day, days.as_slice())?;
    }
    let end = walk.next_seq;
    check(walk.exported.all(|anchor| anchor.last_seq < end), end, Breach::Missing)?;
    Ok(walk)
}

fn days(conn: &mut AnyConnection) -> Result<Vec<Day>, StoreError> {
    Ok(audit_days::table.order(audit_days::day).load(conn)?)
}

/// Why a walk ends early.
enum Stop {
    Broken { seq: i64, what: Breach },
    Enough { rows: u64 },
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Store(error)
    }
}

fn check(holds: bool, seq: i64, what: Breach) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Broken { seq, what }) }
}

/// How far the walk has come.
struct Walk<'a> {
    next_seq: i64,
    /// The hash of the row before.
    previous: String,
    /// Whether a day that has its rows was seen: from there on none may be purged.
    has_begun: bool,
    rows: u64,
    days: u64,
    /// By number of row; those behind us are taken out.
    exported: Peekable<vec::IntoIter<&'a Anchor>>,
    /// Told of `rows` after each batch.
    tell: &'a mut Telling<'a>,
}

impl<'a> Walk<'a> {
    fn new(exported: &'a [Anchor], tell: &'a mut Telling<'a>) -> Self {
        let mut exported: Vec<_> = exported.iter().collect();
        exported.sort_by_key(|anchor| anchor.last_seq);
        Self {
            next_seq: 1,
            previous: START.to_owned(),
            has_begun: false,
            rows: 0,
            days: 0,
            exported: exported.into_iter().peekable(),
            tell,
        }
    }

    /// Passes one day; `later` are the days after it, of which only the last may be open.
    fn pass(&mut self, conn: &mut AnyConnection, day: &Day, later: &[Day]) -> Result<(), Stop> {
        let first = self.next_seq;
        let follows = day.first_seq == first
            && day.first_previous_hash == self.previous
            && day.last_seq.is_none_or(|last| last.saturating_add(1) >= first)
            && day.sealed_at.is_none() == later.is_empty();
        check(follows, first, Breach::DayChanged)?;
        self.days += 1;
        let seal = day.last_seq.zip(day.last_hash.as_deref());
        if let (Some(_), Some((last_seq, last_hash))) = (day.purged_at, seal) {
            check(!self.has_begun && is_due(later), first, Breach::PurgedTooSoon)?;
            return self.reach(last_seq, last_hash);
        }
        self.has_begun = true;
        self.walk_rows(conn, day)?;
        let Some((last_seq, last_hash)) = seal else { return Ok(()) };
        check(self.next_seq > last_seq, self.next_seq, Breach::Missing)?;
        check(self.previous == last_hash, last_seq.max(first), Breach::Seal)
    }

    fn walk_rows(&mut self, conn: &mut AnyConnection, day: &Day) -> Result<(), Stop> {
        let last = day.last_seq.unwrap_or(i64::MAX);
        loop {
            let batch: Vec<Recorded> = audit_log::table
                .filter(audit_log::seq.ge(self.next_seq))
                .filter(audit_log::seq.le(last))
                .order(audit_log::seq)
                .limit(BATCH_ROWS.into())
                .load(conn)
                .map_err(StoreError::from)?;
            for row in &batch {
                self.step(row, day)?;
            }
            if (self.tell)(self.rows).is_break() {
                return Err(Stop::Enough { rows: self.rows });
            }
            if batch.len() < usize::from(BATCH_ROWS) {
                return Ok(());
            }
        }
    }

    fn step(&mut self, row: &Recorded, day: &Day) -> Result<(), Stop> {
        check(row.seq == self.next_seq, self.next_seq, Breach::Missing)?;
        let fits = row.day == day.day && row.hash == chain::hash(&self.previous, row);
        check(fits, row.seq, Breach::Changed)?;
        self.rows += 1;
        self.reach(row.seq, &row.hash)
    }

    /// Goes on behind row `seq`, which has this hash.
    fn reach(&mut self, seq: i64, hash: &str) -> Result<(), Stop> {
        while let Some(anchor) = self.exported.next_if(|anchor| anchor.last_seq <= seq) {
            check(anchor.last_seq < seq || anchor.last_hash == hash, seq, Breach::Anchor)?;
        }
        self.next_seq = seq.saturating_add(1);
        hash.clone_into(&mut self.previous);
        Ok(())
    }
}

/// Whether enough later days are sealed for a day to be purged.
fn is_due(later: &[Day]) -> bool {
    later.iter().filter(|day| day.sealed_at.is_some()).nth(usize::from(RETENTION_DAYS_MIN) - 1).is_some()
}
