//! Changes the command line makes beside a running server or without one: each stands together with its row
//! in the audit trail.

use nexus_config::{environment::Absence, load::Flags};
use nexus_core::{id::TeamId, role::ActorId};
use nexus_store::{
    AnyConnection, Store, StoreError,
    repo::{
        audit::{self, Entry, Target},
        revision,
    },
};
use serde::Serialize;

use crate::{
    admin::{change::Halt, credentials::Sealer, problem::Problem},
    boot,
    cli::Place,
    deed,
    start::StartError,
};

/// The database the settings name.
pub fn store(place: &Place) -> Result<Store, StartError> {
    boot::store(&boot::settings(place.config.as_deref(), &Flags::default())?)
}

/// The root secrets, which must be those of the database.
pub fn keys(store: &Store) -> Result<boot::Keys, StartError> {
    let keys = boot::keys(Absence::Refused)?;
    boot::check_root(store, &keys.vault)?;
    Ok(keys)
}

/// What provider keys are sealed with.
pub fn sealer(keys: &boot::Keys) -> Sealer<'_> {
    Sealer { vault: &keys.vault, digests: &keys.proofs.digests }
}

/// Something that was changed, as the trail tells it.
pub struct Deed {
    actor: ActorId,
    action: &'static str,
    target: Target,
    team: Option<TeamId>,
    before: Option<String>,
    after: Option<String>,
    /// The revision it takes back.
    undoes: Option<i64>,
}

impl Deed {
    pub fn of(action: &'static str, kind: &'static str, id: impl ToString) -> Self {
        let target = Target { kind, id: Some(id.to_string()) };
        Self { actor: ActorId::Console, action, target, team: None, before: None, after: None, undoes: None }
    }

    /// It was not somebody at the command line.
    pub fn by(self, actor: ActorId) -> Self {
        Self { actor, ..self }
    }

    /// It takes this revision back.
    pub fn undoing(self, revision: i64) -> Self {
        Self { undoes: Some(revision), ..self }
    }

    /// It is this team's trail too.
    pub fn of_team(self, team: TeamId) -> Self {
        Self { team: Some(team), ..self }
    }

    pub fn from(self, before: &impl Serialize) -> Self {
        Self { before: serde_json::to_string(before).ok(), ..self }
    }

    pub fn to(self, after: &impl Serialize) -> Self {
        Self { after: serde_json::to_string(after).ok(), ..self }
    }
}

/// Makes a change; a deed is written into the trail in the same transaction.
pub fn change<T>(
    store: &Store,
    now_ms: i64,
    work: impl FnOnce(&mut AnyConnection) -> Result<(T, Option<Deed>), Halt>,
) -> Result<T, StartError> {
    let mut refused = None;
    let written = store.write_blocking(|conn| {
        revision::open(conn)?;
        let (value, deed) = work(conn).map_err(|halt| match halt {
            Halt::Store(error) => error,
            // an error of the store's own undoes everything; which problem it was is told beside it
            Halt::Problem(problem) => {
                refused = Some(problem);
                StoreError::Lost
            }
        })?;
        match deed {
            Some(Deed { actor, action, target, team, before, after, undoes }) => {
                let entry = Entry { target: Some(target), team, before, after, ..deed::of(actor, action) };
                let seq = audit::append(conn, &entry, now_ms)?;
                revision::close(conn, seq, undoes)?;
            }
            None => revision::discard(conn)?,
        }
        Ok(value)
    });
    match refused {
        Some(problem) => Err(problem.into()),
        None => Ok(written?),
    }
}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> Self {
        let title = problem.kind.row().title;
        let said = problem.said();
        StartError::Refused(if said.is_empty() { title.to_owned() } else { said })
    }
}
