//! Entries of the audit trail for what the command line and the gateway itself do.

use nexus_core::role::ActorId;
use nexus_store::repo::audit::{Entry, Outcome};

/// Something done by the command line, to be filled in.
pub fn of_console(action: &'static str) -> Entry {
    of(ActorId::Console, action)
}

/// Something the gateway did by itself, to be filled in.
pub fn of_system(action: &'static str) -> Entry {
    of(ActorId::System, action)
}

/// Something that was done, to be filled in.
pub fn of(actor: ActorId, action: &'static str) -> Entry {
    Entry {
        actor: Some(actor),
        actor_name: String::new(),
        team: None,
        action,
        target: None,
        before: None,
        after: None,
        address: None,
        request_id: None,
        outcome: Outcome::Ok,
        detail: None,
    }
}
