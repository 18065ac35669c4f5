//! The nodes there are, by what each says of itself every few seconds.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl, Queryable, RunQueryDsl, dsl::delete,
};

use crate::{connection::AnyConnection, error::StoreError, repo::Page, schema::nodes, upsert};

/// A node that says nothing for so long is taken to be gone, in milliseconds.
pub const GONE_MS: i64 = 10_000;
/// One that is gone is shown for so long, in milliseconds.
pub const SHOWN_MS: i64 = 86_400_000;

/// A node, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = nodes, treat_none_as_default_value = false)]
pub struct Node {
    pub id: String,
    /// What people call it.
    pub name: String,
    pub role: String,
    pub zone: Option<String>,
    pub version: String,
    /// The revision it has in force.
    pub revision: i64,
    /// Requests under way.
    pub in_flight: i64,
    /// Whether it may have a part of a shared limit.
    pub has_leased: bool,
    pub started_at: i64,
    /// When it was last heard of, by the database's clock.
    pub seen_at: i64,
    /// The newer one that it could not put in force.
    pub refused_revision: Option<i64>,
}

/// A node says what it is; `seen_at` is when it is written down.
pub fn say(conn: &mut AnyConnection, node: &Node) -> Result<(), StoreError> {
    let seen_at = upsert::clock_ms(conn)?;
    upsert::keep_node(conn, &Node { seen_at, ..node.clone() })?;
    Ok(())
}

/// The nodes of a page that are shown, those that began first in front, and the database's clock.
pub fn page(conn: &mut AnyConnection, page: &Page) -> Result<(Vec<Node>, i64), StoreError> {
    use nodes::dsl as row;
    let now_ms = upsert::clock_ms(conn)?;
    let shown = row::seen_at.gt(now_ms.saturating_sub(SHOWN_MS));
    let mut query =
        row::nodes.into_boxed().filter(shown).order((row::started_at, row::id)).limit(page.limit.into());
    if let Some((at, id)) = &page.after {
        query = query.filter(row::started_at.gt(*at).or(row::started_at.eq(*at).and(row::id.gt(id))));
    }
    Ok((query.load(conn)?, now_ms))
}

/// Whether there is another node that is not gone and may have a part of a shared limit.
pub fn has_another_leased(conn: &mut AnyConnection, own: &str) -> Result<bool, StoreError> {
    let since_ms = upsert::clock_ms(conn)?.saturating_sub(GONE_MS);
    let others = nodes::table.filter(nodes::id.ne(own)).filter(nodes::seen_at.gt(since_ms));
    Ok(others.filter(nodes::has_leased).count().get_result::<i64>(conn)? > 0)
}

/// The nodes that are here and do not have the revision in force, as far as they have said.
pub fn behind(conn: &mut AnyConnection, revision: i64) -> Result<Vec<String>, StoreError> {
    use nodes::dsl as row;
    let since_ms = upsert::clock_ms(conn)?.saturating_sub(GONE_MS);
    let here = row::nodes.filter(row::seen_at.gt(since_ms)).filter(row::revision.lt(revision));
    Ok(here.order((row::started_at, row::id)).select(row::id).load(conn)?)
}

/// A node ends, and is not waited for.
pub fn leave(conn: &mut AnyConnection, id: &str) -> Result<(), StoreError> {
    delete(nodes::table.find(id)).execute(conn)?;
    Ok(())
}

/// Forgets nodes that are shown no more.
pub fn purge(conn: &mut AnyConnection) -> Result<usize, StoreError> {
    let before_ms = upsert::clock_ms(conn)?.saturating_sub(SHOWN_MS);
    Ok(delete(nodes::table.filter(nodes::seen_at.le(before_ms))).execute(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Store;

    #[test]
    fn a_node_is_there_as_it_last_said_until_it_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::scratch(folder.path());
        let node = |id: &str, revision, started_at| Node {
            id: id.to_owned(),
            name: "host".to_owned(),
            role: "all".to_owned(),
            zone: None,
            version: "1".to_owned(),
            revision,
            in_flight: 0,
            has_leased: id == "b",
            started_at,
            seen_at: 0,
            refused_revision: None,
        };
        for said in [node("a", 1, 1), node("b", 1, 2), node("a", 7, 1)] {
            store.write_blocking(|conn| say(conn, &said)).unwrap();
        }
        let whole = Page { after: None, limit: 5 };
        let (nodes, now_ms) = store.read_blocking(|conn| page(conn, &whole)).unwrap();
        let shown: Vec<_> = nodes.iter().map(|node| (node.id.as_str(), node.revision)).collect();
        assert_eq!(shown, [("a", 7), ("b", 1)]);
        let rest = Page { after: Some((1, "a".to_owned())), ..whole };
        assert_eq!(store.read_blocking(|conn| page(conn, &rest)).unwrap().0.len(), 1);
        assert!(nodes.iter().all(|node| node.seen_at > now_ms - GONE_MS));
        let another = |own: &str| store.read_blocking(|conn| has_another_leased(conn, own)).unwrap();
        assert!(another("a") && another("c") && !another("b"));
        store.write_blocking(|conn| leave(conn, "b")).unwrap();
        assert!(!another("a"));
        assert_eq!(store.write_blocking(purge).unwrap(), 0);
    }
}
