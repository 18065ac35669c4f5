//! Images, documents and sound of a message as the vendor's blocks.
//!
//! The vendor fetches nothing but from S3: any other address is refused by the name of its member.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::Wrong,
    message::{Audio, File},
};

use super::block::{Block, Source};
use crate::part::data_url::{self, PDF, PDF_BEGINS, Url};

/// The vendor's word for a kind of document, its media type, and the ends of file names that tell it.
const DOCUMENTS: &[(&str, &str, &[&str])] = &[
    ("pdf", PDF, &["pdf"]),
    ("csv", "text/csv", &["csv"]),
    ("doc", "application/msword", &["doc"]),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    ("xls", "application/vnd.ms-excel", &["xls"]),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    ("html", "text/html", &["html", "htm"]),
    ("txt", "text/plain", &["txt"]),
    ("md", "text/markdown", &["md", "markdown"]),
];

const IMAGES: &[(&str, &str, &[&str])] = &[
    ("png", "image/png", &["png"]),
    ("jpeg", "image/jpeg", &["jpg", "jpeg"]),
    ("gif", "image/gif", &["gif"]),
    ("webp", "image/webp", &["webp"]),
];

const DEFAULT_NAME: &str = "Document";

/// The longest name of a document that is kept, in bytes.
const NAME_MAX_BYTES: usize = 120;

pub(super) fn image(url: Cow<'_, str>) -> Result<Block<'_>, Wrong> {
    let wrong = || {
        Wrong::new(
            "image_url.url",
            "base64 of a JPEG, PNG, GIF or WebP, or an `s3://` address: this model's provider fetches no other",
        )
    };
    if let Some(uri) = in_s3(&url) {
        let format = by_name(IMAGES, uri).ok_or_else(wrong)?;
        return Ok(Block::Image { format, source: Source::S3Location { uri: url } });
    }
    match data_url::read(url) {
        Some(Url::Inline { media_type, data }) => {
            let format = by_type(IMAGES, &media_type).ok_or_else(wrong)?;
            Ok(Block::Image { format, source: Source::Bytes(data) })
        }
        _ => Err(wrong()),
    }
}

/// A document of a known kind, or an image in a file. `number` is its place among the request's documents.
pub(super) fn file<'a>(file: File<'a>, number: usize) -> Result<Block<'a>, Wrong> {
    let wrong = || {
        Wrong::new(
            "file",
            "a PDF, text, CSV, HTML, Markdown, Word or Excel file or an image, in base64 or by its `s3://` address",
        )
    };
    let File { content, id, name } = file;
    let name_said = name.as_deref().unwrap_or_default();
    let content = content.or(id.filter(|id| in_s3(id).is_some())).ok_or_else(wrong)?;
    let (media_type, source) = if content.starts_with(PDF_BEGINS) {
        (Some(PDF.to_owned()), Source::Bytes(content))
    } else if in_s3(&content).is_some() {
        (None, Source::S3Location { uri: content })
    } else {
        match data_url::read(content) {
            Some(Url::Inline { media_type, data }) => (Some(media_type), Source::Bytes(data)),
            _ => return Err(wrong()),
        }
    };
    let place = if let Source::S3Location { uri } = &source { uri.as_ref() } else { "" };
    let kind = |table| {
        let told = media_type.as_deref().and_then(|media_type| by_type(table, media_type));
        told.or_else(|| by_name(table, name_said)).or_else(|| by_name(table, place))
    };
    if let Some(format) = kind(IMAGES) {
        return Ok(Block::Image { format, source });
    }
    let format = kind(DOCUMENTS).ok_or_else(wrong)?;
    Ok(Block::Document { format, name: document_name(name_said, number), source })
}

pub(super) fn audio(audio: Audio<'_>) -> Block<'_> {
    Block::Audio { format: audio.format, source: Source::Bytes(audio.data) }
}

/// The address without its scheme, if it is one in S3.
fn in_s3(url: &str) -> Option<&str> {
    url.strip_prefix("s3://").filter(|rest| !rest.is_empty())
}

type Kinds = [(&'static str, &'static str, &'static [&'static str])];

fn by_type(table: &Kinds, media_type: &str) -> Option<&'static str> {
    table.iter().find(|(_, known, _)| *known == media_type).map(|(format, ..)| *format)
}

fn by_name(table: &Kinds, name: &str) -> Option<&'static str> {
    let end = name.rsplit_once('.')?.1.to_ascii_lowercase();
    table.iter().find(|(.., ends)| ends.contains(&end.as_str())).map(|(format, ..)| *format)
}

/// A name in the letters the vendor allows, without the end that tells the kind. The number keeps two
/// documents of one name apart.
fn document_name(said: &str, number: usize) -> String {
    let stem = said.rsplit_once('.').map_or(said, |(stem, _)| stem);
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
    let letters = stem.chars().map(|letter| if is_allowed(letter) { letter } else { ' ' });
    let mut name = String::new();
    for word in letters.collect::<String>().split_ascii_whitespace() {
        if name.len() + word.len() >= NAME_MAX_BYTES {
            break;
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(word);
    }
    let name = if name.is_empty() { DEFAULT_NAME } else { &name };
    if number == 1 && name != DEFAULT_NAME { name.to_owned() } else { format!("{name} {number}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(block: Result<Block<'_>, Wrong>) -> String {
        block.map_or_else(|wrong| wrong.path, |block| serde_json::to_string(&block).unwrap())
    }

    #[test]
    fn an_image_is_base64_of_a_known_type_or_lies_in_s3() {
        for (url, expected) in [
            ("data:image/png;base64,AAAA", r#"{"image":{"format":"png","source":{"bytes":"AAAA"}}}"#),
            ("DATA:image/JPG;base64,AA", r#"{"image":{"format":"jpeg","source":{"bytes":"AA"}}}"#),
            ("s3://b/k.JPG", r#"{"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://b/k.JPG"}}}}"#),
            ("s3://b/k", "image_url.url"),
            ("s3://", "image_url.url"),
            ("https://x/y.png", "image_url.url"),
            ("http://169.254.169.254/latest", "image_url.url"),
            ("data:image/svg+xml;base64,AA", "image_url.url"),
            ("data:image/png,AA", "image_url.url"),
            ("", "image_url.url"),
        ] {
            assert_eq!(shown(image(url.into())), expected, "{url}");
        }
    }

    #[test]
    fn a_file_is_a_document_of_a_known_kind_or_an_image() {
        let document = |format: &str, name: &str, source: &str| {
            format!(r#"{{"document":{{"format":"{format}","name":"{name}","source":{source}}}}}"#)
        };
        let bytes = r#"{"bytes":"AA"}"#;
        for (content, id, name, expected) in [
            ("data:application/pdf;base64,AA", "", "a.pdf", document("pdf", "a", bytes)),
            ("data:text/csv;base64,AA", "", "", document("csv", "Document 1", bytes)),
            ("data:application/octet-stream;base64,AA", "", "x.docx", document("docx", "x", bytes)),
            ("data:text/plain;base64,AA", "", "a/b__c\u{e9}.tar.gz", document("txt", "a b c tar", bytes)),
            ("JVBERi0xLjQ", "", "", document("pdf", "Document 1", r#"{"bytes":"JVBERi0xLjQ"}"#)),
            (
                "s3://b/k.xlsx",
                "",
                "",
                document("xlsx", "Document 1", r#"{"s3Location":{"uri":"s3://b/k.xlsx"}}"#),
            ),
            ("", "s3://b/k.md", "", document("md", "Document 1", r#"{"s3Location":{"uri":"s3://b/k.md"}}"#)),
            (
                "data:image/webp;base64,AA",
                "",
                "",
                r#"{"image":{"format":"webp","source":{"bytes":"AA"}}}"#.to_owned(),
            ),
            ("https://x/y.pdf", "", "", "file".to_owned()),
            ("AAAA", "", "", "file".to_owned()),
            ("data:application/zip;base64,AA", "", "x.zip", "file".to_owned()),
            ("s3://b/k", "", "", "file".to_owned()),
            ("", "file_1", "", "file".to_owned()),
            ("", "", "", "file".to_owned()),
        ] {
            let some = |text: &'static str| (!text.is_empty()).then(|| Cow::from(text));
            let said = File { content: some(content), id: some(id), name: some(name) };
            assert_eq!(shown(file(said, 1)), expected, "{content} {id} {name}");
        }
    }

    #[test]
    fn documents_are_told_apart_by_their_numbers() {
        for (said, number, expected) in [
            ("report.pdf", 1, "report"),
            ("report.pdf", 2, "report 2"),
            ("", 1, "Document 1"),
            ("", 3, "Document 3"),
            ("\u{e9}\u{e9}.pdf", 2, "Document 2"),
            ("a  (b) [c]-d.pdf", 1, "a (b) [c]-d"),
        ] {
            assert_eq!(document_name(said, number), expected);
        }
        assert!(document_name(&"word ".repeat(100), 2).len() < NAME_MAX_BYTES + 4);
    }
}
