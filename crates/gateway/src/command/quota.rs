//! `nexus quota`: who may use how much of what in which time.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use actix_web::rt::System;
use nexus_config::load::Flags;
use nexus_core::{id::Uuid, quota::Subject, role};
use nexus_engine::{identity, port::Clock as _};
use nexus_store::{
    Store,
    repo::{
        Changed,
        quota::{self, StoredQuota},
    },
};
use nexus_transport::{Errand, Fetcher, Reach, Tls};
use serde_json::json;
use url::Url;

use crate::{
    admin::{
        problem::{Kind, Problem},
        quotas::{
            self, NewQuota, QuotaBody,
            rights::{self, Set},
        },
        route::PREFIX,
    },
    boot,
    cli::{self, Output, Place, QuotaHolders, QuotaSet},
    clock::SystemClock,
    command::change::{self, Deed, change},
    dice::WorkerDice,
    start::StartError,
    terminal::{self, say},
};

/// How long the running gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of its answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub fn run(command: cli::Quota, place: &Place) -> Result<(), StartError> {
    let store = change::store(place)?;
    match command {
        cli::Quota::List { output } => {
            let output = output.unwrap_or_else(terminal::usual_output);
            for stored in store.read_blocking(quota::list)? {
                print(&stored, output);
            }
            Ok(())
        }
        cli::Quota::Set(wish) => set(&store, &wish),
        cli::Quota::Delete { name } => delete(&store, &name),
        cli::Quota::Holders(wish) => holders(&store, &wish, place),
    }
}

fn print(stored: &StoredQuota, output: Output) {
    match output {
        Output::Json => say(&json!(QuotaBody::new(stored)).to_string()),
        Output::Text => {
            let quota = &stored.quota;
            let of = match &quota.subject {
                Subject::Platform => "platform".to_owned(),
                Subject::Team(id) => format!("team {id}"),
                Subject::Key(id) => format!("key {id}"),
                Subject::Provider(id) => format!("provider {id}"),
                Subject::Model(pattern) => format!("model {}", pattern.as_str()),
                Subject::User(pattern) => format!("user {}", pattern.as_str()),
                Subject::Tag(pattern) => format!("tag {}", pattern.as_str()),
            };
            let (measure, window, mode) =
                (quota.measure.as_str(), quota.window.as_str(), quota.mode.as_str());
            say(&format!(
                "{:<24}  {of:<44}  {measure:<13}  {window:<8}  {:>20}  {mode}",
                quota.name, quota.limit
            ));
        }
    }
}

/// What is wished for, in the words of a request.
fn wished(wish: &QuotaSet) -> Result<NewQuota, StartError> {
    let said = json!({
        "name": wish.name,
        "subject": wish.subject,
        "subject_value": wish.value,
        "measure": wish.measure,
        "window": wish.window,
        "utc_offset_minutes": wish.utc_offset_minutes,
        "time_zone": wish.time_zone,
        "rolling_seconds": wish.rolling_seconds,
        "limit": wish.limit,
        "mode": wish.mode,
        "when_alone": wish.when_alone,
    });
    serde_json::from_value(said).map_err(|error| StartError::Refused(error.to_string()))
}

/// The quota of a name, or of an id where several teams have one of the name.
fn told(quotas: Vec<StoredQuota>, name: &str) -> Result<StoredQuota, Problem> {
    let id: Option<Uuid> = name.parse().ok();
    let is_told = |stored: &StoredQuota| &*stored.quota.name == name || Some(stored.quota.id) == id;
    let mut found = quotas.into_iter().filter(is_told);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(Problem::new(
            Kind::Conflict,
            format!(
                "several quotas are named `{name}`; say the id, which `nexus quota list --output json` shows"
            ),
        )),
        (None, _) => Err(Problem::new(
            Kind::NotFound,
            format!("there is no quota `{name}`; `nexus quota list` shows what there is"),
        )),
    }
}

/// Makes a quota, or gives its team's of this name another limit or mode; what it is for stays as it is.
fn set(store: &Store, wish: &QuotaSet) -> Result<(), StartError> {
    let clock = SystemClock::new();
    let now_ms = clock.unix_ms();
    let wanted = quotas::checked(&wished(wish)?, identity::mint(&clock, &WorkerDice::new()))?;
    let stored = change(store, now_ms, |conn| {
        let Set { team, is_own } = rights::may_set(conn, role::Reach::Platform, &wanted)?;
        let mut present = quota::list(conn)?.into_iter();
        let Some(before) = present.find(|stored| stored.is_named(team, &wanted.name)) else {
            let quota = wanted.clone();
            let new =
                StoredQuota { quota, team, is_own, created_at_ms: now_ms, updated_at_ms: now_ms, version: 1 };
            quota::create(conn, &new)?;
            let deed = Deed::of("quota.create", "quota", new.quota.id).to(&QuotaBody::new(&new));
            return Ok((new, Some(deed)));
        };
        let (there, id) = (&before.quota, before.quota.id);
        if (&there.subject, there.measure, &there.window) != (&wanted.subject, wanted.measure, &wanted.window)
        {
            let why = "the quota of this name is for something else; delete it, or take another name";
            return Err(Problem::new(Kind::Conflict, why).into());
        }
        let (limit, mode, when_alone) = (Some(wanted.limit), Some(wanted.mode), Some(wanted.when_alone));
        let other = quota::Change { name: None, limit, mode, when_alone };
        match quota::update(conn, id, &other, before.version, now_ms)? {
            Changed::Now(after) => {
                let deed = Deed::of("quota.update", "quota", id);
                let deed = deed.from(&QuotaBody::new(&before)).to(&QuotaBody::new(&after));
                Ok((after, Some(deed)))
            }
            Changed::Stale | Changed::Unknown => Err(Kind::Stale.into()),
        }
    })?;
    print(&stored, wish.output.unwrap_or_else(terminal::usual_output));
    Ok(())
}

fn delete(store: &Store, name: &str) -> Result<(), StartError> {
    change(store, SystemClock::new().unix_ms(), |conn| {
        let before = told(quota::list(conn)?, name)?;
        quota::delete(conn, before.quota.id)?;
        let deed = Deed::of("quota.delete", "quota", before.quota.id);
        Ok(((), Some(deed.from(&QuotaBody::new(&before)))))
    })
}

/// Only the running gateway knows who holds what: it is asked.
fn holders(store: &Store, wish: &QuotaHolders, place: &Place) -> Result<(), StartError> {
    let id = told(store.read_blocking(quota::list)?, &wish.name)?.quota.id;
    let address = match wish.address {
        Some(address) => address,
        None => boot::settings(place.config.as_deref(), &Flags::default())?.server.bind,
    };
    say(&System::new().block_on(ask(address, id, wish.admin_key.0.expose()))?);
    Ok(())
}

async fn ask(address: SocketAddr, id: Uuid, key: &str) -> Result<String, StartError> {
    // what listens everywhere is asked here
    let host = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        ip if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(host, address.port());
    let refused = |why: String| StartError::Refused(format!("the gateway at {address}: {why}"));
    let url = Url::parse(&format!("http://{address}{PREFIX}/quotas/{id}/holders"));
    let url = url.map_err(|error| refused(error.to_string()))?;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let reach = Reach::Private;
    let errand =
        Errand { url: &url, headers: &headers, reach, limit_bytes: ANSWER_BYTES_MAX, timeout: PATIENCE };
    let fetched = Fetcher::new(&Tls::new(None)?).get(errand).await.map_err(|fault| refused(fault.message))?;
    let text = String::from_utf8_lossy(&fetched.body).into_owned();
    if fetched.status == 200 { Ok(text) } else { Err(refused(format!("status {}: {text}", fetched.status))) }
}
