//! Turning under a squeezed clock: every row opens at every step, whoever reads, seals or dies meanwhile.

mod steps;

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use nexus_core::{
    endpoint::Template,
    id::{CredentialId, ProviderId, Uuid},
};
use nexus_keystore::{
    keyring::{KEY_LIFE_MS, RETIREMENT_MS},
    root::RootSecret,
    secret::Secret,
    vault::Vault,
};
use nexus_store::{
    migrate,
    repo::{
        Changed,
        audit::Verdict,
        credential::{Change, Credential, SealedSecret},
        provider::{self, StoredProvider},
        setting,
    },
};
use tempfile::TempDir;

use super::{
    root::{CannotMove, Moved, move_root},
    *,
};
use crate::{boot, reload::credential_place};

const START_MS: i64 = 1_800_000_000_000;
const OURS: &str = "a root for the tests, 32 bytes or more";
const OTHER: &str = "another root for the tests, as long";
const DAY_MS: i64 = 86_400_000;

/// A clock that moves only when a test moves it.
struct Hands(AtomicI64);

impl Hands {
    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        0
    }
}

fn root(text: &str) -> RootSecret {
    RootSecret::from_text(text).unwrap_or_else(|weak| panic!("{weak}"))
}

/// A database with one provider, and the time.
struct Site {
    folder: TempDir,
    store: Store,
    hands: Arc<Hands>,
}

/// One node of it: its own vault.
struct Node {
    vault: Arc<Vault>,
    rotation: Rotation,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/nexus.db", folder.path().display())).unwrap();
        migrate::run(&store).unwrap();
        let row = StoredProvider {
            id: PROVIDER,
            name: "one".into(),
            kind: "custom".into(),
            endpoint: Template::parse("https://one.example/v1").unwrap(),
            options: Default::default(),
            weight: 1,
            rate_limit: None,
            token_limit: None,
            max_concurrent: None,
            allow_private_network: false,
            is_active: true,
            created_at_ms: START_MS,
            updated_at_ms: START_MS,
            version: 1,
        };
        store.write_blocking(|conn| provider::create(conn, &row)).unwrap();
        Self { folder, store, hands: Arc::new(Hands(AtomicI64::new(START_MS))) }
    }

    /// Starts a node, as a restart after a `kill -9` does too.
    fn node(&self, root_text: &str) -> Node {
        let vault = Arc::new(Vault::new(&root(root_text)).unwrap());
        boot::check_root(&self.store, &vault).unwrap();
        let ring = Arc::new(Ring::new(Arc::clone(&vault)));
        Node { vault, rotation: Rotation::new(self.store.clone(), ring, self.hands.clone()) }
    }

    fn plant(&self, vault: &Vault, number: u128) {
        let id = CredentialId(Uuid::from_u128(number));
        let row = Credential {
            id,
            provider: PROVIDER,
            name: number.to_string(),
            secret: sealed(vault, id, 0),
            weight: 1,
            rate_limit: None,
            is_active: true,
            created_at_ms: START_MS,
            updated_at_ms: START_MS,
            version: 1,
        };
        self.store.write_blocking(|conn| credential::create(conn, &row)).unwrap();
    }

    fn credentials(&self) -> Vec<Credential> {
        self.store.read_blocking(|conn| credential::sealed_under_other_than(conn, "", u32::MAX)).unwrap()
    }

    fn keys(&self) -> Vec<DataKey> {
        self.store.read_blocking(data_key::list).unwrap()
    }

    /// Every row opens in this vault and says what it said.
    fn all_open(&self, vault: &Vault) {
        for Credential { id, secret, .. } in self.credentials() {
            assert!(opens(vault, id, &secret), "{id} under {:?}", vault.version_of(&secret.sealed.0));
        }
    }

    fn versions(&self) -> HashSet<String> {
        let version = |row: Credential| row.secret.sealed.0.split('.').nth(1).unwrap().to_owned();
        self.credentials().into_iter().map(version).collect()
    }
}

const PROVIDER: ProviderId = ProviderId(Uuid::from_u128(1));

fn plain(id: CredentialId, generation: i64) -> String {
    format!("sk-canary-{id}-{generation}")
}

fn sealed(vault: &Vault, id: CredentialId, generation: i64) -> SealedSecret {
    let secret = Secret::new(plain(id, generation));
    let text = vault.seal(&secret, credential_place(id, generation)).unwrap().into_text();
    SealedSecret {
        sealed: SealedText(text),
        generation,
        last_four: String::new(),
        fingerprint: String::new(),
    }
}

fn opens(vault: &Vault, id: CredentialId, secret: &SealedSecret) -> bool {
    vault
        .open(&secret.sealed.0, credential_place(id, secret.generation))
        .is_ok_and(|opened| opened.expose() == plain(id, secret.generation))
}

/// Threads that open and seal while the keys turn over. No work of theirs takes longer than a turn, as none
/// takes an hour.
struct Load<'a> {
    site: &'a Site,
    vault: &'a Vault,
    epoch: AtomicU64,
    is_over: AtomicBool,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Load<'_> {
    fn work(&self, id: CredentialId, reached: &AtomicU64) {
        while !self.is_over.load(Ordering::SeqCst) {
            let epoch = self.epoch.load(Ordering::SeqCst);
            let row = self.site.store.read_blocking(|conn| credential::show(conn, id)).unwrap().unwrap();
            let is_open = opens(self.vault, id, &row.secret);
            let next = sealed(self.vault, id, row.secret.generation + 1);
            let is_next_open = opens(self.vault, id, &next);
            let change = Change { secret: Some(next), ..Change::default() };
            let update =
                |conn: &mut AnyConnection| credential::update(conn, id, &change, row.version, START_MS);
            let changed = patiently(|| self.site.store.write_blocking(update));
            let is_changed = matches!(changed, Changed::Now(_));
            self.failed.fetch_add(u64::from(!(is_open && is_next_open && is_changed)), Ordering::SeqCst);
            self.done.fetch_add(1, Ordering::SeqCst);
            reached.store(epoch, Ordering::SeqCst);
        }
    }
}

/// Until it succeeds: a loaded machine may keep the one writer longer than the store waits.
fn patiently<T, E: std::fmt::Display>(mut work: impl FnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match work() {
            Ok(value) => return value,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
    }
}

#[test]
fn two_hundred_hours_under_load_leave_few_keys_and_every_row_open() {
    let site = Site::new();
    let mut node = site.node(OURS);
    let vault = Arc::clone(&node.vault);
    for number in 1..=60 {
        site.plant(&vault, number);
    }
    node.rotation.turn().unwrap();
    let load = Load {
        site: &site,
        vault: &vault,
        epoch: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    };
    let reached: Vec<AtomicU64> = (0..3).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for (number, reached) in (1..).zip(&reached) {
            let load = &load;
            scope.spawn(move || load.work(CredentialId(Uuid::from_u128(number)), reached));
        }
        for epoch in 1..=200 {
            site.hands.advance(KEY_LIFE_MS);
            patiently(|| node.rotation.turn());
            load.epoch.store(epoch + 1, Ordering::SeqCst);
            while reached.iter().any(|reached| reached.load(Ordering::SeqCst) <= epoch) {
                std::thread::yield_now();
                assert_eq!(load.failed.load(Ordering::SeqCst), 0, "a row did not open");
            }
        }
        load.is_over.store(true, Ordering::SeqCst);
    });
    for passed_ms in [KEY_LIFE_MS, RETIREMENT_MS, RETIREMENT_MS] {
        site.hands.advance(passed_ms);
        node.rotation.turn().unwrap();
    }
    assert!(load.done.load(Ordering::SeqCst) >= 600);
    assert_eq!(load.failed.load(Ordering::SeqCst), 0);
    assert_eq!(site.keys().len(), 1, "{:?}", site.keys());
    assert_eq!(site.versions(), [vault.current_version()].into());
    site.all_open(&vault);
    site.all_open(&site.node(OURS).vault);
    let verdict = site.store.read_blocking(|conn| audit::verify(conn, &[])).unwrap();
    assert!(matches!(verdict, Verdict::Whole { rows, .. } if rows > 400), "{verdict:?}");
}

#[test]
fn a_node_killed_after_any_step_leaves_every_row_open() {
    type Step = fn(&mut Rotation, i64);
    let steps: [Step; 4] = [
        |rotation, now_ms| assert_eq!(rotation.make_key(now_ms).unwrap(), Root::Ours),
        |rotation, _| assert!(rotation.reseal_batch(&mut HashSet::new()).unwrap()),
        |rotation, _| rotation.reseal().unwrap(),
        |rotation, now_ms| rotation.destroy(now_ms).unwrap(),
    ];
    for killed_after in 0..=steps.len() {
        let site = Site::new();
        let mut node = site.node(OURS);
        node.rotation.turn().unwrap();
        for number in 1..=60 {
            site.plant(&node.vault, number);
        }
        site.hands.advance(KEY_LIFE_MS);
        for step in &steps[..killed_after] {
            step(&mut node.rotation, site.hands.unix_ms());
            site.all_open(&node.vault);
        }
        // another node goes on beside the one that hangs there, with the data keys it finds
        let mut next = site.node(OURS);
        site.all_open(&next.vault);
        for _ in 0..3 {
            site.hands.advance(KEY_LIFE_MS);
            next.rotation.turn().unwrap();
            site.all_open(&next.vault);
        }
        assert_eq!(site.versions(), [next.vault.current_version()].into(), "after {killed_after} steps");
        assert!(site.keys().len() <= 3, "after {killed_after} steps: {:?}", site.keys());
        node.rotation.turn().unwrap();
        assert_eq!(site.versions(), [next.vault.current_version()].into(), "it does not seal back");
        site.all_open(&node.vault);
    }
}

#[test]
fn between_two_looks_a_turn_asks_only_the_clock() {
    let site = Site::new();
    let mut node = site.node(OURS);
    node.rotation.turn().unwrap();
    let first = site.keys();
    site.store.write_blocking(|conn| data_key::retire(conn, &first[0].id, START_MS)).unwrap();
    site.hands.advance(59_999);
    node.rotation.turn().unwrap();
    assert_eq!(site.keys().len(), 1);
    site.hands.advance(1);
    node.rotation.turn().unwrap();
    assert_eq!(site.keys().len(), 2, "no key was in use, so one was made");
    site.hands.advance(-2 * KEY_LIFE_MS);
    node.rotation.turn().unwrap();
    assert_eq!(site.keys().len(), 3, "a clock that was set back stops nothing");
}

#[test]
fn what_is_sealed_under_a_key_keeps_it() {
    let site = Site::new();
    let mut node = site.node(OURS);
    node.rotation.turn().unwrap();
    let first = node.vault.current_version();
    site.plant(&node.vault, 1);
    site.plant(&node.vault, 2);
    let id = "ab".repeat(32);
    let kept = SealedText(format!("v2.{first}.answer"));
    site.store
        .write_blocking(|conn| {
            idempotency::begin(conn, &id, "h", START_MS, START_MS + DAY_MS)?;
            idempotency::finish(conn, &id, 201, &kept)?;
            // one that was altered does not open, and holds nobody up
            let damaged = SealedText(format!("v2.{first}.AAAA"));
            let row = credential::show(conn, CredentialId(Uuid::from_u128(1)))?.unwrap();
            credential::reseal(conn, row.id, &row.secret.sealed, &damaged).map(drop)
        })
        .unwrap();
    let hour = |node: &mut Node| {
        site.hands.advance(KEY_LIFE_MS);
        node.rotation.turn().unwrap();
        site.keys().iter().any(|key| key.id == first)
    };
    assert_eq!([hour(&mut node), hour(&mut node)], [true; 2]);
    let second = CredentialId(Uuid::from_u128(2));
    let row = site.store.read_blocking(|conn| credential::show(conn, second)).unwrap().unwrap();
    assert_eq!(node.vault.version_of(&row.secret.sealed.0), Some(&*node.vault.current_version()));
    let damaged = CredentialId(Uuid::from_u128(1));
    site.store.write_blocking(|conn| credential::delete(conn, damaged)).unwrap();
    assert!(hour(&mut node), "the answer is sealed under it");
    site.store.write_blocking(|conn| idempotency::purge(conn, START_MS + DAY_MS)).unwrap();
    assert!(hour(&mut node), "whoever read it at the last look may still open it");
    assert!(!hour(&mut node));
}

#[test]
fn a_root_moves_under_a_running_node_and_neither_works_against_the_other() {
    let site = Site::new();
    let mut old = site.node(OURS);
    site.plant(&old.vault, 1);
    assert_eq!(site.versions(), [root::ROOT_VERSION.to_owned()].into());
    let moved = move_root(&site.store, &root(OURS), &root(OTHER), site.hands.clone()).unwrap();
    assert_eq!(moved, Moved::Now { data_keys: 1 });
    let again = move_root(&site.store, &root(OURS), &root(OTHER), site.hands.clone()).unwrap();
    assert_eq!(again, Moved::Before);

    // the running one had not seen any data key; one that had goes on with those it has
    let late = Vault::new(&root(OURS)).unwrap();
    assert!(boot::check_root(&site.store, &late).is_err());
    old.rotation.turn().unwrap();
    assert_eq!(old.vault.current_version(), root::ROOT_VERSION, "it takes none of the other root's keys");
    assert_eq!(site.keys().len(), 1, "and makes none");

    let mut new = site.node(OTHER);
    site.all_open(&new.vault);
    new.rotation.turn().unwrap();
    let moved = move_root(&site.store, &root(OTHER), &root(OURS), site.hands.clone()).unwrap();
    assert_eq!(moved, Moved::Now { data_keys: 1 });
    let before = new.vault.current_version();
    site.plant(&new.vault, 2);
    let mut restarted = site.node(OURS);
    for hour in 1..=23 {
        site.hands.advance(KEY_LIFE_MS);
        restarted.rotation.turn().unwrap();
        new.rotation.turn().unwrap();
        assert_eq!(new.vault.current_version(), before);
        assert_eq!(site.versions(), [restarted.vault.current_version()].into(), "in hour {hour}");
        // what it still seals under its own key is readable all day
        let number = 100 + u128::try_from(hour).unwrap();
        site.plant(&new.vault, number);
        site.all_open(&restarted.vault);
    }
    site.hands.advance(DAY_MS);
    for _ in 0..3 {
        site.hands.advance(KEY_LIFE_MS);
        restarted.rotation.turn().unwrap();
    }
    assert!(site.keys().len() <= 3, "{:?}", site.keys());
    site.all_open(&restarted.vault);
}

#[test]
fn a_root_that_cannot_be_moved_whole_is_not_moved() {
    let site = Site::new();
    let node = site.node(OURS);
    site.plant(&node.vault, 1);
    let check = || site.store.read_blocking(|conn| setting::find(conn, boot::ROOT_CHECK)).unwrap();
    let before = check();
    let refuse = |from: &str, to: &str| {
        let refused = move_root(&site.store, &root(from), &root(to), site.hands.clone()).unwrap_err();
        assert_eq!(check(), before);
        refused
    };
    assert!(matches!(refuse(OURS, OURS), CannotMove::Same));
    assert!(matches!(refuse(OTHER, "a third root for the tests, as long too"), CannotMove::WrongRoot));
    let shut = SealedText("v2.root-1.AAAA".into());
    let row = site.credentials().remove(0);
    site.store.write_blocking(|conn| credential::reseal(conn, row.id, &row.secret.sealed, &shut)).unwrap();
    assert!(matches!(refuse(OURS, OTHER), CannotMove::Credential));
    let keys = site.keys();
    site.store
        .write_blocking(|conn| {
            credential::delete(conn, row.id)?;
            let twin = DataKey { id: "d1-00000000".into(), retired_at_ms: Some(1), ..keys[0].clone() };
            data_key::insert(conn, &twin)
        })
        .unwrap();
    let refused = refuse(OURS, OTHER).to_string();
    assert!(refused.contains("`d1-00000000`"), "{refused}");
}

#[test]
fn no_plaintext_is_in_any_file_after_the_keys_turned_over() {
    let site = Site::new();
    let mut node = site.node(OURS);
    for number in 1..=3 {
        site.plant(&node.vault, number);
        site.hands.advance(KEY_LIFE_MS);
        node.rotation.turn().unwrap();
    }
    move_root(&site.store, &root(OURS), &root(OTHER), site.hands.clone()).unwrap();
    for entry in std::fs::read_dir(site.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"sk-canary"));
    }
}
