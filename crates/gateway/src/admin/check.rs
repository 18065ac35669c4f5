//! What requests may say, checked in one place: every problem of a body is told at once.

use nexus_core::scope::{ENTRIES_MAX, PATTERN_BYTES_MAX, Pattern, Scope};
use utoipa::ToSchema;

use super::{
    problem::{Flaw, Kind, Problem},
    scope::ScopeBody,
};

/// Characters in the longest name of anything.
pub const NAME_CHARS_MAX: usize = 100;

/// Characters in the longest pattern that is not plain ASCII: none has more bytes than the core takes.
const PATTERN_CHARS_MAX: usize = PATTERN_BYTES_MAX / 4;

/// The schema of a name.
#[derive(ToSchema)]
#[schema(as = Name, min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")]
pub struct NameText(#[allow(dead_code, reason = "only its schema is used")] String);

/// The schema of a name that may be empty.
#[derive(ToSchema)]
#[schema(as = Label, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
pub struct LabelText(#[allow(dead_code, reason = "only its schema is used")] String);

/// Collects what is not right.
#[derive(Debug, Default)]
pub struct Check(Vec<Flaw>);

impl Check {
    pub fn flaw(&mut self, pointer: &str, detail: impl Into<String>) {
        self.0.push(Flaw { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// A name: 1 to [`NAME_CHARS_MAX`] characters, none of them a control character.
    pub fn name(&mut self, pointer: &str, text: &str) {
        if text.is_empty() {
            self.flaw(pointer, "is empty; give it a name");
        } else {
            self.label(pointer, text);
        }
    }

    /// A name that may be empty.
    pub fn label(&mut self, pointer: &str, text: &str) {
        if text.chars().nth(NAME_CHARS_MAX).is_some() {
            self.flaw(pointer, format!("is longer than {NAME_CHARS_MAX} characters; shorten it"));
        }
        if text.chars().any(char::is_control) {
            self.flaw(pointer, "has a control character; leave it away");
        }
    }

    /// A number within bounds, both included.
    pub fn within(&mut self, pointer: &str, number: i64, least: i64, most: i64) {
        if !(least..=most).contains(&number) {
            self.flaw(pointer, format!("is not from {least} to {most}"));
        }
    }

    /// A scope; what cannot be read of it is left away here and told at the end.
    pub fn scope(&mut self, pointer: &str, body: &ScopeBody) -> Scope {
        let pattern = |text: &str| {
            if !text.is_ascii() && text.chars().nth(PATTERN_CHARS_MAX).is_some() {
                return Err(format!("is longer than {PATTERN_CHARS_MAX} characters; shorten it"));
            }
            Pattern::parse(text).map_err(|bad| bad.to_string())
        };
        Scope {
            models: self.entries(&format!("{pointer}/models"), body.models.as_deref(), pattern),
            providers: self.entries(&format!("{pointer}/providers"), body.providers.as_deref(), pattern),
            addresses: self.entries(&format!("{pointer}/addresses"), body.addresses.as_deref(), |text| {
                text.parse().map_err(|_| "is no network; write one such as `192.0.2.0/24`".to_owned())
            }),
        }
    }

    fn entries<T>(
        &mut self,
        pointer: &str,
        texts: Option<&[String]>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let texts = texts?;
        if texts.len() > ENTRIES_MAX {
            self.flaw(pointer, format!("has more than {ENTRIES_MAX} entries; join some with `*`"));
            return Some(Vec::new());
        }
        let mut entries = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match read(text) {
                Ok(entry) => entries.push(entry),
                Err(detail) => self.flaw(&format!("{pointer}/{at}"), detail),
            }
        }
        Some(entries)
    }

    /// Nothing, or one problem that names everything that is not right.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem { errors: self.0, ..Kind::Invalid.into() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_not_right_is_told_at_once() {
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        let mut check = Check::default();
        check.name("/name", "");
        check.name("/other", &format!("a\n{}", "x".repeat(NAME_CHARS_MAX)));
        check.within("/limit", 0, 1, 200);
        let body = ScopeBody {
            models: texts(&["gpt-*", ""]),
            providers: None,
            addresses: texts(&["10.0.0.0/8", "10.0.0.1", "x"]),
        };
        check.scope("/scope", &body);
        let problem = check.finish().unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|flaw| flaw.pointer.as_str()).collect();
        let expected = [
            "/name",
            "/other",
            "/other",
            "/limit",
            "/scope/models/1",
            "/scope/addresses/1",
            "/scope/addresses/2",
        ];
        assert_eq!(pointers, expected);
        assert!(Check::default().finish().is_ok());
    }

    #[test]
    fn a_name_of_the_greatest_length_is_counted_in_characters() {
        for (length, is_good) in [(NAME_CHARS_MAX, true), (NAME_CHARS_MAX + 1, false)] {
            let mut check = Check::default();
            check.name("/name", &"千".repeat(length));
            assert_eq!(check.finish().is_ok(), is_good, "{length}");
        }
    }
}
