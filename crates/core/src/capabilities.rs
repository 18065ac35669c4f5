//! What an operator says a model can do, where that is other than what is known of it by its name.
//!
//! Nothing here knows which model it is about: each dialect has the table of its vendor's models.

use crate::modality::Modalities;

/// `None` leaves what is known of the model or, where nothing is, what every model takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The vendor's name of the model it is like, for a name that does not tell.
    pub like: Option<Box<str>>,
    /// The most tokens of an answer, thinking included.
    pub max_output_tokens: Option<u64>,
    /// Whether it takes `temperature`, `top_p` and their kin.
    pub takes_sampling: Option<bool>,
    pub thinking: Option<Thinking>,
    /// Whether it binds an answer to a schema by itself.
    pub binds_schemas: Option<bool>,
    /// All it takes in; a request with anything else is not offered to it.
    pub input: Option<Modalities>,
    /// All it gives out, likewise.
    pub output: Option<Modalities>,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It does not think.
    None,
    /// By a number of tokens.
    Budget,
    /// By a word.
    Effort,
}

impl Capabilities {
    /// Nothing said.
    pub const UNSAID: &Capabilities = &Capabilities {
        like: None,
        max_output_tokens: None,
        takes_sampling: None,
        thinking: None,
        binds_schemas: None,
        input: None,
        output: None,
    };

    /// The name by which the model is known.
    pub fn known_as<'a>(&'a self, real_model: &'a str) -> &'a str {
        self.like.as_deref().unwrap_or(real_model)
    }
}

impl Thinking {
    pub const ALL: [Thinking; 3] = [Thinking::None, Thinking::Budget, Thinking::Effort];

    /// The word in rows, requests and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Thinking::None => "none",
            Thinking::Budget => "budget",
            Thinking::Effort => "effort",
        }
    }

    /// The inverse of [`Thinking::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Thinking::ALL.into_iter().find(|thinking| thinking.as_str() == word)
    }
}
