//! Messages as the vendor takes them: a system prompt, then turns of user and assistant by turns.
//!
//! Messages of one side that follow each other become one turn, and of a user's turn the tool results
//! come first: the vendor refuses a call whose result is not the next thing it reads.

use std::borrow::Cow;

use nexus_wire::conversation::{
    members::{Members, Wrong},
    message::{Content, Message, Part, Role, ToolCall},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    block::{Block, Source},
    media,
};
use crate::part::arguments;

/// Said by nobody: the vendor wants a user to begin, also where a conversation begins otherwise.
const BEGINNING: &str = "(the conversation begins)";

#[derive(Clone, Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: Side,
    content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    User,
    Assistant,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Turns<'a> {
    /// What `system` and `developer` messages say, wherever they stand.
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

impl<'a> Turns<'a> {
    pub(super) fn read(messages: Vec<Message<'a>>) -> Result<Self, Wrong> {
        let mut turns = Self::default();
        for (at, message) in messages.into_iter().enumerate() {
            turns.take(message).map_err(|wrong| wrong.under(&format!("messages[{at}]")))?;
        }
        if turns.turns.first().is_none_or(|turn| turn.role == Side::Assistant) {
            let begin = Block::Text { text: Cow::Borrowed(BEGINNING), cache_control: None };
            turns.turns.insert(0, Turn { role: Side::User, content: vec![begin] });
        }
        if let Some(Turn { role: Side::Assistant, content }) = turns.turns.last_mut()
            && let Some(Block::Text { text, .. }) = content.last_mut()
        {
            // The vendor refuses an answer begun with white space at its end.
            *text = Cow::Owned(text.trim_end().to_owned());
        }
        Ok(turns)
    }

    /// Whether the model, now answering tool results, called the tools without having thought before.
    pub(super) fn continues_without_thinking(&self) -> bool {
        let is_result = |block: &Block<'_>| matches!(block, Block::ToolResult { .. });
        let awaits = self.turns.last().is_some_and(|turn| turn.content.first().is_some_and(is_result));
        let asked = self.turns.iter().rev().find(|turn| turn.role == Side::Assistant);
        awaits && asked.is_some_and(|turn| !turn.content.first().is_some_and(Block::is_thinking))
    }

    /// Whether a file is named by the vendor's id of it.
    pub(super) fn name_files(&self) -> bool {
        fn is_named(block: &Block<'_>) -> bool {
            match block {
                Block::Document { source: Source::File { .. }, .. } => true,
                Block::ToolResult { content, .. } => content.iter().any(is_named),
                _ => false,
            }
        }
        self.turns.iter().any(|turn| turn.content.iter().any(is_named))
    }

    fn take(&mut self, message: Message<'a>) -> Result<(), Wrong> {
        let Message { role, parts, calls, call_id, thinking_blocks, cache_control, .. } = message;
        let said = blocks(parts)?;
        match role {
            Role::System => {
                if said.iter().any(|block| !matches!(block, Block::Text { .. })) {
                    return Err(Wrong::new("content", "text in a system message"));
                }
                self.system.extend(marked(said, cache_control));
            }
            Role::User => self.turn(Side::User).extend(marked(said, cache_control)),
            Role::Assistant => {
                let mut blocks: Vec<Block<'a>> = thinking_blocks.iter().filter_map(thinking).collect();
                blocks.extend(said);
                blocks.extend(calls.into_iter().map(call));
                self.turn(Side::Assistant).extend(marked(blocks, cache_control));
            }
            Role::Tool => {
                let result = Block::ToolResult { tool_use_id: id(call_id), content: said, cache_control };
                let content = self.turn(Side::User);
                let results =
                    content.iter().take_while(|block| matches!(block, Block::ToolResult { .. })).count();
                content.insert(results, result);
            }
        }
        // A message that says nothing must not leave an empty turn, nor part its neighbours.
        if self.turns.last().is_some_and(|turn| turn.content.is_empty()) {
            self.turns.pop();
        }
        Ok(())
    }

    /// The turn that this side is speaking in.
    fn turn(&mut self, role: Side) -> &mut Vec<Block<'a>> {
        let is_new = self.turns.last().is_none_or(|turn| turn.role != role);
        let spoken = if is_new { None } else { self.turns.pop() };
        let turn = spoken.unwrap_or(Turn { role, content: Vec::new() });
        &mut self.turns.push_mut(turn).content
    }
}

fn marked<'a>(mut blocks: Vec<Block<'a>>, mark: Option<&'a RawValue>) -> Vec<Block<'a>> {
    if let Some(last) = blocks.last_mut() {
        last.mark(mark);
    }
    blocks
}

fn blocks(parts: Vec<Part<'_>>) -> Result<Vec<Block<'_>>, Wrong> {
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        let block = match part.content {
            Content::Text(text) => Ok(Block::text(text, None)),
            Content::Image(url) => media::image(url).map(Some),
            Content::File(file) => media::file(file).map(Some),
            Content::Audio(_) | Content::Other(_) => {
                Err(Wrong::new("type", "`text`, `image_url` or `file` for this model"))
            }
        };
        let block = block.map_err(|wrong| wrong.under(&format!("content[{at}]")))?;
        blocks.extend(block.map(|mut block| {
            block.mark(part.cache_control);
            block
        }));
    }
    Ok(blocks)
}

/// A thought as it was given out. One without its seal is worth nothing to the vendor.
fn thinking<'a>(said: &Members<'a>) -> Option<Block<'a>> {
    let word = |name| said.text(name).ok().flatten().filter(|word| !word.is_empty());
    match &*word("type")? {
        "thinking" => Some(Block::Thinking {
            thinking: word("thinking").unwrap_or_default(),
            signature: word("signature")?,
        }),
        "redacted_thinking" => Some(Block::RedactedThinking { data: word("data")? }),
        _ => None,
    }
}

fn call(call: ToolCall<'_>) -> Block<'_> {
    let ToolCall { id: call_id, name, arguments, .. } = call;
    Block::ToolUse { id: id(call_id), name, input: arguments::object(&arguments), cache_control: None }
}

/// A call's id in the letters the vendor allows; other vendors' ids have more.
pub(in crate::dialect) fn id(id: Cow<'_, str>) -> Cow<'_, str> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !id.is_empty() && id.chars().all(is_allowed) {
        return id;
    }
    let letters = id.chars().map(|letter| if is_allowed(letter) { letter } else { '_' });
    Cow::Owned(if id.is_empty() { "_".to_owned() } else { letters.collect() })
}
