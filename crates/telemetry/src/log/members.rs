//! The members of an event or span as text, escaped and cut.
//!
//! Whatever a value holds, it comes out as one line of at most [`VALUE_MAX_BYTES`] escaped bytes: control
//! characters of both sets, line separators and direction marks are written as `\u....`.

use std::{
    error::Error,
    fmt::{self, Debug, Write},
};

use tracing::field::{Field, Visit};

use super::form::Style;

/// How many bytes a value may have when it is escaped; a longer one ends with `…`.
pub(super) const VALUE_MAX_BYTES: usize = 1024;
/// How many bytes the members of one event or span may have; those that do not fit are left out and
/// `cut` says so.
pub(super) const MEMBERS_MAX_BYTES: usize = 8 * 1024;

/// The words a JSON line has for itself; an event's own member of that name gets a `_` in front.
const RESERVED: [&str; 6] = ["timestamp", "level", "target", "message", "spans", "cut"];

pub(super) struct Members {
    style: Style,
    /// The event's message, escaped, without quotes.
    pub(super) message: String,
    /// In JSON `,"key":value` each, in text ` key=value` each.
    pub(super) text: String,
    room: usize,
    is_cut: bool,
}

impl Members {
    /// `used` bytes of the room are taken already.
    pub(super) fn new(style: Style, used: usize) -> Self {
        let room = MEMBERS_MAX_BYTES.saturating_sub(used);
        Self { style, message: String::new(), text: String::new(), room, is_cut: false }
    }

    fn add(&mut self, field: &Field, write: impl FnOnce(&mut Escaped<'_>) -> fmt::Result) {
        let mut value = String::new();
        let mut escaped = Escaped { out: &mut value, left: VALUE_MAX_BYTES };
        if write(&mut escaped).is_err() {
            value.push('…');
        }
        if field.name() == "message" {
            self.message = value;
        } else {
            self.push(field.name(), &format!("\"{value}\""));
        }
    }

    fn push(&mut self, name: &str, value: &str) {
        if self.is_cut {
            return;
        }
        let mut key = String::new();
        let _too_long = Escaped { out: &mut key, left: VALUE_MAX_BYTES }.write_str(name);
        let member = match self.style {
            Style::Json if RESERVED.contains(&name) => format!(",\"_{key}\":{value}"),
            Style::Json => format!(",\"{key}\":{value}"),
            Style::Text | Style::Coloured => format!(" {key}={value}"),
        };
        if self.text.len() + member.len() <= self.room {
            self.text.push_str(&member);
        } else {
            self.is_cut = true;
            self.text.push_str(if self.style == Style::Json { ",\"cut\":true" } else { " cut" });
        }
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |out| write!(out, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |out| out.write_str(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, |out| {
            write!(out, "{value}")?;
            let mut source = value.source();
            while let Some(cause) = source {
                write!(out, ": {cause}")?;
                source = cause.source();
            }
            Ok(())
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field.name(), &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field.name(), &value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field.name(), if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push(field.name(), &value.to_string());
        } else {
            self.push(field.name(), &format!("\"{value}\""));
        }
    }
}

/// Escapes what is written to it, and fails when it is full, which ends the writing early.
struct Escaped<'a> {
    out: &'a mut String,
    left: usize,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let before = self.out.len();
            escape(char, self.out)?;
            let length = self.out.len() - before;
            if length > self.left {
                self.out.truncate(before);
                self.left = 0;
                return Err(fmt::Error);
            }
            self.left -= length;
        }
        Ok(())
    }
}

fn escape(char: char, out: &mut String) -> fmt::Result {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            write!(out, "\\u{:04x}", u32::from(char))?;
        }
        _ if char.is_control() => write!(out, "\\u{:04x}", u32::from(char))?,
        _ => out.push(char),
    }
    Ok(())
}
