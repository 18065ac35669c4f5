//! Parts of a user's turn as parts of a chat's message.

use nexus_wire::{base64, conversation::members::Wrong};

use super::said::Said;
use crate::{
    part::{data_url::PDF, object::Object},
    tongue::{body::Retelling, part::Part},
};

/// Members of what the vendor ran by itself, and told in parts: no chat has a place for them.
const RUN_BY_THE_VENDOR: &[&str] = &["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];

/// Members that stand beside what a part says.
const BESIDE: &[&str] = &["thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];

/// One part; `None` where it says nothing.
pub(super) fn part(said: &Said<'_>, path: &str, telling: &mut Retelling) -> Result<Option<Part>, Wrong> {
    if said.raw("text").is_some() {
        let text = said.needed("text").map_err(|wrong| wrong.under(path))?;
        return Ok((!text.is_empty()).then(|| Part::text(&text, None)));
    }
    let inside = |wrong: Wrong| wrong.under(path);
    for name in ["inlineData", "fileData"] {
        let data = said.object(name).map_err(inside)?;
        if data.0.iter().next().is_none() {
            continue;
        }
        let path = format!("{path}.{name}");
        let kind = data.word("mimeType").to_ascii_lowercase();
        let shown = match name {
            "inlineData" => {
                let coded = base64::standard(&data.needed("data").map_err(|wrong| wrong.under(&path))?);
                inline(&kind, &coded, &data.word("displayName"))
            }
            _ => at(&kind, &data.needed("fileUri").map_err(|wrong| wrong.under(&path))?),
        };
        if shown.is_none() {
            let message = format!("data of the type `{kind}` can be said to Google's own models only");
            telling.cannot(path, message);
        }
        return Ok(shown.map(|shown| Part::other(shown, None)));
    }
    let unknown =
        said.names().find(|name| !BESIDE.contains(&&**name) && !RUN_BY_THE_VENDOR.contains(&&**name));
    if let Some(name) = unknown {
        let message = format!("a part with `{name}` can be said to Google's own models only; leave it away");
        telling.cannot(format!("{path}.{name}"), message);
    }
    Ok(None)
}

/// Data that is in the request itself, in base64.
fn inline(kind: &str, data: &str, name: &str) -> Option<Object> {
    let url = format!("data:{kind};base64,{data}");
    match kind.split_once('/')? {
        ("image", _) => Some(image(&url)),
        ("audio", format) => {
            let format = match format {
                "mpeg" => "mp3",
                "x-wav" | "wave" => "wav",
                format => format,
            };
            let audio = Object::default().text("data", data).text("format", format).done();
            Some(Object::of("input_audio").raw("input_audio", &audio))
        }
        ("video", _) => None,
        _ => {
            let name = if name.is_empty() { "document.pdf" } else { name };
            let file = Object::default().text("filename", name).text("file_data", &url).done();
            Some(Object::of("file").raw("file", &file))
        }
    }
}

/// Data that the vendor fetches.
fn at(kind: &str, address: &str) -> Option<Object> {
    match kind.split('/').next() {
        Some("image") => Some(image(address)),
        _ if kind == PDF => {
            let file = Object::default().text("file_data", address).done();
            Some(Object::of("file").raw("file", &file))
        }
        _ => None,
    }
}

fn image(url: &str) -> Object {
    Object::of("image_url").raw("image_url", &Object::default().text("url", url).done())
}
