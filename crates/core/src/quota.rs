//! Quotas: what may be used of what, by whom, in which time; and what calls need of it.

pub mod alarm;
mod book;
mod cell;
mod names;
mod share;
mod window;
mod zone;

use crate::{
    id::{KeyId, ProviderId, TeamId, Uuid},
    scope::Pattern,
};

pub use self::{
    book::{Book, Owner, RESERVATIONS_MAX, Reservation, ReservationId},
    cell::Level,
    names::{Counted, NAMES_MAX, Names},
    share::{Asked, Counts, Spent},
    window::{Span, Window},
    zone::Zone,
};

/// What a quota is for. Whatever fits takes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everything.
    Platform,
    Team(TeamId),
    /// A key, and the session keys made from it.
    Key(KeyId),
    /// Every model whose alias fits.
    Model(Pattern),
    /// What goes to this provider, as far as that is known beforehand: where all targets are its own.
    Provider(ProviderId),
    /// Each user of each team that fits, as its requests name them, with a counter of its own.
    User(Pattern),
    /// Each tag of each team that fits, likewise.
    Tag(Pattern),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    Requests,
    Tokens,
    /// Requests under way.
    Concurrent,
    CostNanoUsd,
}

impl Measure {
    pub const ALL: [Measure; 4] =
        [Measure::Requests, Measure::Tokens, Measure::Concurrent, Measure::CostNanoUsd];

    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::Concurrent => "concurrent",
            Measure::CostNanoUsd => "cost_nano_usd",
        }
    }

    /// The inverse of [`Measure::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == word)
    }
}

/// What happens at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The call is refused.
    Hard,
    /// The call is served, and somebody is told.
    Soft,
    /// The call is served; it is only counted.
    Shadow,
    /// The call is refused; a stream is held for piece by piece, and ended where there is no more room.
    Cut,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Hard, Mode::Soft, Mode::Shadow, Mode::Cut];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Hard => "hard",
            Mode::Soft => "soft",
            Mode::Shadow => "shadow",
            Mode::Cut => "cut",
        }
    }

    /// Whether a call there is no room for is refused.
    pub fn refuses(self) -> bool {
        matches!(self, Mode::Hard | Mode::Cut)
    }

    /// The inverse of [`Mode::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What becomes of a call for which a node has too little of a shared quota while nobody can be asked for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAlone {
    /// What the node is told to do.
    #[default]
    Node,
    Refuse,
    /// It is served, so the quota may be exceeded.
    Allow,
}

impl WhenAlone {
    pub const ALL: [WhenAlone; 3] = [WhenAlone::Node, WhenAlone::Refuse, WhenAlone::Allow];

    pub fn as_str(self) -> &'static str {
        match self {
            WhenAlone::Node => "node",
            WhenAlone::Refuse => "refuse",
            WhenAlone::Allow => "allow",
        }
    }

    /// The inverse of [`WhenAlone::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether a call is served, at a node that does or does not serve it where nothing else is said.
    pub fn allows(self, node_allows: bool) -> bool {
        match self {
            WhenAlone::Node => node_allows,
            WhenAlone::Refuse => false,
            WhenAlone::Allow => true,
        }
    }
}

/// One quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub id: Uuid,
    pub name: Box<str>,
    pub subject: Subject,
    pub measure: Measure,
    pub window: Window,
    pub limit: u64,
    pub mode: Mode,
    pub when_alone: WhenAlone,
}

/// Who calls what, as far as quotas ask.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub key: KeyId,
    pub parent: Option<KeyId>,
    pub team: Option<TeamId>,
    pub alias: &'a str,
    /// Where all that may serve the call is one provider.
    pub provider: Option<ProviderId>,
    /// Whom the request says it is for.
    pub user: Option<&'a str>,
    pub tags: &'a [Box<str>],
}

impl Quota {
    pub fn is_for(&self, caller: &Caller<'_>) -> bool {
        match &self.subject {
            Subject::Platform => true,
            Subject::Team(team) => caller.team == Some(*team),
            Subject::Key(key) => caller.key == *key || caller.parent == Some(*key),
            Subject::Model(pattern) => pattern.matches(caller.alias),
            Subject::Provider(provider) => caller.provider == Some(*provider),
            Subject::User(_) | Subject::Tag(_) => self.names(caller).next().is_some(),
        }
    }

    /// The names this quota counts apart: the caller's user or tags that fit; none where it is for something
    /// else.
    pub fn names<'a>(&'a self, caller: &Caller<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
        let none: &[Box<str>] = &[];
        let (pattern, user, tags) = match &self.subject {
            Subject::User(pattern) => (Some(pattern), caller.user, none),
            Subject::Tag(pattern) => (Some(pattern), None, caller.tags),
            _ => (None, None, none),
        };
        let names = user.into_iter().chain(tags.iter().map(|tag| &**tag));
        names.filter(move |name| pattern.is_some_and(|pattern| pattern.matches(name)))
    }

    /// Whether it has a counter for each name instead of one.
    pub fn is_by_name(&self) -> bool {
        matches!(self.subject, Subject::User(_) | Subject::Tag(_))
    }
}

/// How much of everything a call needs at most, or used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub tokens: u64,
    pub cost_nano_usd: u64,
}

impl Amounts {
    /// Of a measure, at a call's begin.
    fn needed(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests | Measure::Concurrent => 1,
            Measure::Tokens => self.tokens,
            Measure::CostNanoUsd => self.cost_nano_usd,
        }
    }

    /// Of a measure, for what was used.
    fn used(self, measure: Measure) -> u64 {
        match measure {
            Measure::Requests | Measure::Concurrent => 0,
            Measure::Tokens => self.tokens,
            Measure::CostNanoUsd => self.cost_nano_usd,
        }
    }
}

/// What a call needs: at most, and to begin with where it may be ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub most: Amounts,
    pub first: Amounts,
}

impl Needs {
    /// Of a quota.
    pub fn of(self, quota: &Quota) -> u64 {
        let amounts = if quota.mode == Mode::Cut { self.first } else { self.most };
        amounts.needed(quota.measure)
    }
}

impl From<Amounts> for Needs {
    fn from(most: Amounts) -> Self {
        Self { most, first: most }
    }
}

/// The quota that has no room for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub quota: Uuid,
    pub name: Box<str>,
    pub measure: Measure,
    pub limit: u64,
    /// Whether another call's end makes room again.
    pub is_held: bool,
    /// Where it is only this node that has no more: the round in which more is asked for. After it another try may
    /// succeed.
    pub round: Option<u64>,
}

/// Something the ledger says was used of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub quota: Uuid,
    /// Of a quota that counts names apart: whose, and which name.
    pub name: Option<(Option<TeamId>, Box<str>)>,
    pub at_ms: i64,
    pub amount: u64,
}

/// What a call that was settled costs more, or less, than was thought then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub key: KeyId,
    pub parent: Option<KeyId>,
    pub team: Option<TeamId>,
    pub alias: String,
    pub provider: ProviderId,
    pub user: Option<Box<str>>,
    pub tags: Vec<Box<str>>,
    /// When the call began.
    pub at_ms: i64,
    pub delta_nano_usd: i64,
}

impl Correction {
    /// Who made the call.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            key: self.key,
            parent: self.parent,
            team: self.team,
            alias: &self.alias,
            provider: Some(self.provider),
            user: self.user.as_deref(),
            tags: &self.tags,
        }
    }
}

#[cfg(test)]
mod tests;
