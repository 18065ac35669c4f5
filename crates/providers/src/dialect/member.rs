//! What becomes of each member of a chat request: one row a member, which an encoder obeys and a page for
//! people can be made from.
//!
//! A hint is dropped; what would change the answer's meaning is refused. A member in no row is unknown
//! and dropped: it asks for something that neither side has agreed on.

use nexus_wire::conversation::Conversation;

use super::Unsayable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Sent as it stands.
    Passed,
    /// Said in the vendor's words.
    Mapped,
    /// A hint without counterpart: left out in silence.
    Dropped,
    /// A 400 that names the member, unless its value is one of these (as JSON without spaces) or `null`.
    Refused { unless: &'static [&'static str] },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub member: &'static str,
    pub decision: Decision,
    /// How it is said, why it is dropped, or what to do instead: for people.
    pub note: &'static str,
}

pub(super) const fn mapped(member: &'static str, note: &'static str) -> Row {
    Row { member, decision: Decision::Mapped, note }
}

pub(super) const fn dropped(member: &'static str, note: &'static str) -> Row {
    Row { member, decision: Decision::Dropped, note }
}

pub(super) const fn refused(
    member: &'static str,
    unless: &'static [&'static str],
    note: &'static str,
) -> Row {
    Row { member, decision: Decision::Refused { unless }, note }
}

/// The first member that cannot be said.
pub(super) fn refuse(rows: &[Row], said: &Conversation<'_>) -> Result<(), Unsayable> {
    for row in rows {
        let Decision::Refused { unless } = row.decision else { continue };
        let Some(value) = said.raw(row.member) else { continue };
        let value: String = value.get().split_ascii_whitespace().collect();
        if !unless.contains(&value.as_str()) {
            return Err(Unsayable {
                param: row.member.to_owned(),
                message: format!("`{}` cannot be said to this model: {}", row.member, row.note),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod proof;
