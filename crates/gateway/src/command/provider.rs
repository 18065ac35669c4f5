//! `nexus provider`: which kinds there are, which providers are configured, and whether they answer.

use std::{io::Read as _, sync::Arc};

use actix_web::rt::System;
use nexus_config::load::Flags;
use nexus_core::{
    endpoint::Template,
    id::{CredentialId, ProviderId},
    site::Options,
};
use nexus_engine::{identity, port::Clock as _};
use nexus_providers::{reference, registry};
use nexus_store::{
    Store,
    repo::provider::{self, StoredProvider},
};
use nexus_transport::{Access, Tls};
use serde_json::json;

use super::change::{self, Deed};
use crate::{
    admin::{
        check::Check,
        credentials::KeyText,
        problem::{Kind as ProblemKind, Problem},
        provider_kinds::KindBody,
        providers::{
            self, ProviderBody, Trial, Verdict, check_kind, check_name, check_options, check_rate, check_way,
            check_weight, credentials, first_credential, read_endpoint, usual_endpoint,
        },
    },
    boot,
    cli::{Output, Place, Provider, ProviderCreate},
    clock::SystemClock,
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: Provider, place: &Place) -> Result<(), StartError> {
    match command {
        Provider::Kinds { output } => kinds(output.unwrap_or_else(terminal::usual_output)),
        Provider::Reference => say(reference::reference_markdown().trim_end()),
        Provider::List { output } => {
            list(&change::store(place)?, output.unwrap_or_else(terminal::usual_output))?;
        }
        Provider::Create(wish) => create(&change::store(place)?, &wish)?,
        Provider::Models { name, credential, output } => {
            let output = output.unwrap_or_else(terminal::usual_output);
            models(place, &name, credential.as_deref(), output)?;
        }
        Provider::Test { name, credential, output } => {
            let output = output.unwrap_or_else(terminal::usual_output);
            test(place, &name, credential.as_deref(), output)?;
        }
    }
    Ok(())
}

fn kinds(output: Output) {
    match output {
        Output::Json => {
            say(&json!(registry::kinds().map(|kind| KindBody::from(&kind)).collect::<Vec<_>>()).to_string())
        }
        Output::Text => {
            for kind in registry::kinds() {
                say(&format!("{:<16} {:<32} {}", kind.id, kind.name, kind.base_url));
            }
        }
    }
}

fn list(store: &Store, output: Output) -> Result<(), StartError> {
    for provider in store.read_blocking(provider::list)? {
        print(&provider, output);
    }
    Ok(())
}

fn print(provider: &StoredProvider, output: Output) {
    match output {
        Output::Json => say(&json!(ProviderBody::from(provider)).to_string()),
        Output::Text => {
            let state = if provider.is_active { "active" } else { "inactive" };
            let StoredProvider { id, name, kind, endpoint, .. } = provider;
            say(&format!("{id}  {name:<16}  {kind:<12}  {state:<8}  {endpoint}"));
        }
    }
}

fn checked(wish: &ProviderCreate, key: Option<&KeyText>) -> Result<(Template, Options), Problem> {
    let mut check = Check::default();
    check_name(&mut check, "--name", &wish.name);
    check_kind(&mut check, "--kind", &wish.kind);
    check_weight(&mut check, "--weight", wish.weight);
    check_rate(&mut check, "--rate-limit", wish.rate_limit);
    check_rate(&mut check, "--token-limit", wish.token_limit);
    check_rate(&mut check, "--max-concurrent", wish.max_concurrent);
    if let Some(key) = key {
        key.check(&mut check, "--api-key-stdin");
    }
    let endpoint = match &wish.endpoint {
        Some(text) => read_endpoint(&mut check, "--endpoint", text),
        None => usual_endpoint(&mut check, "--endpoint", &wish.kind),
    };
    let placed = endpoint.map(|endpoint| {
        check_way(&mut check, "--endpoint", &endpoint, wish.allow_private_network);
        let said = wish.option.iter().cloned().collect();
        let options = check_options(&mut check, "", &wish.kind, &endpoint, &said);
        (endpoint, options)
    });
    check.finish()?;
    placed.ok_or_else(|| ProblemKind::Invalid.into())
}

/// The key is read from standard input: what stands on the command line, every process of the machine sees.
fn key_of(wish: &ProviderCreate) -> Result<Option<KeyText>, StartError> {
    if !wish.api_key_stdin {
        return Ok(None);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(StartError::NoProviderKey)?;
    Ok(Some(KeyText::new(text.trim().to_owned())))
}

fn create(store: &Store, wish: &ProviderCreate) -> Result<(), StartError> {
    let key = key_of(wish)?;
    let (endpoint, options) = checked(wish, key.as_ref())?;
    let (clock, dice) = (SystemClock::new(), WorkerDice::new());
    let now_ms = clock.unix_ms();
    let provider = StoredProvider {
        id: ProviderId(identity::mint(&clock, &dice)),
        name: wish.name.clone(),
        kind: wish.kind.clone(),
        endpoint,
        options,
        weight: wish.weight,
        rate_limit: wish.rate_limit,
        token_limit: wish.token_limit,
        max_concurrent: wish.max_concurrent,
        allow_private_network: wish.allow_private_network,
        is_active: true,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        version: 1,
    };
    let keys = change::keys(store)?;
    let id = CredentialId(identity::mint(&clock, &dice));
    let first = key.map(|key| first_credential(change::sealer(&keys), id, &provider, &key)).transpose()?;
    change::change(store, now_ms, |conn| {
        let whole = providers::store(conn, &provider, first.as_ref())?;
        Ok(((), Some(Deed::of("provider.create", "provider", provider.id).to(&whole))))
    })?;
    print(&provider, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}

fn test(place: &Place, name: &str, with: Option<&str>, output: Output) -> Result<(), StartError> {
    let (trial, access, clock) = trial(place, name, with)?;
    let verdict = System::new().block_on(trial.run(&access, &*clock));
    match output {
        Output::Json => say(&json!(verdict).to_string()),
        Output::Text if verdict.ok => {
            say(&format!("{name} answers within {} ms", verdict.latency_ms));
            for model in &verdict.models {
                say(model);
            }
        }
        Output::Text => {}
    }
    judged(name, verdict)
}

fn models(place: &Place, name: &str, with: Option<&str>, output: Output) -> Result<(), StartError> {
    let (trial, access, clock) = trial(place, name, with)?;
    let verdict = System::new().block_on(trial.list(&access, &*clock));
    match output {
        Output::Json => say(&json!(verdict.models).to_string()),
        Output::Text => verdict.models.iter().for_each(|model| say(model)),
    }
    judged(name, verdict)
}

/// A trial, and how it is shown: as the requests of a server with these settings are.
fn trial(
    place: &Place,
    name: &str,
    with: Option<&str>,
) -> Result<(Trial, Access, Arc<SystemClock>), StartError> {
    let settings = boot::settings(place.config.as_deref(), &Flags::default())?;
    let store = boot::store(&settings)?;
    let keys = change::keys(&store)?;
    let (provider, credentials) = store.read_blocking(|conn| {
        let provider = provider::find_by_name(conn, name)?;
        let credentials = match &provider {
            Some(provider) => credentials(conn, provider.id)?,
            None => Vec::new(),
        };
        Ok((provider, credentials))
    })?;
    let no = |what: &str, list: &str| {
        StartError::Refused(format!("there is no {what}; `{list}` shows what there is"))
    };
    let provider = provider.ok_or_else(|| no(&format!("provider `{name}`"), "nexus provider list"))?;
    let credential = match with {
        None => credentials.iter().find(|credential| credential.is_active),
        Some(with) => {
            let found = credentials.iter().find(|credential| credential.name == with);
            let missing = || no(&format!("credential `{with}`"), "GET /admin/v1/providers/{id}/credentials");
            Some(found.ok_or_else(missing)?)
        }
    };
    let clock = Arc::new(SystemClock::new());
    let port = Arc::<SystemClock>::clone(&clock);
    let access = Access::new(&Tls::new(None)?, port).with_hosts(boot::hosts(&settings));
    Ok((Trial::new(provider, credential, &keys.vault), access, clock))
}

fn judged(name: &str, verdict: Verdict) -> Result<(), StartError> {
    match verdict.fault {
        None => Ok(()),
        Some(fault) => {
            let said = fault.said.map(|said| format!(": {said}")).unwrap_or_default();
            Err(StartError::Refused(format!("`{name}`: {} ({}){said}", fault.message, fault.class)))
        }
    }
}
