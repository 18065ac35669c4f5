//! What a signature covers, and the text that is signed: the signature base of RFC 9421, section 2.5.
//!
//! A component stands on one line of the base, so no value with a line's end in it may get in.

use sfv::{InnerList, Item, ListSerializer};

use super::{Request, Wrong};

/// What every signature covers.
pub(super) const REQUIRED: [&str; 4] = ["@method", "@path", "@query", "content-digest"];

/// Components in the longest list looked at.
const MAX_COMPONENTS: usize = 32;

/// Judges a list of components: what is required is there, nothing is there twice, nothing has parameters.
pub(super) fn judge(input: &InnerList) -> Result<(), Wrong> {
    if input.items.len() > MAX_COMPONENTS {
        return Err(Wrong::Components);
    }
    let names = input.items.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let is_repeated = names.iter().enumerate().any(|(at, name)| names.iter().skip(at + 1).any(|n| n == name));
    if is_repeated || REQUIRED.iter().any(|required| !names.contains(required)) {
        return Err(Wrong::Components);
    }
    Ok(())
}

/// The text that is signed.
pub(super) fn base(request: &Request<'_>, input: &InnerList) -> Result<String, Wrong> {
    let mut base = String::new();
    for item in &input.items {
        let name = name(item)?;
        let (mark, value) = match name {
            "@method" => ("", request.method),
            "@path" => ("", if request.path.is_empty() { "/" } else { request.path }),
            "@query" => ("?", request.query.unwrap_or_default()),
            "content-digest" => ("", request.content_digest.ok_or(Wrong::DigestMissing)?.trim()),
            _ => ("", other(request, name)?.trim()),
        };
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Wrong::Malformed);
        }
        for part in ["\"", name, "\": ", mark, value, "\n"] {
            base.push_str(part);
        }
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&written(input));
    Ok(base)
}

/// Components and parameters as they are signed, whatever spaces they were sent with.
pub(super) fn written(input: &InnerList) -> String {
    let mut list = ListSerializer::new();
    let mut inner = list.inner_list();
    inner.items(&input.items);
    let _ = inner.finish().parameters(&input.params);
    list.finish().unwrap_or_default()
}

fn name(item: &Item) -> Result<&str, Wrong> {
    let name = item.bare_item.as_string().ok_or(Wrong::Malformed)?;
    if item.params.is_empty() { Ok(name.as_str()) } else { Err(Wrong::Components) }
}

fn other<'a>(request: &Request<'a>, name: &str) -> Result<&'a str, Wrong> {
    let found = request.others.iter().find(|(other, _)| *other == name);
    found.map(|(_, value)| *value).ok_or(Wrong::Components)
}
