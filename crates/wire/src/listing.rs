//! A page of a list, read so far that some of what stands in it can be left out: each thing with its id, and the
//! members that tell where the page begins and ends.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    json::{self, Cursor, Malformed, quoted},
    made::named_first,
    splice::{Edit, splice},
};

/// Something on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Empty where it has none.
    pub id: String,
    /// As it stands.
    pub raw: Bytes,
}

/// A page as a provider gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    body: Bytes,
    pub items: Vec<Item>,
    pub has_more: bool,
    /// The values of `data`, `first_id`, `last_id` and `has_more`, where there are such.
    places: [Option<Range<usize>>; 4],
}

impl Page {
    /// Reads a page; `None` where the body is no list.
    pub fn read(body: &Bytes) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut page = Self { body: body.clone(), ..Self::default() };
        let mut is_list = false;
        let read = json::read(text, |cursor| {
            let object = cursor.object(|cursor, name| {
                let name = name.unescaped();
                let at =
                    ["data", "first_id", "last_id", "has_more"].into_iter().position(|known| known == name);
                let raw = match at {
                    Some(0) => cursor.spanned(|cursor| {
                        is_list = cursor.array(|cursor, _| page.item(text, cursor))?.is_some();
                        Ok(())
                    })?,
                    _ => cursor.value()?,
                };
                if let Some(slot) = at.and_then(|at| page.places.get_mut(at)) {
                    *slot = Some(json::place(text, raw));
                }
                page.has_more |= at == Some(3) && raw == "true";
                Ok(())
            });
            object.map(drop)
        });
        (read.is_ok() && is_list).then_some(page)
    }

    fn item<'a>(&mut self, whole: &'a str, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        let mut id = String::new();
        let raw = cursor.spanned(|cursor| {
            let object = cursor.object(|cursor, name| {
                if name.plain() != Some("id") {
                    return cursor.value().map(drop);
                }
                id = cursor.string()?.map(|id| id.unescaped().into_owned()).unwrap_or_default();
                Ok(())
            });
            object.map(drop)
        })?;
        self.items.push(Item { id, raw: self.body.slice(json::place(whole, raw)) });
        Ok(())
    }

    /// The page as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same page with these things on it.
    pub fn with(&self, items: &[Item], has_more: bool) -> Bytes {
        let raws: Vec<&str> =
            items.iter().map(|item| std::str::from_utf8(&item.raw).unwrap_or_default()).collect();
        let named = |item: Option<&Item>| item.map_or_else(|| "null".to_owned(), |item| quoted(&item.id));
        let texts = [
            format!("[{}]", raws.join(",")),
            named(items.first()),
            named(items.last()),
            has_more.to_string(),
        ];
        let mut edits: Vec<Edit<'_>> = self
            .places
            .iter()
            .zip(&texts)
            .filter_map(|(place, text)| Some(Edit { place: place.clone()?, text }))
            .collect();
        edits.sort_by_key(|edit| edit.place.start);
        splice(&self.body, &edits)
    }
}

/// A page of things, each as it stands.
pub fn written<S: AsRef<str>>(items: &[S], has_more: bool) -> Bytes {
    let named = |item: Option<&S>| {
        let id = item.and_then(|item| named_first(item.as_ref().as_bytes()));
        id.map_or_else(|| "null".to_owned(), |id| quoted(&id))
    };
    let (first, last) = (named(items.first()), named(items.last()));
    let data = items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",");
    let ends = format!(r#""first_id":{first},"last_id":{last},"has_more":{has_more}"#);
    format!(r#"{{"object":"list","data":[{data}],{ends}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"object":"list", "data":[{"id":"a","x":1.50}, {"id":"b\u0041"},7],"first_id":"a","has_more":true,"last_id":"c"}"#;

    #[test]
    fn a_page_is_told_again_with_fewer_things_and_nothing_else_changed() {
        let page = Page::read(&Bytes::from_static(PAGE.as_bytes())).unwrap();
        let ids: Vec<_> = page.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!((ids, page.has_more), (vec!["a", "bA", ""], true));
        let own = page.with(&page.items[1..2], false);
        let expected =
            r#"{"object":"list", "data":[{"id":"b\u0041"}],"first_id":"bA","has_more":false,"last_id":"bA"}"#;
        assert_eq!(own, expected);
        let none = page.with(&[], false);
        let expected = r#"{"object":"list", "data":[],"first_id":null,"has_more":false,"last_id":null}"#;
        assert_eq!(none, expected);
    }

    #[test]
    fn what_has_no_list_is_no_page() {
        for body in [r#"{"data":{}}"#, r#"{"object":"list"}"#, "[]", "{", ""] {
            assert_eq!(Page::read(&Bytes::from_static(body.as_bytes())), None, "{body}");
        }
        let bare = Page::read(&Bytes::from_static(br#"{"data":[{"id":"a"}]}"#)).unwrap();
        assert_eq!(bare.with(&bare.items, true), r#"{"data":[{"id":"a"}]}"#);
    }
}
