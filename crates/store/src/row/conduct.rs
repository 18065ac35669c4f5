//! What is done for an alias's requests, as text: an object of settings, where one that is left out is off.

use nexus_core::policy::Conduct;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_ttl_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hedge_percent: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    continues: bool,
}

pub(crate) fn read(text: &str) -> Option<Conduct> {
    if !text.starts_with('{') {
        return None;
    }
    let Written { cache_ttl_s, hedge_percent, continues } = serde_json::from_str(text).ok()?;
    Some(Conduct { cache_ttl_s, hedge_percent, continues })
}

/// The conduct as it stands in a row; one without settings is `{}`.
pub(crate) fn written(conduct: &Conduct) -> String {
    let Conduct { cache_ttl_s, hedge_percent, continues } = *conduct;
    serde_json::json!(Written { cache_ttl_s, hedge_percent, continues }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conduct_comes_back_as_it_went_in_and_nothing_else_is_read() {
        let all = Conduct { cache_ttl_s: Some(60), hedge_percent: Some(5), continues: true };
        for (conduct, text) in
            [(Conduct::default(), "{}"), (all, r#"{"cache_ttl_s":60,"continues":true,"hedge_percent":5}"#)]
        {
            assert_eq!(written(&conduct), text);
            assert_eq!(read(text), Some(conduct));
        }
        for text in ["", "[]", "null", r#"{"cache":1}"#, r#"{"cache_ttl_s":-1}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
