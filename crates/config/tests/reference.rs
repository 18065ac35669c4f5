//! The reference page names every field, and the table of fields is what the file takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

use figment::{
    error::{Error, Kind as Wrong},
    value::{Dict, Value},
};
use nexus_config::{
    field::{Field, Kind, Preset},
    raw::{Database, Logging, Model, Monitoring, Provider, Raw, Server, Timeouts},
    reference::reference_markdown,
};
use serde::de::DeserializeOwned;

/// What serde says the section takes.
fn known<T: DeserializeOwned>() -> Vec<String> {
    let bogus: Value = Dict::from([("bogus".to_owned(), 1.into())]).into();
    let refused: Result<T, Error> = bogus.deserialize();
    match refused.err().map(|error| error.kind) {
        Some(Wrong::UnknownField(_, names)) => names.iter().map(|name| (*name).to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.to_owned()).collect()
}

#[test]
fn the_table_has_exactly_the_fields_the_file_takes() {
    for (taken, listed) in [
        (known::<Raw>(), names(Raw::FIELDS)),
        (known::<Server>(), names(Server::FIELDS)),
        (known::<Timeouts>(), names(Timeouts::FIELDS)),
        (known::<Database>(), names(Database::FIELDS)),
        (known::<Monitoring>(), names(Monitoring::FIELDS)),
        (known::<Logging>(), names(Logging::FIELDS)),
        (known::<Provider>(), names(Provider::FIELDS)),
        (known::<Model>(), names(Model::FIELDS)),
    ] {
        assert_eq!(taken, listed);
    }
}

#[test]
fn the_page_says_everything_about_every_field() {
    let page = reference_markdown();
    let mut sections = vec![("Top level".to_owned(), String::new(), Raw::FIELDS)];
    let mut count = 0;
    while let Some((title, prefix, fields)) = sections.pop() {
        let table = page.split("\n## ").find_map(|part| part.strip_prefix(&format!("{title}\n"))).unwrap();
        for field in fields {
            count += 1;
            let row = table.lines().find(|line| line.starts_with(&format!("| `{}` |", field.name))).unwrap();
            assert_eq!(row.matches(" | ").count(), 3, "{row}");
            assert!(row.ends_with(&format!(" | {} |", field.doc.trim())) && field.doc.len() > 10, "{row}");
            if let Preset::Whole(number) = field.preset {
                assert!(row.contains(&format!("| `{number}` |")), "{row}");
            }
            let below = |mark| format!("{prefix}{}{mark}", field.name);
            match field.kind {
                Kind::Section(inner) => sections.push((format!("`{}`", below("")), below("."), inner)),
                Kind::List(inner) => sections.push((format!("`{}`", below("[]")), below("[]."), inner)),
                _ => {}
            }
        }
    }
    assert!(count > 35, "{count}");
    for variable in ["NEXUS_SECRET_KEY", "DB_ENCRYPTION_KEY", "REDIS_URL", "DATABASE_URL", "MONITORING_PORT"]
    {
        assert!(page.contains(&format!("| `{variable}` |")), "{variable}");
    }
}
