//! A request's body as the object it must be, and what is found while it is told anew.

use nexus_wire::{
    chat::{self, BodyError},
    conversation::members::Members,
};

use super::{Retold, Terms};
use crate::dialect::Unsayable;

/// The members of a body. Of two of one name the gateway could read one and the vendor the other: that is refused.
/// `plain` is a name in the one way in which it may be written.
pub(super) fn read<'a>(body: &'a [u8], plain: impl Fn(&str) -> String) -> Result<Members<'a>, BodyError> {
    let text = chat::readable(body)?;
    let said = Members::read(text).ok_or_else(|| match text.trim_start().starts_with('{') {
        true => chat::unreadable(text),
        false => BodyError { message: "the request body must be a JSON object".to_owned(), param: None },
    })?;
    let names: Vec<String> = said.iter().map(|(name, _)| plain(name)).collect();
    let twice =
        names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|known| known == *name));
    match twice {
        Some((_, name)) => Err(BodyError {
            message: format!("the member `{name}` stands in the body more than once"),
            param: Some(name.clone()),
        }),
        None => Ok(said),
    }
}

/// What is found while a request is told anew.
#[derive(Debug)]
pub(super) struct Retelling {
    pub(super) terms: Terms,
    has_more: bool,
    unsayable: Option<Unsayable>,
}

impl Retelling {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, has_more: false, unsayable: None }
    }

    /// Whether something that is there beyond the plain form is to be said; that it is there is remembered.
    pub(super) fn more(&mut self) -> bool {
        self.has_more = true;
        self.terms == Terms::Full
    }

    /// Something cannot be said; the first such thing is remembered.
    pub(super) fn cannot(&mut self, param: String, message: String) {
        self.unsayable.get_or_insert(Unsayable { param, message });
    }

    /// The request as this chat.
    pub(super) fn done(self, chat: String) -> Retold {
        Retold { chat: chat.into(), has_more: self.has_more, unsayable: self.unsayable }
    }
}
