//! A key as tools send it, down to the token inside.
//!
//! The prefix is taken off once; a second one is part of the token and makes it invalid.

/// The token in what a client presented as its key. Many tools insist on `sk-` in front; it means nothing.
pub fn token(presented: &str) -> &str {
    presented.strip_prefix("sk-").unwrap_or(presented)
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_prefix_is_taken_off() {
        for (presented, token) in [
            ("eyJ.a.b", "eyJ.a.b"),
            ("sk-eyJ.a.b", "eyJ.a.b"),
            ("sk-sk-eyJ.a.b", "sk-eyJ.a.b"),
            ("SK-eyJ.a.b", "SK-eyJ.a.b"),
            (" sk-eyJ.a.b", " sk-eyJ.a.b"),
            ("sk-", ""),
            ("", ""),
        ] {
            assert_eq!(super::token(presented), token, "{presented:?}");
        }
    }
}
