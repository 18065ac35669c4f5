//! The web console's files, embedded when it is built, and what a browser is told of each.
//!
//! No file holds anything about the node it is served by: all of them may be shown to anyone.

mod policy;

pub use policy::{CONTENT_SECURITY_POLICY, HEADERS};

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Below `/console/`.
    pub path: &'static str,
    /// With its quotes.
    pub etag: &'static str,
    pub bytes: &'static [u8],
    /// The same, compressed.
    pub gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The page all addresses of the console show.
const PAGE: &str = "index.html";

/// Where files lie that bear a digest of their content in their names.
const HASHED: &str = "assets/";

/// A year, as long as caches are asked for.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

impl Asset {
    pub fn media_type(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json" | "webmanifest") => "application/json",
            _ => "application/octet-stream",
        }
    }

    /// For how long a cache may have it: what bears its digest never changes, the rest is asked for anew.
    pub fn cache_control(&self) -> &'static str {
        if self.path.starts_with(HASHED) { FOR_GOOD } else { "no-cache" }
    }

    /// Whether an `If-None-Match` names it.
    pub fn is_named_by(&self, if_none_match: &str) -> bool {
        let tags = if_none_match.split(',').map(|tag| tag.trim());
        tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == self.etag || tag == "*")
    }
}

/// The file at a path below `/console/`. What names no file is an address within the console and shows its page;
/// a file that was replaced by another build is not there.
pub fn at(path: &str) -> Option<&'static Asset> {
    let find = |path: &str| ASSETS.iter().find(|asset| asset.path == path);
    let is_address = !path.starts_with(HASHED) && !path.contains('.');
    find(path).or_else(|| if is_address { find(PAGE) } else { None })
}

/// Whether an `Accept-Encoding` takes gzip.
pub fn takes_gzip(accept_encoding: &str) -> bool {
    let mut codings = accept_encoding.split(',').map(|coding| coding.split(';').map(str::trim));
    codings.any(|mut coding| {
        let is_gzip = coding.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = |weight: &str| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        is_gzip && !coding.next().is_some_and(is_refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_within_the_console_shows_its_page_and_a_missing_file_does_not() {
        for (path, found) in [
            ("", Some(PAGE)),
            ("index.html", Some(PAGE)),
            ("overview", Some(PAGE)),
            ("keys/0190", Some(PAGE)),
            ("assets/gone-0000.js", None),
            ("assets/gone", None),
            ("favicon.ico", None),
            ("../Cargo.toml", None),
        ] {
            assert_eq!(at(path).map(|asset| asset.path), found, "{path}");
        }
    }

    #[test]
    fn only_what_bears_its_digest_is_kept_for_good() {
        let asset = |path| Asset { path, etag: "\"a\"", bytes: b"", gzip: None };
        assert_eq!(asset("assets/app-1a2b.js").cache_control(), FOR_GOOD);
        assert_eq!(asset("index.html").cache_control(), "no-cache");
    }

    #[test]
    fn a_tag_names_a_file_as_http_says() {
        let asset = Asset { path: PAGE, etag: "\"a\"", bytes: b"", gzip: None };
        for (header, is_named) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(asset.is_named_by(header), is_named, "{header}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (header, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(header), takes, "{header}");
        }
    }

    #[test]
    fn every_file_has_a_tag_of_its_own_and_a_type_that_browsers_know() {
        for asset in ASSETS {
            assert!(asset.etag.len() == 18 && !asset.bytes.is_empty(), "{asset:?}");
            assert_ne!(asset.media_type(), "application/octet-stream", "{}", asset.path);
        }
    }
}
