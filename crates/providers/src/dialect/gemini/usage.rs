//! The vendor's token counts, made disjoint.
//!
//! `promptTokenCount` includes what was cached; what its own tools fed the model stands beside it, as thoughts
//! stand beside the candidates. In a stream each count is a running total: the last object counts, whole. One
//! count that cannot be makes all of them absent.

use nexus_core::usage::{Quantity, Usage};
use nexus_wire::conversation::members::Members;
use serde_json::value::RawValue;

use super::{super::Consumed, piece};
use crate::part::usage::{Convention, Counted, Reported};

/// What an answer has said about its usage so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counted: Option<Counted>,
    searches: u64,
    raw: Option<Box<str>>,
}

struct Broken;

impl Tally {
    pub(crate) fn note(&mut self, raw: &RawValue) {
        let Some(members) = Members::read(raw.get()) else { return };
        match counted(&members) {
            // Vertex tells the kind of traffic with every chunk, and counts with the last.
            Ok(None) if self.counted.is_some() => return,
            Ok(counted) => self.counted = counted,
            Err(Broken) => self.counted = Some(Counted::NONSENSE),
        }
        self.raw = Some(Box::from(raw.get()));
    }

    /// So many searches stand beside the tokens.
    pub(crate) fn searched(&mut self, searches: u64) {
        self.searches = searches;
    }

    pub(crate) fn consumed(&self) -> Consumed {
        let raw = self.raw.clone();
        let Some(counted) = self.counted else { return Consumed { raw, ..Consumed::default() } };
        let consumed = counted.consumed(raw);
        let usage = consumed.usage.map(|usage| match self.searches {
            0 => usage,
            searches => usage.with(Quantity::Searches, searches),
        });
        Consumed { usage, ..consumed }
    }
}

fn count(members: &Members<'_>, name: &str) -> Result<Option<u64>, Broken> {
    let Some(value) = members.raw(name) else { return Ok(None) };
    value.get().parse().ok().filter(|count| *count <= Usage::PLAUSIBLE_MAX).map(Some).ok_or(Broken)
}

/// Tokens by what they stand for. Text and documents are what is left.
#[derive(Clone, Copy, Default)]
struct Modalities {
    audio: u64,
    /// Films too.
    image: u64,
}

impl Modalities {
    fn read(members: &Members<'_>, name: &str) -> Result<Self, Broken> {
        let mut read = Self::default();
        for detail in piece::objects(members, name) {
            let tokens = count(&detail, "tokenCount")?.unwrap_or_default();
            let place = match &*detail.word("modality") {
                "AUDIO" => &mut read.audio,
                "IMAGE" | "VIDEO" => &mut read.image,
                _ => continue,
            };
            *place = place.saturating_add(tokens);
        }
        Ok(read)
    }
}

fn counted(said: &Members<'_>) -> Result<Option<Counted>, Broken> {
    let prompt = count(said, "promptTokenCount")?;
    let candidates = count(said, "candidatesTokenCount")?;
    let thoughts = count(said, "thoughtsTokenCount")?;
    if prompt.is_none() && candidates.is_none() && thoughts.is_none() {
        return Ok(None);
    }
    let by_tools = count(said, "toolUsePromptTokenCount")?.unwrap_or_default();
    let cached = count(said, "cachedContentTokenCount")?.unwrap_or_default();
    let sent = Modalities::read(said, "promptTokensDetails")?;
    let sent_by_tools = Modalities::read(said, "toolUsePromptTokensDetails")?;
    let kept = Modalities::read(said, "cacheTokensDetails")?;
    let made = Modalities::read(said, "candidatesTokensDetails")?;
    let fresh = |sent: u64, by_tools: u64, kept: u64| sent.saturating_add(by_tools).saturating_sub(kept);
    let parts = Usage::default()
        .with(Quantity::CacheRead, cached.saturating_sub(kept.audio))
        .with(Quantity::AudioCacheRead, kept.audio.min(cached))
        .with(Quantity::AudioIn, fresh(sent.audio, sent_by_tools.audio, kept.audio))
        .with(Quantity::ImageIn, fresh(sent.image, sent_by_tools.image, kept.image))
        .with(Quantity::Reasoning, thoughts.unwrap_or_default())
        .with(Quantity::AudioOut, made.audio)
        .with(Quantity::ImageOut, made.image);
    let reported = Reported {
        prompt: prompt.unwrap_or_default().saturating_add(by_tools),
        completion: candidates.unwrap_or_default(),
        total: count(said, "totalTokenCount")?,
        parts,
    };
    Ok(Some(reported.disjoint(Convention::REASONING_BESIDE)))
}

#[cfg(test)]
mod tests {
    use nexus_core::usage::Doubt;

    use super::*;

    fn consumed(said: &[&str]) -> Consumed {
        let mut tally = Tally::default();
        for raw in said {
            tally.note(&RawValue::from_string((*raw).to_owned()).unwrap());
        }
        tally.consumed()
    }

    fn usage(counts: &[(Quantity, u64)]) -> Usage {
        counts.iter().fold(Usage::default(), |usage, (quantity, count)| usage.with(*quantity, *count))
    }

    #[test]
    fn counts_are_disjoint_and_the_last_said_is_what_counts() {
        use Quantity::{CacheRead, Input, Output, Reasoning};
        type Case = (&'static [&'static str], Option<&'static [(Quantity, u64)]>, Option<Doubt>);
        let cases: &[Case] = &[
            (
                &[
                    r#"{"promptTokenCount":100,"cachedContentTokenCount":30,"candidatesTokenCount":7,"thoughtsTokenCount":5,"toolUsePromptTokenCount":11,"totalTokenCount":123}"#,
                ],
                Some(&[(Input, 81), (CacheRead, 30), (Output, 7), (Reasoning, 5)]),
                None,
            ),
            (
                &[
                    r#"{"promptTokenCount":9,"candidatesTokenCount":15,"totalTokenCount":24}"#,
                    r#"{"promptTokenCount":87,"thoughtsTokenCount":78,"totalTokenCount":165}"#,
                ],
                Some(&[(Input, 87), (Reasoning, 78)]),
                None,
            ),
            (&[r#"{"promptTokenCount":9,"totalTokenCount":9}"#], Some(&[(Input, 9)]), None),
            (&[r#"{"trafficType":"ON_DEMAND"}"#], None, None),
            (&[r#"{"promptTokenCount":9}"#, r#"{"trafficType":"ON_DEMAND"}"#], Some(&[(Input, 9)]), None),
            (
                &[
                    r#"{"promptTokenCount":9,"candidatesTokenCount":20,"thoughtsTokenCount":15,"totalTokenCount":29}"#,
                ],
                Some(&[(Input, 9), (Output, 5), (Reasoning, 15)]),
                None,
            ),
            (
                &[r#"{"promptTokenCount":9,"cachedContentTokenCount":50}"#],
                Some(&[(CacheRead, 9)]),
                Some(Doubt::PartBeyondWhole),
            ),
            (
                &[r#"{"promptTokenCount":9,"totalTokenCount":99}"#],
                Some(&[(Input, 9)]),
                Some(Doubt::TotalDiffers),
            ),
            (&[r#"{"promptTokenCount":9}"#, r#"{"promptTokenCount":-1}"#], None, Some(Doubt::Nonsense)),
            (&[r#"{"promptTokenCount":1.5}"#], None, Some(Doubt::Nonsense)),
            (&["{}"], None, None),
            (&["7"], None, None),
        ];
        for (said, expected, doubt) in cases {
            let consumed = consumed(said);
            assert_eq!((consumed.usage, consumed.doubt), (expected.map(usage), *doubt), "{said:?}");
        }
    }

    #[test]
    fn sounds_and_images_are_counted_apart_once() {
        let consumed = consumed(&[
            r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":10,"totalTokenCount":115,
                "toolUsePromptTokenCount":5,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":80},
                    {"modality":"IMAGE","tokenCount":6},{"modality":"VIDEO","tokenCount":4}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":5},
                    {"modality":"TEXT","tokenCount":5}],
                "toolUsePromptTokensDetails":[{"modality":"AUDIO","tokenCount":2}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":4},{"modality":"IMAGE","tokenCount":3}]}"#,
        ]);
        use Quantity::*;
        let expected = [
            (Input, 8),
            (CacheRead, 10),
            (AudioCacheRead, 30),
            (AudioIn, 52),
            (ImageIn, 5),
            (Output, 3),
            (AudioOut, 4),
            (ImageOut, 3),
        ];
        assert_eq!((consumed.usage, consumed.doubt), (Some(usage(&expected)), None));
    }
}
