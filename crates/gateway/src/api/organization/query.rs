//! What is asked of usage, in OpenAI's parameters. A page's cursor is signed and bound to the query.

use nexus_core::id::{KeyId, TeamId};
use nexus_keystore::cursor::Cursors;
use serde::{Deserialize, Serialize};

use super::shape::Kind;
use crate::{
    admin::problem::Problem,
    api::asked::{flaw, number},
};

/// The latest time that is taken: the year 9999.
const LATEST_S: i64 = 253_402_300_799;
/// What every cursor begins with.
const PAGE: &str = "page_";

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Minute,
    Hour,
    Day,
}

impl Width {
    fn seconds(self) -> i64 {
        match self {
            Width::Minute => 60,
            Width::Hour => 3_600,
            Width::Day => 86_400,
        }
    }

    /// Buckets of a page, where the request does not say, and at most.
    fn limits(self, kind: Kind) -> (i64, i64) {
        match self {
            Width::Minute => (60, 1_440),
            Width::Hour => (24, 168),
            Width::Day if kind == Kind::Costs => (7, 180),
            Width::Day => (7, 31),
        }
    }
}

/// What results are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Project,
    Key,
    Model,
}

/// From when until when, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

/// A query that was read.
#[derive(Debug)]
pub struct Query {
    pub width: Width,
    pub groups: Vec<Group>,
    pub teams: Option<Vec<TeamId>>,
    pub keys: Option<Vec<KeyId>>,
    pub models: Option<Vec<String>>,
    /// Where this page begins.
    start: i64,
    end: i64,
    limit: i64,
    /// The parameters in one order, without the page.
    binding: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    start: i64,
    binding: Vec<(String, String)>,
}

impl Query {
    pub fn read(
        pairs: &[(String, String)],
        kind: Kind,
        cursors: &Cursors,
        now_s: i64,
    ) -> Result<Self, Problem> {
        let named = |wanted: &'static str| {
            pairs.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        check_names(pairs, kind)?;
        let width = match (named("bucket_width").next(), kind) {
            (None | Some("1d"), _) => Width::Day,
            (Some("1h"), kind) if kind != Kind::Costs => Width::Hour,
            (Some("1m"), kind) if kind != Kind::Costs => Width::Minute,
            (Some(_), Kind::Costs) => return Err(flaw("bucket_width", "must be `1d`")),
            (Some(_), _) => return Err(flaw("bucket_width", "must be `1m`, `1h` or `1d`")),
        };
        let start = named("start_time").next().ok_or_else(|| flaw("start_time", "must be given"))?;
        let start = number("start_time", start, 0, LATEST_S)?;
        let end = named("end_time").next().map(|end| number("end_time", end, 0, LATEST_S)).transpose()?;
        let end = end.unwrap_or(now_s.saturating_add(1));
        if end <= start {
            return Err(flaw("end_time", "must be after `start_time`"));
        }
        let (usual, most) = width.limits(kind);
        let limit = named("limit").next().map(|limit| number("limit", limit, 1, most)).transpose()?;
        let mut binding: Vec<_> = pairs.iter().filter(|(name, _)| name != "page").cloned().collect();
        binding.sort();
        let start = match named("page").next() {
            Some(page) => opened(cursors, page, &binding)?,
            None => start.saturating_sub(start.rem_euclid(width.seconds())),
        };
        Ok(Self {
            width,
            groups: listed(named("group_by")).map(|word| kind.group(word)).collect::<Result<_, _>>()?,
            teams: ids("project_ids", listed(named("project_ids")))?,
            keys: ids("api_key_ids", listed(named("api_key_ids")))?,
            models: Some(listed(named("models")).map(str::to_owned).collect::<Vec<_>>())
                .filter(|models| !models.is_empty()),
            start,
            end,
            limit: limit.unwrap_or(usual),
            binding,
        })
    }

    /// The buckets of this page.
    pub fn buckets(&self) -> Vec<Span> {
        let width = self.width.seconds();
        let span = |at: i64| {
            let start = self.start.saturating_add(width.saturating_mul(at));
            Span { start, end: start.saturating_add(width) }
        };
        (0..self.limit).map(span).take_while(|span| span.start < self.end).collect()
    }

    /// The cursor of the next page, where there is one.
    pub fn next(&self, cursors: &Cursors) -> Option<String> {
        let start = self.start.saturating_add(self.width.seconds().saturating_mul(self.limit));
        let cursor = Cursor { start, binding: self.binding.clone() };
        let signed = || cursors.sign(&serde_json::to_vec(&cursor).unwrap_or_default());
        (start < self.end).then(|| format!("{PAGE}{}", signed()))
    }
}

fn check_names(pairs: &[(String, String)], kind: Kind) -> Result<(), Problem> {
    const KNOWN: [&str; 9] = [
        "start_time",
        "end_time",
        "bucket_width",
        "project_ids",
        "api_key_ids",
        "models",
        "group_by",
        "limit",
        "page",
    ];
    for (name, value) in pairs {
        let is_known = KNOWN.contains(&name.as_str()) && !(kind == Kind::Costs && name == "models");
        if !is_known {
            let known = KNOWN.join("`, `");
            return Err(flaw(name, format!("is nothing usage is told apart by here; there are `{known}`")));
        }
        if value.len() > 512 {
            return Err(flaw(name, "is longer than 512 characters"));
        }
    }
    Ok(())
}

/// Values that may also stand with commas in between.
fn listed<'a>(values: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    values.flat_map(|value| value.split(',')).filter(|value| !value.is_empty())
}

fn ids<'a, T: From<nexus_core::id::Uuid>>(
    name: &str,
    values: impl Iterator<Item = &'a str>,
) -> Result<Option<Vec<T>>, Problem> {
    let id = |value: &str| {
        let id = value.parse::<nexus_core::id::Uuid>();
        id.map(T::from).map_err(|_| flaw(name, "holds something that is no id"))
    };
    let ids: Vec<T> = values.map(id).collect::<Result<_, _>>()?;
    Ok(Some(ids).filter(|ids| !ids.is_empty()))
}

fn opened(cursors: &Cursors, page: &str, binding: &[(String, String)]) -> Result<i64, Problem> {
    let bytes = page.strip_prefix(PAGE).and_then(|signed| cursors.open(signed));
    let cursor = bytes.and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok());
    cursor.filter(|cursor| cursor.binding == binding).map(|cursor| cursor.start).ok_or_else(|| {
        flaw("page", "is no page of this query; begin again without it, and keep the rest as it is")
    })
}
