//! Writing a JSON object member by member, in the order in which they are said; values that are JSON already stay as they
//! stand.

use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub(crate) struct Object(String);

impl Object {
    /// One with its `type`.
    pub(crate) fn of(kind: &str) -> Self {
        Self::default().text("type", kind)
    }

    /// With a member whose value is JSON on one line.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
    }

    /// The same of a name that may have anything in it.
    pub(crate) fn raw_named(mut self, name: &str, json: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, &quoted(text))
    }

    pub(crate) fn count(self, name: &str, count: u64) -> Self {
        self.raw(name, &count.to_string())
    }

    /// With this member, where there is one.
    pub(crate) fn maybe(self, name: &str, json: Option<&str>) -> Self {
        match json {
            Some(json) => self.raw(name, json),
            None => self,
        }
    }

    pub(crate) fn done(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// Text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// An array of values that are JSON already.
pub(crate) fn array<S: AsRef<str>>(values: &[S]) -> String {
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    format!("[{}]", values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_in_which_they_were_said() {
        let inner = Object::of("x").maybe("none", None).maybe("n", Some("1.50")).done();
        let object =
            Object::default().text("b", "\"\n").raw("a", &array(&[inner.as_str(), "null"])).count("c", 7);
        assert_eq!(object.done(), r#"{"b":"\"\n","a":[{"type":"x","n":1.50},null],"c":7}"#);
        assert_eq!(Object::default().raw_named("a\"", "1").done(), r#"{"a\"":1}"#);
        assert_eq!((Object::default().done(), array::<&str>(&[])), ("{}".to_owned(), "[]".to_owned()));
    }
}
