//! Reading JSON in place: names and values as borrowed slices, and where they stand.
//!
//! Values are validated, never built; a member's place is the distance of its slice from the text's
//! begin, so both must come from the same allocation.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Where `part` stands in `whole`. `part` must be a slice of `whole`.
pub(crate) fn place(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// `text` as a JSON string, with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A member's name, unescaped, from the name as it stands in the text.
pub(crate) fn unescaped(raw: &RawValue) -> Cow<'_, str> {
    let text = raw.get();
    if text.contains('\\') {
        return serde_json::from_str::<String>(text).map_or(Cow::Borrowed(""), Cow::Owned);
    }
    Cow::Borrowed(text.get(1..text.len().saturating_sub(1)).unwrap_or(""))
}

/// A member's name, borrowed from the text unless it is written with escapes.
#[derive(Clone)]
pub(crate) struct Name<'a>(Cow<'a, str>);

impl<'a> Name<'a> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in the text, without quotes; `None` if it is written with escapes.
    pub(crate) fn in_text(&self) -> Option<&'a str> {
        match self.0 {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;

        impl<'de> Visitor<'de> for Word {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Word)
    }
}

/// What is taken from a value. Kinds of value a reader does not care for are passed over.
pub(crate) trait Reader<'de>: Sized {
    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn array<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn text(self, _text: &str) {}

    fn count(self, _count: u64) {}
}

/// Reads one value with a [`Reader`].
pub(crate) struct With<R>(pub(crate) R);

impl<'de, R: Reader<'de>> DeserializeSeed<'de> for With<R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Reader<'de>> Visitor<'de> for With<R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.array(seq)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<(), E> {
        self.0.count(count);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads `text` as one JSON value with a [`Reader`].
pub(crate) fn read<'de, R: Reader<'de>>(text: &'de str, reader: R) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    With(reader).deserialize(&mut deserializer)?;
    deserializer.end()
}
