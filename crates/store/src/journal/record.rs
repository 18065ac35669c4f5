//! A usage record as JSON: serde's mirror of types that know no serde.
//!
//! The mirrors are checked against the real types by the compiler, so a new field or variant cannot be
//! forgotten here. What is written stays readable: a field added later needs `#[serde(default)]`.

use std::sync::Arc;

use nexus_core::{
    call::Operation,
    fault::Class,
    id::{AttemptId, KeyId, ProviderId, RequestId, TeamId},
    usage::{Outcome, Source, Usage, UsageRecord},
};
use serde::{Deserialize, Serialize};

pub(super) fn write(record: &UsageRecord, buffer: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    RecordMirror::serialize(record, &mut serde_json::Serializer::new(buffer))
}

pub(super) fn read(payload: &[u8]) -> Result<UsageRecord, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let record = RecordMirror::deserialize(&mut json)?;
    json.end()?;
    Ok(record)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UsageRecord")]
struct RecordMirror {
    #[serde(with = "text")]
    attempt: AttemptId,
    #[serde(with = "text")]
    request: RequestId,
    attempt_number: u32,
    #[serde(with = "text")]
    key: KeyId,
    #[serde(with = "text_or_none")]
    team: Option<TeamId>,
    #[serde(with = "OperationMirror")]
    operation: Operation,
    #[serde(with = "shared")]
    alias: Arc<str>,
    #[serde(with = "text")]
    provider: ProviderId,
    #[serde(with = "shared")]
    provider_name: Arc<str>,
    #[serde(with = "shared")]
    real_model: Arc<str>,
    is_stream: bool,
    #[serde(with = "OutcomeMirror")]
    outcome: Outcome,
    status: u16,
    #[serde(with = "UsageMirror")]
    usage: Usage,
    #[serde(with = "SourceMirror")]
    source: Source,
    raw_usage: Option<Box<str>>,
    provider_request_id: Option<Box<str>>,
    started_at_ms: i64,
    first_token_us: Option<u64>,
    duration_us: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Usage")]
struct UsageMirror {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    audio_in: u64,
    audio_out: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Operation")]
enum OperationMirror {
    #[serde(rename = "chat.completions")]
    ChatCompletions,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Source", rename_all = "snake_case")]
enum SourceMirror {
    Provider,
    Estimated,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome", rename_all = "snake_case")]
enum OutcomeMirror {
    Answered,
    Failed(#[serde(with = "ClassMirror")] Class),
    Abandoned,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Class", rename_all = "snake_case")]
enum ClassMirror {
    BadRequest,
    ContextLength,
    ContentFilter,
    TooLarge,
    Credential,
    Billing,
    ModelNotFound,
    RateLimited,
    Overloaded,
    Internal,
    Connect,
    #[serde(rename = "forbidden_address")]
    Forbidden,
    Timeout,
    Reset,
    Truncated,
    Framing,
    BadAnswer,
}

/// Ids as the text they are shown as.
mod text {
    use std::{borrow::Cow, fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod text_or_none {
    use std::{borrow::Cow, fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        id: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<Cow<str>>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

mod shared {
    use std::{borrow::Cow, sync::Arc};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        Cow::<str>::deserialize(deserializer).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn check(record: &UsageRecord) -> String {
        let mut buffer = Vec::new();
        write(record, &mut buffer).unwrap();
        assert_eq!(read(&buffer).unwrap(), *record);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_went_in_whatever_is_in_its_texts() {
        for text in ["", "gpt", "\"\\\n\0\u{7f}", "千问 🦀", "{\"a\":[1]}"] {
            check(&UsageRecord {
                alias: text.into(),
                provider_name: text.into(),
                real_model: text.into(),
                raw_usage: Some(text.into()),
                provider_request_id: Some(text.into()),
                ..sample::record(1)
            });
        }
        check(&UsageRecord {
            team: None,
            raw_usage: None,
            provider_request_id: None,
            first_token_us: None,
            usage: Usage { input: u64::MAX, ..Usage::default() },
            started_at_ms: i64::MIN,
            ..sample::record(1)
        });
    }

    #[test]
    fn the_journal_uses_the_same_words_as_rows_and_metrics() {
        for class in [Class::BadRequest, Class::Forbidden, Class::ModelNotFound, Class::BadAnswer] {
            let json = check(&UsageRecord { outcome: Outcome::Failed(class), ..sample::record(1) });
            assert!(json.contains(&format!("{{\"failed\":\"{}\"}}", class.as_str())), "{json}");
        }
        for outcome in [Outcome::Answered, Outcome::Abandoned] {
            let json = check(&UsageRecord { outcome, ..sample::record(1) });
            assert!(json.contains(&format!("\"outcome\":\"{}\"", outcome.as_str())), "{json}");
        }
        for source in [Source::Provider, Source::Estimated, Source::Nothing] {
            let json = check(&UsageRecord { source, ..sample::record(1) });
            assert!(json.contains(&format!("\"source\":\"{}\"", source.as_str())), "{json}");
            assert!(json.contains(&format!("\"operation\":\"{}\"", Operation::ChatCompletions.as_str())));
        }
    }

    #[test]
    fn a_field_this_program_does_not_know_is_passed_over_and_a_missing_one_is_an_error() {
        let json = check(&sample::record(1));
        let longer = json.replacen('{', "{\"later\":1,", 1);
        assert_eq!(read(longer.as_bytes()).unwrap(), sample::record(1));
        assert!(read(json.replacen("\"status\":200,", "", 1).as_bytes()).is_err());
        assert!(read(format!("{json}x").as_bytes()).is_err());
    }
}
