//! Providers with moods that change by the clock, and dice that are the same for the same seed.

use std::{cell::Cell, sync::Arc};

use nexus_core::{
    capabilities::Capabilities,
    catalogue::{Provider, Route, Target},
    endpoint::Endpoint,
    fault::{Class, Fault},
    flow::Limits,
    health::Health,
    id::{ProviderId, RouteId, Uuid},
    need::Fit,
};

pub const SECOND_US: u64 = 1_000_000;

/// SplitMix64.
pub struct SeededDice(Cell<u64>);

impl SeededDice {
    pub fn roll(&self, bound: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let bits = self.0.get();
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if bound == 0 { 0 } else { (bits ^ (bits >> 31)) % bound }
    }
}

/// How a provider is for a while.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    Good {
        latency_us: u64,
    },
    /// It fails at once, but for a timeout.
    Failing(Class),
    /// It refuses for being asked too often, and says for how long.
    Busy {
        wait_ms: u64,
    },
    /// One request in so many fails.
    Flaky {
        one_in: u64,
    },
}

/// From when on it is so.
#[derive(Clone, Copy, Debug)]
pub struct Spell {
    from_us: u64,
    mood: Mood,
}

impl Spell {
    pub fn new(from_us: u64, mood: Mood) -> Self {
        Self { from_us, mood }
    }
}

/// What becomes of an attempt: after how long, and how.
pub type Fate = (u64, Result<(), Fault>);

pub struct World {
    pub dice: SeededDice,
    targets: Vec<Target>,
    spells: Vec<Vec<Spell>>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let dice = SeededDice(Cell::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d)));
        Self { dice, targets: Vec::new(), spells: Vec::new() }
    }

    pub fn add(&mut self, weight: u32, spells: Vec<Spell>) {
        let number = self.targets.len();
        let id = Uuid::from_u128(number as u128 + 1);
        let provider = Provider {
            id: ProviderId(id),
            name: number.to_string().into(),
            kind: "openai".into(),
            endpoint: Endpoint::parse("https://one.example/v1").unwrap(),
            options: Default::default(),
            allow_private_network: false,
            weight,
            limits: Limits::OPEN,
        };
        self.targets.push(Target {
            route: RouteId(id),
            provider: Arc::new(provider),
            real_model: "m".into(),
            region: None,
            limits: Limits::OPEN,
            tier: 0,
            weight,
            fit: Fit::default(),
            cost_multiplier_ppm: None,
            capabilities: Capabilities::default(),
            health: Arc::new(Health::default()),
        });
        self.spells.push(spells);
    }

    /// A provider whose mood changes a few times, for better or worse.
    pub fn add_random(&mut self) {
        const CLASSES: [Class; 9] = [
            Class::Internal,
            Class::Connect,
            Class::Timeout,
            Class::Credential,
            Class::BadAnswer,
            Class::BadRequest,
            Class::Overloaded,
            Class::ModelNotFound,
            Class::Reset,
        ];
        let mut from_us = 0;
        let spells = (0..1 + self.dice.roll(4))
            .map(|_| {
                let mood = match self.dice.roll(6) {
                    0 => Mood::Failing(CLASSES[self.dice.roll(9) as usize]),
                    1 => Mood::Busy { wait_ms: self.dice.roll(5_000) },
                    2 => Mood::Flaky { one_in: 2 + self.dice.roll(10) },
                    _ => Mood::Good { latency_us: 1_000 + self.dice.roll(3 * SECOND_US) },
                };
                let spell = Spell::new(from_us, mood);
                from_us += self.dice.roll(30 * SECOND_US);
                spell
            })
            .collect();
        let (tier, weight) = (self.dice.roll(2) as u32, self.dice.roll(5) as u32);
        self.add(weight, spells);
        if let Some(target) = self.targets.last_mut() {
            target.tier = tier;
        }
    }

    pub fn route(&self) -> Route {
        Route::new("a".into(), 0, self.targets.iter().cloned().map(Arc::new).collect())
    }

    /// What becomes of an attempt that begins now at this target.
    pub fn fate(&self, target: &Target, now_us: u64) -> Fate {
        let number = target.provider.name.parse::<usize>().unwrap();
        let spell = self.spells[number].iter().rev().find(|spell| spell.from_us <= now_us).unwrap();
        let failed = |class| Err(Fault::new(class, "no"));
        match spell.mood {
            Mood::Good { latency_us } => (latency_us, Ok(())),
            Mood::Failing(Class::Timeout) => (5 * SECOND_US, failed(Class::Timeout)),
            Mood::Failing(class) => (1_000, failed(class)),
            Mood::Busy { wait_ms } => {
                let fault = Fault { retry_after_ms: Some(wait_ms), ..Fault::new(Class::RateLimited, "no") };
                (1_000, Err(fault))
            }
            Mood::Flaky { one_in } if self.dice.roll(one_in) == 0 => (50_000, failed(Class::Internal)),
            Mood::Flaky { .. } => (300_000, Ok(())),
        }
    }
}
