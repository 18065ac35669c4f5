//! What this node has spent of its parts of quotas, in a file that outlives the process.
//!
//! A number is written before it is acted on, so what a dead process left says no less than it spent; its successor in
//! the same folder gives the rest back. Numbers are in the kernel's hands at once, which a killed process does not
//! lose and a machine that stops does: what is left from before the machine was started is not believed.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use nexus_core::{
    id::Uuid,
    lease::{Ask, NodeId},
    quota::{Asked, Spent},
};
use nexus_engine::sharing::Spending;
use nexus_keystore::shared_state::SharedState;

/// In front of a file, so that another form can follow.
const FORM: &[u8; 8] = b"spent1\n\0";
/// The form, and which start of the machine it is of.
const HEAD_BYTES: usize = 64;
/// A name, a part's begin and end, and how much is spent.
const ROW_BYTES: usize = 48;
const NAME_BYTES: usize = 24;
const AMOUNT_AT: usize = 40;
/// Rows of one process at most; what is spent beyond them is not given back.
const ROWS_MAX: u64 = 20_000;
const PREFIX: &str = "spent-";

/// The file of this process.
pub struct SpentFile {
    path: PathBuf,
    file: File,
    shared: Arc<SharedState>,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// By what a quota is called, and by part: the row's number, and when the part is out of every window.
    known: HashMap<(Box<str>, i64), (u64, i64)>,
    /// The first number that was never given out.
    next: u64,
    /// Numbers of rows whose parts are out of every window.
    free: Vec<u64>,
    /// Something could not be written, so nothing is to be believed.
    is_broken: bool,
}

impl SpentFile {
    /// Begins the file of a node in its folder.
    pub fn begin(folder: &Path, node: NodeId, shared: Arc<SharedState>) -> io::Result<Self> {
        let path = folder.join(format!("{PREFIX}{node}"));
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
        file.write_all_at(&head()?, 0)?;
        Ok(Self { path, file, shared, rows: Mutex::default() })
    }

    /// All is given back: there is nothing to be said any more.
    pub fn end(&self) {
        let _gone_already = fs::remove_file(&self.path);
    }

    fn write(&self, rows: &mut Rows, thing: &str, spent: &Spent) -> io::Result<()> {
        let known = (thing.into(), spent.part_ms);
        let row_at =
            |number: u64| (HEAD_BYTES as u64).saturating_add(number.saturating_mul(ROW_BYTES as u64));
        if let Some((number, _)) = rows.known.get(&known) {
            let at = row_at(*number).saturating_add(AMOUNT_AT as u64);
            return self.file.write_all_at(&spent.amount.to_le_bytes(), at);
        }
        let Some(number) = rows.number(spent.part_ms) else { return Ok(()) };
        let name = self.shared.name(thing);
        let mut row = name.into_bytes();
        row.resize(NAME_BYTES, 0);
        row.extend(spent.part_ms.to_le_bytes());
        row.extend(spent.gone_ms.to_le_bytes());
        row.extend(spent.amount.to_le_bytes());
        rows.known.insert(known, (number, spent.gone_ms));
        self.file.write_all_at(&row, row_at(number))
    }
}

impl Rows {
    /// Where there is room for a part that begins then.
    fn number(&mut self, part_ms: i64) -> Option<u64> {
        if self.next < ROWS_MAX {
            let number = self.next;
            self.next = number.saturating_add(1);
            return Some(number);
        }
        if self.free.is_empty() {
            let gone = self.known.extract_if(|_, (_, gone_ms)| *gone_ms <= part_ms);
            self.free = gone.map(|(_, (number, _))| number).collect();
        }
        self.free.pop()
    }
}

impl fmt::Debug for SpentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpentFile").field(&self.path).finish()
    }
}

impl Spending for SpentFile {
    fn note(&self, thing: &str, spent: &Spent) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.is_broken {
            return;
        }
        if let Err(error) = self.write(&mut rows, thing, spent) {
            rows.is_broken = true;
            self.end();
            tracing::error!(%error, "what is spent of shared quotas cannot be written down; a successor gives nothing back");
        }
    }
}

/// The form, and this start of the machine.
fn head() -> io::Result<Vec<u8>> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let mut head = [FORM.as_slice(), boot.trim().as_bytes()].concat();
    head.resize(HEAD_BYTES, 0);
    Ok(head)
}

/// What a process left that was not ended in order.
#[derive(Debug)]
pub struct Left {
    path: PathBuf,
    /// By the names they stand under where they are kept.
    pub asks: Vec<(String, Asked)>,
}

impl Left {
    /// All that was left in a folder. What is not believed is taken away.
    pub fn find(folder: &Path) -> io::Result<Vec<Self>> {
        let head = head()?;
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(node) = name.strip_prefix(PREFIX).and_then(|node| u64::from_str_radix(node, 16).ok())
            else {
                continue;
            };
            let bytes = fs::read(&path)?;
            match bytes.split_at_checked(HEAD_BYTES) {
                Some((its_head, rows)) if its_head == head => {
                    let asks =
                        rows.chunks_exact(ROW_BYTES).filter_map(|row| asked(row, NodeId(node))).collect();
                    all.push(Self { path, asks });
                }
                _ => fs::remove_file(&path)?,
            }
        }
        Ok(all)
    }

    /// It was given back.
    pub fn end(self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}

/// The dead node's last word: it has what it spent, and no more.
fn asked(row: &[u8], node: NodeId) -> Option<(String, Asked)> {
    let (name, numbers) = row.split_at_checked(NAME_BYTES)?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0').to_owned();
    let mut numbers = numbers.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
    let (part_ms, gone_ms) = (i64::from_le_bytes(numbers.next()?), i64::from_le_bytes(numbers.next()?));
    let spent = u64::from_le_bytes(numbers.next()?);
    let ask = Ask {
        node,
        part_ms,
        since_ms: part_ms,
        gone_ms,
        limit: u64::MAX,
        has: spent,
        knows: 0,
        tells: false,
        used: spent,
        want: spent,
        is_held: false,
    };
    Some((name, Asked { quota: Uuid::nil(), ask }))
}

#[cfg(test)]
mod tests {
    use nexus_keystore::root::RootSecret;

    use super::*;

    const NODE: NodeId = NodeId(0xab);

    fn shared() -> Arc<SharedState> {
        let root = RootSecret::from_text("a root for the tests, 32 bytes or more").ok().unwrap();
        Arc::new(SharedState::new(&root).ok().unwrap())
    }

    fn spent(part_ms: i64, amount: u64) -> Spent {
        Spent { quota: Uuid::nil(), part_ms, gone_ms: part_ms + 10, amount }
    }

    /// What is found: the quota's name, its part and how much is spent.
    fn found(folder: &Path) -> Vec<(String, i64, u64)> {
        let left = Left::find(folder).unwrap();
        let rows = left.iter().flat_map(|left| &left.asks);
        rows.map(|(name, Asked { ask, .. })| {
            assert_eq!(
                (ask.node, ask.gone_ms, ask.want, ask.used),
                (NODE, ask.part_ms + 10, ask.has, ask.has)
            );
            (name.clone(), ask.part_ms, ask.has)
        })
        .collect()
    }

    #[test]
    fn what_a_process_left_says_what_it_spent_and_what_ended_in_order_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = SpentFile::begin(folder.path(), NODE, shared()).unwrap();
        for (thing, part_ms, amount) in [("a", 0, 3), ("b", 0, 7), ("a", 20, 1), ("a", 0, 5)] {
            file.note(thing, &spent(part_ms, amount));
        }
        let name = |thing| shared().name(thing);
        let expected = [(name("a"), 0, 5), (name("b"), 0, 7), (name("a"), 20, 1)];
        assert_eq!(found(folder.path()), expected);
        for left in Left::find(folder.path()).unwrap() {
            left.end();
        }
        assert!(found(folder.path()).is_empty());
        let file = SpentFile::begin(folder.path(), NODE, shared()).unwrap();
        file.note("a", &spent(0, 1));
        file.end();
        assert!(found(folder.path()).is_empty());
    }

    #[test]
    fn what_is_of_another_start_of_the_machine_or_no_such_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let file = SpentFile::begin(folder.path(), NODE, shared()).unwrap();
        file.note("a", &spent(0, 1));
        let mut bytes = fs::read(&file.path).unwrap();
        bytes[FORM.len()] ^= 1;
        for text in [bytes.as_slice(), b"", b"spent1"] {
            fs::write(&file.path, text).unwrap();
            assert!(found(folder.path()).is_empty() && !file.path.exists(), "{text:?}");
        }
    }

    #[test]
    fn a_row_is_used_again_when_its_part_is_out_of_every_window() {
        let mut rows = Rows { next: ROWS_MAX, ..Rows::default() };
        rows.known.insert(("a".into(), 0), (7, 10));
        assert_eq!((rows.number(9), rows.number(10), rows.number(10)), (None, Some(7), None));
    }
}
