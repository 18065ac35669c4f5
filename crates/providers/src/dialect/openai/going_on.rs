//! A body whose last message is the beginning of the answer, with what tells the vendor to go on with it.

use std::fmt::Write as _;

use bytes::Bytes;
use nexus_core::site::Site;
use nexus_wire::{
    place,
    splice::{self, Edit},
};

use crate::compat::GoesOn;

/// The body with the vendor's flags; as it is where the vendor has none.
pub(super) fn told(body: Bytes, goes_on: GoesOn, site: Site<'_>) -> Bytes {
    let flagged = match goes_on {
        GoesOn::Unasked => None,
        GoesOn::Marked { member, under } if site.base_path.ends_with(under) => marked(&body, member),
        GoesOn::Marked { .. } => None,
        GoesOn::Beside(flags) => beside(&body, flags),
    };
    flagged.unwrap_or(body)
}

/// With a member of the last message.
fn marked(body: &Bytes, member: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let members = place::members(text);
    let messages = members.iter().find(|member| member.name == "messages")?;
    let last = place::members(place::elements(messages.value).pop()?);
    let end = last.last()?.value_place(text).end;
    Some(with(body, end, &format!(",\"{member}\":true")))
}

/// With members beside the messages, but for those that stand there already.
fn beside(body: &Bytes, flags: &[(&str, bool)]) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let members = place::members(text);
    let mut said = String::new();
    for (name, flag) in flags.iter().filter(|(name, _)| members.iter().all(|member| member.name != *name)) {
        let _infallible = write!(said, ",\"{name}\":{flag}");
    }
    let end = members.last()?.value_place(text).end;
    Some(with(body, end, &said))
}

fn with(body: &Bytes, at: usize, text: &str) -> Bytes {
    splice::splice(body, &[Edit { place: at..at, text }])
}

#[cfg(test)]
mod tests {
    use nexus_core::site::Options;

    use super::*;

    #[test]
    fn each_way_of_saying_it_is_put_where_the_vendor_looks() {
        const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}] ,"n":1}"#;
        let prefix = |under| GoesOn::Marked { member: "prefix", under };
        let flags = GoesOn::Beside(&[("go", true), ("n", false), ("begin", false)]);
        for (goes_on, base_path, expected) in [
            (GoesOn::Unasked, "/v1", BODY.to_owned()),
            (prefix(""), "/v1", BODY.replace(r#""b"}"#, r#""b","prefix":true}"#)),
            (prefix("/beta"), "/v1", BODY.to_owned()),
            (prefix("/beta"), "/beta", BODY.replace(r#""b"}"#, r#""b","prefix":true}"#)),
            (flags, "/v1", BODY.replace("\"n\":1", r#""n":1,"go":true,"begin":false"#)),
        ] {
            let site = Site { region: None, options: Options::NONE, base_path };
            assert_eq!(told(Bytes::from_static(BODY.as_bytes()), goes_on, site), expected, "{goes_on:?}");
        }
    }
}
