//! Makes the catalogue of well-known models from the public price list of the LiteLLM project.
//!
//! Amounts are read as the decimals they are written as and become whole nano-USD for a million units; nothing
//! here is computed in floating point. The file it writes is read and committed by a person, never fetched.

mod decimal;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::workspace::Workspace;

const TARGET: &str = "crates/models/src/models.txt";

/// The list's words for vendors, and the kinds of provider they are here.
const KINDS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("azure", "azure"),
    ("anthropic", "anthropic"),
    ("bedrock", "bedrock"),
    ("bedrock_converse", "bedrock"),
    ("gemini", "gemini"),
    ("vertex_ai-language-models", "vertex"),
    ("vertex_ai-anthropic_models", "vertex"),
    ("vertex_ai-mistral_models", "vertex"),
    ("vertex_ai-llama_models", "vertex"),
    ("vertex_ai-embedding-models", "vertex"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
    ("dashscope", "qwen"),
    ("volcengine", "doubao"),
    ("zai", "zai"),
    ("moonshot", "moonshot"),
    ("minimax", "minimax"),
    ("groq", "groq"),
    ("together_ai", "together"),
    ("fireworks_ai", "fireworks"),
    ("openrouter", "openrouter"),
    ("xai", "xai"),
    ("perplexity", "perplexity"),
    ("cerebras", "cerebras"),
    ("sambanova", "sambanova"),
    ("nvidia_nim", "nvidia"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
];

/// A field's begin, and the quantity it prices.
const FIELDS: &[(&str, &str)] = &[
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("cache_read_input_token_cost", "cache_read"),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h"),
    ("cache_creation_input_token_cost", "cache_write_5m"),
    ("output_cost_per_reasoning_token", "reasoning"),
    ("input_cost_per_audio_token", "audio_in"),
    ("output_cost_per_audio_token", "audio_out"),
    ("cache_read_input_audio_token_cost", "audio_cache_read"),
    ("input_cost_per_image_token", "image_in"),
    ("output_cost_per_image_token", "image_out"),
    ("output_cost_per_image", "images"),
    ("input_cost_per_character", "characters"),
    ("input_cost_per_query", "searches"),
    ("input_cost_per_second", "audio_ms"),
    ("output_cost_per_video_per_second", "video_ms"),
];

/// What is said of a model's abilities, and the letter for it.
const ABILITIES: &[(&str, char)] = &[
    ("supports_function_calling", 't'),
    ("supports_vision", 'v'),
    ("supports_audio_input", 'a'),
    ("supports_audio_output", 'A'),
    ("supports_reasoning", 'r'),
    ("supports_response_schema", 's'),
    ("supports_prompt_caching", 'c'),
    ("supports_web_search", 'w'),
    ("supports_video_input", 'V'),
    ("supports_image_output", 'I'),
];

/// The same as a list, which some models have beside or in place of it: the list, a word in it, and the letter.
const MODALITIES: &[(&str, &str, char)] = &[
    ("supported_modalities", "image", 'v'),
    ("supported_modalities", "audio", 'a'),
    ("supported_modalities", "video", 'V'),
    ("supported_output_modalities", "audio", 'A'),
    ("supported_output_modalities", "image", 'I'),
];

/// Reads the list and writes the catalogue.
pub(crate) fn write(workspace: &Workspace, list: &Path, version: &str) -> Result<bool> {
    let text = std::fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let list: Map<String, Value> = serde_json::from_str(&text).context("the list is no object of models")?;
    let catalogue = catalogue(&list, version);
    let path = workspace.root.join(TARGET);
    std::fs::write(&path, &catalogue).with_context(|| format!("writing {}", path.display()))?;
    println!("{TARGET}: {} lines; read the difference before you commit it", catalogue.lines().count());
    Ok(true)
}

fn catalogue(list: &Map<String, Value>, version: &str) -> String {
    let mut kinds: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (key, model) in list {
        let vendor = model.get("litellm_provider").and_then(Value::as_str).unwrap_or_default();
        let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == vendor) else { continue };
        let family = vendor.split('-').next().unwrap_or(vendor);
        let name =
            [vendor, family].iter().find_map(|own| key.strip_prefix(own)?.strip_prefix('/')).unwrap_or(key);
        if let Some(line) = facts(kind, model).filter(|_| !name.contains('|')) {
            kinds.entry(kind).or_default().entry(name).or_insert(line);
        }
    }
    let mut text = format!(
        "# What well-known models cost and can do. Made by `cargo xtask prices`; not to be edited.\n\
         # Source: model_prices_and_context_window.json of LiteLLM {version}, (c) Berri AI, MIT licence.\n\
         # name|mode|input_max|output_max|abilities|rates in nano-USD for a million units\n"
    );
    for (kind, models) in kinds {
        let _ = writeln!(text, "[{kind}]");
        for (name, line) in models {
            let _ = writeln!(text, "{name}|{line}");
        }
    }
    text
}

/// A model's line without its name; `None` where nothing worth knowing is said.
fn facts(kind: &str, model: &Value) -> Option<String> {
    let mode = model.get("mode").and_then(Value::as_str)?;
    let count = |name: &str| model.get(name).and_then(Value::as_u64).map(|count| count.to_string());
    let lists = |letter: char| {
        MODALITIES.iter().filter(move |(_, _, known)| *known == letter).any(|(list, word, _)| {
            let words = model.get(list).and_then(Value::as_array);
            words.is_some_and(|words| words.iter().any(|known| known == word))
        })
    };
    let can = |(name, letter): &(&str, char)| {
        let is_said = model.get(name).and_then(Value::as_bool).unwrap_or_default();
        (is_said || lists(*letter)).then_some(*letter)
    };
    let abilities: String = ABILITIES.iter().filter_map(can).collect();
    let rates = rates(kind, mode, model).join(" ");
    let input_max = count("max_input_tokens").unwrap_or_default();
    let output_max = count("max_output_tokens").unwrap_or_default();
    (!rates.is_empty()).then(|| format!("{mode}|{input_max}|{output_max}|{abilities}|{rates}"))
}

fn rates(kind: &str, mode: &str, model: &Value) -> Vec<String> {
    let Some(fields) = model.as_object() else { return Vec::new() };
    let mut rates: Vec<String> =
        fields.iter().filter_map(|(field, value)| rate(kind, mode, field, value)).collect();
    if let Some(price) = model.pointer("/search_context_cost_per_query/search_context_size_medium") {
        rates.extend(decimal::nano_per_million(price, 1).map(|rate| format!("searches={rate}")));
    }
    rates.sort();
    rates.dedup_by_key(|rate| rate.split('=').next().unwrap_or_default().to_owned());
    rates
}

fn rate(kind: &str, mode: &str, field: &str, value: &Value) -> Option<String> {
    let (begin, quantity) = FIELDS.iter().find(|(begin, _)| field.starts_with(begin))?;
    if *quantity == "audio_ms" && mode != "audio_transcription" {
        return None;
    }
    let condition = condition(kind, field.strip_prefix(begin)?)?;
    let divisor = if quantity.ends_with("_ms") { 1_000 } else { 1 };
    Some(format!("{quantity}{condition}={}", decimal::nano_per_million(value, divisor)?))
}

/// `_above_200k_tokens_batches` as `@batch+200001`; `None` for a condition that has no words here.
fn condition(kind: &str, suffix: &str) -> Option<String> {
    let (suffix, tier) = [("_batches", "@batch"), ("_flex", "@flex"), ("_priority", "@priority")]
        .into_iter()
        .find_map(|(end, tier)| Some((suffix.strip_suffix(end)?, tier)))
        .unwrap_or((suffix, ""));
    if suffix.is_empty() {
        return Some(tier.to_owned());
    }
    let thousands: u64 = suffix.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()?;
    // xAI's longer context begins with its border, everybody else's behind it
    let from = thousands * 1_000 + u64::from(kind != "xai");
    Some(format!("{tier}+{from}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_one_line_with_every_condition_in_words() {
        let list = serde_json::json!({
            "gemini/one": {
                "litellm_provider": "gemini", "mode": "chat", "max_input_tokens": 10, "max_output_tokens": 5,
                "input_cost_per_token": 1.25e-06, "input_cost_per_token_above_200k_tokens": 2.5e-06,
                "output_cost_per_token_above_200k_tokens_batches": 7.5e-06, "supports_vision": true,
                "supported_modalities": ["text", "image", "video"], "supported_output_modalities": ["image"],
                "cache_creation_input_token_cost_above_1hr": 6e-06, "output_cost_per_token_ultrafast": 1,
                "search_context_cost_per_query": {"search_context_size_medium": 0.035},
            },
            "xai/two": {"litellm_provider": "xai", "mode": "chat", "input_cost_per_token_above_128k_tokens": 4e-06},
            "w": {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001},
            "foreign": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 1},
            "unpriced": {"litellm_provider": "openai", "mode": "chat"},
        });
        let text = catalogue(list.as_object().unwrap(), "0.0.0");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "[gemini]",
                "one|chat|10|5|vVI|cache_write_1h=6000000000 input+200001=2500000000 input=1250000000 output@batch+200001=7500000000 searches=35000000000000",
                "[openai]",
                "w|audio_transcription||||audio_ms=100000000",
                "[xai]",
                "two|chat||||input+128000=4000000000",
            ]
        );
    }
}
