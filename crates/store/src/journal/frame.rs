//! A frame: `length u32 LE`, `CRC-32 of the payload u32 LE`, payload.
//!
//! [`scan`] is the only reader of frames. It is a pure function that holds whatever bytes come for
//! possible: a frame counts only with its checksum, and behind a bad spot the next good frame is found
//! again byte by byte. A payload begins with its version, so a run of zeros is no frame and text
//! hardly ever looks like a frame's head.

use nexus_core::usage::UsageRecord;

use super::{JournalError, record};

const HEAD_BYTES: usize = 8;
/// The longest frame there can be. A record that would take more is booked without its raw usage.
pub(super) const FRAME_BYTES_MAX: usize = 256 << 10;

/// Makes a record's frame in `buffer`, whatever was in there before.
pub(super) fn encode(record: &UsageRecord, buffer: &mut Vec<u8>) -> Result<(), JournalError> {
    fill(record, buffer)?;
    if buffer.len() > FRAME_BYTES_MAX {
        fill(&UsageRecord { raw_usage: None, ..record.clone() }, buffer)?;
    }
    if buffer.len() > FRAME_BYTES_MAX {
        return Err(JournalError::TooLarge(buffer.len()));
    }
    Ok(())
}

fn fill(record: &UsageRecord, buffer: &mut Vec<u8>) -> Result<(), JournalError> {
    buffer.clear();
    buffer.extend_from_slice(&[0; HEAD_BYTES]);
    record::write(record, buffer).map_err(JournalError::Encode)?;
    if let Some((head, payload)) = buffer.split_first_chunk_mut::<HEAD_BYTES>() {
        let length = u32::try_from(payload.len()).map_err(|_| JournalError::TooLarge(payload.len()))?;
        let sum = crc32fast::hash(payload);
        *head = (u64::from(length) | (u64::from(sum) << 32)).to_le_bytes();
    }
    Ok(())
}

/// What a stretch of a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan<'a> {
    pub(super) payloads: Vec<&'a [u8]>,
    /// Stretches that are no frames.
    pub(super) damaged: Vec<&'a [u8]>,
    /// How many of the bytes are dealt with; the rest is to be read again with more behind it.
    pub(super) consumed: usize,
}

/// Whether more bytes follow behind those at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    More,
    Nothing,
}

/// Reads at most `limit` frames from the begin of `bytes`.
///
/// Where more is behind, `bytes` must be longer than the longest frame, or nothing may come of it.
pub(super) fn scan(bytes: &[u8], behind: Behind, limit: usize) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut rest = bytes;
    while scan.payloads.len() < limit && !rest.is_empty() {
        match first(rest) {
            First::Frame { payload, after } => {
                scan.payloads.push(payload);
                rest = after;
            }
            First::Cut if behind == Behind::More => break,
            First::Cut | First::Damage => {
                let Some((damaged, after)) = pass(rest, behind) else { break };
                scan.damaged.push(damaged);
                rest = after;
            }
        }
    }
    scan.consumed = bytes.len().saturating_sub(rest.len());
    scan
}

/// Splits at the next good frame behind a bad spot. Where none is in sight but more is behind, one may
/// begin in the last bytes and end beyond them: those stay, and where there are no others, it is `None`.
fn pass(rest: &[u8], behind: Behind) -> Option<(&[u8], &[u8])> {
    let next =
        (1..rest.len()).find(|at| matches!(first(rest.get(*at..).unwrap_or(&[])), First::Frame { .. }));
    let bad_bytes = match (next, behind) {
        (Some(next), _) => next,
        (None, Behind::Nothing) => rest.len(),
        (None, Behind::More) => rest.len().checked_sub(FRAME_BYTES_MAX).filter(|bytes| *bytes > 0)?,
    };
    rest.split_at_checked(bad_bytes)
}

enum First<'a> {
    Frame {
        payload: &'a [u8],
        after: &'a [u8],
    },
    /// May be the begin of a frame whose end is not here.
    Cut,
    Damage,
}

fn first(bytes: &[u8]) -> First<'_> {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return First::Cut };
    let head = u64::from_le_bytes(*head);
    let (length, sum) = (head & u64::from(u32::MAX), head >> 32);
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES_MAX - HEAD_BYTES)
    else {
        return First::Damage;
    };
    if body.first().is_some_and(|byte| !record::is_version(*byte)) {
        return First::Damage;
    }
    match body.split_at_checked(length) {
        Some((payload, after)) if length > 0 && u64::from(crc32fast::hash(payload)) == sum => {
            First::Frame { payload, after }
        }
        Some(_) => First::Damage,
        None => First::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn frames(numbers: std::ops::RangeInclusive<u64>) -> Vec<Vec<u8>> {
        numbers
            .map(|number| {
                let mut frame = Vec::new();
                encode(&sample::record(number), &mut frame).unwrap();
                frame
            })
            .collect()
    }

    fn payloads(frames: &[Vec<u8>]) -> Vec<&[u8]> {
        frames.iter().map(|frame| &frame[HEAD_BYTES..]).collect()
    }

    #[test]
    fn cut_at_any_byte_only_the_cut_frame_is_missing() {
        let frames = frames(1..=5);
        let whole = frames.concat();
        for cut in 0..=whole.len() {
            let mut borders = frames.iter().scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            });
            let complete = borders.by_ref().take_while(|end| *end <= cut).count();
            let bytes = &whole[..cut];
            let last = scan(bytes, Behind::Nothing, 100);
            assert_eq!(last.payloads, payloads(&frames[..complete]), "cut at {cut}");
            assert_eq!(last.consumed, cut);
            let kept: usize = frames[..complete].iter().map(Vec::len).sum();
            assert_eq!(last.damaged.concat(), &bytes[kept..]);
            let open = scan(bytes, Behind::More, 100);
            assert_eq!((open.payloads, open.damaged.len(), open.consumed), (last.payloads, 0, kept));
        }
    }

    #[test]
    fn with_any_byte_changed_only_that_frame_is_missing() {
        let frames = frames(1..=4);
        let whole = frames.concat();
        let mut start = 0;
        for (hurt, frame) in frames.iter().enumerate() {
            for at in start..start + frame.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= change;
                    let found = scan(&bytes, Behind::Nothing, 100);
                    let mut others = payloads(&frames);
                    others.remove(hurt);
                    assert_eq!(found.payloads, others, "byte {at} ^ {change:#x}");
                    assert_eq!(found.damaged.concat(), &bytes[start..start + frame.len()]);
                    assert_eq!(found.consumed, bytes.len());
                }
            }
            start += frame.len();
        }
    }

    #[test]
    fn zeros_noise_and_text_are_no_frames() {
        for bytes in
            [vec![0; 5000], vec![0xa3; 5000], (0..=255).cycle().take(5000).collect(), b"\x01\0\0\0".to_vec()]
        {
            let found = scan(&bytes, Behind::Nothing, 100);
            assert_eq!((found.payloads.len(), found.consumed), (0, bytes.len()));
        }
    }

    #[test]
    fn a_long_bad_stretch_is_passed_and_the_frames_behind_it_are_found() {
        let frame = frames(1..=1).concat();
        let noise = vec![0; 3 * FRAME_BYTES_MAX];
        let bytes = [noise.clone(), frame.clone()].concat();
        let first = scan(&noise, Behind::More, 100);
        assert_eq!(first.consumed, 2 * FRAME_BYTES_MAX);
        let second = scan(&bytes[2 * FRAME_BYTES_MAX..], Behind::Nothing, 100);
        assert_eq!(second.payloads.len(), 1);
    }

    #[test]
    fn no_more_than_the_limit_is_read_and_the_rest_is_left() {
        let frames = frames(1..=3);
        let whole = frames.concat();
        let found = scan(&whole, Behind::Nothing, 2);
        assert_eq!((found.payloads.len(), found.consumed), (2, frames[0].len() + frames[1].len()));
    }

    #[test]
    fn a_record_too_long_for_a_frame_is_booked_without_its_raw_usage_or_refused() {
        let mut buffer = Vec::new();
        let long = "x".repeat(FRAME_BYTES_MAX);
        let record = UsageRecord { raw_usage: Some(long.as_str().into()), ..sample::record(1) };
        encode(&record, &mut buffer).unwrap();
        let read = record::read(scan(&buffer, Behind::Nothing, 1).payloads[0]).unwrap();
        assert_eq!(read, UsageRecord { raw_usage: None, ..sample::record(1) });
        let record = UsageRecord { alias: long.into(), ..sample::record(1) };
        assert!(matches!(encode(&record, &mut buffer), Err(JournalError::TooLarge(_))));
    }
}
