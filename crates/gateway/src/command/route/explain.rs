//! `nexus route explain`: where a request would go, as a running node knows it, or by what stands in the database
//! alone.

use std::{io::Read as _, time::Duration};

use actix_web::rt::System;
use nexus_engine::{
    port::{Clock as _, Dice as _},
    world::informed,
};
use nexus_keystore::secret::Secret;
use nexus_store::{Store, repo::team, world};
use nexus_transport::{Errand, Fetcher, Reach, Tls};
use serde_json::json;
use url::Url;

use crate::{
    admin::{
        problem::{Kind, Problem},
        route::PREFIX,
        routes::explain::{CandidateBody, ExplanationBody, HedgingBody, Moment, Question},
    },
    cli::{Output, Place, RouteExplain},
    clock::SystemClock,
    command::change,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, complain, say},
};

/// The longest explanation taken from a node.
const BYTES_MAX: usize = 16 << 20;
/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(asked: &RouteExplain, place: &Place) -> Result<(), StartError> {
    let output = asked.output.unwrap_or_else(terminal::usual_output);
    let answer = match &asked.url {
        Some(url) => of_node(asked, url, place)?,
        None => {
            complain(
                "by the database alone: which breakers are open, what is under way and what is left of limits is known to a running node only (`--url`)",
            );
            of_database(asked, &change::store(place)?)?
        }
    };
    print(&answer, output);
    Ok(())
}

fn question(asked: &RouteExplain, store: Option<&Store>) -> Result<Question, StartError> {
    let team = match (&asked.team, store) {
        (Some(name), Some(store)) => {
            let found = store.read_blocking(|conn| team::find_by_name(conn, name))?;
            let why = "there is no such team; `nexus team list` shows what there is";
            Some(found.ok_or_else(|| Problem::new(Kind::NotFound, why))?)
        }
        _ => None,
    };
    Ok(Question {
        model: asked.model.clone(),
        team_id: team.map(|team| team.id.0),
        stream: asked.stream,
        input_tokens: asked.input_tokens,
        max_tokens: asked.max_tokens,
        input_modalities: asked.input_modalities.iter().map(|one| (*one).into()).collect(),
        output_modalities: asked.output_modalities.iter().map(|one| (*one).into()).collect(),
        ..Question::default()
    })
}

fn of_database(asked: &RouteExplain, store: &Store) -> Result<ExplanationBody, StartError> {
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let question = question(asked, Some(store))?;
    let stored = store.read_blocking(|conn| world::load(conn, None, clock.unix_ms()))?;
    let mut snapshot = stored.snapshot;
    snapshot.catalogue = informed(snapshot.catalogue);
    let answer = question.answer(&snapshot, Moment::of(&clock), |bound| dice.roll(bound));
    let why = "there is no such model; `nexus route list` shows what there is";
    Ok(answer.ok_or_else(|| Problem::new(Kind::NotFound, why))?)
}

/// Asks a running node; the database is opened only for a team's name.
fn of_node(asked: &RouteExplain, url: &str, place: &Place) -> Result<ExplanationBody, StartError> {
    let store = asked.team.as_ref().map(|_| change::store(place)).transpose()?;
    let question = question(asked, store.as_ref())?;
    let whole = format!("{}{PREFIX}/routes/explain", url.trim_end_matches('/'));
    let no_url = || StartError::Refused(format!("`--url` is no URL such as `http://127.0.0.1:8080`: {url}"));
    let url = Url::parse(&whole).map_err(|_| no_url())?;
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key).map_err(StartError::NoProviderKey)?;
    let bearer = Secret::new(format!("Bearer {}", key.trim()));
    let fetcher = Fetcher::new(&Tls::new(None)?);
    let headers = [("authorization", bearer.expose())];
    let errand = Errand {
        url: &url,
        headers: &headers,
        reach: Reach::Private,
        limit_bytes: BYTES_MAX,
        timeout: PATIENCE,
    };
    let asking = fetcher.post(errand, "application/json", json!(question).to_string().into());
    let fetched = System::new().block_on(asking);
    let fetched = fetched.map_err(|fault| StartError::Refused(fault.message))?;
    let text = String::from_utf8_lossy(&fetched.body);
    match serde_json::from_str(&text) {
        Ok(answer) if fetched.status == 200 => Ok(answer),
        _ => Err(StartError::Refused(format!("the node answers with status {}: {text}", fetched.status))),
    }
}

fn print(answer: &ExplanationBody, output: Output) {
    if let Output::Json = output {
        return say(&json!(answer).to_string());
    }
    say(&format!("alias {}, policy {}", answer.alias, json!(answer.policy).as_str().unwrap_or_default()));
    for (place, candidate) in answer.candidates.iter().enumerate() {
        let CandidateBody { provider, real_name, tier, weight, against, in_flight, .. } = candidate;
        let mark = if answer.chosen == Some(place) { "->" } else { "  " };
        let against = against.as_deref().unwrap_or("-");
        let left = left(candidate);
        say(&format!(
            "{mark} {provider:<16}  {real_name:<32}  tier {tier}  weight {weight:<7}  {against:<16}  under way {in_flight}{left}"
        ));
    }
    if let Some(because) = &answer.because {
        say(&format!("nobody: {because}"));
    }
    if let Some(HedgingBody { percent, after_ms, against }) = &answer.hedging {
        match (against, after_ms) {
            (None, Some(after_ms)) => {
                say(&format!("a second attempt after {after_ms} ms, of {percent} in 100"))
            }
            (against, _) => say(&format!("no second attempt: {}", against.as_deref().unwrap_or_default())),
        }
    }
}

/// What is left of limits, where there are any.
fn left(candidate: &CandidateBody) -> String {
    let left = [
        ("requests", candidate.requests_left),
        ("tokens", candidate.tokens_left),
        ("places", candidate.places_left),
    ];
    let told = left.into_iter().filter_map(|(what, left)| Some(format!("  {what} left {}", left?)));
    told.collect()
}
