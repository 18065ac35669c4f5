//! Pages of lists that are answered here, as OpenAI pages: `limit`, `order`, `after`.

use bytes::Bytes;
use nexus_core::{
    principal::{Level, Principal},
    refusal::Refusal,
};
use nexus_wire::{listing::written, made::named_first};

use super::{Part, Thing};
use crate::{resource::ResourceCall, shared::Shared};

/// Things on a page where the call does not say, and at most.
const USUAL: usize = 20;
const MOST: usize = 100;
/// The same of files: as many may be asked for as at OpenAI, and fewer are given.
const FILES_SAID_MOST: usize = 10_000;
const FILES: usize = 1_000;

/// What a call wants of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub limit: usize,
    pub is_newest_first: bool,
    pub after: Option<String>,
}

impl Wanted {
    /// By the query of a call.
    ///
    /// # Errors
    /// If a limit or an order is none.
    pub fn of(call: &ResourceCall) -> Result<Self, Refusal> {
        Self::within(call, USUAL, MOST)
    }

    /// The same of a list of files.
    ///
    /// # Errors
    /// If a limit or an order is none.
    pub fn of_files(call: &ResourceCall) -> Result<Self, Refusal> {
        let wanted = Self::within(call, FILES, FILES_SAID_MOST)?;
        Ok(Self { limit: wanted.limit.min(FILES), ..wanted })
    }

    fn within(call: &ResourceCall, usual: usize, most: usize) -> Result<Self, Refusal> {
        let said = |name| call.queried(name);
        let limit = match said("limit") {
            None => usual,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=most).contains(limit))
                .ok_or_else(|| bad("limit", &format!("a whole number from 1 to {most}")))?,
        };
        let is_newest_first = match said("order").as_deref() {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(bad("order", "`asc` or `desc`")),
        };
        Ok(Self { limit, is_newest_first, after: said("after") })
    }

    /// The page of items that are all here, the oldest first.
    ///
    /// # Errors
    /// If the item behind which it is to begin is not there.
    pub fn page(&self, mut items: Vec<String>) -> Result<Bytes, Refusal> {
        if self.is_newest_first {
            items.reverse();
        }
        if let Some(after) = &self.after {
            let at = items.iter().position(|item| named_first(item.as_bytes()).as_ref() == Some(after));
            let at = at.ok_or_else(|| bad("after", "the id of an item of the list"))?;
            items.drain(..=at);
        }
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        Ok(written(&items, has_more))
    }
}

/// The caller's things of a kind that are wanted, and whether more follow.
pub(crate) async fn gather(
    shared: &Shared,
    kind: &'static str,
    caller: &Principal,
    wanted: &Wanted,
    is_wanted: impl Fn(&Thing) -> bool,
) -> Result<(Vec<Thing>, bool), Refusal> {
    let key = (caller.level == Level::Session).then_some(caller.key);
    let (mut found, mut after) = (Vec::new(), wanted.after.clone());
    loop {
        let limit = wanted.limit + 1;
        let part = Part { after, is_newest_first: wanted.is_newest_first, limit, key };
        let page = shared.shelf.list(kind, caller.team, part).await?;
        let is_last = page.len() < limit;
        after = page.last().map(|thing| thing.id.clone());
        found.extend(page.into_iter().filter(|thing| is_wanted(thing)));
        if is_last || found.len() > wanted.limit {
            let has_more = found.len() > wanted.limit;
            found.truncate(wanted.limit);
            return Ok((found, has_more));
        }
    }
}

fn bad(name: &str, must_be: &str) -> Refusal {
    Refusal::BadBody { message: format!("`{name}` must be {must_be}"), param: Some(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(wanted: &Wanted) -> String {
        let items = (1..5).map(|number| format!(r#"{{"id":"i{number}"}}"#)).collect();
        let page = wanted.page(items).map(|page| String::from_utf8(page.to_vec()).unwrap());
        page.unwrap_or_else(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn a_page_begins_behind_what_is_named_and_says_whether_more_follows() {
        let newest = Wanted { limit: 3, is_newest_first: true, after: None };
        let expected = r#"{"object":"list","data":[{"id":"i4"},{"id":"i3"},{"id":"i2"}],"first_id":"i4","last_id":"i2","has_more":true}"#;
        assert_eq!(page(&newest), expected);
        let rest = Wanted { after: Some("i2".to_owned()), ..newest.clone() };
        let expected =
            r#"{"object":"list","data":[{"id":"i1"}],"first_id":"i1","last_id":"i1","has_more":false}"#;
        assert_eq!(page(&rest), expected);
        let none = Wanted { after: Some("i4".to_owned()), is_newest_first: false, ..newest.clone() };
        let expected = r#"{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}"#;
        assert_eq!(page(&none), expected);
        assert!(page(&Wanted { after: Some("i9".to_owned()), ..newest }).contains("`after`"));
    }
}
