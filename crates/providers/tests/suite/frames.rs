//! Event-stream frames as the vendor writes them, made from lines that people can read.

/// A frame of this kind: `event`, `exception` or `error`.
pub(crate) fn frame(kind: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (header, value) in [
        (format!(":{kind}-type"), name),
        (":content-type".to_owned(), "application/json"),
        (":message-type".to_owned(), kind),
    ] {
        headers.push(u8::try_from(header.len()).unwrap());
        headers.extend(header.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let length = |len: usize| u32::try_from(len).unwrap().to_be_bytes();
    let mut frame = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A stream from lines `KIND NAME PAYLOAD`, the kind left out where it is `event`.
pub(crate) fn stream(lines: &str) -> Vec<u8> {
    let frames = lines.lines().filter(|line| !line.is_empty()).flat_map(|line| {
        let (kind, rest) = match line.split_once(' ') {
            Some((kind @ ("exception" | "error"), rest)) => (kind, rest),
            _ => ("event", line),
        };
        let (name, payload) = rest.split_once(' ').unwrap_or((rest, ""));
        frame(kind, name, payload.as_bytes())
    });
    frames.collect()
}

/// The ends of a stream's frames.
pub(crate) fn borders(body: &[u8]) -> Vec<usize> {
    let mut borders = Vec::new();
    let mut at = 0;
    while let Some(length) = body.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if length < 16 || at + length > body.len() {
            break;
        }
        at += length;
        borders.push(at);
    }
    borders
}
