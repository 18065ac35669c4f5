//! Words that tell what a failure is where the status leaves it open.

use nexus_core::fault::{Class, Said};

/// Words, and the statuses under which they are believed.
struct Sign {
    class: Class,
    statuses: &'static [u16],
    /// `code` or `type`, in lower case.
    codes: &'static [&'static str],
    /// Parts of the message, in lower case.
    words: &'static [&'static str],
}

const SIGNS: &[Sign] = &[
    Sign {
        class: Class::ContextLength,
        statuses: &[400, 413, 422, 500],
        // OpenAI; Zhipu; MiniMax.
        codes: &["context_length_exceeded", "context_window_exceeded", "1261", "1039"],
        words: &[
            "maximum context length",
            "context length exceeded",
            "exceeds the context",
            "context window",
            "prompt is too long",
            "input is too long",
            "exceed context limit",
            // xAI; DashScope; Moonshot; Cohere; Together.
            "maximum prompt length",
            "range of input length",
            "exceeded model token limit",
            "too many tokens: size limit exceeded",
            "total number of tokens (prompt and prediction)",
            "`inputs` tokens + `max_new_tokens`",
        ],
    },
    Sign {
        class: Class::ContentFilter,
        statuses: &[400, 403, 422],
        // OpenAI and Azure; DashScope; Zhipu; MiniMax.
        codes: &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "data_inspection_failed",
            "datainspectionfailed",
            "1301",
            "1026",
            "1027",
        ],
        words: &[
            "content management policy",
            "content policy",
            "content filtering policy",
            "flagged by",
            "requires moderation",
            "content exists risk",
            "violates usage guidelines",
        ],
    },
    Sign {
        class: Class::Billing,
        statuses: &[400, 403, 429],
        // OpenAI; DeepSeek; Zhipu; MiniMax; Moonshot; Anthropic.
        codes: &[
            "insufficient_quota",
            "insufficient_balance",
            "billing_hard_limit_reached",
            "billing_not_active",
            "arrearage",
            "1113",
            "1008",
            "exceeded_current_quota_error",
            "billing_error",
        ],
        words: &[
            "insufficient balance",
            "insufficient credit",
            "exceeded your current quota",
            "credit balance is too low",
            "account is in arrears",
            "reached your specified api usage limits",
            // xAI; Cohere.
            "run out of credits",
            "used all available credits",
            "trial key, which is limited to",
        ],
    },
    Sign {
        class: Class::Credential,
        statuses: &[400],
        codes: &[
            "invalid_api_key",
            "authentication_error",
            "invalid_authentication_error",
            "permission_error",
            "1004",
        ],
        words: &["api key not valid", "incorrect api key", "invalid api key", "invalid api-key"],
    },
    Sign { class: Class::TooLarge, statuses: &[400, 413], codes: &["request_too_large"], words: &[] },
    Sign {
        class: Class::ModelNotFound,
        statuses: &[400, 403, 422],
        codes: &[
            "model_not_found",
            "deploymentnotfound",
            "model_not_exist",
            "invalid_model",
            "not_found_error",
        ],
        words: &[
            "model not exist",
            "model does not exist",
            "model not found",
            "is not a valid model",
            "model identifier is invalid",
            "invalid model",
        ],
    },
];

pub(super) fn by_words(status: u16, said: &Said) -> Option<Class> {
    let lower = |word: &Option<String>| word.as_deref().unwrap_or_default().to_ascii_lowercase();
    let (code, kind, message) = (lower(&said.code), lower(&said.kind), said.message.to_ascii_lowercase());
    SIGNS
        .iter()
        .find(|sign| {
            sign.statuses.contains(&status)
                && (sign.codes.iter().any(|known| *known == code || *known == kind)
                    || sign.words.iter().any(|words| message.contains(words)))
        })
        .map(|sign| sign.class)
}
