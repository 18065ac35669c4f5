//! The description as a page for people. It loads nothing and runs nothing: the page's policy allows the one
//! style sheet in it, by its hash, and forbids everything else.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    answer::{HTML, Kinds, Text},
    call::Call,
    openapi::{DOCUMENT, PERMISSION},
    problem::{Kind, Problem},
    route::PREFIX,
};

/// base64 of the SHA-256 of [`STYLE`].
const STYLE_HASH: &str = "Szo6+quLFVA9Q3gipVjFLqGe260XHf740RRFQVDryCc=";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}\
body{font:15px/1.55 system-ui,sans-serif;max-width:60rem;margin:2.5rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}\
section{margin:1.6rem 0;padding-left:.9rem;border-left:3px solid var(--line)}\
h3{margin:0;font:600 1rem ui-monospace,monospace}p{margin:.3rem 0}\
table{border-collapse:collapse;margin:.5rem 0}td{padding:.2rem .9rem .2rem 0;vertical-align:top}\
code{font-family:ui-monospace,monospace;font-size:.92em}a{color:inherit}small{opacity:.7}";

/// The policy pages are served with.
pub fn content_security_policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

pub struct Page;

impl Kinds for Page {
    const MEDIA_TYPES: &'static [&'static str] = &[HTML];
}

/// `GET /admin/v1/reference`
pub async fn show(_: Call) -> Result<Text<Page>, Problem> {
    let described = serde_json::to_value(&*DOCUMENT).map_err(|_| Kind::Internal)?;
    Ok(Text::new(HTML, page(&described).unwrap_or_default()))
}

fn page(described: &Value) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><title>Administration</title><style>{STYLE}</style>\
         <h1>{}</h1><p>{}</p>",
        text(described, "/info/title"),
        text(described, "/info/description"),
    )?;
    let mut group = "";
    for (path, item) in members(described, "/paths") {
        let own = path.split('/').nth(1).unwrap_or_default();
        if own != group {
            group = own;
            write!(out, "<h2>{}</h2>", escape(group))?;
        }
        for (method, operation) in item.as_object().into_iter().flatten() {
            write_operation(&mut out, path, method, operation)?;
        }
    }
    write!(out, "<h2>Schemas</h2>")?;
    for (name, schema) in members(described, "/components/schemas") {
        write!(
            out,
            "<section id=\"{0}\"><h3>{0}</h3><p>{1}</p>",
            escape(name),
            text(schema, "/description")
        )?;
        write_members(&mut out, schema)?;
        write!(out, "</section>")?;
    }
    Ok(out)
}

fn write_operation(out: &mut String, path: &str, method: &str, operation: &Value) -> std::fmt::Result {
    write!(
        out,
        "<section><h3>{} {PREFIX}{}</h3><p>{} <small>{}</small></p><table>",
        method.to_uppercase(),
        escape(path),
        text(operation, "/summary"),
        text(operation, &format!("/{PERMISSION}")),
    )?;
    for parameter in operation.pointer("/parameters").and_then(Value::as_array).into_iter().flatten() {
        write!(
            out,
            "<tr><td><code>{}</code> <small>{}</small><td>{}<td>{}",
            text(parameter, "/name"),
            text(parameter, "/in"),
            kind(parameter.get("schema")),
            text(parameter, "/description"),
        )?;
    }
    for (what, pointer) in [("body", "/requestBody/content"), ("answer", "/responses")] {
        for (name, inner) in members(operation, pointer) {
            let schema =
                inner.pointer("/schema").or_else(|| inner.pointer("/content/application~1json/schema"));
            if name != "default" {
                write!(out, "<tr><td>{what} <small>{}</small><td>{}<td>", escape(name), kind(schema))?;
                out.push_str(&text(inner, "/description"));
            }
        }
    }
    write!(out, "</table></section>")
}

fn write_members(out: &mut String, schema: &Value) -> std::fmt::Result {
    write!(out, "<table>")?;
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    for (name, member) in members(schema, "/properties") {
        let mark = if is_required(name) { "" } else { " <small>optional</small>" };
        let (kind, said) = (kind(Some(member)), text(member, "/description"));
        write!(out, "<tr><td><code>{}</code>{mark}<td>{kind}<td>{said}", escape(name))?;
    }
    if schema.get("properties").is_none() {
        write!(out, "<tr><td>{}", kind(Some(schema)))?;
    }
    write!(out, "</table>")
}

/// A schema in a few words, with links to those it names.
fn kind(schema: Option<&Value>) -> String {
    let Some(schema) = schema else { return String::new() };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escape(name));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().map(|word| escape(&word.to_string())).collect();
        return words.join(" | ");
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let choices: Vec<_> = choices.iter().map(|choice| kind(Some(choice))).collect();
        return choices.join(" | ");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(Some(items)));
    }
    let of = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = schema.get("type").map(of).unwrap_or_default();
    for bound in ["format", "minimum", "maximum", "minLength", "maxLength", "pattern"] {
        if let Some(value) = schema.get(bound) {
            words.push_str(&format!(", {bound} {}", of(value)));
        }
    }
    format!("<small>{}</small>", escape(&words))
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let object: Option<&Map<String, Value>> = value.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// The text under a pointer, safe to be put into the page.
fn text(value: &Value, pointer: &str) -> String {
    escape(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_names_the_hash_of_the_style_that_is_served() {
        let hex = nexus_keystore::browser_session::digest(STYLE);
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert_eq!(STYLE_HASH, STANDARD.encode(bytes));
    }

    #[test]
    fn the_page_names_every_path_and_schema_and_loads_nothing() {
        let described = serde_json::to_value(&*DOCUMENT).unwrap();
        let page = page(&described).unwrap();
        for (name, _) in members(&described, "/paths").chain(members(&described, "/components/schemas")) {
            assert!(page.contains(&escape(name)), "{name}");
        }
        for loading in ["<script", "src=", "@import", "url(", "http:", "https:"] {
            assert!(!page.contains(loading), "{loading}");
        }
    }

    #[test]
    fn what_is_put_into_the_page_is_text() {
        let described = serde_json::json!({ "info": { "title": "<b>&\"", "description": "" }, "paths": {} });
        assert!(page(&described).unwrap().contains("<h1>&lt;b&gt;&amp;&quot;</h1>"));
    }
}
