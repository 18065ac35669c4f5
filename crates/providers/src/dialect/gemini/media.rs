//! Images, sounds and files of a message as the vendor's data.
//!
//! What stands at an address is never fetched here: the address is given on where the vendor fetches it
//! itself, and refused where it does not.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::Wrong,
    message::{Audio, File},
};

use super::{
    Surface,
    turn::{FileData, InlineData, Part},
};
use crate::part::data_url::{self, PDF, PDF_BEGINS, Url};

/// Where files of AI Studio's own store are.
const STORE: &str = "https://generativelanguage.googleapis.com/";

/// Addresses of the vendor's own, which both surfaces take.
const OWN: &[&str] =
    &[STORE, "gs://", "https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"];

/// The sounds the vendor hears, in OpenAI's words and the vendor's.
const SOUNDS: &[(&str, &str)] = &[
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
];

/// What a name's ending says about a file.
const ENDINGS: &[(&str, &str)] = &[
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".webp", "image/webp"),
    (".gif", "image/gif"),
    (".heic", "image/heic"),
    (".pdf", PDF),
    (".txt", "text/plain"),
    (".mp3", "audio/mp3"),
    (".wav", "audio/wav"),
    (".mp4", "video/mp4"),
];

pub(super) fn image<'a>(url: Cow<'a, str>, surface: Surface) -> Result<Part<'a>, Wrong> {
    let wrong = || {
        let must_be = match surface {
            Surface::Studio => "base64 of an image, or the address of a file in the provider's own store",
            Surface::Vertex => "base64 of an image, or an https or gs address",
        };
        Wrong::new("image_url.url", must_be)
    };
    if is_taken(&url, surface) {
        let mime_type = media_type(&url).or((surface == Surface::Vertex).then_some("image/jpeg"));
        return Ok(Part::file(FileData { mime_type, file_uri: url }));
    }
    match data_url::read(url) {
        Some(Url::Inline { media_type, data }) if media_type.starts_with("image/") => {
            Ok(Part::inline(InlineData { mime_type: Cow::Owned(media_type), data }))
        }
        _ => Err(wrong()),
    }
}

pub(super) fn audio(audio: Audio<'_>) -> Result<Part<'_>, Wrong> {
    let known = SOUNDS.iter().find(|(format, _)| *format == audio.format);
    let (_, mime_type) = known.ok_or_else(|| {
        Wrong::new("input_audio.format", "`wav`, `mp3`, `aac`, `aiff`, `flac` or `ogg` for this model")
    })?;
    Ok(Part::inline(InlineData { mime_type: Cow::Borrowed(mime_type), data: audio.data }))
}

pub(super) fn file<'a>(file: File<'a>, surface: Surface) -> Result<Part<'a>, Wrong> {
    let wrong = || Wrong::new("file", "a PDF, a text, an image, a sound or a film, in base64");
    let content = match (file.content, file.id) {
        (Some(content), _) | (None, Some(content)) => content,
        (None, None) => return Err(wrong()),
    };
    if is_taken(&content, surface) {
        let mime_type = media_type(file.name.as_deref().unwrap_or(&content));
        let mime_type = mime_type.or((surface == Surface::Vertex).then_some(PDF));
        return Ok(Part::file(FileData { mime_type, file_uri: content }));
    }
    if content.starts_with(PDF_BEGINS) {
        return Ok(Part::inline(InlineData { mime_type: Cow::Borrowed(PDF), data: content }));
    }
    let is_read = |media_type: &str| {
        let begins = ["image/", "audio/", "video/", "text/"];
        media_type == PDF || begins.iter().any(|begin| media_type.starts_with(begin))
    };
    match data_url::read(content) {
        Some(Url::Inline { media_type, data }) if is_read(&media_type) => {
            Ok(Part::inline(InlineData { mime_type: Cow::Owned(media_type), data }))
        }
        _ => Err(wrong()),
    }
}

/// Whether the vendor fetches what is at this address.
fn is_taken(address: &str, surface: Surface) -> bool {
    OWN.iter().any(|own| address.starts_with(own))
        || surface == Surface::Vertex && (address.starts_with("https://") || address.starts_with("http://"))
}

fn media_type(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(part: Result<Part<'_>, Wrong>) -> String {
        part.map_or_else(|wrong| wrong.path, |part| serde_json::to_string(&part).unwrap())
    }

    fn at(mime_type: &str, uri: &str) -> String {
        let mime_type =
            if mime_type.is_empty() { String::new() } else { format!(r#""mimeType":"{mime_type}","#) };
        format!(r#"{{"fileData":{{{mime_type}"fileUri":"{uri}"}}}}"#)
    }

    fn inline(mime_type: &str) -> String {
        format!(r#"{{"inlineData":{{"mimeType":"{mime_type}","data":"AA"}}}}"#)
    }

    #[test]
    fn an_image_is_inline_or_where_the_vendor_fetches_it_itself() {
        use Surface::{Studio, Vertex};
        let refused = || "image_url.url".to_owned();
        let stored = "https://generativelanguage.googleapis.com/v1beta/files/x";
        for (url, surface, expected) in [
            ("data:image/PNG;base64,AA", Studio, inline("image/png")),
            ("data:image/heic;base64,AA", Vertex, inline("image/heic")),
            ("data:application/pdf;base64,AA", Studio, refused()),
            ("data:image/png,AA", Studio, refused()),
            ("https://x/y.png", Studio, refused()),
            ("https://x/y.png?z=.pdf", Vertex, at("image/png", "https://x/y.png?z=.pdf")),
            ("https://x/y", Vertex, at("image/jpeg", "https://x/y")),
            ("gs://b/y.WEBP", Studio, at("image/webp", "gs://b/y.WEBP")),
            (stored, Studio, at("", stored)),
            ("https://youtu.be/x", Studio, at("", "https://youtu.be/x")),
            ("https://generativelanguage.googleapis.com.evil/x", Studio, refused()),
            ("file:///etc/passwd", Vertex, refused()),
            ("", Vertex, refused()),
        ] {
            assert_eq!(shown(image(url.into(), surface)), expected, "{url} {surface:?}");
        }
    }

    #[test]
    fn a_file_is_inline_or_where_the_vendor_fetches_it_itself() {
        use Surface::{Studio, Vertex};
        let refused = || "file".to_owned();
        for (content, id, surface, expected) in [
            (Some("data:application/pdf;base64,AA"), None, Studio, inline("application/pdf")),
            (Some("data:audio/wav;base64,AA"), None, Studio, inline("audio/wav")),
            (Some("data:text/csv;base64,AA"), Some("i"), Studio, inline("text/csv")),
            (Some("data:application/zip;base64,AA"), None, Studio, refused()),
            (
                Some("JVBERi0xLjQ"),
                None,
                Studio,
                r#"{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0xLjQ"}}"#.to_owned(),
            ),
            (Some("https://x/y.txt"), None, Studio, refused()),
            (Some("https://x/y.txt"), None, Vertex, at("text/plain", "https://x/y.txt")),
            (Some("https://x/y"), None, Vertex, at("application/pdf", "https://x/y")),
            (None, Some("gs://b/film.mp4"), Studio, at("video/mp4", "gs://b/film.mp4")),
            (None, Some("file-1"), Studio, refused()),
            (None, None, Vertex, refused()),
        ] {
            let said = File { content: content.map(Cow::from), id: id.map(Cow::from), name: None };
            assert_eq!(shown(file(said, surface)), expected, "{content:?} {id:?} {surface:?}");
        }
    }
}
