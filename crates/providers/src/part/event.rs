//! An event of a stream as the object it bears.

use nexus_core::fault::Fault;
use nexus_wire::{conversation::members::Members, sse::decode::Frame};

use crate::dialect::bad_answer;

pub(crate) fn read<'a>(frame: &Frame<'a>) -> Result<Members<'a>, Fault> {
    let text = std::str::from_utf8(frame.data)
        .map_err(|_| bad_answer("the provider sent an event that is not UTF-8"))?;
    Members::read(text).ok_or_else(|| bad_answer("the provider sent an event that is not a JSON object"))
}
