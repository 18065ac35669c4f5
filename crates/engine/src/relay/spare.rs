//! The memory that streams write their output to, one for all streams of a thread.
//!
//! An output is handed on and dropped before the next stream is polled, so the same memory serves them all and
//! stays near to the processor; memory of its own, a stream would find cold whenever its turn came. Whoever holds
//! an output for longer only causes new memory to be taken.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};

/// Memory that grew beyond this, in bytes, is given up.
const KEPT_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Lends the memory to an output that has not begun.
pub(super) fn lend(out: &mut BytesMut) {
    if out.is_empty() {
        *out = SPARE.take().unwrap_or_default();
    }
}

/// The output, which is whole; the memory behind it is for the next one.
pub(super) fn take(out: &mut BytesMut) -> Bytes {
    let taken = out.split().freeze();
    let rest = std::mem::take(out);
    if taken.len() <= KEPT_MAX {
        keep(rest);
    }
    taken
}

/// Gives the memory back where there was no output.
pub(super) fn give_back(out: &mut BytesMut) {
    if out.is_empty() {
        keep(std::mem::take(out));
    }
}

/// Keeps one: a stream's first output comes in memory of its own.
fn keep(memory: BytesMut) {
    SPARE.set(SPARE.take().or(Some(memory)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        lend(&mut out);
        out.reserve(4096);
        out.extend_from_slice(text);
        out
    }

    #[test]
    fn outputs_that_are_dropped_share_their_memory_and_those_that_are_held_are_not_touched() {
        let first = take(&mut write(b"first"));
        let begin = first.as_ptr();
        drop(first);
        let second = take(&mut write(b"second"));
        assert_eq!(second.as_ptr(), begin);
        let third = take(&mut write(&[3; 4096]));
        assert_ne!(third.as_ptr(), begin);
        assert_eq!((&*second, &*third), (&b"second"[..], &[3; 4096][..]));
        let mut unused = BytesMut::new();
        lend(&mut unused);
        give_back(&mut unused);
        assert_eq!(unused.capacity(), 0);
    }
}
