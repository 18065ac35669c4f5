//! Where an image or a file is: at an address, or in the request itself as base64.
//!
//! No address is ever fetched here.

use std::borrow::Cow;

pub(crate) const PDF: &str = "application/pdf";

/// How the bytes of every PDF begin in base64.
pub(crate) const PDF_BEGINS: &str = "JVBERi0";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Url<'a> {
    /// `https://` or `http://`.
    Address(Cow<'a, str>),
    /// `data:` in base64; the type in lower case, without its parameters.
    Inline { media_type: String, data: Cow<'a, str> },
}

/// `None` for any other URL, and for a `data:` URL that is not in base64.
pub(crate) fn read(url: Cow<'_, str>) -> Option<Url<'_>> {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    if begins("https://") || begins("http://") {
        return Some(Url::Address(url));
    }
    if !begins("data:") {
        return None;
    }
    let comma = url.find(',')?;
    let head = url.get("data:".len()..comma)?.to_ascii_lowercase();
    let media_type = head.strip_suffix(";base64")?.split(';').next().unwrap_or_default().trim();
    let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
    Some(Url::Inline { media_type: media_type.to_owned(), data: after(url, comma + 1) })
}

/// What follows `at`, borrowed where the whole is.
fn after(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(at..).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.drain(..at);
            Cow::Owned(text)
        }
    }
}
