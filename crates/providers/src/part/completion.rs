//! A chat completion put together anew, for vendors whose answers have another form.
//!
//! What a caller sees as `thinking_blocks` is what the vendor wants back, word for word.

use std::borrow::Cow;

use nexus_core::{call::Call, fault::Fault};
use nexus_wire::completion::Generated;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{id, usage::Shown};
use crate::dialect::{COUNTED_TEXT_MAX, Consumed, Decoded, bad_answer};

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Shown>,
}

/// One of the answers, of which there is usually one.
#[derive(Serialize)]
pub(crate) struct Choice<'a> {
    pub(crate) index: u64,
    pub(crate) message: Message<'a>,
    pub(crate) logprobs: Option<Box<RawValue>>,
    pub(crate) finish_reason: &'static str,
}

/// What the model says.
#[derive(Serialize)]
pub(crate) struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    pub(crate) refusal: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reasoning_content: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) thinking_blocks: Vec<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall<'a>>,
    /// The pages that passages rest on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<Annotation<'a>>,
    /// What passages rest on, as the vendor says it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) citations: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

#[derive(Serialize)]
pub(crate) struct ToolCall<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

/// What a vendor wants back with a message or a call, under its name.
#[derive(Serialize)]
struct Extra<'a> {
    google: Google<'a>,
}

#[derive(Serialize)]
struct Google<'a> {
    thought_signature: Cow<'a, str>,
}

/// A page that a passage rests on.
#[derive(Serialize)]
pub(crate) struct Annotation<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitation<'a>,
}

#[derive(Serialize)]
struct UrlCitation<'a> {
    start_index: usize,
    end_index: usize,
    title: Cow<'a, str>,
    url: Cow<'a, str>,
}

/// An image the model made, in the form in which clients send them.
#[derive(Serialize)]
struct Image {
    #[serde(rename = "type")]
    kind: &'static str,
    image_url: ImageUrl,
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

impl<'a> ToolCall<'a> {
    pub(crate) fn new(id: Cow<'a, str>, name: Cow<'a, str>, arguments: impl Into<Cow<'a, str>>) -> Self {
        let function = Function { name, arguments: arguments.into() };
        Self { id, kind: "function", function, extra_content: None }
    }

    /// With the signature that Google wants back.
    pub(crate) fn sealed(mut self, seal: Option<Cow<'a, str>>) -> Self {
        self.extra_content = seal.map(Extra::google);
        self
    }

    /// Gives it an id where the vendor gave none.
    pub(crate) fn call_it(&mut self, id: String) {
        self.id = Cow::Owned(id);
    }
}

impl<'a> Annotation<'a> {
    /// Of the characters from `start_index` up to `end_index`.
    pub(crate) fn new(start_index: usize, end_index: usize, title: Cow<'a, str>, url: Cow<'a, str>) -> Self {
        Self { kind: "url_citation", url_citation: UrlCitation { start_index, end_index, title, url } }
    }

    #[cfg(test)]
    pub(crate) fn place(&self) -> (usize, usize) {
        (self.url_citation.start_index, self.url_citation.end_index)
    }
}

impl<'a> Extra<'a> {
    fn google(thought_signature: Cow<'a, str>) -> Self {
        Self { google: Google { thought_signature } }
    }
}

impl<'a> Message<'a> {
    /// A message that says nothing yet.
    pub(crate) fn assistant() -> Self {
        Self {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning_content: String::new(),
            thinking_blocks: Vec::new(),
            tool_calls: Vec::new(),
            annotations: Vec::new(),
            citations: Vec::new(),
            images: Vec::new(),
            extra_content: None,
        }
    }

    /// The text so far.
    pub(crate) fn text(&self) -> &str {
        self.content.as_deref().unwrap_or_default()
    }

    /// Goes on with the text.
    pub(crate) fn say(&mut self, text: &str) {
        self.content.get_or_insert_default().push_str(text);
    }

    /// Shows an image by its URL.
    pub(crate) fn show(&mut self, url: String) {
        self.images.push(Image { kind: "image_url", image_url: ImageUrl { url } });
    }

    /// Bears the signature that Google wants back.
    pub(crate) fn seal(&mut self, seal: Cow<'a, str>) {
        self.extra_content = Some(Extra::google(seal));
    }

    /// The whole answer, under the alias that was asked for; `said` is what the vendor calls it, if anything.
    pub(crate) fn complete(
        self,
        call: &Call,
        said: &str,
        finish_reason: &'static str,
        consumed: Consumed,
    ) -> Result<Decoded, Fault> {
        complete(
            call,
            said,
            vec![Choice { index: 0, message: self, logprobs: None, finish_reason }],
            consumed,
        )
    }

    /// There is content, if only an empty one, unless the message calls tools and says nothing.
    fn settle(&mut self) {
        let content = self.content.take().unwrap_or_default();
        self.content = (!content.is_empty() || self.tool_calls.is_empty()).then_some(content);
    }

    /// Everything that cost tokens, as far as it is kept for counting.
    fn tell(&self, generated: &mut Generated) {
        generated.push(&self.reasoning_content);
        generated.push(self.content.as_deref().unwrap_or_default());
        for call in &self.tool_calls {
            generated.push(&call.function.name);
            generated.push(&call.function.arguments);
        }
    }
}

/// An answer of several choices, under the alias that was asked for; `said` is what the vendor calls it, if
/// anything.
pub(crate) fn complete(
    call: &Call,
    said: &str,
    mut choices: Vec<Choice<'_>>,
    consumed: Consumed,
) -> Result<Decoded, Fault> {
    let mut generated = Generated::new(if consumed.usage.is_some() { 0 } else { COUNTED_TEXT_MAX });
    for choice in &mut choices {
        choice.message.settle();
        choice.message.tell(&mut generated);
    }
    let completion = Completion {
        id: id::of_answer(said, call.request),
        object: "chat.completion",
        created: call.asked_at_s,
        model: &call.alias,
        choices,
        usage: consumed.usage.map(Shown::of),
    };
    let body = serde_json::to_vec(&completion);
    let body = body.map_err(|_| bad_answer("the provider's answer cannot be read"))?;
    Ok(Decoded { body: body.into(), consumed, text: generated.text })
}
