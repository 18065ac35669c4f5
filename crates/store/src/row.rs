//! From a row's plain columns to checked values, with one way to say which row is wrong.
//!
//! A problem names the column and never repeats its content.

pub(crate) mod capabilities;
pub(crate) mod conduct;
pub(crate) mod fit;
mod scope;
pub(crate) mod throttle;

use std::{collections::BTreeMap, str::FromStr};

use nexus_core::{
    anomaly::throttle::Wish, capabilities::Capabilities, flow::Bounds, need::Fit, scope::Scope,
};

use crate::{error::StoreError, repo::Page};

pub(crate) use scope::written;

/// The row being read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a str,
}

impl Reading<'_> {
    pub(crate) fn problem(self, column: &'static str, problem: impl ToString) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            id: self.id.to_owned(),
            column,
            problem: problem.to_string(),
        }
    }

    /// An id of any kind.
    pub(crate) fn id<T: FromStr>(self, column: &'static str, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_| self.problem(column, "is not a UUID"))
    }

    /// An id of any kind that may be absent.
    pub(crate) fn id_or_none<T: FromStr>(
        self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        text.map(|text| self.id(column, text)).transpose()
    }

    /// One of a fixed set of words.
    pub(crate) fn word<T>(
        self,
        column: &'static str,
        word: &str,
        from_word: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        from_word(word).ok_or_else(|| self.problem(column, "is no word this program knows"))
    }

    /// What a team wishes about keys of which something looks wrong.
    pub(crate) fn throttle(
        self,
        column: &'static str,
        text: Option<&str>,
    ) -> Result<Option<Wish>, StoreError> {
        text.map(|text| throttle::read(text).ok_or_else(|| self.problem(column, "is no such wish")))
            .transpose()
    }

    /// A scope. What is not understood is an error and never read as no bound.
    pub(crate) fn scope(self, column: &'static str, text: &str) -> Result<Scope, StoreError> {
        scope::read(text).ok_or_else(|| self.problem(column, "is no scope"))
    }

    /// Names, each with a text.
    pub(crate) fn texts(
        self,
        column: &'static str,
        json: &str,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        serde_json::from_str(json).map_err(|_| self.problem(column, "is not an object of texts"))
    }

    /// What a target is there for. What is not understood is an error and never read as no bound.
    pub(crate) fn fit(self, column: &'static str, text: &str) -> Result<Fit, StoreError> {
        fit::read(text).ok_or_else(|| self.problem(column, "is no set of bounds"))
    }

    /// What a model is said to be able to do.
    pub(crate) fn capabilities(self, column: &'static str, text: &str) -> Result<Capabilities, StoreError> {
        capabilities::read(text).ok_or_else(|| self.problem(column, "is no set of capabilities"))
    }

    /// A number that is neither negative nor beyond 32 bits.
    pub(crate) fn small(self, column: &'static str, number: i64) -> Result<u32, StoreError> {
        u32::try_from(number).map_err(|_| self.problem(column, "is out of range"))
    }

    /// How much may pass, from the columns of that name.
    pub(crate) fn bounds(
        self,
        rate_limit: Option<i64>,
        token_limit: Option<i64>,
        max_concurrent: Option<i64>,
    ) -> Result<Bounds, StoreError> {
        Ok(Bounds {
            requests: self.small_or_none("rate_limit", rate_limit)?,
            tokens: self.small_or_none("token_limit", token_limit)?,
            concurrent: self.small_or_none("max_concurrent", max_concurrent)?,
        })
    }

    /// A number that may be absent.
    pub(crate) fn small_or_none(
        self,
        column: &'static str,
        number: Option<i64>,
    ) -> Result<Option<u32>, StoreError> {
        number.map(|number| self.small(column, number)).transpose()
    }
}

/// The rows that can be read; the others are logged and left out, so that one bad row harms only itself.
pub(crate) fn readable<R, T>(rows: Vec<R>, read: impl Fn(R) -> Result<T, StoreError>) -> Vec<T> {
    rows.into_iter()
        .filter_map(|row| read(row).inspect_err(|error| tracing::error!(%error, "a row is left out")).ok())
        .collect()
}

/// A page of the rows that can be read, each loaded part of it beginning behind the last row of the one before. What
/// cannot be read is left out and others take its place, so that a page that is not full is the last one.
pub(crate) fn page_of<R, T>(
    page: &Page,
    mut load: impl FnMut(&Page) -> Result<Vec<R>, StoreError>,
    place: impl Fn(&R) -> (i64, String),
    read: impl Fn(R) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
    let (mut rows, mut part) = (Vec::new(), page.clone());
    loop {
        let found = load(&part)?;
        let is_last = count(found.len()) < part.limit;
        part.after = found.last().map(&place).or(part.after);
        rows.extend(readable(found, &read));
        part.limit = page.limit.saturating_sub(count(rows.len()));
        if is_last || part.limit == 0 {
            return Ok(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_rows_make_no_page_look_like_the_last() {
        // rows are numbers, each its own place; odd ones are damaged
        let load = |rows: i64| {
            move |page: &Page| {
                let from = page.after.as_ref().map_or(0, |(at, _)| at + 1);
                Ok((from..rows).take(usize::try_from(page.limit).unwrap()).collect::<Vec<i64>>())
            }
        };
        let place = |row: &i64| (*row, String::new());
        let read = |row: i64| if row % 2 == 0 { Ok(row) } else { Err(StoreError::Lost) };
        for (rows, after, limit, expected) in [
            (10, None, 3, &[0, 2, 4][..]),
            (10, Some(4), 3, &[6, 8]),
            (10, None, 5, &[0, 2, 4, 6, 8]),
            (10, None, 6, &[0, 2, 4, 6, 8]),
            (1, None, 1, &[0]),
            (0, None, 3, &[]),
            (10, None, 0, &[]),
        ] {
            let page = Page { after: after.map(|at| (at, String::new())), limit };
            let found = page_of(&page, load(rows), place, read).unwrap();
            assert_eq!(found, expected, "{rows} {after:?} {limit}");
        }
    }
}
