//! Requests and answers as a specification in OpenAPI describes them: for each operation the smallest, and one that
//! says everything it may.

use serde_json::{Map, Value, json};

use super::{
    Case, filled, goes_through,
    own::{FORM, JSON},
    recorder::Told,
    row,
};

/// How much of what may be said is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Required,
    All,
}

/// How deep things may stand in one another.
const DEPTH_MAX: usize = 12;
/// What stands for the bytes of a file.
const BINARY: &str = "\u{1}RIFF";

/// An operation of the specification.
pub struct Operation<'a> {
    document: &'a Value,
    /// In lower case.
    pub method: &'a str,
    /// Behind `/v1`, with braces, and with a query where the specification says one.
    pub path: &'a str,
    said: &'a Value,
}

/// Every operation, in the order of their paths.
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, said) in item.as_object().unwrap() {
            if ["get", "post", "delete"].contains(&method.as_str()) {
                all.push(Operation { document, method, path, said });
            }
        }
    }
    all
}

impl Operation<'_> {
    /// The media types of its body; none where it has none.
    pub fn media(&self) -> Vec<&str> {
        let content = self.resolved(&self.said["requestBody"])["content"].as_object();
        content.map(|content| content.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// A body of one of these media types.
    pub fn body(&self, media: &str, measure: Measure) -> Value {
        let body = self.resolved(&self.said["requestBody"]);
        self.value(&body["content"][media]["schema"], measure, 0)
    }

    /// The status of a good answer, and what describes it.
    fn good(&self) -> (u16, &Value) {
        let mut responses = self.said["responses"].as_object().unwrap().iter();
        let (status, good) = responses.find(|(status, _)| status.starts_with('2')).unwrap();
        (status.parse().unwrap(), good)
    }

    /// The answer where it is JSON.
    pub fn answer(&self, measure: Measure) -> Option<Value> {
        let (_, good) = self.good();
        let schema = self.resolved(good)["content"].get("application/json")?.get("schema")?;
        Some(self.value(schema, measure, 0))
    }

    /// The query with every parameter it knows, or those it must have.
    pub fn query(&self, measure: Measure) -> String {
        let parameters = self.said["parameters"].as_array().into_iter().flatten();
        let wanted = parameters.map(|parameter| self.resolved(parameter)).filter(|parameter| {
            parameter["in"] == "query" && (measure == Measure::All || parameter["required"] == true)
        });
        let pairs = wanted.flat_map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            match self.value(&parameter["schema"], measure, 0) {
                Value::Array(values) => {
                    let plain = name.strip_suffix("[]").unwrap_or(name);
                    values.iter().map(|value| format!("{plain}[]={}", escaped(value))).collect()
                }
                Value::Object(members) => {
                    members.iter().map(|(key, value)| format!("{name}[{key}]={}", escaped(value))).collect()
                }
                value => vec![format!("{name}={}", escaped(&value))],
            }
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// What a reference leads to.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let found = self.document.pointer(reference.trim_start_matches('#'));
                self.resolved(found.unwrap_or_else(|| panic!("{reference}")))
            }
            None => schema,
        }
    }

    fn value(&self, schema: &Value, measure: Measure, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        for several in ["oneOf", "anyOf"] {
            if let Some(first) = schema[several].as_array().and_then(|all| self.preferred(all)) {
                return self.value(first, measure, depth + 1);
            }
        }
        if schema.get("allOf").is_some() || schema.get("properties").is_some() {
            return Value::Object(self.object(schema, measure, depth));
        }
        let word = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match word {
            Some("string") => self.text(schema),
            Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
            Some("number") => json!(schema["minimum"].as_f64().unwrap_or(0.5).max(0.5)),
            Some("boolean") => json!(false),
            Some("array") if depth < DEPTH_MAX => json!([self.value(&schema["items"], measure, depth + 1)]),
            Some("array") => json!([]),
            Some("null") => Value::Null,
            _ => json!({ "own": "a\u{e9}\"\\ \u{1f642}" }),
        }
    }

    /// Which of several is said: the first that is not nothing.
    fn preferred<'a>(&'a self, all: &'a [Value]) -> Option<&'a Value> {
        all.iter().find(|one| self.resolved(one)["type"] != "null").or(all.first())
    }

    fn object(&self, schema: &Value, measure: Measure, depth: usize) -> Map<String, Value> {
        let mut members = Map::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Value::Object(inner) = self.value(part, measure, depth + 1) {
                members.extend(inner);
            }
        }
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
        };
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let is_wanted = required(name) || (measure == Measure::All && depth < DEPTH_MAX / 2);
            if is_wanted && depth < DEPTH_MAX {
                members.insert(name.clone(), self.value(inner, measure, depth + 1));
            }
        }
        members
    }

    fn text(&self, schema: &Value) -> Value {
        json!(match schema["format"].as_str() {
            Some("uri") => "https://example.com/a?b=c",
            Some("binary") => BINARY,
            _ => "thing_1",
        })
    }
}

/// A value in a query.
fn escaped(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let of = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(of).collect()
}

/// The document, however much there is of it.
pub fn read(text: &str) -> Value {
    let options = serde_saphyr::options! { budget: None, strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).unwrap()
}

/// The cases of an operation whose words go through; none of another.
pub fn cases(operation: &Operation<'_>) -> Vec<Case> {
    let (path, own_query) = operation.path.split_once('?').unwrap_or((operation.path, ""));
    let Some(row) = row(&operation.method.to_ascii_uppercase(), path).filter(|row| goes_through(row)) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for measure in [Measure::Required, Measure::All] {
        let queries = [own_query.to_owned(), operation.query(measure)];
        let query = queries.into_iter().filter(|query| !query.is_empty()).collect::<Vec<_>>().join("&");
        let target = if query.is_empty() { filled(path) } else { format!("{}?{query}", filled(path)) };
        let case = |content_type, body: Vec<u8>, model: &Value| {
            let (method, target) = (row.method.as_str(), target.clone());
            Case { method, target, content_type, body, told: told(operation, measure, model) }
        };
        match operation.media().as_slice() {
            [] => all.push(case(None, Vec::new(), &Value::Null)),
            media => all.extend(media.iter().map(|media| {
                let body = operation.body(media, measure);
                match *media {
                    JSON => case(Some(JSON), body.to_string().into_bytes(), &body["model"]),
                    _ => case(Some(FORM), form(&body).into_bytes(), &body["model"]),
                }
            })),
        }
    }
    all
}

/// What is answered: as it is described, under the model that was asked for.
fn told(operation: &Operation<'_>, measure: Measure, model: &Value) -> Told {
    let (status, _) = operation.good();
    match operation.answer(measure) {
        Some(mut answer) => {
            if let (Some(said), true) = (answer.get_mut("model"), model.is_string()) {
                *said = model.clone();
            }
            Told { status, content_type: JSON, body: answer.to_string().into_bytes() }
        }
        None => Told { status, content_type: "application/octet-stream", body: vec![0, 255, 10] },
    }
}

/// The members as a form, as OpenAI's SDKs write one.
fn form(members: &Value) -> String {
    let mut text = String::new();
    let mut part = |name: &str, value: &Value| {
        let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let file = if plain == BINARY { "; filename=\"a.bin\"\r\nContent-Type: own/media" } else { "" };
        text.push_str(&format!(
            "--b7d1\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{plain}\r\n"
        ));
    };
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::Array(values) => values.iter().for_each(|value| part(&format!("{name}[]"), value)),
            Value::Object(inner) => {
                inner.iter().for_each(|(key, value)| part(&format!("{name}[{key}]"), value));
            }
            value => part(name, value),
        }
    }
    text + "--b7d1--\r\n"
}
