//! Where a sealed secret lives, and the bytes by which a seal is bound to it.
//!
//! Every member of a place is bound. One that is added needs a new format: texts of the old one were
//! sealed without it.

use uuid::Uuid;

use super::ROOT_1;
use crate::seal::bound_to;

/// The format of today.
pub(super) const V2: &str = "v2";
/// The format before places had teams and generations; only ever sealed under the root.
pub(super) const V1: &str = "v1";
/// The one kind of place that was sealed in the old format: where it is now, and where it was then.
const MOVED: ((&str, &str), &str) = (("provider_credentials", "api_key_sealed"), "service_providers");

/// Where a sealed secret lives. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: Uuid,
    /// The team the row belongs to; `None`: the platform's.
    pub team: Option<Uuid>,
    /// Goes up with each new secret in this place, so that an old one put back does not open.
    pub generation: i64,
}

impl Place {
    /// What a seal under this key version is bound to here.
    pub(super) fn associated(&self, version: &str) -> Vec<u8> {
        bound_to(&[
            V2.as_bytes(),
            version.as_bytes(),
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            // No team is no bytes, a team is sixteen.
            self.team.as_ref().map_or(&[], |team| team.as_bytes().as_slice()),
            &self.generation.to_be_bytes(),
        ])
    }

    /// What a seal of the old format is bound to; `None` where none was ever made.
    pub(super) fn associated_v1(&self) -> Option<Vec<u8>> {
        let (now, table) = MOVED;
        let is_first = self.team.is_none() && self.generation == 0;
        ((self.table, self.column) == now && is_first).then(|| {
            let [version, table, column] = [ROOT_1, table, self.column].map(str::as_bytes);
            bound_to(&[V1.as_bytes(), version, table, column, self.row.as_bytes()])
        })
    }
}
