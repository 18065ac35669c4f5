//! The ledger's archive: segments of JSON lines in a folder, each naming the digest of the one before.
//!
//! A segment is whole and synced under its name before its rows leave the database; a stop in between leaves a file
//! that the next try writes again. The first line of a file says what it is, each other one is an attempt.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    error::StoreError,
    exec::Store,
    repo::usage::archive::{self, Line, Picked, Segment},
};

/// What every file says of itself.
const FORMAT: &str = "nexus usage archive 1";

/// Why nothing was archived, or a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("`{path}` cannot be written or read")]
    File { path: PathBuf, source: io::Error },
    #[error("`{0}` is no segment of an archive, or not all of one")]
    Damaged(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    seq: i64,
    /// The digest of the segment before; empty of the first.
    previous_sha256: String,
    attempts: usize,
}

/// Moves the oldest rows whose ids were made before this moment into the archive, one segment. Says how many went;
/// 0 is the end.
pub fn step(store: &Store, folder: &Path, before_ms: i64, now_ms: i64) -> Result<u64, ArchiveError> {
    let Some(picked) = store.read_blocking(|conn| archive::pick(conn, before_ms))? else { return Ok(0) };
    let (file, sha256) = write(folder, &picked)?;
    let Some(segment) = archive::segment(&picked, file, sha256, now_ms) else { return Ok(0) };
    let is_taken = store.write_blocking(|conn| archive::take(conn, &picked, &segment))?;
    // rows that were corrected meanwhile are picked again
    Ok(if is_taken { u64::try_from(picked.lines.len()).unwrap_or(u64::MAX) } else { 0 })
}

/// Writes a segment and gives back its name and its digest.
fn write(folder: &Path, picked: &Picked) -> Result<(String, String), ArchiveError> {
    let name = format!("usage-{:08}-day-{}.jsonl", picked.seq, picked.day);
    let (path, half) = (folder.join(&name), folder.join(format!("{name}.part")));
    let problem = |source| ArchiveError::File { path: path.clone(), source };
    let head = Head {
        format: FORMAT.to_owned(),
        seq: picked.seq,
        previous_sha256: picked.previous.clone(),
        attempts: picked.lines.len(),
    };
    let mut bytes = serde_json::to_vec(&head).map_err(|error| problem(error.into()))?;
    for line in &picked.lines {
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, line).map_err(|error| problem(error.into()))?;
    }
    bytes.push(b'\n');
    let lay = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        File::open(folder)?.sync_all()
    };
    lay().map_err(problem)?;
    Ok((name, hex(&Sha256::digest(&bytes))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the files are what the database says they are, each naming the one before: the names of those that are not.
pub fn check(folder: &Path, segments: &[Segment]) -> Vec<String> {
    let mut damaged = Vec::new();
    let mut previous = "";
    for segment in segments {
        let path = folder.join(&segment.file);
        let is_right = digest(&path).is_ok_and(|digest| digest == segment.sha256)
            && head(&path).is_ok_and(|(head, _)| {
                head.seq == segment.seq
                    && head.previous_sha256 == previous
                    && i64::try_from(head.attempts) == Ok(segment.attempts)
            });
        if !is_right {
            damaged.push(segment.file.clone());
        }
        previous = &segment.sha256;
    }
    damaged
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut digest) = (File::open(path)?, Sha256::new());
    let mut part = vec![0; 64 * 1024];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&digest.finalize())),
            length => digest.update(part.get(..length).unwrap_or_default()),
        }
    }
}

/// What the file says of itself, and its lines.
fn head(path: &Path) -> Result<(Head, BufReader<File>), ArchiveError> {
    let problem = |source| ArchiveError::File { path: path.to_owned(), source };
    let mut lines = BufReader::new(File::open(path).map_err(problem)?);
    let mut first = String::new();
    lines.read_line(&mut first).map_err(problem)?;
    let head: Head = serde_json::from_str(&first).map_err(|_| ArchiveError::Damaged(path.to_owned()))?;
    if head.format != FORMAT {
        return Err(ArchiveError::Damaged(path.to_owned()));
    }
    Ok((head, lines))
}

/// Calls with every attempt of a segment, in the order of their ids.
pub(crate) fn each(folder: &Path, segment: &Segment, mut take: impl FnMut(Line)) -> Result<(), ArchiveError> {
    let path = folder.join(&segment.file);
    let (head, lines) = head(&path)?;
    let mut count = 0_usize;
    for line in lines.lines() {
        let line = line.map_err(|source| ArchiveError::File { path: path.clone(), source })?;
        take(serde_json::from_str(&line).map_err(|_| ArchiveError::Damaged(path.clone()))?);
        count = count.saturating_add(1);
    }
    if count == head.attempts { Ok(()) } else { Err(ArchiveError::Damaged(path)) }
}

#[cfg(test)]
mod tests;
