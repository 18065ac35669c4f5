//! Writing an event by its name, as tongues other than OpenAI's chat have them.

use bytes::{BufMut, BytesMut};

/// Appends an event; its data is a JSON object.
pub(super) fn event(name: &str, data: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + data.len() + 16);
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    match data.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        // between members only: within a string they are escaped
        true => out.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte })),
        false => out.put_slice(data),
    }
    out.put_slice(b"\n\n");
}
