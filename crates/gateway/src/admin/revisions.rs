//! Revisions of the configuration: what was changed, by whom, and how it is taken back.
//!
//! A team's admins see what was done to their team's things; taking back is the platform's.

use nexus_core::id::TeamId;
use nexus_store::{
    AnyConnection,
    repo::{
        audit::{Order, SeqPage},
        revision::{self, CannotUndo, Image, Revision, Undone},
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    answer::{Recorded, Told},
    audit_logs::AuditFilter,
    call::{Call, found},
    change::{Change, Halt},
    difference::{self, FieldChange},
    problem::{Kind, Problem},
    query::{Listing, Walk},
    rules::refuse_cycle,
    users::check_still_in_charge,
};

/// A change of configuration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revision)]
pub struct RevisionBody {
    /// Rises with every change, with gaps. A node has the change in force whose `world_revision` is no lower.
    pub revision: i64,
    /// Unix seconds.
    pub at: i64,
    /// `key`, `user`, `cli` or `system`.
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub team_id: Option<String>,
    /// The kind of thing and what was done to it, such as `key.create`.
    pub action: String,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    /// The revision it takes back.
    pub undoes: Option<i64>,
    /// The revision it was taken back by.
    pub undone_by: Option<i64>,
    /// Its row of the audit trail.
    pub audit_seq: i64,
}

impl RevisionBody {
    pub fn new(revision: &Revision) -> Self {
        let told = &revision.told;
        Self {
            revision: revision.number,
            at: told.at.div_euclid(1000),
            actor_kind: told.actor_kind.clone(),
            actor_id: told.actor_id.clone(),
            actor_name: told.actor_name.clone(),
            team_id: told.team_id.clone(),
            action: told.action.clone(),
            target_kind: told.target_kind.clone(),
            target_id: told.target_id.clone(),
            undoes: revision.undoes,
            undone_by: revision.undone_by,
            audit_seq: told.seq,
        }
    }
}

/// A change of configuration, and what it changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevisionDetail)]
pub struct RevisionDetail {
    #[serde(flatten)]
    #[schema(inline)]
    pub revision: RevisionBody,
    /// Member by member, without secrets.
    pub changes: Vec<FieldChange>,
    /// Why it cannot be taken back; empty where it can, as long as nothing it changed changes again.
    pub stays_because: Vec<String>,
}

impl RevisionDetail {
    /// Reads the revision of a number, where its team is one of those that may be seen.
    pub fn read(
        conn: &mut AnyConnection,
        number: i64,
        team: Option<TeamId>,
        now_ms: i64,
    ) -> Result<Option<Self>, nexus_store::StoreError> {
        let seen = revision::show(conn, number)?
            .filter(|one| team.is_none_or(|team| one.told.team_id == Some(team.to_string())));
        let Some(one) = seen else { return Ok(None) };
        let rows = revision::changes(conn, number)?;
        Ok(Some(Self {
            changes: difference::between(one.told.before.as_deref(), one.told.after.as_deref()),
            stays_because: revision::reasons_to_stay(&rows, now_ms),
            revision: RevisionBody::new(&one),
        }))
    }
}

/// Newest first.
pub async fn list(call: Call<Walk<AuditFilter>>) -> Result<Listing<RevisionBody>, Problem> {
    let rows = match call.query.filter.within(call.caller.reach) {
        None => Vec::new(),
        Some(filter) => {
            let page = call.query.page();
            let after = page.after.map(|(seq, _)| seq);
            let page = SeqPage { after, order: Order::NewestFirst, limit: page.limit };
            call.read(move |conn| revision::list(conn, &filter, page)).await?
        }
    };
    let key = |row: &Revision| (row.told.seq, String::new());
    Ok(call.query.listing(&call.admin().secrets.cursors, rows, key, RevisionBody::new))
}

pub async fn show(call: Call) -> Result<Told<RevisionDetail>, Problem> {
    let (number, team, now_ms) = (call.id("revision")?, call.caller.reach.team(), call.now_ms());
    Ok(Told(found(call.read(move |conn| RevisionDetail::read(conn, number, team, now_ms)).await?)?))
}

/// What taking a revision back has changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rollback)]
pub struct RollbackBody {
    /// The revision that this makes.
    pub revision: i64,
    /// The one that is taken back.
    pub undoes: i64,
    /// Member by member; the first two parts of a pointer are the table and the id of a row.
    pub changes: Vec<FieldChange>,
}

/// Takes a revision back, as a revision of its own.
pub async fn rollback(call: Call) -> Result<Recorded<Told<RollbackBody>>, Problem> {
    let (number, now_ms) = (call.id("revision")?, call.now_ms());
    call.change("revision.rollback", move |conn| {
        let Undoing { body, team, before, after } = undo(conn, number, now_ms)?;
        let change = Change::of("revision", number, team, Told(body));
        Ok(change.from(&before).to(&after).undoing(number))
    })
    .await
}

/// A revision that was taken back, for the trail and for whoever asked.
pub struct Undoing {
    pub body: RollbackBody,
    /// The team whose trail it also is.
    pub team: Option<TeamId>,
    pub before: Value,
    pub after: Value,
}

/// Takes a revision back. What it leaves is held to what every change is held to.
pub fn undo(conn: &mut AnyConnection, number: i64, now_ms: i64) -> Result<Undoing, Halt> {
    let told = found(revision::show(conn, number)?)?.told;
    let refused =
        |what: &str, why: Vec<String>| Problem::new(Kind::Conflict, format!("{what}: {}", why.join("; ")));
    let undone = match revision::undo(conn, number, now_ms)? {
        Ok(undone) => undone,
        Err(CannotUndo::Stays(why)) => {
            return Err(refused("this revision cannot be taken back", why).into());
        }
        Err(CannotUndo::Moved(why)) => {
            let what = "take back first what came after it, or change the thing itself";
            return Err(refused(what, why).into());
        }
    };
    refuse_cycle(conn)?;
    for user in undone.iter().filter(|row| row.table == "users") {
        check_still_in_charge(conn, user.id.parse().map_err(|_| Kind::NotFound)?)?;
    }
    let (before, after) = (told_of(&undone, |row| &row.before), told_of(&undone, |row| &row.after));
    let changes = difference::between(Some(&before.to_string()), Some(&after.to_string()));
    let revision = found(revision::being_made(conn)?)?;
    let team = told.team_id.and_then(|id| id.parse().ok());
    Ok(Undoing { body: RollbackBody { revision, undoes: number, changes }, team, before, after })
}

/// The rows by table and id.
fn told_of(undone: &[Undone], side: impl Fn(&Undone) -> &Option<Image>) -> Value {
    let mut tables = json!({});
    for row in undone {
        if let Some(image) = side(row)
            && let Some(tables) = tables.as_object_mut()
        {
            let table = tables.entry(row.table).or_insert_with(|| json!({}));
            if let Some(table) = table.as_object_mut() {
                table.insert(row.id.clone(), Value::Object(image.clone()));
            }
        }
    }
    tables
}
