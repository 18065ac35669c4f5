//! Recognises attacks in what is structure: paths, queries, headers, names and the heads of bodies.
//!
//! Pure functions of what is given: nothing here waits, opens or remembers. A finding is a signal for the audit
//! trail, not what keeps the database safe; bound parameters do that. Prompt text is never given to this crate:
//! a question about SQL looks like an attack and is none.

mod finding;
mod sql;
mod xxe;

pub use finding::{EVIDENCE_BYTES_MAX, Finding, Kind, Position};
pub use sql::{SCAN_BYTES_MAX, inspect};
pub use xxe::{HEAD_BYTES_MAX, inspect_body_head, is_xml};
