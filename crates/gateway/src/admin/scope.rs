//! Scopes as requests and answers write them: lists of patterns and networks; an absent list sets no bound.

use nexus_core::scope::Scope;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::body;

/// How far a right reaches. An absent list sets no bound, an empty one allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schema(as = Scope)]
pub struct ScopeBody {
    /// Names of models; `*` stands for any run of characters.
    #[serde(default, deserialize_with = "body::present", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 256, value_type = Option<Vec<PatternText>>)]
    pub models: Option<Vec<String>>,
    /// Names of providers; `*` stands for any run of characters.
    #[serde(default, deserialize_with = "body::present", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 256, value_type = Option<Vec<PatternText>>)]
    pub providers: Option<Vec<String>>,
    /// Networks callers may come from, such as `192.0.2.0/24` or `2001:db8::/32`.
    #[serde(default, deserialize_with = "body::present", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 256, value_type = Option<Vec<NetworkText>>)]
    pub addresses: Option<Vec<String>>,
}

impl Serialize for ScopeBody {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for ScopeBody {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written(ScopeBody);

        impl<'de> Deserialize<'de> for Written {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                ScopeBody::deserialize(from).map(Self)
            }
        }

        body::object(from).map(|Written(scope)| scope)
    }
}

/// A name, with `*` for any run of characters.
#[derive(ToSchema)]
#[schema(as = Pattern, pattern = r"^([\x20-\x7e]{1,200}|[^\x00-\x1f\x7f-\x9f]{1,50})$")]
pub struct PatternText(#[allow(dead_code, reason = "only its schema is used")] String);

/// A network in CIDR notation.
#[derive(ToSchema)]
#[schema(as = Network, pattern = r"^((([1-9]?[0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\.){3}([1-9]?[0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])/([12]?[0-9]|3[0-2])|(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,7}:|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){1,6}|:((:[0-9a-fA-F]{1,4}){1,7}|:))/([1-9]?[0-9]|1[01][0-9]|12[0-8]))$")]
pub struct NetworkText(#[allow(dead_code, reason = "only its schema is used")] String);

impl From<&Scope> for ScopeBody {
    fn from(scope: &Scope) -> Self {
        fn texts<T>(list: Option<&Vec<T>>, text: impl Fn(&T) -> String) -> Option<Vec<String>> {
            list.map(|list| list.iter().map(text).collect())
        }
        Self {
            models: texts(scope.models.as_ref(), |pattern| pattern.as_str().to_owned()),
            providers: texts(scope.providers.as_ref(), |pattern| pattern.as_str().to_owned()),
            addresses: texts(scope.addresses.as_ref(), ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_comes_back_as_it_was_written_and_is_nothing_but_an_object_of_lists() {
        for json in
            ["{}", r#"{"models":[]}"#, r#"{"models":["a*"],"providers":["b"],"addresses":["::1/128"]}"#]
        {
            let scope: ScopeBody = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&scope).unwrap(), json);
        }
        for json in
            ["[]", "null", r#"[["a"],[],[]]"#, r#"{"models":null}"#, r#"{"model":[]}"#, r#"{"models":"a"}"#]
        {
            assert!(serde_json::from_str::<ScopeBody>(json).is_err(), "{json}");
        }
    }
}
