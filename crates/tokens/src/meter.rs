//! Adds up tokens of many texts, exactly as long as that stays cheap.
//!
//! One meter counts at most [`EXACT_BYTES`] in the tokenizer, whatever it is given.

use serde_json::Value;

/// Bytes counted exactly, in one text or in all texts of one request.
pub const EXACT_BYTES: usize = 256 * 1024;

/// A picture of 1024 x 1024 in high detail for gpt-4o, by OpenAI's vision guide. It stands for
/// any picture, sound or file: what it holds cannot be told without decoding it.
pub(crate) const IMAGE: u64 = 765;

/// Tokens of a text. Beyond [`EXACT_BYTES`] the rest is taken to be like the beginning.
pub fn count_text(text: &str) -> u64 {
    let mut meter = Meter::default();
    meter.text(text);
    meter.total()
}

#[derive(Default)]
pub(crate) struct Meter {
    /// Tokens that stand for no text: overheads and media.
    fixed: u64,
    /// Tokens counted in `counted_bytes`.
    counted: u64,
    counted_bytes: usize,
    uncounted_bytes: usize,
}

impl Meter {
    pub(crate) fn add(&mut self, tokens: u64) {
        self.fixed = self.fixed.saturating_add(tokens);
    }

    pub(crate) fn text(&mut self, text: &str) {
        let room = EXACT_BYTES.saturating_sub(self.counted_bytes);
        let (exact, rest) = text.split_at(text.floor_char_boundary(room));
        if !exact.is_empty() {
            self.counted += bpe_openai::o200k_base().count(exact) as u64;
        }
        self.counted_bytes += exact.len();
        self.uncounted_bytes += rest.len();
    }

    /// The text in a value: names and strings, not the signs between them. A data URL is not text.
    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) if text.starts_with("data:") && text.contains(";base64,") => self.add(IMAGE),
            Value::String(text) => self.text(text),
            Value::Bool(_) | Value::Number(_) => self.text(&value.to_string()),
            Value::Array(values) => values.iter().for_each(|value| self.value(value)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                self.text(name);
                self.value(value);
            }),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        let rest = self.uncounted_bytes as u128 * u128::from(self.counted);
        let estimate = rest.div_ceil(self.counted_bytes.max(1) as u128);
        let estimate = u64::try_from(estimate).unwrap_or(u64::MAX);
        self.fixed.saturating_add(self.counted).saturating_add(estimate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_texts_are_counted_as_the_vocabulary_has_them() {
        for (text, tokens) in [
            ("", 0),
            ("hello world", 2),
            ("hello  world", 3),
            ("tiktoken is great!", 6),
            ("antidisestablishmentarianism", 6),
            ("2 + 2 = 4", 7),
            ("<|endoftext|>", 7),
        ] {
            assert_eq!(count_text(text), tokens, "{text:?}");
        }
    }

    #[test]
    fn huge_texts_are_estimated_from_their_beginning() {
        let base64 =
            "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8w38GIAXDIBKE0DHxgljNBAAO9";
        for unit in
            ["a", " ", "\n", "\u{1f680}", base64, " \n", "a ", "A", "1", "\u{4f60}\u{597d}", "\u{301}"]
        {
            let text = unit.repeat((1 << 20) / unit.len());
            let quarter = count_text(&text[..text.floor_char_boundary(EXACT_BYTES)]);
            let whole = count_text(&text);
            assert!(
                whole.abs_diff(4 * quarter) <= 4 + quarter / 1000,
                "{unit:?}: {whole}, a quarter {quarter}"
            );
            assert!(quarter > 0, "{unit:?}");
        }
    }

    #[test]
    fn many_texts_share_one_allowance() {
        let mut meter = Meter::default();
        for _ in 0..64 {
            meter.text(&"word ".repeat(10_000));
        }
        assert!(meter.counted_bytes <= EXACT_BYTES);
        assert_eq!(meter.counted_bytes + meter.uncounted_bytes, 64 * 50_000);
        let expected = 64 * count_text(&"word ".repeat(10_000));
        assert!(meter.total().abs_diff(expected) < expected / 100);
    }

    #[test]
    fn a_meter_does_not_overflow() {
        let mut meter = Meter { uncounted_bytes: usize::MAX, ..Meter::default() };
        meter.text("a");
        meter.add(u64::MAX);
        meter.add(1);
        assert_eq!(meter.total(), u64::MAX);
    }

    proptest! {
        #[test]
        fn no_text_has_more_tokens_than_bytes(text in ".{0,300}") {
            prop_assert!(count_text(&text) <= text.len() as u64);
        }
    }
}
