//! An output that may break: what cannot be written is counted as lost, and never an error.
//!
//! Call `write_all` with whole lines. After a line that was cut short the next one begins on a line of its own.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(super) struct Output<W> {
    writer: W,
    lost: Arc<AtomicU64>,
    is_torn: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, lost: Arc::default(), is_torn: false }
    }

    /// The number of lines lost so far; it goes on counting.
    pub(super) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    /// Writes all it can and says whether that was everything.
    fn push(&mut self, mut rest: &[u8]) -> bool {
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(written @ 1..) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return false,
            }
        }
        true
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_written = (!self.is_torn || self.push(b"\n")) && self.push(line);
        if !is_written {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _lost_already = self.writer.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what its script allows, call by call; `None` is an error.
    struct Scripted {
        script: Vec<Option<usize>>,
        taken: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let step = if self.script.is_empty() { Some(usize::MAX) } else { self.script.remove(0) };
            let count = step.ok_or(io::ErrorKind::StorageFull)?.min(bytes.len());
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_broken_output_loses_whole_lines_and_counts_them() {
        for (script, expected, lost) in [
            (vec![], "one\ntwo\n", 0),
            (vec![Some(2), Some(1)], "one\ntwo\n", 0),
            (vec![None], "two\n", 1),
            (vec![Some(0)], "two\n", 1),
            (vec![Some(2), None], "on\ntwo\n", 1),
            (vec![Some(2), None, None], "on", 2),
            (vec![None, None], "", 2),
        ] {
            let shown = format!("{script:?}");
            let mut output = Output::new(Scripted { script, taken: Vec::new() });
            output.write_all(b"one\n").unwrap();
            output.write_all(b"two\n").unwrap();
            output.flush().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.writer.taken), expected, "{shown}");
            assert_eq!(output.lost().load(Ordering::Relaxed), lost, "{shown}");
        }
    }
}
