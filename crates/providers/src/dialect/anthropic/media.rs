//! Images and files of a message as the vendor's sources.

use std::borrow::Cow;

use nexus_wire::conversation::{members::Wrong, message::File};

use super::block::{Block, Source};
use crate::part::data_url::{self, PDF, PDF_BEGINS, Url};

pub(super) fn image<'a>(url: Cow<'a, str>) -> Result<Block<'a>, Wrong> {
    let wrong = || Wrong::new("image_url.url", "an https address or base64 of a JPEG, PNG, GIF or WebP");
    let source = source(url).ok_or_else(wrong)?;
    is_image(&source).then_some(Block::Image { source, cache_control: None }).ok_or_else(wrong)
}

/// A PDF is a document; an image in a file is an image.
pub(super) fn file<'a>(file: File<'a>) -> Result<Block<'a>, Wrong> {
    let wrong = || Wrong::new("file", "a PDF or an image, in base64, by an https address, or by its id");
    let document = |source| Block::Document { source, title: file.name, cache_control: None };
    let content = match (file.content, file.id) {
        (None, Some(file_id)) => return Ok(document(Source::File { file_id })),
        (Some(content), _) => content,
        (None, None) => return Err(wrong()),
    };
    if content.starts_with(PDF_BEGINS) {
        return Ok(document(Source::Base64 { media_type: Cow::Borrowed(PDF), data: content }));
    }
    match source(content).ok_or_else(wrong)? {
        Source::Base64 { media_type, data } if media_type == PDF => {
            Ok(document(Source::Base64 { media_type, data }))
        }
        Source::Url { url } => Ok(document(Source::Url { url })),
        source if is_image(&source) => Ok(Block::Image { source, cache_control: None }),
        _ => Err(wrong()),
    }
}

fn is_image(source: &Source<'_>) -> bool {
    match source {
        Source::Base64 { media_type, .. } => {
            matches!(&**media_type, "image/jpeg" | "image/png" | "image/gif" | "image/webp")
        }
        Source::Url { .. } | Source::File { .. } => true,
    }
}

/// An address, or a `data:` URL in base64.
fn source(url: Cow<'_, str>) -> Option<Source<'_>> {
    match data_url::read(url)? {
        Url::Address(url) => Some(Source::Url { url }),
        Url::Inline { media_type, data } => Some(Source::Base64 { media_type: Cow::Owned(media_type), data }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(block: Result<Block<'_>, Wrong>) -> String {
        block.map_or_else(|wrong| wrong.path, |block| serde_json::to_string(&block).unwrap())
    }

    #[test]
    fn an_image_is_an_address_or_base64_of_a_known_type() {
        for (url, expected) in [
            ("https://x/y.png", r#"{"type":"image","source":{"type":"url","url":"https://x/y.png"}}"#),
            (
                "data:image/png;base64,AAAA",
                r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#,
            ),
            (
                "DATA:image/JPG;charset=x;base64,AA,A",
                r#"{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AA,A"}}"#,
            ),
            ("data:image/png,AAAA", "image_url.url"),
            ("data:image/svg+xml;base64,AAAA", "image_url.url"),
            ("data:application/pdf;base64,AAAA", "image_url.url"),
            ("file:///etc/passwd", "image_url.url"),
            ("data:", "image_url.url"),
            ("é", "image_url.url"),
            ("", "image_url.url"),
        ] {
            assert_eq!(shown(image(url.into())), expected, "{url}");
            assert_eq!(shown(image(Cow::Owned(url.to_owned()))), expected, "{url}");
        }
    }

    #[test]
    fn a_file_is_a_pdf_an_image_or_an_id() {
        let title = r#""title":"f.pdf""#;
        let pdf = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"#;
        for (content, id, expected) in [
            (Some("data:application/pdf;base64,AA"), None, format!("{pdf}\"AA\"}},{title}}}")),
            (Some("JVBERi0xLjQ"), None, format!("{pdf}\"JVBERi0xLjQ\"}},{title}}}")),
            (
                Some("https://x/y.pdf"),
                Some("i"),
                format!(r#"{{"type":"document","source":{{"type":"url","url":"https://x/y.pdf"}},{title}}}"#),
            ),
            (
                None,
                Some("file_1"),
                format!(r#"{{"type":"document","source":{{"type":"file","file_id":"file_1"}},{title}}}"#),
            ),
            (
                Some("data:image/png;base64,AA"),
                None,
                r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}"#
                    .to_owned(),
            ),
            (Some("data:text/plain;base64,AA"), None, "file".to_owned()),
            (Some("AAAA"), None, "file".to_owned()),
            (None, None, "file".to_owned()),
        ] {
            let said =
                File { content: content.map(Cow::from), id: id.map(Cow::from), name: Some("f.pdf".into()) };
            assert_eq!(shown(file(said)), expected, "{content:?} {id:?}");
        }
    }
}
