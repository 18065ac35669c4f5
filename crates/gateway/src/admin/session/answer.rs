//! Answers that bear cookies: into the console, out of it, and on to an identity provider.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::{
    answer::{Answer, AnswerDoc, Reply, plain_doc},
    openapi::Components,
    problem::Problem,
};

/// Somebody was let in. `cookies` are whole `Set-Cookie` lines, here as below.
pub struct Entered<T> {
    pub body: T,
    pub cookies: Vec<String>,
}

impl<T: Serialize + ToSchema> Answer for Entered<T> {
    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(Reply { cookies: self.cookies, ..Reply::json(200, &self.body)? })
    }

    fn describe(components: &mut Components) -> AnswerDoc {
        let content = vec![("application/json", Some(components.schema::<T>()))];
        AnswerDoc { content, ..plain_doc(200, "Signed in; the session is in a cookie") }
    }
}

/// Somebody has left.
pub struct Left {
    pub cookies: Vec<String>,
}

impl Answer for Left {
    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(Reply { cookies: self.cookies, ..Reply::empty(204) })
    }

    fn describe(_: &mut Components) -> AnswerDoc {
        plain_doc(204, "Signed out")
    }
}

/// The browser is to go on elsewhere.
pub struct Redirected {
    pub to: String,
    pub cookies: Vec<String>,
}

impl Answer for Redirected {
    fn into_reply(self) -> Result<Reply, Problem> {
        Ok(Reply { location: Some(self.to), cookies: self.cookies, ..Reply::empty(303) })
    }

    fn describe(_: &mut Components) -> AnswerDoc {
        AnswerDoc { has_location: true, ..plain_doc(303, "Go on there") }
    }
}
