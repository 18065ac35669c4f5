//! Requests to put documents in the order of their worth for a query, as Cohere and Jina have them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    chat::{BodyError, readable},
    conversation::members::{Members, Wrong},
};

/// The most documents of one request.
pub const DOCUMENTS_MAX: usize = 10_000;

/// The members that are looked at.
const KNOWN: [&str; 5] = ["model", "query", "documents", "top_n", "return_documents"];

/// A request as its vendors are to be told it.
#[derive(Clone, Debug)]
pub struct RerankRequest<'a> {
    pub query: Cow<'a, str>,
    /// Their texts, in the order of the request.
    pub documents: Vec<Cow<'a, str>>,
    /// How many of the best are wanted; `None`: all.
    pub top_n: Option<u64>,
    /// Whether the answer is to say the documents again.
    pub wants_documents: bool,
    /// Members beside those, with their values as they stand.
    pub others: Vec<(String, &'a RawValue)>,
}

impl<'a> RerankRequest<'a> {
    /// Reads a body of JSON.
    ///
    /// # Errors
    /// If it is none, or a member cannot be what it says.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let said = Members::read(readable(body)?);
        let said = said.ok_or_else(|| BodyError::whole("the request body must be a JSON object"))?;
        let query = said.needed("query")?;
        let documents = said.raw("documents").map(RawValue::get).unwrap_or_default();
        let documents: Vec<&RawValue> =
            serde_json::from_str(documents).map_err(|_| Wrong::new("documents", "an array of texts"))?;
        if documents.is_empty() || documents.len() > DOCUMENTS_MAX {
            return Err(Wrong::new("documents", "1 to 10000 texts").into());
        }
        let texts: Result<Vec<_>, Wrong> =
            documents.into_iter().enumerate().map(|(at, document)| text(document, at)).collect();
        let top_n = match said.raw("top_n") {
            None => None,
            Some(count) => match count.get().parse() {
                Ok(count @ 1..) => Some(count),
                _ => return Err(Wrong::new("top_n", "a whole number of at least 1").into()),
            },
        };
        let wants_documents = match said.raw("return_documents").map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Wrong::new("return_documents", "`true` or `false`").into()),
        };
        let others = said.iter().filter(|(name, _)| !KNOWN.contains(name));
        let others = others.map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { query, documents: texts?, top_n, wants_documents, others })
    }
}

/// A document's text, which may stand in an object.
fn text(document: &RawValue, at: usize) -> Result<Cow<'_, str>, Wrong> {
    let wrong = || Wrong::new(format!("documents[{at}]"), "a text, or an object with a `text`");
    if document.get().starts_with('"') {
        return serde_json::from_str(document.get()).map(Cow::Owned).map_err(|_| wrong());
    }
    let said = Members::read(document.get()).ok_or_else(wrong)?;
    said.needed("text").map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_and_the_rest_is_left_as_it_stands() {
        let body = r#"{"model":"m","query":"q\n","documents":["a",{"text":"b","id":7}],"top_n":1,"return_documents":true,"max_tokens_per_doc":1.0e2}"#;
        let read = RerankRequest::read(body.as_bytes()).unwrap();
        assert_eq!((&*read.query, read.documents.as_slice()), ("q\n", &["a".into(), "b".into()][..]));
        assert_eq!((read.top_n, read.wants_documents), (Some(1), true));
        assert_eq!(
            read.others.iter().map(|(name, value)| (&**name, value.get())).collect::<Vec<_>>(),
            [("max_tokens_per_doc", "1.0e2")]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (body, param) in [
            (r#"{"documents":["a"]}"#, Some("query")),
            (r#"{"query":["q"],"documents":["a"]}"#, Some("query")),
            (r#"{"query":"q"}"#, Some("documents")),
            (r#"{"query":"q","documents":[]}"#, Some("documents")),
            (r#"{"query":"q","documents":"a"}"#, Some("documents")),
            (r#"{"query":"q","documents":["a",{"image":"b"}]}"#, Some("documents[1]")),
            (r#"{"query":"q","documents":["a"],"top_n":0}"#, Some("top_n")),
            (r#"{"query":"q","documents":["a"],"return_documents":"yes"}"#, Some("return_documents")),
            ("[]", None),
        ] {
            let refused = RerankRequest::read(body.as_bytes()).unwrap_err();
            assert_eq!(refused.param.as_deref(), param, "{body}");
        }
    }
}
