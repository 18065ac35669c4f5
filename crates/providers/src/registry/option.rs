//! What a kind of provider can be told beside its endpoint and key.
//!
//! Every option has a form, so that what goes into a path or a host name cannot change what is around it.

/// Something that a kind of provider takes under `options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Lower case with underscores; never changed.
    pub name: &'static str,
    /// Whether nothing works without it. What the endpoint has a place for is needed anyway.
    pub is_required: bool,
    pub form: Form,
    /// What it is, for the person who configures the provider.
    pub meaning: &'static str,
}

/// What the values of an option look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What can stand in a host name: letters, digits and hyphens.
    Label,
    /// A name, an identifier or a path of the vendor's.
    Name,
    /// A whole number above 0.
    Count,
    /// A length of time such as `5m`; a negative one is for ever.
    Span,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Known {
    pub const fn optional(name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { name, is_required: false, form, meaning }
    }

    pub const fn required(name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { name, is_required: true, form, meaning }
    }
}

impl Form {
    /// The same as a regular expression.
    pub fn pattern(self) -> String {
        match self {
            Self::Label => "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$".to_owned(),
            Self::Name => "^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$".to_owned(),
            Self::Count => "^[1-9][0-9]{0,8}$".to_owned(),
            Self::Span => "^-?[0-9]{1,9}(s|m|h)$".to_owned(),
            Self::OneOf(words) => format!("^({})$", words.join("|")),
        }
    }

    /// Whether a value is of this form.
    pub fn takes(self, value: &str) -> bool {
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = value.as_bytes();
        match self {
            Self::Label => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                bytes.len() <= 63
                    && is_edge(bytes.first())
                    && is_edge(bytes.last())
                    && value.bytes().all(is_part)
            }
            Self::Name => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
                bytes.len() <= 200 && is_edge(bytes.first()) && value.bytes().all(is_part)
            }
            Self::Count => is_count(value) && !value.starts_with('0'),
            Self::Span => {
                let number = value.strip_suffix(['s', 'm', 'h']).unwrap_or_default();
                is_count(number.strip_prefix('-').unwrap_or(number))
            }
            Self::OneOf(words) => words.contains(&value),
        }
    }
}

fn is_count(value: &str) -> bool {
    (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_takes_what_its_pattern_says() {
        const WORDS: Form = Form::OneOf(&["v1", "v2"]);
        let long = "a".repeat(64);
        for (form, value, is_taken) in [
            (Form::Label, "us-east-1", true),
            (Form::Label, "a", true),
            (Form::Label, &long[1..], true),
            (Form::Label, &long, false),
            (Form::Label, "", false),
            (Form::Label, "-a", false),
            (Form::Label, "a-", false),
            (Form::Label, "a.b", false),
            (Form::Label, "é", false),
            (Form::Name, "arn:aws:bedrock:eu-west-1:123:guardrail/abc", true),
            (Form::Name, "2024-10-21-preview", true),
            (Form::Name, "", false),
            (Form::Name, " a", false),
            (Form::Name, "a b", false),
            (Form::Name, "a?b=c", false),
            (Form::Count, "8192", true),
            (Form::Count, "0", false),
            (Form::Count, "1234567890", false),
            (Form::Span, "5m", true),
            (Form::Span, "-1m", true),
            (Form::Span, "5", false),
            (Form::Span, "m", false),
            (Form::Span, "", false),
            (WORDS, "v1", true),
            (WORDS, "v", false),
        ] {
            assert_eq!(form.takes(value), is_taken, "{form:?} {value}");
        }
    }
}
