//! Reading booked records back, from a position on.
//!
//! Of the segment being written only what is booked is read; everything else is judged by checksums. What
//! cannot be read is counted, put aside in a file beside the segment, and passed.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use nexus_core::usage::UsageRecord;

use super::{
    Journal, Position,
    frame::{self, Behind, FRAME_BYTES_MAX},
    record,
};

/// How much of a segment is in memory at once.
const STRETCH_BYTES: u64 = 4 * FRAME_BYTES_MAX as u64;

/// Records from one stretch of the journal.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<UsageRecord>,
    /// Where to read on; equal to the position read from when there is nothing more.
    pub(crate) next: Position,
    /// How much of the stretch could not be read.
    pub(crate) damaged_bytes: u64,
    /// Whether more was booked behind it when it was read.
    pub(crate) is_followed: bool,
}

impl Journal {
    /// Reads at most `limit` records from `from` on. May read none and still move on. `bytes` is memory to read
    /// into: kept from read to read it costs nothing, while so much made anew is cleared by the system each time.
    pub(crate) fn read(&self, from: Position, limit: usize, bytes: &mut Vec<u8>) -> io::Result<Batch> {
        let end = self.end();
        let length_bytes = match self.length_bytes(from.segment, end) {
            Ok(length_bytes) => length_bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if from.offset >= length_bytes {
            let next = if from.segment < end.segment { self.next_segment(from.segment)? } else { from };
            return Ok(Batch { next, is_followed: next < end, ..Batch::default() });
        }
        let left = length_bytes.saturating_sub(from.offset);
        let behind = if left > STRETCH_BYTES { Behind::More } else { Behind::Nothing };
        let mut file = File::open(self.shared.folder.path_of(from.segment))?;
        file.seek(SeekFrom::Start(from.offset))?;
        bytes.clear();
        bytes.reserve(STRETCH_BYTES as usize);
        file.take(left.min(STRETCH_BYTES)).read_to_end(bytes)?;
        let scan = frame::scan(bytes, behind, limit);
        let mut batch = Batch { records: Vec::with_capacity(scan.payloads.len()), ..Batch::default() };
        let mut damaged = scan.damaged;
        for payload in scan.payloads {
            match record::read(payload) {
                Ok(record) => batch.records.push(record),
                Err(error) => {
                    tracing::error!(%error, "a journal record with a good checksum cannot be understood");
                    damaged.push(payload);
                }
            }
        }
        batch.damaged_bytes = self.put_aside(from.segment, &damaged);
        let consumed = u64::try_from(scan.consumed).unwrap_or(u64::MAX);
        batch.next = Position { offset: from.offset.saturating_add(consumed), ..from };
        batch.is_followed = batch.next < end;
        Ok(batch)
    }

    /// The first place there is.
    pub(crate) fn begin(&self) -> io::Result<Position> {
        self.next_segment(0)
    }

    /// How many bytes are booked from `from` on.
    pub(crate) fn bytes_after(&self, from: Position) -> io::Result<u64> {
        let end = self.end();
        let mut bytes = 0_u64;
        for segment in self.shared.folder.segments()? {
            if segment >= from.segment && segment <= end.segment {
                let passed = if segment == from.segment { from.offset } else { 0 };
                bytes = bytes.saturating_add(self.length_bytes(segment, end)?.saturating_sub(passed));
            }
        }
        Ok(bytes)
    }

    /// Deletes the segments before `segment`: what they hold is elsewhere. None of them is being written.
    pub(crate) fn forget_before(&self, segment: u64) -> io::Result<()> {
        let end = self.end().segment;
        for old in self.shared.folder.segments()?.into_iter().filter(|old| *old < segment.min(end)) {
            std::fs::remove_file(self.shared.folder.path_of(old))?;
        }
        Ok(())
    }

    fn length_bytes(&self, segment: u64, end: Position) -> io::Result<u64> {
        if segment == end.segment {
            return Ok(end.offset);
        }
        Ok(self.shared.folder.path_of(segment).metadata()?.len())
    }

    fn next_segment(&self, segment: u64) -> io::Result<Position> {
        let end = self.end().segment;
        let next = self.shared.folder.segments()?.into_iter().find(|next| *next > segment).unwrap_or(end);
        Ok(Position { segment: next, offset: 0 })
    }

    fn put_aside(&self, segment: u64, damaged: &[&[u8]]) -> u64 {
        let damaged = damaged.concat();
        let bytes = u64::try_from(damaged.len()).unwrap_or(u64::MAX);
        if bytes > 0 {
            match self.shared.folder.keep_damaged(segment, &damaged) {
                Ok(path) => {
                    tracing::warn!(segment, bytes, path = %path.display(), "journal bytes are no record")
                }
                Err(error) => tracing::warn!(segment, bytes, %error, "journal bytes are no record, nor kept"),
            }
        }
        bytes
    }
}
