//! Tool calls in a message or a delta: their text, and the id and type that a vendor left out.
//!
//! Only a call's first piece, the one that names the function, is repaired: later pieces bear neither.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::{Count, Top};
use crate::json::{self, Name, Reader, With};

pub(super) struct ToolCalls<'x, 'a, 'y>(pub(super) &'x mut Top<'a, 'y>);

impl<'a> Reader<'a> for ToolCalls<'_, 'a, '_> {
    fn array<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut ordinal = 0;
        while seq.next_element_seed(With(ToolCall { top: self.0, ordinal }))?.is_some() {
            ordinal += 1;
        }
        Ok(())
    }
}

struct ToolCall<'x, 'a, 'y> {
    top: &'x mut Top<'a, 'y>,
    ordinal: u64,
}

impl<'a> Reader<'a> for ToolCall<'_, 'a, '_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut first = None;
        let mut index = None;
        let mut id = None;
        let mut has_type = false;
        let mut has_name = false;
        while let Some(name) = map.next_key::<Name<'a>>()? {
            first = first.or(name.in_text());
            match name.as_str() {
                "index" => map.next_value_seed(With(Count(&mut index)))?,
                "id" => id = Some(map.next_value::<&'a RawValue>()?.get()),
                "type" => {
                    has_type = true;
                    let value = map.next_value::<&'a RawValue>()?.get();
                    if value == "null" {
                        self.top.repair(json::place(self.top.text, value), "\"function\"".to_owned());
                    }
                }
                "function" | "custom" => {
                    map.next_value_seed(With(Function { top: self.top, has_name: &mut has_name }))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.top.calls_tools = true;
        if has_name {
            self.repair(first, id, index, has_type);
        }
        Ok(())
    }
}

impl<'a> ToolCall<'_, 'a, '_> {
    /// A call's first piece must have a type and an id that no other call of the conversation has.
    fn repair(self, first: Option<&'a str>, id: Option<&'a str>, index: Option<u64>, has_type: bool) {
        let of = self.top.said.id.as_ref().map_or("", |id| id.raw.trim_matches('"'));
        let made = format!("\"call_{of}_{}\"", index.unwrap_or(self.ordinal));
        let mut missing = String::new();
        match id {
            None => missing = format!("\"id\":{made},"),
            Some(said @ ("\"\"" | "null")) => self.top.repair(json::place(self.top.text, said), made),
            Some(_) => {}
        }
        if !has_type {
            missing.push_str("\"type\":\"function\",");
        }
        if !missing.is_empty() {
            self.top.insert_before(first, missing);
        }
    }
}

pub(super) struct Function<'x, 'a, 'y> {
    pub(super) top: &'x mut Top<'a, 'y>,
    pub(super) has_name: &'x mut bool,
}

impl<'a> Reader<'a> for Function<'_, 'a, '_> {
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
            let name = name.as_str();
            *self.has_name |= name == "name" && value.get().len() > 2 && value.get() != "null";
            if matches!(name, "name" | "arguments" | "input") {
                self.top.generate(value.get());
            }
        }
        Ok(())
    }
}
