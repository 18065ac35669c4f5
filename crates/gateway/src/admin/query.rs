//! What stands behind the `?`: filters that refuse what they do not know, and the walk through a list.
//!
//! A cursor is signed and bound to the list, its filters and the caller's reach: it opens nowhere else. What the
//! description says of a parameter's length and bounds is what is held; there is no second list of them.

use actix_web::web;
use nexus_core::role::Reach;
use nexus_keystore::cursor::Cursors;
use nexus_store::repo::Page;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{
    IntoParams, Number, ToSchema,
    openapi::{
        RefOr, Schema,
        path::{Parameter, ParameterIn},
        schema::Object,
    },
};

use super::problem::{Kind, Problem};

/// Rows of a page where the request does not say.
pub const LIMIT_USUAL: u32 = 50;

/// What a query is read with.
pub struct Asking<'a> {
    /// As it stands in the URL, still encoded.
    pub text: &'a str,
    /// The URL's path.
    pub path: &'a str,
    pub reach: Reach,
    pub cursors: &'a Cursors,
}

/// What a request's query can be: nothing, [`Filter`], [`Both`] or [`Walk`].
pub trait Query: Sized + 'static {
    fn read(asking: &Asking<'_>) -> Result<Self, Problem>;

    fn describe() -> Vec<Parameter>;
}

impl Query for () {
    fn read(asking: &Asking<'_>) -> Result<Self, Problem> {
        parse::<Unfiltered>(asking.text).map(drop)
    }

    fn describe() -> Vec<Parameter> {
        Vec::new()
    }
}

/// Filters without a walk.
#[derive(Debug)]
pub struct Filter<T>(pub T);

impl<T: DeserializeOwned + IntoParams + 'static> Query for Filter<T> {
    fn read(asking: &Asking<'_>) -> Result<Self, Problem> {
        parse(asking.text).map(Self)
    }

    fn describe() -> Vec<Parameter> {
        described::<T>()
    }
}

/// Two lists of parameters beside each other, where serde cannot flatten one and refuse what it does not know.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A, B> Query for Both<A, B>
where
    A: DeserializeOwned + IntoParams + 'static,
    B: DeserializeOwned + IntoParams + 'static,
{
    fn read(asking: &Asking<'_>) -> Result<Self, Problem> {
        let (first, second) = split::<A>(asking.text);
        Ok(Self(parse(&first.join("&"))?, parse(&second.join("&"))?))
    }

    fn describe() -> Vec<Parameter> {
        described::<A>().into_iter().chain(described::<B>()).collect()
    }
}

/// Filters, and where in the list the page begins. Lists without filters take [`Unfiltered`].
#[derive(Debug)]
pub struct Walk<T> {
    pub filter: T,
    after: Option<(i64, String)>,
    limit: u32,
    binding: Binding,
}

/// The filters of a list that has none.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Unfiltered {}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Paging {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(nullable = false, max_length = 2048)]
    cursor: Option<String>,
}

/// What a cursor belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Binding {
    path: String,
    /// The filters in one order.
    filters: Vec<String>,
    team: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    binding: Binding,
    after: (i64, String),
}

impl<T: DeserializeOwned + IntoParams + 'static> Query for Walk<T> {
    fn read(asking: &Asking<'_>) -> Result<Self, Problem> {
        let (paging, filters) = split::<Paging>(asking.text);
        let Paging { limit, cursor } = parse(&paging.join("&"))?;
        let limit = limit.unwrap_or(LIMIT_USUAL);
        let filter = parse(&filters.join("&"))?;
        let mut filters: Vec<_> = filters.into_iter().map(str::to_owned).collect();
        filters.sort();
        let team = asking.reach.team().map(|team| team.to_string());
        let binding = Binding { path: asking.path.to_owned(), filters, team };
        let after = cursor.map(|cursor| open(asking.cursors, &cursor, &binding)).transpose()?;
        Ok(Self { filter, after, limit, binding })
    }

    fn describe() -> Vec<Parameter> {
        described::<T>().into_iter().chain(described::<Paging>()).collect()
    }
}

fn open(cursors: &Cursors, text: &str, binding: &Binding) -> Result<(i64, String), Problem> {
    let opened = cursors.open(text).and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok());
    let bad =
        || Problem::new(Kind::BadCursor, "begin again without `cursor`, and keep the filters as they are");
    opened.filter(|cursor| cursor.binding == *binding).map(|cursor| cursor.after).ok_or_else(bad)
}

pub fn described<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// What of a query is `T`'s, and the rest of its text.
pub fn apart<T: DeserializeOwned + IntoParams>(text: &str) -> Result<(T, String), Problem> {
    let (own, rest) = split::<T>(text);
    Ok((parse(&own.join("&"))?, rest.join("&")))
}

/// The pairs of a query that are `T`'s, and the others.
fn split<T: IntoParams>(text: &str) -> (Vec<&str>, Vec<&str>) {
    let own = described::<T>();
    let is_own = |pair: &&str| own.iter().any(|one| pair.split('=').next() == Some(&one.name));
    text.split('&').filter(|pair| !pair.is_empty()).partition(is_own)
}

fn parse<T: DeserializeOwned + IntoParams>(text: &str) -> Result<T, Problem> {
    let bad = |detail: String| Problem::new(Kind::BadRequest, detail);
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
    for (name, value) in pairs.map_err(|error| bad(format!("the query: {error}")))?.into_inner() {
        let schema = described::<T>().into_iter().find(|one| one.name == name).and_then(|one| one.schema);
        if let Some(RefOr::T(Schema::Object(schema))) = schema {
            hold(&schema, &value).map_err(|flaw| bad(format!("`{name}` {flaw}")))?;
        }
    }
    let parsed = web::Query::<T>::from_query(text).map(web::Query::into_inner);
    parsed.map_err(|error| bad(format!("the query: {error}")))
}

/// Holds a value to the length and the bounds it is described with. What is no number is no matter of bounds.
fn hold(schema: &Object, value: &str) -> Result<(), String> {
    if let Some(most) = schema.max_length.filter(|most| value.chars().nth(*most).is_some()) {
        return Err(format!("is longer than {most} characters"));
    }
    let Ok(number) = value.parse::<i128>() else { return Ok(()) };
    if let Some(least) = schema.minimum.as_ref().map(whole).filter(|least| number < *least) {
        return Err(format!("is less than {least}"));
    }
    if let Some(most) = schema.maximum.as_ref().map(whole).filter(|most| number > *most) {
        return Err(format!("is more than {most}"));
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no parameter is described with a bound that is no integer"
)]
fn whole(bound: &Number) -> i128 {
    match bound {
        Number::Int(whole) => *whole as i128,
        Number::UInt(whole) => *whole as i128,
        Number::Float(float) => *float as i128,
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    pub data: Vec<T>,
    /// Whether there is another page.
    pub has_more: bool,
    /// To be sent as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

impl<T> Walk<T> {
    /// What is to be read: one row more than the page has, which tells whether there is another page.
    pub fn page(&self) -> Page {
        Page { after: self.after.clone(), limit: self.limit.saturating_add(1) }
    }

    /// The same for lists that say themselves where the next page begins.
    pub fn exact_page(&self) -> Page {
        Page { after: self.after.clone(), limit: self.limit }
    }

    /// Makes a page of which is known where the next one begins.
    pub fn listing_until<B>(
        &self,
        cursors: &Cursors,
        data: Vec<B>,
        next: Option<(i64, String)>,
    ) -> Listing<B> {
        let next_cursor = next.map(|key| self.sign(cursors, key));
        Listing { data, has_more: next_cursor.is_some(), next_cursor }
    }

    /// Makes a page of the rows read; `key` is what the list is ordered by.
    pub fn listing<R, B>(
        &self,
        cursors: &Cursors,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> (i64, String),
        body: impl FnMut(&R) -> B,
    ) -> Listing<B> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|last| self.sign(cursors, key(last)));
        Listing { data: rows.iter().map(body).collect(), has_more, next_cursor: next }
    }

    fn sign(&self, cursors: &Cursors, after: (i64, String)) -> String {
        let cursor = Cursor { binding: self.binding.clone(), after };
        cursors.sign(&serde_json::to_vec(&cursor).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::id::{TeamId, Uuid};
    use nexus_keystore::root::RootSecret;

    use super::*;

    #[derive(Debug, Deserialize, IntoParams)]
    #[serde(deny_unknown_fields)]
    struct Colour {
        #[param(max_length = 8)]
        colour: Option<String>,
        #[param(minimum = 1, maximum = 40)]
        size: Option<u32>,
    }

    fn cursors() -> Cursors {
        Cursors::new(&RootSecret::random().ok().unwrap()).ok().unwrap()
    }

    fn walk(cursors: &Cursors, path: &str, text: &str, reach: Reach) -> Result<Walk<Colour>, Kind> {
        Walk::read(&Asking { text, path, reach, cursors }).map_err(|problem| problem.kind)
    }

    #[test]
    fn a_query_says_how_far_and_what_and_nothing_else() {
        let cursors = cursors();
        let red = walk(&cursors, "/things", "colour=red&size=3", Reach::Platform).unwrap().filter;
        assert_eq!((red.colour.as_deref(), red.size), (Some("red"), Some(3)));
        for (text, limit) in [
            ("", Ok(LIMIT_USUAL)),
            ("limit=1", Ok(1)),
            ("colour=red&limit=200&size=3", Ok(200)),
            ("limit=0", Err(Kind::BadRequest)),
            ("limit=201", Err(Kind::BadRequest)),
            ("limit=-1", Err(Kind::BadRequest)),
            ("limit=1&limit=2", Err(Kind::BadRequest)),
            ("size=x", Err(Kind::BadRequest)),
            ("size=1&limit=3", Ok(3)),
            ("size=0", Err(Kind::BadRequest)),
            ("size=40&limit=3", Ok(3)),
            ("size=41", Err(Kind::BadRequest)),
            (
                "colour=%E9%BB%91%E9%BB%91%E9%BB%91%E9%BB%91%E9%BB%91%E9%BB%91%E9%BB%91%E9%BB%91&limit=3",
                Ok(3),
            ),
            ("colour=123456789", Err(Kind::BadRequest)),
            ("color=red", Err(Kind::BadRequest)),
            ("cursor=", Err(Kind::BadCursor)),
            ("cursor=nonsense", Err(Kind::BadCursor)),
        ] {
            let read = walk(&cursors, "/things", text, Reach::Platform).map(|walk| walk.limit);
            assert_eq!(read, limit, "{text}");
        }
    }

    #[test]
    fn two_lists_of_parameters_are_one_query_that_refuses_what_neither_knows() {
        let cursors = cursors();
        let read = |text| {
            let asking = Asking { text, path: "/things", reach: Reach::Platform, cursors: &cursors };
            let both = Both::<Paging, Colour>::read(&asking);
            both.map(|Both(paging, colour)| (paging.limit, colour.size)).map_err(|problem| problem.kind)
        };
        for (text, expected) in [
            ("", Ok((None, None))),
            ("size=3&limit=2", Ok((Some(2), Some(3)))),
            ("limit=201", Err(Kind::BadRequest)),
            ("size=41", Err(Kind::BadRequest)),
            ("other=1", Err(Kind::BadRequest)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_cursor_opens_the_same_list_for_the_same_reach_alone() {
        let cursors = cursors();
        let team = Reach::Team(TeamId(Uuid::nil()));
        let first = walk(&cursors, "/things", "limit=2&colour=red&size=3", team).unwrap();
        let listing = first.listing(&cursors, vec![1, 2, 3], |row| (*row, "id".to_owned()), |row| *row);
        assert_eq!((&listing.data[..], listing.has_more), (&[1, 2][..], true));
        let cursor = listing.next_cursor.unwrap();
        for (path, text, reach, after) in [
            ("/things", "size=3&colour=red", team, Ok(Some((2, "id".to_owned())))),
            ("/things", "colour=red&size=3&limit=9", team, Ok(Some((2, "id".to_owned())))),
            ("/others", "colour=red&size=3", team, Err(Kind::BadCursor)),
            ("/things", "colour=blue&size=3", team, Err(Kind::BadCursor)),
            ("/things", "colour=red", team, Err(Kind::BadCursor)),
            ("/things", "colour=red&size=3", Reach::Platform, Err(Kind::BadCursor)),
        ] {
            let text = format!("{text}&cursor={cursor}");
            assert_eq!(walk(&cursors, path, &text, reach).map(|walk| walk.after), after, "{path} {text}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let cursors = cursors();
        let walk = walk(&cursors, "/things", "limit=2", Reach::Platform).unwrap();
        assert_eq!(walk.page().limit, 3);
        for rows in [vec![], vec![1], vec![1, 2]] {
            let listing = walk.listing(&cursors, rows.clone(), |row| (*row, String::new()), |row| *row);
            assert_eq!((listing.data, listing.has_more, listing.next_cursor), (rows, false, None));
        }
    }
}
