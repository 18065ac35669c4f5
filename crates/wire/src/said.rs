//! What a body says of the call itself: whom it is for and what it belongs to. It changes nothing of the answer.
//!
//! Only what can be read is taken; whether the members are well made is the provider's to judge.

use serde::de::IgnoredAny;

/// Pairs of `metadata` looked at, as OpenAI has it.
const PAIRS_MAX: usize = 16;

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// `safety_identifier`, else `user`.
    pub user: Option<String>,
    /// The pairs of `metadata` whose values are text.
    pub metadata: Vec<(String, String)>,
}

impl Said {
    /// From the values as they stand in the body.
    pub(crate) fn read(user: Option<&str>, safety_identifier: Option<&str>, metadata: Option<&str>) -> Self {
        let text = |value: Option<&str>| value.and_then(|value| serde_json::from_str::<String>(value).ok());
        let metadata = metadata.filter(|value| value.starts_with('{'));
        Self {
            user: text(safety_identifier).or_else(|| text(user)),
            metadata: metadata
                .and_then(|value| serde_json::from_str::<Pairs>(value).ok())
                .unwrap_or_default()
                .0,
        }
    }
}

/// An object's texts, in their order.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(IgnoredAny),
        }

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if let Value::Text(text) = value
                        && pairs.len() < PAIRS_MAX
                    {
                        pairs.push((name, text));
                    }
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_taken_and_the_rest_is_left_to_the_provider() {
        let said = Said::read(Some("\"ada\""), None, Some(r#"{"team":"red","n":7,"a\"b":"c"}"#));
        assert_eq!(said.user.as_deref(), Some("ada"));
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(said.metadata, [pair("team", "red"), pair("a\"b", "c")]);
        assert_eq!(Said::read(Some("\"u\""), Some("\"s\""), None).user.as_deref(), Some("s"));
        for (user, metadata) in [("null", "null"), ("7", "[]"), ("{}", "\"x\"")] {
            assert_eq!(Said::read(Some(user), Some(user), Some(metadata)), Said::default());
        }
        let many: Vec<String> = (0..99).map(|number| format!("\"{number}\":\"x\"")).collect();
        assert_eq!(
            Said::read(None, None, Some(&format!("{{{}}}", many.join(",")))).metadata.len(),
            PAIRS_MAX
        );
    }
}
