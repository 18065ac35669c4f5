//! What an application asked for, as far as routing and accounting need to know.

use crate::{id::RequestId, resource::Family};

/// An operation that is routed to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/messages`: a chat, asked in Anthropic's words
    Messages,
    /// `POST /v1/responses`: a chat, asked and answered in items
    Responses,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/images/edits`
    ImageEdits,
    /// `POST /v1/images/variations`
    ImageVariations,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/translations`
    Translations,
    /// Whatever a provider keeps: made, asked for, listed or deleted under its own path
    Resources(Family),
    /// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`: a chat, asked in Google's words
    GenerateContent,
    /// `POST /v1/rerank`
    Rerank,
}

impl Operation {
    /// The name used in metrics, logs and ledger rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::ChatCompletions => "chat.completions",
            Operation::Embeddings => "embeddings",
            Operation::Messages => "messages",
            Operation::Responses => "responses",
            Operation::GenerateContent => "generate_content",
            Operation::Rerank => "rerank",
            Operation::Completions => "completions",
            Operation::Moderations => "moderations",
            Operation::ImageGenerations => "images.generations",
            Operation::ImageEdits => "images.edits",
            Operation::ImageVariations => "images.variations",
            Operation::Speech => "audio.speech",
            Operation::Transcriptions => "audio.transcriptions",
            Operation::Translations => "audio.translations",
            Operation::Resources(family) => family.as_str(),
        }
    }

    /// Whether its body may be a form.
    pub fn takes_forms(self) -> bool {
        matches!(
            self,
            Operation::ImageEdits
                | Operation::ImageVariations
                | Operation::Transcriptions
                | Operation::Translations
                | Operation::Resources(_)
        )
    }

    /// Where it stands at a vendor that has it in OpenAI's own words, behind the vendor's base path.
    pub fn path(self) -> &'static str {
        match self {
            Operation::ChatCompletions => "/chat/completions",
            Operation::Embeddings => "/embeddings",
            Operation::Messages => "/messages",
            Operation::Responses => "/responses",
            Operation::Completions => "/completions",
            Operation::Moderations => "/moderations",
            Operation::ImageGenerations => "/images/generations",
            Operation::ImageEdits => "/images/edits",
            Operation::ImageVariations => "/images/variations",
            Operation::Speech => "/audio/speech",
            Operation::Transcriptions => "/audio/transcriptions",
            Operation::Translations => "/audio/translations",
            Operation::Rerank => "/rerank",
            // each of its requests has a path of its own
            Operation::GenerateContent | Operation::Resources(_) => "",
        }
    }
}

/// The caller's wishes that decide where a request goes and how its answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What an answer is called that its vendor gives no id.
    pub request: RequestId,
    pub operation: Operation,
    /// The model name the application used; the answer's `model` says the same. A call that names none goes by its
    /// operation's name.
    pub alias: String,
    /// Whether the answer is wanted as a stream of events.
    pub is_stream: bool,
    /// Whether the application asked for the usage chunk at the end of a stream.
    pub wants_usage: bool,
    /// When it came, Unix seconds: the `created` of an answer whose vendor says no time.
    pub asked_at_s: u64,
}

impl Call {
    /// Whether the application named a model.
    pub fn names_model(&self) -> bool {
        self.alias != self.operation.as_str()
    }
}
