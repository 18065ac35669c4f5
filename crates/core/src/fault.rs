//! What went wrong on the way to a provider: what kind of failure, and whether another try helps.

/// The weight of faults, less what good answers took off, at which a breaker opens.
pub const TRIP_WEIGHT: u32 = 50;

/// What kind of failure. The words are metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The provider found the request wrong.
    BadRequest,
    /// The prompt does not fit the model.
    ContextLength,
    /// The provider's content policy refused the prompt.
    ContentFilter,
    /// The request's body is larger than the provider takes.
    TooLarge,
    /// The gateway's credential was not accepted.
    Credential,
    /// The account at the provider is out of money.
    Billing,
    /// The provider does not know the real model name.
    ModelNotFound,
    /// Too many requests or tokens, says the provider, or our own limit for it.
    RateLimited,
    /// The provider is overloaded or down for maintenance.
    Overloaded,
    /// The provider failed inside.
    Internal,
    /// Name resolution, TCP or TLS did not come about.
    Connect,
    /// The address is one the gateway must not connect to.
    Forbidden,
    /// A deadline passed: connect, first byte, between chunks, or whole.
    Timeout,
    /// The connection broke before an answer began.
    Reset,
    /// The answer ended before it was complete.
    Truncated,
    /// The answer's HTTP framing is broken.
    Framing,
    /// An answer came that is no answer: HTML, empty, not JSON, an error under a 200.
    BadAnswer,
}

impl Class {
    /// The word used in metrics, logs and ledger rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::BadRequest => "bad_request",
            Class::ContextLength => "context_length",
            Class::ContentFilter => "content_filter",
            Class::TooLarge => "too_large",
            Class::Credential => "credential",
            Class::Billing => "billing",
            Class::ModelNotFound => "model_not_found",
            Class::RateLimited => "rate_limited",
            Class::Overloaded => "overloaded",
            Class::Internal => "internal",
            Class::Connect => "connect",
            Class::Forbidden => "forbidden_address",
            Class::Timeout => "timeout",
            Class::Reset => "reset",
            Class::Truncated => "truncated",
            Class::Framing => "framing",
            Class::BadAnswer => "bad_answer",
        }
    }

    /// How heavily it counts against the target it happened at; a breaker opens at [`TRIP_WEIGHT`].
    ///
    /// What is the request's own fault never counts, and a provider that is merely busy is left alone for a
    /// while instead. What nobody but a person can mend opens at once.
    pub fn weight(self) -> u32 {
        match self {
            Class::BadRequest
            | Class::ContextLength
            | Class::ContentFilter
            | Class::TooLarge
            | Class::RateLimited => 0,
            Class::Overloaded
            | Class::Internal
            | Class::Reset
            | Class::Truncated
            | Class::Framing
            | Class::BadAnswer => 10,
            Class::Connect | Class::Timeout => 20,
            Class::Credential | Class::Billing | Class::ModelNotFound | Class::Forbidden => TRIP_WEIGHT,
        }
    }

    /// Whether the request itself is at fault, so that the answer says nothing against the target.
    pub fn is_of_request(self) -> bool {
        self.retry() == Retry::Never
    }

    /// Whether another try can help.
    pub fn retry(self) -> Retry {
        match self {
            Class::BadRequest | Class::ContextLength | Class::ContentFilter | Class::TooLarge => Retry::Never,
            Class::Credential
            | Class::Billing
            | Class::ModelNotFound
            | Class::RateLimited
            | Class::Forbidden
            | Class::Timeout => Retry::Elsewhere,
            Class::Overloaded
            | Class::Internal
            | Class::Connect
            | Class::Reset
            | Class::Truncated
            | Class::Framing
            | Class::BadAnswer => Retry::Anywhere,
        }
    }
}

/// Whether another try can help, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No provider would answer this request differently.
    Never,
    /// Another target may; this one will not.
    Elsewhere,
    /// Another target may, and so may this one.
    Anywhere,
}

/// A provider's error in its own words, scrubbed of secrets by whoever read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub message: String,
    pub kind: Option<String>,
    pub param: Option<String>,
    pub code: Option<String>,
    /// Further members that a caller may act on, each with its value as JSON.
    pub more: Vec<(&'static str, Box<str>)>,
}

/// What stands in the place of a secret.
const CONCEALED: &str = "[redacted]";

/// A shorter secret is part of too many words to be taken out of them, in bytes.
const SECRET_MIN_BYTES: usize = 8;

impl Said {
    /// Takes a secret out of the words, wherever a provider repeats it.
    pub fn conceal(&mut self, secret: &str) {
        let conceal = |text: &str| text.contains(secret).then(|| text.replace(secret, CONCEALED));
        if secret.len() < SECRET_MIN_BYTES {
            return;
        }
        let words = [&mut self.kind, &mut self.param, &mut self.code].into_iter().flatten();
        for text in words.chain([&mut self.message]) {
            if let Some(clean) = conceal(text) {
                *text = clean;
            }
        }
        for (_, text) in &mut self.more {
            if let Some(clean) = conceal(text) {
                *text = clean.into_boxed_str();
            }
        }
    }
}

/// What a provider said no with, whole: for answers that are handed on as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub class: Class,
    /// What happened, for people; never a secret, never prompt text.
    pub message: String,
    /// The provider's HTTP status, where it answered at all.
    pub status: Option<u16>,
    /// What the provider said, where it said it in a form we read.
    pub said: Option<Box<Said>>,
    /// How long the provider asked to be left alone, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The provider's own id of the failed request.
    pub provider_request_id: Option<Box<str>>,
    /// What the client is given as it came.
    pub verbatim: Option<Box<Verbatim>>,
}

impl Fault {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            status: None,
            said: None,
            retry_after_ms: None,
            provider_request_id: None,
            verbatim: None,
        }
    }

    /// Whether another try can help, and where.
    pub fn retry(&self) -> Retry {
        self.class.retry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_everything_that_was_said() {
        let mut said = Said {
            message: "bad key quite-ordinary, quite-ordinary!".to_owned(),
            kind: Some("quite-ordinary".to_owned()),
            param: Some("model".to_owned()),
            code: None,
            more: vec![("innererror", r#"{"key":"quite-ordinary"}"#.into())],
        };
        said.conceal("quite-ordinary");
        assert_eq!(said.message, "bad key [redacted], [redacted]!");
        assert_eq!((said.kind.as_deref(), said.param.as_deref()), (Some("[redacted]"), Some("model")));
        assert_eq!(&*said.more[0].1, r#"{"key":"[redacted]"}"#);
        let before = said.clone();
        for short in ["", "key", "bad"] {
            said.conceal(short);
            assert_eq!(said, before, "{short}");
        }
    }
}
