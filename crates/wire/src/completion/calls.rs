//! Tool calls in a message or a delta: their text, and the id and type that a vendor left out.
//!
//! Only a call's first piece, the one that names the function, is repaired: later pieces bear neither.

use super::Top;
use crate::json::{self, Cursor, Malformed, Text};

/// What a tool call says of itself.
#[derive(Default)]
struct Call<'a> {
    first: Option<Text<'a>>,
    index: Option<u64>,
    id: Option<&'a str>,
    has_type: bool,
    has_name: bool,
}

impl<'a> Top<'a, '_> {
    pub(super) fn tool_calls(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Malformed> {
        cursor.array(|cursor, ordinal| self.tool_call(cursor, ordinal as u64)).map(drop)
    }

    fn tool_call(&mut self, cursor: &mut Cursor<'a>, ordinal: u64) -> Result<(), Malformed> {
        let mut call = Call::default();
        let is_object = cursor.object(|cursor, name| {
            call.first = call.first.or(name.plain().map(|_| name));
            match &*name.unescaped() {
                "index" => call.index = cursor.value()?.parse().ok(),
                "id" => call.id = Some(cursor.value()?),
                "type" => {
                    call.has_type = true;
                    let value = cursor.value()?;
                    if value == "null" {
                        self.repair(json::place(self.text, value), "\"function\"".to_owned());
                    }
                }
                "function" | "custom" => call.has_name |= self.function(cursor)?,
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        if is_object {
            self.calls_tools = true;
            if call.has_name {
                self.repair_call(&call, ordinal);
            }
        }
        Ok(())
    }

    /// A call's first piece must have a type and an id that no other call of the conversation has.
    fn repair_call(&mut self, call: &Call<'a>, ordinal: u64) {
        let of = self.said.id.as_ref().map_or("", |id| id.raw.trim_matches('"'));
        let made = format!("\"call_{of}_{}\"", call.index.unwrap_or(ordinal));
        let mut missing = String::new();
        match call.id {
            None => missing = format!("\"id\":{made},"),
            Some(said @ ("\"\"" | "null")) => self.repair(json::place(self.text, said), made),
            Some(_) => {}
        }
        if !call.has_type {
            missing.push_str("\"type\":\"function\",");
        }
        if !missing.is_empty() {
            self.insert_before(call.first, missing);
        }
    }

    /// A function's name and arguments count as generated. Says whether the function is named.
    pub(super) fn function(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, Malformed> {
        let mut has_name = false;
        cursor.object(|cursor, name| {
            match &*name.unescaped() {
                "name" => {
                    let said = cursor.string()?.filter(|text| !text.inside.is_empty());
                    has_name |= said.is_some();
                    if let Some(text) = said.filter(|_| self.generated.has_room()) {
                        self.generated.push(&text.unescaped());
                    }
                }
                "arguments" | "input" => self.generate(cursor)?,
                _ => drop(cursor.value()?),
            }
            Ok(())
        })?;
        Ok(has_name)
    }
}
