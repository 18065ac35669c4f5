//! Stage 4, select: which target next, until an answer begins or nothing is left.

use std::{borrow::Cow, sync::Arc};

use nexus_core::{
    catalogue::Target,
    failover::{Outlook, Plan, Step, Why},
    fault::{Class, Fault},
    flow::{Scarce, line::WAIT_MAX_US, place::Place},
    health::Entry,
    modality::{Modalities, Modality},
    need::{Abilities, Ability, HeaderLookup as _, Need, OUTPUT_TOKENS, Unfit},
    policy::Cause,
    price::Tier,
    refusal::Refusal,
    select::{
        Choice,
        verdict::{Against, Ask},
    },
    usage::{Passed, PassedOver, Usage},
};
use nexus_wire::{
    bearing::{self, Needs},
    mark::Borne,
};

use crate::{
    arrival::Head,
    pipeline::Refused,
    port::Transport,
    pricing::Priced,
    sealed,
    shared::Engine,
    stage::{adapt, admit, parse::Asked, queue, resolve::Routed},
    world::World,
};

/// The tries of one request on one route, and what the last of them came to.
pub struct Course<'a> {
    plan: Plan,
    routed: &'a Routed,
    need: Need<'a>,
    affinity: Option<u64>,
    last: Option<Refused>,
}

impl<'a> Course<'a> {
    /// Begins anew, on the route the request has now, without the targets in some places.
    pub fn begin<T: Transport>(
        engine: &Engine<T>,
        routed: &'a Routed,
        head: &'a Head<'_>,
        deadline_us: u64,
        but: &[usize],
    ) -> Self {
        let body = &routed.asked.body;
        let mut plan = Plan::new(engine.shared.limits.attempts, deadline_us);
        but.iter().for_each(|place| plan.passed_over(Choice { place: *place, entry: Entry::Asked }, BROKE_OFF));
        Self {
            plan,
            routed,
            need: need(routed, head),
            affinity: if routed.to.rule.has_affinity { bearing::opening(body) } else { None },
            last: None,
        }
    }

    /// What to do now.
    pub fn next<T: Transport>(&mut self, engine: &Engine<T>, world: &World) -> Step {
        self.decide(engine, world, |plan, outlook, dice| plan.step(outlook, dice))
    }

    /// Another target beside the one that is being asked, where there is one to spare.
    pub fn beside<T: Transport>(&mut self, engine: &Engine<T>, world: &World) -> Option<Choice> {
        self.decide(engine, world, |plan, outlook, dice| plan.beside(outlook, dice))
    }

    fn decide<T: Transport, D>(
        &mut self,
        engine: &Engine<T>,
        world: &World,
        decide: impl FnOnce(&mut Plan, &Outlook<'_>, &mut dyn FnMut(u64) -> u64) -> D,
    ) -> D {
        let routed = self.routed;
        let rights = world.snapshot.rights(&routed.caller);
        let is_bound = rights.is_bound_to_providers();
        let now_ms = engine.shared.clock.unix_ms();
        let may_use = |target: &Target| !is_bound || rights.may_use(&target.provider.name);
        let sealed = routed.asked.sealed().map(|borne| (borne, self.has_holder(world, borne, &may_use)));
        let opens = |target: &Target| {
            sealed.is_none_or(|(borne, has_holder)| opens(world, routed, target, borne, has_holder))
        };
        let ask = Ask {
            need: &self.need,
            is_stream: routed.asked.call.is_stream,
            affinity: self.affinity,
            may_use: &may_use,
            opens: sealed.is_some().then_some(&opens),
            cost_nano_usd: &|target| cost(target, routed, &self.need, now_ms),
            now_us: engine.shared.clock.monotonic_us(),
        };
        let (route, rule) = (&routed.to.route, &routed.to.rule);
        let outlook = Outlook { route, rule, ask, budget: &engine.shared.retries };
        decide(&mut self.plan, &outlook, &mut |bound| engine.dice.roll(bound))
    }

    /// Whether one of the targets has the credential that sealed what is brought.
    fn has_holder(&self, world: &World, borne: Borne, may_use: &dyn Fn(&Target) -> bool) -> bool {
        let holds = |target: &Target| {
            world.backend(target).is_some_and(|backend| sealed::is_held(&backend.credentials, borne))
        };
        self.routed.to.route.targets.iter().any(|target| may_use(target) && holds(target))
    }

    /// What the request is taken for where tokens are limited.
    pub fn tokens(&self) -> u64 {
        self.need.tokens()
    }

    /// Waits for room at a target, no longer than the client does; where none comes the target is passed over.
    pub async fn queue<T: Transport>(
        &mut self,
        engine: &Engine<T>,
        world: &World,
        choice: Choice,
        deadline_us: u64,
    ) -> Option<Place> {
        let clock = &*engine.shared.clock;
        let (target, backend) = match world.stand(&self.routed.to.route, choice.place) {
            Ok(stand) => stand,
            Err(refusal) => {
                self.passed_over(choice, refusal.into());
                return None;
            }
        };
        let since_us = clock.monotonic_us();
        let until_us = since_us.saturating_add(WAIT_MAX_US).min(deadline_us);
        let place = queue::turn(target, self.need.team, self.tokens(), until_us, clock).await;
        backend.meters.waited(clock.monotonic_us().saturating_sub(since_us));
        if place.is_none() {
            let short = target.short(self.tokens(), clock.monotonic_us());
            let (scarce, wait_us) = short.map_or((Scarce::Requests, None), |short| (short.scarce, short.wait_us));
            self.passed_over(choice, Refused::There(admit::no_room(scarce, wait_us)));
        }
        place
    }

    /// A target that was chosen had no place after all, or no words for the request; nothing was sent.
    pub fn passed_over(&mut self, choice: Choice, refused: Refused) {
        self.plan.passed_over(choice, word(&refused));
        self.last = Some(refused);
    }

    /// Whom the latest choice passed over, for the attempt it leads to.
    pub fn passed(&self) -> PassedOver {
        let passed = self.plan.passed();
        let of = |(place, why): (usize, &'static str)| {
            let target = self.routed.to.route.targets.get(place)?;
            let (provider, model) = (Arc::clone(&target.provider.name), Arc::clone(&target.real_model));
            Some(Passed { provider, model, region: target.region.clone(), why: Cow::Borrowed(why) })
        };
        PassedOver { first: passed.iter().filter_map(of).collect(), more: passed.more() }
    }

    /// An attempt begins.
    pub fn begun(&mut self, choice: Choice) {
        self.plan.begun(choice);
    }

    /// An attempt failed.
    pub fn failed<T: Transport>(&mut self, engine: &Engine<T>, choice: Choice, fault: Fault) {
        if let Some(target) = self.routed.to.route.targets.get(choice.place) {
            tracing::warn!(provider = %target.provider.name, class = fault.class.as_str(),
                status = fault.status, message = %fault.message, "an attempt failed");
        }
        let now_us = engine.shared.clock.monotonic_us();
        self.plan.failed(choice, &fault, now_us, |bound| engine.dice.roll(bound));
        self.last = Some(Refused::There(fault));
    }

    /// An answer has begun.
    pub fn commit(self) {
        self.plan.commit();
    }

    /// What the client is told where nothing is left to try: what the last attempt came to, or why there was
    /// none.
    pub fn give_up(self, why: Why, now_us: u64) -> Refused {
        let alias = &self.routed.asked.call.alias;
        match (self.last, why) {
            (Some(refused), _) => refused,
            (None, Why::Never(Against::Forbidden)) => Refusal::UnknownModel { model: alias.clone() }.into(),
            (None, Why::Never(Against::Unfit(Unfit::ContextTooShort))) => Refused::There(
                Fault::new(Class::ContextLength, "the prompt is longer than any provider of the model takes"),
            ),
            (None, Why::Never(against)) => match self.routed.asked.sealed() {
                Some(borne) if against == Against::SealedElsewhere => sealed::refused(borne),
                _ => Refusal::Unfit { alias: alias.clone(), against: against.as_str() },
            }
            .into(),
            (None, Why::Later { until_us, against }) => {
                let wait_us = until_us.saturating_sub(now_us);
                let rests = "the model's providers asked to be left alone for a while";
                let retry_after_ms = Some(wait_us.div_ceil(1000));
                Refused::There(match against {
                    Against::AtLimit { scarce, .. } => admit::no_room(scarce, Some(wait_us)),
                    _ => Fault { retry_after_ms, ..Fault::new(Class::RateLimited, rests) },
                })
            }
            (None, Why::Deadline) => Refused::There(Fault::new(Class::Timeout, "the client's time is over")),
            (None, Why::Exhausted | Why::Tries | Why::RetryBudget) => Refused::There(Fault::new(
                Class::Overloaded,
                "no provider is configured that could serve this model",
            )),
        }
    }
}

/// Whether what is brought can be opened at a target: where nobody behind the model holds what sealed it, by whoever
/// is asked in other words, in which it is left out.
fn opens(world: &World, routed: &Routed, target: &Target, borne: Borne, has_holder: bool) -> bool {
    let Some(backend) = world.backend(target) else { return false };
    if has_holder {
        return sealed::is_held(&backend.credentials, borne);
    }
    adapt::own(routed, target, backend).is_none()
}

/// What a request is taken for where tokens are limited, before anybody has counted: its prompt, and the most that
/// may be answered.
pub fn tokens(asked: &Asked) -> u64 {
    input_tokens(asked).saturating_add(asked.request.max_output_tokens().unwrap_or(OUTPUT_TOKENS))
}

fn input_tokens(asked: &Asked) -> u64 {
    asked.text_bytes() / BYTES_A_TOKEN
}

/// What the request would cost at a target, by what is known before it is sent.
fn cost(target: &Target, routed: &Routed, need: &Need<'_>, now_ms: i64) -> Option<u64> {
    let usage = Usage::text(need.input_tokens, need.output_tokens.unwrap_or(OUTPUT_TOKENS));
    let model = target.model_for(&routed.to.name);
    Priced::find(&routed.prices, target, model, now_ms).nano_usd(&usage, Tier::Standard)
}

/// Why a target is left out of a continuation.
const BROKE_OFF: &str = "broke_off";

/// Why a target was passed over that had been chosen.
fn word(refused: &Refused) -> &'static str {
    match refused {
        Refused::There(fault) => fault.class.as_str(),
        Refused::Here(_) => "unsayable",
    }
}

/// For which cause another alias may be asked instead; `None`: for none.
pub fn cause(refused: &Refused) -> Option<Cause> {
    match refused {
        Refused::There(fault) => Some(match fault.class {
            Class::ContextLength => Cause::ContextWindow,
            Class::ContentFilter => Cause::ContentPolicy,
            Class::BadRequest | Class::TooLarge => return None,
            _ => Cause::Failure,
        }),
        Refused::Here(Refusal::QuotaExhausted { .. }) => Some(Cause::Budget),
        Refused::Here(_) => None,
    }
}

/// The header with a request's tags.
const TAGS: &str = "x-nexus-tags";

/// Bytes of a body a token stands for, roughly.
const BYTES_A_TOKEN: u64 = 4;

fn need<'a>(routed: &Routed, head: &'a Head<'_>) -> Need<'a> {
    let body = &routed.asked.body;
    let bounds = routed.to.route.bounds_modalities;
    let (input, output) = if bounds { modalities(bearing::borne(body)) } else { Default::default() };
    Need {
        abilities: if routed.to.route.is_choosy { abilities(bearing::needs(body)) } else { Abilities::default() },
        input,
        output,
        input_tokens: input_tokens(&routed.asked),
        output_tokens: routed.asked.request.max_output_tokens(),
        team: routed.caller.team,
        tags: head.others.header(TAGS).unwrap_or_default(),
        headers: Some(&head.others),
    }
}

/// What a request bears, and what it wants.
fn modalities(borne: bearing::Borne) -> (Modalities, Modalities) {
    let input = Modalities::NONE.with_if(borne.image, Modality::Image).with_if(borne.audio, Modality::Audio);
    let input = input.with_if(borne.video, Modality::Video).with_if(borne.file, Modality::File);
    let output = Modalities::NONE.with_if(borne.wants_audio, Modality::Audio);
    (input, output.with_if(borne.wants_image, Modality::Image))
}

fn abilities(needs: Needs) -> Abilities {
    let named = [
        (needs.tools, Ability::Tools),
        (needs.vision, Ability::Vision),
        (needs.audio, Ability::Audio),
        (needs.json_schema, Ability::JsonSchema),
    ];
    named.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, ability)| ability).collect()
}
