//! That the schema can be made, taken back and made again, and what becomes of rows on the way.

use diesel::{QueryDsl, QueryableByName, RunQueryDsl, sql_query, sql_types::Text};

use super::*;
use crate::{repo::usage, scratch};

/// A thing in the database and how it is made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Made {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

const OF_SQLITE: &str = "SELECT name, coalesce(sql, '') AS definition FROM sqlite_master ORDER BY 1, 2";

const OF_POSTGRES: &str = "SELECT name::text, definition::text FROM (
    SELECT table_name || '.' || column_name AS name, concat_ws(' ', ordinal_position, data_type, collation_name,
        is_nullable, column_default) AS definition
    FROM information_schema.columns WHERE table_schema = current_schema()
    UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL SELECT t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL SELECT proname, pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()
    UNION ALL SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c
    WHERE c.relispartition AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
) AS everything ORDER BY 1, 2";

#[expect(
    clippy::disallowed_methods,
    reason = "literal statements: the catalogues are no tables diesel knows"
)]
fn dump(store: &Store) -> Vec<Made> {
    let made = |conn: &mut AnyConnection| match conn {
        AnyConnection::Sqlite(conn) => sql_query(OF_SQLITE).load(conn),
        AnyConnection::Postgres(conn) => sql_query(OF_POSTGRES).load(conn),
    };
    store.read_blocking(|conn| Ok(made(conn)?)).unwrap()
}

#[test]
fn up_down_up_leaves_an_equal_schema() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let first = dump(&store);
    assert!(status(&store).unwrap().iter().all(|migration| migration.is_applied));
    assert!(run(&store).unwrap().is_empty(), "a second run has nothing to do");
    usage::parts::tend(&store, 1_795_478_400_000).unwrap();
    while revert(&store).unwrap().is_some() {}
    assert!(dump(&store).iter().all(|made| made.name.contains("__diesel")), "{:?}", dump(&store));
    assert!(status(&store).unwrap().iter().all(|migration| !migration.is_applied));
    let names: Vec<_> = status(&store).unwrap().into_iter().map(|migration| migration.name).collect();
    assert_eq!(run(&store).unwrap(), names);
    assert_eq!(dump(&store), first);
}

#[test]
fn a_providers_key_becomes_a_credential_and_back_and_nothing_bounded_becomes_unbounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    while revert(&store).unwrap().unwrap() != "00000000000002_tenancy" {}
    scratch::execute(
        folder.path(),
        "INSERT INTO teams VALUES ('t', 't', TRUE, 1, 1);
             INSERT INTO keys VALUES ('plain', 't', 'app', '', '', 5, NULL, NULL),
                 ('bounded', 't', 'app', '', '', 5, NULL, NULL);
             INSERT INTO service_providers (id, name, api_key_sealed, kind, endpoint, weight,
                     allow_private_network, is_active, created_at, updated_at)
                 VALUES ('with', 'a', 'sealed', 'k', 'e', 1, FALSE, TRUE, 3, 4),
                     ('without', 'b', NULL, 'k', 'e', 1, FALSE, TRUE, 3, 4);",
    )
    .unwrap();
    run(&store).unwrap();
    use crate::schema::{keys::dsl as k, provider_credentials::dsl as c};
    let columns = (c::id, c::provider_id, c::name, c::api_key_sealed, c::generation);
    let credentials: Vec<(String, String, String, String, i64)> =
        store.read_blocking(|conn| Ok(c::provider_credentials.select(columns).load(conn)?)).unwrap();
    let [id, name, sealed] = ["with", "default", "sealed"].map(str::to_owned);
    assert_eq!(credentials, [(id.clone(), id, name, sealed, 0)]);
    let keys: Vec<(String, String, i64)> = store
        .read_blocking(|conn| Ok(k::keys.select((k::scope, k::form, k::updated_at)).load(conn)?))
        .unwrap();
    assert_eq!(keys, vec![("{}".to_owned(), "jwt".to_owned(), 5); 2]);
    scratch::execute(
        folder.path(),
        "UPDATE keys SET scope = '{\"models\":[]}' WHERE id = 'bounded';
             INSERT INTO keys (id, level, form, digest, name, token_last_four, created_at)
                 VALUES ('short', 'app', 'opaque', 'd', '', '', 5);",
    )
    .unwrap();
    while revert(&store).unwrap().unwrap() != "00000000000002_tenancy" {}
    let columns = (k::id, k::revoked_at);
    let keys: Vec<(String, Option<i64>)> =
        store.read_blocking(|conn| Ok(k::keys.select(columns).order(k::id).load(conn)?)).unwrap();
    assert_eq!(keys, [("bounded".to_owned(), Some(5)), ("plain".to_owned(), None)]);
    scratch::execute(
        folder.path(),
        "CREATE TEMP TABLE one (a BIGINT CHECK (a = 1));
             INSERT INTO one SELECT count(*) FROM service_providers WHERE api_key_sealed = 'sealed';",
    )
    .unwrap();
}

#[test]
fn columns_of_tokens_become_rows_of_quantities_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    while revert(&store).unwrap().unwrap() != "00000000000005_quantities" {}
    scratch::execute(
        folder.path(),
        "INSERT INTO usage_hours VALUES (7, 'c', 3, 0, 10, 0, 20, 30, 0, 0, 0);
             INSERT INTO usage_attempts VALUES ('a', 'r', 1, 'c', 'answered', 200,
                 '{\"input\":1,\"cache_write\":2}', 'provider', NULL, NULL, 1, NULL, 1);",
    )
    .unwrap();
    run(&store).unwrap();
    use crate::schema::{usage_attempts::dsl as a, usage_hours::dsl as h};
    let sums: Vec<(String, i64)> = store
        .read_blocking(|conn| {
            let rows = h::usage_hours.order((h::hour, h::context_id, h::measure));
            Ok(rows.select((h::measure, h::amount)).load(conn)?)
        })
        .unwrap();
    let expected = [("requests", 1), ("attempts", 3), ("cache_write_5m", 20), ("input", 10), ("output", 30)];
    assert_eq!(sums, expected.map(|(measure, amount)| (measure.to_owned(), amount)));
    let quantities: String =
        store.read_blocking(|conn| Ok(a::usage_attempts.select(a::quantities).first(conn)?)).unwrap();
    assert_eq!(quantities, r#"{"input":1,"cache_write_5m":2}"#);
    while revert(&store).unwrap().unwrap() != "00000000000005_quantities" {}
    scratch::execute(
        folder.path(),
            "CREATE TEMP TABLE one (a BIGINT CHECK (a = 1));
             INSERT INTO one SELECT count(*) FROM usage_hours WHERE attempts = 3 AND input = 10
                 AND cache_write = 20 AND output = 30 AND audio_out = 0;
             INSERT INTO one SELECT count(*) FROM usage_attempts WHERE quantities LIKE '%\"cache_write\":2%';",
    )
    .unwrap();
}

#[test]
fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999')";
    scratch::execute(folder.path(), newer).unwrap();
    assert!(matches!(run(&store), Err(StoreError::NewerSchema(version)) if version == "99999"));
}

#[test]
fn starting_at_once_the_schema_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = scratch::url(folder.path());
    let made: usize = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..4).map(|_| scope.spawn(|| run(&Store::open(&url).unwrap()).unwrap().len())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).sum()
    });
    assert_eq!(made, known().unwrap().len());
}

#[test]
fn postgres_compares_every_text_byte_by_byte_as_sqlite_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::scratch(folder.path());
    if scratch::postgres().is_none() {
        return;
    }
    let others: Vec<_> = dump(&store)
        .into_iter()
        .filter(|made| made.definition.contains(" text ") && !made.definition.contains(" text C "))
        .filter(|made| !made.name.starts_with("__diesel") && made.name.contains('.'))
        .collect();
    assert_eq!(others, []);
}
