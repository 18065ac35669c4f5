//! Messages as the vendor takes them: a system prompt, then turns of user and assistant by turns.
//!
//! Messages of one side that follow each other become one turn, of a user's turn the tool results come
//! first, and blank text is left out: the vendor refuses a request that has it otherwise.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::{Members, Wrong},
    message::{Content, Message, Part, Role, ToolCall},
};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::value::RawValue;

use super::{
    super::anthropic::turn::id,
    block::{Block, CachePoint, Reasoning},
    media,
};
use crate::part::arguments;

/// Said by nobody: the vendor wants a user to begin, also where a conversation begins otherwise.
const BEGINNING: &str = "(the conversation begins)";

/// What stands for a tool's result without any words, which the vendor does not take.
const NO_RESULT: &str = "(no output)";

/// The vendor takes no document without text beside it.
const DOCUMENT_ATTACHED: &str = "(a document is attached)";

#[derive(Clone, Debug)]
pub(super) struct Turn<'a> {
    role: Side,
    /// Tool results with their cache points; they come first.
    results: Vec<Block<'a>>,
    content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    User,
    Assistant,
}

/// Whether the model's provider keeps the beginnings of prompts that are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    Marked,
    /// Marks are refused; none are sent.
    Unknown,
}

#[derive(Clone, Debug)]
pub(super) struct Turns<'a> {
    /// What `system` and `developer` messages say, wherever they stand.
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    caching: Caching,
    documents: usize,
}

impl Serialize for Turn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content: Vec<&Block<'_>> = self.blocks().collect();
        let mut turn = serializer.serialize_struct("Turn", 2)?;
        turn.serialize_field("role", &self.role)?;
        turn.serialize_field("content", &content)?;
        turn.end()
    }
}

impl<'a> Turn<'a> {
    fn blocks(&self) -> impl Iterator<Item = &Block<'a>> {
        self.results.iter().chain(&self.content)
    }
}

impl<'a> Turns<'a> {
    pub(super) fn read(messages: Vec<Message<'a>>, caching: Caching) -> Result<Self, Wrong> {
        let mut turns = Self { system: Vec::new(), turns: Vec::new(), caching, documents: 0 };
        for (at, message) in messages.into_iter().enumerate() {
            turns.take(message).map_err(|wrong| wrong.under(&format!("messages[{at}]")))?;
        }
        if turns.turns.first().is_none_or(|turn| turn.role == Side::Assistant) {
            let content = vec![Block::Text(Cow::Borrowed(BEGINNING))];
            turns.turns.insert(0, Turn { role: Side::User, results: Vec::new(), content });
        }
        for turn in &mut turns.turns {
            let is_text = |block: &Block<'_>| matches!(block, Block::Text(_));
            let is_document = |block: &Block<'_>| matches!(block, Block::Document { .. });
            if turn.content.iter().any(is_document) && !turn.content.iter().any(is_text) {
                turn.content.insert(0, Block::Text(Cow::Borrowed(DOCUMENT_ATTACHED)));
            }
        }
        if let Some(Turn { role: Side::Assistant, content, .. }) = turns.turns.last_mut()
            && let Some(Block::Text(text)) = content.last_mut()
        {
            // An answer begun with white space at its end is refused.
            *text = Cow::Owned(text.trim_end().to_owned());
        }
        Ok(turns)
    }

    /// Whether the model, now answering tool results, called the tools without having thought before.
    pub(super) fn continues_without_thinking(&self) -> bool {
        let awaits = self.turns.last().is_some_and(|turn| !turn.results.is_empty());
        let asked = self.turns.iter().rev().find(|turn| turn.role == Side::Assistant);
        awaits && asked.is_some_and(|turn| !turn.content.first().is_some_and(Block::is_reasoning))
    }

    /// Whether a tool was called, or a result given, anywhere.
    pub(super) fn have_tools(&self) -> bool {
        self.turns.iter().any(|turn| turn.blocks().any(Block::is_tool))
    }

    fn take(&mut self, message: Message<'a>) -> Result<(), Wrong> {
        let Message { role, parts, calls, call_id, thinking_blocks, cache_control, .. } = message;
        let said = self.blocks(parts)?;
        match role {
            Role::System => {
                if said.iter().any(|block| !matches!(block, Block::Text(_) | Block::CachePoint(_))) {
                    return Err(Wrong::new("content", "text in a system message"));
                }
                let said = self.marked(said, cache_control);
                self.system.extend(said);
            }
            Role::User => {
                let said = self.marked(said, cache_control);
                self.turn(Side::User).content.extend(said);
            }
            Role::Assistant => {
                let mut blocks: Vec<Block<'a>> = thinking_blocks.iter().filter_map(reasoning).collect();
                blocks.extend(said);
                blocks.extend(calls.into_iter().map(call));
                let blocks = self.marked(blocks, cache_control);
                self.turn(Side::Assistant).content.extend(blocks);
            }
            Role::Tool => self.result(call_id, said, cache_control),
        }
        // A message that says nothing must not leave an empty turn, nor part its neighbours.
        if self.turns.last().is_some_and(|turn| turn.blocks().next().is_none()) {
            self.turns.pop();
        }
        Ok(())
    }

    fn result(&mut self, call_id: Cow<'a, str>, said: Vec<Block<'a>>, mark: Option<&'a RawValue>) {
        let (points, mut content): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|block| matches!(block, Block::CachePoint(_)));
        if content.is_empty() {
            content.push(Block::Text(Cow::Borrowed(NO_RESULT)));
        }
        let mut result = vec![Block::ToolResult { tool_use_id: id(call_id), content }];
        // Inside a result there can be no cache point; one behind it keeps as much.
        result.extend(points.into_iter().next_back());
        let result = self.marked(result, mark);
        self.turn(Side::User).results.extend(result);
    }

    /// The turn that this side is speaking in.
    fn turn(&mut self, role: Side) -> &mut Turn<'a> {
        let is_new = self.turns.last().is_none_or(|turn| turn.role != role);
        let spoken = if is_new { None } else { self.turns.pop() };
        let turn = spoken.unwrap_or(Turn { role, results: Vec::new(), content: Vec::new() });
        self.turns.push_mut(turn)
    }

    /// With a cache point behind what can be kept.
    fn marked(&self, mut blocks: Vec<Block<'a>>, mark: Option<&'a RawValue>) -> Vec<Block<'a>> {
        let can_be_kept = |block: &Block<'_>| !block.is_reasoning() && !matches!(block, Block::CachePoint(_));
        if let Some(mark) = mark.filter(|_| self.caching == Caching::Marked)
            && blocks.last().is_some_and(can_be_kept)
        {
            blocks.push(Block::CachePoint(CachePoint::read(mark)));
        }
        blocks
    }

    fn blocks(&mut self, parts: Vec<Part<'a>>) -> Result<Vec<Block<'a>>, Wrong> {
        let mut blocks = Vec::with_capacity(parts.len());
        for (at, part) in parts.into_iter().enumerate() {
            let block = self.block(part.content).map_err(|wrong| wrong.under(&format!("content[{at}]")))?;
            let block: Vec<Block<'a>> = block.into_iter().collect();
            blocks.extend(self.marked(block, part.cache_control));
        }
        Ok(blocks)
    }

    fn block(&mut self, content: Content<'a>) -> Result<Option<Block<'a>>, Wrong> {
        match content {
            Content::Text(text) => Ok(Block::text(text)),
            Content::Image(url) => media::image(url).map(Some),
            Content::Audio(audio) => Ok(Some(media::audio(audio))),
            Content::File(file) => {
                let block = media::file(file, self.documents + 1)?;
                self.documents += usize::from(matches!(block, Block::Document { .. }));
                Ok(Some(block))
            }
            Content::Other(_) => {
                Err(Wrong::new("type", "`text`, `image_url`, `input_audio` or `file` for this model"))
            }
        }
    }
}

/// A thought as it was given out. One without its seal is worth nothing to the vendor.
fn reasoning<'a>(said: &Members<'a>) -> Option<Block<'a>> {
    let word = |name| said.text(name).ok().flatten().filter(|word| !word.is_empty());
    let reasoning = match &*word("type")? {
        "thinking" => Reasoning::ReasoningText {
            text: word("thinking").unwrap_or_default(),
            signature: word("signature")?,
        },
        "redacted_thinking" => Reasoning::RedactedContent(word("data")?),
        _ => return None,
    };
    Some(Block::ReasoningContent(reasoning))
}

fn call(call: ToolCall<'_>) -> Block<'_> {
    let ToolCall { id: call_id, name, arguments, .. } = call;
    Block::ToolUse { tool_use_id: id(call_id), name, input: arguments::object(&arguments) }
}
