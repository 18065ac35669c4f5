//! Frames of every shape, whole and cut, and the vendor's published ones where they lie.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*};

use super::*;

/// A frame with right checksums around whatever is given.
pub(crate) fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = |len: usize| u32::try_from(len).unwrap().to_be_bytes();
    let mut frame = length(FRAME_BYTES_AROUND + headers.len() + payload.len()).to_vec();
    frame.extend(length(headers.len()));
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(headers);
    frame.extend_from_slice(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A header whose value is a string.
fn string(name: &str, value: &str) -> Vec<u8> {
    let name_len = u8::try_from(name.len()).unwrap();
    let value_len = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[name_len], name.as_bytes(), &[7], &value_len, value.as_bytes()].concat()
}

/// What was read from the pieces: the payloads, and what broke the stream.
fn read(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Broken>) {
    let mut decoder = FrameDecoder::default();
    let mut payloads = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => payloads.push(frame.payload.to_vec()),
                Ok(None) => break,
                Err(broken) => return (payloads, Some(broken)),
            }
        }
    }
    (payloads, None)
}

#[test]
fn a_header_of_every_type_is_passed_over_to_the_string_that_is_wanted() {
    let values: &[&[u8]] = &[
        &[0],
        &[1],
        &[2, 7],
        &[3, 7, 7],
        &[4, 7, 7, 7, 7],
        &[5, 7, 7, 7, 7, 7, 7, 7, 7],
        &[6, 0, 2, 7, 7],
        &[6, 0, 0],
        &[7, 0, 1, b'x'],
        &[8, 7, 7, 7, 7, 7, 7, 7, 7],
        &[9, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
    ];
    for value in values {
        let other = [&[5], b"other".as_slice(), value].concat();
        let whole = frame(&[other.clone(), string(":event-type", "é")].concat(), b"{}");
        let mut decoder = FrameDecoder::default();
        decoder.push(&whole);
        let read = decoder.next_frame().unwrap().unwrap();
        assert_eq!((read.text(":event-type"), read.payload), (Some("é"), b"{}".as_slice()), "{value:?}");
        assert_eq!(read.text("other"), (value[0] == 7).then_some("x"), "{value:?}");
        assert_eq!(read.text("missing"), None);
        // one byte less than its value needs
        if let Some((_, less)) = other.split_last().filter(|_| value.len() > 1) {
            assert_eq!(self::read(&[&frame(less, b"")]).1, Some(Broken::Headers), "{value:?}");
        }
    }
}

#[test]
fn what_is_no_frame_is_told_by_what_is_wrong_with_it() {
    let good = frame(&string("a", "b"), b"payload");
    let flipped = |at: usize| {
        let mut frame = good.clone();
        frame[at] ^= 1;
        frame
    };
    let sized = |total: u32, headers: u32| {
        let mut frame = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        frame
    };
    let most = (FRAME_BYTES_AROUND + PAYLOAD_MAX_BYTES) as u32;
    let headers_most = HEADERS_MAX_BYTES as u32;
    for (name, body, expected) in [
        ("good", good.clone(), None),
        ("length", flipped(3), Some(Broken::Lengths)),
        ("header length", flipped(7), Some(Broken::Lengths)),
        ("length's checksum", flipped(8), Some(Broken::Lengths)),
        ("header", flipped(13), Some(Broken::Checksum)),
        ("payload", flipped(good.len() - 5), Some(Broken::Checksum)),
        ("checksum", flipped(good.len() - 1), Some(Broken::Checksum)),
        ("unknown type", frame(&[1, b'a', 10], b""), Some(Broken::Headers)),
        ("no name", frame(&[0, 0], b""), Some(Broken::Headers)),
        ("name cut off", frame(&[9, b'a'], b""), Some(Broken::Headers)),
        ("type cut off", frame(&[1, b'a'], b""), Some(Broken::Headers)),
        ("smaller than a frame can be", sized(15, 0), Some(Broken::Size)),
        ("headers larger than the frame", sized(20, 5), Some(Broken::Size)),
        ("the largest payload", sized(most, 0), None),
        ("a larger payload", sized(most + 1, 0), Some(Broken::Size)),
        ("the largest headers", sized(headers_most + 16, headers_most), None),
        ("larger headers", sized(headers_most + 17, headers_most + 1), Some(Broken::Size)),
        ("the largest number", sized(u32::MAX, u32::MAX), Some(Broken::Size)),
        ("a page", b"<html><body>502 Bad Gateway</body></html>".to_vec(), Some(Broken::Lengths)),
        ("cut off", good[..good.len() - 1].to_vec(), None),
        ("nothing", Vec::new(), None),
    ] {
        assert_eq!(read(&[&body]).1, expected, "{name}");
    }
}

#[test]
fn a_large_buffer_is_given_back_and_a_long_stream_keeps_none() {
    let mut decoder = FrameDecoder::default();
    decoder.push(&frame(b"", &vec![b'x'; 1 << 20]));
    assert!(decoder.next_frame().unwrap().is_some());
    let small = frame(b"", b"x");
    for _ in 0..100 {
        decoder.push(&small);
        assert!(decoder.next_frame().unwrap().is_some());
    }
    assert!(decoder.buffer.capacity() <= BUFFER_KEPT_BYTES);
}

#[test]
fn the_published_frames_are_read_or_refused_as_their_names_say() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/eventstream"));
    let Ok(entries) = fs::read_dir(folder) else {
        return println!("event-stream vectors: absent");
    };
    let mut count = 0;
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = fs::read(&path).unwrap();
        let (payloads, broken) = read(&[&body]);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(&bytes), (payloads.clone(), broken), "{name}");
        match &*name {
            "valid_with_all_headers_and_payload" => {
                assert_eq!(payloads, [b"some payload"]);
                let mut decoder = FrameDecoder::default();
                decoder.push(&body);
                assert_eq!(decoder.next_frame().unwrap().unwrap().text("str"), Some("some str"));
            }
            "valid_empty_payload" => assert_eq!(payloads, [b""]),
            "valid_no_headers" => assert_eq!(payloads, [b"another test payload"]),
            _ => assert_eq!((name.starts_with("invalid"), broken.is_some()), (true, true), "{name}"),
        }
        count += 1;
    }
    assert!(count > 10);
    println!("event-stream vectors: {count} ran");
}

proptest! {
    #[test]
    fn frames_are_the_same_wherever_the_stream_is_cut(
        payloads in vec(vec(any::<u8>(), 0..40), 0..6),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let headers = string(":event-type", "x");
        let body: Vec<u8> = payloads.iter().flat_map(|payload| frame(&headers, payload)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut done = 0;
        for cut in cuts {
            pieces.push(&body[done..cut]);
            done = cut;
        }
        pieces.push(&body[done..]);
        prop_assert_eq!(read(&pieces), (payloads, None));
    }

    #[test]
    fn any_bytes_are_frames_or_broken(
        body in vec(any::<u8>(), 0..200),
        headers in vec(any::<u8>(), 0..60),
    ) {
        read(&[&body]);
        read(&[&frame(&headers, &body)]);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        prop_assert_eq!(read(&bytes), read(&[&body]));
    }
}
