//! Writing server-sent events. Every function appends whole frames, never a part of one.

use bytes::{BufMut, BytesMut};

/// The frame that ends an OpenAI stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A comment frame that keeps an idle connection open; clients ignore it.
pub const HEARTBEAT: &[u8] = b": ping\n\n";

/// Appends a frame with this payload; a payload of several lines becomes several `data` lines.
pub fn data(payload: &[u8], out: &mut BytesMut) {
    out.reserve(payload.len() + 8);
    for line in payload.split(|byte| *byte == b'\n') {
        out.put_slice(b"data: ");
        out.put_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_payload_of_several_lines_becomes_several_data_lines() {
        for (payload, expected) in [
            ("{}", "data: {}\n\n"),
            ("", "data: \n\n"),
            ("{\n}", "data: {\ndata: }\n\n"),
            ("[DONE]", "data: [DONE]\n\n"),
        ] {
            assert_eq!(written(|out| data(payload.as_bytes(), out)), expected);
        }
        assert_eq!((DONE, HEARTBEAT), (&b"data: [DONE]\n\n"[..], &b": ping\n\n"[..]));
    }
}
