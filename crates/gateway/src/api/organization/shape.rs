//! OpenAI's shapes of usage and costs, as of August 2026.

use nexus_core::usage::{Quantity, Usage};
use nexus_store::repo::usage::Sums;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::query::{Group, Span};
use crate::{
    admin::{problem::Problem, usage::usd},
    api::asked::flaw,
};

/// What results are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Completions,
    Embeddings,
    Moderations,
    Images,
    AudioSpeeches,
    AudioTranscriptions,
    Costs,
}

impl Kind {
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "completions" => Kind::Completions,
            "embeddings" => Kind::Embeddings,
            "moderations" => Kind::Moderations,
            "images" => Kind::Images,
            "audio_speeches" => Kind::AudioSpeeches,
            "audio_transcriptions" => Kind::AudioTranscriptions,
            _ => return None,
        })
    }

    fn object(self) -> &'static str {
        match self {
            Kind::Completions => "organization.usage.completions.result",
            Kind::Embeddings => "organization.usage.embeddings.result",
            Kind::Moderations => "organization.usage.moderations.result",
            Kind::Images => "organization.usage.images.result",
            Kind::AudioSpeeches => "organization.usage.audio_speeches.result",
            Kind::AudioTranscriptions => "organization.usage.audio_transcriptions.result",
            Kind::Costs => "organization.costs.result",
        }
    }

    /// Whether an operation of the ledger is of this kind; what is of no other is a completion.
    pub fn covers(self, operation: &str) -> bool {
        let kind = match operation {
            "embeddings" => Kind::Embeddings,
            "moderations" => Kind::Moderations,
            "audio.speech" => Kind::AudioSpeeches,
            audio if audio.starts_with("audio.") => Kind::AudioTranscriptions,
            images if images.starts_with("images") => Kind::Images,
            _ => Kind::Completions,
        };
        self == Kind::Costs || self == kind
    }

    /// What a word of `group_by` means.
    pub fn group(self, word: &str) -> Result<Group, Problem> {
        match (word, self) {
            ("project_id", _) => Ok(Group::Project),
            ("api_key_id", _) => Ok(Group::Key),
            ("line_item", Kind::Costs) => Ok(Group::Model),
            ("model", kind) if kind != Kind::Costs => Ok(Group::Model),
            (_, Kind::Costs) => {
                Err(flaw("group_by", "must be of `project_id`, `api_key_id` and `line_item`"))
            }
            _ => Err(flaw(
                "group_by",
                "must be of `project_id`, `api_key_id` and `model`; the rest is not told apart here",
            )),
        }
    }

    /// One group's sums.
    pub fn result(
        self,
        sums: &Sums,
        project: Option<String>,
        key: Option<String>,
        model: Option<String>,
    ) -> Value {
        let usage = Quantity::ALL.into_iter().fold(Usage::default(), |usage, quantity| {
            usage.with(quantity, sums.get(quantity.as_str()).copied().unwrap_or_default())
        });
        let mut result = Map::new();
        let mut say = |name: &str, value: Value| {
            result.insert(name.to_owned(), value);
        };
        say("object", self.object().into());
        say("project_id", project.into());
        say("api_key_id", key.into());
        if self == Kind::Costs {
            let charged = sums.get("charged_nano_usd").copied().unwrap_or_default();
            say("amount", json!({ "value": decimal(charged), "currency": "usd" }));
            say("line_item", model.into());
            say("quantity", Value::Null);
            return result.into();
        }
        say("num_model_requests", sums.get("requests").copied().unwrap_or_default().into());
        say("user_id", Value::Null);
        say("model", model.into());
        for (name, amount) in self.amounts(&usage) {
            say(name, amount.into());
        }
        if self == Kind::Completions {
            say("batch", Value::Null);
            say("service_tier", Value::Null);
        }
        if self == Kind::Images {
            say("source", Value::Null);
            say("size", Value::Null);
        }
        result.into()
    }

    fn amounts(self, usage: &Usage) -> Vec<(&'static str, u64)> {
        match self {
            Kind::Completions => completions(usage),
            Kind::Embeddings | Kind::Moderations => vec![("input_tokens", usage.prompt_tokens())],
            Kind::Images => vec![("images", usage.of(Quantity::Images))],
            Kind::AudioSpeeches => vec![("characters", usage.of(Quantity::Characters))],
            Kind::AudioTranscriptions => vec![("seconds", usage.of(Quantity::AudioMs).div_ceil(1000))],
            Kind::Costs => Vec::new(),
        }
    }
}

/// OpenAI's counts overlap where ours do not: cached tokens are input too, reasoning is output.
fn completions(usage: &Usage) -> Vec<(&'static str, u64)> {
    let sum = |quantities: &[Quantity]| {
        quantities.iter().fold(0_u64, |sum, quantity| sum.saturating_add(usage.of(*quantity)))
    };
    let cached = sum(&[Quantity::CacheRead, Quantity::AudioCacheRead]);
    let written = sum(&[Quantity::CacheWrite5m, Quantity::CacheWrite1h]);
    vec![
        ("input_tokens", usage.prompt_tokens()),
        ("output_tokens", usage.completion_tokens()),
        ("input_cached_tokens", cached),
        ("input_cache_write_tokens", written),
        ("input_uncached_tokens", sum(&[Quantity::Input, Quantity::AudioIn, Quantity::ImageIn])),
        ("input_text_tokens", sum(&[Quantity::Input, Quantity::CacheRead]).saturating_add(written)),
        ("output_text_tokens", sum(&[Quantity::Output, Quantity::Reasoning])),
        ("input_cached_text_tokens", usage.of(Quantity::CacheRead)),
        ("input_audio_tokens", sum(&[Quantity::AudioIn, Quantity::AudioCacheRead])),
        ("input_cached_audio_tokens", usage.of(Quantity::AudioCacheRead)),
        ("output_audio_tokens", usage.of(Quantity::AudioOut)),
        ("input_image_tokens", usage.of(Quantity::ImageIn)),
        ("input_cached_image_tokens", 0),
        ("output_image_tokens", usage.of(Quantity::ImageOut)),
    ]
}

/// OpenAI's amounts are JSON numbers: the one nearest to the exact decimal.
fn decimal(nano_usd: u64) -> f64 {
    usd(nano_usd).parse().unwrap_or_default()
}

/// What was used in a time.
#[derive(Debug, Serialize)]
pub struct Bucket {
    object: &'static str,
    start_time: i64,
    end_time: i64,
    results: Vec<Value>,
}

impl Bucket {
    pub fn new(span: Span, results: Vec<Value>) -> Self {
        Self { object: "bucket", start_time: span.start, end_time: span.end, results }
    }
}

/// Buckets, and where there are more.
#[derive(Debug, Serialize)]
pub struct Page {
    object: &'static str,
    data: Vec<Bucket>,
    has_more: bool,
    next_page: Option<String>,
}

impl Page {
    pub fn new(data: Vec<Bucket>, next_page: Option<String>) -> Self {
        Self { object: "page", data, has_more: next_page.is_some(), next_page }
    }
}
