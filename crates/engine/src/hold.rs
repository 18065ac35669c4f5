//! What a request holds of the quotas it falls under, from before it is sent until everything is booked.
//!
//! Whoever still has something to book shares the hold; when the last of them drops it, what was not used is
//! free again. So no way out of the pipeline, cancellation included, can keep a budget pinned.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nexus_core::{
    id::{KeyId, TeamId, Uuid},
    lease::{Answer, NodeId},
    principal::Budget,
    quota::{
        Amounts, Asked, Book, Correction, Counted, Counts, Exhausted, Level, Measure, Mode, Names, Needs,
        Owner, Quota, Reservation, ReservationId, Subject, Use, WhenAlone, Window,
    },
    usage::{Bearer, UsageRecord},
};

use crate::{port::Clock, sharing::Spending};

/// Session keys with a budget of their own known at once; one more is refused rather than another forgotten.
const SESSIONS_MAX: usize = 100_000;
/// Sweeps between two rounds in which counters are forgotten that are no longer needed.
const SWEEPS: u32 = 64;

/// What a call falls under.
#[derive(Debug, Default)]
pub struct Claims<'a> {
    pub plain: Vec<&'a Quota>,
    /// Quotas that count names apart, each with a name of the call's.
    pub named: Vec<(&'a Quota, Box<str>)>,
    /// Whose names they are.
    pub team: Option<TeamId>,
}

impl<'a> Claims<'a> {
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.named.is_empty()
    }

    pub fn quotas(&self) -> impl Iterator<Item = &'a Quota> {
        self.plain.iter().copied().chain(self.named.iter().map(|(quota, _)| *quota))
    }

    /// Whether it matters how much is used.
    pub fn counts_use(&self) -> bool {
        self.quotas().any(|quota| matches!(quota.measure, Measure::Tokens | Measure::CostNanoUsd))
    }

    /// A quota for each counter the names have.
    fn apart(&self, names: &mut Names) -> Vec<Quota> {
        let mut apart: Vec<Quota> = Vec::new();
        for (quota, name) in &self.named {
            let id = names.counter(quota.id, self.team, name);
            if apart.iter().all(|other| other.id != id) {
                apart.push(Quota { id, ..(*quota).clone() });
            }
        }
        apart
    }
}

/// One of the counters of a quota that counts names apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub id: Uuid,
    pub team: Option<TeamId>,
    /// `None`: all names for which there was no room.
    pub name: Option<Box<str>>,
    pub level: Level,
}

/// A call under way and how much of a quota it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub reservation: Reservation,
    pub amount: u64,
}

/// The levels of all quotas, shared by all workers. Held for moments only.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Levels>);

#[derive(Debug, Default)]
struct Levels {
    book: Book,
    /// The counters of quotas that count users or tags apart.
    names: Names,
    sweeps: u32,
    /// When session keys with a budget of their own end, Unix seconds, by the quota that is their budget.
    sessions: HashMap<Uuid, u64>,
    /// What session keys had cost when this process began.
    earlier: HashMap<KeyId, u64>,
    spending: Option<Arc<dyn Spending>>,
}

impl Levels {
    /// What was spent is written down before anybody acts on it.
    fn note_spent(&mut self) {
        if let Some(spending) = &self.spending {
            let names = &self.names;
            let spent = self.book.take_spent();
            spent.iter().for_each(|spent| spending.note(&shared_name(names, spent.quota), spent));
        }
    }
}

impl Quotas {
    /// Takes what a call needs from everything it falls under, or from nothing. What it held before is let go either
    /// way.
    pub fn hold(
        self: &Arc<Self>,
        claims: &Claims<'_>,
        needs: Needs,
        growth: Option<Growth>,
        owner: Owner,
        before: Option<&Hold>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Hold>, Exhausted> {
        let mut levels = self.lock();
        let Levels { book, names, .. } = &mut *levels;
        book.tick(clock.monotonic_us());
        before.into_iter().for_each(|before| book.free(before.id));
        let apart = claims.apart(names);
        let quotas = claims.plain.iter().copied().chain(&apart);
        let id = book.reserve(quotas, needs, owner, clock.unix_ms())?;
        levels.note_spent();
        drop(levels);
        let (quotas, clock) = (Arc::clone(self), Arc::clone(clock));
        Ok(Arc::new(Hold { quotas, clock, id, growth }))
    }

    /// Whether all quotas the call falls under would still be half empty with it.
    pub fn is_roomy(&self, claims: &Claims<'_>, needs: Needs, now_ms: i64) -> bool {
        let Levels { book, names, .. } = &mut *self.lock();
        let apart = claims.apart(names);
        claims.plain.iter().copied().chain(&apart).all(|quota| {
            let level = book.level(quota, now_ms);
            let full = level.used.saturating_add(level.reserved).saturating_add(needs.of(quota));
            let is_counted = matches!(quota.measure, Measure::Tokens | Measure::CostNanoUsd);
            !(is_counted && quota.mode.refuses()) || full <= quota.limit / 2
        })
    }

    /// What was counted here of quotas that were not seeded, by the counter.
    pub fn counted(&self, fresh: &[&Quota], now_ms: i64) -> HashMap<Uuid, u64> {
        let Levels { book, names, .. } = &mut *self.lock();
        let counters = fresh.iter().flat_map(|quota| {
            let named = names.of(quota.id).map(|(id, _)| Quota { id, ..(*quota).clone() });
            named.chain([(*quota).clone()]).collect::<Vec<_>>()
        });
        let mut used = |one: Quota| book.knows(one.id).then(|| (one.id, book.used(&one, now_ms)));
        counters.filter_map(&mut used).collect()
    }

    /// What the ledger says was used of quotas that were not seeded yet: their windows begin with it. Of that `counted`
    /// is known by its counters already.
    pub fn seed(&self, fresh: &[&Quota], mut used: Vec<Use>, mut counted: HashMap<Uuid, u64>, now_ms: i64) {
        // where a team has more names than are counted apart, those that used most are
        used.sort_by_key(|one| std::cmp::Reverse(one.amount));
        let Levels { book, names, .. } = &mut *self.lock();
        for quota in fresh {
            book.correct(quota, 0, now_ms, now_ms);
            let mut counter = |one: &Use| match &one.name {
                Some((team, name)) => names.counter(quota.id, *team, name),
                None => quota.id,
            };
            let of_quota = used.iter().filter(|one| one.quota == quota.id);
            let mut of_quota: Vec<(Uuid, &Use)> = of_quota.map(|one| (counter(one), one)).collect();
            // what was counted here was used lately
            of_quota.sort_by_key(|(_, one)| std::cmp::Reverse(one.at_ms));
            for (id, one) in of_quota {
                let known = counted.entry(id).or_default();
                let more = one.amount.saturating_sub(*known);
                *known = known.saturating_sub(one.amount);
                book.seed(&Quota { id, ..(*quota).clone() }, more, one.at_ms, now_ms);
            }
        }
    }

    /// Calls that were settled cost more, or less, than was thought.
    pub fn correct(&self, quotas: &[Quota], corrections: &[Correction], now_ms: i64) {
        let Levels { book, names, sessions, earlier, .. } = &mut *self.lock();
        for correction in corrections {
            let (caller, delta, at_ms) = (correction.caller(), correction.delta_nano_usd, correction.at_ms);
            for quota in quotas {
                if quota.measure != Measure::CostNanoUsd || !quota.is_for(&caller) || !book.knows(quota.id) {
                    continue;
                }
                if !quota.is_by_name() {
                    book.correct(quota, delta, at_ms, now_ms);
                }
                for name in quota.names(&caller) {
                    let id = names.counter(quota.id, correction.team, name);
                    book.correct(&Quota { id, ..quota.clone() }, delta, at_ms, now_ms);
                }
            }
            if sessions.contains_key(&correction.key.0) {
                book.correct(&session_budget(correction.key, 0), delta, at_ms, now_ms);
            } else if let Some(spent) = earlier.get_mut(&correction.key) {
                *spent = spent.saturating_add_signed(delta);
            }
        }
    }

    pub fn knows(&self, quota: &Quota) -> bool {
        self.lock().book.knows(quota.id)
    }

    /// How full a quota is; of one that counts names apart, its fullest counter.
    pub fn level(&self, quota: &Quota, now_ms: i64) -> Level {
        if quota.is_by_name() {
            return self.counters(quota, now_ms).first().map(|counter| counter.level).unwrap_or_default();
        }
        self.lock().book.level(quota, now_ms)
    }

    /// The counters of a quota that counts names apart, the fullest first.
    pub fn counters(&self, quota: &Quota, now_ms: i64) -> Vec<Counter> {
        let Levels { book, names, .. } = &mut *self.lock();
        let mut counters: Vec<_> = names
            .of(quota.id)
            .map(|(id, counted)| Counter {
                id,
                team: counted.team,
                name: counted.name.clone(),
                level: book.level(&Quota { id, ..quota.clone() }, now_ms),
            })
            .collect();
        let fill = |level: Level| level.used.saturating_add(level.reserved);
        counters.sort_by(|one, other| {
            fill(other.level).cmp(&fill(one.level)).then_with(|| one.name.cmp(&other.name))
        });
        counters
    }

    /// Who holds how much of a quota, the oldest first.
    pub fn holders(&self, quota: &Quota) -> Vec<Holder> {
        let Levels { book, names, .. } = &*self.lock();
        let is_of = |id| id == quota.id || names.counted(id).is_some_and(|one| one.quota == quota.id);
        let holders = book.holders(is_of).into_iter();
        holders.map(|(reservation, amount)| Holder { reservation, amount }).collect()
    }

    /// Releases what nobody released in time, forgets quotas there are no more, and says how much was late.
    pub fn sweep(&self, quotas: &[Quota], now_ms: i64) -> usize {
        let now_s = u64::try_from(now_ms.div_euclid(1000)).unwrap_or_default();
        let Levels { book, sessions, names, sweeps, .. } = &mut *self.lock();
        if sweeps.is_multiple_of(SWEEPS) {
            let wanted: HashSet<Uuid> = quotas.iter().map(|quota| quota.id).collect();
            sessions.retain(|_, until_s| *until_s > now_s);
            names.keep(|id, counted| wanted.contains(&counted.quota) && !book.is_idle(id, now_ms));
            book.keep(|id| sessions.contains_key(&id) || wanted.contains(&id) || names.has(id));
        }
        *sweeps = sweeps.wrapping_add(1);
        book.sweep(now_ms)
    }

    /// What session keys have cost so far, by the ledger: what their budgets begin with.
    pub fn seed_sessions(&self, earlier: HashMap<KeyId, u64>) {
        self.lock().earlier = earlier;
    }

    /// The budget a session key bears, as a quota. `None` where too many are known.
    pub fn of_session(&self, key: KeyId, budget: Budget) -> Option<Quota> {
        let quota = session_budget(key, budget.nano_usd);
        let Levels { book, sessions, earlier, .. } = &mut *self.lock();
        if !sessions.contains_key(&key.0) {
            if sessions.len() >= SESSIONS_MAX {
                return None;
            }
            sessions.insert(key.0, budget.until_s);
            book.seed(&quota, earlier.remove(&key).unwrap_or_default(), 0, 0);
        }
        Some(quota)
    }

    /// From now on quotas are shared with other nodes, as this one.
    pub fn share_as(&self, node: NodeId, allows_alone: bool) {
        self.lock().book.share_as(node, allows_alone);
    }

    /// From now on what is spent of shared quotas is written down there.
    pub fn note_in(&self, spending: Arc<dyn Spending>) {
        let mut levels = self.lock();
        levels.book.note_spent();
        levels.spending = Some(spending);
    }

    /// Whether nobody can be asked for more of a quota.
    pub fn stand_alone(&self, is_alone: bool) {
        self.lock().book.stand_alone(is_alone);
    }

    /// Whether what is shared cannot be asked for just now.
    pub fn is_alone(&self) -> bool {
        self.lock().book.is_alone()
    }

    /// What is not needed is given back with the next round, and nothing more is leased ahead.
    pub fn leave(&self) {
        self.lock().book.leave();
    }

    /// The next round: what is to be asked of where shares are kept, each with what the quota or counter is called there.
    pub fn asks(&self, now_ms: i64, now_us: u64) -> (u64, Vec<(String, Asked)>) {
        let Levels { book, names, .. } = &mut *self.lock();
        book.tick(now_us);
        let (round, asks) = book.asks(now_ms);
        (round, asks.into_iter().map(|asked| (shared_name(names, asked.quota), asked)).collect())
    }

    /// The round in which is asked what is found short now.
    pub fn next_round(&self) -> u64 {
        self.lock().book.next_round()
    }

    /// Where shares are kept nothing is known any more: all is to be told again.
    pub fn tell_again(&self) {
        self.lock().book.tell_again();
    }

    /// What came of them, in any order; they were sent at `sent_us`.
    pub fn answered(&self, answers: &[(Asked, Answer)], sent_us: u64, now_us: u64) {
        let book = &mut self.lock().book;
        book.tick(now_us);
        answers.iter().for_each(|(asked, answer)| book.answered(asked, *answer, sent_us));
    }

    /// What has come of sharing so far.
    pub fn counts(&self) -> Counts {
        self.lock().book.counts()
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a quota, or one of the counters of one that counts names apart, is called on every node.
fn shared_name(names: &Names, id: Uuid) -> String {
    match names.counted(id) {
        Some(Counted { quota, team, name }) => {
            let team = team.map(|team| team.to_string()).unwrap_or_default();
            format!("{quota}/{team}/{}", name.as_deref().map(|name| format!("={name}")).unwrap_or_default())
        }
        None => id.to_string(),
    }
}

fn session_budget(key: KeyId, limit: u64) -> Quota {
    Quota {
        id: key.0,
        name: "session key".into(),
        subject: Subject::Key(key),
        measure: Measure::CostNanoUsd,
        window: Window::Total,
        limit,
        mode: Mode::Hard,
        when_alone: WhenAlone::Node,
    }
}

/// What a stream that may be ended early needs, from its first piece to its longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub needs: Needs,
    /// The output tokens that are held for at first, and at most.
    pub first: u64,
    pub most: u64,
    pub choices: u64,
}

impl Growth {
    /// Output tokens that are held for at a time, of each choice.
    pub const PIECE: u64 = 256;

    /// Of so many at most.
    pub fn first(most: u64, choices: u64) -> u64 {
        most.min(Self::PIECE.saturating_mul(choices))
    }

    /// What so much output needs. Between the first piece and the longest the dearest target costs at most what
    /// lies on the straight line.
    pub fn at(&self, output_tokens: u64) -> Amounts {
        let (first, most) = (self.needs.first, self.needs.most);
        let beyond = u128::from(output_tokens.min(self.most).saturating_sub(self.first));
        let length = u128::from(self.most.saturating_sub(self.first)).max(1);
        let between = |first: u64, most: u64| {
            let more = u128::from(most.saturating_sub(first)) * beyond;
            first.saturating_add(u64::try_from(more.div_ceil(length)).unwrap_or(u64::MAX))
        };
        Amounts {
            tokens: between(first.tokens, most.tokens),
            cost_nano_usd: between(first.cost_nano_usd, most.cost_nano_usd),
        }
    }
}

/// What one request holds.
pub struct Hold {
    quotas: Arc<Quotas>,
    clock: Arc<dyn Clock>,
    id: ReservationId,
    growth: Option<Growth>,
}

impl Hold {
    /// How a stream's hold grows, where it does.
    pub fn growth(&self) -> Option<Growth> {
        self.growth
    }

    /// A stream is about to have so much output in all; where there is no room for it, the name of a quota.
    pub fn grow(&self, output_tokens: u64) -> Result<(), Box<str>> {
        let Some(growth) = self.growth else { return Ok(()) };
        let mut levels = self.quotas.lock();
        let grown = levels.book.grow(self.id, growth.at(output_tokens), self.clock.unix_ms());
        levels.note_spent();
        grown
    }

    /// Nothing is held any more; what is used after this counts all the same.
    pub fn let_go(&self) {
        self.quotas.lock().book.free(self.id);
    }

    /// An attempt has been booked: what the caller bears of it is used up.
    pub fn settle(&self, record: &UsageRecord) {
        if record.bearer() == Bearer::Team {
            let used = Amounts { tokens: record.usage.tokens(), cost_nano_usd: record.cost.nano_usd };
            let mut levels = self.quotas.lock();
            levels.book.settle(self.id, used, self.clock.unix_ms());
            levels.note_spent();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.quotas.lock().book.release(self.id);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hold").field(&self.id.0).finish()
    }
}
