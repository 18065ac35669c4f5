//! Pages in browsers that may call applications' URLs from elsewhere: by their origin, as a browser says it.

/// Origins such as `https://app.example.com`; `*` is every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Box<str>>);

impl Origins {
    /// Reads a list.
    ///
    /// # Errors
    /// With the place of the first that is no origin.
    pub fn parse(texts: &[String]) -> Result<Self, usize> {
        match texts.iter().position(|text| !is_origin(text)) {
            Some(at) => Err(at),
            None => Ok(Self(texts.iter().map(|text| text.to_ascii_lowercase().into()).collect())),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page of this origin may call.
    pub fn admits(&self, origin: &str) -> bool {
        self.0.iter().any(|known| **known == *"*" || known.eq_ignore_ascii_case(origin))
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    text == "*" || host.is_some_and(|host| !host.is_empty() && host.bytes().all(may_stand))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Result<Origins, usize> {
        Origins::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_origin_is_admitted_whole_or_not() {
        let some = origins(&["https://App.example.com", "http://localhost:3000"]).unwrap();
        for (origin, is_admitted) in [
            ("https://app.example.com", true),
            ("http://localhost:3000", true),
            ("http://app.example.com", false),
            ("https://app.example.com.evil.io", false),
            ("https://app.example.com:8443", false),
            ("null", false),
        ] {
            assert_eq!(some.admits(origin), is_admitted, "{origin}");
        }
        assert!(origins(&["*"]).unwrap().admits("null"));
        assert!(!Origins::default().admits("https://a") && Origins::default().is_empty());
    }

    #[test]
    fn what_is_no_origin_is_found_by_its_place() {
        for wrong in ["app.example.com", "https://", "https://a/b", "https://*.a.io", "ftp://a", ""] {
            assert_eq!(origins(&["https://a.io", wrong]), Err(1), "{wrong}");
        }
    }
}
