//! Real providers that `dev` sets up when their key stands in the environment.
//! The key itself is never read here: the configuration names the variable, and the gateway resolves it.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One line of `nexus provider kinds`: what this build speaks.
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    kind: String,
    key_variables: Vec<String>,
    is_local: bool,
}

/// Models that a kind is given, under their own names.
const MODELS: &[(&str, &[&str])] = &[
    ("openai", &["gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini"]),
    ("anthropic", &["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5"]),
    ("deepseek", &["deepseek-chat", "deepseek-reasoner"]),
    ("qwen", &["qwen-max", "qwen-plus", "qwen-turbo"]),
    ("zhipu", &["glm-4.6", "glm-4.5-air"]),
    ("moonshot", &["kimi-k2-0905-preview", "moonshot-v1-8k"]),
    ("minimax", &["MiniMax-M2"]),
    ("stepfun", &["step-2-16k"]),
    ("siliconflow", &["deepseek-ai/DeepSeek-V3"]),
    ("mistral", &["mistral-large-latest", "mistral-small-latest"]),
    ("groq", &["llama-3.3-70b-versatile", "llama-3.1-8b-instant"]),
    ("together", &["meta-llama/Llama-3.3-70B-Instruct-Turbo"]),
    ("fireworks", &["accounts/fireworks/models/llama-v3p3-70b-instruct"]),
    ("openrouter", &["openrouter/auto"]),
    ("xai", &["grok-4", "grok-3-mini"]),
    ("perplexity", &["sonar", "sonar-pro"]),
    ("cerebras", &["llama3.1-8b"]),
];

/// Keys that people have; one that no kind of this build takes is answered with a sentence, not with silence.
const WELL_KNOWN: &[&str] = &["GEMINI_API_KEY", "AZURE_OPENAI_API_KEY"];

/// Reads what `nexus provider kinds --output json` prints.
pub(super) fn read(json: &[u8]) -> Result<Vec<Kind>> {
    serde_json::from_slice(json).context("`nexus provider kinds` printed something else")
}

/// The provider rows of those kinds one of whose variables `is_set`.
pub(super) fn rows(kinds: &[Kind], is_set: impl Fn(&str) -> bool) -> String {
    let remote = kinds.iter().filter(|kind| !kind.is_local);
    remote.filter_map(|kind| kind.row(kind.key_variables.iter().find(|name| is_set(name))?)).collect()
}

/// Well-known keys that are set and that no kind of this build takes.
pub(super) fn unspoken(kinds: &[Kind], is_set: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let is_taken = |name: &str| kinds.iter().any(|kind| kind.key_variables.iter().any(|taken| taken == name));
    WELL_KNOWN.iter().copied().filter(|name| is_set(name) && !is_taken(name)).collect()
}

impl Kind {
    fn row(&self, variable: &str) -> Option<String> {
        let kind = &self.kind;
        let (_, models) = MODELS.iter().find(|(known, _)| known == kind)?;
        let models: String = models
            .iter()
            .map(|model| format!("      - {{ alias: \"{model}\", real_name: \"{model}\" }}\n"))
            .collect();
        Some(format!(
            "  - name: \"{kind}\"\n    kind: {kind}\n    api_key: \"${{{variable}}}\"\n    models:\n{models}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &[u8] = br#"[
        {"kind": "groq", "name": "Groq", "base_url": "x", "key_variables": ["GROQ_API_KEY"], "is_local": false},
        {"kind": "ollama", "name": "Ollama", "base_url": "x", "key_variables": ["OLLAMA_API_KEY"], "is_local": true},
        {"kind": "custom", "name": "any", "base_url": "", "key_variables": [], "is_local": false}
    ]"#;

    #[test]
    fn a_vendor_is_configured_only_when_its_key_is_there_and_only_by_reference() {
        let kinds = read(KINDS).unwrap();
        let groq = "  - name: \"groq\"\n    kind: groq\n    api_key: \"${GROQ_API_KEY}\"\n    models:\n      \
                    - { alias: \"llama-3.3-70b-versatile\", real_name: \"llama-3.3-70b-versatile\" }\n      \
                    - { alias: \"llama-3.1-8b-instant\", real_name: \"llama-3.1-8b-instant\" }\n";
        for (set, expected) in
            [("", ""), ("GROQ_API_KEY", groq), ("OLLAMA_API_KEY", ""), ("OPENAI_API_KEY", "")]
        {
            assert_eq!(rows(&kinds, |name| name == set), expected, "{set}");
        }
    }

    #[test]
    fn a_key_that_nothing_takes_is_mentioned() {
        let kinds = read(KINDS).unwrap();
        assert_eq!(unspoken(&kinds, |_| true), WELL_KNOWN);
        assert_eq!(unspoken(&kinds, |name| name == "GEMINI_API_KEY"), ["GEMINI_API_KEY"]);
        assert!(unspoken(&kinds, |_| false).is_empty());
    }
}
