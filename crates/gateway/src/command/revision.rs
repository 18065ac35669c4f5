//! `nexus revision`: the changes of configuration, and how one is taken back.

use nexus_engine::port::Clock as _;
use nexus_store::{
    Store, StoreError,
    repo::{
        audit::{Filter, Order, SeqPage},
        revision,
    },
};
use serde_json::json;

use super::change::{self, Deed, change};
use crate::{
    admin::{
        change::Halt,
        difference::FieldChange,
        problem::{Kind, Problem},
        revisions::{RevisionBody, RevisionDetail, RollbackBody, Undoing, undo},
    },
    cli::{self, Output, Place},
    clock::SystemClock,
    start::StartError,
    terminal::{self, say},
};

pub fn run(command: &cli::Revision, place: &Place) -> Result<(), StartError> {
    let store = change::store(place)?;
    let chosen = |output: &Option<Output>| output.unwrap_or_else(terminal::usual_output);
    match command {
        cli::Revision::List { limit, output } => list(&store, *limit, chosen(output)),
        cli::Revision::Show { revision, output } => show(&store, *revision, chosen(output)),
        cli::Revision::Rollback { revision, dry_run, output } => {
            let body = if *dry_run { preview(&store, *revision) } else { rollback(&store, *revision) }?;
            print(&body, *dry_run, chosen(output));
            Ok(())
        }
    }
}

fn list(store: &Store, limit: u32, output: Output) -> Result<(), StartError> {
    let page = SeqPage { after: None, order: Order::NewestFirst, limit };
    for one in store.read_blocking(|conn| revision::list(conn, &Filter::default(), page))? {
        let body = RevisionBody::new(&one);
        match output {
            Output::Json => say(&json!(body).to_string()),
            Output::Text => say(&line(&body)),
        }
    }
    Ok(())
}

fn line(body: &RevisionBody) -> String {
    let who = if body.actor_name.is_empty() { &body.actor_kind } else { &body.actor_name };
    let undone = body.undone_by.map(|by| format!("  taken back by {by}")).unwrap_or_default();
    let (action, target) = (&body.action, body.target_id.as_deref().unwrap_or_default());
    format!("{:>8}  {:>10}  {who:<24}  {action:<24}  {target}{undone}", body.revision, body.at)
}

fn show(store: &Store, number: i64, output: Output) -> Result<(), StartError> {
    let now_ms = SystemClock::new().unix_ms();
    let detail = store.read_blocking(|conn| RevisionDetail::read(conn, number, None, now_ms))?;
    let Some(detail) = detail else {
        let why = format!("there is no revision {number}; `nexus revision list` shows what there is");
        return Err(Problem::new(Kind::NotFound, why).into());
    };
    match output {
        Output::Json => say(&json!(detail).to_string()),
        Output::Text => {
            say(&line(&detail.revision));
            say_changes(&detail.changes);
            detail.stays_because.iter().for_each(|why| say(&format!("cannot be taken back: {why}")));
        }
    }
    Ok(())
}

fn rollback(store: &Store, number: i64) -> Result<RollbackBody, StartError> {
    let now_ms = SystemClock::new().unix_ms();
    change(store, now_ms, |conn| {
        let Undoing { body, team, before, after } = undo(conn, number, now_ms)?;
        let deed = Deed::of("revision.rollback", "revision", number).from(&before).to(&after).undoing(number);
        let deed = match team {
            Some(team) => deed.of_team(team),
            None => deed,
        };
        Ok((body, Some(deed)))
    })
}

/// The same, undone.
fn preview(store: &Store, number: i64) -> Result<RollbackBody, StartError> {
    let now_ms = SystemClock::new().unix_ms();
    let mut seen = None;
    let undone = change(store, now_ms, |conn| -> Result<((), Option<Deed>), Halt> {
        let Undoing { body, .. } = undo(conn, number, now_ms)?;
        seen = Some(body);
        // as an error, so that nothing of it stands
        Err(Halt::Store(StoreError::Lost))
    });
    match (seen, undone) {
        (Some(body), _) => Ok(body),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(StartError::Store(StoreError::Lost)),
    }
}

fn print(body: &RollbackBody, is_dry: bool, output: Output) {
    match output {
        Output::Json => say(&json!({ "dry_run": is_dry, "undoes": body.undoes, "changes": body.changes,
            "revision": (!is_dry).then_some(body.revision) })
        .to_string()),
        Output::Text if is_dry => {
            say(&format!("revision {} can be taken back; nothing was changed", body.undoes));
            say_changes(&body.changes);
        }
        Output::Text => {
            say(&format!("revision {} took {} back", body.revision, body.undoes));
            say_changes(&body.changes);
        }
    }
}

fn say_changes(changes: &[FieldChange]) {
    for FieldChange { field, before, after } in changes {
        say(&format!("  {field}  {before} -> {after}"));
    }
}
