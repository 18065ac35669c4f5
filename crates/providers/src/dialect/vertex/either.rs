//! A stream of Gemini's or of Claude's, told apart by its first line: Claude's events have names.

use bytes::BytesMut;
use nexus_core::{call::Call, fault::Fault};

use super::super::{Consumed, Dialect, Progress, StreamDecoder, anthropic::Anthropic, gemini};

pub(super) struct EitherStream {
    call: Call,
    /// What came before the line that tells; comments and blank lines.
    before: BytesMut,
    decoder: Option<Box<dyn StreamDecoder>>,
}

/// How much may come before the line that tells.
const BEFORE_MAX: usize = 64 * 1024;

impl EitherStream {
    pub(super) fn new(call: &Call) -> Self {
        Self { call: call.clone(), before: BytesMut::new(), decoder: None }
    }

    fn decoder(&mut self, is_claude: bool) -> &mut dyn StreamDecoder {
        let call = &self.call;
        &mut **self.decoder.get_or_insert_with(|| match is_claude {
            true => Anthropic.stream(call),
            false => gemini::stream(call),
        })
    }
}

/// Whether the stream is Claude's; `None` while no line tells.
fn is_claude(begun: &[u8]) -> Option<bool> {
    const EVENT: &[u8] = b"event";
    let mut lines = begun.split(|byte| matches!(byte, b'\r' | b'\n'));
    let line = lines.find(|line| !line.is_empty() && !line.starts_with(b":"))?;
    match line.len() < EVENT.len() && EVENT.starts_with(line) {
        true => None,
        false => Some(line.starts_with(EVENT)),
    }
}

impl StreamDecoder for EitherStream {
    fn feed(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<Progress, Fault> {
        if let Some(decoder) = &mut self.decoder {
            return decoder.feed(piece, out);
        }
        self.before.extend_from_slice(piece);
        match is_claude(&self.before) {
            None if self.before.len() < BEFORE_MAX => Ok(Progress::Waiting),
            told => {
                let begun = self.before.split();
                self.decoder(told.unwrap_or_default()).feed(&begun, out)
            }
        }
    }

    fn end(&mut self, out: &mut BytesMut) -> Result<(), Fault> {
        self.decoder(false).end(out)
    }

    fn consumed(&mut self) -> Consumed {
        self.decoder.as_mut().map(|decoder| decoder.consumed()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        self.decoder.as_ref().map_or("", |decoder| decoder.text())
    }
}
