//! Frames of an `application/vnd.amazon.eventstream`, with their checksums.

/// The type of strings among headers.
const STRING: u8 = 7;

/// An event of this name.
pub(crate) fn event(name: &str, payload: &str) -> Vec<u8> {
    frame("event", name, payload)
}

/// What stands in the place of an event where something failed.
pub(crate) fn exception(name: &str, payload: &str) -> Vec<u8> {
    frame("exception", name, payload)
}

fn frame(kind: &str, name: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    let type_header = format!(":{kind}-type");
    for (header, value) in
        [(type_header.as_str(), name), (":content-type", "application/json"), (":message-type", kind)]
    {
        headers.push(u8::try_from(header.len()).unwrap_or(u8::MAX));
        headers.extend(header.as_bytes());
        headers.push(STRING);
        headers.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let length = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
