//! A chat request read in full, for dialects that must say it in other words.
//!
//! A member that no dialect asks for is never looked at. Schemas, arguments and marks are handed out as
//! they stand in the body, so the order of their members and the digits of their numbers stay.

pub mod members;
pub mod message;
pub mod tool;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::{
    members::{Members, Wrong, array},
    message::Message,
    tool::{ResponseFormat, Tool, ToolChoice},
};
use crate::chat::BodyError;

/// A body whose members are read on demand; what is wrong with one is said when it is asked for.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    members: Members<'a>,
}

impl<'a> Conversation<'a> {
    /// Of a body that [`crate::chat::ChatRequest::read`] has taken.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(body).ok();
        let members = text.and_then(Members::read).ok_or_else(|| BodyError {
            message: "the request body must be a JSON object".to_owned(),
            param: None,
        })?;
        Ok(Self { members })
    }

    /// A member as it stands; absent and `null` are `None`.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.members.raw(name)
    }

    /// A member that must be a string.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, BodyError> {
        Ok(self.members.text(name)?)
    }

    /// A member that must be a number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, BodyError> {
        Ok(self.members.read_as(name, "a number")?)
    }

    /// A member that must be an integer of at least 0.
    pub fn count(&self, name: &str) -> Result<Option<u64>, BodyError> {
        Ok(self.members.read_as(name, "an integer of at least 0")?)
    }

    /// A member that must be an integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, BodyError> {
        Ok(self.members.read_as(name, "an integer")?)
    }

    /// A member that must be `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, BodyError> {
        Ok(self.members.read_as(name, "`true` or `false`")?)
    }

    /// A member that must be an object.
    pub fn object(&self, name: &str) -> Result<Option<Members<'a>>, BodyError> {
        Ok(self.members.object(name)?)
    }

    /// `messages`, in their order.
    pub fn messages(&self) -> Result<Vec<Message<'a>>, BodyError> {
        Ok(array(&self.members, "messages", Message::read)?)
    }

    /// `tools`; empty where there are none.
    pub fn tools(&self) -> Result<Vec<Tool<'a>>, BodyError> {
        Ok(array(&self.members, "tools", Tool::read)?)
    }

    pub fn tool_choice(&self) -> Result<ToolChoice<'a>, BodyError> {
        Ok(ToolChoice::read(&self.members)?)
    }

    pub fn response_format(&self) -> Result<ResponseFormat<'a>, BodyError> {
        Ok(ResponseFormat::read(&self.members)?)
    }

    /// `stop`: one string or several.
    pub fn stops(&self) -> Result<Vec<Cow<'a, str>>, BodyError> {
        match self.members.raw("stop") {
            Some(value) if value.get().starts_with('"') => {
                Ok(self.members.text("stop")?.into_iter().collect())
            }
            _ => Ok(array(&self.members, "stop", members::string)?),
        }
    }
}

impl From<Wrong> for BodyError {
    fn from(wrong: Wrong) -> Self {
        Self { message: format!("`{}` must be {}", wrong.path, wrong.must_be), param: Some(wrong.path) }
    }
}

#[cfg(test)]
mod tests;
