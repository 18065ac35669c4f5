//! What a team wishes about keys of which something looks wrong, as text.

use nexus_core::anomaly::throttle::Wish;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    reasons: Vec<String>,
    requests_per_minute: u32,
    minutes: u32,
}

pub(crate) fn read(text: &str) -> Option<Wish> {
    let Written { reasons, requests_per_minute, minutes } = serde_json::from_str(text).ok()?;
    Some(Wish { reasons, requests_per_minute, minutes }).filter(Wish::is_sound)
}

/// The wish as it stands in a row.
pub(crate) fn written(wish: &Wish) -> String {
    let Wish { reasons, requests_per_minute, minutes } = wish.clone();
    serde_json::json!(Written { reasons, requests_per_minute, minutes }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_comes_back_as_it_went_in_and_nothing_else_is_read() {
        let wish = Wish { reasons: vec!["usage_cost".into()], requests_per_minute: 7, minutes: 9 };
        assert_eq!(read(&written(&wish)), Some(wish));
        for text in ["", "{}", "[[],1,1]", r#"{"reasons":["none"],"requests_per_minute":1,"minutes":1}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
