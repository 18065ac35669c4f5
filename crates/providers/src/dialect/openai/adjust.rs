//! The changes that a vendor's quirks make inside a body: members renamed, left out or refused, and messages
//! said in older words.
//!
//! A body that nothing must be changed in is not read at all where that can be told from afar.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use nexus_wire::{
    place::{self, Placed},
    splice::{self, Edit},
};

use super::super::Unsayable;
use crate::compat::{Change, How, InMessages, Quirks};

/// A change of the text, with what it becomes.
struct Becomes {
    place: Range<usize>,
    text: String,
}

/// The body as the vendor takes it; `None` where it is so already.
pub(super) fn adjusted(body: &[u8], quirks: Quirks) -> Result<Option<Bytes>, Unsayable> {
    if !is_worth_reading(body, quirks) {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(body) else { return Ok(None) };
    let members = place::members(text);
    for change in quirks.changes {
        refuse(change, &members)?;
    }
    let mut becomes: Vec<Becomes> = place::removals(text, &members, |member| goes(quirks.changes, member))
        .into_iter()
        .map(|place| Becomes { place, text: String::new() })
        .collect();
    for member in members.iter().filter(|member| !goes(quirks.changes, member)) {
        becomes.extend(said_otherwise(text, quirks.changes, member));
        if member.name == "messages" {
            messages(text, member.value, quirks, &mut becomes);
        }
    }
    if becomes.is_empty() {
        return Ok(None);
    }
    becomes.sort_by_key(|change| change.place.start);
    let edits: Vec<Edit<'_>> =
        becomes.iter().map(|change| Edit { place: change.place.clone(), text: &change.text }).collect();
    Ok(Some(splice::splice(body, &edits)))
}

fn is_worth_reading(body: &[u8], quirks: Quirks) -> bool {
    let says = |word: &[u8]| memmem::find(body, word).is_some();
    !quirks.changes.is_empty()
        || quirks.nine_letter_ids
        || quirks.in_messages != InMessages::All
        || quirks.old_roles && says(b"\"developer\"")
        || quirks.thoughts_in_loops && says(b"\"reasoning_content\"")
}

fn without_spaces(value: &str) -> String {
    value.split_ascii_whitespace().collect()
}

fn refuse(change: &Change, members: &[Placed<'_>]) -> Result<(), Unsayable> {
    let How::Refused { unless } = change.how else { return Ok(()) };
    let said = members.iter().filter(|member| member.name == change.member && member.value != "null");
    for member in said {
        if !unless.contains(&without_spaces(member.value).as_str()) {
            return Err(Unsayable {
                param: change.member.to_owned(),
                message: format!("`{}` cannot be said to this model: {}", change.member, change.note),
            });
        }
    }
    Ok(())
}

/// Whether a member is left out. What is refused but for a harmless value is, with such a value.
fn goes(changes: &[Change], member: &Placed<'_>) -> bool {
    let Some(change) = changes.iter().find(|change| change.member == member.name) else { return false };
    match change.how {
        How::Named(_) | How::Word { .. } => false,
        How::Only(values) => !values.contains(&without_spaces(member.value).as_str()),
        How::Dropped | How::Refused { .. } => true,
    }
}

fn said_otherwise(text: &str, changes: &[Change], member: &Placed<'_>) -> Option<Becomes> {
    let change = changes.iter().find(|change| change.member == member.name)?;
    match change.how {
        How::Named(name) => Some(Becomes { place: member.name_place(text), text: format!("\"{name}\"") }),
        How::Word { from, to } if member.value == from => {
            Some(Becomes { place: member.value_place(text), text: to.to_owned() })
        }
        _ => None,
    }
}

fn messages(text: &str, value: &str, quirks: Quirks, becomes: &mut Vec<Becomes>) {
    let messages: Vec<Vec<Placed<'_>>> = place::elements(value).into_iter().map(place::members).collect();
    // of a loop of tools all comes behind what the user said last
    let asked = messages.iter().rposition(|message| says(message, "role", "\"user\""));
    for (at, message) in messages.iter().enumerate() {
        let is_before = asked.is_some_and(|asked| at < asked);
        let goes = |member: &Placed<'_>| match quirks.in_messages {
            _ if quirks.thoughts_in_loops && is_before && member.name == "reasoning_content" => true,
            InMessages::All => false,
            InMessages::Only(names) => !names.contains(&&*member.name),
            InMessages::Without(names) => names.contains(&&*member.name),
        };
        let removals = place::removals(text, message, goes);
        becomes.extend(removals.into_iter().map(|place| Becomes { place, text: String::new() }));
        for member in message.iter().filter(|member| !goes(member)) {
            match &*member.name {
                "role" if quirks.old_roles && member.value == "\"developer\"" => {
                    becomes.push(Becomes { place: member.value_place(text), text: "\"system\"".to_owned() });
                }
                "tool_call_id" if quirks.nine_letter_ids => becomes.extend(nine_letters(text, member)),
                "tool_calls" if quirks.nine_letter_ids => {
                    for call in place::elements(member.value).into_iter().map(place::members) {
                        let ids = call.iter().filter(|member| member.name == "id");
                        becomes.extend(ids.filter_map(|id| nine_letters(text, id)));
                    }
                }
                _ => {}
            }
        }
    }
}

fn says(message: &[Placed<'_>], name: &str, value: &str) -> bool {
    message.iter().any(|member| member.name == name && member.value == value)
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id in nine letters and digits: itself, or always the same for the same id.
fn nine_letters(text: &str, id: &Placed<'_>) -> Option<Becomes> {
    let said = id.value.strip_prefix('"')?.strip_suffix('"')?;
    if said.len() == 9 && said.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    // FNV-1a: two of one conversation's ids fall together once in 10^16 pairs
    let mut hash = said.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut short = String::with_capacity(11);
    short.push('"');
    for _ in 0..9 {
        let letter = usize::try_from(hash % 62).ok().and_then(|at| LETTERS.get(at)).copied().unwrap_or(b'0');
        short.push(char::from(letter));
        hash /= 62;
    }
    short.push('"');
    Some(Becomes { place: id.value_place(text), text: short })
}

#[cfg(test)]
mod tests;
