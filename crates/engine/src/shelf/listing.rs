//! Pages of lists that are answered here, as OpenAI pages: `limit`, `order`, `after`.

use bytes::Bytes;
use nexus_core::refusal::Refusal;
use nexus_wire::{listing::written, made::named_first};

use crate::resource::ResourceCall;

/// Things on a page where the call does not say, and at most.
const USUAL: usize = 20;
const MOST: usize = 100;

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
        let said = |name| call.queried(name);
        let limit = match said("limit") {
            None => USUAL,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=MOST).contains(limit))
                .ok_or_else(|| bad("limit", "a whole number from 1 to 100"))?,
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
