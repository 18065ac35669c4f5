//! The answer to an ask: what each choice says, token by token.
//!
//! Whole and streamed answers are rendered from this one value, so text, usage and oracle cannot disagree.

use super::ask::{Ask, Wanted};
use super::tokens::tokens;
use crate::script::Script;

/// All choices, which differ only in their index and, where there are several, in a mark at the start of the text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) choices: Vec<Choice>,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

#[derive(Debug)]
pub(crate) struct Choice {
    /// The tool that is called; its arguments are then the pieces.
    pub(crate) call: Option<String>,
    /// One token each.
    pub(crate) pieces: Vec<String>,
    pub(crate) finish: &'static str,
}

impl Answer {
    pub(crate) fn to(ask: &Ask) -> Self {
        let choices: Vec<_> = (0..ask.choices).map(|index| Choice::of(ask, index)).collect();
        let completion_tokens = choices.iter().map(|choice| choice.pieces.len() as u64).sum();
        Self { choices, prompt_tokens: ask.prompt_tokens, completion_tokens }
    }
}

impl Choice {
    fn of(ask: &Ask, index: u64) -> Self {
        let (call, mut pieces, mut finish) = match &ask.wanted {
            Wanted::Call { name, arguments } => (Some(name.clone()), owned_tokens(arguments), "tool_calls"),
            Wanted::Json(text) => (None, owned_tokens(text), "stop"),
            Wanted::Text(text) if index > 0 => {
                (None, text_pieces(&format!("[{index}] {text}"), &ask.script), "stop")
            }
            Wanted::Text(text) => (None, text_pieces(text, &ask.script), "stop"),
        };
        if let Wanted::Text(_) = ask.wanted {
            stop_at(&mut pieces, &ask.stops);
        }
        if let Some(max) = ask.max_tokens.filter(|max| *max < pieces.len()) {
            pieces.truncate(max);
            finish = "length";
        }
        Self { call, pieces, finish }
    }

    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }
}

fn owned_tokens(text: &str) -> Vec<String> {
    tokens(text).map(str::to_owned).collect()
}

/// The text at the length the script asks for, in tokens or bytes.
fn text_pieces(text: &str, script: &Script) -> Vec<String> {
    let events = script.events.map(|events| events.get() as usize);
    match (events, script.bytes.map(|bytes| bytes.get() as usize)) {
        (None, None) => owned_tokens(text),
        (Some(events), None) => {
            let filler = (1..).map(|index| format!(" w{}", index % 1_000_000));
            tokens(text).map(str::to_owned).chain(filler).take(events).collect()
        }
        (events, Some(bytes)) => {
            let text = sized(text, bytes);
            match events {
                None => owned_tokens(&text),
                Some(events) => spread(&text, events),
            }
        }
    }
}

/// `text` cut at a character or padded, to exactly `bytes`.
fn sized(text: &str, bytes: usize) -> String {
    let mut sized = text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned();
    let filler = " lorem".chars().cycle().take(bytes - sized.len());
    sized.extend(filler);
    sized
}

/// `text` in exactly `count` pieces of near equal size, cut at characters.
fn spread(text: &str, count: usize) -> Vec<String> {
    let cut = |index: usize| text.floor_char_boundary(text.len() * index / count);
    (0..count).map(|index| text.get(cut(index)..cut(index + 1)).unwrap_or_default().to_owned()).collect()
}

/// Ends the text before the first stop sequence in it.
fn stop_at(pieces: &mut Vec<String>, stops: &[String]) {
    let text = pieces.concat();
    let found =
        stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min();
    let Some(mut left) = found else { return };
    pieces.retain_mut(|piece| {
        piece.truncate(left);
        left -= piece.len();
        !piece.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(words: &str, text: &str) -> Vec<String> {
        text_pieces(text, &Script::parse(words).unwrap())
    }

    #[test]
    fn a_text_has_the_length_its_script_asks_for() {
        assert_eq!(pieces("", "You 你"), ["You", " ", "你"]);
        assert_eq!(pieces("events=2", "You 你"), ["You", " "]);
        assert_eq!(pieces("events=5", "You 你"), ["You", " ", "你", " w1", " w2"]);
        assert_eq!(pieces("bytes=5", "You 你").concat(), "You  ", "half a character is never sent");
        assert_eq!(pieces("bytes=2000+events=40", "You 你").len(), 40);
        assert_eq!(pieces("bytes=2000+events=40", "You 你").concat().len(), 2000);
    }

    #[test]
    fn the_text_ends_before_the_first_stop_sequence() {
        let cases = [
            (&["said"][..], "You "),
            (&["nothing"], "You said: hi"),
            (&["hi", "u s"], "Yo"),
            (&[""], "You said: hi"),
        ];
        for (stops, expected) in cases {
            let mut pieces = owned_tokens("You said: hi");
            stop_at(&mut pieces, &stops.iter().map(|stop| (*stop).to_owned()).collect::<Vec<_>>());
            assert_eq!(pieces.concat(), expected, "{stops:?}");
        }
    }
}
