//! The oracle: what the mock really served, one line an answer, against which a gateway's bills are checked.
//!
//! A line is written before the last byte of its answer leaves: whoever saw an answer finish finds it here. An answer without a completion id (an error, silence) has no line.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The completion id the client saw.
    pub id: String,
    /// The model name as it arrived.
    pub model: String,
    pub stream: bool,
    pub prompt_tokens: u64,
    /// Produced so far: all of them, or those sent before the cut.
    pub completion_tokens: u64,
    /// The mock sent all it had to say; false where a fault or the client cut it short.
    pub finished: bool,
    /// Unix time in milliseconds.
    pub at_ms: u64,
}

/// Keeps the last lines in memory and appends each to a file, where one is named.
#[derive(Debug)]
pub(crate) struct Oracle {
    keep: usize,
    kept: Mutex<VecDeque<Served>>,
    file: Option<File>,
}

impl Oracle {
    /// # Errors
    /// The file cannot be opened for appending.
    pub(crate) fn open(file: Option<&Path>, keep: usize) -> io::Result<Self> {
        let append = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { keep, kept: Mutex::default(), file: file.map(append).transpose()? })
    }

    pub(crate) fn is_off(&self) -> bool {
        self.keep == 0 && self.file.is_none()
    }

    /// Writes one line, in one write, so that lines of two answers never mix.
    ///
    /// # Errors
    /// The file cannot be written; the answer must then not finish.
    pub(crate) fn record(&self, served: Served) -> io::Result<()> {
        if let Some(mut file) = self.file.as_ref() {
            let mut line = serde_json::to_vec(&served)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        if self.keep > 0 {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == self.keep {
                kept.pop_front();
            }
            kept.push_back(served);
        }
        Ok(())
    }

    pub(crate) fn kept(&self) -> Vec<Served> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
