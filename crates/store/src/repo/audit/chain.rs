//! The hash that chains a row to the one before it.
//!
//! Every row ever written is checked by this encoding: changing it breaks every trail there is.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Recorded;

/// What the first row of all is chained to.
pub(super) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Names what is hashed, so that no other use of SHA-256 yields the same.
const FORM: &str = "nexus audit row 1";

/// The hash of a row; the one it bears is not looked at.
pub(super) fn hash(previous: &str, row: &Recorded) -> String {
    // all named, so that a new column is not forgotten here
    let Recorded {
        seq,
        day,
        at,
        actor_kind,
        actor_id,
        actor_name,
        team_id,
        action,
        target_kind,
        target_id,
        before,
        after,
        address,
        request_id,
        outcome,
        detail,
        hash: _,
    } = row;
    let mut encoding = Encoding(Sha256::new());
    encoding.text(FORM);
    encoding.text(previous);
    encoding.number(*seq);
    encoding.text(day);
    encoding.number(*at);
    encoding.text(actor_kind);
    encoding.text_or_none(actor_id.as_deref());
    encoding.text(actor_name);
    encoding.text_or_none(team_id.as_deref());
    encoding.text(action);
    for column in [target_kind, target_id, before, after, address, request_id] {
        encoding.text_or_none(column.as_deref());
    }
    encoding.text(outcome);
    encoding.text_or_none(detail.as_deref());
    encoding.finish()
}

/// Each part says what it is and how long, so that no two rows encode alike.
struct Encoding(Sha256);

impl Encoding {
    fn text(&mut self, text: &str) {
        self.0.update([b't']);
        self.0.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(text);
    }

    fn text_or_none(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.update([b'-']),
        }
    }

    fn number(&mut self, number: i64) {
        self.0.update([b'n']);
        self.0.update(number.to_be_bytes());
    }

    fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // writing to a string cannot fail
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Recorded {
        Recorded {
            seq: 7,
            day: "2026-11-24".into(),
            at: 1_795_500_000_000,
            actor_kind: "user".into(),
            actor_id: Some("u".into()),
            actor_name: "ann".into(),
            team_id: None,
            action: "key.create".into(),
            target_kind: Some("key".into()),
            target_id: Some("k".into()),
            before: None,
            after: Some("{}".into()),
            address: Some("10.0.0.1".into()),
            request_id: None,
            outcome: "ok".into(),
            detail: None,
            hash: "not looked at".into(),
        }
    }

    #[test]
    fn the_hash_of_a_row_is_the_same_in_every_version() {
        let expected = "c998f343e4c67211f3228135da6414fe25c31f93b7af1d0b4dd793bd1eb02d3d";
        assert_eq!(hash(START, &row()), expected);
    }

    #[test]
    fn rows_that_differ_only_in_where_a_text_stands_hash_differently() {
        let changes: [fn(&mut Recorded); 6] = [
            |r| (r.target_id, r.before) = (None, r.target_id.take()),
            |r| (r.before, r.after) = (Some("{}".into()), None),
            |r| r.before = Some(String::new()),
            |r| (r.actor_name, r.team_id) = ("an".into(), Some("n".into())),
            |r| (r.outcome, r.detail) = ("o".into(), Some("k".into())),
            |r| r.seq = -7,
        ];
        let mut seen = vec![hash(START, &row()), hash(&START.replace('0', "1"), &row())];
        for change in changes {
            let mut row = row();
            change(&mut row);
            let found = hash(START, &row);
            assert!(!seen.contains(&found), "{row:?}");
            seen.push(found);
        }
    }
}
