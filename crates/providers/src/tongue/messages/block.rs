//! Content blocks as parts of a chat's message.

use std::borrow::Cow;

use nexus_wire::conversation::members::{Members, Wrong};
use serde_json::value::RawValue;

pub(super) use crate::tongue::part::{Part, content};
use crate::{
    part::{data_url::PDF, object::Object},
    tongue::{body::Retelling, heard::elements},
};

/// The parts that blocks of a user, of `system` or of a tool's result come to. `path` is theirs in the body.
pub(super) fn parts(blocks: &[&RawValue], path: &str, telling: &mut Retelling) -> Result<Vec<Part>, Wrong> {
    let mut parts = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let block = Members::read(block.get()).ok_or_else(|| Wrong::new(&*path, "an object"))?;
        parts.extend(part(&block, &path, telling)?);
    }
    Ok(parts)
}

/// One block as parts; a `content` source has several.
pub(super) fn part(block: &Members<'_>, path: &str, telling: &mut Retelling) -> Result<Vec<Part>, Wrong> {
    let inside = |wrong: Wrong| wrong.under(path);
    let mark = block.raw("cache_control").filter(|_| telling.more()).map(RawValue::get);
    let kind = block.needed("type").map_err(inside)?;
    Ok(match &*kind {
        "text" => vec![Part::text(&block.needed("text").map_err(inside)?, mark)],
        "image" => image(block, path, telling).into_iter().map(|image| Part::other(image, mark)).collect(),
        "document" => document(block, path, mark, telling)?,
        "search_result" => {
            let source = [block.word("title"), block.word("source")].join("\n");
            let mut parts = vec![Part::text(&source, None)];
            parts.extend(self::parts(&elements(block.raw("content")), &format!("{path}.content"), telling)?);
            parts
        }
        _ => {
            let message = format!(
                "a block of the type `{kind}` can be said to Anthropic's own models only; leave it away"
            );
            telling.cannot(format!("{path}.type"), message);
            Vec::new()
        }
    })
}

fn image(block: &Members<'_>, path: &str, telling: &mut Retelling) -> Option<Object> {
    let source = block.object("source").ok().flatten().unwrap_or_default();
    let url = match &*source.word("type") {
        "base64" => inline(&source.word("media_type"), &source),
        "url" => source.word("url").into_owned(),
        _ => {
            let message = "an image can be said to this model in base64 or by an address only";
            telling.cannot(format!("{path}.source"), message.to_owned());
            return None;
        }
    };
    Some(Object::of("image_url").raw("image_url", &Object::default().text("url", &url).done()))
}

fn inline(media_type: &str, source: &Members<'_>) -> String {
    format!("data:{media_type};base64,{}", source.word("data"))
}

fn document(
    block: &Members<'_>,
    path: &str,
    mark: Option<&str>,
    telling: &mut Retelling,
) -> Result<Vec<Part>, Wrong> {
    let source = block.object("source").ok().flatten().unwrap_or_default();
    let title = block.text("title").ok().flatten().filter(|title| !title.is_empty());
    let name = title.clone().unwrap_or(Cow::Borrowed("document.pdf"));
    let file =
        |name: &str, value: &str| Object::of("file").raw("file", &Object::default().text(name, value).done());
    Ok(match &*source.word("type") {
        "base64" => {
            let kind = source.text("media_type").ok().flatten().unwrap_or(Cow::Borrowed(PDF));
            let data = inline(&kind, &source);
            let inner = Object::default().text("filename", &name).text("file_data", &data);
            vec![Part::other(Object::of("file").raw("file", &inner.done()), mark)]
        }
        "url" => vec![Part::other(file("file_data", &source.word("url")), mark)],
        "file" => vec![Part::other(file("file_id", &source.word("file_id")), mark)],
        "text" => {
            let text = source.word("data");
            let titled = title.map_or(text.to_string(), |title| format!("{title}\n\n{text}"));
            vec![Part::text(&titled, mark)]
        }
        "content" => match source.raw("content") {
            Some(text) if text.get().starts_with('"') => vec![Part::text(&source.word("content"), mark)],
            blocks => parts(&elements(blocks), &format!("{path}.source.content"), telling)?,
        },
        _ => {
            let message = "a document can be said to this model in base64, as text, or by an address only";
            telling.cannot(format!("{path}.source"), message.to_owned());
            Vec::new()
        }
    })
}
