//! An object's members with their values unread, and reading them with the path of what is wrong.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What stands in a body where something else must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// From the object that is being read, as in `content[1].image_url`.
    pub path: String,
    /// `a string`, `an object`, ...
    pub must_be: &'static str,
}

impl Wrong {
    pub fn new(path: impl Into<String>, must_be: &'static str) -> Self {
        Self { path: path.into(), must_be }
    }

    /// The same, seen from the object around.
    #[must_use]
    pub fn under(mut self, outer: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, outer);
        self
    }
}

/// The members of an object in their order. Of two with one name the last counts.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

#[derive(Clone, Debug, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// `None` if the text is no JSON object.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Each member once, in the order they stand in, `null` included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&*name.0, *value))
    }

    /// A member as it stands; absent and `null` are `None`.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| known.0 == name)?;
        (value.get() != "null").then_some(*value)
    }

    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Wrong> {
        self.raw(name).map(|value| string(value).map_err(|wrong| wrong.under(name))).transpose()
    }

    /// A string; empty where there is none.
    pub fn word(&self, name: &str) -> Cow<'a, str> {
        self.text(name).ok().flatten().unwrap_or_default()
    }

    /// A string that must be there.
    pub fn needed(&self, name: &str) -> Result<Cow<'a, str>, Wrong> {
        self.text(name)?.ok_or_else(|| Wrong::new(name, "a string"))
    }

    pub fn object(&self, name: &str) -> Result<Option<Self>, Wrong> {
        self.read_as(name, "an object")
    }

    pub(crate) fn read_as<T: Deserialize<'a>>(
        &self,
        name: &str,
        must_be: &'static str,
    ) -> Result<Option<T>, Wrong> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(value.get()).map(Some).map_err(|_| Wrong::new(name, must_be))
    }
}

/// A value that must be a string.
pub(crate) fn string<'a>(value: &'a RawValue) -> Result<Cow<'a, str>, Wrong> {
    let name: Result<Name<'a>, _> = serde_json::from_str(value.get());
    name.map(|name| name.0).map_err(|_| Wrong::new("", "a string"))
}

/// A member that must be an array, each element read; absent and `null` are empty.
pub(crate) fn array<'a, T>(
    members: &Members<'a>,
    name: &str,
    read: impl Fn(&'a RawValue) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let values: Option<Vec<&'a RawValue>> = members.read_as(name, "an array")?;
    let values = values.unwrap_or_default().into_iter().enumerate();
    values.map(|(at, value)| read(value).map_err(|wrong| wrong.under(&format!("{name}[{at}]")))).collect()
}

/// The members of a value that must be an object.
pub(crate) fn object<'a>(value: &'a RawValue) -> Result<Members<'a>, Wrong> {
    Members::read(value.get()).ok_or_else(|| Wrong::new("", "an object"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Name<'de>, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
