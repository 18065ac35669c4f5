//! The members of Google's objects. Its JSON may name each in two ways, `systemInstruction` and `system_instruction`, and
//! may leave the brackets of an array away where it has one element.

use std::borrow::Cow;

use nexus_wire::conversation::members::{Members, Wrong};
use serde_json::value::RawValue;

/// An object whose members are asked for in the first of the two ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Said<'a>(pub(super) Members<'a>);

impl<'a> Said<'a> {
    /// `None` where it is no object.
    pub(super) fn read(value: &'a RawValue) -> Option<Self> {
        Members::read(value.get()).map(Self)
    }

    /// A member as it stands; absent and `null` are `None`.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.raw(name).or_else(|| self.0.raw(&snake(name)))
    }

    /// A string; empty where there is none.
    pub(super) fn word(&self, name: &str) -> Cow<'a, str> {
        self.text(name).unwrap_or_default()
    }

    /// A string that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<Cow<'a, str>, Wrong> {
        self.text(name).ok_or_else(|| Wrong::new(name, "a string"))
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// An object; an empty one where it is absent.
    pub(super) fn object(&self, name: &str) -> Result<Self, Wrong> {
        match self.raw(name) {
            None => Ok(Self::default()),
            Some(value) => Self::read(value).ok_or_else(|| Wrong::new(name, "an object")),
        }
    }

    /// The elements of an array, or what stands there alone.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&'a RawValue>, Wrong> {
        let Some(value) = self.raw(name) else { return Ok(Vec::new()) };
        match value.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str(value.get()).map_err(|_| Wrong::new(name, "an array")),
            Some(b'{' | b'"') => Ok(vec![value]),
            _ => Err(Wrong::new(name, "an array")),
        }
    }

    /// A whole number, which may stand in quotes or have a fraction of nothing.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Wrong> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let text = value.get().trim_matches('"');
        let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
        let number = whole.map_or(text, |(whole, _)| whole).parse();
        number.map(Some).map_err(|_| Wrong::new(name, "a whole number"))
    }

    /// A number as it stands.
    pub(super) fn number(&self, name: &str) -> Result<Option<&'a str>, Wrong> {
        let Some(value) = self.raw(name).map(RawValue::get) else { return Ok(None) };
        value.parse::<f64>().map(|_| Some(value)).map_err(|_| Wrong::new(name, "a number"))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value.get() == "true")
    }

    /// The names of its members in the first of the two ways.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter(|(_, value)| value.get() != "null").map(|(name, _)| camel(name))
    }
}

/// `systemInstruction` as `system_instruction`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `system_instruction` as `systemInstruction`.
pub(super) fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_either_name_and_one_element_needs_no_brackets() {
        let raw = RawValue::from_string(
            r#"{"top_k":"40","topP":1.0,"parts":{"text":"a"},"no_list":7,"nothing":null,"half":0.5}"#
                .to_owned(),
        );
        let raw = raw.unwrap();
        let said = Said::read(&raw).unwrap();
        assert_eq!((said.integer("topK"), said.integer("topP")), (Ok(Some(40)), Ok(Some(1))));
        assert_eq!(said.list("parts").unwrap().len(), 1);
        assert!(
            said.list("noList").is_err() && said.integer("half").is_err() && said.raw("nothing").is_none()
        );
        assert_eq!(said.names().collect::<Vec<_>>(), ["topK", "topP", "parts", "noList", "half"]);
    }
}
