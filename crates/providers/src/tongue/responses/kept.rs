//! What is kept of a response where its provider keeps nothing, and how a request goes on from it.
//!
//! Of a response its own input is kept, and which one it went on from; what the model was told in the end is found by
//! going back. Items go to the model without their ids, which mean nothing to whoever is asked next.

use bytes::Bytes;
use nexus_core::id::RequestId;
use nexus_wire::{
    conversation::members::Members,
    place,
    splice::{self, Edit},
};

use crate::part::object::{Object, array, quoted};

/// Members that a request goes on without, once what they name is told.
const TOLD: &[&str] = &["previous_response_id", "conversation"];

/// A response as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptResponse {
    /// The object the client was given.
    pub response: String,
    /// The items of its own input, each with its id.
    pub input: Vec<String>,
    /// The response it went on from.
    pub previous: Option<String>,
}

impl KeptResponse {
    /// As text, to be kept.
    pub fn written(&self) -> String {
        let previous = self.previous.as_deref().map(quoted);
        Object::default()
            .raw("response", &self.response)
            .raw("input", &array(&self.input))
            .maybe("previous", previous.as_deref())
            .done()
    }

    /// The inverse of [`KeptResponse::written`].
    pub fn read(text: &str) -> Option<Self> {
        let said = Members::read(text)?;
        Some(Self {
            response: said.raw("response")?.get().to_owned(),
            input: said.raw("input").map_or_else(Vec::new, |items| owned(items.get())),
            previous: said.text("previous").ok().flatten().map(Into::into),
        })
    }

    /// The items it answered with.
    pub fn output(&self) -> Vec<String> {
        output(&self.response)
    }
}

/// The items a response answers with.
pub fn output(response: &str) -> Vec<String> {
    let members = place::members(response);
    members.iter().find(|member| member.name == "output").map_or_else(Vec::new, |member| owned(member.value))
}

fn owned(items: &str) -> Vec<String> {
    place::elements(items).into_iter().map(str::to_owned).collect()
}

/// The items of a request's own input as they are kept: each has an id, and a text is a message.
pub fn input(sent: &[u8], request: RequestId) -> Vec<String> {
    let text = std::str::from_utf8(sent).unwrap_or_default();
    let members = place::members(text);
    let Some(input) = members.iter().find(|member| member.name == "input") else { return Vec::new() };
    items(input.value, &request.0.simple().to_string())
}

/// Items as they are kept, which take their ids from `seed` where they have none.
pub fn items(input: &str, seed: &str) -> Vec<String> {
    if input.starts_with('"') {
        return vec![message(&format!("msg_{seed}_i0"), "\"user\"", &text_part(input))];
    }
    place::elements(input).into_iter().enumerate().map(|(at, item)| with_id(item, seed, at)).collect()
}

fn text_part(text: &str) -> String {
    array(&[Object::of("input_text").raw("text", text).done()])
}

fn message(id: &str, role: &str, content: &str) -> String {
    let item = Object::default().text("id", id).text("type", "message").text("status", "completed");
    item.raw("role", role).raw("content", content).done()
}

fn with_id(item: &str, seed: &str, at: usize) -> String {
    let Some(said) = Members::read(item) else { return item.to_owned() };
    let (kind, id) = (said.word("type"), said.word("id"));
    let prefix = match &*kind {
        "" | "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        _ => "item",
    };
    let id = if id.is_empty() { format!("{prefix}_{seed}_i{at}") } else { id.into_owned() };
    if matches!(&*kind, "" | "message")
        && let (Some(role), Some(content)) = (said.raw("role"), said.raw("content"))
        && content.get().starts_with('"')
        && said.word("role") != "assistant"
    {
        return message(&id, role.get(), &text_part(content.get()));
    }
    let kind = if kind.is_empty() { "message" } else { &*kind };
    let mut object = Object::default().text("id", &id).text("type", kind);
    for (name, value) in said.iter().filter(|(name, _)| !matches!(*name, "id" | "type")) {
        object = object.raw(name, value.get());
    }
    object.done()
}

/// A request whose input begins with what was said before; nothing of it names anything that is kept any more.
pub fn expanded(sent: &[u8], before: &[String]) -> Bytes {
    let text = std::str::from_utf8(sent).unwrap_or_default();
    let members = place::members(text);
    let own = members.iter().find(|member| member.name == "input").map_or("[]", |member| member.value);
    let own = match own.starts_with('"') {
        true => vec![Object::default().text("role", "user").raw("content", own).done()],
        false => owned(own),
    };
    let items: Vec<String> = before.iter().map(|item| without(item, &["id", "status"])).chain(own).collect();
    let body = without(text, &[TOLD, &["input"]].concat());
    let told = format!("\"input\":{}", array(&items));
    let rest = body.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    format!("{{{told}{comma}{rest}").into()
}

fn without(object: &str, names: &[&str]) -> String {
    let members = place::members(object);
    let places = place::removals(object, &members, |member| names.contains(&&*member.name));
    let edits: Vec<Edit<'_>> = places.into_iter().map(|place| Edit { place, text: "" }).collect();
    String::from_utf8_lossy(&splice::splice(object.as_bytes(), &edits)).into_owned()
}

/// What a request says of what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub previous: Option<String>,
    pub conversation: Option<String>,
}

impl Named {
    pub fn of(sent: &[u8]) -> Self {
        let text = std::str::from_utf8(sent).unwrap_or_default();
        let said = Members::read(text).unwrap_or_default();
        let conversation = said.raw("conversation").map(|value| match Members::read(value.get()) {
            Some(object) => object.word("id").into_owned(),
            None => said.word("conversation").into_owned(),
        });
        Self {
            previous: said.text("previous_response_id").ok().flatten().map(Into::into),
            conversation: conversation.filter(|id| !id.is_empty()),
        }
    }
}

/// The id of the response to a request.
pub fn id(request: RequestId) -> String {
    format!("resp_{}", request.0.simple())
}

/// The answer to having one deleted.
pub fn deleted(id: &str) -> String {
    Object::default().text("id", id).text("object", "response").raw("deleted", "true").done()
}

/// How many tokens a request would have, as OpenAI says it.
pub fn counted(tokens: u64) -> Bytes {
    Object::default().text("object", "response.input_tokens").count("input_tokens", tokens).done().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestId {
        RequestId(nexus_core::id::Uuid::from_u128(10))
    }

    #[test]
    fn a_request_goes_on_from_what_was_said_and_names_nothing_any_more() {
        let before = [
            r#"{"id":"msg_1","type":"message","status":"completed","role":"user","content":[]}"#.to_owned(),
            r#"{"type":"reasoning","id":"rs_1","summary":[]}"#.to_owned(),
        ];
        let told = r#"{"type":"message","role":"user","content":[]},{"type":"reasoning","summary":[]}"#;
        for (sent, expected) in [
            (
                r#"{ "model":"m","input":"hi","previous_response_id":"resp_1" }"#,
                format!(r#"{{"input":[{told},{{"role":"user","content":"hi"}}], "model":"m" }}"#),
            ),
            (
                r#"{"input":[{"role":"user","content":"x"}],"conversation":{"id":"c"}}"#,
                format!(r#"{{"input":[{told},{{"role":"user","content":"x"}}]}}"#),
            ),
            (r#"{"previous_response_id":"resp_1"}"#, format!(r#"{{"input":[{told}]}}"#)),
        ] {
            let body = expanded(sent.as_bytes(), &before);
            assert_eq!(body, expected, "{sent}");
            assert!(Members::read(&expected).is_some());
        }
    }

    #[test]
    fn the_items_of_an_input_have_ids_and_texts_are_messages() {
        let seed = request().0.simple();
        let of = |input: &str| input_of(&format!(r#"{{"input":{input}}}"#));
        fn input_of(sent: &str) -> String {
            super::input(sent.as_bytes(), request()).join("\n")
        }
        let part = r#"[{"type":"input_text","text":"hi"}]"#;
        let message = |at| {
            format!(
                r#"{{"id":"msg_{seed}_i{at}","type":"message","status":"completed","role":"user","content":{part}}}"#
            )
        };
        assert_eq!(of("\"hi\""), message(0));
        let items = r#"[{"type":"function_call","id":"fc_9","call_id":"c"},{"role":"user","content":"hi"},{"role":"assistant","content":"x"}]"#;
        let expected = [
            r#"{"id":"fc_9","type":"function_call","call_id":"c"}"#.to_owned(),
            message(1),
            format!(r#"{{"id":"msg_{seed}_i2","type":"message","role":"assistant","content":"x"}}"#),
        ];
        assert_eq!(of(items), expected.join("\n"));
    }

    #[test]
    fn what_is_kept_is_read_as_it_was_written() {
        let kept = KeptResponse {
            response: r#"{"id":"resp_1","status":"in_progress","output":[{"id":"a","status":"x"}]}"#
                .to_owned(),
            input: vec!["{}".to_owned()],
            previous: Some("resp_0\"".to_owned()),
        };
        assert_eq!(KeptResponse::read(&kept.written()), Some(kept.clone()));
        assert_eq!(kept.output().len(), 1);
        assert_eq!(KeptResponse::read("[]"), None);
    }

    #[test]
    fn what_a_request_names_is_said_in_either_form() {
        let of = |sent: &str| Named::of(sent.as_bytes());
        assert_eq!(of("{}"), Named::default());
        for said in [r#""c1""#, r#"{"id":"c1"}"#] {
            let named = of(&format!(r#"{{"conversation":{said},"previous_response_id":null}}"#));
            let expected = Named { conversation: Some("c1".to_owned()), previous: None };
            assert_eq!(named, expected, "{said}");
        }
    }
}
