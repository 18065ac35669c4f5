//! The written tree held against the table of fields: what fits, and everything that does not.
//!
//! What does not fit is left out of the result, so that the rest can be checked further.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use crate::{
    field::{Field, Kind, Preset},
    problem::{Problem, shown, under},
    raw::WEIGHT_MAX,
    scalar,
    yaml::{Node, Written},
};

/// What was found while walking.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) problems: Vec<Problem>,
    /// The line of each path that was written.
    pub(crate) lines: BTreeMap<String, u64>,
}

impl Shape {
    /// A mapping with these fields. The root's path is empty.
    pub(crate) fn section(&mut self, node: &Node, fields: &[Field], path: &str) -> Dict {
        let entries = match &node.written {
            Written::Map(entries) => entries.as_slice(),
            Written::Nothing if path.is_empty() => &[],
            _ => {
                let whole = if path.is_empty() { "the file" } else { path };
                self.refuse(
                    whole,
                    node.line,
                    "is not a mapping",
                    format!("write `key: value` lines: {}", names(fields)),
                );
                return Dict::new();
            }
        };
        let mut dict = Dict::new();
        for (key, line, value) in entries {
            let Some(field) = fields.iter().find(|field| field.name == key) else {
                self.refuse(
                    &under(path, shown(key)),
                    *line,
                    "is not a known key",
                    format!("use one of {}", names(fields)),
                );
                continue;
            };
            let path = under(path, field.name);
            self.lines.insert(path.clone(), *line);
            if let Some(value) = self.value(value, field.kind, &path) {
                dict.insert(field.name.to_owned(), value);
            }
        }
        dict
    }

    fn value(&mut self, node: &Node, kind: Kind, path: &str) -> Option<Value> {
        match (kind, &node.written) {
            (_, Written::Nothing) => None,
            (Kind::Section(fields), _) => Some(self.section(node, fields, path).into()),
            (Kind::List(fields), Written::List(items)) => {
                let entry =
                    |(index, item)| Value::from(self.entry(item, fields, &format!("{path}[{index}]")));
                Some(items.iter().enumerate().map(entry).collect::<Vec<_>>().into())
            }
            (Kind::Texts, Written::List(items)) => {
                let entry = |(index, item): (usize, &Node)| {
                    let path = format!("{path}[{index}]");
                    self.lines.insert(path.clone(), item.line);
                    self.value(item, Kind::Text, &path)
                };
                Some(items.iter().enumerate().filter_map(entry).collect::<Vec<_>>().into())
            }
            (Kind::List(_), _) => {
                self.refuse(path, node.line, "is not a list", "begin each entry with `- `");
                None
            }
            (Kind::Shares, Written::Map(entries)) => {
                let share = Kind::Whole { min: 0, max: WEIGHT_MAX };
                Some(self.named(entries, share, path).into())
            }
            (Kind::Named, Written::Map(entries)) => Some(self.named(entries, Kind::Text, path).into()),
            (_, Written::Scalar(value)) => match scalar::check(kind, value) {
                Ok(value) => Some(value),
                Err((message, remedy)) => {
                    self.refuse(path, node.line, &message, remedy);
                    None
                }
            },
            (Kind::Shares, Written::List(_)) => {
                self.refuse(path, node.line, "is not a mapping", "write `region: share` lines");
                None
            }
            (Kind::Named, Written::List(_)) => {
                self.refuse(path, node.line, "is not a mapping", "write `name: text` lines");
                None
            }
            (_, Written::List(_) | Written::Map(_)) => {
                self.refuse(path, node.line, "holds more than one value", "write a single value");
                None
            }
        }
    }

    /// An entry of a list: its defaults are filled in here, because layers replace lists whole.
    fn entry(&mut self, node: &Node, fields: &[Field], path: &str) -> Dict {
        self.lines.insert(path.to_owned(), node.line);
        let mut dict = self.section(node, fields, path);
        let Written::Map(entries) = &node.written else {
            return dict;
        };
        for field in fields {
            let is_written = entries
                .iter()
                .any(|(key, _, value)| key == field.name && !matches!(value.written, Written::Nothing));
            match preset(field.preset) {
                _ if is_written => {}
                Some(value) => {
                    dict.insert(field.name.to_owned(), value);
                }
                None if matches!(field.preset, Preset::Required) => {
                    self.refuse(&under(path, field.name), node.line, "is missing", "write it");
                }
                None => {}
            }
        }
        dict
    }

    /// Any names, each with a value of this kind.
    fn named(&mut self, entries: &[(String, u64, Node)], kind: Kind, path: &str) -> Dict {
        let mut dict = Dict::new();
        for (name, line, value) in entries {
            let path = under(path, shown(name));
            if let Err((message, remedy)) = scalar::check(Kind::Text, &name.as_str().into()) {
                self.refuse(&path, *line, &message, remedy);
            } else if let Some(value) = self.value(value, kind, &path) {
                self.lines.insert(path, *line);
                dict.insert(name.clone(), value);
            }
        }
        dict
    }

    fn refuse(&mut self, path: &str, line: u64, message: &str, remedy: impl Into<String>) {
        self.problems.push(Problem::new(path, message, remedy).at(Some(line).filter(|line| *line > 0)));
    }
}

/// The defaults of a section and of the sections in it.
pub(crate) fn defaults(fields: &[Field]) -> Dict {
    let value = |field: &Field| match field.kind {
        Kind::Section(fields) => Some(defaults(fields).into()),
        _ => preset(field.preset),
    };
    fields.iter().filter_map(|field| Some((field.name.to_owned(), value(field)?))).collect()
}

fn preset(preset: Preset) -> Option<Value> {
    match preset {
        Preset::Required | Preset::Absent(_) => None,
        Preset::Text(text) => Some(text.into()),
        Preset::Whole(number) => Some(number.into()),
        Preset::Flag(flag) => Some(flag.into()),
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ")
}
