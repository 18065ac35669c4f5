//! The quantities that are counted apart because somebody bills them apart: one line each in the table.
//!
//! They are disjoint: every billed token, call or second is in exactly one. A quantity's place in the
//! table is its code in journals: append, never move or remove one.

/// On which side of an exchange a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token that was sent.
    PromptToken,
    /// A token that was generated.
    CompletionToken,
    /// Something counted that is no token.
    Unit,
}

macro_rules! quantities {
    ($($variant:ident, $word:literal, $kind:ident, $what:literal;)*) => {
        /// One of the things an attempt can consume.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Quantity {
            $(#[doc = $what] $variant,)*
        }

        impl Quantity {
            /// All of them, in the order of their codes.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// Its word in rows, metrics, prices and answers.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)*
                }
            }

            /// What it counts, for people.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)*
                }
            }
        }
    };
}

#[rustfmt::skip]
quantities! {
    Input, "input", PromptToken, "Text input that was neither read from nor written to a cache.";
    CacheRead, "cache_read", PromptToken, "Input read from the provider's prompt cache.";
    CacheWrite5m, "cache_write_5m", PromptToken, "Input written to the prompt cache for minutes, or for a time that is not said.";
    Output, "output", CompletionToken, "Visible text output.";
    Reasoning, "reasoning", CompletionToken, "Output spent on reasoning.";
    AudioIn, "audio_in", PromptToken, "Audio input.";
    AudioOut, "audio_out", CompletionToken, "Audio output.";
    CacheWrite1h, "cache_write_1h", PromptToken, "Input written to the prompt cache for an hour or longer.";
    ImageIn, "image_in", PromptToken, "Image and video input.";
    ImageOut, "image_out", CompletionToken, "Image output, in tokens.";
    AudioCacheRead, "audio_cache_read", PromptToken, "Audio input read from the provider's prompt cache.";
    Searches, "searches", Unit, "Searches and rerankings the provider ran.";
    ToolCalls, "tool_calls", Unit, "Calls of the provider's other tools that it bills.";
    Images, "images", Unit, "Images generated, where they are billed by the piece.";
    AudioMs, "audio_ms", Unit, "Milliseconds of audio, where it is billed by time.";
    VideoMs, "video_ms", Unit, "Milliseconds of video.";
    Characters, "characters", Unit, "Characters read aloud, where they are billed.";
}

impl Quantity {
    pub const COUNT: usize = Self::ALL.len();

    /// Its code in journals.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// `None` where the code is of a later program.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// `None` where the word means no quantity.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.as_str() == word)
    }

    pub const fn is_token(self) -> bool {
        !matches!(self.kind(), Kind::Unit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_quantity_is_found_by_its_code_and_by_its_word_and_no_two_share_either() {
        let words: HashSet<_> = Quantity::ALL.map(Quantity::as_str).into();
        assert_eq!(words.len(), Quantity::COUNT);
        for (at, quantity) in Quantity::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(quantity.code()), at);
            assert_eq!(Quantity::of_code(quantity.code()), Some(quantity));
            assert_eq!(Quantity::of_word(quantity.as_str()), Some(quantity));
        }
        assert_eq!((Quantity::of_code(255), Quantity::of_word("tokens")), (None, None));
    }

    #[test]
    fn the_first_seven_stand_where_the_first_journals_have_them() {
        let first = Quantity::ALL.map(Quantity::as_str)[..7].join(" ");
        assert_eq!(first, "input cache_read cache_write_5m output reasoning audio_in audio_out");
    }
}
