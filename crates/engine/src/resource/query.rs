//! The query of a call, changed in one place and otherwise left as it was sent.

/// The value of a name, decoded where it is escaped; the first counts.
pub(super) fn value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let raw = pairs.into_iter().find(|(known, _)| *known == name)?.1;
    Some(decoded(raw))
}

/// The same query with another value under a name, or with none.
pub(super) fn with(query: Option<&str>, name: &str, value: Option<&str>) -> Option<String> {
    let is_other = |pair: &&str| pair.split('=').next() != Some(name);
    let mut pairs: Vec<String> =
        query.into_iter().flat_map(|query| query.split('&')).filter(is_other).map(str::to_owned).collect();
    pairs.retain(|pair| !pair.is_empty());
    pairs.extend(value.map(|value| format!("{name}={}", escaped(value))));
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

/// A text without its escapes; one that is broken stays as it is.
pub fn decoded(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| raw.to_owned())
}

fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_changed_in_one_place() {
        let query = Some("limit=2&after=file-1&order=asc&x[]=a%20b");
        assert_eq!(value(query, "after").as_deref(), Some("file-1"));
        assert_eq!(value(query, "x[]").as_deref(), Some("a b"));
        assert_eq!(value(None, "after"), None);
        let changed = with(query, "after", Some("ft:a/b"));
        assert_eq!(changed.as_deref(), Some("limit=2&order=asc&x[]=a%20b&after=ft%3Aa%2Fb"));
        assert_eq!(with(Some("after=a"), "after", None), None);
        assert_eq!(with(None, "limit", Some("100")).as_deref(), Some("limit=100"));
    }
}
