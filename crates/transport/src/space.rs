//! The buffers a worker thread reads and writes through, one of each whatever the number of connections.
//!
//! What was read is split off and never copied, so a piece keeps the block it was read into alive: blocks are
//! small, and whoever holds pieces for long copies them.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A block that pieces are split off, in bytes.
const BLOCK: usize = 16 * 1024;
/// A request's buffer is kept up to this size, in bytes.
const KEPT_MAX: usize = 64 * 1024;

/// The buffers of a worker thread.
#[derive(Default)]
pub(crate) struct Space {
    inward: RefCell<BytesMut>,
    outward: Cell<Vec<u8>>,
}

impl Space {
    /// Reads once, `room` bytes or a little more; nothing is the connection's end.
    pub(crate) fn poll_read<Io: AsyncRead + Unpin>(
        &self,
        io: &mut Io,
        cx: &mut Context<'_>,
        room: Room,
    ) -> Poll<io::Result<BytesMut>> {
        let mut inward = self.inward.borrow_mut();
        if inward.capacity() < room.0 {
            // a whole block, so that one serves many answers
            inward.reserve(room.0.max(BLOCK));
        }
        ready!(pin!(io.read_buf(&mut *inward)).poll(cx))?;
        Poll::Ready(Ok(inward.split()))
    }

    /// An empty buffer for a request.
    pub(crate) fn lend(&self) -> Vec<u8> {
        self.outward.take()
    }

    /// Takes the buffer back once the request is on its way.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_MAX {
            buffer.clear();
            self.outward.set(buffer);
        }
    }
}

/// How much is read at once, in bytes: it follows what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room(usize);

impl Room {
    const LEAST: usize = 4 * 1024;
    /// More at once is no faster: it leaves the processor's nearest memory before it is written on.
    const MOST: usize = BLOCK;

    /// Twice as much, if a piece filled it.
    pub(crate) fn after(self, piece: usize) -> Self {
        if piece < self.0 { self } else { Self((self.0 * 2).min(Self::MOST)) }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(Self::LEAST)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn read(space: &Space, mut bytes: &[u8], room: Room) -> BytesMut {
        let cx = &mut Context::from_waker(Waker::noop());
        match space.poll_read(&mut bytes, cx, room) {
            Poll::Ready(Ok(piece)) => piece,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pieces_share_a_block_and_a_block_serves_again_once_they_are_gone() {
        let space = Space::default();
        let first = read(&space, &[1; 1000], Room::default());
        let second = read(&space, &[2; 1000], Room::default());
        assert_eq!((&*first, &*second), (&[1; 1000][..], &[2; 1000][..]));
        let begin = first.as_ptr();
        assert_eq!(second.as_ptr(), begin.wrapping_add(1000));
        drop((first, second));
        let again = (0..BLOCK / 1000).any(|_| read(&space, &[3; 1000], Room::default()).as_ptr() == begin);
        assert!(again);
    }

    #[test]
    fn room_grows_with_what_arrives_up_to_its_bound() {
        let space = Space::default();
        let mut room = Room::default();
        for expected in [8, 16, 16] {
            let piece = read(&space, &vec![0; 1 << 20], room);
            assert!(piece.len() >= room.0);
            room = room.after(piece.len());
            assert_eq!(room, Room(expected * 1024));
        }
        assert_eq!(room.after(10), room);
    }

    #[test]
    fn a_request_buffer_comes_back_empty_unless_it_grew_too_large() {
        let space = Space::default();
        for (size, is_kept) in [(100, true), (KEPT_MAX + 1, false)] {
            let mut buffer = space.lend();
            buffer.resize(size, 1);
            space.give_back(buffer);
            let again = space.lend();
            assert_eq!((again.len(), again.capacity() >= size), (0, is_kept));
        }
    }
}
