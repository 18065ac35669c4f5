//! Why a request would go where: every candidate, what speaks for it and what against. Nothing is sent, and
//! nobody's turn is taken.

use std::collections::BTreeMap;

use nexus_core::{
    id::{TeamId, Uuid},
    need::{HeaderLookup, Need},
    policy::Rule,
    price::Tier,
    select::{
        Choice, Nobody,
        explain::{Candidate, Explanation, explain},
        verdict::Ask,
    },
    snapshot::Snapshot,
    usage::Usage,
};
use nexus_engine::{port::Clock, pricing::Priced};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{capabilities::of_words, object::ModelText};
use crate::admin::{
    answer::Told,
    body::{Json, int64, int64_or_none},
    call::{Call, found},
    health::targets::LearnedBody,
    problem::Problem,
    words::{AbilityWord, BreakerWord, ModalityWord, PolicyWord},
};

/// A request that might be made.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RouteQuestion)]
pub struct Question {
    /// As an application would say it.
    #[schema(value_type = ModelText)]
    pub model: String,
    /// The team of whoever asks; none: one without a team.
    #[serde(default)]
    pub team_id: Option<Uuid>,
    #[serde(default)]
    #[schema(default = false)]
    pub stream: bool,
    #[serde(default, deserialize_with = "int64")]
    #[schema(default = 0, minimum = 0)]
    pub input_tokens: u64,
    #[serde(default, deserialize_with = "int64_or_none")]
    #[schema(minimum = 0)]
    pub max_tokens: Option<u64>,
    #[serde(default)]
    #[schema(required = false)]
    pub abilities: Vec<AbilityWord>,
    /// What it bears beside text.
    #[serde(default)]
    #[schema(required = false)]
    pub input_modalities: Vec<ModalityWord>,
    /// What it wants to be answered in beside text.
    #[serde(default)]
    #[schema(required = false)]
    pub output_modalities: Vec<ModalityWord>,
    /// With commas in between.
    #[serde(default)]
    #[schema(required = false)]
    pub tags: String,
    #[serde(default)]
    #[schema(required = false)]
    pub headers: BTreeMap<String, String>,
}

/// What would become of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RouteExplanation)]
pub struct ExplanationBody {
    /// The alias the model's name comes to; `*` where no other takes it.
    pub alias: String,
    pub policy: PolicyWord,
    /// Which of the candidates would be asked first, from 0; none: nobody.
    pub chosen: Option<usize>,
    /// Whether its breaker is open, and it would be asked because nobody else is left.
    pub is_forced: bool,
    /// Why nobody would.
    pub because: Option<String>,
    /// What the rule says of second attempts beside slow first ones; none: there are none.
    pub hedging: Option<HedgingBody>,
    /// In the order they are looked at.
    pub candidates: Vec<CandidateBody>,
}

/// Whether the request might get a second attempt beside the first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RouteHedging)]
pub struct HedgingBody {
    /// Of a hundred requests, how many may.
    pub percent: u8,
    /// How long the first is given; none: too few of its answers are known.
    pub after_ms: Option<u64>,
    /// Why it would get none, in a word: `one_candidate`, or `too_few_answers` of the first.
    pub against: Option<String>,
}

impl HedgingBody {
    fn new(percent: u8, candidates: &[Candidate], first: Option<usize>, ask: &Ask<'_>) -> Self {
        let first = first.and_then(|place| candidates.get(place));
        let after_us = first.and_then(|first| first.target.health.usual_us(ask.is_stream, ask.now_us));
        let against = match after_us {
            _ if candidates.len() < 2 => Some("one_candidate"),
            None => Some("too_few_answers"),
            Some(_) => None,
        };
        let after_ms = after_us.map(|after_us| after_us.div_ceil(1000));
        Self { percent, after_ms, against: against.map(str::to_owned) }
    }
}

/// A model that might be asked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RouteCandidate)]
pub struct CandidateBody {
    pub model_route_id: Uuid,
    pub provider: String,
    pub real_name: String,
    pub region: Option<String>,
    pub tier: u32,
    pub weight: u32,
    /// Why it is passed over, in a word.
    pub against: Option<String>,
    pub breaker: BreakerWord,
    /// What the policy compares: credit of turns (more is better), else microseconds, requests under way or
    /// nano-USD (less is better).
    pub score: Option<i64>,
    pub in_flight: u32,
    /// None: nobody knows the price.
    pub cost_nano_usd: Option<u64>,
    /// When its limits have room.
    pub wait_ms: u64,
    /// What is left of its limits or its provider's, whichever are tighter; none: not limited.
    pub requests_left: Option<u32>,
    pub tokens_left: Option<u32>,
    pub places_left: Option<u32>,
    /// How many requests wait for room there.
    pub waiting: usize,
    /// What the provider said last is left of its own limits.
    pub learned: Option<LearnedBody>,
}

impl From<&Candidate> for CandidateBody {
    fn from(candidate: &Candidate) -> Self {
        let target = &candidate.target;
        Self {
            model_route_id: target.route.0,
            provider: target.provider.name.to_string(),
            real_name: target.real_model.to_string(),
            region: target.region.as_deref().map(str::to_owned),
            tier: target.tier,
            weight: target.weight,
            against: candidate.against.map(|against| against.as_str().to_owned()),
            breaker: candidate.breaker.into(),
            score: candidate.score,
            in_flight: candidate.in_flight,
            cost_nano_usd: candidate.cost_nano_usd,
            wait_ms: candidate.wait_us.div_ceil(1000),
            requests_left: candidate.left.requests.map(|level| level.remaining),
            tokens_left: candidate.left.tokens.map(|level| level.remaining),
            places_left: candidate.left.places.map(|(_, free)| free),
            waiting: candidate.waiting,
            learned: candidate.learned.map(LearnedBody::from),
        }
    }
}

impl ExplanationBody {
    fn new(alias: &str, rule: &Rule, explanation: &Explanation, ask: &Ask<'_>) -> Self {
        let because = match explanation.choice {
            Ok(_) | Err(Nobody::Shut(_)) => None,
            Err(Nobody::Until { against, .. } | Nobody::Full { against, .. } | Nobody::Never(against)) => {
                Some(against.as_str())
            }
            Err(Nobody::Exhausted) => Some("no_candidates"),
        };
        let choice = match explanation.choice {
            Ok(choice) | Err(Nobody::Shut(choice)) => Some(choice),
            Err(_) => None,
        };
        let first = choice.map(|Choice { place, .. }| place);
        let percent = rule.conduct.hedge_percent;
        Self {
            alias: alias.to_owned(),
            policy: explanation.policy.into(),
            chosen: first,
            hedging: percent.map(|percent| HedgingBody::new(percent, &explanation.candidates, first, ask)),
            is_forced: choice.is_some_and(|choice| choice.entry == nexus_core::health::Entry::Forced),
            because: because.map(str::to_owned),
            candidates: explanation.candidates.iter().map(Into::into).collect(),
        }
    }
}

/// When it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    unix_ms: i64,
    monotonic_us: u64,
}

impl Moment {
    pub fn of(clock: &dyn Clock) -> Self {
        Self { unix_ms: clock.unix_ms(), monotonic_us: clock.monotonic_us() }
    }
}

struct Said<'a>(&'a BTreeMap<String, String>);

impl HeaderLookup for Said<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Question {
    /// The answer in this world; `None` where the model is unknown.
    pub fn answer(
        &self,
        snapshot: &Snapshot,
        at: Moment,
        dice: impl FnMut(u64) -> u64,
    ) -> Option<ExplanationBody> {
        let team = self.team_id.map(TeamId);
        let resolved = snapshot.catalogue.resolve(&self.model, team)?;
        let need = Need {
            abilities: self.abilities.iter().map(|ability| (*ability).into()).collect(),
            input: of_words(&self.input_modalities),
            output: of_words(&self.output_modalities),
            input_tokens: self.input_tokens,
            output_tokens: self.max_tokens,
            team,
            tags: &self.tags,
            headers: Some(&Said(&self.headers)),
        };
        let scope = team.and_then(|team| snapshot.teams.get(&team)).map(|policy| &policy.scope);
        let ask = Ask {
            need: &need,
            is_stream: self.stream,
            affinity: None,
            may_use: &|target| scope.is_none_or(|scope| scope.may_use(&target.provider.name)),
            opens: None,
            cost_nano_usd: &|target| {
                let model = target.model_for(&resolved.name);
                let usage = Usage::text(self.input_tokens, self.max_tokens.unwrap_or_default());
                Priced::find(&snapshot.prices, target, model, at.unix_ms).nano_usd(&usage, Tier::Standard)
            },
            now_us: at.monotonic_us,
        };
        let explanation = explain(&resolved.route, &resolved.rule, &ask, dice);
        Some(ExplanationBody::new(&resolved.route.alias, &resolved.rule, &explanation, &ask))
    }
}

/// `POST /admin/v1/routes/explain`
pub async fn ask(mut call: Call<(), Json<Question>>) -> Result<Told<ExplanationBody>, Problem> {
    let question = &mut call.body.0;
    if let Some(own) = call.caller.reach.team() {
        // a team asks for itself only
        question.team_id = Some(own.0);
    }
    let engine = &call.worker.engine;
    let world = engine.shared.worlds.current();
    let at = Moment::of(&*engine.shared.clock);
    let answer = call.body.0.answer(&world.snapshot, at, |bound| engine.dice.roll(bound));
    Ok(Told(found(answer)?))
}
