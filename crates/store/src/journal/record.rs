//! A usage record as bytes: a version, then postcard's form of serde's mirror of types that know no serde.
//!
//! The mirrors are checked against the real types by the compiler, so a new field or variant cannot be
//! forgotten here. The form has no names: fields and variants are only ever added, and with a new
//! [`VERSION`], since a journal may have been written by the program before this one.

use std::sync::Arc;

use nexus_core::{
    call::Operation,
    fault::Class,
    id::{AttemptId, KeyId, ProviderId, RequestId, TeamId},
    usage::{Outcome, Source, Usage, UsageRecord},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The first byte of every payload. No byte of a text, so that text is never taken for a record.
pub(super) const VERSION: u8 = 0xa1;

pub(super) fn write(record: &UsageRecord, buffer: &mut Vec<u8>) -> postcard::Result<()> {
    buffer.push(VERSION);
    postcard::to_io(&Written(record), buffer).map(|_| ())
}

pub(super) fn read(payload: &[u8]) -> postcard::Result<UsageRecord> {
    let Some((&VERSION, bytes)) = payload.split_first() else {
        return Err(postcard::Error::DeserializeBadEncoding);
    };
    match postcard::take_from_bytes(bytes)? {
        (Read(record), []) => Ok(record),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

struct Written<'a>(&'a UsageRecord);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RecordMirror::serialize(self.0, serializer)
    }
}

struct Read(UsageRecord);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RecordMirror::deserialize(deserializer).map(Read)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UsageRecord")]
struct RecordMirror {
    #[serde(with = "number")]
    attempt: AttemptId,
    #[serde(with = "number")]
    request: RequestId,
    attempt_number: u32,
    #[serde(with = "number")]
    key: KeyId,
    #[serde(with = "number_or_none")]
    team: Option<TeamId>,
    #[serde(with = "OperationMirror")]
    operation: Operation,
    #[serde(with = "shared")]
    alias: Arc<str>,
    #[serde(with = "number")]
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
    ChatCompletions,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Source")]
enum SourceMirror {
    Provider,
    Estimated,
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome")]
enum OutcomeMirror {
    Answered,
    Failed(#[serde(with = "ClassMirror")] Class),
    Abandoned,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Class")]
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
    Forbidden,
    Timeout,
    Reset,
    Truncated,
    Framing,
    BadAnswer,
}

/// Ids as their 128 bits.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<T: Copy + Into<Uuid>, S: Serializer>(
        id: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (*id).into().as_u128().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: From<Uuid>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        u128::deserialize(deserializer).map(|bits| Uuid::from_u128(bits).into())
    }
}

mod number_or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<T: Copy + Into<Uuid>, S: Serializer>(
        id: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        id.map(|id| id.into().as_u128()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: From<Uuid>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<u128>::deserialize(deserializer).map(|bits| bits.map(|bits| Uuid::from_u128(bits).into()))
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

    fn check(record: &UsageRecord) -> Vec<u8> {
        let mut buffer = Vec::new();
        write(record, &mut buffer).unwrap();
        assert_eq!(read(&buffer).unwrap(), *record);
        buffer
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
    fn every_end_an_attempt_can_come_to_is_kept() {
        for class in [Class::BadRequest, Class::Forbidden, Class::ModelNotFound, Class::BadAnswer] {
            check(&UsageRecord { outcome: Outcome::Failed(class), ..sample::record(1) });
        }
        for outcome in [Outcome::Answered, Outcome::Abandoned] {
            check(&UsageRecord { outcome, ..sample::record(1) });
        }
        for source in [Source::Provider, Source::Estimated, Source::Nothing] {
            check(&UsageRecord { source, ..sample::record(1) });
        }
    }

    #[test]
    fn bytes_of_another_version_cut_short_or_with_more_behind_are_no_record() {
        let bytes = check(&sample::record(1));
        let (other, longer) = ([&[VERSION + 1], &bytes[1..]].concat(), [&bytes[..], &[0]].concat());
        for wrong in [&other, &longer, &bytes[..bytes.len() - 1], &bytes[..1], &[]] as [&[u8]; 5] {
            assert!(read(wrong).is_err());
        }
    }
}
