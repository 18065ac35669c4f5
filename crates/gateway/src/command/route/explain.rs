//! `nexus route explain`: where a request would go, by what stands in the database alone.

use nexus_engine::port::{Clock as _, Dice as _};
use nexus_store::{Store, repo::team, world};
use serde_json::json;

use crate::{
    admin::{
        problem::{Kind, Problem},
        routes::explain::{CandidateBody, ExplanationBody, Moment, Question},
    },
    cli::{Output, RouteExplain},
    clock::SystemClock,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(asked: &RouteExplain, store: &Store) -> Result<(), StartError> {
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let (stored, team) = store.read_blocking(|conn| {
        let team = asked.team.as_deref().map(|name| team::find_by_name(conn, name)).transpose()?;
        Ok((world::load(conn, None, clock.unix_ms())?, team))
    })?;
    if matches!(team, Some(None)) {
        let why = "there is no such team; `nexus team list` shows what there is";
        return Err(Problem::new(Kind::NotFound, why).into());
    }
    let question = Question {
        model: asked.model.clone(),
        team_id: team.flatten().map(|team| team.id.0),
        stream: asked.stream,
        input_tokens: asked.input_tokens,
        max_tokens: asked.max_tokens,
        ..Question::default()
    };
    let answer = question.answer(&stored.snapshot, Moment::of(&clock), |bound| dice.roll(bound));
    let why = "there is no such model; `nexus route list` shows what there is";
    let answer = answer.ok_or_else(|| Problem::new(Kind::NotFound, why))?;
    print(&answer, asked.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}

fn print(answer: &ExplanationBody, output: Output) {
    if let Output::Json = output {
        return say(&json!(answer).to_string());
    }
    say(&format!("alias {}, policy {}", answer.alias, json!(answer.policy).as_str().unwrap_or_default()));
    for (place, candidate) in answer.candidates.iter().enumerate() {
        let CandidateBody { provider, real_name, tier, weight, against, .. } = candidate;
        let mark = if answer.chosen == Some(place) { "->" } else { "  " };
        let against = against.as_deref().unwrap_or("-");
        say(&format!("{mark} {provider:<16}  {real_name:<32}  tier {tier}  weight {weight:<7}  {against}"));
    }
    if let Some(because) = &answer.because {
        say(&format!("nobody: {because}"));
    }
}
