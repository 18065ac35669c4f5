//! The bodies of `GET /v1/models` and `GET /v1/models/{id}`.

use bytes::Bytes;
use serde::Serialize;

/// A model as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// The alias.
    pub id: &'a str,
    /// Unix time in seconds.
    pub created_s: i64,
    pub owned_by: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

fn entry<'a>(model: &Model<'a>) -> Entry<'a> {
    Entry { id: model.id, object: "model", created: model.created_s, owned_by: model.owned_by }
}

/// `{"object":"list","data":[..]}`, in the order given.
pub fn list(models: &[Model<'_>]) -> Bytes {
    let list = List { object: "list", data: models.iter().map(entry).collect() };
    serde_json::to_vec(&list).map_or_else(|_| Bytes::new(), Bytes::from)
}

/// `{"id","object":"model","created","owned_by"}`
pub fn one(model: &Model<'_>) -> Bytes {
    serde_json::to_vec(&entry(model)).map_or_else(|_| Bytes::new(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_written_in_openai_s_shape() {
        let model = Model { id: "a \"b\"", created_s: 7, owned_by: "nexus" };
        let entry = r#"{"id":"a \"b\"","object":"model","created":7,"owned_by":"nexus"}"#;
        assert_eq!(one(&model), entry);
        assert_eq!(list(&[]), r#"{"object":"list","data":[]}"#);
        assert_eq!(list(&[model.clone(), model]), format!(r#"{{"object":"list","data":[{entry},{entry}]}}"#));
    }
}
