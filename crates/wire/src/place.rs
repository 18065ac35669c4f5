//! Where members stand in a text that is to be changed and not rebuilt.
//!
//! Names and values are slices of the text they are read from, so a place in it can be told at any depth.

use std::{borrow::Cow, ops::Range};

use crate::json::{self, Cursor, Text};

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// What the name says.
    pub name: Cow<'a, str>,
    /// The name as it stands, without its quotes.
    pub raw_name: &'a str,
    /// The value as it stands.
    pub value: &'a str,
}

impl Placed<'_> {
    /// The name with its quotes.
    pub fn name_place(&self, text: &str) -> Range<usize> {
        let inside = json::place(text, self.raw_name);
        inside.start.saturating_sub(1)..inside.end.saturating_add(1)
    }

    pub fn value_place(&self, text: &str) -> Range<usize> {
        json::place(text, self.value)
    }
}

/// The members of an object in their order; none if `value` is no object.
pub fn members(value: &str) -> Vec<Placed<'_>> {
    let mut members = Vec::new();
    let read = Cursor::new(value).object(|cursor, name: Text<'_>| {
        members.push(Placed { name: name.unescaped(), raw_name: name.inside, value: cursor.value()? });
        Ok(())
    });
    if read.is_ok() { members } else { Vec::new() }
}

/// The elements of an array in their order; none if `value` is no array.
pub fn elements(value: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let read = Cursor::new(value).array(|cursor, _| {
        elements.push(cursor.value()?);
        Ok(())
    });
    if read.is_ok() { elements } else { Vec::new() }
}

/// What must go so that an object is left without some of its `members`, a comma with each. The places are
/// in `text`, in order, and never overlap.
pub fn removals(text: &str, members: &[Placed<'_>], goes: impl Fn(&Placed<'_>) -> bool) -> Vec<Range<usize>> {
    let mut removals = Vec::new();
    let mut kept_end = None;
    for (at, member) in members.iter().enumerate() {
        let whole = member.name_place(text).start..member.value_place(text).end;
        if !goes(member) {
            kept_end = Some(whole.end);
            continue;
        }
        let previous_end = at.checked_sub(1).and_then(|before| members.get(before));
        let start = match (kept_end, previous_end) {
            // with the comma before it
            (Some(_), Some(previous)) => previous.value_place(text).end,
            _ => whole.start,
        };
        let end = match (kept_end, members.get(at + 1)) {
            // with the comma behind it
            (None, Some(next)) => next.name_place(text).start,
            _ => whole.end,
        };
        removals.push(start..end);
    }
    removals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splice::{Edit, splice};

    /// The object without the members of these names.
    fn without(text: &str, names: &str) -> String {
        let members = members(text);
        let places = removals(text, &members, |member| names.contains(&*member.name));
        let edits: Vec<_> = places.into_iter().map(|place| Edit { place, text: "" }).collect();
        String::from_utf8(splice(text.as_bytes(), &edits).to_vec()).unwrap()
    }

    #[test]
    fn an_object_without_some_members_is_still_one() {
        let text = r#"{ "a" : [1,{"b":2}] , "b": "x,\"y" ,"\u0063":{} ,
            "d":null }"#;
        for names in ["", "a", "b", "c", "d", "ab", "bc", "cd", "ac", "bd", "ad", "abc", "bcd", "abcd"] {
            let left: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&without(text, names))
                    .unwrap_or_else(|error| panic!("{names}: {error}"));
            let expected: Vec<&str> =
                ["a", "b", "c", "d"].into_iter().filter(|name| !names.contains(name)).collect();
            assert_eq!(left.keys().collect::<Vec<_>>(), expected, "{names}");
        }
        assert_eq!(without(r#"{"a":1,"b":2,"c":3}"#, "ab"), r#"{"c":3}"#);
        assert_eq!(without(r#"{"a":1,"b":2,"c":3}"#, "bc"), r#"{"a":1}"#);
    }

    #[test]
    fn places_are_told_at_any_depth() {
        let text = r#"{"x":[{"y":1},{"z" : "w"}]}"#;
        let outer = members(text);
        let inner = elements(outer[0].value);
        let deep = members(inner[1]);
        assert_eq!(&text[deep[0].name_place(text)], "\"z\"");
        assert_eq!(&text[deep[0].value_place(text)], "\"w\"");
        assert!(members("[]").is_empty() && members("{\"a\"").is_empty());
        assert!(elements("{}").is_empty() && elements("[1,").is_empty());
    }
}
