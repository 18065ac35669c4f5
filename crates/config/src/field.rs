//! What is known about each field of the configuration: its name, kind, default and meaning.
//!
//! The table is made from the doc comments of [`crate::raw`]; checks, defaults, environment variables and
//! the reference page all read it, so a field cannot exist for one and not for another.

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub preset: Preset,
    /// The doc comment.
    pub doc: &'static str,
}

/// What may be written for a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A name or other text on one line.
    Text,
    /// Text that is secret; `${VARIABLE}` is taken from the environment.
    Secret,
    /// A URL that may hold a password; `${VARIABLE}` is taken from the environment.
    SecretUrl,
    /// A whole number within these bounds.
    Whole { min: u64, max: u64 },
    /// The same, where it may be negative.
    Signed { min: i64, max: i64 },
    /// A number from 0 to 1000 with at most six decimals.
    Decimal,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of names or other texts, in a variable with commas between them.
    Texts,
    /// Names, each with a whole number from 0 to a million.
    Shares,
    /// Names, each with a text; `${VARIABLE}` is taken from the environment.
    Named,
    /// Fields of their own.
    Section(&'static [Field]),
    /// A list of entries with these fields.
    List(&'static [Field]),
}

/// What holds where nothing is written.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// Something must be written.
    Required,
    /// It is absent, and that means what the words say.
    Absent(&'static str),
    Text(&'static str),
    Whole(u64),
    Flag(bool),
}
