//! The vendors that speak OpenAI: one row each.
//!
//! A base URL is what the vendor's documentation gives for OpenAI clients, as of November 2026; a
//! provider's `endpoint` replaces it. A quirk stands here only if code reads it.

mod change;

pub use self::change::{Change, How, rows};
use crate::{dialect::AuthScheme, part::usage::Convention};

/// A vendor that speaks OpenAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its `kind` in configuration; lower case, never changed.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Empty where a provider of this kind must give its `endpoint`.
    pub base_url: &'static str,
    pub auth: AuthScheme,
    /// The environment variables its key is usually kept in, the usual one first.
    pub key_variables: &'static [&'static str],
    /// Runs on the operator's own machines: needs `allow_private_network`, and often no key.
    pub is_local: bool,
    pub quirks: Quirks,
}

/// Where a vendor departs from OpenAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Knows `stream_options`. One that does not reports usage unasked, and may refuse the member.
    pub takes_stream_options: bool,
    /// Knows `max_tokens` only, not `max_completion_tokens`.
    pub old_max_tokens: bool,
    /// Knows the role `system` only, not `developer`.
    pub old_roles: bool,
    /// How its counts overlap.
    pub usage: Convention,
    /// Wants `reasoning_content` back while a loop of tools goes on, and refuses it afterwards.
    pub thoughts_in_loops: bool,
    /// Takes ids of tool calls of nine letters and digits only.
    pub nine_letter_ids: bool,
    /// How it is told to go on with an answer that broke off.
    pub goes_on: GoesOn,
    /// The members of a message that are sent.
    pub in_messages: InMessages,
    /// What becomes of members that are not sent as they are.
    pub changes: &'static [Change],
}

/// The members of a message that a vendor takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InMessages {
    All,
    Only(&'static [&'static str]),
    Without(&'static [&'static str]),
}

/// How a vendor is told that the last message is the beginning of its own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// Not at all: it does so by itself, or does not do it.
    Unasked,
    /// By a member of that message; where its endpoint's path does not end like this, it refuses the member.
    Marked { member: &'static str, under: &'static str },
    /// By members beside the messages.
    Beside(&'static [(&'static str, bool)]),
}

impl Quirks {
    /// OpenAI itself.
    pub const NONE: Self = Self {
        takes_stream_options: true,
        old_max_tokens: false,
        old_roles: false,
        usage: Convention::OPENAI,
        thoughts_in_loops: false,
        nine_letter_ids: false,
        goes_on: GoesOn::Unasked,
        in_messages: InMessages::All,
        changes: &[],
    };
}

const NONE: Quirks = Quirks::NONE;
const OLD_ROLES: Quirks = Quirks { old_roles: true, ..NONE };
const OLD: Quirks = Quirks { old_max_tokens: true, ..OLD_ROLES };
const REASONING_OUTSIDE: Quirks = Quirks { usage: Convention::REASONING_BESIDE, ..NONE };
const UNASKED_USAGE: Quirks = Quirks { takes_stream_options: false, ..OLD };
const ONE_CHOICE: Quirks = Quirks { changes: change::ONE_CHOICE, ..OLD };
/// Its chat prefix completion is a beta, which the endpoint `https://api.deepseek.com/beta` has.
const DEEPSEEK: Quirks = Quirks {
    thoughts_in_loops: true,
    goes_on: GoesOn::Marked { member: "prefix", under: "/beta" },
    ..ONE_CHOICE
};
/// Kimi's and Qwen's partial mode.
const PARTIAL: Quirks = Quirks { goes_on: GoesOn::Marked { member: "partial", under: "" }, ..OLD };
const VLLM: Quirks = Quirks {
    goes_on: GoesOn::Beside(&[("continue_final_message", true), ("add_generation_prompt", false)]),
    ..NONE
};
const USER_ID: Quirks = Quirks { changes: change::USER_ID, ..OLD };
const MINIMAX: Quirks = Quirks { changes: change::MINIMAX, ..OLD_ROLES };
const CEREBRAS: Quirks = Quirks { changes: change::CEREBRAS, ..OLD_ROLES };
const GROQ: Quirks = Quirks {
    in_messages: InMessages::Without(change::REFUSED_IN_GROQ_S_MESSAGES),
    changes: change::GROQ,
    ..OLD_ROLES
};
const MISTRAL: Quirks = Quirks {
    nine_letter_ids: true,
    goes_on: GoesOn::Marked { member: "prefix", under: "" },
    in_messages: InMessages::Only(change::TAKEN_IN_MISTRAL_S_MESSAGES),
    changes: change::MISTRAL,
    ..UNASKED_USAGE
};

const fn remote(
    id: &'static str,
    name: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
    quirks: Quirks,
) -> Vendor {
    Vendor { id, name, base_url, auth: AuthScheme::Bearer, key_variables, is_local: false, quirks }
}

const fn local(
    id: &'static str,
    name: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
    quirks: Quirks,
) -> Vendor {
    Vendor { is_local: true, ..remote(id, name, base_url, key_variables, quirks) }
}

/// The table.
#[rustfmt::skip]
pub const VENDORS: &[Vendor] = &[
    remote("openai", "OpenAI", "https://api.openai.com/v1", &["OPENAI_API_KEY"], NONE),
    remote("deepseek", "DeepSeek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"], DEEPSEEK),
    remote("qwen", "Qwen (Alibaba DashScope)", "https://dashscope.aliyuncs.com/compatible-mode/v1", &["DASHSCOPE_API_KEY"], PARTIAL),
    remote("zhipu", "Zhipu GLM", "https://open.bigmodel.cn/api/paas/v4", &["ZHIPUAI_API_KEY", "ZHIPU_API_KEY"], USER_ID),
    remote("zai", "Z.ai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"], USER_ID),
    remote("moonshot", "Moonshot Kimi", "https://api.moonshot.cn/v1", &["MOONSHOT_API_KEY"], PARTIAL),
    remote("minimax", "MiniMax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"], MINIMAX),
    remote("doubao", "Doubao (Volcengine Ark)", "https://ark.cn-beijing.volces.com/api/v3", &["ARK_API_KEY"], OLD_ROLES),
    remote("baichuan", "Baichuan", "https://api.baichuan-ai.com/v1", &["BAICHUAN_API_KEY"], OLD),
    remote("stepfun", "StepFun", "https://api.stepfun.com/v1", &["STEPFUN_API_KEY", "STEP_API_KEY"], OLD),
    remote("siliconflow", "SiliconFlow", "https://api.siliconflow.cn/v1", &["SILICONFLOW_API_KEY"], OLD),
    remote("mistral", "Mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"], MISTRAL),
    remote("groq", "Groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"], GROQ),
    remote("together", "Together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"], OLD),
    remote("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY"], OLD),
    remote("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"], NONE),
    remote("xai", "xAI", "https://api.x.ai/v1", &["XAI_API_KEY"], REASONING_OUTSIDE),
    remote("perplexity", "Perplexity", "https://api.perplexity.ai", &["PERPLEXITY_API_KEY", "PPLX_API_KEY"], UNASKED_USAGE),
    remote("cerebras", "Cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], CEREBRAS),
    remote("sambanova", "SambaNova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_KEY"], OLD),
    remote("nvidia", "NVIDIA NIM", "https://integrate.api.nvidia.com/v1", &["NVIDIA_API_KEY"], OLD),
    remote("huggingface", "Hugging Face router", "https://router.huggingface.co/v1", &["HF_TOKEN"], OLD),
    remote("github-models", "GitHub Models", "https://models.github.ai/inference", &["GITHUB_TOKEN"], NONE),
    remote("jina", "Jina AI", "https://api.jina.ai/v1", &["JINA_API_KEY"], OLD),
    remote("voyage", "Voyage AI", "https://api.voyageai.com/v1", &["VOYAGE_API_KEY"], OLD),
    local("ollama", "Ollama", "http://127.0.0.1:11434/v1", &["OLLAMA_API_KEY"], ONE_CHOICE),
    local("vllm", "vLLM", "http://127.0.0.1:8000/v1", &["VLLM_API_KEY"], VLLM),
    local("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1", &["LMSTUDIO_API_KEY"], OLD),
    remote("custom", "any other that speaks OpenAI", "", &[], NONE),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use nexus_core::endpoint::Endpoint;

    use super::*;
    use crate::registry;

    #[test]
    fn every_row_can_be_found_and_its_base_url_is_usable() {
        assert!(VENDORS.len() >= 26);
        let mut ids = HashSet::new();
        for vendor in VENDORS {
            assert!(ids.insert(vendor.id), "{} twice", vendor.id);
            assert!(vendor.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", vendor.id);
            assert_eq!(registry::dialect(vendor.id).map(|dialect| dialect.id()), Some(vendor.id));
            if vendor.id == "custom" {
                assert_eq!(vendor.base_url, "");
                continue;
            }
            let endpoint = Endpoint::parse(vendor.base_url).unwrap();
            assert_eq!(endpoint.to_string(), vendor.base_url);
            assert_eq!(endpoint.is_tls, !vendor.is_local, "{}", vendor.id);
            assert!(!vendor.key_variables.is_empty(), "{}", vendor.id);
        }
        assert!(registry::dialect("OpenAI").is_none() && registry::dialect("").is_none());
    }
}
