//! The models as Google lists them.

use bytes::Bytes;

use crate::part::object::{Object, array};

/// What every model here can be asked for.
const METHODS: &str = r#"["generateContent","streamGenerateContent","countTokens"]"#;

/// The body of `GET /v1beta/models`, all on one page.
pub(super) fn list(names: &[&str]) -> Bytes {
    let models: Vec<String> = names.iter().map(|name| model(name)).collect();
    Object::default().raw("models", &array(&models)).done().into()
}

/// The body of `GET /v1beta/models/{model}`.
pub(super) fn one(name: &str) -> Bytes {
    model(name).into()
}

fn model(name: &str) -> String {
    let model = Object::default().text("name", &format!("models/{name}")).text("version", "");
    model.text("displayName", name).raw("supportedGenerationMethods", METHODS).done()
}
